/* node.c - opening an image of any format with its backing chain, and access through that chain.
 * What is to be opened comes as a file name (also a pseudo one, "json:{...}"), as a table of options
 * (blkopts.h), or as both. The format is found by content when nobody says it. A chain that leads back to
 * itself is refused; a missing member is reported with who names it.
 * Filter nodes (throttle, copy-on-read): filter.c. Not modelled: external data files. */
#include "host/base/osdep.h"
#include "host/block/block-int.h"

enum { MAX_CHAIN = 256 };

static const struct {
    const char *name;
    bool (*open)(BlockNode *n, BlockFile *file, const BlockOpenOpts *opts, GError **errp);
    bool writes; /* else: a reader */
} formats[] = {
    {"raw", raw_open, true}, {"qcow2", qcow2_open, true}, {"vmdk", vmdk_open, false},
    {"vpc", vpc_open, false}, {"vhdx", vhdx_open, false}, {"vdi", vdi_open, false},
};
#define FORMAT_NAMES "raw qcow2 vmdk vpc vhdx vdi"

const char *node_probe(const uint8_t head[SECTOR])
{
    if (!memcmp(head, "QFI\xfb", 4))
        return head[4] || head[5] || head[6] || head[7] < 2 ? "qcow" : "qcow2";
    if (!memcmp(head, "KDMV", 4) || !memcmp(head, "COWD", 4) || !memcmp(head, "# Disk DescriptorFile", 21))
        return "vmdk";
    if (!memcmp(head, "conectix", 8))
        return "vpc";
    if (!memcmp(head, "vhdxfile", 8))
        return "vhdx";
    if (!memcmp(head + 64, "\x7f\x10\xda\xbe", 4))
        return "vdi";
    return "raw";
}

static const char *probe(BlockFile *f)
{
    uint8_t head[SECTOR] = {0};
    size_t n = MIN(file_len(f), sizeof head);
    return f->is_null || file_pread(f, 0, head, n) ? "raw" : node_probe(head);
}

/* The only string in a json: name that names a file, wherever it stands. */
static char *json_file(const char *text)
{
    static const char *const keys[] = {"file.filename", "filename", "file.image.filename"};
    BlockOptions *o = blkopts_new();
    char *name = NULL;
    if (blkopts_add_json(o, text, NULL))
        for (size_t i = 0; i < ARRAY_SIZE(keys) && !name; i++)
            name = blkopts_take(o, keys[i]);
    blkopts_free(o);
    return name;
}

char *node_backing_path(const char *filename, const char *backing, GError **errp)
{
    if (g_str_has_prefix(backing, "json:")) {
        char *name = json_file(backing + 5);
        if (!name)
            error_set(errp, "Backing file '%s' of '%s': no \"filename\" in it", backing, filename);
        return name; /* not relative to the image, as qemu has it */
    }
    if (g_str_has_prefix(backing, "file:"))
        backing += 5;
    g_autofree char *proto = blkopts_protocol(backing);
    if (proto || g_path_is_absolute(backing))
        return g_strdup(backing);
    if (g_str_has_prefix(filename, "file:"))
        filename += 5;
    g_autofree char *dir = strchr(filename, '/') ? g_path_get_dirname(filename) : NULL;
    return dir ? g_build_filename(dir, backing, NULL) : g_strdup(backing);
}

static BlockNode *open_table(BlockOptions *o, const BlockOpenOpts *opts, const NodeParent *up, GError **errp);

/* The backing file: what the options say (`sub`, or the named node `ref`), else what stands in the image. */
static bool open_backing(BlockNode *n, BlockOptions *sub, const char *ref, const BlockOpenOpts *opts, const NodeParent *up, GError **errp)
{
    const NodeParent me = {n->file, up};
    GError *err = NULL;
    if (ref) {
        BlockNode *b = blockdev_find(ref, NULL);
        if (b && b->below)
            return error_set(errp, "backing=%s: a throttle or copy-on-read node is only supported between a device and its image", ref);
        if (!b || b->in_use)
            return error_set(errp, b ? "Node '%s' is in use as a drive" : "Cannot find device='' nor node-name='%s'", ref);
        b->refs++;
        n->backing = b;
        return true;
    }
    bool own = g_hash_table_size(sub) && (blkopts_get(sub, "driver") || blkopts_get(sub, "file") || blkopts_get(sub, "file.filename"));
    bool json = !own && g_str_has_prefix(n->backing_name, "json:");
    g_autofree char *path = own || json ? NULL : node_backing_path(n->filename, n->backing_name, errp);
    BlockOpenOpts o = {.filename = json ? n->backing_name : path, .read_only = true, .lock = opts->lock, .direct = opts->direct, .no_repair = true, .options = sub};
    if (!own && !json && !path)
        return false;
    if (!own)
        o.format = n->backing_format;
    n->backing = node_open(&o, &me, &err);
    if (n->backing && n->backing->below) {
        g_clear_pointer(&n->backing, node_close);
        error_set(&err, "a throttle or copy-on-read node is only supported between a device and its image");
    }
    if (!n->backing) {
        error_set(errp, "Could not open backing file of '%s': %s", n->filename, err->message);
        g_error_free(err);
        return false;
    }
    return true;
}

