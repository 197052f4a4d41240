/* tb.h - translation blocks: the cache by physical pc, page lists, chaining, invalidation. */
#ifndef ACCEL_TB_H
#define ACCEL_TB_H

#include "accel/cpu.h"

extern CodeBuf *jit_buf;

/* TBs lie in one array, and know each other by their place in it. */
typedef uint32_t TbRef;    /* place + 1; 0: none */
typedef uint32_t TbSlot;   /* a TB and 0 or 1, which of its pages or jumps: TbRef << 1 | n; 0: none */

enum { TB_NO_PAGE = -1 }; /* of TB.page */

/* One line, as there are hundreds of thousands and they are mostly not in the host's caches. What only a link, an invalidation or a
 * fault wants is in its TbCold. */
struct TB {
    _Alignas(64) vaddr pc;
    uint32_t page;            /* number of the RAM page of the first byte; TB_NO_PAGE: not RAM, never cached */
    uint32_t page_number;     /* of the pair of linear and RAM page that it begins on: see jump_page_index(). 0: none */
    uint32_t code;            /* from the code buffer's begin */
    uint32_t cs_base, flags;
    uint16_t cflags;
    uint16_t size : 14;       /* guest bytes, 1 .. 2 pages */
    uint16_t has_soft : 1;    /* immediates that it reads when it runs: tb-patch.c has them */
    uint16_t has_loop : 1;    /* its goto_tb loop_slot may only be linked to the TB itself, at TbCold.loop_entry */
    uint16_t icount : 14;
    uint16_t far_slots : 2;   /* bit n: jump slot n leads to another page (tcg_link_far()) */
    bool invalid;
    uint8_t lazy_slots : 2;   /* bit n: goto_tb slot n may only be linked to a TB that skips_state */
    uint8_t skips_state : 1;  /* overwrites what lazy exits leave out (TcgLazyExit) before anything can look at it */
    uint8_t loop_slot : 1;
    uint8_t has_branch : 1;   /* ends in an indirect branch, whose target CPUOps.check_branch looks at; it has no goto_tb */
    uint8_t could_guess : 1;  /* checks without guesses that would have some if the TB were known to run often */
    uint8_t floating : 1;     /* code for any linear page: pc is that of its first use */
    uint8_t two_pages : 1;    /* TbCold.second is the other one */
    TbSlot incoming;          /* list of TBs whose slot n jumps here */
    uint32_t cold;            /* TbCold, stubs and exits: from the code buffer's begin */
    union {
        TbRef jump_dest[2];   /* linked target; see tb_dest() */
        struct {
            uint32_t undo;    /* the guest's: what it takes to undo the branch */
            uint16_t off;     /* of that instruction from pc */
        } branch;
    };
    TbSlot incoming_next[2];
    TbSlot page_next;         /* next TB of the first page; see tb-cache.c */
};
_Static_assert(sizeof(struct TB) == 64, "a line of the host's caches");

/* The begin of a TB's cold part, which the back end leaves free. Offsets of 16 bits, as the parts of a TB are shorter. */
typedef struct TbCold {
    uint16_t jump_off[2];     /* goto_tb slots' rel32: from code, or TB_IN_COLD and from here; TB_NO_JUMP: unused */
    uint16_t reset_off[2];    /* where they lead when not linked, from here */
    uint16_t map;             /* encoded fault map, likewise; 0: none */
    uint16_t loop_entry;      /* from code */
    uint32_t second;          /* number of the second RAM page; this and the next only if there is one */
    TbSlot page_next;         /* next TB of that page */
} __attribute__((packed)) TbCold;
enum { TB_COLD_HEAD = offsetof(TbCold, second) };
_Static_assert(TCG_MAX_PART == 1 << 15, "what an offset holds");
enum { TB_IN_COLD = 1 << 15, TB_NO_JUMP = 0xffff };

extern TB *tb_array;
static inline TB *tb_of(TbRef r) { return tb_array + (r - 1); }
static inline TbRef tb_ref(const TB *tb) { return (TbRef)(tb - tb_array) + 1; }
/* How translated code names its TB when it leaves, beside TB_EXIT_MASK: a small number takes fewer bytes. */
static inline uintptr_t tb_cookie(const TB *tb) { return (uintptr_t)tb - (uintptr_t)tb_array; }
static inline TB *tb_of_cookie(uintptr_t r) { return (TB *)((uintptr_t)tb_array + (r & ~(uintptr_t)TB_EXIT_MASK)); }
static inline uint8_t *tb_code(const TB *tb) { return jit_buf->rx + tb->code; }
static inline const TbCold *tb_cold(const TB *tb) { return (const TbCold *)(const void *)(jit_buf->rx + tb->cold); }
static inline TbCold *tb_cold_rw(const TB *tb) { return (TbCold *)(void *)(jit_buf->rw + tb->cold); }
/* Its RAM pages; NO_PAGE: none. */
static inline ram_addr_t tb_page(const TB *tb, int n)
{
    if (n ? !tb->two_pages : tb->page == (uint32_t)TB_NO_PAGE)
        return ~(ram_addr_t)0;
    return (ram_addr_t)(n ? tb_cold(tb)->second : tb->page) << TCG_PAGE_BITS;
}
/* ram_addr of its first byte, if page is one. */
static inline ram_addr_t tb_phys(const TB *tb) { return tb_page(tb, 0) | (tb->pc & ~TCG_PAGE_MASK); }
static inline TbRef tb_dest(const TB *tb, unsigned slot) { return tb->has_branch ? 0 : tb->jump_dest[slot]; }
/* Where the running TB is, or the one that has just been left. */
static inline vaddr tb_pc_now(CPUState *cpu, const TB *tb)
{
    return tb->floating ? cpu_head(cpu)->pc_page + (tb->pc & ~TCG_PAGE_MASK) : tb->pc;
}
#endif
