/* i8259.c - pair of programmable interrupt controllers
 * Spec: Intel 8259A data sheet; ELCR as in the 82371SB (PIIX3) data sheet.
 * Guest view: 20h/21h (master), a0h/a1h (slave, on the master's IR2), ELCR 4d0h/4d1h.
 * Not modelled: MCS-80 call mode, cascades other than the PC's. */
#include "host/base/osdep.h"
#include "hw/intc/i8259.h"

#include "host/base/log.h"
#include "softmmu/memory.h"

enum { ICW1 = 0x10, ICW1_NEED_ICW4 = 0x01, ICW1_SINGLE = 0x02, ICW1_LEVEL = 0x08 };
enum { ICW4_AUTO_EOI = 0x02, ICW4_SPECIAL_NESTED = 0x10 };
enum { OCW3 = 0x08, OCW3_READ = 0x02, OCW3_READ_ISR = 0x01, OCW3_POLL = 0x04, OCW3_SMM = 0x40, OCW3_SMM_ON = 0x20 };
enum { CASCADE_IR = 2, SPURIOUS_IR = 7 };

typedef struct PicChip {
    /* wiring */
    PicState *owner;
    MemoryRegion mr, elcr_mr;
    bool master;
    uint8_t elcr_mask; /* lines that ELCR can make level-triggered */
    /* guest-visible */
    uint8_t last_irr; /* pin levels, for edges */
    uint8_t irr, imr, isr;
    uint8_t priority_add; /* the IR that is highest */
    uint8_t vector_base;
    uint8_t read_isr, poll, special_mask;
    uint8_t init_state; /* next ICW expected: 0 none, 2, 3, 4 */
    uint8_t auto_eoi, rotate_on_auto_eoi, special_nested, need_icw4, single, level_all;
    uint8_t elcr;
    uint8_t output; /* INT pin */
} PicChip;

struct PicState {
    Device dev;
    IrqLine intr;
    PicChip chip[2];
    uint64_t count[16]; /* statistics only */
};

/* Lowest value wins; 8: none. */
static int highest_priority(const PicChip *c, uint8_t set)
{
    int p = 0;

    if (!set)
        return 8;
    while (!(set & (1 << ((p + c->priority_add) & 7))))
        p++;
    return p;
}

/* The IR that may interrupt now, or -1. */
static int pending_ir(const PicChip *c)
{
    uint8_t in_service = c->isr;
    int want = highest_priority(c, c->irr & (uint8_t)~c->imr), cur;

    if (want == 8)
        return -1;
    if (c->special_mask) /* masked levels in service block nobody */
        in_service &= (uint8_t)~c->imr;
    /* Special fully nested: the slave may ask again while one of its requests is in service. */
    if (c->special_nested && c->master)
        in_service &= (uint8_t)~(1 << CASCADE_IR);
    cur = highest_priority(c, in_service);
    return want < cur ? (want + c->priority_add) & 7 : -1;
}

static void set_pin(PicChip *c, int ir, int level)
{
    uint8_t bit = (uint8_t)(1 << ir);

    if ((c->elcr & bit) || c->level_all) {
        c->irr = level ? c->irr | bit : c->irr & (uint8_t)~bit;
    } else if (level && !(c->last_irr & bit)) {
        /* Latched until INTA. The chip wants the pin to stay high as well, else it gives a spurious IR7;
         * device models here pulse lines in no time, so that rule would lose interrupts. */
        c->irr |= bit;
    }
    c->last_irr = level ? c->last_irr | bit : c->last_irr & (uint8_t)~bit;
}

static void pic_update(PicState *s)
{
    PicChip *m = &s->chip[0], *sl = &s->chip[1];

    sl->output = pending_ir(sl) >= 0;
    set_pin(m, CASCADE_IR, sl->output);
    if (!sl->output)
        m->irr &= (uint8_t)~(1 << CASCADE_IR); /* the slave masked or withdrew: no spurious IR2 */
    m->output = pending_ir(m) >= 0;
    irq_set(&s->intr, m->output);
}

void i8259_set_output(PicState *s, IrqLine out)
{
    s->intr = out;
}

void i8259_set_irq(void *opaque, int n, int level)
{
    PicState *s = opaque;
    PicChip *c = &s->chip[n >> 3 & 1];

    if (level && !(c->last_irr & (1 << (n & 7))))
        s->count[n & 15]++;
    set_pin(c, n & 7, level);
    pic_update(s);
}

static void acknowledge_ir(PicChip *c, int ir)
{
    uint8_t bit = (uint8_t)(1 << ir);

    if (c->auto_eoi) {
        if (c->rotate_on_auto_eoi)
            c->priority_add = (uint8_t)((ir + 1) & 7);
    } else {
        c->isr |= bit;
    }
    if (!(c->elcr & bit) && !c->level_all)
        c->irr &= (uint8_t)~bit; /* a level stays until the device lets go */
}

