/* chardev.c - the chardev core: list, front-end seats, polling, bounded output, log files.
 * Spec: the -chardev options and the `info chardev` texts of qemu 7.2.
 * A peer that goes while the front end takes nothing is noticed; what it had sent is kept (up to IN_MAX) for later.
 * Output that a connected peer does not take at once is kept up to OUT_MAX bytes, beyond that the
 * caller is told that less was taken; with no peer it is dropped, as on a cable that is not plugged in.
 * Single bytes that follow each other closely, as a UART sends text, go out together: at a line's end, or a moment later. */
#include "host/base/osdep.h"
#include "host/char/chardev-int.h"
#include "softmmu/timer.h"
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>

enum { PEER_GONE = POLLHUP | POLLERR | POLLRDHUP };
enum { IN_MAX = 1 << 20, OUT_MAX = 1 << 20, READ_CHUNK = 4096, BLOCKING_CHUNK = 256, DATAGRAM_MAX = 65536 };
enum { HOLD_NS = 1000000 /* longest that a byte waits for others */ };

static GList *chardevs; /* in order of creation */

static void flush_held(Chardev *chr);

Chardev *chr_new(const char *label, GError **errp)
{
    if (chardev_find(label)) {
        error_set(errp, "Duplicate ID '%s' for chardev", label);
        return NULL;
    }
    Chardev *chr = g_new0(Chardev, 1);
    chr->label = g_strdup(label);
    chr->log_fd = chr->in_fd = chr->out_fd = -1;
    chr->out = g_byte_array_new();
    chr->left = g_byte_array_new();
    chardevs = g_list_append(chardevs, chr);
    return chr;
}

void chr_destroy(Chardev *chr)
{
    flush_held(chr);
    chr_stream_stop(chr);
    timer_free(chr->hold_timer);
    if (chr->ops && chr->ops->close)
        chr->ops->close(chr);
    if (chr->fe)
        chr->fe->chr = NULL;
    if (chr->log_fd >= 0)
        close(chr->log_fd);
    chardevs = g_list_remove(chardevs, chr);
    g_byte_array_unref(chr->out);
    g_byte_array_unref(chr->left);
    g_free(chr->label);
    g_free(chr->filename);
    g_free(chr);
}

void chr_set_filename(Chardev *chr, char *name)
{
    g_free(chr->filename);
    chr->filename = name;
}

/* ---- to the front end ---- */

void chr_event(Chardev *chr, ChardevEvent ev)
{
    if (ev == CHR_EVENT_OPENED)
        chr->open = true;
    else if (ev == CHR_EVENT_CLOSED)
        chr->open = false;
    if (chr->fe && chr->fe->handlers && chr->fe->handlers->event)
        chr->fe->handlers->event(chr->fe->opaque, ev);
}

int chr_can_read(Chardev *chr)
{
    const ChardevFe *fe = chr->fe;
    return fe && fe->handlers && fe->handlers->can_read ? fe->handlers->can_read(fe->opaque) : 0;
}

void chr_deliver(Chardev *chr, const uint8_t *buf, int len)
{
    if (len > 0 && chr->fe && chr->fe->handlers && chr->fe->handlers->read)
        chr->fe->handlers->read(chr->fe->opaque, buf, len);
}

/* ---- streams ---- */

static void drop_source(GSource **src)
{
    if (*src) {
        g_source_destroy(*src);
        g_source_unref(*src);
        *src = NULL;
    }
}

static GSource *add_watch(int fd, GIOCondition cond, GUnixFDSourceFunc fn, Chardev *chr)
{
    GSource *s = g_unix_fd_source_new(fd, cond);
    g_source_set_callback(s, G_SOURCE_FUNC(fn), chr, NULL);
    g_source_attach(s, NULL);
    return s;
}

