/* test-qcow2.c - qcow2 images: random operations against a model in memory, snapshots, compressed clusters,
 * backing chains, damaged images, a writer that is killed. `qemu-img check` judges too where it is installed. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char *dir;

static char *path_of(const char *name) { return g_build_filename(dir, name, NULL); }

static BlockImage *open_img(const char *path, bool write, GError **errp)
{
    BlockOpenOpts o = {.filename = path, .format = "qcow2", .read_only = !write, .lock = true, .discard_unmap = true};
    return block_open(&o, errp);
}

static Qcow2CreateOpts opts_of(uint64_t size)
{
    return (Qcow2CreateOpts){.size = size, .cluster_size = 64 * KiB, .version = 3, .refcount_bits = 16};
}

static void check_with_qemu(const char *path)
{
    g_autofree char *prog = g_find_program_in_path("qemu-img");
    if (!prog)
        return;
    g_autofree char *cmd = g_strdup_printf("%s check -q %s", prog, path), *out = NULL, *err = NULL;
    int status = 0;
    g_assert_true(g_spawn_command_line_sync(cmd, &out, &err, &status, NULL));
    if (status)
        g_test_message("%s: %s%s", cmd, out, err);
    g_assert_cmpint(status, ==, 0);
}

static void check_clean(BlockImage *img)
{
    Qcow2Check r;
    g_assert_cmpint(qcow2_check(block_node(img), &r, 0, stderr), ==, 0);
    g_assert_cmpuint(r.corruptions, ==, 0);
    g_assert_cmpuint(r.leaks, ==, 0);
}

static void compare(BlockImage *img, const uint8_t *model, size_t size)
{
    g_autofree uint8_t *buf = g_malloc(size);
    g_assert_cmpint(block_pread(img, 0, buf, size), ==, 0);
    for (size_t i = 0; i < size; i++)
        if (buf[i] != model[i]) {
            g_test_message("first difference at %zu: %02x, should be %02x", i, buf[i], model[i]);
            g_assert_not_reached();
        }
}

typedef struct Variant {
    const char *name;
    unsigned version, bits;
    uint64_t cluster;
    bool ext, lazy, zstd, backing;
} Variant;

static const Variant variants[] = {
    {"v3", 3, 16, 65536, 0, 0, 0, 0},         {"v2", 2, 16, 65536, 0, 0, 0, 0},     {"v2-backing", 2, 16, 4096, 0, 0, 0, 1},
    {"cluster-512", 3, 16, 512, 0, 0, 0, 1},  {"refcount-64", 3, 64, 512, 0, 0, 0, 0}, {"refcount-1", 3, 1, 4096, 0, 0, 0, 0},
    {"refcount-2", 3, 2, 512, 0, 0, 0, 1},    {"refcount-8", 3, 8, 1024, 0, 0, 1, 0}, {"refcount-32", 3, 32, 2048, 0, 1, 0, 1},
    {"extended-l2", 3, 16, 16384, 1, 0, 0, 1}, {"extended-l2-zstd", 3, 16, 32768, 1, 0, 1, 0}, {"lazy", 3, 16, 8192, 0, 1, 0, 1},
};

static void random_operations(const Variant *v, guint32 seed)
{
    size_t size = v->cluster < 4096 ? 512 * KiB : 2 * MiB;
    g_autofree char *base = path_of("base"), *file = path_of("random.qcow2");
    g_autofree uint8_t *model = g_malloc0(size), *buf = g_malloc(size), *saved = NULL;
    GRand *r = g_rand_new_with_seed(seed);
    Qcow2CreateOpts o = {.size = size, .cluster_size = v->cluster, .version = v->version, .refcount_bits = v->bits,
                         .lazy = v->lazy, .zstd = v->zstd, .ext_l2 = v->ext};
    if (v->backing) {
        for (size_t i = 0; i < size; i += 4)
            stl32(model + i, i / 70000 % 3 ? g_rand_int(r) : 0);
        memset(model + size / 2, 0, size - size / 2); /* the base is shorter */
        g_assert_true(g_file_set_contents(base, (char *)model, (gssize)size / 2, NULL));
        o.backing = "base";
        o.backing_format = "raw";
    }
    g_assert_true(qcow2_create(file, &o, NULL));
    BlockImage *img = open_img(file, true, NULL);
    g_assert_nonnull(img);
    bool snap = false;
    for (int n = 0; n < 300; n++) {
        size_t at = (size_t)g_rand_int_range(r, 0, (gint32)(size / 512)) * 512;
        size_t len = (size_t)g_rand_int_range(r, 1, n % 4 ? 16 : 400) * 512;
        len = MIN(len, size - at);
        int kind = g_rand_int_range(r, 0, 20);
        if (kind < 10) {
            memset(model + at, n + 1, len);
            g_assert_cmpint(block_pwrite(img, at, model + at, len), ==, 0);
        } else if (kind < 13) {
            memset(model + at, 0, len);
            g_assert_cmpint(block_write_zeroes(img, at, len, kind == 12), ==, 0);
        } else if (kind < 14) {
            /* what a discard of whole clusters gives differs by version: take it from the image */
            g_assert_cmpint(block_discard(img, at, len), ==, 0);
            g_assert_cmpint(block_pread(img, at, buf, len), ==, 0);
            if (v->version >= 3)
                for (size_t i = 0; i < len; i++)
                    g_assert_true(buf[i] == 0 || buf[i] == model[at + i]);
            memcpy(model + at, buf, len);
        } else if (kind < 16) {
            size_t c = at & ~(v->cluster - 1), part = MIN(v->cluster, size - c);
            memset(model + c, n, part);
            memset(buf, 0, v->cluster);
            memcpy(buf, model + c, part);
            g_assert_cmpint(qcow2_write_compressed(block_node(img), c, buf), ==, 0);
        } else if (kind == 16) {
            block_close(img);
            check_with_qemu(file);
            img = open_img(file, true, NULL);
            g_assert_nonnull(img);
        } else if (kind == 17) {
            g_assert_cmpint(block_flush(img), ==, 0);
        } else if (kind == 18 && v->bits > 1) {
            if (!snap) {
                if (!qcow2_snapshot_create(block_node(img), "s", NULL)) {
                    g_assert_cmpuint(v->bits, <, 8); /* compressed clusters share one whose count is full */
                    continue;
                }
                g_free(saved);
                saved = g_memdup2(model, size);
            } else if (g_rand_boolean(r)) {
                g_assert_true(qcow2_snapshot_delete(block_node(img), "s", NULL));
            } else {
                g_assert_true(qcow2_snapshot_apply(block_node(img), "s", NULL));
                memcpy(model, saved, size);
                g_assert_true(qcow2_snapshot_delete(block_node(img), "1", NULL) || qcow2_snapshot_delete(block_node(img), "s", NULL));
            }
            snap = !snap;
        }
        if (n % 10 == 0)
            compare(img, model, size);
    }
    compare(img, model, size);
    block_close(img);
    check_with_qemu(file);
    img = open_img(file, false, NULL);
    g_assert_nonnull(img);
    compare(img, model, size);
    check_clean(img);
    block_close(img);
    g_rand_free(r);
}

