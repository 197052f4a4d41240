/* x87.h - what the x87 helpers and gen-x87.c share: status bits, argument packing, running an instruction on
 * the host's x87.
 *
 * Registers are 80-bit images in env; each helper loads what it needs on the host's register stack (empty
 * between helpers, default control word 37Fh), executes the guest's instruction and stores the result.
 * Spec: Intel SDM vol. 1 chapter 8. */
#ifndef TARGET_X86_X87_H
#define TARGET_X86_X87_H

#include "accel/cpu.h"
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

/* The host's status word may hold flags that are the guest's too (head.x87_live). Guest flags are complete in env
 * after x87_fold(); whoever takes flags away from the guest clears the host's as well. */
static inline void x87_fold(CPUX86State *env)
{
    uint16_t sw;

    if (!env->head.x87_live)
        return;
    asm volatile("fnstsw %0" : "=a"(sw));
    env->fpus |= sw & FPUS_EXC;
}
static inline void x87_clear_host(CPUX86State *env)
{
    if (!env->head.x87_live)
        return;
    asm volatile("fnclex");
    env->head.x87_live = 0;
}

/* After the control word changed, in a helper. 1: TB flags did. */
static inline uint32_t x87_update_hflags(CPUX86State *env)
{
    uint32_t old = env->hflags;

    x87_set_run_cw(env);
    if (env->cpu == current_cpu && env->cpu->in_code)
        asm volatile("fldcw %0" : : "m"(env->head.x87_cw));
    if (G_LIKELY(((env->fpuc & FPUS_EXC) != FPUS_EXC || env->x87_slow) == ((old & HF_X87_UNMASKED) != 0)))
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

/* An x87_state op's constant: what env lacks while guest registers are on the host's stack. Slots are numbered from
 * TOP as env has it. */
enum { X87_C1_ENV, X87_C1_ZERO, X87_C1_HOST };
#define X87_STATE_DEPTH(w) ((w) >> 1 & 15)           /* values on the host's stack */
#define X87_STATE_TOP(w) ((w) >> 5 & 7)              /* to be added to TOP */
#define X87_STATE_SLOT(w, i) ((w) >> (8 + 3 * (i)) & 7) /* the host's ST(i) belongs there */
#define X87_STATE_FILLED(w) ((w) >> 32 & 0xff)       /* slots whose tags changed, as bits */
#define X87_STATE_EMPTIED(w) ((w) >> 40 & 0xff)
#define X87_STATE_C1(w) ((w) >> 48 & 3)
#define X87_STATE_CC(w) ((w) >> 50 & 1)              /* C0, C2, C3 are in the host's status */

#define X87_UNPACK(...) __VA_ARGS__

/* Run insn on the host; sw gets its status, unmasked the exceptions that the guest wants to see. outs: asm
 * outputs each with a leading comma (numbered from 1), ins: inputs.
 *
 * With the default control word, which is the host's then too, nothing needs to be saved: flags of the host are the
 * guest's. Else insn runs under the guest's control word between two FNCLEX. With
 * mask_all it runs with all exceptions masked first (insn's stack effect depends on those detected before the result
 * is computed), and once more, with overflow and underflow as the guest has them, if it is to take place. Else it runs
 * exactly as the guest would run it. So the biased results of unmasked overflow are right. insn leaves its status in ax
 * through FNSTSW, or appends X87_SW; it has no waiting instruction behind the one that may raise. */
#define X87_SW "\n\tfnstsw %%ax"
#define X87_RUN_(env, sw, unmasked, mask_all, insn, outs, ins, ...)                                                    \
    do {                                                                                                               \
        if (G_LIKELY((env)->fpuc == FPUC_DEFAULT)) {                                                                   \
            asm volatile(insn : "=a"(sw)X87_UNPACK outs : X87_UNPACK ins : __VA_ARGS__);                               \
            (env)->head.x87_live |= X87_LIVE_FLAGS;                                                                    \
            (env)->fpus = ((env)->fpus & ~FPUS_C1) | (sw & (FPUS_EXC | FPUS_C1));                                      \
            unmasked = 0;                                                                                              \
        } else {                                                                                                       \
            uint16_t cw_ = (env)->fpuc | (mask_all ? FPUS_EXC : 0), run_;                                              \
            x87_fold(env);                                                                                             \
            asm volatile("fnstcw %0" : "=m"(run_));                                                                    \
            for (;;) {                                                                                                 \
                asm volatile("fnclex\n\tfldcw %[cw]\n\t" insn "\n\tfnclex\n\tfldcw %[def]"                             \
                             : "=a"(sw)X87_UNPACK outs                                                                 \
                             : X87_UNPACK ins, [cw] "m"(cw_), [def] "m"(run_)                                          \
                             : __VA_ARGS__);                                                                           \
                if (!mask_all || (sw & ~(env)->fpuc & FPUS_PRE) || (cw_ & ~(env)->fpuc & (FPUS_OE | FPUS_UE)) == 0)    \
                    break;                                                                                             \
                cw_ = (env)->fpuc | FPUS_PRE; /* it does take place: now as the guest would run it */                  \
            }                                                                                                          \
            (env)->head.x87_live = 0;                                                                                  \
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
