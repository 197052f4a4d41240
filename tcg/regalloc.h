/* regalloc.h - private to the back end: where every temp's value is while a TB's code is written.
 *
 * One pass forward over the ops, no look-ahead beyond what liveness left in TcgOp.life. A value is in
 * memory (env slot or spill slot), in a register, or a constant. Several temps may share one register:
 * `mov` only adds its destination to the register's list of holders, which is what makes keeping
 * cc_dst = result free. A pinned global never leaves its host register; it is not in the list of
 * holders, but others may be (aliases), and they are moved away when the pinned global is written.
 *
 * An op's life (every lower_* function follows it):
 *   1. ra_in*() its inputs: they are in registers (or immediate, or memory) and those are locked;
 *   2. ra_tmp() for scratch; 3. ra_kill(): inputs that die here let go of their registers;
 *   4. ra_out() its outputs; 5. write instructions. The caller then unlocks everything. */
#ifndef TCG_REGALLOC_H
#define TCG_REGALLOC_H

#include "tcg/tcg.h"
#include "tcg/x86_64/emit.h"

#define FLOAT_PC R11 /* holds the linear pc at a floating TB's outer entry */

typedef enum Loc { LOC_DEAD, LOC_MEM, LOC_REG, LOC_CONST } Loc;

/* A temp's kind as the allocator asks for it. PINNED, CONST, ENV: untracked, they are always where they are. */
typedef enum RaKind { RA_EBB, RA_LOCAL, RA_GLOBAL, RA_PINNED, RA_CONST, RA_ENV } RaKind;

typedef struct RaTemp { /* 16 bytes: all of a TB's are written before it begins */
    uint8_t loc, kind;
    int8_t reg;       /* LOC_REG, and of a pinned global always */
    bool coherent;    /* its home in memory holds the value */
    uint16_t slot_bb; /* the basic block that an EBB temp's slot belongs to */
    uint16_t slot;    /* frame offset, 0: none yet (locals and EBB temps) */
    union {
        struct { TcgTempIdx next, prev; }; /* LOC_REG: holders of one register */
        uint64_t value;                    /* LOC_CONST */
    };
} RaTemp;
_Static_assert(sizeof(RaTemp) == 16 && FRAME_VSAVE < UINT16_MAX, "small, and a slot's offset fits");

typedef enum OpndKind { OPND_REG, OPND_IMM, OPND_MEM } OpndKind;
typedef struct Opnd { /* 16 bytes go from function to function in registers */
    uint8_t kind; /* OpndKind */
    int8_t reg;   /* NOREG unless OPND_REG */
    union {
        int64_t imm;
        X86Mem mem;
    };
} Opnd;
_Static_assert(sizeof(Opnd) == 16, "small");

/* A dirty global at an access that may fault: what its stub must store. */
typedef struct SnapEntry {
    TcgTempIdx temp;
    uint8_t loc;
    int8_t reg;
    uint64_t value;
} SnapEntry;

typedef struct Snapshot { uint32_t first, n; } Snapshot; /* of Ra.snap */

/* An out-of-line part, written at the end of the TB. */
typedef struct Stub {
    uint8_t opc;               /* TCG_OP_guest_*, poll_exit, goto_ptr */
    uint8_t nb_from;
    uint8_t vec_live;          /* 0: no vector register in use, 1: xmm, 2: ymm */
    bool leader, vex, guess_write;
    bool shared, write;        /* member of a group that shares a check: looks into the TLB by itself first */
    bool goes_on;              /* the next stub is that of the group's next access, right behind this one's: on with that one */
    uint16_t group;            /* 0: none */
    uint8_t zero_regs, nb_zero; /* what becomes zero behind a slow path: bit n: r8 + n; frame offsets */
    int32_t zero_slot[4];
    int8_t out;                /* register that the result goes to, or NOREG */
    int8_t tmp;                /* free in the stub */
    int8_t alu_reg;            /* a load is an operand in memory: alu_reg = alu_reg <alu> out. NOREG: it is not */
    uint8_t alu;
    bool alu_w;
    Opnd arg[3];               /* address, value(s) */
    int32_t disp;
    uint32_t oi, rmw;
    Snapshot snap;
    uint8_t *from[3], *back;   /* jumps to the stub; where it returns to */
    uint8_t *from_misaligned;  /* jump to its slow path, when shared */
    uint8_t *stack_check;      /* unless NULL: the check was one of the stack's page, and is here; or of a guessed one: */
    uint32_t guess;            /* Guesses.guess's index, or 0 */
    int32_t stack_add;         /* Ra.stack_add then */
    uint64_t x87_insn, x87_state;
    uint64_t data[2];          /* insn_start's; data[0] is the eip for poll_exit */
} Stub;

