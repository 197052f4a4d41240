/* test-chardev.c - sockets, pty, files, pipes, ring buffer and the mux, driven from the other end. */
#include "host/base/osdep.h"
#include "host/char/chardev.h"
#include "softmmu/timer.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>

static char *dir;

typedef struct Front { /* a front end that takes `room` bytes at a time */
    ChardevFe fe;
    GString *in;
    int room, opened, closed, breaks, focus;
} Front;

static int f_can_read(void *o) { return ((Front *)o)->room; }
static void f_read(void *o, const uint8_t *buf, int n)
{
    Front *f = o;
    g_assert_cmpint(n, <=, f->room);
    g_string_append_len(f->in, (const char *)buf, n);
}
static void f_event(void *o, ChardevEvent ev)
{
    Front *f = o;
    f->opened += ev == CHR_EVENT_OPENED;
    f->closed += ev == CHR_EVENT_CLOSED;
    f->breaks += ev == CHR_EVENT_BREAK;
    f->focus += ev == CHR_EVENT_MUX_IN ? 1 : ev == CHR_EVENT_MUX_OUT ? -1 : 0;
}
static const ChardevHandlers handlers = {f_can_read, f_read, f_event};

static void front(Front *f, Chardev *chr)
{
    *f = (Front){.in = g_string_new(NULL), .room = 100};
    g_assert_true(chardev_fe_init(&f->fe, chr, NULL));
    chardev_fe_set_handlers(&f->fe, &handlers, f);
}

static void put(Front *f, const char *s)
{
    g_assert_cmpint(chardev_fe_write(&f->fe, (const uint8_t *)s, (int)strlen(s)), ==, (int)strlen(s));
}

/* Runs the loop until the condition holds; fails after some seconds. */
#define WAIT(cond)                                                    \
    do {                                                              \
        gint64 end_ = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;   \
        while (!(cond)) {                                             \
            g_assert_cmpint(g_get_monotonic_time(), <, end_);         \
            if (!g_main_context_iteration(NULL, FALSE))               \
                g_usleep(1000);                                       \
        }                                                             \
    } while (0)

static void read_exact(int fd, const char *want)
{
    char buf[256];
    size_t n = 0, len = strlen(want);
    while (n < len) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        g_main_context_iteration(NULL, FALSE);
        if (poll(&p, 1, 5000) <= 0)
            g_error("nothing arrives, wanted '%s'", want);
        ssize_t r = read(fd, buf + n, len - n);
        g_assert_cmpint(r, >, 0);
        n += (size_t)r;
    }
    g_assert_cmpmem(buf, n, want, len);
}

static void send_all(int fd, const char *s) { g_assert_cmpint(write(fd, s, strlen(s)), ==, (ssize_t)strlen(s)); }

static int connect_unix(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    g_strlcpy(un.sun_path, path, sizeof un.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, sizeof un), ==, 0);
    return fd;
}

static Chardev *legacy(const char *label, const char *spec)
{
    Chardev *chr;
    GError *err = NULL;
    chardev_new_legacy(label, spec, &chr, &err);
    g_assert_no_error(err);
    return chr;
}

static void test_unix_server(void)
{
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autofree char *spec = g_strdup_printf("unix:%s,server,nowait", path);
    Front f;
    Chardev *chr = legacy("serial0", spec);
    front(&f, chr);
    g_assert_true(g_str_has_prefix(chardev_filename(chr), "disconnected:unix:"));
    put(&f, "nobody hears this");
    int fd = connect_unix(path);
    WAIT(f.opened == 1);
    put(&f, "hello");
    read_exact(fd, "hello");
    /* flow control: five bytes, then no room */
    f.room = 5;
    send_all(fd, "abcdefgh");
    WAIT(f.in->len >= 5);
    f.room = 0;
    for (int i = 0; i < 20; i++)
        g_main_context_iteration(NULL, FALSE);
    gsize n = f.in->len;
    g_usleep(20000);
    g_main_context_iteration(NULL, FALSE);
    g_assert_cmpuint(f.in->len, ==, n);
    f.room = 100;
    chardev_fe_accept_input(&f.fe);
    WAIT(f.in->len == 8);
    g_assert_cmpstr(f.in->str, ==, "abcdefgh");
    close(fd);
    WAIT(f.closed == 1);
    fd = connect_unix(path);
    WAIT(f.opened == 2);
    put(&f, "again");
    read_exact(fd, "again");
    close(fd);
    chardev_cleanup_all();
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_string_free(f.in, TRUE);
}

