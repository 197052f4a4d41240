/* lower-control.c - labels, branches, and the ways out of a TB.
 *
 * goto_tb is a jump whose rel32 lies in one aligned quadword, so that another thread can patch it with one store; unlinked
 * it leads to a tail at the end of the TB. When a brcond only chooses between two such jumps, the
 * conditional jump itself is the patchable one: a taken guest branch is one taken host branch. Exits for
 * the same reason share the code that loads the TB's cookie.
 * goto_far compares the number of its target's page in front of such a jump, which the vCPU's thread alone links. */
#include "tcg/regalloc.h"
#include "tcg/x86_64/put.h"

#define ENV(field) mem_env(offsetof(TcgEnvHead, field))

static void to_label(Ra *l, uint8_t *pos, unsigned label)
{
    if (l->nb_fixups == MAX_FIXUPS) {
        l->too_big = true;
        return;
    }
    l->fixup[l->nb_fixups].pos = pos;
    l->fixup[l->nb_fixups++].label = label;
}

void lower_exit(Ra *l, uint8_t *jump, unsigned reason)
{
    if (l->nb_exits == MAX_EXITS) {
        l->too_big = true;
        return;
    }
    l->exit[l->nb_exits++] = (ExitTail){ jump, reason }; /* always a jmp, five bytes */
}

static void lower_label(Ra *l, const TcgOp *op)
{
    if (l->label_off[op->arg[0]] == ~0u && l->s->label_refs[op->arg[0]] == 0) {
        ra_end_bb(l);
        return; /* nobody jumps here: it is reached from above, with what the registers hold now */
    }
    ra_sync(l);
    ra_end_bb(l);
    ra_forget(l);
    l->label_off[op->arg[0]] = l->e.p - l->e.start;
}

static void lower_br(Ra *l, const TcgOp *op)
{
    unsigned label = op->arg[0];
    ra_sync(l);
    ra_end_bb(l);
    ra_forget(l);
    if (l->label_off[label] != ~0u)
        x86_jmp_to(&l->e, l->e.start + l->label_off[label]);
    else
        to_label(l, x86_jmp(&l->e), label);
}

static bool is_op(Ra *l, unsigned i, TcgOpcode opc) { return i < l->s->nb_ops && l->s->ops[i].opc == opc; }

static const TcgLazyExit *lazy_of(Ra *l, const TcgOp *goto_tb) { return &l->s->lazy_exit[goto_tb->arg[0] & 1]; }

/* Globals of a lazy exit that the way out works out by itself. */
static uint64_t lazy_computed(const TcgLazyExit *z) { return z->dead && z->a != TCG_NO_TEMP ? z->dead : 0; }

/* A pinned global or constant to env's slot of t. */
static void store_cold(Ra *l, TcgTempIdx t, TcgTempIdx value)
{
    const TcgTemp *ts = &l->s->temps[value];
    Opnd o = ts->kind == TCG_TEMP_CONST ? (Opnd){ OPND_IMM, .reg = NOREG, .imm = ts->value } : (Opnd){ OPND_REG, .reg = ts->pin_reg };
    ra_store_value(l, mem_env(l->s->temps[t].env_offset), 8, o, R11);
}

/* On the way out of a lazy exit: what the chained path leaves undone. r8-r11 are free but for the snapshot's. */
static void lazy_state(Ra *l, const TcgLazyExit *z, Snapshot snap, Reg tmp)
{
    Emit *e = &l->e;

    stub_store_snapshot(l, snap, tmp);
    if (lazy_computed(z)) {
        store_cold(l, __builtin_ctzll(z->dead), z->a);
        store_cold(l, __builtin_ctzll(z->dead & (z->dead - 1)), z->b);
    }
    if (z->off)
        x86_store_imm(e, 4, mem_env(z->off), z->value);
}

