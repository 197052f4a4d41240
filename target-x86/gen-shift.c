/* gen-shift.c - shifts, rotates, bit tests and bit scans.
 * Spec: Intel SDM vol. 2. A count of zero (after masking) changes no flag: known counts decide while
 * translating, counts in CL select between old and new flags without a branch. */
#include "target-x86/flags.h"
#include "target-x86/translate.h"

typedef enum ShiftOp { SHIFT_SHL, SHIFT_SHR, SHIFT_SAR } ShiftOp;

static void emit_shift(DisasContext *dc, ShiftOp op, TcgType t, Tv d, Tv a, Tv count)
{
    (op == SHIFT_SHL ? tcg_gen_shl : op == SHIFT_SHR ? tcg_gen_shr : tcg_gen_sar)(dc->s, t, d, a, count);
}

static unsigned count_mask(unsigned size) { return size == MO_64 ? 63 : 31; }

/* The old flags stay where count is 0; otherwise dst (unless it is absent), src, op. Behind all that may fault. */
static void gen_flags_unless_zero(DisasContext *dc, Tv count, const Tv *dst, Tv src, CCOp op)
{
    TcgContext *s = dc->s;
    Tv zero = tcg_const(s, 0), t;

    if (gen_flags_dead_behind(dc))
        return;
    if (dst)
        tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, gen_cc_dst(), count, zero, gen_cc_dst(), *dst);
    tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, gen_cc_src(), count, zero, gen_cc_src(), src);
    if (dc->cc_op == op) {
        gen_set_cc_op(dc, op);
        return;
    }
    t = tcg_temp(s);
    tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, t, count, zero, gen_cc_op_value(dc), tcg_const(s, op));
    tcg_gen_st(s, t, tcg_env(s), offsetof(CPUX86State, cc_op), 4);
    gen_set_cc_op(dc, CC_OP_DYNAMIC);
}

/* Operand 0 as a value that the shift may use; the memory form leaves its address in dc->mem. */
static Tv load_for_write(DisasContext *dc)
{
    Tv a;

    if (!dc_op_is_mem(dc, 0))
        return gen_operand(dc, 0);
    gen_operand_mem(dc, true);
    a = gen_temp(dc);
    gen_load(dc, a, dc->mem, (MemOp)dc_op_size(dc, 0) | MO_WILL_STORE);
    return a;
}

static void write_result(DisasContext *dc, Tv d)
{
    if (dc_op_is_mem(dc, 0))
        gen_store(dc, d, dc->mem, dc_op_size(dc, 0));
    else
        gen_operand_write(dc, 0, d);
}

static void gen_shift(DisasContext *dc, ShiftOp op)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0), mask = count_mask(size);
    TcgType t = type_of_size(size);
    CCOp cc = cc_op_of(op == SHIFT_SHL ? CC_OP_SHLB : CC_OP_SARB, size);
    Tv a = load_for_write(dc), count = gen_operand(dc, 1), prev = tcg_temp(s), d = tcg_temp(s);
    uint64_t n;

    if (size < MO_32 && op != SHIFT_SHL)
        a = gen_extend(dc, a, size, op == SHIFT_SAR);
    if (tcg_is_const(s, count, &n)) {
        n &= mask;
        if (n == 0) {
            tcg_gen_mov(s, t, d, a);
            write_result(dc, d);
            return;
        }
        emit_shift(dc, op, t, prev, a, tcg_const(s, n - 1));
        emit_shift(dc, op, t, d, a, tcg_const(s, n));
        write_result(dc, d);
        tcg_gen_mov(s, TCG_I64, gen_cc_src(), prev);
        tcg_gen_mov(s, TCG_I64, gen_cc_dst(), d);
        gen_set_cc_op(dc, cc);
        return;
    }
    Tv c = tcg_temp(s), less = tcg_temp(s);
    tcg_gen_andi(s, TCG_I32, c, count, mask);
    tcg_gen_subi(s, TCG_I32, less, c, 1);
    tcg_gen_andi(s, TCG_I32, less, less, mask);
    emit_shift(dc, op, t, prev, a, less);
    emit_shift(dc, op, t, d, a, c);
    write_result(dc, d);
    gen_flags_unless_zero(dc, c, &d, prev, cc);
}

