/* gen-sse.c - IR for the rows of simd.def: SSE to SSE4.2, AES, SHA, PCLMULQDQ, the 0F AE group.
 * Most rows become one `simd` op that re-emits the guest's instruction on host registers; memory operands
 * are loaded before it, so that a fault leaves the guest's state untouched. gen_mem_operand() may end the
 * basic block (segment checks): no temp may be live across it.
 * Spec: Intel SDM vol. 2; vol. 3 section 2.5 and vol. 2 section 2.4 (exception classes). */
#include "host/base/osdep.h"
#include "target-x86/cpuid.h"
#include "target-x86/simd.h"

static bool in_memory(const DisasContext *dc) { return dc->insn.mod != 3; }

static unsigned opnd_reg(const DisasContext *dc, SimdOpnd o)
{
    return o == SO_Vx || o == SO_Gd || o == SO_Gy ? dc->insn.reg : dc->insn.rm;
}

void simd_emit2(DisasContext *dc, Vv d, Vv b, SimdEnc enc, unsigned imm)
{
    tcg_gen_simd(dc->s, TCG_V128, d.i, enc & SIMD_DST_READ ? d.i : b.i, b.i, TCG_NO_TEMP, enc, imm);
}

Vv simd_load_src(DisasContext *dc, const SimdRow *row)
{
    SimdOpnd o = row->src;
    MemOp op = simd_opnd_memop(o, dc->insn.rex_w);
    bool reg_form = o == SO_Vx || o == SO_Pq || !in_memory(dc);

    if (reg_form && simd_opnd_is_mmx(o))
        return mmx_load(dc, (o == SO_Pq ? dc->insn.modrm >> 3 : dc->insn.modrm) & 7);
    if (reg_form)
        return gen_xmm(opnd_reg(dc, o));
    Vv t = tcg_tempv(dc->s, TCG_V128);
    AddrRef a = gen_mem_op(dc, op, false);
    if ((op & MO_SIZE) == MO_16) {
        Tv g = tcg_temp(dc->s);
        gen_load(dc, g, a, MO_16);
        tcg_gen_simd(dc->s, TCG_V128, t.i, gen_xmm(dc->insn.reg).i, g.i, TCG_NO_TEMP, HOST_MOVD_TO_XMM, 0);
    } else {
        if ((op & MO_ALIGN_GP) && (dc->flags & HF_FP_UNMASKED) && cpu_has(dc->env, X86F_MISALIGNSSE)) {
            gen_sync_cc_op(dc);
            tcg_gen_call(dc->s, &helper_info_check_misalign, TCG_NO_TEMP, 2, tcg_env(dc->s).i, gen_linear(dc, a).i);
            op &= ~MO_ALIGN_GP;
        }
        gen_loadv(dc, t, a, op);
    }
    return t;
}

static Tv load_gpr_src(DisasContext *dc, const SimdRow *row)
{
    if (!in_memory(dc))
        return gen_reg(dc->insn.rm);
    MemOp op = simd_opnd_memop(row->src, dc->insn.rex_w);
    Tv t = tcg_temp(dc->s);
    gen_load(dc, t, gen_mem_op(dc, op, false), op);
    return t;
}

/* ---- unmasked floating-point exceptions ---- */

bool simd_fp_checked(const DisasContext *dc, const SimdRow *row)
{
    return (row->flags & SROW_FP) && (dc->flags & HF_FP_UNMASKED);
}

void simd_fp_begin(DisasContext *dc, const SimdRow *row)
{
    if (simd_fp_checked(dc, row))
        tcg_gen_call(dc->s, &helper_info_simd_fp_begin, TCG_NO_TEMP, 1, tcg_env(dc->s).i);
}

void simd_fp_end(DisasContext *dc, const SimdRow *row)
{
    if (simd_fp_checked(dc, row)) {
        gen_sync_cc_op(dc);
        tcg_gen_call(dc->s, &helper_info_simd_fp_end, TCG_NO_TEMP, 1, tcg_env(dc->s).i);
    }
}

/* ---- the kinds ---- */

