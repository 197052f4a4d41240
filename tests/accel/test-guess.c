/* test-guess.c - pages that checks of translated code guess (accel/tlb-guess.c): whatever changes what an address leads to, or what is to
 * be seen of a store, must reach a check whose guess held before. Each test runs real 64-bit code up to SYSCALL or a fault, at CPL 3, at
 * CPL 0, and there with AC set under SMAP. */
#include "tests/accel/code-harness.h"
#include "softmmu/dirty.h"

enum {
    PML4 = 0x10000, PDPT = 0x11000, PD = 0x12000, PT = 0x13000, PT2 = 0x16000, PD2 = 0x17000, PDPT2 = 0x19000, PML4_2 = 0x1a000,
    KERNEL = 0x18000, STACK_TOP = 0x30000, CODE = 0x100000, DATA = 0x105000,
};

static void map(hwaddr pt, vaddr addr, uint64_t pte) { poke(pt + (addr >> 12 & 511) * 8, 8, pte); }

static unsigned mode; /* MMU_USER, MMU_KERNEL, MMU_KNOSMAP */

static void start(gconstpointer mmu_idx)
{
    harness_start("max");
    cpu = env->cpu;
    mode = GPOINTER_TO_UINT(mmu_idx);
    tlb_always_guess = true;
    enter_long();
    memset(ram + PML4, 0, 0xb000);
    poke(PML4, 8, PDPT | 7);
    poke(PDPT, 8, PD | 7);
    poke(PD, 8, PT | 7);
    poke(PML4_2, 8, PDPT2 | 7);
    poke(PDPT2, 8, PD2 | 7);
    poke(PD2, 8, PT2 | 7);
    for (unsigned i = 0; i < 512; i++) {
        unsigned rights = mode == MMU_KNOSMAP && i << 12 < CODE ? 3 : 7; /* the IDT and so on are read under SMAP always */
        map(PT, i << 12, i << 12 | rights);
        map(PT2, i << 12, i << 12 | rights);
    }
    user_code_ends_at(KERNEL);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned k = 0; k < 4096; k += 4)
            poke(DATA + i * 4096 + k, 4, (i + 1) << 16 | k);
    at = CODE;
    if (mode == MMU_KNOSMAP)
        env->cr[4] |= CR4_SMAP;
    env->fmask = EFL_AC;
    tlb_flush(cpu);
    tb_flush_all(cpu);
}

static void enter(void)
{
    user_mode(CODE);
    if (mode != MMU_USER) {
        cpu_load_seg_cache(env, R_CS, SEL_CODE64, 0, 0xffffffff, 0xa09b00);
        cpu_load_seg_cache(env, R_SS, SEL_DATA0, 0, 0xffffffff, 0xc09300);
    }
    env->eflags = (env->eflags & ~(uint64_t)EFL_AC) | (mode == MMU_KNOSMAP ? EFL_AC : 0);
    cpu_update_hflags(env);
    g_assert_cmpuint(cpu_mmu_index(env), ==, mode);
}

static void stop(void)
{
    tlb_always_guess = false;
    harness_stop();
}

/* From CODE to SYSCALL or a fault, with RDI and RSI; gives EAX. */
static uint32_t run(vaddr rdi, vaddr rsi)
{
    enter();
    env->head.gpr[R_EAX] = 0xdeadbeef;
    env->head.gpr[R_ESP] = STACK_TOP;
    env->head.gpr[R_EDI] = rdi;
    env->head.gpr[R_ESI] = rsi;
    env->head.gpr[R_EBX] = 0x12345678;
    env->cr[2] = 0;
    return run_to_halt();
}

/* mov eax, [rdi]; mov [rsi], ebx */
static void load_and_store(void)
{
    EMIT(0x8b, 0x07, 0x89, 0x1e, 0x0f, 0x05);
}

