/* piix3.h - ISA bridge of the board "pc". Under the BQL. */
#ifndef HW_BUS_PIIX3_H
#define HW_BUS_PIIX3_H

#include "hw/bus/pci.h"

typedef struct Piix3State Piix3State;
extern const DeviceClass piix3_class;

/* Before realize. isa_irq: the 16 lines that PIRQs can be routed to. */
void piix3_configure(Piix3State *s, PciBus *bus, int devfn, const IrqLine isa_irq[16]);
/* IrqHandler of the PCI bus: line 0-3 = PIRQA-D. */
void piix3_set_pirq(void *opaque, int n, int level);
/* pci_bus_set_map_irq: slot 1 INTA is PIRQA. */
int piix3_map_irq(PciDevice *pd, int pin);

#endif
