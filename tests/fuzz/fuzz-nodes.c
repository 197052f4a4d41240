/* fuzz-nodes.c - graphs of block nodes: made, used by drives, removed in any order
 *   fuzz-nodes [--seed N] [--count N | --seconds N]
 * Texts of -blockdev and -drive from pieces that mostly fit: protocols, formats, backing files, throttle and copy-on-read nodes, names
 * that are taken, missing or in use, damaged texts. Wrong is: a crash, a leak, an error of more than one line. */
#include "host/base/osdep.h"
#include "host/block/block-int.h"
#include "host/block/qcow2.h"
#include "host/block/throttle.h"
#include "softmmu/bql.h"
#include "softmmu/timer.h"
#include "tests/fuzz/fuzz.h"
#include <fcntl.h>
#include <glib/gstdio.h>

static char *dir;

static const char *name(void)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};
    return names[below(ARRAY_SIZE(names))];
}

/* A node in place, below `prefix`. */
static void describe(GString *s, const char *prefix, unsigned depth)
{
    static const char *const extra[] = {"read-only=on", "detect-zeroes=unmap", "discard=unmap", "cache.direct=on", "bottom=a", "backing=", "offset=512", "size=4096",
                                        "force-share=on", "nonsense=1", "throttle-group=h", "iops=5", "locking=off"};
    g_autofree char *file = g_strconcat(prefix, "file.", NULL), *back = g_strconcat(prefix, "backing.", NULL);
    switch (below(depth ? 9 : 5)) {
    case 0: g_string_append_printf(s, ",%sdriver=null-co,%ssize=1M", prefix, prefix); break;
    case 1: case 2: g_string_append_printf(s, ",%sdriver=file,%sfilename=%s/raw", prefix, prefix, dir); break;
    case 3: g_string_append_printf(s, ",%sdriver=file,%sfilename=%s/q%u", prefix, prefix, dir, below(3)); break;
    case 4: g_string_append_printf(s, ",%sdriver=blkdebug,%simage.driver=null-co", prefix, prefix); break;
    case 5: case 6: {
        bool q = below(2);
        g_string_append_printf(s, ",%sdriver=%s", prefix, q ? "qcow2" : "raw");
        if (below(3))
            describe(s, file, depth - 1);
        else
            g_string_append_printf(s, ",%sfile=%s", prefix, name());
        if (q && !below(4))
            g_string_append_printf(s, ",%sbacking=%s", prefix, name());
        else if (q && !below(6))
            describe(s, back, depth - 1);
        break;
    }
    default:
        g_string_append_printf(s, below(2) ? ",%sdriver=throttle,%sthrottle-group=%s" : ",%sdriver=copy-on-read", prefix, prefix, below(8) ? "h" : "none");
        if (below(2))
            describe(s, file, depth - 1);
        else
            g_string_append_printf(s, ",%sfile=%s", prefix, name());
    }
    if (!below(8))
        g_string_append_printf(s, ",%s%s", prefix, extra[below(ARRAY_SIZE(extra))]);
    if (depth && !below(10))
        g_string_append_printf(s, ",%snode-name=%s", prefix, name());
}

static void forget(GError **err)
{
    if (*err)
        g_assert_null(strchr((*err)->message, '\n'));
    g_clear_error(err);
}

static void one_case(void)
{
    static uint8_t buf[4096];
    const ThrottleConfig c = {.avg[THROTTLE_OPS] = 100, .max_seconds = {1, 1, 1, 1, 1, 1}};
    ThrottleGroup *h = throttle_group_join("h", &c);
    BlockImage *open[4] = {NULL};
    GError *err = NULL;
    for (unsigned n = 0; n < 40; n++) {
        g_autoptr(GString) s = g_string_new(NULL);
        BlockImage **img = &open[below(ARRAY_SIZE(open))];
        switch (below(9)) {
        case 0: blockdev_del(name(), &err); break;
        case 1:
            if (!*img)
                *img = block_open_node(name(), below(4) == 0, &err);
            break;
        case 2:
            block_close(*img);
            *img = NULL;
            break;
        case 3:
            if (*img) {
                struct iovec iov = {buf, sizeof buf};
                uint64_t at = below(16) * 4096;
                block_pread(*img, at, buf, sizeof buf);
                block_pwrite(*img, at, buf, sizeof buf);
                block_aio_readv(*img, at, &iov, 1, NULL, NULL);
                BlockReq *r = block_aio_write_zeroes(*img, at, 4096, true, NULL, NULL);
                if (below(2))
                    block_aio_cancel(r);
                block_drain(*img);
            }
            break;
        case 4:
            g_string_assign(s, "if=none");
            describe(s, "file.", 2);
            g_string_append_printf(s, ",driver=%s,id=%s%s%s", below(2) ? "throttle,throttle-group=h" : below(2) ? "copy-on-read" : "qcow2", name(),
                                   below(2) ? ",snapshot=on" : "", below(2) ? ",iops=10" : "");
            drive_new(s->str, &err);
            break;
        case 5: drive_find(name()); break;
        default:
            g_string_append_printf(s, "node-name=%s", name());
            describe(s, "", 1 + below(3));
            if (!below(30))
                g_string_insert(s, below((uint32_t)s->len), below(2) ? "," : "=.");
            blockdev_add(s->str, &err);
            break;
        }
        forget(&err);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(open); i++)
        block_close(open[i]);
    drive_close_all();
    throttle_group_leave(h);
    g_assert_null(throttle_group_find("h")); /* nobody is left */
}

int main(int argc, char **argv)
{
    dir = g_strdup_printf("%s/vireo-fuzz-nodes-%d", g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : "/tmp", (int)getpid());
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_autofree char *raw = g_build_filename(dir, "raw", NULL);
    g_autofree char *zeros = g_malloc0(65536);
    g_assert_true(g_file_set_contents(raw, zeros, 65536, NULL));
    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *path = g_strdup_printf("%s/q%u", dir, i), *back = i ? g_strdup_printf("q%u", i - 1) : NULL;
        Qcow2CreateOpts o = {.size = MiB, .cluster_size = 4096, .version = 3, .refcount_bits = 16, .backing = back, .backing_format = i ? "qcow2" : NULL};
        g_assert_true(qcow2_create(path, &o, NULL));
    }
    if (!g_getenv("FUZZ_STDERR")) { /* warnings about copy-on-read on what is read-only */
        int fd = open("/dev/null", O_WRONLY);
        dup2(fd, 2);
        close(fd);
    }
    clock_use_test_clock();
    bql_lock();
    int r = fuzz_main("fuzz-nodes", argc, argv, one_case);
    bql_unlock();
    g_autofree char *cmd = g_strdup_printf("rm -rf %s", dir);
    return system(cmd) ? 1 : r;
}