/* Other pages, addresses across two pages, and a second page that is not there. */
static void test_pages(gconstpointer m)
{
    start(m);
    load_and_store();
    uint64_t was = cpu->stats.guesses;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned k = 0; k < 4096; k += 252) {
            g_assert_cmphex(run(DATA + k, DATA + 0x3800), ==, 1 << 16 | k);
            g_assert_cmphex(run(DATA + 0x1000 + k, DATA + 0x3800 + k % 8), ==, 2 << 16 | k);
            g_assert_cmphex(peek(DATA + 0x3800 + k % 8, 4), ==, 0x12345678);
        }
        g_assert_cmphex(run(DATA + 0xffe, DATA + 0x2ffd), ==, 1);
        g_assert_cmphex(peek(DATA + 0x2ffd, 4), ==, 0x12345678);
        poke(DATA + 0x2ffc, 8, 0x0004000000030ffcull);
    }
    g_assert_cmpuint(cpu->stats.guesses, >, was);
    map(PT, DATA + 0x1000, 0);
    tlb_flush_page(cpu, DATA + 0x1000);
    run(DATA + 0xffd, DATA + 0x3800);
    g_assert_cmphex(env->cr[2], ==, DATA + 0x1000);
    run(DATA, DATA + 0xffd);
    g_assert_cmphex(env->cr[2], ==, DATA + 0x1000);
    g_assert_cmphex(peek(DATA + 0xffc, 4), ==, 1 << 16 | 0xffc); /* nothing of the store */
    stop();
}

/* Everything that leads an address elsewhere. */
static void test_remap(gconstpointer m)
{
    start(m);
    load_and_store();
    vaddr a = DATA, b = DATA + 0x3000;
    for (unsigned way = 0; way < 6; way++) {
        map(PT, a, a | 7);
        map(PT, b, b | 7);
        tlb_flush(cpu);
        poke(b, 4, 0);
        poke(b + 0x1000, 4, 0);
        g_assert_cmphex(run(a, b), ==, 1 << 16);
        g_assert_cmphex(run(a, b), ==, 1 << 16);
        map(PT, a, (a + 0x1000) | 7);
        map(PT, b, (b + 0x1000) | 7);
        poke(b, 4, 0);
        switch (way) {
        case 0: tlb_flush(cpu); break;
        case 1: tlb_flush_nonglobal(cpu); break;
        case 2: tlb_flush_page(cpu, a), tlb_flush_page(cpu, b); break;
        case 3: /* another entry without a flush, as after a fault */
            tlb_set_page(cpu, a, a + 0x1000, PROT_R | PROT_W, mode, 4096, false);
            tlb_set_page(cpu, b, b + 0x1000, PROT_R | PROT_W, mode, 4096, false);
            break;
        case 4: tlb_set_space(cpu, 5, true), tlb_set_space(cpu, 6, true); break;
        case 5:
            map(PT2, a, (a + 0x1000) | 7);
            map(PT2, b, (b + 0x1000) | 7);
            env->cr[3] = PML4_2;
            tlb_flush_nonglobal(cpu);
            break;
        }
        g_assert_cmphex(run(a, b), ==, 2 << 16);
        g_assert_cmphex(peek(b, 4), ==, 0);
        g_assert_cmphex(peek(b + 0x1000, 4), ==, 0x12345678);
    }
    stop();
}

/* A page that may be read only, after it could be written. */
static void test_rights(gconstpointer m)
{
    start(m);
    load_and_store();
    vaddr b = DATA + 0x3000;
    run(DATA, b);
    run(DATA, b);
    map(PT, b, b | 5);
    tlb_flush_page(cpu, b);
    poke(b, 4, 0);
    g_assert_cmphex(run(b, b), ==, 0);
    g_assert_cmphex(env->cr[2], ==, b);
    g_assert_cmphex(peek(b, 4), ==, 0);
    stop();
}

static gpointer clear_dirty(gpointer opaque)
{
    dirty_clear(DIRTY_VGA, DATA + 0x3000, 4096);
    return NULL;
}

