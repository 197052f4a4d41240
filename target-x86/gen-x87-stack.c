/* gen-x87-stack.c - x87 instructions as the host's own, with guest registers kept on the host's register stack.
 *
 * A group is a run of instructions without a basic block's end or a helper call in between. In it a guest register
 * is fetched from env when it is first needed and goes back at the group's end (gen_x87_flush(), which is the code
 * generator's barrier); FXCH and most FST ST(i) only change which slot of env a host register stands for. TOP is not
 * known when translating: slots are numbered from its value at the group's beginning.
 *
 * All of it holds only if no register is empty that is read and none full that is pushed into. One check of the tags
 * at the group's beginning covers all its instructions; its masks are filled in when the group ends. If it fails the
 * TB is left (side_exit) and one instruction is done by a helper (env's x87_slow), which knows stack faults.
 *
 * Exceptions are masked here (else HF_X87_UNMASKED is set and helpers do all). The host runs with the guest's control
 * word; its sticky flags are the guest's and go to env when somebody looks (x87_fold()). C1, and C0, C2, C3 after a
 * compare, go to env at the group's end, and before the host's would be lost while the guest's can be seen.
 * FIP and FOP of the last instruction are constants: they are stored at the group's end, a fault takes them from the
 * fault map's word. Slow paths find in env's x87_state how to save the host's stack (x86_leave_x87()).
 * Spec: Intel SDM vol. 1 chapter 8.   Not here: FPREM, FPTAN, FSINCOS, BCD, FFREE, FINCSTP. */
#include "host/base/osdep.h"
#include "target-x86/translate.h"
#include "target-x86/x87.h"

#define ENV_OFF(field) ((int64_t)offsetof(CPUX86State, field))
#define X87_R(esc, modrm) ((esc) << 8 | (modrm))

static const uint64_t fld80 = X87_OP(0xdb, 5, 10, 0), fstp80 = X87_OP(0xdb, 7, 10, 1), fnstsw16 = X87_OP(0xdd, 7, 2, 1),
                      fldcw16 = X87_OP(0xd9, 5, 2, 0);

static bool usable(const DisasContext *dc) { return !(dc->flags & (HF_X87_UNMASKED | HF_AC)) && !dc->s->no_x87; }
static unsigned slot_of(const X87Cache *x, unsigned i) { return (x->top + i) & 7; }

static int host_of(const X87Cache *x, unsigned slot)
{
    for (unsigned i = 0; i < x->depth; i++) {
        if (x->slot[i] == slot)
            return i;
    }
    return -1;
}

/* ---- the state word, FIP and FOP ---- */

static uint64_t state_word(const X87Cache *x)
{
    if (!x->active)
        return 0;
    uint64_t w = 1 | x->depth << 1 | x->top << 5 | (uint64_t)(x->known & x->valid & ~x->want) << 32 |
                 (uint64_t)(x->known & ~x->valid & x->want) << 40 | (uint64_t)x->c1 << 48 | (uint64_t)x->cc_host << 50;
    for (unsigned i = 0; i < x->depth; i++)
        w |= (uint64_t)x->slot[i] << (8 + 3 * i);
    return w;
}

static void sync_state(DisasContext *dc)
{
    uint64_t w = state_word(&dc->x87);
    if (w != dc->x87.state)
        tcg_gen_x87_state(dc->s, w);
    dc->x87.state = w;
}

/* Word: cc_op 0-7, valid 8, code64 9, FOP 10-20, distance from FIP to the instruction 21-. */
uint64_t gen_x87_note_word(const DisasContext *dc)
{
    const X87Cache *x = &dc->x87;
    if (!x->note)
        return 0;
    return INSN_X87_NOTE | dc->code64 << 12 | (uint64_t)x->note_op << 13 | (dc_eip(dc) - x->note_eip) << 24;
}

void x87_restore_note(CPUX86State *env, const uint64_t data[2])
{
    if (!(data[1] & INSN_X87_NOTE))
        return;
    env->fpip = data[0] - (data[1] >> 24);
    env->fpop = data[1] >> 13 & 0x7ff;
    env->fpcs = data[1] >> 12 & 1 ? 0 : env->segs[R_CS].selector;
}

