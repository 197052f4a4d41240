/* gen-mov.c - moves, extensions, conditional moves, stack, far pointer loads; gen_general().
 * Spec: Intel SDM vol. 2. */
#include "target-x86/flags.h"
#include "target-x86/translate.h"

/* MOV to or from a control or debug register that there is not. */
static bool insn_names_no_cr(const DisasContext *dc)
{
    const OpcodeRow *r = dc->insn.row;
    unsigned n = dc->insn.reg;

    if (r->op[0] == O_Dy || r->op[1] == O_Dy)
        return n > 7;
    return (r->op[0] == O_Cy || r->op[1] == O_Cy) && (n == 1 || (n > 4 && n != 8));
}

void gen_general(DisasContext *dc)
{
    if ((dc->insn.row->attr & ROW_CPL0) && dc->cpl != 0 && !insn_names_no_cr(dc)) /* that is #UD for everybody */
        gen_exception_gp0(dc);
    else
        dc->insn.row->gen(dc);
}

void gen_MOV(DisasContext *dc)
{
    if (dc_op_is_mem(dc, 1)) { /* loads go straight to a 32- or 64-bit register */
        AddrRef m = gen_operand_mem(dc, false);
        Tv d = gen_operand_dest(dc, 0);
        gen_load(dc, d, m, dc_op_size(dc, 1));
        gen_operand_write(dc, 0, d);
    } else {
        if (dc_op_is_mem(dc, 0))
            gen_operand_mem(dc, true);
        Tv v = gen_operand(dc, 1);
        if (dc_op_size(dc, 0) == MO_32 && !dc_op_is_mem(dc, 0))
            tcg_gen_mov(dc->s, TCG_I32, gen_operand_dest(dc, 0), v); /* mov eax, eax clears the upper half */
        else
            gen_operand_write(dc, 0, v);
    }
}

static void gen_mov_extend(DisasContext *dc, bool sign)
{
    TcgContext *s = dc->s;
    unsigned from = dc_op_size(dc, 1), to = dc_op_size(dc, 0);
    Tv d, v;

    if (dc_op_is_mem(dc, 1)) {
        AddrRef m = gen_operand_mem(dc, false);
        MemOp op = from | (sign && from < to ? MO_SIGN | (to == MO_32 ? MO_SIGN32 : 0) : 0);
        d = gen_operand_dest(dc, 0);
        gen_load(dc, d, m, op);
        gen_operand_write(dc, 0, d);
        return;
    }
    v = gen_operand(dc, 1);
    d = gen_operand_dest(dc, 0);
    if (from == MO_8)
        (sign ? tcg_gen_ext8s : tcg_gen_ext8u)(s, type_of_size(to), d, v);
    else if (from == MO_16)
        (sign ? tcg_gen_ext16s : tcg_gen_ext16u)(s, type_of_size(to), d, v);
    else
        (sign && to == MO_64 ? tcg_gen_ext32s : tcg_gen_ext32u)(s, TCG_I64, d, v);
    gen_operand_write(dc, 0, d);
}

void gen_MOVZX(DisasContext *dc) { gen_mov_extend(dc, false); }
void gen_MOVSX(DisasContext *dc) { gen_mov_extend(dc, true); }
/* Without REX.W it is a plain 32- or 16-bit move. */
void gen_MOVSXD(DisasContext *dc) { gen_mov_extend(dc, true); }

void gen_LEA(DisasContext *dc)
{
    /* the address in the size of the address, then cut or zero-extended to the register */
    if (dc->insn.asize == MO_64 && dc->insn.osize == MO_32)
        dc->insn.asize = MO_32; /* cut at once */
    gen_write_reg(dc, dc->insn.osize, dc->insn.reg, gen_lea(dc));
}

void gen_MOVBE(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    Tv t = gen_temp(dc), v;

    if (dc_op_is_mem(dc, 0))
        gen_operand_mem(dc, true);
    v = gen_operand(dc, 1);
    if (size == MO_16)
        tcg_gen_bswap16(s, TCG_I32, t, v);
    else
        tcg_gen_bswap(s, type_of_size(size), t, v);
    gen_operand_write(dc, 0, t);
}

void gen_BSWAP(DisasContext *dc)
{
    unsigned size = dc_op_size(dc, 0);
    Tv d = gen_operand_dest(dc, 0);

    if (size == MO_16)
        tcg_gen_movi(dc->s, d, 0); /* undefined; what processors do */
    else
        tcg_gen_bswap(dc->s, type_of_size(size), d, gen_operand(dc, 0));
    gen_operand_write(dc, 0, d);
}

