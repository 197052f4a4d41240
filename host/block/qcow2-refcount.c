/* qcow2-refcount.c - how often each cluster of the file is used; allocation and release of clusters.
 * A new refcount block is put at the first cluster that it itself counts, so that no block is needed to
 * count a block; a table that has become too small moves behind everything together with such blocks. */
#include "host/base/osdep.h"
#include "host/base/log.h"
#include "host/block/qcow2.h"

int qcow2_corrupt(Qcow2 *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (s->checking)
        return -EIO;
    if (!s->corrupt) {
        s->corrupt = true;
        warn_report("qcow2: image '%s' is corrupt: %s%s", s->node->filename, msg,
                    s->writable ? "; further writes are refused" : "");
        if (s->writable && s->version >= 3)
            qcow2_set_incompat(s, INCOMPAT_CORRUPT, true);
    }
    return -EIO;
}

static uint64_t *set_find(const Qcow2Set *m, uint64_t v)
{
    uint64_t i = (v * m->factor) >> 20 & m->mask;
    while (m->slot[i] && m->slot[i] != v + 1)
        i = (i + 1) & m->mask;
    return &m->slot[i];
}

static void set_add(Qcow2Set *m, uint64_t v)
{
    if ((m->used + 1) * 2 > m->mask) {
        Qcow2Set big = {.mask = MAX(64, (m->mask + 1) * 2) - 1, .factor = m->factor};
        if (!big.factor) /* nobody makes an image whose clusters all fall on one slot */
            big.factor = ((uint64_t)g_random_int() << 32 | g_random_int()) | 1;
        big.slot = g_new0(uint64_t, big.mask + 1);
        for (uint64_t i = 0; m->slot && i <= m->mask; i++)
            if (m->slot[i])
                *set_find(&big, m->slot[i] - 1) = m->slot[i];
        g_free(m->slot);
        m->slot = big.slot;
        m->mask = big.mask;
        m->factor = big.factor;
    }
    uint64_t *at = set_find(m, v);
    m->used += !*at;
    *at = v + 1;
}

static void set_remove(Qcow2Set *m, uint64_t v)
{
    uint64_t *at = m->slot ? set_find(m, v) : NULL;
    if (!at || !*at)
        return;
    *at = 0;
    m->used--;
    /* what follows in the same run may have been pushed on by v: it is entered anew */
    for (uint64_t i = ((uint64_t)(at - m->slot) + 1) & m->mask; m->slot[i]; i = (i + 1) & m->mask) {
        uint64_t w = m->slot[i];
        m->slot[i] = 0;
        *set_find(m, w - 1) = w;
    }
}

bool qcow2_is_meta(const Qcow2 *s, uint64_t cluster) { return s->meta.slot && *set_find(&s->meta, cluster); }

void qcow2_note_meta(Qcow2 *s, uint64_t offset, uint64_t len, bool is_meta)
{
    /* In clusters: an offset near 2^64 does not wrap. (It once did, for entries of a damaged table that were not masked; the set, a
     * GHashTable then, grew to 2^28 keys and crashed.) */
    for (uint64_t c = offset >> s->cluster_bits, n = len ? ((offset & (s->cluster_size - 1)) + len - 1) >> s->cluster_bits : 0; len; c++, n--) {
        (is_meta ? set_add : set_remove)(&s->meta, c);
        if (!n)
            break;
    }
}

static inline unsigned block_bits(const Qcow2 *s) { return s->cluster_bits + 3 - s->refcount_order; }

uint64_t qcow2_refcount_of(const Qcow2 *s, const uint8_t *b, uint64_t i)
{
    switch (s->refcount_order) {
    case 0: case 1: case 2: {
        unsigned width = 1u << s->refcount_order, per = 8 / width;
        return b[i / per] >> (i % per * width) & MASK64(width);
    }
    case 3:
        return b[i];
    case 4:
        return ldb16(b + i * 2);
    case 5:
        return ldb32(b + i * 4);
    default:
        return ldb64(b + i * 8);
    }
}

