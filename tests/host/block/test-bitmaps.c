/* test-bitmaps.c - persistent bitmaps of a qcow2 image note what changes while it is open for writing (qcow2-bitmap-record.c). */
#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "host/block/qcow2.h"
#include "softmmu/timer.h"
#include <sys/wait.h>

static char *dir;

static char *image(const char *name, const Qcow2CreateOpts *o)
{
    char *path = g_build_filename(dir, name, NULL);
    GError *err = NULL;
    g_assert_true(qcow2_create(path, o, &err));
    return path;
}

static BlockImage *open_image(const char *path, bool check, bool read_only)
{
    BlockOpenOpts o = {.filename = path, .format = "qcow2", .read_only = read_only, .lock = true, .check = check, .discard_unmap = true};
    GError *err = NULL;
    BlockImage *img = block_open(&o, &err);
    g_assert_no_error(err);
    return img;
}

static void add(const char *path, const char *name, uint64_t granularity, bool enabled)
{
    BlockImage *img = open_image(path, true, false);
    GError *err = NULL;
    g_assert_true(qcow2_bitmap_add(block_node(img), name, granularity, &err));
    g_assert_true(enabled || qcow2_bitmap_enable(block_node(img), name, false, &err));
    block_close(img);
}

static const Qcow2Bitmap *find(BlockImage *img, const char *name)
{
    Qcow2 *s = block_node(img)->state;
    for (guint i = 0; i < s->bitmaps->len; i++)
        if (g_str_equal(g_array_index(s->bitmaps, Qcow2Bitmap, i).name, name))
            return &g_array_index(s->bitmaps, Qcow2Bitmap, i);
    return NULL;
}

/* The image is clean, the bitmap is not in use, and has exactly the bits of the model (a byte per 512). */
static void check_bits(const char *path, const char *name, const uint8_t *model, uint64_t size)
{
    BlockImage *img = open_image(path, true, true);
    const Qcow2Bitmap *m = find(img, name);
    GError *err = NULL;
    uint8_t *bits;
    Qcow2Check c;
    g_assert_nonnull(m);
    g_assert_cmpuint(m->flags & BITMAP_IN_USE, ==, 0);
    g_assert_true(qcow2_bitmap_load_bits(block_node(img)->state, m, &bits, &err));
    for (uint64_t i = 0; i < qcow2_bitmap_bits(block_node(img)->state, m->granularity); i++) {
        bool want = false;
        for (uint64_t at = i * m->granularity; model && at < MIN((i + 1) * m->granularity, size); at += 512)
            want |= model[at / 512];
        if ((bits[i / 8] >> (i & 7) & 1) != want)
            g_error("%s: bit %" PRIu64 " of '%s' is %d", path, i, name, !want);
    }
    g_free(bits);
    g_assert_cmpint(qcow2_check(block_node(img), &c, 0, stderr), ==, 0);
    g_assert_cmpuint(c.corruptions + c.leaks + c.check_errors, ==, 0);
    block_close(img);
}

static void test_random(gconstpointer p)
{
    const Qcow2CreateOpts *o = p;
    enum { MAX = 24 << 20 };
    g_autofree char *path = image("random.qcow2", o);
    g_autofree uint8_t *model = g_malloc0(MAX / 512), *buf = g_malloc(MAX);
    GRand *r = g_rand_new_with_seed((guint32)o->cluster_size + o->ext_l2);
    uint64_t size = o->size;
    memset(buf, 7, MAX);
    add(path, "fine", 512, true);
    add(path, "rough", 1 << 20, true);
    add(path, "off", 4096, false);
    for (int round = 0; round < 6; round++) {
        BlockImage *img = open_image(path, false, false);
        for (int i = 0; i < 12; i++) {
            uint64_t at = (uint64_t)g_rand_int_range(r, 0, (gint32)(size / 512)) * 512, n = 512ULL * (uint64_t)g_rand_int_range(r, 1, 900);
            n = MIN(n, size - at);
            switch (g_rand_int_range(r, 0, 8)) {
            case 0: g_assert_cmpint(block_write_zeroes(img, at, n, i & 1), ==, 0); break;
            case 1: g_assert_cmpint(block_discard(img, at, n), ==, 0); break;
            case 2: {
                at &= ~(o->cluster_size - 1);
                n = MIN(o->cluster_size, size - at);
                g_assert_cmpint(qcow2_write_compressed(block_node(img), at, buf), ==, 0);
                break;
            }
            case 3: { /* to another size */
                uint64_t old = size;
                size = (uint64_t)g_rand_int_range(r, 1, MAX / 512) * 512;
                g_assert_cmpint(block_truncate(img, size), ==, 0);
                if (size < old)
                    memset(model + size / 512, 0, (old - size) / 512);
                /* A bit that the end cuts through stays, and grows with the disk again: as the rest of it has the same age. */
                n = 0;
                break;
            }
            case 4: g_assert_cmpint(block_flush(img), ==, 0); n = 0; break;
            case 5: g_assert_cmpint(block_pread(img, at, buf, n), ==, 0); n = 0; break;
            default: g_assert_cmpint(block_pwrite(img, at, buf, n), ==, 0); break;
            }
            memset(model + at / 512, 1, n / 512);
        }
        block_close(img);
        check_bits(path, "fine", model, size);
        check_bits(path, "off", NULL, size);
    }
    g_rand_free(r);
}

