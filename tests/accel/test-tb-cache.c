/* test-tb-cache.c - translated code follows the bytes it was made of: stores by the guest, by itself and by
 * DMA, code on two pages, remapped pages, links between TBs, pages that are written over and over, the
 * reuse of host memory, a full flush. Each test runs real 64-bit code up to HLT. */
#include "tests/accel/code-harness.h"
#include "softmmu/dirty.h"

enum { PML4 = 0x10000, PDPT = 0x11000, PD = 0x12000, PT = 0x13000, CODE = 0x100000, DATA = 0x180000 };

static void hlt(void) { EMIT(0xf4); }

/* 4K pages for the first 2 MiB, so that tests can move single pages. */
static void start(void)
{
    harness_start("max");
    cpu = env->cpu;
    enter_long();
    poke(PML4, 8, PDPT | 7);
    poke(PDPT, 8, PD | 7);
    poke(PD, 8, PT | 7);
    for (unsigned i = 0; i < 512; i++)
        poke(PT + i * 8, 8, (uint64_t)i << 12 | 7);
    tlb_flush(cpu);
    tb_flush_all(cpu);
}

static uint32_t run(vaddr pc)
{
    env->head.eip = pc;
    env->head.gpr[R_EAX] = 0xdeadbeef;
    cpu->halted = false;
    cpu->exception_index = EXCP_NONE;
    int r = cpu_exec(cpu);
    g_assert_cmpint(r, ==, EXCP_HLT);
    cpu->halted = false;
    return env->head.gpr[R_EAX];
}

static void guest_store(vaddr a, unsigned size, uint64_t v) { ASSERT_OK(cpu_st(cpu, a, size, v, MMU_KERNEL, 0)); }

static void test_patch(void)
{
    start();
    at = CODE;
    emit_mov_eax(1);
    hlt();
    g_assert_cmpuint(run(CODE), ==, 1);
    for (unsigned i = 0; i < 100; i++) { /* also past the count that makes the page sticky */
        guest_store(CODE + 1, 4, i * 3);
        g_assert_cmpuint(run(CODE), ==, i * 3);
        uint32_t v = i * 7;
        physmem_write(&address_space_memory, CODE + 1, &v, 4);
        g_assert_cmpuint(run(CODE), ==, i * 7);
        guest_store(CODE + 1 + i % 4, 1, 0x55);
        g_assert_cmphex(run(CODE) >> (8 * (i % 4)) & 0xff, ==, 0x55);
    }
    harness_stop();
}

/* What is written beside the code costs no translation; the code's own bytes do. */
static void test_beside(void)
{
    start();
    at = CODE;
    emit_mov_eax(5);
    hlt();
    run(CODE);
    uint64_t was = jit_totals.invalidations;
    for (unsigned i = 0x100; i < 0x1000; i += 0x40)
        guest_store(CODE + i, 8, i);
    guest_store(CODE + 6, 4, 0); /* right behind HLT, in the same piece */
    guest_store(CODE - 4, 4, 0);
    g_assert_cmpuint(jit_totals.invalidations, ==, was);
    guest_store(CODE + 2, 1, 1);
    g_assert_cmpuint(jit_totals.invalidations, ==, was + 1);
    g_assert_cmpuint(run(CODE), ==, 0x105);
    guest_store(CODE - 2, 4, 0x07b8ffff); /* across the page's start */
    g_assert_cmpuint(run(CODE), ==, 0x107);
    harness_stop();
}

