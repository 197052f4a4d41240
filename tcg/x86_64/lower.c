/* lower.c - an IR op to host instructions: dispatch, comparisons, moves, arithmetic, host memory.
 *
 * The families: arithmetic here, lower-bits.c (shifts and fields), lower-vec.c, lower-control.c,
 * guest-ldst.c. The order inside every function is the one of regalloc.h: inputs, scratch, kill, outputs,
 * instructions. An output may be the same register as an input (a pinned global on both sides, or a
 * scratch register that an input just left), so `d == b` is a case wherever d is written early. */
#include "tcg/regalloc.h"

X86Cond lower_compare(Ra *l, TcgType type, TcgCond cond, TcgTempIdx a, TcgTempIdx b)
{
    /* ORDER of TcgCond; ^1 inverts both there and here */
    static const uint8_t cc_of[] = {
        [TCG_COND_EQ] = CC_E, [TCG_COND_NE] = CC_NE, [TCG_COND_LT] = CC_L, [TCG_COND_GE] = CC_GE,
        [TCG_COND_LE] = CC_LE, [TCG_COND_GT] = CC_G, [TCG_COND_LTU] = CC_B, [TCG_COND_GEU] = CC_AE,
        [TCG_COND_LEU] = CC_BE, [TCG_COND_GTU] = CC_A, [TCG_COND_TSTEQ] = CC_E, [TCG_COND_TSTNE] = CC_NE,
    };
    Emit *e = &l->e;
    bool w = type != TCG_I32, test = cond >= TCG_COND_TSTEQ;
    uint64_t v;

    if (ra_is_const(l, a, &v) && !ra_is_const(l, b, &v)) {
        TcgTempIdx t = a;
        a = b;
        b = t;
        cond = tcg_cond_swap(cond);
    }
    Opnd ob = ra_in_ri(l, b, type);
    Opnd oa = ra_in_rm(l, a);
    if (test) {
        if (oa.kind == OPND_MEM)
            oa = (Opnd){ OPND_REG, .reg = ra_in(l, a) };
        if (ob.kind == OPND_IMM)
            x86_test_ri(e, w, oa.reg, ob.imm);
        else
            x86_test_rr(e, w, oa.reg, ob.reg);
    } else if (oa.kind == OPND_MEM) {
        if (ob.kind == OPND_IMM)
            x86_alu_mi(e, X86_CMP, w ? 8 : 4, false, oa.mem, ob.imm);
        else
            x86_alu_mr(e, X86_CMP, w ? 8 : 4, false, oa.mem, ob.reg);
    } else if (ob.kind == OPND_IMM) {
        if (ob.imm == 0)
            x86_test_rr(e, w, oa.reg, oa.reg); /* same flags as cmp with 0 */
        else
            x86_alu_ri(e, X86_CMP, w, oa.reg, ob.imm);
    } else {
        x86_alu_rr(e, X86_CMP, w, oa.reg, ob.reg);
    }
    return cc_of[cond];
}

static void lower_mov(Ra *l, const TcgOp *op, bool w)
{
    uint64_t v;
    if (w) {
        ra_out_alias(l, op->arg[0], op->arg[1]);
        return;
    }
    if (ra_is_const(l, op->arg[1], &v)) {
        ra_kill(l);
        ra_out_const(l, op->arg[0], (uint32_t)v);
        return;
    }
    Opnd a = ra_in_rm(l, op->arg[1]);
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], a.reg);
    if (a.kind == OPND_MEM)
        x86_load(&l->e, 4, EXT_ZERO, d, a.mem);
    else
        x86_mov_rr(&l->e, false, d, a.reg);
}

/* d = d alu b, b wherever it is. */
static void emit_alu(Emit *e, X86Alu alu, bool w, Reg d, Opnd b)
{
    if (b.kind == OPND_IMM)
        x86_alu_ri(e, alu, w, d, b.imm);
    else if (b.kind == OPND_MEM)
        x86_alu_rm(e, alu, w, d, b.mem);
    else
        x86_alu_rr(e, alu, w, d, b.reg);
}

