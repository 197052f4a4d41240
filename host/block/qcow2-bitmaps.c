/* qcow2-bitmaps.c - persistent bitmaps on disk: their directory, tables and bits, loaded and stored
 * Spec: qcow2 "Bitmaps extension". They hold only while autoclear bit 0 is set.
 * What is stored goes beside what is there; then the header names it, then the old is given back: a crash leaves the old state
 * or the new one, and leaked clusters at worst. Noting what a guest writes: qcow2-bitmap-record.c; what vireo-img does to them:
 * qcow2-bitmap-edit.c. Not modelled: bitmaps of other types and with extra data: shown, and dropped by a writer, as the
 * specification has it for what a program does not know. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"

enum { MAX_DIRECTORY = 16 << 20, MAX_BITMAPS = 65535, MAX_TABLE = 1 << 20, ENTRY_HEAD = 24, MAX_NAME = 1023, TABLE_CHUNK = 4096, TYPE_DIRTY = 1 };
#define MAX_BITMAP_BYTES (512ULL << 20)
#define ALL_ONES 1ULL

static void bitmap_clear(void *p)
{
    g_free(((Qcow2Bitmap *)p)->name);
    g_free(((Qcow2Bitmap *)p)->bits);
}

void qcow2_load_bitmaps(Qcow2 *s, const Qcow2Header *h)
{
    s->bitmaps = g_array_new(FALSE, TRUE, sizeof(Qcow2Bitmap));
    g_array_set_clear_func(s->bitmaps, bitmap_clear);
    if (!(s->autoclear & AUTOCLEAR_BITMAPS) || !h->bitmaps)
        return;
    s->bitmaps_off = h->bitmaps_off;
    s->bitmaps_bytes = h->bitmaps_bytes;
    s->bitmaps_bad = true;
    if (h->bitmaps > MAX_BITMAPS || h->bitmaps_bytes > MAX_DIRECTORY || (h->bitmaps_off & (s->cluster_size - 1)) || h->bitmaps_off > file_len(s->file))
        return;
    g_autofree uint8_t *b = g_malloc(h->bitmaps_bytes + 1);
    uint64_t at = 0, left = h->bitmaps_bytes;
    if (file_pread(s->file, h->bitmaps_off, b, left))
        return;
    for (uint32_t i = 0; i < h->bitmaps; i++) {
        if (left < ENTRY_HEAD)
            return;
        const uint8_t *e = b + at;
        uint32_t name = ldb16(e + 18), extra = ldb32(e + 20);
        uint64_t size = ROUND_UP((uint64_t)ENTRY_HEAD + extra + name, 8);
        if (size > left || name > MAX_NAME || !name || e[17] > 31 || ldb32(e + 8) > MAX_TABLE)
            return;
        Qcow2Bitmap m = {.table_off = ldb64(e), .table_size = ldb32(e + 8), .flags = ldb32(e + 12), .granularity = BIT(e[17]),
                         .name = g_strndup((const char *)e + ENTRY_HEAD + extra, name)};
        s->bitmaps_odd |= extra || e[16] != TYPE_DIRTY || (m.flags & ~(uint32_t)(BITMAP_IN_USE | BITMAP_AUTO)) || strlen(m.name) != name || e[17] < 9;
        g_array_append_val(s->bitmaps, m);
        at += size;
        left -= size;
    }
    s->bitmaps_bad = left != 0;
}

int qcow2_use_bitmaps(Qcow2 *s, bool (*use)(void *opaque, uint64_t offset, uint64_t len), void *opaque)
{
    uint8_t b[TABLE_CHUNK];
    if (!use(opaque, s->bitmaps_off, s->bitmaps_bytes))
        return 0;
    for (guint i = 0; i < s->bitmaps->len; i++) {
        const Qcow2Bitmap *m = &g_array_index(s->bitmaps, Qcow2Bitmap, i);
        uint64_t bytes = (uint64_t)m->table_size * 8;
        if (!use(opaque, m->table_off, bytes))
            continue;
        for (uint64_t at = 0; at < bytes; at += sizeof b) {
            size_t n = MIN(sizeof b, bytes - at);
            int ret = file_pread(s->file, m->table_off + at, b, n);
            if (ret)
                return ret;
            for (size_t k = 0; k < n; k += 8)
                if (ldb64(b + k) & L1_OFFSET_MASK)
                    use(opaque, ldb64(b + k) & L1_OFFSET_MASK, s->cluster_size);
        }
    }
    return 0;
}

uint64_t qcow2_bitmap_bits(const Qcow2 *s, uint64_t granularity) { return (s->size + granularity - 1) / granularity; }
uint64_t qcow2_bitmap_bytes(const Qcow2 *s, uint64_t granularity) { return (qcow2_bitmap_bits(s, granularity) + 7) / 8; }
static uint64_t table_entries(const Qcow2 *s, uint64_t granularity) { return (qcow2_bitmap_bytes(s, granularity) + s->cluster_size - 1) >> s->cluster_bits; }

bool qcow2_bitmap_fits(const Qcow2 *s, const Qcow2Bitmap *m)
{
    return qcow2_bitmap_bytes(s, m->granularity) <= MAX_BITMAP_BYTES && m->table_size == table_entries(s, m->granularity);
}

/* Room in one piece; under lock. */
static int get_clusters(Qcow2 *s, uint64_t bytes, uint64_t *offset)
{
    uint64_t n = MAX((bytes + s->cluster_size - 1) >> s->cluster_bits, 1), min = n;
    int ret = qcow2_alloc(s, min, &n, offset);
    if (!ret)
        qcow2_note_meta(s, *offset, n << s->cluster_bits, true);
    return ret;
}

