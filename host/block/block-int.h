/* block-int.h - what block.c (requests, threads), the nodes of a backing chain and the image formats
 * know of each other: BlockFile (bytes of a host file), BlockFormat (operations), BlockNode (an open
 * image of some format). */
#ifndef HOST_BLOCK_BLOCK_INT_H
#define HOST_BLOCK_BLOCK_INT_H

#include "host/block/block.h"
#include "host/block/blkdebug.h"
#include <sys/types.h>

enum { SECTOR = 512 };

/* ---- host files (file.c) ---- */

typedef struct BlockFile {
    int fd;
    char *name;       /* as the user gave it */
    uint64_t len;     /* bytes; grows with writes (atomic) */
    bool read_only, is_device, no_flush;
    bool no_lock;     /* locking=off */
    bool no_nowait;   /* this file system cannot say what it has in memory */
    int direct_fd;    /* > 0: the same file past the host's page cache, for whole aligned pages (cache=none) */
    int64_t slow_until; /* host time in us: until then no write is tried in the submitter's thread (atomic) */
    bool is_null;     /* no file at all: reads as zeros (or what fat has), forgets what is written */
    struct Nbd *nbd;  /* the bytes are on a server, or NULL (then fd is -1 and is_device set) */
    struct Vvfat *fat; /* a folder as a disk, or NULL */
    bool overlay;     /* writes go to a temporary overlay, as with -snapshot (fat:rw:) */
    dev_t dev;
    ino_t ino;
    uint64_t base;    /* raw's offset=: byte 0 of the image in the file */
    BlkDebug *debug;  /* or NULL */
    char *driver;     /* "file", "host_device", "null-co", ... */
    unsigned refs;    /* under the BQL; file_close() lets one go */
    GPtrArray *limits; /* of ThrottleGroup, owned: throttle nodes between it and its format; or NULL */
} BlockFile;

enum { FILE_LOCK = 1, FILE_LOCK_RESIZE = 2, FILE_AUTO_READ_ONLY = 4, FILE_READ_ONLY = 8, FILE_SHARE = 16 };
/* NULL and one clear line in errp. No locks are taken yet: see file_lock. */
BlockFile *file_open(const char *filename, unsigned flags, GError **errp);
/* cache.direct=on: from now on data in whole pages goes past the host's page cache; one warning where that cannot be. */
void file_set_direct(BlockFile *f);
bool file_lock(BlockFile *f, unsigned flags, GError **errp);
/* A file with the options of a protocol driver (file, host_device, null-co, blkdebug, ...), which it takes out of o. */
BlockFile *proto_open(BlockOptions *o, unsigned flags, GError **errp);
bool proto_is_driver(const char *name);
BlockFile *file_ref(BlockFile *f);
/* In this thread, reads take only what the host has in memory: anything else is -EAGAIN, and formats do not wait
 * for locks. For an attempt in the submitter's thread before a worker is troubled. */
extern __thread bool file_nowait;
/* In this thread, what is written is what was read there: a copy-on-read changes nothing that can be seen. */
extern __thread bool write_unchanged;
static inline void file_event(BlockFile *f, BlockEvent e)
{
    if (unlikely(f->debug) && !file_nowait)
        blkdebug_event(f->debug, e);
}
static inline int file_check(BlockFile *f, BlockIo io, uint64_t offset, uint64_t len)
{
    return unlikely(f->debug) ? blkdebug_check(f->debug, io, offset, len) : 0;
}
void file_close(BlockFile *f);
/* len bytes at offset, from or to the vector from its byte `skip` on. Reads past the end give zeros. 0 or -errno. */
int file_rwv(BlockFile *f, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t skip, uint64_t len, bool write);
/* A write of guest data. Where file_nowait is set: done if it should take no longer than a copy, else -EAGAIN, and
 * part of the data may be there. */
int file_write_data(BlockFile *f, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t skip, uint64_t len);
int file_pread(BlockFile *f, uint64_t offset, void *buf, size_t len);
int file_pwrite(BlockFile *f, uint64_t offset, const void *buf, size_t len);
int file_sync(BlockFile *f);
int file_truncate(BlockFile *f, uint64_t len);
void file_punch(BlockFile *f, uint64_t offset, uint64_t len); /* a hint */
int file_preallocate(BlockFile *f, uint64_t offset, uint64_t len, bool full); /* host space; full: zeros are written */
bool file_write_zeroes(BlockFile *f, uint64_t offset, uint64_t len); /* false: not supported here */
uint64_t file_len(const BlockFile *f);
uint64_t file_allocated(const BlockFile *f); /* bytes of disk space in use */

/* A part of a vector: dst needs room for cnt elements; returns how many it has. */
int iov_slice(const struct iovec *src, int cnt, uint64_t skip, uint64_t len, struct iovec *dst);
void iov_zero(const struct iovec *iov, int iovcnt, uint64_t from);
void iov_from_buf(const struct iovec *iov, int iovcnt, const uint8_t *buf);
bool buffer_is_zero(const void *buf, size_t len);

/* ---- formats ---- */

/* Format operations run in any worker thread, several at a time; each returns 0 or -errno. The
 * range lies within the image's length. */
