/* debug-64.c - debug exceptions: single step through every kind of instruction, hardware breakpoints on
 * instructions, data and ports, MOV SS's deferral, general detect, ICEBP; each in ring 0, most in ring 3 too.
 * Spec: Intel SDM vol. 3, chapter 18 (debug registers, DR6), 6.8.3 (masking after MOV SS), 6.14. */
#include "lib.h"

enum { BD = 1 << 13, BS = 1 << 14, ACTIVE_LOW = 0xffff0ff0, TF = 0x100, RF = 0x10000 };
enum { MAX = 16 };

static unsigned hits, bps;
static word ip[MAX], dr6[MAX], hit_flags[MAX], hit_cs[MAX], bp_ip;
static bool set_rf, stop_tf;
static uint64_t data[16] __attribute__((aligned(64)));

static bool is_intel(void)
{
    uint32_t a = 0, b, c, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    return b == 0x756e6547; /* "Genu" */
}

static inline word get_dr6(void) { word v; __asm__ volatile("mov %%dr6, %0" : "=r"(v)); return v; }
static inline void set_dr6(word v) { __asm__ volatile("mov %0, %%dr6" : : "r"(v)); }
static inline void set_dr7(word v) { __asm__ volatile("mov %0, %%dr7" : : "r"(v)); }
#define SET_DR(n, a) __asm__ volatile("mov %0, %%dr" #n : : "r"((word)(a)))

static bool record(Frame *f)
{
    if (f->vector == 3) {
        bps++;
        bp_ip = f->ip;
        return true;
    }
    if (f->vector != 1)
        return false;
    if (hits < MAX) {
        ip[hits] = f->ip;
        dr6[hits] = get_dr6();
        hit_flags[hits] = f->flags;
        hit_cs[hits] = f->cs;
    }
    if (++hits >= MAX || stop_tf)
        f->flags &= ~(word)TF;
    if (set_rf)
        f->flags |= RF;
    return true;
}

static void begin(void)
{
    on_exception = record;
    hits = bps = 0;
    set_rf = stop_tf = false;
    set_dr6(0);
}

/* --- sequences: start to end, in ring 0 and ring 3 --- */

