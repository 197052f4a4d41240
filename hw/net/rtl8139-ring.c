/* rtl8139-ring.c - the RTL8139C+'s receiver and transmitter: the byte ring and four transmit registers of the 8139, the
 * descriptor rings of the C+ with checksums, large send and VLAN tags
 * Spec: RTL8139C(L)+ data sheet, 6.2-6.5, 9. Not modelled: early receive and transmit, pause frames. */
#include "host/base/osdep.h"
#include "hw/net/rtl8139-internal.h"

#include "hw/net/net-offload.h"

enum { TURN_MAX = 512, MIN_FRAME = 60, CRC = 4, VLAN_TYPE = 0x8100 };
/* header of a frame in the byte ring */
enum { RX_OK = 1, RX_BROADCAST = 0x2000, RX_PHYSICAL = 0x4000, RX_MULTICAST = 0x8000, RX_HEADER = 4 };
/* C+ descriptors, first word */
enum { D_SIZE_RX = 0x1fff, D_SIZE_TX = 0xffff, TX_TCPCS = 1 << 16, TX_UDPCS = 1 << 17, TX_IPCS = 1 << 18, TX_LGSEN = 1 << 27,
       D_LS = 1 << 28, D_FS = 1 << 29, D_EOR = 1 << 30 };
enum { RX_TCP = 1 << 16, RX_UDP = 2 << 16, RX_IP = 3 << 16, RX_BAR = 1 << 24, RX_PAM = 1 << 25, RX_MAR = 1 << 26 };
enum { TX_TAG = 1 << 17, RX_TAG = 1 << 16, MIN_MSS = 64, DESCRIPTORS = 64 };
#define D_OWN (1u << 31)

static uint32_t ring_size(const Rtl8139State *s)
{
    return 8192u << (ldl32(s->reg + R_RCR) >> 11 & 3);
}

/* CAPR is 16 behind the place from which the driver reads on. */
static uint32_t ring_used(const Rtl8139State *s)
{
    uint32_t size = ring_size(s), from = (ldl16(s->reg + R_CAPR) + 16u) % size;

    return (s->rx_at + size - from) % size;
}

bool rtl_ring_empty(const Rtl8139State *s) { return ring_used(s) == 0; }

static hwaddr rx_desc_addr(const Rtl8139State *s)
{
    return ldl64(s->reg + R_RDSAR) + (hwaddr)s->rx_desc * RTL_DESC;
}

static bool receiver_on(const Rtl8139State *s)
{
    return (s->reg[R_CR] & CR_RE) && pci_can_master(&s->nic.pci) && nic_link_up(&s->nic);
}

bool rtl_can_receive(Rtl8139State *s)
{
    if (!receiver_on(s))
        return true; /* it is lost */
    if (s->busy)
        return false;
    /* C+: a descriptor that is missing is reported (RDU) when the frame is there */
    return (s->reg[R_CPCR] & CPCR_RX) || ring_size(s) - ring_used(s) > 2048;
}

static void count_received(Rtl8139State *s, unsigned status)
{
    s->tally.rx_ok++;
    s->tally.rx_ok_unicast += (status & RX_PHYSICAL) != 0;
    s->tally.rx_ok_broadcast += (status & RX_BROADCAST) != 0;
    s->tally.rx_ok_multicast += (status & RX_MULTICAST) != 0;
}

static void count_missed(Rtl8139State *s)
{
    stl32(s->reg + R_MPC, (ldl32(s->reg + R_MPC) + 1) & 0xffffff);
    s->tally.missed++;
}

void rtl_dump_tally(Rtl8139State *s, hwaddr to)
{
    const Rtl8139Tally *t = &s->tally;
    uint8_t out[64] = {0};

    if (!pci_can_master(&s->nic.pci))
        return;
    stl64(out, t->tx_ok);
    stl64(out + 8, t->rx_ok);
    stl16(out + 28, t->missed);
    stl64(out + 40, t->rx_ok_unicast);
    stl64(out + 48, t->rx_ok_broadcast);
    stl32(out + 56, t->rx_ok_multicast);
    dma_write(to, out, sizeof out);
}

