/* helper-sse.c - SSE instructions that are C functions: MXCSR, string compares, masked stores, CRC32, FS/GS base.
 *
 * The guest's MXCSR runs in the host's MXCSR with all exceptions masked (head.mxcsr_run); the prologue and
 * epilogue of translated code swap it. While cpu->in_code the sticky flags are in the host register, else in
 * head.mxcsr_run. Only around an instruction that may raise an exception which the guest has unmasked does the host run
 * with the guest's masks: the host's #XM then tells the flags (cpu_x86_host_fpe).
 * Spec: Intel SDM vol. 1 section 10.2.3 and 11.5 (MXCSR, exceptions); vol. 2 (instructions). */
#include "host/base/osdep.h"
#include "target-x86/cpuid.h"
#include "target-x86/helper.h"
#include "target-x86/sys.h"
#include "accel/cputlb.h"
#include <immintrin.h>
#include <ucontext.h>

enum { MX_FLAGS = 0x3f, MX_MASK_SHIFT = 7, MX_MASKS = 0x1f80, MX_VALID = 0xffff };

uint32_t cpu_mxcsr_mask(const CPUX86State *env) { return MX_VALID | (cpu_has(env, X86F_MISALIGNSSE) ? MXCSR_MM : 0); }

static inline uint32_t host_stmxcsr(void)
{
    uint32_t v;
    asm volatile("stmxcsr %0" : "=m"(v));
    return v;
}
static inline void host_ldmxcsr(uint32_t v) { asm volatile("ldmxcsr %0" : : "m"(v)); }

static uint32_t mxcsr_to_run(uint32_t val) { return (val & MX_VALID) | MX_MASKS; }

/* The host's MXCSR is the guest's only in the vCPU's own thread (the monitor reads registers from another). */
static bool in_code_here(const CPUX86State *env)
{
    return env->cpu && env->cpu == current_cpu && env->cpu->in_code;
}

static uint32_t get_run(CPUX86State *env)
{
    return in_code_here(env) ? host_stmxcsr() : env->head.mxcsr_run;
}

uint32_t cpu_get_mxcsr(CPUX86State *env)
{
    return (env->mxcsr & ~MX_FLAGS) | (get_run(env) & MX_FLAGS);
}

static void mxcsr_set_run(CPUX86State *env, uint32_t run)
{
    env->head.mxcsr_run = run;
    if (in_code_here(env))
        host_ldmxcsr(run);
}

void cpu_set_mxcsr(CPUX86State *env, uint32_t val)
{
    env->mxcsr = val & cpu_mxcsr_mask(env);
    mxcsr_set_run(env, mxcsr_to_run(env->mxcsr));
    cpu_update_hflags(env);
}

uint32_t helper_stmxcsr(CPUX86State *env) { return cpu_get_mxcsr(env); }

/* True: TB flags changed. */
uint32_t helper_ldmxcsr(CPUX86State *env, uint32_t val)
{
    uint32_t old = env->hflags;

    if (val & ~cpu_mxcsr_mask(env))
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    cpu_set_mxcsr(env, val);
    return env->hflags != old;
}

/* The instruction between simd_fp_begin and simd_fp_end of this thread; `flags` is what the host's #XM left in MXCSR, 0:
 * there was none. The handler of SIGFPE writes it. */
static __thread struct {
    volatile bool watched;
    volatile uint32_t flags;
} fpe;

/* Around an instruction while an exception is unmasked: it runs with the guest's masks and without the flags that were
 * sticky before (they wait in env->mxcsr), so that the host finds exceptions, their order and their flags. */
void helper_simd_fp_begin(CPUX86State *env)
{
    env->mxcsr = cpu_get_mxcsr(env);
    fpe.flags = 0;
    fpe.watched = true;
    mxcsr_set_run(env, env->mxcsr & MX_VALID & ~MX_FLAGS);
}

bool cpu_x86_host_fpe(void *ucontext)
{
    ucontext_t *uc = ucontext;

    if (!fpe.watched || !uc->uc_mcontext.fpregs)
        return false;
    fpe.watched = false;
    fpe.flags = uc->uc_mcontext.fpregs->mxcsr & MX_FLAGS;
    /* The instruction runs once more, masked; simd_fp_end throws its result away. */
    uc->uc_mcontext.fpregs->mxcsr |= MX_MASKS;
    return true;
}

void helper_simd_fp_end(CPUX86State *env)
{
    bool raised = !fpe.watched;

    fpe.watched = false;
    env->mxcsr |= raised ? fpe.flags : get_run(env) & MX_FLAGS;
    mxcsr_set_run(env, mxcsr_to_run(env->mxcsr));
    if (raised)
        raise_exception(env, env->cr[4] & CR4_OSXMMEXCPT ? EXCP_XM : EXCP_UD, GETPC());
}

/* ---- PCMPxSTRx ---- */

/* IntRes2 (one bit per element) for control bits 0-5, by the host's instruction: imm8 is an immediate. */
__attribute__((target("sse4.2"))) static unsigned pcmpestr_bits(unsigned ctl, __m128i a, int la, __m128i b, int lb)
{
    __m128i r;
#define C1(n) case n: r = _mm_cmpestrm(a, la, b, lb, n); break;
#define C4(n) C1(n) C1(n + 1) C1(n + 2) C1(n + 3)
#define C16(n) C4(n) C4(n + 4) C4(n + 8) C4(n + 12)
    switch (ctl & 0x3f) {
        C16(0) C16(16) C16(32) C16(48)
    default: __builtin_unreachable();
    }
#undef C16
#undef C4
#undef C1
    return _mm_cvtsi128_si32(r) & 0xffff;
}

