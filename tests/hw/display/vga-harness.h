/* vga-harness.h - a VGA on a PCI bus without a CPU, and short words for its registers. */
#ifndef TESTS_HW_DISPLAY_VGA_HARNESS_H
#define TESTS_HW_DISPLAY_VGA_HARNESS_H

#include "tests/hw/periph.h"
#include "hw/bus/pci.h"
#include "hw/display/vga.h"
#include "host/display/console.h"

enum { BAR0 = 0xe0000000, BAR2 = 0xe1000000, DEVFN = PCI_DEVFN(2, 0) };
static PciBus *bus;
static Device *vga;

static inline void no_irq(void *opaque, int n, int level) {}
static inline void seq(uint8_t i, uint8_t v) { outw(0x3c4, i | v << 8); }
static inline void gr(uint8_t i, uint8_t v) { outw(0x3ce, i | v << 8); }
static inline void crtc(uint8_t i, uint8_t v) { outw(0x3d4, i | v << 8); }
static inline void attr(uint8_t i, uint8_t v)
{
    inb(0x3da);
    outb(0x3c0, i);
    outb(0x3c0, v);
    outb(0x3c0, 0x20);
}
static inline void vbe(uint16_t i, uint16_t v)
{
    outw(0x1ce, i);
    outw(0x1cf, v);
}
static inline void dac(uint8_t i, uint8_t r, uint8_t g, uint8_t b)
{
    outb(0x3c8, i);
    outb(0x3c9, r);
    outb(0x3c9, g);
    outb(0x3c9, b);
}
static inline void st8(hwaddr a, uint8_t v) { physmem_st(&address_space_memory, a, 1, v); }
static inline uint8_t ld8(hwaddr a) { return physmem_ld(&address_space_memory, a, 1); }
static inline uint32_t pixel(int x, int y)
{
    Surface *s = console_surface();
    g_assert_true(x >= 0 && y >= 0 && x < s->width && y < s->height);
    return ((uint32_t *)((uint8_t *)s->pixels + (size_t)y * s->stride))[x];
}

static inline void setup(void)
{
    GError *err = NULL;
    periph_setup();
    bus = pci_bus_new("pci.0", address_space_memory.root, address_space_io.root, no_irq, NULL);
    vga = device_new(&vga_pci_class, NULL);
    vga_pci_wire(vga, bus, DEVFN);
    g_assert_true(device_realize(vga, &err));
    g_assert_no_error(err);
    pci_config_write(bus, DEVFN, PCI_BAR0, BAR0, 4);
    pci_config_write(bus, DEVFN, PCI_BAR0 + 8, BAR2, 4);
    pci_config_write(bus, DEVFN, PCI_COMMAND, PCI_CMD_IO | PCI_CMD_MEM, 2);
}

static inline void teardown(void)
{
    device_free_all();
    pci_bus_free(bus);
    periph_teardown();
}

#endif
