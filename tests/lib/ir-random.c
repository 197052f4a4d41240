/* ir-random.c - see ir-random.h. Values are drawn from pools of temps that are defined at that point:
 * globals and local temps always, block temps until the next label or branch. Operands are often
 * repeated and often constants with edge values, since that is where folding rules meet. */
#include "tests/lib/ir-random.h"

enum { NB_LOCALS = 4, MAX_BLOCK_TEMPS = 24, MAX_PENDING = 6 };

typedef struct Gen {
    TcgContext *s;
    GRand *r;
    unsigned features;
    Tv local[NB_LOCALS], block[MAX_BLOCK_TEMPS];
    Vv localv[2];
    unsigned nb_block;
    TcgLabel pending[MAX_PENDING]; /* branched to, not placed yet */
    unsigned nb_pending;
} Gen;

static unsigned pick(Gen *g, unsigned n) { return g_rand_int_range(g->r, 0, n); }
static TcgType any_type(Gen *g) { return pick(g, 2) ? TCG_I64 : TCG_I32; }
static unsigned bits_of(TcgType t) { return t == TCG_I32 ? 32 : 64; }

static uint64_t any_value(Gen *g)
{
    static const uint64_t edge[] = { 0, 1, 2, 3, 4, 8, 0xf, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x10000,
                                     0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0xffffffff00000000,
                                     0x7fffffffffffffff, 0x8000000000000000, ~0ULL, ~1ULL, ~0xffULL, 64, 31 };
    switch (pick(g, 4)) {
    case 0: return (uint64_t)g_rand_int(g->r) << 32 | g_rand_int(g->r);
    case 1: return 1ULL << pick(g, 64);
    default: return edge[pick(g, ARRAY_SIZE(edge))];
    }
}

static Tv src(Gen *g)
{
    switch (pick(g, 5)) {
    case 0: return tcg_const(g->s, any_value(g));
    case 1: return g->local[pick(g, NB_LOCALS)];
    case 2: return tcg_global(pick(g, 19)); /* 16 registers, cc_dst, cc_src, cc_src2 */
    default: return g->nb_block ? g->block[pick(g, g->nb_block)] : tcg_global(pick(g, 16));
    }
}

static Tv dst(Gen *g)
{
    unsigned k = pick(g, 6);

    if (k == 0)
        return g->local[pick(g, NB_LOCALS)];
    if (k == 1)
        return tcg_global(pick(g, 19));
    if (k == 2 && g->nb_block)
        return g->block[pick(g, g->nb_block)];
    if (g->nb_block == MAX_BLOCK_TEMPS)
        return g->block[pick(g, MAX_BLOCK_TEMPS)];
    return tcg_temp(g->s); /* enters the pool by defined() */
}

/* d has just been written: from now on it may be read. */
static void defined(Gen *g, Tv d)
{
    if (g->s->temps[d.i].kind != TCG_TEMP_EBB || g->nb_block == MAX_BLOCK_TEMPS)
        return;
    for (unsigned i = 0; i < g->nb_block; i++) {
        if (g->block[i].i == d.i)
            return;
    }
    g->block[g->nb_block++] = d;
}

/* A value below n (a power of two), in a temp or constant. */
static Tv below(Gen *g, unsigned n)
{
    if (pick(g, 2))
        return tcg_const(g->s, pick(g, n));
    Tv t = tcg_temp(g->s), a = src(g);
    tcg_gen_andi(g->s, TCG_I64, t, a, n - 1);
    return t;
}

