/* test-apic.c - local APIC and I/O APIC (SDM volume 3 chapter "APIC", 82093AA). */
#include "host/base/osdep.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/lapic.h"
#include "tests/lib/bus-harness.h"

#define L(reg) (0xfee00000 + (reg))

static LapicState *lapic;
static IoapicState *ioapic;
static int intr, nmis, pic_vector;

static void on_intr(void *opaque, int level) { intr = level; }
static void on_nmi(void *opaque) { nmis++; }
static int64_t tsc_to_ns(void *opaque, uint64_t tsc) { return (int64_t)tsc * 2; }
static const LapicCpuOps cpu_ops = {.intr = on_intr, .nmi = on_nmi, .tsc_to_ns = tsc_to_ns};
static void on_eoi(void *opaque, unsigned vector) { ioapic_eoi(ioapic, vector); }
static int on_inta(void *opaque) { return pic_vector; }
static void on_message(void *opaque, uint32_t dest, bool logical, unsigned mode, unsigned vector, bool level)
{
    lapic_deliver(lapic, dest, logical, mode, vector, level);
}

static void begin(void)
{
    LapicWiring w = {&cpu_ops, NULL, on_eoi, on_inta, NULL};

    harness_start();
    intr = nmis = 0;
    lapic = (LapicState *)device_new(&lapic_class, NULL);
    lapic_configure(lapic, 0, &w);
    g_assert_true(device_realize((Device *)lapic, NULL));
    ioapic = (IoapicState *)device_new(&ioapic_class, NULL);
    ioapic_configure(ioapic, on_message, NULL);
    g_assert_true(device_realize((Device *)ioapic, NULL));
    writel(L(0xf0), 0x1ff);
}

static void rte(unsigned pin, uint64_t v)
{
    writel(0xfec00000, 0x11 + 2 * pin);
    writel(0xfec00010, (uint32_t)(v >> 32));
    writel(0xfec00000, 0x10 + 2 * pin);
    writel(0xfec00010, (uint32_t)v);
}

static uint32_t rte_low(unsigned pin)
{
    writel(0xfec00000, 0x10 + 2 * pin);
    return readl(0xfec00010);
}

static void test_priorities(void)
{
    begin();
    g_assert_cmphex(readl(L(0x30)), ==, 0x00050014);
    lapic_deliver(lapic, 0, false, DELIVER_FIXED, 0x51, false);
    lapic_deliver(lapic, 0, false, DELIVER_FIXED, 0x31, false);
    g_assert_cmpint(intr, ==, 1);
    g_assert_cmphex(readl(L(0x220)), ==, 1u << 0x11 ); /* IRR 20h-3fh */
    g_assert_cmpint(lapic_get_vector(lapic), ==, 0x51);
    g_assert_cmpint(intr, ==, 0);
    g_assert_cmphex(readl(L(0xa0)), ==, 0x50); /* PPR */
    writel(L(0xb0), 0);
    g_assert_cmpint(intr, ==, 1);
    writel(L(0x80), 0x30); /* TPR class 3 blocks vector 31h */
    g_assert_cmpint(intr, ==, 0);
    g_assert_cmpint(lapic_get_vector(lapic), ==, 0xff); /* spurious */
    writel(L(0x80), 0);
    g_assert_cmpint(lapic_get_vector(lapic), ==, 0x31);
    writel(L(0xb0), 0);
    harness_stop();
}

static void test_timer(void)
{
    begin();
    writel(L(0x3e0), 0xb); /* divide by 1: 1 ns */
    writel(L(0x320), 0x40);
    writel(L(0x380), 1000);
    step(400);
    g_assert_cmpuint(readl(L(0x390)), ==, 600);
    step(599);
    g_assert_cmpint(intr, ==, 0);
    step(1);
    g_assert_cmpint(lapic_get_vector(lapic), ==, 0x40);
    writel(L(0xb0), 0);
    g_assert_cmpuint(readl(L(0x390)), ==, 0);
    writel(L(0x3e0), 0x3); /* by 16 */
    writel(L(0x320), 0x20041);
    writel(L(0x380), 1000);
    for (int i = 0; i < 3; i++) {
        step(16000);
        g_assert_cmpint(lapic_get_vector(lapic), ==, 0x41);
        writel(L(0xb0), 0);
    }
    writel(L(0x380), 0);
    step(100000);
    g_assert_cmpint(intr, ==, 0);
    writel(L(0x320), 0x40042); /* TSC deadline */
    g_assert_true(lapic_msr_write(lapic, 0x6e0, (uint64_t)(clock_ns(CLOCK_VM) + 5000) / 2));
    step(4990);
    g_assert_cmpint(intr, ==, 0);
    step(20);
    g_assert_cmpint(lapic_get_vector(lapic), ==, 0x42);
    harness_stop();
}

