/* fixed.c - cases that once differed, each a single instruction, and some short pieces of code that are translated in a way of
 * their own; from a state that is all zeros but for what the table says. What order faults have, and which bytes are looked
 * at, is AMD's: see target-x86/helper-area.c. */
#include "host/base/osdep.h"
#include "tests/diff/diff.h"

enum { AX, CX, DX, BX, SP, BP, SI, DI, NREG };
typedef struct Fixed {
    const char *what;
    int bits;
    const char *code;  /* hexadecimal */
    struct { uint8_t reg; uint64_t value; } set[3];
    uint16_t ds, es, ss; /* 0: the mode's usual ones */
    uint32_t rflags;
    uint8_t mask;      /* bits: signs of the 32-bit elements of ymm1 */
} Fixed;

/* vpcmpeqb of [rsi], [rsi + 20h], [rsi + 40h] with zero, each with vpmovmskb, a comparison and a branch to the end */
#define THREE_TESTS \
    "c5f9efc0c5fd740ec5fdd7c183f8007519c5fd745620c5fdd7c239c8750cc5fd745e40c5fdd7db83eb01488d5001" \
    ""
/* vmovdqu from [rsi + rdx], [rsi + rdx + 20h]; add rdx, 8; from [rsi + rdx]; to [rdi + rdx + 3], [rdi + rdx + 23h];
 * mov rdi, rsi; from [rdi + rdx], [rdi + rdx + 8] */
#define SUMS \
    "c5fe6f0416c5fe6f4c16204883c208c5fe6f1416c5fe7f441703c5fe7f4c17234889f7c5fe6f1c17c5fe6f641708" \
    ""
/* vmovdqa [rdi + 1]; vpminub [rdi + 21h]; vmovdqa [rdi + 41h]; vpminub [rdi + 61h] */
#define ODD_STRIDE "c5fd6f4f01c5f5da5721c5fd6f5f41c5e5da6761"

