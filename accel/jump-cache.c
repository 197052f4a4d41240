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
 * Jumps to other pages whose target is known are linked (goto_far), and only compare what page of RAM is at the target's linear
 * page now. That is behind a cache's entries, and comes and goes as they do.
 *
 * Entries that go because the address space changes stay in their slots, as ones that belong elsewhere. If their page of RAM is seen
 * at their linear page again, because a program runs again or a process returns, they are put back without a look at hash or TB.
 *
 * A request to leave translated code puts a cache without entries there, beside exit_request: each indirect jump then
 * misses and leaves, without a look at the request of its own.
 *
 * Not modelled: a second vCPU's caches are not told of invalidated TBs (tb-cache.c knows first_cpu only). */
#include "accel/internal.h"
#include "host/base/barrier.h"
#include "host/base/mem.h"
#include "softmmu/bql.h"
#include <sys/mman.h>

enum { MAX_CACHES = 8, IDLE_CHANGES = 8, VICTIM_PATIENCE = 15, RECENT = 128, CLEARS_PER_RESET = 64, WORDS = JUMP_CACHE_SLOTS / 64, FILTER_BITS = 16, MAX_LISTED_PAGES = 4096 };

/* Which of JumpCache.page[] may not be 0. */
typedef struct PageList {
    uint32_t n;
    uint16_t index[MAX_LISTED_PAGES];
} PageList;
_Static_assert(JUMP_PAGES <= 1 << 16, "PageList.index");

/* What belongs to an entry and is seldom looked at. */
typedef struct JumpSlot {
    TbRef tb;
    uint32_t number; /* TB.page_number, 0 if the entry is not to be put back */
} JumpSlot;

/* Jumps are all over it, so it lies in a huge page of the host. */
typedef struct JumpCache {
    JumpCacheEntry e[JUMP_CACHE_SLOTS]; /* from JUMP_CACHE_SIZE on: victims */
    uint32_t page[JUMP_PAGES];          /* TB.page_number by jump_page_index() */
    PageList pages[2];                  /* as used[] */
    JumpSlot slot[JUMP_CACHE_SLOTS];
    /* Which slots were filled, so that clearing costs what goes: [0] code on other pages, [1] on global pages. A slot is in
     * one of them, and stays there when another thread empties it. */
    uint64_t used[2][WORDS];
    uint64_t some[2][WORDS / 64]; /* words of used[] that are not 0 */
    bool filled[2];               /* are there any */
    uint64_t ever[WORDS];         /* those that were filled since cache_reset() */
    uint64_t some_ever[WORDS / 64];
} JumpCache;
enum { CACHE_BYTES = 2 * MiB };
_Static_assert(offsetof(JumpCache, page) == JUMP_CACHE_SLOTS * sizeof(JumpCacheEntry), "jump_page_offset()");
_Static_assert(sizeof(JumpCache) <= CACHE_BYTES, "one huge page");

/* Which pages have entries in any cache, exact in saying no: INVLPG hits pages without code mostly. Two bits for each page. */
typedef struct PageFilter { uint64_t word[(1 << FILTER_BITS) / 64]; } PageFilter;

struct JumpCaches { /* places stay: another thread may read cache[] */
    JumpCache *cache[MAX_CACHES];
    uint64_t key[MAX_CACHES];  /* flags | cs_base << 32 */
    uint64_t used[MAX_CACHES]; /* clock when it was last selected anew */
    bool has_pages[MAX_CACHES];
    unsigned n, current, before; /* before: current's predecessor */
    uint64_t clock;
    PageFilter pages[2];       /* by kind of page; a TB on two is in it twice */
    unsigned clears;
    struct { uint32_t slot, cache; } recent[RECENT]; /* the slots last filled with code on other than global pages */
    uint32_t nb_recent;        /* and so many were filled before */
};

static JumpCacheEntry *no_jumps; /* a cache without entries, for all CPUs */

static uint64_t key_of(const TbState *st) { return st->flags | st->cs_base << 32; }

