/* tb-stats.c - counts of what translated code does (`-accel tcg,tb-stats=on`), for `info jit` and `info tb-list`.
 *
 * Each TB adds 1 to a word at its entry, and each call of a helper to the helper's; everything else is these words
 * times facts that were noted at translation. So it is approximate where a TB has branches inside: its host instructions
 * and guest accesses are those of the whole main path (slow paths, alignment and the counting itself left out). Side
 * jumps have words of their own, which say how often the rest did not run.
 * What a TB did is added to the totals when its memory is given back, so nothing is lost to flushes, and there are
 * never more records than TBs. Off, it costs one test per translation. */
#include "accel/internal.h"

bool jit_tb_stats;

typedef struct SideFacts { uint16_t guest_insns, host_insns, accesses; } SideFacts; /* in front of a side jump */

struct TbFacts {
    uint64_t runs; /* translated code adds */
    uint64_t *side_runs; /* and to these */
    SideFacts *side;
    unsigned nb_sides;
    vaddr pc;
    uint32_t flags;
    uint16_t guest_insns, host_insns, accesses;
    uint8_t by_chain, by_cache, by_helper; /* ways out in its ops */
    bool only_cache;
};

static GPtrArray *live;        /* TbFacts; parallel to tb-cache.c's by_host */
static JitCounts retired;      /* of those that went */
static GHashTable *helpers;    /* TcgHelperInfo * -> uint64_t *, never removed: code adds to it */

static uint64_t *helper_counter(const TcgHelperInfo *h)
{
    uint64_t *n;

    tb_lock();
    n = g_hash_table_lookup(helpers, h);
    if (!n)
        g_hash_table_insert(helpers, (gpointer)h, n = g_new0(uint64_t, 1));
    tb_unlock();
    return n;
}

void tb_stats_init(bool on)
{
    if (on && !helpers) {
        live = g_ptr_array_new();
        helpers = g_hash_table_new(NULL, NULL);
    }
    jit_tb_stats = on;
}

TbFacts *tb_stats_begin(TcgContext *c)
{
    TbFacts *f;

    if (!jit_tb_stats) {
        c->entry_counter = c->side_counter = NULL;
        c->helper_counter = NULL;
        return NULL;
    }
    f = g_new0(TbFacts, 1);
    c->entry_counter = &f->runs;
    c->helper_counter = helper_counter;
    for (unsigned i = 0; i < c->nb_ops; i++)
        f->nb_sides += tcg_is_side_jump(&c->ops[i]);
    if (f->nb_sides) {
        f->side_runs = g_new0(uint64_t, f->nb_sides);
        f->side = g_new0(SideFacts, f->nb_sides);
    }
    c->side_counter = f->side_runs;
    for (unsigned i = 0; i < c->nb_ops; i++) { /* the back end merges some of these with branches */
        f->by_chain |= c->ops[i].opc == TCG_OP_goto_tb || c->ops[i].opc == TCG_OP_goto_far;
        f->by_cache |= c->ops[i].opc == TCG_OP_goto_ptr;
        f->by_helper |= c->ops[i].opc == TCG_OP_goto_code || c->ops[i].opc == TCG_OP_exit_tb;
    }
    return f;
}

/* Under the tb lock, after tb_publish(). */
void tb_stats_end(TbFacts *f, const TB *tb, const TcgContext *c)
{
    unsigned n, insns = 0, sides = 0;

    if (!f)
        return;
    n = disas_count_host(tb_code(tb), c->code_size);
    f->pc = tb->pc;
    f->flags = tb->flags;
    f->guest_insns = tb->icount;
    f->host_insns = n - MIN(n, c->counting_insns);
    for (unsigned i = 0; i < c->nb_ops; i++)
        switch (c->ops[i].opc) {
        case TCG_OP_guest_ld: case TCG_OP_guest_st: case TCG_OP_guest_rmw: case TCG_OP_guest_cmpxchg: case TCG_OP_guest_ldv:
        case TCG_OP_guest_stv: case TCG_OP_guest_x87:
            f->accesses++;
            break;
        case TCG_OP_insn_start:
            insns++;
            break;
        case TCG_OP_side_exit:
            if (!tcg_is_side_jump(&c->ops[i]) || sides == f->nb_sides)
                break;
            unsigned host = disas_count_host(tb_code(tb), c->side_host[sides]);
            f->side[sides++] = (SideFacts){ MIN(insns, tb->icount), MIN(host - MIN(host, 2u), f->host_insns), f->accesses };
            break;
        }
    f->nb_sides = sides;
    g_ptr_array_add(live, f);
}

