/* pty.c - a new pseudo-terminal; its name is printed for whoever wants to open it.
 * While nobody has the other end open, output is dropped and a timer looks for somebody. */
#include "host/base/osdep.h"
#include "host/char/chardev-int.h"
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <termios.h>

enum { LOOK_MS = 200 };

typedef struct Pty {
    int fd;
    guint timer;
} Pty;

/* POLLHUP stays set on the master until somebody opens the slave. */
static bool slave_is_open(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    return poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP);
}

static bool pty_poll_peer(Chardev *chr)
{
    Pty *s = chr->priv;
    if (!slave_is_open(s->fd))
        return false;
    if (s->timer) {
        g_source_remove(s->timer);
        s->timer = 0;
    }
    chr_stream_start(chr, s->fd, s->fd);
    chr_event(chr, CHR_EVENT_OPENED);
    return true;
}

static gboolean look(gpointer opaque)
{
    Chardev *chr = opaque;
    Pty *s = chr->priv;
    if (!slave_is_open(s->fd))
        return G_SOURCE_CONTINUE;
    s->timer = 0;
    pty_poll_peer(chr);
    return G_SOURCE_REMOVE;
}

static void pty_hangup(Chardev *chr)
{
    Pty *s = chr->priv;
    chr_stream_stop(chr);
    chr_event(chr, CHR_EVENT_CLOSED);
    if (!s->timer)
        s->timer = g_timeout_add(LOOK_MS, look, chr);
}

static void pty_close(Chardev *chr)
{
    Pty *s = chr->priv;
    if (s->timer)
        g_source_remove(s->timer);
    close(s->fd);
    g_free(s);
}

static const ChardevOps pty_ops = {
    .name = "pty", .hangup = pty_hangup, .poll_peer = pty_poll_peer, .close = pty_close};

bool chr_open_pty(Chardev *chr, const GPtrArray *kv, GError **errp)
{
    int master, slave;
    char name[128];
    struct termios t;

    if (openpty(&master, &slave, NULL, NULL, NULL) < 0)
        return error_set_errno(errp, errno, "chardev '%s': failed to create a PTY", chr->label);
    if (ttyname_r(slave, name, sizeof name)) {
        close(master);
        close(slave);
        return error_set(errp, "chardev '%s': the PTY has no name", chr->label);
    }
    tcgetattr(slave, &t);
    cfmakeraw(&t);
    tcsetattr(slave, TCSAFLUSH, &t);
    close(slave);
    fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
    fcntl(master, F_SETFD, FD_CLOEXEC);
    Pty *s = g_new0(Pty, 1);
    s->fd = master;
    chr->priv = s;
    chr->ops = &pty_ops;
    chr_set_filename(chr, g_strdup_printf("pty:%s", name));
    /* Launchers read this very line. */
    printf("char device redirected to %s (label %s)\n", name, chr->label);
    fflush(stdout);
    s->timer = g_timeout_add(LOOK_MS, look, chr);
    return true;
}
