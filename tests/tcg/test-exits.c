/* test-exits.c - the ways in and out of a TB: chaining, the jump cache, polling, helper calls and the map
 * from their return addresses, MXCSR, implicit xmm0. */
#include "host/base/osdep.h"
#include "tests/lib/ir-guest.h"
#include "tcg/regalloc.h"
#include <setjmp.h>
#include <xmmintrin.h>

static CodeBuf *buf;
static TcgContext *s;
static IrGuestEnv *env;
enum { COOKIE = 0x123450 };

static Tv G(unsigned n) { return tcg_global(n); }

static void begin(void)
{
    tcg_begin(s);
    s->no_optimize = true;
    s->no_chain = s->eip_is_32 = false;
    s->tb_cookie = COOKIE;
    s->cs_base = 0;
    env->head.exit_request = 0;
    env->head.eip = 0xdeadbeef;
    env->head.mxcsr_run = 0x1f80;
    for (unsigned i = 0; i < 16; i++)
        env->head.gpr[i] = 0x100 * i;
    for (unsigned i = 0; i < JUMP_CACHE_SLOTS; i++)
        env->jump_cache[i].pc = jump_cache_empty(i);
}

static uint8_t *compile(void)
{
    g_assert_cmpint(tcg_compile(s), ==, TCG_OK);
    return s->code_rx;
}

static uint64_t enter(const uint8_t *code) { return buf->enter(env, code); }

/* A TB that adds 1 to guest register n and leaves. */
static uint8_t *counting_tb(unsigned n, uint64_t cookie)
{
    begin();
    s->tb_cookie = cookie;
    tcg_gen_addi(s, TCG_I64, G(n), G(n), 1);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    return compile();
}

static void test_goto_tb(void)
{
    uint8_t *next[2] = { counting_tb(1, 0x1000), counting_tb(11, 0x2000) };
    begin();
    TcgLabel l = tcg_label(s);
    tcg_gen_brcondi(s, TCG_I64, TCG_COND_EQ, G(0), 0, l);
    tcg_gen_goto_tb(s, 1, 0xffffffff81000000);
    tcg_gen_label(s, l);
    tcg_gen_goto_tb(s, 0, 0x123456789abcdef0);
    uint8_t *tb = compile();
    for (unsigned slot = 0; slot < 2; slot++) {
        uint32_t jump = s->goto_tb_jump[slot], reset = s->goto_tb_reset[slot];
        g_assert_cmpint(((uintptr_t)tb + jump) % 8, <=, 4);
        for (unsigned round = 0; round < 2; round++) {
            env->head.gpr[0] = slot;
            g_assert_cmphex(enter(tb), ==, COOKIE | slot);
            g_assert_cmphex(env->head.eip, ==, slot ? 0xffffffff81000000 : 0x123456789abcdef0);
            uint64_t before = env->head.gpr[slot ? 11 : 1];
            tcg_patch_jump(buf, tb, jump, next[slot]);
            g_assert_cmphex(enter(tb), ==, (slot ? 0x2000 : 0x1000) | TB_EXIT_LOOKUP);
            g_assert_cmphex(env->head.gpr[slot ? 11 : 1], ==, before + 1);
            tcg_patch_jump(buf, tb, jump, tb + reset);
        }
    }
    begin(); /* a loop's end: the jump out is the conditional one */
    l = tcg_label(s);
    tcg_gen_brcondi(s, TCG_I64, TCG_COND_LTU, G(0), 10, l);
    tcg_gen_goto_tb(s, 0, 0x10);
    tcg_gen_label(s, l);
    tcg_gen_poll_exit(s, 0x20);
    tcg_gen_goto_tb(s, 1, 0x20);
    tb = compile();
    for (unsigned i = 5; i < 15; i++) {
        env->head.gpr[0] = i;
        tcg_patch_jump(buf, tb, s->goto_tb_jump[0], i & 1 ? tb + s->goto_tb_reset[0] : next[0]);
        g_assert_cmphex(enter(tb), ==, i < 10 ? COOKIE | 1 : i & 1 ? COOKIE : 0x1000 | TB_EXIT_LOOKUP);
    }
    begin();
    s->no_chain = true;
    tcg_gen_goto_tb(s, 0, 0x77);
    tb = compile();
    g_assert_cmphex(s->goto_tb_jump[0], ==, ~0u);
    g_assert_cmphex(enter(tb), ==, COOKIE | TB_EXIT_LOOKUP);
    g_assert_cmphex(env->head.eip, ==, 0x77);
}

