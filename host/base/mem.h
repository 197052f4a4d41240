/* mem.h - large host mappings: guest RAM and the two views of code memory. */
#ifndef HOST_BASE_MEM_H
#define HOST_BASE_MEM_H

#include "host/base/osdep.h"

/* Anonymous zeroed pages, size rounded up to the host page; hints huge pages. NULL with errp on failure. */
void *mem_alloc_ram(size_t size, GError **errp);
/* Where guest memory comes from. */
typedef struct MemSource {
    const char *path; /* a file, or a folder (hugetlbfs, tmpfs) for one without a name; NULL: anonymous */
    bool share;       /* other processes see what the guest writes into the file */
    bool prealloc;    /* every page is there from the start */
} MemSource;
/* As mem_alloc_ram(); src may be NULL. A file that is too short grows. */
void *mem_alloc_ram_from(size_t size, const MemSource *src, GError **errp);
void mem_small_pages(void *p, size_t size); /* no huge pages in this mapping of mem_alloc_ram(): little of it will be used, here and there */
void mem_clear_ram(void *p, size_t size); /* zero bytes of a mapping of mem_alloc_ram(); whole pages go back to the host */
void mem_free(void *p, size_t size);

enum { MEM_HUGE_PAGE = 2 * 1024 * 1024 };

/* One memory, two views: *rw is readable and writable, *rx readable and executable (memfd mapped
 * twice). The two lie within 2 GiB of each other only by chance: use the difference, never assume it. */
bool mem_alloc_code(size_t size, void **rw, void **rx, GError **errp);
/* Whole host pages of *rw or *rx will be used (written) soon. */
void mem_ready_view(void *p, size_t size, bool write);
/* size bytes of *rw (aligned, and a multiple: MEM_HUGE_PAGE) become huge pages in both views, contents unchanged. False: the host
 * cannot do that now, and they are as they were. */
bool mem_huge_view(void *rw, size_t size);
/* Whole host pages of *rw will hardly be used soon: they are not resident through this view until they are. What is
 * in them stays. */
void mem_forget_view(void *p, size_t size);

#endif