static void add(JitCounts *t, const TbFacts *f)
{
    t->runs += f->runs;
    t->guest_insns += f->runs * f->guest_insns;
    t->host_insns += f->runs * f->host_insns;
    t->accesses += f->runs * f->accesses;
    uint64_t runs = f->runs; /* to the end */
    for (unsigned i = 0; i < f->nb_sides; i++) {
        const SideFacts *side = &f->side[i];
        uint64_t n = f->side_runs[i];
        t->guest_insns -= n * (f->guest_insns - side->guest_insns);
        t->host_insns -= n * (f->host_insns - side->host_insns);
        t->accesses -= n * (f->accesses - side->accesses);
        t->ends_cache += n;
        runs -= n;
    }
    if (f->by_chain + f->by_cache + f->by_helper > 1)
        t->ends_mixed += runs;
    else if (f->by_chain)
        t->ends_chain += runs;
    else if (f->by_cache)
        t->ends_cache += runs;
    else
        t->ends_helper += runs;
}

void tb_stats_drop(TbFacts *f)
{
    if (!f)
        return;
    g_free(f->side_runs);
    g_free(f->side);
    g_free(f);
}

void tb_stats_truncate(unsigned len)
{
    while (live && live->len > len) {
        TbFacts *f = g_ptr_array_remove_index(live, live->len - 1);
        add(&retired, f);
        tb_stats_drop(f);
    }
}

void tb_stats_reset(void)
{
    GHashTableIter it;
    gpointer n;

    tb_lock();
    retired = (JitCounts){0};
    for (unsigned i = 0; live && i < live->len; i++) {
        TbFacts *f = live->pdata[i];
        f->runs = 0;
        for (unsigned k = 0; k < f->nb_sides; k++)
            f->side_runs[k] = 0;
    }
    if (helpers) {
        g_hash_table_iter_init(&it, helpers);
        while (g_hash_table_iter_next(&it, NULL, &n))
            *(uint64_t *)n = 0;
    }
    tb_unlock();
}

JitCounts jit_counts(void)
{
    tb_lock();
    JitCounts t = retired;
    for (unsigned i = 0; live && i < live->len; i++)
        add(&t, live->pdata[i]);
    tb_unlock();
    return t;
}

typedef struct HelperCount {
    const char *name;
    uint64_t n;
} HelperCount;

static int more_calls(const void *a, const void *b)
{
    const HelperCount *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n ? 1 : -1) : strcmp(x->name, y->name);
}

static GArray *sorted_helpers(void)
{
    GArray *a = g_array_new(false, false, sizeof(HelperCount));
    GHashTableIter it;
    gpointer k, v;

    tb_lock();
    if (helpers) {
        g_hash_table_iter_init(&it, helpers);
        while (g_hash_table_iter_next(&it, &k, &v)) {
            const HelperCount h = {((const TcgHelperInfo *)k)->name, *(uint64_t *)v};
            if (h.n)
                g_array_append_val(a, h);
        }
    }
    tb_unlock();
    g_array_sort(a, more_calls);
    return a;
}

