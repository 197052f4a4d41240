/* test-guest-vectors.c - guest memory accesses in generated code: those across pages, vectors, and loads that are another
 * instruction's operand in memory. */
#include "tests/tcg/guest-ldst-harness.h"

static void test_page_crossing(void)
{
    for (unsigned size = 0; size <= 3; size++) {
        for (unsigned off = 0xff0; off <= 0x1000; off++) {
            bool crosses = off < 0x1000 && off + (1 << size) > 0x1000;
            uint64_t want = 0;
            begin();
            env->head.gpr[8] = IRG_MEM_BASE + off - 5;
            tcg_gen_guest_ld(s, G(2), G(8), 5, memopidx(size, 1));
            tcg_gen_guest_st(s, G(2), G(8), 0x2005, memopidx(size, 1));
            go();
            memcpy(&want, env->mem + off, 1 << size);
            g_assert_cmphex(env->head.gpr[2], ==, want);
            g_assert_cmpint(memcmp(env->mem + off, env->mem + off + 0x2000, 1 << size), ==, 0);
            g_assert_cmpint(nb_slow, ==, crosses ? 2 : 0);
        }
    }
}

enum { PAGE_B = IRG_MEM_BASE + 0x2000 };
static TlbEntry *entry_b(void) { return &env->tlb[1][(PAGE_B >> TCG_PAGE_BITS) & (IRG_TLB_ENTRIES - 1)]; }

/* An access on two pages, whose memory lies in two places: by frame_cross(), if the TLB has both without a flag. */
static void test_two_pages(void)
{
    static uint8_t other[TCG_PAGE_SIZE];
    TlbEntry saved;

    begin();
    saved = *entry_b();
    for (unsigned size = 2; size <= 32; size *= 2)
        for (unsigned first = 1; first < size; first++)
            for (unsigned write = 0; write < 2; write++)
                for (unsigned bad = 0; bad < 2; bad++) {
                    uint8_t *a = env->mem + 0x2000 - first, buf[40], was[sizeof buf], mem[64], want[64];
                    for (unsigned i = 0; i < 32; i++) {
                        env->mem[0x2000 - 32 + i] = 100 + i;
                        other[i] = 132 + i;
                        buf[i] = i;
                    }
                    memset(buf + 32, 0xee, 8);
                    memcpy(was, buf, sizeof buf);
                    *entry_b() = saved;
                    entry_b()->addend = (uintptr_t)other - PAGE_B;
                    if (bad)
                        *(write ? &entry_b()->addr_write : &entry_b()->addr_read) |= write ? TLB_NOTDIRTY : TLB_WATCH;
                    memcpy(want, env->mem + 0x2000 - 32, 32);
                    memcpy(want + 32, other, 32);
                    uint32_t ctl = size | (write ? CROSS_WRITE : size > 8 ? CROSS_ZERO : 0) | 1 << CROSS_MMU_SHIFT;
                    g_assert_cmpint(frame_cross(&env->head, PAGE_B - first, buf, ctl), ==, bad);
                    memcpy(mem, env->mem + 0x2000 - 32, 32);
                    memcpy(mem + 32, other, 32);
                    if (write && !bad)
                        memcpy(want + 32 - first, was, size);
                    g_assert_cmpint(memcmp(mem, want, 64), ==, 0);
                    if (write || bad) {
                        g_assert_cmpint(memcmp(buf, was, sizeof buf), ==, 0);
                        continue;
                    }
                    memcpy(was, a, first);
                    memcpy(was + first, other, size - first);
                    memset(was + size, 0, (size > 8 ? 32 : 8) - size);
                    g_assert_cmpint(memcmp(buf, was, size > 8 ? 32 : 8), ==, 0);
                    g_assert_cmpint(memcmp(buf + 32, was + 32, 8), ==, 0);
                }
    /* In code: registers and other vectors stay, a store's neighbours too. */
    for (unsigned first = 1; first < 16; first++) {
        begin();
        *entry_b() = saved;
        entry_b()->addend = (uintptr_t)other - PAGE_B;
        env->head.gpr[6] = PAGE_B - first;
        memcpy(env->vec[0], "0123456789abcdef", 16);
        memcpy(env->vec[1], "ABCDEFGHIJKLMNOP", 16);
        Tv sum = tcg_temp(s);
        tcg_gen_add(s, TCG_I64, sum, G(0), G(1));
        uint64_t want_sum = env->head.gpr[0] + env->head.gpr[1];
        tcg_gen_guest_stv(s, TCG_V128, tcg_globalv(IRG_VEC0), G(6), 0, memopidx(MO_128, 1));
        tcg_gen_guest_ldv(s, TCG_V128, tcg_globalv(IRG_VEC0 + 2), G(6), 0, memopidx(MO_128, 1));
        tcg_gen_mov(s, TCG_I64, G(9), sum);
        tcg_gen_simd(s, TCG_V128, tcg_globalv(IRG_VEC0 + 3).i, tcg_globalv(IRG_VEC0 + 1).i, tcg_globalv(IRG_VEC0 + 1).i, TCG_NO_TEMP, 0x28, 0);
        go();
        g_assert_cmpint(nb_slow, ==, 0);
        g_assert_cmpint(memcmp(env->mem + 0x2000 - first, "0123456789abcdef", first), ==, 0);
        g_assert_cmpint(memcmp(other, "0123456789abcdef" + first, 16 - first), ==, 0);
        g_assert_cmpint(memcmp(env->vec[2], "0123456789abcdef", 16), ==, 0);
        g_assert_cmpint(memcmp(env->vec[3], "ABCDEFGHIJKLMNOP", 16), ==, 0);
        g_assert_cmphex(env->head.gpr[9], ==, want_sum);
        for (unsigned i = 0; i < 9; i++)
            g_assert_cmphex(env->head.gpr[i], ==, i == 6 ? PAGE_B - first : 0x1010101010101010 * (i & 7) + i);
    }
    *entry_b() = saved;
}

