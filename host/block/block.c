/* block.c - images and their requests: a small pool of worker threads does the I/O, completions
 * come back through a queue to whoever has the BQL next.
 *
 * Locks: `lock` protects the completion queue and the counts of requests in flight; it is a leaf
 * (no callback runs under it). Callbacks run under the BQL: from the main loop's event source, from
 * block_drain(), and in inline mode from the worker itself. A thread switch costs more than a small transfer:
 * in inline mode a read of what the host has in memory, and a write that only goes there, are done by the submitter,
 * and the callback runs when that thread gives up the BQL. Two never run at once.
 * A flush covers every write whose callback has run before the flush was submitted.
 * Not modelled: request merging. */
#include "host/base/osdep.h"
#include "host/block/block.h"
#include "host/block/block-int.h"
#include "host/block/throttle.h"
#include "softmmu/bql.h"
#include "softmmu/runstate.h"
#include <sys/eventfd.h>
#include <glib-unix.h>

enum { WORKERS = 4, INLINE_MAX = 2 << 20 };

typedef enum ReqKind { REQ_READ, REQ_WRITE, REQ_FLUSH, REQ_DISCARD, REQ_ZEROES, REQ_ZEROES_UNMAP } ReqKind;

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
    bool held;     /* under the BQL: waits for limits */
    guint stage;   /* the limits it has passed or waits for: 1 the drive's, then those of the graph */
    bool kept;     /* under the BQL: failed, in kept_queue until the VM goes on */
};

struct BlockImage {
    BlockNode *node;
    BlockNode *top;     /* the image itself: node, or what the -snapshot overlay lies on */
    char *filename;
    bool read_only, snapshot, writethrough, no_flush;
    unsigned node_id;
    BlockErrorAction on_read, on_write;
    int io_status;      /* errno of the request kept last; under the BQL */
    unsigned in_flight; /* under lock */
    ThrottleGroup *limits; /* or NULL; the drive's */
    GPtrArray *graph_limits; /* of ThrottleGroup: of the throttle nodes on the way down */
    BlockNode *filter;  /* owned: the uppermost filter node, or NULL */
};

static GMutex lock;
static GCond done_cond;
static GQueue done_queue = G_QUEUE_INIT; /* of BlockReq, under lock */
static GQueue kept_queue = G_QUEUE_INIT; /* of BlockReq that wait for `cont`, under the BQL */
static unsigned total_in_flight;         /* under lock */
static unsigned waiting;                 /* under lock: threads in done_cond; a broadcast without one costs a system call */
static GThreadPool *pool;                /* made on first use, under the BQL */
static int done_fd = -1;
static unsigned next_node_id = 100;
static bool inline_mode;                 /* see block_set_inline */

static uint64_t iov_bytes(const struct iovec *iov, int iovcnt)
{
    uint64_t n = 0;
    for (int i = 0; i < iovcnt; i++)
        n += iov[i].iov_len;
    return n;
}

static bool all_zero(const struct iovec *iov, int iovcnt)
{
    for (int i = 0; i < iovcnt; i++)
        if (!buffer_is_zero(iov[i].iov_base, iov[i].iov_len))
            return false;
    return true;
}

static int image_flush(BlockImage *img)
{
    return img->no_flush || img->snapshot ? 0 : img->node->fmt->flush(img->node->state);
}

static int image_read(BlockImage *img, uint64_t offset, const struct iovec *iov, int iovcnt)
{
    uint64_t len = iov_bytes(iov, iovcnt);
    if (unlikely(img->node->copy_on_read))
        return node_read_copying(img->node, offset, iov, iovcnt, len);
    return node_preadv(img->node, offset, iov, iovcnt, len);
}

/* Around everything that changes the image: a copy-on-read must not come in between. */
static void change_begin(BlockImage *img)
{
    if (unlikely(img->node->copy_on_read))
        g_rw_lock_reader_lock(&img->node->copy_lock);
}

static void change_end(BlockImage *img)
{
    if (unlikely(img->node->copy_on_read))
        g_rw_lock_reader_unlock(&img->node->copy_lock);
}

