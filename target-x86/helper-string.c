/* helper-string.c - string instructions under REP, page by page as bulk host operations.
 * Spec: Intel SDM vol. 1, 7.3.9; vol. 2, REP (faults and interrupts between iterations).
 *
 * Each chunk stays inside one page of each operand, and before the next chunk rCX, rSI, rDI are written
 * back: a fault finds them exact, and an exit request ends the helper with "not finished". What a chunk
 * cannot cover (elements across a page's end or the wrap of the address size, devices, segments that are
 * not plain) goes element by element through cpu_ld and cpu_st. */
#include "target-x86/helper.h"
#include "accel/cputlb.h"
#include "host/base/bitops.h"
#include "target-x86/string-word.h"

typedef struct Str {
    CPUX86State *env;
    CPUState *cpu;
    uintptr_t ra;
    unsigned mmu_idx, seg, size, msize; /* size in bytes, msize as MemOp */
    unsigned asize;
    uint64_t mask;
    bool down, not_equal, one, no_rep, code64;
} Str;

static Str str_start(CPUX86State *env, uint32_t w, uintptr_t ra)
{
    unsigned asize = w >> STR_ASIZE_SHIFT & 3;

    return (Str){
        .env = env, .cpu = env->cpu, .ra = ra, .mmu_idx = cpu_mmu_index(env), .seg = w >> STR_SEG_SHIFT & 7,
        .size = 1u << (w & STR_SIZE), .msize = w & STR_SIZE, .asize = asize, .mask = MASK64(8u << asize),
        .down = env->df < 0, .not_equal = w & STR_NOT_EQUAL, .one = w & STR_ONE, .no_rep = w & STR_NO_REP,
        .code64 = env->hflags & HF_CS64,
    };
}

static inline uint64_t get_reg(const Str *s, unsigned reg) { return s->env->head.gpr[reg] & s->mask; }

static inline void add_reg(const Str *s, unsigned reg, int64_t n)
{
    uint64_t *r = &s->env->head.gpr[reg], v = (*r + n) & s->mask;
    *r = s->asize == MO_16 ? (*r & ~0xffffULL) | v : v;
}

static uint64_t count(const Str *s) { return s->no_rep ? 1 : get_reg(s, R_ECX); }

/* k elements are done: move the pointers that are given (-1: none) and the counter. */
static void done(const Str *s, uint64_t k, int reg1, int reg2)
{
    int64_t bytes = (int64_t)(k * s->size) * (s->down ? -1 : 1);

    if (reg1 >= 0)
        add_reg(s, reg1, bytes);
    if (reg2 >= 0)
        add_reg(s, reg2, bytes);
    if (!s->no_rep)
        add_reg(s, R_ECX, -(int64_t)k);
}

static bool must_stop(const Str *s)
{
    return s->one || __atomic_load_n(&s->env->head.exit_request, __ATOMIC_RELAXED);
}

static vaddr linear(const Str *s, unsigned seg, uint64_t off)
{
    if (s->code64)
        return off + (seg >= R_FS ? s->env->segs[seg].base : 0);
    return (uint32_t)(s->env->segs[seg].base + off);
}

/* [off, off + len) may be accessed without looking closer. */
static bool span_is_plain(const Str *s, unsigned seg, uint64_t off, uint64_t len, bool write)
{
    const SegCache *c = &s->env->segs[seg];

    if (s->code64 || (s->env->hflags & HF_FLAT_SEG(seg)))
        return true;
    if (off + len - 1 > c->limit)
        return false;
    if (!(s->env->cr[0] & CR0_PE) || (s->env->eflags & EFL_VM))
        return true;
    if (seg == R_CS)
        return !write && (c->flags & (DESC_P | DESC_S | DESC_CODE | DESC_R)) == (DESC_P | DESC_S | DESC_CODE | DESC_R);
    return (c->flags & (DESC_P | DESC_S | DESC_CODE | DESC_E | DESC_W)) == (DESC_P | DESC_S | DESC_W);
}

