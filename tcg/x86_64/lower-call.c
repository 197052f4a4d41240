/* lower-call.c - calls of C helpers.
 *
 * Arguments go to the registers of the System V AMD64 ABI all at once, since one's place may hold another. What a helper may read or write
 * (HELPER_*) says which globals are in env around it; pinned registers that C code clobbers go there in any case. */
#include "tcg/regalloc.h"

/* Moves between registers as if all happened at once; cycles are cut with xchg. */
static void parallel_moves(Ra *l, Reg *dst, Reg *src, unsigned n)
{
    bool progress = true;
    while (progress) {
        progress = false;
        for (unsigned i = 0; i < n; i++) {
            if (dst[i] == NOREG)
                continue;
            bool blocked = false;
            for (unsigned j = 0; j < n; j++)
                blocked |= j != i && dst[j] != NOREG && src[j] == dst[i] && src[j] != dst[j];
            if (blocked)
                continue;
            if (dst[i] != src[i])
                x86_mov_rr(&l->e, true, dst[i], src[i]);
            dst[i] = NOREG;
            progress = true;
        }
        for (unsigned i = 0; i < n && !progress; i++) {
            if (dst[i] == NOREG)
                continue;
            x86_xchg_rr(&l->e, true, dst[i], src[i]); /* dst[i] is right now; its old value is in src[i] */
            for (unsigned j = 0; j < n; j++) {
                if (j != i && dst[j] != NOREG) {
                    if (src[j] == dst[i])
                        src[j] = src[i];
                    else if (src[j] == src[i])
                        src[j] = dst[i];
                }
            }
            dst[i] = NOREG;
            progress = true;
        }
    }
}

void lower_counter(Ra *l, uint64_t *counter, Reg t)
{
    x86_mov_ri(&l->e, t, (uintptr_t)counter);
    x86_alu_mi(&l->e, X86_ADD, 8, false, mem_at(t, 0), 1);
    l->s->counting_insns += 2;
}

void lower_call(Ra *l, const TcgOp *op)
{
    static const Reg arg_reg[6] = { RDI, RSI, RDX, RCX, R8, R9 };
    const TcgHelperInfo *h = (const void *)(uintptr_t)op->arg[7];
    bool sync = h->flags & (HELPER_READS_REGS | HELPER_WRITES_REGS | HELPER_RAISES | HELPER_NORETURN);
    bool writes = h->flags & HELPER_WRITES_REGS;
    TcgTempIdx out = op->arg[0];
    Reg pin = out == TCG_NO_TEMP ? NOREG : ra_pin(l, out);
    uint32_t all_pinned = 0;
    Emit *e = &l->e;
    Opnd in[6];
    Reg dst[6], src[6];
    unsigned n = 0, moves = 0;

    for (unsigned i = 0; i < 16; i++)
        all_pinned |= host_pin[i] < 0 ? 0 : REG_BIT(host_pin[i]);
    if (sync)
        ra_sync_globals(l, 0);
    if (!(h->flags & HELPER_NO_VEC))
        ra_drop_vectors(l);
    for (; n < 6 && op->arg[1 + n] != TCG_NO_TEMP; n++)
        in[n] = l->t[op->arg[1 + n]].kind == RA_ENV ? (Opnd){ OPND_REG, .reg = RBP } : ra_in_any(l, op->arg[1 + n]);
    ra_kill(l);
    ra_drop_scratch(l); /* values that live on go to memory; the registers still hold them for the moves below */
    if (writes) {
        for (unsigned i = 0; i < 16; i++) {
            if (host_pin[i] >= 0)
                ra_evict(l, host_pin[i]);
        }
    } else if (pin != NOREG) {
        ra_evict(l, pin);
    }
    if (sync)
        x86_call_rx(e, frame_store_pinned(l->s->buf));
    else
        frame_move_pinned(e, true, REGS_PIN_CLOBBERED & ~(pin == NOREG ? 0 : REG_BIT(pin)));

    for (unsigned i = 0; i < n; i++) {
        if (in[i].kind == OPND_REG && in[i].reg != RBP) {
            dst[moves] = arg_reg[i];
            src[moves++] = in[i].reg;
        }
    }
    parallel_moves(l, dst, src, moves);
    for (unsigned i = 0; i < n; i++) {
        if (in[i].kind == OPND_REG && in[i].reg == RBP) /* env */
            x86_lea(e, true, arg_reg[i], mem_env(0));
        else if (in[i].kind == OPND_IMM && in[i].imm == 0)
            x86_zero(e, arg_reg[i]);
        else if (in[i].kind != OPND_REG)
            ra_move_opnd(l, arg_reg[i], in[i]);
    }
    if (l->uses_ymm && !(h->flags & HELPER_NO_VEC))
        x86_vzeroupper(e); /* C is compiled to legacy SSE */
    if (l->s->helper_counter)
        lower_counter(l, l->s->helper_counter(h), RAX);
    x86_mov_ri(e, RAX, (uintptr_t)h->fn);
    x86_call_r(e, RAX);
    if (sync) {
        stub_return_address(l, l->insn_data);
        l->s->nb_calls = l->s->nb_stubs;
    }
    l->locked = 0;
    if (h->flags & HELPER_NORETURN)
        return;
    if (writes)
        ra_forget_globals(l);
    if (out != TCG_NO_TEMP && !(op->life >> 8 & 1)) {
        Reg d = ra_out(l, out, NOREG);
        if (d != RAX || h->ret == HARG_I32)
            x86_mov_rr(e, h->ret != HARG_I32, d, RAX);
    }
    if (writes && pin == NOREG) {
        x86_call_rx(e, frame_load_pinned(l->s->buf));
        frame_move_pinned(e, false, REG_BIT(RAX));
    } else {
        frame_move_pinned(e, false, (writes ? all_pinned : REGS_PIN_CLOBBERED) & ~(pin == NOREG ? 0 : REG_BIT(pin)));
    }
}
