/* qcow2-snapshot.c - internal snapshots: a second L1 table over shared, counted L2 tables and clusters.
 * Creating and deleting go in steps of which each leaves the data whole, and at worst leaked clusters; but COPIED flags
 * and counts change one after the other. Meanwhile the image is marked dirty, so that who opens it next after a crash
 * sets them right. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"

static void snapshot_clear(gpointer p)
{
    Qcow2Snapshot *x = p;
    g_free(x->id);
    g_free(x->name);
    g_free(x->extra);
}

bool qcow2_load_snapshots(Qcow2 *s, const Qcow2Header *h, GError **errp)
{
    uint64_t at = h->snapshots_off, len = file_len(s->file), total = 0;
    s->snapshots = g_array_new(FALSE, TRUE, sizeof(Qcow2Snapshot));
    g_array_set_clear_func(s->snapshots, snapshot_clear);
    s->snapshots_off = at;
    if (!h->snapshots)
        return true;
    if (!at || (at & (s->cluster_size - 1)) || at >= len)
        return error_set(errp, "'%s': Snapshot table offset invalid: 0x%" PRIx64, s->node->filename, at);
    for (uint32_t i = 0; i < h->snapshots; i++) {
        uint8_t b[40];
        Qcow2Snapshot x = {0};
        if (at + sizeof b > len || at - h->snapshots_off > MAX_SNAPSHOT_BYTES || file_pread(s->file, at, b, sizeof b))
            return error_set(errp, "'%s': the snapshot table is truncated", s->node->filename);
        x.l1_off = ldb64(b);
        x.l1_size = ldb32(b + 8);
        unsigned id_len = ldb16(b + 12), name_len = ldb16(b + 14);
        x.date_sec = ldb32(b + 16);
        x.date_nsec = ldb32(b + 20);
        x.vm_clock_ns = ldb64(b + 24);
        x.vm_state_size = ldb32(b + 32);
        x.extra_len = ldb32(b + 36);
        x.disk_size = s->size;
        x.icount = UINT64_MAX;
        if (x.extra_len > 1024 || (uint64_t)x.l1_size * 8 > MAX_L1_BYTES || (x.l1_off & (s->cluster_size - 1)) ||
            x.l1_off >= len || (uint64_t)x.l1_size * 8 > ROUND_UP(len, s->cluster_size) - x.l1_off || at + 40 + x.extra_len + id_len + name_len > len)
            return error_set(errp, "'%s': entry %u of the snapshot table is not valid", s->node->filename, i);
        total += (uint64_t)x.l1_size * 8;
        if (total > ROUND_UP(len, s->cluster_size)) /* each has its own; noting the same one 65536 times would take minutes */
            return error_set(errp, "'%s': the L1 tables of the snapshots overlap", s->node->filename);
        x.extra = g_malloc0(x.extra_len + 24);
        x.id = g_malloc0(id_len + 1u);
        x.name = g_malloc0(name_len + 1u);
        if (file_pread(s->file, at + 40, x.extra, x.extra_len) || file_pread(s->file, at + 40 + x.extra_len, x.id, id_len) ||
            file_pread(s->file, at + 40 + x.extra_len + id_len, x.name, name_len)) {
            snapshot_clear(&x);
            return error_set(errp, "'%s': the snapshot table could not be read", s->node->filename);
        }
        if (x.extra_len >= 8)
            x.vm_state_size = ldb64(x.extra);
        if (x.extra_len >= 16)
            x.disk_size = ldb64(x.extra + 8);
        if (x.extra_len >= 24)
            x.icount = ldb64(x.extra + 16);
        at = ROUND_UP(at + 40 + x.extra_len + id_len + name_len, 8);
        qcow2_note_meta(s, x.l1_off, MAX(1, (uint64_t)x.l1_size * 8), true);
        g_array_append_val(s->snapshots, x);
    }
    s->snapshots_bytes = at - h->snapshots_off;
    qcow2_note_meta(s, s->snapshots_off, s->snapshots_bytes, true);
    return true;
}

