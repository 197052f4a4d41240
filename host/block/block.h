/* block.h - disk images: a small interface over image formats; requests run in worker threads.
 * Completion callbacks run under the BQL. Offsets and lengths are bytes. */
#ifndef HOST_BLOCK_BLOCK_H
#define HOST_BLOCK_BLOCK_H

#include "host/base/osdep.h"
#include <sys/uio.h>

typedef struct BlockImage BlockImage;
typedef struct BlockReq BlockReq;
struct BlockNode;
struct ThrottleGroup;

typedef struct BlockOpenOpts {
    const char *filename;
    const char *format; /* "raw", "qcow2", "vmdk", "vpc", "vhdx", "vdi", or NULL: probed */
    GHashTable *options; /* more of them by dotted key, see blkopts.h, or NULL; not changed */
    bool read_only;
    bool auto_read_only; /* fall back to read-only when it cannot be opened for writing (CD-ROM) */
    bool snapshot;      /* writes go to a temporary overlay that vanishes */
    bool writethrough;  /* cache=writethrough/directsync: every write is followed by a flush */
    bool direct;        /* cache=none/directsync: whole pages go past the host's page cache */
    bool no_flush;      /* cache=unsafe */
    bool discard_unmap; /* discard=unmap: punch holes for what the guest discards */
    bool lock;          /* take QEMU-compatible OFD byte-range locks (default true) */
    bool share_writers; /* a raw image opened for reading may be written by others meanwhile (tools) */
    bool no_backing;    /* do not open the backing chain (tools) */
    bool probed;        /* set by opening: nobody said the format */
    bool strict;        /* as -blockdev: detect-zeroes=unmap needs discard=unmap */
    bool no_repair;     /* a dirty image is not repaired on open (tools) */
    bool check;         /* for a check: damaged tables do not prevent opening */
} BlockOpenOpts;

/* NULL with one clear line in errp: missing, directory, unreadable, locked by another process, ... */
BlockImage *block_open(const BlockOpenOpts *opts, GError **errp);
void block_close(BlockImage *img); /* waits for requests in flight, flushes */

const char *block_filename(const BlockImage *img);
const char *block_format(const BlockImage *img);
uint64_t block_length(const BlockImage *img);
bool block_read_only(const BlockImage *img);
bool block_is_snapshot(const BlockImage *img);
unsigned block_node_id(const BlockImage *img); /* the N of "#blockN" */

/* Appends what `info block -v` and `qemu-img info` say about the image and, with `chain`, those below it. */
void block_info_text(struct BlockNode *n, bool chain, GString *out);
/* "1.5 GiB", three digits. Free it. */
char *block_human_size(uint64_t n);
/* The name in parentheses: "#block123", or the node's own; NULL: the drive has it as its id. */
char *block_node_label(const BlockImage *img, const char *drive_id);
bool block_detects_zeroes(const BlockImage *img, bool *unmap);

/* The chain below the image, from its own backing file (1) on; NULL past the end. */
const char *block_backing_filename(const BlockImage *img, unsigned depth);

/* What stands behind a range, as seen through the backing chain. */
typedef struct BlockStatus {
    uint64_t len;       /* bytes for which this holds */
    bool allocated;     /* by some image of the chain (else: reads as zeros, nothing stored) */
    bool data, zero;    /* stored bytes; reads as zeros */
    bool compressed;
    bool has_offset;    /* `offset` is where the bytes are in `file` */
    uint64_t offset;
    unsigned depth;     /* which image of the chain: 0 the top */
    const char *file;
} BlockStatus;
int block_status(BlockImage *img, uint64_t offset, uint64_t len, BlockStatus *st);
int block_write_zeroes(BlockImage *img, uint64_t offset, uint64_t len, bool unmap);
int block_discard(BlockImage *img, uint64_t offset, uint64_t len);
int block_truncate(BlockImage *img, uint64_t len);
struct BlockNode *block_node(BlockImage *img); /* for tools: see block-int.h */

/* -blockdev: a named node from key=value text or JSON. */
bool blockdev_add(const char *text, GError **errp);
bool blockdev_del(const char *name, GError **errp);
void blockdev_close_all(void);
/* An image on a named node that nobody uses yet. */
BlockImage *block_open_node(const char *node_name, bool read_only, GError **errp);

/* What a failed request does. STOP (and ENOSPC, for that error): the request is kept, the VM is to stop;
 * block_retry_all() sends it again. The device only sees a request that takes long. */
typedef enum BlockErrorAction { BLOCK_ERROR_REPORT, BLOCK_ERROR_IGNORE, BLOCK_ERROR_STOP, BLOCK_ERROR_ENOSPC } BlockErrorAction;
void block_set_error_actions(BlockImage *img, BlockErrorAction on_read, BlockErrorAction on_write);
/* The error of the last request that was kept, 0: none is. */
int block_io_status(const BlockImage *img);
bool block_retry_all(void); /* on `cont`; false: nothing was kept. Under the BQL. */

