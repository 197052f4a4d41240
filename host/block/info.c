/* info.c - what is said of an image: the text of `info block -v` and `vireo-img info`, snapshot tables.
 * Spec: the lines that scripts parse from qemu-img 7.2. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"
#include "host/block/vmdk.h"

char *block_human_size(uint64_t n)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)n;
    unsigned u = 0;
    while (v >= 1000 && u < 6) {
        v /= 1024;
        u++;
    }
    return g_strdup_printf("%0.3g %s", v, unit[u]);
}

void qcow2_snapshot_table(GArray *list, GString *out)
{
    g_string_append_printf(out, "%-10s%-17s%8s%20s%13s%11s\n", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
    for (guint i = 0; i < list->len; i++) {
        const Qcow2Snapshot *x = &g_array_index(list, Qcow2Snapshot, i);
        g_autoptr(GDateTime) d = g_date_time_new_from_unix_local(x->date_sec);
        g_autofree char *date = g_date_time_format(d, "%Y-%m-%d %H:%M:%S"), *size = block_human_size(x->vm_state_size);
        uint64_t sec = x->vm_clock_ns / 1000000000;
        g_autofree char *clock = g_strdup_printf("%02u:%02u:%02u.%03u", (unsigned)(sec / 3600), (unsigned)(sec / 60 % 60), (unsigned)(sec % 60),
                                                 (unsigned)(x->vm_clock_ns / 1000000 % 1000));
        g_autofree char *icount = x->icount == UINT64_MAX ? g_strdup("") : g_strdup_printf("%" PRIu64, x->icount);
        g_string_append_printf(out, "%-9s %-16s %8s%20s%13s%11s\n", x->id, x->name, size, date, clock, icount);
    }
}

static void vmdk_text(const Vmdk *s, GString *out)
{
    g_string_append_printf(out, "Format specific information:\n    cid: %u\n    parent cid: %u\n    create type: %s\n    extents:\n", s->cid, s->parent_cid,
                           s->create_type ? s->create_type : "");
    for (guint i = 0; i < s->extents->len; i++) {
        const VmdkExtent *e = s->extents->pdata[i];
        g_string_append_printf(out, "        [%u]:\n%s            virtual size: %" PRIu64 "\n            filename: %s\n", i,
                               e->compressed ? "            compressed: true\n" : "", e->sectors * SECTOR, e->file ? e->file->name : "");
        if (e->kind == VMDK_SPARSE)
            g_string_append_printf(out, "            cluster size: %" PRIu64 "\n", e->grain * SECTOR);
        g_string_append_printf(out, "            format: %s\n", e->type);
    }
}

static void one_image(BlockNode *n, GString *out)
{
    Qcow2 *s = n->fmt == &qcow2_format ? n->state : NULL;
    g_autofree char *v = block_human_size(n->length), *a = block_human_size(file_allocated(n->file));
    g_string_append_printf(out, "image: %s\nfile format: %s\nvirtual size: %s (%" PRIu64 " bytes)\ndisk size: %s\n", n->filename, n->fmt->name, v, n->length, a);
    if (n->cluster_size)
        g_string_append_printf(out, "cluster_size: %" PRIu64 "\n", n->cluster_size);
    if (s && (s->incompat & INCOMPAT_DIRTY))
        g_string_append_printf(out, "cleanly shut down: no\n");
    if (n->backing_name) {
        g_autofree char *full = g_str_has_prefix(n->backing_name, "json:") ? NULL : node_backing_path(n->filename, n->backing_name, NULL);
        g_string_append_printf(out, "backing file: %s", n->backing_name);
        if (full && !g_str_equal(full, n->backing_name))
            g_string_append_printf(out, " (actual path: %s)", full);
        g_string_append_printf(out, "\n");
        if (n->backing_format)
            g_string_append_printf(out, "backing file format: %s\n", n->backing_format);
    }
    if (s && s->snapshots->len) {
        g_string_append_printf(out, "Snapshot list:\n");
        qcow2_snapshot_table(s->snapshots, out);
    }
    if (n->fmt == &vmdk_format)
        vmdk_text(n->state, out);
    if (!s)
        return;
    g_string_append_printf(out, "Format specific information:\n    compat: %s\n    compression type: %s\n", s->version < 3 ? "0.10" : "1.1", s->zstd ? "zstd" : "zlib");
    if (s->version >= 3)
        g_string_append_printf(out, "    lazy refcounts: %s\n", s->lazy ? "true" : "false");
    if (s->bitmaps->len)
        g_string_append_printf(out, "    bitmaps:\n");
    for (guint i = 0; i < s->bitmaps->len; i++) {
        const Qcow2Bitmap *m = &g_array_index(s->bitmaps, Qcow2Bitmap, i);
        unsigned k = 0;
        g_string_append_printf(out, "        [%u]:\n            flags:\n", i);
        if (m->flags & BITMAP_IN_USE)
            g_string_append_printf(out, "                [%u]: in-use\n", k++);
        if (m->flags & BITMAP_AUTO)
            g_string_append_printf(out, "                [%u]: auto\n", k);
        g_string_append_printf(out, "            name: %s\n            granularity: %" PRIu64 "\n", m->name, m->granularity);
    }
    g_string_append_printf(out, "    refcount bits: %u\n", 1u << s->refcount_order);
    if (s->version >= 3)
        g_string_append_printf(out, "    corrupt: %s\n    extended l2: %s\n", s->incompat & INCOMPAT_CORRUPT ? "true" : "false", s->ext_l2 ? "true" : "false");
}

void block_info_text(BlockNode *n, bool chain, GString *out)
{
    for (; n; n = chain ? n->backing : NULL)
        one_image(n, out);
}