/* The patchable jump of a goto_tb; its state is in env already, but for a lazy exit's and a loop's values. */
static void chain_jump(Ra *l, const TcgOp *op, int cc /* -1: always */)
{
    TcgContext *s = l->s;
    unsigned slot = op->arg[0] & 1;

    if (l->nb_tails == 2) { /* one per slot */
        l->too_big = true;
        return;
    }
    const TcgLazyExit *z = lazy_of(l, op);
    uint64_t loop = l->loop.used;
    bool loop_exit = loop && slot != l->loop.slot;
    l->tail[l->nb_tails].state = ra_snapshot(l, lazy_computed(z) | (z->dead ? 0 : ~(loop_exit ? 0 : loop)) | (loop_exit ? loop : 0));
    if (loop_exit)
        l->tail[l->nb_tails].values = ra_snapshot(l, ~loop);
    l->tail[l->nb_tails].loop_exit = loop_exit;
    l->tail[l->nb_tails].eip = op->arg[1];
    l->tail[l->nb_tails].slot = slot;
    if (loop_exit) { /* the patchable jump comes behind the stores, in the cold part */
        l->tail[l->nb_tails++].jump = x86_jcc(&l->e, cc);
        return;
    }
    if (!s->no_chain)
        x86_patchable(&l->e, cc < 0 ? 1 : 2);
    uint8_t *jump = cc < 0 ? x86_jmp(&l->e) : x86_jcc(&l->e, cc);
    if (!s->no_chain)
        s->goto_tb_jump[slot] = jump - l->e.start;
    l->tail[l->nb_tails++].jump = jump;
}

/* brcond L; goto_tb a; L: ...    becomes   j!cc a; L: ...     (L has no other jumps)
 * brcond L; ...; exit; L: goto_tb b        becomes   jcc b; ...; exit
 * Which op is it, and does the condition have to be inverted? */
static TcgOp *branch_to_goto_tb(Ra *l, unsigned label, bool *invert)
{
    TcgContext *s = l->s;
    unsigned at = l->s->label_op[label], next = ra_next_op(l, l->op_index), behind = ra_next_op(l, at), before = at;

    if (l->s->label_refs[label] != 1 || at < l->op_index)
        return NULL;
    *invert = false;
    while (s->ops[before - 1].opc == TCG_OP_nop)
        before--;
    if (is_op(l, behind, TCG_OP_goto_tb) && tcg_op_info[s->ops[before - 1].opc].flags & TCG_OPF_EXITS) {
        s->ops[at].opc = TCG_OP_nop;
        return &s->ops[behind];
    }
    *invert = true;
    if (is_op(l, next, TCG_OP_goto_tb) && ra_next_op(l, next) == at)
        return &s->ops[next];
    return NULL;
}

static void lower_brcond(Ra *l, const TcgOp *op)
{
    unsigned label = op->arg[3];
    bool invert;
    TcgOp *chained = branch_to_goto_tb(l, label, &invert);
    if (chained)
        ra_sync_globals(l, lazy_of(l, chained)->dead | l->loop.used);
    else
        ra_sync(l); /* the fall-through path keeps its registers, which agree with memory now */
    X86Cond cc = lower_compare(l, op->type, op->arg[2], op->arg[0], op->arg[1]);
    if (chained) {
        l->s->label_refs[label]--;
        ra_kill(l);
        ra_end_bb(l);
        chain_jump(l, chained, cc ^ invert);
        chained->opc = TCG_OP_nop;
        return;
    }
    if (l->label_off[label] != ~0u)
        x86_jcc_to(&l->e, cc, l->e.start + l->label_off[label]);
    else
        to_label(l, x86_jcc(&l->e, cc), label);
    ra_kill(l);
    ra_end_bb(l);
}

/* ---- exits ---- */

static void lower_poll_exit(Ra *l, const TcgOp *op)
{
    Stub *st = stub_new(l, TCG_OP_poll_exit);
    unsigned next = ra_next_op(l, l->op_index);
    const TcgLazyExit *z = is_op(l, next, TCG_OP_goto_tb) ? lazy_of(l, &l->s->ops[next]) : NULL;
    st->oi = z && z->dead ? 1 + (l->s->ops[next].arg[0] & 1) : 0; /* 0: no lazy exit, or slot + 1 */
    st->snap = ra_snapshot(l, st->oi ? lazy_computed(z) : 0);
    st->data[0] = op->arg[0];
    st->tmp = R11;
    x86_alu_mi(&l->e, X86_CMP, 4, false, ENV(exit_request), 0);
    stub_from(st, x86_jcc(&l->e, CC_NE));
}

