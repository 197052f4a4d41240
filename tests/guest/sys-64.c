/* sys-64.c - IA-32e mode: SYSCALL and SYSRET, call gates, far transfers, IRET to everywhere, IST and double faults,
 * FSGSBASE, SWAPGS, MONITOR, canonical checks, system management mode, code changed through an alias.
 * Spec: Intel SDM vol. 3, 5.8 (gates), 6.14 (interrupts), chapter 32 (SMM), 12.6 (self-modifying code); vol. 2. */
#include "lib.h"

static inline uint64_t rdmsr(uint32_t m) { uint32_t l, h; __asm__ volatile("rdmsr" : "=a"(l), "=d"(h) : "c"(m)); return (uint64_t)h << 32 | l; }
static inline void wrmsr(uint32_t m, uint64_t v) { __asm__ volatile("wrmsr" : : "a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(m) : "memory"); }

enum { U64 = 0x33, U32 = 0x1b, UDATA = 0x23, GATE = 0x50, CONF = 0x60, C16 = 0x68, X = 0x70 };
uint64_t seen[16], arg, stack1_top;
static uint8_t stack1[4096] __attribute__((aligned(16))), page[2 * 4096] __attribute__((aligned(4096)));

static void set_up(void)
{
    static void (*nothing)(void) = (void (*)(void))(word)user_return;

    run_user(nothing, 0); /* loads TR */
    memset(seen, 0, sizeof seen);
    stack1_top = (word)(stack1 + sizeof stack1);
}

/* --- SYSCALL, SYSRET --- */

__asm__(".text\n"
        "sc_user: mov $0x1234, %eax\nstc\nsyscall\nsc_back: pushfq\npop seen + 8\nmov %cs, seen + 16\nmov %ss, seen + 24\nhlt\n"
        "sc_entry: mov %rcx, seen + 32\nmov %r11, seen + 40\npushfq\npop seen + 48\nmov %cs, seen + 56\nmov %ss, seen + 64\nsysretq\n"
        "sc_entry32: sysretl\n"
        ".code32\nsc_user32: mov %cs, seen + 72\nmov %ss, seen + 80\nhlt\n"
        "sc_compat: syscall\nsc_compat_back: hlt\n.code64\n"
        "sc_centry: mov %rcx, seen + 96\nmov %cs, seen + 104\nsysretl\n"
        "sc_plain: syscall\n");
extern char sc_user[], sc_back[], sc_entry[], sc_entry32[], sc_user32[], sc_compat[], sc_compat_back[], sc_centry[], sc_plain[];
NOINLINE static void sysret_user(void) { __asm__ volatile("sysretq"); }
NOINLINE static void go_compat(void)
{
    __asm__ volatile("push $0x23\npush %0\npush $2\npush $0x1b\npush $sc_compat\niretq" : : "r"(user_stack_top));
}

static void t_syscall(void)
{
    set_up();
    gdt[11] = 0x00cffb000000ffff; /* 58h: 32-bit user code; 60h data; 68h 64-bit user code */
    gdt[12] = 0x00cff3000000ffff;
    gdt[13] = 0x00affb000000ffff;
    wrmsr(0xc0000080, rdmsr(0xc0000080) & ~1ull);
    CHECK_EQ(run_user((void (*)(void))(word)sc_plain, 0), 6); /* SCE off */
    wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
    wrmsr(0xc0000081, (uint64_t)(0x58 | 3) << 48 | (uint64_t)8 << 32);
    wrmsr(0xc0000082, (word)sc_entry);
    wrmsr(0xc0000083, (word)sc_centry);
    wrmsr(0xc0000084, 0x201); /* CF and IF off */
    CHECK_EQ(run_user((void (*)(void))(word)sc_user, 3), 13);
    CHECK_EQ(seen[4], (word)sc_back);
    CHECK_EQ(seen[5] & 0x3001, 0x3001); /* R11 has the flags */
    CHECK_EQ(seen[6] & 0x201, 0);
    CHECK_EQ(seen[7] & 0xffff, 8);
    CHECK_EQ(seen[8] & 0xffff, 0x10);
    CHECK_EQ(seen[1] & 0x3001, 0x3001);
    CHECK_EQ(seen[2] & 0xffff, 0x68 | 3);
    CHECK_EQ(seen[3] & 0xffff, 0x60 | 3);
    CHECK_EQ(run_user(sysret_user, 3), 13);
    CHECK_EQ(catching(go_compat), 13); /* compatibility mode: CSTAR (as AMD has it), back by SYSRETL */
    CHECK_EQ(seen[12], (word)sc_compat_back);
    CHECK_EQ(seen[13] & 0xffff, 8);
    CHECK_EQ(exc.ip, (word)sc_compat_back);
    CHECK_EQ(exc.cs & 0xffff, 0x58 | 3);
}

/* --- far transfers and call gates --- */

struct __attribute__((packed)) { uint64_t off; uint16_t sel; } far64;
struct __attribute__((packed)) { uint32_t off; uint16_t sel; } far32;
struct __attribute__((packed)) { uint16_t off; uint16_t sel; } far16;
NOINLINE static void call64(void) { __asm__ volatile("rex.W lcall *far64" : : : "memory"); }
NOINLINE static void call32(void) { __asm__ volatile("lcall *far32" : : : "memory"); }
NOINLINE static void jmp64(void) { __asm__ volatile("push $1f\nrex.W ljmp *far64\n1:" : : : "memory"); }
__asm__(".text\n"
        "cg_target: mov %cs, seen\nmov %ss, seen + 8\nmov %rsp, seen + 16\nmov (%rsp), %rax\nmov %rax, seen + 24\nmov 8(%rsp), %rax\nmov %rax, seen + 32\n"
        "mov 16(%rsp), %rax\nmov %rax, seen + 40\nmov 24(%rsp), %rax\nmov %rax, seen + 48\nlretq\n"
        "cg_user: lcall *far32\ncg_back: mov %ss, seen + 56\nmov %rsp, seen + 64\ncg_end: hlt\n"
        "cg_same: mov %cs, seen\nlretq\n"
        "cg_same4: mov %cs, seen\nlretl\n");
extern char cg_target[], cg_user[], cg_back[], cg_end[], cg_same[], cg_same4[];

static void set_call_gate(const void *to, unsigned sel, unsigned attr)
{
    uint64_t a = (uint64_t)to;
    gdt[GATE / 8] = (a >> 16 & 0xffff) << 48 | (uint64_t)attr << 40 | (uint64_t)sel << 16 | (a & 0xffff);
    gdt[GATE / 8 + 1] = a >> 32;
}

static void t_call_gates(void)
{
    set_up();
    far32.off = 0xf4f4f4f4;
    far32.sel = GATE | 3;
    set_call_gate(cg_target, 8, 0xec);
    CHECK_EQ(run_user((void (*)(void))(word)cg_user, 0), 13);
    CHECK_EQ(exc.ip, (word)cg_end);
    CHECK_EQ(seen[0] & 0xffff, 8);
    CHECK_EQ(seen[1] & 0xffff, 0);           /* SS is null */
    CHECK_EQ(seen[2], tss64.rsp[0] - 32);
    CHECK_EQ(seen[3], (word)cg_back);
    CHECK_EQ(seen[4], U64);
    CHECK_EQ(seen[5], user_stack_top - 8);
    CHECK_EQ(seen[6], UDATA);
    CHECK_EQ(seen[7] & 0xffff, UDATA);
    CHECK_EQ(seen[8], user_stack_top - 8);
    set_call_gate(cg_target, 8, 0x8c);        /* DPL 0 */
    CHECK_EQ(run_user((void (*)(void))(word)cg_user, 0), 13);
    CHECK_EQ(exc.error, GATE);
    set_call_gate(cg_target, 8, 0x6c);
    CHECK_EQ(run_user((void (*)(void))(word)cg_user, 0), 11);
    CHECK_EQ(exc.error, GATE);
    set_call_gate(cg_target, U32 & ~3, 0xec); /* not 64-bit code */
    CHECK_EQ(run_user((void (*)(void))(word)cg_user, 0), 13);
    CHECK_EQ(exc.error, U32 & ~3);
    set_call_gate(cg_target, 8, 0xe4);        /* 16-bit gates are gone */
    CHECK_EQ(run_user((void (*)(void))(word)cg_user, 0), 13);
    CHECK_EQ(exc.error, GATE);
    set_call_gate(cg_target, 8, 0xec);
    gdt[GATE / 8 + 1] |= 0x1f00000000 << 8;   /* the upper half's type must be 0 */
    CHECK_EQ(run_user((void (*)(void))(word)cg_user, 0), 13);
    CHECK_EQ(exc.error, GATE);
    set_call_gate((void *)0x800000000000, 8, 0xec);
    CHECK_EQ(run_user((void (*)(void))(word)cg_user, 0), 13);
    CHECK_EQ(exc.error, 0);
    tss64.rsp[0] ^= 1ull << 50;               /* not canonical: #SS(0) comes on a stack that is bad as well: not here */
    tss64.rsp[0] ^= 1ull << 50;
    /* through the gate at the same level */
    set_call_gate(cg_same, 8, 0x8c);
    far32.sel = GATE;
    CHECK_EQ(catching(call32), -1);
    CHECK_EQ(seen[0] & 0xffff, 8);
}

static void t_far(void)
{
    set_up();
    far64.off = (word)cg_same;
    far64.sel = 8;
    CHECK_EQ(catching(call64), -1);
    far64.off = 0x800000000000;
    CHECK_EQ(catching(call64), 13);
    CHECK_EQ(exc.error, 0);
    far32.off = (uint32_t)(word)cg_same4;
    far32.sel = 8;
    CHECK_EQ(catching(call32), -1); /* 4-byte slots, LRETL */
    far64.off = (word)cg_same;
    far64.sel = 0x10;
    CHECK_EQ(catching(call64), 13);
    CHECK_EQ(exc.error, 0x10);
    far64.sel = 0;
    CHECK_EQ(catching(jmp64), 13);
    CHECK_EQ(exc.error, 0);
    gdt[X / 8] = 0x00ef9b000000ffff; /* L and D */
    far64.sel = X;
    CHECK_EQ(catching(call64), 13);
    CHECK_EQ(exc.error, X);
    gdt[X / 8] = 0x00af1b000000ffff; /* not present */
    CHECK_EQ(catching(call64), 11);
    CHECK_EQ(exc.error, X);
    gdt[X / 8] = 0x00af9f000000ffff; /* conforming */
    CHECK_EQ(catching(call64), -1);
}

/* --- IRET --- */

uint64_t frame[5];
NOINLINE static void do_iret(void)
{
    __asm__ volatile("push $1f\nmov %%rsp, %%rbx\npush frame + 32\npush frame + 24\npush frame + 16\npush frame + 8\npush frame\niretq\n1:" : : : "rbx", "memory");
}
__asm__(".text\nir_land: mov %ss, seen\nmov %rsp, seen + 8\npushfq\npop seen + 16\nmov %rbx, %rsp\nret\n"
        ".code32\nir_user32: mov %cs, %eax\nmov %ss, %ecx\nhlt\n.code64\n");
extern char ir_land[], ir_user32[];

static int iret(word ip, word cs, word flags, word sp, word ss)
{
    frame[0] = ip, frame[1] = cs, frame[2] = flags, frame[3] = sp, frame[4] = ss;
    return catching(do_iret);
}

static void t_iret(void)
{
    word land = (word)ir_land, top = stack1_top;

    set_up();
    CHECK_EQ(iret(land, 8, 2, top, 0), -1); /* a null SS in ring 0 */
    CHECK_EQ(seen[0] & 0xffff, 0);
    CHECK_EQ(seen[1], top);
    __asm__ volatile("mov %0, %%ss" : : "r"(0x10));
    CHECK_EQ(iret(land, 8, 2, top, 0x10), -1);
    CHECK_EQ(iret(land, 8, 2, top, 0x13), 13);
    CHECK_EQ(exc.error, 0x10);
    CHECK_EQ(iret(land, 0, 2, top, 0x10), 13);
    CHECK_EQ(iret(land, 0x10, 2, top, 0x10), 13);
    CHECK_EQ(exc.error, 0x10);
    CHECK_EQ(iret(land, U64, 2, top, 0), 13); /* a null SS in ring 3 */
    CHECK_EQ(exc.error, 0);
    CHECK_EQ(iret(0x800000000000, 8, 2, top, 0x10), 13);
    CHECK_EQ(iret(land, 8, 0x4002, top, 0x10), -1); /* NT in the image is only a flag */
    CHECK(seen[2] & 0x4000);
    __asm__ volatile("pushfq\norl $0x4000, (%%rsp)\npopfq" : : : "memory", "cc");
    CHECK_EQ(iret(land, 8, 2, top, 0x10), 13);      /* NT set: no tasks here */
    __asm__ volatile("pushfq\nandl $~0x4000, (%%rsp)\npopfq" : : : "memory", "cc");
    CHECK_EQ(iret((word)ir_user32, U32, 0x20002, user_stack_top, UDATA), 13); /* VM is ignored */
    CHECK_EQ(exc.ax & 0xffff, U32); /* DS is null now: registers only */
    CHECK_EQ(exc.cx & 0xffff, UDATA);
    CHECK_EQ(exc.flags & 0x20000, 0);
    CHECK_EQ(exc.cs, U32);
}

/* --- faults on faults, IST --- */

static uint8_t df_stack[4096] __attribute__((aligned(16)));
NOINLINE static void bad_stack(void) { __asm__ volatile("mov $0x800000001000, %%rsp\npush %%rax" : : : "memory"); }
NOINLINE static void bad_stack_pf(void) { __asm__ volatile("mov $0x1f0800, %%esp\nud2" : : : "memory"); }

static void t_double_fault(void)
{
    set_up();
    tss64.ist[0] = (word)(df_stack + sizeof df_stack);
    set_gate(8, (void *)isr_table[8], 8, 0x8e, 1);
    set_gate(12, (void *)isr_table[12], 8, 0x8e, 1);
    CHECK_EQ(catching(bad_stack), 12);
    CHECK_EQ(exc.error, 0);
    CHECK_EQ(exc.sp, 0x800000001000);
    set_gate(12, (void *)isr_table[12], 8, 0x8e, 0);
    CHECK_EQ(catching(bad_stack), 8); /* #SS cannot be delivered there */
    CHECK_EQ(exc.error, 0);
    CHECK_EQ(exc_frame_sp, (word)(df_stack + sizeof df_stack) - 48);
    pt0[0x1f0] = 0;
    flush_tlb();
    CHECK_EQ(catching(bad_stack_pf), 8);
    CHECK_EQ(exc_cr2, 0x1f07f8 & ~7ull);
    pt0[0x1f0] = 0x1f0007;
    flush_tlb();
    set_gate(8, (void *)isr_table[8], 8, 0x8e, 0);
}

/* --- bases --- */

NOINLINE static void wrfs(void) { __asm__ volatile("wrfsbase %0" : : "r"(arg)); }
NOINLINE static void rdgs(void) { __asm__ volatile("rdgsbase %0" : "=r"(arg)); }
NOINLINE static void do_swapgs(void) { __asm__ volatile("swapgs"); }
NOINLINE static void do_clts(void) { __asm__ volatile("clts"); }
NOINLINE static void do_cr8(void) { __asm__ volatile("mov %%cr8, %0" : "=r"(arg)); }
NOINLINE static void do_cr8_bad(void) { __asm__ volatile("mov %0, %%cr8" : : "r"(16ul)); }
NOINLINE static void do_lgdt(void) { struct __attribute__((packed)) { uint16_t l; uint64_t b; } p = {127, 1ull << 47}; __asm__ volatile("lgdt %0" : : "m"(p)); }
NOINLINE static void do_monitor(void) { __asm__ volatile("monitor" : : "a"(page), "c"(0), "d"(0)); }
NOINLINE static void do_monitor_ecx(void) { __asm__ volatile("monitor" : : "a"(page), "c"(1), "d"(0)); }
NOINLINE static void do_monitor_nc(void) { __asm__ volatile("monitor" : : "a"(1ull << 47), "c"(0), "d"(0)); }
NOINLINE static void do_mwait_masked(void) { __asm__ volatile("mwait" : : "a"(0), "c"(1)); }
NOINLINE static void do_invlpg_nc(void) { __asm__ volatile("invlpg (%0)" : : "r"(1ull << 47)); }

static void t_bases(void)
{
    word t;

    set_up();
    __asm__ volatile("mov %%cr4, %0; btr $16, %0; mov %0, %%cr4" : "=r"(t));
    arg = 0x1000;
    CHECK_EQ(catching(wrfs), 6);
    __asm__ volatile("mov %%cr4, %0; bts $16, %0; mov %0, %%cr4" : "=r"(t));
    CHECK_EQ(catching(wrfs), -1);
    CHECK_EQ(rdmsr(0xc0000100), 0x1000);
    arg = 1ull << 47;
    CHECK_EQ(catching(wrfs), 13);
    wrmsr(0xc0000101, 0x1111);
    wrmsr(0xc0000102, 0x2222);
    do_swapgs();
    CHECK_EQ(rdmsr(0xc0000101), 0x2222);
    CHECK_EQ(rdmsr(0xc0000102), 0x1111);
    CHECK_EQ(run_user(rdgs, 0), 13);
    CHECK_EQ(arg, 0x2222);
    CHECK_EQ(run_user(do_swapgs, 3), 13);
    CHECK(exc.ip != (word)user_return);
    CHECK_EQ(run_user(do_clts, 3), 13);
    CHECK(exc.ip != (word)user_return);
    CHECK_EQ(run_user(do_cr8, 3), 13);
    CHECK(exc.ip != (word)user_return);
    CHECK_EQ(catching(do_cr8_bad), 13);
    CHECK_EQ(catching(do_lgdt), 13);
    CHECK_EQ(catching(do_invlpg_nc), -1); /* does nothing */
    wrmsr(0xc0000101, 0);
    /* a selector load sets the base to 0, a null selector too on Intel (AMD keeps it) */
    wrmsr(0xc0000100, 0x123456789abc);
    __asm__ volatile("mov %0, %%fs" : : "r"(0x10));
    CHECK_EQ(rdmsr(0xc0000100), 0);
}

static volatile int irqs;
static void on_timer(Frame *f) { irqs++; *(volatile uint32_t *)0xfee000b0 = 0; }

static void t_monitor(void)
{
    volatile uint32_t *apic = (volatile uint32_t *)0xfee00000;
    uint32_t a, b, c, d;

    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(1), "c"(0));
    if (!(c & 8)) {
        CHECK_EQ(catching(do_monitor), 6);
        return;
    }
    CHECK_EQ(catching(do_monitor), -1);
    CHECK_EQ(catching(do_monitor_ecx), 13);
    CHECK_EQ(catching(do_monitor_nc), 13);
    CHECK_EQ(run_user(do_monitor, 3), 6);
    CHECK_EQ(run_user(do_mwait_masked, 3), 6);
    on_irq = on_timer;
    apic[0xf0 / 4] = 0x1ff;
    apic[0x3e0 / 4] = 0xb;
    apic[0x320 / 4] = 0x2a;
    apic[0x380 / 4] = 200000;
    for (int i = 0; i < 1000000 && !irqs; i++) { /* it may end early */
        do_monitor();
        __asm__ volatile("sti; mwait; cli" : : "a"(0), "c"(0) : "memory");
    }
    CHECK_EQ(irqs, 1);
    apic[0x380 / 4] = 200000;
    while (!(apic[0x210 / 4] & 1u << 10)) /* interrupts masked: wakes or does not sleep at all */
        do_mwait_masked();
    CHECK_EQ(irqs, 1);
    __asm__ volatile("sti; nop; cli" : : : "memory");
    CHECK_EQ(irqs, 2);
}

/* --- system management mode: the handler lies in SMRAM --- */

extern char smm_code[], smm_end[];
__asm__(".text\n.code16\n"
        "smm_code: mov %cs, %ax\nmov %ax, %ds\n"
        "movl $0x600d0001, 0x7000\n"              /* SMBASE + 7000h */
        "mov %cr0, %eax\nmov %eax, 0x7004\n"
        "pushfw\npopw 0x7008\n"
        "mov %cr4, %eax\nmov %eax, 0x700c\n"
        "incl 0x7010\n"
        "mov $0x55, %bl\n"
        "rsm\nsmm_end:\n.code64\n");
static void smram(uint8_t v)
{
    outl(0xcf8, 0x80000070);
    outb(0xcfe, v);
}
NOINLINE static void do_rsm(void) { __asm__ volatile("rsm"); }

static void t_smm(void)
{
    volatile uint8_t *base = (volatile uint8_t *)0xa0000;
    volatile uint32_t *v = (volatile uint32_t *)0xa7000;
    uint64_t rbx = 0x1122334455667788, r15 = 0xaabbccdd11223344, dr7 = 0, flags1, flags2;

    CHECK_EQ(catching(do_rsm), 6); /* not in SMM */
    smram(0x4a); /* the firmware has moved SMBASE to a0000h, where SMRAM lies, and not locked it */
    memcpy((void *)(base + 0x8000), smm_code, (size_t)(smm_end - smm_code));
    memset((void *)v, 0, 32);
    smram(0x0a);
    CHECK(v[0] != 0 || base[0x8000] != (uint8_t)smm_code[0]); /* closed: that is the VGA's window */
    __asm__ volatile("mov %0, %%dr7" : : "r"(0x700ul));
    for (int i = 0; i < 2; i++) {
        __asm__ volatile("mov %4, %%rbx\nmov %5, %%r15\nstc\npushfq\npop %0\n"
                         "movl $0, (%6)\nmovl $0x4200, -16(%6)\n" /* ICR: SMI to self */
                         "mov $9, %%ecx\n1: loop 1b\npushfq\npop %1\nmov %%rbx, %2\nmov %%r15, %3"
                         : "=&r"(flags1), "=&r"(flags2), "=&m"(seen[0]), "=&m"(seen[1])
                         : "m"(rbx), "m"(r15), "r"(0xfee00310ul) : "rbx", "r15", "rcx", "memory", "cc");
        smram(0x4a);
        CHECK_EQ(v[0], 0x600d0001);
        CHECK_EQ(v[4], i + 1);
        CHECK_EQ(v[1] & 0x80000001, 0);     /* real-address mode */
        CHECK_EQ(v[2] & 0xffff, 2);
        CHECK_EQ(v[3], 0);
        smram(0x0a);
        CHECK_EQ(seen[0], rbx);             /* the handler's BL did not come through */
        CHECK_EQ(seen[1], r15);
        CHECK_EQ(flags1 & 0xfff, flags2 & 0xfff);
    }
    __asm__ volatile("mov %%dr7, %0" : "=r"(dr7));
    CHECK_EQ(dr7, 0x700);
    __asm__ volatile("mov %0, %%dr7" : : "r"(0x400ul));
    CHECK_EQ(rdmsr(0xc0000080) & 0x500, 0x500); /* long mode is back */
    CHECK_EQ(catching(do_rsm), 6);
}

/* --- code that changes --- */

static void put_mov_ret(volatile uint8_t *at, uint32_t v)
{
    at[0] = 0xb8;
    for (int i = 0; i < 4; i++)
        at[1 + i] = (uint8_t)(v >> 8 * i);
    at[5] = 0xc3;
}
NOINLINE static uint32_t call_at(word a) { return ((uint32_t (*)(void))a)(); }

static void t_alias(void)
{
    volatile uint8_t *alias = (volatile uint8_t *)0x1f0000;
    word at = (word)page + 16;

    pt0[0x1f0] = (word)page | 7;
    pt0[0x1f1] = (word)page | 7; /* two more names of the page */
    flush_tlb();
    for (uint32_t i = 0; i < 50; i++) {
        put_mov_ret(alias + 16, i);
        CHECK_EQ(call_at(at), i);
        CHECK_EQ(call_at(0x1f1010), i);
        put_mov_ret((uint8_t *)at, i + 100);
        CHECK_EQ(call_at(0x1f0010), i + 100);
    }
    /* the name moves to another page */
    put_mov_ret(page + 4096 + 16, 777);
    put_mov_ret(page + 16, 5);
    CHECK_EQ(call_at(0x1f0010), 5);
    pt0[0x1f0] = (word)(page + 4096) | 7;
    invlpg((void *)0x1f0000);
    CHECK_EQ(call_at(0x1f0010), 777);
    CHECK_EQ(call_at(0x1f1010), 5);
    /* across the boundary of two pages that are changed one at a time */
    pt0[0x1f0] = (word)page | 7;
    pt0[0x1f1] = (word)(page + 4096) | 7;
    flush_tlb();
    put_mov_ret(page + 4096 - 3, 0x11223344);
    CHECK_EQ(call_at(0x1f1000 - 3), 0x11223344);
    page[4096] = 0x77; /* second byte of the constant's upper half */
    CHECK_EQ(call_at(0x1f1000 - 3), 0x11773344);
    pt0[0x1f1] = (word)page | 7;
    page[0] = 0x99, page[1] = 0x88, page[2] = 0xc3;
    invlpg((void *)0x1f1000);
    CHECK_EQ(call_at(0x1f1000 - 3), 0x88993344);
    pt0[0x1f0] = 0x1f0007;
    pt0[0x1f1] = 0x1f1007;
    flush_tlb();
}

/* The next instruction, one later in the same block, and one that is executing (a REP that overwrites itself). */
static void t_self_modify(void)
{
    uint32_t r, q;
    static uint8_t buf[64];

    for (uint32_t i = 1; i < 20; i++) {
        __asm__ volatile("movl %2, 1f + 1(%%rip)\n1: mov $0, %%eax\nmovb %b2, 2f + 1(%%rip)\nnop\nnop\nmov $0, %%ecx\n2: mov $0, %%cl\nmov %%ecx, %1"
                         : "=&a"(r), "=&r"(q) : "d"(i) : "ecx", "memory");
        CHECK_EQ(r, i);
        CHECK_EQ(q, i);
    }
    /* REP STOSB over the code that follows it, and over itself: it finishes as it began */
    memset(buf, 0x90, sizeof buf);
    buf[0] = 0xf3, buf[1] = 0xaa;            /* rep stosb, over itself and 10 more bytes */
    buf[20] = 0xc3;
    q = 12;
    word di = (word)buf;
    __asm__ volatile("call *%2" : "+c"(q), "+D"(di) : "r"(buf), "a"(0x90) : "memory");
    CHECK_EQ(q, 0);
    CHECK_EQ(buf[0], 0x90);
    CHECK_EQ(buf[11], 0x90);
}

void guest_main(const char *cmdline)
{
    static const TestCase tests[] = {{"SYSCALL and SYSRET", t_syscall}, {"call gates", t_call_gates}, {"far transfers", t_far}, {"IRET", t_iret},
                                     {"double faults and IST", t_double_fault}, {"bases and privilege", t_bases}, {"MONITOR and MWAIT", t_monitor},
                                     {"SMM", t_smm}, {"code and aliases", t_alias}, {"self-modifying code", t_self_modify}};

    run_tests(tests, sizeof tests / sizeof tests[0]);
}
