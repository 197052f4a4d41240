/* cpuid.c - CPU models, feature names and switches of -cpu, and the CPUID leaves.
 * Spec: Intel SDM vol. 2 CPUID; AMD APM vol. 3 appendix E; names and numbers of the models are those that
 * qemu-system-x86_64 7.2 shows, so that guests see the CPU that they were installed on.
 * Not modelled: more than one core per package; SVM, which MSR VM_CR shows as disabled. */
#include "host/base/osdep.h"
#include "softmmu/bql.h"
#include "target-x86/cpuid.h"
#include "tcg/tcg.h"

#define ALWAYS NULL
#define NEVER ""

static const struct FeatureInfo {
    const char *name;
    const char *need; /* NULL: always; "": never; or the host feature */
} features[CPUX86_FEATURE_WORDS * 32] = {
#define FEATURE(id, word, bit, name, need) [X86F_##id] = {name, need},
#include "target-x86/cpuid-features.def"
#undef FEATURE
};

static const char *const word_names[CPUX86_FEATURE_WORDS] = {
    [FEAT_1_EDX] = "CPUID.01H:EDX", [FEAT_1_ECX] = "CPUID.01H:ECX", [FEAT_7_EBX] = "CPUID.07H:EBX",
    [FEAT_7_ECX] = "CPUID.07H:ECX", [FEAT_7_EDX] = "CPUID.07H:EDX", [FEAT_7_1_EAX] = "CPUID.07H_01H:EAX",
    [FEAT_81_EDX] = "CPUID.80000001H:EDX", [FEAT_81_ECX] = "CPUID.80000001H:ECX", [FEAT_87_EDX] = "CPUID.80000007H:EDX",
    [FEAT_88_EBX] = "CPUID.80000008H:EBX", [FEAT_6_EAX] = "CPUID.06H:EAX", [FEAT_D_1_EAX] = "CPUID.0DH_01H:EAX",
};

#define INTEL "GenuineIntel"
#define AMD "AuthenticAMD"

/* Feature sets, each a superset of the one before it where that is how the CPUs grew. */
#define F_486 "fpu vme pse "
#define F_PENTIUM F_486 "de tsc msr mce cx8 mmx apic "
#define F_PENTIUM2 F_PENTIUM "pae sep mtrr pge mca cmov pat pse36 fxsr "
#define F_PENTIUM3 F_PENTIUM2 "sse "
#define F_PPRO "fpu de pse tsc msr mce cx8 pge cmov pat fxsr mmx sse sse2 pae sep apic "
#define F_PC64 F_PPRO "mtrr clflush mca pse36 "
#define F_LM64 "lm syscall nx "
#define F_CONROE F_PC64 "vme " F_LM64 "pni ssse3 cx16 lahf-lm "
#define F_PENRYN F_CONROE "sse4.1 "
#define F_NEHALEM F_PENRYN "sse4.2 popcnt "
#define F_WESTMERE F_NEHALEM "aes pclmulqdq arat "
#define F_SANDYBRIDGE F_WESTMERE "rdtscp x2apic tsc-deadline avx xsave xsaveopt "
#define F_IVYBRIDGE F_SANDYBRIDGE "f16c rdrand fsgsbase smep erms "
#define F_HASWELL F_IVYBRIDGE "pcid fma movbe avx2 bmi1 bmi2 invpcid abm "
#define F_BROADWELL F_HASWELL "rdseed adx smap 3dnowprefetch "
#define F_SKYLAKE F_BROADWELL "xsavec xgetbv1 "
#define F_EPYC                                                                                                        \
    F_PC64 "vme " F_LM64 "pni ssse3 cx16 lahf-lm sse4.1 sse4.2 popcnt aes pclmulqdq rdtscp avx xsave xsaveopt xsavec " \
           "xgetbv1 f16c rdrand fsgsbase smep fma movbe avx2 bmi1 bmi2 abm rdseed adx smap clflushopt sha-ni "          \
           "pdpe1gb svm mmxext fxsr-opt cr8legacy sse4a misalignsse 3dnowprefetch osvw arat "

struct CPUX86Model {
    const char *name, *vendor;
    uint16_t family, model, stepping;
    uint32_t level, xlevel;
    const char *features; /* NULL: everything that is supported */
    const char *model_id, *help;
};

