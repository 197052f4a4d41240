/* guest-ldst.c - accesses to guest memory: the inline soft-TLB hit, and the out-of-line rest.
 *
 * In line is the check of tlb-check.c, then the access itself.
 * A hit writes nothing to env and changes no register but t, u and the output, and the output only by the
 * access itself; so at the jump to the stub every value is where it was before the op. The stub calls a thunk (frame.c) with
 * a note (slow-path.c) of where all is. That of a read-modify-write stores the dirty globals (snapshot) and arguments by itself; a fault is
 * found by the call's return address (stub_map).
 *
 * Accesses of a group (share.c) behind its first one: test addend, addend ; je stub ; access [addend + addr + disp]. The test is
 * not needed where the group's last access lies right in front. */
#include "tcg/regalloc.h"
#include "tcg/x86_64/put.h"

static Stub stub_overflow;

Stub *stub_new(Ra *l, unsigned opc)
{
    Stub *st;
    if (l->nb_stubs == MAX_STUBS) {
        l->too_big = true;
        st = &stub_overflow;
    } else {
        st = &l->stub[l->nb_stubs++];
    }
    memset(st, 0, sizeof *st);
    st->opc = opc;
    st->out = NOREG;
    st->tmp = NOREG;
    st->alu_reg = NOREG;
    st->data[0] = l->insn_data[0];
    st->data[1] = l->insn_data[1];
    st->x87_state = l->x87_state;
    st->stack_add = l->stack_add;
    return st;
}

void stub_from(Stub *st, uint8_t *jump) { st->from[st->nb_from++] = jump; }

static ShareGroup *group_here(Ra *l)
{
    unsigned g = l->group_of[l->op_index] & ~GROUP_ALIGNED;
    return g ? &l->group[g] : NULL;
}

/* A later member: the group's first one has checked, unless the temp says otherwise. That has a register then. */
static bool is_follower(Ra *l)
{
    const ShareGroup *g = group_here(l);
    if (!g || g->first == l->op_index)
        return false;
    ra_in(l, g->temp);
    return true;
}

/* C code may change the TLB: behind it no group's addend counts. */
static void note_zeros(Ra *l, Stub *st)
{
    for (unsigned i = 0; i < l->nb_live_groups; i++) {
        TcgTempIdx temp = l->group[l->live_group[i]].temp;
        const RaTemp *rt = &l->t[temp];
        if (rt->loc == LOC_REG)
            st->zero_regs |= 1 << (rt->reg - R8);
        if (rt->loc == LOC_MEM || rt->coherent)
            st->zero_slot[st->nb_zero++] = ra_home(l, temp).disp;
    }
}

/* Is a by itself aligned where the access is? */
static bool base_tells_alignment(int32_t disp, uint32_t oi) { return !(disp & memop_align_mask(memopidx_op(oi))); }

/* u: free, unless base_tells_alignment(). */
static void test_alignment(Ra *l, Stub *st, Reg a, Reg u)
{
    unsigned align = memop_align_mask(memopidx_op(st->oi));
    if (!align)
        return;
    if (!base_tells_alignment(st->disp, st->oi)) {
        x86_lea(&l->e, false, u, mem_at(a, st->disp));
        a = u;
    }
    x86_test_ri(&l->e, false, a, align);
    st->from_misaligned = x86_jcc(&l->e, CC_NE);
}

/* What every access does between having its inputs and scratch and writing the hit path's access. t and u are
 * NOREG for a follower. Returns with st->tmp the register of the addend. */
