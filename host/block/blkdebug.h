/* blkdebug.h - rules that make I/O on a host file fail, for tests of everything above it. */
#ifndef HOST_BLOCK_BLKDEBUG_H
#define HOST_BLOCK_BLKDEBUG_H

#include "host/block/blkopts.h"

typedef struct BlkDebug BlkDebug;

/* What the formats announce; the names are those of the rules ("read_aio", "l2_update", ...). */
#define BLOCK_EVENTS(X) X(none) X(read_aio) X(write_aio) X(flush_to_os) X(flush_to_disk) X(l1_update) X(l2_load) X(l2_update) \
    X(reftable_update) X(refblock_load) X(refblock_update) X(cluster_alloc) X(cluster_free) X(write_compressed) X(read_compressed) \
    X(read_backing_aio) X(cow_read) X(cow_write) X(pwritev) X(pwritev_zero) X(l1_grow_write_table) X(empty_image_prepare) \
    X(l1_shrink_write_table) X(vmstate_load) X(vmstate_save)
typedef enum BlockEvent {
#define X(name) EVENT_##name,
    BLOCK_EVENTS(X)
#undef X
    EVENT_COUNT
} BlockEvent;
typedef enum BlockIo { IO_READ = 1, IO_WRITE = 2, IO_WRITE_ZEROES = 4, IO_DISCARD = 8, IO_FLUSH = 16 } BlockIo;

/* Takes "config", "inject-error.*", "set-state.*" out of o. NULL and errp. */
BlkDebug *blkdebug_new(BlockOptions *o, GError **errp);
void blkdebug_free(BlkDebug *d);
/* From any thread. */
void blkdebug_event(BlkDebug *d, BlockEvent e);
/* 0, or the -errno that the rules in force want for this access. */
int blkdebug_check(BlkDebug *d, BlockIo io, uint64_t offset, uint64_t len);

#endif
