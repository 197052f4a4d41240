/* pvpanic.h - a register through which the guest's kernel tells that it has panicked. */
#ifndef HW_PC_PVPANIC_H
#define HW_PC_PVPANIC_H

#include "hw/bus/pci.h"
#include "softmmu/device.h"
#include "softmmu/memory.h"

typedef struct PvpanicIsaState {
    Device dev;
    uint16_t ioport; /* property, default 0x505 */
    uint8_t events;  /* property: which ones are offered, default 3 */
    MemoryRegion io;
} PvpanicIsaState;

typedef struct PvpanicPciState {
    PciDevice pci;
    uint8_t events;
    MemoryRegion mem;
} PvpanicPciState;

extern const DeviceClass pvpanic_class, pvpanic_pci_class;

#endif
