/* gen-avx.c - IR for the rows of vex.def: AVX, AVX2, FMA, F16C and the VEX forms of AES, PCLMULQDQ and GFNI.
 * Most rows become one `simd` op that re-emits the guest's instruction on host registers; memory operands are
 * loaded before it. The registers are the V256 globals; docs/avx.md says how they go together with the SSE ones.
 * Spec: Intel SDM vol. 2; vol. 2 section 2.4 (exception classes), 2.3 (VEX). */
#include "host/base/osdep.h"
#include "target-x86/simd.h"

enum { /* host instructions, map 0F unless it says otherwise */
    V_MOVSS = 0x10 | SIMD_PP_F3, V_MOVSD = 0x10 | SIMD_PP_F2, V_MOVLHPS = 0x16, V_PSHUFD = 0x70 | SIMD_PP_66 | SIMD_IMM8,
    V_MOVD = 0x6e | SIMD_PP_66 | SIMD_SRC_GPR, V_MOVQ = 0x7e | SIMD_PP_F3, V_XORPS = 0x57,
    V_INSERTF128 = 0x18 | SIMD_PP_66 | SIMD_MAP_0F3A | SIMD_IMM8,
};

static bool in_memory(const DisasContext *dc) { return dc->insn.mod != 3; }
static Vv vreg(const DisasContext *dc) { return gen_ymm(dc->insn.reg); }
static Vv vrm(const DisasContext *dc) { return gen_ymm(dc->insn.rm); }
static Vv vvvv(const DisasContext *dc) { return gen_ymm(dc->insn.vvvv); }
static Vv temp(DisasContext *dc) { return tcg_tempv(dc->s, TCG_V256); }

/* d = enc(b), d = enc(a, b) */
static void emit2(DisasContext *dc, Vv d, Vv b, SimdEnc enc, unsigned imm)
{
    tcg_gen_simd(dc->s, TCG_V256, d.i, b.i, b.i, TCG_NO_TEMP, enc | SIMD_VEX, imm);
}
static void emit3(DisasContext *dc, Vv d, Vv a, Vv b, SimdEnc enc, unsigned imm)
{
    tcg_gen_simd(dc->s, TCG_V256, d.i, a.i, b.i, TCG_NO_TEMP, enc | SIMD_VEX | SIMD_VVVV, imm);
}

static MemOp vex_memop(const DisasContext *dc, SimdOpnd o)
{
    unsigned l = dc->insn.vex_l;
    switch (o) {
    case SO_Wa: case SO_Mx: return (MO_128 + l) | MO_ALIGN_GP;
    case SO_Wx: case SO_Mu: return MO_128 + l;
    case SO_Wh: return MO_64 + l;
    case SO_Wf: return MO_32 + l;
    case SO_We: return MO_16 + l;
    case SO_Wo: case SO_Mo: return MO_128;
    case SO_Wb: return MO_8;
    case SO_Md: return MO_32;
    default: return simd_opnd_memop(o, dc->insn.rex_w);
    }
}

static Vv load_src(DisasContext *dc, const SimdRow *row)
{
    SimdOpnd o = row->src;

    if (o == SO_Vx)
        return vreg(dc);
    if (!in_memory(dc))
        return vrm(dc);
    Vv t = temp(dc);
    MemOp op = vex_memop(dc, o);
    AddrRef a = gen_mem_op(dc, op, false);
    if ((op & MO_SIZE) < MO_32) {
        Tv g = tcg_temp(dc->s);
        gen_load(dc, g, a, op);
        tcg_gen_simd(dc->s, TCG_V256, t.i, vreg(dc).i, g.i, TCG_NO_TEMP, V_MOVD | SIMD_VEX, 0);
    } else {
        gen_loadv(dc, t, a, op);
    }
    return t;
}

static Tv load_gpr_src(DisasContext *dc, const SimdRow *row)
{
    if (!in_memory(dc))
        return gen_reg(dc->insn.rm);
    MemOp op = vex_memop(dc, row->src);
    Tv t = tcg_temp(dc->s);
    gen_load(dc, t, gen_mem_op(dc, op, false), op);
    return t;
}

static SimdEnc row_enc(const DisasContext *dc, const SimdRow *row)
{
    SimdEnc e = simd_row_enc(row, dc->insn.rex_w) | SIMD_VEX;

    if (row->w == VEX_W1)
        e |= SIMD_W;
    if (dc->insn.vex_l && row->l != VEX_LG)
        e |= SIMD_L256;
    if (row->is4)
        e |= SIMD_IS4;
    if (row->vv == SO_Hx)
        e |= row->flags & SROW_RD ? SIMD_VVVV_C : SIMD_VVVV;
    return e;
}

