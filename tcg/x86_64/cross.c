/* cross.c - an access on two pages that the soft TLB has both: called by the thunk that does a group member's or a vector's access
 * by itself (gen_try() in frame.c), before the slow path. Copies that begin anywhere cross a page once in 4096 bytes, and the slow
 * path saves sixteen vector registers around its call; this function promises not to touch one.
 *
 * It allows what code in line would for each of the two parts: both tags must be equal without any flag, so that devices, watch
 * points, pages with code and missing pages stay the slow path's. Nothing is stored before both are known to be so.
 * Not here: alignment demands (the stub tests them before), atomic operations. */
#include "tcg/regalloc.h"

#define NO_VEC __attribute__((target("general-regs-only")))

static inline NO_VEC uint64_t get8(const uint8_t *p)
{
    uint64_t v;
    __builtin_memcpy(&v, p, 8);
    return v;
}

static inline NO_VEC void put8(uint8_t *p, uint64_t v) { __builtin_memcpy(p, &v, 8); }

/* n bytes of v, below 8. */
static inline NO_VEC void put_bytes(uint8_t *p, uint64_t v, unsigned n)
{
    if (n & 4) {
        uint32_t low = v;
        __builtin_memcpy(p, &low, 4);
        p += 4;
        v >>= 32;
    }
    if (n & 2) {
        uint16_t low = v;
        __builtin_memcpy(p, &low, 2);
        p += 2;
        v >>= 16;
    }
    if (n & 1)
        *p = v;
}

static inline NO_VEC const TlbEntry *entry_at(const TlbFast *fast, uint64_t addr)
{
    return (const TlbEntry *)(const void *)((const uint8_t *)fast->table + (addr >> (TCG_PAGE_BITS - TLB_ENTRY_BITS) & fast->mask));
}

NO_VEC uint32_t frame_cross(const TcgEnvHead *env, uint64_t addr, void *buf, uint32_t ctl)
{
    const TlbFast *fast = &env->tlb[ctl >> CROSS_MMU_SHIFT & (TCG_MMU_MODES - 1)];
    unsigned size = ctl & CROSS_SIZE, first = TCG_PAGE_SIZE - (addr & ~TCG_PAGE_MASK);
    uint64_t page = addr & TCG_PAGE_MASK, next = page + TCG_PAGE_SIZE;
    const TlbEntry *e1 = entry_at(fast, page), *e2 = entry_at(fast, next);
    uint8_t *b = buf;

    if (first >= size || (page ^ next) >> 32) /* at 4 GiB: 32-bit code ends there */
        return 1;
    if (ctl & CROSS_WRITE ? e1->addr_write != page || e2->addr_write != next : e1->addr_read != page || e2->addr_read != next)
        return 1;
    uint8_t *p = (uint8_t *)(uintptr_t)(addr + e1->addend), *q = (uint8_t *)(uintptr_t)(next + e2->addend);
    for (unsigned at = 0; at < size; at += 8, b += 8) {
        unsigned n = MIN(size - at, 8u);
        if (ctl & CROSS_WRITE) {
            uint64_t v = get8(b);
            if (at + n <= first && n == 8) {
                put8(p + at, v);
            } else if (at >= first && n == 8) {
                put8(q + (at - first), v);
            } else { /* across, or all there is */
                unsigned k = first - at;
                put_bytes(p + at, v, k);
                put_bytes(q, v >> 8 * k, n - k);
            }
        } else {
            uint64_t v;
            if (at + 8 <= first)
                v = get8(p + at);
            else if (at >= first)
                v = get8(q + (at - first));
            else /* the last eight bytes of the first page, the first eight of the second */
                v = get8(p + first - 8) >> 8 * (8 - (first - at)) | get8(q) << 8 * (first - at);
            put8(b, n == 8 ? v : v & ((1ull << 8 * n) - 1));
        }
    }
    if (ctl & CROSS_ZERO) {
        for (unsigned at = MAX(size, 8u); at < 32; at += 8, b += 8)
            put8(b, 0);
    }
    return 0;
}
