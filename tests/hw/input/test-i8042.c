/* test-i8042.c - tests hw/input: controller commands, keyboard, mouse. */
#include "tests/hw/periph.h"
#include "host/display/input.h"
#include "hw/input/i8042.h"

static I8042State *k;
static int a20 = -1, resets;

static void set_a20(void *opaque, int n, int level) { a20 = level; }
static void do_reset(void *opaque, int n, int level) { resets += level; }

static void setup(void)
{
    GError *err = NULL;
    periph_setup();
    k = (I8042State *)device_new(&i8042_class, NULL);
    k->irq_kbd = periph_line(1);
    k->irq_mouse = periph_line(12);
    k->a20 = irq_line(set_a20, NULL, 0);
    k->reset_line = irq_line(do_reset, NULL, 0);
    resets = 0;
    g_assert_true(device_realize(&k->dev, &err));
}

static void expect(const char *hex) /* bytes from port 60, then nothing */
{
    while (*hex) {
        unsigned v = strtoul(hex, (char **)&hex, 16);
        g_assert_cmphex(inb(0x64) & 1, ==, 1);
        g_assert_cmphex(inb(0x60), ==, v);
        while (*hex == ' ')
            hex++;
    }
    g_assert_cmphex(inb(0x64) & 1, ==, 0);
}

static void mouse_cmd(uint8_t v)
{
    outb(0x64, 0xd4);
    outb(0x60, v);
}

static void test_controller(void)
{
    setup();
    g_assert_cmpint(a20, ==, 1);
    outb(0x64, 0xaa);
    expect("55");
    outb(0x64, 0xab);
    expect("00");
    outb(0x64, 0xa9);
    expect("00");
    outb(0x64, 0x60);
    g_assert_cmphex(inb(0x64) & 8, ==, 8);
    outb(0x60, 0x47);
    g_assert_cmphex(inb(0x64) & 8, ==, 0);
    outb(0x64, 0x20);
    expect("47");
    outb(0x64, 0xa7);
    outb(0x64, 0x20);
    expect("67");
    outb(0x64, 0xd1);
    outb(0x60, 0xdd);
    g_assert_cmpint(a20, ==, 0);
    outb(0x64, 0xdf);
    g_assert_cmpint(a20, ==, 1);
    outb(0x64, 0xd0);
    g_assert_cmphex(inb(0x60) & 3, ==, 3);
    outb(0x64, 0xfe);
    g_assert_cmpint(resets, ==, 1);
    outb(0x64, 0xff);
    g_assert_cmpint(resets, ==, 1);
    outb(0x64, 0xd2);
    outb(0x60, 0x42);
    g_assert_cmpint(periph_irq[1], ==, 1);
    expect("42");
    g_assert_cmpint(periph_irq[1], ==, 0);
    outb(0x64, 0xd3);
    outb(0x60, 0x43);
    g_assert_cmphex(inb(0x64) & 0x21, ==, 0x21);
    g_assert_cmpint(periph_irq[12], ==, 1);
    expect("43");
    periph_teardown();
}

