/* qcow2.h - what the qcow2 files share: the open image, its tables, and the steps of each topic.
 * Spec: qemu's docs/interop/qcow2.txt, versions 2 and 3 (the format is described there by field).
 *
 * Locks: `lock` protects everything but constants set by open; data is read and written outside it.
 *   - A write that needs new clusters registers its guest range in `allocs`; nobody else maps that range anew until it is done.
 *   - Clusters that become free go to `frees` and are given back by qcow2_flush_locked(), after the tables that named them
 *     are on disk and no request that may still use them is in flight (`io`).
 * Order on disk (qcow2_flush_locked): refcounts up, sync, L2, sync, L1, sync, refcounts down. A crash in between
 * leaves leaked clusters, never a table that names a cluster counted as free.
 * Tables stay valid pointers until qcow2_trim(), which only the starts of requests call. */
#ifndef HOST_BLOCK_QCOW2_H
#define HOST_BLOCK_QCOW2_H

#include "host/base/bitops.h"
#include "host/block/block-int.h"

#define L1_OFFSET_MASK 0x00fffffffffffe00ULL
#define L2_OFFSET_MASK 0x00fffffffffffe00ULL
#define QCOW_COPIED BIT(63)
#define QCOW_COMPRESSED BIT(62)
#define QCOW_ZERO 1ULL

enum {
    INCOMPAT_DIRTY = 1, INCOMPAT_CORRUPT = 2, INCOMPAT_DATA_FILE = 4, INCOMPAT_COMPRESSION = 8, INCOMPAT_EXTL2 = 16,
    COMPAT_LAZY = 1, AUTOCLEAR_BITMAPS = 1, AUTOCLEAR_RAW = 2,
};
enum { EXT_END = 0, EXT_BACKING = 0xe2792aca, EXT_FEATURES = 0x6803f857, EXT_BITMAPS = 0x23852875,
       EXT_CRYPT = 0x0537be77, EXT_DATA_FILE = 0x44415441 };
enum { MAX_L1_BYTES = 32 << 20, MAX_REFTABLE_BYTES = 8 << 20, MAX_SNAPSHOTS = 65536, MAX_BACKING_NAME = 1023,
       MAX_SNAPSHOT_BYTES = 64 << 20, V2_HEADER = 72, V3_HEADER = 104 };

/* The header's fields in host order. */
typedef struct Qcow2Header {
    uint32_t version, backing_len, cluster_bits, crypt, l1_size, reft_clusters, snapshots, refcount_order, header_len;
    uint64_t backing_off, size, l1_off, reft_off, snapshots_off, incompat, compat, autoclear;
    uint32_t bitmaps;       /* of the bitmaps extension: their number (0: no extension is written), their directory */
    uint64_t bitmaps_off, bitmaps_bytes;
    uint8_t compression;
} Qcow2Header;

typedef struct MetaTable { /* a cached L2 table or refcount block, big-endian as on disk */
    uint64_t offset;
    uint8_t *data;
    bool dirty, is_l2;
    GList link;            /* in lru */
} MetaTable;

/* A set of cluster numbers: open addressing, a slot holds number + 1. */
typedef struct Qcow2Set {
    uint64_t *slot;
    uint64_t mask, used;
    uint64_t factor;       /* of the hash: odd, another one for each image */
} Qcow2Set;

typedef struct Qcow2Range { uint64_t start, end; } Qcow2Range;

typedef struct Qcow2Snapshot {
    uint64_t l1_off, vm_clock_ns, vm_state_size, disk_size, icount;
    uint32_t l1_size, date_sec, date_nsec;
    char *id, *name;
    uint8_t *extra;        /* of extra_len: kept as found */
    uint32_t extra_len;
} Qcow2Snapshot;

typedef struct Qcow2Bitmap {
    uint64_t table_off, granularity;
    uint32_t table_size, flags; /* BITMAP_* */
    char *name;
    uint8_t *bits;         /* while a writer notes what it changes, under lock; NULL: it does not */
    bool changed;          /* bits are others than on disk */
} Qcow2Bitmap;
enum { BITMAP_IN_USE = 1, BITMAP_AUTO = 2 };

