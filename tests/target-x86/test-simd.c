/* test-simd.c - every row of simd.def, with random operands, on the host and in Vireo: registers, flags, MXCSR,
 * MMX state, memory and exceptions must agree. Register and memory forms, aligned and not; floating-point rows
 * with special values under all rounding, flush and mask settings. */
#include "host/base/osdep.h"
#include "target-x86/simd.h"
#include "tests/lib/x86-native.h"

enum { OFF_MXCSR = 24, OFF_ST = 32, OFF_XMM = 160, MX_MASKS = 0x1f80 };

typedef struct Code { uint8_t b[32]; size_t n; } Code;
static void add(Code *c, uint8_t b) { c->b[c->n++] = b; }

static bool row_is_tested(const SimdRow *r)
{
    switch (r->kind) {
    case SK_FXSAVE: case SK_FXRSTOR: case SK_LDMXCSR: case SK_STMXCSR: /* tested below */
    case SK_SEGBASE:
        return false;
    default:
        return simd_host_has(r->feature) && simd_guest_has(x86n_env(), r->feature);
    }
}

static void encode(Code *c, const SimdRow *r, bool mem, unsigned reg, unsigned rm, bool w, bool p66, uint8_t imm, uint32_t disp)
{
    c->n = 0;
    if (p66 || r->pp == SIMD_PP_66)
        add(c, 0x66);
    if (r->pp == SIMD_PP_F3 || r->pp == SIMD_PP_F2)
        add(c, r->pp == SIMD_PP_F3 ? 0xf3 : 0xf2);
    unsigned rex = (w ? 8 : 0) | (reg >> 3 << 2) | (mem ? 0 : rm >> 3);
    if (rex)
        add(c, 0x40 | rex);
    add(c, 0x0f);
    if (r->map != MAP_0F)
        add(c, r->map == MAP_0F38 ? 0x38 : 0x3a);
    add(c, r->opcode);
    if (r->kind == SK_EMMS)
        return;
    add(c, (mem ? 0x86 : 0xc0 | (rm & 7)) | (reg & 7) << 3); /* [rsi + disp32] */
    for (unsigned i = 0; mem && i < 4; i++)
        add(c, disp >> 8 * i);
    if (r->imm8)
        add(c, imm);
}

static uint32_t special32(GRand *r)
{
    static const uint32_t v[] = {0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001,
                                 0x7f800001, 0x00000001, 0x007fffff, 0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff,
                                 0x4effffff, 0x4f000000, 0xcf000000, 0x5f000000, 0x40490fdb, 0x1fffffff, 0x20000000};
    return g_rand_int(r) & 1 ? v[g_rand_int_range(r, 0, G_N_ELEMENTS(v))] : g_rand_int(r);
}

static uint64_t special64(GRand *r)
{
    static const uint64_t v[] = {0, 1ULL << 63, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0xfff0000000000000,
                                 0x7ff8000000000000, 0xfff8000000000001, 0x7ff0000000000001, 1, 0x000fffffffffffff,
                                 0x0010000000000000, 0x7fefffffffffffff, 0x36a0000000000000, 0x47efffffffffffff,
                                 0x41dfffffffc00000, 0x41e0000000000000, 0xc1e0000000000000, 0x43e0000000000000,
                                 0x3690000000000000, 0x3810000000000000, 0x380fffffffffffff, 0x1ff0000000000000};
    uint64_t x = v[g_rand_int_range(r, 0, G_N_ELEMENTS(v))];
    return g_rand_int(r) & 1 ? x : (uint64_t)g_rand_int(r) << 32 | g_rand_int(r);
}

static void fill_special(uint8_t *p, size_t n, GRand *r)
{
    bool dbl = g_rand_int(r) & 1;
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = dbl ? special64(r) : special32(r) | (uint64_t)special32(r) << 32;
        memcpy(p + i, &v, 8);
    }
}

static void random_state(X86NState *st, const SimdRow *row, GRand *r, bool unmask)
{
    uint32_t mxcsr;

    x86n_random(st, r);
    if (row->flags & SROW_FP) {
        fill_special(st->fx + OFF_XMM, 256, r);
        fill_special(st->data, 256, r);
    }
    mxcsr = MX_MASKS | (g_rand_int(r) & 0xe07f);
    if (unmask)
        mxcsr = (mxcsr & ~MX_MASKS) | (g_rand_int(r) & MX_MASKS);
    *(uint32_t *)(st->fx + OFF_MXCSR) = mxcsr;
    *(uint16_t *)(st->fx + 2) = (g_rand_int(r) & 7) << 11;
    st->fx[4] = g_rand_int(r);
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < 10; j++)
            st->fx[OFF_ST + 16 * i + j] = g_rand_int(r);
        if (row->flags & SROW_FP)
            fill_special(st->fx + OFF_ST + 16 * i, 8, r);
    }
    if (g_rand_int(r) & 1) { /* strings with ends */
        for (int i = 0; i < 16; i++) {
            st->data[g_rand_int_range(r, 0, 256)] = 0;
            st->fx[OFF_XMM + g_rand_int_range(r, 0, 256)] = 0;
        }
        for (int i = 0; i < 256; i++)
            st->data[i] &= 3, st->fx[OFF_XMM + i] &= 3;
    }
    if (row->kind == SK_PCMPSTR && g_rand_int(r) & 1) {
        st->gpr[R_EAX] = g_rand_int_range(r, -20, 20);
        st->gpr[R_EDX] = g_rand_int_range(r, -20, 20);
    }
}