Stub *guest_begin_access(Ra *l, Reg a, int32_t disp, uint32_t oi, unsigned bytes, bool write, Reg t, Reg u)
{
    unsigned gi = l->group_of[l->op_index] & ~GROUP_ALIGNED;
    ShareGroup *g = group_here(l);
    bool follower = is_follower(l);
    bool tests = g && !(follower ? l->group_of[l->op_index] & GROUP_ALIGNED : tlb_check_tests_alignment(g, bytes));
    Reg addend = follower ? ra_in(l, g->temp) : t;
    if (follower && tests && !base_tells_alignment(disp, oi))
        u = ra_tmp(l);
    Stub *st = stub_new(l, l->op->opc);

    st->snap = ra_snapshot(l, 0);
    st->disp = disp;
    st->oi = oi;
    st->tmp = t;
    st->arg[0] = (Opnd){ OPND_REG, .reg = a };
    st->shared = g != NULL;
    if ((st->opc == TCG_OP_guest_ldv || st->opc == TCG_OP_guest_stv) && !memop_align_mask(memopidx_op(oi)))
        st->shared = true; /* by itself it may cross pages, as copies do: that is less than a slow path */
    st->leader = g && !follower;
    st->write = write;
    st->group = gi;
    note_zeros(l, st);
    if (follower) {
        /* Nothing lies between the group's last access and this one: the addend is what that one saw. Where it was zero, that one's
         * stub goes on with this one's. */
        Stub *last = st > l->stub && st != &stub_overflow ? st - 1 : NULL;
        if (last && last->group == gi && last->back == l->e.p) {
            last->goes_on = true;
        } else {
            x86_test_rr(&l->e, true, addend, addend);
            stub_from(st, x86_jcc(&l->e, CC_E));
        }
    } else {
        tlb_check(l, st, g, a, bytes, g ? g->write : write, t, u);
    }
    if (tests)
        test_alignment(l, st, a, u);
    if (g && !follower) {
        st->zero_regs |= 1 << (t - R8);
        ra_out_at(l, g->temp, t);
        l->live_group[l->nb_live_groups++] = gi;
    }
    ra_kill(l);
    st->vec_live = ra_vec_live(l);
    st->tmp = addend;
    if (st->stack_check && !st->guess)
        st->shared = true; /* the TLB may have the page nevertheless, for reading for example */
    if (g && g->last == l->op_index) {
        ra_release(l, g->temp);
        unsigned i = 0;
        while (l->live_group[i] != gi)
            i++;
        l->live_group[i] = l->live_group[--l->nb_live_groups];
    }
    return st;
}

static Stub *begin_access(Ra *l, const TcgOp *op, Reg a, int32_t disp, uint32_t oi, bool write, Reg pin, Reg t, Reg u)
{
    if (pin != NOREG)
        ra_evacuate(l, pin);
    return guest_begin_access(l, a, disp, oi, memop_size(memopidx_op(oi)), write, t, u);
}

static X86Ext load_extension(MemOp mo)
{
    if (!(mo & MO_SIGN) || ((mo & MO_SIGN32) && memop_size(mo) >= 4))
        return EXT_ZERO;
    return mo & MO_SIGN32 ? EXT_SIGN32 : EXT_SIGN64;
}

/* The next op, if it is all that wants this load's result: g = g <alu> result, with g a pinned global. That is one instruction with an
 * operand in memory. The stub loads the value into a register and does the same. */
static TcgOp *only_operand(Ra *l, const TcgOp *op, X86Alu *alu)
{
    static const struct { bool can; uint8_t alu; } of[TCG_OP_COUNT] = {
        [TCG_OP_add] = { true, X86_ADD }, [TCG_OP_sub] = { true, X86_SUB }, [TCG_OP_and] = { true, X86_AND },
        [TCG_OP_or] = { true, X86_OR }, [TCG_OP_xor] = { true, X86_XOR },
    };
    TcgContext *s = l->s;
    TcgTempIdx t = op->arg[0];
    MemOp mo = memopidx_op(op->arg[3]);
    unsigned i = ra_next_op(l, l->op_index);

    if (s->temps[t].kind != TCG_TEMP_EBB || i >= s->nb_ops || !of[s->ops[i].opc].can || mo & MO_SIGN)
        return NULL;
    TcgOp *n = &s->ops[i];
    if (n->arg[0] == l->stack_temp)
        return NULL; /* what waits to be added to it comes first */
    unsigned k = n->arg[2] == t ? 2 : n->opc != TCG_OP_sub && n->arg[1] == t ? 1 : 0;
    if (!k || n->arg[3 - k] != n->arg[0] || !(n->life >> k & 1) || ra_pin(l, n->arg[0]) == NOREG ||
        memop_size(mo) != (n->type == TCG_I32 ? 4 : 8))
        return NULL;
    *alu = of[n->opc].alu;
    return n;
}

