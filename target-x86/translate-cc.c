/* translate-cc.c - lazy flags while translating: setting cc_op, and conditions out of it as IR.
 * A compare and its branch become one brcond; other producers are evaluated by cc-ops.def's formulas,
 * expanded here over temps. An unknown cc_op (start of a TB) is evaluated by a pure helper.
 * Spec: Intel SDM vol. 1, 3.4.3 and appendix B (conditions). */
#include "target-x86/translate.h"
#include "target-x86/flags.h"

/* --- formulas of cc-ops.def as IR; t: type, bits: operand width, values zero-extended to it --- */

typedef struct Eval {
    DisasContext *dc;
    TcgType t;
    unsigned size, bits;
    Tv dst, src, src2, a;
} Eval;

#define EV_BIN(name, op)                                                                                               \
    static Tv ev_##name(Eval *e, Tv x, Tv y)                                                                           \
    {                                                                                                                  \
        Tv d = tcg_temp(e->dc->s);                                                                                     \
        tcg_gen_##op(e->dc->s, e->t, d, x, y);                                                                         \
        return d;                                                                                                      \
    }
EV_BIN(sub, sub) EV_BIN(add, add) EV_BIN(xor, xor) EV_BIN(and, and) EV_BIN(or, or) EV_BIN(andc, andc)
#undef EV_BIN

static Tv ev_cut(Eval *e, Tv x) { return e->bits < 32 ? gen_extend(e->dc, x, e->size, false) : x; }

static Tv ev_setcond(Eval *e, TcgCond c, Tv x, Tv y)
{
    Tv d = tcg_temp(e->dc->s);
    tcg_gen_setcond(e->dc->s, e->t, c, d, ev_cut(e, x), ev_cut(e, y));
    return d;
}

static Tv ev_bit(Eval *e, Tv x, unsigned n)
{
    Tv d = tcg_temp(e->dc->s);
    tcg_gen_extract(e->dc->s, e->t, d, x, n, 1);
    return d;
}

static Tv ev_neg(Eval *e, Tv x)
{
    Tv d = tcg_temp(e->dc->s);
    tcg_gen_neg(e->dc->s, e->t, d, x);
    return d;
}

static Tv ev_sign(Eval *e, Tv x)
{
    Tv d = tcg_temp(e->dc->s);
    tcg_gen_sextract(e->dc->s, e->t, d, x, e->bits - 1, 1);
    return d;
}

static Tv ev_mulh(Eval *e, Tv x, Tv y)
{
    Tv lo = tcg_temp(e->dc->s), hi = tcg_temp(e->dc->s);
    tcg_gen_muls2(e->dc->s, e->t, lo, hi, x, y);
    return hi;
}

#define SUB_(x, y) ev_sub(e, x, y)
#define ADD_(x, y) ev_add(e, x, y)
#define XOR_(x, y) ev_xor(e, x, y)
#define AND_(x, y) ev_and(e, x, y)
#define OR_(x, y) ev_or(e, x, y)
#define ANDC_(x, y) ev_andc(e, x, y)
#define NEG_(x) ev_neg(e, x)
#define LTU_(x, y) ev_setcond(e, TCG_COND_LTU, x, y)
#define NZ_(x) ev_setcond(e, TCG_COND_NE, x, ZERO_)
#define EQZ_(x) ev_setcond(e, TCG_COND_EQ, x, ZERO_)
#define BIT_(x, n) ev_bit(e, x, n)
#define MSB_(x) ev_bit(e, x, e->bits - 1)
#define SIGN_(x) ev_sign(e, x)
#define MULH_(x, y) ev_mulh(e, x, y)
#define ZERO_ tcg_const(e->dc->s, 0)
#define ONE_ tcg_const(e->dc->s, 1)

typedef enum EvPart { EV_CF, EV_OF, EV_AF } EvPart;

