/* emit.h - one function per form of a host instruction; operands in Intel order (destination first).
 *
 * Writing never runs over the buffer: when fewer than 16 bytes are left `full` is set and the pointer
 * goes back to the start of the TB, whose bytes are worthless by then. w: 64-bit operation. */
#ifndef TCG_X86_64_EMIT_H
#define TCG_X86_64_EMIT_H

#include "tcg/x86_64/regs.h"

typedef struct Emit {
    uint8_t *p, *start, *end; /* rw view */
    ptrdiff_t rx_diff;        /* rx - rw */
    bool full;
} Emit;

typedef struct X86Mem { /* [base + index << scale + disp]; base may be NOREG, index may be NOREG */
    int8_t base, index;
    uint8_t scale;
    int32_t disp;
} X86Mem;
static inline X86Mem mem_at(Reg base, int32_t disp) { return (X86Mem){ base, NOREG, 0, disp }; }
static inline X86Mem mem_idx(Reg base, Reg index, unsigned scale, int32_t disp) { return (X86Mem){ base, index, scale, disp }; }

typedef enum X86Alu { X86_ADD, X86_OR, X86_ADC, X86_SBB, X86_AND, X86_SUB, X86_XOR, X86_CMP } X86Alu;
typedef enum X86Shift { X86_ROL, X86_ROR, X86_SHL = 4, X86_SHR = 5, X86_SAR = 7 } X86Shift;
typedef enum X86Grp3 { X86_NOT = 2, X86_NEG = 3, X86_MUL = 4, X86_IMUL = 5, X86_DIV = 6, X86_IDIV = 7 } X86Grp3;
typedef enum X86Bits { X86_BSF, X86_BSR, X86_POPCNT, X86_LZCNT, X86_TZCNT } X86Bits;
typedef enum X86Cond {
    CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G,
} X86Cond;
typedef enum X86Ext { EXT_ZERO, EXT_SIGN64, EXT_SIGN32 } X86Ext;

