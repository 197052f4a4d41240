/* cputlb.c - the soft TLB of a vCPU: per mode a direct-mapped table that grows and shrinks with use,
 * eight victim entries behind it, and for each entry the facts that the fast path does not need.
 *
 * A flush costs what it drops, not what the table could hold: each mode lists the slots filled since
 * its last flush, global pages (which stay on a CR3 write) apart from the others. An INVLPG inside a large
 * page drops the entries of that page only; a filter of the large pages seen saves the search elsewhere.
 * Stores to pages that hold code or are tracked carry TLB_NOTDIRTY and come here. To find the entries of a
 * RAM page that gets protected, each RAM page remembers the two linear pages it was last written through.
 *
 * Of the last few address spaces the tables are kept: tlb-space.c.
 *
 * The owner is the vCPU thread. Other threads touch the tables in one case, to set TLB_NOTDIRTY when
 * dirty bits are cleared (tlb_protect_ram), and take the TLB lock for it, as the owner does for changes. */
#include "accel/tlb-internal.h"
#include "host/base/barrier.h"
#include "host/base/log.h"
#include "softmmu/dirty.h"
#include "softmmu/physmem.h"
#include "softmmu/rcu.h"

const TlbEntry tlb_empty_entry = {~0ULL, ~0ULL, ~0ULL, 0};

/* --- large pages seen --- */

static inline unsigned large_hash(vaddr addr, unsigned bits)
{
    return ((addr >> bits) + bits) * 0x9e3779b97f4a7c15ULL >> 54;
}

static void large_clear(LargeFilter *l)
{
    *l = (LargeFilter){.lo = ~0ULL};
}

static void large_add(LargeFilter *l, vaddr addr, unsigned bits)
{
    vaddr mask = (1ULL << bits) - 1;
    unsigned h = large_hash(addr, bits);
    l->lo = MIN(l->lo, addr & ~mask);
    l->hi = MAX(l->hi, addr | mask);
    l->sizes |= 1ULL << bits;
    l->bits[h / 64] |= 1ULL << h % 64;
}

/* page_bits of the largest large page that addr may lie in; 0: none */
static unsigned large_find(const LargeFilter *l, vaddr addr)
{
    if (addr < l->lo || addr > l->hi)
        return 0;
    for (uint64_t sizes = l->sizes; sizes;) {
        unsigned bits = 63 - __builtin_clzll(sizes), h = large_hash(addr, bits);
        if (l->bits[h / 64] >> h % 64 & 1)
            return bits;
        sizes &= ~(1ULL << bits);
    }
    return 0;
}

/* --- tables --- */

bool tlb_mode_alloc(ModeTlb *t, TlbFast *f, unsigned bits)
{
    size_t n = (size_t)1 << bits;
    TlbEntry *table = g_try_malloc_n(n, sizeof *table);
    TlbFull *full = g_try_malloc0_n(n, sizeof *full);
    uint32_t *filled = g_try_malloc_n(2 * n, sizeof *filled);
    if (!table || !full || !filled) {
        g_free(table);
        g_free(full);
        g_free(filled);
        return false;
    }
    memset(table, 0xff, n * sizeof *table);
    g_free(f->table);
    g_free(t->full);
    g_free(t->filled[0]);
    f->table = table;
    f->mask = (n - 1) << TLB_ENTRY_BITS;
    t->full = full;
    t->filled[0] = filled;
    t->filled[1] = filled + n;
    t->nb_filled[0] = t->nb_filled[1] = 0;
    t->bits = bits;
    t->evictions = 0;
    return true;
}

void tlb_victims_clear(ModeTlb *t)
{
    for (unsigned i = 0; i < VICTIMS; i++)
        t->victim[i] = tlb_empty_entry;
    t->victims = false;
}

void tlb_mode_init(ModeTlb *t)
{
    tlb_victims_clear(t);
    large_clear(&t->large[0]);
    large_clear(&t->large[1]);
}

