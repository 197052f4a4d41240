/* iret.c - IRET in every mode: real, 8086 with and without VME, protected with nested task return, to 8086
 * mode, to outer levels, and IA-32e mode.
 * Spec: Intel SDM vol. 2 IRET/IRETD/IRETQ; vol. 3, 20.3.1.2. */
#include "host/base/osdep.h"
#include "host/base/log.h"
#include "target-x86/helper.h"
#include "target-x86/sys.h"

/* Flags that IRET may change; those that depend on CPL and IOPL are added by the caller. */
enum { IRET_FLAGS = CC_MASK | EFL_TF | EFL_DF | EFL_NT };

static void finish(CPUX86State *env, const Stack *s, uint64_t eip, uint32_t eflags, uint32_t mask, unsigned size)
{
    stack_commit(s);
    env->head.eip = eip;
    cpu_load_eflags(env, eflags, size == 2 ? mask & 0xffff : mask);
}

/* IOPL below 3; with it, and in real mode, all but the flags is translated code. */
static void iret_vm86(CPUX86State *env, unsigned size, uintptr_t ra)
{
    if (!(env->cr[4] & CR4_VME) || size != 2)
        raise_exception_err(env, EXCP_GP, 0, ra);
    Stack s = stack_current(env, ra);
    uint64_t eip = stack_pop(&s, size);
    unsigned selector = stack_pop(&s, size) & 0xffff;
    uint32_t eflags = stack_pop(&s, size), mask = IRET_FLAGS | EFL_RF | EFL_AC | EFL_ID;
    if (eip > 0xffff)
        raise_exception_err(env, EXCP_GP, 0, ra);
    if ((eflags & EFL_TF) || ((eflags & EFL_IF) && (env->eflags & EFL_VIP)))
        raise_exception_err(env, EXCP_GP, 0, ra);
    env->eflags = (env->eflags & ~(uint64_t)EFL_VIF) | (eflags & EFL_IF ? EFL_VIF : 0);
    seg_load_vm86(env, R_CS, selector);
    finish(env, &s, eip, eflags, mask, size);
}

/* NT is set: back to the task that the current TSS links to. */
static void iret_task(CPUX86State *env, uint64_t next_eip, uintptr_t ra)
{
    uint32_t e1, e2;
    if (cpu_lma(env))
        raise_exception_err(env, EXCP_GP, 0, ra);
    unsigned selector = sys_ld(env, env->tr.base, 2, ra);
    int err = selector & 0xfffc;
    if ((selector & 4) || !(selector & 0xfffc) || !desc_read(env, selector, &e1, &e2, ra) || (e2 & DESC_S) ||
        (desc_type(e2) & ~8) != SYS_TSS16_BUSY)
        raise_exception_err(env, EXCP_TS, err, ra);
    task_switch(env, selector, e1, e2, TASK_IRET, next_eip, false, 0, 0, ra);
}

static void iret_to_vm86(CPUX86State *env, Stack *s, uint64_t eip, unsigned cs, uint32_t eflags)
{
    static const uint8_t order[] = {R_ES, R_DS, R_FS, R_GS};
    unsigned sel[4];
    uint32_t esp = stack_pop(s, 4);
    unsigned ss = stack_pop(s, 4) & 0xffff;
    for (int i = 0; i < 4; i++)
        sel[i] = stack_pop(s, 4) & 0xffff;
    if ((eip & 0xffffffff) > 0xffff)
        raise_exception_err(env, EXCP_GP, 0, s->ra);
    cpu_load_eflags(env, eflags, IRET_FLAGS | EFL_IF | EFL_IOPL | EFL_RF | EFL_VM | EFL_AC | EFL_VIF | EFL_VIP | EFL_ID);
    env->eflags |= EFL_VM;
    seg_load_vm86(env, R_CS, cs);
    seg_load_vm86(env, R_SS, ss);
    for (int i = 0; i < 4; i++)
        seg_load_vm86(env, order[i], sel[i]);
    env->head.gpr[R_ESP] = esp;
    env->head.eip = eip & 0xffff;
}

