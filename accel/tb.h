/* tb.h - translation blocks: the cache by physical pc, page lists, chaining, invalidation. */
#ifndef ACCEL_TB_H
#define ACCEL_TB_H

#include "accel/cpu.h"

extern CodeBuf *jit_buf;

/* TBs lie in one array, and know each other by their place in it. */
typedef uint32_t TbRef;    /* place + 1; 0: none */
typedef uint32_t TbSlot;   /* a TB and 0 or 1, which of its pages or jumps: TbRef << 1 | n; 0: none */

/* 128 bytes, as there are hundreds of thousands. The first line is what a look-up, an entry in the jump cache and a
 * link read: TBs are mostly not in the host's caches. */
struct TB {
    _Alignas(64) vaddr pc;
    ram_addr_t phys_pc;       /* ram_addr of the first byte; NO_PAGE: not RAM, never cached */
    ram_addr_t second;        /* ram_addr of the second page; NO_PAGE: none */
    uint8_t *code;            /* rx */
    uint32_t cs_base, flags;
    uint16_t cflags;
    uint16_t size;            /* guest bytes, 1 .. 2 pages */
    uint16_t icount;
    bool invalid;
    bool skips_state;         /* overwrites what lazy exits leave out (TcgLazyExit) before anything can look at it */
    uint8_t lazy_slots : 2;   /* bit n: goto_tb slot n may only be linked to such a TB */
    uint8_t loop_slot : 1;    /* if loop_entry: this goto_tb slot may only be linked to the TB itself, at loop_entry */
    bool has_branch : 1;      /* ends in an indirect branch, whose target CPUOps.check_branch looks at; see branch_off */
    bool could_guess : 1;     /* checks without guesses that would have some if the TB were known to run often */
    uint8_t far_slots : 2;    /* bit n: jump slot n leads to another page (tcg_link_far()) */
    bool floating : 1;        /* code for any linear page: pc is that of its first use */
    uint8_t nb_soft;          /* immediates that it reads when it runs: tb-patch.c has them */
    uint16_t branch_off;      /* of that instruction from pc */
    uint32_t branch_undo;     /* the guest's: what it takes to undo it */
    TbSlot incoming;          /* list of TBs whose slot n jumps here */
    uint32_t page_number;     /* of the pair of linear and RAM page that it begins on: see jump_page_index(). 0: none */
    uint32_t code_size;       /* here the second line begins */
    uint32_t cold, cold_size; /* stubs and exits: from the code buffer's begin */
    uint32_t map;             /* encoded fault map, likewise; 0: none */
    uint32_t loop_entry;      /* offset from code, or 0 */
    uint32_t jump_off[2], reset_off[2]; /* goto_tb slots; ~0 unused */
    TbRef jump_dest[2];       /* linked target */
    TbSlot page_next[2];      /* next TB of the first and second page; see tb-cache.c */
    TbSlot incoming_next[2];
};
_Static_assert(offsetof(struct TB, code_size) == 64 && sizeof(struct TB) == 128, "two lines");

extern TB *tb_array;
static inline TB *tb_of(TbRef r) { return tb_array + (r - 1); }
static inline TbRef tb_ref(const TB *tb) { return (TbRef)(tb - tb_array) + 1; }
/* How translated code names its TB when it leaves, beside TB_EXIT_MASK: a small number takes fewer bytes. */
static inline uintptr_t tb_cookie(const TB *tb) { return (uintptr_t)tb - (uintptr_t)tb_array; }
static inline TB *tb_of_cookie(uintptr_t r) { return (TB *)((uintptr_t)tb_array + (r & ~(uintptr_t)TB_EXIT_MASK)); }
/* Its RAM pages; NO_PAGE: none. */
static inline ram_addr_t tb_page(const TB *tb, int n)
{
    return n ? tb->second : tb->phys_pc == ~(ram_addr_t)0 ? tb->phys_pc : tb->phys_pc & TCG_PAGE_MASK;
}
/* Where the running TB is, or the one that has just been left. */
static inline vaddr tb_pc_now(CPUState *cpu, const TB *tb)
{
    return tb->floating ? cpu_head(cpu)->pc_page + (tb->pc & ~TCG_PAGE_MASK) : tb->pc;
}
static inline bool tb_has_host(const TB *tb, uintptr_t host_pc) /* a return address may lie right behind the code */
{
    return host_pc - (uintptr_t)tb->code <= tb->code_size || host_pc - (uintptr_t)(jit_buf->rx + tb->cold) <= tb->cold_size;
}

#endif
