/* fault-32.c - exceptions in 32-bit mode: vectors, error codes, the pushed state; segment limits; debug
 * registers; ring 3, call gates, VM86, task switches. Spec: Intel SDM vol. 3, chapters 6, 7, 17, 20. */
#include "lib.h"

uint8_t page[2 * 4096] __attribute__((aligned(4096)));
word fault_ip; /* where the faulting instruction stands */
enum { SEL_TEST = 0x28, SEL_TSS = 0x30, SEL_TSS2 = 0x38, SEL_GATE = 0x40, SEL_R3CODE = 0x1b, SEL_R3DATA = 0x23 };

/* Label 1 in the text is the instruction that faults. */
#define FAULTS(name, text, ...) \
    NOINLINE static void name(void) { __asm__ volatile("movl $1f, fault_ip\n" text : : __VA_ARGS__ : "eax", "ecx", "edx", "memory", "cc"); }

static void expect(void (*fn)(void), int vector, word error, const char *name, int line)
{
    int v = catching(fn);

    check_that(v == vector, name, line, (word)v, (word)vector);
    check_that(exc.error == error, name, line, exc.error, error);
    check_that(exc.ip == fault_ip, name, line, exc.ip, fault_ip);
    check_that(exc.cs == 8, name, line, exc.cs, 8);
}
#define EXPECT(fn, vector, error) expect(fn, vector, error, #fn, __LINE__)

static uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t access, uint32_t flags)
{
    return (uint64_t)(base >> 24) << 56 | (uint64_t)(flags & 15) << 52 | (uint64_t)(limit >> 16 & 15) << 48 |
           (uint64_t)access << 40 | (uint64_t)(base & 0xffffff) << 16 | (limit & 0xffff);
}

FAULTS(divide, "xor %%ecx, %%ecx\n1: div %%ecx\n", "i"(0))
FAULTS(divide_overflow, "mov $1, %%edx\nmov $1, %%ecx\n1: div %%ecx\n", "i"(0))
FAULTS(idiv_min, "mov $0x80000000, %%eax\ncdq\nmov $-1, %%ecx\n1: idiv %%ecx\n", "i"(0))
FAULTS(aam_zero, "1: .byte 0xd4, 0\n", "i"(0))
FAULTS(bound, "movl $5, page\nmovl $9, page + 4\nmov $4, %%eax\n1: boundl %%eax, page\n", "i"(0))
FAULTS(ud2, "1: ud2\n", "i"(0))
FAULTS(lock_bad, "1: .byte 0xf0, 0x01, 0xc0\n", "i"(0))
FAULTS(mov_cs, "1: .byte 0x8e, 0xc8\n", "i"(0))
FAULTS(too_long, "1: .byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90\n", "i"(0))
FAULTS(fpu_ts, "mov %%cr0, %%eax\nor $8, %%eax\nmov %%eax, %%cr0\n1: fld1\n", "i"(0))
FAULTS(load_ss_null, "xor %%eax, %%eax\n1: mov %%eax, %%ss\n", "i"(0))
FAULTS(load_beyond, "mov $0xf8, %%eax\n1: mov %%eax, %%es\n", "i"(0))
FAULTS(load_test_ds, "mov $0x28, %%eax\n1: mov %%eax, %%es\n", "i"(0))
FAULTS(load_test_ss, "mov $0x28, %%eax\n1: mov %%eax, %%ss\n", "i"(0))
FAULTS(use_null, "xor %%eax, %%eax\nmov %%eax, %%es\n1: mov %%es:0, %%al\n", "i"(0))
FAULTS(limit_byte, "mov $0x28, %%eax\nmov %%eax, %%es\nmov %%es:0xfff, %%al\n1: mov %%es:0x1000, %%al\n", "i"(0))
FAULTS(limit_dword, "mov $0x28, %%eax\nmov %%eax, %%es\nmov %%es:0xffc, %%ecx\n1: mov %%es:0xffd, %%ecx\n", "i"(0))
FAULTS(limit_down, "mov $0x28, %%eax\nmov %%eax, %%es\nmov %%es:0x1000, %%al\n1: mov %%es:0xfff, %%al\n", "i"(0))
FAULTS(limit_write, "mov $0x28, %%eax\nmov %%eax, %%es\nmov %%es:0, %%al\n1: mov %%al, %%es:0\n", "i"(0))
FAULTS(bad_int, "1: int $0x80\n", "i"(0))
FAULTS(bad_cr4, "mov $0x80000000, %%eax\n1: mov %%eax, %%cr4\n", "i"(0))
FAULTS(far_null, "1: ljmp $0, $0\n", "i"(0))
FAULTS(far_data, "1: ljmp $0x10, $0\n", "i"(0))
FAULTS(ltr_data, "mov $0x10, %%eax\n1: ltr %%ax\n", "i"(0))
FAULTS(pf_read, "1: mov 0x300000, %%al\n", "i"(0))
FAULTS(pf_write, "1: movb $1, 0x300004\n", "i"(0))
FAULTS(pf_rmw, "1: incl 0x300008\n", "i"(0))
FAULTS(pf_cross, "1: mov 0x2ffffe, %%eax\n", "i"(0))
FAULTS(pf_reserved, "1: mov 0xa0000000, %%al\n", "i"(0))

