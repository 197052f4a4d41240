/* slirp.c - the user network: libslirp's TCP/IP in the main loop, no privileges needed
 * Spec: libslirp 4.7's libslirp.h; the options of -netdev user.
 * Not modelled: smb= (needs a Samba server), saving open connections. */
#include "host/base/osdep.h"
#include "host/net/slirp-int.h"

#include "host/base/log.h"
#include "softmmu/timer.h"

static GList *users; /* of UserNet * */

GList *user_net_list(void) { return users; }

/* --- libslirp's callbacks --- */

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
    UserNet *u = opaque;

    net_send(&u->nc, buf, len); /* what does not fit is lost; TCP sends it again */
    return (ssize_t)len;
}

static void guest_error(const char *msg, void *opaque)
{
    log_guest_error("user network: %s\n", msg);
}

static int64_t clock_get_ns(void *opaque)
{
    return clock_ns(CLOCK_VM);
}

typedef struct UserTimer {
    UserNet *u;
    Timer *timer;
    SlirpTimerId id;
    void *cb_opaque;
} UserTimer;

static void timer_fired(void *opaque)
{
    UserTimer *t = opaque;

    slirp_handle_timer(t->u->slirp, t->id, t->cb_opaque);
}

static void *new_timer(SlirpTimerId id, void *cb_opaque, void *opaque)
{
    UserTimer *t = g_new0(UserTimer, 1);

    *t = (UserTimer){opaque, timer_new(CLOCK_VM, timer_fired, t), id, cb_opaque};
    return t;
}

static void free_timer(void *timer, void *opaque)
{
    UserTimer *t = timer;

    timer_free(t->timer);
    g_free(t);
}

static void mod_timer(void *timer, int64_t expire_ms, void *opaque)
{
    timer_mod(((UserTimer *)timer)->timer, expire_ms * 1000000);
}

static void wake(UserNet *u)
{
    ((UserSource *)u->source)->kicked = true;
    g_main_context_wakeup(NULL);
}

static void notify(void *opaque)
{
    UserNet *u = opaque;

    if (u->source)
        wake(u);
}

static void poll_fd_nothing(int fd, void *opaque) {}

static const SlirpCb callbacks = {
    .send_packet = send_packet, .guest_error = guest_error, .clock_get_ns = clock_get_ns, .timer_free = free_timer,
    .timer_mod = mod_timer, .register_poll_fd = poll_fd_nothing, .unregister_poll_fd = poll_fd_nothing,
    .notify = notify, .timer_new_opaque = new_timer};

/* --- the source in the main loop --- */

static int add_poll(int fd, int events, void *opaque)
{
    UserSource *s = opaque;
    GIOCondition want = (GIOCondition)((events & SLIRP_POLL_IN ? G_IO_IN : 0) | (events & SLIRP_POLL_OUT ? G_IO_OUT : 0) |
                        (events & SLIRP_POLL_PRI ? G_IO_PRI : 0) | (events & SLIRP_POLL_ERR ? G_IO_ERR : 0) |
                        (events & SLIRP_POLL_HUP ? G_IO_HUP : 0));
    guint n = s->used++;

    /* Slots are reused in place: telling GLib of a new descriptor costs a wake-up. */
    if (n == s->fds->len)
        g_ptr_array_add(s->fds, g_new0(UserFd, 1));
    UserFd *f = s->fds->pdata[n];
    if (f->added && f->poll.fd != fd) {
        g_source_remove_poll(&s->source, &f->poll);
        f->added = false;
    }
    f->poll.fd = fd;
    f->poll.events = want;
    f->poll.revents = 0;
    if (!f->added)
        g_source_add_poll(&s->source, &f->poll);
    f->added = true;
    return (int)n;
}

static int get_revents(int idx, void *opaque)
{
    UserSource *s = opaque;
    unsigned r;
    int out = 0;

    if (idx < 0 || (guint)idx >= s->used)
        return 0;
    r = ((UserFd *)s->fds->pdata[idx])->poll.revents;
    out |= r & G_IO_IN ? SLIRP_POLL_IN : 0;
    out |= r & G_IO_OUT ? SLIRP_POLL_OUT : 0;
    out |= r & G_IO_PRI ? SLIRP_POLL_PRI : 0;
    out |= r & G_IO_ERR ? SLIRP_POLL_ERR : 0;
    out |= r & G_IO_HUP ? SLIRP_POLL_HUP : 0;
    return out;
}

static gboolean source_prepare(GSource *source, gint *timeout)
{
    UserSource *s = (UserSource *)source;
    uint32_t ms = UINT32_MAX;

    s->used = 0;
    slirp_pollfds_fill(s->u->slirp, &ms, add_poll, s);
    for (guint i = s->used; i < s->fds->len; i++) {
        UserFd *f = s->fds->pdata[i];
        if (f->added)
            g_source_remove_poll(source, &f->poll);
        f->added = false;
    }
    *timeout = ms > G_MAXINT32 ? -1 : (gint)ms;
    s->deadline_us = *timeout < 0 ? INT64_MAX : g_get_monotonic_time() + *timeout * (gint64)1000;
    return s->kicked;
}

