/* pci.c - one PCI bus: configuration space, BAR mapping, INTx wiring, `info pci`
 * Spec: PCI Local Bus Specification 3.0, chapter 6. MSI-X is in msix.c.
 * Not modelled: bridges, MSI with one message address per function, power management. */
#include "host/base/osdep.h"
#include "hw/bus/pci.h"

#include "host/base/bitops.h"

enum { HEADER_MULTIFUNCTION = 0x80, BAR_IO = 1, BAR_64 = 4, BAR_PREFETCH = 8, ROM_ENABLE = 1 };
enum { STATUS_INTX = 0x08, STATUS_CAPABILITIES = 0x10, FIRST_CAPABILITY = 0x40 };
static const hwaddr UNMAPPED = ~0ULL;

struct PciBus {
    char *name;
    MemoryRegion *mem, *io;
    IrqHandler *set_irq;
    void *opaque;
    int (*map_irq)(PciDevice *pd, int pin);
    PciDevice *dev[256];
    int line[4]; /* levels as told to set_irq */
    PciMsiHandler *msi;
    void *msi_opaque;
};

const VMField pci_device_fields[] = {
    VM_BUFFER(PciDevice, config),
    VM_UINT(PciDevice, irq_level),
    VM_END,
};

static int default_map_irq(PciDevice *pd, int pin)
{
    return ((pd->devfn >> 3) + pin) & 3;
}

PciBus *pci_bus_new(const char *name, MemoryRegion *mem, MemoryRegion *io, IrqHandler *set_irq, void *opaque)
{
    PciBus *bus = g_new0(PciBus, 1);

    bus->name = g_strdup(name);
    bus->mem = mem;
    bus->io = io;
    bus->set_irq = set_irq;
    bus->opaque = opaque;
    bus->map_irq = default_map_irq;
    return bus;
}

void pci_bus_free(PciBus *bus)
{
    if (bus) {
        g_free(bus->name);
        g_free(bus);
    }
}

MemoryRegion *pci_bus_mem(PciBus *bus) { return bus->mem; }

void pci_bus_set_map_irq(PciBus *bus, int (*map)(PciDevice *pd, int pin))
{
    bus->map_irq = map;
}

/* --- INTx --- */

static void update_lines(PciBus *bus)
{
    int level[4] = {0};

    for (int i = 0; i < 256; i++) {
        PciDevice *pd = bus->dev[i];
        if (!pd || !pd->irq_level || !pd->config[PCI_INT_PIN] ||
            (ldl16(pd->config + PCI_COMMAND) & PCI_CMD_INTX_DISABLE))
            continue;
        level[bus->map_irq(pd, (pd->config[PCI_INT_PIN] - 1) & 3) & 3] = 1;
    }
    for (int i = 0; i < 4; i++)
        if (level[i] != bus->line[i]) {
            bus->line[i] = level[i];
            if (bus->set_irq)
                bus->set_irq(bus->opaque, i, level[i]);
        }
}

void pci_set_irq(PciDevice *pd, int level)
{
    level = level != 0;
    if (pd->irq_level == level)
        return;
    pd->irq_level = level;
    pd->config[PCI_STATUS] = (uint8_t)((pd->config[PCI_STATUS] & ~STATUS_INTX) | (level ? STATUS_INTX : 0));
    if (pd->bus)
        update_lines(pd->bus);
}

/* --- messages --- */

void pci_bus_set_msi(PciBus *bus, PciMsiHandler *fn, void *opaque)
{
    bus->msi = fn;
    bus->msi_opaque = opaque;
}

void pci_msi_send(PciDevice *pd, uint64_t addr, uint32_t data)
{
    if (pd->bus && pd->bus->msi && pci_can_master(pd))
        pd->bus->msi(pd->bus->msi_opaque, addr, data);
}

/* 6.7: a list in the config space; a new element becomes its head. */
unsigned pci_add_capability(PciDevice *pd, uint8_t id, unsigned size)
{
    unsigned at = FIRST_CAPABILITY;

    for (unsigned c = pd->config[PCI_CAP_POINTER]; c; c = pd->config[c + 1])
        at = MAX(at, ROUND_UP(c + pd->cap_size[c / 4], 4u));
    g_assert(size >= 2 && at + size <= sizeof pd->config);
    pd->cap_size[at / 4] = (uint8_t)size;
    pd->config[at] = id;
    pd->config[at + 1] = pd->config[PCI_CAP_POINTER];
    pd->config[PCI_CAP_POINTER] = (uint8_t)at;
    pd->config[PCI_STATUS] |= STATUS_CAPABILITIES;
    return at;
}

