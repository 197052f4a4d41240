/* state.c - what sequences start from: boundary values, addresses near the edges of pages, floating-point specials,
 * memory images. Formats: Intel SDM vol. 1, chapter 4. */
#include "host/base/osdep.h"
#include "tests/diff/diff.h"
#include "tests/lib/x87-values.h"

uint64_t gen_special(void)
{
    static const uint64_t v[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
                                  INT64_MAX, 1ULL << 63, UINT64_MAX, 0x100, 0x10000, 0x100000000, 31, 32, 63, 64 };
    uint64_t r = rnd64();
    switch (below(4)) {
    case 0: return v[below(G_N_ELEMENTS(v))];
    case 1: r >>= below(64); break;
    default: break;
    }
    /* never near the program's own memory */
    return r >> 44 && !(r >> 47) ? r | 1ULL << 62 : r;
}

bool diff_edges;

/* A few bytes around an edge, or as far in front of it as an area is long: of pages, of segments (segs.c), of the offsets
 * that 16 and 32 bits have and of canonical addresses. */
static uint64_t gen_edge(void)
{
    static const uint16_t data[] = {0x1000, 0x1000, 0x3000, 0x3000, 0x4000, 0x5000, 0x6000, 0x6000, 0x7000, 0x9000, 0xb000, 0xa800, 0xbff4, 0x2000, 0x9100};
    static const uint64_t other[] = {0, 0x10000, 1ULL << 32, 1ULL << 32, 1ULL << 32, 1ULL << 47};
    static const uint16_t before[] = {24, 24, 128, 600, 1100};
    uint64_t edge = DIFF_DATA + 0x10000;

    if (below(8))
        edge = DIFF_DATA + data[below(G_N_ELEMENTS(data))];
    else if (below(3))
        edge = other[below(G_N_ELEMENTS(other))];
    edge += 8 - (uint64_t)below(before[below(5)]);
    return below(4) ? edge : edge & ~63;
}

uint64_t gen_addr(void)
{
    static const uint16_t edge[] = {0x1000, 0x3000, 0x4000, 0x5000, 0x6000, 0x7000};
    unsigned k;

    if (diff_edges && below(12))
        return gen_edge();
    k = below(100);
    if (k < 66)
        return DIFF_DATA + ((0x1200 + below(0x1c00)) & (below(2) ? ~0xfu : below(2) ? ~3u : ~0u));
    if (k < 76)
        return DIFF_DATA + 0x1fe0 + below(0x40);
    if (k < 84)
        return DIFF_DATA + 0x4100 + below(0xe00);
    if (k < 89)
        return DIFF_DATA + edge[below(6)] - 0x20 + below(0x40);
    if (k < 91)
        return DIFF_DATA + (below(2) ? 0x3800 : 0x7800) + below(0x100);
    if (k < 98)
        return DIFF_DATA + 0x5100 + below(0xe00);
    return below(2) ? gen_special() : 1ULL << 47 | rnd64();
}

uint32_t gen_offset(int bits)
{
    bool low = bits == 16 || (diff_edges && below(8) == 0); /* ES of 32-bit code begins at the data, often */

    return gen_addr() - (low ? DIFF_DATA : 0);
}

/* ---- states ---- */

static uint32_t special32(void)
{
    static const uint32_t v[] = {0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001,
                                 0x7f800001, 0x00000001, 0x007fffff, 0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff,
                                 0x4effffff, 0x4f000000, 0xcf000000, 0x5f000000, 0x40490fdb, 0x1fffffff, 0x20000000};
    return below(2) ? v[below(G_N_ELEMENTS(v))] : below(2) ? rnd64() : 0x3f800000 ^ (rnd64() & 0x81ffffff);
}

static uint64_t special64(void)
{
    static const uint64_t v[] = {0, 1ULL << 63, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0xfff0000000000000,
                                 0x7ff8000000000000, 0xfff8000000000001, 0x7ff0000000000001, 1, 0x000fffffffffffff,
                                 0x0010000000000000, 0x7fefffffffffffff, 0x36a0000000000000, 0x47efffffffffffff,
                                 0x41dfffffffc00000, 0x41e0000000000000, 0xc1e0000000000000, 0x43e0000000000000,
                                 0x3690000000000000, 0x3810000000000000, 0x380fffffffffffff, 0x1ff0000000000000};
    return below(2) ? v[below(G_N_ELEMENTS(v))] : below(2) ? rnd64() : 0x3ff0000000000000 ^ (rnd64() & 0x803fffffffffffff);
}

