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

/* Code at CPL 3: SYSCALL and the faults that tests make end in a HLT at `kernel`. */
static inline void user_code_ends_at(hwaddr kernel)
{
    static const unsigned vectors[] = {EXCP_UD, EXCP_GP, EXCP_PF, EXCP_AC};

    at = kernel;
    EMIT(0xf4);
    env->lstar = kernel;
    env->star = (uint64_t)SEL_CODE64 << 32;
    for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++)
        set_gate64(vectors[i], SEL_CODE64, kernel, 0x8e, 0);
    poke(TSS_ADDR + 4, 8, 0x9000);
}
static inline void user_mode(vaddr pc)
{
    cpu_load_seg_cache(env, R_CS, SEL_CODE64_3 | 3, 0, 0xffffffff, 0xa0fb00);
    cpu_load_seg_cache(env, R_SS, SEL_DATA3 | 3, 0, 0xffffffff, 0xc0f300);
    env->head.eip = pc;
}
/* Until that HLT; gives EAX. */
static inline uint32_t run_to_halt(void)
{
    cpu->halted = false;
    cpu->exception_index = EXCP_NONE;
    env->old_exception = -1;
    g_assert_cmpint(cpu_exec(cpu), ==, EXCP_HLT);
    cpu->halted = false;
    return env->head.gpr[R_EAX];
}

#endif
