/* nic-harness.h - a network card on a PCI bus of its own with a fake backend at the other end of the cable. Header only. */
#ifndef TESTS_HW_NET_NIC_HARNESS_H
#define TESTS_HW_NET_NIC_HARNESS_H

#include "host/base/bitops.h"
#include "hw/net/nic.h"
#include "tests/lib/pci-harness.h"

enum { NIC_MMIO = 0x40000000, NIC_PORT = 0xc000 };

static GPtrArray *nh_sent; /* of GBytes *: what the backend saw */
static NetClient *nh_peer;
static NicState *nh_nic;

static bool nh_receive(NetClient *nc, const uint8_t *buf, size_t len)
{
    g_ptr_array_add(nh_sent, g_bytes_new(buf, len));
    return true;
}
static const NetClientOps nh_ops = {.type = "test", .size = sizeof(NetClient), .sums_right = true, .receive = nh_receive};

/* Which BARs are the ports and the registers in memory. */
static inline void nic_start(const DeviceClass *cls, unsigned port_bar, unsigned mem_bar)
{
    pci_harness_start();
    g_main_context_acquire(g_main_context_default());
    nh_sent = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    nh_peer = net_client_new(&nh_ops, "peer", NULL);
    nh_nic = (NicState *)pci_harness_add(cls, "netdev", "peer");
    pci_harness_bar(port_bar, NIC_PORT);
    pci_harness_bar(mem_bar, NIC_MMIO);
    pci_harness_enable();
}

static inline void nic_stop(void)
{
    pci_harness_stop();
    net_client_free(nh_peer);
    g_ptr_array_unref(nh_sent);
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
