/* test-backend.c - random IR programs: the reference interpreter against generated code, on equal
 * states, with and without the optimiser, with ordered and random register choice, with soft-TLB hits
 * and misses, and on hosts that lack BMI and friends (features switched off). */
#include "host/base/osdep.h"
#include "tests/lib/ir-random.h"
#include "tcg/regalloc.h"

typedef struct Fixture {
    CodeBuf *buf;
    TcgContext *s;
    IrGuestEnv *a, *b, *initial;
    unsigned loops; /* programs whose vectors stay in registers over the jump back */
} Fixture;

static void fixture_set_up(Fixture *f)
{
    GError *err = NULL;
    f->buf = codebuf_new(16 * MiB, &err);
    g_assert_no_error(err);
    tcg_gen_prologue(f->buf, &ir_guest);
    f->s = tcg_context_new(&ir_guest, f->buf);
    f->a = ir_guest_env_new();
    f->b = ir_guest_env_new();
    f->initial = ir_guest_env_new();
    f->a->head.mxcsr_run = f->b->head.mxcsr_run = 0x1f80;
}

static void fixture_tear_down(Fixture *f)
{
    ir_guest_env_free(f->a);
    ir_guest_env_free(f->b);
    ir_guest_env_free(f->initial);
    tcg_context_free(f->s);
    codebuf_free(f->buf);
}

typedef struct Variant {
    unsigned features, ops;
    bool no_optimize, random_regs, map;
} Variant;

static void one(Fixture *f, const Variant *v, uint32_t seed)
{
    GRand *r = g_rand_new_with_seed(seed);
    TcgContext *s = f->s;
    g_autoptr(GString) why = g_string_new(NULL);
    g_autoptr(GString) text = g_string_new(NULL);

    tcg_begin(s);
    s->no_optimize = v->no_optimize;
    s->random_regs = v->random_regs;
    s->tb_cookie = 0x7123456789a0;
    ir_random_program(s, r, v->ops, v->features);
    tcg_dump_ops(s, text);
    ir_guest_env_randomize(f->initial, r);
    ir_guest_env_copy(f->a, f->initial);
    ir_guest_env_copy(f->b, f->initial);
    bool loop = v->features & IR_RANDOM_LOOP;
    f->a->head.victim_patience = f->b->head.victim_patience = 1 + seed % 5;
    f->a->head.exit_request = f->b->head.exit_request = loop && seed % 7 == 0;
    uint64_t want = tcg_interpret(s, f->a);
    while (loop && want == (s->tb_cookie | TB_EXIT_SLOT1))
        want = tcg_interpret(s, f->a);
    TcgResult res = tcg_compile(s);
    if (res == TCG_BUFFER_FULL) {
        codebuf_flush(f->buf);
        tcg_begin(s);
        g_rand_free(r);
        one(f, v, seed);
        return;
    }
    g_assert_cmpint(res, ==, TCG_OK);
    if (v->map)
        ir_guest_env_map(f->b);
    if (s->loop_entry && seed % 3)
        tcg_patch_jump(f->buf, s->code_rx, s->goto_tb_jump[1], s->code_rx + s->loop_entry);
    uint64_t got = f->buf->enter(f->b, s->code_rx);
    while (loop && got == (s->tb_cookie | TB_EXIT_SLOT1)) /* not linked */
        got = f->buf->enter(f->b, s->code_rx);
    f->loops += s->loop_entry != 0;
    if (got != want || !ir_guest_env_equal(f->a, f->b, why)) {
        g_string_append(text, "--- after optimisation and liveness\n");
        tcg_dump_ops(s, text);
        if (g_getenv("TEST_DISAS"))
            disas_host(text, s->code_rx, s->code_size, (uintptr_t)s->code_rx);
        g_test_message("%s", text->str);
        g_test_message("seed %u: exit %#" PRIx64 " want %#" PRIx64 ": %s", seed, got, want, why->str);
        g_test_fail();
    }
    g_rand_free(r);
}

static void run(const Variant *v, unsigned n)
{
    Fixture f;
    fixture_set_up(&f);
    const char *only = g_getenv("TEST_SEED");
    for (unsigned i = 0; i < n && !g_test_failed(); i++)
        one(&f, v, only ? (uint32_t)atoi(only) : i);
    if (v->features & IR_RANDOM_LOOP)
        g_assert_cmpuint(f.loops, >, 0);
    fixture_tear_down(&f);
}

