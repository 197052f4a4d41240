/* test-disas.c - the text of -d in_asm and out_asm, whose lines scripts match. */
#include "tcg/tcg.h"

static void expect(unsigned bits, const char *bytes, size_t n, uint64_t pc, unsigned max, const char *pattern)
{
    g_autoptr(GString) out = g_string_new(NULL);

    disas_guest(out, (const uint8_t *)bytes, n, pc, bits, max);
    if (!g_regex_match_simple(pattern, out->str, G_REGEX_MULTILINE, 0))
        g_error("no match for %s in:\n%s", pattern, out->str);
}

static void test_guest(void)
{
    expect(16, "\xfa", 1, 0x7c00, 9, "\\A0x0*7c00:\\s+fa\\s+cli\\s*$\\n\\z");
    expect(16, "\xfa\x31\xc0", 3, 0x7c00, 9, "^0x00007c01:  31 c0\\s+xorw?\\s+%ax, ?%ax$");
    expect(32, "\x31\xc0", 2, 0x7c00, 9, "xorl?\\s+%eax, ?%eax$");
    expect(64, "\x48\xb8\xef\xcd\xab\x90\x78\x56\x34\x12", 10, 0xffffffff81000000, 9,
           "\\A0xffffffff81000000:  48 b8 ef cd ab 90 78 56  movabsq\\s+\\$0x1234567890abcdef, %rax\\n"
           "0xffffffff81000008:  34 12\\n\\z");
}

static void test_undecodable(void)
{
    expect(64, "\x06\x90", 2, 0x1000, 9, "\\A0x00001000:  06\\s+\\.byte\\s+0x06\\n0x00001001:  90\\s+nop\\s*\\n\\z");
    expect(64, "\x0f", 1, 0x1000, 9, "\\A0x00001000:  0f\\s+\\.byte\\s+0x0f\\n\\z"); /* cut off */
    expect(64, "", 0, 0x1000, 9, "\\A\\z");
}

static void test_count(void)
{
    expect(64, "\x90\x90\x90", 3, 0x1000, 2, "\\A[^\\n]*nop\\s*\\n[^\\n]*nop\\s*\\n\\z");
}

static void test_host(void)
{
    g_autoptr(GString) out = g_string_new(NULL);

    disas_host(out, (const uint8_t *)"\x48\x89\xc3\xc3", 4, 0x7f1200000000);
    g_assert_true(g_regex_match_simple("\\A0x7f1200000000:  48 89 c3 +movq\\s+%rax, %rbx\\n"
                                       "0x7f1200000003:  c3 +retq?\\s*\\n\\z", out->str, 0, 0));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg/disas/guest", test_guest);
    g_test_add_func("/tcg/disas/undecodable", test_undecodable);
    g_test_add_func("/tcg/disas/count", test_count);
    g_test_add_func("/tcg/disas/host", test_host);
    return g_test_run();
}
