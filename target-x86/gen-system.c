/* gen-system.c - system instructions: flags register, ports, control and debug registers, descriptor tables,
 * MSRs, system calls, processor identification. What they do is in helper-*.c; here are privilege checks that
 * the TB's flags decide, and how the TB goes on.
 * Spec: Intel SDM vol. 2; vol. 3, 2.8 (system instructions). */
#include "target-x86/flags.h"
#include "target-x86/simd.h"

#define ENV_I (tcg_env(dc->s).i)
#define CONST_I(v) (tcg_const(dc->s, v).i)

void gen_X87(DisasContext *dc) { gen_x87_insn(dc); }

/* --- EFLAGS --- */

void gen_PUSHF(DisasContext *dc)
{
    Tv t = gen_temp(dc);

    gen_sync_cc_op(dc);
    CALL_HELPER(dc, pushf, t.i, 2, ENV_I, CONST_I(dc->insn.osize));
    gen_push(dc, t, dc->insn.osize);
}

static bool if_is_ours(const DisasContext *dc) { return !dc->pe || (dc->vm86 ? dc->iopl == 3 : dc->cpl <= dc->iopl); }

/* The six flags and DF in line; a change of others, which a helper makes, is the seldom one and ends the TB. */
void gen_POPF(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc->insn.osize;
    Tv v = tcg_temp_local(s), t, u;
    TcgLabel plain = tcg_label(s);
    uint32_t others = EFL_TF | EFL_NT;

    tcg_gen_mov(s, TCG_I64, v, gen_pop_value(dc, size));
    gen_sync_cc_op(dc);
    if (dc->vm86 && dc->iopl != 3) { /* VME's rules, or a fault */
        CALL_HELPER(dc, popf, NO_OUT, 3, ENV_I, v.i, CONST_I(size));
        gen_pop_commit(dc, size);
        gen_set_cc_op(dc, CC_OP_DYNAMIC);
        dc->end = DISAS_EXIT;
        return;
    }
    gen_pop_commit(dc, size);
    others |= (if_is_ours(dc) ? EFL_IF : 0) | (dc->cpl == 0 ? EFL_IOPL : 0);
    if (size != MO_16)
        others |= EFL_AC | EFL_ID;
    t = tcg_temp(s);
    u = tcg_temp(s);
    tcg_gen_ld(s, t, tcg_env(s), offsetof(CPUX86State, eflags), 8, false);
    tcg_gen_xor(s, TCG_I64, u, t, v);
    tcg_gen_andi(s, TCG_I64, u, u, others);
    if (size != MO_16) { /* it clears RF */
        tcg_gen_andi(s, TCG_I64, t, t, EFL_RF);
        tcg_gen_or(s, TCG_I64, u, u, t);
    }
    tcg_gen_brcondi(s, TCG_I64, TCG_COND_EQ, u, 0, plain);
    CALL_HELPER(dc, popf, NO_OUT, 3, ENV_I, v.i, CONST_I(size));
    gen_store_eip(dc, dc->code64 ? dc_next_eip(dc) : (uint32_t)dc_next_eip(dc));
    gen_leave_stored(dc);
    dc->end = DISAS_NEXT;
    tcg_gen_label(s, plain);
    t = tcg_temp(s);
    tcg_gen_shri(s, TCG_I64, t, v, 9);
    tcg_gen_andi(s, TCG_I64, t, t, 2);
    tcg_gen_sub(s, TCG_I64, t, tcg_const(s, 1), t);
    tcg_gen_st(s, t, tcg_env(s), offsetof(CPUX86State, df), 4);
    gen_set_flags(dc, v);
}

void gen_CLI(DisasContext *dc)
{
    TcgContext *s = dc->s;

    if (if_is_ours(dc)) {
        Tv t = tcg_temp(s);
        tcg_gen_ld(s, t, tcg_env(s), offsetof(CPUX86State, eflags), 8, false);
        tcg_gen_andi(s, TCG_I64, t, t, ~(int64_t)EFL_IF);
        tcg_gen_st(s, t, tcg_env(s), offsetof(CPUX86State, eflags), 8);
    } else {
        CALL_HELPER(dc, cli_vme, NO_OUT, 1, ENV_I);
    }
}

