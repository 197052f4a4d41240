/* smc-32.c - code that changes under the CPU's feet: its own next instruction, other pages, string
 * instructions, disk DMA; and page tables that change under INVLPG and CR3. */
#include "lib.h"

static uint8_t buf[3 * 4096] __attribute__((aligned(4096)));
typedef int (*Fn)(void);

/* mov eax, imm; ret */
static void put_code(uint8_t *at, uint32_t v)
{
    at[0] = 0xb8;
    memcpy(at + 1, &v, 4);
    at[5] = 0xc3;
}

NOINLINE static int call(void *p) { BARRIER(); return ((Fn)p)(); }

static void t_next_instruction(void)
{
    int r;

    /* The store changes the immediate of the instruction right after it, in the same block. */
    for (int i = 1; i < 50; i++) {
        __asm__ volatile("movl %1, 1f + 1\n1: movl $0, %%eax\n" : "=&a"(r) : "r"(i) : "memory");
        CHECK_EQ(r, i);
    }
}

static void t_loop(void)
{
    uint32_t sum;

    /* Each round adds the count to the immediate of a later instruction in the loop, then executes it. */
    __asm__ volatile("xor %%eax, %%eax\n mov $1000, %%ecx\n movl $0, 2f + 1\n"
                     "1: incl 2f + 1\n2: .byte 5\n .long 0\n dec %%ecx\n jnz 1b" : "=&a"(sum) : : "ecx", "memory", "cc");
    CHECK_EQ(sum, 1000 * 1001 / 2);
}

static void t_calls(void)
{
    for (uint32_t i = 0; i < 300; i++) {
        put_code(buf, i);
        CHECK_EQ(call(buf), i);
    }
}

static void t_cross_page(void)
{
    uint8_t *at = buf + 4096 - 3; /* the immediate lies in both pages */

    for (uint32_t i = 0; i < 100; i++) {
        put_code(at, i * 0x01010101);
        CHECK_EQ(call(at), i * 0x01010101);
        at[4] = 0x5a; /* the second page's part only */
        CHECK_EQ(call(at), (i * 0x01010101 & 0xffffff) | 0x5a000000);
    }
}

