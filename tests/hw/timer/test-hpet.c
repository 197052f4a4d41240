/* test-hpet.c - HPET 1.0a: counter, one-shot, periodic, legacy replacement, level status. */
#include "host/base/osdep.h"
#include "hw/timer/hpet.h"
#include "tests/lib/bus-harness.h"

static TestLine gsi[32], irq0, irq8, legacy;

static void begin(void)
{
    HpetState *h = (HpetState *)device_new(&hpet_class, NULL);

    harness_start();
    memset(gsi, 0, sizeof gsi);
    irq0 = irq8 = legacy = (TestLine){0};
    hpet_configure(h, test_line_set, gsi, test_line(&irq0), test_line(&irq8), test_line(&legacy));
    g_assert_true(device_realize((Device *)h, NULL));
}

static void test_counter(void)
{
    begin();
    g_assert_cmphex(readl(HPET_BASE), ==, 0x8086a201);
    g_assert_cmpuint(readl(HPET_BASE + 4), ==, 10000000);
    step(1000);
    g_assert_cmpuint(readl(HPET_BASE + 0xf0), ==, 0);
    writel(HPET_BASE + 0x10, 1);
    step(1000);
    g_assert_cmpuint(readl(HPET_BASE + 0xf0), ==, 100);
    writel(HPET_BASE + 0x10, 0);
    step(1000);
    g_assert_cmpuint(readl(HPET_BASE + 0xf0), ==, 100);
    harness_stop();
}

static void test_one_shot(void)
{
    begin();
    writel(HPET_BASE + 0x10, 1);
    writel(HPET_BASE + 0x100, 0x104 | 2 << 9); /* 32 bit, enabled, pin 2 */
    writel(HPET_BASE + 0x108, 500);
    step(4999);
    g_assert_cmpint(gsi[2].rises, ==, 0);
    step(1);
    g_assert_cmpint(gsi[2].rises, ==, 1);
    step(1000000);
    g_assert_cmpint(gsi[2].rises, ==, 1);
    harness_stop();
}

static void test_periodic_legacy(void)
{
    begin();
    writel(HPET_BASE + 0x10, 2);
    g_assert_cmpint(legacy.level, ==, 1);
    writel(HPET_BASE + 0x100, 0x4c); /* periodic, enabled, set accumulator */
    physmem_st(&address_space_memory, HPET_BASE + 0x108, 8, 1000);
    physmem_st(&address_space_memory, HPET_BASE + 0x108, 8, 1000); /* the period */
    writel(HPET_BASE + 0x10, 3);
    step(100 * 10000);
    g_assert_cmpint(irq0.rises, ==, 100);
    g_assert_cmpint(gsi[2].rises, ==, 0);
    writel(HPET_BASE + 0x10, 0);
    g_assert_cmpint(legacy.level, ==, 0);
    harness_stop();
}

static void test_level_status(void)
{
    begin();
    writel(HPET_BASE + 0x10, 1);
    writel(HPET_BASE + 0x120, 0x106 | 2 << 9);
    writel(HPET_BASE + 0x128, 100);
    step(1000);
    g_assert_cmpint(gsi[2].level, ==, 1);
    g_assert_cmphex(readl(HPET_BASE + 0x20), ==, 2);
    writel(HPET_BASE + 0x20, 2);
    g_assert_cmpint(gsi[2].level, ==, 0);
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/hpet/counter", test_counter);
    g_test_add_func("/hw/hpet/one-shot", test_one_shot);
    g_test_add_func("/hw/hpet/periodic-legacy", test_periodic_legacy);
    g_test_add_func("/hw/hpet/level-status", test_level_status);
    return g_test_run();
}
