/* debugcon.h - one-port debug console; class "isa-debugcon". */
#ifndef HW_CHAR_DEBUGCON_H
#define HW_CHAR_DEBUGCON_H

#include "host/char/chardev.h"
#include "softmmu/device.h"
#include "softmmu/memory.h"

typedef struct DebugconState {
    Device dev;
    Chardev *chr;      /* wiring; NULL: found by the `chardev` property */
    char *chardev;     /* property */
    uint32_t iobase;   /* property, default 0xe9 */
    uint32_t readback; /* property, default 0xe9: what a read returns */
    ChardevFe fe;
    MemoryRegion io;
} DebugconState;

extern const DeviceClass debugcon_class; /* "isa-debugcon" */

#endif
