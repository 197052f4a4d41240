/* main.c - the differential tester's program: runs generated sequences on both sides, compares, makes what differs
 * small and prints it, counts. See docs/testing.md, "The oracle".
 *
 * Modes: how Vireo runs the code: as always, one instruction per TB, without optimiser, with random registers, its IR
 * (as the front end makes it) through the interpreter, and as TBs that do not know their page.
 *
 *   diff --seed N --count N [--family F] [--mode M] [--model CPU] [--keep-going] [--rows] [--list-rows] */
#include "host/base/osdep.h"
#include "tests/diff/diff.h"
#include "target-x86/cpuid.h"
#include "accel/internal.h"
#include <time.h>

enum { STATES_PER_SEQ = 8 };

static gint64 opt_seed = 1, opt_count = 100000, opt_max = 10;
static gchar *opt_show, *opt_family, *opt_mode, *opt_model, *opt_bits;
static gboolean opt_rows, opt_list, opt_keep, opt_edges, opt_fixed;
static const GOptionEntry options[] = {
    {"seed", 0, 0, G_OPTION_ARG_INT64, &opt_seed, "random seed", "N"},
    {"count", 0, 0, G_OPTION_ARG_INT64, &opt_count, "cases: a sequence run from one state", "N"},
    {"family", 0, 0, G_OPTION_ARG_STRING, &opt_family, "int, string, flow, sys, sse, fp, mmx, x87, vex, seg (default: all)", "F"},
    {"bits", 0, 0, G_OPTION_ARG_STRING, &opt_bits, "64, 32, 16: mode of the code (default: all)", "B"},
    {"mode", 0, 0, G_OPTION_ARG_STRING, &opt_mode, "normal, one-insn, no-opt, random-regs, interp, floating, all: how Vireo translates", "M"},
    {"float", 0, 0, G_OPTION_ARG_NONE, &diff_float, "64-bit code does not know its page, in all modes", NULL},
    {"model", 0, 0, G_OPTION_ARG_STRING, &opt_model, "CPU model (default max)", "CPU"},
    {"fixed", 0, 0, G_OPTION_ARG_NONE, &opt_fixed, "only the cases of fixed.c, in all modes but the interpreter", NULL},
    {"edges", 0, 0, G_OPTION_ARG_NONE, &opt_edges, "single instructions, their operands at the ends of pages and segments", NULL},
    {"keep-going", 0, 0, G_OPTION_ARG_NONE, &opt_keep, "do not stop after --max differences", NULL},
    {"known", 0, 0, G_OPTION_ARG_STRING, &opt_show, "take this known deviation for a difference", "RULE"},
    {"max", 0, 0, G_OPTION_ARG_INT64, &opt_max, "differences printed (default 10)", "N"},
    {"rows", 0, 0, G_OPTION_ARG_NONE, &opt_rows, "at the end: rows that no case reached", NULL},
    {"list-rows", 0, 0, G_OPTION_ARG_NONE, &opt_list, "print the rows with their families and end", NULL},
    {NULL},
};
static const char *const mode_name[RUN_MODES] = {"normal", "one-insn", "no-opt", "random-regs", "interp", "floating"};

/* ---- running ---- */

static unsigned next_slot, next_slot16;

static uint64_t last_start;
static unsigned last_len;

/* Into the next slot; what stood in the last one becomes INT3, so that a stray jump meets nothing old. */
static void place(DiffSeq *q)
{
    uint8_t fill[DIFF_SLOT];

    if (last_len) {
        memset(fill, 0xcc, last_len);
        native_write(last_start, fill, last_len);
        guest_write(last_start, fill, last_len);
    }
    if (q->bits == 16) {
        gen_layout(q, DIFF_CODE16_SLOTS + next_slot16++ * DIFF_SLOT);
        next_slot16 %= (DIFF_SCRATCH - DIFF_CODE16_SLOTS) / DIFF_SLOT;
    } else {
        gen_layout(q, DIFF_CODE + next_slot++ * DIFF_SLOT);
        next_slot %= (DIFF_EXIT - DIFF_CODE) / DIFF_SLOT;
    }
    native_write(q->start, q->code, q->code_len);
    last_start = q->start;
    last_len = q->code_len;
}