void gen_CMOV(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc_op_size(dc, 0);
    Tv v = gen_operand(dc, 1), old = gen_operand(dc, 0), t;
    Cond c = gen_cond(dc, dc->insn.opcode & 15);

    if (size == MO_64 && c.type == TCG_I32) { /* one op has one type */
        Tv bit = tcg_temp(s);
        tcg_gen_setcond(s, c.type, c.cond, bit, c.a, c.b);
        c = (Cond){ TCG_I64, TCG_COND_NE, bit, tcg_const(s, 0) };
    } else if (size == MO_32 && c.type == TCG_I64) { /* the upper half is cleared either way */
        Tv a = tcg_temp(s), b = tcg_temp(s);
        tcg_gen_ext32u(s, TCG_I64, a, v);
        tcg_gen_ext32u(s, TCG_I64, b, old);
        v = a;
        old = b;
    }
    t = size >= MO_32 ? gen_operand_dest(dc, 0) : tcg_temp(s);
    tcg_gen_movcond(s, c.type, c.cond, t, c.a, c.b, v, old);
    gen_operand_write(dc, 0, t);
}

void gen_SETCC(DisasContext *dc)
{
    if (dc_op_is_mem(dc, 0)) {
        AddrRef m = gen_operand_mem(dc, true);
        gen_store(dc, gen_cond_value(dc, dc->insn.opcode & 15), m, MO_8);
    } else {
        gen_operand_write(dc, 0, gen_cond_value(dc, dc->insn.opcode & 15));
    }
}

void gen_CBW(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Tv rax = gen_reg(R_EAX), t = tcg_temp(s);

    switch (dc->insn.osize) {
    case MO_16:
        tcg_gen_ext8s(s, TCG_I32, t, rax);
        gen_write_reg(dc, MO_16, R_EAX, t);
        break;
    case MO_32:
        tcg_gen_ext16s(s, TCG_I32, rax, rax);
        break;
    default:
        tcg_gen_ext32s(s, TCG_I64, rax, rax);
    }
}

void gen_CWD(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Tv rax = gen_reg(R_EAX), t = tcg_temp(s);

    switch (dc->insn.osize) {
    case MO_16:
        tcg_gen_sextract(s, TCG_I32, t, rax, 15, 1);
        gen_write_reg(dc, MO_16, R_EDX, t);
        break;
    case MO_32:
        tcg_gen_sari(s, TCG_I32, gen_reg(R_EDX), rax, 31);
        break;
    default:
        tcg_gen_sari(s, TCG_I64, gen_reg(R_EDX), rax, 63);
    }
}

void gen_XLAT(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Tv ea = tcg_temp(s), t = tcg_temp(s);

    tcg_gen_ext8u(s, TCG_I64, ea, gen_reg(R_EAX));
    tcg_gen_add(s, TCG_I64, ea, ea, gen_reg(R_EBX));
    gen_mask_addr(dc, ea, ea, dc->insn.asize);
    ea = gen_add_seg(dc, dc->insn.seg, ea, 1, false);
    gen_load(dc, t, (AddrRef){ ea, 0 }, MO_8);
    gen_write_reg(dc, MO_8, R_EAX, t);
}

void gen_XCHG(DisasContext *dc);
void gen_NOP(DisasContext *dc) { (void)dc; }
/* 90 is XCHG with itself only when it names another register than rAX */
void gen_NOP90(DisasContext *dc)
{
    if (dc->insn.rex_b)
        gen_XCHG(dc);
}

/* --- stack --- */

void gen_PUSH(DisasContext *dc) { gen_push(dc, gen_operand(dc, 0), dc->insn.osize); }

void gen_POP(DisasContext *dc)
{
    unsigned size = dc->insn.osize;
    Tv v = gen_pop_value(dc, size);

    if (dc_op_is_mem(dc, 0)) {
        /* An address made from SP uses SP as it is after the pop. */
        if (dc->insn.base == R_ESP)
            dc->insn.disp += 1 << size;
        gen_operand_write(dc, 0, v);
        gen_pop_commit(dc, size);
    } else {
        gen_pop_commit(dc, size);
        gen_operand_write(dc, 0, v);
    }
}

/* Address of the stack slot at SP + n. */
static AddrRef stack_slot(DisasContext *dc, Tv sp, int n, unsigned bytes, bool write)
{
    Tv t = gen_temp(dc);

    tcg_gen_addi(dc->s, dc->code64 ? TCG_I64 : TCG_I32, t, sp, n);
    if (dc_stack_size(dc) == MO_16)
        tcg_gen_ext16u(dc->s, TCG_I32, t, t);
    return (AddrRef){ gen_add_seg(dc, R_SS, t, bytes, write), 0 };
}