void qcow2_put_refcount(unsigned order, uint8_t *b, uint64_t i, uint64_t v)
{
    switch (order) {
    case 0: case 1: case 2: {
        unsigned width = 1u << order, per = 8 / width, at = (unsigned)(i % per) * width;
        b[i / per] = (uint8_t)deposit64(b[i / per], at, width, v);
        break;
    }
    case 3:
        b[i] = (uint8_t)v;
        break;
    case 4:
        stb16(b + i * 2, (uint16_t)v);
        break;
    case 5:
        stb32(b + i * 4, (uint32_t)v);
        break;
    default:
        stb64(b + i * 8, v);
        break;
    }
}

static void store(const Qcow2 *s, uint8_t *b, uint64_t i, uint64_t v) { qcow2_put_refcount(s->refcount_order, b, i, v); }

/* The block that counts `cluster`; *t NULL: there is none, everything it would count is free. */
static int get_block(Qcow2 *s, uint64_t cluster, MetaTable **t)
{
    uint64_t i = cluster >> block_bits(s);
    *t = NULL;
    if (i >= s->reft_size || !s->reft[i])
        return 0;
    return qcow2_get_table(s, s->reft[i], false, t);
}

int qcow2_get_refcount(Qcow2 *s, uint64_t cluster, uint64_t *count)
{
    MetaTable *t;
    int ret = get_block(s, cluster, &t);
    *count = !ret && t ? qcow2_refcount_of(s, t->data, cluster & MASK64(block_bits(s))) : 0;
    return ret;
}

static void extend_end(Qcow2 *s, uint64_t cluster)
{
    s->alloc_end = MAX(s->alloc_end, (cluster + 1) << s->cluster_bits);
}

/* A cluster that a table is in: noted so, or in the cache, where somebody may be using it right now (the damaged
 * tables of an image may name what is counted as free). */
static bool holds_table(const Qcow2 *s, uint64_t cluster)
{
    uint64_t offset = cluster << s->cluster_bits;
    return cluster == 0 || qcow2_is_meta(s, cluster) || g_hash_table_lookup(s->cache, &offset);
}

/* Clusters that nothing counts must not hold tables either. */
static int check_unused(Qcow2 *s, uint64_t cluster, uint64_t n)
{
    for (uint64_t c = cluster; c < cluster + n; c++)
        if (holds_table(s, c))
            return qcow2_corrupt(s, "cluster 0x%" PRIx64 " holds metadata but is counted as free", c << s->cluster_bits);
    return 0;
}

/* A bigger refcount table at `cluster` (which no block counts yet), followed by the blocks that count both; it has
 * room for `spare` more blocks. */
static int grow_table(Qcow2 *s, uint64_t cluster, uint64_t spare, uint64_t *next)
{
    unsigned bb = block_bits(s);
    g_autofree uint8_t *be = NULL;
    uint64_t first = cluster >> bb, blocks = 1, tclusters, entries;
    for (;;) { /* the table must have room for the blocks that count the table */
        entries = MAX(first + blocks + 1 + spare, (uint64_t)s->reft_size * 3 / 2);
        tclusters = (entries * 8 + s->cluster_size - 1) >> s->cluster_bits;
        uint64_t need = ((cluster + tclusters + blocks - 1) >> bb) - first + 1;
        if (need <= blocks)
            break;
        blocks = need;
    }
    entries = (tclusters << s->cluster_bits) / 8;
    if (entries * 8 > MAX_REFTABLE_BYTES)
        return -EFBIG;
    int ret = check_unused(s, cluster, tclusters + blocks);
    if (ret)
        return ret;
    uint64_t *table = g_new0(uint64_t, entries);
    memcpy(table, s->reft, (size_t)s->reft_size * 8);
    uint64_t at = cluster << s->cluster_bits;
    for (uint64_t b = 0; b < blocks; b++) {
        uint64_t off = at + ((tclusters + b) << s->cluster_bits);
        MetaTable *t = qcow2_new_table(s, off, false);
        table[first + b] = off;
        for (uint64_t c = cluster; c < cluster + tclusters + blocks; c++)
            if (c >> bb == first + b)
                store(s, t->data, c & MASK64(bb), 1);
        ret = file_pwrite(s->file, off, t->data, s->cluster_size);
        if (ret)
            goto fail;
        t->dirty = false;
    }
    be = g_malloc0(entries * 8);
    for (uint64_t i = 0; i < entries; i++)
        stb64(be + i * 8, table[i]);
    ret = file_pwrite(s->file, at, be, entries * 8);
    if (!ret)
        ret = file_sync(s->file);
    /* the old blocks that the new table names must be there as well */
    for (GList *l = s->lru.head; l && !ret; l = l->next) {
        MetaTable *t = l->data;
        if (t->dirty && !t->is_l2)
            ret = file_pwrite(s->file, t->offset, t->data, s->cluster_size);
    }
    uint8_t head[12];
    stb64(head, at);
    stb32(head + 8, (uint32_t)tclusters);
    if (!ret)
        ret = file_sync(s->file);
    if (!ret)
        ret = file_pwrite(s->file, 48, head, sizeof head);
    if (!ret)
        ret = file_sync(s->file);
    if (ret)
        goto fail;
    uint64_t old = s->reft_off, old_len = (uint64_t)s->reft_size * 8;
    g_free(s->reft);
    s->reft = table;
    s->reft_off = at;
    s->reft_size = (uint32_t)entries;
    s->reft_dirty = false;
    qcow2_note_meta(s, at, entries * 8, true);
    qcow2_note_meta(s, old, old_len, false);
    *next = cluster + tclusters + blocks;
    extend_end(s, *next - 1);
    qcow2_free_later(s, old, ROUND_UP(old_len, s->cluster_size));
    return 0;
fail:
    g_free(table);
    return ret;
}

