/* vga.h - standard VGA with Bochs VBE extensions, and the PCI function around it ("VGA", 1234:1111).
 * Split: vga.c (registers, memory window), vga-draw.c (painting), vbe.c (Bochs dispi), vga-pci.c. */
#ifndef HW_DISPLAY_VGA_H
#define HW_DISPLAY_VGA_H

#include "hw/bus/pci.h"

/* Wiring before realize: vga_pci_wire(). The expansion ROM is the board's: pci_register_rom() on the
 * device (it is a PciDevice) after realize, or before with pd->rom. Legacy ports and the a0000 window
 * are added to address_space_io and to the bus's memory space. */
extern const DeviceClass vga_pci_class; /* "VGA"; property vgamem_mb */

void vga_pci_wire(Device *dev, PciBus *bus, int devfn);

#endif
