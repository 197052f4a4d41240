/* regalloc.c - which value is in which host register; regalloc.h says how it thinks.
 *
 * Not modelled: look-ahead to the next use (eviction takes the register used longest ago), and moving
 * pinned globals. All functions are O(registers) or O(cached globals). */
#include "tcg/regalloc.h"

static inline bool is_vec(Ra *l, TcgTempIdx t) { return l->s->temps[t].type >= TCG_V128; }
static inline bool is_scratch(Reg r) { return r != NOREG && (REGS_SCRATCH | REGS_VEC) >> r & 1; }

void emit_vec_move(Ra *l, TcgType type, Reg d, Reg s)
{
    if (d == s)
        return;
    if (type == TCG_V256 && host_features.avx) {
        l->uses_ymm = true;
        x86_vmovaps_ymm(&l->e, d, s);
    } else {
        x86_movaps_rr(&l->e, d, s);
    }
}

static unsigned home_bytes(Ra *l, TcgTempIdx t)
{
    switch (l->s->temps[t].type) {
    case TCG_V128: return 16;
    case TCG_V256: return host_features.avx ? 32 : 16;
    default: return 8;
    }
}

X86Mem ra_home(Ra *l, TcgTempIdx t)
{
    RaTemp *rt = &l->t[t];

    if (likely(rt->kind == RA_GLOBAL || rt->kind == RA_PINNED))
        return mem_env(l->s->temps[t].env_offset);
    if (!rt->slot || (rt->slot_bb != l->bb && rt->kind == RA_EBB)) {
        rt->slot_bb = l->bb;
        int size = is_vec(l, t) ? 32 : 8;
        if (l->slot_high - l->slot_low < size) {
            l->too_big = true;
            rt->slot = FRAME_SPILL;
        } else if (rt->kind == RA_LOCAL) {
            rt->slot = l->slot_low;
            l->slot_low += size;
        } else {
            l->slot_high -= size;
            rt->slot = l->slot_high;
        }
    }
    return mem_at(RSP, rt->slot);
}

/* ---- lists of holders ---- */

static void join(Ra *l, TcgTempIdx t, Reg r)
{
    RaTemp *rt = &l->t[t];
    rt->loc = LOC_REG;
    rt->reg = r;
    rt->prev = TCG_NO_TEMP;
    rt->next = l->head[r];
    if (rt->next != TCG_NO_TEMP)
        l->t[rt->next].prev = t;
    l->head[r] = t;
    l->held |= REG_BIT(r);
    if (rt->kind != RA_EBB)
        l->cached[t / 64] |= 1ull << (t % 64);
}

/* Leave the register's list; the caller sets the new location. */
static void leave(Ra *l, TcgTempIdx t)
{
    RaTemp *rt = &l->t[t];
    if (rt->loc == LOC_REG) {
        if (rt->prev != TCG_NO_TEMP)
            l->t[rt->prev].next = rt->next;
        else if ((l->head[rt->reg] = rt->next) == TCG_NO_TEMP)
            l->held &= ~REG_BIT(rt->reg);
        if (rt->next != TCG_NO_TEMP)
            l->t[rt->next].prev = rt->prev;
    }
    l->cached[t / 64] &= ~(1ull << (t % 64));
}

static inline bool untracked(Ra *l, TcgTempIdx t) { return l->t[t].kind >= RA_PINNED; }

void ra_release(Ra *l, TcgTempIdx t)
{
    if (t == TCG_NO_TEMP || untracked(l, t))
        return;
    leave(l, t);
    /* Globals and locals have a home for good: whoever reads one after a discard gets what is there. */
    bool ebb = l->t[t].kind == RA_EBB;
    l->t[t].loc = ebb ? LOC_DEAD : LOC_MEM;
    l->t[t].coherent = !ebb;
}

/* ---- memory ---- */