/* The result goes into the low byte or word of the register that it was made of and nowhere else: the guest's instruction
 * is the host's. */
static bool lower_low_alu(Ra *l, const TcgOp *op, X86Alu alu)
{
    TcgContext *s = l->s;
    TcgTempIdx t = op->arg[0];
    unsigned i = ra_next_op(l, l->op_index);
    uint64_t v;

    if (s->temps[t].kind != TCG_TEMP_EBB || i >= s->nb_ops || s->ops[i].opc != TCG_OP_deposit)
        return false;
    TcgOp *n = &s->ops[i];
    TcgTempIdx x = n->arg[0], other = op->arg[1] == x ? op->arg[2] : op->arg[1];
    unsigned size = n->arg[4] / 8;
    if (n->arg[2] != t || n->arg[1] != x || x == t || n->type != TCG_I64 || n->arg[3] != 0 || (n->arg[4] != 8 && n->arg[4] != 16) ||
        !(n->life >> 2 & 1) || ra_pin(l, x) == NOREG || (op->arg[1] != x && (op->arg[2] != x || alu == X86_SUB)))
        return false;
    bool known = ra_is_const(l, other, &v);
    if (known && size == 2 && (int16_t)v != (int8_t)v)
        return false;
    Reg d = ra_in(l, x), b = known ? NOREG : ra_in(l, other);
    ra_kill(l);
    l->op = n;
    ra_kill(l);
    d = ra_out(l, x, d);
    if (known)
        x86_alu_low_ri(&l->e, alu, size, d, (int8_t)v);
    else
        x86_alu_low_rr(&l->e, alu, size, d, b);
    n->opc = TCG_OP_nop;
    return true;
}

/* add, sub, and, or, xor */
static void lower_alu(Ra *l, const TcgOp *op, bool w, X86Alu alu)
{
    if (!w && lower_low_alu(l, op, alu))
        return;
    Emit *e = &l->e;
    TcgTempIdx ta = op->arg[1], tb = op->arg[2];
    uint64_t v;
    bool commutes = alu != X86_SUB;

    if (commutes && ra_is_const(l, ta, &v)) {
        ta = op->arg[2];
        tb = op->arg[1];
    }
    Reg a = ra_in(l, ta);
    if (alu == X86_AND && ra_is_const(l, tb, &v)) {
        unsigned size = v == 0xff ? 1 : v == 0xffff ? 2 : v == 0xffffffff ? 4 : 0;
        if (size) {
            ra_kill(l);
            Reg d = ra_out(l, op->arg[0], a);
            x86_movx_rr(e, size, EXT_ZERO, d, a);
            return;
        }
        if (w && v < 0x80000000)
            w = false; /* the upper half becomes zero anyway, and the instruction shorter */
    }
    Opnd b = ra_in_rmi(l, tb, w ? TCG_I64 : TCG_I32);
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], alu == X86_ADD && l->s->floating && lower_is_target(l, op->arg[0]) ? FLOAT_PC : a);
    if (b.kind == OPND_REG && d == b.reg && d != a) {
        if (commutes) {
            x86_alu_rr(e, alu, w, d, a);
        } else { /* a - d */
            x86_grp3_r(e, X86_NEG, w, d);
            x86_alu_rr(e, X86_ADD, w, d, a);
        }
        return;
    }
    if (d != a) {
        if (alu == X86_ADD && b.kind == OPND_REG) {
            x86_lea(e, w, d, mem_idx(a, b.reg, 0, 0));
            return;
        }
        if (b.kind == OPND_IMM && (alu == X86_ADD || (alu == X86_SUB && b.imm != INT32_MIN))) {
            x86_lea(e, w, d, mem_at(a, alu == X86_ADD ? b.imm : -b.imm));
            return;
        }
        x86_mov_rr(e, w, d, a);
    }
    emit_alu(e, alu, w, d, b);
}