static void test_random(gconstpointer p)
{
    for (guint32 seed = 1; seed <= (g_test_thorough() ? 100 : 2); seed++)
        random_operations(p, seed);
}

/* ---- requests in parallel ---- */

static int failures;
static void done(void *opaque, int ret) { failures += ret != 0; }

static void test_parallel(void)
{
    enum { N = 512, SIZE = 4096 };
    g_autofree char *file = path_of("parallel.qcow2");
    Qcow2CreateOpts o = opts_of(N * SIZE);
    static uint8_t data[N][SIZE];
    static struct iovec iov[N];
    g_assert_true(qcow2_create(file, &o, NULL));
    BlockImage *img = open_img(file, true, NULL);
    failures = 0;
    for (int i = 0; i < N; i++) {
        int k = i * 37 % N; /* several in one cluster at a time */
        memset(data[k], k + 1, SIZE);
        iov[k] = (struct iovec){data[k], SIZE};
        block_aio_writev(img, (uint64_t)k * SIZE, &iov[k], 1, done, NULL);
        if (i % 40 == 0)
            block_aio_flush(img, done, NULL);
    }
    block_drain(img);
    g_assert_cmpint(failures, ==, 0);
    compare(img, &data[0][0], sizeof data);
    check_clean(img);
    block_close(img);
    check_with_qemu(file);
}