static void flush_note(DisasContext *dc)
{
    TcgContext *s = dc->s;
    Tv cs = tcg_const(s, 0);

    if (!dc->x87.note)
        return;
    dc->x87.note = false;
    tcg_gen_st(s, gen_eip(dc, dc->x87.note_eip), tcg_env(s), ENV_OFF(fpip), 8);
    tcg_gen_st(s, tcg_const(s, dc->x87.note_op), tcg_env(s), ENV_OFF(fpop), 2);
    if (!dc->code64) {
        cs = tcg_temp(s);
        tcg_gen_ld(s, cs, tcg_env(s), ENV_OFF(segs[R_CS].selector), 2, false);
    }
    tcg_gen_st(s, cs, tcg_env(s), ENV_OFF(fpcs), 2);
}

/* ---- groups ---- */

static Tv load_top(DisasContext *dc)
{
    Tv top = tcg_temp(dc->s);
    tcg_gen_ld(dc->s, top, tcg_env(dc->s), ENV_OFF(fpstt), 4, false);
    return top;
}

/* (top + n) & 7 */
static Tv top_plus(DisasContext *dc, Tv top, unsigned n)
{
    Tv t = tcg_temp(dc->s);
    if (!n)
        return top;
    tcg_gen_addi(dc->s, TCG_I32, t, top, n);
    tcg_gen_andi(dc->s, TCG_I32, t, t, 7);
    return t;
}

/* Host address of a slot, less fpregs' offset. */
static Tv slot_address(DisasContext *dc, Tv top, unsigned slot)
{
    Tv t = tcg_temp(dc->s);
    tcg_gen_shli(dc->s, TCG_I32, t, top_plus(dc, top, slot), 4);
    tcg_gen_add(dc->s, TCG_I64, t, t, tcg_env(dc->s));
    return t;
}
_Static_assert(sizeof(FpReg) == 16, "the shift above");

static void barrier(void *opaque) { gen_x87_flush(opaque); }

static void begin_group(DisasContext *dc)
{
    TcgContext *s = dc->s;
    X87Cache *x = &dc->x87;
    uint64_t any = tcg_const(s, ~0ull).i; /* until the group ends */

    if (x->active)
        return;
    gen_sync_cc_op(dc);
    *x = (X87Cache){ .active = true };
    tcg_gen_st(s, tcg_const(s, X87_LIVE_FLAGS), tcg_env(s), ENV_OFF(head.x87_live), 1);
    Tv shift = tcg_temp(s), tags = tcg_temp(s);
    tcg_gen_shli(s, TCG_I32, shift, load_top(dc), 3);
    tcg_gen_ld(s, tags, tcg_env(s), ENV_OFF(fptags), 8, false);
    tcg_gen_rotr(s, TCG_I64, tags, tags, shift);
    x->mask_op = s->nb_ops;
    tcg_emit(s, TCG_OP_and, TCG_I64, 3, (uint64_t)tags.i, (uint64_t)tags.i, any);
    x->exit_op = s->nb_ops;
    tcg_gen_side_exit(s, TCG_I64, TCG_COND_NE, tags, (Tv){any}, dc_op_eip(dc, dc_eip(dc)));
    s->barrier = barrier;
    s->barrier_opaque = dc;
}

static uint64_t bytes_of(uint8_t bits)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v |= (uint64_t)(bits >> i & 1) << 8 * i;
    return v;
}

static void fill_in_check(DisasContext *dc)
{
    TcgContext *s = dc->s;
    X87Cache *x = &dc->x87;

    if (s->overflow)
        return;
    if (!x->care) {
        s->ops[x->exit_op].opc = TCG_OP_nop;
        return;
    }
    s->ops[x->mask_op].arg[2] = tcg_const(s, bytes_of(x->care)).i;
    s->ops[x->exit_op].arg[1] = tcg_const(s, bytes_of(x->care & ~x->want)).i;
}

