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

/* A memory operand ready for guest_ld/st: linear address = addr + disp. */
typedef struct AddrRef {
    Tv addr;
    int32_t disp;
} AddrRef;

/* Guest x87 registers on the host's register stack (gen-x87-stack.c). Slots are numbered from TOP at the beginning. */
typedef struct X87Cache {
    bool active;
    uint8_t top;             /* TOP now, from TOP in env */
    uint8_t depth, slot[8];  /* the host's ST(i) holds slot[i] */
    uint8_t dirty;           /* bits of slots: env's value is old */
    uint8_t known, valid;    /* bits of slots: the tag is known, and not empty */
    uint8_t care, want;      /* the same, at the beginning: what is checked there */
    uint8_t c1;              /* X87_C1_* */
    bool cc_host;            /* C0, C2, C3 are in the host's status */
    bool c1_dead;            /* the current instruction sets C1 and does not fault */
    bool note;               /* FIP and FOP are not in env yet: */
    uint16_t note_op;
    uint64_t note_eip;
    unsigned mask_op, exit_op; /* indices of the ops that check the tags */
    uint64_t state;          /* the last x87_state op's */
} X87Cache;

typedef struct DisasContext {
    TcgContext *s;
    CPUState *cpu;
    CPUX86State *env;        /* for cpuid features only, never for registers */
    TB *tb;
    uint32_t flags;          /* TB flags HF_* */
    uint64_t cs_base;
    vaddr pc_first;          /* linear start of the TB */
    bool floating;           /* code must not depend on the page of pc_first: no eip is a constant (gen_eip()) */
    vaddr pc;                /* linear address of the current instruction */
    vaddr pc_next;           /* of the next one, once decoded */
    /* derived from flags */
    unsigned cpl, iopl, mmu_idx;
    bool pe, vm86, code64, code32, ss32, lma, tf;
    Insn insn;
    /* decode-plain.c: bytes of the page plain_page in front of offset plain_end are those from plain_host on. 0: not known, or not so */
    vaddr plain_page;
    const uint8_t *plain_host;
    unsigned plain_end;
    CCOp cc_op;              /* CC_OP_DYNAMIC: env->cc_op holds it */
    bool cc_op_dirty;        /* env->cc_op differs from cc_op */
    DisasEnd end;
    unsigned max_insns, nb_insns;
    bool all_flat;           /* no segment of this mode needs a check */
    bool plain_exits;        /* one-shot TB flags (TF, RF, shadow): leave by exit_tb, never to a TB of the same key */
    bool no_trap;              /* MOV SS: TF traps after the next instruction */
    bool after_sti;          /* plain_exits for STI's sake alone */
    bool shadow_next;        /* after STI: the next instruction clears inhibit_irq */
    enum { VEC_NONE, VEC_SSE, VEC_AVX } vec_mode; /* which set of vector globals the TB uses */
    uint8_t nb_side_jumps;
    bool vec_high;           /* TcgEnvHead.vec_high is set */
    bool fetch_pages_open;   /* decoder: the instruction may fetch from a second page */
    /* the current instruction's memory operand, once gen_operand_mem() made it */
    bool mem_valid;
    bool seg_checked;        /* it has looked at a limit: what it does from there on cannot be begun again */
    uint32_t check_word;     /* for check_seg: CHECK_ALIGN_SHIFT, CHECK_FIRST_SHIFT */
    AddrRef mem;
    /* base + index << scale of the last vector's address, made in front of ops[sum_op] */
    bool sum_valid;
    int8_t sum_base, sum_index, sum_scale;
    Tv sum;
    unsigned sum_op;
    /* operands of the CMP (SUB family) or TEST that made the flags; cmp_operands_good() says for how long */
    enum { CMP_NONE, CMP_SUB, CMP_TEST, CMP_ZF /* cmp_a is ZF, 0 or 1 */ } cmp_kind;
    Tv cmp_a, cmp_b;
    unsigned cmp_op_index;
    /* CF of the flags that cc_op describes: carry is 0 or 1; or ops[carry_index] is the add or sub that may have it as carry out */
    enum { CARRY_NONE, CARRY_VALUE, CARRY_OP } carry_kind;
    Tv carry;
    unsigned carry_index;
    bool adx;                /* cc_op is CC_OP_DYNAMIC, and env->cc_op one of CC_OP_ADX and behind */
    X87Cache x87;
} DisasContext;

