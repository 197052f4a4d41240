/* qcow2-header.c - the header cluster: fields, extensions, backing file name. Every field is checked here.
 * Spec: qemu's docs/interop/qcow2.txt, "Header" and "Header extensions". */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"

/* Names of incompatible bits: from the image's own feature table, else as the specification has them. */
char *qcow2_feature_names(uint64_t bits, const uint8_t *table, size_t n)
{
    GString *s = g_string_new(NULL);
    for (unsigned b = 0; b < 64; b++) {
        if (!(bits >> b & 1))
            continue;
        char name[47] = "";
        for (size_t i = 0; table && i + 48 <= n; i += 48)
            if (table[i] == 0 && table[i + 1] == b)
                memcpy(name, table + i + 2, 46);
        if (!g_utf8_validate(name, -1, NULL))
            name[0] = 0;
        g_string_append_printf(s, "%s", s->len ? ", " : "");
        if (name[0])
            g_string_append(s, name);
        else
            g_string_append_printf(s, "unknown incompatible feature bit %u", b);
    }
    return g_string_free(s, FALSE);
}

bool qcow2_parse_header(const uint8_t *b, size_t n, Qcow2Header *h, const char *name, GError **errp)
{
#define BAD(...) error_set(errp, __VA_ARGS__)
    if (n < V2_HEADER || memcmp(b, "QFI\xfb", 4))
        return BAD("'%s': Image is not in qcow2 format", name);
    *h = (Qcow2Header){.version = ldb32(b + 4), .backing_off = ldb64(b + 8), .backing_len = ldb32(b + 16),
                       .cluster_bits = ldb32(b + 20), .size = ldb64(b + 24), .crypt = ldb32(b + 32), .l1_size = ldb32(b + 36),
                       .l1_off = ldb64(b + 40), .reft_off = ldb64(b + 48), .reft_clusters = ldb32(b + 56),
                       .snapshots = ldb32(b + 60), .snapshots_off = ldb64(b + 64), .refcount_order = 4,
                       .header_len = V2_HEADER};
    if (h->version < 2 || h->version > 3)
        return BAD("'%s': Unsupported qcow2 version %u (supported: 2 and 3)", name, h->version);
    if (h->cluster_bits < 9 || h->cluster_bits > 21)
        return BAD("'%s': Unsupported cluster size: 2^%u (supported: 2^9 to 2^21)", name, h->cluster_bits);
    uint64_t cs = BIT(h->cluster_bits);
    if (h->version >= 3) {
        if (n < V3_HEADER)
            return BAD("'%s': qcow2 header too short", name);
        h->incompat = ldb64(b + 72);
        h->compat = ldb64(b + 80);
        h->autoclear = ldb64(b + 88);
        h->refcount_order = ldb32(b + 96);
        h->header_len = ldb32(b + 100);
        if (h->header_len < V3_HEADER)
            return BAD("'%s': qcow2 header too short: %u bytes", name, h->header_len);
        if (h->header_len > cs || h->header_len > n)
            return BAD("'%s': qcow2 header exceeds cluster size: %u bytes", name, h->header_len);
        if (h->header_len > V3_HEADER)
            h->compression = b[104];
    }
    if (h->refcount_order > 6)
        return BAD("'%s': Reference count entry width too large; may not exceed 64 bits (order is %u)", name, h->refcount_order);
    if (h->crypt)
        return BAD("'%s': encrypted images are not supported (method %u)", name, h->crypt);
    if ((h->compression != 0) != !!(h->incompat & INCOMPAT_COMPRESSION) || h->compression > 1)
        return BAD("'%s': compression type %u does not fit the incompatible feature bits", name, h->compression);
    if ((h->incompat & INCOMPAT_EXTL2) && h->cluster_bits < 14)
        return BAD("'%s': extended L2 entries need clusters of at least 16 KiB", name);
    if (h->backing_off && (h->backing_off > cs - 1 || h->backing_len > MAX_BACKING_NAME || h->backing_len > cs - h->backing_off ||
                           h->backing_off < h->header_len || h->backing_off + h->backing_len > n))
        return BAD("'%s': Backing file name of %u bytes at offset 0x%" PRIx64 " is not within the header", name, h->backing_len,
                   h->backing_off);
    if ((uint64_t)h->l1_size * 8 > MAX_L1_BYTES)
        return BAD("'%s': Active L1 table too large: %u entries", name, h->l1_size);
    if ((uint64_t)h->reft_clusters << h->cluster_bits > MAX_REFTABLE_BYTES)
        return BAD("'%s': Image has too large a refcount table: %u clusters", name, h->reft_clusters);
    if (h->reft_clusters == 0)
        return BAD("'%s': Image does not contain a reference count table", name);
    if (h->snapshots > MAX_SNAPSHOTS)
        return BAD("'%s': Snapshot table too large: %u snapshots", name, h->snapshots);
    if (h->size > INT64_MAX - cs)
        return BAD("'%s': virtual size of %" PRIu64 " bytes is too large", name, h->size);
    unsigned shift = 2 * h->cluster_bits - ((h->incompat & INCOMPAT_EXTL2) ? 4 : 3);
    uint64_t need = (h->size >> shift) + ((h->size & MASK64(shift)) != 0);
    if (need > h->l1_size)
        return BAD("'%s': L1 table is too small: %u entries, %" PRIu64 " needed", name, h->l1_size, need);
    return true;
#undef BAD
}

