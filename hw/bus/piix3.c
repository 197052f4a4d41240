/* piix3.c - 82371SB function 0: PCI-to-ISA bridge, PIRQ routing, reset control
 * Spec: Intel 82371SB (PIIX3) data sheet. ELCR is in hw/intc/i8259.c.
 * Guest view: function 1.0 (8086:7000), port cf9h. Not modelled: X-bus chip selects, ISA timing, APM in
 * this function (the 82371AB power management function has it). */
#include "host/base/osdep.h"
#include "hw/bus/piix3.h"

#include "host/base/bitops.h"
#include "softmmu/runstate.h"

enum { REG_PIRQ = 0x60, PIRQ_DISABLED = 0x80 };
enum { RCR_HARD = 0x02, RCR_RESET = 0x04 };

struct Piix3State {
    PciDevice pd;
    IrqLine isa_irq[16];
    MemoryRegion rcr_mr;
    uint8_t pirq[4];  /* line levels */
    uint8_t rcr;
    uint16_t driven;  /* ISA lines that PIRQs hold high: derived */
};

/* The only place that drives ISA lines. */
static void update_irqs(Piix3State *s)
{
    uint16_t want = 0, changed;

    for (int i = 0; i < 4; i++) {
        uint8_t route = s->pd.config[REG_PIRQ + i];
        if (s->pirq[i] && !(route & PIRQ_DISABLED))
            want |= (uint16_t)(1 << (route & 15));
    }
    changed = want ^ s->driven;
    s->driven = want;
    for (int i = 0; i < 16; i++)
        if (changed >> i & 1)
            irq_set(&s->isa_irq[i], want >> i & 1);
}

void piix3_set_pirq(void *opaque, int n, int level)
{
    Piix3State *s = opaque;

    s->pirq[n & 3] = level != 0;
    update_irqs(s);
}

int piix3_map_irq(PciDevice *pd, int pin)
{
    return ((pd->devfn >> 3) - 1 + pin) & 3;
}

static void piix3_config_write(PciDevice *pd, unsigned addr, uint32_t val, unsigned size)
{
    if (addr < REG_PIRQ + 4 && addr + size > REG_PIRQ)
        update_irqs(container_of(pd, Piix3State, pd));
}

static uint64_t rcr_read(void *opaque, hwaddr off, unsigned size)
{
    return ((Piix3State *)opaque)->rcr;
}

static void rcr_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    Piix3State *s = opaque;

    if (val & RCR_RESET)
        system_reset_request(CAUSE_GUEST_RESET);
    s->rcr = val & RCR_HARD; /* bit 2 reads as zero */
}

static const MemoryOps rcr_ops = {rcr_read, rcr_write, 1, 1, false};

void piix3_configure(Piix3State *s, PciBus *bus, int devfn, const IrqLine isa_irq[16])
{
    s->pd.bus = bus;
    s->pd.devfn = devfn;
    memcpy(s->isa_irq, isa_irq, sizeof s->isa_irq);
}

static const VMField piix3_fields[] = {
    VM_STRUCT(Piix3State, pd, pci_device_fields),
    VM_UINT_ARRAY(Piix3State, pirq, 4),
    VM_UINT(Piix3State, rcr),
    VM_END,
};

static void piix3_post_load(Device *dev)
{
    Piix3State *s = container_of(dev, Piix3State, pd.dev);

    pci_device_post_load(&s->pd);
    update_irqs(s);
}

static void piix3_reset(Device *dev)
{
    Piix3State *s = container_of(dev, Piix3State, pd.dev);
    uint8_t *c = s->pd.config;

    pci_device_reset(&s->pd);
    stl16(c + PCI_COMMAND, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
    stl16(c + PCI_STATUS, 0x0200);
    c[0x4c] = 0x4d; /* ISA I/O recovery */
    c[0x4e] = 0x03; /* X-bus chip select */
    memset(c + REG_PIRQ, PIRQ_DISABLED, 4);
    c[0x69] = 0x02; /* top of memory */
    c[0x70] = PIRQ_DISABLED;
    c[0x76] = 0x0c;
    c[0x77] = 0x0c;
    memset(s->pirq, 0, sizeof s->pirq);
    s->rcr = 0;
    update_irqs(s);
}

static bool piix3_init(Device *dev, GError **errp)
{
    Piix3State *s = container_of(dev, Piix3State, pd.dev);

    if (!pci_device_init(&s->pd, 0x8086, 0x7000, 0x0601, 0, 0, errp))
        return false;
    s->pd.config[PCI_HEADER_TYPE] = 0x80; /* functions 1 and 3 belong to the same chip */
    s->pd.config_write = piix3_config_write;
    stl16(s->pd.wmask + PCI_COMMAND, 0x100);
    memset(s->pd.wmask + 0x4c, 0xff, 0x70);
    memset(s->pd.wmask + REG_PIRQ, 0x8f, 4);
    memory_region_init_io(&s->rcr_mr, &rcr_ops, s, "piix3-reset-control", 1);
    memory_region_add(address_space_io.root, 0xcf9, &s->rcr_mr, 1);
    return true;
}

static void piix3_finalize(Device *dev)
{
    Piix3State *s = container_of(dev, Piix3State, pd.dev);

    memory_region_del(address_space_io.root, &s->rcr_mr);
    memory_region_destroy(&s->rcr_mr);
    pci_device_finalize(&s->pd);
}

const DeviceClass piix3_class = {
    .name = "PIIX3",
    .instance_size = sizeof(Piix3State),
    .init = piix3_init,
    .reset = piix3_reset,
    .fields = piix3_fields,
    .post_load = piix3_post_load,
    .finalize = piix3_finalize,
    .desc = "ISA bridge",
    .bus = "PCI",
};
