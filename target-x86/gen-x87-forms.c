/* gen-x87-forms.c - x87 instructions as the host's own, on guest registers that are on the host's stack.
 * Each form names the registers that it reads and pushes (xstack_want_tag()), has them where the host's instruction takes
 * them, emits that, and notes what has changed; false: a helper does this one (gen-x87.c, which has the whole map).
 * Spec: Intel SDM vol. 1 chapter 8, vol. 2.   Not here: FPREM, FPTAN, FSINCOS, BCD, FFREE, FINCSTP. */
#include "host/base/osdep.h"
#include "target-x86/gen-x87-stack.h"
#include "target-x86/x87.h"

/* ---- memory forms ---- */

typedef enum MemKind { MEM_NONE, MEM_ARITH, MEM_LOAD, MEM_STORE } MemKind;

static MemKind memory_kind(unsigned esc, unsigned op, unsigned *bytes)
{
    static const uint8_t size_of[8] = {4, 4, 4, 4, 8, 8, 2, 2};

    *bytes = size_of[esc];
    if (!(esc & 1))
        return MEM_ARITH;
    if (op == 0)
        return MEM_LOAD;
    if (op <= 3) {
        if (op == 1)
            *bytes = esc == 3 ? 4 : esc == 5 ? 8 : 2;
        return op == 1 && esc == 1 ? MEM_NONE : MEM_STORE;
    }
    if (esc == 3 && (op == 5 || op == 7)) {
        *bytes = 10;
        return op == 5 ? MEM_LOAD : MEM_STORE;
    }
    if (esc == 7 && (op == 5 || op == 7)) {
        *bytes = 8;
        return op == 5 ? MEM_LOAD : MEM_STORE;
    }
    return MEM_NONE;
}

static void guest_access(DisasContext *dc, AddrRef a, unsigned op, unsigned bytes, bool write)
{
    MemOp size = bytes == 2 ? MO_16 : bytes == 4 ? MO_32 : MO_64;

    xstack_sync_state(dc);
    tcg_gen_guest_x87(dc->s, a.addr, a.disp, X87_OP(dc->insn.opcode, op, bytes, write), memopidx(size, dc->mmu_idx));
}

/* ST0 is on top, something is to be stored from it and popped. A dirty value has to stay: the form that does not
 * pop, where there is one, or a copy is popped. */
static void store(DisasContext *dc, AddrRef a, unsigned bytes)
{
    X87Cache *x = &dc->x87;
    unsigned op = dc->insn.modrm >> 3 & 7, st0 = x->slot[0];
    bool copy = op != 2 && op != 3 && !xstack_top_is_clean(x);

    for (unsigned free = copy ? 2 : 1; x->depth > 8 - free;) { /* one for a slow path */
        xstack_exchange_top(dc, x->depth - 1);
        xstack_spill_top(dc);
        xstack_exchange_top(dc, xstack_find(x, st0));
    }
    if (copy) {
        xstack_save_c1(dc);
        tcg_gen_x87(dc->s, X87_REG_OP(0xd9, 0xc0));
        xstack_note_push(x, st0);
    }
    if (op == 3 && !xstack_top_is_clean(x))
        guest_access(dc, a, 2, bytes, true);
    else
        guest_access(dc, a, op, bytes, true);
    if (copy)
        xstack_forget_top(x);
    x->c1 = bytes == 10 ? X87_C1_ZERO : X87_C1_HOST;
    if (op == 2)
        return;
    if (copy || !xstack_top_is_clean(x))
        xstack_pop(x);
    else
        xstack_pop_both(x);
}

bool gen_x87_mem(DisasContext *dc)
{
    X87Cache *x = &dc->x87;
    unsigned esc = dc->insn.opcode & 7, op = dc->insn.modrm >> 3 & 7, bytes, st0;
    MemKind kind = memory_kind(esc, op, &bytes);

    if (!xstack_usable(dc) || kind == MEM_NONE)
        return false;
    AddrRef a = gen_mem_parts(dc, bytes == 10 ? 8 : 0, bytes, kind == MEM_STORE); /* may end the group */
    xstack_begin_group(dc);
    x->c1_dead = false;
    if (!xstack_want_tag(x, xstack_slot_of(x, kind == MEM_LOAD ? 7 : 0), kind != MEM_LOAD))
        return false;
    if (kind == MEM_LOAD) {
        xstack_make_room(dc, 0);
        guest_access(dc, a, op, bytes, false);
        xstack_pushed(dc);
        xstack_done(dc);
        return true;
    }
    st0 = xstack_slot_of(x, 0);
    xstack_fetch_to_top(dc, st0);
    if (kind == MEM_STORE) {
        store(dc, a, bytes);
    } else if (op == 2 || op == 3) {
        guest_access(dc, a, 2, bytes, false);
        x->c1 = X87_C1_ZERO;
        x->cc_host = true;
        if (op == 3)
            xstack_pop(x);
    } else {
        guest_access(dc, a, op, bytes, false);
        x->c1 = X87_C1_HOST;
        x->dirty |= 1 << st0;
    }
    xstack_done(dc);
    return true;
}

