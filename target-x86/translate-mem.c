/* translate-mem.c - operands of general instructions: addresses with segment checks, registers, the stack.
 * Spec: Intel SDM vol. 1, 3.7 (operand addressing); vol. 3, 5.3 (limits), 5.4 (types).
 *
 * A flat segment costs nothing. Any other has its limit, and in protected mode its type, compared in line;
 * what fails goes to helper check_seg, which knows every rule (expand-down, null selectors) and raises.
 * These checks end a basic block: values that an instruction computes before them stand in gen_temp() temps. */
#include "target-x86/translate.h"
#include "accel/cputlb.h"

static inline TcgType addr_type(unsigned asize) { return asize == MO_64 ? TCG_I64 : TCG_I32; }

void gen_mask_addr(DisasContext *dc, Tv d, Tv v, unsigned asize)
{
    if (asize == MO_16)
        tcg_gen_ext16u(dc->s, TCG_I32, d, v);
    else
        tcg_gen_mov(dc->s, addr_type(asize), d, v);
}

/* The address that the last vector's access began with, if this one begins with the same: accesses in a row then have nothing between
 * them. Vectors only: where general registers are busy an addition costs less than a register for its sum. */
static bool kept_sum(const DisasContext *dc, Tv *sum)
{
    const Insn *i = &dc->insn;

    if (!dc->sum_valid || dc->sum_base != i->base || dc->sum_index != i->index || dc->sum_scale != i->scale)
        return false;
    *sum = dc->sum;
    return gen_still_good(dc, dc->sum_op, dc->sum, gen_reg(i->base)) && gen_still_good(dc, dc->sum_op, dc->sum, gen_reg(i->index));
}

/* Effective address. rest: where a displacement may be left over to be added after truncation (64 bits
 * only: nothing is truncated there), or NULL. */
static Tv gen_ea(DisasContext *dc, int64_t *rest)
{
    TcgContext *s = dc->s;
    const Insn *i = &dc->insn;
    TcgType t = addr_type(i->asize);
    int64_t disp = i->disp;
    /* Upper halves are zero in legacy mode; a 64-bit kernel may leave anything there for compatibility mode. */
    bool clean = i->asize == MO_64 || (i->asize == MO_32 && !dc->lma);
    Tv a, tmp;

    if (rest)
        *rest = 0;
    if (i->rip_relative && dc->floating) {
        a = tcg_global(G_PC_PAGE);
        disp += dc_op_eip(dc, dc_next_eip(dc));
        if (!rest || i->asize != MO_64 || disp != (int32_t)disp) {
            tmp = tcg_temp(s);
            tcg_gen_addi(s, t, tmp, a, disp); /* 32-bit: truncates */
            return tmp;
        }
        *rest = disp;
        return a;
    }
    if (i->rip_relative)
        disp += dc_next_eip(dc);
    if (i->base < 0 && i->index < 0)
        return tcg_const(s, i->asize == MO_64 ? (uint64_t)disp : i->asize == MO_32 ? (uint32_t)disp : (uint16_t)disp);
    bool keep = i->simd && rest && i->asize == MO_64 && i->index >= 0 && i->base >= 0;
    if (keep && kept_sum(dc, &a)) {
        *rest = disp;
        return a;
    }
    a = gen_reg(i->index >= 0 ? i->index : i->base);
    if (i->index >= 0 && i->scale) {
        tmp = tcg_temp(s);
        tcg_gen_shli(s, t, tmp, a, i->scale);
        a = tmp;
        clean = i->asize != MO_16;
    }
    if (i->index >= 0 && i->base >= 0) {
        tmp = tcg_temp(s);
        tcg_gen_add(s, t, tmp, gen_reg(i->base), a);
        a = tmp;
        clean = i->asize != MO_16;
    }
    if (keep) {
        dc->sum_valid = true;
        dc->sum_base = i->base;
        dc->sum_index = i->index;
        dc->sum_scale = i->scale;
        dc->sum = a;
        dc->sum_op = s->nb_ops;
    }
    if (rest && i->asize == MO_64) {
        *rest = disp;
        return a;
    }
    if (disp) {
        tmp = tcg_temp(s);
        tcg_gen_addi(s, t, tmp, a, disp);
        a = tmp;
        clean = i->asize != MO_16;
    }
    if (!clean) {
        tmp = tcg_temp(s);
        gen_mask_addr(dc, tmp, a, i->asize);
        a = tmp;
    }
    return a;
}

