/* seg-32.c - segmentation: limits in every form, privilege of code and gates, LAR/LSL/VERR/VERW/ARPL, call gates with
 * parameters, I/O permission bitmap, alignment checks, SYSENTER, 8086 mode with IOPL and VME.
 * Spec: Intel SDM vol. 3, chapters 5 (protection), 21 (8086 mode); vol. 1, 19.5 (I/O bitmap). */
#include "lib.h"

typedef struct Tss {
    uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs,
        gs, ldt;
    uint16_t trap, iomap;
    uint8_t map[8192 + 1 + 32 + 3];
} Tss;
enum { T = 0x28, TSS = 0x30, GATE = 0x38, CODE1 = 0x40, U = 0x48, STACK1 = 0x50, S16 = 0x58, LDT = 0x60, X = 0x68, CONF = 0x70, C16 = 0x78 };

static Tss tss;
uint8_t area[0x3000] __attribute__((aligned(4096)));
uint8_t stack0[4096] __attribute__((aligned(16))), stack1[4096] __attribute__((aligned(16))), stack3[4096] __attribute__((aligned(16)));
uint32_t p_sel, p_off, p_esp, seen[16];

static uint64_t desc(uint32_t base, uint32_t limit, unsigned attr, unsigned flags)
{
    return (uint64_t)(base >> 24) << 56 | (uint64_t)flags << 52 | (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)attr << 40 |
           (uint64_t)(base & 0xffffff) << 16 | (limit & 0xffff);
}

static void set_up(void)
{
    tss.esp0 = (uint32_t)(stack0 + sizeof stack0);
    tss.ss0 = 0x10;
    tss.esp1 = (uint32_t)(stack1 + sizeof stack1);
    tss.ss1 = STACK1 | 1;
    tss.iomap = 0xffff;
    gdt[TSS / 8] = desc((uint32_t)&tss, 0x67, 0x89, 0);
    gdt[CODE1 / 8] = desc(0, 0xfffff, 0xbb, 12);
    gdt[STACK1 / 8] = desc(0, 0xfffff, 0xb3, 12);
    __asm__ volatile("ltr %%ax" : : "a"(TSS));
}

/* --- data segments --- */

#define ACC(name, text) NOINLINE static void name(void) { __asm__ volatile("mov p_sel, %%eax\nmov %%eax, %%es\nmov p_off, %%edi\n" text : : : "eax", "ecx", "edx", "edi", "esi", "memory", "cc"); }
ACC(rd1, "mov %%es:(%%edi), %%al")
ACC(rd2, "mov %%es:(%%edi), %%ax")
ACC(rd4, "mov %%es:(%%edi), %%eax")
ACC(rd8, "fildll %%es:(%%edi)\nfstp %%st(0)")
ACC(rd10, "fldt %%es:(%%edi)\nfstp %%st(0)")
ACC(rd16, "movups %%es:(%%edi), %%xmm0")
ACC(wr1, "movb $0x10, %%es:(%%edi)")
ACC(wr2, "movw $0x10, %%es:(%%edi)")
ACC(wr4, "movl $0x10, %%es:(%%edi)")
ACC(wr6, "sidt %%es:(%%edi)")
ACC(wr8, "movq %%mm0, %%es:(%%edi)\nemms")
ACC(wr16, "movups %%xmm0, %%es:(%%edi)")
ACC(rmw4, "lock addl $0, %%es:(%%edi)")
ACC(rmw8, "xor %%eax, %%eax\nxor %%edx, %%edx\ncmpxchg8b %%es:(%%edi)")
ACC(stos1, "mov $0x10, %%eax\nstosb")
ACC(stos4, "mov $0x10, %%eax\nstosl")
ACC(scas2, "scasw")
ACC(fsave108, "fnsave %%es:(%%edi)")
ACC(bound8, "xor %%eax, %%eax\n.byte 0x26, 0x62, 0x07")
static const struct Access { void (*fn)(void); uint8_t size; bool write; } accesses[] = {
    {rd1, 1, 0}, {rd2, 2, 0}, {rd4, 4, 0}, {rd8, 8, 0}, {rd10, 10, 0}, {rd16, 16, 0}, {wr1, 1, 1}, {wr2, 2, 1}, {wr4, 4, 1},
    {wr6, 6, 1}, {wr8, 8, 1}, {wr16, 16, 1}, {rmw4, 4, 1}, {rmw8, 8, 1}, {stos1, 1, 1}, {stos4, 4, 1}, {scas2, 2, 0},
    {fsave108, 108, 1},
};

static void try_limits(const char *what, uint32_t limit, unsigned attr, unsigned flags)
{
    static const uint32_t offs[] = {0, 1, 0xf, 0x7ff, 0x800, 0xff0, 0xff8, 0xffc, 0xffd, 0xffe, 0xfff, 0x1000, 0x1001, 0x1ff0, 0x1fff, 0x2000};
    bool down = (attr & 0xc) == 4;
    uint32_t top = flags & 4 ? 0xffffffff : 0xffff, bytes = flags & 8 ? limit << 12 | 0xfff : limit;

    gdt[T / 8] = desc((uint32_t)area, limit, attr, flags);
    p_sel = T;
    for (unsigned i = 0; i < sizeof accesses / sizeof accesses[0]; i++)
        for (unsigned j = 0; j < sizeof offs / sizeof offs[0]; j++) {
            uint32_t first = offs[j], last = first + accesses[i].size - 1;
            bool ok = down ? first > bytes && last <= top : last <= bytes;
            if (accesses[i].write && (attr & 0xa) != 2)
                ok = false;
            if (first + accesses[i].size > sizeof area)
                continue;
            p_off = first;
            int v = catching(accesses[i].fn);
            check_that(v == (ok ? -1 : 13), what, (int)accesses[i].size, (word)v, first);
            if (!ok && v == 13)
                check_that(exc.error == 0, what, __LINE__, exc.error, 0);
        }
}

