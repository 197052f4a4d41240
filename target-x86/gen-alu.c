/* gen-alu.c - arithmetic and logic: IR for ADD to CMPXCHG, multiplication, division, BCD, flag bits.
 * Spec: Intel SDM vol. 2.
 *
 * Memory destinations are changed by one guest_rmw (one TLB look-up, LOCK or not); registers and flags
 * follow only behind it, so that a fault leaves them as they were. */
#include "target-x86/flags.h"
#include "target-x86/translate.h"

typedef void GenBinary(TcgContext *s, TcgType t, Tv d, Tv a, Tv b);

static void set_cc(DisasContext *dc, CCOp family_b, unsigned size) { gen_set_cc_op(dc, cc_op_of(family_b, size)); }


/* ADD, SUB (arith: cc_src is the second operand), AND, OR, XOR */
static void gen_two_operand(DisasContext *dc, GenBinary *gen, RmwOp rmw, CCOp family)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    TcgType t = type_of_size(size);
    bool arith = family != CC_OP_LOGICB;
    Tv a, b, d, a_copy = tcg_temp(s);

    if (dc_op_is_mem(dc, 0)) {
        AddrRef m = gen_operand_mem(dc, true);
        b = gen_operand(dc, 1);
        a = gen_temp(dc);
        gen_rmw(dc, a, m, b, size, rmw);
        d = tcg_temp(s);
    } else {
        b = gen_operand(dc, 1);
        a = gen_operand(dc, 0);
        d = gen_operand_dest(dc, 0);
    }
    if (arith)
        tcg_gen_mov(s, TCG_I64, gen_cc_src(), b);
    if (rmw == RMW_SUB)
        tcg_gen_mov(s, TCG_I64, a_copy, a);
    unsigned index = s->nb_ops;
    gen(s, t, d, a, b);
    tcg_gen_mov(s, TCG_I64, gen_cc_dst(), d);
    if (!dc_op_is_mem(dc, 0))
        gen_operand_write(dc, 0, d);
    set_cc(dc, family, size);
    if (arith)
        gen_note_carry_op(dc, index);
    if (rmw == RMW_SUB)
        gen_note_cmp(dc, CMP_SUB, a_copy, gen_cc_src());
}

void gen_ADD(DisasContext *dc) { gen_two_operand(dc, tcg_gen_add, RMW_ADD, CC_OP_ADDB); }
void gen_SUB(DisasContext *dc) { gen_two_operand(dc, tcg_gen_sub, RMW_SUB, CC_OP_SUBB); }
void gen_AND(DisasContext *dc) { gen_two_operand(dc, tcg_gen_and, RMW_AND, CC_OP_LOGICB); }
void gen_OR(DisasContext *dc) { gen_two_operand(dc, tcg_gen_or, RMW_OR, CC_OP_LOGICB); }
void gen_XOR(DisasContext *dc) { gen_two_operand(dc, tcg_gen_xor, RMW_XOR, CC_OP_LOGICB); }

/* CF in a temp that lives through what follows in this instruction. */
static Tv carry_temp(DisasContext *dc, bool local)
{
    Tv c = local ? tcg_temp_local(dc->s) : gen_temp(dc);
    tcg_gen_mov(dc->s, TCG_I64, c, gen_compute_c(dc));
    return c;
}

/* d = a op b op c, and its carry, unless out is NULL, to *out. */
static void add_with_carry(DisasContext *dc, GenBinary *gen, CCOp family, Tv d, Tv a, Tv b, Tv c, Tv *out)
{
    TcgContext *s = dc->s;
    TcgType t = type_of_size(dc_op_size(dc, 0));

    if (out) {
        (family == CC_OP_ADCB ? tcg_gen_addc : tcg_gen_subb)(s, t, d, *out, a, b, c);
    } else {
        gen(s, t, d, a, b);
        gen(s, t, d, d, c);
    }
}

