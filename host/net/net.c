/* net.c - clients, peers and queues of the virtual networks; the list of backends
 * Frames pass from the sender straight into the receiver where that is allowed: the receiver is not in the middle
 * of sending or receiving itself, the machine runs, and a NIC is entered in the main thread only. All others wait.
 * Not modelled: bandwidth, collisions. */
#include "host/base/osdep.h"
#include "host/net/net.h"

#include "host/base/keyval.h"

enum { QUEUE_MAX = 2048 };

static GList *clients;
static bool running = true, flush_scheduled;

GList *net_client_list(void) { return clients; }

NetClient *net_client_new(const NetClientOps *ops, const char *name, const char *model)
{
    NetClient *nc = g_malloc0(ops->size);

    nc->ops = ops;
    nc->name = g_strdup(name);
    nc->model = g_strdup(model);
    nc->info = g_strdup("");
    g_queue_init(&nc->in);
    clients = g_list_append(clients, nc);
    return nc;
}

void net_purge(NetClient *nc)
{
    GBytes *b;

    while ((b = g_queue_pop_head(&nc->in)))
        g_bytes_unref(b);
}

void net_client_free(NetClient *nc)
{
    if (!nc)
        return;
    if (nc->ops->close)
        nc->ops->close(nc);
    if (nc->peer)
        nc->peer->peer = NULL;
    net_purge(nc);
    clients = g_list_remove(clients, nc);
    g_free(nc->name);
    g_free(nc->model);
    g_free(nc->info);
    g_free(nc);
}

void net_cleanup_all(void)
{
    GList *l = clients;

    while (l) { /* a card's client belongs to the card */
        NetClient *nc = l->data;
        l = l->next;
        if (!nc->model)
            net_client_free(nc);
    }
}

NetClient *net_client_find(const char *name)
{
    for (GList *l = clients; l; l = l->next)
        if (!strcmp(((NetClient *)l->data)->name, name))
            return l->data;
    return NULL;
}

void net_client_set_info(NetClient *nc, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_free(nc->info);
    nc->info = g_strdup_vprintf(fmt, ap);
    va_end(ap);
}

bool net_connect(NetClient *a, NetClient *b, GError **errp)
{
    NetClient *taken = a->peer ? a : b->peer ? b : NULL;

    if (taken)
        return error_set(errp, "'%s' is in use by '%s' already", taken->name, taken->peer->name);
    a->peer = b;
    b->peer = a;
    return true;
}

/* --- frames --- */

static bool may_enter(NetClient *to)
{
    return running && !to->sending && !to->receiving &&
           (!to->ops->main_thread || g_main_context_is_owner(g_main_context_default())) &&
           (!to->ops->can_receive || to->ops->can_receive(to));
}

static bool enter(NetClient *to, const uint8_t *buf, size_t len)
{
    bool taken;

    to->receiving = true;
    taken = to->ops->receive(to, buf, len);
    to->receiving = false;
    return taken;
}

static void drain(NetClient *nc)
{
    while (!g_queue_is_empty(&nc->in) && may_enter(nc)) {
        GBytes *b = g_queue_pop_head(&nc->in);
        gsize len;
        const uint8_t *data = g_bytes_get_data(b, &len);
        if (!enter(nc, data, len)) {
            g_queue_push_head(&nc->in, b);
            break;
        }
        g_bytes_unref(b);
    }
    if (nc->was_full && g_queue_get_length(&nc->in) < QUEUE_MAX / 2) {
        nc->was_full = false;
        if (nc->peer && nc->peer->ops->drained)
            nc->peer->ops->drained(nc->peer);
    }
}

static gboolean flush_all(gpointer opaque)
{
    flush_scheduled = false;
    for (GList *l = clients; l; l = l->next)
        drain(l->data);
    return G_SOURCE_REMOVE;
}

static void schedule_flush(void)
{
    if (flush_scheduled)
        return;
    flush_scheduled = true;
    g_idle_add_full(G_PRIORITY_DEFAULT, flush_all, NULL, NULL);
}