/* Batches of neighbours that share clusters: writes, reads, discards and flushes in flight together. */
static void test_stress(void)
{
    enum { N = 64, SIZE = 2560, ROUNDS = 60 };
    g_autofree char *file = path_of("stress.qcow2");
    static uint8_t model[N * SIZE], data[N][SIZE], got[N][SIZE];
    struct iovec iov[N], in[N];
    GRand *r = g_rand_new_with_seed(3);
    for (int ext = 0; ext < 2; ext++) {
        Qcow2CreateOpts o = opts_of(N * SIZE);
        o.cluster_size = ext ? 16384 : 4096;
        o.ext_l2 = ext;
        memset(model, 0, sizeof model);
        g_assert_true(qcow2_create(file, &o, NULL));
        BlockImage *img = open_img(file, true, NULL);
        failures = 0;
        for (int n = 0; n < ROUNDS; n++) {
            for (int k = 0; k < N; k++) {
                int kind = g_rand_int_range(r, 0, 8);
                in[k] = (struct iovec){got[k], SIZE};
                if (kind < 5) {
                    memset(data[k], n * 8 + kind, SIZE);
                    memcpy(model + k * SIZE, data[k], SIZE);
                    iov[k] = (struct iovec){data[k], SIZE};
                    block_aio_writev(img, (uint64_t)k * SIZE, &iov[k], 1, done, NULL);
                } else if (kind < 7) {
                    block_aio_readv(img, (uint64_t)k * SIZE, &in[k], 1, done, NULL);
                } else {
                    block_aio_flush(img, done, NULL);
                }
            }
            block_drain(img);
            compare(img, model, sizeof model);
            /* whole clusters go, while others are written */
            uint64_t cut = (uint64_t)g_rand_int_range(r, 0, 4) * 16384;
            block_aio_discard(img, cut, 16384, done, NULL);
            for (int k = 40; k < N; k++) {
                iov[k] = (struct iovec){model + k * SIZE, SIZE};
                block_aio_writev(img, (uint64_t)k * SIZE, &iov[k], 1, done, NULL);
            }
            block_aio_flush(img, done, NULL);
            block_drain(img);
            memset(model + cut, 0, 16384);
            compare(img, model, sizeof model);
        }
        g_assert_cmpint(failures, ==, 0);
        g_assert_cmpint(block_flush(img), ==, 0);
        g_assert_cmpint(block_flush(img), ==, 0);
        check_clean(img);
        block_close(img);
        check_with_qemu(file);
    }
    g_rand_free(r);
}

/* ---- damage ---- */

/* Opens, reads, writes, checks: whatever happens, nothing may crash and the file must not grow without bound. */
static void exercise(const char *path)
{
    for (int mode = 0; mode < 3; mode++) {
        BlockOpenOpts o = {.filename = path, .format = "qcow2", .read_only = mode == 0, .check = mode == 2};
        GError *err = NULL;
        BlockImage *img = block_open(&o, &err);
        if (!img) {
            g_assert_nonnull(err);
            g_assert_null(strchr(err->message, '\n'));
            g_clear_error(&err);
            continue;
        }
        uint8_t buf[4096];
        uint64_t len = block_length(img);
        for (int i = 0; i < 8 && len >= sizeof buf; i++)
            block_pread(img, len / 8 * (uint64_t)i & ~511ULL, buf, sizeof buf);
        if (mode == 1)
            for (int i = 0; i < 4 && len >= sizeof buf; i++)
                block_pwrite(img, len / 4 * (uint64_t)i & ~511ULL, buf, sizeof buf);
        if (mode == 2) {
            Qcow2Check r;
            qcow2_check(block_node(img), &r, FIX_LEAKS | FIX_ERRORS, NULL);
        }
        block_close(img);
        g_autofree char *text = NULL;
        gsize n = 0;
        if (g_file_get_contents(path, &text, &n, NULL))
            g_assert_cmpuint(n, <, 64 * MiB);
    }
}

