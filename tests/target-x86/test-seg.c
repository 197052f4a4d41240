/* test-seg.c - segment loads, far transfers, gates, task switches: state and exact error codes.
 * SDM vol. 3, chapters 5 and 8. */
#include "sys-harness.h"

static void start(void)
{
    harness_start("max");
    enter_protected();
}

static void test_load(void)
{
    start();
    ASSERT_OK(cpu_load_seg(env, R_DS, SEL_DATA3, 0));
    g_assert_cmphex(peek(GDT_ADDR + SEL_DATA3 + 5, 1), ==, 0xf3); /* accessed */
    g_assert_cmphex(env->segs[R_DS].limit, ==, 0xffffffff);
    ASSERT_OK(cpu_load_seg(env, R_ES, 3, 0)); /* null */
    ASSERT_FAULT(EXCP_GP, 0, helper_check_seg(env, R_ES, 0, 4));
    ASSERT_FAULT(EXCP_GP, 0, cpu_load_seg(env, R_SS, 0, 0));
    ASSERT_FAULT(EXCP_GP, SEL_LAST, cpu_load_seg(env, R_DS, SEL_LAST, 0));
    ASSERT_FAULT(EXCP_GP, 0x14, cpu_load_seg(env, R_DS, 0x14, 0)); /* LDT is absent */
    ASSERT_FAULT(EXCP_GP, SEL_TSS, cpu_load_seg(env, R_DS, SEL_TSS, 0));
    ASSERT_FAULT(EXCP_GP, SEL_XONLY0, cpu_load_seg(env, R_DS, SEL_XONLY0, 0));
    ASSERT_FAULT(EXCP_NP, SEL_NP0, cpu_load_seg(env, R_DS, SEL_NP0, 0));
    ASSERT_FAULT(EXCP_SS, SEL_NP0, cpu_load_seg(env, R_SS, SEL_NP0, 0));
    ASSERT_FAULT(EXCP_GP, SEL_RO0, cpu_load_seg(env, R_SS, SEL_RO0, 0));
    ASSERT_FAULT(EXCP_GP, SEL_DATA3, cpu_load_seg(env, R_SS, SEL_DATA3 | 3, 0));
    g_assert_cmphex(env->segs[R_SS].selector, ==, SEL_DATA0);
    drop_to_ring3();
    ASSERT_FAULT(EXCP_GP, SEL_DATA0, cpu_load_seg(env, R_DS, SEL_DATA0, 0));
    ASSERT_FAULT(EXCP_GP, SEL_DATA0, cpu_load_seg(env, R_DS, SEL_DATA0 | 3, 0));
    ASSERT_OK(cpu_load_seg(env, R_DS, SEL_CONF0 | 3, 0)); /* conforming code may be read from any level */
    harness_stop();
}

static void test_real(void)
{
    harness_start("max");
    ASSERT_OK(cpu_load_seg(env, R_DS, 0x1234, 0));
    g_assert_cmphex(env->segs[R_DS].base, ==, 0x12340);
    g_assert_cmphex(env->segs[R_DS].limit, ==, 0xffff);
    env->segs[R_DS].limit = 0xffffffff; /* unreal */
    ASSERT_OK(cpu_load_seg(env, R_DS, 0x10, 0));
    g_assert_cmphex(env->segs[R_DS].limit, ==, 0xffffffff);
    ASSERT_FAULT(EXCP_GP, 0, helper_check_seg(env, R_ES, 0xfffd, 4));
    ASSERT_FAULT(EXCP_SS, 0, helper_check_seg(env, R_SS, 0xffff, 2));
    ASSERT_OK(helper_check_seg(env, R_CS, 0xfffc, 4 | 1 << 16)); /* code is writable in real mode */
    harness_stop();
}

