/* nic-harness.h - a network card on a PCI bus of its own with a fake backend at the other end of the cable. Header only. */
#ifndef TESTS_HW_NET_NIC_HARNESS_H
#define TESTS_HW_NET_NIC_HARNESS_H

#include "host/base/bitops.h"
#include "hw/net/nic.h"
#include "tests/lib/bus-harness.h"

enum { NIC_MMIO = 0x40000000, NIC_PORT = 0xc000, NIC_DEVFN = 24 };

static MemoryRegion nh_ram, nh_pci_mem;
static PciBus *nh_bus;
static TestLine nh_line;
static GPtrArray *nh_sent; /* of GBytes *: what the backend saw */
static NetClient *nh_peer;
static NicState *nh_nic;

static bool nh_receive(NetClient *nc, const uint8_t *buf, size_t len)
{
    g_ptr_array_add(nh_sent, g_bytes_new(buf, len));
    return true;
}
static const NetClientOps nh_ops = {.type = "test", .size = sizeof(NetClient), .sums_right = true, .receive = nh_receive};

static void nh_set_pirq(void *opaque, int n, int level) { test_line_set(&nh_line, 0, level); }

/* prop may be NULL. BARs: ports first where the card has them. */
static inline void nic_start(const DeviceClass *cls, unsigned port_bar, unsigned mem_bar)
{
    GError *err = NULL;
    Device *d;

    harness_start();
    g_main_context_acquire(g_main_context_default());
    memset(&nh_line, 0, sizeof nh_line);
    g_assert_true(memory_region_init_ram(&nh_ram, "ram", 4 * MiB, NULL));
    memory_region_init(&nh_pci_mem, "pci", UINT64_MAX);
    memory_region_add(address_space_memory.root, 0, &nh_ram, 0);
    memory_region_add(address_space_memory.root, 0, &nh_pci_mem, -1);
    nh_bus = pci_bus_new("pci.0", &nh_pci_mem, address_space_io.root, nh_set_pirq, NULL);
    nh_sent = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    nh_peer = net_client_new(&nh_ops, "peer", NULL);
    d = device_new(cls, NULL);
    nh_nic = (NicState *)d;
    nh_nic->pci.bus = nh_bus;
    nh_nic->pci.devfn = NIC_DEVFN;
    g_assert_true(device_set_prop(d, "netdev", "peer", NULL));
    device_realize(d, &err);
    g_assert_no_error(err);
    pci_config_write(nh_bus, NIC_DEVFN, PCI_BAR0 + 4 * port_bar, NIC_PORT, 4);
    pci_config_write(nh_bus, NIC_DEVFN, PCI_BAR0 + 4 * mem_bar, NIC_MMIO, 4);
    pci_config_write(nh_bus, NIC_DEVFN, PCI_COMMAND, 7, 2);
}

static inline void nic_stop(void)
{
    harness_stop();
    net_client_free(nh_peer);
    g_ptr_array_unref(nh_sent);
    pci_bus_free(nh_bus);
    memory_region_destroy(&nh_ram);
    memory_region_destroy(&nh_pci_mem);
    g_main_context_release(g_main_context_default());
}

static inline void nic_settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static inline void send_to_nic(const uint8_t *f, size_t len)
{
    net_send(nh_peer, f, len);
    nic_settle();
}

static inline const uint8_t *sent_frame(guint i, gsize *len)
{
    g_assert_cmpuint(nh_sent->len, >, i);
    return g_bytes_get_data(nh_sent->pdata[i], len);
}

static inline void mem_st(hwaddr a, unsigned size, uint64_t v) { physmem_st(&address_space_memory, a, size, v); }
static inline uint64_t mem_ld(hwaddr a, unsigned size) { return physmem_ld(&address_space_memory, a, size); }

#endif
