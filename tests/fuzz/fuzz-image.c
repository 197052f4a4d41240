/* fuzz-image.c - damaged disk images: a valid image is changed in a few places, then opened and used
 *   fuzz-image --format qcow2|vmdk|vpc|vhdx|vdi|all [--seed N] [--count N | --seconds N] [--verbose]
 * Wrong is: a crash or sanitizer report, a case that takes more than 20 s, an allocation beyond 1 GiB (with
 * ASAN_OPTIONS=max_allocation_size_mb=1024), bytes outside of the buffer of a read. Any error is fine.
 * A failing case leaves its image behind and is repeated by its seed (--seed N --count 1). */
#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "host/block/qcow2.h"
#include "tests/lib/image-make.h"
#include <fcntl.h>
#include <signal.h>

enum { DISK = 640 << 10, CASE_SECONDS = 20 };
static const char *const formats[] = {"qcow2", "vmdk", "vpc", "vhdx", "vdi"};
static GRand *rnd;
static char *path, *back_path;
static uint64_t seed;

static uint32_t below(uint32_t n) { return n ? g_rand_int(rnd) % n : 0; }

static uint64_t interesting(size_t file_len)
{
    static const uint64_t v[] = {0, 1, 2, 3, 8, 255, 511, 512, 513, 4095, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe,
                                 0x100000000, INT64_MAX, 1ULL << 63, UINT64_MAX, UINT64_MAX - 511, 1ULL << 62, 1ULL << 55, 0xfffffffffffffe00};
    switch (below(6)) {
    case 0: return g_rand_int(rnd) | (uint64_t)g_rand_int(rnd) << 32;
    case 1: return file_len / 512 * below(3) + below(3) - 1;
    case 2: return (uint64_t)below((uint32_t)file_len) & ~511ULL;
    case 3: return 1ULL << below(64);
    default: return v[below(ARRAY_SIZE(v))];
    }
}

/* One field somewhere in [at, at+n). */
static void change(uint8_t *p, size_t at, size_t n, size_t file_len, bool big)
{
    unsigned width = 1u << below(4);
    if (n < 8 || at + n > file_len)
        return;
    size_t k = at + below((uint32_t)(n / width)) * width;
    uint64_t v = below(4) ? interesting(file_len) : (big ? ldb64(p + MIN(k, file_len - 8)) >> (64 - 8 * width) : ldl64(p + MIN(k, file_len - 8))) + below(5) - 2;
    for (unsigned i = 0; i < width && k + i < file_len; i++)
        p[k + i] = (uint8_t)(v >> 8 * (big ? width - 1 - i : i));
}

static GByteArray *load(const char *name)
{
    char *data;
    gsize n;
    g_assert_true(g_file_get_contents(name, &data, &n, NULL));
    return g_byte_array_new_take((guint8 *)data, n);
}

/* Persistent bitmaps as another program leaves them: extension, directory and table, all fields at or beyond the edge. */
static void add_bitmaps(GByteArray *a, uint64_t cs)
{
    uint64_t dir = ROUND_UP((uint64_t)a->len, cs), at = dir;
    uint8_t *p, entries = (uint8_t)(1 + below(3));

    g_byte_array_set_size(a, (guint)(dir + 2 * cs));
    p = a->data;
    memset(p + dir, 0, 2 * cs);
    for (unsigned i = 0; i < entries; i++, at += 32) {
        stb64(p + at, dir + cs);
        stb32(p + at + 8, below(4) ? below(20) : (uint32_t)interesting(a->len));
        stb32(p + at + 12, below(4));
        p[at + 16] = 1;
        p[at + 17] = (uint8_t)below(40);
        stb16(p + at + 18, below(5) ? 1 + below(8) : (uint16_t)interesting(a->len));
        stb32(p + at + 20, below(5) ? 0 : (uint32_t)interesting(a->len));
        stb64(p + dir + cs + 8 * i, below(2) ? dir : interesting(a->len));
        p[at + 24] = 'a';
    }
    p[95] = 1; /* autoclear bit 0 */
    stb32(p + 112, EXT_BITMAPS);
    stb32(p + 116, 24);
    stb32(p + 120, below(5) ? entries : (uint32_t)interesting(a->len));
    stb64(p + 128, below(5) ? 32ull * entries : interesting(a->len));
    stb64(p + 136, below(5) ? dir : interesting(a->len));
    stb64(p + 144, 0);
}

