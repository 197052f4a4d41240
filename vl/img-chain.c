/* img-chain.c - vireo-img rebase and commit: what changes the relation of an image to its backing file. */
#include "host/base/osdep.h"
#include "vl/img.h"
#include <getopt.h>

enum { CHUNK = 1 << 20 };
static const struct option longs[] = {{"image-opts", 0, 0, 'i'}, {"force-share", 0, 0, 'U'}, {0}};

/* Copy into img what reads otherwise through the new backing file than through the old one. */
static int copy_differences(BlockImage *img, BlockNode *old_backing, BlockImage *new_backing, bool progress)
{
    BlockNode *n = block_node(img);
    uint64_t len = block_length(img), unit = ((Qcow2 *)n->state)->cluster_size;
    g_autofree uint8_t *a = g_malloc(CHUNK * 2), *b = g_malloc0(CHUNK * 2);
    for (uint64_t at = 0; at < len;) {
        BlockStatus st;
        int ret = n->fmt->status(n->state, at, len - at, &st);
        if (ret)
            return ret;
        if (st.allocated) {
            at += st.len;
            continue;
        }
        uint64_t size = MIN(MAX(CHUNK, unit), st.len);
        memset(a, 0, size);
        memset(b, 0, size);
        ret = old_backing ? node_pread(old_backing, at, a, size) : 0;
        if (!ret && new_backing)
            ret = block_pread(new_backing, at, b, size);
        for (uint64_t k = 0; k < size && !ret; k += unit) {
            uint64_t part = MIN(unit, size - k);
            if (memcmp(a + k, b + k, part))
                ret = buffer_is_zero(a + k, part) ? block_write_zeroes(img, at + k, part, false) : block_pwrite(img, at + k, a + k, part);
        }
        if (ret)
            return ret;
        at += size;
        img_progress(progress && at < len, (double)at / (double)len);
    }
    return 0;
}

int img_rebase(int argc, char **argv)
{
    ImgOpen o = {.write = true};
    const char *backing = NULL, *backing_format = NULL, *src_cache = NULL;
    bool unsafe = false, progress = false;
    int c, rc = 1;
    while ((c = getopt_long(argc, argv, ":f:F:b:upqUt:T:", longs, NULL)) != -1) {
        switch (c) {
        case 'f': o.format = optarg; break;
        case 'F': backing_format = optarg; break;
        case 'b': backing = optarg; break;
        case 'u': unsafe = true; break;
        case 'p': progress = true; break;
        case 'U': o.force_share = true; break;
        case 'i': o.image_opts = true; break;
        case 't': o.cache = optarg; break;
        case 'T': src_cache = optarg; break;
        case 'q': break;
        default: return img_bad_option(c, argv);
        }
    }
    if (optind != argc - 1)
        return img_usage("Expecting one image file name");
    if (!unsafe && !backing)
        return img_usage("Must specify backing file (-b) or use unsafe mode (-u)");
    if (!img_cache(o.cache, false) || !img_cache(src_cache, true))
        return 1;
    if (backing && !backing[0])
        backing = NULL;
    o.no_backing = unsafe;
    BlockImage *img = img_open(argv[optind], &o), *base = NULL;
    if (!img)
        return 1;
    GError *err = NULL;
    if (!img_is_qcow2(img)) {
        img_error("Could not change the backing file to '%s': the image's format has no backing files", backing ? backing : "");
        goto out;
    }
    if (backing && !backing_format) {
        img_error("Could not change the backing file to '%s': backing format must be specified", backing);
        goto out;
    }
    if (!unsafe) {
        if (backing) {
            ImgOpen bo = {.format = backing_format, .force_share = o.force_share};
            g_autofree char *path = node_backing_path(argv[optind], backing, &err);
            if (!path) {
                img_fail(err);
                goto out;
            }
            base = img_open(path, &bo);
            if (!base)
                goto out;
        }
        int ret = copy_differences(img, block_node(img)->backing, base, progress);
        if (!ret)
            ret = block_flush(img);
        if (ret) {
            img_error("error while rebasing '%s': %s", argv[optind], strerror(-ret));
            goto out;
        }
    }
    if (!qcow2_set_backing(block_node(img), backing, backing ? backing_format : NULL, &err)) {
        img_fail(err);
        goto out;
    }
    img_progress(progress, 1);
    rc = 0;
out:
    block_close(base);
    block_close(img);
    return rc;
}

