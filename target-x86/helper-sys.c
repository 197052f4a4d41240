/* helper-sys.c - control registers, EFLAGS with privilege rules, port I/O, HLT, and small system instructions.
 * Spec: Intel SDM vol. 3, 2.5 (control registers), 19.5 (I/O permission map), 20.3 (8086 mode, VME); vol. 2.
 * Not modelled: caches (WBINVD, INVD do nothing), MONITOR's address watch (MWAIT waits as HLT does). */
#include "host/base/osdep.h"
#include <sched.h>
#include "host/base/bitops.h"
#include "softmmu/bql.h"
#include "softmmu/physmem.h"
#include "softmmu/timer.h"
#include "target-x86/helper.h"
#include "target-x86/sys.h"

/* --- control registers --- */

enum { INVPCID_ADDRESS, INVPCID_SINGLE, INVPCID_ALL, INVPCID_ALL_BUT_GLOBAL };

void cpu_set_cr0(CPUX86State *env, uint64_t val)
{
    uint64_t old = env->cr[0];
    val = (uint32_t)val | CR0_ET;
    env->cr[0] = val;
    if ((val & CR0_PG) && !(old & CR0_PG) && (env->efer & EFER_LME))
        env->efer |= EFER_LMA;
    else if (!(val & CR0_PG))
        env->efer &= ~(uint64_t)EFER_LMA;
    if ((val & CR0_PG) && (env->cr[4] & CR4_PAE) && !cpu_lma(env) && !(old & CR0_PG))
        mmu_load_pdptes(env, env->cr[3], env->pdptes);
    if ((old ^ val) & (CR0_PG | CR0_WP))
        tlb_flush(env->cpu);
    cpu_update_hflags(env);
}

void cpu_set_cr3(CPUX86State *env, uint64_t val)
{
    /* With PCIDs, bit 63 says that what the TLB has of this one is still right. */
    bool keep = (env->cr[4] & CR4_PCIDE) && (val & CR3_NOFLUSH);
    env->cr[3] = val & ~CR3_NOFLUSH;
    if ((env->cr[0] & CR0_PG) && (env->cr[4] & CR4_PAE) && !cpu_lma(env))
        mmu_load_pdptes(env, val, env->pdptes);
    tlb_set_space(env->cpu, mmu_pcid(env), keep);
}

void cpu_set_cr4(CPUX86State *env, uint64_t val)
{
    uint64_t old = env->cr[4];
    env->cr[4] = val;
    if ((old ^ val) & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP | CR4_SMAP | CR4_PCIDE | CR4_PKE | CR4_LA57)) {
        if ((env->cr[0] & CR0_PG) && (val & CR4_PAE) && !cpu_lma(env))
            mmu_load_pdptes(env, env->cr[3], env->pdptes);
        mmu_flush_all(env);
    }
    cpu_update_hflags(env);
}

/* A new CR3 (or PAE switched on) must find valid PDPTEs. */
static bool pdptes_valid(CPUX86State *env, uint64_t cr3)
{
    uint64_t p[4];
    return mmu_load_pdptes(env, cr3, p);
}

static void write_cr0(CPUX86State *env, uint64_t val, uintptr_t ra)
{
    bool turns_on = (val & CR0_PG) && !(env->cr[0] & CR0_PG), turns_off = !(val & CR0_PG) && (env->cr[0] & CR0_PG);
    bool bad = (cpu_is_64(env) && val >> 32) || ((val & CR0_PG) && !(val & CR0_PE)) || ((val & CR0_NW) && !(val & CR0_CD));
    if (turns_on && (env->efer & EFER_LME))
        bad |= !(env->cr[4] & CR4_PAE) || (env->segs[R_CS].flags & DESC_L);
    if (turns_on && !(env->efer & EFER_LME) && (env->cr[4] & CR4_PAE) && !bad)
        bad = !pdptes_valid(env, env->cr[3]);
    if (turns_off && (cpu_is_64(env) || (env->cr[4] & CR4_PCIDE)))
        bad = true;
    if (bad)
        raise_exception_err(env, EXCP_GP, 0, ra);
    const uint64_t defined = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;
    cpu_set_cr0(env, val & defined);
}