static void gen_arith(Gen *g)
{
    typedef void Gen2(TcgContext *, TcgType, Tv, Tv);
    typedef void Gen3(TcgContext *, TcgType, Tv, Tv, Tv);
    static Gen2 *const gen2[] = { tcg_gen_mov, tcg_gen_neg, tcg_gen_not, tcg_gen_popcnt, tcg_gen_ext8s, tcg_gen_ext8u,
                                  tcg_gen_ext16s, tcg_gen_ext16u, tcg_gen_ext32s, tcg_gen_ext32u, tcg_gen_bswap16,
                                  tcg_gen_bswap };
    static Gen3 *const gen3[] = { tcg_gen_add, tcg_gen_sub, tcg_gen_and, tcg_gen_or, tcg_gen_xor, tcg_gen_andc,
                                  tcg_gen_mul, tcg_gen_clz, tcg_gen_ctz };
    static Gen3 *const shift[] = { tcg_gen_shl, tcg_gen_shr, tcg_gen_sar, tcg_gen_rotl, tcg_gen_rotr };
    TcgType t = any_type(g);
    Tv a = src(g), b = src(g), c, d, d2;
    unsigned pos, len;

    switch (pick(g, 15)) {
    case 0: case 1: case 2:
        d = dst(g);
        gen2[pick(g, ARRAY_SIZE(gen2))](g->s, t, d, a);
        break;
    case 3: case 4: case 5: case 6:
        d = dst(g);
        gen3[pick(g, ARRAY_SIZE(gen3))](g->s, t, d, a, b);
        break;
    case 7:
        b = below(g, bits_of(t));
        d = dst(g);
        shift[pick(g, ARRAY_SIZE(shift))](g->s, t, d, a, b);
        break;
    case 8:
        c = below(g, bits_of(t));
        d = dst(g);
        (pick(g, 2) ? tcg_gen_shld : tcg_gen_shrd)(g->s, t, d, a, b, c);
        break;
    case 9:
        len = 1 + pick(g, bits_of(t));
        pos = pick(g, bits_of(t) - len + 1);
        d = dst(g);
        switch (pick(g, 3)) {
        case 0: tcg_gen_extract(g->s, t, d, a, pos, len); break;
        case 1: tcg_gen_sextract(g->s, t, d, a, pos, len); break;
        default: tcg_gen_deposit(g->s, t, d, a, b, pos, len); break;
        }
        break;
    case 10:
        d = dst(g);
        tcg_gen_setcond(g->s, t, pick(g, 12), d, a, b);
        break;
    case 11: {
        Tv v1 = src(g), v2 = src(g);
        d = dst(g);
        tcg_gen_movcond(g->s, t, pick(g, 12), d, a, b, v1, v2);
        break;
    }
    case 12: /* two results must go to two temps */
        d = tcg_temp(g->s);
        d2 = dst(g);
        (pick(g, 2) ? tcg_gen_mulu2 : tcg_gen_muls2)(g->s, t, d, d2, a, b);
        defined(g, d2);
        break;
    case 13: /* a carry in: the carry out of another, or a bit */
        c = tcg_temp(g->s);
        d = tcg_temp(g->s);
        (pick(g, 2) ? tcg_gen_addc : tcg_gen_subb)(g->s, t, d, c, a, src(g), pick(g, 2) ? tcg_const(g->s, pick(g, 2)) : below(g, 2));
        defined(g, d);
        defined(g, c);
        d2 = pick(g, 2) ? c : tcg_temp(g->s);
        d = dst(g);
        if (d.i == d2.i)
            d = tcg_temp(g->s);
        (pick(g, 2) ? tcg_gen_addc : tcg_gen_subb)(g->s, t, d, d2, b, src(g), c);
        defined(g, d2);
        break;
    default: { /* operands such that the quotient fits */
        Tv lo = tcg_temp(g->s), hi = tcg_temp(g->s), div = tcg_temp(g->s);
        bool is_signed = pick(g, 2);
        tcg_gen_mov(g->s, TCG_I64, lo, a);
        tcg_gen_andi(g->s, TCG_I64, div, b, 0x7fffff);
        tcg_gen_ori(g->s, TCG_I64, div, div, 2);
        if (is_signed)
            tcg_gen_sari(g->s, t, hi, lo, bits_of(t) - 1);
        else
            tcg_gen_movi(g->s, hi, pick(g, 2));
        d = tcg_temp(g->s);
        d2 = dst(g);
        (is_signed ? tcg_gen_divs2 : tcg_gen_divu2)(g->s, t, d, d2, lo, hi, div);
        defined(g, d2);
        break;
    }
    }
    defined(g, d);
}

