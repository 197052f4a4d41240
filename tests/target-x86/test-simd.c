/* test-simd.c - every row of simd.def and vex.def, with random operands, on the host and in Vireo: registers, flags, MXCSR,
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
    case SK_SEGBASE: case SK_XSAVE:
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
    for (unsigned i = 0; i < simd_row_imm_bytes(r); i++)
        add(c, i ? imm ^ 0x15 : imm);
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
        if (x86n_has_avx())
            fill_special(st->ymmh[0], 256, r);
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
    if ((row->kind == SK_PCMPSTR || row->kind == SK_VPCMPSTR) && g_rand_int(r) & 1) {
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
        if (memcmp(n->ymmh[i], v->ymmh[i], 16)) {
            const uint64_t *a = (const uint64_t *)n->ymmh[i], *b = (const uint64_t *)v->ymmh[i];
            g_string_append_printf(s, "ymmh%d %016" PRIx64 "%016" PRIx64 " %016" PRIx64 "%016" PRIx64 " ", i, a[1], a[0], b[1], b[0]);
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

/* Of the several steps of these, processors differ in which they do before an unmasked exception stops them. */
static bool is_dot_product(const SimdRow *r) { return r->map == MAP_0F3A && (r->opcode == 0x40 || r->opcode == 0x41); }

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
        random_state(&st, row, r, (row->flags & SROW_FP) && i % 3 == 2 && !is_dot_product(row));
        st.gpr[R_ESI] = X86N_DATA + 0x100;
        if (row->kind == SK_MASKMOV)
            st.gpr[R_EDI] = X86N_DATA + off;
        encode(&c, row, mem, reg, rm, w, p66, g_rand_int(r), off - 0x100);
        run_one(row, &c, &st);
    }
    g_rand_free(r);
}

/* ---- VEX ---- */

static void encode_vex(Code *c, const SimdRow *r, bool mem, bool l, bool w, unsigned reg, unsigned vvvv, unsigned rm, int vsib, uint8_t imm,
                       uint32_t disp)
{
    bool short_form = r->map == MAP_0F && !w && (mem || rm < 8) && (imm & 1);

    c->n = 0;
    if (short_form) {
        add(c, 0xc5);
        add(c, (reg < 8 ? 0x80 : 0) | (~vvvv & 15) << 3 | l << 2 | r->pp >> 8);
    } else {
        add(c, 0xc4);
        add(c, (reg < 8 ? 0x80 : 0) | (vsib < 8 ? 0x40 : 0) | (mem || rm < 8 ? 0x20 : 0) | r->map);
        add(c, w << 7 | (~vvvv & 15) << 3 | l << 2 | r->pp >> 8);
    }
    /* SIMD_PP_* number the prefixes as VEX does */
    add(c, r->opcode);
    if (!simd_row_has_modrm(r))
        return;
    add(c, (!mem ? 0xc0 | (rm & 7) : vsib >= 0 ? 0x84 : 0x86) | (reg & 7) << 3);
    if (vsib >= 0)
        add(c, 0x86 | (vsib & 7) << 3 | 0x40); /* scale 8 */
    for (unsigned i = 0; mem && i < 4; i++)
        add(c, disp >> 8 * i);
    if (r->imm8)
        add(c, imm);
}

/* Small indices, so that the elements are inside the data. */
static void gather_indices(X86NState *st, const SimdRow *row, unsigned vsib, GRand *r)
{
    bool wide = row->opcode & 1;
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *p = i < 4 ? st->fx + OFF_XMM + 16 * vsib + 4 * i : st->ymmh[vsib] + 4 * (i - 4);
        int32_t ix = wide && (i & 1) ? 0 : g_rand_int_range(r, wide ? 0 : -32, 64);
        memcpy(p, &ix, 4);
    }
}

