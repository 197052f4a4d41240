/* smm.c - system management mode: state save on SMI, restore on RSM.
 * Spec: AMD APM vol. 2, chapter 10 (the 64-bit map, revision 20064h, for CPUs with long mode); Intel SDM
 * vol. 3, table 31-1 (the 32-bit map, revision 20000h).
 * Not modelled: I/O instruction restart. SMRAM is one with normal memory; the board shows and hides it. */
#include "host/base/osdep.h"
#include "softmmu/bql.h"
#include "target-x86/helper.h"
#include "target-x86/sys.h"

enum { SMM_MAP_BASE = 0x8000, SMM_ENTRY_EIP = 0x8000, SMM_REV64 = 0x20064, SMM_REV32 = 0x20000, SMM_REV_RELOCATE = 0x20000 };

static void st(CPUX86State *env, unsigned off, unsigned size, uint64_t val)
{
    cpu_phys_st(env->cpu, (env->smbase + SMM_MAP_BASE + off) & env->a20_mask, size, val);
}
static uint64_t ld(CPUX86State *env, unsigned off, unsigned size)
{
    return cpu_phys_ld(env->cpu, (env->smbase + SMM_MAP_BASE + off) & env->a20_mask, size);
}

static uint16_t pack_rights(uint32_t flags) { return flags >> 8 & 0xf0ff; }
static uint32_t unpack_rights(uint64_t rights) { return (rights & 0xf0ff) << 8; }

/* --- 64-bit map --- */

static void save_seg64(CPUX86State *env, unsigned off, const SegCache *s)
{
    st(env, off, 2, s->selector);
    st(env, off + 2, 2, pack_rights(s->flags));
    st(env, off + 4, 4, s->limit);
    st(env, off + 8, 8, s->base);
}
static SegCache load_seg64(CPUX86State *env, unsigned off)
{
    return (SegCache){.selector = ld(env, off, 2), .flags = unpack_rights(ld(env, off + 2, 2)), .limit = ld(env, off + 4, 4),
                      .base = ld(env, off + 8, 8)};
}
static unsigned gpr_off64(int i) { return 0x7ff8 - i * 8; }
/* The map's order is rax rcx rdx rbx rsp rbp rsi rdi r8..r15 downwards, the encoding order. */

static void save64(CPUX86State *env)
{
    for (int i = 0; i < 6; i++)
        save_seg64(env, 0x7e00 + i * 16, &env->segs[i]);
    st(env, 0x7e64, 4, env->gdt.limit);
    st(env, 0x7e68, 8, env->gdt.base);
    save_seg64(env, 0x7e70, &env->ldt);
    st(env, 0x7e84, 4, env->idt.limit);
    st(env, 0x7e88, 8, env->idt.base);
    save_seg64(env, 0x7e90, &env->tr);
    st(env, 0x7ec8, 1, 0);
    st(env, 0x7ec9, 1, env->cpu->halted);
    st(env, 0x7ed0, 8, env->efer);
    for (int i = 0; i < 16; i++)
        st(env, gpr_off64(i), 8, env->head.gpr[i]);
    st(env, 0x7f78, 8, env->head.eip);
    st(env, 0x7f70, 8, cpu_compute_eflags(env));
    st(env, 0x7f68, 8, env->dr[6]);
    st(env, 0x7f60, 8, env->dr[7]);
    st(env, 0x7f58, 8, env->cr[0]);
    st(env, 0x7f50, 8, env->cr[3]);
    st(env, 0x7f48, 8, env->cr[4]);
    st(env, 0x7efc, 4, SMM_REV64);
    st(env, 0x7f00, 4, env->smbase);
}

/* Flags as RSM loads them: everything. */
enum { RSM_FLAGS = CC_MASK | EFL_TF | EFL_IF | EFL_DF | EFL_IOPL | EFL_NT | EFL_RF | EFL_VM | EFL_AC | EFL_VIF | EFL_VIP | EFL_ID };

/* Control registers are written in the order that never passes through a forbidden combination. */
static void load_control(CPUX86State *env, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
    env->efer = efer & ~(uint64_t)EFER_LMA;
    cpu_set_cr4(env, cr4);
    env->cr[3] = cr3;
    cpu_set_cr0(env, cr0);
    cpu_set_cr3(env, cr3);
}

