/* test-virtio-net.c - virtio-net through its queues: merged and single receive buffers, joined TCP segments, transmit with
 * checksums and segmentation, control queue, headers that make no sense. Spec: VIRTIO 1.1, 5.1. */
#include "tests/hw/net/nic-harness.h"
#include "tests/hw/virtio/virtio-driver.h"
#include "hw/net/net-offload.h"
#include "hw/net/virtio-net.h"

enum { RX = 0, TX = 1, CTRL = 2, HDR = 12, BUF = 0x100000, BUF_STEP = 0x800, TX_BUF = 0x200000, CTRL_BUF = 0x210000 };
enum { CSUM = 0, GUEST_CSUM = 1, GUEST_OFFLOADS = 2, GUEST_TSO4 = 7, HOST_TSO4 = 11, MRG = 15, CTRL_VQ = 17, CTRL_RX = 18,
       CTRL_VLAN = 19, ANNOUNCE = 21, CTRL_MAC = 23 };
#define CONTROL (BIT(CTRL_VQ) | BIT(CTRL_RX) | BIT(CTRL_VLAN) | BIT(CTRL_MAC))

static const uint8_t mine[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

static void start(uint64_t features)
{
    nic_start(&virtio_net_class, 0, 4);
    vd_start(features, features & BIT(CTRL_VQ) ? 3 : 2);
}

static void rx_buffers(unsigned first, unsigned n, uint32_t size)
{
    for (unsigned i = first; i < first + n; i++) {
        vd_desc(RX, i, BUF + BUF_STEP * i, size, VD_WRITE, 0);
        vd_offer(RX, i);
    }
    vd_kick(RX);
    nic_settle();
}

static void frame(uint8_t *f, size_t len)
{
    memcpy(f, mine, 6);
    for (size_t i = 6; i < len; i++)
        f[i] = (uint8_t)(i * 11);
}

static void test_merge(void)
{
    uint8_t f[1000];

    start(BIT(MRG));
    frame(f, sizeof f);
    rx_buffers(0, 4, 300);
    send_to_nic(f, sizeof f);
    g_assert_cmpuint(vd_used(RX), ==, 4); /* 12 + 1000 bytes */
    g_assert_cmpuint(vd_ld(BUF + 10, 2), ==, 4);
    g_assert_cmpuint(vd_used_len(RX, 0), ==, 300);
    g_assert_cmpuint(vd_used_len(RX, 3), ==, 112);
    for (unsigned i = 0; i < sizeof f; i++)
        g_assert_cmpuint(vd_ld(BUF + BUF_STEP * ((i + HDR) / 300) + (i + HDR) % 300, 1), ==, f[i]);
    g_assert_cmpint(ph_line.level, ==, 1);
    /* Too few: none is used, until there are enough. */
    rx_buffers(4, 3, 300);
    send_to_nic(f, sizeof f);
    send_to_nic(f, 60);
    g_assert_cmpuint(vd_used(RX), ==, 4);
    rx_buffers(7, 2, 300);
    g_assert_cmpuint(vd_used(RX), ==, 9);
    g_assert_cmpuint(vd_ld(BUF + BUF_STEP * 4 + 10, 2), ==, 4);
    g_assert_cmpuint(vd_ld(BUF + BUF_STEP * 8 + 10, 2), ==, 1);
    g_assert_cmpuint(vd_used_len(RX, 8), ==, 72);
    nic_stop();
}

static void test_single(void)
{
    uint8_t f[1000];

    start(0);
    frame(f, sizeof f);
    rx_buffers(0, 2, 300);
    send_to_nic(f, sizeof f); /* fits into no buffer: lost */
    send_to_nic(f, 60);
    g_assert_cmpuint(vd_used(RX), ==, 1);
    g_assert_cmpuint(vd_used_len(RX, 0), ==, 72);
    g_assert_cmpuint(vd_ld(BUF + 10, 2), ==, 1);
    g_assert_cmpuint(vd_ld(BUF + HDR + 59, 1), ==, f[59]);
    nic_stop();
}

/* A segment of `part` bytes at seq; its sums are not looked at. */
static size_t segment(uint8_t *f, uint32_t seq, size_t part, unsigned flags)
{
    memset(f, 0, 54);
    memcpy(f, mine, 6);
    stb16(f + 12, 0x0800);
    f[14] = 0x45;
    stb16(f + 16, (uint16_t)(40 + part));
    f[23] = 6;
    f[22] = 64;
    stb32(f + 26, 0x0a000202);
    stb32(f + 30, 0x0a00020f);
    stb16(f + 34, 80);
    stb16(f + 36, 4000);
    stb32(f + 38, seq);
    f[46] = 0x50;
    f[47] = (uint8_t)flags;
    for (size_t i = 0; i < part; i++)
        f[54 + i] = (uint8_t)(seq + i);
    return 54 + part;
}

static void test_joined(void)
{
    uint8_t f[2000], g[8192], hdr[HDR];
    uint32_t seq = 1000;

    start(BIT(MRG) | BIT(GUEST_CSUM) | BIT(GUEST_TSO4));
    rx_buffers(0, 64, BUF_STEP);
    for (unsigned i = 0; i < 4; i++, seq += 1460)
        send_to_nic(f, segment(f, seq, i == 3 ? 700 : 1460, i == 3 ? 0x18 : 0x10));
    g_assert_cmpuint(vd_used(RX), ==, 3); /* 12 + 54 + 5080 bytes */
    physmem_read(&address_space_memory, BUF, hdr, HDR);
    g_assert_cmphex(hdr[0], ==, 1); /* NEEDS_CSUM */
    g_assert_cmphex(hdr[1], ==, 1); /* TCP over IPv4 */
    g_assert_cmpuint(ldl16(hdr + 2), ==, 54);
    g_assert_cmpuint(ldl16(hdr + 4), ==, 1460);
    g_assert_cmpuint(ldl16(hdr + 6), ==, 34);
    g_assert_cmpuint(ldl16(hdr + 8), ==, 16);
    g_assert_cmpuint(ldl16(hdr + 10), ==, 3);
    for (unsigned i = 0; i < 3; i++)
        physmem_read(&address_space_memory, BUF + BUF_STEP * i, g + BUF_STEP * i, BUF_STEP);
    g_assert_cmpuint(ldb16(g + HDR + 16), ==, 40 + 5080);
    g_assert_cmphex(net_sum(0, g + HDR + 14, 20), ==, 0xffff);
    g_assert_cmphex(g[HDR + 47], ==, 0x18);
    g_assert_cmphex(ldb32(g + HDR + 38), ==, 1000);
    for (unsigned i = 0; i < 5080; i++)
        g_assert_cmpuint(g[HDR + 54 + i], ==, (uint8_t)(1000 + i));
    /* The checksum that the driver completes is right then. */
    g_assert_true(net_put_checksum(g + HDR, 54 + 5080, 34, 50));
    g_assert_cmphex(net_sum(6 + 5100, g + HDR + 26, 8 + 5100), ==, 0xffff);

    /* What does not follow is not joined, and order is kept: a gap, another frame, an odd flag. */
    send_to_nic(f, segment(f, 50000, 1460, 0x10));
    send_to_nic(f, segment(f, 60000, 1460, 0x10));
    send_to_nic(f, segment(f, 61460, 1460, 0x11));
    g_assert_cmpuint(vd_used(RX), ==, 6);
    for (unsigned i = 3; i < 6; i++) {
        g_assert_cmphex(vd_ld(BUF + BUF_STEP * i, 2), ==, 2); /* DATA_VALID, no segmentation */
        g_assert_cmpuint(vd_used_len(RX, i), ==, HDR + 1514);
    }
    g_assert_cmphex(__builtin_bswap32((uint32_t)vd_ld(BUF + BUF_STEP * 3 + HDR + 38, 4)), ==, 50000);
    g_assert_cmphex(__builtin_bswap32((uint32_t)vd_ld(BUF + BUF_STEP * 5 + HDR + 38, 4)), ==, 61460);
    /* One that nothing follows comes with the main loop's next round. */
    send_to_nic(f, segment(f, 70000, 1460, 0x10));
    step(1000);
    g_assert_cmpuint(vd_used(RX), ==, 7);
    /* No buffers: it waits for them. */
    rx_buffers(64, 0, 0);
    while (vd_used(RX) < 64)
        send_to_nic(f, segment(f, 80000, 100, 0x18));
    send_to_nic(f, segment(f, 90000, 1460, 0x10));
    send_to_nic(f, segment(f, 91460, 1460, 0x18));
    g_assert_cmpuint(vd_used(RX), ==, 64);
    rx_buffers(64, 1, BUF_STEP);
    step(1000);
    nic_settle();
    g_assert_cmpuint(vd_used(RX), ==, 64); /* two are needed */
    rx_buffers(65, 1, BUF_STEP);
    step(1000);
    nic_settle();
    g_assert_cmpuint(vd_used(RX), ==, 66);
    g_assert_cmpuint(vd_used_len(RX, 64) + vd_used_len(RX, 65), ==, HDR + 54 + 2920);
    nic_stop();
}

static void transmit(const uint8_t hdr[HDR], const uint8_t *f, size_t len)
{
    physmem_write(&address_space_memory, TX_BUF, hdr, HDR);
    physmem_write(&address_space_memory, TX_BUF + HDR, f, len);
    vd_desc(TX, 0, TX_BUF, HDR, VD_NEXT, 1);
    vd_desc(TX, 1, TX_BUF + HDR, (uint32_t)len, 0, 0);
    vd_offer(TX, 0);
    vd_kick(TX);
}

static void test_transmit(void)
{
    uint8_t f[4000], hdr[HDR] = {0};
    const uint8_t *g;
    gsize len;

    start(BIT(CSUM) | BIT(HOST_TSO4));
    frame(f, 100);
    transmit(hdr, f, 100);
    g_assert_cmpint(memcmp(sent_frame(0, &len), f, 100), ==, 0);
    g_assert_cmpuint(len, ==, 100);
    g_assert_cmpuint(vd_used(TX), ==, 1);
    hdr[0] = 1; /* a checksum from byte 34 on at 50 */
    stl16(hdr + 6, 34);
    stl16(hdr + 8, 16);
    segment(f, 1, 100, 0x10);
    stb16(f + 50, (uint16_t)net_sum(6 + 120, f + 26, 8));
    transmit(hdr, f, 154);
    g = sent_frame(1, &len);
    g_assert_cmphex(net_sum(6 + 120, g + 26, 8 + 120), ==, 0xffff);
    hdr[1] = 1; /* and segments of 1000 bytes */
    stl16(hdr + 4, 1000);
    segment(f, 5, 2500, 0x18);
    transmit(hdr, f, 2554);
    g_assert_cmpuint(nh_sent->len, ==, 5);
    for (unsigned i = 0; i < 3; i++) {
        g = sent_frame(2 + i, &len);
        g_assert_cmpuint(len, ==, 54 + (i < 2 ? 1000 : 500));
        g_assert_cmpuint(ldb32(g + 38), ==, 5 + 1000 * i);
        g_assert_cmphex(net_sum(6 + (uint32_t)len - 34, g + 26, 8 + len - 34), ==, 0xffff);
    }
    nic_stop();
}

/* Headers that make no sense send nothing, but the queue goes on; rings that make none need a reset. */
static void test_malformed(void)
{
    static const struct { uint8_t flags, gso; uint16_t size, start, offset; bool sent; } bad[] = {
        {1, 0, 0, 0xffff, 16, true}, {1, 0, 0, 34, 0xffff, true}, {0, 1, 0, 0, 0, false}, {0, 1, 1, 0, 0, false},
        {0, 3, 1000, 0, 0, false}, {0, 0x7f, 1000, 0, 0, false}, {0, 4, 1000, 0, 0, false}};
    uint8_t f[300], hdr[HDR];

    start(BIT(CSUM) | BIT(HOST_TSO4));
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        guint before = nh_sent->len;
        memset(hdr, 0, HDR);
        hdr[0] = bad[i].flags;
        hdr[1] = bad[i].gso;
        stl16(hdr + 4, bad[i].size);
        stl16(hdr + 6, bad[i].start);
        stl16(hdr + 8, bad[i].offset);
        transmit(hdr, f, segment(f, 1, 200, 0x10));
        g_assert_cmpuint(nh_sent->len, ==, before + bad[i].sent);
        g_assert_cmpuint(vd_used(TX), ==, i + 1);
        g_assert_false(vd_broken());
    }
    vd_desc(TX, 0, TX_BUF, HDR - 1, 0, 0); /* not even a header */
    vd_offer(TX, 0);
    vd_kick(TX);
    g_assert_cmpuint(vd_used(TX), ==, G_N_ELEMENTS(bad) + 1);
    g_assert_cmpuint(nh_sent->len, ==, 2);
    vd_offer(TX, 0xfff); /* no such descriptor */
    vd_kick(TX);
    g_assert_true(vd_broken());
    nic_stop();
}

