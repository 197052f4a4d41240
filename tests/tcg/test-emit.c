/* test-emit.c - every emitter's bytes, read back by capstone (Intel syntax). */
#include "host/base/osdep.h"
#include "tcg/x86_64/emit.h"
#include "tcg/tcg.h"
#include <capstone/capstone.h>

static csh cs;
enum { CODE_SIZE = 256 };
static uint8_t arena[0x3000], *const code = arena + 0x1800; /* jump targets are in the arena too */

/* Disassembles exactly one instruction from code to e->p. */
static char *read_back(Emit *e)
{
    cs_insn *insn;
    size_t n = cs_disasm(cs, code, e->p - code, (uintptr_t)code, 0, &insn);
    char *text;
    if (n != 1 || insn[0].size != e->p - code)
        text = g_strdup_printf("%zu instructions from %td bytes", n, e->p - code);
    else if (insn[0].op_str[0])
        text = g_strdup_printf("%s %s", insn[0].mnemonic, insn[0].op_str);
    else
        text = g_strdup(insn[0].mnemonic);
    if (n)
        cs_free(insn, n);
    return text;
}

static Emit fresh(void)
{
    memset(code, 0xcc, CODE_SIZE);
    return (Emit){ .p = code, .start = code, .end = code + CODE_SIZE };
}

#define CHECK(expected, call) do { \
        Emit em = fresh(), *e = &em; \
        call; \
        g_autofree char *got_ = read_back(e); \
        g_assert_cmpstr(got_, ==, expected); \
        g_assert_false(em.full); \
    } while (0)

