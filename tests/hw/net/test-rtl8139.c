/* test-rtl8139.c - the RTL8139C+ through its registers: EEPROM, PHY, the 8139's byte ring and transmit registers, C+
 * descriptors, tally counters, timer. Spec: Realtek RTL8139C(L)+ data sheet. */
#include "tests/hw/net/nic-harness.h"
#include "hw/net/rtl8139-internal.h"
#include "hw/net/rtl8139.h"

enum { RING = 0x10000, TX = 0x20000, RX_DESC = 0x30000, TX_DESC = 0x31000, TALLY = 0x32000, BUF = 0x40000, N = 4, BUF_SIZE = 0x800 };
enum { D_FIRST = 1 << 29, D_LAST = 1 << 28, D_EOR = 1 << 30 };
#define D_OWN (1u << 31)

static const uint8_t mine[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

static void start(void) { nic_start(&rtl8139_class, 0, 1); }

static void frame(uint8_t *f, size_t len, unsigned seed)
{
    memcpy(f, mine, 6);
    memset(f + 6, 2, 6);
    for (size_t i = 12; i < len; i++)
        f[i] = (uint8_t)(i * 7 + seed);
}

/* The 8139's way: 8 KiB and 16 bytes, room for one more with WRAP. */
static void start_ring(uint32_t rcr)
{
    outl(NIC_PORT + R_RBSTART, RING);
    outl(NIC_PORT + R_RCR, RCR_APM | RCR_AB | rcr);
    outw(NIC_PORT + R_IMR, 0x7f);
    outb(NIC_PORT + R_CR, CR_TE | CR_RE);
}

/* What a driver does with one frame: *at is where it reads. */
static unsigned take(uint32_t *at, uint32_t ring)
{
    unsigned len = (unsigned)mem_ld(RING + *at + 2, 2);

    g_assert_cmphex(inb(NIC_PORT + R_CR) & CR_BUFE, ==, 0);
    g_assert_cmphex(mem_ld(RING + *at, 2) & 1, ==, 1);
    *at = (*at + 4 + len + 3) % ring & ~3u;
    outw(NIC_PORT + R_CAPR, (uint16_t)(*at - 16));
    return len;
}

static unsigned ee_bit(unsigned di)
{
    outb(NIC_PORT + R_9346CR, (uint8_t)(0x88 | di << 1));
    outb(NIC_PORT + R_9346CR, (uint8_t)(0x8c | di << 1));
    return inb(NIC_PORT + R_9346CR) & 1;
}

static unsigned ee_word(unsigned at)
{
    unsigned v = 0;

    outb(NIC_PORT + R_9346CR, 0x80);
    outb(NIC_PORT + R_9346CR, 0x88);
    for (int i = 8; i >= 0; i--)
        ee_bit((6u << 6 | at) >> i & 1);
    for (int i = 0; i < 16; i++)
        v = v << 1 | ee_bit(0);
    outb(NIC_PORT + R_9346CR, 0x80);
    return v;
}

static void test_eeprom(void)
{
    start();
    g_assert_cmphex(ee_word(0), ==, 0x8129);
    g_assert_cmphex(ee_word(1), ==, 0x10ec);
    for (unsigned i = 0; i < 3; i++)
        g_assert_cmphex(ee_word(7 + i), ==, ldl16(mine + 2 * i));
    /* IDR is locked until 9346CR says otherwise; autoload brings the EEPROM's address back. */
    outb(NIC_PORT + R_9346CR, 0);
    outl(NIC_PORT + R_IDR, 0x11223344);
    g_assert_cmphex(inl(NIC_PORT + R_IDR), ==, 0x12005452);
    outb(NIC_PORT + R_9346CR, 0xc0);
    outl(NIC_PORT + R_IDR, 0x11223344);
    g_assert_cmphex(inl(NIC_PORT + R_IDR), ==, 0x11223344);
    outb(NIC_PORT + R_9346CR, 0x40);
    g_assert_cmphex(inl(NIC_PORT + R_IDR), ==, 0x12005452);
    nic_stop();
}

static void test_phy(void)
{
    start();
    g_assert_cmphex(inl(NIC_PORT + R_TCR) & 0x7cc00000, ==, 0x74800000); /* which chip it is */
    g_assert_cmphex(inw(NIC_PORT + R_BMSR) & 0x24, ==, 0x24);
    g_assert_cmphex(inb(NIC_PORT + R_MSR) & 4, ==, 0);
    outw(NIC_PORT + R_IMR, 0x20);
    net_set_link(nh_nic->nc, false);
    g_assert_cmphex(inw(NIC_PORT + R_BMSR) & 0x24, ==, 0);
    g_assert_cmphex(inb(NIC_PORT + R_MSR) & 4, ==, 4);
    g_assert_cmphex(inw(NIC_PORT + R_ISR), ==, 0x20);
    g_assert_cmpint(ph_line.level, ==, 1);
    outw(NIC_PORT + R_ISR, 0x20);
    g_assert_cmpint(ph_line.level, ==, 0);
    outb(NIC_PORT + R_9346CR, 0xc0);
    outw(NIC_PORT + R_BMCR, 0x9200); /* reset, restart: done at once */
    g_assert_cmphex(inw(NIC_PORT + R_BMCR) & 0x8200, ==, 0);
    nic_stop();
}

static void test_transmit(void)
{
    gsize len;

    start();
    start_ring(0);
    for (unsigned n = 0; n < 4; n++) {
        for (unsigned i = 0; i < 64; i++)
            mem_st(TX + 2048 * n + i, 1, i + n);
        outl(NIC_PORT + R_TSAD + 4 * n, TX + 2048 * n);
        g_assert_cmphex(inl(NIC_PORT + R_TSD + 4 * n) & TSD_OWN, ==, TSD_OWN);
        outl(NIC_PORT + R_TSD + 4 * n, 64);
        g_assert_cmphex(inl(NIC_PORT + R_TSD + 4 * n) & (TSD_OWN | TSD_TOK | 0x1fff), ==, TSD_OWN | TSD_TOK | 64);
        g_assert_cmpuint(sent_frame(n, &len)[5], ==, 5 + n);
        g_assert_cmpuint(len, ==, 64);
    }
    g_assert_cmphex(inw(NIC_PORT + R_ISR), ==, ISR_TOK);
    g_assert_cmphex(inw(NIC_PORT + R_TSAD_ALL), ==, 0xf00f);
    g_assert_cmpint(ph_line.level, ==, 1);
    outb(NIC_PORT + R_CR, 0); /* a transmitter that is off sends nothing */
    outl(NIC_PORT + R_TSD, 64);
    g_assert_cmpuint(nh_sent->len, ==, 4);
    nic_stop();
}

static void test_ring(void)
{
    uint8_t f[1514], got[1514];
    uint32_t at = 0;

    start();
    start_ring(RCR_WRAP);
    g_assert_cmphex(inb(NIC_PORT + R_CR) & CR_BUFE, ==, CR_BUFE);
    for (unsigned i = 0; i < 40; i++) { /* several times round */
        size_t len = 60 + i * 37 % 1400;
        uint32_t was = at;
        frame(f, len, i);
        send_to_nic(f, len);
        g_assert_cmphex(inw(NIC_PORT + R_ISR), ==, ISR_ROK);
        outw(NIC_PORT + R_ISR, ISR_ROK);
        g_assert_cmpuint(take(&at, 8192), ==, len + 4);
        physmem_read(&address_space_memory, RING + was + 4, got, len); /* past the end, because of WRAP */
        g_assert_cmpint(memcmp(f, got, len), ==, 0);
        g_assert_cmphex(inb(NIC_PORT + R_CR) & CR_BUFE, ==, CR_BUFE);
        g_assert_cmpuint(inw(NIC_PORT + R_CBR), ==, at);
    }
    nic_stop();
}

/* Without WRAP a frame goes on at the beginning of the ring. */
static void test_ring_round(void)
{
    uint8_t f[1000];
    uint32_t at = 0;

    start();
    start_ring(0);
    for (unsigned i = 0; i < 8; i++) {
        frame(f, sizeof f, i);
        send_to_nic(f, sizeof f);
        if (i < 7)
            take(&at, 8192);
    }
    g_assert_cmpuint(at, ==, 7 * 1008);
    for (unsigned i = 0; i < sizeof f; i++)
        g_assert_cmpuint(mem_ld(RING + (at + 4 + i) % 8192, 1), ==, f[i]);
    nic_stop();
}

/* Frames wait while the ring is full; each step of CAPR lets some in, none is lost. */
static void test_ring_full(void)
{
    uint8_t f[1514];
    uint32_t at = 0;
    unsigned n;

    start();
    start_ring(RCR_WRAP);
    for (unsigned i = 0; i < 30; i++) {
        frame(f, sizeof f, 0);
        f[20] = (uint8_t)i;
        send_to_nic(f, sizeof f);
    }
    for (n = 0; !(inb(NIC_PORT + R_CR) & CR_BUFE); n++) {
        g_assert_cmpuint(mem_ld(RING + at + 4 + 20, 1), ==, n);
        g_assert_cmpuint(take(&at, 8192), ==, 1518);
        nic_settle();
    }
    g_assert_cmpuint(n, ==, 30);
    g_assert_cmphex(inw(NIC_PORT + R_ISR) & ISR_RXOVW, ==, 0);
    g_assert_cmpuint(inl(NIC_PORT + R_MPC), ==, 0);
    outb(NIC_PORT + R_CR, CR_TE); /* a receiver that is off loses what comes */
    send_to_nic(f, sizeof f);
    outb(NIC_PORT + R_CR, CR_TE | CR_RE);
    nic_settle();
    g_assert_cmphex(inb(NIC_PORT + R_CR) & CR_BUFE, ==, CR_BUFE);
    nic_stop();
}

static void test_filters(void)
{
    uint8_t f[60];
    uint32_t at = 0;

    start();
    start_ring(0);
    frame(f, sizeof f, 0);
    f[5]++;
    send_to_nic(f, sizeof f);
    g_assert_cmphex(inb(NIC_PORT + R_CR) & CR_BUFE, ==, CR_BUFE);
    outl(NIC_PORT + R_RCR, RCR_AAP);
    send_to_nic(f, sizeof f);
    g_assert_cmphex(mem_ld(RING + at, 2), ==, 1); /* not to its address */
    take(&at, 8192);
    outl(NIC_PORT + R_RCR, RCR_AM);
    f[0] = 1, f[1] = 0, f[2] = 0x5e, f[3] = 0, f[4] = 0, f[5] = 1; /* CRC 31xxxxxx: 224.0.0.1 */
    send_to_nic(f, sizeof f);
    g_assert_cmphex(inb(NIC_PORT + R_CR) & CR_BUFE, ==, CR_BUFE);
    outl(NIC_PORT + R_MAR, 0xffffffff);
    outl(NIC_PORT + R_MAR + 4, 0xffffffff);
    send_to_nic(f, sizeof f);
    g_assert_cmphex(mem_ld(RING + at, 2), ==, 0x8001);
    nic_stop();
}

/* --- C+ --- */

static void rx_desc(unsigned i, uint32_t size)
{
    mem_st(RX_DESC + 16 * i + 4, 4, 0);
    mem_st(RX_DESC + 16 * i + 8, 8, BUF + BUF_SIZE * i);
    mem_st(RX_DESC + 16 * i, 4, D_OWN | (i == N - 1 ? D_EOR : 0) | size);
}

static void start_cplus(uint32_t size)
{
    outw(NIC_PORT + R_CPCR, CPCR_TX | CPCR_RX);
    outl(NIC_PORT + R_RDSAR, RX_DESC);
    outl(NIC_PORT + R_RDSAR + 4, 0);
    outl(NIC_PORT + R_TNPDS, TX_DESC);
    outl(NIC_PORT + R_TNPDS + 4, 0);
    outl(NIC_PORT + R_RCR, RCR_APM | RCR_AB | RCR_AM);
    for (unsigned i = 0; i < N; i++)
        rx_desc(i, size);
    outw(NIC_PORT + R_IMR, 0x91);
    outb(NIC_PORT + R_CR, CR_TE | CR_RE);
}

static void test_cplus_receive(void)
{
    uint8_t f[1000];

    start();
    start_cplus(BUF_SIZE - 1);
    for (unsigned i = 0; i < 9; i++) {
        uint32_t d0;
        frame(f, sizeof f, i);
        send_to_nic(f, sizeof f);
        d0 = (uint32_t)mem_ld(RX_DESC + 16 * (i % N), 4);
        g_assert_cmphex(d0 & (D_OWN | D_FIRST | D_LAST | 0x1fff), ==, D_FIRST | D_LAST | 1004);
        g_assert_cmphex(d0 & D_EOR, ==, i % N == N - 1 ? D_EOR : 0);
        g_assert_cmphex(d0 >> 24 & 7, ==, 2); /* PAM */
        g_assert_cmphex(mem_ld(BUF + BUF_SIZE * (i % N) + 999, 1), ==, f[999]);
        rx_desc(i % N, BUF_SIZE - 1);
    }
    nic_stop();
}

/* 9.2.2: a frame larger than a buffer goes on in the next one. */
static void test_cplus_pieces(void)
{
    uint8_t f[1000];

    start();
    start_cplus(400);
    frame(f, sizeof f, 3);
    send_to_nic(f, sizeof f);
    g_assert_cmphex(mem_ld(RX_DESC, 4), ==, D_FIRST | 400);
    g_assert_cmphex(mem_ld(RX_DESC + 16, 4), ==, 400);
    g_assert_cmphex(mem_ld(RX_DESC + 32, 4) & ~0x07000000u, ==, D_LAST | 1004);
    for (unsigned i = 0; i < sizeof f; i++)
        g_assert_cmpuint(mem_ld(BUF + BUF_SIZE * (i / 400) + i % 400, 1), ==, f[i]);
    g_assert_cmphex(mem_ld(RX_DESC + 48, 4), ==, D_OWN | D_EOR | 400);
    /* Only one descriptor is left: the next one waits whole until there are three. */
    send_to_nic(f, sizeof f);
    g_assert_cmphex(mem_ld(RX_DESC + 48, 4), ==, D_OWN | D_EOR | 400);
    g_assert_cmphex(inw(NIC_PORT + R_ISR), ==, ISR_ROK | ISR_RXOVW);
    for (unsigned i = 0; i < 3; i++)
        rx_desc(i, 400);
    outw(NIC_PORT + R_ISR, 0xffff);
    nic_settle();
    g_assert_cmphex(mem_ld(RX_DESC + 48, 4), ==, D_FIRST | D_EOR | 400);
    g_assert_cmphex(mem_ld(RX_DESC + 16, 4) & ~0x07000000u, ==, D_LAST | 1004);
    /* One that fits into no ring is lost, and what follows is not. */
    for (unsigned i = 0; i < N; i++)
        rx_desc(i, 100);
    send_to_nic(f, sizeof f);
    g_assert_cmpuint(inl(NIC_PORT + R_MPC), ==, 1);
    send_to_nic(f, 64);
    g_assert_cmphex(mem_ld(RX_DESC + 32, 4) & ~0x07000000u, ==, D_FIRST | D_LAST | 68);
    nic_stop();
}

/* The driver hands descriptors over in memory. What it does last: acknowledge, unmask, or look at ISR (polling). */
static void test_cplus_wakeups(void)
{
    uint8_t f[100];

    for (unsigned how = 0; how < 3; how++) {
        start();
        start_cplus(BUF_SIZE - 1);
        frame(f, sizeof f, how);
        for (unsigned i = 0; i < N + 2; i++)
            send_to_nic(f, sizeof f);
        g_assert_cmphex(inw(NIC_PORT + R_ISR), ==, ISR_ROK | ISR_RXOVW);
        for (unsigned i = 0; i < N; i++)
            rx_desc(i, BUF_SIZE - 1);
        if (how == 0)
            outw(NIC_PORT + R_ISR, 0xffff);
        else if (how == 1)
            outw(NIC_PORT + R_IMR, 0x91);
        else
            inw(NIC_PORT + R_ISR);
        nic_settle();
        g_assert_cmphex(mem_ld(RX_DESC + 16, 4) & D_OWN, ==, 0);
        g_assert_cmphex(mem_ld(RX_DESC + 32, 4) & D_OWN, ==, D_OWN);
        nic_stop();
    }
}

static void test_cplus_transmit(void)
{
    const uint8_t *f;
    gsize len;

    start();
    start_cplus(BUF_SIZE - 1);
    for (unsigned i = 0; i < 100; i++)
        mem_st(TX + i, 1, i);
    mem_st(TX_DESC + 8, 8, TX);
    mem_st(TX_DESC, 8, D_OWN | D_FIRST | 40);
    mem_st(TX_DESC + 16 + 8, 8, TX + 40);
    mem_st(TX_DESC + 16, 8, (uint64_t)(1 << 17 | 0x0201) << 32 | D_OWN | D_LAST | D_EOR | 60); /* with a VLAN tag */
    outb(NIC_PORT + R_TPPOLL, 0x40);
    f = sent_frame(0, &len);
    g_assert_cmpuint(len, ==, 104);
    g_assert_cmphex(ldb32(f + 12), ==, 0x81000102);
    g_assert_cmpuint(f[16], ==, 12);
    g_assert_cmpuint(f[103], ==, 99);
    g_assert_cmphex(mem_ld(TX_DESC, 4) & D_OWN, ==, 0);
    g_assert_cmphex(inw(NIC_PORT + R_ISR) & ISR_TOK, ==, ISR_TOK);
    nic_stop();
}

static void test_tally(void)
{
    uint8_t f[100];

    start();
    start_cplus(BUF_SIZE - 1);
    frame(f, sizeof f, 0);
    send_to_nic(f, sizeof f);
    send_to_nic(f, sizeof f);
    memset(f, 0xff, 6);
    send_to_nic(f, sizeof f);
    f[0] = 1;
    outl(NIC_PORT + R_MAR, 0xffffffff);
    outl(NIC_PORT + R_MAR + 4, 0xffffffff);
    send_to_nic(f, sizeof f);
    mem_st(TX_DESC + 8, 8, TX);
    mem_st(TX_DESC, 8, D_OWN | D_FIRST | D_LAST | D_EOR | 60);
    outb(NIC_PORT + R_TPPOLL, 0x40);
    mem_st(TALLY + 16, 8, UINT64_MAX);
    outl(NIC_PORT + R_DTCCR + 4, 0);
    outl(NIC_PORT + R_DTCCR, TALLY | 8);
    g_assert_cmphex(inl(NIC_PORT + R_DTCCR), ==, TALLY);
    g_assert_cmpuint(mem_ld(TALLY, 8), ==, 1);
    g_assert_cmpuint(mem_ld(TALLY + 8, 8), ==, 4);
    g_assert_cmpuint(mem_ld(TALLY + 16, 8), ==, 0);
    g_assert_cmpuint(mem_ld(TALLY + 40, 8), ==, 2);
    g_assert_cmpuint(mem_ld(TALLY + 48, 8), ==, 1);
    g_assert_cmpuint(mem_ld(TALLY + 56, 4), ==, 1);
    outb(NIC_PORT + R_CR, CR_RST);
    g_assert_cmphex(inb(NIC_PORT + R_CR) & CR_RST, ==, 0);
    outw(NIC_PORT + R_CPCR, CPCR_TX);
    outl(NIC_PORT + R_DTCCR + 4, 0);
    outl(NIC_PORT + R_DTCCR, TALLY | 8);
    g_assert_cmpuint(mem_ld(TALLY + 8, 8), ==, 0);
    nic_stop();
}

static void test_timer(void)
{
    start();
    outw(NIC_PORT + R_IMR, ISR_TIMEOUT);
    outl(NIC_PORT + R_TCTR, 0);
    step(1000000);
    g_assert_cmpuint(inl(NIC_PORT + R_TCTR), ==, 33000);
    outl(NIC_PORT + R_TCTR, 1);
    outl(NIC_PORT + R_TIMER_INT, 33000);
    step(999000);
    g_assert_cmpint(ph_line.level, ==, 0);
    step(2000);
    g_assert_cmpint(ph_line.level, ==, 1);
    g_assert_cmphex(inw(NIC_PORT + R_ISR), ==, ISR_TIMEOUT);
    contract_check(&nh_nic->pci.dev);
    nic_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/rtl8139/eeprom", test_eeprom);
    g_test_add_func("/hw/rtl8139/phy/link", test_phy);
    g_test_add_func("/hw/rtl8139/transmit", test_transmit);
    g_test_add_func("/hw/rtl8139/receive/past-the-end", test_ring);
    g_test_add_func("/hw/rtl8139/receive/round-the-end", test_ring_round);
    g_test_add_func("/hw/rtl8139/receive/full-ring", test_ring_full);
    g_test_add_func("/hw/rtl8139/receive/filters", test_filters);
    g_test_add_func("/hw/rtl8139/cplus/receive", test_cplus_receive);
    g_test_add_func("/hw/rtl8139/cplus/several-descriptors", test_cplus_pieces);
    g_test_add_func("/hw/rtl8139/cplus/wake-ups", test_cplus_wakeups);
    g_test_add_func("/hw/rtl8139/cplus/transmit", test_cplus_transmit);
    g_test_add_func("/hw/rtl8139/tally", test_tally);
    g_test_add_func("/hw/rtl8139/timer", test_timer);
    return g_test_run();
}