static uint64_t cr4_allowed(const CPUX86State *env)
{
    uint64_t a = CR4_TSD | CR4_PCE;
    static const struct { X86Feature f; uint32_t bits; } by_feature[] = {
        {X86F_VME, CR4_VME | CR4_PVI}, {X86F_DE, CR4_DE}, {X86F_PSE, CR4_PSE}, {X86F_PAE, CR4_PAE}, {X86F_MCE, CR4_MCE},
        {X86F_PGE, CR4_PGE}, {X86F_FXSR, CR4_OSFXSR}, {X86F_SSE, CR4_OSXMMEXCPT}, {X86F_UMIP, CR4_UMIP},
        {X86F_FSGSBASE, CR4_FSGSBASE}, {X86F_PCID, CR4_PCIDE}, {X86F_XSAVE, CR4_OSXSAVE}, {X86F_SMEP, CR4_SMEP},
        {X86F_SMAP, CR4_SMAP}, {X86F_PKU, CR4_PKE}, {X86F_LA57, CR4_LA57},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(by_feature); i++)
        if (cpu_has(env, by_feature[i].f))
            a |= by_feature[i].bits;
    return a;
}

static void write_cr4(CPUX86State *env, uint64_t val, uintptr_t ra)
{
    if (val & ~cr4_allowed(env))
        raise_exception_err(env, EXCP_GP, 0, ra);
    if (cpu_lma(env) && (!(val & CR4_PAE) || ((env->cr[4] ^ val) & CR4_LA57)))
        raise_exception_err(env, EXCP_GP, 0, ra);
    if ((val & CR4_PCIDE) && !(env->cr[4] & CR4_PCIDE) && (!cpu_lma(env) || (env->cr[3] & PCID_MASK)))
        raise_exception_err(env, EXCP_GP, 0, ra);
    if ((env->cr[0] & CR0_PG) && !cpu_lma(env) && (val & CR4_PAE) && !(env->cr[4] & CR4_PAE) && !pdptes_valid(env, env->cr[3]))
        raise_exception_err(env, EXCP_GP, 0, ra);
    cpu_set_cr4(env, val);
}

static void write_cr3(CPUX86State *env, uint64_t val, uintptr_t ra)
{
    if (cpu_lma(env)) {
        if (val & ~(MASK64(env->phys_bits) | (env->cr[4] & CR4_PCIDE ? CR3_NOFLUSH : 0)))
            raise_exception_err(env, EXCP_GP, 0, ra);
    } else {
        val = (uint32_t)val;
        if ((env->cr[0] & CR0_PG) && (env->cr[4] & CR4_PAE) && !pdptes_valid(env, val))
            raise_exception_err(env, EXCP_GP, 0, ra);
    }
    cpu_set_cr3(env, val);
}

uint64_t helper_read_cr(CPUX86State *env, uint32_t n)
{
    if (n == 8) {
        uint64_t tpr = 0;
        if (env->irq_ops && env->irq_ops->get_tpr) {
            bql_lock();
            tpr = env->irq_ops->get_tpr(env->irq_opaque) >> 4;
            bql_unlock();
        }
        return tpr;
    }
    if (n > 4 || n == 1)
        raise_exception(env, EXCP_UD, GETPC());
    return env->cr[n];
}

void helper_write_cr(CPUX86State *env, uint32_t n, uint64_t val)
{
    uintptr_t ra = GETPC();
    switch (n) {
    case 0: write_cr0(env, val, ra); break;
    case 2: env->cr[2] = val; break;
    case 3: write_cr3(env, val, ra); break;
    case 4: write_cr4(env, val, ra); break;
    case 8:
        if (val & ~15ULL)
            raise_exception_err(env, EXCP_GP, 0, ra);
        if (env->irq_ops && env->irq_ops->set_tpr) {
            bql_lock();
            env->irq_ops->set_tpr(env->irq_opaque, val << 4);
            bql_unlock();
        }
        break;
    default: raise_exception(env, EXCP_UD, ra);
    }
}

