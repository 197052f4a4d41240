/* helper-far.c - far JMP, CALL, RET in protected mode, and SYSCALL, SYSRET, SYSENTER, SYSEXIT.
 * Spec: Intel SDM vol. 3, 5.8 (program control transfers); vol. 2 for each instruction. SYSCALL and SYSRET
 * as AMD and Intel both define them, with Intel's null-free fixed segments. */
#include "host/base/osdep.h"
#include "host/base/log.h"
#include "target-x86/helper.h"
#include "target-x86/sys.h"

static void set_eip(CPUX86State *env, uint64_t eip) { env->head.eip = eip; }

/* Rights to jump or call directly into a code segment without changing level. */
static void check_direct_code(CPUX86State *env, unsigned selector, uint32_t e2, uintptr_t ra)
{
    unsigned cpl = cpu_cpl(env), dpl = desc_dpl(e2), rpl = selector & 3;
    int err = selector & 0xfffc;
    if (e2 & DESC_C ? dpl > cpl : rpl > cpl || dpl != cpl)
        raise_exception_err(env, EXCP_GP, err, ra);
    if (!(e2 & DESC_P))
        raise_exception_err(env, EXCP_NP, err, ra);
    if (cpu_lma(env) && (e2 & DESC_L) && (e2 & DESC_B))
        raise_exception_err(env, EXCP_GP, err, ra);
}

/* What a call gate (or, in IA-32e mode, a 16-byte one) points to. */
typedef struct GateTarget {
    unsigned selector, param_count, osize; /* osize: MO_* */
    uint64_t eip;
    uint32_t e1, e2;
} GateTarget;

static GateTarget read_call_gate(CPUX86State *env, unsigned selector, uint32_t e1, uint32_t e2, uintptr_t ra)
{
    int err = selector & 0xfffc;
    unsigned dpl = desc_dpl(e2);
    bool lma = cpu_lma(env);
    if (dpl < cpu_cpl(env) || dpl < (selector & 3))
        raise_exception_err(env, EXCP_GP, err, ra);
    if (!(e2 & DESC_P))
        raise_exception_err(env, EXCP_NP, err, ra);
    GateTarget g = {.selector = e1 >> 16, .param_count = e2 & 31, .eip = (e2 & 0xffff0000u) | (e1 & 0xffff)};
    g.osize = desc_type(e2) == SYS_CALL32 ? MO_32 : MO_16;
    if (g.osize == MO_16)
        g.eip &= 0xffff;
    if (lma) {
        if ((selector | 15) > (selector & 4 ? env->ldt.limit : env->gdt.limit))
            raise_exception_err(env, EXCP_GP, err, ra);
        uint64_t hi = sys_ld(env, desc_addr(env, selector) + 8, 8, ra);
        if (hi >> 40 & 0x1f)
            raise_exception_err(env, EXCP_GP, err, ra);
        g.eip |= hi << 32;
        g.osize = MO_64;
        g.param_count = 0;
    }
    if (!(g.selector & 0xfffc))
        raise_exception_err(env, EXCP_GP, 0, ra);
    err = g.selector & 0xfffc;
    if (!desc_read(env, g.selector, &g.e1, &g.e2, ra) || !desc_is_code(g.e2) || desc_dpl(g.e2) > cpu_cpl(env))
        raise_exception_err(env, EXCP_GP, err, ra);
    if (lma && (!(g.e2 & DESC_L) || (g.e2 & DESC_B)))
        raise_exception_err(env, EXCP_GP, err, ra);
    if (!(g.e2 & DESC_P))
        raise_exception_err(env, EXCP_NP, err, ra);
    return g;
}

/* A far JMP or CALL to a TSS or a task gate. */
static void far_to_task(CPUX86State *env, unsigned selector, uint32_t e1, uint32_t e2, TaskSwitch how,
                        uint64_t next_eip, uintptr_t ra)
{
    if (cpu_lma(env) || desc_dpl(e2) < cpu_cpl(env) || desc_dpl(e2) < (selector & 3))
        raise_exception_err(env, EXCP_GP, selector & 0xfffc, ra);
    if (!(e2 & DESC_P))
        raise_exception_err(env, EXCP_NP, selector & 0xfffc, ra);
    if (desc_type(e2) == SYS_TASK_GATE)
        task_gate(env, e1, how, next_eip, false, 0, 0, ra);
    else
        task_switch(env, selector, e1, e2, how, next_eip, false, 0, 0, ra);
}

