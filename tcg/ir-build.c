/* ir-build.c - emission of IR ops, as front ends call it.
 *
 * Emission canonicalises only what costs one comparison: constants stand second in commutative ops,
 * ops that do nothing become moves, full-width fields become moves or extensions. Everything that
 * needs to know more than the op itself belongs to optimize.c.
 *
 * Type rules kept here: a mov_i32 is a zero-extension, so "mov_i32 x,x" is not dropped. An immediate
 * of an I32 op is kept sign-extended from 32 bits: it is the same low half, and the form that host
 * immediates have.
 *
 * Running out of ops, temps or labels sets s->overflow; ops and temps are then handed out from a spare
 * slot at the end of their array, so that the front end needs no checks until it is done. */
#include "tcg/ir-build.h"
#include "host/base/bitops.h"

/* ---- temps, constants, labels ---- */

static TcgTempIdx new_temp(TcgContext *s, TcgTempKind kind, TcgType type)
{
    unsigned i = s->nb_temps;

    if (unlikely(i >= TCG_MAX_TEMPS - 1)) {
        s->overflow = true;
        return TCG_MAX_TEMPS - 1;
    }
    s->nb_temps = i + 1;
    s->nb_locals += kind == TCG_TEMP_LOCAL;
    s->temps[i] = (TcgTemp){ .kind = kind, .type = type };
    return i;
}

Tv tcg_temp(TcgContext *s) { return (Tv){ new_temp(s, TCG_TEMP_EBB, TCG_I64) }; }
Tv tcg_temp_local(TcgContext *s) { return (Tv){ new_temp(s, TCG_TEMP_LOCAL, TCG_I64) }; }
Vv tcg_tempv(TcgContext *s, TcgType type) { return (Vv){ new_temp(s, TCG_TEMP_EBB, type) }; }
Vv tcg_tempv_local(TcgContext *s, TcgType type) { return (Vv){ new_temp(s, TCG_TEMP_LOCAL, type) }; }

Tv tcg_const(TcgContext *s, uint64_t value)
{
    unsigned h = (value * 0x9e3779b97f4a7c15ULL) >> 56, i;

    for (i = s->const_head[h]; i != TCG_NO_TEMP; i = s->const_next[i]) {
        if (s->temps[i].value == value)
            return (Tv){ i };
    }
    i = new_temp(s, TCG_TEMP_CONST, TCG_I64);
    if (likely(i != TCG_MAX_TEMPS - 1)) {
        s->temps[i].value = value;
        s->const_next[i] = s->const_head[h];
        s->const_head[h] = i;
    }
    return (Tv){ i };
}

TcgLabel tcg_label(TcgContext *s)
{
    if (unlikely(s->nb_labels >= TCG_MAX_LABELS)) {
        s->overflow = true;
        return (TcgLabel){ 0 };
    }
    s->label_refs[s->nb_labels] = 0;
    return (TcgLabel){ s->nb_labels++ };
}

/* ---- raw emission ---- */

static inline TcgOp *emit(TcgContext *s, TcgOpcode opc, TcgType type)
{
    if (unlikely(s->barrier != NULL) && (tcg_op_info[opc].flags & TCG_OPF_ENDS_BB || opc == TCG_OP_poll_exit))
        s->barrier(s->barrier_opaque);
    TcgOp *op = &s->ops[s->nb_ops];

    if (unlikely(s->nb_ops >= TCG_MAX_OPS - 1))
        s->overflow = true;
    else
        s->nb_ops++;
    op->opc = opc;
    op->type = type;
    op->life = 0;
    return op;
}

/* The op is complete: it may be improved, or go, right away. opc is a constant at each call, so that the switch is decided when this is compiled;
 * hence a table here, which the compiler can look into, and not tcg_op_info[]. */