void helper_lmsw(CPUX86State *env, uint32_t val)
{
    /* PE can be set, not cleared; only the low four bits exist */
    uint64_t cr0 = (env->cr[0] & ~(uint64_t)(CR0_MP | CR0_EM | CR0_TS)) | (val & 15);
    cpu_set_cr0(env, cr0 | (env->cr[0] & CR0_PE));
}

void helper_clts(CPUX86State *env)
{
    env->cr[0] &= ~(uint64_t)CR0_TS;
    cpu_update_hflags(env);
}

void helper_write_dt(CPUX86State *env, uint32_t which, uint64_t base, uint32_t limit)
{
    if (cpu_lma(env) && cpu_is_64(env) && !is_canonical_base(env, base))
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    if (which) {
        env->idt.base = base;
        env->idt.limit = limit & 0xffff;
    } else {
        env->gdt.base = base;
        env->gdt.limit = limit & 0xffff;
    }
}

void helper_invlpg(CPUX86State *env, uint64_t addr)
{
    if (cpu_lma(env) && !is_canonical(env, addr))
        return;
    tlb_flush_page(env->cpu, addr & TCG_PAGE_MASK);
}

/* Descriptor: PCID in bits 11:0, the others of the low half 0; the linear address in the high half. */
void helper_invpcid(CPUX86State *env, uint64_t type, uint64_t lo, uint64_t addr)
{
    bool single = type < INVPCID_ALL;
    if (cpu_cpl(env) != 0 || type > INVPCID_ALL_BUT_GLOBAL || (lo & ~(uint64_t)PCID_MASK) ||
        (single && lo && !(env->cr[4] & CR4_PCIDE)) || (type == INVPCID_ADDRESS && !is_canonical_base(env, addr)))
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    /* Of another PCID more than the one page goes: it is not worth a search. */
    if (type == INVPCID_ADDRESS && lo == mmu_pcid(env))
        tlb_flush_page(env->cpu, addr & TCG_PAGE_MASK);
    else if (single)
        tlb_drop_space(env->cpu, lo);
    else if (type == INVPCID_ALL)
        tlb_flush(env->cpu);
    else
        tlb_drop_all_spaces(env->cpu);
}

void helper_wbinvd(CPUX86State *env) {}

void helper_sgdt_umip(CPUX86State *env)
{
    if ((env->cr[4] & CR4_UMIP) && cpu_cpl(env) > 0)
        raise_exception_err(env, EXCP_GP, 0, GETPC());
}

/* --- interrupt flag, PUSHF, POPF --- */

/* STI and CLI below IOPL in 8086 mode with VME, or at CPL 3 with PVI: the virtual flag; otherwise #GP. */
static bool has_virtual_if(const CPUX86State *env)
{
    return cpu_vm86(env) ? env->cr[4] & CR4_VME : (env->cr[4] & CR4_PVI) && cpu_cpl(env) == 3;
}

void helper_sti_vme(CPUX86State *env)
{
    if (!has_virtual_if(env) || (env->eflags & EFL_VIP))
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    env->eflags |= EFL_VIF;
}

void helper_cli_vme(CPUX86State *env)
{
    if (!has_virtual_if(env))
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    env->eflags &= ~(uint64_t)EFL_VIF;
}

uint64_t helper_pushf(CPUX86State *env, uint32_t osize)
{
    uint32_t eflags = cpu_compute_eflags(env) & ~(uint32_t)(EFL_VM | EFL_RF);
    if (cpu_vm86(env) && cpu_iopl(env) < 3) {
        if (!(env->cr[4] & CR4_VME) || osize != MO_16)
            raise_exception_err(env, EXCP_GP, 0, GETPC());
        eflags = (eflags & ~(uint32_t)EFL_IF) | EFL_IOPL | (env->eflags & EFL_VIF ? EFL_IF : 0);
    }
    return eflags;
}

