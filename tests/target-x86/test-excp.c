/* test-excp.c - delivery through every kind of gate, IRET, double and triple faults, SMM, debug registers,
 * requests. SDM vol. 3, chapters 6, 18, 20; AMD APM vol. 2, chapter 10. */
#include "sys-harness.h"

static void test_real(void)
{
    harness_start("max");
    poke(0x21 * 4, 4, 0x12345678);
    env->segs[R_CS].selector = 0x100;
    env->segs[R_CS].base = 0x1000;
    env->head.gpr[R_ESP] = 0xffff8000;
    env->eflags |= EFL_IF | EFL_TF;
    ASSERT_OK(cpu_deliver(env, 0x21, true, 0, 0x55, false));
    g_assert_cmphex(env->head.eip, ==, 0x5678);
    g_assert_cmphex(env->segs[R_CS].base, ==, 0x12340);
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0xffff7ffa);
    g_assert_cmphex(peek(0x7ffa, 2), ==, 0x55);
    g_assert_cmphex(peek(0x7ffc, 2), ==, 0x100);
    g_assert_cmphex(peek(0x7ffe, 2), ==, 0x302);
    g_assert_false(env->eflags & (EFL_IF | EFL_TF));
    ASSERT_OK(helper_iret_8086(env, 0x302, MO_16)); /* the rest of an IRET: test-real.c */
    g_assert_cmphex(cpu_compute_eflags(env), ==, 0x302);
    env->idt.limit = 0x21 * 4 + 2;
    ASSERT_FAULT(EXCP_GP, 0x21 * 8 + 2, cpu_deliver(env, 0x21, true, 0, 0, false));
    harness_stop();
}

static void test_protected(void)
{
    harness_start("max");
    enter_protected();
    set_gate(14, SEL_CODE0, 0x4000, 0x8e);
    set_gate(0x80, SEL_CODE0, 0x5000, 0xef);
    set_gate(0x20, SEL_CODE0, 0x6000, 0x8e);
    drop_to_ring3();
    env->eflags |= EFL_IF;
    env->head.eip = 0x1234;
    /* a page fault from ring 3: stack from the TSS, error code, RF in the image */
    ASSERT_OK(cpu_deliver(env, EXCP_PF, false, 6, 0, false));
    g_assert_cmpuint(cpu_cpl(env), ==, 0);
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0x9000 - 24);
    g_assert_cmphex(peek(0x9000 - 24, 4), ==, 6);
    g_assert_cmphex(peek(0x9000 - 20, 4), ==, 0x1234);
    g_assert_cmphex(peek(0x9000 - 16, 4), ==, SEL_CODE3 | 3);
    g_assert_cmphex(peek(0x9000 - 12, 4), ==, 0x10202);
    g_assert_cmphex(peek(0x9000 - 8, 4), ==, 0x7000);
    g_assert_cmphex(peek(0x9000 - 4, 4), ==, SEL_DATA3 | 3);
    g_assert_false(env->eflags & EFL_IF);
    env->head.gpr[R_ESP] += 4;
    ASSERT_OK(helper_iret(env, MO_32, 0));
    g_assert_cmpuint(cpu_cpl(env), ==, 3);
    g_assert_cmphex(env->head.eip, ==, 0x1234);
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0x7000);
    g_assert_true(env->eflags & EFL_IF);
    /* INT through a trap gate with DPL 3, and one without */
    ASSERT_OK(cpu_deliver(env, 0x80, true, 0, 0x1236, false));
    g_assert_true(env->eflags & EFL_IF);
    g_assert_cmphex(peek(0x9000 - 20, 4), ==, 0x1236);
    g_assert_cmphex(peek(0x9000 - 12, 4), ==, 0x202);
    ASSERT_OK(helper_iret(env, MO_32, 0));
    ASSERT_FAULT(EXCP_GP, 0x20 * 8 + 2, cpu_deliver(env, 0x20, true, 0, 0, false));
    ASSERT_FAULT(EXCP_GP, 0x21 * 8 + 3, cpu_deliver(env, 0x21, false, 0, 0, true)); /* empty gate: EXT */
    ASSERT_OK(cpu_deliver(env, 0x20, false, 0, 0, true)); /* hardware does not look at the DPL */
    g_assert_cmphex(env->head.eip, ==, 0x6000);
    /* IOPL 0 in ring 3: IRET keeps IF and IOPL */
    poke(0x9000 - 12, 4, 0x3002);
    ASSERT_OK(helper_iret(env, MO_32, 0));
    g_assert_cmphex(cpu_compute_eflags(env) & 0x3200, ==, 0x3000);
    env->head.gpr[R_ESP] = 0x6000;
    poke(0x6000, 4, 1);
    poke(0x6004, 4, SEL_CODE3 | 3);
    poke(0x6008, 4, 0x2);
    env->eflags = 2 | EFL_IF;
    cpu_update_hflags(env);
    ASSERT_OK(helper_iret(env, MO_32, 0));
    g_assert_true(env->eflags & EFL_IF);
    /* return to an inner level is refused */
    env->head.gpr[R_ESP] = 0x6000;
    poke(0x6004, 4, SEL_CODE0);
    ASSERT_FAULT(EXCP_GP, SEL_CODE0, helper_iret(env, MO_32, 0));
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0x6000);
    harness_stop();
}

