/* console.c - text on the VGA screen and the first serial port at once; keys from both.
 * Spec: IBM VGA text mode (B8000h, CRTC 3D4h), 16550A at 3F8h, PS/2 scan codes set 1. */
#include <stdarg.h>
#include "io.h"

enum { COLUMNS = 80, ROWS = 25, COM1 = 0x3f8, ATTRIBUTE = 0x1f };

static volatile uint16_t *const screen = (volatile uint16_t *)0xb8000;
static int cursor_x, cursor_y;
static bool serial;

static void move_cursor(void)
{
    uint16_t at = cursor_y * COLUMNS + cursor_x;
    outw(0x3d4, 0x0e | (at & 0xff00));
    outw(0x3d4, 0x0f | at << 8);
}

void console_init(void)
{
    for (int i = 0; i < COLUMNS * ROWS; i++)
        screen[i] = ATTRIBUTE << 8 | ' ';
    cursor_x = cursor_y = 0;
    move_cursor();
    /* A port that keeps what is written to its scratch register is there. */
    outb(COM1 + 7, 0x5a);
    serial = inb(COM1 + 7) == 0x5a;
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 0x80);
    outb(COM1, 1);
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 3);
    outb(COM1 + 2, 7);
    outb(COM1 + 4, 3);
}

static void new_line(void)
{
    cursor_x = 0;
    if (++cursor_y < ROWS)
        return;
    cursor_y = ROWS - 1;
    for (int i = 0; i < COLUMNS * (ROWS - 1); i++)
        screen[i] = screen[i + COLUMNS];
    for (int i = COLUMNS * (ROWS - 1); i < COLUMNS * ROWS; i++)
        screen[i] = ATTRIBUTE << 8 | ' ';
}

static void serial_put(char c)
{
    for (int i = 0; serial && i < 100000; i++)
        if (inb(COM1 + 5) & 0x20) {
            outb(COM1, c);
            return;
        }
}

void put_char(char c)
{
    if (c == '\n') {
        serial_put('\r');
        new_line();
    } else if (c == '\b') {
        cursor_x -= cursor_x > 0;
        screen[cursor_y * COLUMNS + cursor_x] = ATTRIBUTE << 8 | ' ';
    } else {
        screen[cursor_y * COLUMNS + cursor_x] = ATTRIBUTE << 8 | (uint8_t)c;
        if (++cursor_x == COLUMNS)
            new_line();
    }
    move_cursor();
    if (c == '\b') { /* the terminal: back, blank, back */
        serial_put('\b');
        serial_put(' ');
    }
    serial_put(c);
}

static int keyboard(void)
{
    static const char plain[] = "\0\0331234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
    if (!(inb(0x64) & 1))
        return -1;
    bool mouse = inb(0x64) & 0x20;
    uint8_t code = inb(0x60);
    if (mouse || code >= sizeof plain - 1 || !plain[code])
        return -1;
    return plain[code];
}

int get_char(void)
{
    if (serial && (inb(COM1 + 5) & 1)) {
        char c = inb(COM1);
        return c == '\r' ? '\n' : c == 0x7f ? '\b' : c;
    }
    return keyboard();
}

static void print_number(uint32_t v, unsigned base, int width, char fill)
{
    char digits[12];
    int n = 0;
    do
        digits[n++] = "0123456789abcdef"[v % base];
    while (v /= base);
    for (; width > n; width--)
        put_char(fill);
    while (n)
        put_char(digits[--n]);
}

void print(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            put_char(*fmt);
            continue;
        }
        char fill = *++fmt == '0' ? '0' : ' ';
        int width = 0;
        for (; *fmt >= '0' && *fmt <= '9'; fmt++)
            width = width * 10 + *fmt - '0';
        switch (*fmt) {
        case 's':
            for (const char *s = va_arg(ap, const char *); *s; s++, width--)
                put_char(*s);
            for (; width > 0; width--)
                put_char(' ');
            break;
        case 'c': put_char(va_arg(ap, int)); break;
        case 'd': {
            int32_t v = va_arg(ap, int32_t);
            if (v < 0)
                put_char('-');
            print_number(v < 0 ? -(uint32_t)v : (uint32_t)v, 10, width, fill);
            break;
        }
        case 'u': print_number(va_arg(ap, uint32_t), 10, width, fill); break;
        case 'x': print_number(va_arg(ap, uint32_t), 16, width, fill); break;
        default: put_char(*fmt);
        }
    }
    va_end(ap);
}
