/* test-block.c - raw images, the -snapshot overlay, locks, requests and drives. */
#include "host/base/osdep.h"
#include "host/block/block.h"
#include "softmmu/bql.h"
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

static char *dir;

static char *image(const char *name, size_t size)
{
    char *path = g_build_filename(dir, name, NULL);
    g_autofree uint8_t *buf = g_malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        buf[i] = (uint8_t)(i / 512 + i);
    g_assert_true(g_file_set_contents(path, (char *)buf, (gssize)size, NULL));
    return path;
}

static BlockImage *open_img(const char *path, bool ro, bool snapshot, GError **errp)
{
    BlockOpenOpts o = {.filename = path, .format = "raw", .read_only = ro, .snapshot = snapshot, .lock = true};
    return block_open(&o, errp);
}

static void test_open_errors(void)
{
    static const struct {
        const char *name;
        int size;
        const char *text;
    } t[] = {{"none", -1, "No such file"}, {"empty", 0, "empty"}, {"tiny", 511, "smaller than one sector"}};
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        GError *err = NULL;
        g_autofree char *path = t[i].size < 0 ? g_build_filename(dir, t[i].name, NULL) : image(t[i].name, t[i].size);
        g_assert_null(open_img(path, false, false, &err));
        g_assert_nonnull(strstr(err->message, t[i].text));
        g_assert_nonnull(strstr(err->message, path));
        g_clear_error(&err);
    }
    GError *err = NULL;
    g_assert_null(open_img(dir, true, false, &err));
    g_assert_nonnull(strstr(err->message, "Is a directory"));
    g_clear_error(&err);
}

static void test_padding(void)
{
    g_autofree char *path = image("odd", 1000);
    BlockImage *img = open_img(path, false, false, NULL);
    uint8_t buf[1024];
    g_assert_cmpuint(block_length(img), ==, 1024);
    memset(buf, 0xff, sizeof buf);
    g_assert_cmpint(block_pread(img, 0, buf, 1024), ==, 0);
    g_assert_cmpuint(buf[999], ==, (uint8_t)(999 / 512 + 999));
    for (int i = 1000; i < 1024; i++)
        g_assert_cmpuint(buf[i], ==, 0);
    memset(buf, 0xff, sizeof buf);
    g_assert_cmpint(block_pread(img, 512, buf, 1024), ==, 0); /* over the end: zeros */
    g_assert_cmpuint(buf[1023], ==, 0);
    g_assert_cmpint(block_pwrite(img, 1024, buf, 512), ==, -EIO);
    block_close(img);
}

static void set_int(void *opaque, int ret) { *(int *)opaque = ret; }

/* An image that was taken for raw does not become another format by what the guest writes; one that is said to be raw may. */
static void test_probed(void)
{
    static const struct { uint64_t at; const char *magic; size_t n; } t[] = {
        {0, "QFI\xfb\0\0\0\3", 8}, {0, "KDMV", 4}, {0, "conectix", 8}, {0, "vhdxfile", 8}, {64, "\x7f\x10\xda\xbe", 4}};
    g_autofree char *path = image("probed", 8192);
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        uint8_t buf[2048] = {1}, rest[512];
        memcpy(buf + t[i].at, t[i].magic, t[i].n);
        BlockOpenOpts o = {.filename = path, .lock = true};
        BlockImage *img = block_open(&o, NULL);
        g_assert_cmpstr(block_format(img), ==, "raw");
        struct iovec iov[] = {{buf, 66}, {buf + 66, 1}, {buf + 67, 1024 - 67}};
        g_assert_cmpint(block_pwrite(img, 0, buf, 512), ==, -EPERM);
        g_assert_cmpint(block_pwrite(img, 0, buf, 2048), ==, -EPERM);
        g_assert_cmpint(block_pwrite(img, t[i].at, t[i].magic, t[i].n), ==, -EPERM);
        int got = 1;
        block_aio_writev(img, 0, iov, 3, set_int, &got);
        block_drain(img);
        g_assert_cmpint(got, ==, -EPERM);
        g_assert_cmpint(block_pwrite(img, 512, buf, 512), ==, 0);
        g_assert_cmpint(block_pread(img, 0, rest, 512), ==, 0);
        g_assert_cmpint(memcmp(rest, buf, 512), !=, 0);
        memset(buf, 0x55, 512);
        g_assert_cmpint(block_pwrite(img, 0, buf, 1024), ==, 0); /* anything else */
        block_close(img);
    }
    uint8_t buf[512] = "QFI\xfb";
    BlockImage *img = open_img(path, false, false, NULL);
    g_assert_cmpint(block_pwrite(img, 0, buf, 512), ==, 0);
    block_close(img);
}