static void gen_with_carry(DisasContext *dc, GenBinary *gen, CCOp family)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    TcgType t = type_of_size(size);
    bool mem = dc_op_is_mem(dc, 0), locked = mem && dc->insn.lock;
    AddrRef m;
    Tv a, b, d, c = carry_temp(dc, locked), out_temp = gen_temp(dc), *out = size >= MO_32 && !locked ? &out_temp : NULL;

    if (mem) {
        m = gen_operand_mem(dc, true);
        b = gen_operand(dc, 1);
        a = locked ? tcg_temp_local(s) : gen_temp(dc);
        d = locked ? tcg_temp_local(s) : gen_temp(dc);
        if (locked) {
            Tv addr = tcg_temp_local(s), seen, bl = tcg_temp_local(s);
            TcgLabel retry = tcg_label(s);
            tcg_gen_mov(s, TCG_I64, addr, m.addr);
            tcg_gen_mov(s, TCG_I64, bl, b);
            m.addr = addr;
            b = bl;
            tcg_gen_label(s, retry);
            gen_load(dc, a, m, (MemOp)size | MO_WILL_STORE);
            gen(s, t, d, a, b);
            gen(s, t, d, d, c);
            seen = tcg_temp(s);
            gen_cmpxchg(dc, seen, m, a, d, size);
            tcg_gen_brcond(s, TCG_I64, TCG_COND_NE, seen, a, retry);
        } else {
            gen_load(dc, a, m, (MemOp)size | MO_WILL_STORE);
            add_with_carry(dc, gen, family, d, a, b, c, out);
            gen_store(dc, d, m, size);
        }
        tcg_gen_mov(s, TCG_I64, gen_cc_src(), b);
    } else {
        b = gen_operand(dc, 1);
        a = gen_operand(dc, 0);
        d = gen_operand_dest(dc, 0);
        tcg_gen_mov(s, TCG_I64, gen_cc_src(), b);
        if (out && family == CC_OP_SBBB && a.i == b.i) { /* a mask */
            tcg_gen_neg(s, t, d, c);
            tcg_gen_mov(s, TCG_I64, out_temp, c);
        } else {
            add_with_carry(dc, gen, family, d, a, gen_cc_src(), c, out);
        }
    }
    tcg_gen_mov(s, TCG_I64, gen_cc_src2(), c);
    tcg_gen_mov(s, TCG_I64, gen_cc_dst(), d);
    if (!mem)
        gen_operand_write(dc, 0, d);
    set_cc(dc, family, size);
    if (out)
        gen_note_carry(dc, out_temp);
}

void gen_ADC(DisasContext *dc) { gen_with_carry(dc, tcg_gen_add, CC_OP_ADCB); }
void gen_SBB(DisasContext *dc) { gen_with_carry(dc, tcg_gen_sub, CC_OP_SBBB); }

static void finish_cmp(DisasContext *dc, Tv a, Tv b, unsigned size)
{
    tcg_gen_mov(dc->s, TCG_I64, gen_cc_src(), b);
    tcg_gen_mov(dc->s, TCG_I64, gen_cc_dst(), a);
    set_cc(dc, CC_OP_CMPB, size);
    gen_note_cmp(dc, CMP_SUB, a, b);
}

void gen_CMP(DisasContext *dc)
{
    bool mem1 = dc_op_is_mem(dc, 1);
    Tv first = gen_operand(dc, mem1 ? 1 : 0), second = gen_operand(dc, mem1 ? 0 : 1);

    finish_cmp(dc, mem1 ? second : first, mem1 ? first : second, dc_op_size(dc, 0));
}

void gen_TEST(DisasContext *dc)
{
    unsigned size = dc_op_size(dc, 0);
    Tv a = gen_operand(dc, 0), b = gen_operand(dc, 1);

    tcg_gen_and(dc->s, type_of_size(size), gen_cc_dst(), a, b);
    set_cc(dc, CC_OP_LOGICB, size);
    gen_note_cmp(dc, CMP_TEST, a, b);
}

