/* task-32.c - hardware task switches: JMP, CALL, task gates of interrupts and exceptions, IRET; 32- and 16-bit TSSs;
 * busy bits, NT, back link, CR3, LDT, the T bit, 8086-mode tasks, and every fault of a switch.
 * Spec: Intel SDM vol. 3, chapter 8. Faults arrive in tasks of their own, so that a broken stack does not matter. */
#include "lib.h"

typedef struct Tss {
    uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs,
        gs, ldt;
    uint16_t trap, iomap;
} Tss;
typedef struct Tss16 {
    uint16_t link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt;
} Tss16;

enum { MAIN = 0x28, B = 0x30, C16 = 0x38, LDT = 0x40, GATE = 0x48, BADSEG = 0x50, LDT2 = 0x58, MAIN16 = 0x60, CONF = 0x68, ERR = 0x80 };
enum { TSS32 = 0x89, BUSY32 = 0x8b, TSS16 = 0x81, BUSY16 = 0x83, NT = 0x4000, TF = 0x100 };
enum { ERRS = 6 }; /* vectors 8, 10, 11, 12, 13, 14 */
static const uint8_t err_vector[ERRS] = {8, 10, 11, 12, 13, 14};

static uint64_t table[64] __attribute__((aligned(16)));
static uint64_t ldt[4];
Tss main_tss, b_tss, err_tss[ERRS];
static Tss16 c_tss, main16_tss;
static uint8_t b_stack[4096] __attribute__((aligned(16))), err_stack[ERRS][1024] __attribute__((aligned(16)));
uint32_t seen[16], resume, err_code, err_tr, err_link, err_flags, err_count;
static word cr3_now;

static uint64_t desc(uint32_t base, uint32_t limit, unsigned attr, unsigned flags)
{
    return (uint64_t)(base >> 24) << 56 | (uint64_t)flags << 52 | (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)attr << 40 |
           (uint64_t)(base & 0xffffff) << 16 | (limit & 0xffff);
}
static uint64_t gate(unsigned sel, unsigned attr) { return (uint64_t)attr << 40 | (uint64_t)sel << 16; }
static unsigned attr(unsigned sel) { return table[sel / 8] >> 40 & 0xff; }

__asm__(".text\n"
        "err_entry: pop err_code\nstr err_tr\npushf\npop err_flags\ncall err_c\ntest %eax, %eax\njz 1f\niret\njmp err_entry\n"
        "1: ljmp $0x28, $0\njmp err_entry\n"
        "b_code: mov %eax, seen\nstr seen + 4\npushf\npop seen + 8\nmov %cr0, %eax\nmov %eax, seen + 12\nmov %cr3, %eax\n"
        "mov %eax, seen + 16\nsldt seen + 20\nmov %esp, seen + 24\nmov %ds, seen + 28\n"
        "b_leave: ljmp $0x28, $0\nmovl $77, seen + 36\njmp b_code\n"
        "b_iret: mov %eax, seen\nstr seen + 4\npushf\npop seen + 8\npop seen + 32\niret\nmovl $77, seen + 36\njmp b_iret\n"
        "c_code: mov %ax, seen\nstr seen + 4\npushf\npop seen + 8\niret\n"
        "c_jmp: str seen + 4\nljmp $0x28, $0\nc_end:\n"
        "b_user: mov %cs, seen\niret\njmp b_user\n");
extern char err_entry[], b_code[], b_leave[], b_iret[], c_code[], c_jmp[], c_end[], b_user[];

int err_c(void)
{
    Tss *t = &err_tss[(err_tr - ERR) / 8];

    err_count++;
    err_link = t->link & 0xffff;
    if (err_link != MAIN)
        return 0;
    main_tss.eip = resume;
    return 1;
}

