/* translate-all.c - one TB from guest bytes to host code, the -d dumps on the way, and the compact map
 * that leads from a host address in a TB back to the guest's state.
 *
 * The map lies behind the TB's stubs: for each call of a helper that may look at guest state, then for each slow path that has no note
 * (tcg/x86_64/slow-path.c), the return address (as the distance from the one before), the change of eip likewise and the front end's word. A TB
 * without faults never reads it. */
#include "accel/internal.h"
#include "host/base/log.h"
#include "softmmu/dirty.h"
#include "softmmu/timer.h"

#include <fcntl.h>
#include <unistd.h>

/* --- the fault map --- */

static inline uint8_t *put_u(uint8_t *p, uint64_t v)
{
    while (unlikely(v >= 0x80)) {
        *p++ = v | 0x80;
        v >>= 7;
    }
    *p++ = v;
    return p;
}
static inline uint8_t *put_s(uint8_t *p, int64_t v) { return put_u(p, (uint64_t)v << 1 ^ (uint64_t)(v >> 63)); }
static uint64_t get_u(const uint8_t **p)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
}
static int64_t get_s(const uint8_t **p)
{
    uint64_t v = get_u(p);
    return v >> 1 ^ -(v & 1);
}

enum { MAP_ENTRY_MAX = 1 + 5 + 10 + 10, MAP_LONG = 0xff };

/* eip as the map has it, at the TB's begin. */
static uint64_t first_eip(const TB *tb) { return tb->floating ? tb->pc & ~TCG_PAGE_MASK : tb->pc - tb->cs_base; }

/* Nearly every entry has four bytes: of the host code, of eip's change, two of the word. The others begin with MAP_LONG. last: where the host
 * code begins. */
static uint8_t *encode_map(uint8_t *p, const TcgInsnMap *map, unsigned n, uint32_t last, uint64_t *eip)
{
    uint64_t at = *eip;

    p = put_u(p, n);
    for (const TcgInsnMap *end = map + n; map < end; map++) {
        uint32_t host = map->host_end - last;
        int64_t change = map->data[0] - at;
        uint64_t word = map->data[1];
        if (likely(host < MAP_LONG && change == (int8_t)change && word <= UINT16_MAX)) {
            uint32_t v = host | (uint32_t)(uint8_t)change << 8 | (uint32_t)word << 16;
            memcpy(p, &v, 4);
            p += 4;
        } else {
            *p++ = MAP_LONG;
            p = put_u(put_s(put_u(p, host), change), word);
        }
        last = map->host_end;
        at = map->data[0];
    }
    *eip = at;
    return p;
}

static const uint8_t *decode_entry(const uint8_t *p, uint32_t *host, uint64_t data[2])
{
    if (*p != MAP_LONG) {
        *host += p[0];
        data[0] += (int8_t)p[1];
        data[1] = p[2] | p[3] << 8;
        return p + 4;
    }
    p++;
    *host += get_u(&p);
    data[0] += get_s(&p);
    data[1] = get_u(&p);
    return p;
}

bool tb_restore_data(const TB *tb, uintptr_t host_pc, uint64_t data[2])
{
    const TbCold *cold = tb_cold(tb);
    const uint8_t *p = (const uint8_t *)cold + cold->map;
    const uint8_t *from[2] = {tb_code(tb), (const uint8_t *)cold};

    data[0] = first_eip(tb);
    data[1] = 0;
    for (unsigned k = 0; k < 2 && cold->map; k++) {
        uint32_t at = 0;
        for (uint64_t n = get_u(&p); n; n--) {
            p = decode_entry(p, &at, data);
            if (host_pc == (uintptr_t)from[k] + at)
                return true;
        }
    }
    if (host_pc - (uintptr_t)from[1] >= TCG_MAX_PART)
        return false;
    data[0] = first_eip(tb);
    tcg_slow_path_data((const uint8_t *)host_pc, data);
    return true;
}

/* --- dumps --- */

static void write_block(GString *s)
{
    g_string_append_c(s, '\n');
    FILE *f = log_lock();
    if (f)
        fputs(s->str, f);
    log_unlock(f);
    g_string_free(s, TRUE);
}

static void dump_in(CPUState *cpu, const TB *tb)
{
    GString *s = g_string_new("----------------\nIN: \n");
    g_autofree uint8_t *bytes = g_malloc(tb->size);
    for (unsigned i = 0; i < tb->size; i++)
        bytes[i] = cpu_ldcode(cpu, tb->pc + i);
    disas_guest(s, bytes, tb->size, tb->pc, cpu->ops->disas_mode(cpu->env, tb->flags), tb->icount);
    write_block(s);
}

