/* cpu.c - the x86 CPU as an object: creation, reset, TB flags, requests from outside, the CPUOps table.
 * Spec: Intel SDM vol. 3, 9.1 (processor state after reset, INIT). */
#include "host/base/osdep.h"
#include "accel/tb.h"
#include "softmmu/bql.h"
#include "target-x86/helper.h"
#include "target-x86/sys.h"

/* --- TB flags --- */

/* Flat: no access through the segment can fail or needs a base. */
static bool is_flat_data(const SegCache *s)
{
    return s->base == 0 && s->limit == 0xffffffffu &&
           (s->flags & (DESC_P | DESC_S | DESC_CODE | DESC_E | DESC_W)) == (DESC_P | DESC_S | DESC_W);
}
static bool is_flat_code(const SegCache *s)
{
    return s->base == 0 && s->limit == 0xffffffffu && (s->flags & (DESC_P | DESC_S | DESC_CODE | DESC_R)) == (DESC_P | DESC_S | DESC_CODE | DESC_R);
}

/* What gen_quick_check() compares with. A closer look (helper check_seg) is also for what grows down and for code that is read. */
static void update_tls_last(CPUX86State *env, int seg, bool protected)
{
    const SegCache *s = &env->segs[seg];
    bool data = !protected || (s->flags & (DESC_P | DESC_S | DESC_CODE | DESC_E)) == (DESC_P | DESC_S);
    env->tls_last[seg - R_FS][0] = data ? (int64_t)s->limit : -1;
    env->tls_last[seg - R_FS][1] = data && (!protected || s->flags & DESC_W) ? (int64_t)s->limit : -1;
}

void cpu_update_data_seg(CPUX86State *env, int seg)
{
    bool protected = (env->hflags & (HF_PE | HF_VM)) == HF_PE;

    if (env->hflags & HF_CS64)
        return;
    if (seg >= R_FS)
        update_tls_last(env, seg, protected);
    env->hflags &= ~(uint32_t)HF_FLAT_SEG(seg);
    if (protected && is_flat_data(&env->segs[seg]))
        env->hflags |= HF_FLAT_SEG(seg);
}

void cpu_update_hflags(CPUX86State *env)
{
    uint64_t cr0 = env->cr[0], cr4 = env->cr[4];
    uint32_t efl = (uint32_t)env->eflags, h = 0;
    unsigned cpl = 0;

    if (cr0 & CR0_PE) {
        bool vm = (efl & EFL_VM) && !(env->efer & EFER_LMA);
        h |= HF_PE;
        cpl = vm ? 3 : desc_dpl(env->segs[R_SS].flags);
        if (vm)
            h |= HF_VM;
    }
    h |= cpl << HF_CPL_SHIFT;
    if (env->efer & EFER_LMA) {
        h |= HF_LMA;
        if (env->segs[R_CS].flags & DESC_L)
            h |= HF_CS64;
    }
    if ((env->segs[R_CS].flags & DESC_B) || (h & HF_CS64))
        h |= HF_CS32;
    if ((env->segs[R_SS].flags & DESC_B) || (h & HF_CS64))
        h |= HF_SS32;
    h |= (efl & EFL_TF) ? HF_TF : 0;
    h |= (efl >> 12 & 3) << HF_IOPL_SHIFT;
    h |= (cr0 & CR0_MP ? HF_MP : 0) | (cr0 & CR0_EM ? HF_EM : 0) | (cr0 & CR0_TS ? HF_TS : 0);
    h |= cr4 & CR4_OSFXSR ? HF_OSFXSR : 0;
    h |= env->in_smm ? HF_SMM : 0;
    if ((cr0 & CR0_AM) && (efl & EFL_AC) && cpl == 3)
        h |= HF_AC;
    if ((cr4 & CR4_SMAP) && (efl & EFL_AC) && cpl < 3)
        h |= HF_SMAP_OFF;
    if (h & HF_CS64) {
        h |= HF_FLAT_ES | HF_FLAT_CS | HF_FLAT_SS | HF_FLAT_DS | HF_FLAT_FS | HF_FLAT_GS;
    } else { /* real and 8086 mode: nothing is flat, so that a segment load changes no flag (call_load_seg()) */
        bool protected = (h & (HF_PE | HF_VM)) == HF_PE;
        update_tls_last(env, R_FS, protected);
        update_tls_last(env, R_GS, protected);
        for (int i = R_ES; protected && i <= R_GS; i++)
            if (i == R_CS ? is_flat_code(&env->segs[i]) : is_flat_data(&env->segs[i]))
                h |= HF_FLAT_SEG(i);
    }
    for (int i = 0; unlikely(env->dr[7] & 0xff) && i < 4; i++) {
        if (!(env->dr[7] >> (i * 2) & 3))
            continue;
        unsigned type = env->dr[7] >> (16 + i * 4) & 3;
        h |= type == 0 ? HF_CODE_BP : type == 2 && (cr4 & CR4_DE) ? HF_IOBP : 0;
    }
    if ((efl & EFL_RF) && (h & HF_CODE_BP)) /* matters only to instruction breakpoints */
        h |= HF_RF;
    if ((~env->mxcsr & 0x1f80) || (env->mxcsr & MXCSR_MM))
        h |= HF_FP_UNMASKED;
    if (~env->fpuc & 0x3f || env->x87_slow)
        h |= HF_X87_UNMASKED;
    x87_set_run_cw(env);
    if ((cr4 & CR4_OSXSAVE) && (env->xcr0 & 6) == 6)
        h |= HF_OSXSAVE;
    if ((cr4 & CR4_UMIP) && cpl > 0)
        h |= HF_UMIP;
    env->hflags = h;
}