static void goto_ptr_case(bool constant, uint64_t pc, uint64_t cs_base, bool is_32, unsigned reg)
{
    uint8_t *next = counting_tb(2, 0x3000);
    begin();
    s->cs_base = cs_base;
    s->eip_is_32 = is_32;
    env->head.gpr[reg] = pc;
    tcg_gen_goto_ptr(s, constant ? tcg_const(s, pc) : G(reg));
    uint8_t *tb = compile();
    uint64_t eip = is_32 ? (uint32_t)(pc - cs_base) : pc - cs_base;
    JumpCacheEntry *e = &env->jump_cache[jump_cache_index(pc)];

    g_assert_cmphex(enter(tb), ==, COOKIE | TB_EXIT_LOOKUP); /* an empty entry is not for pc */
    g_assert_cmphex(env->head.eip, ==, eip);
    *e = (JumpCacheEntry){ pc + JUMP_CACHE_SIZE, next };
    g_assert_cmphex(enter(tb), ==, COOKIE | TB_EXIT_LOOKUP);
    *e = (JumpCacheEntry){ pc, next };
    g_assert_cmphex(enter(tb), ==, 0x3000 | TB_EXIT_LOOKUP);
    env->head.eip = 0;
    env->head.gpr[reg] = pc; /* the counting TB may have changed it */
    /* as an exit request does it */
    JumpCacheEntry *none = g_new0(JumpCacheEntry, JUMP_CACHE_SLOTS);
    none[0].pc = none[JUMP_CACHE_SIZE].pc = jump_cache_empty(0);
    env->head.jump_cache = none;
    g_assert_cmphex(enter(tb), ==, COOKIE | TB_EXIT_LOOKUP);
    env->head.jump_cache = env->jump_cache;
    g_free(none);
    g_assert_cmphex(env->head.eip, ==, eip);
    g_assert_cmphex(env->head.gpr[reg], ==, pc);
}