static void load64(CPUX86State *env)
{
    SegCache segs[6];
    for (int i = 0; i < 6; i++)
        segs[i] = load_seg64(env, 0x7e00 + i * 16);
    env->gdt.limit = ld(env, 0x7e64, 4);
    env->gdt.base = ld(env, 0x7e68, 8);
    env->ldt = load_seg64(env, 0x7e70);
    env->idt.limit = ld(env, 0x7e84, 4);
    env->idt.base = ld(env, 0x7e88, 8);
    env->tr = load_seg64(env, 0x7e90);
    for (int i = 0; i < 16; i++)
        env->head.gpr[i] = ld(env, gpr_off64(i), 8);
    env->head.eip = ld(env, 0x7f78, 8);
    uint64_t old_dr7 = env->dr[7];
    env->dr[6] = ld(env, 0x7f68, 4);
    env->dr[7] = ld(env, 0x7f60, 4);
    debug_update_watch(env, old_dr7);
    env->cpu->halted = ld(env, 0x7ec9, 1) & 1;
    uint32_t eflags = ld(env, 0x7f70, 4);
    uint64_t cr0 = ld(env, 0x7f58, 4), cr3 = ld(env, 0x7f50, 8), cr4 = ld(env, 0x7f48, 4), efer = ld(env, 0x7ed0, 8);
    uint32_t smbase = ld(env, 0x7efc, 4) & SMM_REV_RELOCATE ? ld(env, 0x7f00, 4) : env->smbase;
    load_control(env, cr0, cr3, cr4, efer);
    memcpy(env->segs, segs, sizeof segs);
    cpu_load_eflags(env, eflags, RSM_FLAGS);
    env->smbase = smbase;
}

/* --- 32-bit map --- */

static const uint16_t selector_off32[6] = {0x7fa8, 0x7fac, 0x7fb0, 0x7fb4, 0x7fb8, 0x7fbc};
static unsigned seg_off32(int i) { return i < 3 ? 0x7f84 + i * 12 : 0x7f2c + (i - 3) * 12; }
static unsigned gpr_off32(int i) { return 0x7fd0 + i * 4; }

static void save_seg32(CPUX86State *env, unsigned off, const SegCache *s)
{
    st(env, off, 4, pack_rights(s->flags));
    st(env, off + 4, 4, s->limit);
    st(env, off + 8, 4, s->base);
}
static SegCache load_seg32(CPUX86State *env, unsigned off, unsigned sel_off)
{
    return (SegCache){.selector = ld(env, sel_off, 2), .flags = unpack_rights(ld(env, off, 4)), .limit = ld(env, off + 4, 4),
                      .base = ld(env, off + 8, 4)};
}

static void save32(CPUX86State *env)
{
    st(env, 0x7ffc, 4, env->cr[0]);
    st(env, 0x7ff8, 4, env->cr[3]);
    st(env, 0x7ff4, 4, cpu_compute_eflags(env));
    st(env, 0x7ff0, 4, env->head.eip);
    for (int i = 0; i < 8; i++)
        st(env, gpr_off32(i), 4, env->head.gpr[i]);
    st(env, 0x7fcc, 4, env->dr[6]);
    st(env, 0x7fc8, 4, env->dr[7]);
    st(env, 0x7fc4, 4, env->tr.selector);
    save_seg32(env, 0x7f5c, &env->tr);
    st(env, 0x7fc0, 4, env->ldt.selector);
    save_seg32(env, 0x7f78, &env->ldt);
    st(env, 0x7f74, 4, env->gdt.base);
    st(env, 0x7f70, 4, env->gdt.limit);
    st(env, 0x7f58, 4, env->idt.base);
    st(env, 0x7f54, 4, env->idt.limit);
    for (int i = 0; i < 6; i++) {
        st(env, selector_off32[i], 4, env->segs[i].selector);
        save_seg32(env, seg_off32(i), &env->segs[i]);
    }
    st(env, 0x7f14, 4, env->cr[4]);
    st(env, 0x7f02, 1, env->cpu->halted);
    st(env, 0x7efc, 4, SMM_REV32);
    st(env, 0x7ef8, 4, env->smbase);
}

