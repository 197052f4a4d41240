/* qcow2-bitmap-edit.c - persistent bitmaps of an image that nobody else uses: made, removed, cleared, merged (vireo-img bitmap)
 * Spec: qcow2 "Bitmaps extension". Each change writes new tables and a new directory beside the old ones, then the header that
 * names them, then gives the old ones back: a crash leaves the old state or the new one, and leaked clusters at worst.
 * Not modelled: noting what a guest writes while the image is open (a writer drops the bitmaps, qcow2.c). */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"

enum { MAX_BITMAPS = 65535, MAX_NAME = 1023, MIN_GRANULARITY_BITS = 9, MAX_GRANULARITY_BITS = 31, ENTRY_HEAD = 24, TYPE_DIRTY = 1 };
#define MAX_BITMAP_BYTES (512ULL << 20)
#define ALL_ONES 1ULL

static Qcow2Bitmap *find(Qcow2 *s, const char *name)
{
    for (guint i = 0; i < s->bitmaps->len; i++)
        if (g_str_equal(g_array_index(s->bitmaps, Qcow2Bitmap, i).name, name))
            return &g_array_index(s->bitmaps, Qcow2Bitmap, i);
    return NULL;
}

static Qcow2Bitmap *need(Qcow2 *s, const char *name, bool usable, GError **errp)
{
    Qcow2Bitmap *m = find(s, name);
    if (!m)
        error_set(errp, "Dirty bitmap '%s' not found", name);
    else if (usable && (m->flags & BITMAP_IN_USE)) {
        error_set(errp, "Bitmap '%s' is inconsistent and cannot be used (`bitmap --remove` takes it away)", name);
        m = NULL;
    }
    return m;
}

static uint64_t bitmap_bits(const Qcow2 *s, uint64_t granularity) { return (s->size + granularity - 1) / granularity; }
static uint64_t bitmap_bytes(const Qcow2 *s, uint64_t granularity) { return (bitmap_bits(s, granularity) + 7) / 8; }
static uint64_t table_entries(const Qcow2 *s, uint64_t granularity) { return (bitmap_bytes(s, granularity) + s->cluster_size - 1) >> s->cluster_bits; }

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