#define CC_OP(name, live, acol, cf, of, af)                                                                            \
    static Tv ev_##name(Eval *e, EvPart part)                                                                          \
    {                                                                                                                  \
        Tv dst = e->dst, src = e->src, src2 = e->src2, a = acol;                                                       \
        (void)dst, (void)src, (void)src2, (void)a;                                                                     \
        return part == EV_CF ? (cf) : part == EV_OF ? (of) : (af);                                                     \
    }
#include "target-x86/cc-ops.def"
#undef CC_OP

/* The sized op by which all flags, in OVER but CF, follow from this value. */
static CCOp flags_op(const DisasContext *dc) { return cc_op_is_over(dc->cc_op) ? cc_op_over(dc->cc_op) : dc->cc_op; }
static Tv flags_dst(const DisasContext *dc) { return cc_op_is_over(dc->cc_op) ? gen_cc_inc() : gen_cc_dst(); }
/* What ZF, SF and PF follow. */
static Tv flags_result(DisasContext *dc)
{
    if (!cc_op_has_size(dc->cc_op) || cc_op_family(dc->cc_op) != CC_OP_CMPB)
        return flags_dst(dc);
    Tv d = tcg_temp(dc->s);
    tcg_gen_sub(dc->s, type_of_size(cc_op_size(dc->cc_op)), d, gen_cc_dst(), gen_cc_src());
    return d;
}

/* CF as 0/1, a value with OF as the operand's sign bit, or a value with AF as bit 4. Sized cc_op only. */
static Tv eval_part(DisasContext *dc, CCOp op, EvPart part)
{
    unsigned size = cc_op_size(op);
    Eval e = { .dc = dc, .t = type_of_size(size), .size = size, .bits = 8u << size,
               .dst = flags_dst(dc), .src = gen_cc_src(), .src2 = gen_cc_src2() };

    switch (cc_op_family(op)) {
#define CC_OP(name, live, acol, cf, of, af)                                                                            \
    case CC_OP_##name##B: return ev_##name(&e, part);
#include "target-x86/cc-ops.def"
#undef CC_OP
    default:
        g_assert_not_reached();
    }
}

/* --- cc_op bookkeeping --- */

void gen_set_cc_op(DisasContext *dc, CCOp op)
{
    unsigned live = op == CC_OP_DYNAMIC ? CCL_S2 : cc_op_live(op);

    dc->cmp_kind = CMP_NONE;
    dc->carry_kind = CARRY_NONE;
    dc->adx = false;
    if (dc->cc_op == op)
        return;
    if (op != CC_OP_DYNAMIC) {
        if (!(live & CCL_S))
            tcg_gen_discard(dc->s, gen_cc_src());
        if (cc_op_is_over(dc->cc_op) && !cc_op_is_over(op))
            tcg_gen_discard(dc->s, gen_cc_inc());
        if (!(live & CCL_2) && dc->cc_op != CC_OP_DYNAMIC && (cc_op_live(dc->cc_op) & CCL_2))
            tcg_gen_discard(dc->s, gen_cc_src2());
    }
    dc->cc_op = op;
    dc->cc_op_dirty = op != CC_OP_DYNAMIC;
}

void gen_sync_cc_op(DisasContext *dc)
{
    if (dc->cc_op_dirty && cc_op_is_over(dc->cc_op)) {
        tcg_gen_st(dc->s, tcg_const(dc->s, cc_op_over(dc->cc_op)), tcg_env(dc->s),
                   offsetof(CPUX86State, cc_op) + CC_OVER_SHIFT / 8, 1);
        dc->cc_op_dirty = false;
    } else if (dc->cc_op_dirty) {
        tcg_gen_st(dc->s, tcg_const(dc->s, dc->cc_op), tcg_env(dc->s), offsetof(CPUX86State, cc_op), 4);
        dc->cc_op_dirty = false;
    }
}