/* Programs at addresses that no 32-bit displacement reaches are built to run anywhere, and mostly are somewhere else in each
 * process. Not so near the end of their half that a direct branch could leave it: that is known at translation then. */
uint64_t x86_float_min = 1ULL << 32;
#define FLOAT_MAX ((1ULL << 47) - (1ULL << 31) - 2 * TCG_PAGE_SIZE)

static void x86_get_tb_state(void *opaque, TbState *st)
{
    CPUX86State *env = opaque;
    st->flags = env->hflags | (env->inhibit_irq ? HF_INHIBIT_IRQ : 0);
    st->floating = false;
    if (env->hflags & HF_CS64) {
        st->cs_base = 0;
        st->pc = env->head.eip;
        st->floating = (env->hflags & HF_CPL) == 3 && st->pc >= x86_float_min && st->pc < FLOAT_MAX;
    } else {
        st->cs_base = (uint32_t)env->segs[R_CS].base;
        st->pc = (uint32_t)(st->cs_base + env->head.eip);
    }
}

/* --- reset --- */

static void reset_segments(CPUX86State *env)
{
    const uint32_t data = DESC_P | DESC_S | DESC_W | DESC_A;
    for (int i = 0; i < 6; i++)
        env->segs[i] = (SegCache){.limit = 0xffff, .flags = data};
    env->segs[R_CS] = (SegCache){.selector = 0xf000, .base = 0xffff0000, .limit = 0xffff, .flags = data | DESC_CODE};
    env->ldt = (SegCache){.limit = 0xffff, .flags = DESC_P | SYS_LDT << DESC_TYPE_SHIFT};
    env->tr = (SegCache){.limit = 0xffff, .flags = DESC_P | SYS_TSS32_BUSY << DESC_TYPE_SHIFT};
    env->gdt.base = env->idt.base = 0;
    env->gdt.limit = env->idt.limit = 0xffff;
}

