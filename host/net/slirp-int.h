/* slirp-int.h - the user network's state, shared by slirp.c (main loop, options) and slirp-fwd.c (forwarding). */
#ifndef HOST_NET_SLIRP_INT_H
#define HOST_NET_SLIRP_INT_H

#include <libslirp.h>
#include "host/base/keyval.h"
#include "host/net/net.h"

typedef struct UserNet {
    NetClient nc;
    Slirp *slirp;
    GSource *source;
    struct in_addr guest; /* where rules without a guest address go: the first DHCP address */
    GList *guestfwds;
} UserNet;

typedef struct UserFd {
    GPollFD poll;
    bool added;
} UserFd;

typedef struct UserSource {
    GSource source;
    UserNet *u;
    GPtrArray *fds; /* of UserFd *; the first `used` are libslirp's of this round */
    guint used;
    bool kicked;    /* a frame came in: look at all sockets again */
    gint64 deadline_us;
} UserSource;

GList *user_net_list(void);
/* rule: [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport; without "-..." for removal */
bool user_net_hostfwd(UserNet *u, const char *rule, bool add, GError **errp);
/* [tcp]:server:port-chardev, or -cmd:command */
bool user_net_guestfwd(UserNet *u, const char *rule, GError **errp);
void user_net_free_guestfwds(UserNet *u);

#endif
