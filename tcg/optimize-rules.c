/* optimize-rules.c - the rewriting rules of the optimiser: each looks at one op whose inputs are replaced
 * already and answers with a cheaper op for the same outputs. The requirements that rules keep stand in
 * optimize.c's preface; the order is the order of opcodes in opc.def. */
#include "tcg/optimize.h"

/* ---- answers of rules; each leaves a complete op ---- */

/* Rules answer whether the op has become another one, whose rules are then to be run. */
static bool to_mov(TcgOp *op, uint64_t a)
{
    op->opc = TCG_OP_mov;
    op->arg[1] = a;
    return true;
}

static bool to_const(Optimizer *o, TcgOp *op, uint64_t c)
{
    TcgTempIdx t;

    if (!const_temp(o, c & type_mask(op->type), &t))
        return false;
    op->type = TCG_I64;
    return to_mov(op, t);
}

static bool to_unary(TcgOp *op, TcgOpcode opc, uint64_t a)
{
    op->opc = opc;
    op->arg[1] = a;
    return true;
}

static bool to_binary_const(Optimizer *o, TcgOp *op, TcgOpcode opc, uint64_t a, uint64_t c)
{
    if (!set_const_input(o, op, 2, c))
        return false;
    op->opc = opc;
    op->arg[1] = a;
    return true;
}

/* ---- conditions ---- */

static bool same_value(Optimizer *o, TcgTempIdx a, TcgTempIdx b) { return value_index(o, a) == value_index(o, b); }

static bool set_zero(Optimizer *o, TcgOp *op, unsigned arg) { return set_const_input(o, op, arg, 0); }

/* Comparison with a constant c of which the answer or a simpler form is clear. -1: not decided. */
static int decide_const(Optimizer *o, TcgOp *op, unsigned b, uint64_t *cond, uint64_t c)
{
    uint64_t tm = type_mask(op->type), ones = value_of(o, op->arg[b - 1])->ones & tm;

    switch ((TcgCond)*cond) {
    case TCG_COND_EQ:
    case TCG_COND_NE:
        if (c & ~ones)
            return *cond == TCG_COND_NE;
        break;
    case TCG_COND_TSTEQ:
    case TCG_COND_TSTNE:
        if (!(c & ones))
            return *cond == TCG_COND_TSTEQ;
        if (!(ones & ~c) && set_zero(o, op, b)) /* every bit that can be one is asked for */
            *cond = *cond == TCG_COND_TSTEQ ? TCG_COND_EQ : TCG_COND_NE;
        break;
    case TCG_COND_LTU:
    case TCG_COND_GEU:
        if (c > ones)
            return *cond == TCG_COND_LTU;
        if (c == 0)
            return *cond == TCG_COND_GEU;
        if (c == 1 && set_zero(o, op, b))
            *cond = *cond == TCG_COND_LTU ? TCG_COND_EQ : TCG_COND_NE;
        break;
    case TCG_COND_LEU:
    case TCG_COND_GTU:
        if (c >= ones)
            return *cond == TCG_COND_LEU;
        if (c == 0)
            *cond = *cond == TCG_COND_LEU ? TCG_COND_EQ : TCG_COND_NE;
        break;
    case TCG_COND_LT:
    case TCG_COND_GE:
        if (c == 0 && !(ones & sign_bit(op->type)))
            return *cond == TCG_COND_GE;
        break;
    default:
        break;
    }
    return -1;
}

/* "x == 0" where x is itself a comparison: ask that one, if its operands are still somewhere. */
static void see_through_setcond(Optimizer *o, TcgOp *op, unsigned b, uint64_t *cond)
{
    const Value *v = value_of(o, op->arg[b - 1]);
    uint64_t c;

    if (v->what != VALUE_CMP || (*cond != TCG_COND_EQ && *cond != TCG_COND_NE) || !const_input(o, op->arg[b], op->type, &c) || c > 1)
        return;
    TcgTempIdx x = best_home(o, v->cmp_a), y = best_home(o, v->cmp_b);
    if (x == TCG_NO_TEMP || y == TCG_NO_TEMP)
        return;
    /* movcond selects 64-bit containers by the op's type: an I32 movcond must stay one */
    if (op->opc == TCG_OP_movcond && op->type != v->cmp_type)
        return;
    if (op->opc == TCG_OP_setcond || op->opc == TCG_OP_brcond)
        op->type = v->cmp_type;
    op->arg[b - 1] = x;
    op->arg[b] = y;
    *cond = (*cond == TCG_COND_EQ) == (c == 0) ? tcg_cond_invert(v->cond) : v->cond;
}

