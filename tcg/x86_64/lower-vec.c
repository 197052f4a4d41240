/* lower-vec.c - vector moves, and one host vector instruction per simd op (SimdEnc in tcg.h).
 * Legacy SSE encodings write the destination over their first operand, so it is copied first unless its
 * register is free to be overwritten; VEX encodings have an operand more. Operands in guest memory: guest-ldst.c. */
#include "tcg/regalloc.h"

static void lower_ldv(Ra *l, const TcgOp *op)
{
    X86Mem m = lower_host_mem(l, op->arg[1], op->arg[2]);
    bool ymm = op->type == TCG_V256 && host_features.avx;
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], NOREG);
    l->uses_ymm |= ymm;
    x86_vec_load(&l->e, op->arg[3], ymm, d, m);
}

static void lower_stv(Ra *l, const TcgOp *op)
{
    Reg v = ra_in(l, op->arg[0]);
    X86Mem m = lower_host_mem(l, op->arg[1], op->arg[2]);
    l->uses_ymm |= op->arg[3] == 32;
    x86_vec_store(&l->e, op->arg[3], m, v);
    ra_kill(l);
}

static void lower_vex(Ra *l, const TcgOp *op)
{
    SimdEnc enc = op->arg[4];
    uint8_t imm = op->arg[5];
    bool reads_d = enc & SIMD_DST_READ;
    Reg a = NOREG, c = NOREG, b;

    if (enc & SIMD_VVVV || reads_d)
        a = ra_in(l, op->arg[1]);
    if (SIMD_USES_C(enc))
        c = ra_in(l, op->arg[3]);
    b = ra_in(l, op->arg[2]);
    ra_kill(l);
    Reg prefer = reads_d ? a : b;
    if (!reads_d && a != NOREG && ra_loop_home(l, op->arg[0]) == a)
        prefer = a; /* both inputs are read before anything is written */
    Reg d = ra_out(l, op->arg[0], prefer);
    Reg vvvv = enc & SIMD_VVVV_C ? c : enc & SIMD_VVVV ? a : enc & SIMD_GROUP ? d : 0;
    l->uses_ymm |= !(enc & SIMD_DST_GPR && enc & SIMD_SRC_GPR);
    if (reads_d)
        emit_vec_move(l, op->type, d, a);
    if (enc & SIMD_IS4)
        imm = (c & 15) << 4 | (imm & 15);
    if (enc & SIMD_GROUP)
        x86_simd_vex(&l->e, enc, enc >> SIMD_EXT_SHIFT & 7, vvvv & 15, b & 15, imm);
    else if (enc & SIMD_RM_DST)
        x86_simd_vex(&l->e, enc, b & 15, vvvv & 15, d & 15, imm);
    else
        x86_simd_vex(&l->e, enc, d & 15, vvvv & 15, b & 15, imm);
}

enum { FIRST_HIGH = 8 }; /* TcgEnvHead.vec_high */

/* The globals' upper halves in env; the host's registers too, as the guest wants it for the same reason: what runs
 * next is legacy SSE code. Those from the ninth on are seldom used: a mark says whether there is anything to do. */
static void lower_vzeroupper(Ra *l, const TcgOp *op)
{
    Emit *e = &l->e;
    Reg zero = NOREG;
    bool in_memory = false;

    for (Reg r = XMM0; r <= XMM15; r++) { /* temps do not become zero above */
        for (TcgTempIdx t = l->head[r]; t != TCG_NO_TEMP; t = l->t[t].next) {
            if (l->s->temps[t].kind != TCG_TEMP_GLOBAL || l->s->temps[t].type != TCG_V256) {
                ra_evict(l, r);
                break;
            }
        }
    }
    zero = ra_tmpv(l);
    x86_vzeroupper(e);
    for (TcgTempIdx t = 0; t < l->s->nb_globals; t++) { /* what is in a register is stored as a whole, and stays there */
        RaTemp *rt = &l->t[t];
        if (l->s->temps[t].type != TCG_V256)
            continue;
        unsigned n = (l->s->temps[t].env_offset - op->arg[0]) / 32;
        if (n >= op->arg[1])
            continue;
        if (rt->loc == LOC_REG) {
            x86_vec_store(e, host_features.avx ? 32 : 16, ra_home(l, t), rt->reg);
            rt->coherent = true;
        } else if (n < FIRST_HIGH) {
            if (!in_memory)
                x86_simd_vex(e, SIMD_MAP_0F | 0x57, zero & 15, zero & 15, zero & 15, 0);
            in_memory = true;
            x86_vec_store(e, 16, mem_env(l->s->temps[t].env_offset + 16), zero);
        }
    }
    if (op->arg[1] <= FIRST_HIGH)
        return;
    x86_alu_mi(e, X86_CMP, 1, false, mem_env(offsetof(TcgEnvHead, vec_high)), 0);
    Stub *st = stub_new(l, TCG_OP_vzeroupper);
    stub_from(st, x86_jcc(e, CC_NE));
    st->tmp = zero;
    st->disp = op->arg[0] + 16;
    st->rmw = op->arg[1];
    st->back = e->p;
}