/* A command with `len` bytes of data; the device's answer. */
static unsigned control(unsigned class, unsigned cmd, const void *data, uint32_t len)
{
    unsigned used = vd_used(CTRL);

    vd_st(CTRL_BUF, 2, class | cmd << 8);
    physmem_write(&address_space_memory, CTRL_BUF + 16, data, len);
    vd_st(CTRL_BUF + 0x1000, 1, 0x55);
    vd_desc(CTRL, 0, CTRL_BUF, 2, VD_NEXT, len ? 1 : 2);
    vd_desc(CTRL, 1, CTRL_BUF + 16, MAX(len, 1), VD_NEXT, 2);
    vd_desc(CTRL, 2, CTRL_BUF + 0x1000, 1, VD_WRITE, 0);
    vd_offer(CTRL, 0);
    vd_kick(CTRL);
    nic_settle();
    g_assert_cmpuint(vd_used(CTRL), ==, used + 1);
    return (unsigned)vd_ld(CTRL_BUF + 0x1000, 1);
}

static bool received(const uint8_t dst[6])
{
    unsigned used = vd_used(RX);
    uint8_t f[64] = {0};

    memcpy(f, dst, 6);
    rx_buffers(0, 1, 300);
    send_to_nic(f, sizeof f);
    if (vd_used(RX) == used) { /* the buffer is still there: used up */
        control(0, 0, "\1", 1);
        send_to_nic(f, sizeof f);
        g_assert_cmpuint(vd_used(RX), ==, used + 1);
        control(0, 0, "\0", 1);
        return false;
    }
    return true;
}