static const Fixed fixed[] = {
    {"XSAVE: first byte, then the last that was asked for", 64, "0fae23", {{AX, 5}, {BX, 0x10002d40}}},
    {"XSAVEC looks at components that are not in use", 64, "0fc723", {{AX, 7}, {BX, 0x10002d00}}},
    {"XSAVEOPT too", 64, "0fae33", {{AX, 7}, {BX, 0x10005d00}}},
    {"XRSTOR: the whole area", 64, "0fae2b", {{AX, 7}, {BX, 0x10002d40}}},
    {"XSAVE: alignment before the limit", 32, "360fae23", {{AX, 7}, {BX, 0xc001}}, .ss = SEL_SHORT32},
    {"FNSAVE: the first word may cross", 64, "dd33", {{BX, 0x10005ffd}}},
    {"FNSAVE: then the last byte", 64, "dd33", {{BX, 0x10005ff0}}},
    {"FLDENV", 64, "d923", {{BX, 0x10002ffd}}},
    {"FRSTOR", 64, "dd23", {{BX, 0x10002fff}}},
    {"FNSTENV, 16 bits", 64, "66d933", {{BX, 0x10005fff}}},
    {"FNSAVE: page before limit", 16, "dd37", {{BX, 0xfff0}}},
    {"FNSTENV: limit of the last byte", 16, "d937", {{BX, 0xa7fe}}, .ds = SEL_SHORT16},
    {"FXSAVE: 16-bit offsets wrap", 16, "0fae07", {{BX, 0xfff0}}, .ds = 0x2b},
    {"FXSAVE: 32-bit offsets in 64-bit code", 64, "670fae07", {{DI, 0xfffffff0}}},
    {"FXRSTOR: canonical before alignment", 64, "480fae4d00", {{BP, 0x7ffffffffffd}}},
    {"FXSAVE: first limit, then alignment", 32, "0fae4500", {{BP, 0xffffffff}}},
    {"FXSAVE: alignment before the end's limit", 16, "360fae07", {{BX, 0xa601}}, .ss = SEL_SHORT16},
    {"FLD m80: the first part's page before the second's limit", 16, "db2f", {{BX, 0xfff7}}},
    {"FSTP m80", 16, "db3f", {{BX, 0xfff7}}},
    {"FSTP m80: the first part's limit", 16, "db7efd", {{BP, 0}}},
    {"FSTP m80 under a limit, the first part good", 16, "db3f", {{BX, 0xa7f7}}, .ds = SEL_SHORT16},
    {"FBLD at 4 GiB", 32, "df20", {{AX, 0xfffffff8}}},
    {"FBSTP across 4 GiB", 32, "df30", {{AX, 0xfffffffd}}},
    {"LES: offset before selector", 16, "c407", {{BX, 0xbff1}}, .ds = SEL_SHORT32},
    {"LSS: the same", 16, "66670fb213", {{BX, 0xbff0}}, .ds = SEL_SHORT32},
    {"JMPF: the same", 16, "ff2f", {{BX, 0xfffe}}},
    {"JMPF: alignment of the offset", 16, "66ff2f", {{BX, 0xfffd}}, .rflags = EFL_AC},
    {"BOUND: both bounds are read", 16, "622f", {{BX, 0x2ffe}, {BP, 0xa800}}},
    {"BOUND: the upper one wraps", 16, "2e6217", {{BX, 0xfffe}}},
    {"JMP by an operand across 4 GiB, DS not flat: it does not push", 32, "ff61c2", {{CX, 0xfffffffb}}, .ds = SEL_FS},
    {"MOVS: ES across 4 GiB, DS not flat", 32, "a5", {{SI, 0x10001550}, {DI, 0xffffffff}}, .ds = SEL_FS},
    {"MOVS: DS across 4 GiB, ES not flat", 32, "a5", {{SI, 0xffffffff}, {DI, 0x1550}}, .es = SEL_DATA16},
    {"MOVS from SS across 4 GiB", 32, "36a5", {{SI, 0xfffffffe}, {DI, 0x10001550}}},
    {"MOVS from SS, ES across 4 GiB", 32, "36a5", {{SI, 0x10001550}, {DI, 0xfffffffe}}},
    {"CMPS", 32, "a7", {{SI, 0x10002a3c}, {DI, 0xffffffff}}, .ds = SEL_FS},
    {"REP CMPS", 32, "f366a7", {{CX, 9}, {SI, 0x10001fe3}, {DI, 0xffffffff}}, .ds = SEL_FS},
    {"REP MOVS", 32, "64f366a5", {{CX, 3}, {SI, 0x10001be0}, {DI, 0xffffffff}}},
    {"PUSHA across 4 GiB", 32, "60", {{SP, 2}}},
    {"POPA", 32, "61", {{SP, 0xfffffffe}}},
    {"PUSH segment", 32, "06", {{SP, 2}}},
    {"POP segment", 32, "1f", {{SP, 0xfffffffd}}},
    {"PUSH of memory across 4 GiB", 32, "ff33", {{SP, 1}, {BX, 0x10001ee4}}},
    {"load across the end of canonical addresses", 64, "488b03", {{BX, 0x7ffffffffffa}}},
    {"CALL to what is not canonical, behind another instruction: nothing is pushed", 64, "83c101ffd3", {{BX, 0x800000000000}, {SP, 0x10005800}}},
    {"CALL of memory there", 64, "83c101ff13", {{BX, 0x10002d40}, {SP, 0x10005800}}},
    {"CALL to the upper half: pushed, then a fault there", 64, "83c101ffd3", {{BX, 0xffff800000000000}, {SP, 0x10005800}}},
    {"store", 64, "488903", {{BX, 0x7ffffffffffa}}},
    {"vector", 64, "0f1003", {{BX, 0x7ffffffffff4}}},
    {"MOVS", 64, "48a5", {{SI, 0x7ffffffffff9}, {DI, 0x10001000}}},
    {"POP", 64, "58", {{SP, 0x7ffffffffffe}}},
    {"PUSH", 64, "50", {{SP, 0x800000000003}}},
    {"RETF: canonical before alignment", 64, "cb", {{SP, 0x7ffffffffff9}}, .rflags = EFL_AC},
    {"operand of BP", 64, "486b450201", {{BP, 0x7ffffffffff8}}},
    {"MASKMOVDQU: all bytes, whatever the mask", 64, "660ff7c1", {{DI, 0x10002ff4}}},
    {"MASKMOVQ", 64, "0ff7c1", {{DI, 0x10005ffa}}},
    {"MASKMOVDQU: two parts", 16, "660ff7c1", {{DI, 0xfff6}}},
    {"VMASKMOVPS: elements one by one", 32, "c4e2712e5500", {{BP, 0xbfed}}, .ss = SEL_SHORT32, .mask = 15},
    {"VMASKMOVPS: 16-bit offsets of elements do not wrap", 32, "67c4e2712c6402", {{SI, 0xfff9}}, .mask = 0x0c},
    {"VMASKMOVPD: 32-bit offsets neither", 32, "c4e2712d18", {{AX, 0xfffffff9}}, .mask = 8},
    {"VMASKMOVPD: element across 4 GiB", 32, "c4e2752f00", {{AX, 0xfffffffa}}, .mask = 2},
    {"aligned vector: alignment before the limit", 32, "360f2806", {{SI, 0xa801}}, .ss = SEL_SHORT16},
    {"aligned vector beyond SS", 32, "360f2806", {{SI, 0xa800}}, .ss = SEL_SHORT16},
    {"unaligned vector beyond SS", 32, "360f1006", {{SI, 0xa801}}, .ss = SEL_SHORT16},
    {"CALL: stack before CS's limit", 16, "66e800001000", {{SP, 2}}, .ss = SEL_SHORT16},
    {"REX before VEX: as long as LES with its displacement", 64, "3e3e3e3e3e3e3e3e3e4bc4a1a5fe1c2e"},
    {"REX before VEX: no longer than LES", 64, "3e3e3e3e3e3e3e3e3e3e3e3e47c4e2590cf8"},
    {"RETF from 64-bit code to a 16-bit stack", 64, "8ed26a236800f11f2048caece4", {{DX, SEL_SHORT16}}},
    {"JMPF to compatibility mode cuts RSP", 64, "488903ff2b", {{AX, 0x23201ff100}, {BX, 0x10001000}, {SP, 0x110009800}}},
    {"UD1 has no ModRM", 64, "3e3e3e3e3e3e3e3e3e3e3e3e3e0fb9c0"},
    {"0F 78 has immediates", 64, "3e3e3e3e3e3e3e3e3e3ef30f78c10102"},
    {"a string function: three tests in one TB", 64, THREE_TESTS, {{SI, 0x10001100}, {CX, 1}}},
    {"a string function: three tests in one TB", 64, THREE_TESTS, {{SI, 0x10001100}, {CX, 0}}},
    {"a string function: three tests in one TB", 64, THREE_TESTS, {{SI, 0x10001ff0}}},
    {"a string function: three tests in one TB", 64, THREE_TESTS, {{SI, 0x10002fd1}}},
    {"a string function: three tests in one TB", 64, THREE_TESTS, {{SI, 0x10002fb0}}},
    {"a string function: three tests in one TB", 64, THREE_TESTS, {{SI, 0x10002f90}}},
    {"a string function: three tests in one TB", 64, THREE_TESTS, {{SI, 0x10004ff9}}},
    {"vectors at one base + index, which changes", 64, SUMS, {{SI, 0x10001100}, {DX, 0x40}, {DI, 0x10002100}}},
    {"vectors at one base + index, which changes", 64, SUMS, {{SI, 0x10001f00}, {DX, 0xc1}, {DI, 0x10004e00}}},
    {"vectors at one base + index, which changes", 64, SUMS, {{SI, 0x10001f00}, {DX, 0xd1}, {DI, 0x10001f20}}},
    {"vectors at one base + index, which changes", 64, SUMS, {{SI, 0x10002f00}, {DX, 0xb9}, {DI, 0x10004f00}}},
    {"vectors at one base + index, which changes", 64, SUMS, {{SI, 0x10002f00}, {DX, 0xc0}, {DI, 0x10005f00}}},
    {"vectors at one base + index, which changes", 64, SUMS, {{SI, 0x10001f00}, {DX, 0x98}, {DI, 0x10002f20}}},
    {"vectors aligned at odd displacements", 64, ODD_STRIDE, {{DI, 0x1000111f}}},
    {"vectors aligned at odd displacements", 64, ODD_STRIDE, {{DI, 0x1000110f}}},
    {"vectors aligned at odd displacements", 64, ODD_STRIDE, {{DI, 0x10001f9f}}},
    {"vectors aligned at odd displacements", 64, ODD_STRIDE, {{DI, 0x10001fbf}}},
    {"vectors aligned at odd displacements", 64, ODD_STRIDE, {{DI, 0x10002f9f}}},
    {"vectors aligned at odd displacements", 64, ODD_STRIDE, {{DI, 0x10002fbf}}},
};

