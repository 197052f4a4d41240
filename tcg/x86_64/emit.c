/* emit.c - bytes of host instructions.
 * Spec: Intel SDM vol. 2, chapter 2 (prefixes, ModRM, SIB, REX, VEX) and the instruction pages.
 * Every function here is checked against a disassembler in tests/tcg/test-emit.c. */
#include "host/base/osdep.h"
#include "tcg/x86_64/emit.h"
#include "tcg/tcg.h"

enum { /* how an opcode is written: opcode byte | these */
    M_0F = 1 << 8, M_0F38 = 2 << 8, M_0F3A = 3 << 8, M_MAP = 3 << 8,
    P_66 = 1 << 10, P_F3 = 2 << 10, P_F2 = 3 << 10, P_PP = 3 << 10,
    P_W = 1 << 12,        /* REX.W */
    P_LOCK = 1 << 13,
    P_BYTE_REG = 1 << 14, /* ModRM.reg is a byte register: 4-7 are spl..dil, which need a REX */
    P_BYTE_RM = 1 << 15,
};
#define W(w) ((w) ? P_W : 0)

static inline void put8(Emit *e, uint8_t b) { *e->p++ = b; }
static inline void put16(Emit *e, uint16_t v) { memcpy(e->p, &v, 2); e->p += 2; }
static inline void put32(Emit *e, uint32_t v) { memcpy(e->p, &v, 4); e->p += 4; }
static inline void put64(Emit *e, uint64_t v) { memcpy(e->p, &v, 8); e->p += 8; }
static inline bool fits8(int64_t v) { return v == (int8_t)v; }

/* Every instruction begins here: 16 bytes are enough for any of them. */
static inline void insn_begin(Emit *e)
{
    if (unlikely(e->end - e->p < 16)) {
        e->full = true;
        e->p = e->start;
    }
}

/* What follows works on a pointer of its own: a byte that is written might be one of e->p, so that the compiler would
 * store and load that for each. And it is inline, because most callers have a constant op. */
#define INLINE static inline __attribute__((always_inline))

INLINE uint8_t *put_prefixes(Emit *e, uint32_t op, unsigned reg, unsigned index, unsigned rm, bool rm_is_reg)
{
    insn_begin(e);
    uint8_t *p = e->p;
    if (op & P_LOCK)
        *p++ = 0xf0;
    if (op & P_PP)
        *p++ = (op & P_PP) == P_66 ? 0x66 : (op & P_PP) == P_F3 ? 0xf3 : 0xf2;
    unsigned rex = (op & P_W ? 8 : 0) | (reg & 8) >> 1 | (index & 8) >> 2 | (rm & 8) >> 3;
    if ((op & P_BYTE_REG && reg >= 4) || (op & P_BYTE_RM && rm_is_reg && rm >= 4))
        rex |= 0x40;
    *p = 0x40 | rex; /* stays there if it is not 0 */
    p += rex != 0;
    if (op & M_MAP) {
        *p++ = 0x0f;
        if ((op & M_MAP) != M_0F)
            *p++ = (op & M_MAP) == M_0F38 ? 0x38 : 0x3a;
    }
    *p++ = op & 0xff;
    return p;
}

static uint8_t *put_modrm_mem(uint8_t *p, unsigned reg, X86Mem m)
{
    reg = (reg & 7) << 3;
    if (m.base < 0) { /* no base: SIB with base 101 and mod 00 means disp32 */
        *p++ = reg | 4;
        *p++ = m.scale << 6 | (m.index < 0 ? 4 : m.index & 7) << 3 | 5;
        memcpy(p, &m.disp, 4);
        return p + 4;
    }
    /* rbp and r13 as base have no form without displacement */
    unsigned base = m.base & 7, mod, size;
    if (m.disp == 0 && base != RBP)
        mod = size = 0;
    else if (fits8(m.disp))
        mod = 0x40, size = 1;
    else
        mod = 0x80, size = 4;
    if (m.index >= 0 || base == RSP) {
        *p++ = mod | reg | 4;
        *p++ = m.scale << 6 | (m.index < 0 ? 4 : m.index & 7) << 3 | base;
    } else {
        *p++ = mod | reg | base;
    }
    memcpy(p, &m.disp, 4);
    return p + size;
}

