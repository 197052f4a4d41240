/* sys-32.c - the machine around the CPU: timers and HLT, A20, PAM shadowing, execution where there is no RAM,
 * the time stamp counter. Command line "triple": a triple fault, which the test script sees as a reset. */
#include "lib.h"

static volatile int ticks, apic_ticks;

static void on_timer(Frame *f)
{
    if (f->vector == 0x20) {
        ticks++;
        outb(0x20, 0x20);
    } else if (f->vector == 0x2f) {
        apic_ticks++;
        *(volatile uint32_t *)0xfee000b0 = 0;
    }
}

static void t_pit(void)
{
    on_irq = on_timer;
    ticks = 0;
    outb(0x43, 0x34); /* 1193 Hz */
    outb(0x40, 1000 & 0xff);
    outb(0x40, 1000 >> 8);
    pic_init(0xfffe);
    for (int i = 0; i < 20; i++)
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    pic_init(0xffff);
    CHECK(ticks >= 20);
    /* A busy loop is interrupted as well. */
    ticks = 0;
    pic_init(0xfffe);
    __asm__ volatile("sti");
    for (uint32_t i = 0; ticks < 5 && i < 2000000000u; i++)
        BARRIER();
    __asm__ volatile("cli");
    pic_init(0xffff);
    CHECK(ticks >= 5);
}

static void t_sti_shadow(void)
{
    ticks = 0;
    on_irq = on_timer;
    pic_init(0xfffe);
    outb(0x43, 0x30); /* one shot, soon */
    outb(0x40, 10);
    outb(0x40, 0);
    for (int i = 0; i < 100000 && !(inb(0x20) & 1); i++)
        outb(0x20, 0x0a); /* IRR */
    CHECK(inb(0x20) & 1);
    __asm__ volatile("sti; cli" : : : "memory"); /* no interrupt gets in between */
    CHECK_EQ(ticks, 0);
    __asm__ volatile("sti; nop; cli" : : : "memory");
    CHECK_EQ(ticks, 1);
    pic_init(0xffff);
}

static void t_lapic_timer(void)
{
    volatile uint32_t *apic = (volatile uint32_t *)0xfee00000;

    on_irq = on_timer;
    apic_ticks = 0;
    apic[0xf0 / 4] = 0x1ff;
    apic[0x3e0 / 4] = 0xb;         /* divide by 1 */
    apic[0x320 / 4] = 0x2002f;     /* periodic */
    apic[0x380 / 4] = 1000000;
    for (int i = 0; i < 10; i++)
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    CHECK(apic_ticks >= 10);
    apic[0x320 / 4] = 0x10000;
    apic[0x380 / 4] = 0;
    apic_ticks = 0;
    apic[0x300 / 4] = 0x4002f;     /* a self-IPI, fixed, vector 2fh */
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    CHECK_EQ(apic_ticks, 1);
}

static void t_tsc(void)
{
    uint64_t last = rdtsc();
    int back = 0;

    for (int i = 0; i < 20000; i++) {
        uint64_t t = rdtsc();
        back += t < last;
        last = t;
    }
    CHECK_EQ(back, 0);
}

static void t_a20(void)
{
    volatile uint32_t *low = (volatile uint32_t *)0x500, *high = (volatile uint32_t *)0x100500;
    uint32_t old = *high;
    uint8_t p92 = inb(0x92);

    /* This code runs above 1 MiB: only odd megabytes vanish, so it stands at an even one while A20 is off. */
    static uint8_t code[] = {0xb0, 0, 0xe6, 0x92, 0x8b, 0x0d, 0x00, 0x05, 0x10, 0x00, 0xb0, 2, 0xe6, 0x92, 0x89, 0xc8, 0xc3};
    uint32_t r;
    void *at = (void *)0x8000;

    memcpy(at, code, sizeof code);
    *low = 0x11111111;
    *high = 0x22222222;
    CHECK_EQ(*low, 0x11111111);
    __asm__ volatile("mov %%esp, %%esi\nmov $0x9000, %%esp\ncall *%1\nmov %%esi, %%esp" : "=&a"(r) : "d"(at) : "ecx", "esi", "memory");
    CHECK_EQ(r, 0x11111111); /* 100500h was 500h */
    CHECK_EQ(*high, 0x22222222);
    outb(0x92, p92 | 2);
    *high = old;
}