/* mov byte [rip+1], 9; mov al, 1: the store changes the next instruction of the same TB. */
static void test_self(void)
{
    start();
    for (unsigned round = 0; round < 40; round++) {
        at = CODE;
        EMIT(0xc6, 0x05, 1, 0, 0, 0, 9 + round);
        EMIT(0xb0, 1);
        EMIT(0x0f, 0xb6, 0xc0); /* movzx eax, al */
        hlt();
        g_assert_cmpuint(run(CODE), ==, 9 + round);
        g_assert_cmpuint(run(CODE), ==, 9 + round);
    }
    /* an instruction that overwrites itself runs as it was read */
    at = CODE + 0x200;
    EMIT(0xc7, 0x05, 0xf6, 0xff, 0xff, 0xff, 0xb8, 7, 0, 0); /* mov dword [itself], ... */
    EMIT(0x90, 0xf4);
    run(CODE + 0x200);
    g_assert_cmphex(peek(CODE + 0x200, 4), ==, 0x7b8);
    harness_stop();
}

/* Immediates that are patched over and over are read when they run: no translation, right values, in all widths; a
 * store that goes past them, or one by DMA into the opcode, still counts. */
static void test_patched_immediates(void)
{
    static const uint8_t code[] = {
        0xb8, 0,    0,    0,    0,             /* 0: mov eax, imm32 */
        0x05, 0,    0,    0,    0,             /* 5: add eax, imm32 */
        0x83, 0xc0, 0,                         /* 10: add eax, imm8 (signed) */
        0x66, 0x35, 0,    0,                   /* 13: xor ax, imm16 */
        0x48, 0xb9, 0,    0,    0, 0, 0, 0, 0, 0, /* 17: mov rcx, imm64 */
        0x48, 0x81, 0xf9, 0,    0, 0, 0,       /* 27: cmp rcx, imm32 (signed) */
        0x0f, 0x92, 0xc2,                      /* 34: setb dl */
        0x0f, 0x94, 0xc6,                      /* 37: sete dh */
        0xc1, 0xe0, 1,                         /* 40: shl eax, imm8: never soft */
        0xf4,
    };
    start();
    at = CODE;
    emit(code, sizeof code);
    uint64_t was = 0;
    for (unsigned i = 0; i < 400; i++) {
        uint32_t a = i * 0x9e3779b9u, b = ~a >> 3, x = a >> 7 & 0xffff;
        int8_t c = (int8_t)(a >> 9);
        uint64_t q = i % 3 ? (uint64_t)(int64_t)(int32_t)b : (uint64_t)a << 20;
        if (i == 100)
            was = jit_totals.translations;
        if (i < 200) { /* four of them at most are soft in one TB */
            guest_store(CODE + 1, 4, a);
            guest_store(CODE + 6, 4, b);
            guest_store(CODE + 12, 1, (uint8_t)c);
            guest_store(CODE + 15, 2, x);
        } else {
            guest_store(CODE + 19, 8, q);
            guest_store(CODE + 30, 4, b);
            guest_store(CODE + 1, 4, a);
            guest_store(CODE + 6, 4, b);
            guest_store(CODE + 12, 1, (uint8_t)c);
            guest_store(CODE + 15, 2, x);
            guest_store(CODE + 42, 1, i % 40);
        }
        uint32_t sum = (a + b + (uint32_t)c) ^ x;
        g_assert_cmphex(run(CODE), ==, i < 200 ? sum << 1 : sum << (i % 40 & 31));
        if (i >= 200) {
            uint64_t cmp = (uint64_t)(int64_t)(int32_t)b;
            g_assert_cmphex(env->head.gpr[R_ECX], ==, q);
            g_assert_cmpuint(env->head.gpr[R_EDX] & 0xff, ==, q < cmp);
            g_assert_cmpuint(env->head.gpr[R_EDX] >> 8 & 0xff, ==, q == cmp);
        }
        if (i == 199)
            g_assert_cmpuint(jit_totals.translations, ==, was);
    }
    guest_store(CODE + 4, 2, 0x2d00); /* the last byte of one, and the next opcode: add becomes sub */
    guest_store(CODE + 1, 4, 1000);
    guest_store(CODE + 6, 4, 1);
    guest_store(CODE + 12, 1, 0);
    guest_store(CODE + 15, 2, 0);
    guest_store(CODE + 42, 1, 0);
    g_assert_cmpuint(run(CODE), ==, 999);
    physmem_write(&address_space_memory, CODE, "\xb8\x05\x00\x00\x00\xf4", 6);
    g_assert_cmpuint(run(CODE), ==, 5);
    harness_stop();
}