static void test_vm86(void)
{
    harness_start("max");
    enter_protected();
    set_gate(13, SEL_CODE0, 0x4000, 0x8e);
    set_gate(0x21, SEL_CODE0, 0x4100, 0xee);
    /* IRET into 8086 mode */
    const uint32_t frame[] = {0x100, 0x2000, 0x20202, 0xfffe, 0x3000, 0x4000, 0x5000, 0x6000, 0x7000};
    env->head.gpr[R_ESP] = 0x8000;
    memcpy(ram + 0x8000, frame, sizeof frame);
    ASSERT_OK(helper_iret(env, MO_32, 0));
    g_assert_true(cpu_vm86(env));
    g_assert_cmpuint(cpu_cpl(env), ==, 3);
    g_assert_cmphex(env->segs[R_CS].base, ==, 0x20000);
    g_assert_cmphex(env->segs[R_DS].selector, ==, 0x5000);
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0xfffe);
    /* IOPL 0: INT n is #GP, without VME also PUSHF */
    ASSERT_FAULT(EXCP_GP, 0, raise_interrupt(env, 0x21, 0x102, 0));
    ASSERT_FAULT(EXCP_GP, 0, helper_pushf(env, MO_16));
    ASSERT_OK(cpu_deliver(env, EXCP_GP, false, 0, 0, false));
    g_assert_false(cpu_vm86(env));
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0x9000 - 40);
    g_assert_cmphex(peek(0x9000 - 4, 4), ==, 0x7000); /* GS */
    g_assert_cmphex(peek(0x9000 - 16, 4), ==, 0x4000); /* ES */
    g_assert_cmphex(peek(0x9000 - 28, 4), ==, 0x30202);
    g_assert_cmphex(env->segs[R_DS].selector, ==, 0);
    env->head.gpr[R_ESP] += 4;
    ASSERT_OK(helper_iret(env, MO_32, 0));
    g_assert_true(cpu_vm86(env));
    /* VME: the redirection map sends INT 21h to the program's own table */
    cpu_set_cr4(env, CR4_VME);
    set_gdt(SEL_TSS, make_desc(TSS_ADDR, 0x67 + 33, 0x0089));
    env->tr.limit = 0x67 + 33;
    poke(TSS_ADDR + 0x66, 2, 0x68 + 32);
    memset(ram + TSS_ADDR + 0x68, 0, 33);
    poke(0x21 * 4, 4, 0x12345678);
    env->eflags |= EFL_VIF;
    ASSERT_OK({
        env->head.gpr[R_ESP] = 0x100;
        cpu_deliver(env, 0x21, true, 0, 0x102, false);
    });
    g_assert_true(cpu_vm86(env));
    g_assert_cmphex(env->head.eip, ==, 0x5678);
    g_assert_cmphex(env->segs[R_CS].selector, ==, 0x1234);
    g_assert_cmphex(peek(0x300fa, 2), ==, 0x102);
    g_assert_cmphex(peek(0x300fe, 2), ==, 0x3202); /* IOPL 3, IF = VIF */
    g_assert_false(env->eflags & EFL_VIF);
    g_assert_true(env->eflags & EFL_IF);
    ASSERT_OK(helper_iret(env, MO_16, 0));
    g_assert_true(env->eflags & EFL_VIF);
    g_assert_cmphex(env->head.eip, ==, 0x102);
    poke(TSS_ADDR + 0x68 + 0x21 / 8, 1, 1 << (0x21 & 7));
    ASSERT_FAULT(EXCP_GP, 0, raise_interrupt(env, 0x21, 0x102, 0));
    env->eflags |= EFL_VIP;
    ASSERT_FAULT(EXCP_GP, 0, helper_sti_vme(env));
    harness_stop();
}

