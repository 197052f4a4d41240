/* ir-guest.c - see ir-guest.h. The slow paths are the plainest possible; alignment bits of the MemOp
 * are ignored, and RMW_LOCK too (tests have one thread). */
#include "tests/lib/ir-guest.h"
#include "host/base/bitops.h"

#define GPR(n, str) { str, TCG_I64, offsetof(IrGuestEnv, head.gpr) + 8 * (n), n }
#define VECG(n) { "v" #n, TCG_V128, offsetof(IrGuestEnv, vec) + 32 * (n), -1 }
static const TcgGlobalInfo globals[] = {
    GPR(0, "rax"), GPR(1, "rcx"), GPR(2, "rdx"), GPR(3, "rbx"), GPR(4, "rsp"), GPR(5, "rbp"), GPR(6, "rsi"),
    GPR(7, "rdi"), GPR(8, "r8"), GPR(9, "r9"), GPR(10, "r10"), GPR(11, "r11"), GPR(12, "r12"), GPR(13, "r13"),
    GPR(14, "r14"), GPR(15, "r15"),
    { "cc_dst", TCG_I64, offsetof(IrGuestEnv, cc_dst), -1 },
    { "cc_src", TCG_I64, offsetof(IrGuestEnv, cc_src), -1 },
    { "cc_src2", TCG_I64, offsetof(IrGuestEnv, cc_src2), -1 },
    VECG(0), VECG(1), VECG(2), VECG(3),
    { NULL },
};
_Static_assert(ARRAY_SIZE(globals) - 1 == IRG_NB_GLOBALS, "temp numbers");

static uint8_t *mem_at(void *env, vaddr addr)
{
    IrGuestEnv *e = env;

    e->slow_calls++;
    return e->mem + ((addr - IRG_MEM_BASE) & (IRG_MEM_SIZE - 1));
}

static uint64_t slow_ld(void *env, vaddr addr, MemOpIdx oi, uintptr_t ra)
{
    MemOp op = memopidx_op(oi);
    unsigned n = memop_size(op);
    uint64_t v = ldl_n(mem_at(env, addr), n);

    if (op & MO_SIGN) {
        v = sextract64(v, 0, n * 8);
        if (op & MO_SIGN32)
            v = (uint32_t)v;
    }
    return v;
}

static void slow_st(void *env, vaddr addr, uint64_t val, MemOpIdx oi, uintptr_t ra)
{
    stl_n(mem_at(env, addr), memop_size(memopidx_op(oi)), val);
}

static uint64_t slow_rmw(void *env, vaddr addr, uint64_t val, MemOpIdx oi, uint32_t rmw, uintptr_t ra)
{
    unsigned n = MIN(memop_size(memopidx_op(oi)), 8u);
    uint8_t *p = mem_at(env, addr);
    uint64_t old = ldl_n(p, n), new = val;

    switch ((RmwOp)(rmw & RMW_OP)) {
    case RMW_ADD: new = old + val; break;
    case RMW_SUB: new = old - val; break;
    case RMW_AND: new = old & val; break;
    case RMW_OR: new = old | val; break;
    case RMW_XOR: new = old ^ val; break;
    case RMW_NEG: new = -old; break;
    case RMW_NOT: new = ~old; break;
    case RMW_ANDC: new = old & ~val; break;
    default: break;
    }
    stl_n(p, n, new);
    return old;
}

static uint64_t slow_cmpxchg(void *env, vaddr addr, uint64_t cmp, uint64_t val, MemOpIdx oi, uintptr_t ra)
{
    unsigned n = MIN(memop_size(memopidx_op(oi)), 8u);
    uint8_t *p = mem_at(env, addr);
    uint64_t old = ldl_n(p, n);

    if (old == (cmp & MASK64(n * 8)))
        stl_n(p, n, val);
    return old;
}