/* A loop that patches a function behind a call and runs it: no exit to anyone between the two. */
static void test_loop(void)
{
    start();
    for (unsigned round = 0; round < 3; round++) {
        uint8_t *before = jit_buf->ptr, *cold = jit_buf->cold;
        at = CODE;
        EMIT(0xb9, 0xd0, 7, 0, 0);                   /* mov ecx, 2000 */
        EMIT(0x31, 0xc0);                            /* xor eax, eax */
        EMIT(0x89, 0x0c, 0x25, 0x01, 0x12, 0x10, 0); /* L: mov [CODE + 0x1201], ecx */
        EMIT(0xe8, 0xed, 0x11, 0, 0);                /* call CODE + 0x1200 */
        EMIT(0xff, 0xc9);                            /* dec ecx */
        EMIT(0x75, 0xf0);                            /* jnz L */
        hlt();
        at = CODE + 0x1200;
        EMIT(0x05, 0, 0, 0, 0, 0xc3); /* add eax, imm; ret */
        env->head.gpr[R_ESP] = 0x8000;
        g_assert_cmpuint(run(CODE), ==, 2000 * 2001 / 2);
        g_assert_cmpint(jit_buf->ptr - before, <, 20000); /* of 2000 translations */
        g_assert_cmpint(jit_buf->cold - cold, <, 20000);
    }
    harness_stop();
}

/* An instruction on two pages: both pages' bytes count, and so does where the second page is. */
static void test_cross_page(void)
{
    start();
    vaddr pc = CODE + 0xffd;
    at = pc;
    emit_mov_eax(0x11223344);
    hlt();
    g_assert_cmphex(run(pc), ==, 0x11223344);
    guest_store(CODE + 0x1000, 1, 0x77);
    g_assert_cmphex(run(pc), ==, 0x11773344);
    guest_store(CODE + 0xffe, 1, 0x88);
    g_assert_cmphex(run(pc), ==, 0x11773388);
    uint16_t v = 0xabcd;
    physmem_write(&address_space_memory, CODE + 0xfff, &v, 2); /* DMA over the boundary */
    g_assert_cmphex(run(pc), ==, 0x11abcd88);
    /* the second page moves: same first page, other bytes; and back */
    memcpy(ram + DATA, ram + CODE + 0x1000, 4096);
    poke(DATA, 1, 0x99);
    for (unsigned i = 0; i < 4; i++) {
        poke(PT + ((CODE >> 12) + 1) * 8, 8, i & 1 ? (CODE + 0x1000) | 7 : DATA | 7);
        tlb_flush_page(cpu, CODE + 0x1000);
        g_assert_cmphex(run(pc), ==, i & 1 ? 0x11abcd88 : 0x1199cd88);
    }
    harness_stop();
}

/* One linear page, two RAM pages with different code in turn; one RAM page at two addresses. */
static void test_remap(void)
{
    start();
    at = CODE;
    emit_mov_eax(1);
    hlt();
    at = DATA;
    emit_mov_eax(2);
    hlt();
    for (unsigned i = 0; i < 6; i++) {
        poke(PT + (CODE >> 12) * 8, 8, (i & 1 ? DATA : CODE) | 7);
        if (i < 3)
            tlb_flush_page(cpu, CODE);
        else
            cpu_set_cr3(env, PML4);
        g_assert_cmpuint(run(CODE), ==, 1 + (i & 1));
    }
    poke(PT + (CODE >> 12) * 8, 8, DATA | 7);
    tlb_flush_page(cpu, CODE);
    g_assert_cmpuint(run(CODE), ==, 2);
    g_assert_cmpuint(run(DATA), ==, 2);
    guest_store(DATA + 1, 1, 3); /* the alias changes with it */
    g_assert_cmpuint(run(CODE), ==, 3);
    g_assert_cmpuint(run(DATA), ==, 3);
    guest_store(CODE + 1, 1, 4);
    g_assert_cmpuint(run(DATA), ==, 4);
    g_assert_cmpuint(run(CODE), ==, 4);
    harness_stop();
}

