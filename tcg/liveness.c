/* liveness.c - one pass backwards: where values are used for the last time, and which ops are useless.
 *
 * At the end of a basic block globals and locals are live and EBB temps dead. At an op that may raise a
 * guest exception, and at a helper that looks at guest registers, every global is live, so that a flag
 * result is dropped only if nothing between it and its overwriting can observe it.
 *
 * Before that, a pass forwards puts results that are moved into a pinned global right there:
 *     add t, a, b ; ... t ... ; mov g, t   becomes   add g, a, b ; ... g ... ; mov t, g
 * since an alias of a pinned register costs nothing, and a copy into it costs an instruction. */
#include "tcg/tcg.h"

enum { WORDS = TCG_MAX_TEMPS / 64, WINDOW = 12 };

typedef struct Live {
    uint64_t live[WORDS], globals[WORDS], persistent[WORDS]; /* persistent: globals and locals */
    unsigned words, global_words;
    uint64_t lazy;   /* globals that some lazy exit of this TB does without */
    uint64_t poll;   /* those that the exit behind the op at hand does without */
    uint64_t label_dead[TCG_MAX_LABELS]; /* of these, the ones not live at a label further down */
} Live;

static inline bool is_live(const Live *v, TcgTempIdx t) { return v->live[t / 64] >> (t % 64) & 1; }
static inline void set_live(Live *v, TcgTempIdx t) { v->live[t / 64] |= 1ull << (t % 64); }
static inline void set_dead(Live *v, TcgTempIdx t) { v->live[t / 64] &= ~(1ull << (t % 64)); }

/* May guest state be looked at during this op? */
static bool observes_globals(const TcgOp *op)
{
    if (tcg_op_info[op->opc].flags & TCG_OPF_FAULT || op->opc == TCG_OP_poll_exit || op->opc == TCG_OP_side_exit)
        return true;
    if (op->opc != TCG_OP_call)
        return false;
    const TcgHelperInfo *h = (const void *)(uintptr_t)op->arg[7];
    return h->flags & (HELPER_READS_REGS | HELPER_WRITES_REGS | HELPER_RAISES | HELPER_NORETURN);
}

static bool is_pure(const TcgOp *op)
{
    if (op->opc == TCG_OP_call)
        return ((const TcgHelperInfo *)(uintptr_t)op->arg[7])->flags & HELPER_PURE;
    if ((op->opc == TCG_OP_simd && op->arg[4] & SIMD_STICKY) || (op->opc == TCG_OP_simd_flags && op->arg[3] & SIMD_STICKY))
        return false;
    return op->opc != TCG_OP_discard && !(tcg_op_info[op->opc].flags & TCG_OPF_SIDE);
}

/* An argument that the op does not read although it stands there. */
static bool ignored_input(const TcgOp *op, unsigned arg)
{
    if (op->opc != TCG_OP_simd)
        return false;
    SimdEnc enc = op->arg[4];
    if (arg == 1)
        return !(enc & SIMD_VVVV) && (enc & SIMD_DST_GPR || !(enc & (enc & SIMD_VEX ? SIMD_DST_READ : SIMD_DST_READ | SIMD_GROUP)));
    if (arg == 2)
        return enc & SIMD_GROUP && !(enc & SIMD_VEX);
    return !SIMD_USES_C(enc);
}

/* ---- results into pinned globals ---- */

static bool mentions(const TcgOp *op, TcgTempIdx t)
{
    const TcgOpInfo *info = &tcg_op_info[op->opc];
    for (unsigned i = 0; i < info->outs + info->ins; i++) {
        if (op->arg[i] == t)
            return true;
    }
    return false;
}

static void use_instead(TcgOp *op, TcgTempIdx was, TcgTempIdx is)
{
    const TcgOpInfo *info = &tcg_op_info[op->opc];
    for (unsigned i = info->outs; i < info->outs + info->ins; i++) {
        if (op->arg[i] == was)
            op->arg[i] = is;
    }
}

