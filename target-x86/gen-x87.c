/* gen-x87.c - decodes the escapes D8-DF and WAIT; each instruction is a helper call on env's registers.
 * Memory operands are accessed by generated code before (loads) or between (stores) the helpers.
 * Spec: Intel SDM vol. 2 appendix A.5 (escape opcode maps); vol. 1 section 8.3.11 (waiting instructions). */
#include "host/base/osdep.h"
#include "target-x86/simd.h"
#include "target-x86/x87.h"

#define ENV_OFF(field) ((int64_t)offsetof(CPUX86State, field))

static Tv konst(DisasContext *dc, uint64_t v) { return tcg_const(dc->s, v); }

#define CALL0(name) tcg_gen_call(dc->s, &helper_info_##name, TCG_NO_TEMP, 1, tcg_env(dc->s).i)
#define CALL1(name, a) tcg_gen_call(dc->s, &helper_info_##name, TCG_NO_TEMP, 2, tcg_env(dc->s).i, (a).i)
#define CALL2(name, a, b) tcg_gen_call(dc->s, &helper_info_##name, TCG_NO_TEMP, 3, tcg_env(dc->s).i, (a).i, (b).i)
#define CALLR0(name, r) tcg_gen_call(dc->s, &helper_info_##name, (r).i, 1, tcg_env(dc->s).i)
#define CALLR1(name, r, a) tcg_gen_call(dc->s, &helper_info_##name, (r).i, 2, tcg_env(dc->s).i, (a).i)

/* ---- shared with gen-sse.c ---- */

void gen_fp_pending(DisasContext *dc)
{
    TcgContext *s = dc->s;

    if (dc->insn.simd)
        gen_x87_flush(dc);
    if (!(dc->flags & HF_X87_UNMASKED))
        return; /* ES is set only while an exception is unmasked */
    Tv t = tcg_temp(s);
    TcgLabel ok = tcg_label(s);

    gen_sync_cc_op(dc);
    tcg_gen_ld(s, t, tcg_env(s), ENV_OFF(fpus), 2, false);
    tcg_gen_brcondi(s, TCG_I32, TCG_COND_TSTEQ, t, FPUS_ES, ok);
    CALL0(raise_mf);
    tcg_gen_label(s, ok);
}

void gen_leave_if(DisasContext *dc, Tv changed)
{
    TcgContext *s = dc->s;

    if (dc->plain_exits) /* the end of the TB looks up afresh anyway */
        return;
    TcgLabel same = tcg_label(s);
    gen_sync_cc_op(dc);
    tcg_gen_brcondi(s, TCG_I32, TCG_COND_EQ, changed, 0, same);
    gen_store_eip(dc, dc_next_eip(dc));
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    tcg_gen_label(s, same);
}

Tv gen_linear(DisasContext *dc, AddrRef a)
{
    if (!a.disp)
        return a.addr;
    Tv t = tcg_temp(dc->s);
    tcg_gen_addi(dc->s, TCG_I64, t, a.addr, a.disp);
    return t;
}

/* ---- FIP, FDP, FOP ---- */

static void note_selector(DisasContext *dc, int seg, int64_t off)
{
    Tv t = tcg_temp(dc->s);
    if (dc->code64) {
        t = konst(dc, 0);
    } else {
        tcg_gen_ld(dc->s, t, tcg_env(dc->s), ENV_OFF(segs) + seg * sizeof(SegCache) + offsetof(SegCache, selector), 2, false);
    }
    tcg_gen_st(dc->s, t, tcg_env(dc->s), off, 2);
}

static void note_pointers(DisasContext *dc)
{
    TcgContext *s = dc->s;

    tcg_gen_st(s, gen_eip(dc, dc_eip(dc)), tcg_env(s), ENV_OFF(fpip), 8);
    tcg_gen_st(s, konst(dc, (dc->insn.opcode & 7) << 8 | dc->insn.modrm), tcg_env(s), ENV_OFF(fpop), 2);
    note_selector(dc, R_CS, ENV_OFF(fpcs));
}

