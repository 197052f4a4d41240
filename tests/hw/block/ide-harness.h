/* ide-harness.h - an IDE controller with a disk and a CD-ROM on a bare machine, driven through its ports. */
#ifndef TESTS_HW_BLOCK_IDE_HARNESS_H
#define TESTS_HW_BLOCK_IDE_HARNESS_H

#include "tests/hw/periph.h"
#include "hw/block/ide.h"
#include "hw/bus/pci.h"

enum { CMD = 0x1f0, CTL = 0x3f6, BM = 0xc000, DISK_SECTORS = 4096 };
static PciBus *bus;
static char *disk, *cdrom;
static Device *ide;

static inline void no_irq(void *opaque, int n, int level) {}

static inline void setup_with(const char *disk_options)
{
    GError *err = NULL;
    periph_setup();
    disk = periph_image(DISK_SECTORS * 512, 0);
    cdrom = periph_image(100 * 2048, 7);
    {
        g_autofree char *o = g_strconcat("if=ide,index=0", disk_options, NULL);
        periph_drive(o, disk);
    }
    periph_drive("if=ide,index=2,media=cdrom", cdrom);
    bus = pci_bus_new("pci.0", address_space_memory.root, address_space_io.root, no_irq, NULL);
    ide = device_new(&ide_controller_class, NULL);
    ide_controller_wire(ide, bus, PCI_DEVFN(1, 1), periph_line(14), periph_line(15));
    g_assert_true(device_realize(ide, &err));
    g_assert_no_error(err);
    pci_config_write(bus, PCI_DEVFN(1, 1), 0x20, BM, 4);
    pci_config_write(bus, PCI_DEVFN(1, 1), PCI_COMMAND, PCI_CMD_IO | PCI_CMD_MASTER, 2);
}

static inline void setup(void) { setup_with(""); }

static inline void teardown(void)
{
    device_free_all();
    pci_bus_free(bus);
    periph_teardown();
    unlink(disk);
    unlink(cdrom);
    g_free(disk);
    g_free(cdrom);
}

static inline void command(int ch, uint8_t cmd, uint32_t lba, uint8_t count)
{
    uint16_t b = ch ? 0x170 : CMD;
    outb(b + 6, 0xe0 | (lba >> 24 & 15));
    outb(b + 2, count);
    outb(b + 3, lba);
    outb(b + 4, lba >> 8);
    outb(b + 5, lba >> 16);
    outb(b + 7, cmd);
    block_drain(NULL);
}

static inline void prd(int i, uint32_t addr, uint32_t len, bool last)
{
    physmem_st(&address_space_memory, 0x1000 + 8 * i, 4, addr);
    physmem_st(&address_space_memory, 0x1004 + 8 * i, 4, (len & 0xffff) | (last ? 0x80000000u : 0));
}

static inline void dma(uint8_t cmd, uint32_t lba, uint8_t count, bool to_memory)
{
    outl(BM + 4, 0x1000);
    outb(BM + 2, 6);
    command(0, cmd, lba, count);
    outb(BM, to_memory ? 9 : 1);
    block_drain(NULL);
}

static inline void packet(const uint8_t *p, uint16_t limit, bool use_dma)
{
    outb(0x176, 0xa0);
    outb(0x171, use_dma);
    outb(0x174, limit);
    outb(0x175, limit >> 8);
    outb(0x177, 0xa0);
    g_assert_cmphex(inb(0x177), ==, 0x58);
    g_assert_cmphex(inb(0x172), ==, 1);
    for (int i = 0; i < 12; i += 2)
        outw(0x170, p[i] | p[i + 1] << 8);
    block_drain(NULL);
}

#endif