static void on_memory_change(void *opaque, AddressSpace *as)
{
    if (as == &address_space_memory) {
        log_print(LOG_PAGE, "page: the memory map changed\n");
        tlb_flush_from_other_thread(opaque);
        if (opaque == current_cpu) /* its own store did it (a flash chip's mode): its next load must see that */
            tlb_flush(opaque);
    }
}

bool tlb_init(CPUState *cpu, GError **errp)
{
    cpu->tlb = g_new0(CpuTlb, 1);
    cpu->tlb->gen = 1;
    /* Not canonical, and one of so many that a guest does not find it. */
    cpu_head(cpu)->no_page = 1ULL << 63 | (uint64_t)g_random_int() << 24 | (uint64_t)(g_random_int() & 0xfff) << 12;
    tlb_drop_stack_pages(cpu);
    tlb_guess_init(cpu);
    for (unsigned m = 0; m < TCG_MMU_MODES; m++) {
        if (!tlb_mode_alloc(&cpu->tlb->mode[m], &cpu_head(cpu)->tlb[m], TLB_MIN_BITS))
            return error_set(errp, "not enough memory for the TLB");
        tlb_mode_init(&cpu->tlb->mode[m]);
    }
    memory_listener_add(on_memory_change, cpu);
    return true;
}

void tlb_free(CPUState *cpu)
{
    if (!cpu->tlb)
        return;
    memory_listener_remove(on_memory_change, cpu);
    for (unsigned m = 0; m < TCG_MMU_MODES; m++) {
        g_free(cpu_head(cpu)->tlb[m].table);
        g_free(cpu->tlb->mode[m].full);
        g_free(cpu->tlb->mode[m].filled[0]);
    }
    tlb_spaces_free(cpu);
    tlb_guess_free(cpu);
    g_free(cpu->tlb->notes);
    g_free(cpu->tlb);
    cpu->tlb = NULL;
}

/* --- flushing --- */

void tlb_drop_stack_pages(CPUState *cpu)
{
    TcgEnvHead *head = cpu_head(cpu);
    for (unsigned m = 0; m < TCG_MMU_MODES; m++)
        __atomic_store_n(&head->stack[m].page, head->no_page, __ATOMIC_RELEASE);
}

/* Empty the slots of list k and forget the list. What another kind of page has taken over stays. */
static void list_flush(ModeTlb *t, TlbEntry *table, unsigned k)
{
    for (uint32_t i = 0; i < t->nb_filled[k]; i++) {
        uint32_t slot = t->filled[k][i];
        TlbFull *full = &t->full[slot];
        full->listed &= ~(1u << k);
        if (full->global == k)
            table[slot] = tlb_empty_entry;
    }
    t->nb_filled[k] = 0;
    large_clear(&t->large[k]);
}

void tlb_mode_flush(ModeTlb *t, TlbFast *f, unsigned kinds)
{
    uint32_t used = t->nb_filled[0] + t->nb_filled[1];
    for (unsigned k = 0; k < 2; k++)
        if (kinds >> k & 1)
            list_flush(t, f->table, k);
    if (t->victims) {
        bool left = false;
        for (unsigned i = 0; i < VICTIMS; i++) {
            if (!(kinds >> t->victim_full[i].global & 1) && entry_used(&t->victim[i]))
                left = true;
            else
                t->victim[i] = tlb_empty_entry;
        }
        t->victims = left;
    }
    if (!(kinds & TLB_OTHERS))
        return;
    t->evictions /= 2;

    /* Shrink a table that stayed nearly empty over many flushes. */
    t->window_max = MAX(t->window_max, used);
    if (++t->window_flushes >= 256) {
        if (t->bits > TLB_MIN_BITS && t->window_max < (1u << t->bits) / 8 && t->nb_filled[1] == 0)
            tlb_mode_alloc(t, f, t->bits - 1);
        t->window_max = 0;
        t->window_flushes = 0;
    }
}