static void t_arithmetic(void)
{
    EXPECT(divide, 0, 0);
    EXPECT(divide_overflow, 0, 0);
    EXPECT(idiv_min, 0, 0);
    EXPECT(aam_zero, 0, 0);
    EXPECT(bound, 5, 0);
    EXPECT(ud2, 6, 0);
    EXPECT(lock_bad, 6, 0);
    EXPECT(mov_cs, 6, 0);
    EXPECT(too_long, 13, 0);
    EXPECT(fpu_ts, 7, 0);
    __asm__ volatile("clts");
}

NOINLINE static void int3(void) { __asm__ volatile("movl $1f, fault_ip\nint3\n1:"); }
NOINLINE static void into(void) { __asm__ volatile("movl $1f, fault_ip\nmov $0x7fffffff, %%eax\nadd $1, %%eax\ninto\n1:" : : : "eax"); }

static void t_traps(void)
{
    EXPECT(int3, 3, 0);
    EXPECT(into, 4, 0);
}

static void t_segments(void)
{
    EXPECT(load_ss_null, 13, 0);
    EXPECT(load_beyond, 13, 0xf8);
    gdt[5] = descriptor(0, 0xfff, 0x13, 4); /* not present */
    EXPECT(load_test_ds, 11, SEL_TEST);
    EXPECT(load_test_ss, 12, SEL_TEST);
    gdt[5] = descriptor(0, 0xfff, 0x99, 4); /* code, execute only */
    EXPECT(load_test_ds, 13, SEL_TEST);
    EXPECT(use_null, 13, 0);
    gdt[5] = descriptor((uint32_t)page, 0xfff, 0x93, 4);
    EXPECT(limit_byte, 13, 0);
    EXPECT(limit_dword, 13, 0);
    gdt[5] = descriptor((uint32_t)page - 0x1000, 0xfff, 0x97, 4); /* expand down */
    EXPECT(limit_down, 13, 0);
    gdt[5] = descriptor((uint32_t)page, 0xfff, 0x91, 4); /* read only */
    EXPECT(limit_write, 13, 0);
    EXPECT(bad_int, 13, 0x80 * 8 + 2);
    EXPECT(bad_cr4, 13, 0);
    EXPECT(far_null, 13, 0);
    EXPECT(far_data, 13, 0x10);
    EXPECT(ltr_data, 13, 0x10);
}

static void t_page_faults(void)
{
    extern word pd[];

    pt0[0x300] = 0;
    flush_tlb();
    EXPECT(pf_read, 14, 0);
    CHECK_EQ(exc_cr2, 0x300000);
    EXPECT(pf_write, 14, 2);
    CHECK_EQ(exc_cr2, 0x300004);
    EXPECT(pf_rmw, 14, 2);
    CHECK_EQ(exc_cr2, 0x300008);
    EXPECT(pf_cross, 14, 0);
    CHECK_EQ(exc_cr2, 0x300000);
    pd[0xa0000000u >> 22] |= 1u << 21; /* a reserved bit of a 4 MiB entry */
    flush_tlb();
    EXPECT(pf_reserved, 14, 9);
    pd[0xa0000000u >> 22] = 0xa0000087;
    flush_tlb();
}

/* --- #DB --- */

static int steps;
static word step_ip[8];
static bool count_step(Frame *f)
{
    if (f->vector != 1)
        return false;
    if (steps < 8)
        step_ip[steps] = f->ip;
    steps++;
    return true;
}

