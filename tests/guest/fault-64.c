/* fault-64.c - exceptions in 64-bit mode: pushed frame, canonical addresses, NX, IST; self-modifying code and
 * page changes. Spec: Intel SDM vol. 3, 6.14. */
#include "lib.h"

static uint8_t page[3 * 4096] __attribute__((aligned(4096)));
word fault_ip, fault_sp;
word bad_target = 0x7fffffffffff + 1;
struct __attribute__((packed)) { word ip; uint16_t cs; } bad_far = {0x8000000000000000, 8};

#define FAULTS(name, text) \
    NOINLINE static void name(void) { __asm__ volatile("movq $1f, fault_ip\nmov %%rsp, fault_sp\n" text \
                                                       : : : "rax", "rcx", "rdx", "memory", "cc"); }

static void expect(void (*fn)(void), int vector, word error, const char *name, int line)
{
    int v = catching(fn);

    check_that(v == vector, name, line, (word)(long)v, (word)vector);
    check_that(exc.error == error, name, line, exc.error, error);
    check_that(exc.ip == fault_ip, name, line, exc.ip, fault_ip);
    check_that(exc.cs == 8 && exc.ss == 0x10 && exc.sp == fault_sp, name, line, exc.sp, fault_sp);
    check_that(exc_frame_sp == (fault_sp & ~15ul) - 48, name, line, exc_frame_sp, (fault_sp & ~15ul) - 48);
}
#define EXPECT(fn, vector, error) expect(fn, vector, error, #fn, __LINE__)

FAULTS(divide, "xor %%ecx, %%ecx\nxor %%edx, %%edx\n1: div %%rcx\n")
FAULTS(ud2, "1: ud2\n")
FAULTS(bad_64, "1: .byte 0x06\n")
FAULTS(non_canonical, "mov $0x800000000000, %%rax\n1: mov (%%rax), %%al\n")
FAULTS(non_canonical_jump, "mov $0x800000000000, %%rax\n1: jmp *%%rax\n")
FAULTS(non_canonical_jump_mem, "1: jmp *bad_target\n")
FAULTS(non_canonical_call, "mov $0x800000000000, %%rcx\n1: call *%%rcx\n")
FAULTS(non_canonical_call_mem, "1: call *bad_target\n")
FAULTS(non_canonical_ret, "pushq bad_target\nmov %%rsp, fault_sp\n1: ret\n")
FAULTS(non_canonical_ret_n, "pushq bad_target\nmov %%rsp, fault_sp\n1: ret $0x118\n")
FAULTS(non_canonical_far, "mov $bad_far, %%ecx\n1: rex64 ljmp *(%%rcx)\n")
FAULTS(non_canonical_iret, "push $0x10\npush $0\npushf\npush $8\npushq bad_target\nmov %%rsp, fault_sp\n1: iretq\n")
FAULTS(non_canonical_cross, "mov $0x7ffffffffffc, %%rax\n1: mov (%%rax), %%rax\n")
FAULTS(pf_read, "1: mov 0x1f0000, %%al\n")
FAULTS(pf_write, "1: movb $0, 0x1f0000\n")
FAULTS(pf_high, "mov $0xffffffff80000000, %%rax\n1: mov (%%rax), %%al\n")
FAULTS(bad_int, "1: int $0x80\n")
FAULTS(bad_cr3, "mov $0x7fff, %%rax\nshl $48, %%rax\n1: mov %%rax, %%cr3\n")
FAULTS(bad_cr0, "mov $1, %%rax\nshl $32, %%rax\n1: mov %%rax, %%cr0\n")
FAULTS(bad_efer, "mov $0xc0000080, %%ecx\nmov $-1, %%eax\nmov $-1, %%edx\n1: wrmsr\n")
FAULTS(movaps, "mov $page + 1, %%eax\n1: .byte 0x0f, 0x28, 0x00\n")

static bool eat_steps(Frame *f) { return f->vector == 1; }

static void t_faults(void)
{
    word t;

    EXPECT(divide, 0, 0);
    EXPECT(ud2, 6, 0);
    EXPECT(bad_64, 6, 0);
    EXPECT(non_canonical, 13, 0);
    EXPECT(non_canonical_cross, 13, 0); /* before the page fault of the first part, as the oracle saw on hardware */
    EXPECT(bad_int, 13, 0x80 * 8 + 2);
    EXPECT(bad_cr3, 13, 0);
    EXPECT(bad_cr0, 13, 0);
    EXPECT(bad_efer, 13, 0);
    __asm__ volatile("mov %%cr4, %0; or $0x600, %0; mov %0, %%cr4" : "=r"(t));
    EXPECT(movaps, 13, 0);
    for (int i = 0; i < 3; i++) { /* the branch, not its target, also when what it does was translated before */
        EXPECT(non_canonical_jump, 13, 0);
        EXPECT(non_canonical_jump_mem, 13, 0);
        EXPECT(non_canonical_call, 13, 0);
        EXPECT(non_canonical_call_mem, 13, 0);
        EXPECT(non_canonical_ret, 13, 0);
        EXPECT(non_canonical_ret_n, 13, 0);
        EXPECT(non_canonical_far, 13, 0);
        EXPECT(non_canonical_iret, 13, 0);
        bad_target = i ? 0xffff7fffffffffff : 0x1000000000000;
    }
    bad_target = 0x800000000000;
    on_exception = eat_steps;
    __asm__ volatile("pushfq\norl $0x100, (%%rsp)\npopfq" : : : "memory", "cc"); /* TF: the fault comes before the trap */
    int v = catching(non_canonical_ret);
    __asm__ volatile("pushfq\nandl $0xfffffeff, (%%rsp)\npopfq" : : : "memory", "cc");
    on_exception = NULL;
    CHECK_EQ(v, 13);
    CHECK_EQ(exc.ip, fault_ip);
    CHECK_EQ(exc.sp, fault_sp);
}

