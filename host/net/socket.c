/* socket.c - a network over a socket between two emulators: listen=, connect=, udp=
 * Spec: the framing of qemu's -netdev socket: on TCP each frame after its length as 32 bits big-endian; one
 * frame per datagram on UDP. Not modelled: mcast=, fd=, reconnecting. */
#include "host/base/osdep.h"
#include "host/net/net.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include "host/base/bitops.h"
#include "host/base/keyval.h"

enum { OUT_MAX = 4 << 20 }; /* bytes that wait for a slow peer before frames are lost */

typedef struct SocketNet {
    NetClient nc;
    int listen_fd, fd;
    bool dgram;
    guint listen_watch, watch, out_watch;
    GByteArray *in, *out;
} SocketNet;

static void hang_up(SocketNet *s)
{
    guint *watch[] = {&s->watch, &s->out_watch};

    for (size_t i = 0; i < ARRAY_SIZE(watch); i++) {
        if (*watch[i])
            g_source_remove(*watch[i]);
        *watch[i] = 0;
    }
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    g_byte_array_set_size(s->in, 0);
    g_byte_array_set_size(s->out, 0);
}

/* Hands over what is complete; false: the stream makes no sense. */
static bool take_frames(SocketNet *s)
{
    guint pos = 0;

    while (s->in->len - pos >= 4) {
        uint32_t len = ldb32(s->in->data + pos);
        if (len > NET_MAX_FRAME)
            return false;
        if (s->in->len - pos - 4 < len)
            break;
        net_send(&s->nc, s->in->data + pos + 4, len);
        pos += 4 + len;
    }
    if (pos)
        g_byte_array_remove_range(s->in, 0, pos);
    return true;
}

static gboolean readable(gint fd, GIOCondition cond, gpointer opaque)
{
    SocketNet *s = opaque;
    uint8_t buf[NET_MAX_FRAME];
    ssize_t n;

    if (!net_peer_has_room(&s->nc)) {
        s->watch = 0;
        return G_SOURCE_REMOVE;
    }
    n = recv(fd, buf, sizeof buf, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR || s->dgram))
        return G_SOURCE_CONTINUE;
    if (s->dgram) {
        net_send(&s->nc, buf, (size_t)n);
        return G_SOURCE_CONTINUE;
    }
    if (n > 0)
        g_byte_array_append(s->in, buf, (guint)n);
    if (n > 0 && take_frames(s))
        return G_SOURCE_CONTINUE;
    s->watch = 0;
    hang_up(s);
    return G_SOURCE_REMOVE;
}

static void socket_drained(NetClient *nc)
{
    SocketNet *s = (SocketNet *)nc;

    if (s->fd >= 0 && !s->watch)
        s->watch = g_unix_fd_add(s->fd, G_IO_IN, readable, s);
}

