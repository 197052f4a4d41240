/* cpuid-models.c - CPU models, feature names, and what -cpu changes in them.
 * Spec: names and numbers of the models are those that qemu-system-x86_64 7.2 shows, so that guests see the CPU that
 * they were installed on. What a model has and Vireo or this host does not is left out with a warning, as QEMU does.
 * SVM, which QEMU's AMD models have, is shown but switched off as by firmware (VM_CR.SVMDIS, locked): EFER.SVME stays
 * reserved, VMRUN and its relatives are undefined. */
#include "host/base/osdep.h"
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
#define F_CORE2 "vme ss acpi monitor "
#define F_CONROE F_PC64 "vme " F_LM64 "pni ssse3 lahf-lm "
#define F_PENRYN F_CONROE "cx16 sse4.1 "
#define F_NEHALEM F_PENRYN "sse4.2 popcnt "
#define F_WESTMERE F_NEHALEM "aes pclmulqdq arat "
#define F_SANDYBRIDGE F_WESTMERE "rdtscp x2apic tsc-deadline avx xsave xsaveopt "
#define F_IVYBRIDGE F_SANDYBRIDGE "f16c rdrand fsgsbase smep erms "
#define F_TSX "hle rtm "
#define F_HASWELL F_IVYBRIDGE "pcid fma movbe avx2 bmi1 bmi2 invpcid abm " F_TSX
#define F_BROADWELL F_HASWELL "rdseed adx smap 3dnowprefetch "
#define F_SKYLAKE F_BROADWELL "xsavec xgetbv1 "
#define F_SKX F_SKYLAKE "pdpe1gb clflushopt clwb pku avx512f avx512dq avx512cd avx512bw avx512vl "
#define F_ICX F_SKX "umip avx512vbmi avx512vbmi2 gfni vaes vpclmulqdq avx512vnni avx512bitalg avx512-vpopcntdq la57 wbnoinvd spec-ctrl ssbd "
#define F_OPTERON_G3 F_PC64 "vme " F_LM64 "pni cx16 lahf-lm svm monitor popcnt rdtscp abm sse4a misalignsse "
#define F_OPTERON_G4                                                                                                   \
    F_PC64 "vme " F_LM64 "pni ssse3 cx16 lahf-lm sse4.1 sse4.2 popcnt aes pclmulqdq rdtscp avx xsave pdpe1gb svm abm " \
           "sse4a misalignsse 3dnowprefetch xop fma4 "
#define F_EPYC                                                                                                        \
    F_PC64 "vme " F_LM64 "pni monitor ssse3 cx16 lahf-lm sse4.1 sse4.2 popcnt aes pclmulqdq rdtscp avx xsave xsaveopt " \
           "xsavec xgetbv1 f16c rdrand fsgsbase smep fma movbe avx2 bmi1 bmi2 abm rdseed adx smap clflushopt sha-ni "   \
           "pdpe1gb svm mmxext fxsr-opt cr8legacy sse4a misalignsse 3dnowprefetch osvw topoext arat "