static bool parse_extensions(BlockNode *n, Qcow2Header *h, const uint8_t *b, size_t len, GError **errp)
{
    const uint8_t *features = NULL;
    size_t features_len = 0, at = h->header_len, end = h->backing_off ? MIN(len, h->backing_off) : len;
    while (at + 8 <= end) {
        uint32_t type = ldb32(b + at), size = ldb32(b + at + 4);
        at += 8;
        if (type == EXT_END)
            break;
        if (size > end - at)
            return error_set(errp, "'%s': Header extension too large: 0x%08x, %u bytes", n->filename, type, size);
        if (type == EXT_BACKING) {
            if (size > 15)
                return error_set(errp, "'%s': backing format name of %u bytes is too long", n->filename, size);
            g_free(n->backing_format);
            n->backing_format = g_strndup((const char *)b + at, size);
        } else if (type == EXT_FEATURES) {
            features = b + at;
            features_len = size;
        } else if (type == EXT_BITMAPS && size >= 24) {
            h->bitmaps = ldb32(b + at);
            h->bitmaps_bytes = ldb64(b + at + 8);
            h->bitmaps_off = ldb64(b + at + 16);
        }
        at += ROUND_UP((size_t)size, 8);
    }
    uint64_t unknown = h->incompat & ~(uint64_t)(INCOMPAT_DIRTY | INCOMPAT_CORRUPT | INCOMPAT_COMPRESSION | INCOMPAT_EXTL2);
    if (unknown) {
        g_autofree char *names = unknown == INCOMPAT_DATA_FILE ? g_strdup("external data file")
                                                                : qcow2_feature_names(unknown, features, features_len);
        return error_set(errp, "'%s': Unsupported qcow2 feature(s): %s", n->filename, names);
    }
    return true;
}

bool qcow2_read_header(BlockNode *n, BlockFile *f, Qcow2Header *h, uint8_t **first, size_t *len, GError **errp)
{
    uint8_t head[V3_HEADER + 8] = {0};
    size_t have = MIN(file_len(f), sizeof head);
    int ret = file_pread(f, 0, head, have);
    if (ret)
        return error_set_errno(errp, -ret, "Could not read the header of '%s'", n->filename);
    unsigned bits = have >= V2_HEADER ? ldb32(head + 20) : 0;
    size_t cluster = bits >= 9 && bits <= 21 ? (size_t)BIT(bits) : 512;
    *len = MIN(file_len(f), cluster);
    *first = g_malloc0(cluster);
    ret = file_pread(f, 0, *first, *len);
    if (ret)
        return error_set_errno(errp, -ret, "Could not read the header of '%s'", n->filename);
    if (!qcow2_parse_header(*first, *len, h, n->filename, errp) || !parse_extensions(n, h, *first, *len, errp))
        return false;
    if (h->backing_off && h->backing_len)
        n->backing_name = g_strndup((const char *)*first + h->backing_off, h->backing_len);
    return true;
}

int qcow2_write_field64(Qcow2 *s, unsigned at, uint64_t v)
{
    uint8_t b[8];
    stb64(b, v);
    int ret = file_pwrite(s->file, at, b, 8);
    return ret ? ret : file_sync(s->file);
}

int qcow2_set_incompat(Qcow2 *s, uint64_t bits, bool on)
{
    uint64_t v = on ? s->incompat | bits : s->incompat & ~bits;
    if (s->version < 3 || v == s->incompat)
        return 0;
    s->incompat = v;
    return qcow2_write_field64(s, 72, v);
}

