/* pci-testdev.h - a PCI function that counts writes; class "pci-testdev". */
#ifndef HW_BUS_PCI_TESTDEV_H
#define HW_BUS_PCI_TESTDEV_H

#include "hw/bus/pci.h"

enum { PCI_TESTDEV_TESTS = 3 };

typedef struct PciTestdevState {
    PciDevice pci;
    uint64_t membar;   /* property: bytes of a 64-bit memory BAR, 0 for none */
    int32_t current;   /* test that runs, memory tests first; -1: none */
    uint32_t count[2 * PCI_TESTDEV_TESTS]; /* writes that the test has seen */
    MemoryRegion mmio, portio, big;
} PciTestdevState;
extern const DeviceClass pci_testdev_class;

#endif