static void flush_all(CPUState *cpu, bool keep_global)
{
    CpuTlb *tlb = cpu->tlb;
    lock_tlb(tlb);
    if (keep_global)
        tlb_drop_local_guesses(cpu);
    else
        tlb_drop_guesses(cpu);
    for (unsigned m = 0; m < TCG_MMU_MODES; m++)
        tlb_mode_flush(&tlb->mode[m], &cpu_head(cpu)->tlb[m], keep_global ? TLB_OTHERS : TLB_OTHERS | TLB_GLOBALS);
    if (!keep_global) {
        tlb_spaces_forget(cpu);
        if (++tlb->gen == 0) {
            if (tlb->notes)
                memset(tlb->notes, 0, tlb->nb_notes * sizeof *tlb->notes);
            tlb->gen = 1;
        }
    }
    unlock_tlb(tlb);
    cpu->code_page.page = ~0ULL;
    tlb_drop_stack_pages(cpu);
    jump_cache_clear(cpu, keep_global);
    cpu->stats.tlb_flushes++;
    log_print(LOG_MMU, "mmu: TLB flushed%s\n", keep_global ? ", global pages kept" : "");
}

void tlb_flush(CPUState *cpu)
{
    __atomic_store_n(&cpu->tlb_flush_pending, 0, __ATOMIC_RELAXED);
    flush_all(cpu, false);
}

void tlb_flush_nonglobal(CPUState *cpu) { flush_all(cpu, true); }

void tlb_flush_from_other_thread(CPUState *cpu)
{
    __atomic_store_n(&cpu->tlb_flush_pending, 1, __ATOMIC_RELEASE);
    cpu_request_exit(cpu);
}

void tlb_flush_if_pending(CPUState *cpu)
{
    if (unlikely(__atomic_load_n(&cpu->tlb_flush_pending, __ATOMIC_ACQUIRE)))
        tlb_flush(cpu);
}

unsigned tlb_mode_flush_page(ModeTlb *t, TlbFast *f, vaddr addr, bool only_global)
{
    unsigned largest = 0;
    TlbEntry *e = &f->table[slot_of(f, addr)];
    if (entry_used(e) && entry_page(e) == (addr & TCG_PAGE_MASK) && (!only_global || t->full[e - f->table].global))
        *e = tlb_empty_entry;
    for (unsigned i = 0; t->victims && i < VICTIMS; i++)
        if (entry_used(&t->victim[i]) && (entry_page(&t->victim[i]) ^ addr) >> t->victim_full[i].page_bits == 0)
            t->victim[i] = tlb_empty_entry;
    for (unsigned k = only_global; k < 2; k++) {
        unsigned bits = large_find(&t->large[k], addr);
        for (uint32_t i = 0; bits && i < t->nb_filled[k]; i++) {
            uint32_t slot = t->filled[k][i];
            if (t->full[slot].page_bits > TCG_PAGE_BITS && entry_used(&f->table[slot]) &&
                (entry_page(&f->table[slot]) ^ addr) >> t->full[slot].page_bits == 0)
                f->table[slot] = tlb_empty_entry;
        }
        largest = MAX(largest, bits);
    }
    return largest;
}

void tlb_flush_page(CPUState *cpu, vaddr addr)
{
    CpuTlb *tlb = cpu->tlb;
    unsigned largest = 0;
    lock_tlb(tlb);
    for (unsigned m = 0; m < TCG_MMU_MODES; m++) {
        unsigned bits = tlb_mode_flush_page(&tlb->mode[m], &cpu_head(cpu)->tlb[m], addr, false);
        largest = MAX(largest, bits);
    }
    /* The tables kept learn of it when they come back. */
    tlb->page_flushed[tlb->page_flushes++ % PAGE_FLUSHES_KEPT] = addr;
    unlock_tlb(tlb);
    cpu->code_page.page = ~0ULL;
    for (unsigned m = 0; m < TCG_MMU_MODES; m++)
        if (largest > TCG_PAGE_BITS || cpu_head(cpu)->stack[m].page == (addr & TCG_PAGE_MASK))
            tlb_drop_stack_pages(cpu);
    /* All code that may have been in the large page goes too, whichever of its 4K pages it was in. */
    uint64_t size = 1ULL << MAX(largest, TCG_PAGE_BITS);
    tlb_drop_guesses_of(cpu, addr & ~(size - 1), size);
    jump_cache_clear_range(cpu, addr & ~(size - 1), size);
    cpu->stats.tlb_page_flushes++;
    log_print(LOG_MMU, "mmu: TLB flushed for page %016" PRIx64 "\n", (uint64_t)(addr & TCG_PAGE_MASK));
}