static const CPUX86Model models[] = {
    {"486", INTEL, 4, 8, 0, 1, 0, F_486, "", NULL},
    {"Broadwell", INTEL, 6, 61, 2, 0xd, 0x80000008, F_BROADWELL, "Intel Core Processor (Broadwell)", NULL},
    {"Conroe", INTEL, 6, 15, 3, 10, 0x80000008, F_CONROE, "Intel Celeron_4x0 (Conroe/Merom Class Core 2)", NULL},
    {"EPYC", AMD, 23, 1, 2, 0xd, 0x8000001e, F_EPYC, "AMD EPYC Processor", NULL},
    {"Haswell", INTEL, 6, 60, 4, 0xd, 0x80000008, F_HASWELL, "Intel Core Processor (Haswell)", NULL},
    {"IvyBridge", INTEL, 6, 58, 9, 0xd, 0x80000008, F_IVYBRIDGE, "Intel Xeon E3-12xx v2 (Ivy Bridge)", NULL},
    {"Nehalem", INTEL, 6, 26, 3, 11, 0x80000008, F_NEHALEM, "Intel Core i7 9xx (Nehalem Class Core i7)", NULL},
    {"Opteron_G1", AMD, 15, 6, 1, 5, 0x80000008, F_PC64 "vme pni " F_LM64, "AMD Opteron 240 (Gen 1 Class Opteron)", NULL},
    {"Opteron_G2", AMD, 15, 6, 1, 5, 0x80000008, F_PC64 "vme pni cx16 lahf-lm " F_LM64, "AMD Opteron 22xx (Gen 2 Class Opteron)",
     NULL},
    {"Penryn", INTEL, 6, 23, 3, 10, 0x80000008, F_PENRYN, "Intel Core 2 Duo P9xxx (Penryn Class Core 2)", NULL},
    {"SandyBridge", INTEL, 6, 42, 1, 0xd, 0x80000008, F_SANDYBRIDGE, "Intel Xeon E312xx (Sandy Bridge)", NULL},
    {"Skylake-Client", INTEL, 6, 94, 3, 0xd, 0x80000008, F_SKYLAKE, "Intel Core Processor (Skylake)", NULL},
    {"Skylake-Server", INTEL, 6, 85, 4, 0xd, 0x80000008, F_SKYLAKE "pdpe1gb ", "Intel Xeon Processor (Skylake)", NULL},
    {"Westmere", INTEL, 6, 44, 1, 11, 0x80000008, F_WESTMERE, "Westmere E56xx/L56xx/X56xx (Nehalem-C)", NULL},
    {"athlon", AMD, 6, 2, 3, 1, 0x80000008, F_PPRO "pse36 vme mtrr mca mmxext ", "QEMU Virtual CPU version 2.5+", NULL},
    {"base", INTEL, 0, 0, 0, 0, 0, "", "", "base CPU model type with no features enabled"},
    {"core2duo", INTEL, 6, 15, 11, 10, 0x80000008, F_PC64 "vme ss " F_LM64 "pni ssse3 cx16 lahf-lm ",
     "Intel(R) Core(TM)2 Duo CPU     T7700  @ 2.40GHz", NULL},
    {"coreduo", INTEL, 6, 14, 8, 10, 0x80000008, F_PPRO "vme mtrr clflush mca ss pni nx ",
     "Genuine Intel(R) CPU           T2600  @ 2.16GHz", NULL},
    {"host", AMD, 15, 107, 1, 0xd, 0x8000000a, NULL, "QEMU TCG CPU version 2.5+", "the same as max: nothing runs natively"},
    {"kvm32", INTEL, 15, 6, 1, 5, 0x80000008, F_PPRO "vme mtrr clflush mca pse36 pni ", "Common 32-bit KVM processor", NULL},
    {"kvm64", INTEL, 15, 6, 1, 0xd, 0x80000008, F_PC64 "vme pni cx16 " F_LM64, "Common KVM processor", NULL},
    {"max", AMD, 15, 107, 1, 0xd, 0x8000000a, NULL, "QEMU TCG CPU version 2.5+", "Enables all features supported by this host"},
    {"n270", INTEL, 6, 28, 2, 10, 0x80000008, F_PPRO "vme mtrr clflush mca ss pni ssse3 movbe nx lahf-lm ",
     "Intel(R) Atom(TM) CPU N270   @ 1.60GHz", NULL},
    {"pentium", INTEL, 5, 4, 3, 1, 0, F_PENTIUM, "", NULL},
    {"pentium2", INTEL, 6, 5, 2, 2, 0, F_PENTIUM2, "", NULL},
    {"pentium3", INTEL, 6, 8, 3, 3, 0, F_PENTIUM3, "", NULL},
    {"phenom", AMD, 16, 2, 3, 5, 0x8000001a, F_PC64 "vme pni cx16 popcnt " F_LM64 "mmxext fxsr-opt pdpe1gb rdtscp lahf-lm abm sse4a ",
     "AMD Phenom(tm) 9550 Quad-Core Processor", NULL},
    {"qemu32", INTEL, 6, 6, 3, 4, 0x80000004, F_PPRO "pni ", "QEMU Virtual CPU version 2.5+", NULL},
    {"qemu64", AMD, 15, 107, 1, 0xd, 0x8000000a, F_PC64 "pni cx16 lahf-lm svm " F_LM64, "QEMU Virtual CPU version 2.5+", "the default"},
};

