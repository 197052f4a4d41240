/* net-offload.h - what a card does in the guest's place: Internet checksums, cutting of large TCP segments. */
#ifndef HW_NET_NET_OFFLOAD_H
#define HW_NET_NET_OFFLOAD_H

#include "host/base/osdep.h"

/* Ones' complement sum of big-endian 16-bit words, folded to 16 bits, going on from sum. */
uint32_t net_sum(uint32_t sum, const uint8_t *p, size_t n);
/* Stores at `at` the complement of the sum from `start` to the end; false when that lies outside of the frame. */
bool net_put_checksum(uint8_t *f, size_t len, size_t start, size_t at);

typedef struct NetTcpFrame { /* where the headers of an Ethernet frame with TCP over IPv4 or IPv6 are */
    unsigned ip, tcp, payload; /* offsets */
    bool v6;
} NetTcpFrame;
/* False: no such frame, or its headers do not fit. VLAN tags are stepped over. */
bool net_parse_tcp(const uint8_t *f, size_t len, NetTcpFrame *t);
/* Lengths and checksums of a frame whose TCP payload ends at len. */
void net_fix_tcp(uint8_t *f, size_t len, const NetTcpFrame *t);
/* Cuts f into frames of at most mss payload bytes (mss > 0), each with headers of its own, and hands them to emit.
 * f serves as the work area. */
void net_segment_tcp(uint8_t *f, size_t len, const NetTcpFrame *t, unsigned mss,
                     void (*emit)(void *opaque, const uint8_t *f, size_t len), void *opaque);

#endif