/* A jumps to B directly, in the page and out of it: B's change and B's going are seen through the link. */
static void test_links(void)
{
    start();
    for (unsigned far = 0; far < 2; far++) {
        vaddr b = CODE + (far ? 0x2000 : 0x80);
        int32_t rel = b - (CODE + 5);
        at = CODE;
        EMIT(0xe9);
        emit(&rel, 4);
        at = b;
        emit_mov_eax(10);
        hlt();
        for (unsigned i = 0; i < 30; i++) {
            for (unsigned k = 0; k < 3; k++)
                g_assert_cmpuint(run(CODE), ==, 10 + i);
            guest_store(b + 1, 1, 11 + i);
        }
        rel += 0x40; /* A changes: goes elsewhere */
        guest_store(CODE + 1, 4, (uint32_t)rel);
        at = b + 0x40;
        emit_mov_eax(99);
        hlt();
        g_assert_cmpuint(run(CODE), ==, 99);
    }
    harness_stop();
}

/* A jump to another page that is linked: the page moves, by INVLPG, a new CR3 and a full flush, as one of the address space and
 * as a global one; what it cannot be linked to does not leave each time either. */
static void test_far_links(void)
{
    start();
    vaddr b = CODE + 0x2040;
    int32_t rel = b - (CODE + 5);
    at = CODE;
    EMIT(0xe9);
    emit(&rel, 4);
    at = b;
    emit_mov_eax(1);
    hlt();
    at = DATA + 0x40;
    emit_mov_eax(2);
    hlt();
    uint64_t *pte = (void *)(ram + PT + (b >> 12) * 8);
    for (unsigned global = 0; global < 2; global++) {
        env->cr[4] |= global ? CR4_PGE : 0;
        for (unsigned i = 0; i < 12; i++) {
            *pte = (i & 1 ? DATA : b & TCG_PAGE_MASK) | 7 | global << 8;
            if (global ? i % 3 == 0 : i % 3 != 1)
                tlb_flush_page(cpu, b);
            else if (i % 3 == 1 && !global)
                cpu_set_cr3(env, PML4);
            else
                tlb_flush(cpu);
            for (unsigned k = 0; k < 3; k++)
                g_assert_cmpuint(run(CODE), ==, 1 + (i & 1));
        }
    }
    /* Of the two the first one is linked: it comes back without translations, and without a way out but HLT's. */
    *pte = (b & TCG_PAGE_MASK) | 7;
    tlb_flush(cpu);
    run(CODE);
    uint64_t exits = cpu->stats.exits, translations = jit_totals.translations;
    for (unsigned i = 0; i < 8; i++)
        g_assert_cmpuint(run(CODE), ==, 1);
    uint64_t linked = cpu->stats.exits - exits;
    g_assert_cmpuint(jit_totals.translations, ==, translations);
    /* To an instruction on two pages, of which the second one moves. */
    rel = CODE + 0x2ffd - (CODE + 0x105);
    at = CODE + 0x100;
    EMIT(0xe9);
    emit(&rel, 4);
    at = CODE + 0x2ffd;
    emit_mov_eax(0x11223344);
    hlt();
    memcpy(ram + DATA, ram + CODE + 0x3000, 4096);
    poke(DATA, 1, 0x99);
    for (unsigned i = 0; i < 4; i++) {
        poke(PT + ((CODE >> 12) + 3) * 8, 8, i & 1 ? DATA | 7 : (CODE + 0x3000) | 7);
        tlb_flush_page(cpu, CODE + 0x3000);
        g_assert_cmphex(run(CODE + 0x100), ==, i & 1 ? 0x11993344 : 0x11223344);
        g_assert_cmphex(run(CODE + 0x100), ==, i & 1 ? 0x11993344 : 0x11223344);
        exits = cpu->stats.exits;
        for (unsigned k = 0; k < 8; k++)
            run(CODE + 0x100);
        g_assert_cmpuint(cpu->stats.exits - exits, ==, linked);
    }
    harness_stop();
}