static void gen_VOP(DisasContext *dc, const SimdRow *row)
{
    TcgContext *s = dc->s;
    SimdEnc enc = row_enc(dc, row);
    bool gpr_dst = simd_opnd_is_gpr(row->dst), gpr_src = simd_opnd_is_gpr(row->src), reads_d = row->flags & SROW_RD;
    TcgTempIdx src = gpr_src ? load_gpr_src(dc, row).i : load_src(dc, row).i;
    TcgTempIdx dst = gpr_dst ? gen_reg(dc->insn.reg).i : vreg(dc).i;
    TcgTempIdx a = reads_d ? dst : row->vv == SO_Hx ? vvvv(dc).i : gpr_src ? dst : src, c = TCG_NO_TEMP;
    bool checked = simd_fp_checked(dc, row);

    if (reads_d)
        c = vvvv(dc).i;
    else if (row->is4)
        c = gen_ymm(dc->insn.imm >> 4 & (dc->code64 ? 15 : 7)).i;
    simd_fp_begin(dc, row);
    TcgTempIdx out = !checked ? dst : gpr_dst ? tcg_temp(s).i : temp(dc).i;
    if (checked && reads_d) {
        tcg_gen_movv(s, TCG_V256, (Vv){out}, (Vv){dst});
        a = out;
    }
    tcg_gen_simd(s, TCG_V256, out, a, src, c, enc, dc->insn.imm);
    if (!checked)
        return;
    simd_fp_end(dc, row);
    if (gpr_dst)
        tcg_gen_mov(s, TCG_I64, (Tv){dst}, (Tv){out});
    else
        tcg_gen_movv(s, TCG_V256, (Vv){dst}, (Vv){out});
}

static void load_to(DisasContext *dc, Vv d, MemOp op) { gen_loadv(dc, d, gen_mem_op(dc, op, false), op); }
static void store_from(DisasContext *dc, Vv v, MemOp op) { gen_storev(dc, v, gen_mem_op(dc, op, true), op); }

/* A register's low 128 bits with zeros above: VMOVAPS. */
static void move_reg(DisasContext *dc, Vv d, Vv s)
{
    if (dc->insn.vex_l)
        tcg_gen_movv(dc->s, TCG_V256, d, s);
    else
        emit2(dc, d, s, 0x28, 0);
}

static void gen_VLOAD(DisasContext *dc, const SimdRow *row)
{
    if (in_memory(dc))
        load_to(dc, vreg(dc), vex_memop(dc, row->src));
    else
        move_reg(dc, vreg(dc), vrm(dc));
}

static void gen_VSTORE(DisasContext *dc, const SimdRow *row)
{
    if (in_memory(dc))
        store_from(dc, vreg(dc), vex_memop(dc, row->dst));
    else
        move_reg(dc, vrm(dc), vreg(dc));
}

static void gen_VMOVS(DisasContext *dc, const SimdRow *row)
{
    emit3(dc, vrm(dc), vvvv(dc), vreg(dc), row->pp == SIMD_PP_F3 ? V_MOVSS : V_MOVSD, 0);
}

static void gen_VLOADLO(DisasContext *dc, const SimdRow *row) { emit3(dc, vreg(dc), vvvv(dc), load_src(dc, row), V_MOVSD, 0); }
static void gen_VLOADHI(DisasContext *dc, const SimdRow *row) { emit3(dc, vreg(dc), vvvv(dc), load_src(dc, row), V_MOVLHPS, 0); }

static void gen_VSTOREHI(DisasContext *dc, const SimdRow *row)
{
    AddrRef a = gen_mem_operand(dc, 8, true);
    Vv t = temp(dc);
    emit2(dc, t, vreg(dc), V_PSHUFD, 0xee);
    gen_storev(dc, t, a, MO_64);
}

static void gen_VMOVQ(DisasContext *dc, const SimdRow *row)
{
    if (in_memory(dc))
        load_to(dc, vreg(dc), MO_64);
    else
        emit2(dc, vreg(dc), vrm(dc), V_MOVQ, 0);
}

static void gen_VSTOREQ(DisasContext *dc, const SimdRow *row)
{
    if (in_memory(dc))
        store_from(dc, vreg(dc), MO_64);
    else
        emit2(dc, vrm(dc), vreg(dc), V_MOVQ, 0);
}

static void gen_VMOVD(DisasContext *dc, const SimdRow *row)
{
    if (in_memory(dc))
        load_to(dc, vreg(dc), vex_memop(dc, row->src));
    else
        gen_VOP(dc, row);
}

