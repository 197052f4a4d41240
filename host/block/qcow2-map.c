/* qcow2-map.c - guest offsets to clusters of the file: L1 and L2 tables, extended L2 entries, zeroing.
 * Every entry is checked before it is used: alignment, inside the file, not on top of metadata. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"

uint64_t qcow2_compressed_host(const Qcow2 *s, uint64_t entry, uint64_t *bytes)
{
    unsigned x = 62 - (s->cluster_bits - 8);
    uint64_t host = entry & MASK64(x), sectors = (entry & MASK64(62)) >> x;
    *bytes = (sectors + 1) * SECTOR - (host & (SECTOR - 1));
    return host;
}

/* May data be at host..host+len of the file? Writes must not hit metadata or lie outside of the file. */
int qcow2_check_data(Qcow2 *s, uint64_t host, uint64_t len, bool write)
{
    if ((host & ~(s->cluster_size - 1)) == 0)
        return qcow2_corrupt(s, "data cluster in the image's header");
    if (!write)
        return 0;
    if (host + len > s->alloc_end)
        return qcow2_corrupt(s, "data cluster 0x%" PRIx64 " is outside of the file", host);
    for (uint64_t c = host >> s->cluster_bits; c <= (host + len - 1) >> s->cluster_bits; c++)
        if (qcow2_is_meta(s, c))
            return qcow2_corrupt(s, "data cluster 0x%" PRIx64 " overlaps metadata", c << s->cluster_bits);
    return 0;
}

/* The state of one (sub)cluster of an entry. -EIO for an impossible entry. */
static int entry_kind(Qcow2 *s, uint64_t entry, uint64_t bitmap, unsigned sub, Qcow2Map *m)
{
    uint64_t host = entry & L2_OFFSET_MASK;
    m->entry = entry;
    m->copied = entry & QCOW_COPIED;
    m->host = 0;
    if (entry & QCOW_COMPRESSED) {
        m->kind = Q_COMPRESSED;
        m->copied = false;
        return 0;
    }
    if (host & (s->cluster_size - 1))
        return qcow2_corrupt(s, "data cluster 0x%" PRIx64 " is not aligned", host);
    if (s->ext_l2) {
        bool alloc = bitmap >> sub & 1, zero = bitmap >> (32 + sub) & 1;
        if ((alloc && zero) || (alloc && !host))
            return qcow2_corrupt(s, "invalid subcluster bits 0x%016" PRIx64 " of entry 0x%" PRIx64, bitmap, entry);
        m->kind = alloc ? Q_DATA : zero ? Q_ZERO : Q_UNALLOCATED;
    } else if (s->version >= 3 && (entry & QCOW_ZERO)) {
        m->kind = Q_ZERO;
    } else {
        m->kind = host ? Q_DATA : Q_UNALLOCATED;
    }
    m->host = host;
    return m->kind == Q_DATA ? qcow2_check_data(s, host, s->cluster_size, false) : 0;
}

int qcow2_map(Qcow2 *s, uint64_t off, uint64_t len, Qcow2Map *m)
{
    uint64_t l1i = qcow2_l1_index(s, off), i = qcow2_l2_index(s, off);
    uint64_t table_end = (l1i + 1) << (s->cluster_bits + s->l2_bits);
    uint64_t at = off & (s->cluster_size - 1), l2_off;
    MetaTable *t;

    len = MIN(len, table_end - off);
    *m = (Qcow2Map){.kind = Q_UNALLOCATED, .len = len};
    if (l1i >= s->l1_size || !(l2_off = s->l1[l1i] & L1_OFFSET_MASK))
        return 0;
    int ret = qcow2_get_table(s, l2_off, true, &t);
    if (!ret)
        ret = entry_kind(s, qcow2_entry(s, t, i), qcow2_bitmap(s, t, i), (unsigned)(at / s->sub_size), m);
    if (ret)
        return ret;
    uint64_t host0 = m->host;
    m->host = m->host ? m->host + at : 0;
    m->len = MIN(len, s->sub_size - at % s->sub_size);
    if (m->kind == Q_COMPRESSED) {
        m->len = MIN(len, s->cluster_size - at);
        return 0;
    }
    while (m->len < len) {
        uint64_t next = off + m->len, ni = qcow2_l2_index(s, next), in = next & (s->cluster_size - 1);
        Qcow2Map o;
        if (entry_kind(s, qcow2_entry(s, t, ni), qcow2_bitmap(s, t, ni), (unsigned)(in / s->sub_size), &o) ||
            o.kind != m->kind || o.copied != m->copied ||
            (m->kind == Q_DATA && o.host != host0 + ((ni - i) << s->cluster_bits)) ||
            (m->kind == Q_ZERO && (host0 || o.host)))
            break;
        m->len += MIN(len - m->len, s->sub_size);
    }
    return 0;
}