void ra_store_value(Ra *l, X86Mem m, unsigned bytes, Opnd o, Reg tmp)
{
    Emit *e = &l->e;
    switch (o.kind) {
    case OPND_REG:
        if (o.reg >= XMM0) {
            l->uses_ymm |= bytes == 32;
            x86_vec_store(e, bytes, m, o.reg);
        } else {
            x86_store(e, bytes, m, o.reg);
        }
        break;
    case OPND_IMM:
        if (bytes < 8 || fits32(o.imm)) {
            x86_store_imm(e, bytes, m, o.imm);
        } else if (tmp != NOREG) {
            x86_mov_ri(e, tmp, o.imm);
            x86_store(e, 8, m, tmp);
        } else {
            x86_store_imm(e, 4, m, o.imm);
            m.disp += 4;
            x86_store_imm(e, 4, m, o.imm >> 32);
        }
        break;
    case OPND_MEM: /* general values only; every caller has a free register then */
        x86_load(e, 8, EXT_ZERO, tmp, o.mem);
        x86_store(e, bytes, m, tmp);
        break;
    }
}

static Reg free_scratch(Ra *l)
{
    uint32_t free = REGS_SCRATCH & ~(l->held | l->locked);
    return free ? 31 - __builtin_clz(free) : NOREG;
}

static void sync_temp(Ra *l, TcgTempIdx t)
{
    RaTemp *rt = &l->t[t];
    if (rt->coherent || rt->loc == LOC_DEAD || rt->loc == LOC_MEM)
        return;
    Opnd o = rt->loc == LOC_REG ? (Opnd){ OPND_REG, .reg = rt->reg } : (Opnd){ OPND_IMM, .reg = NOREG, .imm = rt->value };
    ra_store_value(l, ra_home(l, t), home_bytes(l, t), o, free_scratch(l));
    rt->coherent = true;
}

void ra_to_memory(Ra *l, TcgTempIdx t)
{
    sync_temp(l, t);
    leave(l, t);
    l->t[t].loc = LOC_MEM;
}

void ra_in_memory(Ra *l, TcgTempIdx t)
{
    leave(l, t);
    l->t[t].loc = LOC_MEM;
    l->t[t].coherent = true;
}

void ra_evict(Ra *l, Reg r)
{
    while (l->head[r] != TCG_NO_TEMP)
        ra_to_memory(l, l->head[r]);
}

/* ---- choosing a register ---- */

static uint32_t next_random(Ra *l)
{
    l->rng ^= l->rng << 13;
    l->rng ^= l->rng >> 17;
    l->rng ^= l->rng << 5;
    return l->rng;
}

static bool all_coherent(Ra *l, Reg r)
{
    for (TcgTempIdx t = l->head[r]; t != TCG_NO_TEMP; t = l->t[t].next) {
        if (!l->t[t].coherent)
            return false;
    }
    return true;
}

static Reg alloc(Ra *l, uint32_t class)
{
    uint32_t candidates = class & ~l->locked;
    Reg best = NOREG;

    if (!candidates) { /* an op that needs too many registers: a bug of the lowering, answered softly */
        l->too_big = true;
        return class & REGS_VEC ? XMM0 : R8;
    }
    if (unlikely(l->s->random_regs)) {
        unsigned n = next_random(l) % __builtin_popcount(candidates);
        for (uint32_t m = candidates;; m &= m - 1) {
            if (n-- == 0) {
                best = __builtin_ctz(m);
                break;
            }
        }
    } else if (candidates & ~l->held) {
        best = __builtin_ctz(candidates & ~l->held);
    } else {
        uint32_t best_cost = UINT32_MAX;
        for (uint32_t m = candidates; m; m &= m - 1) {
            Reg r = __builtin_ctz(m);
            uint32_t cost = l->stamp[r] * 2 + (all_coherent(l, r) ? 0 : 8); /* a store is worth four ops of age */
            if (cost < best_cost) {
                best_cost = cost;
                best = r;
            }
        }
    }
    ra_evict(l, best);
    l->locked |= REG_BIT(best);
    l->stamp[best] = l->op_index;
    return best;
}

