/* test-counts.c - what fixed guest code costs, in counts that depend on no clock: host instructions executed per guest
 * instruction, helper calls, translations, TLB fills. They are compared with those in counts.txt; one that grew by more
 * than 5 % fails. `make renew-counts` writes the file anew: do it with the change that explains the difference.
 *
 * Figures depend on the host features that the back end uses, so they are filed under those. Nothing interrupts the guest,
 * and its code is fixed bytes (no compiler in between). Not modelled: cost of slow paths, helpers and devices; time. */
#include "../target-x86/sys-harness.h"
#include "accel/internal.h"

#define FIGURES "tests/accel/counts.txt"
enum { PML4 = 0x10000, PDPT = 0x11000, PD = 0x12000, PTS = 0x600000, CODE = 0x100000, STACK = 0x190000 };

/* Copied to CODE. 200000h: bytes; 220000h: table; 40000000h: 2048 small pages that become present by their page fault
 * (page tables at 600000h). Each workload ends at HLT. */
__asm__(".pushsection .rodata\n.balign 16\n"
        "guest_begin:\n"
        /* --- integer: sieve, recursion, flags across branches, indirect calls --- */
        "w_integer:\n"
        " mov $20000, %ecx\n mov $0x200000, %edi\n mov $1, %al\n rep stosb\n mov $2, %esi\n"
        "1: cmpb $0, 0x200000(%rsi)\n je 3f\n mov %esi, %eax\n imul %esi, %eax\n"
        "2: cmp $20000, %eax\n jae 3f\n movb $0, 0x200000(%rax)\n add %esi, %eax\n jmp 2b\n"
        "3: inc %esi\n cmp $142, %esi\n jb 1b\n"
        " mov $16, %edi\n call fib\n mov $20000, %ecx\n"
        "4: movzbl 0x200000(%rcx), %edx\n xor %edx, %eax\n rol $5, %eax\n shr $1, %eax\n adc $0x12345, %eax\n"
        " test $8, %al\n jz 5f\n bsf %eax, %edx\n cmovc %edx, %eax\n lea 3(%rax,%rdx,4), %eax\n"
        "5: dec %ecx\n jnz 4b\n"
        " lea op0(%rip), %rax\n mov %rax, 0x220000\n lea op1(%rip), %rax\n mov %rax, 0x220008\n"
        " lea op2(%rip), %rax\n mov %rax, 0x220010\n lea op3(%rip), %rax\n mov %rax, 0x220018\n"
        " mov $5000, %r12d\n"
        "6: mov %r12d, %eax\n and $3, %eax\n call *0x220000(,%rax,8)\n dec %r12d\n jnz 6b\n hlt\n"
        "fib: cmp $2, %edi\n jb 7f\n push %rbx\n push %rdi\n dec %edi\n call fib\n mov %eax, %ebx\n pop %rdi\n sub $2, %edi\n"
        " call fib\n add %ebx, %eax\n pop %rbx\n ret\n"
        "7: mov %edi, %eax\n ret\n"
        "op0: add %rax, %rdx\n ret\n"
        "op1: mov %r12d, %ecx\n shl %cl, %edx\n ret\n"
        "op2: mov %edx, %eax\n mul %r12d\n xor %edx, %eax\n ret\n"
        "op3: movsbl %dl, %edx\n sar $3, %edx\n neg %edx\n ret\n"
        /* --- memory: page faults, walks through more pages than the TLB has, copies, flushes --- */
        "w_memory:\n"
        " mov $2048, %ecx\n mov $0x40000000, %rdi\n"
        "1: addq $1, (%rdi)\n add $4096, %rdi\n dec %ecx\n jnz 1b\n"
        " mov $3, %r8d\n"
        "2: mov $2048, %ecx\n mov $0x40000000, %rdi\n"
        "3: mov (%rdi), %rax\n add %rax, 64(%rdi)\n add %rax, 2048(%rdi)\n add $4096, %rdi\n dec %ecx\n jnz 3b\n"
        " mov $8192, %ecx\n mov $0x40000000, %rsi\n mov $0x40100000, %rdi\n rep movsq\n"
        " mov $4096, %ecx\n"
        "4: mov 0x40000000(%rcx), %al\n mov %al, 0x40200003(%rcx)\n dec %ecx\n jnz 4b\n"
        " mov $64, %ecx\n mov $0x40000000, %rdi\n"
        "5: invlpg (%rdi)\n addl $1, (%rdi)\n add $0x8000, %rdi\n dec %ecx\n jnz 5b\n"
        " mov %cr3, %rax\n mov %rax, %cr3\n dec %r8d\n jnz 2b\n hlt\n"
        "page_fault: push %rax\n mov %cr2, %rax\n shr $12, %rax\n and $2047, %eax\n orl $1, 0x600000(,%rax,8)\n pop %rax\n"
        " add $8, %rsp\n iretq\n"
        /* --- floating point and system calls --- */
        "w_fpsys:\n"
        " mov $4096, %ecx\n mov $0x200000, %edi\n xor %eax, %eax\n"
        "1: cvtsi2ss %ecx, %xmm0\n movss %xmm0, (%rdi)\n add $4, %rdi\n dec %ecx\n jnz 1b\n"
        " xorps %xmm2, %xmm2\n mov $0x200000, %edi\n mov $1024, %ecx\n"
        "2: movaps (%rdi), %xmm0\n mulps %xmm0, %xmm0\n addps %xmm0, %xmm2\n shufps $0x4e, %xmm2, %xmm0\n comiss %xmm2, %xmm0\n"
        " jb 3f\n cvttps2dq %xmm0, %xmm1\n paddd %xmm1, %xmm3\n movaps %xmm3, (%rdi)\n"
        "3: add $16, %rdi\n dec %ecx\n jnz 2b\n"
        " fninit\n fldz\n mov $0x200000, %edi\n mov $1000, %ecx\n"
        "4: flds (%rdi)\n fld %st(0)\n fmul %st(1), %st\n fabs\n fsqrt\n faddp %st, %st(2)\n fstps (%rdi)\n add $4, %rdi\n"
        " dec %ecx\n jnz 4b\n fstpl 0x220000\n"
        " mov $0xc0000081, %ecx\n xor %eax, %eax\n mov $0x00130008, %edx\n wrmsr\n" /* STAR */
        " mov $0xc0000082, %ecx\n lea sys_entry(%rip), %rax\n xor %edx, %edx\n wrmsr\n" /* LSTAR */
        " mov $0xc0000084, %ecx\n mov $0x700, %eax\n wrmsr\n" /* FMASK */
        " mov $2000, %ebx\n lea user(%rip), %rcx\n mov $2, %r11d\n sysretq\n"
        "user: mov %ebx, %eax\n and $1, %eax\n syscall\n dec %ebx\n jnz user\n mov $2, %eax\n syscall\n"
        "sys_entry: swapgs\n cmp $2, %eax\n je 5f\n pushf\n pop %rax\n add %rax, 0x220008\n swapgs\n sysretq\n"
        "5: mov $500, %ebx\n"
        "6: int $0x40\n cpuid_loop: dec %ebx\n jnz 6b\n mov $50, %esi\n"
        "7: xor %eax, %eax\n cpuid\n mov $0xc0000080, %ecx\n rdmsr\n dec %esi\n jnz 7b\n hlt\n"
        "soft_int: push %rax\n incq 0x220010\n pop %rax\n iretq\n"
        "guest_end:\n.popsection\n");