static void test_long(void)
{
    harness_start("max");
    enter_long();
    set_gate64(14, SEL_CODE64, 0x4000, 0x8e, 0);
    set_gate64(8, SEL_CODE64, 0x4100, 0x8e, 2);
    set_gate64(0x80, SEL_CODE64, 0x4200, 0xef, 0);
    set_gate64(0x81, SEL_CODE0, 0x4200, 0xee, 0); /* 32-bit target */
    poke(TSS_ADDR + 4, 8, 0x9000);
    poke(TSS_ADDR + 36 + 8, 8, 0xb000); /* IST2 */
    env->head.gpr[R_ESP] = 0x8003;
    env->head.eip = 0x1234;
    ASSERT_OK(cpu_deliver(env, EXCP_PF, false, 2, 0, false));
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0x8000 - 48); /* aligned */
    g_assert_cmphex(peek(0x8000 - 48, 8), ==, 2);
    g_assert_cmphex(peek(0x8000 - 40, 8), ==, 0x1234);
    g_assert_cmphex(peek(0x8000 - 16, 8), ==, 0x8003);
    env->head.gpr[R_ESP] += 8;
    ASSERT_OK(helper_iret(env, MO_64, 0));
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0x8003);
    ASSERT_OK(cpu_deliver(env, EXCP_DF, false, 0, 0, false)); /* IST */
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0xb000 - 48);
    /* from ring 3: RSP0, SS null */
    drop_to_ring3();
    cpu_load_seg_cache(env, R_CS, SEL_CODE64_3 | 3, 0, 0xffffffff, 0xa0fb00);
    ASSERT_OK(cpu_deliver(env, 0x80, true, 0, 0x1236, false));
    g_assert_cmpuint(cpu_cpl(env), ==, 0);
    g_assert_cmphex(env->segs[R_SS].selector, ==, 0);
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0x9000 - 40);
    ASSERT_OK(helper_iret(env, MO_64, 0));
    g_assert_cmpuint(cpu_cpl(env), ==, 3);
    g_assert_true(cpu_is_64(env));
    ASSERT_FAULT(EXCP_GP, SEL_CODE0, cpu_deliver(env, 0x81, true, 0, 0, false));
    /* compatibility mode: 32-bit code under IA-32e delivers the same way and comes back */
    cpu_load_seg_cache(env, R_CS, SEL_CODE3 | 3, 0, 0xffffffff, 0xc0fb00);
    ASSERT_OK(cpu_deliver(env, 0x80, true, 0, 0x1238, false));
    g_assert_true(cpu_is_64(env));
    ASSERT_OK(helper_iret(env, MO_64, 0));
    g_assert_false(cpu_is_64(env));
    g_assert_cmphex(env->head.eip, ==, 0x1238);
    harness_stop();
}

static void test_double(void)
{
    harness_start("max");
    enter_protected();
    set_gate(8, SEL_CODE0, 0x4000, 0x8e);
    /* #GP while #GP is delivered (empty gate): #DF with error code 0 */
    g_assert_cmpint(TRY(raise_exception_err(env, EXCP_GP, 0x18, 0)), ==, EXCP_GP);
    env->cpu->exception_index = EXCP_GP;
    g_assert_cmpint(({
        volatile int v = EXCP_NONE;
        if (!sigsetjmp(env->cpu->jmp_env, 0))
            x86_do_interrupt(env->cpu);
        else
            v = env->cpu->exception_index;
        v;
    }), ==, EXCP_DF);
    g_assert_cmpint(env->error_code, ==, 0);
    ASSERT_OK({
        env->cpu->exception_index = EXCP_DF;
        x86_do_interrupt(env->cpu);
    });
    g_assert_cmphex(env->head.eip, ==, 0x4000);
    g_assert_cmpint(env->old_exception, ==, -1);
    /* #DB is benign: what comes then is delivered by itself */
    g_assert_cmpint(TRY(raise_exception(env, EXCP_DB, 0)), ==, EXCP_DB);
    ASSERT_FAULT(EXCP_GP, 0, raise_exception_err(env, EXCP_GP, 0, 0));
    /* a fault during #DF: shutdown */
    env->old_exception = EXCP_DF;
    g_assert_cmpint(TRY(raise_exception_err(env, EXCP_GP, 0, 0)), ==, EXCP_HLT);
    g_assert_true(env->cpu->halted);
    g_assert_cmpint(system_take_reset_request(), ==, CAUSE_GUEST_RESET);
    g_assert_false(cpu_x86_ops.has_work(env->cpu));
    cpu_x86_ops.reset(env->cpu);
    g_assert_false(env->shutdown);
    harness_stop();
}