void qcow2_free_snapshots(Qcow2 *s)
{
    if (s->snapshots)
        g_array_free(s->snapshots, TRUE);
}

GArray *qcow2_snapshots(BlockNode *n) { return ((Qcow2 *)n->state)->snapshots; }

/* Write the table anew at a fresh place, then name it in the header, then free the old place. */
static int write_snapshots(Qcow2 *s)
{
    g_autoptr(GByteArray) a = g_byte_array_new();
    for (guint i = 0; i < s->snapshots->len; i++) {
        const Qcow2Snapshot *x = &g_array_index(s->snapshots, Qcow2Snapshot, i);
        uint8_t b[40], extra[1024 + 24] = {0};
        uint32_t extra_len = MAX(x->extra_len, 24);
        memcpy(extra, x->extra ? x->extra : (const uint8_t *)"", x->extra_len);
        stb64(extra, x->vm_state_size);
        stb64(extra + 8, x->disk_size);
        stb64(extra + 16, x->icount);
        stb64(b, x->l1_off);
        stb32(b + 8, x->l1_size);
        stb16(b + 12, (uint16_t)strlen(x->id));
        stb16(b + 14, (uint16_t)strlen(x->name));
        stb32(b + 16, x->date_sec);
        stb32(b + 20, x->date_nsec);
        stb64(b + 24, x->vm_clock_ns);
        stb32(b + 32, x->vm_state_size > UINT32_MAX ? 0 : (uint32_t)x->vm_state_size);
        stb32(b + 36, extra_len);
        g_byte_array_append(a, b, 40);
        g_byte_array_append(a, extra, extra_len);
        g_byte_array_append(a, (const uint8_t *)x->id, (guint)strlen(x->id));
        g_byte_array_append(a, (const uint8_t *)x->name, (guint)strlen(x->name));
        g_byte_array_set_size(a, ROUND_UP(a->len, 8));
    }
    uint64_t at = 0, n = (a->len + s->cluster_size - 1) >> s->cluster_bits, want = n;
    int ret = 0;
    if (n) {
        ret = qcow2_alloc(s, n, &n, &at);
        if (!ret && n < want)
            ret = -ENOSPC;
        if (!ret)
            ret = qcow2_flush_locked(s);
        if (!ret)
            ret = file_pwrite(s->file, at, a->data, a->len);
        if (!ret)
            ret = file_sync(s->file);
    }
    uint8_t head[12];
    stb32(head, s->snapshots->len);
    stb64(head + 4, at);
    if (!ret)
        ret = file_pwrite(s->file, 60, head, sizeof head);
    if (!ret)
        ret = file_sync(s->file);
    if (ret)
        return ret;
    if (s->snapshots_bytes) {
        qcow2_note_meta(s, s->snapshots_off, s->snapshots_bytes, false);
        qcow2_free_later(s, s->snapshots_off, ROUND_UP(s->snapshots_bytes, s->cluster_size));
    }
    s->snapshots_off = at;
    s->snapshots_bytes = a->len;
    qcow2_note_meta(s, at, a->len, true);
    return 0;
}

/* Count everything below an L1 table once more or once less; `l1` in host order. */
static int count_tree(Qcow2 *s, const uint64_t *l1, uint32_t n, int delta)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t l2_off = l1[i] & L1_OFFSET_MASK;
        MetaTable *t;
        if (!l2_off)
            continue;
        int ret = qcow2_trim(s);
        if (!ret)
            ret = qcow2_get_table(s, l2_off, true, &t);
        for (uint64_t k = 0; k < BIT(s->l2_bits) && !ret; k++) {
            uint64_t e = qcow2_entry(s, t, k), bytes;
            if (delta < 0) {
                qcow2_free_entry(s, e);
            } else if (e & QCOW_COMPRESSED) {
                uint64_t host = qcow2_compressed_host(s, e, &bytes);
                ret = qcow2_add_refcount(s, host, bytes, 1);
            } else if (e & L2_OFFSET_MASK) {
                ret = qcow2_add_refcount(s, e & L2_OFFSET_MASK, 1, 1);
            }
        }
        if (!ret && delta > 0)
            ret = qcow2_add_refcount(s, l2_off, 1, 1);
        else if (!ret)
            qcow2_free_later(s, l2_off, s->cluster_size);
        if (ret)
            return ret;
    }
    return 0;
}