static uint8_t pam_get(unsigned reg)
{
    outl(0xcf8, 0x80000000 | (reg & 0xfc));
    return inb((uint16_t)(0xcfc + (reg & 3)));
}

static void pam_set(unsigned reg, uint8_t v)
{
    outl(0xcf8, 0x80000000 | (reg & 0xfc));
    outb((uint16_t)(0xcfc + (reg & 3)), v);
}

static void t_pam(void)
{
    volatile uint8_t *p = (volatile uint8_t *)0xd0000; /* PAM 3, low half: d0000-d3fff */
    uint8_t old = pam_get(0x5c);
    int (*fn)(void) = (int (*)(void))(word)p;

    pam_set(0x5c, (old & 0xf0) | 3);
    p[0] = 0xb8; /* mov eax, 7; ret */
    p[1] = 7;
    p[2] = p[3] = p[4] = 0;
    p[5] = 0xc3;
    CHECK_EQ(fn(), 7);
    pam_set(0x5c, (old & 0xf0) | 1); /* read only */
    p[1] = 9;
    CHECK_EQ(p[1], 7);
    CHECK_EQ(fn(), 7);
    pam_set(0x5c, old & 0xf0); /* the bus: nobody there */
    CHECK_EQ(p[1], 0xff);
    p[1] = 9;
    pam_set(0x5c, (old & 0xf0) | 3);
    CHECK_EQ(p[1], 7);
    p[1] = 8; /* code written again after the changes */
    CHECK_EQ(fn(), 8);
    pam_set(0x5c, old);
}

static word jump_to;
NOINLINE static void jump(void) { __asm__ volatile("mov %%esp, %%esi\njmp *%0" : : "r"(jump_to) : "esi"); }

static void t_execute_nowhere(void)
{
    jump_to = 0xe0000000; /* nothing there: ff ff is an invalid opcode */
    CHECK_EQ(catching(jump), 6);
    CHECK_EQ(exc.ip, 0xe0000000);
    jump_to = 0xfee00030; /* the local APIC: its version register, whatever that decodes to */
    CHECK(catching(jump) >= 0);
    jump_to = 0xfed00000;
    CHECK(catching(jump) >= 0);
}

/* An interrupt that is pending before HLT wakes it at once. */
static void t_hlt_wakes_at_once(void)
{
    on_irq = on_timer;
    ticks = 0;
    pic_init(0xfffe);
    outb(0x43, 0x30);
    outb(0x40, 10);
    outb(0x40, 0);
    for (int i = 0; i < 100000 && !(inb(0x20) & 1); i++)
        outb(0x20, 0x0a);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    CHECK_EQ(ticks, 1);
    pic_init(0xffff);
}

void guest_main(const char *cmdline)
{
    static const TestCase tests[] = {{"PIT interrupts and HLT", t_pit}, {"STI shadow", t_sti_shadow},
                                     {"HLT with an interrupt pending", t_hlt_wakes_at_once},
                                     {"LAPIC timer and self-IPI", t_lapic_timer}, {"TSC never runs back", t_tsc},
                                     {"A20", t_a20}, {"PAM", t_pam}, {"execution outside RAM", t_execute_nowhere}};

    for (const char *c = cmdline; *c; c++)
        if (c[0] == 't' && c[1] == 'r' && c[2] == 'i') {
            struct __attribute__((packed)) { uint16_t limit; word base; } none = {0, 0};
            print("# triple fault\n");
            __asm__ volatile("lidt %0; int3" : : "m"(none));
        }
    run_tests(tests, sizeof tests / sizeof tests[0]);
}