void helper_popf(CPUX86State *env, uint64_t val, uint32_t osize)
{
    uint32_t mask = CC_MASK | EFL_TF | EFL_DF | EFL_NT | EFL_AC | EFL_ID;
    bool vm86 = cpu_vm86(env);
    if (vm86 && cpu_iopl(env) < 3) {
        if (!(env->cr[4] & CR4_VME) || osize != MO_16 || (val & EFL_TF) || ((val & EFL_IF) && (env->eflags & EFL_VIP)))
            raise_exception_err(env, EXCP_GP, 0, GETPC());
        env->eflags = (env->eflags & ~(uint64_t)EFL_VIF) | (val & EFL_IF ? EFL_VIF : 0);
        cpu_load_eflags(env, val, mask & 0xffff);
        return;
    }
    if (cpu_cpl(env) == 0)
        mask |= EFL_IOPL | EFL_IF;
    else if (cpu_cpl(env) <= cpu_iopl(env))
        mask |= EFL_IF;
    cpu_load_eflags(env, val, osize == MO_16 ? mask & 0xffff : mask);
    if (osize != MO_16)
        env->eflags &= ~(uint64_t)EFL_RF;
}

/* --- ports --- */

void helper_check_io(CPUX86State *env, uint32_t port, uint32_t size)
{
    uintptr_t ra = GETPC();
    if (!cpu_pe(env) || (!cpu_vm86(env) && cpu_cpl(env) <= cpu_iopl(env)))
        return;
    if (!(env->tr.flags & DESC_P) || !(desc_type(env->tr.flags) & 8) || env->tr.limit < 0x67)
        raise_exception_err(env, EXCP_GP, 0, ra);
    uint32_t off = (uint32_t)sys_ld(env, env->tr.base + 0x66, 2, ra) + ((port & 0xffff) >> 3);
    if (off + 1 > env->tr.limit) /* both bytes of the map, always */
        raise_exception_err(env, EXCP_GP, 0, ra);
    uint32_t bits = sys_ld(env, env->tr.base + off, 2, ra) >> (port & 7);
    if (bits & ((1u << size) - 1))
        raise_exception_err(env, EXCP_GP, 0, ra);
}

uint64_t helper_in(CPUX86State *env, uint32_t port, uint32_t size)
{
    uint64_t val;
    port &= 0xffff;
    if (ioport_read_is_lockless(port)) {
        val = ioport_read(port, size);
    } else {
        bql_lock();
        env->port_in = true;
        val = ioport_read(port, size);
        env->port_in = false;
        bql_unlock();
    }
    if (unlikely(env->hflags & HF_IOBP))
        debug_check_io(env, port, size);
    return val;
}

void helper_out(CPUX86State *env, uint32_t port, uint64_t val, uint32_t size)
{
    port &= 0xffff;
    bql_lock();
    ioport_write(port, val & MASK64(size * 8), size);
    bql_unlock();
    if (unlikely(env->hflags & HF_IOBP))
        debug_check_io(env, port, size);
}

/* --- waiting --- */

static void G_GNUC_NORETURN halt(CPUX86State *env, uint64_t next_eip, uintptr_t ra)
{
    CPUState *cpu = env->cpu;
    if (ra)
        cpu_restore_state(cpu, ra);
    env->head.eip = next_eip;
    env->inhibit_irq = 0;
    if (env->eflags & EFL_TF) /* the trap ends the halt before it begins */
        debug_raise(env, DR6_BS, 0);
    cpu->halted = true;
    cpu->exception_index = EXCP_HLT;
    cpu_loop_exit(cpu);
}

void helper_hlt(CPUX86State *env, uint64_t next_eip)
{
    if (cpu_cpl(env) != 0)
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    halt(env, next_eip, GETPC());
}

void helper_monitor(CPUX86State *env, uint64_t addr)
{
    if ((uint32_t)env->head.gpr[R_ECX] != 0)
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    cpu_ld(env->cpu, addr, 1, cpu_mmu_index(env), GETPC()); /* faults as a load */
}

void helper_mwait(CPUX86State *env, uint64_t next_eip)
{
    uint32_t ecx = env->head.gpr[R_ECX];
    if (ecx & ~1u)
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    /* It may end for no reason. So it does where a halt would not see what it waits for: an interrupt that is masked
     * (ECX bit 0), and with more CPUs a store of theirs. */
    if (accel_parallel || ((ecx & 1) && !(env->eflags & EFL_IF))) {
        cpu_restore_state(env->cpu, GETPC());
        env->head.eip = next_eip;
        sched_yield();
        cpu_loop_exit(env->cpu);
    }
    halt(env, next_eip, GETPC());
}