static void init_tss(Tss *t, const void *ip, void *stack_top)
{
    memset(t, 0, sizeof *t);
    t->eip = (uint32_t)ip;
    t->esp = (uint32_t)stack_top;
    t->eflags = 2;
    t->cs = 8;
    t->ss = t->ds = t->es = t->fs = t->gs = t->ss0 = 0x10;
    t->esp0 = (uint32_t)stack_top;
    t->cr3 = cr3_now;
    t->iomap = sizeof *t;
}

/* A fresh set of tasks; this code becomes MAIN. */
static void set_up(void)
{
    struct __attribute__((packed)) { uint16_t limit; uint32_t base; } ptr = {sizeof table - 1, (uint32_t)table};

    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3_now));
    memset(table, 0, sizeof table);
    memcpy(table, gdt, 5 * 8);
    memset(seen, 0, sizeof seen);
    init_tss(&main_tss, NULL, NULL);
    init_tss(&b_tss, b_code, b_stack + sizeof b_stack);
    b_tss.eax = 0x1234;
    table[MAIN / 8] = desc((uint32_t)&main_tss, sizeof main_tss - 1, TSS32, 0);
    table[B / 8] = desc((uint32_t)&b_tss, sizeof b_tss - 1, TSS32, 0);
    table[C16 / 8] = desc((uint32_t)&c_tss, sizeof c_tss - 1, TSS16, 0);
    table[MAIN16 / 8] = desc((uint32_t)&main16_tss, sizeof main16_tss - 1, TSS16, 0);
    table[LDT / 8] = desc((uint32_t)ldt, sizeof ldt - 1, 0x82, 0);
    ldt[1] = 0x00cf93000000ffff;
    for (int i = 0; i < ERRS; i++) {
        init_tss(&err_tss[i], err_entry, err_stack[i] + sizeof err_stack[i]);
        table[ERR / 8 + i] = desc((uint32_t)&err_tss[i], sizeof(Tss) - 1, TSS32, 0);
        set_gate(err_vector[i], NULL, ERR + 8 * i, 0x85, 0);
    }
    memset(&c_tss, 0, sizeof c_tss);
    memcpy((void *)0x8000, c_code, (size_t)(c_end - c_code)); /* where 16 bits of IP reach */
    c_tss.ip = 0x8000;
    c_tss.sp = c_tss.sp0 = 0x9000;
    c_tss.flags = 2;
    c_tss.ax = 0x4321;
    c_tss.cs = 8;
    c_tss.ss = c_tss.ds = c_tss.es = c_tss.ss0 = 0x10;
    err_count = err_code = err_link = err_tr = 0;
    __asm__ volatile("lgdt %0\nltr %%ax" : : "m"(ptr), "a"(MAIN) : "memory");
}

static void tear_down(void)
{
    for (int i = 0; i < ERRS; i++)
        set_gate(err_vector[i], (void *)isr_table[err_vector[i]], 8, 0x8e, 0);
    __asm__ volatile("clts");
}

#define ALL "memory", "cc"
/* The instruction; a fault in it or in the task that it leads to comes back behind it. Registers survive a switch. */
#define FAR(insn) __asm__ volatile("movl $1f, resume\n" insn "\n1:" : : : ALL)

static void t_jmp(void)
{
    set_up();
    main_tss.link = 0x5555;
    FAR("ljmp $0x30, $0xf4f4f4f4");
    CHECK_EQ(err_count, 0);
    CHECK_EQ(seen[0], 0x1234);
    CHECK_EQ(seen[1] & 0xffff, B);
    CHECK_EQ(seen[2] & NT, 0);
    CHECK_EQ(seen[3] & 8, 8); /* TS */
    CHECK_EQ(seen[6], (word)(b_stack + sizeof b_stack));
    CHECK_EQ(main_tss.link, 0x5555);
    CHECK_EQ(b_tss.link, 0);
    CHECK_EQ(attr(MAIN), BUSY32);
    CHECK_EQ(attr(B), TSS32);
    FAR("ljmp $0x30, $0"); /* goes on behind its JMP */
    CHECK_EQ(seen[9], 77);
    tear_down();
}