static void give_back(Qcow2 *s, uint64_t offset, uint64_t bytes)
{
    uint64_t len = ROUND_UP(MAX(bytes, 1), s->cluster_size);
    if (!offset || offset % s->cluster_size || offset > file_len(s->file) || len > file_len(s->file) + s->cluster_size - offset) /* damaged: nobody's clusters */
        return;
    qcow2_note_meta(s, offset, len, false);
    qcow2_free_later(s, offset, len);
}

static int read_table(Qcow2 *s, const Qcow2Bitmap *m, uint64_t **table)
{
    *table = g_new(uint64_t, m->table_size + 1);
    int ret = file_pread(s->file, m->table_off, *table, (size_t)m->table_size * 8);
    for (uint32_t i = 0; i < m->table_size && !ret; i++)
        (*table)[i] = ldb64(*table + i);
    return ret;
}

bool qcow2_bitmap_load_bits(Qcow2 *s, const Qcow2Bitmap *m, uint8_t **bits, GError **errp)
{
    uint64_t bytes = qcow2_bitmap_bytes(s, m->granularity), cs = s->cluster_size;
    g_autofree uint64_t *table = NULL;
    if (!qcow2_bitmap_fits(s, m))
        return error_set(errp, "Bitmap '%s' does not fit the image: a table of %u entries, %" PRIu64 " needed", m->name, m->table_size,
                         table_entries(s, m->granularity));
    int ret = read_table(s, m, &table);
    *bits = g_malloc0(bytes + 1);
    for (uint32_t i = 0; i < m->table_size && !ret; i++) {
        uint64_t at = (uint64_t)i * cs, n = MIN(cs, bytes - at);
        if (table[i] & L1_OFFSET_MASK)
            ret = file_pread(s->file, table[i] & L1_OFFSET_MASK, *bits + at, n);
        else if (table[i] & ALL_ONES)
            memset(*bits + at, 0xff, n);
    }
    if (!ret)
        return true;
    g_clear_pointer(bits, g_free);
    return error_set_errno(errp, -ret, "Could not read bitmap '%s'", m->name);
}

int qcow2_bitmap_store_bits(Qcow2 *s, Qcow2Bitmap *m, const uint8_t *bits)
{
    uint64_t bytes = qcow2_bitmap_bytes(s, m->granularity), cs = s->cluster_size;
    uint32_t entries = (uint32_t)table_entries(s, m->granularity);
    g_autofree uint64_t *table = g_new0(uint64_t, entries + 1);
    g_autofree uint8_t *buf = g_malloc0(cs);
    uint64_t off;
    int ret = 0;
    for (uint32_t i = 0; bits && i < entries && !ret; i++) {
        uint64_t at = (uint64_t)i * cs, n = MIN(cs, bytes - at);
        if (buffer_is_zero(bits + at, n))
            continue;
        ret = get_clusters(s, cs, &off);
        if (ret)
            break;
        memcpy(buf, bits + at, n);
        memset(buf + n, 0, cs - n);
        ret = file_pwrite(s->file, off, buf, cs);
        stb64(table + i, off);
    }
    if (!ret)
        ret = get_clusters(s, (uint64_t)entries * 8, &off);
    if (!ret)
        ret = file_pwrite(s->file, off, table, (size_t)entries * 8);
    m->table_off = off;
    m->table_size = entries;
    return ret;
}

void qcow2_bitmap_free_bits(Qcow2 *s, const Qcow2Bitmap *m)
{
    g_autofree uint64_t *table = NULL;
    if (read_table(s, m, &table))
        return; /* its clusters are leaked */
    for (uint32_t i = 0; i < m->table_size; i++)
        give_back(s, table[i] & L1_OFFSET_MASK, s->cluster_size);
    give_back(s, m->table_off, (uint64_t)m->table_size * 8);
}