/* Zeroed pages that are hardly ever written: nearly all are the host's page of zeros. */
static void *map_zeros(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, size, MADV_NOHUGEPAGE);
    return p;
}

/* Is there an entry for the pc that it names? */
static bool entry_counts(const JumpCache *c, uint32_t i)
{
    vaddr pc = __atomic_load_n(&c->e[i].pc, __ATOMIC_ACQUIRE);
    return (i < JUMP_CACHE_SIZE ? jump_cache_index(pc) : jump_cache_victim(pc)) == i && pc != jump_cache_empty(i);
}

static void entry_clear(JumpCache *c, uint32_t i) { __atomic_store_n(&c->e[i].pc, jump_cache_empty(i), __ATOMIC_RELEASE); }

/* The same for one that may be put back: it names a pc that both indices send elsewhere. Another thread that forgets the TB meanwhile
 * has made number 0 before. Not where other vCPUs have caches that nobody tells of that. */
static vaddr put_aside(vaddr pc) { return pc ^ 1; }
static void entry_put_aside(JumpCache *c, uint32_t i)
{
    vaddr pc = __atomic_load_n(&c->e[i].pc, __ATOMIC_RELAXED);
    if (entry_counts(c, i))
        __atomic_store_n(&c->e[i].pc, c->slot[i].number && !accel_parallel ? put_aside(pc) : jump_cache_empty(i), __ATOMIC_RELEASE);
}

/* Zero is empty everywhere else. */
static void entries_init(JumpCacheEntry *e)
{
    e[0].pc = jump_cache_empty(0);
    e[JUMP_CACHE_SIZE].pc = jump_cache_empty(JUMP_CACHE_SIZE);
}

static JumpCache *cache_new(void)
{
    JumpCache *c = mem_alloc_ram(CACHE_BYTES, NULL);
    if (c)
        entries_init(c->e);
    return c;
}

void jump_cache_init(CPUState *cpu)
{
    struct JumpCaches *j = cpu->jumps = g_new0(struct JumpCaches, 1);

    barrier_is_asymmetric();
    if (!no_jumps && (no_jumps = map_zeros(offsetof(JumpCache, page) + sizeof((JumpCache *)0)->page)))
        entries_init(no_jumps);
    j->cache[0] = cache_new();
    if (!no_jumps || !j->cache[0])
        g_error("no memory for the jump cache"); /* as g_malloc() does */
    j->n = 1;
    j->has_pages[0] = true;
    cpu_head(cpu)->jump_cache = j->cache[0]->e;
}

void jump_cache_free(CPUState *cpu)
{
    for (unsigned i = 0; cpu->jumps && i < cpu->jumps->n; i++)
        mem_free(cpu->jumps->cache[i], CACHE_BYTES);
    g_clear_pointer(&cpu->jumps, g_free);
    cpu_head(cpu)->jump_cache = NULL;
}

NO_VEC void cpu_request_own_exit(CPUState *cpu)
{
    TcgEnvHead *head = cpu_head(cpu);

    __atomic_store_n(&head->exit_request, 1, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&head->jump_cache, no_jumps, __ATOMIC_RELEASE);
}

void cpu_request_exit(CPUState *cpu)
{
    TcgEnvHead *head = cpu_head(cpu);

    __atomic_store_n(&head->exit_request, 1, __ATOMIC_SEQ_CST);
    if (cpu == current_cpu) /* a device's model, or a signal handler: in order with the rest of this thread */
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    else if (!bql_locked() || !cpu->asleep) /* asleep: it takes the BQL before it looks at anything */
        barrier_heavy(); /* see select_cache() */
    __atomic_store_n(&head->jump_cache, no_jumps, __ATOMIC_SEQ_CST);
}

/* --- which slots and pages --- */

static inline bool bit(const uint64_t *words, uint32_t i) { return words[i / 64] >> i % 64 & 1; }

static unsigned kind_of(const JumpCache *c, uint32_t i) { return bit(c->used[1], i); }

