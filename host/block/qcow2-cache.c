/* qcow2-cache.c - L2 tables and refcount blocks in memory, and the order in which they reach the disk.
 * Write-back: a table changes here and is written by qcow2_flush_locked(), whose order is explained in qcow2.h. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"

static MetaTable *insert(Qcow2 *s, uint64_t offset, bool is_l2)
{
    MetaTable *t = g_new0(MetaTable, 1);
    *t = (MetaTable){.offset = offset, .is_l2 = is_l2, .data = g_malloc0(s->cluster_size)};
    t->link.data = t;
    g_hash_table_insert(s->cache, &t->offset, t);
    g_queue_push_head_link(&s->lru, &t->link);
    return t;
}

static void release(Qcow2 *s, MetaTable *t)
{
    g_hash_table_remove(s->cache, &t->offset);
    g_queue_unlink(&s->lru, &t->link);
    g_free(t->data);
    g_free(t);
}

int qcow2_get_table(Qcow2 *s, uint64_t offset, bool is_l2, MetaTable **out)
{
    MetaTable *t = g_hash_table_lookup(s->cache, &offset);
    if (t) {
        if (t->is_l2 != is_l2)
            return qcow2_corrupt(s, "offset 0x%" PRIx64 " is both an L2 table and a refcount block", offset);
        if (s->lru.head != &t->link) {
            g_queue_unlink(&s->lru, &t->link);
            g_queue_push_head_link(&s->lru, &t->link);
        }
        *out = t;
        return 0;
    }
    if (offset & (s->cluster_size - 1))
        return qcow2_corrupt(s, "%s at offset 0x%" PRIx64 " is not aligned to a cluster", is_l2 ? "L2 table" : "refcount block", offset);
    if (offset == 0 || offset >= file_len(s->file))
        return qcow2_corrupt(s, "%s at offset 0x%" PRIx64 " is outside of the file", is_l2 ? "L2 table" : "refcount block", offset);
    t = insert(s, offset, is_l2);
    file_event(s->file, is_l2 ? EVENT_l2_load : EVENT_refblock_load);
    int ret = file_pread(s->file, offset, t->data, s->cluster_size);
    if (ret) {
        release(s, t);
        return ret;
    }
    *out = t;
    return 0;
}

MetaTable *qcow2_new_table(Qcow2 *s, uint64_t offset, bool is_l2)
{
    qcow2_drop_table(s, offset);
    MetaTable *t = insert(s, offset, is_l2);
    qcow2_note_meta(s, offset, s->cluster_size, true);
    qcow2_mark_dirty(s, t);
    return t;
}

void qcow2_mark_dirty(Qcow2 *s, MetaTable *t)
{
    t->dirty = true;
    s->tables_dirty = true;
}

void qcow2_drop_table(Qcow2 *s, uint64_t offset)
{
    MetaTable *t = g_hash_table_lookup(s->cache, &offset);
    if (t)
        release(s, t);
}

static gint by_offset(gconstpointer a, gconstpointer b)
{
    const MetaTable *x = *(MetaTable *const *)a, *y = *(MetaTable *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int write_tables(Qcow2 *s, bool is_l2, bool *any)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    for (GList *l = s->lru.head; l; l = l->next) {
        MetaTable *t = l->data;
        if (t->dirty && t->is_l2 == is_l2)
            g_ptr_array_add(list, t);
    }
    g_ptr_array_sort(list, by_offset);
    for (guint i = 0; i < list->len; i++) {
        MetaTable *t = g_ptr_array_index(list, i);
        file_event(s->file, is_l2 ? EVENT_l2_update : EVENT_refblock_update);
        int ret = file_pwrite(s->file, t->offset, t->data, s->cluster_size);
        if (ret)
            return ret;
        t->dirty = false;
        *any = true;
    }
    return 0;
}

static int write_words(Qcow2 *s, uint64_t offset, const uint64_t *w, uint32_t n)
{
    g_autofree uint64_t *be = g_new(uint64_t, n + 1);
    for (uint32_t i = 0; i < n; i++)
        stb64(be + i, w[i]);
    return file_pwrite(s->file, offset, be, (size_t)n * 8);
}

static int write_all(Qcow2 *s)
{
    bool counts = false, l2 = false;
    int ret = write_tables(s, false, &counts);
    if (!ret && s->reft_dirty) {
        ret = file_sync(s->file);
        file_event(s->file, EVENT_reftable_update);
        if (!ret)
            ret = write_words(s, s->reft_off, s->reft, s->reft_size);
        s->reft_dirty = ret != 0;
        counts = true;
    }
    if (!ret)
        ret = file_sync(s->file); /* counts and data before the tables that name them */
    if (!ret)
        ret = write_tables(s, true, &l2);
    if (!ret && s->l1_dirty) {
        if (l2)
            ret = file_sync(s->file);
        file_event(s->file, EVENT_l1_update);
        if (!ret)
            ret = write_words(s, s->l1_off, s->l1, s->l1_size);
        s->l1_dirty = ret != 0;
        l2 = true;
    }
    if (!ret && l2)
        ret = file_sync(s->file);
    return ret;
}

/* Give back what nothing names any more. The counts go down in memory and reach the disk with the next flush. */
static int apply_frees(Qcow2 *s)
{
    int ret = 0;
    s->freeing = true;
    while (s->io)
        g_cond_wait(&s->cond, &s->lock);
    g_mutex_lock(&s->comp_lock);
    s->comp_cached = 0; /* its place may get other bytes */
    g_mutex_unlock(&s->comp_lock);
    GArray *list = s->frees;
    s->frees = g_array_new(FALSE, FALSE, sizeof(Qcow2Range));
    for (guint i = 0; i < list->len && !ret; i++) {
        Qcow2Range r = g_array_index(list, Qcow2Range, i);
        ret = qcow2_add_refcount(s, r.start, r.end - r.start, -1);
    }
    g_array_free(list, TRUE);
    s->freeing = false;
    g_cond_broadcast(&s->cond);
    return ret;
}

int qcow2_flush_locked(Qcow2 *s)
{
    if (s->bad)
        return -EIO;
    if (s->tables_dirty || s->reft_dirty || s->l1_dirty) {
        int ret = write_all(s);
        if (ret)
            return ret; /* stays dirty: tried again by the next flush */
        s->tables_dirty = false;
    }
    if (s->frees->len && !s->freeing) {
        int ret = apply_frees(s);
        if (ret)
            return ret;
    }
    return 0;
}

int qcow2_trim(Qcow2 *s)
{
    if (s->lru.length <= s->cache_max)
        return 0;
    if (s->writable && s->tables_dirty) {
        /* no clusters are given back here: that waits for requests, and the caller may be one */
        int ret = s->bad ? -EIO : write_all(s);
        if (ret)
            return ret;
    }
    for (GList *l = s->lru.tail, *prev; l && s->lru.length > s->cache_max / 2; l = prev) {
        MetaTable *t = l->data;
        prev = l->prev;
        if (!t->dirty)
            release(s, t);
    }
    return 0;
}

void qcow2_cache_free(Qcow2 *s)
{
    while (s->lru.head)
        release(s, s->lru.head->data);
    g_hash_table_unref(s->cache);
}
