/* gen-mmx.c - IR for MMX: values travel as the low half of 128-bit temps, operations are the SSE2 twins.
 * MMX registers are the mantissas of the physical x87 registers; every MMX instruction but EMMS makes TOP 0
 * and all registers valid, and a write sets the exponent to ones.
 * Spec: Intel SDM vol. 1 section 9.2-9.6, vol. 3 chapter 12. */
#include "host/base/osdep.h"
#include "target-x86/simd.h"

static int64_t mmx_offset(unsigned n) { return offsetof(CPUX86State, fpregs) + n * sizeof(FpReg); }
static unsigned p_reg(const DisasContext *dc) { return dc->insn.modrm >> 3 & 7; }
static unsigned q_reg(const DisasContext *dc) { return dc->insn.modrm & 7; }

Vv mmx_load(DisasContext *dc, unsigned n)
{
    Vv t = tcg_tempv(dc->s, TCG_V128);
    gen_x87_flush(dc);
    tcg_gen_ldv(dc->s, TCG_V128, t, tcg_env(dc->s), mmx_offset(n), 8);
    return t;
}

static void mmx_set_exponent(DisasContext *dc, unsigned n)
{
    tcg_gen_st(dc->s, tcg_const(dc->s, 0xffff), tcg_env(dc->s), mmx_offset(n) + 8, 2);
}

static void mmx_store(DisasContext *dc, unsigned n, Vv v)
{
    tcg_gen_stv(dc->s, TCG_V128, v, tcg_env(dc->s), mmx_offset(n), 8);
    mmx_set_exponent(dc, n);
}

static void mmx_store_int(DisasContext *dc, unsigned n, Tv v)
{
    tcg_gen_st(dc->s, v, tcg_env(dc->s), mmx_offset(n), 8);
    mmx_set_exponent(dc, n);
}

void mmx_commit(DisasContext *dc)
{
    Tv zero = tcg_const(dc->s, 0);
    tcg_gen_st(dc->s, zero, tcg_env(dc->s), offsetof(CPUX86State, fpstt), 4);
    tcg_gen_st(dc->s, zero, tcg_env(dc->s), offsetof(CPUX86State, fptags), 8);
}

/* The 66-prefixed twin of the row's opcode, without immediate. */
static SimdEnc twin(const SimdRow *row) { return (simd_row_enc(row, false) & ~SIMD_PP) | SIMD_PP_66; }

/* Rows whose result goes to the MMX register of ModRM.reg (or .rm for immediate shifts). */
static Vv mmx_compute(DisasContext *dc, const SimdRow *row)
{
    unsigned imm = dc->insn.imm & 0xff;
    Vv a, b, t;

    switch (row->kind) {
    case SK_MM:
        b = simd_load_src(dc, row);
        a = row->flags & SROW_RD ? mmx_load(dc, p_reg(dc)) : tcg_tempv(dc->s, TCG_V128);
        simd_emit2(dc, a, b, twin(row), 0);
        return a;
    case SK_MMHI: /* interleave the low halves to 128 bits, the high half of which is what the high parts give */
        b = simd_load_src(dc, row);
        a = mmx_load(dc, p_reg(dc));
        simd_emit2(dc, a, b, twin(row) - 8, 0);
        t = tcg_tempv(dc->s, TCG_V128);
        simd_emit2(dc, t, a, HOST_PSHUFD, 0xee);
        return t;
    case SK_MMPAIR: /* b:a as one register; the low half of op(x, x) is op(a) then op(b) */
        b = simd_load_src(dc, row);
        a = mmx_load(dc, p_reg(dc));
        simd_emit2(dc, a, b, HOST_PUNPCKLQDQ, 0);
        simd_emit2(dc, a, a, twin(row), 0);
        return a;
    case SK_MMSHUFB: /* the table twice, so that the fourth index bit does not matter */
        b = simd_load_src(dc, row);
        a = mmx_load(dc, p_reg(dc));
        simd_emit2(dc, a, a, HOST_PUNPCKLQDQ, 0);
        simd_emit2(dc, a, b, twin(row), 0);
        return a;
    case SK_MMSHUFW:
        b = simd_load_src(dc, row);
        t = tcg_tempv(dc->s, TCG_V128);
        simd_emit2(dc, t, b, HOST_PSHUFLW, imm);
        return t;
    case SK_MMALIGNR:
        b = simd_load_src(dc, row);
        simd_emit2(dc, b, mmx_load(dc, p_reg(dc)), HOST_PUNPCKLQDQ, 0);
        simd_emit2(dc, b, b, HOST_PSRLDQ, imm);
        return b;
    case SK_MMINSW: {
        Tv g = gen_reg(dc->insn.rm);
        if (dc->insn.mod != 3) {
            g = tcg_temp(dc->s);
            gen_load(dc, g, gen_mem_operand(dc, 2, false), MO_16);
        }
        a = mmx_load(dc, p_reg(dc));
        tcg_gen_simd(dc->s, TCG_V128, a.i, a.i, g.i, TCG_NO_TEMP, twin(row), imm & 3);
        return a;
    }
    case SK_CVT2PI: {
        static const SimdEnc enc[2][2] = { /* [double][round] */
            {0x5b | SIMD_PP_F3, 0x5b | SIMD_PP_66}, {0xe6 | SIMD_PP_66, 0xe6 | SIMD_PP_F2},
        };
        b = simd_load_src(dc, row);
        t = tcg_tempv(dc->s, TCG_V128);
        if (row->src == SO_Wq && dc->insn.mod == 3) { /* the upper floats must not raise anything */
            Vv low = tcg_tempv(dc->s, TCG_V128);
            simd_emit2(dc, low, b, HOST_MOVQ, 0);
            b = low;
        }
        if (simd_fp_checked(dc, row)) /* #XM comes after the change to MMX state, as on hardware */
            mmx_commit(dc);
        simd_fp_begin(dc, row);
        simd_emit2(dc, t, b, enc[row->pp == SIMD_PP_66][row->opcode & 1], 0);
        simd_fp_end(dc, row);
        return t;
    }
    default: /* MMSHIFT */
        a = mmx_load(dc, q_reg(dc));
        simd_emit2(dc, a, a, twin(row), imm);
        return a;
    }
}

