/* vmdk.h - what vmdk.c (extents) and vmdk-desc.c (the text descriptor) share. */
#ifndef HOST_BLOCK_VMDK_H
#define HOST_BLOCK_VMDK_H

#include "host/block/reader.h"

typedef enum VmdkKind { VMDK_SPARSE, VMDK_FLAT, VMDK_ZERO } VmdkKind;

typedef struct VmdkExtent {
    VmdkKind kind;
    BlockFile *file;        /* the image's own, or with own_file one of this extent */
    bool own_file, compressed, markers, zero_grain;
    char type[16];          /* as the descriptor says; empty: the image itself */
    uint64_t sectors, flat_offset; /* flat_offset: bytes */
    uint64_t grain;         /* sectors */
    uint32_t gtes, *gd, *gt; /* entries of a grain table; directory; the table last used */
    uint64_t gd_entries, gt_index;
} VmdkExtent;

typedef struct Vmdk {
    Reader r;
    BlockFile *file;
    GPtrArray *extents;     /* of VmdkExtent */
    char *create_type;
    uint32_t cid, parent_cid;
    uint8_t *buf;           /* the grain inflated last: at buf_at of buf_file */
    size_t buf_size;
    BlockFile *buf_file;
    uint64_t buf_at;
} Vmdk;

void vmdk_extent_free(gpointer p);
/* A hosted sparse extent; max_sectors 0: as its header says. Says where an embedded descriptor lies. */
bool vmdk_open_sparse(VmdkExtent *e, BlockFile *f, uint64_t max_sectors, uint64_t *desc_off, uint64_t *desc_len, GError **errp);
/* The descriptor text at [off, off+len): the parent, and with `extents` the files it lists. */
bool vmdk_read_desc(Vmdk *s, BlockNode *n, BlockFile *f, uint64_t off, uint64_t len, bool extents, GError **errp);

#endif