/* Limits on reads and writes (throttle.h), or NULL. The caller keeps the group as long as the image. */
void block_set_limits(BlockImage *img, struct ThrottleGroup *g);

/* Before the machine's state is saved: everything in flight is done. False: a failed request waits for `cont`, which
 * no device's state knows of; a state saved now would lose it. Under the BQL, the VM stopped. */
bool block_prepare_save(GError **errp);

/* Inline mode, for a program whose threads obey the BQL: callbacks come in any thread, a read or write of cached data may be
 * complete as soon as the submitter gives up the BQL. Off: callbacks come in the main loop and in block_drain() only. */
void block_set_inline(bool on);

typedef void BlockDone(void *opaque, int ret); /* ret 0 or -errno */

/* Asynchronous. The iov and its memory stay valid until done. Reads beyond the end give zeros. */
BlockReq *block_aio_readv(BlockImage *img, uint64_t offset, const struct iovec *iov, int iovcnt,
                          BlockDone *done, void *opaque);
BlockReq *block_aio_writev(BlockImage *img, uint64_t offset, const struct iovec *iov, int iovcnt,
                           BlockDone *done, void *opaque);
BlockReq *block_aio_flush(BlockImage *img, BlockDone *done, void *opaque);
BlockReq *block_aio_discard(BlockImage *img, uint64_t offset, uint64_t len, BlockDone *done, void *opaque);
BlockReq *block_aio_write_zeroes(BlockImage *img, uint64_t offset, uint64_t len, bool unmap, BlockDone *done, void *opaque);
/* The callback will not be called with anything but -ECANCELED, and before this returns; the
 * request itself may already have reached the disk. */
void block_aio_cancel(BlockReq *req);
/* Wait for everything in flight on img (NULL: all images) and run the callbacks. Under the BQL. */
void block_drain(BlockImage *img);

/* Synchronous, for start-up and the monitor. 0 or -errno. */
int block_pread(BlockImage *img, uint64_t offset, void *buf, size_t len);
int block_pwrite(BlockImage *img, uint64_t offset, const void *buf, size_t len);
int block_flush(BlockImage *img);

/* Drives: what -drive/-hda make, what a controller's device uses, what change/eject act on. */
typedef enum DriveInterface { DRIVE_IDE, DRIVE_FLOPPY, DRIVE_NONE, DRIVE_VIRTIO, DRIVE_PFLASH } DriveInterface;
typedef struct Drive Drive;
/* The device on a drive hears of media changes. */
typedef struct DriveOps {
    void (*media_changed)(void *opaque, bool loaded);
    void (*eject_request)(void *opaque, bool force); /* the host asks the guest to let go */
    bool (*is_tray_open)(void *opaque);
    bool (*is_locked)(void *opaque);
} DriveOps;

struct Drive {
    char *id;              /* "ide0-hd0", "ide1-cd0", "floppy0", or id= */
    DriveInterface iface;
    int bus, unit;         /* IDE: bus 0-1, unit 0-1; floppy: unit 0-1 */
    bool cdrom, removable;
    BlockImage *image;     /* NULL: no medium */
    BlockOpenOpts opts;    /* owned copies of the strings; used again by `change` */
    char *serial;          /* -drive serial= or NULL */
    char *werror, *rerror; /* as the user wrote them, or NULL */
    BlockErrorAction on_read, on_write;
    struct ThrottleGroup *limits; /* or NULL */
    bool copy_on_read;
    bool cache_direct, has_medium, from_node;
    int bootindex;         /* -1 none */
    char *attached_to;     /* qom-like path for `info block`, set by the device */
    const DriveOps *ops;
    void *opaque;
};

/* Parses a -drive option string (or the parts made from -hda, -cdrom, -fda); opens the image. */
Drive *drive_new(const char *optstr, GError **errp);
/* An empty removable drive (the default CD-ROM and floppy). */
Drive *drive_new_empty(DriveInterface iface, int bus, int unit, bool cdrom);
/* The drive of that id; a named block node that nobody uses becomes a drive by being looked for. */
Drive *drive_find(const char *id);
Drive *drive_get(DriveInterface iface, int bus, int unit);
GList *drive_list(void); /* of Drive*, by interface, bus, unit */
void drive_attach(Drive *d, const DriveOps *ops, void *opaque, const char *path);
/* The id of the -device that has the drive, for `info block`; NULL: the path stays. */
void drive_set_device_id(Drive *d, const char *id);
/* werror= and rerror= of a device; NULL: as the drive has them. */
bool drive_set_actions(Drive *d, const char *werror, const char *rerror, GError **errp);
struct ThrottleConfig;
/* `block_set_io_throttle`: the limits from now on. */
bool drive_set_limits(Drive *d, const struct ThrottleConfig *c, GError **errp);
/* `change` and `eject`; errors in QEMU's words. */
bool drive_change(Drive *d, const char *filename, const char *format, bool read_only, GError **errp);
bool drive_eject(Drive *d, bool force, GError **errp);
void drive_close_all(void);
void drive_set_snapshot_default(bool on); /* -snapshot: before the first drive_new */

#endif
