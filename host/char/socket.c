/* socket.c - unix and TCP sockets, as server (one client at a time) or client, with telnet and
 * reconnection. Spec: qemu's -chardev socket options; RFC 854 for what of telnet is used (IAC
 * commands are answered with fixed offers and never reach the front end; BREAK becomes an event).
 * Not modelled: TLS, websocket, descriptor passing. */
#include "host/base/osdep.h"
#include "host/char/chardev-int.h"
#include <fcntl.h>
#include <glib-unix.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { IAC = 255, DONT = 254, DO = 253, WONT = 252, WILL = 251, SB = 250, IAC_BREAK = 243, SE = 240 };
enum { TELOPT_BINARY = 0, TELOPT_ECHO_ = 1, TELOPT_SGA_ = 3 };

typedef struct Sock {
    Chardev *chr;
    char *path, *host, *port;
    bool server, telnet, is_unix, abstract;
    int listen_fd, fd;     /* -1 none */
    unsigned reconnect_s;
    guint timer;
    GSource *listen_src;
    char *where;           /* "unix:P,server=on" */
    enum { TEL_DATA, TEL_IAC, TEL_OPT, TEL_SB, TEL_SB_IAC } tel;
} Sock;

static void start_listening(Sock *s);
static void connected(Sock *s, int fd);

static char *endpoint(Sock *s)
{
    if (s->is_unix)
        return g_strdup_printf("unix:%s%s", s->path, s->server ? ",server=on" : "");
    return g_strdup_printf("%s:%s:%s%s", s->telnet ? "telnet" : "tcp", s->host, s->port, s->server ? ",server=on" : "");
}

static void name_it(Sock *s)
{
    if (s->fd < 0) {
        chr_set_filename(s->chr, g_strdup_printf("disconnected:%s", s->where));
        return;
    }
    char host[64] = "?", port[16] = "?";
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;
    if (s->is_unix || getpeername(s->fd, (struct sockaddr *)&ss, &n) < 0 ||
        getnameinfo((struct sockaddr *)&ss, n, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
        chr_set_filename(s->chr, g_strdup(s->where));
    else
        chr_set_filename(s->chr, g_strdup_printf("%s <-> %s:%s", s->where, host, port));
}

/* ---- addresses ---- */

static bool unix_address(Sock *s, struct sockaddr_un *un, socklen_t *len, GError **errp)
{
    size_t n = strlen(s->path);
    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (n + 1 + s->abstract > sizeof un->sun_path)
        return error_set(errp, "UNIX socket path '%s' is too long (at most %zu bytes)", s->path,
                         sizeof un->sun_path - 1);
    memcpy(un->sun_path + s->abstract, s->path, n);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return true;
}

static struct addrinfo *resolve(Sock *s, GError **errp)
{
    struct addrinfo hint = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = s->server ? AI_PASSIVE : 0};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(s->host[0] ? s->host : NULL, s->port, &hint, &list);
    if (rc) {
        error_set(errp, "address resolution failed for %s:%s: %s", s->host, s->port, gai_strerror(rc));
        return NULL;
    }
    return list;
}

static int listen_unix(Sock *s, GError **errp)
{
    struct sockaddr_un un;
    socklen_t len;
    if (!unix_address(s, &un, &len, errp))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stat st;
    /* A socket that an earlier run left behind; never anybody's file. */
    if (!s->abstract && lstat(s->path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(s->path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&un, len) < 0 || listen(fd, 1) < 0) {
        error_set_errno(errp, errno, "Failed to bind socket to %s", s->path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static int listen_tcp(Sock *s, GError **errp)
{
    struct addrinfo *list = resolve(s, errp);
    int err = 0;
    if (!list)
        return -1;
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
        if (fd < 0) {
            err = errno;
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 1) == 0) {
            freeaddrinfo(list);
            return fd;
        }
        err = errno;
        close(fd);
    }
    freeaddrinfo(list);
    error_set_errno(errp, err, "Failed to listen on %s:%s", s->host, s->port);
    return -1;
}

static int connect_out(Sock *s, GError **errp)
{
    int err = 0;
    if (s->is_unix) {
        struct sockaddr_un un;
        socklen_t len;
        if (!unix_address(s, &un, &len, errp))
            return -1;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&un, len) == 0)
            return fd;
        err = errno;
        if (fd >= 0)
            close(fd);
        error_set_errno(errp, err, "Failed to connect to '%s'", s->path);
        return -1;
    }
    struct addrinfo *list = resolve(s, errp);
    if (!list)
        return -1;
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
            freeaddrinfo(list);
            return fd;
        }
        err = errno;
        if (fd >= 0)
            close(fd);
    }
    freeaddrinfo(list);
    error_set_errno(errp, err, "Failed to connect to '%s:%s'", s->host, s->port);
    return -1;
}