/* A store to a page that is to be watched is seen, also when another thread said so, and through any linear page. */
static void test_protect(gconstpointer m)
{
    start(m);
    load_and_store();
    vaddr b = DATA + 0x3000, alias = DATA + 0x8000;
    map(PT, alias, b | 7);
    tlb_flush(cpu);
    for (unsigned round = 0; round < 8; round++) {
        vaddr to = round & 4 ? alias : b;
        run(DATA, DATA + 0x2000);
        run(DATA, to); /* a check that had another page */
        uint64_t was = cpu->stats.notdirty;
        run(DATA, to);
        g_assert_cmpuint(cpu->stats.notdirty, ==, was);
        if (round & 2)
            g_assert_null(g_thread_join(g_thread_new("clear", clear_dirty, NULL)));
        else
            clear_dirty(NULL);
        g_assert_false(dirty_get(DIRTY_VGA, b));
        run(DATA, to);
        g_assert_cmpuint(cpu->stats.notdirty, ==, was + 1);
        g_assert_true(dirty_get(DIRTY_VGA, b));
    }
    stop();
}

/* Code in a page that was written by guess: mov eax, [rdi]; mov [rsi], ebx, which changes the immediate of the mov eax behind. */
static void test_code(gconstpointer m)
{
    start(m);
    vaddr b = DATA + 0x3000;
    EMIT(0x8b, 0x07, 0x89, 0x1e, 0xe9); /* ...; jmp b */
    emit32(b - (at + 4));
    at = b;
    for (unsigned n = 0; n < 32; n++) {
        at = b;
        emit_mov_eax(n);
        EMIT(0x0f, 0x05);
        g_assert_cmphex(run(DATA, DATA + 0x2000), ==, n);
        g_assert_cmphex(run(DATA, b + 0x800), ==, n);
        g_assert_cmphex(run(DATA, b + 1), ==, 0x12345678);
    }
    stop();
}

/* An aligned vector, an address that is not, and alignment checks. */
static void test_aligned(gconstpointer m)
{
    start(m);
    env->cr[4] |= CR4_OSFXSR;
    cpu_update_hflags(env);
    EMIT(0x66, 0x0f, 0x6f, 0x07, 0x66, 0x0f, 0x7e, 0xc0, 0x0f, 0x29, 0x06, 0x0f, 0x05); /* movdqa xmm0, [rdi]; movd eax, xmm0; movaps [rsi], xmm0 */
    for (unsigned round = 0; round < 3; round++)
        for (unsigned k = 0; k < 4096; k += 16) {
            poke(DATA + 0x3ff0 - k, 8, 0);
            g_assert_cmphex(run(DATA + k, DATA + 0x3ff0 - k), ==, 1 << 16 | k);
            g_assert_cmphex(peek(DATA + 0x3ff0 - k, 4), ==, 1 << 16 | k);
        }
    poke(DATA + 0x3000, 8, 0);
    g_assert_cmphex(run(DATA + 8, DATA + 0x3000), ==, 0xdeadbeef); /* #GP */
    g_assert_cmphex(run(DATA + 0xff8, DATA + 0x3000), ==, 0xdeadbeef);
    run(DATA, DATA + 0x3008);
    g_assert_cmphex(peek(DATA + 0x3008, 4), ==, 1 << 16 | 0xff8); /* as the loop left it */
    stop();
}

/* A check that changes pages all the time: its TB is translated again without the guess, once. */
static void test_gives_up(gconstpointer m)
{
    start(m);
    /* mov ecx, 1000; loop: mov eax, [rdi]; mov edx, [rsi]; xchg rdi, rsi; add ebx, edx; dec ecx; jnz loop; mov eax, ebx; syscall */
    EMIT(0xb9);
    emit32(1000);
    hwaddr loop = at;
    EMIT(0x8b, 0x07, 0x8b, 0x16, 0x48, 0x87, 0xfe, 0x01, 0xd3, 0xff, 0xc9, 0x75, (uint8_t)(loop - at - 13));
    EMIT(0x89, 0xd8, 0x0f, 0x05);
    for (unsigned round = 0; round < 50; round++)
        g_assert_cmphex(run(DATA, DATA + 0x1000), ==, (uint32_t)(0x12345678 + 500 * (1 << 16) + 500 * (2 << 16)));
    g_assert_cmpuint(cpu->stats.guess_tbs, >=, 1);
    uint64_t was = cpu->stats.guess_tbs;
    for (unsigned round = 0; round < 50; round++)
        run(DATA, DATA + 0x1000);
    g_assert_cmpuint(cpu->stats.guess_tbs, ==, was);
    stop();
}