static void gen_OP(DisasContext *dc, const SimdRow *row)
{
    TcgContext *s = dc->s;
    SimdEnc enc = simd_row_enc(row, dc->insn.rex_w);
    bool gpr_dst = simd_opnd_is_gpr(row->dst), gpr_src = simd_opnd_is_gpr(row->src);
    TcgTempIdx src = gpr_src ? load_gpr_src(dc, row).i : simd_load_src(dc, row).i;
    TcgTempIdx dst = gpr_dst ? gen_reg(opnd_reg(dc, row->dst)).i : gen_xmm(opnd_reg(dc, row->dst)).i;
    TcgTempIdx x0 = row->flags & SROW_X0 ? gen_xmm(0).i : TCG_NO_TEMP;
    TcgTempIdx old = row->flags & SROW_RD || gpr_src ? dst : src;

    if (!simd_fp_checked(dc, row)) {
        tcg_gen_simd(s, TCG_V128, dst, old, src, x0, enc, dc->insn.imm);
        return;
    }
    simd_fp_begin(dc, row);
    if (gpr_dst) {
        Tv t = tcg_temp(s);
        tcg_gen_simd(s, TCG_V128, t.i, old, src, x0, enc, dc->insn.imm);
        simd_fp_end(dc, row);
        tcg_gen_mov(s, TCG_I64, (Tv){dst}, t);
    } else {
        Vv t = tcg_tempv(s, TCG_V128);
        if (old == dst)
            tcg_gen_movv(s, TCG_V128, t, (Vv){dst});
        tcg_gen_simd(s, TCG_V128, t.i, old == dst ? t.i : old, src, x0, enc, dc->insn.imm);
        simd_fp_end(dc, row);
        tcg_gen_movv(s, TCG_V128, (Vv){dst}, t);
    }
}

static void load_to(DisasContext *dc, Vv d, MemOp op) { gen_loadv(dc, d, gen_mem_op(dc, op, false), op); }
static void store_from(DisasContext *dc, Vv v, MemOp op) { gen_storev(dc, v, gen_mem_op(dc, op, true), op); }

static void gen_LOAD(DisasContext *dc, const SimdRow *row)
{
    if (in_memory(dc))
        load_to(dc, gen_xmm(dc->insn.reg), simd_opnd_memop(row->src, false));
    else
        tcg_gen_movv(dc->s, TCG_V128, gen_xmm(dc->insn.reg), gen_xmm(dc->insn.rm));
}

static void gen_STORE(DisasContext *dc, const SimdRow *row)
{
    if (in_memory(dc))
        store_from(dc, gen_xmm(dc->insn.reg), simd_opnd_memop(row->dst, false));
    else
        tcg_gen_movv(dc->s, TCG_V128, gen_xmm(dc->insn.rm), gen_xmm(dc->insn.reg));
}

static void gen_LOADS(DisasContext *dc, const SimdRow *row)
{
    if (in_memory(dc))
        load_to(dc, gen_xmm(dc->insn.reg), simd_opnd_memop(row->src, false));
    else
        simd_emit2(dc, gen_xmm(dc->insn.reg), gen_xmm(dc->insn.rm), row->src == SO_Wd ? HOST_MOVSS : HOST_MOVSD, 0);
}

static void gen_STORES(DisasContext *dc, const SimdRow *row)
{
    if (in_memory(dc))
        store_from(dc, gen_xmm(dc->insn.reg), simd_opnd_memop(row->dst, false));
    else
        simd_emit2(dc, gen_xmm(dc->insn.rm), gen_xmm(dc->insn.reg), row->dst == SO_Wd ? HOST_MOVSS : HOST_MOVSD, 0);
}

static void gen_LOADLO(DisasContext *dc, const SimdRow *row)
{
    simd_emit2(dc, gen_xmm(dc->insn.reg), simd_load_src(dc, &(SimdRow){.src = SO_Wq}), HOST_MOVSD, 0);
}

static void gen_LOADHI(DisasContext *dc, const SimdRow *row)
{
    simd_emit2(dc, gen_xmm(dc->insn.reg), simd_load_src(dc, &(SimdRow){.src = SO_Wq}), HOST_MOVLHPS, 0);
}

static void gen_STORELO(DisasContext *dc, const SimdRow *row) { store_from(dc, gen_xmm(dc->insn.reg), MO_64); }