typedef struct Qcow2 {
    /* constant after open */
    BlockNode *node;
    BlockFile *file;
    unsigned version, cluster_bits, l2_bits, refcount_order, l2_entry, subs;
    uint64_t cluster_size, sub_size;
    bool ext_l2, lazy, zstd, discard, writable, checking;
    uint32_t header_len;
    /* under lock */
    GMutex lock;
    GCond cond;            /* an alloc or an I/O ended */
    uint64_t size, incompat, autoclear, compat;
    uint64_t l1_off, *l1;
    uint32_t l1_size;
    bool l1_dirty, reft_dirty, tables_dirty;
    uint64_t reft_off, *reft;
    uint32_t reft_size;    /* entries */
    uint64_t free_hint;    /* cluster number below which nothing is free */
    uint64_t alloc_end;    /* bytes: no cluster at or beyond was given out or is in the file */
    uint64_t comp_next;    /* next free byte in a partly filled cluster of compressed data, 0 none */
    GHashTable *cache;     /* offset -> MetaTable */
    GQueue lru;            /* head: most recent */
    size_t cache_max;
    Qcow2Set meta;         /* numbers of the clusters that hold metadata */
    GArray *frees;         /* Qcow2Range of bytes, to be given back at the next flush */
    GList *allocs;         /* of Qcow2Range: guest bytes whose allocation is under way */
    unsigned io;           /* data requests in flight */
    bool freeing;          /* a flush waits for io == 0: no new requests */
    bool corrupt, bad;     /* bad: a metadata write failed, nothing more is written */
    GArray *snapshots;     /* of Qcow2Snapshot */
    uint64_t snapshots_off, snapshots_bytes;
    GArray *bitmaps;       /* of Qcow2Bitmap */
    uint64_t bitmaps_off, bitmaps_bytes;
    bool bitmaps_bad;      /* their directory is damaged */
    bool bitmaps_odd;      /* some has what is not known here */
    bool recording;        /* some bitmap notes writes */
    uint64_t comp_cached;  /* entry whose decompressed cluster is in comp_buf; 0 none */
    uint8_t *comp_buf;
    GMutex comp_lock;      /* of comp_cached and comp_buf; a leaf */
} Qcow2;

typedef enum Qcow2Kind { Q_UNALLOCATED, Q_ZERO, Q_DATA, Q_COMPRESSED } Qcow2Kind;
typedef struct Qcow2Map {
    Qcow2Kind kind;
    bool copied;
    uint64_t host;         /* of the byte asked for (Q_DATA; Q_ZERO: of a preallocated cluster, or 0) */
    uint64_t len;          /* bytes for which this holds, in one piece */
    uint64_t entry;        /* the L2 entry */
} Qcow2Map;

/* qcow2-header.c */
bool qcow2_parse_header(const uint8_t *buf, size_t n, Qcow2Header *h, const char *name, GError **errp);
int qcow2_write_field64(Qcow2 *s, unsigned at, uint64_t v);
int qcow2_set_incompat(Qcow2 *s, uint64_t bits, bool on); /* under lock; synced */
/* Backing name and format in the header anew; NULL: none. */
bool qcow2_set_backing(BlockNode *n, const char *name, const char *format, GError **errp);
char *qcow2_feature_names(uint64_t bits, const uint8_t *table, size_t n);
bool qcow2_read_header(BlockNode *n, BlockFile *f, Qcow2Header *h, uint8_t **first, size_t *len, GError **errp);
/* The bytes of a header cluster with its extensions; NULL and errp when they do not fit. */
uint8_t *qcow2_make_header(const Qcow2Header *h, const char *backing, const char *format, GError **errp);

/* qcow2-bitmaps.c: under lock but for loading */
void qcow2_load_bitmaps(Qcow2 *s, const Qcow2Header *h);
/* Calls use for every range of the file that bitmaps lie in; `use` says whether it lies in the file. 0 or -errno. */
int qcow2_use_bitmaps(Qcow2 *s, bool (*use)(void *opaque, uint64_t offset, uint64_t len), void *opaque);
uint64_t qcow2_bitmap_bits(const Qcow2 *s, uint64_t granularity);
uint64_t qcow2_bitmap_bytes(const Qcow2 *s, uint64_t granularity);
bool qcow2_bitmap_fits(const Qcow2 *s, const Qcow2Bitmap *m); /* its table has the size that the disk's needs */
/* All bits of a bitmap, to be freed. */
bool qcow2_bitmap_load_bits(Qcow2 *s, const Qcow2Bitmap *m, uint8_t **bits, GError **errp);
/* New tables with these bits (NULL: none set); the old ones stay as they are. */
int qcow2_bitmap_store_bits(Qcow2 *s, Qcow2Bitmap *m, const uint8_t *bits);
/* The tables of a bitmap as it was are given back. */
void qcow2_bitmap_free_bits(Qcow2 *s, const Qcow2Bitmap *m);
GByteArray *qcow2_bitmaps_directory(const Qcow2 *s); /* the bytes of what s->bitmaps has now */
/* The directory of what s->bitmaps has now, and the header that names it. */
bool qcow2_bitmaps_store_directory(Qcow2 *s, GError **errp);