Reg ra_tmp(Ra *l) { return alloc(l, REGS_SCRATCH); }
Reg ra_tmp_at(Ra *l, Reg r) { return alloc(l, l->locked & REG_BIT(r) ? REGS_SCRATCH : REG_BIT(r)); }
Reg ra_tmpv(Ra *l) { return alloc(l, REGS_VEC); }

/* ---- inputs ---- */

static Reg use(Ra *l, Reg r)
{
    l->locked |= REG_BIT(r);
    l->stamp[r] = l->op_index;
    return r;
}

static void load_home(Ra *l, TcgTempIdx t, Reg r)
{
    if (r >= XMM0) {
        unsigned bytes = home_bytes(l, t);
        l->uses_ymm |= bytes == 32;
        x86_vec_load(&l->e, bytes, false, r, ra_home(l, t));
    } else {
        x86_load(&l->e, 8, EXT_ZERO, r, ra_home(l, t));
    }
}

void ra_load_at(Ra *l, TcgTempIdx t, Reg r, bool coherent)
{
    load_home(l, t, r);
    join(l, t, r);
    l->t[t].coherent = coherent;
}

void ra_move_vector(Ra *l, TcgTempIdx t, Reg r)
{
    emit_vec_move(l, l->s->temps[t].type, r, l->t[t].reg);
    leave(l, t);
    join(l, t, r);
}

bool ra_is_const(Ra *l, TcgTempIdx t, uint64_t *value)
{
    const RaTemp *rt = &l->t[t];
    if (rt->loc == LOC_CONST) { /* those of kind RA_CONST, too */
        *value = rt->value;
        return true;
    }
    if (rt->loc == LOC_DEAD && rt->kind < RA_PINNED && !is_vec(l, t)) { /* never written: zero, as in the interpreter */
        *value = 0;
        return true;
    }
    return false;
}

static void load_const(Ra *l, Reg r, uint64_t v)
{
    if (v == 0)
        x86_zero(&l->e, r);
    else
        x86_mov_ri(&l->e, r, v);
}

Reg ra_bring_in(Ra *l, TcgTempIdx t)
{
    RaTemp *rt = &l->t[t];
    uint64_t v;
    Reg r;

    if (rt->kind == RA_ENV) { /* seldom: most uses are as the base of an address, or a helper's argument */
        r = ra_tmp(l);
        x86_lea(&l->e, true, r, mem_env(0));
        return r;
    }
    if (ra_is_const(l, t, &v)) {
        r = ra_tmp(l);
        load_const(l, r, v);
        if (rt->loc == LOC_CONST && rt->kind != RA_CONST)
            join(l, t, r);
        return r;
    }
    r = alloc(l, is_vec(l, t) ? REGS_VEC : REGS_SCRATCH);
    if (rt->loc == LOC_DEAD) { /* a vector that was never written */
        if (home_bytes(l, t) == 32)
            x86_simd_vex(&l->e, SIMD_MAP_0F | 0x57, r - XMM0, r - XMM0, r - XMM0, 0);
        else
            x86_simd_rr(&l->e, SIMD_MAP_0F | 0x57, r - XMM0, r - XMM0, 0);
        return r;
    }
    load_home(l, t, r);
    join(l, t, r);
    rt->coherent = true;
    return r;
}

static bool imm_for(TcgType type, uint64_t v, int64_t *imm)
{
    *imm = type == TCG_I32 ? (int32_t)v : (int64_t)v;
    return fits32(*imm);
}

Opnd ra_in_ri(Ra *l, TcgTempIdx t, TcgType type)
{
    uint64_t v;
    int64_t imm;
    if (ra_is_const(l, t, &v) && imm_for(type, v, &imm))
        return (Opnd){ OPND_IMM, .reg = NOREG, .imm = imm };
    return (Opnd){ OPND_REG, .reg = ra_in(l, t) };
}

Opnd ra_in_rm(Ra *l, TcgTempIdx t)
{
    /* Worth a register only if one is free: then a second use finds it there. */
    if (!untracked(l, t) && l->t[t].loc == LOC_MEM && !is_vec(l, t) && (ra_dies(l, t) || free_scratch(l) == NOREG))
        return (Opnd){ OPND_MEM, .reg = NOREG, .mem = ra_home(l, t) };
    return (Opnd){ OPND_REG, .reg = ra_in(l, t) };
}