static int image_write(BlockImage *img, uint64_t offset, const struct iovec *iov, int iovcnt)
{
    uint64_t len = iov_bytes(iov, iovcnt);
    if (img->read_only)
        return -EROFS;
    if (offset > img->node->length || len > img->node->length - offset)
        return -EIO;
    int ret = -ENOTSUP;
    change_begin(img);
    if (unlikely(img->top->detect_zeroes) && len && all_zero(iov, iovcnt))
        ret = img->node->fmt->write_zeroes ? img->node->fmt->write_zeroes(img->node->state, offset, len, img->top->detect_unmap) : ret;
    if (ret == -ENOTSUP)
        ret = len ? img->node->fmt->pwritev(img->node->state, offset, iov, iovcnt, len) : 0;
    change_end(img);
    return ret == 0 && img->writethrough ? image_flush(img) : ret;
}

static void finish(BlockReq *r)
{
    g_mutex_lock(&lock);
    r->finished = true;
    g_queue_push_tail(&done_queue, r);
    r->ready = true;
    if (waiting)
        g_cond_broadcast(&done_cond);
    g_mutex_unlock(&lock);
}

static void wait_done(void)
{
    waiting++;
    g_cond_wait(&done_cond, &lock);
    waiting--;
}

static bool run_completions(void);

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
        r->ret = block_discard(img, r->offset, r->len);
        break;
    case REQ_ZEROES:
    case REQ_ZEROES_UNMAP:
        r->ret = block_write_zeroes(img, r->offset, r->len, r->kind == REQ_ZEROES_UNMAP);
        break;
    }
    finish(r);
    if (inline_mode) { /* no detour through the main loop */
        bql_lock();
        run_completions();
        bql_unlock();
        return;
    }
    if (write(done_fd, &one, sizeof one) < 0) {
        /* EAGAIN: the counter is full, so the main loop is awake anyway */
    }
}