static void gen_STOREHI(DisasContext *dc, const SimdRow *row)
{
    Vv t = tcg_tempv(dc->s, TCG_V128);
    AddrRef a = gen_mem_operand(dc, 8, true);
    simd_emit2(dc, t, gen_xmm(dc->insn.reg), HOST_PSHUFD, 0xee);
    gen_storev(dc, t, a, MO_64);
}

static void gen_MOVQ(DisasContext *dc, const SimdRow *row)
{
    if (in_memory(dc))
        load_to(dc, gen_xmm(dc->insn.reg), MO_64);
    else
        simd_emit2(dc, gen_xmm(dc->insn.reg), gen_xmm(dc->insn.rm), HOST_MOVQ, 0);
}

static void gen_STOREQ(DisasContext *dc, const SimdRow *row)
{
    if (in_memory(dc))
        store_from(dc, gen_xmm(dc->insn.reg), MO_64);
    else
        simd_emit2(dc, gen_xmm(dc->insn.rm), gen_xmm(dc->insn.reg), HOST_MOVQ, 0);
}

static void gen_MOVD(DisasContext *dc, const SimdRow *row)
{
    if (in_memory(dc))
        load_to(dc, gen_xmm(dc->insn.reg), simd_opnd_memop(row->src, dc->insn.rex_w));
    else
        gen_OP(dc, row);
}

static void gen_STORED(DisasContext *dc, const SimdRow *row)
{
    Vv v = gen_xmm(dc->insn.reg);

    if (in_memory(dc))
        store_from(dc, v, simd_opnd_memop(row->dst, dc->insn.rex_w));
    else
        tcg_gen_simd(dc->s, TCG_V128, gen_reg(dc->insn.rm).i, v.i, v.i, TCG_NO_TEMP, simd_row_enc(row, dc->insn.rex_w), 0);
}

static void gen_PEXTR(DisasContext *dc, const SimdRow *row)
{
    MemOp op = simd_opnd_memop(row->dst, dc->insn.rex_w);
    SimdEnc enc = simd_row_enc(row, dc->insn.rex_w);
    Vv v = gen_xmm(dc->insn.reg);

    if (in_memory(dc)) {
        AddrRef a = gen_mem_op(dc, op, true);
        Tv t = tcg_temp(dc->s);
        tcg_gen_simd(dc->s, TCG_V128, t.i, v.i, v.i, TCG_NO_TEMP, enc, dc->insn.imm);
        gen_store(dc, t, a, op);
    } else {
        tcg_gen_simd(dc->s, TCG_V128, gen_reg(dc->insn.rm).i, v.i, v.i, TCG_NO_TEMP, enc, dc->insn.imm);
    }
}

static void gen_INSERTPS(DisasContext *dc, const SimdRow *row)
{
    /* From memory there is one element only: the source selector is ignored. */
    unsigned imm = in_memory(dc) ? dc->insn.imm & 0x3f : dc->insn.imm;
    simd_emit2(dc, gen_xmm(dc->insn.reg), simd_load_src(dc, row), simd_row_enc(row, false), imm);
}

static void gen_SHIFT(DisasContext *dc, const SimdRow *row)
{
    Vv d = gen_xmm(dc->insn.rm);
    simd_emit2(dc, d, d, simd_row_enc(row, false), dc->insn.imm);
}

static void gen_COMIS(DisasContext *dc, const SimdRow *row)
{
    Tv f = tcg_temp(dc->s);
    Vv b = simd_load_src(dc, row);

    simd_fp_begin(dc, row);
    tcg_gen_simd_flags(dc->s, f, gen_xmm(dc->insn.reg), b, simd_row_enc(row, false));
    simd_fp_end(dc, row);
    gen_set_flags(dc, f);
}

static void gen_MOVNTI(DisasContext *dc, const SimdRow *row)
{
    MemOp op = dc->insn.rex_w ? MO_64 : MO_32;
    gen_store(dc, gen_reg(dc->insn.reg), gen_mem_op(dc, op, true), op);
}