static void t_limits(void)
{
    word t;

    __asm__ volatile("mov %%cr4, %0; or $0x600, %0; mov %0, %%cr4; fninit" : "=r"(t));
    try_limits("expand up", 0xfff, 0x93, 4);
    try_limits("expand up, 16 bit", 0xffe, 0x93, 0);
    try_limits("pages", 0, 0x93, 12);
    try_limits("one byte", 0, 0x93, 4);
    try_limits("read only", 0x1fff, 0x91, 4);
    try_limits("code, readable", 0xfff, 0x9b, 4);
    try_limits("expand down", 0xfff, 0x97, 4);
    try_limits("expand down, 16 bit", 0x7ff, 0x97, 0);
    try_limits("expand down, pages", 0, 0x97, 12);
    try_limits("expand down, read only", 0xfff, 0x95, 4);
    /* expand down without B ends at 64 KiB */
    gdt[T / 8] = desc((uint32_t)area - 0xf000, 0xfff, 0x97, 0);
    p_off = 0xfffe;
    CHECK_EQ(catching(rd2), -1);
    CHECK_EQ(catching(rd4), 13);
    p_off = 0x10000;
    CHECK_EQ(catching(rd1), 13);
    gdt[T / 8] = desc((uint32_t)area - 0xf000, 0xfff, 0x97, 4);
    CHECK_EQ(catching(rd1), -1);
}

ACC(use_null, "xor %%eax, %%eax\nmov %%eax, %%es\nmov %%es:(%%edi), %%al")
ACC(use_null3, "mov $3, %%eax\nmov %%eax, %%es\nmov %%es, %%eax\ncmp $3, %%eax\njne 1f\nmov %%es:(%%edi), %%al\n1:")
ACC(bad_lds, "push %%ds\nlds %%es:(%%edi), %%eax\npop %%ds")

static void t_loads(void)
{
    p_off = 0;
    p_sel = 0;
    CHECK_EQ(catching(use_null), 13);
    CHECK_EQ(catching(use_null3), 13);
    CHECK_EQ(catching(bound8), 13);
    /* accessed bit */
    gdt[T / 8] = desc((uint32_t)area, 0xfff, 0x92, 4);
    p_sel = T;
    CHECK_EQ(catching(rd1), -1);
    CHECK_EQ(gdt[T / 8] >> 40 & 0xff, 0x93);
    /* RPL and DPL: ring 0 with RPL 3 into DPL 0 */
    p_sel = T | 3;
    CHECK_EQ(catching(rd1), 13);
    CHECK_EQ(exc.error, T);
    gdt[T / 8] = desc((uint32_t)area, 0xfff, 0x9f, 4); /* conforming code is for all */
    CHECK_EQ(catching(rd1), -1);
    gdt[T / 8] = desc((uint32_t)area, 0xfff, 0x82, 0); /* an LDT */
    p_sel = T;
    CHECK_EQ(catching(rd1), 13);
    p_sel = T | 4; /* no LDT */
    __asm__ volatile("lldt %%ax" : : "a"(0));
    CHECK_EQ(catching(rd1), 13);
    CHECK_EQ(exc.error, T | 4);
    /* LDS to the last byte of a segment, and one beyond */
    gdt[T / 8] = desc((uint32_t)area, 0xfff, 0x93, 4);
    p_sel = T;
    p_off = 0xffa;
    *(uint32_t *)(area + 0xffa) = 5;
    *(uint16_t *)(area + 0xffe) = 0x10;
    CHECK_EQ(catching(bad_lds), -1);
    p_off = 0xffb;
    CHECK_EQ(catching(bad_lds), 13);
}

/* --- stacks, in ring 3, where a broken one does no harm --- */

static word r3_ip, r3_flags;
NOINLINE static void enter_ring3(void)
{
    __asm__ volatile("mov $0x23, %%eax\nmov %%eax, %%ds\nmov %%eax, %%es\npush $0x23\npush %0\npush %1\npush $0x1b\npush %2\niret"
                     : : "r"(stack3 + sizeof stack3), "r"(r3_flags), "r"(r3_ip) : "eax");
}
static int in_ring3(const void *ip, word flags)
{
    r3_ip = (word)ip;
    r3_flags = flags | 2;
    return catching(enter_ring3);
}

