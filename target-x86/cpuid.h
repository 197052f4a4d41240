/* cpuid.h - CPU features (words, bits, names), CPU models, and the CPUID instruction's leaves.
 * Spec: Intel SDM vol. 2 CPUID, AMD APM vol. 3 appendix E. */
#ifndef TARGET_X86_CPUID_H
#define TARGET_X86_CPUID_H

#include "target-x86/cpu.h"

/* Words of CPUX86State.features: one CPUID output register each. */
typedef enum FeatureWord {
    FEAT_1_EDX, FEAT_1_ECX, FEAT_7_EBX, FEAT_7_ECX, FEAT_7_EDX, FEAT_7_1_EAX, FEAT_81_EDX, FEAT_81_ECX,
    FEAT_87_EDX, FEAT_88_EBX, FEAT_6_EAX, FEAT_D_1_EAX,
} FeatureWord;
_Static_assert(FEAT_D_1_EAX + 1 == CPUX86_FEATURE_WORDS, "one slot per word");

/* X86F_SSE42 and so on: word * 32 + bit; cpu_has(env, X86F_SSE42). */
typedef enum X86Feature {
#define FEATURE(id, word, bit, name, need) X86F_##id = FEAT_##word * 32 + bit,
#include "target-x86/cpuid-features.def"
#undef FEATURE
} X86Feature;

static inline bool cpu_has(const CPUX86State *env, X86Feature f)
{
    return env->features[(unsigned)f / 32] >> ((unsigned)f % 32) & 1;
}

typedef struct CPUX86Model CPUX86Model;

/* The feature of that name ("sse4.1", "sse4-1" and "sse4_1" are the same); -1: unknown. */
int cpuid_feature_by_name(const char *name);
const char *cpuid_feature_name(X86Feature f); /* NULL: unknown */
/* Vireo implements it and this host can run it. */
bool cpuid_feature_supported(X86Feature f);

/* "model,+f,-f,f=on,family=6,..." into env's model, features, cpuid; NULL: qemu64. */
bool cpuid_apply_model(CPUX86State *env, const char *spec, GError **errp);
/* Names of all models for QMP, and of all known features; NULL-terminated, static. */
const char *const *cpuid_model_names(void);

/* XSAVE: components that have a place, and where the standard format has PKRU (as where there is AVX-512). */
enum { XCR0_AVX = 4, XCR0_PKRU = 1 << 9, XSAVE_PKRU_OFF = 0xa80 };
uint64_t cpu_x86_xcr0_allowed(const CPUX86State *env);

#endif
