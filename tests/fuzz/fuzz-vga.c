/* fuzz-vga.c - random register and memory accesses to the VGA, with painting, text, saved states that were damaged
 *   fuzz-vga [--seed N] [--count N | --seconds N]
 * Wrong is: a crash, a sanitizer report, an assertion, a case that takes more than 20 s. A failing case is repeated
 * by its seed (--seed N --count 1). */
#include "tests/hw/display/vga-harness.h"
#include <signal.h>

enum { OPS = 600, CASE_SECONDS = 20 };
static GRand *rnd;
static uint64_t seed;

static uint32_t below(uint32_t n) { return n ? g_rand_int(rnd) % n : 0; }

static uint32_t value(void)
{
    static const uint32_t v[] = {0, 1, 2, 3, 4, 7, 8, 0x0f, 0x1f, 0x20, 0x3f, 0x40, 0x41, 0x61, 0x80, 0xff, 0x100, 0x3ff, 0x7ff, 0xfff,
                                 0x1000, 0x7fff, 0x8000, 0xffff, 640, 800, 1024, 2560, 4096, 0xffffffff};
    return below(3) ? v[below(ARRAY_SIZE(v))] : g_rand_int(rnd);
}

static void ports(void)
{
    switch (below(6)) {
    case 0:
        seq(below(9), value());
        break;
    case 1:
        gr(below(17), value());
        break;
    case 2: /* not all at once: most geometry is more of a test than none */
        crtc(below(0x1a), value());
        break;
    case 3:
        attr(below(0x16), value());
        break;
    case 4:
        outb(0x3b0 + below(0x30), value());
        inb(0x3b0 + below(0x30));
        break;
    default:
        vbe(below(12), below(4) == 0 ? (uint16_t)(0x41 | value()) : value());
        outw(0x1ce + below(3), value());
        inw(0x1ce + below(3));
        break;
    }
}

static void vbe_mode(void)
{
    static const uint8_t bpps[] = {4, 8, 15, 16, 24, 32};
    vbe(4, 0);
    vbe(1, below(2) ? 8 + below(2600) : value());
    vbe(2, below(2) ? 1 + below(1700) : value());
    vbe(3, bpps[below(ARRAY_SIZE(bpps))]);
    vbe(4, 0x41 | (below(2) ? 0x20 : 0) | (below(2) ? 0x80 : 0));
    vbe(6, value());
    vbe(8, value());
    vbe(9, value());
}

static void memory(void)
{
    unsigned size = 1u << below(4);
    static const hwaddr bases[] = {0xa0000, 0xb8000, BAR0, BAR2, BAR2 + 0x400, BAR2 + 0x500, BAR2 + 0x600};
    static const uint32_t sizes[] = {0x20000, 0x8000, 16 << 20, 0x1000, 0x20, 0x16, 8};
    unsigned i = below(ARRAY_SIZE(bases));
    for (unsigned n = 1 + below(20); n; n--) {
        hwaddr a = bases[i] + below(sizes[i]);
        if (below(2))
            physmem_st(&address_space_memory, a, size, g_rand_int(rnd) | (uint64_t)g_rand_int(rnd) << 32);
        else
            physmem_ld(&address_space_memory, a, size);
    }
}

/* A state whose fields may hold anything: refused, or survived. Video memory is not part of it. */
static void damaged_state(void)
{
    GByteArray *b = g_byte_array_new();
    device_save_all(b);
    for (unsigned n = b->len ? 1 + below(30) : 0; n; n--)
        b->data[below(b->len)] = value();
    GError *err = NULL;
    device_load_all(b->data, below(10) ? b->len : below(b->len), &err);
    g_clear_error(&err);
    g_byte_array_free(b, TRUE);
}

static void one_case(void)
{
    ConsoleText t;
    alarm(CASE_SECONDS);
    setup();
    if (below(2))
        vbe_mode();
    outb(0x3c2, 0x63 | below(256));
    attr(0, 0);
    for (int i = 0; i < OPS; i++) {
        switch (below(20)) {
        case 0:
        case 1:
            console_update();
            break;
        case 2:
            if (console_text(&t) && t.rows)
                g_assert_cmpint(t.rows * t.cols, <=, 1 << 16);
            break;
        case 3:
            clock_test_step(below(1000000000));
            break;
        case 4:
            if (!below(4))
                vbe_mode();
            break;
        case 5:
            if (!below(10))
                damaged_state();
            break;
        case 6:
            if (!below(100))
                device_reset_all();
            break;
        case 7:
        case 8:
        case 9:
        case 10:
        case 11:
            memory();
            break;
        default:
            ports();
            break;
        }
    }
    console_update();
    teardown();
    alarm(0);
}

static void on_signal(int sig)
{
    printf("fuzz-vga: seed %" PRIu64 ": %s\n", seed, sig == SIGALRM ? "takes too long" : "crashed");
    fflush(stdout);
    signal(sig, SIG_DFL);
    raise(sig);
}

int main(int argc, char **argv)
{
    gint64 first = 1, count = 0, seconds = 0, k = 0;
    const GOptionEntry entries[] = {{"seed", 0, 0, G_OPTION_ARG_INT64, &first, "first case", NULL},
        {"count", 0, 0, G_OPTION_ARG_INT64, &count, "cases", NULL}, {"seconds", 0, 0, G_OPTION_ARG_INT64, &seconds, "time", NULL}, {0}};
    GOptionContext *c = g_option_context_new(NULL);
    GError *err = NULL;

    g_option_context_add_main_entries(c, entries, NULL);
    if (!g_option_context_parse(c, &argc, &argv, &err)) {
        fprintf(stderr, "fuzz-vga: %s\n", err->message);
        return 2;
    }
    g_option_context_free(c);
    signal(SIGALRM, on_signal);
    signal(SIGABRT, on_signal);
#if !CONFIG_SANITIZERS
    signal(SIGSEGV, on_signal);
#endif
    gint64 end = seconds ? g_get_monotonic_time() + seconds * G_USEC_PER_SEC : G_MAXINT64;
    if (!count && !seconds)
        count = 100;
    for (; (!count || k < count) && g_get_monotonic_time() < end; k++) {
        seed = (uint64_t)(first + k);
        rnd = g_rand_new_with_seed((guint32)seed);
        one_case();
        g_rand_free(rnd);
    }
    printf("fuzz-vga: %" PRIi64 " cases (seeds from %" PRIi64 "), nothing wrong\n", k, first);
    return 0;
}