/* ops[i] is mov g, t: the op that computes t computes g, and t becomes its copy. */
static void place_result(TcgContext *s, unsigned i)
{
    TcgTempIdx g = s->ops[i].arg[0], t = s->ops[i].arg[1];

    for (unsigned k = 0, j = i; k < WINDOW && j-- > 0; k++) {
        TcgOp *op = &s->ops[j];
        const TcgOpInfo *info = &tcg_op_info[op->opc];
        if (op->opc == TCG_OP_nop)
            continue;
        if (info->outs && op->arg[0] == t && op->opc != TCG_OP_discard) {
            if (op->opc == TCG_OP_mov || (info->outs == 2 && op->arg[1] == g))
                return;
            op->arg[0] = g;
            while (++j < i)
                use_instead(&s->ops[j], t, g);
            s->ops[i].arg[0] = t;
            s->ops[i].arg[1] = g;
            return;
        }
        if (info->flags & TCG_OPF_ENDS_BB || observes_globals(op) || mentions(op, g) || (info->outs == 2 && op->arg[1] == t))
            return;
    }
}

static inline bool to_be_placed(const TcgContext *s, const TcgOp *op)
{
    const TcgTemp *g = &s->temps[op->arg[0]];
    return g->kind == TCG_TEMP_GLOBAL && g->pinned && s->temps[op->arg[1]].kind == TCG_TEMP_EBB;
}

static void place_results(TcgContext *s)
{
    if (likely(s->nb_copies <= ARRAY_SIZE(s->copies))) { /* the optimiser has noted where they are */
        for (unsigned k = 0; k < s->nb_copies; k++) {
            const TcgOp *op = &s->ops[s->copies[k]];
            if (op->opc == TCG_OP_mov && to_be_placed(s, op))
                place_result(s, s->copies[k]);
        }
        return;
    }
    for (unsigned i = 1; i < s->nb_ops; i++) {
        const TcgOp *op = &s->ops[i];
        if (op->opc == TCG_OP_mov && op->type == TCG_I64 && to_be_placed(s, op))
            place_result(s, i);
    }
}

/* ---- liveness proper ---- */

static void begin(Live *v, const TcgContext *s)
{
    v->words = (s->nb_temps + 63) / 64;
    v->global_words = (s->nb_globals + 63) / 64;
    for (unsigned w = 0; w < v->words; w++) {
        unsigned left = w * 64 < s->nb_globals ? s->nb_globals - w * 64 : 0;
        v->live[w] = v->persistent[w] = v->globals[w] = left >= 64 ? ~0ULL : (1ull << left) - 1;
    }
    for (unsigned t = s->nb_globals, n = s->nb_locals; n && t < s->nb_temps; t++) {
        if (s->temps[t].kind == TCG_TEMP_LOCAL) {
            v->persistent[t / 64] |= 1ull << (t % 64);
            n--;
        }
    }
    v->lazy = v->poll = 0;
    for (unsigned i = 0; i < 2; i++)
        v->lazy |= s->lazy_exit[i].dead;
    if (v->lazy)
        memset(v->label_dead, 0, s->nb_labels * sizeof v->label_dead[0]);
}

static inline void live_only(Live *v, const uint64_t *what)
{
    for (unsigned w = 0; w < v->words; w++)
        v->live[w] = what[w];
}

/* The end of a basic block: what must be right at its end. Backward branches: everything. */
static void live_at_end(TcgContext *s, Live *v, const TcgOp *op)
{
    const TcgLazyExit *z = &s->lazy_exit[op->arg[0] & 1];
    uint64_t dead = v->lazy & ~v->live[0];

    v->poll = 0;
    if (op->opc == TCG_OP_set_label) {
        s->label_op[op->arg[0]] = op - s->ops;
        if (v->lazy)
            v->label_dead[op->arg[0]] = dead;
    }
    live_only(v, tcg_op_info[op->opc].flags & TCG_OPF_EXITS ? v->globals : v->persistent);
    if (op->opc == TCG_OP_goto_tb && z->dead && z->a != TCG_NO_TEMP)
        v->live[0] &= ~(v->poll = z->dead);
    else if (op->opc == TCG_OP_brcond && v->lazy)
        v->live[0] &= ~(dead & v->label_dead[op->arg[3]]);
}

