/* flags.c - the lazy flags in C: from (cc_op, cc_dst, cc_src, cc_src2) to EFLAGS and back.
 * What each cc_op means is in cc-ops.def. Spec: Intel SDM vol. 1, 3.4.3. */
#include "host/base/osdep.h"
#include "target-x86/flags.h"
#include "target-x86/helper.h"

#define NO_VEC __attribute__((target("general-regs-only"))) /* promised by HELPER_NO_VEC */

#define SUB_(x, y) ((T)((x) - (y)))
#define ADD_(x, y) ((T)((x) + (y)))
#define XOR_(x, y) ((T)((x) ^ (y)))
#define AND_(x, y) ((T)((x) & (y)))
#define OR_(x, y) ((T)((x) | (y)))
#define ANDC_(x, y) ((T)((x) & ~(y)))
#define NEG_(x) ((T)(0 - (x)))
#define LTU_(x, y) ((T)(x) < (T)(y))
#define NZ_(x) ((T)(x) != 0)
#define EQZ_(x) ((T)(x) == 0)
#define BIT_(x, n) ((T)(x) >> (n) & 1)
#define MSB_(x) ((T)(x) >> (sizeof(T) * 8 - 1))
#define SIGN_(x) ((T)(0 - MSB_(x)))
#define SIGNED_(x) ((int64_t)((uint64_t)(x) << (64 - 8 * sizeof(T))) >> (64 - 8 * sizeof(T)))
#define MULH_(x, y) ((T)(((__int128)SIGNED_(x) * SIGNED_(y)) >> (8 * sizeof(T))))
#define ZERO_ ((T)0)
#define ONE_ ((T)1)

typedef struct Parts { uint32_t c, o, a; } Parts;

/* One evaluator per family and size. */
#define EVAL(name, size, type, acol, ccol, ocol, afcol)                                                                \
    static inline NO_VEC Parts eval_##name##size(uint64_t dst64, uint64_t src64, uint64_t src264)                      \
    {                                                                                                                  \
        typedef type T;                                                                                                \
        T dst = dst64, src = src64, src2 = src264, a = acol;                                                           \
        (void)dst, (void)src, (void)src2, (void)a;                                                                     \
        return (Parts){ ccol, MSB_(ocol), (afcol) >> 4 & 1 };                                                          \
    }
#define CC_OP(name, live, a, cf, of, af)                                                                               \
    EVAL(name, B, uint8_t, a, cf, of, af)                                                                              \
    EVAL(name, W, uint16_t, a, cf, of, af)                                                                             \
    EVAL(name, L, uint32_t, a, cf, of, af)                                                                             \
    EVAL(name, Q, uint64_t, a, cf, of, af)
#include "target-x86/cc-ops.def"
#undef CC_OP

static inline NO_VEC uint32_t zsp(uint64_t dst, unsigned bits)
{
    uint64_t v = bits == 64 ? dst : dst & ((1ULL << bits) - 1);
    uint32_t f = 0;
    unsigned p = v & 0xff;

    p ^= p >> 4;
    if (!(0x6996 >> (p & 15) & 1))
        f |= CC_P;
    if (v == 0)
        f |= CC_Z;
    if (v >> (bits - 1) & 1)
        f |= CC_S;
    return f;
}

unsigned cc_op_live(CCOp op)
{
    switch (op) {
#define CC_OP(name, live, a, cf, of, af)                                                                               \
    case CC_OP_##name##B: case CC_OP_##name##W: case CC_OP_##name##L: case CC_OP_##name##Q: return live;
#include "target-x86/cc-ops.def"
#undef CC_OP
    case CC_OP_EFLAGS:
        return CCL_S;
    case CC_OP_CLR: case CC_OP_POPCNT:
        return 0;
    default:
        return CCL_S2;
    }
}

static inline NO_VEC uint32_t adx_af(uint64_t result, uint32_t op)
{
    bool inc = op == CC_OP_ADX_INCL || op == CC_OP_ADX_INCQ, dec = op == CC_OP_ADX_DECL || op == CC_OP_ADX_DECQ;
    return (inc && !(result & 15)) || (dec && (result & 15) == 15) ? CC_A : 0;
}

