/* img-info.c - vireo-img info, check, map: text and JSON in the form that scripts parse from qemu-img 7.2. */
#include "host/base/osdep.h"
#include "vl/img.h"
#include "host/block/vmdk.h"
#include <getopt.h>

enum { OPT_OUTPUT = 256, OPT_CHAIN, OPT_IMAGE_OPTS };
static const struct option longs[] = {{"output", 1, 0, OPT_OUTPUT}, {"backing-chain", 0, 0, OPT_CHAIN}, {"repair", 1, 0, 'r'},
                                      {"force-share", 0, 0, 'U'}, {"start-offset", 1, 0, 's'}, {"max-length", 1, 0, 'l'},
                                      {"image-opts", 0, 0, OPT_IMAGE_OPTS}, {"format", 1, 0, 'f'}, {0}};

static bool output_is_json(const char *v, bool *json)
{
    *json = g_str_equal(v, "json");
    return *json || g_str_equal(v, "human") || (img_error("--output must be used with human or json as argument."), false);
}

static void bitmaps_json(GArray *bitmaps, const char *in)
{
    if (!bitmaps->len)
        return;
    printf(",\n%s            \"bitmaps\": [\n", in);
    for (guint i = 0; i < bitmaps->len; i++) {
        const Qcow2Bitmap *m = &g_array_index(bitmaps, Qcow2Bitmap, i);
        g_autofree char *name = img_json(m->name);
        bool used = m->flags & BITMAP_IN_USE, automatic = m->flags & BITMAP_AUTO;
        printf("%s                {\n%s                    \"flags\": [\n", in, in);
        if (used)
            printf("%s                        \"in-use\"%s\n", in, automatic ? "," : "");
        if (automatic)
            printf("%s                        \"auto\"\n", in);
        printf("%s                    ],\n%s                    \"name\": %s,\n%s                    \"granularity\": %" PRIu64 "\n%s                }%s\n",
               in, in, name, in, m->granularity, in, i + 1 < bitmaps->len ? "," : "");
    }
    printf("%s            ]", in);
}

static void vmdk_json(const Vmdk *s, const char *in)
{
    g_autofree char *type = img_json(s->create_type ? s->create_type : "");
    printf(",\n%s    \"format-specific\": {\n%s        \"type\": \"vmdk\",\n%s        \"data\": {\n", in, in, in);
    printf("%s            \"cid\": %u,\n%s            \"parent-cid\": %u,\n%s            \"create-type\": %s,\n%s            \"extents\": [\n", in, s->cid, in,
           s->parent_cid, in, type, in);
    for (guint i = 0; i < s->extents->len; i++) {
        const VmdkExtent *e = s->extents->pdata[i];
        g_autofree char *name = img_json(e->file ? e->file->name : "");
        printf("%s                {\n", in);
        if (e->compressed)
            printf("%s                    \"compressed\": true,\n", in);
        printf("%s                    \"virtual-size\": %" PRIu64 ",\n%s                    \"filename\": %s,\n", in, e->sectors * SECTOR, in, name);
        if (e->kind == VMDK_SPARSE)
            printf("%s                    \"cluster-size\": %" PRIu64 ",\n", in, e->grain * SECTOR);
        printf("%s                    \"format\": \"%s\"\n%s                }%s\n", in, e->type, in, i + 1 < s->extents->len ? "," : "");
    }
    printf("%s            ]\n%s        }\n%s    }", in, in, in);
}