Opnd ra_in_rmi(Ra *l, TcgTempIdx t, TcgType type)
{
    uint64_t v;
    int64_t imm;
    if (ra_is_const(l, t, &v) && imm_for(type, v, &imm))
        return (Opnd){ OPND_IMM, .reg = NOREG, .imm = imm };
    return ra_in_rm(l, t);
}

Opnd ra_in_any(Ra *l, TcgTempIdx t)
{
    uint64_t v;
    Reg r = ra_pin(l, t);

    if (r != NOREG)
        return (Opnd){ OPND_REG, .reg = use(l, r) };
    if (l->t[t].kind == RA_ENV)
        return (Opnd){ OPND_REG, .reg = ra_in(l, t) };
    if (ra_is_const(l, t, &v))
        return (Opnd){ OPND_IMM, .reg = NOREG, .imm = v };
    if (l->t[t].loc == LOC_REG)
        return (Opnd){ OPND_REG, .reg = use(l, l->t[t].reg) };
    return (Opnd){ OPND_MEM, .reg = NOREG, .mem = ra_home(l, t) };
}

Opnd ra_in_not_scratch(Ra *l, TcgTempIdx t)
{
    if (!untracked(l, t) && l->t[t].loc == LOC_REG && is_scratch(l->t[t].reg) && !(l->locked >> l->t[t].reg & 1))
        ra_to_memory(l, t);
    return ra_in_any(l, t);
}

bool ra_dies(Ra *l, TcgTempIdx t)
{
    const TcgOp *op = l->op;
    for (unsigned m = op->life & 0xff; m; m &= m - 1) {
        if (op->arg[__builtin_ctz(m)] == t)
            return true;
    }
    return false;
}

void ra_move_opnd(Ra *l, Reg d, Opnd o)
{
    if (o.kind == OPND_IMM)
        x86_mov_ri(&l->e, d, o.imm);
    else if (o.kind == OPND_MEM)
        x86_load(&l->e, 8, EXT_ZERO, d, o.mem);
    else if (o.reg != d)
        x86_mov_rr(&l->e, true, d, o.reg);
}

/* ---- outputs ---- */

void ra_evacuate(Ra *l, Reg pinned)
{
    Reg to = NOREG;
    TcgTempIdx next;

    for (TcgTempIdx t = l->head[pinned]; t != TCG_NO_TEMP; t = next) {
        next = l->t[t].next;
        if (ra_dies(l, t))
            continue;
        if (l->t[t].coherent || l->t[t].kind == RA_GLOBAL) {
            ra_to_memory(l, t); /* a global must be stored sooner or later: now, while that is one instruction */
            continue;
        }
        if (to == NOREG) {
            to = free_scratch(l);
            if (to != NOREG)
                x86_mov_rr(&l->e, true, to, pinned);
        }
        if (to == NOREG) {
            ra_to_memory(l, t);
        } else {
            leave(l, t);
            join(l, t, to);
            l->stamp[to] = l->op_index;
        }
    }
}

Reg ra_out(Ra *l, TcgTempIdx t, Reg prefer)
{
    Reg r = ra_pin(l, t);
    uint32_t class = is_vec(l, t) ? REGS_VEC : REGS_SCRATCH;

    if (r != NOREG) {
        ra_evacuate(l, r);
        return use(l, r);
    }
    ra_release(l, t);
    Reg home = class == REGS_VEC ? ra_loop_home(l, t) : NOREG;
    if (home != NOREG && (!(l->locked >> home & 1) || home == prefer))
        r = use(l, home);
    else if (prefer != NOREG && class >> prefer & 1 && l->head[prefer] == TCG_NO_TEMP)
        r = use(l, prefer);
    else
        r = alloc(l, class);
    join(l, t, r);
    l->t[t].coherent = false;
    return r;
}

