/* qcow2-bitmap-record.c - persistent bitmaps while an image is open for writing: what changes is noted in those that are enabled
 * Spec: qcow2 "Bitmaps extension". As qemu does it: on open every consistent bitmap is loaded and marked in-use on disk, on close it is
 * stored and the mark taken away. A program that dies in between leaves the mark: the bitmap is known to miss something.
 * Bitmaps that carry the mark already stay as they are. A range counts as changed when a write, a write of zeros or a discard
 * (that is not ignored) covers any of it, whether it succeeds or not.
 * Not modelled: making and removing them while a guest runs (no monitor command does). */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"

#define MAX_LOADED (256ULL << 20) /* bytes of all bitmaps of an image */

/* The flags of all entries anew, in place: nothing else differs from what is there. */
static int rewrite_directory(Qcow2 *s)
{
    g_autoptr(GByteArray) dir = qcow2_bitmaps_directory(s);
    if (dir->len != s->bitmaps_bytes)
        return -EINVAL;
    int ret = file_pwrite(s->file, s->bitmaps_off, dir->data, dir->len);
    return ret ? ret : file_sync(s->file);
}

static bool note_place(void *opaque, uint64_t offset, uint64_t len)
{
    Qcow2 *s = opaque;
    bool in = offset && offset % s->cluster_size == 0 && offset < file_len(s->file) && len <= ROUND_UP(file_len(s->file), s->cluster_size) - offset;
    if (in)
        qcow2_note_meta(s, offset, ROUND_UP(MAX(len, 1), s->cluster_size), true);
    return in;
}

/* They must not be believed any more, and nobody does without the autoclear bit; a check gives their clusters back. */
static bool forget_all(Qcow2 *s, GError **errp)
{
    g_array_set_size(s->bitmaps, 0);
    s->bitmaps_bytes = 0;
    s->bitmaps_bad = s->bitmaps_odd = false;
    s->autoclear = 0;
    int ret = qcow2_write_field64(s, 88, 0);
    return !ret || error_set_errno(errp, -ret, "Could not write the header of '%s'", s->node->filename);
}

static const char *why_not(const Qcow2 *s)
{
    uint64_t total = 0;
    if (s->bitmaps_bad || s->bitmaps_odd)
        return s->bitmaps_bad ? "their directory is damaged" : "some are of an unknown kind";
    for (guint i = 0; i < s->bitmaps->len; i++) {
        const Qcow2Bitmap *m = &g_array_index(s->bitmaps, Qcow2Bitmap, i);
        for (guint k = 0; k < i && s->bitmaps->len < 1000; k++)
            if (g_str_equal(m->name, g_array_index(s->bitmaps, Qcow2Bitmap, k).name))
                return "two have the same name";
        if (m->flags & BITMAP_IN_USE)
            continue;
        if (!qcow2_bitmap_fits(s, m))
            return "one does not fit the size of the disk";
        total += qcow2_bitmap_bytes(s, m->granularity);
        if (total > MAX_LOADED)
            return "they are too large";
    }
    return NULL;
}

bool qcow2_bitmaps_start(Qcow2 *s, GError **errp)
{
    if (!s->autoclear)
        return true;
    const char *why = why_not(s);
    if (!(s->autoclear & AUTOCLEAR_BITMAPS) || (!why && !s->bitmaps->len))
        return forget_all(s, errp);
    if (why) {
        warn_report("'%s': its persistent bitmaps cannot be kept up to date and are dropped: %s", s->node->filename, why);
        return forget_all(s, errp);
    }
    bool any = false;
    for (guint i = 0; i < s->bitmaps->len; i++) {
        Qcow2Bitmap *m = &g_array_index(s->bitmaps, Qcow2Bitmap, i);
        if (m->flags & BITMAP_IN_USE)
            continue;
        if (!qcow2_bitmap_load_bits(s, m, &m->bits, errp))
            return false;
        m->flags |= BITMAP_IN_USE;
        any = true;
        s->recording |= m->flags & BITMAP_AUTO;
    }
    int ret = qcow2_use_bitmaps(s, note_place, s);
    if (!ret && any)
        ret = rewrite_directory(s);
    if (!ret && s->autoclear != AUTOCLEAR_BITMAPS) { /* what else there is must not be believed */
        s->autoclear = AUTOCLEAR_BITMAPS;
        ret = qcow2_write_field64(s, 88, s->autoclear);
    }
    return !ret || error_set_errno(errp, -ret, "Could not mark the bitmaps of '%s' as in use", s->node->filename);
}

