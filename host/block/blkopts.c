/* blkopts.c - tables of block options, see blkopts.h.
 * Spec: qemu's -blockdev syntax (key=value with dotted keys, or a JSON object) and its pseudo file names.
 * Not modelled: URLs of network protocols but nbd (refused by their names). */
#include "host/base/osdep.h"
#include "host/block/blkopts.h"
#include "host/block/nbd.h"
#include "host/base/keyval.h"

enum { MAX_JSON_DEPTH = 64 };

BlockOptions *blkopts_new(void) { return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free); }

void blkopts_free(BlockOptions *o)
{
    if (o)
        g_hash_table_unref(o);
}

void blkopts_set(BlockOptions *o, const char *key, const char *val) { g_hash_table_replace(o, g_strdup(key), g_strdup(val)); }

BlockOptions *blkopts_copy(BlockOptions *o)
{
    BlockOptions *n = blkopts_new();
    GHashTableIter it;
    gpointer k, v;
    for (g_hash_table_iter_init(&it, o); g_hash_table_iter_next(&it, &k, &v);)
        blkopts_set(n, k, v);
    return n;
}

/* ---- JSON ---- */

typedef struct Json {
    const char *p;
    BlockOptions *out;
    unsigned depth;
} Json;

static void skip_space(Json *j)
{
    while (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r')
        j->p++;
}

static bool bad(Json *j, const char *want, GError **errp)
{
    return error_set(errp, "JSON parse error: %s expected at '%.20s'", want, *j->p ? j->p : "(the end)");
}

static bool json_text(Json *j, GString *out, GError **errp)
{
    char quote = *j->p;
    if (quote != '"' && quote != '\'')
        return bad(j, "a string", errp);
    for (j->p++; *j->p && *j->p != quote; j->p++) {
        static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
        if (*j->p != '\\') {
            g_string_append_c(out, *j->p);
            continue;
        }
        const char *f = *++j->p ? strchr(from, *j->p) : NULL;
        if (*j->p == 'u') {
            char hex[5] = "", *end;
            for (int i = 0; i < 4 && j->p[1]; i++)
                hex[i] = *++j->p;
            unsigned long c = strtoul(hex, &end, 16);
            if (end != hex + 4 || !c || (c >= 0xd800 && c < 0xe000))
                return bad(j, "four hexadecimal digits of a character", errp);
            g_string_append_unichar(out, (gunichar)c);
        } else if (f) {
            g_string_append_c(out, to[f - from]);
        } else if (*j->p == '"' || *j->p == '\'' || *j->p == '\\' || *j->p == '/') {
            g_string_append_c(out, *j->p);
        } else {
            return bad(j, "an escape", errp);
        }
    }
    if (*j->p != quote)
        return bad(j, "the end of a string", errp);
    j->p++;
    return true;
}

static bool json_value(Json *j, const char *key, GError **errp);

/* The members of an object, or (close is ']') of a list. */
static bool json_members(Json *j, const char *prefix, char close, GError **errp)
{
    if (++j->depth > MAX_JSON_DEPTH)
        return error_set(errp, "JSON parse error: nested too deeply");
    j->p++;
    skip_space(j);
    for (unsigned n = 0; *j->p != close; n++) {
        g_autoptr(GString) key = g_string_new(prefix);
        if (key->len)
            g_string_append_c(key, '.');
        if (n) {
            if (*j->p != ',')
                return bad(j, close == '}' ? "',' or '}'" : "',' or ']'", errp);
            j->p++;
            skip_space(j);
        }
        if (close == ']') {
            g_string_append_printf(key, "%u", n);
        } else {
            if (!json_text(j, key, errp))
                return false;
            skip_space(j);
            if (*j->p++ != ':') {
                j->p--;
                return bad(j, "':'", errp);
            }
        }
        if (!json_value(j, key->str, errp))
            return false;
        skip_space(j);
    }
    j->p++;
    j->depth--;
    return true;
}

static bool json_value(Json *j, const char *key, GError **errp)
{
    skip_space(j);
    if (*j->p == '{' || *j->p == '[')
        return json_members(j, key, *j->p == '{' ? '}' : ']', errp);
    g_autoptr(GString) val = g_string_new(NULL);
    if (*j->p == '"' || *j->p == '\'') {
        if (!json_text(j, val, errp))
            return false;
    } else {
        size_t n = strspn(j->p, "+-.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
        g_string_append_len(val, j->p, (gssize)n);
        bool word = !strcmp(val->str, "true") || !strcmp(val->str, "false") || !strcmp(val->str, "null");
        if (!n || (!word && !g_ascii_isdigit(val->str[val->str[0] == '-'])))
            return bad(j, "a value", errp);
        j->p += n;
        if (word)
            g_string_assign(val, val->str[0] == 't' ? "on" : val->str[0] == 'f' ? "off" : "");
    }
    blkopts_set(j->out, key, val->str);
    return true;
}

bool blkopts_add_json(BlockOptions *o, const char *json, GError **errp)
{
    Json j = {.p = json, .out = o};
    skip_space(&j);
    if (*j.p != '{')
        return bad(&j, "'{'", errp);
    if (!json_members(&j, "", '}', errp))
        return false;
    skip_space(&j);
    return !*j.p || bad(&j, "the end", errp);
}

char *blkopts_json_to_text(const char *json, GError **errp)
{
    BlockOptions *o = blkopts_new();
    GString *out = g_string_new(NULL);
    bool ok = blkopts_add_json(o, json, errp);
    GList *keys = g_list_sort(g_hash_table_get_keys(o), (GCompareFunc)strcmp);

    for (GList *l = keys; l; l = l->next) {
        g_autofree char *key = g_strdup(l->data);
        g_autoptr(GString) val = g_string_new(blkopts_get(o, l->data));
        char *dot = g_str_has_suffix(key, ".str") ? strchr(key, '.') : NULL;
        if (dot && g_ascii_isdigit(dot[1]))
            *dot = 0;
        g_string_replace(val, ",", ",,", 0);
        g_string_append_printf(out, "%s%s=%s", out->len ? "," : "", key, val->str);
    }
    g_list_free(keys);
    blkopts_free(o);
    return g_string_free(out, !ok);
}

/* ---- texts ---- */

BlockOptions *blkopts_parse(const char *text, GError **errp)
{
    BlockOptions *o = blkopts_new();
    if (text[strspn(text, " \t\n")] == '{') {
        if (blkopts_add_json(o, text, errp))
            return o;
        blkopts_free(o);
        return NULL;
    }
    GPtrArray *kv = keyval_parse(text, "driver");
    for (guint i = 0; i < kv->len; i++) {
        const KeyVal *k = g_ptr_array_index(kv, i);
        blkopts_set(o, k->key, k->val);
    }
    keyval_free(kv);
    return o;
}

static void set_default(BlockOptions *o, const char *key, const char *val)
{
    if (!blkopts_get(o, key))
        blkopts_set(o, key, val);
}

char *blkopts_protocol(const char *name)
{
    size_t n = strcspn(name, ":/");
    return n && name[n] == ':' ? g_strndup(name, n) : NULL;
}

bool blkopts_add_filename(BlockOptions *o, const char *name, GError **errp)
{
    if (g_str_has_prefix(name, "json:")) {
        BlockOptions *j = blkopts_new();
        GHashTableIter it;
        gpointer k, v;
        bool ok = blkopts_add_json(j, name + 5, errp);
        for (g_hash_table_iter_init(&it, j); ok && g_hash_table_iter_next(&it, &k, &v);)
            set_default(o, k, v);
        blkopts_free(j);
        return ok;
    }
    if (g_str_has_prefix(name, "blkdebug:")) {
        const char *colon = strchr(name + 9, ':');
        if (!colon)
            return error_set(errp, "Could not open '%s': blkdebug requires both config file and image path (blkdebug:RULES:IMAGE)", name);
        g_autofree char *rules = g_strndup(name + 9, (gsize)(colon - name - 9));
        blkopts_set(o, "file.driver", "blkdebug");
        if (rules[0])
            set_default(o, "file.config", rules);
        set_default(o, "file.image.driver", "file");
        set_default(o, "file.image.filename", g_str_has_prefix(colon + 1, "file:") ? colon + 6 : colon + 1);
        return true;
    }
    if (g_str_has_prefix(name, "null-co://") || g_str_has_prefix(name, "null-aio://")) {
        set_default(o, "file.driver", name[5] == 'c' ? "null-co" : "null-aio");
        return true;
    }
    if (g_str_has_prefix(name, "fat:")) {
        const char *dir = strrchr(name, ':') + 1;
        set_default(o, "file.driver", "vvfat");
        set_default(o, "file.dir", dir);
        for (const char *const *w = (const char *const[]){"floppy", "rw", "12", "16", "32", NULL}; *w; w++) {
            g_autofree char *key = g_strdup_printf(":%s:", *w);
            const char *at = strstr(name, key);
            if (at && at < dir && g_ascii_isdigit(**w))
                set_default(o, "file.fat-type", *w);
            else if (at && at < dir)
                set_default(o, **w == 'f' ? "file.floppy" : "file.rw", "on");
        }
        return true;
    }
    if (g_str_has_prefix(name, "host_device:") || g_str_has_prefix(name, "host_cdrom:")) {
        const char *colon = strchr(name, ':');
        g_autofree char *driver = g_strndup(name, (gsize)(colon - name));
        set_default(o, "file.driver", driver);
        set_default(o, "file.filename", colon + 1);
        return true;
    }
    g_autofree char *proto = blkopts_protocol(name);
    if (proto && (g_str_equal(proto, "nbd") || g_str_has_prefix(proto, "nbd+")))
        return nbd_parse_name(o, name, errp);
    if (proto && !g_str_equal(proto, "file"))
        return error_set(errp, "'%s': Unknown protocol '%s' (supported: file host_device host_cdrom fat nbd null-co blkdebug json; a file of that name is ./%s)",
                         name, proto, name);
    if (proto)
        name += 5;
    /* {"driver":"file"} with the name apart, as the header of an overlay may have it */
    const char *d = blkopts_get(o, "driver");
    set_default(o, d && (g_str_equal(d, "file") || g_str_equal(d, "host_device")) ? "filename" : "file.filename", name);
    return true;
}

/* ---- taking ---- */

const char *blkopts_get(BlockOptions *o, const char *key) { return g_hash_table_lookup(o, key); }

char *blkopts_take(BlockOptions *o, const char *key)
{
    gpointer k = NULL, v = NULL;
    if (!g_hash_table_steal_extended(o, key, &k, &v))
        return NULL;
    g_free(k);
    return v;
}

bool blkopts_take_bool(BlockOptions *o, const char *key, bool *out, GError **errp)
{
    g_autofree char *v = blkopts_take(o, key);
    return !v || parse_bool(key, v, out, errp);
}

bool blkopts_take_size(BlockOptions *o, const char *key, uint64_t *out, GError **errp)
{
    g_autofree char *v = blkopts_take(o, key);
    return !v || parse_size(key, v, 1, out, errp);
}

bool blkopts_take_choice(BlockOptions *o, const char *key, const char *choices, const char **out, GError **errp)
{
    g_autofree char *v = blkopts_take(o, key);
    g_auto(GStrv) list = g_strsplit(choices, " ", -1);
    if (v && !g_strv_contains((const gchar *const *)list, v))
        return error_set(errp, "%s=%s is not supported (choices: %s)", key, v, choices);
    if (v && out)
        *out = g_intern_string(v);
    return true;
}

BlockOptions *blkopts_take_sub(BlockOptions *o, const char *prefix)
{
    BlockOptions *sub = blkopts_new();
    size_t n = strlen(prefix);
    GHashTableIter it;
    gpointer k, v;
    for (g_hash_table_iter_init(&it, o); g_hash_table_iter_next(&it, &k, &v);) {
        if (strncmp(k, prefix, n) || ((char *)k)[n] != '.')
            continue;
        blkopts_set(sub, (char *)k + n + 1, v);
        g_hash_table_iter_remove(&it);
    }
    return sub;
}

bool blkopts_check_empty(BlockOptions *o, const char *what, GError **errp)
{
    GList *keys = g_list_sort(g_hash_table_get_keys(o), (GCompareFunc)strcmp);
    bool ok = !keys || error_set(errp, "%s does not support the option '%s'", what, (char *)keys->data);
    g_list_free(keys);
    return ok;
}
