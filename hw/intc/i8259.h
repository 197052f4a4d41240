/* i8259.h - the PC's pair of 8259A interrupt controllers. Under the BQL. */
#ifndef HW_INTC_I8259_H
#define HW_INTC_I8259_H

#include "softmmu/device.h"
#include "softmmu/irq.h"

typedef struct PicState PicState;
extern const DeviceClass i8259_class;

void i8259_set_output(PicState *s, IrqLine out); /* INTR; before realize */
/* IrqHandler: opaque is the PicState, n is 0-15. */
void i8259_set_irq(void *opaque, int n, int level);
/* The INTA cycle: the vector of the highest request, which goes into service. Without a request the
 * spurious vector (IRQ 7). */
int i8259_acknowledge(PicState *s);
bool i8259_has_output(const PicState *s);
/* `info pic` lines of both chips; `info irq` statistics. */
void i8259_print(PicState *s, GString *out);
void i8259_print_stats(PicState *s, GString *out);

#endif