#define R3S(name, text) extern char name[], name##_at[]; \
    __asm__(".text\n" #name ": mov p_sel, %eax\nmov %eax, %ss\nmov p_esp, %esp\nmov $0x23, %eax\n" #name "_at: " text "\nhlt\n");
R3S(s_push, "push %eax")
R3S(s_push16, "pushw %ax")
R3S(s_pop, "pop %eax")
R3S(s_pusha, "pusha")
R3S(s_popa, "popa")
R3S(s_call, "call 1f\n1:")
R3S(s_ret, "ret")
R3S(s_enter, "enter $0, $0")
R3S(s_enter_big, "enter $0x800, $0")
R3S(s_leave, "leave")
R3S(s_mem, "mov (%esp), %eax")
R3S(s_mem_w, "mov %eax, (%esp)")
R3S(s_pushf, "pushf")
R3S(s_iret, "iret")
R3S(s_lret, "lret")
R3S(s_pushseg, "push %ds")

static void stack_case(int line, char *fn, char *at, uint32_t esp, bool ok)
{
    int v;

    p_esp = esp;
    v = in_ring3(fn, 0);
    if (ok) {
        check_that(v == 13 && exc.ip != (word)at, "no fault", line, exc.ip, (word)at);
    } else {
        check_that(v == 12, "#SS", line, (word)v, 12);
        check_that(exc.error == 0 && exc.ip == (word)at, "#SS(0)", line, exc.ip, (word)at);
        check_that(exc.sp == esp, "ESP", line, exc.sp, esp);
    }
}
#define STACK(name, esp, ok) stack_case(__LINE__, name, name##_at, esp, ok)

static void t_stacks(void)
{
    set_up();
    gdt[U / 8] = desc((uint32_t)area, 0xfff, 0xf3, 4);
    p_sel = U | 3;
    STACK(s_push, 4, true);
    STACK(s_push, 0x1000, true);
    STACK(s_push, 3, false); /* wraps to 4 GiB */
    STACK(s_push, 0x1001, false);
    STACK(s_push16, 2, true);
    STACK(s_push16, 0x1002, false);
    STACK(s_pop, 0xffc, true);
    STACK(s_pop, 0xffd, false);
    STACK(s_pusha, 0x20, true);
    STACK(s_pusha, 0x1f, false);
    STACK(s_pusha, 0x1004, false);
    STACK(s_popa, 0xfe0, true);
    STACK(s_popa, 0xfe4, false);
    STACK(s_call, 0x1000, true);
    STACK(s_call, 0x1004, false);
    STACK(s_ret, 0xffd, false);
    STACK(s_enter, 0x1004, false);
    STACK(s_pushf, 0x1004, false);
    STACK(s_pushseg, 0x1004, false);
    STACK(s_mem, 0xffc, true);
    STACK(s_mem, 0xffd, false);
    STACK(s_mem_w, 0xffd, false);
    STACK(s_iret, 0xff8, false);
    STACK(s_lret, 0xffc, false);
    gdt[U / 8] = desc((uint32_t)area, 0xfff, 0xf7, 4); /* expand down */
    STACK(s_push, 0x1004, true);
    STACK(s_push, 0x1003, false);
    STACK(s_push, 0x1002, false);
    STACK(s_pop, 0x1000, true);
    STACK(s_pop, 0xfff, false);
    gdt[U / 8] = desc((uint32_t)area, 0xffff, 0xf3, 0); /* a 16-bit stack: SP wraps, the rest of ESP stays */
    STACK(s_push, 0x12340010, true);
    STACK(s_push, 0x12340002, false); /* at fffe: across the limit */
    STACK(s_push16, 2, true);
}

/* --- code limits --- */

extern char cl_first[], cl_last[];
__asm__(".text\ncl_first: nop\nnop\n.byte 0xb8, 0, 0, 0, 0\ncl_last: lret\n");
static word far_off;
static uint16_t far_sel;
struct __attribute__((packed)) { uint32_t off; uint16_t sel; } far_ptr;
NOINLINE static void far_call(void)
{
    far_ptr.off = far_off;
    far_ptr.sel = far_sel;
    __asm__ volatile("mov $seen, %%ecx\nlcall *far_ptr" : : : "eax", "ecx", "memory");
}

static void t_code_limits(void)
{
    static uint8_t code[16] __attribute__((aligned(16)));

    memcpy(code, cl_first, 8);
    far_sel = T;
    far_off = 0;
    gdt[T / 8] = desc((uint32_t)code, 7, 0x9b, 4);
    CHECK_EQ(catching(far_call), -1);
    gdt[T / 8] = desc((uint32_t)code, 6, 0x9b, 4); /* the LRET lies beyond */
    CHECK_EQ(catching(far_call), 13);
    CHECK_EQ(exc.ip, 7);
    CHECK_EQ(exc.cs, T);
    CHECK_EQ(exc.error, 0);
    gdt[T / 8] = desc((uint32_t)code, 5, 0x9b, 4); /* amid MOV */
    CHECK_EQ(catching(far_call), 13);
    CHECK_EQ(exc.ip, 2);
    gdt[T / 8] = desc((uint32_t)code, 1, 0x9b, 4);
    CHECK_EQ(catching(far_call), 13);
    CHECK_EQ(exc.ip, 2);
    far_off = 2; /* a target beyond: the call faults */
    CHECK_EQ(catching(far_call), 13);
    CHECK_EQ(exc.cs, 8);
    CHECK_EQ(exc.error, 0);
    gdt[T / 8] = desc((uint32_t)code, 0xfff, 0x1b, 4);
    CHECK_EQ(catching(far_call), 11);
    CHECK_EQ(exc.error, T);
    gdt[T / 8] = desc((uint32_t)code, 0xfff, 0xfb, 4); /* DPL 3: not from ring 0 */
    CHECK_EQ(catching(far_call), 13);
    gdt[T / 8] = desc((uint32_t)code, 0xfff, 0x9b, 4);
    far_sel = T | 3; /* RPL above CPL */
    CHECK_EQ(catching(far_call), 13);
    gdt[T / 8] = desc((uint32_t)code, 0xfff, 0x9f, 4); /* conforming: RPL does not matter */
    far_off = 0;
    CHECK_EQ(catching(far_call), -1);
    gdt[T / 8] = desc((uint32_t)code, 0xfff, 0xff, 4); /* conforming, DPL 3 */
    CHECK_EQ(catching(far_call), 13);
    CHECK_EQ(exc.error, T);
}

/* --- LAR, LSL, VERR, VERW, ARPL --- */

static word q(int what, word sel, word *val)
{
    uint8_t z;
    word v = 0x55aa55aa;

    switch (what) {
    case 0: __asm__ volatile("lar %2, %1; setz %0" : "=q"(z), "+r"(v) : "r"(sel) : "cc"); break;
    case 1: __asm__ volatile("lsl %2, %1; setz %0" : "=q"(z), "+r"(v) : "r"(sel) : "cc"); break;
    case 2: __asm__ volatile("verr %w1; setz %0" : "=q"(z) : "r"(sel) : "cc"); break;
    default: __asm__ volatile("verw %w1; setz %0" : "=q"(z) : "r"(sel) : "cc"); break;
    }
    *val = v;
    return z;
}

static void t_queries(void)
{
    static const struct { unsigned attr; bool lar, lsl, r, w; } types[] = {
        {0x93, 1, 1, 1, 1}, {0x91, 1, 1, 1, 0}, {0x9b, 1, 1, 1, 0}, {0x99, 1, 1, 0, 0}, {0x97, 1, 1, 1, 1}, {0x9f, 1, 1, 1, 0},
        {0x80, 0, 0, 0, 0}, {0x81, 1, 1, 0, 0}, {0x82, 1, 1, 0, 0}, {0x83, 1, 1, 0, 0}, {0x84, 1, 0, 0, 0}, {0x85, 1, 0, 0, 0},
        {0x86, 0, 0, 0, 0}, {0x87, 0, 0, 0, 0}, {0x88, 0, 0, 0, 0}, {0x89, 1, 1, 0, 0}, {0x8a, 0, 0, 0, 0}, {0x8b, 1, 1, 0, 0},
        {0x8c, 1, 0, 0, 0}, {0x8d, 0, 0, 0, 0}, {0x8e, 0, 0, 0, 0}, {0x8f, 0, 0, 0, 0}, {0x13, 1, 1, 1, 1},
    };
    word v;

    for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
        gdt[T / 8] = desc(0x12345678, 0xabcde, types[i].attr, 8 | 1);
        check_that(q(0, T, &v) == types[i].lar, "LAR", (int)types[i].attr, v, 0);
        CHECK_EQ(v & 0xf0ffff, types[i].lar ? 0x900000 | types[i].attr << 8 : 0xa055aa);
        check_that(q(1, T, &v) == types[i].lsl, "LSL", (int)types[i].attr, v, 0);
        CHECK_EQ(v, types[i].lsl ? 0xabcdefff : 0x55aa55aa);
        check_that(q(2, T, &v) == types[i].r, "VERR", (int)types[i].attr, v, 0);
        check_that(q(3, T, &v) == types[i].w, "VERW", (int)types[i].attr, v, 0);
    }
    CHECK_EQ(q(0, 0, &v), 0);
    CHECK_EQ(q(1, 0xf8, &v), 0); /* beyond the GDT */
    CHECK_EQ(q(2, 0, &v), 0);
    gdt[T / 8] = desc(0, 0xfff, 0x93, 4);
    CHECK_EQ(q(0, T | 3, &v), 0); /* RPL above DPL */
    gdt[T / 8] = desc(0, 0xfff, 0x9f, 4);
    CHECK_EQ(q(0, T | 3, &v), 1); /* conforming */
    CHECK_EQ(q(2, T | 3, &v), 1);
    {
        word a = 0x10, b = 3;
        uint8_t z;
        __asm__ volatile("arpl %w2, %w0; setz %1" : "+r"(a), "=q"(z) : "r"(b) : "cc");
        CHECK_EQ(a, 0x13);
        CHECK_EQ(z, 1);
        b = 2;
        __asm__ volatile("arpl %w2, %w0; setz %1" : "+r"(a), "=q"(z) : "r"(b) : "cc");
        CHECK_EQ(a, 0x13);
        CHECK_EQ(z, 0);
    }
}

