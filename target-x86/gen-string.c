/* gen-string.c - string instructions. Without a REP prefix they are a few ops in line; with it a helper
 * works in bulk (helper-string.c). INS and OUTS always go there: their memory operand must be known to be
 * good before the port is touched.
 * Spec: Intel SDM vol. 2, REP; vol. 1, 7.3.9. */
#include "target-x86/flags.h"
#include "target-x86/string-word.h"
#include "target-x86/translate.h"

/* Linear address of [seg:reg]. */
static AddrRef string_addr(DisasContext *dc, int seg, unsigned reg, unsigned size, bool write)
{
    Tv off = gen_reg(reg);

    if (dc->insn.asize == MO_16 || (dc->insn.asize == MO_32 && dc->lma)) {
        off = tcg_temp(dc->s);
        gen_mask_addr(dc, off, gen_reg(reg), dc->insn.asize);
    }
    return (AddrRef){ gen_add_seg(dc, seg, off, 1u << size, write), 0 };
}

static Tv df_step(DisasContext *dc, unsigned size)
{
    Tv t = tcg_temp(dc->s);

    tcg_gen_ld(dc->s, t, tcg_env(dc->s), offsetof(CPUX86State, df), 4, true);
    tcg_gen_shli(dc->s, TCG_I64, t, t, size);
    return t;
}

static void advance(DisasContext *dc, unsigned reg, Tv step)
{
    unsigned asize = dc->insn.asize;
    Tv r = gen_reg(reg), t = tcg_temp(dc->s);

    tcg_gen_add(dc->s, asize == MO_64 ? TCG_I64 : TCG_I32, asize == MO_16 ? t : r, r, step);
    if (asize == MO_16)
        gen_write_reg(dc, MO_16, reg, t);
}

static Tv string_word(DisasContext *dc, unsigned size)
{
    const Insn *i = &dc->insn;
    uint32_t w = size | (uint32_t)i->asize << STR_ASIZE_SHIFT | (uint32_t)i->seg << STR_SEG_SHIFT;

    if (i->rep == REP_F2)
        w |= STR_NOT_EQUAL;
    if (!i->rep)
        w |= STR_NO_REP;
    if (dc->tf)
        w |= STR_ONE;
    return tcg_const(dc->s, w);
}

/* The helper's answer: not zero means that iterations are left; run the instruction again later. */
static void after_rep(DisasContext *dc, Tv unfinished, DisasEnd end)
{
    TcgLabel done = tcg_label(dc->s);

    tcg_gen_brcondi(dc->s, TCG_I64, TCG_COND_EQ, unfinished, 0, done);
    if (dc->flags & HF_CODE_BP) /* its breakpoint was looked at before the first iteration */
        CALL_HELPER(dc, set_rf, NO_OUT, 1, tcg_env(dc->s).i);
    gen_leave(dc, dc_eip(dc));
    tcg_gen_label(dc->s, done);
    dc->end = end;
}

#define REP(dc, name, size, last)                                                                                      \
    do {                                                                                                               \
        Tv unfinished_ = tcg_temp((dc)->s);                                                                            \
        gen_sync_cc_op(dc);                                                                                            \
        CALL_HELPER(dc, rep_##name, unfinished_.i, 2, tcg_env((dc)->s).i, string_word(dc, size).i);                    \
        after_rep(dc, unfinished_, last);                                                                              \
    } while (0)

/* A bulk store may have overwritten this TB: go on by look-up. */
void gen_MOVS(DisasContext *dc)
{
    unsigned size = dc_op_size(dc, 0);

    if (dc->insn.rep) {
        REP(dc, movs, size, DISAS_LOOKUP_PTR);
        return;
    }
    Tv v = gen_temp(dc), step;
    gen_load(dc, v, string_addr(dc, dc->insn.seg, R_ESI, size, false), size);
    gen_store(dc, v, string_addr(dc, R_ES, R_EDI, size, true), size);
    step = df_step(dc, size);
    advance(dc, R_ESI, step);
    advance(dc, R_EDI, step);
}

void gen_STOS(DisasContext *dc)
{
    unsigned size = dc_op_size(dc, 0);

    if (dc->insn.rep) {
        REP(dc, stos, size, DISAS_LOOKUP_PTR);
        return;
    }
    gen_store(dc, gen_reg(R_EAX), string_addr(dc, R_ES, R_EDI, size, true), size);
    advance(dc, R_EDI, df_step(dc, size));
}

void gen_LODS(DisasContext *dc)
{
    unsigned size = dc_op_size(dc, 0);

    if (dc->insn.rep) {
        REP(dc, lods, size, DISAS_NEXT);
        return;
    }
    Tv v = tcg_temp(dc->s);
    gen_load(dc, v, string_addr(dc, dc->insn.seg, R_ESI, size, false), size);
    gen_write_reg(dc, size, R_EAX, v);
    advance(dc, R_ESI, df_step(dc, size));
}

static void compare(DisasContext *dc, Tv a, Tv b, unsigned size)
{
    TcgContext *s = dc->s;

    tcg_gen_mov(s, TCG_I64, gen_cc_src(), b);
    tcg_gen_sub(s, type_of_size(size), gen_cc_dst(), a, b);
    gen_set_cc_op(dc, cc_op_of(CC_OP_SUBB, size));
    gen_note_cmp(dc, CMP_SUB, a, b);
}

void gen_SCAS(DisasContext *dc)
{
    unsigned size = dc_op_size(dc, 0);

    if (dc->insn.rep) {
        REP(dc, scas, size, DISAS_NEXT);
        gen_set_cc_op(dc, CC_OP_DYNAMIC);
        return;
    }
    Tv v = tcg_temp(dc->s);
    gen_load(dc, v, string_addr(dc, R_ES, R_EDI, size, false), size);
    advance(dc, R_EDI, df_step(dc, size));
    compare(dc, gen_reg(R_EAX), v, size);
}

void gen_CMPS(DisasContext *dc)
{
    unsigned size = dc_op_size(dc, 0);

    if (dc->insn.rep) {
        REP(dc, cmps, size, DISAS_NEXT);
        gen_set_cc_op(dc, CC_OP_DYNAMIC);
        return;
    }
    Tv a = gen_temp(dc), b = tcg_temp(dc->s), step;
    gen_load(dc, a, string_addr(dc, dc->insn.seg, R_ESI, size, false), size);
    gen_load(dc, b, string_addr(dc, R_ES, R_EDI, size, false), size);
    step = df_step(dc, size);
    advance(dc, R_ESI, step);
    advance(dc, R_EDI, step);
    compare(dc, a, b, size);
}

static void check_port(DisasContext *dc, unsigned size)
{
    Tv port = tcg_temp(dc->s);

    if (!dc->pe || (!dc->vm86 && dc->cpl <= dc->iopl))
        return;
    tcg_gen_ext16u(dc->s, TCG_I32, port, gen_reg(R_EDX));
    gen_sync_cc_op(dc);
    CALL_HELPER(dc, check_io, NO_OUT, 3, tcg_env(dc->s).i, port.i, tcg_const(dc->s, 1u << size).i);
}

void gen_INS(DisasContext *dc)
{
    unsigned size = dc_op_size(dc, 0);

    check_port(dc, size);
    REP(dc, ins, size, DISAS_LOOKUP_PTR);
}

void gen_OUTS(DisasContext *dc)
{
    unsigned size = dc_op_size(dc, 0);

    check_port(dc, size);
    REP(dc, outs, size, DISAS_LOOKUP_PTR);
}
