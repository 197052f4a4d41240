/* test-errors.c - rules that inject errors, what a drive does with them (werror, rerror), named nodes and options. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"
#include "softmmu/runstate.h"
#include <glib/gstdio.h>

static char *dir, *raw, *qcow;

static char *store(const char *name, const char *text)
{
    char *path = g_build_filename(dir, name, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static int calls, last;
static void done(void *opaque, int ret)
{
    calls++;
    last = ret;
}

static int aio(BlockImage *img, bool write, uint64_t at)
{
    static uint8_t buf[512];
    static struct iovec iov = {buf, sizeof buf};
    calls = 0;
    if (write)
        block_aio_writev(img, at, &iov, 1, done, NULL);
    else
        block_aio_readv(img, at, &iov, 1, done, NULL);
    block_drain(NULL);
    return calls ? last : 1;
}

static Drive *make_drive(const char *rules, const char *opts)
{
    g_autofree char *file = store("rules", rules), *text = g_strdup_printf("file=blkdebug:%s:%s,if=none,id=d,format=raw,%s", file, raw, opts);
    GError *err = NULL;
    Drive *d = drive_new(text, &err);
    g_assert_no_error(err);
    return d;
}

static void test_rules(void)
{
    Drive *d = make_drive("# a comment\n[inject-error]\nevent = \"read_aio\"\nerrno = \"5\"\nsector = \"3\"\n\n[inject-error]\nevent = \"write_aio\"\n"
                          "errno = \"28\"\nonce = \"on\"\nstate = \"2\"\n[set-state]\nevent = \"flush_to_disk\"\nstate = \"1\"\nnew_state = \"2\"\n", "werror=report");
    g_assert_cmpint(aio(d->image, false, 512 * 2), ==, 0);
    g_assert_cmpint(aio(d->image, false, 512 * 3), ==, -EIO);
    g_assert_cmpint(aio(d->image, false, 512 * 3), ==, -EIO);
    g_assert_cmpint(aio(d->image, false, 512 * 4), ==, 0);
    g_assert_cmpint(aio(d->image, true, 0), ==, 0);
    g_assert_cmpint(block_flush(d->image), ==, 0); /* state 1 -> 2 */
    g_assert_cmpint(aio(d->image, true, 0), ==, -ENOSPC);
    g_assert_cmpint(aio(d->image, true, 0), ==, 0);
    drive_close_all();
}

static void expect_rule_error(const char *rules, const char *text)
{
    g_autofree char *file = store("bad", rules), *opts = g_strdup_printf("file=blkdebug:%s:%s,if=none", file, raw);
    GError *err = NULL;
    g_assert_null(drive_new(opts, &err));
    if (!strstr(err->message, text))
        g_error("'%s' does not have '%s'", err->message, text);
    g_error_free(err);
}

static void test_rule_errors(void)
{
    expect_rule_error("[inject-error]\nevent = \"nosuch\"\n", "Invalid event name 'nosuch'");
    expect_rule_error("[inject-error]\nerrno = \"5\"\n", "without event");
    expect_rule_error("[inject]\n", "section 'inject'");
    expect_rule_error("event = \"none\"\n", "no key");
    expect_rule_error("[inject-error]\nevent = \"none\"\nerrno = \"x\"\n", "'x' is not a number");
    expect_rule_error("[inject-error]\nevent = \"none\"\nbogus = \"1\"\n", "bogus");
}

