/* node.c - opening an image of any format with its backing chain, and access through that chain.
 * A chain that leads back to itself is refused; a missing member is reported with who names it.
 * Not modelled: formats other than raw and qcow2, protocols other than files. */
#include "host/base/osdep.h"
#include "host/block/block-int.h"

enum { MAX_CHAIN = 256 };

static const char *probe(BlockFile *f)
{
    uint8_t head[512];
    size_t n = MIN(file_len(f), sizeof head);
    memset(head, 0, sizeof head);
    if (file_pread(f, 0, head, n))
        return "raw";
    if (!memcmp(head, "QFI\xfb", 4))
        return head[4] || head[5] || head[6] || head[7] < 2 ? "qcow" : "qcow2";
    if (!memcmp(head, "KDMV", 4))
        return "vmdk";
    if (!memcmp(head, "conectix", 8))
        return "vpc";
    if (!memcmp(head, "vhdxfile", 8))
        return "vhdx";
    if (!memcmp(head + 64, "\x7f\x10\xda\xbe", 4))
        return "vdi";
    return "raw";
}

/* The value of "key" in a flat or nested JSON object: enough for json: names that only name files. */
static char *json_string(const char *text, const char *key)
{
    g_autofree char *pat = g_strdup_printf("\"%s\"\\s*:\\s*\"((?:[^\"\\\\]|\\\\.)*)\"", key);
    g_autoptr(GRegex) re = g_regex_new(pat, 0, 0, NULL);
    g_autoptr(GMatchInfo) mi = NULL;
    if (!g_regex_match(re, text, 0, &mi))
        return NULL;
    g_autofree char *raw = g_match_info_fetch(mi, 1);
    return g_strcompress(raw);
}

char *node_backing_path(const char *filename, const char *backing, GError **errp)
{
    g_autofree char *from_json = NULL;
    if (g_str_has_prefix(backing, "json:")) {
        from_json = json_string(backing + 5, "filename");
        if (!from_json)
            from_json = json_string(backing + 5, "file.filename");
        if (!from_json) {
            error_set(errp, "Backing file '%s' of '%s': only json: names with a \"filename\" are supported", backing, filename);
            return NULL;
        }
        return g_steal_pointer(&from_json); /* not relative to the image, as qemu has it */
    }
    if (g_str_has_prefix(backing, "file:"))
        backing += 5;
    if (g_path_is_absolute(backing))
        return g_strdup(backing);
    if (g_str_has_prefix(filename, "file:"))
        filename += 5;
    g_autofree char *dir = strchr(filename, '/') ? g_path_get_dirname(filename) : NULL;
    return dir ? g_build_filename(dir, backing, NULL) : g_strdup(backing);
}

static bool open_backing(BlockNode *n, const BlockOpenOpts *opts, const NodeParent *up, GError **errp)
{
    const NodeParent me = {n->file, up};
    GError *err = NULL;
    g_autofree char *path = node_backing_path(n->filename, n->backing_name, errp);
    g_autofree char *json_fmt = g_str_has_prefix(n->backing_name, "json:") ? json_string(n->backing_name + 5, "driver") : NULL;
    BlockOpenOpts o = {.filename = path, .format = n->backing_format, .read_only = true, .lock = opts->lock,
                       .no_repair = true};
    if (!path)
        return false;
    if (!o.format && json_fmt && !g_str_equal(json_fmt, "file"))
        o.format = json_fmt;
    n->backing = node_open(&o, &me, &err);
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
        if (p->file->dev == f->dev && p->file->ino == f->ino)
            return error_set(errp, "the backing chain of '%s' leads back to itself", f->name);
        if (depth > MAX_CHAIN)
            return error_set(errp, "the backing chain is longer than %d images", MAX_CHAIN);
    }
    return true;
}

BlockNode *node_open(const BlockOpenOpts *opts, const NodeParent *up, GError **errp)
{
    static const char *const known[] = {"qcow", "vmdk", "vdi", "vhdx", "vpc", "qed", "luks", "dmg", "bochs", "cloop", "parallels", NULL};
    const char *format = opts->format;
    unsigned flags = (opts->read_only || opts->snapshot ? FILE_READ_ONLY : 0) | (opts->lock ? FILE_LOCK : 0) |
                     (opts->auto_read_only ? FILE_AUTO_READ_ONLY : 0);
    bool ok;

    if (format && !g_str_equal(format, "raw") && !g_str_equal(format, "qcow2") && !g_strv_contains(known, format)) {
        error_set(errp, "Unknown driver '%s' (supported image formats: raw qcow2)", format);
        return NULL;
    }
    BlockFile *f = file_open(opts->filename, flags, errp);
    if (!f)
        return NULL;
    if (!check_loop(f, up, errp)) {
        file_close(f);
        return NULL;
    }
    if (!format)
        format = probe(f);
    if (!g_str_equal(format, "raw") && !g_str_equal(format, "qcow2")) {
        error_set(errp, "'%s': image format '%s' is not supported (supported: raw qcow2; `qemu-img convert` makes one)",
                  opts->filename, format);
        file_close(f);
        return NULL;
    }
    f->no_flush = opts->no_flush;
    BlockNode *n = g_new0(BlockNode, 1);
    n->filename = g_strdup(opts->filename);
    n->file = f;
    n->read_only = f->read_only;
    if (g_str_equal(format, "qcow2"))
        ok = file_lock(f, flags | FILE_LOCK_RESIZE, errp) && qcow2_open(n, f, opts, errp);
    else
        ok = file_lock(f, flags, errp) && raw_open(n, f, opts, errp);
    if (!ok) {
        file_close(f);
        g_free(n->backing_name);
        g_free(n->backing_format);
        g_free(n->filename);
        g_free(n);
        return NULL;
    }
    if (n->backing_name && !opts->no_backing && !open_backing(n, opts, up, errp)) {
        node_close(n);
        return NULL;
    }
    return n;
}

void node_close(BlockNode *n)
{
    if (!n)
        return;
    n->fmt->close(n->state);
    node_close(n->backing);
    g_free(n->backing_name);
    g_free(n->backing_format);
    g_free(n->filename);
    g_free(n);
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
        if (!n->backing) {
            st->zero = true;
            return 0;
        }
    }
}
