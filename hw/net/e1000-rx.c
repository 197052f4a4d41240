/* e1000-rx.c - the 82540EM's receiver: address and VLAN filters, ring, checksum verification
 * Spec: 317453 3.2 (descriptors, ring, checksum offload), 13.4.22 (RCTL), 13.5 (MTA, RAL/RAH, VFTA).
 * The frame check sequence that a driver may ask to keep is four zero bytes. Not modelled: descriptor timers
 * (RDTR, RADV; only ITR throttles), storing bad frames, wake-up. */
#include "host/base/osdep.h"
#include "hw/net/e1000-internal.h"

enum { RXD_DD = 1, RXD_EOP = 2, RXD_IXSM = 4, RXD_VP = 8, RXD_TCPCS = 0x20, RXD_IPCS = 0x40, RXD_PIF = 0x80 };
enum { RXE_TCPE = 0x20, RXE_IPE = 0x40 };
enum { RAH_AV = 1u << 31, ETH_IP = 0x0800, MAX_PLAIN = 1518, VLAN_TAG = 4 };

static uint32_t buffer_size(uint32_t rctl)
{
    uint32_t size = 2048u >> extract32(rctl, 16, 2);

    return (rctl & RCTL_BSEX) && size < 2048 ? size * 16 : size;
}

static uint32_t ring_size(E1000State *s)
{
    return *e1000_reg(s, R_RDLEN) / E1000_DESC;
}

/* Descriptors that the driver has handed over. */
static uint32_t ring_free(E1000State *s)
{
    uint32_t n = ring_size(s), h = *e1000_reg(s, R_RDH), t = *e1000_reg(s, R_RDT);

    if (h >= n || t >= n)
        return 0;
    return t >= h ? t - h : n - h + t;
}

bool e1000_can_receive(E1000State *s)
{
    if (!(*e1000_reg(s, R_RCTL) & RCTL_EN) || !e1000_link_up(s))
        return true; /* it is lost, but it is not kept for later */
    return pci_can_master(&s->nic.pci) && ring_free(s) && !s->rx_busy && !s->tx_busy;
}

/* 13.5.1: which 12 bits of the address choose the bit in the table. */
static bool multicast_listed(E1000State *s, const uint8_t *a)
{
    static const unsigned shift[4] = {4, 3, 2, 0};
    unsigned bit = (ldl16(a + 4) >> shift[extract32(*e1000_reg(s, R_RCTL), 12, 2)]) & 0xfff;

    return *e1000_reg(s, R_MTA + 4 * (bit >> 5)) >> (bit & 31) & 1;
}

static bool own_address(E1000State *s, const uint8_t *a)
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t lo = *e1000_reg(s, R_RA + 8 * i), hi = *e1000_reg(s, R_RA + 8 * i + 4);
        if ((hi & RAH_AV) && lo == ldl32(a) && (hi & 0xffff) == ldl16(a + 4))
            return true;
    }
    return false;
}

static bool tagged(E1000State *s, const uint8_t *f)
{
    return ldb16(f + 12) == (uint16_t)*e1000_reg(s, R_VET);
}

/* *exact: by an address of ours, not by hash or promiscuity (sets PIF otherwise). */
static bool accepted(E1000State *s, const uint8_t *f, size_t len, bool *exact)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint32_t rctl = *e1000_reg(s, R_RCTL);

    *exact = true;
    if ((rctl & RCTL_VFE) && tagged(s, f) && len >= 18) {
        uint32_t vid = ldb16(f + 14) & 0xfff;
        if (!(*e1000_reg(s, R_VFTA + 4 * (vid >> 5)) >> (vid & 31) & 1))
            return false;
    }
    if (own_address(s, f))
        return true;
    if (!memcmp(f, broadcast, 6))
        return rctl & (RCTL_BAM | RCTL_UPE);
    *exact = false;
    if (f[0] & 1)
        return (rctl & RCTL_MPE) || multicast_listed(s, f);
    return rctl & RCTL_UPE;
}

static uint32_t sum_words(uint32_t sum, const uint8_t *p, size_t n)
{
    uint64_t acc = sum;

    for (; n >= 4; n -= 4, p += 4)
        acc += ldl32(p);
    if (n >= 2) {
        acc += ldl16(p);
        p += 2;
        n -= 2;
    }
    if (n)
        acc += *p;
    while (acc >> 16)
        acc = (acc & 0xffff) + (acc >> 16);
    return (uint32_t)acc;
}

/* 3.2.9: what the receiver found out about the sums; IXSM when it did not look. */
static void verify(E1000State *s, const uint8_t *f, size_t len, uint8_t *status, uint8_t *errors)
{
    uint32_t how = *e1000_reg(s, R_RXCSUM), ihl, total;
    const uint8_t *ip = f + 14;
    uint8_t pseudo[12];

    *status |= RXD_IXSM;
    if (!(how & (RXCSUM_IPOFL | RXCSUM_TUOFL)) || len < 34 || ldb16(f + 12) != ETH_IP || ip[0] >> 4 != 4)
        return;
    ihl = (ip[0] & 15u) * 4;
    total = ldb16(ip + 2);
    if (ihl < 20 || total < ihl || total > len - 14)
        return;
    *status &= (uint8_t)~RXD_IXSM;
    if (how & RXCSUM_IPOFL) {
        *status |= RXD_IPCS;
        if (sum_words(0, ip, ihl) != 0xffff)
            *errors |= RXE_IPE;
    }
    if (!(how & RXCSUM_TUOFL) || (ldb16(ip + 6) & 0x3fff)) /* a fragment has no sum of its own */
        return;
    if (!(ip[9] == 6 && total >= ihl + 20) && !(ip[9] == 17 && total >= ihl + 8 && ldb16(ip + ihl + 6)))
        return;
    memcpy(pseudo, ip + 12, 8);
    pseudo[8] = 0;
    pseudo[9] = ip[9];
    stb16(pseudo + 10, (uint16_t)(total - ihl));
    *status |= RXD_TCPCS;
    if (sum_words(sum_words(0, pseudo, sizeof pseudo), ip + ihl, total - ihl) != 0xffff)
        *errors |= RXE_TCPE;
}

