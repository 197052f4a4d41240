/* parallel.h - standard parallel port (SPP) with a printer that takes everything; class "isa-parallel". */
#ifndef HW_CHAR_PARALLEL_H
#define HW_CHAR_PARALLEL_H

#include "host/char/chardev.h"
#include "softmmu/device.h"
#include "softmmu/irq.h"
#include "softmmu/memory.h"

typedef struct ParallelState {
    Device dev;
    IrqLine irq;              /* wiring: IRQ 7; or isa_irq and the property */
    const IrqLine *isa_irq;
    Chardev *chr;
    char *chardev;            /* property */
    uint32_t iobase, irq_num; /* properties, default 0x378 and 7 */
    uint8_t data, control, status;
    bool irq_pending;
    ChardevFe fe;
    MemoryRegion io;
} ParallelState;

extern const DeviceClass parallel_class; /* "isa-parallel" */

#endif