Tv gen_lea(DisasContext *dc) { return gen_ea(dc, NULL); }

static bool seg_is_flat(const DisasContext *dc, int seg)
{
    return dc->code64 ? seg != R_FS && seg != R_GS : (dc->flags & HF_FLAT_SEG(seg)) != 0;
}

/* off: 32 bits, zero-extended, and lives through labels. */
static void gen_seg_check(DisasContext *dc, int seg, Tv off, unsigned bytes, bool write)
{
    TcgContext *s = dc->s;
    TcgLabel ok = tcg_label(s);
    bool real = !dc->pe || dc->vm86;
    Tv last = off, limit = tcg_temp(s);

    if (!real) {
        /* usable data segment that grows up and may be written; code segment that may be read */
        uint32_t mask = DESC_P | DESC_S | DESC_CODE | DESC_W | (seg == R_CS ? 0 : DESC_E);
        uint32_t want = DESC_P | DESC_S | DESC_W | (seg == R_CS ? DESC_CODE : 0);
        Tv f = tcg_temp(s), bad = tcg_temp_local(s), t = tcg_temp(s);
        tcg_gen_ld(s, f, tcg_env(s), offsetof(CPUX86State, segs) + seg * sizeof(SegCache) + offsetof(SegCache, flags), 4, false);
        tcg_gen_andi(s, TCG_I32, f, f, mask);
        tcg_gen_setcondi(s, TCG_I32, TCG_COND_NE, bad, f, seg == R_CS && write ? 0 : want);
        /* a bad type counts as a byte beyond any limit */
        tcg_gen_shli(s, TCG_I64, t, bad, 40);
        last = tcg_temp(s);
        tcg_gen_add(s, TCG_I64, last, t, off);
    }
    if (bytes > 1) {
        Tv t = tcg_temp(s);
        tcg_gen_addi(s, TCG_I64, t, last, bytes - 1);
        last = t;
    }
    tcg_gen_ld(s, limit, tcg_env(s), offsetof(CPUX86State, segs) + seg * sizeof(SegCache) + offsetof(SegCache, limit), 4, false);
    tcg_gen_brcond(s, TCG_I64, TCG_COND_LEU, last, limit, ok);
    CALL_HELPER(dc, check_seg, NO_OUT, 4, tcg_env(s).i, tcg_const(s, seg).i, off.i, tcg_const(s, bytes | (write ? CHECK_WRITE : 0) | dc->check_word).i);
    tcg_gen_label(s, ok);
}

/* A comparison without a basic block's end: what fails leaves the TB, and the same instruction at the start of one looks closely.
 * So it is only for an instruction's first access; false: not this one. Thread-local storage of 32-bit programs lies behind FS
 * or GS, everywhere in code that a C library has. In real and 8086 mode there are limits only, and no segment is flat. */
static bool gen_quick_check(DisasContext *dc, int seg, Tv off, unsigned bytes, bool write)
{
    TcgContext *s = dc->s;
    const Insn *i = &dc->insn;
    bool x87 = i->map == MAP_1 && (i->opcode & 0xf8) == 0xd8, again = dc->seg_checked || dc->check_word;
    bool operand = i->has_modrm ? i->mod != 3 : i->map == MAP_1 && (i->opcode & 0xfc) == 0xa0 /* MOV moffs */;
    Tv last = off, limit;

    dc->seg_checked = true;
    if (!may_leave_at_insn(dc) || !i->row || x87 || (dc_is_8086(dc) ? again : seg < R_FS || !operand))
        return false;
    if (bytes > 1) {
        last = tcg_temp(s);
        tcg_gen_addi(s, TCG_I64, last, off, bytes - 1);
    }
    limit = tcg_temp(s);
    if (dc_is_8086(dc))
        tcg_gen_ld(s, limit, tcg_env(s), offsetof(CPUX86State, segs) + seg * sizeof(SegCache) + offsetof(SegCache, limit), 4, false);
    else
        tcg_gen_ld(s, limit, tcg_env(s), offsetof(CPUX86State, tls_last[seg - R_FS][write]), 8, false);
    return gen_not_here(dc, TCG_I64, TCG_COND_GT, last, limit);
}

