/* jump-cache.c - the vCPU's jump caches: from linear pc to translated code, read by generated code.
 *
 * There is one for each kind of TB (flags and cs_base) that ran lately, so that generated code has only the pc to
 * compare: it runs with that of its own kind in TcgEnvHead.jump_cache, and every way to TBs of another kind is through C,
 * which changes the pointer (jump_cache_find()). They are filled by the vCPU's thread alone; whoever invalidates a TB
 * empties its entry.
 *
 * What one slot is too few for goes to another, among the victims, where a jump that misses looks, too (gen_search()):
 * functions begin at multiples of 16, so that their low bits meet often.
 *
 * A request to leave translated code puts a cache without entries there, beside exit_request: each indirect jump then
 * misses and leaves, without a look at the request of its own.
 *
 * Not modelled: a second vCPU's caches are not told of invalidated TBs (tb-cache.c knows first_cpu only). */
#include "accel/internal.h"
#include "host/base/barrier.h"
#include <sys/mman.h>

enum { MAX_CACHES = 8, IDLE_CHANGES = 8, JC_PAGE_BITS = 13, VICTIM_PATIENCE = 15 };

/* Which slots were filled, so that clearing costs what goes: [0] code on other pages, [1] on global pages. A
 * slot in use is in the list of its kind, and may be left over in the other. Beside that the slots of each page are
 * chained, those of pages with one hash value together: the kernel's code fills thousands of slots that only a full
 * flush empties, and INVLPG is to look at its own page's. */
typedef struct SlotInfo {
    TB *tb;
    uint32_t next, prev; /* in its chain, if CHAINED; the last and the first one: itself */
    uint16_t chain;      /* in which it is, with GLOBAL's lists */
    uint8_t state;       /* LISTED << k: in slot[k]; CHAINED; GLOBAL: the entry's kind */
} SlotInfo;

typedef struct JumpCache {
    JumpCacheEntry e[JUMP_CACHE_SLOTS]; /* from JUMP_CACHE_SIZE on: victims */
    SlotInfo info[JUMP_CACHE_SLOTS];    /* in one place: a slot is mostly in none of the host's caches */
    uint32_t slot[2][JUMP_CACHE_SLOTS];
    uint32_t first[2][1 << JC_PAGE_BITS]; /* of a chain: slot + 1, or 0 */
    unsigned n[2];
} JumpCache;
enum { LISTED = 1, CHAINED = 4, GLOBAL = 8 };

struct JumpCaches { /* places stay: another thread may read cache[] */
    JumpCache *cache[MAX_CACHES];
    uint64_t key[MAX_CACHES];  /* flags | cs_base << 32 */
    uint64_t used[MAX_CACHES]; /* clock when it was last selected anew */
    bool has_pages[MAX_CACHES];
    unsigned n, current, before; /* before: current's predecessor */
    uint64_t clock;
};

static JumpCacheEntry *no_jumps; /* a cache without entries, for all CPUs */

static uint64_t key_of(const TbState *st) { return st->flags | st->cs_base << 32; }

/* Zeroed pages, of which those have memory that are used. */
static void *map_zeroed(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, size, MADV_NOHUGEPAGE); /* a cache is a few pages here and there */
    return p;
}

static void entry_clear(JumpCache *c, uint32_t i) { __atomic_store_n(&c->e[i].pc, jump_cache_empty(i), __ATOMIC_RELEASE); }

/* Zero is empty everywhere else. */
static void entries_init(JumpCacheEntry *e)
{
    e[0].pc = jump_cache_empty(0);
    e[JUMP_CACHE_SIZE].pc = jump_cache_empty(JUMP_CACHE_SIZE);
}

static JumpCache *cache_new(void)
{
    JumpCache *c = map_zeroed(sizeof *c);
    if (c)
        entries_init(c->e);
    return c;
}

void jump_cache_init(CPUState *cpu)
{
    struct JumpCaches *j = cpu->jumps = g_new0(struct JumpCaches, 1);

    barrier_is_asymmetric();
    if (!no_jumps && (no_jumps = map_zeroed(JUMP_CACHE_SLOTS * sizeof *no_jumps)))
        entries_init(no_jumps);
    j->cache[0] = cache_new();
    if (!no_jumps || !j->cache[0])
        g_error("no memory for the jump cache"); /* as g_malloc() does */
    j->n = 1;
    cpu_head(cpu)->jump_cache = j->cache[0]->e;
}

void jump_cache_free(CPUState *cpu)
{
    for (unsigned i = 0; cpu->jumps && i < cpu->jumps->n; i++)
        munmap(cpu->jumps->cache[i], sizeof(JumpCache));
    g_clear_pointer(&cpu->jumps, g_free);
    cpu_head(cpu)->jump_cache = NULL;
}