void ra_out_at(Ra *l, TcgTempIdx t, Reg r)
{
    ra_release(l, t);
    join(l, t, r);
    l->t[t].coherent = false;
    l->stamp[r] = l->op_index;
}

void ra_out_const(Ra *l, TcgTempIdx t, uint64_t value)
{
    Reg r = ra_pin(l, t);
    if (r != NOREG) {
        ra_evacuate(l, r);
        load_const(l, r, value);
        return;
    }
    ra_release(l, t);
    l->t[t].loc = LOC_CONST;
    l->t[t].value = value;
    l->t[t].coherent = false;
    if (l->t[t].kind != RA_EBB)
        l->cached[t / 64] |= 1ull << (t % 64);
}

void ra_out_alias(Ra *l, TcgTempIdx t, TcgTempIdx src)
{
    Reg d = ra_pin(l, t);
    uint64_t v;

    if (t == src)
        return;
    if (!is_vec(l, src) && ra_is_const(l, src, &v)) {
        ra_kill(l);
        ra_out_const(l, t, v);
        return;
    }
    if (d != NOREG) {
        Opnd o = ra_dies(l, src) ? ra_in_any(l, src) : (Opnd){ OPND_REG, .reg = ra_in(l, src) };
        ra_kill(l);
        if (o.kind == OPND_REG && o.reg == d)
            return; /* it is there already, and its aliases keep their value */
        ra_out(l, t, NOREG);
        ra_move_opnd(l, d, o);
        return;
    }
    Reg r = ra_in(l, src);
    ra_kill(l);
    ra_release(l, t);
    Reg home = ra_loop_home(l, t);
    if (home != NOREG && !(l->locked >> home & 1)) { /* a copy that is made now is none to make at the jump back */
        emit_vec_move(l, l->s->temps[t].type, home, r);
        r = use(l, home);
    }
    join(l, t, r);
    l->t[t].coherent = false;
}

/* ---- block ends, calls ---- */

#define FOR_EACH_CACHED(l, t) \
    for (unsigned w_ = 0; w_ < (l)->cached_words; w_++) \
        for (uint64_t m_ = (l)->cached[w_]; m_ && ((t) = w_ * 64 + __builtin_ctzll(m_), true); m_ &= m_ - 1)

void ra_sync(Ra *l)
{
    TcgTempIdx t;
    FOR_EACH_CACHED(l, t)
        sync_temp(l, t);
}

static bool in_mask(TcgTempIdx t, uint64_t mask) { return t < 64 && mask >> t & 1; }

void ra_sync_globals(Ra *l, uint64_t but)
{
    TcgTempIdx t;
    FOR_EACH_CACHED(l, t) {
        if (l->t[t].kind == RA_GLOBAL && !in_mask(t, but))
            sync_temp(l, t);
    }
}

void ra_forget_globals(Ra *l)
{
    TcgTempIdx t;
    FOR_EACH_CACHED(l, t) {
        if (l->t[t].kind == RA_GLOBAL) {
            leave(l, t);
            l->t[t].loc = LOC_MEM;
            l->t[t].coherent = true;
        }
    }
}

void ra_forget(Ra *l)
{
    TcgTempIdx t;
    FOR_EACH_CACHED(l, t) {
        leave(l, t);
        l->t[t].loc = LOC_MEM;
        l->t[t].coherent = true;
    }
}

void ra_end_bb(Ra *l)
{
    for (uint32_t m = l->held; m; m &= m - 1) {
        TcgTempIdx next;
        for (TcgTempIdx t = l->head[__builtin_ctz(m)]; t != TCG_NO_TEMP; t = next) {
            next = l->t[t].next;
            if (l->t[t].kind == RA_EBB)
                ra_release(l, t);
        }
    }
    l->bb++;
    l->slot_high = FRAME_SPILL + FRAME_SPILL_SIZE; /* slots of EBB temps are free again */
}

void ra_drop_vectors(Ra *l)
{
    for (uint32_t m = l->held & REGS_VEC; m; m &= m - 1)
        ra_evict(l, __builtin_ctz(m));
}