static void set_memory(uint8_t *(*page)(unsigned), unsigned image)
{
    for (unsigned i = 0, n = 0; i < DIFF_PAGES; i++)
        if (DIFF_LAYOUT[i] == 'W')
            memcpy(page(i), diff_image[image][n++], 4096);
}

/* ---- comparison ---- */

/* Which instruction the state stands at: flags that may be undefined there. */
static uint16_t undefined_flags(const DiffSeq *q, const DiffState *end)
{
    uint16_t undef = 0, left = 0;
    unsigned covered = 0;
    bool leaves = false, found = false;

    for (unsigned i = 0; i < q->n; i++) {
        left |= q->insn[i].fl_undef;
        leaves |= q->insn[i].leaves;
    }

    for (unsigned i = 0; i < q->n; i++) {
        const DiffInsn *g = &q->insn[i];
        if (end->vector != DIFF_VECTOR_NONE && end->rip == q->start + q->at[i]) {
            found = true;
            if (g->rep && g->fl_cond) /* the flags of the iterations so far: AMD keeps them, Intel does not */
                return CC_MASK;
            break;
        }
        undef = covered ? undef | g->fl_undef : (undef & ~g->fl_written) | g->fl_undef;
        covered = MAX(covered ? covered - 1 : 0, g->rel_at >= 0 ? g->skip : 0u);
    }
    return leaves || (end->vector != DIFF_VECTOR_NONE && !found) ? left : undef; /* a return may lead back to behind a call */
}

static uint64_t known, cases, differences, faults, bits_hits[3];

static unsigned get16(const uint8_t *p) { return p[0] | p[1] << 8; }

/* How often each known deviation was met. */
static struct Rule { const char *name; uint64_t count; } rules[32];

static struct Rule *known_by_rule(const char *name)
{
    unsigned i = 0;

    while (rules[i].name && strcmp(rules[i].name, name))
        i++;
    g_assert(i < G_N_ELEMENTS(rules) - 1);
    rules[i].name = name;
    return &rules[i];
}