void gen_SHL(DisasContext *dc) { gen_shift(dc, SHIFT_SHL); }
void gen_SHR(DisasContext *dc) { gen_shift(dc, SHIFT_SHR); }
void gen_SAR(DisasContext *dc) { gen_shift(dc, SHIFT_SAR); }

/* --- rotates --- */

/* Sets CF and OF (0 or 1 each), keeps the rest. count: NULL, or flags stay if it is 0. */
static void gen_rotate_flags(DisasContext *dc, Tv cf, Tv of, const Tv *count)
{
    TcgContext *s = dc->s;
    Tv t = tcg_temp(s);

    if (cc_op_has_size(dc->cc_op)) {
        gen_cmp_result(dc);
        CCOp op = cc_op_of(CC_OP_ROTB, cc_op_size(dc->cc_op));
        tcg_gen_shli(s, TCG_I64, t, of, 1);
        tcg_gen_or(s, TCG_I64, t, t, cf);
        tcg_gen_or(s, TCG_I64, t, t, gen_af_bit(dc));
        if (count) {
            gen_flags_unless_zero(dc, *count, NULL, t, op);
        } else {
            tcg_gen_mov(s, TCG_I64, gen_cc_src(), t);
            gen_set_cc_op(dc, op);
            gen_note_carry(dc, cf);
        }
        return;
    }
    gen_compute_eflags(dc);
    tcg_gen_deposit(s, TCG_I64, t, gen_cc_src(), cf, 0, 1);
    tcg_gen_deposit(s, TCG_I64, t, t, of, 11, 1);
    if (count)
        tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, gen_cc_src(), *count, tcg_const(s, 0), gen_cc_src(), t);
    else
        tcg_gen_mov(s, TCG_I64, gen_cc_src(), t);
}

/* CF and OF out of a rotate's result. */
static void gen_rotate_bits(DisasContext *dc, bool left, unsigned bits, Tv d, Tv *cf, Tv *of)
{
    TcgContext *s = dc->s;
    TcgType t = bits == 64 ? TCG_I64 : TCG_I32;
    Tv msb = tcg_temp(s), other = tcg_temp(s);

    *of = tcg_temp(s);
    tcg_gen_extract(s, t, msb, d, bits - 1, 1);
    tcg_gen_extract(s, t, other, d, left ? 0 : bits - 2, 1);
    tcg_gen_xor(s, TCG_I32, *of, msb, other);
    *cf = left ? other : msb;
}

/* The low bits of d = a, of 8 or 16 bits, rotated left by n. */
static void rotate_small(DisasContext *dc, Tv d, Tv a, unsigned bits, unsigned n)
{
    TcgContext *s = dc->s;
    Tv low = tcg_temp(s);

    if (n == 0) {
        tcg_gen_mov(s, TCG_I32, d, a);
    } else if (2 * n == bits && bits == 16) {
        tcg_gen_bswap16(s, TCG_I32, d, a);
    } else {
        a = gen_extend(dc, a, bits == 8 ? MO_8 : MO_16, false);
        tcg_gen_shri(s, TCG_I32, low, a, bits - n);
        tcg_gen_shli(s, TCG_I32, d, a, n);
        tcg_gen_or(s, TCG_I32, d, d, low);
    }
}