static void lower_guest_ld(Ra *l, const TcgOp *op)
{
    MemOp mo = memopidx_op(op->arg[3]);
    unsigned size = memop_size(mo);
    bool follower = is_follower(l);
    X86Alu alu;
    TcgOp *user = only_operand(l, op, &alu);
    Reg a = ra_in(l, op->arg[1]), pin = ra_pin(l, user ? user->arg[0] : op->arg[0]);
    if (user) {
        Reg t = follower ? NOREG : ra_tmp(l), u = ra_tmp(l);
        Stub *st = begin_access(l, op, a, op->arg[2], op->arg[3], false, pin, t, u);
        st->out = u;
        st->alu_reg = pin;
        st->alu = alu;
        st->alu_w = user->type != TCG_I32;
        x86_alu_rm(&l->e, alu, st->alu_w, pin, mem_idx(st->tmp, a, 0, st->disp));
        st->back = l->e.p;
        user->opc = TCG_OP_nop;
        return;
    }
    Reg t = follower ? NOREG : ra_tmp(l), u = NOREG;
    if (!follower || pin == NOREG)
        u = lower_is_target(l, op->arg[0]) ? ra_tmp_at(l, FLOAT_PC) : ra_tmp(l);
    Stub *st = begin_access(l, op, a, op->arg[2], op->arg[3], false, pin, t, u);
    Reg d = pin != NOREG ? pin : u;

    x86_load(&l->e, MIN(size, 8u), load_extension(mo), d, mem_idx(st->tmp, a, 0, st->disp));
    st->out = d;
    st->back = l->e.p;
    if (pin == NOREG)
        ra_out_at(l, op->arg[0], u);
}

static void lower_guest_st(Ra *l, const TcgOp *op)
{
    unsigned size = memop_size(memopidx_op(op->arg[3]));
    Reg a = ra_in(l, op->arg[1]);
    Opnd v = ra_in_ri(l, op->arg[0], size >= 8 ? TCG_I64 : TCG_I32);
    bool follower = is_follower(l);
    Reg t = follower ? NOREG : ra_tmp(l), u = follower ? NOREG : ra_tmp(l);
    Stub *st = begin_access(l, op, a, op->arg[2], op->arg[3], true, NOREG, t, u);

    st->arg[1] = v;
    ra_store_value(l, mem_idx(st->tmp, a, 0, st->disp), MIN(size, 8u), v, NOREG);
    st->back = l->e.p;
}

/* ---- read-modify-write ---- */

/* One memory operand instruction (two for andc: (x | b) ^ b), old value not wanted. u is free. */
static void rmw_memory(Ra *l, unsigned rop, unsigned size, bool lock, X86Mem m, Opnd b, Reg u, bool u_is_free)
{
    static const uint8_t alu_of[] = { [RMW_ADD] = X86_ADD, [RMW_SUB] = X86_SUB, [RMW_AND] = X86_AND, [RMW_OR] = X86_OR, [RMW_XOR] = X86_XOR };
    Emit *e = &l->e;

    switch (rop) {
    case RMW_NEG: x86_grp3_m(e, X86_NEG, size, lock, m); break;
    case RMW_NOT: x86_grp3_m(e, X86_NOT, size, lock, m); break;
    case RMW_XCHG: ra_store_value(l, m, size, b, NOREG); break;
    case RMW_ANDC:
        if (b.kind == OPND_IMM) {
            x86_alu_mi(e, X86_AND, size, lock, m, ~b.imm);
        } else if (u_is_free) {
            x86_mov_rr(e, true, u, b.reg);
            x86_grp3_r(e, X86_NOT, true, u);
            x86_alu_mr(e, X86_AND, size, lock, m, u);
        } else { /* not locked: two steps are allowed */
            x86_alu_mr(e, X86_OR, size, false, m, b.reg);
            x86_alu_mr(e, X86_XOR, size, false, m, b.reg);
        }
        break;
    default:
        if (b.kind == OPND_IMM)
            x86_alu_mi(e, alu_of[rop], size, lock, m, b.imm);
        else
            x86_alu_mr(e, alu_of[rop], size, lock, m, b.reg);
    }
}

/* Atomically, with the old value wanted, for what xadd and xchg cannot do. t: host pointer. Old value in
 * rax at the end, zero-extended; the guest's rax is in the frame. */
