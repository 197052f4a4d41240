/* simd.h - one row of simd.def or vex.def in memory, and what gen-sse.c and gen-mmx.c share.
 * Spec: Intel SDM vol. 2 (operand notation: appendix A.2). */
#ifndef TARGET_X86_SIMD_H
#define TARGET_X86_SIMD_H

#include "target-x86/translate.h"

/* Operands, in SDM notation. Order matters: see the range tests below. */
typedef enum SimdOpnd {
    SO_NO,
    SO_Vx,                             /* xmm of ModRM.reg */
    SO_Ux,                             /* xmm of ModRM.rm, register form only */
    SO_Wx, SO_Wu, SO_Wq, SO_Wd, SO_Ww, /* xmm of ModRM.rm, or memory of 16 (aligned), 16 (any), 8, 4, 2 bytes */
    SO_Wa, SO_Wh, SO_Wf, SO_We, SO_Wo, SO_Wb, /* VEX: whole vector, aligned; half, quarter, eighth of it; 16 bytes; 1 byte */
    SO_Mx, SO_Mu, SO_Mq, SO_Md, SO_Mo, SO_My, /* memory only: 16 aligned, 16 any (or helper's size), 8, 4, 16, 4 or 8 by REX.W */
    SO_Pq,                             /* mmx of ModRM.reg */
    SO_Nq,                             /* mmx of ModRM.rm, register form only */
    SO_Qq, SO_Qd,                      /* mmx of ModRM.rm, or memory of 8, 4 bytes */
    SO_Gd, SO_Gy,                      /* general register of ModRM.reg: 32 bits, 32 or 64 by REX.W */
    SO_Eb, SO_Ew, SO_Ed, SO_Ey,        /* general register of ModRM.rm, or memory of 1, 2, 4, 4 or 8 bytes */
    SO_Rd, SO_Ry,                      /* general register of ModRM.rm, register form only */
    SO_Hx,                             /* VEX.vvvv; in SimdRow.vv only */
} SimdOpnd;

static inline bool simd_opnd_is_xmm(SimdOpnd o) { return o >= SO_Vx && o <= SO_Wb; }
static inline bool simd_opnd_is_mmx(SimdOpnd o) { return o >= SO_Pq && o <= SO_Qd; }
static inline bool simd_opnd_is_gpr(SimdOpnd o) { return o >= SO_Gd; }
static inline bool simd_opnd_mem_only(SimdOpnd o) { return o >= SO_Mx && o <= SO_My; }
static inline bool simd_opnd_reg_only(SimdOpnd o) { return o == SO_Ux || o == SO_Nq || o == SO_Rd || o == SO_Ry; }
MemOp simd_opnd_memop(SimdOpnd o, bool rex_w); /* size and alignment of its memory form */

typedef enum SimdFeature {
    SF_BASE, SF_MMX, SF_SSE, SF_SSE2, SF_SSE3, SF_SSSE3, SF_SSE41, SF_SSE42, SF_PCLMUL, SF_AES, SF_SHA, SF_FXSR,
    SF_CLFLUSH, SF_CLFLUSHOPT, SF_CLWB, SF_FSGSBASE, SF_XSAVE, SF_XSAVEOPT, SF_XSAVEC, SF_XSAVES,
    SF_SSE4A, SF_AVX, SF_AVX2, SF_FMA, SF_F16C, SF_VAES, SF_VPCLMUL, SF_GFNI,
    SF_COUNT
} SimdFeature;
/* Does the guest's CPU model offer it? */
bool simd_guest_has(const CPUX86State *env, SimdFeature f);
/* Can the host run the rows of this feature? The tests skip rows by it (SSE4A runs everywhere in Vireo). */
bool simd_host_has(SimdFeature f);

/* How a row is turned into IR: the function gen_KIND of gen-sse.c or gen-mmx.c. */
typedef enum SimdKind {
#define SIMD_KIND(name) SK_##name,
#include "target-x86/simd.def"
#include "target-x86/vex.def"
#undef SIMD_KIND
    SK_COUNT
} SimdKind;

enum { /* SimdRow.flags */
    SROW_RD = 1,   /* the old destination is an input */
    SROW_FP = 2,   /* may raise #XM and set sticky flags */
    SROW_X0 = 4,   /* implicit source xmm0 */
    SROW_FREE = 8, /* no CR0/CR4 check (fences, MOVNTI, CRC32, cache control) */
    SROW_AC = 16,  /* inexact by design (rcp, rsqrt) or no register result: not compared by the generic test */
};