static void gen_rotate(DisasContext *dc, bool left)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0), bits = 8u << size;
    TcgType t = type_of_size(size);
    Tv a = load_for_write(dc), count = gen_operand(dc, 1), d = tcg_temp(s), c, cf, of;
    void (*rot)(TcgContext *, TcgType, Tv, Tv, Tv) = left ? tcg_gen_rotl : tcg_gen_rotr;
    uint64_t n;
    bool known = tcg_is_const(s, count, &n);

    if (known) {
        n &= count_mask(size);
        c = tcg_const(s, n & (bits < 32 ? 31 : bits - 1));
    } else {
        c = tcg_temp(s);
        tcg_gen_andi(s, TCG_I32, c, count, count_mask(size));
    }
    if (size < MO_32 && known) {
        rotate_small(dc, d, a, bits, (left ? n : bits - n) & (bits - 1));
    } else {
        if (size < MO_32) { /* repeated to 32 bits, a 32-bit rotate gives the same low bits */
            Tv r = tcg_temp(s);
            tcg_gen_mul(s, TCG_I32, r, gen_extend(dc, a, size, false), tcg_const(s, size == MO_8 ? 0x01010101 : 0x00010001));
            a = r;
        }
        rot(s, t, d, a, c);
    }
    write_result(dc, d);
    if (known && n == 0)
        return;
    gen_rotate_bits(dc, left, bits, d, &cf, &of);
    gen_rotate_flags(dc, cf, of, known ? NULL : &c);
}

void gen_ROL(DisasContext *dc) { gen_rotate(dc, true); }
void gen_ROR(DisasContext *dc) { gen_rotate(dc, false); }

/* a (zero-extended) and cin rotated as one number by n, 1 to bits - 1; of 8 and 16 bits by bits, too. */
static void rotate_carry_by(DisasContext *dc, bool left, unsigned bits, Tv d, Tv cf, Tv a, Tv cin, unsigned n)
{
    TcgContext *s = dc->s;
    TcgType t = bits == 64 ? TCG_I64 : TCG_I32;
    Tv x = tcg_temp(s);

    (left ? tcg_gen_shli : tcg_gen_shri)(s, t, d, a, n);
    tcg_gen_shli(s, t, x, cin, left ? n - 1 : bits - n);
    tcg_gen_or(s, t, d, d, x);
    if (n > 1) {
        x = tcg_temp(s);
        (left ? tcg_gen_shri : tcg_gen_shli)(s, t, x, a, bits + 1 - n);
        tcg_gen_or(s, t, d, d, x);
    }
    tcg_gen_extract(s, t, cf, a, left ? bits - n : n - 1, 1);
}

/* The same of 32 or 64 bits by count, which may be 0. By one first, then by the rest, 0 to bits - 2. */
static void rotate_carry_by_cl(DisasContext *dc, bool left, unsigned bits, Tv d, Tv cf, Tv a, Tv cin, Tv count)
{
    TcgContext *s = dc->s;
    TcgType t = bits == 64 ? TCG_I64 : TCG_I32;
    Tv rest = tcg_temp(s), back = tcg_temp(s), x = tcg_temp(s), y = tcg_temp(s), zero = tcg_const(s, 0);

    tcg_gen_subi(s, TCG_I32, rest, count, 1);
    tcg_gen_andi(s, TCG_I32, rest, rest, bits - 1);
    tcg_gen_xor(s, TCG_I32, back, rest, tcg_const(s, bits - 1)); /* bits - count */
    if (left) {
        tcg_gen_shli(s, t, x, a, 1);
        tcg_gen_or(s, t, x, x, cin);
        tcg_gen_shl(s, t, x, x, rest);
        tcg_gen_shri(s, t, y, a, 1);
        tcg_gen_shr(s, t, y, y, back);
        tcg_gen_shr(s, t, cf, a, back);
    } else {
        Tv c = tcg_temp(s);
        tcg_gen_shri(s, t, x, a, 1);
        tcg_gen_shli(s, t, c, cin, bits - 1);
        tcg_gen_or(s, t, x, x, c);
        tcg_gen_shr(s, t, x, x, rest);
        tcg_gen_shli(s, t, y, a, 1);
        tcg_gen_shl(s, t, y, y, back);
        tcg_gen_shr(s, t, cf, a, rest);
    }
    tcg_gen_or(s, t, x, x, y);
    tcg_gen_andi(s, TCG_I32, cf, cf, 1);
    tcg_gen_movcond(s, t, TCG_COND_EQ, d, count, zero, a, x);
}