void gen_UD(DisasContext *dc); /* the decoder knows rows by it */

/* Part of insn_start's word: INSN_X87_NOTE. */
uint64_t gen_x87_note_word(const DisasContext *dc);
void x87_restore_note(CPUX86State *env, const uint64_t data[2]);
/* False: nothing was emitted that matters, a helper has to do dc->insn. */
bool gen_x87_mem(DisasContext *dc);
bool gen_x87_reg(DisasContext *dc);
bool gen_x87_fldcw(DisasContext *dc);
bool gen_x87_status(DisasContext *dc, Tv d); /* d = status word */
void gen_x87_flush(DisasContext *dc);   /* x87 registers are complete in env: before they are used otherwise */

/* translate.c */
static inline Tv gen_reg(unsigned n) { return tcg_global(G_GPR + n); }
static inline Vv gen_xmm(unsigned n) { return tcg_globalv(G_XMM + n); }
static inline uint64_t dc_eip(const DisasContext *dc) { return dc->pc - dc->cs_base; }           /* current instruction */
static inline uint64_t dc_next_eip(const DisasContext *dc) { return dc->pc_next - dc->cs_base; } /* masked by the user of it */
/* Linear address of the insn's memory operand: effective address, segment base; emits limit and type
 * checks for `size` bytes (write: for writing) when the segment is not flat, canonical checks are the MMU's. */
AddrRef gen_mem_operand(DisasContext *dc, unsigned size, bool write);
AddrRef gen_mem_op(DisasContext *dc, MemOp op, bool write); /* for an access as op says: MO_ALIGN_GP comes before limits */
/* An operand of two parts: all that the first may raise comes before the second is looked at (AMD). Either the operand at
 * once, or the first by itself and then, behind its access, the second: `size` bytes `at` bytes behind m. */
AddrRef gen_mem_parts(DisasContext *dc, unsigned first, unsigned size, bool write);
AddrRef gen_mem_second(DisasContext *dc, AddrRef m, unsigned at, unsigned size, bool write);
Tv gen_lea(DisasContext *dc);          /* effective address only, truncated to asize (LEA) */
/* AREA_*: the segment and the wrap of an image in memory, whose end a helper looks at. */
static inline uint32_t dc_area(const DisasContext *dc)
{
    return (unsigned)dc->insn.seg << AREA_SEG_SHIFT | (dc->insn.asize == MO_16 ? AREA_WRAPS16 : dc->insn.asize == MO_32 ? AREA_WRAPS32 : 0);
}
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
/* Nothing from op `from` on (64 of them at most) wrote a or b, or ended the basic block that temps among them live in. */
bool gen_still_good(const DisasContext *dc, unsigned from, Tv a, Tv b);
/* eip as ops hold it that end in env->eip (insn_start, goto_tb, ...). */
static inline uint64_t dc_op_eip(const DisasContext *dc, uint64_t eip)
{
    return dc->floating ? eip - (dc->pc_first & TCG_PAGE_MASK) : eip;
}
Tv gen_eip(DisasContext *dc, uint64_t eip); /* as a value: a constant, or as far from the page as now */
static inline Tv gen_pc(DisasContext *dc, vaddr lin) { return gen_eip(dc, lin); } /* the same: floating code has no cs_base */
void gen_store_eip(DisasContext *dc, uint64_t eip); /* env->eip = gen_eip() */
enum { INSN_MAX_BYTES = 15 };
bool dc_may_chain(const DisasContext *dc, vaddr lin); /* goto_tb will do for a jump there */

/* --- general instructions only (gen-*.c) --- */

static inline TcgType type_of_size(unsigned size) { return size == MO_64 ? TCG_I64 : TCG_I32; }
/* A temp that survives what gen_mem_operand() emits for a segment that is not flat. */
static inline Tv gen_temp(DisasContext *dc) { return dc->all_flat ? tcg_temp(dc->s) : tcg_temp_local(dc->s); }
static inline unsigned dc_op_size(const DisasContext *dc, unsigned n) /* MemOp size of operand n */
{
    return insn_op_size(&dc->insn, dc->insn.row->op[n]);
}
static inline bool dc_op_is_mem(const DisasContext *dc, unsigned n) { return insn_op_is_mem(&dc->insn, dc->insn.row->op[n]); }
AddrRef gen_operand_mem(DisasContext *dc, bool write);     /* the memory operand; made once per instruction */
/* Value of operand n. Low bits as the operand's size says, rubbish above for 8 and 16 bits. May be a guest
 * register itself: no copy is made. Load a memory operand before others. */
