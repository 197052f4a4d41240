/* test-cpuid.c - models, feature switches and their errors, CPUID leaves, MSRs, control registers, the
 * register dump, and saved state. */
#include "sys-harness.h"

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4]) { cpu_x86_cpuid(env, leaf, sub, r); }

/* Without -cpu a guest gets all that the host can serve. */
static void test_default(void)
{
    uint32_t want[4], got[4];

    harness_start("max");
    cpuid(7, 0, want);
    harness_stop();
    harness_start(NULL);
    cpuid(7, 0, got);
    g_assert_cmpmem(want, sizeof want, got, sizeof got);
    harness_stop();
}

static void test_qemu64(void)
{
    uint32_t r[4];
    char name[49] = "";
    harness_start("qemu64");
    g_assert_cmphex(env->head.gpr[R_EDX], ==, 0x60fb1); /* signature at reset */
    cpuid(0, 0, r);
    g_assert_cmphex(r[0], ==, 0xd);
    g_assert_cmpmem(&r[1], 4, "Auth", 4);
    g_assert_cmpmem(&r[3], 4, "enti", 4);
    g_assert_cmpmem(&r[2], 4, "cAMD", 4);
    cpuid(1, 0, r);
    g_assert_cmphex(r[0], ==, 0x60fb1);
    g_assert_cmphex(r[3], ==, 0x78bfbfd);
    g_assert_true(r[2] & 1u << 31);
    g_assert_false(r[2] & 1u << 20);
    cpuid(0x80000001, 0, r);
    g_assert_true(r[3] & 1u << 29);
    g_assert_true(r[3] & 1); /* AMD repeats FPU and others */
    for (int i = 0; i < 3; i++)
        cpuid(0x80000002 + i, 0, (uint32_t *)(name + i * 16));
    g_assert_cmpstr(name, ==, "QEMU Virtual CPU version 2.5+");
    cpuid(0x80000008, 0, r);
    g_assert_cmphex(r[0], ==, 48 << 8 | 40);
    cpuid(0x12345678, 0, r); /* beyond the last leaf: as the last */
    g_assert_cmphex(r[0] | r[1] | r[2] | r[3], ==, 0);
    cpuid(0x40000000, 0, r);
    g_assert_cmpmem(&r[1], 12, "TCGTCGTCGTCG", 12);
    harness_stop();
}

/* Leaf 0DH follows XCR0 and the features. */
static void test_xsave(void)
{
    static const struct { const char *model; bool xsave, avx, pku; } cases[] = {
        {"max", true, true, true}, {"max,-avx", true, false, true}, {"max,-avx,-pku", true, false, false}, {"max,-xsave", false, false, false},
        {"Nehalem", false, false, false}, {"Haswell", true, true, false},
    };
    if (!cpuid_feature_supported(X86F_AVX)) {
        g_test_skip("no AVX here");
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint32_t r[4];
        harness_start(cases[i].model);
        g_assert_cmpint(cpu_has(env, X86F_AVX), ==, cases[i].avx);
        g_assert_cmpint(cpu_has(env, X86F_AVX2), ==, cases[i].avx);
        cpuid(0, 0, r);
        if (cases[i].xsave)
            g_assert_cmphex(r[0], >=, 0xd);
        if (r[0] < 0xd) { /* no such leaf */
            harness_stop();
            continue;
        }
        cpuid(0xd, 0, r);
        g_assert_cmphex(r[0], ==, (cases[i].avx ? 7 : cases[i].xsave ? 3 : 0) | (cases[i].xsave && cases[i].pku ? 0x200 : 0));
        g_assert_cmpuint(r[1], ==, cases[i].xsave ? 576 : 0);
        g_assert_cmpuint(r[2], ==, !cases[i].xsave ? 0 : cases[i].pku ? 2696 : cases[i].avx ? 832 : 576);
        env->xcr0 = 7;
        cpuid(0xd, 0, r);
        g_assert_cmpuint(r[1], ==, cases[i].xsave ? 832 : 0);
        cpuid(0xd, 9, r);
        g_assert_cmpuint(r[0], ==, cases[i].xsave && cases[i].pku ? 8 : 0);
        g_assert_cmpuint(r[1], ==, cases[i].xsave && cases[i].pku ? 2688 : 0);
        cpuid(0xd, 2, r);
        g_assert_cmpuint(r[0], ==, cases[i].avx ? 256 : 0);
        g_assert_cmpuint(r[1], ==, cases[i].avx ? 576 : 0);
        harness_stop();
    }
}

