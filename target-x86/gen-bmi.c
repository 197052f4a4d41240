/* gen-bmi.c - BMI1 and BMI2: IR of the VEX-encoded general instructions.
 * Spec: Intel SDM vol. 2. AF and PF are left undefined by most; they come out 0. */
#include "target-x86/flags.h"
#include "target-x86/translate.h"

static void finish(DisasContext *dc, Tv d, CCOp family)
{
    tcg_gen_mov(dc->s, TCG_I64, gen_cc_dst(), d);
    gen_operand_write(dc, 0, d);
    gen_set_cc_op(dc, cc_op_of(family, dc_op_size(dc, 0)));
}

void gen_ANDN(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Tv b = gen_operand(dc, 2), a = gen_operand(dc, 1), d = tcg_temp(s);

    tcg_gen_andc(s, type_of_size(dc_op_size(dc, 0)), d, b, a);
    finish(dc, d, CC_OP_LOGICB);
}

/* BLSR, BLSMSK: CF is set if the source is 0; BLSI: if it is not. */
static Tv blend(DisasContext *dc, bool minus_one)
{
    TcgContext *s = dc->s;
    TcgType t = type_of_size(dc_op_size(dc, 0));
    Tv a = gen_operand(dc, 1), d = tcg_temp(s);

    if (minus_one)
        tcg_gen_subi(s, t, d, a, 1);
    else
        tcg_gen_neg(s, t, d, a);
    tcg_gen_mov(s, TCG_I64, gen_cc_src(), gen_extend(dc, a, dc_op_size(dc, 0), false));
    return d;
}

void gen_BLSR(DisasContext *dc)
{
    Tv d = blend(dc, true);
    tcg_gen_and(dc->s, type_of_size(dc_op_size(dc, 0)), d, d, gen_cc_src());
    finish(dc, d, CC_OP_BMILGB);
}

void gen_BLSMSK(DisasContext *dc)
{
    Tv d = blend(dc, true);
    tcg_gen_xor(dc->s, type_of_size(dc_op_size(dc, 0)), d, d, gen_cc_src());
    finish(dc, d, CC_OP_BMILGB);
}

void gen_BLSI(DisasContext *dc)
{
    Tv d = blend(dc, false);
    tcg_gen_and(dc->s, type_of_size(dc_op_size(dc, 0)), d, d, gen_cc_src());
    finish(dc, d, CC_OP_BLSIB);
}

/* The host's own instruction on general registers. */
static void host_op(DisasContext *dc, Tv d, Tv vvvv, Tv rm, SimdEnc enc)
{
    enc |= SIMD_VEX | SIMD_VVVV | SIMD_VVVV_GPR | SIMD_DST_GPR | SIMD_SRC_GPR;
    if (dc_op_size(dc, 0) == MO_64)
        enc |= SIMD_W;
    tcg_gen_simd(dc->s, TCG_V128, d.i, vvvv.i, rm.i, TCG_NO_TEMP, enc, 0);
}

void gen_BEXTR(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Tv d = tcg_temp(s), a = gen_operand(dc, 1), z = tcg_temp(s);

    host_op(dc, d, gen_reg(dc->insn.vvvv), a, SIMD_MAP_0F38 | 0xf7);
    gen_operand_write(dc, 0, d);
    tcg_gen_setcondi(s, TCG_I64, TCG_COND_EQ, z, d, 0);
    tcg_gen_shli(s, TCG_I64, z, z, 6);
    gen_set_flags(dc, z);
}

void gen_BZHI(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    Tv d = tcg_temp(s), a = gen_operand(dc, 1), f = tcg_temp(s), t = tcg_temp(s);

    tcg_gen_extract(s, TCG_I64, t, gen_reg(dc->insn.vvvv), 0, 8);
    tcg_gen_setcondi(s, TCG_I64, TCG_COND_GEU, f, t, 8 << size); /* CF: nothing was cut off */
    host_op(dc, d, gen_reg(dc->insn.vvvv), a, SIMD_MAP_0F38 | 0xf5);
    gen_operand_write(dc, 0, d);
    tcg_gen_setcondi(s, TCG_I64, TCG_COND_EQ, t, d, 0);
    tcg_gen_shli(s, TCG_I64, t, t, 6);
    tcg_gen_or(s, TCG_I64, f, f, t);
    tcg_gen_shri(s, TCG_I64, t, d, (8 << size) - 1);
    tcg_gen_shli(s, TCG_I64, t, t, 7);
    tcg_gen_or(s, TCG_I64, f, f, t);
    gen_set_flags(dc, f);
}

static void gen_pbits(DisasContext *dc, SimdEnc pp)
{
    Tv d = tcg_temp(dc->s), b = gen_operand(dc, 2);
    host_op(dc, d, gen_reg(dc->insn.vvvv), b, SIMD_MAP_0F38 | 0xf5 | pp);
    gen_operand_write(dc, 0, d);
}

void gen_PDEP(DisasContext *dc) { gen_pbits(dc, SIMD_PP_F2); }
void gen_PEXT(DisasContext *dc) { gen_pbits(dc, SIMD_PP_F3); }

/* High half to ModRM.reg, low half to vvvv; if they are one register it gets the high half. */
void gen_MULX(DisasContext *dc)
{
    TcgContext *s = dc->s;
    TcgType t = type_of_size(dc_op_size(dc, 0));
    Tv b = gen_operand(dc, 2), hi = gen_reg(dc->insn.reg), lo = dc->insn.vvvv == dc->insn.reg ? tcg_temp(s) : gen_reg(dc->insn.vvvv);

    tcg_gen_mulu2(s, t, lo, hi, gen_reg(R_EDX), b);
}

void gen_RORX(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    Tv a = gen_operand(dc, 1), d = tcg_temp(s);

    tcg_gen_rotr(s, type_of_size(size), d, a, tcg_const(s, dc->insn.imm & ((8 << size) - 1)));
    gen_operand_write(dc, 0, d);
}

typedef void GenShift(TcgContext *s, TcgType t, Tv d, Tv a, Tv b);
static void gen_shiftx(DisasContext *dc, GenShift *shift)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    Tv a = gen_operand(dc, 1), d = tcg_temp(s), n = tcg_temp(s);

    tcg_gen_andi(s, TCG_I64, n, gen_reg(dc->insn.vvvv), (8 << size) - 1);
    shift(s, type_of_size(size), d, a, n);
    gen_operand_write(dc, 0, d);
}
void gen_SHLX(DisasContext *dc) { gen_shiftx(dc, tcg_gen_shl); }
void gen_SHRX(DisasContext *dc) { gen_shiftx(dc, tcg_gen_shr); }
void gen_SARX(DisasContext *dc) { gen_shiftx(dc, tcg_gen_sar); }