static void slow_ldv(void *env, vaddr addr, void *dst, MemOpIdx oi, uintptr_t ra)
{
    memset(dst, 0, 16);
    memcpy(dst, mem_at(env, addr), MIN(memop_size(memopidx_op(oi)), 16));
}

static void slow_stv(void *env, vaddr addr, const void *src, MemOpIdx oi, uintptr_t ra)
{
    memcpy(mem_at(env, addr), src, MIN(memop_size(memopidx_op(oi)), 16));
}

const TcgGuest ir_guest = {
    .globals = globals, .nb_globals = IRG_NB_GLOBALS, .stack_reg = 4, .slow_ld = slow_ld, .slow_st = slow_st, .slow_rmw = slow_rmw,
    .slow_cmpxchg = slow_cmpxchg, .slow_ldv = slow_ldv, .slow_stv = slow_stv,
};

/* ---- helpers ---- */

static uint64_t helper_pure(uint64_t a, uint64_t b) { return a * 3 + (b ^ 0x5555); }

static uint64_t helper_read(IrGuestEnv *e)
{
    uint64_t h = 0;

    for (unsigned i = 0; i < 16; i++)
        h = (h << 7 | h >> 57) ^ e->head.gpr[i];
    for (unsigned i = 0; i < 4; i++)
        h = (h << 7 | h >> 57) ^ ldl64(e->vec[i]) ^ ldl64(e->vec[i] + 8);
    return h ^ e->cc_dst ^ e->cc_src << 1 ^ e->cc_src2 << 2;
}

static uint64_t helper_write(IrGuestEnv *e, uint64_t a)
{
    uint64_t h = helper_read(e);

    e->head.gpr[0] ^= a;
    e->head.gpr[1] = h;
    e->cc_dst += a;
    e->vec[1][3] ^= a;
    return h + 1;
}

const TcgHelperInfo ir_helper_pure = {
    "test_pure", helper_pure, HELPER_PURE, HARG_I64, 2, { HARG_I64, HARG_I64 }
};
const TcgHelperInfo ir_helper_read = { "test_read", helper_read, HELPER_READS_REGS, HARG_I64, 1, { HARG_ENV } };
const TcgHelperInfo ir_helper_write = {
    "test_write", helper_write, HELPER_READS_REGS | HELPER_WRITES_REGS, HARG_I64, 2, { HARG_ENV, HARG_I64 }
};

/* ---- env ---- */

IrGuestEnv *ir_guest_env_new(void)
{
    IrGuestEnv *e = g_aligned_alloc0(1, sizeof *e, 64);

    memset(e->tlb, 0xff, sizeof e->tlb);
    for (unsigned m = 0; m < TCG_MMU_MODES; m++)
        e->head.tlb[m] = (TlbFast){ (IRG_TLB_ENTRIES - 1) << TLB_ENTRY_BITS, e->tlb[m] };
    for (unsigned i = 0; i < JUMP_CACHE_SLOTS; i++)
        e->jump_cache[i].pc = jump_cache_empty(i);
    e->head.jump_cache = e->jump_cache;
    e->head.no_page = 0x8000000012345000;
    for (unsigned m = 0; m < TCG_MMU_MODES; m++)
        e->head.stack[m].page = e->head.no_page;
    e->head.mxcsr_run = e->head.mxcsr_host = 0x1f80;
    return e;
}

void ir_guest_env_free(IrGuestEnv *e) { g_aligned_free(e); }

static uint64_t random_word(GRand *r)
{
    static const uint64_t edge[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
                                     0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, UINT64_MAX };
    if (g_rand_int_range(r, 0, 3) == 0)
        return edge[g_rand_int_range(r, 0, ARRAY_SIZE(edge))];
    return (uint64_t)g_rand_int(r) << 32 | g_rand_int(r);
}

static void random_bytes(GRand *r, uint8_t *p, size_t n)
{
    for (size_t i = 0; i + 8 <= n; i += 8)
        stl64(p + i, random_word(r));
}