/* What differs, as text, or NULL. */
static GString *difference(const DiffSeq *q, const DiffState *n, const DiffState *v)
{
    static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                        "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
    uint64_t efl = (CC_MASK & ~undefined_flags(q, n)) | EFL_DF | EFL_AC | EFL_ID | EFL_NT | EFL_IOPL;
    uint32_t nm, vm;
    uint16_t sw_mask = 0xffff;
    bool fuzzy = q->n && q->insn[q->n - 1].fuzzy_mem, pf = n->vector == EXCP_PF;
    GString *s = NULL;
    unsigned kinds = 0;
    uint32_t nerr = n->err, verr = v->err;

    if (pf && n->addr >= (1ULL << 47) - 4096) /* Linux sets P for addresses of the kernel's half */
        nerr |= 1, verr |= 1;
#define DIFFERS(kind, ...) (kinds |= (kind), s = s ? s : g_string_new(NULL), g_string_append_printf(s, __VA_ARGS__))
    if (n->vector != v->vector)
        DIFFERS(DK_VECTOR, "  exception: host %d vireo %d\n", n->vector, v->vector);
    else if (n->vector != DIFF_VECTOR_NONE && n->vector != EXCP_DB && nerr != verr)
        DIFFERS(DK_ERR, "  error code: host %x vireo %x (vector %d)\n", n->err, v->err, n->vector);
    if (pf && v->vector == EXCP_PF && n->addr != v->addr)
        DIFFERS(DK_ADDR, "  fault address: host %" PRIx64 " vireo %" PRIx64 "\n", n->addr, v->addr);
    if (n->rip != v->rip)
        DIFFERS(DK_RIP, "  rip: host %" PRIx64 " vireo %" PRIx64 " (start %" PRIx64 ")\n", n->rip, v->rip, q->start);
    for (int i = 0; i < 6; i++)
        if (n->sel[i] != v->sel[i] && (n->sel[i] | v->sel[i]) > 3) /* the host's kernel leaves 0 of a null selector */
            DIFFERS(DK_SEL, "  %cs: host %04x vireo %04x\n", "ecsdfg"[i], n->sel[i], v->sel[i]);
    for (int i = 0; i < 16; i++)
        if (n->gpr[i] != v->gpr[i] && !(q->n && q->insn[q->n - 1].clobber >> i & 1))
            DIFFERS(DK_GPR, "  %s: host %016" PRIx64 " vireo %016" PRIx64 "\n", names[i], n->gpr[i], v->gpr[i]);
    if ((n->rflags ^ v->rflags) & efl)
        DIFFERS(DK_FLAGS, "  flags: host %06x vireo %06x compared %06x\n", (unsigned)n->rflags, (unsigned)v->rflags, (unsigned)efl);
    if (n->fsbase != v->fsbase || n->gsbase != v->gsbase)
        DIFFERS(DK_BASE, "  fs, gs base: host %" PRIx64 " %" PRIx64 " vireo %" PRIx64 " %" PRIx64 "\n", n->fsbase, n->gsbase, v->fsbase, v->gsbase);
    memcpy(&nm, n->xs + XS_MXCSR, 4);
    memcpy(&vm, v->xs + XS_MXCSR, 4);
    if (nm != vm)
        DIFFERS(DK_MXCSR, "  mxcsr: host %x vireo %x\n", nm, vm);
    for (unsigned i = 0; i < q->n; i++)
        if (q->insn[i].any_c1)
            sw_mask &= ~0x200;
    if (((get16(n->xs + XS_FSW) ^ get16(v->xs + XS_FSW)) & sw_mask) || get16(n->xs) != get16(v->xs) || n->xs[XS_FTW] != v->xs[XS_FTW])
        DIFFERS(DK_X87, "  x87 cw sw tags: host %04x %04x %02x vireo %04x %04x %02x\n", get16(n->xs), get16(n->xs + XS_FSW), n->xs[XS_FTW],
                get16(v->xs), get16(v->xs + XS_FSW), v->xs[XS_FTW]);
    for (int i = 0; i < 8; i++) {
        const uint8_t *a = n->xs + XS_ST + 16 * i, *b = v->xs + XS_ST + 16 * i;
        if (memcmp(a, b, 10))
            DIFFERS(DK_X87, "  st%d: host %04x:%016" PRIx64 " vireo %04x:%016" PRIx64 "\n", i, get16(a + 8), *(const uint64_t *)a, get16(b + 8),
                    *(const uint64_t *)b);
    }
    for (int i = 0; i < 16; i++) {
        for (int hi = 0; hi < 2; hi++) {
            uint64_t a[2], b[2];
            memcpy(a, n->xs + (hi ? XS_YMMH : XS_XMM) + 16 * i, 16);
            memcpy(b, v->xs + (hi ? XS_YMMH : XS_XMM) + 16 * i, 16);
            if (a[0] != b[0] || a[1] != b[1])
                DIFFERS(DK_VEC, "  %s%d: host %016" PRIx64 "_%016" PRIx64 " vireo %016" PRIx64 "_%016" PRIx64 "\n", hi ? "ymmh" : "xmm", i, a[1], a[0],
                        b[1], b[0]);
        }
    }
    for (unsigned i = 0; !fuzzy && i < DIFF_PAGES; i++) {
        const uint8_t *a, *b;
        if (DIFF_LAYOUT[i] != 'W' || !memcmp(a = native_page(i), b = guest_page(i), 4096))
            continue;
        for (unsigned k = 0, shown = 0; k < 4096; k++)
            if (a[k] != b[k]) {
                if (shown++ < 4)
                    DIFFERS(DK_MEM, "  memory %x: host %02x vireo %02x\n", (unsigned)(DIFF_DATA + i * 4096 + k), a[k], b[k]);
            }
    }
    const char *rule = s ? known_deviation(q, n, v, kinds) : NULL;
    if (rule && !(opt_show && !strcmp(opt_show, rule))) {
        known++;
        known_by_rule(rule)->count++;
        g_string_free(s, TRUE);
        return NULL;
    }
    return s;
}

