/* image-make.h - writers of disk images in the formats that Vireo only reads, for tests: the bytes of a
 * file that holds `disk` (len: a multiple of 512). Written from the specifications that the readers cite. */
#ifndef TESTS_LIB_IMAGE_MAKE_H
#define TESTS_LIB_IMAGE_MAKE_H

#include "host/base/osdep.h"

/* Blocks that are all zeros are left out, unless `full`. Free with g_byte_array_unref(). */
GByteArray *make_vdi(const uint8_t *disk, size_t len, uint32_t block, bool full);
GByteArray *make_vpc(const uint8_t *disk, size_t len, bool dynamic); /* creator "win ": the size is exact */
GByteArray *make_vhdx(const uint8_t *disk, size_t len, uint32_t sector, bool full);
/* Sparse; stream: compressed grains with markers and a footer. */
GByteArray *make_vmdk(const uint8_t *disk, size_t len, bool stream);
/* Writes an entry of sequence number `seq` into the log of such an image, at byte *pos of the ring (moved on): each sector
 * of 4096 bytes in `sectors` gets the content that `with` has there, and if `zero_len`, [zero_at, +zero_len) zeros. */
void vhdx_log_entry(GByteArray *a, uint32_t *pos, uint64_t seq, uint32_t tail, const uint64_t *sectors, unsigned n, const uint8_t *with,
                    uint64_t zero_at, uint64_t zero_len);
/* The checksums of a VHDX after its bytes were changed. */
void fix_vhdx(uint8_t *p, size_t n);

#endif
