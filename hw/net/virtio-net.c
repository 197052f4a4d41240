/* virtio-net.c - virtio network device: one pair of queues and a control queue
 * Spec: VIRTIO 1.1, 5.1. Frames of a driver that leaves checksums and TCP segmentation to the device are completed here;
 * a network that takes large frames gets them whole. Segments of one TCP connection that come from a network with right
 * checksums one after the other are received as one large frame; what was not yet handed over is not saved. Control: receive modes, MAC table, VLAN filter, announce, offloads.
 * Not modelled: several queue pairs, receive hashing, UDP fragmentation. */
#include "host/base/osdep.h"
#include "hw/net/virtio-net.h"

#include "host/base/bitops.h"
#include "host/base/log.h"
#include "hw/net/net-coalesce.h"
#include "hw/net/nic.h"
#include "softmmu/timer.h"

enum { Q_RX = 0, Q_TX = 1, Q_CTRL = 2, CTRL_QUEUE_SIZE = 64, TURN_MAX = 512 };
enum { F_CSUM = 0, F_GUEST_CSUM = 1, F_GUEST_OFFLOADS = 2, F_MAC = 5, F_GUEST_TSO4 = 7, F_GUEST_TSO6 = 8, F_HOST_TSO4 = 11,
       F_HOST_TSO6 = 12, F_MRG_RXBUF = 15, F_STATUS = 16, F_CTRL_VQ = 17, F_CTRL_RX = 18, F_CTRL_VLAN = 19,
       F_CTRL_RX_EXTRA = 20, F_GUEST_ANNOUNCE = 21, F_CTRL_MAC_ADDR = 23 };
/* configuration (5.1.4) */
enum { C_MAC = 0, C_STATUS = 6, C_PAIRS = 8, CONFIG_LEN = 12, STATUS_LINK_UP = 1, STATUS_ANNOUNCE = 2 };
/* the header of a frame (5.1.6) */
enum { H_FLAGS = 0, H_GSO = 1, H_HDR_LEN = 2, H_GSO_SIZE = 4, H_CSUM_START = 6, H_CSUM_OFFSET = 8, H_NUM_BUFFERS = 10, HDR_SHORT = 10, HDR = 12 };
enum { FLAG_NEEDS_CSUM = 1, FLAG_DATA_VALID = 2, GSO_NONE = 0, GSO_TCP4 = 1, GSO_TCP6 = 4, GSO_ECN = 0x80, TCP_SUM = 16 };
/* control commands (5.1.6.5) */
enum { CTRL_RX = 0, CTRL_MAC = 1, CTRL_VLAN = 2, CTRL_ANNOUNCE = 3, CTRL_OFFLOADS = 5, CTRL_OK = 0, CTRL_ERR = 1 };
enum { RX_PROMISC, RX_ALLMULTI, RX_ALLUNI, RX_NOMULTI, RX_NOUNI, RX_NOBCAST, RX_MODES };
enum { MAC_TABLE_SET = 0, MAC_ADDR_SET = 1, MAC_TABLE = 64, VLAN_ADD = 0, VLAN_DEL = 1, VLANS = 4096 };
enum { MAX_FRAME = NET_MAX_FRAME, MIN_MSS = 64 /* smaller ones would only keep the host busy */ };

typedef struct VirtioNet {
    NicState nic;
    Virtio vio;
    /* properties */
    bool csum, guest_csum, guest_tso4, host_tso4, host_tso6, mrg_rxbuf, status, ctrl_vq, ctrl_rx, ctrl_rx_extra, ctrl_vlan, ctrl_mac,
        announce;
    uint32_t rx_size, tx_size;
    /* guest-visible */
    uint8_t rx_mode[RX_MODES], mac[6];
    uint8_t unicast[MAC_TABLE * 6], multicast[MAC_TABLE * 6];
    uint32_t unicast_count, multicast_count; /* MAC_TABLE + 1: too many, all are taken */
    uint32_t vlan[VLANS / 32];
    uint16_t link;
    uint64_t offloads;
    /* derived */
    unsigned hdr_len;
    uint8_t *buf;
    Timer *tx_timer;         /* goes on after a long turn, in the main loop */
    bool tx_busy;
    NetCoalesce rx;          /* TCP segments on their way to the guest */
    Timer *rx_timer;         /* hands them over when no more come */
} VirtioNet;