typedef struct SimdRow {
    uint8_t map, opcode;
    uint16_t pp;        /* SIMD_PP_* */
    int8_t ext;         /* ModRM.reg of a group, or -1 */
    uint8_t dst, src;   /* SimdOpnd */
    bool imm8;
    uint8_t feature, kind, flags;
    const char *name;
    /* vex.def only */
    bool vex, is4;
    uint8_t vv, w, l;   /* SO_NO or SO_Hx; VEX_W*; VEX_L* */
    uint8_t feature256;
} SimdRow;
enum { VEX_W0, VEX_W1, VEX_WX };                             /* SimdRow.w */
enum { VEX_L0 = 1, VEX_L1 = 2, VEX_LX = 3, VEX_LG = 3 | 4 }; /* SimdRow.l: lengths allowed; LG: ignored */

extern const SimdRow simd_rows[], vex_rows[];
extern const unsigned simd_row_count, vex_row_count;

/* The host instruction of the row with the given opcode map; SIMD_* flags come from operands and row flags. */
SimdEnc simd_row_enc(const SimdRow *row, bool rex_w);
bool simd_row_uses_xmm(const SimdRow *row); /* works on the globals of the SSE or AVX registers */

/* gen-sse.c, shared with gen-mmx.c */
enum { /* host instructions that several kinds use: map 0F */
    HOST_MOVSS = 0x10 | SIMD_PP_F3 | SIMD_DST_READ, HOST_MOVSD = 0x10 | SIMD_PP_F2 | SIMD_DST_READ,
    HOST_MOVLHPS = 0x16 | SIMD_PP_NONE | SIMD_DST_READ, HOST_PSHUFD = 0x70 | SIMD_PP_66 | SIMD_IMM8,
    HOST_PSHUFLW = 0x70 | SIMD_PP_F2 | SIMD_IMM8, HOST_MOVQ = 0x7e | SIMD_PP_F3,
    HOST_MOVD_TO_XMM = 0x6e | SIMD_PP_66 | SIMD_SRC_GPR, HOST_PUNPCKLQDQ = 0x6c | SIMD_PP_66 | SIMD_DST_READ,
    HOST_PSRLDQ = 0x73 | SIMD_PP_66 | SIMD_DST_READ | SIMD_IMM8 | SIMD_GROUP | 3 << SIMD_EXT_SHIFT,
    HOST_CVTDQ2PS = 0x5b | SIMD_PP_NONE, HOST_CVTDQ2PD = 0xe6 | SIMD_PP_F3,
};
void simd_emit2(DisasContext *dc, Vv d, Vv b, SimdEnc enc, unsigned imm); /* d = enc(b), or d = enc(d, b) with DST_READ */
Vv simd_load_src(DisasContext *dc, const SimdRow *row);   /* value of a V/W/U/P/Q/N source operand */
void simd_fp_begin(DisasContext *dc, const SimdRow *row); /* around an operation that may raise #XM ... */
void simd_fp_end(DisasContext *dc, const SimdRow *row);   /* ... whose result is still in a temp */
bool simd_fp_checked(const DisasContext *dc, const SimdRow *row);

enum { /* helper_xsave's and helper_xrstor's control word */
    XSAVE_PLAIN, XSAVE_OPT, XSAVE_C, XSAVE_S, XSAVE_FORM = 3, XSAVE_REGS8 = 4 /* 8 xmm registers */, XSAVE_PTR64 = 8,
};

/* parts of instructions with a VEX twin; a, b and out are of either type */
void simd_gen_kind(DisasContext *dc, const SimdRow *row);    /* by row->kind */
void simd_gen_pcmpstr(DisasContext *dc, const SimdRow *row, TcgType type, Vv a, Vv b, Vv out);
void simd_gen_maskmov(DisasContext *dc, TcgType type, Vv val, Vv mask, unsigned bytes);

/* gen-avx.c */
static inline Vv gen_ymm(unsigned n) { return tcg_globalv(G_YMM + n); }
void gen_vex_insn(DisasContext *dc, const SimdRow *row);

/* gen-mmx.c: MMX register file and the kinds whose 64-bit form is not the low half of the 128-bit one */
Vv mmx_load(DisasContext *dc, unsigned n);
void mmx_commit(DisasContext *dc);              /* TOP = 0, all tags valid: after the last thing that may fault */
void gen_mmx_kind(DisasContext *dc, const SimdRow *row);

/* gen-x87.c */
void gen_fp_pending(DisasContext *dc);          /* #MF (or FERR#) if an unmasked x87 exception is pending; ends the basic block */
void gen_leave_if(DisasContext *dc, Tv changed);/* leave for a fresh TB look-up after this instruction if changed != 0 */
Tv gen_linear(DisasContext *dc, AddrRef a);     /* for helpers */

#endif
