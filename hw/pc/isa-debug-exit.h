/* isa-debug-exit.h - a port that ends the emulator; class "isa-debug-exit". */
#ifndef HW_PC_ISA_DEBUG_EXIT_H
#define HW_PC_ISA_DEBUG_EXIT_H

#include "softmmu/device.h"
#include "softmmu/memory.h"

typedef struct DebugExitState {
    Device dev;
    uint32_t iobase, iosize; /* properties, default 0x501 and 2 */
    MemoryRegion io;
} DebugExitState;
extern const DeviceClass isa_debug_exit_class;

#endif
