/* test-verify.c - the verifier must refuse each kind of malformed IR, and say why. */
#include "tests/lib/ir-guest.h"

static TcgContext *s;
static const Tv RAX = { 0 }, RCX = { 1 };

static void expect(const char *reason)
{
    g_autoptr(GString) why = g_string_new(NULL);
    bool ok = tcg_verify(s, why);

    if (!reason) {
        if (!ok)
            g_error("refused: %s", why->str);
    } else {
        g_assert_false(ok);
        if (!strstr(why->str, reason))
            g_error("wanted \"%s\", got \"%s\"", reason, why->str);
    }
    tcg_begin(s);
}

static void leave(void) { tcg_gen_exit_tb(s, TB_EXIT_LOOKUP); }

static void test_good(void)
{
    TcgLabel l = tcg_label(s);
    Tv t = tcg_temp(s), n = tcg_temp_local(s);

    tcg_gen_mov(s, TCG_I64, t, RAX);
    tcg_gen_mov(s, TCG_I64, n, t);
    tcg_gen_brcondi(s, TCG_I64, TCG_COND_NE, t, 0, l);
    tcg_gen_call(s, &ir_helper_read, n.i, 1, (int)tcg_env(s).i);
    tcg_gen_label(s, l);
    tcg_gen_mov(s, TCG_I64, RCX, n);
    leave();
    expect(NULL);
}

static void test_temps(void)
{
    Tv t = tcg_temp(s);
    tcg_gen_mov(s, TCG_I64, RAX, t);
    leave();
    expect("before it is written in this block");

    t = tcg_temp(s);
    TcgLabel l = tcg_label(s);
    tcg_gen_mov(s, TCG_I64, t, RAX);
    tcg_gen_label(s, l);
    tcg_gen_mov(s, TCG_I64, RAX, t);
    leave();
    expect("before it is written in this block");

    t = tcg_temp(s);
    tcg_gen_mov(s, TCG_I64, t, RAX);
    tcg_gen_discard(s, t);
    tcg_gen_mov(s, TCG_I64, RCX, t);
    leave();
    expect("before it is written");

    tcg_gen_mov(s, TCG_I64, RAX, tcg_temp_local(s));
    leave();
    expect("local temp read before");

    tcg_gen_mov(s, TCG_I64, tcg_const(s, 1), RAX);
    leave();
    expect("writes a constant");

    tcg_gen_mov(s, TCG_I64, RAX, (Tv){ 2000 });
    leave();
    expect("no such temp");

    tcg_gen_mulu2(s, TCG_I64, RAX, RAX, RCX, RCX);
    leave();
    expect("both results");
}

static void test_kinds(void)
{
    tcg_gen_mov(s, TCG_I64, RAX, tcg_global(IRG_VEC0));
    leave();
    expect("vector temp");

    tcg_gen_movv(s, TCG_V128, tcg_globalv(IRG_VEC0), tcg_globalv(3));
    leave();
    expect("general temp");

    tcg_gen_movv(s, TCG_V256, tcg_globalv(IRG_VEC0), tcg_globalv(IRG_VEC0 + 1));
    leave();
    expect("128-bit temp");

    tcg_gen_movv(s, TCG_I64, tcg_globalv(IRG_VEC0), tcg_globalv(IRG_VEC0 + 1));
    leave();
    expect("type");

    tcg_gen_simd(s, TCG_V128, IRG_VEC0, IRG_VEC0 + 1, IRG_VEC0, TCG_NO_TEMP, SIMD_PP_66 | 0xef | SIMD_DST_READ, 0);
    leave();
    expect("must be one temp");

    /* pmovmskb gives a general result */
    tcg_gen_simd(s, TCG_V128, IRG_VEC0, IRG_VEC0, IRG_VEC0, TCG_NO_TEMP, SIMD_PP_66 | 0xd7 | SIMD_DST_GPR, 0);
    leave();
    expect("vector temp");
}

static void test_constants(void)
{
    tcg_emit(s, TCG_OP_extract, TCG_I32, 4, (uint64_t)RAX.i, (uint64_t)RCX.i, (uint64_t)20, (uint64_t)20);
    leave();
    expect("field");
    tcg_gen_setcond(s, TCG_I64, 12, RAX, RCX, RCX);
    leave();
    expect("no condition");
    tcg_gen_guest_ld(s, RAX, RCX, 0, memopidx(MO_128, 0));
    leave();
    expect("access size");
    tcg_gen_guest_ld(s, RAX, RCX, 0, memopidx(MO_8, TCG_MMU_MODES));
    leave();
    expect("no MMU mode");
    tcg_gen_goto_tb(s, 2, 0);
    expect("chaining slot");
    tcg_gen_call(s, &ir_helper_pure, RAX.i, 1, (int)RAX.i);
    leave();
    expect("wants 2 arguments");
    tcg_emit(s, TCG_OP_COUNT, TCG_I64, 0);
    expect("opcode");
}

static void test_control(void)
{
    tcg_gen_mov(s, TCG_I64, RAX, RCX);
    expect("runs off the end");
    expect("runs off the end");

    TcgLabel l = tcg_label(s);
    tcg_gen_br(s, l);
    expect("never placed");

    l = tcg_label(s);
    tcg_gen_label(s, l);
    tcg_gen_label(s, l);
    leave();
    expect("placed twice");

    tcg_gen_br(s, (TcgLabel){ 5 });
    expect("no label 5");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    s = tcg_context_new(&ir_guest, NULL);
    g_test_add_func("/tcg/verify/good", test_good);
    g_test_add_func("/tcg/verify/temps", test_temps);
    g_test_add_func("/tcg/verify/kinds", test_kinds);
    g_test_add_func("/tcg/verify/constants", test_constants);
    g_test_add_func("/tcg/verify/control", test_control);
    int status = g_test_run();
    tcg_context_free(s);
    return status;
}
