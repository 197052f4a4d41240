/* tlb-guess.c - the pages that checks in translated code guess (PageGuess, tlb-entry.h).
 *
 * A check that looks into the TLB has the page's addend after five dependent steps; one that compares the page with the one it had
 * last time has it at once. Nearly all checks are of two kinds: either they stay on one page for thousands of executions, or they change
 * it all the time. So each check begins with a guess of its own, and those that miss too often are translated again without.
 *
 * A guess holds what a hit in the TLB would allow, without flags: for a check for writing the tag of stores, else that of loads. Its
 * page may have left the TLB's table meanwhile; so it goes when INVLPG names it or another entry for it is made, with every flush,
 * and when a RAM page that it may write is to be protected. With the address space those go whose mode has a table for each, the
 * others (the kernel's, whose pages are nearly all global) if one of them may have a page that is not. The latter other threads do, too: see
 * gen_stack_page() for how that is in order. Most misses are settled by a thunk (gen_guess() in tcg/x86_64/frame.c); this is asked now and
 * then, and always for a guess that was dropped.
 *
 * Not here: guesses for several vCPUs, which would need one for each; code is made without them then. */
#define _GNU_SOURCE /* REG_RIP */
#include "accel/tlb-internal.h"
#include "host/base/barrier.h"
#include "softmmu/physmem.h"

#include <signal.h>
#include <time.h>
#include <ucontext.h>

enum {
    /* A miss costs some 40 to 60 cycles, a look into the TLB some 3 to 6 more than a guess that holds. A check gives up when so many misses
     * come with fewer runs of its TB: */
    MISSES = 16, RUNS_PER_MISS = 32,
    IMPATIENT = 4, /* misses of another check of the same TB that suffice then: it is translated again anyway */
    PROVEN = 1 << 14, /* runs after which a TB whose guesses still hold need not count */
    NEIGHBOURS = 16, SAMPLE_NS = 1000000, /* of its own processor time; Linux does that at its ticks, 250 times a second */
};

static inline unsigned page_byte(vaddr page) { return page >> TCG_PAGE_BITS & (GUESS_PAGES - 1); }
static inline unsigned host_byte(uintptr_t host) { return host >> TCG_PAGE_BITS & (GUESS_HOSTS - 1); }

/* The list of guesses in this mode. */
static inline unsigned list_of(const CPUState *cpu, unsigned mmu_idx) { return cpu->ops->space_modes >> mmu_idx & 1 ? GUESS_SPACE : GUESS_SHARED; }

void tlb_guess_init(CPUState *cpu)
{
    if (!jit_buf || !jit_buf->guesses)
        return;
    jit_buf->guesses->empty = cpu_head(cpu)->no_page;
    for (unsigned k = 0; k < GUESS_LISTS; k++)
        cpu->tlb->guess[k] = g_new(uint32_t, MAX_GUESSES); /* touched as they are used */
}

void tlb_guess_free(CPUState *cpu)
{
    tlb_guesses_forget(cpu);
    for (unsigned k = 0; k < GUESS_LISTS; k++)
        g_free(cpu->tlb->guess[k]);
}

static inline void empty(CPUState *cpu, uint32_t n)
{
    __atomic_store_n(&jit_buf->guesses->guess[n].page, cpu_head(cpu)->no_page, __ATOMIC_RELEASE);
}

static void empty_all(CPUState *cpu)
{
    CpuTlb *tlb = cpu->tlb;
    for (unsigned k = 0; k < GUESS_LISTS; k++)
        for (uint32_t i = 0, n = __atomic_load_n(&tlb->nb_guesses[k], __ATOMIC_ACQUIRE); i < n; i++)
            empty(cpu, __atomic_load_n(&tlb->guess[k][i], __ATOMIC_RELAXED));
}

static inline bool any_guess(const CpuTlb *tlb) { return tlb->nb_guesses[GUESS_SPACE] | tlb->nb_guesses[GUESS_SHARED]; }

/* Those that have got a page since they were emptied last stay in the list, and need no C code to get the next one. Another thread that
 * walks the list meanwhile may pass by one that moves: it is empty by then, and gets its next page after that thread's barrier. */
static void drop_list(CPUState *cpu, unsigned k)
{
    CpuTlb *tlb = cpu->tlb;
    Guesses *g = jit_buf ? jit_buf->guesses : NULL;
    uint32_t left = 0;

    if (tlb->nb_guesses[k] == 0)
        return;
    for (uint32_t i = 0; i < tlb->nb_guesses[k]; i++) {
        uint32_t n = tlb->guess[k][i];
        if (g->guess[n].page != g->empty) {
            empty(cpu, n);
            __atomic_store_n(&tlb->guess[k][left++], n, __ATOMIC_RELEASE);
        } else {
            g->info[n].listed = false;
            g->patience[n] = 0;
        }
    }
    __atomic_store_n(&tlb->nb_guesses[k], left, __ATOMIC_RELEASE);
    cpu->stats.guess_drops++;
}

