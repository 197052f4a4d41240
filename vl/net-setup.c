/* net-setup.c - the network options: -netdev TYPE, -nic TYPE (card and network in one), the legacy -net nic and
 * -net TYPE (all on hub 0), and the default card. Spec: qemu's manual, "Network options". */
#include "host/base/osdep.h"
#include "vl/net-setup.h"

#include "host/base/keyval.h"
#include "host/net/net.h"
#include "hw/net/nic.h"

static const char DEFAULT_MODEL[] = "e1000";

static bool is_netdev(const char *opt) { return g_str_has_suffix(opt, "-netdev"); }

static bool check_model(const char *model, GError **errp)
{
    g_autofree char *choices = NULL;

    if (!model || nic_find_model(model))
        return true;
    choices = nic_model_choices();
    return error_set(errp, "model=%s: there is no such network card (choices: %s)", model, choices);
}

bool option_net(VlConfig *c, const char *opt, const char *val, GError **errp)
{
    GPtrArray *kv;
    const char *type;
    bool ok = true;

    kv = keyval_parse(val, "type");
    type = keyval_get(kv, "type");
    if (is_netdev(opt)) {
        if (!keyval_get(kv, "id"))
            ok = error_set(errp, "Parameter 'id' is missing");
        else
            g_ptr_array_add(c->netdevs, g_strdup(val));
    } else {
        bool nic = g_str_has_suffix(opt, "-nic"), legacy_card = !nic && type && !strcmp(type, "nic");
        if (!type || (strcmp(type, "none") && !legacy_card && !net_backend_known(type)))
            ok = error_set(errp, "'%s' is no network backend (choices: none %s%s)", type ? type : "", nic ? "" : "nic ",
                           net_backend_choices());
        ok = ok && check_model(keyval_get(kv, "model"), errp);
        if (ok && type && !strcmp(type, "none") && kv->len > 1)
            ok = error_set(errp, "none takes no further settings");
        if (ok)
            g_ptr_array_add(c->nets, g_strdup_printf("%s %s", nic ? "-nic" : "-net", val));
    }
    keyval_free(kv);
    return ok;
}

bool net_value_help(const char *opt, const char *val)
{
    bool plain = !strcmp(val, "help") || !strcmp(val, "?");
    g_autoptr(GString) out = g_string_new(NULL);

    if (!strcmp(opt, "netdev") && plain) {
        net_backend_help(out);
    } else if ((!strcmp(opt, "nic") || !strcmp(opt, "net")) && (plain || strstr(val, "model=help") || strstr(val, "model=?"))) {
        g_string_append(out, "Available NIC models:\n");
        for (const NicModel *m = nic_models; m->cls; m++)
            g_string_append_printf(out, "%s\n", m->cls->name);
    } else {
        return false;
    }
    fputs(out->str, stdout);
    return true;
}

/* Takes a key out of the option; free the text. */
static char *take_key(GPtrArray *kv, const char *key)
{
    char *val = g_strdup(keyval_get(kv, key));

    for (guint i = kv->len; i-- > 0;)
        if (!strcmp(((KeyVal *)kv->pdata[i])->key, key))
            g_ptr_array_remove_index(kv, i);
    return val;
}

static char *own_id(void)
{
    for (unsigned i = 0;; i++) {
        char *id = g_strdup_printf("#net%u90", i);
        if (!net_client_find(id))
            return id;
        g_free(id);
    }
}

static void add_prop(GString *text, const char *key, const char *val)
{
    if (!val)
        return;
    g_auto(GStrv) parts = g_strsplit(val, ",", -1);
    g_autofree char *esc = g_strjoinv(",,", parts);
    g_string_append_printf(text, ",%s=%s", key, esc);
}

static bool add_nic(PcMachine *pc, const char *model, const char *netdev, const char *mac, const char *id,
                    const char *addr, GError **errp)
{
    g_autoptr(GString) text = g_string_new(model ? model : DEFAULT_MODEL);

    add_prop(text, "id", id);
    add_prop(text, "netdev", netdev);
    add_prop(text, "mac", mac);
    add_prop(text, "addr", addr);
    return pc_add_device(pc, text->str, errp);
}

