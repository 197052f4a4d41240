/* hpet.h - high precision event timers. Under the BQL. */
#ifndef HW_TIMER_HPET_H
#define HW_TIMER_HPET_H

#include "softmmu/device.h"
#include "softmmu/irq.h"

typedef struct HpetState HpetState;
extern const DeviceClass hpet_class;

enum { HPET_PERIOD_FS = 10000000, HPET_ID_LOW = 0x8086a201 }; /* 10 ns; 3 timers, 64 bit, legacy route, rev 1 */
static const uint64_t HPET_BASE = 0xfed00000;

/* gsi: IrqHandler that gets the I/O APIC pin number; legacy: told 1 while IRQ 0 and 8 belong to the
 * HPET (n unused); irq0, irq8: the ISA lines that it then drives. Before realize. */
void hpet_configure(HpetState *s, IrqHandler *gsi, void *gsi_opaque, IrqLine irq0, IrqLine irq8, IrqLine legacy);

#endif
