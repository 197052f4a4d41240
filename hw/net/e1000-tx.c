/* e1000-tx.c - the 82540EM's transmitter: ring, legacy and extended descriptors, checksums, segmentation, VLAN tags
 * Spec: 317453 3.3 (descriptors), 3.4-3.5 (ring, TCP segmentation and checksum insertion), 9 (802.1q).
 * Not modelled: delays (TIDV, TADV; only ITR throttles), flow control, collisions, report packet sent. */
#include "host/base/osdep.h"
#include "hw/net/e1000-internal.h"

enum { CMD_EOP = 1, CMD_IC = 4, CMD_TSE = 4, CMD_RS = 8, CMD_RPS = 0x10, CMD_DEXT = 0x20, CMD_VLE = 0x40 };
enum { TUCMD_TCP = 1, TUCMD_IP = 2, TUCMD_TSE = 4 };
enum { POPTS_IXSM = 1, POPTS_TXSM = 2 };
enum { DTYP_CONTEXT = 0, DTYP_DATA = 1, STATUS_DD = 1 };
enum { TURN_MAX = 1024,       /* descriptors in one go; the machine lock is held meanwhile */
       TURN_PAUSE_NS = 1000 }; /* before the next ones */
enum { TCP_FIN = 1, TCP_PSH = 8, TCP_CWR = 0x80 };

void e1000_tx_reset(E1000State *s)
{
    s->tx_len = s->tx_segments = s->tx_unit = 0;
    s->tx_popts = 0;
    s->tx_tso = s->tx_vlan = s->tx_drop = s->tx_started = false;
    s->tx_vlan_tag = 0;
}

/* Ones' complement sum of data, as 16-bit big-endian words. */
static uint16_t sum16(const uint8_t *p, size_t n)
{
    uint64_t sum = 0;

    for (; n >= 4; n -= 4, p += 4)
        sum += ldl32(p);
    if (n >= 2) {
        sum += ldl16(p);
        p += 2;
        n -= 2;
    }
    if (n)
        sum += *p;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return __builtin_bswap16((uint16_t)sum); /* the sum of swapped words is the swapped sum */
}

/* Sums [start, end] (end 0: to the last byte) and stores the complement at `at`. */
static void put_checksum(uint8_t *f, uint32_t len, uint32_t at, uint32_t start, uint32_t end, bool udp)
{
    uint32_t stop = end && end < len ? end + 1 : len;
    uint16_t sum;

    if (at + 2 > len || start >= stop)
        return;
    sum = (uint16_t)~sum16(f + start, stop - start);
    stb16(f + at, udp && !sum ? 0xffff : sum);
}

static void count_frame(E1000State *s, const uint8_t *f, uint32_t len)
{
    uint32_t wire = MAX(len, 60u) + 4;

    e1000_stat_add(s, S_GPTC, 1);
    e1000_stat_add(s, S_TPT, 1);
    e1000_stat_add64(s, S_GOTCL, wire);
    e1000_stat_add64(s, S_TOTL, wire);
    e1000_stat_size(s, S_PTC64, wire);
    if (f[0] & 1)
        e1000_stat_add(s, f[0] == 0xff && f[5] == 0xff ? S_BPTC : S_MPTC, 1);
}

static bool loops_back(E1000State *s) { return (*e1000_reg(s, R_RCTL) & RCTL_LBM) || (s->phy[PHY_CTRL] & PHYC_LOOPBACK); }

/* The counters tell what the wire would have carried of a frame with mss bytes in each segment; 0: it is one. */
static void count_segments(E1000State *s, const uint8_t *f, uint32_t len, uint32_t hdr, uint32_t mss)
{
    for (; mss && len - hdr > mss; len -= mss)
        count_frame(s, f, hdr + mss);
    count_frame(s, f, len);
}

/* A finished frame to the network, or back to the receiver in loopback. */
static void emit(E1000State *s, uint8_t *f, uint32_t len, uint32_t hdr, uint32_t mss)
{
    uint8_t tagged[E1000_TX_BUF];

    if (len < 14)
        return;
    if (s->tx_vlan && len + 4 <= sizeof tagged) {
        memcpy(tagged, f, 12);
        stb16(tagged + 12, (uint16_t)*e1000_reg(s, R_VET));
        stb16(tagged + 14, s->tx_vlan_tag);
        memcpy(tagged + 16, f + 12, len - 12);
        f = tagged;
        len += 4;
    }
    if (len < 60 && (*e1000_reg(s, R_TCTL) & TCTL_PSP)) {
        if (f != tagged)
            memcpy(tagged, f, len);
        memset(tagged + len, 0, 60 - len);
        f = tagged;
        len = 60;
    }
    count_segments(s, f, len, hdr, mss);
    if (loops_back(s))
        e1000_receive(s, f, len);
    else if (e1000_link_up(s) && s->nic.nc)
        net_send(s->nic.nc, f, len);
}