Tv gen_operand(DisasContext *dc, unsigned n);
void gen_rmw(DisasContext *dc, Tv old, AddrRef a, Tv val, unsigned size, RmwOp op); /* locked if the insn is */
void gen_cmpxchg(DisasContext *dc, Tv old, AddrRef a, Tv cmp, Tv val, unsigned size);
/* Where to compute operand n's new value: the register itself when that is enough, or a temp. */
Tv gen_operand_dest(DisasContext *dc, unsigned n);
void gen_operand_write(DisasContext *dc, unsigned n, Tv val);
/* Register by operand size; byte registers are numbered as the instruction does (AH without REX). */
Tv gen_read_reg(DisasContext *dc, unsigned size, unsigned reg);
void gen_write_reg(DisasContext *dc, unsigned size, unsigned reg, Tv val);
Tv gen_extend(DisasContext *dc, Tv v, unsigned size, bool sign); /* to 64 bits; v itself when nothing is to be done */
Tv gen_add_seg(DisasContext *dc, int seg, Tv off, unsigned bytes, bool write); /* linear address, checked */
void gen_mask_addr(DisasContext *dc, Tv d, Tv v, unsigned asize);
/* Real mode and 8086 mode: segment registers take any selector, and no flag of the TB depends on them. */
static inline bool dc_is_8086(const DisasContext *dc) { return !dc->pe || dc->vm86; }
void gen_load_seg_8086(DisasContext *dc, int seg, Tv sel); /* sel: zero-extended */
Tv gen_read_selector(DisasContext *dc, int seg);
/* stack; sizes are MemOp */
unsigned dc_stack_size(const DisasContext *dc);
void gen_push(DisasContext *dc, Tv val, unsigned size);
void gen_push2(DisasContext *dc, Tv first, Tv second, unsigned size); /* outside 64-bit code: both or none */
Tv gen_pop_value(DisasContext *dc, unsigned size);         /* reads; SP not yet moved */
Tv gen_stack_value(DisasContext *dc, unsigned index, unsigned size); /* outside 64-bit code: the index-th from the top */
void gen_pop_commit(DisasContext *dc, unsigned size);
void gen_stack_drop(DisasContext *dc, int bytes);
void gen_write_sp(DisasContext *dc, Tv val);
/* leaving the TB; each stores cc_op */
void gen_goto(DisasContext *dc, unsigned slot, uint64_t eip);   /* constant target, already truncated */
bool gen_flags_dead_at(DisasContext *dc, uint64_t eip);         /* code there needs no flags: gen_goto_lazy() will do */
bool gen_flags_dead_behind(const DisasContext *dc); /* the same of what follows in the TB */
void gen_goto_lazy(DisasContext *dc, unsigned slot, uint64_t eip, bool lazy);
void gen_lazy_exit(DisasContext *dc, unsigned slot);            /* its state */
bool insn_overwrites_flags(const DisasContext *dc, bool *open); /* lazy-exit.c */
/* truncated to the operand size; sp: what the branch has added to the stack pointer */
void gen_goto_reg(DisasContext *dc, Tv eip, int sp);
void gen_leave(DisasContext *dc, uint64_t eip);                 /* eip stored, exit_tb */
void gen_leave_stored(DisasContext *dc);                         /* the same when a helper has set env->eip */
void gen_leave_to(DisasContext *dc, Tv code);                   /* the same when a helper has looked the code up, too */
void gen_lookup_stored(DisasContext *dc);                        /* and without TF's trap */
void gen_flags_for_helper(DisasContext *dc);                    /* flags in cc_src, env->cc_op = EFLAGS, also at a fault */
void gen_check_cs_limit(DisasContext *dc, Tv eip);              /* #GP(0) unless CS is flat or eip is inside */
void gen_check_call_target(DisasContext *dc, Tv eip);           /* CS's limit, canonical: of a near CALL, in front of its push */
/* What this instruction's code is not for, and what nearly never comes: the TB is left, and the same instruction at the start of
 * a TB, where this returns false and does nothing, has code for all. Nothing of the instruction may have happened yet. */