static void add_to_sp(DisasContext *dc, int n)
{
    Tv t = tcg_temp(dc->s);

    tcg_gen_addi(dc->s, dc->code64 ? TCG_I64 : TCG_I32, t, gen_reg(R_ESP), n);
    gen_write_sp(dc, t);
}

void gen_PUSHA(DisasContext *dc)
{
    unsigned size = dc->insn.osize;
    int bytes = 1 << size;

    for (int r = 0; r < 8; r++)
        gen_store(dc, gen_reg(r), stack_slot(dc, gen_reg(R_ESP), -bytes * (r + 1), bytes, true), size);
    add_to_sp(dc, -8 * bytes);
}

void gen_POPA(DisasContext *dc)
{
    unsigned size = dc->insn.osize;
    int bytes = 1 << size;

    /* In the order of the stack; a fault leaves the registers before it loaded, as on processors. */
    for (int r = 7; r >= 0; r--) {
        Tv v = gen_temp(dc);
        gen_load(dc, v, stack_slot(dc, gen_reg(R_ESP), bytes * (7 - r), bytes, false), size);
        if (r != R_ESP)
            gen_write_reg(dc, size, r, v);
    }
    add_to_sp(dc, 8 * bytes);
}

void gen_ENTER(DisasContext *dc)
{
    TcgContext *s = dc->s;
    unsigned size = dc->insn.osize, level = dc->insn.imm2 & 31;
    int bytes = 1 << size, depth = 1;
    Tv frame = gen_temp(dc), v;

    gen_store(dc, gen_reg(R_EBP), stack_slot(dc, gen_reg(R_ESP), -bytes, bytes, true), size);
    tcg_gen_addi(s, dc->code64 ? TCG_I64 : TCG_I32, frame, gen_reg(R_ESP), -bytes);
    for (unsigned l = 1; l < level; l++) {
        v = gen_temp(dc);
        gen_load(dc, v, stack_slot(dc, gen_reg(R_EBP), -bytes * (int)l, bytes, false), size);
        gen_store(dc, v, stack_slot(dc, gen_reg(R_ESP), -bytes * ++depth, bytes, true), size);
    }
    if (level)
        gen_store(dc, frame, stack_slot(dc, gen_reg(R_ESP), -bytes * ++depth, bytes, true), size);
    if (dc->insn.imm) { /* the frame's end must be writable (SDM, ENTER): the word there keeps its value */
        AddrRef end = stack_slot(dc, gen_reg(R_ESP), -bytes * depth - (int)dc->insn.imm, bytes, true);
        gen_rmw(dc, gen_temp(dc), end, tcg_const(s, 0), size, RMW_OR);
    }
    add_to_sp(dc, -bytes * depth - (int)dc->insn.imm);
    gen_write_reg(dc, size, R_EBP, frame);
}

void gen_LEAVE(DisasContext *dc)
{
    unsigned size = dc->insn.osize;
    Tv v = gen_temp(dc), sp = gen_temp(dc);

    gen_load(dc, v, stack_slot(dc, gen_reg(R_EBP), 0, 1 << size, false), size);
    tcg_gen_addi(dc->s, dc->code64 ? TCG_I64 : TCG_I32, sp, gen_reg(R_EBP), 1 << size);
    gen_write_sp(dc, sp);
    gen_write_reg(dc, size, R_EBP, v);
}

/* --- segment registers --- */

static int push_pop_seg(const DisasContext *dc) { return dc->insn.opcode >> 3 & 7; } /* 06 0E 16 1E A0 A8 */

static void store_seg(DisasContext *dc, int seg, size_t field, Tv v, unsigned bytes)
{
    tcg_gen_st(dc->s, v, tcg_env(dc->s), offsetof(CPUX86State, segs) + seg * sizeof(SegCache) + field, bytes);
}

void gen_load_seg_8086(DisasContext *dc, int seg, Tv sel)
{
    TcgContext *s = dc->s;
    Tv base = tcg_temp(s);

    tcg_gen_shli(s, TCG_I32, base, sel, 4);
    store_seg(dc, seg, offsetof(SegCache, selector), sel, 4);
    store_seg(dc, seg, offsetof(SegCache, base), base, 8);
    if (dc->vm86) { /* in real mode limit and rights stay ("unreal" mode) */
        store_seg(dc, seg, offsetof(SegCache, limit), tcg_const(s, 0xffff), 4);
        store_seg(dc, seg, offsetof(SegCache, flags), tcg_const(s, DESC_P | DESC_S | DESC_W | DESC_A | DESC_DPL), 4);
    }
}