static void note_data_pointer(DisasContext *dc)
{
    tcg_gen_st(dc->s, gen_lea(dc), tcg_env(dc->s), ENV_OFF(fpdp), 8);
    note_selector(dc, dc->insn.seg, ENV_OFF(fpds));
}

/* ---- memory forms ---- */

static Tv load(DisasContext *dc, MemOp op)
{
    Tv t = tcg_temp(dc->s);
    gen_load(dc, t, gen_mem_operand(dc, memop_size(op), false), op);
    return t;
}

static void arith_m(DisasContext *dc, unsigned op, unsigned kind /* 0 m32, 1 m64, 2 int */, Tv v)
{
    static const TcgHelperInfo *const info[8][3] = {
#define ROW(n) {&helper_info_##n##_m32, &helper_info_##n##_m64, &helper_info_##n##_int}
        [0] = ROW(fadd), [1] = ROW(fmul), [4] = ROW(fsub), [5] = ROW(fsubr), [6] = ROW(fdiv), [7] = ROW(fdivr),
#undef ROW
    };
    static const TcgHelperInfo *const com[3] = {&helper_info_fcom_m32, &helper_info_fcom_m64, &helper_info_fcom_int};

    if (op == 2 || op == 3)
        tcg_gen_call(dc->s, com[kind], TCG_NO_TEMP, 3, tcg_env(dc->s).i, v.i, konst(dc, op == 3).i);
    else
        tcg_gen_call(dc->s, info[op][kind], TCG_NO_TEMP, 2, tcg_env(dc->s).i, v.i);
}

static void pop_inline(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Tv top = tcg_temp(s), tag = tcg_temp(s);

    tcg_gen_ld(s, top, tcg_env(s), ENV_OFF(fpstt), 4, false);
    tcg_gen_add(s, TCG_I64, tag, tcg_env(s), top);
    tcg_gen_st(s, konst(dc, 1), tag, ENV_OFF(fptags), 1);
    tcg_gen_addi(s, TCG_I32, top, top, 1);
    tcg_gen_andi(s, TCG_I32, top, top, 7);
    tcg_gen_st(s, top, tcg_env(s), ENV_OFF(fpstt), 4);
}

/* Store v (and the word in mm_scratch[6] of 80-bit operands), unless the helper that made v asked not to. */
static void store_result(DisasContext *dc, Tv v, AddrRef a, MemOp op, const AddrRef *second, bool pop)
{
    TcgContext *s = dc->s;
    bool checked = dc->flags & HF_X87_UNMASKED;
    TcgLabel done = {0};

    if (checked) {
        Tv skip = tcg_temp(s);
        done = tcg_label(s);
        tcg_gen_ld(s, skip, tcg_env(s), ENV_OFF(mm_scratch[7]), 4, false);
        tcg_gen_brcondi(s, TCG_I32, TCG_COND_TSTNE, skip, 1, done);
    }
    gen_store(dc, v, a, op);
    if (second) {
        Tv hi = tcg_temp(s);
        tcg_gen_ld(s, hi, tcg_env(s), ENV_OFF(mm_scratch[6]), 2, false);
        gen_store(dc, hi, *second, MO_16);
    }
    if (checked) {
        tcg_gen_label(s, done);
        CALL1(fst_done, konst(dc, pop));
    } else if (pop) {
        pop_inline(dc);
    }
}

static Tv local_copy(DisasContext *dc, Tv v)
{
    Tv t = tcg_temp_local(dc->s);
    tcg_gen_mov(dc->s, TCG_I64, t, v);
    return t;
}

static void probe_store(DisasContext *dc, AddrRef a, unsigned bytes)
{
    tcg_gen_call(dc->s, &helper_info_x87_probe, TCG_NO_TEMP, 3, tcg_env(dc->s).i, gen_linear(dc, a).i, konst(dc, bytes).i);
}