static void test_vex_row(gconstpointer p)
{
    const SimdRow *row = p;
    bool fp = row->flags & SROW_FP;
    unsigned rounds = fp ? 120 : 60;
    static X86NState st;
    GRand *r = g_rand_new_with_seed(row - vex_rows + 1000);

    for (unsigned i = 0; i < rounds && !g_test_failed(); i++) {
        bool only_mem = simd_opnd_mem_only(row->dst) || simd_opnd_mem_only(row->src);
        bool only_reg = !simd_row_has_modrm(row) || simd_opnd_reg_only(row->dst) || simd_opnd_reg_only(row->src) || row->ext >= 0;
        bool mem = only_mem || (!only_reg && (i & 1)), gather = row->kind == SK_VGATHER;
        bool l = row->l == VEX_L1 || ((row->l & VEX_L1) && (g_rand_int(r) & 1));
        bool w = row->w == VEX_W1 || (row->w == VEX_WX && (g_rand_int(r) & 1));
        unsigned reg = row->ext >= 0 ? (unsigned)row->ext : g_rand_int(r) & 15, rm = g_rand_int(r) & 15;
        unsigned vvvv = row->vv == SO_Hx ? g_rand_int(r) & 15 : 0;
        uint32_t off = (g_rand_int(r) & 0xff) + 0x100;
        int vsib = -1;
        Code c;

        if (!simd_host_has(l && row->l != VEX_LG ? row->feature256 : row->feature))
            continue;
        if (row->src == SO_Wa || row->dst == SO_Wa || row->src == SO_Mx || row->dst == SO_Mx) {
            if (g_rand_int(r) & 7)
                off &= ~31u;
        }
        if ((g_rand_int(r) & 31) == 0)
            off = 0x1000 - (g_rand_int(r) & 31); /* over a page's end */
        if (rm == 4 || rm == 12)
            rm = 3;
        if (simd_opnd_is_gpr(row->dst) && row->dst < SO_Eb && reg == 4)
            reg = 5;
        random_state(&st, row, r, fp && i % 3 == 2 && !is_dot_product(row));
        st.gpr[R_ESI] = X86N_DATA + 0x100;
        if (row->kind == SK_VMASKMOVDQU)
            st.gpr[R_EDI] = X86N_DATA + off;
        if (gather) {
            vsib = g_rand_int(r) & 15;
            if (i % 8 && (reg == vvvv || (int)vvvv == vsib || (int)reg == vsib))
                continue;
            gather_indices(&st, row, vsib, r);
            off = 0x200;
        }
        encode_vex(&c, row, mem, l, w, reg, vvvv, rm, vsib, g_rand_int(r), off - 0x100);
        run_one(row, &c, &st);
    }
    g_rand_free(r);
}

/* Loops whose vectors stay in registers from one round to the next (tcg/loop.c), to their end or to an address that is not
 * aligned: every register is then what that round had come to. */
static void loop_insn(Code *c, GRand *r, bool vex, unsigned regs)
{
    static const uint8_t ops[] = { 0xfe, 0xfa, 0xef, 0xdb, 0x61, 0x70, 0x72, 0x28, 0x10, 0x11 };
    unsigned op = ops[g_rand_int_range(r, 0, G_N_ELEMENTS(ops))], reg = g_rand_int_range(r, 0, regs), rm = g_rand_int_range(r, 0, regs);
    bool move = op == 0x10 || op == 0x11, pp66 = op != 0x28 && !move;
    bool mem = move || (vex && op != 0x72 && op != 0x28 && g_rand_int_range(r, 0, 4) == 0);
    unsigned base = g_rand_boolean(r) ? R_ESI : R_EDI;
    unsigned vvvv = op == 0x28 || move || op == 0x70 ? 0 : op == 0x72 ? reg : (unsigned)g_rand_int_range(r, 0, regs);

    if (op == 0x72)
        reg = 6; /* pslld by a constant */
    if (vex) {
        bool l = g_rand_int_range(r, 0, 4) != 0;
        add(c, 0xc4);
        add(c, (reg & 8 ? 0 : 0x80) | 0x40 | (!mem && rm & 8 ? 0 : 0x20) | 1);
        add(c, (~vvvv & 15) << 3 | l << 2 | pp66);
    } else {
        if (pp66)
            add(c, 0x66);
        if ((reg | (mem ? 0 : rm)) & 8)
            add(c, 0x40 | (reg >> 3) << 2 | (mem ? 0 : rm >> 3));
        add(c, 0x0f);
    }
    add(c, op);
    if (mem) {
        add(c, 4 | (reg & 7) << 3);
        add(c, R_EAX << 3 | base); /* [base + rax] */
    } else {
        add(c, 0xc0 | (reg & 7) << 3 | (rm & 7));
    }
    if (op == 0x70 || op == 0x72)
        add(c, g_rand_int_range(r, 0, 40));
}