static GString *run_one(const DiffSeq *q, const DiffState *start, DiffState *n, DiffState *v)
{
    *n = *v = *start;
    uint64_t rsp_mask = q->bits == 64 && !(start->sel[R_SS] & 4) ? ~0ULL : 0xffffffff; /* Linux and a 16-bit SS (espfix) */
    n->rip = v->rip = q->start;
    set_memory(native_page, start->image);
    set_memory(guest_page, start->image);
    native_run(n, q->leaves);
    if (n->vector == DIFF_VECTOR_ENDLESS)
        return NULL;
    guest_run(v, q->leaves);
    if ((n->sel[R_SS] & 4) || rsp_mask >> 32 == 0) {
        n->gpr[R_ESP] &= 0xffffffff;
        v->gpr[R_ESP] &= 0xffffffff;
    }
    return difference(q, n, v);
}

/* ---- making it small ---- */

static bool still_differs(DiffSeq *q, const DiffState *st)
{
    DiffState n, v;
    GString *s;

    place(q);
    guest_write(q->start, q->code, q->code_len);
    s = run_one(q, st, &n, &v);
    if (s)
        g_string_free(s, TRUE);
    return s != NULL;
}

static void minimise(DiffSeq *q, DiffState *st)
{
    static DiffSeq t;
    DiffState u;

    for (unsigned i = 0; i < q->n && q->n > 1;) {
        t = *q;
        memmove(&t.insn[i], &t.insn[i + 1], (t.n - i - 1) * sizeof t.insn[0]);
        t.n--;
        if (still_differs(&t, st))
            *q = t;
        else
            i++;
    }
#define TRY(change)                                                                                                   \
    do {                                                                                                              \
        u = *st;                                                                                                      \
        change;                                                                                                       \
        if (memcmp(&u, st, sizeof u) && still_differs(q, &u))                                                         \
            *st = u;                                                                                                  \
    } while (0)
    for (int i = 0; i < 16; i++) {
        if (i != R_ESP)
            TRY(u.gpr[i] = 0);
        TRY(memset(u.xs + XS_XMM + 16 * i, 0, 16));
        TRY(memset(u.xs + XS_YMMH + 16 * i, 0, 16));
        if (i < 8)
            TRY(memset(u.xs + XS_ST + 16 * i, 0, 10));
    }
    TRY(u.rflags = 0x202);
    TRY(u.xs[XS_FTW] = 0);
    TRY(memset(u.xs + XS_FSW, 0, 2));
    TRY((u.xs[0] = 0x7f, u.xs[1] = 3));
    TRY((u.xs[XS_MXCSR] = 0x80, u.xs[XS_MXCSR + 1] = 0x1f));
    TRY(u.fsbase = 0x40);
    for (int i = 0; i < 6; i++)
        if (i != R_CS && st->sel[R_CS] != 0x33)
            TRY(u.sel[i] = i == R_FS ? SEL_FS : i == R_GS ? SEL_GS : st->sel[R_CS] == 0x23 ? 0x2b : SEL_DATA16);
#undef TRY
}