/* ---- connections ---- */

static gboolean on_connection(gint fd, GIOCondition cond, gpointer opaque)
{
    Sock *s = opaque;
    int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (c < 0)
        return G_SOURCE_CONTINUE;
    g_source_unref(s->listen_src); /* others wait in the backlog until this one has gone */
    s->listen_src = NULL;
    connected(s, c);
    return G_SOURCE_REMOVE;
}

static void start_listening(Sock *s)
{
    if (s->listen_src || s->listen_fd < 0)
        return;
    s->listen_src = g_unix_fd_source_new(s->listen_fd, G_IO_IN);
    g_source_set_callback(s->listen_src, G_SOURCE_FUNC(on_connection), s, NULL);
    g_source_attach(s->listen_src, NULL);
}

static gboolean try_again(gpointer opaque)
{
    Sock *s = opaque;
    int fd = connect_out(s, NULL);
    if (fd < 0)
        return G_SOURCE_CONTINUE;
    s->timer = 0;
    connected(s, fd);
    return G_SOURCE_REMOVE;
}

static void connected(Sock *s, int fd)
{
    static const uint8_t offer[] = {IAC, WILL, TELOPT_ECHO_, IAC, WILL, TELOPT_SGA_, IAC, WILL, TELOPT_BINARY,
                                    IAC, DO,   TELOPT_BINARY};
    int on = 1;
    s->fd = fd;
    s->tel = TEL_DATA;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (!s->is_unix)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    name_it(s);
    chr_stream_start(s->chr, fd, fd);
    s->chr->open = true;
    if (s->telnet && write(fd, offer, sizeof offer) < 0) {
        /* gone already: the read side will see it */
    }
    chr_event(s->chr, CHR_EVENT_OPENED);
}

static void sock_hangup(Chardev *chr)
{
    Sock *s = chr->priv;
    chr_stream_stop(chr);
    close(s->fd);
    s->fd = -1;
    name_it(s);
    chr_event(chr, CHR_EVENT_CLOSED);
    if (s->server)
        start_listening(s);
    else if (s->reconnect_s && !s->timer)
        s->timer = g_timeout_add_seconds(s->reconnect_s, try_again, s);
}

/* Takes telnet commands out of the input; the state survives a command that is cut in two. */
static int sock_filter(Chardev *chr, uint8_t *buf, int len)
{
    Sock *s = chr->priv;
    int out = 0;
    if (!s->telnet)
        return len;
    for (int i = 0; i < len; i++) {
        uint8_t c = buf[i];
        switch (s->tel) {
        case TEL_DATA:
            if (c == IAC)
                s->tel = TEL_IAC;
            else
                buf[out++] = c;
            break;
        case TEL_IAC:
            s->tel = TEL_DATA;
            if (c == IAC)
                buf[out++] = c;
            else if (c >= WILL && c <= DONT)
                s->tel = TEL_OPT;
            else if (c == SB)
                s->tel = TEL_SB;
            else if (c == IAC_BREAK)
                chr_event(chr, CHR_EVENT_BREAK);
            break;
        case TEL_OPT:
            s->tel = TEL_DATA;
            break;
        case TEL_SB:
            if (c == IAC)
                s->tel = TEL_SB_IAC;
            break;
        case TEL_SB_IAC:
            s->tel = c == SE ? TEL_DATA : TEL_SB;
            break;
        }
    }
    return out;
}

static void sock_close(Chardev *chr)
{
    Sock *s = chr->priv;
    if (s->timer)
        g_source_remove(s->timer);
    if (s->listen_src) {
        g_source_destroy(s->listen_src);
        g_source_unref(s->listen_src);
    }
    if (s->fd >= 0)
        close(s->fd);
    if (s->listen_fd >= 0) {
        close(s->listen_fd);
        if (s->is_unix && !s->abstract)
            unlink(s->path);
    }
    g_free(s->path);
    g_free(s->host);
    g_free(s->port);
    g_free(s->where);
    g_free(s);
}