#define F_ROME F_EPYC "clwb umip rdpid perfctr-core clzero xsaveerptr wbnoinvd ibpb xsaves "
#define F_MILAN F_ROME "pcid invpcid erms fsrm pku "

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
    {"Cascadelake-Server", INTEL, 6, 85, 6, 0xd, 0x80000008, F_SKX "avx512vnni spec-ctrl ssbd ", "Intel Xeon Processor (Cascadelake)", NULL},
    {"Conroe", INTEL, 6, 15, 3, 10, 0x80000008, F_CONROE, "Intel Celeron_4x0 (Conroe/Merom Class Core 2)", NULL},
    {"EPYC", AMD, 23, 1, 2, 0xd, 0x8000001e, F_EPYC, "AMD EPYC Processor", NULL},
    {"EPYC-Milan", AMD, 25, 1, 1, 0xd, 0x8000001e, F_MILAN, "AMD EPYC-Milan Processor", NULL},
    {"EPYC-Rome", AMD, 23, 49, 0, 0xd, 0x8000001e, F_ROME, "AMD EPYC-Rome Processor", NULL},
    {"Haswell", INTEL, 6, 60, 4, 0xd, 0x80000008, F_HASWELL, "Intel Core Processor (Haswell)", NULL},
    {"Icelake-Server", INTEL, 6, 134, 0, 0xd, 0x80000008, F_ICX, "Intel Xeon Processor (Icelake)", NULL},
    {"IvyBridge", INTEL, 6, 58, 9, 0xd, 0x80000008, F_IVYBRIDGE, "Intel Xeon E3-12xx v2 (Ivy Bridge)", NULL},
    {"Nehalem", INTEL, 6, 26, 3, 11, 0x80000008, F_NEHALEM, "Intel Core i7 9xx (Nehalem Class Core i7)", NULL},
    {"Opteron_G1", AMD, 15, 6, 1, 5, 0x80000008, F_PC64 "vme pni " F_LM64, "AMD Opteron 240 (Gen 1 Class Opteron)", NULL},
    {"Opteron_G2", AMD, 15, 6, 1, 5, 0x8000000a, F_PC64 "vme pni cx16 lahf-lm svm " F_LM64, "AMD Opteron 22xx (Gen 2 Class Opteron)",
     NULL},
    {"Opteron_G3", AMD, 16, 2, 3, 5, 0x8000000a, F_OPTERON_G3, "AMD Opteron 23xx (Gen 3 Class Opteron)", NULL},
    {"Opteron_G4", AMD, 21, 1, 2, 0xd, 0x8000001a, F_OPTERON_G4, "AMD Opteron 62xx class CPU", NULL},
    {"Opteron_G5", AMD, 21, 2, 0, 0xd, 0x8000001a, F_OPTERON_G4 "fma f16c tbm ", "AMD Opteron 63xx class CPU", NULL},
    {"Penryn", INTEL, 6, 23, 3, 10, 0x80000008, F_PENRYN, "Intel Core 2 Duo P9xxx (Penryn Class Core 2)", NULL},
    {"SandyBridge", INTEL, 6, 42, 1, 0xd, 0x80000008, F_SANDYBRIDGE, "Intel Xeon E312xx (Sandy Bridge)", NULL},
    {"Skylake-Client", INTEL, 6, 94, 3, 0xd, 0x80000008, F_SKYLAKE, "Intel Core Processor (Skylake)", NULL},
    {"Skylake-Server", INTEL, 6, 85, 4, 0xd, 0x80000008, F_SKX, "Intel Xeon Processor (Skylake)", NULL},
    {"Westmere", INTEL, 6, 44, 1, 11, 0x80000008, F_WESTMERE, "Westmere E56xx/L56xx/X56xx (Nehalem-C)", NULL},
    {"athlon", AMD, 6, 2, 3, 2, 0x80000008, F_PPRO "pse36 vme mtrr mca mmxext 3dnow 3dnowext ", "QEMU Virtual CPU version 2.5+", NULL},
    {"base", INTEL, 0, 0, 0, 0, 0, "", "", "base CPU model type with no features enabled"},
    {"core2duo", INTEL, 6, 15, 11, 10, 0x80000008, F_PC64 F_CORE2 F_LM64 "pni ssse3 cx16 lahf-lm ",
     "Intel(R) Core(TM)2 Duo CPU     T7700  @ 2.40GHz", NULL},
    {"coreduo", INTEL, 6, 14, 8, 10, 0x80000008, F_PPRO F_CORE2 "mtrr clflush mca pni nx ",
     "Genuine Intel(R) CPU           T2600  @ 2.16GHz", NULL},
    {"host", AMD, 15, 107, 1, 0xd, 0x8000000a, NULL, "QEMU TCG CPU version 2.5+", "the same as max: nothing runs natively"},
    {"kvm32", INTEL, 15, 6, 1, 5, 0x80000008, F_PPRO "vme mtrr clflush mca pse36 pni ", "Common 32-bit KVM processor", NULL},
    {"kvm64", INTEL, 15, 6, 1, 0xd, 0x80000008, F_PC64 "vme pni cx16 " F_LM64, "Common KVM processor", NULL},
    {"max", AMD, 15, 107, 1, 0xd, 0x8000000a, NULL, "QEMU TCG CPU version 2.5+", "all features that this host can serve; the default"},
    {"n270", INTEL, 6, 28, 2, 10, 0x80000008, F_PPRO F_CORE2 "mtrr clflush mca pni ssse3 movbe nx lahf-lm ",
     "Intel(R) Atom(TM) CPU N270   @ 1.60GHz", NULL},
    {"pentium", INTEL, 5, 4, 3, 1, 0, F_PENTIUM, "", NULL},
    {"pentium2", INTEL, 6, 5, 2, 2, 0, F_PENTIUM2, "", NULL},
    {"pentium3", INTEL, 6, 7, 3, 3, 0, F_PENTIUM3, "", NULL},
    {"phenom", AMD, 16, 2, 3, 5, 0x8000001a,
     F_PC64 "vme pni monitor cx16 popcnt " F_LM64 "mmxext fxsr-opt pdpe1gb rdtscp 3dnow 3dnowext lahf-lm svm abm sse4a ",
     "AMD Phenom(tm) 9550 Quad-Core Processor", NULL},
    {"qemu32", INTEL, 6, 6, 3, 4, 0x80000004, F_PPRO "pni ", "QEMU Virtual CPU version 2.5+", NULL},
    {"qemu64", AMD, 15, 107, 1, 0xd, 0x8000000a, F_PC64 "pni cx16 lahf-lm svm " F_LM64, "QEMU Virtual CPU version 2.5+", NULL},
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
    const char *cut[] = {"-noTSX-IBRS", "-IBRS", "-noTSX", "-IBPB"};
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