/* ---- register forms ---- */

/* Both registers are full; ST0 is on the host's top. Returns where ST(i) is, or -1. */
static int two_registers(DisasContext *dc, unsigned i)
{
    X87Cache *x = &dc->x87;
    unsigned st0 = xstack_slot_of(x, 0), sti = xstack_slot_of(x, i);

    if (!xstack_want_tag(x, st0, true) || !xstack_want_tag(x, sti, true))
        return -1;
    xstack_fetch(dc, sti);
    xstack_fetch_to_top(dc, st0);
    return xstack_find(x, sti);
}

static bool arith(DisasContext *dc, unsigned esc, unsigned op, unsigned i)
{
    X87Cache *x = &dc->x87;
    int k = two_registers(dc, i);

    if (k < 0)
        return false;
    if (esc == 6 && i && xstack_top_is_clean(x)) {
        tcg_gen_x87(dc->s, X87_REG_OP(0xde, 0xc0 | op << 3 | k));
        x->dirty |= 1 << xstack_slot_of(x, i);
        xstack_pop_both(x);
    } else {
        tcg_gen_x87(dc->s, X87_REG_OP(esc == 0 ? 0xd8 : 0xdc, 0xc0 | op << 3 | k));
        x->dirty |= 1 << xstack_slot_of(x, esc == 0 ? 0 : i);
        if (esc == 6)
            xstack_pop(x);
    }
    x->c1 = X87_C1_HOST;
    return true;
}

static bool compare(DisasContext *dc, unsigned i, unsigned pops, bool unordered)
{
    X87Cache *x = &dc->x87;
    int k = two_registers(dc, i);

    if (k < 0)
        return false;
    tcg_gen_x87(dc->s, unordered ? X87_REG_OP(0xdd, 0xe0 | k) : X87_REG_OP(0xd8, 0xd0 | k));
    x->c1 = X87_C1_ZERO;
    x->cc_host = true;
    while (pops--)
        xstack_pop(x);
    return true;
}

static bool compare_flags(DisasContext *dc, unsigned i, bool pops, bool unordered)
{
    X87Cache *x = &dc->x87;
    int k = two_registers(dc, i);
    Tv f = tcg_temp(dc->s);

    if (k < 0)
        return false;
    tcg_gen_x87_flags(dc->s, f, X87_REG_OP(0xdb, (unordered ? 0xe8 : 0xf0) | k));
    x->c1 = X87_C1_ZERO;
    if (pops)
        xstack_pop(x);
    gen_set_flags(dc, f);
    return true;
}

static bool load_st(DisasContext *dc, unsigned i)
{
    X87Cache *x = &dc->x87;
    unsigned new = xstack_slot_of(x, 7);

    if (!xstack_want_tag(x, xstack_slot_of(x, i), true) || !xstack_want_tag(x, new, false))
        return false;
    xstack_fetch(dc, xstack_slot_of(x, i));
    xstack_make_room(dc, 1 << xstack_slot_of(x, i));
    tcg_gen_x87(dc->s, X87_REG_OP(0xd9, 0xc0 | xstack_fetch(dc, xstack_slot_of(x, i))));
    xstack_pushed(dc);
    return true;
}

static bool load_constant(DisasContext *dc, unsigned n)
{
    X87Cache *x = &dc->x87;

    if (!xstack_want_tag(x, xstack_slot_of(x, 7), false))
        return false;
    xstack_make_room(dc, 0);
    tcg_gen_x87(dc->s, X87_REG_OP(0xd9, 0xe8 | n));
    xstack_pushed(dc);
    return true;
}

