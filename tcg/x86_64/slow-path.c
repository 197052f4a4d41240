/* slow-path.c - loads and stores that the soft TLB does not settle: what a stub wants is not code but a note in front of its call.
 *
 * A note tells which globals are to be stored before guest state may be looked at, where address and value are, where the result goes, what
 * becomes unknown, and the guest instruction. It ends where the call of a thunk (frame.c) begins, and is read backwards from there. Slow
 * paths are seldom, and notes are a third of the code that would do the same. Bytes, in the order they are read:
 *     MemOpIdx, 2 bytes, in the second NOTE_WRITE, NOTE_VECTOR, NOTE_STACK and << 6 the vector registers in use (0, 1: xmm, 2: ymm)
 *     displacement
 *     NOTE_* | mask of r8 to r11 that become 0 behind C code << 4
 *     change of eip since the TB's begin, zigzag; front end's word
 *     unless NOTE_ADDRESS: register of the address | of value or result << 4 (RSP: an immediate value follows, zigzag)
 *     NOTE_STACK: what is still to be added to the guest's stack register, zigzag
 *     NOTE_X87: 8 bytes, what env's x87_state says meanwhile
 *     NOTE_SLOTS: how many, offsets in the frame of what becomes 0
 *     NOTE_SNAPSHOT: how many, then for each the global and its register, or SNAP_CONST and the value, zigzag
 * Numbers have seven bits in a byte, the lowest first. Read-modify-write and x87 have code (guest-ldst.c, lower-x87.c). */
#include "tcg/regalloc.h"

enum { NOTE_WRITE = 2, NOTE_VECTOR = 4, NOTE_STACK = 8 }; /* of the second byte */
enum { NOTE_ADDRESS = 1 /* is in FRAME_ARG0, value and result are in the frame, too */, NOTE_X87 = 2, NOTE_SLOTS = 4, NOTE_SNAPSHOT = 8,
       SNAP_CONST = 0x80, CALL_SIZE = 5 };
_Static_assert(MO_WILL_STORE == 1 << 8 && TCG_MMU_MODES <= 4, "the second byte's bits 1 to 3, 6 and 7 are free");

/* --- writing, from the note's end down --- */

static inline uint8_t *put_u(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *--p = v | 0x80;
        v >>= 7;
    }
    *--p = v;
    return p;
}

static inline uint8_t *put_s(uint8_t *p, int64_t v) { return put_u(p, (uint64_t)v << 1 ^ (uint64_t)(v >> 63)); }

static uint8_t *put_snapshot(const Ra *l, Snapshot snap, uint8_t *p, unsigned *vec)
{
    *--p = snap.n;
    for (const SnapEntry *s = &l->snap[snap.first], *end = s + snap.n; s < end; s++) {
        *--p = s->temp;
        if (s->loc == LOC_REG) {
            *--p = s->reg;
            if (s->reg >= XMM0)
                *vec = MAX(*vec, l->s->temps[s->temp].type == TCG_V256 && host_features.avx ? 2u : 1u);
        } else {
            *--p = SNAP_CONST;
            p = put_s(p, s->value);
        }
    }
    return p;
}

uint8_t *slow_note(const Ra *l, const Stub *st, bool in_frame, uint8_t *end)
{
    bool write = st->opc == TCG_OP_guest_st || st->opc == TCG_OP_guest_stv;
    unsigned kind = (write ? NOTE_WRITE : 0) | (st->opc == TCG_OP_guest_ldv || st->opc == TCG_OP_guest_stv ? NOTE_VECTOR : 0);
    unsigned flags = st->zero_regs << 4, vec = st->vec_live;
    uint8_t *p = put_s(end - 4, st->data[0] - l->s->first_eip);

    p = put_u(p, st->data[1]);
    if (in_frame) {
        flags |= NOTE_ADDRESS;
    } else if (!write) {
        *--p = st->arg[0].reg | st->out << 4;
    } else {
        const Opnd *v = &st->arg[1];
        *--p = st->arg[0].reg | (v->kind == OPND_REG ? v->reg : RSP) << 4;
        if (v->kind == OPND_IMM)
            p = put_s(p, v->imm);
    }
    if (st->stack_add) {
        kind |= NOTE_STACK;
        p = put_s(p, st->stack_add);
    }
    if (unlikely(st->x87_state)) {
        flags |= NOTE_X87;
        for (unsigned i = 0; i < 8; i++)
            *--p = st->x87_state >> 8 * i;
    }
    if (st->nb_zero) {
        flags |= NOTE_SLOTS;
        *--p = st->nb_zero;
        for (unsigned i = 0; i < st->nb_zero; i++)
            p = put_u(p, st->zero_slot[i]);
    }
    if (st->snap.n) {
        flags |= NOTE_SNAPSHOT;
        p = put_snapshot(l, st->snap, p, &vec);
    }
    uint32_t fixed = flags | (uint32_t)(uint8_t)st->disp << 8 | (st->oi >> 8 | kind | vec << 6) << 16 | (uint32_t)(uint8_t)st->oi << 24;
    memcpy(end - 4, &fixed, 4);
    return p;
}