/* What the ops of an address calculation add up to: base + (index << scale) + disp. */
typedef struct Address {
    TcgTempIdx base, index;
    unsigned scale;
    int64_t disp;
} Address;

/* Take in the add at ops[i] if all it does is to add something to t, and nobody else wants t. */
static bool address_add(Ra *l, Address *m, unsigned i, TcgTempIdx t, TcgType type)
{
    const TcgContext *s = l->s;
    if (i >= s->nb_ops || s->ops[i].opc != TCG_OP_add || s->ops[i].type != type || s->temps[t].kind != TCG_TEMP_EBB)
        return false;
    const TcgOp *op = &s->ops[i];
    unsigned n = op->arg[1] == t ? 1 : 2;
    TcgTempIdx other = op->arg[3 - n];
    uint64_t v;
    if (op->arg[n] != t || other == t || !(op->life >> n & 1))
        return false;
    if (ra_is_const(l, other, &v)) {
        int64_t disp = m->disp + (type == TCG_I32 ? (int32_t)v : (int64_t)v);
        if (!fits32(disp))
            return false;
        m->disp = disp;
        return true;
    }
    if (m->base != TCG_NO_TEMP)
        return false;
    m->base = other;
    return true;
}

/* shl by 1-3, add, add of a constant and the like, one behind the other: a lea. */
static bool lower_lea(Ra *l)
{
    TcgContext *s = l->s;
    const TcgOp *op = l->op;
    TcgType type = op->type;
    Address m = { TCG_NO_TEMP, op->arg[1], 0, 0 };
    unsigned last = l->op_index, nb = 1, i;
    uint64_t v;

    if (op->opc == TCG_OP_shl) {
        if (!ra_is_const(l, op->arg[2], &v) || v < 1 || v > 3 || ra_is_const(l, op->arg[1], &v))
            return false;
        ra_is_const(l, op->arg[2], &v);
        m.scale = v;
    } else {
        if (ra_is_const(l, op->arg[1], &v) || ra_is_const(l, op->arg[2], &v))
            return false;
        m.base = op->arg[2];
    }
    while ((i = ra_next_op(l, last)), address_add(l, &m, i, s->ops[last].arg[0], type)) {
        last = i;
        nb++;
    }
    if (nb == 1)
        return false;
    if (l->stack_add && (m.base == l->stack_temp || s->ops[last].arg[0] == l->stack_temp))
        return false;
    Reg index = ra_in(l, m.index), base = m.base == TCG_NO_TEMP ? NOREG : ra_in(l, m.base);
    for (i = l->op_index; i <= last; i++) {
        if (s->ops[i].opc == TCG_OP_nop)
            continue;
        l->op = &s->ops[i];
        ra_kill(l);
        if (i != last)
            l->s->ops[i].opc = TCG_OP_nop;
    }
    Reg d = ra_out(l, l->op->arg[0], base);
    x86_lea(&l->e, type == TCG_I64, d, mem_idx(base, index, m.scale, m.disp));
    s->ops[last].opc = TCG_OP_nop;
    return true;
}

static void lower_andc(Ra *l, const TcgOp *op, bool w)
{
    Reg a = ra_in(l, op->arg[1]), b = ra_in(l, op->arg[2]);
    if (host_features.bmi1) {
        ra_kill(l);
        Reg d = ra_out(l, op->arg[0], a);
        x86_andn(&l->e, w, d, b, a);
        return;
    }
    Reg t = ra_tmp(l);
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], a);
    x86_mov_rr(&l->e, w, t, b);
    x86_grp3_r(&l->e, X86_NOT, w, t);
    x86_alu_rr(&l->e, X86_AND, w, t, a);
    x86_mov_rr(&l->e, w, d, t);
}