/* #AC is due: CR0.AM, EFLAGS.AC and CPL 3. */
static inline bool is_misaligned(const Str *s, vaddr a) { return (s->env->hflags & HF_AC) && (a & (s->size - 1)); }

/* Linear address of one element, checked. */
static vaddr element(const Str *s, unsigned seg, uint64_t off, bool write)
{
    if (!span_is_plain(s, seg, off, s->size, write)) {
        cpu_restore_state(s->cpu, s->ra); /* the helper's own return address is no use to it */
        helper_check_seg(s->env, seg, off, s->size | (uint32_t)write << 16);
    }
    vaddr a = linear(s, seg, off);
    if (unlikely(is_misaligned(s, a)))
        s->cpu->ops->unaligned_access(s->cpu, a, write ? ACCESS_STORE : ACCESS_LOAD, s->msize, s->ra);
    return a;
}

static uint64_t load(const Str *s, unsigned seg, uint64_t off)
{
    return cpu_ld(s->cpu, element(s, seg, off, false), s->size, s->mmu_idx, s->ra);
}

/* How many elements from off on can be done in one go: inside the page and without wrap; 0: not even one. */
static uint64_t chunk_limit(const Str *s, unsigned seg, uint64_t off, uint64_t n, bool write)
{
    vaddr a = linear(s, seg, off);
    unsigned in_page = a & ~TCG_PAGE_MASK;
    uint64_t k, wrap;

    if (in_page + s->size > TCG_PAGE_SIZE || is_misaligned(s, a))
        return 0;
    if (s->down) {
        k = in_page / s->size + 1;
        wrap = off / s->size + 1;
    } else {
        k = (TCG_PAGE_SIZE - in_page) / s->size;
        wrap = s->asize == MO_64 ? k : (s->mask + 1 - off) / s->size;
    }
    k = MIN(MIN(k, wrap), n);
    if (k && !span_is_plain(s, seg, s->down ? off - (k - 1) * s->size : off, k * s->size, write))
        return 0;
    return k;
}

static inline uint64_t chunk_low(const Str *s, uint64_t off, uint64_t k) { return s->down ? off - (k - 1) * s->size : off; }

/* Host pointer to the lowest byte of k elements, or NULL. */
static uint8_t *chunk(const Str *s, unsigned seg, uint64_t off, uint64_t k, AccessType type)
{
    if (s->down) /* a fault names the first element, which is the highest */
        probe_access(s->cpu, linear(s, seg, off), s->size, type, s->mmu_idx, s->ra);
    return probe_access(s->cpu, linear(s, seg, chunk_low(s, off, k)), k * s->size, type, s->mmu_idx, s->ra);
}

/* --- MOVS --- */

/* As if element by element in the direction of DF: an overlap ahead of the copy repeats what it has written. */
static void copy(const Str *s, uint8_t *dst, const uint8_t *src, size_t len)
{
    if (dst + len <= src || src + len <= dst || dst == src || (dst < src) != s->down) {
        memmove(dst, src, len);
    } else if (!s->down && (size_t)(dst - src) >= s->size) {
        while (len) {
            size_t n = MIN((size_t)(dst - src), len);
            memcpy(dst, src, n);
            dst += n;
            len -= n;
        }
    } else {
        uint8_t tmp[8];
        for (size_t i = 0; i < len; i += s->size) {
            size_t at = s->down ? len - s->size - i : i;
            memcpy(tmp, src + at, s->size);
            memcpy(dst + at, tmp, s->size);
        }
    }
}

