/* i440fx.h - host bridge of the board "pc". Under the BQL. */
#ifndef HW_BUS_I440FX_H
#define HW_BUS_I440FX_H

#include "hw/bus/pci.h"

typedef struct I440fxState I440fxState;
extern const DeviceClass i440fx_class;

/* Before realize: the bus it is function 0.0 of, the RAM whose c0000h-fffffh and SMRAM it routes, and the
 * region of the PCI side. */
void i440fx_configure(I440fxState *s, PciBus *bus, MemoryRegion *ram, MemoryRegion *pci_mem);
/* The CPU entered (1) or left (0) system management mode: SMRAM appears at a0000h. IrqHandler. */
void i440fx_set_smm(void *opaque, int n, int smm);

#endif