/* No host instruction at all once both are there. */
static bool exchange(DisasContext *dc, unsigned i)
{
    X87Cache *x = &dc->x87;
    unsigned st0 = xstack_slot_of(x, 0), sti = xstack_slot_of(x, i);

    if (!xstack_want_tag(x, st0, true) || !xstack_want_tag(x, sti, true))
        return false;
    x->c1 = X87_C1_ZERO;
    if (i == 0)
        return true;
    xstack_fetch(dc, sti);
    xstack_fetch(dc, st0);
    int a = xstack_find(x, st0), b = xstack_find(x, sti);
    x->slot[a] = sti;
    x->slot[b] = st0;
    x->dirty |= 1 << st0 | 1 << sti;
    return true;
}

static bool store_st(DisasContext *dc, unsigned i, bool pops)
{
    X87Cache *x = &dc->x87;
    unsigned st0 = xstack_slot_of(x, 0), sti = xstack_slot_of(x, i);

    if (!xstack_want_tag(x, st0, true))
        return false;
    xstack_want_tag(x, sti, true); /* its tag changes unless it is full: mostly it is */
    x->c1 = X87_C1_ZERO;
    if (i == 0) {
        if (pops)
            xstack_pop(x);
        return true;
    }
    xstack_fetch_to_top(dc, st0);
    int k = xstack_find(x, sti);
    bool clean = xstack_top_is_clean(x);
    if (k >= 0) {
        tcg_gen_x87(dc->s, X87_REG_OP(0xdd, (pops && clean ? 0xd8 : 0xd0) | k)); /* fstp or fst st(k) */
        if (pops && clean)
            xstack_forget_top(x);
    } else if (pops && clean) {
        x->slot[0] = sti; /* the host register stands for the other slot from now on */
    } else { /* there is room: sti was not on the host's stack */
        tcg_gen_x87(dc->s, X87_REG_OP(0xd9, 0xc0));
        xstack_note_push(x, sti);
    }
    xstack_set_full(x, sti);
    if (pops)
        xstack_pop(x);
    return true;
}

/* Slow instructions that are worth it for what need not be saved around a call: D9 F0 and up, by their low five bits.
 * Not those whose stack effect depends on the operand (FPTAN, FSINCOS), nor FPREM, which leaves C0 and C3 alone or not. */
enum {
    X_FCHS = 0, X_FABS = 1, X_FTST = 4, X_FXAM = 5, X_F2XM1 = 0x10, X_FYL2X = 0x11, X_FPATAN = 0x13, X_FXTRACT = 0x14,
    X_FYL2XP1 = 0x19, X_FSQRT = 0x1a, X_FRNDINT = 0x1c, X_FSCALE = 0x1d, X_FSIN = 0x1e, X_FCOS = 0x1f,
};

static bool one_operand(DisasContext *dc, unsigned op)
{
    X87Cache *x = &dc->x87;
    unsigned st0 = xstack_slot_of(x, 0);

    if (!xstack_want_tag(x, st0, true))
        return false;
    xstack_fetch_to_top(dc, st0);
    if (op >= X_F2XM1 && x->cc_host)
        xstack_fold_codes(dc);
    tcg_gen_x87(dc->s, X87_REG_OP(0xd9, 0xe0 | op));
    x->c1 = op == X_FCHS || op == X_FABS || op == X_FTST ? X87_C1_ZERO : X87_C1_HOST;
    if (op == X_FTST || op == X_FXAM)
        x->cc_host = true;
    else
        x->dirty |= 1 << st0;
    if (op == X_FSIN || op == X_FCOS) {
        xstack_fold_bits(dc, FPUS_C1 | FPUS_C2, 0);
        x->c1 = X87_C1_ENV;
    }
    return true;
}

static bool fxtract(DisasContext *dc)
{
    X87Cache *x = &dc->x87;
    unsigned st0 = xstack_slot_of(x, 0);

    if (!xstack_want_tag(x, st0, true) || !xstack_want_tag(x, xstack_slot_of(x, 7), false))
        return false;
    xstack_fetch_to_top(dc, st0);
    xstack_make_room(dc, 1 << st0);
    xstack_exchange_top(dc, xstack_find(x, st0));
    if (x->cc_host)
        xstack_fold_codes(dc);
    tcg_gen_x87(dc->s, X87_REG_OP(0xd9, 0xf4));
    x->dirty |= 1 << st0;
    xstack_pushed(dc);
    return true;
}