static void t_rep_movs(void)
{
    static uint8_t src[64];

    for (uint32_t i = 0; i < 100; i++) {
        void *d = buf, *s = src;
        word n = 6;
        put_code(src, i * 3);
        __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
        CHECK_EQ(call(buf), i * 3);
        src[1] = (uint8_t)(i + 77);
        d = buf, s = src, n = 2;
        __asm__ volatile("rep movsl" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
        CHECK_EQ(call(buf) & 0xff, (i + 77) & 0xff);
    }
}

/* rep stosb runs over the code that executes it: the instruction itself ends as it was fetched. */
static void t_rep_over_itself(void)
{
    static const uint8_t code[] = {0x57, 0x51, 0xb9, 8, 0, 0, 0,  /* push edi; push ecx; mov ecx, 8 */
                                   0xbf, 0, 0, 0, 0,              /* mov edi, buf + 16 */
                                   0xb0, 0x90, 0xf3, 0xaa,        /* mov al, 90h; rep stosb */
                                   0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, /* inc eax x 8: become nops */
                                   0x40, 0x59, 0x5f, 0xc3};
    uint32_t to = (uint32_t)(buf + 16);

    for (int i = 0; i < 3; i++) {
        memcpy(buf, code, sizeof code);
        memcpy(buf + 8, &to, 4);
        CHECK_EQ((call(buf)) & 0xff, 0x91);
    }
}

static void t_push_and_locked(void)
{
    word r;

    for (uint32_t i = 0; i < 20; i++) {
        put_code(buf, i);
        call(buf);
        __asm__ volatile("lock addl $5, 1(%0)" : : "r"(buf) : "memory", "cc");
        CHECK_EQ(call(buf), i + 5);
        __asm__ volatile("mov %%esp, %0; lea 5(%1), %%esp; pushl %2; mov %0, %%esp" : "=&r"(r) : "r"(buf), "r"(i + 9) : "memory");
        CHECK_EQ(call(buf), i + 9);
        r = i + 50;
        __asm__ volatile("xchg %0, 1(%1)" : "+r"(r) : "r"(buf) : "memory");
        CHECK_EQ(r, i + 9);
        CHECK_EQ(call(buf), i + 50);
    }
}

/* Data and code in one page: the data's stores must not disturb, nor be lost. */
static void t_data_beside_code(void)
{
    volatile uint32_t *d = (volatile uint32_t *)(buf + 256);

    put_code(buf, 7);
    for (uint32_t i = 0; i < 2000; i++) {
        *d = i;
        CHECK_EQ(call(buf) + *d, 7 + i);
    }
}

/* --- paging --- */

static void map(word virt, word phys, word flags) { pt0[virt >> 12] = (phys & ~0xfffu) | flags; }

static void t_invlpg(void)
{
    volatile uint32_t *v = (volatile uint32_t *)0x300000, *a = (volatile uint32_t *)buf, *b = a + 1024;

    *a = 11;
    *b = 22;
    map(0x300000, (word)a, 7);
    invlpg((void *)v);
    CHECK_EQ(*v, 11);
    map(0x300000, (word)b, 7);
    invlpg((void *)v);
    CHECK_EQ(*v, 22);
    *v = 33;
    CHECK_EQ(*b, 33);
    map(0x300000, (word)a, 7);
    flush_tlb();
    CHECK_EQ(*v, 11);
    CHECK_EQ(pt0[0x300] & 0x60, 0x20); /* read: accessed, not dirty */
    *v = 1;
    CHECK_EQ(pt0[0x300] & 0x60, 0x60);
}

/* The same virtual code address over two pages with different code. */
static void t_code_remap(void)
{
    put_code(buf, 1);
    put_code(buf + 4096, 2);
    for (int i = 0; i < 50; i++) {
        map(0x300000, (word)buf + (i & 1) * 4096u, 7);
        if (i & 2)
            invlpg((void *)0x300000);
        else
            flush_tlb();
        CHECK_EQ(call((void *)0x300000), 1 + (i & 1));
    }
    /* Through an alias: the change is made at another virtual address. */
    map(0x300000, (word)buf, 7);
    map(0x301000, (word)buf, 7);
    flush_tlb();
    for (uint32_t i = 0; i < 50; i++) {
        put_code((uint8_t *)0x301000, i);
        CHECK_EQ(call((void *)0x300000), i);
        put_code(buf, i + 1000);
        CHECK_EQ(call((void *)0x300000), i + 1000);
    }
}

/* A block that runs over a page's end, whose second page is exchanged. */
static void t_second_page_remap(void)
{
    static uint8_t other[4096] __attribute__((aligned(4096)));

    map(0x300000, (word)buf, 7);
    put_code(buf + 4093, 0x11223344);
    memcpy(other, buf + 4096, 16);
    other[0] = 0x99; /* bytes 2..3 of the immediate start here */
    for (int i = 0; i < 20; i++) {
        map(0x301000, i & 1 ? (word)other : (word)buf + 4096, 7);
        invlpg((void *)0x301000);
        CHECK_EQ(call((void *)0x300ffd), i & 1 ? 0x11993344 : 0x11223344);
    }
}

static void touch(void) { *(volatile uint32_t *)0x300000 = 5; }

static void t_pte_change_after_fault(void)
{
    for (int i = 0; i < 10; i++) {
        map(0x300000, (word)buf, 5);
        invlpg((void *)0x300000);
        CHECK_EQ(catching(touch), 14);
        CHECK_EQ(exc.error, 3);
        map(0x300000, (word)buf, 7); /* more rights need no INVLPG */
        CHECK_EQ(catching(touch), -1);
        map(0x300000, (word)buf, 0);
        invlpg((void *)0x300000);
        CHECK_EQ(catching(touch), 14);
        CHECK_EQ(exc.error, 2);
        CHECK_EQ(exc_cr2, 0x300000);
    }
}

/* --- bus master DMA over code: sector 0 of the disk is `mov eax, 12345678h; ret` --- */

static uint32_t pci_ide(unsigned reg)
{
    outl(0xcf8, 0x80000900 | reg);
    return inl(0xcfc);
}

static void t_disk_dma(void)
{
    static struct { uint32_t addr; uint16_t len, end; } prd __attribute__((aligned(8)));
    uint16_t bm = (uint16_t)(pci_ide(0x20) & 0xfff0);

    CHECK_EQ(pci_ide(0), 0x70108086);
    for (int i = 0; i < 5; i++) {
        put_code(buf, 1);
        CHECK_EQ(call(buf), 1);
        outl(0xcf8, 0x80000904);
        outl(0xcfc, 5); /* I/O and bus master */
        prd.addr = (uint32_t)buf;
        prd.len = 512;
        prd.end = 0x8000;
        outb(0x3f6, 2);
        outl((uint16_t)(bm + 4), (uint32_t)&prd);
        outb(bm, 8);
        outb((uint16_t)(bm + 2), 6);
        outb(0x1f6, 0xe0);
        outb(0x1f2, 1);
        outb(0x1f3, 0);
        outb(0x1f4, 0);
        outb(0x1f5, 0);
        outb(0x1f7, 0xc8);
        outb(bm, 9);
        for (int k = 0; k < 10000000 && (inb((uint16_t)(bm + 2)) & 5) != 4; k++)
            ;
        outb(bm, 0);
        CHECK_EQ(inb((uint16_t)(bm + 2)) & 3, 0);
        CHECK_EQ(inb(0x1f7) & 0x89, 0);
        CHECK_EQ(call(buf), 0x12345678);
    }
}

void guest_main(const char *cmdline)
{
    static const TestCase tests[] = {
        {"a store into the next instruction", t_next_instruction}, {"a loop that changes itself", t_loop},
        {"a function rewritten before each call", t_calls},        {"an instruction over two pages", t_cross_page},
        {"rep movs writes code", t_rep_movs},                      {"rep stos over the following code", t_rep_over_itself},
        {"locked, push and xchg write code", t_push_and_locked},   {"data beside code", t_data_beside_code},
        {"INVLPG and CR3", t_invlpg},                              {"code pages exchanged and aliased", t_code_remap},
        {"second page of a block exchanged", t_second_page_remap}, {"page rights change", t_pte_change_after_fault},
        {"disk DMA over code", t_disk_dma}};

    paging_on();
    run_tests(tests, sizeof tests / sizeof tests[0]);
}