void ir_guest_env_randomize(IrGuestEnv *e, GRand *r)
{
    for (unsigned i = 0; i < 16; i++)
        e->head.gpr[i] = random_word(r);
    e->cc_dst = random_word(r);
    e->cc_src = random_word(r);
    e->cc_src2 = random_word(r);
    random_bytes(r, e->vec[0], sizeof e->vec);
    random_bytes(r, e->scratch, sizeof e->scratch);
    random_bytes(r, e->mem, sizeof e->mem);
}

void ir_guest_env_copy(IrGuestEnv *dst, const IrGuestEnv *src)
{
    memcpy(dst->head.gpr, src->head.gpr, sizeof dst->head.gpr);
    dst->head.eip = src->head.eip;
    dst->head.exit_request = src->head.exit_request;
    dst->head.mxcsr_run = src->head.mxcsr_run;
    dst->cc_dst = src->cc_dst;
    dst->cc_src = src->cc_src;
    dst->cc_src2 = src->cc_src2;
    memcpy(dst->vec, src->vec, sizeof dst->vec);
    memcpy(dst->scratch, src->scratch, sizeof dst->scratch);
    memcpy(dst->mem, src->mem, sizeof dst->mem);
}

void ir_guest_env_map(IrGuestEnv *e)
{
    for (uint64_t a = IRG_MEM_BASE; a < IRG_MEM_BASE + IRG_MEM_SIZE; a += TCG_PAGE_SIZE) {
        for (unsigned m = 0; m < TCG_MMU_MODES; m++) {
            e->tlb[m][(a >> TCG_PAGE_BITS) & (IRG_TLB_ENTRIES - 1)] =
                (TlbEntry){ a, a, a, (uintptr_t)e->mem - IRG_MEM_BASE };
        }
    }
}

bool ir_guest_env_equal(const IrGuestEnv *a, const IrGuestEnv *b, GString *why)
{
    for (unsigned i = 0; i < 16; i++) {
        if (a->head.gpr[i] != b->head.gpr[i]) {
            g_string_append_printf(why, "%s: %" PRIx64 " and %" PRIx64, globals[i].name, a->head.gpr[i], b->head.gpr[i]);
            return false;
        }
    }
    if (a->head.eip != b->head.eip) {
        g_string_append_printf(why, "eip: %" PRIx64 " and %" PRIx64, a->head.eip, b->head.eip);
        return false;
    }
    if (a->cc_dst != b->cc_dst || a->cc_src != b->cc_src || a->cc_src2 != b->cc_src2) {
        g_string_append_printf(why, "cc: %" PRIx64 " %" PRIx64 " %" PRIx64 " and %" PRIx64 " %" PRIx64 " %" PRIx64,
                               a->cc_dst, a->cc_src, a->cc_src2, b->cc_dst, b->cc_src, b->cc_src2);
        return false;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (memcmp(a->vec[i], b->vec[i], 16)) {
            g_string_append_printf(why, "v%u: %016" PRIx64 "%016" PRIx64 " and %016" PRIx64 "%016" PRIx64, i,
                                   ldl64(a->vec[i] + 8), ldl64(a->vec[i]), ldl64(b->vec[i] + 8), ldl64(b->vec[i]));
            return false;
        }
    }
    for (unsigned i = 0; i < IRG_SCRATCH_SIZE; i++) {
        if (a->scratch[i] != b->scratch[i]) {
            g_string_append_printf(why, "scratch[%u]: %02x and %02x", i, a->scratch[i], b->scratch[i]);
            return false;
        }
    }
    for (unsigned i = 0; i < sizeof a->mem; i++) {
        if (a->mem[i] != b->mem[i]) {
            g_string_append_printf(why, "mem[%#x]: %02x and %02x", i, a->mem[i], b->mem[i]);
            return false;
        }
    }
    return true;
}
