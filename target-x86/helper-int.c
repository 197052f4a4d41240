/* helper-int.c - integer instructions that are longer than a few IR ops: division, BCD, rotates through
 * carry, CMPXCHG16B, random numbers.
 * Spec: Intel SDM vol. 2. */
#include <sys/random.h>
#include "target-x86/helper.h"
#include "accel/cputlb.h"
#include "host/base/bitops.h"

#define NO_VEC __attribute__((target("general-regs-only"))) /* promised by HELPER_NO_VEC */

/* --- division: quotient | remainder << 32, #DE when the quotient does not fit --- */

static inline uint64_t pair(uint32_t q, uint32_t r) { return q | (uint64_t)r << 32; }

uint64_t helper_divb(CPUX86State *env, uint64_t num, uint64_t d)
{
    if (d == 0 || num / d > 0xff)
        raise_exception(env, EXCP_DE, GETPC());
    return pair(num / d, num % d);
}

uint64_t helper_divw(CPUX86State *env, uint64_t num, uint64_t d)
{
    if (d == 0 || num / d > 0xffff)
        raise_exception(env, EXCP_DE, GETPC());
    return pair(num / d, num % d);
}

/* num and d fit in 33 bits at most where min is INT8_MIN or INT16_MIN: num / d cannot trap. */
static inline bool signed_fits(int64_t num, int64_t d, int64_t min, int64_t max)
{
    if (d == 0 || (num == INT64_MIN && d == -1))
        return false;
    return num / d >= min && num / d <= max;
}

uint64_t helper_idivb(CPUX86State *env, uint64_t num64, uint64_t d64)
{
    int64_t num = (int16_t)num64, d = (int8_t)d64;
    if (!signed_fits(num, d, INT8_MIN, INT8_MAX))
        raise_exception(env, EXCP_DE, GETPC());
    return pair(num / d, num % d);
}

uint64_t helper_idivw(CPUX86State *env, uint64_t num64, uint64_t d64)
{
    int64_t num = (int32_t)num64, d = (int16_t)d64;
    if (!signed_fits(num, d, INT16_MIN, INT16_MAX))
        raise_exception(env, EXCP_DE, GETPC());
    return pair(num / d, num % d);
}

uint64_t helper_idivl(CPUX86State *env, uint64_t num64, uint64_t d64)
{
    int64_t num = num64, d = (int32_t)d64;
    if (!signed_fits(num, d, INT32_MIN, INT32_MAX))
        raise_exception(env, EXCP_DE, GETPC());
    return pair(num / d, num % d);
}

uint64_t helper_idivq(CPUX86State *env, uint64_t lo, uint64_t hi, uint64_t d64)
{
    __int128 num = (__int128)((unsigned __int128)hi << 64 | lo), q;
    int64_t d = d64;

    if (d == 0)
        raise_exception(env, EXCP_DE, GETPC());
    if (d == -1) { /* the one division that overflows in 128 bits is among these */
        if (num < -(__int128)INT64_MAX || num > -(__int128)INT64_MIN)
            raise_exception(env, EXCP_DE, GETPC());
        return (uint64_t)-num;
    }
    q = num / d;
    if (q != (int64_t)q)
        raise_exception(env, EXCP_DE, GETPC());
    return q;
}

/* --- BCD: ax and the six flags in, ax | flags << 32 out --- */

static NO_VEC uint32_t flags_of_al(uint8_t al)
{
    return (al ? 0 : CC_Z) | (al & 0x80 ? CC_S : 0) | (__builtin_popcount(al) & 1 ? 0 : CC_P);
}

static NO_VEC uint64_t decimal_adjust(uint8_t al, uint8_t ah, uint32_t f, bool subtract)
{
    uint8_t old_al = al;
    uint32_t cf = 0, af = 0;

    if ((al & 15) > 9 || (f & CC_A)) {
        cf = (f & CC_C) || (subtract ? al < 6 : al > 0xf9);
        al += subtract ? -6 : 6;
        af = CC_A;
    }
    if (old_al > 0x99 || (f & CC_C)) {
        al -= subtract ? 0x60 : -0x60;
        cf = CC_C;
    }
    return (al | ah << 8) | (uint64_t)(flags_of_al(al) | af | (cf ? CC_C : 0)) << 32;
}

static NO_VEC uint64_t ascii_adjust(uint16_t ax, uint32_t f, bool subtract)
{
    uint32_t cf = 0;

    if ((ax & 15) > 9 || (f & CC_A)) {
        ax += subtract ? -0x106 : 0x106;
        cf = CC_A | CC_C;
    }
    ax &= 0xff0f;
    return ax | (uint64_t)(cf | flags_of_al(ax)) << 32;
}

NO_VEC uint64_t helper_bcd(uint32_t op, uint64_t ax, uint64_t flags, uint32_t imm)
{
    uint8_t al = ax, ah = ax >> 8;

    switch (op) {
    case 0: case 1:
        return decimal_adjust(al, ah, flags, op == 1);
    case 2: case 3:
        return ascii_adjust(ax, flags, op == 3);
    case 4: /* AAM; imm is not 0 */
        ah = al / imm;
        al = al % imm;
        break;
    default: /* AAD */
        al = ah * imm + al;
        ah = 0;
    }
    return (al | ah << 8) | (uint64_t)flags_of_al(al) << 32;
}

