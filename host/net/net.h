/* net.h - network clients: a NIC and a backend are peers and exchange Ethernet frames. Under the BQL.
 * A NIC receives in the main thread only, never while it sends; what it cannot take now waits in a bounded queue. */
#ifndef HOST_NET_NET_H
#define HOST_NET_NET_H

#include "host/base/osdep.h"

enum { NET_MAX_FRAME = 65536 + 64 }; /* what a client may be handed at most */

typedef struct NetClient NetClient;
typedef struct NetClientOps {
    const char *type;   /* "nic", "user", "tap", "socket", "hubport" */
    size_t size;        /* of the struct that begins with a NetClient */
    bool main_thread;   /* receives in the main thread only */
    bool takes_large;   /* receives TCP frames larger than the wire's, with right checksums */
    bool sums_right;    /* the checksums of what it sends are right */
    bool (*can_receive)(NetClient *nc);                             /* NULL: always */
    bool (*receive)(NetClient *nc, const uint8_t *buf, size_t len); /* false: not now, keep it */
    void (*link_changed)(NetClient *nc);                            /* optional */
    void (*drained)(NetClient *nc);  /* optional: the peer's queue, once full, has room again */
    void (*close)(NetClient *nc);    /* optional */
} NetClientOps;

struct NetClient {
    const NetClientOps *ops;
    char *name, *model;  /* model: of a NIC, else NULL */
    char *info;          /* `info network`: what follows "index=0," */
    NetClient *peer;
    bool link_down, receiving, was_full;
    int sending;
    GQueue in;           /* of GBytes *, waiting for this client */
    /* filter-dump: sees each frame that a network sends or is sent, or NULL */
    void (*capture)(void *opaque, bool to_guest, const uint8_t *buf, size_t len);
    void *capture_opaque;
};

/* A client in the list; name is copied. */
NetClient *net_client_new(const NetClientOps *ops, const char *name, const char *model);
void net_client_free(NetClient *nc);
NetClient *net_client_find(const char *name);
GList *net_client_list(void); /* of NetClient *, in order of creation */
void net_client_set_info(NetClient *nc, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* False: one of them has a peer already. */
bool net_connect(NetClient *a, NetClient *b, GError **errp);

/* A frame from nc to its peer; dropped when there is no peer, the link is down or the queue is full (false then). */
bool net_send(NetClient *nc, const uint8_t *buf, size_t len);
/* True while the peer's queue is not full (tap and sockets stop reading then). */
bool net_peer_has_room(NetClient *nc);
bool net_peer_takes_large(const NetClient *nc);
bool net_peer_sums_right(const NetClient *nc);
/* nc can receive again: the main loop hands over what waits. */
void net_flush(NetClient *nc);
/* Drop what waits (reset). */
void net_purge(NetClient *nc);
/* A stopped machine receives nothing; frames wait. True at the start. */
void net_set_running(bool on);
void net_set_link(NetClient *nc, bool up);

/* Backends: -netdev TYPE,id=ID,...; kv is the whole option with TYPE under "type". */
bool net_backend_new(const GPtrArray *kv, const char *id, GError **errp);
bool net_backend_known(const char *type);
void net_backend_help(GString *out);   /* -netdev help */
const char *net_backend_choices(void); /* for messages: "user hubport socket tap" */
void net_cleanup_all(void); /* all but the cards: end of the program */

/* One port of a hub, made when the hub is first named. */
NetClient *net_hub_port(unsigned hub, const char *name);
/* "52:54:00:12:34:56"; an address with the group bit is refused. */
bool net_parse_mac(const char *text, uint8_t mac[6], GError **errp);

/* Monitor texts. */
void net_info_network(GString *out);
void net_info_usernet(GString *out);
/* id NULL: the only (first) user network; rule as in hostfwd=. */
bool net_hostfwd_add(const char *id, const char *rule, GError **errp);
bool net_hostfwd_remove(const char *id, const char *rule, GError **errp);

/* -object filter-dump; kv holds the whole option. */
bool net_filter_dump_new(const GPtrArray *kv, const char *id, GError **errp);
void net_filter_free_all(void);

/* The constructors behind net_backend_new. */
bool net_user_new(const GPtrArray *kv, const char *id, GError **errp);
bool net_tap_new(const GPtrArray *kv, const char *id, GError **errp);
bool net_socket_new(const GPtrArray *kv, const char *id, GError **errp);

#endif
