/* vmstate-cpu.c - the CPU's fields in saved machine state. Derived state (hflags, TLB, the model's features)
 * is not saved: the loader calls cpu_x86_post_load(). */
#include "host/base/osdep.h"
#include "target-x86/sys.h"

static const VMField seg_fields[] = {
    VM_UINT(SegCache, selector), VM_UINT(SegCache, limit), VM_UINT(SegCache, base), VM_UINT(SegCache, flags), VM_END};

const VMField cpu_x86_fields[] = {
    VM_UINT_ARRAY(CPUX86State, head.gpr, 16), VM_UINT(CPUX86State, head.eip),
    VM_UINT(CPUX86State, cc_dst), VM_UINT(CPUX86State, cc_src), VM_UINT(CPUX86State, cc_src2), VM_UINT(CPUX86State, cc_op),
    VM_UINT(CPUX86State, cc_inc),
    VM_UINT(CPUX86State, df), VM_UINT(CPUX86State, eflags), VM_UINT(CPUX86State, inhibit_irq),
    VM_STRUCT_ARRAY(CPUX86State, segs, 6, seg_fields), VM_STRUCT(CPUX86State, ldt, seg_fields), VM_STRUCT(CPUX86State, tr, seg_fields),
    VM_UINT(CPUX86State, gdt.base), VM_UINT(CPUX86State, gdt.limit), VM_UINT(CPUX86State, idt.base), VM_UINT(CPUX86State, idt.limit),
    VM_UINT_ARRAY(CPUX86State, cr, 5), VM_UINT(CPUX86State, efer), VM_UINT(CPUX86State, star), VM_UINT(CPUX86State, lstar),
    VM_UINT(CPUX86State, cstar), VM_UINT(CPUX86State, fmask), VM_UINT(CPUX86State, kernel_gs_base),
    VM_UINT(CPUX86State, sysenter_cs), VM_UINT(CPUX86State, sysenter_esp), VM_UINT(CPUX86State, sysenter_eip),
    VM_UINT(CPUX86State, tsc_aux), VM_UINT(CPUX86State, tsc_adjust), VM_UINT(CPUX86State, tsc_offset), VM_UINT(CPUX86State, tsc_deadline),
    VM_UINT(CPUX86State, pat), VM_UINT(CPUX86State, mtrr_deftype), VM_UINT_ARRAY(CPUX86State, mtrr_fixed, 11),
    VM_UINT_ARRAY(CPUX86State, mtrr_var, 16), VM_UINT(CPUX86State, mcg_status), VM_UINT(CPUX86State, mcg_ctl),
    VM_UINT_ARRAY(CPUX86State, mc_banks, 40), VM_UINT(CPUX86State, misc_enable), VM_UINT(CPUX86State, xcr0), VM_UINT(CPUX86State, xss),
    VM_UINT(CPUX86State, smbase), VM_UINT(CPUX86State, spec_ctrl), VM_UINT(CPUX86State, microcode),
    VM_UINT(CPUX86State, feature_control), VM_UINT(CPUX86State, debugctl), VM_UINT_ARRAY(CPUX86State, dr, 8), VM_UINT(CPUX86State, pkru),
    VM_UINT_ARRAY(CPUX86State, pdptes, 4), VM_BUFFER(CPUX86State, fpregs), VM_UINT(CPUX86State, fpstt), VM_UINT(CPUX86State, fpus),
    VM_UINT(CPUX86State, fpuc), VM_BUFFER(CPUX86State, fptags), VM_UINT(CPUX86State, fpip), VM_UINT(CPUX86State, fpdp),
    VM_UINT(CPUX86State, fpcs), VM_UINT(CPUX86State, fpds), VM_UINT(CPUX86State, fpop), VM_BUFFER(CPUX86State, xmm),
    VM_UINT(CPUX86State, mxcsr), VM_UINT(CPUX86State, head.mxcsr_run), VM_UINT(CPUX86State, old_exception),
    VM_UINT(CPUX86State, nmi_masked), VM_UINT(CPUX86State, smm_in_nmi), VM_UINT(CPUX86State, in_smm), VM_UINT(CPUX86State, shutdown),
    VM_UINT(CPUX86State, pending_db), VM_UINT(CPUX86State, a20_mask), VM_END};

void cpu_x86_pre_load(CPUX86State *env)
{
    /* No page may stay watched for breakpoints that the loaded DR7 knows nothing of. */
    uint64_t old_dr7 = env->dr[7];
    env->dr[7] = DR7_FIXED_1;
    debug_update_watch(env, old_dr7);
}

void cpu_x86_post_load(CPUX86State *env)
{
    /* The stream is no more trusted than a guest: indices first. */
    uint32_t base = env->cc_op & CC_BASE_MASK, over = env->cc_op >> CC_OVER_SHIFT;
    if (base == CC_OP_DYNAMIC || base >= CC_OP_OVER_INCB || (over && (over < CC_OP_INCB || over > CC_OP_DECQ)))
        env->cc_op = CC_OP_EFLAGS;
    env->df = env->df < 0 ? -1 : 1;
    env->fpstt &= 7;
    env->inhibit_irq = MIN(env->inhibit_irq, (uint32_t)SHADOW_MOVSS);
    env->eflags = (env->eflags & 0x3fffff & ~(uint64_t)(CC_MASK | EFL_DF)) | 2;
    for (int i = 0; i < 8; i++)
        env->fptags[i] = env->fptags[i] != 0;
    env->head.mxcsr_run = (env->head.mxcsr_run & 0xffff) | 0x1f80;
    env->mxcsr &= 0xffff;
    env->head.vec_high = 1;
    env->a20_mask |= ~(1ULL << 20);
    debug_update_watch(env, DR7_FIXED_1);
    cpu_update_hflags(env);
    mmu_flush_all(env);
}