void gen_STI(DisasContext *dc)
{
    TcgContext *s = dc->s;

    if (if_is_ours(dc)) { /* a shadow only if IF was clear */
        Tv t = tcg_temp(s), on = tcg_temp(s), shadow = tcg_temp(s);
        tcg_gen_ld(s, t, tcg_env(s), offsetof(CPUX86State, eflags), 8, false);
        tcg_gen_ld(s, shadow, tcg_env(s), offsetof(CPUX86State, inhibit_irq), 4, false);
        tcg_gen_andi(s, TCG_I64, on, t, EFL_IF);
        tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, shadow, on, tcg_const(s, 0), tcg_const(s, SHADOW_STI), shadow);
        tcg_gen_ori(s, TCG_I64, t, t, EFL_IF);
        tcg_gen_st(s, shadow, tcg_env(s), offsetof(CPUX86State, inhibit_irq), 4);
        tcg_gen_st(s, t, tcg_env(s), offsetof(CPUX86State, eflags), 8);
    } else {
        CALL_HELPER(dc, sti_vme, NO_OUT, 1, ENV_I);
    }
    /* The instruction in the shadow comes along if it can: nothing looks for interrupts before it, and every way
     * out after it does. If the TB ends before it, inhibit_irq is still set, and the next TB is the shadow. */
    dc->after_sti = !dc->plain_exits;
    dc->shadow_next = true;
    dc->plain_exits = true;
    dc->max_insns = MIN(dc->max_insns, dc->nb_insns + 1);
}

static void set_df(DisasContext *dc, int v)
{
    tcg_gen_st(dc->s, tcg_const(dc->s, (uint32_t)v), tcg_env(dc->s), offsetof(CPUX86State, df), 4);
}
void gen_CLD(DisasContext *dc) { set_df(dc, 1); }
void gen_STD(DisasContext *dc) { set_df(dc, -1); }

static void gen_set_ac(DisasContext *dc, bool on)
{
    if (dc->cpl != 0) {
        gen_exception(dc, EXCP_UD);
        return;
    }
    Tv code = tcg_temp(dc->s);
    gen_sync_cc_op(dc);
    gen_store_eip(dc, dc_next_eip(dc));
    CALL_HELPER(dc, set_ac, code.i, 2, ENV_I, CONST_I(on));
    gen_leave_to(dc, code);
}
void gen_CLAC(DisasContext *dc) { gen_set_ac(dc, false); }
void gen_STAC(DisasContext *dc) { gen_set_ac(dc, true); }

/* --- ports --- */

static Tv port_number(DisasContext *dc, unsigned size)
{
    TcgContext *s = dc->s;
    Tv port;

    if (dc->insn.row->op[1] == O_Ib) {
        port = tcg_const(s, dc->insn.imm);
    } else {
        port = tcg_temp(s);
        tcg_gen_ext16u(s, TCG_I32, port, gen_reg(R_EDX));
    }
    if (dc->pe && (dc->vm86 || dc->cpl > dc->iopl))
        CALL_HELPER(dc, check_io, NO_OUT, 3, ENV_I, port.i, CONST_I(1u << size));
    return port;
}

void gen_IN(DisasContext *dc)
{
    unsigned size = dc_op_size(dc, 0);
    Tv port = port_number(dc, size), v = tcg_temp(dc->s);

    gen_sync_cc_op(dc);
    CALL_HELPER(dc, in, v.i, 3, ENV_I, port.i, CONST_I(1u << size));
    gen_write_reg(dc, size, R_EAX, v);
    if (dc->flags & HF_IOBP) /* the trap comes at the TB's end */
        dc->end = DISAS_LOOKUP;
}

