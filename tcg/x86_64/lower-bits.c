/* lower-bits.c - shifts, bit counts, extensions, bit fields, byte swaps.
 * With BMI2 a variable shift is one instruction on any registers; without it, and for rotates and double
 * shifts, the count goes to cl and the guest's rcx waits in the frame meanwhile. */
#include "tcg/regalloc.h"

/* d = a <op> cl-count; for shld/shrd (dshift) b supplies the bits shifted in. */
static void shift_by_cl(Ra *l, const TcgOp *op, bool w, X86Shift sh, bool dshift, bool left)
{
    Emit *e = &l->e;
    Reg a = ra_in(l, op->arg[1]);
    Reg b = dshift ? ra_in(l, op->arg[2]) : NOREG;
    Opnd count = ra_in_any(l, op->arg[dshift ? 3 : 2]);
    Reg t = ra_tmp(l); /* the work happens here: a, b or d may be rcx */
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], t);
    bool count_in_cx = count.kind == OPND_REG && count.reg == RCX;
    bool b_in_cx = b == RCX && !count_in_cx, save = d != RCX && !count_in_cx;

    x86_mov_rr(e, w, t, a); /* t is fresh, so it is none of the inputs */
    if (save || b_in_cx)
        x86_store(e, 8, mem_at(RSP, FRAME_SAVE_CX), RCX);
    if (b_in_cx) { /* trade places: the bits to shift in must not be in cl's register */
        x86_store(e, 8, mem_at(RSP, FRAME_SAVE_AX), RAX);
        bool a_count = count.kind == OPND_REG && count.reg == RAX;
        x86_xchg_rr(e, true, RAX, RCX); /* rax = b, rcx = old rax */
        if (!a_count)
            ra_move_opnd(l, RCX, count);
        x86_dshift_cl(e, left, w, t, RAX);
        x86_load(e, 8, EXT_ZERO, RAX, mem_at(RSP, FRAME_SAVE_AX));
    } else {
        ra_move_opnd(l, RCX, count);
        if (dshift)
            x86_dshift_cl(e, left, w, t, b);
        else
            x86_shift_cl(e, sh, w, t);
    }
    if (save)
        x86_load(e, 8, EXT_ZERO, RCX, mem_at(RSP, FRAME_SAVE_CX));
    if (d != t)
        x86_mov_rr(e, w, d, t);
}

static void lower_shift(Ra *l, const TcgOp *op, bool w, X86Shift sh)
{
    Emit *e = &l->e;
    uint64_t n;

    if (ra_is_const(l, op->arg[2], &n)) {
        Reg a = ra_in(l, op->arg[1]);
        n &= w ? 63 : 31;
        ra_kill(l);
        Reg d = ra_out(l, op->arg[0], a);
        if (n && d != a && sh <= X86_ROR && host_features.bmi2) {
            x86_rorx(e, w, d, a, sh == X86_ROR ? n : (w ? 64 : 32) - n);
            return;
        }
        if (d != a && sh == X86_SHL && n && n <= 3) {
            x86_lea(e, w, d, mem_idx(NOREG, a, n, 0));
            return;
        }
        if (d != a || (n == 0 && !w))
            x86_mov_rr(e, w, d, a);
        if (n)
            x86_shift_ri(e, sh, w, d, n);
    } else if (host_features.bmi2 && sh >= X86_SHL) {
        Reg a = ra_in(l, op->arg[1]), b = ra_in(l, op->arg[2]);
        ra_kill(l);
        Reg d = ra_out(l, op->arg[0], a);
        x86_shiftx(e, sh, w, d, a, b);
    } else {
        shift_by_cl(l, op, w, sh, false, false);
    }
}