uint64_t helper_rep_movs(CPUX86State *env, uint32_t word)
{
    Str s = str_start(env, word, GETPC());

    for (uint64_t n = count(&s); n; n = count(&s)) {
        uint64_t si = get_reg(&s, R_ESI), di = get_reg(&s, R_EDI);
        uint64_t k = s.one ? 0 : MIN(chunk_limit(&s, s.seg, si, n, false), chunk_limit(&s, R_ES, di, n, true));
        uint8_t *src = k ? chunk(&s, s.seg, si, k, ACCESS_LOAD) : NULL;
        uint8_t *dst = src ? chunk(&s, R_ES, di, k, ACCESS_STORE) : NULL;
        if (dst) {
            copy(&s, dst, src, k * s.size);
        } else {
            uint64_t v = load(&s, s.seg, si);
            cpu_st(s.cpu, element(&s, R_ES, di, true), s.size, v, s.mmu_idx, s.ra);
            k = 1;
        }
        done(&s, k, R_ESI, R_EDI);
        if (must_stop(&s))
            break;
    }
    return count(&s) != 0;
}

/* --- STOS --- */

static void fill(uint8_t *p, uint64_t v, unsigned size, uint64_t k)
{
    switch (size) {
    case 1:
        memset(p, v, k);
        break;
    case 2:
        for (uint64_t i = 0; i < k; i++)
            stl16(p + i * 2, v);
        break;
    case 4:
        for (uint64_t i = 0; i < k; i++)
            stl32(p + i * 4, v);
        break;
    default:
        for (uint64_t i = 0; i < k; i++)
            stl64(p + i * 8, v);
    }
}

uint64_t helper_rep_stos(CPUX86State *env, uint32_t word)
{
    Str s = str_start(env, word, GETPC());
    uint64_t v = env->head.gpr[R_EAX];

    for (uint64_t n = count(&s); n; n = count(&s)) {
        uint64_t di = get_reg(&s, R_EDI), k = s.one ? 0 : chunk_limit(&s, R_ES, di, n, true);
        uint8_t *dst = k ? chunk(&s, R_ES, di, k, ACCESS_STORE) : NULL;
        if (dst) {
            fill(dst, v, s.size, k);
        } else {
            cpu_st(s.cpu, element(&s, R_ES, di, true), s.size, v, s.mmu_idx, s.ra);
            k = 1;
        }
        done(&s, k, R_EDI, -1);
        if (must_stop(&s))
            break;
    }
    return count(&s) != 0;
}

/* --- LODS --- */

uint64_t helper_rep_lods(CPUX86State *env, uint32_t word)
{
    Str s = str_start(env, word, GETPC());
    uint64_t *rax = &env->head.gpr[R_EAX];

    for (uint64_t n = count(&s); n; n = count(&s)) {
        uint64_t v = load(&s, s.seg, get_reg(&s, R_ESI));
        *rax = s.size >= 4 ? v : deposit64(*rax, 0, s.size * 8, v);
        done(&s, 1, R_ESI, -1);
        if (must_stop(&s))
            break;
    }
    return count(&s) != 0;
}

/* --- SCAS, CMPS --- */

static inline uint64_t element_at(const Str *s, const uint8_t *low, uint64_t k, uint64_t i)
{
    return ldl_n(low + (s->down ? k - 1 - i : i) * s->size, s->size);
}

/* Flags of the last comparison. */
static void set_flags(const Str *s, uint64_t a, uint64_t b)
{
    s->env->cc_src = b;
    s->env->cc_dst = a - b;
    s->env->cc_op = CC_OP_SUBB + s->msize;
}

uint64_t helper_rep_scas(CPUX86State *env, uint32_t word)
{
    Str s = str_start(env, word, GETPC());
    uint64_t a = env->head.gpr[R_EAX] & MASK64(s.size * 8), b = 0;
    bool any = false, ended = false;

    for (uint64_t n = count(&s); n && !ended; n = count(&s)) {
        uint64_t di = get_reg(&s, R_EDI), k = s.one ? 0 : chunk_limit(&s, R_ES, di, n, false), i = 0;
        const uint8_t *p = k ? chunk(&s, R_ES, di, k, ACCESS_LOAD) : NULL;
        if (p && s.size == 1 && s.not_equal && !s.down) {
            const uint8_t *hit = memchr(p, a, k);
            ended = hit != NULL;
            i = hit ? (uint64_t)(hit - p) + 1 : k;
            b = p[i - 1];
        } else if (p) {
            do {
                b = element_at(&s, p, k, i++);
                ended = (a == b) == s.not_equal;
            } while (!ended && i < k);
        } else {
            b = load(&s, R_ES, di);
            i = 1;
            ended = (a == b) == s.not_equal;
        }
        any = true;
        done(&s, i, R_EDI, -1);
        if (must_stop(&s))
            break;
    }
    if (any)
        set_flags(&s, a, b);
    return !ended && count(&s) != 0;
}

