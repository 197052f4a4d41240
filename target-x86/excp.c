/* excp.c - raising exceptions, the double and triple fault, delivery of interrupts and exceptions through
 * the IVT, 16/32-bit and 64-bit gates, and what the CPU answers to interrupt requests.
 * Spec: Intel SDM vol. 3, chapters 6 and 20.3 (8086 mode, interrupt redirection).
 * Not modelled: the error code of #PF during delivery has no EXT bit; machine checks are never raised. */
#include "host/base/osdep.h"
#include "softmmu/bql.h"
#include "softmmu/runstate.h"
#include "target-x86/helper.h"
#include "target-x86/sys.h"

/* --- logging, in the shape that readers of QEMU's -d int know --- */

void excp_log_state(CPUX86State *env, int mask, const char *title)
{
    g_autoptr(GString) out = g_string_new(title);
    if (!log_enabled(mask))
        return;
    x86_dump_state(env->cpu, out, false);
    log_write("%s", out->str);
}

static void log_delivery(CPUX86State *env, int vector, bool is_int, int error_code, uint64_t next_eip)
{
    static unsigned count;
    uint64_t eip = env->head.eip;
    g_autoptr(GString) out = g_string_new(NULL);
    g_string_printf(out, "%6u: v=%02x e=%04x i=%d cpl=%u IP=%04x:%016" PRIx64 " pc=%016" PRIx64 " SP=%04x:%016" PRIx64, count++,
                    vector, error_code, is_int, cpu_cpl(env), env->segs[R_CS].selector, eip, env->segs[R_CS].base + eip,
                    env->segs[R_SS].selector, env->head.gpr[R_ESP]);
    if (vector == EXCP_PF)
        g_string_append_printf(out, " CR2=%016" PRIx64, env->cr[2]);
    else
        g_string_append_printf(out, " env->regs[R_EAX]=%016" PRIx64, env->head.gpr[R_EAX]);
    g_string_append_c(out, '\n');
    x86_dump_state(env->cpu, out, false);
    log_write("%s", out->str);
}

/* --- raising --- */

static bool is_contributory(int v) { return v == EXCP_DE || (v >= EXCP_TS && v <= EXCP_GP); }

static void G_GNUC_NORETURN triple_fault(CPUX86State *env)
{
    log_print(LOG_RESET, "Triple fault\n");
    env->shutdown = true;
    env->old_exception = -1;
    env->cpu->halted = true;
    env->cpu->exception_index = EXCP_HLT;
    system_reset_request(CAUSE_GUEST_RESET);
    cpu_loop_exit(env->cpu);
}

/* The vector that a fault during the delivery of old_exception becomes (SDM table 6-5). */
static int combine(CPUX86State *env, int vector, int *error_code)
{
    int old = env->old_exception;
    log_print(LOG_INT, "check_exception old: 0x%x new 0x%x\n", old, vector);
    if (old == EXCP_DF)
        triple_fault(env);
    if ((is_contributory(old) && is_contributory(vector)) || (old == EXCP_PF && (is_contributory(vector) || vector == EXCP_PF))) {
        vector = EXCP_DF;
        *error_code = 0;
    }
    if (is_contributory(vector) || vector == EXCP_PF || vector == EXCP_DF)
        env->old_exception = vector;
    return vector;
}

void raise_exception_err(CPUX86State *env, int vector, int error_code, uintptr_t ra)
{
    CPUState *cpu = env->cpu;
    if (ra)
        cpu_restore_state(cpu, ra);
    cpu->exception_index = combine(env, vector, &error_code);
    env->error_code = error_code;
    env->exception_is_int = false;
    env->exception_next_eip = env->head.eip;
    cpu_loop_exit(cpu);
}

void raise_exception(CPUX86State *env, int vector, uintptr_t ra) { raise_exception_err(env, vector, 0, ra); }

/* Bit `vector` of the redirection map below the I/O map: clear means the 8086 program's own handler. */
bool vme_redirects(CPUX86State *env, int vector, uintptr_t ra)
{
    if (!(env->cr[4] & CR4_VME) || !(env->tr.flags & DESC_P) || !(desc_type(env->tr.flags) & 8) || env->tr.limit < 0x67)
        return false;
    uint32_t io = sys_ld(env, env->tr.base + 0x66, 2, ra);
    uint32_t off = io - 32 + vector / 8;
    if (io < 32 || off > env->tr.limit)
        return false;
    return !(sys_ld(env, env->tr.base + off, 1, ra) >> (vector & 7) & 1);
}

