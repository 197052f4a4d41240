/* tcg.h - the code generator's data types: temps, ops, the guest's description, a compilation.
 * Knows no guest instruction set. The ops are listed in opc.def; ir-build.h is what front ends call. */
#ifndef TCG_TCG_H
#define TCG_TCG_H

#include "host/base/osdep.h"
#include "tcg/tlb-entry.h"

typedef enum TcgType { TCG_I32, TCG_I64, TCG_V128, TCG_V256 } TcgType;

typedef enum TcgOpcode {
#define OPC(name, outs, ins, consts, flags, meaning) TCG_OP_##name,
#include "tcg/opc.def"
#undef OPC
    TCG_OP_COUNT
} TcgOpcode;

enum { /* TcgOpInfo.flags */
    TCG_OPF_COMMUTES = 1, TCG_OPF_ENDS_BB = 2, TCG_OPF_SIDE = 4, TCG_OPF_FAULT = 8, TCG_OPF_EXITS = 16,
    TCG_OPF_VEC = 32,
};
/* What passes do most ops of one kind by. PURE: one general output, from 1, 2 or more inputs, and nothing else.
 * LOAD: of guest memory. STORE: inputs and effects, of which temps know nothing. EXIT: such an op that ends the TB. */
typedef enum TcgOpKind {
    TCG_OPK_OTHER, TCG_OPK_INSN_START, TCG_OPK_LABEL, TCG_OPK_STORE, TCG_OPK_EXIT, TCG_OPK_LOAD, TCG_OPK_MOV, TCG_OPK_PURE1,
    TCG_OPK_PURE2, TCG_OPK_PURE,
} TcgOpKind;
#define TCG_OP_KIND(opc, outs, ins, flags) \
    ((opc) == TCG_OP_insn_start                                          ? TCG_OPK_INSN_START \
     : (opc) == TCG_OP_set_label                                         ? TCG_OPK_LABEL \
     : (opc) == TCG_OP_mov                                               ? TCG_OPK_MOV \
     : (opc) == TCG_OP_guest_ld || (opc) == TCG_OP_guest_ldv             ? TCG_OPK_LOAD \
     : (flags) & TCG_OPF_EXITS                                                   ? TCG_OPK_EXIT \
     : (opc) == TCG_OP_guest_st || (opc) == TCG_OP_guest_stv || ((opc) >= TCG_OP_st8 && (opc) <= TCG_OP_st64) ? TCG_OPK_STORE \
     : (outs) != 1 || (ins) == 0 || ((flags) & ~(unsigned)TCG_OPF_COMMUTES) != 0 ? TCG_OPK_OTHER \
     : (ins) == 1                                                        ? TCG_OPK_PURE1 \
     : (ins) == 2                                                        ? TCG_OPK_PURE2 \
                                                                         : TCG_OPK_PURE)
typedef struct TcgOpInfo {
    const char *name;
    uint8_t outs, ins, consts, flags, kind;
} TcgOpInfo;
extern const TcgOpInfo tcg_op_info[TCG_OP_COUNT]; /* tcg/ir-dump.c */

/* Conditions; ^1 inverts (ORDER: pinned by a static assert where it is used). */
typedef enum TcgCond {
    TCG_COND_EQ, TCG_COND_NE, TCG_COND_LT, TCG_COND_GE, TCG_COND_LE, TCG_COND_GT,
    TCG_COND_LTU, TCG_COND_GEU, TCG_COND_LEU, TCG_COND_GTU,
    TCG_COND_TSTEQ, TCG_COND_TSTNE, /* (a & b) == 0, != 0 */
} TcgCond;
static inline TcgCond tcg_cond_invert(TcgCond c) { return c ^ 1; }
TcgCond tcg_cond_swap(TcgCond c); /* condition on (b, a) */

