/* test-guest-ldst.c - guest memory accesses in generated code: hits write nothing, what misses (misalignment, TLB flags), what a
 * slow path that raises finds in env: all guest registers, dirty globals wherever they were, and the instruction by the
 * return address; checks that accesses share, the stack's page, read-modify-write. Vectors: test-guest-vectors.c. */
#include "tests/tcg/guest-ldst-harness.h"

static void test_loads(void)
{
    static const struct { MemOp op; bool align; } modes[] = {
        { MO_8 }, { MO_16 }, { MO_32 }, { MO_64 }, { MO_8 | MO_SIGN }, { MO_16 | MO_SIGN }, { MO_32 | MO_SIGN },
        { MO_8 | MO_SIGN | MO_SIGN32 }, { MO_16 | MO_SIGN | MO_SIGN32 },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
        for (unsigned reg = 0; reg < 16; reg++) {
            MemOp op = modes[i].op;
            unsigned bits = 8 * memop_size(op);
            uint64_t want = 0;
            begin();
            env->head.gpr[6] = IRG_MEM_BASE + 0x123;
            tcg_gen_guest_ld(s, G(reg), G(6), 0x45, memopidx(op, reg % TCG_MMU_MODES));
            go();
            memcpy(&want, env->mem + 0x168, bits / 8);
            if (op & MO_SIGN)
                want = (int64_t)(want << (64 - bits)) >> (64 - bits);
            if (op & MO_SIGN32)
                want = (uint32_t)want;
            g_assert_cmphex(env->head.gpr[reg], ==, want);
            g_assert_cmpint(nb_slow, ==, 0);
        }
    }
}

static void test_alignment(void)
{
    for (unsigned size = 0; size <= 3; size++) {
        for (unsigned off = 0; off < 16; off++) {
            begin();
            env->head.gpr[1] = IRG_MEM_BASE + off;
            tcg_gen_guest_ld(s, G(2), G(1), 0x40, memopidx(size | MO_ALIGN_AC, 0));
            go();
            g_assert_cmpint(nb_slow, ==, off % (1 << size) != 0);
        }
    }
    for (unsigned off = 0; off < 32; off++) {
        begin();
        env->head.gpr[1] = IRG_MEM_BASE + off;
        tcg_gen_guest_ldv(s, TCG_V128, tcg_globalv(IRG_VEC0), G(1), 0, memopidx(MO_128 | MO_ALIGN_GP, 0));
        go();
        g_assert_cmpint(nb_slow, ==, off % 16 != 0);
        g_assert_cmpint(memcmp(env->vec[0], env->mem + off, 16), ==, 0);
    }
}

static void test_flags_divert(void)
{
    static const uint64_t flags[] = { TLB_INVALID, TLB_MMIO, TLB_NOTDIRTY, TLB_WATCH };
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
        begin();
        TlbEntry *t = &env->tlb[0][(IRG_MEM_BASE >> TCG_PAGE_BITS) & (IRG_TLB_ENTRIES - 1)];
        t->addr_write |= flags[i];
        tcg_gen_guest_ld(s, G(0), tcg_const(s, IRG_MEM_BASE + 8), 0, memopidx(MO_64, 0));
        tcg_gen_guest_st(s, G(1), tcg_const(s, IRG_MEM_BASE + 8), 0, memopidx(MO_64, 0));
        go();
        g_assert_cmpint(nb_slow, ==, 1);
        g_assert_cmphex(last_addr, ==, IRG_MEM_BASE + 8);
        g_assert_cmphex(last_val, ==, env->head.gpr[1]);
    }
}