void helper_far_jmp(CPUX86State *env, uint32_t selector, uint64_t offset, uint64_t next_eip)
{
    uintptr_t ra = GETPC();
    uint32_t e1, e2;
    selector &= 0xffff;
    log_print(LOG_PCALL, "pcall: ljmp %04x:%016" PRIx64 " from %04x, next %016" PRIx64 ", cpl %u\n", selector, offset,
              env->segs[R_CS].selector, next_eip, cpu_cpl(env));
    if (!(selector & 0xfffc))
        raise_exception_err(env, EXCP_GP, 0, ra);
    if (!desc_read(env, selector, &e1, &e2, ra))
        raise_exception_err(env, EXCP_GP, selector & 0xfffc, ra);
    if (e2 & DESC_S) {
        if (!(e2 & DESC_CODE))
            raise_exception_err(env, EXCP_GP, selector & 0xfffc, ra);
        check_direct_code(env, selector, e2, ra);
        cs_check_target(env, e1, e2, offset, ra);
        cs_load(env, selector, e1, e2, cpu_cpl(env), ra);
        set_eip(env, offset);
        return;
    }
    switch (desc_type(e2)) {
    case SYS_TSS16: case SYS_TSS32: case SYS_TSS16_BUSY: case SYS_TSS32_BUSY: case SYS_TASK_GATE:
        far_to_task(env, selector, e1, e2, TASK_JMP, next_eip, ra);
        return;
    case SYS_CALL16:
        if (cpu_lma(env))
            break;
        /* fall through */
    case SYS_CALL32: {
        GateTarget g = read_call_gate(env, selector, e1, e2, ra);
        if (!(g.e2 & DESC_C) && desc_dpl(g.e2) != cpu_cpl(env))
            raise_exception_err(env, EXCP_GP, g.selector & 0xfffc, ra);
        cs_check_target(env, g.e1, g.e2, g.eip, ra);
        cs_load(env, g.selector, g.e1, g.e2, cpu_cpl(env), ra);
        set_eip(env, g.eip);
        return;
    }
    default:
        break;
    }
    raise_exception_err(env, EXCP_GP, selector & 0xfffc, ra);
}

/* The call itself, once target and checks are known, at the same level. It pushes as the code that it goes to does: into
 * 64-bit code without SS's base, limit and width, also from compatibility mode; into that with them. */
static void call_same_level(CPUX86State *env, unsigned selector, uint32_t e1, uint32_t e2, uint64_t eip, unsigned osize,
                            uint64_t next_eip, uintptr_t ra)
{
    bool to64 = cpu_lma(env) && (e2 & DESC_L);
    Stack s = to64 ? stack_long(env, env->head.gpr[R_ESP], cpu_cpl(env), ra) : stack_current(env, ra);
    const SegCache *ss = &env->segs[R_SS];
    if (!to64 && cpu_is_64(env) && (ss->selector & 0xfffc)) {
        s.base = ss->base;
        s.mask = stack_mask_of(ss->flags);
        s.flags = ss->flags | DESC_P;
    }
    stack_push(&s, 1u << osize, env->segs[R_CS].selector); /* its faults, and what it leaves behind: before the target's */
    stack_push(&s, 1u << osize, next_eip);
    cs_check_target(env, e1, e2, eip, ra);
    cs_load(env, selector, e1, e2, cpu_cpl(env), ra);
    stack_commit(&s);
    set_eip(env, eip);
}

/* Through a gate into an inner level: new stack from the TSS, old SS:ESP and parameters pushed there. */
static void call_inner_level(CPUX86State *env, const GateTarget *g, uint64_t next_eip, uintptr_t ra)
{
    unsigned dpl = desc_dpl(g->e2), size = 1u << g->osize, ss = 0;
    uint32_t ss_e1 = 0, ss_e2 = 0;
    uint64_t esp, params[31];
    Stack s, old = stack_current(env, ra);

    if (g->osize == MO_64) {
        esp = tss64_rsp(env, dpl, ra);
        ss = dpl;
        s = stack_long(env, esp, dpl, ra);
    } else {
        tss_inner_stack(env, dpl, &ss, &esp, &ss_e1, &ss_e2, 0, ra);
        s = stack_from_desc(env, ss_e1, ss_e2, esp, dpl, ss & 0xfffc, ra);
    }
    uint64_t old_esp = old.sp;
    for (unsigned i = 0; i < g->param_count; i++)
        params[i] = stack_pop(&old, size);
    stack_push(&s, size, env->segs[R_SS].selector);
    stack_push(&s, size, old_esp);
    for (unsigned i = g->param_count; i-- > 0;)
        stack_push(&s, size, params[i]);
    stack_push(&s, size, env->segs[R_CS].selector);
    stack_push(&s, size, next_eip);
    cs_check_target(env, g->e1, g->e2, g->eip, ra);

    uint32_t cs_e2 = g->e2;
    desc_set_accessed(env, g->selector, &cs_e2, ra);
    if (g->osize == MO_64) {
        env->segs[R_SS] = (SegCache){.selector = ss, .flags = dpl << DESC_DPL_SHIFT};
    } else {
        desc_set_accessed(env, ss, &ss_e2, ra);
        seg_load_desc(env, R_SS, ss, ss_e1, ss_e2);
    }
    seg_load_desc(env, R_CS, (g->selector & 0xfffc) | dpl, g->e1, cs_e2);
    stack_commit(&s);
    set_eip(env, g->eip);
}

