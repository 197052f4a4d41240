/* img-convert.c - vireo-img convert, compare, dd, bench: commands that go through a disk's bytes. */
#include "host/base/osdep.h"
#include "vl/img.h"
#include <getopt.h>

enum { COPY_BUF = 2 << 20, OPT_IMAGE_OPTS = 256, OPT_TARGET_ZERO, OPT_SALVAGE, OPT_TARGET_OPTS, OPT_BITMAPS, OPT_SKIP_BROKEN, OPT_PATTERN, OPT_FLUSH, OPT_NO_DRAIN, MAX_SPARSE = 16 << 20 };

/* Copy one run that has data: what is all zeros, in units of `sparse`, is not written. */
static int copy_run(BlockImage *dst, uint64_t off, uint8_t *buf, uint64_t len, uint64_t sparse, bool target_zero)
{
    for (uint64_t at = 0; at < len;) {
        uint64_t n = sparse ? MIN(sparse, len - at) : len;
        bool zero = sparse && buffer_is_zero(buf + at, n);
        while (sparse && at + n < len) {
            uint64_t m = MIN(sparse, len - at - n);
            if (buffer_is_zero(buf + at + n, m) != zero)
                break;
            n += m;
        }
        int ret = !zero ? block_pwrite(dst, off + at, buf + at, n) : target_zero ? 0 : block_write_zeroes(dst, off + at, n, true);
        if (ret)
            return ret;
        at += n;
    }
    return 0;
}

typedef struct Copy {
    bool compressed, progress, target_zero, unordered, salvage;
    unsigned threads;
    uint64_t sparse, total;
    /* of the source that is copied now */
    BlockImage *src, *dst;
    uint64_t base, len;    /* where it begins in dst, bytes */
    GMutex lock;           /* of what follows */
    GCond turn;
    uint64_t next, seq, written, done; /* next byte; pieces handed out and written; bytes done of all sources */
    int ret;
} Copy;

typedef struct Piece {
    uint64_t at, len, seq;
    bool zero;
} Piece;

/* The next piece of the source, under lock. false: the end. */
static bool next_piece(Copy *c, uint64_t unit, Piece *p)
{
    BlockStatus st;
    if (c->ret || c->next >= c->len)
        return false;
    uint64_t n = MIN(unit, c->len - c->next);
    int ret = block_status(c->src, c->next, c->compressed ? n : c->len - c->next, &st);
    if (ret && !c->salvage) {
        c->ret = ret;
        return false;
    }
    bool zero = !ret && (st.zero || (!st.allocated && !st.data));
    if (c->compressed)
        zero = zero && st.len >= n;
    else if (!ret)
        n = zero ? st.len : MIN(n, st.len);
    *p = (Piece){.at = c->next, .len = n, .seq = c->seq++, .zero = zero};
    c->next += n;
    return true;
}

/* One piece from source to destination; the writes come in the pieces' order unless they need not. */
static int copy_piece(Copy *c, const Piece *p, uint8_t *buf, uint8_t *packed, uint64_t unit)
{
    uint64_t to = c->base + p->at;
    size_t n = 0;
    bool zero = p->zero;
    int ret = 0;
    if (!zero) {
        if (c->compressed)
            memset(buf + p->len, 0, unit - p->len);
        ret = block_pread(c->src, p->at, buf, p->len);
        if (ret && c->salvage) {
            warn_report("error while reading offset %" PRIu64 ": %s", p->at, strerror(-ret));
            memset(buf, 0, p->len);
            ret = 0;
        }
        if (c->compressed && !ret) {
            zero = buffer_is_zero(buf, p->len);
            n = zero ? 0 : qcow2_compress(block_node(c->dst), buf, packed);
        }
    }
    g_mutex_lock(&c->lock);
    while (!c->unordered && c->written != p->seq && !c->ret)
        g_cond_wait(&c->turn, &c->lock);
    ret = ret ? ret : c->ret;
    g_mutex_unlock(&c->lock);
    if (!ret && zero)
        ret = c->target_zero ? 0 : block_write_zeroes(c->dst, to, p->len, true);
    else if (!ret && c->compressed)
        ret = qcow2_write_packed(block_node(c->dst), to, buf, packed, n);
    else if (!ret)
        ret = copy_run(c->dst, to, buf, p->len, c->sparse, c->target_zero);
    g_mutex_lock(&c->lock);
    c->written++;
    c->done += p->len;
    c->ret = c->ret ? c->ret : ret;
    g_cond_broadcast(&c->turn);
    img_progress(c->progress && c->done < c->total, (double)c->done / (double)c->total);
    g_mutex_unlock(&c->lock);
    return ret;
}

