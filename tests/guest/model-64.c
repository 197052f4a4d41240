/* model-64.c - what depends on the CPU model or its vendor: UMIP, CR8 by LOCK MOV CR0, CLZERO, FFXSR, MXCSR.MM, SYSRET to an
 * address that is not canonical; faults of near branches at the end of the lower half; IRET that faults and NMIs.
 * Spec: Intel SDM vol. 3, 2.5 (UMIP), 6.7.1 (NMI); vol. 2 (LOOP, CALL); AMD APM vol. 3 (CLZERO, MOV CRn, SYSRET),
 * vol. 2, 3.1.7 (FFXSR), vol. 1, 4.2.2 (MXCSR.MM). */
#include "lib.h"

static inline uint64_t rdmsr(uint32_t m) { uint32_t l, h; __asm__ volatile("rdmsr" : "=a"(l), "=d"(h) : "c"(m)); return (uint64_t)h << 32 | l; }
static inline void wrmsr(uint32_t m, uint64_t v) { __asm__ volatile("wrmsr" : : "a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(m) : "memory"); }
static inline void cpuid(uint32_t leaf, uint32_t *r)
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}
static inline void set_cr4(word set, word clear)
{
    word v;
    __asm__ volatile("mov %%cr4, %0" : "=r"(v));
    __asm__ volatile("mov %0, %%cr4" : : "r"((v | set) & ~clear));
}
enum { UMIP = 1 << 11, OSFXSR = 1 << 9, OSXMMEXCPT = 1 << 10 };

static bool is_amd;
static uint32_t ext1[4], ext8[4], leaf7[4];
static uint8_t buf[1024] __attribute__((aligned(64)));
static word arg;

static void ask(void)
{
    uint32_t r[4];

    cpuid(0, r);
    is_amd = r[1] == 0x68747541; /* Auth */
    cpuid(7, leaf7);
    cpuid(0x80000001, ext1);
    cpuid(0x80000008, ext8);
}

/* --- UMIP --- */

NOINLINE static void do_sgdt(void) { __asm__ volatile("sgdt %0" : "=m"(buf)); }
NOINLINE static void do_sidt(void) { __asm__ volatile("sidt %0" : "=m"(buf)); }
NOINLINE static void do_sldt(void) { __asm__ volatile("sldt %0" : "=r"(arg)); }
NOINLINE static void do_str(void) { __asm__ volatile("str %0" : "=r"(arg)); }
NOINLINE static void do_smsw(void) { __asm__ volatile("smsw %0" : "=r"(arg)); }
NOINLINE static void do_smsw_mem(void) { __asm__ volatile("smsw %0" : "=m"(buf)); }

static void t_umip(void)
{
    static void (*const fn[])(void) = {do_sgdt, do_sidt, do_sldt, do_str, do_smsw, do_smsw_mem};
    bool has = leaf7[2] & 4;

    for (unsigned i = 0; i < 6; i++) {
        CHECK_EQ(run_user(fn[i], 0), 13); /* the HLT behind it */
        CHECK_EQ(exc.ip, (word)user_return);
        CHECK_EQ(catching(fn[i]), -1);
    }
    if (!has)
        return;
    set_cr4(UMIP, 0);
    for (unsigned i = 0; i < 6; i++) {
        CHECK_EQ(run_user(fn[i], 3), 13);
        CHECK(exc.ip != (word)user_return);
        CHECK_EQ(exc.error, 0);
        CHECK_EQ(catching(fn[i]), -1); /* ring 0 may */
    }
    set_cr4(0, UMIP);
}

/* --- AMD's --- */

NOINLINE static void cr8_by_lock(void)
{
    __asm__ volatile(".byte 0xf0\nmov %1, %%cr0\nmov %%cr8, %0" : "=r"(arg) : "r"(5ul));
}
NOINLINE static void cr8_read(void) { __asm__ volatile(".byte 0xf0\nmov %%cr0, %0" : "=r"(arg)); }
NOINLINE static void do_clzero(void) { __asm__ volatile(".byte 0x0f, 0x01, 0xfc" : : "a"(arg) : "memory"); }

static void t_amd(void)
{
    if (ext1[2] & 1 << 4) {
        CHECK_EQ(catching(cr8_by_lock), -1);
        CHECK_EQ(arg, 5);
        arg = 0;
        CHECK_EQ(catching(cr8_read), -1);
        CHECK_EQ(arg, 5);
        __asm__ volatile("mov %0, %%cr8" : : "r"(0ul));
    } else {
        CHECK_EQ(catching(cr8_by_lock), 6);
        CHECK_EQ(catching(cr8_read), 6);
    }
    memset(buf, 0x55, sizeof buf);
    arg = (word)buf + 64 + 7;
    if (ext8[1] & 1) {
        CHECK_EQ(catching(do_clzero), -1);
        for (unsigned i = 0; i < 256; i++)
            if (buf[i] != (i / 64 == 1 ? 0 : 0x55))
                CHECK_EQ(i, 0x10000);
        pt0[0x1f0] = 0x1f0005; /* read-only */
        flush_tlb();
        arg = 0x1f0033;
        CHECK_EQ(catching(do_clzero), 14);
        CHECK_EQ(exc.error, 3);
        pt0[0x1f0] = 0x1f0007;
        flush_tlb();
    } else {
        CHECK_EQ(catching(do_clzero), 6);
    }
}

NOINLINE static void fxsave_xmm(void)
{
    __asm__ volatile("movq %1, %%xmm0\nfxsave %0" : "=m"(buf) : "r"(0x1122334455667788) : "memory");
}
NOINLINE static void fxsave_user(void) { __asm__ volatile("fxsave %0" : "=m"(buf)); }
NOINLINE static void ldmxcsr(void) { uint32_t v = arg; __asm__ volatile("ldmxcsr %0" : : "m"(v)); }
NOINLINE static void misaligned_add(void) { __asm__ volatile("paddb %0, %%xmm1" : : "m"(buf[1])); }
NOINLINE static void misaligned_mov(void) { __asm__ volatile("movdqa %0, %%xmm1" : : "m"(buf[1])); }
NOINLINE static void ffxsr(void) { wrmsr(0xc0000080, rdmsr(0xc0000080) | 1 << 14); }

static void t_fxsr(void)
{
    bool mm = ext1[2] & 1 << 7;

    set_cr4(OSFXSR | OSXMMEXCPT, 0);
    memset(buf, 0x55, sizeof buf);
    fxsave_xmm();
    CHECK_EQ(*(uint64_t *)(buf + 160), 0x1122334455667788);
    CHECK_EQ(*(uint32_t *)(buf + 28), mm ? 0x2ffff : 0xffff);
    CHECK_EQ(catching(misaligned_add), 13);
    arg = 0x21f80;
    CHECK_EQ(catching(ldmxcsr), mm ? -1 : 13);
    CHECK_EQ(catching(misaligned_add), mm ? -1 : 13);
    CHECK_EQ(catching(misaligned_mov), 13);
    arg = 0x1f80;
    CHECK_EQ(catching(ldmxcsr), -1);
    CHECK_EQ(catching(misaligned_add), 13);
    if (!(ext1[3] & 1 << 25)) {
        CHECK_EQ(catching(ffxsr), 13);
        return;
    }
    CHECK_EQ(catching(ffxsr), -1);
    memset(buf, 0x55, sizeof buf);
    fxsave_xmm();
    CHECK_EQ(*(uint64_t *)(buf + 160), 0x5555555555555555); /* not in ring 0 */
    CHECK_EQ(run_user(fxsave_user, 0), 13);
    CHECK_EQ(*(uint64_t *)(buf + 160), 0x1122334455667788);
    wrmsr(0xc0000080, rdmsr(0xc0000080) & ~(1ul << 14));
}

NOINLINE static void sysret_bad(void)
{
    __asm__ volatile("mov $0x800000000000, %%rcx\nmov $2, %%r11d\nsysretq" : : : "rcx", "r11");
}

static void t_sysret(void)
{
    static void (*nothing)(void) = (void (*)(void))(word)user_return;

    run_user(nothing, 0); /* loads TR */
    gdt[11] = 0x00cffb000000ffff;
    gdt[12] = 0x00cff3000000ffff;
    gdt[13] = 0x00affb000000ffff;
    wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
    wrmsr(0xc0000081, (uint64_t)(0x58 | 3) << 48 | (uint64_t)8 << 32);
    CHECK_EQ(catching(sysret_bad), 13);
    CHECK_EQ(exc.cs & 3, is_amd ? 3 : 0); /* Intel looks at RCX before it leaves ring 0 */
    if (is_amd)
        CHECK_EQ(exc.ip, 0x800000000000);
    CHECK_EQ(exc.error, 0);
}

/* --- the end of the lower half --- */

static word top_tables[3][512] __attribute__((aligned(4096)));
static uint8_t top_page[4096] __attribute__((aligned(4096)));
static uint8_t *const top = (uint8_t *)0x7ffffffff000;
word call_to = 0x800000000000, slot;
static word counter;

NOINLINE static void run_top(void)
{
    __asm__ volatile("mov %0, %%rcx\nxor %%eax, %%eax\njmp *%1" : : "m"(counter), "r"(top + 0xff0) : "rcx", "rax");
}
NOINLINE static void call_bad(void)
{
    __asm__ volatile("lea -8(%%rsp), %%rax\nmov %%rax, slot\nmovq $0x1234, (%%rax)\ncall *call_to" : : : "rax", "memory");
}

static void t_end_of_half(void)
{
    static const uint8_t ops[] = {0xe0 /* LOOPNE */, 0xe2 /* LOOP */};
    word *pml4;

    __asm__ volatile("mov %%cr3, %0" : "=r"(pml4));
    pml4 = (word *)((word)pml4 & ~0xffful);
    top_tables[0][511] = (word)top_tables[1] | 7;
    top_tables[1][511] = (word)top_tables[2] | 7;
    top_tables[2][511] = (word)top_page | 7;
    pml4[255] = (word)top_tables[0] | 7;
    flush_tlb();
    top_page[0xff1] = 0x7f; /* beyond the end */
    top_page[0xff2] = 0x0f;
    top_page[0xff3] = 0x0b; /* UD2 */
    for (unsigned i = 0; i < sizeof ops; i++) {
        top_page[0xff0] = ops[i];
        counter = 5;
        CHECK_EQ(catching(run_top), ops[i] == 0xe2 ? 13 : 6);
        CHECK_EQ(exc.cx, ops[i] == 0xe2 ? 5 : 4);
        CHECK_EQ(exc.ip, (word)top + (ops[i] == 0xe2 ? 0xff0 : 0xff2));
        counter = 1; /* not taken */
        CHECK_EQ(catching(run_top), 6);
        CHECK_EQ(exc.cx, 0);
    }
    top_page[0xff0] = 0xeb; /* JMP */
    CHECK_EQ(catching(run_top), 13);
    CHECK_EQ(exc.ip, (word)top + 0xff0);
    pml4[255] = 0;
    flush_tlb();
}

/* --- NMIs and an IRET that faults --- */

static volatile int nmis;
static int nmis_in_handler;

static void send_nmi(void)
{
    *(volatile uint32_t *)0xfee00310 = *(volatile uint32_t *)0xfee00020;
    *(volatile uint32_t *)0xfee00300 = 0x4400; /* NMI, assert, to itself */
    for (volatile int i = 0; i < 1000; i++)
        ;
}

static bool on_nmi(Frame *f)
{
    if (f->vector != 2)
        return false;
    nmis++;
    if (nmis > 1)
        return true;
    send_nmi(); /* waits: blocked until an IRET */
    nmis_in_handler = nmis;
    return true;
}

static bool on_nmi_fault(Frame *f)
{
    if (f->vector == 2 && nmis++ == 0) {
        send_nmi();
        nmis_in_handler = nmis;
        f->cs = 0x13; /* this handler's IRET faults: data, RPL 3 */
        return true;
    }
    if (f->vector == 13)
        return false; /* the second NMI came before this one's end, or has come at its first instruction */
    return true;
}

static void t_nmi(void)
{
    *(volatile uint32_t *)0xfee000f0 = 0x1ff;
    on_exception = on_nmi;
    nmis = 0;
    send_nmi();
    CHECK_EQ(nmis_in_handler, 1);
    CHECK_EQ(nmis, 2);
    on_exception = on_nmi_fault;
    nmis = 0;
    CHECK_EQ(catching(send_nmi), 13);
    for (volatile int i = 0; i < 1000; i++)
        ;
    CHECK_EQ(nmis_in_handler, 1);
    CHECK_EQ(nmis, 2); /* the IRET that faulted has unblocked it */
    on_exception = NULL;
}

/* --- an indirect CALL that faults --- */

static void t_call(void)
{
    CHECK_EQ(catching(call_bad), 13);
    CHECK_EQ(exc.sp, slot + 8);
}

void guest_main(const char *cmdline)
{
    static const TestCase tests[] = {{"UMIP", t_umip}, {"CR8 and CLZERO", t_amd}, {"FXSAVE and MXCSR.MM", t_fxsr}, {"SYSRET", t_sysret},
                                     {"end of the lower half", t_end_of_half}, {"NMI and IRET", t_nmi}, {"CALL", t_call}};

    ask();
    run_tests(tests, sizeof tests / sizeof tests[0]);
}
