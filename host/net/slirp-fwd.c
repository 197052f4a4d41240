/* slirp-fwd.c - the user network's forwarded ports: host to guest (hostfwd), guest to a chardev or command
 * (guestfwd), and what the monitor shows of them. Spec: the rules of -netdev user in qemu's manual. */
#include "host/base/osdep.h"
#include "host/net/slirp-int.h"

#include "host/char/chardev.h"

typedef struct Rule {
    bool udp;
    struct in_addr host, guest;
    int host_port, guest_port;
    char *host_text;
} Rule;

static bool parse_port(const char *rule, const char *what, const char *text, int min, int *out, GError **errp)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);

    if (!g_ascii_isdigit(*text) || *end || v > 65535 || (int)v < min)
        return error_set(errp, "hostfwd=%s: %s port '%s' is no number from %d to 65535", rule, what, text, min);
    *out = (int)v;
    return true;
}

static bool parse_addr(const char *rule, const char *what, const char *text, struct in_addr *out, GError **errp)
{
    if (!*text || inet_pton(AF_INET, text, out) == 1)
        return true;
    if (!strcmp(text, "localhost")) {
        out->s_addr = htonl(INADDR_LOOPBACK);
        return true;
    }
    return error_set(errp, "hostfwd=%s: %s address '%s' is no IPv4 address", rule, what, text);
}

static bool parse_rule(UserNet *u, const char *text, bool whole, Rule *r, GError **errp)
{
    g_auto(GStrv) side = g_strsplit(text, "-", 2);
    g_auto(GStrv) host = g_strsplit(side[0] ? side[0] : "", ":", -1);
    guint n = g_strv_length(host);

    *r = (Rule){.guest = u->guest};
    r->host.s_addr = htonl(INADDR_ANY);
    if (n < 2 || n > 3 || (whole && !side[1]))
        return error_set(errp, "hostfwd=%s: write [tcp|udp]:[hostaddr]:hostport%s", text,
                         whole ? "-[guestaddr]:guestport" : "");
    if (*host[0] && strcmp(host[0], "tcp") && strcmp(host[0], "udp"))
        return error_set(errp, "hostfwd=%s: protocol '%s' (choices: tcp udp)", text, host[0]);
    r->udp = !strcmp(host[0], "udp");
    if ((n == 3 && !parse_addr(text, "host", host[1], &r->host, errp)) ||
        !parse_port(text, "host", host[n - 1], 0, &r->host_port, errp))
        return false;
    if (whole) {
        g_auto(GStrv) guest = g_strsplit(side[1], ":", -1);
        guint g = g_strv_length(guest);
        if (g < 1 || g > 2)
            return error_set(errp, "hostfwd=%s: write [guestaddr]:guestport after '-'", text);
        if ((g == 2 && !parse_addr(text, "guest", guest[0], &r->guest, errp)) ||
            !parse_port(text, "guest", guest[g - 1], 1, &r->guest_port, errp))
            return false;
    }
    return true;
}

bool user_net_hostfwd(UserNet *u, const char *rule, bool add, GError **errp)
{
    char host[INET_ADDRSTRLEN];
    Rule r;

    if (!parse_rule(u, rule, add, &r, errp))
        return false;
    errno = 0;
    if (add ? slirp_add_hostfwd(u->slirp, r.udp, r.host, r.host_port, r.guest, r.guest_port) >= 0
            : slirp_remove_hostfwd(u->slirp, r.udp, r.host, r.host_port) >= 0)
        return true;
    if (!add)
        return error_set(errp, "host forwarding rule for %s not found", rule);
    inet_ntop(AF_INET, &r.host, host, sizeof host);
    return error_set(errp, "hostfwd=%s: cannot listen on host %s, %s port %d: %s", rule, host, r.udp ? "udp" : "tcp",
                     r.host_port, errno ? g_strerror(errno) : "refused by libslirp");
}

/* --- guestfwd --- */

typedef struct GuestFwd {
    UserNet *u;
    struct in_addr server;
    int port;
    Chardev *chr;
    ChardevFe fe;
} GuestFwd;

static int fwd_can_read(void *opaque)
{
    GuestFwd *f = opaque;

    return (int)MIN(slirp_socket_can_recv(f->u->slirp, f->server, f->port), (size_t)4096);
}