/* [base + disp], as most are: of env and the frame. ModRM, SIB and displacement are written as one word. */
INLINE uint8_t *put_modrm_base(uint8_t *p, unsigned reg, unsigned base, int32_t disp)
{
    unsigned modrm = (reg & 7) << 3 | (base & 7), more = 4;

    if (fits8(disp)) {
        more = disp != 0 || (base & 7) == RBP;
        modrm |= more << 6;
    } else {
        modrm |= 0x80;
    }
    if ((base & 7) == RSP) {
        *p++ = modrm;
        modrm = 0x24;
    }
    uint64_t v = (uint64_t)(uint32_t)disp << 8 | modrm;
    memcpy(p, &v, 8);
    return p + 1 + more;
}

INLINE void op_rr(Emit *e, uint32_t op, unsigned reg, unsigned rm)
{
    uint8_t *p = put_prefixes(e, op, reg, 0, rm, true);
    *p++ = 0xc0 | (reg & 7) << 3 | (rm & 7);
    e->p = p;
}

static __attribute__((noinline)) void op_rm_any(Emit *e, uint32_t op, unsigned reg, X86Mem m)
{
    uint8_t *p = put_prefixes(e, op, reg, m.index < 0 ? 0 : m.index, m.base < 0 ? 0 : m.base, false);
    e->p = put_modrm_mem(p, reg, m);
}

INLINE void op_rm(Emit *e, uint32_t op, unsigned reg, X86Mem m)
{
    if (likely(m.index < 0 && m.base >= 0))
        e->p = put_modrm_base(put_prefixes(e, op, reg, 0, m.base, false), reg, m.base, m.disp);
    else
        op_rm_any(e, op, reg, m);
}

/* [rip + disp], where nothing follows the displacement. */
static void op_at(Emit *e, uint32_t op, unsigned reg, const void *at)
{
    uint8_t *p = put_prefixes(e, op, reg, 0, 0, false);
    *p++ = (reg & 7) << 3 | 5;
    int32_t disp = (intptr_t)at - (intptr_t)(p + 4 + e->rx_diff);
    memcpy(p, &disp, 4);
    e->p = p + 4;
}

/* The same with an opcode that is not constant, and rarer forms, without another copy of all that. */
static void any_rr(Emit *e, uint32_t op, unsigned reg, unsigned rm) { op_rr(e, op, reg, rm); }
static void any_rm(Emit *e, uint32_t op, unsigned reg, X86Mem m) { op_rm(e, op, reg, m); }

/* VEX prefix, always the three-byte form unless the short one can say it. */
static void put_vex(Emit *e, uint32_t op, bool l256, unsigned reg, unsigned vvvv, unsigned index, unsigned rm)
{
    insn_begin(e);
    static const uint8_t pp_of[4] = { 0, 1, 2, 3 }; /* none 66 F3 F2 */
    unsigned pp = pp_of[(op & P_PP) >> 10], map = (op & M_MAP) >> 8;
    if (map == 1 && !(op & P_W) && !(index & 8) && !(rm & 8)) {
        put8(e, 0xc5);
        put8(e, (reg & 8 ? 0 : 0x80) | (~vvvv & 15) << 3 | l256 << 2 | pp);
    } else {
        put8(e, 0xc4);
        put8(e, (reg & 8 ? 0 : 0x80) | (index & 8 ? 0 : 0x40) | (rm & 8 ? 0 : 0x20) | map);
        put8(e, (op & P_W ? 0x80 : 0) | (~vvvv & 15) << 3 | l256 << 2 | pp);
    }
    put8(e, op & 0xff);
}