static void gen_MASKMOV(DisasContext *dc, const SimdRow *row)
{
    bool mmx = row->dst == SO_Pq;
    unsigned modrm = dc->insn.modrm;

    if (mmx)
        gen_fp_pending(dc);
    Vv val = mmx ? mmx_load(dc, modrm >> 3 & 7) : gen_xmm(dc->insn.reg);
    Vv mask = mmx ? mmx_load(dc, modrm & 7) : gen_xmm(dc->insn.rm);
    if (mmx)
        mmx_commit(dc); /* also when the store faults */
    simd_gen_maskmov(dc, TCG_V128, val, mask, mmx ? 8 : 16);
}

void simd_gen_maskmov(DisasContext *dc, TcgType type, Vv val, Vv mask, unsigned bytes)
{
    TcgContext *s = dc->s;

    tcg_gen_stv(s, type, val, tcg_env(s), offsetof(CPUX86State, mm_scratch[0]), 16);
    tcg_gen_stv(s, type, mask, tcg_env(s), offsetof(CPUX86State, mm_scratch[2]), 16);
    /* the implicit operand DS:rDI, as a memory operand */
    dc->insn.mod = 0;
    dc->insn.base = R_EDI;
    dc->insn.index = -1;
    dc->insn.scale = 0;
    dc->insn.disp = 0;
    dc->insn.rip_relative = false;
    dc->insn.seg = dc->insn.seg_override >= 0 ? dc->insn.seg_override : R_DS;
    gen_sync_cc_op(dc);
    tcg_gen_call(s, &helper_info_maskmov, TCG_NO_TEMP, 3, tcg_env(s).i,
                 dc->code64 ? gen_linear(dc, gen_mem_operand(dc, bytes, true)).i : gen_lea(dc).i, tcg_const(s, bytes | dc_area(dc)).i);
}

static void gen_PCMPSTR(DisasContext *dc, const SimdRow *row)
{
    Vv b = simd_load_src(dc, row);
    simd_gen_pcmpstr(dc, row, TCG_V128, gen_xmm(dc->insn.reg), b, gen_xmm(0));
}

void simd_gen_pcmpstr(DisasContext *dc, const SimdRow *row, TcgType type, Vv a, Vv b, Vv out)
{
    TcgContext *s = dc->s;
    bool explicit_len = !(row->opcode & 2), to_index = row->opcode & 1;
    Tv r = tcg_temp(s), la = tcg_const(s, 0), lb = la;

    tcg_gen_stv(s, type, a, tcg_env(s), offsetof(CPUX86State, mm_scratch[0]), 16);
    tcg_gen_stv(s, type, b, tcg_env(s), offsetof(CPUX86State, mm_scratch[2]), 16);
    if (explicit_len) {
        la = gen_reg(R_EAX);
        lb = gen_reg(R_EDX);
        if (!dc->insn.rex_w) {
            Tv a32 = tcg_temp(s), b32 = tcg_temp(s);
            tcg_gen_ext32s(s, TCG_I64, a32, la);
            tcg_gen_ext32s(s, TCG_I64, b32, lb);
            la = a32;
            lb = b32;
        }
    }
    tcg_gen_call(s, &helper_info_pcmpstr, r.i, 4, tcg_env(s).i,
                 tcg_const(s, (dc->insn.imm & 0x7f) | (explicit_len ? 0x100 : 0)).i, la.i, lb.i);
    if (to_index)
        tcg_gen_shri(s, TCG_I64, gen_reg(R_ECX), r, 32);
    else
        tcg_gen_ldv(s, type, out, tcg_env(s), offsetof(CPUX86State, mm_scratch[4]), 16);
    Tv f = tcg_temp(s);
    tcg_gen_andi(s, TCG_I64, f, r, CC_MASK);
    gen_set_flags(dc, f);
}

static void gen_CRC32(DisasContext *dc, const SimdRow *row)
{
    TcgContext *s = dc->s;
    MemOp op = row->src == SO_Eb ? MO_8 : dc->insn.osize;
    Tv d = gen_reg(dc->insn.reg), v = tcg_temp(s);

    if (in_memory(dc))
        gen_load(dc, v, gen_mem_op(dc, op, false), op);
    else if (op == MO_8 && !dc->insn.has_rex && dc->insn.rm >= 4)
        tcg_gen_extract(s, TCG_I64, v, gen_reg(dc->insn.rm - 4), 8, 8); /* AH, CH, DH, BH */
    else
        v = gen_reg(dc->insn.rm);
    tcg_gen_call(s, &helper_info_crc32, d.i, 3, d.i, v.i, tcg_const(s, op).i);
}