/* --- names --- */

/* "sse4_1", "sse4.1" and "sse4-1" are one name. */
static char fold(char c) { return c == '_' || c == '.' ? '-' : g_ascii_tolower(c); }
static bool same_name(const char *a, const char *b)
{
    while (*a && fold(*a) == fold(*b))
        a++, b++;
    return *a == *b;
}

int cpuid_feature_by_name(const char *name)
{
    static const struct { const char *alias, *name; } aliases[] = {
        {"sse3", "pni"}, {"pclmul", "pclmulqdq"}, {"xd", "nx"}, {"i64", "lm"}, {"lzcnt", "abm"}, {"sha", "sha-ni"},
        {"ffxsr", "fxsr-opt"}, {"cmpxchg8b", "cx8"}, {"cmpxchg16b", "cx16"}, {"tsc-deadline-timer", "tsc-deadline"},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(aliases); i++)
        if (same_name(aliases[i].alias, name))
            name = aliases[i].name;
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
        if (features[i].name && same_name(features[i].name, name))
            return i;
    return -1;
}

const char *cpuid_feature_name(X86Feature f) { return (unsigned)f < ARRAY_SIZE(features) ? features[f].name : NULL; }

bool cpuid_feature_supported(X86Feature f)
{
    const struct FeatureInfo *i = &features[f];
    return i->name && (!i->need || (*i->need && tcg_host_has_simd(i->need)));
}

static void set_feature(CPUX86State *env, int f, bool on)
{
    if (on)
        env->features[f / 32] |= 1u << f % 32;
    else
        env->features[f / 32] &= ~(1u << f % 32);
}

static const CPUX86Model *find_model(const char *name)
{
    g_autofree char *base = g_strdup(name);
    if (g_str_has_suffix(base, "-x86_64-cpu"))
        base[strlen(base) - strlen("-x86_64-cpu")] = 0;
    size_t n = strlen(base);
    if (n > 3 && base[n - 3] == '-' && base[n - 2] == 'v' && g_ascii_isdigit(base[n - 1]))
        base[n - 3] = 0; /* all versions of a model are one */
    const char *cut[] = {"-IBRS", "-noTSX-IBRS", "-noTSX", "-IBPB"};
    for (unsigned i = 0; i < ARRAY_SIZE(cut); i++)
        if (g_str_has_suffix(base, cut[i])) {
            base[strlen(base) - strlen(cut[i])] = 0;
            break;
        }
    for (unsigned i = 0; i < ARRAY_SIZE(models); i++)
        if (!strcmp(models[i].name, base))
            return &models[i];
    return NULL;
}

const char *const *cpuid_model_names(void)
{
    static const char *names[ARRAY_SIZE(models) + 1];
    for (unsigned i = 0; i < ARRAY_SIZE(models); i++)
        names[i] = models[i].name;
    return names;
}

void cpu_x86_list_models(GString *out)
{
    g_string_append(out, "Available CPUs:\n");
    for (unsigned i = 0; i < ARRAY_SIZE(models); i++)
        g_string_append_printf(out, "x86 %-20s  %s\n", models[i].name, models[i].help ? models[i].help : models[i].model_id);
    g_string_append(out, "\nRecognized CPUID flags:\n");
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
        if (features[i].name)
            g_ptr_array_add(names, (void *)features[i].name);
    unsigned col = 0;
    for (unsigned i = 0; i < names->len; i++) {
        const char *n = names->pdata[i];
        if (col && col + strlen(n) + 1 > 76) {
            g_string_append_c(out, '\n');
            col = 0;
        }
        col += strlen(n) + (col ? 1 : 2);
        g_string_append_printf(out, "%s%s", col == strlen(n) + 2 ? "  " : " ", n);
    }
    g_string_append_c(out, '\n');
}