/* Linked it holds for the page's number, whatever else is in the jump cache; otherwise that decides. */
static void test_goto_far(void)
{
    static const uint64_t pcs[] = { 0x401234, 0xffffffff81234567, 0x7fff12345678, 0 };

    for (unsigned i = 0; i < ARRAY_SIZE(pcs); i++) {
        uint64_t pc = pcs[i];
        uint8_t *linked = counting_tb(1, 0x1000), *cached = counting_tb(2, 0x2000);
        uint32_t *page = (uint32_t *)(void *)((char *)env->jump_cache + jump_page_offset(pc));
        JumpCacheEntry *e = &env->jump_cache[jump_cache_index(pc)];
        begin();
        for (unsigned k = 0; k < i; k++) /* alignments of the patched words */
            tcg_gen_addi(s, TCG_I64, G(3), G(3), 1 + k);
        tcg_gen_goto_far(s, i & 1, pc, i & 2 ? pc + 0x1234 : 0);
        uint8_t *tb = compile();
        uint32_t jump = s->goto_tb_jump[i & 1], reset = s->goto_tb_reset[i & 1];
        g_assert_cmphex(((uintptr_t)tb + jump) % 8, <=, 4);
        g_assert_cmphex(s->far_slots, ==, 1 << (i & 1));
        for (unsigned round = 0; round < 2; round++) {
            *e = (JumpCacheEntry){ pc, cached };
            *page = 0;
            if (round == 0) { /* never linked: leaves for that, whatever the page */
                g_assert_cmphex(enter(tb), ==, COOKIE | (i & 1));
                *page = 7;
                g_assert_cmphex(enter(tb), ==, COOKIE | (i & 1));
            }
            g_assert_cmphex(env->head.eip, ==, pc);
            tcg_link_far(buf, tb, jump, reset, 7, linked);
            *page = 7;
            g_assert_cmphex(enter(tb), ==, 0x1000 | TB_EXIT_LOOKUP);
            *page = 8;
            g_assert_cmphex(enter(tb), ==, 0x2000 | TB_EXIT_LOOKUP);
            e->pc = jump_cache_empty(jump_cache_index(pc));
            env->head.eip = 0x55;
            g_assert_cmphex(enter(tb), ==, COOKIE | TB_EXIT_LOOKUP);
            g_assert_cmphex(env->head.eip, ==, pc);
            *page = 7;
            /* as an exit request does it */
            JumpCacheEntry *none = g_malloc0(jump_page_offset(0) + JUMP_PAGES * sizeof(uint32_t));
            none[0].pc = none[JUMP_CACHE_SIZE].pc = jump_cache_empty(0);
            env->head.jump_cache = none;
            g_assert_cmphex(enter(tb), ==, COOKIE | TB_EXIT_LOOKUP);
            env->head.jump_cache = env->jump_cache;
            g_free(none);
            /* unlinked: leaves to be linked again, the jump aside stays */
            tcg_patch_jump(buf, tb, jump, tb + reset);
            g_assert_cmphex(enter(tb), ==, COOKIE | (i & 1));
            *e = (JumpCacheEntry){ pc, cached };
            *page = 8;
            g_assert_cmphex(enter(tb), ==, 0x2000 | TB_EXIT_LOOKUP);
            /* never to be linked */
            tcg_link_far(buf, tb, jump, reset, JUMP_PAGE_NONE, NULL);
            *page = 7;
            g_assert_cmphex(enter(tb), ==, 0x2000 | TB_EXIT_LOOKUP);
        }
        e->pc = jump_cache_empty(jump_cache_index(pc));
        *page = 0;
    }
    for (unsigned i = 0; i < 4; i++) { /* a goto_ptr */
        begin();
        s->no_chain = i == 0;
        s->no_far = i == 1;
        s->cs_base = i == 2 ? 0x10000 : 0;
        s->tb_cookie = i == 3 ? 1ull << 32 : COOKIE;
        tcg_gen_goto_far(s, 0, 0x20040, 0);
        uint8_t *tb = compile();
        g_assert_cmphex(enter(tb), ==, s->tb_cookie | TB_EXIT_LOOKUP);
        g_assert_cmphex(env->head.eip, ==, i == 2 ? 0x10040 : 0x20040);
        g_assert_cmphex(s->goto_tb_jump[0], ==, ~0u);
        s->no_far = s->no_chain = false;
        s->cs_base = 0;
    }
}

static void test_goto_ptr(void)
{
    const uint64_t pc = 0xffff800000123456;

    for (unsigned reg = 0; reg < 16; reg++) {
        goto_ptr_case(false, pc, 0, false, reg);
        goto_ptr_case(false, pc, 0x12340, true, reg);
        goto_ptr_case(true, pc, 0x12340, false, reg);
        goto_ptr_case(true, pc, 0, true, reg);
    }
    goto_ptr_case(false, 0, 0, false, 0);
    goto_ptr_case(true, 0, 0, false, 0);
    goto_ptr_case(false, ~0ull, 0, false, 0);
    goto_ptr_case(false, 0x7fff12340000, 0, false, 0);
}

