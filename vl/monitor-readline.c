/* monitor-readline.c - editing keys, history and completion for the monitor.
 * A terminal library is of no use here: the other end may be a socket with a script behind it. Input
 * is echoed as typed; only changes inside a line need ANSI sequences (ECMA-48: CUB, CUF, EL).
 * Not modelled: lines wider than the terminal redraw imperfectly, UTF-8 counts as bytes. */
#include "host/base/osdep.h"
#include "vl/monitor-readline.h"

enum { MAX_LINE = 4096, MAX_HISTORY = 64, COLUMNS = 80 };
enum { CTRL_A = 1, CTRL_B, CTRL_C, CTRL_D, CTRL_E, CTRL_F, CTRL_H = 8, TAB, LF, CTRL_K, CTRL_L, CR, CTRL_N = 14,
       CTRL_P = 16, CTRL_R = 18, CTRL_U = 21, CTRL_W = 23, ESC = 27, DEL = 127 };

struct Readline {
    char *prompt;
    const ReadlineOps *ops;
    void *opaque;
    GString *buf;
    size_t cursor;
    GPtrArray *history; /* of char *, oldest first */
    int hist_pos;       /* -1: the line being typed */
    char *saved;        /* it, while looking at history */
    enum { PLAIN, GOT_ESC, GOT_CSI, GOT_SS3 } esc;
    int esc_param;
    bool after_cr;      /* CR LF is one Enter */
    const char *ask_prompt;
    void (*ask)(void *opaque, const char *line); /* a secret is being typed */
};

static void out(Readline *r, const char *s) { r->ops->write(r->opaque, s, strlen(s)); }

static void move(Readline *r, size_t n, char dir)
{
    char seq[24];
    if (!n)
        return;
    snprintf(seq, sizeof seq, "\033[%zu%c", n, dir);
    out(r, seq);
}

/* The text from the cursor on changed: write it, clear the rest, come back. */
static void redraw_tail(Readline *r)
{
    out(r, r->buf->str + r->cursor);
    out(r, "\033[K");
    move(r, r->buf->len - r->cursor, 'D');
}

static void set_cursor(Readline *r, size_t to)
{
    if (to < r->cursor)
        move(r, r->cursor - to, 'D');
    else
        move(r, to - r->cursor, 'C');
    r->cursor = to;
}

static void insert(Readline *r, const char *s, size_t n)
{
    if (r->buf->len + n > MAX_LINE)
        return;
    if (r->ask) {
        g_string_append_len(r->buf, s, (gssize)n);
        return;
    }
    g_string_insert_len(r->buf, (gssize)r->cursor, s, (gssize)n);
    r->ops->write(r->opaque, s, n);
    r->cursor += n;
    if (r->cursor < r->buf->len)
        redraw_tail(r);
}

static void erase(Readline *r, size_t from, size_t to)
{
    if (from >= to)
        return;
    set_cursor(r, from);
    g_string_erase(r->buf, (gssize)from, (gssize)(to - from));
    redraw_tail(r);
}

static void replace_line(Readline *r, const char *s)
{
    set_cursor(r, 0);
    g_string_assign(r->buf, s);
    out(r, r->buf->str);
    out(r, "\033[K");
    r->cursor = r->buf->len;
}

static void history_add(Readline *r, const char *line)
{
    if (!line[0])
        return;
    for (guint i = 0; i < r->history->len; i++) {
        if (g_str_equal(g_ptr_array_index(r->history, i), line)) {
            g_ptr_array_remove_index(r->history, i);
            break;
        }
    }
    if (r->history->len >= MAX_HISTORY)
        g_ptr_array_remove_index(r->history, 0);
    g_ptr_array_add(r->history, g_strdup(line));
}

static void history_move(Readline *r, int dir)
{
    int n = (int)r->history->len, pos = r->hist_pos < 0 ? n : r->hist_pos;
    pos += dir;
    if (pos < 0 || pos > n || (pos == n && r->hist_pos < 0))
        return;
    if (r->hist_pos < 0) {
        g_free(r->saved);
        r->saved = g_strdup(r->buf->str);
    }
    r->hist_pos = pos == n ? -1 : pos;
    replace_line(r, pos == n ? r->saved : g_ptr_array_index(r->history, (guint)pos));
}

