/* file.c - the plain backends: file, pipe (two FIFOs or one), null, and the ring buffer in memory. */
#include "host/base/osdep.h"
#include "host/char/chardev-int.h"
#include <fcntl.h>

/* ---- file ---- */

static int file_write(Chardev *chr, const uint8_t *buf, int len)
{
    int done = 0;
    while (done < len) {
        ssize_t n = write(chr->out_fd, buf + done, (size_t)(len - done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* a full disk: the bytes are lost, the guest goes on */
        done += (int)n;
    }
    return len;
}

static void fds_close(Chardev *chr)
{
    int *fd = chr->priv;
    for (int i = 0; fd && i < 2; i++)
        if (fd[i] >= 0 && (i == 0 || fd[1] != fd[0]))
            close(fd[i]);
    g_free(fd);
}

static const ChardevOps file_ops = {.name = "file", .write = file_write, .close = fds_close};

static void use_fds(Chardev *chr, const ChardevOps *ops, int in, int out)
{
    int *fd = g_new(int, 2);
    fd[0] = in;
    fd[1] = out;
    chr->priv = fd;
    chr->ops = ops;
    chr->open = true;
    chr_stream_start(chr, in, out);
}

bool chr_open_file(Chardev *chr, const GPtrArray *kv, GError **errp)
{
    const char *path = keyval_get(kv, "path"), *in_path = keyval_get(kv, "input-path");
    bool append = false;
    int in = -1;

    if (!path || !path[0])
        return error_set(errp, "chardev: file: no filename given for '%s' (path=)", chr->label);
    if (!keyval_bool(kv, "append", &append, errp))
        return false;
    int out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);
    if (out < 0)
        return error_set_errno(errp, errno, "chardev '%s': could not open '%s'", chr->label, path);
    if (in_path && (in = open(in_path, O_RDONLY | O_CLOEXEC)) < 0) {
        error_set_errno(errp, errno, "chardev '%s': could not open '%s'", chr->label, in_path);
        close(out);
        return false;
    }
    chr_set_filename(chr, g_strdup("file"));
    use_fds(chr, &file_ops, in, out);
    return true;
}

/* ---- pipe: PATH.in and PATH.out, or PATH for both ---- */

static const ChardevOps pipe_ops = {.name = "pipe", .close = fds_close};

bool chr_open_pipe(Chardev *chr, const GPtrArray *kv, GError **errp)
{
    const char *path = keyval_get(kv, "path");
    if (!path || !path[0])
        return error_set(errp, "chardev: pipe: no device path given for '%s' (path=)", chr->label);
    g_autofree char *in_path = g_strconcat(path, ".in", NULL), *out_path = g_strconcat(path, ".out", NULL);
    int flags = O_RDWR | O_NONBLOCK | O_CLOEXEC; /* O_RDWR: opening does not wait, and no EOF between clients */
    int in = open(in_path, flags), out = open(out_path, flags);
    if (in < 0 || out < 0) {
        if (in >= 0)
            close(in);
        if (out >= 0)
            close(out);
        in = out = open(path, flags);
        if (in < 0)
            return error_set_errno(errp, errno, "chardev '%s': could not open the pipe '%s' or '%s.in'", chr->label,
                                   path, path);
    }
    chr_set_filename(chr, g_strdup("pipe"));
    use_fds(chr, &pipe_ops, in, out);
    return true;
}

/* ---- null ---- */

static int null_write(Chardev *chr, const uint8_t *buf, int len) { return len; }
static const ChardevOps null_ops = {.name = "null", .write = null_write};

bool chr_open_null(Chardev *chr, const GPtrArray *kv, GError **errp)
{
    chr->ops = &null_ops;
    chr->open = true;
    chr_set_filename(chr, g_strdup(keyval_get(kv, "backend")));
    return true;
}

/* ---- ring buffer: keeps the last `size` bytes ---- */

typedef struct Ring {
    uint32_t size; /* power of two */
    uint64_t prod, cons;
    uint8_t data[];
} Ring;

static int ring_write(Chardev *chr, const uint8_t *buf, int len)
{
    Ring *r = chr->priv;
    for (int i = 0; i < len; i++) {
        r->data[r->prod++ & (r->size - 1)] = buf[i];
        if (r->prod - r->cons > r->size)
            r->cons = r->prod - r->size;
    }
    return len;
}

static void ring_close(Chardev *chr) { g_free(chr->priv); }
static const ChardevOps ring_ops = {.name = "ringbuf", .write = ring_write, .close = ring_close};

bool chr_open_ringbuf(Chardev *chr, const GPtrArray *kv, GError **errp)
{
    uint64_t size = 64 * KiB;
    const char *v = keyval_get(kv, "size");
    if (v && !parse_size("chardev ringbuf size", v, 1, &size, errp))
        return false;
    if (!size || size > 64 * MiB || (size & (size - 1)))
        return error_set(errp, "chardev ringbuf: size=%s must be a power of two up to 64M", v);
    Ring *r = g_malloc0(sizeof *r + size);
    r->size = (uint32_t)size;
    chr->priv = r;
    chr->ops = &ring_ops;
    chr->open = true;
    chr_set_filename(chr, g_strdup("ringbuf"));
    return true;
}

int chardev_ringbuf_read(Chardev *chr, uint8_t *buf, int len)
{
    int n = 0;
    if (chr->ops != &ring_ops)
        return -1;
    Ring *r = chr->priv;
    while (n < len && r->cons < r->prod)
        buf[n++] = r->data[r->cons++ & (r->size - 1)];
    return n;
}