/* EXTRQ and INSERTQ: length and index as immediates, or in the second operand (INSERTQ: in its upper half). */
static void gen_EXTRQ(DisasContext *dc, const SimdRow *row)
{
    enum { TO_GPR = 0x7e | SIMD_PP_66 | SIMD_DST_GPR | SIMD_RM_DST | SIMD_W, FROM_GPR = HOST_MOVD_TO_XMM | SIMD_W };
    TcgContext *s = dc->s;
    bool insert = row->pp == SIMD_PP_F2;
    Vv d = gen_xmm(row->dst == SO_Ux ? dc->insn.rm : dc->insn.reg), src = gen_xmm(dc->insn.rm);
    Tv val = tcg_temp(s), field = tcg_temp(s), ctl = tcg_temp(s);

    tcg_gen_simd(s, TCG_V128, val.i, d.i, d.i, TCG_NO_TEMP, TO_GPR, 0);
    if (insert)
        tcg_gen_simd(s, TCG_V128, field.i, src.i, src.i, TCG_NO_TEMP, TO_GPR, 0);
    if (row->imm8) {
        ctl = tcg_const(s, dc->insn.imm & 0xffff);
    } else {
        Vv t = src;
        if (insert) {
            t = tcg_tempv(s, TCG_V128);
            simd_emit2(dc, t, src, HOST_PSHUFD, 0xee);
        }
        tcg_gen_simd(s, TCG_V128, ctl.i, t.i, t.i, TCG_NO_TEMP, TO_GPR, 0);
    }
    if (insert)
        tcg_gen_call(s, &helper_info_insertq, val.i, 3, val.i, field.i, ctl.i);
    else
        tcg_gen_call(s, &helper_info_extrq, val.i, 2, val.i, ctl.i);
    tcg_gen_simd(s, TCG_V128, d.i, d.i, val.i, TCG_NO_TEMP, FROM_GPR, 0);
}

static void gen_EMMS(DisasContext *dc, const SimdRow *row)
{
    gen_fp_pending(dc);
    tcg_gen_st(dc->s, tcg_const(dc->s, 0), tcg_env(dc->s), offsetof(CPUX86State, fpstt), 4);
    tcg_gen_st(dc->s, tcg_const(dc->s, 0x0101010101010101), tcg_env(dc->s), offsetof(CPUX86State, fptags), 8);
}

static void gen_FXSAVE(DisasContext *dc, const SimdRow *row)
{
    TcgContext *s = dc->s;
    /* 0: 32-bit layout, 8 xmm registers; 1: 32-bit pointers, 16 registers; 2: 64-bit pointers, 16 registers */
    unsigned fmt = !dc->code64 ? 0 : dc->insn.rex_w ? 2 : 1;

    if (dc->flags & (HF_EM | HF_TS)) {
        gen_exception(dc, EXCP_NM);
        return;
    }
    gen_sync_cc_op(dc);
    Tv addr = gen_linear(dc, gen_mem_operand(dc, 4, row->kind == SK_FXSAVE)); /* the helper checks the rest */

    fmt |= dc_area(dc);
    if (row->kind == SK_FXSAVE) {
        tcg_gen_call(s, &helper_info_fxsave, TCG_NO_TEMP, 3, tcg_env(s).i, addr.i, tcg_const(s, fmt).i);
    } else {
        Tv changed = tcg_temp(s);
        tcg_gen_call(s, &helper_info_fxrstor, changed.i, 3, tcg_env(s).i, addr.i, tcg_const(s, fmt).i);
        gen_leave_if(dc, changed);
    }
}

