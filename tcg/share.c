/* share.c - which accesses to guest memory can do with one TLB check (design, section 3.9).
 *
 * One pass forward over the ops, before code is written. Each temp's value is known as "root + constant", where a root is
 * a value that the pass knows nothing about. Accesses of one basic block at the same root, not far from each other, become
 * a group. The back end (x86_64/guest-ldst.c) lets the first member check that the group's whole range lies in one page
 * and keep the page's addend in a temp; the others test that temp for zero. Zero means: check for yourself. It becomes
 * zero when the range crosses a page, and after each slow path, because C code may change the TLB.
 *
 * A group ends at labels, branches and helper calls: what else may touch the TLB on this thread. Other threads only ever
 * set TLB_NOTDIRTY, which a store may miss for as long as it takes to get from its check to its access; with a group
 * that is at most a basic block.
 *
 * A group with a store checks for writing. That is enough for its loads: what can be written without a slow path can be
 * read without one (tlb_set_page()).
 *
 * Sums and shifts of the same values have the same root, so that base + index * scale that is computed twice is one address.
 *
 * Not members: read-modify-write. */
#include "tcg/regalloc.h"

enum {
    MAX_OPEN = MAX_LIVE_GROUPS, /* groups that wait for members */
    MAX_RANGE = 256,            /* bytes: a longer one crosses pages too often */
    CONST_ROOT = 1,
    MAX_KNOWN = 16,             /* results with an entry in the table: a power of 2 */
};

typedef ShareValue Value;
typedef struct Open {
    uint32_t root;
    uint16_t group, age;
    uint64_t off;
    int64_t lo, hi;
    int64_t aligned_at; /* a member's place that was seen to be aligned ... */
    unsigned aligned;   /* ... so that these bits of its address are zero */
} Open;

/* What a root stands for: a + b of roots, or (a + off) << b. */
typedef struct Known { uint64_t epoch, off; uint32_t a, b, root; } Known;

typedef struct Share {
    Ra *l;
    uint64_t epoch;
    uint32_t next_root;
    uint16_t clock;
    Open open[MAX_OPEN];
    Known known[MAX_KNOWN];
} Share;

static Value value_of(Share *h, TcgTempIdx t)
{
    const TcgTemp *ts = &h->l->s->temps[t];
    if (ts->kind == TCG_TEMP_CONST)
        return (Value){ h->epoch, ts->value, CONST_ROOT };
    Value *v = &h->l->share_value[t];
    if (v->epoch != h->epoch)
        *v = (Value){ h->epoch, 0, h->next_root++ };
    return *v;
}

static void set_value(Share *h, TcgTempIdx t, uint32_t root, uint64_t off)
{
    h->l->share_value[t] = (Value){ h->epoch, off, root };
}

/* Nothing that was known holds any more. */
static void forget(Share *h)
{
    h->epoch++;
    for (unsigned i = 0; i < MAX_OPEN; i++)
        h->open[i] = (Open){ 0 };
}

/* The root of this result: as the last time, if the table still knows it. */
static uint32_t root_of(Share *h, uint32_t a, uint64_t off, uint32_t b)
{
    Known *k = &h->known[(a * 5 + b + off) % MAX_KNOWN];
    if (k->epoch != h->epoch || k->a != a || k->b != b || k->off != off)
        *k = (Known){ h->epoch, off, a, b, h->next_root++ };
    return k->root;
}

/* d = a + b, d = a << c. */
static bool known_op(Share *h, const TcgOp *op)
{
    enum { SHIFTED = 1u << 31 };
    Value a = value_of(h, op->arg[1]), b = value_of(h, op->arg[2]);

    if (op->opc == TCG_OP_add && a.root != CONST_ROOT && b.root != CONST_ROOT) {
        uint64_t off = a.off + b.off;
        set_value(h, op->arg[0], root_of(h, MIN(a.root, b.root), 0, MAX(a.root, b.root)),
                  h->l->s->eip_is_32 ? (uint64_t)(int32_t)off : off);
        return true;
    }
    if (op->opc == TCG_OP_shl && a.root != CONST_ROOT && b.root == CONST_ROOT && b.off < 32) {
        set_value(h, op->arg[0], root_of(h, a.root, a.off, b.off | SHIFTED), 0);
        return true;
    }
    return false;
}

/* d = a + c or d = a, in the width of the guest's addresses. In 32-bit code an address is always below 4 GiB, and the
 * page that holds a group's first byte as well as its last holds no wrap around. */
static bool linear_op(Share *h, const TcgOp *op)
{
    const TcgContext *s = h->l->s;
    TcgTempIdx a = op->arg[1];
    uint64_t c = 0;

    if (op->opc == TCG_OP_mov && op->type == TCG_I64) {
        Value v = value_of(h, a);
        set_value(h, op->arg[0], v.root, v.off);
        return true;
    }
    if (op->type != (s->eip_is_32 ? TCG_I32 : TCG_I64))
        return false;
    if (op->opc == TCG_OP_add || op->opc == TCG_OP_sub || op->opc == TCG_OP_shl) {
        const TcgTemp *b = &s->temps[op->arg[2]];
        if (b->kind != TCG_TEMP_CONST || op->opc == TCG_OP_shl)
            return known_op(h, op);
        c = op->opc == TCG_OP_add ? b->value : -b->value;
    } else if (op->opc != TCG_OP_mov) {
        return false;
    }
    Value v = value_of(h, a);
    uint64_t off = v.off + c;
    if (v.root != CONST_ROOT)
        set_value(h, op->arg[0], v.root, s->eip_is_32 ? (uint64_t)(int32_t)off : off);
    else
        set_value(h, op->arg[0], CONST_ROOT, s->eip_is_32 ? (uint32_t)off : off);
    return true;
}

