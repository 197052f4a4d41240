/* ir-verify.c - is a TB's IR well formed? Run by tests, and by whoever suspects the front end or a pass.
 *
 * Checked: argument indices, vector or general where the op wants which, temps written that may be
 * written, operand types of vector ops, constants (conditions, labels, fields, MemOps, helpers), each
 * label placed once and every jump's label placed, block temps read only after a write in the same
 * block, local temps written somewhere before, an exit at the end. Not checked: that a local temp is
 * written on every path. */
#include "tcg/tcg.h"

typedef struct Verify {
    const TcgContext *s;
    GString *why;
    unsigned op_index;
    unsigned block; /* number of the current basic block, from 1 */
    unsigned written[TCG_MAX_TEMPS]; /* block in which the temp was last written; 0: never */
    bool placed[TCG_MAX_LABELS], wanted[TCG_MAX_LABELS];
} Verify;

static bool G_GNUC_PRINTF(2, 3) bad(Verify *v, const char *fmt, ...)
{
    va_list ap;

    if (v->why) {
        const char *name = v->op_index < v->s->nb_ops && v->s->ops[v->op_index].opc < TCG_OP_COUNT
                               ? tcg_op_info[v->s->ops[v->op_index].opc].name : "?";
        g_string_append_printf(v->why, "op %u (%s): ", v->op_index, name);
        va_start(ap, fmt);
        g_string_append_vprintf(v->why, fmt, ap);
        va_end(ap);
    }
    return false;
}

static bool may_be_absent(const TcgOp *op, unsigned n)
{
    return op->opc == TCG_OP_call || (op->opc == TCG_OP_simd && n == 3 && !SIMD_USES_C(op->arg[4]));
}

static bool verify_temp(Verify *v, const TcgOp *op, unsigned n)
{
    if (op->arg[n] == TCG_NO_TEMP && may_be_absent(op, n))
        return true;
    if (op->arg[n] >= v->s->nb_temps)
        return bad(v, "argument %u: no such temp", n);
    const TcgTemp *t = &v->s->temps[op->arg[n]];
    bool is_vec = t->type == TCG_V128 || t->type == TCG_V256;
    if (is_vec != tcg_arg_is_vec(op, n))
        return bad(v, "argument %u: %s temp", n, is_vec ? "vector" : "general");
    if (is_vec && op->type == TCG_V256 && t->type != TCG_V256)
        return bad(v, "argument %u: a 128-bit temp in a 256-bit op", n);
    return true;
}

static bool verify_input(Verify *v, const TcgOp *op, unsigned n)
{
    uint64_t i = op->arg[n];

    if (!verify_temp(v, op, n))
        return false;
    if (i == TCG_NO_TEMP)
        return true;
    TcgTempKind kind = v->s->temps[i].kind;
    /* The old destination of an instruction that does not read it is only a name. */
    if (op->opc == TCG_OP_simd && n == 1 && !(op->arg[4] & (SIMD_DST_READ | SIMD_VVVV)))
        return true;
    if (kind == TCG_TEMP_EBB && v->written[i] != v->block)
        return bad(v, "argument %u: block temp read before it is written in this block", n);
    if (kind == TCG_TEMP_LOCAL && !v->written[i])
        return bad(v, "argument %u: local temp read before it is written", n);
    return true;
}

static bool verify_label(Verify *v, uint64_t l)
{
    if (l >= v->s->nb_labels)
        return bad(v, "no label %" PRIu64, l);
    return true;
}

static bool verify_consts(Verify *v, const TcgOp *op)
{
    const TcgOpInfo *info = &tcg_op_info[op->opc];
    const uint64_t *c = &op->arg[info->outs + info->ins];
    unsigned bits = op->type == TCG_I32 ? 32 : 64;

    switch (op->opc) {
    case TCG_OP_set_label:
        if (!verify_label(v, c[0]))
            return false;
        if (v->placed[c[0]])
            return bad(v, "label %" PRIu64 " is placed twice", c[0]);
        v->placed[c[0]] = true;
        return true;
    case TCG_OP_br:
        if (!verify_label(v, c[0]))
            return false;
        v->wanted[c[0]] = true;
        return true;
    case TCG_OP_brcond:
        if (!verify_label(v, c[1]))
            return false;
        v->wanted[c[1]] = true;
        /* fall through */
    case TCG_OP_setcond: case TCG_OP_movcond: case TCG_OP_side_exit:
        return c[0] <= TCG_COND_TSTNE || bad(v, "no condition %" PRIu64, c[0]);
    case TCG_OP_extract: case TCG_OP_sextract: case TCG_OP_deposit:
        return (c[1] >= 1 && c[1] <= bits && c[0] <= bits - c[1]) ||
               bad(v, "field %" PRIu64 "+%" PRIu64, c[0], c[1]);
    case TCG_OP_guest_ld: case TCG_OP_guest_st: case TCG_OP_guest_rmw: case TCG_OP_guest_cmpxchg:
    case TCG_OP_guest_ldv: case TCG_OP_guest_stv: {
        bool vec = info->flags & TCG_OPF_VEC;
        unsigned size = c[1] & MO_SIZE;
        if ((int64_t)c[0] != (int32_t)c[0])
            return bad(v, "displacement does not fit 32 bits");
        if (memopidx_mmu(c[1]) >= TCG_MMU_MODES)
            return bad(v, "no MMU mode %u", memopidx_mmu(c[1]));
        return (vec ? size >= MO_32 && size <= MO_256 : size <= MO_64) || bad(v, "access size %u", size);
    }
    case TCG_OP_guest_x87:
        if ((int64_t)c[0] != (int32_t)c[0])
            return bad(v, "displacement does not fit 32 bits");
        return memopidx_mmu(c[2]) < TCG_MMU_MODES || bad(v, "no MMU mode %u", memopidx_mmu(c[2]));
    case TCG_OP_ldv: case TCG_OP_stv:
        return c[1] == 4 || c[1] == 8 || c[1] == 16 || c[1] == 32 || bad(v, "%" PRIu64 " bytes", c[1]);
    case TCG_OP_goto_tb: case TCG_OP_goto_far:
        return c[0] <= 1 || bad(v, "no chaining slot %" PRIu64, c[0]);
    case TCG_OP_exit_tb:
        return c[0] <= TB_EXIT_MASK || bad(v, "exit reason %" PRIu64, c[0]);
    default:
        return true;
    }
}