static void dump(GString *s, const char *who, const X86NState *st)
{
    g_string_append_printf(s, "%s: vector %d flags %" PRIx64 " mxcsr %x sw %x tags %x\n", who, st->vector, st->rflags & CC_MASK,
                           *(uint32_t *)(st->fx + OFF_MXCSR), *(uint16_t *)(st->fx + 2), st->fx[4]);
}

/* The first difference, or NULL. */
static char *difference(const X86NState *n, const X86NState *v)
{
    GString *s = g_string_new(NULL);

    if (n->vector != v->vector)
        g_string_append(s, "vector ");
    if ((n->rflags ^ v->rflags) & CC_MASK)
        g_string_append(s, "flags ");
    uint32_t nm = *(uint32_t *)(n->fx + OFF_MXCSR), vm = *(uint32_t *)(v->fx + OFF_MXCSR);
    if (n->vector == EXCP_XM && (nm & ~(nm >> 7) & 0x18)) /* unmasked OE or UE: PE is not modelled (helper-sse.c) */
        nm |= 0x20, vm |= 0x20;
    if (nm != vm)
        g_string_append(s, "mxcsr ");
    if (memcmp(n->fx + 2, v->fx + 2, 2) || n->fx[4] != v->fx[4])
        g_string_append(s, "x87-status ");
    for (int i = 0; i < 16; i++) {
        if (i != R_ESP && n->gpr[i] != v->gpr[i])
            g_string_append_printf(s, "gpr%d %" PRIx64 " %" PRIx64 " ", i, n->gpr[i], v->gpr[i]);
        if (memcmp(n->fx + OFF_XMM + 16 * i, v->fx + OFF_XMM + 16 * i, 16)) {
            const uint64_t *a = (const uint64_t *)(n->fx + OFF_XMM + 16 * i), *b = (const uint64_t *)(v->fx + OFF_XMM + 16 * i);
            g_string_append_printf(s, "xmm%d %016" PRIx64 "%016" PRIx64 " %016" PRIx64 "%016" PRIx64 " ", i, a[1], a[0], b[1], b[0]);
        }
    }
    for (int i = 0; i < 8; i++)
        if (memcmp(n->fx + OFF_ST + 16 * i, v->fx + OFF_ST + 16 * i, 10))
            g_string_append_printf(s, "st%d ", i);
    for (int i = 0; i < X86N_DATA_SIZE; i++)
        if (n->data[i] != v->data[i]) {
            g_string_append_printf(s, "data[%d] ", i);
            break;
        }
    if (!s->len) {
        g_string_free(s, TRUE);
        return NULL;
    }
    g_string_append_c(s, '\n');
    dump(s, "host ", n);
    dump(s, "vireo", v);
    return g_string_free(s, FALSE);
}

static void run_one(const SimdRow *row, const Code *c, const X86NState *start)
{
    static X86NState n, v;
    g_autofree char *diff = NULL;

    n = v = *start;
    x86n_native(&n, c->b, c->n);
    x86n_vireo(&v, c->b, c->n);
    diff = difference(&n, &v);
    if (diff) {
        GString *hex = g_string_new(NULL);
        for (size_t i = 0; i < c->n; i++)
            g_string_append_printf(hex, "%02x ", c->b[i]);
        g_test_message("%s: %s mxcsr before %x\n%s", row->name, hex->str, *(uint32_t *)(start->fx + OFF_MXCSR), diff);
        g_string_free(hex, TRUE);
        g_test_fail();
    }
}