static void test_fuzzed(void)
{
    g_autofree char *file = path_of("good.qcow2"), *bad = path_of("bad.qcow2"), *good = NULL;
    gsize n;
    Qcow2CreateOpts o = opts_of(256 * KiB);
    static const uint64_t values[] = {0, 1, 2, 3, 7, 9, 31, 63, 64, 255, 511, 512, 4096, 65535, 0x10000, 0x7fffffff, 0x80000000,
                                      0xffffffff, 0x100000000, BIT(40), BIT(55), BIT(62), BIT(63), UINT64_MAX, UINT64_MAX - 511};
    uint8_t buf[8192];
    o.cluster_size = 4096;
    o.backing = "good.raw";
    o.backing_format = "raw";
    g_autofree char *raw = path_of("good.raw");
    memset(buf, 7, sizeof buf);
    g_assert_true(g_file_set_contents(raw, (char *)buf, sizeof buf, NULL));
    g_assert_true(qcow2_create(file, &o, NULL));
    BlockImage *img = open_img(file, true, NULL);
    block_pwrite(img, 0, buf, sizeof buf);
    g_assert_true(qcow2_snapshot_create(block_node(img), "snap", NULL));
    block_pwrite(img, 100 * KiB, buf, sizeof buf);
    qcow2_write_compressed(block_node(img), 64 * KiB, buf);
    block_close(img);
    g_assert_true(g_file_get_contents(file, &good, &n, NULL));
    /* each field of the header, 4 and 8 bytes wide */
    for (unsigned at = 4; at < 112; at += 4)
        for (size_t v = 0; v < ARRAY_SIZE(values); v++)
            for (unsigned wide = 0; wide < 2 && at + 4 + 4 * wide <= 112; wide++) {
                g_autofree uint8_t *copy = g_memdup2(good, n);
                if (wide)
                    stb64(copy + at, values[v]);
                else
                    stb32(copy + at, (uint32_t)values[v]);
                g_assert_true(g_file_set_contents(bad, (char *)copy, (gssize)n, NULL));
                exercise(bad);
            }
    /* random words anywhere in the tables, and cut off files */
    GRand *r = g_rand_new_with_seed(11);
    for (int i = 0; i < 400; i++) {
        g_autofree uint8_t *copy = g_memdup2(good, n);
        gsize len = n;
        if (i % 4 == 0)
            len = (gsize)g_rand_int_range(r, 0, (gint32)n);
        for (int k = 0; k < 4; k++)
            stb64(copy + ((gsize)g_rand_int_range(r, 0, (gint32)n - 8) & ~7UL),
                  values[g_rand_int_range(r, 0, ARRAY_SIZE(values))] | (uint64_t)g_rand_int_range(r, 0, 16) << 12);
        g_assert_true(g_file_set_contents(bad, (char *)copy, (gssize)len, NULL));
        exercise(bad);
    }
    g_rand_free(r);
}

static void expect_open_error(const char *path, bool write, const char *text)
{
    GError *err = NULL;
    BlockImage *img = open_img(path, write, &err);
    g_assert_null(img);
    g_test_message("%s", err->message);
    g_assert_nonnull(strstr(err->message, text));
    g_clear_error(&err);
}

static void poke(const char *path, unsigned at, uint64_t v)
{
    FILE *f = fopen(path, "r+b");
    uint8_t b[8];
    stb64(b, v);
    g_assert_nonnull(f);
    fseek(f, at, SEEK_SET);
    g_assert_cmpuint(fwrite(b, 8, 1, f), ==, 1);
    fclose(f);
}

static void test_features(void)
{
    g_autofree char *file = path_of("features.qcow2"), *loop = path_of("loop.qcow2");
    Qcow2CreateOpts o = opts_of(MiB);
    g_assert_true(qcow2_create(file, &o, NULL));
    poke(file, 72, BIT(9));
    expect_open_error(file, false, "unknown incompatible feature bit 9");
    poke(file, 72, INCOMPAT_DATA_FILE);
    expect_open_error(file, false, "external data file");
    poke(file, 72, INCOMPAT_CORRUPT);
    expect_open_error(file, true, "corrupt");
    BlockImage *img = open_img(file, false, NULL);
    g_assert_nonnull(img); /* reading is fine */
    block_close(img);
    o.backing = "loop.qcow2";
    o.backing_format = "qcow2";
    g_assert_true(qcow2_create(loop, &o, NULL));
    expect_open_error(loop, false, "leads back to itself");
    o.backing = "missing.qcow2";
    g_assert_true(qcow2_create(file, &o, NULL));
    expect_open_error(file, false, "missing.qcow2");
}