/* --- call gates --- */

__asm__(".text\n"
        "g_target: mov %cs, seen\nmov %ss, seen + 4\nmov %esp, seen + 8\nmov (%esp), %eax\nmov %eax, seen + 12\nmov 4(%esp), %eax\nmov %eax, seen + 16\n"
        "mov 8(%esp), %eax\nmov %eax, seen + 20\nmov 12(%esp), %eax\nmov %eax, seen + 24\nmov 16(%esp), %eax\nmov %eax, seen + 28\n"
        "mov 20(%esp), %eax\nmov %eax, seen + 32\nlret $8\n"
        "g_caller: push $0x1111\npush $0x2222\nlcall *gate_ptr\ng_after: ud2\n"
        "g_jump: ljmp *gate_ptr\n"
        "g_target16: mov %cs, seen\nmov (%esp), %eax\nmov %eax, seen + 12\nmov 4(%esp), %eax\nmov %eax, seen + 16\nmov %esp, seen + 8\nlretw $4\n");
extern char g_target[], g_caller[], g_after[], g_jump[], g_target16[];
struct __attribute__((packed)) { uint32_t off; uint16_t sel; } gate_ptr = {0xf4f4f4f4, GATE | 3};

static void set_call_gate(const void *to, unsigned sel, unsigned attr, unsigned count)
{
    uint32_t a = (uint32_t)to;
    gdt[GATE / 8] = (uint64_t)(a >> 16) << 48 | (uint64_t)attr << 40 | (uint64_t)count << 32 | (uint64_t)sel << 16 | (a & 0xffff);
}