/* How an access to guest memory is made. */
typedef enum MemOp {
    MO_8 = 0, MO_16 = 1, MO_32 = 2, MO_64 = 3, MO_128 = 4, MO_256 = 5, MO_SIZE = 7,
    MO_SIGN = 8,        /* loads: sign-extend to 64 bits (MO_8..MO_32) */
    MO_SIGN32 = 16,     /* with MO_SIGN: sign-extend to 32, then zero-extend to 64 */
    MO_ALIGN_AC = 32,   /* misaligned takes the slow path, which raises the guest's alignment check */
    MO_ALIGN_GP = 64,   /* misaligned takes the slow path, which raises the guest's protection fault */
    MO_ALIGN_16 = 128,  /* with one of them: aligned to 16 bytes, whatever the size */
    MO_WILL_STORE = 256, /* loads: of a read-modify-write instruction, whose faults are those of the store */
} MemOp;
/* MemOp | mmu_idx << 12 */
typedef uint32_t MemOpIdx;
static inline MemOpIdx memopidx(MemOp op, unsigned mmu_idx) { return op | mmu_idx << 12; }
static inline MemOp memopidx_op(MemOpIdx i) { return i & 0xfff; }
static inline unsigned memopidx_mmu(MemOpIdx i) { return i >> 12; }
static inline unsigned memop_size(MemOp op) { return 1u << (op & MO_SIZE); }
/* address bits that an access with an alignment demand wants to be zero; 0: no demand */
static inline unsigned memop_align_mask(MemOp op)
{
    return !(op & (MO_ALIGN_AC | MO_ALIGN_GP)) ? 0 : op & MO_ALIGN_16 ? 15 : memop_size(op) - 1;
}

typedef enum RmwOp { /* new = old op b */
    RMW_ADD, RMW_SUB, RMW_AND, RMW_OR, RMW_XOR, RMW_XCHG, /* xchg: new = b */
    RMW_NEG, RMW_NOT, /* b unused (give a constant 0) */
    RMW_ANDC,         /* old & ~b */
    RMW_OP = 15, RMW_LOCK = 16,
} RmwOp;

/* x87_mem's and guest_x87's instruction: escape byte, ModRM.reg, bytes of the memory operand, is it stored to. */
#define X87_OP(esc, reg, bytes, store) ((uint64_t)(esc) << 8 | (reg) | (bytes) << 16 | (store) << 24)
#define X87_OP_ESC(op) ((op) >> 8 & 0xff)
#define X87_OP_REG(op) ((op) & 7)
#define X87_OP_BYTES(op) ((op) >> 16 & 0xff)
#define X87_OP_STORE(op) ((op) >> 24 & 1)
/* slow_x87's ctl: MemOpIdx in the low 14 bits, bytes << 16, and what to do */
enum { SLOW_X87_OI = 0x3fff, SLOW_X87_BYTES_SHIFT = 16, SLOW_X87_LOAD = 0, SLOW_X87_PROBE = 1 << 24, SLOW_X87_STORE = 2 << 24 };

/* A floating TB has two entries: the one at code_rx, for who knows that pc_page is right (jumps inside the page, C
 * code that has set it), and so many bytes before that the one for the jump cache, which sets it. */
enum { TCG_FLOAT_ENTRY = 11, TCG_FLOAT_ENTRY_ROOM = 16 };
enum { TCG_MAX_PART = 1 << 15 }; /* bytes that a TB has in each of its two parts at most; else TCG_TOO_BIG */
/* What the epilogue returns: TB pointer | one of these (TBs are at least 8-aligned). */
typedef enum TbExit {
    TB_EXIT_SLOT0 = 0, TB_EXIT_SLOT1 = 1, /* goto_tb left unchained: link slot n to the next TB */
    TB_EXIT_LOOKUP = 2,                   /* find the next TB from env; nothing to link */
    TB_EXIT_POLL = 3,                     /* exit_request was seen */
    TB_EXIT_MASK = 7,
} TbExit;

/* side_exit's c2. LOOKUP and X87 leave for the loop; X87 says so in env. JUMP goes on through the jump cache. */
enum { SIDE_EXIT_LOOKUP, SIDE_EXIT_X87, SIDE_EXIT_JUMP, TCG_MAX_SIDE_JUMPS = 16 };