void gen_OUT(DisasContext *dc)
{
    unsigned size = dc_op_size(dc, 0);
    Tv port = port_number(dc, size), v;

    v = gen_extend(dc, gen_reg(R_EAX), size, false);
    gen_sync_cc_op(dc);
    CALL_HELPER(dc, out, NO_OUT, 4, ENV_I, port.i, v.i, CONST_I(1u << size));
    dc->end = DISAS_LOOKUP_PTR; /* polls: the device may have raised a line or asked for a reset */
}

/* --- halting --- */

static void gen_stop(DisasContext *dc, const TcgHelperInfo *helper)
{
    gen_sync_cc_op(dc);
    tcg_gen_call(dc->s, helper, NO_OUT, 2, ENV_I, gen_eip(dc, dc_next_eip(dc)).i);
    tcg_gen_exit_tb(dc->s, TB_EXIT_LOOKUP);
    dc->end = DISAS_NORETURN;
}
void gen_HLT(DisasContext *dc) { gen_stop(dc, &helper_info_hlt); }

/* Outside of ring 0 these two are no instructions, rather than a fault of privilege. */
void gen_MWAIT(DisasContext *dc)
{
    if (dc->cpl != 0)
        gen_exception(dc, EXCP_UD);
    else
        gen_stop(dc, &helper_info_mwait);
}

void gen_MONITOR(DisasContext *dc)
{
    Tv a = tcg_temp(dc->s);

    if (dc->cpl != 0) {
        gen_exception(dc, EXCP_UD);
        return;
    }
    gen_mask_addr(dc, a, gen_reg(R_EAX), dc->insn.asize);
    a = gen_add_seg(dc, dc->insn.seg, a, 1, false);
    CALL_HELPER(dc, monitor, NO_OUT, 2, ENV_I, a.i);
}

void gen_NOP90(DisasContext *dc);
void gen_PAUSE(DisasContext *dc)
{
    if (dc->insn.rex_b) {
        gen_NOP90(dc);
        return;
    }
    gen_sync_cc_op(dc);
    CALL_HELPER(dc, pause, NO_OUT, 1, ENV_I);
    dc->end = DISAS_LOOKUP_PTR;
}

/* --- calls without more ado: state in env is all they need --- */

#define SIMPLE(NAME, helper, next)                                                                                     \
    void gen_##NAME(DisasContext *dc)                                                                                  \
    {                                                                                                                  \
        gen_sync_cc_op(dc);                                                                                            \
        CALL_HELPER(dc, helper, NO_OUT, 1, ENV_I);                                                                     \
        if ((next) != DISAS_NEXT)                                                                                      \
            dc->end = next;                                                                                            \
    }
SIMPLE(CLTS, clts, DISAS_LOOKUP)
SIMPLE(WBINVD, wbinvd, DISAS_NEXT)
SIMPLE(RDMSR, rdmsr, DISAS_NEXT)
SIMPLE(WRMSR, wrmsr, DISAS_EXIT)
SIMPLE(RDTSCP, rdtscp, DISAS_NEXT)
SIMPLE(RDPMC, rdpmc, DISAS_NEXT)
SIMPLE(CPUID, cpuid, DISAS_NEXT)
SIMPLE(RDPKRU, rdpkru, DISAS_NEXT)
SIMPLE(WRPKRU, wrpkru, DISAS_NEXT)
SIMPLE(XSETBV, xsetbv, DISAS_LOOKUP)
#undef SIMPLE

void gen_XGETBV(DisasContext *dc)
{
    TcgContext *s = dc->s;
    TcgLabel slow = tcg_label(s), done = tcg_label(s);

    gen_sync_cc_op(dc);
    if (dc->flags & HF_OSXSAVE) { /* XCR0, as nearly always */
        Tv n = tcg_temp(s), v = tcg_temp(s);
        tcg_gen_ext32u(s, TCG_I64, n, gen_reg(R_ECX));
        tcg_gen_brcondi(s, TCG_I64, TCG_COND_NE, n, 0, slow);
        tcg_gen_ld(s, v, tcg_env(s), offsetof(CPUX86State, xcr0), 8, false);
        gen_write_reg(dc, MO_32, R_EAX, v);
        tcg_gen_shri(s, TCG_I64, v, v, 32);
        gen_write_reg(dc, MO_32, R_EDX, v);
        tcg_gen_br(s, done);
    }
    tcg_gen_label(s, slow);
    CALL_HELPER(dc, xgetbv, NO_OUT, 1, ENV_I);
    tcg_gen_label(s, done);
}