void net_flush(NetClient *nc)
{
    if (!g_queue_is_empty(&nc->in))
        schedule_flush();
}

void net_set_running(bool on)
{
    running = on;
    if (on)
        schedule_flush();
}

bool net_peer_has_room(NetClient *nc)
{
    if (!nc->peer || g_queue_get_length(&nc->peer->in) < QUEUE_MAX)
        return true;
    nc->peer->was_full = true;
    return false;
}

bool net_peer_takes_large(const NetClient *nc)
{
    return nc->peer && nc->peer->ops->takes_large;
}

bool net_peer_sums_right(const NetClient *nc)
{
    return nc->peer && nc->peer->ops->sums_right;
}

bool net_send(NetClient *nc, const uint8_t *buf, size_t len)
{
    NetClient *to = nc->peer;
    bool taken = true;

    if (!to || !len || len > NET_MAX_FRAME || nc->link_down || to->link_down)
        return true; /* lost on the way, as on a wire that ends nowhere */
    if (nc->capture)
        nc->capture(nc->capture_opaque, true, buf, len);
    if (to->capture)
        to->capture(to->capture_opaque, false, buf, len);
    nc->sending++;
    if (!g_queue_is_empty(&to->in) || !may_enter(to) || !enter(to, buf, len)) {
        if (g_queue_get_length(&to->in) >= QUEUE_MAX) {
            to->was_full = true;
            taken = false;
        } else {
            g_queue_push_tail(&to->in, g_bytes_new(buf, len));
            if (running)
                schedule_flush();
        }
    }
    nc->sending--;
    if (!nc->sending && !g_queue_is_empty(&nc->in))
        schedule_flush();
    return taken;
}

void net_set_link(NetClient *nc, bool up)
{
    if (nc->link_down == !up)
        return;
    nc->link_down = !up;
    if (nc->ops->link_changed)
        nc->ops->link_changed(nc);
    /* A backend has no lights of its own: its NIC sees the cable. */
    if (nc->peer && nc->peer->model && !nc->model) {
        nc->peer->link_down = !up;
        if (nc->peer->ops->link_changed)
            nc->peer->ops->link_changed(nc->peer);
    }
}

bool net_parse_mac(const char *text, uint8_t mac[6], GError **errp)
{
    const char *p = text;

    for (int i = 0; i < 6; i++) {
        char *end;
        unsigned long v = strtoul(p, &end, 16);
        if (!g_ascii_isxdigit(*p) || end == p || end - p > 2 || (i < 5 ? *end != ':' && *end != '-' : *end != 0))
            return error_set(errp, "mac=%s is no Ethernet address (six bytes in hex: 52:54:00:12:34:56)", text);
        mac[i] = (uint8_t)v;
        p = end + 1;
    }
    if (mac[0] & 1)
        return error_set(errp, "mac=%s is a group address (the first byte must be even)", text);
    return true;
}

/* --- hubs --- */

typedef struct HubPort {
    NetClient nc;
    unsigned hub, port;
} HubPort;

static bool hub_receive(NetClient *nc, const uint8_t *buf, size_t len)
{
    HubPort *p = (HubPort *)nc;

    for (GList *l = clients; l; l = l->next) {
        HubPort *q = l->data;
        if (q->nc.ops == nc->ops && q != p && q->hub == p->hub)
            net_send(&q->nc, buf, len);
    }
    return true;
}

static const NetClientOps hub_ops = {.type = "hubport", .size = sizeof(HubPort), .receive = hub_receive};

NetClient *net_hub_port(unsigned hub, const char *name)
{
    g_autofree char *own = NULL;
    unsigned ports = 0;
    HubPort *p;

    for (GList *l = clients; l; l = l->next) {
        HubPort *q = l->data;
        if (q->nc.ops == &hub_ops && q->hub == hub)
            ports++;
    }
    own = g_strdup_printf("hub%uport%u", hub, ports);
    p = (HubPort *)net_client_new(&hub_ops, name ? name : own, NULL);
    p->hub = hub;
    p->port = ports;
    net_client_set_info(&p->nc, "type=hubport");
    return &p->nc;
}

