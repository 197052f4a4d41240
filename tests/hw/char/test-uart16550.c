/* test-uart16550.c - tests hw/char: 16550A registers, FIFOs and interrupts; debug console; parallel port. */
#include "tests/hw/periph.h"
#include "hw/char/debugcon.h"
#include "hw/char/parallel.h"
#include "hw/char/uart16550.h"

enum { B = 0x3f8 };
static UartState *u;
static Chardev *chr;
static char *out_path;

static void setup(void)
{
    GError *err = NULL;
    periph_setup();
    int fd = g_file_open_tmp("vireo-uart-XXXXXX", &out_path, NULL);
    close(fd);
    char *spec = g_strdup_printf("file:%s", out_path);
    g_assert_true(chardev_new_legacy("serial0", spec, &chr, &err));
    g_free(spec);
    u = (UartState *)device_new(&uart16550_class, NULL);
    u->irq = periph_line(4);
    u->chr = chr;
    g_assert_true(device_realize(&u->dev, &err));
    g_assert_no_error(err);
}

static void teardown(void)
{
    device_free_all();
    chardev_free(chr);
    periph_teardown();
    unlink(out_path);
    g_free(out_path);
}

static void receive(const char *s) { u->fe.handlers->read(u, (const uint8_t *)s, strlen(s)); }
static int can_read(void) { return u->fe.handlers->can_read(u); }

