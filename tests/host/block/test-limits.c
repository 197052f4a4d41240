/* test-limits.c - what lies between a drive and its image: limits per second on the VM's clock, copy-on-read. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"
#include "host/block/throttle.h"
#include "softmmu/timer.h"

static char *dir;
static unsigned done_count;
static int last_ret;

static void done(void *opaque, int ret)
{
    done_count++;
    last_ret = ret;
}

static char *raw_image(const char *name, size_t size)
{
    char *path = g_build_filename(dir, name, NULL);
    g_autofree uint8_t *buf = g_malloc(size);
    for (size_t i = 0; i < size; i++)
        buf[i] = (uint8_t)(1 + i / 4096);
    g_assert_true(g_file_set_contents(path, (char *)buf, (gssize)size, NULL));
    return path;
}

static Drive *drive(const char *path, const char *more)
{
    GError *err = NULL;
    g_autofree char *opt = g_strdup_printf("file=%s,if=none,%s", path, more);
    Drive *d = drive_new(opt, &err);
    g_assert_no_error(err);
    return d;
}

/* Exactly `n` requests are done after `ns` more. */
static void after(int64_t ns, unsigned n)
{
    clock_test_step(ns);
    timers_run();
    while (done_count < n)
        g_main_context_iteration(NULL, TRUE);
    for (int i = 0; i < 20; i++)
        g_main_context_iteration(NULL, FALSE);
    g_assert_cmpuint(done_count, ==, n);
}

enum { REQS = 100, MS = 1000000 };
static uint8_t bufs[REQS][4096];
static struct iovec iov[REQS];

static void submit(BlockImage *img, unsigned n, bool write, size_t bytes)
{
    for (unsigned i = 0; i < n; i++) {
        iov[i] = (struct iovec){bufs[i], bytes};
        if (write)
            block_aio_writev(img, i * 4096, &iov[i], 1, done, NULL);
        else
            block_aio_readv(img, i * 4096, &iov[i], 1, done, NULL);
    }
}

static void test_iops(void)
{
    g_autofree char *path = raw_image("iops", REQS * 4096);
    Drive *d = drive(path, "format=raw,iops_rd=20,id=t0");
    done_count = 0;
    submit(d->image, 10, false, 4096);
    after(0, 3);             /* until the bucket holds more than 20/10 */
    after(49 * MS, 3);
    after(2 * MS, 4);        /* then one every 50 ms */
    after(50 * MS, 5);
    submit(d->image, 5, true, 4096);
    after(0, 10);            /* writes have no limit */
    after(500 * MS, 15);
    /* Another rate from now on; a drain waits for nobody. */
    ThrottleConfig c = {.avg[THROTTLE_OPS] = 1, .max_seconds = {1, 1, 1, 1, 1, 1}};
    g_assert_true(drive_set_limits(d, &c, NULL));
    done_count = 0;
    submit(d->image, 10, true, 4096);
    after(0, 1);
    block_drain(d->image);
    g_assert_cmpuint(done_count, ==, 10);
    g_assert_cmpint(last_ret, ==, 0);
    /* What waits can be cancelled. */
    iov[0] = (struct iovec){bufs[0], 4096};
    BlockReq *r = block_aio_readv(d->image, 0, iov, 1, done, NULL);
    block_aio_cancel(r);
    g_assert_cmpuint(done_count, ==, 11);
    g_assert_cmpint(last_ret, ==, -ECANCELED);
    drive_close_all();
}

static void test_bps(void)
{
    g_autofree char *path = raw_image("bps", REQS * 4096);
    Drive *a = drive(path, "format=raw,throttling.bps-total=40960,throttling.group=g,id=t1,readonly=on");
    Drive *b = drive(path, "format=raw,throttling.group=g,id=t2,readonly=on"); /* both together */
    g_autofree char *text = throttle_text(b->limits);
    g_assert_true(g_str_has_prefix(text, "bps=40960 bps_rd=0 ") && g_str_has_suffix(text, " iops_size=0 group=g"));
    done_count = 0;
    submit(a->image, 2, false, 4096);
    after(0, 2);
    submit(b->image, 2, false, 4096);
    after(99 * MS, 2);
    after(2 * MS, 3);
    after(100 * MS, 4);
    drive_close_all();
    /* A burst: twice the rate for two seconds. */
    a = drive(path, "format=raw,throttling.iops-total=10,throttling.iops-total-max=20,throttling.iops-total-max-length=2,iops_size=2048,id=t3");
    done_count = 0;
    submit(a->image, 50, false, 4096); /* each counts as two */
    after(0, 2);
    after(250 * MS, 4);
    after(1800 * MS, 22);
    after(1000 * MS, 32);    /* until the forty of the burst and ten a second are used up */
    after(2000 * MS, 46);
    drive_close_all();
}