static void test_extint_and_nmi(void)
{
    begin();
    pic_vector = 0x08;
    lapic_set_lint(lapic, 0, 1);
    g_assert_cmpint(intr, ==, 0); /* LINT0 is masked after reset */
    writel(L(0x350), 0x700);
    g_assert_cmpint(intr, ==, 1);
    g_assert_cmpint(lapic_get_vector(lapic), ==, 0x08);
    g_assert_cmphex(readl(L(0x100)), ==, 0); /* ExtINT does not go into service */
    lapic_set_lint(lapic, 0, 0);
    g_assert_cmpint(intr, ==, 0);
    writel(L(0x360), 0x400);
    lapic_set_lint(lapic, 1, 1);
    g_assert_cmpint(nmis, ==, 1);
    writel(L(0x300), 0x40400); /* self NMI */
    g_assert_cmpint(nmis, ==, 2);
    writel(L(0x300), 0x40055); /* self IPI */
    g_assert_cmpint(lapic_get_vector(lapic), ==, 0x55);
    writel(L(0x300), 0x40005); /* illegal vector */
    writel(L(0x280), 0);
    g_assert_cmphex(readl(L(0x280)), ==, 0x20);
    harness_stop();
}

static void test_ioapic(void)
{
    begin();
    ioapic_set_irq(ioapic, 4, 1);
    ioapic_set_irq(ioapic, 4, 0);
    rte(4, 0x54);
    g_assert_cmpint(intr, ==, 0); /* the edge at a masked pin is lost */
    ioapic_set_irq(ioapic, 4, 1);
    g_assert_cmpint(lapic_get_vector(lapic), ==, 0x54);
    writel(L(0xb0), 0);
    rte(10, 0x8000 | 0x5a);
    ioapic_set_irq(ioapic, 10, 1);
    g_assert_cmphex(rte_low(10) & 0x4000, ==, 0x4000);
    g_assert_cmpint(lapic_get_vector(lapic), ==, 0x5a);
    g_assert_cmphex(readl(L(0x1a0)), ==, 1u << 0x1a); /* TMR */
    writel(L(0xb0), 0);
    g_assert_cmpint(lapic_get_vector(lapic), ==, 0x5a); /* still active: again */
    ioapic_set_irq(ioapic, 10, 0);
    writel(L(0xb0), 0);
    g_assert_cmpint(intr, ==, 0);
    g_assert_cmphex(rte_low(10) & 0x4000, ==, 0);
    writel(0xfec00000, 1);
    g_assert_cmphex(readl(0xfec00010), ==, 0x00170020);
    rte(11, 0xff00000000000860ULL | 0x60); /* logical, flat */
    writel(L(0xd0), 0x01000000);
    ioapic_set_irq(ioapic, 11, 1);
    g_assert_cmpint(lapic_get_vector(lapic), ==, 0x60);
    harness_stop();
}

static void test_x2apic(void)
{
    uint64_t v;

    begin();
    g_assert_false(lapic_msr_read(lapic, 0x802, &v));
    g_assert_false(lapic_set_base(lapic, 0xfee00500)); /* EXTD without EN */
    g_assert_true(lapic_set_base(lapic, 0xfee00d00));
    g_assert_true(lapic_msr_read(lapic, 0x80d, &v));
    g_assert_cmphex(v, ==, 1);
    g_assert_true(lapic_msr_write(lapic, 0x83f, 0x77)); /* self IPI */
    g_assert_cmpint(lapic_get_vector(lapic), ==, 0x77);
    g_assert_true(lapic_msr_write(lapic, 0x80b, 0));
    g_assert_false(lapic_msr_write(lapic, 0x80b, 1));
    g_assert_false(lapic_msr_write(lapic, 0x802, 1));
    g_assert_false(lapic_set_base(lapic, 0xfee00900)); /* no way straight back */
    g_assert_true(lapic_set_base(lapic, 0xfee00100));
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/lapic/priorities", test_priorities);
    g_test_add_func("/hw/lapic/timer", test_timer);
    g_test_add_func("/hw/lapic/extint-nmi-ipi", test_extint_and_nmi);
    g_test_add_func("/hw/lapic/x2apic", test_x2apic);
    g_test_add_func("/hw/ioapic/edge-level-eoi", test_ioapic);
    return g_test_run();
}