static bool check_loop(const BlockFile *f, const NodeParent *up, GError **errp)
{
    unsigned depth = 0;
    for (const NodeParent *p = up; p; p = p->up, depth++) {
        if (!f->is_null && p->file->dev == f->dev && p->file->ino == f->ino)
            return error_set(errp, "the backing chain of '%s' leads back to itself", f->name);
        if (depth > MAX_CHAIN)
            return error_set(errp, "the backing chain is longer than %d images", MAX_CHAIN);
    }
    return true;
}

/* Options that every node has. */
static bool take_common(BlockOptions *o, BlockOpenOpts *p, BlockNode *n, GError **errp)
{
    const char *discard = NULL, *zeroes = NULL;
    bool share = !p->lock;
    if (!blkopts_take_bool(o, "read-only", &p->read_only, errp) || !blkopts_take_bool(o, "auto-read-only", &p->auto_read_only, errp) ||
        !blkopts_take_bool(o, "cache.direct", &p->direct, errp) || !blkopts_take_bool(o, "cache.no-flush", &p->no_flush, errp) ||
        !blkopts_take_bool(o, "force-share", &share, errp) || !blkopts_take_choice(o, "discard", "ignore unmap on off", &discard, errp) ||
        !blkopts_take_choice(o, "detect-zeroes", "off on unmap", &zeroes, errp))
        return false;
    if (discard)
        p->discard_unmap = g_str_equal(discard, "unmap") || g_str_equal(discard, "on");
    p->lock = !share;
    n->discard_unmap = p->discard_unmap;
    n->no_flush = p->no_flush;
    n->direct = p->direct;
    n->detect_zeroes = zeroes && !g_str_equal(zeroes, "off");
    n->detect_unmap = zeroes && g_str_equal(zeroes, "unmap");
    if (n->detect_unmap && !p->discard_unmap && p->strict)
        return error_set(errp, "setting detect-zeroes to unmap is not allowed without setting discard operation to unmap");
    return true;
}

/* Tuning knobs of qemu's qcow2 driver that change no result; raw's window. */
static bool take_format_options(BlockOptions *o, const char *format, BlockFile *f, GError **errp)
{
    static const char *const sizes[] = {"cache-size", "l2-cache-size", "l2-cache-entry-size", "refcount-cache-size", "cache-clean-interval"};
    static const char *const flags[] = {"lazy-refcounts", "pass-discard-request", "pass-discard-snapshot", "pass-discard-other", "discard-no-unref"};
    uint64_t n = 0, offset = 0, size = UINT64_MAX;
    bool b;
    if (g_str_equal(format, "qcow2")) {
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
            if (!blkopts_take_size(o, sizes[i], &n, errp) || !blkopts_take_bool(o, flags[i], &b, errp))
                return false;
        return blkopts_take_choice(o, "overlap-check", "none constant cached all", NULL, errp) &&
               blkopts_take_choice(o, "overlap-check.template", "none constant cached all", NULL, errp);
    }
    if (!g_str_equal(format, "raw"))
        return true;
    if (!blkopts_take_size(o, "offset", &offset, errp) || !blkopts_take_size(o, "size", &size, errp))
        return false;
    if (!offset && size == UINT64_MAX)
        return true;
    if (offset > f->len || (size != UINT64_MAX && (size > f->len - offset || size % SECTOR)))
        return error_set(errp, "raw: offset=%" PRIu64 ",size=%" PRIu64 " is not within '%s' of %" PRIu64 " bytes, or no whole sectors", offset,
                         size, f->name, f->len);
    if (f->refs > 1)
        return error_set(errp, "raw: offset= and size= need a file that no other node uses");
    f->base = offset;
    f->len = size == UINT64_MAX ? f->len - offset : size;
    f->is_device = true; /* a window does not grow */
    return true;
}