static void gen_rotate_carry(DisasContext *dc, bool left)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0), bits = 8u << size;
    TcgType t = type_of_size(size);
    Tv a = load_for_write(dc), count = gen_operand(dc, 1), cin, d = tcg_temp(s), cf = tcg_temp(s), of = tcg_temp(s), x;
    uint64_t n;
    bool known = tcg_is_const(s, count, &n);

    if (known && (n & count_mask(size)) == 0) {
        tcg_gen_mov(s, t, d, a);
        write_result(dc, d);
        return;
    }
    a = gen_extend(dc, a, size, false);
    cin = gen_compute_c(dc);
    if (known) {
        n &= count_mask(size);
        if (size < MO_32)
            n %= bits + 1;
        if (n) {
            rotate_carry_by(dc, left, bits, d, cf, a, cin, n);
        } else {
            tcg_gen_mov(s, t, d, a);
            tcg_gen_mov(s, TCG_I32, cf, cin);
        }
    } else {
        Tv c = tcg_temp(s), sz = tcg_const(s, size);
        tcg_gen_andi(s, TCG_I32, c, count, count_mask(size));
        count = c;
        if (size >= MO_32) {
            rotate_carry_by_cl(dc, left, bits, d, cf, a, cin, count);
        } else if (left) {
            CALL_HELPER(dc, rcl, d.i, 4, a.i, count.i, cin.i, sz.i);
            CALL_HELPER(dc, rcl_cf, cf.i, 4, a.i, count.i, cin.i, sz.i);
        } else {
            CALL_HELPER(dc, rcr, d.i, 4, a.i, count.i, cin.i, sz.i);
            CALL_HELPER(dc, rcr_cf, cf.i, 4, a.i, count.i, cin.i, sz.i);
        }
    }
    write_result(dc, d);
    x = tcg_temp(s);
    tcg_gen_extract(s, t, of, d, bits - 1, 1);
    if (left) {
        tcg_gen_xor(s, TCG_I32, of, of, cf);
    } else {
        tcg_gen_extract(s, t, x, d, bits - 2, 1);
        tcg_gen_xor(s, TCG_I32, of, of, x);
    }
    gen_rotate_flags(dc, cf, of, known ? NULL : &count);
}

void gen_RCL(DisasContext *dc) { gen_rotate_carry(dc, true); }
void gen_RCR(DisasContext *dc) { gen_rotate_carry(dc, false); }

/* --- double shifts --- */

static void emit_double_shift(DisasContext *dc, bool left, unsigned size, Tv d, Tv a, Tv b, Tv count)
{
    TcgContext *s = dc->s;

    if (size == MO_16) { /* counts above 16 are undefined */
        Tv x = tcg_temp(s), lo = gen_extend(dc, left ? b : a, MO_16, false);
        tcg_gen_deposit(s, TCG_I64, x, lo, left ? a : b, 16, 16);
        if (left) {
            tcg_gen_shl(s, TCG_I64, x, x, count);
            tcg_gen_shri(s, TCG_I64, d, x, 16);
        } else {
            tcg_gen_shr(s, TCG_I64, d, x, count);
        }
    } else {
        (left ? tcg_gen_shld : tcg_gen_shrd)(s, type_of_size(size), d, a, b, count);
    }
}

