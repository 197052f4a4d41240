/* keyval.c - option texts: splitting, look-up, numbers, sizes and switches with clear errors.
 * Spec: the syntax of qemu's option groups ("key=value,...", ",," for a comma, short booleans).
 * Not modelled: dotted keys as nested objects, JSON objects. */
#include "host/base/osdep.h"
#include "host/base/keyval.h"
#include <math.h>

static void item_free(gpointer p)
{
    KeyVal *k = p;
    g_free(k->key);
    g_free(k->val);
    g_free(k);
}

void keyval_free(GPtrArray *kv)
{
    if (kv)
        g_ptr_array_unref(kv);
}

GPtrArray *keyval_parse(const char *text, const char *implied_key)
{
    GPtrArray *kv = g_ptr_array_new_with_free_func(item_free);
    const char *p = text;
    bool first = true;

    while (*p) {
        GString *item = g_string_new(NULL);
        gssize eq = -1;
        while (*p && (*p != ',' || p[1] == ',')) {
            if (*p == ',')
                p++;
            else if (*p == '=' && eq < 0)
                eq = (gssize)item->len;
            g_string_append_c(item, *p++);
        }
        KeyVal *k = g_new0(KeyVal, 1);
        if (eq >= 0) {
            k->key = g_strndup(item->str, eq);
            k->val = g_strdup(item->str + eq + 1);
        } else if (first && implied_key) {
            k->key = g_strdup(implied_key);
            k->val = g_strdup(item->str);
        } else {
            k->bare = true;
            /* "nowait" and "nodelay" are the old spellings of wait=off and delay=off. */
            if (g_str_equal(item->str, "nowait") || g_str_equal(item->str, "nodelay")) {
                k->key = g_strdup(item->str + 2);
                k->val = g_strdup("off");
            } else {
                k->key = g_strdup(item->str);
                k->val = g_strdup("on");
            }
        }
        g_string_free(item, TRUE);
        if (k->key[0] || k->val[0])
            g_ptr_array_add(kv, k);
        else
            item_free(k);
        first = false;
        if (*p == ',')
            p++;
    }
    return kv;
}

const char *keyval_get(const GPtrArray *kv, const char *key)
{
    for (guint i = kv->len; i-- > 0;) {
        const KeyVal *k = g_ptr_array_index(kv, i);
        if (g_str_equal(k->key, key))
            return k->val;
    }
    return NULL;
}

bool keyval_check(const GPtrArray *kv, const char *what, const char *allowed, GError **errp)
{
    g_auto(GStrv) names = g_strsplit(allowed, " ", -1);
    for (guint i = 0; i < kv->len; i++) {
        const KeyVal *k = g_ptr_array_index(kv, i);
        if (!g_strv_contains((const gchar *const *)names, k->key))
            return error_set(errp, "%s: unknown parameter '%s' (allowed: %s)", what, k->key, allowed);
    }
    return true;
}

bool parse_bool(const char *what, const char *val, bool *out, GError **errp)
{
    if (g_str_equal(val, "on") || g_str_equal(val, "yes") || g_str_equal(val, "true") || g_str_equal(val, "y"))
        *out = true;
    else if (g_str_equal(val, "off") || g_str_equal(val, "no") || g_str_equal(val, "false") ||
             g_str_equal(val, "n"))
        *out = false;
    else
        return error_set(errp, "%s: '%s' is not 'on' or 'off'", what, val);
    return true;
}

bool parse_uint(const char *what, const char *val, uint64_t min, uint64_t max, uint64_t *out, GError **errp)
{
    char *end;
    errno = 0;
    uint64_t v = strtoull(val, &end, 0);
    if (!g_ascii_isdigit(val[0]) || *end || errno)
        return error_set(errp, "%s: '%s' is not a number", what, val);
    if (v < min || v > max)
        return error_set(errp, "%s: %s is out of range (%" PRIu64 " to %" PRIu64 ")", what, val, min, max);
    *out = v;
    return true;
}

bool parse_size(const char *what, const char *val, uint64_t unit, uint64_t *out, GError **errp)
{
    static const char units[] = "BKMGTPE";
    bool hex = val[0] == '0' && (val[1] == 'x' || val[1] == 'X');
    char *end = NULL;
    long double v = 0;

    if (!g_ascii_isdigit(val[0]))
        goto bad;
    if (hex) {
        v = (long double)strtoull(val, &end, 16);
    } else {
        v = (long double)g_ascii_strtoull(val, &end, 10);
        if (*end == '.')
            v = (long double)g_ascii_strtod(val, &end);
    }
    if (*end) {
        const char *u = strchr(units, g_ascii_toupper(*end));
        if (!u)
            goto bad;
        end++;
        if (*end == 'i' && (end[1] == 'B' || !end[1]))
            end += end[1] ? 2 : 1;
        else if (*end == 'B' && u != units)
            end++;
        if (*end)
            goto bad;
        unit = 1ULL << (10 * (u - units));
    }
    v *= (long double)unit;
    if (v >= 9.2e18L)
        return error_set(errp, "%s: '%s' is too large", what, val);
    *out = (uint64_t)v;
    return true;
bad:
    return error_set(errp, "%s: '%s' is not a size (a number with suffix k, M, G or T)", what, val);
}

bool keyval_bool(const GPtrArray *kv, const char *key, bool *out, GError **errp)
{
    const char *v = keyval_get(kv, key);
    return !v || parse_bool(key, v, out, errp);
}

bool keyval_uint(const GPtrArray *kv, const char *key, uint64_t min, uint64_t max, uint64_t *out, GError **errp)
{
    const char *v = keyval_get(kv, key);
    return !v || parse_uint(key, v, min, max, out, errp);
}
