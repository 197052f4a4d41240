/* gen-x87-stack.c - guest x87 registers kept on the host's register stack, while translating. See gen-x87-stack.h; the
 * instructions are in gen-x87-forms.c, but for those that read or set the host's control and status word.
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
 * Spec: Intel SDM vol. 1 chapter 8. */
#include "host/base/osdep.h"
#include "target-x86/gen-x87-stack.h"
#include "target-x86/x87.h"

#define ENV_OFF(field) ((int64_t)offsetof(CPUX86State, field))

static const uint64_t fld80 = X87_OP(0xdb, 5, 10, 0), fstp80 = X87_OP(0xdb, 7, 10, 1), fnstsw16 = X87_OP(0xdd, 7, 2, 1),
                      fldcw16 = X87_OP(0xd9, 5, 2, 0);


int xstack_find(const X87Cache *x, unsigned slot)
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

void xstack_sync_state(DisasContext *dc)
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

void xstack_begin_group(DisasContext *dc)
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
    tcg_gen_side_exit(s, TCG_I64, TCG_COND_NE, tags, (Tv){any}, dc_op_eip(dc, dc_eip(dc)), true);
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

void xstack_fold_bits(DisasContext *dc, unsigned take, unsigned clear)
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

void xstack_fold_codes(DisasContext *dc)
{
    X87Cache *x = &dc->x87;
    unsigned take = (x->c1 == X87_C1_HOST ? FPUS_C1 : 0) | (x->cc_host ? FPUS_CC : 0);
    unsigned clear = x->c1 == X87_C1_ZERO ? FPUS_C1 : 0;

    if (take | clear)
        xstack_fold_bits(dc, take, clear);
    x->c1 = X87_C1_ENV;
    x->cc_host = false;
}

void xstack_forget_top(X87Cache *x)
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
        tcg_gen_x87(dc->s, X87_REG_OP(0xdd, 0xd8)); /* fstp st(0) */
    x->dirty &= ~(1 << slot);
    xstack_forget_top(x);
}

void xstack_spill_top(DisasContext *dc) { spill_top(dc, load_top(dc)); }

void gen_x87_flush(DisasContext *dc)
{
    TcgContext *s = dc->s;
    X87Cache *x = &dc->x87;

    if (!x->active)
        return;
    s->barrier = NULL;
    fill_in_check(dc);
    xstack_fold_codes(dc);
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
    xstack_sync_state(dc);
}

/* ---- registers ---- */

bool xstack_want_tag(X87Cache *x, unsigned slot, bool full)
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

void xstack_save_c1(DisasContext *dc)
{
    if (dc->x87.c1 == X87_C1_HOST && !dc->x87.c1_dead)
        xstack_fold_codes(dc);
}

void xstack_note_push(X87Cache *x, unsigned slot)
{
    memmove(x->slot + 1, x->slot, 7);
    x->slot[0] = slot;
    x->depth++;
}

unsigned xstack_fetch(DisasContext *dc, unsigned slot)
{
    X87Cache *x = &dc->x87;
    int at = xstack_find(x, slot);

    if (at >= 0)
        return at;
    xstack_save_c1(dc);
    tcg_gen_x87_mem(dc->s, slot_address(dc, load_top(dc), slot), ENV_OFF(fpregs), fld80);
    xstack_note_push(x, slot);
    return 0;
}

void xstack_exchange_top(DisasContext *dc, unsigned at)
{
    X87Cache *x = &dc->x87;
    uint8_t slot = x->slot[at];

    if (!at)
        return;
    xstack_save_c1(dc);
    tcg_gen_x87(dc->s, X87_REG_OP(0xd9, 0xc8 | at));
    x->slot[at] = x->slot[0];
    x->slot[0] = slot;
}

void xstack_fetch_to_top(DisasContext *dc, unsigned slot) { xstack_exchange_top(dc, xstack_fetch(dc, slot)); }

void xstack_set_full(X87Cache *x, unsigned slot)
{
    x->known |= 1 << slot;
    x->valid |= 1 << slot;
    x->dirty |= 1 << slot;
}

void xstack_pop(X87Cache *x)
{
    unsigned slot = xstack_slot_of(x, 0);

    x->known |= 1 << slot;
    x->valid &= ~(1 << slot);
    x->top = xstack_slot_of(x, 1);
}

void xstack_pop_both(X87Cache *x)
{
    xstack_forget_top(x);
    xstack_pop(x);
}

void xstack_make_room(DisasContext *dc, uint8_t keep)
{
    X87Cache *x = &dc->x87;
    unsigned at = 7;

    if (x->depth < 8)
        return;
    while (at && keep >> x->slot[at] & 1)
        at--;
    xstack_exchange_top(dc, at);
    xstack_spill_top(dc);
}

void xstack_pushed(DisasContext *dc)
{
    X87Cache *x = &dc->x87;
    int old = xstack_find(x, xstack_slot_of(x, 7));

    x->top = xstack_slot_of(x, 7);
    if (old >= 0)
        tcg_gen_x87(dc->s, X87_REG_OP(0xdd, 0xd8 | (old + 1))); /* fstp st(old + 1) */
    else
        xstack_note_push(x, x->top);
    xstack_set_full(x, x->top);
    x->c1 = X87_C1_ZERO;
}

void xstack_done(DisasContext *dc)
{
    dc->x87.note = true;
    dc->x87.note_eip = dc_eip(dc);
    dc->x87.note_op = (dc->insn.opcode & 7) << 8 | dc->insn.modrm;
    xstack_sync_state(dc);
}

/* ---- control and status word ---- */

bool gen_x87_status(DisasContext *dc, Tv d)
{
    TcgContext *s = dc->s;
    X87Cache *x = &dc->x87;
    unsigned codes = (x->active && x->c1 != X87_C1_ENV ? FPUS_C1 : 0) | (x->active && x->cc_host ? FPUS_CC : 0);
    unsigned take = FPUS_EXC | (x->active && x->c1 == X87_C1_ZERO ? codes & ~FPUS_C1 : codes);

    if (!xstack_usable(dc))
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
        xstack_sync_state(dc);
    }
    return true;
}

bool gen_x87_fldcw(DisasContext *dc)
{
    TcgContext *s = dc->s;

    if (!xstack_usable(dc))
        return false;
    Tv v = tcg_temp(s), m = tcg_temp(s);
    gen_load(dc, v, gen_mem_operand(dc, 2, false), MO_16);
    gen_sync_cc_op(dc);
    flush_note(dc);
    tcg_gen_andi(s, TCG_I32, m, v, FPUS_EXC);
    tcg_gen_side_exit(s, TCG_I32, TCG_COND_NE, m, tcg_const(s, FPUS_EXC), dc_op_eip(dc, dc_eip(dc)), true);
    tcg_gen_andi(s, TCG_I32, v, v, 0x1f3f);
    tcg_gen_ori(s, TCG_I32, v, v, 0x40);
    tcg_gen_st(s, v, tcg_env(s), ENV_OFF(fpuc), 2);
    tcg_gen_st(s, v, tcg_env(s), ENV_OFF(head.x87_cw), 2);
    tcg_gen_st(s, tcg_const(s, 1), tcg_env(s), ENV_OFF(head.x87_modes), 1);
    tcg_gen_x87_mem(s, tcg_env(s), ENV_OFF(head.x87_cw), fldcw16);
    return true;
}
