/* helper-x87-env.c - x87 state in memory: FLDENV, FNSTENV, FNSAVE, FRSTOR, FXSAVE, FXRSTOR; #MF and FERR#.
 * Spec: Intel SDM vol. 1 section 8.1.10 (environment layouts) and 10.5 (FXSAVE); vol. 3 section 22.18.3 and
 * 8.7 of vol. 1 (exception handling in software: FERR#, IGNNE#). */
#include "host/base/osdep.h"
#include "target-x86/sys.h"
#include "target-x86/x87.h"
#include "accel/cputlb.h"
#include "softmmu/bql.h"

enum { FX_BYTES = 512, FX_XMM = 160 };

static unsigned env_bytes(uint32_t fmt) { return fmt & X87_ENV_32 ? 28 : 14; }
static Area env_at(CPUX86State *env, vaddr addr, uint32_t fmt, uintptr_t ra) { return area_at(env, addr, env_bytes(fmt) + 80, fmt, ra); }

/* Of an environment or a saved state the first word and then the last byte: so AMD finds a fault. */
static void probe_ends(const Area *m, uint32_t fmt, unsigned bytes, AccessType type)
{
    area_probe(m, 0, fmt & X87_ENV_32 ? 4 : 2, type);
    area_probe(m, bytes - 1, 1, type);
}

void helper_raise_mf(CPUX86State *env)
{
    if (env->cr[0] & CR0_NE)
        raise_exception(env, EXCP_MF, GETPC());
    /* The PC's way: FERR# to IRQ 13. The waiting instruction goes on, as with IGNNE#; the interrupt comes next. */
    if (env->irq_ops && env->irq_ops->ferr) {
        bool locked = bql_locked();
        if (!locked)
            bql_lock();
        env->irq_ops->ferr(env->irq_opaque);
        if (!locked)
            bql_unlock();
    }
}

uint16_t cpu_get_fptag(const CPUX86State *env)
{
    uint16_t tag = 0;

    for (int i = 7; i >= 0; i--) {
        const FpReg *r = &env->fpregs[i];
        unsigned exp = r->exp & 0x7fff, t;
        if (env->fptags[i])
            t = 3;
        else if (exp == 0 && r->mant == 0)
            t = 1;
        else if (exp == 0 || exp == 0x7fff || !(r->mant >> 63))
            t = 2; /* NaN, infinity, denormal, unsupported */
        else
            t = 0;
        tag = tag << 2 | t;
    }
    return tag;
}

static void set_fptag(CPUX86State *env, uint16_t tag)
{
    for (unsigned i = 0; i < 8; i++)
        env->fptags[i] = (tag >> 2 * i & 3) == 3;
}

static void set_fpsw(CPUX86State *env, uint16_t sw)
{
    x87_clear_host(env);
    env->fpus = sw & ~0x3800;
    env->fpstt = sw >> 11 & 7;
}

void helper_x87_probe(CPUX86State *env, uint64_t addr, uint32_t bytes)
{
    MemOp op = bytes == 2 ? MO_16 : bytes == 4 ? MO_32 : MO_64;

    if (env->hflags & HF_AC && addr & (memop_size(op) - 1))
        env->cpu->ops->unaligned_access(env->cpu, addr, ACCESS_STORE, op | MO_ALIGN_AC, GETPC());
    probe_operand(env, addr, bytes, ACCESS_STORE, GETPC());
}

/* ---- environment ---- */

/* Linear pointers of real mode, 20 bits in the 16-bit layout. */
static uint32_t real_ptr(uint16_t seg, uint64_t off) { return ((uint32_t)seg << 4) + (uint32_t)off; }