static void test_check(void)
{
    start();
    set_gdt(0x68, make_desc(0x5000, 0xfff, 0x4092)); /* 4 KiB, byte granular */
    ASSERT_OK(cpu_load_seg(env, R_DS, 0x68, 0));
    ASSERT_OK(helper_check_seg(env, R_DS, 0xffc, 4));
    ASSERT_FAULT(EXCP_GP, 0, helper_check_seg(env, R_DS, 0xffd, 4));
    ASSERT_FAULT(EXCP_GP, 0, helper_check_seg(env, R_DS, 0xffffffff, 4));
    set_gdt(0x68, make_desc(0x5000, 0xfff, 0x4096)); /* expand down: valid above the limit */
    ASSERT_OK(cpu_load_seg(env, R_DS, 0x68, 0));
    ASSERT_FAULT(EXCP_GP, 0, helper_check_seg(env, R_DS, 0xfff, 4));
    ASSERT_OK(helper_check_seg(env, R_DS, 0x1000, 4));
    ASSERT_FAULT(EXCP_GP, 0, helper_check_seg(env, R_DS, 0xfffffffe, 4));
    ASSERT_OK(cpu_load_seg(env, R_DS, SEL_RO0, 0));
    ASSERT_OK(helper_check_seg(env, R_DS, 0, 4));
    ASSERT_FAULT(EXCP_GP, 0, helper_check_seg(env, R_DS, 0, 4 | 1 << 16));
    ASSERT_FAULT(EXCP_GP, 0, helper_check_seg(env, R_CS, 0, 4 | 1 << 16));
    harness_stop();
}

static void test_lar(void)
{
    start();
    env->cc_op = CC_OP_EFLAGS;
    g_assert_cmphex(helper_lar(env, SEL_DATA3), ==, 0xcff200);
    g_assert_true(env->cc_src & CC_Z);
    g_assert_cmphex(helper_lsl(env, SEL_DATA3), ==, 0xffffffff);
    helper_lar(env, SEL_LAST);
    g_assert_false(env->cc_src & CC_Z);
    helper_lsl(env, SEL_TSS);
    g_assert_true(env->cc_src & CC_Z);
    helper_verw(env, SEL_RO0);
    g_assert_false(env->cc_src & CC_Z);
    helper_verr(env, SEL_RO0);
    g_assert_true(env->cc_src & CC_Z);
    helper_verr(env, SEL_XONLY0);
    g_assert_false(env->cc_src & CC_Z);
    drop_to_ring3();
    helper_verr(env, SEL_DATA0);
    g_assert_false(env->cc_src & CC_Z);
    helper_verr(env, SEL_CONF0);
    g_assert_true(env->cc_src & CC_Z);
    harness_stop();
}

static void test_ldtr_tr(void)
{
    start();
    ASSERT_FAULT(EXCP_GP, SEL_DATA0, helper_lldt(env, SEL_DATA0));
    ASSERT_OK(helper_lldt(env, SEL_LDT));
    poke(LDT_ADDR + 8, 8, make_desc(0x6000, 0xf, 0x4092));
    ASSERT_OK(cpu_load_seg(env, R_FS, 0xc, 0));
    g_assert_cmphex(env->segs[R_FS].base, ==, 0x6000);
    ASSERT_OK(helper_lldt(env, 0));
    ASSERT_FAULT(EXCP_GP, 0xc, cpu_load_seg(env, R_FS, 0xc, 0));
    ASSERT_FAULT(EXCP_GP, 0, helper_ltr(env, 0));
    ASSERT_FAULT(EXCP_GP, SEL_TSS, helper_ltr(env, SEL_TSS)); /* busy */
    ASSERT_OK(helper_ltr(env, SEL_TSS2));
    g_assert_cmphex(peek(GDT_ADDR + SEL_TSS2 + 5, 1), ==, 0x8b);
    harness_stop();
}

