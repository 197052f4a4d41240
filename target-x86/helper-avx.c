/* helper-avx.c - AVX instructions that access memory element by element: masked moves and gathers.
 * Spec: Intel SDM vol. 2, VMASKMOV, VPMASKMOV, VGATHER*, VPGATHER*. */
#include "host/base/osdep.h"
#include "target-x86/helper.h"
#include "accel/cputlb.h"
#include "target-x86/sys.h"
#include <immintrin.h>

static bool sign_of(const uint8_t *mask, unsigned i, unsigned size) { return mask[i * size + size - 1] & 0x80; }

/* All elements lie at host, in one page that can be accessed: the host's instruction leaves alone what the mask does. The guest
 * has AVX only where the host has AVX2. */
__attribute__((target("avx2"))) static void masked_on_host(void *host, XmmReg *val, const XmmReg *mask, uint32_t ctl)
{
    __m256i m = _mm256_loadu_si256((const void *)mask);

    if (!(ctl & 0x20))
        m = _mm256_inserti128_si256(m, _mm_setzero_si128(), 1); /* the upper half of a 128-bit mask is no mask */
    if (ctl & 0x80) {
        __m256i v = _mm256_loadu_si256((const void *)val);
        if (ctl & 0x40)
            _mm256_maskstore_epi64(host, m, v);
        else
            _mm256_maskstore_epi32(host, m, v);
    } else {
        _mm256_storeu_si256((void *)val, ctl & 0x40 ? _mm256_maskload_epi64(host, m) : _mm256_maskload_epi32(host, m));
    }
}

/* Value in mm_scratch[0..3], mask in [4..7]; ctl: bytes | 40h for 8-byte elements | 80h for a store | AREA_*.
 * addr: linear in 64-bit mode, else an offset. Elements fault one by one, and do not wrap. */
void helper_vmaskmov(CPUX86State *env, uint64_t addr, uint32_t ctl)
{
    unsigned bytes = ctl & 0x30, size = ctl & 0x40 ? 8 : 4;
    bool store = ctl & 0x80;
    uint8_t *val = (uint8_t *)&env->mm_scratch[0];
    const uint8_t *mask = (const uint8_t *)&env->mm_scratch[4];
    Area a = area_of(env, addr, bytes, ctl & ~(AREA_WRAPS16 | AREA_WRAPS32), GETPC());
    void *host = area_host(&a, 0, bytes, store ? ACCESS_STORE : ACCESS_LOAD);
    uint64_t v = 0;

    if (likely(host)) {
        masked_on_host(host, (XmmReg *)val, (const XmmReg *)mask, ctl);
        return;
    }
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
    uint64_t offsets = ctl >> 17 & 1 ? 0xffffffff : ~0ull, linears = ctl >> 21 & 1 ? ~0ull : 0xffffffff;

    for (unsigned i = 0; i < n; i++) {
        if (!sign_of(mask->b, i, size))
            continue;
        int64_t ix = isize == 8 ? (int64_t)index->q[i] : (int32_t)index->l[i];
        uint64_t a = (ea + ((uint64_t)ix << scale)) & offsets;
        const void *host = seg < 6 ? NULL : tlb_host(&env->head, a & linears, size, ACCESS_LOAD, mmu);
        if (likely(host)) {
            if (size == 8)
                memcpy(&dst->q[i], host, 8);
            else
                memcpy(&dst->l[i], host, 4);
            continue;
        }
        memset(mask->b, 0, i * size); /* what a fault shows */
        if (seg < 6) {
            if (!(ctl >> 21 & 1))
                seg_check(env, seg, a, size, false, ra);
            a += env->segs[seg].base;
        }
        uint64_t v = cpu_ld(env->cpu, a & linears, size, mmu, ra);
        memcpy(dst->b + i * size, &v, size);
    }
    memset(mask, 0, sizeof *mask);
    memset(dst->b + n * size, 0, sizeof *dst - n * size);
}