/* Flags that are not known, as at the start of a TB, stay in env for CF (CC_OVER_SHIFT); known ones leave CF in cc_src. */
static void gen_incdec(DisasContext *dc, bool inc)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    bool mem = dc_op_is_mem(dc, 0), adx = size >= MO_32 && gen_in_adx(dc);
    bool over = !gen_in_adx(dc) && (dc->cc_op == CC_OP_DYNAMIC || cc_op_is_over(dc->cc_op));
    CCOp family = cc_op_has_size(dc->cc_op) ? cc_op_family(dc->cc_op) : CC_OP_DYNAMIC;
    bool keeps_c = over || adx || family == CC_OP_INCB || family == CC_OP_DECB;
    Tv c = keeps_c ? gen_cc_src() : carry_temp(dc, false), a, d;

    if (mem) {
        AddrRef m = gen_operand_mem(dc, true);
        a = gen_temp(dc);
        gen_rmw(dc, a, m, tcg_const(s, 1), size, inc ? RMW_ADD : RMW_SUB);
        d = tcg_temp(s);
    } else {
        a = gen_operand(dc, 0);
        d = gen_operand_dest(dc, 0);
    }
    if (!keeps_c)
        tcg_gen_mov(s, TCG_I64, gen_cc_src(), c);
    tcg_gen_addi(s, type_of_size(size), d, a, inc ? 1 : -1);
    tcg_gen_mov(s, TCG_I64, over ? gen_cc_inc() : adx ? gen_cc_src() : gen_cc_dst(), d);
    if (!mem)
        gen_operand_write(dc, 0, d);
    if (over) {
        gen_set_cc_op(dc, CC_OP_OVER_INCB + (inc ? 0 : 4) + size);
    } else if (adx) { /* CF stays where it is */
        uint64_t min = size == MO_64 ? 1ull << 63 : 1ull << 31;
        tcg_gen_setcondi(s, type_of_size(size), TCG_COND_EQ, gen_cc_src2(), gen_cc_src(), inc ? min : min - 1);
        gen_set_cc_op(dc, (inc ? CC_OP_ADX_INCL : CC_OP_ADX_DECL) + (size == MO_64));
    } else {
        set_cc(dc, inc ? CC_OP_INCB : CC_OP_DECB, size);
    }
}

void gen_INC(DisasContext *dc) { gen_incdec(dc, true); }
void gen_DEC(DisasContext *dc) { gen_incdec(dc, false); }

void gen_NEG(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    Tv a, d;

    if (dc_op_is_mem(dc, 0)) {
        AddrRef m = gen_operand_mem(dc, true);
        a = tcg_temp(s);
        gen_rmw(dc, a, m, tcg_const(s, 0), size, RMW_NEG);
        tcg_gen_neg(s, type_of_size(size), gen_cc_dst(), a);
    } else {
        d = gen_operand_dest(dc, 0);
        tcg_gen_neg(s, type_of_size(size), d, gen_operand(dc, 0));
        tcg_gen_mov(s, TCG_I64, gen_cc_dst(), d);
        gen_operand_write(dc, 0, d);
    }
    set_cc(dc, CC_OP_NEGB, size);
}

void gen_NOT(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);

    if (dc_op_is_mem(dc, 0)) {
        gen_rmw(dc, tcg_temp(s), gen_operand_mem(dc, true), tcg_const(s, 0), size, RMW_NOT);
    } else {
        Tv d = gen_operand_dest(dc, 0);
        tcg_gen_not(s, type_of_size(size), d, gen_operand(dc, 0));
        gen_operand_write(dc, 0, d);
    }
}

void gen_XCHG(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);

    if (dc_op_is_mem(dc, 0)) {
        AddrRef m = gen_operand_mem(dc, true);
        Tv old = tcg_temp(s), b = gen_operand(dc, 1);
        dc->insn.lock = true; /* always */
        gen_rmw(dc, old, m, b, size, RMW_XCHG);
        gen_operand_write(dc, 1, old);
    } else {
        Tv t = tcg_temp(s), b;
        tcg_gen_mov(s, TCG_I64, t, gen_operand(dc, 0));
        b = gen_operand(dc, 1);
        gen_operand_write(dc, 0, b);
        gen_operand_write(dc, 1, t);
    }
}

