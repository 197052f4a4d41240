/* optimize.c - constant folding, copy propagation, known bits; one forward pass, O(ops).
 *
 * The pass walks the ops once and rewrites them in place; the write index never overtakes the read
 * index, so a rule may delete an op or replace it by ONE op, never by two. What it knows is a table of
 * values. A value is what some temp held at some moment: a constant or not, the bits that may be one,
 * perhaps the comparison it came from, and up to three homes, the temps that got this value. Each temp
 * points at its current value, so overwriting a temp is one assignment, and a home is good as long as
 * its temp still points back. Nothing is ever searched or cleared:
 *
 *   at a label             all is forgotten (several paths meet), unless no branch to it is left
 *   behind a brcond        block temps are forgotten (they die there), the rest stays: one way in
 *   at a call that writes  globals are forgotten
 *
 * Forgetting a kind of temp is taking a new stamp for the kind. The table's size is fixed; when it is
 * full, everything is forgotten once, which costs quality and no correctness.
 *
 * Rules (rule_*, found by opcode in rewrite()) keep these requirements:
 *   1. A rule sees inputs that are already replaced by their best home (or constant).
 *   2. Its answer has the same outputs and computes the same 64-bit containers: an I32 op's result is
 *      zero-extended, so "d = a" for an I32 op is mov_i32, and only known bits make that a plain copy.
 *   3. It goes downhill: constant < mov < one-input op < add/and/or/shift < the rest. So a rule may
 *      rewrite the op to another one and run the rules for that one, and this ends.
 *   4. Effects stay: ops with SIDE are changed in their inputs only; branches may become unconditional or
 *      vanish.
 *   5. Constants of I32 ops are written sign-extended (the host's immediate form), as ir-build does.
 *   6. insn_start is never dropped, also not in dead code: faults behind a later label need it.
 *
 * Dead ops and dead flags are the business of liveness.c, behind this pass. Not done: common
 * subexpressions, forwarding of stores to loads through env. Stores to env must not overlap the slots of
 * globals. */
#include "tcg/ir-build.h"
#include "host/base/bitops.h"

enum { NB_HOMES = 3, MAX_VALUES = 8192, VALUES_PER_OP = 10 };

typedef struct Value {
    uint64_t ones;  /* bits that may be 1; the constant's value if is_const */
    bool is_const;
    uint8_t cond, cmp_type; /* the value is setcond(cond, a, b) if is_cmp */
    bool is_cmp;
    uint16_t cmp_a, cmp_b;  /* values */
    TcgTempIdx home[NB_HOMES];
} Value;

typedef struct Optimizer {
    TcgContext *s;
    uint64_t stamp[TCG_TEMP_ENV + 1]; /* by temp kind: what is_current() wants */
    uint64_t last_stamp;
    unsigned nb_values;
    struct {
        uint64_t stamp;
        uint16_t value;
    } temp[TCG_MAX_TEMPS];
    Value value[MAX_VALUES];
    uint16_t label_refs[TCG_MAX_LABELS];
} Optimizer;

static inline uint64_t type_mask(TcgType t) { return t == TCG_I32 ? UINT32_MAX : UINT64_MAX; }
static inline unsigned type_bits(TcgType t) { return t == TCG_I32 ? 32 : 64; }
static inline uint64_t sign_bit(TcgType t) { return BIT(type_bits(t) - 1); }
static inline bool is_pow2(uint64_t v) { return v && !(v & (v - 1)); }
/* All bits up to the highest one of m. */
static inline uint64_t fill_below(uint64_t m) { return m ? UINT64_MAX >> __builtin_clzll(m) : 0; }

/* ---- what is known ---- */

static void forget(Optimizer *o, TcgTempKind kind) { o->stamp[kind] = ++o->last_stamp; }

static void forget_all(Optimizer *o)
{
    for (unsigned k = 0; k < ARRAY_SIZE(o->stamp); k++)
        forget(o, k);
    o->nb_values = 0;
}

static inline bool is_current(const Optimizer *o, TcgTempIdx t)
{
    return o->temp[t].stamp == o->stamp[o->s->temps[t].kind];
}

static Value *new_value(Optimizer *o, TcgTempIdx t)
{
    unsigned n = o->nb_values++; /* the pass forgets all in time: see tcg_optimize() */
    Value *v = &o->value[n];

    *v = (Value){ .ones = UINT64_MAX, .home = { t, TCG_NO_TEMP, TCG_NO_TEMP } };
    o->temp[t].stamp = o->stamp[o->s->temps[t].kind];
    o->temp[t].value = n;
    return v;
}

