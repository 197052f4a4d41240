/* test-tlb.c - the soft TLB: what each flush drops and keeps, large and global pages, victims, growing and
 * shrinking, write protection through any number of mappings, the jump cache's part in it, and a random
 * run against a model. The page walk is the test's own, so that fills can be counted. */
#include "../target-x86/sys-harness.h"
#include "accel/internal.h"
#include "tests/accel/blank-tbs.h"
#include "softmmu/dirty.h"

enum { K = MMU_KERNEL, U = MMU_USER, LARGE = 2 << 20 };

typedef struct Mapping {
    vaddr va;
    hwaddr pa;
    uint64_t size;
    bool global;
} Mapping;

static CPUState *cpu;
static CPUOps ops;
static Mapping maps[1024];
static unsigned nb_maps;
static uint64_t fills;

static Mapping *find_map(vaddr a)
{
    for (unsigned i = 0; i < nb_maps; i++)
        if (a - maps[i].va < maps[i].size)
            return &maps[i];
    return NULL;
}

static bool fill(CPUState *c, vaddr a, unsigned size, AccessType type, unsigned idx, bool probe, uintptr_t ra)
{
    const Mapping *m = find_map(a);
    g_assert_nonnull(m);
    fills++;
    tlb_set_page(c, a, m->pa + (a - m->va), PROT_R | PROT_W | PROT_X, idx, m->size, m->global);
    return true;
}

static Mapping *map(vaddr va, hwaddr pa, uint64_t size, bool global)
{
    maps[nb_maps] = (Mapping){va, pa, size, global};
    return &maps[nb_maps++];
}

static void start(void)
{
    harness_start("max");
    cpu = env->cpu;
    ops = *cpu->ops;
    ops.tlb_fill = fill;
    cpu->ops = &ops;
    nb_maps = 0;
    tlb_flush(cpu);
}

static uint64_t ld(vaddr a, unsigned idx) { return cpu_ld(cpu, a, 4, idx, 0); }

/* Whether a load needed a fill. */
static bool filled(vaddr a, unsigned idx)
{
    uint64_t was = fills;
    ld(a, idx);
    return fills != was;
}

static void test_flush(void)
{
    start();
    map(0x10000, 0x100000, 4096, false);
    map(0x20000, 0x101000, 4096, true);
    g_assert_true(filled(0x10000, K));
    g_assert_true(filled(0x20000, K));
    g_assert_true(filled(0x10000, U)); /* modes are apart */
    g_assert_false(filled(0x10fff - 3, K));
    tlb_flush_nonglobal(cpu);
    g_assert_false(filled(0x20000, K));
    g_assert_true(filled(0x10000, K));
    g_assert_true(filled(0x10000, U));
    tlb_flush(cpu);
    g_assert_true(filled(0x20000, K));
    g_assert_true(filled(0x10000, K));
    tlb_flush_page(cpu, 0x20123); /* INVLPG drops global pages too, in all modes */
    g_assert_true(filled(0x20000, K));
    g_assert_false(filled(0x10000, K));
    tlb_flush_page(cpu, 0x10000);
    g_assert_true(filled(0x10000, K));
    g_assert_true(filled(0x10000, U));
    tlb_flush_from_other_thread(cpu);
    tlb_flush_if_pending(cpu);
    g_assert_true(filled(0x10000, K));
    harness_stop();
}

/* A slot that changes hands between a global page and another belongs to the last of them. */
static void test_kinds(void)
{
    start();
    vaddr g = 0x400000, n = g + (4096ULL << 8), other = n + (4096ULL << 8); /* one slot in a table of 256 */
    map(g, 0x100000, 4096, true);
    map(n, 0x101000, 4096, false);
    map(other, 0x102000, 4096, true);
    poke(0x100000, 4, 1);
    poke(0x101000, 4, 2);
    poke(0x102000, 4, 3);
    for (unsigned round = 0; round < 3; round++) {
        g_assert_cmpuint(ld(g, K), ==, 1);
        g_assert_cmpuint(ld(n, K), ==, 2);
        tlb_flush_nonglobal(cpu);
        g_assert_true(filled(n, K));
        g_assert_cmpuint(ld(g, K), ==, 1);
        g_assert_cmpuint(ld(other, K), ==, 3);
        tlb_flush_nonglobal(cpu);
        g_assert_false(filled(other, K));
        g_assert_false(filled(g, K)); /* was a victim */
        tlb_flush(cpu);
        g_assert_true(filled(other, K));
        g_assert_true(filled(g, K));
    }
    harness_stop();
}