static void lower_dshift(Ra *l, const TcgOp *op, bool w, bool left)
{
    Emit *e = &l->e;
    uint64_t n;

    if (!ra_is_const(l, op->arg[3], &n)) {
        shift_by_cl(l, op, w, X86_SHL, true, left);
        return;
    }
    n &= w ? 63 : 31;
    Reg a = ra_in(l, op->arg[1]), b = ra_in(l, op->arg[2]), t = NOREG;
    if (ra_pin(l, op->arg[0]) == b && a != b)
        t = ra_tmp(l);
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], a);
    Reg work = t != NOREG ? t : d;
    if (work != a || !w)
        x86_mov_rr(e, w, work, a);
    if (n)
        x86_dshift_ri(e, left, w, work, b, n);
    if (work != d)
        x86_mov_rr(e, w, d, work);
}

static void lower_count(Ra *l, const TcgOp *op, bool w, bool leading)
{
    Emit *e = &l->e;
    unsigned bits = w ? 64 : 32;
    bool counts_zero = leading ? host_features.lzcnt : host_features.bmi1; /* tzcnt is BMI1's */
    Reg a = ra_in(l, op->arg[1]);
    uint64_t v;

    if (counts_zero && ra_is_const(l, op->arg[2], &v) && (w ? v : (uint32_t)v) == bits) {
        ra_kill(l);
        Reg d = ra_out(l, op->arg[0], a);
        x86_bits_rr(e, leading ? X86_LZCNT : X86_TZCNT, w, d, a);
        return;
    }
    Reg b = ra_in(l, op->arg[2]), t = ra_tmp(l), u = NOREG;
    if (!counts_zero && leading)
        u = ra_tmp(l);
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], t);
    if (counts_zero) {
        x86_bits_rr(e, leading ? X86_LZCNT : X86_TZCNT, w, t, a);
        x86_cmov_rr(e, CC_B, w, t, b); /* CF: there was no one bit */
    } else if (!leading) {
        x86_bits_rr(e, X86_BSF, w, t, a);
        x86_cmov_rr(e, CC_E, w, t, b);
    } else { /* bits - 1 - index == index ^ (bits - 1); b is bent the same way beforehand */
        x86_mov_rr(e, w, u, b);
        x86_alu_ri(e, X86_XOR, w, u, bits - 1);
        x86_bits_rr(e, X86_BSR, w, t, a);
        x86_cmov_rr(e, CC_E, w, t, u);
        x86_alu_ri(e, X86_XOR, w, t, bits - 1);
    }
    if (d != t)
        x86_mov_rr(e, w, d, t);
}

/* The sum of ones in ever wider fields (Hacker's Delight 5-1), for hosts without popcnt. */
static void popcnt_by_fields(Ra *l, bool w, Reg d, Reg a, Reg t, Reg m)
{
    Emit *e = &l->e;
    uint64_t k = w ? ~0ull : 0xffffffff;

    x86_mov_rr(e, w, t, a);
    x86_mov_rr(e, w, d, a);
    x86_shift_ri(e, X86_SHR, w, t, 1);
    x86_mov_ri(e, m, 0x5555555555555555 & k);
    x86_alu_rr(e, X86_AND, w, t, m);
    x86_alu_rr(e, X86_SUB, w, d, t);
    x86_mov_rr(e, w, t, d);
    x86_mov_ri(e, m, 0x3333333333333333 & k);
    x86_shift_ri(e, X86_SHR, w, t, 2);
    x86_alu_rr(e, X86_AND, w, t, m);
    x86_alu_rr(e, X86_AND, w, d, m);
    x86_alu_rr(e, X86_ADD, w, d, t);
    x86_mov_rr(e, w, t, d);
    x86_shift_ri(e, X86_SHR, w, t, 4);
    x86_alu_rr(e, X86_ADD, w, d, t);
    x86_mov_ri(e, m, 0x0f0f0f0f0f0f0f0f & k);
    x86_alu_rr(e, X86_AND, w, d, m);
    x86_mov_ri(e, m, 0x0101010101010101 & k);
    x86_imul_rr(e, w, d, m);
    x86_shift_ri(e, X86_SHR, w, d, w ? 56 : 24);
}

