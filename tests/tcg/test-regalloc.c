/* test-regalloc.c - liveness and register allocation: what is removed, what stays observable, and how
 * many host instructions small pieces of guest code cost. The counts are upper limits: a better back end
 * may stay below them. */
#include "host/base/osdep.h"
#include "tests/lib/ir-guest.h"
#include "tcg/regalloc.h"
#include <capstone/capstone.h>

static CodeBuf *buf;
static TcgContext *s;
static IrGuestEnv *env;

static Tv G(unsigned n) { return tcg_global(n); }

static void begin(void)
{
    tcg_begin(s);
    s->no_optimize = true;
    s->tb_cookie = 0x1000;
    env->head.mxcsr_run = 0x1f80;
    for (unsigned i = 0; i < 16; i++)
        env->head.gpr[i] = 0x1000 + i;
}

/* Host instructions of the main path, without the jump that leaves. */
static unsigned cost(void)
{
    csh cs;
    cs_insn *insn;
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    g_assert_cmpint(tcg_compile(s), ==, TCG_OK);
    g_assert_cmpint(cs_open(CS_ARCH_X86, CS_MODE_64, &cs), ==, CS_ERR_OK);
    size_t n = cs_disasm(cs, s->code_rx, s->code_size, 0, 0, &insn);
    if (g_test_verbose()) {
        for (size_t i = 0; i < n; i++)
            g_test_message("%s %s", insn[i].mnemonic, insn[i].op_str);
    }
    bool jump = n && !strcmp(insn[n - 1].mnemonic, "jmp"); /* not there when the exit's code follows directly */
    if (n)
        cs_free(insn, n);
    cs_close(&cs);
    env->head.mxcsr_run = 0x1f80;
    g_assert_cmphex(buf->enter(env, s->code_rx), ==, 0x1000 | TB_EXIT_LOOKUP);
    return n - jump;
}

static void test_alias_is_free(void)
{
    begin();
    Tv a = tcg_temp(s), b = tcg_temp(s);
    tcg_gen_mov(s, TCG_I64, a, G(0));
    tcg_gen_mov(s, TCG_I64, b, G(3));
    tcg_gen_add(s, TCG_I64, a, a, b);
    tcg_gen_mov(s, TCG_I64, G(0), a);
    g_assert_cmpint(cost(), <=, 1); /* add rax, rbx */
    g_assert_cmphex(env->head.gpr[0], ==, 0x2003);
}

static void test_flags_cost_their_stores(void)
{
    begin();
    Tv t = tcg_temp(s);
    tcg_gen_mov(s, TCG_I64, G(IRG_CC_SRC), G(3));
    tcg_gen_add(s, TCG_I64, t, G(0), G(3));
    tcg_gen_mov(s, TCG_I64, G(0), t);
    tcg_gen_mov(s, TCG_I64, G(IRG_CC_DST), t);
    g_assert_cmpint(cost(), <=, 3); /* add, two stores */
    g_assert_cmphex(env->cc_dst, ==, 0x2003);
    g_assert_cmphex(env->cc_src, ==, 0x1003);
}

static void test_overwritten_flags_cost_nothing(void)
{
    begin();
    for (unsigned i = 0; i < 4; i++) {
        tcg_gen_mov(s, TCG_I64, G(IRG_CC_SRC), G(3));
        tcg_gen_add(s, TCG_I64, G(0), G(0), G(3));
        tcg_gen_mov(s, TCG_I64, G(IRG_CC_DST), G(0));
    }
    g_assert_cmpint(cost(), <=, 6); /* four adds, two stores */
}

static void test_constants_are_immediates(void)
{
    begin();
    tcg_gen_movi(s, G(IRG_CC_SRC), 5);
    tcg_gen_addi(s, TCG_I64, G(1), G(1), -1);
    tcg_gen_addi(s, TCG_I64, G(2), G(1), 8);
    g_assert_cmpint(cost(), <=, 3); /* add rcx, -1; lea rdx, [rcx + 8]; mov qword [cc_src], 5 */
    g_assert_cmphex(env->cc_src, ==, 5);
    g_assert_cmphex(env->head.gpr[2], ==, 0x1008);
}