static void test_large(void)
{
    start();
    map(0x40000000, 0x200000, LARGE, false);
    map(0x40200000, 0x400000, LARGE, true);
    map(0x50000000, 0x101000, 4096, false);
    static const vaddr in[] = {0x40000000, 0x40001000, 0x400ff000, 0x401ff000};
    for (unsigned pass = 0; pass < G_N_ELEMENTS(in); pass++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(in); i++)
            ld(in[i], K);
        ld(0x40200000, K);
        ld(0x50000000, K);
        tlb_flush_page(cpu, in[pass] + 8); /* any address in the page */
        g_assert_false(filled(0x40200000, K));
        g_assert_false(filled(0x50000000, K));
        for (unsigned i = 0; i < G_N_ELEMENTS(in); i++)
            g_assert_true(filled(in[i], K));
    }
    tlb_flush_page(cpu, 0x50000000);
    for (unsigned i = 0; i < G_N_ELEMENTS(in); i++)
        g_assert_false(filled(in[i], K));
    tlb_flush_nonglobal(cpu);
    g_assert_false(filled(0x40200000, K));
    tlb_flush_page(cpu, 0x403fffff); /* the global one is still known to be large */
    g_assert_true(filled(0x40200000, K));
    /* evicted pieces must not come back either */
    ld(0x40000000, K);
    map(0x40000000 + (4096ULL << 8) * 4, 0x103000, 4096, false);
    ld(0x40000000 + (4096ULL << 8) * 4, K);
    tlb_flush_page(cpu, 0x40010000);
    g_assert_true(filled(0x40000000, K));
    harness_stop();
}

static void test_victims(void)
{
    start();
    for (unsigned i = 0; i < 6; i++) {
        map(0x1000000 + (4096ULL << 8) * i, 0x100000 + i * 4096, 4096, false);
        poke(0x100000 + i * 4096, 4, i);
    }
    for (unsigned i = 0; i < 6; i++)
        ld(maps[i].va, K);
    uint64_t was = fills, hits = cpu->stats.tlb_victim_hits;
    for (unsigned i = 0; i < 6; i++)
        g_assert_cmpuint(ld(maps[i].va, K), ==, i);
    g_assert_cmpuint(fills, ==, was);
    g_assert_cmpuint(cpu->stats.tlb_victim_hits, ==, hits + 6);
    tlb_flush_page(cpu, maps[2].va);
    maps[2].pa = 0x110000;
    poke(0x110000, 4, 77);
    g_assert_cmpuint(ld(maps[2].va, K), ==, 77);
    harness_stop();
}

/* Two hot pages on one slot do not change places for ever: the table grows until each has its own. */
static void test_swaps_grow(void)
{
    start();
    uint64_t small = cpu_head(cpu)->tlb[K].mask;
    for (unsigned i = 0; i < 3; i++) { /* apart in bits 8 and 9 of the page number */
        map(0x1000000 + (4096ULL << 8) * i, 0x100000 + i * 4096, 4096, i == 2);
        poke(0x100000 + i * 4096, 4, i);
    }
    uint64_t hits = cpu->stats.tlb_victim_hits;
    for (unsigned n = 0; n < 3000; n++)
        g_assert_cmpuint(ld(maps[n % 3].va, K), ==, n % 3);
    g_assert_cmpuint(cpu->stats.tlb_victim_hits - hits, <, 600);
    g_assert_cmpuint(cpu_head(cpu)->tlb[K].mask, >, small);
    tlb_flush_nonglobal(cpu);
    for (unsigned i = 0; i < 3; i++)
        g_assert_cmpint(filled(maps[i].va, K), ==, i != 2);
    harness_stop();
}

static void test_resize(void)
{
    start();
    uint64_t small = cpu_head(cpu)->tlb[K].mask;
    for (unsigned i = 0; i < 900; i++) {
        map(0x10000000 + i * 4096ULL, 0x100000 + i * 4096, 4096, i & 1);
        poke(0x100000 + i * 4096, 4, i);
    }
    for (unsigned round = 0; round < 8; round++)
        for (unsigned i = 0; i < 900; i++)
            g_assert_cmpuint(ld(maps[i].va, K), ==, i);
    g_assert_cmpuint(cpu_head(cpu)->tlb[K].mask, >, small);
    tlb_flush_nonglobal(cpu);
    for (unsigned i = 0; i < 900; i++)
        g_assert_cmpint(filled(maps[i].va, K), ==, !(i & 1));
    tlb_flush(cpu);
    for (unsigned i = 0; i < 900; i++)
        g_assert_true(filled(maps[i].va, K));
    for (unsigned i = 0; i < 4096; i++)
        tlb_flush(cpu);
    g_assert_cmpuint(cpu_head(cpu)->tlb[K].mask, ==, small);
    g_assert_cmpuint(ld(maps[5].va, K), ==, 5);
    harness_stop();
}

