/* img-create.c - vireo-img create, resize, measure, snapshot. */
#include "host/base/osdep.h"
#include "vl/img.h"
#include <fcntl.h>
#include <getopt.h>

bool img_qcow2_opts(GPtrArray *kv, const char *format, Qcow2CreateOpts *o)
{
    GError *err = NULL;
    const char *v;
    bool encryption = false, nocow = false;
    uint64_t bits = 16;
    o->version = 3;
    o->cluster_size = 64 * KiB;
    if (!img_check_options(kv, format, false, &err) || !keyval_bool(kv, "lazy_refcounts", &o->lazy, &err) ||
        !keyval_bool(kv, "extended_l2", &o->ext_l2, &err) || !keyval_bool(kv, "encryption", &encryption, &err) ||
        !keyval_bool(kv, "nocow", &nocow, &err) || !keyval_uint(kv, "refcount_bits", 0, 1000, &bits, &err))
        return img_fail(err), false;
    if ((v = keyval_get(kv, "cluster_size")) && !img_size(v, &o->cluster_size))
        return false;
    if (encryption)
        return img_error("encryption is not supported"), false;
    if (o->cluster_size < 512 || o->cluster_size > 2 * MiB || (o->cluster_size & (o->cluster_size - 1)))
        return img_error("Cluster size must be a power of two between 512 and 2048k"), false;
    if (o->ext_l2 && o->cluster_size < 16 * KiB)
        return img_error("Extended L2 entries are only supported with cluster sizes of at least 16384 bytes"), false;
    if ((v = keyval_get(kv, "compat"))) {
        if (g_str_equal(v, "0.10") || g_str_equal(v, "v2"))
            o->version = 2;
        else if (!g_str_equal(v, "1.1") && !g_str_equal(v, "v3"))
            return img_error("Invalid parameter '%s' for compat (choices: 0.10 1.1)", v), false;
    }
    if ((v = keyval_get(kv, "compression_type"))) {
        if (!g_str_equal(v, "zlib") && !g_str_equal(v, "zstd"))
            return img_error("Invalid parameter '%s' for compression_type (choices: zlib zstd)", v), false;
        o->zstd = g_str_equal(v, "zstd");
    }
    if (!bits || bits > 64 || (bits & (bits - 1)))
        return img_error("Refcount width must be a power of two and may not exceed 64 bits"), false;
    o->refcount_bits = (unsigned)bits;
    if (o->version < 3 && (o->lazy || o->zstd || o->ext_l2 || bits != 16))
        return img_error("%s (use version=v3 or greater)",
                         o->lazy ? "Lazy refcounts only supported with compatibility level 1.1 and above"
                         : o->zstd ? "Non-zlib compression type is only supported with compatibility level 1.1 and above"
                         : o->ext_l2 ? "Extended L2 entries are only supported with compatibility level 1.1 and above"
                                     : "Different refcount widths than 16 bits require compatibility level 1.1 or above"), false;
    if ((v = keyval_get(kv, "preallocation"))) {
        if (!g_str_equal(v, "off") && !g_str_equal(v, "metadata") && !g_str_equal(v, "falloc") && !g_str_equal(v, "full"))
            return img_error("Invalid parameter '%s' for preallocation (choices: off metadata falloc full)", v), false;
        if (g_str_equal(format, "raw") && g_str_equal(v, "metadata"))
            return img_error("Unsupported preallocation mode: metadata"), false;
        o->preallocation = v;
    }
    if ((v = keyval_get(kv, "backing_file")))
        o->backing = v;
    if ((v = keyval_get(kv, "backing_fmt")))
        o->backing_format = v;
    if ((v = keyval_get(kv, "size")) && !img_size(v, &o->size))
        return false;
    o->size = ROUND_UP(o->size, SECTOR);
    return true;
}