static void gen_host_mem(Gen *g)
{
    unsigned size = 1u << pick(g, 4), off = offsetof(IrGuestEnv, scratch) + pick(g, IRG_SCRATCH_SIZE - 8);

    if (pick(g, 2)) {
        Tv d = dst(g);
        tcg_gen_ld(g->s, d, tcg_env(g->s), off, size, pick(g, 2));
        defined(g, d);
    } else {
        tcg_gen_st(g->s, src(g), tcg_env(g->s), off, size);
    }
}

/* An address inside the guest's memory, by a few ways. */
static Tv guest_addr(Gen *g)
{
    Tv t = tcg_temp(g->s), a = src(g);

    tcg_gen_andi(g->s, TCG_I64, t, a, IRG_MEM_SIZE / 2 - 1);
    if (pick(g, 2))
        tcg_gen_addi(g->s, TCG_I64, t, t, IRG_MEM_BASE);
    else
        tcg_gen_ori(g->s, TCG_I64, t, t, IRG_MEM_BASE);
    return t;
}

static void gen_guest_mem(Gen *g)
{
    MemOp op = pick(g, 4);
    MemOpIdx oi = memopidx(op, pick(g, TCG_MMU_MODES));
    Tv addr = guest_addr(g), a = src(g), b = src(g), d;
    int32_t disp = pick(g, 3) ? 0 : pick(g, 256);

    switch (pick(g, 8)) {
    case 0: case 1: case 2:
        if (op != MO_64 && pick(g, 2))
            oi |= MO_SIGN | (pick(g, 2) ? MO_SIGN32 : 0);
        d = dst(g);
        tcg_gen_guest_ld(g->s, d, addr, disp, oi);
        defined(g, d);
        break;
    case 3: case 4: case 5:
        tcg_gen_guest_st(g->s, a, addr, disp, oi);
        break;
    case 6:
        d = dst(g);
        tcg_gen_guest_rmw(g->s, d, addr, disp, a, oi, pick(g, RMW_ANDC + 1) | (pick(g, 2) ? RMW_LOCK : 0));
        defined(g, d);
        break;
    default:
        d = dst(g);
        tcg_gen_guest_cmpxchg(g->s, d, addr, disp, a, b, oi, pick(g, 2) ? RMW_LOCK : 0);
        defined(g, d);
        break;
    }
}

static void gen_call(Gen *g)
{
    Tv a = src(g), b = src(g), d = dst(g);

    switch (pick(g, 4)) {
    case 0:
    case 1: tcg_gen_call(g->s, &ir_helper_pure, d.i, 2, a.i, b.i); break;
    case 2: tcg_gen_call(g->s, &ir_helper_read, d.i, 1, tcg_env(g->s).i); break;
    default:
        if (g->s->temps[d.i].kind == TCG_TEMP_GLOBAL)
            d = g->local[0]; /* the helper and the op must not both write one global */
        tcg_gen_call(g->s, &ir_helper_write, d.i, 2, tcg_env(g->s).i, a.i);
        break;
    }
    defined(g, d);
}

static Vv any_vec(Gen *g) { return pick(g, 3) ? tcg_globalv(IRG_VEC0 + pick(g, 4)) : g->localv[pick(g, 2)]; }