static gboolean source_check(GSource *source)
{
    UserSource *s = (UserSource *)source;

    for (guint i = 0; i < s->used; i++)
        if (((UserFd *)s->fds->pdata[i])->poll.revents)
            return TRUE;
    return s->kicked || g_get_monotonic_time() >= s->deadline_us;
}

static gboolean source_dispatch(GSource *source, GSourceFunc fn, gpointer data)
{
    UserSource *s = (UserSource *)source;

    s->kicked = false;
    slirp_pollfds_poll(s->u->slirp, 0, get_revents, s);
    return G_SOURCE_CONTINUE;
}

static void source_finalize(GSource *source)
{
    UserSource *s = (UserSource *)source;

    g_ptr_array_unref(s->fds);
}

static GSourceFuncs source_funcs = {source_prepare, source_check, source_dispatch, source_finalize, NULL, NULL};

/* --- the client --- */

static bool user_receive(NetClient *nc, const uint8_t *buf, size_t len)
{
    UserNet *u = (UserNet *)nc;

    slirp_input(u->slirp, buf, (int)len);
    wake(u);
    return true;
}

static void user_close(NetClient *nc)
{
    UserNet *u = (UserNet *)nc;

    users = g_list_remove(users, u);
    if (u->source) {
        g_source_destroy(u->source);
        g_source_unref(u->source);
        u->source = NULL;
    }
    if (u->slirp)
        slirp_cleanup(u->slirp);
    user_net_free_guestfwds(u);
}

static const NetClientOps user_ops = {.type = "user", .size = sizeof(UserNet), .takes_large = true,
                                      .sums_right = true, .receive = user_receive,
                                      .close = user_close};

/* --- options --- */

static bool parse_ip(const char *what, const char *text, struct in_addr *out, GError **errp)
{
    if (!text || inet_pton(AF_INET, text, out) == 1)
        return true;
    return error_set(errp, "%s=%s is no IPv4 address", what, text);
}

static bool parse_ip6(const char *what, const char *text, struct in6_addr *out, GError **errp)
{
    if (!text || inet_pton(AF_INET6, text, out) == 1)
        return true;
    return error_set(errp, "%s=%s is no IPv6 address", what, text);
}

/* "10.0.2.0/24", "10.0.2.0/255.255.255.0", or an address alone with the mask of its class */
static bool parse_net(const char *text, struct in_addr *net, struct in_addr *mask, GError **errp)
{
    g_auto(GStrv) part = g_strsplit(text, "/", 2);
    uint32_t m;

    if (!part[0] || inet_pton(AF_INET, part[0], net) != 1)
        return error_set(errp, "net=%s is no IPv4 network (ADDRESS/BITS or ADDRESS/MASK)", text);
    if (!part[1]) {
        uint32_t a = ntohl(net->s_addr);
        m = !(a & 0x80000000) ? 0xff000000 : (a & 0xfff00000) == 0xac100000 ? 0xfff00000
          : (a & 0xc0000000) == 0x80000000 ? 0xffff0000 : (a & 0xffff0000) == 0xc0a80000 ? 0xffff0000 : 0xffffff00;
    } else if (inet_pton(AF_INET, part[1], mask) == 1) {
        m = ntohl(mask->s_addr);
    } else {
        uint64_t bits;
        if (!parse_uint("net= mask", part[1], 4, 30, &bits, errp))
            return false;
        m = ~0u << (32 - bits);
    }
    if (m == 0 || (~m & (~m + 1)) || ~m < 3)
        return error_set(errp, "net=%s: the mask leaves no room for hosts", text);
    mask->s_addr = htonl(m);
    net->s_addr &= mask->s_addr;
    return true;
}

static bool in_net(const char *what, struct in_addr a, const SlirpConfig *c, GError **errp)
{
    char addr[INET_ADDRSTRLEN], net[INET_ADDRSTRLEN];

    if ((a.s_addr & c->vnetmask.s_addr) == c->vnetwork.s_addr)
        return true;
    inet_ntop(AF_INET, &a, addr, sizeof addr);
    inet_ntop(AF_INET, &c->vnetwork, net, sizeof net);
    return error_set(errp, "%s=%s is outside of the network %s", what, addr, net);
}

static struct in_addr host_of(const SlirpConfig *c, uint32_t n)
{
    return (struct in_addr){c->vnetwork.s_addr | (htonl(n) & ~c->vnetmask.s_addr)};
}