static inline bool stub_is_exit(const Stub *st) /* not an access to guest memory */
{
    return st->opc == TCG_OP_poll_exit || st->opc == TCG_OP_goto_ptr || st->opc == TCG_OP_goto_code ||
           st->opc == TCG_OP_side_exit;
}

enum { MAX_STUBS = 2048, MAX_SNAPS = 16384, MAX_FIXUPS = 1024, MAX_EXITS = 2048, CACHED_WORDS = TCG_MAX_TEMPS / 64 };

/* share.c: accesses that do with one TLB check. lo, hi: bytes of all members, from the first one's first byte. */
typedef struct ShareGroup {
    uint16_t first, last; /* op indices */
    TcgTempIdx temp;      /* the page's addend, or 0: not known */
    int16_t lo, hi;
    bool write;
    uint8_t mmu;
} ShareGroup;
typedef struct ShareValue { uint64_t epoch, off; uint32_t root; } ShareValue;
enum { MAX_GROUPS = 512, MAX_LIVE_GROUPS = 4, GROUP_ALIGNED = 1 << 15 /* in group_of: an earlier member's test is enough */ };

/* loop.c: a TB that jumps to its own start. Bit n: vector global n. */
typedef struct RaLoop {
    uint64_t used, written; /* 0: no such TB */
    int8_t home[64];        /* host register of each at loop_entry */
    uint8_t slot;           /* of the jump back */
} RaLoop;

typedef struct ExitTail { uint8_t *from; uint8_t reason; } ExitTail;

typedef struct Ra {
    TcgContext *s;
    Emit e;
    TcgOp *op;
    unsigned op_index;
    uint32_t locked;                 /* registers that the current op needs */
    uint32_t stamp[NB_REGS];         /* op index of the last use */
    uint32_t held;                   /* registers that have holders */
    TcgTempIdx head[NB_REGS];        /* holders, TCG_NO_TEMP: none */
    TcgTempIdx pin[16];              /* the pinned global of a host register */
    uint64_t cached[CACHED_WORDS];   /* globals and locals that are in a register or constant */
    unsigned cached_words;
    int32_t slot_low, slot_high;     /* spill area: locals from below, EBB temps from above until the block ends */
    uint16_t bb;                     /* counts basic blocks */
    bool too_big;
    bool uses_ymm;
    uint32_t rng;
    uint64_t insn_data[2];
    TcgTempIdx stack_temp;           /* the guest's stack register, or TCG_NO_TEMP */
    int32_t stack_add;               /* to be added to it, see ra_stack_waits() */
    uint64_t x87_state;              /* of the last x87_state op */
    uint32_t label_off[TCG_MAX_LABELS];
    struct { uint8_t *pos; uint16_t label; } fixup[MAX_FIXUPS];
    unsigned nb_fixups;
    ExitTail exit[MAX_EXITS];
    unsigned nb_exits;
    Stub stub[MAX_STUBS];
    unsigned nb_stubs;
    SnapEntry snap[MAX_SNAPS];
    unsigned nb_snaps;
    struct {
        uint8_t *jump;      /* to here, from the main path */
        uint64_t eip;
        uint8_t slot;
        uint8_t *aside;     /* goto_far: another one */
        bool loop_exit;     /* not yet the goto_tb: a loop's values are stored first */
        Snapshot state, values; /* for the unlinked way, for loop_exit */
    } tail[2];              /* goto_tb's and goto_far's parts that are not on the main path */
    unsigned nb_tails;
    RaLoop loop;
    ShareGroup group[MAX_GROUPS];
    unsigned nb_groups;
    uint16_t live_group[MAX_LIVE_GROUPS];
    unsigned nb_live_groups;
    uint64_t share_epoch;
    uint16_t group_of[TCG_MAX_OPS]; /* of an access; 0: none */
    ShareValue share_value[TCG_MAX_TEMPS];
    RaTemp *fresh;                   /* of the globals, as a TB begins */
    RaTemp t[TCG_MAX_TEMPS];
} Ra;