static void lower_popcnt(Ra *l, const TcgOp *op, bool w)
{
    Reg a = ra_in(l, op->arg[1]);
    if (host_features.popcnt) {
        ra_kill(l);
        x86_bits_rr(&l->e, X86_POPCNT, w, ra_out(l, op->arg[0], a), a);
        return;
    }
    Reg t = ra_tmp(l), m = ra_tmp(l);
    ra_kill(l);
    popcnt_by_fields(l, w, ra_out(l, op->arg[0], a), a, t, m);
}

static void lower_ext(Ra *l, const TcgOp *op, unsigned size, bool sign)
{
    X86Ext ext = !sign ? EXT_ZERO : op->type == TCG_I32 && size < 4 ? EXT_SIGN32 : EXT_SIGN64;
    Opnd a = ra_in_rm(l, op->arg[1]);
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], a.reg);
    if (a.kind == OPND_MEM)
        x86_load(&l->e, size, ext, d, a.mem);
    else
        x86_movx_rr(&l->e, size, ext, d, a.reg);
}

/* MOV %bh, %cl: a second byte goes into a first one and nowhere else. */
static bool lower_byte_move(Ra *l, const TcgOp *op)
{
    TcgContext *s = l->s;
    TcgTempIdx t = op->arg[0];
    unsigned i = ra_next_op(l, l->op_index);
    Reg from = ra_pin(l, op->arg[1]);

    if (op->arg[2] != 8 || op->arg[3] != 8 || s->temps[t].kind != TCG_TEMP_EBB || i >= s->nb_ops || s->ops[i].opc != TCG_OP_deposit)
        return false;
    TcgOp *n = &s->ops[i];
    Reg to = ra_pin(l, n->arg[0]);
    if (n->arg[2] != t || n->arg[1] != n->arg[0] || n->type != TCG_I64 || n->arg[3] != 0 || n->arg[4] != 8 || !(n->life >> 2 & 1) ||
        from == NOREG || from >= 4 || to == NOREG || to >= 4)
        return false;
    ra_in(l, op->arg[1]);
    ra_in(l, n->arg[0]);
    ra_kill(l);
    l->op = n;
    ra_kill(l);
    x86_mov_r8_rh(&l->e, ra_out(l, n->arg[0], to), from);
    n->opc = TCG_OP_nop;
    return true;
}

/* ADD %cl, %bh: so is an instruction on a second byte, if its other operand is in a register that has one. */
static bool lower_high_alu(Ra *l, const TcgOp *op)
{
    static const struct { bool can; uint8_t alu; } of[TCG_OP_COUNT] = {
        [TCG_OP_add] = { true, X86_ADD }, [TCG_OP_sub] = { true, X86_SUB }, [TCG_OP_and] = { true, X86_AND },
        [TCG_OP_or] = { true, X86_OR }, [TCG_OP_xor] = { true, X86_XOR },
    };
    TcgContext *s = l->s;
    TcgTempIdx t = op->arg[0], x = op->arg[1];
    unsigned i = ra_next_op(l, l->op_index), k;
    Reg d = ra_pin(l, x);
    uint64_t v = 0;

    if (op->arg[2] != 8 || op->arg[3] != 8 || s->temps[t].kind != TCG_TEMP_EBB || d == NOREG || d >= 4 || i >= s->nb_ops ||
        !of[s->ops[i].opc].can)
        return false;
    TcgOp *n = &s->ops[i];
    k = ra_next_op(l, i);
    if (k >= s->nb_ops || s->ops[k].opc != TCG_OP_deposit)
        return false;
    TcgOp *put = &s->ops[k];
    TcgTempIdx sum = n->arg[0], other = n->arg[1] == t ? n->arg[2] : n->arg[1];
    unsigned at = n->arg[1] == t ? 1 : 2;
    bool known = ra_is_const(l, other, &v);
    if (n->arg[at] != t || other == t || !(n->life >> at & 1) || (at == 2 && n->opc == TCG_OP_sub) || n->type != TCG_I32 ||
        s->temps[sum].kind != TCG_TEMP_EBB || sum == t || put->arg[0] != x || put->arg[1] != x || put->arg[2] != sum ||
        put->type != TCG_I64 || put->arg[3] != 8 || put->arg[4] != 8 || !(put->life >> 2 & 1) ||
        (!known && (ra_pin(l, other) == NOREG || ra_pin(l, other) >= 4)))
        return false;
    ra_in(l, x);
    if (!known)
        ra_in(l, other);
    ra_kill(l);
    l->op = n;
    ra_kill(l);
    l->op = put;
    ra_kill(l);
    x86_alu_rh(&l->e, of[n->opc].alu, ra_out(l, x, d), known ? NOREG : ra_pin(l, other), (int8_t)v);
    n->opc = put->opc = TCG_OP_nop;
    return true;
}

