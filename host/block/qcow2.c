/* qcow2.c - qcow2 images: opening with all its checks, reading, writing, zeroing, flushing.
 * Spec: qemu's docs/interop/qcow2.txt. Overview of the files and of the order on disk: qcow2.h.
 * Not modelled: encryption, external data files. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"

/* ---- requests ---- */

void qcow2_lock_io(Qcow2 *s)
{
    while (s->freeing)
        g_cond_wait(&s->cond, &s->lock);
    s->io++;
}

void qcow2_unlock_io(Qcow2 *s)
{
    s->io--;
    g_cond_broadcast(&s->cond);
}

static int read_backing(Qcow2 *s, uint64_t off, const struct iovec *iov, int cnt, uint64_t skip, uint64_t len)
{
    g_autofree struct iovec *part = g_new(struct iovec, cnt);
    int n = iov_slice(iov, cnt, skip, len, part);
    if (s->node->backing)
        return node_preadv(s->node->backing, off, part, n, len);
    iov_zero(part, n, 0);
    return 0;
}

/* nested: part of a write, which counts as in flight already (and must not wait for a flush that waits for it). */
static int read_guest(Qcow2 *s, uint64_t off, const struct iovec *iov, int cnt, uint64_t len, bool nested)
{
    int ret = 0;
    if (file_nowait) { /* no waiting, and no writing of tables either */
        if (!g_mutex_trylock(&s->lock))
            return -EAGAIN;
        if (s->freeing || s->lru.length > s->cache_max) {
            g_mutex_unlock(&s->lock);
            return -EAGAIN;
        }
    } else {
        g_mutex_lock(&s->lock);
    }
    if (nested)
        s->io++;
    else
        qcow2_lock_io(s);
    for (uint64_t done = 0; done < len && !ret;) {
        Qcow2Map m;
        ret = qcow2_trim(s);
        if (!ret)
            ret = qcow2_map(s, off + done, len - done, &m);
        if (ret)
            break;
        g_mutex_unlock(&s->lock);
        switch (m.kind) {
        case Q_UNALLOCATED:
            ret = read_backing(s, off + done, iov, cnt, done, m.len);
            break;
        case Q_ZERO: {
            g_autofree struct iovec *part = g_new(struct iovec, cnt);
            iov_zero(part, iov_slice(iov, cnt, done, m.len, part), 0);
            break;
        }
        case Q_DATA:
            file_event(s->file, EVENT_read_aio);
            ret = file_rwv(s->file, m.host, iov, cnt, done, m.len, false);
            break;
        case Q_COMPRESSED:
            ret = file_nowait ? -EAGAIN : qcow2_read_compressed(s, m.entry, (off + done) & (s->cluster_size - 1), iov, cnt, done, m.len);
            break;
        }
        g_mutex_lock(&s->lock);
        done += m.len;
    }
    qcow2_unlock_io(s);
    g_mutex_unlock(&s->lock);
    return ret;
}

static int q_preadv(void *opaque, uint64_t off, const struct iovec *iov, int cnt, uint64_t len)
{
    return read_guest(opaque, off, iov, cnt, len, false);
}

int qcow2_read(Qcow2 *s, uint64_t off, void *buf, uint64_t len)
{
    uint64_t avail = off < s->size ? MIN(len, s->size - off) : 0;
    struct iovec iov = {buf, avail};
    memset((uint8_t *)buf + avail, 0, len - avail);
    return avail ? read_guest(s, off, &iov, 1, avail, true) : 0;
}

/* What a write with new clusters works on. */
typedef struct Alloc {
    Qcow2Range range;      /* guest bytes, whole clusters: nobody else maps them anew */
    uint64_t host;
    bool fresh;            /* the clusters were just allocated (else: a cluster of ours whose parts are not in use yet) */
    bool tail_is_hole;     /* the clusters lie behind the end of the file: unwritten bytes read as zeros */
} Alloc;