static void info_json(BlockNode *n, const char *in)
{
    Qcow2 *s = n->fmt == &qcow2_format ? n->state : NULL;
    g_autofree char *name = img_json(n->filename);
    printf("%s{\n", in);
    if (n->backing_format) {
        g_autofree char *f = img_json(n->backing_format);
        printf("%s    \"backing-filename-format\": %s,\n", in, f);
    }
    if (s && s->snapshots->len) {
        printf("%s    \"snapshots\": [\n", in);
        for (guint i = 0; i < s->snapshots->len; i++) {
            const Qcow2Snapshot *x = &g_array_index(s->snapshots, Qcow2Snapshot, i);
            g_autofree char *xname = img_json(x->name), *id = img_json(x->id);
            printf("%s        {\n", in);
            if (x->icount != UINT64_MAX)
                printf("%s            \"icount\": %" PRIu64 ",\n", in, x->icount);
            printf("%s            \"vm-clock-nsec\": %" PRIu64 ",\n%s            \"name\": %s,\n%s            \"date-sec\": %u,\n"
                   "%s            \"date-nsec\": %u,\n%s            \"vm-clock-sec\": %" PRIu64 ",\n%s            \"id\": %s,\n"
                   "%s            \"vm-state-size\": %" PRIu64 "\n%s        }%s\n",
                   in, x->vm_clock_ns % 1000000000, in, xname, in, x->date_sec, in, x->date_nsec, in, x->vm_clock_ns / 1000000000,
                   in, id, in, x->vm_state_size, in, i + 1 < s->snapshots->len ? "," : "");
        }
        printf("%s    ],\n", in);
    }
    printf("%s    \"virtual-size\": %" PRIu64 ",\n%s    \"filename\": %s,\n", in, n->length, in, name);
    if (n->cluster_size)
        printf("%s    \"cluster-size\": %" PRIu64 ",\n", in, n->cluster_size);
    printf("%s    \"format\": \"%s\",\n%s    \"actual-size\": %" PRIu64, in, n->fmt->name, in, file_allocated(n->file));
    if (s) {
        printf(",\n%s    \"format-specific\": {\n%s        \"type\": \"qcow2\",\n%s        \"data\": {\n", in, in, in);
        printf("%s            \"compat\": \"%s\",\n%s            \"compression-type\": \"%s\"", in, s->version < 3 ? "0.10" : "1.1", in, s->zstd ? "zstd" : "zlib");
        if (s->version >= 3)
            printf(",\n%s            \"lazy-refcounts\": %s", in, s->lazy ? "true" : "false");
        bitmaps_json(s->bitmaps, in);
        printf(",\n%s            \"refcount-bits\": %u", in, 1u << s->refcount_order);
        if (s->version >= 3)
            printf(",\n%s            \"corrupt\": %s,\n%s            \"extended-l2\": %s", in, s->incompat & INCOMPAT_CORRUPT ? "true" : "false", in, s->ext_l2 ? "true" : "false");
        printf("\n%s        }\n%s    }", in, in);
    }
    if (n->fmt == &vmdk_format)
        vmdk_json(n->state, in);
    if (n->backing_name) {
        g_autofree char *full = g_str_has_prefix(n->backing_name, "json:") ? NULL : node_backing_path(n->filename, n->backing_name, NULL);
        g_autofree char *f = img_json(full ? full : n->backing_name), *b = img_json(n->backing_name);
        printf(",\n%s    \"full-backing-filename\": %s,\n%s    \"backing-filename\": %s", in, f, in, b);
    }
    printf(",\n%s    \"dirty-flag\": %s\n%s}", in, s && (s->incompat & INCOMPAT_DIRTY) ? "true" : "false", in);
}

static void print_text(BlockNode *n)
{
    g_autoptr(GString) out = g_string_new(NULL);
    block_info_text(n, false, out);
    fputs(out->str, stdout);
}

int img_info(int argc, char **argv)
{
    ImgOpen o = {.no_backing = true, .check = true};
    bool json = false, chain = false;
    int c;
    while ((c = getopt_long(argc, argv, ":f:U", longs, NULL)) != -1) {
        switch (c) {
        case 'f': o.format = optarg; break;
        case 'U': o.force_share = true; break;
        case OPT_OUTPUT: if (!output_is_json(optarg, &json)) return 1; break;
        case OPT_CHAIN: chain = true; break;
        case OPT_IMAGE_OPTS: o.image_opts = true; break;
        default: return img_bad_option(c, argv);
        }
    }
    if (optind != argc - 1)
        return img_usage("Expecting one image file name");
    o.no_backing = !chain;
    BlockImage *img = img_open(argv[optind], &o);
    if (!img)
        return 1;
    if (json && chain)
        printf("[\n");
    for (BlockNode *n = block_node(img); n; n = n->backing) {
        if (json)
            info_json(n, chain ? "    " : "");
        else
            print_text(n);
        if (n->backing)
            printf(json ? ",\n" : "\n");
        else if (json)
            printf("\n");
    }
    if (json && chain)
        printf("]\n");
    block_close(img);
    return 0;
}