static void test_transmit(void)
{
    char *text;
    setup();
    g_assert_cmphex(inb(B + 5), ==, 0x60);
    g_assert_cmphex(inb(B + 2), ==, 0x01);
    for (const char *p = "hello\n"; *p; p++)
        outb(B, *p);
    g_assert_cmphex(inb(B + 5), ==, 0x60);
    g_assert_cmpint(periph_irq[4], ==, 0);
    /* THRE: at once when enabled; acknowledged by IIR or by the next byte */
    outb(B + 1, 2);
    g_assert_cmpint(periph_irq[4], ==, 1);
    g_assert_cmphex(inb(B + 2), ==, 0x02);
    g_assert_cmpint(periph_irq[4], ==, 0);
    g_assert_cmphex(inb(B + 2), ==, 0x01);
    outb(B, '!');
    g_assert_cmphex(inb(B + 2), ==, 0x02);
    device_free_all();
    g_assert_true(g_file_get_contents(out_path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "hello\n!");
    g_free(text);
    teardown();
}

static void test_receive(void)
{
    setup();
    outb(B + 1, 5);
    g_assert_cmpint(can_read(), ==, 1);
    receive("a");
    g_assert_cmpint(can_read(), ==, 0);
    g_assert_cmpint(periph_irq[4], ==, 1);
    g_assert_cmphex(inb(B + 2), ==, 0x04);
    g_assert_cmphex(inb(B + 5), ==, 0x61);
    receive("b"); /* overrun: no room without FIFO */
    g_assert_cmphex(inb(B + 2), ==, 0x06);
    g_assert_cmphex(inb(B + 5), ==, 0x63);
    g_assert_cmphex(inb(B + 5), ==, 0x61); /* cleared by the read */
    g_assert_cmphex(inb(B), ==, 'b');
    g_assert_cmphex(inb(B + 5), ==, 0x60);
    g_assert_cmpint(periph_irq[4], ==, 0);
    teardown();
}

static void test_fifo(void)
{
    setup();
    outb(B + 2, 0x87); /* enable, clear, trigger at 8 */
    outb(B + 1, 1);
    g_assert_cmphex(inb(B + 2), ==, 0xc1);
    g_assert_cmpint(can_read(), ==, 16);
    receive("1234567");
    g_assert_cmpint(periph_irq[4], ==, 0);
    receive("8");
    g_assert_cmphex(inb(B + 2), ==, 0xc4);
    g_assert_cmphex(inb(B), ==, '1');
    g_assert_cmpint(periph_irq[4], ==, 0);
    /* the rest is announced after four character times (9600 8N1 assumed at reset: 5 bits + ...) */
    clock_test_step(10 * 1000 * 1000);
    g_assert_cmphex(inb(B + 2), ==, 0xcc);
    for (int i = '2'; i <= '8'; i++)
        g_assert_cmphex(inb(B), ==, i);
    g_assert_cmphex(inb(B + 2), ==, 0xc1);
    g_assert_cmphex(inb(B + 5), ==, 0x60);
    /* overrun keeps the FIFO */
    receive("0123456789abcdefX");
    g_assert_cmphex(inb(B + 5), ==, 0x63);
    for (int i = 0; i < 16; i++)
        g_assert_cmphex(inb(B), ==, "0123456789abcdef"[i]);
    /* break */
    u->fe.handlers->event(u, CHR_EVENT_BREAK);
    g_assert_cmphex(inb(B + 5) & 0x11, ==, 0x11);
    g_assert_cmphex(inb(B), ==, 0);
    receive("zz");
    outb(B + 2, 0); /* off: contents gone */
    g_assert_cmphex(inb(B + 5), ==, 0x60);
    g_assert_cmphex(inb(B + 2), ==, 0x01);
    periph_check_state();
    teardown();
}

static void test_loopback_and_modem(void)
{
    setup();
    g_assert_cmphex(inb(B + 6), ==, 0xb0);
    outb(B + 4, 0x1f);
    g_assert_cmphex(inb(B + 6) >> 4, ==, 15);
    outb(B + 4, 0x10);
    g_assert_cmphex(inb(B + 6), ==, 0x0f); /* all lines fell: four deltas, cleared by the read */
    g_assert_cmphex(inb(B + 6), ==, 0x00);
    outb(B + 1, 8);
    outb(B + 4, 0x12); /* RTS -> CTS */
    g_assert_cmphex(inb(B + 2), ==, 0x00);
    g_assert_cmphex(inb(B + 6), ==, 0x11);
    outb(B, 0x55);
    g_assert_cmphex(inb(B), ==, 0x55);
    /* divisor latch and scratch */
    outb(B + 3, 0x83);
    outb(B, 0x34);
    outb(B + 1, 0x12);
    g_assert_cmphex(inb(B), ==, 0x34);
    g_assert_cmphex(inb(B + 1), ==, 0x12);
    outb(B + 3, 3);
    g_assert_cmphex(inb(B + 1), ==, 8);
    outb(B + 7, 0xa5);
    g_assert_cmphex(inb(B + 7), ==, 0xa5);
    teardown();
}

static void test_others(void)
{
    GError *err = NULL;
    Chardev *null_chr;
    setup();
    g_assert_true(chardev_new_legacy("dbg", "null", &null_chr, &err));
    Device *d = device_new(&debugcon_class, NULL);
    g_assert_true(device_set_prop(d, "chardev", "dbg", &err));
    g_assert_true(device_realize(d, &err));
    outb(0xe9, 'x');
    g_assert_cmphex(inb(0xe9), ==, 0xe9);
    d = device_new(&debugcon_class, NULL);
    g_assert_true(device_set_prop(d, "chardev", "nosuch", &err));
    g_assert_false(device_realize(d, &err));
    g_assert_nonnull(strstr(err->message, "nosuch"));
    g_clear_error(&err);
    ParallelState *p = (ParallelState *)device_new(&parallel_class, NULL);
    p->irq = periph_line(7);
    g_assert_true(device_realize(&p->dev, &err));
    g_assert_cmphex(inb(0x379) & 0xf8, ==, 0xd8);
    outb(0x37a, 0x1c);
    outb(0x378, 0x55);
    outb(0x37a, 0x2c); /* turned around: nobody drives the lines */
    g_assert_cmphex(inb(0x378), ==, 0xff);
    outb(0x37a, 0x0c);
    g_assert_cmphex(inb(0x378), ==, 0x55);
    outb(0x378, 'p');
    outb(0x37a, 0x1d);
    outb(0x37a, 0x1c);
    g_assert_cmpint(periph_irq[7], ==, 1);
    g_assert_cmphex(inb(0x379) & 0x40, ==, 0);
    g_assert_cmpint(periph_irq[7], ==, 0);
    device_free_all();
    chardev_free(null_chr);
    teardown();
}

static void test_fuzz(void)
{
    static const uint16_t ports[] = {B, B + 1, B + 2, B + 3, B + 4, B + 5, B + 6, B + 7};
    setup();
    for (int i = 0; i < 200; i++) {
        periph_fuzz(ports, 8, 200);
        receive("some text that overruns");
        clock_test_step(1000000);
    }
    periph_check_state();
    device_reset_all();
    g_assert_cmphex(inb(B + 5), ==, 0x60);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/uart16550/transmit", test_transmit);
    g_test_add_func("/hw/uart16550/receive", test_receive);
    g_test_add_func("/hw/uart16550/fifo", test_fifo);
    g_test_add_func("/hw/uart16550/loopback-and-modem", test_loopback_and_modem);
    g_test_add_func("/hw/uart16550/fuzz", test_fuzz);
    g_test_add_func("/hw/char/debugcon-and-parallel", test_others);
    return g_test_run();
}
