/* gen-branch.c - jumps, calls, returns, loops, software interrupts.
 * Spec: Intel SDM vol. 2; vol. 3, 6.12 for interrupts. */
#include "target-x86/flags.h"
#include "target-x86/sys.h"
#include "target-x86/translate.h"

static uint64_t relative_target(const DisasContext *dc) { return dc_mask_eip(dc, dc_next_eip(dc) + dc->insn.imm); }

static bool may_be_bad(const DisasContext *dc, uint64_t target) { return dc->code64 && !canonical_above(target, 16); }

/* #GP at the branch, not at its target. True: always. What five levels of page tables reach and four do not is looked at
 * when it runs: TBs do not know how many there are. */
static bool gen_faults_at_branch(DisasContext *dc, uint64_t target)
{
    if (!may_be_bad(dc, target))
        return false;
    if (!canonical_above(target, 7)) {
        gen_exception_gp0(dc);
        return true;
    }
    gen_sync_cc_op(dc);
    CALL_HELPER(dc, branch_target, NO_OUT, 3, tcg_env(dc->s).i, tcg_const(dc->s, target).i, tcg_const(dc->s, 0).i);
    return false;
}

/* The instruction behind this one, as execution falls through to it. */
static uint64_t fallthrough(const DisasContext *dc) { return dc->code64 ? dc_next_eip(dc) : (uint32_t)dc_next_eip(dc); }

/* Near calls have 64 bits wherever code floats: nothing to mask. */
static Tv gen_return_eip(DisasContext *dc)
{
    return gen_eip(dc, dc_mask_eip(dc, dc_next_eip(dc)));
}

static void gen_branch(DisasContext *dc, Cond c)
{
    TcgContext *s = dc->s;
    uint64_t target = relative_target(dc);
    TcgLabel taken = tcg_label(s);

    bool lazy0 = gen_flags_dead_at(dc, fallthrough(dc)), lazy1 = gen_flags_dead_at(dc, target);

    /* If one way alone needs cc_op it stores it itself; not where that would keep the back end from making the
     * conditional jump the chained one (a backward target polls first). */
    if (!lazy0 && (!lazy1 || target <= dc_eip(dc)))
        gen_sync_cc_op(dc);
    bool dirty = dc->cc_op_dirty;
    tcg_gen_brcond(s, c.type, c.cond, c.a, c.b, taken);
    gen_goto_lazy(dc, 0, fallthrough(dc), lazy0);
    dc->cc_op_dirty = dirty;
    tcg_gen_label(s, taken);
    if (gen_faults_at_branch(dc, target))
        return;
    gen_check_cs_limit(dc, tcg_const(s, target));
    gen_goto_lazy(dc, 1, target, lazy1);
}

void gen_JCC(DisasContext *dc);
/* Another Jcc follows and will look at the same flags: in a TB of its own it would have to work them out anew. */
static bool jcc_follows(const DisasContext *dc)
{
    DisasContext peek;

    if (dc->plain_exits || dc->nb_insns >= dc->max_insns || ((dc->pc_next ^ dc->pc_first) & TCG_PAGE_MASK) ||
        !(dc->code64 || (dc->flags & HF_FLAT_CS)))
        return false;
    peek = *dc;
    peek.pc = dc->pc_next;
    peek.fetch_pages_open = false; /* reads from no other page: cannot fault */
    return decode_insn(&peek) == DECODE_OK && peek.insn.row && peek.insn.row->gen == gen_JCC;
}

void gen_RET(DisasContext *dc);

/* Decodes what *peek's pc is at, in the TB's page; goes behind it. */
static bool peek_insn(DisasContext *peek)
{
    if ((peek->pc ^ peek->pc_first) & TCG_PAGE_MASK || decode_insn(peek) != DECODE_OK)
        return false;
    peek->pc = peek->pc_next;
    return true;
}

/* A branch back that is not a loop's: what is there returns, without a further branch. */
static bool returns_from(DisasContext peek, uint64_t target)
{
    enum { LOOK_AHEAD = 8 };

    peek.pc = target;
    for (unsigned i = 0; i < LOOK_AHEAD && peek_insn(&peek); i++) {
        if (peek.insn.row && peek.insn.row->attr & ROW_ENDS)
            return peek.insn.row->gen == gen_RET;
    }
    return false;
}