/* A qcow2 image with data, zero and compressed clusters, snapshots, perhaps a backing file. */
static GByteArray *make_qcow2(const uint8_t *disk)
{
    static const unsigned sizes[] = {512, 1024, 4096, 16384, 65536};
    Qcow2CreateOpts o = {.size = DISK, .version = below(4) ? 3 : 2, .cluster_size = sizes[below(5)], .refcount_bits = 16};
    if (o.version == 3) {
        o.refcount_bits = below(2) ? 16 : 1u << below(7);
        o.lazy = !below(4);
        o.zstd = !below(4);
        o.ext_l2 = o.cluster_size >= 16384 && below(2);
    }
    if (below(2)) {
        o.backing = back_path;
        o.backing_format = "raw";
    }
    g_assert_true(qcow2_create(path, &o, NULL));
    if (o.version == 3 && o.cluster_size >= 1024 && !below(3)) { /* bitmaps, which then note what is written */
        BlockOpenOpts edit = {.filename = path, .format = "qcow2", .check = true, .no_backing = true};
        BlockImage *img = block_open(&edit, NULL);
        g_assert_nonnull(img);
        qcow2_bitmap_add(block_node(img), "a", 512, NULL);
        if (below(2))
            qcow2_bitmap_add(block_node(img), "another", 512ULL << below(12), NULL);
        if (below(2))
            qcow2_bitmap_enable(block_node(img), "a", false, NULL);
        block_close(img);
    }
    BlockOpenOpts open = {.filename = path, .format = "qcow2", .discard_unmap = true};
    BlockImage *img = block_open(&open, NULL);
    g_assert_nonnull(img);
    for (unsigned i = 0; i < 10; i++) {
        uint64_t at = below(DISK / 512 - 64) * 512ULL, cluster = at & ~(o.cluster_size - 1);
        switch (below(4)) {
        case 0: block_write_zeroes(img, at, 512 + below(30000), true); break;
        case 1: if (cluster + o.cluster_size <= DISK) qcow2_write_compressed(block_node(img), cluster, disk + cluster); break;
        default: block_pwrite(img, at, disk + at, 512 + below(20000)); break;
        }
        if (i == 5 && o.refcount_bits > 1)
            qcow2_snapshot_create(block_node(img), "s", NULL);
    }
    block_close(img);
    GByteArray *a = load(path);
    if (o.version == 3 && o.cluster_size >= 4096 && !below(4))
        add_bitmaps(a, o.cluster_size);
    return a;
}

static GByteArray *make(unsigned f, const uint8_t *disk)
{
    switch (f) {
    case 0: return make_qcow2(disk);
    case 1: return make_vmdk(disk, DISK, below(2));
    case 2: return make_vpc(disk, DISK, below(4));
    case 3: {
        GByteArray *a = make_vhdx(disk, DISK, below(2) ? 512 : 4096, below(2));
        uint32_t pos = below(256) * 4096, tail = pos;
        for (unsigned i = 0, n = below(2) ? 1 + below(4) : 0; i < n; i++) { /* with a log to be replayed */
            const uint64_t sectors[] = {3 << 20, 2 << 20, (uint64_t)below(a->len / 4096) * 4096};
            g_autofree uint8_t *with = g_memdup2(a->data, a->len);
            vhdx_log_entry(a, &pos, i + 1, tail, sectors, below(4), with, (uint64_t)below(a->len / 4096) * 4096, below(3) * 4096);
        }
        return a;
    }
    default: return make_vdi(disk, DISK, 64 << 10, below(2));
    }
}