void tlb_set_watch(CPUState *cpu, vaddr addr, uint64_t len, bool on)
{
    CpuTlb *tlb = cpu->tlb;
    if (on && tlb->nb_watch < ARRAY_SIZE(tlb->watch)) {
        tlb->watch[tlb->nb_watch].start = addr;
        tlb->watch[tlb->nb_watch++].len = len;
    } else if (!on) {
        for (unsigned i = 0; i < tlb->nb_watch; i++)
            if (tlb->watch[i].start == addr && tlb->watch[i].len == len) {
                tlb->watch[i] = tlb->watch[--tlb->nb_watch];
                break;
            }
    }
    tlb_flush(cpu);
}

static bool page_watched(const CpuTlb *tlb, vaddr page)
{
    for (unsigned i = 0; i < tlb->nb_watch; i++)
        if (tlb->watch[i].start < page + TCG_PAGE_SIZE && page < tlb->watch[i].start + tlb->watch[i].len)
            return true;
    return false;
}

/* --- dirty tracking --- */

static inline bool writes_ram(const TlbEntry *e, const TlbFull *full, ram_addr_t start, ram_addr_t end)
{
    return full->ram_addr >= start && full->ram_addr < end && e->addr_write != ~0ULL;
}

static void protect_walk(CPUState *cpu, ram_addr_t start, ram_addr_t end)
{
    TableRef all[TLB_MAX_TABLES];
    for (unsigned j = 0, n = tlb_all_tables(cpu, all); j < n; j++) {
        ModeTlb *t = all[j].t;
        TlbEntry *table = all[j].f->table;
        for (unsigned k = 0; k < 2; k++)
            for (uint32_t i = 0; i < t->nb_filled[k]; i++) {
                uint32_t slot = t->filled[k][i];
                if (writes_ram(&table[slot], &t->full[slot], start, end))
                    __atomic_fetch_or(&table[slot].addr_write, TLB_NOTDIRTY, __ATOMIC_SEQ_CST);
            }
    }
}

/* Entries of this linear page for this RAM page: set TLB_NOTDIRTY. */
static void protect_va(CPUState *cpu, vaddr va, ram_addr_t ram)
{
    TableRef all[TLB_MAX_TABLES];
    for (unsigned j = 0, n = tlb_all_tables(cpu, all); j < n; j++) {
        TlbFast *f = all[j].f;
        size_t slot = slot_of(f, va);
        if (writes_ram(&f->table[slot], &all[j].t->full[slot], ram, ram + 1))
            __atomic_fetch_or(&f->table[slot].addr_write, TLB_NOTDIRTY, __ATOMIC_SEQ_CST);
    }
}

static void protect_cpu(CPUState *cpu, ram_addr_t start, ram_addr_t end)
{
    CpuTlb *tlb = cpu->tlb;
    bool found = false, walk = false;
    lock_tlb(tlb);
    for (ram_addr_t a = start; a < end && a >> TCG_PAGE_BITS < tlb->nb_notes; a += TCG_PAGE_SIZE) {
        WriteNote *n = &tlb->notes[a >> TCG_PAGE_BITS];
        if (n->gen != tlb->gen)
            continue;
        found = true;
        walk |= n->many;
        for (unsigned i = 0; i < 2 && !n->many; i++)
            if (n->va[i] != NO_VA)
                protect_va(cpu, n->va[i], a);
        n->gen = 0;
    }
    if (walk)
        protect_walk(cpu, start, end);
    for (unsigned m = 0; found && m < TCG_MMU_MODES; m++) {
        ModeTlb *t = &tlb->mode[m];
        for (unsigned i = 0; t->victims && i < VICTIMS; i++)
            if (writes_ram(&t->victim[i], &t->victim_full[i], start, end))
                t->victim[i].addr_write |= TLB_NOTDIRTY;
    }
    if (cpu != current_cpu)
        barrier_heavy();
    tlb_drop_stack_pages(cpu); /* after the marks: see gen_stack_page() */
    tlb_protect_guesses(cpu, start, end);
    unlock_tlb(tlb);
}