static void dump_ops(TcgContext *c, const char *title)
{
    GString *s = g_string_new(title);
    tcg_dump_ops(c, s);
    write_block(s);
}

static void disas_span(GString *s, const uint8_t *from, const uint8_t *to)
{
    if (from < to)
        disas_host(s, from, to - from, (uintptr_t)from);
}

static void show_note(GString *s, const uint8_t *from, const uint8_t *to)
{
    while (from < to) {
        g_string_append_printf(s, "0x%08" PRIxPTR ":  ", (uintptr_t)from);
        for (unsigned i = 0; i < 8 && from < to; i++)
            g_string_append_printf(s, "%02x ", *from++);
        g_string_append(s, " (note)\n");
    }
}

/* Once, and before the first OUT block: every TB is entered and left through this code. */
void jit_dump_prologue(void)
{
    static bool done;
    if (done || !log_enabled(LOG_TB_OUT_ASM))
        return;
    done = true;
    GString *s = g_string_new(NULL);
    tcg_dump_prologue(jit_buf, s);
    write_block(s);
}

static void dump_out(const TB *tb, const TcgContext *c)
{
    const uint8_t *code = tb_code(tb), *cold = c->cold_rx + c->cold_head;
    uint32_t at = 0, main_size = c->code_size;
    jit_dump_prologue();
    GString *s = g_string_new(NULL);
    g_string_append_printf(s, "OUT: [size=%u]\n", c->code_size + c->cold_size - c->cold_head);
    for (unsigned i = 0; i < c->nb_insns && at < main_size; i++) {
        uint32_t end = MIN(c->insn_map[i].host_end, main_size);
        if (end <= at)
            continue; /* an instruction that became no code of its own */
        g_string_append_printf(s, "  -- guest addr 0x%016" PRIx64 "\n",
                               tb->pc + (c->insn_map[i].data[0] - c->insn_map[0].data[0]));
        disas_span(s, code + at, code + end);
        at = end;
    }
    disas_span(s, code + at, code + main_size);
    if (c->cold_size > c->cold_head) {
        g_string_append(s, "  -- tb slow paths + alignment\n");
        for (unsigned i = 0; c->notes && i < c->notes->len; i += 2) { /* slow-path.c */
            const uint8_t *from = code + g_array_index(c->notes, uint32_t, i), *to = code + g_array_index(c->notes, uint32_t, i + 1);
            disas_span(s, cold, from);
            show_note(s, from, to);
            cold = to;
        }
        disas_span(s, cold, c->cold_rx + c->cold_size);
    }
    write_block(s);
}

/* --- perf --- */

/* Linux tools/perf/Documentation/jit-interface.txt: "START SIZE NAME" lines in hexadecimal. After a flush of the buffer
 * addresses come again with other names; perf takes either. */
static FILE *perfmap;

static void perfmap_line(const void *start, size_t size, const char *kind, uint64_t pc)
{
    fprintf(perfmap, "%" PRIxPTR " %zx %s:0x%" PRIx64 "\n", (uintptr_t)start, size, kind, pc);
}

bool perfmap_open(GError **errp)
{
    g_autofree char *name = g_strdup_printf("/tmp/perf-%d.map", (int)getpid());
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    perfmap = fd < 0 ? NULL : fdopen(fd, "w");
    if (!perfmap)
        return error_set(errp, "-perfmap: cannot create '%s': %s", name, g_strerror(errno));
    setvbuf(perfmap, NULL, _IOLBF, 0); /* perf may look at any time, and the process may be killed */
    perfmap_line(jit_buf->rx, jit_buf->prologue_size, "prologue", 0);
    return true;
}

/* --- generation --- */

static void store_cold_head(const TB *tb, const TcgContext *c, ram_addr_t second)
{
    TbCold *cold = tb_cold_rw(tb);
    uint32_t from_code = c->cold_rx - c->code_rx;

    for (int i = 0; i < 2; i++) {
        uint32_t off = c->goto_tb_jump[i];
        cold->jump_off[i] = off == ~0u ? TB_NO_JUMP : off < c->code_size ? off : (off - from_code) | TB_IN_COLD;
        cold->reset_off[i] = c->goto_tb_reset[i] - from_code;
    }
    cold->map = 0;
    cold->loop_entry = c->loop_entry;
    if (tb->two_pages)
        cold->second = second >> TCG_PAGE_BITS;
}

