/* helper-msr.c - RDMSR and WRMSR.
 * Spec: Intel SDM vol. 4; AMD APM vol. 2 appendix A. An MSR of a feature that the CPU model does not have is #GP; one
 * that Vireo does not know reads as 0 and ignores writes, as in QEMU, since guests probe many.
 * Not modelled: performance counters, machine-check events, power MSRs. */
#include "host/base/osdep.h"
#include "softmmu/bql.h"
#include "softmmu/timer.h"
#include "target-x86/helper.h"
#include "target-x86/sys.h"

enum {
    MSR_TSC = 0x10, MSR_PLATFORM_ID = 0x17, MSR_APICBASE = 0x1b, MSR_FEATURE_CONTROL = 0x3a, MSR_TSC_ADJUST = 0x3b,
    MSR_SPEC_CTRL = 0x48, MSR_PRED_CMD = 0x49, MSR_UCODE_REV = 0x8b, MSR_MTRRCAP = 0xfe, MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175, MSR_SYSENTER_EIP = 0x176, MSR_MCG_CAP = 0x179, MSR_MCG_STATUS = 0x17a, MSR_MCG_CTL = 0x17b,
    MSR_PERF_STATUS = 0x198, MSR_MISC_ENABLE = 0x1a0, MSR_DEBUGCTL = 0x1d9, MSR_MTRR_VAR0 = 0x200, MSR_MTRR_VAR_END = 0x20f,
    MSR_MTRR_FIX64K = 0x250, MSR_MTRR_FIX16K = 0x258, MSR_MTRR_FIX4K = 0x268, MSR_PAT = 0x277, MSR_MTRR_DEFTYPE = 0x2ff,
    MSR_MC0_CTL = 0x400, MSR_MC_END = 0x480, MSR_TSC_DEADLINE = 0x6e0, MSR_X2APIC = 0x800, MSR_X2APIC_END = 0x8ff, MSR_XSS = 0xda0,
};
#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_FMASK 0xc0000084u
#define MSR_FSBASE 0xc0000100u
#define MSR_GSBASE 0xc0000101u
#define MSR_KERNELGSBASE 0xc0000102u
#define MSR_TSC_AUX 0xc0000103u
#define MSR_VM_CR 0xc0010114u
#define MSR_OSVW_ID_LENGTH 0xc0010140u /* AMD errata that need a workaround: none */
#define MSR_OSVW_STATUS 0xc0010141u
enum { APICBASE_EXTD = 1 << 10 };
enum { VM_CR_LOCK = 1 << 3, VM_CR_SVMDIS = 1 << 4 };

enum { MCE_BANKS = 10, MTRR_VAR_COUNT = 8 };
/* MCG_CAP: ten banks, MCG_CTL present, software error recovery */
static const uint64_t mcg_cap = MCE_BANKS | 1 << 8 | 1 << 24;

/* Index into mtrr_fixed[], or -1. */
static int mtrr_fixed_index(uint32_t msr)
{
    if (msr == MSR_MTRR_FIX64K)
        return 0;
    if (msr == MSR_MTRR_FIX16K || msr == MSR_MTRR_FIX16K + 1)
        return 1 + (msr - MSR_MTRR_FIX16K);
    if (msr >= MSR_MTRR_FIX4K && msr < MSR_MTRR_FIX4K + 8)
        return 3 + (msr - MSR_MTRR_FIX4K);
    return -1;
}

static bool is_memory_type(uint64_t t) { return t == 0 || t == 1 || t == 4 || t == 5 || t == 6; }

/* Every byte is a memory type; `uc_minus`: 7 as well (PAT). */
static bool are_memory_types(uint64_t val, bool uc_minus)
{
    for (int i = 0; i < 8; i++, val >>= 8)
        if (!is_memory_type(val & 0xff) && !(uc_minus && (val & 0xff) == 7))
            return false;
    return true;
}

static bool irq_msr(CPUX86State *env, uint32_t msr, uint64_t *val, bool write)
{
    const CPUX86IrqOps *ops = env->irq_ops;
    if (!ops || !(write ? (void *)ops->msr_write : (void *)ops->msr_read))
        return false;
    bql_lock();
    bool ok = write ? ops->msr_write(env->irq_opaque, msr, *val) : ops->msr_read(env->irq_opaque, msr, val);
    bql_unlock();
    return ok;
}