static VirtioNet *net_of(Virtio *v) { return container_of(v, VirtioNet, vio); }

/* --- transmitter --- */

static void emit(void *opaque, const uint8_t *f, size_t len)
{
    VirtioNet *s = opaque;

    net_send(s->nic.nc, f, len);
}

/* f ends up as what the wire would carry. */
static void send_frame(VirtioNet *s, const uint8_t *hdr, uint8_t *f, size_t len)
{
    unsigned gso = hdr[H_GSO] & ~GSO_ECN;
    NetTcpFrame t;

    if (gso == GSO_TCP4 || gso == GSO_TCP6) {
        unsigned mss = ldl16(hdr + H_GSO_SIZE);
        if (mss < MIN_MSS || !net_parse_tcp(f, len, &t) || t.v6 != (gso == GSO_TCP6)) {
            log_guest_error("virtio-net: segmentation of what is no such TCP frame\n");
            return;
        }
        if (net_peer_takes_large(s->nic.nc) && len - t.ip <= 65535) {
            net_fix_tcp(f, len, &t);
            emit(s, f, len);
        } else {
            net_segment_tcp(f, len, &t, mss, emit, s);
        }
        return;
    }
    if (gso != GSO_NONE) {
        log_guest_error("virtio-net: segmentation type %u was not offered\n", gso);
        return;
    }
    if (hdr[H_FLAGS] & FLAG_NEEDS_CSUM) {
        size_t start = ldl16(hdr + H_CSUM_START);
        if (!net_put_checksum(f, len, start, start + ldl16(hdr + H_CSUM_OFFSET)))
            log_guest_error("virtio-net: checksum outside of the frame\n");
    }
    emit(s, f, len);
}

static void transmit(Virtio *v, VirtQueue *vq)
{
    VirtioNet *s = net_of(v);
    unsigned turn = 0, sent = 0;
    VirtElem *e;

    if (s->tx_busy)
        return;
    s->tx_busy = true;
    while (turn++ < TURN_MAX && (e = virtqueue_pop(vq))) {
        uint8_t hdr[HDR] = {0};
        size_t len = e->out_bytes - s->hdr_len;
        if (e->out_bytes < s->hdr_len + 14 || len > MAX_FRAME) {
            log_guest_error("virtio-net: frame of %zu bytes\n", e->out_bytes);
        } else {
            viov_read(e->out, e->out_num, 0, hdr, s->hdr_len);
            viov_read(e->out, e->out_num, s->hdr_len, s->buf, len);
            send_frame(s, hdr, s->buf, len);
        }
        virtqueue_push(e, 0);
        sent++;
    }
    if (sent)
        virtio_notify(vq);
    if (turn > TURN_MAX)
        timer_mod(s->tx_timer, clock_ns(CLOCK_VM));
    s->tx_busy = false;
}

static void transmit_on(void *opaque)
{
    VirtioNet *s = opaque;

    if (virtqueue_ready(&s->vio.vq[Q_TX]))
        transmit(&s->vio, &s->vio.vq[Q_TX]);
}

/* --- receiver --- */

static bool in_table(const uint8_t *table, uint32_t count, const uint8_t *a)
{
    for (uint32_t i = 0; i < count && i < MAC_TABLE; i++)
        if (!memcmp(table + 6 * i, a, 6))
            return true;
    return count > MAC_TABLE;
}