void tlb_drop_guesses(CPUState *cpu)
{
    if (!any_guess(cpu->tlb))
        return;
    for (unsigned k = 0; k < GUESS_LISTS; k++)
        drop_list(cpu, k);
    cpu->tlb->local_guess_lost = false;
    memset(jit_buf->guesses->page, 0, sizeof jit_buf->guesses->page);
    memset(jit_buf->guesses->host, 0, sizeof jit_buf->guesses->host);
}

static inline bool may_be_guessed(vaddr page) { return jit_buf->guesses->page[page_byte(page)]; }

/* Whether a page of this table that is not global may be guessed. */
static bool guesses_local(const ModeTlb *t, const TlbEntry *table)
{
    for (uint32_t i = 0; i < t->nb_filled[0]; i++) {
        uint32_t slot = t->filled[0][i];
        if (!t->full[slot].global && entry_used(&table[slot]) && may_be_guessed(entry_page(&table[slot])))
            return true;
    }
    for (unsigned i = 0; t->victims && i < VICTIMS; i++)
        if (entry_used(&t->victim[i]) && !t->victim_full[i].global && may_be_guessed(entry_page(&t->victim[i])))
            return true;
    return false;
}

void tlb_drop_local_guesses(CPUState *cpu)
{
    CpuTlb *tlb = cpu->tlb;
    drop_list(cpu, GUESS_SPACE);
    if (tlb->nb_guesses[GUESS_SHARED] == 0)
        return;
    bool local = tlb->local_guess_lost;
    for (unsigned m = 0; m < TCG_MMU_MODES && !local; m++)
        local = list_of(cpu, m) == GUESS_SHARED && guesses_local(&tlb->mode[m], cpu_head(cpu)->tlb[m].table);
    if (local)
        drop_list(cpu, GUESS_SHARED);
    tlb->local_guess_lost = false;
}

void tlb_guess_evicted(CPUState *cpu, vaddr page, unsigned mmu_idx)
{
    CpuTlb *tlb = cpu->tlb;
    if (tlb->nb_guesses[GUESS_SHARED] && list_of(cpu, mmu_idx) == GUESS_SHARED && may_be_guessed(page))
        tlb->local_guess_lost = true;
}

/* Empty those that have this page; of mode mmu_idx only if they differ from e, unless that is NULL. */
static void drop_page(CPUState *cpu, vaddr page, const TlbEntry *e, unsigned mmu_idx)
{
    CpuTlb *tlb = cpu->tlb;
    Guesses *all = jit_buf->guesses;
    bool left = false;

    for (unsigned k = 0; k < GUESS_LISTS; k++)
        for (uint32_t i = 0; i < tlb->nb_guesses[k]; i++) {
            uint32_t n = tlb->guess[k][i];
            const PageGuess *g = &all->guess[n];
            if (likely(page_byte(g->page ^ page)) || g->page == all->empty)
                continue;
            const GuessInfo *info = &all->info[n];
            if (g->page == page && (!e || (info->mmu == mmu_idx && (g->addend != e->addend || (info->write ? e->addr_write : e->addr_read) != page))))
                empty(cpu, n);
            else
                left = true;
        }
    all->page[page_byte(page)] = left;
}

void tlb_drop_guesses_of(CPUState *cpu, vaddr page, uint64_t size)
{
    if (!any_guess(cpu->tlb))
        return;
    if (size > TCG_PAGE_SIZE) {
        if (size / TCG_PAGE_SIZE >= GUESS_PAGES || memchr(&jit_buf->guesses->page[page_byte(page)], 1, size / TCG_PAGE_SIZE))
            tlb_drop_guesses(cpu);
    } else if (may_be_guessed(page)) {
        drop_page(cpu, page, NULL, 0);
    }
}

void tlb_check_guesses(CPUState *cpu, vaddr page, const TlbEntry *e, unsigned mmu_idx)
{
    if (any_guess(cpu->tlb) && may_be_guessed(page))
        drop_page(cpu, page, e, mmu_idx);
}

/* Empty those that lead to this page of the host's memory. */
static void drop_host_page(CPUState *cpu, uintptr_t host)
{
    CpuTlb *tlb = cpu->tlb;
    Guesses *all = jit_buf->guesses;
    bool left = false;

    for (unsigned k = 0; k < GUESS_LISTS; k++)
        for (uint32_t i = 0; i < tlb->nb_guesses[k]; i++) {
            uint32_t n = tlb->guess[k][i];
            uintptr_t at = all->guess[n].page + all->guess[n].addend;
            if (likely(host_byte(at) != host_byte(host)) || all->guess[n].page == all->empty)
                continue;
            if ((at ^ host) & TCG_PAGE_MASK)
                left = true;
            else
                empty(cpu, n);
        }
    all->host[host_byte(host)] = left;
}

