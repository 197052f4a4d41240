/* raw.c - raw images in files and block devices, with a temporary overlay for -snapshot.
 *
 * Two programs must not write one image: byte ranges of the file are locked as qemu's file driver
 * does it (open file description locks; byte 100 + n: "I use permission n", byte 200 + n: "I do not
 * share permission n"), so Vireo and qemu keep each other out.
 * The overlay is an unlinked sparse file with one bit per 4 KiB block that was written.
 * Not modelled: O_DIRECT, images that change their size while open. */
#include "host/base/osdep.h"
#include "host/block/block-int.h"
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

enum { SECTOR = 512, OVL_BLOCK = 4096 };
enum { PERM_CONSISTENT_READ, PERM_WRITE, PERM_WRITE_UNCHANGED, PERM_RESIZE, PERM_COUNT };
enum { LOCK_PERM_BASE = 100, LOCK_SHARED_BASE = 200 };
static const char *const perm_name[PERM_COUNT] = {"consistent read", "write", "write unchanged", "resize"};

typedef struct RawState {
    int fd;
    uint64_t file_len;      /* bytes in the file; reads beyond give zeros */
    bool discard;
    bool is_device;
    /* -snapshot: */
    int ovl_fd;             /* -1 none */
    uint8_t *ovl_map;       /* a bit per block: set with release after the block's data is there */
    uint64_t ovl_bytes;
    GMutex ovl_lock;        /* writers of the overlay: filling up a partial block must be atomic */
} RawState;

/* ---- plain file ---- */

/* Advance *iov by n bytes inside a private copy. */
static int iov_slice(const struct iovec *src, int cnt, uint64_t skip, uint64_t len, struct iovec *dst)
{
    int n = 0;
    for (int i = 0; i < cnt && len; i++) {
        if (skip >= src[i].iov_len) {
            skip -= src[i].iov_len;
            continue;
        }
        uint64_t part = MIN(src[i].iov_len - skip, len);
        dst[n++] = (struct iovec){(char *)src[i].iov_base + skip, part};
        len -= part;
        skip = 0;
    }
    return n;
}

enum { IOV_CHUNK = 512 }; /* IOV_MAX is 1024 */

