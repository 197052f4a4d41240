/* helper-x87.c - x87 moves, arithmetic, compares, control, on the host's x87: 80-bit exact.
 * Compiled without SSE and MMX, so that callers need not save vector registers.
 * Spec: Intel SDM vol. 1 chapter 8, vol. 2 (instructions).   Not modelled: FCOMI with an unmasked invalid
 * operation still writes the flags. */
#include "host/base/osdep.h"
#include "target-x86/x87.h"

/* ---- loads ---- */

/* The register that a push would fill, or NULL after a stack overflow has been dealt with. */
static Ld *push_slot(CPUX86State *env)
{
    unsigned n = (env->fpstt - 1) & 7;

    if (G_LIKELY(env->fptags[n]))
        return (Ld *)&env->fpregs[n];
    if (x87_stack_fault(env, true)) {
        env->fpstt = n;
        x87_set_indefinite((Ld *)&env->fpregs[n]);
    }
    return NULL;
}

static inline void push_commit(CPUX86State *env)
{
    env->fpstt = (env->fpstt - 1) & 7;
    env->fptags[env->fpstt] = 0;
}

/* Reading the host's status costs more than the load: skip it for zero and normal numbers, which raise nothing. */
#define FLD_MEM(name, ctype, insn, mant_bits, exp_mask)                                                                                     \
    void helper_##name(CPUX86State *env, ctype val)                                                                    \
    {                                                                                                                  \
        Ld *slot = push_slot(env);                                                                                     \
        long double r;                                                                                                 \
        uint16_t sw;                                                                                                   \
        unsigned unmasked;                                                                                             \
        if (!slot)                                                                                                     \
            return;                                                                                                    \
        if (G_LIKELY((val >> mant_bits & exp_mask) - 1 < exp_mask - 1u || !(ctype)(val << 1))) {                       \
            asm(insn " %1" : "=t"(r) : "m"(val));                                                                      \
            x87_set_c1(env, false);                                                                                    \
            *slot = r;                                                                                                 \
            push_commit(env);                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        X87_RUN_(env, sw, unmasked, 1, insn " %[m]" X87_SW, (, "=t"(r)), ([m] "m"(val)), "memory");                    \
        x87_set_c1(env, false);                                                                                        \
        if (unmasked & FPUS_IE) /* an unmasked denormal is pushed all the same */                                      \
            return;                                                                                                    \
        *slot = r;                                                                                                     \
        push_commit(env);                                                                                              \
    }
FLD_MEM(fld_m32, uint32_t, "flds", 23, 0xffu)
FLD_MEM(fld_m64, uint64_t, "fldl", 52, 0x7ffu)

void helper_fld_int(CPUX86State *env, uint64_t val)
{
    Ld *slot = push_slot(env);
    if (!slot)
        return;
    *slot = (int64_t)val; /* exact */
    x87_set_c1(env, false);
    push_commit(env);
}

void helper_fld_m80(CPUX86State *env, uint64_t mant, uint32_t exp)
{
    FpReg *slot = (FpReg *)push_slot(env);
    if (!slot)
        return;
    slot->mant = mant;
    slot->exp = exp;
    x87_set_c1(env, false);
    push_commit(env);
}

void helper_fld_st(CPUX86State *env, uint32_t i)
{
    Ld *slot, val = *x87_st(env, i);

    if (x87_empty(env, i)) {
        if (!x87_stack_fault(env, false))
            return;
        x87_set_indefinite(&val);
        env->fpstt = (env->fpstt - 1) & 7;
        env->fptags[env->fpstt] = 0;
        *x87_st(env, 0) = val;
        return;
    }
    slot = push_slot(env);
    if (!slot)
        return;
    *slot = val;
    x87_set_c1(env, false);
    push_commit(env);
}

void helper_fld_const(CPUX86State *env, uint32_t n)
{
    Ld *slot = push_slot(env);
    long double r;
    uint16_t sw;
    unsigned unmasked = 0;

    if (!slot)
        return;
    switch (n & 7) {
    case 0: r = 1; break;
    case 1: X87_RUN(env, sw, unmasked, "fldl2t", (, "=t"(r)), ("m"(*env))); break;
    case 2: X87_RUN(env, sw, unmasked, "fldl2e", (, "=t"(r)), ("m"(*env))); break;
    case 3: X87_RUN(env, sw, unmasked, "fldpi", (, "=t"(r)), ("m"(*env))); break;
    case 4: X87_RUN(env, sw, unmasked, "fldlg2", (, "=t"(r)), ("m"(*env))); break;
    case 5: X87_RUN(env, sw, unmasked, "fldln2", (, "=t"(r)), ("m"(*env))); break;
    default: r = 0; break;
    }
    (void)unmasked; /* constants raise nothing */
    *slot = r;
    x87_set_c1(env, false);
    push_commit(env);
}

void helper_fbld(CPUX86State *env, uint64_t lo, uint32_t hi)
{
    Ld *slot = push_slot(env);
    struct { uint64_t lo; uint16_t hi; } bcd = {lo, hi};
    long double r;

    if (!slot)
        return;
    asm volatile("fbld %1" : "=t"(r) : "m"(bcd));
    *slot = r;
    x87_set_c1(env, false);
    push_commit(env);
}

/* ---- stores ---- */

enum { SCRATCH_HIGH = 6, SCRATCH_SKIP = 7 }; /* mm_scratch; bits of SKIP beside 1: what fst_done has to do */
enum { SKIP_STORE = 1, DONE_STATUS_SHIFT = 16 };

/* With an unmasked exception the status is not final before the store to guest memory has succeeded: keep it for
 * fst_done. Otherwise it is left in place: should the store fault, the instruction runs again and sets the same. */
static void store_prepare(CPUX86State *env, uint16_t old_fpus, bool skip)
{
    if (!(env->hflags & HF_X87_UNMASKED))
        return;
    env->mm_scratch[SCRATCH_SKIP] = (uint32_t)env->fpus << DONE_STATUS_SHIFT | (skip ? SKIP_STORE : 0);
    env->fpus = old_fpus;
}

static bool store_source_bad(CPUX86State *env, uint16_t old_fpus)
{
    if (G_LIKELY(!x87_empty(env, 0)))
        return false;
    store_prepare(env, old_fpus, !x87_stack_fault(env, false));
    return true;
}
/* store_prepare evaluates its arguments first: stack_fault has changed fpus by then, as wanted. */

#define FST_MEM(name, ctype, insn, indefinite)                                                                         \
    uint64_t helper_##name(CPUX86State *env)                                                                           \
    {                                                                                                                  \
        uint16_t old = env->fpus, sw;                                                                                  \
        ctype val = 0;                                                                                                 \
        unsigned unmasked;                                                                                             \
        if (store_source_bad(env, old))                                                                                \
            return indefinite;                                                                                         \
        X87_RUN(env, sw, unmasked, insn " %[m]", (, [m] "=m"(val)), ("t"(*x87_st(env, 0))));                           \
        store_prepare(env, old, unmasked & ~FPUS_PE);                                                                  \
        return val;                                                                                                    \
    }
FST_MEM(fst_m32, uint32_t, "fsts", 0xffc00000)
FST_MEM(fst_m64, uint64_t, "fstl", 0xfff8000000000000)

uint64_t helper_fst_m80(CPUX86State *env)
{
    uint16_t old = env->fpus;
    FpReg *r = (FpReg *)x87_st(env, 0);

    if (store_source_bad(env, old)) {
        env->mm_scratch[SCRATCH_HIGH] = 0xffff;
        return 0xc000000000000000;
    }
    x87_set_c1(env, false);
    store_prepare(env, old, false);
    env->mm_scratch[SCRATCH_HIGH] = r->exp;
    return r->mant;
}

uint64_t helper_fist(CPUX86State *env, uint32_t kind)
{
    uint16_t old = env->fpus, sw, v16 = 0x8000;
    uint32_t v32 = 0x80000000;
    uint64_t v64 = 0x8000000000000000;
    unsigned unmasked = 0;

    if (!store_source_bad(env, old)) {
        long double a = *x87_st(env, 0);
        switch (kind) {
        case FIST_16: X87_RUN_POP(env, sw, unmasked, "st", "fistps %[m]", (, [m] "=m"(v16)), ("t"(a))); break;
        case FIST_32: X87_RUN_POP(env, sw, unmasked, "st", "fistpl %[m]", (, [m] "=m"(v32)), ("t"(a))); break;
        case FIST_64: X87_RUN_POP(env, sw, unmasked, "st", "fistpll %[m]", (, [m] "=m"(v64)), ("t"(a))); break;
        case FIST_16 | FIST_TRUNC: X87_RUN_POP(env, sw, unmasked, "st", "fisttps %[m]", (, [m] "=m"(v16)), ("t"(a))); break;
        case FIST_32 | FIST_TRUNC: X87_RUN_POP(env, sw, unmasked, "st", "fisttpl %[m]", (, [m] "=m"(v32)), ("t"(a))); break;
        default: X87_RUN_POP(env, sw, unmasked, "st", "fisttpll %[m]", (, [m] "=m"(v64)), ("t"(a))); break;
        }
        store_prepare(env, old, unmasked & FPUS_IE);
    }
    kind &= 3;
    return kind == FIST_16 ? v16 : kind == FIST_32 ? v32 : v64;
}

uint64_t helper_fbst(CPUX86State *env)
{
    struct { uint64_t lo; uint16_t hi; } bcd = {0xc000000000000000, 0xffff};
    uint16_t old = env->fpus, sw;
    unsigned unmasked;

    if (!store_source_bad(env, old)) {
        X87_RUN_POP(env, sw, unmasked, "st", "fbstp %[m]", (, [m] "=m"(bcd)), ("t"(*x87_st(env, 0))));
        store_prepare(env, old, unmasked & FPUS_IE);
    }
    env->mm_scratch[SCRATCH_HIGH] = bcd.hi;
    return bcd.lo;
}

void helper_fst_done(CPUX86State *env, uint32_t pop)
{
    uint64_t s = env->mm_scratch[SCRATCH_SKIP];

    env->fpus = s >> DONE_STATUS_SHIFT;
    if (pop && !(s & SKIP_STORE))
        x87_pop(env);
}

void helper_fst_st(CPUX86State *env, uint32_t i, uint32_t how)
{
    bool pop = how & FST_POP;

    if (G_UNLIKELY(x87_empty(env, 0))) {
        if (how & FST_NO_CHECK) {
            x87_set_c1(env, false);
            x87_pop(env);
            return;
        }
        if (!x87_stack_fault(env, false))
            return;
        x87_set_indefinite(x87_st(env, i));
    } else {
        *x87_st(env, i) = *x87_st(env, 0);
        x87_set_c1(env, false);
    }
    env->fptags[x87_phys(env, i)] = 0;
    if (pop)
        x87_pop(env);
}

/* ---- arithmetic ---- */

/* An operand register is empty: the destination becomes indefinite. */
static G_GNUC_UNUSED __attribute__((noinline)) void arith_underflow(CPUX86State *env, unsigned dst, bool pop)
{
    if (!x87_stack_fault(env, false))
        return;
    x87_set_indefinite(x87_st(env, dst));
    env->fptags[x87_phys(env, dst)] = 0;
    if (pop)
        x87_pop(env);
}

#define ARITH_MEM(op, suffix, ctype, insn)                                                                             \
    void helper_##op##_##suffix(CPUX86State *env, ctype val)                                                           \
    {                                                                                                                  \
        Ld *st0 = x87_st(env, 0);                                                                                      \
        long double r;                                                                                                 \
        uint16_t sw;                                                                                                   \
        unsigned unmasked;                                                                                             \
        if (G_UNLIKELY(x87_empty(env, 0))) {                                                                           \
            arith_underflow(env, 0, false);                                                                            \
            return;                                                                                                    \
        }                                                                                                              \
        X87_RUN(env, sw, unmasked, insn " %[m]", (, "=t"(r)), ("1"(*st0), [m] "m"(val)));                              \
        if (!(unmasked & FPUS_PRE))                                                                                    \
            *st0 = r;                                                                                                  \
    }
#define ARITH(op)                                                                                                      \
    void helper_##op##_st(CPUX86State *env, uint32_t arg)                                                              \
    {                                                                                                                  \
        unsigned d = arg & 7, o = arg >> 3 & 7;                                                                        \
        Ld *dst = x87_st(env, d);                                                                                      \
        long double r;                                                                                                 \
        uint16_t sw;                                                                                                   \
        unsigned unmasked;                                                                                             \
        if (G_UNLIKELY(x87_empty(env, d) | x87_empty(env, o))) {                                                       \
            arith_underflow(env, d, arg >> 6);                                                                         \
            return;                                                                                                    \
        }                                                                                                              \
        X87_RUN(env, sw, unmasked, #op " %%st(1), %%st", (, "=t"(r)), ("1"(*dst), "u"(*x87_st(env, o))));              \
        if (unmasked & FPUS_PRE)                                                                                       \
            return;                                                                                                    \
        *dst = r;                                                                                                      \
        if (arg >> 6)                                                                                                  \
            x87_pop(env);                                                                                              \
    }                                                                                                                  \
    ARITH_MEM(op, m32, uint32_t, #op "s")                                                                              \
    ARITH_MEM(op, m64, uint64_t, #op "l")                                                                              \
    void helper_##op##_int(CPUX86State *env, uint64_t val)                                                             \
    {                                                                                                                  \
        Ld *st0 = x87_st(env, 0);                                                                                      \
        long double r, b = (int64_t)val;                                                                               \
        uint16_t sw;                                                                                                   \
        unsigned unmasked;                                                                                             \
        if (G_UNLIKELY(x87_empty(env, 0))) {                                                                           \
            arith_underflow(env, 0, false);                                                                            \
            return;                                                                                                    \
        }                                                                                                              \
        X87_RUN(env, sw, unmasked, #op " %%st(1), %%st", (, "=t"(r)), ("1"(*st0), "u"(b)));                            \
        if (!(unmasked & FPUS_PRE))                                                                                    \
            *st0 = r;                                                                                                  \
    }
ARITH(fadd) ARITH(fmul) ARITH(fsub) ARITH(fsubr) ARITH(fdiv) ARITH(fdivr)

/* ---- compares ---- */

static inline void set_cc(CPUX86State *env, uint16_t sw) { env->fpus = (env->fpus & ~(FPUS_CC | FPUS_C1)) | (sw & FPUS_CC); }

static void pop_n(CPUX86State *env, unsigned n)
{
    while (n--)
        x87_pop(env);
}

/* Empty operands compare as unordered. The codes are set even if the exception is unmasked; nothing is popped then. */
static void com_underflow(CPUX86State *env, unsigned pops)
{
    bool masked = x87_stack_fault(env, false);

    set_cc(env, FPUS_CC);
    if (masked)
        pop_n(env, pops);
}

void helper_fcom_st(CPUX86State *env, uint32_t arg)
{
    unsigned i = arg & 7, pops = arg >> 3 & 3, unmasked;
    uint16_t sw;

    if (G_UNLIKELY(x87_empty(env, 0) | x87_empty(env, i))) {
        com_underflow(env, pops);
        return;
    }
    if (arg >> 5)
        X87_RUN(env, sw, unmasked, "fucom %%st(1)", (), ("t"(*x87_st(env, 0)), "u"(*x87_st(env, i))));
    else
        X87_RUN(env, sw, unmasked, "fcom %%st(1)", (), ("t"(*x87_st(env, 0)), "u"(*x87_st(env, i))));
    set_cc(env, sw);
    if (!(unmasked & FPUS_PRE))
        pop_n(env, pops);
}

#define FCOM_MEM(suffix, ctype, insn)                                                                                  \
    void helper_fcom_##suffix(CPUX86State *env, ctype val, uint32_t pop)                                               \
    {                                                                                                                  \
        uint16_t sw;                                                                                                   \
        unsigned unmasked;                                                                                             \
        if (G_UNLIKELY(x87_empty(env, 0))) {                                                                           \
            com_underflow(env, pop);                                                                                   \
            return;                                                                                                    \
        }                                                                                                              \
        X87_RUN(env, sw, unmasked, insn " %[m]", (), ("t"(*x87_st(env, 0)), [m] "m"(val)));                            \
        set_cc(env, sw);                                                                                               \
        if (!(unmasked & FPUS_PRE))                                                                                    \
            pop_n(env, pop);                                                                                           \
    }
FCOM_MEM(m32, uint32_t, "fcoms")
FCOM_MEM(m64, uint64_t, "fcoml")

void helper_fcom_int(CPUX86State *env, uint64_t val, uint32_t pop)
{
    long double b = (int64_t)val;
    uint16_t sw;
    unsigned unmasked;

    if (G_UNLIKELY(x87_empty(env, 0))) {
        com_underflow(env, pop);
        return;
    }
    X87_RUN(env, sw, unmasked, "fcom %%st(1)", (), ("t"(*x87_st(env, 0)), "u"(b)));
    set_cc(env, sw);
    if (!(unmasked & FPUS_PRE))
        pop_n(env, pop);
}

uint32_t helper_fcomi(CPUX86State *env, uint32_t arg)
{
    unsigned i = arg & 7, pops = arg >> 3 & 3, unmasked;
    uint16_t sw;

    if (G_UNLIKELY(x87_empty(env, 0) | x87_empty(env, i))) {
        if (x87_stack_fault(env, false))
            pop_n(env, pops);
        return CC_Z | CC_P | CC_C;
    }
    if (arg >> 5)
        X87_RUN(env, sw, unmasked, "fucom %%st(1)", (), ("t"(*x87_st(env, 0)), "u"(*x87_st(env, i))));
    else
        X87_RUN(env, sw, unmasked, "fcom %%st(1)", (), ("t"(*x87_st(env, 0)), "u"(*x87_st(env, i))));
    x87_set_c1(env, false);
    if (!(unmasked & FPUS_PRE))
        pop_n(env, pops);
    return sw >> 8 & (CC_Z | CC_P | CC_C); /* C3 C2 C0 stand as ZF PF CF do */
}

/* ---- registers and control ---- */

void helper_fxch(CPUX86State *env, uint32_t i)
{
    FpReg *a = (FpReg *)x87_st(env, 0), *b = (FpReg *)x87_st(env, i), t;

    if (G_UNLIKELY(x87_empty(env, 0) | x87_empty(env, i))) {
        if (!x87_stack_fault(env, false))
            return;
        if (x87_empty(env, 0))
            x87_set_indefinite((Ld *)a);
        if (x87_empty(env, i))
            x87_set_indefinite((Ld *)b);
        env->fptags[x87_phys(env, 0)] = env->fptags[x87_phys(env, i)] = 0;
    } else {
        x87_set_c1(env, false);
    }
    t = *a;
    *a = *b;
    *b = t;
}

void helper_fcmov(CPUX86State *env, uint32_t i, uint32_t cond)
{
    if (G_UNLIKELY(x87_empty(env, 0) | x87_empty(env, i))) {
        if (x87_stack_fault(env, false)) {
            x87_set_indefinite(x87_st(env, 0)); /* even if the condition is false */
            env->fptags[x87_phys(env, 0)] = 0;
        }
        return;
    }
    if (cond)
        *x87_st(env, 0) = *x87_st(env, i);
}

void helper_ffree(CPUX86State *env, uint32_t i, uint32_t pop)
{
    env->fptags[x87_phys(env, i)] = 1;
    x87_set_c1(env, false);
    if (pop)
        x87_pop(env);
}

uint32_t helper_fldcw(CPUX86State *env, uint32_t val)
{
    x87_fold(env);
    env->fpuc = (val & 0x1f3f) | 0x40;
    x87_update_es(env);
    return x87_update_hflags(env);
}

uint16_t cpu_get_fpsw(const CPUX86State *env) { return (env->fpus & ~0x3800) | (env->fpstt & 7) << 11; }
uint32_t helper_fnstsw(CPUX86State *env)
{
    x87_fold(env);
    return cpu_get_fpsw(env);
}
void helper_fnclex(CPUX86State *env)
{
    x87_clear_host(env);
    env->fpus &= ~(FPUS_EXC | FPUS_SF | FPUS_ES | FPUS_B);
}
uint32_t helper_fninit(CPUX86State *env)
{
    cpu_fpu_reset(env);
    return x87_update_hflags(env);
}

/* Generated code did not go on with an instruction (side_exit); a helper has done it. 1: TB flags changed. */
uint32_t helper_x87_slow_done(CPUX86State *env)
{
    env->x87_slow = false;
    return x87_update_hflags(env);
}

void cpu_fpu_reset(CPUX86State *env)
{
    x87_clear_host(env);
    env->fpus = 0;
    env->fpuc = FPUC_DEFAULT;
    x87_set_run_cw(env);
    env->fpstt = 0;
    memset(env->fptags, 1, sizeof env->fptags);
    env->fpip = env->fpdp = 0;
    env->fpcs = env->fpds = env->fpop = 0;
}