void qcow2_bitmaps_note(Qcow2 *s, uint64_t off, uint64_t len)
{
    for (guint i = 0; i < s->bitmaps->len && len; i++) {
        Qcow2Bitmap *m = &g_array_index(s->bitmaps, Qcow2Bitmap, i);
        if (!m->bits || !(m->flags & BITMAP_AUTO))
            continue;
        uint64_t a = off / m->granularity, last = MIN((off + len - 1) / m->granularity, qcow2_bitmap_bits(s, m->granularity) - 1);
        while (a <= last) {
            if (!(a & 7) && last - a >= 7) {
                uint64_t n = (last + 1 - a) / 8;
                memset(m->bits + a / 8, 0xff, n);
                a += n * 8;
                m->changed = true;
                continue;
            }
            uint8_t bit = (uint8_t)(1 << (a & 7));
            m->changed |= !(m->bits[a / 8] & bit);
            m->bits[a++ / 8] |= bit;
        }
    }
}

const char *qcow2_bitmaps_broken(const Qcow2 *s)
{
    for (guint i = 0; i < s->bitmaps->len; i++) {
        const Qcow2Bitmap *m = &g_array_index(s->bitmaps, Qcow2Bitmap, i);
        if (!m->bits)
            return m->name;
    }
    return NULL;
}

void qcow2_bitmaps_resize(Qcow2 *s, uint64_t old)
{
    for (guint i = 0; i < s->bitmaps->len; i++) {
        Qcow2Bitmap *m = &g_array_index(s->bitmaps, Qcow2Bitmap, i);
        uint64_t was = ((old + m->granularity - 1) / m->granularity + 7) / 8, bytes = qcow2_bitmap_bytes(s, m->granularity);
        uint64_t bits = qcow2_bitmap_bits(s, m->granularity);
        if (!m->bits)
            continue;
        m->bits = g_realloc(m->bits, bytes + 1);
        if (bytes > was)
            memset(m->bits + was, 0, bytes - was + 1);
        if (bits & 7) /* what was beyond a new end does not come back */
            m->bits[bits / 8] &= (uint8_t)MASK64(bits & 7);
        m->changed = true;
    }
}

void qcow2_bitmaps_drop(Qcow2 *s)
{
    for (guint i = 0; i < s->bitmaps->len; i++)
        qcow2_bitmap_free_bits(s, &g_array_index(s->bitmaps, Qcow2Bitmap, i));
    g_array_set_size(s->bitmaps, 0);
    s->recording = false;
    GError *err = NULL;
    if (s->autoclear && !qcow2_bitmaps_store_directory(s, &err)) {
        error_report("%s", err->message);
        g_error_free(err);
    }
}

int qcow2_bitmaps_stop(Qcow2 *s)
{
    g_autoptr(GArray) old = g_array_new(FALSE, FALSE, sizeof(Qcow2Bitmap));
    bool any = false;
    int ret = 0;
    s->recording = false;
    for (guint i = 0; i < s->bitmaps->len && !ret; i++) {
        Qcow2Bitmap *m = &g_array_index(s->bitmaps, Qcow2Bitmap, i);
        if (!m->bits)
            continue;
        any = true;
        m->flags &= ~(uint32_t)BITMAP_IN_USE;
        if (!m->changed)
            continue;
        Qcow2Bitmap was = *m;
        ret = qcow2_bitmap_store_bits(s, m, m->bits);
        g_array_append_val(old, was);
    }
    if (!any || ret)
        return ret;
    if (!old->len)
        return rewrite_directory(s);
    GError *err = NULL;
    if (!qcow2_bitmaps_store_directory(s, &err)) {
        error_report("%s", err->message);
        g_error_free(err);
        return -EIO;
    }
    for (guint i = 0; i < old->len; i++)
        qcow2_bitmap_free_bits(s, &g_array_index(old, Qcow2Bitmap, i));
    return 0;
}