/* mov eax, target; jmp rax; at the target, in the same page, mov eax, value; hlt */
static void emit_indirect(vaddr pc, vaddr target, uint32_t value)
{
    at = pc;
    emit_mov_eax(CODE + (target & ~TCG_PAGE_MASK));
    EMIT(0xff, 0xe0);
    at = (pc & TCG_PAGE_MASK) + (target & ~TCG_PAGE_MASK);
    emit_mov_eax(value);
    hlt();
}

/* Jump-cache entries that an address space leaves behind come back with their page, unless the TB or the page changed. */
static void test_put_back(void)
{
    start();
    emit_indirect(CODE, 0x80, 1);
    emit_indirect(DATA, 0x80, 2);
    for (unsigned i = 0; i < 3; i++)
        g_assert_cmpuint(run(CODE), ==, 1);
    for (unsigned i = 0; i < 4; i++) {
        cpu_set_cr3(env, PML4);
        uint64_t again = cpu->stats.jc_again;
        for (unsigned k = 0; k < 3; k++)
            g_assert_cmpuint(run(CODE), ==, 1);
        g_assert_cmpuint(cpu->stats.jc_again - again, ==, 1); /* the first one is looked up, and tells of the page */
    }
    for (unsigned i = 0; i < 3; i++) { /* code that changes meanwhile */
        cpu_set_cr3(env, PML4);
        uint64_t again = cpu->stats.jc_again;
        guest_store(CODE + 0x81, 1, 0x10 + i);
        g_assert_cmpuint(run(CODE), ==, 0x10 + i);
        g_assert_cmpuint(cpu->stats.jc_again, ==, again);
    }
    for (unsigned i = 0; i < 6; i++) { /* and the page */
        poke(PT + (CODE >> 12) * 8, 8, (i & 1 ? CODE : DATA) | 7);
        if (i < 4)
            cpu_set_cr3(env, PML4);
        else
            tlb_flush_page(cpu, CODE);
        g_assert_cmpuint(run(CODE), ==, i & 1 ? 0x12 : 2);
        g_assert_cmpuint(run(CODE), ==, i & 1 ? 0x12 : 2);
    }
    tb_flush_all(cpu); /* with all that was left behind, to other code at the same places */
    emit_indirect(CODE, 0x80, 7);
    for (unsigned i = 0; i < 3; i++) {
        cpu_set_cr3(env, PML4);
        g_assert_cmpuint(run(CODE), ==, 7);
    }
    harness_stop();
}

static void *ask_for_end(void *opaque)
{
    g_usleep(20000);
    __atomic_store_n(&cpu->exit_loop, 1, __ATOMIC_SEQ_CST);
    cpu_request_exit(cpu);
    return NULL;
}

/* Two pages that jump to each other, linked: a request ends that. */
static void test_far_loop(void)
{
    start();
    for (unsigned i = 0; i < 2; i++) {
        int32_t rel = (i ? -0x2000 : 0x2000) - 5;
        at = CODE + 0x2000 * i;
        EMIT(0xe9);
        emit(&rel, 4);
    }
    for (unsigned i = 0; i < 3; i++) {
        env->head.eip = CODE;
        cpu->exit_loop = 0;
        GThread *t = g_thread_new("ask", ask_for_end, NULL);
        g_assert_cmpint(cpu_exec(cpu), ==, EXCP_INTERRUPT);
        g_thread_join(t);
        g_assert_true(env->head.eip == CODE || env->head.eip == CODE + 0x2000);
    }
    cpu->exit_loop = 0;
    harness_stop();
}