/* One host vector instruction, as simd/simd_flags' constant c0. The back end emits
 * [66|F3|F2] [REX] map opcode modrm [imm8], or the same with a VEX prefix (SIMD_VEX). */
typedef uint64_t SimdEnc;
enum {
    SIMD_PP_NONE = 0, SIMD_PP_66 = 1 << 8, SIMD_PP_F3 = 2 << 8, SIMD_PP_F2 = 3 << 8, SIMD_PP = 3 << 8,
    SIMD_MAP_0F = 0, SIMD_MAP_0F38 = 1 << 10, SIMD_MAP_0F3A = 2 << 10, SIMD_MAP = 3 << 10,
    SIMD_W = 1 << 12,         /* REX.W */
    SIMD_IMM8 = 1 << 13,
    SIMD_DST_READ = 1 << 14,  /* the old destination a is an input (addps; movss reg,reg; pinsrw) */
    SIMD_DST_GPR = 1 << 15,   /* d is general (pmovmskb, movd r,xmm, cvttsd2si, pextrw): a ignored */
    SIMD_SRC_GPR = 1 << 16,   /* b is general (movd xmm,r; cvtsi2sd; pinsrd) */
    SIMD_RM_DST = 1 << 17,    /* ModRM.rm is the destination and .reg the source (pextrd, movd r,xmm 7E) */
    SIMD_GROUP = 1 << 18,     /* shift by immediate: ModRM.reg is the opcode extension in bits 20-22, rm = d = a */
    SIMD_XMM0 = 1 << 19,      /* implicit xmm0 input (pblendvb, blendvps): input c is put there */
    SIMD_EXT_SHIFT = 20,
};
/* VEX forms: the result is zero above its length. Without SIMD_VVVV and SIMD_VVVV_C vvvv is unused, or d with
 * SIMD_GROUP (then rm = b). */
#define SIMD_VEX (1ull << 32)
#define SIMD_L256 (1ull << 33)
#define SIMD_VVVV (1ull << 34)     /* a is vvvv */
#define SIMD_VVVV_GPR (1ull << 35) /* and general (pdep, bextr) */
#define SIMD_VVVV_C (1ull << 36)   /* c is vvvv, a the old destination (FMA: with SIMD_DST_READ) */
#define SIMD_IS4 (1ull << 37)      /* c is the register in imm8[7:4] */
#define SIMD_STICKY (1ull << 38)   /* may set MXCSR's flags: not removed although nobody reads the result */
#define SIMD_USES_C(enc) ((enc) & (SIMD_XMM0 | SIMD_VVVV_C | SIMD_IS4))
#define SIMD_ENC(map, pp, opc, flags) ((SimdEnc)((map) | (pp) | (opc) | (flags)))

typedef uint16_t TcgTempIdx;
enum { TCG_NO_TEMP = 0xffff, TCG_MAX_TEMPS = 2048, TCG_MAX_OPS = 6144, TCG_MAX_LABELS = 512, TCG_MAX_ARGS = 8,
       TCG_MAX_INSNS = 512 };

typedef enum TcgTempKind {
    TCG_TEMP_EBB,    /* dies at the end of the basic block */
    TCG_TEMP_LOCAL,  /* lives through the whole TB */
    TCG_TEMP_GLOBAL, /* a slot of env */
    TCG_TEMP_CONST,  /* a constant */
    TCG_TEMP_ENV,    /* the env pointer itself */
} TcgTempKind;

typedef struct TcgTemp { /* small: every pass looks at them all the time */
    TcgTempKind kind : 8;
    TcgType type : 8;    /* TCG_I64, TCG_V128 or TCG_V256 */
    bool pinned;         /* global that lives in a host register at TB boundaries */
    uint8_t pin_reg;     /* host register then */
    uint32_t env_offset; /* globals */
    union {
        uint64_t value;   /* constants */
        const char *name; /* globals, env */
    };
} TcgTemp;
_Static_assert(sizeof(TcgTemp) == 16, "small");

