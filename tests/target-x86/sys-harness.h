/* sys-harness.h - a CPU on 16 MiB of RAM and nothing else, and helpers called directly: TRY() catches the
 * exception that a helper raises. Descriptors and page tables are written by the tests. */
#ifndef TESTS_TARGET_X86_SYS_HARNESS_H
#define TESTS_TARGET_X86_SYS_HARNESS_H

#include "host/base/osdep.h"
#include "softmmu/bql.h"
#include "softmmu/memory.h"
#include "softmmu/physmem.h"
#include "softmmu/runstate.h"
#include "softmmu/timer.h"
#include "target-x86/helper.h"
#include "target-x86/sys.h"

enum { RAM_BYTES = 16 << 20, GDT_ADDR = 0x1000, IDT_ADDR = 0x2000, TSS_ADDR = 0x3000, TSS2_ADDR = 0x3800, LDT_ADDR = 0x4000 };

static CPUX86State *env;
static MemoryRegion harness_ram;
static uint8_t *ram;

/* Runs stmt; the value is the vector it raised, or EXCP_NONE. */
#define TRY(stmt)                                                                                  \
    ({                                                                                             \
        env->cpu->exception_index = EXCP_NONE;                                                     \
        if (!sigsetjmp(env->cpu->jmp_env, 0)) {                                                    \
            stmt;                                                                                  \
        }                                                                                          \
        env->cpu->exception_index;                                                                 \
    })
#define ASSERT_OK(stmt) g_assert_cmpint(TRY(stmt), ==, EXCP_NONE)
#define ASSERT_FAULT(vec, err, stmt)                                                               \
    do {                                                                                           \
        g_assert_cmpint(TRY(stmt), ==, vec);                                                       \
        g_assert_cmphex(env->error_code, ==, err);                                                 \
        env->old_exception = -1;                                                                   \
    } while (0)

static inline void harness_start(const char *model)
{
    static bool accel_ready; /* helpers look their return address up in the code buffer */
    GError *err = NULL;
    const AccelOptions opts = {.tb_size = 1 << 20};
    if (!accel_ready)
        g_assert_true(accel_init(&opts, &x86_tcg_guest, &err));
    accel_ready = true;
    memory_init();
    g_assert_true(memory_region_init_ram(&harness_ram, "ram", RAM_BYTES, NULL));
    memory_region_add(address_space_memory.root, 0, &harness_ram, 0);
    ram = memory_region_ram_ptr(&harness_ram);
    env = cpu_x86_create(model, &err);
    g_assert_no_error(err);
    current_cpu = env->cpu;
}
static inline void harness_stop(void)
{
    current_cpu = NULL;
    cpu_x86_free(env);
    env = NULL;
    memory_region_del(address_space_memory.root, &harness_ram);
    memory_region_destroy(&harness_ram);
    memory_shutdown();
}

static inline void poke(hwaddr a, unsigned size, uint64_t v) { memcpy(ram + a, &v, size); }
static inline uint64_t peek(hwaddr a, unsigned size)
{
    uint64_t v = 0;
    memcpy(&v, ram + a, size);
    return v;
}

/* rights: bits 8-23 of the second dword, such as 0xcf9b00's 0xc09b. */
static inline uint64_t make_desc(uint32_t base, uint32_t limit, uint32_t rights)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(rights & 0xf0ff) << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(base >> 24) << 56;
}
static inline void set_gdt(unsigned sel, uint64_t d) { poke(GDT_ADDR + (sel & ~7u), 8, d); }
static inline void set_gate(unsigned vec, unsigned sel, uint32_t off, unsigned rights)
{
    poke(IDT_ADDR + vec * 8, 8, (off & 0xffff) | (uint64_t)sel << 16 | (uint64_t)rights << 40 | (uint64_t)(off >> 16) << 48);
}
static inline void set_gate64(unsigned vec, unsigned sel, uint64_t off, unsigned rights, unsigned ist)
{
    poke(IDT_ADDR + vec * 16, 8, (off & 0xffff) | (uint64_t)sel << 16 | (uint64_t)ist << 32 | (uint64_t)rights << 40 |
         (off >> 16 & 0xffff) << 48);
    poke(IDT_ADDR + vec * 16 + 8, 8, off >> 32);
}

enum { /* selectors of the harness's GDT */
    SEL_CODE0 = 0x08, SEL_DATA0 = 0x10, SEL_CODE3 = 0x18, SEL_DATA3 = 0x20, SEL_CODE64 = 0x28, SEL_TSS = 0x30 /* 16 bytes */,
    SEL_RO0 = 0x40, SEL_XONLY0 = 0x48, SEL_CONF0 = 0x50, SEL_NP0 = 0x58, SEL_TSS2 = 0x60, SEL_GATE = 0x70 /* 16 bytes */,
    SEL_CODE64_3 = 0x80, SEL_LDT = 0x88, SEL_TSS16 = 0x90, SEL_CODE1 = 0x98, SEL_DATA1 = 0xa0, SEL_LAST = 0xa8,
};

