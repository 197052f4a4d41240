/* mutate.c - what encoders do not make: prefixes that are useless, repeated, in an odd order or not allowed, and VEX
 * fields that must have another value. The decoder under test says what the bytes became: they stay if they are the same
 * instruction, #UD or too long; the host then has its say. Spec: Intel SDM vol. 2, 2.1 to 2.3. */
#include "host/base/osdep.h"
#include "tests/diff/diff.h"

static bool is_prefix(uint8_t b) { return b == 0x66 || b == 0x67 || b == 0xf0 || (b & 0xfe) == 0xf2 || (b & 0xfe) == 0x64 || (b & 0xe7) == 0x26; }

static void insert(DiffInsn *g, unsigned at, uint8_t b)
{
    memmove(g->b + at + 1, g->b + at, g->n - at);
    g->b[at] = b;
    g->n++;
    if (g->rip_at >= 0)
        g->rip_at++;
    if (g->rel_at >= 0)
        g->rel_at++;
}

static void change(DiffInsn *g, int bits, bool may_rep, bool may_66)
{
    static const uint8_t segs[] = {0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65};
    unsigned n_pre = 0, at;
    uint8_t b = 0;

    while (is_prefix(g->b[n_pre]))
        n_pre++;
    at = below(n_pre + 1);
    bool vex = (g->b[n_pre] & 0xfe) == 0xc4 && (bits == 64 || g->b[n_pre + 1] >= 0xc0);
    if (vex && below(2)) {
        uint8_t *v = g->b + n_pre, *last = v + (v[0] == 0xc4 ? 2 : 1);
        switch (below(4)) {
        case 0: *last ^= 8 << below(4); break; /* vvvv */
        case 1: *last ^= 4; break;             /* L */
        case 2:
            if (v[0] == 0xc4 && !((v[1] & 31) == 3 && (v[3] < 2 || bits != 64))) /* AMD: VPERMQ and VPERMPD have any W, VPINSRQ outside 64-bit mode none */
                *last ^= 0x80;                 /* W */
            break;
        case 3:
            if (v[0] == 0xc4)
                v[1] = (v[1] & 0xe0) | (8 + below(24)); /* map: none of those in use */
            break;
        }
        return;
    }
    switch (below(8)) {
    case 0: b = 0xf0; break;
    case 1: b = may_rep ? 0xf2 + below(2) : segs[below(4)]; break;
    case 2: b = may_66 ? 0x66 : 0x2e; break;
    case 3: b = bits == 64 ? 0x40 + below(may_66 ? 16 : 8) : segs[below(6)]; break; /* REX before other prefixes or a VEX */
    case 4: b = segs[below(6)]; break;
    case 5: b = n_pre ? g->b[below(n_pre)] : 0x3e; break;
    case 6: b = 0x67; break;
    default: /* to the limit of 15 bytes and beyond */
        for (unsigned to = 14 + below(4); g->n < to && g->n < sizeof g->b - 2;)
            insert(g, at, segs[below(4)]);
        return;
    }
    insert(g, at, b);
}

void gen_mutate(DiffInsn *g, int bits, bool may_rep, bool may_66)
{
    unsigned len, old_len;
    const void *row, *old = guest_decode(g->b, g->n, bits, &old_len);
    DiffInsn t = *g;

    if (!old || old_len != g->n)
        return;
    for (unsigned k = 1 + below(3); k; k--)
        change(&t, bits, may_rep, may_66);
    row = guest_decode(t.b, t.n, bits, &len);
    if (row ? row == old && len == t.n : true)
        *g = t;
}