/* --- -cpu --- */

static void set_signature(CPUX86State *env, unsigned family, unsigned model, unsigned stepping)
{
    unsigned base = MIN(family, 15), ext = family - base;
    env->cpuid.signature = (stepping & 15) | (model & 15) << 4 | base << 8 | (model >> 4 & 15) << 16 | ext << 20;
}

static bool parse_number(const char *key, const char *val, uint64_t max, uint64_t *out, GError **errp)
{
    char *end;
    errno = 0;
    *out = g_ascii_strtoull(val, &end, 0);
    if (!*val || *end || *val == '-' || errno || *out > max)
        return error_set(errp, "-cpu: %s=%s is not a number from 0 to %" PRIu64, key, val, max);
    return true;
}

static bool is_on(const char *val, bool *on)
{
    *on = !strcmp(val, "on") || !strcmp(val, "yes") || !strcmp(val, "true");
    return *on || !strcmp(val, "off") || !strcmp(val, "no") || !strcmp(val, "false");
}

/* What QEMU knows and what makes no difference here. */
static bool is_ignored_property(const char *key)
{
    static const char *const ignored[] = {
        "check", "kvm", "pmu", "migratable", "lmce", "host-phys-bits", "host-phys-bits-limit", "host-cache-info", "l3-cache",
        "tcg-cpuid", "min-level", "min-xlevel", "full-cpuid-auto-level", "cpuid-0xb", "fill-mtrr-mask", "tsc-frequency",
        "x-intel-pt-auto-level", "legacy-cache", "vmware-cpuid-freq", "kvm-no-smi-migration", "vmx-preemption-timer", "ucode-rev",
        "kvm-hint-dedicated", "kvm-pv-eoi", "kvm-steal-time", "kvmclock", "kvm-asyncpf", "kvm-nopiodelay", "kvm-mmu",
        "kvm-pv-unhalt", "kvm-pv-tlb-flush", "kvm-pv-ipi", "kvm-poll-control", "kvmclock-stable-bit",
    };
    if (g_str_has_prefix(key, "hv-") || g_str_has_prefix(key, "hv_"))
        return true;
    for (unsigned i = 0; i < ARRAY_SIZE(ignored); i++)
        if (same_name(ignored[i], key))
            return true;
    return false;
}

/* Family, model, stepping while options are read; the signature is packed from them. */
typedef struct Ident {
    uint64_t family, model, stepping;
    bool enforce;
} Ident;

static bool set_property(CPUX86State *env, Ident *id, const char *key, const char *val, GError **errp)
{
    uint64_t n;
    if (!strcmp(key, "family"))
        return parse_number(key, val, 255 + 15, &id->family, errp);
    if (!strcmp(key, "model"))
        return parse_number(key, val, 255, &id->model, errp);
    if (!strcmp(key, "stepping"))
        return parse_number(key, val, 15, &id->stepping, errp);
    if (!strcmp(key, "level") || !strcmp(key, "xlevel") || !strcmp(key, "phys-bits")) {
        if (!parse_number(key, val, 0xffffffff, &n, errp))
            return false;
        if (key[0] == 'l') {
            env->cpuid.level = n;
        } else if (key[0] == 'x') {
            env->cpuid.xlevel = n;
        } else if (n != 0) {
            if (n < 32 || n > 52)
                return error_set(errp, "-cpu: phys-bits=%s must be from 32 to 52", val);
            env->phys_bits = n;
        }
        return true;
    }
    if (!strcmp(key, "vendor")) {
        if (strlen(val) != 12)
            return error_set(errp, "-cpu: vendor=%s must have 12 characters, such as GenuineIntel", val);
        g_strlcpy(env->cpuid.vendor, val, sizeof env->cpuid.vendor);
        return true;
    }
    if (same_name(key, "model-id")) {
        g_strlcpy(env->cpuid.model_id, val, sizeof env->cpuid.model_id);
        return true;
    }
    if (!strcmp(key, "enforce"))
        return is_on(val, &id->enforce) || error_set(errp, "-cpu: enforce=%s must be on or off", val);
    if (is_ignored_property(key))
        return true;
    return error_set(errp, "-cpu: property '%s' not found; allowed are family, model, stepping, level, xlevel, phys-bits, vendor, "
                     "model-id, enforce and the flags that -cpu help lists", key);
}

