/* ioapic.c - I/O advanced programmable interrupt controller with 24 pins
 * Spec: Intel 82093AA data sheet; the EOI register at 40h as in the version 20h controllers.
 * Guest view: fec00000h: index at 0, data at 10h, EOI at 40h. Pin polarity is kept but not applied:
 * device models drive logical levels. Not modelled: the APIC bus's arbitration. */
#include "host/base/osdep.h"
#include "hw/intc/ioapic.h"

#include "host/base/log.h"
#include "softmmu/memory.h"

enum { IOREGSEL = 0x00, IOWIN = 0x10, IOEOI = 0x40 };
enum { REG_ID = 0, REG_VERSION = 1, REG_ARBITRATION = 2, REG_TABLE = 0x10 };
enum { IOAPIC_VERSION = 0x20 };
enum { RTE_LOGICAL = 1 << 11, RTE_STATUS = 1 << 12, RTE_POLARITY = 1 << 13, RTE_REMOTE_IRR = 1 << 14,
       RTE_LEVEL = 1 << 15, RTE_MASKED = 1 << 16 };
static const hwaddr IOAPIC_BASE = 0xfec00000;
static const uint64_t RTE_READ_ONLY = RTE_STATUS | RTE_REMOTE_IRR;
static const uint64_t RTE_WRITABLE = 0xff0000000001afffULL;

struct IoapicState {
    Device dev;
    IoapicDeliver *deliver;
    void *deliver_opaque;
    MemoryRegion mr;
    uint64_t table[IOAPIC_PINS];
    uint32_t irr;   /* requests not sent yet */
    uint32_t pins;  /* levels, for edges */
    uint8_t id, select;
    uint64_t count[IOAPIC_PINS]; /* statistics only */
};

static void service_pin(IoapicState *s, int n)
{
    uint64_t e = s->table[n];
    bool level = e & RTE_LEVEL;

    if (!(s->irr >> n & 1) || (e & RTE_MASKED))
        return;
    if (level) {
        if (e & RTE_REMOTE_IRR)
            return; /* the CPU has it and has not said EOI */
        s->table[n] |= RTE_REMOTE_IRR;
    } else {
        s->irr &= ~(1u << n);
    }
    s->count[n]++;
    if (s->deliver)
        s->deliver(s->deliver_opaque, (uint32_t)(e >> 56), (e & RTE_LOGICAL) != 0, e >> 8 & 7, e & 0xff, level);
}

void ioapic_set_irq(void *opaque, int n, int level)
{
    IoapicState *s = opaque;
    uint32_t bit = 1u << n;
    bool rising;

    if (n < 0 || n >= IOAPIC_PINS)
        return;
    rising = level && !(s->pins & bit);
    s->pins = level ? s->pins | bit : s->pins & ~bit;
    if (s->table[n] & RTE_LEVEL) {
        s->irr = level ? s->irr | bit : s->irr & ~bit;
    } else {
        if (!rising || (s->table[n] & RTE_MASKED))
            return; /* 82093AA 3.4.2: an edge at a masked pin is not remembered */
        s->irr |= bit;
    }
    service_pin(s, n);
}

void ioapic_eoi(IoapicState *s, unsigned vector)
{
    for (int n = 0; n < IOAPIC_PINS; n++) {
        uint64_t e = s->table[n];
        if ((e & 0xff) == vector && (e & RTE_LEVEL) && (e & RTE_REMOTE_IRR)) {
            s->table[n] &= ~(uint64_t)RTE_REMOTE_IRR;
            service_pin(s, n); /* the line may still be active */
        }
    }
}

static uint32_t reg_read(IoapicState *s)
{
    unsigned n = (unsigned)(s->select - REG_TABLE) / 2;

    switch (s->select) {
    case REG_ID:
    case REG_ARBITRATION:
        return (uint32_t)s->id << 24;
    case REG_VERSION:
        return IOAPIC_VERSION | (IOAPIC_PINS - 1) << 16;
    default:
        if (s->select < REG_TABLE || n >= IOAPIC_PINS)
            return 0;
        return (uint32_t)(s->table[n] >> (s->select & 1 ? 32 : 0));
    }
}

static void table_write(IoapicState *s, int n, bool high, uint32_t val)
{
    uint64_t old = s->table[n], v;

    v = high ? (old & 0xffffffff) | (uint64_t)val << 32 : (old & ~0xffffffffULL) | val;
    v = (v & RTE_WRITABLE & ~RTE_READ_ONLY) | (old & RTE_READ_ONLY);
    if (!(v & RTE_LEVEL)) {
        v &= ~(uint64_t)RTE_REMOTE_IRR; /* Linux clears a stuck pin by switching it to edge and back */
        if (old & RTE_LEVEL)
            s->irr &= ~(1u << n);
    } else if (!(old & RTE_LEVEL)) {
        s->irr = s->pins >> n & 1 ? s->irr | 1u << n : s->irr & ~(1u << n);
    }
    s->table[n] = v;
    service_pin(s, n);
}

