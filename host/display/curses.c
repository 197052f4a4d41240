/* curses.c - text modes of the guest in the terminal, with ncursesw; keys of the terminal to the guest.
 * A terminal sends signs, not keys: they are turned back into keys by the layout (-k). Alt comes as an Esc
 * before the sign. Spec: X/Open Curses; IBM code page 437 for what the cells mean.
 * Not modelled: graphics (only their size is named), the guest's own fonts, key releases, the mouse. */
#define _XOPEN_SOURCE_EXTENDED 1
#include "host/base/osdep.h"
#include "host/display/console.h"
#include "host/display/curses.h"
#include "host/display/input.h"
#include "host/display/keymap.h"
#include <curses.h>
#include <glib-unix.h>
#include <locale.h>
#include <termios.h>

enum { REFRESH_MS = 50, ESC = 27, HOLD_MS = 10, MAX_CELLS = 1 << 16 };

static struct {
    SCREEN *term;
    guint timer, input;
    void (*on_quit)(void);
    struct termios saved;
    volatile bool active; /* the terminal is ours */
    bool asking;          /* "quit?" is on the screen */
    uint16_t *last;       /* what is shown */
    int last_cols, last_rows;
    bool redraw;
} ui;

/* Code page 437; 0 is shown as a blank. */
static const char cp437[] =
    " \u263a\u263b\u2665\u2666\u2663\u2660\u2022\u25d8\u25cb\u25d9\u2642\u2640\u266a\u266b\u263c"
    "\u25ba\u25c4\u2195\u203c\u00b6\u00a7\u25ac\u21a8\u2191\u2193\u2192\u2190\u221f\u2194\u25b2\u25bc"
    " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\u2302"
    "\u00c7\u00fc\u00e9\u00e2\u00e4\u00e0\u00e5\u00e7\u00ea\u00eb\u00e8\u00ef\u00ee\u00ec\u00c4\u00c5"
    "\u00c9\u00e6\u00c6\u00f4\u00f6\u00f2\u00fb\u00f9\u00ff\u00d6\u00dc\u00a2\u00a3\u00a5\u20a7\u0192"
    "\u00e1\u00ed\u00f3\u00fa\u00f1\u00d1\u00aa\u00ba\u00bf\u2310\u00ac\u00bd\u00bc\u00a1\u00ab\u00bb"
    "\u2591\u2592\u2593\u2502\u2524\u2561\u2562\u2556\u2555\u2563\u2551\u2557\u255d\u255c\u255b\u2510"
    "\u2514\u2534\u252c\u251c\u2500\u253c\u255e\u255f\u255a\u2554\u2569\u2566\u2560\u2550\u256c\u2567"
    "\u2568\u2564\u2565\u2559\u2558\u2552\u2553\u256b\u256a\u2518\u250c\u2588\u2584\u258c\u2590\u2580"
    "\u03b1\u00df\u0393\u03c0\u03a3\u03c3\u00b5\u03c4\u03a6\u0398\u03a9\u03b4\u221e\u03c6\u03b5\u2229"
    "\u2261\u00b1\u2265\u2264\u2320\u2321\u00f7\u2248\u00b0\u2219\u00b7\u221a\u207f\u00b2\u25a0\u00a0";
static wchar_t signs[256];

static void make_signs(void)
{
    const char *p = cp437;
    for (int i = 0; i < 256; i++, p = g_utf8_next_char(p))
        signs[i] = (wchar_t)g_utf8_get_char(p);
}

/* ---- keys ---- */

static const struct { int code; const char *key; } special[] = {
    {KEY_UP, "up"}, {KEY_DOWN, "down"}, {KEY_LEFT, "left"}, {KEY_RIGHT, "right"}, {KEY_HOME, "home"}, {KEY_END, "end"},
    {KEY_PPAGE, "pgup"}, {KEY_NPAGE, "pgdn"}, {KEY_IC, "insert"}, {KEY_DC, "delete"}, {KEY_BACKSPACE, "backspace"},
    {KEY_ENTER, "ret"}, {KEY_BTAB, "tab"}, {KEY_PRINT, "print"}, {KEY_HELP, "help"}, {KEY_B2, "kp_5"},
};