static bool accepted(const VirtioNet *s, const uint8_t *f, size_t len)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const uint8_t *mode = s->rx_mode;

    if (mode[RX_PROMISC])
        return true;
    if (virtio_has(&s->vio, F_CTRL_VLAN) && len >= 18 && ldb16(f + 12) == 0x8100) {
        unsigned vid = ldb16(f + 14) & 0xfff;
        if (!(s->vlan[vid / 32] >> (vid % 32) & 1))
            return false;
    }
    if (!memcmp(f, broadcast, 6))
        return !mode[RX_NOBCAST];
    if (f[0] & 1)
        return !mode[RX_NOMULTI] && (mode[RX_ALLMULTI] || in_table(s->multicast, s->multicast_count, f));
    return !mode[RX_NOUNI] && (mode[RX_ALLUNI] || !memcmp(f, s->mac, 6) || in_table(s->unicast, s->unicast_count, f));
}

static bool client_can_receive(NetClient *nc)
{
    VirtioNet *s = (VirtioNet *)nic_of(nc);
    VirtQueue *vq = &s->vio.vq[Q_RX];

    return !virtqueue_ready(vq) || !virtqueue_empty(vq); /* without a driver it is lost, not kept */
}

/* Buffers for need bytes, header included; none is taken when there are too few. */
static unsigned take_buffers(VirtioNet *s, size_t need, VirtElem **e, unsigned max)
{
    VirtQueue *vq = &s->vio.vq[Q_RX];
    size_t have = 0;
    unsigned n = 0;

    while (have < need && n < max && (e[n] = virtqueue_pop(vq))) {
        have += e[n]->in_bytes;
        n++;
        if (!e[n - 1]->in_bytes) {
            virtio_error(&s->vio, "a receive buffer that cannot be written");
            break;
        }
    }
    if (have >= need && !s->vio.broken)
        return n;
    while (n)
        virtqueue_unpop(e[--n]);
    return 0;
}

/* False: not now, there are too few buffers. */
static bool deliver(VirtioNet *s, uint8_t hdr[HDR], const uint8_t *f, size_t len)
{
    VirtQueue *vq = &s->vio.vq[Q_RX];
    bool merge = virtio_has(&s->vio, F_MRG_RXBUF);
    VirtElem *e[VIRTQUEUE_MAX_SIZE];
    size_t pos = 0;
    unsigned n;

    n = take_buffers(s, s->hdr_len + len, e, merge ? vq->size : 1);
    if (!n) /* it waits for more, but not for one that would have to be larger */
        return !virtqueue_ready(vq) || (!merge && !virtqueue_empty(vq));
    stl16(hdr + H_NUM_BUFFERS, (uint16_t)n);
    for (unsigned i = 0; i < n; i++) {
        size_t skip = i ? 0 : s->hdr_len, part = MIN(len - pos, e[i]->in_bytes - MIN(skip, e[i]->in_bytes));
        if (!i)
            viov_write(e[i]->in, e[i]->in_num, 0, hdr, s->hdr_len);
        viov_write(e[i]->in, e[i]->in_num, skip, f + pos, part);
        pos += part;
        virtqueue_fill(e[i], (uint32_t)(skip + part), i);
    }
    virtqueue_flush(vq, n);
    virtio_notify(vq);
    return true;
}

static bool deliver_plain(VirtioNet *s, const uint8_t *f, size_t len)
{
    uint8_t hdr[HDR] = {0};

    if ((s->offloads & BIT(F_GUEST_CSUM)) && net_peer_sums_right(s->nic.nc))
        hdr[H_FLAGS] = FLAG_DATA_VALID;
    return deliver(s, hdr, f, len);
}

/* What was collected; false: it has to wait for buffers. */
static bool deliver_collected(VirtioNet *s)
{
    NetCoalesce *c = &s->rx;
    uint8_t hdr[HDR] = {FLAG_NEEDS_CSUM, GSO_TCP4};

    if (!c->len)
        return true;
    net_coalesce_finish(c);
    c->closed = true;
    stl16(hdr + H_HDR_LEN, (uint16_t)c->t.payload);
    stl16(hdr + H_GSO_SIZE, (uint16_t)c->mss);
    stl16(hdr + H_CSUM_START, (uint16_t)c->t.tcp);
    stl16(hdr + H_CSUM_OFFSET, TCP_SUM);
    if (!(c->segments < 2 ? deliver_plain(s, c->buf, c->len) : deliver(s, hdr, c->buf, c->len)))
        return false;
    net_coalesce_clear(c);
    return true;
}