static void test_snapshot(void)
{
    g_autofree char *path = image("snap", 64 * 1024);
    g_autofree uint8_t *ref = g_malloc(64 * 1024), *got = g_malloc(64 * 1024);
    BlockImage *img = open_img(path, false, true, NULL);
    g_assert_nonnull(img);
    g_assert_cmpint(block_pread(img, 0, ref, 64 * 1024), ==, 0);
    g_autofree uint8_t *orig = g_memdup2(ref, 64 * 1024);
    GRand *r = g_rand_new_with_seed(7);
    for (int n = 0; n < 200; n++) {
        unsigned at = (unsigned)g_rand_int_range(r, 0, 128) * 512;
        unsigned len = (unsigned)g_rand_int_range(r, 1, (gint32)MIN(40, 129 - at / 512)) * 512;
        memset(ref + at, n, len);
        g_assert_cmpint(block_pwrite(img, at, ref + at, len), ==, 0);
        g_assert_cmpint(block_pread(img, 0, got, 64 * 1024), ==, 0);
        g_assert_cmpmem(got, 64 * 1024, ref, 64 * 1024);
    }
    g_rand_free(r);
    block_close(img);
    g_autofree char *file = NULL;
    gsize len;
    g_assert_true(g_file_get_contents(path, &file, &len, NULL));
    g_assert_cmpmem(file, len, orig, 64 * 1024);
}

/* Runs open_img in another process: 0 it opened, 1 refused. */
static int other_process(const char *path, bool ro)
{
    pid_t pid = fork();
    if (!pid) {
        GError *err = NULL;
        BlockImage *img = open_img(path, ro, false, &err);
        _exit(img ? 0 : strstr(err->message, "\"write\" lock") && strstr(err->message, path) ? 1 : 2);
    }
    int st;
    g_assert_cmpint(waitpid(pid, &st, 0), ==, pid);
    return WEXITSTATUS(st);
}

static void test_locks(void)
{
    g_autofree char *path = image("locked", 4096);
    BlockImage *img = open_img(path, false, false, NULL);
    g_assert_cmpint(other_process(path, false), ==, 1);
    g_assert_cmpint(other_process(path, true), ==, 1);
    block_close(img);
    img = open_img(path, true, false, NULL);
    g_assert_cmpint(other_process(path, true), ==, 0);
    g_assert_cmpint(other_process(path, false), ==, 1);
    block_close(img);
    g_assert_cmpint(other_process(path, false), ==, 0);
}

static int done_count, last_ret;
static void done(void *opaque, int ret)
{
    done_count++;
    last_ret = ret;
}

static void test_aio(void)
{
    g_autofree char *path = image("aio", 1 << 20);
    BlockImage *img = open_img(path, false, false, NULL);
    static uint8_t bufs[64][4096];
    struct iovec iov[64];
    done_count = 0;
    for (int i = 0; i < 64; i++) {
        memset(bufs[i], i + 1, 4096);
        iov[i] = (struct iovec){bufs[i], 4096};
        block_aio_writev(img, (uint64_t)i * 8192, &iov[i], 1, done, NULL);
    }
    block_drain(img);
    g_assert_cmpint(done_count, ==, 64);
    uint8_t c;
    for (int i = 0; i < 64; i++) {
        g_assert_cmpint(block_pread(img, (uint64_t)i * 8192 + 4095, &c, 1), ==, 0);
        g_assert_cmpuint(c, ==, i + 1);
    }
    /* through the main loop */
    block_aio_flush(img, done, NULL);
    while (done_count < 65)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpint(last_ret, ==, 0);
    BlockReq *r = block_aio_readv(img, 0, iov, 1, done, NULL);
    block_aio_cancel(r);
    g_assert_cmpint(done_count, ==, 66);
    g_assert_cmpint(last_ret, ==, -ECANCELED);
    block_aio_writev(img, 1 << 20, iov, 1, done, NULL);
    block_drain(NULL);
    g_assert_cmpint(last_ret, ==, -EIO);
    block_close(img);
}