void tcg_find_shared_checks(Ra *l); /* share.c; adds temps */

/* regalloc.c */
Reg ra_bring_in(Ra *l, TcgTempIdx t);          /* ra_in() of what is in no register */
Opnd ra_in_ri(Ra *l, TcgTempIdx t, TcgType type);  /* register, or an immediate that fits 32 bits */
Opnd ra_in_rmi(Ra *l, TcgTempIdx t, TcgType type); /* or memory */
Opnd ra_in_rm(Ra *l, TcgTempIdx t);            /* register or memory */
Opnd ra_in_any(Ra *l, TcgTempIdx t);           /* as it is, any 64-bit constant; nothing is loaded */
Opnd ra_in_not_scratch(Ra *l, TcgTempIdx t);   /* as ra_in_any, but does not occupy a scratch register */
bool ra_is_const(Ra *l, TcgTempIdx t, uint64_t *value);
Reg ra_out(Ra *l, TcgTempIdx t, Reg prefer);   /* register to write t into */
void ra_out_at(Ra *l, TcgTempIdx t, Reg r);    /* unpinned t has just been written into the free scratch r */
void ra_out_alias(Ra *l, TcgTempIdx t, TcgTempIdx src); /* t = src without code, where possible */
void ra_out_const(Ra *l, TcgTempIdx t, uint64_t value);
Reg ra_tmp(Ra *l);
Reg ra_tmp_at(Ra *l, Reg r);                   /* r itself, a scratch register; any other if an input has it */
Reg ra_tmpv(Ra *l);
void ra_evict(Ra *l, Reg r);                   /* nobody holds r afterwards (not for pinned registers) */
void ra_evacuate(Ra *l, Reg pinned);           /* aliases that outlive this op leave the register */
bool ra_dies(Ra *l, TcgTempIdx t);             /* t is an input that dies at this op */
/* Host register of a pinned global, or NOREG. */
static inline Reg ra_pin(Ra *l, TcgTempIdx t) { return l->t[t].kind == RA_PINNED ? l->t[t].reg : NOREG; }
void ra_release(Ra *l, TcgTempIdx t);          /* the value is gone */
/* In a register, which the op needs from now on; may clobber the flags. */
static inline Reg ra_in(Ra *l, TcgTempIdx t)
{
    const RaTemp *rt = &l->t[t];

    if (rt->kind != RA_PINNED && rt->loc != LOC_REG)
        return ra_bring_in(l, t);
    l->locked |= REG_BIT(rt->reg);
    l->stamp[(unsigned)rt->reg] = l->op_index;
    return rt->reg;
}
/* Inputs that die at this op let go. */
static inline void ra_kill(Ra *l)
{
    const TcgOp *op = l->op;
    for (unsigned m = op->life & 0xff; m; m &= m - 1)
        ra_release(l, op->arg[__builtin_ctz(m)]);
}
void ra_sync_globals(Ra *l, uint64_t but);      /* dirty unpinned globals to env; not those (of the first 64) in but */
void ra_sync(Ra *l);                           /* and locals to their slots */
void ra_forget_globals(Ra *l);                 /* unpinned globals: only env counts */
void ra_forget(Ra *l);                         /* at a label: only memory counts */
void ra_end_bb(Ra *l);                         /* EBB temps are dead */
void ra_drop_vectors(Ra *l);                   /* write back what lives in vector registers, and empty them */
void ra_drop_scratch(Ra *l);                   /* the same for r8-r11 */
Snapshot ra_snapshot(Ra *l, uint64_t but);
int ra_vec_live(Ra *l);
X86Mem ra_home(Ra *l, TcgTempIdx t);
void ra_load_at(Ra *l, TcgTempIdx t, Reg r, bool coherent); /* a global, from env, into a register that nobody holds */
void ra_to_memory(Ra *l, TcgTempIdx t);                     /* and no longer in a register */
void ra_in_memory(Ra *l, TcgTempIdx t);                     /* an unpinned output that was written to where it lives */
void ra_move_vector(Ra *l, TcgTempIdx t, Reg r);            /* to a register that nobody holds */
void ra_move_opnd(Ra *l, Reg d, Opnd o);       /* 64 bits; leaves the flags alone */
void ra_store_value(Ra *l, X86Mem m, unsigned bytes, Opnd o, Reg tmp); /* tmp: NOREG or free */