NO_VEC uint64_t helper_cc_compute_all(uint64_t dst, uint64_t src, uint64_t src2, uint32_t op)
{
    uint64_t result = op >= CC_OP_CMPB && op <= CC_OP_CMPQ ? dst - src : dst;
    Parts p;

    switch (op) {
#define ONE_SIZE(name, size, bits)                                                                                     \
    case CC_OP_##name##size:                                                                                           \
        p = eval_##name##size(dst, src, src2);                                                                         \
        return zsp(result, bits) | p.c * CC_C | p.o * CC_O | p.a * CC_A;
#define CC_OP(name, live, a, cf, of, af)                                                                               \
    ONE_SIZE(name, B, 8) ONE_SIZE(name, W, 16) ONE_SIZE(name, L, 32) ONE_SIZE(name, Q, 64)
#include "target-x86/cc-ops.def"
#undef CC_OP
#undef ONE_SIZE
    case CC_OP_ADX:
        return (src & (CC_MASK & ~(CC_C | CC_O))) | (dst & 1) | (src2 & 1) * CC_O;
    case CC_OP_ADX_LOGICL: case CC_OP_ADX_INCL: case CC_OP_ADX_DECL:
        return zsp(src, 32) | (dst & 1) | (src2 & 1) * CC_O | adx_af(src, op);
    case CC_OP_ADX_LOGICQ: case CC_OP_ADX_INCQ: case CC_OP_ADX_DECQ:
        return zsp(src, 64) | (dst & 1) | (src2 & 1) * CC_O | adx_af(src, op);
    case CC_OP_CLR:
        return CC_Z | CC_P;
    case CC_OP_POPCNT:
        return dst ? 0 : CC_Z;
    default:
        return src & CC_MASK;
    }
}

NO_VEC uint64_t helper_cc_compute_c(uint64_t dst, uint64_t src, uint64_t src2, uint32_t op)
{
    switch (op & CC_BASE_MASK) {
#define CC_OP(name, live, a, cf, of, af)                                                                               \
    case CC_OP_##name##B: return eval_##name##B(dst, src, src2).c;                                                     \
    case CC_OP_##name##W: return eval_##name##W(dst, src, src2).c;                                                     \
    case CC_OP_##name##L: return eval_##name##L(dst, src, src2).c;                                                     \
    case CC_OP_##name##Q: return eval_##name##Q(dst, src, src2).c;
#include "target-x86/cc-ops.def"
#undef CC_OP
    case CC_OP_ADX: case CC_OP_ADX_LOGICL: case CC_OP_ADX_INCL: case CC_OP_ADX_DECL: case CC_OP_ADX_LOGICQ:
    case CC_OP_ADX_INCQ: case CC_OP_ADX_DECQ:
        return dst & 1;
    case CC_OP_CLR: case CC_OP_POPCNT:
        return 0;
    default:
        return src & CC_C;
    }
}

NO_VEC uint64_t helper_cc_compute_env(uint64_t dst, uint64_t src, uint64_t src2, uint32_t op, uint64_t inc)
{
    uint32_t over = op >> CC_OVER_SHIFT;

    if (!over)
        return helper_cc_compute_all(dst, src, src2, op);
    return helper_cc_compute_all(inc, 0, 0, over) | helper_cc_compute_c(dst, src, src2, op);
}

uint32_t cpu_cc_compute_all(CPUX86State *env)
{
    return helper_cc_compute_env(env->cc_dst, env->cc_src, env->cc_src2, env->cc_op, env->cc_inc);
}

uint32_t cpu_compute_eflags(CPUX86State *env)
{
    return (env->eflags & ~(uint64_t)(CC_MASK | EFL_DF)) | 2 | cpu_cc_compute_all(env) | (env->df < 0 ? EFL_DF : 0);
}

void cpu_load_eflags(CPUX86State *env, uint32_t val, uint32_t mask)
{
    uint32_t rest = mask & ~(CC_MASK | EFL_DF);

    if (mask & CC_MASK) {
        bool all = (mask & CC_MASK) == CC_MASK;
        env->cc_src = (all ? 0 : cpu_cc_compute_all(env) & ~mask & CC_MASK) | (val & mask & CC_MASK);
        env->cc_op = CC_OP_EFLAGS;
    }
    if (mask & EFL_DF)
        env->df = val & EFL_DF ? -1 : 1;
    uint64_t was = env->eflags;
    env->eflags = (was & ~(uint64_t)rest & ~(uint64_t)(CC_MASK | EFL_DF)) | (val & rest) | 2;
    /* IF, the most frequent change by far, is not among the hidden flags. */
    if ((was ^ env->eflags) & (EFL_TF | EFL_VM | EFL_RF | EFL_AC | 3 << 12))
        cpu_update_hflags(env);
}
