/* test-flags.c - the lazy flags: every family evaluated exhaustively at 8 bits against a plain bit-level
 * definition, wider sizes by agreement with the sign-extended 8-bit case; EFLAGS composition.
 * SDM vol. 1, 3.4.3. */
#include "host/base/osdep.h"
#include "target-x86/flags.h"
#include "target-x86/helper.h"

static uint32_t zsp8(uint8_t v)
{
    return (v ? 0 : CC_Z) | (v & 0x80 ? CC_S : 0) | (__builtin_popcount(v) & 1 ? 0 : CC_P);
}

/* a + b + c or a - b - c with the flags that the definition gives */
static uint32_t add_flags(unsigned a, unsigned b, unsigned c, bool sub, uint8_t *res)
{
    int s = sub ? (int)(int8_t)a - (int8_t)b - (int)c : (int)(int8_t)a + (int8_t)b + (int)c;
    int u = sub ? (int)a - (int)b - (int)c : (int)a + (int)b + (int)c;
    int h = sub ? (int)(a & 15) - (int)(b & 15) - (int)c : (int)(a & 15) + (int)(b & 15) + (int)c;

    *res = u;
    return zsp8(u) | (u < 0 || u > 255 ? CC_C : 0) | (s < -128 || s > 127 ? CC_O : 0) | (h < 0 || h > 15 ? CC_A : 0);
}

static void check(CCOp op, uint64_t dst, uint64_t src, uint64_t src2, uint32_t want, uint32_t mask)
{
    uint32_t all = helper_cc_compute_all(dst, src, src2, op);

    g_assert_cmphex(all & mask, ==, want & mask);
    g_assert_cmphex(helper_cc_compute_c(dst, src, src2, op), ==, all & CC_C);
    if (cc_op_has_size(op) && cc_op_size(op) < MO_64) { /* rubbish above the operand does not matter */
        uint64_t junk = ~0ULL << (8u << cc_op_size(op));
        g_assert_cmphex(helper_cc_compute_all(dst ^ junk, src ^ junk, src2, op), ==, all);
    }
}

static void test_add_sub(void)
{
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            for (unsigned c = 0; c < 2; c++) {
                uint8_t r;
                uint32_t f = add_flags(a, b, c, false, &r);
                check(CC_OP_ADCB, r, b, c, f, CC_MASK);
                if (!c)
                    check(CC_OP_ADDB, r, b, 0, f, CC_MASK);
                f = add_flags(a, b, c, true, &r);
                check(CC_OP_SBBB, r, b, c, f, CC_MASK);
                if (!c)
                    check(CC_OP_SUBB, r, b, 0, f, CC_MASK), check(CC_OP_CMPB, a, b, 0, f, CC_MASK);
            }
}

static void test_unary(void)
{
    for (unsigned a = 0; a < 256; a++) {
        uint8_t r;
        uint32_t f;
        for (unsigned c = 0; c < 2; c++) {
            f = add_flags(a, 1, 0, false, &r);
            check(CC_OP_INCB, r, c, 0, (f & ~CC_C) | c, CC_MASK);
            f = add_flags(a, 1, 0, true, &r);
            check(CC_OP_DECB, r, c, 0, (f & ~CC_C) | c, CC_MASK);
        }
        f = add_flags(0, a, 0, true, &r);
        check(CC_OP_NEGB, r, 0, 0, f, CC_MASK);
        check(CC_OP_LOGICB, a, 0, 0, zsp8(a), CC_MASK & ~CC_A);
    }
}

static void test_shift_mul(void)
{
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned n = 1; n < 8; n++) {
            uint8_t left = a << n, right = a >> n, arith = (int8_t)a >> n;
            check(CC_OP_SHLB, left, (uint8_t)(a << (n - 1)), 0, zsp8(left) | (a >> (8 - n) & 1), CC_MASK & ~(CC_A | CC_O));
            check(CC_OP_SARB, right, (uint8_t)(a >> (n - 1)), 0, zsp8(right) | (a >> (n - 1) & 1), CC_MASK & ~(CC_A | CC_O));
            check(CC_OP_SARB, arith, (uint8_t)((int8_t)a >> (n - 1)), 0, zsp8(arith) | (a >> (n - 1) & 1), CC_MASK & ~(CC_A | CC_O));
        }
        check(CC_OP_SHLB, (uint8_t)(a << 1), a, 0, ((a << 1 ^ a) & 0x80) ? CC_O : 0, CC_O);
        check(CC_OP_SARB, a >> 1, a, 0, a & 0x80 ? CC_O : 0, CC_O);
        for (unsigned b = 0; b < 256; b++) {
            unsigned u = a * b;
            int s = (int8_t)a * (int8_t)b;
            check(CC_OP_MULB, u & 0xff, u >> 8, 0, u > 255 ? CC_O | CC_C : 0, CC_O | CC_C);
            check(CC_OP_IMULB, s & 0xff, a, b, s != (int8_t)s ? CC_O | CC_C : 0, CC_O | CC_C);
            check(CC_OP_SMULB, s & 0xff, (unsigned)s >> 8 & 0xff, 0, s != (int8_t)s ? CC_O | CC_C : 0, CC_O | CC_C);
        }
    }
}

