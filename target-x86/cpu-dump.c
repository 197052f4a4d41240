/* cpu-dump.c - the CPU's registers as text (`info registers`, -d cpu, -d int) and by name for the monitor.
 * The format is the one of qemu-system-x86_64 7.2, which scripts parse. */
#include "host/base/osdep.h"
#include "target-x86/sys.h"

static const char *system_type_name(unsigned type, bool lma)
{
    static const char *const legacy[16] = {"Reserved", "TSS16-avl", "LDT", "TSS16-busy", "CallGate16", "TaskGate", "IntGate16",
                                           "TrapGate16", "Reserved", "TSS32-avl", "Reserved", "TSS32-busy", "CallGate32",
                                           "Reserved", "IntGate32", "TrapGate32"};
    static const char *const ia32e[16] = {"<hiword>", "Reserved", "LDT", "Reserved", "Reserved", "Reserved", "Reserved",
                                          "Reserved", "Reserved", "TSS64-avl", "Reserved", "TSS64-busy", "CallGate64",
                                          "Reserved", "IntGate64", "TrapGate64"};
    return lma ? ia32e[type & 15] : legacy[type & 15];
}

static void dump_seg(CPUX86State *env, GString *out, const char *name, const SegCache *s)
{
    int base_digits = cpu_is_64(env) ? 16 : 8;
    g_string_append_printf(out, "%-3s=%04x %0*" PRIx64 " %08x %08x", name, s->selector, base_digits,
                           base_digits == 8 ? (uint32_t)s->base : s->base, s->limit, s->flags & 0x00ffff00);
    if ((env->hflags & HF_PE) && (s->flags & DESC_P)) {
        g_string_append_printf(out, " DPL=%u ", desc_dpl(s->flags));
        if (s->flags & DESC_S) {
            if (s->flags & DESC_CODE) {
                g_string_append(out, s->flags & DESC_L ? "CS64" : s->flags & DESC_B ? "CS32" : "CS16");
                g_string_append_printf(out, " [%c%c", s->flags & DESC_C ? 'C' : '-', s->flags & DESC_R ? 'R' : '-');
            } else {
                g_string_append(out, (s->flags & DESC_B) || cpu_lma(env) ? "DS  " : "DS16");
                g_string_append_printf(out, " [%c%c", s->flags & DESC_E ? 'E' : '-', s->flags & DESC_W ? 'W' : '-');
            }
            g_string_append_printf(out, "%c]", s->flags & DESC_A ? 'A' : '-');
        } else {
            g_string_append(out, system_type_name(desc_type(s->flags), cpu_lma(env)));
        }
    }
    g_string_append_c(out, '\n');
}

static void dump_general(CPUX86State *env, GString *out)
{
    static const char *const names[16] = {"AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI", "8 ", "9 ", "10", "11", "12", "13", "14", "15"};
    static const uint8_t order[16] = {R_EAX, R_EBX, R_ECX, R_EDX, R_ESI, R_EDI, R_EBP, R_ESP, 8, 9, 10, 11, 12, 13, 14, 15};
    bool wide = cpu_is_64(env);
    for (int i = 0; i < (wide ? 16 : 8); i++) {
        int r = order[i];
        char end = i % 4 == 3 ? '\n' : ' ';
        if (wide)
            g_string_append_printf(out, "R%s=%016" PRIx64 "%c", names[r], env->head.gpr[r], end);
        else
            g_string_append_printf(out, "E%s=%08x%c", names[r], (uint32_t)env->head.gpr[r], end);
    }
    uint32_t efl = cpu_compute_eflags(env);
    if (wide)
        g_string_append_printf(out, "RIP=%016" PRIx64 " RFL=%08x", env->head.eip, efl);
    else
        g_string_append_printf(out, "EIP=%08x EFL=%08x", (uint32_t)env->head.eip, efl);
    g_string_append_printf(out, " [%c%c%c%c%c%c%c] CPL=%u II=%d A20=%d SMM=%d HLT=%d\n", efl & EFL_DF ? 'D' : '-',
                           efl & CC_O ? 'O' : '-', efl & CC_S ? 'S' : '-', efl & CC_Z ? 'Z' : '-', efl & CC_A ? 'A' : '-',
                           efl & CC_P ? 'P' : '-', efl & CC_C ? 'C' : '-', cpu_cpl(env), env->inhibit_irq != 0,
                           (int)(env->a20_mask >> 20 & 1), env->in_smm, env->cpu->halted);
}