static void rmw_loop(Ra *l, unsigned rop, unsigned size, Reg t, Opnd b, Reg u)
{
    static const uint8_t alu_of[] = { [RMW_AND] = X86_AND, [RMW_OR] = X86_OR, [RMW_XOR] = X86_XOR, [RMW_ANDC] = X86_OR };
    Emit *e = &l->e;
    X86Mem m = mem_at(t, 0), saved = mem_at(RSP, FRAME_SAVE_AX);

    x86_store(e, 8, saved, RAX);
    x86_load(e, size, EXT_ZERO, RAX, m);
    const uint8_t *loop = e->p;
    x86_mov_rr(e, true, u, RAX);
    if (rop == RMW_NEG || rop == RMW_NOT) {
        x86_grp3_r(e, rop == RMW_NEG ? X86_NEG : X86_NOT, true, u);
    } else {
        for (unsigned step = 0; step < (rop == RMW_ANDC ? 2 : 1); step++) {
            X86Alu alu = step ? X86_XOR : alu_of[rop];
            if (b.kind == OPND_IMM)
                x86_alu_ri(e, alu, true, u, b.imm);
            else if (b.reg == RAX)
                x86_alu_rm(e, alu, true, u, saved);
            else
                x86_alu_rr(e, alu, true, u, b.reg);
        }
    }
    x86_cmpxchg_mr(e, size, true, m, u);
    x86_jcc_to(e, CC_NE, loop);
}

static void extend_old(Ra *l, unsigned size, Reg d, Reg s)
{
    if (size < 8)
        x86_movx_rr(&l->e, size, EXT_ZERO, d, s);
    else if (d != s)
        x86_mov_rr(&l->e, true, d, s);
}

static void lower_guest_rmw(Ra *l, const TcgOp *op)
{
    Emit *e = &l->e;
    unsigned size = MIN(memop_size(memopidx_op(op->arg[4])), 8u), rop = op->arg[5] & RMW_OP;
    bool lock = op->arg[5] & RMW_LOCK, dead = op->life >> 8 & 1, unary = rop == RMW_NEG || rop == RMW_NOT;
    Reg a = ra_in(l, op->arg[1]);
    Opnd b = unary ? (Opnd){ OPND_IMM, .reg = NOREG } : ra_in_ri(l, op->arg[2], size == 8 ? TCG_I64 : TCG_I32);
    Reg t = ra_tmp(l), u = ra_tmp(l), pin = dead ? NOREG : ra_pin(l, op->arg[0]);
    Stub *st = begin_access(l, op, a, op->arg[3], op->arg[4], true, pin, t, u);
    X86Mem m = mem_idx(t, a, 0, st->disp);
    Reg d = dead ? NOREG : pin != NOREG ? pin : u;

    st->arg[1] = b;
    st->rmw = op->arg[5];
    st->out = d;
    if (dead && !(lock && rop == RMW_XCHG)) {
        rmw_memory(l, rop, size, lock, m, b, u, true);
    } else if (rop == RMW_XCHG && lock) {
        ra_move_opnd(l, u, b);
        x86_xchg_mr(e, size, m, u);
        if (d != NOREG)
            extend_old(l, size, d, u);
    } else if (!lock) {
        Reg old = d == a || d == b.reg ? u : d;
        x86_load(e, size, EXT_ZERO, old, m);
        rmw_memory(l, rop, size, false, m, b, NOREG, false);
        if (old != d)
            x86_mov_rr(e, true, d, old);
    } else if (rop == RMW_ADD || rop == RMW_SUB) {
        ra_move_opnd(l, u, b);
        if (rop == RMW_SUB)
            x86_grp3_r(e, X86_NEG, true, u);
        x86_xadd_mr(e, size, true, m, u);
        extend_old(l, size, d, u);
    } else {
        x86_lea(e, true, t, m); /* a may be rax */
        rmw_loop(l, rop, size, t, b, u);
        if (d != RAX) {
            x86_mov_rr(e, true, d, RAX);
            x86_load(e, 8, EXT_ZERO, RAX, mem_at(RSP, FRAME_SAVE_AX));
        }
    }
    st->back = e->p;
    if (d == u)
        ra_out_at(l, op->arg[0], u);
}

static void lower_guest_cmpxchg(Ra *l, const TcgOp *op)
{
    Emit *e = &l->e;
    unsigned size = MIN(memop_size(memopidx_op(op->arg[5])), 8u);
    bool dead = op->life >> 8 & 1;
    Reg a = ra_in(l, op->arg[1]), new = ra_in(l, op->arg[3]);
    Opnd cmp = ra_in_not_scratch(l, op->arg[2]);
    Reg t = ra_tmp(l), u = ra_tmp(l), pin = dead ? NOREG : ra_pin(l, op->arg[0]);
    Stub *st = begin_access(l, op, a, op->arg[4], op->arg[5], true, pin, t, u);
    Reg d = dead ? NOREG : pin != NOREG ? pin : u;

    st->arg[1] = cmp;
    st->arg[2] = (Opnd){ OPND_REG, .reg = new };
    st->rmw = op->arg[6];
    st->out = d;
    x86_lea(e, true, t, mem_idx(t, a, 0, st->disp));
    if (d != RAX)
        x86_store(e, 8, mem_at(RSP, FRAME_SAVE_AX), RAX);
    if (new == RAX) {
        x86_mov_rr(e, true, u, RAX);
        new = u;
    }
    ra_move_opnd(l, RAX, cmp);
    x86_cmpxchg_mr(e, size, op->arg[6] & RMW_LOCK, mem_at(t, 0), new);
    if (d != NOREG)
        extend_old(l, size, d, RAX);
    if (d != RAX)
        x86_load(e, 8, EXT_ZERO, RAX, mem_at(RSP, FRAME_SAVE_AX));
    st->back = e->p;
    if (d == u)
        ra_out_at(l, op->arg[0], u);
}