static unsigned value_index(Optimizer *o, TcgTempIdx t)
{
    if (!is_current(o, t)) {
        Value *v = new_value(o, t);
        if (o->s->temps[t].kind == TCG_TEMP_CONST) {
            v->is_const = true;
            v->ones = o->s->temps[t].value;
        }
    }
    return o->temp[t].value;
}

static Value *value_of(Optimizer *o, TcgTempIdx t) { return &o->value[value_index(o, t)]; }

static bool const_input(Optimizer *o, TcgTempIdx t, TcgType type, uint64_t *c)
{
    Value *v = value_of(o, t);

    if (v->is_const)
        *c = v->ones & type_mask(type);
    return v->is_const;
}

/* Where to read a value: pinned globals are in registers anyway, block temps should die early. */
static int home_rank(const Optimizer *o, TcgTempIdx t)
{
    const TcgTemp *p = &o->s->temps[t];

    switch (p->kind) {
    case TCG_TEMP_CONST: return 5;
    case TCG_TEMP_ENV: return 4;
    case TCG_TEMP_GLOBAL: return p->pinned ? 3 : 1;
    case TCG_TEMP_LOCAL: return 2;
    default: return 0;
    }
}

static bool is_home(const Optimizer *o, unsigned value, TcgTempIdx t)
{
    return t != TCG_NO_TEMP && is_current(o, t) && o->temp[t].value == value;
}

static TcgTempIdx best_home(const Optimizer *o, unsigned value)
{
    const Value *v = &o->value[value];
    TcgTempIdx best = TCG_NO_TEMP;

    for (unsigned i = 0; i < NB_HOMES; i++) {
        if (is_home(o, value, v->home[i]) && (best == TCG_NO_TEMP || home_rank(o, v->home[i]) > home_rank(o, best)))
            best = v->home[i];
    }
    return best;
}

/* d now holds the value of a (all 64 bits of it). */
static void set_copy(Optimizer *o, TcgTempIdx d, unsigned value)
{
    Value *v = &o->value[value];
    int slot = -1;

    o->temp[d].stamp = o->stamp[o->s->temps[d].kind];
    o->temp[d].value = value;
    for (unsigned i = 0; i < NB_HOMES; i++) {
        if (v->home[i] == d)
            return;
        if (slot < 0 && !is_home(o, value, v->home[i]))
            slot = i;
    }
    for (unsigned i = 0; slot < 0 && i < NB_HOMES; i++) {
        if (home_rank(o, d) > home_rank(o, v->home[i]))
            slot = i;
    }
    if (slot >= 0)
        v->home[slot] = d;
}

/* A temp for constant c, unless temps have run out (then the rule is not applied: no overflow from here). */
static bool const_temp(Optimizer *o, uint64_t c, TcgTempIdx *t)
{
    if (o->s->nb_temps >= TCG_MAX_TEMPS - 1)
        return false;
    *t = tcg_const(o->s, c).i;
    return true;
}

static bool set_const_input(Optimizer *o, TcgOp *op, unsigned arg, uint64_t c)
{
    TcgTempIdx t;

    if (!const_temp(o, op->type == TCG_I32 ? (uint64_t)(int32_t)c : c, &t))
        return false;
    op->arg[arg] = t;
    return true;
}

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

    if (!v->is_cmp || (*cond != TCG_COND_EQ && *cond != TCG_COND_NE) || !const_input(o, op->arg[b], op->type, &c) || c > 1)
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

/* Simplifies the comparison of inputs arg[a] and arg[a + 1] in place. 1, 0: always, never; -1: open. */
static int rule_cond(Optimizer *o, TcgOp *op, unsigned a, uint64_t *cond)
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
    int r = rule_cond(o, op, 1, &op->arg[3]);
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
    int r = rule_cond(o, op, 1, &op->arg[5]);
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