/* A side jump: found in the jump cache or not, a register changed and a word stored before it, and when it is not taken. */
static void side_jump_case(uint64_t pc, uint64_t cs_base, bool is_32, unsigned reg)
{
    uint8_t *next = counting_tb(2, 0x3000);
    uint64_t eip = is_32 ? (uint32_t)(pc - cs_base) : pc - cs_base;
    begin();
    s->cs_base = cs_base;
    s->eip_is_32 = is_32;
    tcg_gen_mov(s, TCG_I64, G((reg + 5) & 15), G((reg + 4) & 15));
    tcg_gen_side_jump(s, TCG_I64, TCG_COND_NE, G(reg), tcg_const(s, 5), eip, offsetof(IrGuestEnv, scratch) + 8, 0xabcd1234);
    tcg_gen_addi(s, TCG_I64, G(7), G(7), 1);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    uint8_t *tb = compile();
    JumpCacheEntry *e = &env->jump_cache[jump_cache_index(pc)];

    for (unsigned i = 0; i < 4; i++) { /* not taken, an empty entry, another's, the target's */
        bool taken = i != 0;
        for (unsigned r = 0; r < 16; r++)
            env->head.gpr[r] = 0x100 * r;
        env->head.gpr[reg] = i ? 6 : 5;
        uint64_t moved = env->head.gpr[(reg + 4) & 15];
        memset(env->scratch, 0, 16);
        env->head.eip = 0x99;
        if (i == 2)
            *e = (JumpCacheEntry){ pc + JUMP_CACHE_SIZE, next };
        else if (i == 3)
            *e = (JumpCacheEntry){ pc, next };
        g_assert_cmphex(enter(tb), ==, (i == 3 ? 0x3000 : COOKIE) | TB_EXIT_LOOKUP);
        g_assert_cmphex(env->head.eip, ==, i == 0 || i == 3 ? 0x99 : eip);
        uint64_t word;
        memcpy(&word, env->scratch + 8, 8);
        g_assert_cmphex(word, ==, taken ? 0xabcd1234 : 0);
        for (unsigned r = 0; r < 16; r++) {
            uint64_t want = r == ((reg + 5) & 15) ? moved : r == reg ? (i ? 6 : 5) : 0x100 * r;
            g_assert_cmphex(env->head.gpr[r], ==, want + (r == 7 && !taken) + (r == 2 && i == 3));
        }
    }
}

static void test_side_jump(void)
{
    for (unsigned reg = 0; reg < 16; reg++) {
        side_jump_case(0xffff800000123456, 0, false, reg);
        side_jump_case(0x7fff12345678, 0x12340, false, reg);
        side_jump_case(0x1234, 0x12340, true, reg);
        side_jump_case(0x400000, 0, false, reg);
    }
    begin(); /* without chaining: to the loop */
    s->no_chain = true;
    tcg_gen_side_jump(s, TCG_I64, TCG_COND_EQ, G(0), tcg_const(s, 0), 0x77, 0, 0);
    tcg_gen_goto_tb(s, 0, 0x88);
    uint8_t *tb = compile();
    g_assert_cmphex(enter(tb), ==, COOKIE | TB_EXIT_LOOKUP);
    g_assert_cmphex(env->head.eip, ==, 0x77);
    begin(); /* decided at translation */
    s->no_optimize = false;
    tcg_gen_side_jump(s, TCG_I64, TCG_COND_NE, tcg_const(s, 1), tcg_const(s, 1), 0x77, 0, 0);
    tcg_gen_side_jump(s, TCG_I64, TCG_COND_EQ, tcg_const(s, 1), tcg_const(s, 1), 0x99, 0, 0);
    tcg_gen_goto_tb(s, 0, 0x88);
    tb = compile();
    g_assert_cmphex(enter(tb), ==, COOKIE | TB_EXIT_LOOKUP);
    g_assert_cmphex(env->head.eip, ==, 0x99);
}

/* A goto_ptr that misses asks C code; what that answers goes on with all guest registers. */
static const void *found;
static unsigned nb_lookups;
static uint64_t want_eip = 0x7fff12345678;
static const void *look_up(void *e)
{
    g_assert_true(e == env);
    g_assert_cmphex(env->head.eip, ==, want_eip);
    nb_lookups++;
    return found;
}