/* The protocol node of a table: the same table (a driver of that kind), "file.*", or the named one. */
static BlockFile *open_file(BlockOptions *o, const char *driver, unsigned flags, GError **errp)
{
    BlockFile *f = NULL;
    g_autofree char *ref = driver ? NULL : blkopts_take(o, "file");
    if (driver) {
        blkopts_set(o, "driver", driver);
        return proto_open(o, flags, errp);
    }
    BlockOptions *sub = blkopts_take_sub(o, "file");
    if (ref) {
        BlockNode *n = blockdev_find(ref, &f);
        f = f ? file_ref(f) : n ? filter_file(n) : NULL;
        if (!f)
            error_set(errp, n ? "file=%s: a format on top of a format is not supported, nor on a node in use" : "Cannot find device='' nor node-name='%s'", ref);
    } else if (!g_hash_table_size(sub)) {
        error_set(errp, "A block device must be specified for \"file\"");
    } else {
        g_autofree char *what = g_strdup_printf("Block protocol '%s'", blkopts_get(sub, "driver") ? blkopts_get(sub, "driver") : "file");
        f = proto_open(sub, flags, errp);
        if (f && !blkopts_check_empty(sub, what, errp))
            g_clear_pointer(&f, file_close);
    }
    blkopts_free(sub);
    return f;
}

static void node_free(BlockNode *n)
{
    if (n->below)
        filter_close(n);
    if (n->copy_on_read)
        g_rw_lock_clear(&n->copy_lock);
    g_free(n->backing_name);
    g_free(n->backing_format);
    g_free(n->filename);
    g_free(n->node_name);
    g_free(n);
}

static int find_format(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (g_str_equal(formats[i].name, name))
            return (int)i;
    return -1;
}

/* With a file: find and open the format. Takes f over in any case. */
static bool open_format(BlockNode *n, BlockFile *f, const char *format, BlockOptions *o, BlockOpenOpts *p, GError **errp)
{
    bool had_format = format != NULL;
    if (!format)
        format = probe(f);
    int i = find_format(format);
    g_autofree char *what = g_strdup_printf("Block format '%s'", format);
    unsigned flags = (p->lock && !f->no_lock ? FILE_LOCK : 0) | (!g_str_equal(format, "raw") ? FILE_LOCK_RESIZE : p->share_writers ? FILE_SHARE : 0);
    if (i < 0) {
        error_set(errp, had_format ? "'%s': Unknown driver '%s' (supported image formats: " FORMAT_NAMES ")"
                                   : "'%s': image format '%s' is not supported (supported: " FORMAT_NAMES "; `qemu-img convert` makes one)", n->filename, format);
        goto fail;
    }
    if (!take_format_options(o, format, f, errp) || !blkopts_check_empty(o, what, errp))
        goto fail;
    if (!formats[i].writes && !p->read_only && !p->snapshot) {
        if (!p->auto_read_only) {
            error_set(errp, "'%s': Vireo only reads images of format '%s': use readonly=on, snapshot=on, or convert it to qcow2", n->filename, format);
            goto fail;
        }
        p->read_only = true;
    }
    p->probed = !had_format && !f->is_null;
    n->file = f;
    n->read_only = f->read_only || p->read_only || p->snapshot;
    f->no_flush |= p->no_flush;
    if (p->direct)
        file_set_direct(f);
    if (!file_lock(f, flags | (n->read_only ? FILE_READ_ONLY : 0), errp) || !formats[i].open(n, f, p, errp))
        goto fail;
    return true;
fail:
    file_close(f);
    return false;
}

static BlockNode *open_filter(const char *driver, BlockOptions *o, const char *name, const char *back, BlockOptions *back_sub, const BlockOpenOpts *p,
                              const NodeParent *up, GError **errp)
{
    if (back || g_hash_table_size(back_sub)) {
        error_set(errp, "Block driver '%s' does not support the option 'backing'", driver);
        return NULL;
    }
    BlockNode *n = filter_open(driver, o, p, up, errp);
    if (n && name && !blockdev_register(name, n, NULL, errp))
        g_clear_pointer(&n, node_close);
    return n;
}

