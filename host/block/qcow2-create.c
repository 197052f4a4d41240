/* qcow2-create.c - making a qcow2 image, and changing its size.
 * A new image has header, refcount table, refcount blocks and L1 table in this order; the blocks count all of it. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"
#include <fcntl.h>

static uint64_t div_up(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

uint64_t qcow2_metadata_bytes(uint64_t clusters, uint64_t cs, unsigned order, uint64_t l1_l2)
{
    uint64_t per_block = cs * 8 >> order, blocks = 0, table = 0;
    for (int i = 0; i < 64; i++) { /* blocks count themselves and their table: a few rounds settle it */
        uint64_t all = 1 + clusters + l1_l2 + blocks + table, b = div_up(all, per_block), t = div_up(b * 8, cs);
        if (b == blocks && t == table)
            break;
        blocks = b;
        table = t;
    }
    return (1 + l1_l2 + blocks + table) * cs;
}

static int write_initial(BlockFile *f, const Qcow2CreateOpts *o, GError **errp)
{
    uint64_t cs = o->cluster_size;
    unsigned bits = (unsigned)__builtin_ctzll(cs), order = (unsigned)__builtin_ctz(o->refcount_bits);
    unsigned shift = 2 * bits - (o->ext_l2 ? 4 : 3);
    uint64_t l1 = div_up(o->size, BIT(shift)), l1_clusters = div_up(l1 * 8, cs), per_block = cs * 8 >> order;
    uint64_t blocks = 1, total;
    if (l1 * 8 > MAX_L1_BYTES) {
        error_set(errp, "The image size is too large for file format 'qcow2' with clusters of %" PRIu64 " bytes (try using a larger cluster size)", cs);
        return -1;
    }
    while ((total = 2 + blocks + l1_clusters) > blocks * per_block)
        blocks++;
    uint64_t tclusters = div_up(blocks * 8, cs);
    if (tclusters > 1) { /* tiny clusters with a large L1 table: settle the sizes together */
        do {
            blocks = div_up(1 + tclusters + blocks + l1_clusters, per_block);
            tclusters = div_up(blocks * 8, cs);
        } while (1 + tclusters + blocks + l1_clusters > blocks * per_block && ++blocks);
        total = 1 + tclusters + blocks + l1_clusters;
    }
    Qcow2Header h = {.version = o->version, .cluster_bits = bits, .size = o->size, .l1_size = (uint32_t)l1,
                     .l1_off = l1 ? (1 + tclusters + blocks) * cs : (1 + tclusters + blocks) * cs, .reft_off = cs,
                     .reft_clusters = (uint32_t)tclusters, .refcount_order = order,
                     .incompat = (o->zstd ? INCOMPAT_COMPRESSION : 0) | (o->ext_l2 ? INCOMPAT_EXTL2 : 0),
                     .compat = o->lazy ? COMPAT_LAZY : 0, .compression = o->zstd};
    g_autofree uint8_t *head = qcow2_make_header(&h, o->backing, o->backing_format, errp);
    if (!head)
        return -1;
    Qcow2 fake = {.refcount_order = order};
    g_autofree uint8_t *buf = g_malloc0((tclusters + blocks) * cs);
    for (uint64_t i = 0; i < blocks; i++)
        stb64(buf + i * 8, (1 + tclusters + i) * cs);
    uint8_t *b = buf + tclusters * cs;
    for (uint64_t c = 0; c < total; c++) { /* counts of 1: by width, most are bytes or more */
        unsigned w = 1u << fake.refcount_order;
        if (w < 8)
            b[c * w / 8] |= (uint8_t)(1u << (c * w % 8));
        else
            b[(c + 1) * (w / 8) - 1] = 1;
    }
    int ret = file_pwrite(f, cs, buf, (tclusters + blocks) * cs);
    if (!ret)
        ret = file_truncate(f, total * cs);
    if (!ret)
        ret = file_pwrite(f, 0, head, cs);
    if (ret)
        error_set_errno(errp, -ret, "%s: Could not write qcow2 header", f->name);
    return ret;
}

