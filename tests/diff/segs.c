/* segs.c - segments of the differential tester: the descriptors of Linux's GDT, which the guest gets as well, and
 * an LDT that both sides share: 16-bit code and data, segments with limits, expand-down, read-only, not present.
 * Spec: Intel SDM vol. 3, 3.4.5; modify_ldt(2). */
#include "host/base/osdep.h"
#include "tests/diff/diff.h"
#include "target-x86/sys.h"
#include <asm/ldt.h>
#include <sys/syscall.h>

enum { DATA_UP, DATA_DOWN, CODE, CODE_CONFORMING }; /* user_desc.contents */
static const struct { uint32_t base, limit; uint8_t contents; bool big, pages, sealed /* read-only, execute-only */, absent; } ldt[] = {
    {DIFF_CODE16, 0xffff, CODE, 0, 0, 0, 0},             /* SEL_CODE16 */
    {DIFF_DATA, 0xffff, DATA_UP, 0, 0, 0, 0},            /* SEL_DATA16 */
    {DIFF_DATA, 0xa7ff, DATA_UP, 0, 0, 0, 0},            /* SEL_SHORT16 */
    {0x40, 0xfffff, DATA_UP, 1, 1, 0, 0},                /* SEL_FS */
    {0x100, 0x10008, DATA_UP, 1, 1, 0, 0},               /* SEL_GS: ends among the data pages */
    {DIFF_DATA, 0x2fff, DATA_DOWN, 0, 0, 0, 0},          /* SEL_DOWN16 */
    {DIFF_DATA, 0xffff, DATA_UP, 0, 0, 1, 0},            /* SEL_RO16 */
    {0, 0xfffff, CODE, 1, 1, 1, 0},                      /* SEL_XO32 */
    {0, 0xfffff, CODE_CONFORMING, 1, 1, 0, 1},           /* SEL_CONF32: Linux has them absent only */
    {DIFF_DATA, 0xffff, DATA_UP, 0, 0, 0, 1},            /* SEL_ABSENT */
    {0, 0x10001, DATA_DOWN, 1, 1, 0, 0},                 /* SEL_DOWN32 */
    {DIFF_DATA, 0xbff3, DATA_UP, 1, 0, 0, 0},            /* SEL_SHORT32 */
};

static const uint64_t gdt[16] = {
    [1] = 0x00cf9b000000ffff, [2] = 0x00af9b000000ffff, [3] = 0x00cf93000000ffff, [4] = 0x00cffb000000ffff,
    [5] = 0x00cff3000000ffff, [6] = 0x00affb000000ffff, [8] = 0x00008b0000000067, [10] = 0x0000820000000067,
    [15] = 0x0040f50000000000 | (DIFF_LSL_CPU & 0xffff) | (uint64_t)(DIFF_LSL_CPU & 0xf0000) << 32,
};

static uint64_t ldt_desc(unsigned i)
{
    uint64_t type = (uint64_t)ldt[i].contents << 2 | !ldt[i].sealed << 1 | 1;

    return (ldt[i].limit & 0xffff) | (uint64_t)(ldt[i].base & 0xffffff) << 16 | type << 40 | 7ULL << 44 | (uint64_t)!ldt[i].absent << 47 |
           (uint64_t)(ldt[i].limit >> 16 & 15) << 48 | 1ULL << 52 | (uint64_t)ldt[i].big << 54 | (uint64_t)ldt[i].pages << 55 |
           (uint64_t)(ldt[i].base >> 24) << 56;
}

unsigned diff_table(bool local, uint64_t out[16])
{
    for (unsigned i = 0; i < (local ? G_N_ELEMENTS(ldt) : 16); i++)
        out[i] = local ? ldt_desc(i) : gdt[i];
    return (local ? G_N_ELEMENTS(ldt) : 16) * 8 - 1;
}

/* 0 for what is not in a table. */
uint64_t diff_descriptor(unsigned sel)
{
    unsigned i = sel >> 3;
    return sel & 4 ? (i < G_N_ELEMENTS(ldt) ? ldt_desc(i) : 0) : i < 16 ? gdt[i] : 0;
}

uint64_t diff_cs_base(unsigned sel)
{
    uint64_t d = diff_descriptor(sel);
    return (d >> 53 & 1) ? 0 : desc_base(d, d >> 32);
}

bool segs_init_native(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(ldt); i++) {
        struct user_desc d = {.entry_number = i, .base_addr = ldt[i].base, .limit = ldt[i].limit, .seg_32bit = ldt[i].big,
                              .contents = ldt[i].contents, .read_exec_only = ldt[i].sealed, .limit_in_pages = ldt[i].pages,
                              .seg_not_present = ldt[i].absent, .useable = 1};
        if (syscall(SYS_modify_ldt, 0x11, &d, sizeof d))
            return false;
    }
    return true;
}

/* ---- which selectors sequences meet ---- */

unsigned gen_selector(void)
{
    static const uint8_t v[] = {0x23, 0x2b, 0x33, 0x2b, 0x10, 0x18, 0x40, 0x50, 0x28, 0, 3, 0x63, 0x78};
    unsigned k = below(16);

    if (k < 6)
        return below(G_N_ELEMENTS(ldt)) * 8 + 7;
    if (k < 14)
        return v[below(G_N_ELEMENTS(v))];
    return k == 14 ? below(0x90) : (unsigned)rnd64() & 0xffff;
}

/* A selector that code can go on under, mostly, and the offset of an exit in it. */
unsigned gen_far_target(uint32_t *off)
{
    static const uint8_t v[] = {0x23, 0x33, SEL_CODE16, SEL_XO32, SEL_CONF32, 0x23, 0x33, SEL_CODE16};
    unsigned sel = below(8) ? v[below(G_N_ELEMENTS(v))] : gen_selector();

    *off = below(16) ? DIFF_EXIT_ANY - diff_cs_base(sel) : gen_special();
    return sel;
}

void gen_segments(DiffState *st, int bits)
{
    static const uint8_t ds32[] = {0x2b, 0x2b, 0x2b, 0x2b, 0x2b, 0x2b, SEL_DOWN32, SEL_FS}, es32[] = {0x2b, 0x2b, SEL_DATA16, SEL_DOWN16, SEL_SHORT32, 0x2b, 0x2b, 0};
    static const uint8_t ds16[] = {SEL_DATA16, SEL_DATA16, SEL_DATA16, SEL_DATA16, SEL_SHORT16, SEL_DOWN16, SEL_RO16, SEL_SHORT32},
                         es16[] = {SEL_DATA16, SEL_DATA16, SEL_DATA16, SEL_SHORT16, SEL_DOWN16, SEL_SHORT32, 0x2b, 0x33};
    static const uint8_t ss16[] = {SEL_DATA16, SEL_DATA16, SEL_DATA16, SEL_SHORT16, SEL_SHORT32, SEL_DATA16, SEL_DOWN16, 0x2b};
    uint16_t *s = st->sel;

    memset(s, 0, sizeof st->sel);
    s[R_CS] = bits == 64 ? 0x33 : bits == 32 ? 0x23 : SEL_CODE16;
    s[R_SS] = bits == 16 ? ss16[below(8)] : bits == 32 && below(8) == 0 ? ss16[below(8)] : 0x2b;
    if (bits == 64)
        return;
    s[R_DS] = bits == 32 ? ds32[below(8)] : ds16[below(8)];
    s[R_ES] = bits == 32 ? es32[below(8)] : es16[below(8)];
    s[R_FS] = below(16) ? SEL_FS : 0;
    s[R_GS] = SEL_GS;
}