/* qcow2-bitmap-record.c */
/* An image is opened for writing: from now on its bitmaps note what changes. What cannot be kept is dropped with a warning.
 * False: the image cannot be read or written. */
bool qcow2_bitmaps_start(Qcow2 *s, GError **errp);
int qcow2_bitmaps_stop(Qcow2 *s); /* stores them; 0 or -errno. Under lock */
/* A range changes. Under lock */
void qcow2_bitmaps_note(Qcow2 *s, uint64_t off, uint64_t len);
static inline void qcow2_note_change(Qcow2 *s, uint64_t off, uint64_t len)
{
    if (unlikely(s->recording) && !write_unchanged)
        qcow2_bitmaps_note(s, off, len);
}
/* One that was not closed: the name of a bitmap that says nothing, or NULL. */
const char *qcow2_bitmaps_broken(const Qcow2 *s);
/* The disk had `old` bytes until now. Under lock */
void qcow2_bitmaps_resize(Qcow2 *s, uint64_t old);
void qcow2_bitmaps_drop(Qcow2 *s); /* they vanish and their clusters with them; under lock */

/* qcow2-bitmap-edit.c: of an image that was opened for a check and for writing; not locked. */
bool qcow2_bitmap_add(BlockNode *n, const char *name, uint64_t granularity, GError **errp); /* 0: as the cluster size has it */
bool qcow2_bitmap_remove(BlockNode *n, const char *name, GError **errp);
bool qcow2_bitmap_clear(BlockNode *n, const char *name, GError **errp);
bool qcow2_bitmap_enable(BlockNode *n, const char *name, bool on, GError **errp);
bool qcow2_bitmap_merge(BlockNode *n, const char *name, BlockNode *src, const char *src_name, GError **errp);
bool qcow2_copy_bitmaps(BlockNode *from, BlockNode *to, bool skip_broken, GError **errp);
uint64_t qcow2_bitmaps_size(BlockNode *n, uint64_t cluster_size); /* bytes that they take in an image with such clusters */

/* qcow2-cache.c: under lock */
int qcow2_get_table(Qcow2 *s, uint64_t offset, bool is_l2, MetaTable **t);
MetaTable *qcow2_new_table(Qcow2 *s, uint64_t offset, bool is_l2); /* zeros, dirty */
void qcow2_mark_dirty(Qcow2 *s, MetaTable *t);
void qcow2_drop_table(Qcow2 *s, uint64_t offset);
int qcow2_flush_locked(Qcow2 *s);
int qcow2_trim(Qcow2 *s);
void qcow2_cache_free(Qcow2 *s);

/* qcow2-refcount.c: under lock */
void qcow2_put_refcount(unsigned order, uint8_t *block, uint64_t idx, uint64_t v); /* widths of 1 << order bits */
uint64_t qcow2_refcount_of(const Qcow2 *s, const uint8_t *block, uint64_t idx);
int qcow2_get_refcount(Qcow2 *s, uint64_t cluster, uint64_t *count);
int qcow2_add_refcount(Qcow2 *s, uint64_t offset, uint64_t len, int delta);
int qcow2_set_refcount(Qcow2 *s, uint64_t cluster, uint64_t count);
/* Up to *n clusters in a row; 0 and their offset, with *n those given (at least `min`). */
int qcow2_alloc(Qcow2 *s, uint64_t min, uint64_t *n, uint64_t *offset);
void qcow2_free_later(Qcow2 *s, uint64_t offset, uint64_t len);
/* What an L2 entry names is no longer used by it. */
void qcow2_free_entry(Qcow2 *s, uint64_t entry);
int qcow2_corrupt(Qcow2 *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3); /* marks the image; -EIO */
bool qcow2_is_meta(const Qcow2 *s, uint64_t cluster);
void qcow2_note_meta(Qcow2 *s, uint64_t offset, uint64_t len, bool is_meta);