void helper_pause(CPUX86State *env)
{
    /* A spinning guest gives the host thread away now and then. One CPU alone spins for time to pass (delays of drivers)
     * or for a device, and the host's scheduler lets that in anyway: hardly ever, a call costs more than such a delay. */
    static __thread unsigned spins;
    if (++spins % (accel_parallel ? 64 : 4096) == 0)
        sched_yield();
}

/* --- time stamp, counters, XCR0 --- */

int64_t cpu_x86_tsc(CPUX86State *env)
{
    return clock_ns(CLOCK_VM) + (int64_t)env->tsc_offset;
}

uint64_t cpu_x86_read_tsc(CPUX86State *env) { return clock_vm_ns_near() + (int64_t)env->tsc_offset; }

static void load_edx_eax(CPUX86State *env, uint64_t val)
{
    env->head.gpr[R_EAX] = (uint32_t)val;
    env->head.gpr[R_EDX] = val >> 32;
}

static void check_tsd(CPUX86State *env, uintptr_t ra)
{
    if ((env->cr[4] & CR4_TSD) && cpu_cpl(env) != 0)
        raise_exception_err(env, EXCP_GP, 0, ra);
}

uint64_t helper_rdtsc(CPUX86State *env)
{
    check_tsd(env, GETPC());
    return cpu_x86_read_tsc(env);
}

void helper_rdtscp(CPUX86State *env)
{
    check_tsd(env, GETPC());
    load_edx_eax(env, cpu_x86_read_tsc(env));
    env->head.gpr[R_ECX] = (uint32_t)env->tsc_aux;
}

void helper_rdpmc(CPUX86State *env)
{
    if (!(env->cr[4] & CR4_PCE) && cpu_cpl(env) != 0)
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    load_edx_eax(env, 0); /* no counters */
}

void helper_rdpkru(CPUX86State *env)
{
    if (!(env->cr[4] & CR4_PKE))
        raise_exception(env, EXCP_UD, GETPC());
    if ((uint32_t)env->head.gpr[R_ECX] != 0)
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    load_edx_eax(env, env->pkru);
}

void helper_wrpkru(CPUX86State *env)
{
    if (!(env->cr[4] & CR4_PKE))
        raise_exception(env, EXCP_UD, GETPC());
    if ((uint32_t)env->head.gpr[R_ECX] != 0 || (uint32_t)env->head.gpr[R_EDX] != 0)
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    cpu_set_pkru(env, (uint32_t)env->head.gpr[R_EAX]);
}

void helper_xgetbv(CPUX86State *env)
{
    if (!(env->cr[4] & CR4_OSXSAVE))
        raise_exception(env, EXCP_UD, GETPC());
    uint32_t n = env->head.gpr[R_ECX];
    if (n != 0 && !(n == 1 && cpu_has(env, X86F_XGETBV1)))
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    load_edx_eax(env, n ? env->xcr0 & cpu_x86_xinuse(env) : env->xcr0);
}

void helper_xsetbv(CPUX86State *env)
{
    uint64_t val = (uint32_t)env->head.gpr[R_EAX] | env->head.gpr[R_EDX] << 32;
    uint64_t allowed = cpu_x86_xcr0_allowed(env);
    if (!(env->cr[4] & CR4_OSXSAVE))
        raise_exception(env, EXCP_UD, GETPC());
    if (cpu_cpl(env) != 0 || (uint32_t)env->head.gpr[R_ECX] != 0 || !(val & 1) || (val & ~allowed) || (val & 6) == 4)
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    env->xcr0 = val;
    cpu_update_hflags(env);
}

void helper_cpuid(CPUX86State *env)
{
    uint32_t r[4];
    cpu_x86_cpuid(env, env->head.gpr[R_EAX], env->head.gpr[R_ECX], r);
    env->head.gpr[R_EAX] = r[0];
    env->head.gpr[R_EBX] = r[1];
    env->head.gpr[R_ECX] = r[2];
    env->head.gpr[R_EDX] = r[3];
}

uint64_t helper_lookup_code(CPUX86State *env) { return (uintptr_t)cpu_lookup_code(env->cpu); }