void tlb_protect_ram(ram_addr_t addr, uint64_t len)
{
    ram_addr_t start = addr & TCG_PAGE_MASK, end = ROUND_UP(addr + len, TCG_PAGE_SIZE);
    if (first_cpu && first_cpu->tlb)
        protect_cpu(first_cpu, start, end);
}

static bool va_writes(CPUState *cpu, vaddr va, ram_addr_t ram)
{
    TableRef all[TLB_MAX_TABLES];
    for (unsigned j = 0, n = tlb_all_tables(cpu, all); j < n; j++) {
        ModeTlb *t = all[j].t;
        TlbFast *f = all[j].f;
        size_t slot = slot_of(f, va);
        if (entry_page(&f->table[slot]) == va && writes_ram(&f->table[slot], &t->full[slot], ram, ram + 1))
            return true;
    }
    return false; /* victims are found by themselves: see protect_cpu; when they come back: victim_swap */
}

/* Under the TLB lock: an entry that writes this RAM page freely through va is about to be made. */
static bool note_writable(CPUState *cpu, ram_addr_t addr, vaddr va)
{
    CpuTlb *tlb = cpu->tlb;
    uint64_t page = addr >> TCG_PAGE_BITS;
    if (unlikely(page >= tlb->nb_notes)) {
        uint64_t n = MAX(ram_addr_end() >> TCG_PAGE_BITS, page + 1);
        WriteNote *grown = g_try_malloc0_n(n, sizeof *grown); /* not touched, so mostly not there */
        if (!grown)
            return false; /* stays NOTDIRTY: slower, still right */
        if (tlb->nb_notes)
            memcpy(grown, tlb->notes, tlb->nb_notes * sizeof *grown);
        g_free(tlb->notes);
        tlb->notes = grown;
        tlb->nb_notes = n;
    }
    WriteNote *w = &tlb->notes[page];
    va &= TCG_PAGE_MASK;
    if (w->gen != tlb->gen) {
        *w = (WriteNote){tlb->gen, false, {va, NO_VA}};
        return true;
    }
    if (w->many || w->va[0] == va || w->va[1] == va)
        return true;
    for (unsigned i = 0; i < 2; i++)
        if (w->va[i] == NO_VA || !va_writes(cpu, w->va[i], page << TCG_PAGE_BITS)) {
            w->va[i] = va;
            return true;
        }
    w->many = true;
    return true;
}

void tlb_allow_writes(CPUState *cpu, vaddr addr, unsigned mmu_idx)
{
    CpuTlb *tlb = cpu->tlb;
    TlbFast *f = &cpu_head(cpu)->tlb[mmu_idx];
    size_t slot = slot_of(f, addr);
    TlbEntry *e = &f->table[slot];
    lock_tlb(tlb);
    ram_addr_t ram = tlb->mode[mmu_idx].full[slot].ram_addr;
    if (tag_hits(e->addr_write, addr) && ram != NO_PAGE && dirty_all_set(ram) && note_writable(cpu, ram, addr))
        e->addr_write &= ~(uint64_t)TLB_NOTDIRTY;
    unlock_tlb(tlb);
}

/* --- filling --- */

/* The slot now holds an entry of kind k: put it on that list unless it is. was: what it was on. */
static inline void slot_list(ModeTlb *t, size_t slot, unsigned was)
{
    unsigned k = t->full[slot].global;
    t->full[slot].listed = was | 1u << k;
    if (!(was >> k & 1))
        t->filled[k][t->nb_filled[k]++] = slot;
}

