/* raw.c - raw images: the bytes of the disk are the bytes of the file, padded with zeros to a sector.
 * Holes of the file are reported as unallocated zeros.
 * A guest could write the header of another format into its disk, with any file of the host as its backing file, and read that after the
 * next start. So what was taken for raw without being told stays raw: such a write of the first sector is refused, as by qemu. */
#include "host/base/osdep.h"
#include "host/block/block-int.h"
#include "host/block/vvfat.h"

typedef struct RawState {
    BlockFile *file;
    bool discard;
    bool guarded; /* the first sector must not become the header of a format */
    bool warned;
} RawState;

static int raw_preadv(void *opaque, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len)
{
    RawState *s = opaque;
    file_event(s->file, EVENT_read_aio);
    return file_rwv(s->file, offset, iov, iovcnt, 0, len, false);
}

static int check_first_sector(RawState *s, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len)
{
    uint8_t head[SECTOR] = {0};
    int ret = offset || len < SECTOR ? file_pread(s->file, 0, head, MIN(SECTOR, file_len(s->file))) : 0;
    uint64_t at = offset;
    for (int i = 0; i < iovcnt && at < SECTOR; at += iov[i++].iov_len)
        memcpy(head + at, iov[i].iov_base, MIN(iov[i].iov_len, SECTOR - at));
    if (ret || g_str_equal(node_probe(head), "raw"))
        return ret;
    if (!s->warned)
        warn_report("'%s': a write that makes it look like format %s is refused, because nobody said that its format is raw", s->file->name, node_probe(head));
    s->warned = true;
    return -EPERM;
}

static int raw_pwritev(void *opaque, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len)
{
    RawState *s = opaque;
    int ret = unlikely(s->guarded) && offset < SECTOR ? check_first_sector(s, offset, iov, iovcnt, len) : 0;
    if (ret)
        return ret;
    file_event(s->file, EVENT_write_aio);
    return file_write_data(s->file, offset, iov, iovcnt, 0, len);
}

static int raw_flush(void *opaque)
{
    RawState *s = opaque;
    file_event(s->file, EVENT_flush_to_os);
    file_event(s->file, EVENT_flush_to_disk);
    return file_sync(s->file);
}

static int raw_discard(void *opaque, uint64_t offset, uint64_t len)
{
    RawState *s = opaque;
    int ret = file_check(s->file, IO_DISCARD, offset, len);
    if (!ret && s->discard)
        file_punch(s->file, offset, len);
    return ret;
}

static int raw_write_zeroes(void *opaque, uint64_t offset, uint64_t len, bool unmap)
{
    RawState *s = opaque;
    uint64_t end = file_len(s->file);
    if (offset >= end)
        return 0; /* beyond the end of the file everything reads as zeros */
    int ret = file_check(s->file, IO_WRITE_ZEROES, offset, len);
    if (ret)
        return ret;
    return file_write_zeroes(s->file, offset, MIN(len, end - offset)) ? 0 : -ENOTSUP;
}

static int raw_status(void *opaque, uint64_t offset, uint64_t len, BlockStatus *st)
{
    RawState *s = opaque;
    *st = (BlockStatus){.len = len, .allocated = true, .data = true, .has_offset = true, .offset = offset,
                        .file = s->file->name};
    if (s->file->fat) {
        st->len = vvfat_run(s->file->fat, offset, len, &st->zero);
        st->data = !st->zero;
        return 0;
    }
    if (s->file->is_null) {
        *st = (BlockStatus){.len = len, .allocated = true, .zero = true, .has_offset = true, .offset = offset, .file = s->file->name};
        return 0;
    }
    if (s->file->is_device)
        return 0;
    uint64_t end = file_len(s->file);
    if (offset >= end) { /* what fills up the last sector */
        st->data = false;
        st->zero = true;
        return 0;
    }
    st->len = len = MIN(len, end - offset);
    uint64_t base = s->file->base;
    off_t data = lseek(s->file->fd, (off_t)(base + offset), SEEK_DATA);
    if (data < 0) {
        if (errno != ENXIO)
            return 0; /* no SEEK_DATA on this file system */
        data = INT64_MAX;
    }
    if ((uint64_t)data > base + offset) {
        st->data = false;
        st->zero = true;
        st->len = MIN(len, (uint64_t)data - base - offset);
        return 0;
    }
    off_t hole = lseek(s->file->fd, (off_t)(base + offset), SEEK_HOLE);
    if (hole > 0 && (uint64_t)hole > base + offset)
        st->len = MIN(len, (uint64_t)hole - base - offset);
    return 0;
}

static int raw_truncate(void *opaque, uint64_t len)
{
    RawState *s = opaque;
    return file_truncate(s->file, len);
}

static void raw_close(void *opaque)
{
    RawState *s = opaque;
    file_close(s->file);
    g_free(s);
}

const BlockFormat raw_format = {"raw", raw_preadv, raw_pwritev, raw_flush, raw_discard, raw_close, raw_write_zeroes,
                                raw_status, raw_truncate};

bool raw_open(BlockNode *n, BlockFile *file, const BlockOpenOpts *opts, GError **errp)
{
    uint64_t end = file_len(file);
    if (end < SECTOR && !opts->check)
        return error_set(errp, "Image '%s' is %s: a disk has at least one sector of 512 bytes", opts->filename,
                         end ? "smaller than one sector" : "empty");
    RawState *s = g_new0(RawState, 1);
    *s = (RawState){.file = file, .discard = opts->discard_unmap, .guarded = opts->probed};
    n->fmt = &raw_format;
    n->state = s;
    n->length = ROUND_UP(end, SECTOR);
    return true;
}
