/* task.c - hardware task switches between 16-bit and 32-bit TSSs.
 * Spec: Intel SDM vol. 3, chapter 8 (task management); the checks are those of table 8-1 and of the
 * list in 8.3. Errors found before the switch leave the old task; later ones belong to the new task. */
#include "host/base/osdep.h"
#include "host/base/log.h"
#include "target-x86/sys.h"

/* Offsets in a 32-bit TSS; the 16-bit one has half-sized fields in nearly the same order. */
enum { TSS32_CR3 = 0x1c, TSS32_EIP = 0x20, TSS32_EFLAGS = 0x24, TSS32_GPR = 0x28, TSS32_SEG = 0x48, TSS32_LDT = 0x60, TSS32_T = 0x64 };
enum { TSS16_IP = 0x0e, TSS16_FLAGS = 0x10, TSS16_GPR = 0x12, TSS16_SEG = 0x22, TSS16_LDT = 0x2a };

typedef struct TaskImage {
    uint32_t gpr[8], eip, eflags, cr3;
    uint16_t seg[6], ldt;
    bool t;
} TaskImage;

static bool is_tss32(uint32_t flags) { return desc_type(flags) & 8; }

static TaskImage read_image(CPUX86State *env, uint64_t base, bool tss32, uintptr_t ra)
{
    TaskImage t = {0};
    if (tss32) {
        t.cr3 = sys_ld(env, base + TSS32_CR3, 4, ra);
        t.eip = sys_ld(env, base + TSS32_EIP, 4, ra);
        t.eflags = sys_ld(env, base + TSS32_EFLAGS, 4, ra);
        for (int i = 0; i < 8; i++)
            t.gpr[i] = sys_ld(env, base + TSS32_GPR + i * 4, 4, ra);
        for (int i = 0; i < 6; i++)
            t.seg[i] = sys_ld(env, base + TSS32_SEG + i * 4, 2, ra);
        t.ldt = sys_ld(env, base + TSS32_LDT, 2, ra);
        t.t = sys_ld(env, base + TSS32_T, 1, ra) & 1;
    } else {
        t.eip = sys_ld(env, base + TSS16_IP, 2, ra);
        t.eflags = sys_ld(env, base + TSS16_FLAGS, 2, ra);
        for (int i = 0; i < 8; i++)
            t.gpr[i] = sys_ld(env, base + TSS16_GPR + i * 2, 2, ra) | 0xffff0000u;
        for (int i = 0; i < 4; i++)
            t.seg[i] = sys_ld(env, base + TSS16_SEG + i * 2, 2, ra);
        t.ldt = sys_ld(env, base + TSS16_LDT, 2, ra);
    }
    return t;
}

/* The fields that a switch writes back: not CR3, LDT, the inner stacks. */
static void write_image(CPUX86State *env, uint64_t eip, uint32_t eflags, uintptr_t ra)
{
    uint64_t base = env->tr.base;
    if (is_tss32(env->tr.flags)) {
        sys_st(env, base + TSS32_EIP, 4, eip, ra);
        sys_st(env, base + TSS32_EFLAGS, 4, eflags, ra);
        for (int i = 0; i < 8; i++)
            sys_st(env, base + TSS32_GPR + i * 4, 4, env->head.gpr[i], ra);
        for (int i = 0; i < 6; i++)
            sys_st(env, base + TSS32_SEG + i * 4, 2, env->segs[i].selector, ra);
    } else {
        sys_st(env, base + TSS16_IP, 2, eip, ra);
        sys_st(env, base + TSS16_FLAGS, 2, eflags, ra);
        for (int i = 0; i < 8; i++)
            sys_st(env, base + TSS16_GPR + i * 2, 2, env->head.gpr[i], ra);
        for (int i = 0; i < 4; i++)
            sys_st(env, base + TSS16_SEG + i * 2, 2, env->segs[i].selector, ra);
    }
}

static void set_busy(CPUX86State *env, unsigned selector, bool busy, uintptr_t ra)
{
    uint64_t addr = desc_addr(env, selector & 0xfff8) + 5;
    uint8_t b = sys_ld(env, addr, 1, ra);
    sys_st(env, addr, 1, busy ? b | 2 : b & ~2, ra);
}