/* loop.c */
void ra_loop_begin(Ra *l);                    /* is it a loop? Then write what comes before loop_entry */
Reg ra_loop_home(Ra *l, TcgTempIdx t);        /* where t should better be written to: if nobody holds it. NOREG: no matter */
void ra_loop_back(Ra *l);                     /* everything is where loop_entry expects it */

/* stack-moves.c. May op come before what is to be added to the stack register? An access at it then is adjusted, an addition of a constant to it taken
 * in, and the op is a nop. Otherwise add it first. */
bool ra_stack_waits(Ra *l, TcgOp *op);
void ra_settle_stack(Ra *l);

/* The op behind op i that is not a nop; s->nb_ops: none. */
static inline unsigned ra_next_op(Ra *l, unsigned i)
{
    do
        i++;
    while (i < l->s->nb_ops && l->s->ops[i].opc == TCG_OP_nop);
    return i;
}

/* Where env is: rbp points into the middle of what is used most. */
static inline X86Mem mem_env(int32_t off) { return mem_at(RBP, off - TCG_ENV_BIAS); }
static inline bool fits32(int64_t v) { return v == (int32_t)v; }

/* lower*.c: one op each */
void lower_op(Ra *l);
bool lower_alu_op(Ra *l);     /* true: it was its op */
bool lower_bits_op(Ra *l);    /* lower-bits.c */
bool lower_vec_op(Ra *l);     /* lower-vec.c */
bool lower_control_op(Ra *l); /* lower-control.c */
void lower_call(Ra *l, const TcgOp *op); /* lower-call.c */
bool lower_guest_op(Ra *l);   /* guest-ldst.c */
bool lower_x87_op(Ra *l);     /* lower-x87.c */
Stub *guest_begin_access(Ra *l, Reg a, int32_t disp, uint32_t oi, unsigned bytes, bool write, Reg t, Reg u); /* TLB check; see there */
/* tlb-check.c: afterwards t is the addend, the byte is at [t + a + disp]. For the first member of group g that is a check of all its bytes.
 * u is free behind it. */
void tlb_check(Ra *l, Stub *st, const ShareGroup *g, Reg a, unsigned size, bool write, Reg t, Reg u);
/* Does its comparison with the tag see a misaligned first byte? Otherwise members of a group are tested by themselves. */
bool tlb_check_tests_alignment(const ShareGroup *g, unsigned size);
void x87_guest_stub(Ra *l, const Stub *st, const uint8_t *thunk);
void x87_stub_state(Ra *l, const Stub *st, bool on); /* env's x87_state around a slow path */
void stub_zero_groups(Ra *l, const Stub *st);         /* shared TLB checks that C code may have made wrong */
void stub_return_address(Ra *l, const uint64_t data[2]); /* right behind a call of C code that may look at guest state: the fault map's entry */
X86Cond lower_compare(Ra *l, TcgType type, TcgCond cond, TcgTempIdx a, TcgTempIdx b); /* emits cmp or test */
void lower_counter(Ra *l, uint64_t *counter, Reg t); /* *counter += 1; changes t and the flags */
bool lower_is_target(Ra *l, TcgTempIdx t); /* result of this op: a goto_ptr soon wants it in FLOAT_PC */
uint8_t *lower_float_entry(CodeBuf *b); /* at b->ptr; returns where the TB's code begins, aligned as it was */
uint8_t *lower_finish(Ra *l); /* tails and fix-ups at the end of the TB; returns the end of what is not in the cold part */
void guest_stubs(Ra *l);
void vzeroupper_stub(Ra *l, const Stub *st);
Stub *stub_new(Ra *l, unsigned opc); /* never NULL: when there are too many the last one is reused */
void stub_from(Stub *st, uint8_t *jump);
void lower_exit(Ra *l, uint8_t *jump, unsigned reason); /* let the jump lead to the epilogue; TbExit or EXIT_SEARCH */
X86Mem lower_host_mem(Ra *l, TcgTempIdx base, int64_t off);
void stub_store_snapshot(Ra *l, Snapshot snap, Reg tmp); /* tmp: NOREG or free */
void emit_vec_move(Ra *l, TcgType type, Reg d, Reg s);