static void gen_XSAVE(DisasContext *dc, const SimdRow *row)
{
    TcgContext *s = dc->s;
    bool c7 = row->opcode == 0xc7, restore = row->ext == (c7 ? 3 : 5);
    unsigned form = c7 ? (row->ext == 4 ? XSAVE_C : XSAVE_S) : row->ext == 6 ? XSAVE_OPT : XSAVE_PLAIN;
    uint32_t ctl = form | dc_area(dc) | (!dc->code64 ? XSAVE_REGS8 : dc->insn.rex_w ? XSAVE_PTR64 : 0);

    gen_sync_cc_op(dc);
    tcg_gen_call(s, &helper_info_check_xsave, TCG_NO_TEMP, 2, tcg_env(s).i, tcg_const(s, form == XSAVE_S).i);
    dc->check_word = 6 << CHECK_ALIGN_SHIFT;
    Tv addr = gen_linear(dc, gen_mem_operand(dc, 8, !restore));
    dc->check_word = 0;
    if (restore) {
        Tv changed = tcg_temp(s);
        tcg_gen_call(s, &helper_info_xrstor, changed.i, 3, tcg_env(s).i, addr.i, tcg_const(s, ctl).i);
        gen_leave_if(dc, changed);
    } else {
        tcg_gen_call(s, &helper_info_xsave, TCG_NO_TEMP, 3, tcg_env(s).i, addr.i, tcg_const(s, ctl).i);
    }
}

static void gen_LDMXCSR(DisasContext *dc, const SimdRow *row)
{
    TcgContext *s = dc->s;
    Tv v = tcg_temp(s), changed = tcg_temp(s);

    gen_load(dc, v, gen_mem_operand(dc, 4, false), MO_32);
    gen_sync_cc_op(dc);
    tcg_gen_call(s, &helper_info_ldmxcsr, changed.i, 2, tcg_env(s).i, v.i);
    gen_leave_if(dc, changed);
}

static void gen_STMXCSR(DisasContext *dc, const SimdRow *row)
{
    Tv v = tcg_temp(dc->s);
    AddrRef a = gen_mem_operand(dc, 4, true);
    tcg_gen_call(dc->s, &helper_info_stmxcsr, v.i, 1, tcg_env(dc->s).i);
    gen_store(dc, v, a, MO_32);
}

static void gen_FENCE(DisasContext *dc, const SimdRow *row)
{
    /* LFENCE and SFENCE order nothing that plain accesses on a TSO host do not; MFENCE orders stores before
     * later loads as devices and other CPUs see them. */
    if (row->ext == 6)
        tcg_gen_call(dc->s, &helper_info_mfence, TCG_NO_TEMP, 0);
}

static void gen_CLFLUSH(DisasContext *dc, const SimdRow *row)
{
    gen_load(dc, tcg_temp(dc->s), gen_mem_operand(dc, 1, false), MO_8); /* faults as a load does */
}

static void gen_SEGBASE(DisasContext *dc, const SimdRow *row)
{
    TcgContext *s = dc->s;
    Tv r = gen_reg(dc->insn.rm), seg = tcg_const(s, row->ext & 1 ? R_GS : R_FS);

    if (!dc->code64) {
        gen_exception(dc, EXCP_UD);
        return;
    }
    /* What faults, and bases of more than 48 bits, are for the helpers. */
    const size_t base = offsetof(CPUX86State, segs) + (row->ext & 1 ? R_GS : R_FS) * sizeof(SegCache) + offsetof(SegCache, base);
    TcgLabel done = tcg_label(s), slow;
    Tv allowed = tcg_temp(s), v;
    gen_sync_cc_op(dc);
    tcg_gen_ld(s, allowed, tcg_env(s), offsetof(CPUX86State, cr[4]), 8, false);
    tcg_gen_andi(s, TCG_I64, allowed, allowed, CR4_FSGSBASE);
    if (row->ext < 2) {
        tcg_gen_brcondi(s, TCG_I64, TCG_COND_NE, allowed, 0, done);
        tcg_gen_call(s, &helper_info_rdsegbase, TCG_NO_TEMP, 2, tcg_env(s).i, seg.i);
        tcg_gen_label(s, done);
        tcg_gen_ld(s, r, tcg_env(s), base, dc->insn.rex_w ? 8 : 4, false);
        return;
    }
    slow = tcg_label(s);
    v = tcg_temp_local(s);
    if (dc->insn.rex_w)
        tcg_gen_mov(s, TCG_I64, v, r);
    else
        tcg_gen_ext32u(s, TCG_I64, v, r);
    tcg_gen_brcondi(s, TCG_I64, TCG_COND_EQ, allowed, 0, slow);
    if (dc->insn.rex_w) {
        Tv extended = tcg_temp(s);
        tcg_gen_shli(s, TCG_I64, extended, v, 16);
        tcg_gen_sari(s, TCG_I64, extended, extended, 16);
        tcg_gen_brcond(s, TCG_I64, TCG_COND_NE, extended, v, slow);
    }
    tcg_gen_st(s, v, tcg_env(s), base, 8);
    tcg_gen_br(s, done);
    tcg_gen_label(s, slow);
    tcg_gen_call(s, &helper_info_wrsegbase, TCG_NO_TEMP, 3, tcg_env(s).i, seg.i, v.i);
    tcg_gen_label(s, done);
}