static size_t word_left(const Readline *r)
{
    size_t p = r->cursor;
    while (p > 0 && r->buf->str[p - 1] == ' ')
        p--;
    while (p > 0 && r->buf->str[p - 1] != ' ')
        p--;
    return p;
}

static void list_words(Readline *r, GPtrArray *words)
{
    size_t width = 1;
    for (guint i = 0; i < words->len; i++)
        width = MAX(width, strlen(g_ptr_array_index(words, i)) + 2);
    guint per_line = (guint)MAX(1, COLUMNS / width);
    g_autoptr(GString) s = g_string_new("\n");
    for (guint i = 0; i < words->len; i++) {
        bool last = i + 1 == words->len || (i + 1) % per_line == 0;
        g_string_append_printf(s, "%-*s%s", last ? 0 : (int)width, (char *)g_ptr_array_index(words, i), last ? "\n" : "");
    }
    out(r, s->str);
    readline_show_prompt(r);
}

static gint by_name(gconstpointer a, gconstpointer b) { return strcmp(*(char **)a, *(char **)b); }

static void complete(Readline *r)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *head = g_strndup(r->buf->str, r->cursor);
    const char *word = strrchr(head, ' ');
    size_t have = strlen(word ? word + 1 : head);

    if (r->ops->complete)
        r->ops->complete(r->opaque, head, words);
    if (!words->len)
        return;
    g_ptr_array_sort(words, by_name);
    const char *first = g_ptr_array_index(words, 0);
    size_t common = strlen(first);
    for (guint i = 1; i < words->len; i++) {
        const char *w = g_ptr_array_index(words, i);
        size_t n = 0;
        while (n < common && w[n] == first[n])
            n++;
        common = n;
    }
    if (common > have)
        insert(r, first + have, common - have);
    if (words->len == 1) {
        size_t n = strlen(first);
        if (n && first[n - 1] != '/')
            insert(r, " ", 1);
    } else if (common <= have) {
        list_words(r, words);
    }
}

static void enter(Readline *r)
{
    g_autofree char *line = g_strdup(r->buf->str);
    out(r, "\n");
    history_add(r, line);
    readline_clear(r);
    r->ops->line(r->opaque, line);
}

static void control(Readline *r, uint8_t c)
{
    switch (c) {
    case CR:
    case LF:
        enter(r);
        break;
    case TAB:
        complete(r);
        break;
    case CTRL_A:
        set_cursor(r, 0);
        break;
    case CTRL_E:
        set_cursor(r, r->buf->len);
        break;
    case CTRL_B:
        set_cursor(r, r->cursor ? r->cursor - 1 : 0);
        break;
    case CTRL_F:
        set_cursor(r, MIN(r->cursor + 1, r->buf->len));
        break;
    case CTRL_D:
        erase(r, r->cursor, MIN(r->cursor + 1, r->buf->len));
        break;
    case CTRL_H:
    case DEL:
        erase(r, r->cursor ? r->cursor - 1 : 0, r->cursor);
        break;
    case CTRL_K:
        erase(r, r->cursor, r->buf->len);
        break;
    case CTRL_U:
        erase(r, 0, r->cursor);
        break;
    case CTRL_W:
        erase(r, word_left(r), r->cursor);
        break;
    case CTRL_P:
        history_move(r, -1);
        break;
    case CTRL_N:
        history_move(r, 1);
        break;
    case CTRL_L:
        out(r, "\033[2J\033[H");
        readline_show_prompt(r);
        break;
    case CTRL_C:
        out(r, "^C\n");
        readline_clear(r);
        readline_show_prompt(r);
        break;
    default:
        break;
    }
}