extern const uint8_t guest_begin[], guest_end[], w_integer[], w_memory[], w_fpsys[], page_fault[], soft_int[];

enum { NB_FIGURES = 6 };
static const char *const figure_name[NB_FIGURES] = {"guest-insns", "host-per-1000-guest", "helper-calls", "translations", "tlb-fills", "loop-entries"};
typedef struct Figures {
    uint64_t v[NB_FIGURES];
} Figures;
typedef struct Workload {
    const char *name;
    const uint8_t *entry;
} Workload;
static const Workload workloads[] = {{"integer", w_integer}, {"memory", w_memory}, {"fp-system", w_fpsys}};

static char *feature_key(void)
{
    static const char *const names[] = {"avx", "bmi", "bmi2", "lzcnt", "popcnt"}; /* what tcg/x86_64 chooses code by */
    GString *s = g_string_new("x86_64");
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (tcg_host_has_simd(names[i]))
            g_string_append_printf(s, "+%s", names[i]);
    return g_string_free(s, false);
}

static uint64_t guest_address(const uint8_t *label) { return CODE + (uint64_t)(label - guest_begin); }

static Figures measure(const Workload *w, GString *helpers)
{
    Figures f;
    CPUState *cpu;
    JitCounts n;
    uint64_t translations, fills, exits;

    harness_start("max");
    tb_stats_init(true);
    cpu = env->cpu;
    enter_long();
    cpu_set_cr4(env, CR4_PAE | CR4_OSFXSR);
    memset(ram + PML4, 0, 0x3000);
    poke(PML4, 8, PDPT | 7);
    poke(PDPT, 8, 0x87);
    poke(PDPT + 8, 8, PD | 7);
    for (unsigned i = 0; i < 4; i++)
        poke(PD + i * 8, 8, (PTS + i * 0x1000) | 7);
    for (unsigned i = 0; i < 2048; i++)
        poke(PTS + i * 8, 8, (0x800000 + (uint64_t)i * 0x1000) | 6); /* not present */
    memcpy(ram + CODE, guest_begin, guest_end - guest_begin);
    set_gate64(14, SEL_CODE64, guest_address(page_fault), 0x8e, 0);
    set_gate64(0x40, SEL_CODE64, guest_address(soft_int), 0x8e, 0);
    tlb_flush(cpu);
    tb_flush_all(cpu);
    env->head.eip = guest_address(w->entry);
    env->head.gpr[R_ESP] = STACK;

    tb_stats_reset();
    translations = jit_totals.translations;
    fills = cpu->stats.tlb_fills;
    exits = cpu->stats.exits;
    g_assert_cmpint(cpu_exec(cpu), ==, EXCP_HLT);
    g_assert_cmphex(ram[env->head.eip - 1], ==, 0xf4); /* and not a shutdown */
    n = jit_counts();
    f.v[0] = n.guest_insns;
    f.v[1] = n.host_insns * 1000 / MAX(n.guest_insns, 1u);
    f.v[2] = jit_helper_calls(helpers);
    f.v[3] = jit_totals.translations - translations;
    f.v[4] = cpu->stats.tlb_fills - fills;
    f.v[5] = cpu->stats.exits - exits;
    harness_stop();
    return f;
}

