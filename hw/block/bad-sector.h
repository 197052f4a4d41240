/* bad-sector.h - which sectors of a failed request are good: the error registers of every controller name the first bad one. */
#ifndef HW_BLOCK_BAD_SECTOR_H
#define HW_BLOCK_BAD_SECTOR_H

#include "host/block/block.h"

/* After a request for all of iov at offset (a multiple of unit bytes) failed: transfer the units again, in pieces, until the
 * first one that fails. Returns how many units before it were transferred; 0 also when this time nothing failed (the
 * failure was reported, so it must be somewhere). Waits for the host's disk: for error paths only. Under the BQL. */
uint32_t bad_sector_find(BlockImage *img, uint64_t offset, const struct iovec *iov, int iovcnt, bool write, unsigned unit);

#endif