static void store_env(CPUX86State *env, const Area *m, uint32_t fmt)
{
    unsigned step = fmt & X87_ENV_32 ? 4 : 2, op = env->fpop & 0x7ff;
    uint32_t ones = fmt & X87_ENV_32 ? 0xffff0000 : 0;
    uint32_t w[7] = {env->fpuc | ones, cpu_get_fpsw(env) | ones, cpu_get_fptag(env) | ones};

    if (fmt & X87_ENV_REAL) {
        uint32_t ip = real_ptr(env->fpcs, env->fpip), dp = real_ptr(env->fpds, env->fpdp);
        w[3] = ip & 0xffff;
        w[4] = (ip >> 16 << 12) | op;
        w[5] = dp & 0xffff;
        w[6] = dp >> 16 << 12;
    } else {
        w[3] = env->fpip;
        w[4] = fmt & X87_ENV_32 ? env->fpcs | op << 16 : env->fpcs;
        w[5] = env->fpdp;
        w[6] = env->fpds | ones;
    }
    for (unsigned i = 0; i < 7; i++)
        area_put(m, i * step, step, w[i]);
}

static void load_env(CPUX86State *env, const Area *m, uint32_t fmt)
{
    unsigned step = fmt & X87_ENV_32 ? 4 : 2;
    uint32_t w[7];

    for (unsigned i = 0; i < 7; i++)
        w[i] = area_get(m, i * step, step);
    env->fpuc = (w[0] & 0x1f3f) | 0x40;
    set_fpsw(env, w[1]);
    set_fptag(env, w[2]);
    if (fmt & X87_ENV_REAL) {
        env->fpip = (w[3] & 0xffff) | (w[4] & 0x0ffff000) << 4;
        env->fpop = w[4] & 0x7ff;
        env->fpdp = (w[5] & 0xffff) | (w[6] & 0x0ffff000) << 4;
        env->fpcs = env->fpds = 0;
    } else {
        env->fpip = w[3];
        env->fpcs = w[4];
        env->fpop = fmt & X87_ENV_32 ? w[4] >> 16 & 0x7ff : 0;
        env->fpdp = w[5];
        env->fpds = w[6];
    }
    x87_update_es(env);
}

uint32_t helper_fnstenv(CPUX86State *env, uint64_t addr, uint32_t fmt)
{
    Area m = env_at(env, addr, fmt, GETPC());
    x87_fold(env);
    probe_ends(&m, fmt, env_bytes(fmt), ACCESS_STORE);
    store_env(env, &m, fmt);
    env->fpuc |= FPUS_EXC;
    x87_update_es(env);
    return x87_update_hflags(env);
}

uint32_t helper_fldenv(CPUX86State *env, uint64_t addr, uint32_t fmt)
{
    Area m = env_at(env, addr, fmt, GETPC());
    probe_ends(&m, fmt, env_bytes(fmt), ACCESS_LOAD);
    load_env(env, &m, fmt);
    return x87_update_hflags(env);
}

uint32_t helper_fnsave(CPUX86State *env, uint64_t addr, uint32_t fmt)
{
    Area m = env_at(env, addr, fmt, GETPC());
    x87_fold(env);

    probe_ends(&m, fmt, env_bytes(fmt) + 80, ACCESS_STORE);
    store_env(env, &m, fmt);
    for (unsigned i = 0; i < 8; i++) {
        const FpReg *r = &env->fpregs[x87_phys(env, i)];
        area_put(&m, env_bytes(fmt) + i * 10, 8, r->mant);
        area_put(&m, env_bytes(fmt) + i * 10 + 8, 2, r->exp);
    }
    cpu_fpu_reset(env);
    return x87_update_hflags(env);
}

uint32_t helper_frstor(CPUX86State *env, uint64_t addr, uint32_t fmt)
{
    Area m = env_at(env, addr, fmt, GETPC());
    FpReg regs[8] = {0};

    probe_ends(&m, fmt, env_bytes(fmt) + 80, ACCESS_LOAD);
    for (unsigned i = 0; i < 8; i++) {
        regs[i].mant = area_get(&m, env_bytes(fmt) + i * 10, 8);
        regs[i].exp = area_get(&m, env_bytes(fmt) + i * 10 + 8, 2);
    }
    load_env(env, &m, fmt);
    for (unsigned i = 0; i < 8; i++)
        env->fpregs[x87_phys(env, i)] = regs[i];
    return x87_update_hflags(env);
}

