/* img-amend.c - vireo-img amend: options of an existing image; bitmap, which says that there are none. */
#include "host/base/osdep.h"
#include "vl/img.h"
#include <getopt.h>

#define AMEND_KEYS "backing_file backing_fmt compat lazy_refcounts size refcount_bits cluster_size preallocation extended_l2 compression_type"

/* What cannot change has to be what it is. */
static bool check_constants(GPtrArray *kv, const Qcow2 *s, GError **errp)
{
    const char *v;
    uint64_t cluster = s->cluster_size;
    bool ext = s->ext_l2;
    if (!keyval_bool(kv, "extended_l2", &ext, errp))
        return false;
    if ((v = keyval_get(kv, "cluster_size")) && !parse_size("cluster_size", v, 1, &cluster, errp))
        return false;
    if (cluster != s->cluster_size)
        return error_set(errp, "Changing the cluster size is not supported");
    if (ext != s->ext_l2)
        return error_set(errp, "Changing extended_l2 is not supported");
    if ((v = keyval_get(kv, "compression_type")) && !g_str_equal(v, s->zstd ? "zstd" : "zlib"))
        return error_set(errp, "Changing the compression type is not supported");
    if (keyval_get(kv, "preallocation"))
        return error_set(errp, "Changing the preallocation mode is not supported");
    return true;
}

static bool amend(BlockImage *img, GPtrArray *kv, GError **errp)
{
    BlockNode *n = block_node(img);
    Qcow2 *s = n->state;
    Qcow2Amend a = {-1, -1};
    const char *compat = keyval_get(kv, "compat"), *size = keyval_get(kv, "size"), *back = keyval_get(kv, "backing_file"), *fmt = keyval_get(kv, "backing_fmt");
    bool lazy = s->lazy;
    uint64_t len = 0, bits = 1u << s->refcount_order;
    if (!keyval_check(kv, "qcow2", AMEND_KEYS, errp) || !keyval_uint(kv, "refcount_bits", 1, 64, &bits, errp) || !check_constants(kv, s, errp) || !keyval_bool(kv, "lazy_refcounts", &lazy, errp) ||
        (size && !parse_size("size", size, 1, &len, errp)))
        return false;
    if (keyval_get(kv, "lazy_refcounts"))
        a.lazy = lazy;
    if (compat && (g_str_equal(compat, "0.10") || g_str_equal(compat, "v2")))
        a.version = 2;
    else if (compat && (g_str_equal(compat, "1.1") || g_str_equal(compat, "v3")))
        a.version = 3;
    else if (compat)
        return error_set(errp, "Invalid parameter '%s' for compat (choices: 0.10 1.1)", compat);
    /* a wider count needs version 3 first, version 2 needs 16 bits first */
    bool before = a.version == 2;
    if ((before && !qcow2_set_refcount_bits(n, (unsigned)bits, errp)) || !qcow2_amend(n, &a, errp) ||
        (!before && !qcow2_set_refcount_bits(n, (unsigned)bits, errp)))
        return false;
    if ((back || fmt) && !qcow2_set_backing(n, back ? (back[0] ? back : NULL) : n->backing_name, fmt ? fmt : n->backing_format, errp))
        return false;
    int ret = size ? block_truncate(img, ROUND_UP(len, SECTOR)) : 0;
    return !ret || error_set_errno(errp, -ret, "Could not resize the image");
}

int img_amend(int argc, char **argv)
{
    static const struct option longs[] = {{"image-opts", 0, 0, 256}, {"force", 0, 0, 257}, {0}};
    ImgOpen o = {.write = true};
    g_autoptr(GString) opts = g_string_new("");
    bool progress = false;
    int c;
    while ((c = getopt_long(argc, argv, "f:o:pqt:", longs, NULL)) != -1) {
        switch (c) {
        case 'f': o.format = optarg; break;
        case 'o': g_string_append_printf(opts, "%s%s", opts->len ? "," : "", optarg); break;
        case 'p': progress = true; break;
        case 256: o.image_opts = true; break;
        case 'q': case 't': case 257: break;
        default: return 1;
        }
    }
    if (!opts->len)
        return img_error("Must specify options (-o)");
    if (optind != argc - 1)
        return img_error("Expecting one image file name");
    BlockImage *img = img_open(argv[optind], &o);
    if (!img)
        return 1;
    GError *err = NULL;
    GPtrArray *kv = keyval_parse(opts->str, NULL);
    bool ok = img_is_qcow2(img) ? amend(img, kv, &err)
                                : error_set(&err, "Format driver '%s' does not support option amendment", block_format(img));
    keyval_free(kv);
    block_close(img);
    if (!ok)
        return img_fail(err);
    img_progress(progress, 1);
    return 0;
}

int img_bitmap(int argc, char **argv)
{
    return img_error("bitmap: persistent bitmaps are not supported (an image that has some loses them when it is written to)");
}
