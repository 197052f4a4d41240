/* optimize.c - constant folding, copy propagation, known bits; one forward pass, O(ops), or each op as it is emitted
 * (tcg_optimize_as_emitted()): the front end is where the branches by an op's kind are taken anyway.
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
 * Rules (optimize-rules.c, found by opcode) keep these requirements:
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
#include "tcg/optimize.h"

#define COLD __attribute__((noinline)) /* out of the way of the registers that the usual case needs */

static void forget_all(Optimizer *o)
{
    for (unsigned k = 0; k < ARRAY_SIZE(o->stamp); k++)
        forget(o, k);
    o->nb_values = 0;
}

/* d now holds the value of a (all 64 bits of it). */
static COLD void add_home(Optimizer *o, TcgTempIdx d, unsigned value)
{
    Value *v = &o->value[value];
    int slot = -1;

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

static inline void set_copy(Optimizer *o, TcgTempIdx d, TcgTempIdx a, unsigned value)
{
    o->temp[d].stamp = o->stamp[o->s->temps[d].kind];
    o->temp[d].value = value;
    /* A flag word is a home to nobody else, and a value with one home is what most inputs want to be. */
    if (home_rank(o, d) > 0 || o->s->temps[a].kind == TCG_TEMP_CONST)
        add_home(o, d, value);
}

/* ---- known bits of results ---- */

static uint64_t ones_of_memop(MemOp op, bool zero_extended)
{
    if ((op & MO_SIGN) && !zero_extended)
        return op & MO_SIGN32 ? UINT32_MAX : UINT64_MAX;
    return MASK64(MIN(8u << (op & MO_SIZE), 64u));
}

/* The bits of output 0 that may be one, from those of the inputs. */
static __attribute__((noinline)) uint64_t result_ones(Optimizer *o, const TcgOp *op)
{
    uint64_t tm = type_mask(op->type), a, b, c = 0;
    const uint64_t *k = &op->arg[2]; /* the constants of the ops with one input */
    unsigned bits = type_bits(op->type);
    bool count_known;

    switch (op->opc) { /* what does not depend on the inputs */
    case TCG_OP_guest_ld: return ones_of_memop(memopidx_op(op->arg[3]), false);
    case TCG_OP_guest_rmw: return ones_of_memop(memopidx_op(op->arg[4]), true);
    case TCG_OP_guest_cmpxchg: return ones_of_memop(memopidx_op(op->arg[5]), true);
    case TCG_OP_setcond: return 1;
    case TCG_OP_popcnt: return 0x7f;
    case TCG_OP_ld8u: return 0xff;
    case TCG_OP_ld16u: return 0xffff;
    case TCG_OP_ld32u: return UINT32_MAX;
    case TCG_OP_call: return ((const TcgHelperInfo *)(uintptr_t)op->arg[7])->ret == HARG_I32 ? UINT32_MAX : UINT64_MAX;
    case TCG_OP_simd_flags: return BIT(6) | BIT(2) | BIT(0);
    case TCG_OP_simd: return op->arg[4] & SIMD_W ? UINT64_MAX : UINT32_MAX; /* if general at all */
    case TCG_OP_mov: case TCG_OP_movcond: case TCG_OP_add: case TCG_OP_and: case TCG_OP_or: case TCG_OP_xor: case TCG_OP_andc:
    case TCG_OP_shl: case TCG_OP_shr: case TCG_OP_sar: case TCG_OP_clz: case TCG_OP_ctz: case TCG_OP_ext8s: case TCG_OP_ext8u:
    case TCG_OP_ext16s: case TCG_OP_ext16u: case TCG_OP_ext32s: case TCG_OP_ext32u: case TCG_OP_extract: case TCG_OP_sextract:
    case TCG_OP_bswap16: case TCG_OP_bswap: case TCG_OP_deposit:
        break;
    default:
        return tcg_op_info[op->opc].flags & TCG_OPF_VEC ? UINT64_MAX : tm;
    }
    a = value_of(o, op->arg[1])->ones & tm;
    if (op->opc == TCG_OP_mov)
        return a;
    b = 0;
    count_known = false;
    if (tcg_op_info[op->opc].ins >= 2) {
        const Value *v = value_of(o, op->arg[2]);
        b = v->ones & tm;
        c = b;
        count_known = v->is_const && c < bits;
        k++;
    }
    switch (op->opc) {
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
    case TCG_OP_ext8s: case TCG_OP_ext8u: case TCG_OP_ext16s: case TCG_OP_ext16u: case TCG_OP_ext32s:
    case TCG_OP_ext32u: case TCG_OP_extract: case TCG_OP_sextract: case TCG_OP_bswap16: case TCG_OP_bswap:
        /* These only move bits and copy the sign: done to the mask they give the mask. */
        tcg_fold_op(op->opc, op->type, &a, k, &a);
        return a;
    case TCG_OP_deposit: return deposit64(a, k[0], k[1], b) & tm;
    default: return tm;
    }
}

/* ---- the pass ---- */

static COLD bool replace_input(Optimizer *o, TcgOp *op, unsigned i, unsigned value)
{
    const Value *v = &o->value[value];
    uint64_t was = op->arg[i];

    if (v->is_const) {
        TcgTempIdx c;
        bool narrow = op->type == TCG_I32 && op->opc != TCG_OP_mov;
        if (const_temp(o, narrow ? (uint64_t)(int32_t)v->ones : v->ones, &c))
            op->arg[i] = c;
    } else {
        TcgTempIdx h = best_home(o, value);
        if (h != TCG_NO_TEMP)
            op->arg[i] = h;
    }
    return op->arg[i] != was;
}

/* An input is replaced by a constant or a better home, if there is one: true. */
static inline bool improve_input(Optimizer *o, TcgOp *op, unsigned i)
{
    TcgTempIdx t = op->arg[i];
    unsigned kind = o->s->temps[t].kind;

    if ((kind == TCG_TEMP_CONST) | (o->temp[t].stamp != o->stamp[kind]))
        return false; /* nothing is known of it, and nobody else has it */
    unsigned n = o->temp[t].value;
    return o->value[n].homes != lone_home(t) && replace_input(o, op, i, n);
}

/* A simd op's old destination must stay in place. */
static inline void replace_inputs(Optimizer *o, TcgOp *op, const TcgOpInfo *info)
{
    unsigned end = info->outs + info->ins;

    for (unsigned i = info->outs; i < end; i++) {
        if (op->arg[i] != TCG_NO_TEMP && !(i == 1 && op->opc == TCG_OP_simd))
            improve_input(o, op, i);
    }
}

/* mov of 64 bits: false if it is there already. */
static inline bool set_full_copy(Optimizer *o, TcgOp *op)
{
    unsigned n = value_index(o, op->arg[1]);

    if (is_home(o, n, op->arg[0]))
        return false;
    set_copy(o, op->arg[0], op->arg[1], n);
    return true;
}

/* The one output of a pure op gets its new value. */
static inline void set_output(Optimizer *o, TcgOp *op)
{
    uint64_t ones = result_ones(o, op); /* while the output's temp is still an input */

    if (unlikely(op->opc == TCG_OP_setcond)) {
        unsigned a = value_index(o, op->arg[1]), b = value_index(o, op->arg[2]);
        Value *d = new_value(o, op->arg[0]);
        d->what = VALUE_CMP;
        d->cond = op->arg[3];
        d->cmp_type = op->type;
        d->cmp_a = a;
        d->cmp_b = b;
        d->ones = ones;
    } else if (unlikely(op->opc == TCG_OP_deposit)) {
        unsigned b = value_index(o, op->arg[2]);
        Value *d = new_value(o, op->arg[0]);
        d->what = op->arg[3] == 0 ? VALUE_LOW : VALUE_PLAIN;
        d->cond = op->arg[4];
        d->cmp_a = b;
        d->ones = ones;
    } else {
        new_value(o, op->arg[0])->ones = ones;
    }
}

/* Gives the outputs of any op their new values; false: it changes nothing and can go. */
static COLD bool set_outputs(Optimizer *o, TcgOp *op)
{
    const TcgOpInfo *info = &tcg_op_info[op->opc];

    if (op->opc == TCG_OP_movv && o->s->temps[op->arg[0]].type == op->type && o->s->temps[op->arg[1]].type == op->type)
        return set_full_copy(o, op);
    if (op->opc == TCG_OP_call) {
        const TcgHelperInfo *h = (const TcgHelperInfo *)(uintptr_t)op->arg[7];
        if (h->flags & HELPER_WRITES_REGS)
            forget(o, TCG_TEMP_GLOBAL);
    }
    if (op->opc == TCG_OP_vzeroupper)
        forget(o, TCG_TEMP_GLOBAL);
    if (info->outs == 0 || op->arg[0] == TCG_NO_TEMP)
        return true;
    if (info->outs == 2) {
        uint64_t ones = result_ones(o, op);
        new_value(o, op->arg[1])->ones = op->opc == TCG_OP_addc || op->opc == TCG_OP_subb ? 1 : type_mask(op->type);
        new_value(o, op->arg[0])->ones = ones;
    } else {
        set_output(o, op);
    }
    return true;
}

static void drop_label_ref(Optimizer *o, uint64_t label)
{
    if (o->s->label_refs[label])
        o->s->label_refs[label]--;
}

/* brcond: 1 keep, 0 delete. It may become a br. */
static COLD bool rewrite_brcond(Optimizer *o, TcgOp *op)
{
    int r = tcg_optimize_cond(o, op, 0, &op->arg[2]);

    if (r == 1) {
        op->opc = TCG_OP_br;
        op->type = TCG_I64;
        op->arg[0] = op->arg[3];
    } else if (r == 0) {
        drop_label_ref(o, op->arg[3]);
    }
    return r != 0;
}

/* When a rule may fit an op none of whose inputs was improved: such an op is as ir-build.c or a rule left it. */
typedef enum RulesFor {
    RULES_CONST_FIRST, /* if the first input is a constant */
    RULES_CONST,       /* if any is, or the two are the same temp */
    RULES_ALWAYS,      /* it depends on known bits */
} RulesFor;
static const uint8_t rules_for[TCG_OP_COUNT] = {
    [TCG_OP_sub] = RULES_CONST, [TCG_OP_or] = RULES_CONST, [TCG_OP_xor] = RULES_CONST, [TCG_OP_mul] = RULES_CONST,
    [TCG_OP_and] = RULES_CONST, [TCG_OP_andc] = RULES_CONST,
    [TCG_OP_setcond] = RULES_ALWAYS, [TCG_OP_movcond] = RULES_ALWAYS, [TCG_OP_shl] = RULES_ALWAYS, [TCG_OP_shr] = RULES_ALWAYS,
    [TCG_OP_sar] = RULES_ALWAYS, [TCG_OP_rotl] = RULES_ALWAYS, [TCG_OP_rotr] = RULES_ALWAYS, [TCG_OP_shld] = RULES_ALWAYS,
    [TCG_OP_shrd] = RULES_ALWAYS, [TCG_OP_ext8s] = RULES_ALWAYS, [TCG_OP_ext8u] = RULES_ALWAYS, [TCG_OP_ext16s] = RULES_ALWAYS,
    [TCG_OP_ext16u] = RULES_ALWAYS, [TCG_OP_ext32s] = RULES_ALWAYS, [TCG_OP_ext32u] = RULES_ALWAYS, [TCG_OP_extract] = RULES_ALWAYS,
    [TCG_OP_sextract] = RULES_ALWAYS, [TCG_OP_deposit] = RULES_ALWAYS,
};

static inline bool may_have_rule(const Optimizer *o, const TcgOp *op, bool two)
{
    const TcgTemp *temps = o->s->temps;

    if (temps[op->arg[1]].kind == TCG_TEMP_CONST)
        return true;
    if (op->opc == TCG_OP_add) /* the commonest: of constants only zero has one */
        return temps[op->arg[2]].kind == TCG_TEMP_CONST && !(temps[op->arg[2]].value & type_mask(op->type));
    return rules_for[op->opc] == RULES_ALWAYS ||
           (rules_for[op->opc] == RULES_CONST && two && (temps[op->arg[2]].kind == TCG_TEMP_CONST || op->arg[1] == op->arg[2]));
}

/* mov. false: delete it. */
static inline bool optimize_mov(Optimizer *o, TcgOp *op, unsigned index)
{
    improve_input(o, op, 1);
    if (op->type != TCG_I64) {
        while (tcg_optimize_rewrite(o, op))
            ;
        if (op->type != TCG_I64) {
            set_output(o, op);
            return true;
        }
    }
    if (!set_full_copy(o, op))
        return false;
    if (o->s->temps[op->arg[0]].pinned) {
        if (o->s->nb_copies < ARRAY_SIZE(o->s->copies))
            o->s->copies[o->s->nb_copies] = index;
        o->s->nb_copies++;
    }
    return true;
}

/* Another op with one output and no effect. false: delete it. */
static inline __attribute__((always_inline)) bool optimize_pure(Optimizer *o, TcgOp *op, unsigned kind, unsigned index)
{
    bool rules = improve_input(o, op, 1);

    if (kind >= TCG_OPK_PURE2)
        rules |= improve_input(o, op, 2);
    for (unsigned i = 3; kind == TCG_OPK_PURE && i <= tcg_op_info[op->opc].ins; i++)
        rules |= improve_input(o, op, i);
    if (rules || may_have_rule(o, op, kind >= TCG_OPK_PURE2)) {
        while (tcg_optimize_rewrite(o, op)) /* rule 3: each turn goes downhill */
            ;
        if (op->opc == TCG_OP_mov)
            return optimize_mov(o, op, index);
    }
    set_output(o, op);
    return true;
}

static COLD bool optimize_other(Optimizer *o, TcgOp *op)
{
    if (op->opc == TCG_OP_nop)
        return false;
    if (op->opc == TCG_OP_discard) {
        new_value(o, op->arg[0]);
        return true;
    }
    replace_inputs(o, op, &tcg_op_info[op->opc]);
    if (op->opc == TCG_OP_brcond)
        return rewrite_brcond(o, op);
    if (tcg_is_side_jump(op))
        return tcg_optimize_cond(o, op, 0, &op->arg[2]) != 0;
    return set_outputs(o, op);
}

/* A label with *w ops in front of it; false: it is none, since nobody jumps there. */
static COLD bool optimize_label(Optimizer *o, unsigned *w, uint64_t l)
{
    const TcgOp *last = *w ? &o->s->ops[*w - 1] : NULL;

    if (last && ((last->opc == TCG_OP_br && last->arg[0] == l) || (last->opc == TCG_OP_brcond && last->arg[3] == l))) {
        --*w; /* a jump to the next op */
        drop_label_ref(o, l);
        o->dead = false;
    }
    if (o->s->label_refs[l] == 0)
        return false; /* the way in, if any, is from above */
    o->dead = false;
    forget_all(o);
    return true;
}

static COLD Optimizer *new_optimizer(const TcgContext *s)
{
    Optimizer *o = g_new0(Optimizer, 1);

    for (unsigned i = 0; i < s->nb_globals; i++) {
        const TcgTemp *g = &s->temps[i];
        o->global_rank[i] = g->pinned ? 4 : g->type != TCG_I64 || s->guest->globals[i].guest_reg >= 0 ? 2 : 0;
    }
    return o;
}

static Optimizer *begin(TcgContext *s)
{
    Optimizer *o = s->optimizer;

    if (!o)
        o = s->optimizer = new_optimizer(s);
    o->s = s;
    if (unlikely(o->last_stamp > UINT32_MAX / 2)) { /* stamps are used up */
        memset(o->temp, 0, sizeof o->temp);
        o->last_stamp = 0;
    }
    forget_all(o);
    o->dead = false;
    s->nb_copies = 0;
    return o;
}

/* An op that nobody can get to, and that is no label: it goes. */
static COLD void drop_dead(Optimizer *o, const TcgOp *op)
{
    if (op->opc == TCG_OP_br)
        drop_label_ref(o, op->arg[0]);
    else if (op->opc == TCG_OP_brcond)
        drop_label_ref(o, op->arg[3]);
}

/* One op but for labels, at s->ops[index] from now on; false: it goes. */
static inline __attribute__((always_inline)) bool optimize_op(Optimizer *o, TcgOp *op, TcgOpKind kind, unsigned index)
{
    if (kind == TCG_OPK_INSN_START)
        return true;
    if (unlikely(o->dead)) {
        drop_dead(o, op);
        return false;
    }
    if (unlikely(o->nb_values > MAX_VALUES - 2 * VALUES_PER_OP))
        forget_all(o);
    switch (kind) {
    case TCG_OPK_MOV:
        return optimize_mov(o, op, index);
    case TCG_OPK_PURE1: case TCG_OPK_PURE2: case TCG_OPK_PURE:
        return optimize_pure(o, op, kind, index);
    case TCG_OPK_STORE:
        improve_input(o, op, 0);
        improve_input(o, op, 1);
        return true;
    case TCG_OPK_LOAD:
        improve_input(o, op, 1);
        new_value(o, op->arg[0])->ones = result_ones(o, op);
        return true;
    case TCG_OPK_EXIT:
        if (tcg_op_info[op->opc].ins)
            improve_input(o, op, 0);
        o->dead = true;
        return true;
    default:
        if (!optimize_other(o, op))
            return false;
        if (op->opc == TCG_OP_brcond)
            forget(o, TCG_TEMP_EBB);
        else if (op->opc == TCG_OP_br)
            o->dead = true;
        return true;
    }
}

void tcg_optimize(TcgContext *s)
{
    Optimizer *o = begin(s);
    unsigned w = 0, nb_ops = s->nb_ops;

    for (unsigned r = 0; r < nb_ops; r++) {
        TcgOp *op = &s->ops[w];
        TcgOpKind kind = tcg_op_info[s->ops[r].opc].kind;

        if (kind == TCG_OPK_LABEL && !optimize_label(o, &w, s->ops[r].arg[0]))
            continue;
        op = &s->ops[w];
        if (w != r)
            *op = s->ops[r];
        w += kind == TCG_OPK_LABEL || optimize_op(o, op, kind, w);
    }
    s->nb_ops = w;
}

/* ---- the same, op by op as the front end emits them ---- */

void tcg_optimize_as_emitted(TcgContext *s)
{
    s->as_emitted = true;
    begin(s);
}

/* One function for each kind: ir-build.c knows it, so that nothing is to be found out here. */
#define EMITTED(name, kind) bool tcg_emitted_##name(TcgContext *s, TcgOp *op) { return optimize_op(s->optimizer, op, kind, op - s->ops); }
EMITTED(mov, TCG_OPK_MOV)
EMITTED(pure1, TCG_OPK_PURE1)
EMITTED(pure2, TCG_OPK_PURE2)
EMITTED(pure, TCG_OPK_PURE)
EMITTED(store, TCG_OPK_STORE)
EMITTED(load, TCG_OPK_LOAD)
EMITTED(exit, TCG_OPK_EXIT)
EMITTED(other, TCG_OPK_OTHER)
#undef EMITTED

void tcg_emitted_raw(TcgContext *s, const TcgOp *op)
{
    Optimizer *o = s->optimizer;
    const TcgOpInfo *info = &tcg_op_info[op->opc];

    for (unsigned i = 0; i < info->outs; i++)
        new_value(o, op->arg[i]);
    if (op->opc == TCG_OP_brcond)
        forget(o, TCG_TEMP_EBB);
}

void tcg_emitted_bit(TcgContext *s, TcgTempIdx t)
{
    if (s->as_emitted)
        new_value(s->optimizer, t)->ones = 1;
}

/* A label that more jumps may lead to than are known: it stays, but a jump to it in front of it goes. */
void tcg_emit_label(TcgContext *s, unsigned label)
{
    if (s->as_emitted && !s->overflow) {
        s->label_refs[label]++; /* those to come */
        optimize_label(s->optimizer, &s->nb_ops, label);
        s->label_refs[label]--;
    }
}