static inline __attribute__((always_inline)) void finish(TcgContext *s, TcgOp *op, TcgOpcode opc)
{
    static const uint8_t kind_of[TCG_OP_COUNT] = {
#define COMMUTES TCG_OPF_COMMUTES
#define ENDS_BB TCG_OPF_ENDS_BB
#define SIDE TCG_OPF_SIDE
#define FAULT TCG_OPF_FAULT
#define EXITS TCG_OPF_EXITS
#define VEC TCG_OPF_VEC
#define OPC(name, outs, ins, consts, flags, meaning) [TCG_OP_##name] = TCG_OP_KIND(TCG_OP_##name, outs, ins, flags),
#include "tcg/opc.def"
#undef OPC
#undef COMMUTES
#undef ENDS_BB
#undef SIDE
#undef FAULT
#undef EXITS
#undef VEC
    };
    bool keep = true;

    if (!s->as_emitted || unlikely(s->overflow))
        return;
    switch ((TcgOpKind)kind_of[opc]) {
    case TCG_OPK_INSN_START: case TCG_OPK_LABEL: break;
    case TCG_OPK_MOV: keep = tcg_emitted_mov(s, op); break;
    case TCG_OPK_PURE1: keep = tcg_emitted_pure1(s, op); break;
    case TCG_OPK_PURE2: keep = tcg_emitted_pure2(s, op); break;
    case TCG_OPK_PURE: keep = tcg_emitted_pure(s, op); break;
    case TCG_OPK_STORE: keep = tcg_emitted_store(s, op); break;
    case TCG_OPK_LOAD: keep = tcg_emitted_load(s, op); break;
    case TCG_OPK_EXIT: keep = tcg_emitted_exit(s, op); break;
    case TCG_OPK_OTHER: keep = tcg_emitted_other(s, op); break;
    }
    s->nb_ops -= !keep;
}

TcgOp *tcg_emit(TcgContext *s, TcgOpcode opc, TcgType type, unsigned nargs, ...)
{
    TcgOp *op = emit(s, opc, type);
    va_list ap;

    va_start(ap, nargs);
    for (unsigned i = 0; i < TCG_MAX_ARGS; i++)
        op->arg[i] = i < nargs ? va_arg(ap, uint64_t) : 0;
    va_end(ap);
    if (opc == TCG_OP_br || opc == TCG_OP_brcond)
        s->label_refs[op->arg[opc == TCG_OP_br ? 0 : 3]]++;
    if (s->as_emitted)
        tcg_emitted_raw(s, op);
    return op;
}

static inline __attribute__((always_inline)) void emit1(TcgContext *s, TcgOpcode opc, TcgType t, uint64_t a0)
{
    TcgOp *op = emit(s, opc, t);
    op->arg[0] = a0;
    finish(s, op, opc);
}

static inline __attribute__((always_inline)) void emit2(TcgContext *s, TcgOpcode opc, TcgType t, uint64_t a0, uint64_t a1)
{
    TcgOp *op = emit(s, opc, t);
    op->arg[0] = a0;
    op->arg[1] = a1;
    finish(s, op, opc);
}

static inline __attribute__((always_inline)) void emit3(TcgContext *s, TcgOpcode opc, TcgType t, uint64_t a0, uint64_t a1, uint64_t a2)
{
    TcgOp *op = emit(s, opc, t);
    op->arg[0] = a0;
    op->arg[1] = a1;
    op->arg[2] = a2;
    finish(s, op, opc);
}

static inline __attribute__((always_inline)) void emit4(TcgContext *s, TcgOpcode opc, TcgType t, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
    TcgOp *op = emit(s, opc, t);
    op->arg[0] = a0;
    op->arg[1] = a1;
    op->arg[2] = a2;
    op->arg[3] = a3;
    finish(s, op, opc);
}

static inline __attribute__((always_inline)) void emit5(TcgContext *s, TcgOpcode opc, TcgType t, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                         uint64_t a4)
{
    TcgOp *op = emit(s, opc, t);
    op->arg[0] = a0;
    op->arg[1] = a1;
    op->arg[2] = a2;
    op->arg[3] = a3;
    op->arg[4] = a4;
    finish(s, op, opc);
}

/* ---- general ops ---- */

