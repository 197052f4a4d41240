/* translate.h - the front end's working state for one TB and what gen-*.c files share. */
#ifndef TARGET_X86_TRANSLATE_H
#define TARGET_X86_TRANSLATE_H

#include "target-x86/cpu.h"
#include "target-x86/decode.h"
#include "target-x86/helper.h"
#include "tcg/ir-build.h"

typedef enum DisasEnd {
    DISAS_NEXT,        /* go on */
    DISAS_NORETURN,    /* control flow was emitted (jump, exception) */
    DISAS_TOO_MANY,    /* stop here, chain to the next instruction */
    DISAS_LOOKUP,      /* state changed (flags, segments, mode): store eip, leave, look up afresh */
    DISAS_LOOKUP_PTR,  /* stop here; same TB flags: goto_ptr to the next instruction */
    DISAS_EXIT,        /* leave to the main loop with eip stored: pending interrupts are to be looked at (STI, POPF, OUT, HLT...) */
} DisasEnd;

typedef struct DisasContext {
    TcgContext *s;
    CPUState *cpu;
    CPUX86State *env;        /* for cpuid features only, never for registers */
    TB *tb;
    uint32_t flags;          /* TB flags HF_* */
    uint64_t cs_base;
    vaddr pc_first;          /* linear start of the TB */
    vaddr pc;                /* linear address of the current instruction */
    vaddr pc_next;           /* of the next one, once decoded */
    /* derived from flags */
    unsigned cpl, iopl, mmu_idx;
    bool pe, vm86, code64, code32, ss32, lma, tf;
    Insn insn;
    CCOp cc_op;              /* CC_OP_DYNAMIC: env->cc_op holds it */
    bool cc_op_dirty;        /* env->cc_op differs from cc_op */
    DisasEnd end;
    unsigned max_insns, nb_insns;
} DisasContext;

/* A memory operand ready for guest_ld/st: linear address = addr + disp. */
typedef struct AddrRef {
    Tv addr;
    int32_t disp;
} AddrRef;

/* translate.c */
static inline Tv gen_reg(unsigned n) { return tcg_global(G_GPR + n); }
static inline Vv gen_xmm(unsigned n) { return tcg_globalv(G_XMM + n); }
static inline uint64_t dc_eip(const DisasContext *dc) { return dc->pc - dc->cs_base; }           /* current instruction */
static inline uint64_t dc_next_eip(const DisasContext *dc) { return dc->pc_next - dc->cs_base; } /* masked by the user of it */
/* Linear address of the insn's memory operand: effective address, segment base; emits limit and type
 * checks for `size` bytes (write: for writing) when the segment is not flat, canonical checks are the MMU's. */
AddrRef gen_mem_operand(DisasContext *dc, unsigned size, bool write);
Tv gen_lea(DisasContext *dc);          /* effective address only, truncated to asize (LEA) */
/* Accesses with the TB's mmu_idx; op: MO_8.. with MO_SIGN, MO_ALIGN_GP; adds MO_ALIGN_AC when the flag says so. */
void gen_load(DisasContext *dc, Tv d, AddrRef a, MemOp op);
void gen_store(DisasContext *dc, Tv val, AddrRef a, MemOp op);
void gen_loadv(DisasContext *dc, Vv d, AddrRef a, MemOp op);
void gen_storev(DisasContext *dc, Vv val, AddrRef a, MemOp op);
/* Ends the TB (dc->end = DISAS_NORETURN); the exception is a fault at the current instruction. */
void gen_exception(DisasContext *dc, int vector);
void gen_exception_gp0(DisasContext *dc);
/* Write env->cc_op if it differs: before helpers that read flags or may raise out of line with explicit
 * state, and at exits. (Faulting accesses need nothing: the fault map has it.) */
void gen_sync_cc_op(DisasContext *dc);
void gen_set_cc_op(DisasContext *dc, CCOp op);
/* flags := val (bits as in EFLAGS, the six only); cc_op becomes EFLAGS */
void gen_set_flags(DisasContext *dc, Tv val);
void gen_store_eip(DisasContext *dc, uint64_t eip); /* env->eip = const */

/* One function per family; each emits dc->insn and sets dc->end when control ends. */
void gen_general(DisasContext *dc);  /* rows of opcodes.def */
void gen_simd_insn(DisasContext *dc);/* gen-sse.c: dc->insn.simd */
void gen_x87_insn(DisasContext *dc); /* gen-x87.c: opcodes D8-DF, modrm decoded; also 9B WAIT */

/* gen-sse.c: the row for an opcode, or NULL. pp: mandatory prefix as in SimdEnc (SIMD_PP_*), reg: ModRM.reg
 * for groups, mod3: register form. The decoder asks it when opcodes.def has no row. */
const struct SimdRow *simd_lookup(unsigned map, unsigned opcode, unsigned pp, unsigned modrm);
bool simd_row_has_imm8(const struct SimdRow *row);
bool simd_row_has_modrm(const struct SimdRow *row);

#endif