static TB *find(hwaddr pc)
{
    TbState st;
    enter();
    env->head.eip = pc;
    cpu->ops->get_tb_state(env, &st);
    return tb_lookup_phys(cpu, &st, 0, pc, false);
}

/* A hot TB whose guess holds stops to count its runs; where it misses it counts again, and gives up as others do. Not so a TB that does not
 * begin with the count, as a loop with a vector in a register. */
static void test_counting(gconstpointer m)
{
    start(m);
    EMIT(0xb9);
    emit32(1000);
    hwaddr loop = at;
    EMIT(0x8b, 0x07, 0x8b, 0x16, 0x48, 0x87, 0xfe, 0x01, 0xd3, 0xff, 0xc9, 0x75, (uint8_t)(loop - at - 13));
    EMIT(0x89, 0xd8, 0x0f, 0x05);
    run(DATA, DATA);
    TB *tb = find(loop);
    g_assert_nonnull(tb);
    const uint8_t *code = tb_code(tb);
    uint32_t count = tcg_counts(jit_buf, code);
    g_assert_cmpuint(count, !=, 0);
    uint8_t was[8];
    memcpy(was, code, 8);
    cpu->sampled = (uintptr_t)code + 1;
    run(DATA, DATA);
    g_assert_cmpmem(code, 8, was, 8); /* it has not run often enough */
    for (unsigned round = 0; round < 20; round++)
        run(DATA, DATA);
    cpu->sampled = (uintptr_t)code + 1;
    run(DATA, DATA);
    g_assert_cmphex(code[0], ==, 0x66);
    g_assert_cmpmem(code + 6, 2, was + 6, 2);
    uint32_t runs = *codebuf_runs(jit_buf, count);
    g_assert_cmphex(run(DATA, DATA), ==, (uint32_t)(0x12345678 + 1000 * (1 << 16)));
    g_assert_cmpuint(*codebuf_runs(jit_buf, count), ==, runs);
    uint64_t given_up = cpu->stats.guess_tbs;
    for (unsigned round = 0; round < 20; round++)
        g_assert_cmphex(run(DATA, DATA + 0x1000), ==, (uint32_t)(0x12345678 + 500 * (1 << 16) + 500 * (2 << 16)));
    g_assert_cmpmem(code, 8, was, 8);
    g_assert_cmpuint(cpu->stats.guess_tbs, >, given_up);
    g_assert_true(tb->invalid);

    env->cr[4] |= CR4_OSFXSR;
    at = CODE;
    EMIT(0xb9);
    emit32(40000);
    loop = at;
    EMIT(0x66, 0x0f, 0xfe, 0x07, 0x83, 0xe9, 0x01, 0x75, 0xf7, 0x0f, 0x05); /* loop: paddd xmm0, [rdi]; sub ecx, 1; jnz loop; syscall */
    run(DATA, DATA);
    tb = find(loop);
    g_assert_nonnull(tb);
    g_assert_true(tb->has_loop);
    code = tb_code(tb);
    memcpy(was, code, 8);
    cpu->sampled = (uintptr_t)code + 1;
    run(DATA, DATA);
    g_assert_cmpmem(code, 8, was, 8);
    stop();
}

