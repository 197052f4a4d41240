/* codebuf.c - the code buffer: one memory, seen writable at rw and executable at rx (W^X by two
 * mappings, so that hardened hosts which refuse RWX pages run it).
 *
 * Layout: the prologue (written once by the back end, ends at start), then TBs one behind the other; in a part of its
 * own, so that what runs lies close together, what seldom or never runs: stubs, exits, fault maps.
 * Both views of a page count as resident memory, so the writable one lets its pages go behind where code is written.
 * When ptr passes end the owner flushes everything and starts again at start; there is no eviction of
 * single TBs. The margin behind end is larger than any TB the back end may emit before it looks. */
#include "tcg/tcg.h"
#include "host/base/mem.h"

enum { CODEBUF_MARGIN = 512 * 1024, CODEBUF_MIN = 2 * CODEBUF_MARGIN, CODEBUF_MIN_SPLIT = 4 * CODEBUF_MIN };
enum { TRIM_ALIGN = 64 * 1024, TRIM_STEP = 1 * MiB, TRIM_LAG = 1 * MiB, READY_STEP = 256 * 1024, READY_AHEAD = 64 * 1024 };

static void start_trimming(CodeBuf *b)
{
    b->trimmed = (uint8_t *)ROUND_UP((uintptr_t)b->start, TRIM_ALIGN);
    b->cold_trimmed = (uint8_t *)ROUND_UP((uintptr_t)b->cold_start, TRIM_ALIGN);
    b->huge = false;
    b->ready = b->trimmed;
    b->cold_ready = b->cold_trimmed;
}

CodeBuf *codebuf_new(size_t size, GError **errp)
{
    CodeBuf *b = g_new0(CodeBuf, 1);
    void *rw, *rx;
    size_t page = sysconf(_SC_PAGESIZE);

    b->size = ROUND_UP(MAX(size, (size_t)CODEBUF_MIN), page);
    if (!mem_alloc_code(b->size, &rw, &rx, errp)) {
        g_free(b);
        return NULL;
    }
    b->rw = rw;
    b->rx = rx;
    b->rx_diff = b->rx - b->rw;
    b->ptr = b->start = b->rw;
    b->end = b->rw + b->size - CODEBUF_MARGIN;
    if (b->size >= CODEBUF_MIN_SPLIT) {
        b->cold_end = b->end;
        size_t hot = (b->size - CODEBUF_MIN) * 9 / 20 + CODEBUF_MARGIN;
        if (hot > 4 * MEM_HUGE_PAGE) /* no huge page for the little at the cold part's begin */
            hot -= ((uintptr_t)b->rw + hot) % MEM_HUGE_PAGE;
        b->end = b->rw + hot - CODEBUF_MARGIN;
        b->cold = b->cold_start = b->rw + hot;
    }
    start_trimming(b);
    return b;
}

/* Anonymous memory: what is not used is not there. */
enum { GUESS_BYTES = MAX_GUESSES * sizeof(PageGuess), INFO_BYTES = MAX_GUESSES * (sizeof(int32_t) + sizeof(GuessInfo)) + sizeof(Guesses) };

void codebuf_add_guesses(CodeBuf *b)
{
    PageGuess *guess = mem_alloc_ram(GUESS_BYTES, NULL);
    uint8_t *rest = guess ? mem_alloc_ram(INFO_BYTES, NULL) : NULL;
    uintptr_t lo = MIN((uintptr_t)guess, (uintptr_t)b->rx), hi = MAX((uintptr_t)guess + GUESS_BYTES, (uintptr_t)b->rx + b->size);

    if (!rest || hi - lo > INT32_MAX) {
        mem_free(guess, GUESS_BYTES);
        mem_free(rest, INFO_BYTES);
        return;
    }
    mem_small_pages(rest, INFO_BYTES);
    Guesses *g = b->guesses = (Guesses *)(void *)(rest + MAX_GUESSES * (sizeof(int32_t) + sizeof(GuessInfo)));
    g->guess = guess;
    g->info = (GuessInfo *)(void *)rest;
    g->patience = (int32_t *)(void *)(rest + MAX_GUESSES * sizeof(GuessInfo));
    g->used = 1;
}