static void t_single_step(void)
{
    word dr6, a, b;

    steps = 0;
    on_exception = count_step;
    __asm__ volatile("xor %%eax, %%eax\nmov %%eax, %%dr6\npushf\norl $0x100, (%%esp)\npopf\n"
                     "nop\n1: inc %%eax\n2: pushf\nandl $~0x100, (%%esp)\npopf\nnop\n mov $1b, %0\nmov $2b, %1"
                     : "=&r"(a), "=&r"(b) : : "eax", "memory", "cc");
    __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
    CHECK_EQ(steps, 5);
    CHECK_EQ(step_ip[0], a);
    CHECK_EQ(step_ip[1], b);
    CHECK(dr6 & 0x4000);
}

static bool resume_db(Frame *f)
{
    if (f->vector != 1)
        return false;
    steps++;
    step_ip[0] = f->ip;
    f->flags |= 0x10000; /* RF */
    return true;
}

static void t_breakpoints(void)
{
    word ip, dr6;

    on_exception = resume_db;
    steps = 0;
    __asm__ volatile("mov $1f, %0\nmov %0, %%dr0\nmov $2, %%eax\nmov %%eax, %%dr7\nnop\n1: nop\nxor %%eax, %%eax\nmov %%eax, %%dr7"
                     : "=&r"(ip) : : "eax", "memory", "cc");
    __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
    CHECK_EQ(steps, 1);
    CHECK_EQ(step_ip[0], ip);
    CHECK_EQ(dr6 & 15, 1);
    steps = 0; /* write watchpoint on four bytes: a trap */
    __asm__ volatile("xor %%eax, %%eax\nmov %%eax, %%dr6\nmov %1, %%dr1\nmov $0xd00008, %%eax\nmov %%eax, %%dr7\n"
                     "mov (%1), %%eax\nmovb $1, 4(%1)\nmovb $1, 2(%1)\n1: nop\nxor %%eax, %%eax\nmov %%eax, %%dr7\nmov $1b, %0"
                     : "=&r"(ip) : "r"(page + 64) : "eax", "memory", "cc");
    __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
    CHECK_EQ(steps, 1);
    CHECK_EQ(step_ip[0], ip);
    CHECK_EQ(dr6 & 15, 2);
}

/* --- rings, gates, tasks --- */

typedef struct Tss {
    uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss,
        ds, fs, gs, ldt;
    uint16_t trap, iomap;
} Tss;
static Tss tss, tss2;
static uint8_t stack0[4096], stack3[4096], stack_task[4096];
uint32_t seen[8];

static void set_up_tss(void)
{
    static bool done;

    tss.esp0 = (uint32_t)(stack0 + sizeof stack0);
    tss.ss0 = 0x10;
    tss.iomap = sizeof tss;
    if (done)
        return;
    gdt[SEL_TSS / 8] = descriptor((uint32_t)&tss, sizeof tss - 1, 0x89, 0);
    __asm__ volatile("ltr %%ax" : : "a"(SEL_TSS));
    done = true;
}

/* Runs `ip` in ring 3 until it faults; the handler sees the ring 3 frame. */
static word ring3_ip, ring3_flags;
NOINLINE static void enter_ring3(void)
{
    __asm__ volatile("mov $0x23, %%eax\nmov %%eax, %%ds\nmov %%eax, %%es\npush $0x23\npush %0\npush %1\npush $0x1b\npush %2\niret"
                     : : "r"(stack3 + sizeof stack3), "r"(ring3_flags), "r"(ring3_ip) : "eax");
}

static int in_ring3(const void *ip, word flags)
{
    ring3_ip = (word)ip;
    ring3_flags = flags | 2;
    return catching(enter_ring3);
}

__asm__(".text\nr3_cli: cli\nr3_hlt: hlt\nr3_in: in $0x80, %al\nr3_pf: mov 0x300000, %eax\nr3_pf_w: movl $1, 0x300000\n"
        "r3_int: int $0x20\nr3_int3: int3\nr3_ac: mov page + 1, %eax\n"
        "r3_gate: lcall $0x43, $0\nr3_after: ud2\nr3_cr: mov %cr0, %eax\n"
        "gate_target: mov %ss, seen\nmov %cs, seen + 4\nmov 4(%esp), %eax\nmov %eax, seen + 8\nmov %esp, seen + 12\nlret\n");
extern char r3_cli[], r3_hlt[], r3_in[], r3_pf[], r3_pf_w[], r3_int[], r3_int3[], r3_ac[], r3_gate[], r3_after[], r3_cr[],
    gate_target[];