/* The L2 table for off, made or copied when it is missing or shared with a snapshot. */
int qcow2_l2_for_write(Qcow2 *s, uint64_t off, MetaTable **out)
{
    uint64_t l1i = qcow2_l1_index(s, off), n = 1, at;
    MetaTable *old = NULL, *t;
    int ret;

    if (s->corrupt)
        return -EIO;
    if (l1i >= s->l1_size)
        return -EIO;
    uint64_t e = s->l1[l1i], l2_off = e & L1_OFFSET_MASK;
    if (l2_off) {
        ret = qcow2_get_table(s, l2_off, true, &old);
        if (ret)
            return ret;
        if (e & QCOW_COPIED) {
            *out = old;
            return 0;
        }
    }
    ret = qcow2_alloc(s, 1, &n, &at);
    if (ret)
        return ret;
    t = qcow2_new_table(s, at, true);
    if (old) {
        memcpy(t->data, old->data, s->cluster_size);
        qcow2_free_later(s, l2_off, s->cluster_size);
    }
    s->l1[l1i] = at | QCOW_COPIED;
    s->l1_dirty = true;
    *out = t;
    return 0;
}

void qcow2_set_entry(Qcow2 *s, MetaTable *t, uint64_t i, uint64_t entry, uint64_t bitmap)
{
    stb64(t->data + i * s->l2_entry, entry);
    if (s->ext_l2)
        stb64(t->data + i * s->l2_entry + 8, bitmap);
    qcow2_mark_dirty(s, t);
}

void qcow2_wait_range(Qcow2 *s, uint64_t start, uint64_t end, bool *waited)
{
again:
    for (GList *l = s->allocs; l; l = l->next) {
        const Qcow2Range *r = l->data;
        if (r->start < end && start < r->end) {
            g_cond_wait(&s->cond, &s->lock);
            *waited = true;
            goto again;
        }
    }
}

static int zero_one(Qcow2 *s, MetaTable *t, uint64_t i, bool unmap, bool discard)
{
    uint64_t e = qcow2_entry(s, t, i), bm = qcow2_bitmap(s, t, i);
    bool host = !(e & QCOW_COMPRESSED) && (e & L2_OFFSET_MASK);
    uint64_t zero_bm = s->ext_l2 ? 0xffffffff00000000ULL : 0, zero_e = s->ext_l2 ? 0 : QCOW_ZERO;

    if (!e && !bm && !s->node->backing_name)
        return 0;
    if (s->version < 3) {
        if (s->node->backing_name)
            return discard ? 0 : -ENOTSUP;
        zero_e = 0; /* unallocated reads as zeros */
    }
    /* A cluster of our own stays allocated unless it may go: the next write finds it there. */
    if (host && (e & QCOW_COPIED) && !unmap && !discard && s->version >= 3) {
        qcow2_set_entry(s, t, i, (e & ~QCOW_ZERO) | zero_e, zero_bm);
        return 0;
    }
    qcow2_free_entry(s, e);
    qcow2_set_entry(s, t, i, zero_e, zero_bm);
    return 0;
}

int qcow2_zero_clusters(Qcow2 *s, uint64_t off, uint64_t len, bool unmap, bool discard)
{
    for (uint64_t end = off + len; off < end;) {
        uint64_t table_end = (qcow2_l1_index(s, off) + 1) << (s->cluster_bits + s->l2_bits);
        uint64_t stop = MIN(end, table_end);
        uint64_t l1i = qcow2_l1_index(s, off);
        bool waited = false;
        MetaTable *t;
        qcow2_wait_range(s, off, stop, &waited);
        int ret = qcow2_trim(s);
        if (ret)
            return ret;
        if (l1i < s->l1_size && !(s->l1[l1i] & L1_OFFSET_MASK) && !s->node->backing_name) {
            off = stop; /* nothing there: reads as zeros already */
            continue;
        }
        ret = qcow2_l2_for_write(s, off, &t);
        for (; !ret && off < stop; off += s->cluster_size)
            ret = zero_one(s, t, qcow2_l2_index(s, off), unmap, discard);
        if (ret)
            return ret;
        off = stop;
    }
    return 0;
}