/* moves */
void x86_mov_rr(Emit *e, bool w, Reg d, Reg s);
void x86_mov_ri(Emit *e, Reg d, uint64_t imm);  /* shortest mov; leaves the flags alone */
void x86_zero(Emit *e, Reg d);                  /* xor: clobbers the flags */
void x86_mov_r8r8(Emit *e, Reg d, Reg s);
void x86_mov_r16r16(Emit *e, Reg d, Reg s);
void x86_mov_r8i(Emit *e, Reg d, uint8_t imm);
void x86_mov_r16i(Emit *e, Reg d, uint16_t imm);
void x86_mov_rh_r8(Emit *e, Reg d, Reg s);      /* mov dh, sl; both of rax..rbx */
void x86_movx_rr(Emit *e, unsigned size, X86Ext ext, Reg d, Reg s); /* size 1, 2, 4 */
void x86_mov_rhi(Emit *e, Reg d, uint8_t imm);  /* mov dh, imm */
void x86_alu_rh(Emit *e, X86Alu op, Reg d, Reg s, int8_t imm); /* alu dh, sl; NOREG: dh, imm */
void x86_mov_r8_rh(Emit *e, Reg d, Reg s);      /* mov dl, sh; the same */
void x86_movx_rh(Emit *e, X86Ext ext, Reg d, Reg s); /* from ah..bh; d < r8 */
void x86_load(Emit *e, unsigned size, X86Ext ext, Reg d, X86Mem m); /* size 1, 2, 4, 8 */
void x86_store(Emit *e, unsigned size, X86Mem m, Reg s);
void x86_store_imm(Emit *e, unsigned size, X86Mem m, int32_t imm); /* size 8: sign-extended */
void x86_lea(Emit *e, bool w, Reg d, X86Mem m);
void x86_xchg_rr(Emit *e, bool w, Reg a, Reg b);
void x86_setcc(Emit *e, X86Cond cc, Reg d);     /* the low byte only */
void x86_setcc_m(Emit *e, X86Cond cc, X86Mem m); /* a byte */
void x86_cmov_rr(Emit *e, X86Cond cc, bool w, Reg d, Reg s);
void x86_cmov_rm(Emit *e, X86Cond cc, bool w, Reg d, X86Mem m);
void x86_push(Emit *e, Reg r);
void x86_pop(Emit *e, Reg r);
/* arithmetic */
void x86_alu_rr(Emit *e, X86Alu op, bool w, Reg d, Reg s);
void x86_alu_ri(Emit *e, X86Alu op, bool w, Reg d, int32_t imm);
void x86_alu_low_rr(Emit *e, X86Alu op, unsigned size, Reg d, Reg s);       /* of 1 or 2 bytes; the rest of d stays */
void x86_alu_low_ri(Emit *e, X86Alu op, unsigned size, Reg d, int8_t imm);
void x86_alu_rm(Emit *e, X86Alu op, bool w, Reg d, X86Mem m);
void x86_alu_mr(Emit *e, X86Alu op, unsigned size, bool lock, X86Mem m, Reg s);
void x86_alu_mi(Emit *e, X86Alu op, unsigned size, bool lock, X86Mem m, int32_t imm);
void x86_test_rr(Emit *e, bool w, Reg a, Reg b);
void x86_test_ri(Emit *e, bool w, Reg a, int32_t imm);
void x86_test_mi8(Emit *e, X86Mem m, uint8_t imm); /* a byte in memory */
void x86_grp3_r(Emit *e, X86Grp3 op, bool w, Reg r);
void x86_grp3_m(Emit *e, X86Grp3 op, unsigned size, bool lock, X86Mem m);
void x86_imul_rr(Emit *e, bool w, Reg d, Reg s);
void x86_imul_rm(Emit *e, bool w, Reg d, X86Mem m);
void x86_imul_rri(Emit *e, bool w, Reg d, Reg s, int32_t imm);
void x86_bt_ri(Emit *e, Reg a, unsigned n);              /* CF = bit n, below 32 */
void x86_bt_mi(Emit *e, X86Mem m, unsigned n);
void x86_mulx(Emit *e, bool w, Reg hi, Reg lo, Reg s);   /* BMI2; other factor in rdx */
void x86_andn(Emit *e, bool w, Reg d, Reg inverted, Reg s); /* BMI1 */
void x86_bits_rr(Emit *e, X86Bits op, bool w, Reg d, Reg s);
void x86_bswap(Emit *e, bool w, Reg r);
/* operands at an address in reach of rip, where the instruction runs */
void x86_alu_at(Emit *e, X86Alu op, Reg d, const void *at);              /* 64 bits */
void x86_inc_at(Emit *e, const void *at);                                 /* 32 bits */
void x86_load_at(Emit *e, Reg d, const void *at);                         /* 64 bits */
/* shifts */
void x86_shift_ri(Emit *e, X86Shift op, bool w, Reg d, unsigned n);
void x86_shift16_ri(Emit *e, X86Shift op, Reg d, unsigned n);
void x86_shift_cl(Emit *e, X86Shift op, bool w, Reg d);
void x86_shiftx(Emit *e, X86Shift op, bool w, Reg d, Reg s, Reg count); /* BMI2: SHL, SHR, SAR */
void x86_rorx(Emit *e, bool w, Reg d, Reg s, unsigned n);               /* BMI2 */
void x86_dshift_ri(Emit *e, bool left, bool w, Reg d, Reg s, unsigned n); /* shld, shrd */
void x86_dshift_cl(Emit *e, bool left, bool w, Reg d, Reg s);
/* memory read-modify-write */
void x86_xchg_mr(Emit *e, unsigned size, X86Mem m, Reg r); /* locks by itself */
void x86_xadd_mr(Emit *e, unsigned size, bool lock, X86Mem m, Reg r);
void x86_cmpxchg_mr(Emit *e, unsigned size, bool lock, X86Mem m, Reg r);
/* control; the position returned is that of the rel32, to be given to x86_patch_here */
uint8_t *x86_jcc(Emit *e, X86Cond cc);
uint8_t *x86_jmp(Emit *e);
void x86_jcc_to(Emit *e, X86Cond cc, const uint8_t *target_rw); /* backwards: short when near */
void x86_jmp_to(Emit *e, const uint8_t *target_rw);
uint8_t *x86_jcc8(Emit *e, X86Cond cc);         /* forward, 127 bytes at most */
void x86_patch8_here(Emit *e, uint8_t *jump);
enum { X86_TEST_AX_IMM = 2 };                   /* offset of the immediate */
void x86_test_ax(Emit *e, uint16_t imm);
void x86_patch(Emit *e, uint8_t *pos, const uint8_t *target_rw);
void x86_patch_here(Emit *e, uint8_t *pos);
void x86_prefetch(Emit *e, X86Mem m); /* to the first-level cache */
void x86_jmp_rx(Emit *e, const uint8_t *target_rx);
void x86_call_rx(Emit *e, const uint8_t *target_rx); /* inside the code buffer */
void x86_jmp_r(Emit *e, Reg r);
void x86_jmp_m(Emit *e, X86Mem m);
void x86_call_r(Emit *e, Reg r);
void x86_ret(Emit *e);
void x86_patchable(Emit *e, unsigned opcode_bytes); /* of the jump that follows: its rel32 will lie in one aligned quadword */
void x86_align_nop(Emit *e, unsigned align, unsigned offset); /* until (p + offset) % align == 0 */
/* vectors; registers are XMM0 + n */
void x86_x87_m(Emit *e, uint8_t esc, unsigned reg, X86Mem m); /* D8-DF with a memory operand */
void x86_x87_r(Emit *e, uint8_t esc, uint8_t modrm);           /* and without */
void x86_ldmxcsr(Emit *e, X86Mem m);
void x86_stmxcsr(Emit *e, X86Mem m);
void x86_vzeroupper(Emit *e);
void x86_movaps_rr(Emit *e, Reg d, Reg s);
void x86_vmovaps_ymm(Emit *e, Reg d, Reg s);
void x86_vec_load(Emit *e, unsigned bytes, bool vex, Reg d, X86Mem m); /* 4, 8, 16, 32 (32 is VEX); vex clears bits 255:128 */
void x86_vec_store(Emit *e, unsigned bytes, X86Mem m, Reg s);
/* [66|F3|F2] [REX] map opcode modrm [imm8] with enc as in SimdEnc (tcg.h); reg and rm are plain numbers 0-15 */
void x86_simd_rr(Emit *e, uint32_t enc, unsigned reg, unsigned rm, uint8_t imm);
void x86_simd_rm(Emit *e, uint32_t enc, unsigned reg, X86Mem m, uint8_t imm); /* with the source in memory */
void x86_simd_vex_rm(Emit *e, uint64_t enc, unsigned reg, unsigned vvvv, X86Mem m, uint8_t imm);
void x86_simd_vex(Emit *e, uint64_t enc, unsigned reg, unsigned vvvv, unsigned rm, uint8_t imm); /* vvvv 0: unused */

#endif