/* 6.4: which 6 bits of the address's CRC choose the bit in MAR. */
static bool multicast_listed(const Rtl8139State *s, const uint8_t *a)
{
    unsigned h = nic_multicast_hash(a);

    return s->reg[R_MAR + h / 8] >> (h & 7) & 1;
}

static bool accepted(const Rtl8139State *s, const uint8_t *f, unsigned *status)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    unsigned rcr = ldl32(s->reg + R_RCR);

    if (!memcmp(f, broadcast, 6)) {
        *status = RX_BROADCAST;
        return rcr & (RCR_AB | RCR_AAP);
    }
    if (f[0] & 1) {
        *status = RX_MULTICAST;
        return (rcr & RCR_AAP) || ((rcr & RCR_AM) && multicast_listed(s, f));
    }
    *status = memcmp(f, s->reg + R_IDR, 6) ? 0 : RX_PHYSICAL;
    return (rcr & RCR_AAP) || ((rcr & RCR_APM) && *status);
}

/* Frames go round the end of the ring, or with WRAP past it, where the driver has room for one more. */
static void ring_write(Rtl8139State *s, const void *data, uint32_t len)
{
    uint32_t size = ring_size(s), base = ldl32(s->reg + R_RBSTART), first = len;

    if (s->rx_at + len > size && !((ldl32(s->reg + R_RCR) & RCR_WRAP) && size < 65536))
        first = s->rx_at < size ? size - s->rx_at : 0;
    dma_write((hwaddr)base + s->rx_at, data, first);
    if (first < len) {
        dma_write(base, (const uint8_t *)data + first, len - first);
        s->rx_at = len - first;
    } else {
        s->rx_at += len;
    }
}

static void receive_ring(Rtl8139State *s, const uint8_t *f, uint32_t len, unsigned status)
{
    static const uint8_t zero[8];
    uint8_t header[RX_HEADER];
    uint32_t size = ring_size(s), need = ROUND_UP(RX_HEADER + len + CRC, 4u);

    if (size - ring_used(s) <= need) {
        count_missed(s);
        rtl_raise(s, ISR_RXOVW);
        return;
    }
    stl16(header, (uint16_t)(status | RX_OK));
    stl16(header + 2, (uint16_t)(len + CRC));
    ring_write(s, header, RX_HEADER);
    ring_write(s, f, len);
    ring_write(s, zero, CRC);
    s->rx_at = ROUND_UP(s->rx_at, 4u) % size;
    stl16(s->reg + R_CBR, (uint16_t)s->rx_at);
    count_received(s, status);
    rtl_raise(s, ISR_ROK);
}

static uint32_t protocol_bits(const uint8_t *f, uint32_t len)
{
    if (len < 34 || ldb16(f + 12) != 0x0800 || f[14] >> 4 != 4)
        return 0;
    return f[23] == 6 ? RX_TCP : f[23] == 17 ? RX_UDP : RX_IP;
}

enum { NO_DESCRIPTOR, STORED, TOO_LARGE };

/* Are there descriptors for len bytes from the next one on? */
static int room_cplus(Rtl8139State *s, uint32_t len)
{
    hwaddr base = ldl64(s->reg + R_RDSAR);
    uint32_t at = s->rx_desc, have = 0;

    for (unsigned n = 0; n < DESCRIPTORS; n++) {
        uint32_t d0 = (uint32_t)dma_ld(base + (hwaddr)at * RTL_DESC, 4);
        if (!(d0 & D_OWN))
            return NO_DESCRIPTOR;
        have += d0 & D_SIZE_RX;
        if (have >= len)
            return STORED;
        at = (d0 & D_EOR) || at + 1 >= DESCRIPTORS ? 0 : at + 1;
        if (at == s->rx_desc)
            break;
    }
    return TOO_LARGE;
}

