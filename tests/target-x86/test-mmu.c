/* test-mmu.c - page walks of every paging mode: translation, rights, error codes, A and D, reserved bits.
 * SDM vol. 3, 4.3 to 4.7. */
#include "sys-harness.h"

enum { PD = 0x10000, PT = 0x11000, PDPT = 0x12000, PML4 = 0x13000, PAGE = 0x200000 };

static uint64_t ld(vaddr a, unsigned idx) { return cpu_ld(env->cpu, a, 4, idx, 0); }
static void st(vaddr a, unsigned idx) { cpu_st(env->cpu, a, 4, 0x12345678, idx, 0); }
static void fetch(vaddr a) { x86_tlb_fill(env->cpu, a, 1, ACCESS_CODE, cpu_mmu_index(env), false, 0); }

static void flush(void) { tlb_flush(env->cpu); }

static void start_32(void)
{
    harness_start("max");
    enter_protected();
    memset(ram + PD, 0, 0x4000);
    poke(PD, 4, PT | 7);
    for (int i = 0; i < 512; i++)
        poke(PT + i * 4, 4, i << 12 | 3);
    cpu_set_cr3(env, PD);
}
static void paging_on(uint64_t more) { cpu_set_cr0(env, CR0_PE | CR0_ET | CR0_PG | more); }

static void test_off(void)
{
    harness_start("max");
    poke(0x100000, 4, 0xabcd);
    poke(0, 4, 0x55);
    g_assert_cmphex(ld(0x100000, MMU_KERNEL), ==, 0xabcd);
    env->a20_mask = ~(1ULL << 20);
    flush();
    g_assert_cmphex(ld(0x100000, MMU_KERNEL), ==, 0x55); /* A20 off: wraps */
    g_assert_cmphex(x86_phys_page_debug(env->cpu, 0x100000), ==, 0);
    harness_stop();
}

static void test_32(void)
{
    start_32();
    poke(PAGE + 0x10, 4, 0xfeedface);
    poke(PT + 5 * 4, 4, PAGE | 3);
    paging_on(0);
    g_assert_cmphex(ld(0x5010, MMU_KERNEL), ==, 0xfeedface);
    g_assert_cmphex(peek(PT + 5 * 4, 4), ==, PAGE | 0x23); /* A, not D */
    g_assert_cmphex(peek(PD, 4), ==, PT | 0x27);
    ASSERT_OK(st(0x5010, MMU_KERNEL)); /* the page was mapped read-only: D is set now */
    g_assert_cmphex(peek(PT + 5 * 4, 4), ==, PAGE | 0x63);
    g_assert_cmphex(peek(PAGE + 0x10, 4), ==, 0x12345678);
    /* error codes */
    ASSERT_FAULT(EXCP_PF, 5, ld(0x5123, MMU_USER));
    g_assert_cmphex(env->cr[2], ==, 0x5123);
    ASSERT_FAULT(EXCP_PF, 7, st(0x5010, MMU_USER));
    poke(PT + 6 * 4, 4, 0);
    flush();
    ASSERT_FAULT(EXCP_PF, 0, ld(0x6000, MMU_KERNEL));
    ASSERT_FAULT(EXCP_PF, 2, st(0x6000, MMU_KERNEL));
    ASSERT_FAULT(EXCP_PF, 4, ld(0x6000, MMU_USER));
    ASSERT_FAULT(EXCP_PF, 0, ld(0x400000, MMU_KERNEL)); /* no PDE */
    g_assert_cmphex(env->cr[2], ==, 0x400000);
    /* read-only, WP off and on */
    poke(PT + 7 * 4, 4, PAGE | 5);
    flush();
    ASSERT_OK(st(0x7000, MMU_KERNEL));
    ASSERT_FAULT(EXCP_PF, 7, st(0x7000, MMU_USER));
    paging_on(CR0_WP);
    ASSERT_FAULT(EXCP_PF, 3, st(0x7000, MMU_KERNEL));
    ASSERT_OK(ld(0x7000, MMU_USER));
    /* U must be set at every level */
    poke(PD, 4, PT | 3);
    flush();
    ASSERT_FAULT(EXCP_PF, 5, ld(0x7000, MMU_USER));
    g_assert_cmphex(x86_phys_page_debug(env->cpu, 0x7000), ==, PAGE);
    g_assert_cmphex(x86_phys_page_debug(env->cpu, 0x400000), ==, ~0ULL);
    harness_stop();
}