void helper_far_call(CPUX86State *env, uint32_t selector, uint64_t offset, uint32_t osize, uint64_t next_eip)
{
    uintptr_t ra = GETPC();
    uint32_t e1, e2;
    selector &= 0xffff;
    log_print(LOG_PCALL, "pcall: lcall %04x:%016" PRIx64 " s=%u return to %04x:%016" PRIx64 ", cpl %u\n", selector, offset, osize,
              env->segs[R_CS].selector, next_eip, cpu_cpl(env));
    if (!(selector & 0xfffc))
        raise_exception_err(env, EXCP_GP, 0, ra);
    if (!desc_read(env, selector, &e1, &e2, ra))
        raise_exception_err(env, EXCP_GP, selector & 0xfffc, ra);
    if (e2 & DESC_S) {
        if (!(e2 & DESC_CODE))
            raise_exception_err(env, EXCP_GP, selector & 0xfffc, ra);
        check_direct_code(env, selector, e2, ra);
        call_same_level(env, selector, e1, e2, offset, osize, next_eip, ra);
        return;
    }
    switch (desc_type(e2)) {
    case SYS_TSS16: case SYS_TSS32: case SYS_TSS16_BUSY: case SYS_TSS32_BUSY: case SYS_TASK_GATE:
        far_to_task(env, selector, e1, e2, TASK_CALL, next_eip, ra);
        return;
    case SYS_CALL16:
        if (cpu_lma(env))
            break;
        /* fall through */
    case SYS_CALL32: {
        GateTarget g = read_call_gate(env, selector, e1, e2, ra);
        if (!(g.e2 & DESC_C) && desc_dpl(g.e2) < cpu_cpl(env))
            call_inner_level(env, &g, next_eip, ra);
        else
            call_same_level(env, g.selector, g.e1, g.e2, g.eip, g.osize, next_eip, ra);
        return;
    }
    default:
        break;
    }
    raise_exception_err(env, EXCP_GP, selector & 0xfffc, ra);
}

void read_return_cs(CPUX86State *env, unsigned selector, unsigned cpl, uint32_t *e1, uint32_t *e2, uintptr_t ra)
{
    unsigned rpl = selector & 3;
    int err = selector & 0xfffc;

    if (!err)
        raise_exception_err(env, EXCP_GP, 0, ra);
    if (!desc_read(env, selector, e1, e2, ra) || !desc_is_code(*e2) || rpl < cpl ||
        (*e2 & DESC_C ? desc_dpl(*e2) > rpl : desc_dpl(*e2) != rpl))
        raise_exception_err(env, EXCP_GP, err, ra);
    if (!(*e2 & DESC_P))
        raise_exception_err(env, EXCP_NP, err, ra);
    if (cpu_lma(env) && (*e2 & DESC_L) && (*e2 & DESC_B))
        raise_exception_err(env, EXCP_GP, err, ra);
}

void read_return_ss(CPUX86State *env, unsigned ss, unsigned rpl, uint32_t *e1, uint32_t *e2, uintptr_t ra)
{
    if ((ss & 3) != rpl || !desc_read(env, ss, e1, e2, ra) || !desc_is_writable_data(*e2) || desc_dpl(*e2) != rpl)
        raise_exception_err(env, EXCP_GP, ss & 0xfffc, ra);
    if (!(*e2 & DESC_P))
        raise_exception_err(env, EXCP_SS, ss & 0xfffc, ra);
}