/* Code for vectors that tests what it has found, and goes on with vectors if that is nothing: string functions. In one TB
 * vectors stay in registers, checks of pages are shared, and nobody stores flags. The branch, for which there is no chaining
 * slot then, is assumed to be taken less often. */
static bool vectors_follow(const DisasContext *dc, uint64_t target)
{
    enum { LOOK_AHEAD = 4, ROOM = 8 };
    DisasContext peek;

    if (dc->vec_mode == VEC_NONE || !dc->code64 || dc->plain_exits || dc->flags & HF_CODE_BP)
        return false;
    if (dc->nb_side_jumps == TCG_MAX_SIDE_JUMPS || dc->nb_insns + ROOM > dc->max_insns)
        return false;
    peek = *dc;
    peek.fetch_pages_open = false; /* reads from no other page: cannot fault */
    if (target <= dc->pc && (!dc_may_chain(dc, target) || !returns_from(peek, target)))
        return false;
    peek.pc = dc->pc_next;
    for (unsigned i = 0; i < LOOK_AHEAD && peek_insn(&peek); i++) {
        if (simd_is_vector_access(&peek))
            return true;
        if (peek.insn.row && peek.insn.row->attr & ROW_ENDS && peek.insn.row->gen != gen_JCC)
            return false;
    }
    return false;
}

void gen_JCC(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Cond c = gen_cond(dc, dc->insn.opcode & 15);
    uint64_t target = relative_target(dc);

    if (!may_be_bad(dc, target) && vectors_follow(dc, target)) {
        if (cc_op_is_over(dc->cc_op))
            gen_sync_cc_op(dc);
        dc->nb_side_jumps++;
        tcg_gen_side_jump(s, c.type, c.cond, c.a, c.b, dc_op_eip(dc, target), dc->cc_op_dirty ? offsetof(CPUX86State, cc_op) : 0, dc->cc_op);
        return;
    }
    if (may_be_bad(dc, target) || target <= dc_eip(dc) || !jcc_follows(dc)) {
        gen_branch(dc, c);
        return;
    }
    /* The TB goes on; its two chaining slots are for the last of the branches, this one looks its target up. */
    TcgLabel next = tcg_label(s);
    gen_sync_cc_op(dc);
    tcg_gen_brcond(s, c.type, tcg_cond_invert(c.cond), c.a, c.b, next);
    tcg_gen_goto_ptr(s, gen_pc(dc, dc->code64 ? target : (uint32_t)(dc->cs_base + target)));
    tcg_gen_label(s, next);
}

void gen_JMP(DisasContext *dc)
{
    uint64_t target = relative_target(dc);

    if (gen_faults_at_branch(dc, target))
        return;
    gen_check_cs_limit(dc, tcg_const(dc->s, target));
    gen_goto(dc, 0, target);
}

void gen_CALL(DisasContext *dc)
{
    uint64_t target = relative_target(dc);

    if (gen_faults_at_branch(dc, target))
        return;
    gen_check_call_target(dc, tcg_const(dc->s, target));
    gen_push(dc, gen_return_eip(dc), dc->insn.osize);
    gen_goto(dc, 0, target);
}

/* Target operand in a temp that the push cannot change. */
static Tv indirect_target(DisasContext *dc)
{
    unsigned size = dc->insn.osize;
    Tv v = gen_operand(dc, 0), t;

    if ((dc->code64 && dc->nb_insns == 1) || (!dc->code64 && !(dc->flags & HF_FLAT_CS)) || !dc->all_flat)
        t = tcg_temp_local(dc->s);
    else
        t = tcg_temp(dc->s);
    if (size == MO_16)
        tcg_gen_ext16u(dc->s, TCG_I32, t, v);
    else
        tcg_gen_mov(dc->s, type_of_size(size), t, v);
    return t;
}

void gen_CALL_IND(DisasContext *dc)
{
    Tv t = indirect_target(dc);

    gen_check_call_target(dc, t);
    gen_push(dc, gen_return_eip(dc), dc->insn.osize);
    gen_goto_reg(dc, t, 0); /* canonical already */
}