/* Bytes one by one: the first goes at once, the others at the line's end, before a longer text, after a moment, or at the end. */
static void test_single_bytes(void)
{
    g_autofree char *path = g_build_filename(dir, "bytes", NULL);
    g_autofree char *spec = g_strdup_printf("unix:%s,server,nowait", path);
    const char *text = "one line\n";
    char got[64] = "";
    Front f;
    front(&f, legacy("serial0", spec));
    int fd = connect_unix(path);
    WAIT(f.opened == 1);
    for (int i = 0; text[i]; i++)
        g_assert_cmpint(chardev_fe_write(&f.fe, (const uint8_t *)&text[i], 1), ==, 1);
    read_exact(fd, text);
    for (int i = 0; i < 200; i++)
        chardev_fe_write(&f.fe, (const uint8_t *)"x", 1);
    put(&f, "longer");
    g_autofree char *xs = g_strnfill(200, 'x');
    read_exact(fd, xs);
    read_exact(fd, "longer");
    put(&f, "a");
    put(&f, "b");
    put(&f, "c");
    g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
    for (size_t n = 0; n < 3;) {
        ssize_t r = read(fd, got + n, sizeof got - n);
        n += r > 0 ? (size_t)r : 0;
        timers_run();
        g_usleep(500);
    }
    g_assert_cmpstr(got, ==, "abc");
    put(&f, "d");
    put(&f, "e");
    chardev_cleanup_all();
    g_assert_cmpint(read(fd, got, sizeof got), ==, 2);
    g_assert_cmpint(memcmp(got, "de", 2), ==, 0);
    close(fd);
    g_string_free(f.in, TRUE);
}

/* A peer goes while the front end reads nothing: that is noticed, the next one can come, and what the first had sent
 * is still read, before the second one's. */
static void test_gone_while_paused(void)
{
    g_autofree char *path = g_build_filename(dir, "gone", NULL);
    g_autofree char *spec = g_strdup_printf("unix:%s,server=on,wait=off", path);
    Front f;
    front(&f, legacy("serial0", spec));
    f.room = 0;
    for (int i = 1; i <= 2; i++) {
        int fd = connect_unix(path);
        WAIT(f.opened == i);
        send_all(fd, i == 1 ? "left behind " : "by both");
        for (int k = 0; k < 10; k++)
            g_main_context_iteration(NULL, FALSE);
        g_assert_cmpint(f.closed, ==, i - 1);
        close(fd);
        WAIT(f.closed == i);
    }
    g_assert_cmpuint(f.in->len, ==, 0);
    f.room = 5;
    chardev_fe_accept_input(&f.fe);
    WAIT(f.in->len == 19);
    g_assert_cmpstr(f.in->str, ==, "left behind by both");
    int fd = connect_unix(path);
    WAIT(f.opened == 3);
    send_all(fd, "!");
    WAIT(f.in->len == 20);
    close(fd);
    WAIT(f.closed == 3);
    chardev_cleanup_all();
    g_string_free(f.in, TRUE);
}

