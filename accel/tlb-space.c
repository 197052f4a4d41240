/* tlb-space.c - address spaces in the soft TLB: a change of space changes tables, so that it flushes nothing.
 * Spec: Intel SDM vol. 3, 4.10.1 (process-context identifiers), 4.10.4 (invalidation).
 *
 * The tables of the last few spaces are kept with their newest jump-cache entries; the one used longest ago goes first.
 * Modes that see mostly global pages have one table for all spaces (CPUOps.space_modes). A page flush reaches the
 * global pages of tables that are kept when they come back: until then nobody looks at them.
 * Not modelled: entries of more spaces than TLB_SPACES_KEPT + 1 at a time, which the architecture does not promise either. */
#include "accel/tlb-internal.h"
#include "host/base/log.h"

/* A kept table may have this size at most: memory stays bounded at about 700 KiB for each. */
enum { KEPT_MAX_BITS = 13 };

static inline bool has_own_table(const CPUState *cpu, unsigned m) { return cpu->ops->space_modes >> m & 1; }

unsigned tlb_all_tables(CPUState *cpu, TableRef out[TLB_MAX_TABLES])
{
    CpuTlb *tlb = cpu->tlb;
    unsigned n = 0;
    for (unsigned m = 0; m < TCG_MMU_MODES; m++)
        out[n++] = (TableRef){&tlb->mode[m], &cpu_head(cpu)->tlb[m]};
    for (unsigned i = 0; tlb->kept && i < TLB_SPACES_KEPT; i++)
        for (unsigned m = 0; m < TCG_MMU_MODES; m++)
            if (tlb->kept[i].fast[m].table)
                out[n++] = (TableRef){&tlb->kept[i].mode[m], &tlb->kept[i].fast[m]};
    return n;
}

static void space_flush(TlbSpace *sp, unsigned kinds)
{
    for (unsigned m = 0; m < TCG_MMU_MODES; m++)
        if (sp->fast[m].table)
            tlb_mode_flush(&sp->mode[m], &sp->fast[m], kinds);
    sp->jumps.n = 0;
}

void tlb_spaces_forget(CPUState *cpu)
{
    CpuTlb *tlb = cpu->tlb;
    for (unsigned i = 0; tlb->kept && i < TLB_SPACES_KEPT; i++) {
        space_flush(&tlb->kept[i], TLB_OTHERS | TLB_GLOBALS);
        tlb->kept[i].valid = false;
    }
}

static void space_free(TlbSpace *sp)
{
    for (unsigned m = 0; m < TCG_MMU_MODES; m++) {
        g_free(sp->fast[m].table);
        g_free(sp->mode[m].full);
        g_free(sp->mode[m].filled[0]);
    }
}

void tlb_spaces_free(CPUState *cpu)
{
    for (unsigned i = 0; cpu->tlb->kept && i < TLB_SPACES_KEPT; i++)
        space_free(&cpu->tlb->kept[i]);
    g_free(cpu->tlb->kept);
    cpu->tlb->kept = NULL;
}

/* Where space `number` is, or what it may have: an unused place, or that of the space used longest ago. NULL: no memory. */
static TlbSpace *find_place(CPUState *cpu, uint32_t number)
{
    CpuTlb *tlb = cpu->tlb;
    TlbSpace *best = NULL;
    if (!tlb->kept)
        tlb->kept = g_try_new0(TlbSpace, TLB_SPACES_KEPT);
    for (unsigned i = 0; tlb->kept && i < TLB_SPACES_KEPT; i++) {
        TlbSpace *sp = &tlb->kept[i];
        if (sp->valid && sp->number == number)
            return sp;
        if (!best || (best->valid && (!sp->valid || sp->last_used < best->last_used)))
            best = sp;
    }
    for (unsigned m = 0; best && m < TCG_MMU_MODES; m++)
        if (has_own_table(cpu, m) && !best->fast[m].table) {
            tlb_mode_init(&best->mode[m]);
            if (!tlb_mode_alloc(&best->mode[m], &best->fast[m], TLB_MIN_BITS))
                return NULL;
        }
    return best;
}