static void lower_unary(Ra *l, const TcgOp *op, bool w, X86Grp3 grp)
{
    Reg a = ra_in(l, op->arg[1]);
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], a);
    if (d != a)
        x86_mov_rr(&l->e, w, d, a);
    x86_grp3_r(&l->e, grp, w, d);
}

static void lower_mul(Ra *l, const TcgOp *op, bool w)
{
    Emit *e = &l->e;
    TcgTempIdx ta = op->arg[1], tb = op->arg[2];
    uint64_t v;

    if (ra_is_const(l, ta, &v)) {
        ta = op->arg[2];
        tb = op->arg[1];
    }
    Reg a = ra_in(l, ta);
    Opnd b = ra_in_rmi(l, tb, w ? TCG_I64 : TCG_I32);
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], a);
    if (b.kind == OPND_IMM) {
        x86_imul_rri(e, w, d, a, b.imm);
        return;
    }
    if (b.kind == OPND_REG && d == b.reg) {
        x86_imul_rr(e, w, d, a);
        return;
    }
    if (d != a)
        x86_mov_rr(e, w, d, a);
    if (b.kind == OPND_MEM)
        x86_imul_rm(e, w, d, b.mem);
    else
        x86_imul_rr(e, w, d, b.reg);
}

/* addc, subb. The carry in goes to CF last, since whatever brings operands into registers may change the flags; what ra_out()
 * writes are moves, which do not. */
static void lower_carry(Ra *l, const TcgOp *op, bool w, bool sub)
{
    Emit *e = &l->e;
    TcgTempIdx ta = op->arg[2], tb = op->arg[3];
    bool dead0 = op->life >> 8 & 1, dead1 = op->life >> 9 & 1;
    uint64_t v, c = 1;

    if (!sub && ra_is_const(l, ta, &v)) {
        ta = op->arg[3];
        tb = op->arg[2];
    }
    Reg a = ra_in(l, ta), t = NOREG;
    Opnd b = ra_in_rmi(l, tb, w ? TCG_I64 : TCG_I32), in = { OPND_IMM, .reg = NOREG };
    if (!ra_is_const(l, op->arg[4], &c) || c)
        in = ra_in_rm(l, op->arg[4]);
    bool compare = dead0 && sub && !c;
    if ((dead0 && !compare) || (sub && !compare && b.kind == OPND_REG && b.reg != a && ra_pin(l, op->arg[0]) == b.reg))
        t = ra_tmp(l);
    if (c && in.kind == OPND_MEM)
        x86_bt_mi(e, in.mem, 0);
    else if (c)
        x86_bt_ri(e, in.reg, 0);
    ra_kill(l);
    Reg d = compare ? a : t != NOREG ? t : ra_out(l, op->arg[0], a);
    X86Alu alu = compare ? X86_CMP : sub ? (c ? X86_SBB : X86_SUB) : c ? X86_ADC : X86_ADD;
    if (!compare && b.kind == OPND_REG && d == b.reg) { /* a + d, or a and d are one */
        x86_alu_rr(e, alu, w, d, a);
    } else {
        if (d != a)
            x86_mov_rr(e, w, d, a);
        emit_alu(e, alu, w, d, b);
    }
    if (t != NOREG && !dead0) {
        d = ra_out(l, op->arg[0], NOREG);
        x86_mov_rr(e, true, d, t);
    }
    if (dead1)
        return;
    if (in.kind == OPND_MEM && op->arg[1] == op->arg[4]) { /* a chain's carry stays there: the other bytes are zero */
        x86_setcc_m(e, CC_B, in.mem);
        ra_in_memory(l, op->arg[1]);
        return;
    }
    l->locked = dead0 ? 0 : REG_BIT(d); /* the inputs are used up */
    Reg out = ra_out(l, op->arg[1], in.reg);
    x86_setcc(e, CC_B, out);
    if (out != in.reg) /* else it was 0 or 1 before */
        x86_movx_rr(e, 1, EXT_ZERO, out, out);
}