static void gen_VSTORED(DisasContext *dc, const SimdRow *row)
{
    Vv v = vreg(dc);
    if (in_memory(dc))
        store_from(dc, v, vex_memop(dc, row->dst));
    else
        tcg_gen_simd(dc->s, TCG_V256, gen_reg(dc->insn.rm).i, v.i, v.i, TCG_NO_TEMP, row_enc(dc, row), 0);
}

static void gen_VCOMIS(DisasContext *dc, const SimdRow *row)
{
    Tv f = tcg_temp(dc->s);
    Vv b = load_src(dc, row);

    simd_fp_begin(dc, row);
    tcg_gen_simd_flags(dc->s, f, vreg(dc), b, row_enc(dc, row));
    simd_fp_end(dc, row);
    gen_set_flags(dc, f);
}

static void gen_VPEXTR(DisasContext *dc, const SimdRow *row)
{
    MemOp op = vex_memop(dc, row->dst);
    SimdEnc enc = row_enc(dc, row);
    Vv v = vreg(dc);

    if (!in_memory(dc)) {
        tcg_gen_simd(dc->s, TCG_V256, gen_reg(dc->insn.rm).i, v.i, v.i, TCG_NO_TEMP, enc, dc->insn.imm);
        return;
    }
    AddrRef a = gen_mem_op(dc, op, true);
    Tv t = tcg_temp(dc->s);
    tcg_gen_simd(dc->s, TCG_V256, t.i, v.i, v.i, TCG_NO_TEMP, enc, dc->insn.imm);
    gen_store(dc, t, a, op);
}

static void gen_VINSERTPS(DisasContext *dc, const SimdRow *row)
{
    unsigned imm = in_memory(dc) ? dc->insn.imm & 0x3f : dc->insn.imm; /* from memory there is one element only */
    emit3(dc, vreg(dc), vvvv(dc), load_src(dc, row), row_enc(dc, row), imm);
}

static void gen_VSHIFT(DisasContext *dc, const SimdRow *row)
{
    SimdEnc enc = row_enc(dc, row) & ~SIMD_VVVV; /* vvvv is the destination */
    emit2(dc, vvvv(dc), vrm(dc), enc, dc->insn.imm);
}

/* VEXTRACTF128, VCVTPS2PH: the destination is ModRM.rm. */
static void gen_VEXTRACT(DisasContext *dc, const SimdRow *row)
{
    bool mem = in_memory(dc), checked = simd_fp_checked(dc, row);
    MemOp op = vex_memop(dc, row->dst);
    AddrRef a = {0};

    if (mem)
        a = gen_mem_op(dc, op, true);
    if (mem && (row->flags & SROW_FP)) { /* a page fault comes before the flags of MXCSR */
        gen_sync_cc_op(dc);
        tcg_gen_call(dc->s, &helper_info_probe_write, TCG_NO_TEMP, 3, tcg_env(dc->s).i, gen_linear(dc, a).i,
                     tcg_const(dc->s, memop_size(op)).i);
    }
    simd_fp_begin(dc, row);
    Vv out = mem || checked ? temp(dc) : vrm(dc);
    emit2(dc, out, vreg(dc), row_enc(dc, row) | SIMD_RM_DST, dc->insn.imm);
    simd_fp_end(dc, row);
    if (mem)
        gen_storev(dc, out, a, op);
    else if (checked)
        tcg_gen_movv(dc->s, TCG_V256, vrm(dc), out);
}

static void gen_VBCAST128(DisasContext *dc, const SimdRow *row)
{
    Vv t = load_src(dc, row);
    emit3(dc, vreg(dc), t, t, V_INSERTF128 | SIMD_L256, 1);
}

static void gen_VZEROUPPER(DisasContext *dc, const SimdRow *row)
{
    tcg_gen_vzeroupper(dc->s, offsetof(CPUX86State, xmm[0]), dc->code64 ? 16 : 8);
}

static void gen_VZEROALL(DisasContext *dc, const SimdRow *row)
{
    for (unsigned i = 0; i < (dc->code64 ? 16 : 8); i++)
        emit3(dc, gen_ymm(i), gen_ymm(i), gen_ymm(i), V_XORPS, 0);
}