static word jump_to;
NOINLINE static void jump(void) { __asm__ volatile("jmp *%0" : : "r"(jump_to)); }

static void t_page_faults(void)
{
    pt0[0x1f0] = 0;
    flush_tlb();
    EXPECT(pf_read, 14, 0);
    CHECK_EQ(exc_cr2, 0x1f0000);
    EXPECT(pf_write, 14, 2);
    EXPECT(pf_high, 14, 0);
    CHECK_EQ(exc_cr2, 0xffffffff80000000);
    pt0[0x1f0] = (word)page | 5;
    flush_tlb();
    EXPECT(pf_write, 14, 3);
    pt0[0x1f0] = (word)page | 7 | 1ul << 63;
    flush_tlb();
    page[0] = 0xc3;
    jump_to = 0x1f0000;
    CHECK_EQ(catching(jump), 14);
    CHECK_EQ(exc.error, 0x11);
    CHECK_EQ(exc.ip, 0x1f0000);
    CHECK_EQ(exc_cr2, 0x1f0000);
    pt0[0x1f0] = (word)page | 7;
    invlpg((void *)0x1f0000);
    CHECK_EQ(catching(jump), -1);
    pt0[0x1f0] = (word)page | 7 | 1ul << 51; /* reserved, unless the guest has 52 address bits */
    flush_tlb();
    EXPECT(pf_read, 14, 9);
    pt0[0x1f0] = 0x1f0007;
    flush_tlb();
}

static struct __attribute__((packed)) {
    uint32_t zero;
    uint64_t rsp[3], zero2, ist[7];
    uint8_t rest[12];
} tss;
static uint8_t ist_stack[4096] __attribute__((aligned(16))), ring0_stack[4096] __attribute__((aligned(16)));
__asm__(".text\nr3_hlt: hlt\n");
extern char r3_hlt[];
NOINLINE static void enter_ring3(void)
{
    __asm__ volatile("push $0x23\npush $0x1f8000\npush $2\npush $0x33\npush $r3_hlt\niretq");
}

static void t_stacks(void)
{
    uint64_t b = (uint64_t)&tss;

    gdt[6] = 0x00affb000000ffff; /* 30h: 64-bit code, ring 3 */
    gdt[8] = 0x890000000000 | (b & 0xffffff) << 16 | (b >> 24 & 0xff) << 56 | (sizeof tss - 1);
    gdt[9] = b >> 32;
    tss.rsp[0] = (uint64_t)(ring0_stack + sizeof ring0_stack);
    tss.ist[2] = (uint64_t)(ist_stack + sizeof ist_stack - 8); /* not aligned: the CPU aligns it */
    __asm__ volatile("ltr %%ax" : : "a"(0x40));
    CHECK_EQ(catching(enter_ring3), 13);
    CHECK_EQ(exc.cs, 0x33);
    CHECK_EQ(exc.ss, 0x23);
    CHECK_EQ(exc.sp, 0x1f8000);
    CHECK_EQ(exc.ip, (word)r3_hlt);
    CHECK_EQ(exc_frame_sp, (word)(ring0_stack + sizeof ring0_stack) - 48);
    set_gate(6, (void *)isr_table[6], 8, 0x8e, 3);
    CHECK_EQ(catching(ud2), 6);
    CHECK_EQ(exc_frame_sp, ((word)(ist_stack + sizeof ist_stack - 8) & ~15ul) - 48);
    CHECK_EQ(exc.sp, fault_sp);
    set_gate(6, (void *)isr_table[6], 8, 0x8e, 0);
}

static void put_code(uint8_t *at, uint32_t v)
{
    at[0] = 0xb8;
    memcpy(at + 1, &v, 4);
    at[5] = 0xc3;
}

static void t_smc(void)
{
    uint32_t r;

    for (uint32_t i = 0; i < 100; i++) {
        uint8_t *at = page + 4096 - 3;
        put_code(at, i * 0x01010101);
        BARRIER();
        CHECK_EQ((uint32_t)((int (*)(void))at)(), i * 0x01010101);
        __asm__ volatile("movl %1, 1f + 1(%%rip)\n1: movl $0, %%eax\n" : "=&a"(r) : "r"(i) : "memory");
        CHECK_EQ(r, i);
    }
}

void guest_main(const char *cmdline)
{
    static const TestCase tests[] = {{"#DE #UD #GP and the frame", t_faults}, {"#PF, NX, reserved bits", t_page_faults},
                                     {"ring 3, TSS and IST stacks", t_stacks}, {"self-modifying code", t_smc}};

    run_tests(tests, sizeof tests / sizeof tests[0]);
}
