/* i440fx.c - 82441FX PCI and memory controller: configuration mechanism #1, PAM, SMRAM
 * Spec: Intel 440FX PCIset data sheet (82441FX PMC).
 * Guest view: function 0.0 (8086:1237), ports cf8h and cfch. Not modelled: DRAM timing and row registers,
 * error reporting. */
#include "host/base/osdep.h"
#include "hw/bus/i440fx.h"

#include "host/base/bitops.h"
#include "host/base/log.h"
#include "softmmu/dirty.h"
#include "softmmu/physmem.h"

enum { REG_PAM = 0x59, REG_SMRAM = 0x72, PAM_SEGMENTS = 13 };
enum { PAM_READ = 1, PAM_WRITE = 2 };
enum { SMRAM_ENABLE = 0x08, SMRAM_LOCK = 0x10, SMRAM_CLOSE = 0x20, SMRAM_OPEN = 0x40, SMRAM_DEFAULT = 0x02 };

typedef struct PamSegment {
    MemoryRegion ram, rom, pci, copy; /* exactly one is enabled; copy reads PCI and writes RAM */
    I440fxState *bridge;
    hwaddr start;
} PamSegment;

struct I440fxState {
    PciDevice pd;
    MemoryRegion *ram, *pci_mem;
    MemoryRegion conf_idx, conf_data, smram_region, smram_low;
    PamSegment pam[PAM_SEGMENTS];
    uint32_t address; /* cf8h */
    uint8_t smm;      /* the CPU is in SMM */
};

/* Segment 0 is f0000h-fffffh (59h, high half), then 16 KiB steps from c0000h, two per register. */
static void segment_range(int i, hwaddr *start, uint64_t *size)
{
    *start = i == 0 ? 0xf0000 : 0xc0000 + (hwaddr)(i - 1) * 0x4000;
    *size = i == 0 ? 0x10000 : 0x4000;
}

static unsigned segment_mode(const I440fxState *s, int i)
{
    uint8_t reg = s->pd.config[REG_PAM + (i + 1) / 2];

    return (i & 1 ? reg : reg >> 4) & 3;
}

/* A BIOS copies itself into RAM in this mode: it reads the ROM and writes to the same addresses. */
static uint64_t copy_read(void *opaque, hwaddr off, unsigned size)
{
    PamSegment *p = opaque;
    hwaddr at;
    MemoryRegion *leaf = memory_region_find(p->bridge->pci_mem, p->start + off, &at);

    if (!leaf)
        return UINT64_MAX;
    if (leaf->ram)
        return ldl_n(memory_region_ram_ptr(leaf) + at, (unsigned)MIN(size, leaf->size - at));
    return memory_region_read(leaf, at, size);
}

static void copy_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    PamSegment *p = opaque;
    MemoryRegion *ram = p->bridge->ram;

    if (p->start + off + size > memory_region_ram_size(ram))
        return;
    dirty_write(ram->ram->offset + ram->ram_offset + p->start + off, size);
    stl_n(memory_region_ram_ptr(ram) + p->start + off, size, val);
}

static const MemoryOps copy_ops = {copy_read, copy_write, 1, 8, false};

static void update_routing(I440fxState *s)
{
    uint8_t smram = s->pd.config[REG_SMRAM];
    bool open = (smram & SMRAM_ENABLE) && ((smram & SMRAM_OPEN) || s->smm);

    memory_begin();
    for (int i = 0; i < PAM_SEGMENTS; i++) {
        unsigned mode = segment_mode(s, i);
        memory_region_set_enabled(&s->pam[i].ram, mode == (PAM_READ | PAM_WRITE));
        memory_region_set_enabled(&s->pam[i].rom, mode == PAM_READ);
        memory_region_set_enabled(&s->pam[i].copy, mode == PAM_WRITE);
        memory_region_set_enabled(&s->pam[i].pci, mode == 0);
    }
    memory_region_set_enabled(&s->smram_region, !open);
    memory_region_set_enabled(&s->smram_low, open);
    memory_commit();
}

void i440fx_set_smm(void *opaque, int n, int smm)
{
    I440fxState *s = opaque;

    s->smm = smm != 0;
    update_routing(s);
}

static void i440fx_config_write(PciDevice *pd, unsigned addr, uint32_t val, unsigned size)
{
    I440fxState *s = container_of(pd, I440fxState, pd);

    if (addr < REG_PAM + 7 && addr + size > REG_PAM)
        update_routing(s);
    if (addr <= REG_SMRAM && addr + size > REG_SMRAM) {
        uint8_t v = (uint8_t)((pd->config[REG_SMRAM] & 0x78) | SMRAM_DEFAULT);
        if (v & SMRAM_LOCK) { /* until reset: closed for good, only D_CLS may still change */
            v &= (uint8_t)~SMRAM_OPEN;
            pd->wmask[REG_SMRAM] = SMRAM_CLOSE;
        }
        pd->config[REG_SMRAM] = v;
        update_routing(s);
    }
}

/* --- configuration mechanism #1 --- */

static uint64_t idx_read(void *opaque, hwaddr off, unsigned size)
{
    I440fxState *s = opaque;

    return size == 4 ? s->address : MASK64(size * 8); /* only dwords are PMC registers */
}

static void idx_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    I440fxState *s = opaque;

    if (size == 4 && off == 0)
        s->address = (uint32_t)val & 0x80fffffc;
}

static bool data_target(const I440fxState *s, hwaddr off, uint32_t *devfn, unsigned *reg)
{
    *devfn = s->address >> 8 & 0xffff; /* bus in the high byte: only bus 0 exists */
    *reg = (s->address & 0xfc) + (unsigned)off;
    return s->address >> 31;
}