/* --- rotates through carry: the value is bits + 1 wide --- */

static inline NO_VEC unsigned rc_count(unsigned size, unsigned count)
{
    return size == MO_8 ? count % 9 : size == MO_16 ? count % 17 : count;
}

static inline NO_VEC unsigned __int128 rotate(uint64_t v, unsigned n, unsigned cf, unsigned size, bool left)
{
    unsigned bits = 8u << size, width = bits + 1;
    unsigned __int128 x = (unsigned __int128)cf << bits | v, mask = ((unsigned __int128)1 << width) - 1;

    if (n == 0)
        return x;
    return (left ? x << n | x >> (width - n) : x >> n | x << (width - n)) & mask;
}

NO_VEC uint64_t helper_rcl(uint64_t v, uint32_t count, uint32_t cf, uint32_t size)
{
    return (uint64_t)rotate(v, rc_count(size, count), cf, size, true) & MASK64(8u << size);
}
NO_VEC uint64_t helper_rcl_cf(uint64_t v, uint32_t count, uint32_t cf, uint32_t size)
{
    return rotate(v, rc_count(size, count), cf, size, true) >> (8u << size) & 1;
}
NO_VEC uint64_t helper_rcr(uint64_t v, uint32_t count, uint32_t cf, uint32_t size)
{
    return (uint64_t)rotate(v, rc_count(size, count), cf, size, false) & MASK64(8u << size);
}
NO_VEC uint64_t helper_rcr_cf(uint64_t v, uint32_t count, uint32_t cf, uint32_t size)
{
    return rotate(v, rc_count(size, count), cf, size, false) >> (8u << size) & 1;
}

/* --- memory --- */

static bool host_cmpxchg16b(uint64_t *p, uint64_t *lo, uint64_t *hi, uint64_t new_lo, uint64_t new_hi)
{
    bool ok;
    __asm__ volatile("lock cmpxchg16b %1" : "=@ccz"(ok), "+m"(*(unsigned __int128 *)p), "+a"(*lo), "+d"(*hi)
                     : "b"(new_lo), "c"(new_hi) : "memory");
    return ok;
}

void helper_cmpxchg16b(CPUX86State *env, uint64_t addr, uint32_t lock)
{
    uintptr_t ra = GETPC();
    unsigned mmu_idx = cpu_mmu_index(env);
    uint64_t *gpr = env->head.gpr, lo = gpr[R_EAX], hi = gpr[R_EDX];
    uint32_t flags;
    bool equal;
    uint64_t *p;

    (void)lock; /* the locked form is as good as the plain one */
    if (addr & 15)
        raise_exception_err(env, EXCP_GP, 0, ra);
    p = probe_access(env->cpu, addr, 16, ACCESS_STORE, mmu_idx, ra);
    if (p) {
        equal = host_cmpxchg16b(p, &lo, &hi, gpr[R_EBX], gpr[R_ECX]);
    } else { /* a device, or a watched page */
        uint64_t mlo = cpu_ld(env->cpu, addr, 8, mmu_idx, ra), mhi = cpu_ld(env->cpu, addr + 8, 8, mmu_idx, ra);
        equal = mlo == lo && mhi == hi;
        cpu_st(env->cpu, addr, 8, equal ? gpr[R_EBX] : mlo, mmu_idx, ra);
        cpu_st(env->cpu, addr + 8, 8, equal ? gpr[R_ECX] : mhi, mmu_idx, ra);
        lo = mlo;
        hi = mhi;
    }
    flags = cpu_cc_compute_all(env) & ~(uint32_t)CC_Z;
    if (!equal) {
        gpr[R_EAX] = lo;
        gpr[R_EDX] = hi;
    }
    env->cc_src = flags | (equal ? CC_Z : 0);
    env->cc_op = CC_OP_EFLAGS;
}

/* --- the rest --- */

/* At CPL 0, where of hflags only SMAP_OFF follows AC. */
uint64_t helper_set_ac(CPUX86State *env, uint32_t on)
{
    env->eflags = on ? env->eflags | EFL_AC : env->eflags & ~(uint64_t)EFL_AC;
    if (env->cr[4] & CR4_SMAP)
        env->hflags = on ? env->hflags | HF_SMAP_OFF : env->hflags & ~(uint32_t)HF_SMAP_OFF;
    return (uintptr_t)cpu_lookup_code(env->cpu);
}

/* From a pool, which is filled as far as the kernel gives without being interrupted; what was taken from it is forgotten. */
uint64_t helper_random(CPUX86State *env)
{
    static __thread uint64_t pool[256 / sizeof(uint64_t)];
    static __thread unsigned left;
    (void)env;
    if (!left) {
        if (getrandom(pool, sizeof pool, 0) != sizeof pool)
            return g_random_int() | (uint64_t)g_random_int() << 32; /* kernels without the call */
        left = G_N_ELEMENTS(pool);
    }
    uint64_t v = pool[--left];
    pool[left] = 0;
    return v;
}