static void test_search(void)
{
    static TcgGuest guest;
    CodeBuf *old_buf = buf;
    TcgContext *old_s = s;

    guest = ir_guest;
    guest.lookup_code = look_up;
    buf = codebuf_new(8 * MiB, NULL);
    tcg_gen_prologue(buf, &guest);
    s = tcg_context_new(&guest, buf);
    uint8_t *next = counting_tb(2, 0x5000);
    for (unsigned reg = 0; reg < 16; reg++) {
        begin();
        tcg_gen_mov(s, TCG_I64, G((reg + 5) & 15), G((reg + 4) & 15));
        tcg_gen_goto_ptr(s, G(reg));
        uint8_t *tb = compile();
        for (unsigned hit = 0; hit < 2; hit++) {
            found = hit ? next : NULL;
            for (unsigned i = 0; i < 16; i++)
                env->head.gpr[i] = 0x100 * i;
            env->head.gpr[reg] = 0x7fff12345678;
            g_assert_cmphex(enter(tb), ==, hit ? 0x5000 | TB_EXIT_LOOKUP : COOKIE | TB_EXIT_LOOKUP);
            for (unsigned i = 0; i < 16; i++) {
                unsigned from = i == ((reg + 5) & 15) ? (reg + 4) & 15 : i;
                g_assert_cmphex(env->head.gpr[i], ==, (from == reg ? 0x7fff12345678 : 0x100 * from) + (hit && i == 2));
            }
        }
    }
    g_assert_cmpint(nb_lookups, ==, 32);
    /* One that is among the victims C code is not asked for, unless eip is not the linear pc. */
    g_autoptr(GRand) r = g_rand_new_with_seed(26);
    found = NULL;
    for (unsigned i = 0; i < 600; i++) {
        static const uint64_t some[] = { 0, ~0ull, 0x1000, 0xffff, 0x400000, 0xffffffff81000000 };
        uint64_t pc = i < ARRAY_SIZE(some) ? some[i] : (uint64_t)g_rand_int(r) << g_rand_int_range(r, 0, 33) | g_rand_int(r);
        bool based = i % 8 == 7;
        begin();
        s->cs_base = based ? 0x10000 : 0;
        tcg_gen_goto_ptr(s, G(3));
        uint8_t *tb = compile();
        env->head.gpr[3] = pc;
        want_eip = pc - s->cs_base;
        env->head.victim_patience = 2;
        nb_lookups = 0;
        g_assert_cmphex(enter(tb), ==, COOKIE | TB_EXIT_LOOKUP); /* nothing there */
        g_assert_cmpint(nb_lookups, ==, 1);
        env->jump_cache[jump_cache_victim(pc)] = (JumpCacheEntry){ pc, next };
        env->jump_cache[jump_cache_victim(want_eip)] = (JumpCacheEntry){ want_eip, next };
        g_assert_cmphex(enter(tb), ==, based ? COOKIE | TB_EXIT_LOOKUP : 0x5000 | TB_EXIT_LOOKUP);
        g_assert_cmpint(nb_lookups, ==, 1 + based);
        g_assert_cmpint(env->head.victim_patience, ==, 1 + based);
        env->head.victim_patience = 0; /* until patience ends */
        env->head.gpr[3] = pc;
        enter(tb);
        g_assert_cmpint(nb_lookups, ==, 2 + based);
        g_assert_cmpuint(jump_cache_victim(pc), <, JUMP_CACHE_SLOTS);
        g_assert_cmpuint(jump_cache_victim(pc), >=, JUMP_CACHE_SIZE);
    }
    tcg_context_free(s);
    codebuf_free(buf);
    buf = old_buf;
    s = old_s;
}

