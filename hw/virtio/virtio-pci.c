/* virtio-pci.c - virtio over PCI: the register block of 1.0 in a memory BAR, the older one in an I/O BAR, interrupts
 * Spec: VIRTIO 1.1, 4.1 (PCI bus), 4.1.4 (structures), 4.1.4.8 (legacy interface).
 * Guest view: BAR0 ports of the legacy interface, BAR1 MSI-X, BAR4 16 KiB: common configuration, ISR, device
 * configuration, kicks at 0, 1000h, 2000h, 3000h. Not modelled: queue_reset and notification data of 1.2. */
#include "host/base/osdep.h"
#include "hw/virtio/virtio.h"

#include "host/base/bitops.h"
#include "host/base/log.h"

enum { LEGACY_BAR = 0, MSIX_BAR = 1, MODERN_BAR = 4, PART = 0x1000, NOTIFY_STEP = 4, CAP_VENDOR = 9 };
enum { AT_COMMON = 0, AT_ISR = PART, AT_DEVICE = 2 * PART, AT_NOTIFY = 3 * PART, MODERN_SIZE = 4 * PART };
enum { CFG_COMMON = 1, CFG_NOTIFY, CFG_ISR, CFG_DEVICE, CFG_PCI }; /* structure types (4.1.4) */
enum { CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_LENGTH = 12, CAP_DATA = 16, CAP_SIZE = 16 };
/* common configuration (4.1.4.3) */
enum { C_FEATURE_SEL = 0, C_FEATURE = 4, C_DRIVER_SEL = 8, C_DRIVER = 12, C_CONFIG_VECTOR = 16, C_NUM_QUEUES = 18,
       C_STATUS = 20, C_GENERATION = 21, C_QUEUE_SEL = 22, C_QUEUE_SIZE = 24, C_QUEUE_VECTOR = 26, C_QUEUE_ENABLE = 28,
       C_QUEUE_NOTIFY_OFF = 30, C_QUEUE_DESC = 32, C_QUEUE_AVAIL = 40, C_QUEUE_USED = 48, C_END = 56 };
/* legacy registers (4.1.4.8) */
enum { L_FEATURES = 0, L_DRIVER_FEATURES = 4, L_QUEUE_PFN = 8, L_QUEUE_SIZE = 12, L_QUEUE_SEL = 14, L_KICK = 16,
       L_STATUS = 18, L_ISR = 19, L_CONFIG_VECTOR = 20, L_QUEUE_VECTOR = 22, L_CONFIG = 20, L_CONFIG_MSIX = 24 };

/* --- interrupts --- */

void virtio_raise(Virtio *v, uint16_t vector, uint8_t isr)
{
    if (msix_enabled(&v->msix)) {
        if (vector != VIRTIO_NO_VECTOR)
            msix_notify(&v->msix, vector);
        return;
    }
    v->isr |= isr;
    pci_set_irq(v->pci, 1);
}

void virtio_lower(Virtio *v)
{
    pci_set_irq(v->pci, 0);
}

static uint8_t read_isr(Virtio *v)
{
    uint8_t isr = v->isr;

    v->isr = 0; /* 4.1.4.5: reading acknowledges */
    virtio_lower(v);
    return isr;
}

static uint16_t check_vector(const Virtio *v, uint64_t val)
{
    return val < v->vectors ? (uint16_t)val : VIRTIO_NO_VECTOR;
}

static VirtQueue *selected(Virtio *v)
{
    return v->queue_sel < VIRTIO_QUEUES && v->vq[v->queue_sel].handler ? &v->vq[v->queue_sel] : NULL;
}

static unsigned queue_count(const Virtio *v)
{
    unsigned n = VIRTIO_QUEUES;

    while (n && !v->vq[n - 1].handler)
        n--;
    return n;
}

static void set_status(Virtio *v, uint64_t val)
{
    virtio_set_status(v, (uint8_t)val);
}

/* --- the interface of 1.0 --- */

static uint64_t queue_read(Virtio *v, unsigned reg)
{
    VirtQueue *vq = selected(v);

    if (!vq)
        return reg == C_QUEUE_VECTOR ? VIRTIO_NO_VECTOR : 0;
    switch (reg) {
    case C_QUEUE_SIZE:
        return vq->size;
    case C_QUEUE_VECTOR:
        return vq->vector;
    case C_QUEUE_ENABLE:
        return vq->enabled;
    case C_QUEUE_NOTIFY_OFF:
        return vq->index;
    case C_QUEUE_DESC:
        return (uint32_t)vq->desc;
    case C_QUEUE_DESC + 4:
        return vq->desc >> 32;
    case C_QUEUE_AVAIL:
        return (uint32_t)vq->avail;
    case C_QUEUE_AVAIL + 4:
        return vq->avail >> 32;
    case C_QUEUE_USED:
        return (uint32_t)vq->used;
    case C_QUEUE_USED + 4:
        return vq->used >> 32;
    default:
        return 0;
    }
}