static void filter_bits(vaddr pc, uint32_t h[2])
{
    uint64_t hash = (pc >> TCG_PAGE_BITS) * 0x9e3779b97f4a7c15ULL;
    h[0] = hash >> (64 - FILTER_BITS);
    h[1] = hash >> (64 - 2 * FILTER_BITS) & ((1 << FILTER_BITS) - 1);
}

static void filter_change(PageFilter *f, vaddr pc, bool set)
{
    uint32_t h[2];
    filter_bits(pc, h);
    for (unsigned i = 0; i < 2; i++)
        if (set)
            f->word[h[i] / 64] |= 1ULL << h[i] % 64;
        else
            f->word[h[i] / 64] &= ~(1ULL << h[i] % 64);
}

static bool filter_has(const PageFilter *f, vaddr pc)
{
    uint32_t h[2];
    filter_bits(pc, h);
    return bit(f->word, h[0]) && bit(f->word, h[1]);
}

static void clear_pages(JumpCache *c, unsigned k)
{
    PageList *l = &c->pages[k];
    for (uint32_t i = 0; i < l->n; i++)
        c->page[l->index[i]] = 0;
    l->n = 0;
}

/* For TBs of another kind, or when all TBs are gone: nothing may be put back. It costs what was filled, since real mode has as many kinds
 * as segments. */
static void cache_reset(JumpCache *c)
{
    clear_pages(c, 0);
    clear_pages(c, 1);
    for (unsigned s = 0; s < WORDS / 64; s++) {
        for (uint64_t words = c->some_ever[s]; words; words &= words - 1) {
            unsigned w = 64 * s + __builtin_ctzll(words);
            for (uint64_t bits = c->ever[w]; bits; bits &= bits - 1) {
                uint32_t i = 64 * w + __builtin_ctzll(bits);
                entry_clear(c, i);
                c->slot[i] = (JumpSlot){ 0 };
            }
            c->ever[w] = c->used[0][w] = c->used[1][w] = 0;
        }
        c->some_ever[s] = c->some[0][s] = c->some[1][s] = 0;
    }
    c->filled[0] = c->filled[1] = false;
}

/* `number` is that of pc's page. */
static void enter_page(struct JumpCaches *j, JumpCache *c, vaddr pc, uint32_t number, unsigned k)
{
    uint32_t i = jump_page_index(pc);
    PageList *l = &c->pages[k];

    if (number == 0 || c->page[i] == number)
        return;
    if (l->n == MAX_LISTED_PAGES)
        clear_pages(c, k);
    l->index[l->n++] = i;
    c->page[i] = number;
    filter_change(&j->pages[k], pc, true);
}