static void gen_double_shift(DisasContext *dc, bool left)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0), mask = count_mask(size);
    CCOp cc = cc_op_of(left ? CC_OP_SHLB : CC_OP_SARB, size);
    Tv a = load_for_write(dc), b = gen_operand(dc, 1), count = gen_operand(dc, 2), prev = tcg_temp(s), d = tcg_temp(s);
    uint64_t n;

    if (tcg_is_const(s, count, &n)) {
        n &= mask;
        if (n == 0) {
            tcg_gen_mov(s, type_of_size(size), d, a);
            write_result(dc, d);
            return;
        }
        emit_double_shift(dc, left, size, d, a, b, tcg_const(s, n));
        if (n == 1)
            tcg_gen_mov(s, TCG_I64, prev, a);
        else
            emit_double_shift(dc, left, size, prev, a, b, tcg_const(s, n - 1));
        write_result(dc, d);
        tcg_gen_mov(s, TCG_I64, gen_cc_src(), prev);
        tcg_gen_mov(s, TCG_I64, gen_cc_dst(), d);
        gen_set_cc_op(dc, cc);
        return;
    }
    Tv c = tcg_temp(s), less = tcg_temp(s);
    tcg_gen_andi(s, TCG_I32, c, count, mask);
    tcg_gen_subi(s, TCG_I32, less, c, 1);
    tcg_gen_andi(s, TCG_I32, less, less, mask);
    emit_double_shift(dc, left, size, prev, a, b, less);
    emit_double_shift(dc, left, size, d, a, b, c);
    write_result(dc, d);
    gen_flags_unless_zero(dc, c, &d, prev, cc);
}

void gen_SHLD(DisasContext *dc) { gen_double_shift(dc, true); }
void gen_SHRD(DisasContext *dc) { gen_double_shift(dc, false); }

/* --- bit tests --- */

/* Memory form with a register offset: the offset selects the word too. */
static void bit_string_operand(DisasContext *dc, unsigned size, Tv off, bool write)
{
    TcgContext *s = dc->s;
    Tv ea = gen_lea(dc), word = tcg_temp(s), sum = tcg_temp(s);

    tcg_gen_sari(s, TCG_I64, word, gen_extend(dc, off, size, true), 3 + size);
    tcg_gen_shli(s, TCG_I64, word, word, size);
    tcg_gen_add(s, TCG_I64, sum, word, ea);
    gen_mask_addr(dc, sum, sum, dc->insn.asize);
    dc->mem = (AddrRef){ gen_add_seg(dc, dc->insn.seg, sum, 1u << size, write), 0 };
    dc->mem_valid = true;
}

enum { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

static void gen_bit_op(DisasContext *dc, int what)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    TcgType t = type_of_size(size);
    Tv off = gen_operand(dc, 1), bit = gen_temp(dc), bits = gen_temp(dc), one = gen_temp(dc), old;

    tcg_gen_andi(s, TCG_I32, bit, off, (8u << size) - 1);
    if (dc_op_is_mem(dc, 0) && dc->insn.row->op[1] != O_Ib)
        bit_string_operand(dc, size, off, what != BIT_TEST);
    if (what != BIT_TEST)
        tcg_gen_shl(s, t, one, tcg_const(s, 1), bit);
    if (dc_op_is_mem(dc, 0)) {
        old = gen_temp(dc);
        AddrRef m = gen_operand_mem(dc, what != BIT_TEST);
        if (what == BIT_TEST)
            gen_load(dc, old, m, size);
        else
            gen_rmw(dc, old, m, one, size, what == BIT_SET ? RMW_OR : what == BIT_RESET ? RMW_ANDC : RMW_XOR);
        tcg_gen_shr(s, t, bits, old, bit);
    } else {
        old = gen_operand(dc, 0);
        tcg_gen_shr(s, t, bits, old, bit);
        if (what != BIT_TEST) {
            Tv d = gen_operand_dest(dc, 0);
            (what == BIT_SET ? tcg_gen_or : what == BIT_RESET ? tcg_gen_andc : tcg_gen_xor)(s, t, d, old, one);
            gen_operand_write(dc, 0, d);
        }
    }
    /* CF is bit 0 of bits; ZF stays, the others are undefined: keep ZF's cc_dst and say "shifted right" */
    if (cc_op_has_size(dc->cc_op)) {
        gen_cmp_result(dc);
        tcg_gen_mov(s, TCG_I64, gen_cc_src(), bits);
        gen_set_cc_op(dc, cc_op_of(CC_OP_SARB, cc_op_size(dc->cc_op)));
    } else {
        gen_compute_eflags(dc);
        tcg_gen_deposit(s, TCG_I64, gen_cc_src(), gen_cc_src(), bits, 0, 1);
    }
}

