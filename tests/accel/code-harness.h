/* code-harness.h - guest code written byte by byte, for tests of translated code. It goes to RAM as a device's DMA would,
 * so that TBs made of what was there before are dropped. Header only. */
#ifndef TESTS_ACCEL_CODE_HARNESS_H
#define TESTS_ACCEL_CODE_HARNESS_H

#include "tests/target-x86/sys-harness.h"
#include "accel/internal.h"

static CPUState *cpu; /* set by the test's start() */
static hwaddr at;     /* where the next bytes go */

static inline void emit(const void *bytes, size_t n)
{
    physmem_write(&address_space_memory, at, bytes, n);
    at += n;
}
#define EMIT(...)                                                                                  \
    do {                                                                                           \
        const uint8_t b_[] = {__VA_ARGS__};                                                        \
        emit(b_, sizeof b_);                                                                       \
    } while (0)
static inline void emit32(uint32_t v) { emit(&v, 4); }
static inline void emit_mov_eax(uint32_t v)
{
    EMIT(0xb8);
    emit32(v);
}

#endif