static const ChardevOps sock_ops = {
    .name = "socket", .filter = sock_filter, .hangup = sock_hangup, .close = sock_close};

/* wait=on: nothing starts before the first client is there. */
static bool wait_for_client(Sock *s, GError **errp)
{
    fprintf(stderr, "%s: info: Vireo waiting for connection on: disconnected:%s\n", error_progname(), s->where);
    for (;;) {
        int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            connected(s, fd);
            return true;
        }
        if (errno != EINTR)
            return error_set_errno(errp, errno, "Failed to accept a connection on %s", s->where);
    }
}

static bool adopt_fd(Sock *s, uint64_t n, GError **errp)
{
    int listening = 0, type;
    socklen_t len = sizeof listening;
    struct stat st;
    int fd = (int)n;
    if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
        return error_set(errp, "chardev socket: fd=%d is not an open socket", fd);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len);
    len = sizeof type;
    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &type, &len);
    s->is_unix = type == AF_UNIX;
    if (s->server != !!listening)
        return error_set(errp, "chardev socket: fd=%d %s a listening socket", fd, listening ? "is" : "is not");
    *(s->server ? &s->listen_fd : &s->fd) = fd;
    g_free(s->where);
    s->where = g_strdup_printf("fd:%d%s", fd, s->server ? ",server=on" : "");
    return true;
}

bool chr_open_socket(Chardev *chr, const GPtrArray *kv, GError **errp)
{
    const char *path = keyval_get(kv, "path"), *host = keyval_get(kv, "host"), *port = keyval_get(kv, "port");
    bool server = false, wait = true, telnet = false, delay = true, v4 = true, v6 = true, abstract = false, tight = true;
    uint64_t reconnect = 0, fd_arg = 0;

    if (!keyval_bool(kv, "server", &server, errp) || !keyval_bool(kv, "telnet", &telnet, errp) ||
        !keyval_bool(kv, "delay", &delay, errp) || !keyval_bool(kv, "ipv4", &v4, errp) ||
        !keyval_bool(kv, "ipv6", &v6, errp) || !keyval_bool(kv, "abstract", &abstract, errp) ||
        !keyval_bool(kv, "tight", &tight, errp) || !keyval_bool(kv, "wait", &wait, errp) ||
        !keyval_uint(kv, "reconnect", 0, 86400, &reconnect, errp) || !keyval_uint(kv, "fd", 0, 65535, &fd_arg, errp))
        return false;
    bool has_fd = keyval_get(kv, "fd");
    if (!path && !port && !has_fd)
        return error_set(errp, "chardev: socket '%s': no path=, host= and port=, or fd= given", chr->label);
    if (path && port)
        return error_set(errp, "chardev: socket '%s': path= and port= exclude each other", chr->label);
    if (server && reconnect)
        return error_set(errp, "chardev: socket '%s': 'reconnect' is for clients, not for server=on", chr->label);

    Sock *s = g_new0(Sock, 1);
    *s = (Sock){.chr = chr, .path = g_strdup(path ? path : ""), .host = g_strdup(host ? host : ""),
                .port = g_strdup(port ? port : ""), .server = server, .telnet = telnet, .is_unix = path != NULL,
                .abstract = abstract, .listen_fd = -1, .fd = -1, .reconnect_s = (unsigned)reconnect};
    chr->priv = s;
    chr->ops = &sock_ops;
    s->where = endpoint(s);
    if (has_fd && !adopt_fd(s, fd_arg, errp))
        return false;
    if (server) {
        if (s->listen_fd < 0)
            s->listen_fd = s->is_unix ? listen_unix(s, errp) : listen_tcp(s, errp);
        if (s->listen_fd < 0)
            return false;
        name_it(s);
        if (wait)
            return wait_for_client(s, errp);
        start_listening(s);
        return true;
    }
    int fd = s->fd >= 0 ? s->fd : connect_out(s, reconnect ? NULL : errp);
    if (fd >= 0) {
        connected(s, fd);
    } else if (reconnect) {
        name_it(s);
        s->timer = g_timeout_add_seconds(s->reconnect_s, try_again, s);
    } else {
        return false;
    }
    return true;
}