static bool fits(const Open *o, int64_t lo, int64_t hi)
{
    lo = MIN(lo, o->lo);
    hi = MAX(hi, o->hi);
    if (o->root == CONST_ROOT)
        return !(((o->off + lo) ^ (o->off + hi - 1)) & TCG_PAGE_MASK);
    return hi - lo <= MAX_RANGE;
}

static void add_access(Share *h, unsigned index, const TcgOp *op)
{
    Ra *l = h->l;
    MemOpIdx oi = op->arg[3];
    int32_t disp = op->arg[2];
    unsigned size = memop_size(memopidx_op(oi)), align = memop_align_mask(memopidx_op(oi));
    bool store = op->opc == TCG_OP_guest_st || op->opc == TCG_OP_guest_stv;

    if (disp != (disp << 2) >> 2)
        return;
    Value v = value_of(h, op->arg[1]);
    uint64_t off = v.off + (int64_t)disp;
    Open *old = &h->open[0];
    for (unsigned i = 0; i < MAX_OPEN; i++) {
        Open *o = &h->open[i];
        if (o->root == v.root) {
            int64_t lo = off - o->off; /* from the first member's first byte */
            if (l->s->eip_is_32 && v.root != CONST_ROOT)
                lo = (int32_t)lo;
            ShareGroup *g = &l->group[o->group];
            if (lo > -MAX_RANGE * 16 && lo < MAX_RANGE * 16 && memopidx_mmu(oi) == g->mmu && fits(o, lo, lo + size)) {
                o->lo = MIN(lo, o->lo);
                o->hi = MAX(lo + size, o->hi);
                o->age = ++h->clock;
                g->lo = o->lo;
                g->hi = o->hi;
                g->last = index;
                g->write |= store;
                l->group_of[index] = o->group | (align && !(align & ~o->aligned) && !((lo - o->aligned_at) & align) ? GROUP_ALIGNED : 0);
                l->group_of[g->first] = o->group;
                if (align > o->aligned) {
                    o->aligned = align;
                    o->aligned_at = lo;
                }
                return;
            }
        }
        if ((uint16_t)(h->clock - o->age) > (uint16_t)(h->clock - old->age))
            old = o;
    }
    if (l->nb_groups == MAX_GROUPS)
        return;
    *old = (Open){ v.root, l->nb_groups, ++h->clock, off, 0, size, 0, align };
    l->group[l->nb_groups++] = (ShareGroup){ .first = index, .last = index, .hi = size, .write = store, .mmu = memopidx_mmu(oi),
                                             .temp = TCG_NO_TEMP };
}

void tcg_find_shared_checks(Ra *l)
{
    TcgContext *s = l->s;
    unsigned accesses = s->nb_accesses;

    l->nb_groups = 1; /* 0: none */
    memset(l->group_of, 0, s->nb_ops * sizeof l->group_of[0]);
    if (accesses < 2)
        return;
    Share h;
    h.l = l;
    h.epoch = l->share_epoch;
    h.next_root = CONST_ROOT + 1;
    h.clock = 0;
    for (unsigned i = 0; i < MAX_KNOWN; i++)
        h.known[i].epoch = 0; /* never the current one */
    forget(&h);
    for (unsigned i = 0; i < s->nb_ops && accesses; i++) {
        const TcgOp *op = &s->ops[i];
        const TcgOpInfo *info = &tcg_op_info[op->opc];
        if (op->opc <= TCG_OP_insn_start) /* or nop */
            continue;
        switch (op->opc) {
        case TCG_OP_guest_ld: case TCG_OP_guest_st: case TCG_OP_guest_ldv: case TCG_OP_guest_stv:
            add_access(&h, i, op);
            accesses--;
            break;
        default:
            if (op->opc == TCG_OP_call || info->flags & TCG_OPF_ENDS_BB) {
                forget(&h);
                continue;
            }
            if (info->outs && linear_op(&h, op))
                continue;
        }
        for (unsigned k = 0; k < info->outs; k++)
            set_value(&h, op->arg[k], h.next_root++, 0);
    }
    l->share_epoch = h.epoch;
    /* A temp for each group that has two members. */
    for (unsigned i = 1; i < l->nb_groups; i++) {
        ShareGroup *g = &l->group[i];
        if (g->last == g->first)
            continue;
        if (s->nb_temps >= TCG_MAX_TEMPS - 1) {
            for (unsigned k = g->first; k <= g->last; k++)
                l->group_of[k] = (l->group_of[k] & ~GROUP_ALIGNED) == i ? 0 : l->group_of[k];
            continue;
        }
        g->temp = s->nb_temps++;
        s->temps[g->temp] = (TcgTemp){ .kind = TCG_TEMP_EBB, .type = TCG_I64 };
    }
}