/* What INIT and reset have in common. */
static void reset_common(CPUX86State *env)
{
    memset(env->head.gpr, 0, sizeof env->head.gpr);
    env->head.gpr[R_EDX] = env->cpuid.signature;
    env->head.eip = 0xfff0;
    reset_segments(env);
    memset(env->cr, 0, sizeof env->cr);
    memset(env->pdptes, 0, sizeof env->pdptes);
    env->efer = 0;
    env->cc_op = CC_OP_EFLAGS;
    env->cc_src = env->cc_dst = env->cc_src2 = 0;
    env->df = 1;
    env->eflags = 2;
    uint64_t old_dr7 = env->dr[7];
    memset(env->dr, 0, sizeof env->dr);
    env->dr[6] = DR6_FIXED_1;
    env->dr[7] = DR7_FIXED_1;
    debug_update_watch(env, old_dr7);
    env->inhibit_irq = 0;
    env->nmi_masked = env->in_smm = env->shutdown = false;
    env->pending_db = 0;
    env->old_exception = -1;
    env->exception_is_int = false;
    env->error_code = 0;
    env->cpu->exception_index = EXCP_NONE;
    env->cpu->halted = false;
}

static void x86_reset(CPUState *cpu)
{
    CPUX86State *env = X86_ENV(cpu);
    reset_common(env);
    env->cr[0] = 0x60000010;
    env->star = env->lstar = env->cstar = env->fmask = env->kernel_gs_base = 0;
    env->sysenter_cs = env->sysenter_esp = env->sysenter_eip = 0;
    env->tsc_aux = env->tsc_adjust = env->tsc_offset = env->tsc_deadline = 0;
    env->pat = 0x0007040600070406ULL;
    env->mtrr_deftype = 0;
    memset(env->mtrr_fixed, 0, sizeof env->mtrr_fixed);
    memset(env->mtrr_var, 0, sizeof env->mtrr_var);
    env->mcg_status = 0;
    env->mcg_ctl = ~0ULL;
    memset(env->mc_banks, 0, sizeof env->mc_banks);
    for (unsigned i = 0; i < ARRAY_SIZE(env->mc_banks); i += 4)
        env->mc_banks[i] = ~0ULL;
    env->misc_enable = 1; /* fast strings */
    env->xcr0 = 1;
    env->xss = env->spec_ctrl = env->debugctl = 0;
    env->feature_control = 1; /* locked, nothing enabled */
    env->microcode = strcmp(env->cpuid.vendor, "GenuineIntel") ? 0x01000065 : 0x100000000ULL;
    env->smbase = 0x30000;
    env->pkru = 0;
    memset(env->fpregs, 0, sizeof env->fpregs);
    cpu_fpu_reset(env);
    memset(env->xmm, 0, sizeof env->xmm);
    cpu_set_mxcsr(env, 0x1f80);
    env->a20_mask = ~0ULL;
    cpu_update_hflags(env);
    cpu_reset_interrupt(cpu, CPU_INTERRUPT_HARD | CPU_INTERRUPT_NMI | CPU_INTERRUPT_SMI | CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI |
                                 CPU_INTERRUPT_RESET | CPU_INTERRUPT_DB);
    mmu_flush_all(env);
}

void cpu_x86_init_reset(CPUX86State *env)
{
    uint64_t cr0 = 0x60000010 & ~(uint64_t)(CR0_CD | CR0_NW);
    cr0 |= env->cr[0] & (CR0_CD | CR0_NW) & 0xffffffffu; /* cache control survives INIT */
    reset_common(env);
    env->cr[0] = cr0;
    cpu_update_hflags(env);
    mmu_flush_all(env);
}

/* --- creation --- */

CPUX86State *cpu_x86_create(const char *model, GError **errp)
{
    CPUX86State *env = g_aligned_alloc0(1, sizeof *env, 64);
    if (!cpuid_apply_model(env, model, errp))
        goto fail;
    env->a20_mask = ~0ULL;
    env->dr[7] = DR7_FIXED_1;
    env->cpu = cpu_new(&cpu_x86_ops, env, errp);
    if (!env->cpu)
        goto fail;
    x86_reset(env->cpu);
    return env;
fail:
    g_aligned_free(env);
    return NULL;
}

void cpu_x86_free(CPUX86State *env)
{
    cpu_free(env->cpu);
    g_aligned_free(env);
}

/* --- requests from outside --- */