static uint64_t common_read(Virtio *v, unsigned reg)
{
    switch (reg) {
    case C_FEATURE_SEL:
        return v->feature_sel;
    case C_FEATURE:
        return v->feature_sel > 1 ? 0 : (uint32_t)(virtio_offered(v) >> (32 * v->feature_sel));
    case C_DRIVER_SEL:
        return v->driver_feature_sel;
    case C_DRIVER:
        return v->driver_feature_sel > 1 ? 0 : v->driver_features[v->driver_feature_sel];
    case C_CONFIG_VECTOR:
        return v->config_vector;
    case C_NUM_QUEUES:
        return queue_count(v);
    case C_STATUS:
        return v->status;
    case C_GENERATION:
        return v->generation;
    case C_QUEUE_SEL:
        return v->queue_sel;
    default:
        return queue_read(v, reg);
    }
}

static void set_half(uint64_t *reg, bool high, uint64_t val)
{
    *reg = high ? (*reg & 0xffffffff) | val << 32 : (*reg & ~0xffffffffULL) | (uint32_t)val;
}

static void queue_write(Virtio *v, unsigned reg, uint64_t val)
{
    VirtQueue *vq = selected(v);

    if (!vq) {
        log_guest_error("%s: register %02x of queue %u, which does not exist\n", v->pci->dev.cls->name, reg, v->queue_sel);
        return;
    }
    if (reg == C_QUEUE_VECTOR) {
        vq->vector = check_vector(v, val);
        return;
    }
    if (vq->enabled) {
        log_guest_error("%s: register %02x of a queue in use\n", v->pci->dev.cls->name, reg);
        return;
    }
    switch (reg) {
    case C_QUEUE_SIZE:
        if (!val || val > vq->max_size || (val & (val - 1)))
            log_guest_error("%s: queue of %u descriptors\n", v->pci->dev.cls->name, (unsigned)val);
        else
            vq->size = (uint16_t)val;
        break;
    case C_QUEUE_ENABLE:
        vq->enabled = val == 1;
        break;
    case C_QUEUE_DESC:
    case C_QUEUE_DESC + 4:
        set_half(&vq->desc, reg & 4, val);
        break;
    case C_QUEUE_AVAIL:
    case C_QUEUE_AVAIL + 4:
        set_half(&vq->avail, reg & 4, val);
        break;
    case C_QUEUE_USED:
    case C_QUEUE_USED + 4:
        set_half(&vq->used, reg & 4, val);
        break;
    default:
        log_guest_error("%s: write to register %02x\n", v->pci->dev.cls->name, reg);
        break;
    }
    vq->host_desc = NULL;
}

static void common_write(Virtio *v, unsigned reg, uint64_t val)
{
    switch (reg) {
    case C_FEATURE_SEL:
        v->feature_sel = (uint32_t)val;
        break;
    case C_DRIVER_SEL:
        v->driver_feature_sel = (uint32_t)val;
        break;
    case C_DRIVER:
        if (v->driver_feature_sel > 1 || (v->status & VIRTIO_FEATURES_OK))
            break;
        v->driver_features[v->driver_feature_sel] = (uint32_t)val;
        virtio_set_features(v, (uint64_t)v->driver_features[1] << 32 | v->driver_features[0]);
        break;
    case C_CONFIG_VECTOR:
        v->config_vector = check_vector(v, val);
        break;
    case C_STATUS:
        set_status(v, val);
        break;
    case C_QUEUE_SEL:
        v->queue_sel = (uint16_t)val;
        break;
    default:
        queue_write(v, reg, val);
        break;
    }
}

