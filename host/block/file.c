/* file.c - the bytes of a host file or block device: open, vectored read and write, sync, holes, locks.
 *
 * Two programs must not write one image: byte ranges of the file are locked as qemu's file driver
 * does it (open file description locks; byte 100 + n: "I use permission n", byte 200 + n: "I do not
 * share permission n"), so Vireo and qemu keep each other out.
 * cache.direct: requests of whole aligned pages use a second, O_DIRECT descriptor; a smaller one goes through the
 * host's page cache (the kernel keeps both views the same, and the two kinds never share a page that the guest does
 * not write twice itself). Not modelled: files that change their size under another program. */
#include "host/base/osdep.h"
#include "host/block/block-int.h"
#include "host/block/nbd.h"
#include "host/block/vvfat.h"
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

enum { PERM_CONSISTENT_READ, PERM_WRITE, PERM_WRITE_UNCHANGED, PERM_RESIZE, PERM_COUNT };
enum { LOCK_PERM_BASE = 100, LOCK_SHARED_BASE = 200 };
static const char *const perm_name[PERM_COUNT] = {"consistent read", "write", "write unchanged", "resize"};

/* ---- vectors ---- */

int iov_slice(const struct iovec *src, int cnt, uint64_t skip, uint64_t len, struct iovec *dst)
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

void iov_zero(const struct iovec *iov, int iovcnt, uint64_t from)
{
    for (int i = 0; i < iovcnt; i++) {
        if (from < iov[i].iov_len)
            memset((char *)iov[i].iov_base + from, 0, iov[i].iov_len - from);
        from = from > iov[i].iov_len ? from - iov[i].iov_len : 0;
    }
}

void iov_from_buf(const struct iovec *iov, int iovcnt, const uint8_t *buf)
{
    for (int i = 0; i < iovcnt; i++) {
        memcpy(iov[i].iov_base, buf, iov[i].iov_len);
        buf += iov[i].iov_len;
    }
}

bool buffer_is_zero(const void *buf, size_t len)
{
    const char *p = buf;
    return !len || (p[0] == 0 && !memcmp(p, p + 1, len - 1));
}

/* ---- bytes ---- */

enum { IOV_CHUNK = 512 }; /* IOV_MAX is 1024 */
__thread bool file_nowait;

