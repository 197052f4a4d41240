/* lib.h - what the bare-metal guests share: ports, serial output, checks, exceptions that come back as values.
 * A guest is a multiboot image; it prints TAP on COM1 and leaves through isa-debug-exit at f4h. */
#ifndef TESTS_GUEST_LIB_H
#define TESTS_GUEST_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uintptr_t word; /* a register */

static inline void outb(uint16_t p, uint8_t v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(p)); }
static inline void outw(uint16_t p, uint16_t v) { __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(p)); }
static inline void outl(uint16_t p, uint32_t v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(p)); }
static inline uint8_t inb(uint16_t p) { uint8_t v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline uint16_t inw(uint16_t p) { uint16_t v; __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline uint32_t inl(uint16_t p) { uint32_t v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline uint64_t rdtsc(void) { uint32_t l, h; __asm__ volatile("rdtsc" : "=a"(l), "=d"(h)); return (uint64_t)h << 32 | l; }

void *memcpy(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
void print(const char *fmt, ...); /* %s %d %x */
void check_that(bool ok, const char *what, int line, word got, word want);
#define CHECK(c) check_that((c), #c, __LINE__, 0, 1)
#define CHECK_EQ(a, b) do { word a_ = (word)(a), b_ = (word)(b); check_that(a_ == b_, #a " == " #b, __LINE__, a_, b_); } while (0)

typedef struct TestCase {
    const char *name;
    void (*fn)(void);
} TestCase;
void run_tests(const TestCase *t, int n) __attribute__((noreturn));
void leave(int code) __attribute__((noreturn)); /* the emulator's status is 2 * code + 1 */

/* What an exception or interrupt pushed, below it what the stub saved. */
typedef struct Frame {
#ifdef __x86_64__
    word r15, r14, r13, r12, r11, r10, r9, r8;
#endif
    word di, si, bp, bx, dx, cx, ax;
    word vector, error;
    word ip, cs, flags;
    word sp, ss; /* 32-bit: only when the privilege level changed */
} Frame;

/* Calls fn; an exception in it ends it. -1: none, else the vector, and `exc` has the rest. */
int catching(void (*fn)(void));
extern Frame exc;
extern word exc_cr2, exc_frame_sp; /* exc_frame_sp: the stack pointer after the pushes */
/* Asked first; true: return from the exception. */
extern bool (*on_exception)(Frame *f);
/* Vectors 20h..2fh. */
extern void (*on_irq)(Frame *f);

void set_gate(int vector, void *fn, int selector, int type_dpl_present, int ist);
extern word isr_table[48];
extern uint64_t gdt[16];

enum { PIC_BASE = 0x20 };
void pic_init(uint16_t mask); /* edge, vectors 20h and 28h */
#define NOINLINE __attribute__((noinline))
#define BARRIER() __asm__ volatile("" : : : "memory")

void paging_on(void);   /* identity for the first 4 GiB in 2 or 4 MiB pages; the first of them in 4 KiB pages (pt0) */
extern word pt0[];      /* the entries of those pages */
static inline void invlpg(void *p) { __asm__ volatile("invlpg (%0)" : : "r"(p) : "memory"); }
static inline void flush_tlb(void) { word t; __asm__ volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(t) : : "memory"); }
#ifdef __x86_64__
/* fn in ring 3 with this IOPL, on a stack of its own; it ends by an exception, whose vector is returned (13: fn came
 * back, to a HLT). Uses gdt[6] (30h: 64-bit code) and gdt[8-9] (40h: TSS). */
int run_user(void (*fn)(void), int iopl);
int catching_user(void (*fn)(void)); /* IOPL 0 */
extern word user_stack_top;
extern char user_return[];
typedef struct __attribute__((packed)) Tss64 {
    uint32_t zero;
    uint64_t rsp[3], zero2, ist[7], zero3;
    uint16_t zero4, iomap;
} Tss64;
extern Tss64 tss64;
#endif
void guest_main(const char *cmdline);

#endif