static void load_new_ldt(CPUX86State *env, unsigned selector, int ext)
{
    uint32_t e1, e2;
    int err = (selector & 0xfffc) | ext;
    env->ldt = (SegCache){.selector = selector};
    if (!(selector & 0xfffc))
        return;
    if ((selector & 4) || !desc_read(env, selector, &e1, &e2, 0) || (e2 & DESC_S) || desc_type(e2) != SYS_LDT || !(e2 & DESC_P))
        raise_exception_err(env, EXCP_TS, err, 0);
    env->ldt = (SegCache){.selector = selector, .base = desc_base(e1, e2), .limit = desc_limit(e1, e2), .flags = desc_flags(e2)};
}

/* A segment of the new task; its CPL is that of the new CS. */
static void load_new_seg(CPUX86State *env, int seg, unsigned selector, unsigned cpl, int ext)
{
    uint32_t e1, e2;
    unsigned rpl = selector & 3;
    int err = (selector & 0xfffc) | ext;
    if (!(selector & 0xfffc)) {
        if (seg == R_SS || seg == R_CS)
            raise_exception_err(env, EXCP_TS, err, 0);
        return; /* loaded as null already */
    }
    if (!desc_read(env, selector, &e1, &e2, 0) || !(e2 & DESC_S))
        raise_exception_err(env, EXCP_TS, err, 0);
    unsigned dpl = desc_dpl(e2);
    bool ok;
    if (seg == R_CS)
        ok = desc_is_code(e2) && (e2 & DESC_C ? dpl <= rpl : dpl == rpl);
    else if (seg == R_SS)
        ok = desc_is_writable_data(e2) && dpl == cpl && rpl == cpl;
    else
        ok = (e2 & (DESC_CODE | DESC_R)) != DESC_CODE &&
             ((e2 & (DESC_CODE | DESC_C)) == (DESC_CODE | DESC_C) || (dpl >= cpl && dpl >= rpl));
    if (!ok)
        raise_exception_err(env, EXCP_TS, err, 0);
    if (!(e2 & DESC_P))
        raise_exception_err(env, seg == R_SS ? EXCP_SS : EXCP_NP, err, 0);
    desc_set_accessed(env, selector, &e2, 0);
    seg_load_desc(env, seg, selector, e1, e2);
}

/* Second half: the machine runs in the new task; its segments are loaded with checks. */
static void load_segments(CPUX86State *env, const TaskImage *t, int ext)
{
    static const uint8_t order[] = {R_SS, R_ES, R_DS, R_FS, R_GS};
    if (t->eflags & EFL_VM) {
        for (int i = 0; i < 6; i++)
            seg_load_vm86(env, i, t->seg[i]);
        load_new_ldt(env, t->ldt, ext);
        return;
    }
    unsigned cpl = t->seg[R_CS] & 3;
    for (int i = 0; i < 6; i++)
        env->segs[i] = (SegCache){.selector = t->seg[i]};
    env->segs[R_SS].flags = cpl << DESC_DPL_SHIFT; /* the CPL */
    cpu_update_hflags(env);
    load_new_ldt(env, t->ldt, ext);
    load_new_seg(env, R_CS, t->seg[R_CS], cpl, ext);
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        load_new_seg(env, order[i], t->seg[order[i]], cpl, ext);
}