/* INT n needs IOPL 3 in 8086 mode unless VME hands it to the program; INT3 and INTO do not. */
static void check_interrupt_rights(CPUX86State *env, int vector, uintptr_t ra)
{
    if (cpu_vm86(env) && vector != EXCP_BP && vector != EXCP_OF && cpu_iopl(env) < 3 && !vme_redirects(env, vector, ra))
        raise_exception_err(env, EXCP_GP, 0, ra);
}

void raise_interrupt(CPUX86State *env, int vector, uint64_t next_eip, uintptr_t ra)
{
    CPUState *cpu = env->cpu;
    check_interrupt_rights(env, vector, ra);
    if (ra)
        cpu_restore_state(cpu, ra);
    cpu->exception_index = vector;
    env->error_code = 0;
    env->exception_is_int = true;
    env->exception_next_eip = next_eip;
    cpu_loop_exit(cpu);
}

void helper_raise_exception(CPUX86State *env, uint32_t vector) { raise_exception(env, vector, GETPC()); }
void helper_raise_exception_err(CPUX86State *env, uint32_t vector, uint32_t err) { raise_exception_err(env, vector, err, GETPC()); }
void helper_raise_interrupt(CPUX86State *env, uint32_t vector, uint64_t next_eip)
{
    raise_interrupt(env, vector, next_eip, GETPC());
}

uint64_t helper_interrupt(CPUX86State *env, uint32_t vector, uint64_t next_eip)
{
    CPUState *cpu = env->cpu;
    check_interrupt_rights(env, (int)vector, GETPC());
    cpu->exception_index = (int)vector;
    env->error_code = 0;
    env->exception_is_int = true;
    env->exception_next_eip = next_eip;
    cpu->ops->do_interrupt(cpu);
    cpu->exception_index = EXCP_NONE;
    return (uintptr_t)cpu_lookup_code(cpu);
}
/* CS.limit is below the TB's last byte; first_last is the last byte of its first instruction. */
void helper_cs_limit(CPUX86State *env, uint32_t first_last)
{
    CPUState *cpu = env->cpu;
    if (first_last > env->segs[R_CS].limit)
        raise_exception_err(env, EXCP_GP, 0, GETPC());
    cpu_restore_state(cpu, GETPC());
    cpu->cflags_next = 1 | CF_NOCACHE | CF_NOCHAIN; /* one instruction at a time up to the limit */
    cpu_loop_exit(cpu);
}
void helper_raise_icebp(CPUX86State *env, uint64_t next_eip)
{
    /* A trap like INT 1, but the gate's DPL is not looked at: as an exception whose eip is already the next one. */
    cpu_restore_state(env->cpu, GETPC());
    env->head.eip = next_eip;
    debug_note(env, 0);
    raise_exception(env, EXCP_DB, 0);
}

/* --- delivery --- */

static bool has_error_code(int vector)
{
    return vector == EXCP_DF || (vector >= EXCP_TS && vector <= EXCP_PF) || vector == EXCP_AC;
}

/* One event on its way to its handler. */
typedef struct Event {
    int vector, error_code, ext; /* ext: EXT bit for error codes of faults on the way */
    bool is_int, is_hw, push_error;
    uint64_t eip;     /* pushed */
    uint32_t eflags;  /* pushed */
} Event;

/* Gate types whose handler starts with interrupts off. */
static void enter_handler_flags(CPUX86State *env, bool interrupt_gate)
{
    uint32_t off = EFL_TF | EFL_VM | EFL_RF | EFL_NT | (interrupt_gate ? EFL_IF : 0);
    env->eflags &= ~(uint64_t)off;
    cpu_update_hflags(env);
}

static void deliver_real(CPUX86State *env, const Event *ev)
{
    uint32_t ptr = ev->vector * 4;
    if (ptr + 3 > env->idt.limit)
        raise_exception_err(env, EXCP_GP, ev->vector * 8 + 2, 0);
    uint32_t target = sys_ld(env, env->idt.base + ptr, 4, 0);
    Stack s = stack_current(env, 0);
    stack_push(&s, 2, ev->eflags);
    stack_push(&s, 2, env->segs[R_CS].selector);
    stack_push(&s, 2, ev->eip);
    stack_commit(&s);
    env->head.eip = target & 0xffff;
    env->segs[R_CS].selector = target >> 16;
    env->segs[R_CS].base = target >> 16 << 4;
    env->eflags &= ~(uint64_t)(EFL_IF | EFL_TF | EFL_AC | EFL_RF);
    cpu_update_hflags(env);
}

