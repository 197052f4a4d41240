/* ioapic.h - the I/O APIC. Under the BQL. */
#ifndef HW_INTC_IOAPIC_H
#define HW_INTC_IOAPIC_H

#include "softmmu/device.h"

enum { IOAPIC_PINS = 24 };
typedef struct IoapicState IoapicState;
extern const DeviceClass ioapic_class;

/* Where messages go: dest, logical destination mode, delivery mode, vector, level-triggered. */
typedef void IoapicDeliver(void *opaque, uint32_t dest, bool logical, unsigned mode, unsigned vector, bool level);
void ioapic_configure(IoapicState *s, IoapicDeliver *fn, void *opaque);
/* IrqHandler: opaque is the IoapicState, n the pin 0-23. */
void ioapic_set_irq(void *opaque, int n, int level);
void ioapic_eoi(IoapicState *s, unsigned vector); /* EOI broadcast by a local APIC */
void ioapic_print(IoapicState *s, GString *out);
void ioapic_print_stats(IoapicState *s, GString *out);

#endif