static void collected_long_enough(void *opaque)
{
    deliver_collected(opaque);
}

static bool client_receive(NetClient *nc, const uint8_t *f, size_t len)
{
    VirtioNet *s = (VirtioNet *)nic_of(nc);
    bool collect = (s->offloads & BIT(F_GUEST_TSO4)) && virtio_has(&s->vio, F_MRG_RXBUF) && net_peer_sums_right(nc);
    CoalesceResult done = COALESCE_NO;

    if (!virtqueue_ready(&s->vio.vq[Q_RX]) || len < 14 || !accepted(s, f, len))
        return true;
    if (collect)
        done = net_coalesce_add(&s->rx, f, len);
    if (done == COALESCE_NO && s->rx.len) {
        if (!deliver_collected(s))
            return false;
        if (collect)
            done = net_coalesce_add(&s->rx, f, len);
    }
    if (done == COALESCE_NO)
        return deliver_plain(s, f, len);
    if (done == COALESCE_CLOSED)
        deliver_collected(s); /* if not now, then when there are buffers */
    else if (!timer_pending(s->rx_timer))
        timer_mod(s->rx_timer, clock_ns(CLOCK_VM)); /* the main loop's next round: what has come by then */
    return true;
}

static void receive_kicked(Virtio *v, VirtQueue *vq)
{
    VirtioNet *s = net_of(v);

    if (s->rx.len)
        timer_mod(s->rx_timer, clock_ns(CLOCK_VM));
    net_flush(s->nic.nc);
}

static void client_link_changed(NetClient *nc)
{
    VirtioNet *s = (VirtioNet *)nic_of(nc);
    uint16_t old = s->link;

    s->link = (uint16_t)((old & ~STATUS_LINK_UP) | (nic_link_up(&s->nic) ? STATUS_LINK_UP : 0));
    if (s->link != old)
        virtio_config_changed(&s->vio);
}

static const NetClientOps client_ops = {.type = "nic", .size = sizeof(NicClient), .main_thread = true,
                                        .can_receive = client_can_receive, .receive = client_receive,
                                        .link_changed = client_link_changed};

/* --- control queue --- */

/* One list of addresses: a count and as many of six bytes. Cut off the front of iov. */
static bool read_table(struct iovec **iov, unsigned *n, uint8_t *table, uint32_t *count)
{
    uint8_t le[4];
    uint32_t want;

    if (viov_read(*iov, *n, 0, le, 4) != 4)
        return false;
    viov_cut_front(iov, n, 4);
    want = ldl32(le);
    if (want <= MAC_TABLE) {
        if (viov_read(*iov, *n, 0, table, want * 6) != want * 6)
            return false;
        *count = want;
    } else {
        *count = MAC_TABLE + 1;
    }
    return viov_cut_front(iov, n, (size_t)want * 6);
}

static bool control_mac(VirtioNet *s, unsigned cmd, struct iovec *iov, unsigned n)
{
    uint8_t mac[6];

    if (cmd == MAC_TABLE_SET)
        return read_table(&iov, &n, s->unicast, &s->unicast_count) &&
               read_table(&iov, &n, s->multicast, &s->multicast_count);
    if (cmd != MAC_ADDR_SET || viov_read(iov, n, 0, mac, 6) != 6)
        return false;
    memcpy(s->mac, mac, 6);
    return true;
}

