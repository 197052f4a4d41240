/* test-decode.c - the decoder and the front end without running anything: lengths and fields of known
 * encodings, what is undefined, limits of length and page; every opcode of every map in every mode
 * translates to IR that tcg_verify() accepts. SDM vol. 2, chapter 2. */
#include "sys-harness.h"
#include "accel/tb.h"
#include "tcg/ir-build.h"
#include "target-x86/translate.h"

enum { CODE = 0x20000 };
enum Mode { MODE_REAL, MODE_VM86, MODE_PM16, MODE_PM32, MODE_PM32_SEG, MODE_USER64, MODE_LONG };
static const char *const mode_name[] = { "real", "vm86", "pm16", "pm32", "pm32-segments", "user64", "long" };
#define FLAT (HF_FLAT_ES | HF_FLAT_CS | HF_FLAT_SS | HF_FLAT_DS | HF_FLAT_FS | HF_FLAT_GS)
static const uint32_t mode_flags[] = {
    [MODE_REAL] = 0,
    [MODE_VM86] = HF_PE | HF_VM | 3,
    [MODE_PM16] = HF_PE,
    [MODE_PM32] = HF_PE | HF_CS32 | HF_SS32 | FLAT,
    [MODE_PM32_SEG] = HF_PE | HF_CS32 | HF_SS32,
    [MODE_USER64] = HF_PE | HF_CS64 | HF_CS32 | HF_SS32 | HF_LMA | FLAT | HF_OSFXSR | 3,
    [MODE_LONG] = HF_PE | HF_CS64 | HF_CS32 | HF_SS32 | HF_LMA | FLAT | HF_OSFXSR,
};

static DisasContext context(enum Mode m)
{
    uint32_t f = mode_flags[m];
    return (DisasContext){
        .cpu = env->cpu, .env = env, .flags = f, .pc_first = CODE, .pc = CODE, .pe = f & HF_PE, .vm86 = f & HF_VM,
        .code64 = f & HF_CS64, .code32 = f & (HF_CS32 | HF_CS64), .ss32 = f & HF_SS32, .lma = f & HF_LMA, .fetch_pages_open = true,
    };
}

static DecodeResult decode(DisasContext *dc, enum Mode m, const char *hex)
{
    unsigned b, n = 0;
    *dc = context(m);
    memset(ram + CODE, 0x90, 32);
    for (; sscanf(hex, "%2x", &b) == 1; hex += 2 + (hex[2] == ' '))
        ram[CODE + n++] = b;
    return decode_insn(dc);
}