static void t_call(void)
{
    uint32_t eip, esp;

    set_up();
    b_tss.eip = (uint32_t)b_iret;
    __asm__ volatile("movl $1f, %0\nmov %%esp, %1\nmov $0x1111, %%ebx\nmov $0x2222, %%ecx\nmov $0x3333, %%esi\nstc\nlcall $0x30, $0xf4f4f4f4\n"
                     "1: jnc 2f\ncmp $0x1111, %%ebx\njne 2f\ncmp $0x3333, %%esi\nje 3f\n2: movl $0, %0\n3:"
                     : "=m"(eip), "=m"(esp) : : "ebx", "ecx", "esi", ALL);
    CHECK(eip != 0);
    CHECK_EQ(main_tss.eip, eip);
    CHECK_EQ(main_tss.esp, esp);
    CHECK_EQ(main_tss.ebx, 0x1111);
    CHECK_EQ(main_tss.ecx, 0x2222);
    CHECK_EQ(main_tss.eflags & (NT | 3), 3);
    CHECK_EQ(main_tss.cs, 8);
    CHECK_EQ(main_tss.ss, 0x10);
    CHECK_EQ(seen[2] & NT, NT);
    CHECK_EQ(b_tss.link, MAIN);
    CHECK_EQ(b_tss.eflags & NT, 0); /* IRET left it clear in the image */
    CHECK_EQ(attr(MAIN), BUSY32);
    CHECK_EQ(attr(B), TSS32);
    FAR("lcall $0x30, $0");
    CHECK_EQ(seen[9], 77);
    /* through a task gate in the GDT */
    set_up();
    b_tss.eip = (uint32_t)b_iret;
    table[GATE / 8] = gate(B, 0x85);
    FAR("lcall $0x48, $0xf4f4f4f4");
    CHECK_EQ(seen[1] & 0xffff, B);
    CHECK_EQ(err_count, 0);
    b_tss.eip = (uint32_t)b_leave;
    FAR("ljmp $0x48, $0");
    CHECK_EQ(err_count, 0);
    CHECK_EQ(attr(B), TSS32);
    tear_down();
}

/* B is left by CALL into a third task while busy: nested links, and IRET back through them. */
static void t_nesting(void)
{
    set_up();
    b_tss.eip = (uint32_t)b_iret;
    b_tss.eflags = 2 | NT; /* a CALL sets it anyway */
    set_gate(0x2e, NULL, B, 0x85, 0);
    FAR("int $0x2e");
    CHECK_EQ(err_count, 0);
    CHECK_EQ(seen[1] & 0xffff, B);
    CHECK_EQ(seen[2] & NT, NT);
    /* INT to a busy task */
    table[B / 8] |= 2ull << 40;
    FAR("int $0x2e");
    CHECK_EQ(err_count, 1);
    CHECK_EQ(err_code, B);
    CHECK_EQ(err_tr, ERR + 8 * 4);
    set_gate(0x2e, (void *)isr_table[0x2e], 8, 0x8e, 0);
    tear_down();
}