static void test_switches(void)
{
    uint32_t r[4];
    harness_start("qemu64,+sse4_1,-pni,popcnt=on,vendor=GenuineIntel,model=42,family=6,stepping=7,model-id=Test CPU,hypervisor=off");
    g_assert_true(cpu_has(env, X86F_SSE41));
    g_assert_true(cpu_has(env, X86F_POPCNT));
    g_assert_false(cpu_has(env, X86F_SSE3));
    cpuid(0, 0, r);
    g_assert_cmpmem(&r[1], 4, "Genu", 4);
    cpuid(1, 0, r);
    g_assert_cmphex(r[0], ==, 0x206a7);
    g_assert_false(r[2] & 1u << 31);
    cpuid(0x40000000, 0, r);
    g_assert_cmphex(r[0], ==, 0);
    harness_stop();
    harness_start("max");
    g_assert_true(cpu_has(env, X86F_SMAP));
    g_assert_true(cpu_has(env, X86F_X2APIC));
    g_assert_true(cpu_has(env, X86F_SVM)); /* shown, and switched off: test_svm() */
    g_assert_true(cpu_has(env, X86F_SSE4A));
    g_assert_false(cpu_has(env, X86F_MISALIGNSSE)); /* nor has QEMU's */
    g_assert_false(cpu_has(env, X86F_TOPOEXT));
    g_assert_true(cpu_has(env, X86F_MONITOR));
    g_assert_false(cpu_has(env, X86F_VMX));
    cpuid(4, 0, r); /* AMD has no such leaf */
    g_assert_cmphex(r[0], ==, 0);
    cpuid(5, 0, r);
    g_assert_cmphex(r[2], ==, 3);
    harness_stop();
    harness_start("EPYC,enforce");
    g_assert_true(cpu_has(env, X86F_MISALIGNSSE));
    g_assert_true(cpu_has(env, X86F_FXSR_OPT));
    cpuid(0x8000001d, 3, r);
    g_assert_cmphex(r[0], ==, 0x163);
    cpuid(0x8000001e, 0, r);
    g_assert_cmphex(r[0], ==, 0);
    g_assert_cmphex(r[1], ==, 0);
    harness_stop();
    harness_start("EPYC,-topoext");
    cpuid(0x8000001d, 3, r);
    g_assert_cmphex(r[0], ==, 0);
    harness_stop();
    harness_start("Westmere");
    cpuid(4, 0, r);
    g_assert_cmphex(r[0], ==, 0x121);
    cpuid(2, 0, r);
    g_assert_cmphex(r[0], ==, 1);
    harness_stop();
    harness_start("qemu64,-popcnt,+popcnt,sse4.1=off,+sse4.1,avx=on,-avx"); /* + and then - after all others */
    g_assert_false(cpu_has(env, X86F_POPCNT));
    g_assert_true(cpu_has(env, X86F_SSE41));
    g_assert_false(cpu_has(env, X86F_AVX));
    harness_stop();
    harness_start("Haswell-noTSX,enforce");
    g_assert_false(cpu_has(env, X86F_RTM));
    g_assert_true(cpu_has(env, X86F_MOVBE));
    harness_stop();
    harness_start("qemu64,enforce,check=off,hv-relaxed,kvm=off");
    harness_stop();
    harness_start("486");
    cpuid(1, 0, r);
    g_assert_cmphex(r[0], ==, 0x480);
    g_assert_cmphex(r[3], ==, 0xb);
    harness_stop();
}

static void check_error(const char *spec, const char *word)
{
    GError *err = NULL;
    g_assert_null(cpu_x86_create(spec, &err));
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(err->message, word));
    g_error_free(err);
}

static void test_errors(void)
{
    check_error("nosuch", "nosuch");
    check_error("qemu64,+bogus", "bogus");
    check_error("qemu64,bogus=on", "bogus");
    check_error("qemu64,sse=maybe", "maybe");
    check_error("qemu64,family=x", "family=x");
    check_error("qemu64,vendor=Short", "Short");
    check_error("qemu64,enforce,+vmx", "vmx");
    check_error("qemu64,+vmx,+rtm,enforce", "CPUID.01H:ECX.vmx, CPUID.07H:EBX.rtm");
    check_error("Haswell,enforce", "hle");
    check_error("EPYC-Rome,enforce=on", "perfctr-core");
    check_error("max,phys-bits=60", "60");
    check_error("max,enforce=maybe", "maybe");
    g_autoptr(GString) out = g_string_new(NULL);
    cpu_x86_list_models(out);
    g_assert_true(g_str_has_prefix(out->str, "Available CPUs:\n"));
    g_assert_nonnull(strstr(out->str, "\nx86 qemu64 "));
    g_assert_nonnull(strstr(out->str, "\nRecognized CPUID flags:\n  "));
}