typedef struct TcgOp {
    uint8_t opc, type;
    uint16_t life;       /* liveness: bit n: argument n dies here; bit 8+n: output n is dead */
    uint64_t arg[TCG_MAX_ARGS];
} TcgOp;

static inline bool tcg_is_side_jump(const TcgOp *op) { return op->opc == TCG_OP_side_exit && op->arg[4] == SIDE_EXIT_JUMP; }

/* A C function that translated code calls, and what it does to the guest's state. */
typedef enum TcgHelperFlags {
    HELPER_READS_REGS = 1,   /* looks at globals in env: all are written back before */
    HELPER_WRITES_REGS = 2,  /* changes globals in env: all are reloaded afterwards */
    HELPER_RAISES = 4,       /* may raise a guest exception (implies READS_REGS): finds pc by its return address */
    HELPER_NO_VEC = 8,       /* leaves host vector registers alone (-mgeneral-regs-only) */
    HELPER_PURE = 16,        /* result depends on its arguments only: may be removed when unused */
    HELPER_NORETURN = 32,    /* always raises */
} TcgHelperFlags;
typedef enum TcgHelperArg { HARG_NONE, HARG_ENV, HARG_I32, HARG_I64, HARG_PTR /* host pointer, I64 */ } TcgHelperArg;
typedef struct TcgHelperInfo {
    const char *name;
    void *fn;
    uint8_t flags;
    uint8_t ret;            /* HARG_NONE, HARG_I32 (zero-extended), HARG_I64 */
    uint8_t nargs;
    uint8_t arg[6];         /* HARG_ENV arguments are ordinary inputs (the env temp) */
} TcgHelperInfo;

typedef struct TcgGlobalInfo {
    const char *name;
    TcgType type;
    uint32_t env_offset;
    int guest_reg; /* 0-15: general register of that number (may be pinned); -1: other */
} TcgGlobalInfo;

/* What a guest architecture and the accelerator give the code generator, once. */
typedef struct TcgGuest {
    const TcgGlobalInfo *globals; /* temps 0 .. nb_globals-1, in this order; ends with a NULL name */
    unsigned nb_globals;
    uint8_t stack_reg;            /* number of the pinned general register that points to the stack; 0: none does */
    uint8_t guess_modes;          /* bit n: accesses in MMU mode n guess their page (PageGuess) */
    bool (*helper_name)(const void *fn, const char **name); /* for the disassembler, or NULL */
    /* Slow paths (accel/cputlb.c). ra: return address into the TB. Loads return the value extended as the MemOp says. */
    uint64_t (*slow_ld)(void *env, vaddr addr, MemOpIdx oi, uintptr_t ra);
    void (*slow_st)(void *env, vaddr addr, uint64_t val, MemOpIdx oi, uintptr_t ra);
    uint64_t (*slow_rmw)(void *env, vaddr addr, uint64_t val, MemOpIdx oi, uint32_t rmw, uintptr_t ra);
    uint64_t (*slow_cmpxchg)(void *env, vaddr addr, uint64_t cmp, uint64_t val, MemOpIdx oi, uintptr_t ra);
    void (*slow_ldv)(void *env, vaddr addr, void *dst, MemOpIdx oi, uintptr_t ra);       /* whole dst zero-filled above size */
    void (*slow_stv)(void *env, vaddr addr, const void *src, MemOpIdx oi, uintptr_t ra);
    const void *(*lookup_code)(void *env); /* a goto_ptr has missed, eip is in env: the code to go on with, or NULL: leave. Or NULL */
    /* guess[n] missed: x is the address ^ its page. 0: it has the page now. Changes no vector register. NULL: no guesses are made */
    uint32_t (*new_guess)(void *env, uint64_t x, uint32_t n);
    void (*slow_x87)(void *env, vaddr addr, void *buf, uint32_t ctl, uintptr_t ra); /* SLOW_X87_*: load, may be stored?, store */
} TcgGuest;