/* These codes of the host's status to env; clear: those that are known to be 0. */
static void fold_bits(DisasContext *dc, unsigned take, unsigned clear)
{
    TcgContext *s = dc->s;
    Tv f = tcg_temp(s);

    if (take)
        tcg_gen_x87_mem(s, tcg_env(s), ENV_OFF(head.x87_sw), fnstsw16);
    tcg_gen_ld(s, f, tcg_env(s), ENV_OFF(fpus), 2, false);
    tcg_gen_andi(s, TCG_I32, f, f, ~(take | clear));
    if (take) {
        Tv sw = tcg_temp(s);
        tcg_gen_ld(s, sw, tcg_env(s), ENV_OFF(head.x87_sw), 2, false);
        tcg_gen_andi(s, TCG_I32, sw, sw, take);
        tcg_gen_or(s, TCG_I32, f, f, sw);
    }
    tcg_gen_st(s, f, tcg_env(s), ENV_OFF(fpus), 2);
}

/* Guest codes that are in the host's status, to env. */
static void fold_codes(DisasContext *dc)
{
    X87Cache *x = &dc->x87;
    unsigned take = (x->c1 == X87_C1_HOST ? FPUS_C1 : 0) | (x->cc_host ? FPUS_CC : 0);
    unsigned clear = x->c1 == X87_C1_ZERO ? FPUS_C1 : 0;

    if (take | clear)
        fold_bits(dc, take, clear);
    x->c1 = X87_C1_ENV;
    x->cc_host = false;
}

static void forget_host_top(X87Cache *x)
{
    memmove(x->slot, x->slot + 1, 7);
    x->depth--;
}

/* The host's ST0 goes back to env. */
static void spill_top(DisasContext *dc, Tv top)
{
    X87Cache *x = &dc->x87;
    unsigned slot = x->slot[0];

    if (x->dirty >> slot & 1)
        tcg_gen_x87_mem(dc->s, slot_address(dc, top, slot), ENV_OFF(fpregs), fstp80);
    else
        tcg_gen_x87(dc->s, X87_R(0xdd, 0xd8)); /* fstp st(0) */
    x->dirty &= ~(1 << slot);
    forget_host_top(x);
}

void gen_x87_flush(DisasContext *dc)
{
    TcgContext *s = dc->s;
    X87Cache *x = &dc->x87;

    if (!x->active)
        return;
    s->barrier = NULL;
    fill_in_check(dc);
    fold_codes(dc);
    uint8_t changed = x->known & (x->valid ^ x->want);
    Tv top = x->top || x->dirty || changed ? load_top(dc) : tcg_const(s, 0);
    while (x->depth)
        spill_top(dc, top);
    for (unsigned i = 0; i < 8; i++) {
        if (!(changed >> i & 1))
            continue;
        Tv t = tcg_temp(s);
        tcg_gen_add(s, TCG_I64, t, top_plus(dc, top, i), tcg_env(s));
        tcg_gen_st(s, tcg_const(s, !(x->valid >> i & 1)), t, ENV_OFF(fptags), 1);
    }
    if (x->top)
        tcg_gen_st(s, top_plus(dc, top, x->top), tcg_env(s), ENV_OFF(fpstt), 4);
    flush_note(dc);
    x->active = false;
    sync_state(dc);
}

/* ---- registers ---- */

/* The register has to be full (or empty). False: it is known not to be. */
static bool want_tag(X87Cache *x, unsigned slot, bool full)
{
    uint8_t bit = 1 << slot;

    if (!(x->known & bit)) {
        x->known |= bit;
        x->care |= bit;
        x->want |= full ? bit : 0;
        x->valid |= full ? bit : 0;
    }
    return !!(x->valid & bit) == full;
}

/* Before host instructions that the guest does not have: they lose its C1. */
static void save_c1(DisasContext *dc)
{
    if (dc->x87.c1 == X87_C1_HOST && !dc->x87.c1_dead)
        fold_codes(dc);
}

static void host_push(X87Cache *x, unsigned slot)
{
    memmove(x->slot + 1, x->slot, 7);
    x->slot[0] = slot;
    x->depth++;
}

/* Where the slot's value is on the host's stack, fetched if necessary. */
static unsigned fetch(DisasContext *dc, unsigned slot)
{
    X87Cache *x = &dc->x87;
    int at = host_of(x, slot);

    if (at >= 0)
        return at;
    save_c1(dc);
    tcg_gen_x87_mem(dc->s, slot_address(dc, load_top(dc), slot), ENV_OFF(fpregs), fld80);
    host_push(x, slot);
    return 0;
}