static void t_events(void)
{
    volatile uint32_t *apic = (volatile uint32_t *)0xfee00000;
    uint32_t r;

    set_up();
    b_tss.eip = (uint32_t)b_iret;
    set_gate(2, NULL, B, 0x85, 0);
    FAR("int $2");
    CHECK_EQ(seen[1] & 0xffff, B);
    set_up();
    b_tss.eip = (uint32_t)b_iret;
    apic[0x310 / 4] = 0;
    apic[0x300 / 4] = 0x4400; /* NMI */
    __asm__ volatile("mov $9, %%ecx\n1: loop 1b" : : : "ecx", "memory"); /* it may take some instructions */
    CHECK_EQ(seen[1] & 0xffff, B);
    b_tss.eip = (uint32_t)b_iret;
    seen[1] = 0;
    apic[0x300 / 4] = 0x4400; /* the IRET of the task has let NMIs in again */
    __asm__ volatile("mov $9, %%ecx\n1: loop 1b" : : : "ecx", "memory"); /* it may take some instructions */
    CHECK_EQ(seen[1] & 0xffff, B);
    set_gate(2, (void *)isr_table[2], 8, 0x8e, 0);
    set_up();
    b_tss.eip = (uint32_t)b_iret;
    apic[0xf0 / 4] = 0x1ff;
    set_gate(0x21, NULL, B, 0x85, 0);
    apic[0x300 / 4] = 0x40021;
    __asm__ volatile("sti; nop; cli" : : : "memory");
    CHECK_EQ(seen[1] & 0xffff, B);
    apic[0xb0 / 4] = 0;
    set_gate(0x21, (void *)isr_table[0x21], 8, 0x8e, 0);
    /* registers survive */
    set_up();
    b_tss.eip = (uint32_t)b_iret;
    set_gate(0, NULL, B, 0x85, 0);
    __asm__ volatile("mov $2f, %%ebx\nxor %%ecx, %%ecx\nxor %%edx, %%edx\nmov $6, %%eax\nint $0\n2: mov %%eax, %0" : "=r"(r) : : "eax", "ebx", "ecx", "edx", ALL);
    CHECK_EQ(r, 6);
    CHECK_EQ(seen[1] & 0xffff, B);
    set_gate(0, (void *)isr_table[0], 8, 0x8e, 0);
    /* #PF in a task: its error code on the task's stack, CR2 as always */
    set_up();
    pt0[0x1f0] = 0;
    flush_tlb();
    FAR("movl $1, 0x1f0000");
    CHECK_EQ(err_count, 1);
    CHECK_EQ(err_tr, ERR + 8 * 5);
    CHECK_EQ(err_code, 2);
    CHECK(err_flags & NT);
    pt0[0x1f0] = 0x1f0007;
    flush_tlb();
    /* #GP with the selector as error code */
    set_up();
    FAR("mov $0x1000, %%eax\nmov %%eax, %%fs");
    CHECK_EQ(err_code, 0x1000);
    CHECK_EQ(err_tr, ERR + 8 * 4);
    tear_down();
}

static void t_16bit(void)
{
    set_up();
    FAR("lcall $0x38, $0");
    CHECK_EQ(err_count, 0);
    CHECK_EQ(seen[0] & 0xffff, 0x4321);
    CHECK_EQ(seen[1] & 0xffff, C16);
    CHECK_EQ(seen[2] & NT, NT);
    CHECK_EQ(c_tss.link, MAIN);
    CHECK_EQ(attr(C16), TSS16);
    CHECK_EQ(attr(MAIN), BUSY32);
    set_up();
    c_tss.ip = 0x8000 + (c_jmp - c_code);
    FAR("ljmp $0x38, $0");
    CHECK_EQ(err_count, 0);
    CHECK_EQ(seen[1] & 0xffff, C16);
    CHECK_EQ(c_tss.ip, 0x8000 + (c_end - c_code));
    CHECK_EQ(attr(C16), TSS16);
    /* a TSS of 44 bytes is enough, 43 are not */
    table[C16 / 8] = desc((uint32_t)&c_tss, 0x2a, TSS16, 0);
    c_tss.ip = 0x8000;
    FAR("lcall $0x38, $0");
    CHECK_EQ(err_count, 1);
    CHECK_EQ(err_code, C16);
    CHECK_EQ(err_tr, ERR + 8); /* #TS */
    tear_down();
}

static word other_pd[1024] __attribute__((aligned(4096)));
static word other_pt[1024] __attribute__((aligned(4096)));

