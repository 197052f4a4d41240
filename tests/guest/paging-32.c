/* paging-32.c - 32-bit paging: 4 MiB pages above 4 GiB (PSE-36), their reserved bits; PAE: the four PDPTEs are loaded with
 * CR3 and checked then, and stay as they were until the next load.
 * Spec: Intel SDM vol. 3, 4.3 and 4.4.1. */
#include "lib.h"

static uint64_t pdpt[512] __attribute__((aligned(4096))), pds[4][512] __attribute__((aligned(4096)));
static uint32_t pd32[1024] __attribute__((aligned(4096)));
static volatile uint32_t word_a = 0x1234, got;
enum { WINDOW = 0xc0000000u, PSE = 0x10, PAE = 0x20 };

static word cr3(void) { word v; __asm__ volatile("mov %%cr3, %0" : "=r"(v)); return v; }
static word cr4(void) { word v; __asm__ volatile("mov %%cr4, %0" : "=r"(v)); return v; }
static void set_cr4(word v) { __asm__ volatile("mov %0, %%cr4" : : "r"(v) : "memory"); }
static void set_cr0_pg(bool on)
{
    word v;
    __asm__ volatile("mov %%cr0, %0" : "=r"(v));
    v = on ? v | 1u << 31 : v & ~(1u << 31);
    __asm__ volatile("mov %0, %%cr0" : : "r"(v) : "memory");
}
static void set_cr3(word v) { __asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory"); }
NOINLINE static void read_window(void) { got = *(volatile uint32_t *)(WINDOW + ((word)&word_a & 0x3fffff)); }
NOINLINE static void load_cr3(void) { set_cr3((word)pdpt); }
NOINLINE static void turn_on(void) { set_cr0_pg(true); }
NOINLINE static void turn_on_pae(void) { set_cr4(cr4() | PAE); }

static void t_pse36(void)
{
    uint32_t edx, eax, t;

    __asm__ volatile("cpuid" : "=a"(eax), "=d"(edx) : "a"(1) : "ebx", "ecx");
    CHECK(edx & 1 << 17);
    for (unsigned i = 0; i < 1024; i++)
        pd32[i] = i << 22 | 0x83;
    set_cr4((cr4() | PSE) & ~PAE);
    set_cr3((word)pd32);
    set_cr0_pg(true);
    pd32[WINDOW >> 22] = ((word)&word_a & ~0x3fffffu) | 0x83;
    flush_tlb();
    CHECK_EQ(catching(read_window), -1);
    CHECK_EQ(got, 0x1234);
    /* bits 13 and up are bits 32 and up of the address: nothing is there */
    pd32[WINDOW >> 22] |= 1 << 13;
    flush_tlb();
    got = 0;
    CHECK_EQ(catching(read_window), -1);
    CHECK(got != 0x1234);
    /* bit 21 is reserved; so are those beyond the width of physical addresses */
    pd32[WINDOW >> 22] = ((word)&word_a & ~0x3fffffu) | 0x83 | 1 << 21;
    flush_tlb();
    CHECK_EQ(catching(read_window), 14);
    CHECK_EQ(exc.error, 9);
    __asm__ volatile("cpuid" : "=a"(eax), "=d"(t) : "a"(0x80000008) : "ebx", "ecx");
    if ((eax & 0xff) < 40) {
        pd32[WINDOW >> 22] = ((word)&word_a & ~0x3fffffu) | 0x83 | 1 << 20;
        flush_tlb();
        CHECK_EQ(catching(read_window), 14);
        CHECK_EQ(exc.error, 9);
    }
    pd32[WINDOW >> 22] = 0;
    flush_tlb();
    CHECK_EQ(catching(read_window), 14);
    CHECK_EQ(exc.error, 0);
    set_cr0_pg(false);
}

static void t_pdptes(void)
{
    static const uint8_t reserved[] = {1, 2, 5, 6, 7, 8, 63, 62, 52};

    for (unsigned i = 0; i < 2048; i++)
        pds[i / 512][i % 512] = (uint64_t)i << 21 | 0x83;
    for (unsigned i = 0; i < 4; i++)
        pdpt[i] = (word)pds[i] | 1;
    set_cr3((word)pdpt);
    set_cr4(cr4() | PAE);
    set_cr0_pg(true);
    pds[3][0] = ((word)&word_a & ~0x1fffffu) | 0x83;
    pds[3][1] = (((word)&word_a & ~0x1fffffu) + 0) | 0x83; /* either half of 4 MiB */
    flush_tlb();
    CHECK_EQ(catching(read_window), -1);
    CHECK_EQ(got, 0x1234);
    /* a change in memory is not seen before CR3 is loaded */
    pdpt[3] = 0;
    __asm__ volatile("invlpg (%0)" : : "r"(WINDOW) : "memory");
    __asm__ volatile("invlpg (%0)" : : "r"(WINDOW + 0x200000) : "memory");
    CHECK_EQ(catching(read_window), -1);
    flush_tlb();
    CHECK_EQ(catching(read_window), 14);
    CHECK_EQ(exc.error, 0);
    /* reserved bits of a present one: #GP(0), and everything stays as it was */
    for (unsigned i = 0; i < sizeof reserved; i++) {
        word before = cr3();
        pdpt[3] = (word)pds[3] | 1 | 1ull << reserved[i];
        CHECK_EQ(catching(load_cr3), 13);
        CHECK_EQ(exc.error, 0);
        CHECK_EQ(cr3(), before);
        CHECK_EQ(catching(read_window), 14); /* still absent */
        pdpt[3] &= ~1ull; /* one that is not present may have any */
        CHECK_EQ(catching(load_cr3), -1);
    }
    pdpt[3] = (word)pds[3] | 1;
    CHECK_EQ(catching(load_cr3), -1);
    CHECK_EQ(catching(read_window), -1);
    /* paging or PAE switched on with bad ones */
    set_cr0_pg(false);
    pdpt[2] = (word)pds[2] | 3;
    CHECK_EQ(catching(turn_on), 13);
    CHECK_EQ(exc.error, 0);
    pdpt[2] = (word)pds[2] | 1;
    CHECK_EQ(catching(turn_on), -1);
    set_cr0_pg(false);
    /* from 4 MiB pages: the same page is a PDPT with reserved bits then */
    set_cr4(cr4() & ~PAE);
    for (unsigned i = 0; i < 1024; i++)
        pd32[i] = i << 22 | 0x83;
    set_cr3((word)pd32);
    set_cr0_pg(true);
    CHECK_EQ(catching(turn_on_pae), 13);
    CHECK_EQ(cr4() & PAE, 0);
    set_cr0_pg(false);
}

void guest_main(const char *cmdline)
{
    static const TestCase tests[] = {{"PSE-36", t_pse36}, {"PDPTEs", t_pdptes}};

    run_tests(tests, sizeof tests / sizeof tests[0]);
}