static void test_pse(void)
{
    start_32();
    poke(PD + 4, 4, 0x400000 | 0x83);
    poke(PD + 8, 4, 0x600000 | 0x83); /* bit 21 set: reserved */
    poke(0x400000 + 0x123450, 4, 0x77);
    cpu_set_cr4(env, CR4_PSE);
    paging_on(0);
    g_assert_cmphex(ld(0x400000 + 0x123450, MMU_KERNEL), ==, 0x77);
    g_assert_cmphex(peek(PD + 4, 4), ==, 0x4000a3);
    ASSERT_OK(st(0x412340, MMU_KERNEL));
    g_assert_cmphex(peek(PD + 4, 4), ==, 0x4000e3);
    ASSERT_FAULT(EXCP_PF, 9, ld(0x800000, MMU_KERNEL));
    harness_stop();
}

static void test_pae(void)
{
    uint64_t p[4];
    harness_start("max");
    enter_protected();
    memset(ram + PD, 0, 0x4000);
    for (int i = 0; i < 4; i++)
        poke(PDPT + i * 8, 8, i == 3 ? PD | 1 : 0);
    poke(PD, 8, PT | 7);
    poke(PT + 8, 8, PAGE | 7 | 1ULL << 63);
    poke(PT + 16, 8, PAGE | 7 | 1ULL << 45);
    poke(PD + 8, 8, 0x600000 | 0x87);
    poke(PDPT, 8, PD | 1);
    poke(PD, 8, PT | 7);
    for (int i = 3; i < 512; i++)
        poke(PT + i * 8, 8, (uint64_t)i << 12 | 7);
    cpu_set_cr4(env, CR4_PAE);
    env->efer |= EFER_NXE;
    cpu_set_cr3(env, PDPT);
    paging_on(0);
    poke(PAGE, 4, 0x99);
    g_assert_cmphex(ld(0xc0001000, MMU_KERNEL), ==, 0x99);
    ASSERT_FAULT(EXCP_PF, 0x11, fetch(0xc0001000)); /* NX */
    ASSERT_FAULT(EXCP_PF, 9, ld(0xc0002000, MMU_KERNEL)); /* beyond the physical address width */
    poke(0x600008, 4, 0x4242);
    g_assert_cmphex(ld(0xc0200008, MMU_USER), ==, 0x4242); /* 2 MiB */
    ASSERT_FAULT(EXCP_PF, 0, ld(0x40000000, MMU_KERNEL));
    poke(PDPT + 8, 8, PD | 1); /* PDPTEs are cached: no effect before CR3 is written */
    flush();
    ASSERT_FAULT(EXCP_PF, 0, ld(0x40001000, MMU_KERNEL));
    cpu_set_cr3(env, PDPT);
    g_assert_cmphex(ld(0x40001000, MMU_KERNEL), ==, 0x99);
    /* without NXE bit 63 is reserved */
    env->efer &= ~(uint64_t)EFER_NXE;
    flush();
    ASSERT_FAULT(EXCP_PF, 9, ld(0xc0001000, MMU_KERNEL));
    poke(PDPT, 8, PD | 3); /* W is reserved in a PDPTE */
    g_assert_false(mmu_load_pdptes(env, PDPT, p));
    ASSERT_FAULT(EXCP_GP, 0, helper_write_cr(env, 3, PDPT));
    harness_stop();
}