static int next_vector = 0x20;
static int get_vector(void *opaque)
{
    int v = next_vector;
    next_vector = -1;
    cpu_reset_interrupt(env->cpu, CPU_INTERRUPT_HARD);
    return v;
}
static unsigned smm_calls;
static void smm_changed(void *opaque, bool on) { smm_calls += on ? 1 : 16; }
static const CPUX86IrqOps ops = {.get_vector = get_vector, .smm_changed = smm_changed};

static void test_requests(void)
{
    harness_start("max");
    enter_protected();
    env->irq_ops = &ops;
    set_gate(0x20, SEL_CODE0, 0x6000, 0x8e);
    set_gate(2, SEL_CODE0, 0x7000, 0x8e);
    CPUState *cpu = env->cpu;
    cpu_interrupt(cpu, CPU_INTERRUPT_HARD);
    g_assert_false(cpu_x86_ops.exec_interrupt(cpu, cpu->interrupt_request)); /* IF clear */
    env->eflags |= EFL_IF; /* STI */
    env->inhibit_irq = SHADOW_STI;
    g_assert_false(cpu_x86_ops.exec_interrupt(cpu, cpu->interrupt_request)); /* shadow */
    env->inhibit_irq = 0;
    g_assert_true(cpu_x86_ops.has_work(cpu));
    cpu_x86_nmi(env);
    g_assert_true(cpu_x86_ops.exec_interrupt(cpu, cpu->interrupt_request)); /* NMI first */
    g_assert_cmphex(env->head.eip, ==, 0x7000);
    g_assert_true(env->nmi_masked);
    cpu_x86_nmi(env);
    g_assert_false(cpu_x86_ops.exec_interrupt(cpu, cpu->interrupt_request & CPU_INTERRUPT_NMI));
    env->eflags |= EFL_IF;
    g_assert_true(cpu_x86_ops.exec_interrupt(cpu, cpu->interrupt_request));
    g_assert_cmphex(env->head.eip, ==, 0x6000);
    g_assert_cmpuint(cpu->interrupt_request, ==, CPU_INTERRUPT_NMI);
    ASSERT_OK(helper_iret(env, MO_32, 0));
    g_assert_false(env->nmi_masked);
    cpu_interrupt(cpu, CPU_INTERRUPT_INIT);
    env->head.gpr[R_EAX] = 5;
    g_assert_true(cpu_x86_ops.exec_interrupt(cpu, cpu->interrupt_request));
    g_assert_cmphex(env->head.eip, ==, 0xfff0);
    g_assert_cmphex(env->segs[R_CS].base, ==, 0xffff0000);
    g_assert_cmphex(env->head.gpr[R_EAX], ==, 0);
    harness_stop();
}

static void smm_round(const char *model, unsigned rev)
{
    harness_start(model);
    enter_protected();
    env->irq_ops = &ops;
    smm_calls = 0;
    env->head.gpr[R_EAX] = 0x11223344;
    env->head.gpr[R_EDI] = 0x55667788;
    env->head.eip = 0x1234;
    cpu_load_eflags(env, CC_Z | EFL_IF | EFL_DF, CC_MASK | EFL_IF | EFL_DF);
    CPUX86State before = *env;
    cpu_x86_smi(env);
    g_assert_true(cpu_x86_ops.exec_interrupt(env->cpu, env->cpu->interrupt_request));
    g_assert_true(env->in_smm);
    g_assert_cmphex(env->head.eip, ==, 0x8000);
    g_assert_cmphex(env->segs[R_CS].base, ==, 0x30000);
    g_assert_false(env->cr[0] & CR0_PE);
    g_assert_cmphex(env->segs[R_DS].limit, ==, 0xffffffff);
    g_assert_cmphex(peek(0x3fefc, 4), ==, rev);
    poke(rev == 0x20064 ? 0x3ff00 : 0x3fef8, 4, 0xa0000); /* relocate */
    env->head.gpr[R_EAX] = 0;
    ASSERT_OK(helper_rsm(env));
    g_assert_false(env->in_smm);
    g_assert_cmpuint(smm_calls, ==, 17);
    g_assert_cmphex(env->smbase, ==, 0xa0000);
    g_assert_cmpmem(env->head.gpr, sizeof env->head.gpr, before.head.gpr, sizeof before.head.gpr);
    g_assert_cmphex(env->head.eip, ==, 0x1234);
    g_assert_cmphex(cpu_compute_eflags(env), ==, 2 | CC_Z | EFL_IF | EFL_DF);
    g_assert_cmphex(env->hflags, ==, before.hflags);
    g_assert_cmphex(env->cr[0], ==, before.cr[0]);
    for (int i = 0; i < 6; i++) {
        g_assert_cmphex(env->segs[i].selector, ==, before.segs[i].selector);
        g_assert_cmphex(env->segs[i].limit, ==, before.segs[i].limit);
    }
    g_assert_cmphex(env->tr.base, ==, before.tr.base);
    g_assert_cmphex(env->gdt.base, ==, before.gdt.base);
    ASSERT_FAULT(EXCP_UD, 0, helper_rsm(env));
    harness_stop();
}
static void test_smm64(void) { smm_round("max", 0x20064); }
static void test_smm32(void) { smm_round("pentium3", 0x20000); }

