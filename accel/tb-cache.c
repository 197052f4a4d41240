/* tb-cache.c - where TBs are kept and found: the hash by physical pc, the lists per RAM page, links between
 * TBs, and what a write to code does to all of these. Jump caches: jump-cache.c.
 *
 * Everything is under the tb lock.
 * A page with TBs has its DIRTY_CODE bit clear, so that each write to it is seen (cputlb.c, dirty.h). Its
 * bitmap says which 64-byte pieces hold code, so that data beside code costs no search. */
#include "accel/internal.h"
#include "host/base/log.h"
#include "host/base/mem.h"
#include "softmmu/dirty.h"
#include "softmmu/physmem.h"

enum {
    HASH_BITS = 18, TB_CHUNK = 2 * MiB / sizeof(TB) /* round up to a huge page */, PIECE_BITS = 6,
    STICKY_INVALIDATIONS = 16, /* after so many a page stays protected: see tb_invalidate_range */
};

typedef struct CodePage {
    TB *first;          /* tagged: TB | n, n = which of its pages this is */
    uint64_t pieces;    /* bit: this 64-byte piece holds code */
    uint32_t invalidations;
    vaddr linear;       /* where it was translated first since it had no code; TBs that might float do elsewhere */
} CodePage;

static GMutex lock;
static TB **hash;             /* in huge pages like the TBs: a look-up that misses pays for page walks, too */
static CodePage **code_pages; /* by RAM page, in groups of 512, made when first used */
static uint64_t nb_code_groups;
static GPtrArray *chunks;     /* of TB[TB_CHUNK] */
static unsigned chunk_used;   /* TBs used in all chunks together */
static GPtrArray *by_host;    /* TBs in the order of their code */
static uint32_t inval_seq;
JitTotals jit_totals;

void tb_lock(void) { g_mutex_lock(&lock); }
void tb_unlock(void) { g_mutex_unlock(&lock); }

static void invalidate_hook(ram_addr_t addr, uint64_t len)
{
    bool page_free;
    tb_invalidate_range(current_cpu, addr, len, 0, &page_free);
    if (page_free)
        dirty_set(DIRTY_CODE, addr, len);
}

static void *huge_alloc(size_t size)
{
    GError *err = NULL;
    void *p = mem_alloc_ram(size, &err);
    if (!p)
        g_error("%s", err->message); /* as g_malloc() does */
    return p;
}

static void chunk_free(void *p) { mem_free(p, TB_CHUNK * sizeof(TB)); }

void tb_cache_init(void)
{
    static const DirtyHooks hooks = {invalidate_hook, tlb_protect_ram};
    if (!chunks) {
        chunks = g_ptr_array_new_with_free_func(chunk_free);
        hash = huge_alloc((1 << HASH_BITS) * sizeof *hash);
        by_host = g_ptr_array_new();
    }
    dirty_set_hooks(&hooks);
}

/* pc too: with randomised addresses each process has a library's page somewhere else, and not all of that floats. */
static uint32_t hash_of(ram_addr_t phys_pc, vaddr pc, bool floating, uint64_t cs_base, uint32_t flags)
{
    if (floating)
        pc = 0;
    uint64_t h = (phys_pc ^ (pc & TCG_PAGE_MASK) << 16 ^ pc >> 32) * 0x9e3779b97f4a7c15ULL ^ cs_base ^
                 (uint64_t)flags * 0xc2b2ae3d27d4eb4fULL;
    return (h ^ h >> 29) >> 17 & ((1 << HASH_BITS) - 1);
}

static CodePage *code_page(ram_addr_t addr, bool make)
{
    uint64_t page = addr >> TCG_PAGE_BITS, group = page >> 9;
    if (group >= nb_code_groups) {
        if (!make)
            return NULL;
        uint64_t n = MAX((ram_addr_end() >> (TCG_PAGE_BITS + 9)) + 1, group + 1);
        code_pages = g_renew(CodePage *, code_pages, n);
        memset(code_pages + nb_code_groups, 0, (n - nb_code_groups) * sizeof *code_pages);
        nb_code_groups = n;
    }
    if (!code_pages[group]) {
        if (!make)
            return NULL;
        code_pages[group] = g_new0(CodePage, 512);
    }
    return &code_pages[group][page & 511];
}

