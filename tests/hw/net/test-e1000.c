/* test-e1000.c - the 82540EM through its registers: EEPROM, PHY, filters, rings, offloads, interrupts, and
 * random descriptors. Spec: Intel 317453. A fake backend is the other end of the cable. */
#include "tests/hw/net/nic-harness.h"
#include "hw/net/e1000-internal.h"
#include "hw/net/e1000.h"

enum { RX_RING = 0x10000, TX_RING = 0x20000, RX_BUF = 0x40000, TX_BUF = 0x80000, RING = 16 };

static E1000State *nic;

static void rd_wr(unsigned off, uint32_t v) { writel(NIC_MMIO + off, v); }
static uint32_t rd(unsigned off) { return readl(NIC_MMIO + off); }

static void start(void)
{
    nic_start(&e1000_class, 1, 0);
    nic = (E1000State *)nh_nic;
}

static void start_rings(void)
{
    for (unsigned i = 0; i < RING; i++) {
        dma_st(RX_RING + 16 * i, 8, RX_BUF + 2048 * i);
        dma_st(RX_RING + 16 * i + 8, 8, 0);
    }
    rd_wr(R_RDBAL, RX_RING);
    rd_wr(R_RDLEN, RING * 16);
    rd_wr(R_RDT, RING - 1);
    rd_wr(R_TDBAL, TX_RING);
    rd_wr(R_TDLEN, RING * 16);
    rd_wr(R_RCTL, RCTL_EN | RCTL_BAM | RCTL_SECRC);
    rd_wr(R_TCTL, TCTL_EN | TCTL_PSP);
}

static void put_tx(unsigned i, uint64_t lo, uint64_t hi)
{
    dma_st(TX_RING + 16 * i, 8, lo);
    dma_st(TX_RING + 16 * i + 8, 8, hi);
}

static unsigned mic_bits(unsigned value, int n)
{
    unsigned in = 0;
    for (int i = n - 1; i >= 0; i--) {
        uint32_t di = value >> i & 1 ? EECD_DI : 0;
        rd_wr(R_EECD, EECD_CS | di);
        rd_wr(R_EECD, EECD_CS | di | EECD_SK);
        in = in << 1 | (rd(R_EECD) & EECD_DO ? 1 : 0);
        rd_wr(R_EECD, EECD_CS | di);
    }
    return in;
}

static void test_eeprom(void)
{
    uint16_t sum = 0;

    start();
    for (unsigned i = 0; i < 64; i++) {
        unsigned word, eerd;
        rd_wr(R_EECD, EECD_CS);
        mic_bits(6 << 6 | i, 9);
        word = mic_bits(0, 16);
        rd_wr(R_EECD, 0);
        rd_wr(R_EERD, i << 8 | EERD_START);
        eerd = rd(R_EERD);
        g_assert_true(eerd & EERD_DONE);
        g_assert_cmphex(eerd >> 16, ==, word);
        sum = (uint16_t)(sum + word);
    }
    g_assert_cmphex(sum, ==, 0xbaba); /* 5.6.35 */
    g_assert_cmphex(rd(R_RA), ==, 0x12005452);
    g_assert_cmphex(rd(R_RA + 4), ==, 0x80005634);
    rd_wr(R_EECD, EECD_REQ);
    g_assert_true(rd(R_EECD) & EECD_GNT);
    nic_stop();
}

static void test_phy(void)
{
    start();
    rd_wr(R_MDIC, 1 << 21 | PHY_ID1 << 16 | MDIC_OP_READ << 26);
    g_assert_cmphex(rd(R_MDIC) & 0xffff, ==, 0x0141);
    g_assert_true(rd(R_MDIC) & MDIC_READY);
    rd_wr(R_MDIC, 2 << 21 | PHY_ID1 << 16 | MDIC_OP_READ << 26);
    g_assert_true(rd(R_MDIC) & MDIC_ERROR);
    g_assert_true(rd(R_STATUS) & STATUS_LU);
    rd(R_ICR);
    net_set_link(nic->nic.nc, false);
    g_assert_false(rd(R_STATUS) & STATUS_LU);
    g_assert_cmphex(rd(R_ICR), ==, ICR_LSC);
    g_assert_cmphex(rd(R_ICR), ==, 0); /* reading clears */
    net_set_link(nic->nic.nc, true);
    g_assert_true(rd(R_STATUS) & STATUS_LU);
    nic_stop();
}