static void gen_vector(Gen *g)
{
    static const struct { uint32_t enc; } two[] = {
        { SIMD_PP_66 | 0xfe | SIMD_DST_READ }, /* paddd */
        { SIMD_PP_66 | 0xd4 | SIMD_DST_READ }, /* paddq */
        { SIMD_PP_66 | 0xef | SIMD_DST_READ }, /* pxor */
        { SIMD_PP_66 | 0x60 | SIMD_DST_READ }, /* punpcklbw */
        { SIMD_PP_66 | 0xf4 | SIMD_DST_READ }, /* pmuludq */
        { SIMD_PP_66 | 0x74 | SIMD_DST_READ }, /* pcmpeqb */
        { SIMD_PP_66 | 0x70 | SIMD_IMM8 },     /* pshufd */
        { SIMD_PP_NONE | 0xc6 | SIMD_DST_READ | SIMD_IMM8 }, /* shufps */
    };
    Vv a = any_vec(g), b = any_vec(g);
    Tv d;
    uint32_t bytes;

    switch (pick(g, 9)) {
    case 0: case 1: case 2:
        tcg_gen_simd(g->s, TCG_V128, a.i, a.i, b.i, TCG_NO_TEMP, two[pick(g, ARRAY_SIZE(two))].enc, pick(g, 256));
        break;
    case 3: /* psrld/pslld/psrad by an immediate */
        tcg_gen_simd(g->s, TCG_V128, a.i, a.i, a.i, TCG_NO_TEMP,
                     SIMD_PP_66 | 0x72 | SIMD_GROUP | SIMD_DST_READ | SIMD_IMM8 |
                         (uint32_t)(2 + 2 * pick(g, 3)) << SIMD_EXT_SHIFT, pick(g, 40));
        break;
    case 4: /* pmovmskb */
        d = dst(g);
        tcg_gen_simd(g->s, TCG_V128, d.i, b.i, b.i, TCG_NO_TEMP, SIMD_PP_66 | 0xd7 | SIMD_DST_GPR, 0);
        defined(g, d);
        break;
    case 5: /* movq xmm, r64 */
        tcg_gen_simd(g->s, TCG_V128, a.i, a.i, src(g).i, TCG_NO_TEMP, SIMD_PP_66 | 0x6e | SIMD_W | SIMD_SRC_GPR, 0);
        break;
    case 6:
        tcg_gen_movv(g->s, TCG_V128, a, b);
        break;
    case 7:
        bytes = 4u << pick(g, 3);
        if (pick(g, 2))
            tcg_gen_ldv(g->s, TCG_V128, a, tcg_env(g->s), offsetof(IrGuestEnv, scratch) + pick(g, 200), bytes);
        else
            tcg_gen_stv(g->s, TCG_V128, a, tcg_env(g->s), offsetof(IrGuestEnv, scratch) + pick(g, 200), bytes);
        break;
    default:
        if (g->features & IR_RANDOM_GUEST_MEM) {
            Tv addr = guest_addr(g);
            MemOpIdx oi = memopidx(MO_32 + pick(g, 3), pick(g, TCG_MMU_MODES));
            if (pick(g, 2))
                tcg_gen_guest_ldv(g->s, TCG_V128, a, addr, pick(g, 64), oi);
            else
                tcg_gen_guest_stv(g->s, TCG_V128, a, addr, pick(g, 64), oi);
        } else { /* ucomisd */
            d = dst(g);
            tcg_gen_simd_flags(g->s, d, a, b, SIMD_PP_66 | 0x2e);
            defined(g, d);
        }
        break;
    }
}

static void gen_branch(Gen *g)
{
    TcgLabel l;

    if (g->nb_pending && (g->nb_pending == MAX_PENDING || pick(g, 2))) { /* place one */
        unsigned k = pick(g, g->nb_pending);
        l = g->pending[k];
        g->pending[k] = g->pending[--g->nb_pending];
        tcg_gen_label(g->s, l);
    } else {
        l = tcg_label(g->s);
        g->pending[g->nb_pending++] = l;
        Tv a = src(g), b = src(g);
        tcg_gen_brcond(g->s, any_type(g), pick(g, 12), a, b, l);
    }
    g->nb_block = 0;
}

/* A way out that the rest of the block goes past, with everything where it is. */
static void gen_side_jump(Gen *g)
{
    uint32_t off = pick(g, 2) ? offsetof(IrGuestEnv, scratch) + 96 : 0;
    Tv a = src(g), b = src(g);
    uint64_t eip = any_value(g), value = any_value(g);
    tcg_gen_side_jump(g->s, any_type(g), pick(g, 12), a, b, eip, off, value);
}

/* An exit in the middle, jumped over; sometimes an unconditional branch over live-looking code. */
static void gen_skipped_exit(Gen *g)
{
    TcgLabel over = tcg_label(g->s);

    if (pick(g, 2)) {
        tcg_gen_brcond(g->s, any_type(g), pick(g, 12), src(g), src(g), over);
        if (pick(g, 2))
            tcg_gen_exit_tb(g->s, TB_EXIT_LOOKUP);
        else
            tcg_gen_goto_tb(g->s, 0, any_value(g));
    } else {
        tcg_gen_br(g->s, over);
    }
    tcg_gen_label(g->s, over);
    g->nb_block = 0;
}