/* COPIED flags of the active tables, as the counts have become. */
static int update_copied(Qcow2 *s)
{
    for (uint32_t i = 0; i < s->l1_size; i++) {
        uint64_t l2_off = s->l1[i] & L1_OFFSET_MASK, count, old = s->l1[i];
        MetaTable *t;
        if (!l2_off)
            continue;
        int ret = qcow2_trim(s);
        if (!ret)
            ret = qcow2_get_refcount(s, l2_off >> s->cluster_bits, &count);
        if (!ret)
            ret = qcow2_get_table(s, l2_off, true, &t);
        if (ret)
            return ret;
        s->l1[i] = count == 1 ? l2_off | QCOW_COPIED : l2_off;
        if (s->l1[i] != old)
            s->l1_dirty = s->tables_dirty = true;
        for (uint64_t k = 0; k < BIT(s->l2_bits); k++) {
            uint64_t e = qcow2_entry(s, t, k), now;
            if ((e & QCOW_COMPRESSED) || !(e & L2_OFFSET_MASK))
                continue;
            ret = qcow2_get_refcount(s, (e & L2_OFFSET_MASK) >> s->cluster_bits, &count);
            if (ret)
                return ret;
            now = count == 1 ? e | QCOW_COPIED : e & ~QCOW_COPIED;
            if (now != e)
                qcow2_set_entry(s, t, k, now, qcow2_bitmap(s, t, k));
        }
    }
    return 0;
}

static int find_snapshot(const Qcow2 *s, const char *name)
{
    for (int by_id = 0; by_id < 2; by_id++)
        for (guint i = 0; i < s->snapshots->len; i++) {
            const Qcow2Snapshot *x = &g_array_index(s->snapshots, Qcow2Snapshot, i);
            if (g_str_equal(by_id ? x->id : x->name, name))
                return (int)i;
        }
    return -1;
}

static int flush_twice(Qcow2 *s)
{
    int ret = qcow2_flush_locked(s);
    return ret ? ret : qcow2_flush_locked(s);
}

static int create_locked(Qcow2 *s, const char *name)
{
    uint64_t n = MAX(1, ((uint64_t)s->l1_size * 8 + s->cluster_size - 1) >> s->cluster_bits), want = n, at;
    uint64_t id = 0;
    int ret = qcow2_flush_locked(s);
    if (!ret)
        ret = qcow2_alloc(s, n, &n, &at);
    if (!ret && n < want)
        ret = -ENOSPC;
    if (!ret)
        ret = count_tree(s, s->l1, s->l1_size, 1);
    if (!ret)
        ret = update_copied(s);
    g_autofree uint8_t *be = g_malloc0((size_t)s->l1_size * 8 + 8);
    for (uint32_t i = 0; i < s->l1_size; i++)
        stb64(be + (size_t)i * 8, s->l1[i] & ~QCOW_COPIED);
    if (!ret)
        ret = qcow2_flush_locked(s);
    if (!ret)
        ret = file_pwrite(s->file, at, be, (size_t)s->l1_size * 8);
    if (ret)
        return ret;
    if (at + n * s->cluster_size > file_len(s->file))
        file_truncate(s->file, at + n * s->cluster_size);
    for (guint i = 0; i < s->snapshots->len; i++)
        id = MAX(id, g_ascii_strtoull(g_array_index(s->snapshots, Qcow2Snapshot, i).id, NULL, 10));
    int64_t now = g_get_real_time();
    Qcow2Snapshot x = {.l1_off = at, .l1_size = s->l1_size, .disk_size = s->size,
                       .date_sec = (uint32_t)(now / G_USEC_PER_SEC), .date_nsec = (uint32_t)(now % G_USEC_PER_SEC) * 1000,
                       .id = g_strdup_printf("%" PRIu64, id + 1), .name = g_strdup(name)};
    qcow2_note_meta(s, at, want * s->cluster_size, true);
    g_array_append_val(s->snapshots, x);
    ret = write_snapshots(s);
    return ret ? ret : flush_twice(s);
}

