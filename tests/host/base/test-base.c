/* test-base.c - log items, filter, file name; errors; code memory seen twice. */
#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "host/base/log.h"
#include "host/base/mem.h"

static void test_log_mask(void)
{
    GError *err = NULL;
    int m = 0;

    g_assert_true(log_parse_mask("in_asm,op_opt", &m, &err));
    g_assert_cmphex((unsigned)m, ==, LOG_TB_IN_ASM | LOG_TB_OP_OPT);
    g_assert_true(log_parse_mask("none", &m, &err));
    g_assert_cmpint(m, ==, 0);
    g_assert_false(log_parse_mask("in_asm,bogus", &m, &err));
    g_assert_nonnull(strstr(err->message, "'bogus'"));
    g_clear_error(&err);
    for (const LogItem *i = log_items; i->name; i++)
        g_assert_true(i->help && *i->help);
}

static void test_log_filter(void)
{
    GError *err = NULL;

    g_assert_true(log_addr_in_filter(0x1234));
    g_assert_true(log_set_filter("0x8000..0x8fff,0xffffffff80000000+0x1000,0x2000-0x10", &err));
    g_assert_true(log_addr_in_filter(0x8fff));
    g_assert_false(log_addr_in_filter(0x9000));
    g_assert_true(log_addr_in_filter(0xffffffff80000fff));
    g_assert_false(log_addr_in_filter(0xffffffff80001000));
    g_assert_true(log_addr_in_filter(0x1ff1));
    g_assert_false(log_addr_in_filter(0x1ff0));
    g_assert_false(log_set_filter("0x10..", &err));
    g_clear_error(&err);
    g_assert_false(log_set_filter("5..4", &err));
    g_clear_error(&err);
    g_assert_true(log_set_filter("", &err) || err);
    g_clear_error(&err);
}

static void test_log_file(void)
{
    g_autofree char *dir = g_dir_make_tmp("vireo-log-XXXXXX", NULL), *spec = g_strdup_printf("%s/l-%%d", dir),
                    *path = g_strdup_printf("%s/l-%d", dir, (int)getpid()), *text = NULL;
    GError *err = NULL;

    g_assert_true(log_set_file(spec, &err));
    g_assert_true(log_set_mask(LOG_INT, &err));
    log_print(LOG_INT, "hello %d\n", 5);
    log_print(LOG_MMU, "not this\n");
    g_assert_true(log_set_mask(0, &err));
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "hello 5\n");
    g_assert_false(log_set_file("/nonexistent/x", &err) && log_set_mask(LOG_INT, &err));
    g_clear_error(&err);
    g_assert_false(log_set_file("%d%d", &err));
    g_clear_error(&err);
    g_assert_true(log_set_file(NULL, &err));
    remove(path);
    rmdir(dir);
}

static void test_code_memory(void)
{
    void *rw, *rx;
    uint8_t *ram = mem_alloc_ram(5 * MiB, NULL);
    GError *err = NULL;

    g_assert_nonnull(ram);
    ram[5 * MiB - 1] = ram[4096] = ram[100] = ram[199] = ram[200] = 1;
    mem_clear_ram(ram + 100, 100); /* not whole pages: nothing around them goes */
    g_assert_cmpuint(ram[100] | ram[199], ==, 0);
    g_assert_cmpuint(ram[200] & ram[4096], ==, 1);
    mem_clear_ram(ram, 5 * MiB);
    g_assert_cmpuint(ram[200] | ram[4096] | ram[5 * MiB - 1], ==, 0);
    mem_free(ram, 5 * MiB);
    g_assert_null(mem_alloc_ram((size_t)1 << 62, &err));
    g_assert_nonnull(err);
    g_clear_error(&err);
    g_assert_true(mem_alloc_code(65536, &rw, &rx, NULL));
    stl32(rw, 0xc3c3c3c3);
    g_assert_cmphex(ldl32(rx), ==, 0xc3c3c3c3);
    ((void (*)(void))rx)();
    mem_free(rw, 65536);
    mem_free(rx, 65536);
}

static void test_errors(void)
{
    GError *err = NULL;

    g_assert_false(error_set(&err, "first %d", 1));
    g_assert_false(error_set(&err, "second"));
    g_assert_cmpstr(err->message, ==, "first 1");
    g_clear_error(&err);
    error_set_errno(&err, ENOENT, "cannot open");
    g_assert_cmpstr(err->message, ==, "cannot open: No such file or directory");
    g_clear_error(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/log/mask", test_log_mask);
    g_test_add_func("/base/log/filter", test_log_filter);
    g_test_add_func("/base/log/file", test_log_file);
    g_test_add_func("/base/mem/code-and-ram", test_code_memory);
    g_test_add_func("/base/error", test_errors);
    return g_test_run();
}
