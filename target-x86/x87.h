/* x87.h - what the x87 helpers and gen-x87.c share: status bits, argument packing, running an instruction on
 * the host's x87.
 *
 * Registers are 80-bit images in env; each helper loads what it needs on the host's register stack (empty
 * between helpers, default control word 37Fh), executes the guest's instruction and stores the result.
 * Spec: Intel SDM vol. 1 chapter 8. */
#ifndef TARGET_X86_X87_H
#define TARGET_X86_X87_H

#include "target-x86/helper.h"

enum { /* status word */
    FPUS_IE = 1, FPUS_DE = 2, FPUS_ZE = 4, FPUS_OE = 8, FPUS_UE = 16, FPUS_PE = 32, FPUS_EXC = 0x3f, FPUS_SF = 0x40,
    FPUS_ES = 0x80, FPUS_C0 = 0x100, FPUS_C1 = 0x200, FPUS_C2 = 0x400, FPUS_C3 = 0x4000, FPUS_B = 0x8000,
    FPUS_CC = FPUS_C0 | FPUS_C2 | FPUS_C3, FPUS_PRE = FPUS_IE | FPUS_DE | FPUS_ZE,
};
enum { FPUC_DEFAULT = 0x37f };
enum { FIST_16, FIST_32, FIST_64, FIST_TRUNC = 4 };
enum { FST_POP = 1, FST_NO_CHECK = 2 }; /* fst_st; NO_CHECK: D9 D8 looks at no tag */
enum { X87_ENV_32 = 1, X87_ENV_REAL = 2 };
#define X87_ST_ARG(dst, src, pop) ((dst) | (src) << 3 | (pop) << 6)
#define X87_COM_ARG(reg, pops, unordered) ((reg) | (pops) << 3 | (unordered) << 5)

typedef long double Ld __attribute__((aligned(8), may_alias)); /* FpRegs are 8-aligned */

static inline unsigned x87_phys(const CPUX86State *env, unsigned i) { return (env->fpstt + i) & 7; }
static inline Ld *x87_st(CPUX86State *env, unsigned i) { return (Ld *)&env->fpregs[x87_phys(env, i)]; }
static inline bool x87_empty(const CPUX86State *env, unsigned i) { return env->fptags[x87_phys(env, i)]; }
static inline void x87_set_indefinite(Ld *r)
{
    ((FpReg *)r)->mant = 0xc000000000000000;
    ((FpReg *)r)->exp = 0xffff;
}
static inline void x87_pop(CPUX86State *env)
{
    env->fptags[env->fpstt & 7] = 1;
    env->fpstt = (env->fpstt + 1) & 7;
}
static inline void x87_set_c1(CPUX86State *env, bool on) { env->fpus = (env->fpus & ~FPUS_C1) | (on ? FPUS_C1 : 0); }
/* After status or control changed by a load. */
static inline void x87_update_es(CPUX86State *env)
{
    env->fpus &= ~(FPUS_ES | FPUS_B);
    if (env->fpus & ~env->fpuc & FPUS_EXC)
        env->fpus |= FPUS_ES | FPUS_B;
}

/* After the control word changed. 1: TB flags did. */
static inline uint32_t x87_update_hflags(CPUX86State *env)
{
    uint32_t old = env->hflags;

    if (G_LIKELY(((env->fpuc & FPUS_EXC) != FPUS_EXC) == ((old & HF_X87_UNMASKED) != 0)))
        return 0;
    cpu_update_hflags(env);
    return env->hflags != old;
}

/* Overflow or underflow of the register stack. True: masked, go on with the indefinite value. */
static inline bool x87_stack_fault(CPUX86State *env, bool overflow)
{
    env->fpus |= FPUS_IE | FPUS_SF;
    x87_set_c1(env, overflow);
    if (env->fpuc & FPUS_IE)
        return true;
    env->fpus |= FPUS_ES | FPUS_B;
    return false;
}

/* Take over exceptions and C1 of a host status word; the unmasked exceptions among them. */
static inline unsigned x87_note(CPUX86State *env, uint16_t sw)
{
    unsigned unmasked = sw & FPUS_EXC & ~env->fpuc;

    env->fpus = (env->fpus & ~FPUS_C1) | (sw & (FPUS_EXC | FPUS_C1));
    if (unmasked)
        env->fpus |= FPUS_ES | FPUS_B;
    return unmasked;
}

#define X87_UNPACK(...) __VA_ARGS__

/* Run insn on the host; sw gets its status, unmasked the exceptions that the guest wants to see. outs: asm
 * outputs each with a leading comma (numbered from 1), ins: inputs.
 *
 * With the default control word nothing needs to be saved: the host's sticky flags are left alone, and only
 * when one shows that the guest does not have yet, the flags are cleared and insn is run again to see
 * whether it was this one's. Else insn runs under the guest's control word between two FNCLEX. With
 * mask_all it runs with all exceptions masked (insn's stack effect would depend on the exception), else
 * exactly as the guest would run it, so that the biased results of unmasked overflow are right. insn leaves
 * its status in ax through FNSTSW, or appends X87_SW. */
#define X87_SW "\n\tfnstsw %%ax"
#define X87_RUN_(env, sw, unmasked, mask_all, insn, outs, ins, ...)                                                    \
    do {                                                                                                               \
        if (G_LIKELY((env)->fpuc == FPUC_DEFAULT)) {                                                                   \
            asm volatile(insn : "=a"(sw)X87_UNPACK outs : X87_UNPACK ins : __VA_ARGS__);                               \
            if (G_UNLIKELY(sw & FPUS_EXC & ~(env)->fpus)) {                                                            \
                asm volatile("fnclex");                                                                                \
                asm volatile(insn : "=a"(sw)X87_UNPACK outs : X87_UNPACK ins : __VA_ARGS__);                           \
            }                                                                                                          \
            (env)->fpus = ((env)->fpus & ~FPUS_C1) | (sw & (FPUS_EXC | FPUS_C1));                                      \
            unmasked = 0;                                                                                              \
        } else {                                                                                                       \
            uint16_t cw_ = (env)->fpuc | (mask_all ? FPUS_EXC : 0), default_ = FPUC_DEFAULT;                           \
            asm volatile("fnclex\n\tfldcw %[cw]\n\t" insn "\n\tfnclex\n\tfldcw %[def]"                                 \
                         : "=a"(sw)X87_UNPACK outs                                                                     \
                         : X87_UNPACK ins, [cw] "m"(cw_), [def] "m"(default_)                                          \
                         : __VA_ARGS__);                                                                               \
            if (mask_all && (sw & ~(env)->fpuc & FPUS_PRE)) /* the guest's would have stopped there */                 \
                sw &= ~(FPUS_OE | FPUS_UE | FPUS_PE | FPUS_C1);                                                        \
            unmasked = x87_note(env, sw);                                                                              \
        }                                                                                                              \
    } while (0)
#define X87_RUN(env, sw, unmasked, insn, outs, ins) X87_RUN_(env, sw, unmasked, 0, insn X87_SW, outs, ins, "memory")
/* with a clobbered stack register: insn pops */
#define X87_RUN_POP(env, sw, unmasked, reg, insn, outs, ins)                                                           \
    X87_RUN_(env, sw, unmasked, 1, insn X87_SW, outs, ins, "memory", reg)

/* helper-x87-env.c: an FXSAVE image; fmt as FXSAVE's. Loading leaves the xmm registers and MXCSR alone. */
void x87_build_fx(CPUX86State *env, uint8_t *b, uint32_t fmt);
void x87_load_fx(CPUX86State *env, const uint8_t *b, uint32_t fmt);

#endif