typedef struct BlockFormat {
    const char *name;
    int (*preadv)(void *state, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len);
    int (*pwritev)(void *state, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len);
    int (*flush)(void *state);
    int (*discard)(void *state, uint64_t offset, uint64_t len);
    void (*close)(void *state);
    int (*write_zeroes)(void *state, uint64_t offset, uint64_t len, bool unmap);          /* NULL: by pwritev */
    int (*status)(void *state, uint64_t offset, uint64_t len, BlockStatus *st);           /* NULL: all data */
    int (*truncate)(void *state, uint64_t len);                                           /* NULL: cannot */
} BlockFormat;

typedef struct BlockNode {
    const BlockFormat *fmt;
    void *state;
    char *filename;
    uint64_t length;
    bool read_only;
    BlockFile *file;            /* owned by the format's state */
    struct BlockNode *backing;  /* owned by this node; NULL none */
    char *backing_name;         /* as it stands in the image, or NULL */
    char *backing_format;       /* as it stands in the image, or NULL */
    uint64_t cluster_size;      /* bytes that are allocated together, 0: no such unit */
    char *node_name;            /* of -blockdev or node-name=, or NULL */
    unsigned refs;              /* under the BQL; node_close() lets one go */
    bool in_use;                /* by a drive */
    bool discard_unmap, no_flush, detect_zeroes, detect_unmap, direct; /* as its options say */
    bool copy_on_read;          /* what is read from below is written here */
    GRWLock copy_lock;          /* with copy_on_read: every write reads it, a copy writes it */
    struct BlockNode *copy_bottom; /* with copy_on_read: what lies below this one is not copied; NULL: everything is */
    struct BlockNode *below;    /* a filter (filter.c): what it filters; owned */
    struct ThrottleGroup *limits; /* a filter's, owned, or NULL */
    struct BlockNode *bottom;   /* a copy-on-read filter's, in the chain below, or NULL */
    bool copies;                /* a copy-on-read filter */
    unsigned uppers;            /* filters that lie directly on this node */
} BlockNode;

/* Chain of opens, to find a backing file that leads back to itself. */
typedef struct NodeParent {
    const BlockFile *file;
    const struct NodeParent *up;
} NodeParent;

/* The format that an image with these first bytes is taken for when nobody says it: "raw" when no other. */
const char *node_probe(const uint8_t head[SECTOR]);
/* Opens opts->filename and its backing chain. */
BlockNode *node_open(const BlockOpenOpts *opts, const NodeParent *up, GError **errp);
void node_close(BlockNode *n);
int node_pread(BlockNode *n, uint64_t offset, void *buf, size_t len); /* zeros past the end */
int node_preadv(BlockNode *n, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len);
/* copy-read.c: for a node that has a backing file; elsewhere there is nothing to copy. Before the first request. */
void node_set_copy_on_read(BlockNode *n);
int node_read_copying(BlockNode *n, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len);
int node_write_zeroes(BlockNode *n, uint64_t offset, uint64_t len, bool unmap);
/* The state of the bytes at offset as seen through the backing chain. */
int node_status(BlockNode *n, uint64_t offset, uint64_t len, BlockStatus *st);
/* The path of a backing file that `filename` names `backing`: relative names start at its folder. */
char *node_backing_path(const char *filename, const char *backing, GError **errp);

/* ---- filter nodes (filter.c) ---- */
bool filter_is_driver(const char *name);
/* Takes throttle-group= out of o: one more user of it. */
struct ThrottleGroup *filter_take_group(GHashTable *o, GError **errp);
BlockNode *filter_open(const char *driver, GHashTable *o, const BlockOpenOpts *opts, const NodeParent *up, GError **errp);
void filter_close(BlockNode *n); /* what it has; node_close() frees it */
BlockNode *filter_image(BlockNode *n); /* the image below all filters: n itself if it is none */
bool filter_is_free(const BlockNode *n); /* no drive and no other node uses what is below but by filters */
/* A drive begins or ends to use n and what is below; appends the limits on the way (borrowed). */
void filter_use(BlockNode *n, bool on, GPtrArray *limits);
/* The file of throttle nodes on a protocol node, for a format above them; NULL: it is none, or is in use. */
BlockFile *filter_file(BlockNode *n);
void filter_limit_file(BlockFile *f, struct ThrottleGroup *g); /* takes g over */

/* A node that -blockdev or node-name= has named; NULL. *file: it may be a bare protocol node instead. */
BlockNode *blockdev_find(const char *name, BlockFile **file);
/* A drive of that id that exists (drive_find may make one of a node). */
Drive *drive_find_existing(const char *id);
bool blockdev_register(const char *name, BlockNode *n, BlockFile *f, GError **errp);

extern const BlockFormat raw_format, qcow2_format, overlay_format, vmdk_format, vpc_format, vhdx_format, vdi_format;

/* Take over `file` on success. */
bool raw_open(BlockNode *n, BlockFile *file, const BlockOpenOpts *opts, GError **errp);
bool qcow2_open(BlockNode *n, BlockFile *file, const BlockOpenOpts *opts, GError **errp);
bool vmdk_open(BlockNode *n, BlockFile *file, const BlockOpenOpts *opts, GError **errp);
bool vpc_open(BlockNode *n, BlockFile *file, const BlockOpenOpts *opts, GError **errp);
bool vhdx_open(BlockNode *n, BlockFile *file, const BlockOpenOpts *opts, GError **errp);
bool vdi_open(BlockNode *n, BlockFile *file, const BlockOpenOpts *opts, GError **errp);
/* Takes base over: a node whose writes go to a temporary file (-snapshot). */
BlockNode *overlay_open(BlockNode *base, GError **errp);

#endif
