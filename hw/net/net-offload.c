/* net-offload.c - checksums and TCP segmentation in software
 * Spec: RFC 1071 (checksum), RFC 791, RFC 8200, RFC 9293; which TCP flags a cut segment keeps: 317453 3.5.
 * Not modelled: IPv6 extension headers, UDP fragmentation. */
#include "host/base/osdep.h"
#include "hw/net/net-offload.h"

#include "host/base/bitops.h"

enum { ETH_HEADER = 14, ETH_VLAN = 0x8100, ETH_IP4 = 0x0800, ETH_IP6 = 0x86dd, IP_TCP = 6, IP6_HEADER = 40, TCP_HEADER = 20 };
enum { TCP_SEQ = 4, TCP_OFFSET = 12, TCP_FLAGS = 13, TCP_SUM = 16, FLAG_FIN = 1, FLAG_PSH = 8, FLAG_CWR = 0x80 };
enum { IP4_LEN = 2, IP4_ID = 4, IP4_SUM = 10, IP4_SRC = 12, IP6_LEN = 4, IP6_SRC = 8, UDP_SUM_OFFSET = 6 };

uint32_t net_sum(uint32_t sum, const uint8_t *p, size_t n)
{
    uint64_t a = 0, b = 0;
    uint32_t words;

    /* Sums of swapped words are the swapped sum (RFC 1071 2B): add in host order, swap once. */
    for (; n >= 16; n -= 16, p += 16) {
        uint64_t x = ldl64(p), y = ldl64(p + 8);
        a += (uint32_t)x + (y & 0xffffffff);
        b += (x >> 32) + (y >> 32);
    }
    a = (a & 0xffffffff) + (a >> 32) + (b & 0xffffffff) + (b >> 32);
    for (; n >= 2; n -= 2, p += 2)
        a += ldl16(p);
    if (n)
        a += *p;
    while (a >> 16)
        a = (a & 0xffff) + (a >> 16);
    words = __builtin_bswap16((uint16_t)a);
    sum = (sum & 0xffff) + (sum >> 16) + words;
    return (sum & 0xffff) + (sum >> 16);
}

bool net_put_checksum(uint8_t *f, size_t len, size_t start, size_t at)
{
    uint16_t sum;

    if (start >= len || at < start || at + 2 > len)
        return false;
    sum = (uint16_t)~net_sum(0, f + start, len - start);
    if (!sum && at - start == UDP_SUM_OFFSET)
        sum = 0xffff; /* 0 means "no checksum" in UDP */
    stb16(f + at, sum);
    return true;
}

bool net_parse_tcp(const uint8_t *f, size_t len, NetTcpFrame *t)
{
    unsigned at = ETH_HEADER, type;

    if (len < ETH_HEADER + 20)
        return false;
    type = ldb16(f + 12);
    if (type == ETH_VLAN) {
        type = ldb16(f + 16);
        at += 4;
    }
    t->ip = at;
    t->v6 = type == ETH_IP6;
    if (t->v6) {
        if (len < at + IP6_HEADER + TCP_HEADER || f[at] >> 4 != 6 || f[at + 6] != IP_TCP)
            return false;
        t->tcp = at + IP6_HEADER;
    } else {
        unsigned ihl = (f[at] & 15u) * 4;
        if (type != ETH_IP4 || f[at] >> 4 != 4 || ihl < 20 || len < at + ihl + TCP_HEADER || f[at + 9] != IP_TCP)
            return false;
        t->tcp = at + ihl;
    }
    t->payload = t->tcp + (f[t->tcp + TCP_OFFSET] >> 4) * 4u;
    return t->payload >= t->tcp + TCP_HEADER && t->payload <= len;
}

void net_fix_tcp(uint8_t *f, size_t len, const NetTcpFrame *t)
{
    uint8_t *ip = f + t->ip;
    uint32_t tcp_len = (uint32_t)(len - t->tcp), sum;

    if (t->v6) {
        stb16(ip + IP6_LEN, (uint16_t)tcp_len);
        sum = net_sum(IP_TCP + (tcp_len & 0xffff) + (tcp_len >> 16), ip + IP6_SRC, 32);
    } else {
        stb16(ip + IP4_LEN, (uint16_t)(len - t->ip));
        stb16(ip + IP4_SUM, 0);
        stb16(ip + IP4_SUM, (uint16_t)~net_sum(0, ip, t->tcp - t->ip));
        sum = net_sum(IP_TCP + tcp_len, ip + IP4_SRC, 8);
    }
    stb16(f + t->tcp + TCP_SUM, 0);
    stb16(f + t->tcp + TCP_SUM, (uint16_t)~net_sum(sum, f + t->tcp, tcp_len));
}

void net_segment_tcp(uint8_t *f, size_t len, const NetTcpFrame *t, unsigned mss,
                     void (*emit)(void *opaque, const uint8_t *f, size_t len), void *opaque)
{
    uint32_t seq = ldb32(f + t->tcp + TCP_SEQ);
    uint16_t id = ldb16(f + t->ip + IP4_ID);
    uint8_t flags = f[t->tcp + TCP_FLAGS], headers[256];
    size_t pos = t->payload;

    if (t->payload > sizeof headers)
        return;
    memcpy(headers, f, t->payload);
    do {
        /* The headers go in front of the next piece, over what was sent already. */
        size_t part = MIN((size_t)mss, len - pos);
        uint8_t *s = f + pos - t->payload, keep = flags;
        bool last = pos + part == len;
        memcpy(s, headers, t->payload);
        if (!last)
            keep &= (uint8_t)~(FLAG_FIN | FLAG_PSH);
        if (pos != t->payload)
            keep &= (uint8_t)~FLAG_CWR;
        s[t->tcp + TCP_FLAGS] = keep;
        stb32(s + t->tcp + TCP_SEQ, seq + (uint32_t)(pos - t->payload));
        if (!t->v6)
            stb16(s + t->ip + IP4_ID, id++);
        net_fix_tcp(s, t->payload + part, t);
        emit(opaque, s, t->payload + part);
        pos += part;
    } while (pos < len);
}