Tv gen_cc_op_value(DisasContext *dc)
{
    Tv t;

    t = tcg_temp(dc->s);
    if (cc_op_is_over(dc->cc_op)) {
        tcg_gen_ld(dc->s, t, tcg_env(dc->s), offsetof(CPUX86State, cc_op), 1, false);
        tcg_gen_ori(dc->s, TCG_I64, t, t, cc_op_over(dc->cc_op) << CC_OVER_SHIFT);
        return t;
    }
    if (dc->cc_op != CC_OP_DYNAMIC)
        return tcg_const(dc->s, dc->cc_op);
    tcg_gen_ld(dc->s, t, tcg_env(dc->s), offsetof(CPUX86State, cc_op), 4, false);
    return t;
}

void gen_set_flags(DisasContext *dc, Tv val)
{
    tcg_gen_andi(dc->s, TCG_I64, gen_cc_src(), val, CC_MASK);
    gen_set_cc_op(dc, CC_OP_EFLAGS);
}

static void call_compute_all(DisasContext *dc, Tv d)
{
    Tv op = gen_cc_op_value(dc);

    if (dc->cc_op == CC_OP_DYNAMIC || cc_op_is_over(dc->cc_op))
        CALL_HELPER(dc, cc_compute_env, d.i, 5, gen_cc_dst().i, gen_cc_src().i, gen_cc_src2().i, op.i, gen_cc_inc().i);
    else
        CALL_HELPER(dc, cc_compute_all, d.i, 4, gen_cc_dst().i, gen_cc_src().i, gen_cc_src2().i, op.i);
}

void gen_compute_eflags(DisasContext *dc)
{
    if (dc->cc_op == CC_OP_EFLAGS)
        return;
    bool dynamic = dc->cc_op == CC_OP_DYNAMIC;
    call_compute_all(dc, gen_cc_src());
    gen_set_cc_op(dc, CC_OP_EFLAGS);
    if (dynamic)
        gen_sync_cc_op(dc); /* the instruction's fault map entry says: env->cc_op is right */
}

Tv gen_eflags_value(DisasContext *dc)
{
    Tv t = gen_temp(dc);

    call_compute_all(dc, t);
    return t;
}

bool gen_still_good(const DisasContext *dc, unsigned from, Tv a, Tv b)
{
    const TcgContext *s = dc->s;

    if (s->nb_ops - from > 64)
        return false;
    bool block_only = s->temps[a.i].kind == TCG_TEMP_EBB || s->temps[b.i].kind == TCG_TEMP_EBB;
    for (unsigned i = from; i < s->nb_ops; i++) {
        const TcgOp *op = &s->ops[i];
        const TcgOpInfo *info = &tcg_op_info[op->opc];
        if (block_only && (info->flags & TCG_OPF_ENDS_BB))
            return false;
        if (op->opc == TCG_OP_call &&
            (((const TcgHelperInfo *)(uintptr_t)op->arg[info->outs + info->ins])->flags & HELPER_WRITES_REGS))
            return false;
        for (unsigned n = 0; n < info->outs; n++)
            if (op->arg[n] == a.i || op->arg[n] == b.i)
                return false;
    }
    return true;
}

void gen_note_carry(DisasContext *dc, Tv carry)
{
    dc->carry_kind = CARRY_VALUE;
    dc->carry = carry;
    dc->carry_index = dc->s->nb_ops;
}

void gen_note_carry_op(DisasContext *dc, unsigned index)
{
    const TcgContext *s = dc->s;

    if (cc_op_size(dc->cc_op) < MO_32 || index >= s->nb_ops || (s->ops[index].opc != TCG_OP_add && s->ops[index].opc != TCG_OP_sub))
        return; /* the optimiser knew better */
    dc->carry_kind = CARRY_OP;
    dc->carry_index = index;
}

