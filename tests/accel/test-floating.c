/* test-floating.c - TBs that run at any linear page (docs/floating-tbs.md): one RAM page with code, seen at several
 * addresses of a program, with other pages around it. Every use of the pc must be that of the address it runs at:
 * operands relative to RIP, return addresses, direct and indirect jumps, faults, instructions on two pages; and writes
 * to the code are seen wherever it runs. Each test runs real 64-bit code at CPL 3 up to SYSCALL or a fault. */
#include "tests/accel/code-harness.h"

/* Two sets of page tables for 2 MiB each: linear BASE_LOW and BASE_A use the first, BASE_B and BASE_C the second. */
enum {
    PML4 = 0x10000, PDPT = 0x11000, PD = 0x12000, PT = 0x13000, PDPT2 = 0x14000, PD2 = 0x15000, PT2 = 0x16000,
    KERNEL = 0x18000, STACK_TOP = 0x30000, CODE = 0x100000, OTHER = 0x180000, DATA = 0x105000, DATA2 = 0x185000,
};
static const vaddr BASE_LOW = 0, BASE_A = 0x555500000000, BASE_B = 0x7f1200000000, BASE_C = 0x7f9200000000, BASE_END = 0x7fff80000000;

static void syscall_(void) { EMIT(0x0f, 0x05); }
static void rel32(hwaddr to) { emit32(to - (at + 4)); }

static void map(hwaddr pt, vaddr addr, uint64_t pte) { poke(pt + (addr >> 12 & 511) * 8, 8, pte); }

static void start(bool always)
{
    static const vaddr first[] = {0x555500000000}, second[] = {0x7f1200000000, 0x7f9200000000};
    harness_start("max");
    cpu = env->cpu;
    enter_long();
    tb_always_float = always;
    memset(ram + PML4, 0, 0x7000);
    poke(PML4, 8, PDPT | 7);
    for (unsigned i = 0; i < ARRAY_SIZE(first); i++) {
        poke(PML4 + (first[i] >> 39) * 8, 8, PDPT | 7);
        poke(PDPT + (first[i] >> 30 & 511) * 8, 8, PD | 7);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(second); i++) {
        poke(PML4 + (second[i] >> 39) * 8, 8, PDPT2 | 7);
        poke(PDPT2 + (second[i] >> 30 & 511) * 8, 8, PD2 | 7);
    }
    poke(PDPT2 + (BASE_END >> 30 & 511) * 8, 8, PD2 | 7);
    poke(PDPT, 8, PD | 7);
    poke(PD, 8, PT | 7);
    poke(PD2, 8, PT2 | 7);
    for (unsigned i = 0; i < 512; i++) {
        map(PT, i << 12, i << 12 | 7);
        map(PT2, i << 12, i << 12 | 7);
    }
    /* the data page and the page behind the code are others in the second set */
    map(PT2, DATA, DATA2 | 7);
    map(PT2, CODE + 0x1000, OTHER | 7);
    poke(DATA, 4, 0xaaaa);
    poke(DATA2, 4, 0xbbbb);
    user_code_ends_at(KERNEL);
    at = CODE;
    tlb_flush(cpu);
    tb_flush_all(cpu);
}

static void stop(void)
{
    tb_always_float = false;
    harness_stop();
}

/* At CPL 3 from pc to SYSCALL (RCX: behind it) or a fault. */
static uint32_t run(vaddr pc)
{
    user_mode(pc);
    env->head.gpr[R_EAX] = 0xdeadbeef;
    env->head.gpr[R_ESP] = STACK_TOP;
    memset(ram + 0x9000 - 48, 0, 48);
    return run_to_halt();
}
static uint64_t fault_rip(void) { return peek(0x9000 - 40, 8); }

static bool second_set(vaddr base) { return base == BASE_B || base == BASE_C; }
static const vaddr bases[] = {0, 0x555500000000, 0x7f1200000000, 0x7f9200000000};

typedef void Check(void);
/* With the first address bound and others floating, with all of them floating, and with one instruction per TB. */
static void in_all_ways(Check *check)
{
    for (unsigned way = 0; way < 3; way++) {
        start(way == 1);
        jit_one_insn = way == 2;
        check();
        jit_one_insn = false;
        stop();
    }
}