static void test_control(void)
{
    static const uint8_t other[6] = {2, 3, 4, 5, 6, 7}, group[6] = {1, 0, 0x5e, 0, 0, 1}, all[6] = {255, 255, 255, 255, 255, 255};
    uint8_t table[20] = {1, 0, 0, 0, 2, 3, 4, 5, 6, 7, 1, 0, 0, 0, 1, 0, 0x5e, 0, 0, 1};

    start(CONTROL | BIT(GUEST_CSUM) | BIT(GUEST_OFFLOADS));
    g_assert_true(received(other)); /* promiscuous until told otherwise */
    g_assert_cmpuint(control(0, 0, "\0", 1), ==, 0);
    g_assert_true(received(mine));
    g_assert_true(received(all));
    g_assert_false(received(other));
    g_assert_false(received(group));
    g_assert_cmpuint(control(1, 0, table, sizeof table), ==, 0);
    g_assert_true(received(other));
    g_assert_true(received(group));
    g_assert_cmpuint(control(1, 0, table, sizeof table - 1), ==, 1); /* cut short */
    g_assert_cmpuint(control(1, 0, "\xff\xff\xff\xff", 4), ==, 1);
    g_assert_cmpuint(control(1, 0, "\0\0\0\0\0\0\0\0", 8), ==, 0);
    g_assert_false(received(group));
    g_assert_cmpuint(control(0, 1, "\1", 1), ==, 0); /* all multicast */
    g_assert_true(received(group));
    g_assert_cmpuint(control(0, 5, "\1", 1), ==, 0); /* no broadcast */
    g_assert_false(received(all));
    g_assert_cmpuint(control(1, 1, other, 6), ==, 0);
    g_assert_true(received(other));
    g_assert_cmphex(vd_ld(VD_CONFIG, 4), ==, ldl32(other));
    g_assert_cmpuint(control(2, 0, "\5\0", 2), ==, 0);
    g_assert_cmpuint(control(2, 0, "\0\x10", 2), ==, 1); /* there is no VLAN 4096 */
    g_assert_cmpuint(control(0, 99, "\1", 1), ==, 1);
    g_assert_cmpuint(control(77, 0, "\1", 1), ==, 1);
    g_assert_cmpuint(control(5, 0, "\2\0\0\0\0\0\0\0", 8), ==, 0);
    g_assert_cmpuint(control(5, 0, "\x80\0\0\0\0\0\0\0", 8), ==, 1); /* TSO4 was not accepted */
    g_assert_cmpuint(control(3, 0, "", 0), ==, 0);                   /* announce: acknowledged */
    g_assert_cmphex(vd_ld(VD_CONFIG + 6, 2), ==, 1);
    /* A command without a place for the answer is no command. */
    vd_desc(CTRL, 0, CTRL_BUF, 2, 0, 0);
    vd_offer(CTRL, 0);
    vd_kick(CTRL);
    g_assert_true(vd_broken());
    nic_stop();
}

static void test_link(void)
{
    start(BIT(16)); /* STATUS */
    vd_ld(VD_ISR, 1);
    g_assert_cmphex(vd_ld(VD_CONFIG + 6, 2), ==, 1);
    net_set_link(nh_nic->nc, false);
    g_assert_cmphex(vd_ld(VD_ISR, 1) & 2, ==, 2);
    g_assert_cmphex(vd_ld(VD_CONFIG + 6, 2), ==, 0);
    contract_check(&nh_nic->pci.dev);
    nic_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/virtio-net/receive/merged-buffers", test_merge);
    g_test_add_func("/hw/virtio-net/receive/single-buffers", test_single);
    g_test_add_func("/hw/virtio-net/receive/joined-segments", test_joined);
    g_test_add_func("/hw/virtio-net/transmit/offloads", test_transmit);
    g_test_add_func("/hw/virtio-net/malformed", test_malformed);
    g_test_add_func("/hw/virtio-net/control-queue", test_control);
    g_test_add_func("/hw/virtio-net/link", test_link);
    return g_test_run();
}