/* The key with its modifiers, pressed and let go. */
static void type_key(KeyCode key, bool shift, bool ctrl, bool alt, bool altgr)
{
    KeyCode keys[5];
    int n = 0;
    if (key < 0)
        return;
    if (ctrl)
        keys[n++] = key_find("ctrl");
    if (alt)
        keys[n++] = key_find("alt");
    if (shift)
        keys[n++] = key_find("shift");
    if (altgr)
        keys[n++] = key_find("alt_r");
    keys[n++] = key;
    for (int i = 0; i < n; i++)
        input_queue_key(keys[i], true, HOLD_MS);
    while (n-- > 0)
        input_queue_key(keys[n], false, n ? 0 : HOLD_MS);
}

static void function_key(int code, bool alt)
{
    char name[8];
    int f = code - KEY_F0;
    if (f >= 1 && f <= 48) { /* terminals count on: 13-24 with Shift, 25-36 with Ctrl, 37-48 with both */
        snprintf(name, sizeof name, "f%d", (f - 1) % 12 + 1);
        type_key(key_find(name), (f - 1) / 12 & 1, (f - 1) / 12 & 2, alt, false);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(special); i++)
        if (special[i].code == code)
            type_key(key_find(special[i].key), code == KEY_BTAB, false, alt, false);
}

static void sign(wint_t c, bool alt)
{
    KeyMatch m;
    bool ctrl = false;
    uint32_t sym = (uint32_t)c;

    if (c == 127 || c == 8)
        sym = 0xff08;
    else if (c == '\r' || c == '\n')
        sym = 0xff0d;
    else if (c == '\t')
        sym = 0xff09;
    else if (c == ESC)
        sym = 0xff1b;
    else if (c < 32) { /* 0 is Ctrl-Space; 1 to 26 letters; 28 to 31 \ ] ^ _ */
        ctrl = true;
        sym = c == 0 ? ' ' : c <= 26 ? c + 'a' - 1 : c + '@';
    } else if (c >= 0x100)
        sym = 0x01000000 | (uint32_t)c;
    if (keymap_find(sym, 0, &m)) {
        unsigned mods = m.mods == KEYMAP_ANY ? 0 : m.mods;
        type_key(m.key, mods & KEYMAP_SHIFT, ctrl, alt, mods & KEYMAP_ALTGR);
    }
}

/* ---- the picture ---- */

static void ask_quit(void)
{
    attrset(A_REVERSE);
    mvaddstr(LINES - 1, 0, " Quit Vireo? (y/n) ");
    attrset(A_NORMAL);
    refresh();
}

static gboolean on_input(gint fd, GIOCondition cond, gpointer opaque)
{
    wint_t c;
    int rc;

    if (cond & (G_IO_HUP | G_IO_ERR)) { /* the terminal is gone */
        ui.input = 0;
        if (ui.on_quit)
            ui.on_quit();
        return G_SOURCE_REMOVE;
    }
    while ((rc = get_wch(&c)) != ERR) {
        bool alt = false;
        if (rc == KEY_CODE_YES && c == KEY_RESIZE) {
            ui.redraw = true;
            continue;
        }
        if (ui.asking) {
            ui.asking = false;
            ui.redraw = true;
            if ((c == 'y' || c == 'Y') && ui.on_quit)
                ui.on_quit();
            continue;
        }
        if (rc == OK && c == ESC) {
            wint_t next;
            int more = get_wch(&next);
            if (more != ERR) {
                alt = true;
                rc = more;
                c = next;
            }
        }
        if (alt && rc == OK && c == '0') {
            ui.asking = true;
            ask_quit();
        } else if (rc == KEY_CODE_YES) {
            function_key((int)c, alt);
        } else {
            sign(c, alt);
        }
    }
    return G_SOURCE_CONTINUE;
}

static short curses_color(unsigned vga) { return (short)((vga & 1 ? COLOR_BLUE : 0) | (vga & 2 ? COLOR_GREEN : 0) | (vga & 4 ? COLOR_RED : 0)); }

