/* decode.h - bytes of one guest instruction to an Insn. The rows are opcodes.def (general and x87
 * escapes) and simd.def (vectors); nothing outside the decoder looks at opcode bytes.
 * Spec: Intel SDM vol. 2, chapter 2 and appendix A. */
#ifndef TARGET_X86_DECODE_H
#define TARGET_X86_DECODE_H

#include "tcg/tcg.h"

enum { MAP_1 = 0, MAP_0F = 1, MAP_0F38 = 2, MAP_0F3A = 3 };
enum { REP_NONE = 0, REP_F3 = 1, REP_F2 = 2 };

struct OpcodeRow;
struct SimdRow;

typedef struct Insn {
    uint8_t map, opcode;
    uint8_t rep;             /* last F2/F3 prefix: REP_* */
    bool prefix_66, prefix_67, lock;
    bool has_rex; uint8_t rex_w, rex_r, rex_x, rex_b; /* r, x, b as 0 or 8 */
    int8_t seg_override;     /* R_* or -1 */
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
    const struct OpcodeRow *row;   /* general instructions */
    const struct SimdRow *simd;    /* or vector ones; exactly one is set, both NULL: #UD */
} Insn;

#endif