static void lower_side_exit(Ra *l, const TcgOp *op)
{
    X86Cond cc = lower_compare(l, op->type, op->arg[2], op->arg[0], op->arg[1]);
    Stub *st = stub_new(l, TCG_OP_side_exit);
    st->oi = op->arg[4];
    st->snap = ra_snapshot(l, 0);
    st->data[0] = op->arg[3];
    st->data[1] = op->arg[5];
    st->tmp = NOREG;
    stub_from(st, x86_jcc(&l->e, cc));
    ra_kill(l);
    if (tcg_is_side_jump(op)) {
        TcgContext *s = l->s;
        if (s->nb_side_jumps == TCG_MAX_SIDE_JUMPS) {
            l->too_big = true;
            return;
        }
        st->rmw = s->nb_side_jumps;
        s->side_host[s->nb_side_jumps++] = l->e.p - l->e.start;
    }
}

static void end_tb_path(Ra *l)
{
    ra_end_bb(l);
    ra_forget(l);
}

static void lower_goto_tb(Ra *l, const TcgOp *op)
{
    ra_sync_globals(l, lazy_of(l, op)->dead | l->loop.used);
    if (l->loop.used)
        ra_loop_back(l);
    chain_jump(l, op, -1);
    end_tb_path(l);
}

static void lower_exit_tb(Ra *l, const TcgOp *op)
{
    ra_sync_globals(l, 0);
    end_tb_path(l);
    lower_exit(l, x86_jmp(&l->e), op->arg[0]);
}

static void lower_goto_code(Ra *l, const TcgOp *op)
{
    ra_sync_globals(l, 0);
    Reg a = ra_in(l, op->arg[0]);
    x86_test_rr(&l->e, true, a, a);
    Stub *st = stub_new(l, TCG_OP_goto_code);
    stub_from(st, x86_jcc(&l->e, CC_E));
    x86_jmp_r(&l->e, a);
    ra_kill(l);
    end_tb_path(l);
}

static void compare_mem_imm64(Ra *l, X86Mem m, uint64_t v, Reg t)
{
    if (fits32(v)) {
        x86_alu_mi(&l->e, X86_CMP, 8, false, m, v);
    } else {
        x86_mov_ri(&l->e, t, v);
        x86_alu_mr(&l->e, X86_CMP, 8, false, m, t);
    }
}

bool lower_is_target(Ra *l, TcgTempIdx t)
{
    enum { NEAR = 3 }; /* ops: RET moves RSP in between */
    unsigned at = l->op_index;

    for (unsigned n = 0; n < NEAR && l->s->float_min != ~0ULL; n++) {
        at = ra_next_op(l, at);
        if (at == l->s->nb_ops)
            break;
        if (l->s->ops[at].opc == TCG_OP_goto_ptr)
            return l->s->ops[at].arg[0] == t;
    }
    return false;
}

/* A pc that is known. u, t: free, u is FLOAT_PC if the target may float. Returns the jump that is taken when the cache does not have it. */
static uint8_t *jump_to_known(Ra *l, uint64_t pc, bool may_float, Reg u, Reg t)
{
    Emit *e = &l->e;
    int32_t slot = jump_cache_index(pc) << JUMP_CACHE_ENTRY_BITS;
    X86Mem m = mem_at(t, slot + offsetof(JumpCacheEntry, pc));

    x86_load(e, 8, EXT_ZERO, t, ENV(jump_cache));
    if (may_float) {
        x86_mov_ri(e, u, pc);
        x86_alu_mr(e, X86_CMP, 8, false, m, u);
    } else {
        compare_mem_imm64(l, m, pc, u);
    }
    uint8_t *miss = x86_jcc(e, CC_NE);
    x86_jmp_m(e, mem_at(t, slot + offsetof(JumpCacheEntry, code)));
    return miss;
}