static bool x86_has_work(CPUState *cpu)
{
    CPUX86State *env = X86_ENV(cpu);
    uint32_t req = __atomic_load_n(&cpu->interrupt_request, __ATOMIC_SEQ_CST);
    if (req & (CPU_INTERRUPT_INIT | CPU_INTERRUPT_RESET))
        return true;
    if (env->shutdown)
        return false;
    return ((req & CPU_INTERRUPT_HARD) && (env->eflags & EFL_IF)) || ((req & CPU_INTERRUPT_NMI) && !env->nmi_masked) ||
           ((req & CPU_INTERRUPT_SMI) && !env->in_smm);
}

void cpu_x86_set_a20(CPUX86State *env, bool on)
{
    uint64_t mask = on ? ~0ULL : ~(1ULL << 20);
    if (mask == env->a20_mask)
        return;
    env->a20_mask = mask;
    tlb_flush_from_other_thread(env->cpu);
}

void cpu_x86_nmi(CPUX86State *env) { cpu_interrupt(env->cpu, CPU_INTERRUPT_NMI); }
void cpu_x86_smi(CPUX86State *env) { cpu_interrupt(env->cpu, CPU_INTERRUPT_SMI); }

static void x86_unaligned_access(CPUState *cpu, vaddr addr, AccessType type, MemOp op, uintptr_t ra)
{
    CPUX86State *env = X86_ENV(cpu);
    if (!(op & MO_ALIGN_GP) && env->hflags & HF_CS64 && !is_canonical(env, addr))
        raise_not_canonical(env, addr, type, ra);
    if (!(op & MO_ALIGN_GP) && mmu_beyond_limit(env, addr, memop_size(op), type, MMU_USER, ra))
        raise_not_canonical(env, addr, type, ra);
    raise_exception_err(env, op & MO_ALIGN_GP ? EXCP_GP : EXCP_AC, 0, ra);
}

/* Near branches fault at the branch. Its target is looked at when the jump cache does not have it, and then the branch
 * is undone; what a CALL pushed stays below the stack pointer. */
static void x86_check_branch(CPUState *cpu, const TB *from)
{
    CPUX86State *env = X86_ENV(cpu);
    if (likely(!(env->hflags & HF_CS64) || is_canonical(env, env->head.eip)) || !from->has_branch)
        return;
    env->head.eip = tb_pc_now(cpu, from) + from->branch.off;
    env->head.gpr[R_ESP] -= (int32_t)from->branch.undo;
    raise_exception_err(env, EXCP_GP, 0, 0);
}

/* The same where each branch leaves to the loop. sp: what it adds to RSP. */
void helper_branch_target(CPUX86State *env, uint64_t eip, uint32_t sp)
{
    if (is_canonical(env, eip))
        return;
    env->head.gpr[R_ESP] -= (int32_t)sp;
    raise_exception_err(env, EXCP_GP, 0, GETPC());
}

unsigned cpu_x86_code_bits(CPUX86State *env)
{
    return env->hflags & HF_CS64 ? 64 : env->hflags & HF_CS32 ? 32 : 16;
}

static unsigned x86_disas_mode(void *env, uint32_t tb_flags)
{
    return tb_flags & HF_CS64 ? 64 : tb_flags & HF_CS32 ? 32 : 16;
}

static unsigned x86_mmu_index(void *env) { return cpu_mmu_index(env); }

const CPUOps cpu_x86_ops = {
    .tcg = &x86_tcg_guest,
    .get_tb_state = x86_get_tb_state,
    .translate = x86_translate,
    .restore_state = x86_restore_state,
    .leave_code = x86_leave_x87,
    .tlb_fill = x86_tlb_fill,
    .unaligned_access = x86_unaligned_access,
    .watch_access = x86_watch_access,
    .do_interrupt = x86_do_interrupt,
    .exec_interrupt = x86_exec_interrupt,
    .has_work = x86_has_work,
    .reset = x86_reset,
    .dump_state = x86_dump_state,
    .phys_page_debug = x86_phys_page_debug,
    .disas_mode = x86_disas_mode,
    .mmu_index = x86_mmu_index,
    .check_branch = x86_check_branch,
    .space_modes = 1 << MMU_USER | 1 << MMU_KNOSMAP,
};