static void test_interrupts(void)
{
    start();
    rd_wr(R_ITR, 1000); /* 256 us */
    rd_wr(R_IMS, ICR_RXT0);
    rd_wr(R_ICS, ICR_TXDW);
    g_assert_cmpint(ph_line.level, ==, 0); /* masked */
    rd_wr(R_ICS, ICR_RXT0);
    g_assert_cmpint(ph_line.level, ==, 1);
    g_assert_cmphex(rd(R_ICR), ==, ICR_RXT0 | ICR_TXDW);
    g_assert_cmpint(ph_line.level, ==, 0);
    rd_wr(R_ICS, ICR_RXT0); /* too early */
    g_assert_cmpint(ph_line.level, ==, 0);
    step(255000);
    g_assert_cmpint(ph_line.level, ==, 0);
    step(2000);
    g_assert_cmpint(ph_line.level, ==, 1);
    rd_wr(R_IMC, ICR_RXT0);
    g_assert_cmpint(ph_line.level, ==, 0);
    nic_stop();
}

static void test_legacy_transmit(void)
{
    const uint8_t *f;
    gsize len;

    start();
    start_rings();
    for (unsigned i = 0; i < 40; i++)
        dma_st(TX_BUF + i, 1, i);
    put_tx(0, TX_BUF, 20);                                /* first half */
    put_tx(1, TX_BUF + 20, (uint64_t)0x09000014);         /* EOP, RS, 20 bytes */
    rd_wr(R_TDT, 2);
    f = sent_frame(0, &len);
    g_assert_cmpuint(nh_sent->len, ==, 1);
    g_assert_cmpuint(len, ==, 60); /* padded */
    for (unsigned i = 0; i < 60; i++)
        g_assert_cmpuint(f[i], ==, i < 40 ? i : 0);
    g_assert_cmpuint(dma_ld(TX_RING + 16 + 12, 1) & 1, ==, 1);
    g_assert_cmpuint(dma_ld(TX_RING + 12, 1) & 1, ==, 0); /* no RS */
    g_assert_cmphex(rd(R_ICR) & (ICR_TXDW | ICR_TXQE), ==, ICR_TXDW | ICR_TXQE);
    g_assert_cmpuint(rd(S_GPTC), ==, 1);
    g_assert_cmpuint(rd(S_GPTC), ==, 0);
    nic_stop();
}

static uint32_t sum_of(const uint8_t *p, size_t n, uint32_t s)
{
    for (size_t i = 0; i < n; i++)
        s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return s;
}

static void put_segmented(uint8_t *head, unsigned n)
{
    stb16(head + 50, (uint16_t)sum_of(head + 26, 8, 6));
    dma_write(TX_BUF, head, 54);
    for (unsigned i = 0; i < n; i++)
        dma_st(TX_BUF + 54 + i, 1, i * 7);
    put_tx(0, 14 | 24 << 8 | 33 << 16 | (uint64_t)(34 | 50 << 8) << 32,
           (n | 0x27u << 24) | (uint64_t)(54 << 8 | 1000 << 16) << 32); /* TCP, IP, TSE, DEXT */
    put_tx(1, TX_BUF, (54u | 1 << 20 | 0x24u << 24) | (uint64_t)0x300 << 32);
    put_tx(2, TX_BUF + 54, (n | 1 << 20 | 0x2du << 24) | (uint64_t)0x300 << 32);
    rd_wr(R_TDT, 3);
}

/* 3.5: 54 bytes of headers and 2500 of data in segments of 1000. */
static void test_segmentation(void)
{
    uint8_t head[54] = {0x52, 0x54, 0, 0x12, 0x35, 2, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 8, 0, 0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 6,
                        0, 0, 10, 0, 2, 15, 10, 0, 2, 2, 0x10, 0, 0, 80, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 1, 0x50, 0x19};
    static const unsigned want[3] = {1000, 1000, 500};
    uint32_t seq = 0xfffffff0;

    start();
    start_rings();
    put_segmented(head, 2500);
    g_assert_cmpuint(nh_sent->len, ==, 3);
    for (unsigned i = 0; i < 3; i++) {
        gsize len;
        const uint8_t *f = sent_frame(i, &len);
        g_assert_cmpuint(len, ==, 54 + want[i]);
        g_assert_cmpuint(ldb16(f + 16), ==, 40 + want[i]);
        g_assert_cmpuint(ldb16(f + 18), ==, 7 + i);
        g_assert_cmphex(ldb32(f + 38), ==, seq);
        g_assert_cmphex(f[47], ==, i == 2 ? 0x19 : 0x10); /* FIN and PSH in the last */
        g_assert_cmphex(sum_of(f + 14, 20, 0), ==, 0xffff);
        g_assert_cmphex(sum_of(f + 34, len - 34, sum_of(f + 26, 8, 6 + (uint32_t)len - 34)), ==, 0xffff);
        g_assert_cmpuint(f[54], ==, (uint8_t)(i * 1000 * 7));
        seq += want[i];
    }
    nic_stop();
}