void gen_JMP_IND(DisasContext *dc)
{
    Tv t = indirect_target(dc);

    gen_check_cs_limit(dc, t);
    gen_goto_reg(dc, t, 0);
}

void gen_RET(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc->insn.osize;
    Tv t = gen_pop_value(dc, size);

    if (!dc->code64 && !(dc->flags & HF_FLAT_CS)) {
        Tv l = tcg_temp_local(s);
        tcg_gen_mov(s, TCG_I64, l, t);
        t = l;
        gen_check_cs_limit(dc, t);
    }
    gen_pop_commit(dc, size);
    int sp = 1 << size;
    if (dc->insn.row->op[0] == O_Iw) {
        sp += dc->insn.imm;
        Tv sp = tcg_temp(s);
        tcg_gen_addi(s, dc->code64 ? TCG_I64 : TCG_I32, sp, gen_reg(R_ESP), dc->insn.imm);
        gen_write_sp(dc, sp);
    }
    gen_goto_reg(dc, t, sp);
}

/* --- LOOP, JCXZ: the counter has the address size --- */

static Tv counter_not_zero(DisasContext *dc, Tv cx)
{
    Tv m = tcg_temp(dc->s), t = tcg_temp(dc->s);

    gen_mask_addr(dc, m, cx, dc->insn.asize);
    tcg_gen_setcondi(dc->s, TCG_I64, TCG_COND_NE, t, m, 0);
    return t;
}

/* A target that may be out of bounds: it faults before the counter changes. */
static void gen_loop_check(DisasContext *dc, int cond)
{
    TcgContext *s = dc->s;
    uint64_t target = relative_target(dc);
    bool faults = may_be_bad(dc, target);
    TcgLabel skip = tcg_label(s);

    if (!faults && (dc->code64 || (dc->flags & HF_FLAT_CS)))
        return;
    gen_sync_cc_op(dc);
    Tv t = tcg_temp(s), go;
    tcg_gen_subi(s, dc->insn.asize == MO_64 ? TCG_I64 : TCG_I32, t, gen_reg(R_ECX), 1);
    go = counter_not_zero(dc, t);
    if (cond >= 0) {
        Tv both = tcg_temp(s);
        tcg_gen_and(s, TCG_I64, both, go, gen_cond_value(dc, cond));
        go = both;
    }
    tcg_gen_brcond(s, TCG_I64, TCG_COND_EQ, go, tcg_const(s, 0), skip);
    if (faults)
        CALL_HELPER(dc, branch_target, NO_OUT, 3, tcg_env(s).i, tcg_const(s, target).i, tcg_const(s, 0).i);
    else
        gen_check_cs_limit(dc, tcg_const(s, target));
    tcg_gen_label(s, skip);
}

static void gen_loop(DisasContext *dc, int cond)
{
    TcgContext *s = dc->s;
    Tv cx = gen_reg(R_ECX), z, go, t;

    gen_loop_check(dc, cond);
    t = tcg_temp(s);
    z = cond >= 0 ? gen_cond_value(dc, cond) : tcg_const(s, 1);
    tcg_gen_subi(s, dc->insn.asize == MO_64 ? TCG_I64 : TCG_I32, t, cx, 1);
    gen_write_reg(dc, dc->insn.asize, R_ECX, t);
    go = counter_not_zero(dc, cx);
    if (cond >= 0) {
        Tv both = tcg_temp(s);
        tcg_gen_and(s, TCG_I64, both, go, z);
        go = both;
    }
    gen_branch(dc, (Cond){ TCG_I64, TCG_COND_NE, go, tcg_const(s, 0) });
}

void gen_LOOP(DisasContext *dc) { gen_loop(dc, -1); }
void gen_LOOPE(DisasContext *dc) { gen_loop(dc, 4); }
void gen_LOOPNE(DisasContext *dc) { gen_loop(dc, 5); }
void gen_JCXZ(DisasContext *dc)
{
    gen_branch(dc, (Cond){ TCG_I64, TCG_COND_EQ, counter_not_zero(dc, gen_reg(R_ECX)), tcg_const(dc->s, 0) });
}