/* Stores that came to the slow path because of TLB_NOTDIRTY. */
static bool seen(vaddr a, unsigned idx)
{
    uint64_t was = cpu->stats.notdirty;
    cpu_st(cpu, a, 4, 1, idx, 0);
    return cpu->stats.notdirty != was;
}

static void test_protect(void)
{
    start();
    for (unsigned n = 1; n <= 5; n++) { /* one RAM page through n linear pages, both modes */
        nb_maps = 0;
        tlb_flush(cpu);
        for (unsigned i = 0; i < n; i++)
            map(0x3000000 + i * 0x5000, 0x100000, 4096, i & 1);
        map(0x4000000, 0x101000, 4096, false);
        for (unsigned round = 0; round < 3; round++) {
            for (unsigned i = 0; i < n; i++)
                for (unsigned m = 0; m < 2; m++) {
                    cpu_st(cpu, maps[i].va, 4, 0, m ? U : K, 0);
                    g_assert_false(seen(maps[i].va, m ? U : K));
                }
            seen(0x4000000, K);
            dirty_clear(DIRTY_VGA, 0x100000, 4096);
            g_assert_true(seen(maps[n - 1].va, K)); /* which marks the page as written, and frees this entry */
            dirty_clear(DIRTY_VGA, 0x100000, 4096);
            for (unsigned i = 0; i < n; i++) {
                g_assert_true(seen(maps[i].va, K));
                g_assert_true(seen(maps[i].va, U));
                g_assert_false(seen(maps[i].va, K));
            }
            g_assert_false(seen(0x4000000, K));
            if (round == 1)
                tlb_flush_nonglobal(cpu);
        }
    }
    harness_stop();
}

/* A writable entry that is a victim while its page gets protected, or while others take its place in the note. */
static void test_protect_victim(void)
{
    start();
    vaddr a = 0x3000000;
    map(a, 0x100000, 4096, false);
    for (unsigned i = 1; i < 4; i++)
        map(a + (4096ULL << 8) * i, 0x100000 + i * 4096, 4096, false);
    for (unsigned i = 1; i < 4; i++)
        map(a + 0x7000 * i, 0x100000, 4096, false);
    cpu_st(cpu, a, 4, 0, K, 0);
    ld(maps[1].va, K); /* pushes a out */
    dirty_clear(DIRTY_VGA, 0x100000, 4096);
    g_assert_true(seen(a, K));
    ld(maps[2].va, K);
    for (unsigned i = 4; i < 7; i++)
        cpu_st(cpu, maps[i].va, 4, 0, K, 0);
    g_assert_false(seen(a, K)); /* back from the victims */
    dirty_clear(DIRTY_VGA, 0x100000, 4096);
    g_assert_true(seen(a, K));
    for (unsigned i = 4; i < 7; i++)
        g_assert_true(seen(maps[i].va, K));
    /* a range of pages at once */
    for (unsigned i = 1; i < 4; i++)
        cpu_st(cpu, maps[i].va, 4, 0, K, 0);
    dirty_clear(DIRTY_VGA, 0x100000, 4 * 4096);
    for (unsigned i = 0; i < 7; i++)
        g_assert_true(seen(maps[i].va, K));
    harness_stop();
}

/* Whatever takes entries from the TLB, or marks them, empties the stack's pages. */
static void test_stack_pages(void)
{
    TcgEnvHead *head;

    start();
    head = cpu_head(cpu);
    map(0x400000, 0x100000, 4096, false);
    cpu_st(cpu, 0x400000, 4, 0, K, 0);
    for (unsigned way = 0; way < 6; way++) {
        for (unsigned m = 0; m < TCG_MMU_MODES; m++)
            head->stack[m] = (StackPage){ 0x400000, 0 };
        switch (way) {
        case 0: tlb_flush(cpu); break;
        case 1: tlb_flush_nonglobal(cpu); break;
        case 2: tlb_flush_page(cpu, 0x400000); break;
        case 3: dirty_set(DIRTY_VGA, 0x100000, 4096), dirty_clear(DIRTY_VGA, 0x100000, 4096); break;
        case 4: tlb_set_space(cpu, 5, true); break;
        case 5: tlb_set_page(cpu, 0x400000, 0x101000, PROT_R | PROT_W, K, 4096, false); break;
        }
        for (unsigned m = 0; m < TCG_MMU_MODES; m++)
            g_assert_cmphex(head->stack[m].page, ==, head->no_page);
    }
    harness_stop();
}