/* Part of a TB on its page n: offsets [*from, *to) in that page. */
static void tb_extent(const TB *tb, int n, unsigned *from, unsigned *to)
{
    unsigned start = tb->phys_pc & ~TCG_PAGE_MASK;
    if (n == 0) {
        *from = start;
        *to = MIN(start + tb->size, TCG_PAGE_SIZE);
    } else {
        *from = 0;
        *to = start + tb->size - TCG_PAGE_SIZE;
    }
}

static uint64_t pieces_of(unsigned from, unsigned to)
{
    uint64_t bits = 0;
    for (unsigned p = from >> PIECE_BITS; p <= (to - 1) >> PIECE_BITS; p++)
        bits |= 1ULL << p;
    return bits;
}

/* --- finding --- */

/* phys_pc tells the offset in the page. */
static inline bool is_at(const TB *tb, vaddr pc) { return tb->floating || tb->pc == pc; }

/* Without the lock: TBs enter a chain by one store, leave it by one store and keep their link, and their
 * memory is used again only after tb_flush_all() or, never having been in a chain, tb_drop_last(). Whoever
 * uses what is found looks at ->invalid after making it known. */
static inline bool is_tb(const TB *tb, const TbState *st, uint32_t cflags, ram_addr_t phys_pc)
{
    return is_at(tb, st->pc) && tb->floating == st->floating && tb->phys_pc == phys_pc && tb->cs_base == st->cs_base && tb->flags == st->flags &&
           tb->cflags == cflags;
}

TB *tb_lookup_phys(CPUState *cpu, const TbState *st, uint32_t cflags, ram_addr_t phys_pc, bool one_page)
{
    TB *first = __atomic_load_n(&hash[hash_of(phys_pc, st->pc, st->floating, st->cs_base, st->flags)], __ATOMIC_ACQUIRE);
    bool two_pages = false;

    for (TB *tb = first; tb; tb = __atomic_load_n(&tb->hash_next, __ATOMIC_ACQUIRE)) {
        if (!is_tb(tb, st, cflags, phys_pc))
            continue;
        if (tb->page[1] == NO_PAGE)
            return tb;
        two_pages = true;
    }
    if (!two_pages || one_page)
        return NULL;
    /* TBs on two pages: the second page must still be where it was. Its look-up may fault, as
     * fetching the instruction would. */
    ram_addr_t page1 = tlb_code_addr(cpu, (st->pc & TCG_PAGE_MASK) + TCG_PAGE_SIZE, NULL, NULL);
    if (page1 == NO_PAGE)
        return NULL;
    for (TB *tb = first; tb; tb = __atomic_load_n(&tb->hash_next, __ATOMIC_ACQUIRE))
        if (is_tb(tb, st, cflags, phys_pc) && tb->page[1] == (page1 & TCG_PAGE_MASK))
            return tb;
    return NULL;
}

TB *tb_find_host(uintptr_t host_pc)
{
    TB *found = NULL;
    tb_lock();
    unsigned lo = 0, hi = by_host->len;
    bool cold = jit_buf->cold && host_pc >= (uintptr_t)codebuf_rx(jit_buf, jit_buf->cold_start); /* in the same order there */
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        TB *tb = by_host->pdata[mid];
        if (tb_has_host(tb, host_pc)) {
            found = tb;
            break;
        }
        if (host_pc < (uintptr_t)(cold ? tb->cold : tb->code))
            hi = mid;
        else
            lo = mid + 1;
    }
    tb_unlock();
    return found;
}

bool tb_always_float;

bool tb_page_floats(ram_addr_t phys_pc, vaddr pc)
{
    tb_lock();
    CodePage *p = code_page(phys_pc, true);
    if (!p->first)
        p->linear = pc & TCG_PAGE_MASK;
    bool floats = tb_always_float || p->linear != (pc & TCG_PAGE_MASK);
    tb_unlock();
    return floats;
}

/* --- life --- */

TB *tb_alloc(void)
{
    if (chunk_used == chunks->len * TB_CHUNK)
        g_ptr_array_add(chunks, huge_alloc(TB_CHUNK * sizeof(TB)));
    TB *tb = (TB *)chunks->pdata[chunk_used / TB_CHUNK] + chunk_used % TB_CHUNK;
    chunk_used++;
    memset(tb, 0, sizeof *tb);
    tb->page[0] = tb->page[1] = tb->phys_pc = NO_PAGE;
    tb->jump_off[0] = tb->jump_off[1] = ~0u;
    return tb;
}

void tb_publish(TB *tb) { g_ptr_array_add(by_host, tb); }

