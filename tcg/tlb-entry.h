/* tlb-entry.h - the memory layout that generated code and the C side share: the head of every guest
 * CPU's env, soft TLB entries, jump-cache entries.
 *
 * A guest address hits when (addr + size - 1) with its page offset cleared equals the entry's tag;
 * the entry is the one that the FIRST byte's page selects, so an access that crosses a page misses.
 * The tag's low bits are zero on the fast path; any TLB_* flag makes the compare fail. */
#ifndef TCG_TLB_ENTRY_H
#define TCG_TLB_ENTRY_H

#include "host/base/osdep.h"

enum {
    TCG_PAGE_BITS = 12,
    TCG_MMU_MODES = 4,
    TLB_ENTRY_BITS = 5, /* sizeof(TlbEntry) == 32 */
};
#define TCG_PAGE_SIZE (1ULL << TCG_PAGE_BITS)
#define TCG_PAGE_MASK (~(TCG_PAGE_SIZE - 1))

enum { /* tag flags; all below the page bits */
    TLB_INVALID = 1 << 11,  /* nothing here (an empty entry is all ones) */
    TLB_MMIO = 1 << 10,     /* device, or ROM for writes */
    TLB_NOTDIRTY = 1 << 9,  /* writes only: page holds code or is tracked */
    TLB_WATCH = 1 << 8,     /* a watchpoint or data breakpoint lies in the page */
};

typedef struct TlbEntry {
    uint64_t addr_read;  /* page address | flags */
    uint64_t addr_write;
    uint64_t addr_code;
    uint64_t addend;     /* host address = guest address + addend (RAM only) */
} TlbEntry;
_Static_assert(sizeof(TlbEntry) == 1 << TLB_ENTRY_BITS, "TLB_ENTRY_BITS");

typedef struct TlbFast {
    uint64_t mask;   /* (entries - 1) << TLB_ENTRY_BITS */
    TlbEntry *table; /* index: (addr >> TCG_PAGE_BITS) << TLB_ENTRY_BITS & mask */
} TlbFast;

enum { JUMP_CACHE_BITS = 16, JUMP_CACHE_ENTRY_BITS = 4 };
#define JUMP_CACHE_SIZE (1u << JUMP_CACHE_BITS)
/* Behind them as many victims for each multiple of 16 in a page: */
enum { JUMP_VICTIM_BITS = 6, JUMP_VICTIM_PAGES = 1 << JUMP_VICTIM_BITS, JUMP_VICTIM_MIX = 0x1e3779b1 };
#define JUMP_CACHE_SLOTS (JUMP_CACHE_SIZE + (1u << (TCG_PAGE_BITS - 4 + JUMP_VICTIM_BITS)))
/* Indexed by the low bits of the linear pc: (pc ^ pc >> JUMP_CACHE_BITS) would need fewer slots (with the low 12
 * bits alone a page fault in Linux missed 25 times, with 16 bits once in two), but the plain low bits cost one
 * instruction less, and slots that are not used cost nothing. jump_cache_index() is the one place that says so.
 * A cache holds TBs of one kind only (flags and cs_base); env points to that of the kind which runs. */
typedef struct JumpCacheEntry {
    uint64_t pc;   /* linear address; a pc that belongs elsewhere when empty: jump_cache_empty() */
    void *code;    /* host entry of the TB; of a floating one, that which sets pc_page (TCG_FLOAT_ENTRY bytes before) */
} JumpCacheEntry;
_Static_assert(sizeof(JumpCacheEntry) == 1 << JUMP_CACHE_ENTRY_BITS, "JUMP_CACHE_ENTRY_BITS");
static inline uint32_t jump_cache_index(uint64_t pc) { return pc & (JUMP_CACHE_SIZE - 1); }
/* Where that index is taken. A floating TB (docs/floating-tbs.md) may be at any page: those of its offset lie together. Also in
 * gen_search() (tcg/x86_64/frame.c). */
static inline uint32_t jump_cache_victim(uint64_t pc)
{
    uint32_t page = pc >> TCG_PAGE_BITS, offset = pc;
    return JUMP_CACHE_SIZE + ((offset & 0xff0) << (JUMP_VICTIM_BITS - 4)) +
           ((page * JUMP_VICTIM_MIX >> (32 - JUMP_VICTIM_BITS)) ^ ((offset & 15) << (JUMP_VICTIM_BITS - 4)));
}
/* Behind all of them, for each linear page (by its low bits) that code of the cache's kind runs in: a number that names this page
 * with the page of RAM that is there, 0: not known. A jump to another page that is linked (goto_far) compares it. */
