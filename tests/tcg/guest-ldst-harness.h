/* guest-ldst-harness.h - guest memory accesses in generated code, on a test's own slow paths, which note what they were asked and spoil
 * every register that C code may. Header only: one test program includes it once. */
#ifndef TESTS_TCG_GUEST_LDST_HARNESS_H
#define TESTS_TCG_GUEST_LDST_HARNESS_H

#include "host/base/osdep.h"
#include "tests/lib/ir-guest.h"
#include "tcg/regalloc.h"
#include <setjmp.h>

static CodeBuf *buf;
static TcgContext *s;
static IrGuestEnv *env;
static jmp_buf raised;
static bool raises;
static uintptr_t last_ra;
static unsigned nb_slow;
static uint64_t last_val, last_cmp;
static MemOpIdx last_oi;
static uint32_t last_rmw;
static vaddr last_addr;
static bool slow_unmaps; /* a slow path empties the TLB, as C code may */

static inline void empty_stack_pages(void)
{
    for (unsigned m = 0; m < TCG_MMU_MODES; m++)
        env->head.stack[m].page = env->head.no_page;
}

static inline void empty_tlb(void)
{
    memset(env->tlb, 0xff, sizeof env->tlb);
    empty_stack_pages();
}

/* What any C code may do to the registers that it need not preserve. */
static inline void clobber(void)
{
    __asm__ volatile("mov $-1, %%r8; mov $-2, %%r9; mov $-3, %%r10; mov $-4, %%r11; mov $-5, %%rcx; mov $-6, %%rdx\n"
                     "mov $-7, %%rsi; mov $-8, %%rdi\n"
                     "pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm1, %%xmm1; pcmpeqd %%xmm2, %%xmm2; pcmpeqd %%xmm15, %%xmm15\n"
                     "pcmpeqd %%xmm3, %%xmm3; pcmpeqd %%xmm4, %%xmm4"
                     ::: "r8", "r9", "r10", "r11", "rcx", "rdx", "rsi", "rdi", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm15");
}

static uint8_t *slow(vaddr addr, MemOpIdx oi, uintptr_t ra)
{
    nb_slow++;
    last_addr = addr;
    last_oi = oi;
    last_ra = ra;
    g_assert_true(codebuf_contains(buf, ra));
    clobber();
    if (slow_unmaps)
        empty_tlb();
    if (raises)
        longjmp(raised, 1);
    return env->mem + (addr - IRG_MEM_BASE) % IRG_MEM_SIZE;
}

static uint64_t slow_ld(void *e, vaddr addr, MemOpIdx oi, uintptr_t ra)
{
    uint64_t v = 0;
    g_assert_true(e == env);
    memcpy(&v, slow(addr, oi, ra), memop_size(memopidx_op(oi)));
    return v;
}
static inline void slow_st(void *e, vaddr addr, uint64_t val, MemOpIdx oi, uintptr_t ra)
{
    last_val = val;
    memcpy(slow(addr, oi, ra), &val, memop_size(memopidx_op(oi)));
}
static uint64_t slow_rmw(void *e, vaddr addr, uint64_t val, MemOpIdx oi, uint32_t rmw, uintptr_t ra)
{
    last_val = val;
    last_rmw = rmw;
    slow(addr, oi, ra);
    return 0x1122334455667788;
}
static uint64_t slow_cmpxchg(void *e, vaddr addr, uint64_t cmp, uint64_t val, MemOpIdx oi, uintptr_t ra)
{
    last_val = val;
    last_cmp = cmp;
    slow(addr, oi, ra);
    return 0x1122334455667788;
}
static inline void slow_ldv(void *e, vaddr addr, void *dst, MemOpIdx oi, uintptr_t ra)
{
    memset(dst, 0, 32);
    memcpy(dst, slow(addr, oi, ra), memop_size(memopidx_op(oi)));
}
static inline void slow_stv(void *e, vaddr addr, const void *src, MemOpIdx oi, uintptr_t ra)
{
    memcpy(slow(addr, oi, ra), src, memop_size(memopidx_op(oi)));
}

static TcgGuest guest;

static inline void begin(void)
{
    tcg_begin(s);
    s->no_optimize = true;
    s->tb_cookie = 0x1000;
    memset(env->mem, 0, sizeof env->mem);
    for (unsigned i = 0; i < IRG_MEM_SIZE; i++)
        env->mem[i] = i * 37 + (i >> 8);
    for (unsigned i = 0; i < 16; i++)
        env->head.gpr[i] = 0x1010101010101010 * (i & 7) + i;
    env->cc_dst = env->cc_src = env->cc_src2 = 0;
    nb_slow = 0;
    raises = false;
    env->head.mxcsr_run = 0x1f80;
    ir_guest_env_map(env);
}

static inline void go(void)
{
    tcg_gen_exit_tb(s, TB_EXIT_LOOKUP);
    g_assert_cmpint(tcg_compile(s), ==, TCG_OK);
    g_assert_cmphex(buf->enter(env, s->code_rx), ==, 0x1000 | TB_EXIT_LOOKUP);
}

static inline bool go_raises(void)
{
    raises = true;
    if (setjmp(raised))
        return true;
    go();
    return false;
}

static inline const TcgInsnMap *find_stub(uintptr_t ra)
{
    for (unsigned i = 0; i < s->nb_stubs; i++) {
        if ((uintptr_t)s->code_rx + s->stub_map[i].host_end == ra)
            return &s->stub_map[i];
    }
    static TcgInsnMap note; /* loads and stores have theirs in front of the call */
    note = (TcgInsnMap){ 0 };
    if (ra - (uintptr_t)s->cold_rx >= s->cold_size)
        return NULL;
    tcg_slow_path_data((const uint8_t *)ra, note.data);
    return &note;
}

static inline Tv G(unsigned n) { return tcg_global(n); }

static inline void harness_start(void)
{
    GError *err = NULL;
    guest = ir_guest;
    guest.slow_ld = slow_ld;
    guest.slow_st = slow_st;
    guest.slow_rmw = slow_rmw;
    guest.slow_cmpxchg = slow_cmpxchg;
    guest.slow_ldv = slow_ldv;
    guest.slow_stv = slow_stv;
    buf = codebuf_new(32 * MiB, &err);
    g_assert_no_error(err);
    tcg_gen_prologue(buf, &guest);
    s = tcg_context_new(&guest, buf);
    env = ir_guest_env_new();
}

/* Runs the tests. Returns main()'s value. */
static inline int harness_run(void)
{
    int r = g_test_run();
    ir_guest_env_free(env);
    tcg_context_free(s);
    codebuf_free(buf);
    return r;
}

#endif