static void exchange_top(DisasContext *dc, unsigned at)
{
    X87Cache *x = &dc->x87;
    uint8_t slot = x->slot[at];

    if (!at)
        return;
    save_c1(dc);
    tcg_gen_x87(dc->s, X87_R(0xd9, 0xc8 | at));
    x->slot[at] = x->slot[0];
    x->slot[0] = slot;
}

static void fetch_to_top(DisasContext *dc, unsigned slot) { exchange_top(dc, fetch(dc, slot)); }

static void set_full(X87Cache *x, unsigned slot)
{
    x->known |= 1 << slot;
    x->valid |= 1 << slot;
    x->dirty |= 1 << slot;
}

/* The guest pops. What the register held can still be seen in an FXSAVE image: it stays on the host's stack. */
static void pop(X87Cache *x)
{
    unsigned slot = slot_of(x, 0);

    x->known |= 1 << slot;
    x->valid &= ~(1 << slot);
    x->top = slot_of(x, 1);
}

/* The same when the host's ST0 was the guest's and env has its value: the host popped too. */
static void pop_both(X87Cache *x)
{
    forget_host_top(x);
    pop(x);
}

static bool top_is_clean(const X87Cache *x) { return !(x->dirty >> x->slot[0] & 1); }

/* Room for one more on the host's stack; the slots in keep (bits) stay. */
static void make_room(DisasContext *dc, uint8_t keep)
{
    X87Cache *x = &dc->x87;
    unsigned at = 7;

    if (x->depth < 8)
        return;
    while (at && keep >> x->slot[at] & 1)
        at--;
    exchange_top(dc, at);
    spill_top(dc, load_top(dc));
}

/* The host's new ST0 is what the guest has pushed; it takes the place of what was there before. */
static void pushed(DisasContext *dc)
{
    X87Cache *x = &dc->x87;
    int old = host_of(x, slot_of(x, 7));

    x->top = slot_of(x, 7);
    if (old >= 0)
        tcg_gen_x87(dc->s, X87_R(0xdd, 0xd8 | (old + 1))); /* fstp st(old + 1) */
    else
        host_push(x, x->top);
    set_full(x, x->top);
    x->c1 = X87_C1_ZERO;
}

static void done(DisasContext *dc)
{
    dc->x87.note = true;
    dc->x87.note_eip = dc_eip(dc);
    dc->x87.note_op = (dc->insn.opcode & 7) << 8 | dc->insn.modrm;
    sync_state(dc);
}

/* ---- memory forms ---- */

typedef enum MemKind { MEM_NONE, MEM_ARITH, MEM_LOAD, MEM_STORE } MemKind;

static MemKind memory_kind(unsigned esc, unsigned op, unsigned *bytes)
{
    static const uint8_t size_of[8] = {4, 4, 4, 4, 8, 8, 2, 2};

    *bytes = size_of[esc];
    if (!(esc & 1))
        return MEM_ARITH;
    if (op == 0)
        return MEM_LOAD;
    if (op <= 3) {
        if (op == 1)
            *bytes = esc == 3 ? 4 : esc == 5 ? 8 : 2;
        return op == 1 && esc == 1 ? MEM_NONE : MEM_STORE;
    }
    if (esc == 3 && (op == 5 || op == 7)) {
        *bytes = 10;
        return op == 5 ? MEM_LOAD : MEM_STORE;
    }
    if (esc == 7 && (op == 5 || op == 7)) {
        *bytes = 8;
        return op == 5 ? MEM_LOAD : MEM_STORE;
    }
    return MEM_NONE;
}

static void guest_access(DisasContext *dc, AddrRef a, unsigned op, unsigned bytes, bool write)
{
    MemOp size = bytes == 2 ? MO_16 : bytes == 4 ? MO_32 : MO_64;

    sync_state(dc);
    tcg_gen_guest_x87(dc->s, a.addr, a.disp, X87_OP(dc->insn.opcode, op, bytes, write), memopidx(size, dc->mmu_idx));
}

/* ST0 is on top, something is to be stored from it and popped. A dirty value has to stay: the form that does not
 * pop, where there is one, or a copy is popped. */