int tcg_optimize_cond(Optimizer *o, TcgOp *op, unsigned a, uint64_t *cond)
{
    unsigned b = a + 1;
    uint64_t ca, cb;

    see_through_setcond(o, op, b, cond);
    if (const_input(o, op->arg[a], op->type, &ca)) {
        if (const_input(o, op->arg[b], op->type, &cb))
            return tcg_fold_cond(*cond, op->type, ca, cb);
        uint64_t t = op->arg[a];
        op->arg[a] = op->arg[b];
        op->arg[b] = t;
        *cond = tcg_cond_swap(*cond);
    }
    if (same_value(o, op->arg[a], op->arg[b])) {
        switch ((TcgCond)*cond) {
        case TCG_COND_TSTEQ:
        case TCG_COND_TSTNE:
            if (!set_zero(o, op, b))
                return -1;
            *cond = *cond == TCG_COND_TSTEQ ? TCG_COND_EQ : TCG_COND_NE;
            break;
        default:
            return tcg_fold_cond(*cond, op->type, 0, 0);
        }
    }
    if (const_input(o, op->arg[b], op->type, &cb))
        return decide_const(o, op, b, cond, cb);
    return -1;
}

static bool rule_setcond(Optimizer *o, TcgOp *op)
{
    int r = tcg_optimize_cond(o, op, 1, &op->arg[3]);
    uint64_t c, a = op->arg[1];

    if (r >= 0)
        return to_const(o, op, r);
    if (!const_input(o, op->arg[2], op->type, &c))
        return false;
    uint64_t ones = value_of(o, a)->ones & type_mask(op->type);
    switch ((TcgCond)op->arg[3]) {
    case TCG_COND_NE:
        if (c == 0 && ones == 1)
            return to_mov(op, a);
        if (c == 1 && ones == 1)
            return to_binary_const(o, op, TCG_OP_xor, a, 1);
        break;
    case TCG_COND_EQ:
        if (c == 1 && ones == 1)
            return to_mov(op, a);
        if (c == 0 && ones == 1)
            return to_binary_const(o, op, TCG_OP_xor, a, 1);
        break;
    case TCG_COND_LT: /* the sign bit itself */
        if (c == 0)
            return to_binary_const(o, op, TCG_OP_shr, a, type_bits(op->type) - 1);
        break;
    case TCG_COND_TSTNE:
        if (is_pow2(c)) {
            op->opc = TCG_OP_extract;
            op->arg[2] = __builtin_ctzll(c);
            op->arg[3] = 1;
            return true;
        }
        break;
    default:
        break;
    }
    return false;
}

static bool rule_movcond(Optimizer *o, TcgOp *op)
{
    int r = tcg_optimize_cond(o, op, 1, &op->arg[5]);
    uint64_t ct, ce;

    if (r >= 0)
        return to_mov(op, op->arg[r ? 3 : 4]);
    if (same_value(o, op->arg[3], op->arg[4]))
        return to_mov(op, op->arg[3]);
    if (const_input(o, op->arg[3], op->type, &ct) && const_input(o, op->arg[4], op->type, &ce) && ct + ce == 1 &&
        ct <= 1) {
        op->opc = TCG_OP_setcond;
        op->arg[3] = ct ? op->arg[5] : tcg_cond_invert(op->arg[5]);
        return true;
    }
    return false;
}

/* ---- arithmetic ---- */

