/* test-ne2k-pci.c - the RTL8029AS through its ports: identification, remote DMA, receive ring, overflow, the pace of frames,
 * transmitter. Spec: National Semiconductor DP8390D data sheet; RTL8029AS data sheet. */
#include "tests/hw/net/nic-harness.h"
#include "hw/net/ne2k-pci.h"

enum { CMD = 0, PSTART = 1, PSTOP, BNRY, TPSR, TBCR0, TBCR1, ISR, RSAR0, RSAR1, RBCR0, RBCR1, RCR, TCR, DCR, IMR, DATA, RESET = 0x18 };
enum { STOP = 0x21, RUN = 0x22, READ = 0x0a, WRITE = 0x12, SEND = 0x26, PAGE1 = 0x62, PAGE1_CURR = 7 };
enum { PRX = 1, PTX = 2, OVW = 0x10, CNT = 0x20, RDC = 0x40, RST = 0x80 };
enum { FIRST = 0x46, LAST = 0x80, PAGES = LAST - FIRST, TX_PAGE = 0x40 };

static const uint8_t mine[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

static uint8_t rd(unsigned reg) { return inb((uint16_t)(NIC_PORT + reg)); }
static void wr(unsigned reg, uint8_t v) { outb((uint16_t)(NIC_PORT + reg), v); }

static unsigned curr(void)
{
    unsigned v;

    wr(CMD, PAGE1);
    v = rd(PAGE1_CURR);
    wr(CMD, RUN);
    return v;
}

/* DP8390D 9.0: the initialisation sequence, as most drivers do it. */
static void init(uint8_t imr)
{
    wr(CMD, STOP);
    wr(DCR, 0x49); /* words, FIFO threshold */
    wr(RBCR0, 0);
    wr(RBCR1, 0);
    wr(RCR, 4);
    wr(TCR, 2);
    wr(PSTART, FIRST);
    wr(PSTOP, LAST);
    wr(BNRY, FIRST);
    wr(ISR, 0xff);
    wr(IMR, imr);
    wr(CMD, 0x61);
    for (unsigned i = 0; i < 6; i++)
        wr(1 + i, mine[i]);
    wr(PAGE1_CURR, FIRST + 1);
    wr(CMD, RUN);
    wr(TCR, 0);
}

static void start(uint8_t imr)
{
    nic_start(&ne2k_pci_class, 0, 1);
    init(imr);
}

static void remote_setup(unsigned addr, unsigned len, uint8_t cmd)
{
    wr(ISR, RDC);
    wr(RBCR0, (uint8_t)len);
    wr(RBCR1, (uint8_t)(len >> 8));
    wr(RSAR0, (uint8_t)addr);
    wr(RSAR1, (uint8_t)(addr >> 8));
    wr(CMD, cmd);
}

static void remote_read(unsigned addr, void *buf, unsigned len)
{
    remote_setup(addr, len, READ);
    for (unsigned i = 0; i < len; i += 2)
        stl16((uint8_t *)buf + i, inw(NIC_PORT + DATA));
    g_assert_cmphex(rd(ISR) & RDC, ==, RDC);
    wr(ISR, RDC);
}

static void remote_write(unsigned addr, const void *buf, unsigned len)
{
    remote_setup(addr, len, WRITE);
    for (unsigned i = 0; i < len; i += 2)
        outw(NIC_PORT + DATA, ldl16((const uint8_t *)buf + i));
    g_assert_cmphex(rd(ISR) & RDC, ==, RDC);
    wr(ISR, RDC);
}

static void frame(uint8_t *f, size_t len, unsigned seed)
{
    memcpy(f, mine, 6);
    memset(f + 6, 2, 6);
    for (size_t i = 12; i < len; i++)
        f[i] = (uint8_t)(i * 5 + seed);
}

/* One frame off the ring; *at is the page where it is. Its length without the check sequence. */
static unsigned take(unsigned *at, uint8_t *buf)
{
    uint8_t head[4];
    unsigned len;

    remote_read(*at << 8, head, 4);
    g_assert_cmphex(head[0] & 1, ==, 1);
    len = ldl16(head + 2);
    g_assert_cmpuint(len, >=, 64);
    g_assert_cmpuint(len, <=, 1522);
    remote_read((*at << 8) + 4, buf, (len - 3) & ~1u);
    g_assert_cmpuint(head[1], >=, FIRST);
    g_assert_cmpuint(head[1], <, LAST);
    *at = head[1];
    wr(BNRY, (uint8_t)(*at == FIRST ? LAST - 1 : *at - 1));
    return len - 4;
}

static void test_identity(void)
{
    uint8_t prom[32];

    start(0);
    g_assert_cmphex(rd(0xa), ==, 'P');
    g_assert_cmphex(rd(0xb), ==, 'C');
    remote_read(0, prom, 32);
    for (unsigned i = 0; i < 6; i++)
        g_assert_cmphex(prom[2 * i], ==, mine[i]);
    g_assert_cmphex(prom[28], ==, 0x57);
    rd(RESET);
    g_assert_cmphex(rd(ISR) & RST, ==, RST);
    g_assert_cmphex(rd(CMD) & 3, ==, 1);
    nic_stop();
}

static void test_remote_dma(void)
{
    uint8_t a[512], b[512];

    start(RDC);
    for (unsigned i = 0; i < sizeof a; i++)
        a[i] = (uint8_t)(i * 3);
    remote_write(TX_PAGE << 8, a, 300);
    remote_read(TX_PAGE << 8, b, 300);
    g_assert_cmpint(memcmp(a, b, 300), ==, 0);
    /* At PSTOP it goes on at PSTART. */
    remote_write((LAST - 1) << 8, a, 512);
    remote_read(FIRST << 8, b, 256);
    g_assert_cmpint(memcmp(a + 256, b, 256), ==, 0);
    /* A count of zero is done at once; the interrupt follows the mask. */
    remote_setup(TX_PAGE << 8, 0, READ);
    g_assert_cmpint(ph_line.level, ==, 1);
    wr(ISR, RDC);
    g_assert_cmpint(ph_line.level, ==, 0);
    /* Words and double words through the port. */
    remote_setup(TX_PAGE << 8, 8, READ);
    g_assert_cmphex(inl(NIC_PORT + DATA), ==, ldl32(a));
    g_assert_cmphex(inw(NIC_PORT + DATA), ==, ldl16(a + 4));
    g_assert_cmphex(rd(ISR) & RDC, ==, 0);
    g_assert_cmphex(inw(NIC_PORT + DATA), ==, ldl16(a + 6));
    g_assert_cmphex(rd(ISR) & RDC, ==, RDC);
    nic_stop();
}

static void test_transmit(void)
{
    uint8_t f[100];
    gsize len;

    start(PTX);
    frame(f, sizeof f, 1);
    remote_write(TX_PAGE << 8, f, sizeof f);
    wr(TPSR, TX_PAGE);
    wr(TBCR0, sizeof f);
    wr(TBCR1, 0);
    wr(CMD, SEND);
    g_assert_cmpint(memcmp(sent_frame(0, &len), f, sizeof f), ==, 0);
    g_assert_cmpuint(len, ==, sizeof f);
    g_assert_cmphex(rd(ISR) & PTX, ==, PTX);
    g_assert_cmphex(rd(TPSR) & 1, ==, 1); /* TSR: sent */
    g_assert_cmphex(rd(CMD) & 4, ==, 0);
    g_assert_cmpint(ph_line.level, ==, 1);
    nic_stop();
}

static void test_ring(void)
{
    uint8_t f[1514], got[1536];
    unsigned at = FIRST + 1;

    start(PRX | OVW);
    for (unsigned i = 0; i < 60; i++) { /* several times round */
        size_t len = 60 + i * 41 % 1455;
        frame(f, len, i);
        send_to_nic(f, len);
        g_assert_cmphex(rd(ISR) & (PRX | OVW), ==, PRX);
        g_assert_cmpint(ph_line.level, ==, 1);
        g_assert_cmpuint(take(&at, got), ==, len);
        g_assert_cmpint(memcmp(f, got, len), ==, 0);
        g_assert_cmpuint(curr(), ==, at);
        wr(ISR, PRX);
        g_assert_cmpint(ph_line.level, ==, 0);
    }
    nic_stop();
}

/* What Linux does: at most nine frames for one interrupt, then PRX is acknowledged. None may be left in the ring without
 * another interrupt, and PRX is not raised by itself. */
static void test_pace(void)
{
    uint8_t f[60], got[1536];
    unsigned at = FIRST + 1, n = 0, rounds = 0;

    start(PRX | OVW);
    frame(f, sizeof f, 0);
    for (unsigned i = 0; i < 40; i++) {
        f[20] = (uint8_t)i;
        send_to_nic(f, sizeof f);
    }
    while (rd(ISR) & PRX) {
        for (unsigned k = 0; k < 9 && curr() != at; k++, n++) {
            take(&at, got);
            g_assert_cmpuint(got[20], ==, n);
        }
        wr(ISR, PRX);
        g_assert_cmphex(rd(ISR) & PRX, ==, 0);
        nic_settle();
        g_assert_cmpuint(++rounds, <=, 40);
    }
    g_assert_cmpuint(n, ==, 40);
    g_assert_cmpuint(curr(), ==, at);
    nic_stop();
}

/* A driver that polls never acknowledges PRX: it looks at CURR. */
static void test_polling(void)
{
    uint8_t f[60], got[1536];
    unsigned at = FIRST + 1, n;

    start(0);
    frame(f, sizeof f, 0);
    for (unsigned i = 0; i < 10; i++)
        send_to_nic(f, sizeof f);
    for (n = 0; curr() != at; n++) {
        take(&at, got);
        nic_settle();
    }
    g_assert_cmpuint(n, ==, 10);
    nic_stop();
}

/* 7.0: what finds the ring full is lost, counted, and told with OVW; room makes the receiver go on. */
static void test_overflow(void)
{
    uint8_t f[1514], got[1536];
    unsigned at = FIRST + 1, stored = 0;

    start(OVW);
    frame(f, sizeof f, 0);
    while (!(rd(ISR) & OVW)) {
        f[20] = (uint8_t)stored++;
        send_to_nic(f, sizeof f);
        wr(ISR, PRX); /* seen, but not taken */
        g_assert_cmpuint(stored, <, PAGES);
    }
    stored--;
    g_assert_cmpuint(stored, ==, (PAGES - 1) / 6);
    g_assert_cmpint(ph_line.level, ==, 1);
    g_assert_cmphex(rd(0xc) & 0x10, ==, 0x10); /* RSR: missed */
    g_assert_cmpuint(rd(0xf), ==, 1);
    g_assert_cmpuint(rd(0xf), ==, 0);
    /* The procedure: stop, empty the ring in loopback, acknowledge, go on. */
    wr(CMD, STOP);
    g_assert_cmphex(rd(ISR) & RST, ==, RST);
    wr(RBCR0, 0);
    wr(RBCR1, 0);
    wr(TCR, 2);
    wr(CMD, RUN);
    g_assert_cmphex(rd(ISR) & RST, ==, 0);
    for (unsigned i = 0; i < stored; i++) {
        take(&at, got);
        g_assert_cmpuint(got[20], ==, i);
    }
    g_assert_cmpuint(curr(), ==, at);
    wr(ISR, OVW);
    g_assert_cmpint(ph_line.level, ==, 0);
    wr(TCR, 0);
    send_to_nic(f, sizeof f);
    g_assert_cmpuint(take(&at, got), ==, sizeof f);
    nic_stop();
}

static void test_filters(void)
{
    uint8_t f[60];
    unsigned before;

    start(0);
    before = curr();
    frame(f, sizeof f, 0);
    f[5]++;
    send_to_nic(f, sizeof f);
    f[0] = 1;
    send_to_nic(f, sizeof f);
    g_assert_cmpuint(curr(), ==, before);
    wr(RCR, 0x24); /* monitor: counted only */
    memset(f, 0xff, 6);
    send_to_nic(f, sizeof f);
    g_assert_cmpuint(curr(), ==, before);
    g_assert_cmpuint(rd(0xf), ==, 1);
    wr(RCR, 4);
    send_to_nic(f, sizeof f);
    g_assert_cmpuint(curr(), ==, before + 1);
    g_assert_cmphex(rd(0xc), ==, 0x21);
    for (unsigned i = 0; i < 200; i++) { /* CNT from 128 on, no more than 192 */
        wr(RCR, 0x24);
        send_to_nic(f, sizeof f);
        wr(ISR, PRX);
    }
    g_assert_cmphex(rd(ISR) & CNT, ==, CNT);
    g_assert_cmpuint(rd(0xf), ==, 192);
    contract_check(&nh_nic->pci.dev);
    nic_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/ne2k_pci/identity", test_identity);
    g_test_add_func("/hw/ne2k_pci/remote-dma", test_remote_dma);
    g_test_add_func("/hw/ne2k_pci/transmit", test_transmit);
    g_test_add_func("/hw/ne2k_pci/receive/ring", test_ring);
    g_test_add_func("/hw/ne2k_pci/receive/pace", test_pace);
    g_test_add_func("/hw/ne2k_pci/receive/polling", test_polling);
    g_test_add_func("/hw/ne2k_pci/receive/overflow", test_overflow);
    g_test_add_func("/hw/ne2k_pci/receive/filters-and-counter", test_filters);
    return g_test_run();
}