static bool has_irq_msr(const CPUX86State *env, uint32_t msr)
{
    return cpu_has(env, msr == MSR_TSC_DEADLINE ? X86F_TSC_DEADLINE : X86F_X2APIC);
}

/* 64-bit state that an MSR is nothing but, read and written as it is; NULL: not such a one. */
static uint64_t *plain_msr(CPUX86State *env, uint32_t msr, bool *address)
{
    *address = false;
    switch (msr) {
    case MSR_SYSENTER_CS: return &env->sysenter_cs;
    case MSR_MCG_STATUS: return &env->mcg_status;
    case MSR_MISC_ENABLE: return &env->misc_enable;
    case MSR_DEBUGCTL: return &env->debugctl;
    case MSR_SPEC_CTRL: return &env->spec_ctrl;
    case MSR_STAR: return &env->star;
    case MSR_FMASK: return &env->fmask;
    case MSR_TSC_AUX: return &env->tsc_aux;
    default: break;
    }
    *address = true; /* must be canonical */
    switch (msr) {
    case MSR_SYSENTER_ESP: return &env->sysenter_esp;
    case MSR_SYSENTER_EIP: return &env->sysenter_eip;
    case MSR_LSTAR: return &env->lstar;
    case MSR_CSTAR: return &env->cstar;
    case MSR_FSBASE: return &env->segs[R_FS].base;
    case MSR_GSBASE: return &env->segs[R_GS].base;
    case MSR_KERNELGSBASE: return &env->kernel_gs_base;
    default: return NULL;
    }
}

/* MSRs that exist only with a feature: without it they are #GP, as on the CPU that the model stands for. */
static bool msr_exists(const CPUX86State *env, uint32_t msr)
{
    switch (msr) {
    case MSR_SYSENTER_CS: case MSR_SYSENTER_ESP: case MSR_SYSENTER_EIP: return cpu_has(env, X86F_SEP);
    case MSR_TSC_ADJUST: return cpu_has(env, X86F_TSC_ADJUST);
    case MSR_MTRRCAP: case MSR_MTRR_DEFTYPE: return cpu_has(env, X86F_MTRR);
    case MSR_PAT: return cpu_has(env, X86F_PAT);
    case MSR_MCG_CAP: case MSR_MCG_STATUS: case MSR_MCG_CTL: return cpu_has(env, X86F_MCA);
    case MSR_XSS: return cpu_has(env, X86F_XSAVES);
    case MSR_SPEC_CTRL: return cpu_has(env, X86F_SPEC_CTRL) || cpu_has(env, X86F_SSBD);
    case MSR_EFER: return cpu_has(env, X86F_SYSCALL) || cpu_has(env, X86F_NX) || cpu_has(env, X86F_LM);
    case MSR_STAR: return cpu_has(env, X86F_SYSCALL) || cpu_has(env, X86F_LM);
    case MSR_LSTAR: case MSR_CSTAR: case MSR_FMASK: case MSR_FSBASE: case MSR_GSBASE: case MSR_KERNELGSBASE:
        return cpu_has(env, X86F_LM);
    case MSR_TSC_AUX: return cpu_has(env, X86F_RDTSCP) || cpu_has(env, X86F_RDPID);
    default: break;
    }
    if (mtrr_fixed_index(msr) >= 0 || (msr >= MSR_MTRR_VAR0 && msr <= MSR_MTRR_VAR_END))
        return cpu_has(env, X86F_MTRR);
    if (msr >= MSR_MC0_CTL && msr < MSR_MC_END) /* banks that MCG_CAP counts */
        return cpu_has(env, X86F_MCA) && msr < MSR_MC0_CTL + 4 * MCE_BANKS;
    return true;
}