static void test_fields(void)
{
    DisasContext d;

    harness_start("max");
    g_assert_cmpint(decode(&d, MODE_LONG, "48 8b 84 8b 78 56 34 12"), ==, DECODE_OK);
    g_assert_cmpstr(d.insn.row->name, ==, "MOV");
    g_assert_cmpuint(d.insn.len, ==, 8);
    g_assert_cmpint(d.insn.osize, ==, MO_64);
    g_assert_cmpint(d.insn.base, ==, R_EBX);
    g_assert_cmpint(d.insn.index, ==, R_ECX);
    g_assert_cmpint(d.insn.scale, ==, 2);
    g_assert_cmphex(d.insn.disp, ==, 0x12345678);
    g_assert_cmpint(d.insn.seg, ==, R_DS);
    g_assert_cmpint(decode(&d, MODE_LONG, "8b 05 fc ff ff ff"), ==, DECODE_OK);
    g_assert_true(d.insn.rip_relative);
    g_assert_cmpint(d.insn.disp, ==, -4);
    g_assert_cmpint(decode(&d, MODE_PM32, "8b 05 fc ff ff ff"), ==, DECODE_OK);
    g_assert_false(d.insn.rip_relative);
    g_assert_cmpint(decode(&d, MODE_LONG, "8b 45 00"), ==, DECODE_OK); /* rbp: SS */
    g_assert_cmpint(d.insn.seg, ==, R_SS);
    g_assert_cmpint(decode(&d, MODE_LONG, "41 8b 45 00"), ==, DECODE_OK); /* r13: DS */
    g_assert_cmpint(d.insn.seg, ==, R_DS);
    g_assert_cmpint(decode(&d, MODE_LONG, "41 8b 04 24"), ==, DECODE_OK); /* [r12] needs a SIB byte too */
    g_assert_cmpint(d.insn.base, ==, 12);
    g_assert_cmpint(d.insn.index, ==, -1);
    g_assert_cmpint(decode(&d, MODE_LONG, "43 8b 04 25 10 00 00 00"), ==, DECODE_OK); /* index r12, no base */
    g_assert_cmpint(d.insn.base, ==, -1);
    g_assert_cmpint(d.insn.index, ==, 12);
    g_assert_cmpint(decode(&d, MODE_REAL, "67 66 8b 44 24 08"), ==, DECODE_OK);
    g_assert_cmpint(d.insn.osize, ==, MO_32);
    g_assert_cmpint(d.insn.asize, ==, MO_32);
    g_assert_cmpint(d.insn.seg, ==, R_SS);
    g_assert_cmpint(decode(&d, MODE_REAL, "8b 06 34 12"), ==, DECODE_OK); /* [disp16] */
    g_assert_cmpint(d.insn.base, ==, -1);
    g_assert_cmphex(d.insn.disp, ==, 0x1234);
    g_assert_cmpint(decode(&d, MODE_REAL, "ea 78 56 34 12"), ==, DECODE_OK);
    g_assert_cmphex(d.insn.imm, ==, 0x5678);
    g_assert_cmphex(d.insn.imm2, ==, 0x1234);
    g_assert_cmpint(decode(&d, MODE_LONG, "c8 34 12 07"), ==, DECODE_OK);
    g_assert_cmphex(d.insn.imm, ==, 0x1234);
    g_assert_cmphex(d.insn.imm2, ==, 7);
    g_assert_cmpint(decode(&d, MODE_LONG, "48 b8 88 77 66 55 44 33 22 11"), ==, DECODE_OK);
    g_assert_cmphex(d.insn.imm, ==, 0x1122334455667788);
    g_assert_cmpint(decode(&d, MODE_LONG, "48 a1 88 77 66 55 44 33 22 11"), ==, DECODE_OK);
    g_assert_cmphex(d.insn.disp, ==, 0x1122334455667788);
    harness_stop();
}

static void test_prefixes(void)
{
    DisasContext d;

    harness_start("max");
    g_assert_cmpint(decode(&d, MODE_LONG, "48 66 01 c0"), ==, DECODE_OK); /* REX before a prefix is ignored */
    g_assert_cmpint(d.insn.osize, ==, MO_16);
    g_assert_false(d.insn.has_rex);
    g_assert_cmpint(decode(&d, MODE_LONG, "66 48 01 c0"), ==, DECODE_OK); /* W wins over 66 */
    g_assert_cmpint(d.insn.osize, ==, MO_64);
    g_assert_cmpint(decode(&d, MODE_LONG, "2e 8b 00"), ==, DECODE_OK); /* CS override is ignored */
    g_assert_cmpint(d.insn.seg, ==, R_DS);
    g_assert_cmpint(decode(&d, MODE_LONG, "64 2e 8b 00"), ==, DECODE_OK);
    g_assert_cmpint(d.insn.seg, ==, R_FS);
    g_assert_cmpint(decode(&d, MODE_REAL, "26 67 f3 6f"), ==, DECODE_OK); /* implicit operands take overrides as well */
    g_assert_cmpint(d.insn.seg, ==, R_ES);
    g_assert_cmpint(decode(&d, MODE_LONG, "f2 f3 0f b8 c0"), ==, DECODE_OK); /* the last of F2, F3 counts */
    g_assert_cmpstr(d.insn.row->name, ==, "POPCNT");
    g_assert_cmpint(decode(&d, MODE_LONG, "f3 90"), ==, DECODE_OK);
    g_assert_cmpstr(d.insn.row->name, ==, "PAUSE");
    g_assert_cmpint(decode(&d, MODE_LONG, "50"), ==, DECODE_OK);
    g_assert_cmpint(d.insn.osize, ==, MO_64);
    g_assert_cmpint(decode(&d, MODE_LONG, "66 50"), ==, DECODE_OK);
    g_assert_cmpint(d.insn.osize, ==, MO_16);
    g_assert_cmpint(decode(&d, MODE_LONG, "66 e8 00 00 00 00"), ==, DECODE_OK); /* near branches: always 64 */
    g_assert_cmpuint(d.insn.len, ==, 6);
    harness_stop();
}