static void store_map(const TB *tb, const TcgContext *c)
{
    uint64_t eip = first_eip(tb);
    if (!c->nb_stubs)
        return;
    uint8_t **at = jit_buf->cold ? &jit_buf->cold : &jit_buf->ptr, *start = *at, *p = start;
    p = encode_map(p, c->stub_map, c->nb_calls, 0, &eip);
    p = encode_map(p, c->stub_map + c->nb_calls, c->nb_stubs - c->nb_calls, c->cold_rx - c->code_rx, &eip);
    tb_cold_rw(tb)->map = start - (jit_buf->rw + tb->cold);
    *at = p;
}

static bool room_for_map(unsigned entries)
{
    const CodeBuf *b = jit_buf;
    return (b->cold ? b->cold_end - b->cold : b->end - b->ptr) > (ptrdiff_t)entries * MAP_ENTRY_MAX;
}

/* Note the RAM pages that the TB's bytes are on. True: there is a second one, and it is not protected yet. */
static bool find_pages(CPUState *cpu, TB *tb, ram_addr_t *second)
{
    vaddr last = tb->pc + MAX(tb->size, 1) - 1;
    tb->two_pages = false;
    if (!((last ^ tb->pc) & TCG_PAGE_MASK))
        return false;
    *second = tlb_code_addr(cpu, last & TCG_PAGE_MASK, NULL, NULL);
    if (*second == NO_PAGE) {
        tb->cflags |= CF_NOCACHE | CF_NOCHAIN;
        return false;
    }
    tb->two_pages = true;
    return dirty_get(DIRTY_CODE, *second);
}

/* tcg_compile() with a look between its passes: the last one merges branches and exits in the ops. */
static TcgResult compile(TcgContext *c, vaddr pc)
{
    if (!log_enabled(LOG_TB_OP_OPT) || !log_addr_in_filter(pc))
        return tcg_compile(c);
    if (!c->as_emitted)
        tcg_optimize(c);
    tcg_liveness(c);
    dump_ops(c, "OP after optimization and liveness analysis:\n");
    return tcg_regalloc_and_emit(c);
}

/* What the TB will be written to was cleared long ago, by the host: the lines are on their way while the front end works. */
static inline void fetch_ahead(const CodeBuf *b)
{
    for (unsigned n = 1; n <= 3; n++)
        __builtin_prefetch(b->ptr + 64 * n, 1);
    for (unsigned n = 1; n <= 2 && b->cold; n++)
        __builtin_prefetch(b->cold + 64 * n, 1);
}

