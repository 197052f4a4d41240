/* test-stack-moves.c - pushes and pops whose changes of RSP wait for each other (tcg/stack-moves.c): at a fault of any of
 * them RSP is what the instructions in front made of it. */
#include "tests/accel/code-harness.h"

enum { PML4 = 0x10000, PDPT = 0x11000, PD = 0x12000, PT = 0x13000, CODE = 0x100000, STACK = 0x140000, KERNEL = 0x180000, KERNEL_STACK = 0x9000 };
static const vaddr TOP = 0x800000000000; /* the last page below it is STACK, too */

static void start(void)
{
    harness_start("max");
    cpu = env->cpu;
    enter_long();
    poke(PML4, 8, PDPT | 7);
    poke(PML4 + 255 * 8, 8, PDPT | 7);
    poke(PDPT, 8, PD | 7);
    poke(PDPT + 511 * 8, 8, PD | 7);
    poke(PD, 8, PT | 7);
    poke(PD + 511 * 8, 8, PT | 7);
    for (unsigned i = 0; i < 512; i++)
        poke(PT + i * 8, 8, (uint64_t)i << 12 | 7);
    poke(PT + 511 * 8, 8, STACK | 7);
    poke(PT + ((STACK >> 12) - 1) * 8, 8, 0);
    poke(PT + ((STACK >> 12) + 1) * 8, 8, 0);
    user_code_ends_at(KERNEL);
    set_gate64(EXCP_SS, SEL_CODE64, KERNEL, 0x8e, 0);
    tlb_flush(cpu);
    tb_flush_all(cpu);
}

/* From `rsp`: a #PF or #SS of the instruction at `fault`, with this RSP. */
static void expect_fault(uint64_t rsp, vaddr fault, uint64_t rsp_then)
{
    for (unsigned round = 0; round < 3; round++) { /* the stack's page is another one, then the same */
        for (unsigned i = 0; i < 8; i++)
            env->head.gpr[i] = 0x1000 + i;
        env->head.gpr[R_ESP] = rsp;
        user_mode(CODE);
        run_to_halt();
        uint64_t frame = KERNEL_STACK - 48;
        g_assert_cmphex(peek(frame + 8, 8), ==, fault);
        g_assert_cmphex(peek(frame + 32, 8), ==, rsp_then);
    }
}

static void test_pushes(void)
{
    start();
    at = CODE;
    EMIT(0x50, 0x41, 0x54, 0x53, 0x48, 0x89, 0xf5, 0x55, 0x6a, 5, 0x41, 0x57); /* push rax; push r12; push rbx; mov rbp, rsi; push rbp; push 5; push r15 */
    EMIT(0x0f, 0x05);
    static const uint8_t offset[] = {0, 1, 3, 7, 8, 10};
    for (unsigned k = 0; k < ARRAY_SIZE(offset); k++) {
        expect_fault(STACK + 8 * k, CODE + offset[k], STACK);
        expect_fault(STACK + 8 * k + 3, CODE + offset[k], STACK + 3); /* on both pages */
    }
    harness_stop();
}

static void test_pops(void)
{
    start();
    at = CODE;
    EMIT(0x58, 0x41, 0x5c, 0x5b, 0x48, 0x89, 0xf5, 0x48, 0x83, 0xc4, 8, 0x5f, 0x41, 0x5f, 0xc3); /* pop rax; pop r12; pop rbx; mov rbp, rsi; add rsp, 8; pop rdi; pop r15; ret */
    static const struct { uint8_t off, down; } at_fault[] = {{0, 0}, {1, 8}, {3, 16}, {11, 32}, {12, 40}, {14, 48}};
    for (unsigned k = 0; k < ARRAY_SIZE(at_fault); k++) {
        expect_fault(STACK + 0x1000 - at_fault[k].down, CODE + at_fault[k].off, STACK + 0x1000);
        expect_fault(TOP - at_fault[k].down, CODE + at_fault[k].off, TOP); /* #SS: not canonical */
    }
    harness_stop();
}

/* What moves RSP otherwise, and reads it, in between; without a fault. */
static void test_values(void)
{
    start();
    at = CODE;
    EMIT(0x50, 0x54, 0x53);                         /* push rax; push rsp; push rbx */
    EMIT(0x48, 0x8d, 0x44, 0x24, 0x10);             /* lea rax, [rsp + 16] */
    EMIT(0x51, 0x48, 0x83, 0xec, 0x20, 0x9c, 0x5a); /* push rcx; sub rsp, 32; pushf; pop rdx */
    EMIT(0x48, 0x8b, 0x4c, 0x24, 0x20);             /* mov rcx, [rsp + 32] */
    EMIT(0x48, 0x8d, 0x1c, 0xcc);                   /* lea rbx, [rsp + rcx * 8] */
    EMIT(0x52, 0x48, 0x01, 0xe6, 0x5a);             /* push rdx; add rsi, rsp; pop rdx */
    EMIT(0x48, 0x83, 0xc4, 0x28, 0x5f, 0x5d, 0x5d); /* add rsp, 40; pop rdi; pop rbp; pop rbp */
    EMIT(0x0f, 0x05);
    poke(STACK + 0x800 - 32, 8, 0);
    for (unsigned round = 0; round < 3; round++) {
        uint64_t rsp = STACK + 0x800;
        for (unsigned i = 0; i < 8; i++)
            env->head.gpr[i] = 0x1000 + i;
        env->head.gpr[R_ESP] = rsp;
        user_mode(CODE);
        run_to_halt();
        g_assert_cmphex(env->head.gpr[R_ESP], ==, rsp);
        g_assert_cmphex(env->head.gpr[R_EAX], ==, rsp - 8);
        g_assert_cmphex(peek(rsp - 16, 8), ==, rsp - 8);
        g_assert_cmphex(env->head.gpr[R_EBX], ==, rsp - 64 + 0x1001 * 8);
        g_assert_cmphex(env->head.gpr[R_ESI], ==, 0x1006 + rsp - 72);
        g_assert_cmphex(env->head.gpr[R_EDI], ==, 0x1003);
        g_assert_cmphex(env->head.gpr[R_EBP], ==, 0x1000);
    }
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/accel/stack-moves/pushes", test_pushes);
    g_test_add_func("/accel/stack-moves/pops", test_pops);
    g_test_add_func("/accel/stack-moves/values", test_values);
    return g_test_run();
}