/* --- BARs --- */

static unsigned bar_offset(int n)
{
    return PCI_BAR0 + 4 * (unsigned)n;
}

/* Where the config space puts this BAR now. */
static hwaddr bar_wanted(const PciDevice *pd, int n)
{
    const PciBar *b = &pd->bar[n];
    uint16_t cmd = ldl16(pd->config + PCI_COMMAND);
    hwaddr addr, last, limit;

    if (b->kind == PCI_BAR_IO) {
        if (!(cmd & PCI_CMD_IO))
            return UNMAPPED;
        limit = 0xffff;
        addr = ldl32(pd->config + bar_offset(n));
    } else {
        if (!(cmd & PCI_CMD_MEM))
            return UNMAPPED;
        limit = b->kind == PCI_BAR_MEM64 ? (1ULL << 52) - 1 : 0xfffffffe;
        addr = b->kind == PCI_BAR_MEM64 ? ldl64(pd->config + bar_offset(n)) : ldl32(pd->config + bar_offset(n));
    }
    addr &= ~(b->region->size - 1);
    last = addr + b->region->size - 1;
    /* All ones is what sizing leaves for a moment; address 0 counts as "not assigned". */
    return addr == 0 || last < addr || last > limit ? UNMAPPED : addr;
}

static void move_region(MemoryRegion *parent, MemoryRegion *mr, hwaddr *at, hwaddr to)
{
    if (*at == to)
        return;
    if (*at != UNMAPPED)
        memory_region_del(parent, mr);
    if (to != UNMAPPED)
        memory_region_add(parent, to, mr, 1);
    *at = to;
}

static hwaddr rom_wanted(const PciDevice *pd)
{
    uint32_t bar = ldl32(pd->config + PCI_ROM_BAR);
    hwaddr addr = bar & ~(pd->rom->size - 1);

    if (!(bar & ROM_ENABLE) || !(ldl16(pd->config + PCI_COMMAND) & PCI_CMD_MEM) || addr == 0 ||
        addr + pd->rom->size - 1 >= 0xffffffff)
        return UNMAPPED;
    return addr;
}

static void update_mappings(PciDevice *pd)
{
    if (!pd->bus)
        return;
    memory_begin();
    for (int n = 0; n < 6; n++) {
        PciBar *b = &pd->bar[n];
        if (b->kind != PCI_BAR_NONE)
            move_region(b->kind == PCI_BAR_IO ? pd->bus->io : pd->bus->mem, b->region, &b->mapped_at,
                        bar_wanted(pd, n));
    }
    if (pd->rom)
        move_region(pd->bus->mem, pd->rom, &pd->rom_mapped_at, rom_wanted(pd));
    memory_commit();
}

void pci_register_bar(PciDevice *pd, int n, PciBarKind kind, MemoryRegion *region)
{
    unsigned off = bar_offset(n);
    uint32_t flags = 0;

    g_assert(n >= 0 && n < 6 && !(region->size & (region->size - 1)) && region->size >= 4);
    pd->bar[n] = (PciBar){kind, region, UNMAPPED};
    if (kind == PCI_BAR_IO)
        flags = BAR_IO;
    else if (kind == PCI_BAR_MEM_PREFETCH)
        flags = BAR_PREFETCH;
    else if (kind == PCI_BAR_MEM64)
        flags = BAR_64 | BAR_PREFETCH;
    stl32(pd->config + off, flags);
    stl32(pd->wmask + off, (uint32_t) ~(region->size - 1));
    if (kind == PCI_BAR_MEM64)
        stl32(pd->wmask + off + 4, (uint32_t)(~(region->size - 1) >> 32));
}

void pci_register_rom(PciDevice *pd, MemoryRegion *rom)
{
    pd->rom = rom;
    pd->rom_mapped_at = UNMAPPED;
    stl32(pd->wmask + PCI_ROM_BAR, (uint32_t) ~(rom->size - 1) | ROM_ENABLE);
}