static void t_ring3(void)
{
    word t;

    set_up_tss();
    CHECK_EQ(in_ring3(r3_cli, 0), 13);
    CHECK_EQ(exc.cs, SEL_R3CODE);
    CHECK_EQ(exc.ss, SEL_R3DATA);
    CHECK_EQ(exc.sp, (word)(stack3 + sizeof stack3));
    CHECK_EQ(exc_frame_sp, (word)(stack0 + sizeof stack0) - 24);
    CHECK_EQ(exc.ip, (word)r3_cli);
    CHECK_EQ(exc.error, 0);
    CHECK_EQ(in_ring3(r3_cli, 0x3000), 13); /* IOPL 3: cli passes, hlt does not */
    CHECK_EQ(exc.ip, (word)r3_hlt);
    CHECK_EQ(in_ring3(r3_in, 0), 13);
    CHECK_EQ(in_ring3(r3_cr, 0), 13);
    CHECK_EQ(in_ring3(r3_int, 0), 13);
    CHECK_EQ(exc.error, 0x20 * 8 + 2);
    CHECK_EQ(in_ring3(r3_int3, 0), 3);
    pt0[0x300] = (word)page | 3; /* supervisor only */
    flush_tlb();
    CHECK_EQ(in_ring3(r3_pf, 0), 14);
    CHECK_EQ(exc.error, 5);
    CHECK_EQ(in_ring3(r3_pf_w, 0), 14);
    CHECK_EQ(exc.error, 7);
    __asm__ volatile("mov %%cr0, %0; or $0x40000, %0; mov %0, %%cr0" : "=r"(t));
    CHECK_EQ(in_ring3(r3_ac, 0x40000), 17);
    CHECK_EQ(exc.error, 0);
    __asm__ volatile("mov %%cr0, %0; and $~0x40000, %0; mov %0, %%cr0" : "=r"(t));
}

static void t_call_gate(void)
{
    uint32_t to = (uint32_t)gate_target;

    set_up_tss();
    gdt[SEL_GATE / 8] = (uint64_t)(to >> 16) << 48 | 0xec00ull << 32 | 8u << 16 | (to & 0xffff);
    CHECK_EQ(in_ring3(r3_gate, 0), 6);
    CHECK_EQ(exc.ip, (word)r3_after);
    CHECK_EQ(exc.cs, SEL_R3CODE);
    CHECK_EQ(seen[0] & 0xffff, 0x10);
    CHECK_EQ(seen[1] & 0xffff, 8);
    CHECK_EQ(seen[2], SEL_R3CODE);
    CHECK_EQ(seen[3], (word)(stack0 + sizeof stack0) - 16);
    gdt[SEL_GATE / 8] &= ~(0x6000ull << 32); /* DPL 0 */
    CHECK_EQ(in_ring3(r3_gate, 0), 13);
    CHECK_EQ(exc.error, SEL_GATE);
}

__asm__(".text\ntask_code: mov %eax, seen\nmov %cr0, %eax\nmov %eax, seen + 4\nstr %eax\nmov %eax, seen + 8\npushf\npop seen + 12\n"
        "iret\nmovl $77, seen + 16\niret\n");
extern char task_code[];

static void t_task_switch(void)
{
    uint32_t r;

    set_up_tss();
    memset(&tss2, 0, sizeof tss2);
    memset(seen, 0, sizeof seen);
    gdt[SEL_TSS2 / 8] = descriptor((uint32_t)&tss2, sizeof tss2 - 1, 0x89, 0);
    tss2.eip = (uint32_t)task_code;
    tss2.eflags = 2;
    tss2.eax = 0x1234;
    tss2.esp = (uint32_t)(stack_task + sizeof stack_task);
    tss2.cs = 8;
    tss2.ds = tss2.es = tss2.ss = tss2.fs = tss2.gs = 0x10;
    __asm__ volatile("mov %%cr3, %0" : "=r"(r));
    tss2.cr3 = r;
    tss.cr3 = r;
    __asm__ volatile("mov $0x55, %%eax\nlcall $0x38, $0\n" : "=a"(r) : : "memory", "cc");
    CHECK_EQ(r, 0x55);
    CHECK_EQ(seen[0], 0x1234);
    CHECK_EQ(seen[1] & 8, 8);       /* TS */
    CHECK_EQ(seen[2] & 0xffff, SEL_TSS2);
    CHECK_EQ(seen[3] & 0x4000, 0x4000); /* NT */
    CHECK_EQ(tss2.link, SEL_TSS);
    CHECK_EQ(gdt[SEL_TSS / 8] >> 41 & 1, 1);  /* busy */
    CHECK_EQ(gdt[SEL_TSS2 / 8] >> 41 & 1, 0);
    CHECK_EQ(seen[4], 0);
    __asm__ volatile("lcall $0x38, $0\n" : : : "memory", "cc", "eax");
    CHECK_EQ(seen[4], 77);
    __asm__ volatile("clts");
}

