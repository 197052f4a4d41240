/* simd-table.c - simd.def and vex.def as arrays, look-up by opcode, operand sizes, feature tests.
 * Spec: Intel SDM vol. 2, appendix A. */
#include "host/base/osdep.h"
#include "target-x86/simd.h"
#include "target-x86/cpuid.h"

#define PP_NP SIMD_PP_NONE
#define PP_66 SIMD_PP_66
#define PP_F3 SIMD_PP_F3
#define PP_F2 SIMD_PP_F2
#define MAP_N_0F MAP_0F
#define MAP_N_0F38 MAP_0F38
#define MAP_N_0F3A MAP_0F3A
#define IMM_I true
#define IMM__ false
enum { XX = -1, RD = SROW_RD, FP = SROW_FP, X0 = SROW_X0, FREE = SROW_FREE, AC = SROW_AC };

const SimdRow simd_rows[] = {
#define SIMD(map, pp, opcode, ext, name, dst, src, imm8, feature, kind, flags)                                         \
    {MAP_N_##map, opcode, PP_##pp, ext, SO_##dst, SO_##src, IMM_##imm8, SF_##feature, SK_##kind, flags, #name, \
     false, false, SO_NO, 0, 0, 0},
#include "target-x86/simd.def"
#undef SIMD
};
const unsigned simd_row_count = G_N_ELEMENTS(simd_rows);