static gpointer copy_thread(gpointer opaque)
{
    Copy *c = opaque;
    uint64_t unit = c->compressed ? block_node(c->dst)->cluster_size : COPY_BUF;
    g_autofree uint8_t *buf = g_malloc(unit), *packed = c->compressed ? g_malloc(unit) : NULL;
    Piece p;
    for (int ret = 0; !ret;) {
        g_mutex_lock(&c->lock);
        bool more = next_piece(c, unit, &p);
        g_mutex_unlock(&c->lock);
        if (!more)
            break;
        ret = copy_piece(c, &p, buf, packed, unit);
    }
    return NULL;
}

static int copy_image(BlockImage *src, BlockImage *dst, uint64_t base, Copy *c)
{
    c->src = src;
    c->dst = dst;
    c->base = base;
    c->len = MIN(block_length(src), block_length(dst) - base);
    c->next = c->seq = c->written = 0;
    GThread *t[16];
    for (unsigned i = 0; i < c->threads; i++)
        t[i] = g_thread_new("copy", copy_thread, c);
    for (unsigned i = 0; i < c->threads; i++)
        g_thread_join(t[i]);
    return c->ret;
}

int img_convert(int argc, char **argv)
{
    static const struct option longs[] = {{"image-opts", 0, 0, OPT_IMAGE_OPTS}, {"target-is-zero", 0, 0, OPT_TARGET_ZERO}, {"force-share", 0, 0, 'U'},
                                          {"salvage", 0, 0, OPT_SALVAGE}, {"target-image-opts", 0, 0, OPT_TARGET_OPTS}, {"bitmaps", 0, 0, OPT_BITMAPS},
                                          {"skip-broken-bitmaps", 0, 0, OPT_SKIP_BROKEN}, {0}};
    ImgOpen in = {0};
    const char *out_format = "raw", *backing = NULL, *backing_format = NULL;
    g_autoptr(GString) opts = g_string_new("");
    Copy cp = {.sparse = 4096};
    bool no_create = false, target_zero = false, target_opts = false, bitmaps = false, skip_broken = false, offload = false, explicit_sparse = false;
    const char *out_cache = NULL;
    GError *err = NULL;
    uint64_t threads = 4, rate;
    int c, rc = 1;
    while ((c = getopt_long(argc, argv, ":f:O:B:F:co:pqnS:m:WUt:T:l:r:C", longs, NULL)) != -1) {
        switch (c) {
        case 'f': in.format = optarg; break;
        case 'O': out_format = optarg; break;
        case 'B': backing = optarg; break;
        case 'F': backing_format = optarg; break;
        case 'c': cp.compressed = true; break;
        case 'o': g_string_append_printf(opts, "%s%s", opts->len ? "," : "", optarg); break;
        case 'p': cp.progress = true; break;
        case 'n': no_create = true; break;
        case 'S': 
            if (!img_size_of(optarg, "buffer size for sparse output", &cp.sparse))
                return 1;
            if (cp.sparse % SECTOR || cp.sparse > MAX_SPARSE)
                return img_error("Invalid buffer size for sparse output specified. Valid sizes are multiples of 512 up to %d. Select 0 to disable sparse detection (fully allocates output).", MAX_SPARSE);
            explicit_sparse = true;
            break;
        case 'U': in.force_share = true; break;
        case 'l': in.snapshot = optarg; break;
        case 'm':
            if (!parse_uint("number of coroutines", optarg, 1, 16, &threads, NULL))
                return img_error("Invalid number of coroutines. Allowed number of coroutines is between 1 and 16");
            break;
        case 'W': cp.unordered = true; break;
        case OPT_SALVAGE: cp.salvage = true; break;
        case OPT_IMAGE_OPTS: in.image_opts = true; break;
        case OPT_TARGET_ZERO: target_zero = true; break;
        case OPT_TARGET_OPTS: target_opts = true; break;
        case OPT_BITMAPS: bitmaps = true; break;
        case OPT_SKIP_BROKEN: skip_broken = true; break;
        case 't': out_cache = optarg; break;
        case 'T': in.cache = optarg; break;
        case 'r': if (!img_size_of(optarg, "rate limit", &rate)) return 1; break; /* nothing else needs the disk here */
        case 'C': offload = true; break;
        case 'q': break;
        default: return img_bad_option(c, argv);
        }
    }
    int n = argc - optind - 1;
    if (img_wants_help(opts->str))
        return img_options_help(out_format, n >= 0 ? argv[argc - 1] : NULL, false);
    if (n < 1)
        return img_error("Must specify image file name");
    if (!img_cache(out_cache, false) || !img_cache(in.cache, true))
        return 1;
    if (target_zero && !no_create)
        return img_error("--target-is-zero requires use of -n flag");
    if (target_opts && !no_create)
        return img_error("--target-image-opts requires use of -n flag");
    if (offload && (cp.compressed || explicit_sparse))
        return img_error("Cannot enable copy offloading when -%c is used", cp.compressed ? 'c' : 'S');
    if (!target_opts && !g_str_equal(out_format, "raw") && !g_str_equal(out_format, "qcow2"))
        return img_error("Unknown file format '%s' (supported: raw qcow2)", out_format);
    if (bitmaps && g_str_equal(out_format, "raw"))
        return img_error("Format driver 'raw' does not support bitmaps");
    if (skip_broken && !bitmaps)
        return img_error("Use of --skip-broken-bitmaps requires --bitmaps");
    if (bitmaps && n > 1)
        return img_error("Copying bitmaps only possible with single source");
    const char *out = argv[argc - 1];
    if (cp.compressed && !g_str_equal(out_format, "qcow2"))
        return img_error("Compression not supported for this file format");
    g_autoptr(GPtrArray) src = g_ptr_array_new_with_free_func((GDestroyNotify)block_close);
    for (int i = 0; i < n; i++) {
        BlockImage *img = img_open(argv[optind + i], &in);
        if (!img)
            return 1;
        g_ptr_array_add(src, img);
        cp.total += block_length(img);
    }
    g_mutex_init(&cp.lock);
    g_cond_init(&cp.turn);
    cp.threads = (unsigned)threads;
    Qcow2CreateOpts q = {.backing = backing, .backing_format = backing_format};
    GPtrArray *kv = keyval_parse(opts->str, NULL);
    bool ok = img_qcow2_opts(kv, out_format, &q);
    q.size = cp.total;
    if (ok && q.backing && !q.backing_format && !no_create)
        ok = !img_error("Use of backing file requires explicit backing format");
    if (ok && q.backing && !g_str_equal(out_format, "qcow2"))
        ok = !img_error("Backing file not supported for file format '%s'", out_format);
    if (ok && !no_create && !img_make(out, out_format, &q, &err)) {
        error_report("%s: error while converting %s: %s", out, out_format, err->message);
        g_error_free(err);
        ok = false;
    }
    ImgOpen oo = {.format = target_opts ? NULL : out_format, .write = true, .discard = true, .image_opts = target_opts, .cache = out_cache};
    BlockImage *dst = ok ? img_open(out, &oo) : NULL;
    if (dst && block_length(dst) < cp.total) {
        img_error("output file is smaller than input file");
    } else if (dst) {
        cp.target_zero = (!no_create && !q.backing) || target_zero;
        uint64_t base = 0;
        int ret = 0;
        for (int i = 0; i < n && !ret; i++) {
            ret = copy_image(src->pdata[i], dst, base, &cp);
            base += block_length(src->pdata[i]);
        }
        if (!ret)
            ret = block_flush(dst);
        if (ret) {
            img_error("error while converting to '%s': %s", out, strerror(-ret));
        } else if (bitmaps && !qcow2_copy_bitmaps(block_node(src->pdata[0]), block_node(dst), skip_broken, &err)) {
            img_error("Failed to copy bitmaps to '%s': %s", out, err->message);
            g_error_free(err);
            ret = -EIO;
        } else
            img_progress(cp.progress, 1);
        rc = ret != 0;
    }
    block_close(dst);
    keyval_free(kv);
    return rc;
}