static void test_backpressure(void)
{
    g_autofree char *path = g_build_filename(dir, "bp", NULL);
    g_autofree char *spec = g_strdup_printf("unix:%s,server=on,wait=off", path);
    Front f;
    front(&f, legacy("serial0", spec));
    int fd = connect_unix(path);
    WAIT(f.opened);
    uint8_t block[4096];
    size_t total = 0;
    for (int i = 0; i < 2000; i++) {
        for (size_t k = 0; k < sizeof block; k++)
            block[k] = (uint8_t)((total + k) * 7 >> 3);
        int n = chardev_fe_write(&f.fe, block, sizeof block);
        g_assert_cmpint(n, >=, 0);
        total += (size_t)n;
        if (n < (int)sizeof block)
            break;
    }
    g_assert_cmpuint(total, <, 2000 * sizeof block); /* bounded */
    for (size_t got = 0; got < total;) {
        uint8_t buf[4096];
        struct pollfd p = {.fd = fd, .events = POLLIN};
        g_main_context_iteration(NULL, FALSE);
        if (poll(&p, 1, 10) <= 0)
            continue;
        ssize_t n = read(fd, buf, sizeof buf);
        g_assert_cmpint(n, >, 0);
        for (ssize_t k = 0; k < n; k++)
            g_assert_cmpuint(buf[k], ==, (uint8_t)((got + (size_t)k) * 7 >> 3));
        got += (size_t)n;
    }
    close(fd);
    chardev_cleanup_all();
    g_string_free(f.in, TRUE);
}

static void test_telnet(void)
{
    Front f;
    Chardev *chr = NULL;
    int port = 0;
    for (port = 34567; port < 34667 && !chr; port++) {
        g_autofree char *spec = g_strdup_printf("telnet:127.0.0.1:%d,server=on,wait=off", port);
        if (chardev_new_legacy("tel", spec, &chr, NULL))
            break;
    }
    g_assert_nonnull(chr);
    front(&f, chr);
    g_autofree char *cspec = g_strdup_printf("tcp:127.0.0.1:%d", port);
    Front c;
    front(&c, legacy("client", cspec));
    WAIT(f.opened && c.in->len >= 6);
    g_assert_cmpmem(c.in->str, 6, "\xff\xfb\x01\xff\xfb\x03", 6);
    chardev_fe_write(&c.fe, (const uint8_t *)"\xff\xfd\x01" "a\xff\xf3" "b\xff\xff\xff\xfa\x18zz\xff\xf0" "c", 17);
    WAIT(f.in->len == 4);
    g_assert_cmpmem(f.in->str, 4, "ab\xff" "c", 4);
    g_assert_cmpint(f.breaks, ==, 1);
    chardev_cleanup_all();
    g_string_free(f.in, TRUE);
    g_string_free(c.in, TRUE);
}

static void test_pty(void)
{
    Front f;
    Chardev *chr = legacy("serial0", "pty");
    front(&f, chr);
    g_assert_true(g_str_has_prefix(chardev_filename(chr), "pty:/dev/pts/"));
    put(&f, "lost");
    int fd = open(chardev_filename(chr) + 4, O_RDWR | O_NOCTTY);
    g_assert_cmpint(fd, >=, 0);
    WAIT(f.opened == 1);
    put(&f, "found");
    read_exact(fd, "found");
    send_all(fd, "x\x03y");
    WAIT(f.in->len == 3);
    g_assert_cmpmem(f.in->str, 3, "x\x03y", 3);
    close(fd);
    WAIT(f.closed == 1);
    chardev_cleanup_all();
    g_string_free(f.in, TRUE);
}

/* A line of the host: raw while it is used, as before afterwards. */
static void test_host_serial(void)
{
    Front f;
    struct termios t;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    g_assert_cmpint(grantpt(master) | unlockpt(master), ==, 0);
    g_autofree char *name = g_strdup(ptsname(master));
    int slave = open(name, O_RDWR | O_NOCTTY);
    Chardev *chr = legacy("serial0", name);
    front(&f, chr);
    tcgetattr(slave, &t);
    g_assert_false(t.c_lflag & (ICANON | ECHO));
    put(&f, "out");
    read_exact(master, "out");
    send_all(master, "x\x03y");
    WAIT(f.in->len == 3);
    g_assert_cmpmem(f.in->str, 3, "x\x03y", 3);
    chardev_cleanup_all();
    tcgetattr(slave, &t);
    g_assert_true(t.c_lflag & ICANON);
    close(slave);
    close(master);
    g_string_free(f.in, TRUE);
    chr = legacy("serial0", "/dev/null");
    front(&f, chr);
    put(&f, "nowhere");
    chardev_cleanup_all();
    g_string_free(f.in, TRUE);
}