static void note_place(void *place, int ret)
{
    *(unsigned *)place = ++done_count;
}

/* Reads that keep coming do not hold up a write that shares their limit for ever: who came first goes first. */
static void test_fairness(void)
{
    g_autofree char *path = raw_image("fair", REQS * 4096);
    Drive *d = drive(path, "format=raw,iops=10,id=t5");
    unsigned place = 0;
    struct iovec w = {bufs[REQS - 1], 4096};
    done_count = 0;
    submit(d->image, 4, false, 4096);
    block_aio_writev(d->image, 0, &w, 1, note_place, &place);
    after(0, 2);
    for (unsigned i = 0; i < 10; i++) { /* never fewer than two wait */
        iov[i + 4] = (struct iovec){bufs[i + 4], 4096};
        block_aio_readv(d->image, 0, &iov[i + 4], 1, done, NULL);
        after(101 * MS, 3 + i);
    }
    g_assert_cmpuint(place, ==, 5);
    drive_close_all();
}

static void test_bad_limits(void)
{
    static const struct { const char *opt, *text; } t[] = {
        {"iops=1,iops_rd=2", "cannot be used at the same time"}, {"bps_max=5", "require corresponding"}, {"iops_size=4", "iops size requires"},
        {"bps=10,bps_max=5", "cannot be lower"}, {"iops=x", "iops"}, {"iops=1,throttling.iops-total=2", "alias"}, {"bps=10000000000000000", "bps"},
        {"bps=5,throttling.bps-total-max-length=2", "without burst rate"}, {"throttling.bps=5", "throttling.bps"},
    };
    g_autofree char *path = raw_image("bad", 4096);
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        GError *err = NULL;
        g_autofree char *opt = g_strdup_printf("file=%s,format=raw,%s", path, t[i].opt);
        g_assert_null(drive_new(opt, &err));
        g_test_message("%s: %s", t[i].opt, err->message);
        g_assert_nonnull(strstr(err->message, t[i].text));
        g_clear_error(&err);
    }
}

/* Reads leave their data in the overlay; writes meanwhile are not undone; the result no longer needs the backing file. */
static void test_copy_on_read(void)
{
    enum { SIZE = 1 << 20 };
    g_autofree char *base = raw_image("base", SIZE - 5000), *top = g_build_filename(dir, "top.qcow2", NULL), *model = NULL;
    Qcow2CreateOpts o = {.size = SIZE, .cluster_size = 16 * KiB, .version = 3, .refcount_bits = 16, .backing = base, .backing_format = "raw"};
    GError *err = NULL;
    g_assert_true(qcow2_create(top, &o, &err));
    gsize n;
    g_assert_true(g_file_get_contents(base, &model, &n, NULL));
    model = g_realloc(model, SIZE);
    memset(model + n, 0, SIZE - n);
    Drive *d = drive(top, "copy-on-read=on,id=t4");
    g_autofree uint8_t *buf = g_malloc(SIZE), *mine = g_malloc(SIZE);
    GRand *r = g_rand_new_with_seed(3);
    BlockStatus st;
    g_assert_cmpint(block_pread(d->image, 100, buf, 512), ==, 0);
    g_assert_cmpmem(buf, 512, model + 100, 512);
    g_assert_cmpint(block_status(d->image, 0, SIZE, &st), ==, 0);
    g_assert_cmpuint(st.depth, ==, 0);
    g_assert_cmpuint(st.len, ==, 16 * KiB);
    for (int i = 0; i < 400; i++) { /* pairs in flight at once */
        uint64_t at = (uint64_t)g_rand_int_range(r, 0, SIZE - 40000) & ~511u, len = (uint64_t)g_rand_int_range(r, 1, 70) * 512;
        struct iovec w = {mine, len}, v = {buf, 40000 & ~511u};
        memset(mine, i, len);
        memset(model + at, i, len);
        block_aio_readv(d->image, at, &v, 1, NULL, NULL);
        block_aio_writev(d->image, at, &w, 1, NULL, NULL);
        block_drain(d->image);
    }
    g_rand_free(r);
    g_assert_cmpint(block_pread(d->image, 0, buf, SIZE), ==, 0);
    g_assert_cmpmem(buf, SIZE, model, SIZE);
    for (uint64_t at = 0; at < SIZE; at += st.len) {
        g_assert_cmpint(block_status(d->image, at, SIZE - at, &st), ==, 0);
        g_assert_cmpuint(st.depth, ==, 0);
    }
    Qcow2Check c;
    g_assert_cmpint(qcow2_check(block_node(d->image), &c, 0, stderr), ==, 0);
    g_assert_cmpuint(c.corruptions + c.leaks, ==, 0);
    drive_close_all();
}

