/* blank-tbs.h - TBs for tests of what finds TBs, without a translation. Header only. */
#ifndef TESTS_ACCEL_BLANK_TBS_H
#define TESTS_ACCEL_BLANK_TBS_H

#include "accel/internal.h"

/* n in a row, all zero. The jump cache knows them by their place in the array. */
static inline TB *blank_tbs(unsigned n)
{
    TB *first = tb_alloc();
    for (unsigned i = 1; i < n; i++)
        g_assert_true(tb_alloc() == first + i);
    memset(first, 0, n * sizeof *first);
    return first;
}

#endif