static bool jc_has(vaddr pc) { return jump_cache_find(cpu, &(TbState){.pc = pc}) != NULL; }
static void jc_put(TB *tb, vaddr pc, bool global, bool two_pages)
{
    TbState st = {.pc = pc};
    *tb = (TB){.pc = pc, .page = 1, .two_pages = two_pages};
    jump_cache_enter(cpu, &st, tb, global);
}

static void test_jump_cache(void)
{
    TB *tb;
    start();
    tb = blank_tbs(8);
    jc_put(&tb[0], 0x400100, false, false);
    jc_put(&tb[1], 0x401200, true, false);
    jc_put(&tb[2], 0x402ff8, false, true); /* runs into 0x403000 */
    jc_put(&tb[3], ~0xfffULL, true, false);
    jump_cache_clear(cpu, true);
    g_assert_false(jc_has(0x400100));
    g_assert_false(jc_has(0x402ff8));
    g_assert_true(jc_has(0x401200));
    g_assert_true(jc_has(~0xfffULL));
    jc_put(&tb[0], 0x400100, false, false);
    jc_put(&tb[2], 0x402ff8, false, true);
    tlb_flush_page(cpu, 0x403123);
    g_assert_false(jc_has(0x402ff8));
    g_assert_true(jc_has(0x400100));
    tlb_flush_page(cpu, 0x401000);
    g_assert_false(jc_has(0x401200));
    tlb_flush_page(cpu, 0x400000);
    g_assert_false(jc_has(0x400100));
    g_assert_true(jc_has(~0xfffULL));
    tlb_flush_page(cpu, ~0xfffULL);
    g_assert_false(jc_has(~0xfffULL));
    /* a slot changes its kind */
    jc_put(&tb[0], 0x400100, true, false);
    jc_put(&tb[0], 0x400100, false, false);
    jump_cache_clear(cpu, true);
    g_assert_false(jc_has(0x400100));
    jc_put(&tb[0], 0x400100, false, false);
    jc_put(&tb[0], 0x400100, true, false);
    jump_cache_clear(cpu, true);
    g_assert_true(jc_has(0x400100));
    jump_cache_clear(cpu, false);
    g_assert_false(jc_has(0x400100));
    /* code anywhere in a large page goes with it */
    map(0x40000000, 0x200000, LARGE, true);
    ld(0x40000000, K);
    jc_put(&tb[4], 0x40123456, true, false);
    jc_put(&tb[5], 0x40200000, true, false);
    tlb_flush_page(cpu, 0x40000000);
    g_assert_false(jc_has(0x40123456));
    g_assert_true(jc_has(0x40200000));
    jump_cache_clear(cpu, false);
    harness_stop();
}

/* TBs of different flags and cs_base at one pc; more kinds than there are caches; what leaves translated code. */
static void test_jump_cache_kinds(void)
{
    enum { KINDS = 40 };
    TB *tb;
    TcgEnvHead *head;
    TbState st[KINDS];

    start();
    tb = blank_tbs(KINDS);
    head = cpu_head(cpu);
    for (unsigned i = 0; i < KINDS; i++) {
        st[i] = (TbState){.pc = 0x400100, .flags = i % 5, .cs_base = i / 5};
        tb[i] = (TB){.pc = 0x400100, .flags = i % 5, .cs_base = i / 5, .page = 1};
        jump_cache_enter(cpu, &st[i], &tb[i], i & 1);
        g_assert_true(jump_cache_find(cpu, &st[i]) == &tb[i]);
        if (i > 0)
            g_assert_true(jump_cache_find(cpu, &st[i - 1]) == &tb[i - 1]);
    }
    for (unsigned i = 0; i < KINDS; i++) { /* another kind's is never found */
        TB *t = jump_cache_find(cpu, &st[i]);
        g_assert_true(t == NULL || t == &tb[i]);
        jump_cache_enter(cpu, &st[i], &tb[i], i & 1);
    }
    jump_cache_forget(cpu, &tb[KINDS - 2]);
    g_assert_null(jump_cache_find(cpu, &st[KINDS - 2]));
    g_assert_true(jump_cache_find(cpu, &st[KINDS - 1]) == &tb[KINDS - 1]);
    jump_cache_clear(cpu, true);
    for (unsigned i = KINDS - 4; i < KINDS; i++) /* odd ones are global */
        g_assert_true(jump_cache_find(cpu, &st[i]) == (i & 1 ? &tb[i] : NULL));
    const JumpCacheEntry *mine = head->jump_cache;
    g_assert_cmphex(mine[0x100].pc, ==, 0x400100);
    cpu_request_exit(cpu);
    g_assert_true(head->jump_cache[0x100].pc != 0x400100 && head->jump_cache[0].pc != 0 && head->jump_cache[0xffff].pc != ~0ull);
    g_assert_true(jump_cache_find(cpu, &st[KINDS - 1]) == &tb[KINDS - 1]); /* C code finds it, jumps still leave */
    g_assert_true(head->jump_cache != mine);
    head->exit_request = 0;
    jump_cache_find(cpu, &st[KINDS - 1]);
    g_assert_true(head->jump_cache == mine);
    jump_cache_clear(cpu, false);
    harness_stop();
}

