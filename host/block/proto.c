/* proto.c - protocol nodes: where the bytes of an image come from. A host file or device, a folder (vvfat), a server
 * (nbd), nothing at all (null-co), or one of those with rules that make it fail (blkdebug).
 * Spec: the drivers and option names of qemu's -blockdev.
 * Not modelled: other network protocols, iothreads; aio= is accepted: worker threads do the I/O in any case. */
#include "host/base/osdep.h"
#include "host/block/block-int.h"
#include "host/block/nbd.h"
#include "host/block/throttle.h"
#include "host/block/vvfat.h"

static const char *const drivers[] = {"file", "host_device", "host_cdrom", "null-co", "null-aio", "vvfat", "nbd", "blkdebug", NULL};

bool proto_is_driver(const char *name) { return g_strv_contains(drivers, name); }

static BlockFile *open_host(BlockOptions *o, const char *driver, unsigned flags, GError **errp)
{
    g_autofree char *name = blkopts_take(o, "filename");
    if (!name) {
        error_set(errp, "The '%s' block driver requires a file name", driver);
        return NULL;
    }
    BlockFile *f = file_open(name, flags, errp);
    if (f && f->is_device && g_str_equal(driver, "file")) {
        g_free(f->driver);
        f->driver = g_strdup("host_device");
    } else if (f && !f->is_device && !g_str_equal(driver, "file")) {
        error_set(errp, "'%s' driver requires '%s' to be a block device", driver, name);
        g_clear_pointer(&f, file_close);
    }
    return f;
}

static BlockFile *open_null(BlockOptions *o, const char *driver, GError **errp)
{
    uint64_t size = GiB, latency = 0;
    bool zeroes = false;
    if (!blkopts_take_size(o, "size", &size, errp) || !blkopts_take_size(o, "latency-ns", &latency, errp) ||
        !blkopts_take_bool(o, "read-zeroes", &zeroes, errp))
        return NULL;
    if (size > INT64_MAX || latency) {
        error_set(errp, latency ? "%s: latency-ns is not supported (only 0)" : "%s: size is too large", driver);
        return NULL;
    }
    BlockFile *f = g_new0(BlockFile, 1);
    *f = (BlockFile){.fd = -1, .is_null = true, .len = size, .refs = 1, .name = g_strdup_printf("%s://", driver), .driver = g_strdup(driver)};
    return f;
}

static BlockFile *open_nbd(BlockOptions *o, unsigned flags, GError **errp)
{
    static ino_t number; /* the bytes of two connections are never taken for the same */
    Nbd *n = nbd_open(o, errp);
    if (!n)
        return NULL;
    bool ro = flags & FILE_READ_ONLY;
    if (nbd_read_only(n) && !ro && !(flags & FILE_AUTO_READ_ONLY)) {
        error_set(errp, "request on '%s' denied: the server's export is read-only (use readonly=on)", nbd_name(n));
        nbd_close(n);
        return NULL;
    }
    BlockFile *f = g_new0(BlockFile, 1);
    *f = (BlockFile){.fd = -1, .nbd = n, .is_device = true, .read_only = ro || nbd_read_only(n), .len = nbd_length(n), .refs = 1, .ino = ++number,
                     .name = g_strdup(nbd_name(n)), .driver = g_strdup("nbd")};
    return f;
}

static BlockFile *open_vvfat(BlockOptions *o, unsigned flags, GError **errp)
{
    g_autofree char *dir = blkopts_take(o, "dir"), *label = blkopts_take(o, "label");
    VvfatOpts fo = {.dir = dir, .label = label};
    bool rw = false;
    uint64_t bits = 0;
    if (!blkopts_take_bool(o, "floppy", &fo.floppy, errp) || !blkopts_take_bool(o, "rw", &rw, errp) || !blkopts_take_size(o, "fat-type", &bits, errp))
        return NULL;
    if (!dir) {
        error_set(errp, "vvfat block driver requires a 'dir' option");
        return NULL;
    }
    fo.fat_bits = (unsigned)MIN(bits, 255);
    Vvfat *v = vvfat_open(&fo, errp);
    if (!v)
        return NULL;
    BlockFile *f = g_new0(BlockFile, 1);
    *f = (BlockFile){.fd = -1, .is_null = true, .fat = v, .read_only = true, .overlay = rw && !(flags & FILE_READ_ONLY), .len = vvfat_length(v), .refs = 1,
                     .name = g_strdup_printf("fat:%s%s%s", fo.floppy ? "floppy:" : "", rw ? "rw:" : "", dir), .driver = g_strdup("vvfat")};
    if (f->overlay)
        warn_report("'%s': what the guest writes is kept until the end of this program and does not reach the folder", f->name);
    return f;
}