/* CF as somebody noted it. make: the add or sub may get a carry out for it. */
static bool noted_carry(DisasContext *dc, bool make, Tv *c)
{
    TcgContext *s = dc->s;

    if (dc->carry_kind == CARRY_VALUE && gen_still_good(dc, dc->carry_index, dc->carry, dc->carry)) {
        *c = dc->carry;
        return true;
    }
    if (dc->carry_kind != CARRY_OP || !make || dc->carry_index >= s->nb_ops || s->overflow)
        return false;
    TcgOp *op = &s->ops[dc->carry_index];
    bool sub = cc_op_family(dc->cc_op) == CC_OP_SUBB;
    Tv t = tcg_temp(s);
    Tv b = { op->arg[2] };
    uint64_t v;
    if (sub && op->opc == TCG_OP_add && tcg_is_const(s, b, &v)) /* the optimiser's form of it */
        b = tcg_const(s, op->type == TCG_I32 ? (uint64_t)(int32_t)-v : -v);
    else if (op->opc != (sub ? TCG_OP_sub : TCG_OP_add))
        return false;
    if (!gen_still_good(dc, dc->carry_index + 1, t, t))
        return false;
    *op = (TcgOp){ .opc = sub ? TCG_OP_subb : TCG_OP_addc, .type = op->type,
                   .arg = { op->arg[0], t.i, op->arg[1], b.i, tcg_const(s, 0).i } };
    tcg_emitted_bit(s, t.i);
    gen_note_carry(dc, t);
    *c = t;
    return true;
}

bool gen_in_adx(const DisasContext *dc)
{
    return dc->cc_op == CC_OP_DYNAMIC ? dc->adx : dc->cc_op >= CC_OP_ADX && !cc_op_is_over(dc->cc_op);
}

/* The result in cc_src by which CC_OP_ADX_LOGICL and so on know the other flags; false: they are in cc_src as they are. */
static bool adx_result(const DisasContext *dc, unsigned *size)
{
    *size = (dc->cc_op - CC_OP_ADX_LOGICL) & 1 ? MO_64 : MO_32;
    return dc->cc_op >= CC_OP_ADX_LOGICL;
}

void gen_begin_adx(DisasContext *dc)
{
    TcgContext *s = dc->s;

    if (gen_in_adx(dc))
        return;
    if (dc->cc_op == CC_OP_DYNAMIC) { /* all of it is in env then, at a fault too */
        TcgLabel done = tcg_label(s);
        Tv rel = tcg_temp(s);
        tcg_gen_subi(s, TCG_I32, rel, gen_cc_op_value(dc), CC_OP_ADX);
        tcg_gen_brcondi(s, TCG_I32, TCG_COND_LTU, rel, CC_OP_OVER_INCB - CC_OP_ADX, done);
        call_compute_all(dc, gen_cc_src());
        tcg_gen_andi(s, TCG_I64, gen_cc_dst(), gen_cc_src(), 1);
        tcg_gen_extract(s, TCG_I64, gen_cc_src2(), gen_cc_src(), 11, 1);
        tcg_gen_st(s, tcg_const(s, CC_OP_ADX), tcg_env(s), offsetof(CPUX86State, cc_op), 4);
        tcg_gen_label(s, done);
        gen_set_cc_op(dc, CC_OP_DYNAMIC);
        dc->adx = true;
        return;
    }
    CCOp op = CC_OP_ADX;
    Tv c = tcg_temp(s), o = tcg_temp(s), rest;
    if (!cc_op_has_size(dc->cc_op)) {
        rest = dc->cc_op == CC_OP_EFLAGS ? gen_cc_src() : gen_eflags_value(dc);
        tcg_gen_andi(s, TCG_I64, c, rest, 1);
        tcg_gen_extract(s, TCG_I64, o, rest, 11, 1);
    } else {
        CCOp family = cc_op_family(dc->cc_op);
        unsigned size = cc_op_size(dc->cc_op);
        tcg_gen_mov(s, TCG_I64, c, gen_compute_c(dc));
        tcg_gen_extract(s, type_of_size(size), o, eval_part(dc, dc->cc_op, EV_OF), (8u << size) - 1, 1);
        if (size >= MO_32 && family == CC_OP_LOGICB)
            op = CC_OP_ADX_LOGICL;
        else if (size >= MO_32 && family == CC_OP_INCB)
            op = CC_OP_ADX_INCL;
        else if (size >= MO_32 && family == CC_OP_DECB)
            op = CC_OP_ADX_DECL;
        rest = op == CC_OP_ADX ? gen_eflags_value(dc) : gen_cc_dst();
        op += op != CC_OP_ADX && size == MO_64;
    }
    tcg_gen_mov(s, TCG_I64, gen_cc_src(), rest);
    tcg_gen_mov(s, TCG_I64, gen_cc_dst(), c);
    tcg_gen_mov(s, TCG_I64, gen_cc_src2(), o);
    gen_set_cc_op(dc, op);
}