/* What is found among the victims when patience ends changes places with what has the slot. */
static void test_jump_cache_promote(void)
{
    TB *tb;
    TcgEnvHead *head;
    const vaddr a = 0x410130, b = 0x420130;

    start();
    tb = blank_tbs(3);
    head = cpu_head(cpu);
    jc_put(&tb[0], a, false, false);
    jc_put(&tb[1], b, true, false);
    const JumpCacheEntry *e = &head->jump_cache[jump_cache_index(a)];
    head->victim_patience = 0;
    g_assert_true(jc_has(a) && jc_has(b));
    g_assert_cmphex(e->pc, ==, b);
    for (unsigned i = 0; i < 4; i++) {
        head->victim_patience = -1;
        g_assert_true(jc_has(i & 1 ? b : a));
        g_assert_cmphex(e->pc, ==, i & 1 ? b : a);
        g_assert_cmpint(head->victim_patience, >, 0);
        g_assert_true(jc_has(a) && jc_has(b));
    }
    /* Each still goes with its own kind of page, and with its TB. */
    jump_cache_clear(cpu, true);
    g_assert_true(!jc_has(a) && jc_has(b));
    jc_put(&tb[0], a, false, false);
    tb[1].invalid = true;
    head->victim_patience = -1;
    g_assert_false(jc_has(b)); /* seen only now: whoever invalidates it has not come here yet */
    g_assert_false(jc_has(b));
    g_assert_true(jc_has(a));
    jump_cache_clear(cpu, false);
    harness_stop();
}

/* Entries come, change their slot's page and kind, and go by page, kind and TB: what is left is what a model says. What
 * another entry has displaced may be among the victims. */
static void test_jump_cache_random(void)
{
    enum { PAGES = 64, OFFSETS = 6 };
    static const unsigned offset[OFFSETS] = {0, 4, 0x80, 0x81, 0xf00, 0xffc};
    TB (*tb)[OFFSETS];
    static struct { bool there, may, global; } model[PAGES][OFFSETS];
    GRand *r = g_rand_new_with_seed(4711);
    unsigned victims = 0;

    start();
    tb = (TB (*)[OFFSETS])blank_tbs(PAGES * OFFSETS);
    memset(model, 0, sizeof model);
    for (unsigned step = 0; step < 60000; step++) {
        unsigned p = g_rand_int_range(r, 0, PAGES), o = g_rand_int_range(r, 0, OFFSETS), what = g_rand_int_range(r, 0, 1000);
        vaddr page = 0x400000 + (p % 8) * TCG_PAGE_SIZE + (p / 8) * 0x10000ULL, pc = page + offset[o];
        if (what < 700) {
            bool global = g_rand_int_range(r, 0, 3) == 0;
            for (unsigned q = p % 8; q < PAGES; q += 8) /* the same slot */
                model[q][o].there = false;
            model[p][o].there = model[p][o].may = true;
            model[p][o].global = global;
            jc_put(&tb[p][o], pc, global, offset[o] == 0xffc);
        } else if (what < 950) {
            tlb_flush_page(cpu, page + 0x123);
            for (unsigned i = 0; i < OFFSETS; i++)
                model[p][i].there = model[p][i].may = false;
            if (p % 8)
                model[p - 1][OFFSETS - 1].there = model[p - 1][OFFSETS - 1].may = false; /* runs into it */
        } else if (what < 995) {
            jump_cache_forget(cpu, &tb[p][o]);
            model[p][o].there = model[p][o].may = false;
        } else {
            bool keep = what < 999;
            jump_cache_clear(cpu, keep);
            for (unsigned q = 0; q < PAGES * OFFSETS; q++) {
                model[q / OFFSETS][q % OFFSETS].there &= keep && model[q / OFFSETS][q % OFFSETS].global;
                model[q / OFFSETS][q % OFFSETS].may &= keep && model[q / OFFSETS][q % OFFSETS].global;
            }
        }
        for (unsigned q = step % 16; q < PAGES; q += 16)
            for (unsigned i = 0; i < OFFSETS; i++) {
                bool has = jc_has(0x400000 + (q % 8) * TCG_PAGE_SIZE + (q / 8) * 0x10000ULL + offset[i]);
                g_assert_true(has ? model[q][i].may : !model[q][i].there);
                victims += has && !model[q][i].there;
            }
    }
    g_assert_cmpint(victims, >, 1000);
    jump_cache_clear(cpu, false);
    g_rand_free(r);
    harness_stop();
}