/* ---- vectors ---- */

/* A register for a vector from memory: its home even if the old value is still there (the slow path stores it first). */
static Reg register_for_load(Ra *l, TcgTempIdx t)
{
    bool alone = t < 64 && l->loop.used >> t & 1 && l->head[(Reg)l->loop.home[t]] == t && l->t[t].next == TCG_NO_TEMP;
    Reg home = alone ? l->loop.home[t] : ra_loop_home(l, t);
    return home == NOREG ? ra_tmpv(l) : home;
}

/* The next op, if it is all that wants this vector and can have it as its operand in memory: a whole vector, and for legacy encodings one
 * that is known to be aligned. */
static TcgOp *only_vector_operand(Ra *l, const TcgOp *op)
{
    TcgContext *s = l->s;
    TcgTempIdx t = op->arg[0];
    MemOp mo = memopidx_op(op->arg[3]);
    unsigned i = ra_next_op(l, l->op_index);

    if (s->temps[t].kind != TCG_TEMP_EBB || i >= s->nb_ops || s->ops[i].opc != TCG_OP_simd || !host_features.avx)
        return NULL;
    TcgOp *n = &s->ops[i];
    SimdEnc enc = n->arg[4];
    bool reads_a = enc & SIMD_DST_READ || (enc & SIMD_VEX && enc & SIMD_VVVV), uses_c = SIMD_USES_C(enc);
    if (n->arg[2] != t || !(n->life >> 2 & 1) || (reads_a && n->arg[1] == t) || (uses_c && n->arg[3] == t) ||
        enc & (SIMD_DST_GPR | SIMD_SRC_GPR | SIMD_RM_DST | SIMD_GROUP | SIMD_XMM0) ||
        memop_size(mo) != (enc & SIMD_VEX && enc & SIMD_L256 ? 32 : 16) || (!(enc & SIMD_VEX) && memop_align_mask(mo) != 15))
        return NULL;
    return n;
}

static void emit_with_memory(Emit *e, SimdEnc enc, uint8_t imm, Reg d, Reg vvvv, X86Mem m)
{
    if (enc & SIMD_VEX)
        x86_simd_vex_rm(e, enc, d & 15, vvvv & 15, m, imm);
    else
        x86_simd_rm(e, enc, d & 15, m, imm);
}

/* The stub has the value in the frame, and does the same with that. */
static void lower_vector_operand(Ra *l, TcgOp *op, TcgOp *user)
{
    SimdEnc enc = user->arg[4];
    bool follower = is_follower(l), reads_d = enc & SIMD_DST_READ;
    uint8_t imm = user->arg[5];
    Reg a = NOREG, c = NOREG;

    if (reads_d || (enc & SIMD_VEX && enc & SIMD_VVVV))
        a = ra_in(l, user->arg[1]);
    if (SIMD_USES_C(enc))
        c = ra_in(l, user->arg[3]);
    Reg addr = ra_in(l, op->arg[1]), t = follower ? NOREG : ra_tmp(l), u = follower ? NOREG : ra_tmp(l);
    /* Nothing may be written between the check and the access: the result's register is chosen, and holds nobody else's value, before. */
    bool in_place = a != NOREG && a != c && user->life >> 1 & 1 && l->head[a] == user->arg[1] && l->t[user->arg[1]].next == TCG_NO_TEMP;
    Reg d = in_place && ra_loop_home(l, user->arg[0]) == NOREG ? a : register_for_load(l, user->arg[0]);
    if (reads_d && d == c && d != a)
        d = ra_tmpv(l);
    if (reads_d)
        emit_vec_move(l, user->type, d, a);
    l->uses_ymm |= enc & SIMD_VEX;
    if (enc & SIMD_IS4)
        imm = (c & 15) << 4 | (imm & 15);
    Reg vvvv = enc & SIMD_VVVV_C ? c : enc & SIMD_VVVV ? a : 0;
    Stub *st = begin_access(l, op, addr, op->arg[2], op->arg[3], false, NOREG, t, u);
    st->alu_reg = d;
    st->arg[1].imm = enc;
    st->arg[2] = (Opnd){ OPND_IMM, .reg = vvvv, .imm = imm };
    st->rmw = memop_size(memopidx_op(op->arg[3]));
    emit_with_memory(&l->e, enc, imm, d, vvvv, mem_idx(st->tmp, addr, 0, st->disp));
    st->back = l->e.p;
    l->op = user;
    ra_kill(l);
    ra_out_at(l, user->arg[0], d);
    l->op = op;
    user->opc = TCG_OP_nop;
}