/* false: #GP */
static bool read_msr(CPUX86State *env, uint32_t msr, uint64_t *val)
{
    bool address;
    if (!msr_exists(env, msr))
        return false;
    const uint64_t *plain = plain_msr(env, msr, &address);
    if (plain) {
        *val = *plain;
        return true;
    }
    if (mtrr_fixed_index(msr) >= 0) {
        *val = env->mtrr_fixed[mtrr_fixed_index(msr)];
        return true;
    }
    if (msr >= MSR_MTRR_VAR0 && msr <= MSR_MTRR_VAR_END) {
        *val = env->mtrr_var[msr - MSR_MTRR_VAR0];
        return true;
    }
    if (msr >= MSR_MC0_CTL && msr < MSR_MC_END) {
        *val = env->mc_banks[msr - MSR_MC0_CTL];
        return true;
    }
    if (msr == MSR_TSC_DEADLINE || (msr >= MSR_X2APIC && msr <= MSR_X2APIC_END))
        return has_irq_msr(env, msr) && irq_msr(env, msr, val, false);

    *val = 0;
    switch (msr) {
    case MSR_TSC: *val = cpu_x86_read_tsc(env); break;
    case MSR_TSC_ADJUST: *val = env->tsc_adjust; break;
    case MSR_APICBASE:
        if (!env->irq_ops || !env->irq_ops->get_apicbase)
            return cpu_has(env, X86F_APIC);
        bql_lock();
        *val = env->irq_ops->get_apicbase(env->irq_opaque);
        bql_unlock();
        break;
    case MSR_FEATURE_CONTROL: *val = env->feature_control; break;
    case MSR_UCODE_REV: *val = env->microcode; break;
    case MSR_MTRRCAP: *val = MTRR_VAR_COUNT | 1 << 8 | 1 << 10; break; /* fixed ranges, WC */
    case MSR_MCG_CAP: *val = mcg_cap; break;
    case MSR_MCG_CTL: *val = env->mcg_ctl; break;
    case MSR_PERF_STATUS: *val = 1000ULL | 4ULL << 40; break; /* TSC rate over bus rate, as old Linux reads it */
    case MSR_PAT: *val = env->pat; break;
    case MSR_MTRR_DEFTYPE: *val = env->mtrr_deftype; break;
    case MSR_XSS: *val = env->xss; break;
    case MSR_VM_CR: *val = strcmp(env->cpuid.vendor, "AuthenticAMD") && !cpu_has(env, X86F_SVM) ? 0 : VM_CR_LOCK | VM_CR_SVMDIS; break;
    case MSR_EFER: *val = env->efer; break;
    case MSR_PLATFORM_ID: case MSR_PRED_CMD: break;
    case MSR_OSVW_ID_LENGTH: case MSR_OSVW_STATUS: return cpu_has(env, X86F_OSVW);
    default: log_unimp("rdmsr: unknown MSR 0x%x\n", msr); break;
    }
    return true;
}

static bool write_efer(CPUX86State *env, uint64_t val)
{
    uint64_t allowed = 0;
    if (cpu_has(env, X86F_SYSCALL))
        allowed |= EFER_SCE;
    if (cpu_has(env, X86F_LM))
        allowed |= EFER_LME;
    if (cpu_has(env, X86F_NX))
        allowed |= EFER_NXE;
    if (cpu_has(env, X86F_FXSR_OPT))
        allowed |= EFER_FFXSR;
    if (val & ~(allowed | EFER_LMA))
        return false;
    if (((val ^ env->efer) & EFER_LME) && (env->cr[0] & CR0_PG))
        return false;
    uint64_t old = env->efer;
    env->efer = (val & allowed) | (env->efer & EFER_LMA);
    if ((old ^ env->efer) & EFER_NXE)
        tlb_flush(env->cpu);
    cpu_update_hflags(env);
    return true;
}

static bool write_apicbase(CPUX86State *env, uint64_t val)
{
    if (!env->irq_ops || !env->irq_ops->set_apicbase)
        return cpu_has(env, X86F_APIC);
    if (val >> env->phys_bits || ((val & APICBASE_EXTD) && !cpu_has(env, X86F_X2APIC)))
        return false;
    bql_lock();
    bool ok = env->irq_ops->set_apicbase(env->irq_opaque, val);
    bql_unlock();
    return ok;
}