/* Tables whose entries have all bits set name no more clusters than there are entries: what is noted of them is finite. */
static void test_wild_entries(void)
{
    g_autofree char *file = path_of("wild.qcow2");
    Qcow2CreateOpts o = opts_of(MiB);
    g_assert_true(qcow2_create(file, &o, NULL));
    BlockImage *img = open_img(file, false, NULL);
    Qcow2 *s = block_node(img)->state;
    uint64_t l1 = s->l1_off, reft = s->reft_off;
    block_close(img);
    poke(file, (unsigned)l1, UINT64_MAX);
    poke(file, (unsigned)reft + 8, UINT64_MAX);
    poke(file, (unsigned)reft + 16, UINT64_MAX - 511);
    img = open_img(file, false, NULL);
    if (img) {
        s = block_node(img)->state;
        g_assert_cmpuint(s->meta.used, <, 40);
        g_assert_true(qcow2_is_meta(s, L2_OFFSET_MASK >> s->cluster_bits));
        qcow2_note_meta(s, UINT64_MAX - 10, 1, true); /* at the very end of all numbers */
        g_assert_cmpuint(s->meta.used, <, 41);
        qcow2_note_meta(s, 5 * s->cluster_size - 1, 2, true);
        g_assert_true(qcow2_is_meta(s, 4) && qcow2_is_meta(s, 5));
    }
    block_close(img);
}

static void test_overlap_marks_corrupt(void)
{
    g_autofree char *file = path_of("overlap.qcow2");
    Qcow2CreateOpts o = opts_of(MiB);
    uint8_t buf[512] = {1};
    g_assert_true(qcow2_create(file, &o, NULL));
    BlockImage *img = open_img(file, true, NULL);
    g_assert_cmpint(block_pwrite(img, 0, buf, 512), ==, 0);
    Qcow2 *s = block_node(img)->state;
    uint64_t l2 = s->l1[0] & L1_OFFSET_MASK;
    block_close(img);
    poke(file, (unsigned)l2, l2 | QCOW_COPIED); /* the first data cluster is its own L2 table */
    img = open_img(file, true, NULL);
    g_assert_cmpint(block_pwrite(img, 0, buf, 512), ==, -EIO);
    g_assert_cmpint(block_pwrite(img, 128 * KiB, buf, 512), ==, -EIO);
    block_close(img);
    expect_open_error(file, true, "corrupt");
}

static void test_dirty_is_repaired(void)
{
    g_autofree char *file = path_of("dirty.qcow2");
    Qcow2CreateOpts o = opts_of(MiB);
    uint8_t buf[4096];
    memset(buf, 5, sizeof buf);
    o.lazy = true;
    g_assert_true(qcow2_create(file, &o, NULL));
    BlockImage *img = open_img(file, true, NULL);
    g_assert_cmpint(block_pwrite(img, 70000, buf, sizeof buf), ==, 0);
    Qcow2 *s = block_node(img)->state;
    uint64_t block = s->reft[0];
    block_close(img);
    poke(file, 72, INCOMPAT_DIRTY);
    poke(file, (unsigned)block + 6, 0); /* four counts are lost */
    img = open_img(file, true, NULL);
    g_assert_nonnull(img);
    block_close(img);
    check_with_qemu(file);
    img = open_img(file, false, NULL);
    check_clean(img);
    memset(buf, 0, sizeof buf);
    g_assert_cmpint(block_pread(img, 70000, buf, sizeof buf), ==, 0);
    g_assert_cmpuint(buf[4095], ==, 5);
    block_close(img);
}

/* ---- a writer that is killed ---- */

enum { SLOTS = 256, SLOT = 4096 };

/* Writes counters to slots, and tells the parent after each flush what the disk must have now. Some rounds make
 * snapshots meanwhile, which turn later writes into copies, and discard what is between the slots. */