static uint64_t modern_read(void *opaque, hwaddr off, unsigned size)
{
    Virtio *v = opaque;
    uint64_t val;

    switch (off / PART) {
    case AT_COMMON / PART:
        /* Fields are read in their own width (4.1.3.1); a byte of a wider one is cut out of it. */
        if (off >= C_END)
            return 0;
        if (off == C_STATUS || off == C_GENERATION)
            return common_read(v, (unsigned)off);
        if (off >= C_CONFIG_VECTOR && off < C_QUEUE_DESC) {
            val = common_read(v, (unsigned)off & ~1u) >> (8 * (off & 1));
            return size == 4 ? val | common_read(v, (unsigned)off + 2) << 16 : val;
        }
        return common_read(v, (unsigned)off & ~3u) >> (8 * (off & 3));
    case AT_ISR / PART:
        return off == AT_ISR ? read_isr(v) : 0;
    case AT_DEVICE / PART:
        return virtio_config_read(v, (unsigned)(off - AT_DEVICE), size);
    default:
        return 0;
    }
}

static void modern_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    Virtio *v = opaque;

    switch (off / PART) {
    case AT_COMMON / PART:
        if (off < C_END)
            common_write(v, (unsigned)off, val);
        break;
    case AT_DEVICE / PART:
        virtio_config_write(v, (unsigned)(off - AT_DEVICE), size, (uint32_t)val);
        break;
    case AT_NOTIFY / PART:
        virtio_kick(v, (unsigned)(off - AT_NOTIFY) / NOTIFY_STEP);
        break;
    default:
        break;
    }
}

static const MemoryOps modern_ops = {modern_read, modern_write, 1, 4};

/* --- the interface of before --- */

static unsigned legacy_config_at(const Virtio *v)
{
    return msix_enabled(&v->msix) ? L_CONFIG_MSIX : L_CONFIG;
}

static uint64_t legacy_read(void *opaque, hwaddr off, unsigned size)
{
    Virtio *v = opaque;
    VirtQueue *vq = selected(v);

    if (off >= legacy_config_at(v))
        return virtio_config_read(v, (unsigned)off - legacy_config_at(v), size);
    switch (off) {
    case L_FEATURES:
        return (uint32_t)virtio_offered(v);
    case L_DRIVER_FEATURES:
        return (uint32_t)v->features;
    case L_QUEUE_PFN:
        return vq ? vq->pfn : 0;
    case L_QUEUE_SIZE:
        return vq ? vq->max_size : 0;
    case L_QUEUE_SEL:
        return v->queue_sel;
    case L_STATUS:
        return v->status;
    case L_ISR:
        return read_isr(v);
    case L_CONFIG_VECTOR:
        return v->config_vector;
    case L_QUEUE_VECTOR:
        return vq ? vq->vector : VIRTIO_NO_VECTOR;
    default:
        return (uint32_t)MASK64(size * 8);
    }
}

static void legacy_pfn(Virtio *v, VirtQueue *vq, uint32_t pfn)
{
    if (!vq)
        return;
    if (!pfn) { /* older drivers reset a device this way */
        virtio_set_status(v, 0);
        return;
    }
    vq->size = vq->max_size;
    vq->pfn = pfn;
    virtqueue_legacy_layout(vq);
}

static void legacy_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    Virtio *v = opaque;
    VirtQueue *vq = selected(v);

    if (off >= legacy_config_at(v)) {
        virtio_config_write(v, (unsigned)off - legacy_config_at(v), size, (uint32_t)val);
        return;
    }
    switch (off) {
    case L_DRIVER_FEATURES:
        virtio_set_features(v, (uint32_t)val);
        break;
    case L_QUEUE_PFN:
        legacy_pfn(v, vq, (uint32_t)val);
        break;
    case L_QUEUE_SEL:
        v->queue_sel = (uint16_t)val;
        break;
    case L_KICK:
        virtio_kick(v, (unsigned)val & 0xffff);
        break;
    case L_STATUS:
        set_status(v, val & 0xff);
        break;
    case L_CONFIG_VECTOR:
        v->config_vector = check_vector(v, val);
        break;
    case L_QUEUE_VECTOR:
        if (vq)
            vq->vector = check_vector(v, val);
        break;
    default:
        log_guest_error("%s: write to port %02x\n", v->pci->dev.cls->name, (unsigned)off);
        break;
    }
}

static const MemoryOps legacy_ops = {legacy_read, legacy_write, 1, 4};

/* --- configuration space: the window into the BARs for firmware that maps none (4.1.4.7) --- */

static bool window(PciDevice *pd, Virtio *v, hwaddr *off, unsigned *size)
{
    const uint8_t *cap = pd->config + v->pci_cfg_cap;

    *off = ldl32(cap + CAP_OFFSET);
    *size = ldl32(cap + CAP_LENGTH);
    return cap[CAP_BAR] == MODERN_BAR && (*size == 1 || *size == 2 || *size == 4) && *off < MODERN_SIZE && !(*off & (*size - 1));
}