typedef enum StoreKind { ST_M32, ST_M64, ST_M80, ST_BCD, ST_INT } StoreKind;

static void store(DisasContext *dc, StoreKind kind, unsigned fist, bool pop)
{
    TcgContext *s = dc->s;
    bool checked = dc->flags & HF_X87_UNMASKED; /* there is a branch around the store then */
    Tv v = checked ? tcg_temp_local(s) : tcg_temp(s);
    MemOp op = kind == ST_M32 ? MO_32 : kind == ST_INT ? (MemOp)(MO_16 + (fist & 3)) : MO_64;
    bool ten = kind == ST_M80 || kind == ST_BCD;
    AddrRef a = gen_mem_operand(dc, memop_size(op), true), second;

    if (checked || !dc->all_flat)
        a.addr = local_copy(dc, a.addr);
    /* a fault must find the status as it was, and the first of two stores not done */
    probe_store(dc, a, memop_size(op));
    if (ten) {
        second = gen_mem_second(dc, a, 8, 2, true);
        if (checked)
            second.addr = local_copy(dc, second.addr);
        probe_store(dc, second, 2);
    }
    switch (kind) {
    case ST_M32: CALLR0(fst_m32, v); break;
    case ST_M64: CALLR0(fst_m64, v); break;
    case ST_M80: CALLR0(fst_m80, v); break;
    case ST_BCD: CALLR0(fbst, v); break;
    case ST_INT: CALLR1(fist, v, konst(dc, fist)); break;
    }
    store_result(dc, v, a, op, ten ? &second : NULL, pop);
}

static void load_ten(DisasContext *dc, const TcgHelperInfo *info)
{
    Tv lo = gen_temp(dc), hi = tcg_temp(dc->s);
    AddrRef a = gen_mem_operand(dc, 8, false);

    gen_load(dc, lo, a, MO_64);
    gen_load(dc, hi, gen_mem_second(dc, a, 8, 2, false), MO_16);
    tcg_gen_call(dc->s, info, TCG_NO_TEMP, 3, tcg_env(dc->s).i, lo.i, hi.i);
}

/* The helper checks what is behind the first word. */
static void env_image(DisasContext *dc, const TcgHelperInfo *info, bool write)
{
    bool is32 = dc->insn.osize != MO_16;
    unsigned fmt = (is32 ? X87_ENV_32 : 0) | (!dc->pe || dc->vm86 ? X87_ENV_REAL : 0) | dc_area(dc);
    Tv addr = gen_linear(dc, gen_mem_operand(dc, is32 ? 4 : 2, write)), changed = tcg_temp(dc->s);

    gen_sync_cc_op(dc);
    tcg_gen_call(dc->s, info, changed.i, 3, tcg_env(dc->s).i, addr.i, konst(dc, fmt).i);
    gen_leave_if(dc, changed);
}