static bool noreturn_call(const TcgOp *op)
{
    return op->opc == TCG_OP_call && ((const TcgHelperInfo *)(uintptr_t)op->arg[7])->flags & HELPER_NORETURN;
}

static inline void all_globals_live(Live *v)
{
    for (unsigned w = 0; w < v->global_words; w++)
        v->live[w] |= v->globals[w];
}

/* 1: the temp dies at an op that reads it. A constant's bit among the live ones is never looked at without its kind. */
static inline unsigned dies(const TcgContext *s, const Live *v, TcgTempIdx t)
{
    return !is_live(v, t) & (s->temps[t].kind < TCG_TEMP_CONST);
}

static void live_inputs(TcgContext *s, Live *v, TcgOp *op, unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++) { /* a temp that is given twice gets both bits */
        if (op->arg[i] != TCG_NO_TEMP && !ignored_input(op, i))
            op->life |= dies(s, v, op->arg[i]) << i;
    }
    for (unsigned i = first; i < first + n; i++) {
        if (op->arg[i] != TCG_NO_TEMP && !ignored_input(op, i))
            set_live(v, op->arg[i]);
    }
}

/* The same where every input is there and read, as it is for most ops. */
static inline void live_plain_inputs(TcgContext *s, Live *v, TcgOp *op, unsigned first, unsigned n)
{
    TcgTempIdx a = op->arg[first], b = op->arg[first + 1];

    if (n == 0)
        return;
    if (n > 2) {
        live_inputs(s, v, op, first, n);
        return;
    }
    op->life |= (dies(s, v, a) | (n == 2 ? dies(s, v, b) << 1 : 0)) << first;
    set_live(v, a);
    if (n == 2)
        set_live(v, b);
}

static const bool special[TCG_OP_COUNT] = { /* ops with rules of their own here */
    [TCG_OP_nop] = true, [TCG_OP_discard] = true, [TCG_OP_call] = true, [TCG_OP_simd] = true, [TCG_OP_simd_flags] = true,
    [TCG_OP_mulu2] = true, [TCG_OP_muls2] = true, [TCG_OP_addc] = true, [TCG_OP_subb] = true, [TCG_OP_vzeroupper] = true,
    [TCG_OP_poll_exit] = true, [TCG_OP_side_exit] = true,
};

/* A pure op with two inputs or one: without a branch between them. */
static inline void live_pure_op(TcgContext *s, Live *v, TcgOp *op, bool two)
{
    TcgTempIdx d = op->arg[0], a = op->arg[1], b = op->arg[1 + two];

    if (!is_live(v, d)) {
        op->life = 0;
        op->opc = TCG_OP_nop;
        return;
    }
    set_dead(v, d);
    op->life = dies(s, v, a) << 1 | dies(s, v, b) << (1 + two);
    set_live(v, a);
    set_live(v, b);
}

/* Loads and stores of guest memory, stores to the host's. */
static inline __attribute__((always_inline)) void live_access(TcgContext *s, Live *v, TcgOp *op, bool load, bool guest)
{
    TcgTempIdx a = op->arg[0], b = op->arg[1]; /* of a load: result and address */

    op->life = 0;
    if (load) {
        op->life = !is_live(v, a) << 8;
        set_dead(v, a);
    }
    if (guest) {
        all_globals_live(v);
        s->nb_accesses++;
    }
    op->life |= (load ? 0 : dies(s, v, a)) | dies(s, v, b) << 1;
    if (!load)
        set_live(v, a);
    set_live(v, b);
}

static void live_op(TcgContext *s, Live *v, TcgOp *op);

static __attribute__((noinline)) void live_plain_op(TcgContext *s, Live *v, TcgOp *op, const TcgOpInfo *info)
{
    op->life = 0;
    if (info->flags & TCG_OPF_ENDS_BB)
        live_at_end(s, v, op);
    if (info->outs) {
        unsigned dead = !is_live(v, op->arg[0]);
        if (info->outs == 2)
            dead |= !is_live(v, op->arg[1]) << 1;
        if (dead == (1u << info->outs) - 1 && !(info->flags & TCG_OPF_SIDE)) {
            op->opc = TCG_OP_nop;
            return;
        }
        op->life = dead << 8;
        set_dead(v, op->arg[0]);
        if (info->outs == 2)
            set_dead(v, op->arg[1]);
    }
    if (info->flags & TCG_OPF_FAULT) {
        all_globals_live(v);
        s->nb_accesses += op->opc != TCG_OP_guest_rmw && op->opc != TCG_OP_guest_cmpxchg && op->opc != TCG_OP_guest_x87;
    }
    live_plain_inputs(s, v, op, info->outs, info->ins);
}