static BlockNode *open_table(BlockOptions *o, const BlockOpenOpts *opts, const NodeParent *up, GError **errp)
{
    BlockOpenOpts p = *opts;
    BlockNode *n = g_new0(BlockNode, 1);
    g_autofree char *driver = blkopts_take(o, "driver"), *name = blkopts_take(o, "node-name"), *back = blkopts_take(o, "backing");
    BlockOptions *back_sub = blkopts_take_sub(o, "backing");
    bool is_proto = driver && proto_is_driver(driver), opened = false;
    const char *format = p.format ? p.format : is_proto ? "raw" : driver;
    n->refs = 1;
    n->filename = p.filename && !g_str_has_prefix(p.filename, "json:") && !g_str_has_prefix(p.filename, "blkdebug:") ? g_strdup(p.filename) : NULL;
    if (format && filter_is_driver(format)) {
        BlockNode *filter = take_common(o, &p, n, errp) ? open_filter(format, o, name, back, back_sub, &p, up, errp) : NULL;
        blkopts_free(back_sub);
        node_free(n);
        return filter;
    }
    if (format && find_format(format) < 0 && !is_proto) {
        static const char *const known[] = {"qcow", "qed", "luks", "dmg", "bochs", "cloop", "parallels", NULL};
        error_set(errp, g_strv_contains(known, format) ? "image format '%s' is not supported (supported: " FORMAT_NAMES ")"
                                                       : "Unknown driver '%s' (supported image formats: " FORMAT_NAMES ", protocols: file host_device vvfat nbd null-co blkdebug, filters: throttle copy-on-read)", format);
        goto fail;
    }
    if (!take_common(o, &p, n, errp))
        goto fail;
    BlockFile *f = open_file(o, is_proto ? driver : NULL, (p.read_only || p.snapshot ? FILE_READ_ONLY : 0) | (p.auto_read_only ? FILE_AUTO_READ_ONLY : 0), errp);
    if (!f)
        goto fail;
    if (!n->filename)
        n->filename = g_strdup(f->name);
    if (!check_loop(f, up, errp)) {
        file_close(f);
        goto fail;
    }
    if (!open_format(n, f, format, o, &p, errp))
        goto fail;
    opened = true;
    bool none = back && !back[0];
    if (!p.no_backing && !none && (n->backing_name || back || g_hash_table_size(back_sub)) &&
        !open_backing(n, back_sub, back, &p, up, errp))
        goto fail;
    if (name && !blockdev_register(name, n, NULL, errp))
        goto fail;
    blkopts_free(back_sub);
    return n;
fail:
    blkopts_free(back_sub);
    if (opened)
        node_close(n);
    else
        node_free(n);
    return NULL;
}

BlockNode *node_open(const BlockOpenOpts *opts, const NodeParent *up, GError **errp)
{
    BlockOptions *o = opts->options ? blkopts_copy(opts->options) : blkopts_new();
    BlockNode *n = NULL;
    if (!opts->filename || blkopts_add_filename(o, opts->filename, errp))
        n = open_table(o, opts, up, errp);
    blkopts_free(o);
    return n;
}

void node_close(BlockNode *n)
{
    if (!n || --n->refs)
        return;
    n->fmt->close(n->state);
    node_close(n->backing);
    node_free(n);
}

int node_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len)
{
    uint64_t avail = offset < n->length ? MIN(len, n->length - offset) : 0;
    if (avail == len)
        return len ? n->fmt->preadv(n->state, offset, iov, iovcnt, len) : 0;
    iov_zero(iov, iovcnt, avail);
    if (!avail)
        return 0;
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);
    return n->fmt->preadv(n->state, offset, part, iov_slice(iov, iovcnt, 0, avail, part), avail);
}

int node_pread(BlockNode *n, uint64_t offset, void *buf, size_t len)
{
    struct iovec iov = {buf, len};
    return node_preadv(n, offset, &iov, 1, len);
}

int node_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool unmap)
{
    int ret = n->fmt->write_zeroes ? n->fmt->write_zeroes(n->state, offset, len, unmap) : -ENOTSUP;
    if (ret != -ENOTSUP)
        return ret;
    size_t size = MIN(len, MiB);
    g_autofree void *zeros = g_malloc0(size);
    for (ret = 0; len && !ret;) {
        struct iovec iov = {zeros, MIN(len, size)};
        ret = n->fmt->pwritev(n->state, offset, &iov, 1, iov.iov_len);
        offset += iov.iov_len;
        len -= iov.iov_len;
    }
    return ret;
}

int node_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st)
{
    unsigned depth = 0;
    for (;; n = n->backing, depth++) {
        if (offset >= n->length) { /* a backing file that is shorter */
            *st = (BlockStatus){.len = len, .zero = true, .depth = depth};
            return 0;
        }
        uint64_t avail = MIN(len, n->length - offset);
        int ret = 0;
        if (n->fmt->status)
            ret = n->fmt->status(n->state, offset, avail, st);
        else
            *st = (BlockStatus){.len = avail, .allocated = true, .data = true};
        if (ret)
            return ret;
        st->depth = depth;
        if (st->allocated)
            return 0;
        len = st->len;
        if (!n->backing || offset >= n->backing->length) {
            st->zero = true;
            return 0;
        }
    }
}