void cpu_request_exit(CPUState *cpu)
{
    TcgEnvHead *head = cpu_head(cpu);

    __atomic_store_n(&head->exit_request, 1, __ATOMIC_SEQ_CST);
    if (cpu == current_cpu) /* a device's model, or a signal handler: in order with the rest of this thread */
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    else
        barrier_heavy(); /* see select_cache() */
    __atomic_store_n(&head->jump_cache, no_jumps, __ATOMIC_SEQ_CST);
}

static unsigned kind_of(const JumpCache *c, uint32_t i) { return c->info[i].state & GLOBAL ? 1 : 0; }

static void clear_kind(JumpCache *c, unsigned k)
{
    for (unsigned j = 0; j < c->n[k]; j++) {
        uint32_t i = c->slot[k][j];
        c->info[i].state &= ~(LISTED << k);
        if (kind_of(c, i) == k) {
            entry_clear(c, i);
            c->first[k][c->info[i].chain] = 0;
            c->info[i].state &= ~CHAINED;
        }
    }
    c->n[k] = 0;
}

/* Make the cache for TBs of this key the current one. If there is none, that selected longest ago changes its key. */
static void choose(struct JumpCaches *j, uint64_t key)
{
    unsigned i, old = 0;

    j->used[j->current] = j->used[j->before] = ++j->clock; /* they changed places without notice */
    for (i = 0; i < j->n && j->key[i] != key; i++)
        old = j->used[i] < j->used[old] ? i : old;
    if (i == j->n) {
        JumpCache *c = i < MAX_CACHES ? cache_new() : NULL;
        if (c) {
            __atomic_store_n(&j->cache[j->n++], c, __ATOMIC_RELEASE);
        } else {
            i = old;
            clear_kind(j->cache[i], 0);
            clear_kind(j->cache[i], 1);
        }
        __atomic_store_n(&j->key[i], key, __ATOMIC_RELAXED);
    }
    j->used[i] = ++j->clock;
    j->has_pages[i] = true;
    j->before = j->current;
    j->current = i;
}

static JumpCache *select_cache(CPUState *cpu, uint64_t key)
{
    struct JumpCaches *j = cpu->jumps;
    TcgEnvHead *head = cpu_head(cpu);

    if (j->key[j->current] != key) {
        if (j->key[j->before] == key && j->has_pages[j->before]) { /* there and back: a system call */
            unsigned i = j->before;
            j->before = j->current;
            j->current = i;
        } else {
            choose(j, key);
        }
    }
    JumpCache *c = j->cache[j->current];
    if (__atomic_load_n(&head->jump_cache, __ATOMIC_RELAXED) != c->e) {
        /* Twice per system call, so without a locked store. A request at this moment, R, sets exit_request, then has a barrier
         * in this thread, then stores no_jumps. If the barrier comes after the load here, then after the store here too: no_jumps
         * overwrites it. If it comes before the load, that sees exit_request, unless this thread has seen it meanwhile and
         * cleared it (handle_pending()): then it has looked at what R is about. */
        __atomic_store_n(&head->jump_cache, c->e, __ATOMIC_RELAXED);
        barrier_light();
        if (unlikely(__atomic_load_n(&head->exit_request, __ATOMIC_RELAXED)))
            __atomic_store_n(&head->jump_cache, no_jumps, __ATOMIC_RELAXED);
    }
    return c;
}

static unsigned chain_of(vaddr page) { return (page >> TCG_PAGE_BITS) * 0x9e3779b97f4a7c15ULL >> (64 - JC_PAGE_BITS); }

static void chain_remove(JumpCache *c, uint32_t i)
{
    SlotInfo *s = &c->info[i];
    bool first = s->prev == i, last = s->next == i;

    if (first)
        c->first[kind_of(c, i)][s->chain] = last ? 0 : s->next + 1;
    else
        c->info[s->prev].next = last ? s->prev : s->next;
    if (!last)
        c->info[s->next].prev = first ? s->next : s->prev;
}

static void chain_add(JumpCache *c, uint32_t i, unsigned k, unsigned chain)
{
    SlotInfo *s = &c->info[i];
    uint32_t *first = &c->first[k][chain];

    if (s->state & CHAINED) {
        if (kind_of(c, i) == k && s->chain == chain)
            return;
        chain_remove(c, i);
    }
    s->prev = s->next = i;
    if (*first) {
        s->next = *first - 1;
        c->info[s->next].prev = i;
    }
    *first = i + 1;
    s->chain = chain;
    s->state = (s->state & ~GLOBAL) | CHAINED | (k ? GLOBAL : 0);
}