static inline bool is_const(const TcgContext *s, Tv t) { return s->temps[t.i].kind == TCG_TEMP_CONST; }
static inline unsigned type_bits(TcgType t) { return t == TCG_I32 ? 32 : 64; }

/* Constant t as an operand of an op of the given type; sign-extended, so that all ones is -1. */
static inline bool const_of(const TcgContext *s, TcgType type, Tv t, int64_t *v)
{
    if (!is_const(s, t))
        return false;
    *v = type == TCG_I32 ? (int32_t)s->temps[t.i].value : (int64_t)s->temps[t.i].value;
    return true;
}

static inline void swap_tv(Tv *a, Tv *b)
{
    Tv t = *a;
    *a = *b;
    *b = t;
}

void tcg_gen_movi(TcgContext *s, Tv d, uint64_t value) { emit2(s, TCG_OP_mov, TCG_I64, d.i, tcg_const(s, value).i); }

void tcg_gen_mov(TcgContext *s, TcgType t, Tv d, Tv a)
{
    if (is_const(s, a) && t == TCG_I32) {
        tcg_gen_movi(s, d, (uint32_t)s->temps[a.i].value);
        return;
    }
    if (d.i != a.i || t == TCG_I32)
        emit2(s, TCG_OP_mov, t, d.i, a.i);
}

#define GEN2(name)                                                                                                     \
    void tcg_gen_##name(TcgContext *s, TcgType t, Tv d, Tv a) { emit2(s, TCG_OP_##name, t, d.i, a.i); }
GEN2(neg) GEN2(not) GEN2(popcnt) GEN2(ext8s) GEN2(ext8u) GEN2(ext16s) GEN2(ext16u) GEN2(bswap16) GEN2(bswap)

/* Widening to 64 bits has only one meaning, whatever type the front end happens to work in. */
void tcg_gen_ext32s(TcgContext *s, TcgType t, Tv d, Tv a)
{
    if (t == TCG_I32)
        tcg_gen_mov(s, TCG_I32, d, a);
    else
        emit2(s, TCG_OP_ext32s, TCG_I64, d.i, a.i);
}

void tcg_gen_ext32u(TcgContext *s, TcgType t, Tv d, Tv a)
{
    if (t == TCG_I32)
        tcg_gen_mov(s, TCG_I32, d, a);
    else
        emit2(s, TCG_OP_ext32u, TCG_I64, d.i, a.i);
}

void tcg_gen_add(TcgContext *s, TcgType t, Tv d, Tv a, Tv b)
{
    int64_t v;

    if (is_const(s, a))
        swap_tv(&a, &b);
    if (const_of(s, t, b, &v) && v == 0)
        tcg_gen_mov(s, t, d, a);
    else
        emit3(s, TCG_OP_add, t, d.i, a.i, b.i);
}

void tcg_gen_sub(TcgContext *s, TcgType t, Tv d, Tv a, Tv b)
{
    int64_t v;

    if (a.i == b.i)
        tcg_gen_movi(s, d, 0);
    else if (const_of(s, t, b, &v) && v == 0)
        tcg_gen_mov(s, t, d, a);
    else if (const_of(s, t, a, &v) && v == 0)
        emit2(s, TCG_OP_neg, t, d.i, b.i);
    else
        emit3(s, TCG_OP_sub, t, d.i, a.i, b.i);
}

void tcg_gen_and(TcgContext *s, TcgType t, Tv d, Tv a, Tv b)
{
    int64_t v;

    if (is_const(s, a))
        swap_tv(&a, &b);
    if (a.i == b.i || (const_of(s, t, b, &v) && v == -1))
        tcg_gen_mov(s, t, d, a);
    else if (const_of(s, t, b, &v) && v == 0)
        tcg_gen_movi(s, d, 0);
    else
        emit3(s, TCG_OP_and, t, d.i, a.i, b.i);
}