/* How many blocks from `cluster` on count themselves and `want` clusters behind them; 1 when one of the others is there already. */
static uint64_t blocks_for_run(Qcow2 *s, uint64_t cluster, uint64_t want)
{
    uint64_t first = cluster >> block_bits(s), n = 1, need;
    while ((need = ((cluster + n + want - 1) >> block_bits(s)) - first + 1) > n)
        n = need;
    for (uint64_t i = first; i < MIN(first + n, s->reft_size); i++)
        if (s->reft[i])
            return 1;
    return n;
}

/* Make the block that counts `cluster` at that very cluster, and with it those for a run of `want` clusters: one at a time
 * each would lie in the middle of the run. *next: the first cluster behind what this took. */
static int make_blocks(Qcow2 *s, uint64_t cluster, uint64_t want, uint64_t *next)
{
    uint64_t first = cluster >> block_bits(s), n = blocks_for_run(s, cluster, want);
    if (first + n > s->reft_size && (first >= s->reft_size || n > 1))
        return grow_table(s, cluster, n, next);
    int ret = check_unused(s, cluster, n);
    if (ret)
        return ret;
    for (uint64_t b = 0; b < n; b++) {
        MetaTable *t = qcow2_new_table(s, (cluster + b) << s->cluster_bits, false);
        for (uint64_t c = cluster; c < cluster + n; c++)
            if (c >> block_bits(s) == first + b)
                store(s, t->data, c & MASK64(block_bits(s)), 1);
        s->reft[first + b] = t->offset;
    }
    s->reft_dirty = true;
    extend_end(s, cluster + n - 1);
    *next = cluster + n;
    return 0;
}

int qcow2_set_refcount(Qcow2 *s, uint64_t cluster, uint64_t count)
{
    MetaTable *t;
    int ret = get_block(s, cluster, &t);
    if (ret)
        return ret;
    if (!t) {
        uint64_t next, n = 1, off;
        if (!count)
            return 0;
        /* Clusters are only counted after qcow2_alloc saw them; a repair comes here for others: the
         * block goes behind everything, where it needs a block of its own. */
        uint64_t i = cluster >> block_bits(s);
        if (i >= s->reft_size) {
            ret = grow_table(s, MAX(s->alloc_end >> s->cluster_bits, cluster + 1), 0, &next);
            if (ret)
                return ret;
        }
        if (i < s->reft_size && !s->reft[i]) {
            ret = qcow2_alloc(s, 1, &n, &off);
            if (ret)
                return ret;
            if (!s->reft[i]) {
                qcow2_new_table(s, off, false);
                s->reft[i] = off;
                s->reft_dirty = true;
            }
        }
        ret = get_block(s, cluster, &t);
        if (ret || !t)
            return ret ? ret : -EIO;
    }
    store(s, t->data, cluster & MASK64(block_bits(s)), count);
    qcow2_mark_dirty(s, t);
    if (!count)
        s->free_hint = MIN(s->free_hint, cluster);
    return 0;
}