/* Global pages that were flushed while the space was away. */
static void apply_page_flushes(CpuTlb *tlb, TlbSpace *sp, ModeTlb *t, TlbFast *f)
{
    if (t->nb_filled[1] == 0 || tlb->page_flushes == sp->page_flushes)
        return;
    if (tlb->page_flushes - sp->page_flushes > PAGE_FLUSHES_KEPT) {
        tlb_mode_flush(t, f, TLB_GLOBALS);
        return;
    }
    for (uint64_t i = sp->page_flushes; i < tlb->page_flushes; i++)
        tlb_mode_flush_page(t, f, tlb->page_flushed[i % PAGE_FLUSHES_KEPT], true);
}

/* Exchange the current tables for those of sp. keep: its pages that are not global stay too. */
static void swap_tables(CPUState *cpu, TlbSpace *sp, bool keep)
{
    CpuTlb *tlb = cpu->tlb;
    for (unsigned m = 0; m < TCG_MMU_MODES; m++) {
        TlbFast *f = &cpu_head(cpu)->tlb[m];
        ModeTlb *t = &tlb->mode[m];
        if (!has_own_table(cpu, m)) {
            tlb_mode_flush(t, f, TLB_OTHERS);
            continue;
        }
        ModeTlb was = *t;
        TlbFast was_fast = *f;
        *t = sp->mode[m];
        *f = sp->fast[m];
        sp->mode[m] = was;
        sp->fast[m] = was_fast;
        apply_page_flushes(tlb, sp, t, f);
        if (!keep)
            tlb_mode_flush(t, f, TLB_OTHERS);
        tlb_victims_clear(&sp->mode[m]);
        if (was.bits > KEPT_MAX_BITS)
            tlb_mode_resize(&sp->mode[m], &sp->fast[m], KEPT_MAX_BITS);
    }
}

void tlb_set_space(CPUState *cpu, uint32_t space, bool keep)
{
    CpuTlb *tlb = cpu->tlb;
    SavedJumps jumps;

    if (space == tlb->space) {
        if (!keep)
            tlb_flush_nonglobal(cpu);
        return;
    }
    lock_tlb(tlb);
    TlbSpace *sp = find_place(cpu, space);
    if (!sp) {
        unlock_tlb(tlb);
        tlb->space = space;
        tlb_flush_nonglobal(cpu);
        return;
    }
    keep = keep && sp->valid && sp->number == space;
    tlb_drop_local_guesses(cpu);
    swap_tables(cpu, sp, keep);
    unlock_tlb(tlb);
    jump_cache_save(cpu, &jumps);
    if (keep)
        jump_cache_restore(cpu, &sp->jumps);
    sp->jumps.n = jumps.n;
    sp->jumps.flushes = jumps.flushes;
    memcpy(sp->jumps.e, jumps.e, jumps.n * sizeof jumps.e[0]);
    sp->valid = true;
    sp->number = tlb->space;
    sp->last_used = ++tlb->space_clock;
    sp->page_flushes = tlb->page_flushes;
    tlb->space = space;
    tlb_drop_stack_pages(cpu);
    cpu->code_page.page = ~0ULL;
    cpu->stats.tlb_spaces_kept += keep;
    cpu->stats.tlb_flushes += !keep;
    log_print(LOG_MMU, "mmu: TLB space %u%s\n", space, keep ? ", kept" : "");
}

void tlb_drop_space(CPUState *cpu, uint32_t space)
{
    CpuTlb *tlb = cpu->tlb;
    if (space == tlb->space) {
        tlb_flush_nonglobal(cpu);
        return;
    }
    lock_tlb(tlb);
    for (unsigned i = 0; tlb->kept && i < TLB_SPACES_KEPT; i++)
        if (tlb->kept[i].valid && tlb->kept[i].number == space)
            space_flush(&tlb->kept[i], TLB_OTHERS);
    unlock_tlb(tlb);
}

void tlb_drop_all_spaces(CPUState *cpu)
{
    CpuTlb *tlb = cpu->tlb;
    tlb_flush_nonglobal(cpu);
    lock_tlb(tlb);
    for (unsigned i = 0; tlb->kept && i < TLB_SPACES_KEPT; i++)
        space_flush(&tlb->kept[i], TLB_OTHERS);
    unlock_tlb(tlb);
}