/* Find or make clusters for a write at off: under lock. *len: how much of it this covers. */
static int begin_alloc(Qcow2 *s, uint64_t off, uint64_t *len, Alloc *a)
{
    uint64_t cs = s->cluster_size, base = off & ~(cs - 1), i = qcow2_l2_index(s, off), n, max;
    MetaTable *t;
    int ret = qcow2_l2_for_write(s, off, &t);
    if (ret)
        return ret;
    max = MIN(((off + *len - 1) >> s->cluster_bits) - (off >> s->cluster_bits) + 1, BIT(s->l2_bits) - i);
    uint64_t e = qcow2_entry(s, t, i);
    bool own = !(e & QCOW_COMPRESSED) && (e & L2_OFFSET_MASK) && (e & QCOW_COPIED);
    if (own || s->ext_l2) {
        n = 1; /* an extended entry, or the preallocated cluster of a zero entry */
    } else {
        for (n = 1; n < max; n++) {
            uint64_t o = qcow2_entry(s, t, i + n);
            if (!(o & QCOW_COMPRESSED) && (o & L2_OFFSET_MASK) && (o & QCOW_COPIED))
                break;
        }
    }
    if (own) {
        a->host = e & L2_OFFSET_MASK;
        a->fresh = a->tail_is_hole = false;
        ret = qcow2_check_data(s, a->host, cs, true);
    } else {
        ret = qcow2_alloc(s, 1, &n, &a->host);
        a->fresh = true;
        a->tail_is_hole = !ret && a->host >= file_len(s->file) && !s->file->is_device;
    }
    if (ret)
        return ret;
    a->range = (Qcow2Range){base, base + n * cs};
    *len = MIN(*len, a->range.end - off);
    s->allocs = g_list_prepend(s->allocs, &a->range);
    return 0;
}

/* Enter the clusters in the L2 table: under lock, after the data is in the file. [lo, hi): the bytes that are there now. */
static int link_alloc(Qcow2 *s, const Alloc *a, uint64_t lo, uint64_t hi, bool whole)
{
    MetaTable *t;
    int ret = qcow2_l2_for_write(s, a->range.start, &t);
    if (ret)
        return ret;
    for (uint64_t at = a->range.start; at < a->range.end; at += s->cluster_size) {
        uint64_t i = qcow2_l2_index(s, at), old = qcow2_entry(s, t, i), bm = 0;
        if (s->ext_l2) {
            unsigned first = (unsigned)((lo - at) / s->sub_size), end = (unsigned)((hi - at + s->sub_size - 1) / s->sub_size);
            uint64_t mask = whole ? MASK64(32) : MASK64(end) & ~MASK64(first);
            bm = old & QCOW_COMPRESSED ? 0 : qcow2_bitmap(s, t, i);
            bm = (bm | mask) & ~(mask << 32);
        }
        if (a->fresh)
            qcow2_free_entry(s, old);
        qcow2_set_entry(s, t, i, (a->host + (at - a->range.start)) | QCOW_COPIED, bm);
    }
    return 0;
}

/* Does [off, off+len) read as zeros without any I/O? */
static bool reads_zero(Qcow2 *s, uint64_t off, uint64_t len)
{
    Qcow2Map m;
    while (len) {
        if (off >= s->size)
            return true;
        if (qcow2_map(s, off, len, &m) || (m.kind != Q_ZERO && !(m.kind == Q_UNALLOCATED && !s->node->backing)))
            return false;
        off += m.len;
        len -= m.len;
    }
    return true;
}

/* Entered and left with the lock held; the write itself happens without it. */
static int write_alloc(Qcow2 *s, uint64_t off, const struct iovec *iov, int cnt, uint64_t skip, uint64_t *len)
{
    Alloc a;
    uint64_t lo, hi;
    bool whole = true;
    int ret = begin_alloc(s, off, len, &a);
    if (ret)
        return ret;
    lo = a.range.start;
    hi = a.range.end;
    if (s->ext_l2) {
        MetaTable *t;
        uint64_t l2_off = s->l1[qcow2_l1_index(s, off)] & L1_OFFSET_MASK;
        ret = qcow2_get_table(s, l2_off, true, &t);
        uint64_t e = ret ? 0 : qcow2_entry(s, t, qcow2_l2_index(s, off));
        uint64_t bm = ret ? 0 : qcow2_bitmap(s, t, qcow2_l2_index(s, off));
        /* Only what is written needs filling up, unless data of the old cluster must move along. */
        whole = (e & QCOW_COMPRESSED) || (a.fresh && (uint32_t)bm);
        if (!whole) {
            lo = off & ~(s->sub_size - 1);
            hi = MIN(ROUND_UP(off + *len, s->sub_size), a.range.end);
        }
    }
    uint64_t head = off - lo, tail = hi - (off + *len);
    bool skip_head = head && a.tail_is_hole && reads_zero(s, lo, head);
    bool skip_tail = tail && a.tail_is_hole && reads_zero(s, off + *len, tail);
    qcow2_lock_io(s);
    g_mutex_unlock(&s->lock);

    g_autofree uint8_t *hbuf = head && !skip_head ? g_malloc(head) : NULL;
    g_autofree uint8_t *tbuf = tail && !skip_tail ? g_malloc(tail) : NULL;
    g_autofree struct iovec *v = g_new(struct iovec, cnt + 2);
    int n = 0;
    uint64_t at = a.host + (lo - a.range.start), bytes = *len;
    /* The mapping is still the old one, so a read of the guest's bytes gives what has to be kept. */
    if (hbuf) {
        ret = ret ? ret : qcow2_read(s, lo, hbuf, head);
        v[n++] = (struct iovec){hbuf, head};
        bytes += head;
    } else {
        at += head;
    }
    n += iov_slice(iov, cnt, skip, *len, v + n);
    if (tbuf) {
        ret = ret ? ret : qcow2_read(s, off + *len, tbuf, tail);
        v[n++] = (struct iovec){tbuf, tail};
        bytes += tail;
    }
    file_event(s->file, EVENT_write_aio);
    if (!ret)
        ret = file_rwv(s->file, at, v, n, 0, bytes, true);

    g_mutex_lock(&s->lock);
    if (!ret)
        ret = link_alloc(s, &a, lo, hi, whole);
    if (ret && a.fresh)
        qcow2_add_refcount(s, a.host, a.range.end - a.range.start, -1);
    s->allocs = g_list_remove(s->allocs, &a.range);
    qcow2_unlock_io(s);
    return ret;
}