static void grow_len(BlockFile *f, uint64_t end)
{
    uint64_t old = __atomic_load_n(&f->len, __ATOMIC_RELAXED);
    while (old < end && !__atomic_compare_exchange_n(&f->len, &old, end, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

uint64_t file_len(const BlockFile *f) { return __atomic_load_n(&f->len, __ATOMIC_RELAXED); }

enum { DIRECT_PAGE = 4096, DIRECT_MEM = 512 };

/* Whole pages of the file, and memory as a disk wants it. */
static bool is_direct(const BlockFile *f, const struct iovec *iov, int n, uint64_t offset)
{
    uint64_t bits = 0, len = 0;
    if (f->direct_fd <= 0)
        return false;
    for (int i = 0; i < n; i++) {
        bits |= (uintptr_t)iov[i].iov_base | iov[i].iov_len;
        len += iov[i].iov_len;
    }
    return bits % DIRECT_MEM == 0 && (offset | len) % DIRECT_PAGE == 0;
}

static ssize_t rw_once(BlockFile *f, const struct iovec *iov, int n, uint64_t offset, bool write)
{
    if (is_direct(f, iov, n, offset)) {
        ssize_t r = write ? pwritev(f->direct_fd, iov, n, (off_t)offset) : preadv(f->direct_fd, iov, n, (off_t)offset);
        if (r >= 0 || errno != EINVAL) /* EINVAL: this disk wants more alignment than that */
            return r;
    }
    return write ? pwritev(f->fd, iov, n, (off_t)offset)
                 : preadv2(f->fd, iov, n, (off_t)offset, file_nowait ? RWF_NOWAIT : 0);
}

static int read_fat(BlockFile *f, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t skip, uint64_t len)
{
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);
    int n = iov_slice(iov, iovcnt, skip, len, part), ret = 0;
    for (int i = 0; i < n && !ret; offset += part[i++].iov_len) {
        uint64_t end = file_len(f), have = offset < end ? MIN(part[i].iov_len, end - offset) : 0;
        ret = vvfat_read(f->fat, offset, part[i].iov_base, have);
        memset((char *)part[i].iov_base + have, 0, part[i].iov_len - have);
    }
    return ret;
}

static int rw_nbd(BlockFile *f, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t skip, uint64_t len, bool write)
{
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);
    uint64_t end = nbd_length(f->nbd), at = f->base + offset, have = at < end ? MIN(len, end - at) : 0;
    int n = iov_slice(iov, iovcnt, skip, len, part);
    if (write && have < len)
        return -EIO;
    if (!write)
        iov_zero(part, n, have);
    return have ? nbd_rwv(f->nbd, at, part, n, have, write) : 0;
}

int file_rwv(BlockFile *f, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t skip, uint64_t len, bool write)
{
    struct iovec part[IOV_CHUNK];
    uint64_t done = 0;

    if (file_nowait && (write || f->debug || f->no_nowait || f->direct_fd > 0))
        return -EAGAIN;
    int ret = file_check(f, write ? IO_WRITE : IO_READ, offset, len);
    if (ret)
        return ret;
    if (offset > INT64_MAX - f->base || len > INT64_MAX - f->base - offset)
        return write ? -EFBIG : -EIO;
    if (f->nbd)
        return file_nowait ? -EAGAIN : rw_nbd(f, offset, iov, iovcnt, skip, len, write);
    if (f->fat)
        return write ? -EROFS : file_nowait ? -EAGAIN : read_fat(f, offset, iov, iovcnt, skip, len);
    if (f->is_null) {
        int n = 0;
        for (uint64_t left = len, at = skip; !write && n < iovcnt && left; at = at > iov[n].iov_len ? at - iov[n].iov_len : 0, n++) {
            if (at >= iov[n].iov_len)
                continue;
            uint64_t m = MIN(iov[n].iov_len - at, left);
            memset((char *)iov[n].iov_base + at, 0, m);
            left -= m;
        }
        return 0;
    }
    while (done < len) {
        /* A window over the vector: at most IOV_CHUNK of its elements at a time. */
        int first = 0;
        uint64_t pos = skip + done;
        while (first < iovcnt && pos >= iov[first].iov_len)
            pos -= iov[first++].iov_len;
        int n = iov_slice(iov + first, MIN(iovcnt - first, IOV_CHUNK), pos, len - done, part);
        if (!n)
            return -EINVAL;
        ssize_t r = rw_once(f, part, n, f->base + offset + done, write);
        if (r < 0) {
            if (errno == EINTR)
                continue;
            if (file_nowait) {
                f->no_nowait = errno == EOPNOTSUPP || errno == ENOSYS;
                return -EAGAIN;
            }
            return -errno;
        }
        if (r == 0) {
            if (write)
                return -ENOSPC;
            for (int i = 0; i < n; i++) { /* past the end of the file: zeros */
                memset(part[i].iov_base, 0, part[i].iov_len);
                r += (ssize_t)part[i].iov_len;
            }
        }
        done += (uint64_t)r;
    }
    if (write)
        grow_len(f, offset + len);
    return 0;
}

/* A write into the host's page cache costs less than a change of threads, but it may have to wait: for a page to be
 * read that is written in part, for the disk when too much is dirty, for a journal. The first is seen before; after
 * the others the workers do the waiting for a while. */
enum { QUICK_ALIGN = 4096, SLOW_US = 2000, SLOW_PAUSE_US = 500000 };

int file_write_data(BlockFile *f, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t skip, uint64_t len)
{
    if (!file_nowait)
        return file_rwv(f, offset, iov, iovcnt, skip, len, true);
    if (f->debug || f->is_device || f->direct_fd > 0 || (f->base + offset) % QUICK_ALIGN || len % QUICK_ALIGN)
        return -EAGAIN;
    int64_t start = g_get_monotonic_time();
    if (start < __atomic_load_n(&f->slow_until, __ATOMIC_RELAXED))
        return -EAGAIN;
    file_nowait = false;
    int ret = file_rwv(f, offset, iov, iovcnt, skip, len, true);
    file_nowait = true;
    int64_t end = g_get_monotonic_time();
    if (end - start > SLOW_US + (int64_t)(len >> 10))
        __atomic_store_n(&f->slow_until, end + SLOW_PAUSE_US, __ATOMIC_RELAXED);
    return ret ? -EAGAIN : 0; /* an error is found again, and told, by a worker */
}

int file_pread(BlockFile *f, uint64_t offset, void *buf, size_t len)
{
    struct iovec iov = {buf, len};
    return file_rwv(f, offset, &iov, 1, 0, len, false);
}

int file_pwrite(BlockFile *f, uint64_t offset, const void *buf, size_t len)
{
    struct iovec iov = {(void *)buf, len};
    return file_rwv(f, offset, &iov, 1, 0, len, true);
}

int file_sync(BlockFile *f)
{
    int ret = file_check(f, IO_FLUSH, 0, 0);
    if (ret || f->no_flush || f->read_only || f->is_null)
        return ret;
    if (f->nbd)
        return nbd_flush(f->nbd);
    while (fdatasync(f->fd) < 0)
        if (errno != EINTR)
            return errno == EINVAL || errno == EROFS ? 0 : -errno;
    return 0;
}

int file_truncate(BlockFile *f, uint64_t len)
{
    if (len > INT64_MAX)
        return -EFBIG;
    if (f->is_null || f->base || f->nbd)
        return -ENOTSUP;
    if (ftruncate(f->fd, (off_t)len) < 0)
        return -errno;
    __atomic_store_n(&f->len, len, __ATOMIC_RELAXED);
    return 0;
}

void file_punch(BlockFile *f, uint64_t offset, uint64_t len)
{
    /* Discard is a hint: where it cannot be done nothing is lost. */
    if (f->nbd)
        (void)!nbd_trim(f->nbd, f->base + offset, len);
    else if (!f->is_device && !f->is_null)
        (void)!fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(f->base + offset), (off_t)len);
}