void gen_SWAPGS(DisasContext *dc)
{
    TcgContext *s = dc->s;
    const unsigned base = offsetof(CPUX86State, segs) + R_GS * sizeof(SegCache) + offsetof(SegCache, base),
                   other = offsetof(CPUX86State, kernel_gs_base);
    Tv t = tcg_temp(s), u = tcg_temp(s);

    tcg_gen_ld(s, t, tcg_env(s), base, 8, false);
    tcg_gen_ld(s, u, tcg_env(s), other, 8, false);
    tcg_gen_st(s, u, tcg_env(s), base, 8);
    tcg_gen_st(s, t, tcg_env(s), other, 8);
}

void gen_RDTSC(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Tv tsc = tcg_temp(s), half = tcg_temp(s);

    CALL_HELPER(dc, rdtsc, tsc.i, 1, ENV_I);
    tcg_gen_shri(s, TCG_I64, half, tsc, 32);
    gen_write_reg(dc, MO_32, R_EAX, tsc);
    gen_write_reg(dc, MO_32, R_EDX, half);
}

/* --- control transfers by helper: eip is set --- */

/* TF was looked at with the new flags, by the helper: no trap on behalf of the old ones. code: what helper_lookup_code()
 * would say. */
static void leave_eip_set(DisasContext *dc, Tv code)
{
    tcg_gen_goto_code(dc->s, code);
    dc->end = DISAS_NORETURN;
}

void gen_SYSCALL(DisasContext *dc)
{
    Tv code = tcg_temp(dc->s);

    gen_sync_cc_op(dc);
    CALL_HELPER(dc, syscall, code.i, 2, ENV_I, gen_eip(dc, dc_next_eip(dc)).i);
    leave_eip_set(dc, code);
}
void gen_SYSRET(DisasContext *dc)
{
    Tv code = tcg_temp(dc->s);

    gen_sync_cc_op(dc);
    CALL_HELPER(dc, sysret, code.i, 2, ENV_I, CONST_I(dc->insn.osize));
    leave_eip_set(dc, code);
}
void gen_SYSENTER(DisasContext *dc)
{
    gen_sync_cc_op(dc);
    CALL_HELPER(dc, sysenter, NO_OUT, 1, ENV_I);
    gen_leave_stored(dc);
}
void gen_SYSEXIT(DisasContext *dc)
{
    gen_sync_cc_op(dc);
    CALL_HELPER(dc, sysexit, NO_OUT, 2, ENV_I, CONST_I(dc->insn.osize));
    gen_leave_stored(dc);
}
void gen_RSM(DisasContext *dc)
{
    if (!(dc->flags & HF_SMM)) {
        gen_exception(dc, EXCP_UD);
        return;
    }
    gen_sync_cc_op(dc);
    CALL_HELPER(dc, rsm, NO_OUT, 1, ENV_I);
    gen_lookup_stored(dc); /* as leave_eip_set() */
}

/* --- descriptor tables, TR, LDTR, selectors --- */

static void check_umip(DisasContext *dc)
{
    if ((dc->flags & HF_UMIP) && dc->cpl > 0)
        CALL_HELPER(dc, sgdt_umip, NO_OUT, 1, ENV_I);
}