/* mulu2 by guest rdx where it does not suit MUL: MULX reads it in place, and results go anywhere. */
static bool lower_mulx(Ra *l, const TcgOp *op, bool w)
{
    bool first = ra_pin(l, op->arg[2]) == RDX, dead0 = op->life >> 8 & 1, dead1 = op->life >> 9 & 1;

    if (!host_features.bmi2 || (!first && ra_pin(l, op->arg[3]) != RDX) || dead0 || dead1 ||
        (ra_pin(l, op->arg[0]) == RAX && ra_pin(l, op->arg[1]) == RDX))
        return false;
    ra_in(l, op->arg[first ? 2 : 3]);
    Reg b = ra_in(l, op->arg[first ? 3 : 2]);
    ra_kill(l);
    Reg lo = ra_out(l, op->arg[0], b), hi = ra_out(l, op->arg[1], NOREG);
    x86_mulx(&l->e, w, hi, lo, b);
    return true;
}

/* mulu2, muls2, divu2, divs2: the host wants rax and rdx. When they are guest registers that the op does
 * not write, they wait in the frame. */
static void lower_wide(Ra *l, const TcgOp *op, bool w, X86Grp3 grp)
{
    Emit *e = &l->e;
    bool div = grp >= X86_DIV;
    const uint64_t *in = &op->arg[2];
    TcgTempIdx tc = div ? in[2] : in[1];
    Opnd lo = ra_in_any(l, in[0]), hi = { OPND_IMM, .reg = NOREG };
    uint64_t v;

    if (div)
        hi = ra_in_any(l, in[1]);
    Opnd c = ra_is_const(l, tc, &v) ? (Opnd){ OPND_REG, .reg = ra_in(l, tc) } : ra_in_rm(l, tc);
    Reg pin0 = ra_pin(l, op->arg[0]), pin1 = ra_pin(l, op->arg[1]);
    if (pin0 != NOREG)
        ra_evacuate(l, pin0);
    if (pin1 != NOREG)
        ra_evacuate(l, pin1);
    if (!div && c.kind == OPND_REG && c.reg == RAX && lo.kind == OPND_REG) {
        Opnd t = lo;
        lo = c;
        c = t;
    }
    bool keep_ax = pin0 != RAX && pin1 != RAX, keep_dx = pin0 != RDX && pin1 != RDX;
    bool c_in_ax = c.kind == OPND_REG && c.reg == RAX && !(lo.kind == OPND_REG && lo.reg == RAX);
    bool c_in_dx = c.kind == OPND_REG && c.reg == RDX && div;
    if (keep_ax || c_in_ax)
        x86_store(e, 8, mem_at(RSP, FRAME_SAVE_AX), RAX);
    if (keep_dx || c_in_dx)
        x86_store(e, 8, mem_at(RSP, FRAME_SAVE_DX), RDX);
    if (c_in_ax)
        c = (Opnd){ OPND_MEM, .reg = NOREG, .mem = mem_at(RSP, FRAME_SAVE_AX) };
    else if (c_in_dx)
        c = (Opnd){ OPND_MEM, .reg = NOREG, .mem = mem_at(RSP, FRAME_SAVE_DX) };
    if (div && hi.kind == OPND_REG && hi.reg == RAX) {
        if (lo.kind == OPND_REG && lo.reg == RDX) {
            x86_xchg_rr(e, true, RAX, RDX);
        } else {
            x86_mov_rr(e, true, RDX, RAX);
            ra_move_opnd(l, RAX, lo);
        }
    } else {
        ra_move_opnd(l, RAX, lo);
        if (div)
            ra_move_opnd(l, RDX, hi);
    }
    if (c.kind == OPND_MEM)
        x86_grp3_m(e, grp, w ? 8 : 4, false, c.mem);
    else
        x86_grp3_r(e, grp, w, c.reg);

    /* The inputs are used up; the results are in rax and rdx. */
    l->locked = 0;
    ra_kill(l);
    bool dead0 = op->life >> 8 & 1, dead1 = op->life >> 9 & 1;
    Reg d0 = dead0 ? NOREG : ra_out(l, op->arg[0], NOREG), d1 = dead1 ? NOREG : ra_out(l, op->arg[1], NOREG);
    if (d0 == RDX && d1 == RAX) {
        x86_xchg_rr(e, true, RAX, RDX);
    } else if (d0 == RDX) {
        if (d1 != NOREG)
            ra_move_opnd(l, d1, (Opnd){ OPND_REG, .reg = RDX });
        x86_mov_rr(e, true, RDX, RAX);
    } else {
        if (d0 != NOREG)
            ra_move_opnd(l, d0, (Opnd){ OPND_REG, .reg = RAX });
        if (d1 != NOREG)
            ra_move_opnd(l, d1, (Opnd){ OPND_REG, .reg = RDX });
    }
    if (keep_ax)
        x86_load(e, 8, EXT_ZERO, RAX, mem_at(RSP, FRAME_SAVE_AX));
    if (keep_dx)
        x86_load(e, 8, EXT_ZERO, RDX, mem_at(RSP, FRAME_SAVE_DX));
}