void gen_XADD(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    bool mem = dc_op_is_mem(dc, 0);
    Tv old = gen_temp(dc), b;

    if (mem) {
        AddrRef m = gen_operand_mem(dc, true);
        b = gen_operand(dc, 1);
        gen_rmw(dc, old, m, b, size, RMW_ADD);
    } else {
        tcg_gen_mov(s, TCG_I64, old, gen_operand(dc, 0));
        b = gen_operand(dc, 1);
    }
    tcg_gen_mov(s, TCG_I64, gen_cc_src(), b);
    tcg_gen_add(s, type_of_size(size), gen_cc_dst(), old, b);
    gen_operand_write(dc, 1, old);
    if (!mem)
        gen_operand_write(dc, 0, gen_cc_dst());
    set_cc(dc, CC_OP_ADDB, size);
}

void gen_CMPXCHG(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    Tv acc = gen_extend(dc, gen_reg(R_EAX), size, false), old = gen_temp(dc), t = tcg_temp(s);

    if (size == MO_64) { /* gen_extend gave the register itself, which is about to change */
        acc = gen_temp(dc);
        tcg_gen_mov(s, TCG_I64, acc, gen_reg(R_EAX));
    }
    if (dc_op_is_mem(dc, 0)) {
        AddrRef m = gen_operand_mem(dc, true);
        gen_cmpxchg(dc, old, m, acc, gen_operand(dc, 1), size);
    } else {
        Tv src = gen_operand(dc, 1), dest = gen_operand(dc, 0);
        tcg_gen_mov(s, TCG_I64, old, gen_extend(dc, dest, size, false));
        if (size == MO_32)
            src = gen_extend(dc, src, size, false);
        tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, t, acc, old, src, dest);
        gen_write_reg(dc, size == MO_32 ? MO_64 : size, dc->insn.rm, t); /* not equal: all of it stays */
    }
    t = tcg_temp(s);
    if (size == MO_64) {
        if (!dc_op_is_mem(dc, 0) && dc->insn.rm == R_EAX)
            tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, gen_reg(R_EAX), acc, old, gen_reg(R_EAX), old);
        else
            tcg_gen_mov(s, TCG_I64, gen_reg(R_EAX), old); /* equal: it is there already */
    } else if (size == MO_32) {
        /* equal: the whole accumulator stays, upper half included */
        tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, t, acc, old, gen_reg(R_EAX), old);
        /* the destination may have been the accumulator itself: it has the new value then */
        tcg_gen_mov(s, TCG_I64, gen_reg(R_EAX), t);
    } else {
        tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, t, acc, old, gen_reg(R_EAX), old);
        gen_write_reg(dc, size, R_EAX, t);
    }
    finish_cmp(dc, acc, old, size);
}

/* With one vCPU: two read-modify-writes that change nothing take every fault and the old value (and stop a TB that
 * modifies itself while that is harmless), then plain stores. */
static void gen_cmpxchg16b_alone(DisasContext *dc)
{
    TcgContext *s = dc->s;
    AddrRef m = gen_mem_operand(dc, 16, true);
    Tv lo = tcg_temp(s), hi = tcg_temp(s), x = tcg_temp(s), y = tcg_temp(s), eq = tcg_temp(s), zero = tcg_const(s, 0), flags;
    bool lock = dc->insn.lock;

    dc->insn.lock = false;
    gen_rmw(dc, lo, m, zero, MO_64 | MO_ALIGN_GP | MO_ALIGN_16, RMW_OR);
    gen_rmw(dc, hi, (AddrRef){ m.addr, m.disp + 8 }, zero, MO_64, RMW_OR);
    dc->insn.lock = lock;
    tcg_gen_xor(s, TCG_I64, x, lo, gen_reg(R_EAX));
    tcg_gen_xor(s, TCG_I64, y, hi, gen_reg(R_EDX));
    tcg_gen_or(s, TCG_I64, x, x, y);
    tcg_gen_setcond(s, TCG_I64, TCG_COND_EQ, eq, x, zero);
    Tv new_lo = tcg_temp(s), new_hi = tcg_temp(s);
    tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, new_lo, x, zero, gen_reg(R_EBX), lo);
    gen_store(dc, new_lo, m, MO_64);
    tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, new_hi, x, zero, gen_reg(R_ECX), hi);
    gen_store(dc, new_hi, (AddrRef){ m.addr, m.disp + 8 }, MO_64);
    tcg_gen_mov(s, TCG_I64, gen_reg(R_EAX), lo); /* equal: they are there already */
    tcg_gen_mov(s, TCG_I64, gen_reg(R_EDX), hi);
    flags = gen_eflags_value(dc);
    tcg_gen_deposit(s, TCG_I64, gen_cc_src(), flags, eq, 6, 1);
    gen_set_cc_op(dc, CC_OP_EFLAGS);
    gen_note_cmp(dc, CMP_ZF, eq, eq);
}