/* A loop's end after "cmp G(0), G(1)": both ways out are lazy, the flag globals as computed or not. */
static void lazy_case(bool computed)
{
    uint8_t *next = counting_tb(2, 0x1000);
    const uint64_t mask = 3ull << IRG_CC_DST;
    uint32_t off = offsetof(IrGuestEnv, vec);

    begin();
    TcgLabel l = tcg_label(s);
    for (unsigned slot = 0; slot < 2; slot++) {
        s->lazy_exit[slot] = (TcgLazyExit){ .dead = mask, .a = TCG_NO_TEMP, .b = TCG_NO_TEMP, .off = off, .value = 0x77 };
        if (computed)
            s->lazy_exit[slot].a = G(0).i, s->lazy_exit[slot].b = G(1).i;
    }
    tcg_gen_mov(s, TCG_I64, G(IRG_CC_SRC), G(1));
    tcg_gen_mov(s, TCG_I64, G(IRG_CC_DST), G(0));
    tcg_gen_brcond(s, TCG_I64, TCG_COND_EQ, G(0), G(1), l);
    tcg_gen_goto_tb(s, 0, 0x10);
    tcg_gen_label(s, l);
    tcg_gen_poll_exit(s, 0x20);
    tcg_gen_goto_tb(s, 1, 0x20);
    uint8_t *tb = compile();
    for (unsigned way = 0; way < 5; way++) { /* slot 0, 1 unlinked, polled, slot 0, 1 linked */
        bool out = way < 3, same = way != 0 && way != 3;
        unsigned slot = same;
        env->head.gpr[0] = same ? 0x900 : 0x950;
        env->head.gpr[1] = 0x900;
        env->head.exit_request = way == 2;
        env->cc_dst = env->cc_src = 0x5555;
        memset(env->vec, 0, 16);
        if (!out)
            tcg_patch_jump(buf, tb, s->goto_tb_jump[slot], next);
        uint64_t r = enter(tb);
        if (!out)
            tcg_patch_jump(buf, tb, s->goto_tb_jump[slot], tb + s->goto_tb_reset[slot]);
        g_assert_cmphex(r, ==, !out ? 0x1000 | TB_EXIT_LOOKUP : way == 2 ? COOKIE | TB_EXIT_POLL : COOKIE | slot);
        g_assert_cmphex(env->cc_dst, ==, out ? same ? 0x900 : 0x950 : 0x5555);
        g_assert_cmphex(env->cc_src, ==, out ? 0x900 : 0x5555);
        g_assert_cmphex(*(uint32_t *)(void *)env->vec, ==, out ? 0x77 : 0);
        if (out)
            g_assert_cmphex(env->head.eip, ==, same ? 0x20 : 0x10);
    }
}

static void test_lazy_exit(void)
{
    lazy_case(false);
    lazy_case(true);
}

static void test_goto_code(void)
{
    uint8_t *next = counting_tb(11, 0x4000);
    begin();
    tcg_gen_addi(s, TCG_I64, G(12), G(12), 1); /* must be in env for whoever comes next */
    tcg_gen_goto_code(s, G(0));
    uint8_t *tb = compile();
    env->head.gpr[0] = 0;
    g_assert_cmphex(enter(tb), ==, COOKIE | TB_EXIT_LOOKUP);
    env->head.gpr[0] = (uintptr_t)next;
    g_assert_cmphex(enter(tb), ==, 0x4000 | TB_EXIT_LOOKUP);
    g_assert_cmphex(env->head.gpr[11], ==, 0xb01);
    g_assert_cmphex(env->head.gpr[12], ==, 0xc02);
    g_assert_cmphex(env->head.eip, ==, 0xdeadbeef);
}

static void test_poll(void)
{
    begin();
    tcg_gen_add(s, TCG_I64, G(12), G(1), G(2));   /* dirty in a scratch register */
    tcg_gen_mov(s, TCG_I64, G(IRG_CC_DST), G(3)); /* alias */
    tcg_gen_movi(s, G(IRG_CC_SRC), 0x1122334455667788);
    tcg_gen_poll_exit(s, 0x4000);
    tcg_gen_movi(s, G(12), 5);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    uint8_t *tb = compile();
    env->head.exit_request = -1;
    g_assert_cmphex(enter(tb), ==, COOKIE | TB_EXIT_POLL);
    g_assert_cmphex(env->head.eip, ==, 0x4000);
    g_assert_cmphex(env->head.gpr[12], ==, 0x300);
    g_assert_cmphex(env->cc_dst, ==, 0x300);
    g_assert_cmphex(env->cc_src, ==, 0x1122334455667788);
    env->head.exit_request = 0;
    g_assert_cmphex(enter(tb), ==, COOKIE | TB_EXIT_LOOKUP);
    g_assert_cmphex(env->head.gpr[12], ==, 5);
}