static void fwd_read(void *opaque, const uint8_t *buf, int size)
{
    GuestFwd *f = opaque;

    slirp_socket_recv(f->u->slirp, f->server, f->port, buf, size);
}

static const ChardevHandlers fwd_handlers = {fwd_can_read, fwd_read, NULL};

static ssize_t fwd_write(const void *buf, size_t len, void *opaque)
{
    GuestFwd *f = opaque;

    return chardev_fe_write(&f->fe, buf, (int)MIN(len, (size_t)INT_MAX));
}

bool user_net_guestfwd(UserNet *u, const char *rule, GError **errp)
{
    const char *dash = strchr(rule, '-');
    g_autofree char *left = dash ? g_strndup(rule, (gsize)(dash - rule)) : NULL, *label = NULL;
    g_auto(GStrv) part = g_strsplit(left ? left : "", ":", -1);
    struct in_addr server;
    uint64_t port;
    GuestFwd *f;

    if (!dash || g_strv_length(part) != 3 || (*part[0] && strcmp(part[0], "tcp")) ||
        inet_pton(AF_INET, part[1], &server) != 1)
        return error_set(errp, "guestfwd=%s: write [tcp]:SERVER:PORT-CHARDEV or [tcp]:SERVER:PORT-cmd:COMMAND", rule);
    if (!parse_uint("guestfwd port", part[2], 1, 65535, &port, errp))
        return false;
    if (g_str_has_prefix(dash + 1, "cmd:")) {
        if (slirp_add_exec(u->slirp, dash + 5, &server, (int)port) < 0)
            return error_set(errp, "guestfwd=%s: address %s port %s is taken or outside of the network", rule, part[1],
                             part[2]);
        return true;
    }
    f = g_new0(GuestFwd, 1);
    f->u = u;
    f->server = server;
    f->port = (int)port;
    label = g_strdup_printf("guestfwd.tcp.%d", f->port);
    f->chr = chardev_find(dash + 1);
    if ((!f->chr && (!chardev_new_legacy(label, dash + 1, &f->chr, errp) || !f->chr)) ||
        !chardev_fe_init(&f->fe, f->chr, errp)) {
        if (errp && !*errp)
            error_set(errp, "guestfwd=%s: no chardev", rule);
        g_free(f);
        return false;
    }
    if (slirp_add_guestfwd(u->slirp, fwd_write, f, &server, f->port) < 0) {
        chardev_fe_deinit(&f->fe);
        g_free(f);
        return error_set(errp, "guestfwd=%s: address %s port %s is taken or outside of the network", rule, part[1],
                         part[2]);
    }
    f->server = server;
    chardev_fe_set_handlers(&f->fe, &fwd_handlers, f);
    u->guestfwds = g_list_append(u->guestfwds, f);
    return true;
}

void user_net_free_guestfwds(UserNet *u)
{
    for (GList *l = u->guestfwds; l; l = l->next) {
        GuestFwd *f = l->data;
        chardev_fe_deinit(&f->fe);
        g_free(f);
    }
    g_list_free(u->guestfwds);
    u->guestfwds = NULL;
}

/* --- monitor --- */

void net_info_usernet(GString *out)
{
    for (GList *l = user_net_list(); l; l = l->next) {
        UserNet *u = l->data;
        char *text = slirp_connection_info(u->slirp);
        unsigned hub;
        char dummy;
        int id = u->nc.peer && sscanf(u->nc.peer->name, "hub%uport%c", &hub, &dummy) == 2 ? (int)hub : -1;
        g_string_append_printf(out, "Hub %d (%s):\n%s", id, u->nc.name, text);
        g_free(text); /* libslirp allocates with GLib */
    }
}

static UserNet *find_user(const char *id, GError **errp)
{
    GList *l = user_net_list();

    for (; l && id; l = l->next)
        if (!strcmp(((UserNet *)l->data)->nc.name, id))
            break;
    if (!l)
        error_set(errp, id ? "there is no user network '%s'" : "there is no user network", id);
    return l ? l->data : NULL;
}

bool net_hostfwd_add(const char *id, const char *rule, GError **errp)
{
    UserNet *u = find_user(id, errp);

    return u && user_net_hostfwd(u, rule, true, errp);
}

bool net_hostfwd_remove(const char *id, const char *rule, GError **errp)
{
    UserNet *u = find_user(id, errp);

    return u && user_net_hostfwd(u, rule, false, errp);
}