static uint64_t data_read(void *opaque, hwaddr off, unsigned size)
{
    I440fxState *s = opaque;
    uint32_t devfn;
    unsigned reg;

    return data_target(s, off, &devfn, &reg) ? pci_config_read(s->pd.bus, devfn, reg, size) : MASK64(size * 8);
}

static void data_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    I440fxState *s = opaque;
    uint32_t devfn;
    unsigned reg;

    if (data_target(s, off, &devfn, &reg))
        pci_config_write(s->pd.bus, devfn, reg, (uint32_t)val, size);
}

static const MemoryOps idx_ops = {idx_read, idx_write, 1, 4, false};
static const MemoryOps data_ops = {data_read, data_write, 1, 4, false};

void i440fx_configure(I440fxState *s, PciBus *bus, MemoryRegion *ram, MemoryRegion *pci_mem)
{
    s->pd.bus = bus;
    s->pd.devfn = 0;
    s->ram = ram;
    s->pci_mem = pci_mem;
}

static const VMField i440fx_fields[] = {
    VM_STRUCT(I440fxState, pd, pci_device_fields),
    VM_UINT(I440fxState, address),
    VM_UINT(I440fxState, smm),
    VM_END,
};

static void i440fx_post_load(Device *dev)
{
    I440fxState *s = container_of(dev, I440fxState, pd.dev);

    s->pd.wmask[REG_SMRAM] = s->pd.config[REG_SMRAM] & SMRAM_LOCK ? SMRAM_CLOSE : 0x78;
    pci_device_post_load(&s->pd);
    update_routing(s);
}

static void i440fx_reset(Device *dev)
{
    I440fxState *s = container_of(dev, I440fxState, pd.dev);

    pci_device_reset(&s->pd);
    stl16(s->pd.config + PCI_COMMAND, PCI_CMD_MEM | PCI_CMD_MASTER); /* hard-wired */
    memset(s->pd.config + REG_PAM, 0, 7);
    s->pd.config[REG_SMRAM] = SMRAM_DEFAULT;
    s->pd.wmask[REG_SMRAM] = 0x78;
    s->address = 0;
    s->smm = 0;
    update_routing(s);
}

static bool i440fx_init(Device *dev, GError **errp)
{
    I440fxState *s = container_of(dev, I440fxState, pd.dev);
    MemoryRegion *mem = address_space_memory.root;

    if (!pci_device_init(&s->pd, 0x8086, 0x1237, 0x0600, 0, 2, errp))
        return false;
    s->pd.config_write = i440fx_config_write;
    stl16(s->pd.wmask + PCI_COMMAND, 0x100);
    memset(s->pd.wmask + 0x50, 0xff, 0x22); /* memory controller registers: kept, most without effect */
    s->pd.wmask[0x93] = 0xff;
    memory_begin();
    memory_region_init_io(&s->conf_idx, &idx_ops, s, "pci-conf-idx", 4);
    memory_region_init_io(&s->conf_data, &data_ops, s, "pci-conf-data", 4);
    memory_region_add(address_space_io.root, 0xcf8, &s->conf_idx, 0);
    memory_region_add(address_space_io.root, 0xcfc, &s->conf_data, 0);
    memory_region_init_alias(&s->smram_region, "smram-region", s->pci_mem, 0xa0000, 0x20000);
    memory_region_add(mem, 0xa0000, &s->smram_region, 1);
    /* Above the VGA window, which stands at priority 1 too. */
    memory_region_init_alias(&s->smram_low, "smram-low", s->ram, 0xa0000, 0x20000);
    memory_region_add(mem, 0xa0000, &s->smram_low, 2);
    for (int i = 0; i < PAM_SEGMENTS; i++) {
        hwaddr start;
        uint64_t size;
        segment_range(i, &start, &size);
        memory_region_init_alias(&s->pam[i].ram, "pam-ram", s->ram, start, size);
        memory_region_init_alias(&s->pam[i].rom, "pam-rom", s->ram, start, size);
        memory_region_init_alias(&s->pam[i].pci, "pam-pci", s->pci_mem, start, size);
        s->pam[i].bridge = s;
        s->pam[i].start = start;
        memory_region_init_io(&s->pam[i].copy, &copy_ops, &s->pam[i], "pam-copy", size);
        memory_region_set_readonly(&s->pam[i].rom, true);
        memory_region_add(mem, start, &s->pam[i].ram, 1);
        memory_region_add(mem, start, &s->pam[i].rom, 1);
        memory_region_add(mem, start, &s->pam[i].pci, 1);
        memory_region_add(mem, start, &s->pam[i].copy, 1);
    }
    update_routing(s);
    memory_commit();
    return true;
}

static void drop(MemoryRegion *parent, MemoryRegion *mr)
{
    memory_region_del(parent, mr);
    memory_region_destroy(mr);
}

static void i440fx_finalize(Device *dev)
{
    I440fxState *s = container_of(dev, I440fxState, pd.dev);
    MemoryRegion *mem = address_space_memory.root;

    drop(address_space_io.root, &s->conf_idx);
    drop(address_space_io.root, &s->conf_data);
    drop(mem, &s->smram_region);
    drop(mem, &s->smram_low);
    for (int i = 0; i < PAM_SEGMENTS; i++) {
        drop(mem, &s->pam[i].ram);
        drop(mem, &s->pam[i].rom);
        drop(mem, &s->pam[i].pci);
        drop(mem, &s->pam[i].copy);
    }
    pci_device_finalize(&s->pd);
}

const DeviceClass i440fx_class = {
    .name = "i440FX",
    .instance_size = sizeof(I440fxState),
    .init = i440fx_init,
    .reset = i440fx_reset,
    .fields = i440fx_fields,
    .post_load = i440fx_post_load,
    .finalize = i440fx_finalize,
    .desc = "host bridge",
    .bus = "PCI",
};