/* INT n that VME keeps inside the 8086 program: through the table at linear 0, virtual IF below IOPL 3. */
static void deliver_vme(CPUX86State *env, const Event *ev)
{
    uint32_t target = cpu_ld(env->cpu, ev->vector * 4, 4, MMU_USER, 0), flags = ev->eflags;
    bool virtual_if = cpu_iopl(env) < 3;
    if (virtual_if) {
        flags |= EFL_IOPL;
        flags = flags & EFL_VIF ? flags | EFL_IF : flags & ~EFL_IF;
    }
    Stack s = stack_current(env, 0);
    stack_push(&s, 2, flags);
    stack_push(&s, 2, env->segs[R_CS].selector);
    stack_push(&s, 2, ev->eip);
    stack_commit(&s);
    seg_load_vm86(env, R_CS, target >> 16);
    env->head.eip = target & 0xffff;
    env->eflags &= ~(uint64_t)(EFL_TF | EFL_NT | EFL_RF | (virtual_if ? EFL_VIF : EFL_IF));
    cpu_update_hflags(env);
}

static void deliver_protected(CPUX86State *env, const Event *ev)
{
    uint32_t ptr = ev->vector * 8, e1, e2, ss_e1 = 0, ss_e2 = 0;
    int gate_err = ev->vector * 8 + 2 + ev->ext;
    if (ptr + 7 > env->idt.limit)
        raise_exception_err(env, EXCP_GP, gate_err, 0);
    uint64_t gate = sys_ld(env, env->idt.base + ptr, 8, 0);
    uint32_t g1 = (uint32_t)gate, g2 = gate >> 32;
    unsigned type = desc_type(g2);
    if ((g2 & DESC_S) || !(type == SYS_TASK_GATE || type == SYS_INT16 || type == SYS_TRAP16 || type == SYS_INT32 || type == SYS_TRAP32))
        raise_exception_err(env, EXCP_GP, gate_err, 0);
    if (ev->is_int && desc_dpl(g2) < cpu_cpl(env))
        raise_exception_err(env, EXCP_GP, ev->vector * 8 + 2, 0);
    if (!(g2 & DESC_P))
        raise_exception_err(env, EXCP_NP, gate_err, 0);
    if (type == SYS_TASK_GATE) {
        task_gate(env, g1, TASK_CALL, ev->eip, ev->push_error, ev->error_code, ev->ext, 0);
        return;
    }

    unsigned selector = g1 >> 16, size = type & 8 ? 4 : 2, cpl = cpu_cpl(env), ss = 0;
    uint64_t offset = (g2 & 0xffff0000u) | (g1 & 0xffff), esp;
    int err = (selector & 0xfffc) | ev->ext;
    if (size == 2)
        offset &= 0xffff;
    if (!(selector & 0xfffc))
        raise_exception_err(env, EXCP_GP, ev->ext, 0);
    if (!desc_read(env, selector, &e1, &e2, 0) || !desc_is_code(e2) || desc_dpl(e2) > cpl)
        raise_exception_err(env, EXCP_GP, err, 0);
    if (!(e2 & DESC_P))
        raise_exception_err(env, EXCP_NP, err, 0);
    unsigned dpl = e2 & DESC_C ? cpl : desc_dpl(e2);
    bool vm86 = cpu_vm86(env);
    if (vm86 && dpl != 0)
        raise_exception_err(env, EXCP_GP, err, 0);

    Stack s;
    if (dpl < cpl) {
        tss_inner_stack(env, dpl, &ss, &esp, &ss_e1, &ss_e2, ev->ext, 0);
        s = stack_from_desc(env, ss_e1, ss_e2, esp, dpl, (ss & 0xfffc) | ev->ext, 0);
        if (vm86) {
            stack_push(&s, size, env->segs[R_GS].selector);
            stack_push(&s, size, env->segs[R_FS].selector);
            stack_push(&s, size, env->segs[R_DS].selector);
            stack_push(&s, size, env->segs[R_ES].selector);
        }
        stack_push(&s, size, env->segs[R_SS].selector);
        stack_push(&s, size, env->head.gpr[R_ESP]);
    } else {
        s = stack_current(env, 0);
        s.err = ev->ext;
    }
    stack_push(&s, size, ev->eflags);
    stack_push(&s, size, env->segs[R_CS].selector);
    stack_push(&s, size, ev->eip);
    if (ev->push_error)
        stack_push(&s, size, (uint32_t)ev->error_code);
    if (offset > desc_limit(e1, e2))
        raise_exception_err(env, EXCP_GP, ev->ext, 0);

    desc_set_accessed(env, selector, &e2, 0);
    if (dpl < cpl) {
        desc_set_accessed(env, ss, &ss_e2, 0);
        if (vm86) {
            env->eflags &= ~(uint64_t)EFL_VM;
            for (int i = R_ES; i <= R_GS; i++)
                if (i != R_CS && i != R_SS)
                    env->segs[i] = (SegCache){0};
        }
        seg_set_desc(env, R_SS, ss, ss_e1, ss_e2);
    }
    stack_commit(&s);
    seg_set_desc(env, R_CS, (selector & 0xfffc) | dpl, e1, e2);
    env->head.eip = offset;
    enter_handler_flags(env, !(type & 1));
}