static void insert_checksums(E1000State *s, uint8_t *f, uint32_t len, const E1000Context *c)
{
    if (s->tx_popts & POPTS_TXSM)
        put_checksum(f, len, c->tucso, c->tucss, c->tucse, !c->tcp);
    if (s->tx_popts & POPTS_IXSM)
        put_checksum(f, len, c->ipcso, c->ipcss, c->ipcse, false);
}

/* Sends what is in the buffer as one segment. The header stays in place for the next one; its fields are
 * patched in a copy (3.5.4: lengths, identification, sequence number, FIN and PSH only in the last). */
static void send_segment(E1000State *s, bool last)
{
    const E1000Context *c = &s->tso_ctx;
    uint8_t head[256], *f = s->tx_buf;
    uint32_t len = s->tx_len, hdr = MIN(c->hdr_len, len);

    memcpy(head, f, hdr);
    if (c->ip && c->ipcss + 6u <= hdr) { /* IPv4 */
        stb16(f + c->ipcss + 2, (uint16_t)(len - c->ipcss));
        stb16(f + c->ipcss + 4, (uint16_t)(ldb16(f + c->ipcss + 4) + s->tx_segments));
    } else if (!c->ip && c->ipcss + 40u <= hdr) {
        stb16(f + c->ipcss + 4, (uint16_t)(len - c->ipcss - 40));
    }
    if (c->tcp && c->tucss + 14u <= hdr) {
        stb32(f + c->tucss + 4, ldb32(f + c->tucss + 4) + s->tx_segments * s->tx_unit);
        if (!last)
            f[c->tucss + 13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
        if (s->tx_segments)
            f[c->tucss + 13] &= (uint8_t)~TCP_CWR;
    } else if (!c->tcp && c->tucss + 6u <= hdr) {
        stb16(f + c->tucss + 4, (uint16_t)(len - c->tucss));
    }
    if ((s->tx_popts & POPTS_TXSM) && c->tucso + 2u <= hdr && c->tucss <= len) {
        /* The driver's seed is the pseudo header's sum without the length. */
        uint32_t seed = ldb16(f + c->tucso) + (len - c->tucss);
        stb16(f + c->tucso, (uint16_t)((seed & 0xffff) + (seed >> 16)));
    }
    insert_checksums(s, f, len, c);
    emit(s, f, len, hdr, c->mss);
    memcpy(f, head, hdr);
    s->tx_len = hdr;
    s->tx_segments++;
}

static void end_of_frame(E1000State *s)
{
    if (s->tx_drop) {
        log_guest_error("e1000: a frame of more than %d bytes is not sent\n", E1000_MAX_FRAME);
    } else if (s->tx_tso) {
        if (s->tx_len > s->tso_ctx.hdr_len || !s->tx_segments)
            send_segment(s, true);
        e1000_stat_add(s, S_TSCTC, 1);
    } else {
        insert_checksums(s, s->tx_buf, s->tx_len, &s->ctx);
        emit(s, s->tx_buf, s->tx_len, 0, 0);
    }
    e1000_tx_reset(s);
}

static void collect_plain(E1000State *s, hwaddr addr, uint32_t len)
{
    if (s->tx_len + len > E1000_MAX_FRAME)
        s->tx_drop = true;
    if (s->tx_drop)
        return;
    dma_read(addr, s->tx_buf + s->tx_len, len);
    s->tx_len += len;
}

/* len is at most 20 bits and each round takes a byte or more: bounded. */
static void collect_tso(E1000State *s, hwaddr addr, uint32_t len, bool last)
{
    const E1000Context *c = &s->tso_ctx;
    uint32_t full = (uint32_t)c->hdr_len + s->tx_unit;

    while (len) {
        uint32_t n = MIN(len, full - s->tx_len);
        dma_read(addr, s->tx_buf + s->tx_len, n);
        s->tx_len += n;
        addr += n;
        len -= n;
        /* A segment that ends with the data is the last one: end_of_frame sends it. */
        if (s->tx_len == full && (len || !last))
            send_segment(s, false);
    }
}

static void load_context(E1000State *s, const uint8_t *d)
{
    uint32_t lo = ldl32(d), mid = ldl32(d + 4), cmd = ldl32(d + 8), hi = ldl32(d + 12);
    uint8_t tucmd = (uint8_t)(cmd >> 24);
    E1000Context *c = tucmd & TUCMD_TSE ? &s->tso_ctx : &s->ctx;

    if (c == &s->tso_ctx && s->tx_tso && s->tx_started) {
        log_guest_error("e1000: a new context inside of a segmented frame\n");
        e1000_tx_reset(s);
    }
    *c = (E1000Context){
        .ipcss = (uint8_t)lo, .ipcso = (uint8_t)(lo >> 8), .ipcse = (uint16_t)(lo >> 16),
        .tucss = (uint8_t)mid, .tucso = (uint8_t)(mid >> 8), .tucse = (uint16_t)(mid >> 16),
        .pay_len = cmd & 0xfffff, .hdr_len = (uint8_t)(hi >> 8), .mss = (uint16_t)(hi >> 16),
        .ip = tucmd & TUCMD_IP, .tcp = tucmd & TUCMD_TCP};
}

/* A network that takes large frames gets segments of as many mss as an IP packet holds: it pays for each frame, hardly
 * for its length. */
static void begin_frame(E1000State *s, bool tso)
{
    const E1000Context *c = &s->tso_ctx;
    uint32_t most = c->mss ? (65535u - c->hdr_len) / c->mss * c->mss : 0;

    s->tx_started = true;
    s->tx_tso = tso && c->mss >= E1000_MIN_MSS && c->hdr_len;
    s->tx_unit = c->mss;
    if (s->tx_tso && c->tcp && most > c->mss && s->nic.nc && net_peer_takes_large(s->nic.nc) && !loops_back(s))
        s->tx_unit = most;
}

/* One descriptor; d is what the ring holds. */
static void process(E1000State *s, const uint8_t *d)
{
    uint32_t lower = ldl32(d + 8), upper = ldl32(d + 12);
    uint8_t cmd = (uint8_t)(lower >> 24);
    hwaddr addr = ldl64(d);
    bool ext = cmd & CMD_DEXT;

    if (ext && extract32(lower, 20, 4) == DTYP_CONTEXT) {
        load_context(s, d);
        return;
    }
    if (ext) {
        if (!s->tx_started) {
            begin_frame(s, cmd & CMD_TSE);
            s->tx_popts = (uint8_t)(upper >> 8);
        }
    } else if (!s->tx_started) {
        begin_frame(s, false);
    }
    if ((cmd & CMD_VLE) && (*e1000_reg(s, R_CTRL) & CTRL_VME)) {
        s->tx_vlan = true;
        s->tx_vlan_tag = (uint16_t)(upper >> 16);
    }
    if (s->tx_tso)
        collect_tso(s, addr, lower & 0xfffff, cmd & CMD_EOP);
    else
        collect_plain(s, addr, ext ? lower & 0xfffff : lower & 0xffff);
    if (!(cmd & CMD_EOP))
        return;
    if (!ext && (cmd & CMD_IC) && !s->tx_drop)
        put_checksum(s->tx_buf, s->tx_len, extract32(lower, 16, 8), extract32(upper, 8, 8), 0, false);
    end_of_frame(s);
}

void e1000_transmit(E1000State *s)
{
    uint32_t causes = 0, turn, budget;

    if (s->tx_busy || !pci_can_master(&s->nic.pci))
        return;
    s->tx_busy = true; /* a descriptor may point at our own registers */
    budget = turn = MIN(*e1000_reg(s, R_TDLEN) / E1000_DESC, (uint32_t)TURN_MAX);
    while (budget && (*e1000_reg(s, R_TCTL) & TCTL_EN) && *e1000_reg(s, R_TDH) != *e1000_reg(s, R_TDT)) {
        uint32_t n = *e1000_reg(s, R_TDLEN) / E1000_DESC, head = *e1000_reg(s, R_TDH);
        uint8_t d[E1000_DESC];
        hwaddr at;
        if (head >= n || *e1000_reg(s, R_TDT) >= n) {
            log_guest_error("e1000: transmit ring of %u: head %u, tail %u\n", n, head, *e1000_reg(s, R_TDT));
            break;
        }
        at = e1000_ring_entry(s, R_TDBAL, head);
        dma_read(at, d, sizeof d);
        process(s, d);
        if (d[11] & (CMD_RS | CMD_RPS)) {
            d[12] |= STATUS_DD;
            dma_write(at + 12, d + 12, 1);
            causes |= ICR_TXDW;
        }
        *e1000_reg(s, R_TDH) = head + 1 >= n ? 0 : head + 1;
        budget--;
    }
    s->tx_busy = false;
    if (*e1000_reg(s, R_TDH) == *e1000_reg(s, R_TDT))
        causes |= ICR_TXQE;
    else if (turn && !budget) /* later, not now: descriptors that move the head could keep us here for ever */
        timer_mod(s->tx_timer, clock_ns(CLOCK_VM) + TURN_PAUSE_NS);
    e1000_raise(s, causes);
}