static int fd_rw(int fd, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t skip, uint64_t len,
                 bool write)
{
    struct iovec part[IOV_CHUNK];
    uint64_t done = 0;
    while (done < len) {
        /* A window over the vector: at most IOV_CHUNK of its elements at a time. */
        int first = 0;
        uint64_t pos = skip + done;
        while (first < iovcnt && pos >= iov[first].iov_len)
            pos -= iov[first++].iov_len;
        int n = iov_slice(iov + first, MIN(iovcnt - first, IOV_CHUNK), pos, len - done, part);
        ssize_t r = write ? pwritev(fd, part, n, (off_t)(offset + done)) : preadv(fd, part, n, (off_t)(offset + done));
        if (r < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (r == 0) {
            if (write)
                return -ENOSPC;
            for (int i = 0; i < n; i++) /* past the end of the file: zeros */
                memset(part[i].iov_base, 0, part[i].iov_len);
            for (int i = 0; i < n; i++)
                r += (ssize_t)part[i].iov_len;
        }
        done += (uint64_t)r;
    }
    return 0;
}

/* ---- overlay ---- */

static bool ovl_has(const RawState *s, uint64_t block)
{
    return __atomic_load_n(&s->ovl_map[block / 8], __ATOMIC_ACQUIRE) & (1 << (block % 8));
}

static int ovl_read(RawState *s, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len)
{
    for (uint64_t done = 0; done < len;) {
        uint64_t at = offset + done, block = at / OVL_BLOCK;
        bool in_ovl = ovl_has(s, block);
        uint64_t end = block + 1;
        while (end * OVL_BLOCK < offset + len && ovl_has(s, end) == in_ovl)
            end++;
        uint64_t n = MIN(end * OVL_BLOCK - at, len - done);
        int ret = fd_rw(in_ovl ? s->ovl_fd : s->fd, at, iov, iovcnt, done, n, false);
        if (ret)
            return ret;
        done += n;
    }
    return 0;
}

static int ovl_write(RawState *s, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len)
{
    int ret = 0;
    uint64_t first = offset / OVL_BLOCK, last = (offset + len - 1) / OVL_BLOCK;
    uint64_t edge[2] = {first, last};

    g_mutex_lock(&s->ovl_lock);
    /* Fill the blocks at both edges from the image when the write covers them in part. */
    for (int i = 0; i < 2 && ret == 0; i++) {
        uint64_t b = edge[i];
        bool whole = offset <= b * OVL_BLOCK && offset + len >= (b + 1) * OVL_BLOCK;
        if (whole || ovl_has(s, b))
            continue;
        uint8_t buf[OVL_BLOCK];
        struct iovec one = {buf, sizeof buf};
        ret = fd_rw(s->fd, b * OVL_BLOCK, &one, 1, 0, sizeof buf, false);
        if (ret == 0)
            ret = fd_rw(s->ovl_fd, b * OVL_BLOCK, &one, 1, 0, sizeof buf, true);
        if (ret == 0)
            __atomic_fetch_or(&s->ovl_map[b / 8], 1 << (b % 8), __ATOMIC_RELEASE);
    }
    if (ret == 0)
        ret = fd_rw(s->ovl_fd, offset, iov, iovcnt, 0, len, true);
    for (uint64_t b = first; ret == 0 && b <= last; b++)
        __atomic_fetch_or(&s->ovl_map[b / 8], 1 << (b % 8), __ATOMIC_RELEASE);
    g_mutex_unlock(&s->ovl_lock);
    return ret;
}

static bool ovl_create(RawState *s, uint64_t length, GError **errp)
{
    const char *dir = g_getenv("TMPDIR") ? g_getenv("TMPDIR") : "/var/tmp";
    g_autofree char *name = NULL;

    s->ovl_fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->ovl_fd < 0) {
        name = g_strdup_printf("%s/vireo-XXXXXX", dir);
        s->ovl_fd = g_mkstemp_full(name, O_RDWR | O_CLOEXEC, 0600);
        if (s->ovl_fd < 0)
            return error_set_errno(errp, errno, "Could not create a temporary overlay in '%s'", dir);
        unlink(name);
    }
    s->ovl_bytes = length / OVL_BLOCK / 8 + 1;
    s->ovl_map = calloc(s->ovl_bytes, 1);
    if (!s->ovl_map) {
        close(s->ovl_fd);
        s->ovl_fd = -1;
        return error_set(errp, "No memory for a snapshot map of %" PRIu64 " bytes", s->ovl_bytes);
    }
    return true;
}

/* ---- format operations ---- */

static int raw_preadv(void *opaque, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len)
{
    RawState *s = opaque;
    if (s->ovl_fd >= 0)
        return ovl_read(s, offset, iov, iovcnt, len);
    return fd_rw(s->fd, offset, iov, iovcnt, 0, len, false);
}

static int raw_pwritev(void *opaque, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len)
{
    RawState *s = opaque;
    if (s->ovl_fd >= 0)
        return ovl_write(s, offset, iov, iovcnt, len);
    return fd_rw(s->fd, offset, iov, iovcnt, 0, len, true);
}

static int raw_flush(void *opaque)
{
    RawState *s = opaque;
    while (fdatasync(s->fd) < 0)
        if (errno != EINTR)
            return errno == EINVAL || errno == EROFS ? 0 : -errno;
    return 0;
}

static int raw_discard(void *opaque, uint64_t offset, uint64_t len)
{
    RawState *s = opaque;
    /* Discard is a hint: where it cannot be done nothing is lost. */
    if (s->discard && s->ovl_fd < 0 && !s->is_device)
        (void)!fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len);
    return 0;
}

static void raw_close(void *opaque)
{
    RawState *s = opaque;
    close(s->fd);
    if (s->ovl_fd >= 0)
        close(s->ovl_fd);
    free(s->ovl_map);
    g_mutex_clear(&s->ovl_lock);
    g_free(s);
}

const BlockFormat raw_format = {"raw", raw_preadv, raw_pwritev, raw_flush, raw_discard, raw_close};

/* ---- locks ---- */

/* 0, or -errno; ENOLCK/EINVAL/ENOSYS mean that this file system has no such locks. */
static int lock_byte(int fd, off_t byte)
{
    struct flock fl = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &fl) < 0 ? -errno : 0;
}

static bool byte_is_locked_by_other(int fd, off_t byte)
{
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}