static void test_long(void)
{
    harness_start("max");
    enter_long();
    memset(ram + PML4, 0, 0x1000);
    memset(ram + PDPT, 0, 0x1000);
    memset(ram + PD, 0, 0x2000);
    poke(PML4, 8, PDPT | 7);
    poke(PML4 + 8, 8, PDPT | 0x87); /* PS is reserved here */
    poke(PML4 + 511 * 8, 8, PDPT | 3);
    poke(PDPT, 8, PD | 7);
    poke(PDPT + 8, 8, 0x187);            /* 1 GiB, global */
    poke(PDPT + 16, 8, 0x87 | 1 << 20);  /* 1 GiB, misaligned */
    poke(PD, 8, PT | 7);
    poke(PD + 8, 8, 0x600087);
    poke(PT + 8, 8, PAGE | 7);
    poke(PT + 16, 8, PAGE | 3 | 1ULL << 63);
    for (int i = 3; i < 512; i++)
        poke(PT + i * 8, 8, (uint64_t)i << 12 | 3);
    cpu_set_cr3(env, PML4);
    poke(PAGE + 4, 4, 0x1234);
    g_assert_cmphex(ld(0x1004, MMU_USER), ==, 0x1234);
    g_assert_cmphex(peek(PML4, 8), ==, PDPT | 0x27);
    g_assert_cmphex(peek(PDPT, 8), ==, PD | 0x27);
    g_assert_cmphex(peek(PT + 8, 8), ==, PAGE | 0x27);
    g_assert_cmphex(ld(0x40000000 + PAGE + 4, MMU_KERNEL), ==, 0x1234);
    ASSERT_FAULT(EXCP_PF, 9, ld(0x80000000, MMU_KERNEL));
    ASSERT_FAULT(EXCP_PF, 9, ld(1ULL << 39, MMU_KERNEL));
    g_assert_cmphex(ld(0xffffff8000001004ULL, MMU_KERNEL), ==, 0x1234);
    ASSERT_FAULT(EXCP_PF, 5, ld(0xffffff8000001004ULL, MMU_USER));
    g_assert_cmphex(env->cr[2], ==, 0xffffff8000001004ULL);
    ASSERT_FAULT(EXCP_GP, 0, ld(1ULL << 47, MMU_KERNEL)); /* not canonical */
    ASSERT_FAULT(EXCP_PF, 0x11, fetch(0x2000));
    ASSERT_FAULT(EXCP_PF, 3, ({ poke(PT + 24, 8, 0x3001); flush(); st(0x3000, MMU_KERNEL); }));
    /* SMEP: supervisor fetch of a user page; SMAP: supervisor data */
    ASSERT_OK(fetch(0x1000));
    cpu_set_cr4(env, CR4_PAE | CR4_SMEP | CR4_SMAP);
    ASSERT_FAULT(EXCP_PF, 0x11, fetch(0x1000));
    ASSERT_FAULT(EXCP_PF, 1, ld(0x1004, MMU_KERNEL));
    ASSERT_FAULT(EXCP_PF, 3, st(0x1004, MMU_KERNEL));
    ASSERT_OK(ld(0x1004, MMU_KNOSMAP));
    ASSERT_OK(ld(0x1004, MMU_USER));
    harness_stop();
}

static void test_global(void)
{
    harness_start("max");
    enter_protected();
    memset(ram + PD, 0, 0x2000);
    poke(PD, 4, PT | 3);
    for (int i = 0; i < 512; i++)
        poke(PT + i * 4, 4, i << 12 | 3);
    poke(PT + 5 * 4, 4, PAGE | 0x103);
    poke(PT + 6 * 4, 4, PAGE | 3);
    cpu_set_cr4(env, CR4_PGE);
    cpu_set_cr3(env, PD);
    paging_on(0);
    poke(PAGE, 4, 1);
    poke(PAGE + 0x1000, 4, 2);
    g_assert_cmpuint(ld(0x5000, MMU_KERNEL), ==, 1);
    g_assert_cmpuint(ld(0x6000, MMU_KERNEL), ==, 1);
    poke(PT + 5 * 4, 4, (PAGE + 0x1000) | 0x103);
    poke(PT + 6 * 4, 4, (PAGE + 0x1000) | 3);
    cpu_set_cr3(env, PD);
    g_assert_cmpuint(ld(0x5000, MMU_KERNEL), ==, 1); /* kept */
    g_assert_cmpuint(ld(0x6000, MMU_KERNEL), ==, 2);
    helper_invlpg(env, 0x5000);
    g_assert_cmpuint(ld(0x5000, MMU_KERNEL), ==, 2);
    harness_stop();
}

static void test_info(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    start_32();
    memset(ram + PT, 0, 0x1000);
    poke(PT + 8, 4, 0x1003);
    poke(PT + 12, 4, 0x2003);
    poke(PT + 16, 4, 0x3007);
    cpu_x86_info_mem(env, out);
    g_assert_cmpstr(out->str, ==, "PG disabled\n");
    paging_on(0);
    g_string_truncate(out, 0);
    cpu_x86_info_mem(env, out);
    g_assert_cmpstr(out->str, ==, "0000000000002000-0000000000004000 0000000000002000 -rw\n"
                                  "0000000000004000-0000000000005000 0000000000001000 urw\n");
    g_string_truncate(out, 0);
    cpu_x86_info_tlb(env, out);
    g_assert_cmpstr(out->str, ==, "0000000000002000: 0000000000001000 --------W\n"
                                  "0000000000003000: 0000000000002000 --------W\n"
                                  "0000000000004000: 0000000000003000 -------UW\n");
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/target-x86/mmu/no-paging", test_off);
    g_test_add_func("/target-x86/mmu/32-bit", test_32);
    g_test_add_func("/target-x86/mmu/pse", test_pse);
    g_test_add_func("/target-x86/mmu/pae", test_pae);
    g_test_add_func("/target-x86/mmu/four-level", test_long);
    g_test_add_func("/target-x86/mmu/global-pages", test_global);
    g_test_add_func("/target-x86/mmu/info", test_info);
    return g_test_run();
}