static void test_far_direct(void)
{
    start();
    ASSERT_OK(helper_far_jmp(env, SEL_CODE0, 0x1234, 0));
    g_assert_cmphex(env->head.eip, ==, 0x1234);
    ASSERT_FAULT(EXCP_GP, 0, helper_far_jmp(env, 0, 0, 0));
    ASSERT_FAULT(EXCP_GP, SEL_DATA0, helper_far_jmp(env, SEL_DATA0, 0, 0));
    ASSERT_FAULT(EXCP_GP, SEL_CODE3, helper_far_jmp(env, SEL_CODE3, 0, 0));
    ASSERT_FAULT(EXCP_GP, SEL_LAST, helper_far_jmp(env, SEL_LAST, 0, 0));
    set_gdt(0x68, make_desc(0, 0xff, 0x409a));
    ASSERT_FAULT(EXCP_GP, 0, helper_far_jmp(env, 0x68, 0x100, 0));
    env->head.gpr[R_ESP] = 0x8000;
    ASSERT_OK(helper_far_call(env, SEL_CODE0, 0x2222, MO_32, 0x777));
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0x7ff8);
    g_assert_cmphex(peek(0x7ff8, 4), ==, 0x777);
    g_assert_cmphex(peek(0x7ffc, 4), ==, SEL_CODE0);
    ASSERT_OK(helper_far_ret(env, MO_32, 8));
    g_assert_cmphex(env->head.eip, ==, 0x777);
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0x8008);
    drop_to_ring3();
    ASSERT_OK(helper_far_jmp(env, SEL_CONF0, 0x10, 0)); /* conforming: stays at CPL 3 */
    g_assert_cmphex(env->segs[R_CS].selector, ==, SEL_CONF0 | 3);
    g_assert_cmpuint(cpu_cpl(env), ==, 3);
    harness_stop();
}

static void test_call_gate(void)
{
    start();
    /* 32-bit gate with two parameters to CPL 0 */
    poke(GDT_ADDR + SEL_GATE, 8, 0x4321 | (uint64_t)SEL_CODE0 << 16 | 2ULL << 32 | 0xecULL << 40);
    drop_to_ring3();
    env->head.gpr[R_ESP] = 0x7000;
    poke(0x7000, 4, 0x11111111);
    poke(0x7004, 4, 0x22222222);
    ASSERT_OK(helper_far_call(env, SEL_GATE | 3, 0, MO_32, 0x777));
    g_assert_cmpuint(cpu_cpl(env), ==, 0);
    g_assert_cmphex(env->head.eip, ==, 0x4321);
    g_assert_cmphex(env->segs[R_SS].selector, ==, SEL_DATA0);
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0x9000 - 24);
    g_assert_cmphex(peek(0x9000 - 4, 4), ==, SEL_DATA3 | 3);
    g_assert_cmphex(peek(0x9000 - 8, 4), ==, 0x7000);
    g_assert_cmphex(peek(0x9000 - 12, 4), ==, 0x22222222);
    g_assert_cmphex(peek(0x9000 - 16, 4), ==, 0x11111111);
    g_assert_cmphex(peek(0x9000 - 20, 4), ==, SEL_CODE3 | 3);
    g_assert_cmphex(peek(0x9000 - 24, 4), ==, 0x777);
    /* and back; a segment that ring 3 may not have is taken away */
    ASSERT_OK(cpu_load_seg(env, R_GS, SEL_DATA0, 0));
    ASSERT_OK(helper_far_ret(env, MO_32, 8));
    g_assert_cmpuint(cpu_cpl(env), ==, 3);
    g_assert_cmphex(env->head.eip, ==, 0x777);
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0x7008);
    g_assert_cmphex(env->segs[R_GS].selector, ==, 0);
    g_assert_cmphex(env->segs[R_DS].selector, ==, SEL_DATA3 | 3);
    /* a jump may not change the level */
    ASSERT_FAULT(EXCP_GP, SEL_CODE0, helper_far_jmp(env, SEL_GATE | 3, 0, 0));
    /* gate DPL, presence, a bad stack in the TSS */
    poke(GDT_ADDR + SEL_GATE + 5, 1, 0x8c);
    ASSERT_FAULT(EXCP_GP, SEL_GATE, helper_far_call(env, SEL_GATE | 3, 0, MO_32, 0));
    poke(GDT_ADDR + SEL_GATE + 5, 1, 0x6c);
    ASSERT_FAULT(EXCP_NP, SEL_GATE, helper_far_call(env, SEL_GATE | 3, 0, MO_32, 0));
    poke(GDT_ADDR + SEL_GATE + 5, 1, 0xec);
    poke(TSS_ADDR + 8, 4, SEL_DATA3 | 3);
    ASSERT_FAULT(EXCP_TS, SEL_DATA3, helper_far_call(env, SEL_GATE | 3, 0, MO_32, 0));
    poke(TSS_ADDR + 8, 4, 0);
    ASSERT_FAULT(EXCP_TS, 0, helper_far_call(env, SEL_GATE | 3, 0, MO_32, 0));
    g_assert_cmpuint(cpu_cpl(env), ==, 3);
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0x7008);
    harness_stop();
}