/* ST0 and ST1, which have to be the host's. pops: the result goes to ST1. */
static bool two_operands(DisasContext *dc, unsigned op, bool pops)
{
    X87Cache *x = &dc->x87;
    unsigned st0 = xstack_slot_of(x, 0), st1 = xstack_slot_of(x, 1);
    int k = two_registers(dc, 1);

    if (k < 0)
        return false;
    if (x->cc_host)
        xstack_fold_codes(dc);
    if (pops && !xstack_top_is_clean(x)) { /* the host pops: the value must be in env before */
        xstack_make_room(dc, 1 << st0 | 1 << st1);
        xstack_exchange_top(dc, xstack_find(x, st0));
        tcg_gen_x87(dc->s, X87_REG_OP(0xd9, 0xc0));
        xstack_note_push(x, st0);
        xstack_spill_top(dc);
        k = xstack_find(x, st1);
    }
    if (k != 1) {
        xstack_exchange_top(dc, k);
        xstack_exchange_top(dc, 1);
        xstack_exchange_top(dc, k);
    }
    tcg_gen_x87(dc->s, X87_REG_OP(0xd9, 0xe0 | op));
    x->dirty |= 1 << (pops ? st1 : st0);
    if (pops)
        xstack_pop_both(x);
    x->c1 = X87_C1_HOST;
    return true;
}

static bool unary(DisasContext *dc, unsigned op)
{
    switch (op) {
    case X_FCHS: case X_FABS: case X_FTST: case X_FXAM: case X_FSQRT: case X_FRNDINT: case X_F2XM1: case X_FSIN: case X_FCOS:
        return one_operand(dc, op);
    case X_FSCALE: return two_operands(dc, op, false);
    case X_FYL2X: case X_FPATAN: case X_FYL2XP1: return two_operands(dc, op, true);
    case X_FXTRACT: return fxtract(dc);
    default: return false;
    }
}

static bool conditional_move(DisasContext *dc, unsigned cond, bool negate, unsigned i, Tv flags)
{
    static const uint32_t bits[4] = {CC_C, CC_Z, CC_C | CC_Z, CC_P};
    X87Cache *x = &dc->x87;
    Tv c = tcg_temp(dc->s);

    x->c1_dead = false;
    int k = two_registers(dc, i);
    if (k < 0)
        return false;
    tcg_gen_andi(dc->s, TCG_I32, c, flags, bits[cond]);
    tcg_gen_setcondi(dc->s, TCG_I32, negate ? TCG_COND_EQ : TCG_COND_NE, c, c, 0);
    tcg_gen_x87_cmov(dc->s, c, k);
    x->dirty |= 1 << xstack_slot_of(x, 0);
    return true;
}

/* As gen_register() of gen-x87.c, which has the whole map. */
static bool register_form(DisasContext *dc, unsigned esc, unsigned op, unsigned i, Tv flags)
{
    switch (esc) {
    case 0: return op == 2 || op == 3 ? compare(dc, i, op == 3, false) : arith(dc, esc, op, i);
    case 1:
        switch (op) {
        case 0: return load_st(dc, i);
        case 1: return exchange(dc, i);
        case 4: case 6: case 7: return unary(dc, dc->insn.modrm & 0x1f);
        case 5: return i < 7 && load_constant(dc, i);
        default: return false;
        }
    case 2: return op < 4 ? conditional_move(dc, op, false, i, flags) : compare(dc, 1, 2, true);
    case 3: return op < 4 ? conditional_move(dc, op, true, i, flags) : compare_flags(dc, i, false, op == 5);
    case 4: return op == 2 || op == 3 ? compare(dc, i, op == 3, false) : arith(dc, esc, op, i);
    case 5:
        switch (op) {
        case 1: return exchange(dc, i);
        case 2: case 3: return store_st(dc, i, op == 3);
        case 4: case 5: return compare(dc, i, op == 5, true);
        default: return false;
        }
    case 6: return op == 3 ? compare(dc, 1, 2, false) : op == 2 ? compare(dc, i, 1, false) : arith(dc, esc, op, i);
    default:
        switch (op) {
        case 1: return exchange(dc, i);
        case 2: case 3: return store_st(dc, i, true);
        case 5: case 6: return compare_flags(dc, i, true, op == 5);
        default: return false;
        }
    }
}

bool gen_x87_reg(DisasContext *dc)
{
    unsigned esc = dc->insn.opcode & 7, op = dc->insn.modrm >> 3 & 7, i = dc->insn.modrm & 7;
    Tv flags = {0};

    if (!xstack_usable(dc))
        return false;
    if ((esc == 2 || esc == 3) && op < 4)
        flags = gen_eflags_value(dc);
    xstack_begin_group(dc);
    dc->x87.c1_dead = true;
    if (!register_form(dc, esc, op, i, flags))
        return false;
    xstack_done(dc);
    return true;
}