static void place(JumpCache *c, uint32_t i, vaddr pc, TB *tb, unsigned k)
{
    JumpCacheEntry *e = &c->e[i];
    SlotInfo *s = &c->info[i];

    if (!(s->state & LISTED << k)) {
        s->state |= LISTED << k;
        c->slot[k][c->n[k]++] = i;
    }
    chain_add(c, i, k, chain_of(pc));
    __atomic_store_n(&e->pc, jump_cache_empty(i), __ATOMIC_RELAXED);
    e->code = tb->code - (tb->floating ? TCG_FLOAT_ENTRY : 0);
    __atomic_store_n(&s->tb, tb, __ATOMIC_RELAXED);
    __atomic_store_n(&e->pc, pc, __ATOMIC_RELEASE);
}

/* Then, behind a fence as in jump_cache_forget(), the caller has to look at tb->invalid. */
static void enter(JumpCache *c, vaddr pc, TB *tb, bool global)
{
    uint32_t i = jump_cache_index(pc);
    vaddr there = __atomic_load_n(&c->e[i].pc, __ATOMIC_ACQUIRE);

    if (there != jump_cache_empty(i) && there != pc) {
        TB *old = c->info[i].tb;
        uint32_t v = jump_cache_victim(there);
        place(c, v, there, old, kind_of(c, i));
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (__atomic_load_n(&old->invalid, __ATOMIC_RELAXED))
            entry_clear(c, v);
    }
    if (c->e[jump_cache_victim(pc)].pc == pc)
        entry_clear(c, jump_cache_victim(pc));
    place(c, i, pc, tb, global);
}

/* Of two that want one slot the one that is used more often is to have it, which is the one found here when patience ends. */
static TB *promote(CPUState *cpu, JumpCache *c, uint32_t v, vaddr pc)
{
    TB *tb = c->info[v].tb;

    if (cpu_head(cpu)->victim_patience >= 0)
        return tb;
    cpu_head(cpu)->victim_patience = VICTIM_PATIENCE;
    cpu->stats.jc_victims += VICTIM_PATIENCE + 1;
    enter(c, pc, tb, kind_of(c, v));
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&tb->invalid, __ATOMIC_ACQUIRE))
        return tb;
    jump_cache_forget(cpu, tb);
    return NULL;
}

TB *jump_cache_find(CPUState *cpu, const TbState *st)
{
    JumpCache *c = select_cache(cpu, key_of(st));
    uint32_t i = jump_cache_index(st->pc), v;

    if (c->e[i].pc == st->pc)
        return c->info[i].tb;
    v = jump_cache_victim(st->pc);
    return c->e[v].pc == st->pc ? promote(cpu, c, v, st->pc) : NULL;
}