void tcg_gen_or(TcgContext *s, TcgType t, Tv d, Tv a, Tv b)
{
    int64_t v;

    if (is_const(s, a))
        swap_tv(&a, &b);
    if (a.i == b.i || (const_of(s, t, b, &v) && v == 0))
        tcg_gen_mov(s, t, d, a);
    else if (const_of(s, t, b, &v) && v == -1)
        tcg_gen_movi(s, d, t == TCG_I32 ? UINT32_MAX : UINT64_MAX);
    else
        emit3(s, TCG_OP_or, t, d.i, a.i, b.i);
}

void tcg_gen_xor(TcgContext *s, TcgType t, Tv d, Tv a, Tv b)
{
    int64_t v;

    if (is_const(s, a))
        swap_tv(&a, &b);
    if (a.i == b.i)
        tcg_gen_movi(s, d, 0);
    else if (const_of(s, t, b, &v) && v == 0)
        tcg_gen_mov(s, t, d, a);
    else if (const_of(s, t, b, &v) && v == -1)
        emit2(s, TCG_OP_not, t, d.i, a.i);
    else
        emit3(s, TCG_OP_xor, t, d.i, a.i, b.i);
}

void tcg_gen_andc(TcgContext *s, TcgType t, Tv d, Tv a, Tv b)
{
    int64_t v;

    if (const_of(s, t, b, &v))
        tcg_gen_andi(s, t, d, a, ~v);
    else
        emit3(s, TCG_OP_andc, t, d.i, a.i, b.i);
}

void tcg_gen_mul(TcgContext *s, TcgType t, Tv d, Tv a, Tv b)
{
    int64_t v;

    if (is_const(s, a))
        swap_tv(&a, &b);
    if (const_of(s, t, b, &v) && v == 0)
        tcg_gen_movi(s, d, 0);
    else if (const_of(s, t, b, &v) && v == 1)
        tcg_gen_mov(s, t, d, a);
    else
        emit3(s, TCG_OP_mul, t, d.i, a.i, b.i);
}

static void gen_shift(TcgContext *s, TcgOpcode opc, TcgType t, Tv d, Tv a, Tv b)
{
    int64_t v;

    if (const_of(s, t, b, &v) && v == 0)
        tcg_gen_mov(s, t, d, a);
    else
        emit3(s, opc, t, d.i, a.i, b.i);
}
#define GEN_SHIFT(name)                                                                                                \
    void tcg_gen_##name(TcgContext *s, TcgType t, Tv d, Tv a, Tv b) { gen_shift(s, TCG_OP_##name, t, d, a, b); }
GEN_SHIFT(shl) GEN_SHIFT(shr) GEN_SHIFT(sar) GEN_SHIFT(rotl) GEN_SHIFT(rotr)

void tcg_gen_clz(TcgContext *s, TcgType t, Tv d, Tv a, Tv b) { emit3(s, TCG_OP_clz, t, d.i, a.i, b.i); }
void tcg_gen_ctz(TcgContext *s, TcgType t, Tv d, Tv a, Tv b) { emit3(s, TCG_OP_ctz, t, d.i, a.i, b.i); }
void tcg_gen_shld(TcgContext *s, TcgType t, Tv d, Tv a, Tv b, Tv c) { emit4(s, TCG_OP_shld, t, d.i, a.i, b.i, c.i); }
void tcg_gen_shrd(TcgContext *s, TcgType t, Tv d, Tv a, Tv b, Tv c) { emit4(s, TCG_OP_shrd, t, d.i, a.i, b.i, c.i); }

void tcg_gen_mulu2(TcgContext *s, TcgType t, Tv lo, Tv hi, Tv a, Tv b)
{
    emit4(s, TCG_OP_mulu2, t, lo.i, hi.i, a.i, b.i);
}

void tcg_gen_muls2(TcgContext *s, TcgType t, Tv lo, Tv hi, Tv a, Tv b)
{
    emit4(s, TCG_OP_muls2, t, lo.i, hi.i, a.i, b.i);
}

void tcg_gen_addc(TcgContext *s, TcgType t, Tv d, Tv out, Tv a, Tv b, Tv c)
{
    emit5(s, TCG_OP_addc, t, d.i, out.i, a.i, b.i, c.i);
}

