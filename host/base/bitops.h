/* bitops.h - bit fields, byte order, unaligned access. */
#ifndef HOST_BASE_BITOPS_H
#define HOST_BASE_BITOPS_H

#include "host/base/osdep.h"

#define BIT(n) (1ULL << (n))
#define MASK64(len) ((len) >= 64 ? ~0ULL : (1ULL << (len)) - 1)

static inline uint64_t extract64(uint64_t v, unsigned pos, unsigned len) { return (v >> pos) & MASK64(len); }
static inline uint32_t extract32(uint32_t v, unsigned pos, unsigned len) { return (uint32_t)extract64(v, pos, len); }
static inline uint64_t deposit64(uint64_t v, unsigned pos, unsigned len, uint64_t field)
{
    uint64_t m = MASK64(len) << pos;
    return (v & ~m) | ((field << pos) & m);
}
static inline int64_t sextract64(uint64_t v, unsigned pos, unsigned len)
{
    return (int64_t)(v << (64 - len - pos)) >> (64 - len);
}

/* Unaligned little-endian and big-endian access; n bytes for the _n forms (1, 2, 4, 8). */
#define DEFINE_LDST(bits)                                                                          \
    static inline uint##bits##_t ldl##bits(const void *p)                                          \
    {                                                                                              \
        uint##bits##_t v;                                                                          \
        memcpy(&v, p, sizeof v);                                                                   \
        return v;                                                                                  \
    }                                                                                              \
    static inline void stl##bits(void *p, uint##bits##_t v) { memcpy(p, &v, sizeof v); }           \
    static inline uint##bits##_t ldb##bits(const void *p) { return __builtin_bswap##bits(ldl##bits(p)); } \
    static inline void stb##bits(void *p, uint##bits##_t v) { stl##bits(p, __builtin_bswap##bits(v)); }
DEFINE_LDST(16)
DEFINE_LDST(32)
DEFINE_LDST(64)
#undef DEFINE_LDST

static inline uint64_t ldl_n(const void *p, unsigned n)
{
    uint64_t v = 0;
    switch (n) { /* no call for a size that is only known when this runs */
    case 1: memcpy(&v, p, 1); break;
    case 2: memcpy(&v, p, 2); break;
    case 4: memcpy(&v, p, 4); break;
    case 8: memcpy(&v, p, 8); break;
    default: /* 3, 5 to 7 */
        for (unsigned i = 0; i < n; i++)
            v |= (uint64_t)((const uint8_t *)p)[i] << (8 * i);
    }
    return v;
}
static inline void stl_n(void *p, unsigned n, uint64_t v)
{
    switch (n) {
    case 1: memcpy(p, &v, 1); break;
    case 2: memcpy(p, &v, 2); break;
    case 4: memcpy(p, &v, 4); break;
    case 8: memcpy(p, &v, 8); break;
    default:
        for (unsigned i = 0; i < n; i++)
            ((uint8_t *)p)[i] = v >> (8 * i);
    }
}

#endif