/* Where in a TB's host code a guest instruction ends, or a call of C code returns to, and what to restore for a fault there. */
typedef struct TcgInsnMap {
    uint32_t host_end; /* offset from the TB's code start; the slow-path stubs have entries of their own */
    uint64_t data[2];  /* insn_start's constants: eip (floating: from pc_page on), front-end word */
} TcgInsnMap;

/* A goto_tb (and a poll_exit right before it) whose linked successor overwrites some globals before anything can
 * look at them: they are written to env only on the ways out, not on the chained path. */
typedef struct TcgLazyExit {
    uint64_t dead;      /* bit n: global n (not pinned; n < 64). 0: an ordinary goto_tb */
    TcgTempIdx a, b;    /* unless TCG_NO_TEMP: the lowest two of them are a and b; pinned globals or constants */
    uint32_t off, value; /* off != 0: out there, 32 bits of env at off become value */
} TcgLazyExit;

/* What belongs to a PageGuess and is seldom looked at. */
typedef struct GuessInfo {
    uint64_t tb;                   /* TcgContext.tb_cookie */
    uint32_t key;                  /* of the check: the same when its TB is translated again */
    uint32_t runs;                 /* of its TB: index of their count */
    uint32_t since, empty_since;   /* that count when misses were counted last */
    uint8_t nb_empty;
    uint8_t mmu;
    bool write;
    bool listed;                   /* may hold a page: the owner of the TLB knows of it */
    bool off;                      /* of a count of runs (its `since` is where it began): nothing counts there now */
} GuessInfo;
enum { GUESS_BAD_BITS = 16, GUESS_PAGES = 1 << 14, GUESS_HOSTS = 1 << 12, MAX_GUESSES = 1 << 19 };

/* All of them, with what the thunk for their misses needs (frame.c). */
typedef struct Guesses {
    PageGuess *guess;        /* [MAX_GUESSES], in reach of rip in all code */
    int32_t *patience;       /* [MAX_GUESSES]: misses before one asks C code; 0 in one that is not listed */
    GuessInfo *info;         /* [MAX_GUESSES] */
    uint32_t used;           /* [0] never is; some are counts of a TB's runs instead, in the first 32 bits */
    uint64_t empty;          /* what an empty one has for a page */
    uint8_t page[GUESS_PAGES]; /* by the low bits of its number: not 0, a guess may hold this linear page */
    uint8_t host[GUESS_HOSTS]; /* the same by its place in the host's memory, if that may be written through the guess */
    uint64_t bad[(1 << GUESS_BAD_BITS) / 64]; /* by key: checks that had better look into the TLB */
    uint64_t hot[(1 << GUESS_BAD_BITS) / 64]; /* by place in RAM: TBs that run often (accel/tlb-guess.c) */
} Guesses;

typedef struct TcgContext TcgContext;
typedef struct CodeBuf CodeBuf;

struct TcgContext {
    const TcgGuest *guest;
    CodeBuf *buf;

    TcgTemp temps[TCG_MAX_TEMPS];
    unsigned nb_globals, nb_temps, nb_locals;
    TcgTempIdx env_temp;
    TcgOp ops[TCG_MAX_OPS];
    unsigned nb_ops, nb_labels;
    uint16_t copies[24]; /* tcg_optimize() notes the 64-bit moves to pinned globals; there are nb_copies, more: not noted */
    unsigned nb_copies;
    unsigned nb_accesses; /* loads and stores of guest memory but for read-modify-write: tcg_liveness() counts. Before: UINT_MAX */
    uint16_t label_refs[TCG_MAX_LABELS]; /* jumps to it that were emitted, less those that tcg_optimize() removed */
    uint16_t label_op[TCG_MAX_LABELS];   /* tcg_liveness(): index of its set_label */
    bool overflow; /* ran out of temps, ops or labels: compile answers TCG_TOO_BIG */
    uint16_t const_head[256];            /* hash of a constant's value -> its temp, 0xffff: none */
    uint16_t const_next[TCG_MAX_TEMPS];  /* next constant in the same hash bucket */

