/* piix4-pm.h - power management function of the board "pc". Under the BQL. */
#ifndef HW_BUS_PIIX4_PM_H
#define HW_BUS_PIIX4_PM_H

#include "hw/bus/pci.h"

typedef struct Piix4PmState Piix4PmState;
extern const DeviceClass piix4_pm_class;

enum { PIIX4_GPE0_BASE = 0xafe0, PIIX4_SMBUS_BASE = 0xb100, PIIX4_APM_PORT = 0xb2,
       PIIX4_ACPI_ENABLE = 0xf1, PIIX4_ACPI_DISABLE = 0xf0, PIIX4_SLP_TYP_S5 = 0 };

/* Before realize. sci: IRQ 9. smi: NULL handler when the machine has no SMM: the firmware is told so. */
void piix4_pm_configure(Piix4PmState *s, PciBus *bus, int devfn, IrqLine sci, IrqLine smi);

#endif
