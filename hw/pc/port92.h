/* port92.h - system control port A, the speed-ups for A20 and reset. */
#ifndef HW_PC_PORT92_H
#define HW_PC_PORT92_H

#include "softmmu/device.h"
#include "softmmu/irq.h"
#include "softmmu/memory.h"

typedef struct Port92State {
    Device dev;
    IrqLine a20; /* wiring: told of every write */
    MemoryRegion io;
    uint8_t val;
} Port92State;
extern const DeviceClass port92_class;

#endif