void gen_BT(DisasContext *dc) { gen_bit_op(dc, BIT_TEST); }
void gen_BTS(DisasContext *dc) { gen_bit_op(dc, BIT_SET); }
void gen_BTR(DisasContext *dc) { gen_bit_op(dc, BIT_RESET); }
void gen_BTC(DisasContext *dc) { gen_bit_op(dc, BIT_COMPLEMENT); }

/* --- bit scans and counts --- */

/* BSF, BSR of 0 leave the destination alone, as all processors do. */
static void gen_scan(DisasContext *dc, bool reverse)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    TcgType t = type_of_size(size);
    Tv a = gen_extend(dc, gen_operand(dc, 1), size == MO_64 ? MO_64 : size, false), old = gen_reg(dc->insn.reg), d;

    if (size == MO_64) {
        d = tcg_temp(s);
        tcg_gen_mov(s, TCG_I64, d, a);
        a = d;
    }
    d = gen_operand_dest(dc, 0);
    if (reverse) {
        /* clz counts in the op's type: type bits - 1 - clz is the index in any operand size */
        Tv x = tcg_temp(s);
        tcg_gen_clz(s, t, x, a, tcg_const(s, 0));
        tcg_gen_xori(s, t, x, x, size == MO_64 ? 63 : 31);
        tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, d, a, tcg_const(s, 0), old, x);
    } else if (size == MO_32) { /* of 0: all 64 bits stay */
        Tv x = tcg_temp(s);
        tcg_gen_ctz(s, t, x, a, tcg_const(s, 0));
        tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, d, a, tcg_const(s, 0), old, x);
    } else {
        tcg_gen_ctz(s, t, d, a, old);
    }
    gen_operand_write(dc, 0, d);
    tcg_gen_mov(s, TCG_I64, gen_cc_dst(), a);
    gen_set_cc_op(dc, cc_op_of(CC_OP_LOGICB, size));
}

void gen_BSF(DisasContext *dc) { gen_scan(dc, false); }
void gen_BSR(DisasContext *dc) { gen_scan(dc, true); }

static void gen_count(DisasContext *dc, bool leading)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0), bits = 8u << size;
    TcgType t = type_of_size(size);
    Tv a = gen_extend(dc, gen_operand(dc, 1), size, false), d;

    tcg_gen_mov(s, TCG_I64, gen_cc_src(), a);
    d = gen_operand_dest(dc, 0);
    if (leading) {
        tcg_gen_clz(s, t, d, a, tcg_const(s, size == MO_64 ? 64 : 32));
        if (size == MO_16)
            tcg_gen_subi(s, t, d, d, 16);
    } else {
        tcg_gen_ctz(s, t, d, a, tcg_const(s, bits));
    }
    tcg_gen_mov(s, TCG_I64, gen_cc_dst(), d);
    gen_operand_write(dc, 0, d);
    gen_set_cc_op(dc, cc_op_of(CC_OP_BMILGB, size));
}

void gen_LZCNT(DisasContext *dc) { gen_count(dc, true); }
void gen_TZCNT(DisasContext *dc) { gen_count(dc, false); }

void gen_POPCNT(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    Tv a = gen_extend(dc, gen_operand(dc, 1), size, false), d = tcg_temp(s), z = tcg_temp(s);

    tcg_gen_popcnt(s, type_of_size(size), d, a);
    tcg_gen_setcondi(s, TCG_I64, TCG_COND_EQ, z, a, 0);
    gen_operand_write(dc, 0, d);
    tcg_gen_shli(s, TCG_I64, z, z, 6);
    gen_set_flags(dc, z);
}
