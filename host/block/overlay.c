/* overlay.c - the temporary overlay of -snapshot: writes go to an unlinked sparse file.
 * One bit per 4 KiB block says that the block was written. Above any format. */
#include "host/base/osdep.h"
#include "host/block/block-int.h"
#include <fcntl.h>

enum { OVL_BLOCK = 4096 };

typedef struct Overlay {
    BlockNode *base;
    BlockFile file;
    uint8_t *map;   /* a bit per block: set with release after the block's data is there */
    GMutex lock;    /* writers: filling up a partial block must be atomic */
} Overlay;

static bool ovl_has(const Overlay *s, uint64_t block)
{
    return __atomic_load_n(&s->map[block / 8], __ATOMIC_ACQUIRE) & (1 << (block % 8));
}

static void ovl_set(Overlay *s, uint64_t block) { __atomic_fetch_or(&s->map[block / 8], 1 << (block % 8), __ATOMIC_RELEASE); }

static int ovl_preadv(void *opaque, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len)
{
    Overlay *s = opaque;
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);
    int ret = 0;
    for (uint64_t done = 0; done < len && !ret;) {
        uint64_t at = offset + done, block = at / OVL_BLOCK;
        bool in_ovl = ovl_has(s, block);
        uint64_t end = block + 1;
        while (end * OVL_BLOCK < offset + len && ovl_has(s, end) == in_ovl)
            end++;
        uint64_t n = MIN(end * OVL_BLOCK - at, len - done);
        if (in_ovl)
            ret = file_rwv(&s->file, at, iov, iovcnt, done, n, false);
        else
            ret = node_preadv(s->base, at, part, iov_slice(iov, iovcnt, done, n, part), n);
        done += n;
    }
    return ret;
}

static int ovl_pwritev(void *opaque, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len)
{
    Overlay *s = opaque;
    int ret = 0;
    uint64_t first = offset / OVL_BLOCK, last = (offset + len - 1) / OVL_BLOCK;
    uint64_t edge[2] = {first, last};

    if (!file_nowait)
        g_mutex_lock(&s->lock);
    else if (!g_mutex_trylock(&s->lock))
        return -EAGAIN;
    /* Fill the blocks at both edges from the image when the write covers them in part. */
    for (int i = 0; i < 2 && ret == 0; i++) {
        uint64_t b = edge[i];
        bool whole = offset <= b * OVL_BLOCK && offset + len >= (b + 1) * OVL_BLOCK;
        if (whole || ovl_has(s, b))
            continue;
        uint8_t buf[OVL_BLOCK];
        ret = node_pread(s->base, b * OVL_BLOCK, buf, sizeof buf);
        if (ret == 0)
            ret = file_pwrite(&s->file, b * OVL_BLOCK, buf, sizeof buf);
        if (ret == 0)
            ovl_set(s, b);
    }
    if (ret == 0)
        ret = file_write_data(&s->file, offset, iov, iovcnt, 0, len);
    for (uint64_t b = first; ret == 0 && b <= last; b++)
        ovl_set(s, b);
    g_mutex_unlock(&s->lock);
    return ret;
}

static int ovl_flush(void *opaque) { return 0; }
static int ovl_discard(void *opaque, uint64_t offset, uint64_t len) { return 0; }

static void ovl_close(void *opaque)
{
    Overlay *s = opaque;
    node_close(s->base);
    close(s->file.fd);
    free(s->map);
    g_mutex_clear(&s->lock);
    g_free(s);
}

const BlockFormat overlay_format = {"overlay", ovl_preadv, ovl_pwritev, ovl_flush, ovl_discard, ovl_close, NULL, NULL, NULL};

BlockNode *overlay_open(BlockNode *base, GError **errp)
{
    const char *dir = g_getenv("TMPDIR") ? g_getenv("TMPDIR") : "/var/tmp";
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        g_autofree char *name = g_strdup_printf("%s/vireo-XXXXXX", dir);
        fd = g_mkstemp_full(name, O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0) {
            error_set_errno(errp, errno, "Could not create a temporary overlay in '%s'", dir);
            node_close(base);
            return NULL;
        }
        unlink(name);
    }
    uint64_t bytes = base->length / OVL_BLOCK / 8 + 1;
    uint8_t *map = calloc(bytes, 1);
    if (!map) {
        error_set(errp, "No memory for a snapshot map of %" PRIu64 " bytes", bytes);
        close(fd);
        node_close(base);
        return NULL;
    }
    Overlay *s = g_new0(Overlay, 1);
    *s = (Overlay){.base = base, .map = map, .file = {.fd = fd}};
    g_mutex_init(&s->lock);
    BlockNode *n = g_new0(BlockNode, 1);
    *n = (BlockNode){.refs = 1, .fmt = &overlay_format, .state = s, .filename = g_strdup(base->filename), .length = base->length,
                     .file = base->file};
    return n;
}