static void test_undefined(void)
{
    static const char *const ud64[] = {
        "06", "27", "60", "62 00", "9a", "c4 c0", "ce", "d4 0a", "d6", "ea", "82 c0 00", /* not in 64-bit mode */
        "f0 01 c0", "f0 8b 00", "f0 38 00", "f0 90", "f0 0f a3 00", /* LOCK where it may not stand */
        "8d c0", "0f 01 c0", "0f c7 c8", "fe d0", "ff f8", "8f c8", "c6 c8", "0f 04", "0f 0a", "0f 36", "0f a6 00", "0f ba c0",
    };
    static const char *const ud_real[] = { "0f 00 00", "63 00", "0f 02 00", "8d c0", "62 c0" };
    DisasContext d;

    harness_start("max");
    for (unsigned i = 0; i < G_N_ELEMENTS(ud64); i++) {
        g_test_message("%s", ud64[i]);
        g_assert_cmpint(decode(&d, MODE_LONG, ud64[i]), ==, DECODE_UD);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(ud_real); i++)
        g_assert_cmpint(decode(&d, MODE_REAL, ud_real[i]), ==, DECODE_UD);
    g_assert_cmpint(decode(&d, MODE_LONG, "f0 01 00"), ==, DECODE_OK);
    harness_stop();
}

static void test_vex(void)
{
    static const char *const ud64[] = {
        "c5 f0 51 c2", "c4 e0 70 58 c2", "c4 e4 70 58 c2", "66 c5 f0 58 c2", "f3 c5 f0 58 c2", "f2 c5 f0 58 c2", "f0 c5 f0 58 c2",
        "48 c5 f0 58 c2", "c4 e2 74 f2 c2", "c4 e3 73 f0 c2 01",
        "c4 e2 71 90 00", /* a gather needs a SIB byte */
    };
    DisasContext d;

    harness_start("max");
    for (unsigned i = 0; i < G_N_ELEMENTS(ud64); i++) {
        g_test_message("%s", ud64[i]);
        g_assert_cmpint(decode(&d, MODE_LONG, ud64[i]), ==, DECODE_UD);
    }
    g_assert_cmpint(decode(&d, MODE_LONG, "c4 22 71 90 44 60 08"), ==, DECODE_OK); /* index 4 with X: vector 12 */
    g_assert_cmpint(d.insn.vsib, ==, 12);
    g_assert_cmpint(d.insn.base, ==, R_EAX);
    g_assert_cmpint(d.insn.index, ==, -1);
    g_assert_cmpint(d.insn.reg, ==, 8);
    g_assert_cmpuint(d.insn.vvvv, ==, 1);
    g_assert_cmpint(decode(&d, MODE_LONG, "c4 e2 71 90 44 20 08"), ==, DECODE_OK); /* vector 4: no "none" here */
    g_assert_cmpint(d.insn.vsib, ==, 4);
    g_assert_cmpint(decode(&d, MODE_LONG, "c4 41 30 58 c2"), ==, DECODE_OK); /* all registers from 8 */
    g_assert_cmpint(d.insn.reg, ==, 8);
    g_assert_cmpint(d.insn.rm, ==, 10);
    g_assert_cmpuint(d.insn.vvvv, ==, 9);
    /* LES and LDS elsewhere, unless the operand would be a register */
    for (enum Mode m = MODE_REAL; m <= MODE_PM32_SEG; m++) {
        bool vex = m >= MODE_PM16;
        g_assert_cmpint(decode(&d, m, "c5 06 00 01 00 00"), ==, DECODE_OK);
        g_assert_cmpstr(d.insn.row->name, ==, "LDS");
        g_assert_cmpint(decode(&d, m, "c4 46 10"), ==, DECODE_OK);
        g_assert_cmpstr(d.insn.row->name, ==, "LES");
        g_assert_cmpint(decode(&d, m, "c5 f0 58 c2"), ==, vex ? DECODE_OK : DECODE_UD);
        g_assert_cmpint(decode(&d, m, "c4 e2 70 f2 c2"), ==, vex ? DECODE_OK : DECODE_UD);
        if (vex) {
            g_assert_cmpint(d.insn.osize, ==, MO_32);
            g_assert_cmpint(decode(&d, m, "c4 c1 b0 58 c2"), ==, DECODE_OK); /* W, B and vvvv's top bit are ignored */
            g_assert_cmpuint(d.insn.vvvv, ==, 1);
            g_assert_cmpint(d.insn.rm, ==, 2);
            g_assert_cmpint(decode(&d, m, "66 c5 f0 58 c2"), ==, DECODE_UD);
        }
    }
    harness_stop();
}