/* Bytes that agree at the start, in steps of 8: the loop behind it finds the place. */
static uint64_t equal_prefix(const uint8_t *p, const uint8_t *q, uint64_t len)
{
    uint64_t i = 0;
    while (i + 8 <= len && ldl64(p + i) == ldl64(q + i))
        i += 8;
    return i;
}

uint64_t helper_rep_cmps(CPUX86State *env, uint32_t word)
{
    Str s = str_start(env, word, GETPC());
    uint64_t a = 0, b = 0;
    bool any = false, ended = false;

    for (uint64_t n = count(&s); n && !ended; n = count(&s)) {
        uint64_t si = get_reg(&s, R_ESI), di = get_reg(&s, R_EDI), i = 0;
        uint64_t k = s.one ? 0 : MIN(chunk_limit(&s, s.seg, si, n, false), chunk_limit(&s, R_ES, di, n, false));
        const uint8_t *p = k ? chunk(&s, s.seg, si, k, ACCESS_LOAD) : NULL;
        const uint8_t *q = p ? chunk(&s, R_ES, di, k, ACCESS_LOAD) : NULL;
        if (q) {
            if (!s.not_equal && !s.down) {
                i = equal_prefix(p, q, (k - 1) * s.size) / s.size;
            }
            do {
                a = element_at(&s, p, k, i);
                b = element_at(&s, q, k, i++);
                ended = (a == b) == s.not_equal;
            } while (!ended && i < k);
        } else {
            a = load(&s, s.seg, si);
            b = load(&s, R_ES, di);
            i = 1;
            ended = (a == b) == s.not_equal;
        }
        any = true;
        done(&s, i, R_ESI, R_EDI);
        if (must_stop(&s))
            break;
    }
    if (any)
        set_flags(&s, a, b);
    return !ended && count(&s) != 0;
}

/* --- INS, OUTS: permission is checked; the memory operand is known to be good before the port is touched --- */

uint64_t helper_rep_ins(CPUX86State *env, uint32_t word)
{
    Str s = str_start(env, word, GETPC());
    unsigned port = env->head.gpr[R_EDX] & 0xffff;

    for (uint64_t n = count(&s); n; n = count(&s)) {
        vaddr a = element(&s, R_ES, get_reg(&s, R_EDI), true);
        unsigned first = MIN(s.size, (unsigned)(TCG_PAGE_SIZE - (a & ~TCG_PAGE_MASK)));
        probe_access(s.cpu, a, first, ACCESS_STORE, s.mmu_idx, s.ra);
        if (first < s.size)
            probe_access(s.cpu, a + first, s.size - first, ACCESS_STORE, s.mmu_idx, s.ra);
        cpu_st(s.cpu, a, s.size, helper_in(env, port, s.size), s.mmu_idx, s.ra);
        done(&s, 1, R_EDI, -1);
        if (s.no_rep)
            return 0;
        if (must_stop(&s))
            break;
    }
    return count(&s) != 0;
}

uint64_t helper_rep_outs(CPUX86State *env, uint32_t word)
{
    Str s = str_start(env, word, GETPC());
    unsigned port = env->head.gpr[R_EDX] & 0xffff;

    for (uint64_t n = count(&s); n; n = count(&s)) {
        uint64_t v = load(&s, s.seg, get_reg(&s, R_ESI));
        helper_out(env, port, v, s.size);
        done(&s, 1, R_ESI, -1);
        if (s.no_rep)
            return 0;
        if (must_stop(&s))
            break;
    }
    return count(&s) != 0;
}