static void gen_cvtpi2p(DisasContext *dc, const SimdRow *row)
{
    Vv b = simd_load_src(dc, row), t = tcg_tempv(dc->s, TCG_V128), d = gen_xmm(dc->insn.reg);

    if (row->kind == SK_CVTPI2PD) { /* exact */
        simd_emit2(dc, d, b, HOST_CVTDQ2PD, 0);
        return;
    }
    if (simd_fp_checked(dc, row) && dc->insn.mod == 3)
        mmx_commit(dc);
    simd_fp_begin(dc, row);
    simd_emit2(dc, t, b, HOST_CVTDQ2PS | SIMD_STICKY, 0);
    simd_fp_end(dc, row);
    simd_emit2(dc, d, t, HOST_MOVSD, 0);
}

void gen_mmx_kind(DisasContext *dc, const SimdRow *row)
{
    TcgContext *s = dc->s;
    bool mem = dc->insn.mod != 3;
    MemOp gop = dc->insn.rex_w ? MO_64 : MO_32;
    AddrRef a = {0};
    Tv v;

    if (!(mem && (row->kind == SK_CVTPI2PS || row->kind == SK_CVTPI2PD))) /* those two do not touch the x87 */
        gen_fp_pending(dc);
    switch (row->kind) {
    case SK_MMEXTW: {
        Vv b = mmx_load(dc, q_reg(dc));
        SimdEnc e = twin(row);
        tcg_gen_simd(s, TCG_V128, gen_reg(dc->insn.reg).i, b.i, b.i, TCG_NO_TEMP, e, dc->insn.imm & 3);
        break;
    }
    case SK_MMLOAD:
        v = tcg_temp(s);
        if (mem)
            gen_load(dc, v, gen_mem_operand(dc, 8, false), MO_64);
        else
            tcg_gen_ld(s, v, tcg_env(s), mmx_offset(q_reg(dc)), 8, false);
        mmx_store_int(dc, p_reg(dc), v);
        break;
    case SK_MMSTORE:
        if (mem)
            a = gen_mem_operand(dc, 8, true);
        v = tcg_temp(s);
        tcg_gen_ld(s, v, tcg_env(s), mmx_offset(p_reg(dc)), 8, false);
        if (mem)
            gen_store(dc, v, a, MO_64);
        else
            mmx_store_int(dc, q_reg(dc), v);
        break;
    case SK_MMMOVD:
        v = tcg_temp(s);
        if (mem)
            gen_load(dc, v, gen_mem_operand(dc, memop_size(gop), false), gop);
        else if (dc->insn.rex_w)
            tcg_gen_mov(s, TCG_I64, v, gen_reg(dc->insn.rm));
        else
            tcg_gen_ext32u(s, TCG_I64, v, gen_reg(dc->insn.rm));
        mmx_store_int(dc, p_reg(dc), v);
        break;
    case SK_MMSTORED:
        if (mem)
            a = gen_mem_operand(dc, memop_size(gop), true);
        v = mem ? tcg_temp(s) : gen_reg(dc->insn.rm);
        tcg_gen_ld(s, v, tcg_env(s), mmx_offset(p_reg(dc)), memop_size(gop), false);
        if (mem)
            gen_store(dc, v, a, gop);
        break;
    case SK_CVTPI2PS:
    case SK_CVTPI2PD:
        gen_cvtpi2p(dc, row);
        if (mem)
            return; /* no MMX register was touched */
        break;
    case SK_MOVQ2DQ:
        tcg_gen_ldv(s, TCG_V128, gen_xmm(dc->insn.reg), tcg_env(s), mmx_offset(q_reg(dc)), 8);
        break;
    case SK_MOVDQ2Q:
        mmx_store(dc, p_reg(dc), gen_xmm(dc->insn.rm));
        break;
    default:
        mmx_store(dc, row->kind == SK_MMSHIFT ? q_reg(dc) : p_reg(dc), mmx_compute(dc, row));
        break;
    }
    mmx_commit(dc);
}