static uint64_t rdmsr(uint32_t n)
{
    env->head.gpr[R_ECX] = n;
    helper_rdmsr(env);
    return (uint32_t)env->head.gpr[R_EAX] | env->head.gpr[R_EDX] << 32;
}
static void wrmsr(uint32_t n, uint64_t v)
{
    env->head.gpr[R_ECX] = n;
    env->head.gpr[R_EAX] = (uint32_t)v;
    env->head.gpr[R_EDX] = v >> 32;
    helper_wrmsr(env);
}

static void test_msr(void)
{
    harness_start("max");
    clock_use_test_clock();
    ASSERT_OK(wrmsr(0xc0000082, 0xffffffff81000000ULL));
    g_assert_cmphex(rdmsr(0xc0000082), ==, 0xffffffff81000000ULL);
    ASSERT_FAULT(EXCP_GP, 0, wrmsr(0xc0000082, 1ULL << 47));
    ASSERT_OK(wrmsr(0xc0000101, 0x1000));
    ASSERT_OK(wrmsr(0xc0000102, 0x2000));
    g_assert_cmphex(rdmsr(0xc0000101), ==, 0x1000);
    g_assert_cmphex(rdmsr(0xc0000102), ==, 0x2000);
    g_assert_cmphex(rdmsr(0xfe), ==, 0x508);
    ASSERT_OK(wrmsr(0x200, 0x80000006));
    g_assert_cmphex(rdmsr(0x200), ==, 0x80000006);
    ASSERT_FAULT(EXCP_GP, 0, wrmsr(0x200, 2));
    ASSERT_FAULT(EXCP_GP, 0, wrmsr(0x277, 0x0202020202020202ULL));
    ASSERT_FAULT(EXCP_GP, 0, wrmsr(0xc0000080, 1 << 5));
    ASSERT_FAULT(EXCP_GP, 0, rdmsr(0x800)); /* no APIC here */
    ASSERT_OK(wrmsr(0x410, ~0ULL ^ 1 << 10)); /* Linux writes this one */
    ASSERT_FAULT(EXCP_GP, 0, wrmsr(0x410, 5));
    ASSERT_FAULT(EXCP_GP, 0, rdmsr(0x400 + 4 * 31));
    ASSERT_FAULT(EXCP_GP, 0, wrmsr(0x401, 5));
    ASSERT_OK(wrmsr(0xdeadbeef, 5));
    g_assert_cmphex(rdmsr(0xdeadbeef), ==, 0);
    /* TSC and TSC_ADJUST move together */
    uint64_t t = rdmsr(0x10);
    ASSERT_OK(wrmsr(0x10, t + 1000));
    g_assert_cmphex(rdmsr(0x3b), ==, 1000);
    ASSERT_OK(wrmsr(0x3b, 0));
    g_assert_cmphex(rdmsr(0x10), ==, t);
    enter_protected();
    drop_to_ring3();
    ASSERT_FAULT(EXCP_GP, 0, rdmsr(0x10));
    cpu_set_cr4(env, CR4_TSD);
    ASSERT_FAULT(EXCP_GP, 0, helper_rdtsc(env));
    harness_stop();
}

/* SVM is shown where QEMU's models have it, and nobody can switch it on. */
static void test_svm(void)
{
    uint32_t r[4];
    harness_start("qemu64");
    g_assert_true(cpu_has(env, X86F_SVM));
    cpuid(0x8000000a, 0, r);
    g_assert_cmphex(r[0], ==, 1);
    g_assert_cmphex(r[3] & 4, ==, 0); /* SVML: there is no key */
    g_assert_cmphex(rdmsr(0xc0010114), ==, 0x18); /* LOCK, SVMDIS */
    ASSERT_FAULT(EXCP_GP, 0, wrmsr(0xc0000080, 1 << 12));
    wrmsr(0xc0010114, 0);
    g_assert_cmphex(rdmsr(0xc0010114), ==, 0x18);
    harness_stop();
    harness_start("qemu64,-svm");
    cpuid(0x8000000a, 0, r);
    g_assert_cmphex(r[0], ==, 0);
    harness_stop();
    harness_start("Nehalem");
    g_assert_false(cpu_has(env, X86F_SVM));
    harness_stop();
}