static bool fill_config(const GPtrArray *kv, SlirpConfig *c, GPtrArray *dnssearch, GError **errp)
{
    bool restricted = false, v4 = true, v6 = true;
    const char *net = keyval_get(kv, "net"), *tftp = keyval_get(kv, "tftp");
    uint64_t plen = 64;

    if (!keyval_bool(kv, "restrict", &restricted, errp) || !keyval_bool(kv, "ipv4", &v4, errp) ||
        !keyval_bool(kv, "ipv6", &v6, errp) || !keyval_uint(kv, "ipv6-prefixlen", 0, 126, &plen, errp) ||
        !parse_net(net ? net : "10.0.2.0/24", &c->vnetwork, &c->vnetmask, errp))
        return false;
    if (!v4 && !v6)
        return error_set(errp, "ipv4=off with ipv6=off leaves no network");
    c->version = 4;
    c->restricted = restricted;
    c->in_enabled = v4;
    c->in6_enabled = v6;
    c->vhost = host_of(c, 2);
    c->vnameserver = host_of(c, 3);
    c->vdhcp_start = host_of(c, 15);
    inet_pton(AF_INET6, "fec0::", &c->vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &c->vhost6);
    inet_pton(AF_INET6, "fec0::3", &c->vnameserver6);
    c->vprefix_len = (uint8_t)plen;
    if (!parse_ip("host", keyval_get(kv, "host"), &c->vhost, errp) || !in_net("host", c->vhost, c, errp) ||
        !parse_ip("dns", keyval_get(kv, "dns"), &c->vnameserver, errp) ||
        !parse_ip("dhcpstart", keyval_get(kv, "dhcpstart"), &c->vdhcp_start, errp) ||
        !in_net("dhcpstart", c->vdhcp_start, c, errp))
        return false;
    if (c->vnameserver.s_addr == c->vhost.s_addr)
        return error_set(errp, "dns= and host= are the same address");
    if (c->vdhcp_start.s_addr == c->vhost.s_addr || c->vdhcp_start.s_addr == c->vnameserver.s_addr)
        return error_set(errp, "dhcpstart= is the address of the host or of the name server");
    if (keyval_get(kv, "ipv6-prefix")) {
        if (!parse_ip6("ipv6-prefix", keyval_get(kv, "ipv6-prefix"), &c->vprefix_addr6, errp))
            return false;
        c->vhost6 = c->vnameserver6 = c->vprefix_addr6;
        c->vhost6.s6_addr[15] |= 2;
        c->vnameserver6.s6_addr[15] |= 3;
    }
    if (!parse_ip6("ipv6-host", keyval_get(kv, "ipv6-host"), &c->vhost6, errp) ||
        !parse_ip6("ipv6-dns", keyval_get(kv, "ipv6-dns"), &c->vnameserver6, errp))
        return false;
    if (tftp && !g_file_test(tftp, G_FILE_TEST_IS_DIR))
        return error_set(errp, "tftp=%s is no folder", tftp);
    c->vhostname = keyval_get(kv, "hostname");
    c->tftp_path = tftp;
    c->tftp_server_name = keyval_get(kv, "tftp-server-name");
    c->bootfile = keyval_get(kv, "bootfile");
    c->vdomainname = keyval_get(kv, "domainname");
    if ((c->bootfile && strlen(c->bootfile) > 127) || (c->vhostname && strlen(c->vhostname) > 255))
        return error_set(errp, "%s is too long", c->bootfile && strlen(c->bootfile) > 127 ? "bootfile=" : "hostname=");
    for (guint i = 0; i < kv->len; i++) {
        const KeyVal *k = kv->pdata[i];
        if (!strcmp(k->key, "dnssearch"))
            g_ptr_array_add(dnssearch, k->val);
    }
    g_ptr_array_add(dnssearch, NULL);
    if (dnssearch->len > 1)
        c->vdnssearch = (const char **)dnssearch->pdata;
    return true;
}

bool net_user_new(const GPtrArray *kv, const char *id, GError **errp)
{
    g_autoptr(GPtrArray) dnssearch = g_ptr_array_new();
    char net[INET_ADDRSTRLEN];
    SlirpConfig c = {0};
    UserNet *u;

    if (!keyval_check(kv, "user",
                      "type id net host dns dhcpstart hostname restrict tftp tftp-server-name bootfile hostfwd guestfwd "
                      "ipv4 ipv6 ipv6-prefix ipv6-prefixlen ipv6-host ipv6-dns dnssearch domainname", errp) ||
        !fill_config(kv, &c, dnssearch, errp))
        return false;
    u = (UserNet *)net_client_new(&user_ops, id, NULL);
    u->guest = c.vdhcp_start;
    u->slirp = slirp_new(&c, &callbacks, u);
    if (!u->slirp) {
        net_client_free(&u->nc);
        return error_set(errp, "libslirp refuses these settings");
    }
    users = g_list_append(users, u);
    u->source = g_source_new(&source_funcs, sizeof(UserSource));
    ((UserSource *)u->source)->u = u;
    ((UserSource *)u->source)->fds = g_ptr_array_new_with_free_func(g_free);
    g_source_set_name(u->source, "user network");
    g_source_attach(u->source, NULL);
    inet_ntop(AF_INET, &c.vnetwork, net, sizeof net);
    net_client_set_info(&u->nc, "type=user,net=%s,restrict=%s", net, c.restricted ? "on" : "off");
    for (guint i = 0; i < kv->len; i++) {
        const KeyVal *k = kv->pdata[i];
        if ((!strcmp(k->key, "hostfwd") && !user_net_hostfwd(u, k->val, true, errp)) ||
            (!strcmp(k->key, "guestfwd") && !user_net_guestfwd(u, k->val, errp))) {
            net_client_free(&u->nc);
            return false;
        }
    }
    return true;
}