/* Some place in what belongs to the bitmaps: the extension, the directory, a table; 0: there are none. */
static uint64_t bitmap_place(const GByteArray *a)
{
    for (size_t at = 104; at + 32 < MIN(a->len, 4096); at += 8) {
        if (ldb32(a->data + at) != EXT_BITMAPS)
            continue;
        uint64_t dir = ldb64(a->data + at + 24);
        unsigned which = below(3);
        if (!which || dir > a->len - 32)
            return at;
        return which == 1 ? dir : ldb64(a->data + dir);
    }
    return 0;
}

static void damage(unsigned f, GByteArray *a)
{
    unsigned n = 1 + below(4);
    for (unsigned i = 0; i < n; i++) {
        uint8_t *p = a->data;
        switch (below(8)) {
        case 0: change(p, 0, a->len, a->len, below(2)); break;
        case 1: if (!below(4) && a->len > 1024) g_byte_array_set_size(a, below(a->len)); break;
        default:
            if (f == 0) {
                uint64_t cs = 1ULL << (ldb32(p + 20) & 31), at = below(2) ? 0 : ldb64(p + (unsigned[]){40, 48, 64, 8}[below(4)]);
                uint64_t in_bitmaps = below(3) ? 0 : bitmap_place(a);
                if (in_bitmaps) {
                    if (in_bitmaps < a->len - 32)
                        change(p, in_bitmaps, 32, a->len, true);
                    break;
                }
                if (!below(3) && ldb64(p + 40) <= a->len - 8) /* an L2 table */
                    at = ldb64(p + ldb64(p + 40)) & 0x00fffffffffffe00ULL;
                if (at == 0)
                    change(p, 0, MIN(128, a->len), a->len, true);
                else if (at < a->len)
                    change(p, at, MIN(cs, a->len - at), a->len, true);
            } else if (f == 1) {
                static const size_t at[] = {0, 512, 512};
                size_t gd = ldl64(p + 56) == UINT64_MAX ? a->len - 1024 : 0, k = at[below(3)];
                if (below(3) == 0 && gd)
                    k = gd;
                else if (below(2))
                    k = a->len > 8192 ? a->len - 6144 + below(5000) : 0; /* grain tables */
                change(p, k, MIN(512, a->len - MIN(k, a->len)), a->len, false);
            } else if (f == 2) {
                change(p, below(2) ? a->len - MIN(512, a->len) : 0, MIN(2048, a->len), a->len, true);
            } else if (f == 3) {
                static const size_t at[] = {65536, 131072, 192 << 10, 256 << 10, 2 << 20, (2 << 20) + 65536, 3 << 20};
                size_t k = at[below(ARRAY_SIZE(at))];
                for (unsigned i = 0; below(2) && i < 256; i++) /* an entry of the log, or its first data */
                    if (a->len > (2 << 20) && !memcmp(p + (1 << 20) + i * 4096, "loge", 4)) {
                        k = (1 << 20) + i * 4096;
                        break;
                    }
                if (k + 160 < a->len)
                    change(p, k, 160, a->len, false);
            } else {
                change(p, below(2) ? 320 : 0, MIN(1024, a->len), a->len, false);
            }
        }
        if (a->len < 4096)
            return;
    }
    if (f == 3 && below(8))
        fix_vhdx(a->data, a->len);
}

static void read_some(BlockImage *img)
{
    enum { GUARD = 64 };
    uint64_t len = block_length(img);
    g_autofree uint8_t *buf = g_malloc(200000 + GUARD);
    for (unsigned i = 0; i < 24; i++) {
        uint64_t at = below(3) ? below(DISK) : (((uint64_t)g_rand_int(rnd) << 32 | g_rand_int(rnd)) >> below(64)) % (len + 1);
        size_t n = 1 + below(i % 4 ? 4000 : 199999);
        memset(buf + n, 0xa5, GUARD);
        block_pread(img, at, buf, n);
        for (unsigned k = 0; k < GUARD; k++)
            g_assert_cmpuint(buf[n + k], ==, 0xa5);
    }
    uint64_t at = 0;
    for (unsigned i = 0; i < 300 && at < len; i++) {
        BlockStatus st;
        if (block_status(img, at, len - at, &st))
            break;
        g_assert_cmpuint(st.len, >, 0);
        g_assert_cmpuint(st.len, <=, len - at);
        at += st.len;
    }
}