/* What is reused may hold old bytes. */
static int blank(BlockFile *f, uint64_t host, uint64_t len, const char *mode)
{
    bool full = g_str_equal(mode, "full");
    int ret = full || file_write_zeroes(f, host, len) ? 0 : file_preallocate(f, host, len, true);
    return ret || g_str_equal(mode, "metadata") ? ret : file_preallocate(f, host, len, full);
}

int qcow2_preallocate(BlockNode *n, uint64_t from, const char *mode)
{
    Qcow2 *s = n->state;
    int ret = 0;
    g_mutex_lock(&s->lock);
    for (uint64_t off = ROUND_UP(from, s->cluster_size); off < s->size && !ret;) {
        uint64_t host, first = qcow2_l2_index(s, off), count = 0;
        uint64_t max = MIN(div_up(s->size - off, s->cluster_size), BIT(s->l2_bits) - first);
        MetaTable *t;
        ret = qcow2_trim(s);
        if (!ret)
            ret = qcow2_l2_for_write(s, off, &t);
        while (!ret && count < max && !qcow2_entry(s, t, first + count) && !qcow2_bitmap(s, t, first + count))
            count++;
        if (!ret && !count) { /* what a backing file is kept out by */
            off += s->cluster_size;
            continue;
        }
        if (!ret)
            ret = qcow2_alloc(s, 1, &count, &host);
        if (!ret)
            ret = blank(s->file, host, count << s->cluster_bits, mode);
        for (uint64_t i = 0; i < count && !ret; i++, off += s->cluster_size)
            qcow2_set_entry(s, t, first + i, (host + (i << s->cluster_bits)) | QCOW_COPIED, s->ext_l2 ? MASK64(32) : 0);
    }
    if (!ret)
        ret = qcow2_flush_locked(s);
    if (!ret && s->alloc_end > file_len(s->file))
        ret = file_truncate(s->file, s->alloc_end);
    g_mutex_unlock(&s->lock);
    return ret;
}

static bool preallocate(const char *filename, const Qcow2CreateOpts *o, GError **errp)
{
    BlockOpenOpts open = {.filename = filename, .format = "qcow2", .no_backing = true};
    BlockNode *n = node_open(&open, NULL, errp);
    if (!n)
        return false;
    int ret = qcow2_preallocate(n, 0, o->preallocation);
    node_close(n);
    return ret ? error_set_errno(errp, -ret, "%s: Could not preallocate", filename) : true;
}