void helper_far_ret(CPUX86State *env, uint32_t osize, uint32_t add)
{
    uintptr_t ra = GETPC();
    unsigned size = 1u << osize, cpl = cpu_cpl(env);
    uint32_t e1, e2, ss_e1 = 0, ss_e2 = 0;
    Stack s = stack_current(env, ra);
    unsigned selector = stack_peek(&s, 1, size) & 0xffff, rpl = selector & 3, ss = 0;
    uint64_t eip = stack_peek(&s, 0, size), new_esp = 0;

    stack_drop(&s, 2 * size);
    log_print(LOG_PCALL, "pcall: lret %04x:%016" PRIx64 " s=%u from %04x, cpl %u\n", selector, eip, osize,
              env->segs[R_CS].selector, cpl);
    if (rpl != cpl) { /* the outer stack's pointer, read before anything is checked, as AMD does */
        Stack t = s;
        stack_drop(&t, add);
        ss = stack_peek(&t, 1, size) & 0xffff;
        new_esp = stack_peek(&t, 0, size);
    }
    read_return_cs(env, selector, cpl, &e1, &e2, ra);
    if (rpl == cpl) { /* the stack pointer is counted with the width of the code returned to */
        s.mask = cpu_lma(env) && (e2 & DESC_L) ? ~0ULL : stack_mask_of(env->segs[R_SS].flags);
        s.sp = env->head.gpr[R_ESP];
        stack_drop(&s, 2 * size + add);
        cs_check_target(env, e1, e2, eip, ra);
        cs_load(env, selector, e1, e2, cpl, ra);
        stack_commit(&s);
        set_eip(env, eip);
        return;
    }

    /* to an outer level */
    bool null_ss = !(ss & 0xfffc);
    if (null_ss) {
        if (!cpu_lma(env) || !(e2 & DESC_L) || rpl == 3)
            raise_exception_err(env, EXCP_GP, 0, ra);
    } else {
        read_return_ss(env, ss, rpl, &ss_e1, &ss_e2, ra);
    }
    cs_check_target(env, e1, e2, eip, ra);
    desc_set_accessed(env, selector, &e2, ra);
    if (null_ss) {
        env->segs[R_SS] = (SegCache){.selector = ss, .flags = rpl << DESC_DPL_SHIFT};
    } else {
        desc_set_accessed(env, ss, &ss_e2, ra);
        seg_load_desc(env, R_SS, ss, ss_e1, ss_e2);
    }
    seg_load_desc(env, R_CS, selector, e1, e2);
    Stack outer = stack_current(env, ra);
    outer.sp = size == 2 ? (env->head.gpr[R_ESP] & ~0xffffULL) | new_esp : new_esp;
    outer.sp = (outer.sp & ~outer.mask) | ((outer.sp + add) & outer.mask);
    stack_commit(&outer);
    seg_drop_after_return(env);
    set_eip(env, eip);
}

/* --- fast system calls --- */

/* SYSCALL and SYSRET look at TF when they are done: no trap where FMASK clears it, and after SYSRET to a program that
 * is being stepped one as if SYSCALL had just ended. */
static void trap_if_tf(CPUX86State *env)
{
    if (env->eflags & EFL_TF)
        debug_raise(env, DR6_BS, 0);
}

/* The 64-bit forms of SYSCALL and SYSRET: both segments, and the hidden flags once. */
static void load_flat_pair(CPUX86State *env, unsigned cs, unsigned ss, uint32_t cs_flags, uint32_t dpl)
{
    const uint32_t common = 0xf0000 | DESC_G | DESC_P | DESC_S | DESC_W | DESC_A;

    env->segs[R_SS] = (SegCache){.selector = ss & 0xffff, .limit = 0xffffffffu, .flags = common | DESC_B | dpl};
    env->segs[R_CS] = (SegCache){.selector = cs & 0xffff, .limit = 0xffffffffu, .flags = common | DESC_CODE | cs_flags | dpl};
    cpu_update_hflags(env);
}

uint64_t helper_syscall(CPUX86State *env, uint64_t next_eip)
{
    if (!(env->efer & EFER_SCE))
        raise_exception(env, EXCP_UD, GETPC());
    unsigned selector = env->star >> 32 & 0xfffc;
    bool code64 = cpu_is_64(env);
    if (cpu_lma(env)) {
        uint32_t eflags = cpu_compute_eflags(env) & ~(uint32_t)EFL_RF;
        env->head.gpr[R_ECX] = next_eip;
        env->head.gpr[11] = eflags;
        cpu_load_eflags(env, eflags & ~(uint32_t)env->fmask,
                        CC_MASK | EFL_TF | EFL_IF | EFL_DF | EFL_IOPL | EFL_NT | EFL_RF | EFL_AC | EFL_VIF | EFL_VIP | EFL_ID);
        load_flat_pair(env, selector, selector + 8, DESC_L, 0);
        set_eip(env, code64 ? env->lstar : env->cstar);
    } else {
        env->head.gpr[R_ECX] = (uint32_t)next_eip;
        cpu_load_eflags(env, 0, EFL_IF | EFL_RF | EFL_VM);
        seg_load_flat(env, R_SS, selector + 8, DESC_B);
        seg_load_flat(env, R_CS, selector, DESC_CODE | DESC_B);
        set_eip(env, (uint32_t)env->star);
    }
    trap_if_tf(env);
    return (uintptr_t)cpu_lookup_code(env->cpu);
}

