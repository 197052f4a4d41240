/* pci-harness.h - 4 MiB of RAM and a PCI bus with room for BARs anywhere else; one interrupt line; one device. Header only. */
#ifndef TESTS_LIB_PCI_HARNESS_H
#define TESTS_LIB_PCI_HARNESS_H

#include "hw/bus/pci.h"
#include "tests/lib/bus-harness.h"

enum { PH_DEVFN = 24 };

static MemoryRegion ph_ram, ph_mem;
static PciBus *ph_bus;
static TestLine ph_line; /* of every INTx pin */

static void ph_set_pirq(void *opaque, int n, int level) { test_line_set(&ph_line, 0, level); }

static inline void pci_harness_start(void)
{
    harness_start();
    memset(&ph_line, 0, sizeof ph_line);
    g_assert_true(memory_region_init_ram(&ph_ram, "ram", 4 * MiB, NULL));
    memory_region_init(&ph_mem, "pci", UINT64_MAX);
    memory_region_add(address_space_memory.root, 0, &ph_ram, 0);
    memory_region_add(address_space_memory.root, 0, &ph_mem, -1);
    ph_bus = pci_bus_new("pci.0", &ph_mem, address_space_io.root, ph_set_pirq, NULL);
}

/* A PciDevice, realized; prop may be NULL. Its BARs are to be set, and decoding with pci_harness_enable(). */
static inline Device *pci_harness_add(const DeviceClass *cls, const char *prop, const char *val)
{
    Device *d = device_new(cls, NULL);
    GError *err = NULL;

    ((PciDevice *)d)->bus = ph_bus;
    ((PciDevice *)d)->devfn = PH_DEVFN;
    if (prop)
        g_assert_true(device_set_prop(d, prop, val, NULL));
    device_realize(d, &err);
    g_assert_no_error(err);
    return d;
}
static inline void pci_harness_bar(unsigned n, uint32_t addr) { pci_config_write(ph_bus, PH_DEVFN, PCI_BAR0 + 4 * n, addr, 4); }
static inline void pci_harness_enable(void) { pci_config_write(ph_bus, PH_DEVFN, PCI_COMMAND, 7, 2); }

static inline void pci_harness_stop(void)
{
    harness_stop();
    pci_bus_free(ph_bus);
    memory_region_destroy(&ph_ram);
    memory_region_destroy(&ph_mem);
}

#endif
