/* test-readline.c - editing keys, history, completion. The screen is a model of a terminal's one line:
 * what the user would see must be what the editor believes. */
#include "host/base/osdep.h"
#include "vl/monitor-readline.h"

static GString *raw;       /* everything written */
static char *last_line;    /* what Enter gave */

static void on_write(void *opaque, const char *text, size_t len) { g_string_append_len(raw, text, (gssize)len); }

static void on_line(void *opaque, const char *line)
{
    g_free(last_line);
    last_line = g_strdup(line);
}

static void on_complete(void *opaque, const char *line, GPtrArray *out)
{
    static const char *const words[] = {"screendump", "sendkey", "stop", "sum", "system_powerdown", "system_reset"};
    const char *have = strrchr(line, ' ') ? strrchr(line, ' ') + 1 : line;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (g_str_has_prefix(words[i], have))
            g_ptr_array_add(out, g_strdup(words[i]));
}

static const ReadlineOps ops = {on_write, on_line, on_complete};

static void type(Readline *r, const char *keys)
{
    while (*keys)
        readline_byte(r, (uint8_t)*keys++);
}

/* The last screen line after all that was written, with ANSI CUB, CUF and EL carried out. */
static char *screen(void)
{
    GString *s = g_string_new(NULL);
    gsize cur = 0;
    for (gsize i = 0; i < raw->len; i++) {
        char c = raw->str[i];
        if (c == '\n') {
            g_string_truncate(s, 0);
            cur = 0;
        } else if (c == '\033') {
            int n = 0;
            for (i += 2; g_ascii_isdigit(raw->str[i]); i++)
                n = n * 10 + raw->str[i] - '0';
            if (raw->str[i] == 'D')
                cur -= n;
            else if (raw->str[i] == 'C')
                cur += n;
            else if (raw->str[i] == 'K')
                g_string_truncate(s, cur);
        } else {
            g_assert_cmpuint(cur, <=, s->len);
            if (cur < s->len)
                s->str[cur] = c;
            else
                g_string_append_c(s, c);
            cur++;
        }
    }
    return g_string_free(s, FALSE);
}

static void expect(const char *keys, const char *want)
{
    Readline *r = readline_new("> ", &ops, NULL);
    raw = g_string_new(NULL);
    readline_show_prompt(r);
    type(r, keys);
    g_autofree char *line = screen(), *shown = g_strconcat("> ", want, NULL);
    g_assert_cmpstr(line, ==, shown);
    type(r, "\r");
    g_assert_cmpstr(last_line, ==, want);
    g_string_free(raw, TRUE);
    readline_free(r);
}

static void test_edit(void)
{
    expect("info", "info");
    expect("info statuX\x7fs", "info status");
    expect("nfo\x01i", "info");
    expect("abc\x02\x02X", "aXbc");
    expect("abc\033[D\033[DX\033[CY", "aXbYc");
    expect("abc\033[H\033[3~", "bc");
    expect("abc\033OHx\033OFy", "xabcy");
    expect("one two three\x17", "one two ");
    expect("one two\x01\x06\x0b", "o");
    expect("one two\x15z", "z");
    expect("ab\033[1~c\033[4~d", "cabd");
    expect("\x7f\x7f\x04\033[Dq", "q");
    expect("a\033[1;5Db", "ba");
}

static void test_history(void)
{
    Readline *r = readline_new("> ", &ops, NULL);
    raw = g_string_new(NULL);
    type(r, "first\rsecond\rsecond\r");
    g_assert_cmpuint(readline_history_len(r), ==, 2);
    type(r, "half\033[A\033[A");
    g_autofree char *s = screen();
    g_assert_cmpstr(s, ==, "first");
    type(r, "\033[B\033[B");
    g_autofree char *t = screen();
    g_assert_cmpstr(t, ==, "half");
    type(r, "\033[A\r");
    g_assert_cmpstr(last_line, ==, "second");
    type(r, "\r\n"); /* CR LF is one Enter */
    g_assert_cmpstr(last_line, ==, "");
    for (int i = 0; i < 200; i++) {
        g_autofree char *l = g_strdup_printf("cmd%d\n", i);
        type(r, l);
    }
    g_assert_cmpuint(readline_history_len(r), <=, 64);
    g_string_free(raw, TRUE);
    readline_free(r);
}

static void test_complete(void)
{
    expect("sc\t", "screendump ");
    expect("sy\t", "system_");
    expect("system_r\tx", "system_reset x");
    expect("nothing\t", "nothing");
    expect("s\t\t", "s");
}

static void test_garbage(void)
{
    Readline *r = readline_new("> ", &ops, NULL);
    GRand *g = g_rand_new_with_seed(11);
    raw = g_string_new(NULL);
    for (int i = 0; i < 200000; i++) {
        readline_byte(r, (uint8_t)g_rand_int_range(g, 0, 256));
        if (raw->len > 100000)
            g_string_truncate(raw, 0);
    }
    g_rand_free(g);
    g_string_free(raw, TRUE);
    readline_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vl/readline/edit", test_edit);
    g_test_add_func("/vl/readline/history", test_history);
    g_test_add_func("/vl/readline/complete", test_complete);
    g_test_add_func("/vl/readline/garbage", test_garbage);
    return g_test_run();
}