/* 9.2.2: the first and the last descriptor of a frame are marked; length and status are in the last. */
static int receive_cplus(Rtl8139State *s, const uint8_t *f, uint32_t len, unsigned status)
{
    uint32_t d1 = 0, sums = 0, pos = 0, all;
    uint8_t copy[2048 + CRC];
    int room;

    if ((ldl16(s->reg + R_CPCR) & CPCR_RX_VLAN) && ldb16(f + 12) == VLAN_TYPE && len >= 18) {
        d1 = RX_TAG | ldl16(f + 14);
        memcpy(copy, f, 12);
        memcpy(copy + 12, f + 16, len - 16);
        len -= 4;
    } else {
        memcpy(copy, f, len);
    }
    memset(copy + len, 0, CRC);
    all = len + CRC;
    room = room_cplus(s, all);
    if (room != STORED)
        return room;
    if ((ldl16(s->reg + R_CPCR) & CPCR_RX_SUM) && net_peer_sums_right(s->nic.nc))
        sums = protocol_bits(copy, len); /* and none of the bits that call a sum wrong */
    for (unsigned n = 0; n < DESCRIPTORS && pos < all; n++) {
        hwaddr at = rx_desc_addr(s);
        uint32_t d0 = (uint32_t)dma_ld(at, 4), part = MIN(d0 & D_SIZE_RX, all - pos), flags = d0 & (D_EOR | D_SIZE_RX);
        dma_write(dma_ld(at + 8, 8), copy + pos, part);
        if (!pos)
            flags |= D_FS;
        pos += part;
        if (pos == all) {
            flags = (flags & ~(uint32_t)D_SIZE_RX) | D_LS | all | sums;
            flags |= status & RX_BROADCAST ? RX_BAR : status & RX_MULTICAST ? RX_MAR : status & RX_PHYSICAL ? RX_PAM : 0;
            dma_st(at + 4, 4, d1);
        }
        dma_st(at, 4, flags); /* gives the descriptor back */
        s->rx_desc = (d0 & D_EOR) || s->rx_desc + 1 >= DESCRIPTORS ? 0 : s->rx_desc + 1;
    }
    count_received(s, status);
    rtl_raise(s, ISR_ROK);
    return STORED;
}

bool rtl_receive(Rtl8139State *s, const uint8_t *f, size_t size)
{
    uint8_t padded[MIN_FRAME] = {0};
    uint32_t len = (uint32_t)size;
    unsigned status;
    bool taken = true;

    if (!receiver_on(s) || s->busy || size < 14 || size > 1792 || !accepted(s, f, &status))
        return true;
    if (len < MIN_FRAME) {
        memcpy(padded, f, len);
        f = padded;
        len = MIN_FRAME;
    }
    s->busy = true;
    if (s->reg[R_CPCR] & CPCR_RX) {
        int done = receive_cplus(s, f, len, status);
        if (done == TOO_LARGE)
            count_missed(s);
        if (done != STORED && !(ldl16(s->reg + R_ISR) & ISR_RXOVW))
            rtl_raise(s, ISR_RXOVW); /* RDU; the frame waits, as long as it can fit at all */
        taken = done != NO_DESCRIPTOR;
    } else {
        receive_ring(s, f, len, status);
    }
    s->busy = false;
    return taken;
}

/* --- transmitter --- */

static void emit(void *opaque, const uint8_t *f, size_t len)
{
    Rtl8139State *s = opaque;

    if (len < 14)
        return;
    s->tally.tx_ok++;
    if ((ldl32(s->reg + R_TCR) & TCR_LOOPBACK) == TCR_LOOPBACK) {
        bool busy = s->busy;
        s->busy = false;
        rtl_receive(s, f, len);
        s->busy = busy;
    } else if (s->nic.nc) {
        net_send(s->nic.nc, f, len);
    }
}

void rtl_transmit(Rtl8139State *s, unsigned n)
{
    uint32_t tsd = ldl32(s->reg + R_TSD + 4 * n), len = tsd & TSD_SIZE;
    uint8_t buf[TSD_SIZE + 1];

    if ((tsd & TSD_OWN) || !(s->reg[R_CR] & CR_TE) || s->busy || !pci_can_master(&s->nic.pci))
        return;
    s->busy = true;
    dma_read(ldl32(s->reg + R_TSAD + 4 * n), buf, len);
    emit(s, buf, len);
    s->busy = false;
    stl32(s->reg + R_TSD + 4 * n, tsd | TSD_OWN | TSD_TOK);
    rtl_raise(s, ISR_TOK);
}