static bool switch_feature(CPUX86State *env, Ident *id, const char *name, bool on, GError **errp)
{
    int f = cpuid_feature_by_name(name);
    if (f < 0)
        return is_ignored_property(name) ||
               error_set(errp, "-cpu: property '%s' not found; -cpu help lists the flags that exist", name);
    if (on && !cpuid_feature_supported(f)) {
        if (id->enforce)
            return error_set(errp, "-cpu: feature %s.%s is not supported here, and enforce=on asks for it", word_names[f / 32],
                             features[f].name);
        warn_report("TCG doesn't support requested feature: %s.%s [bit %d]", word_names[f / 32], features[f].name, f % 32);
        return true;
    }
    set_feature(env, f, on);
    return true;
}

/* Features that mean nothing without another one. */
static void drop_dependents(CPUX86State *env)
{
    static const uint16_t needs[][2] = {
        {X86F_XSAVEOPT, X86F_XSAVE}, {X86F_XSAVEC, X86F_XSAVE}, {X86F_XGETBV1, X86F_XSAVE}, {X86F_XSAVES, X86F_XSAVEC},
        {X86F_AVX, X86F_XSAVE}, {X86F_AVX2, X86F_AVX}, {X86F_FMA, X86F_AVX}, {X86F_F16C, X86F_AVX}, {X86F_VAES, X86F_AVX},
        {X86F_VPCLMULQDQ, X86F_AVX},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++)
        if (!cpu_has(env, needs[i][1]))
            set_feature(env, needs[i][0], false);
}

bool cpuid_apply_model(CPUX86State *env, const char *spec, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(spec && *spec ? spec : "qemu64", ",", -1);
    const CPUX86Model *m = find_model(parts[0]);
    if (!m)
        return error_set(errp, "unable to find CPU model '%s'; -cpu help lists them", parts[0]);

    env->model = m;
    memset(env->features, 0, sizeof env->features);
    if (m->features) {
        g_auto(GStrv) names = g_strsplit(m->features, " ", -1);
        for (char **n = names; *n; n++) {
            int f = **n ? cpuid_feature_by_name(*n) : -1;
            if (f >= 0 && cpuid_feature_supported(f))
                set_feature(env, f, true);
        }
        set_feature(env, X86F_HYPERVISOR, true);
    } else {
        for (unsigned f = 0; f < ARRAY_SIZE(features); f++)
            if (cpuid_feature_supported(f) && f != X86F_INVTSC)
                set_feature(env, f, true);
    }
    if (!strcmp(m->name, "base") || m->family < 6)
        set_feature(env, X86F_HYPERVISOR, false); /* these have no ECX features at all */
    env->cpuid.level = m->level;
    env->cpuid.xlevel = m->xlevel;
    env->phys_bits = 0;
    g_strlcpy(env->cpuid.vendor, m->vendor, sizeof env->cpuid.vendor);
    g_strlcpy(env->cpuid.model_id, m->model_id, sizeof env->cpuid.model_id);
    Ident id = {m->family, m->model, m->stepping, false};

    for (char **p = parts + 1; *p; p++) {
        char *eq = strchr(*p, '=');
        bool on;
        if (!**p)
            continue;
        if (**p == '+' || **p == '-') {
            if (!switch_feature(env, &id, *p + 1, **p == '+', errp))
                return false;
        } else if (!eq) {
            if (!strcmp(*p, "enforce"))
                id.enforce = true;
            else if (!switch_feature(env, &id, *p, true, errp))
                return false;
        } else {
            *eq = 0;
            if (cpuid_feature_by_name(*p) >= 0) {
                if (!is_on(eq + 1, &on))
                    return error_set(errp, "-cpu: %s=%s must be on or off", *p, eq + 1);
                if (!switch_feature(env, &id, *p, on, errp))
                    return false;
            } else if (!set_property(env, &id, *p, eq + 1, errp)) {
                return false;
            }
        }
    }
    set_signature(env, id.family, id.model, id.stepping);
    if (!env->phys_bits)
        env->phys_bits = cpu_has(env, X86F_LM) ? 40 : cpu_has(env, X86F_PAE) || cpu_has(env, X86F_PSE36) ? 36 : 32;
    drop_dependents(env);
    /* Switched-on features raise the levels that tell of them. */
    if (env->features[FEAT_7_EBX] | env->features[FEAT_7_ECX] | env->features[FEAT_7_EDX])
        env->cpuid.level = MAX(env->cpuid.level, 7);
    if (cpu_has(env, X86F_XSAVE))
        env->cpuid.level = MAX(env->cpuid.level, 0xd);
    if (env->features[FEAT_81_EDX] | env->features[FEAT_81_ECX])
        env->cpuid.xlevel = MAX(env->cpuid.xlevel, 0x80000001);
    return true;
}