static void t_cr3_ldt(void)
{
    set_up();
    memcpy(other_pd, (void *)cr3_now, 4096);
    memcpy(other_pt, pt0, 4096);
    other_pd[0] = (word)other_pt | 7;
    other_pt[0x1f0] = 0x1f1007; /* elsewhere in that task */
    *(volatile uint32_t *)0x1f0000 = 1;
    *(volatile uint32_t *)0x1f1000 = 2;
    b_tss.cr3 = (uint32_t)other_pd;
    b_tss.ldt = LDT;
    b_tss.ds = 0xc;
    FAR("ljmp $0x30, $0");
    CHECK_EQ(err_count, 0);
    CHECK_EQ(seen[4], (word)other_pd);
    CHECK_EQ(seen[5] & 0xffff, LDT);
    CHECK_EQ(seen[7] & 0xffff, 0xc);
    CHECK_EQ(*(volatile uint32_t *)0x1f0000, 1);
    CHECK_EQ(main_tss.cr3, cr3_now);
    CHECK_EQ(b_tss.cr3, (word)other_pd); /* a switch does not save it */
    {
        word c;
        __asm__ volatile("mov %%cr3, %0" : "=r"(c));
        CHECK_EQ(c, cr3_now);
        __asm__ volatile("sldt %w0" : "=r"(c));
        CHECK_EQ(c & 0xffff, 0);
    }
    tear_down();
}

/* --- faults --- */

static void expect_fault(int line, int vector, word code, word link)
{
    for (int i = 0; i < ERRS; i++)
        if (err_tr == (word)(ERR + 8 * i))
            check_that(err_vector[i] == vector, "vector", line, err_vector[i], (word)vector);
    check_that(err_count == 1, "one fault", line, err_count, 1);
    check_that(err_code == code, "error code", line, err_code, code);
    check_that(err_link == link, "faulting task", line, err_link, link);
}
#define BAD(prepare, insn, vector, code, link) \
    do { set_up(); prepare; FAR(insn); expect_fault(__LINE__, vector, code, link); } while (0)
#define JMP_B "ljmp $0x30, $0"

static void t_faults_before(void)
{
    BAD(table[B / 8] |= 2ull << 40, JMP_B, 13, B, MAIN);                             /* busy */
    BAD(table[B / 8] |= 2ull << 40, "lcall $0x30, $0", 13, B, MAIN);
    BAD(table[B / 8] &= ~(0x80ull << 40), JMP_B, 11, B, MAIN);                       /* not present */
    BAD(table[B / 8] = desc((uint32_t)&b_tss, 0x66, TSS32, 0), JMP_B, 10, B, MAIN);  /* too short */
    BAD((void)0, "ljmp $0x28, $0", 13, MAIN, MAIN);                                  /* itself: busy */
    BAD(table[GATE / 8] = gate(B, 0x05), "ljmp $0x48, $0", 11, GATE, MAIN);          /* gate not present */
    BAD(table[GATE / 8] = gate(0, 0x85), "ljmp $0x48, $0", 13, 0, MAIN);             /* of no TSS */
    BAD(table[GATE / 8] = gate(8, 0x85), "ljmp $0x48, $0", 13, 8, MAIN);
    BAD(table[GATE / 8] = gate(B | 4, 0x85), "ljmp $0x48, $0", 13, B | 4, MAIN);     /* in the LDT */
    BAD(table[GATE / 8] = gate(0x300, 0x85), "ljmp $0x48, $0", 13, 0x300, MAIN);     /* beyond the GDT */
    BAD(table[GATE / 8] = gate(B, 0x85), "ljmp $0x4b, $0", 13, GATE, MAIN);          /* RPL above the gate's DPL */
    BAD((void)0, "ljmp $0x33, $0", 13, B, MAIN);                                     /* RPL above the TSS's DPL */
#define IRET_NT "pushf\norl $0x4000, (%%esp)\npopf\niret"
    BAD(main_tss.link = 0, IRET_NT, 10, 0, MAIN);
    __asm__ volatile("pushf\nandl $~0x4000, (%%esp)\npopf" : : : ALL);
    BAD(main_tss.link = B, IRET_NT, 10, B, MAIN);                                    /* not busy */
    __asm__ volatile("pushf\nandl $~0x4000, (%%esp)\npopf" : : : ALL);
    BAD(main_tss.link = B | 4, IRET_NT, 10, B | 4, MAIN);
    __asm__ volatile("pushf\nandl $~0x4000, (%%esp)\npopf" : : : ALL);
    BAD(main_tss.link = 8, IRET_NT, 10, 8, MAIN);
    __asm__ volatile("pushf\nandl $~0x4000, (%%esp)\npopf" : : : ALL);
    tear_down();
}

