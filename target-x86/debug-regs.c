/* debug-regs.c - DR0-DR7: instruction, data and I/O breakpoints.
 * Spec: Intel SDM vol. 3, 18.2. Data and I/O hits are traps: DR6 is noted and #DB comes after the
 * instruction. Not modelled: LE/GE (always exact), RTM. */
#include "host/base/osdep.h"
#include "target-x86/helper.h"
#include "target-x86/sys.h"

enum { BP_EXEC = 0, BP_WRITE = 1, BP_IO = 2, BP_RW = 3 };

static bool bp_enabled(uint64_t dr7, int i) { return dr7 >> (i * 2) & 3; }
static unsigned bp_type(uint64_t dr7, int i) { return dr7 >> (16 + i * 4) & 3; }
static unsigned bp_len(uint64_t dr7, int i)
{
    static const uint8_t len[4] = {1, 2, 8, 4};
    return len[dr7 >> (18 + i * 4) & 3];
}

static void set_watch(CPUX86State *env, uint64_t dr7, int i, bool on)
{
    if (!bp_enabled(dr7, i) || !(bp_type(dr7, i) & 1))
        return;
    unsigned len = bp_len(dr7, i);
    tlb_set_watch(env->cpu, env->dr[i] & ~(uint64_t)(len - 1), len, on);
}

void debug_update_watch(CPUX86State *env, uint64_t old_dr7)
{
    if (old_dr7 == env->dr[7])
        return;
    for (int i = 0; i < 4; i++)
        set_watch(env, old_dr7, i, false);
    for (int i = 0; i < 4; i++)
        set_watch(env, env->dr[7], i, true);
}

static void note_hit(CPUX86State *env, unsigned bits)
{
    env->pending_db |= bits;
    cpu_interrupt(env->cpu, CPU_INTERRUPT_DB);
}

void debug_note(CPUX86State *env, unsigned bits)
{
    env->dr[6] = (env->dr[6] & ~15ULL) | bits | env->pending_db;
    env->pending_db = 0;
}

void debug_raise(CPUX86State *env, unsigned bits, uintptr_t ra)
{
    if (ra)
        cpu_restore_state(env->cpu, ra);
    debug_note(env, bits);
    raise_exception(env, EXCP_DB, 0);
}

void x86_watch_access(CPUState *cpu, vaddr addr, unsigned size, AccessType type, uintptr_t ra)
{
    CPUX86State *env = X86_ENV(cpu);
    unsigned hits = 0;
    if (type == ACCESS_CODE)
        return;
    for (int i = 0; i < 4; i++) {
        unsigned t = bp_type(env->dr[7], i), len = bp_len(env->dr[7], i);
        if (!bp_enabled(env->dr[7], i) || !(t == BP_RW || (t == BP_WRITE && type == ACCESS_STORE)))
            continue;
        uint64_t start = env->dr[i] & ~(uint64_t)(len - 1);
        if (addr < start + len && start < addr + size)
            hits |= 1 << i;
    }
    if (!hits)
        return;
    if (ra && !env->pending_db) {
        /* The trap must come right after this instruction, which may be amid a TB: start it again in a
         * TB of its own. The second time pending_db tells that this was done. */
        if (cpu_restore_state(cpu, ra)) {
            env->pending_db = hits;
            cpu->cflags_next = 1 | CF_NOCACHE | CF_NOCHAIN;
            cpu_loop_exit(cpu);
        }
    }
    note_hit(env, hits);
}

void debug_check_io(CPUX86State *env, unsigned port, unsigned size)
{
    unsigned hits = 0;
    if (!(env->cr[4] & CR4_DE))
        return;
    for (int i = 0; i < 4; i++) {
        unsigned len = bp_len(env->dr[7], i);
        uint64_t start = env->dr[i] & ~(uint64_t)(len - 1);
        if (bp_enabled(env->dr[7], i) && bp_type(env->dr[7], i) == BP_IO && port < start + len && start < port + size)
            hits |= 1 << i;
    }
    if (hits)
        note_hit(env, hits);
}

void helper_code_bp(CPUX86State *env)
{
    unsigned hits = 0;
    uint64_t pc = cpu_is_64(env) ? env->head.eip : (uint32_t)(env->segs[R_CS].base + env->head.eip);
    for (int i = 0; i < 4; i++)
        if (bp_enabled(env->dr[7], i) && bp_type(env->dr[7], i) == BP_EXEC && env->dr[i] == pc)
            hits |= 1 << i;
    /* The shadow of MOV SS hides instruction breakpoints on Intel's processors, not on AMD's. */
    if (!hits || (env->inhibit_irq == SHADOW_MOVSS && !strcmp(env->cpuid.vendor, "GenuineIntel")))
        return;
    env->inhibit_irq = 0;
    debug_raise(env, hits, GETPC());
}

void helper_set_rf(CPUX86State *env)
{
    env->eflags |= EFL_RF;
    cpu_update_hflags(env);
}

void helper_single_step(CPUX86State *env)
{
    /* eip and flags are those after the instruction: nothing to restore */
    debug_raise(env, DR6_BS, 0);
}

/* DR4 and DR5 are other names of DR6 and DR7 while CR4.DE is clear. */
static unsigned dr_number(CPUX86State *env, unsigned n, uintptr_t ra)
{
    if (n == 4 || n == 5) {
        if (env->cr[4] & CR4_DE)
            raise_exception(env, EXCP_UD, ra);
        n += 2;
    }
    if (n > 7)
        raise_exception(env, EXCP_UD, ra);
    if (env->dr[7] & DR7_GD) {
        debug_raise(env, DR6_BD, ra);
    }
    return n;
}

uint64_t helper_read_dr(CPUX86State *env, uint32_t n)
{
    return env->dr[dr_number(env, n, GETPC())];
}

void helper_write_dr(CPUX86State *env, uint32_t n, uint64_t val)
{
    uintptr_t ra = GETPC();
    n = dr_number(env, n, ra);
    uint64_t old_dr7 = env->dr[7];
    if (n < 4) {
        for (int i = 0; i < 4; i++)
            set_watch(env, old_dr7, i, false);
        env->dr[n] = val;
        for (int i = 0; i < 4; i++)
            set_watch(env, old_dr7, i, true);
        return;
    }
    if (val >> 32)
        raise_exception_err(env, EXCP_GP, 0, ra);
    if (n == 6) {
        env->dr[6] = (val & 0xefff) | DR6_FIXED_1;
    } else {
        env->dr[7] = (val & 0xffff2fff) | DR7_FIXED_1;
        debug_update_watch(env, old_dr7);
        cpu_update_hflags(env);
    }
}