static void lower_extract(Ra *l, const TcgOp *op, bool w, bool sign)
{
    Emit *e = &l->e;
    unsigned pos = op->arg[2], len = op->arg[3], bits = w ? 64 : 32;

    if (pos == 0 && len == bits) {
        Reg a = ra_in(l, op->arg[1]);
        ra_kill(l);
        x86_mov_rr(e, w, ra_out(l, op->arg[0], a), a);
        return;
    }
    if (pos == 0 && (len == 8 || len == 16 || len == 32)) {
        lower_ext(l, op, len / 8, sign);
        return;
    }
    if (!sign && (lower_byte_move(l, op) || lower_high_alu(l, op)))
        return;
    Reg a = ra_in(l, op->arg[1]);
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], a);
    if (pos == 8 && len == 8 && a < 4 && d < 8 && !(sign && w)) {
        x86_movx_rh(e, sign ? EXT_SIGN32 : EXT_ZERO, d, a); /* movzx d, ah */
        return;
    }
    if (!sign && len <= 32 && pos + len <= 32)
        w = false, bits = 32; /* shorter encodings */
    if (pos + len == bits) {
        if (d != a)
            x86_mov_rr(e, w, d, a);
        x86_shift_ri(e, sign ? X86_SAR : X86_SHR, w, d, pos);
    } else if (sign || len > 31) {
        if (d != a)
            x86_mov_rr(e, w, d, a);
        x86_shift_ri(e, X86_SHL, w, d, bits - pos - len);
        x86_shift_ri(e, sign ? X86_SAR : X86_SHR, w, d, bits - len);
    } else {
        if (pos && host_features.bmi2 && d != a) { /* what comes in above is masked */
            x86_rorx(e, w, d, a, pos);
        } else {
            if (d != a)
                x86_mov_rr(e, w, d, a);
            if (pos)
                x86_shift_ri(e, X86_SHR, w, d, pos);
        }
        if (len == 8 || len == 16)
            x86_movx_rr(e, len / 8, EXT_ZERO, d, d);
        else
            x86_alu_ri(e, X86_AND, false, d, (1u << len) - 1);
    }
}