void virtio_pci_config_write(PciDevice *pd, Virtio *v, unsigned addr, unsigned size)
{
    unsigned data = v->pci_cfg_cap + CAP_DATA, n;
    hwaddr off;

    msix_config_write(&v->msix, addr, size);
    if (v->pci_cfg_cap && addr < data + 4 && addr + size > data && window(pd, v, &off, &n))
        modern_write(v, off, ldl_n(pd->config + data, n), n);
    if (addr <= PCI_COMMAND && addr + size > PCI_COMMAND && pci_can_master(pd))
        for (unsigned i = 0; i < VIRTIO_QUEUES; i++) /* kicks had no effect before */
            if (v->vq[i].handler && virtqueue_ready(&v->vq[i]))
                v->vq[i].handler(v, &v->vq[i]);
}

void virtio_pci_config_read(PciDevice *pd, Virtio *v, unsigned addr)
{
    unsigned data = v->pci_cfg_cap + CAP_DATA, n;
    hwaddr off;

    if (v->pci_cfg_cap && addr >= data && addr < data + 4 && window(pd, v, &off, &n))
        stl_n(pd->config + data, n, modern_read(v, off, n));
}

static void add_structure(PciDevice *pd, unsigned type, uint32_t at, uint32_t len, unsigned extra, uint32_t extra_val)
{
    unsigned off = pci_add_capability(pd, CAP_VENDOR, CAP_SIZE + extra);
    uint8_t *cap = pd->config + off;

    cap[2] = (uint8_t)(CAP_SIZE + extra);
    cap[CAP_TYPE] = (uint8_t)type;
    cap[CAP_BAR] = type == CFG_PCI ? 0 : MODERN_BAR;
    stl32(cap + CAP_OFFSET, at);
    stl32(cap + CAP_LENGTH, len);
    if (extra)
        stl32(cap + CAP_DATA, extra_val);
}

static void add_modern(Virtio *v)
{
    PciDevice *pd = v->pci;
    uint8_t *mask;

    memory_region_init_io(&v->modern_mr, &modern_ops, v, "virtio-pci", MODERN_SIZE);
    pci_register_bar(pd, MODERN_BAR, PCI_BAR_MEM64, &v->modern_mr);
    add_structure(pd, CFG_PCI, 0, 0, 4, 0);
    v->pci_cfg_cap = pd->config[PCI_CAP_POINTER];
    mask = pd->wmask + v->pci_cfg_cap;
    mask[CAP_BAR] = 0xff;
    memset(mask + CAP_OFFSET, 0xff, 12); /* offset, length, data */
    add_structure(pd, CFG_NOTIFY, AT_NOTIFY, PART, 4, NOTIFY_STEP);
    add_structure(pd, CFG_DEVICE, AT_DEVICE, PART, 0, 0);
    add_structure(pd, CFG_ISR, AT_ISR, PART, 0, 0);
    add_structure(pd, CFG_COMMON, AT_COMMON, PART, 0, 0);
}

bool virtio_pci_init(Virtio *v, GError **errp)
{
    PciDevice *pd = v->pci;
    uint16_t id = v->legacy ? v->ops->legacy_device_id : (uint16_t)(0x1040 + v->ops->id);
    unsigned ports = 32;

    if (!pci_device_init(pd, 0x1af4, id, v->ops->pci_class, 0, v->legacy ? 0 : 1, errp))
        return false;
    if (v->legacy)
        stl16(pd->config + PCI_SUBSYS_ID, (uint16_t)v->ops->id);
    pd->config[PCI_INT_PIN] = 1;
    if (v->legacy) {
        while (ports < L_CONFIG_MSIX + v->config_len)
            ports *= 2;
        memory_region_init_io(&v->legacy_mr, &legacy_ops, v, "virtio-pci-legacy", ports);
        pci_register_bar(pd, LEGACY_BAR, PCI_BAR_IO, &v->legacy_mr);
    }
    if (v->vectors)
        msix_init(&v->msix, pd, MSIX_BAR, v->vectors);
    if (v->modern)
        add_modern(v);
    return true;
}

void virtio_pci_finalize(Virtio *v)
{
    pci_device_finalize(v->pci);
    msix_finalize(&v->msix);
    if (v->modern_mr.size)
        memory_region_destroy(&v->modern_mr);
    if (v->legacy_mr.size)
        memory_region_destroy(&v->legacy_mr);
}