Tv gen_add_seg(DisasContext *dc, int seg, Tv off, unsigned bytes, bool write)
{
    TcgContext *s = dc->s;
    Tv base, lin;

    if (write && seg == R_CS && dc->pe && !dc->vm86 && !dc->code64) /* code segments cannot be written, flat or not */
        CALL_HELPER(dc, raise_exception_err, NO_OUT, 3, tcg_env(s).i, tcg_const(s, EXCP_GP).i, tcg_const(s, 0).i);
    if (seg_is_flat(dc, seg))
        return off;
    if (!dc->code64 && !gen_quick_check(dc, seg, off, bytes, write)) {
        if (s->temps[off.i].kind == TCG_TEMP_EBB) {
            Tv local = tcg_temp_local(s);
            tcg_gen_mov(s, TCG_I64, local, off);
            off = local;
        }
        gen_seg_check(dc, seg, off, bytes, write);
    }
    base = tcg_temp(s);
    lin = gen_temp(dc);
    tcg_gen_ld(s, base, tcg_env(s), offsetof(CPUX86State, segs) + seg * sizeof(SegCache) + offsetof(SegCache, base), 8, false);
    tcg_gen_add(s, dc->code64 ? TCG_I64 : TCG_I32, lin, base, off);
    return lin;
}

AddrRef gen_mem_operand(DisasContext *dc, unsigned size, bool write)
{
    bool flat = seg_is_flat(dc, dc->insn.seg);
    int64_t rest;
    Tv off = gen_ea(dc, flat || dc->code64 ? &rest : NULL);

    if (!flat && !dc->code64)
        rest = 0;
    off = gen_add_seg(dc, dc->insn.seg, off, size, write);
    return (AddrRef){ off, rest };
}

AddrRef gen_mem_parts(DisasContext *dc, unsigned first, unsigned size, bool write)
{
    dc->check_word = first << CHECK_FIRST_SHIFT;
    AddrRef a = gen_mem_operand(dc, size, write);
    dc->check_word = 0;
    return a;
}

AddrRef gen_mem_op(DisasContext *dc, MemOp op, bool write)
{
    dc->check_word = op & MO_ALIGN_GP ? (op & MO_SIZE) << CHECK_ALIGN_SHIFT : 0;
    AddrRef a = gen_mem_operand(dc, memop_size(op), write);
    dc->check_word = 0;
    return a;
}

AddrRef gen_mem_second(DisasContext *dc, AddrRef m, unsigned at, unsigned size, bool write)
{
    bool wraps = dc->insn.asize == MO_16;

    if (dc->code64 || (seg_is_flat(dc, dc->insn.seg) && !wraps))
        return (AddrRef){ m.addr, m.disp + at };
    Tv off = tcg_temp(dc->s);
    tcg_gen_addi(dc->s, TCG_I32, off, gen_lea(dc), at);
    if (wraps)
        tcg_gen_ext16u(dc->s, TCG_I32, off, off);
    return (AddrRef){ gen_add_seg(dc, dc->insn.seg, off, size, write), 0 };
}

static MemOpIdx mem_idx(DisasContext *dc, MemOp op)
{
    if ((dc->flags & HF_AC) && (op & MO_SIZE) != MO_8 && !(op & MO_ALIGN_GP))
        op |= MO_ALIGN_AC;
    return memopidx(op, dc->mmu_idx);
}

void gen_load(DisasContext *dc, Tv d, AddrRef a, MemOp op) { tcg_gen_guest_ld(dc->s, d, a.addr, a.disp, mem_idx(dc, op)); }
void gen_store(DisasContext *dc, Tv val, AddrRef a, MemOp op) { tcg_gen_guest_st(dc->s, val, a.addr, a.disp, mem_idx(dc, op)); }

