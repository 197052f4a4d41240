/* open.c - from text to a chardev: -chardev options and the legacy texts of -serial and -monitor.
 * Spec: "stdio", "null", "none", "pty", "vc", "file:P", "pipe:P", "tcp:H:P[,opts]", "telnet:H:P[,opts]",
 * "unix:P[,opts]", "mon:SPEC", "chardev:ID", as in qemu's manual page.
 * "udp:H:P[@S:SP]", "/dev/X"; not modelled: websocket, parallel host devices, spice. */
#include "host/base/osdep.h"
#include "host/char/chardev-int.h"
#include <fcntl.h>

#define COMMON_KEYS "id backend mux logfile logappend"
#define BACKENDS "file null pipe pty ringbuf serial socket stdio udp vc"

static const ChardevBackend backends[] = {
    {"file", "path append input-path", chr_open_file},
    {"null", "", chr_open_null},
    {"pipe", "path", chr_open_pipe},
    {"pty", "path", chr_open_pty},
    {"ringbuf", "size", chr_open_ringbuf},
    {"memory", "size", chr_open_ringbuf},
    {"socket", "host port path fd to server wait reconnect telnet delay ipv4 ipv6 abstract tight", chr_open_socket},
    {"serial", "path", chr_open_host_serial},
    {"tty", "path", chr_open_host_serial},
    {"stdio", "signal", chr_open_stdio},
    {"udp", "host port localaddr localport ipv4 ipv6", chr_open_udp},
    {"vc", "width height cols rows", chr_open_null}, /* no text consoles in windows: swallows all */
};

void chardev_list_backends(GString *out)
{
    g_string_append(out, "Available chardev backend types: \n");
    g_auto(GStrv) names = g_strsplit(BACKENDS, " ", -1);
    for (int i = 0; names[i]; i++)
        g_string_append_printf(out, "  %s\n", names[i]);
}

static bool open_log(Chardev *chr, const GPtrArray *kv, GError **errp)
{
    const char *path = keyval_get(kv, "logfile");
    bool append = false;
    if (!keyval_bool(kv, "logappend", &append, errp))
        return false;
    if (!path)
        return true;
    chr->log_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);
    if (chr->log_fd < 0)
        return error_set_errno(errp, errno, "chardev '%s': unable to open logfile '%s'", chr->label, path);
    return true;
}

static Chardev *open_kv(const char *label, const GPtrArray *kv, GError **errp)
{
    const char *name = keyval_get(kv, "backend");
    const ChardevBackend *be = NULL;
    bool mux = false;

    for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
        if (g_str_equal(backends[i].name, name))
            be = &backends[i];
    if (!be) {
        error_set(errp, "'%s' is not a valid char driver name (choices: %s)", name, BACKENDS);
        return NULL;
    }
    g_autofree char *keys = g_strconcat(COMMON_KEYS, be->keys[0] ? " " : "", be->keys, NULL);
    g_autofree char *what = g_strdup_printf("chardev %s", name);
    if (!keyval_check(kv, what, keys, errp) || !keyval_bool(kv, "mux", &mux, errp))
        return NULL;
    g_autofree char *base_label = g_strconcat(label, mux ? "-base" : "", NULL);
    if (mux && chardev_find(label)) {
        error_set(errp, "Duplicate ID '%s' for chardev", label);
        return NULL;
    }
    Chardev *chr = chr_new(base_label, errp);
    if (!chr)
        return NULL;
    if (!open_log(chr, kv, errp) || !be->open(chr, kv, errp)) {
        chr_destroy(chr);
        return NULL;
    }
    if (!mux)
        return chr;
    Chardev *m = chr_mux_new(label, chr, errp);
    if (!m)
        chr_destroy(chr);
    return m;
}

static void kv_add(GPtrArray *kv, const char *key, char *val)
{
    KeyVal *k = g_new0(KeyVal, 1);
    k->key = g_strdup(key);
    k->val = val;
    g_ptr_array_add(kv, k);
}

/* "tcp:HOST:PORT,opts" and "telnet:...": host may be empty or [v6]. */
static bool legacy_socket(GPtrArray *kv, const char *spec, GError **errp)
{
    const char *addr = strchr(spec, ':') + 1;
    const char *comma = strchr(addr, ',');
    g_autofree char *hp = comma ? g_strndup(addr, comma - addr) : g_strdup(addr);
    char *colon = strrchr(hp, ':');

    if (!colon || !colon[1])
        return error_set(errp, "'%s': expected HOST:PORT", spec);
    *colon = 0;
    char *host = hp;
    size_t n = strlen(host);
    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = 0;
        host++;
    }
    kv_add(kv, "backend", g_strdup("socket"));
    kv_add(kv, "host", g_strdup(host));
    kv_add(kv, "port", g_strdup(colon + 1));
    if (g_str_has_prefix(spec, "telnet:"))
        kv_add(kv, "telnet", g_strdup("on"));
    return true;
}