static void test_loops(gconstpointer p)
{
    const bool vex = p;
    g_autoptr(GRand) r = g_rand_new_with_seed(vex ? 77 : 78);

    for (unsigned i = 0; i < 2000; i++) {
        static X86NState st, n, v;
        uint8_t code[512];
        size_t len = 0;
        unsigned regs = g_rand_int_range(r, 2, 17), step = vex ? 32 : 16, rounds = g_rand_int_range(r, 1, 40);
        x86n_random(&st, r);
        st.gpr[R_EAX] = 0;
        st.gpr[R_ESI] = X86N_DATA + 0x3000 - g_rand_int_range(r, 0, 64);
        st.gpr[R_EDI] = X86N_DATA + g_rand_int_range(r, 0x800, 0x2000);
        st.gpr[R_EBX] = X86N_DATA;
        memset(st.data, 0, 0x800);
        st.data[g_rand_int_range(r, 0, 60) * step] = 1; /* the round that faults */
        for (unsigned k = g_rand_int_range(r, 1, 36), check = g_rand_int_range(r, 0, k); k > 0; k--) {
            Code c = {0};
            if (k - 1 == check) { /* mov rdx, [rbx + rax]; movaps xmm, [rbx + rdx] */
                const uint8_t load[] = { 0x48, 0x8b, 0x14, 0x03, vex ? 0xc5 : 0x0f, vex ? 0xfc : 0x28, 0x28 };
                memcpy(c.b, load, c.n = vex ? 7 : 6);
                add(&c, 4 | ((regs - 1) & 7) << 3);
                add(&c, 0x13);
            } else {
                loop_insn(&c, r, vex, regs);
            }
            memcpy(code + len, c.b, c.n);
            len += c.n;
        }
        const uint8_t tail[] = { 0x48, 0x83, 0xc0, step, 0x48, 0x3d, rounds * step, rounds * step >> 8, 0, 0, 0x0f, 0x85 };
        memcpy(code + len, tail, sizeof tail); /* add rax, step; cmp rax, rounds * step; jne */
        len += sizeof tail;
        int32_t back = -(int32_t)(len + 4);
        memcpy(code + len, &back, 4);
        len += 4;
        n = v = st;
        x86n_native(&n, code, len);
        x86n_vireo(&v, code, len);
        g_autofree char *diff = difference(&n, &v);
        if (diff) {
            GString *hex = g_string_new(NULL);
            for (size_t k = 0; k < len; k++)
                g_string_append_printf(hex, "%02x ", code[k]);
            g_test_message("case %u: %s: %s", i, hex->str, diff);
            g_string_free(hex, TRUE);
            g_test_fail();
            return;
        }
    }
}