static void lower_setcond(Ra *l, const TcgOp *op)
{
    X86Cond cc = lower_compare(l, op->type, op->arg[3], op->arg[1], op->arg[2]);
    l->locked = 0; /* the operands are used up; what follows is moves only, the flags stay */
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], NOREG);
    x86_setcc(&l->e, cc, d);
    x86_movx_rr(&l->e, 1, EXT_ZERO, d, d);
}

static void lower_movcond(Ra *l, const TcgOp *op, bool w)
{
    Emit *e = &l->e;
    Opnd yes = ra_in_rm(l, op->arg[3]), no = ra_in_any(l, op->arg[4]);
    uint32_t needed = (yes.kind == OPND_REG ? REG_BIT(yes.reg) : 0) | (no.kind == OPND_REG ? REG_BIT(no.reg) : 0);
    X86Cond cc = lower_compare(l, op->type, op->arg[5], op->arg[1], op->arg[2]);

    l->locked = needed;
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], no.reg);
    if (yes.kind == OPND_REG && d == yes.reg && !(no.kind == OPND_REG && no.reg == d)) {
        if (no.kind == OPND_IMM) {
            Reg t = ra_tmp(l);
            x86_mov_ri(e, t, no.imm);
            no = (Opnd){ OPND_REG, .reg = t };
        }
        if (no.kind == OPND_MEM)
            x86_cmov_rm(e, cc ^ 1, w, d, no.mem);
        else
            x86_cmov_rr(e, cc ^ 1, w, d, no.reg);
        return;
    }
    ra_move_opnd(l, d, no);
    if (yes.kind == OPND_MEM)
        x86_cmov_rm(e, cc, w, d, yes.mem);
    else
        x86_cmov_rr(e, cc, w, d, yes.reg);
}

/* ---- host memory ---- */

X86Mem lower_host_mem(Ra *l, TcgTempIdx base, int64_t off)
{
    if (l->t[base].kind == RA_ENV && fits32(off - TCG_ENV_BIAS))
        return mem_env(off);
    Reg b = ra_in(l, base);
    if (fits32(off))
        return mem_at(b, off);
    Reg t = ra_tmp(l);
    x86_mov_ri(&l->e, t, off);
    return mem_idx(b, t, 0, 0);
}

static void lower_ld(Ra *l, const TcgOp *op, unsigned size, bool sign)
{
    X86Mem m = lower_host_mem(l, op->arg[1], op->arg[2]);
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], m.base);
    x86_load(&l->e, size, !sign ? EXT_ZERO : op->type == TCG_I32 ? EXT_SIGN32 : EXT_SIGN64, d, m);
}

