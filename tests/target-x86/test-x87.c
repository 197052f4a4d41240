/* test-x87.c - x87 instructions on the host and in Vireo from the same random state: registers, tags, status,
 * memory, flags and #MF must agree. One case per encoding, then random programs, then state images. */
#include "host/base/osdep.h"
#include "target-x86/x87.h"
#include "accel/cputlb.h"
#include "tests/lib/x86-native.h"
#include "tests/lib/x87-values.h"

enum { OFF_ST = 32, MODRM_SI_DISP32 = 0x86 };

typedef struct Code { uint8_t b[256]; size_t n; } Code;
static void add(Code *c, uint8_t b) { c->b[c->n++] = b; }

static void add_mem(Code *c, unsigned esc, unsigned op, uint32_t disp)
{
    add(c, 0xd8 | esc);
    add(c, MODRM_SI_DISP32 | op << 3);
    for (int i = 0; i < 4; i++)
        add(c, disp >> 8 * i);
}

/* Encodings for the comparison; those that store FIP are apart. */
static bool mem_is_tested(unsigned esc, unsigned op)
{
    return !((esc == 1 && (op == 1 || op == 4 || op == 6)) || (esc == 3 && (op == 4 || op == 6)) ||
             (esc == 5 && (op == 4 || op == 5 || op == 6)));
}

static bool reg_is_tested(unsigned esc, unsigned op, unsigned i)
{
    switch (esc) {
    case 1: return op == 2 ? i == 0 : op == 4 ? i < 2 || i == 4 || i == 5 : op == 5 ? i < 7 : true;
    case 2: return op < 4 || (op == 5 && i == 1);
    case 3: return op < 4 || op == 5 || op == 6 || (op == 4 && (i == 2 || i == 3));
    case 5: return op < 6;
    case 6: return op != 3 || i == 1;
    case 7: return op < 4 || op == 5 || op == 6 || (op == 4 && i == 0);
    default: return true;
    }
}

/* AMD's FCOMI leaves C1 alone, Intel's clears it. */
static bool is_fcomi(unsigned esc, unsigned op) { return (esc == 3 || esc == 7) && (op == 5 || op == 6); }

/* ---- values ---- */

static void special80(uint8_t *p, GRand *r)
{
    unsigned kind = g_rand_int(r) & 3, n = g_rand_int_range(r, 0, G_N_ELEMENTS(x87_special));
    uint64_t m = (uint64_t)g_rand_int(r) << 32;
    m |= g_rand_int(r);
    x87_value(p, kind, n, m, g_rand_int(r));
}

static void random_memory(uint8_t *p, size_t n, GRand *r)
{
    static const uint64_t v[] = {0, 1ULL << 63, 0x3ff0000000000000, 0x7ff0000000000000, 0xfff8000000000000, 0x7ff0000000000001, 1,
                                 0x7fefffffffffffff, 0x3f8000003f800000, 0x7f800000ff800000, 0x7f800001007fffff, 0x80000000,
                                 0x7fff8000ffff0001, 0x1234567890123456, 0x0999999999999999};
    for (size_t i = 0; i + 16 <= n; i += 16) {
        uint64_t x = v[g_rand_int_range(r, 0, G_N_ELEMENTS(v))];
        if (g_rand_int(r) & 1)
            memcpy(p + i, &x, 8);
        else if (g_rand_int(r) & 1)
            special80(p + i, r);
    }
}

static void random_state(X86NState *st, GRand *r, bool plain, bool unmask)
{
    uint16_t cw = 0x37f;

    x86n_random(st, r);
    random_memory(st->data, 0x400, r);
    st->gpr[R_ESI] = X86N_DATA;
    if (!plain)
        cw = 0x7f | (g_rand_int(r) & 0xf00);
    if (unmask)
        cw = (cw & ~0x3f) | (g_rand_int(r) & 0x3f);
    *(uint16_t *)st->fx = cw;
    *(uint16_t *)(st->fx + 2) = g_rand_int(r) & (unmask ? 0x7f00 : 0x7f7f);
    *(uint16_t *)(st->fx + 2) &= ~0x8080;
    if (g_rand_int(r) & 1)
        *(uint16_t *)(st->fx + 2) &= ~0x7f;
    st->fx[4] = g_rand_int(r) & 3 ? g_rand_int(r) | g_rand_int(r) : 0xff;
    for (int i = 0; i < 8; i++)
        special80(st->fx + OFF_ST + 16 * i, r);
}

/* ---- comparison ---- */

static uint16_t sw_mask;