static void count_frame(E1000State *s, const uint8_t *f, uint32_t wire)
{
    e1000_stat_add(s, S_GPRC, 1);
    e1000_stat_add(s, S_TPR, 1);
    e1000_stat_add64(s, S_GORCL, wire);
    e1000_stat_add64(s, S_TORL, wire);
    e1000_stat_size(s, S_PRC64, wire);
    if (f[0] & 1)
        e1000_stat_add(s, f[0] == 0xff && f[5] == 0xff ? S_BPRC : S_MPRC, 1);
}

/* Puts the frame into as many buffers as it needs; the caller saw that there are enough. */
static void store(E1000State *s, const uint8_t *f, uint32_t len, uint32_t crc, uint8_t status, uint8_t errors,
                  uint16_t csum, uint16_t vlan)
{
    uint32_t bsize = buffer_size(*e1000_reg(s, R_RCTL)), pos = 0, all = len + crc;

    while (pos < all) {
        uint32_t n = ring_size(s), head = *e1000_reg(s, R_RDH), part = MIN(bsize, all - pos);
        uint8_t d[E1000_DESC];
        hwaddr at, buf;
        if (head >= n)
            return; /* a descriptor pointed at our registers and changed the ring */
        at = e1000_ring_entry(s, R_RDBAL, head);
        dma_read(at, d, 8);
        buf = ldl64(d);
        if (buf) { /* 3.2.3: a null pointer takes no data */
            uint32_t data = pos < len ? MIN(part, len - pos) : 0;
            static const uint8_t zero[4];
            if (data)
                dma_write(buf, f + pos, data);
            if (part > data)
                dma_write(buf + data, zero, part - data);
        }
        pos += part;
        stl16(d + 8, (uint16_t)part);
        stl16(d + 10, csum);
        d[12] = (uint8_t)(status | RXD_DD | (pos == all ? RXD_EOP : 0));
        d[13] = errors;
        stl16(d + 14, vlan);
        dma_write(at + 8, d + 8, 4);
        dma_write(at + 12, d + 12, 4); /* the status last: drivers poll it */
        *e1000_reg(s, R_RDH) = head + 1 >= n ? 0 : head + 1;
    }
}

/* 3.2.7.3: the interrupt when few descriptors are left: a half, a quarter, an eighth. */
static uint32_t threshold_cause(E1000State *s)
{
    uint32_t part = ring_size(s) >> (extract32(*e1000_reg(s, R_RCTL), 8, 2) + 1);

    return ring_free(s) == part ? ICR_RXDMT0 : 0;
}

bool e1000_receive(E1000State *s, const uint8_t *buf, size_t size)
{
    uint32_t rctl = *e1000_reg(s, R_RCTL), len = (uint32_t)size, crc = rctl & RCTL_SECRC ? 0 : 4, bsize = buffer_size(rctl);
    uint8_t frame[E1000_MAX_FRAME], status = 0, errors = 0;
    uint16_t vlan = 0, csum;
    bool exact;

    if (!(rctl & RCTL_EN) || !e1000_link_up(s) || s->rx_busy || !pci_can_master(&s->nic.pci) || size < 14)
        return true;
    if (size > sizeof frame || (size > MAX_PLAIN + VLAN_TAG - 4 && !(rctl & RCTL_LPE))) {
        e1000_stat_add(s, S_ROC, 1);
        return true;
    }
    if (len < 60) { /* the sender of a short frame pads it */
        memcpy(frame, buf, len);
        memset(frame + len, 0, 60 - len);
        buf = frame;
        len = 60;
    }
    if (!accepted(s, buf, len, &exact))
        return true;
    if ((*e1000_reg(s, R_CTRL) & CTRL_VME) && tagged(s, buf)) {
        vlan = ldb16(buf + 14);
        memmove(frame, buf, 12);
        memmove(frame + 12, buf + 16, len - 16);
        buf = frame;
        len -= 4;
        status |= RXD_VP;
    }
    if ((uint64_t)ring_free(s) * bsize < len + crc) {
        e1000_stat_add(s, S_RNBC, 1);
        e1000_raise(s, ICR_RXO);
        return (uint64_t)(ring_size(s) ? ring_size(s) - 1 : 0) * bsize < len + crc; /* never fits: lost */
    }
    if (!exact)
        status |= RXD_PIF;
    verify(s, buf, len, &status, &errors);
    csum = (uint16_t)*e1000_reg(s, R_RXCSUM) & 0xff;
    csum = csum < len ? (uint16_t)sum_words(0, buf + csum, len - csum) : 0;
    s->rx_busy = true;
    store(s, buf, len, crc, status, errors, csum, vlan);
    s->rx_busy = false;
    count_frame(s, buf, len + 4);
    e1000_raise(s, ICR_RXT0 | threshold_cause(s));
    return true;
}