int i8259_acknowledge(PicState *s)
{
    PicChip *m = &s->chip[0], *sl = &s->chip[1];
    int ir = pending_ir(m), vector;

    if (ir < 0) {
        vector = m->vector_base + SPURIOUS_IR;
    } else if (ir == CASCADE_IR) {
        int ir2 = pending_ir(sl);
        if (ir2 >= 0)
            acknowledge_ir(sl, ir2);
        else
            ir2 = SPURIOUS_IR;
        acknowledge_ir(m, ir);
        /* The slave's INT drops in INTA, so that its next request is a new edge for the master. */
        set_pin(m, CASCADE_IR, 0);
        vector = sl->vector_base + ir2;
    } else {
        acknowledge_ir(m, ir);
        vector = m->vector_base + ir;
    }
    pic_update(s);
    return vector;
}

bool i8259_has_output(const PicState *s)
{
    return s->chip[0].output;
}

/* ICW1 resets the chip's sequencing, not ELCR and not the pins. */
static void chip_init(PicChip *c)
{
    c->irr &= c->elcr;
    c->last_irr &= c->elcr;
    c->imr = c->isr = 0;
    c->priority_add = 0;
    c->read_isr = c->poll = c->special_mask = 0;
    c->auto_eoi = c->rotate_on_auto_eoi = c->special_nested = 0;
}

static void end_of_interrupt(PicChip *c, unsigned cmd, int ir)
{
    int p;

    switch (cmd) {
    case 0: /* rotate in AEOI mode: clear */
    case 4: /* set */
        c->rotate_on_auto_eoi = cmd == 4;
        break;
    case 1: /* non-specific */
    case 5: /* and rotate */
        p = highest_priority(c, c->isr & (uint8_t)(c->special_mask ? ~c->imr : 0xff));
        if (p < 8) {
            ir = (p + c->priority_add) & 7;
            c->isr &= (uint8_t)~(1 << ir);
            if (cmd == 5)
                c->priority_add = (uint8_t)((ir + 1) & 7);
        }
        break;
    case 3: /* specific */
        c->isr &= (uint8_t)~(1 << ir);
        break;
    case 6: /* set priority: ir becomes the lowest */
        c->priority_add = (uint8_t)((ir + 1) & 7);
        break;
    case 7: /* specific and rotate */
        c->isr &= (uint8_t)~(1 << ir);
        c->priority_add = (uint8_t)((ir + 1) & 7);
        break;
    default: /* 2: no operation */
        break;
    }
}

static void command_write(PicChip *c, uint8_t val)
{
    if (val & ICW1) {
        chip_init(c);
        c->init_state = 2;
        c->need_icw4 = val & ICW1_NEED_ICW4;
        c->single = (val & ICW1_SINGLE) != 0;
        c->level_all = (val & ICW1_LEVEL) != 0;
        if (c->single)
            log_unimp("i8259: single mode is not modelled\n");
    } else if (val & OCW3) {
        if (val & OCW3_POLL)
            c->poll = 1;
        if (val & OCW3_READ)
            c->read_isr = val & OCW3_READ_ISR;
        if (val & OCW3_SMM)
            c->special_mask = (val & OCW3_SMM_ON) != 0;
    } else {
        end_of_interrupt(c, val >> 5, val & 7);
    }
}

static void data_write(PicChip *c, uint8_t val)
{
    switch (c->init_state) {
    case 2:
        c->vector_base = val & 0xf8;
        c->init_state = c->single ? (c->need_icw4 ? 4 : 0) : 3;
        break;
    case 3: /* the cascade is wired, not programmed */
        c->init_state = c->need_icw4 ? 4 : 0;
        break;
    case 4:
        c->special_nested = (val & ICW4_SPECIAL_NESTED) != 0;
        c->auto_eoi = (val & ICW4_AUTO_EOI) != 0;
        c->init_state = 0;
        break;
    default:
        c->imr = val;
        break;
    }
}

static void pic_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    PicChip *c = opaque;

    if (off == 0)
        command_write(c, (uint8_t)val);
    else
        data_write(c, (uint8_t)val);
    pic_update(c->owner);
}

/* The read after a poll command acts as INTA (8259A "poll command"). */
static uint64_t poll_read(PicChip *c)
{
    int ir = pending_ir(c);

    c->poll = 0;
    if (ir < 0)
        return 0;
    acknowledge_ir(c, ir);
    if (c->master && ir == CASCADE_IR)
        set_pin(c, CASCADE_IR, 0);
    pic_update(c->owner);
    return 0x80 | (unsigned)ir;
}