Tv gen_compute_c(DisasContext *dc)
{
    Tv t = tcg_temp(dc->s);

    if (gen_in_adx(dc)) {
        tcg_gen_mov(dc->s, TCG_I64, t, gen_cc_dst());
        return t;
    }
    if (noted_carry(dc, true, &t))
        return t;
    if (cc_op_has_size(dc->cc_op))
        return eval_part(dc, dc->cc_op, EV_CF);
    if (dc->cc_op == CC_OP_DYNAMIC || cc_op_is_over(dc->cc_op)) {
        CALL_HELPER(dc, cc_compute_c, t.i, 4, gen_cc_dst().i, gen_cc_src().i, gen_cc_src2().i, gen_cc_op_value(dc).i);
        return t;
    }
    gen_compute_eflags(dc);
    tcg_gen_andi(dc->s, TCG_I64, t, gen_cc_src(), CC_C);
    return t;
}

void gen_cmp_result(DisasContext *dc)
{
    if (!cc_op_has_size(dc->cc_op) || cc_op_family(dc->cc_op) != CC_OP_CMPB)
        return;
    tcg_gen_mov(dc->s, TCG_I64, gen_cc_dst(), flags_result(dc));
    gen_set_cc_op(dc, cc_op_of(CC_OP_SUBB, cc_op_size(dc->cc_op)));
}

Tv gen_af_bit(DisasContext *dc)
{
    Tv t = tcg_temp(dc->s);

    if (!cc_op_has_size(dc->cc_op))
        gen_compute_eflags(dc);
    tcg_gen_andi(dc->s, TCG_I64, t, cc_op_has_size(dc->cc_op) ? eval_part(dc, dc->cc_op, EV_AF) : gen_cc_src(), CC_A);
    return t;
}

void gen_note_cmp(DisasContext *dc, int kind, Tv a, Tv b)
{
    dc->cmp_kind = kind;
    dc->cmp_a = a;
    dc->cmp_b = b;
    dc->cmp_op_index = dc->s->nb_ops;
}

/* --- conditions --- */

enum { J_O, J_B, J_Z, J_BE, J_S, J_P, J_L, J_LE }; /* code >> 1; odd codes invert */

static Cond cond_make(TcgType t, TcgCond c, Tv a, Tv b) { return (Cond){ t, c, a, b }; }

static bool cmp_operands_good(DisasContext *dc)
{
    return dc->cmp_kind != CMP_NONE && gen_still_good(dc, dc->cmp_op_index, dc->cmp_a, dc->cmp_b);
}

bool gen_cmp_operands(DisasContext *dc, Tv *a, Tv *b)
{
    *a = dc->cmp_a;
    *b = dc->cmp_b;
    return dc->cmp_kind == CMP_SUB && cc_op_has_size(dc->cc_op) && cc_op_family(dc->cc_op) == CC_OP_CMPB &&
           cmp_operands_good(dc);
}

/* An operand of a comparison in type_of_size(size): 32-bit comparisons look at the low half by themselves. */
static Tv cond_operand(DisasContext *dc, Tv v, unsigned size, bool sign)
{
    return size >= MO_32 ? v : gen_extend(dc, v, size, sign);
}