/* "HOST:PORT" into two settings; host may be empty or [v6]. */
static bool add_host_port(GPtrArray *kv, const char *text, const char *host_key, const char *port_key)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;

    if (!colon)
        return false;
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']')
        kv_add(kv, host_key, g_strndup(text + 1, n - 2));
    else if (n)
        kv_add(kv, host_key, g_strndup(text, n));
    if (colon[1])
        kv_add(kv, port_key, g_strdup(colon + 1));
    return true;
}

static bool legacy_udp(GPtrArray *kv, const char *spec, GError **errp)
{
    g_auto(GStrv) ends = g_strsplit(spec + 4, "@", 2);

    kv_add(kv, "backend", g_strdup("udp"));
    if (!add_host_port(kv, ends[0] ? ends[0] : "", "host", "port") ||
        (ends[0] && ends[1] && !add_host_port(kv, ends[1], "localaddr", "localport")))
        return error_set(errp, "'%s': expected [HOST]:PORT[@[ADDRESS]:PORT]", spec);
    return true;
}

/* Options after the first comma. */
static void legacy_rest(GPtrArray *kv, const char *text)
{
    const char *comma = strchr(text, ',');
    if (!comma)
        return;
    GPtrArray *rest = keyval_parse(comma + 1, NULL);
    for (guint i = 0; i < rest->len; i++) {
        KeyVal *k = g_ptr_array_index(rest, i);
        kv_add(kv, k->key, g_strdup(k->val));
    }
    keyval_free(rest);
}

static char *before_comma(const char *s)
{
    const char *c = strchr(s, ',');
    return c ? g_strndup(s, c - s) : g_strdup(s);
}

bool chardev_new_legacy(const char *label, const char *spec, Chardev **out, GError **errp)
{
    const char *p = spec, *rest;
    *out = NULL;
    if (g_str_equal(p, "none"))
        return true;
    if (g_str_has_prefix(p, "chardev:")) {
        *out = chardev_find(p + 8);
        return *out || error_set(errp, "chardev '%s' not found", p + 8);
    }
    GPtrArray *kv = keyval_parse("", NULL);
    if (g_str_has_prefix(p, "mon:")) {
        p += 4;
        kv_add(kv, "mux", g_strdup("on"));
        /* The terminal belongs to guest and monitor: Ctrl-C is for the guest. */
        if (g_str_equal(p, "stdio"))
            kv_add(kv, "signal", g_strdup("off"));
    }
    g_autofree char *first = before_comma(p);
    if (g_str_equal(first, "stdio") || g_str_equal(first, "null") || g_str_equal(first, "pty") ||
        g_str_equal(first, "vc") || g_str_has_prefix(first, "vc:")) {
        kv_add(kv, "backend", g_str_has_prefix(first, "vc") ? g_strdup("vc") : g_strdup(first));
        legacy_rest(kv, p);
    } else if (g_str_has_prefix(p, "file:") || g_str_has_prefix(p, "pipe:")) {
        kv_add(kv, "backend", g_strndup(p, 4));
        kv_add(kv, "path", g_strdup(p + 5));
    } else if (g_str_has_prefix(p, "unix:")) {
        rest = p + 5;
        kv_add(kv, "backend", g_strdup("socket"));
        kv_add(kv, "path", before_comma(rest));
        legacy_rest(kv, rest);
    } else if (g_str_has_prefix(p, "tcp:") || g_str_has_prefix(p, "telnet:")) {
        if (!legacy_socket(kv, p, errp)) {
            keyval_free(kv);
            return false;
        }
        legacy_rest(kv, p);
    } else if (g_str_has_prefix(p, "udp:")) {
        if (!legacy_udp(kv, first, errp)) {
            keyval_free(kv);
            return false;
        }
    } else if (g_str_has_prefix(p, "/dev/")) {
        kv_add(kv, "backend", g_strdup("serial"));
        kv_add(kv, "path", before_comma(p));
    } else {
        keyval_free(kv);
        return error_set(errp, "'%s' is not a valid char driver (choices: stdio null none pty vc file:PATH pipe:PATH "
                               "unix:PATH tcp:HOST:PORT telnet:HOST:PORT udp:HOST:PORT /dev/X mon:SPEC chardev:ID)", spec);
    }
    *out = open_kv(label, kv, errp);
    keyval_free(kv);
    return *out != NULL;
}

Chardev *chardev_new_opts(const char *optstr, GError **errp)
{
    GPtrArray *kv = keyval_parse(optstr, "backend");
    const char *id = keyval_get(kv, "id");
    Chardev *chr = NULL;
    if (!keyval_get(kv, "backend"))
        error_set(errp, "chardev: \"%s\" missing backend", optstr);
    else if (!id)
        error_set(errp, "chardev: no id specified in '%s'", optstr);
    else
        chr = open_kv(id, kv, errp);
    keyval_free(kv);
    return chr;
}