/* False: undefined. */
static bool gen_memory(DisasContext *dc, unsigned esc, unsigned op)
{
    switch (esc) {
    case 0: arith_m(dc, op, 0, load(dc, MO_32)); return true;
    case 4: arith_m(dc, op, 1, load(dc, MO_64)); return true;
    case 2: arith_m(dc, op, 2, load(dc, MO_32 | MO_SIGN)); return true;
    case 6: arith_m(dc, op, 2, load(dc, MO_16 | MO_SIGN)); return true;
    case 1:
        switch (op) {
        case 0: CALL1(fld_m32, load(dc, MO_32)); return true;
        case 2: case 3: store(dc, ST_M32, 0, op == 3); return true;
        default: return false;
        }
    case 3:
        switch (op) {
        case 0: CALL1(fld_int, load(dc, MO_32 | MO_SIGN)); return true;
        case 1: store(dc, ST_INT, FIST_32 | FIST_TRUNC, true); return true;
        case 2: case 3: store(dc, ST_INT, FIST_32, op == 3); return true;
        case 5: load_ten(dc, &helper_info_fld_m80); return true;
        case 7: store(dc, ST_M80, 0, true); return true;
        default: return false;
        }
    case 5:
        switch (op) {
        case 0: CALL1(fld_m64, load(dc, MO_64)); return true;
        case 1: store(dc, ST_INT, FIST_64 | FIST_TRUNC, true); return true;
        case 2: case 3: store(dc, ST_M64, 0, op == 3); return true;
        default: return false;
        }
    default: /* DF */
        switch (op) {
        case 0: CALL1(fld_int, load(dc, MO_16 | MO_SIGN)); return true;
        case 1: store(dc, ST_INT, FIST_16 | FIST_TRUNC, true); return true;
        case 2: case 3: store(dc, ST_INT, FIST_16, op == 3); return true;
        case 4: load_ten(dc, &helper_info_fbld); return true;
        case 5: CALL1(fld_int, load(dc, MO_64)); return true;
        case 6: store(dc, ST_BCD, 0, true); return true;
        default: store(dc, ST_INT, FIST_64, true); return true;
        }
    }
}

static Tv gen_fnstsw(DisasContext *dc)
{
    Tv t = tcg_temp(dc->s);
    if (!gen_x87_status(dc, t))
        CALLR0(fnstsw, t);
    return t;
}

/* Control instructions with a memory operand: no pointers are noted. False: not one of them. */
static bool gen_control_memory(DisasContext *dc, unsigned esc, unsigned op)
{
    TcgContext *s = dc->s;
    AddrRef a;
    Tv t;

    if (esc == 1 && op >= 4) {
        switch (op) {
        case 4:
            gen_fp_pending(dc);
            env_image(dc, &helper_info_fldenv, false);
            break;
        case 5:
            if (gen_x87_fldcw(dc))
                break;
            gen_fp_pending(dc);
            t = tcg_temp(s);
            CALLR1(fldcw, t, load(dc, MO_16));
            gen_leave_if(dc, t);
            break;
        case 6: env_image(dc, &helper_info_fnstenv, true); break;
        default:
            a = gen_mem_operand(dc, 2, true);
            t = tcg_temp(s);
            tcg_gen_ld(s, t, tcg_env(s), ENV_OFF(fpuc), 2, false);
            gen_store(dc, t, a, MO_16);
            break;
        }
        return true;
    }
    if (esc == 5 && op == 4) {
        gen_fp_pending(dc);
        env_image(dc, &helper_info_frstor, false);
        return true;
    }
    if (esc == 5 && op == 6) {
        env_image(dc, &helper_info_fnsave, true);
        return true;
    }
    if (esc == 5 && op == 7) {
        a = gen_mem_operand(dc, 2, true);
        gen_store(dc, gen_fnstsw(dc), a, MO_16);
        return true;
    }
    return false;
}

/* ---- register forms ---- */

static void arith_st(DisasContext *dc, unsigned op, unsigned dst, unsigned src, bool pop)
{
    static const TcgHelperInfo *const info[8] = {
        [0] = &helper_info_fadd_st, [1] = &helper_info_fmul_st, [4] = &helper_info_fsub_st,
        [5] = &helper_info_fsubr_st, [6] = &helper_info_fdiv_st, [7] = &helper_info_fdivr_st,
    };
    tcg_gen_call(dc->s, info[op], TCG_NO_TEMP, 2, tcg_env(dc->s).i, konst(dc, X87_ST_ARG(dst, src, pop)).i);
}