static bool verify_call(Verify *v, const TcgOp *op)
{
    const TcgHelperInfo *h = (const TcgHelperInfo *)(uintptr_t)op->arg[7];

    if (!h || !h->fn || h->nargs > 6)
        return bad(v, "no helper");
    for (unsigned i = 0; i < 6; i++) {
        if ((op->arg[1 + i] != TCG_NO_TEMP) != (i < h->nargs))
            return bad(v, "%s wants %u arguments", h->name, h->nargs);
    }
    if (op->arg[0] != TCG_NO_TEMP && h->ret == HARG_NONE)
        return bad(v, "%s returns nothing", h->name);
    return true;
}

static bool verify_type(Verify *v, const TcgOp *op)
{
    bool vec = tcg_op_info[op->opc].flags & TCG_OPF_VEC;

    if (op->type > TCG_V256 || vec != (op->type >= TCG_V128))
        return bad(v, "type %u", op->type);
    return true;
}

static bool verify_op(Verify *v, const TcgOp *op)
{
    if (op->opc >= TCG_OP_COUNT)
        return bad(v, "opcode %u", op->opc);
    const TcgOpInfo *info = &tcg_op_info[op->opc];
    if (!verify_type(v, op) || (op->opc == TCG_OP_call && !verify_call(v, op)))
        return false;
    for (unsigned n = info->outs; n < info->outs + info->ins; n++) {
        if (!verify_input(v, op, n))
            return false;
    }
    for (unsigned n = 0; n < info->outs; n++) {
        if (!verify_temp(v, op, n))
            return false;
        if (op->arg[n] == TCG_NO_TEMP)
            continue;
        TcgTempKind kind = v->s->temps[op->arg[n]].kind;
        if (kind == TCG_TEMP_CONST || kind == TCG_TEMP_ENV)
            return bad(v, "writes a constant or env");
        v->written[op->arg[n]] = op->opc == TCG_OP_discard ? 0 : v->block;
    }
    if (op->opc == TCG_OP_simd && (op->arg[4] & (SIMD_DST_READ | SIMD_DST_GPR)) == SIMD_DST_READ &&
        op->arg[0] != op->arg[1])
        return bad(v, "a destination that is read must be one temp");
    if (info->outs == 2 && op->arg[0] == op->arg[1])
        return bad(v, "both results in one temp");
    if (!verify_consts(v, op))
        return false;
    if (info->flags & TCG_OPF_ENDS_BB)
        v->block++;
    return true;
}

bool tcg_verify(const TcgContext *s, GString *why)
{
    Verify *v = g_new0(Verify, 1);
    bool ok = true;

    v->s = s;
    v->why = why;
    v->block = 1;
    for (; ok && v->op_index < s->nb_ops; v->op_index++)
        ok = verify_op(v, &s->ops[v->op_index]);
    for (unsigned l = 0; ok && l < s->nb_labels; l++) {
        if (v->wanted[l] && !v->placed[l])
            ok = bad(v, "label %u is never placed", l);
    }
    if (ok) { /* insn_start may follow the last exit: optimize.c keeps those of dead code */
        unsigned n = s->nb_ops;
        while (n && (s->ops[n - 1].opc == TCG_OP_insn_start || s->ops[n - 1].opc == TCG_OP_nop))
            n--;
        if (!n || !(s->ops[n - 1].opc == TCG_OP_br || (tcg_op_info[s->ops[n - 1].opc].flags & TCG_OPF_EXITS)))
            ok = bad(v, "control runs off the end");
    }
    g_free(v);
    return ok;
}