/* The peer has gone while input was paused: what is still to be read waits for the front end. */
static gboolean on_gone(gint fd, GIOCondition cond, gpointer opaque)
{
    Chardev *chr = opaque;
    uint8_t buf[READ_CHUNK];
    ssize_t n;

    drop_source(&chr->gone_src);
    while (chr->left->len < IN_MAX && ((n = read(fd, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR))) {
        int len = n > 0 ? (int)n : 0;
        if (chr->ops->filter)
            len = chr->ops->filter(chr, buf, len);
        g_byte_array_append(chr->left, buf, (guint)len);
    }
    chr->ops->hangup(chr);
    return G_SOURCE_REMOVE;
}

static void watch_peer(Chardev *chr)
{
    if (chr->ops->hangup && !chr->ops->blocking_fd && !chr->gone_src && chr->in_fd >= 0)
        chr->gone_src = add_watch(chr->in_fd, (GIOCondition)PEER_GONE, on_gone, chr);
}

static bool deliver_left(Chardev *chr);

/* As much of it as the front end takes now, the rest when it wants more. */
static void read_datagram(Chardev *chr, int fd)
{
    g_autofree uint8_t *buf = g_malloc(DATAGRAM_MAX);
    ssize_t n = read(fd, buf, DATAGRAM_MAX);

    if (n > 0) {
        g_byte_array_append(chr->left, buf, (guint)n);
        deliver_left(chr);
    }
}

static gboolean on_input(gint fd, GIOCondition cond, gpointer opaque)
{
    Chardev *chr = opaque;
    uint8_t buf[READ_CHUNK];
    int room = chr->left->len ? 0 : chr_can_read(chr);

    if (room <= 0) {
        chr->in_paused = true;
        drop_source(&chr->in_src);
        watch_peer(chr);
        return G_SOURCE_REMOVE;
    }
    if (chr->ops->datagrams) {
        read_datagram(chr, fd);
        return G_SOURCE_CONTINUE;
    }
    ssize_t n = read(fd, buf, MIN(room, READ_CHUNK));
    if (n > 0) {
        int len = (int)n;
        if (chr->ops->filter)
            len = chr->ops->filter(chr, buf, len);
        chr_deliver(chr, buf, len);
        return G_SOURCE_CONTINUE;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    drop_source(&chr->in_src);
    if (chr->ops->hangup)
        chr->ops->hangup(chr);
    return G_SOURCE_REMOVE;
}

/* What an earlier peer left goes first; true when nothing is left. The front end may call back while it reads. */
static bool deliver_left(Chardev *chr)
{
    uint8_t buf[READ_CHUNK];
    int room;

    while (chr->left->len && (room = chr_can_read(chr)) > 0) {
        guint n = MIN(MIN((guint)room, chr->left->len), (guint)sizeof buf);
        memcpy(buf, chr->left->data, n);
        g_byte_array_remove_range(chr->left, 0, n);
        chr_deliver(chr, buf, (int)n);
    }
    return !chr->left->len;
}

void chr_resume_input(Chardev *chr)
{
    if (!deliver_left(chr)) {
        if (chr->in_paused)
            watch_peer(chr);
        return;
    }
    if (chr->in_paused && chr->in_fd >= 0 && !chr->in_src) {
        chr->in_paused = false;
        drop_source(&chr->gone_src);
        chr->in_src = add_watch(chr->in_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, chr);
    }
}

/* Bytes written without waiting; -1 when the peer is gone. */
static int write_now(Chardev *chr, const uint8_t *buf, int len)
{
    int done = 0;
    while (done < len) {
        int n = len - done;
        if (chr->ops->blocking_fd) {
            /* The descriptor is shared with other programs, so it keeps its blocking mode: ask first, and
             * write no more than what a terminal or a pipe takes in one piece once it says that it is ready. */
            struct pollfd p = {.fd = chr->out_fd, .events = POLLOUT};
            if (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLOUT | POLLERR | POLLHUP)))
                break;
            n = MIN(n, BLOCKING_CHUNK);
        }
        ssize_t r = write(chr->out_fd, buf + done, n);
        if (r < 0) {
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN)
                break;
            return -1;
        }
        done += (int)r;
    }
    return done;
}