void tcg_gen_subb(TcgContext *s, TcgType t, Tv d, Tv out, Tv a, Tv b, Tv c)
{
    emit5(s, TCG_OP_subb, t, d.i, out.i, a.i, b.i, c.i);
}

void tcg_gen_divu2(TcgContext *s, TcgType t, Tv q, Tv r, Tv lo, Tv hi, Tv d)
{
    emit5(s, TCG_OP_divu2, t, q.i, r.i, lo.i, hi.i, d.i);
}

void tcg_gen_divs2(TcgContext *s, TcgType t, Tv q, Tv r, Tv lo, Tv hi, Tv d)
{
    emit5(s, TCG_OP_divs2, t, q.i, r.i, lo.i, hi.i, d.i);
}

static inline Tv imm(TcgContext *s, TcgType t, int64_t b) { return tcg_const(s, t == TCG_I32 ? (int32_t)b : b); }

#define GENI(name)                                                                                                     \
    void tcg_gen_##name##i(TcgContext *s, TcgType t, Tv d, Tv a, int64_t b)                                           \
    {                                                                                                                  \
        tcg_gen_##name(s, t, d, a, imm(s, t, b));                                                                      \
    }
GENI(add) GENI(and) GENI(or) GENI(xor) GENI(mul) GENI(shl) GENI(shr) GENI(sar) GENI(rotl) GENI(rotr)

/* a - constant is a + (-constant): one op fewer for every later rule to know. */
void tcg_gen_subi(TcgContext *s, TcgType t, Tv d, Tv a, int64_t b) { tcg_gen_addi(s, t, d, a, -(uint64_t)b); }

/* ---- fields ---- */

void tcg_gen_extract(TcgContext *s, TcgType t, Tv d, Tv a, unsigned pos, unsigned len)
{
    if (pos == 0 && len == 8)
        tcg_gen_ext8u(s, t, d, a);
    else if (pos == 0 && len == 16)
        tcg_gen_ext16u(s, t, d, a);
    else if (pos == 0 && len == 32)
        tcg_gen_mov(s, TCG_I32, d, a);
    else if (pos + len == type_bits(t))
        tcg_gen_shri(s, t, d, a, pos);
    else
        emit4(s, TCG_OP_extract, t, d.i, a.i, pos, len);
}

void tcg_gen_sextract(TcgContext *s, TcgType t, Tv d, Tv a, unsigned pos, unsigned len)
{
    if (pos == 0 && len == 8)
        tcg_gen_ext8s(s, t, d, a);
    else if (pos == 0 && len == 16)
        tcg_gen_ext16s(s, t, d, a);
    else if (pos == 0 && len == 32)
        tcg_gen_ext32s(s, t, d, a);
    else if (pos + len == type_bits(t))
        tcg_gen_sari(s, t, d, a, pos);
    else
        emit4(s, TCG_OP_sextract, t, d.i, a.i, pos, len);
}

void tcg_gen_deposit(TcgContext *s, TcgType t, Tv d, Tv a, Tv b, unsigned pos, unsigned len)
{
    if (len == type_bits(t))
        tcg_gen_mov(s, t, d, b);
    else
        emit5(s, TCG_OP_deposit, t, d.i, a.i, b.i, pos, len);
}

/* ---- conditions and control inside the TB ---- */

TcgCond tcg_cond_swap(TcgCond c)
{
    static const uint8_t swapped[] = {
        [TCG_COND_EQ] = TCG_COND_EQ, [TCG_COND_NE] = TCG_COND_NE, [TCG_COND_LT] = TCG_COND_GT,
        [TCG_COND_GE] = TCG_COND_LE, [TCG_COND_LE] = TCG_COND_GE, [TCG_COND_GT] = TCG_COND_LT,
        [TCG_COND_LTU] = TCG_COND_GTU, [TCG_COND_GEU] = TCG_COND_LEU, [TCG_COND_LEU] = TCG_COND_GEU,
        [TCG_COND_GTU] = TCG_COND_LTU, [TCG_COND_TSTEQ] = TCG_COND_TSTEQ, [TCG_COND_TSTNE] = TCG_COND_TSTNE,
    };
    return swapped[c];
}

