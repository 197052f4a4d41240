/* decode.h - bytes of one guest instruction to an Insn. The rows are opcodes.def (general and x87
 * escapes) and simd.def (vectors); nothing outside the decoder looks at opcode bytes.
 * Spec: Intel SDM vol. 2, chapter 2 and appendix A. */
#ifndef TARGET_X86_DECODE_H
#define TARGET_X86_DECODE_H

#include "tcg/tcg.h"

enum { MAP_1 = 0, MAP_0F = 1, MAP_0F38 = 2, MAP_0F3A = 3, MAP_VEX_0F38 = 4, MAP_VEX_0F3A = 5, NB_MAPS };
enum { REP_NONE = 0, REP_F3 = 1, REP_F2 = 2 };

struct SimdRow;
struct DisasContext;

/* --- rows of opcodes.def --- */

typedef enum OpKind {
    O___,                                            /* none */
    O_Eb, O_Ew, O_Ed, O_Ev, O_Ey, O_M,               /* ModRM.rm; M: address only */
    O_Gb, O_Gw, O_Gv, O_Gy, O_Sw, O_Cy, O_Dy,        /* ModRM.reg */
    O_Rv, O_Ry,                                      /* ModRM.rm, always a register */
    O_By,                                            /* VEX.vvvv */
    O_Ib, O_sIb, O_Iw, O_Iz, O_Iv, O_Jb, O_Jz, O_Ap, /* in the instruction */
    O_Ob, O_Ov,                                      /* memory at an absolute offset */
    O_Zb, O_Zv, O_AL, O_CL, O_DX, O_rAX, O_zAX, O_I1, /* fixed; z: 32 bits for 64 */
    O_Xb, O_Xv, O_Xz, O_Yb, O_Yv, O_Yz,              /* string operands */
} OpKind;

enum { ROW_ANY, ROW_NP, ROW_NR, ROW_P66, ROW_PF3, ROW_PF2 }; /* pp */
enum { ROW_AM, ROW_MM, ROW_MR };                             /* mod */
enum { /* attributes: legend of opcodes.def */
    ROW_LOCK = 1, ROW_NO64 = 2, ROW_ONLY64 = 4, ROW_D64 = 8, ROW_F64 = 16, ROW_CPL0 = 32, ROW_PE = 64, ROW_MODRM = 256,
    ROW_ENDS = 512, ROW_OPT = 1024,
};

typedef struct OpcodeRow {
    const char *name;
    void (*gen)(struct DisasContext *dc);
    uint8_t map, pp, opcode, count;
    int8_t reg, rm;
    uint8_t mod;
    uint8_t op[3];           /* OpKind */
    uint16_t attr;
    uint16_t flags_written, flags_undefined; /* CC_* */
    int16_t feature;         /* X86Feature, or -1 */
    bool modrm;
    bool always;             /* fits whatever the prefixes, the mode, ModRM and the CPU model are; not a VEX one */
    bool bytes, no_memory;   /* has operands O_Ib to O_Ov; a register whatever ModRM.mod says */
} OpcodeRow;
extern const OpcodeRow opcode_rows[];
extern const unsigned nb_opcode_rows;

/* What others have found out about a row, by its index; 0: nothing yet. */
typedef struct RowFacts {
    uint8_t flags; /* lazy-exit.c */
    uint8_t stack; /* translate.c */
} RowFacts;
extern RowFacts opcode_row_facts[];
static inline RowFacts *row_facts(const OpcodeRow *row) { return &opcode_row_facts[row - opcode_rows]; }

typedef struct Insn {
    uint8_t map, opcode;
    uint8_t rep;             /* last F2/F3 prefix: REP_* */
    bool prefix_66, prefix_67, lock;
    bool has_rex; uint8_t rex_w, rex_r, rex_x, rex_b; /* r, x, b as 0 or 8 */
    int8_t seg_override;     /* R_* or -1 */
    bool vex, vex_l, vex_w;  /* VEX-encoded; rex_* hold its bits too, rex_w in 64-bit mode only */
    uint8_t vex_pp, vvvv;    /* REP_*, or 3 for 66 */
    int8_t vsib;             /* number of the index vector of a gather, or -1 */
    uint8_t osize;           /* MemOp size of the operation for v-sized operands: MO_16, MO_32, MO_64 */
    uint8_t asize;           /* MO_16, MO_32, MO_64 */

    bool has_modrm;
    uint8_t modrm, mod, reg, rm; /* reg and rm with REX bits; rm counts only when mod == 3 */
    /* memory operand (mod != 3, or moffs) */
    int8_t base, index;      /* register numbers or -1 */
    uint8_t scale;           /* shift 0-3 */
    bool rip_relative;
    int8_t seg;              /* effective segment: override or default */
    int64_t disp;

    uint64_t imm, imm2;      /* sign- or zero-extended as the row says; imm2: selector of ptr16:xx, ENTER's level */
    uint8_t len;             /* bytes */
    const OpcodeRow *row;   /* general instructions */
    const struct SimdRow *simd;    /* or vector ones; exactly one is set, both NULL: #UD */
} Insn;

typedef enum DecodeResult {
    DECODE_OK,
    DECODE_UD,       /* undefined here: #UD (also LOCK where it may not be) */
    DECODE_TOO_LONG, /* more than 15 bytes: #GP(0) */
    DECODE_STOP,     /* goes on in a page that the TB has not fetched from: only after the first instruction */
} DecodeResult;

/* Decodes the instruction at dc->pc into dc->insn and sets dc->pc_next. A fault of the TB's first fetch longjmps away. */
DecodeResult decode_insn(struct DisasContext *dc);
/* MemOp size of an operand of that kind in this instruction. */
extern const uint8_t insn_op_sizes[O_Yz + 1][MO_64 + 1]; /* by kind and operand size */
static inline unsigned insn_op_size(const Insn *insn, OpKind kind) { return insn_op_sizes[kind][insn->osize]; }
static inline bool op_kind_is_modrm_rm(OpKind k) { return k >= O_Eb && k <= O_M; }
static inline bool insn_op_is_mem(const Insn *insn, OpKind k)
{
    return (op_kind_is_modrm_rm(k) & (insn->mod != 3)) | (k == O_Ob) | (k == O_Ov); /* no branches: see operand_reg() */
}

#endif