static void special80(uint8_t *p)
{
    unsigned kind = below(4), n = below(G_N_ELEMENTS(x87_special));
    uint64_t m = rnd64();
    x87_value(p, kind, n, m, rnd64());
}

static void fill(uint8_t *p, size_t n, unsigned style)
{
    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint64_t v;
        switch (style) {
        case 0: v = rnd64(); break;
        case 1: v = special64(); break;
        case 2: v = special32() | (uint64_t)special32() << 32; break;
        case 3: v = rnd64() & 0x0303030303030303; break;
        case 4: v = gen_special(); break;
        case 6: case 7: { /* far pointers: 32-bit offset, 16-bit one */
            uint32_t off;
            unsigned sel = below(2) ? gen_far_target(&off) : (off = gen_addr(), gen_selector());
            v = style == 6 ? off | (uint64_t)sel << 32 : (off & 0xffff) | sel << 16 | (uint64_t)gen_selector() << 32;
            break;
        }
        default: v = (rnd64() & rnd64() & 0x8080808080808080) | (below(2) ? 0x7fff00017fffff80 : 0xff008001); break;
        }
        memcpy(p + i, &v, 8);
    }
}

uint8_t diff_image[DIFF_IMAGES][DIFF_WRITABLE][4096], diff_ro[DIFF_PAGES][4096];

/* The words at the top of the stack: return addresses, mostly. */
static void fill_stack(uint8_t *p)
{
    for (unsigned i = 0; i < 4096; i += 8) {
        uint64_t v = below(2) ? DIFF_EXIT : below(2) ? gen_special() : gen_addr();
        memcpy(p + i, &v, 8);
    }
}

/* For code that returns by RETF and IRET, with words of `size` bytes: offset, CS, flags, stack pointer, SS. */
static void fill_far_stack(uint8_t *p, unsigned size)
{
    for (unsigned i = 0; i + size * 5 <= 4096;) {
        uint32_t off;
        uint64_t v[5] = {0, gen_far_target(&off), 0x202 | (rnd64() & (below(4) ? CC_MASK : 0xffff)),
                         DIFF_DATA + 0x9400 + (below(0x1800) & ~7u), 0x2b};
        unsigned n = below(3) ? 5 : below(2) ? 2 : 1;
        v[0] = below(4) ? off : gen_special();
        if (n == 1)
            v[0] = below(2) ? (uint64_t)gen_selector() : below(2) ? DIFF_EXIT_ANY - (size == 2 ? DIFF_CODE16 : 0) : gen_special();
        if (below(8) == 0)
            v[4] = gen_selector();
        for (unsigned k = 0; k < n; k++, i += size)
            memcpy(p + i, &v[k], size);
    }
}

void gen_images(void)
{
    for (unsigned i = 0; i < DIFF_PAGES; i++)
        fill(diff_ro[i], 4096, i & 1);
    for (unsigned n = 0; n < DIFF_IMAGES; n++) {
        for (unsigned i = 0; i < DIFF_WRITABLE; i++) {
            if (i >= 3 && n >= DIFF_IMAGES / 2)
                fill_far_stack(diff_image[n][i], 2u << n % 3);
            else if (i >= 3)
                fill_stack(diff_image[n][i]);
            else
                for (unsigned at = 0; at < 4096; at += 256)
                    fill(diff_image[n][i] + at, 256, below(8));
        }
        for (unsigned k = 0; k < 64; k++)
            special80(diff_image[n][below(3)] + (below(4080) & ~7u));
    }
}

static void gen_vsib(DiffState *st, const DiffInsn *g)
{
    unsigned size = g->vlong ? 8 : 4, style = below(4), mask = rnd64();

    for (unsigned i = 0; i < 32 / size; i++) {
        int64_t v = (int64_t)below(128) - 64;
        uint64_t at = (i * size & 15) + 16 * g->vsib + (i * size & 16 ? XS_YMMH : XS_XMM);
        if (below(12) == 0)
            v = (int64_t)((int32_t)below(0x4000) - 0x2000) >> g->vscale;
        if (below(64) == 0)
            v = gen_special();
        memcpy(st->xs + at, &v, size);
    }
    if (g->vmask != g->vsib && style)
        for (unsigned i = 0; i < 32; i++)
            if (i % 4 == 3)
                st->xs[(i & 16 ? XS_YMMH : XS_XMM) + 16 * g->vmask + (i & 15)] = style == 1 ? 0xff : mask >> (i / 4) << 7;
}