static int q_pwritev(void *opaque, uint64_t off, const struct iovec *iov, int cnt, uint64_t len)
{
    Qcow2 *s = opaque;
    int ret = 0;
    if (!file_nowait) {
        g_mutex_lock(&s->lock);
    } else if (!g_mutex_trylock(&s->lock)) {
        return -EAGAIN;
    }
    qcow2_note_change(s, off, len);
    for (uint64_t done = 0; done < len && !ret;) {
        uint64_t at = off + done, n = len - done;
        uint64_t first = at & ~(s->cluster_size - 1), end = ROUND_UP(at + n, s->cluster_size);
        bool waited = false;
        Qcow2Map m;
        if (file_nowait && (s->freeing || s->lru.length > s->cache_max)) { /* no waiting, and no writing of tables */
            ret = -EAGAIN;
            break;
        }
        ret = s->corrupt ? -EIO : qcow2_trim(s);
        while (s->freeing) /* reading while the counts change is what freeing waits for */
            g_cond_wait(&s->cond, &s->lock);
        if (!ret)
            ret = qcow2_map(s, at, n, &m);
        if (ret)
            break;
        if (m.kind == Q_DATA && m.copied && s->l1[qcow2_l1_index(s, at)] & QCOW_COPIED) {
            n = m.len;
            ret = qcow2_check_data(s, m.host, n, true);
            if (ret)
                break;
            qcow2_lock_io(s);
            g_mutex_unlock(&s->lock);
            file_event(s->file, EVENT_write_aio);
            ret = file_write_data(s->file, m.host, iov, cnt, done, n);
            g_mutex_lock(&s->lock);
            qcow2_unlock_io(s);
        } else if (file_nowait) {
            ret = -EAGAIN; /* clusters are allocated by workers */
        } else {
            qcow2_wait_range(s, first, end, &waited);
            if (waited)
                continue; /* the mapping may be another one now */
            ret = write_alloc(s, at, iov, cnt, done, &n);
        }
        done += n;
    }
    g_mutex_unlock(&s->lock);
    return ret;
}

static int q_flush(void *opaque)
{
    Qcow2 *s = opaque;
    int ret = 0;
    if (!s->writable)
        return 0;
    file_event(s->file, EVENT_flush_to_os);
    file_event(s->file, EVENT_flush_to_disk);
    g_mutex_lock(&s->lock);
    bool dirty = s->tables_dirty || s->l1_dirty || s->reft_dirty || s->frees->len;
    if (dirty)
        ret = qcow2_flush_locked(s);
    g_mutex_unlock(&s->lock);
    return ret || dirty ? ret : file_sync(s->file);
}