/* The wider sizes use the same formulas: shift the 8-bit operands to the top, flags but PF and AF agree. */
static void test_sizes(void)
{
    static const CCOp family[] = { CC_OP_ADDB, CC_OP_SUBB };
    for (unsigned f = 0; f < 2; f++)
        for (unsigned size = MO_16; size <= MO_64; size++)
            for (unsigned a = 0; a < 256; a += 3)
                for (unsigned b = 0; b < 256; b++) {
                    unsigned up = (8u << size) - 8;
                    uint8_t r;
                    uint32_t want = add_flags(a, b, 0, f == 1, &r);
                    check(family[f] + size, (uint64_t)r << up, (uint64_t)b << up, 0, want, CC_MASK & ~(CC_P | CC_A));
                    if (f == 1)
                        check(CC_OP_CMPB + size, (uint64_t)a << up, (uint64_t)b << up, 0, want, CC_MASK & ~(CC_P | CC_A));
                }
}

static void test_rotate(void)
{
    for (unsigned bits = 0; bits < 8; bits++) {
        uint64_t src = (bits & 1) | (bits & 2) | (bits & 4 ? 0x10 : 0);
        for (unsigned size = MO_8; size <= MO_64; size++)
            g_assert_cmphex(helper_cc_compute_all(0, src, 0, CC_OP_ROTB + size), ==,
                            CC_Z | CC_P | (bits & 1 ? CC_C : 0) | (bits & 2 ? CC_O : 0) | (bits & 4 ? CC_A : 0));
    }
}

/* An INC or DEC over other flags: CF is theirs, whatever they are. */
static void test_over(void)
{
    CPUX86State *env = g_new0(CPUX86State, 1);

    env->eflags = 2;
    env->df = 1;
    for (unsigned c = 0; c < 2; c++) {
        env->cc_op = CC_OP_SUBL | CC_OP_DECQ << CC_OVER_SHIFT;
        env->cc_dst = 0u - c; /* 0 - c */
        env->cc_src = c;
        env->cc_inc = INT64_MAX;
        g_assert_cmphex(cpu_compute_eflags(env), ==, 2 | CC_O | CC_A | CC_P | c);
        env->cc_op = CC_OP_ADX | CC_OP_INCL << CC_OVER_SHIFT;
        env->cc_dst = c;
        env->cc_src = CC_MASK;
        env->cc_inc = 0;
        g_assert_cmphex(cpu_compute_eflags(env), ==, 2 | CC_Z | CC_A | CC_P | c);
    }
    for (unsigned bits = 0; bits < 4; bits++) {
        uint32_t co = (bits & 1 ? CC_C : 0) | (bits & 2 ? CC_O : 0);
        g_assert_cmphex(helper_cc_compute_all(bits & 1, CC_Z | CC_A | CC_O | CC_C, bits >> 1, CC_OP_ADX), ==, CC_Z | CC_A | co);
        g_assert_cmphex(helper_cc_compute_all(bits & 1, 1ull << 32, bits >> 1, CC_OP_ADX_LOGICL), ==, CC_Z | CC_P | co);
        g_assert_cmphex(helper_cc_compute_all(bits & 1, 0, bits >> 1, CC_OP_ADX_INCQ), ==, CC_Z | CC_P | CC_A | co);
        g_assert_cmphex(helper_cc_compute_all(bits & 1, ~0ull, bits >> 1, CC_OP_ADX_DECQ), ==, CC_S | CC_P | CC_A | co);
        g_assert_cmphex(helper_cc_compute_c(bits & 1, 0, bits >> 1, CC_OP_ADX_DECL), ==, bits & 1);
    }
    g_free(env);
}

static void test_eflags(void)
{
    CPUX86State *env = g_new0(CPUX86State, 1);

    env->eflags = 2 | EFL_IF;
    env->df = -1;
    env->cc_op = CC_OP_SUBL;
    env->cc_dst = 0;
    g_assert_cmphex(cpu_compute_eflags(env), ==, 2 | EFL_IF | EFL_DF | CC_Z | CC_P);
    cpu_load_eflags(env, CC_C, CC_C | CC_Z | EFL_DF); /* only these change */
    g_assert_cmphex(cpu_compute_eflags(env), ==, 2 | EFL_IF | CC_P | CC_C);
    cpu_load_eflags(env, 0xffffffff, CC_MASK);
    g_assert_cmphex(cpu_compute_eflags(env), ==, 2 | EFL_IF | CC_MASK);
    g_assert_cmpint(env->df, ==, 1);
    g_free(env);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/target-x86/flags/add-sub", test_add_sub);
    g_test_add_func("/target-x86/flags/inc-dec-neg-logic", test_unary);
    g_test_add_func("/target-x86/flags/shift-mul", test_shift_mul);
    g_test_add_func("/target-x86/flags/sizes", test_sizes);
    g_test_add_func("/target-x86/flags/rotate", test_rotate);
    g_test_add_func("/target-x86/flags/over-adx", test_over);
    g_test_add_func("/target-x86/flags/eflags", test_eflags);
    return g_test_run();
}