int img_commit(int argc, char **argv)
{
    ImgOpen o = {.write = true, .discard = true};
    const char *base_name = NULL;
    bool quiet = false, drop = false, progress = false;
    g_autofree uint8_t *buf = g_malloc(CHUNK);
    uint64_t rate;
    int c, rc = 1;
    while ((c = getopt_long(argc, argv, ":f:b:dpqt:r:", longs, NULL)) != -1) {
        switch (c) {
        case 'f': o.format = optarg; break;
        case 'b': base_name = optarg; drop = true; break;
        case 'd': drop = true; break;
        case 'p': progress = true; break;
        case 'q': quiet = true; break;
        case 'i': o.image_opts = true; break;
        case 'U': return img_bad_option('?', argv);
        case 't': o.cache = optarg; break;
        case 'r': if (!img_size_of(optarg, "rate limit", &rate)) return 1; break; /* nothing else needs the disk here */
        default: return img_bad_option(c, argv);
        }
    }
    if (optind != argc - 1)
        return img_usage("Expecting one image file name");
    if (!img_cache(o.cache, false))
        return 1;
    BlockImage *img = img_open(argv[optind], &o), *base = NULL;
    if (!img)
        return 1;
    BlockNode *top = block_node(img), *b = top->backing;
    unsigned depth = 1;
    for (; base_name && b; b = b->backing, depth++) {
        g_autofree char *path = node_backing_path(top->filename, base_name, NULL);
        if (g_str_equal(b->filename, base_name) || g_strcmp0(b->filename, path) == 0)
            break;
    }
    if (!b) {
        if (base_name)
            img_error("Did not find '%s' in the backing chain of '%s'", base_name, argv[optind]);
        else
            img_error("Image does not have a backing file");
        goto out;
    }
    /* The backing file is open for reading with a lock that allows no writer: our own second open goes without. */
    ImgOpen bo = {.format = b->fmt->name, .write = true, .force_share = true};
    base = img_open(b->filename, &bo);
    if (!base)
        goto out;
    uint64_t len = block_length(img);
    int ret = block_length(base) < len ? block_truncate(base, len) : 0;
    for (uint64_t at = 0; at < len && !ret;) {
        BlockStatus st;
        ret = block_status(img, at, len - at, &st);
        if (ret)
            break;
        uint64_t n = st.len;
        if ((st.allocated && st.depth < depth) || (st.depth < depth && !st.allocated && st.zero)) {
            if (st.zero) {
                ret = block_write_zeroes(base, at, n, true);
            } else {
                n = MIN(n, CHUNK);
                ret = block_pread(img, at, buf, n);
                if (!ret)
                    ret = block_pwrite(base, at, buf, n);
            }
        }
        at += n;
        img_progress(progress && at < len, (double)at / (double)len);
    }
    if (!ret)
        ret = block_flush(base);
    if (ret) {
        img_error("error while committing '%s': %s", argv[optind], strerror(-ret));
        goto out;
    }
    /* Empty the overlay: everything is in the backing file now. */
    if (!drop && img_is_qcow2(img)) {
        ret = qcow2_make_empty(top);
        if (ret) {
            img_error("error while emptying '%s': %s", argv[optind], strerror(-ret));
            goto out;
        }
    }
    img_progress(progress, 1);
    if (!quiet)
        printf("Image committed.\n");
    rc = 0;
out:
    block_close(base);
    block_close(img);
    return rc;
}