/* Without the test's switch: a TB guesses when samples found it running. */
static void test_hot(gconstpointer m)
{
    start(m);
    tlb_always_guess = false;
    EMIT(0xb9);
    emit32(1000);
    hwaddr loop = at;
    EMIT(0x8b, 0x07, 0xff, 0xc9, 0x75, (uint8_t)(loop - at - 6), 0x0f, 0x05);
    uint64_t was = cpu->stats.guesses;
    for (unsigned round = 0; round < 3; round++)
        g_assert_cmphex(run(DATA, 0), ==, 1 << 16);
    g_assert_cmpuint(cpu->stats.guesses, ==, was);
    TB *tb = find(CODE);
    g_assert_nonnull(tb);
    cpu->sampled = (uintptr_t)tb_code(tb) + 1;
    g_assert_cmphex(run(DATA, 0), ==, 1 << 16);
    g_assert_true(tb->invalid);
    g_assert_cmpuint(cpu->stats.guesses, >, was);
    stop();
}

/* Global pages outlast a change of the address space, as the TLB has them in a mode with one table for all; a page that is not
 * global does not, also when its entry has left the TLB meanwhile. */
static void test_global(gconstpointer m)
{
    start(m);
    load_and_store();
    vaddr a = DATA, b = DATA + 0x3000;
    env->cr[4] |= CR4_PGE;
    for (unsigned way = 0; way < 8; way++) {
        bool global = way & 1, evicted = way & 2;
        map(PT, a, a | 7 | (global ? 0x100 : 0));
        map(PT, b, b | 0x107);
        tlb_flush(cpu);
        g_assert_cmphex(run(a, b), ==, 1 << 16);
        g_assert_cmphex(run(a, b), ==, 1 << 16);
        for (unsigned i = 1; evicted && i < 12; i++) /* same place in the table */
            tlb_set_page(cpu, a + (i << 24), b, PROT_R, mode, 4096, true);
        map(PT, a, (a + 0x1000) | 7);
        uint64_t was = cpu->stats.guesses;
        if (way & 4)
            tlb_set_space(cpu, way, true);
        else
            tlb_flush_nonglobal(cpu);
        uint32_t got = run(a, b);
        if (!global)
            g_assert_cmphex(got, ==, 2 << 16);
        else if (mode == MMU_KERNEL)
            g_assert_cmpuint(cpu->stats.guesses, ==, was);
        tlb_flush(cpu);
        g_assert_cmphex(run(a, b), ==, 2 << 16);
    }
    stop();
}

/* INVLPG of another address in the same large page. */
static void test_large(gconstpointer m)
{
    start(m);
    load_and_store();
    for (unsigned k = 0; k < 512; k++) /* RAM from 2 MiB on */
        poke(0x200000 + k * 4096, 4, k);
    poke(PD + 8, 8, 0x200000 | 0x87);
    tlb_flush(cpu);
    for (unsigned k = 3; k < 512; k += 100) {
        vaddr a = 0x200000 + k * 4096;
        g_assert_cmphex(run(a, DATA), ==, k);
        g_assert_cmphex(run(a, DATA), ==, k);
        poke(PD + 8, 8, 0x87); /* the RAM's begin instead */
        tlb_flush_page(cpu, 0x200000 + (511 - k) * 4096);
        g_assert_cmphex(run(a, DATA), ==, peek(k * 4096, 4));
        poke(PD + 8, 8, 0x200000 | 0x87);
        tlb_flush_page(cpu, 0x200000);
    }
    stop();
}

static void add(const char *name, GTestDataFunc test)
{
    static const struct { const char *name; unsigned mode; } modes[] = { { "user", MMU_USER }, { "kernel", MMU_KERNEL }, { "smap-off", MMU_KNOSMAP } };
    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
        g_autofree char *path = g_strdup_printf("/accel/guess/%s/%s", name, modes[i].name);
        g_test_add_data_func(path, GUINT_TO_POINTER(modes[i].mode), test);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("pages", test_pages);
    add("remap", test_remap);
    add("rights", test_rights);
    add("protect", test_protect);
    add("code", test_code);
    add("aligned", test_aligned);
    add("gives-up", test_gives_up);
    add("counting", test_counting);
    add("hot", test_hot);
    add("global", test_global);
    add("large", test_large);
    return g_test_run();
}
