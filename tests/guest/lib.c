/* lib.c - serial output, checks, interrupt gates, paging for the 32-bit guests. */
#include "lib.h"

#include <stdarg.h>

enum { COM1 = 0x3f8, DEBUG_EXIT = 0xf4, IDT_SIZE = 256 };

Frame exc;
word exc_cr2, exc_frame_sp;
bool (*on_exception)(Frame *f);
void (*on_irq)(Frame *f);
extern word catch_sp, pd[], pml4[];
static int failures;
static struct {
    uint16_t lo, sel, attr, hi;
#ifdef __x86_64__
    uint32_t top, zero;
#endif
} idt[IDT_SIZE] __attribute__((aligned(16)));

void *memcpy(void *d, const void *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile uint8_t *)d)[i] = ((const uint8_t *)s)[i];
    return d;
}

void *memset(void *d, int c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile uint8_t *)d)[i] = (uint8_t)c;
    return d;
}

static void put(char c)
{
    while (!(inb(COM1 + 5) & 0x20))
        ;
    outb(COM1, (uint8_t)c);
}

void print(const char *f, ...)
{
    va_list ap;

    va_start(ap, f);
    for (; *f; f++) {
        if (*f != '%') {
            put(*f);
        } else if (*++f == 's') {
            for (const char *s = va_arg(ap, const char *); *s; s++)
                put(*s);
        } else {
            word v = *f == 'd' ? (word)va_arg(ap, int) : va_arg(ap, word), base = *f == 'd' ? 10 : 16;
            char buf[24];
            int n = 0;
            do
                buf[n++] = "0123456789abcdef"[v % base];
            while (v /= base);
            while (n)
                put(buf[--n]);
        }
    }
    va_end(ap);
}

void check_that(bool ok, const char *what, int line, word got, word want)
{
    if (ok)
        return;
    failures++;
    print("# line %d: %s: got %x, want %x\n", line, what, got, want);
}

void leave(int code)
{
    outl(DEBUG_EXIT, (uint32_t)code);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void run_tests(const TestCase *t, int n)
{
    int bad = 0;

    print("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        failures = 0;
        on_exception = NULL;
        on_irq = NULL;
        t[i].fn();
        print("%sok %d - %s\n", failures ? "not " : "", i + 1, t[i].name);
        bad += failures != 0;
    }
    leave(bad ? 2 : 1);
}

void set_gate(int v, void *fn, int sel, int attr, int ist)
{
    word a = (word)fn;

    idt[v].lo = (uint16_t)a;
    idt[v].hi = (uint16_t)(a >> 16);
    idt[v].sel = (uint16_t)sel;
    idt[v].attr = (uint16_t)(attr << 8 | ist);
#ifdef __x86_64__
    idt[v].top = (uint32_t)(a >> 32);
#endif
}

int lib_exception(Frame *f)
{
    if (f->vector >= PIC_BASE) {
        if (on_irq)
            on_irq(f);
        return 1;
    }
    __asm__ volatile("mov %%cr2, %0" : "=r"(exc_cr2));
    if (on_exception && on_exception(f))
        return 1;
    memcpy(&exc, f, sizeof exc);
    exc_frame_sp = (word)&f->error;
    if (!catch_sp) {
        print("# unexpected exception %d error %x at %x:%x cr2 %x\nBail out!\n", (int)f->vector, f->error, f->cs, f->ip,
              exc_cr2);
        leave(3);
    }
    return 0;
}

#ifdef __x86_64__
Tss64 tss64 __attribute__((aligned(16)));
static uint8_t ring0_stack[8192] __attribute__((aligned(16))), user_stack[8192] __attribute__((aligned(16)));
word user_stack_top = (word)(user_stack + sizeof user_stack);
static void (*user_fn)(void);
static word user_flags;
__asm__(".text\n.globl user_return\nuser_return: hlt\n");

static void enter_user(void)
{
    word *sp = (word *)user_stack_top - 1;

    *sp = (word)user_return;
    __asm__ volatile("push $0x23\npush %0\npush %1\npush $0x33\npush %2\niretq" : : "r"(sp), "r"(user_flags), "r"(user_fn) : "memory");
    __builtin_unreachable();
}

int run_user(void (*fn)(void), int iopl)
{
    word b = (word)&tss64;

    gdt[6] = 0x00affb000000ffff;
    gdt[8] = 0x890000000000 | (b & 0xffffff) << 16 | (b >> 24 & 0xff) << 56 | (sizeof tss64 - 1);
    gdt[9] = b >> 32;
    tss64.rsp[0] = (word)(ring0_stack + sizeof ring0_stack);
    if (!tss64.iomap)
        tss64.iomap = sizeof tss64;
    __asm__ volatile("ltr %%ax" : : "a"(0x40));
    user_fn = fn;
    user_flags = 2 | (word)iopl << 12;
    return catching(enter_user);
}

int catching_user(void (*fn)(void))
{
    return run_user(fn, 0);
}
#endif

void pic_init(uint16_t mask)
{
    static const uint8_t w[2][3] = {{0x20, 4, 1}, {0x28, 2, 1}};

    for (int c = 0; c < 2; c++) {
        uint16_t port = c ? 0xa0 : 0x20;
        outb(port, 0x11);
        for (int i = 0; i < 3; i++)
            outb(port + 1, w[c][i]);
        outb(port + 1, (uint8_t)(mask >> (8 * c)));
    }
}

void paging_on(void)
{
#ifndef __x86_64__
    word t;

    for (word i = 0; i < 1024; i++) {
        pd[i] = i << 22 | 0x87;
        pt0[i] = i << 12 | 7;
    }
    pd[0] = (word)pt0 | 7;
    __asm__ volatile("mov %%cr4, %0; or $0x90, %0; mov %0, %%cr4; mov %1, %%cr3; mov %%cr0, %0; or $0x80010000, %0;"
                     "mov %0, %%cr0" : "=&r"(t) : "r"(pd) : "memory");
#endif
}

void lib_start(const char *cmdline)
{
    struct __attribute__((packed)) { uint16_t limit; word base; } ptr = {sizeof idt - 1, (word)idt};

    for (int v = 0; v < 48; v++)
        set_gate(v, (void *)isr_table[v], 8, v == 3 || v == 4 ? 0xee : 0x8e, 0);
    __asm__ volatile("lidt %0" : : "m"(ptr));
    pic_init(0xffff);
    guest_main(cmdline ? cmdline : "");
    leave(1);
}