static uint64_t ioapic_read(void *opaque, hwaddr off, unsigned size)
{
    IoapicState *s = opaque;

    switch (off & 0xff) {
    case IOREGSEL:
        return s->select;
    case IOWIN:
        return reg_read(s);
    default:
        return 0;
    }
}

static void ioapic_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    IoapicState *s = opaque;
    int n = (s->select - REG_TABLE) / 2;

    switch (off & 0xff) {
    case IOREGSEL:
        s->select = (uint8_t)val;
        break;
    case IOWIN:
        if (s->select == REG_ID)
            s->id = val >> 24 & 0xf;
        else if (s->select >= REG_TABLE && n < IOAPIC_PINS)
            table_write(s, n, s->select & 1, (uint32_t)val);
        break;
    case IOEOI:
        ioapic_eoi(s, val & 0xff);
        break;
    default:
        log_guest_error("ioapic: write to %02x\n", (unsigned)(off & 0xff));
        break;
    }
}

static const MemoryOps ioapic_ops = {ioapic_read, ioapic_write, 4, 4, false};

void ioapic_configure(IoapicState *s, IoapicDeliver *fn, void *opaque)
{
    s->deliver = fn;
    s->deliver_opaque = opaque;
}

static void print_pins(GString *out, const char *name, uint32_t set)
{
    g_string_append_printf(out, "  %-8s ", name);
    if (!set)
        g_string_append(out, "(none)");
    for (int n = 0; n < IOAPIC_PINS; n++)
        if (set >> n & 1)
            g_string_append_printf(out, "%d ", n);
    g_string_append_c(out, '\n');
}

void ioapic_print(IoapicState *s, GString *out)
{
    static const char *const modes[8] = {"fixed", "lowest", "SMI", "...", "NMI", "INIT", "...", "extINT"};
    uint32_t remote = 0;

    g_string_append_printf(out, "ioapic0: ver=0x%x id=0x%02x sel=0x%02x", IOAPIC_VERSION, s->id, s->select);
    if (s->select >= REG_TABLE && s->select < REG_TABLE + 2 * IOAPIC_PINS)
        g_string_append_printf(out, " (redir[%d])", (s->select - REG_TABLE) / 2);
    g_string_append_c(out, '\n');
    for (int n = 0; n < IOAPIC_PINS; n++) {
        uint64_t e = s->table[n];
        g_string_append_printf(out, "  pin %-2d 0x%016" PRIx64 " dest=%" PRIx64 " vec=%-3u active-%s %-5s %-6s %-6s %s\n",
                               n, e, e >> 56, (unsigned)(e & 0xff), e & RTE_POLARITY ? "lo" : "hi",
                               e & RTE_LEVEL ? "level" : "edge", e & RTE_MASKED ? "masked" : "",
                               modes[e >> 8 & 7], e & RTE_LOGICAL ? "logical" : "physical");
        if (e & RTE_REMOTE_IRR)
            remote |= 1u << n;
    }
    print_pins(out, "IRR", s->irr);
    print_pins(out, "Remote IRR", remote);
}

void ioapic_print_stats(IoapicState *s, GString *out)
{
    g_string_append(out, "IRQ statistics for ioapic:\n");
    for (int n = 0; n < IOAPIC_PINS; n++)
        if (s->count[n])
            g_string_append_printf(out, "%2d: %" PRIu64 "\n", n, s->count[n]);
}

static const VMField ioapic_fields[] = {
    VM_UINT_ARRAY(IoapicState, table, IOAPIC_PINS),
    VM_UINT(IoapicState, irr),
    VM_UINT(IoapicState, pins),
    VM_UINT(IoapicState, id),
    VM_UINT(IoapicState, select),
    VM_END,
};

static void ioapic_reset(Device *dev)
{
    IoapicState *s = container_of(dev, IoapicState, dev);

    for (int n = 0; n < IOAPIC_PINS; n++)
        s->table[n] = RTE_MASKED;
    s->irr = s->pins = 0;
    s->id = s->select = 0;
}

static bool ioapic_init(Device *dev, GError **errp)
{
    IoapicState *s = container_of(dev, IoapicState, dev);

    memory_region_init_io(&s->mr, &ioapic_ops, s, "ioapic", 0x1000);
    memory_region_add(address_space_memory.root, IOAPIC_BASE, &s->mr, 0);
    return true;
}

static void ioapic_finalize(Device *dev)
{
    IoapicState *s = container_of(dev, IoapicState, dev);

    memory_region_del(address_space_memory.root, &s->mr);
    memory_region_destroy(&s->mr);
}

const DeviceClass ioapic_class = {
    .name = "ioapic",
    .instance_size = sizeof(IoapicState),
    .init = ioapic_init,
    .reset = ioapic_reset,
    .fields = ioapic_fields,
    .finalize = ioapic_finalize,
    .desc = "I/O interrupt controller",
    .bus = "System",
};