/* With one vCPU a single host instruction is as atomic as the guest can see. Two forms stay locked, because kernels
 * use them as barriers towards devices, which run in other threads: XCHG, and "lock add/or $0, (%rsp)". */
void gen_rmw(DisasContext *dc, Tv old, AddrRef a, Tv val, unsigned size, RmwOp op)
{
    bool lock = dc->insn.lock && (accel_parallel || op == RMW_XCHG || dc->insn.base == R_ESP);
    tcg_gen_guest_rmw(dc->s, old, a.addr, a.disp, val, mem_idx(dc, size), op | (lock ? RMW_LOCK : 0));
}
void gen_cmpxchg(DisasContext *dc, Tv old, AddrRef a, Tv cmp, Tv val, unsigned size)
{
    tcg_gen_guest_cmpxchg(dc->s, old, a.addr, a.disp, cmp, val, mem_idx(dc, size),
                          dc->insn.lock && accel_parallel ? RMW_LOCK : 0);
}

/* Vectors: alignment checking does not concern those of 16 bytes and more that may be unaligned anyway. */
void gen_loadv(DisasContext *dc, Vv d, AddrRef a, MemOp op)
{
    tcg_gen_guest_ldv(dc->s, dc->s->temps[d.i].type, d, a.addr, a.disp,
                      (op & MO_SIZE) >= MO_128 ? memopidx(op, dc->mmu_idx) : mem_idx(dc, op));
}
void gen_storev(DisasContext *dc, Vv val, AddrRef a, MemOp op)
{
    tcg_gen_guest_stv(dc->s, (op & MO_SIZE) == MO_256 ? TCG_V256 : TCG_V128, val, a.addr, a.disp,
                      (op & MO_SIZE) >= MO_128 ? memopidx(op, dc->mmu_idx) : mem_idx(dc, op));
}

/* --- registers --- */

static bool is_high_byte(const DisasContext *dc, unsigned size, unsigned reg)
{
    return size == MO_8 && !dc->insn.has_rex && reg >= 4 && reg < 8;
}

Tv gen_read_reg(DisasContext *dc, unsigned size, unsigned reg)
{
    if (is_high_byte(dc, size, reg)) {
        Tv t = gen_temp(dc);
        tcg_gen_extract(dc->s, TCG_I32, t, gen_reg(reg - 4), 8, 8);
        return t;
    }
    return gen_reg(reg);
}

void gen_write_reg(DisasContext *dc, unsigned size, unsigned reg, Tv val)
{
    Tv r = gen_reg(reg);

    switch (size) {
    case MO_8:
        if (is_high_byte(dc, size, reg)) {
            r = gen_reg(reg - 4);
            tcg_gen_deposit(dc->s, TCG_I64, r, r, val, 8, 8);
        } else if (val.i != r.i) {
            tcg_gen_deposit(dc->s, TCG_I64, r, r, val, 0, 8);
        }
        break;
    case MO_16:
        if (val.i != r.i)
            tcg_gen_deposit(dc->s, TCG_I64, r, r, val, 0, 16);
        break;
    case MO_32:
        tcg_gen_mov(dc->s, TCG_I32, r, val);
        break;
    default:
        tcg_gen_mov(dc->s, TCG_I64, r, val);
    }
}

Tv gen_extend(DisasContext *dc, Tv v, unsigned size, bool sign)
{
    TcgContext *s = dc->s;
    uint64_t c;
    Tv t;

    if (size == MO_64)
        return v;
    if (tcg_is_const(s, v, &c)) {
        unsigned drop = 64 - (8u << size);
        return tcg_const(s, sign ? (uint64_t)((int64_t)(c << drop) >> drop) : c << drop >> drop);
    }
    t = gen_temp(dc);
    if (size == MO_32)
        (sign ? tcg_gen_ext32s : tcg_gen_ext32u)(s, TCG_I64, t, v);
    else if (size == MO_16)
        (sign ? tcg_gen_ext16s : tcg_gen_ext16u)(s, TCG_I64, t, v);
    else
        (sign ? tcg_gen_ext8s : tcg_gen_ext8u)(s, TCG_I64, t, v);
    return t;
}

/* --- operands of a row --- */