static void test_three_operands(void)
{
    begin();
    tcg_gen_add(s, TCG_I64, G(0), G(1), G(2));
    tcg_gen_shl(s, TCG_I64, G(3), G(0), G(2));
    tcg_gen_mul(s, TCG_I64, G(5), G(5), G(6));
    g_assert_cmpint(cost(), <=, host_features.bmi2 ? 3 : 8);
    g_assert_cmphex(env->head.gpr[0], ==, 0x2003);
    g_assert_cmphex(env->head.gpr[3], ==, 0x2003ull << (0x1002 & 63));
}

static void test_wide_on_own_registers(void)
{
    begin();
    tcg_gen_mulu2(s, TCG_I64, G(0), G(2), G(0), G(3));
    g_assert_cmpint(cost(), <=, 1); /* mul rbx */
    begin();
    env->head.gpr[2] = 0;
    tcg_gen_divu2(s, TCG_I64, G(0), G(2), G(0), G(2), G(3));
    g_assert_cmpint(cost(), <=, 1); /* div rbx */
    g_assert_cmphex(env->head.gpr[0], ==, 0);
    g_assert_cmphex(env->head.gpr[2], ==, 0x1000);
}

static void test_partial_writes(void)
{
    begin();
    tcg_gen_deposit(s, TCG_I64, G(0), G(0), G(6), 0, 8);
    tcg_gen_deposit(s, TCG_I64, G(1), G(1), G(2), 8, 8);
    tcg_gen_deposit(s, TCG_I64, G(3), G(3), G(7), 0, 16);
    g_assert_cmpint(cost(), <=, 3); /* mov al, sil; mov ch, dl; mov bx, di */
    g_assert_cmphex(env->head.gpr[0], ==, 0x1006);
    g_assert_cmphex(env->head.gpr[1], ==, 0x0201);
}

static void test_load_hit(void)
{
    begin();
    ir_guest_env_map(env);
    env->head.gpr[3] = IRG_MEM_BASE;
    tcg_gen_guest_ld(s, G(0), G(3), 0, memopidx(MO_64, 0));
    g_assert_cmpint(cost(), <=, host_features.bmi2 ? 9 : 10);
}

static void test_rmw_hit(void)
{
    begin();
    ir_guest_env_map(env);
    env->head.gpr[3] = IRG_MEM_BASE;
    tcg_gen_guest_rmw(s, tcg_temp(s), G(3), 0, G(1), memopidx(MO_64, 0), RMW_ADD | RMW_LOCK);
    g_assert_cmpint(cost(), <=, host_features.bmi2 ? 9 : 10); /* the last is lock add [r], rcx */
}

static void test_compare_and_branch(void)
{
    begin();
    TcgLabel l = tcg_label(s);
    tcg_gen_brcond(s, TCG_I64, TCG_COND_LTU, G(0), G(1), l);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    tcg_gen_label(s, l);
    g_assert_cmpint(cost(), <=, 3); /* cmp, jb, jmp */
}

/* ---- liveness alone ---- */

static unsigned count_op(TcgOpcode opc)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->nb_ops; i++)
        n += s->ops[i].opc == opc;
    return n;
}

static void test_dead_ops_go(void)
{
    begin();
    Tv t = tcg_temp(s);
    tcg_gen_add(s, TCG_I64, t, G(0), G(1));
    tcg_gen_xor(s, TCG_I64, t, t, G(2)); /* nobody reads t */
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    tcg_liveness(s);
    g_assert_cmpint(count_op(TCG_OP_add) + count_op(TCG_OP_xor), ==, 0);
}

/* A flag value that a fault could show must be kept; one that nothing can see is dropped. */
static void test_faults_keep_flags(void)
{
    for (unsigned fault = 0; fault < 2; fault++) {
        begin();
        tcg_gen_add(s, TCG_I64, G(IRG_CC_DST), G(0), G(1));
        if (fault)
            tcg_gen_guest_ld(s, G(2), G(3), 0, memopidx(MO_8, 0));
        tcg_gen_sub(s, TCG_I64, G(IRG_CC_DST), G(0), G(1));
        tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
        tcg_liveness(s);
        g_assert_cmpint(count_op(TCG_OP_add), ==, fault);
        g_assert_cmpint(count_op(TCG_OP_sub), ==, 1);
    }
}