/* --- devices --- */

bool pci_device_init(PciDevice *pd, uint16_t vendor, uint16_t device, uint16_t cls, uint8_t prog_if,
                     uint8_t rev, GError **errp)
{
    if (!pd->bus)
        return error_set(errp, "Device '%s' needs a PCI bus", pd->dev.cls->name);
    if (pd->devfn < 0) {
        for (pd->devfn = 0; pd->devfn < 256; pd->devfn += 8) {
            bool free = true;
            for (int fn = 0; fn < 8; fn++)
                free &= !pd->bus->dev[pd->devfn + fn];
            if (free)
                break;
        }
    }
    if (pd->devfn > 255)
        return error_set(errp, "PCI bus %s has no free slot for '%s'", pd->bus->name, pd->dev.cls->name);
    if (pd->bus->dev[pd->devfn])
        return error_set(errp, "PCI slot %02x.%x for '%s' is taken by '%s'", pd->devfn >> 3, pd->devfn & 7,
                         pd->dev.cls->name, pd->bus->dev[pd->devfn]->dev.cls->name);
    stl16(pd->config + PCI_VENDOR_ID, vendor);
    stl16(pd->config + PCI_DEVICE_ID, device);
    pd->config[PCI_REVISION] = rev;
    pd->config[PCI_CLASS_PROG] = prog_if;
    stl16(pd->config + PCI_CLASS_DEVICE, cls);
    stl16(pd->config + PCI_SUBSYS_VENDOR, 0x1af4);
    stl16(pd->config + PCI_SUBSYS_ID, 0x1100);
    stl16(pd->wmask + PCI_COMMAND, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER | 0x100 | PCI_CMD_INTX_DISABLE);
    pd->wmask[0x0c] = 0xff; /* cache line size */
    pd->wmask[PCI_INT_LINE] = 0xff;
    stl16(pd->w1cmask + PCI_STATUS, 0xf900);
    for (int n = 0; n < 6; n++)
        pd->bar[n].mapped_at = UNMAPPED;
    pd->rom_mapped_at = UNMAPPED;
    pd->bus->dev[pd->devfn] = pd;
    return true;
}

void pci_device_reset(PciDevice *pd)
{
    stl16(pd->config + PCI_COMMAND, 0);
    stl16(pd->config + PCI_STATUS, (uint16_t)(ldl16(pd->config + PCI_STATUS) & ~0xf908));
    pd->config[0x0c] = 0;
    pd->config[PCI_INT_LINE] = 0;
    for (unsigned i = PCI_BAR0; i < PCI_BAR0 + 24; i++)
        pd->config[i] &= (uint8_t)~pd->wmask[i];
    for (unsigned i = PCI_ROM_BAR; i < PCI_ROM_BAR + 4; i++)
        pd->config[i] &= (uint8_t)~pd->wmask[i];
    pci_set_irq(pd, 0);
    update_mappings(pd);
}

void pci_device_post_load(PciDevice *pd)
{
    pd->irq_level = pd->irq_level != 0;
    update_mappings(pd);
    if (pd->bus)
        update_lines(pd->bus);
}

void pci_device_finalize(PciDevice *pd)
{
    if (!pd->bus || pd->devfn < 0 || pd->devfn > 255 || pd->bus->dev[pd->devfn] != pd)
        return;
    pci_set_irq(pd, 0);
    stl16(pd->config + PCI_COMMAND, 0);
    update_mappings(pd);
    pd->bus->dev[pd->devfn] = NULL;
}

bool pci_can_master(const PciDevice *pd)
{
    return (ldl16(pd->config + PCI_COMMAND) & PCI_CMD_MASTER) != 0;
}

PciDevice *pci_find_device(PciBus *bus, int devfn)
{
    return devfn >= 0 && devfn < 256 ? bus->dev[devfn] : NULL;
}

/* --- configuration accesses; they stay inside a dword, as the bus makes them --- */

uint32_t pci_config_read(PciBus *bus, uint32_t devfn, unsigned addr, unsigned size)
{
    PciDevice *pd = pci_find_device(bus, (int)(devfn & 0xff));

    if (!pd || devfn > 0xff || size > 4 || addr + size > 256)
        return (uint32_t)MASK64(size * 8);
    if (pd->config_read)
        pd->config_read(pd, addr);
    return (uint32_t)ldl_n(pd->config + addr, size);
}