/* A network that takes large frames gets the data in one; the counters are the wire's. */
static void test_large_frame(void)
{
    static NetClientOps large_ops;
    uint8_t head[54] = {0x52, 0x54, 0, 0x12, 0x35, 2, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 8, 0, 0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 6,
                        0, 0, 10, 0, 2, 15, 10, 0, 2, 2, 0x10, 0, 0, 80, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 1, 0x50, 0x19};
    gsize len;

    start();
    large_ops = *nh_peer->ops;
    large_ops.takes_large = true;
    nh_peer->ops = &large_ops;
    start_rings();
    put_segmented(head, 2500);
    g_assert_cmpuint(nh_sent->len, ==, 1);
    const uint8_t *f = sent_frame(0, &len);
    g_assert_cmpuint(len, ==, 54 + 2500);
    g_assert_cmpuint(ldb16(f + 16), ==, 40 + 2500);
    g_assert_cmphex(ldb32(f + 38), ==, 0xfffffff0);
    g_assert_cmphex(f[47], ==, 0x19);
    g_assert_cmphex(sum_of(f + 14, 20, 0), ==, 0xffff);
    g_assert_cmphex(sum_of(f + 34, len - 34, sum_of(f + 26, 8, 6 + (uint32_t)len - 34)), ==, 0xffff);
    g_assert_cmpuint(f[54 + 2400], ==, (uint8_t)(2400 * 7));
    g_assert_cmpuint(rd(0x4080), ==, 3);
    g_assert_cmpuint(rd(0x4090), ==, 3 * (54 + 4) + 2500);
    nic_stop();
}

static void test_receive(void)
{
    uint8_t f[1500] = {0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 2, 2, 2, 2, 2, 8, 0, 1};

    start();
    start_rings();
    rd(R_ICR);
    send_to_nic(f, 40);
    g_assert_cmpuint(rd(R_RDH), ==, 1);
    g_assert_cmpuint(dma_ld(RX_RING + 8, 2), ==, 60);
    g_assert_cmphex(dma_ld(RX_RING + 12, 1) & 3, ==, 3); /* DD, EOP */
    g_assert_cmphex(dma_ld(RX_BUF, 4), ==, 0x12005452);
    g_assert_true(rd(R_ICR) & ICR_RXT0);
    f[5]++; /* somebody else's */
    send_to_nic(f, 40);
    g_assert_cmpuint(rd(R_RDH), ==, 1);
    rd_wr(R_RCTL, rd(R_RCTL) | RCTL_UPE);
    send_to_nic(f, 40);
    g_assert_cmpuint(rd(R_RDH), ==, 2);
    memset(f, 0xff, 6);
    send_to_nic(f, 1500);
    g_assert_cmpuint(rd(R_RDH), ==, 3);
    g_assert_cmpuint(rd(S_BPRC), ==, 1);
    /* multicast by hash, 13.5.1: MO 0 takes bits 47:36 */
    rd_wr(R_RCTL, RCTL_EN | RCTL_SECRC);
    f[0] = 1, f[1] = 0, f[2] = 0x5e, f[3] = 0, f[4] = 0x12, f[5] = 0x34;
    send_to_nic(f, 60);
    g_assert_cmpuint(rd(R_RDH), ==, 3);
    rd_wr(R_MTA + 4 * (0x341 >> 5), 1u << (0x341 & 31));
    send_to_nic(f, 60);
    g_assert_cmpuint(rd(R_RDH), ==, 4);
    nic_stop();
}