void tlb_protect_guesses(CPUState *cpu, ram_addr_t start, ram_addr_t end)
{
    bool any = __atomic_load_n(&cpu->tlb->nb_guesses[GUESS_SPACE], __ATOMIC_ACQUIRE) | __atomic_load_n(&cpu->tlb->nb_guesses[GUESS_SHARED], __ATOMIC_ACQUIRE);
    for (ram_addr_t a = start; any && a < end; a += TCG_PAGE_SIZE) {
        uint8_t *host = ram_addr_to_host(a);
        if (!host || !__atomic_load_n(&jit_buf->guesses->host[host_byte((uintptr_t)host)], __ATOMIC_RELAXED))
            continue;
        if (cpu == current_cpu && end - start <= TCG_PAGE_SIZE) {
            drop_host_page(cpu, (uintptr_t)host);
        } else {
            empty_all(cpu);
            return;
        }
    }
}

static NO_VEC void mark_bad(Guesses *g, uint32_t n)
{
    uint32_t hash = g->info[n].key * 0x9e3779b1u >> (32 - GUESS_BAD_BITS);
    g->bad[hash / 64] |= 1ULL << hash % 64;
}

static NO_VEC void give_up(CPUState *cpu, uint32_t n)
{
    CpuTlb *tlb = cpu->tlb;
    Guesses *g = jit_buf->guesses;
    uint64_t cookie = g->info[n].tb;
    TB *tb = (TB *)((uintptr_t)tb_array + cookie);

    mark_bad(g, n);
    for (unsigned k = 0; k < tlb->nb_guess_tbs; k++)
        if (tlb->guess_tb[k] == tb)
            return;
    if (tlb->nb_guess_tbs == ARRAY_SIZE(tlb->guess_tb))
        return; /* it will be too many again */
    for (uint32_t k = n + 1; k < g->used && g->info[k].tb == cookie; k++)
        if (g->info[k].listed && g->patience[k] < MISSES - IMPATIENT)
            mark_bad(g, k);
    for (uint32_t k = n - 1; k > 0 && g->info[k].tb == cookie; k--)
        if (g->info[k].listed && g->patience[k] < MISSES - IMPATIENT)
            mark_bad(g, k);
    tlb->guess_tb[tlb->nb_guess_tbs++] = tb;
    cpu_request_own_exit(cpu);
}

/* The guess is out of patience. True: it misses too often. */
static NO_VEC bool too_many(GuessInfo *i)
{
    Guesses *g = jit_buf->guesses;
    GuessInfo *count = &g->info[i->runs];
    uint32_t *runs = codebuf_runs(jit_buf, i->runs), now = *runs, since = i->since;

    if (count->off) { /* see from here on; to the TB's other guesses that is long ago */
        count->off = false;
        tcg_set_counting(jit_buf, tb_code((TB *)((uintptr_t)tb_array + i->tb)), i->runs, true);
        i->since = count->since = *runs = now + 2 * MISSES * RUNS_PER_MISS;
        i->nb_empty = 0;
        return false;
    }
    i->since = now;
    if (i->listed)
        return now - since < MISSES * RUNS_PER_MISS;
    if (i->nb_empty == 0)
        i->empty_since = now;
    if (++i->nb_empty < MISSES)
        return false;
    i->nb_empty = 0;
    return now - i->empty_since < MISSES * RUNS_PER_MISS;
}

NO_VEC uint32_t tlb_new_guess(void *env, uint64_t x, uint32_t n)
{
    TcgEnvHead *head = env;
    CPUState *cpu = head->cpu;
    CpuTlb *tlb = cpu->tlb;
    Guesses *all = jit_buf->guesses;
    PageGuess *g = &all->guess[n];
    GuessInfo *i = &all->info[n];
    uint64_t was = __atomic_load_n(&g->page, __ATOMIC_RELAXED), page = (x ^ was) & TCG_PAGE_MASK;

    all->patience[n] = MISSES - 1;
    if (page == was) /* that is not what the check missed by: on two pages, not aligned */
        return 1;
    const TlbFast *f = &head->tlb[i->mmu];
    const TlbEntry *e = &f->table[slot_of(f, page)];
    const uint64_t *tag = i->write ? &e->addr_write : &e->addr_read;
    if (*tag != page) {
        all->patience[n] = 0;
        return 1;
    }
    cpu->stats.guesses++;
    if (unlikely(too_many(i)))
        give_up(cpu, n);
    if (!i->listed) {
        unsigned k = list_of(cpu, i->mmu);
        i->listed = true;
        tlb->guess[k][tlb->nb_guesses[k]] = n;
        __atomic_store_n(&tlb->nb_guesses[k], tlb->nb_guesses[k] + 1, __ATOMIC_RELEASE);
    }
    all->page[page_byte(page)] = 1;
    if (i->write)
        __atomic_store_n(&all->host[host_byte(page + e->addend)], 1, __ATOMIC_RELEASE);
    g->addend = e->addend;
    __atomic_store_n(&g->page, page, __ATOMIC_RELEASE);
    barrier_light();
    if (__atomic_load_n(tag, __ATOMIC_RELAXED) == page)
        return 0;
    __atomic_store_n(&g->page, head->no_page, __ATOMIC_RELEASE);
    return 1;
}