/* Another size for a table, with its entries; where two want one slot the later one stays. No memory: as it is. */
void tlb_mode_resize(ModeTlb *t, TlbFast *f, unsigned bits)
{
    TlbEntry *old = f->table;
    TlbFull *old_full = t->full;
    uint32_t *old_filled[2] = {t->filled[0], t->filled[1]}, n[2] = {t->nb_filled[0], t->nb_filled[1]};
    f->table = NULL;
    t->full = NULL;
    t->filled[0] = NULL;
    if (!tlb_mode_alloc(t, f, bits)) {
        f->table = old;
        t->full = old_full;
        t->filled[0] = old_filled[0];
        t->evictions = 0;
        return;
    }
    for (unsigned k = 0; k < 2; k++)
        for (uint32_t i = 0; i < n[k]; i++) {
            TlbEntry *e = &old[old_filled[k][i]];
            const TlbFull *full = &old_full[old_filled[k][i]];
            if (!entry_used(e) || full->global != k)
                continue;
            size_t slot = slot_of(f, entry_page(e));
            unsigned was = t->full[slot].listed;
            f->table[slot] = *e;
            t->full[slot] = *full;
            slot_list(t, slot, was);
        }
    g_free(old);
    g_free(old_full);
    g_free(old_filled[0]);
}

void tlb_set_page(CPUState *cpu, vaddr addr, hwaddr paddr, int prot, unsigned mmu_idx, uint64_t page_size, bool global)
{
    CpuTlb *tlb = cpu->tlb;
    ModeTlb *t = &tlb->mode[mmu_idx];
    addr &= TCG_PAGE_MASK;
    paddr &= TCG_PAGE_MASK;

    TlbFull full = {.paddr = paddr, .ram_addr = NO_PAGE, .global = global};
    full.page_bits = page_size <= TCG_PAGE_SIZE ? TCG_PAGE_BITS : __builtin_ctzll(page_size);
    TlbEntry e = tlb_empty_entry;
    uint64_t flags = page_watched(tlb, addr) ? TLB_WATCH : 0, wflags = flags;

    rcu_section_enter();
    const FlatRange *r = address_space_lookup(&address_space_memory, paddr);
    bool whole = r && r->start <= paddr && paddr + TCG_PAGE_SIZE - 1 <= r->start + (r->size - 1);
    if (r && whole && r->mr->ram) {
        full.mr = r->mr;
        full.mr_offset = r->mr_offset + (paddr - r->start);
        uint64_t block_off = r->mr->ram_offset + full.mr_offset;
        full.ram_addr = r->mr->ram->offset + block_off;
        e.addend = (uintptr_t)(r->mr->ram->host + block_off) - addr;
        if (r->readonly)
            wflags |= TLB_MMIO;
    } else {
        /* A device, nothing, or a page that several regions share: each access looks again. */
        if (r && whole) {
            full.mr = r->mr;
            full.mr_offset = r->mr_offset + (paddr - r->start);
        }
        flags |= TLB_MMIO;
        wflags |= TLB_MMIO;
    }
    rcu_section_leave();

    lock_tlb(tlb);
    if (full.page_bits > TCG_PAGE_BITS)
        large_add(&t->large[global], addr, full.page_bits);
    if (t->evictions > 1u << (t->bits - 1) && t->bits < TLB_MAX_BITS)
        tlb_mode_resize(t, &cpu_head(cpu)->tlb[mmu_idx], t->bits + 1);
    if ((prot & PROT_W) && !(wflags & TLB_MMIO) &&
        !(dirty_all_set(full.ram_addr) && note_writable(cpu, full.ram_addr, addr)))
        wflags |= TLB_NOTDIRTY;
    if (prot & PROT_R)
        e.addr_read = addr | flags;
    if (prot & PROT_W)
        e.addr_write = addr | wflags;
    if (prot & PROT_X)
        e.addr_code = addr | (flags & TLB_MMIO);

    TlbFast *f = &cpu_head(cpu)->tlb[mmu_idx];
    size_t slot = slot_of(f, addr);
    TlbEntry *old = &f->table[slot];
    if (entry_used(old) && entry_page(old) != addr) {
        unsigned v = t->victim_next++ % VICTIMS;
        if (entry_used(&t->victim[v]) && !t->victim_full[v].global)
            tlb_guess_evicted(cpu, entry_page(&t->victim[v]), mmu_idx);
        t->victim[v] = *old;
        t->victim_full[v] = t->full[slot];
        t->evictions++;
        t->victims = true;
    }
    /* An older translation of the same page must not come back from the victims. */
    for (unsigned i = 0; t->victims && i < VICTIMS; i++)
        if (entry_used(&t->victim[i]) && entry_page(&t->victim[i]) == addr)
            t->victim[i] = tlb_empty_entry;
    unsigned was = t->full[slot].listed;
    t->full[slot] = full;
    slot_list(t, slot, was);
    *old = e;
    if (cpu_head(cpu)->stack[mmu_idx].page == addr)
        tlb_drop_stack_pages(cpu);
    tlb_check_guesses(cpu, addr, &e, mmu_idx);
    unlock_tlb(tlb);
    cpu->stats.tlb_fills++;
}