/* "KEY WORKLOAD FIGURE VALUE" lines; UINT64_MAX: there is none. */
static uint64_t stored(char **lines, const char *key, const char *workload, const char *figure)
{
    g_autofree char *start = g_strdup_printf("%s %s %s ", key, workload, figure);
    for (; *lines; lines++)
        if (g_str_has_prefix(*lines, start))
            return g_ascii_strtoull(*lines + strlen(start), NULL, 10);
    return UINT64_MAX;
}

static void test_workload(gconstpointer data)
{
    const Workload *w = data;
    g_autofree char *key = feature_key(), *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GString) helpers = g_string_new(NULL);
    Figures f;
    bool grew = false;

    if (!g_file_get_contents(FIGURES, &text, NULL, NULL)) {
        g_test_skip("run in the source directory: no " FIGURES);
        return;
    }
    lines = g_strsplit(text, "\n", -1);
    if (stored(lines, key, w->name, figure_name[0]) == UINT64_MAX) {
        g_autofree char *why = g_strdup_printf(FIGURES " has nothing for hosts with %s; `make renew-counts` adds it", key);
        g_test_skip(why);
        return;
    }
    f = measure(w, helpers);
    for (unsigned i = 0; i < NB_FIGURES; i++) {
        uint64_t old = stored(lines, key, w->name, figure_name[i]);
        if (f.v[i] == old)
            continue;
        /* The slack of 2 is for figures of one digit. Another number of guest instructions, whichever way: the workload is
         * not the one of the file (a little may be TBs that are cut elsewhere and left by a fault). */
        bool worse = f.v[i] > old + old / 20 + 2 || (i == 0 && f.v[i] < old - old / 20);
        grew |= worse;
        g_test_message("%s %s: %" PRIu64 " -> %" PRIu64 " (%+.1f %%)%s", w->name, figure_name[i], old, f.v[i],
                       100.0 * ((double)f.v[i] - (double)old) / (double)MAX(old, 1u), worse ? " TOO MUCH" : "");
    }
    g_test_message("%s: helper calls\n%s", w->name, helpers->str);
    if (grew) {
        g_test_message("if the growth is meant: make renew-counts, and say why in the commit");
        g_test_fail();
    }
}

/* Two runs give the same figures: what is counted depends on no clock. */
static void test_repeat(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(workloads); i++) {
        Figures a = measure(&workloads[i], NULL), b = measure(&workloads[i], NULL);
        for (unsigned k = 0; k < NB_FIGURES; k++)
            g_assert_cmpuint(a.v[k], ==, b.v[k]);
    }
}

static int renew(void)
{
    g_autofree char *key = feature_key(), *text = NULL, *own = g_strdup_printf("%s ", key);
    g_autoptr(GString) out = g_string_new(NULL);

    if (!g_file_get_contents(FIGURES, &text, NULL, NULL))
        text = g_strdup("# What the workloads of test-counts.c cost: host features, workload, figure, value. `make renew-counts` writes it.\n");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **l = lines; *l; l++)
        if (**l && !g_str_has_prefix(*l, own))
            g_string_append_printf(out, "%s\n", *l);
    for (unsigned i = 0; i < ARRAY_SIZE(workloads); i++) {
        Figures f = measure(&workloads[i], NULL);
        for (unsigned k = 0; k < NB_FIGURES; k++)
            g_string_append_printf(out, "%s %s %s %" PRIu64 "\n", key, workloads[i].name, figure_name[k], f.v[k]);
    }
    return g_file_set_contents(FIGURES, out->str, -1, NULL) ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--renew"))
        return renew();
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(workloads); i++) {
        g_autofree char *path = g_strdup_printf("/counts/%s", workloads[i].name);
        g_test_add_data_func(path, &workloads[i], test_workload);
    }
    g_test_add_func("/counts/repeat", test_repeat);
    return g_test_run();
}