static void gen_store_dt(DisasContext *dc, unsigned limit_off, unsigned base_off)
{
    TcgContext *s = dc->s;
    unsigned base_size = dc->code64 ? MO_64 : MO_32;
    Tv limit = gen_temp(dc), base = gen_temp(dc);

    check_umip(dc);
    AddrRef m = gen_mem_operand(dc, 2 + (1u << base_size), true), m2 = { m.addr, m.disp + 2 };
    tcg_gen_ld(s, limit, tcg_env(s), limit_off, 4, false);
    tcg_gen_ld(s, base, tcg_env(s), base_off, 8, false);
    gen_store(dc, limit, m, MO_16);
    gen_store(dc, base, m2, base_size);
}
void gen_SGDT(DisasContext *dc) { gen_store_dt(dc, offsetof(CPUX86State, gdt.limit), offsetof(CPUX86State, gdt.base)); }
void gen_SIDT(DisasContext *dc) { gen_store_dt(dc, offsetof(CPUX86State, idt.limit), offsetof(CPUX86State, idt.base)); }

static void gen_load_dt(DisasContext *dc, unsigned which)
{
    TcgContext *s = dc->s;
    unsigned base_size = dc->code64 ? MO_64 : MO_32;
    AddrRef m = gen_mem_operand(dc, 2 + (1u << base_size), false), m2 = { m.addr, m.disp + 2 };
    Tv limit = tcg_temp(s), base = tcg_temp(s);

    gen_load(dc, limit, m, MO_16);
    gen_load(dc, base, m2, base_size);
    if (!dc->code64 && dc->insn.osize == MO_16)
        tcg_gen_andi(s, TCG_I64, base, base, 0xffffff);
    CALL_HELPER(dc, write_dt, NO_OUT, 4, ENV_I, CONST_I(which), base.i, limit.i);
}
void gen_LGDT(DisasContext *dc) { gen_load_dt(dc, 0); }
void gen_LIDT(DisasContext *dc) { gen_load_dt(dc, 1); }

/* A 16-bit system register: whole to memory, zero-extended to a register. */
static void gen_store16(DisasContext *dc, Tv v)
{
    if (dc_op_is_mem(dc, 0))
        gen_store(dc, v, dc->mem, MO_16);
    else
        gen_operand_write(dc, 0, v);
}

static void prepare_store16(DisasContext *dc)
{
    check_umip(dc);
    if (dc_op_is_mem(dc, 0))
        dc->mem = gen_mem_operand(dc, 2, true);
}

void gen_SLDT(DisasContext *dc)
{
    Tv t = tcg_temp(dc->s);
    prepare_store16(dc);
    CALL_HELPER(dc, read_tr_ldt, t.i, 2, ENV_I, CONST_I(0));
    gen_store16(dc, t);
}
void gen_STR(DisasContext *dc)
{
    Tv t = tcg_temp(dc->s);
    prepare_store16(dc);
    CALL_HELPER(dc, read_tr_ldt, t.i, 2, ENV_I, CONST_I(1));
    gen_store16(dc, t);
}
void gen_SMSW(DisasContext *dc)
{
    Tv t = tcg_temp(dc->s);
    prepare_store16(dc);
    tcg_gen_ld(dc->s, t, tcg_env(dc->s), offsetof(CPUX86State, cr[0]), 8, false);
    gen_store16(dc, t);
}

/* Operand Ew, zero-extended. */
static Tv operand16(DisasContext *dc, unsigned n)
{
    Tv t = gen_temp(dc), v;

    if (dc_op_is_mem(dc, n))
        return gen_operand(dc, n);
    v = gen_operand(dc, n);
    tcg_gen_ext16u(dc->s, TCG_I32, t, v);
    return t;
}

void gen_LLDT(DisasContext *dc)
{
    Tv v = operand16(dc, 0);
    CALL_HELPER(dc, lldt, NO_OUT, 2, ENV_I, v.i);
}
void gen_LTR(DisasContext *dc)
{
    Tv v = operand16(dc, 0);
    CALL_HELPER(dc, ltr, NO_OUT, 2, ENV_I, v.i);
}
void gen_LMSW(DisasContext *dc)
{
    Tv v = operand16(dc, 0);
    gen_sync_cc_op(dc);
    CALL_HELPER(dc, lmsw, NO_OUT, 2, ENV_I, v.i);
    dc->end = DISAS_LOOKUP;
}