/* Bits of every kind of edge, without resizing (where a rough bit may say more than a fine one). */
static void test_granularities(void)
{
    const Qcow2CreateOpts o = {.size = (5 << 20) + 512, .cluster_size = 4096, .version = 3, .refcount_bits = 16};
    g_autofree char *path = image("edges.qcow2", &o);
    g_autofree uint8_t *model = g_malloc0(o.size / 512 + 1), *buf = g_malloc0(o.size);
    static const char *const names[] = {"512", "4096", "65536", "1048576", "2147483648"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        add(path, names[i], g_ascii_strtoull(names[i], NULL, 10), true);
    static const struct { uint64_t at, n; } w[] = {{0, 512}, {65536 - 512, 1024}, {1 << 20, 1 << 20}, {(2 << 20) + 512 * 7, 512 * 18}, {(3 << 20) - 512, 65536},
                                                   {5 << 20, 512}};
    for (size_t k = 0; k < ARRAY_SIZE(w); k++) {
        BlockImage *img = open_image(path, false, false);
        g_assert_cmpint(block_pwrite(img, w[k].at, buf, w[k].n), ==, 0);
        memset(model + w[k].at / 512, 1, w[k].n / 512);
        block_close(img);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            check_bits(path, names[i], model, o.size);
    }
    BlockImage *img = open_image(path, false, false); /* a disabled one stays as it is, a snapshot may be taken but not applied */
    GError *err = NULL;
    g_assert_true(qcow2_snapshot_create(block_node(img), "s", &err));
    g_assert_false(qcow2_snapshot_apply(block_node(img), "s", &err));
    g_assert_nonnull(strstr(err->message, "active dirty bitmaps"));
    g_clear_error(&err);
    block_close(img);
    check_bits(path, "512", model, o.size);
}

/* While it is open for writing the marks are on disk; after a death they stay, and nothing else is lost. */
static void test_killed(void)
{
    const Qcow2CreateOpts o = {.size = 4 << 20, .cluster_size = 65536, .version = 3, .refcount_bits = 16};
    g_autofree char *path = image("killed.qcow2", &o);
    uint8_t buf[4096] = {1};
    add(path, "a", 65536, true);
    add(path, "b", 65536, false);
    int status;
    pid_t pid = fork();
    if (!pid) {
        BlockImage *img = open_image(path, false, false);
        _exit(block_pwrite(img, 0, buf, sizeof buf) || block_flush(img) ? 1 : 0);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    BlockImage *img = open_image(path, false, true);
    g_assert_cmpuint(find(img, "a")->flags, ==, BITMAP_IN_USE | BITMAP_AUTO);
    g_assert_cmpuint(find(img, "b")->flags, ==, BITMAP_IN_USE);
    block_close(img);
    img = open_image(path, false, false);
    g_assert_cmpint(block_pwrite(img, 65536, buf, sizeof buf), ==, 0);
    g_assert_cmpint(block_truncate(img, 8 << 20), ==, -ENOTSUP); /* what is not known cannot be made longer */
    block_close(img);
    img = open_image(path, true, false);
    g_assert_cmpuint(find(img, "a")->flags, ==, BITMAP_IN_USE | BITMAP_AUTO);
    GError *err = NULL;
    g_assert_true(qcow2_bitmap_remove(block_node(img), "a", &err) && qcow2_bitmap_remove(block_node(img), "b", &err));
    Qcow2Check c;
    g_assert_cmpint(qcow2_check(block_node(img), &c, 0, stderr), ==, 0);
    g_assert_cmpuint(c.corruptions + c.leaks + c.check_errors, ==, 0);
    block_close(img);
}

/* What cannot be kept is dropped, with the autoclear bit, and not believed by anybody. */
static void test_dropped(void)
{
    const Qcow2CreateOpts o = {.size = 4 << 20, .cluster_size = 65536, .version = 3, .refcount_bits = 16};
    for (int k = 0; k < 4; k++) {
        g_autofree char *path = image("odd.qcow2", &o), *data = NULL;
        gsize n;
        add(path, "a", 65536, true);
        BlockImage *img = open_image(path, true, true);
        uint64_t at = ((Qcow2 *)block_node(img)->state)->bitmaps_off;
        block_close(img);
        g_assert_true(g_file_get_contents(path, &data, &n, NULL));
        if (k == 0)
            data[at + 16] = 2;                     /* another type */
        else if (k == 1)
            stb32(data + at + 20, 0x7fffffff);     /* extra data beyond the directory */
        else if (k == 2)
            stb32(data + at + 12, 0x80000002);     /* a flag that nobody knows */
        else
            stb32(data + at + 8, 77);              /* a table that does not fit */
        g_assert_true(g_file_set_contents(path, data, (gssize)n, NULL));
        img = open_image(path, false, false);
        block_close(img);
        img = open_image(path, false, true);
        g_assert_cmpuint(((Qcow2 *)block_node(img)->state)->bitmaps->len, ==, 0);
        g_assert_cmpuint(((Qcow2 *)block_node(img)->state)->autoclear, ==, 0);
        block_close(img);
        unlink(path);
    }
}

/* A copy-on-read changes nothing that the disk shows. */
static void test_copy_on_read(void)
{
    g_autofree char *base = g_build_filename(dir, "base", NULL), *path = NULL;
    g_autofree uint8_t *buf = g_malloc0(1 << 20), *model = g_malloc0(2048);
    memset(buf, 5, 1 << 20);
    g_assert_true(g_file_set_contents(base, (char *)buf, 1 << 20, NULL));
    const Qcow2CreateOpts o = {.size = 1 << 20, .cluster_size = 4096, .version = 3, .refcount_bits = 16, .backing = base, .backing_format = "raw"};
    path = image("cor.qcow2", &o);
    add(path, "a", 4096, true);
    BlockImage *img = open_image(path, false, false);
    node_set_copy_on_read(block_node(img));
    g_assert_cmpint(block_pread(img, 0, buf, 300000), ==, 0);
    g_assert_cmpint(block_pwrite(img, 500 * 512, buf, 512), ==, 0);
    model[500] = 1;
    block_close(img);
    check_bits(path, "a", model, 1 << 20);
}

int main(int argc, char **argv)
{
    static const Qcow2CreateOpts variants[] = {
        {.size = 8 << 20, .cluster_size = 65536, .version = 3, .refcount_bits = 16},
        {.size = 8 << 20, .cluster_size = 512, .version = 3, .refcount_bits = 16},
        {.size = 8 << 20, .cluster_size = 16384, .version = 3, .refcount_bits = 16, .ext_l2 = true},
        {.size = 8 << 20, .cluster_size = 4096, .version = 3, .refcount_bits = 16, .lazy = true},
    };
    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("vireo-bitmaps-XXXXXX", NULL);
    clock_use_test_clock();
    for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
        g_autofree char *name = g_strdup_printf("/host/block/bitmaps/random-%zu", i);
        g_test_add_data_func(name, &variants[i], test_random);
    }
    g_test_add_func("/host/block/bitmaps/granularities", test_granularities);
    g_test_add_func("/host/block/bitmaps/killed", test_killed);
    g_test_add_func("/host/block/bitmaps/dropped", test_dropped);
    g_test_add_func("/host/block/bitmaps/copy-on-read", test_copy_on_read);
    int rc = g_test_run();
    g_autofree char *cmd = g_strdup_printf("rm -rf %s", dir);
    return system(cmd) ? 1 : rc;
}