uint64_t jit_helper_calls(GString *names)
{
    g_autoptr(GArray) a = sorted_helpers();
    uint64_t sum = 0;

    for (unsigned i = 0; i < a->len; i++) {
        const HelperCount *h = &g_array_index(a, HelperCount, i);
        sum += h->n;
        if (names)
            g_string_append_printf(names, "  %-18s%" PRIu64 "\n", h->name, h->n);
    }
    return sum;
}

static double per(uint64_t a, uint64_t b) { return b ? (double)a / b : 0; }

void tb_stats_info(CPUState *cpu, GString *out)
{
    JitCounts t = jit_counts();
    GString *names;
    uint64_t calls;

    if (!jit_tb_stats) {
        g_string_append(out, "\nExecution counts: off (-accel tcg,tb-stats=on)\n");
        return;
    }
    names = g_string_new(NULL);
    calls = jit_helper_calls(names);
    g_string_append(out, "\nExecution counts:\n");
    g_string_append_printf(out, "TBs                 %" PRIu64 "\n", t.runs);
    g_string_append_printf(out, "guest insns         %" PRIu64 " (%.1f per TB)\n", t.guest_insns, per(t.guest_insns, t.runs));
    g_string_append_printf(out, "host insns          %" PRIu64 " (%.2f per guest insn)\n", t.host_insns, per(t.host_insns, t.guest_insns));
    g_string_append_printf(out, "guest accesses      %" PRIu64 " (%.2f per guest insn)\n", t.accesses, per(t.accesses, t.guest_insns));
    if (cpu) {
        uint64_t slow = MIN(cpu->stats.tlb_slow, t.accesses), exits = cpu->stats.exits;
        g_string_append_printf(out, "TLB hits            %" PRIu64 " (%.3f%%)\n", t.accesses - slow, 100 * per(t.accesses - slow, t.accesses));
        g_string_append_printf(out, "entered by loop     %" PRIu64 "\n", MIN(exits, t.runs));
        g_string_append_printf(out, "entered from TB     %" PRIu64 " (%.3f%%)\n", t.runs - MIN(exits, t.runs),
                               100 * per(t.runs - MIN(exits, t.runs), t.runs));
    }
    g_string_append_printf(out, "end: chained jump   %" PRIu64 "\n", t.ends_chain);
    g_string_append_printf(out, "end: jump cache     %" PRIu64 "\n", t.ends_cache);
    g_string_append_printf(out, "end: one of both    %" PRIu64 "\n", t.ends_mixed);
    g_string_append_printf(out, "end: helper, loop   %" PRIu64 "\n", t.ends_helper);
    g_string_append_printf(out, "helper calls        %" PRIu64 " (%.2f per 100 guest insns)\n%s", calls,
                           100 * per(calls, t.guest_insns), names->str);
    g_string_free(names, true);
}

static int more_time(const void *a, const void *b)
{
    const TbFacts *x = a, *y = b;
    uint64_t n = x->runs * x->host_insns, m = y->runs * y->host_insns;
    return n != m ? (n < m ? 1 : -1) : x->pc < y->pc ? -1 : x->pc > y->pc;
}

void accel_info_tb_list(GString *out, unsigned count)
{
    g_autofree TbFacts *all = NULL;
    unsigned n = 0;

    if (!jit_tb_stats) {
        g_string_append(out, "TBs are not counted (-accel tcg,tb-stats=on)\n");
        return;
    }
    tb_lock();
    all = g_new(TbFacts, MAX(live->len, 1u));
    for (; n < live->len; n++)
        all[n] = *(TbFacts *)live->pdata[n];
    tb_unlock();
    qsort(all, n, sizeof *all, more_time);
    g_string_append(out, "pc               flags         executions guest   host per guest\n");
    for (unsigned i = 0; i < MIN(n, count); i++)
        g_string_append_printf(out, "%016" PRIx64 " %08x %15" PRIu64 " %5u %6u %9.1f\n", all[i].pc, all[i].flags, all[i].runs,
                               all[i].guest_insns, all[i].host_insns, per(all[i].host_insns, all[i].guest_insns));
}