static void lower_st(Ra *l, const TcgOp *op, unsigned size)
{
    Opnd v = ra_in_ri(l, op->arg[0], size == 8 ? TCG_I64 : TCG_I32);
    X86Mem m = lower_host_mem(l, op->arg[1], op->arg[2]);
    ra_store_value(l, m, size, v, NOREG);
    ra_kill(l);
}

bool lower_alu_op(Ra *l)
{
    const TcgOp *op = l->op;
    bool w = op->type != TCG_I32;

    switch (op->opc) {
    case TCG_OP_mov: lower_mov(l, op, w); break;
    case TCG_OP_setcond: lower_setcond(l, op); break;
    case TCG_OP_movcond: lower_movcond(l, op, w); break;
    case TCG_OP_add:
        if (!lower_lea(l))
            lower_alu(l, op, w, X86_ADD);
        break;
    case TCG_OP_sub: lower_alu(l, op, w, X86_SUB); break;
    case TCG_OP_and: lower_alu(l, op, w, X86_AND); break;
    case TCG_OP_or: lower_alu(l, op, w, X86_OR); break;
    case TCG_OP_xor: lower_alu(l, op, w, X86_XOR); break;
    case TCG_OP_andc: lower_andc(l, op, w); break;
    case TCG_OP_neg: lower_unary(l, op, w, X86_NEG); break;
    case TCG_OP_not: lower_unary(l, op, w, X86_NOT); break;
    case TCG_OP_mul: lower_mul(l, op, w); break;
    case TCG_OP_addc: lower_carry(l, op, w, false); break;
    case TCG_OP_subb: lower_carry(l, op, w, true); break;
    case TCG_OP_mulu2:
        if (!lower_mulx(l, op, w))
            lower_wide(l, op, w, X86_MUL);
        break;
    case TCG_OP_muls2: lower_wide(l, op, w, X86_IMUL); break;
    case TCG_OP_divu2: lower_wide(l, op, w, X86_DIV); break;
    case TCG_OP_divs2: lower_wide(l, op, w, X86_IDIV); break;
    case TCG_OP_ld8u: lower_ld(l, op, 1, false); break;
    case TCG_OP_ld8s: lower_ld(l, op, 1, true); break;
    case TCG_OP_ld16u: lower_ld(l, op, 2, false); break;
    case TCG_OP_ld16s: lower_ld(l, op, 2, true); break;
    case TCG_OP_ld32u: lower_ld(l, op, 4, false); break;
    case TCG_OP_ld32s: lower_ld(l, op, 4, true); break;
    case TCG_OP_ld64: lower_ld(l, op, 8, false); break;
    case TCG_OP_st8: lower_st(l, op, 1); break;
    case TCG_OP_st16: lower_st(l, op, 2); break;
    case TCG_OP_st32: lower_st(l, op, 4); break;
    case TCG_OP_st64: lower_st(l, op, 8); break;
    default: return false;
    }
    return true;
}

static bool lower_shl(Ra *l) { return lower_lea(l) || lower_bits_op(l); }

void lower_op(Ra *l)
{
    static bool (*const family[TCG_OP_COUNT])(Ra *) = { /* ORDER of opc.def */
        [TCG_OP_discard ... TCG_OP_brcond] = lower_control_op, [TCG_OP_mov ... TCG_OP_divs2] = lower_alu_op,
        [TCG_OP_shl] = lower_shl, [TCG_OP_shr ... TCG_OP_bswap] = lower_bits_op, [TCG_OP_ld8u ... TCG_OP_st64] = lower_alu_op,
        [TCG_OP_guest_ld ... TCG_OP_guest_stv] = lower_guest_op, [TCG_OP_movv ... TCG_OP_vzeroupper] = lower_vec_op,
        [TCG_OP_x87 ... TCG_OP_x87_state] = lower_x87_op, [TCG_OP_call ... TCG_OP_exit_tb] = lower_control_op,
    };
    if (!family[l->op->opc](l))
        g_error("back end: op %s is not lowered", tcg_op_info[l->op->opc].name);
}
