/* test-codebuf.c - code memory: two views of one memory, limits, flush. */
#include "tcg/tcg.h"

static void test_views(void)
{
    GError *err = NULL;
    CodeBuf *b = codebuf_new(4 * MiB, &err);

    g_assert_no_error(err);
    g_assert_true(b->rw != b->rx);
    static const uint8_t code[] = { 0xb8, 0x2a, 0, 0, 0, 0xc3 }; /* mov $42,%eax; ret */
    memcpy(b->ptr, code, sizeof code);
    int (*fn)(void) = (int (*)(void))codebuf_rx(b, b->ptr);
    g_assert_cmpint(fn(), ==, 42);
    b->ptr[1] = 43; /* a change through one view is seen through the other */
    g_assert_cmpint(fn(), ==, 43);
    codebuf_free(b);
}

/* No mapping of this process is writable and executable at once. */
static void test_no_wx(void)
{
    CodeBuf *b = codebuf_new(MiB, NULL);
    g_autofree char *maps = NULL;

    g_assert_nonnull(b);
    g_assert_true(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    g_assert_null(strstr(maps, "rwx"));
    codebuf_free(b);
}

static void test_limits(void)
{
    CodeBuf *b = codebuf_new(1, NULL); /* tiny requests get a usable size */

    g_assert_nonnull(b);
    g_assert_true(b->ptr == b->start);
    g_assert_true(b->end > b->start && b->end < b->rw + b->size);
    memset(b->rw, 0xcc, b->size); /* all of it is there */
    g_assert_true(codebuf_contains(b, (uintptr_t)b->rx));
    g_assert_true(codebuf_contains(b, (uintptr_t)b->rx + b->size - 1));
    g_assert_false(codebuf_contains(b, (uintptr_t)b->rx + b->size));
    g_assert_false(codebuf_contains(b, (uintptr_t)b->rx - 1));
    g_assert_false(codebuf_contains(b, 0));
    b->start = b->ptr = b->rw + 100; /* as the prologue does */
    b->ptr += 5000;
    codebuf_flush(b);
    g_assert_true(b->ptr == b->rw + 100);
    codebuf_free(b);
    codebuf_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg/codebuf/views", test_views);
    g_test_add_func("/tcg/codebuf/no-wx", test_no_wx);
    g_test_add_func("/tcg/codebuf/limits", test_limits);
    return g_test_run();
}