/* What a note says of a slow path: address and value in any register, any displacement, constants. */
static void test_slow_operands(void)
{
    static const int32_t disps[] = { 0, 1, 0x7f, -0x80, 0x80, -0x1234, INT32_MAX, INT32_MIN };
    static const uint64_t consts[] = { 0, 63, 64, (uint64_t)-65, 0x7fffffff, (uint64_t)INT32_MIN, 0x123456789abcdef0 };
    for (unsigned i = 0; i < 16 * 16 * ARRAY_SIZE(disps); i++) {
        unsigned a = i % 16, v = i / 16 % 16;
        int32_t disp = disps[i / 256];
        uint64_t at;
        for (unsigned store = 0; store < 3; store++) {
            uint64_t value = consts[i % ARRAY_SIZE(consts)], old[16];
            begin();
            empty_tlb();
            env->head.gpr[a] = at = IRG_MEM_BASE + 0x4000 + 8 * i - disp;
            memcpy(old, env->head.gpr, sizeof old);
            if (store == 0)
                tcg_gen_guest_ld(s, G(v), G(a), disp, memopidx(MO_64, i % TCG_MMU_MODES));
            else
                tcg_gen_guest_st(s, store == 2 ? tcg_const(s, value) : G(v), G(a), disp, memopidx(MO_64, i % TCG_MMU_MODES));
            go();
            g_assert_cmpint(nb_slow, ==, 1);
            g_assert_cmphex(last_addr, ==, at + disp);
            g_assert_cmphex(last_oi, ==, memopidx(MO_64, i % TCG_MMU_MODES));
            if (store)
                g_assert_cmphex(last_val, ==, store == 2 ? value : old[v]);
            else
                memcpy(&old[v], env->mem + (last_addr - IRG_MEM_BASE) % IRG_MEM_SIZE, 8);
            g_assert_cmpint(memcmp(env->head.gpr, old, sizeof old), ==, 0);
        }
    }
}

/* The heart: dirty values in every kind of place, then a fault. */
static void test_fault_state(void)
{
    begin();
    empty_tlb();
    uint64_t old[16], v0[2];
    memcpy(old, env->head.gpr, sizeof old);
    memcpy(env->vec[1], "0123456789abcdef", 16);
    Tv t = tcg_temp(s);
    tcg_gen_insn_start(s, 0x1000, 7);
    tcg_gen_add(s, TCG_I64, G(0), G(0), G(3));                /* pinned */
    tcg_gen_add(s, TCG_I64, G(10), G(11), G(0));              /* unpinned: in a scratch register */
    tcg_gen_mov(s, TCG_I64, G(IRG_CC_DST), G(0));             /* alias of a pinned register */
    tcg_gen_movi(s, G(IRG_CC_SRC), 0x123456789abcdef0);       /* constant, 64 bits */
    tcg_gen_movi(s, G(IRG_CC_SRC2), -3);                      /* constant, 32 bits */
    tcg_gen_movv(s, TCG_V128, tcg_globalv(IRG_VEC0), tcg_globalv(IRG_VEC0 + 1));
    tcg_gen_insn_start(s, 0x1004, 9);
    tcg_gen_addi(s, TCG_I64, t, G(5), 0x10);
    tcg_gen_guest_ld(s, G(0), t, 0x20, memopidx(MO_32, 2));
    tcg_gen_insn_start(s, 0x1008, 11);
    tcg_gen_movi(s, G(IRG_CC_SRC), 1);
    tcg_gen_movi(s, G(10), 1);
    g_assert_true(go_raises());
    g_assert_cmphex(env->head.gpr[0], ==, old[0] + old[3]);
    g_assert_cmphex(env->head.gpr[10], ==, old[11] + old[0] + old[3]);
    for (unsigned i = 1; i < 16; i++) {
        if (i != 10)
            g_assert_cmphex(env->head.gpr[i], ==, old[i]);
    }
    g_assert_cmphex(env->cc_dst, ==, old[0] + old[3]);
    g_assert_cmphex(env->cc_src, ==, 0x123456789abcdef0);
    g_assert_cmphex(env->cc_src2, ==, (uint64_t)-3);
    memcpy(v0, env->vec[0], 16);
    g_assert_cmpint(memcmp(v0, "0123456789abcdef", 16), ==, 0);
    g_assert_cmphex(last_addr, ==, old[5] + 0x30);
    g_assert_cmphex(last_oi, ==, memopidx(MO_32, 2));
    const TcgInsnMap *m = find_stub(last_ra);
    g_assert_nonnull(m);
    g_assert_cmphex(m->data[0], ==, 0x1004);
    g_assert_cmphex(m->data[1], ==, 9);
}

