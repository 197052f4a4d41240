/* test-i8254.c - interval timer (8254 data sheet) and port 61h. */
#include "host/base/osdep.h"
#include "hw/timer/i8254.h"
#include "tests/lib/bus-harness.h"

static PitState *pit;
static TestLine irq0;

static void begin(void)
{
    harness_start();
    irq0 = (TestLine){0};
    pit = (PitState *)device_new(&i8254_class, NULL);
    i8254_set_output(pit, test_line(&irq0));
    g_assert_true(device_realize((Device *)pit, NULL));
    irq0 = (TestLine){0};
}

static void load(unsigned counter, uint8_t control, uint16_t count)
{
    outb(0x43, (uint8_t)(counter << 6 | control));
    outb((uint16_t)(0x40 + counter), (uint8_t)count);
    outb((uint16_t)(0x40 + counter), (uint8_t)(count >> 8));
}

static uint16_t latch(unsigned counter)
{
    uint16_t v;

    outb(0x43, (uint8_t)(counter << 6));
    v = inb((uint16_t)(0x40 + counter));
    return v | (uint16_t)(inb((uint16_t)(0x40 + counter)) << 8);
}

static void test_mode2(void)
{
    begin();
    load(0, 0x34, 11932); /* 10 ms */
    step(1000000000);
    g_assert_cmpint(irq0.rises, >=, 99);
    g_assert_cmpint(irq0.rises, <=, 101);
    load(0, 0x34, 0); /* a count of zero is 65536 */
    irq0.rises = 0;
    step(1000000000);
    g_assert_cmpint(irq0.rises, >=, 18);
    g_assert_cmpint(irq0.rises, <=, 19);
    harness_stop();
}

static void test_mode3(void)
{
    begin();
    load(0, 0x36, 11932);
    irq0.rises = 0;
    step(1000000000);
    g_assert_cmpint(irq0.rises, >=, 99);
    g_assert_cmpint(irq0.rises, <=, 101);
    step(1);
    g_assert_cmpuint(latch(0) & 1, ==, 0); /* counts by two */
    harness_stop();
}

static void test_mode0(void)
{
    begin();
    load(0, 0x30, 1193);
    g_assert_cmpint(irq0.level, ==, 0);
    step(900000);
    g_assert_cmpint(irq0.level, ==, 0);
    step(200000);
    g_assert_cmpint(irq0.level, ==, 1);
    step(50000000);
    g_assert_cmpint(irq0.rises, ==, 1); /* one shot */
    harness_stop();
}

/* One run of the count, and a main loop that comes `late` ns after its end: one rising edge, in every mode that has one. */
static void one_late_edge(uint8_t control, int64_t late)
{
    begin();
    load(0, control, 1000); /* 838 us */
    irq0.rises = 0;
    clock_vm_set(clock_ns(CLOCK_VM) + 838096 + late);
    step(1000); /* mode 4's tick with OUT low */
    g_assert_cmpint(irq0.rises, ==, 1);
    g_assert_true(irq0.level);
    step(100000); /* and none more */
    g_assert_cmpint(irq0.rises, ==, 1);
    harness_stop();
}

static void test_late(void)
{
    static const uint8_t control[4] = {0x30, 0x34, 0x36, 0x38}; /* modes 0, 2, 3, 4: 4 is Linux's one-shot */

    for (int i = 0; i < 4; i++) {
        one_late_edge(control[i], 0);
        one_late_edge(control[i], 2000);
        one_late_edge(control[i], 300000);
    }
}

static void test_latch_and_read_back(void)
{
    uint16_t a, b;

    begin();
    load(0, 0x34, 50000);
    step(10000000); /* 11931 ticks */
    outb(0x43, 0x00);
    step(10000000);
    a = inb(0x40);
    a |= (uint16_t)(inb(0x40) << 8);
    g_assert_cmpuint(a, ==, 50000 - 11931); /* as it was when latched */
    b = latch(0);
    g_assert_cmpuint(b, ==, 50000 - 23863);
    outb(0x43, 0xe2); /* read-back: status of counter 0 */
    g_assert_cmphex(inb(0x40), ==, 0x80 | 0x30 | 0x04);
    outb(0x43, 0xc2); /* count and status: the status comes first */
    g_assert_cmphex(inb(0x40) & 0x3f, ==, 0x34);
    a = inb(0x40);
    a |= (uint16_t)(inb(0x40) << 8);
    g_assert_cmpuint(a, ==, b);
    outb(0x43, 0x34);
    outb(0x43, 0xe2);
    g_assert_cmphex(inb(0x40) & 0x40, ==, 0x40); /* null count */
    harness_stop();
}

static void test_bcd(void)
{
    begin();
    load(0, 0x31, 0x9999);
    step(1000000); /* 1193 ticks */
    g_assert_cmphex(latch(0), ==, 0x8806);
    harness_stop();
}

static void test_speaker_gate(void)
{
    begin();
    outb(0x61, 0x00);
    load(2, 0x30, 1193);
    step(5000000);
    g_assert_cmphex(inb(0x61) & 0x20, ==, 0); /* the gate holds it */
    outb(0x61, 0x01);
    step(2000000);
    g_assert_cmphex(inb(0x61) & 0x21, ==, 0x21);
    uint8_t toggle = inb(0x61) & 0x10;
    step(15085);
    g_assert_cmphex(inb(0x61) & 0x10, !=, toggle);
    harness_stop();
}

static void test_gate_holds_the_count(void)
{
    uint16_t held;

    begin();
    outb(0x61, 0x01);
    load(2, 0xb0 & 0x3f, 60000);
    step(10000000);
    outb(0x61, 0x00);
    held = latch(2);
    step(10000000);
    g_assert_cmpuint(latch(2), ==, held);
    outb(0x61, 0x01);
    step(10000000);
    g_assert_cmpuint(latch(2), <, held);
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/i8254/mode2/rate-and-zero-is-65536", test_mode2);
    g_test_add_func("/hw/i8254/mode3/square-wave", test_mode3);
    g_test_add_func("/hw/i8254/mode0/one-shot", test_mode0);
    g_test_add_func("/hw/i8254/late-main-loop", test_late);
    g_test_add_func("/hw/i8254/latch-and-read-back", test_latch_and_read_back);
    g_test_add_func("/hw/i8254/bcd", test_bcd);
    g_test_add_func("/hw/i8254/port61/gate-output-refresh", test_speaker_gate);
    g_test_add_func("/hw/i8254/gate-holds-the-count", test_gate_holds_the_count);
    return g_test_run();
}