static void dump_system(CPUX86State *env, GString *out)
{
    static const char *const names[6] = {"ES", "CS", "SS", "DS", "FS", "GS"};
    for (int i = 0; i < 6; i++)
        dump_seg(env, out, names[i], &env->segs[i]);
    dump_seg(env, out, "LDT", &env->ldt);
    dump_seg(env, out, "TR", &env->tr);
    if (cpu_lma(env)) {
        g_string_append_printf(out, "GDT=     %016" PRIx64 " %08x\nIDT=     %016" PRIx64 " %08x\n", env->gdt.base, env->gdt.limit,
                               env->idt.base, env->idt.limit);
        g_string_append_printf(out, "CR0=%08x CR2=%016" PRIx64 " CR3=%016" PRIx64 " CR4=%08x\n", (uint32_t)env->cr[0], env->cr[2],
                               env->cr[3], (uint32_t)env->cr[4]);
    } else {
        g_string_append_printf(out, "GDT=     %08x %08x\nIDT=     %08x %08x\n", (uint32_t)env->gdt.base, env->gdt.limit,
                               (uint32_t)env->idt.base, env->idt.limit);
        g_string_append_printf(out, "CR0=%08x CR2=%08x CR3=%08x CR4=%08x\n", (uint32_t)env->cr[0], (uint32_t)env->cr[2],
                               (uint32_t)env->cr[3], (uint32_t)env->cr[4]);
    }
    for (int i = 0; i < 4; i++)
        g_string_append_printf(out, "DR%d=%016" PRIx64 " ", i, env->dr[i]);
    g_string_append_printf(out, "\nDR6=%016" PRIx64 " DR7=%016" PRIx64 "\n", env->dr[6], env->dr[7]);
    g_string_append_printf(out, "EFER=%016" PRIx64 "\n", env->efer);
}

static void dump_fpu(CPUX86State *env, GString *out)
{
    unsigned used = 0;
    for (int i = 0; i < 8; i++)
        used |= !env->fptags[i] << i;
    g_string_append_printf(out, "FCW=%04x FSW=%04x [ST=%u] FTW=%02x MXCSR=%08x\n", env->fpuc, cpu_get_fpsw(env), env->fpstt & 7, used,
                           cpu_get_mxcsr(env));
    for (int i = 0; i < 8; i++)
        g_string_append_printf(out, "FPR%d=%016" PRIx64 " %04x%c", i, env->fpregs[i].mant, env->fpregs[i].exp, i & 1 ? '\n' : ' ');
    if (env->hflags & HF_OSXSAVE) { /* AVX is on */
        for (int i = 0; i < (cpu_is_64(env) ? 16 : 8); i++)
            g_string_append_printf(out, "YMM%02d=%016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n", i, env->xmm[i].q[3],
                                   env->xmm[i].q[2], env->xmm[i].q[1], env->xmm[i].q[0]);
        return;
    }
    for (int i = 0; i < (cpu_is_64(env) ? 16 : 8); i++)
        g_string_append_printf(out, "XMM%02d=%016" PRIx64 " %016" PRIx64 "%c", i, env->xmm[i].q[1], env->xmm[i].q[0], i & 1 ? '\n' : ' ');
}

void x86_dump_state(CPUState *cpu, GString *out, bool fpu)
{
    CPUX86State *env = X86_ENV(cpu);
    dump_general(env, out);
    dump_system(env, out);
    if (fpu)
        dump_fpu(env, out);
}

/* --- registers by name --- */

static bool get_segment_reg(CPUX86State *env, const char *name, uint64_t *val)
{
    static const char names[6][3] = {"es", "cs", "ss", "ds", "fs", "gs"};
    for (int i = 0; i < 6; i++) {
        if (strncmp(name, names[i], 2))
            continue;
        if (!name[2])
            *val = env->segs[i].selector;
        else if (!strcmp(name + 2, ".limit"))
            *val = env->segs[i].limit;
        else if (!strcmp(name + 2, ".base") || !strcmp(name + 2, "_base"))
            *val = env->segs[i].base;
        else if (!strcmp(name + 2, ".flags"))
            *val = env->segs[i].flags;
        else
            return false;
        return true;
    }
    return false;
}

bool cpu_x86_get_reg(CPUX86State *env, const char *name, uint64_t *val)
{
    static const char names[8][3] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
    bool wide = cpu_is_64(env);
    for (int i = 0; i < 8; i++) {
        if (!strcmp(name, names[i])) {
            *val = wide ? env->head.gpr[i] : (uint32_t)env->head.gpr[i];
            return true;
        }
        if ((name[0] == 'e' || name[0] == 'r') && !strcmp(name + 1, names[i])) {
            *val = name[0] == 'r' ? env->head.gpr[i] : (uint32_t)env->head.gpr[i];
            return true;
        }
    }
    if (name[0] == 'r' && g_ascii_isdigit(name[1])) {
        char *end;
        unsigned long n = strtoul(name + 1, &end, 10);
        if (*end || n < 8 || n > 15)
            return false;
        *val = env->head.gpr[n];
        return true;
    }
    const struct { const char *name; uint64_t val; } others[] = {
        {"pc", env->segs[R_CS].base * !wide + env->head.eip}, {"eip", env->head.eip}, {"rip", env->head.eip},
        {"cr0", env->cr[0]}, {"cr2", env->cr[2]}, {"cr3", env->cr[3]}, {"cr4", env->cr[4]}, {"efer", env->efer},
        {"dr0", env->dr[0]}, {"dr1", env->dr[1]}, {"dr2", env->dr[2]}, {"dr3", env->dr[3]}, {"dr6", env->dr[6]},
        {"dr7", env->dr[7]}, {"gdtr", env->gdt.base}, {"idtr", env->idt.base}, {"ldtr", env->ldt.selector}, {"tr", env->tr.selector},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
        if (!strcmp(name, others[i].name)) {
            *val = others[i].val;
            return true;
        }
    if (!strcmp(name, "eflags") || !strcmp(name, "rflags")) {
        *val = cpu_compute_eflags(env);
        return true;
    }
    return get_segment_reg(env, name, val);
}
