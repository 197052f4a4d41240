/* multiboot-kernel.c - a multiboot image that says on COM1 what its loader told it, and ends by isa-debug-exit.
 * Spec: Multiboot 0.6.96. Built by test-multiboot.py. */
#include <stdint.h>

__asm__(".section .multiboot, \"a\"\n.balign 4\n"
        ".long 0x1badb002, 3, -(0x1badb002 + 3)\n"
        ".text\n.globl _start\n"
        "_start: movl $stack_end, %esp\n pushl %ebx\n pushl %eax\n call kernel_main\n"
        "1: hlt\n jmp 1b\n"
        ".bss\n.skip 4096\nstack_end:\n"
        ".data\npattern: .rept 0x3000\n.long 0x5aa5c33c\n.endr\npattern_end:\n.text\n");
extern const uint32_t pattern[], pattern_end[];

void kernel_main(uint32_t magic, const uint32_t *info);

static void put_byte(uint16_t port, uint8_t v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static void put_text(const char *s)
{
    while (*s)
        put_byte(0x3f8, *s++);
}
static void put_hex(const char *name, uint32_t v)
{
    put_text(name);
    put_byte(0x3f8, '=');
    for (int i = 28; i >= 0; i -= 4)
        put_byte(0x3f8, "0123456789abcdef"[v >> i & 15]);
    put_byte(0x3f8, ' ');
}

void kernel_main(uint32_t magic, const uint32_t *info)
{
    put_hex("magic", magic);
    put_hex("flags", info[0]);
    put_hex("lower", info[1]);
    put_hex("upper", info[2]);
    put_text("cmdline=");
    put_text((const char *)info[4]);
    put_hex(" mods", info[5]);
    for (uint32_t i = 0; i < info[5]; i++) {
        const uint32_t *m = (const uint32_t *)(info[6] + 16 * i);
        put_text("mod=");
        put_text((const char *)m[2]);
        put_text(" text=");
        for (const char *p = (const char *)m[0]; p < (const char *)m[1]; p++)
            put_byte(0x3f8, *p);
    }
    uint32_t usable = 0;
    for (uint32_t at = info[12]; at < info[12] + info[11]; at += *(uint32_t *)at + 4)
        if (((uint32_t *)at)[5] == 1)
            usable += ((uint32_t *)at)[3] >> 10;
    put_hex("usable", usable);
    uint32_t changed = 0;
    for (const uint32_t *p = pattern; p < pattern_end; p++)
        changed += *p != 0x5aa5c33c;
    put_hex("changed", changed); /* words of the image that the loader wrote over */
    put_text("\n");
    put_byte(0x501, 0x10);
}