static bool control_vlan(VirtioNet *s, unsigned cmd, const struct iovec *iov, unsigned n)
{
    uint8_t le[2];
    unsigned vid;

    if (viov_read(iov, n, 0, le, 2) != 2 || (vid = ldl16(le)) >= VLANS || cmd > VLAN_DEL)
        return false;
    if (cmd == VLAN_ADD)
        s->vlan[vid / 32] |= 1u << (vid % 32);
    else
        s->vlan[vid / 32] &= ~(1u << (vid % 32));
    return true;
}

static bool control(VirtioNet *s, unsigned class, unsigned cmd, struct iovec *iov, unsigned n)
{
    uint8_t data[8];

    switch (class) {
    case CTRL_RX:
        if (cmd >= RX_MODES || viov_read(iov, n, 0, data, 1) != 1)
            return false;
        s->rx_mode[cmd] = data[0] != 0;
        return true;
    case CTRL_MAC:
        return control_mac(s, cmd, iov, n);
    case CTRL_VLAN:
        return control_vlan(s, cmd, iov, n);
    case CTRL_ANNOUNCE:
        s->link &= (uint16_t)~STATUS_ANNOUNCE;
        return cmd == 0;
    case CTRL_OFFLOADS:
        if (cmd != 0 || viov_read(iov, n, 0, data, 8) != 8 || (ldl64(data) & ~s->vio.features))
            return false;
        deliver_collected(s);
        net_coalesce_clear(&s->rx);
        s->offloads = ldl64(data);
        return true;
    default:
        return false;
    }
}

static void control_kicked(Virtio *v, VirtQueue *vq)
{
    VirtioNet *s = net_of(v);
    VirtElem *e;

    while ((e = virtqueue_pop(vq))) {
        uint8_t head[2], ack = CTRL_ERR;
        struct iovec *iov = e->out;
        unsigned n = e->out_num;
        if (viov_read(iov, n, 0, head, 2) != 2 || !e->in_bytes) {
            virtio_error(v, "a control command without header or status");
            g_free(e);
            return;
        }
        viov_cut_front(&iov, &n, 2);
        if (control(s, head[0], head[1], iov, n))
            ack = CTRL_OK;
        else
            log_guest_error("virtio-net: control command %u.%u failed\n", head[0], head[1]);
        viov_write(e->in, e->in_num, 0, &ack, 1);
        virtqueue_push(e, 1);
        virtio_notify(vq);
    }
    net_flush(s->nic.nc); /* what is accepted may have changed */
}

/* --- virtio's questions --- */

static uint64_t features(Virtio *v)
{
    const VirtioNet *s = net_of(v);
    bool sums = s->csum, ctrl = s->ctrl_vq;
    const struct {
        bool on;
        unsigned bit;
    } f[] = {{true, F_MAC}, {sums, F_CSUM}, {s->guest_csum, F_GUEST_CSUM}, {s->guest_csum && ctrl, F_GUEST_OFFLOADS},
             {s->guest_csum && s->guest_tso4 && s->mrg_rxbuf, F_GUEST_TSO4}, {sums && s->host_tso4, F_HOST_TSO4}, {sums && s->host_tso6, F_HOST_TSO6}, {s->mrg_rxbuf, F_MRG_RXBUF},
             {s->status, F_STATUS}, {ctrl, F_CTRL_VQ}, {ctrl && s->ctrl_rx, F_CTRL_RX}, {ctrl && s->ctrl_vlan, F_CTRL_VLAN},
             {ctrl && s->ctrl_rx_extra, F_CTRL_RX_EXTRA}, {ctrl && s->announce && s->status, F_GUEST_ANNOUNCE},
             {ctrl && s->ctrl_mac, F_CTRL_MAC_ADDR}};
    uint64_t all = 0;

    for (size_t i = 0; i < ARRAY_SIZE(f); i++)
        all |= f[i].on ? BIT(f[i].bit) : 0;
    return all;
}

static void features_set(Virtio *v)
{
    VirtioNet *s = net_of(v);

    s->hdr_len = virtio_has(v, F_MRG_RXBUF) || virtio_has(v, VIRTIO_F_VERSION_1) ? HDR : HDR_SHORT;
    s->offloads = v->features & (BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO4) | BIT(F_GUEST_TSO6));
}