/* The helper changes ZF in cc_src. */
void gen_VERR(DisasContext *dc)
{
    Tv v = operand16(dc, 0);
    gen_flags_for_helper(dc);
    CALL_HELPER(dc, verr, NO_OUT, 2, ENV_I, v.i);
}
void gen_VERW(DisasContext *dc)
{
    Tv v = operand16(dc, 0);
    gen_flags_for_helper(dc);
    CALL_HELPER(dc, verw, NO_OUT, 2, ENV_I, v.i);
}

static void gen_lar_lsl(DisasContext *dc, const TcgHelperInfo *helper)
{
    TcgContext *s = dc->s;
    Tv v = operand16(dc, 1), r = tcg_temp(s), zf = tcg_temp(s), t = tcg_temp(s);
    unsigned size = dc_op_size(dc, 0);

    gen_flags_for_helper(dc);
    tcg_gen_call(s, helper, r.i, 2, ENV_I, v.i);
    tcg_gen_andi(s, TCG_I64, zf, gen_cc_src(), CC_Z);
    /* the register changes only when ZF was set */
    if (size == MO_16) {
        tcg_gen_movcond(s, TCG_I64, TCG_COND_NE, t, zf, tcg_const(s, 0), r, gen_reg(dc->insn.reg));
        gen_write_reg(dc, MO_16, dc->insn.reg, t);
    } else {
        tcg_gen_ext32u(s, TCG_I64, r, r);
        tcg_gen_movcond(s, TCG_I64, TCG_COND_NE, t, zf, tcg_const(s, 0), r, gen_reg(dc->insn.reg));
        gen_write_reg(dc, MO_64, dc->insn.reg, t);
    }
}
void gen_LAR(DisasContext *dc) { gen_lar_lsl(dc, &helper_info_lar); }
void gen_LSL(DisasContext *dc) { gen_lar_lsl(dc, &helper_info_lsl); }

/* Memory is written only if the RPL changes. */
void gen_ARPL(DisasContext *dc)
{
    TcgContext *s = dc->s;
    bool mem = dc_op_is_mem(dc, 0);
    Tv flags = tcg_temp_local(s), old = tcg_temp_local(s), want = tcg_temp_local(s), z = tcg_temp_local(s), rpl, adj;
    TcgLabel same = tcg_label(s);

    tcg_gen_mov(s, TCG_I64, old, gen_operand(dc, 0));
    tcg_gen_mov(s, TCG_I64, flags, gen_eflags_value(dc));
    rpl = tcg_temp(s);
    tcg_gen_andi(s, TCG_I32, rpl, old, 3);
    tcg_gen_andi(s, TCG_I32, want, gen_reg(dc->insn.reg), 3);
    tcg_gen_setcond(s, TCG_I32, TCG_COND_LTU, z, rpl, want);
    tcg_gen_brcondi(s, TCG_I32, TCG_COND_EQ, z, 0, same);
    AddrRef a = {0};
    if (mem)
        a = gen_mem_operand(dc, 2, true);
    adj = tcg_temp(s);
    tcg_gen_deposit(s, TCG_I32, adj, old, want, 0, 2);
    if (mem)
        gen_store(dc, adj, a, MO_16);
    else
        gen_write_reg(dc, MO_16, dc->insn.rm, adj);
    tcg_gen_label(s, same);
    tcg_gen_deposit(s, TCG_I64, flags, flags, z, 6, 1);
    gen_set_flags(dc, flags);
}

/* The line around DS:rAX. */
void gen_CLZERO(DisasContext *dc)
{
    dc->insn.mod = 0;
    dc->insn.base = R_EAX;
    gen_sync_cc_op(dc);
    CALL_HELPER(dc, clzero, NO_OUT, 2, ENV_I, gen_linear(dc, gen_mem_operand(dc, 1, true)).i);
}

