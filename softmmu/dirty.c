/* dirty.c - dirty bits of RAM pages, one bitmap per client, in atomics.
 * The bitmaps are reserved once for the largest ram_addr_t and filled by the host on demand, so that
 * readers on vCPU threads never see them move. */
#include "softmmu/dirty.h"

#include <sys/mman.h>

enum { WORD_BITS = 64 };
static const ram_addr_t RAM_ADDR_LIMIT = 1ULL << 42; /* 4 TiB: 128 MiB of address space per client */

static uint64_t *bitmap[DIRTY_CLIENTS];
static ram_addr_t dirty_end;
static const DirtyHooks *dirty_hooks;

static uint64_t page_limit(ram_addr_t addr, uint64_t len)
{
    ram_addr_t end = addr + len;

    if (end < addr || end > dirty_end)
        end = dirty_end;
    return (end + (1ULL << DIRTY_PAGE_BITS) - 1) >> DIRTY_PAGE_BITS;
}

static inline bool bit_get(DirtyClient c, uint64_t page)
{
    return __atomic_load_n(&bitmap[c][page / WORD_BITS], __ATOMIC_RELAXED) >> (page % WORD_BITS) & 1;
}

static inline void bit_set(DirtyClient c, uint64_t page)
{
    uint64_t m = 1ULL << (page % WORD_BITS);

    /* Mostly set already: do not take the cache line for writing. */
    if (!(__atomic_load_n(&bitmap[c][page / WORD_BITS], __ATOMIC_RELAXED) & m))
        __atomic_fetch_or(&bitmap[c][page / WORD_BITS], m, __ATOMIC_SEQ_CST);
}

bool dirty_get(DirtyClient c, ram_addr_t addr)
{
    return addr >= dirty_end || bit_get(c, addr >> DIRTY_PAGE_BITS);
}

bool dirty_any(DirtyClient c, ram_addr_t addr, uint64_t len)
{
    uint64_t end = page_limit(addr, len);

    for (uint64_t p = addr >> DIRTY_PAGE_BITS; p < end; p++)
        if (bit_get(c, p))
            return true;
    return false;
}

void dirty_set(DirtyClient c, ram_addr_t addr, uint64_t len)
{
    uint64_t end = page_limit(addr, len);

    for (uint64_t p = addr >> DIRTY_PAGE_BITS; p < end; p++)
        bit_set(c, p);
}

void dirty_set_all_but_code(ram_addr_t addr, uint64_t len)
{
    uint64_t end = page_limit(addr, len);

    for (uint64_t p = addr >> DIRTY_PAGE_BITS; p < end; p++) {
        bit_set(DIRTY_VGA, p);
        bit_set(DIRTY_MIGRATION, p);
    }
}

bool dirty_all_set(ram_addr_t addr)
{
    uint64_t page = addr >> DIRTY_PAGE_BITS, w;

    if (addr >= dirty_end)
        return true;
    w = page / WORD_BITS;
    return (__atomic_load_n(&bitmap[DIRTY_VGA][w], __ATOMIC_RELAXED) &
            __atomic_load_n(&bitmap[DIRTY_CODE][w], __ATOMIC_RELAXED) &
            __atomic_load_n(&bitmap[DIRTY_MIGRATION][w], __ATOMIC_RELAXED)) >> (page % WORD_BITS) & 1;
}

void dirty_clear(DirtyClient c, ram_addr_t addr, uint64_t len)
{
    uint64_t end = page_limit(addr, len);
    bool changed = false;

    for (uint64_t p = addr >> DIRTY_PAGE_BITS; p < end; p++) {
        uint64_t m = 1ULL << (p % WORD_BITS);
        changed |= (__atomic_fetch_and(&bitmap[c][p / WORD_BITS], ~m, __ATOMIC_SEQ_CST) & m) != 0;
    }
    if (changed && dirty_hooks && dirty_hooks->protect)
        dirty_hooks->protect(addr, len);
}

void dirty_write(ram_addr_t addr, uint64_t len)
{
    uint64_t end = page_limit(addr, len);

    if (len == 0)
        return;
    for (uint64_t p = addr >> DIRTY_PAGE_BITS; p < end; p++) {
        if (unlikely(!bit_get(DIRTY_CODE, p))) {
            ram_addr_t from = MAX(addr, p << DIRTY_PAGE_BITS);
            ram_addr_t to = MIN(addr + len, (p + 1) << DIRTY_PAGE_BITS);
            if (dirty_hooks && dirty_hooks->invalidate_code)
                dirty_hooks->invalidate_code(from, to - from);
            else
                bit_set(DIRTY_CODE, p);
        }
        bit_set(DIRTY_VGA, p);
        bit_set(DIRTY_MIGRATION, p);
    }
}

void dirty_set_hooks(const DirtyHooks *hooks)
{
    dirty_hooks = hooks;
}

void dirty_resize(ram_addr_t end)
{
    uint64_t from = dirty_end >> DIRTY_PAGE_BITS, to;

    g_assert(end <= RAM_ADDR_LIMIT);
    for (int c = 0; c < DIRTY_CLIENTS; c++) {
        if (bitmap[c])
            continue;
        bitmap[c] = mmap(NULL, RAM_ADDR_LIMIT >> DIRTY_PAGE_BITS >> 3, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (bitmap[c] == MAP_FAILED)
            g_error("cannot reserve %d MiB of address space for dirty bitmaps",
                    (int)(RAM_ADDR_LIMIT >> DIRTY_PAGE_BITS >> 3 >> 20));
    }
    dirty_end = end;
    to = ROUND_UP(end, 1ULL << DIRTY_PAGE_BITS) >> DIRTY_PAGE_BITS;
    for (int c = 0; c < DIRTY_CLIENTS; c++)
        for (uint64_t p = from; p < to; p++)
            bit_set((DirtyClient)c, p);
}