static void push_out(SocketNet *s)
{
    while (s->out->len) {
        ssize_t n = send(s->fd, s->out->data, s->out->len, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        g_byte_array_remove_range(s->out, 0, (guint)n);
    }
}

static gboolean writable(gint fd, GIOCondition cond, gpointer opaque)
{
    SocketNet *s = opaque;

    push_out(s);
    if (s->out->len && !(cond & (G_IO_ERR | G_IO_HUP)))
        return G_SOURCE_CONTINUE;
    s->out_watch = 0;
    return G_SOURCE_REMOVE;
}

static bool socket_receive(NetClient *nc, const uint8_t *buf, size_t len)
{
    SocketNet *s = (SocketNet *)nc;
    uint8_t head[4];

    if (s->fd < 0)
        return true;
    if (s->dgram) {
        if (send(s->fd, buf, len, MSG_NOSIGNAL) < 0) {
            /* nobody listens, or the host is out of buffers: the frame is lost */
        }
        return true;
    }
    if (s->out->len + len > OUT_MAX)
        return true;
    stb32(head, (uint32_t)len);
    g_byte_array_append(s->out, head, 4);
    g_byte_array_append(s->out, buf, (guint)len);
    push_out(s);
    if (s->out->len && !s->out_watch)
        s->out_watch = g_unix_fd_add(s->fd, G_IO_OUT, writable, s);
    return true;
}

static void take_fd(SocketNet *s, int fd)
{
    int one = 1;

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (!s->dgram)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    s->fd = fd;
    socket_drained(&s->nc);
}

static gboolean incoming(gint fd, GIOCondition cond, gpointer opaque)
{
    SocketNet *s = opaque;
    int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

    if (c >= 0 && s->fd >= 0)
        close(c); /* one peer at a time */
    else if (c >= 0)
        take_fd(s, c);
    return G_SOURCE_CONTINUE;
}

static void socket_close(NetClient *nc)
{
    SocketNet *s = (SocketNet *)nc;

    hang_up(s);
    if (s->listen_watch)
        g_source_remove(s->listen_watch);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    g_byte_array_unref(s->in);
    g_byte_array_unref(s->out);
}

static const NetClientOps socket_ops = {.type = "socket", .size = sizeof(SocketNet), .receive = socket_receive,
                                        .drained = socket_drained, .close = socket_close};

/* "[host]:port" */
static struct addrinfo *resolve(const char *what, const char *text, bool passive, bool dgram, GError **errp)
{
    const char *colon = strrchr(text, ':');
    g_autofree char *host = colon ? g_strndup(text, (gsize)(colon - text)) : NULL;
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = dgram ? SOCK_DGRAM : SOCK_STREAM,
                             .ai_flags = passive ? AI_PASSIVE : 0}, *res = NULL;
    int rc;

    if (!colon || !colon[1]) {
        error_set(errp, "socket: %s=%s: write [HOST]:PORT", what, text);
        return NULL;
    }
    rc = getaddrinfo(*host ? host : NULL, colon + 1, &hints, &res);
    if (rc)
        error_set(errp, "socket: %s=%s: host '%s', port %s: %s", what, text, host, colon + 1, gai_strerror(rc));
    return rc ? NULL : res;
}

/* Binds (and listens), or connects; -1 with errp. */
static int open_socket(const char *what, const char *text, bool bind_it, bool dgram, int fd, GError **errp)
{
    struct addrinfo *a = resolve(what, text, bind_it, dgram, errp);
    int one = 1, rc;

    if (!a)
        return -1;
    if (fd < 0)
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
    if (bind_it) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        rc = bind(fd, a->ai_addr, a->ai_addrlen);
        if (!rc && !dgram)
            rc = listen(fd, 1);
    } else {
        rc = connect(fd, a->ai_addr, a->ai_addrlen);
    }
    freeaddrinfo(a);
    if (!rc)
        return fd;
    error_set_errno(errp, errno, "socket: cannot %s %s", bind_it ? "listen on" : "connect to", text);
    close(fd);
    return -1;
}

bool net_socket_new(const GPtrArray *kv, const char *id, GError **errp)
{
    const char *listen_at = keyval_get(kv, "listen"), *to = keyval_get(kv, "connect"), *udp = keyval_get(kv, "udp");
    const char *local = keyval_get(kv, "localaddr");
    int fd = -1;
    SocketNet *s;

    if (!keyval_check(kv, "socket", "type id listen connect udp localaddr", errp))
        return false;
    if (!!listen_at + !!to + !!udp != 1)
        return error_set(errp, "socket: exactly one of listen=, connect= and udp= is needed");
    if (udp && !local)
        return error_set(errp, "socket: udp=%s: localaddr=[HOST]:PORT is needed too", udp);
    if (udp) {
        fd = open_socket("localaddr", local, true, true, -1, errp);
        if (fd >= 0)
            fd = open_socket("udp", udp, false, true, fd, errp);
    } else {
        fd = open_socket(listen_at ? "listen" : "connect", listen_at ? listen_at : to, listen_at != NULL, false, -1, errp);
    }
    if (fd < 0)
        return false;
    s = (SocketNet *)net_client_new(&socket_ops, id, NULL);
    s->fd = s->listen_fd = -1;
    s->dgram = udp != NULL;
    s->in = g_byte_array_new();
    s->out = g_byte_array_new();
    net_client_set_info(&s->nc, "type=socket,%s=%s", listen_at ? "listen" : to ? "connect" : "udp",
                        listen_at ? listen_at : to ? to : udp);
    if (listen_at) {
        s->listen_fd = fd;
        s->listen_watch = g_unix_fd_add(fd, G_IO_IN, incoming, s);
    } else {
        take_fd(s, fd);
    }
    return true;
}