static bool victim_swap(CPUState *cpu, vaddr addr, AccessType type, unsigned mmu_idx)
{
    ModeTlb *t = &cpu->tlb->mode[mmu_idx];
    for (unsigned i = 0; t->victims && i < VICTIMS; i++) {
        if (!tag_hits(entry_tag(&t->victim[i], type), addr))
            continue;
        TlbFast *f = &cpu_head(cpu)->tlb[mmu_idx];
        lock_tlb(cpu->tlb);
        /* Two hot pages on one slot would change places for ever. A larger table mostly has a slot for each. */
        if (++t->evictions > 1u << (t->bits - 1) && t->bits < SWAP_MAX_BITS)
            tlb_mode_resize(t, f, t->bits + 1);
        size_t slot = slot_of(f, addr);
        TlbEntry e = f->table[slot];
        TlbFull full = t->full[slot];
        f->table[slot] = t->victim[i];
        t->full[slot] = t->victim_full[i];
        slot_list(t, slot, full.listed);
        t->victim[i] = e;
        t->victim_full[i] = full;
        /* Its linear page may have been struck from the RAM page's note while it was away. */
        uint64_t w = f->table[slot].addr_write;
        if (w != ~0ULL && !(w & (TLB_NOTDIRTY | TLB_MMIO)) && !note_writable(cpu, t->full[slot].ram_addr, addr))
            f->table[slot].addr_write |= TLB_NOTDIRTY;
        unlock_tlb(cpu->tlb);
        cpu->stats.tlb_victim_hits++;
        return true;
    }
    return false;
}

/* The entry for addr, filled if needed. NULL only for a probe that faults. */
TlbEntry *tlb_entry_for(CPUState *cpu, vaddr addr, unsigned size, AccessType type, unsigned mmu_idx, bool probe,
                        uintptr_t ra, TlbFull **full)
{
    TlbFast *f = &cpu_head(cpu)->tlb[mmu_idx];
    size_t slot = slot_of(f, addr);
    if (!tag_hits(entry_tag(&f->table[slot], type), addr)) {
        if (!victim_swap(cpu, addr, type, mmu_idx) && !cpu->ops->tlb_fill(cpu, addr, size, type, mmu_idx, probe, ra))
            return NULL;
        slot = slot_of(f, addr); /* the table may have grown */
    }
    *full = &cpu->tlb->mode[mmu_idx].full[slot];
    return &f->table[slot];
}

void tlb_stats(CPUState *cpu, GString *out)
{
    for (unsigned m = 0; m < TCG_MMU_MODES; m++)
        g_string_append_printf(out, "TLB mode %u            %u of %u entries filled\n", m, cpu->tlb->mode[m].nb_filled[0] + cpu->tlb->mode[m].nb_filled[1],
                               1u << cpu->tlb->mode[m].bits);
}