/* Checksums that the last descriptor's flags ask for (9.2.1), or large send. */
static void finish_frame(Rtl8139State *s, uint32_t d0)
{
    uint8_t *f = s->tx_buf;
    uint32_t len = s->tx_len, mss = d0 >> 16 & 0x7ff;
    unsigned ihl;
    NetTcpFrame t;

    if (d0 & TX_LGSEN) {
        if (mss < MIN_MSS || !net_parse_tcp(f, len, &t))
            log_guest_error("rtl8139: large send of what is no TCP frame\n");
        else
            net_segment_tcp(f, len, &t, mss, emit, s);
        return;
    }
    if (len >= 34 && ldb16(f + 12) == 0x0800 && (ihl = (f[14] & 15u) * 4) >= 20 && 14 + ihl + 8 <= len) {
        uint32_t end = MIN(len, 14u + ldb16(f + 16)), sum_at = d0 & TX_TCPCS ? 16 : 6, tcp = 14 + ihl;
        if (d0 & TX_IPCS) {
            stb16(f + 24, 0);
            net_put_checksum(f, 14 + ihl, 14, 24);
        }
        if ((d0 & (TX_TCPCS | TX_UDPCS)) && end >= tcp + sum_at + 2 && f[23] == (d0 & TX_TCPCS ? 6 : 17)) {
            stb16(f + tcp + sum_at, (uint16_t)net_sum(f[23] + (end - tcp), f + 26, 8));
            net_put_checksum(f, end, tcp, tcp + sum_at);
        }
    }
    emit(s, f, len);
}

/* One descriptor; false: it is the driver's. */
static bool transmit_desc(Rtl8139State *s, hwaddr base, uint32_t *index)
{
    hwaddr at = base + (hwaddr)*index * RTL_DESC;
    uint32_t d0 = (uint32_t)dma_ld(at, 4), d1 = (uint32_t)dma_ld(at + 4, 4), len = d0 & D_SIZE_TX;

    if (!(d0 & D_OWN))
        return false;
    if (d0 & D_FS)
        s->tx_len = 0;
    if (s->tx_len + len > RTL_MAX_FRAME - 4)
        len = RTL_MAX_FRAME - 4 - s->tx_len; /* longer than any frame: cut, as the FIFO would */
    dma_read(dma_ld(at + 8, 8), s->tx_buf + s->tx_len, len);
    s->tx_len += len;
    if (d0 & D_LS) {
        if ((d1 & TX_TAG) && s->tx_len >= 14) {
            memmove(s->tx_buf + 16, s->tx_buf + 12, s->tx_len - 12);
            stb16(s->tx_buf + 12, VLAN_TYPE);
            stl16(s->tx_buf + 14, (uint16_t)d1); /* the tag is kept in network order */
            s->tx_len += 4;
        }
        finish_frame(s, d0);
        s->tx_len = 0;
    }
    dma_st(at, 4, d0 & ~D_OWN);
    *index = (d0 & D_EOR) || *index + 1 >= DESCRIPTORS ? 0 : *index + 1;
    return true;
}

void rtl_transmit_cplus(Rtl8139State *s, bool high)
{
    hwaddr base = ldl64(s->reg + (high ? R_THPDS : R_TNPDS));
    unsigned turn = 0;

    if (!rtl_cplus_tx(s) || !(s->reg[R_CR] & CR_TE) || s->busy || !pci_can_master(&s->nic.pci))
        return;
    s->busy = true;
    while (turn < TURN_MAX && transmit_desc(s, base, high ? &s->tx_high_desc : &s->tx_desc))
        turn++;
    s->busy = false;
    rtl_raise(s, turn ? ISR_TOK | (turn < TURN_MAX ? ISR_TDU : 0) : 0);
}