AddrRef gen_operand_mem(DisasContext *dc, bool write)
{
    if (!dc->mem_valid) {
        unsigned n = dc_op_is_mem(dc, 0) ? 0 : 1;
        dc->mem = gen_mem_operand(dc, 1u << dc_op_size(dc, n), write);
        dc->mem_valid = true;
    }
    return dc->mem;
}

/* Register number of a register operand; -1: it is none. */
static int operand_reg(const DisasContext *dc, OpKind k)
{
    enum { NONE, RM, REG, VVVV, OPCODE, A, C, D, NB_PLACES };
    static const uint8_t place[] = {
        [O_Eb] = RM, [O_Ew] = RM, [O_Ed] = RM, [O_Ev] = RM, [O_Ey] = RM, [O_Rv] = RM, [O_Ry] = RM, [O_Gb] = REG, [O_Gw] = REG,
        [O_Gv] = REG, [O_Gy] = REG, [O_By] = VVVV, [O_Zb] = OPCODE, [O_Zv] = OPCODE, [O_AL] = A, [O_rAX] = A, [O_zAX] = A, [O_CL] = C,
        [O_DX] = D, [O_Yz] = NONE,
    };
    const Insn *i = &dc->insn;
    /* a table of all of them, since nobody can predict a branch by kinds of operands */
    const int8_t reg[NB_PLACES] = {
        [NONE] = -1, [RM] = i->rm, [REG] = i->reg, [VVVV] = i->vvvv, [OPCODE] = (i->opcode & 7) | i->rex_b, [A] = R_EAX, [C] = R_ECX, [D] = R_EDX,
    };

    return reg[place[k]];
}

/* MOV, TEST and the eight ALU operations: nothing but the operand's value depends on the immediate. (A shift count of
 * 0 leaves the flags alone, and what the front end knows of an instruction's flags must hold for all values.) */
static bool imm_may_be_soft(const Insn *i)
{
    unsigned op = i->opcode;
    if (i->map != MAP_1 || i->vex)
        return false;
    return (op < 0x40 && (op & 7) >= 4 && (op & 7) <= 5) || op == 0x80 || op == 0x81 || op == 0x83 || op == 0xa8 ||
           op == 0xa9 || (op >= 0xb0 && op <= 0xbf) || op == 0xc6 || op == 0xc7;
}

/* The immediate as a load, when the guest patches it so often that a constant would cost a translation each time. */
static bool gen_patched_imm(DisasContext *dc, OpKind k, Tv *out)
{
    const Insn *i = &dc->insn;
    unsigned len = k == O_Ib || k == O_sIb ? 1 : k == O_Iz ? (i->osize == MO_16 ? 2 : 4) : k == O_Iv ? 1 << i->osize : 0;
    const void *host;

    if (len == 0 || len > i->len || !imm_may_be_soft(i))
        return false;
    host = tb_patched_immediate(dc->cpu, dc->tb, dc->pc + i->len - len, len); /* the last bytes */
    if (!host)
        return false;
    *out = gen_temp(dc);
    tcg_gen_ld(dc->s, *out, tcg_const(dc->s, (uintptr_t)host), 0, len, k == O_sIb || k == O_Iz);
    return true;
}

Tv gen_operand(DisasContext *dc, unsigned n)
{
    OpKind k = dc->insn.row->op[n];
    unsigned size = dc_op_size(dc, n);
    int reg;
    Tv value;

    if (dc_op_is_mem(dc, n)) {
        AddrRef a = gen_operand_mem(dc, false);
        Tv t = gen_temp(dc);
        gen_load(dc, t, a, size);
        return t;
    }
    reg = operand_reg(dc, k);
    if (reg >= 0)
        return gen_read_reg(dc, size, reg);
    if (k == O_I1)
        return tcg_const(dc->s, 1);
    if (gen_patched_imm(dc, k, &value))
        return value;
    /* a second immediate stands in imm2 */
    return tcg_const(dc->s, n == 2 || k != O_Ib || dc->insn.row->op[0] != O_Iw ? dc->insn.imm : dc->insn.imm2);
}

