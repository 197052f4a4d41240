/* fuzz-nbd.c - the NBD client against a server that answers what it likes
 *   fuzz-nbd [--seed N] [--count N | --seconds N]
 * Spec: the NBD protocol document, both negotiations and simple replies. The server keeps a disk and speaks the protocol; in most
 * cases it also changes fields, sends too little or too much, in pieces of any size, and goes away at any byte.
 * Wrong is: a crash, a hang, bytes outside of the buffer of a read; with a server that tells the truth also an error or a wrong byte. */
#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "host/block/block-int.h"
#include "host/block/blkopts.h"
#include "softmmu/bql.h"
#include "tests/fuzz/fuzz.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { DISK = 1 << 20, MAX_REQUESTS = 4000, GUARD = 64, MAX_IO = 100000 };
static char *path;
static uint8_t disk[DISK];

/* ---- the server: a thread, with numbers of its own ---- */

typedef struct Server {
    int listener, fd;
    GRand *rnd;
    bool named;   /* the client asks for an export */
    unsigned lie; /* one message in so many is changed; 0: none */
} Server;

static uint32_t pick(Server *s, uint32_t n) { return n ? g_rand_int(s->rnd) % n : 0; }

static bool send_all(Server *s, const uint8_t *p, size_t n)
{
    while (n) {
        size_t piece = pick(s, 4) ? n : 1 + pick(s, (uint32_t)n);
        ssize_t r = send(s->fd, p, piece, MSG_NOSIGNAL);
        if (r <= 0)
            return false;
        p += r;
        n -= (size_t)r;
    }
    return true;
}

/* A message, which may be spoiled on the way. */
static bool say(Server *s, const void *data, size_t n)
{
    static const uint64_t odd[] = {0, 1, 2, 3, 0x7fffffff, 0x80000000, 0xffffffff, 0x80000001, 0x80000006, INT64_MAX, UINT64_MAX, 1ULL << 63, 65535, 65536, 65537};
    if (!s->lie || pick(s, s->lie))
        return send_all(s, data, n);
    size_t room = n + 64;
    g_autofree uint8_t *b = g_malloc0(room);
    memcpy(b, data, n);
    switch (pick(s, 6)) {
    case 0: return false;                                   /* gone */
    case 1: send_all(s, b, pick(s, (uint32_t)n)); return false;
    case 2: n += 1 + pick(s, 63); break;                    /* more than there should be */
    case 3: n = pick(s, (uint32_t)n); break;                /* less, and on it goes */
    default:
        for (unsigned k = 1 + pick(s, 3); k; k--) {
            unsigned width = 1u << pick(s, 4);
            uint64_t v = pick(s, 2) ? odd[pick(s, ARRAY_SIZE(odd))] : g_rand_int(s->rnd);
            size_t at = n > width ? pick(s, (uint32_t)(n / width)) * width : 0;
            for (unsigned i = 0; i < width && at + i < n; i++)
                b[at + i] = (uint8_t)(v >> 8 * (width - 1 - i));
        }
    }
    return send_all(s, b, n);
}

