/* vvfat.h - a folder of the host as a FAT disk: tables made when it is opened, contents read from the host's files. */
#ifndef HOST_BLOCK_VVFAT_H
#define HOST_BLOCK_VVFAT_H

#include "host/base/osdep.h"

typedef struct Vvfat Vvfat;
typedef struct VvfatOpts {
    const char *dir, *label; /* label: NULL, or up to 11 characters */
    unsigned fat_bits;       /* 12, 16, 32; 0: 16, a floppy 12 */
    bool floppy;
} VvfatOpts;

/* NULL and errp: no such folder, too much for the disk, ... */
Vvfat *vvfat_open(const VvfatOpts *o, GError **errp);
void vvfat_free(Vvfat *v);
uint64_t vvfat_length(const Vvfat *v); /* bytes of the disk */
/* Any thread. Of a file that has become shorter the rest are zeros. 0 or -errno. */
int vvfat_read(Vvfat *v, uint64_t offset, void *buf, size_t len);
/* How many bytes from offset on (at most len) are alike: nothing there, or something. */
uint64_t vvfat_run(const Vvfat *v, uint64_t offset, uint64_t len, bool *zero);

#endif