static void test_limits(void)
{
    DisasContext d;

    harness_start("max");
    g_assert_cmpint(decode(&d, MODE_LONG, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 90"), ==, DECODE_OK);
    g_assert_cmpuint(d.insn.len, ==, 15);
    g_assert_cmpint(decode(&d, MODE_LONG, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90"), ==, DECODE_TOO_LONG);
    /* an instruction across the page's end: only as the TB's first */
    d = context(MODE_LONG);
    d.pc_first = CODE + 0xff0;
    d.pc = CODE + 0xffe;
    memcpy(ram + d.pc, "\xb8\x01\x00\x00\x00", 5);
    d.fetch_pages_open = false;
    g_assert_cmpint(decode_insn(&d), ==, DECODE_STOP);
    d.fetch_pages_open = true;
    g_assert_cmpint(decode_insn(&d), ==, DECODE_OK);
    g_assert_cmpuint(d.insn.len, ==, 5);
    harness_stop();
}

/* --- every opcode translates --- */

static void translate(TcgContext *s, enum Mode m, const uint8_t *bytes, unsigned n)
{
    TB tb = { .pc = CODE, .flags = mode_flags[m] | HF_OSXSAVE };
    GString *why = g_string_new(NULL);

    memset(ram + CODE, 0x90, 64);
    memcpy(ram + CODE, bytes, n);
    tcg_begin(s);
    x86_translate(env->cpu, &tb, s, 3);
    if (!tcg_verify(s, why)) {
        tcg_dump_ops(s, why);
        g_error("%s: %02x %02x %02x %02x %02x: %s", mode_name[m], bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], why->str);
    }
    g_assert_cmpuint(tb.size, >, 0);
    g_assert_cmpuint(tb.icount, >=, 1);
    g_string_free(why, TRUE);
}

static void test_translate(gconstpointer p)
{
    static const uint8_t prefixes[][3] = { { 0 }, { 0x66 }, { 0xf3 }, { 0xf2 }, { 0xf0 }, { 0x67 }, { 0x64 }, { 0x66, 0xf3 } };
    enum Mode m = GPOINTER_TO_INT(p);
    harness_start("max");
    TcgContext *s = tcg_context_new(&x86_tcg_guest, NULL);

    for (unsigned map = 0; map < 4; map++)
        for (unsigned op = 0; op < 256; op++)
            for (unsigned pre = 0; pre < G_N_ELEMENTS(prefixes); pre++)
                for (unsigned modrm = 0; modrm < 256; modrm += map < 2 ? 1 : 9) {
                    uint8_t b[16] = { 0 };
                    unsigned n = 0;
                    for (unsigned i = 0; i < 3 && prefixes[pre][i]; i++)
                        b[n++] = prefixes[pre][i];
                    if (map)
                        b[n++] = 0x0f;
                    if (map > 1)
                        b[n++] = map == 2 ? 0x38 : 0x3a;
                    b[n++] = op;
                    b[n++] = modrm;
                    b[n++] = 0x25;
                    b[n++] = 0x11;
                    translate(s, m, b, n);
                }
    for (unsigned map = 1; map < 4; map++) /* VEX: prefix, W, L */
        for (unsigned op = 0; op < 256; op++)
            for (unsigned form = 0; form < 16; form++)
                for (unsigned modrm = 4; modrm < 256; modrm += 7) {
                    uint8_t b[16] = { 0xc4, 0xe0 | map, (form & 8) << 4 | (form & 4 ? 0x78 : 0x68) | (form & 3), op, modrm, 0x25, 0x11 };
                    translate(s, m, b, sizeof b);
                    b[2] |= 4;
                    translate(s, m, b, sizeof b);
                }
    tcg_context_free(s);
    harness_stop();
}

/* The short way for plain instructions says what the general one does. */
static void same_by_both_ways(enum Mode m, const uint8_t *bytes, unsigned len)
{
    DisasContext a = context(m), b = context(m);

    memcpy(ram + CODE, bytes, len);
    env->cpu->code_page.page = ~0ULL; /* the page is not at hand: byte by byte, which fetches it */
    DecodeResult ra = decode_insn(&a);
    g_assert_cmphex(env->cpu->code_page.page, ==, CODE);
    DecodeResult rb = decode_insn(&b);
    bool same = ra == rb && a.pc_next == b.pc_next;
#define SAME(f) same &= a.insn.f == b.insn.f;
    SAME(map) SAME(opcode) SAME(rep) SAME(prefix_66) SAME(prefix_67) SAME(lock) SAME(has_rex) SAME(rex_w) SAME(rex_r) SAME(rex_x)
    SAME(rex_b) SAME(seg_override) SAME(vex) SAME(vex_l) SAME(vex_w) SAME(vex_pp) SAME(vvvv) SAME(vsib) SAME(osize) SAME(asize)
    SAME(has_modrm) SAME(modrm) SAME(mod) SAME(reg) SAME(rm) SAME(base) SAME(index) SAME(scale) SAME(rip_relative) SAME(seg)
    SAME(disp) SAME(imm) SAME(imm2) SAME(len) SAME(row) SAME(simd)
#undef SAME
    if (!same)
        g_error("%s: %02x %02x %02x %02x %02x is decoded differently", mode_name[m], bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]);
}

static void test_plain(void)
{
    static const char *const models[] = { "max", "486" };
    static const enum Mode modes[] = { MODE_PM32, MODE_LONG };
    static const uint8_t rex[] = { 0, 0x40, 0x41, 0x42, 0x44, 0x48, 0x4f };
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);

    for (unsigned model = 0; model < 2; model++) {
        harness_start(models[model]);
        for (unsigned m = 0; m < 2; m++)
            for (unsigned r = 0; r < G_N_ELEMENTS(rex); r++)
                for (unsigned op = 0; op < 512; op++)
                    for (unsigned modrm = 0; modrm < 256; modrm++) {
                        uint8_t b[16];
                        unsigned n = 0;
                        if (rex[r])
                            b[n++] = rex[r];
                        if (op >= 256)
                            b[n++] = 0x0f;
                        b[n++] = op;
                        b[n++] = modrm;
                        while (n < sizeof b)
                            b[n++] = g_rand_int(rand);
                        same_by_both_ways(modes[m], b, sizeof b);
                    }
        harness_stop();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bql_lock();
    g_test_add_func("/target-x86/decode/fields", test_fields);
    g_test_add_func("/target-x86/decode/prefixes", test_prefixes);
    g_test_add_func("/target-x86/decode/undefined", test_undefined);
    g_test_add_func("/target-x86/decode/vex", test_vex);
    g_test_add_func("/target-x86/decode/plain", test_plain);
    g_test_add_func("/target-x86/decode/limits", test_limits);
    for (int m = 0; m <= MODE_LONG; m++) {
        g_autofree char *path = g_strdup_printf("/target-x86/decode/translate-all/%s", mode_name[m]);
        g_test_add_data_func(path, GINT_TO_POINTER(m), test_translate);
    }
    return g_test_run();
}