/* What options collect: family, model and stepping until the signature is packed from them, and every feature that is
 * asked for, there or not. */
typedef struct Request {
    uint64_t family, model, stepping;
    uint32_t want[CPUX86_FEATURE_WORDS];
    bool enforce;
} Request;

static bool set_property(CPUX86State *env, Request *id, const char *key, const char *val, GError **errp)
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

static void want_feature(Request *r, int f, bool on)
{
    if (on)
        r->want[f / 32] |= 1u << f % 32;
    else
        r->want[f / 32] &= ~(1u << f % 32);
}

static bool switch_feature(Request *r, const char *name, bool on, GError **errp)
{
    int f = cpuid_feature_by_name(name);
    if (f < 0)
        return is_ignored_property(name) ||
               error_set(errp, "-cpu: property '%s' not found; -cpu help lists the flags that exist", name);
    want_feature(r, f, on);
    return true;
}

/* Of what is wanted that which there is; the rest is a warning each, or an error that names them all. */
static bool filter_features(CPUX86State *env, const Request *r, GError **errp)
{
    g_autoptr(GString) missing = g_string_new(NULL);

    for (unsigned f = 0; f < ARRAY_SIZE(features); f++) {
        if (!(r->want[f / 32] >> f % 32 & 1))
            continue;
        if (cpuid_feature_supported(f))
            set_feature(env, f, true);
        else if (r->enforce)
            g_string_append_printf(missing, "%s %s.%s", missing->len ? "," : "", word_names[f / 32], features[f].name);
        else
            warn_report("TCG doesn't support requested feature: %s.%s [bit %u]", word_names[f / 32], features[f].name, f % 32);
    }
    return !missing->len || error_set(errp, "-cpu: not supported here, and enforce=on asks for it:%s", missing->str);
}

/* What there is but QEMU's max does not have. */
static bool not_in_max(unsigned f)
{
    static const uint16_t out[] = {
        X86F_INVTSC, X86F_FXSR_OPT, X86F_MISALIGNSSE, X86F_OSVW, X86F_TOPOEXT, X86F_CLZERO,
        X86F_XSAVEERPTR, X86F_WBNOINVD, X86F_LA57, /* a guest that sees it walks five levels */
    };
    for (unsigned i = 0; i < ARRAY_SIZE(out); i++)
        if (out[i] == f)
            return true;
    return false;
}