static void lower_guest_ldv(Ra *l, TcgOp *op)
{
    TcgOp *user = only_vector_operand(l, op);
    if (user) {
        lower_vector_operand(l, op, user);
        return;
    }
    unsigned size = memop_size(memopidx_op(op->arg[3]));
    bool ymm = op->type == TCG_V256 && host_features.avx;
    bool follower = is_follower(l);
    Reg a = ra_in(l, op->arg[1]), v = register_for_load(l, op->arg[0]), t = follower ? NOREG : ra_tmp(l), u = follower ? NOREG : ra_tmp(l);

    l->uses_ymm |= ymm;
    Stub *st = begin_access(l, op, a, op->arg[2], op->arg[3], false, NOREG, t, u);
    x86_vec_load(&l->e, size, ymm, v, mem_idx(st->tmp, a, 0, st->disp));
    st->out = v;
    st->vex = ymm;
    st->rmw = size == 32 ? 32 : 16;
    st->back = l->e.p;
    ra_out_at(l, op->arg[0], v);
}

static void lower_guest_stv(Ra *l, const TcgOp *op)
{
    unsigned size = memop_size(memopidx_op(op->arg[3]));
    bool follower = is_follower(l);
    Reg v = ra_in(l, op->arg[0]), a = ra_in(l, op->arg[1]), t = follower ? NOREG : ra_tmp(l), u = follower ? NOREG : ra_tmp(l);

    l->uses_ymm |= size == 32;
    Stub *st = begin_access(l, op, a, op->arg[2], op->arg[3], true, NOREG, t, u);
    st->arg[1] = (Opnd){ OPND_REG, .reg = v };
    st->rmw = size == 32 ? 32 : 16;
    x86_vec_store(&l->e, size, mem_idx(st->tmp, a, 0, st->disp), v);
    st->back = l->e.p;
}

/* ---- stubs ---- */

void stub_store_snapshot(Ra *l, Snapshot snap, Reg tmp)
{
    if (!snap.n)
        return;
    /* Registers first: a 64-bit constant needs tmp, which in a poll stub may still hold one of them. */
    for (int pass = LOC_REG; pass <= LOC_CONST; pass++) {
        for (unsigned i = snap.first; i < snap.first + snap.n; i++) {
            const SnapEntry *s = &l->snap[i];
            if (s->loc != pass)
                continue;
            TcgType type = l->s->temps[s->temp].type;
            unsigned bytes = type == TCG_V256 && host_features.avx ? 32 : type >= TCG_V128 ? 16 : 8;
            Opnd o = pass == LOC_REG ? (Opnd){ OPND_REG, .reg = s->reg } : (Opnd){ OPND_IMM, .reg = NOREG, .imm = s->value };
            ra_store_value(l, ra_home(l, s->temp), bytes, o, tmp);
        }
    }
}

void stub_return_address(Ra *l, const uint64_t data[2])
{
    TcgContext *s = l->s;
    if (s->nb_stubs == s->stub_cap) {
        s->stub_cap = MAX(64, s->stub_cap * 2);
        s->stub_map = g_renew(TcgInsnMap, s->stub_map, s->stub_cap);
    }
    s->stub_map[s->nb_stubs++] = (TcgInsnMap){ l->e.p - l->e.start, { data[0], data[1] } };
}

void stub_zero_groups(Ra *l, const Stub *st)
{
    for (unsigned m = st->zero_regs; m; m &= m - 1)
        x86_zero(&l->e, R8 + __builtin_ctz(m));
    for (unsigned i = 0; i < st->nb_zero; i++)
        x86_store_imm(&l->e, 8, mem_at(RSP, st->zero_slot[i]), 0);
}