/* After a slow path that returns, everything that was in a register is still there. */
static void test_slow_preserves(void)
{
    for (unsigned seed = 0; seed < 64; seed++) {
        begin();
        empty_tlb();
        s->random_regs = seed & 1;
        uint64_t old[16];
        env->head.gpr[6] = IRG_MEM_BASE;
        memcpy(old, env->head.gpr, sizeof old);
        memcpy(env->vec[0], "0123456789abcdef", 16);
        Tv a = tcg_temp(s), b = tcg_temp(s), c = tcg_temp(s);
        Vv v = tcg_tempv(s, TCG_V128);
        tcg_gen_add(s, TCG_I64, a, G(1), G(2));
        tcg_gen_add(s, TCG_I64, b, G(8), G(9));
        tcg_gen_movv(s, TCG_V128, v, tcg_globalv(IRG_VEC0));
        tcg_gen_guest_ld(s, c, G(6), 8, memopidx(MO_64, 0));
        tcg_gen_guest_st(s, tcg_const(s, 77), G(6), 0x100, memopidx(MO_32, 0));
        tcg_gen_guest_stv(s, TCG_V128, v, G(6), 0x200, memopidx(MO_128, 0));
        tcg_gen_mov(s, TCG_I64, G(12), a);
        tcg_gen_mov(s, TCG_I64, G(13), b);
        tcg_gen_mov(s, TCG_I64, G(14), c);
        tcg_gen_movv(s, TCG_V128, tcg_globalv(IRG_VEC0 + 1), v);
        go();
        uint64_t want;
        memcpy(&want, env->mem + 8, 8);
        g_assert_cmpint(nb_slow, ==, 3);
        g_assert_cmphex(env->head.gpr[12], ==, old[1] + old[2]);
        g_assert_cmphex(env->head.gpr[13], ==, old[8] + old[9]);
        g_assert_cmphex(env->head.gpr[14], ==, want);
        for (unsigned i = 0; i < 12; i++)
            g_assert_cmphex(env->head.gpr[i], ==, old[i]);
        g_assert_cmpint(env->mem[0x100], ==, 77);
        g_assert_cmpint(memcmp(env->mem + 0x200, "0123456789abcdef", 16), ==, 0);
        g_assert_cmpint(memcmp(env->vec[1], "0123456789abcdef", 16), ==, 0);
    }
    s->random_regs = false;
}

/* Accesses at one base, or one base + index * 8, share a check. Whatever page ends are near, each does what it does alone, and none but those
 * that cross one (not even all of them, test_two_pages()) takes a slow path; and once C may have changed the TLB nothing that was checked before counts. */