/* The file below a blkdebug node: by name, or as a table of its own. */
static BlockFile *open_blkdebug(BlockOptions *o, unsigned flags, GError **errp)
{
    BlkDebug *d = blkdebug_new(o, errp);
    g_autofree char *ref = blkopts_take(o, "image");
    BlockOptions *sub = blkopts_take_sub(o, "image");
    BlockFile *f = NULL, *under = NULL;
    if (d && ref) {
        BlockNode *n = blockdev_find(ref, &under);
        if (n || !under)
            error_set(errp, n ? "blkdebug: image=%s must be a protocol node" : "Cannot find device='' nor node-name='%s'", ref);
        else if (under->debug || under->refs > 1)
            error_set(errp, "blkdebug: node '%s' is in use already", ref);
        else
            f = file_ref(under);
    } else if (d && !g_hash_table_size(sub)) {
        error_set(errp, "A block device must be specified for \"image\"");
    } else if (d) {
        f = proto_open(sub, flags, errp);
        if (f && !blkopts_check_empty(sub, "Block protocol 'file'", errp))
            g_clear_pointer(&f, file_close);
    }
    blkopts_free(sub);
    if (f && f->debug) {
        error_set(errp, "blkdebug: one on top of another is not supported");
        g_clear_pointer(&f, file_close);
    }
    if (!f) {
        blkdebug_free(d);
        return NULL;
    }
    f->debug = d;
    return f;
}

/* A filter below a format: its limits are those of the requests to the image; there is nothing to copy from below a file. */
static BlockFile *open_filtered(BlockOptions *o, const char *driver, const char *name, unsigned flags, GError **errp)
{
    bool throttle = g_str_equal(driver, "throttle"), ok = false;
    struct ThrottleGroup *g = throttle ? filter_take_group(o, errp) : NULL;
    if (throttle && !g)
        return NULL;
    g_autofree char *ref = blkopts_take(o, "file"), *what = g_strdup_printf("Block driver '%s'", driver);
    BlockOptions *sub = blkopts_take_sub(o, "file");
    BlockFile *f = NULL;
    if (ref) {
        blockdev_find(ref, &f);
        f = f && f->refs == 1 ? file_ref(f) : NULL;
        if (!f)
            error_set(errp, "file=%s: no protocol node of that name that is not in use", ref);
    } else if (!g_hash_table_size(sub)) {
        error_set(errp, "A block device must be specified for \"file\"");
    } else {
        f = proto_open(sub, flags, errp);
        ok = f && blkopts_check_empty(sub, "The protocol below a filter", errp);
    }
    ok = f && (ref || ok) && blkopts_check_empty(o, what, errp) && (!name || blockdev_register(name, NULL, f, errp));
    blkopts_free(sub);
    if (ok && throttle) {
        filter_limit_file(f, g);
        return f;
    }
    throttle_group_leave(g);
    if (!ok)
        g_clear_pointer(&f, file_close);
    return f;
}

BlockFile *proto_open(BlockOptions *o, unsigned flags, GError **errp)
{
    g_autofree char *driver = blkopts_take(o, "driver"), *name = blkopts_take(o, "node-name");
    const char *locking = "auto";
    uint64_t batch;
    bool ro = flags & FILE_READ_ONLY, auto_ro = flags & FILE_AUTO_READ_ONLY, flag = false, no_flush = false, direct = false;
    BlockFile *f = NULL;
    if (!driver)
        driver = g_strdup("file");
    if (filter_is_driver(driver))
        return open_filtered(o, driver, name, flags, errp);
    if (!proto_is_driver(driver)) {
        g_autofree char *all = g_strjoinv(" ", (char **)drivers);
        error_set(errp, "Unknown driver '%s' (supported protocols: %s)", driver, all);
        return NULL;
    }
    if (!blkopts_take_bool(o, "read-only", &ro, errp) || !blkopts_take_bool(o, "auto-read-only", &auto_ro, errp) ||
        !blkopts_take_choice(o, "locking", "on off auto", &locking, errp) || !blkopts_take_choice(o, "aio", "threads native io_uring", NULL, errp) ||
        !blkopts_take_choice(o, "discard", "ignore unmap on off", NULL, errp) || !blkopts_take_choice(o, "detect-zeroes", "off on unmap", NULL, errp) ||
        !blkopts_take_bool(o, "cache.direct", &direct, errp) || !blkopts_take_bool(o, "cache.no-flush", &no_flush, errp) ||
        !blkopts_take_bool(o, "drop-cache", &flag, errp) || !blkopts_take_bool(o, "x-check-cache-dropped", &flag, errp) ||
        !blkopts_take_size(o, "aio-max-batch", &batch, errp) || !blkopts_take_bool(o, "force-share", &flag, errp))
        return NULL;
    flags = (flags & ~(unsigned)(FILE_READ_ONLY | FILE_AUTO_READ_ONLY)) | (ro ? FILE_READ_ONLY : 0) | (auto_ro ? FILE_AUTO_READ_ONLY : 0);
    if (g_str_has_prefix(driver, "null-"))
        f = open_null(o, driver, errp);
    else if (g_str_equal(driver, "nbd"))
        f = open_nbd(o, flags, errp);
    else if (g_str_equal(driver, "vvfat"))
        f = open_vvfat(o, flags, errp);
    else if (g_str_equal(driver, "blkdebug"))
        f = open_blkdebug(o, flags, errp);
    else
        f = open_host(o, driver, flags, errp);
    if (!f)
        return NULL;
    f->no_flush |= no_flush;
    if (direct)
        file_set_direct(f);
    f->no_lock |= g_str_equal(locking, "off");
    if (name && !blockdev_register(name, NULL, f, errp)) {
        file_close(f);
        return NULL;
    }
    return f;
}
