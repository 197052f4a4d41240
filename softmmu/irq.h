/* irq.h - interrupt lines: a wire with one driver and one receiver. Under the BQL. */
#ifndef SOFTMMU_IRQ_H
#define SOFTMMU_IRQ_H

#include "host/base/osdep.h"

typedef void IrqHandler(void *opaque, int n, int level);

/* The receiver's end, held by value in the driver's state; all-zero means "not connected". */
typedef struct IrqLine {
    IrqHandler *handler;
    void *opaque;
    int n;
} IrqLine;

static inline void irq_set(const IrqLine *irq, int level)
{
    if (irq->handler)
        irq->handler(irq->opaque, irq->n, level);
}
static inline void irq_raise(const IrqLine *irq) { irq_set(irq, 1); }
static inline void irq_lower(const IrqLine *irq) { irq_set(irq, 0); }
static inline void irq_pulse(const IrqLine *irq)
{
    irq_set(irq, 1);
    irq_set(irq, 0);
}
static inline IrqLine irq_line(IrqHandler *handler, void *opaque, int n)
{
    return (IrqLine){handler, opaque, n};
}

#endif
