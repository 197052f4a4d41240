/* fuzz-vnc.c - clients of the VNC server that send nonsense: whole messages with random fields, cut off, mixed with noise
 *   fuzz-vnc [--seed N] [--count N | --seconds N]
 * The screen changes its size meanwhile. Wrong is: a crash, a sanitizer report, a server that serves nobody any more.
 * A failing case is named by its seed; timing between the threads is not repeated. */
#include "tests/fuzz/fuzz.h"
#include "host/display/console.h"
#include "host/display/input.h"
#include "host/display/vnc.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { CASE_SECONDS = 60 };
static char *path;
static Surface *surface;
static int dev;

static void update(void *opaque)
{
    if (!surface)
        return;
    for (int i = 0; i < 50; i++)
        surface->pixels[g_random_int_range(0, surface->width * surface->height)] = g_random_int();
    console_dirty(0, 0, surface->width, surface->height);
}
static const ConsoleOps ops = {.update = update};

static void key(void *opaque, KeyCode k, bool down) { g_assert_true(k >= 0 && key_table[k].name); }
static void absolute(void *opaque, int x, int y, int dz, unsigned b) { g_assert_true(x >= 0 && x <= INPUT_ABS_MAX && y >= 0 && y <= INPUT_ABS_MAX); }
static void relative(void *opaque, int dx, int dy, int dz, unsigned b) { g_assert_true(ABS(dx) <= 0xffff && ABS(dy) <= 0xffff); }
static const InputSink kbd = {.key = key}, tablet = {.absolute = absolute}, mouse = {.mouse = relative};