    /* Set by the caller of a compilation: */
    uint64_t tb_cookie;  /* names the TB (a multiple of TB_EXIT_MASK + 1), returned by exits */
    uint64_t first_eip;  /* insn_start's first constant at the TB's begin: what notes count from */
    unsigned cold_head;  /* bytes left free at the begin of the TB's cold part */
    uint64_t cs_base;    /* linear pc = eip + cs_base */
    bool eip_is_32;      /* eip = (uint32_t)(pc - cs_base) */
    bool floating;       /* the TB runs at any page: all its eips are from TcgEnvHead.pc_page on */
    uint64_t float_min;  /* TBs of this key from this linear pc on float; ~0: none. Needs cs_base == 0 */
    bool no_chain;       /* goto_tb always leaves */
    bool no_far;         /* goto_far is a goto_ptr: another vCPU might run the code */
    bool no_guess;       /* no PageGuess: another vCPU might run the code, or nobody often */
    uint64_t guess_salt; /* part of the checks' keys */
    uint64_t *entry_counter; /* unless NULL: the code adds 1 at its entry */
    uint64_t *side_counter;  /* unless NULL: ... and the n-th side jump to the n-th of these */
    uint64_t *(*helper_counter)(const TcgHelperInfo *h); /* unless NULL: ... and before each call to this */
    bool random_regs;    /* test: random register choice */
    bool no_optimize;    /* test */
    bool as_emitted;     /* tcg_optimize_as_emitted() */
    bool no_x87;         /* test: the front end must not use the x87 ops, which the interpreter does not know */

    /* Called before an op that ends a basic block, calls a helper that is not pure, or leaves; set by the front end, which keeps state
     * that must not live through those. */
    void (*barrier)(void *opaque);
    void *barrier_opaque;

    const TcgOp *interp_insn; /* the interpreter's last insn_start: a caller that catches a fault restores from it */

    /* Result: */
    bool could_guess;          /* but for no_guess it would */
    uint32_t guess_runs;       /* where this TB's runs are counted, or 0 */
    uint8_t *code_rx;
    uint32_t code_size;
    uint8_t *cold_rx;          /* the part in the buffer's cold half, or behind the code when it has none; begins with cold_head */
    uint32_t cold_size;
    uint32_t goto_tb_jump[2];  /* offset of the rel32 of slot n's jmp; ~0: slot unused */
    uint32_t goto_tb_reset[2]; /* offset of the code that the unlinked jump goes to */
    uint8_t far_slots;         /* bit n: slot n is a goto_far's, for tcg_link_far() */
    uint32_t loop_entry;       /* not 0: the goto_tb to the TB's own start may be linked to itself only, at this offset */
    uint8_t loop_slot;
    TcgInsnMap insn_map[TCG_MAX_INSNS + 1];
    unsigned nb_insns;
    TcgInsnMap *stub_map;      /* return addresses of helpers (the first nb_calls) and slow paths: host_end is the exact offset; sorted */
    unsigned nb_stubs, nb_calls, stub_cap;
    GArray *notes;             /* unless NULL, offsets of what is not code in the cold part: uint32_t from, to, ..., in this order */
    TcgLazyExit lazy_exit[2];  /* by goto_tb slot; set by the front end, reset by tcg_begin() */
    uint32_t side_host[TCG_MAX_SIDE_JUMPS]; /* offset behind the n-th side jump's conditional jump */
    unsigned nb_side_jumps;
    unsigned counting_insns;   /* host instructions on the main path that do nothing but count */

    void *backend;             /* register allocator and emitter state */
    void *optimizer;           /* optimize.c's tables, allocated at the first run */
};

/* goto_far's slot is used; else the op is a goto_ptr. */
static inline bool tcg_far_has_slot(const TcgContext *s)
{
    return !s->no_chain && !s->no_far && !s->floating && s->cs_base == 0 && s->tb_cookie <= UINT32_MAX;
}

typedef enum TcgResult { TCG_OK, TCG_TOO_BIG /* fewer guest instructions, please */, TCG_BUFFER_FULL /* flush all */ } TcgResult;