/* Values that cross between SSE and AVX instructions, many registers live, VZEROUPPER in between. */
static void test_vex_sequences(void)
{
    static X86NState st;
    GRand *r = g_rand_new_with_seed(77);

    for (int round = 0; round < 300 && !g_test_failed(); round++) {
        Code c = {.n = 0};
        static uint8_t buf[400];
        size_t n = 0;
        for (int i = 0; i < 30; i++) {
            unsigned d = g_rand_int(r) & 15, a = g_rand_int(r) & 15, b = g_rand_int(r) & 7, kind = g_rand_int(r) % 10;
            uint8_t v = (d < 8 ? 0x80 : 0) | (~a & 15) << 3;
            switch (kind) {
            case 0: /* paddd xmmD, xmmB */
                buf[n++] = 0x66;
                if (d >= 8)
                    buf[n++] = 0x44;
                buf[n++] = 0x0f; buf[n++] = 0xfe; buf[n++] = 0xc0 | (d & 7) << 3 | b;
                break;
            case 1: /* vzeroupper */
                if (g_rand_int(r) & 3)
                    break;
                buf[n++] = 0xc5; buf[n++] = 0xf8; buf[n++] = 0x77;
                break;
            case 2: /* vmovdqu [rsi + 32 * b], ymmD */
                buf[n++] = 0xc5; buf[n++] = (d < 8 ? 0x80 : 0) | 0x7e; buf[n++] = 0x7f; buf[n++] = 0x86 | (d & 7) << 3;
                buf[n++] = b << 5; buf[n++] = b >> 3; buf[n++] = 0; buf[n++] = 0;
                break;
            case 3: /* vmovdqu xmmD, [rsi + 32 * b] */
                buf[n++] = 0xc5; buf[n++] = (d < 8 ? 0x80 : 0) | 0x7a; buf[n++] = 0x6f; buf[n++] = 0x86 | (d & 7) << 3;
                buf[n++] = b << 5; buf[n++] = b >> 3; buf[n++] = 0; buf[n++] = 0;
                break;
            case 4: case 5: case 6: /* vpaddd, vpxor, vpsubb xmm */
                buf[n++] = 0xc5; buf[n++] = v | 1; buf[n++] = kind == 4 ? 0xfe : kind == 5 ? 0xef : 0xf8; buf[n++] = 0xc0 | (d & 7) << 3 | b;
                break;
            default: /* ymm */
                buf[n++] = 0xc5; buf[n++] = v | 5; buf[n++] = kind == 7 ? 0xfe : kind == 8 ? 0xef : 0xf8; buf[n++] = 0xc0 | (d & 7) << 3 | b;
                break;
            }
        }
        static X86NState nat, vir;
        x86n_random(&st, r);
        st.gpr[R_ESI] = X86N_DATA;
        if (round & 1) /* then VZEROUPPER has to know what is written here (TcgEnvHead.vec_high) */
            memset(st.ymmh[8], 0, 8 * 16);
        nat = vir = st;
        x86n_native(&nat, buf, n);
        x86n_vireo(&vir, buf, n);
        g_autofree char *diff = difference(&nat, &vir);
        if (diff) {
            g_test_message("round %d: %s", round, diff);
            g_test_fail();
        }
        (void)c;
    }
    g_rand_free(r);
}