static void write_some(BlockImage *img, const uint8_t *disk)
{
    uint64_t len = block_length(img);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t at = below(4) ? below(DISK / 512) * 512ULL : (((uint64_t)g_rand_int(rnd) << 32 | g_rand_int(rnd)) >> below(64)) % (len + 1) & ~511ULL;
        uint64_t n = MIN(512 + below(60) * 512, len - MIN(at, len));
        switch (below(10)) {
        case 0: block_write_zeroes(img, at, n, below(2)); break;
        case 1: block_discard(img, at, n); break;
        case 2: block_flush(img); break;
        case 3: qcow2_snapshot_create(block_node(img), "t", NULL); break;
        case 4: qcow2_snapshot_apply(block_node(img), below(2) ? "s" : "t", NULL); break;
        case 5: qcow2_snapshot_delete(block_node(img), below(2) ? "s" : "t", NULL); break;
        case 6: if (len <= GiB && !below(4)) block_truncate(img, len + 512 * below(5000)); len = block_length(img); break;
        default: block_pwrite(img, at, disk, n); break;
        }
    }
}

/* As `bitmap` does, with the bitmaps that the image says it has. */
static void edit_bitmaps(BlockNode *n)
{
    Qcow2 *s = n->state;
    for (unsigned i = 0; i < 6; i++) {
        g_autofree char *name = s->bitmaps->len ? g_strdup(g_array_index(s->bitmaps, Qcow2Bitmap, below(s->bitmaps->len)).name) : g_strdup("b");
        switch (below(6)) {
        case 0: qcow2_bitmap_add(n, i & 1 ? "new" : "other", 512ULL << below(24), NULL); break;
        case 1: qcow2_bitmap_remove(n, name, NULL); break;
        case 2: qcow2_bitmap_clear(n, name, NULL); break;
        case 3: qcow2_bitmap_enable(n, name, below(2), NULL); break;
        case 4: qcow2_bitmap_merge(n, name, n, i & 1 ? "new" : name, NULL); break;
        default: qcow2_bitmaps_size(n, 512ULL << below(12)); break;
        }
    }
}

static void on_alarm(int sig)
{
    static const char msg[] = "fuzz-image: a case takes too long\n";
    if (write(STDOUT_FILENO, msg, sizeof msg - 1) < 0)
        _exit(3);
    abort();
}

static void on_abort(int sig)
{
    char line[200];
    int n = snprintf(line, sizeof line, "fuzz-image: failed with --seed %" PRIu64 " --count 1, image %s\n", seed, path);
    if (write(STDOUT_FILENO, line, (size_t)n) < 0)
        _exit(3);
    signal(sig, SIG_DFL);
    raise(sig);
}

/* Called by the sanitizers before they end the program. */
void __asan_on_error(void);
void __asan_on_error(void)
{
    printf("fuzz-image: failed with --seed %" PRIu64 " --count 1, image %s\n", seed, path);
    fflush(stdout);
}

