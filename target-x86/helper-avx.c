/* helper-avx.c - AVX instructions that access memory element by element: masked moves and gathers.
 * Spec: Intel SDM vol. 2, VMASKMOV, VPMASKMOV, VGATHER*, VPGATHER*. */
#include "host/base/osdep.h"
#include "target-x86/helper.h"
#include "accel/cputlb.h"
#include "target-x86/sys.h"

static bool sign_of(const uint8_t *mask, unsigned i, unsigned size) { return mask[i * size + size - 1] & 0x80; }

/* Value in mm_scratch[0..3], mask in [4..7]; ctl: bytes | 40h for 8-byte elements | 80h for a store | AREA_*.
 * addr: linear in 64-bit mode, else an offset. Elements fault one by one, and do not wrap. */
void helper_vmaskmov(CPUX86State *env, uint64_t addr, uint32_t ctl)
{
    unsigned bytes = ctl & 0x30, size = ctl & 0x40 ? 8 : 4;
    bool store = ctl & 0x80;
    uint8_t *val = (uint8_t *)&env->mm_scratch[0];
    const uint8_t *mask = (const uint8_t *)&env->mm_scratch[4];
    Area a = area_of(env, addr, bytes, ctl & ~(AREA_WRAPS16 | AREA_WRAPS32), GETPC());
    uint64_t v = 0;

    if (!store)
        memset(val, 0, 32);
    for (unsigned i = 0; i < bytes && store; i += size) { /* nothing is stored if one element faults */
        if (sign_of(mask, i / size, size))
            area_probe(&a, i, size, ACCESS_STORE);
    }
    for (unsigned i = 0; i < bytes; i += size) {
        if (!sign_of(mask, i / size, size))
            continue;
        if (store) {
            memcpy(&v, val + i, size);
            area_put(&a, i, size, v);
        } else {
            v = area_get(&a, i, size);
            memcpy(val + i, &v, size);
        }
    }
}

void helper_probe_write(CPUX86State *env, uint64_t addr, uint32_t bytes) { probe_operand(env, addr, bytes, ACCESS_STORE, GETPC()); }

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