static void writer(const char *file, int fd, guint32 seed)
{
    BlockImage *img = open_img(file, true, NULL);
    uint32_t now[SLOTS] = {0};
    uint8_t buf[SLOT];
    GRand *r = g_rand_new_with_seed(seed);
    for (uint32_t n = 1;; n++) {
        int k = g_rand_int_range(r, 0, SLOTS);
        for (int i = 0; i < SLOT; i += 4)
            stl32(buf + i, n);
        if (block_pwrite(img, (uint64_t)k * 3 * SLOT, buf, SLOT))
            _exit(1);
        now[k] = n;
        if (seed % 3 == 1 && n % 40 == 0) {
            qcow2_snapshot_delete(block_node(img), "s", NULL);
            if (!qcow2_snapshot_create(block_node(img), "s", NULL))
                _exit(1);
        }
        if (seed % 3 == 2 && n % 11 == 0 && block_discard(img, ((uint64_t)k * 3 + 1) * SLOT, 2 * SLOT))
            _exit(1);
        if (n % 7 == 0) {
            if (block_flush(img) || write(fd, now, sizeof now) != sizeof now)
                _exit(1);
        }
    }
}

/* After the kill, qemu-img calls the image clean or says that clusters are lost (3); a dirty one once it was opened. */
static void check_leaked_at_most(const char *file, bool repair)
{
    g_autofree char *prog = g_find_program_in_path("qemu-img");
    if (repair)
        block_close(open_img(file, true, NULL));
    if (!prog)
        return;
    g_autofree char *cmd = g_strdup_printf("%s check -q %s", prog, file), *out = NULL, *err = NULL;
    int status = 0;
    g_assert_true(g_spawn_command_line_sync(cmd, &out, &err, &status, NULL));
    g_assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3));
}

static void test_killed(void)
{
    g_autofree char *file = path_of("killed.qcow2");
    const char *rounds = g_getenv("KILL_ROUNDS"); /* 200 for a thorough run */
    for (guint32 round = 0; round < (rounds ? (guint32)atoi(rounds) : 25u); round++) {
        Qcow2CreateOpts o = opts_of((uint64_t)SLOTS * 3 * SLOT);
        o.cluster_size = round % 2 ? 4096 : 65536;
        o.lazy = round % 5 == 3;
        if (round % 5 == 4) {
            o.ext_l2 = true;
            o.cluster_size = 32768;
        }
        uint32_t last[SLOTS] = {0}, next[SLOTS];
        int fd[2];
        g_assert_true(qcow2_create(file, &o, NULL));
        bool bitmap = round % 4 == 2;
        if (bitmap) {
            BlockOpenOpts edit = {.filename = file, .format = "qcow2", .check = true};
            BlockImage *img = block_open(&edit, NULL);
            g_assert_true(img && qcow2_bitmap_add(block_node(img), "b", 65536, NULL));
            block_close(img);
        }
        g_assert_cmpint(pipe(fd), ==, 0);
        pid_t pid = fork();
        if (!pid) {
            close(fd[0]);
            writer(file, fd[1], round);
        }
        close(fd[1]);
        unsigned reports = 1 + round * 7 % 23;
        for (unsigned i = 0; i < reports && read(fd[0], next, sizeof next) == sizeof next; i++)
            memcpy(last, next, sizeof last);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(fd[0], next, sizeof next) == sizeof next)
            memcpy(last, next, sizeof last);
        close(fd[0]);
        BlockImage *img = open_img(file, false, NULL);
        g_assert_nonnull(img);
        Qcow2Check c;
        g_assert_cmpint(qcow2_check(block_node(img), &c, 0, NULL), ==, 0);
        GArray *maps = ((Qcow2 *)block_node(img)->state)->bitmaps;
        g_assert_true(!bitmap || (maps->len == 1 && g_array_index(maps, Qcow2Bitmap, 0).flags & BITMAP_IN_USE)); /* not to be believed */
        /* lazy counts, and the flags of a snapshot half made, are repaired when the image is opened for writing */
        bool dirty = ((Qcow2 *)block_node(img)->state)->incompat & INCOMPAT_DIRTY;
        g_assert_true(!dirty || o.lazy || round % 3 == 1);
        if (c.corruptions && !dirty) {
            g_test_message("round %u: cluster size %" PRIu64 ", extended_l2 %d", round, o.cluster_size, o.ext_l2);
            qcow2_check(block_node(img), &c, 0, stderr);
        }
        if (!dirty)
            g_assert_cmpuint(c.corruptions, ==, 0);
        for (int k = 0; k < SLOTS; k++) {
            uint8_t buf[SLOT];
            g_assert_cmpint(block_pread(img, (uint64_t)k * 3 * SLOT, buf, SLOT), ==, 0);
            /* at least what was flushed; a write after it may be there in part */
            for (int i = 0; i < SLOT; i += 4)
                g_assert_cmpuint(ldl32(buf + i), >=, last[k]);
        }
        block_close(img);
        check_leaked_at_most(file, dirty);
    }
}