static void expect_drive_error(const char *opts, const char *text)
{
    GError *err = NULL;
    g_assert_null(drive_new(opts, &err));
    g_test_message("%s: %s", opts, err->message);
    g_assert_nonnull(strstr(err->message, text));
    g_clear_error(&err);
}

static void test_drives(void)
{
    g_autofree char *path = image("a,b", 4096);
    g_autofree char *opt = g_strdup_printf("file=%s/a,,b,format=raw,cache=unsafe", dir);
    Drive *d = drive_new(opt, NULL);
    g_assert_nonnull(d);
    g_assert_cmpstr(d->id, ==, "ide0-hd0");
    g_assert_cmpstr(block_filename(d->image), ==, path);
    GError *err = NULL;
    g_assert_false(drive_eject(d, false, &err));
    g_assert_cmpstr(err->message, ==, "Device 'ide0-hd0' is not removable");
    g_clear_error(&err);
    expect_drive_error("if=ide,index=0,file=x", "drive with bus=0, unit=0 (index=0) exists");
    expect_drive_error("file=x,nosuch=1", "nosuch");
    expect_drive_error("file=x,if=nosuch", "nosuch");
    expect_drive_error("file=x,cache=nosuch", "nosuch");
    expect_drive_error("file=x,format=nosuch", "nosuch");
    expect_drive_error("file=x,format=vmdk", "No such file");
    expect_drive_error("file=x,readonly=maybe", "maybe");
    expect_drive_error("index=9,file=x", "9");
    Drive *cd = drive_new("if=ide,media=cdrom,index=2", NULL);
    g_assert_cmpstr(cd->id, ==, "ide1-cd0");
    g_assert_null(cd->image);
    g_assert_false(drive_change(cd, "/nonexistent", NULL, false, &err));
    g_assert_cmpstr(err->message, ==, "Could not open '/nonexistent': No such file or directory");
    g_clear_error(&err);
    g_autofree char *iso = image("x.iso", 4096);
    g_assert_true(drive_change(cd, iso, NULL, false, NULL));
    g_assert_true(block_read_only(cd->image));
    g_assert_true(drive_change(cd, iso, NULL, false, NULL));
    g_assert_true(drive_eject(cd, false, NULL));
    g_assert_null(cd->image);
    expect_drive_error("id=ide1-cd0,file=x", "Duplicate ID 'ide1-cd0'");
    drive_close_all();
    g_assert_null(drive_list());
}

static int inline_ret;
static bool inline_locked;

static void inline_done(void *opaque, int ret)
{
    inline_ret = ret;
    inline_locked = bql_locked();
    __atomic_store_n((int *)opaque, 1, __ATOMIC_RELEASE);
}

/* Inline mode: callbacks come under the BQL, never inside the submission; aligned writes of a raw image are done
 * when the submitter lets the BQL go, whatever else is done by workers is done too, and the bytes are right. */
static void test_inline(const void *arg)
{
    static uint8_t buf[65536], got[65536];
    bool snapshot = arg != NULL;
    g_autofree char *path = image("inline", 256 * 1024);
    BlockImage *img = open_img(path, false, snapshot, NULL);
    static const struct {
        unsigned at, len;
        bool at_once; /* only the first: a slow host makes later ones wait for workers */
    } t[] = {{4096, 4096, true}, {65536, 65536, false}, {512, 1024, false}, {8192, 512, false}, {256 * 1024, 4096, false}};

    block_set_inline(true);
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        int done = 0, ret = t[i].at < 256 * 1024 ? 0 : -EIO;
        struct iovec iov = {buf, t[i].len};
        memset(buf, 0x40 + (int)i, sizeof buf);
        bql_lock();
        block_aio_writev(img, t[i].at, &iov, 1, inline_done, &done);
        g_assert_cmpint(__atomic_load_n(&done, __ATOMIC_ACQUIRE), ==, 0);
        bql_unlock();
        if (t[i].at_once)
            g_assert_cmpint(done, ==, 1);
        while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
            g_usleep(100);
        g_assert_cmpint(inline_ret, ==, ret);
        g_assert_true(inline_locked);
        if (!ret) {
            g_assert_cmpint(block_pread(img, t[i].at, got, t[i].len), ==, 0);
            g_assert_cmpmem(got, t[i].len, buf, t[i].len);
        }
    }
    bql_lock();
    block_close(img);
    bql_unlock();
    block_set_inline(false);
}