/* The same for a pc in a register. */
static uint8_t *jump_to_reg(Ra *l, Reg pc, bool may_float, Reg t)
{
    Emit *e = &l->e;

    _Static_assert(JUMP_CACHE_SIZE == 1 << 16, "the width of movzx");
    x86_movx_rr(e, 2, EXT_ZERO, t, pc);
    x86_shift_ri(e, X86_SHL, false, t, JUMP_CACHE_ENTRY_BITS);
    x86_alu_rm(e, X86_ADD, true, t, ENV(jump_cache));
    x86_alu_mr(e, X86_CMP, 8, false, mem_at(t, offsetof(JumpCacheEntry, pc)), pc);
    uint8_t *miss = x86_jcc(e, CC_NE);
    if (may_float && pc != FLOAT_PC)
        x86_mov_rr(e, true, FLOAT_PC, pc);
    x86_jmp_m(e, mem_at(t, offsetof(JumpCacheEntry, code)));
    return miss;
}

/* A target in another page:    mov jump_cache, t; cmpl page, jump_page_offset(t); jne aside; jmp target
 * Both jumps lead to the tail at first. Linked: aside is the jump cache (far_tail()). */
static bool lower_goto_far(Ra *l, const TcgOp *op)
{
    Emit *e = &l->e;
    TcgContext *s = l->s;
    unsigned slot = op->arg[0] & 1;

    if (!tcg_far_has_slot(s))
        return false;
    if (l->nb_tails == 2) {
        l->too_big = true;
        return true;
    }
    ra_sync_globals(l, 0);
    Reg t = ra_tmp(l);
    uint8_t *start = e->p, *aside;
    for (unsigned n = 0;; n++) {
        x86_load(e, 8, EXT_ZERO, t, ENV(jump_cache));
        if (op->arg[2])
            x86_prefetch(e, mem_at(t, jump_cache_index(op->arg[2]) << JUMP_CACHE_ENTRY_BITS));
        x86_alu_mi(e, X86_CMP, 4, false, mem_at(t, jump_page_offset(op->arg[1])), JUMP_PAGE_NONE);
        aside = x86_jcc(e, CC_NE);
        unsigned at = (uintptr_t)(e->p + 1) & 7;
        if (at <= 4 || n)
            break;
        e->p = start; /* as x86_patchable(), but with the nops in front of all */
        x86_align_nop(e, 8, at - ((uintptr_t)start & 7));
    }
    l->tail[l->nb_tails].jump = x86_jmp(e);
    l->tail[l->nb_tails].aside = aside;
    g_assert(e->full || l->tail[l->nb_tails].jump - aside == TCG_FAR_ASIDE_JUMP);
    l->tail[l->nb_tails].loop_exit = false;
    l->tail[l->nb_tails].slot = slot;
    l->tail[l->nb_tails].eip = op->arg[1];
    s->goto_tb_jump[slot] = l->tail[l->nb_tails].jump - e->start;
    s->far_slots |= 1 << slot;
    l->nb_tails++;
    end_tb_path(l);
    return true;
}

/* Behind the call of a way out. */
static void put_exit_data(Ra *l, uint32_t word, uint64_t eip, unsigned bytes)
{
    Emit *e = &l->e;
    uint8_t *start = e->p;

    e->p = put(put(e->p, word, 4), eip, bytes);
    if (l->s->notes) {
        uint32_t span[2] = { start - e->start, e->p - e->start };
        g_array_append_vals(l->s->notes, span, 2);
    }
}

/* The tail leaves to be linked; TCG_FAR_ASIDE bytes behind its begin is the way by the jump cache. */
static void far_tail(Ra *l, unsigned n)
{
    Emit *e = &l->e;
    TcgContext *s = l->s;

    x86_patch_here(e, l->tail[n].jump);
    x86_patch_here(e, l->tail[n].aside);
    s->goto_tb_reset[l->tail[n].slot] = e->p - e->start;
    bool wide = !fits32(l->tail[n].eip);
    put_room(e, 32);
    e->p = put_call(e, e->p, frame_leave_far(s->buf, wide ? LEAVE_64 : LEAVE_32, false));
    e->p = put_call(e, e->p, frame_leave_far(s->buf, wide ? LEAVE_64 : LEAVE_32, true));
    put_exit_data(l, s->tb_cookie | l->tail[n].slot, l->tail[n].eip, wide ? 8 : 4);
}