/* A request has failed: true when it is kept for a later try and the VM is to stop. */
static bool keep_failed(BlockReq *r)
{
    BlockErrorAction act = r->kind == REQ_READ ? r->img->on_read : r->img->on_write;
    if (act == BLOCK_ERROR_IGNORE)
        r->ret = 0;
    if (r->ret == -EROFS || r->ret == -EINVAL || !(act == BLOCK_ERROR_STOP || (act == BLOCK_ERROR_ENOSPC && r->ret == -ENOSPC)))
        return false;
    r->kept = true;
    r->img->io_status = -r->ret;
    g_queue_push_tail(&kept_queue, r);
    system_stop_request(RUN_STATE_IO_ERROR);
    return true;
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
        if (r->ret < 0 && keep_failed(r))
            continue;
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

/* Worth an attempt in this thread: nothing in it waits for the disk. */
static bool may_be_quick(const BlockReq *r)
{
    if (r->kind != REQ_READ && (r->kind != REQ_WRITE || r->img->writethrough || r->img->top->detect_zeroes))
        return false;
    if (r->img->node->copy_on_read)
        return false;
    return iov_bytes(r->iov, r->iovcnt) <= INLINE_MAX;
}

static void start(BlockReq *r)
{
    r->held = false;
    if (inline_mode && may_be_quick(r) && bql_locked()) {
        file_nowait = true;
        r->ret = r->kind == REQ_READ ? image_read(r->img, r->offset, r->iov, r->iovcnt)
                                     : image_write(r->img, r->offset, r->iov, r->iovcnt);
        file_nowait = false;
        if (!r->ret) {
            finish(r);
            bql_run_hook_at_unlock();
            return;
        }
    }
    g_thread_pool_push(pool, r, NULL);
}

static ThrottleGroup *limits_at(const BlockImage *img, guint stage)
{
    return stage == 1 ? img->limits : img->graph_limits->pdata[stage - 2];
}

/* Through the limits, one after another; what one holds up comes here again when it may go. */
static void admit(void *req)
{
    BlockReq *r = req;
    bool read = r->kind == REQ_READ, sized = read || r->kind == REQ_WRITE;
    uint64_t len = sized ? iov_bytes(r->iov, r->iovcnt) : r->len;
    while (r->kind != REQ_FLUSH && r->stage <= r->img->graph_limits->len) {
        ThrottleGroup *g = limits_at(r->img, ++r->stage);
        if (g && (r->stage > 1 || r->kind != REQ_DISCARD) && !throttle_admit(g, !read, len, admit, r))
            return;
    }
    start(r);
}

static void send(BlockReq *r)
{
    pool_start();
    g_mutex_lock(&lock);
    r->finished = r->ready = r->kept = false;
    r->img->in_flight++;
    total_in_flight++;
    g_mutex_unlock(&lock);
    r->stage = 0;
    r->held = true; /* before, because the limits may let it go at once */
    admit(r);
}

void block_set_limits(BlockImage *img, ThrottleGroup *g) { img->limits = g; }

static void at_unlock(void) { run_completions(); }

void block_set_inline(bool on)
{
    bql_set_unlock_hook(at_unlock);
    inline_mode = on;
}

void block_set_error_actions(BlockImage *img, BlockErrorAction on_read, BlockErrorAction on_write)
{
    img->on_read = on_read;
    img->on_write = on_write;
}

int block_io_status(const BlockImage *img) { return img->io_status; }

bool block_retry_all(void)
{
    bool any = false;
    for (BlockReq *r; (r = g_queue_pop_head(&kept_queue)); any = true) {
        r->img->io_status = 0;
        send(r);
    }
    return any;
}

bool block_prepare_save(GError **errp)
{
    block_drain(NULL);
    const BlockReq *r = g_queue_peek_head(&kept_queue);
    return !r || error_set(errp, "a %s of '%s' has failed (%s) and waits to be tried again by 'cont': the state cannot be saved before that",
                           r->kind == REQ_READ ? "read" : r->kind == REQ_FLUSH ? "flush" : "write", r->img->filename, g_strerror(-r->ret));
}

/* The image goes: what was kept fails for good. */
static void fail_kept(BlockImage *img)
{
    for (GList *l = kept_queue.head, *next; l; l = next) {
        BlockReq *r = l->data;
        next = l->next;
        if (r->img != img)
            continue;
        g_queue_delete_link(&kept_queue, l);
        if (r->done)
            r->done(r->opaque, r->ret);
        g_free(r);
        next = kept_queue.head; /* the callback may have changed the queue */
    }
}

static BlockReq *submit(BlockImage *img, ReqKind kind, uint64_t offset, uint64_t len, const struct iovec *iov,
                        int iovcnt, BlockDone *done, void *opaque)
{
    BlockReq *r = g_new0(BlockReq, 1);
    *r = (BlockReq){.img = img, .kind = kind, .offset = offset, .len = len, .iov = iov, .iovcnt = iovcnt,
                    .done = done, .opaque = opaque};
    send(r);
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

BlockReq *block_aio_write_zeroes(BlockImage *img, uint64_t offset, uint64_t len, bool unmap, BlockDone *done, void *opaque)
{
    return submit(img, unmap ? REQ_ZEROES_UNMAP : REQ_ZEROES, offset, len, NULL, 0, done, opaque);
}

void block_aio_cancel(BlockReq *r)
{
    ThrottleGroup *g = r->held && r->stage ? limits_at(r->img, r->stage) : NULL;
    bool held = g && throttle_forget(g, r);
    /* The memory of the request must not be touched any more when this returns: wait for the worker. */
    g_mutex_lock(&lock);
    if (held) {
        r->ready = true;
        g_queue_push_tail(&done_queue, r);
    }
    while (!r->ready)
        wait_done();
    if (r->kept) {
        g_queue_remove(&kept_queue, r);
    } else {
        g_queue_remove(&done_queue, r);
        r->img->in_flight--;
        total_in_flight--;
    }
    g_mutex_unlock(&lock);
    if (r->done)
        r->done(r->opaque, -ECANCELED);
    g_free(r);
}

static void release_held(BlockImage *img)
{
    for (guint i = 1; img && i <= img->graph_limits->len + 1; i++) /* in the order of a request's way */
        if (limits_at(img, i))
            throttle_release(limits_at(img, i));
    if (!img)
        throttle_release_all();
}

void block_drain(BlockImage *img)
{
    for (;;) {
        release_held(img);
        run_completions();
        g_mutex_lock(&lock);
        bool busy = img ? img->in_flight > 0 : total_in_flight > 0;
        while (busy && g_queue_is_empty(&done_queue))
            wait_done();
        g_mutex_unlock(&lock);
        if (!busy)
            return;
    }
}

/* Takes filter over: the uppermost filter node above the image `top`, or NULL. */
static BlockImage *image_new(BlockNode *node, BlockNode *top, BlockNode *filter, const char *filename, bool read_only)
{
    BlockImage *img = g_new0(BlockImage, 1);
    *img = (BlockImage){.node = node, .top = top, .filename = g_strdup(filename), .read_only = read_only, .no_flush = top->no_flush,
                        .node_id = next_node_id};
    img->graph_limits = g_ptr_array_new();
    filter_use(filter ? filter : top, true, img->graph_limits);
    img->filter = filter;
    next_node_id += 10;
    return img;
}

BlockImage *block_open(const BlockOpenOpts *opts, GError **errp)
{
    BlockNode *top = node_open(opts, NULL, errp), *node = top;
    if (!top)
        return NULL;
    BlockNode *filter = top->below ? top : NULL;
    if (filter) {
        node = top = filter_image(filter);
        top->refs++;
    }
    bool snapshot = opts->snapshot || (top->file->overlay && !opts->read_only);
    if (snapshot && !(node = overlay_open(top, errp))) {
        node_close(filter);
        return NULL;
    }
    BlockImage *img = image_new(node, top, filter, top->filename, snapshot ? opts->read_only : top->read_only);
    img->snapshot = snapshot;
    img->writethrough = opts->writethrough;
    img->no_flush |= opts->no_flush;
    return img;
}

BlockImage *block_open_node(const char *name, bool read_only, GError **errp)
{
    BlockFile *f;
    BlockNode *n = blockdev_find(name, &f);
    if (!n && f) { /* a protocol node: the bytes are the disk */
        BlockOptions *o = blkopts_new();
        blkopts_set(o, "driver", "raw");
        blkopts_set(o, "file", name);
        BlockOpenOpts opts = {.options = o, .read_only = read_only || f->read_only, .lock = true};
        BlockImage *img = f->refs > 1 ? NULL : block_open(&opts, errp);
        if (f->refs > 1 && !img)
            error_set(errp, "Node '%s' is in use already", name);
        blkopts_free(o);
        return img;
    }
    if (!n || !filter_is_free(n)) {
        error_set(errp, n ? "Node '%s' is in use already" : "Cannot find device='' nor node-name='%s'", name);
        return NULL;
    }
    BlockNode *image = filter_image(n);
    n->refs++;
    if (image != n)
        image->refs++;
    return image_new(image, image, image != n ? n : NULL, image->filename, read_only || image->read_only);
}

void block_close(BlockImage *img)
{
    if (!img)
        return;
    block_drain(img);
    fail_kept(img);
    if (!img->read_only)
        image_flush(img);
    filter_use(img->filter ? img->filter : img->top, false, NULL);
    node_close(img->node);
    node_close(img->filter);
    g_ptr_array_unref(img->graph_limits);
    g_free(img->filename);
    g_free(img);
}

const char *block_filename(const BlockImage *img) { return img->filename; }
const char *block_format(const BlockImage *img) { return img->top->fmt->name; }
uint64_t block_length(const BlockImage *img) { return img->node->length; }
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

char *block_node_label(const BlockImage *img, const char *id)
{
    const char *name = img->filter && img->filter->node_name ? img->filter->node_name : img->top->node_name;
    return !name ? g_strdup_printf("#block%u", img->node_id) : g_str_equal(name, id) ? NULL : g_strdup(name);
}

bool block_detects_zeroes(const BlockImage *img, bool *unmap)
{
    *unmap = img->top->detect_unmap;
    return img->top->detect_zeroes;
}

BlockNode *block_node(BlockImage *img) { return img->top; }

const char *block_backing_filename(const BlockImage *img, unsigned depth)
{
    const BlockNode *n = img->top;
    while (n && depth--)
        n = n->backing;
    return n ? n->filename : NULL;
}

int block_status(BlockImage *img, uint64_t offset, uint64_t len, BlockStatus *st)
{
    return node_status(img->node, offset, len, st);
}

static int check_change(const BlockImage *img, uint64_t offset, uint64_t len)
{
    if (img->read_only)
        return -EROFS;
    return offset > img->node->length || len > img->node->length - offset ? -EINVAL : 0;
}

int block_write_zeroes(BlockImage *img, uint64_t offset, uint64_t len, bool unmap)
{
    int ret = check_change(img, offset, len);
    if (ret || !len)
        return ret;
    change_begin(img);
    ret = node_write_zeroes(img->node, offset, len, unmap);
    change_end(img);
    return ret;
}

int block_discard(BlockImage *img, uint64_t offset, uint64_t len)
{
    int ret = check_change(img, offset, len);
    if (ret || !len)
        return ret;
    change_begin(img);
    ret = img->node->fmt->discard(img->node->state, offset, len);
    change_end(img);
    return ret;
}

int block_truncate(BlockImage *img, uint64_t len)
{
    if (img->read_only)
        return -EROFS;
    if (!img->node->fmt->truncate)
        return -ENOTSUP;
    block_drain(img);
    int ret = img->node->fmt->truncate(img->node->state, len);
    if (!ret)
        img->node->length = len;
    return ret;
}
