/* helper-x87-trans.c - the one-byte x87 operations D9 E0-FF: signs, examination, roots, remainders,
 * transcendental functions, stack pointer. Executed by the host's x87.
 * Compiled without SSE and MMX, as helper-x87.c.
 * Spec: Intel SDM vol. 1 section 8.3.5-8.3.8, vol. 2. */
#include "host/base/osdep.h"
#include "target-x86/x87.h"

enum { /* low five bits of ModRM, D9 E0-FF */
    X_FCHS = 0x00, X_FABS = 0x01, X_FTST = 0x04, X_FXAM = 0x05, X_F2XM1 = 0x10, X_FYL2X, X_FPTAN, X_FPATAN, X_FXTRACT,
    X_FPREM1, X_FDECSTP, X_FINCSTP, X_FPREM = 0x18, X_FYL2XP1, X_FSQRT, X_FSINCOS, X_FRNDINT, X_FSCALE, X_FSIN, X_FCOS,
};

static void set_codes(CPUX86State *env, uint16_t sw, uint16_t mask) { env->fpus = (env->fpus & ~mask) | (sw & mask); }

/* ST0 and the second operand are there? Otherwise the result (in ST(dst)) is indefinite. */
static bool operands_ok(CPUX86State *env, bool two, unsigned dst, bool pop, bool clear_c2)
{
    if (G_LIKELY(!x87_empty(env, 0) && !(two && x87_empty(env, 1))))
        return true;
    if (clear_c2)
        env->fpus &= ~FPUS_C2;
    if (x87_stack_fault(env, false)) {
        x87_set_indefinite(x87_st(env, dst));
        env->fptags[x87_phys(env, dst)] = 0;
        if (pop)
            x87_pop(env);
    }
    return false;
}

static void fxam(CPUX86State *env)
{
    uint16_t sw;

    asm volatile("fxam\n\tfnstsw %%ax" : "=a"(sw) : "t"(*x87_st(env, 0)));
    if (x87_empty(env, 0))
        sw = (sw & FPUS_C1) | FPUS_C3 | FPUS_C0;
    set_codes(env, sw, FPUS_CC | FPUS_C1);
}

static void ftst(CPUX86State *env)
{
    uint16_t sw;
    unsigned unmasked;

    if (x87_empty(env, 0)) {
        x87_stack_fault(env, false);
        set_codes(env, FPUS_CC, FPUS_CC);
        return;
    }
    X87_RUN(env, sw, unmasked, "ftst", (), ("t"(*x87_st(env, 0))));
    x87_set_c1(env, false);
    (void)unmasked; /* the codes are set in any case */
    set_codes(env, sw, FPUS_CC);
}

/* ST0 = f(ST0) */
static void one_operand(CPUX86State *env, unsigned op)
{
    long double r, a;
    uint16_t sw, codes = 0;
    unsigned unmasked = 0;

    if (!operands_ok(env, false, 0, false, op == X_FSIN || op == X_FCOS))
        return;
    a = *x87_st(env, 0);
    switch (op) {
    case X_F2XM1: X87_RUN_POP(env, sw, unmasked, "memory", "f2xm1", (, "=t"(r)), ("1"(a))); break;
    case X_FSQRT: X87_RUN(env, sw, unmasked, "fsqrt", (, "=t"(r)), ("1"(a))); break;
    case X_FRNDINT: X87_RUN(env, sw, unmasked, "frndint", (, "=t"(r)), ("1"(a))); break;
    case X_FSIN: X87_RUN_POP(env, sw, unmasked, "memory", "fsin", (, "=t"(r)), ("1"(a))); codes = FPUS_C2; break;
    default: X87_RUN_POP(env, sw, unmasked, "memory", "fcos", (, "=t"(r)), ("1"(a))); codes = FPUS_C2; break;
    }
    set_codes(env, sw, codes);
    if (!(unmasked & FPUS_PRE))
        *x87_st(env, 0) = r;
}

/* ST0 = f(ST0, ST1), nothing popped */
static void two_operands(CPUX86State *env, unsigned op)
{
    long double r, a, b;
    uint16_t sw, codes = 0;
    unsigned unmasked = 0;

    if (!operands_ok(env, true, 0, false, op != X_FSCALE))
        return;
    a = *x87_st(env, 0);
    b = *x87_st(env, 1);
    switch (op) {
    case X_FPREM: X87_RUN(env, sw, unmasked, "fprem", (, "=t"(r)), ("1"(a), "u"(b))); codes = FPUS_CC | FPUS_C1; break;
    case X_FPREM1: X87_RUN(env, sw, unmasked, "fprem1", (, "=t"(r)), ("1"(a), "u"(b))); codes = FPUS_CC | FPUS_C1; break;
    default: X87_RUN(env, sw, unmasked, "fscale", (, "=t"(r)), ("1"(a), "u"(b))); break;
    }
    if ((unmasked & FPUS_PRE) || (codes && __builtin_isnanl(r))) {
        if (codes) { /* invalid or NaN: no quotient, complete */
            sw = 0;
            codes = FPUS_C2 | FPUS_C1;
        }
    }
    set_codes(env, sw, codes);
    if (!(unmasked & FPUS_PRE))
        *x87_st(env, 0) = r;
}