static void lower_deposit(Ra *l, const TcgOp *op, bool w)
{
    Emit *e = &l->e;
    unsigned pos = op->arg[3], len = op->arg[4], bits = w ? 64 : 32;
    uint64_t v;
    bool b_const = ra_is_const(l, op->arg[2], &v);
    bool low = pos == 0 && (len == 8 || len == 16);

    if (len == bits) {
        Reg b = ra_in(l, op->arg[2]);
        ra_kill(l);
        x86_mov_rr(e, w, ra_out(l, op->arg[0], b), b);
        return;
    }
    Reg a = ra_in(l, op->arg[1]);
    bool high = pos == 8 && len == 8 && ra_pin(l, op->arg[0]) != NOREG && ra_pin(l, op->arg[0]) < 4;
    Reg b = b_const && (low || high) ? NOREG : ra_in(l, op->arg[2]);
    Reg t = NOREG;
    if (b != NOREG && b != a && ra_pin(l, op->arg[0]) == b)
        t = ra_tmp(l); /* d is b's register and gets a first: b must step aside */
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], a);
    if (t != NOREG) {
        x86_mov_rr(e, true, t, b);
        b = t;
    }
    bool same = b == a; /* then d must not lose b's bits before they are used */
    if (d != a || !w)
        x86_mov_rr(e, w, d, a);
    if (high && b == NOREG) {
        x86_mov_rhi(e, d, v);
    } else if (low && b == NOREG) {
        if (len == 8)
            x86_mov_r8i(e, d, v);
        else
            x86_mov_r16i(e, d, v);
    } else if (low) {
        if (d != b)
            (len == 8 ? x86_mov_r8r8 : x86_mov_r16r16)(e, d, b);
    } else if (pos == 8 && len == 8 && d < 4 && b < 4) {
        x86_mov_rh_r8(e, d, b);
    } else if (same && d == a) { /* rotating d would move b: take the bits out first */
        Reg u = ra_tmp(l);
        x86_mov_rr(e, w, u, b);
        if (pos)
            x86_shift_ri(e, X86_ROR, w, d, pos);
        x86_dshift_ri(e, false, w, d, u, len);
        x86_shift_ri(e, X86_ROL, w, d, (pos + len) & (bits - 1));
    } else if (len == 8) {
        x86_shift_ri(e, X86_ROR, w, d, pos);
        x86_mov_r8r8(e, d, b);
        x86_shift_ri(e, X86_ROL, w, d, pos);
    } else { /* turn the field to the bottom, shift b's bits in from the top, turn back */
        if (pos)
            x86_shift_ri(e, X86_ROR, w, d, pos);
        x86_dshift_ri(e, false, w, d, b, len);
        if ((pos + len) & (bits - 1))
            x86_shift_ri(e, X86_ROL, w, d, (pos + len) & (bits - 1));
    }
}

static void lower_bswap(Ra *l, const TcgOp *op, bool w, bool half)
{
    Reg a = ra_in(l, op->arg[1]);
    ra_kill(l);
    Reg d = ra_out(l, op->arg[0], a);
    if (half) {
        x86_movx_rr(&l->e, 2, EXT_ZERO, d, a);
        x86_shift16_ri(&l->e, X86_ROL, d, 8);
        return;
    }
    if (d != a)
        x86_mov_rr(&l->e, w, d, a);
    x86_bswap(&l->e, w, d);
}

bool lower_bits_op(Ra *l)
{
    const TcgOp *op = l->op;
    bool w = op->type != TCG_I32;

    switch (op->opc) {
    case TCG_OP_shl: lower_shift(l, op, w, X86_SHL); break;
    case TCG_OP_shr: lower_shift(l, op, w, X86_SHR); break;
    case TCG_OP_sar: lower_shift(l, op, w, X86_SAR); break;
    case TCG_OP_rotl: lower_shift(l, op, w, X86_ROL); break;
    case TCG_OP_rotr: lower_shift(l, op, w, X86_ROR); break;
    case TCG_OP_shld: lower_dshift(l, op, w, true); break;
    case TCG_OP_shrd: lower_dshift(l, op, w, false); break;
    case TCG_OP_clz: lower_count(l, op, w, true); break;
    case TCG_OP_ctz: lower_count(l, op, w, false); break;
    case TCG_OP_popcnt: lower_popcnt(l, op, w); break;
    case TCG_OP_ext8s: lower_ext(l, op, 1, true); break;
    case TCG_OP_ext8u: lower_ext(l, op, 1, false); break;
    case TCG_OP_ext16s: lower_ext(l, op, 2, true); break;
    case TCG_OP_ext16u: lower_ext(l, op, 2, false); break;
    case TCG_OP_ext32s: lower_ext(l, op, 4, true); break;
    case TCG_OP_ext32u: lower_ext(l, op, 4, false); break;
    case TCG_OP_extract: lower_extract(l, op, w, false); break;
    case TCG_OP_sextract: lower_extract(l, op, w, true); break;
    case TCG_OP_deposit: lower_deposit(l, op, w); break;
    case TCG_OP_bswap16: lower_bswap(l, op, w, true); break;
    case TCG_OP_bswap: lower_bswap(l, op, w, false); break;
    default: return false;
    }
    return true;
}