int qcow2_add_refcount(Qcow2 *s, uint64_t offset, uint64_t len, int delta)
{
    uint64_t first = offset >> s->cluster_bits, last = (offset + len - 1) >> s->cluster_bits;
    uint64_t max = MASK64(1u << s->refcount_order);
    for (uint64_t c = first; c <= last && len; c++) {
        MetaTable *t;
        int ret = get_block(s, c, &t);
        if (ret)
            return ret;
        uint64_t n = t ? qcow2_refcount_of(s, t->data, c & MASK64(block_bits(s))) : 0;
        if (delta < 0 && !n)
            return qcow2_corrupt(s, "cluster 0x%" PRIx64 " is in use but counted as free", c << s->cluster_bits);
        if (delta > 0 && n >= max)
            return -EINVAL; /* the field is full: as many snapshots as its width allows */
        ret = qcow2_set_refcount(s, c, delta < 0 ? n - 1 : n + 1);
        if (ret)
            return ret;
        if (delta < 0 && n == 1) {
            qcow2_drop_table(s, c << s->cluster_bits);
            qcow2_note_meta(s, c << s->cluster_bits, 1, false);
            if (s->comp_next >> s->cluster_bits == c)
                s->comp_next = 0;
            if (s->discard)
                file_punch(s->file, c << s->cluster_bits, s->cluster_size);
        }
    }
    return 0;
}

int qcow2_alloc(Qcow2 *s, uint64_t min, uint64_t *n, uint64_t *offset)
{
    uint64_t start = s->free_hint, run = 0;
    bool first_free = true;
    if (s->corrupt || s->bad)
        return -EIO;
    file_event(s->file, EVENT_cluster_alloc);
    for (uint64_t c = start; run < *n; c++) {
        MetaTable *t;
        int ret = get_block(s, c, &t);
        if (ret)
            return ret;
        if (c >> (56 - s->cluster_bits))
            return -EFBIG;
        if (!t) {
            uint64_t next;
            if (run >= min)
                break;
            ret = make_blocks(s, c, min, &next);
            if (ret)
                return ret;
            c = next - 1;
            run = 0;
            start = next;
            continue;
        }
        if (qcow2_refcount_of(s, t->data, c & MASK64(block_bits(s)))) {
            if (run >= min)
                break;
            run = 0;
            start = c + 1;
            continue;
        }
        if (holds_table(s, c))
            return qcow2_corrupt(s, "cluster 0x%" PRIx64 " holds metadata but is counted as free", c << s->cluster_bits);
        if (first_free) {
            s->free_hint = c;
            first_free = false;
        }
        run++;
    }
    *n = run;
    *offset = start << s->cluster_bits;
    for (uint64_t i = 0; i < run; i++) {
        int ret = qcow2_set_refcount(s, start + i, 1);
        if (ret)
            return ret;
    }
    if (start == s->free_hint)
        s->free_hint = start + run;
    extend_end(s, start + run - 1);
    return 0;
}

void qcow2_free_later(Qcow2 *s, uint64_t offset, uint64_t len)
{
    if (s->frees->len) {
        Qcow2Range *last = &g_array_index(s->frees, Qcow2Range, s->frees->len - 1);
        if (last->end == offset && !(offset & (s->cluster_size - 1))) {
            last->end += len;
            return;
        }
    }
    Qcow2Range r = {offset, offset + len};
    g_array_append_val(s->frees, r);
    s->tables_dirty = true;
}

void qcow2_free_entry(Qcow2 *s, uint64_t entry)
{
    if (entry & QCOW_COMPRESSED) {
        uint64_t bytes, host = qcow2_compressed_host(s, entry, &bytes);
        qcow2_free_later(s, host, bytes);
    } else if (entry & L2_OFFSET_MASK) {
        uint64_t host = entry & L2_OFFSET_MASK;
        if (host & (s->cluster_size - 1))
            qcow2_corrupt(s, "data cluster 0x%" PRIx64 " is not aligned", host);
        else
            qcow2_free_later(s, host, s->cluster_size);
    }
}