static void t_faults_after(void)
{
    const uint64_t data = 0x00cf93000000ffff, code = 0x00cf9b000000ffff;

    BAD(b_tss.cs = 0, JMP_B, 10, 0, B);
    BAD(b_tss.cs = 0x10, JMP_B, 10, 0x10, B);            /* data */
    BAD(b_tss.cs = 0x18, JMP_B, 10, 0x18, B);            /* DPL 3, RPL 0 */
    BAD(b_tss.cs = 0xb, JMP_B, 10, 8, B);                /* DPL 0, RPL 3 */
    BAD(b_tss.cs = 0x300, JMP_B, 10, 0x300, B);
    BAD((table[BADSEG / 8] = code & ~(1ull << 47), b_tss.cs = BADSEG), JMP_B, 11, BADSEG, B);
    BAD(b_tss.ss = 0, JMP_B, 10, 0, B);
    BAD(b_tss.ss = 8, JMP_B, 10, 8, B);                  /* code */
    BAD(b_tss.ss = 0x13, JMP_B, 10, 0x10, B);            /* RPL 3 at CPL 0 */
    BAD(b_tss.ss = 0x20, JMP_B, 10, 0x20, B);            /* DPL 3 */
    BAD((table[BADSEG / 8] = data & ~(2ull << 40), b_tss.ss = BADSEG), JMP_B, 10, BADSEG, B); /* not writable */
    BAD((table[BADSEG / 8] = data & ~(1ull << 47), b_tss.ss = BADSEG), JMP_B, 12, BADSEG, B);
    BAD((table[BADSEG / 8] = data & ~(1ull << 47), b_tss.ds = BADSEG), JMP_B, 11, BADSEG, B);
    BAD((table[BADSEG / 8] = code & ~(2ull << 40), b_tss.es = BADSEG), JMP_B, 10, BADSEG, B); /* execute only */
    BAD(b_tss.gs = MAIN, JMP_B, 10, MAIN, B);            /* a system descriptor */
    BAD(b_tss.ldt = 8, JMP_B, 10, 8, B);
    BAD(b_tss.ldt = LDT | 4, JMP_B, 10, LDT | 4, B);
    BAD((table[LDT2 / 8] = desc((uint32_t)ldt, 31, 2, 0), b_tss.ldt = LDT2), JMP_B, 10, LDT2, B); /* not present */
    BAD((b_tss.ldt = LDT, b_tss.ds = 0x1c), JMP_B, 10, 0x1c, B); /* in the LDT, a null entry */
    BAD((table[BADSEG / 8] = desc(0, 0xfff, 0x9b, 4), b_tss.cs = BADSEG), JMP_B, 13, 0, B); /* EIP beyond the limit */
    /* what is allowed */
    set_up();
    b_tss.fs = b_tss.gs = b_tss.es = 0;
    FAR(JMP_B);
    CHECK_EQ(err_count, 0);
    CHECK_EQ(attr(B), TSS32);
    tear_down();
}

/* A task in ring 3, its code segment conforming with DPL 0 and RPL 3. */
static void t_conforming(void)
{
    set_up();
    table[CONF / 8] = desc(0, 0xfffff, 0x9f, 12);
    b_tss.eip = (uint32_t)b_user;
    b_tss.cs = CONF | 3;
    b_tss.ss = b_tss.ds = b_tss.es = b_tss.fs = b_tss.gs = 0x23;
    b_tss.eflags = 0x3002;
    FAR("lcall $0x30, $0");
    CHECK_EQ(err_count, 0);
    CHECK_EQ(seen[0] & 0xffff, CONF | 3);
    tear_down();
}

