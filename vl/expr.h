/* expr.h - arithmetic of the monitor: numbers, 'c', $registers, + - * / % & | ^ ~ and parentheses. */
#ifndef VL_EXPR_H
#define VL_EXPR_H

#include "host/base/osdep.h"

/* name without the '$'; false: no such register. */
typedef bool ExprRegister(void *opaque, const char *name, uint64_t *val);

/* Evaluates from *p on, as far as the text is an expression; *p is left behind it. */
bool expr_eval(const char **p, ExprRegister *reg, void *opaque, int64_t *val, GError **errp);

#endif
