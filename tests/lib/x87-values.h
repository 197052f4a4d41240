/* x87-values.h - 80-bit numbers for random tests: zeros, infinities, NaNs, denormals, what ranges of FSIN and FIST end at, invalid
 * encodings, and ordinary ones. */
#ifndef TESTS_X87_VALUES_H
#define TESTS_X87_VALUES_H

#include <glib.h>
#include <string.h>

static const struct { uint64_t m; uint16_t e; } x87_special[] = {
    {0, 0}, {0, 0x8000}, {1ULL << 63, 0x3fff}, {1ULL << 63, 0xbfff}, {1ULL << 63, 0x7fff}, {1ULL << 63, 0xffff},
    {3ULL << 62, 0x7fff}, {3ULL << 62, 0xffff}, {(3ULL << 62) | 5, 0x7fff}, {(1ULL << 63) | 5, 0x7fff}, {1, 0}, {~0ULL >> 1, 0},
    {1ULL << 63, 1}, {~0ULL, 0x7ffe}, {~0ULL, 0xfffe}, {1ULL << 63, 0x403e}, {~0ULL, 0x403d}, {1ULL << 63, 0x4040},
    {0xc90fdaa22168c235, 0x4000}, {0xc90fdaa22168c235, 0x3ffe}, {1ULL << 63, 0x3ffe}, {1ULL << 63, 0x0010}, {~0ULL, 0x43fe},
    {~0ULL, 0x407e}, {1ULL << 63, 0x3c01}, {1ULL << 63, 0x3f81}, {5ULL << 61, 0x4001}, {0xffffffffffffffff, 0x401d},
    {1ULL << 62, 0x3fff}, {0, 0x7fff}, {1ULL << 63, 0} /* unnormal, pseudo-infinity, pseudo-denormal */,
};

/* To p, ten bytes. kind: 0 the special one n, 1 few bits set, 2 of ordinary size, 3 any. m and e: random. */
static inline void x87_value(uint8_t *p, unsigned kind, unsigned n, uint64_t m, uint16_t e)
{
    if (kind == 0) {
        m = x87_special[n].m;
        e = x87_special[n].e;
    } else {
        m |= 1ULL << 63;
    }
    if (kind == 1 || kind == 2)
        e = (e & 0x8000) | (0x3fff - 40 + (e % 80));
    if (kind == 1)
        m &= ~0ULL << 44;
    memcpy(p, &m, 8);
    memcpy(p + 8, &e, 2);
}

#endif