static void lower_goto_ptr(Ra *l, const TcgOp *op)
{
    bool far = op->opc == TCG_OP_goto_far;
    if (far && lower_goto_far(l, op))
        return;
    uint64_t pc = op->arg[1];
    bool known = far || ra_is_const(l, op->arg[0], &pc), may_float = l->s->float_min != ~0ULL && (!known || pc >= l->s->float_min);
    Opnd target = { OPND_IMM, .reg = NOREG };

    ra_sync_globals(l, 0);
    if (known)
        target.imm = pc;
    else
        target = (Opnd){ OPND_REG, .reg = ra_in(l, op->arg[0]) };
    /* A target that may float wants its pc in a register that both sides agree on. */
    Reg u = may_float ? ra_tmp_at(l, FLOAT_PC) : ra_tmp(l), t = ra_tmp(l);
    Stub *st = stub_new(l, TCG_OP_goto_ptr);
    st->arg[0] = target;
    st->tmp = u;
    stub_from(st, known ? jump_to_known(l, pc, may_float, u, t) : jump_to_reg(l, target.reg, may_float, t));
    ra_kill(l);
    end_tb_path(l);
}

/* r11 is free, the flags are not looked at. */
static void store_eip(Ra *l, uint64_t eip)
{
    if (likely(!l->s->floating && fits32(eip))) {
        put_room(&l->e, 16);
        l->e.p = put_rm(l->e.p, 0xc7, 0, RBP, (int32_t)offsetof(TcgEnvHead, eip) - TCG_ENV_BIAS); /* mov qword */
        memcpy(l->e.p, &(uint32_t){ eip }, 4);
        l->e.p += 4;
        return;
    }
    if (l->s->floating) {
        x86_load(&l->e, 8, EXT_ZERO, R11, ENV(pc_page));
        if (fits32(eip))
            x86_alu_ri(&l->e, X86_ADD, true, R11, eip);
        else
            l->too_big = true; /* never: these are in the TB's page, or next to it */
        x86_store(&l->e, 8, ENV(eip), R11);
        return;
    }
    ra_store_value(l, ENV(eip), 8, (Opnd){ OPND_IMM, .reg = NOREG, .imm = eip }, R11);
}

/* eip is stored. */
static void leave_tb(Ra *l, unsigned reason)
{
    Emit *e = &l->e;
    bool search = reason == EXIT_SEARCH, victims = l->s->cs_base == 0;
    uint64_t word = l->s->tb_cookie | (search ? TB_EXIT_LOOKUP : reason);

    if (unlikely(word != (uint32_t)word)) {
        x86_mov_ri(e, R11, word);
        x86_jmp_rx(e, search ? frame_search(l->s->buf, victims) : l->s->buf->epilogue_rx);
        return;
    }
    put_room(e, 32);
    e->p = put_call(e, e->p, frame_leave(l->s->buf, LEAVE_STORED, search, victims));
    put_exit_data(l, word, 0, 0);
}

/* With eip to be stored; r8 to r11 are free, the flags are not looked at. */
static void leave_at(Ra *l, uint64_t eip, unsigned reason)
{
    Emit *e = &l->e;
    bool search = reason == EXIT_SEARCH;
    uint64_t word = l->s->tb_cookie | (search ? TB_EXIT_LOOKUP : reason);
    unsigned how = l->s->floating ? LEAVE_FLOAT : fits32(eip) ? LEAVE_32 : LEAVE_64;

    if (unlikely(word != (uint32_t)word || (l->s->floating && !fits32(eip)))) {
        store_eip(l, eip);
        leave_tb(l, reason);
        return;
    }
    put_room(e, 32);
    e->p = put_call(e, e->p, frame_leave(l->s->buf, how, search, l->s->cs_base == 0));
    put_exit_data(l, word, eip, how == LEAVE_64 ? 8 : 4);
}