/* What one datagram brings is kept until a front end with a small buffer has taken it. */
static void test_udp(void)
{
    Front f;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    char buf[16];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&a, sizeof a) | getsockname(fd, (struct sockaddr *)&a, &n), ==, 0);
    g_autofree char *spec = g_strdup_printf("udp:127.0.0.1:%u@127.0.0.1:0", ntohs(a.sin_port));
    Chardev *chr = legacy("u", spec);
    front(&f, chr);
    f.room = 2;
    put(&f, "hello");
    g_assert_cmpint(recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&a, &n), ==, 5);
    g_assert_cmpint(sendto(fd, "answer", 6, 0, (struct sockaddr *)&a, n), ==, 6);
    g_assert_cmpint(sendto(fd, "!", 1, 0, (struct sockaddr *)&a, n), ==, 1);
    WAIT(f.in->len >= 2);
    f.room = 100;
    chardev_fe_accept_input(&f.fe);
    WAIT(f.in->len == 7);
    g_assert_cmpstr(f.in->str, ==, "answer!");
    close(fd);
    put(&f, "nobody hears");
    put(&f, "that");
    chardev_cleanup_all();
    g_string_free(f.in, TRUE);
}

static void test_file_and_ring(void)
{
    g_autofree char *path = g_build_filename(dir, "out,put", NULL);
    g_autofree char *opt = g_strdup_printf("file,id=f,path=%s/out,,put,logfile=%s/log", dir, dir);
    g_autofree char *log = g_build_filename(dir, "log", NULL), *text = NULL, *logged = NULL;
    Front f;
    front(&f, chardev_new_opts(opt, NULL));
    put(&f, "line\n");
    Front r;
    front(&r, chardev_new_opts("ringbuf,id=r,size=8", NULL));
    put(&r, "0123456789");
    uint8_t buf[16];
    g_assert_cmpint(chardev_ringbuf_read(chardev_find("r"), buf, 16), ==, 8);
    g_assert_cmpmem(buf, 8, "23456789", 8);
    g_assert_cmpint(chardev_ringbuf_read(chardev_find("f"), buf, 16), ==, -1);
    chardev_cleanup_all();
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "line\n");
    g_assert_true(g_file_get_contents(log, &logged, NULL, NULL));
    g_assert_cmpstr(logged, ==, "line\n");
    g_string_free(f.in, TRUE);
    g_string_free(r.in, TRUE);
}

static int quits;
static void on_quit(void) { quits++; }
static const ChardevMuxHooks hooks = {on_quit, NULL};