void task_switch(CPUX86State *env, unsigned selector, uint32_t e1, uint32_t e2, TaskSwitch how, uint64_t next_eip,
                 bool has_error, int error_code, int ext, uintptr_t ra)
{
    int err = (selector & 0xfffc) | ext;
    bool tss32 = is_tss32(e2), busy = desc_type(e2) & 2;
    uint32_t base = desc_base(e1, e2), limit = desc_limit(e1, e2);

    log_print(LOG_PCALL, "pcall: task %04x to %04x, %s\n", env->tr.selector, selector,
              how == TASK_JMP ? "jump" : how == TASK_CALL ? "call" : "iret");
    if (busy != (how == TASK_IRET))
        raise_exception_err(env, how == TASK_IRET ? EXCP_TS : EXCP_GP, err, ra);
    if (!(e2 & DESC_P))
        raise_exception_err(env, EXCP_NP, err, ra);
    if (limit < (tss32 ? 0x67u : 0x2bu))
        raise_exception_err(env, EXCP_TS, err, ra);
    if (!(env->tr.flags & DESC_P) || env->tr.limit < (is_tss32(env->tr.flags) ? 0x67u : 0x2bu))
        raise_exception_err(env, EXCP_TS, (env->tr.selector & 0xfffc) | ext, ra);

    /* Everything that can fault in the old task happens before the first change. */
    TaskImage t = read_image(env, base, tss32, ra);
    sys_probe_write(env, env->tr.base, env->tr.limit >= 0x67 ? 0x68 : 0x2c, ra);
    if (how == TASK_CALL)
        sys_probe_write(env, base, 2, ra);
    sys_probe_write(env, desc_addr(env, selector & 0xfff8) + 5, 1, ra);
    sys_probe_write(env, desc_addr(env, env->tr.selector & 0xfff8) + 5, 1, ra);
    if (ra)
        cpu_restore_state(env->cpu, ra);

    uint32_t eflags = cpu_compute_eflags(env);
    unsigned old_selector = env->tr.selector;
    if (how != TASK_CALL)
        set_busy(env, old_selector, false, 0);
    if (how == TASK_IRET)
        eflags &= ~EFL_NT;
    write_image(env, next_eip, eflags, 0);
    if (how == TASK_CALL) {
        sys_st(env, base, 2, old_selector, 0);
        t.eflags |= EFL_NT;
    }
    if (how != TASK_IRET)
        set_busy(env, selector, true, 0);

    /* from here on: the new task */
    env->tr = (SegCache){.selector = selector, .base = base, .limit = limit, .flags = desc_flags(e2 | 2 << DESC_TYPE_SHIFT)};
    env->cr[0] |= CR0_TS;
    if (tss32 && (env->cr[0] & CR0_PG))
        cpu_set_cr3(env, t.cr3);
    for (int i = 0; i < 8; i++)
        env->head.gpr[i] = t.gpr[i];
    env->head.eip = t.eip;
    uint32_t mask = CC_MASK | EFL_TF | EFL_IF | EFL_DF | EFL_IOPL | EFL_NT;
    if (tss32)
        mask |= EFL_RF | EFL_VM | EFL_AC | EFL_VIF | EFL_VIP | EFL_ID;
    else
        t.eflags &= ~(uint32_t)EFL_VM;
    cpu_load_eflags(env, t.eflags, mask);
    if (!tss32)
        env->eflags &= ~(uint64_t)EFL_VM;
    uint64_t old_dr7 = env->dr[7];
    env->dr[7] &= ~0x155ULL; /* local breakpoints end with the task */
    debug_update_watch(env, old_dr7);
    cpu_update_hflags(env);
    load_segments(env, &t, ext);

    if (has_error) {
        Stack s = stack_current(env, 0);
        stack_push(&s, tss32 ? 4 : 2, (uint32_t)error_code);
        stack_commit(&s);
    }
    if (env->head.eip > env->segs[R_CS].limit)
        raise_exception_err(env, EXCP_GP, ext, 0);
    if (t.t) {
        debug_raise(env, DR6_BT, 0);
    }
}

void task_gate(CPUX86State *env, uint32_t e1, TaskSwitch how, uint64_t next_eip, bool has_error, int error_code, int ext,
               uintptr_t ra)
{
    unsigned selector = e1 >> 16;
    int err = (selector & 0xfffc) | ext;
    uint32_t t1, t2;
    if ((selector & 4) || !(selector & 0xfffc) || !desc_read(env, selector, &t1, &t2, ra) || (t2 & DESC_S) ||
        (desc_type(t2) & ~(8 | 2)) != SYS_TSS16)
        raise_exception_err(env, EXCP_GP, err, ra);
    if (!(t2 & DESC_P))
        raise_exception_err(env, EXCP_NP, err, ra);
    task_switch(env, selector, t1, t2, how, next_eip, has_error, error_code, ext, ra);
}