static const Variant variants[] = {
    { 0, 20, true, false, false },
    { 0, 100, false, false, false },
    { 0, 100, true, true, false },
    { IR_RANDOM_BRANCHES, 100, false, false, false },
    { IR_RANDOM_HOST_MEM | IR_RANDOM_BRANCHES, 100, true, true, false },
    { IR_RANDOM_CALLS | IR_RANDOM_BRANCHES, 100, true, false, false },
    { IR_RANDOM_CALLS, 100, false, true, false },
    { IR_RANDOM_GUEST_MEM, 100, true, false, false },
    { IR_RANDOM_GUEST_MEM | IR_RANDOM_BRANCHES, 100, true, false, true },
    { IR_RANDOM_GUEST_MEM | IR_RANDOM_CALLS, 100, false, true, true },
    { IR_RANDOM_VECTORS | IR_RANDOM_BRANCHES, 100, true, false, false },
    { IR_RANDOM_VECTORS | IR_RANDOM_GUEST_MEM, 100, true, true, true },
    { IR_RANDOM_ALL, 300, true, false, false },
    { IR_RANDOM_ALL, 300, false, false, true },
    { IR_RANDOM_ALL, 300, false, true, false },
    { IR_RANDOM_ALL, 300, true, true, true },
    { IR_RANDOM_LOOP | IR_RANDOM_VECTORS, 40, true, false, false },
    { IR_RANDOM_LOOP | IR_RANDOM_VECTORS, 100, false, true, false },
    { IR_RANDOM_LOOP | IR_RANDOM_VECTORS | IR_RANDOM_GUEST_MEM, 60, false, false, true },
    { IR_RANDOM_LOOP | IR_RANDOM_VECTORS | IR_RANDOM_GUEST_MEM | IR_RANDOM_HOST_MEM, 100, false, true, true },
    { IR_RANDOM_LOOP | IR_RANDOM_VECTORS | IR_RANDOM_GUEST_MEM, 100, true, false, false },
};

static void test_variant(gconstpointer arg)
{
    run(arg, g_test_quick() ? 300 : 20000);
}

static void test_old_host(void)
{
    static const Variant v = { IR_RANDOM_ALL, 200, true, true, true };
    CodeBuf *buf = codebuf_new(2 * MiB, NULL); /* so that the features are known before we change them */
    tcg_gen_prologue(buf, &ir_guest);
    HostFeatures saved = host_features;
    host_features = (HostFeatures){ .avx = saved.avx };
    run(&v, 500);
    host_features = saved;
    codebuf_free(buf);
}

/* A full buffer and an absurd program are answers, not crashes. */
static void test_limits(void)
{
    Fixture f;
    fixture_set_up(&f);
    GRand *r = g_rand_new_with_seed(1);
    bool full = false;
    for (unsigned i = 0; i < 20000 && !full; i++) {
        tcg_begin(f.s);
        ir_random_program(f.s, r, 500, IR_RANDOM_ALL);
        TcgResult res = tcg_compile(f.s);
        g_assert_cmpint(res, !=, TCG_TOO_BIG);
        full = res == TCG_BUFFER_FULL;
    }
    g_assert_true(full);
    codebuf_flush(f.buf);
    tcg_begin(f.s);
    Tv t[1500];
    for (unsigned i = 0; i < ARRAY_SIZE(t); i++) { /* 1500 locals live at once: more than the spill area */
        t[i] = tcg_temp_local(f.s);
        tcg_gen_ld(f.s, t[i], tcg_env(f.s), offsetof(IrGuestEnv, scratch), 8, false);
    }
    tcg_gen_label(f.s, tcg_label(f.s));
    for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
        tcg_gen_st(f.s, t[i], tcg_env(f.s), offsetof(IrGuestEnv, scratch), 8);
    tcg_gen_exit_tb(f.s, TB_EXIT_LOOKUP);
    g_assert_cmpint(tcg_compile(f.s), ==, TCG_TOO_BIG);
    g_rand_free(r);
    fixture_tear_down(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(variants); i++) {
        const Variant *v = &variants[i];
        g_autofree char *name = g_strdup_printf("/tcg/backend/random-%u/features-%u%s%s%s", i, v->features,
                                                v->no_optimize ? "/raw" : "/optimized", v->random_regs ? "/random-regs" : "",
                                                v->map ? "/hits" : "/misses");
        g_test_add_data_func(name, v, test_variant);
    }
    g_test_add_func("/tcg/backend/old-host", test_old_host);
    g_test_add_func("/tcg/backend/limits", test_limits);
    return g_test_run();
}
