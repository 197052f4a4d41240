/* isa-irq.h - the sixteen ISA interrupt lines as wires that several chips may drive. Under the BQL. */
#ifndef HW_PC_ISA_IRQ_H
#define HW_PC_ISA_IRQ_H

#include "softmmu/device.h"
#include "softmmu/irq.h"

enum { ISA_LINES = 16, ISA_SOURCES = 64 };

typedef struct IsaIrqState IsaIrqState;

/* One driver's ends of the lines. */
typedef struct IsaIrqSource {
    IsaIrqState *owner;
    unsigned index;
    IrqLine line[ISA_LINES];
} IsaIrqSource;

struct IsaIrqState {
    Device dev;
    IrqLine out[ISA_LINES];        /* wiring: the interrupt controllers */
    IsaIrqSource source[ISA_SOURCES];
    unsigned sources;
    uint64_t driven[ISA_LINES];    /* bit n: source n holds the line high */
};
extern const DeviceClass isa_irq_class;

void isa_irq_configure(IsaIrqState *s, const IrqLine out[ISA_LINES]);
/* Sixteen line ends for one more chip, valid for the life of the device. When all are given away the last
 * one is shared, as if those chips were one. */
const IrqLine *isa_irq_new_source(IsaIrqState *s);

#endif