/* Data, return addresses, LEA and what SYSCALL leaves behind are those of the address that the code runs at. */
static void check_pc(void)
{
    EMIT(0x8b, 0x05); /* mov eax, [rip + DATA] */
    rel32(DATA);
    EMIT(0xe8); /* call f */
    rel32(CODE + 0x40);
    hwaddr back = at;
    EMIT(0x67, 0x48, 0x8d, 0x35); /* lea rsi, [eip + back] */
    rel32(back);
    EMIT(0x48, 0x8d, 0x15); /* lea rdx, [rip + back] */
    rel32(back);
    EMIT(0x48, 0x8d, 0x3d); /* lea rdi, [rip - 2 GiB] */
    emit32(0x80000000);
    hwaddr lea_end = at;
    EMIT(0xff, 0x05); /* inc dword [rip + DATA + 8] */
    rel32(DATA + 8);
    syscall_();
    hwaddr end = at;
    at = CODE + 0x40;
    EMIT(0x48, 0x8b, 0x1c, 0x24, 0xc3); /* f: mov rbx, [rsp]; ret */
    for (unsigned i = 0; i < 3 * ARRAY_SIZE(bases); i++) {
        vaddr b = bases[i % ARRAY_SIZE(bases)];
        hwaddr data = second_set(b) ? DATA2 : DATA;
        uint32_t was = peek(data + 8, 4);
        g_assert_cmphex(run(b + CODE), ==, second_set(b) ? 0xbbbb : 0xaaaa);
        g_assert_cmphex(env->head.gpr[R_EBX], ==, b + back);
        g_assert_cmphex(env->head.gpr[R_EDX], ==, b + back);
        g_assert_cmphex(env->head.gpr[R_ESI], ==, (uint32_t)(b + back));
        g_assert_cmphex(env->head.gpr[R_EDI], ==, b + lea_end - (1ULL << 31));
        g_assert_cmphex(env->head.gpr[R_ECX], ==, b + end);
        g_assert_cmphex(peek(data + 8, 4), ==, was + 1);
    }
}
static void test_pc(void) { in_all_ways(check_pc); }

/* Loops and branches inside the page, direct jumps and calls out of it and back. */
static void check_jumps(void)
{
    EMIT(0x31, 0xc0, 0xb9, 100, 0, 0, 0); /* xor eax, eax; mov ecx, 100 */
    hwaddr loop = at;
    EMIT(0xe8); /* call the next page, which is another one in the second set */
    rel32(CODE + 0x1010);
    EMIT(0xff, 0xc9, 0x0f, 0x85); /* dec ecx; jnz loop */
    rel32(loop);
    EMIT(0xe9); /* jmp next page */
    rel32(CODE + 0x1080);
    at = CODE + 0x200;
    hwaddr end = at + 2;
    syscall_();
    for (unsigned k = 0; k < 2; k++) {
        at = (k ? OTHER : CODE + 0x1000) + 0x10;
        EMIT(0x05); /* add eax, imm; ret */
        emit32(k ? 1000 : 1);
        EMIT(0xc3);
        at = (k ? OTHER : CODE + 0x1000) + 0x80;
        EMIT(0x83, 0xc0, 7, 0xe9); /* add eax, 7; jmp back: by the same distance */
        emit32(CODE + 0x200 - (CODE + 0x1088));
    }
    for (unsigned i = 0; i < 3 * ARRAY_SIZE(bases); i++) {
        vaddr b = bases[i % ARRAY_SIZE(bases)];
        g_assert_cmpuint(run(b + CODE), ==, (second_set(b) ? 100000 : 100) + 7);
        g_assert_cmphex(env->head.gpr[R_ECX], ==, b + end);
    }
}
static void test_jumps(void) { in_all_ways(check_jumps); }

/* One program calls the same code at two addresses in turn, by pointers in a loop. */
static void check_indirect(void)
{
    EMIT(0x41, 0xbf, 50, 0, 0, 0); /* mov r15d, 50 */
    EMIT(0x31, 0xc0);              /* xor eax, eax */
    hwaddr loop = at;
    EMIT(0xff, 0xd3, 0x48, 0x01, 0xd0); /* call rbx; add rax, rdx */
    EMIT(0xff, 0xd5, 0x48, 0x29, 0xd0); /* call rbp; sub rax, rdx */
    EMIT(0x41, 0xff, 0xcf, 0x0f, 0x85); /* dec r15d; jnz loop */
    rel32(loop);
    syscall_();
    at = CODE + 0x2000;
    EMIT(0x48, 0x8d, 0x15, 0, 0, 0, 0, 0xc3); /* f: lea rdx, [rip]; ret */
    static const vaddr pairs[][3] = {
        {0x555500000000, 0x7f1200000000, 0x555500000000}, {0, 0x555500000000, 0x7f1200000000}, {0x7f9200000000, 0, 0x7f1200000000},
        {0x7f9200000000, 0x7f1200000000, 0}, {0, 0, 0x7f9200000000},
    };
    for (unsigned i = 0; i < 3 * ARRAY_SIZE(pairs); i++) {
        const vaddr *p = pairs[i % ARRAY_SIZE(pairs)];
        env->head.gpr[R_EBX] = p[1] + CODE + 0x2000;
        env->head.gpr[R_EBP] = p[2] + CODE + 0x2000;
        run(p[0] + CODE);
        g_assert_cmphex(env->head.gpr[R_EAX], ==, 50 * (p[1] - p[2]));
    }
}
static void test_indirect(void) { in_all_ways(check_indirect); }