/* All that is said of both ranges but where they lie; `end`: the range reaches to the end of its image. */
static bool same_status(const BlockStatus *s, bool s_end, const BlockStatus *t, bool t_end)
{
    return s->data == t->data && s->zero == t->zero && s->allocated == t->allocated && s->has_offset == t->has_offset &&
           s->compressed == t->compressed && s_end == t_end;
}

int img_compare(int argc, char **argv)
{
    static const struct option longs[] = {{"image-opts", 0, 0, OPT_IMAGE_OPTS}, {"force-share", 0, 0, 'U'}, {0}};
    ImgOpen a = {0}, b = {0};
    bool quiet = false, strict = false, progress = false;
    int c, rc = 0;
    while ((c = getopt_long(argc, argv, ":f:F:T:pqsU", longs, NULL)) != -1) {
        switch (c) {
        case 'f': a.format = optarg; break;
        case 'F': b.format = optarg; break;
        case 'p': progress = true; break;
        case 'q': quiet = true; break;
        case 's': strict = true; break;
        case 'U': a.force_share = b.force_share = true; break;
        case 'T': a.cache = b.cache = optarg; break;
        case OPT_IMAGE_OPTS: a.image_opts = b.image_opts = true; break;
        default: return img_bad_option(c, argv);
        }
    }
    if (optind != argc - 2)
        return img_usage("Expecting two image file names");
    if (!img_cache(a.cache, true))
        return 2;
    BlockImage *x = img_open(argv[optind], &a);
    if (!x)
        return 2;
    BlockImage *y = img_open(argv[optind + 1], &b);
    if (!y) {
        block_close(x);
        return 2;
    }
    uint64_t len = MAX(block_length(x), block_length(y)), min = MIN(block_length(x), block_length(y));
    g_autofree uint8_t *p = g_malloc(COPY_BUF), *q = g_malloc(COPY_BUF);
    if (strict && len != min) {
        if (!quiet)
            printf("Strict mode: Image size mismatch!\n");
        rc = 1;
    }
    img_progress(progress, 0);
    for (uint64_t at = 0; at < len && !rc;) {
        uint64_t n = MIN(COPY_BUF, (at < min ? min : len) - at);
        if (at == min && !quiet)
            printf("Warning: Image size mismatch!\n");
        BlockStatus s, t;
        if (at < min) {
            int e1 = block_status(x, at, min - at, &s), e2 = e1 ? 0 : block_status(y, at, min - at, &t);
            if (e1 || e2) {
                img_error("Sector allocation test failed for %s: %s", argv[optind + !e1], strerror(e1 ? -e1 : -e2));
                rc = 3;
                break;
            }
            if (strict && !same_status(&s, at + s.len == min, &t, at + t.len == min)) {
                if (!quiet)
                    printf("Strict mode: Offset %" PRIu64 " block status mismatch!\n", at);
                rc = 1;
                break;
            }
            uint64_t run = MIN(s.len, t.len);
            if (s.zero && t.zero) {
                at += run;
                continue;
            }
            n = MIN(n, run);
        }
        int r1 = block_pread(x, at, p, n), r2 = block_pread(y, at, q, n);
        if (r1 || r2) {
            img_error("Error while reading offset %" PRIu64 " of %s: %s", at, argv[optind + !r1], strerror(r1 ? -r1 : -r2));
            rc = 4;
        } else if (memcmp(p, q, n)) {
            uint64_t k = 0;
            while (p[k] == q[k])
                k++;
            if (!quiet)
                printf("Content mismatch at offset %" PRIu64 "!\n", at + k);
            rc = 1;
        }
        at += n;
        img_progress(progress && at < len, (double)at / (double)len);
    }
    img_progress(progress && !rc, 1);
    if (!rc && !quiet)
        printf("Images are identical.\n");
    block_close(x);
    block_close(y);
    return rc;
}

