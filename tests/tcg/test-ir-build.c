/* test-ir-build.c - emission: canonical forms, constants, text form, limits. */
#include "tests/lib/ir-guest.h"

static TcgContext *s;
static const Tv RAX = { 0 }, RCX = { 1 }, RDX = { 2 };

static void expect(const char *text)
{
    g_autoptr(GString) out = g_string_new(NULL);

    tcg_dump_ops(s, out);
    g_assert_cmpstr(out->str, ==, text);
    tcg_begin(s);
}

static void test_canonical(void)
{
    tcg_begin(s);
    tcg_gen_addi(s, TCG_I64, RAX, RAX, 0);
    tcg_gen_mov(s, TCG_I64, RAX, RAX);
    expect("");
    tcg_gen_addi(s, TCG_I32, RAX, RAX, 0);
    expect(" mov_i32 rax,rax\n"); /* cuts the upper half off: not nothing */
    tcg_gen_add(s, TCG_I64, RAX, tcg_const(s, 5), RCX);
    tcg_gen_subi(s, TCG_I64, RAX, RCX, 1);
    tcg_gen_andi(s, TCG_I32, RAX, RCX, 0xffffffff);
    tcg_gen_andi(s, TCG_I64, RAX, RCX, 0);
    tcg_gen_ori(s, TCG_I64, RAX, RCX, -1);
    tcg_gen_xori(s, TCG_I32, RAX, RCX, -1);
    tcg_gen_xor(s, TCG_I64, RAX, RCX, RCX);
    tcg_gen_shli(s, TCG_I64, RAX, RCX, 0);
    tcg_gen_muli(s, TCG_I64, RAX, RCX, 1);
    expect(" add_i64 rax,rcx,$0x5\n add_i64 rax,rcx,$0xffffffffffffffff\n mov_i32 rax,rcx\n mov_i64 rax,$0x0\n"
           " mov_i64 rax,$0xffffffffffffffff\n not_i32 rax,rcx\n mov_i64 rax,$0x0\n mov_i64 rax,rcx\n mov_i64 rax,rcx\n");
    tcg_gen_extract(s, TCG_I64, RAX, RCX, 0, 32);
    tcg_gen_extract(s, TCG_I64, RAX, RCX, 48, 16);
    tcg_gen_sextract(s, TCG_I32, RAX, RCX, 0, 8);
    tcg_gen_extract(s, TCG_I64, RAX, RCX, 8, 8);
    tcg_gen_deposit(s, TCG_I32, RAX, RCX, RDX, 0, 32);
    tcg_gen_deposit(s, TCG_I64, RAX, RCX, RDX, 0, 32);
    expect(" mov_i32 rax,rcx\n shr_i64 rax,rcx,$0x30\n ext8s_i32 rax,rcx\n extract_i64 rax,rcx,$0x8,$0x8\n"
           " mov_i32 rax,rdx\n deposit_i64 rax,rcx,rdx,$0x0,$0x20\n");
    TcgLabel l = tcg_label(s);
    tcg_gen_setcond(s, TCG_I64, TCG_COND_LT, RAX, tcg_const(s, 3), RCX);
    tcg_gen_brcond(s, TCG_I32, TCG_COND_GEU, tcg_const(s, 3), RCX, l);
    tcg_gen_label(s, l);
    expect(" setcond_i64 rax,rcx,$0x3,gt\n brcond_i32 rcx,$0x3,leu,$L0\n set_label $L0\n");
}

static void test_text(void)
{
    tcg_begin(s);
    Tv t = tcg_temp(s), l = tcg_temp_local(s);
    tcg_gen_insn_start(s, 0x7c00, 0x12);
    tcg_gen_guest_ld(s, t, RAX, 8, memopidx(MO_32 | MO_SIGN, 1));
    tcg_gen_guest_st(s, t, RAX, -1, memopidx(MO_64, 0));
    tcg_gen_guest_rmw(s, l, RAX, 0, t, memopidx(MO_8, 2), RMW_XOR | RMW_LOCK);
    tcg_gen_guest_cmpxchg(s, l, RAX, 0, t, RCX, memopidx(MO_16, 2), RMW_LOCK);
    tcg_gen_st(s, t, tcg_env(s), 0x20, 4);
    tcg_gen_call(s, &ir_helper_pure, t.i, 2, (int)RAX.i, (int)l.i);
    tcg_gen_call(s, &ir_helper_write, TCG_NO_TEMP, 2, (int)tcg_env(s).i, (int)l.i);
    tcg_gen_poll_exit(s, 0x7c00);
    tcg_gen_goto_ptr(s, t);
    tcg_gen_goto_tb(s, 0, 0x7c02);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    expect("\n ---- 00007c00 00000012\n guest_ld_i64 tmp0,rax,$0x8,slel,1\n guest_st_i64 tmp0,rax,$0xffffffffffffffff,leq,0\n"
           " guest_rmw_i64 loc1,rax,tmp0,$0x0,b,2,xor+lock\n guest_cmpxchg_i64 loc1,rax,tmp0,rcx,$0x0,lew,2,+lock\n"
           " st32_i64 tmp0,env,$0x20\n call test_pure,$0x10,$1,tmp0,rax,loc1\n call test_write,$0x3,$0,env,loc1\n"
           " poll_exit $0x7c00\n goto_ptr tmp0\n goto_tb $0x0,$0x7c02\n exit_tb $0x2\n");
}