/* What comes with a feature is #GP without it. */
static void test_msr_features(void)
{
    static const uint32_t modern[] = {0x174, 0x3b, 0xfe, 0x200, 0x250, 0x277, 0x2ff, 0x400, 0xda0, 0xc0000081, 0xc0000082, 0xc0000100, 0xc0000102, 0xc0000103};

    harness_start("max");
    clock_use_test_clock();
    for (volatile unsigned i = 0; i < ARRAY_SIZE(modern); i++)
        ASSERT_OK(rdmsr(modern[i]));
    ASSERT_FAULT(EXCP_GP, 0, rdmsr(0xc0010140)); /* OSVW */
    g_assert_cmphex(rdmsr(0xc0010114), ==, 0x18);      /* VM_CR: SVM is off, for good */
    ASSERT_FAULT(EXCP_GP, 0, wrmsr(0xc0000080, 1 << 12));
    harness_stop();
    harness_start("pentium");
    clock_use_test_clock();
    for (volatile unsigned i = 0; i < ARRAY_SIZE(modern); i++) {
        ASSERT_FAULT(EXCP_GP, 0, rdmsr(modern[i]));
        ASSERT_FAULT(EXCP_GP, 0, wrmsr(modern[i], 0));
    }
    ASSERT_FAULT(EXCP_GP, 0, rdmsr(0xc0000080));
    harness_stop();
    harness_start("EPYC");
    clock_use_test_clock();
    g_assert_cmphex(rdmsr(0xc0010140), ==, 0);
    g_assert_cmphex(rdmsr(0xc0010141), ==, 0);
    ASSERT_OK(wrmsr(0xc0000080, 1 << 14)); /* EFER.FFXSR */
    harness_stop();
    harness_start("Haswell");
    ASSERT_FAULT(EXCP_GP, 0, wrmsr(0xc0000080, 1 << 14));
    harness_stop();
}

static void test_control(void)
{
    harness_start("max");
    ASSERT_FAULT(EXCP_GP, 0, helper_write_cr(env, 0, CR0_PG)); /* without PE */
    ASSERT_FAULT(EXCP_GP, 0, helper_write_cr(env, 0, CR0_NW));
    ASSERT_FAULT(EXCP_GP, 0, helper_write_cr(env, 4, CR4_PCIDE)); /* not offered */
    ASSERT_FAULT(EXCP_GP, 0, helper_write_cr(env, 4, 1 << 13));
    enter_protected();
    env->efer |= EFER_LME;
    ASSERT_FAULT(EXCP_GP, 0, helper_write_cr(env, 0, CR0_PE | CR0_PG)); /* LME needs PAE */
    ASSERT_OK(helper_write_cr(env, 4, CR4_PAE));
    ASSERT_OK(helper_write_cr(env, 0, CR0_PE | CR0_PG));
    g_assert_true(env->efer & EFER_LMA);
    ASSERT_FAULT(EXCP_GP, 0, helper_write_cr(env, 4, 0));
    ASSERT_FAULT(EXCP_GP, 0, helper_write_cr(env, 3, 1ULL << 45));
    ASSERT_OK(helper_write_cr(env, 0, CR0_PE));
    g_assert_false(env->efer & EFER_LMA);
    helper_lmsw(env, 0);
    g_assert_true(env->cr[0] & CR0_PE); /* cannot be cleared so */
    helper_lmsw(env, 8);
    g_assert_true(env->hflags & HF_TS);
    helper_clts(env);
    g_assert_false(env->hflags & HF_TS);
    harness_stop();
}

