/* img-amend.c - vireo-img amend and bitmap: options and bitmaps of an existing image. */
#include "host/base/osdep.h"
#include "vl/img.h"
#include <getopt.h>

static bool amend(BlockImage *img, GPtrArray *kv, GError **errp)
{
    BlockNode *n = block_node(img);
    Qcow2 *s = n->state;
    Qcow2Amend a = {-1, -1};
    const char *compat = keyval_get(kv, "compat"), *size = keyval_get(kv, "size"), *back = keyval_get(kv, "backing_file"), *fmt = keyval_get(kv, "backing_fmt");
    bool lazy = s->lazy;
    uint64_t len = 0, bits = 1u << s->refcount_order;
    if (!img_check_options(kv, "qcow2", true, errp) || !keyval_uint(kv, "refcount_bits", 1, 64, &bits, errp) || !keyval_bool(kv, "lazy_refcounts", &lazy, errp) ||
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
    while ((c = getopt_long(argc, argv, ":f:o:pqt:", longs, NULL)) != -1) {
        switch (c) {
        case 'f': o.format = optarg; break;
        case 'o': g_string_append_printf(opts, "%s%s", opts->len ? "," : "", optarg); break;
        case 'p': progress = true; break;
        case 256: o.image_opts = true; break;
        case 't': o.cache = optarg; break;
        case 'q': case 257: break;
        default: return img_bad_option(c, argv);
        }
    }
    if (!opts->len)
        return img_usage("Must specify options (-o)");
    if (img_wants_help(opts->str) && (o.format || optind >= argc))
        return img_options_help(o.format ? o.format : "raw", NULL, true);
    if (optind != argc - 1)
        return img_usage("Expecting one image file name");
    if (!img_cache(o.cache, false))
        return 1;
    BlockImage *img = img_open(argv[optind], &o);
    if (!img)
        return 1;
    if (img_wants_help(opts->str)) {
        int rc = img_options_help(block_format(img), NULL, true);
        block_close(img);
        return rc;
    }
    GError *err = NULL;
    img_progress(progress, 0);
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

typedef struct BitmapAct {
    int op; /* OPT_ADD ... */
    const char *source;
} BitmapAct;
enum { OPT_ADD = 256, OPT_REMOVE, OPT_CLEAR, OPT_ENABLE, OPT_DISABLE, OPT_MERGE, OPT_IMAGE_OPTS };

static bool bitmap_act(const BitmapAct *a, BlockNode *n, BlockNode *src, const char *name, uint64_t granularity, GError **errp)
{
    switch (a->op) {
    case OPT_ADD: return qcow2_bitmap_add(n, name, granularity, errp);
    case OPT_REMOVE: return qcow2_bitmap_remove(n, name, errp);
    case OPT_CLEAR: return qcow2_bitmap_clear(n, name, errp);
    case OPT_MERGE: return qcow2_bitmap_merge(n, name, src, a->source, errp);
    default: return qcow2_bitmap_enable(n, name, a->op == OPT_ENABLE, errp);
    }
}

int img_bitmap(int argc, char **argv)
{
    static const struct option longs[] = {{"add", 0, 0, OPT_ADD}, {"remove", 0, 0, OPT_REMOVE}, {"clear", 0, 0, OPT_CLEAR}, {"enable", 0, 0, OPT_ENABLE},
                                          {"disable", 0, 0, OPT_DISABLE}, {"merge", 1, 0, OPT_MERGE}, {"source-file", 1, 0, 'b'}, {"source-format", 1, 0, 'F'},
                                          {"granularity", 1, 0, 'g'}, {"image-opts", 0, 0, OPT_IMAGE_OPTS}, {0}};
    static const char *const verb[] = {"add", "remove", "clear", "enable", "disable", "merge"};
    ImgOpen o = {.write = true, .check = true, .no_backing = true}, so = {.check = true, .no_backing = true};
    g_autoptr(GArray) acts = g_array_new(FALSE, FALSE, sizeof(BitmapAct));
    const char *src_file = NULL;
    uint64_t granularity = 0;
    bool add = false, merge = false, have_g = false;
    int c, rc = 1;
    while ((c = getopt_long(argc, argv, ":b:f:F:g:", longs, NULL)) != -1) {
        BitmapAct a = {c, optarg};
        switch (c) {
        case OPT_ADD ... OPT_MERGE:
            add |= c == OPT_ADD;
            merge |= c == OPT_MERGE;
            g_array_append_val(acts, a);
            break;
        case 'b': src_file = optarg; break;
        case 'f': o.format = optarg; break;
        case 'F': so.format = optarg; break;
        case 'g': if (!img_size_of(optarg, "granularity", &granularity)) return 1; have_g = true; break;
        case OPT_IMAGE_OPTS: o.image_opts = true; break;
        default: return img_bad_option(c, argv);
        }
    }
    if (optind != argc - 2)
        return img_error("Expecting filename and bitmap name");
    if (!acts->len)
        return img_error("Need at least one of --add, --remove, --clear, --enable, --disable, or --merge");
    if (have_g && !add)
        return img_error("granularity only supported with --add");
    if (have_g && !granularity)
        granularity = 1; /* refused as any other that is too small */
    if (src_file && !merge)
        return img_error("Merge bitmap source file only supported with --merge");
    if (so.format && !src_file)
        return img_error("-F only supported with -b");
    const char *name = argv[optind + 1];
    BlockImage *img = img_open(argv[optind], &o), *src = NULL;
    if (!img || (src_file && !(src = img_open(src_file, &so))))
        goto out;
    /* Nothing is given out by counts that cannot be trusted. */
    if (img_is_qcow2(img) && (((Qcow2 *)block_node(img)->state)->incompat & (INCOMPAT_DIRTY | INCOMPAT_CORRUPT))) {
        img_error("'%s' was not closed cleanly or is corrupt: `vireo-img check -r all` first", argv[optind]);
        goto out;
    }
    for (guint i = 0; i < acts->len; i++) {
        const BitmapAct *a = &g_array_index(acts, BitmapAct, i);
        GError *err = NULL;
        if (!bitmap_act(a, block_node(img), block_node(src ? src : img), name, granularity, &err)) {
            img_error("Operation %s on bitmap %s failed: %s", verb[a->op - OPT_ADD], name, err->message);
            g_error_free(err);
            goto out;
        }
    }
    rc = 0;
out:
    block_close(src);
    block_close(img);
    return rc;
}
