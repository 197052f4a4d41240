/* reader.c - reading through a format's map: shared by the read-only formats, see reader.h.
 * Not modelled: writing; those formats are converted to be changed. */
#include "host/base/osdep.h"
#include "host/block/reader.h"

enum { MAX_TABLE_BYTES = 512 << 20 };

void reader_init(Reader *r, BlockNode *n)
{
    r->node = n;
    g_mutex_init(&r->lock);
}

void reader_free(Reader *r) { g_mutex_clear(&r->lock); }

bool reader_fits(const BlockFile *f, uint64_t offset, uint64_t len)
{
    uint64_t end = file_len(f);
    return offset <= end && len <= end - offset;
}

bool reader_load(BlockFile *f, const char *what, uint64_t offset, void *buf, size_t len, GError **errp)
{
    if (!reader_fits(f, offset, len))
        return error_set(errp, "'%s': %s of %zu bytes at offset 0x%" PRIx64 " is not within the file", f->name, what, len, offset);
    int ret = file_pread(f, offset, buf, len);
    return !ret || error_set_errno(errp, -ret, "'%s': could not read %s", f->name, what);
}

uint32_t *reader_load32(BlockFile *f, const char *what, uint64_t offset, uint64_t count, bool big, GError **errp)
{
    if (count > MAX_TABLE_BYTES / 4 || !reader_fits(f, offset, count * 4)) {
        error_set(errp, "'%s': %s of %" PRIu64 " entries at offset 0x%" PRIx64 " is not within the file", f->name, what, count, offset);
        return NULL;
    }
    uint32_t *t = g_new(uint32_t, count + 1);
    if (!reader_load(f, what, offset, t, (size_t)count * 4, errp)) {
        g_free(t);
        return NULL;
    }
    for (uint64_t i = 0; big && i < count; i++)
        t[i] = ldb32(t + i);
    return t;
}

int reader_preadv(void *state, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len)
{
    Reader *r = state;
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);
    int ret = 0;
    for (uint64_t done = 0; done < len && !ret;) {
        ReaderRun run = {.kind = RUN_ZERO, .len = len - done};
        ret = r->map(r, offset + done, len - done, &run);
        if (ret)
            break;
        int n = iov_slice(iov, iovcnt, done, run.len, part);
        switch (run.kind) {
        case RUN_DATA:
            ret = file_rwv(run.file, run.host, part, n, 0, run.len, false);
            break;
        case RUN_BACKING:
            if (r->node->backing)
                ret = node_preadv(r->node->backing, offset + done, part, n, run.len);
            else
                iov_zero(part, n, 0);
            break;
        case RUN_COMPRESSED: {
            const uint8_t *data;
            if (file_nowait) {
                ret = -EAGAIN;
                break;
            }
            g_mutex_lock(&r->lock);
            ret = r->inflate(r, &run, &data);
            if (!ret)
                iov_from_buf(part, n, data + run.skip);
            g_mutex_unlock(&r->lock);
            break;
        }
        case RUN_MEMORY:
            iov_from_buf(part, n, run.memory);
            break;
        case RUN_ZERO:
            iov_zero(part, n, 0);
            break;
        }
        done += run.len;
    }
    return ret;
}

int reader_pwritev(void *state, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len) { return -EROFS; }
int reader_flush(void *state) { return 0; }
int reader_discard(void *state, uint64_t offset, uint64_t len) { return -EROFS; }

int reader_status(void *state, uint64_t offset, uint64_t len, BlockStatus *st)
{
    Reader *r = state;
    ReaderRun run = {.kind = RUN_ZERO, .len = len};
    int ret = r->map(r, offset, len, &run);
    if (ret)
        return ret;
    *st = (BlockStatus){.len = run.len, .allocated = run.kind != RUN_BACKING, .data = run.kind == RUN_DATA || run.kind == RUN_MEMORY || run.kind == RUN_COMPRESSED,
                        .zero = run.kind == RUN_ZERO, .compressed = run.kind == RUN_COMPRESSED, .file = r->node->file->name};
    if (run.kind == RUN_DATA) {
        st->has_offset = true;
        st->offset = run.host;
        st->file = run.file->name;
    }
    return 0;
}