/* A load that is the operand of one ALU op is part of the host's instruction: alone and in a group, as a hit, across pages, and by a
 * slow path. */
static void test_operands(void)
{
    typedef void Gen3(TcgContext *, TcgType, Tv, Tv, Tv);
    static Gen3 *const gen[] = { tcg_gen_add, tcg_gen_sub, tcg_gen_and, tcg_gen_or, tcg_gen_xor };
    unsigned bytes[2];

    for (unsigned i = 0; i < 5 * 2 * 2 * 3 * 2; i++) {
        unsigned op = i % 5, wide = i / 5 % 2, swap = i / 10 % 2, where = i / 20 % 3, group = i / 60;
        if (swap && op == 1)
            continue;
        begin();
        s->random_regs = i & 1;
        uint64_t addr = IRG_MEM_BASE + 0x2000 - (where == 1 ? 3 : 0x40), m = 0, want, g = env->head.gpr[0] | 1ull << 40;
        memcpy(&m, env->mem + (addr - IRG_MEM_BASE), wide ? 8 : 4);
        env->head.gpr[0] = g;
        env->head.gpr[6] = addr;
        if (where == 2)
            empty_tlb();
        Tv t = tcg_temp(s), g0 = G(0);
        TcgType type = wide ? TCG_I64 : TCG_I32;
        if (group)
            tcg_gen_guest_ld(s, G(7), G(6), -16, memopidx(MO_64, 1));
        tcg_gen_guest_ld(s, t, G(6), 0, memopidx(wide ? MO_64 : MO_32, 1));
        gen[op](s, type, g0, swap ? t : g0, swap ? g0 : t);
        want = op == 0 ? g + m : op == 1 ? g - m : op == 2 ? (g & m) : op == 3 ? (g | m) : g ^ m;
        go();
        g_assert_cmphex(env->head.gpr[0], ==, wide ? want : (uint32_t)want);
        g_assert_cmphex(env->head.gpr[6], ==, addr);
        if (where == 2)
            ir_guest_env_map(env);
    }
    s->random_regs = false;
    for (unsigned i = 0; i < 2; i++) { /* the same without: what is added is wanted elsewhere */
        begin();
        Tv t = tcg_temp(s);
        tcg_gen_guest_ld(s, t, G(6), 0, memopidx(MO_64, 1));
        tcg_gen_add(s, TCG_I64, G(0), G(0), t);
        if (i)
            tcg_gen_add(s, TCG_I64, G(1), G(1), t);
        tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
        g_assert_cmpint(tcg_compile(s), ==, TCG_OK);
        bytes[i] = s->code_size;
    }
    g_assert_cmpuint(bytes[1] - bytes[0], >, 3); /* one addition, and the load of its own */
}