/* ---- FXSAVE: fmt 0: 8 xmm registers, selectors; 1: 16 registers; 2: 16 registers, 64-bit pointers ---- */

void x87_build_fx(CPUX86State *env, uint8_t *b, uint32_t fmt)
{
    uint8_t valid = 0;

    for (unsigned i = 0; i < 8; i++)
        valid |= (env->fptags[i] ? 0 : 1) << i;
    *(uint16_t *)(b + 0) = env->fpuc;
    *(uint16_t *)(b + 2) = cpu_get_fpsw(env);
    b[4] = valid;
    *(uint16_t *)(b + 6) = env->fpop & 0x7ff;
    if (fmt == 2) {
        *(uint64_t *)(b + 8) = env->fpip;
        *(uint64_t *)(b + 16) = env->fpdp;
    } else {
        *(uint32_t *)(b + 8) = env->fpip;
        *(uint16_t *)(b + 12) = env->fpcs;
        *(uint32_t *)(b + 16) = env->fpdp;
        *(uint16_t *)(b + 20) = env->fpds;
    }
    *(uint32_t *)(b + 24) = cpu_get_mxcsr(env);
    *(uint32_t *)(b + 28) = cpu_mxcsr_mask(env);
    for (unsigned i = 0; i < 8; i++)
        memcpy(b + 32 + 16 * i, &env->fpregs[x87_phys(env, i)], 10);
    for (unsigned i = 0; i < (fmt ? 16 : 8); i++)
        memcpy(b + FX_XMM + 16 * i, &env->xmm[i], 16);
}

/* XMM registers that FXSAVE and FXRSTOR move: none in 64-bit code at CPL 0 with EFER.FFXSR (AMD APM vol. 2, 3.1.7). */
static unsigned fx_xmm_count(const CPUX86State *env, uint32_t fmt)
{
    return !fmt ? 8 : (env->efer & EFER_FFXSR) && cpu_cpl(env) == 0 ? 0 : 16;
}

void helper_fxsave(CPUX86State *env, uint64_t addr, uint32_t word)
{
    unsigned fmt = word & 3;
    uint8_t b[FX_XMM + 256] = {0};
    Area m = area_at(env, addr, FX_BYTES, word, GETPC());
    unsigned bytes = FX_XMM + fx_xmm_count(env, fmt) * 16;
    x87_fold(env);

    area_check_start(&m, 4, 16, ACCESS_STORE);
    x87_build_fx(env, b, fmt);
    area_probe(&m, FX_BYTES - 1, 1, ACCESS_STORE); /* the end first, as AMD does */
    area_put_words(&m, 0, b, bytes);
}

void x87_load_fx(CPUX86State *env, const uint8_t *b, uint32_t fmt)
{
    env->fpuc = (*(const uint16_t *)(b + 0) & 0x1f3f) | 0x40;
    set_fpsw(env, *(const uint16_t *)(b + 2));
    for (unsigned i = 0; i < 8; i++)
        env->fptags[i] = !(b[4] >> i & 1);
    env->fpop = *(const uint16_t *)(b + 6) & 0x7ff;
    if (fmt == 2) {
        env->fpip = *(const uint64_t *)(b + 8);
        env->fpdp = *(const uint64_t *)(b + 16);
        env->fpcs = env->fpds = 0;
    } else {
        env->fpip = *(const uint32_t *)(b + 8);
        env->fpcs = *(const uint16_t *)(b + 12);
        env->fpdp = *(const uint32_t *)(b + 16);
        env->fpds = *(const uint16_t *)(b + 20);
    }
    x87_update_es(env);
    for (unsigned i = 0; i < 8; i++)
        memcpy(&env->fpregs[x87_phys(env, i)], b + 32 + 16 * i, 10);
    x87_update_hflags(env);
}