static void t_call_gates(void)
{
    const word top3 = (word)(stack3 + sizeof stack3), top1 = (word)(stack1 + sizeof stack1), top0 = (word)(stack0 + sizeof stack0);

    set_up();
    for (int ring = 0; ring < 2; ring++) {
        memset(seen, 0, sizeof seen);
        set_call_gate(g_target, ring ? CODE1 : 8, 0xec, 2);
        CHECK_EQ(in_ring3(g_caller, 0), 6);
        CHECK_EQ(exc.ip, (word)g_after);
        CHECK_EQ(exc.cs, 0x1b);
        CHECK_EQ(exc.sp, top3); /* LRET 8 took the parameters from both stacks */
        CHECK_EQ(seen[0] & 0xffff, ring ? CODE1 | 1 : 8);
        CHECK_EQ(seen[1] & 0xffff, ring ? STACK1 | 1 : 0x10);
        CHECK_EQ(seen[2], (ring ? top1 : top0) - 24);
        CHECK_EQ(seen[3], (word)g_after);
        CHECK_EQ(seen[4], 0x1b);
        CHECK_EQ(seen[5], 0x2222);
        CHECK_EQ(seen[6], 0x1111);
        CHECK_EQ(seen[7], top3 - 8);
        CHECK_EQ(seen[8], 0x23);
    }
    /* 31 parameters fit */
    set_call_gate(g_target, 8, 0xec, 31);
    CHECK_EQ(in_ring3(g_jump, 0), 13); /* a JMP may not go inwards */
    CHECK_EQ(exc.error, 8);
    set_call_gate(g_target, 8, 0x8c, 0); /* the gate's DPL */
    CHECK_EQ(in_ring3(g_caller, 0), 13);
    CHECK_EQ(exc.error, GATE);
    set_call_gate(g_target, 8, 0x6c, 0); /* not present */
    CHECK_EQ(in_ring3(g_caller, 0), 11);
    CHECK_EQ(exc.error, GATE);
    set_call_gate(g_target, 0, 0xec, 0);
    CHECK_EQ(in_ring3(g_caller, 0), 13);
    CHECK_EQ(exc.error, 0);
    set_call_gate(g_target, 0x10, 0xec, 0);
    CHECK_EQ(in_ring3(g_caller, 0), 13);
    CHECK_EQ(exc.error, 0x10);
    /* the inner stack */
    set_call_gate(g_target, CODE1, 0xec, 2);
    tss.ss1 = 0;
    CHECK_EQ(in_ring3(g_caller, 0), 10);
    CHECK_EQ(exc.error, 0);
    tss.ss1 = STACK1; /* RPL 0 */
    CHECK_EQ(in_ring3(g_caller, 0), 10);
    CHECK_EQ(exc.error, STACK1);
    tss.ss1 = STACK1 | 1;
    gdt[STACK1 / 8] &= ~(0x80ull << 40);
    CHECK_EQ(in_ring3(g_caller, 0), 12);
    CHECK_EQ(exc.error, STACK1);
    gdt[STACK1 / 8] = desc((uint32_t)area, 0xfff, 0xb3, 4);
    tss.esp1 = 8; /* too small for the frame */
    CHECK_EQ(in_ring3(g_caller, 0), 12);
    CHECK_EQ(exc.error, STACK1);
    CHECK_EQ(exc.cs, 0x1b);
    set_up();
    /* a 16-bit gate: words on the new stack */
    set_call_gate((void *)0x8000, 8, 0xe4, 2);
    memcpy((void *)0x8000, g_target16, 64);
    CHECK(in_ring3(g_caller, 0) >= 0); /* LRET of 16 bits goes to an IP below 64 KiB */
    CHECK_EQ(seen[3] & 0xffff, (word)g_after & 0xffff);
    CHECK_EQ(seen[3] >> 16, 0x1b);
    CHECK_EQ(seen[4], 0x2222); /* two words */
    set_call_gate(g_target, 8, 0xec, 2);
    /* conforming: no change of stack or level */
    gdt[CONF / 8] = desc(0, 0xfffff, 0x9f, 12);
    set_call_gate(g_target, CONF, 0xec, 2);
    memset(seen, 0, sizeof seen);
    CHECK_EQ(in_ring3(g_caller, 0), 6);
    CHECK_EQ(seen[0] & 0xffff, CONF | 3);
    CHECK_EQ(seen[2], top3 - 16);
    CHECK_EQ(exc.sp, top3);
    CHECK_EQ(in_ring3(g_jump, 0) >= 0, 1);
}

/* --- returns drop inner data segments --- */

__asm__(".text\nret_drop: mov %fs, seen\nmov %gs, seen + 4\nhlt\n");
extern char ret_drop[];
NOINLINE static void iret_with_segments(void)
{
    __asm__ volatile("mov $0x10, %%eax\nmov %%eax, %%fs\nmov $0x23, %%eax\nmov %%eax, %%gs\nmov %%eax, %%ds\nmov %%eax, %%es\n"
                     "push $0x23\npush %0\npush $2\npush $0x1b\npush $ret_drop\niret" : : "r"(stack3 + sizeof stack3) : "eax");
}
static void t_return_drops(void)
{
    set_up();
    seen[0] = 5;
    CHECK_EQ(catching(iret_with_segments), 13);
    CHECK_EQ(seen[0] & 0xffff, 0);
    CHECK_EQ(seen[1] & 0xffff, 0x23);
}

/* --- I/O permission bitmap --- */

#define IO(name, text) extern char name[], name##_at[]; __asm__(".text\n" #name ": mov p_off, %edx\n" #name "_at: " text "\nhlt\n");
IO(io_in1, "in %dx, %al")
IO(io_in2, "in %dx, %ax")
IO(io_in4, "in %dx, %eax")
IO(io_out1, "out %al, %dx")
IO(io_insb, "mov $area_end, %edi\ninsb")
__asm__(".bss\narea_end: .skip 16\n.text\n");

static bool io_allowed(char *fn, char *at, unsigned port)
{
    p_off = port;
    int v = in_ring3(fn, 0);
    CHECK_EQ(v, 13);
    CHECK_EQ(exc.error, 0);
    return exc.ip != (word)at;
}
#define MAY(fn, port) io_allowed(fn, fn##_at, port)