/* ---- helpers ---- */

static jmp_buf raised;
static uintptr_t helper_ra;
static uint64_t mix6(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    return a + 3 * b + 5 * c + 7 * d + 11 * e + 13 * f;
}
static const TcgHelperInfo h_mix = { "mix6", mix6, HELPER_PURE, HARG_I64, 6, { HARG_I64, HARG_I64, HARG_I64, HARG_I64, HARG_I64, HARG_I64 } };
static void raise_it(IrGuestEnv *e)
{
    helper_ra = (uintptr_t)__builtin_return_address(0);
    longjmp(raised, 1);
}
static const TcgHelperInfo h_raise = { "raise", raise_it, HELPER_RAISES | HELPER_NORETURN, HARG_NONE, 1, { HARG_ENV } };
static uint32_t low(uint64_t a) { return a; }
static const TcgHelperInfo h_low = { "low", low, HELPER_PURE | HELPER_NO_VEC, HARG_I32, 1, { HARG_I64 } };

/* Arguments from all kinds of places, in an order that makes moves collide. */
static void test_helper_arguments(void)
{
    GRand *r = g_rand_new_with_seed(5);
    for (unsigned n = 0; n < 2000; n++) {
        unsigned a[6], out = g_rand_int_range(r, 0, 16);
        uint64_t v[6];
        begin();
        s->random_regs = n & 1;
        Tv t[3];
        for (unsigned i = 0; i < 3; i++) {
            t[i] = tcg_temp(s);
            tcg_gen_addi(s, TCG_I64, t[i], G(i), 1);
        }
        for (unsigned i = 0; i < 6; i++) {
            a[i] = g_rand_int_range(r, 0, 20);
            v[i] = a[i] < 16 ? env->head.gpr[a[i]] : a[i] < 19 ? env->head.gpr[a[i] - 16] + 1 : 0x123456789abcull;
        }
#define A(n) (a[n] < 16 ? G(a[n]).i : a[n] < 19 ? t[a[n] - 16].i : tcg_const(s, 0x123456789abcull).i)
        tcg_gen_call(s, &h_mix, G(out).i, 6, A(0), A(1), A(2), A(3), A(4), A(5));
        tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
        enter(compile());
        if (s->buf->ptr + 65536 > s->buf->end)
            codebuf_flush(buf);
        for (unsigned i = 0; i < 16; i++)
            g_assert_cmphex(env->head.gpr[i], ==, i == out ? mix6(v[0], v[1], v[2], v[3], v[4], v[5]) : 0x100 * i);
    }
    s->random_regs = false;
    g_rand_free(r);
    begin();
    env->head.gpr[3] = 0xffffffff12345678;
    tcg_gen_call(s, &h_low, G(0).i, 1, G(3).i);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    enter(compile());
    g_assert_cmphex(env->head.gpr[0], ==, 0x12345678);
}

static void test_helper_raises(void)
{
    begin();
    tcg_gen_insn_start(s, 0x10, 1);
    tcg_gen_addi(s, TCG_I64, G(0), G(0), 1);
    tcg_gen_insn_start(s, 0x14, 2);
    tcg_gen_addi(s, TCG_I64, G(11), G(11), 1);
    tcg_gen_mov(s, TCG_I64, G(IRG_CC_DST), G(0));
    tcg_gen_call(s, &h_raise, TCG_NO_TEMP, 1, tcg_env(s).i);
    tcg_gen_insn_start(s, 0x18, 3);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    uint8_t *tb = compile();
    if (setjmp(raised) == 0) {
        enter(tb);
        g_assert_not_reached();
    }
    g_assert_cmphex(env->head.gpr[0], ==, 1);
    g_assert_cmphex(env->head.gpr[11], ==, 0xb01);
    g_assert_cmphex(env->cc_dst, ==, 1);
    g_assert_cmpint(s->nb_calls, ==, 1);
    g_assert_cmphex(s->stub_map[0].host_end, ==, helper_ra - (uintptr_t)tb);
    g_assert_cmphex(s->stub_map[0].data[0], ==, 0x14);
    g_assert_cmphex(s->stub_map[0].data[1], ==, 2);
}

