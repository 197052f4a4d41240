/* qcow2-amend.c - changing an image's version and features in place.
 * Each step leaves an image that is valid as it is. Not modelled: other cluster sizes. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"

/* Version 2 knows no zero clusters: they become unallocated, or data where a backing file would show. */
static int expand_zeros(Qcow2 *s)
{
    g_autofree uint8_t *zeros = g_malloc0(s->cluster_size);
    for (uint64_t off = 0; off < s->size;) {
        uint64_t l1i = qcow2_l1_index(s, off), next = (l1i + 1) << (s->cluster_bits + s->l2_bits);
        MetaTable *t;
        if (!(s->l1[l1i] & L1_OFFSET_MASK)) {
            off = next;
            continue;
        }
        g_mutex_lock(&s->lock);
        int ret = qcow2_trim(s);
        if (!ret)
            ret = qcow2_get_table(s, s->l1[l1i] & L1_OFFSET_MASK, true, &t);
        uint64_t i = qcow2_l2_index(s, off), e = ret ? 0 : qcow2_entry(s, t, i);
        bool zero = !(e & QCOW_COMPRESSED) && (e & QCOW_ZERO);
        if (zero && !ret && !s->node->backing_name) {
            qcow2_free_entry(s, e);
            qcow2_set_entry(s, t, i, 0, 0);
            zero = false;
        }
        g_mutex_unlock(&s->lock);
        if (!ret && zero) {
            struct iovec iov = {zeros, MIN(s->cluster_size, s->size - off)};
            ret = qcow2_format.pwritev(s, off, &iov, 1, iov.iov_len);
        }
        if (ret)
            return ret;
        off += s->cluster_size;
    }
    return 0;
}

static bool check_downgrade(const Qcow2 *s, GError **errp)
{
    if (s->refcount_order != 4)
        return error_set(errp, "compat=0.10 requires refcount_bits=16");
    if (s->ext_l2 || s->zstd)
        return error_set(errp, "Cannot downgrade an image with %s", s->ext_l2 ? "extended L2 entries" : "compression type zstd");
    if (s->snapshots->len)
        return error_set(errp, "Cannot downgrade an image with internal snapshots (delete them first)");
    if (s->incompat & ~(uint64_t)INCOMPAT_DIRTY)
        return error_set(errp, "Cannot downgrade an image with incompatible features set");
    return true;
}

bool qcow2_amend(BlockNode *n, const Qcow2Amend *a, GError **errp)
{
    Qcow2 *s = n->state;
    unsigned version = a->version < 0 ? s->version : (unsigned)a->version;
    bool lazy = a->lazy < 0 ? s->lazy && version >= 3 : a->lazy;
    Qcow2Header h;
    uint8_t *first = NULL;
    size_t len;
    int ret = 0;
    if (version < 3 && a->lazy > 0)
        return error_set(errp, "Lazy refcounts only supported with compatibility level 1.1 and above (use compat=1.1 or greater)");
    if (version < s->version && !check_downgrade(s, errp))
        return false;
    if (version < s->version)
        ret = expand_zeros(s);
    g_mutex_lock(&s->lock);
    if (version < 3 && s->bitmaps->len && !ret)
        qcow2_bitmaps_drop(s); /* version 2 has none */
    if (!ret)
        ret = qcow2_flush_locked(s);
    if (!ret)
        ret = qcow2_flush_locked(s);
    if (!ret && (s->incompat & INCOMPAT_DIRTY) && (!lazy || version < 3)) /* the counts are on disk now */
        ret = qcow2_set_incompat(s, INCOMPAT_DIRTY, false);
    g_mutex_unlock(&s->lock);
    if (ret)
        return error_set_errno(errp, -ret, "Could not write the tables of '%s'", n->filename);
    BlockNode old = {.filename = n->filename, .file = n->file};
    bool ok = qcow2_read_header(&old, s->file, &h, &first, &len, errp);
    g_free(first);
    if (ok) {
        h.version = version;
        h.compat = lazy ? h.compat | COMPAT_LAZY : h.compat & ~(uint64_t)COMPAT_LAZY;
        h.incompat = version < 3 ? 0 : s->incompat;
        g_autofree uint8_t *b = qcow2_make_header(&h, old.backing_name, old.backing_format, errp);
        ret = b ? file_pwrite(s->file, 0, b, s->cluster_size) : 0;
        if (b && !ret)
            ret = file_sync(s->file);
        ok = b && (!ret || error_set_errno(errp, -ret, "Could not write the header of '%s'", n->filename));
    }
    g_free(old.backing_name);
    g_free(old.backing_format);
    if (ok) {
        s->version = version;
        s->lazy = lazy;
    }
    return ok;
}
