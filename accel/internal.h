/* internal.h - what the files of accel/ share: the TB cache, the translator's entry, the TLB's inside. */
#ifndef ACCEL_INTERNAL_H
#define ACCEL_INTERNAL_H

#include "accel/cpu.h"
#include "accel/cputlb.h"
#include "accel/tb.h"

#define NO_PAGE (~(ram_addr_t)0)
#define NO_VEC __attribute__((target("general-regs-only"))) /* called where vector registers hold the guest's */

/* Lock order: BQL, tb lock, a CPU's TLB lock. */
void tb_lock(void);
void tb_unlock(void);

typedef struct JitTotals { /* under the tb lock */
    uint64_t translations, invalidations, flushes, guest_insns, guest_bytes, host_bytes, ops;
    uint64_t translate_ns;
} JitTotals;
extern JitTotals jit_totals;

extern TcgContext *jit_context; /* of the one translating vCPU */
extern bool jit_one_insn;

/* tb-hash.c */
void tb_hash_init(void);
void tb_hash_add(const TB *tb);    /* these three under the tb lock */
void tb_hash_remove(const TB *tb); /* if it is there */
void tb_hash_clear(void);
void tb_lookup_prefetch(const TbState *st, ram_addr_t phys_pc); /* that look-up comes soon */
/* The TB for st, or NULL. phys_pc: ram_addr of st->pc. Without the lock. one_page: none that lies on two; else the second
 * page is looked up, which may raise its fault. */
TB *tb_lookup_phys(CPUState *cpu, const TbState *st, uint32_t cflags, ram_addr_t phys_pc, bool one_page);

/* tb-cache.c */
void tb_cache_init(void);
/* Whether TBs at pc (for which TbState.floating says that they might) float: it is not the first linear page at which this
 * code is translated. The answer for one linear page is the same as long as there are TBs of it. */
bool tb_page_floats(ram_addr_t phys_pc, vaddr pc);
extern bool tb_always_float;      /* test: also the first */
TB *tb_alloc(void);               /* not cleared; NULL: there is no room before tb_flush_all(). Of the thread that translates: no lock */
void tb_drop_last(TB *tb);        /* forget the newest TB and give its code memory back; under the tb lock */
/* Give back the newest TBs as far as they are invalid, so that code that is rewritten over and over is
 * translated into the same (cached) host memory. The one vCPU, outside generated code. True: some went. */
bool tb_reclaim(void);
/* Enter a finished TB into hash and page lists. Under the tb lock. */
void tb_insert(CPUState *cpu, TB *tb);
void tb_forget(TB *tb);           /* it is translated again when it is needed next */
/* tb and TBs that jumps link with it, directly or not, nearest first. */
unsigned tb_neighbours(TB *tb, TB **out, unsigned max);
void tb_publish(TB *tb);          /* make it findable by host address (fault maps); under the tb lock */
void tb_chain(TB *from, unsigned slot, TB *to);
void tb_flush_all(CPUState *cpu); /* vCPU thread, outside generated code */
TB *tb_find_host(uintptr_t host_pc); /* TB whose code holds it, or NULL */
/* Before code at this page is read for translation: writes to it are seen from now on. */
void tb_protect_page(ram_addr_t page);
uint32_t tb_inval_seq(void);      /* changes whenever a write hits a protected page */
/* A store by the running TB (ra inside it; 0: not from a TB) or by anyone else. True: the TB that ra is
 * in was among those invalidated. *page_free: the page holds no code any more and may be written freely. */
bool tb_invalidate_range(CPUState *cpu, ram_addr_t addr, uint64_t len, uintptr_t ra, bool *page_free);
/* tb-patch.c */
/* A store to [addr, addr + len) has cost TBs. Under the tb lock. */
void tb_patch_note(ram_addr_t addr, uint64_t len);
void tb_patch_forget(void);
/* The immediates that were handed out for a TB under translation are this one's. */
void tb_patch_keep(const TB *tb);
/* Offsets [from, to) of the TB's first page are inside an immediate that it reads when it runs. */
bool tb_patch_is_soft(const TB *tb, unsigned from, unsigned to);
void tb_cache_stats(unsigned *count, uint64_t *target_bytes, unsigned *max_target, unsigned *cross_page, unsigned *linked1,
                    unsigned *linked2);

