/* test-codebuf.c - code memory: two views of one memory, limits, flush. */
#include "host/base/mem.h"
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

static size_t resident(void)
{
    g_autofree char *text = NULL;
    unsigned long all, here = 0;
    g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    g_assert_cmpint(sscanf(text, "%lu %lu", &all, &here), ==, 2);
    return here * (size_t)sysconf(_SC_PAGESIZE);
}

/* What was written long ago counts once, is still there, and can be written. */
static void test_trim(void)
{
    CodeBuf *b = codebuf_new(64 * MiB, NULL);
    uint8_t *hot = b->ptr, *cold = b->cold;

    g_assert_nonnull(cold);
    for (unsigned i = 0; i < 8; i++) {
        memset(b->ptr, 0x40 + i, MiB);
        memset(b->cold, 0x80 + i, MiB);
        b->ptr += MiB;
        b->cold += MiB;
    }
    size_t before = resident();
    codebuf_trim(b);
    g_assert_cmpuint(resident() + 13 * MiB, <, before);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmpuint(*codebuf_rx(b, hot + i * MiB + 100), ==, 0x40 + i);
        g_assert_cmpuint(*codebuf_rx(b, cold + i * MiB + 100), ==, 0x80 + i);
    }
    hot[100] = 1;
    g_assert_cmpuint(*codebuf_rx(b, hot + 100), ==, 1);
    g_assert_cmpuint(*codebuf_rx(b, hot + 101), ==, 0x40);
    codebuf_flush(b);
    codebuf_trim(b); /* nothing to give back, and ptr - lag lies before the buffer */
    g_assert_cmpuint(*codebuf_rx(b, hot + MiB), ==, 0x41);
    codebuf_free(b);
}

/* Huge pages keep what is in them, in both views. */
static void test_huge(void)
{
    void *rw, *rx;

    g_assert_true(mem_alloc_code(3 * MEM_HUGE_PAGE, &rw, &rx, NULL));
    g_assert_cmpuint((uintptr_t)rw % MEM_HUGE_PAGE, ==, 0);
    g_assert_cmpuint((uintptr_t)rx % MEM_HUGE_PAGE, ==, 0);
    uint8_t *w = rw;
    const uint8_t *x = rx;
    w[MEM_HUGE_PAGE + 5000] = 7;
    if (!mem_huge_view(w + MEM_HUGE_PAGE, MEM_HUGE_PAGE))
        g_test_skip("this host's kernel makes no huge pages here");
    g_assert_cmpuint(x[MEM_HUGE_PAGE + 5000], ==, 7);
    g_assert_cmpuint(x[MEM_HUGE_PAGE], ==, 0);
    w[2 * MEM_HUGE_PAGE - 1] = 9;
    mem_forget_view(w + MEM_HUGE_PAGE, MEM_HUGE_PAGE);
    g_assert_cmpuint(x[2 * MEM_HUGE_PAGE - 1], ==, 9);
    w[MEM_HUGE_PAGE + 5001] = 8;
    g_assert_cmpuint(x[MEM_HUGE_PAGE + 5001], ==, 8);
    g_assert_cmpuint(x[MEM_HUGE_PAGE + 5000], ==, 7);
    mem_free(rw, 3 * MEM_HUGE_PAGE);
    mem_free(rx, 3 * MEM_HUGE_PAGE);
}

/* Pages in front of the code are there before it is: writing and running cost no fault each. */
static void test_ready(void)
{
    CodeBuf *b = codebuf_new(64 * MiB, NULL);
    size_t before = resident();

    codebuf_trim(b);
    size_t made = resident() - before;
    if (made < 512 * 1024)
        g_test_skip("this host's kernel makes no pages ahead");
    else
        g_assert_cmpuint(made, <=, 2 * MEM_HUGE_PAGE + 256 * 1024); /* of each part; the rest is what else the process touches */
    before = resident();
    codebuf_trim(b); /* enough for now */
    g_assert_cmpuint(resident(), <, before + 256 * 1024);
    b->ptr = b->end; /* and none beyond the end */
    for (unsigned i = 0; i < 300; i++)
        codebuf_trim(b);
    g_assert_true(b->ready <= b->end);
    codebuf_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg/codebuf/views", test_views);
    g_test_add_func("/tcg/codebuf/no-wx", test_no_wx);
    g_test_add_func("/tcg/codebuf/limits", test_limits);
    g_test_add_func("/tcg/codebuf/trim", test_trim);
    g_test_add_func("/tcg/codebuf/huge", test_huge);
    g_test_add_func("/tcg/codebuf/ready", test_ready);
    return g_test_run();
}