static void test_debug(void)
{
    harness_start("max");
    enter_protected();
    set_gate(1, SEL_CODE0, 0x4000, 0x8e);
    helper_write_dr(env, 0, 0x1234);
    helper_write_dr(env, 7, 1); /* execute */
    g_assert_true(env->hflags & HF_CODE_BP);
    env->head.eip = 0x1233;
    ASSERT_OK(helper_code_bp(env));
    env->head.eip = 0x1234;
    ASSERT_FAULT(EXCP_DB, 0, helper_code_bp(env));
    g_assert_cmphex(env->dr[6], ==, 0xffff0ff1);
    /* data write of four bytes at 5000h */
    helper_write_dr(env, 6, 0);
    helper_write_dr(env, 1, 0x5000);
    helper_write_dr(env, 7, 1 << 2 | 0xdu << 20);
    g_assert_false(env->hflags & HF_CODE_BP);
    cpu_ld(env->cpu, 0x5000, 4, MMU_KERNEL, 0);
    g_assert_cmphex(env->pending_db, ==, 0);
    cpu_st(env->cpu, 0x5004, 4, 0, MMU_KERNEL, 0);
    g_assert_cmphex(env->pending_db, ==, 0);
    cpu_st(env->cpu, 0x5003, 1, 0x77, MMU_KERNEL, 0);
    g_assert_cmphex(env->pending_db, ==, 2);
    g_assert_cmphex(peek(0x5003, 1), ==, 0x77); /* a trap: done */
    g_assert_true(cpu_x86_ops.exec_interrupt(env->cpu, env->cpu->interrupt_request));
    g_assert_cmphex(env->head.eip, ==, 0x4000);
    g_assert_cmphex(env->dr[6], ==, 0xffff0ff2);
    /* DR4, DR5, general detect, reserved bits */
    g_assert_cmphex(helper_read_dr(env, 4), ==, env->dr[6]);
    cpu_set_cr4(env, CR4_DE);
    ASSERT_FAULT(EXCP_UD, 0, helper_read_dr(env, 4));
    ASSERT_FAULT(EXCP_GP, 0, helper_write_dr(env, 7, 1ULL << 32));
    helper_write_dr(env, 7, 1 << 13);
    ASSERT_FAULT(EXCP_DB, 0, helper_read_dr(env, 0));
    g_assert_true(env->dr[6] & 1 << 13);
    harness_stop();
}

static void test_flags(void)
{
    harness_start("max");
    enter_protected();
    ASSERT_OK(helper_popf(env, 0xffffffff, MO_32));
    g_assert_cmphex(cpu_compute_eflags(env), ==, 0x247fd7); /* not VM, RF, VIF, VIP */
    ASSERT_OK(helper_popf(env, 0, MO_32));
    drop_to_ring3();
    ASSERT_OK(helper_popf(env, 0x3200, MO_32));
    g_assert_cmphex(cpu_compute_eflags(env), ==, 2); /* neither IF nor IOPL */
    ASSERT_FAULT(EXCP_GP, 0, helper_sti_vme(env));
    cpu_set_cr4(env, CR4_PVI);
    ASSERT_OK(helper_sti_vme(env));
    g_assert_true(env->eflags & EFL_VIF);
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/target-x86/excp/real-mode", test_real);
    g_test_add_func("/target-x86/excp/protected", test_protected);
    g_test_add_func("/target-x86/excp/vm86-and-vme", test_vm86);
    g_test_add_func("/target-x86/excp/long-mode", test_long);
    g_test_add_func("/target-x86/excp/double-and-triple", test_double);
    g_test_add_func("/target-x86/excp/requests", test_requests);
    g_test_add_func("/target-x86/excp/smm-64", test_smm64);
    g_test_add_func("/target-x86/excp/smm-32", test_smm32);
    g_test_add_func("/target-x86/excp/debug-registers", test_debug);
    g_test_add_func("/target-x86/excp/popf", test_flags);
    return g_test_run();
}