static void test_row(gconstpointer p)
{
    const SimdRow *row = p;
    unsigned rounds = row->flags & SROW_FP ? 120 : 40;
    static X86NState st;
    GRand *r = g_rand_new_with_seed(row - simd_rows + 1);

    for (unsigned i = 0; i < rounds && !g_test_failed(); i++) {
        bool only_mem = simd_opnd_mem_only(row->dst) || simd_opnd_mem_only(row->src);
        bool only_reg = row->kind == SK_EMMS || simd_opnd_reg_only(row->dst) || simd_opnd_reg_only(row->src) || row->ext >= 0;
        bool mem = only_mem || (!only_reg && (i & 1));
        bool gpr_w = row->dst == SO_Gy || row->dst == SO_Ey || row->dst == SO_My || row->src == SO_Ey;
        bool w = gpr_w && (g_rand_int(r) & 1);
        bool p66 = row->kind == SK_CRC32 && (g_rand_int(r) & 1);
        unsigned reg = row->ext >= 0 ? (unsigned)row->ext : g_rand_int(r) & 15, rm = g_rand_int(r) & 15;
        uint32_t off = g_rand_int(r) & 0xf0;
        Code c;

        bool aligned = row->feature == SF_SHA; /* AMD processors do not check */
        if ((g_rand_int(r) & 7) == 0 && !aligned)
            off |= g_rand_int(r) & 15;
        if ((g_rand_int(r) & 31) == 0 && !aligned)
            off = 0x1000 - (g_rand_int(r) & 15); /* over a page's end */
        if (rm == 4 || rm == 12)
            rm = 3; /* rsp is not for use; and keep rm apart from it with REX too */
        if ((simd_opnd_is_gpr(row->dst) && row->dst < SO_Eb) && reg == 4)
            reg = 5;
        if ((row->dst == SO_My || row->kind == SK_MOVNTI) && reg == 4)
            reg = 5;
        random_state(&st, row, r, (row->flags & SROW_FP) && i % 3 == 2);
        st.gpr[R_ESI] = X86N_DATA + 0x100;
        if (row->kind == SK_MASKMOV)
            st.gpr[R_EDI] = X86N_DATA + off;
        encode(&c, row, mem, reg, rm, w, p66, g_rand_int(r), off - 0x100);
        run_one(row, &c, &st);
    }
    g_rand_free(r);
}

/* LDMXCSR, arithmetic, STMXCSR in one TB: sticky flags and a change of the masks inside it. */
static void test_mxcsr(void)
{
    /* ldmxcsr [rsi]; divps xmm0,xmm1; stmxcsr [rsi+4]; ldmxcsr [rsi+8]; addps xmm2,xmm3; stmxcsr [rsi+12] */
    static const uint8_t code[] = {0x0f, 0xae, 0x16, 0x0f, 0x5e, 0xc1, 0x0f, 0xae, 0x5e, 0x04, 0x0f, 0xae, 0x56, 0x08,
                                   0x0f, 0x58, 0xd3, 0x0f, 0xae, 0x5e, 0x0c};
    static X86NState st;
    GRand *r = g_rand_new_with_seed(7);
    Code c = {.n = sizeof code};

    memcpy(c.b, code, sizeof code);
    for (int i = 0; i < 300 && !g_test_failed(); i++) {
        x86n_random(&st, r);
        fill_special(st.fx + OFF_XMM, 256, r);
        st.gpr[R_ESI] = X86N_DATA;
        *(uint32_t *)st.data = (g_rand_int(r) & (i & 1 ? 0xffff : 0xe07f)) | (i & 1 ? 0 : MX_MASKS);
        *(uint32_t *)(st.data + 8) = i % 16 == 5 ? 0x10000 : (g_rand_int(r) & 0xffff);
        run_one(&(SimdRow){.name = "mxcsr"}, &c, &st);
    }
    g_rand_free(r);
}

static void test_fxsave(void)
{
    /* fxsave [rsi]; fxsave64 [rsi+0x200]; fxrstor [rsi+0x400] */
    static const uint8_t code[] = {0x0f, 0xae, 0x06, 0x48, 0x0f, 0xae, 0x86, 0x00, 0x02, 0x00, 0x00,
                                   0x0f, 0xae, 0x8e, 0x00, 0x04, 0x00, 0x00};
    static X86NState st, n, v;
    GRand *r = g_rand_new_with_seed(9);

    for (int i = 0; i < 50; i++) {
        random_state(&st, &(SimdRow){.flags = 0}, r, false);
        st.gpr[R_ESI] = X86N_DATA;
        memset(st.data, 0, 0x600);
        memcpy(st.data + 0x400, st.fx, 512);
        for (int j = 32; j < 416; j++)
            st.data[0x400 + j] ^= j;
        st.data[0x404] = i;
        n = v = st;
        x86n_native(&n, code, sizeof code);
        x86n_vireo(&v, code, sizeof code);
        for (int base = 0; base < 0x400; base += 0x200) { /* pointers are not compared, nor what is reserved */
            memset(n.data + base + 6, 0, 18);
            memset(v.data + base + 6, 0, 18);
            memset(n.data + base + 416, 0, 96);
            memset(v.data + base + 416, 0, 96);
            for (int s = 0; s < 8; s++) {
                memset(n.data + base + 32 + 16 * s + 10, 0, 6);
                memset(v.data + base + 32 + 16 * s + 10, 0, 6);
            }
            *(uint32_t *)(n.data + base + 28) = *(uint32_t *)(v.data + base + 28); /* MXCSR_MASK: host has MM */
        }
        g_autofree char *diff = difference(&n, &v);
        if (diff)
            g_error("%s", diff);
    }
    g_rand_free(r);
}