bool qcow2_create(const char *filename, const Qcow2CreateOpts *o, GError **errp)
{
    int fd = open(filename, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_set_errno(errp, errno, "%s: Could not create '%s'", filename, filename);
    BlockFile f = {.fd = fd, .name = (char *)filename};
    bool ok = file_lock(&f, FILE_LOCK | FILE_LOCK_RESIZE, errp);
    int ret = ok ? file_truncate(&f, 0) : -1;
    if (ok && ret)
        ok = error_set_errno(errp, -ret, "%s: Could not create '%s'", filename, filename);
    ok = ok && !write_initial(&f, o, errp);
    close(fd);
    if (ok && o->preallocation && !g_str_equal(o->preallocation, "off"))
        ok = preallocate(filename, o, errp);
    return ok;
}

/* ---- size ---- */

static int grow_l1(Qcow2 *s, uint64_t entries)
{
    uint64_t n = div_up(entries * 8, s->cluster_size), at, bytes = entries * 8;
    if (bytes > MAX_L1_BYTES)
        return -EFBIG;
    uint64_t want = n;
    int ret = qcow2_alloc(s, n, &n, &at);
    if (ret || n < want)
        return ret ? ret : -ENOSPC;
    ret = qcow2_flush_locked(s); /* the counts of the new place, before it is named; the old table as it is now */
    if (ret)
        return ret;
    uint64_t *l1 = g_new0(uint64_t, entries), *old_l1 = s->l1, old = s->l1_off, old_len = (uint64_t)s->l1_size * 8;
    uint32_t old_size = s->l1_size;
    memcpy(l1, s->l1, old_len);
    s->l1 = l1;
    s->l1_off = at;
    s->l1_size = (uint32_t)entries;
    s->l1_dirty = s->tables_dirty = true;
    ret = qcow2_flush_locked(s);
    uint8_t b[12];
    stb32(b, (uint32_t)entries);
    stb64(b + 4, at);
    if (!ret)
        ret = file_pwrite(s->file, 36, b, sizeof b);
    if (!ret)
        ret = file_sync(s->file);
    if (ret) { /* the header still names the old table */
        s->l1 = old_l1;
        s->l1_off = old;
        s->l1_size = old_size;
        g_free(l1);
        return ret;
    }
    g_free(old_l1);
    qcow2_note_meta(s, at, bytes, true);
    if (old_len) {
        qcow2_note_meta(s, old, old_len, false);
        qcow2_free_later(s, old, ROUND_UP(old_len, s->cluster_size));
    }
    return 0;
}

/* Clear the entries altogether. */
static int unallocate(Qcow2 *s, uint64_t from, uint64_t end)
{
    int ret = 0;
    for (uint64_t at = from; at < end && !ret; at += s->cluster_size) {
        uint64_t l1i = qcow2_l1_index(s, at);
        MetaTable *t;
        if (l1i >= s->l1_size || !(s->l1[l1i] & L1_OFFSET_MASK)) {
            at = ((l1i + 1) << (s->cluster_bits + s->l2_bits)) - s->cluster_size;
            continue;
        }
        ret = qcow2_trim(s);
        if (!ret)
            ret = qcow2_l2_for_write(s, at, &t);
        if (ret)
            break;
        uint64_t i = qcow2_l2_index(s, at);
        if (qcow2_entry(s, t, i) || qcow2_bitmap(s, t, i)) {
            qcow2_free_entry(s, qcow2_entry(s, t, i));
            qcow2_set_entry(s, t, i, 0, 0);
        }
    }
    return ret;
}

int qcow2_make_empty(BlockNode *n)
{
    Qcow2 *s = n->state;
    g_mutex_lock(&s->lock);
    int ret = unallocate(s, 0, ROUND_UP(s->size, s->cluster_size));
    if (!ret)
        ret = qcow2_flush_locked(s);
    g_mutex_unlock(&s->lock);
    return ret;
}

int qcow2_truncate(void *opaque, uint64_t len)
{
    Qcow2 *s = opaque;
    uint64_t old = s->size, need = div_up(len, BIT(s->cluster_bits + s->l2_bits));
    int ret = 0;
    if (len % SECTOR || len > INT64_MAX - s->cluster_size)
        return -EINVAL;
    if ((s->snapshots->len && s->version < 3) || qcow2_bitmaps_broken(s))
        return -ENOTSUP;
    g_mutex_lock(&s->lock);
    if (len < old) {
        ret = unallocate(s, ROUND_UP(len, s->cluster_size), ROUND_UP(old, s->cluster_size));
    } else if (need > s->l1_size) {
        ret = grow_l1(s, need);
    }
    if (!ret)
        ret = qcow2_flush_locked(s);
    if (!ret)
        ret = qcow2_write_field64(s, 24, len);
    if (!ret)
        s->size = s->node->length = len;
    if (!ret)
        qcow2_bitmaps_resize(s, old);
    g_mutex_unlock(&s->lock);
    /* a longer backing file must not show through */
    write_unchanged = true;
    if (!ret && len > old && s->node->backing && s->node->backing->length > old)
        ret = node_write_zeroes(s->node, old, MIN(len, s->node->backing->length) - old, true);
    write_unchanged = false;
    return ret;
}