void tcg_gen_setcond(TcgContext *s, TcgType t, TcgCond c, Tv d, Tv a, Tv b)
{
    if (is_const(s, a)) {
        swap_tv(&a, &b);
        c = tcg_cond_swap(c);
    }
    emit4(s, TCG_OP_setcond, t, d.i, a.i, b.i, c);
}

void tcg_gen_setcondi(TcgContext *s, TcgType t, TcgCond c, Tv d, Tv a, int64_t b)
{
    tcg_gen_setcond(s, t, c, d, a, imm(s, t, b));
}

void tcg_gen_movcond(TcgContext *s, TcgType t, TcgCond c, Tv d, Tv c1, Tv c2, Tv v1, Tv v2)
{
    if (is_const(s, c1)) {
        swap_tv(&c1, &c2);
        c = tcg_cond_swap(c);
    }
    TcgOp *op = emit(s, TCG_OP_movcond, t);
    op->arg[0] = d.i;
    op->arg[1] = c1.i;
    op->arg[2] = c2.i;
    op->arg[3] = v1.i;
    op->arg[4] = v2.i;
    op->arg[5] = c;
    finish(s, op, TCG_OP_movcond);
}

void tcg_gen_brcond(TcgContext *s, TcgType t, TcgCond c, Tv a, Tv b, TcgLabel l)
{
    if (is_const(s, a)) {
        swap_tv(&a, &b);
        c = tcg_cond_swap(c);
    }
    s->label_refs[l.i]++;
    emit4(s, TCG_OP_brcond, t, a.i, b.i, c, l.i);
}

void tcg_gen_brcondi(TcgContext *s, TcgType t, TcgCond c, Tv a, int64_t b, TcgLabel l)
{
    tcg_gen_brcond(s, t, c, a, imm(s, t, b), l);
}

void tcg_gen_br(TcgContext *s, TcgLabel l)
{
    s->label_refs[l.i]++;
    emit1(s, TCG_OP_br, TCG_I64, l.i);
}

void tcg_gen_label(TcgContext *s, TcgLabel l)
{
    tcg_emit_label(s, l.i);
    emit1(s, TCG_OP_set_label, TCG_I64, l.i);
}

void tcg_gen_discard(TcgContext *s, Tv t) { emit1(s, TCG_OP_discard, TCG_I64, t.i); }

/* ---- host memory ---- */

void tcg_gen_ld(TcgContext *s, Tv d, Tv base, int64_t off, unsigned size, bool sign)
{
    TcgOpcode opc = size == 1   ? (sign ? TCG_OP_ld8s : TCG_OP_ld8u)
                    : size == 2 ? (sign ? TCG_OP_ld16s : TCG_OP_ld16u)
                    : size == 4 ? (sign ? TCG_OP_ld32s : TCG_OP_ld32u)
                                : TCG_OP_ld64;
    emit3(s, opc, TCG_I64, d.i, base.i, off);
}

void tcg_gen_st(TcgContext *s, Tv val, Tv base, int64_t off, unsigned size)
{
    TcgOpcode opc = size == 1 ? TCG_OP_st8 : size == 2 ? TCG_OP_st16 : size == 4 ? TCG_OP_st32 : TCG_OP_st64;
    emit3(s, opc, TCG_I64, val.i, base.i, off);
}

void tcg_gen_ldv(TcgContext *s, TcgType t, Vv d, Tv base, int64_t off, unsigned bytes)
{
    emit4(s, TCG_OP_ldv, t, d.i, base.i, off, bytes);
}

void tcg_gen_stv(TcgContext *s, TcgType t, Vv val, Tv base, int64_t off, unsigned bytes)
{
    emit4(s, TCG_OP_stv, t, val.i, base.i, off, bytes);
}

void tcg_gen_movv(TcgContext *s, TcgType t, Vv d, Vv a)
{
    if (d.i != a.i)
        emit2(s, TCG_OP_movv, t, d.i, a.i);
}