static void store(DisasContext *dc, AddrRef a, unsigned bytes)
{
    X87Cache *x = &dc->x87;
    unsigned op = dc->insn.modrm >> 3 & 7, st0 = x->slot[0];
    bool copy = op != 2 && op != 3 && !top_is_clean(x);

    for (unsigned free = copy ? 2 : 1; x->depth > 8 - free;) { /* one for a slow path */
        exchange_top(dc, x->depth - 1);
        spill_top(dc, load_top(dc));
        exchange_top(dc, host_of(x, st0));
    }
    if (copy) {
        save_c1(dc);
        tcg_gen_x87(dc->s, X87_R(0xd9, 0xc0));
        host_push(x, st0);
    }
    if (op == 3 && !top_is_clean(x))
        guest_access(dc, a, 2, bytes, true);
    else
        guest_access(dc, a, op, bytes, true);
    if (copy)
        forget_host_top(x);
    x->c1 = bytes == 10 ? X87_C1_ZERO : X87_C1_HOST;
    if (op == 2)
        return;
    if (copy || !top_is_clean(x))
        pop(x);
    else
        pop_both(x);
}

bool gen_x87_mem(DisasContext *dc)
{
    X87Cache *x = &dc->x87;
    unsigned esc = dc->insn.opcode & 7, op = dc->insn.modrm >> 3 & 7, bytes, st0;
    MemKind kind = memory_kind(esc, op, &bytes);

    if (!usable(dc) || kind == MEM_NONE)
        return false;
    AddrRef a = gen_mem_parts(dc, bytes == 10 ? 8 : 0, bytes, kind == MEM_STORE); /* may end the group */
    begin_group(dc);
    x->c1_dead = false;
    if (!want_tag(x, slot_of(x, kind == MEM_LOAD ? 7 : 0), kind != MEM_LOAD))
        return false;
    if (kind == MEM_LOAD) {
        make_room(dc, 0);
        guest_access(dc, a, op, bytes, false);
        pushed(dc);
        done(dc);
        return true;
    }
    st0 = slot_of(x, 0);
    fetch_to_top(dc, st0);
    if (kind == MEM_STORE) {
        store(dc, a, bytes);
    } else if (op == 2 || op == 3) {
        guest_access(dc, a, 2, bytes, false);
        x->c1 = X87_C1_ZERO;
        x->cc_host = true;
        if (op == 3)
            pop(x);
    } else {
        guest_access(dc, a, op, bytes, false);
        x->c1 = X87_C1_HOST;
        x->dirty |= 1 << st0;
    }
    done(dc);
    return true;
}

/* ---- register forms ---- */

/* Both registers are full; ST0 is on the host's top. Returns where ST(i) is, or -1. */
static int two_registers(DisasContext *dc, unsigned i)
{
    X87Cache *x = &dc->x87;
    unsigned st0 = slot_of(x, 0), sti = slot_of(x, i);

    if (!want_tag(x, st0, true) || !want_tag(x, sti, true))
        return -1;
    fetch(dc, sti);
    fetch_to_top(dc, st0);
    return host_of(x, sti);
}

static bool arith(DisasContext *dc, unsigned esc, unsigned op, unsigned i)
{
    X87Cache *x = &dc->x87;
    int k = two_registers(dc, i);

    if (k < 0)
        return false;
    if (esc == 6 && i && top_is_clean(x)) {
        tcg_gen_x87(dc->s, X87_R(0xde, 0xc0 | op << 3 | k));
        x->dirty |= 1 << slot_of(x, i);
        pop_both(x);
    } else {
        tcg_gen_x87(dc->s, X87_R(esc == 0 ? 0xd8 : 0xdc, 0xc0 | op << 3 | k));
        x->dirty |= 1 << slot_of(x, esc == 0 ? 0 : i);
        if (esc == 6)
            pop(x);
    }
    x->c1 = X87_C1_HOST;
    return true;
}

static bool compare(DisasContext *dc, unsigned i, unsigned pops, bool unordered)
{
    X87Cache *x = &dc->x87;
    int k = two_registers(dc, i);

    if (k < 0)
        return false;
    tcg_gen_x87(dc->s, unordered ? X87_R(0xdd, 0xe0 | k) : X87_R(0xd8, 0xd0 | k));
    x->c1 = X87_C1_ZERO;
    x->cc_host = true;
    while (pops--)
        pop(x);
    return true;
}