/* The others. */
static void live_op(TcgContext *s, Live *v, TcgOp *op)
{
    const TcgOpInfo *info = &tcg_op_info[op->opc];
    bool dead_op = info->outs > 0 && is_pure(op);

    if (!special[op->opc]) { /* from a mul's or add's other self */
        live_plain_op(s, v, op, info);
        return;
    }
    op->life = 0;
    if (op->opc == TCG_OP_nop)
        return;
    if (op->opc == TCG_OP_discard) {
        set_dead(v, op->arg[0]);
        return;
    }
    if (noreturn_call(op))
        live_only(v, v->globals);
    for (unsigned i = 0; i < info->outs; i++) {
        if (op->arg[i] == TCG_NO_TEMP)
            continue;
        if (is_live(v, op->arg[i]))
            dead_op = false;
        else
            op->life |= 1 << (8 + i);
    }
    if (dead_op) {
        op->opc = TCG_OP_nop;
        return;
    }
    if ((op->opc == TCG_OP_mulu2 || op->opc == TCG_OP_muls2) && op->life >> 9 & 1) { /* nobody wants the high half */
        *op = (TcgOp){ .opc = TCG_OP_mul, .type = op->type, .arg = { op->arg[0], op->arg[2], op->arg[3] } };
        live_op(s, v, op);
        return;
    }
    if ((op->opc == TCG_OP_addc || op->opc == TCG_OP_subb) && op->life >> 9 & 1) { /* nobody wants the carry */
        const TcgTemp *b = &s->temps[op->arg[3]], *c = &s->temps[op->arg[4]];
        bool no_b = b->kind == TCG_TEMP_CONST && b->value == 0, no_c = c->kind == TCG_TEMP_CONST && c->value == 0;
        if (no_b || no_c) {
            *op = (TcgOp){ .opc = op->opc == TCG_OP_addc ? TCG_OP_add : TCG_OP_sub, .type = op->type,
                           .arg = { op->arg[0], op->arg[2], op->arg[no_b ? 4 : 3] } };
            live_op(s, v, op);
            return;
        }
    }
    for (unsigned i = 0; i < info->outs; i++) {
        if (op->arg[i] != TCG_NO_TEMP)
            set_dead(v, op->arg[i]);
    }
    if (observes_globals(op)) {
        uint64_t dead = op->opc == TCG_OP_poll_exit ? v->poll & ~v->live[0] : 0;
        all_globals_live(v);
        v->live[0] &= ~dead;
    }
    if (op->opc == TCG_OP_vzeroupper) {
        for (unsigned t = 0; t < s->nb_globals; t++) {
            if (s->temps[t].type == TCG_V256)
                set_live(v, t);
        }
    }
    live_inputs(s, v, op, info->outs, info->ins);
}

void tcg_liveness(TcgContext *s)
{
    Live v;

    place_results(s);
    begin(&v, s);
    s->nb_accesses = 0;
    for (TcgOp *op = s->ops + s->nb_ops; op-- > s->ops;) {
        const TcgOpInfo *info = &tcg_op_info[op->opc];
        switch ((TcgOpKind)info->kind) {
        case TCG_OPK_INSN_START:
            break;
        case TCG_OPK_MOV: case TCG_OPK_PURE1: case TCG_OPK_PURE2:
            live_pure_op(s, &v, op, info->kind == TCG_OPK_PURE2);
            break;
        case TCG_OPK_LOAD:
            live_access(s, &v, op, true, true);
            break;
        case TCG_OPK_STORE:
            live_access(s, &v, op, false, info->flags & TCG_OPF_FAULT);
            break;
        default:
            if (special[op->opc])
                live_op(s, &v, op);
            else
                live_plain_op(s, &v, op, info);
        }
    }
}