static void shared_checks(GRand *r, unsigned n, bool unmap)
{
    uint8_t *model = g_memdup2(env->mem, IRG_MEM_SIZE);
    uint64_t base = IRG_MEM_BASE + 0x2000 + g_rand_int_range(r, -200, 200), at = base, sp = 0, index = g_rand_int_range(r, 0, 8), want[8] = {0};
    unsigned nb_want = 0, want_slow = 0, must_slow = 0;
    const uint64_t stored = 0x1122334455667788;
    bool unmapped = false, code32 = g_rand_boolean(r);
    TcgType type = code32 ? TCG_I32 : TCG_I64;

    env->head.gpr[4] = base;
    env->head.gpr[1] = stored;
    env->head.gpr[3] = index;
    for (unsigned i = 0; i < n; i++) {
        unsigned kind = g_rand_int_range(r, 0, 6), size = g_rand_int_range(r, 0, 4);
        int32_t disp = g_rand_int_range(r, -100, 100);
        Tv a = G(4);
        uint64_t addr = at + disp;
        if (kind >= 4)
            size = MO_128;
        if (g_rand_boolean(r)) {
            Tv scaled = tcg_temp(s), sum = tcg_temp(s);
            tcg_gen_shl(s, type, scaled, G(3), tcg_const(s, 3));
            if (g_rand_boolean(r))
                tcg_gen_add(s, type, sum, scaled, a);
            else
                tcg_gen_add(s, type, sum, a, scaled);
            a = sum;
            addr += index * 8;
        }
        if (code32) { /* the front end adds by itself there */
            Tv sum = tcg_temp(s);
            tcg_gen_addi(s, TCG_I32, sum, a, disp);
            a = sum;
        }
        /* The guest does not go on behind a misaligned one, so that nobody tests again. */
        bool aligned = kind == 5 && g_rand_boolean(r) && (!(addr & 15) || i == n - 1);
        MemOpIdx oi = memopidx(size | (aligned ? MO_ALIGN_GP : 0), 1);
        uint8_t *m = model + (addr - IRG_MEM_BASE);
        bool is_slow = unmapped || (addr & ~TCG_PAGE_MASK) + (1 << size) > TCG_PAGE_SIZE || (aligned && addr & 15);
        want_slow += is_slow;
        must_slow += aligned && addr & 15;
        unmapped |= is_slow && unmap;
        if (kind <= 1 && nb_want < ARRAY_SIZE(want)) {
            memcpy(&want[nb_want], m, 1 << size);
            if (!(addr & ((1 << size) - 1)) && g_rand_boolean(r))
                oi = memopidx(size | MO_ALIGN_AC, 1);
            tcg_gen_guest_ld(s, G(8 + nb_want++), a, code32 ? 0 : disp, oi);
        } else if (kind == 4) {
            tcg_gen_guest_ldv(s, TCG_V128, tcg_globalv(IRG_VEC0 + 1), a, code32 ? 0 : disp, oi);
            tcg_gen_guest_stv(s, TCG_V128, tcg_globalv(IRG_VEC0 + 1), a, code32 ? 0 : disp, oi);
            want_slow += unmapped || is_slow;
        } else if (kind == 5) {
            memcpy(m, env->vec[0], 16);
            tcg_gen_guest_stv(s, TCG_V128, tcg_globalv(IRG_VEC0), a, code32 ? 0 : disp, oi);
        } else {
            size = MIN(size, MO_64);
            memcpy(m, &stored, 1 << size);
            bool ac = !(addr & ((1 << size) - 1)) && g_rand_boolean(r);
            tcg_gen_guest_st(s, G(1), a, code32 ? 0 : disp, memopidx(size | (ac ? MO_ALIGN_AC : 0), 1));
        }
        if (g_rand_boolean(r)) { /* push and pop */
            int step = g_rand_int_range(r, -2, 3) * 8;
            tcg_gen_addi(s, type, G(4), G(4), step);
            at += step;
            sp += step;
        }
        if (g_rand_int_range(r, 0, 4) == 0) {
            tcg_gen_addi(s, type, G(3), G(3), 1);
            index++;
        }
    }
    s->eip_is_32 = code32;
    slow_unmaps = unmap;
    go();
    slow_unmaps = s->eip_is_32 = false;
    g_assert_cmpint(nb_slow, <=, want_slow);
    g_assert_cmpint(nb_slow, >=, must_slow);
    g_assert_cmphex(env->head.gpr[4], ==, base + sp);
    for (unsigned i = 0; i < nb_want; i++)
        g_assert_cmphex(env->head.gpr[8 + i], ==, want[i]);
    g_assert_cmpint(memcmp(env->mem, model, IRG_MEM_SIZE), ==, 0);
    g_free(model);
}

static void test_shared_checks(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(39);
    for (unsigned i = 0; i < 4000; i++) {
        begin();
        memcpy(env->vec[0], "0123456789abcdef", 16);
        s->random_regs = i & 1;
        shared_checks(r, 1 + i % 12, i & 2);
    }
    s->random_regs = false;

    /* Four accesses in one page look into the TLB once. */
    begin();
    env->head.gpr[6] = IRG_MEM_BASE + 0x100;
    for (unsigned i = 0; i < 4; i++)
        tcg_gen_guest_ld(s, G(i), G(6), 8 * i, memopidx(MO_64, 0));
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    g_assert_cmpint(tcg_compile(s), ==, TCG_OK);
    g_assert_cmpuint(s->code_size, <, 4 * 40);

    /* The same with an address that is computed anew each time; one test of the alignment. */
    begin();
    for (unsigned i = 0; i < 4; i++) {
        Tv scaled = tcg_temp(s), a = tcg_temp(s);
        tcg_gen_shl(s, TCG_I64, scaled, G(5), tcg_const(s, 3));
        tcg_gen_add(s, TCG_I64, a, i & 1 ? scaled : G(6), i & 1 ? G(6) : scaled);
        tcg_gen_guest_ldv(s, TCG_V128, tcg_globalv(IRG_VEC0 + i), a, 0, memopidx(MO_128 | MO_ALIGN_GP, 0));
    }
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    g_assert_cmpint(tcg_compile(s), ==, TCG_OK);
    g_assert_cmpuint(s->code_size, <, 4 * 48);

    /* An alignment that the base's low bits do not tell: string functions walk with a pointer to the byte before. */
    for (unsigned odd = 0; odd < 2; odd++) {
        begin();
        env->head.gpr[6] = IRG_MEM_BASE + 0x100 - 1 + odd * 8;
        for (unsigned i = 0; i < 4; i++)
            tcg_gen_guest_ldv(s, TCG_V128, tcg_globalv(IRG_VEC0 + i), G(6), 1 + 16 * i, memopidx(MO_128 | MO_ALIGN_GP, 0));
        go();
        g_assert_cmpuint(s->code_size, <, 4 * 40);
        g_assert_cmpint(nb_slow, ==, odd ? 4 : 0);
    }
}