static bool rule_extend(Optimizer *o, TcgOp *op)
{
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

static bool rewrite(Optimizer *o, TcgOp *op)
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

/* ---- known bits of results ---- */

static uint64_t ones_of_memop(MemOp op, bool zero_extended)
{
    if ((op & MO_SIGN) && !zero_extended)
        return op & MO_SIGN32 ? UINT32_MAX : UINT64_MAX;
    return MASK64(MIN(8u << (op & MO_SIZE), 64u));
}

/* The bits of output 0 that may be one, from those of the inputs. */
static uint64_t result_ones(Optimizer *o, const TcgOp *op)
{
    uint64_t tm = type_mask(op->type), a = 0, b = 0, c = 0;
    const uint64_t *k = &op->arg[tcg_op_info[op->opc].outs + tcg_op_info[op->opc].ins];
    unsigned bits = type_bits(op->type);
    bool count_known = false;

    if (op->opc == TCG_OP_call) {
        const TcgHelperInfo *h = (const TcgHelperInfo *)(uintptr_t)op->arg[7];
        return h->ret == HARG_I32 ? UINT32_MAX : UINT64_MAX;
    }
    if (tcg_op_info[op->opc].flags & TCG_OPF_VEC) {
        if (op->opc == TCG_OP_simd_flags)
            return BIT(6) | BIT(2) | BIT(0);
        return op->opc == TCG_OP_simd && !(op->arg[4] & SIMD_W) ? UINT32_MAX : UINT64_MAX; /* if general at all */
    }
    if (tcg_op_info[op->opc].outs == 1 && tcg_op_info[op->opc].ins >= 1)
        a = value_of(o, op->arg[1])->ones & tm;
    if (tcg_op_info[op->opc].outs == 1 && tcg_op_info[op->opc].ins >= 2) {
        b = value_of(o, op->arg[2])->ones & tm;
        count_known = const_input(o, op->arg[2], op->type, &c) && c < bits;
    }
    switch (op->opc) {
    case TCG_OP_mov: return a;
    case TCG_OP_setcond: return 1;
    case TCG_OP_movcond:
        return (value_of(o, op->arg[3])->ones | value_of(o, op->arg[4])->ones) & tm;
    case TCG_OP_add: a = fill_below(a | b); return (a << 1 | a) & tm;
    case TCG_OP_and: return a & b;
    case TCG_OP_or: case TCG_OP_xor: return a | b;
    case TCG_OP_andc: return a;
    case TCG_OP_shl: return count_known ? a << c & tm : tm;
    case TCG_OP_shr: return count_known ? a >> c : fill_below(a);
    case TCG_OP_sar:
        if (!count_known)
            return a & sign_bit(op->type) ? tm : fill_below(a);
        return (bits == 32 ? (uint64_t)((int32_t)a >> c) : (uint64_t)((int64_t)a >> c)) & tm;
    case TCG_OP_clz: case TCG_OP_ctz: return 0x7f | b; /* at most 63, or b */
    case TCG_OP_popcnt: return 0x7f;
    case TCG_OP_ext8s: case TCG_OP_ext8u: case TCG_OP_ext16s: case TCG_OP_ext16u: case TCG_OP_ext32s:
    case TCG_OP_ext32u: case TCG_OP_extract: case TCG_OP_sextract: case TCG_OP_bswap16: case TCG_OP_bswap:
        /* These only move bits and copy the sign: done to the mask they give the mask. */
        tcg_fold_op(op->opc, op->type, &a, k, &a);
        return a;
    case TCG_OP_deposit: return deposit64(a, k[0], k[1], b) & tm;
    case TCG_OP_ld8u: return 0xff;
    case TCG_OP_ld16u: return 0xffff;
    case TCG_OP_ld32u: return UINT32_MAX;
    case TCG_OP_guest_ld: return ones_of_memop(memopidx_op(k[1]), false);
    case TCG_OP_guest_rmw: case TCG_OP_guest_cmpxchg: return ones_of_memop(memopidx_op(k[1]), true);
    default: return tm;
    }
}

/* ---- the pass ---- */

/* Inputs are replaced by constants and better homes. A simd op's old destination must stay in place. */
static void replace_inputs(Optimizer *o, TcgOp *op)
{
    const TcgOpInfo *info = &tcg_op_info[op->opc];

    for (unsigned i = info->outs; i < info->outs + info->ins; i++) {
        TcgTempIdx t = op->arg[i];
        if (t == TCG_NO_TEMP || o->s->temps[t].kind == TCG_TEMP_CONST || (op->opc == TCG_OP_simd && i == 1))
            continue;
        unsigned n = value_index(o, t);
        if (o->value[n].is_const) {
            TcgTempIdx c;
            bool narrow = op->type == TCG_I32 && op->opc != TCG_OP_mov;
            if (const_temp(o, narrow ? (uint64_t)(int32_t)o->value[n].ones : o->value[n].ones, &c))
                op->arg[i] = c;
        } else {
            TcgTempIdx h = best_home(o, n);
            if (h != TCG_NO_TEMP)
                op->arg[i] = h;
        }
    }
}

/* Gives the outputs their new values; false: the op changes nothing and can go. */
static bool set_outputs(Optimizer *o, TcgOp *op)
{
    const TcgOpInfo *info = &tcg_op_info[op->opc];
    bool full_copy = (op->opc == TCG_OP_mov && op->type == TCG_I64) ||
                     (op->opc == TCG_OP_movv && o->s->temps[op->arg[0]].type == op->type &&
                      o->s->temps[op->arg[1]].type == op->type);

    if (full_copy) {
        unsigned n = value_index(o, op->arg[1]);
        if (is_home(o, n, op->arg[0]))
            return false; /* it is there already */
        set_copy(o, op->arg[0], n);
        return true;
    }
    if (op->opc == TCG_OP_call) {
        const TcgHelperInfo *h = (const TcgHelperInfo *)(uintptr_t)op->arg[7];
        if (h->flags & HELPER_WRITES_REGS)
            forget(o, TCG_TEMP_GLOBAL);
    }
    if (info->outs == 0 || op->arg[0] == TCG_NO_TEMP)
        return true;
    Value v = { .ones = result_ones(o, op) };
    if (op->opc == TCG_OP_setcond) {
        v.is_cmp = true;
        v.cond = op->arg[3];
        v.cmp_type = op->type;
        v.cmp_a = value_index(o, op->arg[1]);
        v.cmp_b = value_index(o, op->arg[2]);
    }
    if (info->outs == 2) {
        Value *second = new_value(o, op->arg[1]);
        second->ones = type_mask(op->type);
    }
    Value *d = new_value(o, op->arg[0]);
    memcpy(v.home, d->home, sizeof v.home);
    *d = v;
    return true;
}

static void drop_label_ref(Optimizer *o, uint64_t label)
{
    if (o->label_refs[label])
        o->label_refs[label]--;
}

/* brcond: 1 keep, 0 delete. It may become a br. */
static bool rewrite_brcond(Optimizer *o, TcgOp *op)
{
    int r = rule_cond(o, op, 0, &op->arg[2]);

    if (r == 1) {
        op->opc = TCG_OP_br;
        op->type = TCG_I64;
        op->arg[0] = op->arg[3];
    } else if (r == 0) {
        drop_label_ref(o, op->arg[3]);
    }
    return r != 0;
}

static void count_label_refs(Optimizer *o)
{
    const TcgContext *s = o->s;

    memset(o->label_refs, 0, s->nb_labels * sizeof o->label_refs[0]);
    for (unsigned i = 0; i < s->nb_ops; i++) {
        if (s->ops[i].opc == TCG_OP_br)
            o->label_refs[s->ops[i].arg[0]]++;
        else if (s->ops[i].opc == TCG_OP_brcond)
            o->label_refs[s->ops[i].arg[3]]++;
    }
}

/* One reachable op. false: delete it. */
static bool optimize_op(Optimizer *o, TcgOp *op)
{
    const TcgOpInfo *info = &tcg_op_info[op->opc];

    switch (op->opc) {
    case TCG_OP_nop:
        return false;
    case TCG_OP_insn_start:
        return true;
    case TCG_OP_discard:
        new_value(o, op->arg[0]);
        return true;
    default:
        break;
    }
    replace_inputs(o, op);
    if (op->opc == TCG_OP_brcond)
        return rewrite_brcond(o, op);
    if (info->outs == 1 && info->ins && !(info->flags & (TCG_OPF_SIDE | TCG_OPF_VEC))) {
        while (rewrite(o, op)) /* rule 3: each turn goes downhill */
            ;
    }
    return set_outputs(o, op);
}

void tcg_optimize(TcgContext *s)
{
    Optimizer *o = s->optimizer;
    unsigned w = 0;
    bool dead = false; /* behind an exit or a jump, no way in yet */

    if (!o)
        o = s->optimizer = g_new0(Optimizer, 1);
    o->s = s;
    forget_all(o);
    count_label_refs(o);
    for (unsigned r = 0; r < s->nb_ops; r++) {
        TcgOp op = s->ops[r];

        if (op.opc == TCG_OP_set_label) {
            uint64_t l = op.arg[0];
            const TcgOp *last = w ? &s->ops[w - 1] : NULL;
            if (last && ((last->opc == TCG_OP_br && last->arg[0] == l) ||
                         (last->opc == TCG_OP_brcond && last->arg[3] == l))) {
                w--; /* a jump to the next op */
                drop_label_ref(o, l);
                dead = false;
            }
            if (o->label_refs[l] == 0)
                continue; /* nobody jumps here: the way in, if any, is from above */
            dead = false;
            forget_all(o);
            s->ops[w++] = op;
            continue;
        }
        if (dead) {
            if (op.opc == TCG_OP_insn_start)
                s->ops[w++] = op;
            else if (op.opc == TCG_OP_br)
                drop_label_ref(o, op.arg[0]);
            else if (op.opc == TCG_OP_brcond)
                drop_label_ref(o, op.arg[3]);
            continue;
        }
        if (o->nb_values > MAX_VALUES - 2 * VALUES_PER_OP)
            forget_all(o);
        if (!optimize_op(o, &op))
            continue;
        s->ops[w++] = op;
        if (op.opc == TCG_OP_brcond)
            forget(o, TCG_TEMP_EBB);
        else if (op.opc == TCG_OP_br || (tcg_op_info[op.opc].flags & TCG_OPF_EXITS))
            dead = true;
    }
    s->nb_ops = w;
}