uint32_t helper_fxrstor(CPUX86State *env, uint64_t addr, uint32_t word)
{
    unsigned fmt = word & 3;
    uint8_t b[FX_XMM + 256];
    Area m = area_at(env, addr, FX_BYTES, word, GETPC());
    unsigned n = fx_xmm_count(env, fmt), bytes = FX_XMM + n * 16;
    uint32_t old_hflags = env->hflags;

    area_check_start(&m, 4, 16, ACCESS_LOAD);
    area_probe(&m, FX_BYTES - 1, 1, ACCESS_LOAD); /* the end first, as AMD does */
    area_get_words(&m, 0, b, bytes);
    if (*(uint32_t *)(b + 24) & ~cpu_mxcsr_mask(env))
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    x87_load_fx(env, b, fmt);
    for (unsigned i = 0; i < n; i++)
        memcpy(&env->xmm[i], b + FX_XMM + 16 * i, 16);
    cpu_set_mxcsr(env, *(uint32_t *)(b + 24));
    return env->hflags != old_hflags;
}

/* ---- translated code was left ---- */

/* The image that FNSAVE makes of the host's x87 (protected mode, 32-bit format). */
typedef struct HostSave {
    uint16_t cw, r0, sw, r1, tw, r2;
    uint32_t pointers[4];
    uint8_t st[8][10];
} HostSave;
_Static_assert(sizeof(HostSave) == 108, "SDM vol. 1, figure 8-9");

/* A slow path raised: guest registers that were on the host's stack go to env, as the x87_state op told. */
static uint16_t complete_registers(CPUX86State *env)
{
    uint64_t w = env->head.x87_state;
    uint16_t mask = 0;
    HostSave save;

    asm volatile("fnsave %0" : "=m"(save)); /* the host's is as after FNINIT then */
    for (unsigned i = 0; i < X87_STATE_DEPTH(w); i++)
        memcpy(&env->fpregs[(env->fpstt + X87_STATE_SLOT(w, i)) & 7], save.st[i], 10);
    for (unsigned i = 0; i < 8; i++) {
        if (X87_STATE_FILLED(w) >> i & 1)
            env->fptags[(env->fpstt + i) & 7] = 0;
        if (X87_STATE_EMPTIED(w) >> i & 1)
            env->fptags[(env->fpstt + i) & 7] = 1;
    }
    env->fpstt = (env->fpstt + X87_STATE_TOP(w)) & 7;
    if (X87_STATE_C1(w) != X87_C1_ENV)
        mask |= FPUS_C1;
    if (X87_STATE_CC(w))
        mask |= FPUS_CC;
    env->fpus = (env->fpus & ~mask) | (save.sw & mask & ~(X87_STATE_C1(w) == X87_C1_ZERO ? FPUS_C1 : 0));
    env->head.x87_state = 0;
    return save.sw;
}

void x86_leave_x87(CPUState *cpu)
{
    CPUX86State *env = X86_ENV(cpu);
    uint16_t sw, default_cw = FPUC_DEFAULT;

    if (env->head.x87_state & 1) { /* the high half stays behind */
        sw = complete_registers(env);
    } else {
        asm volatile("fnstsw %0" : "=a"(sw));
        if (sw & FPUS_EXC)
            asm volatile("fnclex");
        if (env->head.x87_modes)
            asm volatile("fldcw %0" : : "m"(default_cw));
    }
    env->fpus |= sw & FPUS_EXC;
    if (env->head.x87_live & X87_LIVE_SIDE_EXIT) {
        env->x87_slow = true;
        env->hflags |= HF_X87_UNMASKED;
    }
    env->head.x87_live = 0;
    env->head.x87_modes = env->head.x87_cw != FPUC_DEFAULT;
}
