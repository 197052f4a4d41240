/* apic-64.c - interrupts as system software sees them: local APIC in all its modes, I/O APIC through pc-testdev's
 * lines, NMI blocking, task priority, interrupt shadows, TSC and its deadline, MSRs that must fault.
 * Spec: Intel SDM vol. 3, chapter 11 (APIC), 6.7 (NMI), 18.17 (TSC); vol. 4 (MSRs); 82093AA. */
#include "lib.h"

enum { EN = 1 << 11, EXTD = 1 << 10, BSP = 1 << 8 };
#define BASE 0xfee00000ul

static inline uint64_t rdmsr(uint32_t m) { uint32_t l, h; __asm__ volatile("rdmsr" : "=a"(l), "=d"(h) : "c"(m)); return (uint64_t)h << 32 | l; }
static inline void wrmsr(uint32_t m, uint64_t v) { __asm__ volatile("wrmsr" : : "a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(m) : "memory"); }
static inline word cr8(void) { word v; __asm__ volatile("mov %%cr8, %0" : "=r"(v)); return v; }
static inline void set_cr8(word v) { __asm__ volatile("mov %0, %%cr8" : : "r"(v) : "memory"); }
static uint32_t cpuid(uint32_t leaf, uint32_t sub, int reg)
{
    uint32_t r[4];
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
    return r[reg];
}

static bool x2;
static volatile uint32_t *reg(unsigned r) { return (volatile uint32_t *)(BASE + r); }
static uint32_t apic_read(unsigned r) { return x2 ? (uint32_t)rdmsr(0x800 + r / 16) : *reg(r); }
static void apic_write(unsigned r, uint32_t v)
{
    if (x2)
        wrmsr(0x800 + r / 16, v);
    else
        *reg(r) = v;
}
static void icr(uint32_t dest, uint32_t low)
{
    if (x2) {
        wrmsr(0x830, (uint64_t)dest << 32 | low);
    } else {
        *reg(0x310) = dest << 24;
        *reg(0x300) = low;
    }
}
static void eoi(void) { apic_write(0xb0, 0); }

static uint32_t msr_no;
static uint64_t msr_val;
NOINLINE static void do_wrmsr(void) { wrmsr(msr_no, msr_val); }
NOINLINE static void do_rdmsr(void) { msr_val = rdmsr(msr_no); }
static int try_wrmsr(uint32_t m, uint64_t v) { msr_no = m; msr_val = v; return catching(do_wrmsr); }
static int try_rdmsr(uint32_t m) { msr_no = m; return catching(do_rdmsr); }

static volatile int got[48];
static int order[16];
static volatile unsigned orders;
static void count_irq(Frame *f)
{
    got[f->vector]++;
    if (orders < 16)
        order[orders++] = (int)f->vector;
    eoi();
}
static void begin(void)
{
    on_irq = count_irq;
    memset((void *)got, 0, sizeof got);
    orders = 0;
}
#define WINDOW() __asm__ volatile("sti; nop; cli" : : : "memory")

static void reset_apic(void)
{
    wrmsr(0x1b, BASE | BSP);
    wrmsr(0x1b, BASE | BSP | EN);
    x2 = false;
    apic_write(0xf0, 0x1ff);
}
static void enable_x2(void)
{
    wrmsr(0x1b, BASE | BSP | EN);
    wrmsr(0x1b, BASE | BSP | EN | EXTD);
    x2 = true;
    apic_write(0xf0, 0x1ff);
}

/* --- modes --- */

static void check_mmio_off(void)
{
    word t = cr8();

    memset((void *)BASE, 0xff, 4096);
    CHECK_EQ(*reg(0x30), 0xffffffff);
    CHECK_EQ(cr8(), t);
    set_cr8(t ^ 15);
    CHECK_EQ(cr8(), t ^ 15);
    CHECK_EQ(*reg(0x80), 0xffffffff);
    set_cr8(t);
}

static void t_disable(void)
{
    uint32_t version = apic_read(0x30);

    CHECK((version & 0xff) >= 0x10 && (version & 0xff) <= 0x15);
    CHECK(cpuid(1, 0, 3) & 1 << 9);
    wrmsr(0x1b, BASE | BSP);
    CHECK_EQ(rdmsr(0x1b) & EN, 0);
    CHECK_EQ(cpuid(1, 0, 3) & 1 << 9, 0); /* CPUID tells */
    check_mmio_off();
    reset_apic();
    CHECK_EQ(rdmsr(0x1b) & (EN | EXTD), EN);
    CHECK(cpuid(1, 0, 3) & 1 << 9);
    CHECK_EQ(*reg(0x30), version);
    set_cr8(9);
    CHECK_EQ(*reg(0x80), 0x90);
    *reg(0x80) = 0x57;
    CHECK_EQ(cr8(), 5);
    set_cr8(0);
    CHECK(cpuid(1, 0, 2) & 1 << 21);
    enable_x2();
    CHECK_EQ(rdmsr(0x1b) & (EN | EXTD), EN | EXTD);
    check_mmio_off();
    reset_apic();
}

static void t_mode_changes(void)
{
    word bits = cpuid(0x80000008, 0, 0) & 0xff;

    enable_x2();
    CHECK_EQ(try_wrmsr(0x1b, BASE | BSP | EXTD), 13);       /* invalid */
    CHECK_EQ(try_wrmsr(0x1b, BASE | BSP | EN), 13);         /* x2APIC to xAPIC */
    CHECK_EQ(try_wrmsr(0x1b, BASE | BSP), -1);              /* to disabled */
    CHECK_EQ(try_wrmsr(0x1b, BASE | BSP | EXTD), 13);
    CHECK_EQ(try_wrmsr(0x1b, BASE | BSP | EN | EXTD), 13);  /* not straight from disabled */
    CHECK_EQ(try_wrmsr(0x1b, BASE | BSP | EN), -1);
    CHECK_EQ(try_wrmsr(0x1b, BASE | BSP | EXTD), 13);
    reset_apic();
    CHECK_EQ(try_wrmsr(0x1b, BASE | BSP | EN | 1), 13);
    CHECK_EQ(try_wrmsr(0x1b, BASE | BSP | EN | 1ul << bits), 13);
    CHECK_EQ(try_rdmsr(0x802), 13); /* x2APIC registers in xAPIC mode */
    CHECK_EQ(try_wrmsr(0x80b, 0), 13);
    wrmsr(0x1b, BASE | BSP);
    wrmsr(0x1b, 0xfed40000 | BSP | EN); /* elsewhere */
    CHECK_EQ(*(volatile uint32_t *)0xfed40030 & 0xff, 0x14);
    reset_apic();
}

static void t_x2apic_registers(void)
{
    enable_x2();
    CHECK_EQ(rdmsr(0x802), cpuid(0xb, 0, 3));
    CHECK_EQ(try_wrmsr(0x802, 5), 13);           /* the ID is read-only */
    CHECK_EQ(try_wrmsr(0x803, 0), 13);           /* so is the version */
    CHECK_EQ(try_wrmsr(0x80d, 0), 13);           /* LDR */
    CHECK_EQ(try_rdmsr(0x80b), 13);              /* EOI is write-only */
    CHECK_EQ(try_wrmsr(0x80b, 1), 13);           /* and takes 0 only */
    CHECK_EQ(try_rdmsr(0x80e), 13);              /* no DFR */
    CHECK_EQ(try_wrmsr(0x831, 0), 13);           /* no second half of ICR */
    CHECK_EQ(try_wrmsr(0x808, 0x100), 13);       /* reserved bits */
    CHECK_EQ(try_wrmsr(0x80f, 1ull << 32), 13);
    CHECK_EQ(try_rdmsr(0x83f), 13);              /* self IPI is write-only */
    CHECK_EQ(rdmsr(0x80d), (rdmsr(0x802) >> 4 << 16) | 1u << (rdmsr(0x802) & 15));
    begin();
    wrmsr(0x83f, 0x2a);
    WINDOW();
    CHECK_EQ(got[0x2a], 1);
    icr(0xffffffff, 0x2b); /* broadcast */
    WINDOW();
    CHECK_EQ(got[0x2b], 1);
    icr((uint32_t)rdmsr(0x80d), 0x800 | 0x2c); /* logical */
    WINDOW();
    CHECK_EQ(got[0x2c], 1);
    icr((uint32_t)rdmsr(0x802), 0x2d);
    WINDOW();
    CHECK_EQ(got[0x2d], 1);
    reset_apic();
}

static void t_xapic_ipi(void)
{
    begin();
    icr(0xff, 0x4000 | 0x2b);
    WINDOW();
    CHECK_EQ(got[0x2b], 1);
    icr(0, 0x80000 | 0x2c); /* all, shorthand */
    WINDOW();
    CHECK_EQ(got[0x2c], 1);
    icr(0, 0xc0000 | 0x2d); /* all but self: nobody */
    WINDOW();
    CHECK_EQ(got[0x2d], 0);
    *reg(0xd0) = 1u << 24;
    *reg(0xe0) = 0xffffffff; /* flat */
    icr(1, 0x800 | 0x2d);
    WINDOW();
    CHECK_EQ(got[0x2d], 1);
    icr(2, 0x800 | 0x2d);
    WINDOW();
    CHECK_EQ(got[0x2d], 1);
    /* priority, and the class in service blocks */
    begin();
    icr(0, 0x40000 | 0x21);
    icr(0, 0x40000 | 0x2e);
    icr(0, 0x40000 | 0x2f);
    __asm__ volatile("sti; nop; nop; nop; nop; cli" : : : "memory");
    CHECK_EQ(orders, 3);
    CHECK_EQ(order[0], 0x2f);
    CHECK_EQ(order[1], 0x2e);
    CHECK_EQ(order[2], 0x21);
    /* TPR */
    begin();
    set_cr8(2);
    icr(0, 0x40000 | 0x21);
    WINDOW();
    CHECK_EQ(got[0x21], 0);
    CHECK_EQ(*reg(0xa0), 0x20);
    CHECK_EQ(*reg(0x210), 1u << 1);  /* IRR */
    __asm__ volatile("sti");
    set_cr8(0);
    __asm__ volatile("nop; cli");
    CHECK_EQ(got[0x21], 1);
    /* an illegal vector is an error */
    *reg(0x280) = 0;
    *reg(0x280) = 0;
    icr(0, 0x40000 | 0x05);
    *reg(0x280) = 0;
    CHECK(*reg(0x280) & 0x20);
    /* software disable sets the mask of every LVT */
    *reg(0x350) = 0x700;
    *reg(0xf0) = 0xff;
    CHECK(*reg(0x350) & 0x10000);
    *reg(0x350) = 0x700;
    CHECK(*reg(0x350) & 0x10000);
    *reg(0xf0) = 0x1ff;
}

/* --- timer --- */

static void t_timer(void)
{
    uint32_t n = 0x999999, c;

    begin();
    apic_write(0x3e0, 0x8); /* by 32: a period of 320 ms, which a busy host does not miss */
    apic_write(0x320, 0x1002a);
    apic_write(0x380, n);
    apic_write(0x320, 0x3002a); /* periodic, masked */
    CHECK_EQ(apic_read(0x380), n);
    apic_write(0x320, 0x1002a);
    apic_write(0x380, n);
    CHECK(apic_read(0x390) != 0);
    while (apic_read(0x390))
        ;
    CHECK_EQ(apic_read(0x390), 0);
    apic_write(0x380, n);
    while (apic_read(0x390) > n / 2)
        ;
    apic_write(0x320, 0x3002a); /* goes on counting where it was */
    c = apic_read(0x390);
    CHECK(c && c <= n / 2);
    while (apic_read(0x390) <= n / 2)
        ; /* it wraps */
    CHECK(apic_read(0x390) > n / 2);
    while (apic_read(0x390) > n / 2)
        ;
    apic_write(0x320, 0x1002a);
    CHECK(apic_read(0x390) <= n / 2);
    while (apic_read(0x390))
        ;
    apic_write(0x320, 0x3002a); /* a count that ran out stays */
    CHECK_EQ(apic_read(0x390), 0);
    apic_write(0x380, 0);
    apic_write(0x320, 0x2a);
    apic_write(0x380, 1000);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    CHECK_EQ(got[0x2a], 1);
    apic_write(0x320, 0x10000);
    apic_write(0x380, 0);
}

static void t_tsc_deadline(void)
{
    CHECK(cpuid(1, 0, 2) & 1 << 24);
    for (int i = 0; i < 2; i++) {
        begin();
        apic_write(0x320, 0x4002b);
        __asm__ volatile("sti");
        wrmsr(0x6e0, rdmsr(0x10)); /* due at once */
        __asm__ volatile("nop" : : : "memory");
        __asm__ volatile("cli");
        CHECK_EQ(got[0x2b], 1);
        CHECK_EQ(rdmsr(0x6e0), 0);
        wrmsr(0x6e0, rdtsc() + 50000000); /* far enough for a host that does not run us at once */
        CHECK(rdmsr(0x6e0) != 0 || got[0x2b] != 1);
        __asm__ volatile("sti; hlt; cli" : : : "memory");
        CHECK_EQ(got[0x2b], 2);
        wrmsr(0x6e0, rdtsc() + 1000000000000);
        wrmsr(0x6e0, 0); /* disarmed */
        CHECK_EQ(rdmsr(0x6e0), 0);
        apic_write(0x320, 0x1002b); /* in another mode it reads 0 and is not to be written */
        wrmsr(0x6e0, 123456789);
        CHECK_EQ(rdmsr(0x6e0), 0);
        if (!x2)
            enable_x2();
    }
    reset_apic();
}

static void t_tsc(void)
{
    uint64_t t1, t2, adj = 100000000000ull;

    wrmsr(0x3b, 0);
    t1 = rdtsc();
    wrmsr(0x3b, adj);
    t2 = rdtsc();
    CHECK_EQ(rdmsr(0x3b), adj);
    CHECK(t2 - t1 >= adj);
    wrmsr(0x3b, 0);
    CHECK(rdtsc() < t2);
    t1 = rdtsc();
    wrmsr(0x10, adj * 2);
    t2 = rdtsc();
    CHECK(t2 >= adj * 2 && t2 < adj * 3);
    CHECK(t1 <= adj * 2 - rdmsr(0x3b));
    wrmsr(0x3b, 0);
    for (unsigned i = 0, back = 0; i < 100000 && !back; i++) { /* one clock, whichever instruction reads it */
        t1 = rdtsc();
        t2 = rdmsr(0x10);
        back = t2 < t1 || rdtsc() < t2;
        CHECK_EQ(back, 0);
    }
    wrmsr(0xc0000103, 0x12345678);
    __asm__ volatile("rdtscp" : "=c"(t1) : : "rax", "rdx");
    CHECK_EQ(t1, 0x12345678);
    CHECK_EQ(rdmsr(0xc0000103), 0x12345678);
}

/* --- I/O APIC --- */

static void redir(unsigned line, uint32_t low)
{
    *(volatile uint32_t *)0xfec00000 = 0x11 + 2 * line;
    *(volatile uint32_t *)0xfec00010 = 0;
    *(volatile uint32_t *)0xfec00000 = 0x10 + 2 * line;
    *(volatile uint32_t *)0xfec00010 = low;
}
static uint32_t redir_low(unsigned line)
{
    *(volatile uint32_t *)0xfec00000 = 0x10 + 2 * line;
    return *(volatile uint32_t *)0xfec00010;
}
static void line(unsigned n, int level) { outb((uint16_t)(0x2000 + n), (uint8_t)level); }
static void pulse(unsigned n) { line(n, 1), line(n, 0); }

static unsigned level_line;
static void lower_on_second(Frame *f)
{
    if (++got[f->vector] == 2)
        line(level_line, 0);
    eoi();
}

static void t_ioapic(void)
{
    begin();
    redir(0xe, 0x2c);
    pulse(0xe);
    WINDOW();
    CHECK_EQ(got[0x2c], 1);
    redir(0xf, 0x22);
    pulse(0xf);
    pulse(0xe);
    orders = 0;
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    CHECK_EQ(orders, 2);
    CHECK_EQ(order[0], 0x2c);
    CHECK_EQ(order[1], 0x22);
    redir(0xe, 0x10000);
    redir(0xf, 0x10000);
    /* a pin without an ISA line, by level: comes again until lowered */
    begin();
    on_irq = lower_on_second;
    level_line = 21;
    redir(21, 0x8000 | 0x2d);
    line(21, 1);
    __asm__ volatile("sti; nop; nop; nop; cli" : : : "memory");
    CHECK_EQ(got[0x2d], 2);
    CHECK_EQ(redir_low(21) & 0x4000, 0); /* remote IRR clear after the last EOI */
    /* masked while raised: the interrupt comes with the unmasking, by level */
    begin();
    on_irq = lower_on_second;
    redir(21, 0x18000 | 0x2d);
    line(21, 1);
    WINDOW();
    CHECK_EQ(got[0x2d], 0);
    redir(21, 0x8000 | 0x2d);
    __asm__ volatile("sti; nop; nop; nop; cli" : : : "memory");
    CHECK_EQ(got[0x2d], 2);
    redir(21, 0x10000);
    line(21, 0);
    /* an edge while masked is lost */
    redir(20, 0x1002e);
    pulse(20);
    redir(20, 0x2e);
    WINDOW();
    CHECK_EQ(got[0x2e], 0);
    /* NMI by delivery mode */
    redir(20, 0x10000);
}

/* --- NMI --- */

static volatile int nmis, depth, max_depth, irq_in_nmi;
static word nmi_ip[4];
static bool on_nmi(Frame *f)
{
    if (f->vector != 2)
        return false;
    if (nmis < 4)
        nmi_ip[nmis] = f->ip;
    nmis++;
    if (++depth > max_depth)
        max_depth = depth;
    if (nmis == 1) {
        icr(0, 0x400 | 0x4000); /* pending, blocked until our IRET */
        icr(0, 0x400 | 0x4000); /* merges with the first */
        for (int i = 0; i < 100; i++)
            BARRIER();
    }
    depth--;
    return true;
}

static void t_nmi(void)
{
    word a;

    begin();
    on_exception = on_nmi;
    nmis = depth = max_depth = 0;
    icr(0, 0x400 | 0x4000);
    __asm__ volatile("nop; nop");
    CHECK_EQ(nmis, 2);
    CHECK_EQ(max_depth, 1);
    CHECK_EQ(nmi_ip[0], nmi_ip[1]); /* the second right at the return */
    /* in STI's and MOV SS's shadow: after it */
    nmis = 1;
    __asm__ volatile("mov %%ss, %%ecx\nmov $0x4400, %%eax\nmov %%eax, (%1)\nmov %%ecx, %%ss\nnop\nlea 1f(%%rip), %0\n1:" : "=r"(a) : "r"(reg(0x300)) : "rax", "rcx", "memory");
    CHECK_EQ(nmis, 2);
    /* INT 2 does not block */
    nmis = 0;
    __asm__ volatile("int $2"); /* its handler sends itself an NMI, which comes at once */
    CHECK_EQ(max_depth, 2);
    CHECK(nmis >= 2);
}

/* --- MSRs --- */

static void t_msrs(void)
{
    static const struct { uint32_t msr; uint64_t val; bool canonical; } rw[] = {
        {0x174, 0x1234, false}, {0x175, 0x123456789abc, true}, {0x176, 0x123456789abc, true}, {0x277, 0x07070707, false},
        {0xc0000100, 0x123456789abc, true}, {0xc0000102, 0x123456789abc, true}, {0xc0000082, 0x123456789abc, true},
        {0xc0000083, 0x123456789abc, true}, {0xc0000084, 0xffffffff, false},
    };
    const uint64_t bad = 0xaaaaaaaaaaaaaaaa;
    unsigned banks = rdmsr(0x179) & 0xff;

    for (unsigned i = 0; i < sizeof rw / sizeof rw[0]; i++) {
        uint64_t old = rdmsr(rw[i].msr);
        CHECK_EQ(try_wrmsr(rw[i].msr, rw[i].val), -1);
        CHECK_EQ(rdmsr(rw[i].msr), rw[i].val);
        wrmsr(rw[i].msr, old);
        if (rw[i].canonical)
            CHECK_EQ(try_wrmsr(rw[i].msr, bad), 13);
    }
    CHECK_EQ(try_wrmsr(0x277, 2), 13); /* no such memory type */
    CHECK_EQ(try_wrmsr(0xc0000080, 0), 13); /* LME while paging is on */
    CHECK(banks >= 1);
    for (unsigned b = 0; b < banks; b++) {
        CHECK_EQ(try_wrmsr(0x400 + 4 * b, 0), -1);
        CHECK_EQ(try_wrmsr(0x400 + 4 * b, ~0ull), -1);
        CHECK_EQ(rdmsr(0x400 + 4 * b), ~0ull);
        CHECK_EQ(try_wrmsr(0x400 + 4 * b, bad), 13);
        CHECK_EQ(try_wrmsr(0x401 + 4 * b, 0), -1);
        CHECK_EQ(try_wrmsr(0x401 + 4 * b, 1), 13);
        CHECK_EQ(try_wrmsr(0x402 + 4 * b, bad), -1);
        CHECK_EQ(rdmsr(0x402 + 4 * b), bad);
        CHECK_EQ(try_wrmsr(0x403 + 4 * b, bad), -1);
        CHECK_EQ(rdmsr(0x403 + 4 * b), bad);
    }
    for (unsigned b = banks; b < 32; b++) {
        CHECK_EQ(try_rdmsr(0x400 + 4 * b), 13);
        CHECK_EQ(try_wrmsr(0x403 + 4 * b, 0), 13);
    }
    CHECK_EQ(try_wrmsr(0x179, 0), 13); /* MCG_CAP */
    CHECK_EQ(rdmsr(0x17a), 0);
    CHECK_EQ(rdmsr(0x1b) & (EN | BSP), EN | BSP);
    CHECK_EQ(run_user(do_rdmsr, 3), 13);
}

static uint64_t xcr_val;
static uint32_t xcr_no;
NOINLINE static void do_xsetbv(void) { __asm__ volatile("xsetbv" : : "a"((uint32_t)xcr_val), "d"((uint32_t)(xcr_val >> 32)), "c"(xcr_no)); }
NOINLINE static void do_xgetbv(void) { __asm__ volatile("xgetbv" : : "c"((word)xcr_no | 1ul << 35) : "rax", "rdx"); }
static int try_xsetbv(uint32_t n, uint64_t v) { xcr_no = n; xcr_val = v; return catching(do_xsetbv); }

static void t_xcr0(void)
{
    word t;

    __asm__ volatile("mov %%cr4, %0; or $0x600, %0; btr $18, %0; mov %0, %%cr4" : "=r"(t));
    if (!(cpuid(1, 0, 2) & 1 << 26))
        return;
    CHECK_EQ(cpuid(1, 0, 2) & 1 << 27, 0);
    CHECK_EQ(try_xsetbv(0, 3), 6);
    __asm__ volatile("mov %%cr4, %0; bts $18, %0; mov %0, %%cr4" : "=r"(t));
    CHECK_EQ(cpuid(1, 0, 2) & 1 << 27, 1 << 27);
    CHECK_EQ(try_xsetbv(0, 1), -1);
    CHECK_EQ(try_xsetbv(0, 3), -1);
    CHECK_EQ(try_xsetbv(0, 0), 13);
    CHECK_EQ(try_xsetbv(0, 2), 13);
    CHECK_EQ(try_xsetbv(0, 5), 13);
    CHECK_EQ(try_xsetbv(0, 1ull << 63 | 3), 13);
    for (unsigned i = 1; i < 32; i++) {
        CHECK_EQ(try_xsetbv(i, 3), 13);
        CHECK_EQ(try_xsetbv(1u << i, 3), 13);
        xcr_no = i + 1;
        CHECK_EQ(catching(do_xgetbv), 13);
    }
    xcr_no = 0;
    CHECK_EQ(catching(do_xgetbv), -1); /* ECX only */
    CHECK_EQ(run_user(do_xsetbv, 0), 13);
    /* EBX of leaf 0Dh follows XCR0 */
    CHECK_EQ(try_xsetbv(0, 3), -1);
    CHECK_EQ(cpuid(0xd, 0, 1), 512 + 64);
    if (cpuid(0xd, 0, 0) & 4) {
        CHECK_EQ(try_xsetbv(0, 7), -1);
        CHECK_EQ(cpuid(0xd, 0, 1), cpuid(0xd, 2, 1) + cpuid(0xd, 2, 0));
    }
}

NOINLINE static void u_smsw(void) { __asm__ volatile("smsw %%eax" : : : "rax"); }
NOINLINE static void u_sldt(void) { __asm__ volatile("sldt %%eax" : : : "rax"); }
NOINLINE static void u_str(void) { __asm__ volatile("str %%eax" : : : "rax"); }
NOINLINE static void u_sgdt(void) { uint8_t b[10]; __asm__ volatile("sgdt %0" : "=m"(b)); }
NOINLINE static void u_sidt(void) { uint8_t b[10]; __asm__ volatile("sidt %0" : "=m"(b)); }

static void t_umip(void)
{
    static void (*const fns[])(void) = {u_smsw, u_sldt, u_str, u_sgdt, u_sidt};
    word t;

    if (!(cpuid(7, 0, 2) & 4))
        return;
    for (int on = 0; on < 2; on++) {
        for (int i = 0; i < 5; i++) {
            CHECK_EQ(run_user(fns[i], 0), 13);
            if (on)
                CHECK(exc.ip != (word)user_return);
            else
                CHECK_EQ(exc.ip, (word)user_return);
            CHECK_EQ(catching(fns[i]), -1);
        }
        __asm__ volatile("mov %%cr4, %0; xor $0x800, %0; mov %0, %%cr4" : "=r"(t));
    }
}

/* STI; HLT with an interrupt pending never sleeps; POPF that sets IF has no shadow; STI with IF set neither. */
static void t_shadows(void)
{
    begin();
    icr(0, 0x40000 | 0x21);
    __asm__ volatile("sti; cli" : : : "memory");
    CHECK_EQ(got[0x21], 0);
    __asm__ volatile("pushfq; orl $0x200, (%%rsp); popfq; cli" : : : "memory", "cc");
    CHECK_EQ(got[0x21], 1);
    __asm__ volatile("mov %%ss, %%eax; sti; mov %%eax, %%ss; nop; cli" : : : "rax", "memory");
    icr(0, 0x40000 | 0x21);
    __asm__ volatile("sti; sti; cli" : : : "memory"); /* the second STI finds IF set: no shadow of its own */
    CHECK_EQ(got[0x21], 2);
    icr(0, 0x40000 | 0x21);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    CHECK_EQ(got[0x21], 3);
    icr(0, 0x40000 | 0x21);
    __asm__ volatile("mov %%ss, %%eax; pushfq; orl $0x200, (%%rsp); mov %%eax, %%ss; popfq; cli" : : : "rax", "memory", "cc");
    CHECK_EQ(got[0x21], 4);
}

void guest_main(const char *cmdline)
{
    static const TestCase tests[] = {{"APIC off and on", t_disable}, {"changes of mode", t_mode_changes},
        {"x2APIC registers", t_x2apic_registers}, {"IPIs, priorities, TPR", t_xapic_ipi}, {"timer", t_timer},
        {"TSC deadline", t_tsc_deadline}, {"TSC and TSC_ADJUST", t_tsc}, {"I/O APIC", t_ioapic}, {"NMI", t_nmi},
        {"interrupt shadows", t_shadows}, {"MSRs", t_msrs}, {"XCR0", t_xcr0}, {"UMIP", t_umip}};

    reset_apic();
    run_tests(tests, sizeof tests / sizeof tests[0]);
}
