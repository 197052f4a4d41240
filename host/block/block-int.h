/* block-int.h - what block.c (requests, threads) and the image formats know of each other. */
#ifndef HOST_BLOCK_BLOCK_INT_H
#define HOST_BLOCK_BLOCK_INT_H

#include "host/block/block.h"

/* Format operations run in any worker thread, several at a time; each returns 0 or -errno. The
 * range lies within the image's length for reads and writes. */
typedef struct BlockFormat {
    const char *name;
    int (*preadv)(void *state, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len);
    int (*pwritev)(void *state, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len);
    int (*flush)(void *state);
    int (*discard)(void *state, uint64_t offset, uint64_t len);
    void (*close)(void *state);
} BlockFormat;

extern const BlockFormat raw_format;

/* Opens per opts; *length in bytes (a multiple of 512), *read_only as it turned out. */
bool raw_open(const BlockOpenOpts *opts, void **state, uint64_t *length, bool *read_only, GError **errp);

#endif