static void test_keyboard(void)
{
    setup();
    outb(0x60, 0xff);
    expect("fa aa");
    outb(0x60, 0xee);
    expect("ee");
    outb(0x60, 0xf2);
    expect("fa ab 83");
    outb(0x60, 0xed);
    expect("fa");
    outb(0x60, 7);
    expect("fa");
    outb(0x60, 0xf0);
    outb(0x60, 0);
    expect("fa fa 2");
    /* set 2 without translation */
    int a = key_find("a"), right = key_find("right"), pause = key_find("pause"), print = key_find("print");
    input_key(a, true);
    input_key(a, false);
    input_key(right, true);
    input_key(right, false);
    g_assert_cmpint(periph_irq[1], ==, 1);
    expect("1c f0 1c e0 74 e0 f0 74");
    outb(0x64, 0x60);
    outb(0x60, 0x45); /* translation on */
    input_key(a, true);
    input_key(a, false);
    input_key(right, true);
    input_key(right, false);
    expect("1e 9e e0 4d e0 cd");
    input_key(pause, true);
    input_key(pause, false);
    expect("e1 1d 45 e1 9d c5");
    input_key(print, true);
    expect("e0 2a e0 37");
    input_key(print, false);
    expect("e0 b7 e0 aa");
    outb(0x60, 0xf2);
    expect("fa ab 41");
    /* every named key's set 1 code comes out as in the table */
    for (int i = 0; key_table[i].name; i++) {
        unsigned s1 = key_table[i].set1;
        if (i == pause || i == print || s1 >> 8 == 0xe1 || !(s1 & 0x7f))
            continue;
        input_key(i, true);
        if (s1 >> 8)
            g_assert_cmphex(inb(0x60), ==, s1 >> 8);
        g_assert_cmphex(inb(0x60), ==, s1 & 0xff);
        input_key(i, false);
        if (s1 >> 8)
            g_assert_cmphex(inb(0x60), ==, s1 >> 8);
        g_assert_cmphex(inb(0x60), ==, (s1 & 0xff) | 0x80);
    }
    /* disabled line holds keys back; a full queue drops whole codes */
    outb(0x64, 0xad);
    input_key(a, true);
    g_assert_cmphex(inb(0x64) & 1, ==, 0);
    outb(0x64, 0xae);
    expect("1e");
    for (int i = 0; i < 100; i++)
        input_key(right, i & 1);
    int n = 0;
    while (inb(0x64) & 1) {
        inb(0x60);
        n++;
    }
    g_assert_cmpint(n, <=, 17);
    outb(0x60, 0xf5);
    expect("fa");
    input_key(a, true);
    expect("");
    periph_check_state();
    periph_teardown();
}

static void test_mouse(void)
{
    setup();
    outb(0x64, 0xa8);
    mouse_cmd(0xff);
    expect("fa aa 00");
    input_mouse(1, 1, 0, 0); /* not enabled yet */
    expect("");
    mouse_cmd(0xf4);
    g_assert_cmphex(inb(0x64) & 0x20, ==, 0x20);
    g_assert_cmpint(periph_irq[12], ==, 1);
    expect("fa");
    input_mouse(5, -3, 0, 1);
    expect("09 05 03");
    input_mouse(-300, 0, 0, 1); /* more than a packet holds */
    expect("19 01 00 19 d3 00");
    mouse_cmd(0xf3);
    mouse_cmd(200);
    mouse_cmd(0xf3);
    mouse_cmd(100);
    mouse_cmd(0xf3);
    mouse_cmd(80);
    expect("fa fa fa fa fa fa");
    mouse_cmd(0xf2);
    expect("fa 03");
    input_mouse(0, 0, -1, 0);
    expect("08 00 00 ff");
    mouse_cmd(0xe9);
    expect("fa 20 02 50");
    mouse_cmd(0xf0); /* remote: only when asked */
    expect("fa");
    input_mouse(1, 0, 0, 0);
    expect("");
    mouse_cmd(0xeb);
    expect("fa 08 01 00 00");
    periph_check_state();
    periph_teardown();
}

static void test_fuzz(void)
{
    static const uint16_t ports[] = {0x60, 0x64};
    setup();
    for (int i = 0; i < 500; i++) {
        periph_fuzz(ports, 2, 100);
        input_key(i % 80, i & 1);
        input_mouse(i, -i, i & 3, i & 7);
    }
    periph_check_state();
    device_reset_all();
    g_assert_cmphex(inb(0x64), ==, 0x18);
    periph_teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/i8042/controller", test_controller);
    g_test_add_func("/hw/i8042/keyboard", test_keyboard);
    g_test_add_func("/hw/i8042/mouse", test_mouse);
    g_test_add_func("/hw/i8042/fuzz", test_fuzz);
    return g_test_run();
}
