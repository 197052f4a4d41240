/* test-mc146818.c - real-time clock (MC146818 data sheet). */
#include "host/base/osdep.h"
#include "hw/timer/mc146818.h"
#include "tests/lib/bus-harness.h"

static TestLine irq8, alarm_line;

static uint8_t cmos(uint8_t i)
{
    outb(0x70, i);
    return inb(0x71);
}
static void set(uint8_t i, uint8_t v)
{
    outb(0x70, i);
    outb(0x71, v);
}

static void begin(void)
{
    RtcState *rtc = (RtcState *)device_new(&mc146818_class, NULL);

    harness_start();
    irq8 = (TestLine){0};
    mc146818_configure(rtc, test_line(&irq8), false, 0);
    alarm_line = (TestLine){0};
    mc146818_set_alarm_line(rtc, test_line(&alarm_line));
    g_assert_true(device_realize((Device *)rtc, NULL));
    irq8.rises = 0;
}

static void set_time(void)
{
    set(0x0b, 0x82); /* SET, 24 hours, BCD */
    set(0x00, 0x58);
    set(0x02, 0x59);
    set(0x04, 0x23);
    set(0x07, 0x28);
    set(0x08, 0x02);
    set(0x09, 0x24);
    set(0x32, 0x20);
    set(0x0b, 0x02);
}

static void test_calendar(void)
{
    begin();
    set_time();
    step(2 * NANOSECONDS_PER_SECOND);
    g_assert_cmphex(cmos(0x00), ==, 0x00);
    g_assert_cmphex(cmos(0x04), ==, 0x00);
    g_assert_cmphex(cmos(0x07), ==, 0x29); /* 2024 is a leap year */
    g_assert_cmphex(cmos(0x08), ==, 0x02);
    g_assert_cmphex(cmos(0x06), ==, 0x05); /* a Thursday */
    set(0x0b, 0x06); /* binary */
    g_assert_cmpuint(cmos(0x07), ==, 29);
    set(0x0b, 0x00); /* 12 hours */
    g_assert_cmphex(cmos(0x04), ==, 0x12);
    g_assert_cmphex(cmos(0x0d), ==, 0x80);
    harness_stop();
}

static void test_periodic(void)
{
    begin();
    set(0x0a, 0x26); /* 1024 Hz */
    set(0x0b, 0x42);
    for (int i = 0; i < 1024; i++) {
        step(NANOSECONDS_PER_SECOND / 1024 + 1);
        if (irq8.level)
            g_assert_cmphex(cmos(0x0c) & 0xc0, ==, 0xc0);
    }
    g_assert_cmpint(irq8.rises, >=, 1023);
    g_assert_cmphex(cmos(0x0c) & 0xc0, ==, 0); /* reading cleared it */
    harness_stop();
}

static void test_alarm_and_update(void)
{
    begin();
    set_time();
    set(0x01, 0x01);
    set(0x03, 0xff); /* any minute, any hour */
    set(0x05, 0xff);
    set(0x0b, 0x22);
    step(2 * NANOSECONDS_PER_SECOND + 1);
    g_assert_cmpint(irq8.level, ==, 0);
    step(NANOSECONDS_PER_SECOND);
    g_assert_cmpint(irq8.level, ==, 1);
    g_assert_cmphex(cmos(0x0c) & 0xb0, ==, 0xb0); /* IRQF, AF, UF */
    g_assert_cmpint(alarm_line.rises, ==, 1);
    set(0x0b, 0x12);
    step(61 * NANOSECONDS_PER_SECOND);
    g_assert_cmpint(alarm_line.rises, ==, 1); /* its interrupt is no longer enabled */
    g_assert_cmphex(cmos(0x0c) & 0x90, ==, 0x90);
    harness_stop();
}

static void test_update_in_progress(void)
{
    int64_t sub;

    begin();
    set_time();
    step(1); /* the fraction of the second went on */
    for (int i = 0; i < 20000 && !(cmos(0x0a) & 0x80); i++)
        step(100000);
    g_assert_cmphex(cmos(0x0a) & 0x80, ==, 0x80);
    sub = cmos(0x00);
    step(300000);
    g_assert_cmphex(cmos(0x0a) & 0x80, ==, 0);
    g_assert_cmphex(cmos(0x00), !=, sub);
    harness_stop();
}

static void test_memory(void)
{
    begin();
    set(0x40, 0xa5);
    outb(0x70, 0x80 | 0x40); /* the NMI bit is not part of the index */
    g_assert_cmphex(inb(0x71), ==, 0xa5);
    device_reset_all();
    g_assert_cmphex(cmos(0x40), ==, 0xa5); /* battery */
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/mc146818/calendar", test_calendar);
    g_test_add_func("/hw/mc146818/periodic", test_periodic);
    g_test_add_func("/hw/mc146818/alarm-and-update", test_alarm_and_update);
    g_test_add_func("/hw/mc146818/update-in-progress", test_update_in_progress);
    g_test_add_func("/hw/mc146818/memory", test_memory);
    return g_test_run();
}