/* Mark the image dirty, or take the mark back when everything is on disk. */
static int begin_change(Qcow2 *s, bool *marked)
{
    *marked = s->version >= 3 && !(s->incompat & INCOMPAT_DIRTY);
    return *marked ? qcow2_set_incompat(s, INCOMPAT_DIRTY, true) : 0;
}

static int end_change(Qcow2 *s, bool marked, int ret)
{
    return marked && !ret ? qcow2_set_incompat(s, INCOMPAT_DIRTY, false) : ret;
}

bool qcow2_snapshot_create(BlockNode *node, const char *name, GError **errp)
{
    Qcow2 *s = node->state;
    if (strlen(name) > 255 || s->snapshots->len >= MAX_SNAPSHOTS)
        return error_set(errp, "Could not create snapshot '%s': the name is too long or there are too many", name);
    bool marked;
    g_mutex_lock(&s->lock);
    int ret = begin_change(s, &marked);
    if (!ret)
        ret = create_locked(s, name);
    ret = end_change(s, marked, ret);
    g_mutex_unlock(&s->lock);
    if (ret && !s->corrupt) { /* a count that was full stopped it half-way: the counts as they should be */
        Qcow2Check r;
        if (!qcow2_check(node, &r, FIX_LEAKS | FIX_ERRORS, NULL) && r.corruptions == r.corruptions_fixed && !r.check_errors && marked) {
            g_mutex_lock(&s->lock);
            qcow2_set_incompat(s, INCOMPAT_DIRTY, false);
            g_mutex_unlock(&s->lock);
        }
    }
    return ret ? error_set(errp, "Could not create snapshot '%s': %s", name, strerror(-ret)) : true;
}

static int load_l1(Qcow2 *s, const Qcow2Snapshot *x, uint64_t **l1)
{
    *l1 = g_new0(uint64_t, x->l1_size + 1);
    int ret = file_pread(s->file, x->l1_off, *l1, (size_t)x->l1_size * 8);
    for (uint32_t i = 0; i < x->l1_size; i++)
        (*l1)[i] = ldb64(*l1 + i);
    return ret;
}

bool qcow2_snapshot_open(BlockNode *node, const char *name, GError **errp)
{
    Qcow2 *s = node->state;
    const char *id = g_str_has_prefix(name, "snapshot.id=") ? name + 12 : g_str_has_prefix(name, "snapshot.name=") ? name + 14 : name;
    int i = find_snapshot(s, id);
    uint64_t *l1;
    if (i < 0 || s->writable)
        return error_set(errp, i < 0 ? "Failed to load snapshot: Can't find snapshot '%s'" : "Failed to load snapshot '%s': the image is open for writing", id);
    const Qcow2Snapshot *x = &g_array_index(s->snapshots, Qcow2Snapshot, i);
    uint64_t need = (x->disk_size >> (s->cluster_bits + s->l2_bits)) + ((x->disk_size & MASK64(s->cluster_bits + s->l2_bits)) != 0);
    if (need > x->l1_size || x->disk_size > INT64_MAX)
        return error_set(errp, "Failed to load snapshot '%s': its L1 table is too small", id);
    int ret = load_l1(s, x, &l1);
    if (ret) {
        g_free(l1);
        return error_set_errno(errp, -ret, "Failed to load snapshot '%s'", id);
    }
    g_free(s->l1);
    s->l1 = l1;
    s->l1_off = x->l1_off;
    s->l1_size = x->l1_size;
    s->size = node->length = x->disk_size;
    return true;
}