/* Every general op with constant inputs only. */
static bool rule_fold(Optimizer *o, TcgOp *op)
{
    const TcgOpInfo *info = &tcg_op_info[op->opc];
    uint64_t in[4], r;

    for (unsigned i = 0; i < info->ins; i++) {
        if (!const_input(o, op->arg[1 + i], op->type, &in[i]))
            return false;
    }
    switch (op->opc) { /* shifting by the width or more is undefined: leave it to whoever wrote it */
    case TCG_OP_shl: case TCG_OP_shr: case TCG_OP_sar: case TCG_OP_rotl: case TCG_OP_rotr:
        if (in[1] >= type_bits(op->type))
            return false;
        break;
    case TCG_OP_shld: case TCG_OP_shrd:
        if (in[2] >= type_bits(op->type))
            return false;
        break;
    default:
        break;
    }
    return tcg_fold_op(op->opc, op->type, in, &op->arg[1 + info->ins], &r) && to_const(o, op, r);
}

static bool rule_and_const(Optimizer *o, TcgOp *op, uint64_t c)
{
    uint64_t ones = value_of(o, op->arg[1])->ones & type_mask(op->type);

    if (!(ones & c))
        return to_const(o, op, 0);
    if (!(ones & ~c))
        return to_mov(op, op->arg[1]);
    if (c == 0xff)
        return to_unary(op, TCG_OP_ext8u, op->arg[1]);
    if (c == 0xffff)
        return to_unary(op, TCG_OP_ext16u, op->arg[1]);
    if (c == UINT32_MAX) { /* I64: I32 has been answered by the mask */
        op->type = TCG_I32;
        return to_mov(op, op->arg[1]);
    }
    return false;
}

static bool rule_binary(Optimizer *o, TcgOp *op)
{
    uint64_t a = op->arg[1], b = op->arg[2], tm = type_mask(op->type), c;
    bool same = same_value(o, a, b);

    if (const_input(o, a, op->type, &c)) {
        switch (op->opc) {
        case TCG_OP_add: case TCG_OP_and: case TCG_OP_or: case TCG_OP_xor: case TCG_OP_mul:
            if (value_of(o, b)->is_const)
                return false; /* folding found no temp for the result */
            op->arg[1] = b;
            op->arg[2] = a;
            return true;
        case TCG_OP_sub:
            return c == 0 && to_unary(op, TCG_OP_neg, b);
        case TCG_OP_andc:
            return c == 0 ? to_const(o, op, 0) : c == tm && to_unary(op, TCG_OP_not, b);
        default:
            return false;
        }
    }
    if (same) {
        switch (op->opc) {
        case TCG_OP_sub: case TCG_OP_xor: case TCG_OP_andc: return to_const(o, op, 0);
        case TCG_OP_and: case TCG_OP_or: return to_mov(op, a);
        default: return false;
        }
    }
    if (!const_input(o, b, op->type, &c))
        return false;
    switch (op->opc) {
    case TCG_OP_add:
        return c == 0 && to_mov(op, a);
    case TCG_OP_sub:
        return c == 0 ? to_mov(op, a) : to_binary_const(o, op, TCG_OP_add, a, -c);
    case TCG_OP_and:
        return rule_and_const(o, op, c);
    case TCG_OP_andc:
        return to_binary_const(o, op, TCG_OP_and, a, ~c);
    case TCG_OP_or:
        return c == 0 ? to_mov(op, a) : c == tm && to_const(o, op, tm);
    case TCG_OP_xor:
        return c == 0 ? to_mov(op, a) : c == tm && to_unary(op, TCG_OP_not, a);
    case TCG_OP_mul:
        if (c == 0)
            return to_const(o, op, 0);
        if (c == 1)
            return to_mov(op, a);
        if (c == tm)
            return to_unary(op, TCG_OP_neg, a);
        return is_pow2(c) && to_binary_const(o, op, TCG_OP_shl, a, __builtin_ctzll(c));
    default:
        return false;
    }
}