static uint64_t pic_read(void *opaque, hwaddr off, unsigned size)
{
    PicChip *c = opaque;

    if (c->poll)
        return poll_read(c);
    if (off == 0)
        return c->read_isr ? c->isr : c->irr;
    return c->imr;
}

static uint64_t elcr_read(void *opaque, hwaddr off, unsigned size)
{
    return ((PicChip *)opaque)->elcr;
}

static void elcr_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    PicChip *c = opaque;

    c->elcr = (uint8_t)val & c->elcr_mask;
    pic_update(c->owner);
}

static const MemoryOps pic_ops = {pic_read, pic_write, 1, 1, false};
static const MemoryOps elcr_ops = {elcr_read, elcr_write, 1, 1, false};

void i8259_print(PicState *s, GString *out)
{
    for (int i = 0; i < 2; i++) {
        const PicChip *c = &s->chip[i];
        g_string_append_printf(out,
                               "pic%d: irr=%02x imr=%02x isr=%02x hprio=%d irq_base=%02x rr_sel=%d elcr=%02x fnm=%d\n",
                               i, c->irr, c->imr, c->isr, c->priority_add, c->vector_base, c->read_isr, c->elcr,
                               c->special_nested);
    }
}

void i8259_print_stats(PicState *s, GString *out)
{
    g_string_append(out, "IRQ statistics for isa-i8259:\n");
    for (int i = 0; i < 16; i++)
        if (s->count[i])
            g_string_append_printf(out, "%2d: %" PRIu64 "\n", i, s->count[i]);
}

static const VMField chip_fields[] = {
    VM_UINT(PicChip, last_irr),     VM_UINT(PicChip, irr),
    VM_UINT(PicChip, imr),          VM_UINT(PicChip, isr),
    VM_UINT(PicChip, priority_add), VM_UINT(PicChip, vector_base),
    VM_UINT(PicChip, read_isr),     VM_UINT(PicChip, poll),
    VM_UINT(PicChip, special_mask), VM_UINT(PicChip, init_state),
    VM_UINT(PicChip, auto_eoi),     VM_UINT(PicChip, rotate_on_auto_eoi),
    VM_UINT(PicChip, special_nested), VM_UINT(PicChip, need_icw4),
    VM_UINT(PicChip, single),       VM_UINT(PicChip, level_all),
    VM_UINT(PicChip, elcr),         VM_UINT(PicChip, output),
    VM_END,
};
static const VMField i8259_fields[] = {VM_STRUCT_ARRAY(PicState, chip, 2, chip_fields), VM_END};

static void i8259_reset(Device *dev)
{
    PicState *s = container_of(dev, PicState, dev);

    for (int i = 0; i < 2; i++) {
        PicChip *c = &s->chip[i];
        c->elcr = 0;
        chip_init(c);
        c->last_irr = c->irr = 0;
        c->vector_base = c->init_state = c->need_icw4 = c->single = c->level_all = c->output = 0;
    }
    irq_set(&s->intr, 0);
}

static bool i8259_init(Device *dev, GError **errp)
{
    PicState *s = container_of(dev, PicState, dev);
    MemoryRegion *io = address_space_io.root;

    for (int i = 0; i < 2; i++) {
        PicChip *c = &s->chip[i];
        c->owner = s;
        c->master = i == 0;
        c->elcr_mask = i ? 0xde : 0xf8; /* IRQ 0, 1, 2, 8, 13 are always edges */
        memory_region_init_io(&c->mr, &pic_ops, c, "pic", 2);
        memory_region_init_io(&c->elcr_mr, &elcr_ops, c, "elcr", 1);
        memory_region_add(io, i ? 0xa0 : 0x20, &c->mr, 0);
        memory_region_add(io, i ? 0x4d1 : 0x4d0, &c->elcr_mr, 0);
    }
    return true;
}

static void i8259_finalize(Device *dev)
{
    PicState *s = container_of(dev, PicState, dev);

    for (int i = 0; i < 2; i++) {
        memory_region_del(address_space_io.root, &s->chip[i].mr);
        memory_region_del(address_space_io.root, &s->chip[i].elcr_mr);
        memory_region_destroy(&s->chip[i].mr);
        memory_region_destroy(&s->chip[i].elcr_mr);
    }
}

const DeviceClass i8259_class = {
    .name = "isa-i8259",
    .instance_size = sizeof(PicState),
    .init = i8259_init,
    .reset = i8259_reset,
    .fields = i8259_fields,
    .finalize = i8259_finalize,
    .desc = "pair of interrupt controllers",
    .bus = "ISA",
};