/* jump-cache.c. All but jump_cache_forget() by the CPU's own thread, or while that does not run. */
void jump_cache_init(CPUState *cpu);
void jump_cache_free(CPUState *cpu);
/* The TB for st, or NULL. Translated code looks its jumps up among TBs of st's flags and cs_base from now on. */
TB *jump_cache_find(CPUState *cpu, const TbState *st);
void jump_cache_enter(CPUState *cpu, const TbState *st, TB *tb, bool global);
/* Jumps that are linked to code on the page where this TB begins are right now, in the cache of its kind, the current one. */
void jump_cache_enter_page(CPUState *cpu, const TB *tb, bool global);
void jump_cache_renew_page(CPUState *cpu, const TB *tb); /* the same for one that jump_cache_find() answered */
void jump_cache_forget(CPUState *cpu, const TB *tb); /* under the tb lock, any thread */
void jump_cache_clear(CPUState *cpu, bool keep_global);
void jump_cache_reset(CPUState *cpu); /* all TBs go */
/* The TB's code at once, for who has stored pc_page. */
const void *jump_cache_find_code(CPUState *cpu, const TbState *st);
void cpu_request_own_exit(CPUState *cpu); /* cpu_request_exit() of the CPU that runs here; changes no vector register */
void jump_cache_clear_range(CPUState *cpu, vaddr start, uint64_t len); /* whole pages */
/* The newest entries on pages that are not global, to be put back when their address space returns. They are
 * checked then, so nothing needs to know of them when a TB goes. */
enum { SAVED_JUMPS = 96 };
typedef struct SavedJumps {
    unsigned n;
    struct { uint64_t pc, key; ram_addr_t phys_pc; TB *tb; } e[SAVED_JUMPS]; /* oldest first */
    uint64_t flushes; /* of all code, when these were saved: after another one nothing of it is there */
} SavedJumps;
void jump_cache_save(CPUState *cpu, SavedJumps *out); /* then clears, but for global pages */
void jump_cache_restore(CPUState *cpu, const SavedJumps *in);

/* translate-all.c */
TB *tb_generate(CPUState *cpu, const TbState *st, uint32_t cflags, ram_addr_t phys_pc);
bool tb_restore_data(const TB *tb, uintptr_t host_pc, uint64_t data[2]);
bool perfmap_open(GError **errp); /* from now on each TB is named in perf's map of this process */
void jit_dump_prologue(void); /* -d out_asm: once; nothing when it is off */

/* tb-stats.c: nothing but jit_tb_stats's test happens while it is off */
extern bool jit_tb_stats;
typedef struct TbFacts TbFacts;
void tb_stats_init(bool on);
void tb_stats_reset(void);                                            /* all counts to 0; translated code must not run */
TbFacts *tb_stats_begin(TcgContext *c);                               /* before the back end; NULL: off. tb_stats_drop() if it fails */
void tb_stats_drop(TbFacts *f);
void tb_stats_end(TbFacts *f, const TB *tb, const TcgContext *c);     /* under the tb lock, with tb_publish() */
void tb_stats_truncate(unsigned len);                                 /* the TBs from the len-th on go; under the tb lock */
typedef struct JitCounts {
    uint64_t runs, guest_insns, host_insns, accesses;
    uint64_t ends_chain, ends_cache, ends_mixed, ends_helper; /* runs of TBs by their kind of end */
} JitCounts;
JitCounts jit_counts(void);                /* since the start or reset */
uint64_t jit_helper_calls(GString *names); /* sum; names, unless NULL: a line for each, most calls first */
void tb_stats_info(CPUState *cpu, GString *out);

/* cputlb.c, tlb-access.c */
bool tlb_init(CPUState *cpu, GError **errp);
void tlb_free(CPUState *cpu);
void tlb_flush_if_pending(CPUState *cpu);
/* ram_addr of the code byte at addr, faults raise; NO_PAGE when it is not RAM or ROM. *host: its byte. */
ram_addr_t tlb_code_addr(CPUState *cpu, vaddr addr, const uint8_t **host, bool *global);
ram_addr_t tlb_code_probe(CPUState *cpu, vaddr addr, bool *global); /* NO_PAGE also where that would raise a fault */
void tlb_protect_ram(ram_addr_t addr, uint64_t len); /* DirtyHooks.protect */
void tlb_allow_writes(CPUState *cpu, vaddr addr, unsigned mmu_idx); /* drop NOTDIRTY of this entry if all bits are set */
/* tlb-guess.c */
extern bool tlb_always_guess;              /* test: from the first translation on */
bool tlb_guess_is_hot(ram_addr_t phys_pc); /* a TB there is to guess */
void tlb_guess_fetch_ahead(ram_addr_t phys_pc); /* that will be asked soon */
void tlb_guess_start(CPUState *cpu); /* on the vCPU's thread: look now and then where it is */
uint32_t tlb_new_guess(void *env, uint64_t x, uint32_t n); /* TcgGuest.new_guess */
void tlb_guesses_forget(CPUState *cpu); /* all code goes */
void tlb_guess_work(CPUState *cpu); /* outside translated code: TBs whose guesses do not pay are forgotten */
void tlb_stats(CPUState *cpu, GString *out);
void tlb_fill_slow_paths(TcgGuest *g);

#endif