bool gen_not_here(DisasContext *dc, TcgType t, TcgCond c, Tv a, Tv b);
static inline bool may_leave_at_insn(const DisasContext *dc) { return dc->nb_insns > 1; }
uint64_t dc_mask_eip(const DisasContext *dc, uint64_t eip);     /* to the operand size */
#define CALL_HELPER(dc, name, out, nin, ...) tcg_gen_call((dc)->s, &helper_info_##name, out, nin, __VA_ARGS__)
#define NO_OUT TCG_NO_TEMP

/* translate-cc.c: lazy flags in IR */
typedef struct Cond { TcgType type; TcgCond cond; Tv a, b; } Cond;
Cond gen_cond(DisasContext *dc, unsigned code);   /* condition 0-15 of Jcc; may change cc_op */
Tv gen_cond_value(DisasContext *dc, unsigned code); /* as 0 or 1 */
Tv gen_compute_c(DisasContext *dc);               /* CF as 0 or 1; cc_op may become EFLAGS */
void gen_compute_eflags(DisasContext *dc);        /* cc_op becomes EFLAGS; only behind the last access that may fault */
Tv gen_eflags_value(DisasContext *dc);            /* the six flags as a temp; nothing changes */
void gen_cmp_result(DisasContext *dc);                        /* for who keeps ZF, SF and PF: they follow cc_dst. Behind all that may fault */
Tv gen_af_bit(DisasContext *dc);                  /* AF in bit 4, other bits 0 */
bool gen_cmp_operands(DisasContext *dc, Tv *a, Tv *b); /* the flags are those of a - b, and both are still there */
void gen_note_cmp(DisasContext *dc, int kind, Tv a, Tv b);
void gen_note_carry(DisasContext *dc, Tv carry); /* CF, 0 or 1 */
void gen_note_carry_op(DisasContext *dc, unsigned index); /* the op, a sub for SUB and an add for ADD, or whatever became of it */
bool gen_in_adx(const DisasContext *dc);          /* cc_op is CC_OP_ADX or one behind it: CF is cc_dst, OF is cc_src2 */
void gen_begin_adx(DisasContext *dc);             /* it becomes so; behind the insn's access, but for CC_OP_DYNAMIC */
Tv gen_cc_op_value(DisasContext *dc);             /* as a temp: constant or env->cc_op */
static inline Tv gen_cc_dst(void) { return tcg_global(G_CC_DST); }
static inline Tv gen_cc_inc(void) { return tcg_global(G_CC_INC); }
static inline Tv gen_cc_src(void) { return tcg_global(G_CC_SRC); }
static inline Tv gen_cc_src2(void) { return tcg_global(G_CC_SRC2); }

/* One function per family; each emits dc->insn and sets dc->end when control ends. */
void gen_general(DisasContext *dc);  /* rows of opcodes.def */
void gen_simd_insn(DisasContext *dc);/* gen-sse.c: dc->insn.simd */
void gen_x87_insn(DisasContext *dc); /* gen-x87.c: opcodes D8-DF, modrm decoded; also 9B WAIT */

/* gen-sse.c: the row for an opcode, or NULL. pp: mandatory prefix as in SimdEnc (SIMD_PP_*), reg: ModRM.reg
 * for groups, mod3: register form. The decoder asks it when opcodes.def has no row. */
const struct SimdRow *simd_lookup(unsigned map, unsigned opcode, unsigned pp, unsigned modrm);
unsigned simd_row_imm_bytes(const struct SimdRow *row);
bool simd_row_has_modrm(const struct SimdRow *row);
/* The same for VEX encodings; l, w: the bits. */
const struct SimdRow *vex_lookup(unsigned map, unsigned opcode, unsigned pp, unsigned modrm, bool w, bool l);
/* Are vvvv and, for gathers, the SIB byte as the row wants them? *vsib becomes 0 for gathers. */
bool vex_row_fits(const struct SimdRow *row, unsigned vvvv, bool has_sib, int8_t *vsib);
/* May dc->insn be in this TB? A TB works on vector registers either as xmm or as ymm (docs/avx.md). */
bool simd_fits_tb(DisasContext *dc);
bool simd_is_vector_access(const DisasContext *dc); /* dc->insn: whole vectors from or to memory, or VZEROUPPER behind them */

#endif