uint32_t codebuf_guess_runs(CodeBuf *b)
{
    if (!b->guesses || b->guesses->used >= MAX_GUESSES)
        return 0;
    uint32_t n = b->guesses->used++;
    b->guesses->info[n] = (GuessInfo){ 0 };
    *codebuf_runs(b, n) = 0;
    return n;
}

uint32_t codebuf_new_guess(CodeBuf *b, uint32_t key, uint64_t tb, uint32_t runs, unsigned mmu, bool write)
{
    Guesses *g = b->guesses;
    uint32_t hash = key * 0x9e3779b1u >> (32 - GUESS_BAD_BITS);

    if (g->used >= MAX_GUESSES || g->bad[hash / 64] >> hash % 64 & 1)
        return 0;
    uint32_t n = g->used++;
    g->info[n] = (GuessInfo){ .tb = tb, .key = key, .runs = runs, .mmu = mmu, .write = write };
    g->patience[n] = 0;
    g->guess[n].page = g->empty;
    return n;
}

void codebuf_free(CodeBuf *b)
{
    if (!b)
        return;
    if (b->guesses) {
        mem_free(b->guesses->guess, GUESS_BYTES);
        mem_free(b->guesses->info, INFO_BYTES);
    }
    mem_free(b->rw, b->size);
    if (b->rx != b->rw)
        mem_free(b->rx, b->size);
    g_free(b);
}

void codebuf_flush(CodeBuf *b)
{
    b->ptr = b->start;
    b->cold = b->cold_start;
    if (b->guesses) {
        b->guesses->used = 1;
        memset(b->guesses->bad, 0, sizeof b->guesses->bad);
        memset(b->guesses->hot, 0, sizeof b->guesses->hot);
    }
    start_trimming(b);
}

/* Give back the writable view's pages from where that was done last up to here, if there are enough of them. What
 * is there already and linked later costs a fault (few are: links are made soon after the code, hence TRIM_LAG). */
static void trim(const CodeBuf *b, uint8_t **done, uint8_t *to)
{
    size_t step = b->huge ? MEM_HUGE_PAGE : TRIM_STEP; /* a part of a huge page would split it */

    to -= (uintptr_t)to % (b->huge ? MEM_HUGE_PAGE : TRIM_ALIGN);
    if (to - *done >= (ptrdiff_t)step) {
        mem_forget_view(*done, to - *done);
        *done = to;
    }
}

/* The pages in front of the place where code is written are made ahead in both views, many at once: a page that is written and
 * run for the first time would cost two faults (exits run in the cold part until they are linked). Huge pages cost a tenth of
 * that, and fewer misses of the host's TLB later. */
static void make_ready(CodeBuf *b, uint8_t **ready, const uint8_t *at, const uint8_t *end)
{
    if (likely(at + READY_AHEAD < *ready) || *ready + READY_STEP > end)
        return;
    uint8_t *page = *ready - (uintptr_t)*ready % MEM_HUGE_PAGE;
    if (page >= b->rw && page + MEM_HUGE_PAGE <= end && mem_huge_view(page, MEM_HUGE_PAGE)) {
        b->huge = true;
        *ready = page + MEM_HUGE_PAGE;
        return;
    }
    mem_ready_view(*ready, READY_STEP, true);
    mem_ready_view(*ready + b->rx_diff, READY_STEP, false);
    *ready += READY_STEP;
}

void codebuf_trim(CodeBuf *b)
{
    make_ready(b, &b->ready, b->ptr, b->end);
    trim(b, &b->trimmed, b->ptr - TRIM_LAG);
    if (b->cold) {
        make_ready(b, &b->cold_ready, b->cold, b->cold_end);
        trim(b, &b->cold_trimmed, b->cold);
    }
}

bool codebuf_contains(const CodeBuf *b, uintptr_t rx_addr)
{
    return rx_addr - (uintptr_t)b->rx < b->size; /* one unsigned comparison covers both ends */
}
