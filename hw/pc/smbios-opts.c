/* smbios-opts.c - the option -smbios
 * Spec: the option's fields as in qemu 7.2's documentation; structure format of DMTF DSP0134 6.1. */
#include "host/base/osdep.h"
#include "hw/pc/smbios-opts.h"

#include "host/base/bitops.h"
#include "host/base/keyval.h"
#include "hw/pc/boot.h"

/* Together they keep the whole table below the 64 KiB that its anchor can say. */
enum { FILE_MAX = 32 * KiB, FIELD_MAX = 256, OEM_TEXT_MAX = 1 * KiB, OEM_MAX = 16 };

static const struct {
    unsigned type;
    const char *keys;
} types[] = {
    {0, "type vendor version date release uefi"},
    {1, "type manufacturer product version serial uuid sku family"},
    {2, "type manufacturer product version serial asset location"},
    {3, "type manufacturer version serial asset sku"},
    {4, "type sock_pfx manufacturer version serial asset part max-speed current-speed processor-id"},
    {11, "type value path"},
    {17, "type loc_pfx bank manufacturer serial asset part speed"},
};

SmbiosOpts *smbios_opts_new(void)
{
    SmbiosOpts *o = g_new0(SmbiosOpts, 1);

    o->fields = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    o->oem = g_ptr_array_new_with_free_func(g_free);
    o->file = g_byte_array_new();
    return o;
}

void smbios_opts_free(SmbiosOpts *o)
{
    if (!o)
        return;
    g_hash_table_destroy(o->fields);
    g_ptr_array_free(o->oem, true);
    g_byte_array_free(o->file, true);
    g_free(o);
}

const char *smbios_opts_get(const SmbiosOpts *o, unsigned type, const char *key, const char *def)
{
    g_autofree char *name = g_strdup_printf("%u.%s", type, key);
    const char *v = o ? g_hash_table_lookup(o->fields, name) : NULL;

    return v ? v : def;
}

/* Bytes of the structure at p, its strings included; 0: it does not end before n. */
static size_t structure_size(const uint8_t *p, size_t n)
{
    size_t at = n >= 4 ? p[1] : 0;

    if (at < 4 || at + 2 > n)
        return 0;
    for (; at + 2 <= n; at++)
        if (!p[at] && !p[at + 1])
            return at + 2;
    return 0;
}

static bool add_file(SmbiosOpts *o, const char *path, GError **errp)
{
    size_t len, at = 0, n;
    g_autofree uint8_t *data = boot_read_file("file", path, FILE_MAX, &len, errp);

    if (!data)
        return false;
    if (!len)
        return error_set(errp, "'%s' is empty", path);
    for (; at < len; at += n) {
        n = structure_size(data + at, len - at);
        if (!n)
            return error_set(errp, "'%s': the structure at byte %zu is cut off or malformed", path, at);
        if (o->from_fields[data[at]])
            return error_set(errp, "'%s': a structure of type %u; type=%u,... was given too", path, data[at], data[at]);
        o->from_file[data[at]] = true;
        o->file_count++;
        o->file_largest = MAX(o->file_largest, (unsigned)n);
    }
    if (o->file->len + len > FILE_MAX)
        return error_set(errp, "'%s': all files together have more than %d bytes", path, FILE_MAX);
    g_byte_array_append(o->file, data, (guint)len);
    return true;
}

static bool add_oem(SmbiosOpts *o, const GPtrArray *kv, GError **errp)
{
    for (guint i = 0; i < kv->len; i++) {
        const KeyVal *k = kv->pdata[i];
        char *text = NULL;
        if (!strcmp(k->key, "value")) {
            text = g_strdup(k->val);
        } else if (!strcmp(k->key, "path")) {
            size_t len;
            uint8_t *data = boot_read_file("path", k->val, OEM_TEXT_MAX, &len, errp);
            if (!data)
                return false;
            text = g_strndup((const char *)data, len);
            g_free(data);
        } else {
            continue;
        }
        g_ptr_array_add(o->oem, text);
        if (!*text || strlen(text) > OEM_TEXT_MAX || o->oem->len > OEM_MAX)
            return error_set(errp, "type 11 takes up to %d strings of 1 to %d bytes", OEM_MAX, OEM_TEXT_MAX);
    }
    return true;
}

static bool check_values(unsigned type, const GPtrArray *kv, GError **errp)
{
    uint64_t n = 0;
    bool uefi = false;
    unsigned major, minor;
    const char *release = keyval_get(kv, "release"), *uuid = keyval_get(kv, "uuid");
    char end;

    for (guint i = 0; i < kv->len; i++) {
        const KeyVal *k = kv->pdata[i];
        if (type != 11 && strlen(k->val) > FIELD_MAX)
            return error_set(errp, "%s: more than %d bytes", k->key, FIELD_MAX);
    }
    if (release && (sscanf(release, "%3u.%3u%c", &major, &minor, &end) != 2 || major > 255 || minor > 255))
        return error_set(errp, "release=%s: two numbers from 0 to 255 with a dot between are needed", release);
    if (uuid && !g_uuid_string_is_valid(uuid))
        return error_set(errp, "uuid=%s: not of the form 12345678-1234-1234-1234-123456789abc", uuid);
    return keyval_bool(kv, "uefi", &uefi, errp) && keyval_uint(kv, "max-speed", 0, UINT16_MAX, &n, errp) &&
           keyval_uint(kv, "current-speed", 0, UINT16_MAX, &n, errp) &&
           keyval_uint(kv, "speed", 0, UINT16_MAX, &n, errp) &&
           keyval_uint(kv, "processor-id", 0, UINT64_MAX, &n, errp);
}

static bool add_fields(SmbiosOpts *o, const GPtrArray *kv, GError **errp)
{
    uint64_t type = 0;
    const char *keys = NULL;
    g_autofree char *what = NULL;

    if (!keyval_uint(kv, "type", 0, 255, &type, errp))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (types[i].type == type)
            keys = types[i].keys;
    if (!keys)
        return error_set(errp, "type=%u: fields can be set for types 0, 1, 2, 3, 4, 11 and 17 (file= takes any structure)",
                         (unsigned)type);
    what = g_strdup_printf("type=%u", (unsigned)type);
    if (o->from_file[type])
        return error_set(errp, "%s: a file has structures of this type already", what);
    if (!keyval_check(kv, what, keys, errp) || !check_values((unsigned)type, kv, errp))
        return false;
    o->from_fields[type] = true;
    if (type == 11)
        return add_oem(o, kv, errp);
    for (guint i = 0; i < kv->len; i++) {
        const KeyVal *k = kv->pdata[i];
        g_hash_table_replace(o->fields, g_strdup_printf("%u.%s", (unsigned)type, k->key), g_strdup(k->val));
    }
    return true;
}

bool smbios_opts_add(SmbiosOpts *o, const char *text, GError **errp)
{
    GPtrArray *kv = keyval_parse(text, NULL);
    const char *file = keyval_get(kv, "file");
    bool ok;

    if (file)
        ok = keyval_check(kv, "smbios", "file", errp) && add_file(o, file, errp);
    else if (keyval_get(kv, "type"))
        ok = add_fields(o, kv, errp);
    else
        ok = error_set(errp, "type=N or file=PATH is needed");
    keyval_free(kv);
    return ok;
}