void ra_drop_scratch(Ra *l)
{
    for (uint32_t m = l->held & REGS_SCRATCH; m; m &= m - 1)
        ra_evict(l, __builtin_ctz(m));
}

int ra_vec_live(Ra *l)
{
    return !(l->held & REGS_VEC) ? 0 : l->uses_ymm ? 2 : 1;
}

Snapshot ra_snapshot(Ra *l, uint64_t but)
{
    TcgTempIdx t;
    unsigned first = l->nb_snaps;
    FOR_EACH_CACHED(l, t) {
        RaTemp *rt = &l->t[t];
        if (rt->kind != RA_GLOBAL || rt->coherent || in_mask(t, but))
            continue;
        if (l->nb_snaps == MAX_SNAPS) {
            l->too_big = true;
            break;
        }
        l->snap[l->nb_snaps++] = (SnapEntry){ t, rt->loc, rt->reg, rt->value };
    }
    return (Snapshot){ first, l->nb_snaps - first };
}

/* ---- the driver ---- */

static void begin(Ra *l, TcgContext *s)
{
    l->s = s;
    l->e = (Emit){ .p = s->buf->ptr, .start = s->buf->ptr, .end = s->buf->end, .rx_diff = s->buf->rx_diff };
    l->locked = 0;
    l->too_big = l->uses_ymm = false;
    l->bb = 0;
    l->nb_fixups = l->nb_exits = l->nb_stubs = l->nb_snaps = l->nb_tails = 0;
    l->slot_low = FRAME_SPILL;
    l->slot_high = FRAME_SPILL + FRAME_SPILL_SIZE;
    l->nb_live_groups = 0;
    l->stack_add = 0;
    tcg_find_shared_checks(l);
    l->cached_words = (s->nb_temps + 63) / 64;
    memset(l->cached, 0, l->cached_words * 8);
    memset(l->stamp, 0, sizeof l->stamp);
    memset(l->head, 0xff, sizeof l->head);
    l->held = 0;
    if (!l->rng)
        l->rng = 2463534242u;
    for (unsigned i = 0; i < s->nb_labels; i++)
        l->label_off[i] = ~0u;
    memcpy(l->t, l->fresh, s->nb_globals * sizeof l->t[0]);
    for (unsigned i = s->nb_globals; i < s->nb_temps; i++) {
        static const RaTemp fresh[] = { /* by TcgTempKind */
            [TCG_TEMP_EBB] = { .kind = RA_EBB, .loc = LOC_DEAD, .reg = NOREG },
            /* A local that a label makes live before its first write (on some path) is read from its slot. */
            [TCG_TEMP_LOCAL] = { .kind = RA_LOCAL, .loc = LOC_MEM, .reg = NOREG, .coherent = true },
            [TCG_TEMP_CONST] = { .kind = RA_CONST, .loc = LOC_CONST, .reg = NOREG },
            [TCG_TEMP_ENV] = { .kind = RA_ENV, .loc = LOC_DEAD, .reg = NOREG },
        };
        l->t[i] = fresh[s->temps[i].kind];
        l->t[i].value = s->temps[i].value; /* of constants; the others have none */
    }
}

static Ra *new_allocator(const TcgContext *s)
{
    Ra *l = g_new0(Ra, 1);

    l->fresh = g_new0(RaTemp, s->nb_globals);
    l->stack_temp = TCG_NO_TEMP;
    for (unsigned i = 0; i < s->nb_globals; i++) {
        const TcgTemp *g = &s->temps[i];
        l->fresh[i] = (RaTemp){ .kind = g->pinned ? RA_PINNED : RA_GLOBAL, .loc = g->pinned ? LOC_DEAD : LOC_MEM,
                                .reg = g->pinned ? g->pin_reg : NOREG, .coherent = true };
        if (s->guest->stack_reg && g->pinned && g->env_offset == offsetof(TcgEnvHead, gpr) + 8u * s->guest->stack_reg)
            l->stack_temp = i;
    }
    return l;
}

