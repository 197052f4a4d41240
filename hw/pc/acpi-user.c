/* acpi-user.c - the option -acpitable: tables that the user brings
 * Spec: ACPI 6.0, 5.2.6 (description header); the option's fields as in QEMU's manual. A table called SLIC also gives its OEM
 * names to RSDT and FADT, as its users (Windows) want them equal. */
#include "host/base/osdep.h"
#include "hw/pc/acpi-tables.h"

#include "host/base/bitops.h"
#include "host/base/keyval.h"
#include "hw/pc/boot.h"

enum { H_LENGTH = 4, H_REVISION = 8, H_OEM_ID = 10, H_OEM_TABLE = 16, H_OEM_REVISION = 24, H_COMPILER = 28, H_COMPILER_REVISION = 32 };
enum { TABLE_MAX = 64 * KiB };

static bool text_field(uint8_t *at, size_t size, const GPtrArray *kv, const char *key, bool exact, GError **errp)
{
    const char *v = keyval_get(kv, key);

    if (!v)
        return true;
    if (strlen(v) > size || (exact && strlen(v) != size))
        return error_set(errp, "%s=%s: %s%zu characters are needed", key, v, exact ? "" : "at most ", size);
    memset(at, 0, size);
    memcpy(at, v, strlen(v));
    return true;
}

static bool number_field(uint8_t *at, unsigned size, const GPtrArray *kv, const char *key, GError **errp)
{
    uint64_t n = size == 1 ? *at : ldl32(at);

    if (!keyval_uint(kv, key, 0, MASK64(size * 8), &n, errp))
        return false;
    if (size == 1)
        *at = (uint8_t)n;
    else
        stl32(at, (uint32_t)n);
    return true;
}

static bool fill(GByteArray *t, const GPtrArray *kv, GError **errp)
{
    const char *file = keyval_get(kv, "file"), *data = keyval_get(kv, "data");
    g_auto(GStrv) names = g_strsplit(file ? file : data ? data : "", ":", -1);

    if (!keyval_check(kv, "acpitable", "sig rev oem_id oem_table_id oem_rev asl_compiler_id asl_compiler_rev file data", errp))
        return false;
    if (!file == !data)
        return error_set(errp, "either file= (tables with their header) or data= (what follows a header) is needed");
    if (data) { /* a header that says little */
        static const uint8_t header[ACPI_HEADER_SIZE] = "VIRE\0\0\0\0\1\0VIREO VIREOPC \1\0\0\0VIRE\1\0\0";
        g_byte_array_append(t, header, sizeof header);
    }
    for (char **n = names; *n; n++) {
        size_t len;
        g_autofree uint8_t *bytes = boot_read_file(file ? "file" : "data", *n, TABLE_MAX, &len, errp);
        if (!bytes)
            return false;
        g_byte_array_append(t, bytes, (guint)len);
    }
    if (t->len < ACPI_HEADER_SIZE || t->len > TABLE_MAX)
        return error_set(errp, "%s=%s: %u bytes are no table (%d to %u)", file ? "file" : "data", file ? file : data, t->len,
                         (int)ACPI_HEADER_SIZE, (unsigned)TABLE_MAX);
    return text_field(t->data, 4, kv, "sig", true, errp) && number_field(t->data + H_REVISION, 1, kv, "rev", errp) &&
           text_field(t->data + H_OEM_ID, 6, kv, "oem_id", false, errp) &&
           text_field(t->data + H_OEM_TABLE, 8, kv, "oem_table_id", false, errp) &&
           number_field(t->data + H_OEM_REVISION, 4, kv, "oem_rev", errp) &&
           text_field(t->data + H_COMPILER, 4, kv, "asl_compiler_id", false, errp) &&
           number_field(t->data + H_COMPILER_REVISION, 4, kv, "asl_compiler_rev", errp);
}

GByteArray *acpi_user_table(const char *text, GError **errp)
{
    GPtrArray *kv = keyval_parse(text, NULL);
    GByteArray *t = g_byte_array_new();
    bool ok = fill(t, kv, errp);

    keyval_free(kv);
    if (!ok) {
        g_byte_array_free(t, true);
        return NULL;
    }
    stl32(t->data + H_LENGTH, t->len);
    return t;
}