static unsigned clamp_len(int64_t len, int64_t max) { return len < -max || len > max ? max : len < 0 ? -len : len; }

static unsigned implicit_len(const void *p, bool words)
{
    unsigned n = 0, max = words ? 8 : 16;
    while (n < max && (words ? ((const uint16_t *)p)[n] : ((const uint8_t *)p)[n]))
        n++;
    return n;
}

/* ctl: imm8 bits 0-6, bit 8: explicit lengths. Operands in mm_scratch[0..1] and [2..3]; the mask goes to [4..5].
 * Result: flags, index in the upper half. */
uint64_t helper_pcmpstr(CPUX86State *env, uint32_t ctl, uint64_t la, uint64_t lb)
{
    bool words = ctl & 1;
    unsigned max = words ? 8 : 16;
    unsigned na = ctl & 0x100 ? clamp_len(la, max) : implicit_len(&env->mm_scratch[0], words);
    unsigned nb = ctl & 0x100 ? clamp_len(lb, max) : implicit_len(&env->mm_scratch[2], words);
    __m128i a = _mm_loadu_si128((const __m128i *)&env->mm_scratch[0]);
    __m128i b = _mm_loadu_si128((const __m128i *)&env->mm_scratch[2]);
    unsigned bits = pcmpestr_bits(ctl, a, na, b, nb);
    unsigned index = !bits ? max : ctl & 0x40 ? 31u - __builtin_clz(bits) : (unsigned)__builtin_ctz(bits);
    unsigned flags = (bits ? CC_C : 0) | (nb < max ? CC_Z : 0) | (na < max ? CC_S : 0) | (bits & 1 ? CC_O : 0);

    if (ctl & 0x40) {
        uint8_t m[16];
        for (unsigned i = 0; i < 16; i++)
            m[i] = bits >> (words ? i / 2 : i) & 1 ? 0xff : 0;
        memcpy(&env->mm_scratch[4], m, 16);
    } else {
        env->mm_scratch[4] = bits;
        env->mm_scratch[5] = 0;
    }
    return flags | (uint64_t)index << 32;
}

/* ---- SSE4A, CLZERO: AMD APM vol. 4, vol. 3 ---- */

static uint64_t low_bits(unsigned n) { return n ? (1ULL << n) - 1 : ~0ULL; }

/* ctl: length in bits 0-5 (0 is 64), index in bits 8-13. */
uint64_t helper_extrq(uint64_t val, uint32_t ctl) { return val >> (ctl >> 8 & 63) & low_bits(ctl & 63); }

uint64_t helper_insertq(uint64_t val, uint64_t field, uint32_t ctl)
{
    unsigned index = ctl >> 8 & 63;
    uint64_t mask = low_bits(ctl & 63);
    return (val & ~(mask << index)) | (field & mask) << index;
}

void helper_clzero(CPUX86State *env, uint64_t addr)
{
    for (unsigned i = 0; i < 64; i += 8)
        cpu_st(env->cpu, (addr & ~63ULL) + i, 8, 0, cpu_mmu_index(env), GETPC());
}

/* An operand that must be aligned unless MXCSR.MM allows it. */
void helper_check_misalign(CPUX86State *env, uint64_t addr)
{
    if ((addr & 15) && !(env->mxcsr & MXCSR_MM))
        raise_exception_err(env, EXCP_GP, 0, GETPC());
}

/* ---- the rest ---- */

/* MASKMOVQ, MASKMOVDQU: value in mm_scratch[0..1], mask in [2..3]. */
void helper_maskmov(CPUX86State *env, uint64_t addr, uint32_t ctl)
{
    const uint8_t *val = (const uint8_t *)&env->mm_scratch[0], *mask = (const uint8_t *)&env->mm_scratch[2];
    unsigned bytes = ctl & 31;
    Area a = area_of(env, addr, bytes, ctl, GETPC());

    for (unsigned i = 0; i < bytes; i += 8) /* whatever the mask says, as AMD does */
        area_probe(&a, i, 8, ACCESS_STORE);
    for (unsigned i = 0; i < bytes; i++) {
        if (mask[i] & 0x80)
            area_put(&a, i, 1, val[i]);
    }
}

__attribute__((target("sse4.2"))) uint64_t helper_crc32(uint32_t crc, uint64_t val, uint32_t size_log2)
{
    switch (size_log2) {
    case MO_8: return _mm_crc32_u8(crc, val);
    case MO_16: return _mm_crc32_u16(crc, val);
    case MO_32: return _mm_crc32_u32(crc, val);
    default: return _mm_crc32_u64(crc, val);
    }
}

void helper_mfence(void) { __sync_synchronize(); }

static void check_fsgsbase(CPUX86State *env, uintptr_t ra)
{
    if (!(env->cr[4] & CR4_FSGSBASE))
        raise_exception(env, EXCP_UD, ra);
}

uint64_t helper_rdsegbase(CPUX86State *env, uint32_t seg)
{
    check_fsgsbase(env, GETPC());
    return env->segs[seg].base;
}

void helper_wrsegbase(CPUX86State *env, uint32_t seg, uint64_t val)
{
    check_fsgsbase(env, GETPC());
    if (!is_canonical_base(env, val))
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    env->segs[seg].base = val;
}