/* All bits of a bitmap. */
static bool load_bits(Qcow2 *s, const Qcow2Bitmap *m, uint8_t **bits, GError **errp)
{
    uint64_t bytes = bitmap_bytes(s, m->granularity), cs = s->cluster_size;
    g_autofree uint64_t *table = NULL;
    if (bytes > MAX_BITMAP_BYTES || m->table_size != table_entries(s, m->granularity))
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

/* New tables with these bits (NULL: none set); the old ones stay as they are. Under lock. */
static int store_bits(Qcow2 *s, Qcow2Bitmap *m, const uint8_t *bits)
{
    uint64_t bytes = bitmap_bytes(s, m->granularity), cs = s->cluster_size;
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

/* The tables of a bitmap as it was. Under lock. */
static void free_bits(Qcow2 *s, const Qcow2Bitmap *m)
{
    g_autofree uint64_t *table = NULL;
    if (read_table(s, m, &table))
        return; /* its clusters are leaked */
    for (uint32_t i = 0; i < m->table_size; i++)
        give_back(s, table[i] & L1_OFFSET_MASK, s->cluster_size);
    give_back(s, m->table_off, (uint64_t)m->table_size * 8);
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

/* The directory of what s->bitmaps has now, and the header that names it. Under lock. */
static bool store_directory(Qcow2 *s, GError **errp)
{
    static const uint8_t zeros[8];
    g_autoptr(GByteArray) dir = g_byte_array_new();
    uint64_t old = s->bitmaps_off, old_bytes = s->bitmaps_bytes, off = 0;
    int ret = 0;
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

static bool finish(Qcow2 *s, bool ok, GError **errp)
{
    int ret = ok ? qcow2_flush_locked(s) : 0;
    g_mutex_unlock(&s->lock);
    return ok && (!ret || error_set_errno(errp, -ret, "Could not write to '%s'", s->node->filename));
}

/* ---- what vireo-img does ---- */

static Qcow2 *editable(BlockNode *n, GError **errp)
{
    Qcow2 *s = n->fmt == &qcow2_format ? n->state : NULL;
    if (!s)
        error_set(errp, "Can't store persistent bitmaps to '%s': Operation not supported", n->filename);
    else if (s->version < 3)
        error_set(errp, "Cannot store dirty bitmaps in qcow2 v2 files");
    else if (s->bitmaps_bad)
        error_set(errp, "The directory of bitmaps of '%s' is damaged", n->filename);
    else
        return s;
    return NULL;
}

bool qcow2_bitmap_add(BlockNode *n, const char *name, uint64_t granularity, GError **errp)
{
    Qcow2 *s = editable(n, errp);
    if (!s)
        return false;
    if (!granularity)
        granularity = MIN(MAX(s->cluster_size, 4096), 65536);
    if (!name[0])
        return error_set(errp, "Bitmap name cannot be empty");
    if (strlen(name) > MAX_NAME)
        return error_set(errp, "Bitmap name too long: at most %d characters", MAX_NAME);
    if ((granularity & (granularity - 1)) || granularity < BIT(MIN_GRANULARITY_BITS) || granularity > BIT(MAX_GRANULARITY_BITS))
        return error_set(errp, "Granularity must be power of 2 and at least 512");
    if (find(s, name))
        return error_set(errp, "Bitmap already exists: %s", name);
    if (s->bitmaps->len >= MAX_BITMAPS || bitmap_bytes(s, granularity) > MAX_BITMAP_BYTES)
        return error_set(errp, s->bitmaps->len >= MAX_BITMAPS ? "Too many persistent bitmaps (at most %d)" : "The bitmap would be too large", MAX_BITMAPS);
    g_mutex_lock(&s->lock);
    Qcow2Bitmap m = {.granularity = granularity, .flags = BITMAP_AUTO, .name = g_strdup(name)};
    int ret = store_bits(s, &m, NULL);
    if (ret) {
        g_free(m.name);
        return finish(s, error_set_errno(errp, -ret, "Could not write bitmap '%s'", name), errp);
    }
    g_array_append_val(s->bitmaps, m);
    return finish(s, store_directory(s, errp), errp);
}

bool qcow2_bitmap_remove(BlockNode *n, const char *name, GError **errp)
{
    Qcow2 *s = editable(n, errp);
    Qcow2Bitmap *m = s ? need(s, name, false, errp) : NULL;
    if (!m)
        return false;
    g_mutex_lock(&s->lock);
    Qcow2Bitmap old = *m;
    m->name = NULL;
    g_array_remove_index(s->bitmaps, (guint)(m - (Qcow2Bitmap *)(void *)s->bitmaps->data));
    bool ok = store_directory(s, errp);
    if (ok)
        free_bits(s, &old);
    g_free(old.name);
    return finish(s, ok, errp);
}

/* Under no lock: another content. */
static bool replace_bits(Qcow2 *s, Qcow2Bitmap *m, const uint8_t *bits, GError **errp)
{
    g_mutex_lock(&s->lock);
    Qcow2Bitmap old = *m;
    int ret = store_bits(s, m, bits);
    bool ok = ret ? error_set_errno(errp, -ret, "Could not write bitmap '%s'", m->name) : store_directory(s, errp);
    if (ok)
        free_bits(s, &old);
    return finish(s, ok, errp);
}

bool qcow2_bitmap_clear(BlockNode *n, const char *name, GError **errp)
{
    Qcow2 *s = editable(n, errp);
    Qcow2Bitmap *m = s ? need(s, name, true, errp) : NULL;
    return m && replace_bits(s, m, NULL, errp);
}

bool qcow2_bitmap_enable(BlockNode *n, const char *name, bool on, GError **errp)
{
    Qcow2 *s = editable(n, errp);
    Qcow2Bitmap *m = s ? need(s, name, true, errp) : NULL;
    if (!m)
        return false;
    m->flags = on ? m->flags | BITMAP_AUTO : m->flags & ~(uint32_t)BITMAP_AUTO;
    g_mutex_lock(&s->lock);
    return finish(s, store_directory(s, errp), errp);
}

static bool test_bit(const uint8_t *b, uint64_t i) { return b[i >> 3] >> (i & 7) & 1; }

bool qcow2_bitmap_merge(BlockNode *n, const char *name, BlockNode *src, const char *src_name, GError **errp)
{
    Qcow2 *s = editable(n, errp), *t = src->fmt == &qcow2_format ? src->state : NULL;
    Qcow2Bitmap *m = s ? need(s, name, true, errp) : NULL;
    if (!m)
        return false;
    Qcow2Bitmap *f = t ? need(t, src_name, true, errp) : NULL;
    if (!f)
        return t ? false : error_set(errp, "Dirty bitmap '%s' not found", src_name);
    if (s->size != t->size)
        return error_set(errp, "Bitmaps are of different sizes (destination size is %" PRIu64 ", source size is %" PRIu64 ") and can't be merged", s->size,
                         t->size);
    g_autofree uint8_t *to = NULL, *from = NULL;
    if (!load_bits(s, m, &to, errp) || !load_bits(t, f, &from, errp))
        return false;
    uint64_t bits = bitmap_bits(t, f->granularity), last = bitmap_bits(s, m->granularity);
    for (uint64_t i = 0; i < bits; i++) {
        if (!(i & 7) && !from[i >> 3]) {
            i += 7;
            continue;
        }
        if (!test_bit(from, i))
            continue;
        uint64_t a = i * f->granularity / m->granularity, b = ((i + 1) * f->granularity - 1) / m->granularity;
        for (; a <= b && a < last; a++)
            to[a >> 3] |= (uint8_t)(1 << (a & 7));
    }
    return replace_bits(s, m, to, errp);
}

bool qcow2_copy_bitmaps(BlockNode *from, BlockNode *to, bool skip_broken, GError **errp)
{
    Qcow2 *s = from->fmt == &qcow2_format ? from->state : NULL;
    for (guint i = 0; s && i < s->bitmaps->len; i++) {
        const Qcow2Bitmap *m = &g_array_index(s->bitmaps, Qcow2Bitmap, i);
        if (m->flags & BITMAP_IN_USE) {
            if (!skip_broken)
                return error_set(errp, "Cannot copy inconsistent bitmap '%s' (--skip-broken-bitmaps leaves it out, `bitmap --remove` takes it away)", m->name);
            warn_report("Skipping inconsistent bitmap '%s'", m->name);
            continue;
        }
        if (!qcow2_bitmap_add(to, m->name, m->granularity, errp) || !qcow2_bitmap_merge(to, m->name, from, m->name, errp) ||
            (!(m->flags & BITMAP_AUTO) && !qcow2_bitmap_enable(to, m->name, false, errp)))
            return false;
    }
    return true;
}

uint64_t qcow2_bitmaps_size(BlockNode *n, uint64_t cs)
{
    Qcow2 *s = n->fmt == &qcow2_format ? n->state : NULL;
    uint64_t dir = 0, size = 0;
    for (guint i = 0; s && i < s->bitmaps->len; i++) {
        const Qcow2Bitmap *m = &g_array_index(s->bitmaps, Qcow2Bitmap, i);
        uint64_t data = (bitmap_bytes(s, m->granularity) + cs - 1) / cs;
        size += data * cs + ROUND_UP(data * 8, cs);
        dir += ROUND_UP(ENTRY_HEAD + strlen(m->name), 8);
    }
    return size + ROUND_UP(dir, cs);
}