static char *difference(const X86NState *n, const X86NState *v)
{
    GString *s = g_string_new(NULL);
    uint16_t sw_diff = (*(uint16_t *)(n->fx + 2) ^ *(uint16_t *)(v->fx + 2)) & sw_mask;

    if (n->vector != v->vector)
        g_string_append(s, "vector ");
    if ((n->rflags ^ v->rflags) & CC_MASK)
        g_string_append(s, "flags ");
    if (memcmp(n->fx, v->fx, 2) || sw_diff || n->fx[4] != v->fx[4])
        g_string_append(s, "control/status/tags ");
    for (int i = 0; i < 16; i++)
        if (i != R_ESP && n->gpr[i] != v->gpr[i])
            g_string_append_printf(s, "gpr%d ", i);
    for (int i = 0; i < 8; i++) {
        const uint8_t *a = n->fx + OFF_ST + 16 * i, *b = v->fx + OFF_ST + 16 * i;
        if (memcmp(a, b, 10))
            g_string_append_printf(s, "\nst%d %04x:%016" PRIx64 " %04x:%016" PRIx64 " ", i, *(uint16_t *)(a + 8), *(uint64_t *)a,
                                   *(uint16_t *)(b + 8), *(uint64_t *)b);
    }
    for (int i = 0; i < X86N_DATA_SIZE; i++)
        if (n->data[i] != v->data[i]) {
            g_string_append_printf(s, "data[%x] ", i);
            break;
        }
    if (s->len) {
        const X86NState *both[] = {n, v};
        for (int k = 0; k < 2; k++)
            g_string_append_printf(s, "\n%s: vector %d flags %" PRIx64 " cw %04x sw %04x tags %02x", k ? "vireo" : "host ", both[k]->vector,
                                   both[k]->rflags & CC_MASK, *(uint16_t *)both[k]->fx, *(uint16_t *)(both[k]->fx + 2), both[k]->fx[4]);
    }
    return s->len ? g_string_free(s, FALSE) : (g_string_free(s, TRUE), NULL);
}

static bool run(const Code *c, const X86NState *start)
{
    static X86NState n, v;
    g_autofree char *diff = NULL;

    n = v = *start;
    x86n_native(&n, c->b, c->n);
    x86n_vireo(&v, c->b, c->n);
    diff = difference(&n, &v);
    if (!diff)
        return true;
    GString *hex = g_string_new(NULL);
    for (size_t i = 0; i < c->n; i++)
        g_string_append_printf(hex, "%02x ", c->b[i]);
    for (int i = 0; i < 8; i++)
        g_string_append_printf(hex, "\nbefore st%d %04x:%016" PRIx64, i, *(uint16_t *)(start->fx + OFF_ST + 16 * i + 8),
                               *(uint64_t *)(start->fx + OFF_ST + 16 * i));
    g_test_message("%s\nbefore cw %04x sw %04x tags %02x\n%s", hex->str, *(uint16_t *)start->fx, *(uint16_t *)(start->fx + 2),
                   start->fx[4], diff);
    g_string_free(hex, TRUE);
    g_test_fail();
    return false;
}

/* ---- cases ---- */

static void test_encoding(gconstpointer p)
{
    unsigned code = GPOINTER_TO_UINT(p), esc = code >> 8, modrm = code & 0xff;
    GRand *r = g_rand_new_with_seed(code);
    static X86NState st;

    sw_mask = modrm >= 0xc0 && is_fcomi(esc, modrm >> 3 & 7) ? 0xffff & ~FPUS_C1 : 0xffff;
    for (int i = 0; i < 100 && !g_test_failed(); i++) {
        Code c = {.n = 0};
        if (modrm < 0xc0) {
            add_mem(&c, esc, modrm >> 3, g_rand_int(r) & 0x3f0);
        } else {
            add(&c, 0xd8 | esc);
            add(&c, modrm);
        }
        if (i & 1)
            add(&c, 0x9b); /* WAIT: #MF if the exception is unmasked */
        random_state(&st, r, i < 40, i >= 70);
        run(&c, &st);
    }
    g_rand_free(r);
}

static void test_programs(void)
{
    GRand *r = g_rand_new_with_seed(87);
    static X86NState st;

    sw_mask = 0xffff & ~FPUS_C1;

    for (int i = 0; i < 5000 && !g_test_failed(); i++) {
        Code c = {.n = 0};
        for (int k = g_rand_int_range(r, 2, 20); k > 0;) {
            unsigned esc = g_rand_int(r) & 7, op = g_rand_int(r) & 7, sti = g_rand_int(r) & 7;
            if (g_rand_int(r) & 1) {
                if (!mem_is_tested(esc, op))
                    continue;
                add_mem(&c, esc, op, g_rand_int(r) & 0x3f0);
            } else {
                if (!reg_is_tested(esc, op, sti) || is_fcomi(esc, op))
                    continue;
                add(&c, 0xd8 | esc);
                add(&c, 0xc0 | op << 3 | sti);
            }
            k--;
        }
        random_state(&st, r, i % 3 == 0, i % 3 == 2);
        if (i & 1) /* all registers full: the host's stack fills up */
            st.fx[4] = 0xff;
        if (i & 2) /* but one: the next push is right */
            st.fx[4] &= ~(1 << (((*(uint16_t *)(st.fx + 2) >> 11) - 1) & 7));
        run(&c, &st);
    }
    g_rand_free(r);
}