static void load32(CPUX86State *env)
{
    SegCache segs[6];
    for (int i = 0; i < 6; i++)
        segs[i] = load_seg32(env, seg_off32(i), selector_off32[i]);
    for (int i = 0; i < 8; i++)
        env->head.gpr[i] = ld(env, gpr_off32(i), 4);
    env->head.eip = ld(env, 0x7ff0, 4);
    uint64_t old_dr7 = env->dr[7];
    env->dr[6] = ld(env, 0x7fcc, 4);
    env->dr[7] = ld(env, 0x7fc8, 4);
    debug_update_watch(env, old_dr7);
    env->tr = load_seg32(env, 0x7f5c, 0x7fc4);
    env->ldt = load_seg32(env, 0x7f78, 0x7fc0);
    env->gdt.base = ld(env, 0x7f74, 4);
    env->gdt.limit = ld(env, 0x7f70, 4);
    env->idt.base = ld(env, 0x7f58, 4);
    env->idt.limit = ld(env, 0x7f54, 4);
    env->cpu->halted = ld(env, 0x7f02, 1) & 1;
    uint32_t eflags = ld(env, 0x7ff4, 4);
    uint32_t cr0 = ld(env, 0x7ffc, 4), cr3 = ld(env, 0x7ff8, 4), cr4 = ld(env, 0x7f14, 4);
    uint32_t smbase = ld(env, 0x7efc, 4) & SMM_REV_RELOCATE ? ld(env, 0x7ef8, 4) : env->smbase;
    load_control(env, cr0, cr3, cr4, 0);
    memcpy(env->segs, segs, sizeof segs);
    cpu_load_eflags(env, eflags, RSM_FLAGS);
    env->smbase = smbase;
}

/* SMRAM appears or goes: under the machine lock, whoever calls. */
static void smram_visible(CPUX86State *env, bool on)
{
    bool locked = bql_locked();
    if (env->irq_ops && env->irq_ops->smm_changed) {
        if (!locked)
            bql_lock();
        env->irq_ops->smm_changed(env->irq_opaque, on);
        if (!locked)
            bql_unlock();
    }
    mmu_flush_all(env);
}

void smm_enter(CPUX86State *env)
{
    excp_log_state(env, LOG_INT, "SMM: enter\n");
    env->in_smm = true;
    env->smm_in_nmi = env->nmi_masked;
    env->nmi_masked = true;
    smram_visible(env, true);
    if (cpu_has(env, X86F_LM))
        save64(env);
    else
        save32(env);

    env->cpu->halted = false;
    env->inhibit_irq = 0;
    uint64_t old_dr7 = env->dr[7];
    env->dr[7] = DR7_FIXED_1;
    debug_update_watch(env, old_dr7);
    env->efer &= ~(uint64_t)(EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE);
    cpu_set_cr0(env, env->cr[0] & ~(uint64_t)(CR0_PE | CR0_EM | CR0_TS | CR0_PG));
    cpu_set_cr4(env, 0);
    cpu_load_eflags(env, 0, RSM_FLAGS);
    env->head.eip = SMM_ENTRY_EIP;
    const uint32_t rights = DESC_P | DESC_S | DESC_W | DESC_A | DESC_G;
    for (int i = 0; i < 6; i++)
        env->segs[i] = (SegCache){.limit = 0xffffffffu, .flags = rights};
    env->segs[R_CS].selector = env->smbase >> 4 & 0xffff;
    env->segs[R_CS].base = env->smbase;
    env->segs[R_CS].flags = rights | DESC_CODE;
    cpu_update_hflags(env);
}

void helper_rsm(CPUX86State *env)
{
    if (!env->in_smm)
        raise_exception(env, EXCP_UD, GETPC());
    if (cpu_has(env, X86F_LM))
        load64(env);
    else
        load32(env);
    env->in_smm = false;
    env->nmi_masked = env->smm_in_nmi;
    smram_visible(env, false);
    cpu_update_hflags(env);
    excp_log_state(env, LOG_INT, "SMM: after RSM\n");
    if (env->cpu->halted) {
        env->cpu->exception_index = EXCP_HLT;
        cpu_loop_exit(env->cpu);
    }
}
