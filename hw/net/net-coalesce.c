/* net-coalesce.c - neighbouring segments of one TCP connection become one large frame
 * A guest pays for each frame, hardly for its length; the user network sends data in segments of the guest's MSS.
 * Spec: RFC 791, RFC 9293; what may be joined: VIRTIO 1.1, 5.1.6.4 (the guest must be able to cut it as it was).
 * Not modelled: IPv6, VLAN tags, IP options, segments out of order. */
#include "host/base/osdep.h"
#include "hw/net/net-coalesce.h"

#include "host/base/bitops.h"

enum { ETH_HEADER = 14, IP_HEADER = 20, IP_LEN = 2, IP_FRAGMENT = 6, IP_SUM = 10, IP_SRC = 12, NOT_WHOLE = 0x3fff };
enum { TCP_SEQ = 4, TCP_ACK = 8, TCP_FLAGS = 13, TCP_WINDOW = 14, TCP_SUM = 16, FLAG_PSH = 8, FLAG_ACK = 0x10, MIN_PAYLOAD = 256 };

/* A whole IPv4 packet with data and nothing special. */
static bool plain_data(const uint8_t *f, size_t len, NetTcpFrame *t)
{
    if (!net_parse_tcp(f, len, t) || t->v6 || t->ip != ETH_HEADER || t->tcp != ETH_HEADER + IP_HEADER)
        return false;
    return ldb16(f + ETH_HEADER + IP_LEN) == len - ETH_HEADER && !(ldb16(f + ETH_HEADER + IP_FRAGMENT) & NOT_WHOLE) &&
           (f[t->tcp + TCP_FLAGS] & ~FLAG_PSH) == FLAG_ACK && len > t->payload;
}

static CoalesceResult begin(NetCoalesce *c, const uint8_t *f, size_t len, const NetTcpFrame *t)
{
    if (len > NET_COALESCE_MAX || len - t->payload < MIN_PAYLOAD || (f[t->tcp + TCP_FLAGS] & FLAG_PSH))
        return COALESCE_NO;
    memcpy(c->buf, f, len);
    c->len = len;
    c->segments = 1;
    c->mss = (unsigned)(len - t->payload);
    c->closed = false;
    c->t = *t;
    return COALESCE_MORE;
}

/* Everything but lengths, identification, sums and PSH is as in the first one. */
static bool same_stream(const NetCoalesce *c, const uint8_t *f, const NetTcpFrame *t)
{
    const uint8_t *a = c->buf;
    unsigned tcp = t->tcp, ip = ETH_HEADER;

    return t->payload == c->t.payload && !memcmp(a, f, ip + IP_LEN) &&
           !memcmp(a + ip + IP_FRAGMENT, f + ip + IP_FRAGMENT, IP_SUM - IP_FRAGMENT) &&
           !memcmp(a + ip + IP_SRC, f + ip + IP_SRC, 8) && !memcmp(a + tcp, f + tcp, 4) &&
           !memcmp(a + tcp + TCP_ACK, f + tcp + TCP_ACK, 5) && !memcmp(a + tcp + TCP_WINDOW, f + tcp + TCP_WINDOW, 2) &&
           !memcmp(a + tcp + TCP_SUM + 2, f + tcp + TCP_SUM + 2, t->payload - tcp - TCP_SUM - 2);
}

CoalesceResult net_coalesce_add(NetCoalesce *c, const uint8_t *f, size_t len)
{
    size_t part;
    NetTcpFrame t;

    if (!plain_data(f, len, &t))
        return COALESCE_NO;
    if (!c->len)
        return begin(c, f, len, &t);
    part = len - t.payload;
    if (c->closed || part > c->mss || c->len + part > NET_COALESCE_MAX || !same_stream(c, f, &t) ||
        ldb32(f + t.tcp + TCP_SEQ) != ldb32(c->buf + t.tcp + TCP_SEQ) + (uint32_t)(c->len - t.payload))
        return COALESCE_NO;
    memcpy(c->buf + c->len, f + t.payload, part);
    c->len += part;
    c->segments++;
    c->buf[t.tcp + TCP_FLAGS] |= f[t.tcp + TCP_FLAGS];
    c->closed = part < c->mss || (f[t.tcp + TCP_FLAGS] & FLAG_PSH) || c->len + c->mss > NET_COALESCE_MAX;
    return c->closed ? COALESCE_CLOSED : COALESCE_MORE;
}

void net_coalesce_finish(NetCoalesce *c)
{
    uint8_t *ip = c->buf + ETH_HEADER;
    uint32_t tcp_len = (uint32_t)(c->len - c->t.tcp);

    if (c->segments < 2)
        return;
    stb16(ip + IP_LEN, (uint16_t)(c->len - ETH_HEADER));
    stb16(ip + IP_SUM, 0);
    stb16(ip + IP_SUM, (uint16_t)~net_sum(0, ip, IP_HEADER));
    stb16(c->buf + c->t.tcp + TCP_SUM, (uint16_t)net_sum(6 + tcp_len, ip + IP_SRC, 8));
}