/* One per translating thread. buf's prologue must have been generated (tcg_gen_prologue). */
TcgContext *tcg_context_new(const TcgGuest *guest, CodeBuf *buf);
void tcg_context_free(TcgContext *s);
void tcg_begin(TcgContext *s);        /* forget the last TB: globals and env stay, all else goes */
TcgResult tcg_compile(TcgContext *s); /* optimise, allocate, emit; on TCG_OK the code is in the buffer */

/* Passes (each one file), in the order of tcg_compile; runnable alone by tests. */
void tcg_optimize(TcgContext *s);
/* Behind tcg_begin(): ops are optimised as they are emitted, which spares that pass. What ir-build.c asks for then: may this op, which is
 * complete and the last one, stay? */
void tcg_optimize_as_emitted(TcgContext *s);
bool tcg_emitted_mov(TcgContext *s, TcgOp *op);
bool tcg_emitted_pure1(TcgContext *s, TcgOp *op);
bool tcg_emitted_pure2(TcgContext *s, TcgOp *op);
bool tcg_emitted_pure(TcgContext *s, TcgOp *op);
bool tcg_emitted_store(TcgContext *s, TcgOp *op);
bool tcg_emitted_load(TcgContext *s, TcgOp *op);
bool tcg_emitted_exit(TcgContext *s, TcgOp *op);
bool tcg_emitted_other(TcgContext *s, TcgOp *op);
void tcg_emitted_raw(TcgContext *s, const TcgOp *op);  /* whose inputs may still be changed by who emitted it */
void tcg_emitted_bit(TcgContext *s, TcgTempIdx t);     /* an earlier op has become one that sets t, to 0 or 1 */
void tcg_emit_label(TcgContext *s, unsigned label);    /* it will be the next op */
void tcg_liveness(TcgContext *s);
TcgResult tcg_regalloc_and_emit(TcgContext *s);
bool tcg_verify(const TcgContext *s, GString *why); /* types, counts, labels, use before definition */
void tcg_dump_ops(const TcgContext *s, GString *out); /* "  add i32 eax,eax,ebx" lines, as -d op prints */
bool tcg_arg_is_vec(const TcgOp *op, unsigned n);     /* is output/input n (numbered as in arg[]) a vector? */
/* Value of a pure general op with one output (see fold.c); in: the inputs, c: the constants. Shift counts are
 * masked. false: not such an op, or division impossible. */
bool tcg_fold_op(TcgOpcode opc, TcgType type, const uint64_t *in, const uint64_t *c, uint64_t *out);
bool tcg_fold_cond(TcgCond cond, TcgType type, uint64_t a, uint64_t b);
void tcg_dump_opc_table(GString *out);                /* docs/tcg-ir.md's table */

/* Reference interpreter: runs the ops on env as the host code would, with the guest's slow paths for
 * memory; returns what the epilogue returns (cookie | TbExit). goto_tb/goto_ptr always leave. */
uint64_t tcg_interpret(TcgContext *s, void *env);