/* Accesses at the stack register (4): all in the stack's page, in turns on two, across their ends, where only loads are
 * allowed, where nothing is; each does what it should, whatever the stack's page is. */
static void test_stack_page(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(40);
    StackPage *sp = &env->head.stack[2];
    unsigned changes = 0;

    for (unsigned i = 0; i < 6000; i++) {
        unsigned kind = g_rand_int_range(r, 0, 4), size = g_rand_int_range(r, 0, 4), where = g_rand_int_range(r, 0, 8);
        static const int at[8] = { 0x1100, 0x1ff8, 0x2000, 0x2ffd, 0x0ff0, 0x3123, 0x3ffc, 0x4ff0 };
        int disp = g_rand_int_range(r, -20, 20);
        uint64_t addr = IRG_MEM_BASE + at[where] + disp;
        uint8_t *m = env->mem + (addr - IRG_MEM_BASE);
        bool load = kind == 0 || kind == 2, cross = (addr & ~TCG_PAGE_MASK) + (kind >= 2 ? 16 : 1 << size) > TCG_PAGE_SIZE;
        unsigned entry = (addr >> TCG_PAGE_BITS) & (IRG_TLB_ENTRIES - 1);
        uint64_t page = sp->page, before[3];

        begin();
        empty_stack_pages();
        sp->page = page;
        env->tlb[2][((IRG_MEM_BASE >> TCG_PAGE_BITS) + 3) & (IRG_TLB_ENTRIES - 1)].addr_write |= TLB_NOTDIRTY;
        memset(&env->tlb[2][((IRG_MEM_BASE >> TCG_PAGE_BITS) + 4) & (IRG_TLB_ENTRIES - 1)], 0xff, sizeof(TlbEntry));
        if (g_rand_int_range(r, 0, 100) == 0)
            empty_stack_pages(); /* as flushes do */
        env->head.gpr[4] = addr - disp;
        bool slow = cross || env->tlb[2][entry].addr_read != (addr & TCG_PAGE_MASK) ||
                    (!load && env->tlb[2][entry].addr_write != (addr & TCG_PAGE_MASK));
        uint64_t fill = 0x0102030405060708 + i;
        memcpy(m, &fill, sizeof fill);
        memcpy(before, m, sizeof before);
        if (kind == 0)
            tcg_gen_guest_ld(s, G(0), G(4), disp, memopidx(size, 2));
        else if (kind == 1)
            tcg_gen_guest_st(s, G(1), G(4), disp, memopidx(size, 2));
        else if (kind == 2)
            tcg_gen_guest_ldv(s, TCG_V128, tcg_globalv(IRG_VEC0), G(4), disp, memopidx(MO_128, 2));
        else
            tcg_gen_guest_stv(s, TCG_V128, tcg_globalv(IRG_VEC0), G(4), disp, memopidx(MO_128, 2));
        go();
        unsigned other = (entry + 1) & (IRG_TLB_ENTRIES - 1); /* two pages that may be accessed so: no slow path, test_two_pages() */
        uint64_t next = (addr & TCG_PAGE_MASK) + TCG_PAGE_SIZE;
        if (cross && (load ? env->tlb[2][entry].addr_read == next - TCG_PAGE_SIZE && env->tlb[2][other].addr_read == next
                           : env->tlb[2][entry].addr_write == next - TCG_PAGE_SIZE && env->tlb[2][other].addr_write == next))
            slow = false;
        g_assert_cmpint(nb_slow, ==, slow);
        if (kind == 0)
            g_assert_cmpint(memcmp(&env->head.gpr[0], m, 1 << size), ==, 0);
        else if (kind == 1)
            g_assert_cmpint(memcmp(&env->head.gpr[1], m, 1 << size) | memcmp((uint8_t *)before + (1 << size), m + (1 << size), 4), ==, 0);
        else
            g_assert_cmpint(memcmp(env->vec[0], m, 16), ==, 0);
        /* what it is now allows both */
        entry = sp->page >> TCG_PAGE_BITS & (IRG_TLB_ENTRIES - 1);
        g_assert_true(sp->page == env->head.no_page || (env->tlb[2][entry].addr_write == sp->page && env->tlb[2][entry].addr_read == sp->page &&
                                                        env->tlb[2][entry].addend == sp->addend));
        changes += sp->page != page;
    }
    g_assert_cmpint(changes, >, 500);
    empty_stack_pages();
}