uint64_t helper_sysret(CPUX86State *env, uint32_t osize)
{
    uintptr_t ra = GETPC();
    if (!(env->efer & EFER_SCE))
        raise_exception(env, EXCP_UD, ra);
    if (cpu_cpl(env) != 0 || !cpu_pe(env))
        raise_exception_err(env, EXCP_GP, 0, ra);
    unsigned selector = env->star >> 48 & 0xffff;
    if (cpu_lma(env)) {
        bool to64 = osize == MO_64;
        uint64_t rip = to64 ? env->head.gpr[R_ECX] : (uint32_t)env->head.gpr[R_ECX];
        /* AMD's CPUs look at the address when they are in ring 3 already, as at any fetch. */
        if (!is_canonical(env, rip) && strcmp(env->cpuid.vendor, "AuthenticAMD"))
            raise_exception_err(env, EXCP_GP, 0, ra);
        cpu_load_eflags(env, env->head.gpr[11],
                        CC_MASK | EFL_TF | EFL_IF | EFL_DF | EFL_IOPL | EFL_NT | EFL_AC | EFL_VIF | EFL_VIP | EFL_ID | EFL_RF);
        load_flat_pair(env, (to64 ? selector + 16 : selector) | 3, (selector + 8) | 3, to64 ? DESC_L : DESC_B, DESC_DPL);
        set_eip(env, rip);
    } else {
        env->eflags |= EFL_IF;
        seg_load_flat(env, R_SS, (selector + 8) | 3, DESC_B | DESC_DPL);
        seg_load_flat(env, R_CS, selector | 3, DESC_CODE | DESC_DPL | DESC_B);
        set_eip(env, (uint32_t)env->head.gpr[R_ECX]);
    }
    trap_if_tf(env);
    return (uintptr_t)cpu_lookup_code(env->cpu);
}

void helper_sysenter(CPUX86State *env)
{
    uintptr_t ra = GETPC();
    if (!cpu_pe(env) || !(env->sysenter_cs & 0xfffc))
        raise_exception_err(env, EXCP_GP, 0, ra);
    unsigned selector = env->sysenter_cs & 0xfffc;
    bool lma = cpu_lma(env);
    cpu_load_eflags(env, 0, EFL_VM | EFL_IF | EFL_RF);
    seg_load_flat(env, R_SS, selector + 8, DESC_B);
    seg_load_flat(env, R_CS, selector, DESC_CODE | (lma ? DESC_L : DESC_B));
    env->head.gpr[R_ESP] = lma ? env->sysenter_esp : (uint32_t)env->sysenter_esp;
    set_eip(env, lma ? env->sysenter_eip : (uint32_t)env->sysenter_eip);
}

void helper_sysexit(CPUX86State *env, uint32_t osize)
{
    uintptr_t ra = GETPC();
    if (!cpu_pe(env) || cpu_cpl(env) != 0 || !(env->sysenter_cs & 0xfffc))
        raise_exception_err(env, EXCP_GP, 0, ra);
    bool to64 = osize == MO_64;
    uint64_t rip = env->head.gpr[R_EDX], rsp = env->head.gpr[R_ECX];
    if (to64 && (!is_canonical(env, rip) || !is_canonical(env, rsp)))
        raise_exception_err(env, EXCP_GP, 0, ra);
    unsigned selector = (env->sysenter_cs & 0xfffc) + (to64 ? 32 : 16);
    seg_load_flat(env, R_SS, (selector + 8) | 3, DESC_B | DESC_DPL);
    seg_load_flat(env, R_CS, selector | 3, DESC_CODE | DESC_DPL | (to64 ? DESC_L : DESC_B));
    env->head.gpr[R_ESP] = to64 ? rsp : (uint32_t)rsp;
    set_eip(env, to64 ? rip : (uint32_t)rip);
}
