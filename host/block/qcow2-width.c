/* qcow2-width.c - another width of the refcounts: new blocks and a new table behind everything, then the header names them
 * Spec: qcow2 "Refcounts". One write of the header's first sector switches over; before it the image is as it was. The places
 * of the old table and blocks are free afterwards. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"

enum { MAX_CLUSTERS = 1 << 28, HEAD = 104 };

typedef struct Layout { uint64_t clusters, table, blocks; } Layout; /* in front of the new structures; of each of them */

static bool plan(const Qcow2 *s, unsigned order, Layout *l)
{
    unsigned bits = s->cluster_bits + 3 - order;
    *l = (Layout){s->alloc_end >> s->cluster_bits, 1, 1};
    for (;;) {
        uint64_t all = l->clusters + l->table + l->blocks;
        uint64_t blocks = (all + MASK64(bits)) >> bits, table = ROUND_UP(blocks * 8, s->cluster_size) >> s->cluster_bits;
        if (all > MAX_CLUSTERS || table << s->cluster_bits > MAX_REFTABLE_BYTES)
            return false;
        if (blocks <= l->blocks && table <= l->table)
            return true;
        l->blocks = MAX(blocks, l->blocks);
        l->table = MAX(table, l->table);
    }
}

static void set_bit(uint8_t *map, uint64_t i) { map[i / 8] |= (uint8_t)(1u << i % 8); }

/* The counts of the clusters from `first` on, as block `b` will have them. */
static int fill(Qcow2 *s, const Layout *l, const uint8_t *old, uint64_t first, uint64_t n, unsigned order, uint8_t *b, GError **errp)
{
    uint64_t max = MASK64(1u << order), count;
    memset(b, 0, s->cluster_size);
    for (uint64_t c = first; c < first + n && c < l->clusters + l->table + l->blocks; c++) {
        int ret = c < l->clusters ? qcow2_get_refcount(s, c, &count) : 0;
        if (ret)
            return ret;
        if (c >= l->clusters)
            count = 1;
        else if (old[c / 8] >> c % 8 & 1)
            count = 0;
        if (count > max) {
            error_set(errp, "Cannot decrease refcount entry width to %u bits: Cluster at offset 0x%" PRIx64 " has a refcount of %" PRIu64,
                      1u << order, c << s->cluster_bits, count);
            return -ERANGE;
        }
        qcow2_put_refcount(order, b, c - first, count);
    }
    return qcow2_trim(s);
}

static int write_all(Qcow2 *s, const Layout *l, const uint8_t *old, unsigned order, uint64_t *table, GError **errp)
{
    g_autofree uint8_t *b = g_malloc(s->cluster_size), *be = g_malloc0(l->table << s->cluster_bits);
    uint64_t per = BIT(s->cluster_bits + 3 - order);
    uint8_t head[HEAD];
    int ret = 0;
    for (uint64_t i = 0; i < l->blocks && !ret; i++) {
        table[i] = (l->clusters + l->table + i) << s->cluster_bits;
        stb64(be + i * 8, table[i]);
        ret = fill(s, l, old, i * per, per, order, b, errp);
        if (!ret)
            ret = file_pwrite(s->file, table[i], b, s->cluster_size);
    }
    if (!ret)
        ret = file_pwrite(s->file, l->clusters << s->cluster_bits, be, l->table << s->cluster_bits);
    if (!ret)
        ret = file_sync(s->file);
    if (!ret)
        ret = file_pread(s->file, 0, head, HEAD);
    stb64(head + 48, l->clusters << s->cluster_bits);
    stb32(head + 56, (uint32_t)l->table);
    stb32(head + 96, order);
    if (!ret)
        ret = file_pwrite(s->file, 0, head, HEAD);
    return ret ? ret : file_sync(s->file);
}

static int change(Qcow2 *s, unsigned order, GError **errp)
{
    Layout l;
    int ret = qcow2_flush_locked(s); /* the second one writes the counts that the first one let go */
    if (!ret)
        ret = qcow2_flush_locked(s);
    if (ret || s->corrupt || s->bad)
        return ret ? ret : -EIO;
    if (!plan(s, order, &l))
        return -EFBIG;
    uint64_t *table = g_new0(uint64_t, (l.table << s->cluster_bits) / 8), n = MAX(s->reft_size, 1);
    g_autofree uint8_t *old = g_malloc0(l.clusters / 8 + 1);
    for (uint64_t at = s->reft_off; at < s->reft_off + (uint64_t)s->reft_size * 8; at += s->cluster_size)
        set_bit(old, at >> s->cluster_bits);
    for (uint64_t i = 0; i < s->reft_size; i++)
        if (s->reft[i] && s->reft[i] >> s->cluster_bits < l.clusters)
            set_bit(old, s->reft[i] >> s->cluster_bits);
    ret = write_all(s, &l, old, order, table, errp);
    if (ret) {
        g_free(table);
        return ret;
    }
    for (uint64_t i = 0; i < n && i < s->reft_size; i++)
        if (s->reft[i]) {
            qcow2_drop_table(s, s->reft[i]);
            qcow2_note_meta(s, s->reft[i], 1, false);
        }
    qcow2_note_meta(s, s->reft_off, (uint64_t)s->reft_size * 8, false);
    g_free(s->reft);
    s->reft = table;
    s->reft_off = l.clusters << s->cluster_bits;
    s->reft_size = (uint32_t)((l.table << s->cluster_bits) / 8);
    s->reft_dirty = false;
    s->refcount_order = order;
    s->alloc_end = (l.clusters + l.table + l.blocks) << s->cluster_bits;
    s->free_hint = 0;
    s->comp_next = 0;
    qcow2_note_meta(s, s->reft_off, (l.table + l.blocks) << s->cluster_bits, true);
    return 0;
}

bool qcow2_set_refcount_bits(BlockNode *n, unsigned bits, GError **errp)
{
    Qcow2 *s = n->state;
    GError *err = NULL;
    if (!bits || bits > 64 || (bits & (bits - 1)))
        return error_set(errp, "Refcount width must be a power of two and may not exceed 64 bits");
    if (bits == 1u << s->refcount_order)
        return true;
    if (s->version < 3)
        return error_set(errp, "Refcount widths other than 16 bits require compatibility level 1.1 or above (use compat=1.1 or greater)");
    g_mutex_lock(&s->lock);
    int ret = change(s, (unsigned)__builtin_ctz(bits), &err);
    g_mutex_unlock(&s->lock);
    if (err) {
        g_propagate_error(errp, err);
        return false;
    }
    return !ret || error_set_errno(errp, -ret, "Could not change the refcount width of '%s'", n->filename);
}
