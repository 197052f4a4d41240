/* optimize.h - the optimiser's table of values, shared by the pass (optimize.c, whose preface explains it) and
 * the rules (optimize-rules.c). */
#ifndef TCG_OPTIMIZE_H
#define TCG_OPTIMIZE_H

#include "tcg/ir-build.h"
#include "host/base/bitops.h"

enum { NB_HOMES = 3, MAX_VALUES = 8192, VALUES_PER_OP = 10 };

enum {
    VALUE_PLAIN,
    VALUE_CMP, /* setcond(cond, a, b) */
    VALUE_LOW, /* its lowest bits are those of a: deposit */
};

typedef struct Value {
    uint64_t ones;  /* bits that may be 1; the constant's value if is_const */
    union {
        struct {
            TcgTempIdx home[NB_HOMES];
            bool is_const;
        };
        uint64_t homes; /* all of that at once: lone_home() */
    };
    uint8_t what;           /* VALUE_* */
    uint8_t cond, cmp_type; /* VALUE_LOW: cond is the number of bits */
    uint16_t cmp_a, cmp_b;  /* values */
} Value;
_Static_assert(sizeof(Value) == 24 && NB_HOMES == 3, "small, and homes covers is_const");

typedef struct Optimizer {
    TcgContext *s;
    uint32_t stamp[TCG_TEMP_ENV + 1]; /* by temp kind: what is_current() wants */
    uint32_t last_stamp;
    unsigned nb_values;
    bool dead; /* behind an exit or a jump, no way in yet */
    struct {
        uint32_t stamp;
        uint16_t value;
    } temp[TCG_MAX_TEMPS];
    Value value[MAX_VALUES];
    uint8_t global_rank[TCG_MAX_TEMPS / 2]; /* home_rank() */
} Optimizer;

static inline uint64_t type_mask(TcgType t) { return t == TCG_I32 ? UINT32_MAX : UINT64_MAX; }
static inline unsigned type_bits(TcgType t) { return t == TCG_I32 ? 32 : 64; }
static inline uint64_t sign_bit(TcgType t) { return BIT(type_bits(t) - 1); }
static inline bool is_pow2(uint64_t v) { return v && !(v & (v - 1)); }
/* All bits up to the highest one of m. */
static inline uint64_t fill_below(uint64_t m) { return m ? UINT64_MAX >> __builtin_clzll(m) : 0; }

/* ---- what is known ---- */

static inline void forget(Optimizer *o, TcgTempKind kind) { o->stamp[kind] = ++o->last_stamp; }

static inline bool is_current(const Optimizer *o, TcgTempIdx t)
{
    return o->temp[t].stamp == o->stamp[o->s->temps[t].kind];
}

/* Value.homes of a value that is no constant and that t alone has. */
static inline uint64_t lone_home(TcgTempIdx t) { return (uint64_t)TCG_NO_TEMP << 32 | (uint64_t)TCG_NO_TEMP << 16 | t; }

static inline Value *new_value(Optimizer *o, TcgTempIdx t)
{
    unsigned n = o->nb_values++; /* the pass forgets all in time: see tcg_optimize() */
    Value *v = &o->value[n];

    v->ones = UINT64_MAX;
    v->homes = lone_home(t);
    v->what = VALUE_PLAIN;
    o->temp[t].stamp = o->stamp[o->s->temps[t].kind];
    o->temp[t].value = n;
    return v;
}

static inline unsigned value_index(Optimizer *o, TcgTempIdx t)
{
    if (!is_current(o, t)) {
        Value *v = new_value(o, t);
        if (o->s->temps[t].kind == TCG_TEMP_CONST) {
            v->is_const = true;
            v->ones = o->s->temps[t].value;
        }
    }
    return o->temp[t].value;
}

static inline Value *value_of(Optimizer *o, TcgTempIdx t) { return &o->value[value_index(o, t)]; }

static inline bool const_input(Optimizer *o, TcgTempIdx t, TcgType type, uint64_t *c)
{
    Value *v = value_of(o, t);

    if (v->is_const)
        *c = v->ones & type_mask(type);
    return v->is_const;
}

/* Where to read a value: pinned globals are in registers anyway; block temps should die early, but not by
 * reading from the flag words instead, since that would keep flags alive that nobody else reads. */
static inline int home_rank(const Optimizer *o, TcgTempIdx t)
{
    static const uint8_t rank[] = { [TCG_TEMP_EBB] = 1, [TCG_TEMP_LOCAL] = 3, [TCG_TEMP_CONST] = 6, [TCG_TEMP_ENV] = 5 };
    unsigned kind = o->s->temps[t].kind;

    return kind == TCG_TEMP_GLOBAL ? o->global_rank[t] : rank[kind];
}

static inline bool is_home(const Optimizer *o, unsigned value, TcgTempIdx t)
{
    return t != TCG_NO_TEMP && is_current(o, t) && o->temp[t].value == value;
}

static inline TcgTempIdx best_home(const Optimizer *o, unsigned value)
{
    const Value *v = &o->value[value];
    TcgTempIdx best = TCG_NO_TEMP;

    for (unsigned i = 0; i < NB_HOMES; i++) {
        if (is_home(o, value, v->home[i]) && (best == TCG_NO_TEMP || home_rank(o, v->home[i]) > home_rank(o, best)))
            best = v->home[i];
    }
    return best;
}

/* A temp for constant c, unless temps have run out (then the rule is not applied: no overflow from here). */
static inline bool const_temp(Optimizer *o, uint64_t c, TcgTempIdx *t)
{
    if (o->s->nb_temps >= TCG_MAX_TEMPS - 1)
        return false;
    *t = tcg_const(o->s, c).i;
    return true;
}

static inline bool set_const_input(Optimizer *o, TcgOp *op, unsigned arg, uint64_t c)
{
    TcgTempIdx t;

    if (!const_temp(o, op->type == TCG_I32 ? (uint64_t)(int32_t)c : c, &t))
        return false;
    op->arg[arg] = t;
    return true;
}

/* optimize-rules.c: tries to turn a pure one-output op into a cheaper one; true: it did, ask again. */
bool tcg_optimize_rewrite(Optimizer *o, TcgOp *op);
/* Simplifies the comparison of inputs arg[a] and arg[a + 1] in place. 1, 0: always, never; -1: open. */
int tcg_optimize_cond(Optimizer *o, TcgOp *op, unsigned a, uint64_t *cond);

#endif