/* --- far transfers: helpers set eip and everything else --- */

/* Real and 8086 mode: the code segment is a number, but it is part of what TBs are found by. */
static void check_offset_8086(DisasContext *dc, Tv off)
{
    if (dc->insn.osize != MO_16) /* the limit is 64 KiB, or more */
        gen_check_cs_limit(dc, off);
}

static void set_cs_eip_8086(DisasContext *dc, Tv sel, Tv off)
{
    TcgContext *s = dc->s;

    gen_load_seg_8086(dc, R_CS, sel);
    tcg_gen_st(s, off, tcg_env(s), offsetof(CPUX86State, head.eip), 8);
}

static void gen_far_jump(DisasContext *dc, Tv sel, Tv off)
{
    TcgContext *s = dc->s;

    gen_sync_cc_op(dc);
    if (dc_is_8086(dc)) {
        check_offset_8086(dc, off);
        set_cs_eip_8086(dc, sel, off);
    } else {
        CALL_HELPER(dc, far_jmp, NO_OUT, 4, tcg_env(s).i, sel.i, off.i, gen_eip(dc, fallthrough(dc)).i);
    }
    gen_leave_stored(dc);
}

static void gen_far_call(DisasContext *dc, Tv sel, Tv off)
{
    TcgContext *s = dc->s;

    gen_sync_cc_op(dc);
    if (dc_is_8086(dc)) {
        check_offset_8086(dc, off);
        gen_push2(dc, gen_read_selector(dc, R_CS), tcg_const(s, fallthrough(dc)), dc->insn.osize);
        set_cs_eip_8086(dc, sel, off);
        gen_leave_stored(dc);
        return;
    }
    CALL_HELPER(dc, far_call, NO_OUT, 5, tcg_env(s).i, sel.i, off.i, tcg_const(s, dc->insn.osize).i,
                gen_eip(dc, fallthrough(dc)).i);
    gen_leave_stored(dc);
}

static void load_far_operand(DisasContext *dc, Tv *sel, Tv *off)
{
    unsigned size = dc->insn.osize;
    AddrRef m = gen_mem_operand(dc, 1u << size, false);

    *off = gen_temp(dc);
    gen_load(dc, *off, m, size);
    *sel = gen_temp(dc);
    gen_load(dc, *sel, gen_mem_second(dc, m, 1 << size, 2, false), MO_16);
}

void gen_JMPF(DisasContext *dc) { gen_far_jump(dc, tcg_const(dc->s, dc->insn.imm2), tcg_const(dc->s, dc->insn.imm)); }
void gen_CALLF(DisasContext *dc) { gen_far_call(dc, tcg_const(dc->s, dc->insn.imm2), tcg_const(dc->s, dc->insn.imm)); }
void gen_JMPF_IND(DisasContext *dc)
{
    Tv sel, off;
    load_far_operand(dc, &sel, &off);
    gen_far_jump(dc, sel, off);
}
void gen_CALLF_IND(DisasContext *dc)
{
    Tv sel, off;
    load_far_operand(dc, &sel, &off);
    gen_far_call(dc, sel, off);
}

void gen_RETF(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned add = dc->insn.row->op[0] == O_Iw ? dc->insn.imm : 0, size = dc->insn.osize;

    gen_sync_cc_op(dc);
    if (dc_is_8086(dc)) {
        Tv sel = gen_stack_value(dc, 1, size), off = gen_stack_value(dc, 0, size);
        check_offset_8086(dc, off);
        tcg_gen_ext16u(s, TCG_I32, sel, sel);
        gen_stack_drop(dc, (int)(2u << size) + (int)add);
        set_cs_eip_8086(dc, sel, off);
        gen_leave_stored(dc);
        return;
    }
    CALL_HELPER(dc, far_ret, NO_OUT, 3, tcg_env(s).i, tcg_const(s, dc->insn.osize).i, tcg_const(s, add).i);
    gen_leave_stored(dc);
}