static bool take_locks(int fd, bool writes, const char *path, GError **errp)
{
    unsigned used = 1 << PERM_CONSISTENT_READ | (writes ? 1 << PERM_WRITE : 0);
    unsigned shared = 1 << PERM_CONSISTENT_READ | 1 << PERM_WRITE_UNCHANGED;

    if (writes)
        shared |= 1 << PERM_RESIZE;
    for (int i = 0; i < PERM_COUNT; i++) {
        if ((used & 1 << i) && lock_byte(fd, LOCK_PERM_BASE + i) < 0)
            return true; /* locks are not available here: go without, as on NFS without lockd */
        if (!(shared & 1 << i) && lock_byte(fd, LOCK_SHARED_BASE + i) < 0)
            return true;
    }
    for (int i = 0; i < PERM_COUNT; i++) {
        if ((used & 1 << i) && byte_is_locked_by_other(fd, LOCK_SHARED_BASE + i))
            return error_set(errp, "Failed to get \"%s\" lock: is another process using the image [%s]?",
                             perm_name[i], path);
        if (!(shared & 1 << i) && byte_is_locked_by_other(fd, LOCK_PERM_BASE + i))
            return error_set(errp, "Failed to get shared \"%s\" lock: is another process using the image [%s]?",
                             perm_name[i], path);
    }
    return true;
}

/* ---- open ---- */

/* The formats that would be mistaken for raw bytes when nobody names the format. */
static const char *other_format(const uint8_t *head, size_t n)
{
    if (n >= 8 && !memcmp(head, "QFI\xfb", 4))
        return "qcow2";
    if (n >= 4 && !memcmp(head, "KDMV", 4))
        return "vmdk";
    if (n >= 8 && !memcmp(head, "conectix", 8))
        return "vpc";
    if (n >= 8 && !memcmp(head, "vhdxfile", 8))
        return "vhdx";
    if (n >= 68 && !memcmp(head + 64, "\x7f\x10\xda\xbe", 4))
        return "vdi";
    return NULL;
}

bool raw_open(const BlockOpenOpts *opts, void **state, uint64_t *length, bool *read_only, GError **errp)
{
    const char *path = opts->filename;
    bool ro = opts->read_only || opts->snapshot;
    struct stat st;
    uint8_t head[512];
    g_autofree RawState *s = g_new0(RawState, 1);

    if (g_str_has_prefix(path, "file:"))
        path += 5;
    s->ovl_fd = -1;
    s->fd = open(path, (ro ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (s->fd < 0 && !ro && opts->auto_read_only && (errno == EACCES || errno == EROFS || errno == EPERM)) {
        ro = true;
        s->fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (s->fd < 0)
        return error_set_errno(errp, errno, "Could not open '%s'", opts->filename);
    if (fstat(s->fd, &st) < 0) {
        error_set_errno(errp, errno, "Could not open '%s'", opts->filename);
        goto fail;
    }
    if (S_ISDIR(st.st_mode)) {
        error_set_errno(errp, EISDIR, "Could not open '%s'", opts->filename);
        goto fail;
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        error_set(errp, "Could not open '%s': neither a regular file nor a block device", opts->filename);
        goto fail;
    }
    s->is_device = S_ISBLK(st.st_mode);
    off_t end = lseek(s->fd, 0, SEEK_END);
    if (end < 0) {
        error_set_errno(errp, errno, "Could not find the size of '%s'", opts->filename);
        goto fail;
    }
    if (end < SECTOR) {
        error_set(errp, "Image '%s' is %s: a disk has at least one sector of 512 bytes", opts->filename,
                  end ? "smaller than one sector" : "empty");
        goto fail;
    }
    if (!opts->format) {
        ssize_t n = pread(s->fd, head, sizeof head, 0);
        const char *f = n > 0 ? other_format(head, (size_t)n) : NULL;
        if (f) {
            error_set(errp, "'%s' is a %s image: this format is not supported (supported: raw; "
                            "`qemu-img convert -O raw` makes one)", opts->filename, f);
            goto fail;
        }
    }
    if (opts->lock && !take_locks(s->fd, !ro, path, errp))
        goto fail;
    s->file_len = (uint64_t)end;
    s->discard = opts->discard_unmap;
    *length = ROUND_UP((uint64_t)end, SECTOR);
    if (opts->snapshot && !ovl_create(s, *length, errp))
        goto fail;
    g_mutex_init(&s->ovl_lock);
    *read_only = opts->snapshot ? opts->read_only : ro;
    *state = g_steal_pointer(&s);
    return true;
fail:
    close(s->fd);
    return false;
}