bool img_make(const char *filename, const char *format, Qcow2CreateOpts *o, GError **errp)
{
    g_autofree char *proto = blkopts_protocol(filename);
    if (proto && !g_str_equal(proto, "file"))
        return error_set(errp, "Protocol driver '%s' does not support image creation (a file of that name is ./%s; -n writes to a target that exists)", proto,
                         filename);
    if (proto)
        filename += strlen("file:");
    if (g_str_equal(format, "qcow2"))
        return qcow2_create(filename, o, errp);
    if (!g_str_equal(format, "raw"))
        return error_set(errp, "Unknown file format '%s' (supported: raw qcow2)", format);
    int fd = open(filename, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_set_errno(errp, errno, "%s: Could not create '%s'", filename, filename);
    BlockFile f = {.fd = fd, .name = (char *)filename};
    bool ok = file_lock(&f, FILE_LOCK | FILE_LOCK_RESIZE, errp);
    int e = 0;
    /* a block device keeps its size: the error of ftruncate means nothing there */
    if (ok && lseek(fd, 0, SEEK_END) >= 0 && file_truncate(&f, 0) == 0)
        e = file_truncate(&f, o->size);
    if (ok && !e && o->preallocation && !g_str_equal(o->preallocation, "off") && o->size)
        e = -posix_fallocate(fd, 0, (off_t)o->size);
    close(fd);
    return !ok ? false : e ? error_set_errno(errp, -e, "%s: Could not resize file", filename) : true;
}

int img_create(int argc, char **argv)
{
    const char *format = "raw", *backing = NULL, *backing_format = NULL;
    g_autoptr(GString) opts = g_string_new("");
    bool quiet = false, unsafe = false;
    static const struct option longs[] = {{0}};
    int c;
    while ((c = getopt_long(argc, argv, ":f:b:F:o:qu6", longs, NULL)) != -1) {
        switch (c) {
        case 'f': format = optarg; break;
        case 'b': backing = optarg; break;
        case 'F': backing_format = optarg; break;
        case 'o': g_string_append_printf(opts, "%s%s", opts->len ? "," : "", optarg); break;
        case 'q': quiet = true; break;
        case 'u': unsafe = true; break;
        default: return img_bad_option(c, argv);
        }
    }
    if (img_wants_help(opts->str))
        return img_options_help(format, optind < argc ? argv[optind] : NULL, false);
    if (optind >= argc)
        return img_usage("Expecting image file name");
    if (argc - optind > 2)
        return img_usage("Unexpected argument: %s", argv[optind + 2]);
    const char *filename = argv[optind];
    Qcow2CreateOpts o = {.backing = backing, .backing_format = backing_format};
    GPtrArray *kv = keyval_parse(opts->str, NULL);
    bool have_size = argc - optind > 1 || keyval_get(kv, "size");
    if (!g_str_equal(format, "raw") && !g_str_equal(format, "qcow2"))
        return img_error("%s: Unknown file format '%s' (supported: raw qcow2)", filename, format);
    if (argc - optind > 1 && keyval_get(kv, "size"))
        return img_error("%s: The image size must be specified only once", filename);
    if (!img_qcow2_opts(kv, format, &o) || (argc - optind > 1 && !img_size(argv[optind + 1], &o.size)))
        return 1;
    const char *given = argc - optind > 1 ? argv[optind + 1] : keyval_get(kv, "size");
    uint64_t shown = o.size;
    if (given && !img_size(given, &shown))
        return 1;
    o.size = ROUND_UP(o.size, SECTOR);
    if (!o.backing && o.backing_format)
        return img_error("%s: Backing format cannot be used without backing file", filename);
    if (o.backing && g_str_equal(o.backing, filename))
        return img_error("%s: Error: Trying to create an image with the same filename as the backing file", filename);
    if (o.backing && unsafe && !o.backing_format)
        return img_error("%s: Backing file specified without backing format", filename);
    if (o.backing && g_str_equal(format, "raw"))
        return img_error("%s: Backing file not supported for file format 'raw'", filename);
    if (o.backing && !unsafe) {
        GError *err = NULL;
        g_autofree char *path = node_backing_path(filename, o.backing, &err);
        if (!path)
            return img_fail(err);
        BlockOpenOpts bo = {.filename = path, .format = o.backing_format, .read_only = true, .lock = true, .check = true};
        BlockImage *b = block_open(&bo, &err);
        if (!b) {
            error_report("%s: %s\nCould not open backing image.", filename, err->message);
            g_error_free(err);
            return 1;
        }
        if (!o.backing_format) {
            img_error("%s: Backing file specified without backing format\nDetected format of %s.", filename, block_format(b));
            block_close(b);
            return 1;
        }
        if (!have_size)
            o.size = shown = block_length(b);
        have_size = true;
        block_close(b);
    }
    if (!have_size)
        return img_error("%s: Image creation needs a size parameter", filename);
    if (!quiet) {
        printf("Formatting '%s', fmt=%s", filename, format);
        if (g_str_equal(format, "qcow2"))
            printf(" cluster_size=%" PRIu64 " extended_l2=%s%s%s compression_type=%s", o.cluster_size, o.ext_l2 ? "on" : "off",
                   o.preallocation ? " preallocation=" : "", o.preallocation ? o.preallocation : "", o.zstd ? "zstd" : "zlib");
        printf(" size=%" PRIu64, shown);
        if (g_str_equal(format, "raw") && o.preallocation)
            printf(" preallocation=%s", o.preallocation);
        if (g_str_equal(format, "raw") && keyval_get(kv, "nocow"))
            printf(" nocow=%s", keyval_get(kv, "nocow"));
        if (o.backing)
            printf(" backing_file=%s", o.backing);
        if (o.backing && o.backing_format)
            printf(" backing_fmt=%s", o.backing_format);
        if (g_str_equal(format, "qcow2"))
            printf("%s%s lazy_refcounts=%s refcount_bits=%u", keyval_get(kv, "compat") ? " compat=" : "", keyval_get(kv, "compat") ? keyval_get(kv, "compat") : "", o.lazy ? "on" : "off", o.refcount_bits);
        printf("\n");
        fflush(stdout);
    }
    GError *err = NULL;
    bool ok = img_make(filename, format, &o, &err);
    keyval_free(kv);
    return ok ? 0 : img_fail(err);
}

int img_resize(int argc, char **argv)
{
    static const struct option longs[] = {{"shrink", 0, 0, 's'}, {"preallocation", 1, 0, 'p'}, {"image-opts", 0, 0, 'i'}, {0}};
    ImgOpen o = {.write = true};
    bool quiet = false, shrink = false;
    const char *mode = "off";
    /* the size may begin with '-', which is no option: it is the last argument */
    if (argc < 3)
        return img_usage("Not enough arguments");
    const char *size = argv[--argc];
    int c, sign = 0;
    while ((c = getopt_long(argc, argv, ":f:q", longs, NULL)) != -1) {
        switch (c) {
        case 'f': o.format = optarg; break;
        case 'q': quiet = true; break;
        case 's': shrink = true; break;
        case 'i': o.image_opts = true; break;
        case 'p': mode = optarg; break;
        default: return img_bad_option(c, argv);
        }
    }
    if (!g_str_equal(mode, "off") && !g_str_equal(mode, "metadata") && !g_str_equal(mode, "falloc") && !g_str_equal(mode, "full"))
        return img_error("Invalid preallocation mode '%s' (choices: off metadata falloc full)", mode);
    if (optind != argc - 1)
        return img_usage("Expecting image file name and size");
    if (*size == '+' || *size == '-')
        sign = *size++ == '+' ? 1 : -1;
    uint64_t n;
    if (!img_size(size, &n))
        return 1;
    BlockImage *img = img_open(argv[optind], &o);
    if (!img)
        return 1;
    uint64_t old = block_length(img), len = sign > 0 ? old + n : sign < 0 ? old - n : n;
    int rc = 0;
    if ((sign < 0 && n >= old) || !len) {
        rc = img_error("New image size must be positive");
    } else if (len < old && !shrink) {
        rc = img_error("Use the --shrink option to perform a shrink operation.");
        warn_report("Shrinking an image will delete all data beyond the shrunken image's end. Before performing such an operation, make sure there is no important data there.");
    } else if (len <= old && !g_str_equal(mode, "off")) {
        rc = img_error("Preallocation can only be used for growing images");
    } else if (g_str_equal(mode, "metadata") && !img_is_qcow2(img)) {
        rc = img_error("Unsupported preallocation mode: metadata (format %s takes off falloc full)", block_format(img));
    } else if (img_is_qcow2(img) && qcow2_bitmaps_broken(block_node(img)->state)) {
        rc = img_error("Bitmap '%s' is inconsistent and cannot be used (`bitmap --remove` takes it away)", qcow2_bitmaps_broken(block_node(img)->state));
    } else {
        len = ROUND_UP(len, SECTOR);
        int ret = block_truncate(img, len);
        if (!ret && !g_str_equal(mode, "off"))
            ret = img_is_qcow2(img) ? qcow2_preallocate(block_node(img), old, mode)
                                    : file_preallocate(block_node(img)->file, old, len - old, g_str_equal(mode, "full"));
        if (ret)
            rc = img_error("%s: %s", argv[optind], ret == -EFBIG ? "The image is too large for its format" : strerror(-ret));
    }
    block_close(img);
    if (!rc && !quiet)
        printf("Image resized.\n");
    return rc;
}

int img_snapshot(int argc, char **argv)
{
    ImgOpen o = {.write = true, .format = NULL};
    int action = 0, c;
    const char *name = NULL;
    GError *err = NULL;
    static const struct option longs[] = {{"image-opts", 0, 0, 'i'}, {"force-share", 0, 0, 'U'}, {0}};
    while ((c = getopt_long(argc, argv, ":la:c:d:qUf:", longs, NULL)) != -1) {
        switch (c) {
        case 'l': case 'a': case 'c': case 'd':
            if (action)
                return img_usage("Cannot mix '-l', '-a', '-c', '-d'");
            action = c;
            name = optarg;
            break;
        case 'q': break;
        case 'f': o.format = optarg; break;
        case 'i': o.image_opts = true; break;
        case 'U': o.force_share = true; break;
        default: return img_bad_option(c, argv);
        }
    }
    if (optind != argc - 1)
        return img_usage("Expecting one image file name");
    o.write = action && action != 'l';
    o.no_backing = action != 'a'; /* -a may have to resize: only that looks at the backing file */
    BlockImage *img = img_open(argv[optind], &o);
    if (!img)
        return 1;
    BlockNode *n = block_node(img);
    bool ok = true;
    if (!img_is_qcow2(img)) {
        if (o.write)
            ok = error_set(&err, "Could not %s snapshot '%s': Operation not supported", action == 'c' ? "create" : action == 'a' ? "apply" : "delete", name);
    } else if (action == 'c') {
        ok = qcow2_snapshot_create(n, name, &err);
    } else if (action == 'a') {
        ok = qcow2_snapshot_apply(n, name, &err);
    } else if (action == 'd') {
        ok = qcow2_snapshot_delete(n, name, &err);
    } else if (qcow2_snapshots(n)->len) {
        printf("Snapshot list:\n");
        g_autoptr(GString) out = g_string_new(NULL);
        qcow2_snapshot_table(qcow2_snapshots(n), out);
        fputs(out->str, stdout);
    }
    block_close(img);
    return ok ? 0 : img_fail(err);
}

int img_measure(int argc, char **argv)
{
    static const struct option longs[] = {{"output", 1, 0, 'j'}, {"size", 1, 0, 's'}, {"image-opts", 0, 0, 'i'}, {"force-share", 0, 0, 'U'}, {0}};
    const char *out = "raw", *opts = "";
    ImgOpen o = {0};
    bool json = false, have_size = false, has_bitmaps = false;
    uint64_t size = 0, data = 0, required, full, bitmaps = 0;
    int c;
    while ((c = getopt_long(argc, argv, ":f:O:o:l:U", longs, NULL)) != -1) {
        switch (c) {
        case 'f': o.format = optarg; break;
        case 'O': out = optarg; break;
        case 'o': opts = optarg; break;
        case 'l': o.snapshot = optarg; break;
        case 'U': o.force_share = true; break;
        case 'i': o.image_opts = true; break;
        case 'j': json = g_str_equal(optarg, "json"); break;
        case 's': if (!img_size(optarg, &size)) return 1; have_size = true; break;
        default: return img_bad_option(c, argv);
        }
    }
    if (img_wants_help(opts))
        return img_options_help(out, NULL, false);
    if (have_size && optind < argc)
        return img_error("--size N cannot be used together with a filename.");
    if (have_size == (optind < argc) || argc - optind > 1)
        return img_error("Either --size N or one filename must be specified.");
    Qcow2CreateOpts q = {0};
    GPtrArray *kv = keyval_parse(opts, NULL);
    if (!img_qcow2_opts(kv, g_str_equal(out, "raw") ? "raw" : "qcow2", &q))
        return 1;
    if (!have_size) {
        BlockImage *img = img_open(argv[optind], &o);
        if (!img)
            return 1;
        size = block_length(img);
        has_bitmaps = img_is_qcow2(img) && ((Qcow2 *)block_node(img)->state)->version >= 3 && g_str_equal(out, "qcow2");
        bitmaps = qcow2_bitmaps_size(block_node(img), q.cluster_size);
        uint64_t last = UINT64_MAX;
        for (uint64_t at = 0; at < size;) {
            BlockStatus st;
            int ret = block_status(img, at, size - at, &st);
            if (ret)
                return img_error("error while reading metadata: %s", strerror(-ret));
            if (st.data) {
                uint64_t first = at / q.cluster_size, end = (at + st.len - 1) / q.cluster_size;
                data += end - first + 1 - (first == last);
                last = end;
            }
            at += st.len;
        }
        block_close(img);
    }
    uint64_t cs = q.cluster_size, clusters = (size + cs - 1) / cs;
    uint64_t per = cs / (q.ext_l2 ? 16 : 8), l2 = (clusters + per - 1) / per, l1 = (l2 * 8 + cs - 1) / cs;
    if (g_str_equal(out, "raw")) {
        required = full = size;
    } else if (g_str_equal(out, "qcow2")) {
        uint64_t meta = qcow2_metadata_bytes(clusters, cs, (unsigned)__builtin_ctz(q.refcount_bits), l1 + l2);
        full = meta + clusters * cs;
        required = q.preallocation && (g_str_equal(q.preallocation, "full") || g_str_equal(q.preallocation, "falloc")) ? full : meta + data * cs;
    } else {
        return img_error("Unknown file format '%s'", out);
    }
    keyval_free(kv);
    if (json && has_bitmaps)
        printf("{\n    \"bitmaps\": %" PRIu64 ",\n    \"required\": %" PRIu64 ",\n    \"fully-allocated\": %" PRIu64 "\n}\n", bitmaps, required, full);
    else if (json)
        printf("{\n    \"required\": %" PRIu64 ",\n    \"fully-allocated\": %" PRIu64 "\n}\n", required, full);
    else
        printf("required size: %" PRIu64 "\nfully allocated size: %" PRIu64 "\n", required, full);
    if (!json && has_bitmaps)
        printf("bitmaps size: %" PRIu64 "\n", bitmaps);
    return 0;
}