/* Writes through a mapping that was writable before the page held code. */
static void test_protect(void)
{
    start();
    guest_store(CODE + 0x800, 4, 1); /* the entry may write freely now */
    guest_store(DATA + 0x800, 4, 1);
    poke(PT + (DATA >> 12) * 8, 8, CODE | 7);
    tlb_flush_page(cpu, DATA);
    guest_store(DATA + 0x800, 4, 1); /* and so may its alias */
    at = CODE;
    emit_mov_eax(1);
    hlt();
    g_assert_cmpuint(run(CODE), ==, 1);
    g_assert_false(dirty_get(DIRTY_CODE, CODE));
    guest_store(DATA + 1, 1, 2);
    g_assert_cmpuint(run(CODE), ==, 2);
    guest_store(CODE + 1, 1, 3);
    g_assert_cmpuint(run(CODE), ==, 3);
    /* an atomic and a bulk string store */
    guest_store(CODE + 0x100, 8, 0);
    at = CODE + 0x1000;
    EMIT(0xf0, 0xfe, 0x04, 0x25, 0x01, 0x00, 0x10, 0x00); /* lock inc byte [CODE + 1] */
    hlt();
    run(CODE + 0x1000);
    g_assert_cmpuint(run(CODE), ==, 4);
    at = CODE + 0x1100;
    EMIT(0xbf, 0x01, 0x00, 0x10, 0x00, 0xb9, 4, 0, 0, 0, 0xb0, 6, 0xf3, 0xaa); /* edi = CODE + 1, ecx = 4, al = 6; rep stosb */
    hlt();
    run(CODE + 0x1100);
    g_assert_cmphex(run(CODE), ==, 0x06060606);
    harness_stop();
}

static void test_flush_all(void)
{
    start();
    at = CODE;
    emit_mov_eax(1);
    hlt();
    run(CODE);
    uint64_t was = jit_totals.translations;
    run(CODE);
    g_assert_cmpuint(jit_totals.translations, ==, was); /* found */
    tlb_flush(cpu);
    run(CODE);
    g_assert_cmpuint(jit_totals.translations, ==, was); /* by its physical address */
    tb_flush_all(cpu);
    g_assert_cmpuint(run(CODE), ==, 1);
    g_assert_cmpuint(jit_totals.translations, ==, was + 1);
    /* more code than the buffer holds: flushed on the way, and right at the end */
    uint64_t flushes = jit_totals.flushes;
    unsigned k;
    for (k = 0; k < 200 && jit_totals.flushes == flushes; k++)
        for (unsigned i = 0; i < 2000; i++) {
            at = CODE + i * 0x40;
            emit_mov_eax(i * 5 + k);
            hlt();
            g_assert_cmpuint(run(CODE + i * 0x40), ==, i * 5 + k);
        }
    g_assert_cmpuint(jit_totals.flushes, >, flushes);
    for (unsigned i = 0; i < 2000; i++)
        g_assert_cmpuint(run(CODE + i * 0x40), ==, i * 5 + k - 1);
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/accel/tb-cache/patch", test_patch);
    g_test_add_func("/accel/tb-cache/patched-immediates", test_patched_immediates);
    g_test_add_func("/accel/tb-cache/beside", test_beside);
    g_test_add_func("/accel/tb-cache/self", test_self);
    g_test_add_func("/accel/tb-cache/loop", test_loop);
    g_test_add_func("/accel/tb-cache/cross-page", test_cross_page);
    g_test_add_func("/accel/tb-cache/remap", test_remap);
    g_test_add_func("/accel/tb-cache/links", test_links);
    g_test_add_func("/accel/tb-cache/far-links", test_far_links);
    g_test_add_func("/accel/tb-cache/put-back", test_put_back);
    g_test_add_func("/accel/tb-cache/far-loop", test_far_loop);
    g_test_add_func("/accel/tb-cache/protect", test_protect);
    g_test_add_func("/accel/tb-cache/flush-all", test_flush_all);
    return g_test_run();
}