TB *tb_generate(CPUState *cpu, const TbState *st, uint32_t cflags, ram_addr_t phys_pc)
{
    TcgContext *c = jit_context;
    unsigned max_insns = cflags & CF_COUNT_MASK;
    /* Reading the clock is a part of what a small TB costs: time one in 16. */
    bool timed = jit_totals.translations % 16 == 0;
    int64_t t0 = timed ? clock_ns(CLOCK_HOST_REAL) : 0;
    uint32_t seq;

    fetch_ahead(jit_buf);
    tlb_guess_fetch_ahead(phys_pc);
    if (max_insns == 0 || max_insns > TCG_MAX_INSNS)
        max_insns = TCG_MAX_INSNS;
    if (phys_pc == NO_PAGE) { /* a device as code: each instruction is fetched each time */
        max_insns = 1;
        cflags |= CF_NOCACHE | CF_NOCHAIN;
    }

    /* The front end may leave by a fetch fault: it works on a TB of its own, and nothing is taken before. */
    TB draft = {.pc = st->pc, .cs_base = st->cs_base, .flags = st->flags, .floating = st->floating,
                .page = phys_pc == NO_PAGE ? (uint32_t)TB_NO_PAGE : phys_pc >> TCG_PAGE_BITS};
    ram_addr_t second = NO_PAGE;
    TB *tb;
    TbFacts *facts;
    uint8_t *code_start, *cold_start;
    for (;;) {
        draft.cflags = cflags;
        draft.size = draft.icount = 0;
        draft.has_soft = false;
        seq = tb_inval_seq();
        cpu->code_page.page = ~0ULL;
        if (phys_pc != NO_PAGE) {
            tb_protect_page(phys_pc);
            cpu_ldcode(cpu, st->pc); /* the decoder finds the page's bytes at hand */
        }
        tcg_begin(c);
        c->cs_base = st->cs_base;
        c->no_chain = cflags & CF_NOCHAIN;
        c->no_far = accel_parallel;
        c->could_guess = false;
        c->guess_salt = phys_pc & TCG_PAGE_MASK;
        if (!c->no_optimize && !log_enabled(LOG_TB_OP))
            tcg_optimize_as_emitted(c);
        cpu->ops->translate(cpu, &draft, c, max_insns);
        if (log_enabled(LOG_TB_IN_ASM) && log_addr_in_filter(draft.pc) && !c->overflow)
            dump_in(cpu, &draft);
        if (log_enabled(LOG_TB_OP) && log_addr_in_filter(draft.pc))
            dump_ops(c, "OP:\n");
        if (phys_pc != NO_PAGE && find_pages(cpu, &draft, &second)) {
            /* The second page's bytes were read before writes to it could be seen: once more. */
            tb_protect_page(second);
            continue;
        }
        cflags = draft.cflags;
        c->no_guess = accel_parallel || cflags & CF_NOCACHE || !tlb_guess_is_hot(phys_pc);

        tb = tb_alloc();
        if (!tb) {
            tb_flush_all(cpu);
            continue;
        }
        __builtin_prefetch(tb, 1);
        c->tb_cookie = tb_cookie(tb);
        c->first_eip = first_eip(&draft);
        c->cold_head = draft.two_pages ? sizeof(TbCold) : TB_COLD_HEAD;
        if (unlikely(log_enabled(LOG_TB_OUT_ASM))) {
            if (!c->notes)
                c->notes = g_array_new(FALSE, FALSE, sizeof(uint32_t));
            g_array_set_size(c->notes, 0);
        }
        facts = tb_stats_begin(c);
        code_start = jit_buf->ptr;
        cold_start = jit_buf->cold;
        uint32_t guesses = jit_buf->guesses ? jit_buf->guesses->used : 0;
        /* Room for the map; the back end checks for the code's. */
        TcgResult r = TCG_BUFFER_FULL;
        if (c->overflow)
            r = TCG_TOO_BIG;
        else if (room_for_map(2 * (TCG_MAX_INSNS + 1)))
            r = compile(c, draft.pc);
        if (r == TCG_OK && !room_for_map(c->nb_stubs + 1))
            r = TCG_BUFFER_FULL;
        if (r == TCG_OK)
            break;
        tb_stats_drop(facts);
        jit_buf->ptr = code_start;
        jit_buf->cold = cold_start;
        if (jit_buf->guesses)
            jit_buf->guesses->used = guesses;
        tb_lock();
        tb_drop_last(tb);
        tb_unlock();
        if (r == TCG_BUFFER_FULL) {
            tb_flush_all(cpu);
        } else {
            /* One instruction always fits: the limits were chosen for that. */
            g_assert(max_insns > 1);
            max_insns = (draft.icount > 1 ? MIN(max_insns, draft.icount) : max_insns) / 2;
        }
    }
    *tb = draft;
    g_assert(!tb->has_branch || (c->goto_tb_jump[0] & c->goto_tb_jump[1]) == ~0u);
    if (!tb->has_branch)
        memset(tb->jump_dest, 0, sizeof tb->jump_dest);
    tb->code = c->code_rx - jit_buf->rx;
    tb->cold = c->cold_rx - jit_buf->rx;
    tb->could_guess = c->no_guess && c->could_guess;
    tb->far_slots = c->far_slots;
    tb->has_loop = c->loop_entry != 0;
    tb->loop_slot = c->loop_slot;
    store_cold_head(tb, c, second);
    store_map(tb, c);
    codebuf_trim(jit_buf);
    if (log_enabled(LOG_TB_OUT_ASM) && log_addr_in_filter(tb->pc))
        dump_out(tb, c);
    if (unlikely(perfmap != NULL))
        perfmap_line(c->code_rx, c->code_size, "tb", tb->pc), perfmap_line(c->cold_rx, c->cold_size, "tb-cold", tb->pc);

    tb_lock();
    tb_publish(tb);
    if (tb->has_soft)
        tb_patch_keep(tb);
    tb_stats_end(facts, tb, c);
    /* Somebody wrote code while these bytes were read: use the TB once and read them again next time. */
    if (tb_inval_seq() != seq)
        tb->cflags |= CF_NOCACHE;
    if (!(tb->cflags & CF_NOCACHE))
        tb_insert(cpu, tb);
    jit_totals.translations++;
    jit_totals.guest_insns += tb->icount;
    jit_totals.guest_bytes += tb->size;
    jit_totals.host_bytes += c->code_size + c->cold_size;
    jit_totals.ops += c->nb_ops;
    if (timed)
        jit_totals.translate_ns += 16 * (clock_ns(CLOCK_HOST_REAL) - t0);
    tb_unlock();
    return tb;
}