static void iret_protected(CPUX86State *env, unsigned size, uintptr_t ra)
{
    uint32_t e1, e2, ss_e1 = 0, ss_e2 = 0;
    unsigned cpl = cpu_cpl(env), ss = 0;
    bool lma = cpu_lma(env), from64 = cpu_is_64(env);
    Stack s = stack_current(env, ra);
    uint32_t eflags = stack_peek(&s, 2, size); /* in AMD's order: which fault comes first */
    unsigned selector = stack_peek(&s, 1, size) & 0xffff, rpl = selector & 3;
    uint64_t eip = stack_peek(&s, 0, size), esp = 0;
    bool load_ss = from64 || rpl != cpl; /* 64-bit code always pops SS:RSP */

    stack_drop(&s, 3 * size);
    log_print(LOG_PCALL, "pcall: iret %04x:%016" PRIx64 " eflags=%08x s=%u from %04x, cpl %u\n", selector, eip, eflags,
              (unsigned)__builtin_ctz(size), env->segs[R_CS].selector, cpl);
    if (size == 4 && !lma && (eflags & EFL_VM) && cpl == 0) {
        iret_to_vm86(env, &s, eip, selector, eflags);
        return;
    }
    if (load_ss) {
        ss = stack_peek(&s, 1, size) & 0xffff;
        esp = stack_peek(&s, 0, size);
        stack_drop(&s, 2 * size);
    }
    read_return_cs(env, selector, cpl, &e1, &e2, ra);
    bool to64 = lma && (e2 & DESC_L);
    cs_check_target(env, e1, e2, eip, ra);
    if (load_ss) {
        if (!(ss & 0xfffc)) {
            if (!to64 || rpl == 3)
                raise_exception_err(env, EXCP_GP, 0, ra);
        } else {
            read_return_ss(env, ss, rpl, &ss_e1, &ss_e2, ra);
        }
    }

    uint32_t mask = IRET_FLAGS | EFL_RF | EFL_AC | EFL_ID;
    if (cpl <= cpu_iopl(env))
        mask |= EFL_IF;
    if (cpl == 0)
        mask |= EFL_IOPL | EFL_VIF | EFL_VIP;

    desc_set_accessed(env, selector, &e2, ra);
    if (load_ss) {
        if (!(ss & 0xfffc)) {
            env->segs[R_SS] = (SegCache){.selector = ss, .flags = rpl << DESC_DPL_SHIFT};
        } else {
            desc_set_accessed(env, ss, &ss_e2, ra);
            seg_set_desc(env, R_SS, ss, ss_e1, ss_e2);
        }
    }
    seg_load_desc(env, R_CS, selector, e1, e2);
    if (load_ss) {
        Stack outer = stack_current(env, ra);
        outer.sp = size == 2 && !from64 ? (env->head.gpr[R_ESP] & ~0xffffULL) | esp : esp;
        s = outer;
    }
    finish(env, &s, eip, eflags, mask, size);
    if (rpl > cpl)
        seg_drop_after_return(env);
}

/* The rest of an IRET in real mode, or in 8086 mode with IOPL 3: CS, eip and the stack pointer are set. */
uint64_t helper_iret_8086(CPUX86State *env, uint64_t eflags, uint32_t osize)
{
    uint32_t mask = IRET_FLAGS | EFL_IF | EFL_RF | EFL_AC | EFL_ID | (cpu_pe(env) ? 0 : EFL_IOPL);
    cpu_load_eflags(env, eflags, osize == MO_16 ? mask & 0xffff : mask);
    return (uintptr_t)cpu_lookup_code(env->cpu);
}

void helper_iret(CPUX86State *env, uint32_t osize, uint64_t next_eip)
{
    uintptr_t ra = GETPC();
    unsigned size = 1u << osize;
    env->nmi_masked = false; /* even if it faults, and in SMM (SDM vol. 3, 6.7.1 and 31.8) */
    if (cpu_vm86(env))
        iret_vm86(env, size, ra);
    else if (env->eflags & EFL_NT)
        iret_task(env, next_eip, ra);
    else
        iret_protected(env, size, ra);
}
