/* tb-cache.c - where TBs are kept: their array, the lists per RAM page, links between TBs, and what a write to code does to
 * all of these. How they are found: tb-hash.c, jump-cache.c.
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
    PIECE_BITS = 6,
    BYTES_PER_TB = 32, MIN_TBS = 1 << 18, /* the length of the array: a TB has more bytes of code */
    STICKY_INVALIDATIONS = 16, /* after so many a page stays protected: see tb_invalidate_range */
};

typedef struct CodePage {
    uint64_t pieces;    /* bit: this 64-byte piece holds code */
    TbSlot first;
    uint32_t invalidations;
    vaddr numbered;     /* the linear page that `number` is for: the first where ordinary TBs were made since it had no code */
    uint32_t number;    /* TB.page_number */
    vaddr linear;       /* where it was translated first since it had no code; TBs that might float do elsewhere */
} CodePage;

static GMutex lock;
TB *tb_array;                 /* huge pages, of which those have memory that are used */
static unsigned nb_alloced, nb_published, array_len; /* published: may be found by host address; in the order of their code */
static CodePage **code_pages; /* by RAM page, in groups of 512, made when first used */
static uint64_t nb_code_groups;
static uint32_t inval_seq, last_number;
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

void tb_cache_init(void)
{
    static const DirtyHooks hooks = {invalidate_hook, tlb_protect_ram};
    if (!tb_array) {
        for (array_len = MAX(jit_buf->size / BYTES_PER_TB, MIN_TBS); array_len > 1024 && !tb_array;) {
            tb_array = mem_alloc_ram(array_len * sizeof *tb_array, NULL);
            if (!tb_array)
                array_len /= 2; /* a limit of address space */
        }
        if (!tb_array)
            g_error("no memory for translations"); /* as g_malloc() does */
        tb_hash_init();
    }
    dirty_set_hooks(&hooks);
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
    unsigned start = tb->pc & ~TCG_PAGE_MASK;
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

/* The next one's code begins where this one's ends, or a few bytes later. Where a call returns to may be the next one's: ask for the
 * byte before. */
static bool has_host(const TB *tb, uintptr_t host_pc)
{
    const TB *next = tb + 1;
    bool last = next >= tb_array + nb_published;
    const CodeBuf *b = jit_buf;
    uintptr_t at = host_pc - (uintptr_t)b->rx;
    uint32_t end = last ? b->ptr - b->rw : next->code, cold_end = last ? (b->cold ? b->cold : b->ptr) - b->rw : next->cold;

    return (at >= tb->code && at < end) || (at >= tb->cold && at < cold_end);
}

TB *tb_find_host(uintptr_t host_pc)
{
    TB *found = NULL;
    tb_lock();
    unsigned lo = 0, hi = nb_published;
    bool cold = jit_buf->cold && host_pc >= (uintptr_t)codebuf_rx(jit_buf, jit_buf->cold_start); /* in the same order there */
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        TB *tb = &tb_array[mid];
        if (has_host(tb, host_pc)) {
            found = tb;
            break;
        }
        if (host_pc < (uintptr_t)(jit_buf->rx + (cold ? tb->cold : tb->code)))
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

TB *tb_alloc(void) { return nb_alloced < array_len ? &tb_array[nb_alloced++] : NULL; }

void tb_publish(TB *tb) { nb_published = tb - tb_array + 1; }

void tb_drop_last(TB *tb)
{
    if (tb != &tb_array[nb_alloced - 1])
        return;
    if (nb_published == nb_alloced) {
        nb_published--;
        tb_stats_truncate(nb_published);
        jit_buf->ptr = jit_buf->rw + tb->code - (tb->floating ? TCG_FLOAT_ENTRY_ROOM : 0);
        if (jit_buf->cold)
            jit_buf->cold = jit_buf->rw + tb->cold;
    }
    nb_alloced--;
}

bool tb_reclaim(void)
{
    bool any = false;
    tb_lock();
    while (nb_published && nb_published == nb_alloced && tb_array[nb_published - 1].invalid) {
        tb_drop_last(&tb_array[nb_published - 1]);
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

static TB *untag(TbSlot t, int *n)
{
    *n = t & 1;
    return tb_of(t >> 1);
}

static TbSlot tagged(const TB *tb, int n) { return tb_ref(tb) << 1 | n; }
/* Where a list goes on: in a TbCold, which is not aligned. */
typedef TbSlot NextSlot __attribute__((aligned(1)));
static NextSlot *next_on_page(TB *tb, int n) { return n ? (NextSlot *)((uint8_t *)tb_cold_rw(tb) + offsetof(TbCold, page_next)) : &tb->page_next; }

/* One linear page for each page of RAM is enough: fixed addresses. */
static uint32_t page_number(CodePage *p, const TB *tb)
{
    vaddr linear = tb->pc & TCG_PAGE_MASK;

    if (tb->floating)
        return 0;
    if ((!p->first && p->numbered != linear) || !p->number) {
        p->numbered = linear;
        p->number = last_number == JUMP_PAGE_NONE - 1 ? 0 : ++last_number;
    }
    return p->numbered == linear ? p->number : 0;
}

void tb_insert(CPUState *cpu, TB *tb)
{
    tb->page_number = page_number(code_page(tb_page(tb, 0), true), tb);
    for (int n = 0; n < 2 && tb_page(tb, n) != NO_PAGE; n++) {
        CodePage *p = code_page(tb_page(tb, n), true);
        unsigned from, to;
        tb_extent(tb, n, &from, &to);
        p->pieces |= pieces_of(from, to);
        *next_on_page(tb, n) = p->first;
        p->first = tagged(tb, n);
        tb_protect_page(tb_page(tb, n));
    }
    tb_hash_add(tb);
}

/* Take a TB's part n out of a list; next: where that of part m of another goes on. */
static void list_remove(NextSlot *p, const TB *tb, int n, NextSlot *(*next)(TB *tb, int m))
{
    while (*p) {
        int m;
        TB *t = untag(*p, &m);
        if (t == tb && m == n) {
            *p = *next(t, m);
            return;
        }
        p = next(t, m);
    }
}

static NextSlot *next_incoming(TB *tb, int n) { return &tb->incoming_next[n]; }

static void patch_jump(const TB *tb, int slot, const uint8_t *to)
{
    uint16_t off = tb_cold(tb)->jump_off[slot];
    tcg_patch_jump(jit_buf, off & TB_IN_COLD ? jit_buf->rx + tb->cold : tb_code(tb), off & ~TB_IN_COLD, to);
}

static void link_far(const TB *tb, int slot, uint32_t number, const uint8_t *to)
{
    const TbCold *cold = tb_cold(tb);
    tcg_link_far(jit_buf, tb_code(tb), cold->jump_off[slot], tb->cold - tb->code + cold->reset_off[slot], number, to);
}

static void unlink_slot(TB *tb, int slot)
{
    if (!tb_dest(tb, slot))
        return;
    list_remove(&tb_of(tb->jump_dest[slot])->incoming, tb, slot, next_incoming);
    tb->jump_dest[slot] = 0;
    patch_jump(tb, slot, (const uint8_t *)tb_cold(tb) + tb_cold(tb)->reset_off[slot]);
}

void tb_chain(TB *from, unsigned slot, TB *to)
{
    bool is_loop = from->has_loop && slot == from->loop_slot, is_far = from->far_slots >> slot & 1;

    tb_lock();
    if (from->invalid || to->invalid || tb_dest(from, slot) || tb_cold(from)->jump_off[slot] == TB_NO_JUMP || (from->cflags & CF_NOCHAIN) ||
        (to->cflags & CF_NOCACHE) || ((from->lazy_slots >> slot & 1) && !to->skips_state) || (is_loop && from != to)) {
        tb_unlock();
        return;
    }
    if (from->floating == to->floating && !to->two_pages && (!is_far || to->page_number)) {
        from->jump_dest[slot] = tb_ref(to);
        from->incoming_next[slot] = to->incoming;
        to->incoming = tagged(from, slot);
        if (is_far)
            link_far(from, slot, to->page_number, tb_code(to));
        else
            patch_jump(from, slot, tb_code(to) + (is_loop ? tb_cold(to)->loop_entry : 0));
    } else if (is_far) { /* not to come back here each time */
        link_far(from, slot, JUMP_PAGE_NONE, NULL);
    }
    tb_unlock();
}

static void tb_invalidate(TB *tb)
{
    tb->invalid = true;
    log_print(LOG_PAGE, "page: TB %016" PRIx64 " at RAM %08" PRIx64 " invalidated\n", tb->pc, tb_phys(tb));
    tb_hash_remove(tb);
    for (int k = 0; k < 2 && tb_page(tb, k) != NO_PAGE; k++)
        list_remove(&code_page(tb_page(tb, k), false)->first, tb, k, next_on_page);
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

void tb_forget(TB *tb)
{
    tb_lock();
    if (!tb->invalid)
        tb_invalidate(tb);
    tb_unlock();
}

unsigned tb_neighbours(TB *tb, TB **out, unsigned max)
{
    unsigned n = 0;
    tb_lock();
    out[n++] = tb;
    for (unsigned i = 0; i < n && n < max; i++) {
        TB *next[4] = {NULL};
        int slot;
        for (unsigned k = 0; k < 2; k++)
            if (tb_dest(out[i], k))
                next[k] = tb_of(tb_dest(out[i], k));
        if (out[i]->incoming) {
            next[2] = untag(out[i]->incoming, &slot);
            if (next[2]->incoming_next[slot])
                next[3] = untag(next[2]->incoming_next[slot], &slot);
        }
        for (unsigned k = 0; k < ARRAY_SIZE(next) && n < max; k++) {
            bool known = !next[k];
            for (unsigned j = 0; j < n; j++)
                known |= out[j] == next[k];
            if (!known)
                out[n++] = next[k];
        }
    }
    tb_unlock();
    return n;
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
            TbSlot next;
            for (TbSlot t = cp->first; t; t = next) {
                int n;
                unsigned f, e;
                TB *tb = untag(t, &n);
                next = *next_on_page(tb, n);
                tb_extent(tb, n, &f, &e);
                if (f < to && from < e && n == 0 && tb_patch_is_soft(tb, from, to)) {
                    left |= pieces_of(f, e);
                } else if (f < to && from < e) {
                    if (ra && has_host(tb, ra - 1))
                        hit_current = true;
                    /* a TB that lies on one page twice is in the list twice */
                    int other;
                    while (next && untag(next, &other) == tb)
                        next = *next_on_page(tb, other);
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
    tb_hash_clear();
    for (uint64_t g = 0; g < nb_code_groups; g++)
        if (code_pages[g])
            memset(code_pages[g], 0, 512 * sizeof **code_pages);
    nb_alloced = nb_published = 0;
    last_number = 0;
    tb_patch_forget();
    tb_stats_truncate(0);
    tlb_guesses_forget(cpu);
    codebuf_flush(jit_buf);
    jit_totals.flushes++;
    jump_cache_reset(cpu);
    __atomic_fetch_add(&inval_seq, 1, __ATOMIC_ACQ_REL);
    tb_unlock();
}

void tb_cache_stats(unsigned *count, uint64_t *target_bytes, unsigned *max_target, unsigned *cross_page, unsigned *linked1,
                    unsigned *linked2)
{
    *count = *max_target = *cross_page = *linked1 = *linked2 = 0;
    *target_bytes = 0;
    tb_lock();
    for (unsigned i = 0; i < nb_published; i++) {
        const TB *tb = &tb_array[i];
        if (tb->invalid)
            continue;
        ++*count;
        *target_bytes += tb->size;
        *max_target = MAX(*max_target, tb->size);
        *cross_page += tb->two_pages;
        *linked1 += tb_dest(tb, 0) || tb_dest(tb, 1);
        *linked2 += tb_dest(tb, 0) && tb_dest(tb, 1);
    }
    tb_unlock();
}