/* What the model itself has. */
static void want_model(Request *r, const CPUX86Model *m, const char *name)
{
    bool version2 = false; /* -v2 and later of the models with TSX, and the -noTSX ones, have none */
    size_t n = strlen(name);

    if (!m->features) {
        for (unsigned f = 0; f < ARRAY_SIZE(features); f++)
            if (cpuid_feature_supported(f) && !not_in_max(f))
                want_feature(r, f, true);
        return;
    }
    g_auto(GStrv) names = g_strsplit(m->features, " ", -1);
    for (char **p = names; *p; p++)
        if (**p && cpuid_feature_by_name(*p) >= 0)
            want_feature(r, cpuid_feature_by_name(*p), true);
    if (n > 3 && name[n - 3] == '-' && name[n - 2] == 'v')
        version2 = name[n - 1] >= '2';
    if (version2 || strstr(name, "-noTSX")) {
        want_feature(r, X86F_HLE, false);
        want_feature(r, X86F_RTM, false);
    }
    /* those of families 4 and 5 have no ECX features at all */
    want_feature(r, X86F_HYPERVISOR, strcmp(m->name, "base") && m->family >= 6);
}

/* Features that mean nothing without another one. */
static void drop_dependents(CPUX86State *env)
{
    static const uint16_t needs[][2] = {
        {X86F_XSAVEOPT, X86F_XSAVE}, {X86F_XSAVEC, X86F_XSAVE}, {X86F_XGETBV1, X86F_XSAVE}, {X86F_XSAVES, X86F_XSAVEC},
        {X86F_AVX, X86F_XSAVE}, {X86F_AVX2, X86F_AVX}, {X86F_FMA, X86F_AVX}, {X86F_F16C, X86F_AVX}, {X86F_VAES, X86F_AVX},
        {X86F_VPCLMULQDQ, X86F_AVX}, {X86F_LA57, X86F_LM},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++)
        if (!cpu_has(env, needs[i][1]))
            set_feature(env, needs[i][0], false);
}

static bool apply_option(CPUX86State *env, Request *r, char *opt, GError **errp)
{
    char *eq = strchr(opt, '=');
    bool on;

    if (*opt == '+' || *opt == '-')
        return switch_feature(r, opt + 1, *opt == '+', errp);
    if (!eq) {
        if (!strcmp(opt, "enforce"))
            return r->enforce = true;
        return switch_feature(r, opt, true, errp);
    }
    *eq = 0;
    if (cpuid_feature_by_name(opt) < 0)
        return set_property(env, r, opt, eq + 1, errp);
    if (!is_on(eq + 1, &on))
        return error_set(errp, "-cpu: %s=%s must be on or off", opt, eq + 1);
    return switch_feature(r, opt, on, errp);
}

bool cpuid_apply_model(CPUX86State *env, const char *spec, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(spec && *spec ? spec : "max", ",", -1);
    const CPUX86Model *m = find_model(parts[0]);
    if (!m)
        return error_set(errp, "unable to find CPU model '%s'; -cpu help lists them", parts[0]);

    env->model = m;
    memset(env->features, 0, sizeof env->features);
    env->cpuid.level = m->level;
    env->cpuid.xlevel = m->xlevel;
    env->phys_bits = 0;
    g_strlcpy(env->cpuid.vendor, m->vendor, sizeof env->cpuid.vendor);
    g_strlcpy(env->cpuid.model_id, m->model_id, sizeof env->cpuid.model_id);
    Request id = {.family = m->family, .model = m->model, .stepping = m->stepping};
    want_model(&id, m, parts[0]);

    /* +f and then -f come after all others, whatever their order in the text. */
    for (int pass = 0; pass < 3; pass++)
        for (char **p = parts + 1; *p; p++)
            if (**p && pass == (**p == '+' ? 1 : **p == '-' ? 2 : 0) && !apply_option(env, &id, *p, errp))
                return false;
    if (!filter_features(env, &id, errp))
        return false;
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
    if (env->features[FEAT_88_EBX])
        env->cpuid.xlevel = MAX(env->cpuid.xlevel, 0x80000008);
    if (cpu_has(env, X86F_TOPOEXT))
        env->cpuid.xlevel = MAX(env->cpuid.xlevel, 0x8000001e);
    return true;
}