static void deliver_long(CPUX86State *env, const Event *ev)
{
    uint32_t ptr = ev->vector * 16, e1, e2;
    int gate_err = ev->vector * 8 + 2 + ev->ext;
    if (ptr + 15 > env->idt.limit)
        raise_exception_err(env, EXCP_GP, gate_err, 0);
    uint64_t lo = sys_ld(env, env->idt.base + ptr, 8, 0), hi = sys_ld(env, env->idt.base + ptr + 8, 8, 0);
    uint32_t g1 = (uint32_t)lo, g2 = lo >> 32;
    unsigned type = desc_type(g2);
    if ((g2 & DESC_S) || (type != SYS_INT32 && type != SYS_TRAP32))
        raise_exception_err(env, EXCP_GP, gate_err, 0);
    if (ev->is_int && desc_dpl(g2) < cpu_cpl(env))
        raise_exception_err(env, EXCP_GP, ev->vector * 8 + 2, 0);
    if (!(g2 & DESC_P))
        raise_exception_err(env, EXCP_NP, gate_err, 0);
    unsigned selector = g1 >> 16, ist = g2 & 7, cpl = cpu_cpl(env);
    uint64_t offset = hi << 32 | (g2 & 0xffff0000u) | (g1 & 0xffff), rsp;
    int err = (selector & 0xfffc) | ev->ext;
    if (!(selector & 0xfffc))
        raise_exception_err(env, EXCP_GP, ev->ext, 0);
    if (!desc_read(env, selector, &e1, &e2, 0) || !desc_is_code(e2) || desc_dpl(e2) > cpl)
        raise_exception_err(env, EXCP_GP, err, 0);
    if (!(e2 & DESC_P))
        raise_exception_err(env, EXCP_NP, err, 0);
    if (!(e2 & DESC_L) || (e2 & DESC_B))
        raise_exception_err(env, EXCP_GP, err, 0);
    unsigned dpl = e2 & DESC_C ? cpl : desc_dpl(e2);
    if (ist)
        rsp = tss64_rsp(env, ist + 3, 0);
    else if (dpl < cpl)
        rsp = tss64_rsp(env, dpl, 0);
    else
        rsp = env->head.gpr[R_ESP];
    Stack s = stack_long(env, rsp & ~15ULL, dpl, 0);
    s.err = ev->ext;
    stack_push(&s, 8, env->segs[R_SS].selector);
    stack_push(&s, 8, env->head.gpr[R_ESP]);
    stack_push(&s, 8, ev->eflags);
    stack_push(&s, 8, env->segs[R_CS].selector);
    stack_push(&s, 8, ev->eip);
    if (ev->push_error)
        stack_push(&s, 8, (uint32_t)ev->error_code);
    if (!is_canonical(env, offset))
        raise_exception_err(env, EXCP_GP, ev->ext, 0);

    desc_set_accessed(env, selector, &e2, 0);
    if (dpl < cpl)
        env->segs[R_SS] = (SegCache){.selector = dpl, .flags = dpl << DESC_DPL_SHIFT};
    env->head.gpr[R_ESP] = s.sp;
    seg_set_desc(env, R_CS, (selector & 0xfffc) | dpl, e1, e2);
    env->head.eip = offset;
    enter_handler_flags(env, !(type & 1));
}