/* --- the instruction --- */

enum { XSAVE_LEGACY = 576, XSAVE_YMM = 256, XSAVE_PKRU_SIZE = 8 };

uint64_t cpu_x86_xcr0_allowed(const CPUX86State *env)
{
    return 3 | (cpu_has(env, X86F_AVX) ? XCR0_AVX : 0) | (cpu_has(env, X86F_PKU) ? XCR0_PKRU : 0);
}

/* Bytes of an area with these components. */
static uint32_t xsave_size(uint64_t components, bool compact)
{
    uint32_t avx = components & XCR0_AVX ? XSAVE_YMM : 0;
    if (compact)
        return XSAVE_LEGACY + avx + (components & XCR0_PKRU ? XSAVE_PKRU_SIZE : 0);
    return components & XCR0_PKRU ? XSAVE_PKRU_OFF + XSAVE_PKRU_SIZE : XSAVE_LEGACY + avx;
}

/* Leaf 0DH: x87 and SSE, the upper halves of the AVX registers, PKRU. */
static void cpuid_xsave(CPUX86State *env, uint32_t subleaf, uint32_t out[4])
{
    uint64_t all = cpu_x86_xcr0_allowed(env);

    if (!cpu_has(env, X86F_XSAVE))
        return;
    if (subleaf == 0) {
        out[0] = all;
        out[1] = xsave_size(env->xcr0, false);
        out[2] = xsave_size(all, false);
    } else if (subleaf == 1) {
        out[0] = env->features[FEAT_D_1_EAX];
        if (cpu_has(env, X86F_XSAVEC) || cpu_has(env, X86F_XSAVES))
            out[1] = xsave_size(env->xcr0 | env->xss, true);
    } else if (subleaf == 2 && (all & XCR0_AVX)) {
        out[0] = XSAVE_YMM;
        out[1] = XSAVE_LEGACY;
    } else if (subleaf == 9 && (all & XCR0_PKRU)) {
        out[0] = XSAVE_PKRU_SIZE;
        out[1] = XSAVE_PKRU_OFF;
    }
}

/* 1.EDX bits that AMD repeats in 80000001.EDX */
#define AMD_ALIASES 0x0183f3ffu

static void cpuid_caches(uint32_t subleaf, uint32_t out[4])
{
    /* L1D 32 KiB 8-way, L1I 32 KiB 8-way, L2 4 MiB 16-way, L3 16 MiB 16-way; lines of 64 bytes */
    static const uint32_t cache[4][4] = {
        {0x121, 0x01c0003f, 0x3f, 1}, {0x122, 0x01c0003f, 0x3f, 1}, {0x143, 0x03c0003f, 0xfff, 1}, {0x163, 0x03c0003f, 0x3fff, 6}};
    if (subleaf < 4)
        memcpy(out, cache[subleaf], sizeof cache[0]);
}

/* The APIC vanishes from CPUID while IA32_APIC_BASE switches it off. */
static bool apic_is_on(CPUX86State *env)
{
    uint64_t base;
    bool locked = bql_locked();

    if (!cpu_has(env, X86F_APIC) || !env->irq_ops || !env->irq_ops->get_apicbase)
        return true;
    if (!locked)
        bql_lock();
    base = env->irq_ops->get_apicbase(env->irq_opaque);
    if (!locked)
        bql_unlock();
    return base & 1 << 11;
}