void gen_IRET(DisasContext *dc)
{
    TcgContext *s = dc->s;

    gen_sync_cc_op(dc);
    if (!dc->pe || (dc->vm86 && dc->iopl == 3)) {
        unsigned size = dc->insn.osize;
        tcg_gen_st(s, tcg_const(s, 0), tcg_env(s), offsetof(CPUX86State, nmi_masked), 1); /* even if it faults */
        Tv off = gen_stack_value(dc, 0, size), sel = gen_stack_value(dc, 1, size), flags = gen_stack_value(dc, 2, size),
           code = tcg_temp(s);
        check_offset_8086(dc, off);
        tcg_gen_ext16u(s, TCG_I32, sel, sel);
        gen_stack_drop(dc, 3 << size);
        set_cs_eip_8086(dc, sel, off);
        CALL_HELPER(dc, iret_8086, code.i, 3, tcg_env(s).i, flags.i, tcg_const(s, size).i);
        gen_leave_to(dc, code);
        return;
    }
    CALL_HELPER(dc, iret, NO_OUT, 3, tcg_env(s).i, tcg_const(s, dc->insn.osize).i, gen_eip(dc, fallthrough(dc)).i);
    gen_leave_stored(dc);
}

/* --- software interrupts --- */

static void gen_interrupt(DisasContext *dc, int vector)
{
    TcgContext *s = dc->s;

    Tv code = tcg_temp(s);

    /* Delivered at once, without a way through the loop; a fault on the way finds env as it was before the instruction. */
    gen_sync_cc_op(dc);
    gen_store_eip(dc, dc_eip(dc));
    CALL_HELPER(dc, interrupt, code.i, 3, tcg_env(s).i, tcg_const(s, vector).i, gen_eip(dc, fallthrough(dc)).i);
    tcg_gen_goto_code(s, code);
    dc->end = DISAS_NORETURN;
}

void gen_INT(DisasContext *dc) { gen_interrupt(dc, dc->insn.imm); }
void gen_INT3(DisasContext *dc) { gen_interrupt(dc, EXCP_BP); }
void gen_INT1(DisasContext *dc)
{
    TcgContext *s = dc->s;

    gen_sync_cc_op(dc);
    CALL_HELPER(dc, raise_icebp, NO_OUT, 2, tcg_env(s).i, gen_eip(dc, fallthrough(dc)).i);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    dc->end = DISAS_NORETURN;
}

void gen_INTO(DisasContext *dc)
{
    TcgLabel skip = tcg_label(dc->s);
    Cond c = gen_cond(dc, 1); /* no overflow */

    gen_sync_cc_op(dc);
    tcg_gen_brcond(dc->s, c.type, c.cond, c.a, c.b, skip);
    CALL_HELPER(dc, raise_interrupt, NO_OUT, 3, tcg_env(dc->s).i, tcg_const(dc->s, EXCP_OF).i,
                gen_eip(dc, fallthrough(dc)).i);
    tcg_gen_label(dc->s, skip);
}

void gen_BOUND(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc->insn.osize;
    MemOp op = size | MO_SIGN;

    AddrRef m = gen_mem_operand(dc, 1u << size, false);
    Tv lo = gen_temp(dc), hi = tcg_temp(s), bad = tcg_temp(s), bad2 = tcg_temp(s), v;
    TcgLabel ok = tcg_label(s);

    gen_load(dc, lo, m, op);
    gen_load(dc, hi, gen_mem_second(dc, m, 1 << size, 1u << size, false), op);
    v = gen_extend(dc, gen_reg(dc->insn.reg), size, true);
    tcg_gen_setcond(s, TCG_I64, TCG_COND_LT, bad, v, lo);
    tcg_gen_setcond(s, TCG_I64, TCG_COND_GT, bad2, v, hi);
    tcg_gen_or(s, TCG_I64, bad, bad, bad2);
    tcg_gen_brcondi(s, TCG_I64, TCG_COND_EQ, bad, 0, ok);
    CALL_HELPER(dc, raise_exception, NO_OUT, 2, tcg_env(s).i, tcg_const(s, EXCP_BR).i);
    tcg_gen_label(s, ok);
}

void gen_UD(DisasContext *dc) { gen_exception(dc, EXCP_UD); }
