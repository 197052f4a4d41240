/* piix4-pm.h - power management function of the board "pc". Under the BQL. */
#ifndef HW_BUS_PIIX4_PM_H
#define HW_BUS_PIIX4_PM_H

#include "hw/bus/pci.h"
#include "softmmu/runstate.h"

typedef struct Piix4PmState Piix4PmState;
extern const DeviceClass piix4_pm_class;

enum { PIIX4_GPE0_BASE = 0xafe0, PIIX4_SMBUS_BASE = 0xb100, PIIX4_APM_PORT = 0xb2,
       PIIX4_ACPI_ENABLE = 0xf1, PIIX4_ACPI_DISABLE = 0xf0, PIIX4_SLP_TYP_S5 = 0,
       PIIX4_SLP_TYP_S3 = 1, PIIX4_SLP_TYP_S4 = 2 };

/* Before realize. sci: IRQ 9. smi: NULL handler when the machine has no SMM: the firmware is told so. */
void piix4_pm_configure(Piix4PmState *s, PciBus *bus, int devfn, IrqLine sci, IrqLine smi);
/* The clock chip's alarm, as an IrqHandler: a status bit, and the end of a sleep that it may end. */
void piix4_pm_rtc_alarm(void *opaque, int n, int level);
/* After the reset that ends a sleep: the guest finds that it woke, and why. */
void piix4_pm_woken(Piix4PmState *s, WakeupReason why);

#endif
