/* i8254.h - the PC's interval timer and port 61h. Under the BQL. */
#ifndef HW_TIMER_I8254_H
#define HW_TIMER_I8254_H

#include "softmmu/device.h"
#include "softmmu/irq.h"

typedef struct PitState PitState;
extern const DeviceClass i8254_class;

void i8254_set_output(PitState *s, IrqLine irq); /* counter 0's OUT; before realize */
/* HPET legacy replacement takes IRQ 0 away from counter 0 (n unused). */
void i8254_disable_irq(void *opaque, int n, int disable);

#endif