static void config_get(Virtio *v)
{
    VirtioNet *s = net_of(v);

    memcpy(v->config + C_MAC, s->mac, 6);
    stl16(v->config + C_STATUS, s->link);
    stl16(v->config + C_PAIRS, 1);
}

/* Before CTRL_MAC_ADDR a driver wrote its address here (5.1.4.2 of the legacy interface). */
static void config_set(Virtio *v, unsigned off, unsigned size)
{
    VirtioNet *s = net_of(v);

    if (off < 6 && !virtio_has(v, VIRTIO_F_VERSION_1) && !virtio_has(v, F_CTRL_MAC_ADDR))
        memcpy(s->mac, v->config + C_MAC, 6);
}

static void status_set(Virtio *v)
{
    net_flush(net_of(v)->nic.nc);
}

static void forget(Virtio *v)
{
    VirtioNet *s = net_of(v);

    memset(s->rx_mode, 0, sizeof s->rx_mode);
    s->rx_mode[RX_PROMISC] = 1; /* 5.1.5.1: until the driver says otherwise */
    memset(s->vlan, 0, sizeof s->vlan);
    s->unicast_count = s->multicast_count = 0;
    memcpy(s->mac, s->nic.mac, 6);
    s->link = nic_link_up(&s->nic) ? STATUS_LINK_UP : 0;
    timer_del(s->tx_timer);
    timer_del(s->rx_timer);
    net_coalesce_clear(&s->rx);
    if (s->nic.nc)
        net_flush(s->nic.nc); /* without a driver, what waits is lost */
}

static const VirtioOps ops = {
    .id = VIRTIO_ID_NET, .pci_class = 0x0200, .legacy_device_id = 0x1000, .features = features,
    .features_set = features_set, .config_get = config_get, .config_set = config_set, .status_set = status_set,
    .reset = forget};

/* --- the device --- */

static void config_write(PciDevice *pd, unsigned addr, uint32_t val, unsigned size)
{
    virtio_pci_config_write(pd, &((VirtioNet *)pd)->vio, addr, size);
}

static void config_read(PciDevice *pd, unsigned addr)
{
    virtio_pci_config_read(pd, &((VirtioNet *)pd)->vio, addr);
}

static void net_reset(Device *dev)
{
    VirtioNet *s = (VirtioNet *)dev;

    memset(s->unicast, 0, sizeof s->unicast);
    memset(s->multicast, 0, sizeof s->multicast);
    virtio_device_reset(&s->vio);
}

static void net_finalize(Device *dev)
{
    VirtioNet *s = (VirtioNet *)dev;

    virtio_finalize(&s->vio);
    nic_finalize(&s->nic);
    timer_free(s->tx_timer);
    timer_free(s->rx_timer);
    g_free(s->buf);
    g_free(s->rx.buf);
}

static bool net_init(Device *dev, GError **errp)
{
    VirtioNet *s = (VirtioNet *)dev;

    for (int i = 0; i < 2; i++) {
        uint32_t n = i ? s->tx_size : s->rx_size;
        if (n < 64 || n > VIRTQUEUE_MAX_SIZE || (n & (n - 1)))
            return error_set(errp, "%s: %s_queue_size takes a power of 2 from 64 to %d", dev->cls->name, i ? "tx" : "rx",
                             VIRTQUEUE_MAX_SIZE);
    }
    s->nic.pci.config_write = config_write;
    s->nic.pci.config_read = config_read;
    if (!virtio_init(&s->vio, &s->nic.pci, &ops, CONFIG_LEN, 3, errp))
        return false;
    virtio_add_queue(&s->vio, Q_RX, s->rx_size, receive_kicked);
    virtio_add_queue(&s->vio, Q_TX, s->tx_size, transmit);
    if (s->ctrl_vq)
        virtio_add_queue(&s->vio, Q_CTRL, CTRL_QUEUE_SIZE, control_kicked);
    s->tx_timer = timer_new(CLOCK_VM, transmit_on, s);
    s->rx_timer = timer_new(CLOCK_VM, collected_long_enough, s);
    s->buf = g_malloc(MAX_FRAME);
    s->rx.buf = g_malloc(NET_COALESCE_MAX);
    if (!nic_init(&s->nic, &client_ops, errp)) {
        net_finalize(dev);
        return false;
    }
    return true;
}

