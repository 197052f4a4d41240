/* stack-moves.c - the guest's stack register, moved by constants.
 *
 * Pushes and pops move it, one after the other. What they add waits until somebody wants the sum: accesses at it have the rest
 * in their displacements, and slow paths in their notes. Accesses of a group then have nothing between them. */
#include "tcg/regalloc.h"

void ra_settle_stack(Ra *l)
{
    static TcgOp nop = { .opc = TCG_OP_nop };
    Reg r = ra_pin(l, l->stack_temp);

    l->op = &nop;
    ra_evacuate(l, r);
    x86_alu_ri(&l->e, X86_ADD, true, r, l->stack_add);
    l->stack_add = 0;
}

bool ra_stack_waits(Ra *l, TcgOp *op)
{
    enum { MAX_ADD = 1 << 12 };
    const TcgContext *s = l->s;
    const TcgOpInfo *info = &tcg_op_info[op->opc];
    TcgTempIdx sp = l->stack_temp;

    switch (op->opc) {
    case TCG_OP_add: case TCG_OP_sub:
        if (op->arg[0] == sp && op->arg[1] == sp && op->type == TCG_I64 && s->temps[op->arg[2]].kind == TCG_TEMP_CONST) {
            int64_t v = s->temps[op->arg[2]].value, sum;
            if (v != (int32_t)v)
                return false;
            sum = l->stack_add + (op->opc == TCG_OP_add ? v : -v);
            if (sum < -MAX_ADD || sum > MAX_ADD)
                return false;
            l->stack_add = sum;
            op->opc = TCG_OP_nop;
            return true;
        }
        break;
    case TCG_OP_guest_ld: case TCG_OP_guest_st: case TCG_OP_guest_ldv: case TCG_OP_guest_stv:
        if (op->arg[0] == sp)
            return false;
        if (op->arg[1] == sp) {
            int64_t disp = (int64_t)op->arg[2] + l->stack_add;
            if (disp != (disp << 34) >> 34)
                return false;
            op->arg[2] = disp;
        }
        return true;
    case TCG_OP_st8: case TCG_OP_st16: case TCG_OP_st32: case TCG_OP_st64:
        break;
    default:
        if (info->flags & (TCG_OPF_ENDS_BB | TCG_OPF_SIDE | TCG_OPF_FAULT | TCG_OPF_EXITS))
            return false;
    }
    for (unsigned i = 0; i < info->outs + info->ins; i++)
        if (op->arg[i] == sp)
            return false;
    return true;
}
