/* qcow2-check.c - consistency: counts every use of every cluster and compares with the refcounts.
 * The tables are read from the file as they are. A repair sets counts and COPIED flags; a refcount
 * structure that is itself damaged is not rebuilt but reported. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"

enum { MAX_CHECK_CLUSTERS = 1 << 28 };

typedef struct Check {
    Qcow2 *s;
    Qcow2Check *r;
    FILE *out;
    unsigned fix;
    uint16_t *uses; /* per cluster of the file, saturating */
    uint64_t n, next_host;
} Check;

static void say(Check *c, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static void say(Check *c, const char *fmt, ...)
{
    va_list ap;
    if (!c->out)
        return;
    va_start(ap, fmt);
    vfprintf(c->out, fmt, ap);
    va_end(ap);
}

static bool use(Check *c, uint64_t offset, uint64_t len)
{
    unsigned bits = c->s->cluster_bits;
    if (!len)
        return true;
    if (offset > INT64_MAX || (offset + len - 1) >> bits >= c->n) {
        say(c, "ERROR: counting reference for region exceeding the end of the file by one cluster or more: offset 0x%" PRIx64
               " size 0x%" PRIx64 "\n", offset, len);
        c->r->corruptions++;
        return false;
    }
    for (uint64_t k = offset >> bits; k <= (offset + len - 1) >> bits; k++)
        if (c->uses[k] < UINT16_MAX)
            c->uses[k]++;
    return true;
}

static void use_entry(Check *c, uint64_t e, uint64_t bitmap, bool active)
{
    Qcow2 *s = c->s;
    if (e & QCOW_COMPRESSED) {
        uint64_t bytes, host = qcow2_compressed_host(s, e, &bytes);
        if (e & QCOW_COPIED) {
            say(c, "ERROR: coffset=0x%" PRIx64 ": copied flag must never be set for compressed clusters\n", host);
            c->r->corruptions++;
        }
        use(c, host, bytes);
        if (active) {
            c->r->compressed++;
            c->r->allocated++;
            c->r->fragmented++;
        }
        return;
    }
    uint64_t host = e & L2_OFFSET_MASK;
    if (!host)
        return;
    if (host & (s->cluster_size - 1)) {
        say(c, "ERROR offset=%" PRIx64 ": Data cluster is not properly aligned; L2 entry corrupted.\n", host);
        c->r->corruptions++; /* both clusters that it lies in count as used */
    }
    if (s->ext_l2 && ((uint32_t)bitmap & bitmap >> 32)) {
        say(c, "ERROR offset=%" PRIx64 ": Allocated cluster with corrupted subcluster allocation bitmap\n", host);
        c->r->corruptions++;
    }
    if (active) {
        c->r->allocated++;
        if (c->next_host && host != c->next_host)
            c->r->fragmented++;
        c->next_host = host + s->cluster_size;
    }
    use(c, host, s->cluster_size);
}

static int use_l1(Check *c, const uint64_t *l1, uint64_t off, uint32_t n, bool active)
{
    Qcow2 *s = c->s;
    g_autofree uint8_t *t = g_malloc(s->cluster_size);
    if (n)
        use(c, off, (uint64_t)n * 8);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t l2 = l1[i] & L1_OFFSET_MASK;
        if (l1[i] & ~(L1_OFFSET_MASK | QCOW_COPIED)) {
            say(c, "ERROR found L1 entry with reserved bits set: %" PRIx64 "\n", l1[i]);
            c->r->corruptions++;
        }
        if (!l2)
            continue;
        if (l2 & (s->cluster_size - 1)) {
            say(c, "ERROR l2_offset=%" PRIx64 ": Table is not cluster aligned; L1 entry corrupted\n", l2);
            c->r->corruptions++;
            continue;
        }
        if (!use(c, l2, s->cluster_size))
            continue;
        int ret = file_pread(s->file, l2, t, s->cluster_size);
        if (ret) {
            c->r->check_errors++;
            return ret;
        }
        c->next_host = 0; /* fragments are counted within one table */
        for (uint64_t k = 0; k < BIT(s->l2_bits); k++)
            use_entry(c, ldb64(t + k * s->l2_entry), s->ext_l2 ? ldb64(t + k * s->l2_entry + 8) : 0, active);
    }
    return 0;
}