/* Translated code runs under the guest's MXCSR and leaves its sticky flags in env; C keeps its own. */
static void test_mxcsr(void)
{
    uint32_t mine = _mm_getcsr();
    begin();
    env->head.mxcsr_run = 0x7f80; /* round towards zero */
    float one = 1.0f, three = 3.0f;
    memcpy(env->vec[0], &one, 4);
    memcpy(env->vec[1], &three, 4);
    tcg_gen_simd(s, TCG_V128, IRG_VEC0, IRG_VEC0, IRG_VEC0 + 1, TCG_NO_TEMP, SIMD_PP_F3 | 0x5e | SIMD_DST_READ, 0); /* divss */
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    enter(compile());
    g_assert_cmphex(_mm_getcsr(), ==, mine);
    g_assert_cmphex(env->head.mxcsr_run, ==, 0x7fa0); /* PE */
    uint32_t third;
    memcpy(&third, env->vec[0], 4);
    g_assert_cmphex(third, ==, 0x3eaaaaaa); /* 0x3eaaaaab when rounding to nearest */
}

/* pblendvb: the mask is xmm0 whatever else lives there; all ways in which operands may coincide. */
static void test_implicit_xmm0(void)
{
    if (!tcg_host_has_simd("sse4.1"))
        return;
    for (unsigned n = 0; n < 512; n++) {
        unsigned d = n & 3, b = n >> 2 & 3, c = n >> 4 & 3;
        uint8_t v[4][16], want[16];
        begin();
        s->random_regs = n & 64;
        for (unsigned i = 0; i < 4; i++) {
            for (unsigned k = 0; k < 16; k++)
                v[i][k] = 17 * (i + 1) * (k + 3) + n;
            memcpy(env->vec[i], v[i], 16);
        }
        for (unsigned i = 0; i < (n >> 7); i++) { /* have some in registers beforehand */
            Vv t = tcg_tempv(s, TCG_V128);
            tcg_gen_movv(s, TCG_V128, t, tcg_globalv(IRG_VEC0 + i));
            tcg_gen_stv(s, TCG_V128, t, tcg_env(s), offsetof(IrGuestEnv, scratch), 16);
        }
        tcg_gen_simd(s, TCG_V128, IRG_VEC0 + d, IRG_VEC0 + d, IRG_VEC0 + b, IRG_VEC0 + c,
                     SIMD_PP_66 | SIMD_MAP_0F38 | 0x10 | SIMD_DST_READ | SIMD_XMM0, 0);
        tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
        enter(compile());
        for (unsigned k = 0; k < 16; k++)
            want[k] = v[c][k] & 0x80 ? v[b][k] : v[d][k];
        for (unsigned i = 0; i < 4; i++)
            g_assert_cmpint(memcmp(env->vec[i], i == d ? want : v[i], 16), ==, 0);
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
    g_test_add_func("/tcg/exits/goto-tb", test_goto_tb);
    g_test_add_func("/tcg/exits/goto-ptr", test_goto_ptr);
    g_test_add_func("/tcg/exits/goto-far", test_goto_far);
    g_test_add_func("/tcg/exits/side-jump", test_side_jump);
    g_test_add_func("/tcg/exits/search", test_search);
    g_test_add_func("/tcg/exits/lazy", test_lazy_exit);
    g_test_add_func("/tcg/exits/goto-code", test_goto_code);
    g_test_add_func("/tcg/exits/poll", test_poll);
    g_test_add_func("/tcg/exits/helper-arguments", test_helper_arguments);
    g_test_add_func("/tcg/exits/helper-raises", test_helper_raises);
    g_test_add_func("/tcg/exits/mxcsr", test_mxcsr);
    g_test_add_func("/tcg/exits/implicit-xmm0", test_implicit_xmm0);
    int r = g_test_run();
    ir_guest_env_free(env);
    tcg_context_free(s);
    codebuf_free(buf);
    return r;
}