static void net_post_load(Device *dev)
{
    VirtioNet *s = (VirtioNet *)dev;
    uint64_t offloads = s->offloads;

    virtio_post_load(&s->vio);
    timer_del(s->rx_timer);
    net_coalesce_clear(&s->rx);
    s->offloads &= offloads; /* what the driver had switched off stays off */
    s->unicast_count = MIN(s->unicast_count, (uint32_t)MAC_TABLE + 1);
    s->multicast_count = MIN(s->multicast_count, (uint32_t)MAC_TABLE + 1);
    if (s->nic.nc)
        net_flush(s->nic.nc);
}

static const VMField net_fields[] = {
    VM_STRUCT(VirtioNet, nic.pci, pci_device_fields), VM_STRUCT(VirtioNet, vio, virtio_fields),
    VM_BUFFER(VirtioNet, rx_mode), VM_BUFFER(VirtioNet, mac), VM_BUFFER(VirtioNet, unicast),
    VM_BUFFER(VirtioNet, multicast), VM_UINT(VirtioNet, unicast_count), VM_UINT(VirtioNet, multicast_count),
    VM_UINT_ARRAY(VirtioNet, vlan, VLANS / 32), VM_UINT(VirtioNet, link), VM_UINT(VirtioNet, offloads),
    VM_TIMER(VirtioNet, tx_timer), VM_END};

#define FEATURE_PROP(name, member, help) {name, PROP_BOOL, offsetof(VirtioNet, member), 1, NULL, help}
static const DeviceProp net_props[] = {
    NIC_PROPS(VirtioNet),
    VIRTIO_PROPS(VirtioNet, vio),
    FEATURE_PROP("csum", csum, "complete checksums for the driver"),
    FEATURE_PROP("guest_csum", guest_csum, "tell the driver which checksums are right"),
    FEATURE_PROP("guest_tso4", guest_tso4, "receive neighbouring TCP segments as one large frame"),
    FEATURE_PROP("host_tso4", host_tso4, "cut large TCP segments for the driver"),
    FEATURE_PROP("host_tso6", host_tso6, "the same over IPv6"),
    FEATURE_PROP("mrg_rxbuf", mrg_rxbuf, "a frame may fill several buffers"),
    FEATURE_PROP("status", status, "show the state of the link"),
    FEATURE_PROP("ctrl_vq", ctrl_vq, "offer the control queue"),
    FEATURE_PROP("ctrl_rx", ctrl_rx, "receive modes"),
    FEATURE_PROP("ctrl_rx_extra", ctrl_rx_extra, "more receive modes"),
    FEATURE_PROP("ctrl_vlan", ctrl_vlan, "filter by VLAN"),
    FEATURE_PROP("ctrl_mac_addr", ctrl_mac, "the driver may set the address"),
    FEATURE_PROP("guest_announce", announce, "the driver announces itself when asked"),
    {"rx_queue_size", PROP_UINT32, offsetof(VirtioNet, rx_size), 256, NULL, "descriptors of the receive queue"},
    {"tx_queue_size", PROP_UINT32, offsetof(VirtioNet, tx_size), 256, NULL, "descriptors of the transmit queue"},
    PROP_END};

VIRTIO_PCI_CLASSES(virtio_net, "virtio-net", .instance_size = sizeof(VirtioNet), .init = net_init, .reset = net_reset,
                   .fields = net_fields, .post_load = net_post_load, .finalize = net_finalize, .props = net_props,
                   .desc = "virtio network device", .bus = "PCI", .user_creatable = true);