#define gen_FXRSTOR gen_FXSAVE
typedef void GenFn(DisasContext *dc, const SimdRow *row);
static GenFn *const gen_fns[SK_MM] = {
#define FN(name) [SK_##name] = gen_##name
    FN(OP), FN(LOAD), FN(STORE), FN(LOADS), FN(STORES), FN(LOADLO), FN(LOADHI), FN(STORELO), FN(STOREHI), FN(MOVQ),
    FN(STOREQ), FN(MOVD), FN(STORED), FN(COMIS), FN(PEXTR), FN(INSERTPS), FN(SHIFT), FN(MOVNTI), FN(MASKMOV),
    FN(PCMPSTR), FN(CRC32), FN(EXTRQ), FN(EMMS), FN(FXSAVE), FN(FXRSTOR), FN(XSAVE), FN(LDMXCSR), FN(STMXCSR), FN(FENCE), FN(CLFLUSH),
    FN(SEGBASE),
#undef FN
};

/* The exceptions that do not depend on operands. False: one was emitted. */
static bool check_state(DisasContext *dc, const SimdRow *row)
{
    bool xmm = simd_opnd_is_xmm(row->dst) || simd_opnd_is_xmm(row->src), mmx = simd_opnd_is_mmx(row->dst) || simd_opnd_is_mmx(row->src);
    bool is_free = row->flags & SROW_FREE;

    if (dc->insn.lock || !simd_guest_has(dc->env, row->feature) ||
        (!is_free && (dc->flags & HF_EM)) ||
        (!is_free && (xmm || !(mmx || row->kind == SK_EMMS)) && !(dc->flags & HF_OSFXSR))) {
        gen_exception(dc, EXCP_UD);
        return false;
    }
    if (!is_free && (dc->flags & HF_TS)) {
        gen_exception(dc, EXCP_NM);
        return false;
    }
    return true;
}

void simd_gen_kind(DisasContext *dc, const SimdRow *row) { gen_fns[row->kind](dc, row); }

static bool whole_vector(SimdOpnd o)
{
    return o == SO_Wx || o == SO_Wu || o == SO_Wa || o == SO_Wo || o == SO_Mx || o == SO_Mu || o == SO_Mo;
}

bool simd_is_vector_access(const DisasContext *dc)
{
    const SimdRow *row = dc->insn.simd;

    return row && (row->kind == SK_VZEROUPPER || (dc->insn.has_modrm && dc->insn.mod != 3 && (whole_vector(row->src) || whole_vector(row->dst))));
}

bool simd_fits_tb(DisasContext *dc)
{
    const SimdRow *row = dc->insn.simd;

    if (!row || !simd_row_uses_xmm(row))
        return true;
    unsigned want = row->vex ? VEC_AVX : VEC_SSE;
    if (dc->vec_mode != VEC_NONE && dc->vec_mode != want)
        return false;
    dc->vec_mode = want;
    return true;
}

void gen_simd_insn(DisasContext *dc)
{
    const SimdRow *row = dc->insn.simd;

    if (row->vex) {
        gen_vex_insn(dc, row);
        return;
    }
    if (!check_state(dc, row))
        return;
    if (row->kind >= SK_MM)
        gen_mmx_kind(dc, row);
    else
        gen_fns[row->kind](dc, row);
}