static void test_rmw_arguments(void)
{
    begin();
    empty_tlb();
    env->head.gpr[7] = IRG_MEM_BASE;
    tcg_gen_guest_rmw(s, G(0), G(7), 4, G(0), memopidx(MO_16, 3), RMW_XOR | RMW_LOCK);
    go();
    g_assert_cmphex(last_addr, ==, IRG_MEM_BASE + 4);
    g_assert_cmphex(last_val, ==, 0);
    g_assert_cmphex(last_rmw, ==, RMW_XOR | RMW_LOCK);
    g_assert_cmphex(last_oi, ==, memopidx(MO_16, 3));
    g_assert_cmphex(env->head.gpr[0], ==, 0x1122334455667788);

    begin();
    empty_tlb();
    env->head.gpr[7] = IRG_MEM_BASE;
    tcg_gen_guest_cmpxchg(s, G(0), G(7), -8, G(1), G(2), memopidx(MO_32, 0), RMW_LOCK);
    uint64_t c = env->head.gpr[1], n = env->head.gpr[2];
    go();
    g_assert_cmphex(last_addr, ==, IRG_MEM_BASE - 8);
    g_assert_cmphex(last_cmp, ==, c);
    g_assert_cmphex(last_val, ==, n);
    g_assert_cmphex(env->head.gpr[0], ==, 0x1122334455667788);
}

static uint64_t model(unsigned rop, uint64_t old, uint64_t b)
{
    switch (rop) {
    case RMW_ADD: return old + b;
    case RMW_SUB: return old - b;
    case RMW_AND: return old & b;
    case RMW_OR: return old | b;
    case RMW_XOR: return old ^ b;
    case RMW_XCHG: return b;
    case RMW_NEG: return -old;
    case RMW_NOT: return ~old;
    default: return old & ~b;
    }
}

/* All operations, sizes, locked or not, old value wanted or not, result in any register. */
static void test_rmw_hits(void)
{
    for (unsigned n = 0; n < 9 * 4 * 2 * 3 * 16; n++) {
        unsigned rop = n % 9, size = n / 9 % 4, lock = n / 36 % 2, form = n / 72 % 3, reg = n / 216;
        uint64_t old = 0, b, now = 0, mask = size == 3 ? ~0ull : (1ull << (8 << size)) - 1;
        begin();
        env->head.gpr[7] = IRG_MEM_BASE + 0x801;
        memcpy(&old, env->mem + 0x801, 1 << size);
        Tv bt = form == 2 ? tcg_const(s, -77) : G(reg), d = form == 0 ? tcg_temp(s) : G(form == 1 ? reg : (reg + 1) % 16);
        b = form == 2 ? (uint64_t)-77 : env->head.gpr[reg];
        uint64_t before[16];
        memcpy(before, env->head.gpr, sizeof before);
        tcg_gen_guest_rmw(s, d, G(7), 0, bt, memopidx(size, 0), rop | (lock ? RMW_LOCK : 0));
        go();
        memcpy(&now, env->mem + 0x801, 1 << size);
        g_assert_cmpint(nb_slow, ==, 0);
        g_assert_cmphex(now, ==, model(rop, old, b) & mask);
        if (form)
            before[form == 1 ? reg : (reg + 1) % 16] = old;
        for (unsigned i = 0; i < 16; i++)
            g_assert_cmphex(env->head.gpr[i], ==, before[i]);
    }
}