/* frame.c */
/* Make the page of the access at x ^ StackPage.page the stack's page; x is one of r8 to r11. Equal: done; no register changes. */
const uint8_t *frame_stack_page(const CodeBuf *b, unsigned mmu, Reg x);
/* The same for the guess whose index is at FRAME_ARG1, with x in FRAME_ARG0. */
const uint8_t *frame_guess(const CodeBuf *b, unsigned mmu, bool write);
/* Where a goto_ptr goes that has missed, with eip in env and r11 as for the epilogue. */
const uint8_t *frame_search(const CodeBuf *b, bool victims); /* victims: eip in env is the linear pc */
/* Ways out that are called, with data behind the call, at any address: 4 bytes of what the epilogue returns, and eip unless LEAVE_STORED, in 8 bytes
 * for LEAVE_64, else in 4, sign-extended and for LEAVE_FLOAT from pc_page on. r8 to r11 are free. */
enum { LEAVE_STORED, LEAVE_32, LEAVE_64, LEAVE_FLOAT, NB_LEAVE };
/* To the epilogue; search, victims: as frame_search(). */
const uint8_t *frame_leave(const CodeBuf *b, unsigned how, bool search, bool victims);
const uint8_t *frame_leave_reg(const CodeBuf *b, Reg eip); /* the same with eip in a register, any, as it is searched for among victims, too */
/* Of a goto_far, with TB_EXIT_SLOT0 or 1: to the epilogue, past a call that lies between; aside: to the jump cache. LEAVE_32 or _64 */
const uint8_t *frame_leave_far(const CodeBuf *b, unsigned how, bool aside);
enum { EXIT_SEARCH = TB_EXIT_POLL + 1 }; /* of lower_exit(): that way, and by TB_EXIT_LOOKUP if there is nothing */
enum { THUNK_LD, THUNK_ST, THUNK_RMW, THUNK_CMPXCHG, THUNK_LDV, THUNK_STV, THUNK_X87, NB_THUNKS };
/* An access with a note in front of the call (slow-path.c): THUNK_LD, _ST, _LDV or _STV, size bytes at FRAME_ARG0, which is to be aligned
 * (memop_align_mask()) or takes the slow path. An access of a group, by itself, else by the slow path, too. Changes no register but what
 * the note says. */
const uint8_t *frame_try(const CodeBuf *b, unsigned kind, unsigned size, unsigned mmu, unsigned align);
/* The same for THUNK_LD and _ST without a demand, at register a or, disp, that + the note's displacement. */
const uint8_t *frame_try_at(const CodeBuf *b, unsigned kind, unsigned size, unsigned mmu, Reg a, bool disp);
const uint8_t *frame_slow(const CodeBuf *b); /* the slow path at once */
enum { SLOW_NOTE_MAX = 2048 };
/* The note of a load or store, which ends at end (SLOW_NOTE_MAX bytes before that there is room); returns where it begins. in_frame: the
 * address is in FRAME_ARG0. */
uint8_t *slow_note(const Ra *l, const Stub *st, bool in_frame, uint8_t *end);
void frame_slow_path(TcgEnvHead *env, uint8_t *frame, const uint8_t *ra, const TcgGuest *guest); /* of frame_slow()'s thunk */
/* cross.c: the same for an access on two pages. buf: 8 bytes, of a vector 32. 0: done. Changes no vector register. */
enum { CROSS_SIZE = 0x3f, CROSS_WRITE = 1 << 6, CROSS_ZERO = 1 << 7 /* a load fills 32 bytes */, CROSS_MMU_SHIFT = 8 };
uint32_t frame_cross(const TcgEnvHead *env, uint64_t addr, void *buf, uint32_t ctl);
const uint8_t *frame_thunk(const CodeBuf *b, unsigned kind, unsigned vec_live); /* of a slow path */
const uint8_t *frame_store_pinned(const CodeBuf *b); /* all pinned registers to env; changes none */
const uint8_t *frame_load_pinned(const CodeBuf *b);  /* and back, except rax */
void frame_move_pinned(Emit *e, bool to_env, uint32_t regs); /* the pinned ones of regs, in line */
typedef struct HostFeatures { bool bmi1, bmi2, lzcnt, popcnt, avx; } HostFeatures;
extern HostFeatures host_features; /* tests may clear some */

#endif