/* Faults in the middle of a TB report the instruction's own address, and so do #GP of branches. */
static void check_faults(void)
{
    EMIT(0x90, 0xff, 0xc0); /* nop; inc eax */
    hwaddr pf = at;
    EMIT(0x8b, 0x1d); /* mov ebx, [rip + 4 GiB - ...]: nothing there */
    rel32(CODE + 0x100000 + 0x40000000);
    at = CODE + 0x100;
    EMIT(0x90);
    hwaddr ud = at;
    EMIT(0x0f, 0x0b); /* ud2 */
    at = CODE + 0x200;
    EMIT(0x48, 0xbb, 0, 0, 0, 0, 0, 0, 0xff, 0x7f); /* mov rbx, not canonical */
    hwaddr gp = at;
    EMIT(0xff, 0xe3); /* jmp rbx */
    at = CODE + 0x300;
    EMIT(0x90, 0xe9); /* jmp 2 GiB on: not mapped, or not canonical */
    emit32(0x7ffffff0);
    hwaddr behind = at;
    at = CODE + 0x400;
    EMIT(0xd9, 0xee); /* fldz */
    hwaddr fip = at;
    EMIT(0xd9, 0xe8, 0xd9, 0x35); /* fld1; fnstenv [rip + DATA + 64] */
    rel32(DATA + 64);
    syscall_();
    for (unsigned i = 0; i < 3 * ARRAY_SIZE(bases); i++) {
        vaddr b = bases[i % ARRAY_SIZE(bases)];
        run(b + CODE);
        g_assert_cmphex(fault_rip(), ==, b + pf);
        g_assert_cmphex(env->cr[2], ==, b + CODE + 0x100000 + 0x40000000);
        g_assert_cmphex(env->head.gpr[R_EAX], ==, 0xdeadbef0);
        run(b + CODE + 0x100);
        g_assert_cmphex(fault_rip(), ==, b + ud);
        run(b + CODE + 0x200);
        g_assert_cmphex(fault_rip(), ==, b + gp);
        run(b + CODE + 0x300);
        g_assert_cmphex(fault_rip(), ==, b + behind + 0x7ffffff0);
        run(BASE_END + CODE + 0x300); /* this page is near the end: code there is always bound */
        g_assert_cmphex(fault_rip(), ==, BASE_END + behind - 5);
        run(b + CODE + 0x400);
        g_assert_cmphex(peek((second_set(b) ? DATA2 : DATA) + 64 + 12, 4), ==, (uint32_t)(b + fip));
    }
}
static void test_faults(void) { in_all_ways(check_faults); }

/* An instruction on two pages, reached by a jump of the first page: the second one differs, and moves. */
static void check_two_pages(void)
{
    vaddr last = CODE + 0xffd;
    EMIT(0xb9, 3, 0, 0, 0); /* mov ecx, 3 */
    hwaddr loop = at;
    EMIT(0xff, 0xc9, 0x0f, 0x85); /* dec ecx; jnz loop */
    rel32(loop);
    EMIT(0xe9); /* jmp last */
    rel32(last);
    at = last;
    EMIT(0xb8, 0x44, 0x33); /* mov eax, ... */
    for (unsigned k = 0; k < 3; k++) {
        at = k == 0 ? CODE + 0x1000 : k == 1 ? OTHER : OTHER + 0x1000;
        EMIT(0x20 + k, 0x10);
        syscall_();
    }
    for (unsigned i = 0; i < 3 * ARRAY_SIZE(bases); i++) {
        vaddr b = bases[i % ARRAY_SIZE(bases)];
        for (unsigned twice = 0; twice < 2; twice++)
            g_assert_cmphex(run(b + CODE), ==, second_set(b) ? 0x10213344 : 0x10203344);
        /* the second page moves while everything in the first one is linked */
        hwaddr pt = second_set(b) ? PT2 : PT;
        map(pt, CODE + 0x1000, (OTHER + 0x1000) | 7);
        tlb_flush_page(cpu, b + CODE + 0x1000);
        g_assert_cmphex(run(b + CODE), ==, 0x10223344);
        map(pt, CODE + 0x1000, (second_set(b) ? OTHER : CODE + 0x1000) | 7);
        tlb_flush(cpu);
    }
    /* and is not there at all */
    map(PT2, CODE + 0x1000, 0);
    tlb_flush_page(cpu, BASE_B + CODE + 0x1000);
    run(BASE_B + CODE);
    g_assert_cmphex(fault_rip(), ==, BASE_B + last);
    g_assert_cmphex(env->cr[2], ==, BASE_B + CODE + 0x1000);
}
static void test_two_pages(void) { in_all_ways(check_two_pages); }