/* ---- guest memory ---- */

void tcg_gen_guest_ld(TcgContext *s, Tv d, Tv addr, int32_t disp, MemOpIdx oi)
{
    emit4(s, TCG_OP_guest_ld, TCG_I64, d.i, addr.i, (int64_t)disp, oi);
}

void tcg_gen_guest_st(TcgContext *s, Tv val, Tv addr, int32_t disp, MemOpIdx oi)
{
    emit4(s, TCG_OP_guest_st, TCG_I64, val.i, addr.i, (int64_t)disp, oi);
}

void tcg_gen_guest_rmw(TcgContext *s, Tv old, Tv addr, int32_t disp, Tv val, MemOpIdx oi, uint32_t rmw)
{
    TcgOp *op = emit(s, TCG_OP_guest_rmw, TCG_I64);
    op->arg[0] = old.i;
    op->arg[1] = addr.i;
    op->arg[2] = val.i;
    op->arg[3] = (int64_t)disp;
    op->arg[4] = oi;
    op->arg[5] = rmw;
    finish(s, op, TCG_OP_guest_rmw);
}

void tcg_gen_guest_cmpxchg(TcgContext *s, Tv old, Tv addr, int32_t disp, Tv cmp, Tv val, MemOpIdx oi, uint32_t lock)
{
    TcgOp *op = emit(s, TCG_OP_guest_cmpxchg, TCG_I64);
    op->arg[0] = old.i;
    op->arg[1] = addr.i;
    op->arg[2] = cmp.i;
    op->arg[3] = val.i;
    op->arg[4] = (int64_t)disp;
    op->arg[5] = oi;
    op->arg[6] = lock;
    finish(s, op, TCG_OP_guest_cmpxchg);
}

void tcg_gen_guest_ldv(TcgContext *s, TcgType t, Vv d, Tv addr, int32_t disp, MemOpIdx oi)
{
    emit4(s, TCG_OP_guest_ldv, t, d.i, addr.i, (int64_t)disp, oi);
}

void tcg_gen_guest_stv(TcgContext *s, TcgType t, Vv val, Tv addr, int32_t disp, MemOpIdx oi)
{
    emit4(s, TCG_OP_guest_stv, t, val.i, addr.i, (int64_t)disp, oi);
}

/* ---- host vector instructions, helpers ---- */

void tcg_gen_simd(TcgContext *s, TcgType t, TcgTempIdx d, TcgTempIdx a, TcgTempIdx b, TcgTempIdx c, SimdEnc enc,
                  uint8_t imm8)
{
    TcgOp *op = emit(s, TCG_OP_simd, t);
    op->arg[0] = d;
    op->arg[1] = a;
    op->arg[2] = b;
    op->arg[3] = c;
    op->arg[4] = enc;
    op->arg[5] = imm8;
    finish(s, op, TCG_OP_simd);
}

void tcg_gen_simd_flags(TcgContext *s, Tv d, Vv a, Vv b, SimdEnc enc)
{
    emit5(s, TCG_OP_simd_flags, enc & SIMD_VEX ? TCG_V256 : TCG_V128, d.i, a.i, b.i, enc, 0);
}

void tcg_gen_vzeroupper(TcgContext *s, uint32_t env_offset, unsigned count)
{
    emit2(s, TCG_OP_vzeroupper, TCG_I64, env_offset, count);
}

void tcg_gen_call(TcgContext *s, const TcgHelperInfo *h, TcgTempIdx out, unsigned nin, ...)
{
    if (s->barrier && !(h->flags & HELPER_PURE))
        s->barrier(s->barrier_opaque);
    TcgOp *op = emit(s, TCG_OP_call, TCG_I64);
    va_list ap;

    op->arg[0] = out;
    va_start(ap, nin);
    for (unsigned i = 0; i < 6; i++)
        op->arg[1 + i] = i < nin ? (TcgTempIdx)va_arg(ap, int) : TCG_NO_TEMP;
    va_end(ap);
    op->arg[7] = (uintptr_t)h;
    finish(s, op, TCG_OP_call);
}