#define IMM_S true
#define IS4_I false
#define IS4_S true
#define IS4__ false
const SimdRow vex_rows[] = {
#define VEX(map, pp, w, l, opcode, ext, name, dst, vv, src, imm, feature, feature256, kind, flags)                     \
    {MAP_N_##map, opcode, PP_##pp, ext, SO_##dst, SO_##src, IMM_##imm, SF_##feature, SK_##kind, flags, #name,          \
     true, IS4_##imm, SO_##vv, VEX_##w, VEX_##l, SF_##feature256},
#include "target-x86/vex.def"
#undef VEX
};
const unsigned vex_row_count = G_N_ELEMENTS(vex_rows);

/* Rows by (map, opcode): chains of row number + 1. */
static uint16_t row_first[4][256], row_next[G_N_ELEMENTS(simd_rows)];
static uint16_t vex_first[4][256], vex_next[G_N_ELEMENTS(vex_rows)];

static gpointer build_index(gpointer unused)
{
    for (unsigned i = simd_row_count; i-- > 0;) {
        uint16_t *head = &row_first[simd_rows[i].map][simd_rows[i].opcode];
        row_next[i] = *head;
        *head = i + 1;
    }
    for (unsigned i = vex_row_count; i-- > 0;) {
        uint16_t *head = &vex_first[vex_rows[i].map][vex_rows[i].opcode];
        vex_next[i] = *head;
        *head = i + 1;
    }
    return NULL;
}

static bool mod_fits(SimdOpnd o, bool is_reg)
{
    return !(is_reg ? simd_opnd_mem_only(o) : simd_opnd_reg_only(o));
}

static GOnce index_once = G_ONCE_INIT;

const SimdRow *simd_lookup(unsigned map, unsigned opcode, unsigned pp, unsigned modrm)
{
    bool is_reg = (modrm & 0xc0) == 0xc0;

    g_once(&index_once, build_index, NULL);
    for (unsigned i = row_first[map & 3][opcode & 255]; i; i = row_next[i - 1]) {
        const SimdRow *r = &simd_rows[i - 1];
        if (r->pp == pp && (r->ext < 0 || r->ext == (int)(modrm >> 3 & 7)) && mod_fits(r->dst, is_reg) &&
            mod_fits(r->src, is_reg))
            return r;
    }
    return NULL;
}

const SimdRow *vex_lookup(unsigned map, unsigned opcode, unsigned pp, unsigned modrm, bool w, bool l)
{
    bool is_reg = (modrm & 0xc0) == 0xc0;

    g_once(&index_once, build_index, NULL);
    for (unsigned i = vex_first[map & 3][opcode & 255]; i; i = vex_next[i - 1]) {
        const SimdRow *r = &vex_rows[i - 1];
        if (r->pp == pp && (r->ext < 0 || r->ext == (int)(modrm >> 3 & 7)) && mod_fits(r->dst, is_reg) &&
            mod_fits(r->src, is_reg) && (r->w == VEX_WX || r->w == w) && (r->l >> l & 1))
            return r;
    }
    return NULL;
}

bool vex_row_fits(const SimdRow *r, unsigned vvvv, bool has_sib, int8_t *vsib)
{
    if (r->kind == SK_VGATHER) {
        *vsib = 0;
        return has_sib;
    }
    return r->vv != SO_NO || vvvv == 0;
}

bool simd_row_uses_xmm(const SimdRow *r)
{
    return simd_opnd_is_xmm(r->dst) || simd_opnd_is_xmm(r->src) || r->kind == SK_VZEROUPPER || r->kind == SK_VZEROALL;
}

unsigned simd_row_imm_bytes(const SimdRow *row) { return row->kind == SK_EXTRQ ? 2 * row->imm8 : row->imm8; }
bool simd_row_has_modrm(const SimdRow *row) { return row->kind != SK_EMMS && row->kind != SK_VZEROUPPER && row->kind != SK_VZEROALL; }

MemOp simd_opnd_memop(SimdOpnd o, bool rex_w)
{
    switch (o) {
    case SO_Wx: case SO_Mx: return MO_128 | MO_ALIGN_GP;
    case SO_Wu: case SO_Mu: return MO_128;
    case SO_Wq: case SO_Mq: case SO_Qq: return MO_64;
    case SO_Wd: case SO_Md: case SO_Qd: case SO_Ed: return MO_32;
    case SO_Ww: case SO_Ew: return MO_16;
    case SO_Eb: return MO_8;
    default: return rex_w ? MO_64 : MO_32; /* Ey, My, Gy */
    }
}

SimdEnc simd_row_enc(const SimdRow *r, bool rex_w)
{
    static const SimdEnc maps[] = {[MAP_0F] = SIMD_MAP_0F, [MAP_0F38] = SIMD_MAP_0F38, [MAP_0F3A] = SIMD_MAP_0F3A};
    SimdEnc e = SIMD_ENC(maps[r->map], r->pp, r->opcode, 0);

    if (r->flags & SROW_FP)
        e |= SIMD_STICKY;
    if (r->imm8)
        e |= SIMD_IMM8;
    if (r->flags & SROW_RD)
        e |= SIMD_DST_READ;
    if (r->flags & SROW_X0)
        e |= SIMD_XMM0;
    if (r->ext >= 0)
        e |= SIMD_GROUP | r->ext << SIMD_EXT_SHIFT;
    if (simd_opnd_is_gpr(r->dst))
        e |= SIMD_DST_GPR;
    if (simd_opnd_is_gpr(r->dst) && r->dst >= SO_Eb)
        e |= SIMD_RM_DST;
    if (simd_opnd_is_gpr(r->src))
        e |= SIMD_SRC_GPR;
    if (rex_w && (r->dst == SO_Gy || r->dst == SO_Ey || r->src == SO_Ey))
        e |= SIMD_W;
    return e;
}

bool simd_guest_has(const CPUX86State *env, SimdFeature f)
{
    static const X86Feature cpuid[SF_COUNT] = {
        [SF_MMX] = X86F_MMX, [SF_SSE] = X86F_SSE, [SF_SSE2] = X86F_SSE2, [SF_SSE3] = X86F_SSE3,
        [SF_SSSE3] = X86F_SSSE3, [SF_SSE41] = X86F_SSE41, [SF_SSE42] = X86F_SSE42, [SF_PCLMUL] = X86F_PCLMUL,
        [SF_AES] = X86F_AES, [SF_SHA] = X86F_SHA_NI, [SF_FXSR] = X86F_FXSR, [SF_CLFLUSH] = X86F_CLFLUSH,
        [SF_CLFLUSHOPT] = X86F_CLFLUSHOPT, [SF_CLWB] = X86F_CLWB, [SF_FSGSBASE] = X86F_FSGSBASE,
        [SF_XSAVE] = X86F_XSAVE, [SF_XSAVEOPT] = X86F_XSAVEOPT, [SF_XSAVEC] = X86F_XSAVEC, [SF_XSAVES] = X86F_XSAVES,
        [SF_SSE4A] = X86F_SSE4A, [SF_AVX] = X86F_AVX, [SF_AVX2] = X86F_AVX2, [SF_FMA] = X86F_FMA, [SF_F16C] = X86F_F16C, [SF_VAES] = X86F_VAES,
        [SF_VPCLMUL] = X86F_VPCLMULQDQ, [SF_GFNI] = X86F_GFNI,
    };
    return f == SF_BASE || cpu_has(env, cpuid[f]);
}

bool simd_host_has(SimdFeature f)
{
    static const char *const names[SF_COUNT] = {
        [SF_SSE3] = "sse3", [SF_SSSE3] = "ssse3", [SF_SSE41] = "sse4.1", [SF_SSE42] = "sse4.2",
        [SF_PCLMUL] = "pclmul", [SF_AES] = "aes", [SF_SHA] = "sha", [SF_AVX] = "avx2", [SF_AVX2] = "avx2",
        [SF_FMA] = "fma", [SF_F16C] = "f16c", [SF_VAES] = "vaes", [SF_VPCLMUL] = "vpclmulqdq", [SF_GFNI] = "gfni",
    };
    if (f == SF_SSE4A)
        return __builtin_cpu_supports("sse4a");
    return !names[f] || tcg_host_has_simd(names[f]);
}