/* What lies where registers point to, as the case begins. */
static void append_memory(GString *out, const DiffSeq *q, const DiffState *st)
{
    for (int i = 0; i < 16; i++) {
        uint64_t at = st->gpr[i] - (q->bits == 16 ? 0 : DIFF_DATA), page = at >> 12;
        if (page >= DIFF_PAGES || DIFF_LAYOUT[page] == 'U' || (at & 0xfff) > 4080 || (q->bits == 16 && st->gpr[i] < 0x1000))
            continue;
        unsigned n = 0;
        for (unsigned k = 0; k < page; k++)
            n += DIFF_LAYOUT[k] == 'W';
        const uint8_t *p = (DIFF_LAYOUT[page] == 'W' ? diff_image[st->image][n] : diff_ro[page]) + (at & 0xfff);
        g_string_append_printf(out, "\n    at r%d:", i);
        for (int k = 0; k < 16; k++)
            g_string_append_printf(out, " %02x", p[k]);
    }
}

static void report(DiffSeq *q, DiffState *st, int mode, const GString *first)
{
    DiffState n, v;
    GString *out = g_string_new(NULL), *why;

    minimise(q, st);
    place(q);
    guest_write(q->start, q->code, q->code_len);
    why = run_one(q, st, &n, &v);
    g_string_append_printf(out, "--- difference, mode %s, %d bits, image %u\n", mode_name[mode], q->bits, st->image);
    for (unsigned i = 0; i < q->n; i++) {
        g_autofree char *name = gen_row_name(q->insn[i].row);
        disas_guest(out, q->code + q->at[i], q->at[i + 1] - q->at[i], q->start + q->at[i], q->bits, 1);
        g_string_append(out, "       ");
        for (unsigned k = q->at[i]; k < q->at[i + 1]; k++)
            g_string_append_printf(out, " %02x", q->code[k]);
        g_string_append_printf(out, "  row %s\n", name);
    }
    g_string_append(out, "  start:");
    for (int i = 0; i < 16; i++)
        if (st->gpr[i])
            g_string_append_printf(out, " r%d=%" PRIx64, i, st->gpr[i]);
    g_string_append_printf(out, " rflags=%x mxcsr=%x cw=%x sw=%x tags=%x", (unsigned)st->rflags, *(uint32_t *)(st->xs + XS_MXCSR),
                           get16(st->xs), get16(st->xs + XS_FSW), st->xs[XS_FTW]);
    for (int i = 0; i < 6; i++)
        g_string_append_printf(out, " %cs=%x", "ecsdfg"[i], st->sel[i]);
    for (int i = 0; i < 16; i++) {
        const uint64_t *x = (const uint64_t *)(st->xs + XS_XMM + 16 * i), *y = (const uint64_t *)(st->xs + XS_YMMH + 16 * i);
        if (x[0] || x[1] || y[0] || y[1])
            g_string_append_printf(out, "\n    ymm%d=%016" PRIx64 "_%016" PRIx64 "_%016" PRIx64 "_%016" PRIx64, i, y[1], y[0], x[1], x[0]);
    }
    for (int i = 0; i < 8; i++) {
        const uint8_t *p = st->xs + XS_ST + 16 * i;
        if (get16(p + 8) || *(const uint64_t *)p)
            g_string_append_printf(out, "\n    st%d=%04x:%016" PRIx64, i, get16(p + 8), *(const uint64_t *)p);
    }
    append_memory(out, q, st);
    g_string_append(out, "\n  end:");
    for (int i = 0; i < 6; i++)
        g_string_append_printf(out, " %cs=%x", "ecsdfg"[i], n.sel[i]);
    g_string_append_printf(out, "; host vector %d err %x, vireo vector %d err %x\n", n.vector, n.err, v.vector, v.err);
    g_print("%s%s", out->str, why ? why->str : first->str);
    if (!why)
        g_print("  (the first run's; not seen again)\n");
    g_print("  again: diff --seed %" PRId64 " --count %" PRIu64 "%s%s%s%s%s%s%s%s%s\n", (int64_t)opt_seed, cases, opt_edges ? " --edges" : "", opt_family ? " --family " : "",
            opt_family ? opt_family : "", opt_mode ? " --mode " : "", opt_mode ? opt_mode : "", opt_bits ? " --bits " : "",
            opt_bits ? opt_bits : "", opt_model ? " --model " : "", opt_model ? opt_model : "");
    g_string_free(out, TRUE);
    if (why)
        g_string_free(why, TRUE);
}