static void vex_rr(Emit *e, uint32_t op, bool l256, unsigned reg, unsigned vvvv, unsigned rm)
{
    put_vex(e, op, l256, reg, vvvv, 0, rm);
    put8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static void vex_rm(Emit *e, uint32_t op, bool l256, unsigned reg, unsigned vvvv, X86Mem m)
{
    put_vex(e, op, l256, reg, vvvv, m.index < 0 ? 0 : m.index, m.base < 0 ? 0 : m.base);
    e->p = put_modrm_mem(e->p, reg, m);
}

/* Opcode of the classic pairs: even opcode for bytes, odd for the rest; 66 for words. */
static uint32_t sized(uint32_t opcode, unsigned size, uint32_t byte_flag)
{
    switch (size) {
    case 1: return opcode | byte_flag;
    case 2: return (opcode + 1) | P_66;
    case 4: return opcode + 1;
    default: return (opcode + 1) | P_W;
    }
}

/* ---- moves ---- */

void x86_mov_rr(Emit *e, bool w, Reg d, Reg s) { op_rr(e, 0x8b | W(w), d, s); }

void x86_mov_ri(Emit *e, Reg d, uint64_t imm)
{
    if (imm == (uint32_t)imm) {
        insn_begin(e);
        if (d & 8)
            put8(e, 0x41);
        put8(e, 0xb8 | (d & 7));
        put32(e, imm);
    } else if (imm == (uint64_t)(int32_t)imm) {
        op_rr(e, 0xc7 | P_W, 0, d);
        put32(e, imm);
    } else {
        insn_begin(e);
        put8(e, d & 8 ? 0x49 : 0x48);
        put8(e, 0xb8 | (d & 7));
        put64(e, imm);
    }
}

void x86_zero(Emit *e, Reg d) { op_rr(e, 0x33, d, d); }
void x86_mov_r8r8(Emit *e, Reg d, Reg s) { any_rr(e, 0x8a | P_BYTE_REG | P_BYTE_RM, d, s); }
void x86_mov_r16r16(Emit *e, Reg d, Reg s) { any_rr(e, 0x8b | P_66, d, s); }

void x86_mov_r8i(Emit *e, Reg d, uint8_t imm)
{
    insn_begin(e);
    if (d >= 4)
        put8(e, d & 8 ? 0x41 : 0x40);
    put8(e, 0xb0 | (d & 7));
    put8(e, imm);
}

void x86_mov_r16i(Emit *e, Reg d, uint16_t imm)
{
    any_rr(e, 0xc7 | P_66, 0, d);
    put16(e, imm);
}

void x86_mov_rh_r8(Emit *e, Reg d, Reg s) { any_rr(e, 0x8a, d + 4, s); }

void x86_mov_rhi(Emit *e, Reg d, uint8_t imm)
{
    insn_begin(e);
    put8(e, 0xb4 + d);
    put8(e, imm);
}

void x86_alu_rh(Emit *e, X86Alu op, Reg d, Reg s, int8_t imm)
{
    if (s != NOREG) {
        any_rr(e, op << 3 | 2, d + 4, s);
    } else {
        any_rr(e, 0x80, op, d + 4);
        put8(e, imm);
    }
}

void x86_mov_r8_rh(Emit *e, Reg d, Reg s) { any_rr(e, 0x8a, d, s + 4); }

static uint32_t movx_op(unsigned size, X86Ext ext)
{
    switch (size) {
    case 1: return (ext == EXT_ZERO ? 0xb6 : 0xbe) | M_0F | W(ext == EXT_SIGN64);
    case 2: return (ext == EXT_ZERO ? 0xb7 : 0xbf) | M_0F | W(ext == EXT_SIGN64);
    case 4: return ext == EXT_SIGN64 ? 0x63 | P_W : 0x8b;
    default: return 0x8b | P_W;
    }
}

void x86_movx_rr(Emit *e, unsigned size, X86Ext ext, Reg d, Reg s)
{
    any_rr(e, movx_op(size, ext) | (size == 1 ? P_BYTE_RM : 0), d, s);
}

void x86_movx_rh(Emit *e, X86Ext ext, Reg d, Reg s)
{
    g_assert(d < 8 && s < 4 && ext != EXT_SIGN64); /* a REX prefix would turn ah into spl */
    any_rr(e, movx_op(1, ext), d, s + 4);
}

void x86_load(Emit *e, unsigned size, X86Ext ext, Reg d, X86Mem m)
{
    if (likely(size == 8))
        op_rm(e, 0x8b | P_W, d, m);
    else
        any_rm(e, movx_op(size, ext), d, m);
}

void x86_store(Emit *e, unsigned size, X86Mem m, Reg s)
{
    if (likely(size == 8))
        op_rm(e, 0x89 | P_W, s, m);
    else
        any_rm(e, sized(0x88, size, P_BYTE_REG), s, m);
}

static void put_imm(Emit *e, unsigned size, int32_t imm)
{
    if (size == 1)
        put8(e, imm);
    else if (size == 2)
        put16(e, imm);
    else
        put32(e, imm);
}

void x86_store_imm(Emit *e, unsigned size, X86Mem m, int32_t imm)
{
    if (likely(size >= 4)) {
        op_rm(e, 0xc7 | W(size == 8), 0, m);
        put32(e, imm);
    } else {
        any_rm(e, sized(0xc6, size, 0), 0, m);
        put_imm(e, size, imm);
    }
}

void x86_lea(Emit *e, bool w, Reg d, X86Mem m) { op_rm(e, 0x8d | W(w), d, m); }
void x86_xchg_rr(Emit *e, bool w, Reg a, Reg b) { op_rr(e, 0x87 | W(w), a, b); }
void x86_setcc(Emit *e, X86Cond cc, Reg d) { any_rr(e, (0x90 + cc) | M_0F | P_BYTE_RM, 0, d); }
void x86_setcc_m(Emit *e, X86Cond cc, X86Mem m) { any_rm(e, (0x90 + cc) | M_0F, 0, m); }
void x86_cmov_rr(Emit *e, X86Cond cc, bool w, Reg d, Reg s) { any_rr(e, (0x40 + cc) | M_0F | W(w), d, s); }
void x86_cmov_rm(Emit *e, X86Cond cc, bool w, Reg d, X86Mem m) { any_rm(e, (0x40 + cc) | M_0F | W(w), d, m); }

static void push_pop(Emit *e, uint8_t opcode, Reg r)
{
    insn_begin(e);
    if (r & 8)
        put8(e, 0x41);
    put8(e, opcode | (r & 7));
}

void x86_push(Emit *e, Reg r) { push_pop(e, 0x50, r); }
void x86_pop(Emit *e, Reg r) { push_pop(e, 0x58, r); }

/* ---- arithmetic ---- */

void x86_alu_rr(Emit *e, X86Alu op, bool w, Reg d, Reg s) { op_rr(e, (uint8_t)(op << 3 | 3) | W(w), d, s); }
void x86_alu_rm(Emit *e, X86Alu op, bool w, Reg d, X86Mem m) { op_rm(e, (uint8_t)(op << 3 | 3) | W(w), d, m); }

void x86_alu_ri(Emit *e, X86Alu op, bool w, Reg d, int32_t imm)
{
    if (fits8(imm)) {
        op_rr(e, 0x83 | W(w), op, d);
        put8(e, imm);
    } else {
        op_rr(e, 0x81 | W(w), op, d);
        put32(e, imm);
    }
}

void x86_alu_low_rr(Emit *e, X86Alu op, unsigned size, Reg d, Reg s)
{
    any_rr(e, size == 1 ? (op << 3 | 2) | P_BYTE_REG | P_BYTE_RM : (op << 3 | 3) | P_66, d, s);
}

void x86_alu_low_ri(Emit *e, X86Alu op, unsigned size, Reg d, int8_t imm)
{
    any_rr(e, size == 1 ? 0x80 | P_BYTE_RM : 0x83 | P_66, op, d);
    put8(e, imm);
}

void x86_alu_at(Emit *e, X86Alu op, Reg d, const void *at) { op_at(e, (uint8_t)(op << 3 | 3) | P_W, d, at); }

void x86_inc_at(Emit *e, const void *at) { op_at(e, 0xff, 0, at); }
void x86_load_at(Emit *e, Reg d, const void *at) { op_at(e, 0x8b | P_W, d, at); }

void x86_alu_mr(Emit *e, X86Alu op, unsigned size, bool lock, X86Mem m, Reg s)
{
    any_rm(e, sized(op << 3, size, P_BYTE_REG) | (lock ? P_LOCK : 0), s, m);
}

void x86_alu_mi(Emit *e, X86Alu op, unsigned size, bool lock, X86Mem m, int32_t imm)
{
    if (likely(size == 8 && !lock && fits8(imm))) {
        op_rm(e, 0x83 | P_W, op, m);
        put8(e, imm);
        return;
    }
    uint32_t flags = (lock ? P_LOCK : 0) | (size == 2 ? P_66 : 0) | W(size == 8);
    if (size == 2)
        imm = (int16_t)imm;
    if (size == 1 || fits8(imm)) {
        any_rm(e, (size == 1 ? 0x80 : 0x83) | flags, op, m);
        put8(e, imm);
    } else {
        any_rm(e, 0x81 | flags, op, m);
        put_imm(e, size, imm);
    }
}

void x86_test_rr(Emit *e, bool w, Reg a, Reg b) { op_rr(e, 0x85 | W(w), b, a); }

void x86_test_ri(Emit *e, bool w, Reg a, int32_t imm)
{
    if (imm >= 0 && imm < 0x80) { /* byte form: same ZF, and SF is clear in both */
        op_rr(e, 0xf6 | P_BYTE_RM, 0, a);
        put8(e, imm);
    } else {
        op_rr(e, 0xf7 | W(w && imm < 0), 0, a);
        put32(e, imm);
    }
}

void x86_test_mi8(Emit *e, X86Mem m, uint8_t imm)
{
    any_rm(e, 0xf6, 0, m);
    put8(e, imm);
}

void x86_grp3_r(Emit *e, X86Grp3 op, bool w, Reg r) { op_rr(e, 0xf7 | W(w), op, r); }
void x86_grp3_m(Emit *e, X86Grp3 op, unsigned size, bool lock, X86Mem m)
{
    any_rm(e, sized(0xf6, size, 0) | (lock ? P_LOCK : 0), op, m);
}
void x86_imul_rr(Emit *e, bool w, Reg d, Reg s) { op_rr(e, 0xaf | M_0F | W(w), d, s); }
void x86_imul_rm(Emit *e, bool w, Reg d, X86Mem m) { any_rm(e, 0xaf | M_0F | W(w), d, m); }

void x86_imul_rri(Emit *e, bool w, Reg d, Reg s, int32_t imm)
{
    op_rr(e, (fits8(imm) ? 0x6b : 0x69) | W(w), d, s);
    if (fits8(imm))
        put8(e, imm);
    else
        put32(e, imm);
}

void x86_bt_ri(Emit *e, Reg a, unsigned n)
{
    op_rr(e, 0xba | M_0F, 4, a);
    put8(e, n);
}

void x86_bt_mi(Emit *e, X86Mem m, unsigned n)
{
    op_rm(e, 0xba | M_0F, 4, m);
    put8(e, n);
}

void x86_mulx(Emit *e, bool w, Reg hi, Reg lo, Reg s) { vex_rr(e, 0xf6 | M_0F38 | P_F2 | W(w), false, hi, lo, s); }
void x86_andn(Emit *e, bool w, Reg d, Reg inverted, Reg s) { vex_rr(e, 0xf2 | M_0F38 | W(w), false, d, inverted, s); }

void x86_bits_rr(Emit *e, X86Bits op, bool w, Reg d, Reg s)
{
    static const uint32_t opcode[] = {
        [X86_BSF] = 0xbc | M_0F, [X86_BSR] = 0xbd | M_0F, [X86_POPCNT] = 0xb8 | M_0F | P_F3,
        [X86_LZCNT] = 0xbd | M_0F | P_F3, [X86_TZCNT] = 0xbc | M_0F | P_F3,
    };
    any_rr(e, opcode[op] | W(w), d, s);
}

void x86_bswap(Emit *e, bool w, Reg r)
{
    insn_begin(e);
    if (w || r & 8)
        put8(e, 0x40 | (w ? 8 : 0) | (r & 8) >> 3);
    put8(e, 0x0f);
    put8(e, 0xc8 | (r & 7));
}

/* ---- shifts ---- */

void x86_shift_ri(Emit *e, X86Shift op, bool w, Reg d, unsigned n)
{
    op_rr(e, (n == 1 ? 0xd1 : 0xc1) | W(w), op, d);
    if (n != 1)
        put8(e, n);
}

void x86_shift16_ri(Emit *e, X86Shift op, Reg d, unsigned n)
{
    any_rr(e, 0xc1 | P_66, op, d);
    put8(e, n);
}

void x86_shift_cl(Emit *e, X86Shift op, bool w, Reg d) { op_rr(e, 0xd3 | W(w), op, d); }

void x86_shiftx(Emit *e, X86Shift op, bool w, Reg d, Reg s, Reg count)
{
    uint32_t pp = op == X86_SHL ? P_66 : op == X86_SAR ? P_F3 : P_F2;
    vex_rr(e, 0xf7 | M_0F38 | pp | W(w), false, d, count, s);
}

void x86_rorx(Emit *e, bool w, Reg d, Reg s, unsigned n)
{
    vex_rr(e, 0xf0 | M_0F3A | P_F2 | W(w), false, d, 0, s);
    put8(e, n);
}

void x86_dshift_ri(Emit *e, bool left, bool w, Reg d, Reg s, unsigned n)
{
    any_rr(e, (left ? 0xa4 : 0xac) | M_0F | W(w), s, d);
    put8(e, n);
}

void x86_dshift_cl(Emit *e, bool left, bool w, Reg d, Reg s) { any_rr(e, (left ? 0xa5 : 0xad) | M_0F | W(w), s, d); }

/* ---- memory read-modify-write ---- */

void x86_xchg_mr(Emit *e, unsigned size, X86Mem m, Reg r) { any_rm(e, sized(0x86, size, P_BYTE_REG), r, m); }
void x86_xadd_mr(Emit *e, unsigned size, bool lock, X86Mem m, Reg r)
{
    any_rm(e, sized(0xc0, size, P_BYTE_REG) | M_0F | (lock ? P_LOCK : 0), r, m);
}
void x86_cmpxchg_mr(Emit *e, unsigned size, bool lock, X86Mem m, Reg r)
{
    any_rm(e, sized(0xb0, size, P_BYTE_REG) | M_0F | (lock ? P_LOCK : 0), r, m);
}

/* ---- control ---- */

uint8_t *x86_jcc(Emit *e, X86Cond cc)
{
    insn_begin(e);
    put8(e, 0x0f);
    put8(e, 0x80 + cc);
    put32(e, 0);
    return e->p - 4;
}

uint8_t *x86_jmp(Emit *e)
{
    insn_begin(e);
    put8(e, 0xe9);
    put32(e, 0);
    return e->p - 4;
}

void x86_patch(Emit *e, uint8_t *pos, const uint8_t *target_rw)
{
    int32_t rel = target_rw - (pos + 4);
    memcpy(pos, &rel, 4);
}

void x86_patch_here(Emit *e, uint8_t *pos) { x86_patch(e, pos, e->p); }

uint8_t *x86_jcc8(Emit *e, X86Cond cc)
{
    insn_begin(e);
    put8(e, 0x70 + cc);
    put8(e, 0);
    return e->p - 1;
}

void x86_patch8_here(Emit *e, uint8_t *pos) { *pos = e->p - (pos + 1); }

void x86_test_ax(Emit *e, uint16_t imm)
{
    insn_begin(e);
    put8(e, 0x66);
    put8(e, 0xa9);
    put16(e, imm);
}

void x86_jcc_to(Emit *e, X86Cond cc, const uint8_t *target_rw)
{
    insn_begin(e);
    if (fits8(target_rw - (e->p + 2))) {
        put8(e, 0x70 + cc);
        put8(e, target_rw - (e->p + 1));
    } else {
        uint8_t *pos = x86_jcc(e, cc);
        x86_patch(e, pos, target_rw);
    }
}

void x86_jmp_to(Emit *e, const uint8_t *target_rw)
{
    insn_begin(e);
    if (fits8(target_rw - (e->p + 2))) {
        put8(e, 0xeb);
        put8(e, target_rw - (e->p + 1));
    } else {
        uint8_t *pos = x86_jmp(e);
        x86_patch(e, pos, target_rw);
    }
}

void x86_jmp_rx(Emit *e, const uint8_t *target_rx)
{
    insn_begin(e);
    uint64_t v = 0xe9 | (uint64_t)(uint32_t)(target_rx - e->rx_diff - (e->p + 5)) << 8;
    memcpy(e->p, &v, 8);
    e->p += 5;
}

void x86_call_rx(Emit *e, const uint8_t *target_rx)
{
    insn_begin(e);
    put8(e, 0xe8);
    put32(e, 0);
    x86_patch(e, e->p - 4, target_rx - e->rx_diff);
}

void x86_jmp_r(Emit *e, Reg r) { op_rr(e, 0xff, 4, r); }
void x86_jmp_m(Emit *e, X86Mem m) { any_rm(e, 0xff, 4, m); }
void x86_call_r(Emit *e, Reg r) { any_rr(e, 0xff, 2, r); }
void x86_prefetch(Emit *e, X86Mem m) { any_rm(e, M_0F | 0x18, 1, m); }
void x86_ret(Emit *e) { insn_begin(e); put8(e, 0xc3); }

void x86_patchable(Emit *e, unsigned opcode_bytes)
{
    uint8_t *rel32 = e->p + opcode_bytes;
    if (((uintptr_t)rel32 & 7) > 4)
        x86_align_nop(e, 8, opcode_bytes);
}

void x86_align_nop(Emit *e, unsigned align, unsigned offset)
{
    static const uint8_t nops[8][8] = { /* SDM vol. 2, NOP: recommended multi-byte forms */
        {}, { 0x90 }, { 0x66, 0x90 }, { 0x0f, 0x1f, 0x00 }, { 0x0f, 0x1f, 0x40, 0x00 }, { 0x0f, 0x1f, 0x44, 0x00, 0x00 },
        { 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 }, { 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00 },
    };
    insn_begin(e);
    unsigned n = -((uintptr_t)e->p + offset) & (align - 1);
    while (n) {
        unsigned k = MIN(n, 7u);
        insn_begin(e);
        memcpy(e->p, nops[k], k);
        e->p += k;
        n -= k;
    }
}

/* ---- vectors ---- */

void x86_x87_m(Emit *e, uint8_t esc, unsigned reg, X86Mem m) { any_rm(e, esc, reg, m); }

void x86_x87_r(Emit *e, uint8_t esc, uint8_t modrm)
{
    insn_begin(e);
    put8(e, esc);
    put8(e, modrm);
}

void x86_ldmxcsr(Emit *e, X86Mem m) { any_rm(e, 0xae | M_0F, 2, m); }
void x86_stmxcsr(Emit *e, X86Mem m) { any_rm(e, 0xae | M_0F, 3, m); }

void x86_vzeroupper(Emit *e)
{
    insn_begin(e);
    put8(e, 0xc5);
    put8(e, 0xf8);
    put8(e, 0x77);
}

void x86_movaps_rr(Emit *e, Reg d, Reg s) { op_rr(e, 0x28 | M_0F, d - XMM0, s - XMM0); }
void x86_vmovaps_ymm(Emit *e, Reg d, Reg s) { vex_rr(e, 0x28 | M_0F, true, d - XMM0, 0, s - XMM0); }

void x86_vec_load(Emit *e, unsigned bytes, bool vex, Reg d, X86Mem m)
{
    uint32_t op = bytes == 4 ? 0x6e | M_0F | P_66 : bytes == 8 ? 0x7e | M_0F | P_F3 : 0x10 | M_0F;
    if (vex || bytes == 32)
        vex_rm(e, op, bytes == 32, d - XMM0, 0, m);
    else
        any_rm(e, op, d - XMM0, m);
}

void x86_vec_store(Emit *e, unsigned bytes, X86Mem m, Reg s)
{
    uint32_t op = bytes == 4 ? 0x7e | M_0F | P_66 : bytes == 8 ? 0xd6 | M_0F | P_66 : 0x11 | M_0F;
    if (bytes == 32)
        vex_rm(e, op, true, s - XMM0, 0, m);
    else
        any_rm(e, op, s - XMM0, m);
}

_Static_assert(SIMD_PP_66 == P_66 >> 2 && SIMD_PP_F2 == P_F2 >> 2, "SimdEnc's prefix field shifted by 2 is ours");
static uint32_t simd_op(uint32_t enc)
{
    uint32_t op = (enc & 0xff) | (enc & SIMD_PP) << 2 | W(enc & SIMD_W);
    switch (enc & SIMD_MAP) {
    case SIMD_MAP_0F: return op | M_0F;
    case SIMD_MAP_0F38: return op | M_0F38;
    default: return op | M_0F3A;
    }
}

void x86_simd_rr(Emit *e, uint32_t enc, unsigned reg, unsigned rm, uint8_t imm)
{
    any_rr(e, simd_op(enc), reg, rm);
    if (enc & SIMD_IMM8)
        put8(e, imm);
}

void x86_simd_rm(Emit *e, uint32_t enc, unsigned reg, X86Mem m, uint8_t imm)
{
    op_rm(e, simd_op(enc), reg, m);
    if (enc & SIMD_IMM8)
        put8(e, imm);
}

void x86_simd_vex_rm(Emit *e, uint64_t enc, unsigned reg, unsigned vvvv, X86Mem m, uint8_t imm)
{
    vex_rm(e, simd_op(enc), enc & SIMD_L256, reg, vvvv, m);
    if (enc & SIMD_IMM8)
        put8(e, imm);
}

void x86_simd_vex(Emit *e, uint64_t enc, unsigned reg, unsigned vvvv, unsigned rm, uint8_t imm)
{
    vex_rr(e, simd_op(enc), enc & SIMD_L256, reg, vvvv, rm);
    if (enc & SIMD_IMM8)
        put8(e, imm);
}