static void put_ext(GByteArray *a, uint32_t type, const void *data, uint32_t n)
{
    static const uint8_t zeros[8];
    uint8_t head[8];
    stb32(head, type);
    stb32(head + 4, n);
    g_byte_array_append(a, head, 8);
    if (n)
        g_byte_array_append(a, data, n);
    if (n % 8)
        g_byte_array_append(a, zeros, 8 - n % 8);
}

uint8_t *qcow2_make_header(const Qcow2Header *h, const char *backing, const char *format, GError **errp)
{
    static const struct { uint8_t type, bit; const char *name; } features[] = {
        {0, 0, "dirty bit"}, {0, 1, "corrupt bit"}, {0, 2, "external data file"}, {0, 3, "compression type"},
        {0, 4, "extended L2 entries"}, {1, 0, "lazy refcounts"}, {2, 0, "bitmaps"}, {2, 1, "raw external data"}};
    uint64_t cs = BIT(h->cluster_bits);
    uint8_t b[V3_HEADER + 8] = {0};
    unsigned len = h->version < 3 ? V2_HEADER : V3_HEADER + 8;
    memcpy(b, "QFI\xfb", 4);
    stb32(b + 4, h->version);
    stb32(b + 20, h->cluster_bits);
    stb64(b + 24, h->size);
    stb32(b + 36, h->l1_size);
    stb64(b + 40, h->l1_off);
    stb64(b + 48, h->reft_off);
    stb32(b + 56, h->reft_clusters);
    stb32(b + 60, h->snapshots);
    stb64(b + 64, h->snapshots_off);
    stb64(b + 72, h->incompat);
    stb64(b + 80, h->compat);
    stb64(b + 88, h->autoclear);
    stb32(b + 96, h->refcount_order);
    stb32(b + 100, len);
    b[104] = h->compression;
    g_autoptr(GByteArray) a = g_byte_array_new();
    g_byte_array_append(a, b, len);
    if (format)
        put_ext(a, EXT_BACKING, format, (uint32_t)strlen(format));
    if (h->version >= 3 && cs >= 4096) { /* the names are for people: tiny clusters have no room for them */
        uint8_t t[ARRAY_SIZE(features) * 48] = {0};
        for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
            t[i * 48] = features[i].type;
            t[i * 48 + 1] = features[i].bit;
            memcpy(t + i * 48 + 2, features[i].name, strlen(features[i].name));
        }
        put_ext(a, EXT_FEATURES, t, sizeof t);
    }
    if (h->bitmaps && (h->autoclear & AUTOCLEAR_BITMAPS)) {
        uint8_t e[24] = {0};
        stb32(e, h->bitmaps);
        stb64(e + 8, h->bitmaps_bytes);
        stb64(e + 16, h->bitmaps_off);
        put_ext(a, EXT_BITMAPS, e, sizeof e);
    }
    put_ext(a, EXT_END, NULL, 0);
    if (backing) {
        stb64(a->data + 8, a->len);
        stb32(a->data + 16, (uint32_t)strlen(backing));
        g_byte_array_append(a, (const uint8_t *)backing, (guint)strlen(backing));
    }
    if (a->len > cs || (backing && strlen(backing) > MAX_BACKING_NAME)) {
        error_set(errp, "the backing file name '%s' does not fit in the header", backing ? backing : "");
        return NULL;
    }
    uint8_t *out = g_malloc0(cs);
    memcpy(out, a->data, a->len);
    return out;
}

bool qcow2_set_backing(BlockNode *n, const char *name, const char *format, GError **errp)
{
    Qcow2 *s = n->state;
    Qcow2Header h;
    uint8_t *first = NULL;
    size_t len;
    char *old_name = n->backing_name, *old_format = n->backing_format;
    n->backing_name = n->backing_format = NULL;
    bool ok = qcow2_read_header(n, s->file, &h, &first, &len, errp);
    g_free(n->backing_name);
    g_free(n->backing_format);
    n->backing_name = old_name;
    n->backing_format = old_format;
    g_free(first);
    if (!ok)
        return false;
    g_autofree uint8_t *b = qcow2_make_header(&h, name, format, errp);
    if (!b)
        return false;
    int ret = file_pwrite(s->file, 0, b, s->cluster_size);
    if (!ret)
        ret = file_sync(s->file);
    if (ret)
        return error_set_errno(errp, -ret, "Could not change the backing file of '%s'", n->filename);
    n->backing_name = g_strdup(name);
    n->backing_format = g_strdup(format);
    g_free(old_name);
    g_free(old_format);
    return true;
}
