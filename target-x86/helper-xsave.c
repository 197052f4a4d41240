/* helper-xsave.c - XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR, XRSTORS: x87, SSE and AVX state and PKRU in memory.
 * Spec: Intel SDM vol. 1 chapter 13.
 * Not modelled: the modified optimisation (every component in use is written); supervisor components: there are none. */
#include "host/base/osdep.h"
#include "target-x86/cpuid.h"
#include "target-x86/simd.h"
#include "target-x86/sys.h"
#include "target-x86/x87.h"
#include "accel/cputlb.h"

enum { XS_X87 = 1, XS_SSE = 2, XS_AVX = 4, XS_PKRU = XCR0_PKRU, OFF_MXCSR = 24, OFF_ST = 32, OFF_XMM = 160, OFF_HEADER = 512, OFF_YMM = 576 };
#define XCOMP_COMPACT (1ull << 63)

static uint64_t get64(const Area *a, unsigned off) { return area_get(a, off, 8); }
static void put64(const Area *a, unsigned off, uint64_t v) { area_put(a, off, 8, v); }

void helper_check_xsave(CPUX86State *env, uint32_t supervisor)
{
    if (!(env->cr[4] & CR4_OSXSAVE))
        raise_exception(env, EXCP_UD, GETPC());
    if (env->cr[0] & CR0_TS)
        raise_exception(env, EXCP_NM, GETPC());
    if (supervisor && cpu_cpl(env) != 0)
        raise_exception_err(env, EXCP_GP, 0, GETPC());
}

/* XINUSE: the components that are not in their initial state. */
uint64_t cpu_x86_xinuse(CPUX86State *env)
{
    uint64_t use = 0, any = env->fpip | env->fpdp | env->fpcs | env->fpds | env->fpop;
    unsigned n = env->hflags & HF_CS64 ? 16 : 8;

    for (unsigned i = 0; i < 8; i++)
        any |= (env->fptags[i] ? 0 : 1) | env->fpregs[i].mant | env->fpregs[i].exp;
    if (any || env->fpuc != 0x37f || cpu_get_fpsw(env))
        use |= XS_X87;
    if (env->pkru)
        use |= XS_PKRU;
    for (unsigned i = 0; i < n; i++) {
        if (env->xmm[i].q[0] | env->xmm[i].q[1])
            use |= XS_SSE;
        if (env->xmm[i].q[2] | env->xmm[i].q[3])
            use |= XS_AVX;
    }
    return use;
}

/* The compacted format has no gaps. */
static unsigned pkru_offset(uint64_t xcomp_bv)
{
    return !(xcomp_bv & XCOMP_COMPACT) ? XSAVE_PKRU_OFF : OFF_YMM + (xcomp_bv & XS_AVX ? 256 : 0);
}

/* Up to the end of what is asked for. */
static unsigned area_bytes(uint64_t rfbm, unsigned pkru_off)
{
    return rfbm & XS_PKRU ? pkru_off + 8 : rfbm & XS_AVX ? OFF_YMM + 256 : OFF_YMM;
}

static uint64_t request(CPUX86State *env) { return env->xcr0 & ((uint32_t)env->head.gpr[R_EAX] | env->head.gpr[R_EDX] << 32); }
static uint32_t fx_format(uint32_t ctl) { return ctl & XSAVE_REGS8 ? 0 : ctl & XSAVE_PTR64 ? 2 : 1; }

void helper_xsave(CPUX86State *env, uint64_t addr, uint32_t ctl)
{
    _Alignas(16) uint8_t b[OFF_HEADER] = {0};
    Area a = area_at(env, addr, XSAVE_PKRU_OFF + 8, ctl, GETPC());
    x87_fold(env);
    uint64_t rfbm = request(env), use = cpu_x86_xinuse(env) & rfbm;
    unsigned form = ctl & XSAVE_FORM, n = ctl & XSAVE_REGS8 ? 8 : 16;
    uint32_t mxcsr = cpu_get_mxcsr(env);

    if (addr & 63)
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    if (form >= XSAVE_C && (rfbm & XS_SSE) && mxcsr != 0x1f80)
        use |= XS_SSE;
    uint64_t write = form == XSAVE_PLAIN ? rfbm : use;
    unsigned pkru_off = pkru_offset(form >= XSAVE_C ? rfbm | XCOMP_COMPACT : 0);
    /* A fault is one of a write, and comes first; all that was asked for is looked at, in use or not, as AMD does. */
    area_probe(&a, 0, 8, ACCESS_STORE);
    area_probe(&a, area_bytes(rfbm, pkru_off) - 1, 1, ACCESS_STORE);
    uint64_t bv = form >= XSAVE_C ? use : (get64(&a, OFF_HEADER) & ~rfbm) | use;

    x87_build_fx(env, b, fx_format(ctl));
    if (write & XS_X87) {
        area_put_words(&a, 0, b, OFF_MXCSR);
        area_put_words(&a, OFF_ST, b + OFF_ST, 128);
    }
    if (form >= XSAVE_C ? write & XS_SSE : rfbm & (XS_SSE | XS_AVX))
        area_put_words(&a, OFF_MXCSR, b + OFF_MXCSR, 8);
    if (write & XS_SSE)
        area_put_words(&a, OFF_XMM, b + OFF_XMM, 16 * n);
    if (write & XS_AVX) {
        for (unsigned i = 0; i < n; i++)
            area_put_words(&a, OFF_YMM + 16 * i, &env->xmm[i].q[2], 16);
    }
    if (write & XS_PKRU)
        put64(&a, pkru_off, env->pkru);
    put64(&a, OFF_HEADER, bv);
    if (form >= XSAVE_C)
        put64(&a, OFF_HEADER + 8, rfbm | XCOMP_COMPACT);
}

