/* pc-testdev.h - ports, interrupt lines and memory for bare-metal test suites; class "pc-testdev". */
#ifndef HW_PC_PC_TESTDEV_H
#define HW_PC_PC_TESTDEV_H

#include "softmmu/device.h"
#include "softmmu/irq.h"
#include "softmmu/memory.h"

enum { TESTDEV_LINES = 24, TESTDEV_IOMEM_SIZE = 0x10000 };

typedef struct PcTestdevState {
    Device dev;
    IrqLine line[TESTDEV_LINES]; /* wiring: the I/O APIC's pins, the first sixteen with the 8259s */
    uint32_t ioport_data;
    uint8_t iomem[TESTDEV_IOMEM_SIZE];
    MemoryRegion ioport, flush, ioport_byte, irq, mem;
} PcTestdevState;
extern const DeviceClass pc_testdev_class;

#endif