static void t_io_bitmap(void)
{
    set_up();
    memset(tss.map, 0, sizeof tss.map);
    tss.iomap = 0x68;
    gdt[TSS / 8] = desc((uint32_t)&tss, 0x68 + 0x20, 0x89, 0); /* bytes 0-20h: ports 0-107h, the last byte is the second one */
    __asm__ volatile("ltr %%ax" : : "a"(TSS));
    CHECK(MAY(io_in1, 0x80));
    CHECK(MAY(io_in4, 0x80));
    CHECK(MAY(io_in1, 0xff));
    CHECK(!MAY(io_in1, 0x100)); /* needs byte 20h and 21h */
    CHECK(!MAY(io_in1, 0x108));
    CHECK(!MAY(io_in1, 0xffff));
    CHECK(MAY(io_out1, 0x80));
    CHECK(MAY(io_insb, 0x80));
    tss.map[0x80 / 8] = 1 << 3; /* port 83h */
    CHECK(MAY(io_in1, 0x82));
    CHECK(!MAY(io_in1, 0x83));
    CHECK(!MAY(io_in2, 0x82));
    CHECK(MAY(io_in2, 0x81));
    CHECK(!MAY(io_in4, 0x80));
    CHECK(MAY(io_in4, 0x84));
    tss.map[0x80 / 8] = 0;
    tss.map[0x88 / 8] = 1; /* 88h: across the byte */
    CHECK(!MAY(io_in4, 0x85));
    CHECK(!MAY(io_in2, 0x87));
    CHECK(MAY(io_in2, 0x86));
    CHECK(MAY(io_in1, 0x87));
    tss.map[0x88 / 8] = 0;
    /* the map of all ports: the last ones need a byte behind it */
    gdt[TSS / 8] = desc((uint32_t)&tss, 0x68 + 8191, 0x89, 0);
    __asm__ volatile("ltr %%ax" : : "a"(TSS));
    CHECK(!MAY(io_in1, 0xffff));
    CHECK(!MAY(io_in1, 0xfff8));
    CHECK(MAY(io_in1, 0xfff7));
    gdt[TSS / 8] = desc((uint32_t)&tss, 0x68 + 8192, 0x89, 0);
    __asm__ volatile("ltr %%ax" : : "a"(TSS));
    CHECK(MAY(io_in1, 0xffff));
    tss.map[8192] = 0xff;
    CHECK(!MAY(io_in2, 0xffff)); /* wraps into the byte behind */
    CHECK(MAY(io_in1, 0xffff));
    /* base beyond the limit: nothing is allowed; so with a 16-bit TSS */
    tss.iomap = 0xffff;
    CHECK(!MAY(io_in1, 0x80));
    tss.iomap = 0x68;
    p_off = 0x80;
    CHECK_EQ(in_ring3(io_in1, 0x3000), 13);
    CHECK(exc.ip != (word)io_in1_at); /* IOPL 3 */
    set_up();
}

/* --- alignment checks --- */

#define AC(name, text) extern char name[]; __asm__(".text\n" #name ": " text "\nhlt\n");
AC(ac_2, "mov area + 1, %ax")
AC(ac_2ok, "mov area + 2, %ax")
AC(ac_4, "mov area + 2, %eax")
AC(ac_8, "fildll area + 4")
AC(ac_10, "fldt area + 4")
AC(ac_16, "movups area + 1, %xmm0")
AC(ac_lds, "les area + 2, %eax")
AC(ac_push, "mov $stack3 + 2048 + 2, %esp\npush %eax")
AC(ac_str, "mov $area + 1, %esi\nlodsl")
AC(ac_sgdt, "sgdt area + 1")
AC(ac_bound, "xor %eax, %eax\nbound %eax, area + 2")
AC(ac_fxsave, "fxsave area + 8")

static void t_alignment(void)
{
    word t;

    set_up();
    memset(area, 0, 64);
    __asm__ volatile("mov %%cr0, %0; or $0x40000, %0; mov %0, %%cr0; mov %%cr4, %0; or $0x600, %0; mov %0, %%cr4" : "=r"(t));
    CHECK_EQ(in_ring3(ac_2, 0x40000), 17);
    CHECK_EQ(exc.error, 0);
    CHECK_EQ(exc.ip, (word)ac_2);
    CHECK_EQ(in_ring3(ac_2ok, 0x40000), 13);
    CHECK_EQ(in_ring3(ac_2, 0), 13); /* EFLAGS.AC clear */
    CHECK_EQ(in_ring3(ac_4, 0x40000), 17);
    CHECK_EQ(in_ring3(ac_8, 0x40000), 17);
    CHECK_EQ(in_ring3(ac_10, 0x40000), 17);
    CHECK_EQ(in_ring3(ac_16, 0x40000), 13);
    CHECK_EQ(in_ring3(ac_push, 0x40000), 17);
    CHECK_EQ(in_ring3(ac_str, 0x40000), 17);
    CHECK_EQ(in_ring3(ac_bound, 0x40000), 17);
    __asm__ volatile("mov %%cr0, %0; and $~0x40000, %0; mov %0, %%cr0" : "=r"(t));
    CHECK_EQ(in_ring3(ac_2, 0x40000), 13); /* CR0.AM clear */
}

/* --- SYSENTER --- */

static inline void wrmsr(uint32_t m, uint32_t v) { __asm__ volatile("wrmsr" : : "a"(v), "d"(0), "c"(m) : "memory"); }
__asm__(".text\nse_user: mov $se_back, %edx\nmov %esp, %ecx\nsysenter\nse_back: mov %cs, seen + 8\nmov %ss, seen + 12\nmov %esp, seen + 16\nhlt\n"
        "se_entry: mov %cs, seen\nmov %ss, seen + 4\nmov %esp, seen + 20\npushf\npop seen + 24\nsysexit\n"
        "se_bad: sysexit\n");
extern char se_user[], se_entry[], se_back[], se_bad[];

static void t_sysenter(void)
{
    set_up();
    wrmsr(0x174, 0);
    CHECK_EQ(in_ring3(se_user, 0), 13);
    CHECK(exc.ip != (word)se_back);
    wrmsr(0x174, 8);
    wrmsr(0x175, (word)(stack1 + sizeof stack1));
    wrmsr(0x176, (word)se_entry);
    CHECK_EQ(in_ring3(se_user, 0x200), 13);
    CHECK_EQ(seen[0] & 0xffff, 8);
    CHECK_EQ(seen[1] & 0xffff, 0x10);
    CHECK_EQ(seen[5], (word)(stack1 + sizeof stack1));
    CHECK_EQ(seen[6] & 0x200, 0); /* IF off */
    CHECK_EQ(seen[2] & 0xffff, 0x1b);
    CHECK_EQ(seen[3] & 0xffff, 0x23);
    CHECK_EQ(seen[4], (word)(stack3 + sizeof stack3));
    CHECK_EQ(in_ring3(se_bad, 0), 13);
    CHECK_EQ(exc.ip, (word)se_bad);
    wrmsr(0x174, 0);
}

