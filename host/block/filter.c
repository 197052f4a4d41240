/* filter.c - filter nodes of -blockdev: driver=throttle and driver=copy-on-read, between a device and its image
 * Spec: qemu's -blockdev options of these drivers (throttle-group, bottom, file) and docs/throttle.txt.
 * A filter holds no data: a drive that is opened on one works on the image below and obeys what the filters on the way say
 * (block.c: limits before a request starts; copy-read.c). Below a format (qcow2 over throttle over file) the limits are those of the
 * requests to the image, not of its tables.
 * Not modelled: filters in a backing chain (refused). */
#include "host/base/osdep.h"
#include "host/block/block-int.h"
#include "host/block/blkopts.h"
#include "host/block/throttle.h"

bool filter_is_driver(const char *name) { return g_str_equal(name, "throttle") || g_str_equal(name, "copy-on-read"); }

/* There is no way to the data but by block.c, which goes below. */
static void nothing(void *state) { }
static const BlockFormat filter_format = {"filter", NULL, NULL, NULL, NULL, nothing, NULL, NULL, NULL};

ThrottleGroup *filter_take_group(BlockOptions *o, GError **errp)
{
    g_autofree char *name = blkopts_take(o, "throttle-group");
    ThrottleGroup *g = name ? throttle_group_find(name) : NULL;
    if (g)
        return throttle_group_join(name, NULL);
    error_set(errp, name ? "Throttle group '%s' does not exist" : "Parameter 'throttle-group' is missing", name);
    return NULL;
}

/* What is filtered: a named node, one described in place, or the bytes of a protocol node. */
static BlockNode *open_below(BlockOptions *o, const BlockOpenOpts *opts, const NodeParent *up, GError **errp)
{
    g_autofree char *ref = blkopts_take(o, "file");
    BlockOptions *sub = blkopts_take_sub(o, "file");
    BlockOpenOpts p = {.options = sub, .read_only = opts->read_only, .auto_read_only = opts->auto_read_only, .lock = opts->lock,
                       .direct = opts->direct, .no_flush = opts->no_flush, .discard_unmap = opts->discard_unmap, .no_backing = opts->no_backing};
    BlockNode *n = NULL;
    BlockFile *f = NULL;
    if (ref && (n = blockdev_find(ref, &f))) {
        if (n->in_use) {
            error_set(errp, "Node '%s' is in use already", ref);
            n = NULL;
        } else {
            n->refs++;
        }
    } else if (ref && !f) {
        error_set(errp, "Cannot find device='%s' nor node-name='%s'", ref, ref);
    } else if (ref && f->refs > 1) {
        error_set(errp, "Node '%s' is in use already", ref);
    } else if (!ref && !g_hash_table_size(sub)) {
        error_set(errp, "Parameter 'file' is missing");
    } else {
        if (ref) { /* a protocol node: its bytes are the disk */
            blkopts_set(sub, "driver", "raw");
            blkopts_set(sub, "file", ref);
            p.read_only |= f->read_only;
        } else if (!blkopts_get(sub, "driver") && blkopts_get(sub, "filename")) { /* -drive file=FILE,driver=throttle */
            g_autofree char *name = blkopts_take(sub, "filename");
            blkopts_set(sub, "file.filename", name);
        }
        n = node_open(&p, up, errp);
    }
    blkopts_free(sub);
    return n;
}

/* The image in the chain below n where copying stops; an image is its own chain's first. */
static BlockNode *find_bottom(BlockNode *n, const char *name, GError **errp)
{
    BlockNode *b = blockdev_find(name, NULL);
    for (n = filter_image(n); n && n != b; n = n->backing)
        ;
    if (!n)
        error_set(errp, b ? "Bottom node '%s' is not in the chain below" : "Bottom node '%s' not found", name);
    return n;
}

BlockNode *filter_open(const char *driver, BlockOptions *o, const BlockOpenOpts *opts, const NodeParent *up, GError **errp)
{
    bool throttle = g_str_equal(driver, "throttle");
    g_autofree char *bottom = throttle ? NULL : blkopts_take(o, "bottom"), *what = g_strdup_printf("Block driver '%s'", driver);
    ThrottleGroup *g = throttle ? filter_take_group(o, errp) : NULL;
    BlockNode *stop = NULL, *below = throttle && !g ? NULL : open_below(o, opts, up, errp);
    if (!below || !blkopts_check_empty(o, what, errp) || (bottom && !(stop = find_bottom(below, bottom, errp)))) {
        node_close(below);
        throttle_group_leave(g);
        return NULL;
    }
    BlockNode *n = g_new0(BlockNode, 1);
    *n = (BlockNode){.fmt = &filter_format, .filename = g_strdup(below->filename), .length = below->length, .read_only = below->read_only,
                     .file = below->file, .refs = 1, .below = below, .limits = g, .bottom = stop, .copies = !throttle};
    below->uppers++;
    return n;
}

void filter_close(BlockNode *n)
{
    n->below->uppers--;
    node_close(n->below);
    throttle_group_leave(n->limits);
}

BlockNode *filter_image(BlockNode *n)
{
    while (n->below)
        n = n->below;
    return n;
}

bool filter_is_free(const BlockNode *n)
{
    for (; n; n = n->below)
        if (n->in_use || n->refs - n->uppers > 1)
            return false;
    return true;
}

void filter_use(BlockNode *n, bool on, GPtrArray *limits)
{
    BlockNode *image = filter_image(n);
    for (; n->below; n = n->below) {
        n->in_use = on;
        if (n->limits && limits)
            g_ptr_array_add(limits, n->limits);
        if (n->copies && on && !image->read_only) {
            node_set_copy_on_read(image);
            image->copy_bottom = n->bottom;
        }
    }
    image->in_use = on;
    for (guint i = 0; image->file->limits && limits && i < image->file->limits->len; i++)
        g_ptr_array_add(limits, image->file->limits->pdata[i]);
}

void filter_limit_file(BlockFile *f, ThrottleGroup *g)
{
    if (!f->limits)
        f->limits = g_ptr_array_new_with_free_func((GDestroyNotify)throttle_group_leave);
    g_ptr_array_add(f->limits, g);
}

BlockFile *filter_file(BlockNode *n)
{
    BlockNode *image = filter_image(n);
    if (n == image || image->fmt != &raw_format || image->file->base || !filter_is_free(n))
        return NULL;
    for (; n->below; n = n->below)
        if (n->limits)
            filter_limit_file(image->file, throttle_group_join(throttle_group_name(n->limits), NULL));
    image->in_use = true; /* by a format from now on */
    return file_ref(image->file);
}