void gen_CMPXCHG8B(DisasContext *dc)
{
    TcgContext *s = dc->s;
    bool wide = dc->insn.osize == MO_64;
    AddrRef m;

    if (wide && !accel_parallel && dc->code64) {
        gen_cmpxchg16b_alone(dc);
        return;
    }
    if (wide) {
        Tv addr = tcg_temp(s);
        m = gen_mem_operand(dc, 16, true);
        tcg_gen_addi(s, TCG_I64, addr, m.addr, m.disp);
        gen_sync_cc_op(dc);
        CALL_HELPER(dc, cmpxchg16b, NO_OUT, 3, tcg_env(s).i, addr.i, tcg_const(s, dc->insn.lock).i);
        gen_set_cc_op(dc, CC_OP_DYNAMIC);
        return;
    }
    Tv flags = gen_eflags_value(dc), cmp = gen_temp(dc), val = gen_temp(dc), old = gen_temp(dc), eq = tcg_temp(s), t;
    m = gen_mem_operand(dc, 8, true);
    tcg_gen_deposit(s, TCG_I64, cmp, gen_reg(R_EAX), gen_reg(R_EDX), 32, 32);
    tcg_gen_deposit(s, TCG_I64, val, gen_reg(R_EBX), gen_reg(R_ECX), 32, 32);
    gen_cmpxchg(dc, old, m, cmp, val, MO_64);
    t = tcg_temp(s);
    tcg_gen_ext32u(s, TCG_I64, t, old);
    tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, gen_reg(R_EAX), old, cmp, gen_reg(R_EAX), t);
    t = tcg_temp(s);
    tcg_gen_shri(s, TCG_I64, t, old, 32);
    tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, gen_reg(R_EDX), old, cmp, gen_reg(R_EDX), t);
    tcg_gen_setcond(s, TCG_I64, TCG_COND_EQ, eq, old, cmp);
    tcg_gen_deposit(s, TCG_I64, flags, flags, eq, 6, 1);
    gen_set_flags(dc, flags);
}

/* --- multiplication --- */

static void gen_mul_wide(DisasContext *dc, bool sign)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    Tv rax = gen_reg(R_EAX), rdx = gen_reg(R_EDX), b = gen_operand(dc, 0), res;

    if (size <= MO_16) {
        res = tcg_temp(s);
        tcg_gen_mul(s, TCG_I32, res, gen_extend(dc, rax, size, sign), gen_extend(dc, b, size, sign));
        tcg_gen_shri(s, TCG_I32, gen_cc_src(), res, 8u << size);
        tcg_gen_mov(s, TCG_I64, gen_cc_dst(), res);
        gen_write_reg(dc, MO_16, R_EAX, res);
        if (size == MO_16)
            gen_write_reg(dc, MO_16, R_EDX, gen_cc_src());
    } else {
        (sign ? tcg_gen_muls2 : tcg_gen_mulu2)(s, type_of_size(size), rax, rdx, rax, b);
        tcg_gen_mov(s, TCG_I64, gen_cc_dst(), rax);
        tcg_gen_mov(s, TCG_I64, gen_cc_src(), rdx);
    }
    set_cc(dc, sign ? CC_OP_SMULB : CC_OP_MULB, size);
}

void gen_MUL(DisasContext *dc) { gen_mul_wide(dc, false); }
void gen_IMUL1(DisasContext *dc) { gen_mul_wide(dc, true); }