static void fill_tss32(hwaddr tss)
{
    memset(ram + tss, 0, 0x68);
    poke(tss + 0x20, 4, 0x5555); /* eip */
    poke(tss + 0x24, 4, 0x3202);
    for (int i = 0; i < 8; i++)
        poke(tss + 0x28 + i * 4, 4, 0x1000 * (i + 1));
    poke(tss + 0x48, 4, SEL_DATA0);
    poke(tss + 0x4c, 4, SEL_CODE0);
    for (int i = 2; i < 6; i++)
        poke(tss + 0x48 + i * 4, 4, SEL_DATA0);
}

static void test_task(void)
{
    start();
    fill_tss32(TSS2_ADDR);
    env->head.gpr[R_EAX] = 0xaaaa;
    env->eflags |= EFL_IF;
    ASSERT_OK(helper_far_call(env, SEL_TSS2, 0, MO_32, 0x123));
    g_assert_cmphex(env->head.eip, ==, 0x5555);
    g_assert_cmphex(env->head.gpr[R_EAX], ==, 0x1000);
    g_assert_cmphex(env->head.gpr[R_EDI], ==, 0x8000);
    g_assert_cmphex(env->tr.selector, ==, SEL_TSS2);
    g_assert_true(env->eflags & EFL_NT);
    g_assert_true(env->cr[0] & CR0_TS);
    g_assert_cmphex(cpu_compute_eflags(env) & 0x3200, ==, 0x3200);
    g_assert_cmphex(peek(TSS2_ADDR, 2), ==, SEL_TSS);             /* back link */
    g_assert_cmphex(peek(TSS_ADDR + 0x20, 4), ==, 0x123);         /* old state */
    g_assert_cmphex(peek(TSS_ADDR + 0x28, 4), ==, 0xaaaa);
    g_assert_cmphex(peek(GDT_ADDR + SEL_TSS + 5, 1), ==, 0x8b);   /* both busy */
    g_assert_cmphex(peek(GDT_ADDR + SEL_TSS2 + 5, 1), ==, 0x8b);
    ASSERT_FAULT(EXCP_GP, SEL_TSS, helper_far_jmp(env, SEL_TSS, 0, 0)); /* busy */
    /* IRET goes back */
    ASSERT_OK(helper_iret(env, MO_32, 0x6666));
    g_assert_cmphex(env->tr.selector, ==, SEL_TSS);
    g_assert_cmphex(env->head.eip, ==, 0x123);
    g_assert_cmphex(env->head.gpr[R_EAX], ==, 0xaaaa);
    g_assert_false(env->eflags & EFL_NT);
    g_assert_cmphex(peek(TSS2_ADDR + 0x20, 4), ==, 0x6666);
    g_assert_false(peek(TSS2_ADDR + 0x24, 4) & EFL_NT);
    g_assert_cmphex(peek(GDT_ADDR + SEL_TSS2 + 5, 1), ==, 0x89);
    /* a jump marks the old one free; through a task gate */
    poke(GDT_ADDR + SEL_GATE, 8, (uint64_t)SEL_TSS2 << 16 | 0x85ULL << 40);
    ASSERT_OK(helper_far_jmp(env, SEL_GATE, 0, 0x456));
    g_assert_cmphex(env->head.eip, ==, 0x6666);
    g_assert_cmphex(peek(GDT_ADDR + SEL_TSS + 5, 1), ==, 0x89);
    g_assert_false(env->eflags & EFL_NT);
    harness_stop();
}