static void test_actions(void)
{
    static const char once[] = "[inject-error]\nevent = \"write_aio\"\nerrno = \"28\"\nonce = \"on\"\n";
    RunState why;
    /* the default, enospc: kept, the VM is asked to stop, a retry ends it */
    Drive *d = make_drive(once, "cache=none");
    while (system_take_stop_request(&why))
        ;
    g_assert_cmpint(aio(d->image, true, 0), ==, 1);
    g_assert_true(system_take_stop_request(&why));
    g_assert_cmpint(why, ==, RUN_STATE_IO_ERROR);
    g_assert_cmpint(block_io_status(d->image), ==, ENOSPC);
    block_drain(NULL); /* does not wait for what is kept */
    GError *err = NULL;
    g_assert_false(block_prepare_save(&err));
    g_assert_nonnull(strstr(err->message, "a write of"));
    g_assert_nonnull(strstr(err->message, g_strerror(ENOSPC)));
    g_clear_error(&err);
    g_assert_true(block_retry_all());
    g_assert_true(block_prepare_save(&err)); /* waits for the retry */
    g_assert_cmpint(calls, ==, 1);
    g_assert_cmpint(last, ==, 0);
    g_assert_cmpint(block_io_status(d->image), ==, 0);
    g_assert_false(block_retry_all());
    drive_close_all();
    /* still failing: kept again; the drive's end is the request's end */
    d = make_drive("[inject-error]\nevent = \"write_aio\"\nerrno = \"5\"\n", "werror=stop");
    g_assert_cmpint(aio(d->image, true, 0), ==, 1);
    block_retry_all();
    block_drain(NULL);
    g_assert_cmpint(calls, ==, 0);
    drive_close_all();
    g_assert_cmpint(calls, ==, 1);
    g_assert_cmpint(last, ==, -EIO);
    g_assert_true(system_take_stop_request(&why));
    /* EIO with enospc is reported, ENOSPC with report too, ignore goes on */
    d = make_drive("[inject-error]\nevent = \"write_aio\"\nerrno = \"5\"\n", "werror=enospc");
    g_assert_cmpint(aio(d->image, true, 0), ==, -EIO);
    drive_close_all();
    d = make_drive("[inject-error]\nevent = \"read_aio\"\nerrno = \"28\"\n", "rerror=ignore,werror=report");
    g_assert_cmpint(aio(d->image, false, 0), ==, 0);
    drive_close_all();
    d = make_drive("[inject-error]\nevent = \"read_aio\"\nerrno = \"5\"\nonce = \"on\"\n", "rerror=stop");
    g_assert_cmpint(aio(d->image, false, 0), ==, 1);
    g_assert_true(system_take_stop_request(&why));
    /* a cancelled one is gone */
    drive_close_all();
    g_assert_false(block_retry_all());
}

/* qcow2 on a disk that is full: the write is kept, and nothing is lost after the retry. */
static void test_qcow2_full(void)
{
    g_autofree char *rules = store("full", "[inject-error]\nevent = \"cluster_alloc\"\nerrno = \"28\"\nonce = \"on\"\n");
    g_autofree char *opts = g_strdup_printf("file=blkdebug:%s:%s,if=none,id=q,format=qcow2", rules, qcow);
    GError *err = NULL;
    Drive *d = drive_new(opts, &err);
    g_assert_no_error(err);
    uint8_t buf[512], pat[512];
    memset(pat, 0x77, sizeof pat);
    struct iovec iov = {pat, sizeof pat};
    calls = 0;
    block_aio_writev(d->image, 100000, &iov, 1, done, NULL);
    block_drain(NULL);
    g_assert_cmpint(calls, ==, 0);
    g_assert_true(block_retry_all());
    block_drain(NULL);
    g_assert_cmpint(last, ==, 0);
    g_assert_cmpint(block_pread(d->image, 100000, buf, 512), ==, 0);
    g_assert_cmpmem(buf, 512, pat, 512);
    drive_close_all();
    BlockOpenOpts o = {.filename = qcow, .check = true, .no_repair = true};
    BlockImage *img = block_open(&o, NULL);
    Qcow2Check r;
    g_assert_cmpint(qcow2_check(block_node(img), &r, 0, NULL), ==, 0);
    g_assert_cmpuint(r.corruptions, ==, 0);
    block_close(img);
}

static void expect_node_error(const char *text, const char *want)
{
    GError *err = NULL;
    g_assert_false(blockdev_add(text, &err));
    if (!strstr(err->message, want))
        g_error("%s: '%s' does not have '%s'", text, err->message, want);
    g_assert_null(strchr(err->message, '\n'));
    g_error_free(err);
}

static void add(const char *fmt, const char *file)
{
    GError *err = NULL;
    g_autofree char *text = g_strdup_printf(fmt, file);
    blockdev_add(text, &err);
    g_assert_no_error(err);
}