static bool write_msr(CPUX86State *env, uint32_t msr, uint64_t val)
{
    bool address;
    if (!msr_exists(env, msr))
        return false;
    uint64_t *plain = plain_msr(env, msr, &address);
    if (plain) {
        if (address && !is_canonical_base(env, val))
            return false;
        *plain = val;
        if (msr == MSR_FSBASE || msr == MSR_GSBASE)
            cpu_update_hflags(env);
        return true;
    }
    if (mtrr_fixed_index(msr) >= 0) {
        if (!are_memory_types(val, false))
            return false;
        env->mtrr_fixed[mtrr_fixed_index(msr)] = val;
        return true;
    }
    if (msr >= MSR_MTRR_VAR0 && msr <= MSR_MTRR_VAR_END) {
        bool mask = msr & 1;
        uint64_t reserved = ~((1ULL << env->phys_bits) - 1) | (mask ? 0x7ff : 0xf00);
        if ((val & reserved) || (!mask && !is_memory_type(val & 0xff)))
            return false;
        env->mtrr_var[msr - MSR_MTRR_VAR0] = val;
        return true;
    }
    if (msr >= MSR_MC0_CTL && msr < MSR_MC_END) {
        unsigned off = msr - MSR_MC0_CTL;
        if ((off & 3) == 1 && val != 0)
            return false; /* STATUS can only be cleared */
        if ((off & 3) == 0 && val != 0 && ~(val | 1 << 10 | 1) != 0)
            return false; /* CTL is all or nothing, but for the two that Linux leaves out on some CPUs */
        env->mc_banks[off] = val;
        return true;
    }
    if (msr == MSR_TSC_DEADLINE || (msr >= MSR_X2APIC && msr <= MSR_X2APIC_END))
        return has_irq_msr(env, msr) && irq_msr(env, msr, &val, true);

    switch (msr) {
    case MSR_TSC: {
        uint64_t delta = val - cpu_x86_read_tsc(env);
        env->tsc_offset += delta;
        env->tsc_adjust += delta;
        break;
    }
    case MSR_TSC_ADJUST:
        env->tsc_offset += val - env->tsc_adjust;
        env->tsc_adjust = val;
        break;
    case MSR_APICBASE: return write_apicbase(env, val);
    case MSR_FEATURE_CONTROL:
        if (env->feature_control & 1)
            return false; /* locked */
        env->feature_control = val;
        break;
    case MSR_UCODE_REV: break; /* written as 0 before CPUID reloads the revision */
    case MSR_MTRRCAP: case MSR_MCG_CAP: return false;
    case MSR_MCG_CTL:
        if (val != 0 && val != ~0ULL)
            return false;
        env->mcg_ctl = val;
        break;
    case MSR_PAT:
        if (!are_memory_types(val, true))
            return false;
        env->pat = val;
        break;
    case MSR_MTRR_DEFTYPE:
        if ((val & ~0xcffULL) || !is_memory_type(val & 0xff))
            return false;
        env->mtrr_deftype = val;
        break;
    case MSR_XSS: return val == 0;
    case MSR_EFER: return write_efer(env, val);
    case MSR_PRED_CMD: case MSR_PERF_STATUS: case MSR_VM_CR: break; /* VM_CR is locked */
    case MSR_OSVW_ID_LENGTH: case MSR_OSVW_STATUS: return cpu_has(env, X86F_OSVW); /* for the BIOS only */
    default: log_unimp("wrmsr: unknown MSR 0x%x, value 0x%" PRIx64 "\n", msr, val); break;
    }
    return true;
}

void helper_rdmsr(CPUX86State *env)
{
    uint64_t val = 0;
    if (cpu_cpl(env) != 0 || !read_msr(env, (uint32_t)env->head.gpr[R_ECX], &val))
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    env->head.gpr[R_EAX] = (uint32_t)val;
    env->head.gpr[R_EDX] = val >> 32;
}

void helper_wrmsr(CPUX86State *env)
{
    uint64_t val = (uint32_t)env->head.gpr[R_EAX] | env->head.gpr[R_EDX] << 32;
    if (cpu_cpl(env) != 0 || !write_msr(env, (uint32_t)env->head.gpr[R_ECX], val))
        raise_exception_err(env, EXCP_GP, 0, GETPC());
}