static void gen_fcmov(DisasContext *dc, unsigned cond, bool negate, unsigned i)
{
    static const uint32_t bits[4] = {CC_C, CC_Z, CC_C | CC_Z, CC_P};
    Tv f = gen_eflags_value(dc), c = tcg_temp(dc->s), m = tcg_temp(dc->s);

    tcg_gen_andi(dc->s, TCG_I32, m, f, bits[cond]);
    tcg_gen_setcondi(dc->s, TCG_I32, negate ? TCG_COND_EQ : TCG_COND_NE, c, m, 0);
    CALL2(fcmov, konst(dc, i), c);
}

static void gen_fcomi(DisasContext *dc, unsigned i, bool pop, bool unordered)
{
    Tv f = tcg_temp(dc->s);
    CALLR1(fcomi, f, konst(dc, X87_COM_ARG(i, pop, unordered)));
    gen_set_flags(dc, f);
}

/* False: undefined. */
static bool gen_register(DisasContext *dc, unsigned esc, unsigned op, unsigned i)
{
    switch (esc) {
    case 0:
        if (op == 2 || op == 3)
            CALL1(fcom_st, konst(dc, X87_COM_ARG(i, op == 3, 0)));
        else
            arith_st(dc, op, 0, i, false);
        return true;
    case 1:
        if (op == 0) {
            CALL1(fld_st, konst(dc, i));
        } else if (op == 1) {
            CALL1(fxch, konst(dc, i));
        } else if (op == 3) { /* FSTP1 alias */
            CALL2(fst_st, konst(dc, i), konst(dc, FST_POP | FST_NO_CHECK));
        } else if (op == 5 && i < 7) {
            CALL1(fld_const, konst(dc, i));
        } else if (op >= 4) {
            CALL1(x87_unary, konst(dc, dc->insn.modrm & 0x1f));
        } else {
            return op == 2 && i == 0; /* FNOP */
        }
        return true;
    case 2:
        if (op < 4)
            gen_fcmov(dc, op, false, i);
        else if (op == 5 && i == 1)
            CALL1(fcom_st, konst(dc, X87_COM_ARG(1, 2, 1))); /* FUCOMPP */
        else
            return false;
        return true;
    case 3:
        if (op < 4)
            gen_fcmov(dc, op, true, i);
        else if (op == 5 || op == 6)
            gen_fcomi(dc, i, false, op == 5);
        else
            return false;
        return true;
    case 4:
        if (op == 2 || op == 3) /* aliases of FCOM */
            CALL1(fcom_st, konst(dc, X87_COM_ARG(i, op == 3, 0)));
        else
            arith_st(dc, op < 2 ? op : op ^ 1, i, 0, false);
        return true;
    case 5:
        switch (op) {
        case 0: CALL2(ffree, konst(dc, i), konst(dc, 0)); return true;
        case 1: CALL1(fxch, konst(dc, i)); return true; /* alias */
        case 2: case 3: CALL2(fst_st, konst(dc, i), konst(dc, op == 3)); return true;
        case 4: case 5: CALL1(fcom_st, konst(dc, X87_COM_ARG(i, op == 5, 1))); return true;
        default: return false;
        }
    case 6:
        if (op == 3 && i == 1)
            CALL1(fcom_st, konst(dc, X87_COM_ARG(1, 2, 0))); /* FCOMPP */
        else if (op == 2)
            CALL1(fcom_st, konst(dc, X87_COM_ARG(i, 1, 0))); /* alias of FCOMP */
        else if (op == 3)
            return false;
        else
            arith_st(dc, op < 2 ? op : op ^ 1, i, 0, true);
        return true;
    default: /* DF */
        switch (op) {
        case 0: CALL2(ffree, konst(dc, i), konst(dc, 1)); return true; /* FFREEP */
        case 1: CALL1(fxch, konst(dc, i)); return true;                 /* alias */
        case 2: case 3: CALL2(fst_st, konst(dc, i), konst(dc, 1)); return true; /* aliases of FSTP */
        case 5: case 6: gen_fcomi(dc, i, true, op == 5); return true;
        default: return false;
        }
    }
}

