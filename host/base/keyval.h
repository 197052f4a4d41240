/* keyval.h - the "value,key=value,flag" texts of the command line, as -drive, -chardev, -device take them. */
#ifndef HOST_BASE_KEYVAL_H
#define HOST_BASE_KEYVAL_H

#include "host/base/osdep.h"

typedef struct KeyVal {
    char *key;
    char *val;    /* for a bare word that is not the implied key: "on", or "off" for "noWORD" */
    bool bare;    /* written without '=' */
} KeyVal;

/* Splits at commas; ",," inside a value is one comma. The first item without '=' gets implied_key
 * (if not NULL). "nowait" becomes wait=off and "server" server=on. Free with keyval_free. */
GPtrArray *keyval_parse(const char *text, const char *implied_key);
void keyval_free(GPtrArray *kv);
/* The last value of that key, or NULL. */
const char *keyval_get(const GPtrArray *kv, const char *key);
/* Every key must stand in `allowed` (space-separated); else an error that names what, key and choices. */
bool keyval_check(const GPtrArray *kv, const char *what, const char *allowed, GError **errp);
/* on|off|yes|no|true|false; *out keeps its value when the key is not there. */
bool keyval_bool(const GPtrArray *kv, const char *key, bool *out, GError **errp);
/* Decimal, 0x or octal, within min..max. */
bool keyval_uint(const GPtrArray *kv, const char *key, uint64_t min, uint64_t max, uint64_t *out, GError **errp);
/* The text helpers under them. */
bool parse_bool(const char *what, const char *val, bool *out, GError **errp);
bool parse_uint(const char *what, const char *val, uint64_t min, uint64_t max, uint64_t *out, GError **errp);
/* "512", "1.5G", "64k" in bytes; a plain number is multiplied by `unit` (MiB for -m). */
bool parse_size(const char *what, const char *val, uint64_t unit, uint64_t *out, GError **errp);

#endif
