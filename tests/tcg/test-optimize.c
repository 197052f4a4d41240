/* test-optimize.c - the optimiser: what each family of rules gives, and that optimised programs compute
 * what they did before (random operands, random programs; the interpreter is the judge). */
#include "tests/lib/ir-random.h"

static TcgContext *s;
static IrGuestEnv *before, *start, *after;

static const Tv RAX = { 0 }, RCX = { 1 }, RDX = { 2 }, RBX = { 3 };

static void begin(void)
{
    tcg_begin(s);
    s->tb_cookie = 0x1000;
    tcg_gen_insn_start(s, 0x7c00, 0);
}

/* The ops as one line of text, without insn_start and the exit. */
static char *text_of(void)
{
    GString *out = g_string_new(NULL);

    tcg_dump_ops(s, out);
    g_auto(GStrv) lines = g_strsplit(out->str, "\n", -1);
    g_string_truncate(out, 0);
    for (unsigned i = 0; lines[i]; i++) {
        if (!*lines[i] || strstr(lines[i], "----") || strstr(lines[i], "exit_tb"))
            continue;
        g_string_append_printf(out, "%s%s", out->len ? ";" : "", g_strstrip(lines[i]));
    }
    return g_string_free(out, FALSE);
}

static void assert_verified(const char *when)
{
    g_autoptr(GString) why = g_string_new(NULL);

    if (!tcg_verify(s, why)) {
        g_autoptr(GString) ops = g_string_new(NULL);
        tcg_dump_ops(s, ops);
        g_test_message("%s", ops->str);
        g_error("%s: %s", when, why->str);
    }
}

/* Interprets the program, optimises it, interprets again from the same state: nothing may differ. */
static void compare_runs(GRand *r, unsigned rounds)
{
    g_autofree TcgOp *ops = g_memdup2(s->ops, s->nb_ops * sizeof s->ops[0]);
    unsigned nb_ops = s->nb_ops, nb_opt;
    g_autofree TcgOp *opt = NULL;

    assert_verified("before");
    tcg_optimize(s);
    assert_verified("after");
    g_assert_cmpuint(s->nb_ops, <=, nb_ops);
    nb_opt = s->nb_ops;
    opt = g_memdup2(s->ops, MAX(nb_opt, 1) * sizeof s->ops[0]);
    for (unsigned i = 0; i < rounds; i++) {
        g_autoptr(GString) why = g_string_new(NULL);
        ir_guest_env_randomize(start, r);
        ir_guest_env_copy(before, start);
        ir_guest_env_copy(after, start);
        memcpy(s->ops, ops, nb_ops * sizeof *ops);
        s->nb_ops = nb_ops;
        uint64_t r1 = tcg_interpret(s, before);
        memcpy(s->ops, opt, nb_opt * sizeof *opt);
        s->nb_ops = nb_opt;
        uint64_t r2 = tcg_interpret(s, after);
        /* head.mxcsr and so on are not compared; host addresses cannot appear in results */
        if (r1 != r2 || !ir_guest_env_equal(before, after, why)) {
            g_autoptr(GString) text = g_string_new("before:\n");
            memcpy(s->ops, ops, nb_ops * sizeof *ops);
            s->nb_ops = nb_ops;
            tcg_dump_ops(s, text);
            g_string_append(text, "after:\n");
            memcpy(s->ops, opt, nb_opt * sizeof *opt);
            s->nb_ops = nb_opt;
            tcg_dump_ops(s, text);
            fprintf(stderr, "%s", text->str);
            g_error("results differ: %s (exit %" PRIx64 " and %" PRIx64 ")", why->str, r1, r2);
        }
    }
}

/* Ends the program, checks it against the interpreter and against the expected text. */
static void check(const char *expected)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(7);

    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    compare_runs(r, 40);
    g_autofree char *got = text_of();
    g_assert_cmpstr(got, ==, expected);
}