static void test_cmpxchg_hits(void)
{
    for (unsigned n = 0; n < 4 * 2 * 16 * 3; n++) {
        unsigned size = n % 4, equal = n / 4 % 2, reg = n / 8 % 16, role = n / 128;
        uint64_t old = 0, now = 0, mask = size == 3 ? ~0ull : (1ull << (8 << size)) - 1;
        begin();
        env->head.gpr[7] = IRG_MEM_BASE + 0x80a;
        memcpy(&old, env->mem + 0x80a, 1 << size);
        unsigned rd = role == 0 ? reg : 0, rc = role == 1 ? reg : 0, rn = role == 2 ? reg : 3;
        if (rc == 7 || rn == 7 || (equal && rc == rn))
            continue;
        if (equal)
            env->head.gpr[rc] = old | (~mask & 0x5555555555555555);
        uint64_t cmp = env->head.gpr[rc], val = env->head.gpr[rn];
        bool hit = ((cmp ^ old) & mask) == 0;
        tcg_gen_guest_cmpxchg(s, G(rd), G(7), 0, G(rc), G(rn), memopidx(size, 0), n & 1 ? RMW_LOCK : 0);
        go();
        memcpy(&now, env->mem + 0x80a, 1 << size);
        g_assert_cmpint(nb_slow, ==, 0);
        g_assert_cmphex(now, ==, hit ? val & mask : old);
        g_assert_cmphex(env->head.gpr[rd], ==, old);
        if (rn != rd)
            g_assert_cmphex(env->head.gpr[rn], ==, val);
    }
}

/* Two processors add to one location with lock; nothing is lost. */
static TcgContext *loop_ctx;
static gpointer adder(gpointer arg)
{
    IrGuestEnv *e = arg;
    for (unsigned i = 0; i < 200000; i++)
        buf->enter(e, loop_ctx->code_rx);
    return NULL;
}

static void test_lock_is_atomic(void)
{
    IrGuestEnv *e[2];
    begin();
    tcg_gen_guest_rmw(s, G(0), G(7), 0, tcg_const(s, 3), memopidx(MO_32, 0), RMW_ADD | RMW_LOCK);
    tcg_gen_guest_rmw(s, G(0), G(7), 4, tcg_const(s, 1), memopidx(MO_32, 0), RMW_XOR | RMW_LOCK);
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    g_assert_cmpint(tcg_compile(s), ==, TCG_OK);
    loop_ctx = s;
    uint32_t start[2], end[2];
    memcpy(start, env->mem, 8);
    GThread *th[2];
    for (unsigned i = 0; i < 2; i++) {
        e[i] = ir_guest_env_new();
        e[i]->head.gpr[7] = IRG_MEM_BASE;
        memcpy(e[i]->tlb, env->tlb, sizeof env->tlb); /* both see env's memory */
        th[i] = g_thread_new("adder", adder, e[i]);
    }
    for (unsigned i = 0; i < 2; i++)
        g_thread_join(th[i]);
    memcpy(end, env->mem, 8);
    g_assert_cmphex(end[0], ==, start[0] + 3 * 400000);
    g_assert_cmphex(end[1], ==, start[1]); /* an even number of flips */
    for (unsigned i = 0; i < 2; i++)
        ir_guest_env_free(e[i]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    harness_start();
    g_test_add_func("/tcg/guest-ldst/loads", test_loads);
    g_test_add_func("/tcg/guest-ldst/alignment", test_alignment);
    g_test_add_func("/tcg/guest-ldst/tlb-flags-divert", test_flags_divert);
    g_test_add_func("/tcg/guest-ldst/fault-state", test_fault_state);
    g_test_add_func("/tcg/guest-ldst/slow-path-preserves", test_slow_preserves);
    g_test_add_func("/tcg/guest-ldst/slow-operands", test_slow_operands);
    g_test_add_func("/tcg/guest-ldst/shared-checks", test_shared_checks);
    g_test_add_func("/tcg/guest-ldst/stack-page", test_stack_page);
    g_test_add_func("/tcg/guest-ldst/rmw-arguments", test_rmw_arguments);
    g_test_add_func("/tcg/guest-ldst/rmw-hits", test_rmw_hits);
    g_test_add_func("/tcg/guest-ldst/cmpxchg-hits", test_cmpxchg_hits);
    g_test_add_func("/tcg/guest-ldst/lock-is-atomic", test_lock_is_atomic);
    return harness_run();
}