static void init_x87(CPUX86State *env)
{
    cpu_fpu_reset(env);
    memset(env->fpregs, 0, sizeof env->fpregs);
    env->fpip = env->fpdp = 0;
    env->fpcs = env->fpds = env->fpop = 0;
    x87_update_hflags(env);
}

static bool header_is_bad(const CPUX86State *env, const uint64_t *h, unsigned form)
{
    bool compact = h[1] & XCOMP_COMPACT;
    for (unsigned i = 2; i < 8; i++) {
        if (h[i] && (compact || i < 3))
            return true;
    }
    if (compact)
        return !cpu_has(env, X86F_XSAVEC) || (h[1] & ~(XCOMP_COMPACT | env->xcr0)) || (h[0] & ~h[1]);
    return form == XSAVE_S || h[1] || (h[0] & ~env->xcr0);
}

uint32_t helper_xrstor(CPUX86State *env, uint64_t addr, uint32_t ctl)
{
    _Alignas(16) uint8_t b[OFF_HEADER] = {0};
    uint64_t h[8], ymm[32], pkru = 0;
    Area a = area_at(env, addr, XSAVE_PKRU_OFF + 8, ctl, GETPC());
    unsigned n = ctl & XSAVE_REGS8 ? 8 : 16;
    uint32_t old_hflags = env->hflags, mxcsr = 0x1f80;

    if (addr & 63)
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    area_probe(&a, 0, 8, ACCESS_LOAD);
    area_get_words(&a, OFF_HEADER, h, sizeof h);
    if (header_is_bad(env, h, ctl & XSAVE_FORM))
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    bool compact = h[1] & XCOMP_COMPACT;
    uint64_t rfbm = request(env), load = rfbm & h[0];
    area_probe(&a, area_bytes(compact ? load : rfbm, pkru_offset(h[1])) - 1, 1, ACCESS_LOAD);
    bool set_mxcsr = compact ? rfbm & XS_SSE : rfbm & (XS_SSE | XS_AVX), load_mxcsr = set_mxcsr && (!compact || (load & XS_SSE));

    /* everything that may fault comes before the first change */
    if (load & XS_X87) {
        area_get_words(&a, 0, b, OFF_MXCSR);
        area_get_words(&a, OFF_ST, b + OFF_ST, 128);
    }
    if (load_mxcsr) {
        mxcsr = (uint32_t)get64(&a, OFF_MXCSR);
        if (mxcsr & ~cpu_mxcsr_mask(env))
            raise_exception_err(env, EXCP_GP, 0, GETPC());
    }
    if (load & XS_SSE)
        area_get_words(&a, OFF_XMM, b + OFF_XMM, 16 * n);
    if (load & XS_AVX)
        area_get_words(&a, OFF_YMM, ymm, 16 * n);
    if (load & XS_PKRU)
        pkru = get64(&a, pkru_offset(h[1]));
    if (load & XS_X87)
        x87_load_fx(env, b, fx_format(ctl));
    else if (rfbm & XS_X87)
        init_x87(env);
    for (unsigned i = 0; i < n; i++) { /* zeros where nothing was loaded */
        if (rfbm & XS_SSE)
            memcpy(&env->xmm[i].q[0], b + OFF_XMM + 16 * i, 16);
        if (rfbm & XS_AVX)
            memcpy(&env->xmm[i].q[2], load & XS_AVX ? &ymm[2 * i] : (const uint64_t[2]){0, 0}, 16);
    }
    if (load & XS_AVX)
        env->head.vec_high = 1;
    if (set_mxcsr)
        cpu_set_mxcsr(env, mxcsr);
    if (rfbm & XS_PKRU)
        cpu_set_pkru(env, pkru);
    return env->hflags != old_hflags;
}