/* Control instructions without memory operand. False: not one of them. */
static bool gen_control_register(DisasContext *dc)
{
    unsigned esc = dc->insn.opcode & 7, modrm = dc->insn.modrm;

    if (esc == 3 && modrm >= 0xe0 && modrm <= 0xe4) {
        if (modrm == 0xe2) {
            CALL0(fnclex);
        } else if (modrm == 0xe3) {
            Tv changed = tcg_temp(dc->s);
            CALLR0(fninit, changed);
            gen_leave_if(dc, changed);
        }
        return true; /* FNENI, FNDISI, FNSETPM do nothing since the 387 */
    }
    if (esc == 7 && modrm == 0xe0) { /* FNSTSW AX */
        Tv t = gen_fnstsw(dc);
        tcg_gen_deposit(dc->s, TCG_I64, gen_reg(R_EAX), gen_reg(R_EAX), t, 0, 16);
        return true;
    }
    return false;
}

/* The holes of the register half of the opcode map. */
static bool is_defined_register(unsigned esc, unsigned op, unsigned i)
{
    switch (esc) {
    case 1: return op == 2 ? i == 0 : op == 4 ? i < 2 || i == 4 || i == 5 : op == 5 ? i < 7 : true;
    case 2: return op < 4 || (op == 5 && i == 1);
    case 3: return op < 4 || op == 5 || op == 6;
    case 5: return op < 6;
    case 6: return op != 3 || i == 1;
    case 7: return op < 4 || op == 5 || op == 6;
    default: return true;
    }
}

static void x87_insn(DisasContext *dc)
{
    unsigned esc = dc->insn.opcode & 7, modrm = dc->insn.modrm, op = modrm >> 3 & 7;
    bool wait = dc->insn.opcode == 0x9b, mem = !wait && modrm < 0xc0;

    if (dc->insn.lock) {
        gen_exception(dc, EXCP_UD);
        return;
    }
    if (wait ? (dc->flags & (HF_MP | HF_TS)) == (HF_MP | HF_TS) : dc->flags & (HF_EM | HF_TS)) {
        gen_exception(dc, EXCP_NM);
        return;
    }
    if (wait) {
        gen_fp_pending(dc);
        return;
    }
    if (mem ? gen_control_memory(dc, esc, op) : gen_control_register(dc))
        return;
    if (mem ? (esc == 1 && op == 1) || (esc == 3 && (op == 4 || op == 6)) || (esc == 5 && op == 5)
            : !is_defined_register(esc, op, modrm & 7)) {
        gen_exception(dc, EXCP_UD);
        return;
    }
    if (mem ? gen_x87_mem(dc) : gen_x87_reg(dc)) {
        if (mem)
            note_data_pointer(dc);
        return;
    }
    gen_fp_pending(dc);
    if (mem)
        gen_memory(dc, esc, op);
    else
        gen_register(dc, esc, op, modrm & 7);
    gen_x87_flush(dc); /* an older note must not come after this one */
    note_pointers(dc);
    if (mem)
        note_data_pointer(dc);
}

/* The instruction that generated code left to a helper has been done: back to the other TBs. */
static void gen_slow_done(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Tv slow = tcg_temp(s), changed = tcg_temp(s);
    TcgLabel on = tcg_label(s);

    gen_sync_cc_op(dc);
    tcg_gen_ld(s, slow, tcg_env(s), ENV_OFF(x87_slow), 1, false);
    tcg_gen_brcondi(s, TCG_I32, TCG_COND_EQ, slow, 0, on);
    CALLR0(x87_slow_done, changed);
    if (!dc->plain_exits) {
        gen_store_eip(dc, dc_next_eip(dc));
        tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    }
    tcg_gen_label(s, on);
}

void gen_x87_insn(DisasContext *dc)
{
    x87_insn(dc);
    if (dc->end == DISAS_NEXT && dc->flags & HF_X87_UNMASKED)
        gen_slow_done(dc);
}