static void gen_imul(DisasContext *dc, Tv a, Tv b)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    Tv d = gen_operand_dest(dc, 0);

    if (size == MO_16) {
        tcg_gen_mul(s, TCG_I32, d, gen_extend(dc, a, MO_16, true), gen_extend(dc, b, MO_16, true));
        tcg_gen_shri(s, TCG_I32, gen_cc_src(), d, 16);
    } else { /* the high half costs the host's rax and rdx, and nearly always nobody asks for it */
        tcg_gen_mov(s, TCG_I64, gen_cc_src(), a);
        tcg_gen_mov(s, TCG_I64, gen_cc_src2(), b);
        tcg_gen_mul(s, type_of_size(size), d, a, b);
    }
    tcg_gen_mov(s, TCG_I64, gen_cc_dst(), d);
    gen_operand_write(dc, 0, d);
    set_cc(dc, size == MO_16 ? CC_OP_SMULB : CC_OP_IMULB, size);
}

void gen_IMUL2(DisasContext *dc)
{
    Tv b = gen_operand(dc, 1);
    gen_imul(dc, gen_operand(dc, 0), b);
}
void gen_IMUL3(DisasContext *dc)
{
    Tv a = gen_operand(dc, 1);
    gen_imul(dc, a, gen_operand(dc, 2));
}

/* --- division (flags are undefined: they stay) --- */

/* Signed: the divisor is neither 0 nor -1, the high half hi is nothing but the sign of lo. Then the quotient fits. */
static void leave_unless_plain(DisasContext *dc, TcgType t, Tv lo, Tv hi, Tv d)
{
    TcgContext *s = dc->s;
    Tv sign = tcg_temp(s), next = tcg_temp(s);

    tcg_gen_sari(s, t, sign, lo, t == TCG_I64 ? 63 : 31);
    gen_not_here(dc, t, TCG_COND_NE, hi, sign);
    tcg_gen_addi(s, t, next, d, 1);
    gen_not_here(dc, t, TCG_COND_LEU, next, tcg_const(s, 1));
}

/* Of 8 and 16 bits, but for the start of a TB. d: extended. */
static void gen_div_in_line(DisasContext *dc, bool sign, unsigned size, Tv d)
{
    TcgContext *s = dc->s;
    Tv lo = gen_extend(dc, gen_reg(R_EAX), MO_16, sign), hi = tcg_temp(s), q = tcg_temp(s), r = tcg_temp(s);

    if (sign) {
        if (size == MO_8) { /* AH is the sign of AL */
            Tv low = gen_extend(dc, gen_reg(R_EAX), MO_8, true);
            gen_not_here(dc, TCG_I32, TCG_COND_NE, lo, low);
            tcg_gen_sari(s, TCG_I32, hi, lo, 31);
        } else {
            hi = gen_extend(dc, gen_reg(R_EDX), MO_16, true);
        }
        leave_unless_plain(dc, TCG_I32, lo, hi, d);
        tcg_gen_divs2(s, TCG_I32, q, r, lo, hi, d);
    } else {
        if (size == MO_8)
            tcg_gen_extract(s, TCG_I32, hi, gen_reg(R_EAX), 8, 8);
        else
            hi = gen_extend(dc, gen_reg(R_EDX), MO_16, false);
        gen_not_here(dc, TCG_I32, TCG_COND_GEU, hi, d);
        if (size == MO_16) {
            Tv num = tcg_temp(s);
            tcg_gen_deposit(s, TCG_I32, num, lo, hi, 16, 16);
            lo = num;
        }
        tcg_gen_divu2(s, TCG_I32, q, r, lo, tcg_const(s, 0), d);
    }
    if (size == MO_8) {
        tcg_gen_deposit(s, TCG_I64, q, q, r, 8, 8);
        gen_write_reg(dc, MO_16, R_EAX, q);
    } else {
        gen_write_reg(dc, size, R_EAX, q);
        gen_write_reg(dc, size, R_EDX, r);
    }
}