static gboolean on_output(gint fd, GIOCondition cond, gpointer opaque)
{
    Chardev *chr = opaque;
    int n = write_now(chr, chr->out->data, (int)chr->out->len);
    if (n < 0)
        g_byte_array_set_size(chr->out, 0);
    else if (n > 0)
        g_byte_array_remove_range(chr->out, 0, (guint)n);
    if (chr->out->len)
        return G_SOURCE_CONTINUE;
    drop_source(&chr->out_src);
    return G_SOURCE_REMOVE;
}

void chr_stream_start(Chardev *chr, int in_fd, int out_fd)
{
    chr->in_fd = in_fd;
    chr->out_fd = out_fd;
    chr->in_paused = true;
    if (in_fd >= 0)
        chr_resume_input(chr);
}

void chr_stream_stop(Chardev *chr)
{
    drop_source(&chr->in_src);
    drop_source(&chr->gone_src);
    drop_source(&chr->out_src);
    g_byte_array_set_size(chr->out, 0);
    chr->held_len = 0;
    chr->in_fd = chr->out_fd = -1;
    chr->in_paused = false;
}

static void write_log(Chardev *chr, const uint8_t *buf, int len)
{
    while (chr->log_fd >= 0 && len > 0) {
        ssize_t n = write(chr->log_fd, buf, (size_t)len);
        if (n <= 0)
            return;
        buf += n;
        len -= (int)n;
    }
}

/* What is not written at once is kept, up to OUT_MAX bytes. */
static int stream_out(Chardev *chr, const uint8_t *buf, int len)
{
    int done = 0;
    if (!chr->out->len) {
        done = write_now(chr, buf, len);
        if (done < 0)
            return len; /* the reading side notices the hang-up */
    }
    int rest = MIN(len - done, (int)(OUT_MAX - chr->out->len));
    if (rest > 0) {
        g_byte_array_append(chr->out, buf + done, (guint)rest);
        if (!chr->out_src)
            chr->out_src = add_watch(chr->out_fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, on_output, chr);
    }
    return done + rest;
}

static void flush_held(Chardev *chr)
{
    int len = chr->held_len;

    chr->held_len = 0;
    if (len > 0)
        stream_out(chr, chr->held, len);
}

static void on_hold_timer(void *opaque) { flush_held(opaque); }

/* True: the byte is among those that wait. The first one of a burst does not: what is typed comes back at once. */
static bool hold_byte(Chardev *chr, uint8_t byte)
{
    int64_t now = clock_ns(CLOCK_HOST_REAL), pause = now - chr->last_byte_ns;

    chr->last_byte_ns = now;
    if (chr->ops->datagrams || chr->out->len || (!chr->held_len && pause > HOLD_NS / 10))
        return false;
    chr->held[chr->held_len++] = byte;
    if (byte == '\n' || chr->held_len == (int)sizeof chr->held) {
        flush_held(chr);
    } else {
        if (!chr->hold_timer)
            chr->hold_timer = timer_new(CLOCK_HOST_REAL, on_hold_timer, chr);
        if (!timer_pending(chr->hold_timer)) /* left alone when a line ends: one wake-up of the main loop for many lines */
            timer_mod(chr->hold_timer, now + HOLD_NS);
    }
    return true;
}

static int stream_write(Chardev *chr, const uint8_t *buf, int len)
{
    if (!chr->open && !(chr->ops->poll_peer && chr->ops->poll_peer(chr))) {
        chr->held_len = 0;
        return len;
    }
    if (chr->out_fd < 0)
        return len;
    if (len == 1 && hold_byte(chr, *buf))
        return len;
    flush_held(chr);
    return stream_out(chr, buf, len);
}

int chr_write(Chardev *chr, const uint8_t *buf, int len)
{
    int n = chr->ops->write ? chr->ops->write(chr, buf, len) : stream_write(chr, buf, len);
    write_log(chr, buf, n);
    return n;
}

