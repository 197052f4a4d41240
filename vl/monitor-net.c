/* monitor-net.c - the monitor's network commands: info network, info usernet, hostfwd_add, hostfwd_remove, set_link. */
#include "host/base/osdep.h"
#include "vl/monitor.h"

#include "host/base/keyval.h"
#include "host/net/net.h"

void info_network(Monitor *m, const MonArgs *a)
{
    g_autoptr(GString) s = g_string_new(NULL);

    net_info_network(s);
    monitor_puts(m, s->str, s->len);
}

void info_usernet(Monitor *m, const MonArgs *a)
{
    g_autoptr(GString) s = g_string_new(NULL);

    net_info_usernet(s);
    monitor_puts(m, s->str, s->len);
}

/* One argument: the rule; two: the network's id before it. */
static void forward(Monitor *m, const MonArgs *a, bool add)
{
    const char *id = a->has[1] ? a->str[0] : NULL, *rule = a->has[1] ? a->str[1] : a->str[0];
    GError *err = NULL;

    if (!(add ? net_hostfwd_add : net_hostfwd_remove)(id, rule, &err)) {
        monitor_printf(m, "%s\n", err->message);
        g_error_free(err);
    } else if (!add) {
        monitor_printf(m, "host forwarding rule for %s removed\n", rule);
    }
}

void mon_hostfwd_add(Monitor *m, const MonArgs *a) { forward(m, a, true); }
void mon_hostfwd_remove(Monitor *m, const MonArgs *a) { forward(m, a, false); }

void mon_set_link(Monitor *m, const MonArgs *a)
{
    NetClient *nc = net_client_find(a->str[0]);
    GError *err = NULL;
    bool up = false;

    if (!parse_bool("set_link", a->str[1], &up, &err)) {
        monitor_error(m, err);
        return;
    }
    if (nc) {
        net_set_link(nc, up);
        return;
    }
    error_set(&err, "Device '%s' not found", a->str[0]);
    monitor_error(m, err);
}