static void gen_div_small(DisasContext *dc, bool sign, unsigned size, Tv d)
{
    TcgContext *s = dc->s;
    Tv num = tcg_temp(s), res = tcg_temp(s), rem = tcg_temp(s);

    if (size < MO_32 && may_leave_at_insn(dc)) {
        gen_div_in_line(dc, sign, size, d);
        return;
    }
    if (size == MO_8) {
        (sign ? tcg_gen_ext16s : tcg_gen_ext16u)(s, TCG_I64, num, gen_reg(R_EAX));
        if (sign)
            CALL_HELPER(dc, idivb, res.i, 3, tcg_env(s).i, num.i, d.i);
        else
            CALL_HELPER(dc, divb, res.i, 3, tcg_env(s).i, num.i, d.i);
        tcg_gen_shri(s, TCG_I64, rem, res, 32);
        tcg_gen_deposit(s, TCG_I64, res, res, rem, 8, 8);
        gen_write_reg(dc, MO_16, R_EAX, res);
        return;
    }
    if (size == MO_16) {
        Tv lo = tcg_temp(s);
        tcg_gen_ext16u(s, TCG_I64, lo, gen_reg(R_EAX));
        tcg_gen_deposit(s, TCG_I32, num, lo, gen_reg(R_EDX), 16, 16);
        if (sign)
            CALL_HELPER(dc, idivw, res.i, 3, tcg_env(s).i, num.i, d.i);
        else
            CALL_HELPER(dc, divw, res.i, 3, tcg_env(s).i, num.i, d.i);
    } else {
        tcg_gen_deposit(s, TCG_I64, num, gen_reg(R_EAX), gen_reg(R_EDX), 32, 32);
        CALL_HELPER(dc, idivl, res.i, 3, tcg_env(s).i, num.i, d.i);
    }
    tcg_gen_shri(s, TCG_I64, rem, res, 32);
    gen_write_reg(dc, size, R_EAX, res);
    gen_write_reg(dc, size, R_EDX, rem);
}

void gen_DIV(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    TcgType t = type_of_size(size);
    Tv d = gen_operand(dc, 0), rax = gen_reg(R_EAX), rdx = gen_reg(R_EDX);

    if (size < MO_32) {
        gen_div_small(dc, false, size, gen_extend(dc, d, size, false));
        return;
    }
    /* high half below the divisor: no overflow, and no zero */
    if (gen_not_here(dc, t, TCG_COND_GEU, rdx, d)) {
        tcg_gen_divu2(s, t, rax, rdx, rax, rdx, d);
        return;
    }
    TcgLabel ok = tcg_label(s);
    Tv dl = tcg_temp_local(s);
    tcg_gen_mov(s, t, dl, d);
    tcg_gen_brcond(s, t, TCG_COND_LTU, rdx, dl, ok);
    CALL_HELPER(dc, raise_exception, NO_OUT, 2, tcg_env(s).i, tcg_const(s, EXCP_DE).i);
    tcg_gen_label(s, ok);
    tcg_gen_divu2(s, t, rax, rdx, rax, rdx, dl);
}

void gen_IDIV(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    Tv d = gen_operand(dc, 0), rax = gen_reg(R_EAX), rdx = gen_reg(R_EDX);

    if (size >= MO_32 && may_leave_at_insn(dc)) {
        TcgType t = type_of_size(size);
        leave_unless_plain(dc, t, rax, rdx, d);
        tcg_gen_divs2(s, t, rax, rdx, rax, rdx, d);
        return;
    }
    if (size < MO_64) {
        gen_div_small(dc, true, size, gen_extend(dc, d, size, true));
        return;
    }
    Tv q = tcg_temp(s), r = tcg_temp(s);
    CALL_HELPER(dc, idivq, q.i, 4, tcg_env(s).i, rax.i, rdx.i, d.i);
    tcg_gen_mul(s, TCG_I64, r, q, d);
    tcg_gen_sub(s, TCG_I64, rdx, rax, r);
    tcg_gen_mov(s, TCG_I64, rax, q);
}

/* --- BCD, carry flag, AH --- */