/* The pointers (FIP, FDP, opcode) of an image are not compared: processors differ. */
static void mask_pointers(uint8_t *env, bool is32)
{
    memset(env + (is32 ? 12 : 6), 0, is32 ? 16 : 8);
}

static void test_images(void)
{
    static const uint8_t fnstenv[] = {0xd9, 0xb6, 0, 8, 0, 0}, fnstenv16[] = {0x66, 0xd9, 0xb6, 0, 8, 0, 0},
                         fnsave[] = {0xdd, 0xb6, 0, 8, 0, 0}, fnsave16[] = {0x66, 0xdd, 0xb6, 0, 8, 0, 0},
                         fldenv[] = {0xd9, 0xa6, 0, 8, 0, 0}, fldenv16[] = {0x66, 0xd9, 0xa6, 0, 8, 0, 0},
                         frstor[] = {0xdd, 0xa6, 0, 8, 0, 0}, frstor16[] = {0x66, 0xdd, 0xa6, 0, 8, 0, 0};
    static const struct { const uint8_t *code; size_t len; bool is32; } cases[] = {
        {fnstenv, 6, true}, {fnstenv16, 7, false}, {fnsave, 6, true}, {fnsave16, 7, false},
        {fldenv, 6, true}, {fldenv16, 7, false}, {frstor, 6, true}, {frstor16, 7, false},
    };
    GRand *r = g_rand_new_with_seed(88);
    static X86NState st, n, v;

    sw_mask = 0xffff;
    for (int i = 0; i < 800; i++) {
        unsigned k = i % G_N_ELEMENTS(cases);
        random_state(&st, r, false, i & 1);
        *(uint16_t *)(st.data + 0x800) = g_rand_int(r); /* control word of an image to load */
        n = v = st;
        x86n_native(&n, cases[k].code, cases[k].len);
        x86n_vireo(&v, cases[k].code, cases[k].len);
        mask_pointers(n.data + 0x800, cases[k].is32);
        mask_pointers(v.data + 0x800, cases[k].is32);
        g_autofree char *diff = difference(&n, &v);
        if (diff) {
            g_test_message("image %u, tags before %02x sw %04x: %s", k, st.fx[4], *(uint16_t *)(st.fx + 2), diff);
            g_test_fail();
            break;
        }
    }
    g_rand_free(r);
}

/* Paging for the Vireo CPU, with tables in the snippet's data: the first GiB is there, NOT_MAPPED is not. */
enum { PML4_OFF = 0x2000, PDPT_OFF = 0x3000, PG_ALL = 0x67 /* present, writable, user, accessed, dirty */, PG_LARGE = 0x80 };
#define NOT_MAPPED 0x7000000000

static void paging(bool on, X86NState *st)
{
    CPUX86State *env = x86n_env();

    x86n_cr0 = on ? x86n_cr0 | CR0_PG : x86n_cr0 & ~CR0_PG;
    x86n_cr4 = on ? x86n_cr4 | CR4_PAE : x86n_cr4 & ~CR4_PAE;
    env->cr[3] = on ? X86N_DATA + PML4_OFF : 0;
    tlb_flush(env->cpu);
    if (!on)
        return;
    memset(st->data + PML4_OFF, 0, 0x1000);
    memset(st->data + PDPT_OFF, 0, 0x1000);
    memcpy(st->data + PML4_OFF, &(uint64_t){(X86N_DATA + PDPT_OFF) | PG_ALL}, 8);
    memcpy(st->data + PDPT_OFF, &(uint64_t){PG_ALL | PG_LARGE}, 8);
}

