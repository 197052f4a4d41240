/* fold.c - what the pure general ops compute: the one place that says so in C. The interpreter runs
 * by it and the optimiser folds by it; the back end is tested against it. Vectors, memory and control
 * are not here. */
#include "tcg/tcg.h"
#include "host/base/bitops.h"

_Static_assert((TCG_COND_EQ ^ 1) == TCG_COND_NE && (TCG_COND_LT ^ 1) == TCG_COND_GE &&
               (TCG_COND_LE ^ 1) == TCG_COND_GT && (TCG_COND_LTU ^ 1) == TCG_COND_GEU &&
               (TCG_COND_LEU ^ 1) == TCG_COND_GTU && (TCG_COND_TSTEQ ^ 1) == TCG_COND_TSTNE,
               "tcg_cond_invert() flips bit 0");

bool tcg_fold_cond(TcgCond cond, TcgType type, uint64_t a, uint64_t b)
{
    if (type == TCG_I32) {
        a = (uint64_t)(int32_t)a; /* sign extension keeps both the signed and the unsigned order */
        b = (uint64_t)(int32_t)b;
    }
    switch (cond) {
    case TCG_COND_EQ: return a == b;
    case TCG_COND_NE: return a != b;
    case TCG_COND_LT: return (int64_t)a < (int64_t)b;
    case TCG_COND_GE: return (int64_t)a >= (int64_t)b;
    case TCG_COND_LE: return (int64_t)a <= (int64_t)b;
    case TCG_COND_GT: return (int64_t)a > (int64_t)b;
    case TCG_COND_LTU: return a < b;
    case TCG_COND_GEU: return a >= b;
    case TCG_COND_LEU: return a <= b;
    case TCG_COND_GTU: return a > b;
    case TCG_COND_TSTEQ: return (a & b) == 0;
    case TCG_COND_TSTNE: return (a & b) != 0;
    }
    return false;
}

bool tcg_fold_op(TcgOpcode opc, TcgType type, const uint64_t *in, const uint64_t *c, uint64_t *out)
{
    bool w = type != TCG_I32;
    unsigned bits = w ? 64 : 32, n;
    uint64_t mask = MASK64(bits), a = in[0] & mask, b = 0, r;

    switch (opc) { /* ops with one input leave in[1] alone: it need not exist */
    case TCG_OP_mov: case TCG_OP_neg: case TCG_OP_not: case TCG_OP_popcnt: case TCG_OP_ext8s: case TCG_OP_ext8u:
    case TCG_OP_ext16s: case TCG_OP_ext16u: case TCG_OP_ext32s: case TCG_OP_ext32u: case TCG_OP_extract:
    case TCG_OP_sextract: case TCG_OP_bswap16: case TCG_OP_bswap:
        break;
    default:
        b = in[1] & mask;
        break;
    }
    n = b & (bits - 1); /* shift count */
    switch (opc) {
    case TCG_OP_mov: r = a; break;
    case TCG_OP_setcond: r = tcg_fold_cond(c[0], type, a, b); break;
    case TCG_OP_movcond: r = tcg_fold_cond(c[0], type, a, b) ? in[2] : in[3]; break;
    case TCG_OP_add: r = a + b; break;
    case TCG_OP_sub: r = a - b; break;
    case TCG_OP_and: r = a & b; break;
    case TCG_OP_or: r = a | b; break;
    case TCG_OP_xor: r = a ^ b; break;
    case TCG_OP_andc: r = a & ~b; break;
    case TCG_OP_neg: r = -a; break;
    case TCG_OP_not: r = ~a; break;
    case TCG_OP_mul: r = a * b; break;
    case TCG_OP_shl: r = a << n; break;
    case TCG_OP_shr: r = a >> n; break;
    case TCG_OP_sar: r = w ? (uint64_t)((int64_t)a >> n) : (uint64_t)(int64_t)((int32_t)a >> n); break;
    case TCG_OP_rotl: r = n ? a << n | a >> (bits - n) : a; break;
    case TCG_OP_rotr: r = n ? a >> n | a << (bits - n) : a; break;
    case TCG_OP_shld: n = in[2] & (bits - 1); r = n ? a << n | b >> (bits - n) : a; break;
    case TCG_OP_shrd: n = in[2] & (bits - 1); r = n ? a >> n | b << (bits - n) : a; break;
    case TCG_OP_clz: r = a ? (uint64_t)__builtin_clzll(a) - (64 - bits) : b; break;
    case TCG_OP_ctz: r = a ? (uint64_t)__builtin_ctzll(a) : b; break;
    case TCG_OP_popcnt: r = __builtin_popcountll(a); break;
    case TCG_OP_ext8s: r = (uint64_t)(int8_t)a; break;
    case TCG_OP_ext8u: r = (uint8_t)a; break;
    case TCG_OP_ext16s: r = (uint64_t)(int16_t)a; break;
    case TCG_OP_ext16u: r = (uint16_t)a; break;
    case TCG_OP_ext32s: r = (uint64_t)(int32_t)a; break;
    case TCG_OP_ext32u: r = (uint32_t)a; break;
    case TCG_OP_extract: r = extract64(a, c[0], c[1]); break;
    case TCG_OP_sextract: r = sextract64(a, c[0], c[1]); break;
    case TCG_OP_deposit: r = deposit64(a, c[0], c[1], b); break;
    case TCG_OP_bswap16: r = __builtin_bswap16(a); break;
    case TCG_OP_bswap: r = w ? __builtin_bswap64(a) : __builtin_bswap32(a); break;
    default: return false;
    }
    *out = r & mask;
    return true;
}