static void put_cell(int y, int x, unsigned cell, bool blink)
{
    unsigned attr = cell >> 8;
    wchar_t text[2] = {signs[cell & 0xff], 0};
    attr_t a = (attr & 8 ? A_BOLD : 0) | (blink && attr & 0x80 ? A_BLINK : 0);
    cchar_t c;
    setcchar(&c, text, a, has_colors() ? (short)(1 + (attr & 7) + 8 * (attr >> 4 & 7)) : 0, NULL);
    mvadd_wch(y, x, &c);
}

static void show_text(const ConsoleText *t)
{
    /* A terminal that is too small shows the lines around the cursor. */
    int top = CLAMP(t->cursor_row - LINES + 1, 0, MAX(t->rows - LINES, 0));
    int rows = MIN(t->rows - top, LINES), cols = MIN(t->cols, COLS);
    bool all = ui.redraw || t->cols != ui.last_cols || t->rows != ui.last_rows || top;

    if (all)
        erase();
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < cols; c++) {
            int i = (r + top) * t->cols + c;
            if (all || ui.last[i] != t->cells[i])
                put_cell(r, c, t->cells[i], t->blink);
        }
    }
    memcpy(ui.last, t->cells, (size_t)MIN(t->rows * t->cols, MAX_CELLS) * sizeof *ui.last);
    ui.last_cols = t->cols;
    ui.last_rows = t->rows;
    bool cursor = t->cursor_row >= top && t->cursor_row - top < LINES && t->cursor_col < COLS;
    curs_set(cursor);
    if (cursor)
        move(t->cursor_row - top, t->cursor_col);
}

static void show_size(const ConsoleText *t)
{
    char text[64];
    if (!ui.redraw && ui.last_cols == -t->width && ui.last_rows == -t->height)
        return;
    snprintf(text, sizeof text, "%d x %d Graphic mode", t->width, t->height);
    erase();
    curs_set(0);
    mvaddstr(LINES / 2, MAX(0, (COLS - (int)strlen(text)) / 2), text);
    ui.last_cols = -t->width;
    ui.last_rows = -t->height;
}

static gboolean refresh_screen(gpointer opaque)
{
    ConsoleText t;
    if (ui.asking)
        return G_SOURCE_CONTINUE;
    if (console_text(&t)) {
        if (t.rows)
            show_text(&t);
        else
            show_size(&t);
        ui.redraw = false;
        refresh();
    }
    return G_SOURCE_CONTINUE;
}

/* ---- life ---- */

void curses_display_restore(void)
{
    static const char leave[] = "\033[?1049l\033[?25h\033[0m\r\n";
    if (!ui.active)
        return;
    ui.active = false;
    if (write(STDOUT_FILENO, leave, sizeof leave - 1) < 0) {
        /* nothing more can be done */
    }
    tcsetattr(STDIN_FILENO, TCSANOW, &ui.saved);
}

bool curses_display_start(void (*on_quit)(void), GError **errp)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &ui.saved) < 0)
        return error_set(errp, "-display curses: stdin and stdout must be a terminal");
    setlocale(LC_CTYPE, "");
    g_setenv("ESCDELAY", "25", FALSE);
    ui.term = newterm(NULL, stdout, stdin);
    if (!ui.term)
        return error_set(errp, "-display curses: the terminal type TERM=%s is not known", g_getenv("TERM") ? g_getenv("TERM") : "");
    ui.active = true;
    raw();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    if (has_colors()) {
        start_color();
        for (unsigned i = 0; i < 64; i++)
            init_pair((short)(1 + i), curses_color(i & 7), curses_color(i >> 3));
    }
    make_signs();
    ui.last = g_new0(uint16_t, MAX_CELLS);
    ui.redraw = true;
    ui.on_quit = on_quit;
    ui.input = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, NULL);
    ui.timer = g_timeout_add(REFRESH_MS, refresh_screen, NULL);
    return true;
}

void curses_display_stop(void)
{
    if (!ui.term)
        return;
    if (ui.input)
        g_source_remove(ui.input);
    g_source_remove(ui.timer);
    endwin();
    delscreen(ui.term);
    tcsetattr(STDIN_FILENO, TCSANOW, &ui.saved);
    g_free(ui.last);
    memset(&ui, 0, sizeof ui);
}