static Tv raw_const(uint64_t v) { return tcg_const(s, v); }

/* Emits without ir-build's own simplifications. */
#define RAW(opc, type, ...)                                                                                            \
    tcg_emit(s, TCG_OP_##opc, type, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8, RAW_ARGS(__VA_ARGS__))
#define RAW_ARGS(...) RAW_N(__VA_ARGS__, RAW6, RAW5, RAW4, RAW3, RAW2, RAW1)(__VA_ARGS__)
#define RAW_N(a, b, c, d, e, f, n, ...) n
#define U(x) ((uint64_t)(x))
#define RAW1(a) U(a)
#define RAW2(a, b) U(a), U(b)
#define RAW3(a, b, c) U(a), U(b), U(c)
#define RAW4(a, b, c, d) U(a), U(b), U(c), U(d)
#define RAW5(a, b, c, d, e) U(a), U(b), U(c), U(d), U(e)
#define RAW6(a, b, c, d, e, f) U(a), U(b), U(c), U(d), U(e), U(f)

static void test_constants(void)
{
    begin();
    RAW(add, TCG_I64, RAX.i, raw_const(5).i, raw_const(7).i);
    RAW(add, TCG_I32, RCX.i, raw_const(0xffffffff).i, raw_const(7).i);
    RAW(sar, TCG_I32, RDX.i, raw_const(0x80000000).i, raw_const(31).i);
    RAW(deposit, TCG_I64, RBX.i, raw_const(0x1122334455667788).i, raw_const(0xab).i, 8, 8);
    check("mov_i64 rax,$0xc;mov_i64 rcx,$0x6;mov_i64 rdx,$0xffffffff;mov_i64 rbx,$0x112233445566ab88");

    begin(); /* through temps and globals */
    Tv t = tcg_temp(s);
    tcg_gen_movi(s, t, 0x10);
    tcg_gen_mov(s, TCG_I64, RAX, t);
    tcg_gen_add(s, TCG_I64, RCX, RAX, t);
    tcg_gen_mul(s, TCG_I64, RDX, RCX, RBX);
    check("mov_i64 tmp0,$0x10;mov_i64 rax,$0x10;mov_i64 rcx,$0x20;shl_i64 rdx,rbx,$0x5");

    begin(); /* a count as large as the type stays as written */
    RAW(shl, TCG_I32, tcg_temp(s).i, raw_const(1).i, raw_const(32).i);
    check("shl_i32 tmp2,$0x1,$0x20");
}

static void test_copies(void)
{
    begin(); /* the use goes to the register, the last move is dropped as redundant */
    Tv t = tcg_temp(s);
    tcg_gen_mov(s, TCG_I64, t, RAX);
    tcg_gen_add(s, TCG_I64, RCX, t, RDX);
    tcg_gen_mov(s, TCG_I64, RAX, t);
    check("mov_i64 tmp0,rax;add_i64 rcx,rax,rdx");

    begin(); /* the register is overwritten: the copy must be read */
    t = tcg_temp(s);
    tcg_gen_mov(s, TCG_I64, t, RAX);
    tcg_gen_movi(s, RAX, 1);
    tcg_gen_add(s, TCG_I64, RCX, t, RDX);
    check("mov_i64 tmp0,rax;mov_i64 rax,$0x1;add_i64 rcx,tmp0,rdx");

    begin(); /* mov_i32 is a copy only of what has no upper half */
    t = tcg_temp(s);
    tcg_gen_add(s, TCG_I32, t, RAX, RDX);
    tcg_gen_mov(s, TCG_I32, RAX, t);
    tcg_gen_mov(s, TCG_I32, RBX, RCX);
    tcg_gen_ext32u(s, TCG_I64, RDX, RAX);
    check("add_i32 tmp0,rax,rdx;mov_i64 rax,tmp0;mov_i32 rbx,rcx;mov_i64 rdx,rax");

    begin(); /* a helper changes globals behind our back, but not temps */
    t = tcg_temp(s);
    tcg_gen_movi(s, RAX, 3);
    tcg_gen_movi(s, t, 4);
    tcg_gen_call(s, &ir_helper_write, TCG_NO_TEMP, 2, (int)tcg_env(s).i, (int)RDX.i);
    tcg_gen_add(s, TCG_I64, RCX, RAX, t);
    check("mov_i64 rax,$0x3;mov_i64 tmp0,$0x4;call test_write,$0x3,$0,env,rdx;add_i64 rcx,rax,$0x4");

    begin(); /* reading cc_dst instead of the temp would keep the flag word alive */
    t = tcg_temp(s);
    tcg_gen_add(s, TCG_I64, t, RAX, RCX);
    tcg_gen_mov(s, TCG_I64, tcg_global(IRG_CC_DST), t);
    tcg_gen_setcondi(s, TCG_I64, TCG_COND_EQ, RDX, t, 0);
    check("add_i64 tmp0,rax,rcx;mov_i64 cc_dst,tmp0;setcond_i64 rdx,tmp0,$0x0,eq");

    begin(); /* vectors */
    Vv v = tcg_tempv(s, TCG_V128), v0 = tcg_globalv(IRG_VEC0), v1 = tcg_globalv(IRG_VEC0 + 1);
    tcg_gen_movv(s, TCG_V128, v, v0);
    tcg_gen_simd(s, TCG_V128, v1.i, v1.i, v.i, TCG_NO_TEMP, SIMD_PP_66 | 0xef | SIMD_DST_READ, 0);
    check("movv_v128 tmp0,v0;simd_v128 v1,v1,v0,_,$0x41ef,$0x0");

    begin(); /* a destination that is also read stays one temp */
    v = tcg_tempv(s, TCG_V128);
    tcg_gen_movv(s, TCG_V128, v, v0);
    tcg_gen_simd(s, TCG_V128, v.i, v.i, v1.i, TCG_NO_TEMP, SIMD_PP_66 | 0xef | SIMD_DST_READ, 0);
    check("movv_v128 tmp0,v0;simd_v128 tmp0,tmp0,v1,_,$0x41ef,$0x0");
}

static void test_identities(void)
{
    static const struct {
        TcgOpcode opc;
        TcgType type;
        uint64_t c;
        const char *text;
    } rows[] = {
        { TCG_OP_add, TCG_I64, 0, "" }, /* rax = rax + 0 */
        { TCG_OP_add, TCG_I32, 0, "mov_i32 rax,rax" },
        { TCG_OP_sub, TCG_I64, 8, "add_i64 rax,rax,$0xfffffffffffffff8" },
        { TCG_OP_sub, TCG_I32, 8, "add_i32 rax,rax,$0xfffffffffffffff8" },
        { TCG_OP_and, TCG_I64, 0, "mov_i64 rax,$0x0" },
        { TCG_OP_and, TCG_I64, ~0ULL, "" },
        { TCG_OP_and, TCG_I32, 0xffffffff, "mov_i32 rax,rax" },
        { TCG_OP_and, TCG_I64, 0xff, "ext8u_i64 rax,rax" },
        { TCG_OP_and, TCG_I32, 0xffff, "ext16u_i32 rax,rax" },
        { TCG_OP_and, TCG_I64, 0xffffffff, "mov_i32 rax,rax" },
        { TCG_OP_or, TCG_I64, ~0ULL, "mov_i64 rax,$0xffffffffffffffff" },
        { TCG_OP_or, TCG_I32, ~0ULL, "mov_i64 rax,$0xffffffff" },
        { TCG_OP_xor, TCG_I64, ~0ULL, "not_i64 rax,rax" },
        { TCG_OP_andc, TCG_I64, 0x10, "and_i64 rax,rax,$0xffffffffffffffef" },
        { TCG_OP_mul, TCG_I64, 0, "mov_i64 rax,$0x0" },
        { TCG_OP_mul, TCG_I64, 1, "" },
        { TCG_OP_mul, TCG_I64, 64, "shl_i64 rax,rax,$0x6" },
        { TCG_OP_mul, TCG_I32, ~0ULL, "neg_i32 rax,rax" },
        { TCG_OP_shl, TCG_I64, 0, "" },
        { TCG_OP_rotr, TCG_I32, 0, "mov_i32 rax,rax" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        begin();
        tcg_emit(s, rows[i].opc, rows[i].type, 3, U(RAX.i), U(RAX.i), U(raw_const(rows[i].c).i));
        check(rows[i].text);
    }
    begin();
    RAW(sub, TCG_I64, RAX.i, RCX.i, RCX.i);
    RAW(xor, TCG_I32, RDX.i, RCX.i, RCX.i);
    RAW(andc, TCG_I32, RBX.i, RCX.i, RCX.i);
    check("mov_i64 rax,$0x0;mov_i64 rdx,$0x0;mov_i64 rbx,$0x0");
    begin();
    RAW(sub, TCG_I64, RAX.i, raw_const(0).i, RCX.i);
    RAW(add, TCG_I64, RDX.i, raw_const(9).i, RCX.i);
    check("neg_i64 rax,rcx;add_i64 rdx,rcx,$0x9");
    begin();
    RAW(shld, TCG_I32, RAX.i, RCX.i, RCX.i, raw_const(5).i);
    RAW(shrd, TCG_I64, RDX.i, RCX.i, raw_const(0).i, raw_const(5).i);
    check("rotl_i32 rax,rcx,$0x5;shr_i64 rdx,rcx,$0x5");
}

static void test_known_bits(void)
{
    begin(); /* extensions of what is narrow already */
    Tv t = tcg_temp(s);
    tcg_gen_guest_ld(s, t, tcg_const(s, 0x40010), 0, memopidx(MO_8, 0));
    tcg_gen_ext8u(s, TCG_I64, RAX, t);
    tcg_gen_ext16s(s, TCG_I32, RCX, t);
    tcg_gen_ext32s(s, TCG_I64, RDX, t);
    tcg_gen_andi(s, TCG_I64, RBX, t, 0x100);
    check("guest_ld_i64 tmp0,$0x40010,$0x0,b,0;mov_i64 rax,tmp0;mov_i64 rcx,rax;mov_i64 rdx,rax;mov_i64 rbx,$0x0");

    begin(); /* a sign-extended load has no zero bits */
    t = tcg_temp(s);
    tcg_gen_guest_ld(s, t, tcg_const(s, 0x40010), 0, memopidx(MO_8 | MO_SIGN | MO_SIGN32, 0));
    tcg_gen_ext8u(s, TCG_I64, RAX, t);
    tcg_gen_ext32u(s, TCG_I64, RCX, t);
    check("guest_ld_i64 tmp0,$0x40010,$0x0,sb32,0;ext8u_i64 rax,tmp0;mov_i64 rcx,tmp0");

    begin(); /* sar of something positive, a shift that leaves nothing */
    t = tcg_temp(s);
    tcg_gen_andi(s, TCG_I64, t, RAX, 0xf0);
    tcg_gen_sari(s, TCG_I64, RCX, t, 4);
    tcg_gen_shri(s, TCG_I64, RDX, t, 8);
    check("and_i64 tmp0,rax,$0xf0;shr_i64 rcx,tmp0,$0x4;mov_i64 rdx,$0x0");

    begin(); /* extract of a field with nothing above; deposit into nothing */
    t = tcg_temp(s);
    tcg_gen_ext16u(s, TCG_I64, t, RAX);
    tcg_gen_extract(s, TCG_I64, RCX, t, 8, 8);
    tcg_gen_sextract(s, TCG_I64, RDX, t, 4, 20);
    tcg_gen_deposit(s, TCG_I64, RBX, tcg_const(s, 0), RCX, 8, 8);
    check("ext16u_i64 tmp0,rax;shr_i64 rcx,tmp0,$0x8;shr_i64 rdx,tmp0,$0x4;shl_i64 rbx,rcx,$0x8");

    begin(); /* an extension reads what a deposit put in, as far as it goes */
    t = tcg_temp(s);
    tcg_gen_setcondi(s, TCG_I64, TCG_COND_LT, t, RBX, 7);
    tcg_gen_deposit(s, TCG_I64, RAX, RAX, t, 0, 8);
    tcg_gen_ext8u(s, TCG_I32, RAX, RAX);
    tcg_gen_deposit(s, TCG_I64, RCX, RCX, RBX, 0, 16);
    tcg_gen_ext16s(s, TCG_I64, RDX, RCX);
    tcg_gen_ext32u(s, TCG_I64, RCX, RCX);
    check("setcond_i64 tmp0,rbx,$0x7,lt;deposit_i64 rax,rax,tmp0,$0x0,$0x8;mov_i64 rax,tmp0;deposit_i64 rcx,rcx,rbx,$0x0,$0x10;ext16s_i64 rdx,rbx;mov_i32 rcx,rcx");

    begin();
    tcg_gen_deposit(s, TCG_I64, RAX, RAX, tcg_const(s, 0), 8, 8);
    tcg_gen_deposit(s, TCG_I64, RCX, RCX, tcg_const(s, 0xff), 0, 8);
    check("and_i64 rax,rax,$0xffffffffffff00ff;or_i64 rcx,rcx,$0xff");
}

static void test_conditions(void)
{
    begin();
    Tv t = tcg_temp(s);
    tcg_gen_setcondi(s, TCG_I64, TCG_COND_LTU, t, RAX, 1);
    tcg_gen_setcondi(s, TCG_I64, TCG_COND_EQ, RCX, t, 0); /* not (rax == 0) */
    tcg_gen_setcondi(s, TCG_I32, TCG_COND_LT, RDX, RAX, 0);
    tcg_gen_setcondi(s, TCG_I64, TCG_COND_TSTNE, RBX, RAX, 0x40);
    check("setcond_i64 tmp0,rax,$0x0,eq;setcond_i64 rcx,rax,$0x0,ne;shr_i32 rdx,rax,$0x1f;extract_i64 rbx,rax,$0x6,$0x1");

    begin();
    tcg_gen_setcond(s, TCG_I64, TCG_COND_LE, RAX, RDX, RDX);
    tcg_gen_setcond(s, TCG_I64, TCG_COND_NE, RCX, RDX, RDX);
    check("mov_i64 rax,$0x1;mov_i64 rcx,$0x0");

    begin();
    tcg_gen_movcond(s, TCG_I64, TCG_COND_EQ, RAX, tcg_const(s, 1), tcg_const(s, 1), RCX, RDX);
    tcg_gen_movcond(s, TCG_I64, TCG_COND_LT, RCX, RDX, RBX, tcg_const(s, 0), tcg_const(s, 1));
    check("mov_i64 rax,rcx;setcond_i64 rcx,rdx,rbx,ge");

    begin(); /* a 64-bit select on a 32-bit comparison cannot take that over */
    t = tcg_temp(s);
    tcg_gen_setcond(s, TCG_I32, TCG_COND_LTU, t, RAX, RCX);
    tcg_gen_movcond(s, TCG_I64, TCG_COND_NE, RAX, t, tcg_const(s, 0), RCX, RDX);
    check("setcond_i32 tmp0,rax,rcx,ltu;movcond_i64 rax,tmp0,$0x0,rcx,rdx,ne");

    begin(); /* always: a branch over dead code, and then not even that */
    TcgLabel l = tcg_label(s);
    tcg_gen_brcond(s, TCG_I64, TCG_COND_EQ, RAX, RAX, l);
    tcg_gen_movi(s, RCX, 1);
    tcg_gen_label(s, l);
    tcg_gen_movi(s, RDX, 2);
    check("mov_i64 rdx,$0x2");

    begin(); /* never: and what was known before the label is known behind it */
    l = tcg_label(s);
    tcg_gen_movi(s, RAX, 2);
    tcg_gen_brcondi(s, TCG_I64, TCG_COND_TSTNE, RAX, 1, l);
    tcg_gen_movi(s, RCX, 1);
    tcg_gen_label(s, l);
    tcg_gen_add(s, TCG_I64, RDX, RAX, RCX);
    check("mov_i64 rax,$0x2;mov_i64 rcx,$0x1;mov_i64 rdx,$0x3");

    begin(); /* open: the label forgets, the way past the branch does not */
    l = tcg_label(s);
    tcg_gen_movi(s, RAX, 2);
    tcg_gen_brcondi(s, TCG_I64, TCG_COND_EQ, RBX, 1, l);
    tcg_gen_add(s, TCG_I64, RAX, RAX, RAX);
    tcg_gen_label(s, l);
    tcg_gen_addi(s, TCG_I64, RDX, RAX, 1);
    check("mov_i64 rax,$0x2;brcond_i64 rbx,$0x1,eq,$L0;mov_i64 rax,$0x4;set_label $L0;add_i64 rdx,rax,$0x1");

    begin(); /* setcond and branch on it become one comparison, of the setcond's type */
    l = tcg_label(s);
    t = tcg_temp(s);
    tcg_gen_setcond(s, TCG_I32, TCG_COND_LTU, t, RAX, RCX);
    tcg_gen_brcondi(s, TCG_I64, TCG_COND_NE, t, 0, l);
    tcg_gen_movi(s, RDX, 1);
    tcg_gen_label(s, l);
    check("setcond_i32 tmp0,rax,rcx,ltu;brcond_i32 rax,rcx,ltu,$L0;mov_i64 rdx,$0x1;set_label $L0");
}

static void test_loop(void)
{
    begin(); /* a backward branch: nothing known before the label holds in the loop */
    TcgLabel top = tcg_label(s);
    Tv n = tcg_temp_local(s);
    tcg_gen_movi(s, n, 5);
    tcg_gen_movi(s, RAX, 0);
    tcg_gen_label(s, top);
    tcg_gen_addi(s, TCG_I64, RAX, RAX, 3);
    tcg_gen_subi(s, TCG_I64, n, n, 1);
    tcg_gen_brcondi(s, TCG_I64, TCG_COND_NE, n, 0, top);
    check("mov_i64 loc0,$0x5;mov_i64 rax,$0x0;set_label $L0;add_i64 rax,rax,$0x3;"
          "add_i64 loc0,loc0,$0xffffffffffffffff;brcond_i64 loc0,$0x0,ne,$L0");
    g_assert_cmpuint(after->head.gpr[0], ==, 15);
}

static void test_insn_starts_survive(void)
{
    begin(); /* also those of dead code: a fault behind the label looks for the nearest one */
    TcgLabel l = tcg_label(s);
    tcg_gen_br(s, l);
    tcg_gen_insn_start(s, 0x7c05, 0);
    tcg_gen_movi(s, RCX, 1);
    tcg_gen_label(s, l);
    tcg_gen_movi(s, RDX, 1);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    tcg_optimize(s);
    unsigned starts = 0;
    for (unsigned i = 0; i < s->nb_ops; i++) {
        starts += s->ops[i].opc == TCG_OP_insn_start;
        g_assert_true(s->ops[i].opc != TCG_OP_mov || s->ops[i].arg[0] == RDX.i);
    }
    g_assert_cmpuint(starts, ==, 2);
}

/* Every pure op with every mix of constant, repeated and narrow operands, against the interpreter. */
static void test_all_ops(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(20261121);
    static const uint64_t values[] = { 0, 1, 2, 0x40, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
                                       0x100000000, 0x8000000000000000, ~0ULL, 0xfffffffffffffff0 };

    for (unsigned opc = TCG_OP_setcond; opc <= TCG_OP_bswap; opc++) {
        const TcgOpInfo *info = &tcg_op_info[opc];
        if (info->outs != 1)
            continue;
        for (unsigned round = 0; round < 400; round++) {
            TcgType type = g_rand_int_range(r, 0, 2);
            unsigned bits = type == TCG_I32 ? 32 : 64;
            uint64_t a[TCG_MAX_ARGS] = { RAX.i };

            begin();
            Tv narrow = tcg_temp(s);
            RAW(and, TCG_I64, narrow.i, RBX.i, raw_const(values[g_rand_int_range(r, 0, ARRAY_SIZE(values))]).i);
            for (unsigned i = 1; i <= info->ins; i++) {
                switch (g_rand_int_range(r, 0, 4)) {
                case 0: a[i] = raw_const(values[g_rand_int_range(r, 0, ARRAY_SIZE(values))]).i; break;
                case 1: a[i] = narrow.i; break;
                case 2: a[i] = g_rand_int_range(r, 0, 3); break;
                default: a[i] = a[i - 1]; break;
                }
            }
            bool shift = opc >= TCG_OP_shl && opc <= TCG_OP_shrd;
            if (shift)
                a[info->ins] = raw_const(g_rand_int_range(r, 0, bits)).i;
            uint64_t *c = &a[1 + info->ins];
            if (opc == TCG_OP_setcond || opc == TCG_OP_movcond) {
                c[0] = g_rand_int_range(r, 0, 12);
            } else if (info->consts == 2) {
                c[1] = g_rand_int_range(r, 1, bits + 1);
                c[0] = g_rand_int_range(r, 0, bits - c[1] + 1);
            }
            tcg_emit(s, opc, type, 8, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
            tcg_gen_ext32u(s, TCG_I64, RCX, RAX); /* the known bits of the result have a reader */
            tcg_gen_ext8s(s, TCG_I64, RDX, RAX);
            tcg_gen_andi(s, TCG_I64, RBX, RAX, 0x40); /* the width itself: clz, ctz and popcnt may give it */
            tcg_gen_andi(s, TCG_I64, (Tv){ 6 }, RAX, 0x20);
            tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
            compare_runs(r, 3);
        }
    }
}

static void random_programs(unsigned features, unsigned count, unsigned size)
{
    for (unsigned seed = 0; seed < count; seed++) {
        g_autoptr(GRand) r = g_rand_new_with_seed(seed * 32 + features);
        tcg_begin(s);
        ir_random_program(s, r, 5 + seed % size, features);
        g_assert_false(s->overflow);
        compare_runs(r, 3);
    }
}

static void test_random_arith(void) { random_programs(0, 3000, 60); }
static void test_random_branches(void) { random_programs(IR_RANDOM_BRANCHES | IR_RANDOM_CALLS, 3000, 120); }
static void test_random_all(void) { random_programs(IR_RANDOM_ALL, 2000, 400); }

/* Ops that are optimised as they are emitted do what the program does. */
static void test_as_emitted(void)
{
    unsigned fewer = 0;

    for (unsigned seed = 0; seed < 6000; seed++) {
        unsigned features = seed % 3 == 0 ? 0 : seed % 3 == 1 ? IR_RANDOM_BRANCHES | IR_RANDOM_CALLS : IR_RANDOM_ALL;
        g_autoptr(GRand) r = g_rand_new_with_seed(seed), again = g_rand_copy(r);
        g_autoptr(GString) why = g_string_new(NULL), text = g_string_new("as it is:\n");

        tcg_begin(s);
        ir_random_program(s, r, 5 + seed % 150, features);
        ir_guest_env_randomize(start, r);
        ir_guest_env_copy(before, start);
        ir_guest_env_copy(after, start);
        uint64_t r1 = tcg_interpret(s, before);
        unsigned nb_ops = s->nb_ops;
        tcg_dump_ops(s, text);
        tcg_begin(s);
        tcg_optimize_as_emitted(s);
        ir_random_program(s, again, 5 + seed % 150, features);
        assert_verified("as emitted");
        g_assert_cmpuint(s->nb_ops, <=, nb_ops);
        fewer += s->nb_ops < nb_ops;
        uint64_t r2 = tcg_interpret(s, after);
        if (r1 != r2 || !ir_guest_env_equal(before, after, why)) {
            g_string_append(text, "as emitted:\n");
            tcg_dump_ops(s, text);
            g_error("%sseed %u: results differ: %s (exit %" PRIx64 " and %" PRIx64 ")", text->str, seed, why->str, r1, r2);
        }
    }
    g_assert_cmpuint(fewer, >, 1000);
    tcg_begin(s); /* known bits across what only the front end does to ops */
    tcg_optimize_as_emitted(s);
    Tv carry = tcg_temp(s), low = tcg_temp(s);
    tcg_emit(s, TCG_OP_addc, TCG_I64, 5, (uint64_t)RBX.i, (uint64_t)carry.i, (uint64_t)RBX.i, (uint64_t)RCX.i, (uint64_t)raw_const(0).i);
    tcg_emitted_bit(s, carry.i);
    tcg_gen_andi(s, TCG_I64, low, carry, 1);
    tcg_gen_mov(s, TCG_I64, RAX, low);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    g_autofree char *got = text_of();
    g_assert_cmpstr(got, ==, "addc_i64 rbx,tmp0,rbx,rcx,$0x0;mov_i64 tmp1,tmp0;mov_i64 rax,tmp0");
}

static void test_no_room(void)
{
    /* As many temps and ops as fit: nothing may overflow or loop. */
    tcg_begin(s);
    Tv t = tcg_temp_local(s);
    tcg_gen_movi(s, t, 1);
    while (s->nb_temps < TCG_MAX_TEMPS - 2)
        tcg_temp(s);
    while (s->nb_ops < TCG_MAX_OPS - 3)
        RAW(add, TCG_I64, t.i, t.i, t.i);
    tcg_gen_st(s, t, tcg_env(s), offsetof(IrGuestEnv, scratch), 8);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    g_assert_false(s->overflow);
    g_autoptr(GRand) r = g_rand_new_with_seed(1);
    compare_runs(r, 1);
    g_assert_false(s->overflow);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    s = tcg_context_new(&ir_guest, NULL);
    before = ir_guest_env_new();
    start = ir_guest_env_new();
    after = ir_guest_env_new();
    g_test_add_func("/tcg/optimize/constants", test_constants);
    g_test_add_func("/tcg/optimize/copies", test_copies);
    g_test_add_func("/tcg/optimize/identities", test_identities);
    g_test_add_func("/tcg/optimize/known-bits", test_known_bits);
    g_test_add_func("/tcg/optimize/conditions", test_conditions);
    g_test_add_func("/tcg/optimize/loop", test_loop);
    g_test_add_func("/tcg/optimize/insn-starts", test_insn_starts_survive);
    g_test_add_func("/tcg/optimize/no-room", test_no_room);
    g_test_add_func("/tcg/optimize/all-ops", test_all_ops);
    g_test_add_func("/tcg/optimize/random-arith", test_random_arith);
    g_test_add_func("/tcg/optimize/random-branches", test_random_branches);
    g_test_add_func("/tcg/optimize/random-all", test_random_all);
    g_test_add_func("/tcg/optimize/as-emitted", test_as_emitted);
    int status = g_test_run();
    ir_guest_env_free(before);
    ir_guest_env_free(start);
    ir_guest_env_free(after);
    tcg_context_free(s);
    return status;
}