static Cond cond_after_cmp(DisasContext *dc, unsigned kind, bool *done)
{
    static const TcgCond of_kind[8] = { [J_B] = TCG_COND_LTU, [J_Z] = TCG_COND_EQ, [J_BE] = TCG_COND_LEU,
                                        [J_L] = TCG_COND_LT, [J_LE] = TCG_COND_LE };
    unsigned size = cc_op_size(dc->cc_op);
    bool sign = kind == J_L || kind == J_LE;

    *done = true;
    if (dc->cmp_kind == CMP_TEST) {
        if (kind == J_Z && size >= MO_32)
            return cond_make(type_of_size(size), TCG_COND_TSTEQ, dc->cmp_a, dc->cmp_b);
    } else if (kind != J_O && kind != J_S && kind != J_P) {
        return cond_make(type_of_size(size), of_kind[kind], cond_operand(dc, dc->cmp_a, size, sign),
                         cond_operand(dc, dc->cmp_b, size, sign));
    }
    *done = false;
    return (Cond){ 0 };
}

/* ZF, SF: from the result */
static Cond cond_dst(DisasContext *dc, unsigned size, bool want_sign)
{
    TcgContext *s = dc->s;
    TcgType t = type_of_size(size);
    uint64_t mask = size == MO_8 ? 0xff : 0xffff;

    if (size >= MO_32)
        return cond_make(t, want_sign ? TCG_COND_LT : TCG_COND_EQ, flags_result(dc), tcg_const(s, 0));
    return want_sign ? cond_make(t, TCG_COND_TSTNE, flags_result(dc), tcg_const(s, mask ^ mask >> 1))
                     : cond_make(t, TCG_COND_TSTEQ, flags_result(dc), tcg_const(s, mask));
}

static Cond cond_parity(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Tv a = tcg_temp(s), b = tcg_temp(s), c = tcg_temp(s);

    Tv r = flags_result(dc);
    tcg_gen_shri(s, TCG_I32, a, r, 4);
    tcg_gen_xor(s, TCG_I32, a, a, r);
    tcg_gen_andi(s, TCG_I32, b, a, 15);
    tcg_gen_shr(s, TCG_I32, c, tcg_const(s, 0x6996), b); /* bit n: n has odd parity */
    return cond_make(TCG_I32, TCG_COND_TSTEQ, c, tcg_const(s, 1));
}

/* Sign bit of a value of operand size. */
static Cond cond_msb(DisasContext *dc, unsigned size, Tv v)
{
    if (size >= MO_32)
        return cond_make(type_of_size(size), TCG_COND_LT, v, tcg_const(dc->s, 0));
    return cond_make(TCG_I32, TCG_COND_TSTNE, v, tcg_const(dc->s, 1u << ((8u << size) - 1)));
}

static Tv cond_value(DisasContext *dc, Cond c)
{
    Tv t = tcg_temp(dc->s);
    tcg_gen_setcond(dc->s, c.type, c.cond, t, c.a, c.b);
    return t;
}

static Cond cond_bool(DisasContext *dc, Tv v) { return cond_make(TCG_I64, TCG_COND_NE, v, tcg_const(dc->s, 0)); }

static Tv cond_carry(DisasContext *dc, CCOp op)
{
    Tv t;
    if (cc_op_is_over(dc->cc_op))
        return gen_compute_c(dc);
    return noted_carry(dc, false, &t) ? t : eval_part(dc, op, EV_CF);
}

