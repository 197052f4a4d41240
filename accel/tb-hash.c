/* tb-hash.c - TBs found by physical pc, flags and cs_base, and by linear pc unless they float.
 *
 * What is looked up here is mostly in none of the host's caches, so that a look-up costs as many misses as it touches
 * lines: one of the hash, which holds seven TBs with their hash values, and that of the TB itself. What does not fit into its
 * line is in the next, and each line counts what went past it. A table that gets full is copied to one twice as large,
 * without a look at TBs: the place is part of the hash value that is kept.
 *
 * Changes are made under the tb lock. tb_lookup_phys() reads without it: an entry appears by one store and goes by one, and
 * a table that was left behind becomes empty but stays. TBs that were in here are used again only after tb_flush_all(). Whoever
 * uses what is found looks at ->invalid after making it known. */
#include "accel/internal.h"
#include "host/base/mem.h"

enum { FIRST_LINES = 1 << 14 /* half a huge page, so small ones: a short run does not fill more */, PER_LINE = 7, AVERAGE = 5 /* per line, then it grows */ };

typedef struct HashLine {
    struct { TbRef tb; uint32_t hash; } e[PER_LINE];
    uint32_t past; /* so many entries of this line or lines before are behind it */
    uint32_t unused;
} HashLine;
_Static_assert(sizeof(HashLine) == 64, "a line of the host's caches");

typedef struct HashTable {
    HashLine *line;
    uint32_t mask; /* lines - 1 */
    struct HashTable *outgrown; /* the one before: somebody may still look into it */
} HashTable;

static HashTable *table;
static uint32_t count;

static HashTable *table_new(uint32_t lines)
{
    GError *err = NULL;
    HashTable *t = g_new0(HashTable, 1);

    t->line = mem_alloc_ram(lines * sizeof *t->line, &err); /* huge pages: a look-up that misses pays for page walks, too */
    if (!t->line)
        g_error("%s", err->message); /* as g_malloc() does */
    t->mask = lines - 1;
    return t;
}

void tb_hash_init(void)
{
    if (!table)
        table = table_new(FIRST_LINES);
}

/* pc too: with randomised addresses each process has a library's page somewhere else, and not all of that floats. */
static uint32_t hash_of(ram_addr_t phys_pc, vaddr pc, bool floating, uint32_t cs_base, uint32_t flags)
{
    if (floating)
        pc = 0;
    uint64_t h = (phys_pc ^ (pc & TCG_PAGE_MASK) << 16 ^ pc >> 32) * 0x9e3779b97f4a7c15ULL;
    h ^= h >> 32 ^ flags ^ (uint64_t)cs_base << 32;
    return h * 0xc2b2ae3d27d4eb4fULL >> 32;
}

static uint32_t hash_of_tb(const TB *tb) { return hash_of(tb_phys(tb), tb->pc, tb->floating, tb->cs_base, tb->flags); }

static void put(HashTable *t, uint32_t hash, TbRef tb)
{
    for (HashLine *l = &t->line[hash & t->mask];; l = &t->line[(l - t->line + 1) & t->mask]) {
        for (unsigned i = 0; i < PER_LINE; i++)
            if (!l->e[i].tb) {
                l->e[i].hash = hash;
                __atomic_store_n(&l->e[i].tb, tb, __ATOMIC_RELEASE);
                return;
            }
        l->past++;
    }
}

static void grow(void)
{
    HashTable *t = table_new(2 * (table->mask + 1));

    for (uint32_t n = 0; n <= table->mask; n++)
        for (unsigned i = 0; i < PER_LINE; i++)
            if (table->line[n].e[i].tb)
                put(t, table->line[n].e[i].hash, table->line[n].e[i].tb);
    HashTable *old = t->outgrown = table;
    __atomic_store_n(&table, t, __ATOMIC_RELEASE);
    mem_clear_ram(old->line, (old->mask + 1) * sizeof *old->line);
}

void tb_hash_add(const TB *tb)
{
    if (++count > AVERAGE * (table->mask + 1))
        grow();
    put(table, hash_of_tb(tb), tb_ref(tb));
}

void tb_hash_remove(const TB *tb)
{
    uint32_t home = hash_of_tb(tb) & table->mask;
    TbRef ref = tb_ref(tb);

    for (uint32_t n = home;; n = (n + 1) & table->mask) {
        HashLine *l = &table->line[n];
        for (unsigned i = 0; i < PER_LINE; i++)
            if (l->e[i].tb == ref) {
                __atomic_store_n(&l->e[i].tb, 0, __ATOMIC_RELEASE);
                for (; home != n; home = (home + 1) & table->mask)
                    table->line[home].past--;
                count--;
                return;
            }
        if (!l->past) /* it was never added */
            return;
    }
}

void tb_hash_clear(void)
{
    mem_clear_ram(table->line, (table->mask + 1) * sizeof *table->line);
    count = 0;
}

void tb_lookup_prefetch(const TbState *st, ram_addr_t phys_pc)
{
    const HashTable *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);

    __builtin_prefetch(&t->line[hash_of(phys_pc, st->pc, st->floating, st->cs_base, st->flags) & t->mask]);
}

static inline bool is_tb(const TB *tb, const TbState *st, uint32_t cflags, ram_addr_t phys_pc)
{
    return tb->page == (uint32_t)(phys_pc >> TCG_PAGE_BITS) && !((tb->pc ^ st->pc) & (tb->floating ? ~TCG_PAGE_MASK : ~0ULL)) && tb->floating == st->floating && tb->cs_base == st->cs_base &&
           tb->flags == st->flags && tb->cflags == cflags;
}

TB *tb_lookup_phys(CPUState *cpu, const TbState *st, uint32_t cflags, ram_addr_t phys_pc, bool one_page)
{
    const HashTable *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
    uint32_t hash = hash_of(phys_pc, st->pc, st->floating, st->cs_base, st->flags);
    ram_addr_t second = NO_PAGE;

    for (;;) {
        bool two_pages = false;
        const HashLine *l = &t->line[hash & t->mask];
        for (uint32_t left = t->mask;; left--) {
            for (unsigned i = 0; i < PER_LINE; i++) {
                TbRef ref = l->e[i].hash == hash ? __atomic_load_n(&l->e[i].tb, __ATOMIC_ACQUIRE) : 0;
                if (!ref || !is_tb(tb_of(ref), st, cflags, phys_pc))
                    continue;
                if (tb_of(ref)->two_pages ? tb_page(tb_of(ref), 1) == second : second == NO_PAGE) {
                    __builtin_prefetch(tb_code(tb_of(ref))); /* it is entered soon */
                    return tb_of(ref);
                }
                two_pages |= tb_of(ref)->two_pages;
            }
            if (!l->past || !left)
                break;
            l = &t->line[(l - t->line + 1) & t->mask];
        }
        if (!two_pages || one_page || second != NO_PAGE)
            return NULL;
        /* TBs on two pages: the second page must still be where it was. Its look-up may fault, as fetching the
         * instruction would. */
        second = tlb_code_addr(cpu, (st->pc & TCG_PAGE_MASK) + TCG_PAGE_SIZE, NULL, NULL);
        if (second == NO_PAGE)
            return NULL;
        second &= TCG_PAGE_MASK;
    }
}