static bool rule_shift(Optimizer *o, TcgOp *op)
{
    unsigned bits = type_bits(op->type), count_arg = op->opc == TCG_OP_shld || op->opc == TCG_OP_shrd ? 3 : 2;
    const Value *v = value_of(o, op->arg[1]);
    uint64_t n, ones = v->ones & type_mask(op->type);
    bool shift_in_zeros = op->opc == TCG_OP_shl || op->opc == TCG_OP_shr || op->opc == TCG_OP_sar;

    if (ones == 0 && shift_in_zeros)
        return to_const(o, op, 0);
    if (op->opc == TCG_OP_sar && !(ones & sign_bit(op->type))) {
        op->opc = TCG_OP_shr;
        return true;
    }
    if (!const_input(o, op->arg[count_arg], op->type, &n) || n >= bits)
        return false;
    if (n == 0)
        return to_mov(op, op->arg[1]);
    if (count_arg == 3) {
        uint64_t c;
        if (same_value(o, op->arg[1], op->arg[2])) /* the same register twice is a rotation */
            return to_binary_const(o, op, op->opc == TCG_OP_shld ? TCG_OP_rotl : TCG_OP_rotr, op->arg[1], n);
        if (const_input(o, op->arg[2], op->type, &c) && c == 0)
            return to_binary_const(o, op, op->opc == TCG_OP_shld ? TCG_OP_shl : TCG_OP_shr, op->arg[1], n);
        return false;
    }
    if (op->opc == TCG_OP_shr && !(ones >> n))
        return to_const(o, op, 0);
    if (op->opc == TCG_OP_shl && !(ones << n & type_mask(op->type)))
        return to_const(o, op, 0);
    return false;
}

/* SETcc %al; MOVZX %al, %eax: only the low bits are read, as they were before they went into the register. */
static bool read_low_part(Optimizer *o, TcgOp *op)
{
    const Value *v = value_of(o, op->arg[1]);
    unsigned bits = op->opc == TCG_OP_ext8s || op->opc == TCG_OP_ext8u ? 8 : op->opc == TCG_OP_ext16s || op->opc == TCG_OP_ext16u ? 16 : 32;
    TcgTempIdx t;

    if (likely(v->what != VALUE_LOW) || v->cond < bits)
        return false;
    t = best_home(o, v->cmp_a);
    if (o->value[v->cmp_a].is_const ? !const_temp(o, o->value[v->cmp_a].ones, &t) : t == TCG_NO_TEMP)
        return false;
    op->arg[1] = t;
    return true;
}

static bool rule_extend(Optimizer *o, TcgOp *op)
{
    if (read_low_part(o, op))
        return true;
    uint64_t a = op->arg[1], ones = value_of(o, a)->ones & type_mask(op->type);

    switch (op->opc) {
    case TCG_OP_ext8u: return !(ones & ~0xffULL) && to_mov(op, a);
    case TCG_OP_ext16u: return !(ones & ~0xffffULL) && to_mov(op, a);
    case TCG_OP_ext8s: return !(ones & ~0x7fULL) && to_mov(op, a);
    case TCG_OP_ext16s: return !(ones & ~0x7fffULL) && to_mov(op, a);
    case TCG_OP_ext32s:
        if (op->type == TCG_I32 || !(ones & ~0x7fffffffULL))
            return to_mov(op, a);
        if (ones & BIT(31))
            return false;
        op->type = TCG_I32;
        return to_mov(op, a);
    default: /* ext32u is what mov_i32 does */
        op->type = TCG_I32;
        return to_mov(op, a);
    }
}

static bool rule_extract(Optimizer *o, TcgOp *op)
{
    uint64_t a = op->arg[1], ones = value_of(o, a)->ones & type_mask(op->type);
    unsigned pos = op->arg[2], len = op->arg[3];
    bool is_signed = op->opc == TCG_OP_sextract;

    if (is_signed && !(ones >> (pos + len - 1) & 1)) {
        op->opc = TCG_OP_extract; /* the copied bit is zero */
        return true;
    }
    if (pos == 0 && (len == 8 || len == 16 || (len == 32 && op->type == TCG_I64))) {
        TcgOpcode u = len == 8 ? TCG_OP_ext8u : len == 16 ? TCG_OP_ext16u : TCG_OP_ext32u;
        TcgOpcode sx = len == 8 ? TCG_OP_ext8s : len == 16 ? TCG_OP_ext16s : TCG_OP_ext32s;
        return to_unary(op, is_signed ? sx : u, a);
    }
    if (pos + len == type_bits(op->type))
        return pos ? to_binary_const(o, op, is_signed ? TCG_OP_sar : TCG_OP_shr, a, pos) : to_mov(op, a);
    if (is_signed)
        return false;
    if (!(ones >> pos & MASK64(len)))
        return to_const(o, op, 0);
    if (!(ones >> (pos + len))) /* nothing above the field */
        return pos ? to_binary_const(o, op, TCG_OP_shr, a, pos) : to_mov(op, a);
    if (pos == 0 && len < 32)
        return to_binary_const(o, op, TCG_OP_and, a, MASK64(len));
    return false;
}