/* Of the editing keys only those that need nothing to be shown. */
static void ask_control(Readline *r, uint8_t c)
{
    void (*fn)(void *opaque, const char *line) = r->ask;
    if (c == CTRL_U) {
        g_string_truncate(r->buf, 0);
    } else if ((c == CTRL_H || c == DEL) && r->buf->len) {
        g_string_truncate(r->buf, r->buf->len - 1);
    } else if (c == CR || c == LF || c == CTRL_C) {
        g_autofree char *line = g_strdup(r->buf->str);
        out(r, "\n");
        readline_clear(r);
        if (c != CTRL_C)
            fn(r->opaque, line);
        readline_show_prompt(r);
    }
}

void readline_ask(Readline *r, const char *prompt, void (*fn)(void *opaque, const char *line))
{
    readline_clear(r);
    r->ask_prompt = prompt;
    r->ask = fn;
}

static void escape_end(Readline *r, uint8_t c)
{
    switch (c) {
    case 'A':
        history_move(r, -1);
        break;
    case 'B':
        history_move(r, 1);
        break;
    case 'C':
        set_cursor(r, MIN(r->cursor + 1, r->buf->len));
        break;
    case 'D':
        set_cursor(r, r->cursor ? r->cursor - 1 : 0);
        break;
    case 'H':
        set_cursor(r, 0);
        break;
    case 'F':
        set_cursor(r, r->buf->len);
        break;
    case '~':
        if (r->esc_param == 1 || r->esc_param == 7)
            set_cursor(r, 0);
        else if (r->esc_param == 4 || r->esc_param == 8)
            set_cursor(r, r->buf->len);
        else if (r->esc_param == 3)
            erase(r, r->cursor, MIN(r->cursor + 1, r->buf->len));
        break;
    default:
        break;
    }
}

void readline_byte(Readline *r, uint8_t c)
{
    bool after_cr = r->after_cr;
    char ch = (char)c;
    r->after_cr = c == CR;
    switch (r->esc) {
    case GOT_ESC:
        r->esc = c == '[' ? GOT_CSI : c == 'O' ? GOT_SS3 : PLAIN;
        r->esc_param = 0;
        return;
    case GOT_CSI:
        if (g_ascii_isdigit(c)) {
            r->esc_param = MIN(r->esc_param * 10 + (c - '0'), 999);
            return;
        }
        if (c == ';') {
            r->esc_param = 0;
            return;
        }
        r->esc = PLAIN;
        escape_end(r, c);
        return;
    case GOT_SS3:
        r->esc = PLAIN;
        escape_end(r, c);
        return;
    case PLAIN:
        break;
    }
    if (c == LF && after_cr)
        return;
    if (r->ask && (c < 32 || c == DEL))
        ask_control(r, c);
    else if (c == ESC)
        r->esc = GOT_ESC;
    else if (c < 32 || c == DEL)
        control(r, c);
    else
        insert(r, &ch, 1);
}

void readline_show_prompt(Readline *r)
{
    if (r->ask) {
        out(r, r->ask_prompt);
        return;
    }
    out(r, r->prompt);
    out(r, r->buf->str);
    move(r, r->buf->len - r->cursor, 'D');
}

void readline_clear(Readline *r)
{
    g_string_truncate(r->buf, 0);
    r->cursor = 0;
    r->hist_pos = -1;
    r->esc = PLAIN;
    r->ask = NULL;
}

unsigned readline_history_len(const Readline *r) { return r->history->len; }
const char *readline_history(const Readline *r, unsigned i) { return g_ptr_array_index(r->history, i); }

Readline *readline_new(const char *prompt, const ReadlineOps *ops, void *opaque)
{
    Readline *r = g_new0(Readline, 1);
    r->prompt = g_strdup(prompt);
    r->ops = ops;
    r->opaque = opaque;
    r->buf = g_string_new(NULL);
    r->history = g_ptr_array_new_with_free_func(g_free);
    r->hist_pos = -1;
    return r;
}

void readline_free(Readline *r)
{
    g_free(r->prompt);
    g_free(r->saved);
    g_string_free(r->buf, TRUE);
    g_ptr_array_unref(r->history);
    g_free(r);
}