/* --- 8086 mode --- */

static word vm_flags;
NOINLINE static void enter_vm86(void)
{
    __asm__ volatile("push $0\npush $0\npush $0x700\npush $0x700\npush $0x700\npush $0x800\npush %0\npush $0x700\npush $0\niret" : : "r"(vm_flags));
}
enum { VM = 0x20000, VIF = 0x80000, VIP = 0x100000, IF = 0x200, IOPL3 = 0x3000 };

/* The code bytes in 8086 mode; ends by a fault. */
static int vm86(const uint8_t *code, unsigned n, word flags)
{
    memcpy((void *)0x7000, code, n);
    ((uint8_t *)0x7000)[n] = 0x0f; /* ud2 ends it well */
    ((uint8_t *)0x7000)[n + 1] = 0x0b;
    vm_flags = flags | VM | 2;
    return catching(enter_vm86);
}
#define V(flags, ...) ({ static const uint8_t c_[] = {__VA_ARGS__}; vm86(c_, sizeof c_, flags); })

static void t_vm86(void)
{
    volatile uint16_t *ivt = (volatile uint16_t *)0;
    word t;

    __asm__ volatile("" : "+r"(ivt));
    set_up();
    memset(tss.map, 0, sizeof tss.map);
    gdt[TSS / 8] = desc((uint32_t)&tss, 0x67 + 32 + 0x22, 0x89, 0);
    tss.iomap = 0x68 + 32; /* the redirection map lies below */
    memset(tss.map, 0xff, 32);
    __asm__ volatile("ltr %%ax" : : "a"(TSS));
    /* IOPL 3: CLI, STI, PUSHF, POPF, INT, IRET run */
    CHECK_EQ(V(IOPL3 | IF, 0xfa), 6); /* cli */
    CHECK_EQ(exc.flags & (IF | VM), VM);
    CHECK_EQ(V(IOPL3, 0xfb), 6); /* sti */
    CHECK_EQ(exc.flags & IF, IF);
    CHECK_EQ(V(IOPL3, 0x9c, 0x58), 6); /* pushf; pop ax */
    CHECK_EQ(V(IOPL3, 0x68, 0x02, 0x02, 0x9d), 6); /* push 202h; popf */
    CHECK_EQ(exc.flags & (IF | 0x3000), IF | 0x3000); /* IOPL does not change */
    /* IOPL 0 without VME: all fault */
    CHECK_EQ(V(0, 0xfa), 13);
    CHECK_EQ(V(0, 0xfb), 13);
    CHECK_EQ(V(0, 0x9c), 13);
    CHECK_EQ(V(0, 0x9d), 13);
    CHECK_EQ(V(0, 0xcf), 13);
    CHECK_EQ(V(0, 0xcd, 0x21), 13);
    CHECK_EQ(exc.error, 0);
    CHECK_EQ(V(0, 0xcc), 3); /* INT3 does not look at IOPL */
    CHECK_EQ(exc.ip, 1);
    CHECK_EQ(V(0, 0xf4), 13);
    CHECK_EQ(V(0, 0x0f, 0x20, 0xc0), 13); /* mov eax, cr0 */
    CHECK_EQ(V(0, 0x0f, 0x00, 0xc0), 6);  /* sldt: not in this mode */
    CHECK_EQ(V(0, 0x0f, 0x02, 0xc0), 6);  /* lar */
    CHECK_EQ(V(0, 0x63, 0xc0), 6);        /* arpl */
    CHECK_EQ(V(0, 0x0f, 0x01, 0xe0), 6);  /* smsw is */
    /* ports: the bitmap even with IOPL 3 */
    CHECK_EQ(V(IOPL3, 0xe4, 0x80), 6);
    tss.map[32 + 0x80 / 8] = 1;
    CHECK_EQ(V(IOPL3, 0xe4, 0x80), 13);
    CHECK_EQ(V(0, 0xe4, 0x81), 6);
    tss.map[32 + 0x80 / 8] = 0;
    /* limits: 64 KiB, #GP and #SS */
    CHECK_EQ(V(0, 0xa1, 0xff, 0xff), 13);             /* mov ax, [ffff] */
    CHECK_EQ(V(0, 0xbc, 0x01, 0x00, 0x50), 12);       /* mov sp, 1; push ax */
    CHECK_EQ(V(0, 0x66, 0x67, 0xa1, 0, 0, 1, 0), 13); /* mov eax, [10000h] */
    CHECK_EQ(V(0, 0xb8, 0x34, 0x12, 0x8e, 0xd8, 0x8c, 0xd9), 6); /* any value is a segment */
    /* VME: the virtual interrupt flag */
    __asm__ volatile("mov %%cr4, %0; or $1, %0; mov %0, %%cr4" : "=r"(t));
    CHECK_EQ(V(IF, 0xfb), 6);
    CHECK_EQ(exc.flags & (VIF | IF), VIF | IF);
    CHECK_EQ(V(IF | VIF, 0xfa), 6);
    CHECK_EQ(exc.flags & (VIF | IF), IF);
    CHECK_EQ(V(IF | VIF, 0x9c, 0x58), 6); /* pushf shows VIF as IF and IOPL 3 */
    CHECK_EQ(exc.ax & 0x3200, 0x3200);
    CHECK_EQ(V(IF, 0x9c, 0x58), 6);
    CHECK_EQ(exc.ax & 0x3200, 0x3000);
    CHECK_EQ(V(IF, 0x66, 0x9c), 13);        /* 32-bit ones fault */
    CHECK_EQ(V(IF, 0x68, 0x02, 0x02, 0x9d), 6);
    CHECK_EQ(exc.flags & VIF, VIF);
    CHECK_EQ(V(IF | VIF, 0x68, 0x02, 0x00, 0x9d), 6);
    CHECK_EQ(exc.flags & (VIF | IF), IF);
    CHECK_EQ(V(IF, 0x68, 0x02, 0x01, 0x9d), 13); /* TF */
    CHECK_EQ(V(IF | VIP, 0xfb), 13);             /* STI with an interrupt waiting */
    CHECK_EQ(V(IF | VIP, 0x68, 0x02, 0x02, 0x9d), 13);
    CHECK_EQ(V(IF | VIP, 0xfa), 6);
    /* redirection: bit 21h clear goes to the program's own vector */
    uint16_t old0 = ivt[0x42], old1 = ivt[0x43];
    ivt[0x42] = 0x40;
    ivt[0x43] = 0x700;
    memcpy((void *)0x7040, (const uint8_t[]){0x9c, 0x5b, 0xcf}, 3); /* pushf; pop bx; iret */
    CHECK_EQ(V(IF | VIF, 0xcd, 0x21), 13); /* bit set */
    CHECK_EQ(exc.ip, 0);
    tss.map[0x21 / 8] &= (uint8_t)~(1 << (0x21 & 7));
    CHECK_EQ(V(IF | VIF, 0xcd, 0x21, 0x90), 6);
    CHECK_EQ(exc.ip, 3);
    CHECK_EQ(exc.flags & VIF, VIF);        /* IRET brought it back */
    CHECK_EQ(exc.bx & 0x3200, 0x3000);     /* off in the handler */
    CHECK_EQ(V(IOPL3 | IF, 0xcd, 0x21, 0x90), 6); /* IOPL 3: IF itself */
    CHECK_EQ(exc.bx & 0x200, 0);
    CHECK_EQ(exc.flags & IF, IF);
    tss.map[0x21 / 8] = 0xff;
    CHECK_EQ(V(IOPL3 | IF, 0xcd, 0x21), 13); /* to the gate, whose DPL is 0 */
    CHECK_EQ(exc.error, 0x21 * 8 + 2);
    ivt[0x42] = old0;
    ivt[0x43] = old1;
    /* PVI: ring 3 in protected mode */
    __asm__ volatile("mov %%cr4, %0; and $~1, %0; or $2, %0; mov %0, %%cr4" : "=r"(t));
    extern char pvi_sti[], pvi_cli[];
    CHECK_EQ(in_ring3(pvi_sti, IF), 13);
    CHECK_EQ(exc.ip, (word)pvi_sti + 1);
    CHECK_EQ(exc.flags & VIF, VIF);
    CHECK_EQ(in_ring3(pvi_cli, IF | VIF), 13);
    CHECK_EQ(exc.flags & (VIF | IF), IF);
    CHECK_EQ(in_ring3(pvi_sti, IF | VIP), 13);
    CHECK_EQ(exc.ip, (word)pvi_sti);
    __asm__ volatile("mov %%cr4, %0; and $~2, %0; mov %0, %%cr4" : "=r"(t));
    CHECK_EQ(in_ring3(pvi_sti, IF), 13);
    CHECK_EQ(exc.ip, (word)pvi_sti);
}
__asm__(".text\npvi_sti: sti\nhlt\npvi_cli: cli\nhlt\n");

