/* reader.h - what the read-only formats (vmdk, vpc, vhdx, vdi) share: each says where a range of the
 * disk lies, reading and `map` follow from it. Everything is constant after open, so no locks. */
#ifndef HOST_BLOCK_READER_H
#define HOST_BLOCK_READER_H

#include "host/base/bitops.h"
#include "host/block/block-int.h"

typedef enum RunKind { RUN_ZERO, RUN_DATA, RUN_BACKING, RUN_COMPRESSED, RUN_MEMORY } RunKind;
typedef struct ReaderRun {
    RunKind kind;
    BlockFile *file;
    uint64_t host;   /* RUN_DATA: byte in file; RUN_COMPRESSED: of the grain */
    const uint8_t *memory; /* RUN_MEMORY: len bytes, the reader's */
    uint64_t skip;   /* RUN_COMPRESSED: bytes of the grain before the range */
    uint64_t len;    /* at most what was asked for, at least 1 */
} ReaderRun;

typedef struct Reader Reader;
struct Reader { /* the first member of each format's state */
    BlockNode *node;
    int (*map)(Reader *r, uint64_t offset, uint64_t len, ReaderRun *run);
    /* A whole compressed unit into a buffer of its size: *data stays the reader's. Under `lock`. */
    int (*inflate)(Reader *r, const ReaderRun *run, const uint8_t **data);
    GMutex lock;
};

void reader_init(Reader *r, BlockNode *n);
void reader_free(Reader *r); /* the lock only */
/* The operations of such a format; `close` is the format's own. */
#define READER_FORMAT(fmt_name, close_fn) {.name = fmt_name, .preadv = reader_preadv, .pwritev = reader_pwritev, \
    .flush = reader_flush, .discard = reader_discard, .close = close_fn, .status = reader_status}
int reader_preadv(void *state, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len);
int reader_pwritev(void *state, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len);
int reader_flush(void *state);
int reader_discard(void *state, uint64_t offset, uint64_t len);
int reader_status(void *state, uint64_t offset, uint64_t len, BlockStatus *st);

/* Is [offset, offset+len) within the file? */
bool reader_fits(const BlockFile *f, uint64_t offset, uint64_t len);
/* A table of `count` little-endian (or big-endian) 32-bit words; NULL with errp. `what` names it. */
uint32_t *reader_load32(BlockFile *f, const char *what, uint64_t offset, uint64_t count, bool big, GError **errp);
/* A piece of a header; false with errp when the file is too short. */
bool reader_load(BlockFile *f, const char *what, uint64_t offset, void *buf, size_t len, GError **errp);

#endif
