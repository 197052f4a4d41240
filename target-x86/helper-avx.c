/* helper-avx.c - AVX instructions that access memory element by element: masked moves and gathers.
 * Spec: Intel SDM vol. 2, VMASKMOV, VPMASKMOV, VGATHER*, VPGATHER*. */
#include "host/base/osdep.h"
#include "target-x86/helper.h"
#include "accel/cputlb.h"
#include "target-x86/sys.h"

static bool sign_of(const uint8_t *mask, unsigned i, unsigned size) { return mask[i * size + size - 1] & 0x80; }

static void probe_store(CPUX86State *env, uint64_t addr, unsigned bytes, uintptr_t ra)
{
    unsigned mmu = cpu_mmu_index(env);
    uint64_t last = addr + bytes - 1;

    probe_access(env->cpu, addr, 1, ACCESS_STORE, mmu, ra);
    if ((addr ^ last) & TCG_PAGE_MASK)
        probe_access(env->cpu, last & TCG_PAGE_MASK, 1, ACCESS_STORE, mmu, ra);
}

/* Value in mm_scratch[0..3], mask in [4..7]; ctl: bytes | 40h for 8-byte elements | 80h for a store | segment << 8
 * that the address is an offset in, or 7 for a linear address. */
void helper_vmaskmov(CPUX86State *env, uint64_t addr, uint32_t ctl)
{
    uintptr_t ra = GETPC();
    unsigned bytes = ctl & 0x30, size = ctl & 0x40 ? 8 : 4, mmu = cpu_mmu_index(env);
    uint8_t *val = (uint8_t *)&env->mm_scratch[0];
    const uint8_t *mask = (const uint8_t *)&env->mm_scratch[4];
    uint64_t v = 0;

    if (!(ctl & 0x80))
        memset(val, 0, 32);
    if (ctl >> 8 < 6) {
        for (unsigned i = 0; i < bytes / size; i++)
            if (sign_of(mask, i, size))
                seg_check(env, ctl >> 8, addr + i * size, size, ctl & 0x80, ra);
        addr = (uint32_t)(addr + env->segs[ctl >> 8].base);
    }
    for (unsigned i = 0; i < bytes / size && (ctl & 0x80); i++) { /* nothing is stored if one element faults */
        if (sign_of(mask, i, size))
            probe_store(env, addr + i * size, size, ra);
    }
    for (unsigned i = 0; i < bytes / size; i++) {
        if (!sign_of(mask, i, size))
            continue;
        if (ctl & 0x80) {
            memcpy(&v, val + i * size, size);
            cpu_st(env->cpu, addr + i * size, size, v, mmu, ra);
        } else {
            v = cpu_ld(env->cpu, addr + i * size, size, mmu, ra);
            memcpy(val + i * size, &v, size);
        }
    }
}

void helper_probe_write(CPUX86State *env, uint64_t addr, uint32_t bytes) { probe_store(env, addr, bytes, GETPC()); }

/* ea: base + displacement. ctl: gen_VGATHER packs it. An element that faults leaves those before it done, with
 * their mask cleared and the rest of the mask as it was (as AMD does), so that the instruction can go on after the handler. */
void helper_vgather(CPUX86State *env, uint64_t ea, uint32_t ctl)
{
    uintptr_t ra = GETPC();
    XmmReg *dst = &env->xmm[ctl & 15], *mask = &env->xmm[ctl >> 4 & 15];
    const XmmReg *index = &env->xmm[ctl >> 8 & 15];
    unsigned scale = ctl >> 12 & 3, isize = ctl >> 14 & 1 ? 8 : 4, size = ctl >> 15 & 1 ? 8 : 4, bytes = 16u << (ctl >> 16 & 1);
    unsigned n = bytes / MAX(isize, size), seg = ctl >> 18 & 7, mmu = cpu_mmu_index(env);

    for (unsigned i = 0; i < n; i++) {
        if (sign_of(mask->b, i, size)) {
            int64_t ix = isize == 8 ? (int64_t)index->q[i] : (int32_t)index->l[i];
            uint64_t a = ea + ((uint64_t)ix << scale);
            if (ctl >> 17 & 1)
                a = (uint32_t)a;
            if (seg < 6) {
                if (!(ctl >> 21 & 1))
                    seg_check(env, seg, a, size, false, ra);
                a += env->segs[seg].base;
            }
            if (!(ctl >> 21 & 1))
                a = (uint32_t)a;
            uint64_t v = cpu_ld(env->cpu, a, size, mmu, ra);
            memcpy(dst->b + i * size, &v, size);
        }
        memset(mask->b + i * size, 0, size);
    }
    memset(mask, 0, sizeof *mask);
    memset(dst->b + n * size, 0, sizeof *dst - n * size);
}
