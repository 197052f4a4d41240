/* qcow2-bitmap-edit.c - persistent bitmaps of an image that nobody else uses: made, removed, cleared, merged (vireo-img bitmap)
 * Spec: qcow2 "Bitmaps extension". How they are stored: qcow2-bitmaps.c. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"

enum { MAX_BITMAPS = 65535, MAX_NAME = 1023, MIN_GRANULARITY_BITS = 9, MAX_GRANULARITY_BITS = 31, ENTRY_HEAD = 24 };
#define MAX_BITMAP_BYTES (512ULL << 20)

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
    else if (s->bitmaps_bad || s->bitmaps_odd)
        error_set(errp, s->bitmaps_bad ? "The directory of bitmaps of '%s' is damaged" : "'%s' has bitmaps of an unknown kind", n->filename);
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
    if (s->bitmaps->len >= MAX_BITMAPS || qcow2_bitmap_bytes(s, granularity) > MAX_BITMAP_BYTES)
        return error_set(errp, s->bitmaps->len >= MAX_BITMAPS ? "Too many persistent bitmaps (at most %d)" : "The bitmap would be too large", MAX_BITMAPS);
    g_mutex_lock(&s->lock);
    Qcow2Bitmap m = {.granularity = granularity, .flags = BITMAP_AUTO, .name = g_strdup(name)};
    int ret = qcow2_bitmap_store_bits(s, &m, NULL);
    if (ret) {
        g_free(m.name);
        return finish(s, error_set_errno(errp, -ret, "Could not write bitmap '%s'", name), errp);
    }
    g_array_append_val(s->bitmaps, m);
    return finish(s, qcow2_bitmaps_store_directory(s, errp), errp);
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
    bool ok = qcow2_bitmaps_store_directory(s, errp);
    if (ok)
        qcow2_bitmap_free_bits(s, &old);
    g_free(old.name);
    return finish(s, ok, errp);
}

/* Under no lock: another content. */
static bool replace_bits(Qcow2 *s, Qcow2Bitmap *m, const uint8_t *bits, GError **errp)
{
    g_mutex_lock(&s->lock);
    Qcow2Bitmap old = *m;
    int ret = qcow2_bitmap_store_bits(s, m, bits);
    bool ok = ret ? error_set_errno(errp, -ret, "Could not write bitmap '%s'", m->name) : qcow2_bitmaps_store_directory(s, errp);
    if (ok)
        qcow2_bitmap_free_bits(s, &old);
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
    return finish(s, qcow2_bitmaps_store_directory(s, errp), errp);
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
    if (!qcow2_bitmap_load_bits(s, m, &to, errp) || !qcow2_bitmap_load_bits(t, f, &from, errp))
        return false;
    uint64_t bits = qcow2_bitmap_bits(t, f->granularity), last = qcow2_bitmap_bits(s, m->granularity);
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
        uint64_t data = (qcow2_bitmap_bytes(s, m->granularity) + cs - 1) / cs;
        size += data * cs + ROUND_UP(data * 8, cs);
        dir += ROUND_UP(ENTRY_HEAD + strlen(m->name), 8);
    }
    return size + ROUND_UP(dir, cs);
}