/* Any sized family; c without inversion. */
static Cond cond_sized(DisasContext *dc, unsigned kind)
{
    TcgContext *s = dc->s;
    CCOp op = flags_op(dc), family = cc_op_family(op);
    unsigned size = cc_op_size(op);
    bool no_of = family == CC_OP_LOGICB || family == CC_OP_BLSIB || family == CC_OP_BMILGB;
    Tv t;

    if (family == CC_OP_CMPB && (dc->cmp_kind != CMP_SUB || !cmp_operands_good(dc)))
        gen_note_cmp(dc, CMP_SUB, gen_cc_dst(), gen_cc_src());
    if (family == CC_OP_CMPB || ((family == CC_OP_SUBB || family == CC_OP_LOGICB) && cmp_operands_good(dc))) {
        bool done;
        Cond c = cond_after_cmp(dc, kind, &done);
        if (done)
            return c;
    }
    switch (kind) {
    case J_O:
        return cond_msb(dc, size, eval_part(dc, op, EV_OF));
    case J_B:
        return cond_bool(dc, cond_carry(dc, op));
    case J_Z:
        return cond_dst(dc, size, false);
    case J_S:
        return cond_dst(dc, size, true);
    case J_P:
        return cond_parity(dc);
    case J_BE:
        if (family == CC_OP_LOGICB)
            return cond_dst(dc, size, false);
        t = tcg_temp(s);
        tcg_gen_or(s, TCG_I64, t, cond_carry(dc, op), cond_value(dc, cond_dst(dc, size, false)));
        return cond_bool(dc, t);
    default:
        if (no_of && kind == J_L)
            return cond_dst(dc, size, true);
        if (no_of)
            return cond_make(type_of_size(size), TCG_COND_LE, cond_operand(dc, flags_result(dc), size, true), tcg_const(s, 0));
        t = tcg_temp(s);
        tcg_gen_xor(s, type_of_size(size), t, eval_part(dc, op, EV_OF), flags_result(dc));
        if (kind == J_L)
            return cond_msb(dc, size, t);
        Tv le = tcg_temp(s);
        tcg_gen_or(s, TCG_I64, le, cond_value(dc, cond_msb(dc, size, t)), cond_value(dc, cond_dst(dc, size, false)));
        return cond_bool(dc, le);
    }
}

/* All six in a value as EFLAGS has them. */
static Cond cond_eflags(DisasContext *dc, unsigned kind, Tv flags)
{
    static const uint16_t mask[8] = { [J_O] = CC_O, [J_B] = CC_C, [J_Z] = CC_Z, [J_BE] = CC_C | CC_Z, [J_S] = CC_S, [J_P] = CC_P };
    TcgContext *s = dc->s;
    Tv t;

    if (mask[kind])
        return cond_make(TCG_I32, TCG_COND_TSTNE, flags, tcg_const(s, mask[kind]));
    t = tcg_temp(s);
    tcg_gen_shri(s, TCG_I32, t, flags, 4); /* OF to SF's place */
    tcg_gen_xor(s, TCG_I32, t, t, flags);
    if (kind == J_L)
        return cond_make(TCG_I32, TCG_COND_TSTNE, t, tcg_const(s, CC_S));
    Tv u = tcg_temp(s), v = tcg_temp(s);
    tcg_gen_andi(s, TCG_I32, u, t, CC_S);
    tcg_gen_andi(s, TCG_I32, v, flags, CC_Z);
    tcg_gen_or(s, TCG_I32, u, u, v);
    return cond_make(TCG_I32, TCG_COND_NE, u, tcg_const(s, 0));
}

Cond gen_cond(DisasContext *dc, unsigned code)
{
    unsigned kind = code >> 1 & 7, size;
    Cond c;

    if (gen_in_adx(dc) && (kind == J_B || kind == J_O)) {
        c = cond_bool(dc, kind == J_B ? gen_cc_dst() : gen_cc_src2());
    } else if (gen_in_adx(dc) && adx_result(dc, &size) && (kind == J_Z || kind == J_S)) {
        c = cond_make(type_of_size(size), kind == J_S ? TCG_COND_LT : TCG_COND_EQ, gen_cc_src(), tcg_const(dc->s, 0));
    } else if (cc_op_has_size(flags_op(dc))) {
        c = cond_sized(dc, kind);
    } else if (dc->cc_op != CC_OP_DYNAMIC && dc->cc_op != CC_OP_EFLAGS) { /* cc_op stays: an access may follow */
        c = cond_eflags(dc, kind, gen_eflags_value(dc));
    } else {
        gen_compute_eflags(dc);
        c = kind == J_Z && dc->cmp_kind == CMP_ZF && cmp_operands_good(dc) ? cond_bool(dc, dc->cmp_a)
                                                                           : cond_eflags(dc, kind, gen_cc_src());
    }
    if (code & 1)
        c.cond = tcg_cond_invert(c.cond);
    return c;
}

Tv gen_cond_value(DisasContext *dc, unsigned code) { return cond_value(dc, gen_cond(dc, code)); }