/* --- which TBs are to guess --- */

static uint64_t *hot_word(ram_addr_t phys_pc, uint64_t *bit)
{
    uint32_t hash = (uint32_t)(phys_pc ^ phys_pc >> 32) * 0x9e3779b1u >> (32 - GUESS_BAD_BITS);
    *bit = 1ULL << hash % 64;
    return &jit_buf->guesses->hot[hash / 64];
}

void tlb_guess_fetch_ahead(ram_addr_t phys_pc)
{
    uint64_t bit;
    if (jit_buf->guesses)
        __builtin_prefetch(hot_word(phys_pc, &bit));
}

bool tlb_guess_is_hot(ram_addr_t phys_pc)
{
    uint64_t bit;
    return jit_buf->guesses && phys_pc != NO_PAGE && (tlb_always_guess || *hot_word(phys_pc, &bit) & bit);
}

bool tlb_always_guess;

static void on_sample(int sig, siginfo_t *info, void *context)
{
    const ucontext_t *uc = context;
    uintptr_t pc = uc->uc_mcontext.gregs[REG_RIP];
    CPUState *cpu = current_cpu;
    if (cpu && codebuf_contains(jit_buf, pc)) {
        cpu->sampled = pc;
        cpu_request_own_exit(cpu);
    }
}

void tlb_guess_start(CPUState *cpu)
{
    struct sigaction sa = {.sa_sigaction = on_sample, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    struct itimerspec period = {{0, SAMPLE_NS}, {0, SAMPLE_NS}};
    timer_t timer;

    event._sigev_un._tid = cpu->thread_id;
    if (jit_buf->guesses && sigaction(SIGPROF, &sa, NULL) == 0 && timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0)
        timer_settime(timer, 0, &period, NULL);
}

/* Counting costs a store: hot code whose guesses have held for long does without. */
static void stop_counting(const TB *tb)
{
    uint32_t runs = tcg_counts(jit_buf, tb_code(tb));
    GuessInfo *count = &jit_buf->guesses->info[runs];
    if (runs == 0 || *codebuf_runs(jit_buf, runs) - count->since < PROVEN)
        return;
    count->off = true;
    tcg_set_counting(jit_buf, tb_code(tb), runs, false);
}

/* The TB that ran at a sample, and those around it, which mostly belong to the same loop. */
static void note_sample(CPUState *cpu, uintptr_t pc)
{
    TB *tb = tb_find_host(pc), *around[NEIGHBOURS];

    if (!tb || tb->invalid)
        return;
    for (unsigned i = 0, n = tb_neighbours(tb, around, NEIGHBOURS); i < n; i++) {
        uint64_t bit;
        if (around[i]->invalid || around[i]->page == (uint32_t)TB_NO_PAGE)
            continue;
        stop_counting(around[i]);
        if (!around[i]->could_guess)
            continue;
        *hot_word(tb_phys(around[i]), &bit) |= bit;
        tb_forget(around[i]);
        cpu->stats.guess_hot++;
    }
}

void tlb_guess_work(CPUState *cpu)
{
    CpuTlb *tlb = cpu->tlb;
    if (unlikely(cpu->sampled)) {
        uintptr_t pc = cpu->sampled;
        cpu->sampled = 0;
        note_sample(cpu, pc);
    }
    while (unlikely(tlb->nb_guess_tbs)) {
        tb_forget(tlb->guess_tb[--tlb->nb_guess_tbs]);
        cpu->stats.guess_tbs++;
    }
}

void tlb_guesses_forget(CPUState *cpu)
{
    if (!cpu->tlb)
        return;
    tlb_drop_guesses(cpu);
    tlb_drop_guesses(cpu); /* nothing stays in the lists */
    cpu->tlb->nb_guess_tbs = 0;
    cpu->sampled = 0;
}
