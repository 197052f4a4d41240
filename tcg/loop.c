/* loop.c - TBs that jump to their own start keep vector registers over the jump (design, section 3.9).
 *
 * A guest loop without inner branches is one TB whose last jump leads to its start. Its vector globals have a host
 * register each for the whole TB, their home: loaded where the TB is entered, in front of the place that its own jump leads
 * to (TcgContext.loop_entry). Behind that place those that the TB writes count as not stored, so that they reach env
 * by the ways that any such value does: the snapshots of slow paths, of poll_exit, of the ways out.
 * The jump back is a goto_tb like others, but one that may be linked to no other TB, and elsewhere than to the start.
 *
 * Only this shape: one conditional exit, then the jump back; no calls that change vector registers, no x87.
 * Not done: general registers and flags, which go through env as between any TBs. */
#include "tcg/regalloc.h"

static bool is_jump_back(const TcgContext *s, const TcgOp *op, uint64_t eip)
{
    return op->opc == TCG_OP_goto_tb && op->arg[1] == eip && !s->no_chain;
}

/* Does the loop have the shape, and which vector globals does it use? */
static bool find_loop(Ra *l, uint64_t *used, uint64_t *written)
{
    const TcgContext *s = l->s;
    const TcgOp *start = NULL, *last = s->nb_ops ? &s->ops[s->nb_ops - 1] : NULL;
    unsigned branches = 0, exits = 0, labels = 0;

    *used = *written = 0;
    if (!last || last->opc != TCG_OP_goto_tb)
        return false;
    for (start = s->ops; start < last && start->opc != TCG_OP_insn_start;)
        start++;
    if (start == last || !is_jump_back(s, last, start->arg[0]))
        return false; /* the usual answer, before the long look */
    for (const TcgOp *op = s->ops; op < last; op++) {
        const TcgOpInfo *info = &tcg_op_info[op->opc];
        switch (op->opc) {
        case TCG_OP_brcond: branches++; break;
        case TCG_OP_set_label: labels++; break;
        case TCG_OP_goto_tb:
            exits++;
            if (branches != 1 || labels)
                return false;
            break;
        case TCG_OP_call:
            if (!(((const TcgHelperInfo *)(uintptr_t)op->arg[7])->flags & HELPER_NO_VEC))
                return false;
            break;
        case TCG_OP_vzeroupper: case TCG_OP_x87: case TCG_OP_x87_mem: case TCG_OP_x87_flags: case TCG_OP_x87_cmov:
        case TCG_OP_guest_x87: case TCG_OP_x87_state:
            return false;
        case TCG_OP_side_exit: /* its snapshot has the loop's values */
            if (!tcg_is_side_jump(op))
                return false;
            break;
        default:
            if (info->flags & TCG_OPF_ENDS_BB)
                return false;
        }
        for (unsigned i = 0; i < info->outs + info->ins; i++) {
            TcgTempIdx t = op->arg[i];
            if (t >= s->nb_globals || t >= 64 || s->temps[t].type < TCG_V128)
                continue;
            *used |= 1ull << t;
            if (i < info->outs)
                *written |= 1ull << t;
        }
    }
    return branches == 1 && exits == 1 && labels == 1;
}

void ra_loop_begin(Ra *l)
{
    uint64_t used, written;

    l->loop.used = l->loop.written = 0;
    l->loop.slot = 0;
    l->s->loop_entry = 0;
    if (!find_loop(l, &used, &written) || !used || __builtin_popcountll(used) > 16)
        return;
    l->loop.used = used;
    l->loop.written = written;
    l->loop.slot = l->s->loop_slot = l->s->ops[l->s->nb_ops - 1].arg[0] & 1;
    /* Homes bear the guest's numbers: an instruction with a fixed register (blendvps) finds it there. */
    for (uint64_t m = used; m; m &= m - 1) {
        TcgTempIdx t = __builtin_ctzll(m);
        Reg r = XMM0;
        for (unsigned i = t; i > 0 && l->s->temps[i - 1].type == l->s->temps[t].type && r < XMM15; i--)
            r++;
        l->loop.home[t] = r;
        ra_load_at(l, t, r, !(written >> t & 1));
    }
    l->s->loop_entry = l->e.p - l->e.start;
}

Reg ra_loop_home(Ra *l, TcgTempIdx t)
{
    if (t >= 64 || !(l->loop.used >> t & 1) || l->head[(Reg)l->loop.home[t]] != TCG_NO_TEMP)
        return NOREG;
    return l->loop.home[t];
}

void ra_loop_back(Ra *l)
{
    uint64_t moved = 0, from_memory = 0;

    for (Reg r = XMM0; r <= XMM15; r++) { /* temps end here, with the TB */
        TcgTempIdx next;
        for (TcgTempIdx t = l->head[r]; t != TCG_NO_TEMP; t = next) {
            next = l->t[t].next;
            if (l->s->temps[t].kind != TCG_TEMP_GLOBAL)
                ra_release(l, t);
        }
    }
    for (uint64_t m = l->loop.used; m; m &= m - 1) {
        TcgTempIdx t = __builtin_ctzll(m);
        if (l->t[t].loc != LOC_REG)
            from_memory |= 1ull << t;
        else if (l->t[t].reg != l->loop.home[t])
            moved |= 1ull << t;
    }
    while (moved) {
        bool progress = false;
        for (uint64_t m = moved; m; m &= m - 1) {
            TcgTempIdx t = __builtin_ctzll(m);
            if (l->head[(Reg)l->loop.home[t]] != TCG_NO_TEMP)
                continue;
            ra_move_vector(l, t, l->loop.home[t]);
            moved &= ~(1ull << t);
            progress = true;
        }
        if (!progress) { /* a cycle, or a home that others share: one of them steps aside; it is nobody's home that is free */
            TcgTempIdx t = __builtin_ctzll(moved), other = l->head[(Reg)l->loop.home[t]];
            Reg free = XMM0;
            while (free < XMM15 && l->head[free] != TCG_NO_TEMP)
                free++;
            if (l->head[free] == TCG_NO_TEMP) {
                ra_move_vector(l, other, free);
            } else {
                ra_to_memory(l, other);
                moved &= ~(1ull << other);
                from_memory |= 1ull << other;
            }
        }
    }
    for (uint64_t m = from_memory; m; m &= m - 1) {
        TcgTempIdx t = __builtin_ctzll(m);
        ra_load_at(l, t, l->loop.home[t], true);
    }
    for (uint64_t m = l->loop.written; m; m &= m - 1)
        l->t[__builtin_ctzll(m)].coherent = false;
}