/* Mappings change, with the flush that the architecture asks for: each load sees the present one. */
static void test_random(void)
{
    enum { SMALLS = 96, LARGES = 4, RAM_PAGES = 512 };
    start();
    for (unsigned i = 0; i < RAM_PAGES; i++)
        poke(0x800000 + i * 4096, 4, 0x1000 + i);
    for (unsigned i = 0; i < SMALLS; i++)
        map(0x10000000 + i * (i % 3 ? 0x1000ULL : 0x100000ULL) * 8, 0x800000 + g_test_rand_int_range(0, RAM_PAGES) * 4096, 4096,
            i % 5 == 0);
    for (unsigned i = 0; i < LARGES; i++)
        map(0x7f0000000000 + i * (uint64_t)LARGE, 0x800000, LARGE, i & 1);
    for (unsigned step = 0; step < 60000; step++) {
        unsigned i = g_test_rand_int_range(0, nb_maps), act = g_test_rand_int_range(0, 100);
        Mapping *m = &maps[i];
        vaddr a = m->va + (m->size > 4096 ? g_test_rand_int_range(0, RAM_PAGES) * 4096ULL : 0);
        if (act == 0) {
            tlb_flush(cpu);
        } else if (act < 3) {
            for (unsigned k = 0; k < nb_maps; k++)
                if (!maps[k].global && maps[k].size == 4096)
                    maps[k].pa = 0x800000 + g_test_rand_int_range(0, RAM_PAGES) * 4096;
            tlb_flush_nonglobal(cpu);
        } else if (act < 15) {
            m->pa = m->size == 4096 ? 0x800000 + g_test_rand_int_range(0, RAM_PAGES) * 4096 : m->pa == 0x800000 ? 0x600000 : 0x800000;
            tlb_flush_page(cpu, a);
        } else {
            hwaddr pa = m->pa + (a - m->va);
            uint64_t want = peek(pa, 4);
            g_assert_cmphex(ld(a, act & 1 ? K : U), ==, want);
            if (act > 80) {
                cpu_st(cpu, a, 4, want, act & 1 ? K : U, 0);
                g_assert_cmphex(peek(pa, 4), ==, want);
            }
        }
    }
    harness_stop();
}

/* A device that covers RAM when it is written to: the CPU's very next load goes there, without a TB between. */
static MemoryRegion cover;

static uint64_t cover_read(void *opaque, hwaddr off, unsigned size) { return 0xc0ffee; }
static void cover_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    memory_region_set_enabled(&cover, val != 0);
}
static const MemoryOps cover_ops = {cover_read, cover_write, 4, 4, false};

static void test_own_change(void)
{
    MemoryRegion trigger;

    start();
    memory_region_init_io(&cover, &cover_ops, NULL, "cover", 4096);
    memory_region_init_io(&trigger, &cover_ops, NULL, "trigger", 4096);
    memory_region_set_enabled(&cover, false);
    memory_region_add(address_space_memory.root, 0x300000, &cover, 5);
    memory_region_add(address_space_memory.root, 0xf0000000, &trigger, 5);
    tlb_flush_if_pending(cpu);
    current_cpu = cpu;
    map(0x10000, 0x300000, 4096, false);
    map(0x20000, 0xf0000000, 4096, false);
    poke(0x300000, 4, 0x12345678);
    g_assert_cmphex(ld(0x10000, K), ==, 0x12345678);
    cpu_st(cpu, 0x20000, 4, 1, K, 0);
    g_assert_cmphex(ld(0x10000, K), ==, 0xc0ffee);
    cpu_st(cpu, 0x20000, 4, 0, K, 0);
    g_assert_cmphex(ld(0x10000, K), ==, 0x12345678);
    current_cpu = NULL;
    memory_region_del(address_space_memory.root, &cover);
    memory_region_del(address_space_memory.root, &trigger);
    memory_region_destroy(&cover);
    memory_region_destroy(&trigger);
    harness_stop();
}

