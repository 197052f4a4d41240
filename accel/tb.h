/* tb.h - translation blocks: the cache by physical pc, page lists, chaining, invalidation. */
#ifndef ACCEL_TB_H
#define ACCEL_TB_H

#include "accel/cpu.h"

/* An immediate that the TB reads from guest memory each time it runs (tb-patch.c): bytes of its first page. */
typedef struct SoftImmediate {
    uint16_t off;
    uint8_t len;
} SoftImmediate;

struct TB { /* a cache line: what a look-up and an entry in the jump cache read; others are mostly not in the host's caches */
    _Alignas(64) vaddr pc;
    uint32_t cs_base;
    uint32_t flags, cflags;
    bool invalid;
    bool skips_state;         /* overwrites what lazy exits leave out (TcgLazyExit) before anything can look at it */
    uint8_t lazy_slots;       /* bit n: goto_tb slot n may only be linked to such a TB */
    bool has_branch : 1;      /* ends in an indirect branch, whose target CPUOps.check_branch looks at; see branch_off */
    bool floating : 1;        /* code for any linear page: pc is that of its first use */
    ram_addr_t page[2];       /* ram_addr of the page(s); ~0: none (second), or not RAM (first: never cached) */
    ram_addr_t phys_pc;       /* ram_addr of the first byte */
    TB *hash_next;
    uint8_t *code;            /* rx; up to here: the line */
    uint16_t size;            /* guest bytes, 1 .. 2 pages */
    uint16_t icount;
    uint8_t nb_soft;          /* of soft[] */
    uint16_t branch_off;      /* of that instruction from pc */
    uint32_t branch_undo;     /* the guest's: what it takes to undo it */
    uint32_t code_size;
    uint8_t *cold;            /* rx: stubs and exits */
    uint32_t cold_size;
    uint8_t *search;          /* encoded fault map */
    uint32_t search_size;
    TB *page_next[2];         /* next TB of page[n]; see tb-cache.c */
    SoftImmediate soft[4];
    uint32_t jump_off[2], reset_off[2]; /* goto_tb slots; ~0 unused */
    uint32_t loop_entry;      /* offset from code, or 0 */
    uint8_t loop_slot;        /* then: this goto_tb slot may only be linked to the TB itself, at loop_entry */
    TB *jump_dest[2];         /* linked target or NULL */
    TB *incoming;             /* list of TBs whose slot n jumps here: tagged pointers (TB | n) */
    TB *incoming_next[2];
};
/* Where the running TB is, or the one that has just been left. */
static inline vaddr tb_pc_now(CPUState *cpu, const TB *tb)
{
    return tb->floating ? cpu_head(cpu)->pc_page + (tb->pc & ~TCG_PAGE_MASK) : tb->pc;
}
static inline bool tb_has_host(const TB *tb, uintptr_t host_pc) /* a return address may lie right behind the code */
{
    return host_pc - (uintptr_t)tb->code <= tb->code_size || host_pc - (uintptr_t)tb->cold <= tb->cold_size;
}
_Static_assert(offsetof(struct TB, size) == 64, "the first line");

#endif