/* The same for vectors: d = a <op> memory, also d += with d the old value, in each way an access may go. */
static void test_vector_operands(void)
{
    for (unsigned i = 0; i < 4 * 3 * 2 * 2; i++) {
        unsigned form = i % 4, where = i / 4 % 3, group = i / 12 % 2;
        bool legacy = form == 3;
        uint32_t want[4], m[4], v0[4], v1[4];
        begin();
        s->random_regs = i / 24;
        uint64_t addr = IRG_MEM_BASE + 0x2000 - (where == 1 && !legacy ? 5 : 0x40);
        memcpy(m, env->mem + (addr - IRG_MEM_BASE), 16);
        for (unsigned k = 0; k < 4; k++) {
            v0[k] = 0x1000000 * k + 7;
            v1[k] = 0x11111 * k + 1;
        }
        memcpy(env->vec[0], v0, 16);
        memcpy(env->vec[1], v1, 16);
        env->head.gpr[6] = addr;
        if (where == 2)
            empty_tlb();
        Vv t = tcg_tempv(s, TCG_V128), a = tcg_globalv(IRG_VEC0), b = tcg_globalv(IRG_VEC0 + 1);
        Tv g = tcg_temp(s);
        tcg_gen_add(s, TCG_I64, g, G(0), G(1)); /* lives over the access */
        uint64_t sum = env->head.gpr[0] + env->head.gpr[1];
        if (group)
            tcg_gen_guest_ld(s, G(7), G(6), -16, memopidx(MO_64, 1));
        tcg_gen_guest_ldv(s, TCG_V128, t, G(6), 0, memopidx(MO_128 | (legacy ? MO_ALIGN_GP : 0), 1));
        if (legacy) /* paddd */
            tcg_gen_simd(s, TCG_V128, a.i, a.i, t.i, TCG_NO_TEMP, SIMD_PP_66 | 0xfe | SIMD_DST_READ, 0);
        else if (form == 2) /* vpshufd: nothing else is read */
            tcg_gen_simd(s, TCG_V128, a.i, t.i, t.i, TCG_NO_TEMP, SIMD_PP_66 | SIMD_IMM8 | 0x70 | SIMD_VEX, 0xe4);
        else /* vpaddd, in place or not */
            tcg_gen_simd(s, TCG_V128, a.i, form ? b.i : a.i, t.i, TCG_NO_TEMP, SIMD_PP_66 | 0xfe | SIMD_VEX | SIMD_VVVV, 0);
        tcg_gen_mov(s, TCG_I64, G(9), g);
        for (unsigned k = 0; k < 4; k++)
            want[k] = m[k] + (form == 2 ? 0 : form == 1 ? v1[k] : v0[k]);
        if (!host_features.avx && !legacy)
            continue;
        go();
        g_assert_cmpint(memcmp(env->vec[0], want, 16), ==, 0);
        g_assert_cmpint(memcmp(env->vec[1], v1, 16), ==, 0);
        g_assert_cmphex(env->head.gpr[9], ==, sum);
        g_assert_cmpint(nb_slow, ==, where == 2 ? 1 + group : 0);
        if (where == 2)
            ir_guest_env_map(env);
    }
    s->random_regs = false;
}

static void test_vectors(void)
{
    static const MemOp ops[] = { MO_32, MO_64, MO_128 };
    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
        for (unsigned miss = 0; miss < 2; miss++) {
            unsigned size = memop_size(ops[i]);
            begin();
            if (miss)
                empty_tlb();
            memset(env->vec[2], 0xee, 16);
            env->head.gpr[11] = IRG_MEM_BASE + 3;
            tcg_gen_guest_ldv(s, TCG_V128, tcg_globalv(IRG_VEC0 + 2), G(11), 0, memopidx(ops[i], 0));
            tcg_gen_guest_stv(s, TCG_V128, tcg_globalv(IRG_VEC0 + 2), G(11), 0x40, memopidx(ops[i], 0));
            go();
            uint8_t want[16] = { 0 };
            memcpy(want, env->mem + 3, size);
            g_assert_cmpint(memcmp(env->vec[2], want, 16), ==, 0);
            g_assert_cmpint(memcmp(env->mem + 0x43, want, size), ==, 0);
            g_assert_cmpint(nb_slow, ==, miss * 2);
        }
    }
    if (!tcg_host_has_simd("avx"))
        return;
    for (unsigned miss = 0; miss < 2; miss++) { /* 256 bits, kept in a register over slow paths */
        begin();
        if (miss)
            empty_tlb();
        env->head.gpr[11] = IRG_MEM_BASE + 3;
        Vv v = tcg_tempv(s, TCG_V256), w = tcg_tempv(s, TCG_V256);
        tcg_gen_guest_ldv(s, TCG_V256, v, G(11), 0, memopidx(MO_256, 0));
        tcg_gen_movv(s, TCG_V256, w, v);
        tcg_gen_guest_ldv(s, TCG_V256, v, G(11), 0x100, memopidx(MO_64, 0));
        tcg_gen_guest_stv(s, TCG_V256, w, G(11), 0x40, memopidx(MO_256, 0));
        tcg_gen_guest_stv(s, TCG_V256, v, G(11), 0x80, memopidx(MO_256, 0));
        go();
        uint8_t want[32] = { 0 };
        memcpy(want, env->mem + 0x103, 8);
        g_assert_cmpint(memcmp(env->mem + 0x43, env->mem + 3, 32), ==, 0);
        g_assert_cmpint(memcmp(env->mem + 0x83, want, 32), ==, 0);
        g_assert_cmpint(nb_slow, ==, miss * 4);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    harness_start();
    g_test_add_func("/tcg/guest-vectors/page-crossing", test_page_crossing);
    g_test_add_func("/tcg/guest-vectors/two-pages", test_two_pages);
    g_test_add_func("/tcg/guest-vectors/operands", test_operands);
    g_test_add_func("/tcg/guest-vectors/vector-operands", test_vector_operands);
    g_test_add_func("/tcg/guest-vectors/vectors", test_vectors);
    return harness_run();
}