static void guest_store(vaddr a, unsigned size, uint64_t v) { ASSERT_OK(cpu_st(cpu, a, size, v, MMU_KERNEL, 0)); }

/* Writes are seen at every address, through whichever they are made; also by the code itself. */
static void check_writes(void)
{
    EMIT(0xe9);
    rel32(CODE + 0x800);
    at = CODE + 0x800;
    hwaddr imm = at + 1;
    emit_mov_eax(5);
    syscall_();
    at = CODE + 0xa00;
    EMIT(0xc7, 0x05, 1, 0, 0, 0); /* mov dword [rip + the next one's], 77: the next instruction of this TB */
    emit32(77);
    emit_mov_eax(5);
    syscall_();
    uint32_t v = 5;
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned k = 0; k < ARRAY_SIZE(bases); k++)
            g_assert_cmpuint(run(bases[k] + CODE), ==, v);
        v = 100 + i;
        if (i % 5 < 4)
            guest_store(bases[i % 5] + imm, 4, v);
        else
            physmem_write(&address_space_memory, imm, &v, 4);
    }
    for (unsigned k = 0; k < 2 * ARRAY_SIZE(bases); k++) {
        vaddr b = bases[k % ARRAY_SIZE(bases)];
        guest_store(BASE_LOW + CODE + 0xa0b, 4, 5);
        g_assert_cmpuint(run(b + CODE + 0xa00), ==, 77);
    }
}
static void test_writes(void) { in_all_ways(check_writes); }

/* A page of other code at the same linear address, and the same code again: with the linear page's TBs linked. */
static void check_remap(void)
{
    for (unsigned k = 0; k < 2; k++) {
        at = k ? OTHER + 0x2000 : CODE;
        EMIT(0xeb, 0x1e);
        at += 0x1e;
        emit_mov_eax(k + 1);
        EMIT(0x48, 0x8d, 0x15, 0, 0, 0, 0); /* lea rdx, [rip] */
        syscall_();
    }
    for (unsigned i = 0; i < 24; i++) {
        vaddr b = bases[i % ARRAY_SIZE(bases)];
        unsigned other = i / ARRAY_SIZE(bases) & 1;
        hwaddr pt = second_set(b) ? PT2 : PT;
        map(pt, CODE, (other ? OTHER + 0x2000 : CODE) | 7);
        if (i % 3 == 0)
            cpu_set_cr3(env, PML4);
        else
            tlb_flush_page(cpu, b + CODE);
        g_assert_cmpuint(run(b + CODE), ==, other + 1);
        g_assert_cmphex(env->head.gpr[R_EDX], ==, b + CODE + 0x2c);
        map(pt, CODE, CODE | 7);
        tlb_flush(cpu);
    }
}
static void test_remap(void) { in_all_ways(check_remap); }

/* The third address, and all later ones, cost no translation; low addresses do not share. */
static void test_shared(void)
{
    start(false);
    emit_mov_eax(1);
    EMIT(0xe8);
    rel32(CODE + 0x40);
    syscall_();
    at = CODE + 0x40;
    EMIT(0xc3);
    uint64_t was = jit_totals.translations;
    run(BASE_A + CODE);
    uint64_t user = jit_totals.translations - was; /* and what is in the kernel */
    was = jit_totals.translations;
    run(BASE_B + CODE);
    uint64_t again = jit_totals.translations - was;
    g_assert_cmpuint(again, >, 0);
    g_assert_cmpuint(again, <=, user);
    was = jit_totals.translations;
    for (unsigned i = 0; i < 3; i++) {
        run(BASE_C + CODE);
        run(BASE_B + CODE);
        run(BASE_A + CODE);
        tlb_flush(cpu);
    }
    g_assert_cmpuint(jit_totals.translations, ==, was);
    run(BASE_LOW + CODE);
    g_assert_cmpuint(jit_totals.translations, ==, was + again);
    stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/accel/floating/pc", test_pc);
    g_test_add_func("/accel/floating/jumps", test_jumps);
    g_test_add_func("/accel/floating/indirect", test_indirect);
    g_test_add_func("/accel/floating/faults", test_faults);
    g_test_add_func("/accel/floating/two-pages", test_two_pages);
    g_test_add_func("/accel/floating/writes", test_writes);
    g_test_add_func("/accel/floating/remap", test_remap);
    g_test_add_func("/accel/floating/shared", test_shared);
    return g_test_run();
}