int img_dd(int argc, char **argv)
{
    static const struct option longs[] = {{"image-opts", 0, 0, OPT_IMAGE_OPTS}, {"force-share", 0, 0, 'U'}, {0}};
    ImgOpen in = {0};
    const char *out_format = "raw", *src = NULL, *dst = NULL;
    uint64_t bs = 512, count = UINT64_MAX, skip = 0;
    int c;
    while ((c = getopt_long(argc, argv, ":f:O:U", longs, NULL)) != -1) {
        switch (c) {
        case 'f': in.format = optarg; break;
        case 'O': out_format = optarg; break;
        case 'U': in.force_share = true; break;
        case OPT_IMAGE_OPTS: in.image_opts = true; break;
        default: return img_bad_option(c, argv);
        }
    }
    for (int i = optind; i < argc; i++) {
        char *eq = strchr(argv[i], '=');
        if (!eq)
            return img_error("unrecognized operand %s", argv[i]);
        g_autofree char *key = g_strndup(argv[i], (gsize)(eq - argv[i]));
        uint64_t *num = g_str_equal(key, "bs") ? &bs : g_str_equal(key, "count") ? &count : g_str_equal(key, "skip") ? &skip : NULL;
        if (g_str_equal(key, "if"))
            src = eq + 1;
        else if (g_str_equal(key, "of"))
            dst = eq + 1;
        else if (!num)
            return img_error("unrecognized operand %s", key);
        else if (!img_size_of(eq + 1, key, num))
            return 1;
    }
    if (!src || !dst)
        return img_error("Must specify both input and output files");
    if (!bs || bs > (64 << 20))
        return img_error("Invalid bs specified. Must be between 1 and %d.", 64 << 20);
    BlockImage *a = img_open(src, &in);
    if (!a)
        return 1;
    uint64_t len = block_length(a), from = skip > len / bs ? len : skip * bs;
    if (skip && from == len && skip * bs > len)
        img_error("%s: cannot skip to specified offset", src);
    if (count != UINT64_MAX && count <= len / bs)
        len = MIN(len, from + count * bs);
    GError *err = NULL;
    Qcow2CreateOpts q = {.version = 3, .cluster_size = 64 * KiB, .refcount_bits = 16, .size = ROUND_UP(len - from, SECTOR)};
    int rc = 1;
    if (!img_make(dst, out_format, &q, &err)) {
        img_fail(err);
    } else if (!q.size) {
        rc = 0;
    } else {
        ImgOpen oo = {.format = out_format, .write = true};
        BlockImage *b = img_open(dst, &oo);
        g_autofree uint8_t *buf = g_malloc(COPY_BUF);
        int ret = b ? 0 : -EIO;
        for (uint64_t at = from; at < len && !ret;) {
            uint64_t n = MIN(COPY_BUF, len - at);
            ret = block_pread(a, at, buf, n);
            if (!ret)
                ret = block_pwrite(b, at - from, buf, n);
            at += n;
        }
        if (ret && b)
            img_error("error while copying to output image file: %s", strerror(-ret));
        block_close(b);
        rc = ret != 0;
    }
    block_close(a);
    return rc;
}