/* Frames wait while the ring is empty and come when the driver moves the tail. */
static void test_backpressure(void)
{
    uint8_t f[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    start();
    start_rings();
    for (unsigned i = 0; i < 20; i++)
        send_to_nic(f, sizeof f);
    g_assert_cmpuint(rd(R_RDH), ==, 15);
    rd_wr(R_RDT, 5);
    nic_settle();
    g_assert_cmpuint(rd(R_RDH), ==, 4); /* 20 altogether */
    nic_stop();
}

/* What the register test of Linux's driver writes and wants back. */
static void test_kept_bits(void)
{
    static const struct { unsigned reg; uint32_t bits; } t[] = {
        {R_FCAL, 0xffffffff}, {R_FCAH, 0xffff}, {R_FCT, 0xffff}, {R_VET, 0xffff}, {R_RDTR, 0xffff}, {R_RDBAH, 0xffffffff},
        {R_RDLEN, 0xfff80}, {R_RDH, 0xffff}, {R_RDT, 0xffff}, {R_FCRTH, 0xfff8}, {R_FCTTV, 0xffff}, {R_TIPG, 0x3fffffff},
        {R_TDBAH, 0xffffffff}, {R_TDLEN, 0xfff80}, {R_RDBAL, 0xfffffff0}, {R_TDBAL, 0xfffffff0}, {R_TXCW, 0xc000ffff},
        {R_TIDV, 0xffff}, {R_RA + 4, 0x8003ffff}, {R_RA + 14 * 8 + 4, 0x8003ffff}, {R_MTA + 127 * 4, 0xffffffff}};
    static const uint32_t patterns[] = {0x5a5a5a5a, 0xa5a5a5a5, 0, 0xffffffff};
    start();
    for (size_t i = 0; i < ARRAY_SIZE(t); i++)
        for (size_t k = 0; k < ARRAY_SIZE(patterns); k++) {
            uint32_t all = t[i].reg == R_FCRTH ? 0xffff : 0xffffffff; /* its top bit is another switch */
            rd_wr(t[i].reg, patterns[k] & all);
            g_assert_cmphex(rd(t[i].reg), ==, patterns[k] & all & t[i].bits);
        }
    nic_stop();
}

static void test_reset(void)
{
    start();
    start_rings();
    outl(NIC_PORT, R_CTRL); /* through the ports, as Linux does it */
    outl(NIC_PORT + 4, CTRL_RST);
    g_assert_cmphex(rd(R_RCTL), ==, 0);
    g_assert_cmphex(rd(R_CTRL) & CTRL_RST, ==, 0);
    g_assert_cmphex(rd(R_RA), ==, 0x12005452);
    contract_check(&nic->nic.pci.dev);
    nic_stop();
}

/* A ring of no descriptors with head and tail apart must not keep the device busy without end; a good one goes on
 * afterwards. */
static void test_endless_rings(void)
{
    start();
    start_rings();
    rd_wr(R_TDLEN, 0);
    rd_wr(R_TDT, 3);
    step(1000000);
    start_rings();
    put_tx(0, TX_BUF, 60 | 1u << 24);
    put_tx(1, TX_BUF, 60 | 1u << 24);
    rd_wr(R_TDT, 2);
    step(1000000);
    g_assert_cmpuint(nh_sent->len, ==, 2);
    nic_stop();
}

static void test_fuzz(void)
{
    uint8_t f[9000];

    start();
    for (unsigned round = 0; round < 3000; round++) {
        unsigned what = (unsigned)g_test_rand_int_range(0, 8);
        if (round % 50 == 0) {
            pci_config_write(ph_bus, PH_DEVFN, PCI_BAR0, NIC_MMIO, 4);
            pci_config_write(ph_bus, PH_DEVFN, PCI_COMMAND, 7, 2);
            start_rings();
            rd_wr(R_RCTL, (uint32_t)g_test_rand_int() | RCTL_EN);
        }
        if (what < 4) { /* descriptors anywhere, also over the registers */
            unsigned i = (unsigned)g_test_rand_int_range(0, RING);
            uint64_t addr = g_test_rand_bit() ? TX_BUF + (uint64_t)g_test_rand_int_range(0, 65536)
                          : g_test_rand_bit() ? NIC_MMIO + (uint64_t)g_test_rand_int_range(0, 0x6000)
                          : (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
            put_tx(i, addr, (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int());
            if (g_test_rand_bit())
                dma_st(RX_RING + 16 * i, 8, addr);
            rd_wr(R_TDT, (uint32_t)g_test_rand_int_range(0, RING));
        } else if (what < 6) {
            size_t len = (size_t)g_test_rand_int_range(1, sizeof f);
            memset(f, 0xff, 14);
            f[20] = (uint8_t)g_test_rand_int();
            send_to_nic(f, len);
        } else if (what == 6) {
            rd_wr((unsigned)g_test_rand_int_range(0, R_END / 4) * 4, (uint32_t)g_test_rand_int());
        } else {
            step(g_test_rand_int_range(0, 1000000));
        }
        if (nh_sent->len > 1000)
            g_ptr_array_set_size(nh_sent, 0);
    }
    contract_check(&nic->nic.pci.dev);
    nic_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/e1000/eeprom/microwire-and-eerd", test_eeprom);
    g_test_add_func("/hw/e1000/phy/link", test_phy);
    g_test_add_func("/hw/e1000/interrupts/mask-and-throttle", test_interrupts);
    g_test_add_func("/hw/e1000/transmit/legacy", test_legacy_transmit);
    g_test_add_func("/hw/e1000/transmit/tcp-segmentation", test_segmentation);
    g_test_add_func("/hw/e1000/transmit/large-frame", test_large_frame);
    g_test_add_func("/hw/e1000/receive/filters", test_receive);
    g_test_add_func("/hw/e1000/receive/waits-for-descriptors", test_backpressure);
    g_test_add_func("/hw/e1000/reset", test_reset);
    g_test_add_func("/hw/e1000/kept-bits", test_kept_bits);
    g_test_add_func("/hw/e1000/endless-rings", test_endless_rings);
    g_test_add_func("/hw/e1000/random-descriptors", test_fuzz);
    return g_test_run();
}
