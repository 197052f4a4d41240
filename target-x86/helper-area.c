/* helper-area.c - images in memory that helpers read and write word by word (x87 environments, FXSAVE and XSAVE areas):
 * which of their bytes is looked at first, limits and wrap. Also the check of one operand before it is accessed.
 * Spec: Intel SDM vol. 1, 3.3.5, 8.1.10, 10.5, 13.4; vol. 3, 5.3. The manuals leave the order of faults open, and what an
 * operand does that goes beyond the last address of its size: both are AMD's here. There each word's offset has the address
 * size's width and is checked by itself. */
#include "host/base/osdep.h"
#include "accel/cputlb.h"
#include "target-x86/sys.h"

void probe_operand(CPUX86State *env, vaddr addr, unsigned size, AccessType type, uintptr_t ra)
{
    unsigned mmu = cpu_mmu_index(env), first = TCG_PAGE_SIZE - (addr & ~TCG_PAGE_MASK);

    if (mmu_beyond_limit(env, addr, size, type, mmu, ra))
        raise_not_canonical(env, addr, type, ra);
    probe_access(env->cpu, addr, MIN(first, size), type, mmu, ra);
    if (first < size)
        probe_access(env->cpu, addr + first, size - first, type, mmu, ra);
}

static uint64_t base_of(const CPUX86State *env, unsigned seg) { return cpu_is_64(env) && seg < R_FS ? 0 : env->segs[seg].base; }

Area area_at(CPUX86State *env, vaddr addr, unsigned bytes, uint32_t where, uintptr_t ra)
{
    unsigned seg = where >> AREA_SEG_SHIFT & 7;
    bool code64 = cpu_is_64(env);
    uint64_t off = addr - base_of(env, seg), mask = where & AREA_WRAPS16 ? 0xffff : where & AREA_WRAPS32 ? 0xffffffff : ~0ULL;

    if (!code64)
        off = (uint32_t)off;
    return (Area){.env = env, .addr = addr, .off = off, .mask = mask, .ra = ra, .mmu_idx = cpu_mmu_index(env), .seg = seg,
                  .plain = code64 ? mask == ~0ULL || off + bytes - 1 <= mask
                                  : (env->hflags & HF_FLAT_SEG(seg)) && off + bytes - 1 <= MIN(mask, 0xffffffff)};
}

Area area_of(CPUX86State *env, uint64_t addr, unsigned bytes, uint32_t where, uintptr_t ra)
{
    unsigned seg = where >> AREA_SEG_SHIFT & 7;
    Area a;

    if (cpu_is_64(env))
        return area_at(env, addr, bytes, where, ra);
    a = area_at(env, (uint32_t)(addr + env->segs[seg].base), bytes, where, ra);
    a.plain &= seg != R_CS; /* is never written */
    return a;
}

/* Linear address of one word. */
static vaddr word_at(const Area *a, unsigned off, unsigned size, AccessType type)
{
    if (a->plain)
        return a->addr + off;
    uint64_t o = (a->off + off) & a->mask;
    if (cpu_is_64(a->env))
        return base_of(a->env, a->seg) + o;
    seg_check(a->env, a->seg, o, size, type == ACCESS_STORE, a->ra);
    return (uint32_t)(a->env->segs[a->seg].base + o);
}

void area_check_start(const Area *a, unsigned size, unsigned align, AccessType type)
{
    word_at(a, 0, size, type);
    if (cpu_is_64(a->env) && !is_canonical(a->env, a->addr + size - 1))
        raise_not_canonical(a->env, a->addr, type, a->ra);
    if (a->addr & (align - 1))
        raise_misaligned(a->env, a->addr, type, a->ra);
}

void area_probe(const Area *a, unsigned off, unsigned size, AccessType type)
{
    probe_operand(a->env, word_at(a, off, size, type), size, type, a->ra);
}

uint64_t area_get(const Area *a, unsigned off, unsigned size)
{
    return cpu_ld(a->env->cpu, word_at(a, off, size, ACCESS_LOAD), size, a->mmu_idx, a->ra);
}

void area_put(const Area *a, unsigned off, unsigned size, uint64_t v)
{
    cpu_st(a->env->cpu, word_at(a, off, size, ACCESS_STORE), size, v, a->mmu_idx, a->ra);
}

void *area_host(const Area *a, unsigned off, unsigned bytes, AccessType type)
{
    return a->plain ? tlb_host(&a->env->head, a->addr + off, bytes, type, a->mmu_idx) : NULL;
}

void area_get_words(const Area *a, unsigned off, void *dst, unsigned bytes)
{
    const void *host = area_host(a, off, bytes, ACCESS_LOAD);

    if (host) {
        memcpy(dst, host, bytes);
        return;
    }
    for (unsigned i = 0; i < bytes; i += 8)
        ((uint64_t *)dst)[i / 8] = area_get(a, off + i, 8);
}

void area_put_words(const Area *a, unsigned off, const void *src, unsigned bytes)
{
    void *host = area_host(a, off, bytes, ACCESS_STORE);

    if (host) {
        memcpy(host, src, bytes);
        return;
    }
    for (unsigned i = 0; i < bytes; i += 8)
        area_put(a, off + i, 8, ((const uint64_t *)src)[i / 8]);
}