static int connect_client(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(un.sun_path, path, sizeof un.sun_path);
    if (connect(fd, (struct sockaddr *)&un, sizeof un) < 0)
        g_error("seed %" PRIu64 ": the server does not listen any more: %s", fuzz_seed, g_strerror(errno));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void put(GByteArray *b, uint64_t v, int bytes)
{
    for (int i = bytes; i-- > 0;) {
        uint8_t c = (uint8_t)(v >> 8 * i);
        g_byte_array_append(b, &c, 1);
    }
}

static uint32_t field(void)
{
    static const uint32_t v[] = {0, 1, 2, 15, 16, 32, 64, 255, 256, 320, 720, 1024, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff,
                                 0x80000000, 0xffffffff};
    return ANY_OR_ONE_OF(v);
}

static void message(GByteArray *b)
{
    static const int32_t encodings[] = {0, 1, 2, 4, 5, 6, 7, 8, 9, 15, 16, 17, -23, -32, -223, -224, -232, -239, -240, -247, -256,
                                        -257, -258, -260, -261, -305, -307, -308, -309, -512, -412, 0x574d5664, -65536, -65535, -65530};
    static const uint8_t bpps[] = {8, 16, 32, 24, 0, 255}, depths[] = {8, 16, 24, 32, 0};
    unsigned n;
    switch (below(14)) {
    case 0: /* SetPixelFormat */
        put(b, 0, 4);
        put(b, bpps[below(below(4) ? 3 : 6)], 1);
        put(b, depths[below(5)], 1);
        put(b, below(2), 1);
        put(b, below(8) != 0, 1);
        for (int i = 0; i < 3; i++)
            put(b, below(2) ? (1u << below(17)) - 1 : field(), 2);
        for (int i = 0; i < 3; i++)
            put(b, below(8) ? below(32) : below(256), 1);
        put(b, 0, 3);
        break;
    case 1: /* SetEncodings */
        n = below(12);
        put(b, 2, 1);
        put(b, 0, 1);
        put(b, n + (below(20) == 0), 2);
        for (unsigned i = 0; i < n; i++)
            put(b, below(10) ? (uint32_t)encodings[below(ARRAY_SIZE(encodings))] : field(), 4);
        break;
    case 2:
    case 3: /* FramebufferUpdateRequest */
        put(b, 3, 1);
        put(b, below(2), 1);
        for (int i = 0; i < 4; i++)
            put(b, below(2) ? below(1300) : field(), 2);
        break;
    case 4:
    case 5: /* KeyEvent */
        put(b, 4, 1);
        put(b, below(3), 1);
        put(b, 0, 2);
        put(b, below(2) ? below(128) : below(2) ? 0xff00 | below(256) : field(), 4);
        break;
    case 6:
    case 7: /* PointerEvent */
        put(b, 5, 1);
        put(b, field(), 1);
        put(b, field(), 2);
        put(b, field(), 2);
        break;
    case 8: /* ClientCutText, also the extended form */
        n = below(300);
        put(b, 6, 4);
        put(b, below(8) ? n : below(2) ? (uint32_t)-(int)n : field(), 4);
        for (unsigned i = 0; i < n; i++)
            put(b, field(), 1);
        break;
    case 9: /* QEMU */
        put(b, 255, 1);
        put(b, below(8) ? 0 : below(4), 1);
        put(b, field(), 2);
        put(b, field(), 4);
        put(b, below(2) ? below(256) : field(), 4);
        break;
    case 10: /* SetDesktopSize, xvp, scaling, server input, text chat, files */
        put(b, (const uint8_t[]){251, 250, 8, 15, 9, 10, 11, 7, 248, 150}[below(10)], 1);
        for (unsigned i = below(24); i; i--)
            put(b, field(), 1);
        break;
    case 11:
        put(b, field(), 1 + below(4));
        break;
    default: /* a good start over */
        put(b, 3, 2);
        put(b, 0, 4);
        put(b, 720u << 16 | 400, 4);
        break;
    }
}

static void drain(int fd, int ms)
{
    static char sink[1 << 16];
    struct pollfd p = {fd, POLLIN, 0};
    while (poll(&p, 1, ms) > 0 && read(fd, sink, sizeof sink) > 0)
        while (g_main_context_iteration(NULL, FALSE))
            ;
}

static void send_all(int fd, const GByteArray *b)
{
    for (guint at = 0; at < b->len;) {
        uint32_t part = 1 + below(4000);
        ssize_t n = send(fd, b->data + at, MIN(b->len - at, part), MSG_NOSIGNAL);
        if (n > 0)
            at += (guint)n;
        else if (n < 0 && errno != EAGAIN)
            return; /* thrown out */
        drain(fd, 0);
        while (g_main_context_iteration(NULL, FALSE))
            ;
    }
}

static void one_client(void)
{
    GByteArray *b = g_byte_array_new();
    int fd = connect_client();
    switch (below(8)) {
    case 0:
        put(b, field(), 1 + below(8));
        break;
    case 1:
        g_byte_array_append(b, (const guint8 *)"RFB 003.003\n\1", 13);
        break;
    case 2:
        g_byte_array_append(b, (const guint8 *)"RFB 003.007\n\1\1", 14);
        break;
    default:
        g_byte_array_append(b, (const guint8 *)"RFB 003.008\n\1\1", 14);
        break;
    }
    for (unsigned n = below(60); n; n--)
        message(b);
    for (unsigned n = below(3) ? 0 : below(6); n; n--)
        b->data[below(b->len)] = (uint8_t)field();
    send_all(fd, b);
    drain(fd, below(4) ? 1 : 20);
    if (below(2))
        shutdown(fd, SHUT_WR);
    close(fd);
    g_byte_array_free(b, TRUE);
}

/* Somebody who behaves is served. */
static void good_client(void)
{
    GByteArray *b = g_byte_array_new();
    int fd = connect_client();
    gint64 end = g_get_monotonic_time() + CASE_SECONDS * G_USEC_PER_SEC / 2;
    size_t got = 0;
    char buf[1 << 16];
    g_byte_array_append(b, (const guint8 *)"RFB 003.008\n\1\1", 14);
    put(b, 3, 1);
    put(b, 0, 5);
    put(b, 16u << 16 | 16, 4);
    send_all(fd, b);
    g_byte_array_free(b, TRUE);
    /* send_all may have read the beginning already: ask again until something more comes */
    while (g_get_monotonic_time() < end && !got) {
        static const uint8_t again[10] = {3, 0, 0, 0, 0, 0, 0, 16, 0, 16};
        if (send(fd, again, sizeof again, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            break;
        g_usleep(2000);
        while (g_main_context_iteration(NULL, FALSE))
            ;
        ssize_t n = read(fd, buf, sizeof buf);
        if (n > 16 * 16)
            got = (size_t)n;
    }
    close(fd);
    if (!got)
        g_error("seed %" PRIu64 ": a good client gets nothing any more", fuzz_seed);
}

static void one_case(void)
{
    alarm(CASE_SECONDS); /* clients wait for each other: longer than a case of other devices */
    for (unsigned n = 1 + below(3); n; n--)
        one_client();
    if (!below(6))
        surface = console_resize(1 + (int)below(below(2) ? 100 : 1400), 1 + (int)below(below(2) ? 100 : 1100));
    if (!below(6))
        input_add_pointer("p", below(2) ? &tablet : &mouse, &dev);
    if (!below(10))
        input_remove_pointer(&dev);
    if (fuzz_seed % 20 == 0)
        good_client();
    alarm(0);
}

int main(int argc, char **argv)
{
    int r = 0;

    signal(SIGPIPE, SIG_IGN);
#if CONFIG_VNC
    path = g_strdup_printf("/tmp/vireo-fuzz-vnc-%d", (int)getpid());
    g_autofree char *opt = g_strdup_printf("unix:%s,key-delay-ms=0,share=ignore", path);
    GError *err = NULL;
    console_attach(&ops, &dev);
    surface = console_resize(720, 400);
    input_set_keyboard(&kbd, &dev);
    if (!vnc_display_start(opt, "fuzz", &err))
        g_error("%s", err->message);
    r = fuzz_main("fuzz-vnc", argc, argv, one_case);
    vnc_display_stop();
    input_remove_pointer(&dev);
    console_detach(&dev);
#endif
    return r;
}