/* Whole clusters by their entries, the edges by writing (or, for discard, not at all). */
static int zero_range(Qcow2 *s, uint64_t off, uint64_t len, bool unmap, bool discard)
{
    uint64_t end = off + len, cs = s->cluster_size;
    uint64_t first = ROUND_UP(off, cs), last = end == s->size ? ROUND_UP(end, cs) : end & ~(cs - 1);
    int ret = 0;
    g_mutex_lock(&s->lock);
    qcow2_note_change(s, off, len);
    if (first >= last) {
        g_mutex_unlock(&s->lock);
        return discard ? 0 : -ENOTSUP;
    }
    if (s->version < 3 && s->node->backing_name && !discard)
        ret = -ENOTSUP;
    else if (s->corrupt)
        ret = -EIO;
    else
        ret = qcow2_zero_clusters(s, first, last - first, unmap, discard);
    g_mutex_unlock(&s->lock);
    if (ret || discard)
        return ret;
    for (int i = 0; i < 2 && !ret; i++) {
        uint64_t a = i ? MIN(last, end) : off, b = i ? end : first;
        if (a >= b)
            continue;
        g_autofree void *zeros = g_malloc0(b - a);
        struct iovec iov = {zeros, b - a};
        ret = q_pwritev(s, a, &iov, 1, b - a);
    }
    return ret;
}

static int q_write_zeroes(void *opaque, uint64_t off, uint64_t len, bool unmap) { return zero_range(opaque, off, len, unmap, false); }

static int q_discard(void *opaque, uint64_t off, uint64_t len)
{
    Qcow2 *s = opaque;
    return s->discard ? zero_range(s, off, len, true, true) : 0;
}

static int q_status(void *opaque, uint64_t off, uint64_t len, BlockStatus *st)
{
    Qcow2 *s = opaque;
    Qcow2Map m;
    g_mutex_lock(&s->lock);
    int ret = qcow2_trim(s);
    if (!ret)
        ret = qcow2_map(s, off, len, &m);
    g_mutex_unlock(&s->lock);
    if (ret)
        return ret;
    *st = (BlockStatus){.len = m.len, .allocated = m.kind != Q_UNALLOCATED, .file = s->file->name};
    st->data = m.kind == Q_DATA || m.kind == Q_COMPRESSED;
    st->zero = m.kind == Q_ZERO;
    st->compressed = m.kind == Q_COMPRESSED;
    st->has_offset = m.kind == Q_DATA || (m.kind == Q_ZERO && m.host);
    st->offset = st->has_offset ? m.host : 0;
    return 0;
}

/* ---- open and close ---- */

static void q_free(Qcow2 *s)
{
    qcow2_cache_free(s);
    qcow2_free_snapshots(s);
    if (s->bitmaps) /* else loading failed before */
        g_array_free(s->bitmaps, TRUE);
    g_free(s->meta.slot);
    g_array_free(s->frees, TRUE);
    g_free(s->l1);
    g_free(s->reft);
    g_free(s->comp_buf);
    g_mutex_clear(&s->lock);
    g_mutex_clear(&s->comp_lock);
    g_cond_clear(&s->cond);
    g_free(s);
}

static void q_close(void *opaque)
{
    Qcow2 *s = opaque;
    BlockFile *f = s->file;
    if (s->writable) {
        g_mutex_lock(&s->lock);
        int ret = s->bad || s->corrupt || s->checking ? 0 : qcow2_bitmaps_stop(s);
        if (!ret)
            ret = qcow2_flush_locked(s); /* the second one writes the counts that the first one let go */
        if (!ret)
            ret = qcow2_flush_locked(s);
        if (!ret && (s->incompat & INCOMPAT_DIRTY))
            ret = qcow2_set_incompat(s, INCOMPAT_DIRTY, false);
        if (ret)
            error_report("'%s': the tables could not be written on close: %s", s->node->filename, strerror(-ret));
        g_mutex_unlock(&s->lock);
    }
    q_free(s);
    file_close(f);
}

const BlockFormat qcow2_format = {"qcow2", q_preadv, q_pwritev, q_flush, q_discard, q_close, q_write_zeroes, q_status,
                                  qcow2_truncate};

/* A table of 8-byte words, checked to lie aligned within the file. */
static bool load_words(Qcow2 *s, const char *what, uint64_t offset, uint64_t count, uint64_t **out, GError **errp)
{
    uint64_t bytes = count * 8;
    if (!count)
        return true;
    if (offset == 0 || (offset & (s->cluster_size - 1)) || offset > INT64_MAX || offset >= file_len(s->file) ||
        bytes > ROUND_UP(file_len(s->file), s->cluster_size) - offset)
        return error_set(errp, "'%s': %s of %" PRIu64 " bytes at offset 0x%" PRIx64 " is not aligned or not within the file",
                         s->node->filename, what, bytes, offset);
    *out = g_new(uint64_t, count);
    int ret = file_pread(s->file, offset, *out, bytes);
    if (ret)
        return error_set_errno(errp, -ret, "'%s': could not read the %s", s->node->filename, what);
    for (uint64_t i = 0; i < count; i++)
        (*out)[i] = ldb64(*out + i);
    qcow2_note_meta(s, offset, bytes, true);
    return true;
}

