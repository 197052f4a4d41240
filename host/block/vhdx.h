/* vhdx.h - what vhdx.c and vhdx-log.c share: checksums, and the log of an image replayed in memory. */
#ifndef HOST_BLOCK_VHDX_H
#define HOST_BLOCK_VHDX_H

#include "host/block/reader.h"

/* CRC-32C with the four bytes at 4 taken as zero. */
uint32_t vhdx_crc(const uint8_t *p, size_t n);

typedef struct VhdxLog VhdxLog;
/* Replays the log that the header `h` (4096 bytes) names. *log stays NULL where there is nothing to replay. The image
 * may become longer (f->len): a read of what the file does not have yet gives zeros. False: errp. */
bool vhdx_log_open(BlockFile *f, const uint8_t *h, const char *name, VhdxLog **log, GError **errp);
void vhdx_log_free(VhdxLog *log);
/* The log may be NULL in both. Puts what the log says over bytes that were read at `offset` of the file. */
void vhdx_log_patch(const VhdxLog *log, uint64_t offset, void *buf, size_t len);
/* A RUN_DATA run of the image file: cut where the log begins or ends to say something, turned into memory or zeros there. */
void vhdx_log_map(const VhdxLog *log, ReaderRun *run);

#endif