void ir_random_program(TcgContext *s, GRand *r, unsigned nb_ops, unsigned features)
{
    Gen g = { .s = s, .r = r, .features = features };
    bool slot0_used = false;
    unsigned nb_side_jumps = 0;

    tcg_gen_insn_start(s, IR_LOOP_EIP, 0);
    for (unsigned i = 0; i < NB_LOCALS; i++) {
        g.local[i] = tcg_temp_local(s);
        tcg_gen_mov(s, TCG_I64, g.local[i], i & 1 ? tcg_global(i) : tcg_const(s, any_value(&g)));
    }
    for (unsigned i = 0; i < 2; i++) {
        g.localv[i] = tcg_tempv_local(s, TCG_V128);
        tcg_gen_movv(s, TCG_V128, g.localv[i], tcg_globalv(IRG_VEC0 + i));
    }
    for (unsigned step = 0; step < nb_ops && !s->overflow; step++) { /* the same ones, whatever becomes of the ops */
        unsigned k = pick(&g, 24);
        if (k == 0)
            tcg_gen_insn_start(s, 0x1000 + step, k);
        else if (k <= 3 && (features & IR_RANDOM_HOST_MEM))
            gen_host_mem(&g);
        else if (k <= 6 && (features & IR_RANDOM_GUEST_MEM))
            gen_guest_mem(&g);
        else if (k == 7 && (features & IR_RANDOM_CALLS))
            gen_call(&g);
        else if (k <= 9 && (features & IR_RANDOM_BRANCHES))
            gen_branch(&g);
        else if (k == 10 && (features & IR_RANDOM_BRANCHES) && !slot0_used)
            slot0_used = true, gen_skipped_exit(&g);
        else if (k == 11 && (features & IR_RANDOM_BRANCHES) && nb_side_jumps < 4)
            nb_side_jumps++, gen_side_jump(&g);
        else if (k <= 14 && (features & IR_RANDOM_VECTORS))
            gen_vector(&g);
        else
            gen_arith(&g);
    }
    /* Make what the local temps hold visible, then leave. */
    while (g.nb_pending)
        tcg_gen_label(s, g.pending[--g.nb_pending]), g.nb_block = 0;
    for (unsigned i = 0; i < NB_LOCALS; i++)
        tcg_gen_st(s, g.local[i], tcg_env(s), offsetof(IrGuestEnv, scratch) + 8 * i, 8);
    for (unsigned i = 0; i < 2; i++)
        tcg_gen_stv(s, TCG_V128, g.localv[i], tcg_env(s), offsetof(IrGuestEnv, scratch) + 64 + 16 * i, 16);
    if (features & IR_RANDOM_LOOP) {
        Tv n = tcg_temp(s);
        TcgLabel l = tcg_label(s);
        tcg_gen_ld(s, n, tcg_env(s), offsetof(TcgEnvHead, victim_patience), 4, false);
        tcg_gen_subi(s, TCG_I32, n, n, 1);
        tcg_gen_st(s, n, tcg_env(s), offsetof(TcgEnvHead, victim_patience), 4);
        tcg_gen_brcondi(s, TCG_I32, TCG_COND_NE, n, 0, l);
        tcg_gen_goto_tb(s, 0, any_value(&g));
        tcg_gen_label(s, l);
        g.nb_block = 0;
        if (pick(&g, 2))
            tcg_gen_st(s, src(&g), tcg_env(s), offsetof(IrGuestEnv, scratch), 4);
        tcg_gen_poll_exit(s, IR_LOOP_EIP);
        tcg_gen_goto_tb(s, 1, IR_LOOP_EIP);
        return;
    }
    switch (pick(&g, 4)) {
    case 0: tcg_gen_goto_tb(s, 1, any_value(&g)); break;
    case 2: tcg_gen_goto_far(s, 1, any_value(&g), any_value(&g)); break;
    case 1: tcg_gen_goto_ptr(s, src(&g)); break;
    default: tcg_gen_exit_tb(s, TB_EXIT_LOOKUP); break;
    }
}