static void end_stub(Ra *l, const Stub *st)
{
    if (!st->goes_on)
        l->e.p = put_jmp(l->e.p, st->back);
}

static void address_to_frame(Ra *l, const Stub *st)
{
    l->e.p = put_frame(l->e.p, false, st->arg[0].reg, FRAME_ARG0);
    if (st->disp)
        x86_alu_mi(&l->e, X86_ADD, 8, false, mem_at(RSP, FRAME_ARG0), st->disp);
}

/* What a check of the stack's page, or of a guessed one, does first. */
static void other_page(Ra *l, const Stub *st)
{
    Emit *e = &l->e;
    unsigned mmu = memopidx_mmu(st->oi) % TCG_MMU_MODES;

    if (st->guess) {
        e->p = put_frame(e->p, false, st->tmp, FRAME_ARG0);
        x86_store_imm(e, 4, mem_at(RSP, FRAME_ARG1), st->guess);
        e->p = put_call(e, e->p, frame_guess(l->s->buf, mmu, st->guess_write));
    } else {
        e->p = put_call(e, e->p, frame_stack_page(l->s->buf, mmu, st->tmp));
    }
    x86_jcc_to(e, CC_E, st->stack_check);
}

/* Read-modify-write and x87: all of it is code. */
static void code_stub(Ra *l, const Stub *st, unsigned kind)
{
    Emit *e = &l->e;
    Reg a = st->arg[0].reg;

    if (st->from_misaligned)
        x86_patch_here(e, st->from_misaligned);
    stub_store_snapshot(l, st->snap, st->tmp);
    if (st->disp) {
        x86_lea(e, true, st->tmp, mem_at(a, st->disp));
        a = st->tmp;
    }
    e->p = put_frame(e->p, false, a, FRAME_ARG0);
    x87_stub_state(l, st, true);
    if (kind == THUNK_X87) {
        x87_guest_stub(l, st, frame_thunk(l->s->buf, kind, st->vec_live));
        return;
    }
    ra_store_value(l, mem_at(RSP, FRAME_ARG1), 8, st->arg[1], st->tmp);
    if (kind == THUNK_CMPXCHG)
        ra_store_value(l, mem_at(RSP, FRAME_ARG2), 8, st->arg[2], st->tmp);
    else
        x86_store_imm(e, 4, mem_at(RSP, FRAME_RMW), st->rmw);
    e->p = put_call(e, e->p, frame_thunk(l->s->buf, kind, st->vec_live));
    stub_return_address(l, st->data);
    e->p = put(e->p, 0xa966 | (uint64_t)(uint16_t)st->oi << 16, 4); /* as x86_test_ax() */
    x87_stub_state(l, st, false);
    stub_zero_groups(l, st);
    if (st->out != NOREG)
        e->p = put_frame(e->p, true, st->out, FRAME_RES);
    end_stub(l, st);
}