static const char *const r64[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
static const char *const r32[] = { "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d" };
static const char *const r16[] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w" };
static const char *const r8[] = { "al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b" };
static const char *const rh[] = { "ah", "ch", "dh", "bh" };
static const char *const ptr[] = { [1] = "byte", [2] = "word", [4] = "dword", [8] = "qword" };

static const char *reg(unsigned size, Reg r) { return (size == 1 ? r8 : size == 2 ? r16 : size == 4 ? r32 : r64)[r]; }

/* printf into a small ring, so that several results live at once */
static const char *S(const char *fmt, ...)
{
    static char ring[8][128];
    static unsigned n;
    va_list ap;
    char *p = ring[n++ % 8];
    va_start(ap, fmt);
    vsnprintf(p, 128, fmt, ap);
    va_end(ap);
    return p;
}

static const char *const alu_name[] = { "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp" };
static const char *const cc_name[] = { "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g" };

static void test_registers(void)
{
    for (int d = 0; d < 16; d++) {
        for (int s = 0; s < 16; s++) {
            for (int w = 0; w < 2; w++) {
                unsigned z = w ? 8 : 4;
                CHECK(S("mov %s, %s", reg(z, d), reg(z, s)), x86_mov_rr(e, w, d, s));
                CHECK(S("test %s, %s", reg(z, s), reg(z, d)), x86_test_rr(e, w, s, d));
                CHECK(S("imul %s, %s", reg(z, d), reg(z, s)), x86_imul_rr(e, w, d, s));
                CHECK(S("imul %s, %s, 5", reg(z, d), reg(z, s)), x86_imul_rri(e, w, d, s, 5));
                CHECK(S("imul %s, %s, 0x12345", reg(z, d), reg(z, s)), x86_imul_rri(e, w, d, s, 0x12345));
                for (int op = 0; op < 8; op++)
                    CHECK(S("%s %s, %s", alu_name[op], reg(z, d), reg(z, s)), x86_alu_rr(e, op, w, d, s));
                for (int cc = 0; cc < 16; cc++)
                    CHECK(S("cmov%s %s, %s", cc_name[cc], reg(z, d), reg(z, s)), x86_cmov_rr(e, cc, w, d, s));
                CHECK(S("popcnt %s, %s", reg(z, d), reg(z, s)), x86_bits_rr(e, X86_POPCNT, w, d, s));
                CHECK(S("lzcnt %s, %s", reg(z, d), reg(z, s)), x86_bits_rr(e, X86_LZCNT, w, d, s));
                CHECK(S("tzcnt %s, %s", reg(z, d), reg(z, s)), x86_bits_rr(e, X86_TZCNT, w, d, s));
                CHECK(S("bsf %s, %s", reg(z, d), reg(z, s)), x86_bits_rr(e, X86_BSF, w, d, s));
                CHECK(S("bsr %s, %s", reg(z, d), reg(z, s)), x86_bits_rr(e, X86_BSR, w, d, s));
                CHECK(S("shld %s, %s, 7", reg(z, d), reg(z, s)), x86_dshift_ri(e, true, w, d, s, 7));
                CHECK(S("shrd %s, %s, 7", reg(z, d), reg(z, s)), x86_dshift_ri(e, false, w, d, s, 7));
                CHECK(S("shld %s, %s, cl", reg(z, d), reg(z, s)), x86_dshift_cl(e, true, w, d, s));
                CHECK(S("shrd %s, %s, cl", reg(z, d), reg(z, s)), x86_dshift_cl(e, false, w, d, s));
                CHECK(S("rorx %s, %s, 9", reg(z, d), reg(z, s)), x86_rorx(e, w, d, s, 9));
                CHECK(S("mulx %s, r9%s, %s", reg(z, d), w ? "" : "d", reg(z, s)), x86_mulx(e, w, d, R9, s));
                CHECK(S("bt %s, %d", reg(4, d), s & 7), x86_bt_ri(e, d, s & 7));
                CHECK(S("andn %s, r9%s, %s", reg(z, d), w ? "" : "d", reg(z, s)), x86_andn(e, w, d, R9, s));
                CHECK(S("shlx %s, %s, r10%s", reg(z, d), reg(z, s), w ? "" : "d"), x86_shiftx(e, X86_SHL, w, d, s, R10));
                CHECK(S("shrx %s, %s, %s", reg(z, d), reg(z, s), reg(z, RCX)), x86_shiftx(e, X86_SHR, w, d, s, RCX));
                CHECK(S("sarx %s, %s, %s", reg(z, d), reg(z, s), reg(z, RSI)), x86_shiftx(e, X86_SAR, w, d, s, RSI));
            }
            CHECK(S("mov %s, %s", r8[d], r8[s]), x86_mov_r8r8(e, d, s));
            CHECK(S("mov %s, %s", r16[d], r16[s]), x86_mov_r16r16(e, d, s));
            CHECK(S("movzx %s, %s", r32[d], r8[s]), x86_movx_rr(e, 1, EXT_ZERO, d, s));
            CHECK(S("movsx %s, %s", r64[d], r8[s]), x86_movx_rr(e, 1, EXT_SIGN64, d, s));
            CHECK(S("movsx %s, %s", r32[d], r8[s]), x86_movx_rr(e, 1, EXT_SIGN32, d, s));
            CHECK(S("movzx %s, %s", r32[d], r16[s]), x86_movx_rr(e, 2, EXT_ZERO, d, s));
            CHECK(S("movsx %s, %s", r64[d], r16[s]), x86_movx_rr(e, 2, EXT_SIGN64, d, s));
            CHECK(S("movsx %s, %s", r32[d], r16[s]), x86_movx_rr(e, 2, EXT_SIGN32, d, s));
            CHECK(S("mov %s, %s", r32[d], r32[s]), x86_movx_rr(e, 4, EXT_ZERO, d, s));
            CHECK(S("movsxd %s, %s", r64[d], r32[s]), x86_movx_rr(e, 4, EXT_SIGN64, d, s));
            for (int op = 0; op < 8; op++) {
                CHECK(S("%s %s, %s", alu_name[op], r8[d], r8[s]), x86_alu_low_rr(e, op, 1, d, s));
                CHECK(S("%s %s, %s", alu_name[op], r16[d], r16[s]), x86_alu_low_rr(e, op, 2, d, s));
                if (d < 4 && s < 4)
                    CHECK(S("%s %s, %s", alu_name[op], rh[d], r8[s]), x86_alu_rh(e, op, d, s, 0));
                if (s == 0) {
                    CHECK(S("%s %s, 0x15", alu_name[op], r8[d]), x86_alu_low_ri(e, op, 1, d, 0x15));
                    CHECK(S("%s %s, 0x15", alu_name[op], r16[d]), x86_alu_low_ri(e, op, 2, d, 0x15));
                    if (d < 4)
                        CHECK(S("%s %s, 0x15", alu_name[op], rh[d]), x86_alu_rh(e, op, d, NOREG, 0x15));
                }
            }
            if (d < 4 && s < 4) {
                CHECK(S("mov %s, %s", rh[d], r8[s]), x86_mov_rh_r8(e, d, s));
                CHECK(S("mov %s, %s", r8[d], rh[s]), x86_mov_r8_rh(e, d, s));
                CHECK(S("mov %s, 0x7f", rh[d]), x86_mov_rhi(e, d, 0x7f));
            }
            if (d < 8 && s < 4) {
                CHECK(S("movzx %s, %s", r32[d], rh[s]), x86_movx_rh(e, EXT_ZERO, d, s));
                CHECK(S("movsx %s, %s", r32[d], rh[s]), x86_movx_rh(e, EXT_SIGN32, d, s));
            }
        }
        for (int w = 0; w < 2; w++) {
            static const struct { X86Grp3 op; const char *name; } grp[] = {
                { X86_NOT, "not" }, { X86_NEG, "neg" }, { X86_MUL, "mul" }, { X86_IMUL, "imul" }, { X86_DIV, "div" }, { X86_IDIV, "idiv" } };
            static const struct { X86Shift op; const char *name; } sh[] = {
                { X86_ROL, "rol" }, { X86_ROR, "ror" }, { X86_SHL, "shl" }, { X86_SHR, "shr" }, { X86_SAR, "sar" } };
            unsigned z = w ? 8 : 4;
            for (unsigned i = 0; i < ARRAY_SIZE(grp); i++)
                CHECK(S("%s %s", grp[i].name, reg(z, d)), x86_grp3_r(e, grp[i].op, w, d));
            for (unsigned i = 0; i < ARRAY_SIZE(sh); i++) {
                CHECK(S("%s %s, 0xd", sh[i].name, reg(z, d)), x86_shift_ri(e, sh[i].op, w, d, 13));
                CHECK(S("%s %s, 1", sh[i].name, reg(z, d)), x86_shift_ri(e, sh[i].op, w, d, 1));
                CHECK(S("%s %s, cl", sh[i].name, reg(z, d)), x86_shift_cl(e, sh[i].op, w, d));
            }
            for (int op = 0; op < 8; op++) {
                CHECK(S("%s %s, 0x12", alu_name[op], reg(z, d)), x86_alu_ri(e, op, w, d, 0x12));
                CHECK(S("%s %s, 0x12345678", alu_name[op], reg(z, d)), x86_alu_ri(e, op, w, d, 0x12345678));
            }
            CHECK(S("bswap %s", reg(z, d)), x86_bswap(e, w, d));
            CHECK(S("test %s, 0x12345678", r32[d]), x86_test_ri(e, w, d, 0x12345678)); /* positive: 32 bits do */
        }
        CHECK(S("test %s, 0x7f", r8[d]), x86_test_ri(e, true, d, 0x7f));
        CHECK(S("test %s, -0x10", r64[d]), x86_test_ri(e, true, d, -16));
        CHECK(S("test byte ptr [%s + 0x40], 0x1f", r64[d]), x86_test_mi8(e, mem_at(d, 0x40), 0x1f));
        CHECK(S("rol %s, 8", r16[d]), x86_shift16_ri(e, X86_ROL, d, 8));
        CHECK(S("mov %s, 0x42", r8[d]), x86_mov_r8i(e, d, 0x42));
        CHECK(S("mov %s, 0x4243", r16[d]), x86_mov_r16i(e, d, 0x4243));
        CHECK(S("mov %s, 0x87654321", r32[d]), x86_mov_ri(e, d, 0x87654321));
        CHECK(S("mov %s, -0x7b", r64[d]), x86_mov_ri(e, d, -123));
        CHECK(S("movabs %s, 0x123456789abcdef0", r64[d]), x86_mov_ri(e, d, 0x123456789abcdef0));
        CHECK(S("xor %s, %s", r32[d], r32[d]), x86_zero(e, d));
        for (int cc = 0; cc < 16; cc++)
            CHECK(S("set%s %s", cc_name[cc], r8[d]), x86_setcc(e, cc, d));
        CHECK(S("push %s", r64[d]), x86_push(e, d));
        CHECK(S("pop %s", r64[d]), x86_pop(e, d));
        CHECK(S("jmp %s", r64[d]), x86_jmp_r(e, d));
        CHECK(S("call %s", r64[d]), x86_call_r(e, d));
    }
    CHECK("xchg rdx, rax", x86_xchg_rr(e, true, RAX, RDX));
    CHECK("xchg r9d, r12d", x86_xchg_rr(e, false, R12, R9));
    CHECK("ret", x86_ret(e));
}

static const char *disp_text(int32_t disp)
{
    int64_t a = llabs((int64_t)disp);
    if (!disp)
        return "";
    return a > 9 ? S(" %c 0x%" PRIx64, disp < 0 ? '-' : '+', a) : S(" %c %" PRId64, disp < 0 ? '-' : '+', a);
}

static void test_addresses(void)
{
    static const int32_t disps[] = { 0, 1, -1, 0x7f, -0x80, 0x80, -0x81, 0x12345678, INT32_MIN };
    for (unsigned k = 0; k < ARRAY_SIZE(disps); k++) {
        g_autofree char *dt = g_strdup(disp_text(disps[k]));
        for (int b = 0; b < 16; b++) {
            CHECK(S("lea r9, [%s%s]", r64[b], dt), x86_lea(e, true, R9, mem_at(b, disps[k])));
            CHECK(S("mov dword ptr [%s%s], edx", r64[b], dt), x86_store(e, 4, mem_at(b, disps[k]), RDX));
            CHECK(S("setb byte ptr [%s%s]", r64[b], dt), x86_setcc_m(e, CC_B, mem_at(b, disps[k])));
            CHECK(S("bt dword ptr [%s%s], 3", r64[b], dt), x86_bt_mi(e, mem_at(b, disps[k]), 3));
            for (int i = 0; i < 16; i++) {
                if (i == RSP)
                    continue;
                CHECK(S("lea eax, [%s + %s%s]", r64[b], r64[i], dt), x86_lea(e, false, RAX, mem_idx(b, i, 0, disps[k])));
                CHECK(S("lea r15, [%s + %s*8%s]", r64[b], r64[i], dt), x86_lea(e, true, R15, mem_idx(b, i, 3, disps[k])));
            }
        }
    }
    CHECK("lea rax, [r9*4]", x86_lea(e, true, RAX, mem_idx(NOREG, R9, 2, 0)));
}

/* What lies in reach of the instruction pointer, as it is in the view where the code runs. */
static void test_rip(void)
{
    static const ptrdiff_t diff[] = { 0, 0x10000, -0x7654321 };
    for (unsigned i = 0; i < ARRAY_SIZE(diff); i++) {
        for (int r = RAX; r <= R15; r++) {
            Emit em = fresh(), *e = &em;
            const uint8_t *at = code + diff[i] + 0x123456;
            em.rx_diff = diff[i];
            x86_load_at(e, r, at);
            g_autofree char *load = read_back(e);
            g_assert_cmpstr(load, ==, S("mov %s, qword ptr [rip + 0x%x]", reg(8, r), (int)(0x123456 - (e->p - code))));
            *e = fresh();
            em.rx_diff = diff[i];
            x86_inc_at(e, at);
            g_autofree char *inc = read_back(e);
            g_assert_cmpstr(inc, ==, S("inc dword ptr [rip + 0x%x]", (int)(0x123456 - (e->p - code))));
            *e = fresh();
            em.rx_diff = diff[i];
            x86_alu_at(e, X86_XOR, r, at);
            g_autofree char *alu = read_back(e);
            g_assert_cmpstr(alu, ==, S("xor %s, qword ptr [rip + 0x%x]", reg(8, r), (int)(0x123456 - (e->p - code))));
        }
    }
}

static void test_memory(void)
{
    X86Mem m = mem_at(R13, 0x40);
    const char *mt = "[r13 + 0x40]";
    for (unsigned z = 1; z <= 8; z *= 2) {
        for (int r = 0; r < 16; r++) {
            CHECK(S("mov %s ptr %s, %s", ptr[z], mt, reg(z, r)), x86_store(e, z, m, r));
            CHECK(S("xchg %s ptr %s, %s", ptr[z], mt, reg(z, r)), x86_xchg_mr(e, z, m, r));
            CHECK(S("lock xadd %s ptr %s, %s", ptr[z], mt, reg(z, r)), x86_xadd_mr(e, z, true, m, r));
            CHECK(S("lock cmpxchg %s ptr %s, %s", ptr[z], mt, reg(z, r)), x86_cmpxchg_mr(e, z, true, m, r));
            CHECK(S("cmpxchg %s ptr %s, %s", ptr[z], mt, reg(z, r)), x86_cmpxchg_mr(e, z, false, m, r));
            for (int op = 0; op < 8; op++) {
                CHECK(S("%s %s ptr %s, %s", alu_name[op], ptr[z], mt, reg(z, r)), x86_alu_mr(e, op, z, false, m, r));
                if (op != X86_CMP)
                    CHECK(S("lock %s %s ptr %s, %s", alu_name[op], ptr[z], mt, reg(z, r)), x86_alu_mr(e, op, z, true, m, r));
            }
            if (z == 8)
                CHECK(S("mov %s, qword ptr %s", r64[r], mt), x86_load(e, 8, EXT_ZERO, r, m));
            else if (z == 4)
                CHECK(S("mov %s, dword ptr %s", r32[r], mt), x86_load(e, 4, EXT_ZERO, r, m));
            else
                CHECK(S("movzx %s, %s ptr %s", r32[r], ptr[z], mt), x86_load(e, z, EXT_ZERO, r, m));
            if (z < 8)
                CHECK(S("movsx%s %s, %s ptr %s", z == 4 ? "d" : "", r64[r], ptr[z], mt), x86_load(e, z, EXT_SIGN64, r, m));
            if (z < 4)
                CHECK(S("movsx %s, %s ptr %s", r32[r], ptr[z], mt), x86_load(e, z, EXT_SIGN32, r, m));
        }
        CHECK(S("mov %s ptr %s, 0x12", ptr[z], mt), x86_store_imm(e, z, m, 0x12));
        CHECK(S("add %s ptr %s, 0x12", ptr[z], mt), x86_alu_mi(e, X86_ADD, z, false, m, 0x12));
        CHECK(S("lock or %s ptr %s, 0x12", ptr[z], mt), x86_alu_mi(e, X86_OR, z, true, m, 0x12));
        if (z > 1)
            CHECK(S("cmp %s ptr %s, 0x1234", ptr[z], mt), x86_alu_mi(e, X86_CMP, z, false, m, 0x1234));
        CHECK(S("neg %s ptr %s", ptr[z], mt), x86_grp3_m(e, X86_NEG, z, false, m));
        CHECK(S("lock not %s ptr %s", ptr[z], mt), x86_grp3_m(e, X86_NOT, z, true, m));
    }
    CHECK("div dword ptr [r13 + 0x40]", x86_grp3_m(e, X86_DIV, 4, false, m));
    CHECK("and word ptr [r13 + 0x40], 0xfffe", x86_alu_mi(e, X86_AND, 2, false, m, 0xfffe));
    CHECK("add r10, qword ptr [r13 + 0x40]", x86_alu_rm(e, X86_ADD, true, R10, m));
    CHECK("cmp esi, dword ptr [r13 + 0x40]", x86_alu_rm(e, X86_CMP, false, RSI, m));
    CHECK("imul rdi, qword ptr [r13 + 0x40]", x86_imul_rm(e, true, RDI, m));
    CHECK("cmovle r8, qword ptr [r13 + 0x40]", x86_cmov_rm(e, CC_LE, true, R8, m));
    CHECK("jmp qword ptr [r13 + 0x40]", x86_jmp_m(e, m));
    CHECK("ldmxcsr dword ptr [r13 + 0x40]", x86_ldmxcsr(e, m));
    CHECK("fldcw word ptr [r13 + 0x40]", x86_x87_m(e, 0xd9, 5, m));
    CHECK("fstp xword ptr [r13 + 0x40]", x86_x87_m(e, 0xdb, 7, m));
    CHECK("fadd qword ptr [r9 + rax + 4]", x86_x87_m(e, 0xdc, 0, mem_idx(R9, RAX, 0, 4)));
    CHECK("fxch st(3)", x86_x87_r(e, 0xd9, 0xcb));
    CHECK("stmxcsr dword ptr [r13 + 0x40]", x86_stmxcsr(e, m));
}

static void test_vectors(void)
{
    X86Mem m = mem_idx(R9, RAX, 0, 4);
    for (int i = 0; i < 16; i++) {
        Reg x = XMM0 + i;
        CHECK(S("movaps xmm%d, xmm%d", i, 15 - i), x86_movaps_rr(e, x, XMM15 - i));
        CHECK(S("vmovaps ymm%d, ymm%d", i, 15 - i), x86_vmovaps_ymm(e, x, XMM15 - i));
        CHECK(S("movd xmm%d, dword ptr [r9 + rax + 4]", i), x86_vec_load(e, 4, false, x, m));
        CHECK(S("movq xmm%d, qword ptr [r9 + rax + 4]", i), x86_vec_load(e, 8, false, x, m));
        CHECK(S("movups xmm%d, xmmword ptr [r9 + rax + 4]", i), x86_vec_load(e, 16, false, x, m));
        CHECK(S("vmovups ymm%d, ymmword ptr [r9 + rax + 4]", i), x86_vec_load(e, 32, false, x, m));
        CHECK(S("vmovd xmm%d, dword ptr [r9 + rax + 4]", i), x86_vec_load(e, 4, true, x, m));
        CHECK(S("vmovq xmm%d, qword ptr [r9 + rax + 4]", i), x86_vec_load(e, 8, true, x, m));
        CHECK(S("vmovups xmm%d, xmmword ptr [r9 + rax + 4]", i), x86_vec_load(e, 16, true, x, m));
        CHECK(S("movd dword ptr [r9 + rax + 4], xmm%d", i), x86_vec_store(e, 4, m, x));
        CHECK(S("movq qword ptr [r9 + rax + 4], xmm%d", i), x86_vec_store(e, 8, m, x));
        CHECK(S("movups xmmword ptr [r9 + rax + 4], xmm%d", i), x86_vec_store(e, 16, m, x));
        CHECK(S("vmovups ymmword ptr [r9 + rax + 4], ymm%d", i), x86_vec_store(e, 32, m, x));
        CHECK(S("addps xmm%d, xmm3", i), x86_simd_rr(e, 0x58, i, 3, 0));
        CHECK(S("addsd xmm3, xmm%d", i), x86_simd_rr(e, 0x58 | SIMD_PP_F2, 3, i, 0));
        CHECK(S("pshufd xmm%d, xmm9, 0x1b", i), x86_simd_rr(e, 0x70 | SIMD_PP_66 | SIMD_IMM8, i, 9, 0x1b));
        CHECK(S("pshufb xmm%d, xmm9", i), x86_simd_rr(e, SIMD_PP_66 | SIMD_MAP_0F38, i, 9, 0));
        CHECK(S("palignr xmm%d, xmm2, 3", i), x86_simd_rr(e, 0x0f | SIMD_PP_66 | SIMD_MAP_0F3A | SIMD_IMM8, i, 2, 3));
        CHECK(S("movq r9, xmm%d", i), x86_simd_rr(e, 0x7e | SIMD_PP_66 | SIMD_W, i, R9, 0));
        CHECK(S("psrldq xmm%d, 5", i), x86_simd_rr(e, 0x73 | SIMD_PP_66 | SIMD_IMM8, 3, i, 5));
        CHECK(S("vaddps xmm%d, xmm9, xmmword ptr [r8 + %s + 0x40]", i, r64[i == RSP ? RBP : i]),
              x86_simd_vex_rm(e, 0x58 | SIMD_VEX, i, 9, mem_idx(R8, i == RSP ? RBP : i, 0, 0x40), 0));
        CHECK(S("vpermq ymm%d, ymmword ptr [rsp + 0x60], 0x1b", i),
              x86_simd_vex_rm(e, SIMD_MAP_0F3A | SIMD_PP_66 | SIMD_W | SIMD_IMM8 | SIMD_L256 | SIMD_VEX, i, 0, mem_at(RSP, 0x60), 0x1b));
        CHECK(S("vfmadd231ps ymm%d, ymm%d, ymmword ptr [r12 + r9]", i, 15 - i),
              x86_simd_vex_rm(e, SIMD_MAP_0F38 | SIMD_PP_66 | 0xb8 | SIMD_L256 | SIMD_VEX, i, 15 - i, mem_idx(R12, R9, 0, 0), 0));
        CHECK(S("paddd xmm%d, xmmword ptr [%s + r13 - 0x80]", i, r64[i]), x86_simd_rm(e, SIMD_PP_66 | 0xfe, i, mem_idx(i, R13, 0, -0x80), 0));
        CHECK(S("pshufd xmm%d, xmmword ptr [rsp + 0x60], 0x4e", i), x86_simd_rm(e, SIMD_PP_66 | SIMD_IMM8 | 0x70, i, mem_at(RSP, 0x60), 0x4e));
        CHECK(S("vaddps xmm%d, xmm9, xmm%d", i, 15 - i), x86_simd_vex(e, 0x58 | SIMD_VEX, i, 9, 15 - i, 0));
        CHECK(S("vpaddd ymm%d, ymm%d, ymm3", i, 15 - i), x86_simd_vex(e, 0xfe | SIMD_PP_66 | SIMD_VEX | SIMD_L256, i, 15 - i, 3, 0));
        CHECK(S("vpermq ymm%d, ymm9, 0x1b", i),
              x86_simd_vex(e, SIMD_MAP_0F3A | SIMD_PP_66 | SIMD_W | SIMD_IMM8 | SIMD_L256 | SIMD_VEX, i, 0, 9, 0x1b));
        CHECK(S("vfmadd231sd xmm1, xmm%d, xmm2", i), x86_simd_vex(e, SIMD_MAP_0F38 | SIMD_PP_66 | 0xb9 | SIMD_W | SIMD_VEX, 1, i, 2, 0));
        CHECK(S("pext r10, %s, r9", r64[i]), x86_simd_vex(e, SIMD_MAP_0F38 | SIMD_PP_F3 | 0xf5 | SIMD_W | SIMD_VEX, R10, i, R9, 0));
        CHECK(S("cvttsd2si %s, xmm1", r64[i]), x86_simd_rr(e, 0x2c | SIMD_PP_F2 | SIMD_W, i, 1, 0));
    }
    CHECK("vzeroupper", x86_vzeroupper(e));
}

static void test_jumps(void)
{
    Emit em = fresh(), *e = &em;
    for (int cc = 0; cc < 16; cc++) {
        em = fresh();
        uint8_t *pos = x86_jcc(e, cc);
        x86_patch(e, pos, code + 0x20);
        g_autofree char *t = read_back(e);
        g_assert_cmpstr(t, ==, S("j%s 0x%" PRIxPTR, cc_name[cc], (uintptr_t)code + 0x20));
        CHECK(S("j%s 0x%" PRIxPTR, cc_name[cc], (uintptr_t)code), x86_jcc_to(e, cc, code));
        CHECK(S("j%s 0x%" PRIxPTR, cc_name[cc], (uintptr_t)code - 0x1000), x86_jcc_to(e, cc, code - 0x1000));
    }
    CHECK(S("jmp 0x%" PRIxPTR, (uintptr_t)code - 0x1000), x86_jmp_to(e, code - 0x1000));
    CHECK(S("jmp 0x%" PRIxPTR, (uintptr_t)code), x86_jmp_to(e, code));
    CHECK(S("jmp 0x%" PRIxPTR, (uintptr_t)code + 0x100), x86_jmp_rx(e, code + 0x100));
    CHECK(S("call 0x%" PRIxPTR, (uintptr_t)code + 0x100), x86_call_rx(e, code + 0x100));
    em = fresh();
    uint8_t *pos = x86_jmp(e);
    x86_patch_here(e, pos);
    g_autofree char *t = read_back(e);
    g_assert_cmpstr(t, ==, S("jmp 0x%" PRIxPTR, (uintptr_t)code + 5));
}

static void test_alignment(void)
{
    for (unsigned lead = 0; lead < 32; lead++) {
        for (unsigned off = 0; off < 2; off++) {
            Emit em = fresh();
            em.p += lead;
            em.start = em.p;
            x86_align_nop(&em, 16, off);
            g_assert_cmpint(((uintptr_t)em.p + off) % 16, ==, 0);
            g_assert_cmpint(em.p - em.start, <, 16);
            cs_insn *insn;
            size_t n = cs_disasm(cs, em.start, em.p - em.start, 0, 0, &insn);
            for (size_t i = 0; i < n; i++)
                g_assert_cmpint(insn[i].id, ==, X86_INS_NOP);
            if (n)
                cs_free(insn, n);
        }
    }
}

static void test_full(void)
{
    uint8_t small[80];
    memset(small, 0xcc, sizeof small);
    Emit em = { .p = small, .start = small, .end = small + 64 };
    for (unsigned i = 0; i < 1000; i++)
        x86_mov_ri(&em, RAX, 0x123456789abcdef0);
    g_assert_true(em.full);
    for (unsigned i = 64; i < sizeof small; i++)
        g_assert_cmpint(small[i], ==, 0xcc);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(cs_open(CS_ARCH_X86, CS_MODE_64, &cs), ==, CS_ERR_OK);
    g_test_add_func("/tcg/emit/registers", test_registers);
    g_test_add_func("/tcg/emit/addresses", test_addresses);
    g_test_add_func("/tcg/emit/memory", test_memory);
    g_test_add_func("/tcg/emit/rip", test_rip);
    g_test_add_func("/tcg/emit/vectors", test_vectors);
    g_test_add_func("/tcg/emit/jumps", test_jumps);
    g_test_add_func("/tcg/emit/alignment", test_alignment);
    g_test_add_func("/tcg/emit/full-buffer-stays-inside", test_full);
    int r = g_test_run();
    cs_close(&cs);
    return r;
}