/* ST1 = f(ST0, ST1), then pop */
static void two_operands_pop(CPUX86State *env, unsigned op)
{
    long double r, a, b;
    uint16_t sw;
    unsigned unmasked = 0;

    if (!operands_ok(env, true, 1, true, false))
        return;
    a = *x87_st(env, 0);
    b = *x87_st(env, 1);
    switch (op) {
    case X_FYL2X: X87_RUN_POP(env, sw, unmasked, "st(1)", "fyl2x", (, "=t"(r)), ("1"(a), "u"(b))); break;
    case X_FPATAN: X87_RUN_POP(env, sw, unmasked, "st(1)", "fpatan", (, "=t"(r)), ("1"(a), "u"(b))); break;
    default: X87_RUN_POP(env, sw, unmasked, "st(1)", "fyl2xp1", (, "=t"(r)), ("1"(a), "u"(b))); break;
    }
    if (unmasked & FPUS_PRE)
        return;
    *x87_st(env, 1) = r;
    x87_pop(env);
}

/* The instruction pushes a second result unless C2 says that the operand was out of range. */
#define TWO_RESULTS(insn)                                                                                              \
    X87_RUN_(env, sw, unmasked, 1,                                                                                     \
             "fldt %[x]\n\t" insn "\n\tfnstsw %%ax\n\tfnclex\n\ttestb $4, %%ah\n\tjnz 1f\n\tfstpt %[top]\n1:\tfstpt %[low]",     \
             (, [top] "=m"(top), [low] "=m"(low)), ([x] "m"(*x87_st(env, 0))), "memory", "st", "st(1)", "cc")

static void two_results(CPUX86State *env, unsigned op)
{
    long double top = 0, low = 0;
    uint16_t sw;
    unsigned unmasked, next = (env->fpstt - 1) & 7;

    if (x87_empty(env, 0) || !env->fptags[next]) {
        bool overflow = !x87_empty(env, 0);
        if (x87_stack_fault(env, overflow)) {
            x87_set_indefinite(x87_st(env, 0));
            env->fptags[x87_phys(env, 0)] = 0;
            env->fpstt = next;
            env->fptags[next] = 0;
            x87_set_indefinite(x87_st(env, 0));
        }
        if (op != X_FXTRACT)
            env->fpus &= ~FPUS_C2;
        return;
    }
    switch (op) {
    case X_FPTAN: TWO_RESULTS("fptan"); break;
    case X_FSINCOS: TWO_RESULTS("fsincos"); break;
    default: /* FXTRACT leaves C2 alone */
        X87_RUN_(env, sw, unmasked, 1, "fldt %[x]\n\tfxtract\n\tfnstsw %%ax\n\tfnclex\n\tfstpt %[top]\n\tfstpt %[low]",
                 (, [top] "=m"(top), [low] "=m"(low)), ([x] "m"(*x87_st(env, 0))), "memory", "st", "st(1)");
        sw &= ~FPUS_C2;
        break;
    }
    if (op != X_FXTRACT)
        set_codes(env, sw, FPUS_C2);
    if (unmasked & FPUS_PRE)
        return;
    *x87_st(env, 0) = low;
    if (sw & FPUS_C2)
        return;
    env->fpstt = next;
    env->fptags[next] = 0;
    *x87_st(env, 0) = top;
}

void helper_x87_unary(CPUX86State *env, uint32_t op)
{
    FpReg *st0 = (FpReg *)x87_st(env, 0);

    switch (op) {
    case X_FCHS:
    case X_FABS:
        if (operands_ok(env, false, 0, false, false)) {
            st0->exp = op == X_FCHS ? st0->exp ^ 0x8000 : st0->exp & 0x7fff;
            x87_set_c1(env, false);
        }
        break;
    case X_FTST: ftst(env); break;
    case X_FXAM: fxam(env); break;
    case X_F2XM1: case X_FSQRT: case X_FRNDINT: case X_FSIN: case X_FCOS: one_operand(env, op); break;
    case X_FPREM: case X_FPREM1: case X_FSCALE: two_operands(env, op); break;
    case X_FYL2X: case X_FYL2XP1: case X_FPATAN: two_operands_pop(env, op); break;
    case X_FPTAN: case X_FSINCOS: case X_FXTRACT: two_results(env, op); break;
    case X_FDECSTP:
    case X_FINCSTP:
        env->fpstt = (env->fpstt + (op == X_FINCSTP ? 1 : -1)) & 7;
        x87_set_c1(env, false);
        break;
    default: break; /* the front end sends no others */
    }
}
