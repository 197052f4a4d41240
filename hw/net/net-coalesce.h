/* net-coalesce.h - neighbouring segments of one TCP connection become one large frame (receive offload). */
#ifndef HW_NET_NET_COALESCE_H
#define HW_NET_NET_COALESCE_H

#include "hw/net/net-offload.h"

enum { NET_COALESCE_MAX = 14 + 65535 };

typedef struct NetCoalesce {
    uint8_t *buf;        /* NET_COALESCE_MAX bytes, of the owner */
    size_t len;          /* 0: nothing is collected */
    unsigned segments;
    unsigned mss;        /* payload of the first segment, of all but the last */
    bool closed;         /* takes no more */
    NetTcpFrame t;
} NetCoalesce;

typedef enum { COALESCE_NO, COALESCE_MORE, COALESCE_CLOSED } CoalesceResult;
/* NO: f is not the next segment of what is collected (or nothing that can be collected). MORE: it was copied, others may
 * follow. CLOSED: it was copied and ends the frame. The checksums of f must be known to be right. */
CoalesceResult net_coalesce_add(NetCoalesce *c, const uint8_t *f, size_t len);
/* Lengths and IP checksum of a frame of several segments; its TCP checksum becomes the pseudo header's sum, as a receiver
 * wants it that is told to complete it. One segment alone stays as it was. */
void net_coalesce_finish(NetCoalesce *c);
static inline void net_coalesce_clear(NetCoalesce *c)
{
    c->len = 0;
    c->closed = false;
}

#endif