static bool compare_flags(DisasContext *dc, unsigned i, bool pops, bool unordered)
{
    X87Cache *x = &dc->x87;
    int k = two_registers(dc, i);
    Tv f = tcg_temp(dc->s);

    if (k < 0)
        return false;
    tcg_gen_x87_flags(dc->s, f, X87_R(0xdb, (unordered ? 0xe8 : 0xf0) | k));
    x->c1 = X87_C1_ZERO;
    if (pops)
        pop(x);
    gen_set_flags(dc, f);
    return true;
}

static bool load_st(DisasContext *dc, unsigned i)
{
    X87Cache *x = &dc->x87;
    unsigned new = slot_of(x, 7);

    if (!want_tag(x, slot_of(x, i), true) || !want_tag(x, new, false))
        return false;
    fetch(dc, slot_of(x, i));
    make_room(dc, 1 << slot_of(x, i));
    tcg_gen_x87(dc->s, X87_R(0xd9, 0xc0 | fetch(dc, slot_of(x, i))));
    pushed(dc);
    return true;
}

static bool load_constant(DisasContext *dc, unsigned n)
{
    X87Cache *x = &dc->x87;

    if (!want_tag(x, slot_of(x, 7), false))
        return false;
    make_room(dc, 0);
    tcg_gen_x87(dc->s, X87_R(0xd9, 0xe8 | n));
    pushed(dc);
    return true;
}

/* No host instruction at all once both are there. */
static bool exchange(DisasContext *dc, unsigned i)
{
    X87Cache *x = &dc->x87;
    unsigned st0 = slot_of(x, 0), sti = slot_of(x, i);

    if (!want_tag(x, st0, true) || !want_tag(x, sti, true))
        return false;
    x->c1 = X87_C1_ZERO;
    if (i == 0)
        return true;
    fetch(dc, sti);
    fetch(dc, st0);
    int a = host_of(x, st0), b = host_of(x, sti);
    x->slot[a] = sti;
    x->slot[b] = st0;
    x->dirty |= 1 << st0 | 1 << sti;
    return true;
}

static bool store_st(DisasContext *dc, unsigned i, bool pops)
{
    X87Cache *x = &dc->x87;
    unsigned st0 = slot_of(x, 0), sti = slot_of(x, i);

    if (!want_tag(x, st0, true))
        return false;
    want_tag(x, sti, true); /* its tag changes unless it is full: mostly it is */
    x->c1 = X87_C1_ZERO;
    if (i == 0) {
        if (pops)
            pop(x);
        return true;
    }
    fetch_to_top(dc, st0);
    int k = host_of(x, sti);
    bool clean = top_is_clean(x);
    if (k >= 0) {
        tcg_gen_x87(dc->s, X87_R(0xdd, (pops && clean ? 0xd8 : 0xd0) | k)); /* fstp or fst st(k) */
        if (pops && clean)
            forget_host_top(x);
    } else if (pops && clean) {
        x->slot[0] = sti; /* the host register stands for the other slot from now on */
    } else { /* there is room: sti was not on the host's stack */
        tcg_gen_x87(dc->s, X87_R(0xd9, 0xc0));
        host_push(x, sti);
    }
    set_full(x, sti);
    if (pops)
        pop(x);
    return true;
}

/* Slow instructions that are worth it for what need not be saved around a call: D9 F0 and up, by their low five bits.
 * Not those whose stack effect depends on the operand (FPTAN, FSINCOS), nor FPREM, which leaves C0 and C3 alone or not. */
enum {
    X_FCHS = 0, X_FABS = 1, X_FTST = 4, X_FXAM = 5, X_F2XM1 = 0x10, X_FYL2X = 0x11, X_FPATAN = 0x13, X_FXTRACT = 0x14,
    X_FYL2XP1 = 0x19, X_FSQRT = 0x1a, X_FRNDINT = 0x1c, X_FSCALE = 0x1d, X_FSIN = 0x1e, X_FCOS = 0x1f,
};

static bool one_operand(DisasContext *dc, unsigned op)
{
    X87Cache *x = &dc->x87;
    unsigned st0 = slot_of(x, 0);

    if (!want_tag(x, st0, true))
        return false;
    fetch_to_top(dc, st0);
    if (op >= X_F2XM1 && x->cc_host)
        fold_codes(dc);
    tcg_gen_x87(dc->s, X87_R(0xd9, 0xe0 | op));
    x->c1 = op == X_FCHS || op == X_FABS || op == X_FTST ? X87_C1_ZERO : X87_C1_HOST;
    if (op == X_FTST || op == X_FXAM)
        x->cc_host = true;
    else
        x->dirty |= 1 << st0;
    if (op == X_FSIN || op == X_FCOS) {
        fold_bits(dc, FPUS_C1 | FPUS_C2, 0);
        x->c1 = X87_C1_ENV;
    }
    return true;
}

