/* tlb-internal.h - what cputlb.c (tables, flushes, filling), tlb-space.c (address spaces kept) and tlb-access.c (accesses
 * from C) share. */
#ifndef ACCEL_TLB_INTERNAL_H
#define ACCEL_TLB_INTERNAL_H

#include "accel/internal.h"

#include <sched.h>

typedef struct TlbFull { /* beside each TlbEntry */
    MemoryRegion *mr;      /* what is there; NULL: unassigned */
    uint64_t mr_offset;    /* of the page's first byte in mr */
    hwaddr paddr;          /* page */
    ram_addr_t ram_addr;   /* page; NO_PAGE: no RAM or ROM */
    uint8_t page_bits;     /* of the guest's mapping: 12, 21, 22, 30 */
    bool global;
    uint8_t listed;        /* bit k: the slot is in ModeTlb.filled[k] */
} TlbFull;

enum {
    TLB_MIN_BITS = 8, TLB_MAX_BITS = 16, VICTIMS = 8,
    SWAP_MAX_BITS = 16, /* to part pages that change places with the victims, a table grows to this at most */
};

/* Which large pages were filled: exact in saying no. Kept for global pages and others apart. */
typedef struct LargeFilter {
    vaddr lo, hi;          /* all lie in [lo, hi]; lo > hi: none */
    uint64_t sizes;        /* bit: this page_bits was seen */
    uint64_t bits[16];     /* by hash of page number and size */
} LargeFilter;

typedef struct ModeTlb {
    TlbFull *full;
    uint32_t *filled[2];   /* slots filled since the last flush: [0] other pages, [1] global ones; a slot in
                            * use is in the list of its kind, and may be left over in the other */
    uint32_t nb_filled[2];
    uint32_t bits;
    uint32_t evictions;    /* since the last resize, halved at flushes: other pages pushed out or back to the victims */
    uint32_t window_max;   /* most slots in use at a flush in this window of flushes */
    uint32_t window_flushes;
    LargeFilter large[2];
    bool victims;          /* there may be some */
    uint32_t victim_next;
    TlbEntry victim[VICTIMS];
    TlbFull victim_full[VICTIMS];
} ModeTlb;

/* Per RAM page: which entries may write it without TLB_NOTDIRTY. */
typedef struct WriteNote {
    uint32_t gen;          /* of the TLB when one was last made; not the current one: there are none */
    bool many;             /* through more than two linear pages: protecting needs a walk */
    vaddr va[2];           /* NO_VA: none */
} WriteNote;
#define NO_VA (~(vaddr)0)

/* The tables of an address space that is not the current one. */
typedef struct TlbSpace {
    bool valid;
    uint32_t number;
    uint64_t last_used;    /* for choosing the one to give up */
    uint64_t page_flushes; /* CpuTlb.page_flushes when it was put away */
    ModeTlb mode[TCG_MMU_MODES]; /* those of CPUOps.space_modes; no victims */
    TlbFast fast[TCG_MMU_MODES];
    SavedJumps jumps;
} TlbSpace;

enum { TLB_SPACES_KEPT = 6, PAGE_FLUSHES_KEPT = 32, TLB_MAX_TABLES = TCG_MMU_MODES * (1 + TLB_SPACES_KEPT) };

enum { GUESS_SPACE, GUESS_SHARED, GUESS_LISTS };

typedef struct CpuTlb {
    int lock;              /* a spin lock: held for a few dozen instructions, hardly ever contended */
    ModeTlb mode[TCG_MMU_MODES];
    WriteNote *notes;
    uint64_t nb_notes;
    uint32_t gen;
    /* tlb-space.c */
    uint32_t space;        /* the current one */
    TlbSpace *kept;        /* [TLB_SPACES_KEPT]; NULL until a second address space is used */
    uint64_t space_clock;
    uint64_t page_flushes; /* counts tlb_flush_page(); the last of them: */
    vaddr page_flushed[PAGE_FLUSHES_KEPT];
    /* tlb-guess.c: those that may hold a page; those of modes that have a table for each address space apart */
    uint32_t *guess[GUESS_LISTS];
    uint32_t nb_guesses[GUESS_LISTS];
    bool local_guess_lost; /* one of GUESS_SHARED may have a page that is not global and has left the table */
    TB *guess_tb[16];      /* to be translated again */
    unsigned nb_guess_tbs;
    /* Pages with data breakpoints */
    struct { vaddr start; uint64_t len; } watch[8];
    unsigned nb_watch;
} CpuTlb;

