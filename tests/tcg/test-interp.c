/* test-interp.c - the interpreter, op by op, against values written down by hand (it shares fold.c with the
 * optimiser, so this is where those values are pinned). */
#include "tests/lib/ir-guest.h"
#include "host/base/bitops.h"

static TcgContext *s;
static IrGuestEnv *e;
static const Tv RAX = { 0 }, RCX = { 1 }, RDX = { 2 }, RBX = { 3 };

static uint64_t run(void)
{
    g_autoptr(GString) why = g_string_new(NULL);

    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    if (!tcg_verify(s, why))
        g_error("%s", why->str);
    uint64_t r = tcg_interpret(s, e);
    tcg_begin(s);
    return r;
}

static void test_pure(void)
{
#define W TCG_I64
#define N TCG_I32
    static const struct {
        TcgOpcode opc;
        TcgType type;
        uint64_t a, b, c, c0, c1, result;
    } rows[] = {
        { TCG_OP_mov, N, 0x1ffffffff, 0, 0, 0, 0, 0xffffffff },
        { TCG_OP_add, N, 0xffffffff, 2, 0, 0, 0, 1 },
        { TCG_OP_add, W, 0xffffffff, 2, 0, 0, 0, 0x100000001 },
        { TCG_OP_sub, N, 1, 2, 0, 0, 0, 0xffffffff },
        { TCG_OP_and, W, 0xff00ff, 0xffff, 0, 0, 0, 0xff },
        { TCG_OP_or, W, 0xf0, 0x0f, 0, 0, 0, 0xff },
        { TCG_OP_xor, W, 0xff, 0x0f, 0, 0, 0, 0xf0 },
        { TCG_OP_andc, W, 0xff, 0x0f, 0, 0, 0, 0xf0 },
        { TCG_OP_neg, N, 1, 0, 0, 0, 0, 0xffffffff },
        { TCG_OP_not, N, 0, 0, 0, 0, 0, 0xffffffff },
        { TCG_OP_mul, N, 0x10001, 0x10001, 0, 0, 0, 0x20001 },
        { TCG_OP_shl, N, 0xc0000001, 1, 0, 0, 0, 0x80000002 },
        { TCG_OP_shr, N, 0x1c0000000, 30, 0, 0, 0, 3 },
        { TCG_OP_sar, N, 0x80000000, 4, 0, 0, 0, 0xf8000000 },
        { TCG_OP_sar, W, 0x8000000000000000, 63, 0, 0, 0, ~0ULL },
        { TCG_OP_rotl, N, 0x80000001, 1, 0, 0, 0, 3 },
        { TCG_OP_rotr, N, 1, 1, 0, 0, 0, 0x80000000 },
        { TCG_OP_rotl, W, 0x8000000000000001, 0, 0, 0, 0, 0x8000000000000001 },
        { TCG_OP_shld, N, 0x12345678, 0x9abcdef0, 8, 0, 0, 0x3456789a },
        { TCG_OP_shrd, N, 0x12345678, 0x9abcdef0, 8, 0, 0, 0xf0123456 },
        { TCG_OP_shld, W, 7, ~0ULL, 0, 0, 0, 7 },
        { TCG_OP_clz, N, 1, 99, 0, 0, 0, 31 },
        { TCG_OP_clz, W, 0, 64, 0, 0, 0, 64 },
        { TCG_OP_ctz, N, 0x100000000, 32, 0, 0, 0, 32 },
        { TCG_OP_ctz, W, 0x100000000, 64, 0, 0, 0, 32 },
        { TCG_OP_popcnt, N, 0xf0000000f, 0, 0, 0, 0, 4 },
        { TCG_OP_ext8s, N, 0x80, 0, 0, 0, 0, 0xffffff80 },
        { TCG_OP_ext8s, W, 0x80, 0, 0, 0, 0, 0xffffffffffffff80 },
        { TCG_OP_ext16s, N, 0x8000, 0, 0, 0, 0, 0xffff8000 },
        { TCG_OP_ext8u, W, 0x1ff, 0, 0, 0, 0, 0xff },
        { TCG_OP_ext16u, W, 0x1ffff, 0, 0, 0, 0, 0xffff },
        { TCG_OP_ext32s, W, 0x80000000, 0, 0, 0, 0, 0xffffffff80000000 },
        { TCG_OP_ext32u, W, ~0ULL, 0, 0, 0, 0, 0xffffffff },
        { TCG_OP_extract, W, 0x123456789abcdef0, 0, 0, 8, 12, 0xcde },
        { TCG_OP_sextract, N, 0x800, 0, 0, 4, 8, 0xffffff80 },
        { TCG_OP_deposit, W, ~0ULL, 0x12, 0, 8, 8, 0xffffffffffff12ff },
        { TCG_OP_bswap16, W, 0x11223344, 0, 0, 0, 0, 0x4433 },
        { TCG_OP_bswap, N, 0x11223344, 0, 0, 0, 0, 0x44332211 },
        { TCG_OP_bswap, W, 0x1122334455667788, 0, 0, 0, 0, 0x8877665544332211 },
        { TCG_OP_setcond, N, 0x100000001, 1, 0, TCG_COND_EQ, 0, 1 },
        { TCG_OP_setcond, W, ~0ULL, 1, 0, TCG_COND_LT, 0, 1 },
        { TCG_OP_setcond, W, ~0ULL, 1, 0, TCG_COND_LTU, 0, 0 },
        { TCG_OP_setcond, N, 0x80000000, 0x80000000, 0, TCG_COND_TSTNE, 0, 1 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const TcgOpInfo *info = &tcg_op_info[rows[i].opc];
        uint64_t a[8] = { RAX.i, RCX.i, RDX.i, RBX.i };
        a[1 + info->ins] = rows[i].c0;
        a[2 + info->ins] = rows[i].c1;
        e->head.gpr[0] = 0xdeadbeefdeadbeef;
        e->head.gpr[1] = rows[i].a;
        e->head.gpr[2] = rows[i].b;
        e->head.gpr[3] = rows[i].c;
        tcg_emit(s, rows[i].opc, rows[i].type, 8, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
        run();
        if (e->head.gpr[0] != rows[i].result)
            g_error("row %u, %s: %" PRIx64, i, info->name, e->head.gpr[0]);
    }
}

static void test_wide(void)
{
    e->head.gpr[0] = ~0ULL;
    tcg_gen_mulu2(s, TCG_I64, RCX, RDX, RAX, RAX);
    run();
    g_assert_cmphex(e->head.gpr[1], ==, 1);
    g_assert_cmphex(e->head.gpr[2], ==, ~1ULL);
    tcg_gen_muls2(s, TCG_I64, RCX, RDX, RAX, RAX);
    run();
    g_assert_cmphex(e->head.gpr[1], ==, 1);
    g_assert_cmphex(e->head.gpr[2], ==, 0);
    tcg_gen_muls2(s, TCG_I32, RCX, RDX, RAX, tcg_const(s, 2));
    run();
    g_assert_cmphex(e->head.gpr[1], ==, 0xfffffffe);
    g_assert_cmphex(e->head.gpr[2], ==, 0xffffffff);
    e->head.gpr[0] = ~0ULL;
    tcg_gen_addc(s, TCG_I64, RCX, RDX, RAX, tcg_const(s, 0), tcg_const(s, 1));
    run();
    g_assert_cmphex(e->head.gpr[1], ==, 0);
    g_assert_cmphex(e->head.gpr[2], ==, 1);
    tcg_gen_addc(s, TCG_I32, RCX, RDX, RAX, RAX, tcg_const(s, 0));
    run();
    g_assert_cmphex(e->head.gpr[1], ==, 0xfffffffe);
    g_assert_cmphex(e->head.gpr[2], ==, 1);
    tcg_gen_subb(s, TCG_I32, RCX, RDX, tcg_const(s, 5), tcg_const(s, 5), tcg_const(s, 1));
    run();
    g_assert_cmphex(e->head.gpr[1], ==, 0xffffffff);
    g_assert_cmphex(e->head.gpr[2], ==, 1);
    tcg_gen_subb(s, TCG_I64, RCX, RDX, RAX, RAX, tcg_const(s, 0));
    run();
    g_assert_cmphex(e->head.gpr[1], ==, 0);
    g_assert_cmphex(e->head.gpr[2], ==, 0);
    tcg_gen_divu2(s, TCG_I32, RCX, RDX, tcg_const(s, 7), tcg_const(s, 1), tcg_const(s, 16));
    run();
    g_assert_cmphex(e->head.gpr[1], ==, 0x10000000);
    g_assert_cmphex(e->head.gpr[2], ==, 7);
    tcg_gen_divs2(s, TCG_I64, RCX, RDX, tcg_const(s, -7), tcg_const(s, -1), tcg_const(s, 2));
    run();
    g_assert_cmphex(e->head.gpr[1], ==, (uint64_t)-3);
    g_assert_cmphex(e->head.gpr[2], ==, (uint64_t)-1);
}

static void test_memory(void)
{
    int32_t off = offsetof(IrGuestEnv, scratch);

    stl64(e->scratch, 0x8899aabbccddeeff);
    tcg_gen_ld(s, RAX, tcg_env(s), off, 1, true);
    tcg_gen_ld(s, RCX, tcg_env(s), off, 4, false);
    tcg_gen_ld(s, RDX, tcg_env(s), off, 4, true);
    tcg_gen_st(s, RDX, tcg_env(s), off + 8, 2);
    run();
    g_assert_cmphex(e->head.gpr[0], ==, ~0ULL);
    g_assert_cmphex(e->head.gpr[1], ==, 0xccddeeff);
    g_assert_cmphex(e->head.gpr[2], ==, 0xffffffffccddeeff);
    g_assert_cmphex(ldl16(e->scratch + 8), ==, 0xeeff);

    Tv a = tcg_const(s, IRG_MEM_BASE + 0x100);
    stl64(e->mem + 0x108, 0x8081828384858687);
    tcg_gen_guest_ld(s, RAX, a, 8, memopidx(MO_16 | MO_SIGN | MO_SIGN32, 0));
    tcg_gen_guest_st(s, tcg_const(s, 0x1234), a, 0, memopidx(MO_16, 0));
    tcg_gen_guest_rmw(s, RCX, a, 0, tcg_const(s, 1), memopidx(MO_16, 0), RMW_ADD);
    tcg_gen_guest_cmpxchg(s, RDX, a, 0, tcg_const(s, 0x1235), tcg_const(s, 0x42), memopidx(MO_16, 0), 0);
    tcg_gen_guest_cmpxchg(s, RBX, a, 0, tcg_const(s, 0x1235), tcg_const(s, 0x43), memopidx(MO_16, 0), 0);
    run();
    g_assert_cmphex(e->head.gpr[0], ==, 0xffff8687);
    g_assert_cmphex(e->head.gpr[1], ==, 0x1234);
    g_assert_cmphex(e->head.gpr[2], ==, 0x1235);
    g_assert_cmphex(e->head.gpr[3], ==, 0x42);
    g_assert_cmphex(ldl16(e->mem + 0x100), ==, 0x42);
}

/* VEX forms: three operands, register in imm8[7:4], old destination as a third source, general registers. */
static void test_vex(void)
{
    if (!tcg_host_has_simd("avx2") || !tcg_host_has_simd("bmi2")) {
        g_test_skip("no AVX2 here");
        return;
    }
    const int64_t at = offsetof(IrGuestEnv, scratch);
    Vv a = tcg_tempv(s, TCG_V256), b = tcg_tempv(s, TCG_V256), d = tcg_tempv(s, TCG_V256);
    for (unsigned i = 0; i < 32; i++) {
        e->scratch[i] = i;
        e->scratch[32 + i] = i & 1 ? 0x80 : 3;
    }
    e->head.gpr[0] = 0x1234567890abcdef;
    e->head.gpr[1] = 0xff00ff00ff00ff00;
    tcg_gen_ldv(s, TCG_V256, a, tcg_env(s), at, 32);
    tcg_gen_ldv(s, TCG_V256, b, tcg_env(s), at + 32, 32);
    tcg_gen_simd(s, TCG_V256, d.i, a.i, b.i, TCG_NO_TEMP, SIMD_VEX | SIMD_VVVV | SIMD_L256 | SIMD_PP_66 | 0xfc, 0); /* vpaddb ymm */
    tcg_gen_stv(s, TCG_V256, d, tcg_env(s), at + 64, 32);
    tcg_gen_simd(s, TCG_V256, d.i, a.i, b.i, TCG_NO_TEMP, SIMD_VEX | SIMD_VVVV | SIMD_PP_66 | 0xfc, 0); /* xmm: zero above */
    tcg_gen_stv(s, TCG_V256, d, tcg_env(s), at + 96, 32);
    tcg_gen_simd(s, TCG_V256, d.i, a.i, d.i, b.i, /* vpblendvb: d where b's sign is set, else a */
                 SIMD_VEX | SIMD_VVVV | SIMD_IS4 | SIMD_IMM8 | SIMD_MAP_0F3A | SIMD_PP_66 | 0x4c, 0);
    tcg_gen_stv(s, TCG_V256, d, tcg_env(s), at + 128, 16);
    tcg_gen_simd(s, TCG_V128, RCX.i, RAX.i, RCX.i, TCG_NO_TEMP, /* pext rcx, rax, rcx */
                 SIMD_VEX | SIMD_VVVV | SIMD_VVVV_GPR | SIMD_DST_GPR | SIMD_SRC_GPR | SIMD_W | SIMD_MAP_0F38 | SIMD_PP_F3 | 0xf5, 0);
    run();
    for (unsigned i = 0; i < 32; i++) {
        uint8_t sum = i + (i & 1 ? 0x80 : 3);
        g_assert_cmphex(e->scratch[64 + i], ==, sum);
        g_assert_cmphex(e->scratch[96 + i], ==, i < 16 ? sum : 0);
        if (i < 16)
            g_assert_cmphex(e->scratch[128 + i], ==, i & 1 ? sum : i);
    }
    g_assert_cmphex(e->head.gpr[1], ==, 0x125690cd);
}

static void test_vectors(void)
{
    Vv v0 = tcg_globalv(IRG_VEC0), v1 = tcg_globalv(IRG_VEC0 + 1), t = tcg_tempv(s, TCG_V128);

    for (unsigned i = 0; i < 16; i++) {
        e->vec[0][i] = i;
        e->vec[1][i] = 0x80 + i;
    }
    tcg_gen_movv(s, TCG_V128, t, v0);
    tcg_gen_simd(s, TCG_V128, t.i, t.i, v1.i, TCG_NO_TEMP, SIMD_PP_66 | 0xfc | SIMD_DST_READ, 0); /* paddb */
    tcg_gen_stv(s, TCG_V128, t, tcg_env(s), offsetof(IrGuestEnv, scratch), 16);
    tcg_gen_simd(s, TCG_V128, RAX.i, t.i, t.i, TCG_NO_TEMP, SIMD_PP_66 | 0xd7 | SIMD_DST_GPR, 0); /* pmovmskb */
    tcg_gen_simd(s, TCG_V128, v0.i, v0.i, v0.i, TCG_NO_TEMP,
                 SIMD_PP_66 | 0x73 | SIMD_GROUP | SIMD_DST_READ | SIMD_IMM8 | 3u << SIMD_EXT_SHIFT, 4); /* psrldq */
    tcg_gen_simd(s, TCG_V128, RCX.i, v1.i, v1.i, TCG_NO_TEMP,
                 SIMD_PP_66 | 0x7e | SIMD_W | SIMD_RM_DST | SIMD_DST_GPR, 0); /* movq r, xmm */
    tcg_gen_ldv(s, TCG_V128, v1, tcg_env(s), offsetof(IrGuestEnv, scratch), 4);
    run();
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmphex(e->scratch[i], ==, 0x80 + 2 * i);
        g_assert_cmphex(e->vec[0][i], ==, i < 12 ? i + 4 : 0);
    }
    g_assert_cmphex(e->head.gpr[0], ==, 0xffff);
    g_assert_cmphex(e->head.gpr[1], ==, 0x8786858483828180);
    g_assert_cmphex(ldl64(e->vec[1]), ==, 0x86848280);
    g_assert_cmphex(ldl64(e->vec[1] + 8), ==, 0);

    /* 1/0 under the guest's MXCSR: masked there, and the sticky flag stays there */
    double one = 1, zero = 0;
    memcpy(e->vec[0], &one, 8);
    memcpy(e->vec[1], &zero, 8);
    e->head.mxcsr_run = 0x1f80;
    tcg_gen_simd(s, TCG_V128, v0.i, v0.i, v1.i, TCG_NO_TEMP, SIMD_PP_F2 | 0x5e | SIMD_DST_READ, 0); /* divsd */
    tcg_gen_simd_flags(s, RAX, v0, v1, SIMD_PP_66 | 0x2e); /* ucomisd inf, 0: nothing set */
    tcg_gen_simd_flags(s, RCX, v1, v0, SIMD_PP_66 | 0x2e); /* below: CF */
    run();
    g_assert_cmphex(e->head.mxcsr_run, ==, 0x1f84);
    g_assert_cmphex(ldl64(e->vec[0]), ==, 0x7ff0000000000000);
    g_assert_cmphex(e->head.gpr[0], ==, 0);
    g_assert_cmphex(e->head.gpr[1], ==, 1);
}

static void test_calls(void)
{
    e->head.gpr[0] = 5;
    tcg_gen_call(s, &ir_helper_pure, RAX.i, 2, (int)RAX.i, (int)tcg_const(s, 0x5555).i);
    run();
    g_assert_cmphex(e->head.gpr[0], ==, 15);
    tcg_gen_call(s, &ir_helper_write, TCG_NO_TEMP, 2, (int)tcg_env(s).i, (int)tcg_const(s, 0xf0).i);
    run();
    g_assert_cmphex(e->head.gpr[0], ==, 0xff);
}

static void test_exits(void)
{
    s->tb_cookie = 0x12340;
    g_assert_cmphex(run(), ==, 0x12342);

    tcg_gen_goto_tb(s, 1, 0x7c10);
    g_assert_cmphex(run(), ==, 0x12341);
    g_assert_cmphex(e->head.eip, ==, 0x7c10);

    s->cs_base = 0x100;
    tcg_gen_goto_ptr(s, tcg_const(s, 0x50));
    g_assert_cmphex(run(), ==, 0x12342);
    g_assert_cmphex(e->head.eip, ==, (uint64_t)-0xb0);
    s->eip_is_32 = true;
    tcg_gen_goto_ptr(s, tcg_const(s, 0x50));
    run();
    g_assert_cmphex(e->head.eip, ==, 0xffffff50);
    s->eip_is_32 = false;
    s->cs_base = 0;

    tcg_gen_poll_exit(s, 0x7c20);
    tcg_gen_movi(s, RAX, 1);
    e->head.gpr[0] = 0;
    e->head.exit_request = 1;
    g_assert_cmphex(run(), ==, 0x12343);
    g_assert_cmphex(e->head.eip, ==, 0x7c20);
    g_assert_cmphex(e->head.gpr[0], ==, 0);
    e->head.exit_request = 0;
}

static void test_branches(void)
{
    TcgLabel top = tcg_label(s), out = tcg_label(s);
    Tv n = tcg_temp_local(s);

    tcg_gen_movi(s, n, 10);
    tcg_gen_movi(s, RAX, 0);
    tcg_gen_label(s, top);
    tcg_gen_brcondi(s, TCG_I64, TCG_COND_EQ, n, 3, out);
    tcg_gen_add(s, TCG_I64, RAX, RAX, n);
    tcg_gen_subi(s, TCG_I64, n, n, 1);
    tcg_gen_br(s, top);
    tcg_gen_label(s, out);
    run();
    g_assert_cmpuint(e->head.gpr[0], ==, 10 + 9 + 8 + 7 + 6 + 5 + 4);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    s = tcg_context_new(&ir_guest, NULL);
    e = ir_guest_env_new();
    g_test_add_func("/tcg/interp/pure", test_pure);
    g_test_add_func("/tcg/interp/wide", test_wide);
    g_test_add_func("/tcg/interp/memory", test_memory);
    g_test_add_func("/tcg/interp/vectors", test_vectors);
    g_test_add_func("/tcg/interp/vex", test_vex);
    g_test_add_func("/tcg/interp/calls", test_calls);
    g_test_add_func("/tcg/interp/exits", test_exits);
    g_test_add_func("/tcg/interp/branches", test_branches);
    int status = g_test_run();
    ir_guest_env_free(e);
    tcg_context_free(s);
    return status;
}