static void one_case(unsigned f, const uint8_t *disk)
{
    GByteArray *a = make(f, disk);
    damage(f, a);
    g_assert_true(g_file_set_contents(path, (char *)a->data, (gssize)a->len, NULL));
    g_byte_array_unref(a);
    alarm(CASE_SECONDS);
    bool write = f == 0 && below(2), check = f == 0 && !below(4);
    BlockOpenOpts o = {.filename = path, .format = below(4) ? formats[f] : NULL, .read_only = !write, .lock = true, .discard_unmap = below(2),
                       .check = check, .no_repair = check, .no_backing = check};
    GError *err = NULL;
    BlockImage *img = block_open(&o, &err);
    if (img && f == 0) { /* what is said of it */
        g_autoptr(GString) text = g_string_new(NULL);
        block_info_text(block_node(img), false, text);
    }
    if (!img) {
        g_assert_nonnull(err);
        g_assert_null(strchr(err->message, '\n'));
        g_error_free(err);
        alarm(0);
        return;
    }
    if (f == 0 && block_node(img)->fmt == &qcow2_format && check) {
        Qcow2Check r;
        qcow2_check(block_node(img), &r, write ? below(4) : 0, NULL);
        if (write)
            edit_bitmaps(block_node(img));
    }
    read_some(img);
    if (write && block_node(img)->fmt == &qcow2_format) {
        write_some(img, disk);
        read_some(img);
    }
    block_close(img);
    alarm(0);
}

int main(int argc, char **argv)
{
    g_autofree char *format = NULL;
    gint64 first = 1, count = 0, seconds = 0;
    gboolean verbose = FALSE;
    const GOptionEntry entries[] = {{"format", 0, 0, G_OPTION_ARG_STRING, &format, "which (all)", NULL},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &first, "first case", NULL}, {"count", 0, 0, G_OPTION_ARG_INT64, &count, "cases", NULL},
        {"seconds", 0, 0, G_OPTION_ARG_INT64, &seconds, "time", NULL}, {"verbose", 0, 0, G_OPTION_ARG_NONE, &verbose, "messages of the program", NULL}, {0}};
    GOptionContext *c = g_option_context_new(NULL);
    GError *err = NULL;
    g_option_context_add_main_entries(c, entries, NULL);
    if (!g_option_context_parse(c, &argc, &argv, &err)) {
        fprintf(stderr, "fuzz-image: %s\n", err->message);
        return 2;
    }
    if (!verbose) { /* warnings about images that are corrupt, many times over; sanitizers write to fd 2 as well: they say where first */
        int fd = open("/dev/null", O_WRONLY);
        g_log_set_default_handler(g_log_default_handler, NULL);
        if (!g_getenv("FUZZ_STDERR"))
            dup2(fd, 2);
        close(fd);
    }
    path = g_strdup_printf("%s/vireo-fuzz-%d.img", g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : "/tmp", (int)getpid());
    back_path = g_strconcat(path, ".back", NULL);
    signal(SIGALRM, on_alarm);
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    uint8_t *disk = g_malloc(DISK);
    gint64 end = seconds ? g_get_monotonic_time() + seconds * G_USEC_PER_SEC : G_MAXINT64;
    if (!count && !seconds)
        count = 1000;
    gint64 k = 0;
    for (; (!count || k < count) && g_get_monotonic_time() < end; k++) {
        seed = (uint64_t)(first + k);
        rnd = g_rand_new_with_seed((guint32)seed);
        memset(disk, 0, DISK);
        for (unsigned i = 0; i < 6; i++) {
            uint32_t at = below(DISK - 50000), n = below(50000);
            for (uint32_t j = 0; j < n; j++)
                disk[at + j] = (uint8_t)(i & 1 ? g_rand_int(rnd) : i);
        }
        if (k == 0)
            g_assert_true(g_file_set_contents(back_path, (char *)disk, DISK, NULL));
        unsigned f = below(ARRAY_SIZE(formats));
        for (unsigned i = 0; format && i < ARRAY_SIZE(formats); i++)
            if (g_str_equal(formats[i], format))
                f = i;
        one_case(f, disk);
        g_rand_free(rnd);
    }
    printf("fuzz-image: %" PRIi64 " cases (format %s, seeds from %" PRIi64 "), nothing wrong\n", k, format ? format : "all", first);
    unlink(path);
    unlink(back_path);
    g_free(path);
    g_free(back_path);
    g_free(disk);
    g_option_context_free(c);
    return 0;
}