Tv gen_operand_dest(DisasContext *dc, unsigned n)
{
    int reg = operand_reg(dc, dc->insn.row->op[n]);

    if (!dc_op_is_mem(dc, n) && reg >= 0 && dc_op_size(dc, n) >= MO_32)
        return gen_reg(reg);
    return gen_temp(dc);
}

void gen_operand_write(DisasContext *dc, unsigned n, Tv val)
{
    unsigned size = dc_op_size(dc, n);
    int reg = operand_reg(dc, dc->insn.row->op[n]);

    if (dc_op_is_mem(dc, n))
        gen_store(dc, val, gen_operand_mem(dc, true), size);
    else if (size < MO_32 || val.i != gen_reg(reg).i)
        gen_write_reg(dc, size, reg, val);
}

/* --- stack --- */

unsigned dc_stack_size(const DisasContext *dc) { return dc->code64 ? MO_64 : dc->ss32 ? MO_32 : MO_16; }

void gen_write_sp(DisasContext *dc, Tv val)
{
    Tv sp = gen_reg(R_ESP);

    if (dc_stack_size(dc) == MO_16)
        tcg_gen_deposit(dc->s, TCG_I64, sp, sp, val, 0, 16);
    else
        tcg_gen_mov(dc->s, dc->code64 ? TCG_I64 : TCG_I32, sp, val);
}

/* SP + n, cut to the stack's width. */
static Tv gen_sp_plus(DisasContext *dc, int n)
{
    Tv t = gen_temp(dc);

    tcg_gen_addi(dc->s, dc->code64 ? TCG_I64 : TCG_I32, t, gen_reg(R_ESP), n);
    if (dc_stack_size(dc) == MO_16)
        tcg_gen_ext16u(dc->s, TCG_I32, t, t);
    return t;
}

void gen_push(DisasContext *dc, Tv val, unsigned size)
{
    int bytes = 1 << size;

    if (dc->code64) {
        gen_store(dc, val, (AddrRef){ gen_reg(R_ESP), -bytes }, size);
        tcg_gen_addi(dc->s, TCG_I64, gen_reg(R_ESP), gen_reg(R_ESP), -bytes);
    } else {
        Tv sp = gen_sp_plus(dc, -bytes);
        Tv lin = gen_add_seg(dc, R_SS, sp, bytes, true);
        gen_store(dc, val, (AddrRef){ lin, 0 }, size);
        gen_write_sp(dc, sp);
    }
}

void gen_push2(DisasContext *dc, Tv first, Tv second, unsigned size)
{
    int bytes = 1 << size;
    Tv sp = gen_sp_plus(dc, -bytes);

    gen_store(dc, first, (AddrRef){ gen_add_seg(dc, R_SS, sp, bytes, true), 0 }, size);
    sp = gen_sp_plus(dc, -2 * bytes);
    gen_store(dc, second, (AddrRef){ gen_add_seg(dc, R_SS, sp, bytes, true), 0 }, size);
    gen_write_sp(dc, sp);
}

Tv gen_stack_value(DisasContext *dc, unsigned index, unsigned size)
{
    Tv val = gen_temp(dc), sp = gen_sp_plus(dc, (int)(index << size));

    gen_load(dc, val, (AddrRef){ gen_add_seg(dc, R_SS, sp, 1u << size, false), 0 }, size);
    return val;
}

Tv gen_pop_value(DisasContext *dc, unsigned size)
{
    Tv val = gen_temp(dc), sp = gen_reg(R_ESP);

    if (dc_stack_size(dc) == MO_16 || (dc->lma && !dc->code64))
        sp = gen_sp_plus(dc, 0);
    gen_load(dc, val, (AddrRef){ gen_add_seg(dc, R_SS, sp, 1 << size, false), 0 }, size);
    return val;
}

void gen_stack_drop(DisasContext *dc, int bytes)
{
    Tv sp = gen_reg(R_ESP);

    if (dc_stack_size(dc) == MO_16)
        gen_write_sp(dc, gen_sp_plus(dc, bytes));
    else
        tcg_gen_addi(dc->s, dc->code64 ? TCG_I64 : TCG_I32, sp, sp, bytes);
}

void gen_pop_commit(DisasContext *dc, unsigned size) { gen_stack_drop(dc, 1 << size); }
