/* accel.c - the translator's life: options, code buffer, CPUs, and the counts that `info jit` shows. */
#include "accel/internal.h"

#include "host/base/mem.h"

CodeBuf *jit_buf;
TcgContext *jit_context;
bool jit_one_insn;
CPUState *first_cpu;
bool accel_parallel;

static TcgGuest jit_guest;

enum { DEFAULT_TB_SIZE_MIB = 128, MIN_TB_SIZE_MIB = 4, MAX_TB_SIZE_MIB = 1024 };

bool accel_init(const AccelOptions *opts, const TcgGuest *guest, GError **errp)
{
    size_t size = opts->tb_size ? opts->tb_size : DEFAULT_TB_SIZE_MIB * MiB;
    /* Jumps inside the buffer are 32-bit relative; a TB needs room to be made at all. */
    size = CLAMP(size, MIN_TB_SIZE_MIB * MiB, MAX_TB_SIZE_MIB * MiB);
    jit_guest = *guest;
    tlb_fill_slow_paths(&jit_guest);
    jit_guest.new_guess = tlb_new_guess;
    jit_buf = codebuf_new(size, errp);
    if (!jit_buf)
        return false;
    codebuf_add_guesses(jit_buf);
    tcg_gen_prologue(jit_buf, &jit_guest);
    jit_dump_prologue();
    jit_context = tcg_context_new(&jit_guest, jit_buf);
    jit_one_insn = opts->one_insn_per_tb;
    if (opts->perfmap && !perfmap_open(errp))
        return false;
    tb_cache_init();
    tb_stats_init(opts->tb_stats);
    return true;
}

CPUState *cpu_new(const CPUOps *ops, void *env, GError **errp)
{
    CPUState *cpu = g_new0(CPUState, 1);
    cpu->ops = ops;
    cpu->env = env;
    cpu->exception_index = EXCP_NONE;
    cpu->code_page.page = ~0ULL;
    g_cond_init(&cpu->halt_cond);
    g_queue_init(&cpu->work);
    TcgEnvHead *head = env;
    head->cpu = cpu;
    jump_cache_init(cpu);
    head->mxcsr_run = 0x1f80;
    if (!tlb_init(cpu, errp)) {
        cpu_free(cpu);
        return NULL;
    }
    if (!first_cpu)
        first_cpu = cpu;
    else
        accel_parallel = true;
    return cpu;
}

void cpu_free(CPUState *cpu)
{
    if (first_cpu == cpu)
        first_cpu = NULL;
    tlb_free(cpu);
    jump_cache_free(cpu);
    g_queue_clear(&cpu->work);
    g_cond_clear(&cpu->halt_cond);
    g_free(cpu);
}

CPUState *cpu_by_index(int i) { return first_cpu && first_cpu->index == i ? first_cpu : NULL; }

static void flush_work(CPUState *cpu, void *opaque) { tb_flush_all(cpu); }

void accel_set_one_insn_per_tb(bool on)
{
    jit_one_insn = on;
    if (first_cpu)
        run_on_cpu(first_cpu, flush_work, NULL);
}

static double per(uint64_t a, uint64_t b) { return b ? (double)a / b : 0; }

void accel_info_jit(GString *out)
{
    unsigned count, max_target, cross, linked1, linked2;
    uint64_t target;
    tb_cache_stats(&count, &target, &max_target, &cross, &linked1, &linked2);
    size_t used = jit_buf->ptr - jit_buf->start + (jit_buf->cold - jit_buf->cold_start);
    CPUState *cpu = first_cpu;

    g_string_append(out, "Translation buffer state:\n");
    g_string_append_printf(out, "gen code size       %zu/%zu\n", used, (size_t)(jit_buf->end - jit_buf->start + (jit_buf->cold_end - jit_buf->cold_start)));
    g_string_append_printf(out, "TB count            %u\n", count);
    g_string_append_printf(out, "TB avg target size  %.0f max=%u bytes\n", per(target, count), max_target);
    g_string_append_printf(out, "TB avg host size    %.0f bytes (expansion ratio: %.1f)\n", per(used, count), per(used, target));
    g_string_append_printf(out, "cross page TB count %u (%u%%)\n", cross, count ? cross * 100 / count : 0);
    g_string_append_printf(out, "direct jump count   %u (%u%%) (2 jumps=%u %u%%)\n", linked1, count ? linked1 * 100 / count : 0,
                           linked2, count ? linked2 * 100 / count : 0);
    g_string_append(out, "\nStatistics:\n");
    g_string_append_printf(out, "TB flush count      %" PRIu64 "\n", jit_totals.flushes);
    g_string_append_printf(out, "TB invalidate count %" PRIu64 "\n", jit_totals.invalidations);
    g_string_append_printf(out, "TB translations     %" PRIu64 "\n", jit_totals.translations);
    g_string_append_printf(out, "  guest insns       %" PRIu64 " (%.1f per TB)\n", jit_totals.guest_insns,
                           per(jit_totals.guest_insns, jit_totals.translations));
    g_string_append_printf(out, "  host bytes        %" PRIu64 " (%.1f per guest insn)\n", jit_totals.host_bytes,
                           per(jit_totals.host_bytes, jit_totals.guest_insns));
    g_string_append_printf(out, "  ops               %" PRIu64 " (%.1f per guest insn)\n", jit_totals.ops,
                           per(jit_totals.ops, jit_totals.guest_insns));
    g_string_append_printf(out, "  time              %" PRIu64 " us (%.0f ns per guest insn)\n", jit_totals.translate_ns / 1000,
                           per(jit_totals.translate_ns, jit_totals.guest_insns));
    if (!cpu)
        return;
    g_string_append_printf(out, "TLB full flushes    %" PRIu64 "\n", cpu->stats.tlb_flushes);
    g_string_append_printf(out, "TLB spaces kept     %" PRIu64 "\n", cpu->stats.tlb_spaces_kept);
    g_string_append_printf(out, "TLB page flushes    %" PRIu64 "\n", cpu->stats.tlb_page_flushes);
    g_string_append_printf(out, "TLB fills           %" PRIu64 "\n", cpu->stats.tlb_fills);
    g_string_append_printf(out, "TLB guesses made    %" PRIu64 ", dropped %" PRIu64 " times, in %" PRIu64 " TBs, given up in %" PRIu64 "\n", cpu->stats.guesses,
                           cpu->stats.guess_drops, cpu->stats.guess_hot, cpu->stats.guess_tbs);
    g_string_append_printf(out, "TLB victim hits     %" PRIu64 "\n", cpu->stats.tlb_victim_hits);
    g_string_append_printf(out, "TLB slow accesses   %" PRIu64 "\n", cpu->stats.tlb_slow);
    g_string_append_printf(out, "stores to code pages %" PRIu64 "\n", cpu->stats.notdirty);
    g_string_append_printf(out, "MMIO accesses       %" PRIu64 "\n", cpu->stats.mmio);
    g_string_append_printf(out, "TB exits            %" PRIu64 "\n", cpu->stats.exits);
    g_string_append_printf(out, "jump cache misses   %" PRIu64 " (found by hash: %" PRIu64 ")\n", cpu->stats.jc_misses,
                           cpu->stats.hash_hits);
    g_string_append_printf(out, "put back            %" PRIu64 "\n", cpu->stats.jc_again);
    g_string_append_printf(out, "jumps to victims    %" PRIu64 "\n", cpu->stats.jc_victims);
    g_string_append_printf(out, "TB links made       %" PRIu64 "\n", cpu->stats.chained);
    tlb_stats(cpu, out);
    tb_stats_info(cpu, out);
}