/* A side exit through the jump cache: state is stored, r8 to r11 are free. */
static void side_jump(Ra *l, uint64_t eip)
{
    Emit *e = &l->e;
    TcgContext *s = l->s;
    bool may_float = s->float_min != ~0ULL;
    uint8_t *miss;

    if (s->floating) {
        x86_load(e, 8, EXT_ZERO, FLOAT_PC, ENV(pc_page));
        if (fits32(eip))
            x86_alu_ri(e, X86_ADD, true, FLOAT_PC, eip);
        else
            l->too_big = true; /* never, as in store_eip() */
        miss = jump_to_reg(l, FLOAT_PC, may_float, R10);
        x86_patch_here(e, miss);
        x86_store(e, 8, ENV(eip), FLOAT_PC);
    } else {
        uint64_t pc = s->cs_base + eip;
        pc = s->eip_is_32 ? (uint32_t)pc : pc;
        miss = jump_to_known(l, pc, may_float && pc >= s->float_min, FLOAT_PC, R10);
        x86_patch_here(e, miss);
        leave_at(l, eip, EXIT_SEARCH);
        return;
    }
    leave_tb(l, EXIT_SEARCH);
}

/* The cold end of a poll_exit or goto_ptr. */
static void exit_stub(Ra *l, const Stub *st)
{
    Emit *e = &l->e;
    TcgContext *s = l->s;

    for (unsigned i = 0; i < st->nb_from; i++)
        x86_patch_here(e, st->from[i]);
    if (st->opc == TCG_OP_goto_code) {
        lower_exit(l, x86_jmp(e), TB_EXIT_LOOKUP);
        return;
    }
    if (st->opc == TCG_OP_side_exit) {
        stub_store_snapshot(l, st->snap, st->tmp);
        x87_stub_state(l, st, true);
        if (st->oi == SIDE_EXIT_X87)
            x86_alu_mi(e, X86_OR, 1, false, ENV(x87_live), X87_LIVE_SIDE_EXIT);
        if (st->data[1])
            x86_store_imm(e, 4, mem_env(st->data[1] >> 32), (uint32_t)st->data[1]);
        if (st->oi == SIDE_EXIT_JUMP && s->side_counter) {
            x86_mov_ri(e, R11, (uintptr_t)(s->side_counter + st->rmw));
            x86_alu_mi(e, X86_ADD, 8, false, mem_at(R11, 0), 1);
        }
        if (st->oi == SIDE_EXIT_JUMP && !s->no_chain) {
            side_jump(l, st->data[0]);
            return;
        }
        leave_at(l, st->data[0], TB_EXIT_LOOKUP);
        return;
    }
    if (st->opc == TCG_OP_poll_exit) {
        if (st->oi)
            lazy_state(l, &s->lazy_exit[st->oi - 1], st->snap, st->tmp);
        else
            stub_store_snapshot(l, st->snap, st->tmp);
        leave_at(l, st->data[0], TB_EXIT_POLL);
        return;
    }
    if (st->arg[0].kind == OPND_IMM) {
        uint64_t eip = st->arg[0].imm - s->cs_base;
        leave_at(l, s->eip_is_32 ? (uint32_t)eip : eip, EXIT_SEARCH);
        return;
    }
    if (s->cs_base == 0 && !s->eip_is_32) {
        uint64_t word = s->tb_cookie | TB_EXIT_LOOKUP;
        if (likely(word == (uint32_t)word)) {
            put_room(e, 32);
            e->p = put_call(e, e->p, frame_leave_reg(s->buf, st->arg[0].reg));
            put_exit_data(l, word, 0, 0);
            return;
        }
        x86_store(e, 8, ENV(eip), st->arg[0].reg);
    } else {
        x86_mov_ri(e, st->tmp, -s->cs_base);
        x86_alu_rr(e, X86_ADD, !s->eip_is_32, st->tmp, st->arg[0].reg); /* 32-bit: truncates */
        x86_store(e, 8, ENV(eip), st->tmp);
    }
    leave_tb(l, EXIT_SEARCH);
}

