/* fdc.h - 82077AA floppy controller with up to two drives; class "isa-fdc". */
#ifndef HW_BLOCK_FDC_H
#define HW_BLOCK_FDC_H

#include "host/block/block.h"
#include "softmmu/device.h"
#include "softmmu/irq.h"

typedef struct FdcState FdcState;
struct I8237State;

extern const DeviceClass fdc_class; /* ports 3f0-3f5, 3f7 */

/* IRQ 6, and the DMA controllers with channel 2 (NULL: non-DMA transfers only). Before realize;
 * init takes drive_get(DRIVE_FLOPPY, 0, 0..1). */
void fdc_wire(Device *dev, IrqLine irq, struct I8237State *dma);
/* -device floppy: a drive on unit 0 or 1 (-1: the first free one) after init. */
bool fdc_attach(Device *dev, int unit, Drive *drive, GError **errp);
/* CMOS register 10h drive type: 0 none, 1 360K, 2 1.2M, 3 720K, 4 1.44M, 5 2.88M. */
uint8_t fdc_drive_type(Device *dev, int unit);

#endif