/* codebuf.c: code memory; two views of it (W^X). */
struct CodeBuf {
    uint8_t *rw, *rx;
    size_t size;
    uint8_t *ptr, *end;     /* next free byte and limit (rw view); end leaves a margin for one big TB */
    uint8_t *start;         /* first byte after the prologue */
    ptrdiff_t rx_diff;      /* rx - rw */
    uintptr_t (*enter)(void *env, const void *code_rx); /* the prologue */
    const uint8_t *epilogue_rx;
    uint32_t prologue_size;
    const uint8_t *thunk[8]; /* back end's shared routines (rx) */
    /* The cold part: stubs, exits, fault maps. cold: next byte; all NULL: there is none, and they lie behind the code. */
    uint8_t *cold, *cold_start, *cold_end;
    uint8_t *trimmed, *cold_trimmed; /* up to here codebuf_trim() has been */
    uint8_t *ready, *cold_ready;     /* up to here pages are made ahead */
    bool huge;                       /* some are huge pages */
    Guesses *guesses;                /* of checks; NULL: there are none */
};
CodeBuf *codebuf_new(size_t size, GError **errp);
void codebuf_free(CodeBuf *b);
void codebuf_flush(CodeBuf *b); /* forget all TBs, keep the prologue */
void codebuf_trim(CodeBuf *b);  /* with each TB: pages are made ahead, and what was written long ago is not resident twice any more */
void codebuf_add_guesses(CodeBuf *b); /* before the prologue; where memory is too far away there will be none */
/* A new, empty guess for a check with this key. 0: none, the check is to look into the TLB. */
uint32_t codebuf_new_guess(CodeBuf *b, uint32_t key, uint64_t tb, uint32_t runs, unsigned mmu, bool write);
uint32_t codebuf_guess_runs(CodeBuf *b); /* a new count of runs; 0: none, and no guesses */
static inline uint32_t *codebuf_runs(const CodeBuf *b, uint32_t n) { return (uint32_t *)(void *)&b->guesses->guess[n]; }
/* The index of the count with which the TB at code_rx begins, or 0: it has none, begins with something else, or does not count now. */
uint32_t tcg_counts(const CodeBuf *b, const uint8_t *code_rx);
/* Whether a TB of which tcg_counts() gave runs counts there; it is to change. The vCPU's thread, outside the TB's first instruction.
 * Changes no vector register. */
void tcg_set_counting(CodeBuf *b, uint8_t *code_rx, uint32_t runs, bool on);
static inline const uint8_t *codebuf_rx(const CodeBuf *b, const uint8_t *rw) { return rw + b->rx_diff; }
bool codebuf_contains(const CodeBuf *b, uintptr_t rx_addr);

/* Back end (tcg/x86_64). */
/* A return address in a TB's cold part that is not in stub_map: data is that of its instruction. data[0]: first_eip before. */
void tcg_slow_path_data(const uint8_t *ra, uint64_t data[2]);
void tcg_gen_prologue(CodeBuf *b, const TcgGuest *guest);
void tcg_dump_prologue(const CodeBuf *b, GString *out); /* as -d out_asm prints it */
/* Link or unlink: make the jump at code_rx + jump_off go to target_rx. Atomic for running code. */
void tcg_patch_jump(CodeBuf *b, uint8_t *code_rx, uint32_t jump_off, const uint8_t *target_rx);
/* Layout of a goto_far: from the rel32 of its jump back to that of the jump aside and to its number; from goto_tb_reset to the
 * way aside. */
enum { TCG_FAR_ASIDE_JUMP = 5, TCG_FAR_PAGE = TCG_FAR_ASIDE_JUMP + 6, TCG_FAR_ASIDE = 5 };
/* Link a goto_far for pages of this number, for good aside with target_rx == NULL. While no other thread runs the code; unlink
 * by tcg_patch_jump(). */
void tcg_link_far(CodeBuf *b, uint8_t *code_rx, uint32_t jump_off, uint32_t reset_off, uint32_t page, const uint8_t *target_rx);
int tcg_host_pin(int guest_reg);           /* host register that holds general register guest_reg at TB boundaries, or -1 */
void tcg_backend_free(TcgContext *s);      /* frees s->backend; called by tcg_context_free() */
bool tcg_host_has_simd(const char *feature); /* "sse4.1", "ssse3", "aes", "avx", ... of this host */

/* disas.c (capstone). mode_bits 16, 32, 64. AT&T syntax. Appends "0xADDR:  BYTES  TEXT\n" lines. */
void disas_guest(GString *out, const uint8_t *code, size_t len, uint64_t pc, unsigned mode_bits, unsigned max_insns);
void disas_host(GString *out, const uint8_t *code, size_t len, uint64_t pc);
unsigned disas_count_host(const uint8_t *code, size_t len); /* instructions but for nops; one thread at a time */
/* Names for addresses that host code loads (calls of helpers); NULL: none. tcg_context_new() sets the guest's. */
void disas_set_names(bool (*name_of)(const void *fn, const char **name));

#endif