uint8_t *lower_float_entry(CodeBuf *b)
{
    Emit e = { .p = b->ptr + TCG_FLOAT_ENTRY_ROOM - TCG_FLOAT_ENTRY, .start = b->ptr, .end = b->end, .rx_diff = b->rx_diff };

    x86_alu_ri(&e, X86_AND, true, FLOAT_PC, (int32_t)TCG_PAGE_MASK);
    x86_store(&e, 8, ENV(pc_page), FLOAT_PC);
    g_assert(e.p == b->ptr + TCG_FLOAT_ENTRY_ROOM);
    return e.p;
}

uint8_t *lower_finish(Ra *l)
{
    Emit *e = &l->e;
    TcgContext *s = l->s;

    for (unsigned i = 0; i < l->nb_fixups; i++) {
        uint32_t off = l->label_off[l->fixup[i].label];
        g_assert(off != ~0u); /* the verifier's job: every label that is used is set */
        x86_patch(e, l->fixup[i].pos, e->start + off);
    }
    uint8_t *hot_end = e->p;
    if (s->buf->cold) {
        e->p = s->buf->cold;
        e->end = s->buf->cold_end;
    }
    put_room(e, s->cold_head);
    e->p += s->cold_head;
    guest_stubs(l);
    for (unsigned i = 0; i < l->nb_stubs && !e->full; i++) {
        if (stub_is_exit(&l->stub[i]))
            exit_stub(l, &l->stub[i]);
    }
    for (unsigned i = 0; i < l->nb_tails; i++) {
        unsigned slot = l->tail[i].slot;
        if (s->far_slots >> slot & 1) {
            far_tail(l, i);
            continue;
        }
        x86_patch_here(e, l->tail[i].jump);
        if (l->tail[i].loop_exit) {
            stub_store_snapshot(l, l->tail[i].values, NOREG);
            x86_patchable(e, 1);
            uint8_t *jump = x86_jmp(e);
            s->goto_tb_jump[slot] = jump - e->start;
            x86_patch_here(e, jump);
        }
        if (!s->no_chain)
            s->goto_tb_reset[slot] = e->p - e->start;
        lazy_state(l, &s->lazy_exit[slot], l->tail[i].state, NOREG);
        leave_at(l, l->tail[i].eip, s->no_chain ? TB_EXIT_LOOKUP : slot == 0 ? TB_EXIT_SLOT0 : TB_EXIT_SLOT1);
    }
    unsigned reasons = 0;
    for (unsigned i = 0; i < l->nb_exits; i++)
        reasons |= 1u << l->exit[i].reason;
    for (; reasons; reasons &= reasons - 1) {
        unsigned reason = __builtin_ctz(reasons);
        bool used = false;
        for (unsigned i = 0; i < l->nb_exits; i++) {
            /* a jump to the next instruction need not be */
            if (l->exit[i].reason == reason && l->exit[i].from + 4 == e->p && !used) {
                e->p -= 5;
                hot_end = MIN(hot_end, e->p);
                l->exit[i].from = NULL;
                used = true;
            }
        }
        for (unsigned i = 0; i < l->nb_exits; i++) {
            if (l->exit[i].reason == reason && l->exit[i].from) {
                x86_patch_here(e, l->exit[i].from);
                used = true;
            }
        }
        if (used)
            leave_tb(l, reason);
    }
    return hot_end;
}

bool lower_control_op(Ra *l)
{
    const TcgOp *op = l->op;
    switch (op->opc) {
    case TCG_OP_discard: ra_release(l, op->arg[0]); break;
    case TCG_OP_set_label: lower_label(l, op); break;
    case TCG_OP_br: lower_br(l, op); break;
    case TCG_OP_brcond: lower_brcond(l, op); break;
    case TCG_OP_call: lower_call(l, op); break;
    case TCG_OP_poll_exit: lower_poll_exit(l, op); break;
    case TCG_OP_side_exit: lower_side_exit(l, op); break;
    case TCG_OP_goto_tb: lower_goto_tb(l, op); break;
    case TCG_OP_goto_far: case TCG_OP_goto_ptr: lower_goto_ptr(l, op); break;
    case TCG_OP_goto_code: lower_goto_code(l, op); break;
    case TCG_OP_exit_tb: lower_exit_tb(l, op); break;
    default: return false;
    }
    return true;
}