void cpu_deliver(CPUX86State *env, int vector, bool is_int, int error_code, uint64_t next_eip, bool is_hw)
{
    Event ev = {.vector = vector & 0xff, .error_code = error_code, .ext = !is_int, .is_int = is_int, .is_hw = is_hw,
                .push_error = !is_int && !is_hw && has_error_code(vector), .eip = is_int ? next_eip : env->head.eip};
    ev.eflags = cpu_compute_eflags(env);
    /* RF in the image: set for faults, so that an instruction breakpoint does not hit again; #DB traps clear
     * it (a code breakpoint's handler sets RF itself). Otherwise RF is exact only while breakpoints exist. */
    bool fault = !is_int && !is_hw && vector != EXCP_DB && vector != EXCP_NMI && vector != EXCP_DF && vector != EXCP_MC;
    if (fault)
        ev.eflags |= EFL_RF;
    else if (!(env->hflags & HF_CODE_BP) || is_int)
        ev.eflags &= ~EFL_RF;
    if (log_enabled(LOG_INT))
        log_delivery(env, ev.vector, is_int, error_code, next_eip);
    env->inhibit_irq = 0;
    if (!is_int) /* an instruction that hit a data breakpoint and faulted will hit again; INT n traps in its handler */
        env->pending_db = 0;
    if (vector == EXCP_DB && !is_int && (env->dr[7] & DR7_GD))
        env->dr[7] &= ~(uint64_t)DR7_GD;

    if (!cpu_pe(env)) {
        ev.push_error = false;
        deliver_real(env, &ev);
    } else if (cpu_vm86(env) && is_int && vector != EXCP_BP && vector != EXCP_OF && vme_redirects(env, vector, 0)) {
        deliver_vme(env, &ev);
    } else if (cpu_lma(env)) {
        deliver_long(env, &ev);
    } else {
        deliver_protected(env, &ev);
    }
    if (log_enabled(LOG_PCALL) && cpu_pe(env))
        log_write("pcall: vector %02x to %04x:%016" PRIx64 ", return to eip %016" PRIx64 ", cpl %u\n", ev.vector,
                  env->segs[R_CS].selector, env->head.eip, ev.eip, cpu_cpl(env));
    env->old_exception = -1;
}

void x86_do_interrupt(CPUState *cpu)
{
    CPUX86State *env = X86_ENV(cpu);
    int vector = cpu->exception_index;
    if (vector < 0 || vector > 255)
        return;
    cpu_deliver(env, vector, env->exception_is_int, env->error_code, env->exception_next_eip, false);
    cpu->exception_index = EXCP_NONE;
}

/* --- requests --- */

/* Delivery reads and writes guest memory and may raise: never with the machine lock held. */
static void deliver_request(CPUX86State *env, int vector, bool is_hw)
{
    bool locked = bql_locked();
    env->cpu->halted = false;
    if (locked)
        bql_unlock();
    cpu_deliver(env, vector, false, 0, 0, is_hw);
    if (locked)
        bql_lock();
}

bool x86_exec_interrupt(CPUState *cpu, int request)
{
    CPUX86State *env = X86_ENV(cpu);

    if (request & CPU_INTERRUPT_INIT) {
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_INIT);
        cpu_x86_init_reset(env);
        return true;
    }
    if (request & CPU_INTERRUPT_SIPI) /* a boot CPU that runs ignores it */
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_SIPI);
    if (env->shutdown)
        return false;
    if ((request & CPU_INTERRUPT_DB) && env->inhibit_irq != SHADOW_MOVSS) {
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_DB);
        if (env->pending_db) {
            debug_note(env, 0);
            deliver_request(env, EXCP_DB, false);
            return true;
        }
    }
    if ((request & CPU_INTERRUPT_SMI) && !env->in_smm && !env->inhibit_irq) {
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_SMI);
        smm_enter(env);
        return true;
    }
    if ((request & CPU_INTERRUPT_NMI) && !env->nmi_masked && !env->inhibit_irq) {
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_NMI);
        env->nmi_masked = true;
        deliver_request(env, EXCP_NMI, true);
        return true;
    }
    if ((request & CPU_INTERRUPT_HARD) && (env->eflags & EFL_IF) && !env->inhibit_irq) {
        int vector = env->irq_ops && env->irq_ops->get_vector ? env->irq_ops->get_vector(env->irq_opaque) : -1;
        if (vector < 0) {
            cpu_reset_interrupt(cpu, CPU_INTERRUPT_HARD);
            return false;
        }
        log_print(LOG_INT, "Servicing hardware INT=0x%02x\n", vector);
        deliver_request(env, vector, true);
        return true;
    }
    return false;
}
