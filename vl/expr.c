/* expr.c - a recursive-descent evaluator in 64 bits.
 * Spec: qemu's monitor: loosest + and -, then & | ^, then * / %, then unary + - ~; decimal, 0x, 0
 * octal; errors in its words. Depth is bounded, so that a line of parentheses cannot eat the stack. */
#include "host/base/osdep.h"
#include "vl/expr.h"

enum { MAX_DEPTH = 64 };

typedef struct Ctx {
    const char *p;
    ExprRegister *reg;
    void *opaque;
    GError **errp;
    int depth;
} Ctx;

static bool sum(Ctx *c, int64_t *v);

static void skip(Ctx *c)
{
    while (g_ascii_isspace(*c->p))
        c->p++;
}

static bool number(Ctx *c, int64_t *v)
{
    char *end;
    errno = 0;
    *v = (int64_t)strtoull(c->p, &end, 0);
    if (errno == ERANGE)
        return error_set(c->errp, "number too large");
    if (end == c->p)
        return error_set(c->errp, "invalid char '%c' in expression", *c->p);
    c->p = end;
    skip(c);
    return true;
}

static bool reg(Ctx *c, int64_t *v)
{
    char name[32];
    size_t n = 0;
    uint64_t val;
    c->p++;
    while ((g_ascii_isalnum(*c->p) || *c->p == '_' || *c->p == '.') && n + 1 < sizeof name)
        name[n++] = *c->p++;
    name[n] = 0;
    if (!c->reg || !c->reg(c->opaque, name, &val))
        return error_set(c->errp, "unknown register");
    *v = (int64_t)val;
    skip(c);
    return true;
}

static bool unary(Ctx *c, int64_t *v)
{
    bool ok = true;
    if (++c->depth > MAX_DEPTH)
        return error_set(c->errp, "expression is nested too deeply");
    switch (*c->p) {
    case '+':
    case '-':
    case '~': {
        char op = *c->p++;
        skip(c);
        ok = unary(c, v);
        if (ok && op == '-')
            *v = (int64_t)(0 - (uint64_t)*v);
        else if (ok && op == '~')
            *v = ~*v;
        break;
    }
    case '(':
        c->p++;
        skip(c);
        ok = sum(c, v);
        if (ok && *c->p != ')')
            ok = error_set(c->errp, "')' expected");
        if (ok) {
            c->p++;
            skip(c);
        }
        break;
    case '\'':
        if (!c->p[1] || c->p[2] != '\'') {
            ok = error_set(c->errp, "character constant expected");
            break;
        }
        *v = (uint8_t)c->p[1];
        c->p += 3;
        skip(c);
        break;
    case '$':
        ok = reg(c, v);
        break;
    case 0:
        ok = error_set(c->errp, "unexpected end of expression");
        break;
    default:
        ok = number(c, v);
        break;
    }
    c->depth--;
    return ok;
}

static bool product(Ctx *c, int64_t *v)
{
    int64_t b;
    if (!unary(c, v))
        return false;
    while (*c->p == '*' || *c->p == '/' || *c->p == '%') {
        char op = *c->p++;
        skip(c);
        if (!unary(c, &b))
            return false;
        if (op == '*') {
            *v = (int64_t)((uint64_t)*v * (uint64_t)b);
        } else if (b == 0) {
            return error_set(c->errp, "division by zero");
        } else if (b == -1) { /* INT64_MIN / -1 traps on the host */
            *v = op == '/' ? (int64_t)(0 - (uint64_t)*v) : 0;
        } else {
            *v = op == '/' ? *v / b : *v % b;
        }
    }
    return true;
}

static bool logic(Ctx *c, int64_t *v)
{
    int64_t b;
    if (!product(c, v))
        return false;
    while (*c->p == '&' || *c->p == '|' || *c->p == '^') {
        char op = *c->p++;
        skip(c);
        if (!product(c, &b))
            return false;
        *v = op == '&' ? *v & b : op == '|' ? *v | b : *v ^ b;
    }
    return true;
}

static bool sum(Ctx *c, int64_t *v)
{
    int64_t b;
    if (!logic(c, v))
        return false;
    while (*c->p == '+' || *c->p == '-') {
        char op = *c->p++;
        skip(c);
        if (!logic(c, &b))
            return false;
        *v = (int64_t)(op == '+' ? (uint64_t)*v + (uint64_t)b : (uint64_t)*v - (uint64_t)b);
    }
    return true;
}

bool expr_eval(const char **p, ExprRegister *r, void *opaque, int64_t *val, GError **errp)
{
    Ctx c = {*p, r, opaque, errp, 0};
    skip(&c);
    bool ok = sum(&c, val);
    *p = c.p;
    return ok;
}