static bool fxtract(DisasContext *dc)
{
    X87Cache *x = &dc->x87;
    unsigned st0 = slot_of(x, 0);

    if (!want_tag(x, st0, true) || !want_tag(x, slot_of(x, 7), false))
        return false;
    fetch_to_top(dc, st0);
    make_room(dc, 1 << st0);
    exchange_top(dc, host_of(x, st0));
    if (x->cc_host)
        fold_codes(dc);
    tcg_gen_x87(dc->s, X87_R(0xd9, 0xf4));
    x->dirty |= 1 << st0;
    pushed(dc);
    return true;
}

/* ST0 and ST1, which have to be the host's. pops: the result goes to ST1. */
static bool two_operands(DisasContext *dc, unsigned op, bool pops)
{
    X87Cache *x = &dc->x87;
    unsigned st0 = slot_of(x, 0), st1 = slot_of(x, 1);
    int k = two_registers(dc, 1);

    if (k < 0)
        return false;
    if (x->cc_host)
        fold_codes(dc);
    if (pops && !top_is_clean(x)) { /* the host pops: the value must be in env before */
        make_room(dc, 1 << st0 | 1 << st1);
        exchange_top(dc, host_of(x, st0));
        tcg_gen_x87(dc->s, X87_R(0xd9, 0xc0));
        host_push(x, st0);
        spill_top(dc, load_top(dc));
        k = host_of(x, st1);
    }
    if (k != 1) {
        exchange_top(dc, k);
        exchange_top(dc, 1);
        exchange_top(dc, k);
    }
    tcg_gen_x87(dc->s, X87_R(0xd9, 0xe0 | op));
    x->dirty |= 1 << (pops ? st1 : st0);
    if (pops)
        pop_both(x);
    x->c1 = X87_C1_HOST;
    return true;
}

static bool unary(DisasContext *dc, unsigned op)
{
    switch (op) {
    case X_FCHS: case X_FABS: case X_FTST: case X_FXAM: case X_FSQRT: case X_FRNDINT: case X_F2XM1: case X_FSIN: case X_FCOS:
        return one_operand(dc, op);
    case X_FSCALE: return two_operands(dc, op, false);
    case X_FYL2X: case X_FPATAN: case X_FYL2XP1: return two_operands(dc, op, true);
    case X_FXTRACT: return fxtract(dc);
    default: return false;
    }
}

static bool conditional_move(DisasContext *dc, unsigned cond, bool negate, unsigned i, Tv flags)
{
    static const uint32_t bits[4] = {CC_C, CC_Z, CC_C | CC_Z, CC_P};
    X87Cache *x = &dc->x87;
    Tv c = tcg_temp(dc->s);

    x->c1_dead = false;
    int k = two_registers(dc, i);
    if (k < 0)
        return false;
    tcg_gen_andi(dc->s, TCG_I32, c, flags, bits[cond]);
    tcg_gen_setcondi(dc->s, TCG_I32, negate ? TCG_COND_EQ : TCG_COND_NE, c, c, 0);
    tcg_gen_x87_cmov(dc->s, c, k);
    x->dirty |= 1 << slot_of(x, 0);
    return true;
}