/* -nic TYPE,...: a network and a card for it. */
static bool setup_nic(PcMachine *pc, GPtrArray *kv, GError **errp)
{
    g_autofree char *model = take_key(kv, "model"), *mac = take_key(kv, "mac"), *macaddr = take_key(kv, "macaddr");
    g_autofree char *addr = take_key(kv, "addr"), *id = take_key(kv, "id");

    if (!id)
        id = own_id();
    return net_backend_new(kv, id, errp) && add_nic(pc, model, id, mac ? mac : macaddr, NULL, addr, errp);
}

/* -net nic,... or -net TYPE,...: a plug in hub 0. */
static bool setup_legacy(PcMachine *pc, GPtrArray *kv, GError **errp)
{
    g_autofree char *name = take_key(kv, "name"), *id = take_key(kv, "id"), *mac = NULL;
    const char *type = keyval_get(kv, "type"), *netdev = keyval_get(kv, "netdev");
    NetClient *backend;

    if (type && !strcmp(type, "nic")) {
        if (!keyval_check(kv, "nic", "type netdev mac macaddr model addr vectors", errp))
            return false;
        mac = g_strdup(keyval_get(kv, "mac") ? keyval_get(kv, "mac") : keyval_get(kv, "macaddr"));
        if (!netdev)
            netdev = net_hub_port(0, NULL)->name;
        return add_nic(pc, keyval_get(kv, "model"), netdev, mac, id ? id : name, keyval_get(kv, "addr"), errp);
    }
    if (!id)
        id = name ? g_steal_pointer(&name) : own_id();
    if (!net_backend_new(kv, id, errp))
        return false;
    backend = net_client_find(id);
    return !backend || !strcmp(backend->ops->type, "hubport") || net_connect(net_hub_port(0, NULL), backend, errp);
}

static bool prefix_error(GError **errp, GError *err, const char *opt)
{
    error_set(errp, "%s: %s", opt, err->message);
    g_error_free(err);
    return false;
}

bool net_setup_backends(const VlConfig *c, GError **errp)
{
    for (guint i = 0; i < c->netdevs->len; i++) {
        g_autofree char *opt = g_strdup_printf("-netdev %s", (char *)c->netdevs->pdata[i]);
        GPtrArray *kv = keyval_parse(c->netdevs->pdata[i], "type");
        GError *err = NULL;
        net_backend_new(kv, keyval_get(kv, "id"), &err);
        keyval_free(kv);
        if (err)
            return prefix_error(errp, err, opt);
    }
    return true;
}

bool net_setup_nics(const VlConfig *c, PcMachine *pc, GError **errp)
{
    if (CONFIG_SLIRP && !c->nodefaults && !c->nets->len && !c->netdevs->len) {
        GPtrArray *kv = keyval_parse("user", "type");
        bool ok = setup_nic(pc, kv, errp);
        keyval_free(kv);
        return ok;
    }
    for (guint i = 0; i < c->nets->len; i++) {
        const char *opt = c->nets->pdata[i];
        GPtrArray *kv = keyval_parse(opt + 5, "type");
        const char *type = keyval_get(kv, "type");
        GError *err = NULL;
        if (!type || strcmp(type, "none")) {
            if (g_str_has_prefix(opt, "-nic"))
                setup_nic(pc, kv, &err);
            else
                setup_legacy(pc, kv, &err);
        }
        keyval_free(kv);
        if (err)
            return prefix_error(errp, err, opt);
    }
    return true;
}

void net_setup_check(const VlConfig *c)
{
    for (GList *l = net_client_list(); l; l = l->next) {
        NetClient *nc = l->data;
        if (!nc->peer)
            warn_report("%s %s has no peer", nc->model ? "nic" : "netdev", nc->name);
    }
}