#define TF_ON "pushfq\norl $0x100, (%rsp)\npopfq\n"
#define TF_OFF "pushfq\nandl $~0x100, (%rsp)\npopfq\n"
#define SEQ(name, text) \
    extern char name[]; \
    __asm__(".text\n" #name ":\npush %rbx\n" text "pop %rbx\nret\n");

extern word user_stack_top;
SEQ(seq_basic, TF_ON "nop\nb1: pushfq\nb2: andl $~0x100, (%rsp)\nb3: popfq\nb4: nop\n")
SEQ(seq_exits, TF_ON "xor %eax, %eax\ne1: cpuid\ne2: mov $0x3fd, %edx\ne3: in %dx, %al\ne4: pushfq\ne5: andl $~0x100, (%rsp)\n"
    "e6: popfq\ne7:\n")
SEQ(seq_sti, "cli\n" TF_ON "sti\ns1: pushfq\ns2: andl $~0x100, (%rsp)\ns3: popfq\ns4:\n")
SEQ(seq_movss, "mov %ss, %ebx\n" TF_ON "mov %ebx, %ss\nnop\nm1: pushfq\nm2: andl $~0x100, (%rsp)\nm3: popfq\nm4:\n")
SEQ(seq_movss_twice, "mov %ss, %ebx\n" TF_ON "mov %ebx, %ss\nmov %ebx, %ss\nmm1: nop\nmm2: " TF_OFF "mm3:\n")
SEQ(seq_icebp, "mov %ss, %ebx\n" TF_ON "mov %ebx, %ss\n.byte 0xf1\ni1: .byte 0xf1\ni2: pushfq\ni3: andl $~0x100, (%rsp)\n"
    "i4: popfq\ni5:\n")
SEQ(seq_rep, "lea data(%rip), %rdi\nmov %rdi, %rsi\nmov $3, %ecx\n" TF_ON "r0: rep movsb\nr1: pushfq\nr2: andl $~0x100, (%rsp)\n"
    "r3: popfq\nr4:\n")
SEQ(seq_rep_zero, "xor %ecx, %ecx\n" TF_ON "rep stosb\nz1: pushfq\nz2: andl $~0x100, (%rsp)\nz3: popfq\nz4:\n")
SEQ(seq_branches, TF_ON "jmp j1\nnop\nj1: call j2\nnop\nj2: pop %rax\nj3: xor %eax, %eax\nj4: jz j5\nnop\nj5: pushfq\n"
    "j6: andl $~0x100, (%rsp)\nj7: popfq\nj8:\n")
SEQ(seq_int3, TF_ON "int3\nt1: pushfq\nt2: andl $~0x100, (%rsp)\nt3: popfq\nt4:\n")
SEQ(seq_fp, TF_ON "fnop\nf1: xorps %xmm0, %xmm0\nf2: pushfq\nf3: andl $~0x100, (%rsp)\nf4: popfq\nf5:\n")
SEQ(seq_iret, TF_ON "mov %rsp, %rax\nir1: mov %cs, %ebx\nir2: push $0\nir3: mov %ss, (%rsp)\nir4: push %rax\nir5: pushfq\n"
    "ir6: andl $~0x100, (%rsp)\nir7: push %rbx\nir8: push $ir10\nir9: iretq\nir10: nop\n")
__asm__(".data\n.globl data\n.text\n");

#define L(x) extern char x[];
L(b1) L(b2) L(b3) L(b4) L(e1) L(e2) L(e3) L(e4) L(e5) L(e6) L(e7) L(s1) L(s2) L(s3) L(s4) L(m1) L(m2) L(m3) L(m4)
L(mm1) L(mm2) L(i1) L(i2) L(i3) L(i4) L(i5) L(r0) L(r1) L(r2) L(r3) L(r4) L(z1) L(z2) L(z3) L(z4) L(j1) L(j2) L(j3) L(j4)
L(j5) L(j6) L(j7) L(j8) L(t1) L(t2) L(t3) L(t4) L(f1) L(f2) L(f3) L(f4) L(f5) L(ir1) L(ir2) L(ir3) L(ir4) L(ir5) L(ir6) L(ir7)
L(ir8) L(ir9) L(ir10)

static void expect_hits(const char *name, int line, char *const *want, const uint16_t *want6, unsigned n)
{
    check_that(hits == n, name, line, hits, n);
    for (unsigned i = 0; i < n && i < hits; i++) {
        word d = ACTIVE_LOW | (want6 ? want6[i] : BS);
        check_that(ip[i] == (word)want[i], name, line, ip[i], (word)want[i]);
        check_that(dr6[i] == d, name, line, dr6[i], d);
        check_that(hit_cs[i] == hit_cs[0] && (hit_flags[i] & 0x10002) == 2, name, line, hit_flags[i], i);
    }
}

static void step_both(const char *name, int line, void *seq, char *const *want, const uint16_t *want6, unsigned n)
{
    begin();
    ((void (*)(void))seq)();
    expect_hits(name, line, want, want6, n);
    begin();
    CHECK_EQ(run_user((void (*)(void))seq, 3), 13);
    expect_hits(name, line, want, want6, n);
    check_that(hits == 0 || (hit_cs[0] & 3) == 3, name, line, hit_cs[0], 3);
    on_exception = NULL;
}
#define STEPS(seq, ...) do { static char *const w[] = {__VA_ARGS__}; step_both(#seq, __LINE__, seq, w, NULL, sizeof w / sizeof w[0]); } while (0)

static void t_single_step(void)
{
    static char *const ice[] = {i1, i2, i3, i4, i5};
    static const uint16_t ice6[] = {0, 0 /* BS stays clear: no TF trap by ICEBP */, BS, BS, BS};

    STEPS(seq_basic, b1, b2, b3, b4);
    STEPS(seq_exits, e1, e2, e3, e4, e5, e6, e7);
    STEPS(seq_sti, s1, s2, s3, s4);
    STEPS(seq_movss, m1, m2, m3, m4);
    STEPS(seq_rep, r0, r0, r1, r2, r3, r4);
    STEPS(seq_rep_zero, z1, z2, z3, z4);
    STEPS(seq_branches, j1, j2, j3, j4, j5, j6, j7, j8);
    STEPS(seq_int3, t2, t3, t4); /* INT3 itself does not trap; its handler's IRET sets TF anew */
    STEPS(seq_fp, f1, f2, f3, f4, f5);
    STEPS(seq_iret, ir1, ir2, ir3, ir4, ir5, ir6, ir7, ir8, ir9, ir10);
    step_both("icebp", __LINE__, seq_icebp, ice, ice6, 5);
    __asm__ volatile("cli");
}

/* HLT under TF: the trap ends the halt at once. */
static void t_step_hlt(void)
{
    word a, b;

    begin();
    __asm__ volatile("pushfq\norl $0x100, (%%rsp)\npopfq\nhlt\n1: pushfq\nandl $~0x100, (%%rsp)\n2: popfq\nlea 1b(%%rip), %0\nlea 2b(%%rip), %1"
                     : "=r"(a), "=r"(b) : : "memory", "cc");
    CHECK_EQ(hits, 4);
    CHECK_EQ(ip[0], a);
    CHECK_EQ(ip[2], b);
}

static void t_movss_gd(void)
{
    word a;

    begin();
    set_dr7(0x400 | 1 << 13);
    __asm__ volatile("mov %%ss, %%edx\nxor %%ecx, %%ecx\npushfq\norl $0x100, (%%rsp)\npopfq\nmov %%edx, %%ss\n1: mov %%rcx, %%dr6\n"
                     "pushfq\nandl $~0x100, (%%rsp)\npopfq\nlea 1b(%%rip), %0" : "=r"(a) : : "rcx", "rdx", "memory", "cc");
    CHECK_EQ(hits, 5);
    CHECK_EQ(ip[0], a); /* a fault: MOV DR did not happen */
    CHECK_EQ(dr6[0], ACTIVE_LOW | BD);
    CHECK_EQ(ip[1], a + 3); /* the handler's MOV DR was allowed: GD is clear by then */
    CHECK_EQ(dr6[1], ACTIVE_LOW | BS);
}

static word dr_read;
NOINLINE static void read_dr4(void) { __asm__ volatile("mov %%dr4, %0" : "=r"(dr_read)); }
NOINLINE static void write_dr5(void) { __asm__ volatile("mov %0, %%dr5" : : "r"(0x400ul)); }
NOINLINE static void write_dr6_high(void) { __asm__ volatile("mov %0, %%dr6" : : "r"(1ul << 32)); }
NOINLINE static void write_dr7_high(void) { __asm__ volatile("mov %0, %%dr7" : : "r"(1ul << 32)); }
NOINLINE static void read_dr0(void) { __asm__ volatile("mov %%dr0, %0" : "=r"(dr_read)); }

static void t_dr_access(void)
{
    word t;

    __asm__ volatile("mov %%cr4, %0; and $~8, %0; mov %0, %%cr4" : "=r"(t));
    set_dr6(BS | 2);
    CHECK_EQ(catching(read_dr4), -1);
    CHECK_EQ(dr_read, ACTIVE_LOW | BS | 2);
    __asm__ volatile("mov %%cr4, %0; or $8, %0; mov %0, %%cr4" : "=r"(t));
    CHECK_EQ(catching(read_dr4), 6);
    CHECK_EQ(catching(write_dr5), 6);
    CHECK_EQ(catching(write_dr6_high), 13);
    CHECK_EQ(catching(write_dr7_high), 13);
    CHECK_EQ(run_user(read_dr0, 0), 13);
    __asm__ volatile("mov %0, %%dr7" : : "r"(0xfffful));
    __asm__ volatile("mov %%dr7, %0" : "=r"(t)); /* GD is set: this faults */
    set_dr7(0x400);
    __asm__ volatile("mov %%cr4, %0; and $~8, %0; mov %0, %%cr4" : "=r"(t));
}

static bool clear_gd(Frame *f) { return f->vector == 1; }
static void t_dr_access_outer(void)
{
    on_exception = clear_gd;
    t_dr_access();
}

/* --- instruction breakpoints --- */

static void t_code_breakpoints(void)
{
    word a;

    begin();
    set_rf = true;
    SET_DR(2, 0);
    __asm__ volatile("lea 1f(%%rip), %0\nmov %0, %%dr2\nmov %1, %%dr7\n1: nop\n" : "=&r"(a) : "r"(0x420ul));
    CHECK_EQ(hits, 1);
    CHECK_EQ(ip[0], a);
    CHECK_EQ(dr6[0], ACTIVE_LOW | 4);
    CHECK_EQ(hit_flags[0] & RF, 0);
    /* B0-B3 of other breakpoints go, BS stays. */
    begin();
    set_rf = true;
    set_dr6(BS | 2);
    __asm__ volatile("lea 1f(%%rip), %0\nmov %0, %%dr2\n1: nop\n" : "=&r"(a));
    CHECK_EQ(hits, 1);
    CHECK_EQ(dr6[0], ACTIVE_LOW | BS | 4);
    /* RF lasts one instruction: a loop hits each time. */
    begin();
    set_rf = true;
    __asm__ volatile("lea 1f(%%rip), %0\nmov %0, %%dr2\nmov $3, %%ecx\n1: dec %%ecx\njnz 1b\n" : "=&r"(a) : : "rcx", "cc");
    CHECK_EQ(hits, 3);
    /* ... but not each iteration of a repeated string instruction */
    begin();
    set_rf = true;
    __asm__ volatile("lea 1f(%%rip), %0\nmov %0, %%dr2\nmov $3, %%ecx\nlea data(%%rip), %%rdi\n1: rep stosb\n" : "=&r"(a) : : "rcx", "rdi", "cc", "memory");
    CHECK_EQ(hits, 1);
    /* After MOV SS on AMD's processors only. */
    begin();
    set_rf = true;
    __asm__ volatile("lea 1f(%%rip), %0\nmov %0, %%dr2\nmov %%ss, %%ecx\nmov %%ecx, %%ss\n1: nop\n" : "=&r"(a) : : "rcx");
    CHECK_EQ(hits, is_intel() ? 0 : 1);
    /* After STI it is there. */
    begin();
    set_rf = true;
    __asm__ volatile("lea 1f(%%rip), %0\nmov %0, %%dr2\nsti\n1: nop\ncli" : "=&r"(a));
    CHECK_EQ(hits, 1);
    /* Only the first byte counts. */
    begin();
    set_rf = true;
    __asm__ volatile("lea 1f + 1(%%rip), %0\nmov %0, %%dr2\n1: mov $0x90909090, %%ecx\n" : "=&r"(a) : : "rcx");
    CHECK_EQ(hits, 0);
    /* Two at one place, one of them not enabled. */
    begin();
    set_rf = true;
    __asm__ volatile("lea 1f(%%rip), %0\nmov %0, %%dr2\nmov %0, %%dr3\nmov %0, %%dr1\nmov %1, %%dr7\n1: nop\n" : "=&r"(a) : "r"(0x4a0ul));
    CHECK_EQ(hits, 1);
    CHECK_EQ(dr6[0] & 12, 12);
    set_dr7(0x400);
}

/* A fault at an instruction whose breakpoint was taken comes back with RF set: no second hit. */
NOINLINE static void bp_then_fault(void)
{
    __asm__ volatile("lea 1f(%%rip), %%rax\nmov %%rax, %%dr0\nmov $0x402, %%eax\nmov %%rax, %%dr7\nxor %%ecx, %%ecx\n1: mov 0x1f0000, %%cl" : : : "rax", "rcx");
}
static unsigned page_faults;
static bool fix_page(Frame *f)
{
    if (f->vector == 14) {
        page_faults++;
        CHECK(f->flags & RF);
        pt0[0x1f0] = 0x1f0007;
        return true;
    }
    return record(f);
}

static void t_rf_in_faults(void)
{
    begin();
    on_exception = fix_page;
    set_rf = true;
    page_faults = 0;
    pt0[0x1f0] = 0;
    flush_tlb();
    CHECK_EQ(catching(bp_then_fault), -1);
    CHECK_EQ(hits, 1);
    CHECK_EQ(page_faults, 1);
    set_dr7(0x400);
}

/* --- data breakpoints --- */

#define ACCESS(text) do { hits = 0; set_dr6(0); __asm__ volatile(text "\n1: lea 1b(%%rip), %0" : "=r"(after) : "r"(p) : "rax", "rcx", "memory"); } while (0)

static void t_data_breakpoints(void)
{
    uint8_t *p = (uint8_t *)data;
    word after;

    begin();
    SET_DR(1, p);
    set_dr7(0x00d00408 | 0x400); /* DR1: 4 bytes, write */
    set_dr6(BS);
    hits = 0;
    __asm__ volatile("movq $42, (%1)\n1: lea 1b(%%rip), %0" : "=r"(after) : "r"(p) : "memory");
    CHECK_EQ(hits, 1);
    CHECK_EQ(ip[0], after);
    CHECK_EQ(dr6[0], ACTIVE_LOW | BS | 2); /* what software set stays */
    ACCESS("movl $1, (%1)");
    CHECK_EQ(hits, 1);
    CHECK_EQ(dr6[0], ACTIVE_LOW | 2);
    ACCESS("movb $1, 3(%1)");
    CHECK_EQ(hits, 1);
    ACCESS("movb $1, 4(%1)");
    CHECK_EQ(hits, 0);
    ACCESS("movl (%1), %%eax");
    CHECK_EQ(hits, 0);
    ACCESS("movq $1, -4(%1)");
    CHECK_EQ(hits, 1);
    ACCESS("incl (%1)");
    CHECK_EQ(hits, 1);
    CHECK_EQ(ip[0], after);
    ACCESS("lock cmpxchg8b -4(%1)");
    CHECK_EQ(hits, 1);
    ACCESS("mov %%rsp, %%rcx\nlea 8(%1), %%rsp\npush %%rcx\nmov %%rcx, %%rsp");
    CHECK_EQ(hits, 1);
    ACCESS("movups %%xmm0, -8(%1)");
    CHECK_EQ(hits, 1);
    ACCESS("fxsave 64(%1)");
    CHECK_EQ(hits, 0);
    set_dr7(0x00f00408 | 0x400); /* read or write */
    ACCESS("movl (%1), %%eax");
    CHECK_EQ(hits, 1);
    CHECK_EQ(ip[0], after);
    ACCESS("movb 2(%1), %%al");
    CHECK_EQ(hits, 1);
    ACCESS("movb 4(%1), %%al");
    CHECK_EQ(hits, 0);
    ACCESS("cmpl $0, -1(%1)");
    CHECK_EQ(hits, 1);
    ACCESS("nop");
    CHECK_EQ(hits, 0);
    set_dr7(0x00b00408 | 0x400); /* 8 bytes, read or write: 64-bit mode has it */
    ACCESS("movb 7(%1), %%al");
    CHECK_EQ(hits, 1);
    SET_DR(1, p + 5); /* the low bits of the address are not looked at */
    ACCESS("movb 1(%1), %%al");
    CHECK_EQ(hits, 1);
    set_dr7(0x00300408 | 0x400); /* one byte */
    ACCESS("movb 4(%1), %%al");
    CHECK_EQ(hits, 0);
    ACCESS("movb 5(%1), %%al");
    CHECK_EQ(hits, 1);
    /* two at once, and one that is off */
    SET_DR(0, p);
    SET_DR(2, p);
    SET_DR(3, p + 4);
    SET_DR(1, p + 64);
    set_dr7(0xd1d10400 | 1 << 0 | 1 << 4 | 3 << 6);
    ACCESS("movq $0, (%1)");
    CHECK_EQ(hits, 1);
    CHECK_EQ(dr6[0] & 15, 13 & ~(dr6[0] & 4 ? 0u : 4u));
    set_dr7(0x400);
    ACCESS("movq $0, (%1)");
    CHECK_EQ(hits, 0);
}

/* Iterations of REP trap one by one, with counters in step. */
static void t_data_rep(void)
{
    uint8_t *p = (uint8_t *)data;
    word start, after, n = 8, d = (word)p;

    begin();
    SET_DR(0, p + 2);
    set_dr7(0x00110401 & ~0xc0000 ? 0x00010402 : 0); /* DR0: byte, write */
    __asm__ volatile("1: rep stosb\n2: lea 1b(%%rip), %0\nlea 2b(%%rip), %1" : "=&r"(start), "=&r"(after), "+c"(n), "+D"(d) : "a"(0) : "memory");
    CHECK_EQ(hits, 1);
    CHECK_EQ(ip[0], start);
    CHECK_EQ(n, 0);
    hits = 0;
    n = 3;
    d = (word)p;
    __asm__ volatile("1: rep stosb\n2: lea 1b(%%rip), %0\nlea 2b(%%rip), %1" : "=&r"(start), "=&r"(after), "+c"(n), "+D"(d) : "a"(0) : "memory");
    CHECK_EQ(hits, 1);
    CHECK_EQ(ip[0], after); /* the last iteration */
    set_dr7(0x400);
}

/* A fault of the instruction leaves no trap behind. */
NOINLINE static void read_then_fault(void)
{
    __asm__ volatile("lea data(%%rip), %%rsi\nmov $0x1f0000, %%edi\nmovsb" : : : "rsi", "rdi", "memory");
}

static void t_data_fault(void)
{
    begin();
    SET_DR(0, data);
    set_dr7(0x00030402);
    pt0[0x1f0] = 0;
    flush_tlb();
    CHECK_EQ(catching(read_then_fault), 14);
    CHECK_EQ(hits, 0);
    pt0[0x1f0] = 0x1f0007;
    CHECK_EQ(catching(read_then_fault), -1);
    CHECK_EQ(hits, 1);
    set_dr7(0x400);
}

/* --- MOV SS from a watched word --- */

#define MOVSS(text) __asm__ volatile("mov %1, %%ss\n" text "\n1: lea 1b(%%rip), %0" : "=r"(after) : "m"(*(uint16_t *)data) : "memory")

static void t_movss_watch(void)
{
    word after;

    begin();
    *(uint16_t *)data = 0x10;
    SET_DR(1, data);
    set_dr7(0x00f00408 | 0x400);
    MOVSS("nop");
    CHECK_EQ(hits, 1);
    CHECK_EQ(ip[0], after);
    CHECK_EQ(dr6[0], ACTIVE_LOW | 2);
    begin();
    MOVSS(".byte 0x2e, 0x2e, 0xf1"); /* one #DB for both */
    CHECK_EQ(hits, 1);
    CHECK_EQ(ip[0], after);
    begin();
    set_gate(1, (void *)isr_table[1], 8, 0xee, 0);
    MOVSS("int $1"); /* INT 1's, and on top of its handler's first instruction the pending one */
    CHECK_EQ(hits, 2);
    CHECK_EQ(ip[0], isr_table[1]);
    CHECK_EQ(ip[1], after);
    begin();
    MOVSS("int3");
    CHECK_EQ(hits, 1);
    CHECK_EQ(ip[0], isr_table[3]);
    CHECK_EQ(bps, 1);
    CHECK_EQ(bp_ip, after);
    set_dr7(0x400);
    set_gate(1, (void *)isr_table[1], 8, 0x8e, 0);
    /* POP SS exists in 32-bit code only; a single step over MOV SS is in seq_movss. */
    begin();
    ((void (*)(void))seq_movss_twice)();
    CHECK(hits >= 4);
    CHECK_EQ(ip[0], (word)mm2 - (ip[0] == (word)mm1 ? (word)mm2 - (word)mm1 : 0)); /* processors differ in the second */
}

/* --- ports --- */

static void t_io_breakpoints(void)
{
    word t, after;
    uint8_t *p = (uint8_t *)data;

    begin();
    SET_DR(0, 0x80);
    set_dr7(0x00020402); /* port 80h, 1 byte; without CR4.DE the type means nothing */
    __asm__ volatile("out %al, $0x80");
    CHECK_EQ(hits, 0);
    __asm__ volatile("mov %%cr4, %0; or $8, %0; mov %0, %%cr4" : "=r"(t));
    set_dr7(0x00020402);
    ACCESS("out %%al, $0x80");
    CHECK_EQ(hits, 1);
    CHECK_EQ(ip[0], after);
    CHECK_EQ(dr6[0], ACTIVE_LOW | 1);
    ACCESS("in $0x80, %%al");
    CHECK_EQ(hits, 1);
    CHECK_EQ(ip[0], after);
    ACCESS("in $0x81, %%al");
    CHECK_EQ(hits, 0);
    ACCESS("inl $0x7e, %%eax"); /* reaches 80h */
    CHECK_EQ(hits, 1);
    set_dr7(0x000e0402); /* 4 bytes */
    ACCESS("in $0x83, %%al");
    CHECK_EQ(hits, 1);
    ACCESS("in $0x84, %%al");
    CHECK_EQ(hits, 0);
    /* not memory at that address */
    ACCESS("movb 0x80, %%al");
    CHECK_EQ(hits, 0);
    hits = 0;
    __asm__ volatile("mov $3, %%ecx\nmov $0x80, %%edx\nrep outsb\n1: lea 1b(%%rip), %0" : "=r"(after), "+S"(p) : : "rcx", "rdx", "memory");
    CHECK_EQ(hits, 3);
    CHECK_EQ(ip[2], after);
    CHECK_EQ(ip[0], after - 2);
    p = (uint8_t *)data;
    hits = 0;
    __asm__ volatile("mov $3, %%ecx\nmov $0x80, %%edx\nrep insb\n1: lea 1b(%%rip), %0" : "=r"(after), "+D"(p) : : "rcx", "rdx", "memory");
    CHECK_EQ(hits, 3);
    CHECK_EQ(ip[2], after);
    set_dr7(0x400);
    __asm__ volatile("mov %%cr4, %0; and $~8, %0; mov %0, %%cr4" : "=r"(t));
}

/* --- system calls under TF --- */

static inline uint64_t rdmsr(uint32_t m) { uint32_t l, h; __asm__ volatile("rdmsr" : "=a"(l), "=d"(h) : "c"(m)); return (uint64_t)h << 32 | l; }
static inline void wrmsr(uint32_t m, uint64_t v) { __asm__ volatile("wrmsr" : : "a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(m)); }

/* ring 3: TF, SYSCALL; the kernel side returns by SYSRET with R11's TF. */
extern char sc_user[], sc_entry[], sc_after[], sc_end[], se_user[], se_entry[], se_entry2[];
__asm__(".text\n"
        "sc_user: pushfq\norl $0x100, (%rsp)\npopfq\nsyscall\nsc_after: nop\nsc_end: pushfq\nandl $~0x100, (%rsp)\npopfq\nret\n"
        "sc_entry: nop\nsysretq\n"
        "se_user: pushfq\norl $0x100, (%rsp)\npopfq\nlea 1f(%rip), %rdx\nmov %rsp, %rcx\nsysenter\n1: ret\n"
        "se_entry: nop\nse_entry2: nop\nsysexitq\n");

static void t_step_syscall(void)
{
    uint64_t d32 = 0x00cffa000000ffff;

    begin();
    gdt[10] = 0;
    /* STAR: SYSCALL loads 08/10, SYSRET 64-bit CS = base + 16, SS = base + 8 */
    gdt[11] = d32;                /* 58h: base of SYSRET */
    gdt[12] = 0x00cff3000000ffff; /* 60h */
    gdt[13] = 0x00affb000000ffff; /* 68h */
    wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
    wrmsr(0xc0000081, (uint64_t)0x58 << 48 | (uint64_t)8 << 32);
    wrmsr(0xc0000082, (word)sc_entry);
    wrmsr(0xc0000084, 0x100); /* TF off: no trap in the kernel */
    CHECK_EQ(run_user((void (*)(void))sc_user, 0), 13);
    CHECK_EQ(hits, 5);
    CHECK_EQ(ip[0], (word)sc_after); /* as if SYSCALL had been one instruction */
    CHECK_EQ(hit_cs[0] & 3, 3);
    CHECK_EQ(ip[1], (word)sc_end);
    CHECK_EQ(dr6[0], ACTIVE_LOW | BS);
    wrmsr(0xc0000084, 0); /* TF stays: the trap is at the entry */
    begin();
    CHECK_EQ(run_user((void (*)(void))sc_user, 0), 13);
    CHECK(hits >= 2);
    CHECK_EQ(ip[0], (word)sc_entry);
    CHECK_EQ(hit_cs[0], 8);
    CHECK_EQ(ip[1], (word)sc_entry + 1);
    /* SYSENTER leaves TF alone: the trap is at its entry. */
    wrmsr(0x174, 0x70);
    gdt[14] = 0x00af9b000000ffff;
    gdt[15] = 0x00cf93000000ffff;
    wrmsr(0x175, user_stack_top - 2048);
    wrmsr(0x176, (word)se_entry);
    begin();
    catching_user((void (*)(void))se_user); /* ends in #GP at SYSEXIT's selectors */
    CHECK(hits >= 4);
    CHECK_EQ(ip[2], (word)se_entry);
    CHECK_EQ(hit_cs[2], 0x70);
    CHECK_EQ(ip[3], (word)se_entry2);
    wrmsr(0x174, 0);
}

void guest_main(const char *cmdline)
{
    static const TestCase tests[] = {{"single step", t_single_step}, {"single step over HLT", t_step_hlt},
                                     {"MOV SS before general detect", t_movss_gd}, {"access to debug registers", t_dr_access_outer},
                                     {"instruction breakpoints", t_code_breakpoints}, {"RF in faults", t_rf_in_faults},
                                     {"data breakpoints", t_data_breakpoints}, {"data breakpoints and REP", t_data_rep},
                                     {"data breakpoint and a fault", t_data_fault}, {"data breakpoint of MOV SS", t_movss_watch},
                                     {"I/O breakpoints", t_io_breakpoints}, {"single step of system calls", t_step_syscall}};
    word t;

    __asm__ volatile("mov %%cr4, %0; or $0x600, %0; mov %0, %%cr4" : "=r"(t)); /* SSE */
    set_dr7(0x400);
    run_tests(tests, sizeof tests / sizeof tests[0]);
}