extern const TlbEntry tlb_empty_entry;

static inline void lock_tlb(CpuTlb *tlb)
{
    for (unsigned spins = 1; unlikely(__atomic_exchange_n(&tlb->lock, 1, __ATOMIC_ACQUIRE)); spins++)
        if (spins % 64 == 0)
            sched_yield();
}
static inline void unlock_tlb(CpuTlb *tlb) { __atomic_store_n(&tlb->lock, 0, __ATOMIC_RELEASE); }

static inline size_t slot_of(const TlbFast *f, vaddr addr)
{
    return (addr >> TCG_PAGE_BITS) & (f->mask >> TLB_ENTRY_BITS);
}

/* The page of an entry: whichever tag is in use (an entry is made for one page). */
static inline vaddr entry_page(const TlbEntry *e)
{
    uint64_t t = e->addr_read != ~0ULL ? e->addr_read : e->addr_write != ~0ULL ? e->addr_write : e->addr_code;
    return t & TCG_PAGE_MASK;
}

static inline bool entry_used(const TlbEntry *e)
{
    return (e->addr_read & e->addr_write & e->addr_code) != ~0ULL;
}

static inline uint64_t entry_tag(const TlbEntry *e, AccessType type)
{
    return type == ACCESS_LOAD ? e->addr_read : type == ACCESS_STORE ? e->addr_write : e->addr_code;
}

/* The tag is for this page, whatever its flags but INVALID. */
static inline bool tag_hits(uint64_t tag, vaddr addr)
{
    return (addr & TCG_PAGE_MASK) == (tag & (TCG_PAGE_MASK | TLB_INVALID));
}

/* cputlb.c */
void tlb_drop_stack_pages(CPUState *cpu); /* any thread */
/* under the TLB lock */
bool tlb_mode_alloc(ModeTlb *t, TlbFast *f, unsigned bits); /* an empty table; false: no memory, nothing has changed */
void tlb_mode_init(ModeTlb *t);
void tlb_mode_resize(ModeTlb *t, TlbFast *f, unsigned bits);
enum { TLB_OTHERS = 1, TLB_GLOBALS = 2 };
void tlb_mode_flush(ModeTlb *t, TlbFast *f, unsigned kinds);
unsigned tlb_mode_flush_page(ModeTlb *t, TlbFast *f, vaddr addr, bool only_global); /* page_bits of the largest page that it may be in */
void tlb_victims_clear(ModeTlb *t);

/* tlb-guess.c. As for the stack's pages: where the TLB loses anything, and after entries were marked TLB_NOTDIRTY. By the owner of the
 * TLB but for the last one. */
void tlb_guess_init(CPUState *cpu);
void tlb_guess_free(CPUState *cpu);
void tlb_drop_guesses(CPUState *cpu);
void tlb_drop_local_guesses(CPUState *cpu); /* before what is not global goes, under the TLB lock */
void tlb_guess_evicted(CPUState *cpu, vaddr page, unsigned mmu_idx); /* a page that is not global has left table and victims, unflushed */
void tlb_drop_guesses_of(CPUState *cpu, vaddr page, uint64_t size); /* of a page of that size, if they may hold it */
void tlb_check_guesses(CPUState *cpu, vaddr page, const TlbEntry *e, unsigned mmu_idx); /* e is the page's new entry */
void tlb_protect_guesses(CPUState *cpu, ram_addr_t start, ram_addr_t end); /* any thread */

/* tlb-space.c; under the TLB lock */
typedef struct TableRef { ModeTlb *t; TlbFast *f; } TableRef;
unsigned tlb_all_tables(CPUState *cpu, TableRef out[TLB_MAX_TABLES]); /* the current ones and those kept */
void tlb_spaces_forget(CPUState *cpu); /* all that is kept of other spaces */
void tlb_spaces_free(CPUState *cpu);

/* The entry for addr, filled if needed, and the facts beside it. NULL only for a probe that faults. */
TlbEntry *tlb_entry_for(CPUState *cpu, vaddr addr, unsigned size, AccessType type, unsigned mmu_idx, bool probe,
                        uintptr_t ra, TlbFull **full);

#endif