static word db_ip, db_dr6, db_count;
static bool on_db(Frame *f)
{
    if (f->vector != 1)
        return false;
    db_ip = f->ip;
    __asm__ volatile("mov %%dr6, %0" : "=r"(db_dr6));
    db_count++;
    return true;
}

static void t_trap_bit(void)
{
    word zero = 0, t;

    set_up();
    on_exception = on_db;
    b_tss.trap = 1;
    __asm__ volatile("mov %0, %%dr6" : : "r"(zero));
    __asm__ volatile("mov %0, %%dr0\nmov %1, %%dr7" : : "r"(0x1f0000), "r"(0xd0403)); /* local and global */
    db_count = 0;
    FAR(JMP_B);
    CHECK_EQ(err_count, 0);
    CHECK_EQ(db_count, 1);
    CHECK_EQ(db_ip, (word)b_code);
    CHECK_EQ(db_dr6, 0xffff8ff0);
    __asm__ volatile("mov %%dr7, %0" : "=r"(t));
    CHECK_EQ(t & 0xff, 2); /* a switch ends local breakpoints */
    __asm__ volatile("mov %0, %%dr7" : : "r"(0x400));
    tear_down();
}

/* IRET into a busy 8086-mode task; its #UD comes back through a task gate. */
static void t_vm86_task(void)
{
    uint8_t *code = (uint8_t *)0x42000;

    set_up();
    code[0] = 0x0f;
    code[1] = 0x0b;
    b_tss.eflags = 0x20002;
    b_tss.eip = 0;
    b_tss.cs = 0x4200;
    b_tss.ss = 0x900;
    b_tss.esp = 0x100;
    b_tss.ds = 0x1234;
    b_tss.es = 0x2345;
    b_tss.fs = b_tss.gs = 0;
    table[B / 8] |= 2ull << 40;
    main_tss.link = B;
    set_gate(6, NULL, MAIN, 0x85, 0);
    FAR(IRET_NT);
    CHECK_EQ(err_count, 0);
    CHECK_EQ(b_tss.cs, 0x4200);
    CHECK_EQ(b_tss.ds, 0x1234);
    CHECK_EQ(b_tss.es, 0x2345);
    CHECK_EQ(b_tss.eip, 0);
    CHECK(b_tss.eflags & 0x20000);
    __asm__ volatile("pushf\nandl $~0x4000, (%%esp)\npopf" : : : ALL);
    set_gate(6, (void *)isr_table[6], 8, 0x8e, 0);
    tear_down();
}

/* A #DF in a task of its own. */
static void t_double_fault_task(void)
{
    static uint32_t esp;

    set_up();
    set_gate(14, (void *)isr_table[14], 8, 0x8e, 0);
    pt0[0x1f0] = 0;
    flush_tlb();
    __asm__ volatile("movl $1f, resume\nmov %%esp, %0\nmov $0x1f0800, %%esp\nud2\n1: mov %0, %%esp" : "=m"(esp) : : ALL); /* its push faults, and #PF's too */
    CHECK_EQ(err_count, 1);
    CHECK_EQ(err_tr, ERR);
    CHECK_EQ(err_code, 0);
    pt0[0x1f0] = 0x1f0007;
    flush_tlb();
    tear_down();
}

void guest_main(const char *cmdline)
{
    static const TestCase tests[] = {{"JMP", t_jmp}, {"CALL and IRET", t_call}, {"interrupt task gates", t_nesting}, {"NMI, IRQ, exceptions", t_events},
                                     {"16-bit TSS", t_16bit}, {"CR3 and LDT", t_cr3_ldt}, {"faults in the old task", t_faults_before},
                                     {"faults in the new task", t_faults_after}, {"conforming code in ring 3", t_conforming},
                                     {"T bit, local breakpoints", t_trap_bit}, {"8086-mode task", t_vm86_task}, {"double fault task", t_double_fault_task}};

    paging_on();
    run_tests(tests, sizeof tests / sizeof tests[0]);
}