static void cpuid_basic(CPUX86State *env, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    uint32_t apic_id = env->cpu ? env->cpu->index : 0;
    switch (leaf) {
    case 0:
        out[0] = env->cpuid.level;
        memcpy(&out[1], env->cpuid.vendor, 4);
        memcpy(&out[3], env->cpuid.vendor + 4, 4);
        memcpy(&out[2], env->cpuid.vendor + 8, 4);
        break;
    case 1:
        out[0] = env->cpuid.signature;
        out[1] = apic_id << 24 | 8 << 8; /* CLFLUSH lines of 64 bytes */
        out[2] = env->features[FEAT_1_ECX];
        if (env->cr[4] & CR4_OSXSAVE)
            out[2] |= 1u << 27;
        out[3] = env->features[FEAT_1_EDX];
        if (!apic_is_on(env))
            out[3] &= ~(1u << 9);
        break;
    case 2: out[0] = 1; out[2] = 0x4d; out[3] = 0x2c307d; break;
    case 4: cpuid_caches(subleaf, out); break;
    case 6: out[0] = env->features[FEAT_6_EAX]; break;
    case 7:
        if (subleaf == 0) {
            out[0] = env->features[FEAT_7_1_EAX] ? 1 : 0;
            out[1] = env->features[FEAT_7_EBX];
            out[2] = env->features[FEAT_7_ECX] | (env->cr[4] & CR4_PKE ? 1 << 4 : 0); /* OSPKE */
            out[3] = env->features[FEAT_7_EDX];
        } else if (subleaf == 1) {
            out[0] = env->features[FEAT_7_1_EAX];
        }
        break;
    case 0xd: cpuid_xsave(env, subleaf, out); break;
    case 0xb:
        out[2] = subleaf & 0xff;
        out[3] = apic_id;
        if (subleaf < 2) { /* one thread, one core */
            out[1] = 1;
            out[2] |= (subleaf + 1) << 8;
        }
        break;
    default: break; /* 3, 5, 9, 0xa, 0xc: nothing to tell */
    }
}

static void cpuid_extended(CPUX86State *env, uint32_t leaf, uint32_t out[4])
{
    bool amd = !strcmp(env->cpuid.vendor, AMD);
    switch (leaf) {
    case 0x80000000:
        out[0] = env->cpuid.xlevel;
        memcpy(&out[1], env->cpuid.vendor, 4);
        memcpy(&out[3], env->cpuid.vendor + 4, 4);
        memcpy(&out[2], env->cpuid.vendor + 8, 4);
        break;
    case 0x80000001:
        out[0] = env->cpuid.signature;
        out[2] = env->features[FEAT_81_ECX];
        out[3] = env->features[FEAT_81_EDX];
        if (amd)
            out[3] |= env->features[FEAT_1_EDX] & AMD_ALIASES;
        break;
    case 0x80000002: case 0x80000003: case 0x80000004:
        memcpy(out, env->cpuid.model_id + (leaf - 0x80000002) * 16, 16);
        break;
    case 0x80000005: out[0] = out[1] = 0x01ff01ff; out[2] = out[3] = 0x40020140; break;
    case 0x80000006:
        if (amd) {
            out[1] = 0x42004200;
            out[2] = 0x02008140;
            out[3] = 0x00808140;
        } else {
            out[2] = 0x10008040;
        }
        break;
    case 0x80000007: out[3] = env->features[FEAT_87_EDX]; break;
    case 0x80000008:
        out[0] = env->phys_bits | (cpu_has(env, X86F_LM) ? 48 : 32) << 8;
        out[1] = env->features[FEAT_88_EBX];
        break;
    case 0x8000000a:
        if (cpu_has(env, X86F_SVM)) {
            out[0] = 1;    /* revision */
            out[1] = 0x10; /* ASIDs */
        }
        break;
    default: break;
    }
}

void cpu_x86_cpuid(CPUX86State *env, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    memset(out, 0, 16);
    if (leaf >= 0x40000000 && leaf <= 0x400000ff && cpu_has(env, X86F_HYPERVISOR)) {
        if (leaf == 0x40000000) {
            out[0] = 0x40000001;
            memcpy(&out[1], "VireoVireoVi", 12);
        }
        return;
    }
    if (leaf >= 0x80000000 && leaf <= 0x8fffffff) {
        if (leaf <= env->cpuid.xlevel || leaf == 0x80000000)
            cpuid_extended(env, leaf, out);
        return;
    }
    /* beyond the highest leaf: as the highest one */
    cpuid_basic(env, leaf > env->cpuid.level ? env->cpuid.level : leaf, subleaf, out);
}