static void test_task_errors(void)
{
    start();
    fill_tss32(TSS2_ADDR);
    set_gdt(SEL_TSS2, make_desc(TSS2_ADDR, 0x66, 0x0089));
    ASSERT_FAULT(EXCP_TS, SEL_TSS2, helper_far_jmp(env, SEL_TSS2, 0, 0)); /* limit */
    set_gdt(SEL_TSS2, make_desc(TSS2_ADDR, 0x67, 0x0009));
    ASSERT_FAULT(EXCP_NP, SEL_TSS2, helper_far_jmp(env, SEL_TSS2, 0, 0));
    g_assert_cmphex(env->tr.selector, ==, SEL_TSS);
    /* a bad segment is the new task's fault */
    set_gdt(SEL_TSS2, make_desc(TSS2_ADDR, 0x67, 0x0089));
    poke(TSS2_ADDR + 0x50, 4, SEL_RO0); /* SS */
    ASSERT_FAULT(EXCP_TS, SEL_RO0, helper_far_jmp(env, SEL_TSS2, 0, 0));
    g_assert_cmphex(env->tr.selector, ==, SEL_TSS2);
    harness_stop();
}

static void test_task16(void)
{
    start();
    memset(ram + TSS2_ADDR, 0, 0x2c);
    poke(TSS2_ADDR + 0x0e, 2, 0x4444);
    poke(TSS2_ADDR + 0x10, 2, 0x0202);
    poke(TSS2_ADDR + 0x12, 2, 0xbeef);
    poke(TSS2_ADDR + 0x22, 2, SEL_DATA0);
    poke(TSS2_ADDR + 0x24, 2, SEL_CODE0);
    poke(TSS2_ADDR + 0x26, 2, SEL_DATA0);
    poke(TSS2_ADDR + 0x28, 2, SEL_DATA0);
    ASSERT_OK(helper_far_jmp(env, SEL_TSS16, 0, 0x99));
    g_assert_cmphex(env->head.eip, ==, 0x4444);
    g_assert_cmphex(env->head.gpr[R_EAX] & 0xffff, ==, 0xbeef);
    g_assert_cmphex(env->segs[R_FS].selector, ==, 0);
    ASSERT_OK(helper_far_jmp(env, SEL_TSS, 0, 0x77)); /* and back to the 32-bit one */
    g_assert_cmphex(env->head.eip, ==, 0x99);
    g_assert_cmphex(peek(TSS2_ADDR + 0x0e, 2), ==, 0x77);
    harness_stop();
}