/* ---- the loop ---- */

static uint64_t *row_hits, family_hits[FAM_COUNT];

static bool run_seq(DiffSeq *q, int family, const bool *modes)
{
    DiffState start[STATES_PER_SEQ], n, v;
    bool good = true;

    place(q);
    for (unsigned k = 0; k < STATES_PER_SEQ; k++)
        gen_state(&start[k], q);
    for (int m = 0; m < RUN_MODES && good; m++) {
        if (!modes[m])
            continue;
        guest_set_mode(m);
        guest_write(q->start, q->code, q->code_len);
        for (unsigned k = 0; k < STATES_PER_SEQ && good; k++) {
            GString *s = run_one(q, &start[k], &n, &v);
            cases++;
            family_hits[family]++;
            bits_hits[q->bits == 64 ? 0 : q->bits == 32 ? 1 : 2]++;
            faults += n.vector != DIFF_VECTOR_NONE;
            for (unsigned i = 0; i < q->n; i++) {
                if (n.vector != DIFF_VECTOR_NONE && n.rip == q->start + q->at[i] && i > 0)
                    break; /* those before it ran */
                row_hits[q->insn[i].row] += q->insn[i].is_row;
            }
            if (s) {
                DiffSeq small = *q;
                differences++;
                good = false;
                if (differences <= (uint64_t)opt_max)
                    report(&small, &start[k], m, s);
                g_string_free(s, TRUE);
            }
        }
    }
    return good;
}

static void run_fixed(int only)
{
    static DiffSeq q;
    DiffState start, n, v;
    const char *what;

    for (unsigned k = 0; fixed_case(k, &q, &start, &what); k++) {
        for (int m = 0; m < RUN_INTERP && (!only || only == q.bits); m++) {
            place(&q);
            start.rip = q.start;
            guest_set_mode(m);
            guest_write(q.start, q.code, q.code_len);
            GString *s = run_one(&q, &start, &n, &v);
            cases++;
            faults += n.vector != DIFF_VECTOR_NONE;
            if (!s)
                continue;
            differences++;
            g_print("--- fixed case %u (%s), mode %s: host vector %d err %x, vireo vector %d err %x\n%s", k, what, mode_name[m], n.vector, n.err,
                    v.vector, v.err, s->str);
            g_string_free(s, TRUE);
        }
    }
}

static void list_rows(bool missing_only)
{
    for (unsigned i = 0; i < gen_row_count(); i++) {
        int fam = gen_row_family(i);
        g_autofree char *name = gen_row_name(i);
        if (!missing_only)
            g_print("%-8s %s%s%s\n", fam < 0 ? "-" : diff_family_name[fam], name, fam < 0 ? ": " : "", fam < 0 ? gen_row_reason(i) : "");
        else if (!row_hits[i])
            g_print("# not reached: %s%s%s\n", name, fam < 0 ? ": " : "", fam < 0 ? gen_row_reason(i) : "");
    }
}