void tb_drop_last(TB *tb)
{
    TB *last = (TB *)chunks->pdata[(chunk_used - 1) / TB_CHUNK] + (chunk_used - 1) % TB_CHUNK;
    if (tb != last)
        return;
    if (by_host->len && by_host->pdata[by_host->len - 1] == tb) {
        g_ptr_array_set_size(by_host, by_host->len - 1);
        tb_stats_truncate(by_host->len);
        jit_buf->ptr = tb->code - jit_buf->rx_diff - (tb->floating ? TCG_FLOAT_ENTRY_ROOM : 0);
        if (jit_buf->cold)
            jit_buf->cold = tb->cold - jit_buf->rx_diff;
    }
    chunk_used--;
}

bool tb_reclaim(void)
{
    bool any = false;
    tb_lock();
    while (by_host->len && ((TB *)by_host->pdata[by_host->len - 1])->invalid) {
        unsigned used = chunk_used;
        tb_drop_last(by_host->pdata[by_host->len - 1]);
        if (chunk_used == used)
            break;
        any = true;
    }
    tb_unlock();
    return any;
}

uint32_t tb_inval_seq(void) { return __atomic_load_n(&inval_seq, __ATOMIC_ACQUIRE); }

void tb_protect_page(ram_addr_t page)
{
    if (!dirty_get(DIRTY_CODE, page))
        return;
    log_print(LOG_PAGE, "page: RAM page %08" PRIx64 " holds code: protected\n", (uint64_t)(page & TCG_PAGE_MASK));
    dirty_clear(DIRTY_CODE, page & TCG_PAGE_MASK, TCG_PAGE_SIZE);
}

void tb_insert(CPUState *cpu, TB *tb)
{
    for (int n = 0; n < 2 && tb->page[n] != NO_PAGE; n++) {
        CodePage *p = code_page(tb->page[n], true);
        unsigned from, to;
        tb_extent(tb, n, &from, &to);
        p->pieces |= pieces_of(from, to);
        tb->page_next[n] = p->first;
        p->first = (TB *)((uintptr_t)tb | n);
        tb_protect_page(tb->page[n]);
    }
    uint32_t h = hash_of(tb->phys_pc, tb->pc, tb->floating, tb->cs_base, tb->flags);
    tb->hash_next = hash[h];
    __atomic_store_n(&hash[h], tb, __ATOMIC_RELEASE);
}

static TB *untag(TB *t, int *n)
{
    *n = (uintptr_t)t & 1;
    return (TB *)((uintptr_t)t & ~(uintptr_t)1);
}

static void unlink_slot(TB *tb, int slot)
{
    TB *to = tb->jump_dest[slot];
    if (!to)
        return;
    for (TB **p = &to->incoming; *p;) {
        int n;
        TB *from = untag(*p, &n);
        if (from == tb && n == slot) {
            *p = from->incoming_next[n];
            break;
        }
        p = &from->incoming_next[n];
    }
    tb->jump_dest[slot] = NULL;
    tcg_patch_jump(jit_buf, tb->code, tb->jump_off[slot], tb->code + tb->reset_off[slot]);
}

void tb_chain(TB *from, unsigned slot, TB *to)
{
    bool is_loop = from->loop_entry && slot == from->loop_slot;

    tb_lock();
    if (!from->invalid && !to->invalid && !from->jump_dest[slot] && from->jump_off[slot] != ~0u &&
        !(from->cflags & CF_NOCHAIN) && !(to->cflags & CF_NOCACHE) && (!(from->lazy_slots >> slot & 1) || to->skips_state) &&
        (!is_loop || from == to) && from->floating == to->floating && to->page[1] == NO_PAGE) {
        from->jump_dest[slot] = to;
        from->incoming_next[slot] = to->incoming;
        to->incoming = (TB *)((uintptr_t)from | slot);
        tcg_patch_jump(jit_buf, from->code, from->jump_off[slot], to->code + (is_loop ? to->loop_entry : 0));
    }
    tb_unlock();
}