/* Formats that are only read: what their tables say of every byte of the disk lies within the file. */
static int check_reader(BlockImage *img, Qcow2Check *r)
{
    BlockStatus st;
    for (uint64_t at = 0, len = block_length(img); at < len && !r->corruptions; at += st.len)
        r->corruptions = block_status(img, at, len - at, &st) != 0;
    return 0;
}

int img_check(int argc, char **argv)
{
    ImgOpen o = {.no_backing = true, .no_repair = true, .check = true};
    bool json = false, quiet = false;
    unsigned fix = 0;
    int c;
    while ((c = getopt_long(argc, argv, ":f:r:qUT:", longs, NULL)) != -1) {
        switch (c) {
        case 'f': o.format = optarg; break;
        case 'U': o.force_share = true; break;
        case 'q': quiet = true; break;
        case 'T': o.cache = optarg; break;
        case OPT_OUTPUT: if (!output_is_json(optarg, &json)) return 1; break;
        case OPT_IMAGE_OPTS: o.image_opts = true; break;
        case 'r':
            if (!g_str_equal(optarg, "leaks") && !g_str_equal(optarg, "all"))
                return img_usage("Unknown option value for -r (expecting 'leaks' or 'all'): %s", optarg);
            fix = g_str_equal(optarg, "all") ? FIX_LEAKS | FIX_ERRORS : FIX_LEAKS;
            break;
        default: return img_bad_option(c, argv);
        }
    }
    if (optind != argc - 1)
        return img_usage("Expecting one image file name");
    if (!img_cache(o.cache, true))
        return 1;
    o.write = fix != 0;
    BlockImage *img = img_open(argv[optind], &o);
    if (!img)
        return 1;
    BlockNode *n = block_node(img);
    Qcow2 *s = img_is_qcow2(img) ? n->state : NULL;
    Qcow2Check r = {0};
    if (!s && (n->fmt == &raw_format || n->fmt == &vpc_format)) {
        block_close(img);
        img_error("This image format does not support checks");
        return 63;
    }
    int ret = s ? qcow2_check(n, &r, fix, quiet ? NULL : stderr) : check_reader(img, &r);
    if (!ret && fix && (r.leaks_fixed || r.corruptions_fixed)) {
        uint64_t leaks_fixed = r.leaks_fixed, errors_fixed = r.corruptions_fixed;
        if (!quiet && !json)
            printf("The following inconsistencies were found and repaired:\n\n    %" PRIu64 " leaked clusters\n    %" PRIu64
                   " corruptions\n\nDouble checking the fixed image now...\n", leaks_fixed, errors_fixed);
        ret = qcow2_check(n, &r, 0, quiet ? NULL : stderr);
        r.leaks_fixed = leaks_fixed;
        r.corruptions_fixed = errors_fixed;
    }
    if (s && !ret && fix && !r.corruptions && !r.check_errors) {
        g_mutex_lock(&s->lock);
        qcow2_set_incompat(s, INCOMPAT_DIRTY | ((fix & FIX_ERRORS) ? INCOMPAT_CORRUPT : 0), false);
        g_mutex_unlock(&s->lock);
    }
    if (ret) {
        img_error("Check failed: %s", strerror(-ret));
        block_close(img);
        return 1;
    }
    if (json) {
        g_autofree char *name = img_json(argv[optind]);
        printf("{\n");
        if (s)
            printf("    \"image-end-offset\": %" PRIu64 ",\n", r.image_end);
        if (r.compressed)
            printf("    \"compressed-clusters\": %" PRIu64 ",\n", r.compressed);
        if (s)
            printf("    \"total-clusters\": %" PRIu64 ",\n", r.total_clusters);
        if (r.corruptions)
            printf("    \"corruptions\": %" PRIu64 ",\n", r.corruptions);
        printf("    \"check-errors\": %" PRIu64 ",\n", r.check_errors);
        if (r.corruptions_fixed)
            printf("    \"corruptions-fixed\": %" PRIu64 ",\n", r.corruptions_fixed);
        if (r.leaks)
            printf("    \"leaks\": %" PRIu64 ",\n", r.leaks);
        if (r.leaks_fixed)
            printf("    \"leaks-fixed\": %" PRIu64 ",\n", r.leaks_fixed);
        if (r.allocated)
            printf("    \"allocated-clusters\": %" PRIu64 ",\n", r.allocated);
        printf("    \"filename\": %s,\n    \"format\": \"%s\"", name, n->fmt->name);
        if (r.fragmented)
            printf(",\n    \"fragmented-clusters\": %" PRIu64, r.fragmented);
        printf("\n}\n");
    } else if (!quiet) {
        if (!r.corruptions && !r.leaks && !r.check_errors)
            printf("No errors were found on the image.\n");
        if (r.corruptions)
            printf("\n%" PRIu64 " errors were found on the image.\nData may be corrupted, or further writes to the image may corrupt it.\n", r.corruptions);
        if (r.leaks)
            printf("\n%" PRIu64 " leaked clusters were found on the image.\nThis means waste of disk space, but no harm to data.\n", r.leaks);
        if (r.check_errors)
            printf("\n%" PRIu64 " internal errors have occurred during the check.\n", r.check_errors);
        if (r.total_clusters && r.allocated)
            printf("%" PRIu64 "/%" PRIu64 " = %0.2f%% allocated, %0.2f%% fragmented, %0.2f%% compressed clusters\n", r.allocated, r.total_clusters,
                   100.0 * (double)r.allocated / (double)r.total_clusters, 100.0 * (double)r.fragmented / (double)r.allocated,
                   100.0 * (double)r.compressed / (double)r.allocated);
        if (r.image_end)
            printf("Image end offset: %" PRIu64 "\n", r.image_end);
    }
    block_close(img);
    return r.check_errors ? 1 : r.corruptions ? 2 : r.leaks ? 3 : 0;
}