void gen_state(DiffState *st, const DiffSeq *q)
{
    uint32_t mxcsr = 0x1f80 | (below(2) ? 0 : rnd64() & 0xe07f);
    uint16_t cw = 0x37f, sw = 0;

    memset(st->xs, 0, XS_SIZE);
    st->xs[XS_BV] = 7;
    for (int i = 0; i < 16; i++) {
        switch (q->role[i]) {
        case ROLE_PTR: st->gpr[i] = q->bits == 64 ? gen_addr() : gen_offset(q->bits); break;
        case ROLE_INDEX: st->gpr[i] = (int)below(24) - 8; break;
        case ROLE_TARGET: st->gpr[i] = !below(4) ? gen_addr() : q->bits == 64 ? DIFF_EXIT : DIFF_EXIT_ANY - (q->bits == 16 ? DIFF_CODE16 : 0); break;
        default: st->gpr[i] = q->seg && below(2) ? (gen_special() & ~0xffffULL) | gen_selector() : gen_special(); break;
        }
        if (q->bits != 64 && i < 8)
            st->gpr[i] = (uint32_t)st->gpr[i];
    }
    gen_segments(st, q->bits);
    if (q->string && below(8))
        st->gpr[R_ECX] = below(8) ? below(40) : below(2000);
    if (q->cl_small)
        st->gpr[R_ECX] = (st->gpr[R_ECX] & ~31ULL) | below(17);
    if (q->xsave) { /* the host has components that the guest has not */
        st->gpr[R_EAX] &= 7;
        st->gpr[R_EDX] = 0;
    }
    st->gpr[R_ESP] = below(16) ? DIFF_DATA + 0x9400 + (below(0x1800) & ~7u) : DIFF_DATA + (below(2) ? 0x9000 : 0xafe0) + below(0x20);
    if (diff_edges && below(2))
        st->gpr[R_ESP] = q->bits == 64 ? gen_edge() : (uint32_t)gen_edge();
    if (st->sel[R_SS] & 4) /* segments that start at the data */
        st->gpr[R_ESP] = (uint32_t)(st->gpr[R_ESP] - DIFF_DATA) | (below(8) ? 0 : rnd64() & 0xffff0000);
    st->rflags = 0x202 | (rnd64() & CC_MASK) | (below(8) ? 0 : EFL_DF) | (q->ac_ok && below(8) == 0 ? EFL_AC : 0) | (rnd64() & EFL_ID);
    st->fsbase = below(256) ? 0x40 : 1ULL << 40;
    st->gsbase = 0x100;
    if (q->unmask)
        mxcsr = (mxcsr & ~0x1f80) | (rnd64() & 0x1f80);
    memcpy(st->xs + XS_MXCSR, &mxcsr, 4);
    memcpy(st->xs + XS_MXCSR + 4, &(uint32_t){0xffff}, 4);
    fill(st->xs + XS_XMM, 256, q->fp ? 1 + below(2) : below(6));
    fill(st->xs + XS_YMMH, 256, q->fp ? 1 + below(2) : below(6));
    if (q->x87) {
        if (below(2))
            cw = 0x7f | (rnd64() & 0xf00);
        if (q->unmask)
            cw = (cw & ~0x3f) | (rnd64() & 0x3f);
        sw = rnd64() & (q->unmask ? 0x7f00 : 0x7f7f);
        if (below(2))
            sw &= ~0x7f;
        st->xs[XS_FTW] = below(4) ? rnd64() | rnd64() : 0xff;
        for (int i = 0; i < 8; i++)
            special80(st->xs + XS_ST + 16 * i);
    }
    for (unsigned i = 0; i < q->n; i++) /* indices that lead to the data pages, mostly; masks of all kinds */
        if (q->insn[i].vsib >= 0)
            gen_vsib(st, &q->insn[i]);
    memcpy(st->xs + XS_FCW, &cw, 2);
    memcpy(st->xs + XS_FSW, &sw, 2);
    st->rip = q->start;
    st->vector = DIFF_VECTOR_NONE;
    st->image = below(DIFF_IMAGES);
}