static void node(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static void node(const char *fmt, ...)
{
    GError *err = NULL;
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    blockdev_add(text, &err);
    g_assert_no_error(err);
}

static void refused_node(const char *want, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static void refused_node(const char *want, const char *fmt, ...)
{
    GError *err = NULL;
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_assert_false(blockdev_add(text, &err));
    g_test_message("%s", err->message);
    g_assert_nonnull(strstr(err->message, want));
    g_assert_null(strchr(err->message, '\n'));
    g_error_free(err);
}

static ThrottleGroup *group(const char *name, const char *properties)
{
    BlockOptions *o = blkopts_parse(properties, NULL);
    ThrottleConfig c;
    GError *err = NULL;
    g_assert_true(throttle_take_properties(o, &c, &err));
    g_assert_cmpuint(g_hash_table_size(o), ==, 0);
    blkopts_free(o);
    return throttle_group_join(name, &c);
}

static void read_n(BlockImage *img, unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++) {
        iov[i] = (struct iovec){bufs[i], 4096};
        block_aio_readv(img, 0, &iov[i], 1, done, NULL);
    }
}

/* driver=throttle: above an image, below a format, several in a row and together with the drive's own limits. */
static void test_throttle_nodes(void)
{
    g_autofree char *path = raw_image("node", REQS * 4096), *q = g_build_filename(dir, "node.qcow2", NULL), *q2 = g_strconcat(q, "2", NULL);
    Qcow2CreateOpts o = {.size = MiB, .cluster_size = 64 * KiB, .version = 3, .refcount_bits = 16};
    GError *err = NULL;
    g_assert_true(qcow2_create(q, &o, &err) && qcow2_create(q2, &o, &err));
    ThrottleGroup *g = group("g", "x-iops-total=10"), *h = group("h", "{\"limits\":{\"iops-read\":5}}");
    refused_node("does not exist", "driver=throttle,node-name=t,throttle-group=nope,file.driver=null-co");
    refused_node("'file' is missing", "driver=throttle,node-name=t,throttle-group=g");
    refused_node("does not support the option 'bottom'", "driver=throttle,node-name=t,throttle-group=g,file.driver=null-co,bottom=x");
    node("driver=file,node-name=f,filename=%s", path);
    node("driver=throttle,node-name=t,throttle-group=g,file=f");
    node("{\"driver\":\"throttle\",\"node-name\":\"tt\",\"throttle-group\":\"h\",\"file\":\"t\"}");
    node("driver=qcow2,node-name=q,file.driver=throttle,file.throttle-group=g,file.file.driver=file,file.file.filename=%s", q);
    refused_node("only supported between", "driver=qcow2,node-name=x,file.driver=file,file.filename=%s,backing=t", q2);
    g_assert_false(blockdev_del("f", NULL)); /* each is used by the one above */
    g_assert_false(blockdev_del("t", NULL));
    BlockImage *a = block_open_node("tt", false, &err), *b = block_open_node("q", false, &err);
    g_assert_no_error(err);
    g_autofree char *label = block_node_label(a, "x");
    g_assert_cmpstr(label, ==, "tt");
    g_assert_null(block_open_node("t", false, NULL));
    g_assert_false(blockdev_del("tt", NULL));
    done_count = 0;
    read_n(a, 0, 2);         /* one in its bucket (5/10), one over it */
    read_n(b, 2, 3);         /* the same bucket as t: three were there */
    after(0, 2);
    after(101 * MS, 3);      /* b's; tt lets the other one of a through at 200 ms, and t then has a turn for it */
    after(101 * MS, 4);
    after(101 * MS, 5);
    g_assert_cmpint(block_write_zeroes(b, 0, 4096, false), ==, 0);
    block_aio_discard(b, 0, 65536, done, NULL);
    after(300 * MS, 6);
    block_aio_readv(a, 0, iov, 1, done, NULL);
    BlockReq *r2 = block_aio_readv(a, 0, iov + 1, 1, done, NULL), *r3 = block_aio_readv(a, 0, iov + 2, 1, done, NULL);
    block_aio_cancel(r3);
    block_aio_cancel(r2);
    block_drain(a);
    g_assert_cmpuint(done_count, ==, 9);
    read_n(a, 0, 10);
    read_n(b, 10, 10);
    block_drain(NULL);
    g_assert_cmpuint(done_count, ==, 29);
    block_close(a);
    a = block_open_node("tt", false, &err);
    g_assert_no_error(err);
    block_close(a);
    block_close(b);
    g_assert_true(blockdev_del("tt", NULL));
    Drive *d = drive_find("t");
    g_assert_nonnull(d);
    g_assert_true(d->image != NULL);
    /* In one go, as -drive has it: limits of the drive and of the node, on a temporary overlay. */
    Drive *e = drive_new("driver=throttle,throttle-group=h,file.driver=null-co,if=none,id=e,iops=100,snapshot=on", &err);
    g_assert_no_error(err);
    g_assert_cmpint(block_pwrite(e->image, 0, bufs[0], 4096), ==, 0);
    drive_close_all();
    throttle_group_leave(g);
    throttle_group_leave(h);
    g_assert_null(throttle_group_find("g"));
}

/* driver=copy-on-read: with bottom=, only what the images down to that one have. */
static void test_copy_nodes(void)
{
    Qcow2CreateOpts o = {.size = MiB, .cluster_size = 64 * KiB, .version = 3, .refcount_bits = 16};
    g_autofree char *base = g_build_filename(dir, "cb.qcow2", NULL), *mid = g_build_filename(dir, "cm.qcow2", NULL), *top = g_build_filename(dir, "ct.qcow2", NULL);
    GError *err = NULL;
    g_autofree uint8_t *buf = g_malloc0(MiB);
    const char *const names[] = {base, mid, top};
    for (int i = 0; i < 3; i++) {
        o.backing = i ? names[i - 1] : NULL;
        o.backing_format = i ? "qcow2" : NULL;
        g_assert_true(qcow2_create(names[i], &o, &err));
        if (i == 2)
            break;
        BlockOpenOpts open = {.filename = names[i], .format = "qcow2"};
        BlockImage *img = block_open(&open, &err);
        memset(buf, 1 + i, 65536);
        g_assert_cmpint(block_pwrite(img, (uint64_t)i << 18, buf, 65536), ==, 0);
        block_close(img);
    }
    node("driver=qcow2,node-name=b,file.driver=file,file.filename=%s,read-only=on", base);
    node("driver=qcow2,node-name=m,file.driver=file,file.filename=%s,read-only=on,backing=b", mid);
    node("driver=qcow2,node-name=t,file.driver=file,file.filename=%s,backing=m", top);
    refused_node("not found", "driver=copy-on-read,node-name=c,file=t,bottom=nope");
    node("driver=null-co,node-name=other");
    refused_node("not found", "driver=copy-on-read,node-name=c,file=t,bottom=other");
    node("driver=copy-on-read,node-name=c,file=t,bottom=m");
    BlockImage *img = block_open_node("c", false, &err);
    g_assert_no_error(err);
    g_assert_cmpint(block_pread(img, 0, buf, MiB), ==, 0);
    g_assert_cmpuint(buf[0], ==, 1);
    g_assert_cmpuint(buf[1 << 18], ==, 2);
    BlockStatus st;
    g_assert_cmpint(block_status(img, 0, MiB, &st), ==, 0);
    g_assert_cmpuint(st.depth, ==, 2);  /* what the base has was only read */
    g_assert_cmpint(block_status(img, 1 << 18, MiB - (1 << 18), &st), ==, 0);
    g_assert_cmpuint(st.depth, ==, 0);
    block_close(img);
    g_assert_true(blockdev_del("c", NULL));
    node("driver=copy-on-read,node-name=c,file=t");
    img = block_open_node("c", false, &err);
    g_assert_cmpint(block_pread(img, 0, buf, MiB), ==, 0);
    g_assert_cmpint(block_status(img, 0, MiB, &st), ==, 0);
    g_assert_cmpuint(st.depth, ==, 0);
    block_close(img);
    drive_close_all();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("vireo-limits-XXXXXX", NULL);
    clock_use_test_clock();
    g_test_add_func("/host/block/limits/requests", test_iops);
    g_test_add_func("/host/block/limits/bytes-groups-bursts", test_bps);
    g_test_add_func("/host/block/limits/first-come-first-served", test_fairness);
    g_test_add_func("/host/block/limits/refused", test_bad_limits);
    g_test_add_func("/host/block/copy-on-read", test_copy_on_read);
    g_test_add_func("/host/block/nodes/throttle", test_throttle_nodes);
    g_test_add_func("/host/block/nodes/copy-on-read", test_copy_nodes);
    int rc = g_test_run();
    g_autofree char *cmd = g_strdup_printf("rm -rf %s", dir);
    return system(cmd) ? 1 : rc;
}