void pci_config_write(PciBus *bus, uint32_t devfn, unsigned addr, uint32_t val, unsigned size)
{
    PciDevice *pd = pci_find_device(bus, (int)(devfn & 0xff));

    if (!pd || devfn > 0xff || size > 4 || addr + size > 256)
        return;
    for (unsigned i = 0; i < size; i++) {
        uint8_t v = (uint8_t)(val >> (8 * i)), w = pd->wmask[addr + i], c = pd->w1cmask[addr + i];
        pd->config[addr + i] = (uint8_t)(((pd->config[addr + i] & ~w) | (v & w)) & ~(v & c));
    }
    if ((addr < PCI_BAR0 + 24 && addr + size > PCI_COMMAND) || (addr < PCI_ROM_BAR + 4 && addr + size > PCI_ROM_BAR)) {
        update_mappings(pd);
        update_lines(bus);
    }
    if (pd->config_write)
        pd->config_write(pd, addr, val, size);
}

/* --- `info pci` --- */

static void print_class(GString *out, unsigned cls)
{
    static const struct { uint16_t cls; const char *name; } names[] = {
        {0x0001, "VGA controller"},  {0x0100, "SCSI controller"},     {0x0101, "IDE controller"},
        {0x0106, "SATA controller"}, {0x0108, "NVMe controller"},     {0x0200, "Ethernet controller"},
        {0x0280, "Network controller"}, {0x0300, "VGA controller"},   {0x0380, "Display controller"},
        {0x0401, "Audio controller"}, {0x0403, "Audio controller"},   {0x0500, "RAM controller"},
        {0x0600, "Host bridge"},     {0x0601, "ISA bridge"},          {0x0604, "PCI bridge"},
        {0x0680, "Bridge"},          {0x0c03, "USB controller"},      {0x0c05, "SMBus"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].cls == cls) {
            g_string_append(out, names[i].name);
            return;
        }
    g_string_append_printf(out, "Class %04u", cls);
}

static void print_bar(GString *out, int n, const PciBar *b)
{
    hwaddr last = b->mapped_at + b->region->size - 1;

    g_string_append_printf(out, "      BAR%d: ", n);
    if (b->kind == PCI_BAR_IO)
        g_string_append_printf(out, "I/O at 0x%04" PRIx64 " [0x%04" PRIx64 "].\n", b->mapped_at, last);
    else
        g_string_append_printf(out, "%d bit%s memory at 0x%08" PRIx64 " [0x%08" PRIx64 "].\n",
                               b->kind == PCI_BAR_MEM64 ? 64 : 32, b->kind == PCI_BAR_MEM ? "" : " prefetchable",
                               b->mapped_at, last);
}

void pci_print_info(PciBus *bus, GString *out)
{
    for (int i = 0; i < 256; i++) {
        PciDevice *pd = bus->dev[i];
        if (!pd)
            continue;
        g_string_append_printf(out, "  Bus  0, device %3d, function %d:\n    ", i >> 3, i & 7);
        print_class(out, ldl16(pd->config + PCI_CLASS_DEVICE));
        g_string_append_printf(out, ": PCI device %04x:%04x\n", ldl16(pd->config), ldl16(pd->config + 2));
        g_string_append_printf(out, "      PCI subsystem %04x:%04x\n", ldl16(pd->config + PCI_SUBSYS_VENDOR),
                               ldl16(pd->config + PCI_SUBSYS_ID));
        if (pd->config[PCI_INT_PIN])
            g_string_append_printf(out, "      IRQ %d, pin %c\n", pd->config[PCI_INT_LINE],
                                   'A' + ((pd->config[PCI_INT_PIN] - 1) & 3));
        for (int n = 0; n < 6; n++)
            if (pd->bar[n].kind != PCI_BAR_NONE)
                print_bar(out, n, &pd->bar[n]);
        if (pd->rom) {
            PciBar rom = {PCI_BAR_MEM, pd->rom, pd->rom_mapped_at};
            print_bar(out, 6, &rom);
        }
        g_string_append_printf(out, "      id \"%s\"\n", pd->dev.id ? pd->dev.id : "");
    }
}
