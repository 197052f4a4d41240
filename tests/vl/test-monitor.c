/* test-monitor.c - monitor commands on a real, stopped board: texts, argument errors, hostile lines.
 * Spec: qemu 7.2's answers, as the acceptance script hmp-smoke has them. */
#include "host/base/osdep.h"
#include "host/block/block.h"
#include "host/char/chardev.h"
#include "softmmu/bql.h"
#include "softmmu/physmem.h"
#include "vl/machine.h"
#include "vl/mainloop.h"
#include "vl/monitor.h"
#include <glib/gstdio.h>

static char *dir;

static char *run(const char *line) { return g_string_free(monitor_capture(line), FALSE); }

static void expect(const char *line, const char *want)
{
    g_autofree char *got = run(line);
    g_assert_cmpstr(got, ==, want);
}

static void expect_in(const char *line, const char *part)
{
    g_autofree char *got = run(line);
    if (!strstr(got, part))
        g_error("'%s' answers '%s', without '%s'", line, got, part);
}

static void test_status(void)
{
    expect("info status", "VM status: paused (prelaunch)\n");
    expect("info name", "monitor test\n");
    expect("info uuid", "12345678-1234-1234-1234-123456789abc\n");
    expect("info kvm", "kvm support: disabled\n");
    expect("   info    status  ", "VM status: paused (prelaunch)\n");
    expect("", "");
    expect_in("info memory_size_summary", "base memory: 16777216\n");
    expect_in("info pci", "  Bus  0, device   0, function 0:\n    Host bridge: PCI device 8086:1237\n");
    expect_in("info block", "ide1-cd0: [not inserted]\n");
    expect_in("help", "\nstop|s  -- stop emulation\n");
    expect_in("? screendump", "screendump filename");
    expect_in("help log", "in_asm");
    expect_in("info", "info registers [-a|vcpu] -- ");
}

static void test_memory(void)
{
    static const uint8_t code[] = {0xfa, 0xfc, 0x31, 0xc0, 0x56, 0x69, 0x27, 0x0a};
    g_autofree char *file = g_build_filename(dir, "mem", NULL), *cmd = g_strdup_printf("pmemsave 0x7c00 8 \"%s\"", file);
    g_autofree char *saved = NULL;
    gsize len;
    physmem_write(&address_space_memory, 0x7c00, code, sizeof code);
    expect("xp /4xb 0x7c00", "0000000000007c00: 0xfa 0xfc 0x31 0xc0\n");
    expect("xp/2xh 0x7c00", "0000000000007c00: 0xfcfa 0xc031\n");
    expect("xp /1xg 0x7c00", "0000000000007c00: 0x0a276956c031fcfa\n");
    expect("xp /2db 0x7c00", "0000000000007c00: 250 252\n");
    expect("xp /4cb 0x7c04", "0000000000007c04: 'V' 'i' '\\'' '\\n'\n");
    expect("p/x 2*(3+4)-1", "0xd\n");
    expect("p/d -1", "-1\n");
    expect("p/x 0", "0\n");
    expect("sum 0x7c00 3", "33005\n");
    expect("i /b 0x92", "portb[0x0092] = 0x02\n");
    expect(cmd, "");
    g_assert_true(g_file_get_contents(file, &saved, &len, NULL));
    g_assert_cmpmem(saved, len, code, sizeof code);
    g_unlink(file);
}

static void test_errors(void)
{
    expect("nosuch", "unknown command: 'nosuch'\n");
    expect("info nosuch", "unknown command: 'info nosuch'\n");
    expect("log", "log: string expected\nTry \"help log\" for more information\n");
    expect("x /4xw", "unexpected end of expression\nTry \"help x\" for more information\n");
    expect("x /4yw 0", "invalid char in format: 'y'\nTry \"help x\" for more information\n");
    expect("p $nosuch", "unknown register\nTry \"help p\" for more information\n");
    expect("stop now", "stop: extraneous characters at the end of line\nTry \"help stop\" for more information\n");
    expect("sendkey nosuch", "invalid parameter: nosuch\n");
    expect("eject nosuch", "Error: Device 'nosuch' not found\n");
    expect("change ide1-cd0 /nonexistent", "Error: Could not open '/nonexistent': No such file or directory\n");
    expect("screendump \"/unterminated", "screendump: unterminated string\nTry \"help screendump\" for more information\n");
    expect_in("screendump /nonexistent/a.ppm", "Error: ");
    expect_in("log bogus", "Log items");
}

/* Every command with arguments from a pile of odd words: an answer, never a crash. */
static void test_hostile(void)
{
    static const char *const words[] = {
        "/4xw", "/1048577xb", "/99999999999999999999i", "/i", "0", "-1", "0xffffffffffffffff", "$pc", "(((((", "1/0",
        "\"", "\\", "ide1-cd0", "floppy0", "-f", "-f png", "''", "a-b-c", "shift", "%s%n", "'", "$", "/", "-", "99999999999"};
    GRand *r = g_rand_new_with_seed(5);
    for (int n = 0; n < 4000; n++) {
        const MonCmd *table = g_rand_boolean(r) ? monitor_cmds : monitor_info_cmds;
        int count = 0;
        while (table[count].names)
            count++;
        const MonCmd *c = &table[g_rand_int_range(r, 0, count)];
        g_auto(GStrv) names = g_strsplit(c->names, "|", -1);
        /* What writes files, resets, or prints ports with side effects is not for random words. */
        if (strstr("memsave pmemsave screendump logfile log quit cont o i sum change", names[0]))
            continue;
        GString *line = g_string_new(table == monitor_cmds ? "" : "info ");
        g_string_append(line, names[0]);
        for (int k = g_rand_int_range(r, 0, 4); k > 0; k--)
            g_string_append_printf(line, " %s", words[g_rand_int_range(r, 0, G_N_ELEMENTS(words))]);
        g_autofree char *got = run(line->str);
        g_string_free(line, TRUE);
    }
    g_rand_free(r);
}

int main(int argc, char **argv)
{
    char *opts[] = {"vireo", "-display", "none", "-S", "-m", "16", "-name", "monitor test", "-uuid",
                    "12345678-1234-1234-1234-123456789abc"};
    VlConfig c;
    GError *err = NULL;

    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("vireo-mon-XXXXXX", NULL);
    g_assert_cmpint(options_parse(ARRAY_SIZE(opts), opts, &c, &err), ==, OPTS_RUN);
    options_set_defaults(&c, false, false);
    mainloop_init();
    bql_lock();
    if (!machine_create(&c, &err)) {
        /* The board needs the distribution's firmware. */
        printf("1..0 # SKIP %s\n", err->message);
        return 0;
    }
    machine_start(true);
    g_test_add_func("/vl/monitor/status", test_status);
    g_test_add_func("/vl/monitor/memory", test_memory);
    g_test_add_func("/vl/monitor/errors", test_errors);
    g_test_add_func("/vl/monitor/hostile-arguments", test_hostile);
    int rc = g_test_run();
    machine_destroy();
    chardev_cleanup_all();
    bql_unlock();
    options_free(&c);
    g_rmdir(dir);
    g_free(dir);
    return rc;
}
