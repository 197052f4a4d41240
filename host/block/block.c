/* block.c - images and their requests: a small pool of worker threads does the I/O, completions
 * come back through a queue to the main loop.
 *
 * Locks: `lock` protects the completion queue and the counts of requests in flight; it is a leaf
 * (no callback runs under it). Callbacks run under the BQL, either from the main loop's event
 * source or from block_drain(); the two never run at once because both hold the BQL.
 * A flush covers every write whose callback has run before the flush was submitted.
 * Not modelled: request merging, throttling. */
#include "host/base/osdep.h"
#include "host/block/block.h"
#include "host/block/block-int.h"
#include <sys/eventfd.h>
#include <glib-unix.h>

enum { WORKERS = 4 };

typedef enum ReqKind { REQ_READ, REQ_WRITE, REQ_FLUSH, REQ_DISCARD } ReqKind;

struct BlockReq {
    BlockImage *img;
    ReqKind kind;
    uint64_t offset, len;
    const struct iovec *iov;
    int iovcnt;
    BlockDone *done;
    void *opaque;
    int ret;
    bool finished; /* under lock: the worker is through with it */
    bool ready;    /* under lock: in the completion queue */
};

struct BlockImage {
    const BlockFormat *fmt;
    void *state;
    char *filename;
    uint64_t length;
    bool read_only, snapshot, writethrough, no_flush;
    unsigned node_id;
    unsigned in_flight; /* under lock */
};

static GMutex lock;
static GCond done_cond;
static GQueue done_queue = G_QUEUE_INIT; /* of BlockReq, under lock */
static unsigned total_in_flight;         /* under lock */
static GThreadPool *pool;                /* made on first use, under the BQL */
static int done_fd = -1;
static unsigned next_node_id = 100;

static uint64_t iov_bytes(const struct iovec *iov, int iovcnt)
{
    uint64_t n = 0;
    for (int i = 0; i < iovcnt; i++)
        n += iov[i].iov_len;
    return n;
}

/* Zero everything in the vector from byte `from` on. */
static void iov_zero(const struct iovec *iov, int iovcnt, uint64_t from)
{
    for (int i = 0; i < iovcnt; i++) {
        if (from < iov[i].iov_len)
            memset((char *)iov[i].iov_base + from, 0, iov[i].iov_len - from);
        from = from > iov[i].iov_len ? from - iov[i].iov_len : 0;
    }
}

static int image_flush(BlockImage *img)
{
    return img->no_flush || img->snapshot ? 0 : img->fmt->flush(img->state);
}

static int image_read(BlockImage *img, uint64_t offset, const struct iovec *iov, int iovcnt)
{
    uint64_t len = iov_bytes(iov, iovcnt);
    uint64_t avail = offset < img->length ? MIN(len, img->length - offset) : 0;
    if (avail < len)
        iov_zero(iov, iovcnt, avail);
    return avail ? img->fmt->preadv(img->state, offset, iov, iovcnt, avail) : 0;
}

static int image_write(BlockImage *img, uint64_t offset, const struct iovec *iov, int iovcnt)
{
    uint64_t len = iov_bytes(iov, iovcnt);
    if (img->read_only)
        return -EROFS;
    if (offset > img->length || len > img->length - offset)
        return -ENOSPC;
    int ret = len ? img->fmt->pwritev(img->state, offset, iov, iovcnt, len) : 0;
    return ret == 0 && img->writethrough ? image_flush(img) : ret;
}

static void worker(gpointer data, gpointer unused)
{
    BlockReq *r = data;
    BlockImage *img = r->img;
    uint64_t one = 1;

    switch (r->kind) {
    case REQ_READ:
        r->ret = image_read(img, r->offset, r->iov, r->iovcnt);
        break;
    case REQ_WRITE:
        r->ret = image_write(img, r->offset, r->iov, r->iovcnt);
        break;
    case REQ_FLUSH:
        r->ret = image_flush(img);
        break;
    case REQ_DISCARD:
        if (img->read_only)
            r->ret = -EROFS;
        else if (r->offset > img->length || r->len > img->length - r->offset)
            r->ret = -EINVAL;
        else
            r->ret = img->fmt->discard(img->state, r->offset, r->len);
        break;
    }
    g_mutex_lock(&lock);
    r->finished = true;
    g_queue_push_tail(&done_queue, r);
    r->ready = true;
    g_cond_broadcast(&done_cond);
    g_mutex_unlock(&lock);
    if (write(done_fd, &one, sizeof one) < 0) {
        /* EAGAIN: the counter is full, so the main loop is awake anyway */
    }
}

/* Run the callbacks of what has completed; true when there was any. Under the BQL. */
static bool run_completions(void)
{
    bool any = false;
    for (;;) {
        g_mutex_lock(&lock);
        BlockReq *r = g_queue_pop_head(&done_queue);
        if (r) {
            /* Counted down before the callback, so that a drain inside it does not wait for itself. */
            r->img->in_flight--;
            total_in_flight--;
        }
        g_mutex_unlock(&lock);
        if (!r)
            return any;
        any = true;
        if (r->done)
            r->done(r->opaque, r->ret);
        g_free(r);
    }
}

