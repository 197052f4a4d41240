/* sleep-64.c - each timer of the board ends a HLT, however short the time and however late the host: thousands of short
 * one-shots, each followed by a halt that nothing else ends. The clock's seconds (RTC) tell when an interrupt is lost.
 * Spec: Intel 8254 and MC146818 data sheets, IA-PC HPET 1.0a, Intel SDM vol. 3 "APIC Timer". */
#include "lib.h"

enum { ROUNDS = 2000, PIT = 0, RTC = 8, LAPIC_VECTOR = 0x2f };
#define APIC 0xfee00000ul
#define HPET 0xfed00000ul

static volatile bool woken;
static volatile unsigned seconds;
static unsigned seed = 1;

static inline void wrmsr(uint32_t m, uint64_t v) { __asm__ volatile("wrmsr" : : "a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(m) : "memory"); }
static volatile uint32_t *apic(unsigned r) { return (volatile uint32_t *)(APIC + r); }
static volatile uint64_t *hpet(unsigned r) { return (volatile uint64_t *)(HPET + r); }
static unsigned some(unsigned from, unsigned to)
{
    seed = seed * 1103515245 + 12345;
    return from + (seed >> 8) % (to - from);
}

static uint8_t rtc_read(uint8_t r) { outb(0x70, r); return inb(0x71); }
static void rtc_write(uint8_t r, uint8_t v) { outb(0x70, r); outb(0x71, v); }

static void irq(Frame *f)
{
    if (f->vector == LAPIC_VECTOR) {
        woken = true;
        *apic(0xb0) = 0;
        return;
    }
    if (f->vector == PIC_BASE + PIT) {
        woken = true;
    } else if (f->vector == PIC_BASE + RTC) {
        uint8_t why = rtc_read(0x0c);
        woken |= why & 0x40;
        seconds += why >> 4 & 1;
        outb(0xa0, 0x20);
    }
    outb(0x20, 0x20);
}

/* False: two seconds began and the timer was silent. */
static bool sleep(void)
{
    seconds = 0;
    while (!woken && seconds < 3)
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    return woken;
}

static void rounds(void (*arm)(void))
{
    int n = 0;

    on_irq = irq;
    for (; n < ROUNDS; n++) {
        woken = false;
        arm();
        if (!sleep())
            break;
    }
    CHECK_EQ(n, ROUNDS);
}

/* --- PIT --- */

static uint8_t pit_control;
static void arm_pit(void)
{
    unsigned n = some(2, 60);

    outb(0x43, pit_control);
    outb(0x40, (uint8_t)n);
    outb(0x40, (uint8_t)(n >> 8));
}
/* As Linux does it: the mode stays, a new count starts the next run. */
static void arm_pit_again(void)
{
    unsigned n = some(2, 60);

    outb(0x40, (uint8_t)n);
    outb(0x40, (uint8_t)(n >> 8));
}
static void stop_pit(void) { outb(0x43, 0x30); }

static void t_pit_mode0(void)
{
    pit_control = 0x30;
    rounds(arm_pit);
    stop_pit();
}
static void t_pit_mode4(void)
{
    outb(0x43, 0x38);
    rounds(arm_pit_again);
    stop_pit();
}
static void nothing(void) {}
static void t_pit_rate(void)
{
    outb(0x43, 0x34);
    outb(0x40, 120); /* 100 us */
    outb(0x40, 0);
    rounds(nothing);
    stop_pit();
}

/* --- HPET, timer 0 in place of the PIT --- */

static void arm_hpet(void)
{
    uint64_t at;

    do { /* a time gone by when it is written would match only when the counter has wrapped */
        at = *hpet(0xf0) + some(100, 6000);
        *hpet(0x108) = at;
    } while (!woken && (int64_t)(at - *hpet(0xf0)) <= 0);
}
static void t_hpet(void)
{
    *hpet(0x100) = 4;
    *hpet(0x10) = 3;
    rounds(arm_hpet);
    *hpet(0x100) = 0;
    *hpet(0x10) = 0;
}

/* --- local APIC --- */

static void arm_one_shot(void) { *apic(0x380) = some(1000, 60000); }
static void t_one_shot(void)
{
    *apic(0x3e0) = 0xb;
    *apic(0x320) = LAPIC_VECTOR;
    rounds(arm_one_shot);
    *apic(0x320) = 1 << 16;
}
static void t_periodic(void)
{
    *apic(0x3e0) = 0xb;
    *apic(0x320) = 1 << 17 | LAPIC_VECTOR;
    *apic(0x380) = 50000;
    rounds(nothing);
    *apic(0x320) = 1 << 16;
    *apic(0x380) = 0;
}
static void arm_deadline(void) { wrmsr(0x6e0, rdtsc() + some(300, 60000)); }
static void t_deadline(void)
{
    *apic(0x320) = 1 << 18 | LAPIC_VECTOR;
    rounds(arm_deadline);
    *apic(0x320) = 1 << 16;
}

/* --- RTC: 8192 Hz; here a lost interrupt ends nothing but the test's time --- */

static void t_rtc(void)
{
    rtc_write(0x0a, 0x23);
    rtc_write(0x0b, rtc_read(0x0b) | 0x40);
    rounds(nothing);
    rtc_write(0x0b, rtc_read(0x0b) & ~0x40);
    rtc_write(0x0a, 0x26);
}

void guest_main(const char *cmdline)
{
    static const TestCase tests[] = {{"PIT mode 0", t_pit_mode0}, {"PIT mode 4", t_pit_mode4}, {"PIT mode 2", t_pit_rate},
        {"HPET", t_hpet}, {"APIC timer, one-shot", t_one_shot}, {"APIC timer, periodic", t_periodic},
        {"TSC deadline", t_deadline}, {"RTC", t_rtc}};

    stop_pit();
    pic_init(0xfffa & ~(1 << RTC)); /* IRQ 0, the slave, IRQ 8 */
    *apic(0xf0) = 0x1ff;
    rtc_write(0x0b, (rtc_read(0x0b) & ~0x70) | 0x10); /* an interrupt each second */
    rtc_read(0x0c);
    run_tests(tests, sizeof tests / sizeof tests[0]);
}
