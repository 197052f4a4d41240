/* mem.c - large host mappings: guest RAM, and code memory seen through two views.
 * Code is never writable and executable through one mapping, so that hardened hosts (no W+X pages)
 * run it; when memfd_create is refused an unlinked temporary file takes its place. */
#include "host/base/mem.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1; older headers do not know it */
#endif

static size_t round_to_page(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return ROUND_UP(size, page);
}

static int open_source(const char *path, size_t len, GError **errp)
{
    g_autofree char *temp = NULL;
    struct stat st;
    struct statfs fs;
    int fd;

    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
        temp = g_build_filename(path, "vireo-ram-XXXXXX", NULL);
        fd = g_mkstemp_full(temp, O_RDWR | O_CLOEXEC, 0600);
    } else {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    }
    if (fd < 0) {
        error_set_errno(errp, errno, "cannot open '%s' for guest memory", path);
        return -1;
    }
    if (temp)
        unlink(temp);
    if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0) {
        error_set_errno(errp, errno, "'%s'", path);
    } else if (fs.f_type == HUGETLBFS_MAGIC && len % (size_t)fs.f_bsize) {
        error_set(errp, "'%s' has pages of %zu KiB: the memory's size must be a multiple of that", path, (size_t)(fs.f_bsize / 1024));
    } else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < len && ftruncate(fd, (off_t)len) < 0) {
        error_set_errno(errp, errno, "cannot make '%s' %zu MiB long", path, (size_t)(len / MiB));
    } else {
        return fd;
    }
    close(fd);
    return -1;
}

/* What cannot be had must be known now, not when the guest runs. */
static bool populate(uint8_t *p, size_t len, GError **errp)
{
#ifdef MADV_POPULATE_WRITE
    if (madvise(p, len, MADV_POPULATE_WRITE) == 0)
        return true;
    if (errno != EINVAL)
        return error_set_errno(errp, errno, "cannot allocate %zu MiB of guest memory beforehand", (size_t)(len / MiB));
#endif
    for (size_t i = 0; i < len; i += (size_t)sysconf(_SC_PAGESIZE)) /* before Linux 5.14 */
        *(volatile uint8_t *)(p + i) = p[i];
    return true;
}

void *mem_alloc_ram(size_t size, GError **errp) { return mem_alloc_ram_from(size, NULL, errp); }

void *mem_alloc_ram_from(size_t size, const MemSource *src, GError **errp)
{
    size_t len = round_to_page(size), huge = MEM_HUGE_PAGE;
    size_t align = len >= huge ? huge : (size_t)sysconf(_SC_PAGESIZE);
    size_t span = len + align, head;
    uint8_t *p;
    int fd = -1;

    if (len < size || span < len || len == 0) {
        error_set(errp, "cannot map %zu bytes of guest memory", size);
        return NULL;
    }
    p = mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        error_set_errno(errp, errno, "cannot map %zu MiB of guest memory", (size_t)(len / MiB));
        return NULL;
    }
    /* Cut to an aligned start, so that the host can back it with huge pages. */
    head = (align - (uintptr_t)p % align) % align;
    if (head)
        munmap(p, head);
    if (span - head > len)
        munmap(p + head + len, span - head - len);
    p += head;
    if (src && (src->path || src->share)) {
        int flags = MAP_FIXED | MAP_NORESERVE | (src->share ? MAP_SHARED : MAP_PRIVATE) | (src->path ? 0 : MAP_ANONYMOUS);
        if (src->path && (fd = open_source(src->path, len, errp)) < 0) {
            munmap(p, len);
            return NULL;
        }
        void *q = mmap(p, len, PROT_READ | PROT_WRITE, flags, fd, 0);
        int err = errno;
        if (fd >= 0)
            close(fd);
        if (q == MAP_FAILED) {
            munmap(p, len);
            error_set_errno(errp, err, "cannot map %zu MiB of '%s' as guest memory", (size_t)(len / MiB), src->path ? src->path : "shared memory");
            return NULL;
        }
    }
    if (src && src->prealloc && !populate(p, len, errp)) {
        munmap(p, len);
        return NULL;
    }
    if (len >= huge)
        madvise(p, len, MADV_HUGEPAGE);
    madvise(p, len, MADV_DONTDUMP);
    return p;
}

void mem_free(void *p, size_t size)
{
    if (p)
        munmap(p, round_to_page(size));
}

void mem_small_pages(void *p, size_t size) { madvise(p, size, MADV_NOHUGEPAGE); }

void mem_clear_ram(void *p, size_t size)
{
    /* Pages that nobody has touched must not be made by clearing them. */
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if ((uintptr_t)p % page || size % page || madvise(p, size, MADV_DONTNEED) < 0)
        memset(p, 0, size);
}

void mem_ready_view(void *p, size_t size, bool write)
{
#ifdef MADV_POPULATE_WRITE
    madvise(p, size, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ); /* Linux 5.14; what is not done now faults later */
#endif
}

bool mem_huge_view(void *rw, size_t size)
{
    volatile uint8_t *first = rw;

    *first = *first; /* where nothing is yet, nothing is made huge */
    return madvise(rw, size, MADV_COLLAPSE) == 0;
}

void mem_forget_view(void *p, size_t size) { madvise(p, size, MADV_DONTNEED); }

static int anonymous_file(void)
{
    int fd = memfd_create("vireo-code", MFD_CLOEXEC);

    if (fd < 0) {
        g_autofree char *name = g_build_filename(g_get_tmp_dir(), "vireo-code-XXXXXX", NULL);
        fd = g_mkstemp_full(name, O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0)
            unlink(name);
    }
    return fd;
}

/* A place in the address space where a view may begin that huge pages fit in; NULL: any will do. */
static void *aligned_place(size_t len)
{
    size_t huge = MEM_HUGE_PAGE, span = len + huge;
    uint8_t *p = len < huge ? MAP_FAILED : mmap(NULL, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    munmap(p, span);
    return p + (huge - (uintptr_t)p % huge) % huge;
}

bool mem_alloc_code(size_t size, void **rw, void **rx, GError **errp)
{
    size_t len = round_to_page(size);
    int fd = anonymous_file(), err;

    if (fd < 0)
        return error_set_errno(errp, errno, "cannot create memory for translated code");
    if (ftruncate(fd, (off_t)len) < 0)
        goto fail;
    *rw = mmap(aligned_place(len), len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (*rw == MAP_FAILED)
        goto fail;
    *rx = mmap(aligned_place(len), len, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (*rx == MAP_FAILED) {
        err = errno;
        munmap(*rw, len);
        errno = err;
        goto fail;
    }
    close(fd);
    return true;
fail:
    err = errno;
    close(fd);
    return error_set_errno(errp, err, "cannot map %zu MiB of memory for translated code", (size_t)(len / MiB));
}