/* ---- front ends ---- */

bool chardev_fe_init(ChardevFe *fe, Chardev *chr, GError **errp)
{
    fe->chr = NULL;
    fe->handlers = NULL;
    if (!chr)
        return true;
    if (chr->base) {
        fe->chr = chr;
        if (mux_fe_attach(fe, errp))
            return true;
        fe->chr = NULL;
        return false;
    }
    if (chr->fe)
        return error_set(errp, "Device '%s' is in use", chr->label);
    fe->chr = chr;
    chr->fe = fe;
    return true;
}

void chardev_fe_set_handlers(ChardevFe *fe, const ChardevHandlers *h, void *opaque)
{
    Chardev *chr = fe->chr;
    fe->handlers = h;
    fe->opaque = opaque;
    if (!chr || !h)
        return;
    if (chr->base) {
        mux_fe_handlers(fe);
        return;
    }
    if (chr->open && h->event)
        h->event(opaque, CHR_EVENT_OPENED);
    chr_resume_input(chr);
}

void chardev_fe_deinit(ChardevFe *fe)
{
    if (!fe->chr)
        return;
    if (fe->chr->base)
        mux_fe_detach(fe);
    else
        fe->chr->fe = NULL;
    fe->chr = NULL;
    fe->handlers = NULL;
}

int chardev_fe_write(ChardevFe *fe, const uint8_t *buf, int len)
{
    if (!fe->chr)
        return len;
    return fe->chr->base ? mux_fe_write(fe, buf, len) : chr_write(fe->chr, buf, len);
}

void chardev_fe_accept_input(ChardevFe *fe)
{
    Chardev *chr = fe->chr;
    if (!chr)
        return;
    if (chr->base)
        mux_accept_input(fe);
    else if (chr->ops->accept_input)
        chr->ops->accept_input(chr);
    else
        chr_resume_input(chr);
}

void chardev_fe_set_break(ChardevFe *fe, bool on)
{
    /* None of the host's streams carries a break outwards. */
}

void chardev_fe_take_focus(ChardevFe *fe)
{
    if (fe->chr && fe->chr->base)
        mux_take_focus(fe);
}

/* ---- the list ---- */

Chardev *chardev_find(const char *id)
{
    for (GList *l = chardevs; l; l = l->next)
        if (g_str_equal(((Chardev *)l->data)->label, id))
            return l->data;
    return NULL;
}

void chardev_foreach(void (*fn)(Chardev *chr, void *opaque), void *opaque)
{
    for (GList *l = chardevs; l; l = l->next)
        fn(l->data, opaque);
}

const char *chardev_label(const Chardev *chr) { return chr->label; }
const char *chardev_filename(const Chardev *chr) { return chr->filename; }
bool chardev_is_mux(const Chardev *chr) { return chr->base != NULL; }

void chardev_free(Chardev *chr)
{
    Chardev *base = chr->base;
    chr_destroy(chr);
    if (base)
        chr_destroy(base);
}

/* What is still in the output buffers gets a moment to leave. */
static void flush_out(Chardev *chr)
{
    gint64 end = g_get_monotonic_time() + 200 * 1000;
    while (chr->out->len && chr->out_fd >= 0 && g_get_monotonic_time() < end) {
        struct pollfd p = {.fd = chr->out_fd, .events = POLLOUT};
        if (poll(&p, 1, 50) > 0) {
            int n = write_now(chr, chr->out->data, (int)chr->out->len);
            if (n < 0)
                return;
            g_byte_array_remove_range(chr->out, 0, (guint)n);
        }
    }
}

void chardev_cleanup_all(void)
{
    for (GList *l = chardevs; l; l = l->next) {
        flush_held(l->data);
        flush_out(l->data);
    }
    while (chardevs)
        chr_destroy(g_list_last(chardevs)->data); /* a mux was made after its base: it goes first */
    chardev_restore_terminal();
}