static void map_line(const BlockStatus *st, uint64_t start, uint64_t len, bool json, bool *first)
{
    if (!json) {
        if (st->data && !st->zero && st->has_offset)
            printf("%#-16" PRIx64 "%#-16" PRIx64 "%#-16" PRIx64 "%s\n", start, len, st->offset, st->file);
        return;
    }
    printf("%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64 ", \"depth\": %u, \"present\": %s, \"zero\": %s, \"data\": %s", *first ? "[" : ",\n",
           start, len, st->depth, st->allocated ? "true" : "false", st->zero ? "true" : "false", st->data ? "true" : "false");
    if (st->has_offset)
        printf(", \"offset\": %" PRIu64, st->offset);
    printf("}");
    *first = false;
}

int img_map(int argc, char **argv)
{
    ImgOpen o = {0};
    bool json = false, first = true;
    uint64_t at = 0, max = UINT64_MAX, start = 0, run = 0;
    BlockStatus cur = {0};
    int c, ret = 0;
    while ((c = getopt_long(argc, argv, ":f:s:l:U", longs, NULL)) != -1) {
        switch (c) {
        case 'f': o.format = optarg; break;
        case 'U': o.force_share = true; break;
        case 's': if (!img_size_of(optarg, "start offset", &at)) return 1; break;
        case 'l': if (!img_size_of(optarg, "max length", &max)) return 1; break;
        case OPT_OUTPUT: if (!output_is_json(optarg, &json)) return 1; break;
        case OPT_IMAGE_OPTS: o.image_opts = true; break;
        default: return img_bad_option(c, argv);
        }
    }
    if (optind != argc - 1)
        return img_usage("Expecting one image file name");
    BlockImage *img = img_open(argv[optind], &o);
    if (!img)
        return 1;
    if (!json)
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    uint64_t end = max < block_length(img) - MIN(at, block_length(img)) ? at + max : block_length(img);
    for (start = at; at < end;) {
        BlockStatus st;
        ret = block_status(img, at, end - at, &st);
        if (ret)
            break;
        if (st.compressed && !json) {
            ret = img_error("File contains external, encrypted or compressed clusters.");
            break;
        }
        bool same = run && st.data == cur.data && st.zero == cur.zero && st.depth == cur.depth && st.allocated == cur.allocated &&
                    st.has_offset == cur.has_offset && (!st.has_offset || st.offset == cur.offset + run) &&
                    (json || g_strcmp0(st.file, cur.file) == 0);
        if (!same) {
            if (run)
                map_line(&cur, start, run, json, &first);
            cur = st;
            start = at;
            run = 0;
        }
        run += st.len;
        at += st.len;
    }
    if (run && !ret)
        map_line(&cur, start, run, json, &first);
    if (json)
        printf("%s]\n", first ? "[" : "");
    if (ret < 0)
        img_error("Failed to read image metadata: %s", strerror(-ret));
    block_close(img);
    return ret != 0;
}