void gen_INVLPG(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Tv ea = gen_lea(dc);

    if (dc->code64 ? dc->insn.seg >= R_FS : !(dc->flags & HF_FLAT_SEG(dc->insn.seg))) { /* the base, but no check */
        Tv base = tcg_temp(s), lin = tcg_temp(s);
        tcg_gen_ld(s, base, tcg_env(s), offsetof(CPUX86State, segs) + dc->insn.seg * sizeof(SegCache) + offsetof(SegCache, base),
                   8, false);
        tcg_gen_add(s, dc->code64 ? TCG_I64 : TCG_I32, lin, base, ea);
        ea = lin;
    }
    CALL_HELPER(dc, invlpg, NO_OUT, 2, ENV_I, ea.i);
    dc->end = DISAS_LOOKUP;
}

void gen_INVPCID(DisasContext *dc)
{
    Tv lo = gen_temp(dc), addr = gen_temp(dc), type = gen_extend(dc, gen_reg(dc->insn.reg), dc->code64 ? MO_64 : MO_32, false);
    AddrRef m = gen_mem_operand(dc, 16, false), m2 = { m.addr, m.disp + 8 };

    gen_load(dc, lo, m, MO_64);
    gen_load(dc, addr, m2, MO_64);
    CALL_HELPER(dc, invpcid, NO_OUT, 4, ENV_I, type.i, lo.i, addr.i);
    dc->end = DISAS_LOOKUP;
}

/* --- control and debug registers --- */

static bool cr_exists(const DisasContext *dc) { return dc->insn.reg != 1 && dc->insn.reg < 9 && (dc->insn.reg < 5 || dc->insn.reg == 8); }

void gen_MOV_FROM_CR(DisasContext *dc)
{
    Tv t = tcg_temp(dc->s);

    if (!cr_exists(dc)) {
        gen_exception(dc, EXCP_UD);
        return;
    }
    CALL_HELPER(dc, read_cr, t.i, 2, ENV_I, CONST_I(dc->insn.reg));
    gen_write_reg(dc, dc->code64 ? MO_64 : MO_32, dc->insn.rm, t);
}

static Tv full_register(DisasContext *dc) { return gen_extend(dc, gen_reg(dc->insn.rm), dc->code64 ? MO_64 : MO_32, false); }

void gen_MOV_TO_CR(DisasContext *dc)
{
    if (!cr_exists(dc)) {
        gen_exception(dc, EXCP_UD);
        return;
    }
    Tv v = full_register(dc);
    gen_sync_cc_op(dc);
    CALL_HELPER(dc, write_cr, NO_OUT, 3, ENV_I, CONST_I(dc->insn.reg), v.i);
    dc->end = DISAS_EXIT;
}

void gen_MOV_FROM_DR(DisasContext *dc)
{
    Tv t = tcg_temp(dc->s);

    if (dc->insn.reg > 7) {
        gen_exception(dc, EXCP_UD);
        return;
    }
    CALL_HELPER(dc, read_dr, t.i, 2, ENV_I, CONST_I(dc->insn.reg));
    gen_write_reg(dc, dc->code64 ? MO_64 : MO_32, dc->insn.rm, t);
}

void gen_MOV_TO_DR(DisasContext *dc)
{
    if (dc->insn.reg > 7) {
        gen_exception(dc, EXCP_UD);
        return;
    }
    Tv v = full_register(dc);
    gen_sync_cc_op(dc);
    CALL_HELPER(dc, write_dr, NO_OUT, 3, ENV_I, CONST_I(dc->insn.reg), v.i);
    dc->end = DISAS_LOOKUP;
}

/* --- odds and ends --- */

void gen_RDPID(DisasContext *dc)
{
    Tv t = tcg_temp(dc->s);

    tcg_gen_ld(dc->s, t, tcg_env(dc->s), offsetof(CPUX86State, tsc_aux), 4, false);
    gen_write_reg(dc, dc->code64 ? MO_64 : MO_32, dc->insn.rm, t);
}

/* RDRAND, RDSEED: never short of randomness. */
void gen_RDRAND(DisasContext *dc)
{
    Tv t = tcg_temp(dc->s);

    CALL_HELPER(dc, random, t.i, 1, ENV_I);
    gen_write_reg(dc, dc->insn.osize, dc->insn.rm, t);
    gen_set_flags(dc, tcg_const(dc->s, CC_C));
}