static void test_dump(void)
{
    uint64_t v;
    g_autoptr(GString) out = g_string_new(NULL);
    harness_start(NULL);
    cpu_x86_ops.dump_state(env->cpu, out, true);
    g_assert_true(g_str_has_prefix(out->str,
        "EAX=00000000 EBX=00000000 ECX=00000000 EDX=00060fb1\n"
        "ESI=00000000 EDI=00000000 EBP=00000000 ESP=00000000\n"
        "EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\n"
        "ES =0000 00000000 0000ffff 00009300\n"
        "CS =f000 ffff0000 0000ffff 00009b00\n"));
    g_assert_nonnull(strstr(out->str, "LDT=0000 00000000 0000ffff 00008200\n"
        "TR =0000 00000000 0000ffff 00008b00\n"
        "GDT=     00000000 0000ffff\n"
        "IDT=     00000000 0000ffff\n"
        "CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000\n"
        "DR0=0000000000000000 DR1=0000000000000000 DR2=0000000000000000 DR3=0000000000000000 \n"
        "DR6=00000000ffff0ff0 DR7=0000000000000400\n"
        "EFER=0000000000000000\n"
        "FCW=037f FSW=0000 [ST=0] FTW=00 MXCSR=00001f80\n"
        "FPR0=0000000000000000 0000 FPR1=0000000000000000 0000\n"));
    g_assert_true(cpu_x86_get_reg(env, "cs", &v) && v == 0xf000);
    g_assert_true(cpu_x86_get_reg(env, "pc", &v) && v == 0xfffffff0);
    g_assert_true(cpu_x86_get_reg(env, "edx", &v) && v == 0x60fb1);
    g_assert_false(cpu_x86_get_reg(env, "nosuch", &v));
    enter_long();
    g_string_truncate(out, 0);
    cpu_x86_ops.dump_state(env->cpu, out, false);
    g_assert_nonnull(strstr(out->str, "CPL=0 II=0 A20=1 SMM=0 HLT=0\nES =0010 0000000000000000 ffffffff 00c09300 DPL=0 DS   [-WA]\n"
        "CS =0028 0000000000000000 ffffffff 00a09b00 DPL=0 CS64 [-RA]\n"));
    g_assert_nonnull(strstr(out->str, "DPL=0 TSS64-busy\n"));
    harness_stop();
    harness_start("max");
    if (cpu_has(env, X86F_AVX)) { /* YMM registers once they are switched on */
        env->cr[4] |= CR4_OSXSAVE;
        env->xcr0 = 7;
        env->xmm[1].q[3] = 0x1234;
        cpu_update_hflags(env);
        g_string_truncate(out, 0);
        cpu_x86_ops.dump_state(env->cpu, out, true);
        g_assert_nonnull(strstr(out->str, "YMM01=0000000000001234 0000000000000000 0000000000000000 0000000000000000\n"));
        g_assert_null(strstr(out->str, "XMM00="));
    }
    harness_stop();
}

static void test_save(void)
{
    g_autoptr(GByteArray) a = g_byte_array_new(), b = g_byte_array_new();
    size_t pos = 0;
    GError *err = NULL;
    harness_start("max");
    enter_long();
    env->xmm[3].q[1] = 0x123456789;
    env->lstar = 77;
    uint32_t hflags = env->hflags;
    vmstate_save(cpu_x86_fields, env, a);
    cpu_x86_ops.reset(env->cpu);
    cpu_x86_pre_load(env);
    g_assert_true(vmstate_load(cpu_x86_fields, env, a->data, a->len, &pos, &err));
    g_assert_no_error(err);
    cpu_x86_post_load(env);
    g_assert_cmpuint(pos, ==, a->len);
    vmstate_save(cpu_x86_fields, env, b);
    g_assert_cmpmem(a->data, a->len, b->data, b->len);
    g_assert_cmphex(env->hflags, ==, hflags);
    g_assert_cmphex(env->xmm[3].q[1], ==, 0x123456789);
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/target-x86/cpuid/qemu64", test_qemu64);
    g_test_add_func("/target-x86/cpuid/default", test_default);
    g_test_add_func("/target-x86/cpuid/xsave", test_xsave);
    g_test_add_func("/target-x86/cpuid/switches", test_switches);
    g_test_add_func("/target-x86/cpuid/errors", test_errors);
    g_test_add_func("/target-x86/cpuid/msr", test_msr);
    g_test_add_func("/target-x86/cpuid/svm", test_svm);
    g_test_add_func("/target-x86/cpuid/msr-features", test_msr_features);
    g_test_add_func("/target-x86/cpuid/control-registers", test_control);
    g_test_add_func("/target-x86/cpuid/dump", test_dump);
    g_test_add_func("/target-x86/cpuid/save-load", test_save);
    return g_test_run();
}