/* --- double fault: which pairs make one --- */

NOINLINE static void raise_ud(void) { __asm__ volatile("ud2"); }
NOINLINE static void raise_de(void) { __asm__ volatile("xor %%ecx, %%ecx\ndiv %%ecx" : : : "ecx"); }
NOINLINE static void raise_pf(void) { __asm__ volatile("mov 0x1f0000, %%al" : : : "eax"); }
NOINLINE static void raise_gp(void) { __asm__ volatile("mov $0x1000, %%eax\nmov %%eax, %%fs" : : : "eax"); }

static void t_double_fault(void)
{
    set_up();
    pt0[0x1f0] = 0;
    flush_tlb();
    /* the first one's gate is not present: #NP while delivering it */
    set_gate(6, NULL, 8, 0x0e, 0);
    CHECK_EQ(catching(raise_ud), 11); /* benign and contributory: the second */
    CHECK_EQ(exc.error, 6 * 8 + 3);
    set_gate(0, NULL, 8, 0x0e, 0);
    CHECK_EQ(catching(raise_de), 8); /* contributory twice */
    CHECK_EQ(exc.error, 0);
    set_gate(14, NULL, 8, 0x0e, 0);
    CHECK_EQ(catching(raise_pf), 8); /* page fault, then contributory */
    set_gate(13, NULL, 8, 0x0e, 0);
    CHECK_EQ(catching(raise_gp), 8);
    set_gate(13, NULL, 0x1000, 0x8e, 0); /* a bad selector in the gate: #GP in #GP */
    CHECK_EQ(catching(raise_gp), 8);
    set_gate(6, NULL, 0x1000, 0x8e, 0);
    set_gate(13, (void *)isr_table[13], 8, 0x8e, 0);
    CHECK_EQ(catching(raise_ud), 13);
    CHECK_EQ(exc.error, 0x1001);
    for (int v = 0; v < 15; v++)
        if (v == 0 || v == 6 || v == 14)
            set_gate(v, (void *)isr_table[v], 8, 0x8e, 0);
    CHECK_EQ(catching(raise_pf), 14);
    pt0[0x1f0] = 0x1f0007;
    flush_tlb();
}

void guest_main(const char *cmdline)
{
    static const TestCase tests[] = {{"data segment limits", t_limits}, {"segment loads", t_loads}, {"stack limits", t_stacks}, {"code limits and privilege", t_code_limits},
                                     {"LAR, LSL, VERR, VERW, ARPL", t_queries}, {"call gates", t_call_gates}, {"IRET drops inner segments", t_return_drops},
                                     {"I/O permission bitmap", t_io_bitmap}, {"alignment checks", t_alignment}, {"SYSENTER", t_sysenter},
                                     {"8086 mode, VME, PVI", t_vm86}, {"double faults", t_double_fault}};

    paging_on();
    run_tests(tests, sizeof tests / sizeof tests[0]);
}