/* FIP, FDP and FOP of the last instruction, whether it ran in a group, before a fault, or was done by a helper. */
static void test_pointers(void)
{
    static const struct { uint8_t code[16]; size_t len; unsigned ip, op; bool dp, fault; } cases[] = {
        {{0xd9, 0xe8, 0xdc, 0x46, 0x10, 0x90}, 6, 2, 0x446, true, false},             /* fld1; fadd 16(%rsi); nop */
        {{0xdd, 0x46, 0x10, 0xd9, 0xe8}, 5, 3, 0x1e8, true, false},                   /* fldl 16(%rsi); fld1 */
        {{0xdd, 0x46, 0x10, 0xd9, 0xeb, 0x48, 0x8b, 0x0f}, 8, 3, 0x1eb, true, true},  /* fldl 16(%rsi); fldpi; mov (%rdi),%rcx */
        {{0xdd, 0x46, 0x10, 0xdd, 0x1f}, 5, 0, 0x546, true, true},                    /* fldl 16(%rsi); fstpl (%rdi) */
        {{0xd9, 0xe8, 0xd8, 0xc3}, 4, 2, 0xc3, false, false},                         /* fld1; fadd %st(3): empty */
        {{0xd9, 0xe8, 0xd9, 0xfe, 0xd9, 0xe0}, 6, 4, 0x1e0, false, false},            /* fld1; fsin; fchs */
    };
    static const uint8_t where[] = {0x48, 0x8d, 0x05, 0, 0, 0, 0}; /* lea (%rip),%rax */
    GRand *r = g_rand_new_with_seed(89);
    static X86NState st;
    CPUX86State *env = x86n_env();

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint8_t code[32];
        memcpy(code, where, sizeof where);
        memcpy(code + sizeof where, cases[i].code, cases[i].len);
        x86n_random(&st, r);
        st.gpr[R_ESI] = X86N_DATA;
        st.gpr[R_EDI] = NOT_MAPPED;
        memset(st.data + 16, 0, 8);
        paging(true, &st);
        env->fpip = env->fpdp = env->fpop = 0;
        x86n_vireo(&st, code, sizeof where + cases[i].len);
        g_assert_cmpint(st.vector, ==, cases[i].fault ? EXCP_PF : -1);
        g_assert_cmphex(env->fpip, ==, st.gpr[R_EAX] + cases[i].ip);
        g_assert_cmphex(env->fpop, ==, cases[i].op);
        g_assert_cmphex(env->fpdp, ==, cases[i].dp ? X86N_DATA + 16 : 0);
    }
    paging(false, &st);
    g_rand_free(r);
}

/* A store that faults changes neither registers nor status, with exceptions masked or not (SDM vol. 1, 8.1.3). */
static void test_store_fault(void)
{
    static const uint8_t stores[][2] = {
        {0xd9, 0x17}, {0xd9, 0x1f}, {0xdd, 0x17}, {0xdd, 0x1f}, {0xdb, 0x17}, {0xdb, 0x1f}, {0xdb, 0x0f}, {0xdd, 0x0f},
        {0xdf, 0x0f}, {0xdf, 0x17}, {0xdf, 0x1f}, {0xdf, 0x3f}, {0xdf, 0x37}, {0xdb, 0x3f},
    };
    GRand *r = g_rand_new_with_seed(90);
    static X86NState st;

    sw_mask = 0xffff;
    for (unsigned i = 0; i < 40 * G_N_ELEMENTS(stores) && !g_test_failed(); i++) {
        Code c = {.n = 0};
        if (i & 2) {
            add(&c, 0xd8); /* fadd %st, %st: C1 and PE are there before */
            add(&c, 0xc0);
        }
        add(&c, stores[i % G_N_ELEMENTS(stores)][0]);
        add(&c, stores[i % G_N_ELEMENTS(stores)][1]);
        random_state(&st, r, i & 4, i & 1);
        st.gpr[R_EDI] = NOT_MAPPED;
        paging(true, &st);
        run(&c, &st);
    }
    paging(false, &st);
    g_rand_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    x86n_init();
    for (unsigned esc = 0; esc < 8; esc++) {
        for (unsigned op = 0; op < 8; op++) {
            if (mem_is_tested(esc, op)) {
                g_autofree char *name = g_strdup_printf("/target-x86/x87/d%x-%u-mem", 8 + esc, op);
                g_test_add_data_func(name, GUINT_TO_POINTER(esc << 8 | op << 3), test_encoding);
            }
            for (unsigned i = 0; i < 8; i++) {
                if (reg_is_tested(esc, op, i)) {
                    g_autofree char *name = g_strdup_printf("/target-x86/x87/d%x-%02x", 8 + esc, 0xc0 | op << 3 | i);
                    g_test_add_data_func(name, GUINT_TO_POINTER(esc << 8 | 0xc0 | op << 3 | i), test_encoding);
                }
            }
        }
    }
    g_test_add_func("/target-x86/x87/images", test_images);
    g_test_add_func("/target-x86/x87/programs", test_programs);
    g_test_add_func("/target-x86/x87/pointers", test_pointers);
    g_test_add_func("/target-x86/x87/store-fault", test_store_fault);
    return g_test_run();
}