/* --- address spaces --- */

static void test_spaces(void)
{
    start();
    map(0x10000, 0x100000, 4096, false);
    map(0x20000, 0x101000, 4096, true);
    g_assert_true(filled(0x10000, U));
    g_assert_true(filled(0x20000, U));
    tlb_set_space(cpu, 5, true);
    g_assert_true(filled(0x10000, U));
    g_assert_true(filled(0x10000, K));
    tlb_set_space(cpu, 0, true);
    g_assert_false(filled(0x10000, U)); /* still there */
    g_assert_false(filled(0x20000, U));
    g_assert_true(filled(0x10000, K)); /* has one table for all spaces */
    tlb_set_space(cpu, 0, true);
    g_assert_false(filled(0x10000, U));
    tlb_set_space(cpu, 0, false); /* the same again, with a flush */
    g_assert_true(filled(0x10000, U));
    g_assert_false(filled(0x20000, U));
    tlb_set_space(cpu, 5, false);
    g_assert_true(filled(0x10000, U));
    tlb_drop_space(cpu, 0);
    g_assert_false(filled(0x10000, U));
    tlb_drop_space(cpu, 5);
    g_assert_true(filled(0x10000, U));
    tlb_set_space(cpu, 0, true);
    g_assert_true(filled(0x10000, U));
    g_assert_false(filled(0x20000, U));
    tlb_drop_all_spaces(cpu);
    g_assert_true(filled(0x10000, U));
    tlb_set_space(cpu, 5, true);
    g_assert_true(filled(0x10000, U));
    /* A page flush reaches global pages of the other spaces, and only them; also when there were too many to count. */
    for (unsigned n = 1; n < 100; n *= 9) {
        ld(0x10000, U), ld(0x20000, U);
        tlb_set_space(cpu, 0, true);
        ld(0x10000, U), ld(0x20000, U);
        for (unsigned i = 0; i < n; i++)
            tlb_flush_page(cpu, 0x20000), tlb_flush_page(cpu, 0x10000);
        tlb_set_space(cpu, 5, true);
        g_assert_false(filled(0x10000, U));
        g_assert_true(filled(0x20000, U));
    }
    tlb_flush(cpu);
    tlb_set_space(cpu, 0, true);
    g_assert_true(filled(0x20000, U));
    g_assert_true(filled(0x10000, U));
    harness_stop();
}

/* Code found in one space is not found in another, and is back with its space unless it went meanwhile. */
static void test_space_jumps(void)
{
    TB *tb;
    start();
    tb = blank_tbs(3);
    for (unsigned i = 0; i < 3; i++) {
        jc_put(&tb[i], 0x400000 + 0x1010 * i, i == 2, false);
        tb[i].page = 0x100;
        tb[i].code = 1;
    }
    tlb_set_space(cpu, 1, true);
    g_assert_false(jc_has(tb[0].pc));
    g_assert_false(jc_has(tb[1].pc));
    g_assert_true(jc_has(tb[2].pc));
    tlb_set_space(cpu, 0, true);
    g_assert_true(jc_has(tb[0].pc));
    g_assert_true(jc_has(tb[1].pc));
    tlb_set_space(cpu, 1, true);
    tb[0].invalid = true;
    tb[1].page = 0x200; /* the memory is another TB's now */
    tlb_set_space(cpu, 0, true);
    g_assert_false(jc_has(tb[0].pc));
    g_assert_false(jc_has(tb[1].pc));
    jc_put(&tb[0], 0x400000, false, false);
    tb[0].code = 1;
    tlb_set_space(cpu, 1, true);
    tlb_drop_space(cpu, 0);
    tlb_set_space(cpu, 0, true);
    g_assert_false(jc_has(tb[0].pc));
    /* a flush of all code leaves TBs in memory that look as they did */
    jc_put(&tb[0], 0x400000, false, false);
    tb[0].code = 1;
    tb[0].page = 0x100;
    tlb_set_space(cpu, 1, true);
    tb_flush_all(cpu);
    tlb_set_space(cpu, 0, true);
    g_assert_false(jc_has(tb[0].pc));
    harness_stop();
}