/* As gen_register() of gen-x87.c, which has the whole map. */
static bool register_form(DisasContext *dc, unsigned esc, unsigned op, unsigned i, Tv flags)
{
    switch (esc) {
    case 0: return op == 2 || op == 3 ? compare(dc, i, op == 3, false) : arith(dc, esc, op, i);
    case 1:
        switch (op) {
        case 0: return load_st(dc, i);
        case 1: return exchange(dc, i);
        case 4: case 6: case 7: return unary(dc, dc->insn.modrm & 0x1f);
        case 5: return i < 7 && load_constant(dc, i);
        default: return false;
        }
    case 2: return op < 4 ? conditional_move(dc, op, false, i, flags) : compare(dc, 1, 2, true);
    case 3: return op < 4 ? conditional_move(dc, op, true, i, flags) : compare_flags(dc, i, false, op == 5);
    case 4: return op == 2 || op == 3 ? compare(dc, i, op == 3, false) : arith(dc, esc, op, i);
    case 5:
        switch (op) {
        case 1: return exchange(dc, i);
        case 2: case 3: return store_st(dc, i, op == 3);
        case 4: case 5: return compare(dc, i, op == 5, true);
        default: return false;
        }
    case 6: return op == 3 ? compare(dc, 1, 2, false) : op == 2 ? compare(dc, i, 1, false) : arith(dc, esc, op, i);
    default:
        switch (op) {
        case 1: return exchange(dc, i);
        case 2: case 3: return store_st(dc, i, true);
        case 5: case 6: return compare_flags(dc, i, true, op == 5);
        default: return false;
        }
    }
}

bool gen_x87_reg(DisasContext *dc)
{
    unsigned esc = dc->insn.opcode & 7, op = dc->insn.modrm >> 3 & 7, i = dc->insn.modrm & 7;
    Tv flags = {0};

    if (!usable(dc))
        return false;
    if ((esc == 2 || esc == 3) && op < 4)
        flags = gen_eflags_value(dc);
    begin_group(dc);
    dc->x87.c1_dead = true;
    if (!register_form(dc, esc, op, i, flags))
        return false;
    done(dc);
    return true;
}

/* ---- control ---- */

bool gen_x87_status(DisasContext *dc, Tv d)
{
    TcgContext *s = dc->s;
    X87Cache *x = &dc->x87;
    unsigned codes = (x->active && x->c1 != X87_C1_ENV ? FPUS_C1 : 0) | (x->active && x->cc_host ? FPUS_CC : 0);
    unsigned take = FPUS_EXC | (x->active && x->c1 == X87_C1_ZERO ? codes & ~FPUS_C1 : codes);

    if (!usable(dc))
        return false;
    Tv sw = tcg_temp(s), top = load_top(dc);
    tcg_gen_x87_mem(s, tcg_env(s), ENV_OFF(head.x87_sw), fnstsw16);
    tcg_gen_ld(s, d, tcg_env(s), ENV_OFF(fpus), 2, false);
    tcg_gen_ld(s, sw, tcg_env(s), ENV_OFF(head.x87_sw), 2, false);
    tcg_gen_andi(s, TCG_I32, sw, sw, take);
    if (codes)
        tcg_gen_andi(s, TCG_I32, d, d, ~codes);
    tcg_gen_or(s, TCG_I32, d, d, sw);
    tcg_gen_st(s, d, tcg_env(s), ENV_OFF(fpus), 2);
    top = top_plus(dc, top, x->active ? x->top : 0);
    tcg_gen_shli(s, TCG_I32, sw, top, 11);
    tcg_gen_or(s, TCG_I32, d, d, sw);
    if (x->active) {
        x->c1 = X87_C1_ENV;
        x->cc_host = false;
        sync_state(dc);
    }
    return true;
}

bool gen_x87_fldcw(DisasContext *dc)
{
    TcgContext *s = dc->s;

    if (!usable(dc))
        return false;
    Tv v = tcg_temp(s), m = tcg_temp(s);
    gen_load(dc, v, gen_mem_operand(dc, 2, false), MO_16);
    gen_sync_cc_op(dc);
    flush_note(dc);
    tcg_gen_andi(s, TCG_I32, m, v, FPUS_EXC);
    tcg_gen_side_exit(s, TCG_I32, TCG_COND_NE, m, tcg_const(s, FPUS_EXC), dc_op_eip(dc, dc_eip(dc)));
    tcg_gen_andi(s, TCG_I32, v, v, 0x1f3f);
    tcg_gen_ori(s, TCG_I32, v, v, 0x40);
    tcg_gen_st(s, v, tcg_env(s), ENV_OFF(fpuc), 2);
    tcg_gen_st(s, v, tcg_env(s), ENV_OFF(head.x87_cw), 2);
    tcg_gen_st(s, tcg_const(s, 1), tcg_env(s), ENV_OFF(head.x87_modes), 1);
    tcg_gen_x87_mem(s, tcg_env(s), ENV_OFF(head.x87_cw), fldcw16);
    return true;
}
