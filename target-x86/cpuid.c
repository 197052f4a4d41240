/* cpuid.c - the leaves of CPUID. The models and what -cpu changes in them: cpuid-models.c.
 * Spec: Intel SDM vol. 2 CPUID; AMD APM vol. 3 appendix E; where both leave room, what qemu-system-x86_64 7.2 shows.
 * Not modelled: more than one core per package. */
#include "host/base/osdep.h"
#include "softmmu/bql.h"
#include "target-x86/cpuid.h"

#define AMD "AuthenticAMD"

static bool is_amd(const CPUX86State *env) { return !strcmp(env->cpuid.vendor, AMD); }

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
    if (!cpu_has(env, X86F_APIC) || !env->irq_ops || !env->irq_ops->get_apicbase)
        return true;
    return env->irq_ops->get_apicbase(env->irq_opaque) & 1 << 11;
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
    case 2: /* AMD tells of caches in 80000005h and 80000006h */
        if (!is_amd(env)) {
            out[0] = 1;
            out[2] = 0x4d;
            out[3] = 0x2c307d;
        }
        break;
    case 4:
        if (!is_amd(env))
            cpuid_caches(subleaf, out);
        break;
    case 5: out[2] = 3; break; /* MWAIT takes ECX bit 0; no line sizes, no deeper states */
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
    default: break; /* 3, 9, 0xa, 0xc: nothing to tell */
    }
}

/* AMD's models that tell of their caches as leaf 4 does. */
static bool is_zen(const CPUX86State *env) { return is_amd(env) && env->cpuid.xlevel >= 0x8000001d; }

static void cpuid_zen_caches(uint32_t subleaf, uint32_t out[4])
{
    /* L1D 32 KiB 8-way, L1I 64 KiB 4-way, L2 512 KiB 8-way, L3 8 MiB 16-way: the same as in 80000005h and 80000006h */
    static const uint32_t cache[4][4] = {
        {0x121, 0x01c0003f, 0x3f, 1}, {0x122, 0x00c0003f, 0xff, 1}, {0x043, 0x01c0003f, 0x3ff, 0}, {0x163, 0x03c0003f, 0x1fff, 6}};
    if (subleaf < 4)
        memcpy(out, cache[subleaf], sizeof cache[0]);
}

static void cpuid_extended(CPUX86State *env, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
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
        if (is_amd(env))
            out[3] |= env->features[FEAT_1_EDX] & AMD_ALIASES;
        break;
    case 0x80000002: case 0x80000003: case 0x80000004:
        memcpy(out, env->cpuid.model_id + (leaf - 0x80000002) * 16, 16);
        break;
    case 0x80000005:
        out[0] = out[1] = 0x01ff01ff;
        out[2] = is_zen(env) ? 0x20080140 : 0x40020140;
        out[3] = is_zen(env) ? 0x40040140 : 0x40020140;
        break;
    case 0x80000006:
        out[1] = 0x42004200;
        out[2] = is_zen(env) ? 0x02006140 : 0x02008140;
        out[3] = is_zen(env) ? 0x00408140 : 0x00808140;
        break;
    case 0x80000007: out[3] = env->features[FEAT_87_EDX]; break;
    case 0x80000008:
        out[0] = env->phys_bits | (cpu_has(env, X86F_LA57) ? 57 << 8 : cpu_has(env, X86F_LM) ? 48 << 8 : 0);
        out[1] = env->features[FEAT_88_EBX];
        break;
    case 0x8000000a: /* SVM: revision, ASIDs; none of its extensions, since it is switched off for good */
        if (cpu_has(env, X86F_SVM)) {
            out[0] = 1;
            out[1] = 16;
        }
        break;
    case 0x8000001d:
        if (is_zen(env) && cpu_has(env, X86F_TOPOEXT))
            cpuid_zen_caches(subleaf, out);
        break;
    case 0x8000001e:
        if (cpu_has(env, X86F_TOPOEXT)) { /* one thread per core, one core and one node per package */
            out[0] = env->cpu ? env->cpu->index : 0;
            out[2] = out[0] & 0xff;
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
            memcpy(&out[1], "TCGTCGTCGTCG", 12); /* what software knows an emulator without virtualization by */
        }
        return;
    }
    if (leaf >= 0x80000000 && leaf <= 0x8fffffff) {
        if (leaf <= env->cpuid.xlevel || leaf == 0x80000000)
            cpuid_extended(env, leaf, subleaf, out);
        return;
    }
    /* beyond the highest leaf: as the highest one */
    cpuid_basic(env, leaf > env->cpuid.level ? env->cpuid.level : leaf, subleaf, out);
}