/* After a segment register changed: TB flags may have; SS also inhibits interrupts for one instruction. */
static void after_load_seg(DisasContext *dc, int seg, Tv changed)
{
    TcgContext *s = dc->s;

    if (seg == R_SS) {
        tcg_gen_st(s, tcg_const(s, SHADOW_MOVSS), tcg_env(s), offsetof(CPUX86State, inhibit_irq), 4);
        dc->no_trap = true;
        dc->end = DISAS_LOOKUP;
    } else if (!dc_is_8086(dc)) { /* hardly ever: the segment is as flat as the one before it */
        TcgLabel same = tcg_label(s);
        tcg_gen_brcondi(s, TCG_I32, TCG_COND_EQ, changed, 0, same);
        gen_store_eip(dc, dc->code64 ? dc_next_eip(dc) : (uint32_t)dc_next_eip(dc));
        gen_leave_stored(dc);
        dc->end = DISAS_NEXT;
        tcg_gen_label(s, same);
    }
}

/* True, as a temp: flags of the TB have changed. */
static Tv call_load_seg(DisasContext *dc, int seg, Tv sel)
{
    Tv t = tcg_temp(dc->s), changed = tcg_temp(dc->s);

    tcg_gen_ext16u(dc->s, TCG_I32, t, sel);
    if (dc_is_8086(dc)) { /* no checks, and no flag of the TB depends on it */
        gen_load_seg_8086(dc, seg, t);
        return changed;
    }
    gen_sync_cc_op(dc);
    CALL_HELPER(dc, load_seg, changed.i, 3, tcg_env(dc->s).i, tcg_const(dc->s, seg).i, t.i);
    return changed;
}

Tv gen_read_selector(DisasContext *dc, int seg)
{
    Tv t = gen_temp(dc);

    tcg_gen_ld(dc->s, t, tcg_env(dc->s), offsetof(CPUX86State, segs) + seg * sizeof(SegCache) + offsetof(SegCache, selector), 4,
               false);
    return t;
}

static int seg_of_push(const DisasContext *dc)
{
    return dc->insn.map == MAP_0F ? (dc->insn.opcode < 0xa8 ? R_FS : R_GS) : push_pop_seg(dc);
}

void gen_PUSH_SEG(DisasContext *dc) { gen_push(dc, gen_read_selector(dc, seg_of_push(dc)), dc->insn.osize); }

void gen_POP_SEG(DisasContext *dc)
{
    int seg = seg_of_push(dc);
    Tv v = gen_pop_value(dc, dc->insn.osize);

    Tv changed = call_load_seg(dc, seg, v); /* SP's width for POP SS is that of before: dc's */
    gen_pop_commit(dc, dc->insn.osize);
    after_load_seg(dc, seg, changed);
}

void gen_MOV_FROM_SEG(DisasContext *dc)
{
    int seg = dc->insn.reg & 7;

    if (seg > R_GS) {
        gen_exception(dc, EXCP_UD);
    } else if (dc_op_is_mem(dc, 0)) {
        AddrRef m = gen_mem_operand(dc, 2, true);
        gen_store(dc, gen_read_selector(dc, seg), m, MO_16);
    } else {
        gen_operand_write(dc, 0, gen_read_selector(dc, seg));
    }
}

void gen_MOV_TO_SEG(DisasContext *dc)
{
    int seg = dc->insn.reg & 7;

    if (seg > R_GS || seg == R_CS) {
        gen_exception(dc, EXCP_UD);
        return;
    }
    after_load_seg(dc, seg, call_load_seg(dc, seg, gen_operand(dc, 1)));
}

static void gen_load_far(DisasContext *dc, int seg)
{
    unsigned size = dc->insn.osize;
    AddrRef m = gen_mem_operand(dc, 1u << size, false);
    Tv off = tcg_temp_local(dc->s), sel = tcg_temp(dc->s);

    gen_load(dc, off, m, size);
    gen_load(dc, sel, gen_mem_second(dc, m, 1 << size, 2, false), MO_16);
    Tv changed = call_load_seg(dc, seg, sel);
    gen_write_reg(dc, size, dc->insn.reg, off);
    after_load_seg(dc, seg, changed);
    if (seg == R_SS) { /* LSS has no shadow */
        tcg_gen_st(dc->s, tcg_const(dc->s, 0), tcg_env(dc->s), offsetof(CPUX86State, inhibit_irq), 4);
        dc->no_trap = false;
    }
}

void gen_LES(DisasContext *dc) { gen_load_far(dc, R_ES); }
void gen_LDS(DisasContext *dc) { gen_load_far(dc, R_DS); }
void gen_LSS(DisasContext *dc) { gen_load_far(dc, R_SS); }
void gen_LFS(DisasContext *dc) { gen_load_far(dc, R_FS); }
void gen_LGS(DisasContext *dc) { gen_load_far(dc, R_GS); }