static int bench_ret;
static void bench_done(void *opaque, int ret)
{
    bench_ret = bench_ret ? bench_ret : ret;
    --*(uint64_t *)opaque;
}

int img_bench(int argc, char **argv)
{
    ImgOpen o = {0};
    static const struct option longs[] = {{"image-opts", 0, 0, OPT_IMAGE_OPTS}, {"force-share", 0, 0, 'U'}, {"pattern", 1, 0, OPT_PATTERN},
                                          {"flush-interval", 1, 0, OPT_FLUSH}, {"no-drain", 0, 0, OPT_NO_DRAIN}, {0}};
    uint64_t count = 75000, depth = 64, size = 4096, step = 0, offset = 0, in_flight = 0, pattern = 0, flush = 0;
    bool quiet = false, native = false, no_drain = false;
    int c;
    while ((c = getopt_long(argc, argv, ":c:d:f:i:no:qs:S:t:wU", longs, NULL)) != -1) {
        switch (c) {
        case 'c': if (!img_uint(optarg, "request count", UINT32_MAX, &count)) return 1; break;
        case 'd': if (!img_uint(optarg, "queue depth", UINT32_MAX, &depth)) return 1; break;
        case 'f': o.format = optarg; break;
        case 'i':
            if (!g_str_equal(optarg, "threads") && !g_str_equal(optarg, "native") && !g_str_equal(optarg, "io_uring"))
                return img_error("Invalid aio option: %s", optarg);
            break; /* worker threads in any case */
        case 'n': native = true; break;
        case 'o': if (!img_size_of(optarg, "offset", &offset)) return 1; break;
        case 'q': quiet = true; break;
        case 's': if (!img_size_of(optarg, "buffer size", &size)) return 1; break;
        case 'S': if (!img_size_of(optarg, "step size", &step)) return 1; break;
        case 't': if (!img_cache(o.cache = optarg, false)) return 1; break;
        case 'w': o.write = true; break;
        case 'U': o.force_share = true; break;
        case OPT_PATTERN: if (!img_uint(optarg, "pattern byte", 255, &pattern)) return 1; break;
        case OPT_FLUSH: if (!img_uint(optarg, "flush interval", UINT32_MAX, &flush)) return 1; break;
        case OPT_NO_DRAIN: no_drain = true; break;
        case OPT_IMAGE_OPTS: o.image_opts = true; break;
        default: return img_bad_option(c, argv);
        }
    }
    if (optind != argc - 1)
        return img_usage("Expecting one image file name");
    if (flush && !o.write)
        return img_error("--flush-interval is only available in write tests");
    if (flush && flush < depth)
        return img_error("Flush interval can't be smaller than depth");
    if (native && !o.cache)
        o.cache = "none";
    BlockImage *img = img_open(argv[optind], &o);
    if (!img)
        return 1;
    uint64_t len = block_length(img);
    if (!size || size > (64 << 20) || size > len || !depth || depth > 1024) {
        block_close(img);
        return img_error("bench: buffer size or depth out of range");
    }
    step = step ? step : size;
    if (!quiet)
        printf("Sending %" PRIu64 " %s requests, %" PRIu64 " bytes each, %" PRIu64 " in parallel (starting at offset %" PRIu64 ", step size %" PRIu64 ")\n",
           count, o.write ? "write" : "read", size, depth, offset, step);
    if (!quiet && flush)
        printf("Sending flush every %" PRIu64 " %srequests\n", flush, no_drain ? "" : "drained ");
    g_autofree uint8_t *buf = g_malloc(size);
    memset(buf, (int)pattern, size);
    struct iovec iov = {buf, size};
    gint64 t0 = g_get_monotonic_time();
    for (uint64_t i = 0; i < count || in_flight;) {
        while (i < count && in_flight < depth) {
            in_flight++;
            i++;
            if (offset > len - size)
                offset = 0;
            if (o.write)
                block_aio_writev(img, offset, &iov, 1, bench_done, &in_flight);
            else
                block_aio_readv(img, offset, &iov, 1, bench_done, &in_flight);
            offset += step;
            if (flush && i % flush == 0) {
                if (!no_drain)
                    block_drain(img);
                in_flight++;
                block_aio_flush(img, bench_done, &in_flight);
            }
        }
        g_main_context_iteration(NULL, TRUE);
    }
    if (!quiet)
        printf("Run completed in %3.3f seconds.\n", (double)(g_get_monotonic_time() - t0) / 1e6);
    block_close(img);
    return bench_ret ? img_error("Failed request: %s", strerror(-bench_ret)) : 0;
}