/* qcow2-map.c: under lock */
static inline uint64_t qcow2_l2_index(const Qcow2 *s, uint64_t off) { return (off >> s->cluster_bits) & MASK64(s->l2_bits); }
static inline uint64_t qcow2_l1_index(const Qcow2 *s, uint64_t off) { return off >> (s->cluster_bits + s->l2_bits); }
static inline uint64_t qcow2_entry(const Qcow2 *s, const MetaTable *t, uint64_t i) { return ldb64(t->data + i * s->l2_entry); }
static inline uint64_t qcow2_bitmap(const Qcow2 *s, const MetaTable *t, uint64_t i)
{
    return s->ext_l2 ? ldb64(t->data + i * s->l2_entry + 8) : 0;
}
void qcow2_set_entry(Qcow2 *s, MetaTable *t, uint64_t i, uint64_t entry, uint64_t bitmap);
int qcow2_map(Qcow2 *s, uint64_t off, uint64_t len, Qcow2Map *m);
int qcow2_l2_for_write(Qcow2 *s, uint64_t off, MetaTable **t);
int qcow2_check_data(Qcow2 *s, uint64_t host, uint64_t len, bool write);
void qcow2_wait_range(Qcow2 *s, uint64_t start, uint64_t end, bool *waited);
int qcow2_zero_clusters(Qcow2 *s, uint64_t off, uint64_t len, bool unmap, bool discard); /* whole clusters */
uint64_t qcow2_compressed_host(const Qcow2 *s, uint64_t entry, uint64_t *bytes);

/* qcow2-compress.c */
int qcow2_read_compressed(Qcow2 *s, uint64_t entry, uint64_t in_cluster, const struct iovec *iov, int cnt, uint64_t skip, uint64_t len);
/* One whole cluster (the last may be shorter than the image's end): compressed if that is smaller. Not locked. */
int qcow2_write_compressed(BlockNode *n, uint64_t off, const uint8_t *buf);
/* The same in two steps, of which the first may run in several threads: bytes in dst (room for a cluster), 0: not smaller. */
size_t qcow2_compress(BlockNode *n, const uint8_t *buf, uint8_t *dst);
int qcow2_write_packed(BlockNode *n, uint64_t off, const uint8_t *buf, const uint8_t *dst, size_t len);

/* qcow2.c: not locked */
int qcow2_read(Qcow2 *s, uint64_t off, void *buf, uint64_t len);
void qcow2_lock_io(Qcow2 *s); /* under lock: one more request with data in flight */
void qcow2_unlock_io(Qcow2 *s);

/* qcow2-snapshot.c: not locked unless said */
bool qcow2_load_snapshots(Qcow2 *s, const Qcow2Header *h, GError **errp);
void qcow2_free_snapshots(Qcow2 *s);
GArray *qcow2_snapshots(BlockNode *n);
bool qcow2_snapshot_create(BlockNode *n, const char *name, GError **errp);
bool qcow2_snapshot_delete(BlockNode *n, const char *name, GError **errp);
/* From now on the (read-only) node shows what the snapshot has. */
bool qcow2_snapshot_open(BlockNode *n, const char *name, GError **errp);
bool qcow2_snapshot_apply(BlockNode *n, const char *name, GError **errp);

void qcow2_snapshot_table(GArray *list, GString *out); /* info.c: the columns of `info snapshots` */

/* qcow2-check.c: not locked */
enum { FIX_LEAKS = 1, FIX_ERRORS = 2 };
typedef struct Qcow2Check {
    uint64_t leaks, corruptions, check_errors, leaks_fixed, corruptions_fixed;
    uint64_t total_clusters, allocated, compressed, fragmented, image_end;
} Qcow2Check;
int qcow2_check(BlockNode *n, Qcow2Check *r, unsigned fix, FILE *out);

/* qcow2-create.c */
typedef struct Qcow2CreateOpts {
    uint64_t size, cluster_size;
    unsigned version, refcount_bits;
    bool lazy, zstd, ext_l2;
    const char *backing, *backing_format, *preallocation; /* off metadata falloc full */
} Qcow2CreateOpts;
/* Other values for an open, writable image's header: as `amend` changes them. */
typedef struct Qcow2Amend {
    int version, lazy; /* -1: as it is */
} Qcow2Amend;
/* qcow2-width.c: the counts of an image that nobody else uses, in another width. */
bool qcow2_set_refcount_bits(BlockNode *n, unsigned bits, GError **errp);
bool qcow2_amend(BlockNode *n, const Qcow2Amend *a, GError **errp);
/* Clusters for the disk from `from` on. mode: "metadata" (they read as zeros), "falloc" and "full": with the host's space. */
int qcow2_preallocate(BlockNode *n, uint64_t from, const char *mode);
bool qcow2_create(const char *filename, const Qcow2CreateOpts *o, GError **errp);
int qcow2_truncate(void *opaque, uint64_t len);
int qcow2_make_empty(BlockNode *n); /* every cluster unallocated: the backing file shows */
/* The size of tables for so many data clusters (measure). */
uint64_t qcow2_metadata_bytes(uint64_t clusters, uint64_t cluster_size, unsigned refcount_order, uint64_t l1_l2_clusters);

#endif
