/* ne2k-pci.h - Realtek RTL8029AS, an NE2000 on the PCI bus. */
#ifndef HW_NET_NE2K_PCI_H
#define HW_NET_NE2K_PCI_H

#include "softmmu/device.h"

extern const DeviceClass ne2k_pci_class;

#endif