static bool use_bitmap(void *opaque, uint64_t offset, uint64_t len) { return use(opaque, offset, len); }

static int count_uses(Check *c)
{
    Qcow2 *s = c->s;
    use(c, 0, s->cluster_size);
    int ret = use_l1(c, s->l1, s->l1_off, s->l1_size, true);
    for (guint i = 0; i < s->snapshots->len && !ret; i++) {
        const Qcow2Snapshot *x = &g_array_index(s->snapshots, Qcow2Snapshot, i);
        g_autofree uint64_t *l1 = g_new0(uint64_t, x->l1_size + 1);
        ret = file_pread(s->file, x->l1_off, l1, (size_t)x->l1_size * 8);
        for (uint32_t k = 0; k < x->l1_size; k++)
            l1[k] = ldb64(l1 + k);
        if (!ret)
            ret = use_l1(c, l1, x->l1_off, x->l1_size, false);
    }
    use(c, s->snapshots_off, s->snapshots_bytes);
    if (s->bitmaps_bad) {
        say(c, "ERROR: the directory of bitmaps is damaged\n");
        c->r->corruptions++;
    } else if (!ret) {
        ret = qcow2_use_bitmaps(s, use_bitmap, c);
    }
    use(c, s->reft_off, (uint64_t)s->reft_size * 8);
    for (uint32_t i = 0; i < s->reft_size; i++) {
        uint64_t b = s->reft[i];
        if (!b)
            continue;
        if (b & (s->cluster_size - 1)) {
            say(c, "ERROR refcount block %u is not cluster aligned; refcount table entry corrupted\n", i);
            c->r->corruptions++;
            s->reft[i] = 0;
        } else if (!use(c, b, s->cluster_size)) {
            s->reft[i] = 0;
        } else if (c->uses[b >> s->cluster_bits] != 1) {
            say(c, "ERROR refcount block %u refcount=%u\n", i, c->uses[b >> s->cluster_bits]);
            c->r->corruptions++;
        }
    }
    return ret;
}

static int compare_counts(Check *c)
{
    Qcow2 *s = c->s;
    uint64_t max = MASK64(1u << s->refcount_order), last = 0;
    unsigned bits = s->cluster_bits + 3 - s->refcount_order;
    for (uint64_t k = 0; k < c->n; k++) {
        uint64_t count, uses = c->uses[k], n = MIN(BIT(bits), c->n - k);
        /* a stretch without a refcount block that nobody uses: a sparse file may have millions of those */
        if (!(k & MASK64(bits)) && ((k >> bits) >= s->reft_size || !s->reft[k >> bits]) && buffer_is_zero(c->uses + k, n * sizeof *c->uses)) {
            k += n - 1;
            continue;
        }
        g_mutex_lock(&s->lock);
        int ret = qcow2_trim(s);
        if (!ret)
            ret = qcow2_get_refcount(s, k, &count);
        g_mutex_unlock(&s->lock);
        if (ret) {
            c->r->check_errors++;
            return ret;
        }
        if (count || uses)
            last = k;
        if (count == uses || (uses == UINT16_MAX && count > uses))
            continue;
        bool leak = count > uses, fix = c->fix & (leak ? FIX_LEAKS : FIX_ERRORS) && uses <= max;
        say(c, "%s cluster %" PRIu64 " refcount=%" PRIu64 " reference=%" PRIu64 "\n",
            fix ? "Repairing" : leak ? "Leaked" : "ERROR", k, count, uses);
        if (fix) {
            g_mutex_lock(&s->lock);
            ret = qcow2_set_refcount(s, k, uses);
            g_mutex_unlock(&s->lock);
        }
        if (leak)
            c->r->leaks++, c->r->leaks_fixed += fix && !ret;
        else
            c->r->corruptions++, c->r->corruptions_fixed += fix && !ret;
    }
    c->r->image_end = (last + 1) << s->cluster_bits;
    return 0;
}