static gboolean on_done_fd(gint fd, GIOCondition cond, gpointer opaque)
{
    uint64_t v;
    if (read(fd, &v, sizeof v) < 0) {
        /* EAGAIN: a drain took them */
    }
    run_completions();
    return G_SOURCE_CONTINUE;
}

static void pool_start(void)
{
    if (pool)
        return;
    done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    g_assert(done_fd >= 0);
    g_unix_fd_add(done_fd, G_IO_IN, on_done_fd, NULL);
    pool = g_thread_pool_new(worker, NULL, WORKERS, FALSE, NULL);
}

static BlockReq *submit(BlockImage *img, ReqKind kind, uint64_t offset, uint64_t len, const struct iovec *iov,
                        int iovcnt, BlockDone *done, void *opaque)
{
    BlockReq *r = g_new0(BlockReq, 1);
    *r = (BlockReq){.img = img, .kind = kind, .offset = offset, .len = len, .iov = iov, .iovcnt = iovcnt,
                    .done = done, .opaque = opaque};
    pool_start();
    g_mutex_lock(&lock);
    img->in_flight++;
    total_in_flight++;
    g_mutex_unlock(&lock);
    g_thread_pool_push(pool, r, NULL);
    return r;
}

BlockReq *block_aio_readv(BlockImage *img, uint64_t offset, const struct iovec *iov, int iovcnt, BlockDone *done,
                          void *opaque)
{
    return submit(img, REQ_READ, offset, 0, iov, iovcnt, done, opaque);
}

BlockReq *block_aio_writev(BlockImage *img, uint64_t offset, const struct iovec *iov, int iovcnt, BlockDone *done,
                           void *opaque)
{
    return submit(img, REQ_WRITE, offset, 0, iov, iovcnt, done, opaque);
}

BlockReq *block_aio_flush(BlockImage *img, BlockDone *done, void *opaque)
{
    return submit(img, REQ_FLUSH, 0, 0, NULL, 0, done, opaque);
}

BlockReq *block_aio_discard(BlockImage *img, uint64_t offset, uint64_t len, BlockDone *done, void *opaque)
{
    return submit(img, REQ_DISCARD, offset, len, NULL, 0, done, opaque);
}

void block_aio_cancel(BlockReq *r)
{
    /* The memory of the request must not be touched any more when this returns: wait for the worker. */
    g_mutex_lock(&lock);
    while (!r->ready)
        g_cond_wait(&done_cond, &lock);
    g_queue_remove(&done_queue, r);
    r->img->in_flight--;
    total_in_flight--;
    g_mutex_unlock(&lock);
    if (r->done)
        r->done(r->opaque, -ECANCELED);
    g_free(r);
}

void block_drain(BlockImage *img)
{
    for (;;) {
        run_completions();
        g_mutex_lock(&lock);
        bool busy = img ? img->in_flight > 0 : total_in_flight > 0;
        while (busy && g_queue_is_empty(&done_queue))
            g_cond_wait(&done_cond, &lock);
        g_mutex_unlock(&lock);
        if (!busy)
            return;
    }
}

BlockImage *block_open(const BlockOpenOpts *opts, GError **errp)
{
    const BlockFormat *fmt = &raw_format;
    void *state;
    uint64_t length;
    bool ro;

    if (opts->format && !g_str_equal(opts->format, "raw")) {
        static const char *const known[] = {"qcow2", "qcow", "vmdk", "vdi", "vhdx", "vpc", "qed", "luks", NULL};
        if (g_strv_contains(known, opts->format))
            error_set(errp, "'%s': image format '%s' is not supported (supported: raw; qemu-img convert makes one)",
                      opts->filename, opts->format);
        else
            error_set(errp, "Unknown driver '%s' (supported image formats: raw)", opts->format);
        return NULL;
    }
    if (!raw_open(opts, &state, &length, &ro, errp))
        return NULL;
    BlockImage *img = g_new0(BlockImage, 1);
    *img = (BlockImage){.fmt = fmt, .state = state, .filename = g_strdup(opts->filename), .length = length,
                        .read_only = ro, .snapshot = opts->snapshot, .writethrough = opts->writethrough,
                        .no_flush = opts->no_flush, .node_id = next_node_id};
    next_node_id += 10;
    return img;
}

void block_close(BlockImage *img)
{
    if (!img)
        return;
    block_drain(img);
    if (!img->read_only)
        image_flush(img);
    img->fmt->close(img->state);
    g_free(img->filename);
    g_free(img);
}

const char *block_filename(const BlockImage *img) { return img->filename; }
const char *block_format(const BlockImage *img) { return img->fmt->name; }
uint64_t block_length(const BlockImage *img) { return img->length; }
bool block_read_only(const BlockImage *img) { return img->read_only; }
bool block_is_snapshot(const BlockImage *img) { return img->snapshot; }
unsigned block_node_id(const BlockImage *img) { return img->node_id; }

int block_pread(BlockImage *img, uint64_t offset, void *buf, size_t len)
{
    struct iovec iov = {buf, len};
    return image_read(img, offset, &iov, 1);
}

int block_pwrite(BlockImage *img, uint64_t offset, const void *buf, size_t len)
{
    struct iovec iov = {(void *)buf, len};
    return image_write(img, offset, &iov, 1);
}

int block_flush(BlockImage *img)
{
    block_drain(img);
    return image_flush(img);
}
