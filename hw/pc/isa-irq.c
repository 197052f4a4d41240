/* isa-irq.c - ISA interrupt lines with more than one driver
 * Spec: IBM AT bus; 82371SB data sheet, PIRQ route control (a PIRQ joins the ISA line that it is routed to).
 * A line is high while any chip holds it high, so that COM1 with COM3, or a PIRQ on a device's own line, share.
 * Not modelled: that AT cards without open-collector outputs fight each other. */
#include "host/base/osdep.h"
#include "hw/pc/isa-irq.h"

static void source_set(void *opaque, int n, int level)
{
    IsaIrqSource *src = opaque;
    IsaIrqState *s = src->owner;
    uint64_t bit = 1ull << src->index;

    /* Chips repeat their level, after a load in particular: for an 8259 that has been given ICW1 meanwhile,
     * and so forgot the pins, that would be an edge. */
    if (!!level == !!(s->driven[n] & bit))
        return;
    s->driven[n] ^= bit;
    if (!(s->driven[n] & ~bit)) /* nobody else holds it */
        irq_set(&s->out[n], level != 0);
}

void isa_irq_configure(IsaIrqState *s, const IrqLine out[ISA_LINES])
{
    memcpy(s->out, out, sizeof s->out);
}

const IrqLine *isa_irq_new_source(IsaIrqState *s)
{
    IsaIrqSource *src = &s->source[MIN(s->sources, ISA_SOURCES - 1u)];

    if (s->sources < ISA_SOURCES) {
        src->owner = s;
        src->index = s->sources++;
        for (int n = 0; n < ISA_LINES; n++)
            src->line[n] = irq_line(source_set, src, n);
    }
    return src->line;
}

static const VMField isa_irq_fields[] = {VM_UINT_ARRAY(IsaIrqState, driven, ISA_LINES), VM_END};

/* The controllers' own resets see the lines low; who drives one afterwards says so again. */
static void isa_irq_reset(Device *dev)
{
    memset(((IsaIrqState *)dev)->driven, 0, sizeof ((IsaIrqState *)dev)->driven);
}

const DeviceClass isa_irq_class = {
    .name = "isa-irq-lines",
    .instance_size = sizeof(IsaIrqState),
    .reset = isa_irq_reset,
    .fields = isa_irq_fields,
    .desc = "ISA interrupt lines",
    .bus = "System",
};