static int bad_option(const char *name, const char *value, const char *allowed)
{
    fprintf(stderr, "diff: --%s %s: %s\n", name, value, allowed);
    return 2;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GOptionContext) oc = g_option_context_new("- differential tester: host against Vireo");
    bool modes[RUN_MODES] = {false};
    int family = -1;
    static DiffSeq q;

    g_option_context_add_main_entries(oc, options, NULL);
    if (!g_option_context_parse(oc, &argc, &argv, &err)) {
        fprintf(stderr, "diff: %s\n", err->message);
        return 2;
    }
    for (int f = 0; opt_family && f < FAM_COUNT; f++)
        if (!strcmp(opt_family, diff_family_name[f]))
            family = f;
    if (opt_family && family < 0)
        return bad_option("family", opt_family, "int, string, flow, sys, sse, fp, mmx, x87, vex or seg");
    for (int m = 0; m < RUN_MODES; m++)
        modes[m] = opt_mode ? !strcmp(opt_mode, mode_name[m]) || !strcmp(opt_mode, "all") : m == RUN_NORMAL;
    bool any = false;
    for (int m = 0; m < RUN_MODES; m++)
        any |= modes[m];
    if (!any)
        return bad_option("mode", opt_mode, "normal, one-insn, no-opt, random-regs, interp, floating or all");
    diff_rng = (uint64_t)opt_seed * 0x9e3779b97f4a7c15ULL ^ 0x123456789abcdefULL;
    if (!diff_rng)
        diff_rng = 1;
    int only = opt_bits ? atoi(opt_bits) : 0;
    if (opt_bits && only != 64 && only != 32 && only != 16)
        return bad_option("bits", opt_bits, "64, 32 or 16");
    diff_edges = opt_edges;
    gen_images();
    guest_init(opt_model ? opt_model : "max");
    gen_init();
    if (opt_list) {
        list_rows(false);
        return 0;
    }
    row_hits = g_new0(uint64_t, gen_row_count());
    native_init();
    if (!segs_init_native()) {
        g_print("# no LDT on this host: 64-bit code only\n");
        only = 64;
    }
    for (unsigned i = 0; i < DIFF_CODE_SIZE - 4096; i++) {
        if (DIFF_CODE + i >= DIFF_EXIT && DIFF_CODE + i < DIFF_CODE16)
            continue;
        native_write(DIFF_CODE + i, "\xcc", 1);
        guest_write(DIFF_CODE + i, "\xcc", 1);
    }
    gint64 t0 = g_get_monotonic_time();
    if (opt_fixed)
        run_fixed(only);
    while (!opt_fixed && cases < (uint64_t)opt_count && (opt_keep || differences < (uint64_t)opt_max)) {
        int f = family >= 0 ? family : (int)below(FAM_COUNT + 2);
        if (f >= FAM_COUNT)
            f = FAM_INT;
        unsigned k = below(8);
        if (gen_seq(&q, f, only ? only : k < 4 ? 64 : k < 6 ? 32 : 16))
            run_seq(&q, f, modes);
    }
    double secs = (g_get_monotonic_time() - t0) / 1e6;
    unsigned reached = 0;
    for (unsigned i = 0; i < gen_row_count(); i++)
        reached += row_hits[i] != 0;
    if (modes[RUN_INTERP])
        g_print("# %" PRIu64 " TBs interpreted\n", guest_interpreted);
    if (opt_rows)
        list_rows(true);
    for (unsigned i = 0; rules[i].name; i++)
        g_print("# known deviation %s: %" PRIu64 "\n", rules[i].name, rules[i].count);
    g_print("diff: seed %" PRId64 ": %" PRIu64 " cases (", (int64_t)opt_seed, cases);
    for (int f = 0; f < FAM_COUNT; f++)
        g_print("%s%s %" PRIu64, f ? ", " : "", diff_family_name[f], family_hits[f]);
    g_print("; 64-bit %" PRIu64 ", 32-bit %" PRIu64 ", 16-bit %" PRIu64, bits_hits[0], bits_hits[1], bits_hits[2]);
    g_print("), %" PRIu64 " faults, rows %u of %u, %.0f cases/s, %" PRIu64 " known deviations, %" PRIu64 " differences\n", faults, reached, gen_row_count(), cases / secs,
            known, differences);
    return differences ? 1 : 0;
}