/* Under lock: is the flag of an entry the one that the count of its cluster asks for? */
static bool copied_is_right(Check *c, uint64_t entry, uint64_t host, uint64_t *count)
{
    *count = 0;
    if (qcow2_get_refcount(c->s, host >> c->s->cluster_bits, count))
        return true; /* its block cannot be read, which was said before */
    return !!(entry & QCOW_COPIED) == (*count == 1);
}

/* An entry of the active tables is COPIED exactly when its cluster is counted once. */
static int check_copied(Check *c)
{
    Qcow2 *s = c->s;
    int ret = 0;
    for (uint32_t i = 0; i < s->l1_size && !ret; i++) {
        uint64_t l2 = s->l1[i] & L1_OFFSET_MASK;
        uint64_t count;
        if (!l2)
            continue;
        g_mutex_lock(&s->lock);
        ret = qcow2_trim(s);
        bool right = ret || copied_is_right(c, s->l1[i], l2, &count);
        g_mutex_unlock(&s->lock);
        if (!right) {
            say(c, "%s OFLAG_COPIED L2 cluster: l1_index=%u l1_entry=%" PRIx64 " refcount=%" PRIu64 "\n",
                c->fix & FIX_ERRORS ? "Repairing" : "ERROR", i, s->l1[i], count);
            c->r->corruptions++;
            if (c->fix & FIX_ERRORS) {
                s->l1[i] ^= QCOW_COPIED;
                s->l1_dirty = s->tables_dirty = true;
                c->r->corruptions_fixed++;
            }
        }
        if (ret || (l2 & (s->cluster_size - 1)) || l2 >> s->cluster_bits >= c->n)
            continue;
        g_mutex_lock(&s->lock);
        MetaTable *t;
        ret = qcow2_get_table(s, l2, true, &t);
        for (uint64_t k = 0; k < BIT(s->l2_bits) && !ret; k++) {
            uint64_t e = qcow2_entry(s, t, k), host = e & L2_OFFSET_MASK;
            if ((e & QCOW_COMPRESSED) || !host || copied_is_right(c, e, host, &count))
                continue;
            say(c, "%s OFLAG_COPIED data cluster: l2_entry=%" PRIx64 " refcount=%" PRIu64 "\n", c->fix & FIX_ERRORS ? "Repairing" : "ERROR", e, count);
            c->r->corruptions++;
            if (c->fix & FIX_ERRORS) {
                qcow2_set_entry(s, t, k, e ^ QCOW_COPIED, qcow2_bitmap(s, t, k));
                c->r->corruptions_fixed++;
            }
        }
        g_mutex_unlock(&s->lock);
    }
    return ret;
}

int qcow2_check(BlockNode *node, Qcow2Check *r, unsigned fix, FILE *out)
{
    Qcow2 *s = node->state;
    Check c = {.s = s, .r = r, .out = out, .fix = fix};
    int ret = 0;
    memset(r, 0, sizeof *r);
    if (s->writable) {
        g_mutex_lock(&s->lock);
        ret = qcow2_flush_locked(s);
        if (!ret)
            ret = qcow2_flush_locked(s);
        g_mutex_unlock(&s->lock);
    }
    c.n = MAX(s->alloc_end, ROUND_UP(file_len(s->file), s->cluster_size)) >> s->cluster_bits;
    if (c.n > MAX_CHECK_CLUSTERS || !(c.uses = calloc(c.n + 1, sizeof *c.uses))) {
        r->check_errors++;
        return -EFBIG;
    }
    r->total_clusters = (s->size + s->cluster_size - 1) >> s->cluster_bits;
    if (!ret)
        ret = count_uses(&c);
    if (!ret)
        ret = compare_counts(&c);
    if (!ret)
        ret = check_copied(&c);
    free(c.uses);
    if (!ret && fix && s->writable) {
        g_mutex_lock(&s->lock);
        ret = qcow2_flush_locked(s);
        g_mutex_unlock(&s->lock);
    }
    return ret;
}