static void test_fast_calls(void)
{
    start();
    enter_long();
    env->star = (uint64_t)(SEL_DATA3 - 8) << 48 | (uint64_t)SEL_CODE0 << 32;
    env->lstar = 0xffffffff81000000ULL;
    env->fmask = EFL_IF | EFL_TF;
    drop_to_ring3();
    cpu_load_seg_cache(env, R_CS, SEL_CODE64_3 | 3, 0, 0xffffffff, 0xa0fb00);
    env->eflags |= EFL_IF;
    ASSERT_OK(helper_syscall(env, 0x400002));
    g_assert_cmphex(env->head.eip, ==, 0xffffffff81000000ULL);
    g_assert_cmphex(env->head.gpr[R_ECX], ==, 0x400002);
    g_assert_cmphex(env->head.gpr[11], ==, 0x202);
    g_assert_false(env->eflags & EFL_IF);
    g_assert_cmpuint(cpu_cpl(env), ==, 0);
    g_assert_true(cpu_is_64(env));
    ASSERT_OK(helper_sysret(env, MO_64));
    g_assert_cmphex(env->head.eip, ==, 0x400002);
    g_assert_cmpuint(cpu_cpl(env), ==, 3);
    g_assert_true(env->eflags & EFL_IF);
    g_assert_cmphex(env->segs[R_CS].selector, ==, (SEL_DATA3 + 8) | 3);
    g_assert_cmphex(env->segs[R_SS].selector, ==, SEL_DATA3 | 3);
    ASSERT_FAULT(EXCP_GP, 0, helper_sysret(env, MO_64)); /* CPL 3 */
    env->efer &= ~(uint64_t)EFER_SCE;
    ASSERT_FAULT(EXCP_UD, 0, helper_syscall(env, 0));
    env->sysenter_cs = SEL_CODE0;
    env->sysenter_eip = 0x1111;
    env->sysenter_esp = 0x2222;
    ASSERT_OK(helper_sysenter(env));
    g_assert_cmphex(env->head.eip, ==, 0x1111);
    g_assert_cmphex(env->head.gpr[R_ESP], ==, 0x2222);
    g_assert_cmpuint(cpu_cpl(env), ==, 0);
    env->sysenter_cs = 0;
    ASSERT_FAULT(EXCP_GP, 0, helper_sysenter(env));
    harness_stop();
}

static void test_io_map(void)
{
    start();
    set_gdt(SEL_TSS, make_desc(TSS_ADDR, 0x67 + 0x11, 0x0089));
    ASSERT_OK(helper_ltr(env, SEL_TSS));
    poke(TSS_ADDR + 0x66, 2, 0x68);
    memset(ram + TSS_ADDR + 0x68, 0, 16);
    poke(TSS_ADDR + 0x68 + 8, 1, 0x10); /* port 44h */
    drop_to_ring3();
    ASSERT_OK(helper_check_io(env, 0x43, 1));
    ASSERT_FAULT(EXCP_GP, 0, helper_check_io(env, 0x44, 1));
    ASSERT_FAULT(EXCP_GP, 0, helper_check_io(env, 0x43, 2));
    ASSERT_FAULT(EXCP_GP, 0, helper_check_io(env, 0x41, 4));
    ASSERT_OK(helper_check_io(env, 0x40, 4));
    ASSERT_FAULT(EXCP_GP, 0, helper_check_io(env, 0x3f8, 1)); /* beyond the map */
    env->eflags |= EFL_IOPL;
    ASSERT_OK(helper_check_io(env, 0x44, 1));
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/target-x86/seg/load", test_load);
    g_test_add_func("/target-x86/seg/real-and-unreal", test_real);
    g_test_add_func("/target-x86/seg/limits-and-types", test_check);
    g_test_add_func("/target-x86/seg/lar-lsl-verr-verw", test_lar);
    g_test_add_func("/target-x86/seg/lldt-ltr", test_ldtr_tr);
    g_test_add_func("/target-x86/seg/far-direct", test_far_direct);
    g_test_add_func("/target-x86/seg/call-gate", test_call_gate);
    g_test_add_func("/target-x86/seg/task-switch", test_task);
    g_test_add_func("/target-x86/seg/task-errors", test_task_errors);
    g_test_add_func("/target-x86/seg/task-16", test_task16);
    g_test_add_func("/target-x86/seg/syscall-sysenter", test_fast_calls);
    g_test_add_func("/target-x86/seg/io-map", test_io_map);
    return g_test_run();
}
