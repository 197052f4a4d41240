/* fuzz.h - what the device fuzzers share: options, seeds, odd values, damaged saved states, the guard against hanging. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "host/base/osdep.h"
#include "softmmu/device.h"
#include <signal.h>

enum { FUZZ_CASE_SECONDS = 20 };
static GRand *rnd;
static uint64_t fuzz_seed;
static const char *fuzz_name;

static inline uint32_t below(uint32_t n) { return n ? g_rand_int(rnd) % n : 0; }

/* Mostly one of a list of edges. */
#define ANY_OR_ONE_OF(list) (below(3) ? (list)[below(ARRAY_SIZE(list))] : g_rand_int(rnd))

static inline uint32_t value(void) /* often one at an edge of some register */
{
    static const uint32_t v[] = {0, 1, 2, 3, 4, 7, 8, 0x0f, 0x10, 0x11, 0x1f, 0x20, 0x3f, 0x40, 0x50, 0x7f, 0x80, 0xa0, 0xfe, 0xff, 0x100, 0x1ff,
                                 0x200, 0x7ff, 0x800, 0xfff, 0x1000, 0x7fff, 0x8000, 0xfffe, 0xffff, 0x10000, 0xffffff, 0x80000000, 0xffffffff};
    return ANY_OR_ONE_OF(v);
}

/* A state whose fields may hold anything: refused, or survived. */
static inline void fuzz_damaged_state(void)
{
    GByteArray *b = g_byte_array_new();
    GError *err = NULL;
    device_save_all(b);
    for (unsigned n = 1 + below(30); n && b->len; n--)
        b->data[below(b->len)] = value();
    device_load_all(b->data, below(10) ? b->len : below(b->len), &err);
    g_clear_error(&err);
    g_byte_array_free(b, TRUE);
}

static inline void fuzz_on_signal(int sig)
{
    char text[100]; /* no stdio: the heap may be what is broken */
    int n = snprintf(text, sizeof text, "%s: seed %" PRIu64 ": %s\n", fuzz_name, fuzz_seed, sig == SIGALRM ? "takes too long" : "crashed");
    if (write(STDOUT_FILENO, text, n) < 0)
        n = 0;
    signal(sig, SIG_DFL);
    raise(sig);
}

static inline int fuzz_main(const char *name, int argc, char **argv, void (*one_case)(void))
{
    gint64 first = 1, count = 0, seconds = 0, k = 0;
    const GOptionEntry entries[] = {{"seed", 0, 0, G_OPTION_ARG_INT64, &first, "first case", NULL},
        {"count", 0, 0, G_OPTION_ARG_INT64, &count, "cases", NULL}, {"seconds", 0, 0, G_OPTION_ARG_INT64, &seconds, "time", NULL}, {0}};
    GOptionContext *c = g_option_context_new(NULL);
    GError *err = NULL;

    fuzz_name = name;
    g_option_context_add_main_entries(c, entries, NULL);
    if (!g_option_context_parse(c, &argc, &argv, &err)) {
        fprintf(stderr, "%s: %s\n", name, err->message);
        return 2;
    }
    g_option_context_free(c);
    signal(SIGALRM, fuzz_on_signal);
    signal(SIGABRT, fuzz_on_signal);
#if !CONFIG_SANITIZERS
    signal(SIGSEGV, fuzz_on_signal);
#endif
    gint64 end = seconds ? g_get_monotonic_time() + seconds * G_USEC_PER_SEC : G_MAXINT64;
    if (!count && !seconds)
        count = 100;
    for (; (!count || k < count) && g_get_monotonic_time() < end; k++) {
        fuzz_seed = (uint64_t)(first + k);
        rnd = g_rand_new_with_seed((guint32)fuzz_seed);
        alarm(FUZZ_CASE_SECONDS);
        one_case();
        alarm(0);
        g_rand_free(rnd);
    }
    printf("%s: %" PRIi64 " cases (seeds from %" PRIi64 "), nothing wrong\n", name, k, first);
    return 0;
}

#endif