static bool load_tables(Qcow2 *s, const Qcow2Header *h, GError **errp)
{
    if (!load_words(s, "L1 table", h->l1_off, h->l1_size, &s->l1, errp))
        return false;
    s->l1_off = h->l1_off;
    s->l1_size = h->l1_size;
    s->reft_off = h->reft_off;
    uint64_t n = (uint64_t)h->reft_clusters << (s->cluster_bits - 3);
    if (!load_words(s, "refcount table", h->reft_off, n, &s->reft, errp))
        return false;
    s->reft_size = (uint32_t)n;
    for (uint32_t i = 0; i < s->l1_size; i++)
        if (s->l1[i] & L1_OFFSET_MASK)
            qcow2_note_meta(s, s->l1[i] & L1_OFFSET_MASK, 1, true);
    for (uint32_t i = 0; i < s->reft_size; i++) {
        s->reft[i] &= L1_OFFSET_MASK;
        if (s->reft[i])
            qcow2_note_meta(s, s->reft[i], 1, true);
    }
    qcow2_note_meta(s, 0, 1, true);
    qcow2_load_bitmaps(s, h);
    return qcow2_load_snapshots(s, h, errp);
}

bool qcow2_open(BlockNode *n, BlockFile *f, const BlockOpenOpts *opts, GError **errp)
{
    Qcow2Header h;
    g_autofree uint8_t *first = NULL;
    size_t first_len;
    if (!qcow2_read_header(n, f, &h, &first, &first_len, errp))
        return false;
    bool write = !n->read_only;
    if ((h.incompat & INCOMPAT_CORRUPT) && write && !opts->check)
        return error_set(errp, "qcow2: Image '%s' is corrupt; cannot be opened read/write", n->filename);
    Qcow2 *s = g_new0(Qcow2, 1);
    *s = (Qcow2){.node = n, .file = f, .version = h.version, .cluster_bits = h.cluster_bits,
                 .cluster_size = BIT(h.cluster_bits), .refcount_order = h.refcount_order, .size = h.size,
                 .incompat = h.incompat, .compat = h.compat, .autoclear = h.autoclear, .header_len = h.header_len,
                 .ext_l2 = h.incompat & INCOMPAT_EXTL2, .lazy = h.compat & COMPAT_LAZY, .zstd = h.compression == 1,
                 .discard = opts->discard_unmap, .writable = write, .checking = opts->check};
    s->l2_entry = s->ext_l2 ? 16 : 8;
    s->subs = s->ext_l2 ? 32 : 1;
    s->sub_size = s->cluster_size / s->subs;
    s->l2_bits = s->cluster_bits - (s->ext_l2 ? 4 : 3);
    s->alloc_end = ROUND_UP(file_len(f), s->cluster_size);
    s->cache_max = MAX(16, (32 * MiB) >> s->cluster_bits);
    s->cache = g_hash_table_new(g_int64_hash, g_int64_equal);
    s->frees = g_array_new(FALSE, FALSE, sizeof(Qcow2Range));
    g_mutex_init(&s->lock);
    g_mutex_init(&s->comp_lock);
    g_cond_init(&s->cond);
    g_queue_init(&s->lru);
    n->fmt = &qcow2_format;
    n->state = s;
    n->length = s->size;
    n->cluster_size = s->cluster_size;
    if (!load_tables(s, &h, errp)) {
        q_free(s);
        return false;
    }
    if (write && (s->incompat & INCOMPAT_DIRTY) && !opts->no_repair) {
        Qcow2Check r;
        int ret = qcow2_check(n, &r, FIX_LEAKS | FIX_ERRORS, NULL);
        if (ret || r.check_errors || r.corruptions > r.corruptions_fixed) {
            error_set(errp, "'%s': the image was not closed properly and could not be repaired", n->filename);
            q_free(s);
            return false;
        }
        s->incompat &= ~(uint64_t)INCOMPAT_DIRTY;
        qcow2_write_field64(s, 72, s->incompat);
    }
    if (write && !opts->check && !qcow2_bitmaps_start(s, errp)) {
        q_free(s);
        return false;
    }
    if (write && s->lazy && !opts->no_repair && !opts->check)
        qcow2_set_incompat(s, INCOMPAT_DIRTY, true);
    return true;
}