/* --- VM86: a monitor that reflects INT 21h and sees HLT --- */

static int vm_ints;
static bool vm_monitor(Frame *f)
{
    uint8_t *ip = (uint8_t *)((f->cs << 4) + (f->ip & 0xffff));

    if (f->vector != 13 || !(f->flags & 0x20000) || ip[0] != 0xcd)
        return false;
    /* push flags, cs, ip on the VM86 stack; go to the real-mode vector */
    uint16_t *sp = (uint16_t *)((f->ss << 4) + (f->sp & 0xffff));
    *--sp = (uint16_t)f->flags;
    *--sp = (uint16_t)f->cs;
    *--sp = (uint16_t)(f->ip + 2);
    f->sp -= 6;
    f->cs = ((volatile uint16_t *)0)[ip[1] * 2 + 1];
    f->ip = ((volatile uint16_t *)0)[ip[1] * 2];
    vm_ints++;
    return true;
}

static word vm_flags;
NOINLINE static void enter_vm86(void)
{
    __asm__ volatile("push $0\npush $0\npush $0x700\npush $0x700\npush $0x700\npush $0x800\npush %0\npush $0x700\npush $0\niret" : : "r"(vm_flags));
}

static void t_vm86(void)
{
    /* mov ax, 1234h; int 21h; mov [100h], ax; push ss; pop [102h]; hlt ... handler at 40h: add ax, 1; iret */
    static const uint8_t code[] = {0xb8, 0x34, 0x12, 0xcd, 0x21, 0xa3, 0x00, 0x01, 0x16, 0x8f, 0x06, 0x02, 0x01, 0xf4};
    static const uint8_t handler[] = {0x83, 0xc0, 0x01, 0xcf};
    uint8_t *m = (uint8_t *)0x7000;
    volatile uint16_t *ivt = (volatile uint16_t *)0;
    volatile uint16_t *vars = (volatile uint16_t *)0x7100;
    uint16_t old[2];

    __asm__ volatile("" : "+r"(ivt));
    old[0] = ivt[0x42];
    old[1] = ivt[0x43];
    set_up_tss();
    memcpy(m, code, sizeof code);
    memcpy(m + 0x40, handler, sizeof handler);
    ivt[0x42] = 0x40;
    ivt[0x43] = 0x700;
    on_exception = vm_monitor;
    vm_ints = 0;
    vm_flags = 0x23002; /* VM, IOPL 3: IRET runs directly, INT does through the gate's DPL: #GP */
    CHECK_EQ(catching(enter_vm86), 13);
    CHECK_EQ(exc.error, 0);
    CHECK_EQ(vm_ints, 1);
    CHECK_EQ(vars[0], 0x1235);
    CHECK_EQ(vars[1], 0x700);
    CHECK_EQ(exc.cs, 0x700);
    CHECK_EQ(exc.ip, sizeof code - 1);
    CHECK_EQ(exc.ss, 0x700);
    CHECK_EQ(exc.sp, 0x800);
    CHECK((exc.flags & 0x20000) != 0);
    vm_ints = 0;
    vm_flags = 0x20002; /* IOPL 0: INT faults as well, with error code 0 */
    vars[0] = 0;
    CHECK_EQ(catching(enter_vm86), 13);
    CHECK_EQ(vm_ints, 1); /* then IRET faults in the handler */
    CHECK_EQ(exc.ip, 0x43);
    ivt[0x42] = old[0];
    ivt[0x43] = old[1];
}

void guest_main(const char *cmdline)
{
    static const TestCase tests[] = {{"#DE #BR #UD #GP #NM", t_arithmetic}, {"#BP #OF", t_traps},
                                     {"#TS #NP #SS #GP and segment limits", t_segments}, {"#PF", t_page_faults},
                                     {"single step", t_single_step}, {"breakpoints", t_breakpoints}, {"ring 3 and #AC", t_ring3},
                                     {"call gate", t_call_gate}, {"task switch", t_task_switch}, {"VM86", t_vm86}};

    paging_on();
    run_tests(tests, sizeof tests / sizeof tests[0]);
}