/* Encodings that VEX forbids, and the state that AVX wants. */
static void test_vex_ud(void)
{
    enum { NONE = -1, OS = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE };
    static const struct { uint8_t code[8], len; uint32_t cr0, cr4; int vector; } cases[] = {
        {{0xc5, 0xf0, 0x58, 0xc2}, 4, 0, OS, NONE},                   /* vaddps xmm0, xmm1, xmm2 */
        {{0xc5, 0xf4, 0x58, 0xc2}, 4, 0, OS, NONE},
        {{0x66, 0xc5, 0xf0, 0x58, 0xc2}, 5, 0, OS, EXCP_UD},
        {{0xf2, 0xc5, 0xf0, 0x58, 0xc2}, 5, 0, OS, EXCP_UD},
        {{0xf3, 0xc5, 0xf0, 0x58, 0xc2}, 5, 0, OS, EXCP_UD},
        {{0xf0, 0xc5, 0xf0, 0x58, 0xc2}, 5, 0, OS, EXCP_UD},
        {{0x48, 0xc5, 0xf0, 0x58, 0xc2}, 5, 0, OS, EXCP_UD},
        {{0x40, 0xc5, 0xf0, 0x58, 0xc2}, 5, 0, OS, EXCP_UD},
        {{0x64, 0xc5, 0xf0, 0x58, 0xc2}, 5, 0, OS, NONE},             /* segment and address size are allowed */
        {{0x67, 0xc5, 0xf0, 0x58, 0xc2}, 5, 0, OS, NONE},
        {{0x66, 0xc4, 0xe2, 0x70, 0xf2, 0xc2}, 6, 0, OS, EXCP_UD},    /* andn */
        {{0xc4, 0xe2, 0x70, 0xf2, 0xc2}, 5, 0, 0, NONE},              /* andn needs no OSXSAVE */
        {{0xc4, 0xe2, 0x74, 0xf2, 0xc2}, 5, 0, OS, EXCP_UD},          /* andn, L = 1 */
        {{0xc4, 0xe3, 0x73, 0xf0, 0xc2, 3}, 6, 0, OS, EXCP_UD},       /* rorx with vvvv */
        {{0xc5, 0xf0, 0x51, 0xc2}, 4, 0, OS, EXCP_UD},                /* vsqrtps with vvvv */
        {{0xc5, 0xf0, 0x77}, 3, 0, OS, EXCP_UD},                      /* vzeroupper with vvvv */
        {{0xc5, 0xf8, 0x77}, 3, 0, OS, NONE},
        {{0xc4, 0xe1, 0x78, 0x77}, 4, 0, OS, NONE},                   /* map 1 in three bytes */
        {{0xc4, 0xe0, 0x70, 0x58, 0xc2}, 5, 0, OS, EXCP_UD},          /* map 0 */
        {{0xc4, 0xe5, 0x70, 0x58, 0xc2}, 5, 0, OS, EXCP_UD},          /* map 5 */
        {{0xc4, 0xe3, 0x75, 0x00, 0xc2, 1}, 6, 0, OS, EXCP_UD},       /* vpermq, W = 0 and vvvv */
        {{0xc4, 0xe3, 0x7d, 0x00, 0xc2, 1}, 6, 0, OS, EXCP_UD},       /* W = 0 */
        {{0xc4, 0xe3, 0xf9, 0x00, 0xc2, 1}, 6, 0, OS, EXCP_UD},       /* L = 0 */
        {{0xc4, 0xe3, 0xfd, 0x00, 0xc2, 1}, 6, 0, OS, NONE},
        {{0xc5, 0xf4, 0x12, 0xc2}, 4, 0, OS, EXCP_UD},                /* vmovhlps, L = 1 */
        {{0xc5, 0xf2, 0x10, 0x06}, 4, 0, OS, EXCP_UD},                /* vmovss from memory with vvvv */
        {{0xc5, 0xf0, 0x58, 0xc2}, 4, 0, OS & ~CR4_OSXSAVE, EXCP_UD},
        {{0xc5, 0xf0, 0x58, 0xc2}, 4, CR0_TS, OS, EXCP_NM},
        {{0xc5, 0xf0, 0x58, 0xc2}, 4, CR0_TS, 0, EXCP_UD},
        {{0xc5, 0xf0, 0x58, 0xc2}, 4, CR0_EM, OS, NONE},
        {{0x0f, 0xae, 0x26}, 3, 0, 0, EXCP_UD},                       /* xsave */
        {{0x0f, 0xae, 0x26}, 3, CR0_TS, OS, EXCP_NM},
    };
    uint64_t cr0 = x86n_cr0, cr4 = x86n_cr4;
    static X86NState st;
    GRand *r = g_rand_new_with_seed(3);

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        x86n_random(&st, r);
        memset(st.fx + OFF_XMM, 0, 256);
        memset(st.ymmh, 0, sizeof st.ymmh);
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

/* XSAVE in every form and back: the images and the state are those of the host. */
static void test_xsave(void)
{
    /* mov eax, 7; xor edx, edx; xsave64 [rsi]; xsavec64 [rsi+0x400]; xsaveopt64 [rsi+0x800]; vzeroall; xrstor64 [rsi] or from
     * the compact image; then vpaddd ymm0, ymm0, ymm1 */
    static const uint8_t start[] = {0xb8, 7, 0, 0, 0, 0x31, 0xd2, 0x48, 0x0f, 0xae, 0x26, 0x48, 0x0f, 0xc7, 0xa6, 0, 4, 0, 0,
                                    0x48, 0x0f, 0xae, 0xb6, 0, 8, 0, 0, 0xc5, 0xfc, 0x77, 0xb8, 0, 0, 0, 0, 0x48, 0x0f, 0xae, 0xae, 0, 0, 0, 0,
                                    0xc5, 0xf5, 0xfe, 0xc0};
    static X86NState st, n, v;
    GRand *r = g_rand_new_with_seed(9);

    for (int i = 0; i < 60 && !g_test_failed(); i++) {
        uint8_t code[sizeof start];
        memcpy(code, start, sizeof start);
        code[1] = i & 4 ? 7 : g_rand_int(r) & 7;
        code[31] = g_rand_int(r) & 7;                      /* what is restored */
        code[40] = i & 1 ? 4 : 0;                          /* the compact image */
        random_state(&st, &(SimdRow){.flags = 0}, r, false);
        if (i % 3 == 0)
            memset(st.ymmh, 0, sizeof st.ymmh);
        st.gpr[R_ESI] = X86N_DATA;
        memset(st.data, 0, 0x1000);
        n = v = st;
        x86n_native(&n, code, sizeof code);
        x86n_vireo(&v, code, sizeof code);
        for (int base = 0; base < 0xc00; base += 0x400) { /* pointers are not compared, nor what is reserved */
            memset(n.data + base + 6, 0, 18);
            memset(v.data + base + 6, 0, 18);
            memset(n.data + base + 28, 0, 4);
            memset(v.data + base + 28, 0, 4);
            memset(n.data + base + 416, 0, 96);
            memset(v.data + base + 416, 0, 96);
            if (i % 3 == 0) /* zeros may count as in use */
                n.data[base + 512] &= v.data[base + 512] | 3;
            for (int s = 0; s < 8; s++) {
                memset(n.data + base + 32 + 16 * s + 10, 0, 6);
                memset(v.data + base + 32 + 16 * s + 10, 0, 6);
            }
        }
        g_autofree char *diff = difference(&n, &v);
        if (diff) {
            g_test_message("round %d, saved %u restored %u: %s", i, code[1], code[31], diff);
            g_test_fail();
        }
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
    for (unsigned i = 0; i < vex_row_count && x86n_has_avx(); i++) {
        const SimdRow *row = &vex_rows[i];
        static const char *const maps[] = {"", "0f", "0f38", "0f3a"}, *const pps[] = {"np", "66", "f3", "f2"};
        g_autofree char *name = g_strdup_printf("/target-x86/vex/%u-%s-%s-%02x/%s", i, maps[row->map], pps[row->pp >> 8], row->opcode, row->name);
        if (row->kind != SK_LDMXCSR && row->kind != SK_STMXCSR)
            g_test_add_data_func(name, row, test_vex_row);
    }
    if (x86n_has_avx()) {
        g_test_add_func("/target-x86/vex/sequences", test_vex_sequences);
        g_test_add_data_func("/target-x86/vex/loops", GINT_TO_POINTER(1), test_loops);
        g_test_add_func("/target-x86/vex/undefined", test_vex_ud);
        g_test_add_func("/target-x86/vex/xsave", test_xsave);
    }
    g_test_add_func("/target-x86/simd/control-registers", test_control_registers);
    g_test_add_func("/target-x86/simd/mxcsr", test_mxcsr);
    g_test_add_data_func("/target-x86/simd/loops", NULL, test_loops);
    g_test_add_func("/target-x86/simd/fxsave", test_fxsave);
    return g_test_run();
}