/* ---- instruction starts and exits ---- */

void tcg_gen_insn_start(TcgContext *s, uint64_t eip, uint64_t word)
{
    emit2(s, TCG_OP_insn_start, TCG_I64, eip, word);
}
/* ---- x87 ---- */

void tcg_gen_x87(TcgContext *s, unsigned insn) { emit1(s, TCG_OP_x87, TCG_I64, insn); }
void tcg_gen_x87_mem(TcgContext *s, Tv base, int64_t off, uint64_t insn) { emit3(s, TCG_OP_x87_mem, TCG_I64, base.i, off, insn); }
void tcg_gen_x87_flags(TcgContext *s, Tv d, unsigned insn) { emit2(s, TCG_OP_x87_flags, TCG_I64, d.i, insn); }
void tcg_gen_x87_cmov(TcgContext *s, Tv cond, unsigned st) { emit2(s, TCG_OP_x87_cmov, TCG_I64, cond.i, st); }
void tcg_gen_x87_state(TcgContext *s, uint64_t state) { emit1(s, TCG_OP_x87_state, TCG_I64, state); }

void tcg_gen_guest_x87(TcgContext *s, Tv addr, int32_t disp, uint64_t insn, MemOpIdx oi)
{
    emit4(s, TCG_OP_guest_x87, TCG_I64, addr.i, (int64_t)disp, insn, oi);
}

static TcgOp *emit_side_exit(TcgContext *s, TcgType t, TcgCond c, Tv a, Tv b, uint64_t eip, uint64_t how, uint64_t store)
{
    TcgOp *op = emit(s, TCG_OP_side_exit, t);
    op->arg[0] = a.i;
    op->arg[1] = b.i;
    op->arg[2] = c;
    op->arg[3] = eip;
    op->arg[4] = how;
    op->arg[5] = store;
    return op;
}

TcgOp *tcg_gen_side_exit(TcgContext *s, TcgType t, TcgCond c, Tv a, Tv b, uint64_t eip, bool x87)
{
    if (x87) /* the front end completes it later */
        return emit_side_exit(s, t, c, a, b, eip, SIDE_EXIT_X87, 0);
    if (s->barrier)
        s->barrier(s->barrier_opaque);
    TcgOp *op = emit_side_exit(s, t, c, a, b, eip, SIDE_EXIT_LOOKUP, 0);
    finish(s, op, TCG_OP_side_exit);
    return op;
}

void tcg_gen_side_jump(TcgContext *s, TcgType t, TcgCond c, Tv a, Tv b, uint64_t eip, uint32_t env_off, uint32_t value)
{
    if (s->barrier)
        s->barrier(s->barrier_opaque);
    TcgOp *op = emit_side_exit(s, t, c, a, b, eip, SIDE_EXIT_JUMP, env_off ? (uint64_t)env_off << 32 | value : 0);
    finish(s, op, TCG_OP_side_exit);
}

/* ---- ways out ---- */

void tcg_gen_poll_exit(TcgContext *s, uint64_t eip) { emit1(s, TCG_OP_poll_exit, TCG_I64, eip); }
void tcg_gen_goto_code(TcgContext *s, Tv code) { emit1(s, TCG_OP_goto_code, TCG_I64, code.i); }
void tcg_gen_goto_tb(TcgContext *s, unsigned slot, uint64_t eip) { emit2(s, TCG_OP_goto_tb, TCG_I64, slot, eip); }
void tcg_gen_goto_far(TcgContext *s, unsigned slot, uint64_t pc, uint64_t soon)
{
    tcg_emit(s, TCG_OP_goto_far, TCG_I64, 3, (uint64_t)slot, pc, soon);
}
void tcg_gen_goto_ptr(TcgContext *s, Tv pc) { emit1(s, TCG_OP_goto_ptr, TCG_I64, pc.i); }
void tcg_gen_exit_tb(TcgContext *s, TbExit reason) { emit1(s, TCG_OP_exit_tb, TCG_I64, reason); }
