/* test-real.c - real mode as translated code does it: segment loads, far transfers, INT and IRET, POPF. Programs of
 * 16-bit code run until HLT on a CPU that is nothing but RAM.
 * Spec: Intel SDM vol. 2 (each instruction); vol. 3, 20.1 (real-address mode). */
#include "sys-harness.h"
#include "accel/internal.h"

enum { CODE_SEG = 0x100, CODE = CODE_SEG << 4, STACK_TOP = 0x8000, HANDLERS = 0x200 /* of CODE_SEG: vector * 4 */ };

#define PROGRAM(name, text)                                                                        \
    extern const uint8_t name[], name##_end[];                                                     \
    __asm__(".pushsection .rodata\n.code16\n" #name ":\n" text "\nhlt\n" #name "_end:\n.code64\n.popsection\n");

/* At CODE_SEG:0, with SS:SP = 0:STACK_TOP; every vector leads to a HLT of its own. */
static void load(const uint8_t *from, const uint8_t *end)
{
    harness_start("max");
    tb_flush_all(env->cpu); /* the case before had other code there */
    memcpy(ram + CODE, from, (size_t)(end - from));
    for (unsigned v = 0; v < 32; v++) {
        poke(v * 4, 4, (uint32_t)CODE_SEG << 16 | (HANDLERS + v * 4));
        poke(CODE + HANDLERS + v * 4, 1, 0xf4);
    }
    env->segs[R_CS].selector = CODE_SEG;
    env->segs[R_CS].base = CODE;
    env->head.eip = 0;
    env->head.gpr[R_ESP] = STACK_TOP;
    cpu_update_hflags(env);
}

static void run(void)
{
    g_assert_cmpint(cpu_exec(env->cpu), ==, EXCP_HLT);
}

static void start(const uint8_t *from, const uint8_t *end)
{
    load(from, end);
    run();
}

/* The instruction behind the HLT of vector v's handler. */
static void assert_in_handler(unsigned v) { g_assert_cmphex(env->head.eip, ==, HANDLERS + v * 4 + 1); }

PROGRAM(seg_loads, "mov $0x1234, %ax; mov %ax, %es; movw $0xbeef, %es:(6)\n"
                   "mov $0x2000, %bx; mov %bx, %ds; mov %bx, (0); movw $0x3000, (2)\n"
                   "lfs (0), %di; mov %fs:(0), %cx\n" /* 2000h from the store through DS, 3000h behind it */
                   "push %es; pop %gs; mov %gs:(6), %dx; mov %fs, %si\n"
                   "mov $0x50, %ax; mov %ax, %ss; mov $0x100, %sp; push %dx")
static void test_segment_loads(void)
{
    start(seg_loads, seg_loads_end);
    g_assert_cmphex(env->segs[R_ES].selector, ==, 0x1234);
    g_assert_cmphex(env->segs[R_ES].base, ==, 0x12340);
    g_assert_cmphex(env->segs[R_ES].limit, ==, 0xffff);
    g_assert_cmphex(peek(0x12346, 2), ==, 0xbeef);
    g_assert_cmphex(env->segs[R_FS].base, ==, 0x30000);
    g_assert_cmphex(env->head.gpr[R_EDI] & 0xffff, ==, 0x2000);
    g_assert_cmphex(env->head.gpr[R_ECX] & 0xffff, ==, 0);
    g_assert_cmphex(env->segs[R_GS].selector, ==, 0x1234);
    g_assert_cmphex(env->head.gpr[R_EDX] & 0xffff, ==, 0xbeef);
    g_assert_cmphex(env->head.gpr[R_ESI] & 0xffff, ==, 0x3000);
    g_assert_cmphex(peek(0x500 + 0xfe, 2), ==, 0xbeef);
    harness_stop();
}

/* Limits survive loads: 4 GiB ("unreal" mode) with base 0 and another base, and 64 KiB. */
PROGRAM(unreal, "xor %ax, %ax; mov %ax, %ds; mov $0x200000, %ebx; movl $0x11223344, (%ebx)\n"
                "mov $0x1000, %ax; mov %ax, %ds; mov -0x10000(%ebx), %ecx\n"
                "xor %ax, %ax; mov %ax, %ds; incl (%ebx); mov %ax, %es; movb $1, %es:(%ebx)")
static void test_unreal(void)
{
    load(unreal, unreal_end);
    env->segs[R_DS].limit = 0xffffffff;
    run();
    g_assert_cmphex(env->head.gpr[R_ECX], ==, 0x11223344);
    g_assert_cmphex(peek(0x200000, 4), ==, 0x11223345);
    assert_in_handler(EXCP_GP); /* ES has its 64 KiB */
    harness_stop();
}

/* Amid a TB, with flags that nobody has stored. */
PROGRAM(amid, "mov $0xffff, %di; mov $0x600, %bp; movw $0x1234, (%bp); mov $5, %ax; sub $6, %ax; movw (%di), %cx")
PROGRAM(amid_store, "mov $0xffff, %di; mov $0x600, %bp; movw $0x1234, (%bp); mov $5, %ax; sub $6, %ax; addw %ax, (%di)")
static void test_amid(void)
{
    for (int i = 0; i < 2; i++) {
        if (i)
            start(amid_store, amid_store_end);
        else
            start(amid, amid_end);
        assert_in_handler(EXCP_GP);
        g_assert_cmphex(env->head.gpr[R_EAX] & 0xffff, ==, 0xffff);
        g_assert_cmphex(peek(STACK_TOP - 2, 2) & CC_MASK, ==, CC_C | CC_S | CC_P | CC_A);
        g_assert_cmphex(peek(CODE + peek(STACK_TOP - 6, 2), 1), ==, i ? 0x01 : 0x8b);
        g_assert_cmphex(env->head.gpr[R_ECX] & 0xffff, ==, 0);
        g_assert_cmphex(peek(0x600, 2), ==, 0x1234);
        g_assert_cmphex(peek(0xffff, 2), ==, 0);
        harness_stop();
    }
}

/* Labels are offsets from the program's start. */
PROGRAM(far, "lcall $0x100, $(1f - far); jmp 3f\n"
             "1: mov %sp, %bp; mov (%bp), %ax; mov 2(%bp), %cx; push $7; push $8; lcall *%cs:(4f - far)\n"
             "mov %sp, %di; pop %bx; lret\n"
             "2: lret $2\n"
             "4: .word 2b - far, 0x100\n"
             "3: mov %sp, %si; lcalll $0x100, $(5f - far); ljmp $0x100, $(6f - far)\n"
             "mov $0, %dx\n"
             "5: mov %sp, %bp; mov (%bp), %edx; mov 4(%bp), %esi; lretl\n"
             "6:")
static void test_far(void)
{
    start(far, far_end);
    g_assert_cmphex(env->head.gpr[R_EAX] & 0xffff, ==, 5);
    g_assert_cmphex(env->head.gpr[R_ECX] & 0xffff, ==, CODE_SEG);
    g_assert_cmphex(env->head.gpr[R_EDI] & 0xffff, ==, STACK_TOP - 4 - 2); /* LRET has dropped the 8 */
    g_assert_cmphex(env->head.gpr[R_EBX] & 0xffff, ==, 7);
    g_assert_cmphex(env->head.gpr[R_ESI], ==, CODE_SEG);
    g_assert_cmphex(env->head.gpr[R_EDX], !=, 0);
    g_assert_cmphex(env->segs[R_CS].base, ==, CODE);
    harness_stop();
}

/* A far CALL whose second push is beyond the limit leaves the stack pointer alone: the #SS has no room either, shutdown. */
PROGRAM(far_fault, "mov $3, %sp; lcall $0x100, $0")
static void test_far_fault(void)
{
    start(far_fault, far_fault_end);
    g_assert_true(env->shutdown);
    g_assert_cmphex(env->head.gpr[R_ESP] & 0xffff, ==, 3);
    g_assert_cmphex(env->segs[R_CS].selector, ==, CODE_SEG);
    harness_stop();
}

PROGRAM(far_limit, "lcalll $0x100, $0x10000")
PROGRAM(iret_limit, "pushl $0; pushl $0x100; pushl $0x12345; iretl")
static void test_limits(void)
{
    start(far_limit, far_limit_end);
    assert_in_handler(EXCP_GP);
    g_assert_cmphex(peek(STACK_TOP - 6, 2), ==, 0);
    harness_stop();
    start(iret_limit, iret_limit_end);
    assert_in_handler(EXCP_GP);
    g_assert_cmphex(env->head.gpr[R_ESP] & 0xffff, ==, STACK_TOP - 12 - 6); /* nothing was popped */
    harness_stop();
}

PROGRAM(interrupt, "movw $(1f - interrupt), 0x60 * 4; sti; std; stc; int $0x60\n"
                   "2: pushf; pop %dx; hlt\n"
                   "1: pushf; pop %ax; mov %sp, %bp; mov (%bp), %bx; mov 4(%bp), %cx; iret")
static void test_interrupt(void)
{
    load(interrupt, interrupt_end);
    poke(0x60 * 4 + 2, 2, CODE_SEG);
    run();
    g_assert_cmphex(env->head.gpr[R_EAX] & 0x7f01, ==, 0x401); /* IF is off, DF and CF stay */
    g_assert_cmphex(env->head.gpr[R_ECX] & 0x7f01, ==, 0x601);
    g_assert_cmphex(env->head.gpr[R_EDX] & 0x7f01, ==, 0x601);
    g_assert_cmphex(env->head.gpr[R_ESP] & 0xffff, ==, STACK_TOP);
    g_assert_cmphex(peek(CODE + (env->head.gpr[R_EBX] & 0xffff), 1), ==, 0x9c); /* back to the PUSHF */
    harness_stop();
}

/* No vector in the table: #GP at the INT. */
static void test_interrupt_limit(void)
{
    load(interrupt, interrupt_end);
    env->idt.limit = 0x60 * 4 + 2;
    run();
    assert_in_handler(EXCP_GP);
    uint64_t at = peek(STACK_TOP - 6, 2);
    g_assert_cmphex(peek(CODE + at, 2), ==, 0x60cd);
    harness_stop();
}

PROGRAM(popf, "pushl $0x244ed7; popfl; pushfl; pop %ebp\n" /* ID, AC, NT, DF, IF, all six flags */
              "push $0x3002; popf; pushfl; pop %ebx\n"     /* 16 bits: ID and AC stay */
              "pushl $2; popfl; pushfl; pop %ecx; setc %dl\n"
              "push $0x0c03; popf; setc %dh; lodsb\n"
              "push $0x102; popf; inc %di; inc %di")
static void test_popf(void)
{
    start(popf, popf_end);
    g_assert_cmphex(env->head.gpr[R_EBP], ==, 0x244ed7);
    g_assert_cmphex(env->head.gpr[R_EBX], ==, 0x243002);
    g_assert_cmphex(env->head.gpr[R_ECX], ==, 2);
    g_assert_cmphex(env->head.gpr[R_EDX] & 0xffff, ==, 0x100);
    g_assert_cmphex(env->head.gpr[R_ESI] & 0xffff, ==, 0xffff); /* DF from the fast way */
    assert_in_handler(EXCP_DB);
    g_assert_cmphex(env->head.gpr[R_EDI] & 0xffff, ==, 1); /* TF traps behind the instruction after POPF */
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/target-x86/real/segment-loads", test_segment_loads);
    g_test_add_func("/target-x86/real/unreal", test_unreal);
    g_test_add_func("/target-x86/real/limit-amid-a-tb", test_amid);
    g_test_add_func("/target-x86/real/far", test_far);
    g_test_add_func("/target-x86/real/far-fault", test_far_fault);
    g_test_add_func("/target-x86/real/limits", test_limits);
    g_test_add_func("/target-x86/real/interrupt", test_interrupt);
    g_test_add_func("/target-x86/real/interrupt-limit", test_interrupt_limit);
    g_test_add_func("/target-x86/real/popf", test_popf);
    return g_test_run();
}