void vzeroupper_stub(Ra *l, const Stub *st)
{
    Emit *e = &l->e;
    unsigned zero = st->tmp & 15;

    x86_patch_here(e, st->from[0]);
    x86_simd_vex(e, SIMD_MAP_0F | 0x57, zero, zero, zero, 0);
    for (unsigned i = FIRST_HIGH; i < st->rmw; i++)
        x86_vec_store(e, 16, mem_env(st->disp + 32 * i), st->tmp);
    x86_store_imm(e, 1, mem_env(offsetof(TcgEnvHead, vec_high)), 0);
    x86_jmp_to(e, st->back);
}

static void lower_simd(Ra *l, const TcgOp *op)
{
    SimdEnc enc = op->arg[4];
    if (enc & SIMD_VEX) {
        lower_vex(l, op);
        return;
    }
    uint8_t imm = op->arg[5];
    bool reads_d = enc & (SIMD_DST_READ | SIMD_GROUP) && !(enc & SIMD_DST_GPR);
    TcgTempIdx mask = enc & SIMD_XMM0 ? op->arg[3] : TCG_NO_TEMP;
    Reg a = NOREG, b = NOREG, d;

    if (mask != TCG_NO_TEMP) {
        if (l->t[mask].loc != LOC_REG || l->t[mask].reg != XMM0)
            ra_evict(l, XMM0);
        l->locked |= REG_BIT(XMM0); /* nobody else is to be loaded into it */
        Reg c = ra_in(l, mask);
        if (c != XMM0)
            x86_movaps_rr(&l->e, XMM0, c);
    }
    if (reads_d)
        a = ra_in(l, op->arg[1]);
    if (op->arg[2] != TCG_NO_TEMP && !(enc & SIMD_GROUP))
        b = ra_in(l, op->arg[2]);
    ra_kill(l);
    Reg prefer = reads_d ? a : b;
    d = ra_out(l, op->arg[0], prefer == XMM0 && mask != TCG_NO_TEMP ? NOREG : prefer);
    if (reads_d)
        emit_vec_move(l, op->type, d, a);
    if (enc & SIMD_GROUP)
        x86_simd_rr(&l->e, enc, enc >> SIMD_EXT_SHIFT & 7, d & 15, imm);
    else if (enc & SIMD_RM_DST)
        x86_simd_rr(&l->e, enc, b & 15, d & 15, imm);
    else
        x86_simd_rr(&l->e, enc, d & 15, b & 15, imm);
}

/* The compare's flags as ZF << 6 | PF << 2 | CF; lahf would need the guest's rax. */
static void lower_simd_flags(Ra *l, const TcgOp *op)
{
    Emit *e = &l->e;
    Reg a = ra_in(l, op->arg[1]), b = ra_in(l, op->arg[2]), t = ra_tmp(l);
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], NOREG);
    x86_zero(e, d);
    x86_zero(e, t);
    if (op->arg[3] & SIMD_VEX)
        x86_simd_vex(e, op->arg[3], a & 15, 0, b & 15, op->arg[4]);
    else
        x86_simd_rr(e, op->arg[3], a & 15, b & 15, op->arg[4]);
    x86_setcc(e, CC_B, d);
    x86_setcc(e, CC_P, t);
    x86_lea(e, false, d, mem_idx(d, t, 2, 0)); /* lea keeps the flags */
    x86_setcc(e, CC_E, t);
    x86_shift_ri(e, X86_SHL, false, t, 6);
    x86_alu_rr(e, X86_OR, false, d, t);
}

bool lower_vec_op(Ra *l)
{
    switch (l->op->opc) {
    case TCG_OP_movv: ra_out_alias(l, l->op->arg[0], l->op->arg[1]); break;
    case TCG_OP_ldv: lower_ldv(l, l->op); break;
    case TCG_OP_stv: lower_stv(l, l->op); break;
    case TCG_OP_simd: lower_simd(l, l->op); break;
    case TCG_OP_simd_flags: lower_simd_flags(l, l->op); break;
    case TCG_OP_vzeroupper: lower_vzeroupper(l, l->op); break;
    default: return false;
    }
    return true;
}