static void test_nodes(void)
{
    g_autofree char *over = g_build_filename(dir, "over.qcow2", NULL);
    Qcow2CreateOpts c = {.size = 1 << 20, .version = 3, .cluster_size = 65536, .refcount_bits = 16, .backing = "nowhere", .backing_format = "raw"};
    g_assert_true(qcow2_create(over, &c, NULL));
    add("driver=file,node-name=f,filename=%s", raw);
    add("{\"driver\": \"raw\", \"node-name\": \"base\", \"read-only\": true, \"file\": \"f\"}%s", "");
    add("driver=qcow2,node-name=top,file.filename=%s,backing=base", over);
    expect_node_error("driver=null-co,node-name=top", "Duplicate nodes with node-name='top'");
    expect_node_error("driver=null-co,node-name=9", "Invalid node-name");
    expect_node_error("driver=null-co", "node-name");
    expect_node_error("node-name=x", "driver");
    expect_node_error("driver=nosuch,node-name=x", "nosuch");
    expect_node_error("driver=raw,node-name=x,file=none", "none");
    expect_node_error("driver=raw,node-name=x,file=top", "on top of a format");
    expect_node_error("driver=null-co,node-name=x,bogus=1", "bogus");
    expect_node_error("driver=raw,node-name=x,file.driver=null-co,file.bogus=1", "bogus");
    expect_node_error("{\"driver\": \"raw\"", "JSON parse error");
    expect_node_error("{\"driver\": nope}", "JSON parse error");
    g_assert_null(blockdev_find("x", NULL));
    Drive *d = drive_find("top"); /* a device asks for drive=top */
    g_assert_nonnull(d);
    uint8_t buf[512];
    g_assert_cmpint(block_pread(d->image, 512, buf, 512), ==, 0);
    g_assert_cmpuint(buf[0], ==, 'r');
    g_assert_true(drive_find("top") == d);
    g_assert_null(drive_find("base")); /* in use as a backing file */
    GError *err = NULL;
    g_assert_false(blockdev_del("base", &err));
    g_assert_nonnull(strstr(err->message, "busy"));
    g_clear_error(&err);
    drive_close_all();
    g_assert_null(blockdev_find("top", NULL));
    /* the lock is gone with the node */
    add("driver=raw,node-name=again,file.driver=file,file.filename=%s", raw);
    g_assert_true(blockdev_del("again", NULL));
    /* a window into a file; zeros that are not written */
    add("driver=raw,node-name=w,offset=512,size=1024,file.driver=file,detect-zeroes=on,file.filename=%s", raw);
    d = drive_find("w");
    g_assert_cmpuint(block_length(d->image), ==, 1024);
    g_assert_cmpint(block_pwrite(d->image, 0, "w", 1), ==, 0);
    g_assert_cmpint(block_pwrite(d->image, 1024, "w", 1), ==, -EIO);
    drive_close_all();
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(raw, &text, NULL, NULL));
    g_assert_cmpint(text[512], ==, 'w');
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("vireo-errors-XXXXXX", NULL);
    raw = g_build_filename(dir, "raw.img", NULL);
    qcow = g_build_filename(dir, "q.qcow2", NULL);
    g_autofree char *text = g_strnfill(1 << 20, 'r');
    g_assert_true(g_file_set_contents(raw, text, 1 << 20, NULL));
    Qcow2CreateOpts c = {.size = 1 << 20, .version = 3, .cluster_size = 65536, .refcount_bits = 16};
    g_assert_true(qcow2_create(qcow, &c, NULL));
    g_test_add_func("/host/block/errors/rules", test_rules);
    g_test_add_func("/host/block/errors/rule-errors", test_rule_errors);
    g_test_add_func("/host/block/errors/actions", test_actions);
    g_test_add_func("/host/block/errors/qcow2-full", test_qcow2_full);
    g_test_add_func("/host/block/errors/nodes", test_nodes);
    int ret = g_test_run();
    g_autofree char *cmd = g_strdup_printf("rm -rf '%s'", dir);
    return system(cmd) ? 1 : ret;
}