void jump_cache_enter(CPUState *cpu, const TbState *st, TB *tb, bool global)
{
    enter(select_cache(cpu, key_of(st)), st->pc, tb, global);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void forget_at(JumpCache *c, uint32_t i, const TB *tb)
{
    if (__atomic_load_n(&c->info[i].tb, __ATOMIC_RELAXED) == tb)
        entry_clear(c, i);
}

void jump_cache_forget(CPUState *cpu, const TB *tb)
{
    /* A floating one may be there at several pages. */
    unsigned pages = tb->floating ? JUMP_CACHE_SIZE >> TCG_PAGE_BITS : 1, victims = tb->floating ? JUMP_VICTIM_PAGES : 1;
    uint32_t v = tb->floating ? jump_cache_victim(tb->pc) & ~(JUMP_VICTIM_PAGES - 1u) : jump_cache_victim(tb->pc);

    uint64_t key = tb->flags | (uint64_t)tb->cs_base << 32;

    /* Only a cache of the TB's kind can have it, and looking at others would give them memory. If one is becoming that at
     * this moment: its key is changed first, then come the entry, a fence and the look at tb->invalid. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned n = 0; n < MAX_CACHES; n++) {
        JumpCache *c = __atomic_load_n(&cpu->jumps->cache[n], __ATOMIC_ACQUIRE);
        if (__atomic_load_n(&cpu->jumps->key[n], __ATOMIC_RELAXED) != key)
            continue;
        for (unsigned page = 0; c && page < pages; page++)
            forget_at(c, jump_cache_index(tb->pc + ((vaddr)page << TCG_PAGE_BITS)), tb);
        for (unsigned k = 0; c && k < victims; k++)
            forget_at(c, v + k, tb);
    }
}

/* An empty cache of a kind that has not run for long, such as the firmware's: its memory goes back to the host. */
static void release_if_idle(struct JumpCaches *j, unsigned i)
{
    if (!j->has_pages[i] || i == j->current || j->clock - j->used[i] < IDLE_CHANGES)
        return;
    madvise(j->cache[i], sizeof(JumpCache), MADV_DONTNEED);
    entries_init(j->cache[i]->e);
    j->has_pages[i] = false;
}

void jump_cache_clear(CPUState *cpu, bool keep_global)
{
    struct JumpCaches *j = cpu->jumps;

    for (unsigned i = 0; j && i < j->n; i++) {
        clear_kind(j->cache[i], 0);
        if (!keep_global) {
            clear_kind(j->cache[i], 1);
            release_if_idle(j, i);
        }
    }
}

/* From the newest on; a slot that was filled twice is in the list once, at its older place. */
static unsigned save_newest(const JumpCache *c, uint64_t key, SavedJumps *out, unsigned n)
{
    for (unsigned j = c->n[0]; j-- > 0 && n < SAVED_JUMPS;) {
        uint32_t i = c->slot[0][j];
        TB *tb = c->info[i].tb;
        vaddr pc = __atomic_load_n(&c->e[i].pc, __ATOMIC_ACQUIRE);
        if (kind_of(c, i) != 0 || pc == jump_cache_empty(i) || tb->second != NO_PAGE)
            continue; /* where a second page is may change: cpu-exec.c looks again */
        unsigned k = SAVED_JUMPS - ++n;
        out->e[k].pc = pc;
        out->e[k].key = key;
        out->e[k].phys_pc = tb->phys_pc;
        out->e[k].tb = tb;
    }
    return n;
}

void jump_cache_save(CPUState *cpu, SavedJumps *out)
{
    unsigned n = 0;

    for (unsigned i = 0; i < cpu->jumps->n; i++)
        n = save_newest(cpu->jumps->cache[i], cpu->jumps->key[i], out, n);
    if (n < SAVED_JUMPS)
        memmove(out->e, out->e + SAVED_JUMPS - n, n * sizeof out->e[0]);
    out->n = n;
    out->flushes = jit_totals.flushes;
    jump_cache_clear(cpu, true);
}

/* A TB's memory may have become another TB's meanwhile. If all of this agrees, that one is as good. */
static bool jump_still_right(const SavedJumps *in, unsigned i)
{
    const TB *tb = in->e[i].tb;
    return !__atomic_load_n(&tb->invalid, __ATOMIC_ACQUIRE) && (tb->floating || tb->pc == in->e[i].pc) && tb->phys_pc == in->e[i].phys_pc &&
           (tb->flags | (uint64_t)tb->cs_base << 32) == in->e[i].key && tb->cflags == 0 && tb->second == NO_PAGE && tb->code;
}

void jump_cache_restore(CPUState *cpu, const SavedJumps *in)
{
    struct JumpCaches *j = cpu->jumps;

    if (in->flushes != jit_totals.flushes)
        return;
    uint8_t entered[SAVED_JUMPS], n = 0;
    for (unsigned i = 0; i < in->n; i++) {
        unsigned k = 0;
        while (k < j->n && j->key[k] != in->e[i].key)
            k++;
        if (k < j->n && jump_still_right(in, i)) {
            enter(j->cache[k], in->e[i].pc, in->e[i].tb, false);
            entered[n++] = i;
        }
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < n; i++)
        if (__atomic_load_n(&in->e[entered[i]].tb->invalid, __ATOMIC_ACQUIRE))
            jump_cache_forget(cpu, in->e[entered[i]].tb);
}

/* The entry, if it is in the range, or begins in the page before it and runs into it. */
static void clear_if_in(JumpCache *c, uint32_t i, vaddr start, uint64_t len)
{
    vaddr pc = c->e[i].pc;

    if (pc == jump_cache_empty(i))
        return;
    if (pc - start < len || (pc - (start - TCG_PAGE_SIZE) < TCG_PAGE_SIZE && c->info[i].tb->second != NO_PAGE))
        entry_clear(c, i);
}

static void clear_chain(JumpCache *c, uint32_t first, vaddr page)
{
    for (uint32_t i = first - 1; first; i = c->info[i].next) {
        clear_if_in(c, i, page, TCG_PAGE_SIZE);
        if (c->info[i].next == i)
            break;
    }
}

void jump_cache_clear_range(CPUState *cpu, vaddr start, uint64_t len)
{
    for (unsigned n = 0; n < 2 * cpu->jumps->n; n++) {
        JumpCache *c = cpu->jumps->cache[n / 2];
        unsigned k = n % 2;
        if (len == TCG_PAGE_SIZE) {
            clear_chain(c, c->first[k][chain_of(start)], start);
            clear_chain(c, c->first[k][chain_of(start - TCG_PAGE_SIZE)], start);
        } else {
            for (unsigned j = 0; j < c->n[k]; j++)
                clear_if_in(c, c->slot[k][j], start, len);
        }
    }
}