/* Loads and stores: a note, the call, and what the result takes. */
static void note_stub(Ra *l, const Stub *st, unsigned kind, bool from_above)
{
    Emit *e = &l->e;
    bool vec = kind == THUNK_LDV || kind == THUNK_STV, near = st->disp == (int8_t)st->disp;
    unsigned size = memop_size(memopidx_op(st->oi)), mmu = memopidx_mmu(st->oi) % TCG_MMU_MODES, align = memop_align_mask(memopidx_op(st->oi));
    bool try_at = st->shared && !vec && !align && near; /* the thunk computes the address */
    bool in_frame = st->shared || vec || !near, by_code = in_frame && !try_at;
    bool stores = kind == THUNK_STV || (kind == THUNK_ST && in_frame);
    uint8_t room[SLOW_NOTE_MAX + 16], *note = slow_note(l, st, in_frame, room + SLOW_NOTE_MAX);
    unsigned n = room + SLOW_NOTE_MAX - note;

    if (!put_room(e, n + 192))
        return;
    bool code = from_above || st->stack_check || st->from_misaligned || by_code || stores; /* in front of the note, to go round it */
    if (code) {
        for (unsigned i = 0; i < st->nb_from; i++)
            x86_patch_here(e, st->from[i]);
        if (st->stack_check)
            other_page(l, st);
        if (st->from_misaligned)
            x86_patch_here(e, st->from_misaligned);
        if (by_code)
            address_to_frame(l, st);
        if (kind == THUNK_STV)
            x86_vec_store(e, st->rmw, mem_at(RSP, FRAME_VBUF), st->arg[1].reg);
        else if (stores)
            ra_store_value(l, mem_at(RSP, FRAME_ARG1), 8, st->arg[1], st->tmp);
        e->p = n <= INT8_MAX ? put(e->p, 0xeb | n << 8, 2) : put(e->p, 0xe9 | (uint64_t)n << 8, 5);
    }
    memcpy(e->p, note, 16); /* most are no longer; what lies behind is written next */
    if (unlikely(n > 16))
        memcpy(e->p, note, n);
    e->p += n;
    if (unlikely(l->s->notes)) {
        uint32_t span[2] = { e->p - n - e->start, e->p - e->start };
        g_array_append_vals(l->s->notes, span, 2);
    }
    for (unsigned i = 0; i < st->nb_from && !code; i++)
        x86_patch_here(e, st->from[i]);
    e->p = put_call(e, e->p, try_at ? frame_try_at(l->s->buf, kind, size, mmu, st->arg[0].reg, st->disp != 0) :
                             st->shared ? frame_try(l->s->buf, kind, size, mmu, align) : frame_slow(l->s->buf));
    if (st->shared && st->leader)
        x86_zero(e, st->tmp);
    if (kind == THUNK_LDV && st->alu_reg != NOREG)
        emit_with_memory(e, st->arg[1].imm, st->arg[2].imm, st->alu_reg, st->arg[2].reg, mem_at(RSP, FRAME_VBUF));
    else if (kind == THUNK_LDV)
        x86_vec_load(e, st->rmw, host_features.avx, st->out, mem_at(RSP, FRAME_VBUF)); /* zero above what was loaded */
    else if (kind == THUNK_LD && st->shared && size < 8)
        x86_load(e, size, load_extension(memopidx_op(st->oi)), st->out, mem_at(RSP, FRAME_RES));
    else if (kind == THUNK_LD && in_frame)
        e->p = put_frame(e->p, true, st->out, FRAME_RES);
    if (kind == THUNK_LD && st->alu_reg != NOREG)
        x86_alu_rr(e, st->alu, st->alu_w, st->alu_reg, st->out);
    end_stub(l, st);
}

static void guest_stub(Ra *l, const Stub *st, bool from_above)
{
    static const uint8_t kind_of[TCG_OP_COUNT] = {
        [TCG_OP_guest_ld] = THUNK_LD, [TCG_OP_guest_st] = THUNK_ST, [TCG_OP_guest_rmw] = THUNK_RMW,
        [TCG_OP_guest_cmpxchg] = THUNK_CMPXCHG, [TCG_OP_guest_ldv] = THUNK_LDV, [TCG_OP_guest_stv] = THUNK_STV,
        [TCG_OP_guest_x87] = THUNK_X87,
    };
    unsigned kind = kind_of[st->opc];

    if (kind != THUNK_RMW && kind != THUNK_CMPXCHG && kind != THUNK_X87) {
        note_stub(l, st, kind, from_above);
        return;
    }
    if (!put_room(&l->e, 256)) /* without the snapshot, which asks by itself */
        return;
    for (unsigned i = 0; i < st->nb_from; i++)
        x86_patch_here(&l->e, st->from[i]);
    if (st->stack_check)
        other_page(l, st);
    code_stub(l, st, kind);
}

void guest_stubs(Ra *l)
{
    for (unsigned i = 0; i < l->nb_stubs && !l->e.full; i++) {
        if (l->stub[i].opc == TCG_OP_vzeroupper)
            vzeroupper_stub(l, &l->stub[i]);
        else if (!stub_is_exit(&l->stub[i]))
            guest_stub(l, &l->stub[i], i > 0 && l->stub[i - 1].goes_on);
    }
}

bool lower_guest_op(Ra *l)
{
    switch (l->op->opc) {
    case TCG_OP_guest_ld: lower_guest_ld(l, l->op); break;
    case TCG_OP_guest_st: lower_guest_st(l, l->op); break;
    case TCG_OP_guest_rmw: lower_guest_rmw(l, l->op); break;
    case TCG_OP_guest_cmpxchg: lower_guest_cmpxchg(l, l->op); break;
    case TCG_OP_guest_ldv: lower_guest_ldv(l, l->op); break;
    case TCG_OP_guest_stv: lower_guest_stv(l, l->op); break;
    default: return false;
    }
    return true;
}