/* SDM vol. 3 section 2.5, table 2-2 and vol. 2 section 2.4: what CR0 and CR4 forbid. */
static void test_control_registers(void)
{
    enum { NONE = -1, OS = CR4_OSFXSR | CR4_OSXMMEXCPT };
    static const struct { uint8_t code[4], len; uint32_t cr0, cr4; int vector; } cases[] = {
        {{0x0f, 0x58, 0xc1}, 3, 0, OS, NONE},                   /* addps */
        {{0x0f, 0x58, 0xc1}, 3, CR0_TS, OS, EXCP_NM},
        {{0x0f, 0x58, 0xc1}, 3, CR0_EM | CR0_TS, OS, EXCP_UD},
        {{0x0f, 0x58, 0xc1}, 3, 0, 0, EXCP_UD},
        {{0xf0, 0x0f, 0x58, 0xc1}, 4, CR0_TS, OS, EXCP_UD},     /* lock */
        {{0x0f, 0xfc, 0xc1}, 3, 0, 0, NONE},                    /* paddb mm: no OSFXSR */
        {{0x0f, 0xfc, 0xc1}, 3, CR0_TS, 0, EXCP_NM},
        {{0x0f, 0xfc, 0xc1}, 3, CR0_EM, 0, EXCP_UD},
        {{0x0f, 0x2a, 0xc1}, 3, 0, 0, EXCP_UD},                 /* cvtpi2ps: both files */
        {{0x0f, 0x77}, 2, CR0_TS, OS, EXCP_NM},                 /* emms */
        {{0x0f, 0xae, 0xe8}, 3, CR0_TS | CR0_EM, 0, NONE},      /* lfence */
        {{0x0f, 0xae, 0x06}, 3, CR0_EM, OS, EXCP_NM},           /* fxsave */
        {{0x0f, 0xae, 0x1e}, 3, CR0_TS, OS, EXCP_NM},           /* stmxcsr */
        {{0xd8, 0xc1}, 2, CR0_TS, 0, EXCP_NM},                  /* fadd */
        {{0xd8, 0xc1}, 2, CR0_EM, 0, EXCP_NM},
        {{0x9b}, 1, CR0_TS, 0, EXCP_NM},                        /* wait: MP is set */
        {{0x9b}, 1, CR0_EM, 0, NONE},
        {{0xd9, 0xd1}, 2, 0, 0, EXCP_UD},                       /* hole of the escape map */
        {{0x0f, 0x0f, 0xc1, 0x9e}, 4, 0, OS, EXCP_UD},          /* 3DNow! */
    };
    uint64_t cr0 = x86n_cr0, cr4 = x86n_cr4;
    static X86NState st;
    GRand *r = g_rand_new_with_seed(3);

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        x86n_random(&st, r);
        memset(st.fx + OFF_XMM, 0, 256);
        st.gpr[R_ESI] = X86N_DATA;
        x86n_cr0 = cr0 | cases[i].cr0;
        x86n_cr4 = cases[i].cr4;
        x86n_vireo(&st, cases[i].code, cases[i].len);
        if (st.vector != cases[i].vector) {
            g_test_message("case %u: vector %d, not %d", i, st.vector, cases[i].vector);
            g_test_fail();
        }
    }
    x86n_cr0 = cr0;
    x86n_cr4 = cr4;
    g_rand_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    x86n_init();
    for (unsigned i = 0; i < simd_row_count; i++) {
        const SimdRow *row = &simd_rows[i];
        static const char *const maps[] = {"", "0f", "0f38", "0f3a"}, *const pps[] = {"np", "66", "f3", "f2"};
        if (row_is_tested(row)) {
            g_autofree char *name = g_strdup_printf("/target-x86/simd/%s-%s-%02x/%s", maps[row->map], pps[row->pp >> 8],
                                                    row->opcode, row->name);
            g_autofree char *path = row->ext >= 0 ? g_strdup_printf("%s-%d", name, row->ext) : g_strdup(name);
            g_autofree char *full = g_strdup_printf("%s%s", path, simd_opnd_mem_only(row->dst) || simd_opnd_mem_only(row->src) ? "-mem" : "");
            g_test_add_data_func(full, row, test_row);
        }
    }
    g_test_add_func("/target-x86/simd/control-registers", test_control_registers);
    g_test_add_func("/target-x86/simd/mxcsr", test_mxcsr);
    g_test_add_func("/target-x86/simd/fxsave", test_fxsave);
    return g_test_run();
}