bool fixed_case(unsigned n, DiffSeq *q, DiffState *st, const char **what)
{
    if (n >= G_N_ELEMENTS(fixed))
        return false;
    const Fixed *f = &fixed[n];
    DiffInsn *g;
    unsigned len = strlen(f->code) / 2;

    memset(q, 0, sizeof *q);
    q->bits = f->bits;
    g_assert_cmpuint(len, <=, DIFF_MAX_INSNS * sizeof g->b);
    for (unsigned i = 0; i < len; i++) { /* in pieces of what an instruction may have */
        g = &q->insn[i / sizeof g->b];
        if (i % sizeof g->b == 0) {
            q->n++;
            g->rip_at = g->rel_at = g->vsib = -1;
        }
        g->b[g->n++] = g_ascii_xdigit_value(f->code[2 * i]) << 4 | g_ascii_xdigit_value(f->code[2 * i + 1]);
    }
    memset(st, 0, sizeof *st);
    st->xs[XS_BV] = 7;
    memcpy(st->xs + XS_FCW, &(uint16_t){0x37f}, 2);
    memcpy(st->xs + XS_MXCSR, &(uint32_t[]){0x1f80, 0xffff}, 8);
    for (unsigned i = 0; i < 8; i++)
        st->xs[(i & 4 ? XS_YMMH : XS_XMM) + 16 + 4 * (i & 3) + 3] = (f->mask >> i & 1) << 7;
    st->xs[XS_FTW] = 0xff;
    st->gpr[R_ESP] = f->bits == 16 ? 0x9800 : DIFF_DATA + 0x9800;
    for (unsigned i = 0; i < G_N_ELEMENTS(f->set); i++)
        if (f->set[i].reg || f->set[i].value)
            st->gpr[f->set[i].reg] = f->set[i].value;
    st->rflags = 0x202 | f->rflags;
    st->fsbase = 0x40;
    st->gsbase = 0x100;
    st->sel[R_CS] = f->bits == 64 ? 0x33 : f->bits == 32 ? 0x23 : SEL_CODE16;
    st->sel[R_SS] = f->ss ? f->ss : f->bits == 16 ? SEL_DATA16 : 0x2b;
    if (f->bits != 64) {
        st->sel[R_DS] = f->ds ? f->ds : f->bits == 16 ? SEL_DATA16 : 0x2b;
        st->sel[R_ES] = f->es ? f->es : f->bits == 16 ? SEL_DATA16 : 0x2b;
        st->sel[R_FS] = SEL_FS;
        st->sel[R_GS] = SEL_GS;
    }
    st->vector = DIFF_VECTOR_NONE;
    *what = f->what;
    return true;
}