/* all: of this kind nothing stays in any cache */
static void clear_kind(JumpCache *c, unsigned k, PageFilter *all)
{
    clear_pages(c, k);
    if (!c->filled[k])
        return;
    for (unsigned s = 0; s < WORDS / 64; s++) {
        for (uint64_t words = c->some[k][s]; words; words &= words - 1) {
            unsigned w = 64 * s + __builtin_ctzll(words);
            for (uint64_t bits = c->used[k][w]; bits; bits &= bits - 1) {
                uint32_t i = 64 * w + __builtin_ctzll(bits);
                if (all && entry_counts(c, i)) {
                    filter_change(all, c->e[i].pc, false);
                    filter_change(all, c->e[i].pc + TCG_PAGE_SIZE, false);
                }
                if (k == 0)
                    entry_put_aside(c, i);
                else
                    entry_clear(c, i);
            }
            c->used[k][w] = 0;
        }
        c->some[k][s] = 0;
    }
    c->filled[k] = false;
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
            cache_reset(j->cache[i]);
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

static void note_use(struct JumpCaches *j, JumpCache *c, uint32_t i, vaddr pc, unsigned k)
{
    c->used[k][i / 64] |= 1ULL << i % 64;
    c->used[!k][i / 64] &= ~(1ULL << i % 64);
    c->some[k][i / 64 / 64] |= 1ULL << i / 64 % 64;
    c->filled[k] = true;
    c->ever[i / 64] |= 1ULL << i % 64;
    c->some_ever[i / 64 / 64] |= 1ULL << i / 64 % 64;
    filter_change(&j->pages[k], pc, true);
}

static void note_recent(struct JumpCaches *j, unsigned n, uint32_t i)
{
    j->recent[j->nb_recent % RECENT].slot = i;
    j->recent[j->nb_recent++ % RECENT].cache = n;
}

static void place(struct JumpCaches *j, JumpCache *c, uint32_t i, vaddr pc, TB *tb, unsigned k)
{
    JumpCacheEntry *e = &c->e[i];

    note_use(j, c, i, pc, k);
    if (tb->two_pages)
        filter_change(&j->pages[k], pc + TCG_PAGE_SIZE, true);
    __atomic_store_n(&e->pc, jump_cache_empty(i), __ATOMIC_RELAXED);
    e->code = tb_code(tb) - (tb->floating ? TCG_FLOAT_ENTRY : 0);
    __atomic_store_n(&c->slot[i].tb, tb_ref(tb), __ATOMIC_RELAXED);
    __atomic_store_n(&c->slot[i].number, tb->two_pages ? 0 : tb->page_number, __ATOMIC_RELAXED);
    __atomic_store_n(&e->pc, pc, __ATOMIC_RELEASE);
}

/* Then, behind a fence as in jump_cache_forget(), the caller has to look at tb->invalid. */
static void enter(struct JumpCaches *j, unsigned n, vaddr pc, TB *tb, bool global)
{
    JumpCache *c = j->cache[n];
    uint32_t i = jump_cache_index(pc), from = jump_cache_victim(pc);
    vaddr there = __atomic_load_n(&c->e[i].pc, __ATOMIC_ACQUIRE);

    if (there != pc && entry_counts(c, i)) {
        TB *old = tb_of(c->slot[i].tb);
        uint32_t v = jump_cache_victim(there);
        place(j, c, v, there, old, kind_of(c, i));
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (__atomic_load_n(&old->invalid, __ATOMIC_RELAXED))
            entry_clear(c, v);
    }
    if (c->e[from].pc == pc)
        entry_clear(c, from);
    place(j, c, i, pc, tb, global);
    enter_page(j, c, pc, tb->page_number, global);
    if (!global)
        note_recent(j, n, i);
}

/* Was it there before, in slot i or v, and is its page where it was? */
static TB *put_back(CPUState *cpu, JumpCache *c, vaddr pc, uint32_t i, uint32_t v)
{
    struct JumpCaches *j = cpu->jumps;
    uint32_t number = c->page[jump_page_index(pc)];
    vaddr aside = put_aside(pc);

    i = c->e[i].pc == aside ? i : v;
    if (c->e[i].pc != aside || number == 0 || c->slot[i].number != number)
        return NULL;
    note_use(j, c, i, pc, 0);
    if (!__atomic_compare_exchange_n(&c->e[i].pc, &aside, pc, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        return NULL;
    /* jump_cache_forget() may have been here between entry_put_aside()'s look and store: then number is 0 by now. */
    if (__atomic_load_n(&c->slot[i].number, __ATOMIC_ACQUIRE) != number) {
        entry_clear(c, i);
        return NULL;
    }
    note_recent(j, j->current, i);
    cpu->stats.jc_again++;
    return tb_of(c->slot[i].tb);
}

/* Of two that want one slot the one that is used more often is to have it, which is the one found here when patience ends. */
static TB *promote(CPUState *cpu, JumpCache *c, uint32_t v, vaddr pc)
{
    TB *tb = tb_of(c->slot[v].tb);

    if (cpu_head(cpu)->victim_patience >= 0)
        return tb;
    cpu_head(cpu)->victim_patience = VICTIM_PATIENCE;
    cpu->stats.jc_victims += VICTIM_PATIENCE + 1;
    enter(cpu->jumps, cpu->jumps->current, pc, tb, kind_of(c, v));
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
        return tb_of(c->slot[i].tb);
    v = jump_cache_victim(st->pc);
    if (c->e[v].pc == st->pc)
        return promote(cpu, c, v, st->pc);
    __builtin_prefetch(&c->slot[i], 1); /* for place(), while the caller looks further */
    return put_back(cpu, c, st->pc, i, v);
}

const void *jump_cache_find_code(CPUState *cpu, const TbState *st)
{
    TB *tb = jump_cache_find(cpu, st);
    const JumpCache *c = cpu->jumps->cache[cpu->jumps->current];
    uint32_t i = jump_cache_index(st->pc);

    if (!tb)
        return NULL;
    if (c->e[i].pc == st->pc && c->slot[i].number) /* not a floating one; the TB itself is mostly cold */
        return c->e[i].code;
    return tb_code(tb);
}

void jump_cache_enter(CPUState *cpu, const TbState *st, TB *tb, bool global)
{
    select_cache(cpu, key_of(st));
    enter(cpu->jumps, cpu->jumps->current, st->pc, tb, global);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void jump_cache_enter_page(CPUState *cpu, const TB *tb, bool global)
{
    struct JumpCaches *j = cpu->jumps;
    enter_page(j, j->cache[j->current], tb->pc, tb->page_number, global);
}

void jump_cache_renew_page(CPUState *cpu, const TB *tb)
{
    const struct JumpCaches *j = cpu->jumps;
    const JumpCache *c = j->cache[j->current];
    uint32_t i = jump_cache_index(tb->pc);

    if (c->page[jump_page_index(tb->pc)] != tb->page_number)
        jump_cache_enter_page(cpu, tb, c->e[i].pc == tb->pc && kind_of(c, i));
}

static void forget_at(JumpCache *c, uint32_t i, const TB *tb)
{
    if (__atomic_load_n(&c->slot[i].tb, __ATOMIC_RELAXED) != tb_ref(tb))
        return;
    __atomic_store_n(&c->slot[i].number, 0, __ATOMIC_RELAXED);
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
    mem_clear_ram(j->cache[i], CACHE_BYTES); /* whole, or it comes back in small pages */
    entries_init(j->cache[i]->e);
    j->has_pages[i] = false;
}

void jump_cache_reset(CPUState *cpu)
{
    struct JumpCaches *j = cpu->jumps;

    for (unsigned i = 0; j && i < j->n; i++)
        if (j->has_pages[i])
            cache_reset(j->cache[i]);
    jump_cache_clear(cpu, false);
}

void jump_cache_clear(CPUState *cpu, bool keep_global)
{
    struct JumpCaches *j = cpu->jumps;

    for (unsigned i = 0; j && i < j->n; i++) {
        clear_kind(j->cache[i], 0, &j->pages[0]);
        if (!keep_global) {
            clear_kind(j->cache[i], 1, NULL);
            release_if_idle(j, i);
        }
    }
    if (!j)
        return;
    j->nb_recent = 0;
    /* Also what entries left behind that somebody else emptied */
    if (!keep_global)
        memset(j->pages, 0, sizeof j->pages);
    else if (++j->clears % CLEARS_PER_RESET == 0)
        memset(&j->pages[0], 0, sizeof j->pages[0]);
}

void jump_cache_save(CPUState *cpu, SavedJumps *out)
{
    const struct JumpCaches *j = cpu->jumps;
    unsigned n = SAVED_JUMPS;

    /* From the newest on; what was filled twice may be there twice. */
    for (uint32_t r = 0; r < RECENT && r < j->nb_recent && n > 0; r++) {
        uint32_t at = (j->nb_recent - 1 - r) % RECENT, i = j->recent[at].slot;
        const JumpCache *c = j->cache[j->recent[at].cache];
        vaddr pc = __atomic_load_n(&c->e[i].pc, __ATOMIC_ACQUIRE);
        if (kind_of(c, i) != 0 || !entry_counts(c, i))
            continue;
        TB *tb = tb_of(c->slot[i].tb);
        if (tb->two_pages)
            continue; /* where a second page is may change: cpu-exec.c looks again */
        n--;
        out->e[n].pc = pc;
        out->e[n].key = j->key[j->recent[at].cache];
        out->e[n].phys_pc = tb_phys(tb);
        out->e[n].tb = tb;
    }
    out->n = SAVED_JUMPS - n;
    memmove(out->e, out->e + n, out->n * sizeof out->e[0]);
    out->flushes = jit_totals.flushes;
    jump_cache_clear(cpu, true);
}

/* A TB's memory may have become another TB's meanwhile. If all of this agrees, that one is as good. */
static bool jump_still_right(const SavedJumps *in, unsigned i)
{
    const TB *tb = in->e[i].tb;
    return !__atomic_load_n(&tb->invalid, __ATOMIC_ACQUIRE) && (tb->floating || tb->pc == in->e[i].pc) && tb_phys(tb) == in->e[i].phys_pc &&
           (tb->flags | (uint64_t)tb->cs_base << 32) == in->e[i].key && tb->cflags == 0 && !tb->two_pages && tb->code;
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
            enter(j, k, in->e[i].pc, in->e[i].tb, false);
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

    if (!entry_counts(c, i))
        return;
    if (pc - start < len || (pc - (start - TCG_PAGE_SIZE) < TCG_PAGE_SIZE && tb_of(c->slot[i].tb)->two_pages))
        (kind_of(c, i) == 0 ? entry_put_aside : entry_clear)(c, i);
}

static void clear_in_word(JumpCache *c, unsigned w, uint64_t bits, vaddr start, uint64_t len)
{
    for (; bits; bits &= bits - 1)
        clear_if_in(c, 64 * w + __builtin_ctzll(bits), start, len);
}

/* Entries for `page` in n words from the first on; of each word those in mask. */
static void clear_words(JumpCache *c, unsigned k, unsigned first, unsigned n, uint64_t mask, vaddr page)
{
    for (unsigned w = first; w < first + n; w++) {
        uint64_t some = c->some[k][w / 64] >> w % 64; /* words that have entries, as a rule a few */
        if (!some) {
            w |= 63;
            continue;
        }
        w += (unsigned)__builtin_ctzll(some);
        if (w < first + n)
            clear_in_word(c, w, c->used[k][w] & mask, page, TCG_PAGE_SIZE);
    }
}

/* Entries of code that lies in the page, and begins there or in the one before. */
static void clear_slots_of(JumpCache *c, unsigned k, vaddr page)
{
    uint64_t mask = 0; /* which of a word's victims are of this page: the same for all pieces of 16 bytes */

    clear_words(c, k, jump_cache_index(page) / 64, TCG_PAGE_SIZE / 64, ~0ULL, page);
    clear_words(c, k, jump_cache_index(page - TCG_PAGE_SIZE) / 64, TCG_PAGE_SIZE / 64, ~0ULL, page);
    _Static_assert(JUMP_VICTIM_BITS == 6 && JUMP_CACHE_SIZE % 64 == 0, "a word of used[] is the victims of 16 bytes");
    for (unsigned offset = 0; offset < 16; offset++)
        mask |= 1ULL << jump_cache_victim(page + offset) % 64 | 1ULL << jump_cache_victim(page - TCG_PAGE_SIZE + offset) % 64;
    clear_words(c, k, JUMP_CACHE_SIZE / 64, WORDS - JUMP_CACHE_SIZE / 64, mask, page);
}

void jump_cache_clear_range(CPUState *cpu, vaddr start, uint64_t len)
{
    struct JumpCaches *j = cpu->jumps;

    for (unsigned k = 0; k < 2; k++) {
        bool one = len == TCG_PAGE_SIZE;
        if (one && !filter_has(&j->pages[k], start))
            continue;
        for (unsigned n = 0; n < j->n; n++) {
            JumpCache *c = j->cache[n];
            if (one) {
                c->page[jump_page_index(start)] = 0;
                clear_slots_of(c, k, start);
                continue;
            }
            for (uint64_t i = 0; i < MIN(len >> TCG_PAGE_BITS, JUMP_PAGES); i++)
                c->page[jump_page_index(start + (i << TCG_PAGE_BITS))] = 0;
            for (unsigned w = 0; w < WORDS; w++)
                if (bit(c->some[k], w))
                    clear_in_word(c, w, c->used[k][w], start, len);
        }
    }
}