static int delete_locked(Qcow2 *s, int i)
{
    Qcow2Snapshot x = g_array_index(s->snapshots, Qcow2Snapshot, i);
    g_autofree uint64_t *l1 = NULL;
    int ret = load_l1(s, &x, &l1);
    if (ret)
        return ret;
    g_array_set_clear_func(s->snapshots, NULL);
    g_array_remove_index(s->snapshots, (guint)i);
    g_array_set_clear_func(s->snapshots, snapshot_clear);
    ret = write_snapshots(s);
    if (!ret)
        ret = count_tree(s, l1, x.l1_size, -1);
    if (!ret) {
        uint64_t bytes = MAX(s->cluster_size, ROUND_UP((uint64_t)x.l1_size * 8, s->cluster_size));
        qcow2_note_meta(s, x.l1_off, bytes, false);
        qcow2_free_later(s, x.l1_off, bytes);
        ret = flush_twice(s);
    }
    if (!ret)
        ret = update_copied(s);
    snapshot_clear(&x);
    return ret ? ret : flush_twice(s);
}

bool qcow2_snapshot_delete(BlockNode *node, const char *name, GError **errp)
{
    Qcow2 *s = node->state;
    g_mutex_lock(&s->lock);
    bool marked = false;
    int i = find_snapshot(s, name), ret = i < 0 ? -ENOENT : begin_change(s, &marked);
    if (!ret)
        ret = end_change(s, marked, delete_locked(s, i));
    g_mutex_unlock(&s->lock);
    if (i < 0)
        return error_set(errp, "Could not delete snapshot '%s': snapshot not found", name);
    return ret ? error_set(errp, "Could not delete snapshot '%s': %s", name, strerror(-ret)) : true;
}

static int apply_locked(Qcow2 *s, int i)
{
    const Qcow2Snapshot *x = &g_array_index(s->snapshots, Qcow2Snapshot, i);
    g_autofree uint64_t *l1 = NULL, *old = NULL;
    int ret = qcow2_flush_locked(s);
    if (!ret)
        ret = load_l1(s, x, &l1);
    if (ret)
        return ret;
    if (x->l1_size > s->l1_size || x->disk_size != s->size)
        return -ENOTSUP; /* the caller resizes first */
    old = g_memdup2(s->l1, (size_t)s->l1_size * 8);
    ret = count_tree(s, l1, x->l1_size, 1);
    if (!ret)
        ret = qcow2_flush_locked(s);
    if (ret)
        return ret;
    for (uint32_t k = 0; k < s->l1_size; k++)
        s->l1[k] = k < x->l1_size ? l1[k] & ~QCOW_COPIED : 0;
    s->l1_dirty = s->tables_dirty = true;
    ret = qcow2_flush_locked(s);
    if (!ret)
        ret = count_tree(s, old, s->l1_size, -1);
    if (!ret)
        ret = flush_twice(s);
    for (uint32_t k = 0; k < s->l1_size; k++)
        if (s->l1[k] & L1_OFFSET_MASK)
            qcow2_note_meta(s, s->l1[k] & L1_OFFSET_MASK, 1, true);
    if (!ret)
        ret = update_copied(s);
    return ret ? ret : flush_twice(s);
}

bool qcow2_snapshot_apply(BlockNode *node, const char *name, GError **errp)
{
    Qcow2 *s = node->state;
    int i = find_snapshot(s, name);
    if (i < 0)
        return error_set(errp, "Could not apply snapshot '%s': snapshot not found", name);
    if (s->bitmaps->len) /* what changes by that would have to be noted cluster by cluster; qemu refuses it too */
        return error_set(errp, "Could not apply snapshot '%s': Device has active dirty bitmaps", name);
    uint64_t size = g_array_index(s->snapshots, Qcow2Snapshot, i).disk_size;
    int ret = size != s->size ? qcow2_truncate(s, size) : 0;
    bool marked = false;
    g_mutex_lock(&s->lock);
    if (!ret)
        ret = begin_change(s, &marked);
    if (!ret)
        ret = end_change(s, marked, apply_locked(s, i));
    g_mutex_unlock(&s->lock);
    return ret ? error_set(errp, "Could not apply snapshot '%s': %s", name, strerror(-ret)) : true;
}