static bool rule_deposit(Optimizer *o, TcgOp *op)
{
    uint64_t a = op->arg[1], b = op->arg[2], c, tm = type_mask(op->type);
    unsigned pos = op->arg[3], len = op->arg[4];
    uint64_t field = MASK64(len) << pos & tm;
    uint64_t ones_a = value_of(o, a)->ones & tm, ones_b = value_of(o, b)->ones & tm;

    if (len == type_bits(op->type))
        return to_mov(op, b);
    if (pos == 0 && same_value(o, a, b))
        return to_mov(op, a);
    if (pos == 0 && !(ones_a & ~field)) /* a has nothing outside the field: b's low bits are all */
        return to_binary_const(o, op, TCG_OP_and, b, field);
    if (const_input(o, a, op->type, &c) && c == 0 && !(ones_b & ~MASK64(len)))
        return to_binary_const(o, op, TCG_OP_shl, b, pos);
    if (const_input(o, b, op->type, &c)) {
        c &= MASK64(len);
        /* A cleared or filled field is one logic op, where its mask is an immediate of the host. */
        if (c == 0 && ((int64_t)~field == (int32_t)~field || op->type == TCG_I32))
            return to_binary_const(o, op, TCG_OP_and, a, ~field);
        if (c == MASK64(len) && (field == (uint64_t)(int32_t)field || op->type == TCG_I32))
            return to_binary_const(o, op, TCG_OP_or, a, field);
    } else if (pos == 0 && !(ones_a & field) && !(ones_b & ~field)) { /* two halves that do not touch */
        op->opc = TCG_OP_or;
        return true;
    }
    return false;
}

static bool rule_mov(TcgOp *op, const Value *v)
{
    if (op->type != TCG_I32 || v->ones > UINT32_MAX)
        return false;
    op->type = TCG_I64; /* nothing to cut off: a plain copy */
    return true;
}

bool tcg_optimize_rewrite(Optimizer *o, TcgOp *op)
{
    if (op->opc != TCG_OP_mov && rule_fold(o, op))
        return true;
    switch (op->opc) {
    case TCG_OP_mov: {
        const Value *v = value_of(o, op->arg[1]);
        if (v->is_const && op->type == TCG_I32)
            return to_const(o, op, v->ones);
        return rule_mov(op, v);
    }
    case TCG_OP_setcond: return rule_setcond(o, op);
    case TCG_OP_movcond: return rule_movcond(o, op);
    case TCG_OP_add: case TCG_OP_sub: case TCG_OP_and: case TCG_OP_or: case TCG_OP_xor: case TCG_OP_andc:
    case TCG_OP_mul:
        return rule_binary(o, op);
    case TCG_OP_shl: case TCG_OP_shr: case TCG_OP_sar: case TCG_OP_rotl: case TCG_OP_rotr: case TCG_OP_shld:
    case TCG_OP_shrd:
        return rule_shift(o, op);
    case TCG_OP_ext8s: case TCG_OP_ext8u: case TCG_OP_ext16s: case TCG_OP_ext16u: case TCG_OP_ext32s:
    case TCG_OP_ext32u:
        return rule_extend(o, op);
    case TCG_OP_extract: case TCG_OP_sextract: return rule_extract(o, op);
    case TCG_OP_deposit: return rule_deposit(o, op);
    default: return false;
    }
}