static void test_constants_are_shared(void)
{
    tcg_begin(s);
    unsigned base = s->nb_temps;
    for (unsigned round = 0; round < 3; round++) {
        for (uint64_t v = 0; v < 500; v++)
            g_assert_cmpuint(s->temps[tcg_const(s, v * 0x100000001ULL).i].value, ==, v * 0x100000001ULL);
    }
    g_assert_cmpuint(s->nb_temps, ==, base + 500);
    tcg_begin(s); /* and forgotten with the TB */
    g_assert_cmpuint(tcg_const(s, 7).i, ==, base);
    g_assert_cmpuint(tcg_const(s, 7).i, ==, base);
}

static void test_overflow(void)
{
    tcg_begin(s);
    for (unsigned i = 0; i < 3 * TCG_MAX_TEMPS; i++) {
        Tv t = tcg_temp(s);
        tcg_gen_addi(s, TCG_I64, t, t, 1000 + i);
        g_assert_cmpuint(s->nb_temps, <=, TCG_MAX_TEMPS);
        g_assert_cmpuint(s->nb_ops, <=, TCG_MAX_OPS);
    }
    g_assert_true(s->overflow);
    tcg_begin(s);
    g_assert_false(s->overflow);
    for (unsigned i = 0; i < 2 * TCG_MAX_OPS; i++)
        tcg_gen_mov(s, TCG_I64, RAX, RCX);
    g_assert_true(s->overflow);
    g_assert_cmpuint(s->nb_ops, <=, TCG_MAX_OPS);
    tcg_begin(s);
    for (unsigned i = 0; i <= TCG_MAX_LABELS; i++) {
        g_assert_false(s->overflow);
        g_assert_cmpint(tcg_label(s).i, <, TCG_MAX_LABELS);
    }
    g_assert_true(s->overflow);
    tcg_begin(s);
}

static void test_cond(void)
{
    static const uint64_t v[] = { 0, 1, 5, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 1ULL << 63, ~0ULL };

    for (TcgCond c = 0; c <= TCG_COND_TSTNE; c++) {
        for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
            for (unsigned k = 0; k < ARRAY_SIZE(v); k++) {
                for (TcgType t = TCG_I32; t <= TCG_I64; t++) {
                    bool r = tcg_fold_cond(c, t, v[i], v[k]);
                    g_assert_true(r == tcg_fold_cond(tcg_cond_swap(c), t, v[k], v[i]));
                    g_assert_true(r != tcg_fold_cond(tcg_cond_invert(c), t, v[i], v[k]));
                }
            }
        }
    }
    g_assert_true(tcg_fold_cond(TCG_COND_LT, TCG_I32, 0x80000000, 1));
    g_assert_false(tcg_fold_cond(TCG_COND_LT, TCG_I64, 0x80000000, 1));
    g_assert_true(tcg_fold_cond(TCG_COND_EQ, TCG_I32, 0x100000000, 0));
    g_assert_true(tcg_fold_cond(TCG_COND_GTU, TCG_I32, 0x80000000, 0x7fffffff));
}

/* docs/tcg-ir.md carries the table; set UPDATE_DOCS=1 to write it anew (run from the top folder). */
static void test_table(void)
{
    g_autoptr(GString) table = g_string_new("");
    g_autofree char *doc = NULL;
    const char *begin = "<!-- ops: begin -->\n", *end = "<!-- ops: end -->";

    tcg_dump_opc_table(table);
    g_assert_nonnull(strstr(table->str, "| `add` | 1 | 2 | 0 | COMMUTES | d = a + b |"));
    if (!g_file_get_contents("docs/tcg-ir.md", &doc, NULL, NULL)) {
        g_test_skip("not run from the top folder");
        return;
    }
    char *from = strstr(doc, begin), *to = strstr(doc, end);
    g_assert_true(from && to && from < to);
    from += strlen(begin);
    if (g_getenv("UPDATE_DOCS")) {
        g_autofree char *text = g_strdup_printf("%.*s%s%s", (int)(from - doc), doc, table->str, to);
        g_assert_true(g_file_set_contents("docs/tcg-ir.md", text, -1, NULL));
        return;
    }
    g_autofree char *in_doc = g_strndup(from, to - from);
    g_assert_cmpstr(in_doc, ==, table->str);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    s = tcg_context_new(&ir_guest, NULL);
    g_test_add_func("/tcg/ir-build/canonical", test_canonical);
    g_test_add_func("/tcg/ir-build/text", test_text);
    g_test_add_func("/tcg/ir-build/constants", test_constants_are_shared);
    g_test_add_func("/tcg/ir-build/overflow", test_overflow);
    g_test_add_func("/tcg/ir-build/conditions", test_cond);
    g_test_add_func("/tcg/ir-build/table", test_table);
    int status = g_test_run();
    tcg_context_free(s);
    return status;
}