/* The L1 table moves while it has changes that are not on disk yet. */
static void test_grow_l1(void)
{
    g_autofree char *path = path_of("grow.qcow2");
    Qcow2CreateOpts o = opts_of(1 << 20);
    o.cluster_size = 512;
    g_assert_true(qcow2_create(path, &o, NULL));
    BlockImage *img = open_img(path, true, NULL);
    g_autofree uint8_t *model = g_malloc0(16 << 20);
    for (unsigned i = 0; i < 16; i++) {
        uint64_t at = i * (1 << 20), len = (uint64_t)(i + 1) << 20;
        if (i)
            g_assert_cmpint(block_truncate(img, len), ==, 0);
        memset(model + at, (int)i + 1, 5000);
        g_assert_cmpint(block_pwrite(img, at, model + at, 5000), ==, 0);
        compare(img, model, len);
    }
    check_clean(img);
    block_close(img);
    check_with_qemu(path);
}

/* An L1 table of more clusters than a refcount block counts: the new blocks must not lie in the middle of it. */
static void test_long_tables(void)
{
    static const unsigned bits[] = {64, 16, 1};
    for (unsigned i = 0; i < ARRAY_SIZE(bits); i++) {
        g_autofree char *path = path_of("long.qcow2");
        Qcow2CreateOpts o = opts_of(1 << 20);
        o.cluster_size = 512;
        o.refcount_bits = bits[i];
        uint8_t buf[512], back[512];
        g_assert_true(qcow2_create(path, &o, NULL));
        BlockImage *img = open_img(path, true, NULL);
        memset(buf, 7, sizeof buf);
        g_assert_cmpint(block_truncate(img, 1ull << 30), ==, 0);
        g_assert_cmpint(block_pwrite(img, (1ull << 30) - 512, buf, 512), ==, 0);
        if (bits[i] > 1) {
            GError *err = NULL;
            g_assert_true(qcow2_snapshot_create(block_node(img), "s", &err));
            g_assert_no_error(err);
            memset(back, 8, sizeof back);
            g_assert_cmpint(block_pwrite(img, (1ull << 30) - 512, back, 512), ==, 0);
            g_assert_true(qcow2_snapshot_apply(block_node(img), "s", &err));
        }
        g_assert_cmpint(block_pread(img, (1ull << 30) - 512, back, 512), ==, 0);
        g_assert_cmpmem(buf, 512, back, 512);
        check_clean(img);
        block_close(img);
        struct stat st;
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_size, <, 4 << 20);
        check_with_qemu(path);
        unlink(path);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* a file system in memory where there is one: hundreds of syncs take no time there, and a killed process is not a crash of the host */
    dir = g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? g_mkdtemp(g_strdup("/dev/shm/vireo-qcow2-XXXXXX")) : NULL;
    if (!dir)
        dir = g_dir_make_tmp("vireo-qcow2-XXXXXX", NULL);
    for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
        g_autofree char *name = g_strdup_printf("/host/block/qcow2/random/%s", variants[i].name);
        g_test_add_data_func(name, &variants[i], test_random);
    }
    g_test_add_func("/host/block/qcow2/grow-l1", test_grow_l1);
    g_test_add_func("/host/block/qcow2/long-tables", test_long_tables);
    g_test_add_func("/host/block/qcow2/parallel", test_parallel);
    g_test_add_func("/host/block/qcow2/stress", test_stress);
    g_test_add_func("/host/block/qcow2/features-and-chains", test_features);
    g_test_add_func("/host/block/qcow2/wild-entries", test_wild_entries);
    g_test_add_func("/host/block/qcow2/overlap-marks-corrupt", test_overlap_marks_corrupt);
    g_test_add_func("/host/block/qcow2/dirty-is-repaired", test_dirty_is_repaired);
    g_test_add_func("/host/block/qcow2/killed-writer-loses-nothing-flushed", test_killed);
    g_test_add_func("/host/block/qcow2/fuzzed", test_fuzzed);
    int rc = g_test_run();
    g_autofree char *cmd = g_strdup_printf("rm -rf %s", dir);
    return system(cmd) ? 1 : rc;
}