static void tb_invalidate(TB *tb)
{
    tb->invalid = true;
    log_print(LOG_PAGE, "page: TB %016" PRIx64 " at RAM %08" PRIx64 " invalidated\n", tb->pc, tb->phys_pc);
    for (TB **p = &hash[hash_of(tb->phys_pc, tb->pc, tb->floating, tb->cs_base, tb->flags)]; *p; p = &(*p)->hash_next)
        if (*p == tb) {
            __atomic_store_n(p, tb->hash_next, __ATOMIC_RELEASE);
            break;
        }
    for (int k = 0; k < 2 && tb->page[k] != NO_PAGE; k++) {
        CodePage *cp = code_page(tb->page[k], false);
        for (TB **p = &cp->first; *p;) {
            int n;
            TB *t = untag(*p, &n);
            if (t == tb && n == k) {
                *p = t->page_next[n];
                break;
            }
            p = &t->page_next[n];
        }
    }
    unlink_slot(tb, 0);
    unlink_slot(tb, 1);
    while (tb->incoming) {
        int n;
        TB *from = untag(tb->incoming, &n);
        unlink_slot(from, n);
    }
    if (first_cpu)
        jump_cache_forget(first_cpu, tb);
    jit_totals.invalidations++;
}

bool tb_invalidate_range(CPUState *cpu, ram_addr_t addr, uint64_t len, uintptr_t ra, bool *page_free)
{
    bool hit_current = false;
    *page_free = true;
    tb_lock();
    __atomic_fetch_add(&inval_seq, 1, __ATOMIC_ACQ_REL);
    for (ram_addr_t page = addr & TCG_PAGE_MASK; page < addr + len; page += TCG_PAGE_SIZE) {
        CodePage *cp = code_page(page, false);
        if (!cp || !cp->first)
            continue;
        unsigned from = page < addr ? addr - page : 0, to = MIN(addr + len - page, TCG_PAGE_SIZE);
        log_print(LOG_PAGE, "page: store to code page %08" PRIx64 ", bytes %03x to %03x\n", page, from, to - 1);
        if (cp->pieces & pieces_of(from, to)) {
            uint64_t left = 0;
            bool any = false;
            TB *next;
            for (TB *t = cp->first; t; t = next) {
                int n;
                unsigned f, e;
                TB *tb = untag(t, &n);
                next = tb->page_next[n];
                tb_extent(tb, n, &f, &e);
                if (f < to && from < e && n == 0 && tb_patch_is_soft(tb, from, to)) {
                    left |= pieces_of(f, e);
                } else if (f < to && from < e) {
                    if (tb_has_host(tb, ra))
                        hit_current = true;
                    /* a TB that lies on one page twice is in the list twice */
                    int other;
                    while (next && untag(next, &other) == tb)
                        next = tb->page_next[other];
                    tb_invalidate(tb);
                    any = true;
                } else {
                    left |= pieces_of(f, e);
                }
            }
            cp->pieces = left;
            cp->invalidations += any;
            if (any)
                tb_patch_note(addr, len);
        }
        /* Code that is rewritten over and over would pay for each protection with a walk of the TLB:
         * such a page stays protected, its stores take the slow path. */
        if (cp->first || cp->invalidations > STICKY_INVALIDATIONS)
            *page_free = false;
        else
            log_print(LOG_PAGE, "page: RAM page %08" PRIx64 " is free of code\n", page);
    }
    tb_unlock();
    return hit_current;
}

void tb_flush_all(CPUState *cpu)
{
    tb_lock();
    memset(hash, 0, (1 << HASH_BITS) * sizeof *hash);
    for (uint64_t g = 0; g < nb_code_groups; g++)
        if (code_pages[g])
            memset(code_pages[g], 0, 512 * sizeof **code_pages);
    chunk_used = 0;
    tb_patch_forget();
    g_ptr_array_set_size(by_host, 0);
    tb_stats_truncate(0);
    codebuf_flush(jit_buf);
    jit_totals.flushes++;
    jump_cache_clear(cpu, false);
    __atomic_fetch_add(&inval_seq, 1, __ATOMIC_ACQ_REL);
    tb_unlock();
}

void tb_cache_stats(unsigned *count, uint64_t *target_bytes, unsigned *max_target, unsigned *cross_page, unsigned *linked1,
                    unsigned *linked2)
{
    *count = *max_target = *cross_page = *linked1 = *linked2 = 0;
    *target_bytes = 0;
    tb_lock();
    for (unsigned i = 0; i < by_host->len; i++) {
        TB *tb = by_host->pdata[i];
        if (tb->invalid)
            continue;
        ++*count;
        *target_bytes += tb->size;
        *max_target = MAX(*max_target, tb->size);
        *cross_page += tb->page[1] != NO_PAGE;
        *linked1 += tb->jump_dest[0] != NULL || tb->jump_dest[1] != NULL;
        *linked2 += tb->jump_dest[0] != NULL && tb->jump_dest[1] != NULL;
    }
    tb_unlock();
}