enum { JUMP_PAGE_BITS = 14, JUMP_PAGE_NONE = INT32_MAX /* nobody's number */ };
#define JUMP_PAGES (1u << JUMP_PAGE_BITS)
static inline uint32_t jump_page_index(uint64_t pc) { return pc >> TCG_PAGE_BITS & (JUMP_PAGES - 1); }
static inline int32_t jump_page_offset(uint64_t pc) /* from the cache's first entry */
{
    return JUMP_CACHE_SLOTS * sizeof(JumpCacheEntry) + jump_page_index(pc) * sizeof(uint32_t);
}
/* 0 is at home where ~0 is not. */
static inline uint64_t jump_cache_empty(uint32_t index) { return index == 0 || index == JUMP_CACHE_SIZE ? ~0ULL : 0; }

/* For accesses at the guest's stack register (TcgGuest.stack_reg): the page where they were last. What a hit in the table would
 * allow this does: a load or store that has (address ^ page) below 4096 goes to address + addend. Emptied by storing
 * TcgEnvHead.no_page, by the vCPU wherever the TLB loses anything, by other threads after they have set TLB_NOTDIRTY. */
typedef struct StackPage {
    uint64_t page;
    uint64_t addend;
} StackPage;

/* For one check in translated code, in modes of TcgGuest.guess_modes: the page where its access was last, as StackPage. Most checks
 * stay on one page for long. CodeBuf.guess has them, for the one vCPU that runs the code. Emptied like StackPage. */
typedef struct PageGuess {
    uint64_t page;
    uint64_t addend;
} PageGuess;

/* The first member of every guest's env. */
enum { X87_LIVE_FLAGS = 1 /* in the host's status word */, X87_LIVE_SIDE_EXIT = 2 /* a side_exit op left */ };

typedef struct TcgEnvHead {
    uint64_t eip;           /* architectural instruction pointer; stale inside a TB, right at every exit */
    void *cpu;              /* CPUState of accel */
    /* x87: while translated code runs the host's control word is x87_cw, and its status flags may hold guest flags
     * that the guest's own copy does not have yet. */
    uint64_t x87_state;     /* x87_state op's constant while a slow path runs, and after leaving from one; else 0 */
    uint16_t x87_cw;        /* read only if x87_modes is set */
    uint16_t x87_sw;        /* scratch */
    uint8_t x87_modes;      /* x87_cw may differ from the host's default */
    uint8_t vec_high;       /* V256 globals from the ninth on may have upper halves that are not zero; set before one is written */
    uint8_t x87_live;       /* 0 or X87_LIVE_*: what there is to do when translated code is left */
    uint32_t mxcsr_run;     /* host MXCSR while translated code runs: guest's modes and sticky flags, all masked */
    uint32_t mxcsr_host;    /* saved by the prologue, restored by the epilogue */
    uint64_t no_page;       /* a page where no access can succeed; not known to the guest */
    /* From gpr[10], the first that is not pinned, on: what translated code is full of, so that its displacement from
     * rbp, which is env + TCG_ENV_BIAS, takes one byte. The guest's next fields are near enough, too. */
    uint64_t gpr[16];       /* guest general registers; pinned ones are stale while translated code runs */
    TlbFast tlb[TCG_MMU_MODES];
    const JumpCacheEntry *jump_cache; /* one without entries while there is an exit request: goto_ptr and goto_far poll by that */
    int32_t exit_request;   /* non-zero: leave at the next poll. Set by any thread: cpu_request_exit() */
    int32_t victim_patience; /* jumps to victims before one asks C code, which may put it where jumps look first */
    uint64_t pc_page;       /* of the floating TB that runs: its linear page (docs/floating-tbs.md) */
    StackPage stack[TCG_MMU_MODES];
} TcgEnvHead;
enum { TCG_ENV_BIAS = 256 };
_Static_assert(offsetof(TcgEnvHead, gpr[10]) == TCG_ENV_BIAS - 128 && sizeof(TcgEnvHead) <= TCG_ENV_BIAS + 128 - 48, "near rbp");

#endif