/* VMASKMOVPS and friends: elements whose mask sign is clear are not accessed at all. ctl: VMASK_* */
static void gen_masked(DisasContext *dc, const SimdRow *row, bool store)
{
    TcgContext *s = dc->s;
    unsigned bytes = 16u << dc->insn.vex_l;
    bool wide = row->w == VEX_W1 || row->opcode == 0x2d || row->opcode == 0x2f;
    int64_t scratch = offsetof(CPUX86State, mm_scratch[0]);

    tcg_gen_stv(s, TCG_V256, vvvv(dc), tcg_env(s), scratch + 32, 32);
    if (store)
        tcg_gen_stv(s, TCG_V256, vreg(dc), tcg_env(s), scratch, 32);
    gen_sync_cc_op(dc);
    Tv addr = dc->code64 ? gen_linear(dc, gen_mem_operand(dc, bytes, store)) : gen_lea(dc);
    tcg_gen_call(s, &helper_info_vmaskmov, TCG_NO_TEMP, 3, tcg_env(s).i, addr.i,
                 tcg_const(s, bytes | (wide ? 0x40 : 0) | (store ? 0x80 : 0) | dc_area(dc)).i);
    if (!store)
        tcg_gen_ldv(s, TCG_V256, vreg(dc), tcg_env(s), scratch, 32);
}
static void gen_VMASKLD(DisasContext *dc, const SimdRow *row) { gen_masked(dc, row, false); }
static void gen_VMASKST(DisasContext *dc, const SimdRow *row) { gen_masked(dc, row, true); }

static void gen_VGATHER(DisasContext *dc, const SimdRow *row)
{
    const Insn *i = &dc->insn;
    TcgContext *s = dc->s;
    bool flat = dc->code64 ? i->seg != R_FS && i->seg != R_GS : dc->flags & HF_FLAT_SEG(i->seg);
    uint32_t ctl = i->reg | i->vvvv << 4 | i->vsib << 8 | i->scale << 12 | (row->opcode & 1) << 14 | i->vex_w << 15 |
                   i->vex_l << 16 | (i->asize == MO_32) << 17 | (flat ? 7 : i->seg) << 18 | (uint32_t)dc->code64 << 21;

    gen_sync_cc_op(dc);
    tcg_gen_call(s, &helper_info_vgather, TCG_NO_TEMP, 3, tcg_env(s).i, gen_lea(dc).i, tcg_const(s, ctl).i);
}

static void gen_VMASKMOVDQU(DisasContext *dc, const SimdRow *row) { simd_gen_maskmov(dc, TCG_V256, vreg(dc), vrm(dc), 16); }

static void gen_VPCMPSTR(DisasContext *dc, const SimdRow *row)
{
    Vv b = load_src(dc, row);
    simd_gen_pcmpstr(dc, row, TCG_V256, vreg(dc), b, gen_ymm(0));
}

typedef void GenFn(DisasContext *dc, const SimdRow *row);
static GenFn *const gen_fns[SK_COUNT] = {
#define FN(name) [SK_##name] = gen_##name
    FN(VOP), FN(VLOAD), FN(VSTORE), FN(VMOVS), FN(VLOADLO), FN(VLOADHI), FN(VSTOREHI), FN(VMOVQ), FN(VSTOREQ), FN(VMOVD),
    FN(VSTORED), FN(VCOMIS), FN(VPEXTR), FN(VINSERTPS), FN(VSHIFT), FN(VEXTRACT), FN(VBCAST128), FN(VZEROUPPER),
    FN(VZEROALL), FN(VMASKLD), FN(VMASKST), FN(VGATHER), FN(VMASKMOVDQU), FN(VPCMPSTR),
#undef FN
    [SK_LDMXCSR] = simd_gen_kind, [SK_STMXCSR] = simd_gen_kind,
};

void gen_vex_insn(DisasContext *dc, const SimdRow *row)
{
    const Insn *i = &dc->insn;
    bool l256 = i->vex_l && row->l != VEX_LG; /* no other writes an upper half that is not zero */

    if (!(dc->flags & HF_OSXSAVE) || !simd_guest_has(dc->env, SF_AVX) ||
        !simd_guest_has(dc->env, l256 ? row->feature256 : row->feature)) {
        gen_exception(dc, EXCP_UD);
        return;
    }
    if (row->kind == SK_VGATHER && (i->reg == i->vvvv || i->reg == i->vsib || i->vvvv == i->vsib)) {
        gen_exception(dc, EXCP_UD);
        return;
    }
    if (dc->flags & HF_TS) {
        gen_exception(dc, EXCP_NM);
        return;
    }
    /* See vzeroupper's lowering. Once is enough: no path through the TB comes here without having been there. */
    if (l256 && !dc->vec_high && (i->reg >= 8 || i->rm >= 8 || i->vvvv >= 8)) {
        tcg_gen_st(dc->s, tcg_const(dc->s, 1), tcg_env(dc->s), offsetof(CPUX86State, head.vec_high), 1);
        dc->vec_high = true;
    }
    if (row->kind == SK_VZEROUPPER)
        dc->vec_high = false;
    gen_fns[row->kind](dc, row);
}