/* The offset of the content of an extension in the header, which was parsed without an error; 0: there is none. */
static uint64_t find_extension(const Qcow2Header *h, const uint8_t *b, size_t len, uint32_t type)
{
    size_t at = h->header_len, end = h->backing_off ? MIN(len, h->backing_off) : len;
    while (at + 8 <= end && ldb32(b + at) != EXT_END) {
        if (ldb32(b + at) == type && ldb32(b + at + 4) >= 24 && at + 32 <= end)
            return at + 8;
        at += 8 + ROUND_UP((size_t)ldb32(b + at + 4), 8);
    }
    return 0;
}

static int write_header(Qcow2 *s, GError **errp)
{
    BlockNode *n = s->node;
    Qcow2Header h;
    g_autofree uint8_t *first = NULL;
    size_t len;
    char *name = n->backing_name, *format = n->backing_format;
    n->backing_name = n->backing_format = NULL;
    bool ok = qcow2_read_header(n, s->file, &h, &first, &len, errp);
    g_free(n->backing_name);
    g_free(n->backing_format);
    n->backing_name = name;
    n->backing_format = format;
    if (!ok)
        return -EINVAL;
    uint64_t at = s->bitmaps->len ? find_extension(&h, first, len, EXT_BITMAPS) : 0;
    if (at) { /* in place: other programs' extensions stay */
        uint8_t e[24] = {0};
        stb32(e, s->bitmaps->len);
        stb64(e + 8, s->bitmaps_bytes);
        stb64(e + 16, s->bitmaps_off);
        int ret = file_pwrite(s->file, at, e, sizeof e);
        if (!ret)
            ret = file_sync(s->file);
        return ret || h.autoclear == s->autoclear ? ret : qcow2_write_field64(s, 88, s->autoclear);
    }
    h.autoclear = s->autoclear;
    h.bitmaps = s->bitmaps->len;
    h.bitmaps_off = s->bitmaps_off;
    h.bitmaps_bytes = s->bitmaps_bytes;
    g_autofree uint8_t *b = qcow2_make_header(&h, name, format, errp);
    if (!b)
        return -EINVAL;
    int ret = file_pwrite(s->file, 0, b, s->cluster_size);
    return ret ? ret : file_sync(s->file);
}

GByteArray *qcow2_bitmaps_directory(const Qcow2 *s)
{
    static const uint8_t zeros[8];
    GByteArray *dir = g_byte_array_new();
    for (guint i = 0; i < s->bitmaps->len; i++) {
        const Qcow2Bitmap *m = &g_array_index(s->bitmaps, Qcow2Bitmap, i);
        uint8_t e[ENTRY_HEAD] = {0};
        size_t n = strlen(m->name);
        stb64(e, m->table_off);
        stb32(e + 8, m->table_size);
        stb32(e + 12, m->flags);
        e[16] = TYPE_DIRTY;
        e[17] = (uint8_t)__builtin_ctzll(m->granularity);
        stb16(e + 18, (uint16_t)n);
        g_byte_array_append(dir, e, sizeof e);
        g_byte_array_append(dir, (const uint8_t *)m->name, (guint)n);
        g_byte_array_append(dir, zeros, (8 - n % 8) % 8);
    }
    return dir;
}

bool qcow2_bitmaps_store_directory(Qcow2 *s, GError **errp)
{
    g_autoptr(GByteArray) dir = qcow2_bitmaps_directory(s);
    uint64_t old = s->bitmaps_off, old_bytes = s->bitmaps_bytes, off = 0;
    int ret = 0;
    if (dir->len) {
        ret = get_clusters(s, dir->len, &off);
        if (!ret)
            ret = file_pwrite(s->file, off, dir->data, dir->len);
    }
    if (!ret)
        ret = qcow2_flush_locked(s); /* the counts of all that is new are on disk before anything names it */
    if (ret)
        return error_set_errno(errp, -ret, "Could not write the bitmaps of '%s'", s->node->filename);
    s->bitmaps_off = off;
    s->bitmaps_bytes = dir->len;
    s->autoclear = dir->len ? s->autoclear | AUTOCLEAR_BITMAPS : s->autoclear & ~(uint64_t)AUTOCLEAR_BITMAPS;
    GError *err = NULL;
    ret = write_header(s, &err);
    if (ret) {
        error_set(errp, "Could not write the header of '%s': %s", s->node->filename, err ? err->message : strerror(-ret));
        g_clear_error(&err);
        return false;
    }
    if (old_bytes)
        give_back(s, old, old_bytes);
    return true;
}