static void end_op(Ra *l)
{
    const TcgOp *op = l->op;
    for (unsigned m = op->life >> 8; m; m &= m - 1)
        ra_release(l, op->arg[__builtin_ctz(m)]);
    l->locked = 0;
}

static inline void insn_start(Ra *l, const TcgOp *op)
{
    TcgContext *s = l->s;
    if (s->nb_insns)
        s->insn_map[s->nb_insns - 1].host_end = l->e.p - l->e.start;
    if (s->nb_insns == TCG_MAX_INSNS) {
        l->too_big = true;
        return;
    }
    TcgInsnMap *m = &s->insn_map[s->nb_insns++];
    m->data[0] = l->insn_data[0] = op->arg[0];
    m->data[1] = l->insn_data[1] = op->arg[1];
}

static inline bool is_stack_move(const Ra *l, const TcgOp *op)
{
    return (op->opc == TCG_OP_add || op->opc == TCG_OP_sub) && op->arg[0] == l->stack_temp;
}

TcgResult tcg_regalloc_and_emit(TcgContext *s)
{
    if (!s->backend)
        s->backend = new_allocator(s);
    Ra *l = s->backend;

    if (s->overflow)
        return TCG_TOO_BIG;
    s->buf->ptr = (uint8_t *)ROUND_UP((uintptr_t)s->buf->ptr, 8); /* what padding there is inside depends on nothing else */
    if (s->buf->ptr + 64 >= s->buf->end)
        return TCG_BUFFER_FULL;
    if (s->floating)
        s->buf->ptr = lower_float_entry(s->buf);
    begin(l, s);
    s->nb_insns = s->nb_stubs = s->nb_calls = 0;
    l->x87_state = 0;
    s->counting_insns = s->nb_side_jumps = 0;
    ra_loop_begin(l);
    s->guess_runs = s->no_guess ? 0 : codebuf_guess_runs(s->buf);
    if (s->guess_runs)
        x86_inc_at(&l->e, codebuf_runs(s->buf, s->guess_runs));
    if (s->entry_counter)
        lower_counter(l, s->entry_counter, R11); /* no general register but the pinned ones holds anything yet */
    s->goto_tb_jump[0] = s->goto_tb_jump[1] = s->goto_tb_reset[0] = s->goto_tb_reset[1] = ~0u;
    s->far_slots = 0;
    for (unsigned i = 0, nb_ops = s->nb_ops; i < nb_ops; i++) {
        TcgOp *op = &s->ops[i];
        if (op->opc == TCG_OP_nop)
            continue;
        if (op->opc == TCG_OP_insn_start) {
            insn_start(l, op);
        } else {
            l->op_index = i;
            if (unlikely(l->stack_add || is_stack_move(l, op))) {
                if (!ra_stack_waits(l, op) && l->stack_add)
                    ra_settle_stack(l);
                if (op->opc == TCG_OP_nop)
                    continue;
            }
            l->op = op;
            lower_op(l);
            end_op(l);
        }
        if (unlikely(l->too_big || l->e.full))
            break;
    }
    if (s->nb_insns)
        s->insn_map[s->nb_insns - 1].host_end = l->e.p - l->e.start;
    uint8_t *hot_end = l->e.p;
    if (!l->e.full && !l->too_big)
        hot_end = lower_finish(l);
    if (l->e.full)
        return TCG_BUFFER_FULL;
    if (l->too_big)
        return TCG_TOO_BIG;
    s->code_rx = (uint8_t *)codebuf_rx(s->buf, l->e.start);
    s->code_size = hot_end - l->e.start;
    uint8_t *cold = s->buf->cold ? s->buf->cold : hot_end;
    s->cold_rx = (uint8_t *)codebuf_rx(s->buf, cold);
    s->cold_size = l->e.p - cold;
    if (s->code_size >= TCG_MAX_PART || s->cold_size >= TCG_MAX_PART)
        return TCG_TOO_BIG;
    if (s->buf->cold) {
        s->buf->ptr = hot_end;
        s->buf->cold = l->e.p;
    } else {
        s->buf->ptr = l->e.p;
    }
    return TCG_OK;
}