/* More spaces than are kept, with flushes of all kinds, stores, and pages that become protected, against a model. */
static void test_random_spaces(void)
{
    enum { SPACES = 10, PAGES = 40, RAM_PAGES = 64 };
    hwaddr pa[SPACES][PAGES];
    unsigned now = 0;
#define RANDOM(n) (unsigned)g_test_rand_int_range(0, n)
#define RANDOM_PA (0x800000 + RANDOM(RAM_PAGES) * 4096)
    start();
    tlb_set_space(cpu, 0, false);
    for (unsigned i = 0; i < RAM_PAGES; i++)
        poke(0x800000 + i * 4096, 4, 0x1000 + i);
    for (unsigned i = 0; i < PAGES; i++) {
        map(0x10000000 + i * (i % 3 ? 0x1000ULL : 0x100000ULL), RANDOM_PA, 4096, i % 4 == 0);
        for (unsigned s = 0; s < SPACES; s++)
            pa[s][i] = maps[i].global ? maps[i].pa : RANDOM_PA;
    }
#define REMAP(s) for (unsigned k_ = 0; k_ < PAGES; k_++) pa[s][k_] = maps[k_].global ? maps[k_].pa : RANDOM_PA
#define USE(s) for (unsigned k_ = 0; k_ < PAGES; k_++) maps[k_].pa = pa[s][k_]
    USE(now);
    for (unsigned step = 0; step < 200000; step++) {
        unsigned i = RANDOM(PAGES), act = RANDOM(100), mode = act & 1 ? K : act & 2 ? U : MMU_KNOSMAP, s = RANDOM(SPACES);
        Mapping *m = &maps[i];
        if (act < 4) {
            tlb_set_space(cpu, now = s, true);
            USE(now);
        } else if (act == 4) {
            REMAP(s);
            tlb_set_space(cpu, now = s, false);
            USE(now);
        } else if (act == 5) {
            REMAP(s);
            tlb_drop_space(cpu, s);
            USE(now);
        } else if (act == 6) {
            if (RANDOM(10) == 0) {
                for (s = 0; s < SPACES; s++)
                    REMAP(s);
                tlb_drop_all_spaces(cpu);
                USE(now);
            } else if (RANDOM(10) == 0) {
                tlb_flush(cpu);
            }
        } else if (act < 10) {
            m->pa = RANDOM_PA;
            for (s = 0; s < SPACES; s++)
                if (s == now || m->global)
                    pa[s][i] = m->pa;
            tlb_flush_page(cpu, m->va + RANDOM(4096));
        } else if (act < 14) {
            dirty_clear(DIRTY_VGA, RANDOM_PA, 4096);
        } else {
            uint64_t want = peek(m->pa, 4);
            g_assert_cmphex(ld(m->va, mode), ==, want);
            if (act > 60) {
                bool clean = !dirty_get(DIRTY_VGA, m->pa);
                uint64_t was = cpu->stats.notdirty;
                cpu_st(cpu, m->va, 4, want, mode, 0);
                if (clean) /* every store to a clean page is seen */
                    g_assert_cmpuint(cpu->stats.notdirty, ==, was + 1);
                g_assert_true(dirty_get(DIRTY_VGA, m->pa));
            }
        }
    }
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/accel/tlb/flush", test_flush);
    g_test_add_func("/accel/tlb/kinds", test_kinds);
    g_test_add_func("/accel/tlb/large", test_large);
    g_test_add_func("/accel/tlb/victims", test_victims);
    g_test_add_func("/accel/tlb/resize", test_resize);
    g_test_add_func("/accel/tlb/protect", test_protect);
    g_test_add_func("/accel/tlb/swaps-grow", test_swaps_grow);
    g_test_add_func("/accel/tlb/protect-victim", test_protect_victim);
    g_test_add_func("/accel/tlb/stack-pages", test_stack_pages);
    g_test_add_func("/accel/tlb/jump-cache", test_jump_cache);
    g_test_add_func("/accel/tlb/jump-cache-promote", test_jump_cache_promote);
    g_test_add_func("/accel/tlb/jump-cache-kinds", test_jump_cache_kinds);
    g_test_add_func("/accel/tlb/jump-cache-random", test_jump_cache_random);
    g_test_add_func("/accel/tlb/random", test_random);
    g_test_add_func("/accel/tlb/own-change", test_own_change);
    g_test_add_func("/accel/tlb/spaces", test_spaces);
    g_test_add_func("/accel/tlb/space-jumps", test_space_jumps);
    g_test_add_func("/accel/tlb/random-spaces", test_random_spaces);
    return g_test_run();
}