static bool hubport_new(const GPtrArray *kv, const char *id, GError **errp)
{
    uint64_t hub = UINT64_MAX;
    const char *netdev = keyval_get(kv, "netdev");
    NetClient *other = NULL, *port;

    if (!keyval_check(kv, "hubport", "type id hubid netdev", errp) ||
        !keyval_uint(kv, "hubid", 0, INT32_MAX, &hub, errp))
        return false;
    if (hub == UINT64_MAX)
        return error_set(errp, "hubport: the parameter hubid=NUMBER is missing");
    if (netdev && !(other = net_client_find(netdev)))
        return error_set(errp, "hubport: netdev=%s: there is no such network (define it first)", netdev);
    port = net_hub_port((unsigned)hub, id);
    return !other || net_connect(port, other, errp);
}

/* --- backends --- */

static const struct {
    const char *name;
    bool (*create)(const GPtrArray *kv, const char *id, GError **errp);
} backends[] = {
    {"socket", net_socket_new},
    {"hubport", hubport_new},
    {"tap", net_tap_new},
#if CONFIG_SLIRP
    {"user", net_user_new},
#endif
};

bool net_backend_known(const char *type)
{
    for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
        if (!strcmp(backends[i].name, type))
            return true;
    return false;
}

void net_backend_help(GString *out)
{
    g_string_append(out, "Available netdev backend types:\n");
    for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
        g_string_append_printf(out, "%s\n", backends[i].name);
}

const char *net_backend_choices(void)
{
    return CONFIG_SLIRP ? "user tap socket hubport" : "tap socket hubport (user needs libslirp)";
}

bool net_backend_new(const GPtrArray *kv, const char *id, GError **errp)
{
    const char *type = keyval_get(kv, "type");

    if (!type)
        return error_set(errp, "the type is missing (choices: %s)", net_backend_choices());
    if (net_client_find(id))
        return error_set(errp, "id=%s is taken by another network or NIC", id);
    for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
        if (!strcmp(backends[i].name, type))
            return backends[i].create(kv, id, errp);
    return error_set(errp, "'%s' is no network backend (choices: %s)", type, net_backend_choices());
}

/* --- monitor --- */

static void print_client(const NetClient *nc, GString *out)
{
    g_string_append_printf(out, "%s: index=0,%s%s\n", nc->name, nc->info, nc->link_down ? ",link=down" : "");
}

void net_info_network(GString *out)
{
    GHashTable *seen = g_hash_table_new(NULL, NULL);

    for (GList *l = clients; l; l = l->next) { /* hubs with their ports first */
        HubPort *p = l->data;
        if (p->nc.ops != &hub_ops || !g_hash_table_add(seen, GUINT_TO_POINTER(p->hub + 1)))
            continue;
        g_string_append_printf(out, "hub %u\n", p->hub);
        for (GList *k = l; k; k = k->next) {
            HubPort *q = k->data;
            if (q->nc.ops != &hub_ops || q->hub != p->hub)
                continue;
            g_string_append_printf(out, " \\ %s", q->nc.name);
            if (q->nc.peer) {
                g_string_append(out, ": ");
                print_client(q->nc.peer, out);
            } else {
                g_string_append_c(out, '\n');
            }
        }
    }
    g_hash_table_unref(seen);
    for (GList *l = clients; l; l = l->next) {
        NetClient *nc = l->data;
        if (nc->ops == &hub_ops || (nc->peer && nc->peer->ops == &hub_ops) || (nc->peer && !nc->model))
            continue; /* shown with its hub or its NIC */
        print_client(nc, out);
        if (nc->peer) {
            g_string_append(out, " \\ ");
            print_client(nc->peer, out);
        }
    }
}

#if !CONFIG_SLIRP
void net_info_usernet(GString *out) {}
bool net_hostfwd_add(const char *id, const char *rule, GError **errp)
{
    return error_set(errp, "there is no user network: built without libslirp");
}
bool net_hostfwd_remove(const char *id, const char *rule, GError **errp)
{
    return error_set(errp, "there is no user network: built without libslirp");
}
#endif
