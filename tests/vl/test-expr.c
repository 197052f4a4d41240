/* test-expr.c - the monitor's expressions. */
#include "host/base/osdep.h"
#include "vl/expr.h"

static bool reg(void *opaque, const char *name, uint64_t *val)
{
    if (g_str_equal(name, "pc"))
        *val = 0x7c00;
    else if (g_str_equal(name, "r15"))
        *val = ~0ULL;
    else
        return false;
    return true;
}

static void test_values(void)
{
    static const struct { const char *text; int64_t val; const char *rest; } t[] = {
        {"2*(3+4)-1", 13, ""}, {"0x7c00", 0x7c00, ""}, {"010", 8, ""}, {" 1 + 2 ", 3, ""}, {"-1", -1, ""},
        {"~0", -1, ""}, {"'A'", 65, ""}, {"$pc+2", 0x7c02, ""}, {"$r15", -1, ""}, {"7%4*2", 6, ""},
        {"1|6&2", 2, ""}, {"2+1|4", 7, ""}, {"0x10 20", 16, "20"}, {"- - 3", 3, ""}, {"10/3", 3, ""},
        {"(-9223372036854775807-1)/-1", INT64_MIN, ""}, {"5^1", 4, ""}, {"0xffffffffffffffff", -1, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        const char *p = t[i].text;
        int64_t v = 0x5a5a;
        GError *err = NULL;
        bool ok = expr_eval(&p, reg, NULL, &v, &err);
        g_assert_no_error(err);
        g_assert_true(ok);
        g_assert_cmpint(v, ==, t[i].val);
        g_assert_cmpstr(p, ==, t[i].rest);
    }
}

static void test_errors(void)
{
    g_autofree char *deep = g_strnfill(100000, '(');
    g_autofree char *minus = g_strnfill(100000, '-');
    const struct { const char *text, *msg; } t[] = {
        {"", "unexpected end of expression"}, {"1+", "unexpected end of expression"}, {"$nosuch", "unknown register"},
        {"(1", "')' expected"}, {"1/0", "division by zero"}, {"7%(3-3)", "division by zero"}, {"xyz", "invalid char 'x'"},
        {"'a", "character constant expected"}, {"99999999999999999999", "number too large"}, {deep, "too deeply"},
        {minus, "too deeply"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        const char *p = t[i].text;
        int64_t v;
        GError *err = NULL;
        g_assert_false(expr_eval(&p, reg, NULL, &v, &err));
        g_assert_nonnull(strstr(err->message, t[i].msg));
        g_clear_error(&err);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vl/expr/values", test_values);
    g_test_add_func("/vl/expr/errors", test_errors);
    return g_test_run();
}
