/* test-i8259.c - 8259A pair through its ports (section names as in the data sheet). */
#include "host/base/osdep.h"
#include "hw/intc/i8259.h"
#include "tests/lib/bus-harness.h"

static PicState *pic;
static TestLine intr;

static void begin(void)
{
    harness_start();
    intr = (TestLine){0};
    pic = (PicState *)device_new(&i8259_class, NULL);
    i8259_set_output(pic, test_line(&intr));
    g_assert_true(device_realize((Device *)pic, NULL));
}

static void program(uint8_t icw4_master)
{
    outb(0x20, 0x11);
    outb(0x21, 0x20);
    outb(0x21, 0x04);
    outb(0x21, icw4_master);
    outb(0xa0, 0x11);
    outb(0xa1, 0x28);
    outb(0xa1, 0x02);
    outb(0xa1, 0x01);
    outb(0x21, 0x00);
    outb(0xa1, 0x00);
}

static uint8_t isr(uint16_t base)
{
    outb(base, 0x0b);
    return inb(base);
}

static void test_priority(void)
{
    begin();
    program(1);
    i8259_set_irq(pic, 5, 1);
    g_assert_cmpint(intr.level, ==, 1);
    i8259_set_irq(pic, 3, 1);
    g_assert_cmpint(i8259_acknowledge(pic), ==, 0x23); /* fully nested mode */
    g_assert_cmpint(intr.level, ==, 0);                /* 5 is lower than 3 in service */
    g_assert_cmphex(isr(0x20), ==, 0x08);
    outb(0x20, 0x20); /* non-specific EOI */
    g_assert_cmpint(i8259_acknowledge(pic), ==, 0x25);
    i8259_set_irq(pic, 0, 1);
    g_assert_cmpint(i8259_acknowledge(pic), ==, 0x20); /* preempts */
    outb(0x20, 0x65);                                  /* specific EOI of 5 */
    g_assert_cmphex(isr(0x20), ==, 0x01);
    harness_stop();
}

static void test_cascade_and_spurious(void)
{
    begin();
    program(1);
    i8259_set_irq(pic, 14, 1);
    g_assert_cmpint(i8259_acknowledge(pic), ==, 0x2e);
    g_assert_cmphex(isr(0x20), ==, 0x04);
    g_assert_cmphex(isr(0xa0), ==, 0x40);
    outb(0xa0, 0x20);
    outb(0x20, 0x20);
    g_assert_cmphex(isr(0x20) | isr(0xa0), ==, 0);
    g_assert_cmpint(i8259_acknowledge(pic), ==, 0x27); /* default IR7 */
    g_assert_cmphex(isr(0x20), ==, 0);
    harness_stop();
}

static void test_mask_edge_level(void)
{
    begin();
    program(1);
    outb(0x21, 0x08);
    i8259_set_irq(pic, 3, 1);
    g_assert_cmpint(intr.level, ==, 0);
    outb(0x21, 0x00);
    g_assert_cmpint(intr.level, ==, 1);
    g_assert_cmpint(i8259_acknowledge(pic), ==, 0x23);
    outb(0x20, 0x20);
    g_assert_cmpint(intr.level, ==, 0); /* an edge counts once */
    outb(0x4d0, 0xff);
    g_assert_cmphex(inb(0x4d0), ==, 0xf8); /* IRQ 0-2 stay edges */
    i8259_set_irq(pic, 5, 1);
    g_assert_cmpint(i8259_acknowledge(pic), ==, 0x25);
    outb(0x20, 0x20);
    g_assert_cmpint(intr.level, ==, 1); /* a level counts while it lasts */
    i8259_set_irq(pic, 5, 0);
    g_assert_cmpint(intr.level, ==, 0);
    harness_stop();
}

static void test_auto_eoi_rotate_poll(void)
{
    begin();
    program(3); /* automatic EOI */
    i8259_set_irq(pic, 1, 1);
    g_assert_cmpint(i8259_acknowledge(pic), ==, 0x21);
    g_assert_cmphex(isr(0x20), ==, 0);
    program(1);
    i8259_set_irq(pic, 1, 0);
    i8259_set_irq(pic, 1, 1);
    i8259_acknowledge(pic);
    outb(0x20, 0xa0); /* rotate on non-specific EOI: 2 is the highest now */
    i8259_set_irq(pic, 1, 0);
    i8259_set_irq(pic, 1, 1);
    i8259_set_irq(pic, 6, 1);
    g_assert_cmpint(i8259_acknowledge(pic), ==, 0x26);
    outb(0x20, 0x20);
    outb(0x20, 0x0c); /* poll */
    g_assert_cmphex(inb(0x20), ==, 0x81);
    g_assert_cmphex(isr(0x20), ==, 0x02);
    outb(0x20, 0x61);
    outb(0x20, 0x0c);
    g_assert_cmphex(inb(0x20), ==, 0x00);
    harness_stop();
}

static void test_special_mask(void)
{
    begin();
    program(1);
    i8259_set_irq(pic, 3, 1);
    i8259_acknowledge(pic);
    i8259_set_irq(pic, 5, 1);
    g_assert_cmpint(intr.level, ==, 0);
    outb(0x21, 0x08);
    outb(0x20, 0x68); /* special mask mode: a masked level in service blocks nobody */
    g_assert_cmpint(i8259_acknowledge(pic), ==, 0x25);
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/i8259/fully-nested", test_priority);
    g_test_add_func("/hw/i8259/cascade-and-spurious", test_cascade_and_spurious);
    g_test_add_func("/hw/i8259/mask-edge-level", test_mask_edge_level);
    g_test_add_func("/hw/i8259/auto-eoi-rotate-poll", test_auto_eoi_rotate_poll);
    g_test_add_func("/hw/i8259/special-mask", test_special_mask);
    return g_test_run();
}