/* 32-bit protected mode at CPL 0 with the GDT above, an IDT of 256 gates, a 32-bit TSS. */
static inline void enter_protected(void)
{
    set_gdt(0, 0);
    set_gdt(SEL_CODE0, make_desc(0, 0xfffff, 0xc09a));
    set_gdt(SEL_DATA0, make_desc(0, 0xfffff, 0xc092));
    set_gdt(SEL_CODE3, make_desc(0, 0xfffff, 0xc0fa));
    set_gdt(SEL_DATA3, make_desc(0, 0xfffff, 0xc0f2));
    set_gdt(SEL_CODE64, make_desc(0, 0xfffff, 0xa09a));
    set_gdt(SEL_CODE64_3, make_desc(0, 0xfffff, 0xa0fa));
    set_gdt(SEL_TSS, make_desc(TSS_ADDR, 0x67, 0x0089));
    poke(GDT_ADDR + SEL_TSS + 8, 8, 0);
    set_gdt(SEL_RO0, make_desc(0, 0xfffff, 0xc090));
    set_gdt(SEL_XONLY0, make_desc(0, 0xfffff, 0xc098));
    set_gdt(SEL_CONF0, make_desc(0, 0xfffff, 0xc09e));
    set_gdt(SEL_NP0, make_desc(0, 0xfffff, 0xc012));
    set_gdt(SEL_TSS2, make_desc(TSS2_ADDR, 0x67, 0x0089));
    poke(GDT_ADDR + SEL_TSS2 + 8, 8, 0);
    set_gdt(SEL_LDT, make_desc(LDT_ADDR, 0xff, 0x0082));
    set_gdt(SEL_TSS16, make_desc(TSS2_ADDR, 0x2b, 0x0081));
    set_gdt(SEL_CODE1, make_desc(0, 0xfffff, 0xc0ba));
    set_gdt(SEL_DATA1, make_desc(0, 0xfffff, 0xc0b2));
    env->gdt.base = GDT_ADDR;
    env->gdt.limit = SEL_LAST - 1;
    env->idt.base = IDT_ADDR;
    env->idt.limit = 0x7ff;
    cpu_set_cr0(env, CR0_PE | CR0_ET);
    cpu_load_seg_cache(env, R_CS, SEL_CODE0, 0, 0xffffffff, 0xc09b00);
    for (int i = 0; i < 6; i++)
        if (i != R_CS)
            cpu_load_seg_cache(env, i, SEL_DATA0, 0, 0xffffffff, 0xc09300);
    env->head.gpr[R_ESP] = 0x8000;
    env->head.eip = 0x100;
    ASSERT_OK(helper_ltr(env, SEL_TSS));
    poke(TSS_ADDR + 4, 4, 0x9000);
    poke(TSS_ADDR + 8, 4, SEL_DATA0);
    poke(TSS_ADDR + 12, 4, 0xa000);
    poke(TSS_ADDR + 16, 4, SEL_DATA1 | 1);
}

static inline void drop_to_ring3(void)
{
    cpu_load_seg_cache(env, R_CS, SEL_CODE3 | 3, 0, 0xffffffff, 0xc0fb00);
    cpu_load_seg_cache(env, R_SS, SEL_DATA3 | 3, 0, 0xffffffff, 0xc0f300);
    for (int i = 0; i < 6; i++)
        if (i != R_CS && i != R_SS)
            cpu_load_seg_cache(env, i, SEL_DATA3 | 3, 0, 0xffffffff, 0xc0f300);
    env->head.gpr[R_ESP] = 0x7000;
    g_assert_cmpuint(cpu_cpl(env), ==, 3);
}

/* IA-32e mode, identity-mapped by one 1 GiB page (user, writable), CPL 0 in 64-bit code. */
static inline void enter_long(void)
{
    enum { PML4 = 0x10000, PDPT = 0x11000 };
    enter_protected();
    memset(ram + PML4, 0, 0x2000);
    poke(PML4, 8, PDPT | 7);
    poke(PDPT, 8, 0x87);
    env->efer |= EFER_LME | EFER_SCE | EFER_NXE;
    cpu_set_cr4(env, CR4_PAE);
    cpu_set_cr3(env, PML4);
    cpu_set_cr0(env, CR0_PE | CR0_PG | CR0_ET | CR0_WP);
    cpu_load_seg_cache(env, R_CS, SEL_CODE64, 0, 0xffffffff, 0xa09b00);
    env->idt.limit = 0xfff;
    g_assert_true(cpu_is_64(env));
}

#endif