static void gen_bcd(DisasContext *dc, unsigned op, unsigned imm)
{
    TcgContext *s = dc->s;
    Tv res = tcg_temp(s), flags = tcg_temp(s);

    CALL_HELPER(dc, bcd, res.i, 4, tcg_const(s, op).i, gen_reg(R_EAX).i, gen_eflags_value(dc).i, tcg_const(s, imm).i);
    tcg_gen_shri(s, TCG_I64, flags, res, 32);
    gen_write_reg(dc, MO_16, R_EAX, res);
    gen_set_flags(dc, flags);
}

enum { BCD_DAA, BCD_DAS, BCD_AAA, BCD_AAS, BCD_AAM, BCD_AAD }; /* as helper_bcd() counts them */
void gen_DAA(DisasContext *dc) { gen_bcd(dc, BCD_DAA, 0); }
void gen_DAS(DisasContext *dc) { gen_bcd(dc, BCD_DAS, 0); }
void gen_AAA(DisasContext *dc) { gen_bcd(dc, BCD_AAA, 0); }
void gen_AAS(DisasContext *dc) { gen_bcd(dc, BCD_AAS, 0); }
void gen_AAD(DisasContext *dc) { gen_bcd(dc, BCD_AAD, dc->insn.imm); }
void gen_AAM(DisasContext *dc)
{
    if (dc->insn.imm == 0)
        gen_exception(dc, EXCP_DE);
    else
        gen_bcd(dc, BCD_AAM, dc->insn.imm);
}

static void gen_change_carry(DisasContext *dc, int op)
{
    Tv src = gen_cc_src();

    gen_compute_eflags(dc);
    dc->cmp_kind = CMP_NONE;
    if (op < 0)
        tcg_gen_andi(dc->s, TCG_I64, src, src, ~(int64_t)CC_C);
    else if (op > 0)
        tcg_gen_ori(dc->s, TCG_I64, src, src, CC_C);
    else
        tcg_gen_xori(dc->s, TCG_I64, src, src, CC_C);
}
void gen_CLC(DisasContext *dc) { gen_change_carry(dc, -1); }
void gen_STC(DisasContext *dc) { gen_change_carry(dc, 1); }
void gen_CMC(DisasContext *dc) { gen_change_carry(dc, 0); }

void gen_SAHF(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Tv ah = tcg_temp(s), of = tcg_temp(s);

    gen_compute_eflags(dc);
    tcg_gen_extract(s, TCG_I32, ah, gen_reg(R_EAX), 8, 8);
    tcg_gen_andi(s, TCG_I64, ah, ah, CC_MASK & ~CC_O);
    tcg_gen_andi(s, TCG_I64, of, gen_cc_src(), CC_O);
    tcg_gen_or(s, TCG_I64, gen_cc_src(), ah, of);
}

void gen_LAHF(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Tv t = tcg_temp(s);

    gen_compute_eflags(dc);
    tcg_gen_ori(s, TCG_I64, t, gen_cc_src(), 2);
    tcg_gen_deposit(s, TCG_I64, gen_reg(R_EAX), gen_reg(R_EAX), t, 8, 8);
}

void gen_SALC(DisasContext *dc)
{
    Tv t = tcg_temp(dc->s);

    tcg_gen_neg(dc->s, TCG_I64, t, gen_compute_c(dc));
    gen_write_reg(dc, MO_8, R_EAX, t);
}

/* --- ADX --- */

/* CF and OF are values of their own from the first one on (CC_OP_ADX). */
static void gen_adx(DisasContext *dc, Tv flag)
{
    Tv b, a = gen_reg(dc->insn.reg);

    if (dc->cc_op == CC_OP_DYNAMIC) /* before the access, since it ends a basic block */
        gen_begin_adx(dc);
    b = gen_operand(dc, 1);
    gen_begin_adx(dc);
    tcg_gen_addc(dc->s, type_of_size(dc_op_size(dc, 0)), a, flag, a, b, flag);
}
void gen_ADCX(DisasContext *dc) { gen_adx(dc, gen_cc_dst()); }
void gen_ADOX(DisasContext *dc) { gen_adx(dc, gen_cc_src2()); }