static void test_mux(void)
{
    g_autofree char *path = g_build_filename(dir, "m", NULL);
    g_autofree char *spec = g_strdup_printf("mon:unix:%s,server=on,wait=off", path);
    Front a, b;
    chardev_set_mux_hooks(&hooks);
    Chardev *chr = legacy("serial0", spec);
    g_assert_true(chardev_is_mux(chr));
    g_assert_cmpstr(chardev_filename(chr), ==, "mux");
    g_assert_nonnull(chardev_find("serial0-base"));
    front(&a, chr);
    front(&b, chr);
    g_assert_cmpint(a.focus, ==, 0);
    g_assert_cmpint(b.focus, ==, 1);
    int fd = connect_unix(path);
    WAIT(a.opened && b.opened);
    send_all(fd, "one\x01" "ctwo\x01\x01\x01" "b\x01q");
    WAIT(a.in->len == 4 && a.breaks == 1);
    g_assert_cmpstr(b.in->str, ==, "one");
    g_assert_cmpstr(a.in->str, ==, "two\x01");
    g_assert_cmpint(a.focus, ==, 1);
    /* the unfocused one may speak; the slow one keeps its own bytes */
    put(&b, "B");
    read_exact(fd, "B");
    a.room = 0;
    send_all(fd, "waits\x01" "cthrough");
    WAIT(b.in->len == 10);
    g_assert_cmpstr(b.in->str, ==, "onethrough");
    g_assert_cmpuint(a.in->len, ==, 4);
    a.room = 100;
    chardev_fe_accept_input(&a.fe);
    g_assert_cmpstr(a.in->str, ==, "two\x01waits");
    send_all(fd, "\x01x");
    WAIT(quits == 1);
    read_exact(fd, "Vireo: Terminated\n\r");
    send_all(fd, "\x01t");
    for (int i = 0; i < 50; i++) {
        g_usleep(1000);
        g_main_context_iteration(NULL, FALSE);
    }
    put(&b, "x\ny");
    read_exact(fd, "x\n[00:00:00.0");
    close(fd);
    chardev_cleanup_all();
    g_string_free(a.in, TRUE);
    g_string_free(b.in, TRUE);
}

static void test_errors(void)
{
    static const char *const t[][2] = {
        {"nosuch", "nosuch"}, {"tcp:a:b", "a:b"}, {"tcp:nohost", "HOST:PORT"}, {"chardev:nosuch", "nosuch"},
        {"file:/nonexistent/f", "/nonexistent/f"}, {"unix:/nonexistent/s,server=on,wait=off", "/nonexistent/s"},
        {"unix:/nonexistent/s", "/nonexistent/s"}, {"pipe:/nonexistent/p", "/nonexistent/p"},
        {"unix:/tmp/x,nosuch=1", "nosuch"}, {"mon:nosuch", "nosuch"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        GError *err = NULL;
        Chardev *chr;
        g_assert_false(chardev_new_legacy("x", t[i][0], &chr, &err));
        g_test_message("%s: %s", t[i][0], err->message);
        g_assert_nonnull(strstr(err->message, t[i][1]));
        g_assert_null(chardev_find("x"));
        g_clear_error(&err);
    }
    GError *err = NULL;
    g_assert_null(chardev_new_opts("socket,id=a", &err));
    g_assert_nonnull(strstr(err->message, "'a'"));
    g_clear_error(&err);
    g_assert_nonnull(chardev_new_opts("null,id=a", NULL));
    g_assert_null(chardev_new_opts("null,id=a", &err));
    g_assert_nonnull(strstr(err->message, "Duplicate ID 'a'"));
    g_clear_error(&err);
    Front f, g;
    front(&f, chardev_find("a"));
    g_assert_false(chardev_fe_init(&g.fe, chardev_find("a"), &err));
    g_assert_nonnull(strstr(err->message, "'a' is in use"));
    g_clear_error(&err);
    chardev_cleanup_all();
    g_string_free(f.in, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    dir = g_dir_make_tmp("vireo-chr-XXXXXX", NULL);
    g_test_add_func("/host/char/unix-server", test_unix_server);
    g_test_add_func("/host/char/gone-while-paused", test_gone_while_paused);
    g_test_add_func("/host/char/single-bytes", test_single_bytes);
    g_test_add_func("/host/char/backpressure", test_backpressure);
    g_test_add_func("/host/char/telnet", test_telnet);
    g_test_add_func("/host/char/pty", test_pty);
    g_test_add_func("/host/char/host-serial", test_host_serial);
    g_test_add_func("/host/char/udp", test_udp);
    g_test_add_func("/host/char/file-and-ringbuf", test_file_and_ring);
    g_test_add_func("/host/char/mux", test_mux);
    g_test_add_func("/host/char/errors", test_errors);
    int rc = g_test_run();
    g_autofree char *cmd = g_strdup_printf("rm -rf %s", dir);
    return system(cmd) ? 1 : rc;
}