/* --- reading: *p is the byte behind the next one --- */

static inline uint8_t get_b(const uint8_t **p) { return *--*p; }
static inline uint64_t get_u(const uint8_t **p)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t b = get_b(p);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
}
static inline int64_t get_s(const uint8_t **p)
{
    uint64_t v = get_u(p);
    return v >> 1 ^ -(v & 1);
}

void tcg_slow_path_data(const uint8_t *ra, uint64_t data[2])
{
    const uint8_t *p = ra - CALL_SIZE - 4;
    data[0] += get_s(&p);
    data[1] = get_u(&p);
}

static uint64_t *saved(TcgEnvHead *env, uint8_t *frame, unsigned reg)
{
    unsigned n = 0;
    if (reg >= R8 && reg <= R11)
        return (uint64_t *)(void *)(frame + FRAME_REGS + 8 * (reg - R8));
    while (host_pin[n] != (int)reg && n < NB_PINNED - 1)
        n++;
    return &env->gpr[n];
}

static void store_globals(TcgEnvHead *env, uint8_t *frame, const TcgGuest *guest, const uint8_t *p)
{
    for (unsigned n = get_b(&p); n; n--) {
        const TcgGlobalInfo *g = &guest->globals[get_b(&p)];
        uint8_t *to = (uint8_t *)env + g->env_offset;
        unsigned reg = get_b(&p);
        if (reg == SNAP_CONST) {
            uint64_t v = get_s(&p);
            memcpy(to, &v, 8);
        } else if (reg < XMM0) {
            memcpy(to, saved(env, frame, reg), 8);
        } else {
            memcpy(to, frame + FRAME_VSAVE + 32 * (reg - XMM0), g->type == TCG_V256 && host_features.avx ? 32 : 16);
        }
    }
}

void frame_slow_path(TcgEnvHead *env, uint8_t *frame, const uint8_t *ra, const TcgGuest *guest)
{
    uint64_t *arg = (uint64_t *)(void *)frame, addr = arg[FRAME_ARG0 / 8], value = arg[FRAME_ARG1 / 8], *result = &arg[FRAME_RES / 8];
    const uint8_t *p = ra - CALL_SIZE;
    unsigned low = get_b(&p), high = get_b(&p);
    int8_t disp = get_b(&p);
    unsigned flags = get_b(&p), nb_slots = 0;
    MemOpIdx oi = low | (high & 0x31) << 8;
    uint16_t slot[4];

    get_u(&p); /* tcg_slow_path_data()'s */
    get_u(&p);
    if (!(flags & NOTE_ADDRESS)) {
        unsigned regs = get_b(&p);
        addr = *saved(env, frame, regs & 15) + disp;
        if (!(high & NOTE_WRITE))
            result = saved(env, frame, regs >> 4);
        else
            value = regs >> 4 == RSP ? (uint64_t)get_s(&p) : *saved(env, frame, regs >> 4);
    }
    int64_t stack_add = high & NOTE_STACK ? get_s(&p) : 0;
    if (flags & NOTE_X87) {
        uint64_t v = 0;
        for (unsigned i = 0; i < 8; i++)
            v |= (uint64_t)get_b(&p) << 8 * i;
        env->x87_state = v;
    }
    if (flags & NOTE_SLOTS)
        for (unsigned n = get_b(&p); nb_slots < n; nb_slots++)
            slot[nb_slots] = get_u(&p);
    if (flags & NOTE_SNAPSHOT)
        store_globals(env, frame, guest, p);
    uintptr_t at = (uintptr_t)ra;
    env->gpr[guest->stack_reg] += stack_add; /* as a fault shows it */
    switch (high & (NOTE_WRITE | NOTE_VECTOR)) {
    case 0: value = guest->slow_ld(env, addr, oi, at); break;
    case NOTE_WRITE: guest->slow_st(env, addr, value, oi, at); break;
    case NOTE_VECTOR: guest->slow_ldv(env, addr, frame + FRAME_VBUF, oi, at); break;
    case NOTE_WRITE | NOTE_VECTOR: guest->slow_stv(env, addr, frame + FRAME_VBUF, oi, at); break;
    }
    env->gpr[guest->stack_reg] -= stack_add; /* as translated code has it */
    if (flags & NOTE_X87)
        env->x87_state = 0;
    for (unsigned m = flags >> 4; m; m &= m - 1)
        arg[FRAME_REGS / 8 + __builtin_ctz(m)] = 0;
    for (unsigned i = 0; i < nb_slots; i++)
        arg[slot[i] / 8] = 0;
    if (!(high & NOTE_WRITE))
        *result = value;
}