bool file_write_zeroes(BlockFile *f, uint64_t offset, uint64_t len)
{
    if (f->is_null)
        return true;
    if (f->nbd)
        return nbd_write_zeroes(f->nbd, f->base + offset, len) == 0;
    return !f->is_device &&
           fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(f->base + offset), (off_t)len) == 0;
}

int file_preallocate(BlockFile *f, uint64_t offset, uint64_t len, bool full)
{
    static const uint8_t zeros[64 * KiB];
    int ret = 0;
    if (!full && !f->is_device && !f->is_null) {
        ret = -posix_fallocate(f->fd, (off_t)(f->base + offset), (off_t)len);
        if (!ret)
            grow_len(f, offset + len);
        return ret;
    }
    for (uint64_t done = 0; full && done < len && !ret; done += sizeof zeros)
        ret = file_pwrite(f, offset + done, zeros, MIN(sizeof zeros, len - done));
    return ret;
}

uint64_t file_allocated(const BlockFile *f)
{
    struct stat st;
    return !f->is_null && !f->nbd && fstat(f->fd, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

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

/* " by process 123 (name)" of one that has a lock on the file, or "": a lock of this kind does not say whose it is,
 * but each process shows which of its open files has locks. */
static char *lock_holder(const BlockFile *f)
{
    GDir *procs = g_dir_open("/proc", 0, NULL);
    char *found = NULL;
    for (const char *pid; procs && !found && (pid = g_dir_read_name(procs));) {
        g_autofree char *fds = g_strdup_printf("/proc/%s/fd", pid);
        GDir *d = g_ascii_isdigit(pid[0]) ? g_dir_open(fds, 0, NULL) : NULL;
        for (const char *n; d && !found && (n = g_dir_read_name(d));) {
            g_autofree char *link = g_strdup_printf("%s/%s", fds, n), *info = g_strdup_printf("/proc/%s/fdinfo/%s", pid, n);
            g_autofree char *text = NULL, *comm = NULL, *comm_path = g_strdup_printf("/proc/%s/comm", pid);
            struct stat st;
            bool own = atoi(pid) == getpid() && atoi(n) == f->fd;
            if (own || stat(link, &st) < 0 || st.st_dev != f->dev || st.st_ino != f->ino || !g_file_get_contents(info, &text, NULL, NULL) ||
                !strstr(text, "OFDLCK"))
                continue;
            if (!g_file_get_contents(comm_path, &comm, NULL, NULL))
                comm = g_strdup("?");
            found = g_strdup_printf(" by process %s (%s)", pid, g_strstrip(comm));
        }
        if (d)
            g_dir_close(d);
    }
    if (procs)
        g_dir_close(procs);
    return found ? found : g_strdup("");
}

static bool lock_error(const BlockFile *f, const char *shared, int perm, GError **errp)
{
    g_autofree char *who = lock_holder(f);
    return error_set(errp, "Failed to get %s\"%s\" lock: is another process using the image [%s]? It is locked%s", shared, perm_name[perm], f->name,
                     who[0] ? who : " by another process");
}

bool file_lock(BlockFile *f, unsigned flags, GError **errp)
{
    bool writes = !f->read_only && !(flags & FILE_READ_ONLY);
    unsigned used = 1 << PERM_CONSISTENT_READ | (writes ? 1 << PERM_WRITE : 0);
    unsigned shared = 1 << PERM_CONSISTENT_READ | 1 << PERM_WRITE_UNCHANGED;

    if (!(flags & FILE_LOCK) || f->is_null || f->nbd)
        return true;
    if (writes && (flags & FILE_LOCK_RESIZE))
        used |= 1 << PERM_RESIZE;
    else if (writes)
        shared |= 1 << PERM_RESIZE;
    else if (flags & FILE_SHARE)
        shared |= 1 << PERM_WRITE | 1 << PERM_RESIZE;
    for (int i = 0; i < PERM_COUNT; i++) {
        if ((used & 1 << i) && lock_byte(f->fd, LOCK_PERM_BASE + i) < 0)
            return true; /* locks are not available here: go without, as on NFS without lockd */
        if (!(shared & 1 << i) && lock_byte(f->fd, LOCK_SHARED_BASE + i) < 0)
            return true;
    }
    for (int i = 0; i < PERM_COUNT; i++) {
        if ((used & 1 << i) && byte_is_locked_by_other(f->fd, LOCK_SHARED_BASE + i))
            return lock_error(f, "", i, errp);
        if (!(shared & 1 << i) && byte_is_locked_by_other(f->fd, LOCK_PERM_BASE + i))
            return lock_error(f, "shared ", i, errp);
    }
    return true;
}

/* ---- open ---- */

BlockFile *file_open(const char *filename, unsigned flags, GError **errp)
{
    const char *path = g_str_has_prefix(filename, "file:") ? filename + 5 : filename;
    bool ro = flags & FILE_READ_ONLY;
    struct stat st;
    int fd = open(path, (ro ? O_RDONLY : O_RDWR) | O_CLOEXEC);

    if (fd < 0 && !ro && (flags & FILE_AUTO_READ_ONLY) && (errno == EACCES || errno == EROFS || errno == EPERM)) {
        ro = true;
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_set_errno(errp, errno, "Could not open '%s'", filename);
        goto fail;
    }
    if (S_ISDIR(st.st_mode)) {
        error_set_errno(errp, EISDIR, "Could not open '%s'", filename);
        goto fail;
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        error_set(errp, "Could not open '%s': neither a regular file nor a block device", filename);
        goto fail;
    }
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0) {
        error_set_errno(errp, errno, "Could not find the size of '%s'", filename);
        goto fail;
    }
    BlockFile *f = g_new0(BlockFile, 1);
    *f = (BlockFile){.fd = fd, .name = g_strdup(path), .len = (uint64_t)end, .read_only = ro,
                     .is_device = S_ISBLK(st.st_mode), .dev = st.st_dev, .ino = st.st_ino, .refs = 1};
    f->driver = g_strdup(f->is_device ? "host_device" : "file");
    return f;
fail:
    if (fd >= 0)
        close(fd);
    return NULL;
}

void file_set_direct(BlockFile *f)
{
    if (f->is_null || f->nbd || f->direct_fd > 0)
        return;
    /* The open file again: its name may have been moved, and may be a descriptor's. */
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", f->fd);
    f->direct_fd = open(path, (f->read_only ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC);
    if (f->direct_fd < 0)
        warn_report("'%s': cache.direct=on (cache=none) is not possible here (%s); the host's page cache is used, flushes reach the disk as ever",
                    f->name, g_strerror(errno));
}

BlockFile *file_ref(BlockFile *f)
{
    f->refs++;
    return f;
}

void file_close(BlockFile *f)
{
    if (!f || --f->refs)
        return;
    if (f->direct_fd > 0)
        close(f->direct_fd);
    if (f->fd >= 0)
        close(f->fd);
    nbd_close(f->nbd);
    vvfat_free(f->fat);
    blkdebug_free(f->debug);
    if (f->limits)
        g_ptr_array_unref(f->limits);
    g_free(f->driver);
    g_free(f->name);
    g_free(f);
}