static bool hear(Server *s, void *p, size_t n)
{
    return !n || recv(s->fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

static bool skip(Server *s, uint64_t n)
{
    uint8_t b[4096];
    for (size_t k; n; n -= k) {
        k = MIN(n, sizeof b);
        if (!hear(s, b, k))
            return false;
    }
    return true;
}

static bool answer_option(Server *s, uint32_t opt, uint32_t type, const void *data, uint32_t n)
{
    uint8_t b[20 + 64] = {0};
    stb64(b, 0x0003e889045565a9ULL);
    stb32(b + 8, opt);
    stb32(b + 12, type);
    stb32(b + 16, n);
    if (n)
        memcpy(b + 20, data, n);
    return say(s, b, 20 + n);
}

static void put_size(Server *s, uint8_t *b)
{
    static const uint64_t odd[] = {0, 1, 511, 512, DISK - 1, DISK + 1, 1ULL << 32, 1ULL << 50, INT64_MAX, 1ULL << 63, UINT64_MAX};
    uint64_t size = s->lie && !pick(s, 4) ? odd[pick(s, ARRAY_SIZE(odd))] : DISK;
    unsigned flags = 1 | (pick(s, 4) ? 4 : 0) | (pick(s, 3) ? 0x20 : 0) | (pick(s, 3) ? 0x40 : 0) | (s->lie && !pick(s, 8) ? 2 : 0);
    stb64(b, size);
    stb16(b + 8, flags);
}

static bool negotiate(Server *s)
{
    static const uint32_t errors[] = {1, 2, 3, 4, 5, 6, 7, 8, 99};
    uint8_t b[152] = {0}, mine[4], h[16], name[8192];
    memcpy(b, "NBDMAGIC", 8);
    if (!pick(s, 5) && (s->lie || !s->named)) {
        stb64(b + 8, 0x00420281861253ULL);
        put_size(s, b + 16);
        stb32(b + 24, ldb16(b + 24));
        return say(s, b, 152);
    }
    unsigned flags = pick(s, 4) ? 3 : pick(s, 4);
    memcpy(b + 8, "IHAVEOPT", 8);
    stb16(b + 16, flags);
    if (!say(s, b, 18) || !hear(s, mine, 4))
        return false;
    bool no_zeroes = ldb32(mine) & 2, go = pick(s, 4);
    for (unsigned i = 0; i < 20; i++) {
        if (!hear(s, h, 16))
            return false;
        uint32_t opt = ldb32(h + 8), n = ldb32(h + 12);
        if (memcmp(h, "IHAVEOPT", 8) || n > sizeof name || !hear(s, name, n))
            return false;
        memset(b, 0, sizeof b);
        if (opt == 1) {
            put_size(s, b);
            return say(s, b, no_zeroes ? 10 : 134);
        }
        if (opt != 7 || !go) {
            if (!answer_option(s, opt, 0x80000001, NULL, 0))
                return false;
            continue;
        }
        if (s->lie && !pick(s, 10))
            return answer_option(s, opt, 0x80000000 | errors[pick(s, ARRAY_SIZE(errors))], name, pick(s, 60));
        for (unsigned k = pick(s, 4) + (s->lie && !pick(s, 20) ? 100 : 0); k; k--) { /* blocksizes, a name, ... */
            stb16(b, 1 + pick(s, 4));
            if (!answer_option(s, opt, 3, b, 2 + pick(s, 40)))
                return false;
        }
        stb16(b, 0);
        put_size(s, b + 2);
        return answer_option(s, opt, 3, b, 12) && answer_option(s, opt, 1, NULL, 0);
    }
    return false;
}

static void transmit(Server *s)
{
    static const uint32_t errors[] = {1, 5, 12, 22, 28, 75, 95, 108, 7, 0xffffffff};
    g_autofree uint8_t *b = g_malloc0(16 + MAX_IO * 2);
    for (unsigned i = 0; i < MAX_REQUESTS; i++) {
        uint8_t r[28];
        if (!hear(s, r, sizeof r))
            return;
        uint16_t cmd = ldb16(r + 6);
        uint64_t at = ldb64(r + 16);
        uint32_t n = ldb32(r + 24), e = s->lie && !pick(s, 12) ? errors[pick(s, ARRAY_SIZE(errors))] : 0;
        bool in = at <= DISK && n <= DISK - at;
        if (!s->lie)
            g_assert_cmpuint(ldb32(r), ==, 0x25609513);
        if (cmd == 2 || ldb32(r) != 0x25609513) /* the end, or the client was misled in the negotiation */
            return;
        if (cmd == 1 && (in ? !hear(s, disk + at, n) : !skip(s, n)))
            return;
        if (cmd == 6 && in)
            memset(disk + at, 0, n);
        stb32(b, 0x67446698);
        stb32(b + 4, e);
        memcpy(b + 8, r + 8, 8);
        if (!say(s, b, 16))
            return;
        if (cmd == 0 && !e && n <= MAX_IO * 2) {
            memset(b, 0x77, n);
            if (in)
                memcpy(b, disk + at, n);
            if (!say(s, b, n))
                return;
        } else if (cmd == 0 && !e) {
            return;
        }
    }
}

static void *serve(void *opaque)
{
    Server *s = opaque;
    s->fd = accept(s->listener, NULL, NULL);
    if (s->fd >= 0) {
        /* Who has sent too little waits for the client, which waits for the rest: as with any server that is silent. */
        struct timeval patience = {.tv_usec = 20000};
        if (s->lie)
            setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (negotiate(s))
            transmit(s);
        close(s->fd);
    }
    return NULL;
}

/* ---- the client's side ---- */

static unsigned pending;
static void done(void *opaque, int ret) { pending--; }

/* A read, compared with the server's disk where that can be trusted. */
static void read_one(BlockImage *img, bool honest)
{
    static uint8_t buf[MAX_IO + GUARD];
    uint64_t at = below(4) ? below(DISK) : (((uint64_t)g_rand_int(rnd) << 32 | g_rand_int(rnd)) >> below(64));
    size_t n = 1 + below(below(3) ? 4096 : MAX_IO - 1);
    memset(buf + n, 0xa5, GUARD);
    memset(buf, 0x11, n);
    int ret = block_pread(img, at, buf, n);
    for (unsigned i = 0; i < GUARD; i++)
        g_assert_cmpuint(buf[n + i], ==, 0xa5);
    if (!honest)
        return;
    g_assert_cmpint(ret, ==, 0);
    for (size_t i = 0; i < n; i++)
        g_assert_cmpuint(buf[i], ==, at < DISK && i < DISK - at ? disk[at + i] : 0);
}

static void use(BlockImage *img, bool honest)
{
    static uint8_t bufs[8][8192];
    static struct iovec iov[8];
    for (unsigned i = 0; i < 40; i++) {
        uint64_t len = block_length(img), at = below((uint32_t)MIN(len, DISK) / 512 + 1) * 512ULL, n = 512ULL * below(100);
        BlockStatus st;
        int ret = 0;
        n = MIN(n, len - at);
        switch (below(8)) {
        case 0: ret = block_write_zeroes(img, at, n, below(2)); break;
        case 1: ret = block_discard(img, at, n); break;
        case 2: ret = block_flush(img); break;
        case 3: ret = len > at ? block_status(img, at, len - at, &st) : 0; break;
        case 4: {
            g_autofree uint8_t *b = g_malloc(n + 1);
            memset(b, (int)i + 1, n);
            ret = block_pwrite(img, at, b, n);
            break;
        }
        case 5: /* several at once, one of them given up */
            for (unsigned k = 0; k < 8; k++) {
                iov[k] = (struct iovec){bufs[k], 512 + below(7000)};
                pending++;
                BlockReq *r = block_aio_readv(img, below(DISK), &iov[k], 1, done, NULL);
                if (!below(20))
                    block_aio_cancel(r);
            }
            block_drain(img);
            g_assert_cmpuint(pending, ==, 0);
            break;
        default: read_one(img, honest); break;
        }
        if (honest)
            g_assert_cmpint(ret, ==, 0);
    }
}

static void one_case(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    Server s = {.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .rnd = g_rand_new_with_seed(g_rand_int(rnd))};
    static const unsigned lies[] = {0, 2, 4, 10, 50};
    s.lie = lies[below(ARRAY_SIZE(lies))];
    unlink(path);
    strcpy(a.sun_path, path);
    g_assert_true(s.listener >= 0 && bind(s.listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(s.listener, 1) == 0);
    for (unsigned i = 0; i < DISK; i++)
        disk[i] = (uint8_t)(i * 7 + i / 4096);
    if (!below(3)) /* a format below which the server is */
        memcpy(disk, below(2) ? "QFI\xfb\0\0\0\3" : "conectix", 8);
    s.named = below(2);
    GThread *t = g_thread_new("server", serve, &s);
    BlockOptions *o = blkopts_new();
    blkopts_set(o, "file.driver", "nbd");
    blkopts_set(o, "file.path", path);
    if (s.named)
        blkopts_set(o, "file.export", below(2) ? "disk" : "a name with \xc3\xa4");
    BlockOpenOpts opts = {.options = o, .format = s.lie && !below(3) ? NULL : "raw", .auto_read_only = true, .discard_unmap = true, .lock = true};
    GError *err = NULL;
    BlockImage *img = block_open(&opts, &err);
    if (img) {
        use(img, !s.lie);
        block_close(img);
    } else {
        g_assert_nonnull(err);
        g_assert_null(strchr(err->message, '\n'));
        if (!s.lie)
            g_error("%s", err->message);
        g_error_free(err);
    }
    blkopts_free(o);
    shutdown(s.listener, SHUT_RDWR); /* should the client never have come */
    g_thread_join(t);
    close(s.listener);
    g_rand_free(s.rnd);
}

int main(int argc, char **argv)
{
    if (!g_getenv("FUZZ_STDERR")) { /* a warning for each connection that breaks */
        int fd = open("/dev/null", O_WRONLY);
        dup2(fd, 2);
        close(fd);
    }
    path = g_strdup_printf("/tmp/vireo-fuzz-nbd-%d", (int)getpid());
    bql_lock();
    int r = fuzz_main("fuzz-nbd", argc, argv, one_case);
    bql_unlock();
    unlink(path);
    g_free(path);
    return r;
}