static void test_helpers_keep_globals(void)
{
    for (unsigned reads = 0; reads < 2; reads++) {
        begin();
        tcg_gen_add(s, TCG_I64, G(10), G(0), G(1));
        if (reads)
            tcg_gen_call(s, &ir_helper_read, G(2).i, 1, tcg_env(s).i);
        else
            tcg_gen_call(s, &ir_helper_pure, G(2).i, 2, G(0).i, G(1).i);
        tcg_gen_movi(s, G(10), 0);
        tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
        tcg_liveness(s);
        g_assert_cmpint(count_op(TCG_OP_add), ==, reads);
        g_assert_cmpint(count_op(TCG_OP_call), ==, 1);
    }
}

static void test_discard(void)
{
    begin();
    tcg_gen_add(s, TCG_I64, G(IRG_CC_SRC), G(0), G(1));
    tcg_gen_discard(s, G(IRG_CC_SRC));
    g_assert_cmpint(cost(), ==, 0);
}

/* A result is not computed into its pinned register early when a fault in between would show it. */
static void test_results_wait_for_faults(void)
{
    begin();
    env->head.gpr[3] = IRG_MEM_BASE;
    Tv t = tcg_temp(s);
    tcg_gen_add(s, TCG_I64, t, G(0), G(1));
    tcg_gen_guest_st(s, t, G(3), 0, memopidx(MO_64, 0));
    tcg_gen_mov(s, TCG_I64, G(0), t);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    tcg_liveness(s);
    g_assert_cmpint(s->ops[0].opc, ==, TCG_OP_add);
    g_assert_cmpint(s->ops[0].arg[0], ==, t.i);
}

/* Forty temps live at once: spilled and found again. */
static void test_spills(void)
{
    for (unsigned random = 0; random < 20; random++) {
        Tv t[40];
        uint64_t want = 0;
        begin();
        s->random_regs = random;
        for (unsigned i = 0; i < 40; i++) {
            t[i] = tcg_temp(s);
            tcg_gen_addi(s, TCG_I64, t[i], G(i % 16), i * 3);
            want = want * 5 + 0x1000 + i % 16 + i * 3;
        }
        tcg_gen_movi(s, G(0), 0);
        for (unsigned i = 0; i < 40; i++) {
            tcg_gen_muli(s, TCG_I64, G(0), G(0), 5);
            tcg_gen_add(s, TCG_I64, G(0), G(0), t[i]);
        }
        cost();
        g_assert_cmphex(env->head.gpr[0], ==, want);
    }
    s->random_regs = false;
}

int main(int argc, char **argv)
{
    GError *err = NULL;
    g_test_init(&argc, &argv, NULL);
    buf = codebuf_new(8 * MiB, &err);
    g_assert_no_error(err);
    tcg_gen_prologue(buf, &ir_guest);
    s = tcg_context_new(&ir_guest, buf);
    env = ir_guest_env_new();
    g_test_add_func("/tcg/regalloc/alias-is-free", test_alias_is_free);
    g_test_add_func("/tcg/regalloc/flags-cost-their-stores", test_flags_cost_their_stores);
    g_test_add_func("/tcg/regalloc/overwritten-flags-cost-nothing", test_overwritten_flags_cost_nothing);
    g_test_add_func("/tcg/regalloc/constants-are-immediates", test_constants_are_immediates);
    g_test_add_func("/tcg/regalloc/three-operands", test_three_operands);
    g_test_add_func("/tcg/regalloc/wide-on-own-registers", test_wide_on_own_registers);
    g_test_add_func("/tcg/regalloc/partial-writes", test_partial_writes);
    g_test_add_func("/tcg/regalloc/load-hit", test_load_hit);
    g_test_add_func("/tcg/regalloc/rmw-hit", test_rmw_hit);
    g_test_add_func("/tcg/regalloc/compare-and-branch", test_compare_and_branch);
    g_test_add_func("/tcg/regalloc/spills", test_spills);
    g_test_add_func("/tcg/liveness/dead-ops-go", test_dead_ops_go);
    g_test_add_func("/tcg/liveness/faults-keep-flags", test_faults_keep_flags);
    g_test_add_func("/tcg/liveness/helpers-keep-globals", test_helpers_keep_globals);
    g_test_add_func("/tcg/liveness/discard", test_discard);
    g_test_add_func("/tcg/liveness/results-wait-for-faults", test_results_wait_for_faults);
    int r = g_test_run();
    ir_guest_env_free(env);
    tcg_context_free(s);
    codebuf_free(buf);
    return r;
}