enum { DIRECT_LEN = 1 << 20, DIRECT_ODD = 1536 };

static bool can_direct(const char *path)
{
    struct statfs st;
    int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    bool ok = fd >= 0 && fstatfs(fd, &st) == 0 && st.f_type != TMPFS_MAGIC;
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool is_cached(const char *path, uint64_t offset)
{
    char b[4096];
    struct iovec iov = {b, sizeof b};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool yes = preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT) > 0;
    close(fd);
    return yes;
}

/* cache=none: requests of any alignment in any order leave the bytes they should, also at the ragged end of the file,
 * and whole pages do not go through the host's cache. */
static void test_direct(void)
{
    g_autofree char *path = image("direct", DIRECT_LEN + DIRECT_ODD);
    bool direct = can_direct(path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(fdatasync(fd), ==, 0); /* or its pages are dirty, and stay */
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    BlockOpenOpts o = {.filename = path, .format = "raw", .lock = true, .direct = true};
    BlockImage *img = block_open(&o, NULL);
    g_assert_nonnull(img);
    uint64_t len = block_length(img);
    uint8_t *ref = g_malloc(len), *buf = NULL;
    g_assert_cmpint(posix_memalign((void **)&buf, 4096, len), ==, 0);
    memset(buf, 0x77, 65536);
    g_assert_cmpint(block_pwrite(img, 65536, buf, 65536), ==, 0);
    g_assert_cmpint(block_pread(img, 131072, buf, 65536), ==, 0);
    if (direct) {
        g_assert_false(is_cached(path, 65536));
        g_assert_false(is_cached(path, 131072));
    }
    g_assert_cmpint(block_pread(img, 0, ref, len), ==, 0);
    g_assert_cmpuint(ref[65536], ==, 0x77);
    g_assert_cmpuint(ref[65535], ==, (uint8_t)(65535 / 512 + 65535));
    GRand *r = g_rand_new_with_seed(11);
    for (int n = 0; n < 600; n++) {
        unsigned unit = g_rand_boolean(r) ? 4096 : 512, mem = g_rand_boolean(r) ? 0 : (unsigned)g_rand_int_range(r, 0, 600);
        uint64_t at = (uint64_t)g_rand_int_range(r, 0, (gint32)(len / unit)) * unit;
        uint64_t want = (uint64_t)g_rand_int_range(r, 1, 20) * unit, size = MIN(want, len - at);
        mem = at + size + mem > len ? 0 : mem;
        if (g_rand_boolean(r)) {
            memset(buf + mem, n, size);
            memcpy(ref + at, buf + mem, size);
            g_assert_cmpint(block_pwrite(img, at, buf + mem, size), ==, 0);
        } else {
            g_assert_cmpint(block_pread(img, at, buf + mem, size), ==, 0);
            g_assert_cmpmem(buf + mem, size, ref + at, size);
        }
    }
    g_rand_free(r);
    block_close(img);
    g_autofree char *file = NULL;
    gsize got;
    g_assert_true(g_file_get_contents(path, &file, &got, NULL));
    g_assert_cmpuint(got, <=, len);
    g_assert_cmpmem(file, got, ref, got);
    free(buf);
    g_free(ref);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("vireo-test-XXXXXX", NULL);
    g_test_add_func("/host/block/open/errors", test_open_errors);
    g_test_add_func("/host/block/raw/padded-to-a-sector", test_padding);
    g_test_add_func("/host/block/raw/probed-stays-raw", test_probed);
    g_test_add_func("/host/block/raw/snapshot-leaves-the-image", test_snapshot);
    g_test_add_func("/host/block/raw/locks", test_locks);
    g_test_add_func("/host/block/aio", test_aio);
    g_test_add_data_func("/host/block/inline/raw", NULL, test_inline);
    g_test_add_data_func("/host/block/inline/snapshot", "", test_inline);
    g_test_add_func("/host/block/direct", test_direct);
    g_test_add_func("/host/block/drives", test_drives);
    int rc = g_test_run();
    g_autofree char *cmd = g_strdup_printf("rm -rf %s", dir);
    return system(cmd) ? 1 : rc;
}
