/* vnc.c - the VNC server: addresses, life, passwords, who is there
 * Spec: RFC 6143 (RFB 3.8), by libvncserver; QEMU's -vnc option and `info vnc` text.
 * Not modelled: TLS, SASL, web sockets by option, reverse connections, several servers, clipboard. */
#include "host/base/osdep.h"
#include "host/display/vnc-internal.h"
#include "host/base/keyval.h"
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { BASE_PORT = 5900, DEFAULT_KEY_DELAY_MS = 10, IO_TIMEOUT_MS = 5000, WIDTH = 720, HEIGHT = 400 };

VncServer vnc;
static bool started;

typedef struct Client { /* clientData; the server thread's */
    char *name;
    int fd; /* our own copy, to end a blocked write */
} Client;
static GPtrArray *clients; /* of Client *, under state_lock */

void vnc_wake(void)
{
    uint64_t one = 1;
    if (write(vnc.wake_fd, &one, sizeof one) < 0) {
        /* EAGAIN: it is awake already */
    }
}

/* ---- names of sockets ---- */

static char *socket_name(int fd, bool peer)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;
    char host[64], port[16];
    int rc = peer ? getpeername(fd, (struct sockaddr *)&ss, &n) : getsockname(fd, (struct sockaddr *)&ss, &n);
    if (rc < 0)
        return g_strdup("?: (unknown)");
    if (ss.ss_family == AF_UNIX)
        return g_strdup_printf("%s: (unix)", peer ? "" : ((struct sockaddr_un *)&ss)->sun_path);
    if (getnameinfo((struct sockaddr *)&ss, n, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
        return g_strdup("?: (unknown)");
    return g_strdup_printf("%s:%s (%s)", host, port, ss.ss_family == AF_INET6 ? "ipv6" : "ipv4");
}

void vnc_print_info(GString *out)
{
    if (!started) {
        g_string_append(out, "None\n");
        return;
    }
    const char *auth = vnc.password_on ? "vnc" : "none";
    g_string_append(out, "default:\n");
    for (int i = 0; i < vnc.listen_count; i++) {
        g_autofree char *name = socket_name(vnc.listen_fd[i], false);
        g_string_append_printf(out, "  Server: %s\n    Auth: %s (Sub: none)\n", name, auth);
    }
    g_mutex_lock(&vnc.state_lock);
    for (guint i = 0; i < clients->len; i++)
        g_string_append_printf(out, "  Client: %s\n    x509_dname: none\n    sasl_username: none\n",
                               ((Client *)clients->pdata[i])->name);
    g_mutex_unlock(&vnc.state_lock);
}

/* ---- clients; server thread ---- */

static int accepting_fd; /* the socket of the client that is being made */

static gboolean clients_changed(gpointer opaque)
{
    if (started)
        vnc_update_set_running(g_atomic_int_get(&vnc.clients) > 0);
    return G_SOURCE_REMOVE;
}

static void client_gone(rfbClientPtr cl)
{
    Client *c = cl->clientData;
    vnc_input_client_gone(cl);
    g_mutex_lock(&vnc.state_lock);
    g_ptr_array_remove(clients, c);
    g_mutex_unlock(&vnc.state_lock);
    close(c->fd);
    g_free(c->name);
    g_free(c);
    cl->clientData = NULL;
    g_atomic_int_add(&vnc.clients, -1);
    g_idle_add_full(G_PRIORITY_DEFAULT, clients_changed, NULL, NULL);
}

static enum rfbNewClientAction client_new(rfbClientPtr cl)
{
    Client *c;
    int fd = fcntl(accepting_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return RFB_CLIENT_REFUSE;
    c = g_new(Client, 1);
    *c = (Client){socket_name(fd, true), fd};
    cl->clientData = c;
    cl->clientGoneHook = client_gone;
    g_mutex_lock(&vnc.state_lock);
    g_ptr_array_add(clients, c);
    g_mutex_unlock(&vnc.state_lock);
    g_atomic_int_inc(&vnc.clients);
    g_idle_add_full(G_PRIORITY_DEFAULT, clients_changed, NULL, NULL);
    return RFB_CLIENT_ACCEPT;
}

static rfbBool check_password(rfbClientPtr cl, const char *response, int len)
{
    unsigned char expected[CHALLENGESIZE];
    bool ok = false;

    if (len != CHALLENGESIZE)
        return FALSE;
    memcpy(expected, cl->authChallenge, sizeof expected);
    g_mutex_lock(&vnc.state_lock);
    if (vnc.password_set && vnc.password[0] && g_get_real_time() / 1000000 < vnc.expires) {
        rfbEncryptBytes(expected, vnc.password);
        ok = memcmp(expected, response, sizeof expected) == 0;
    }
    g_mutex_unlock(&vnc.state_lock);
    return ok;
}

/* libvncserver 0.9.14 looks for a web socket's first four bytes in a new connection, and never returns when a
 * client sends fewer. So it is given one end of a socket pair on which nobody speaks; once it has sent its version
 * there, the client's socket takes that end's place. */
static void accept_client(int listen_fd)
{
    int on = 1, pair[2], fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    char version[sz_rfbProtocolVersionMsg];

    if (fd < 0)
        return;
    if (g_atomic_int_get(&vnc.clients) >= VNC_MAX_CLIENTS ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        close(fd);
        return;
    }
    if (pair[0] >= FD_SETSIZE) { /* libvncserver uses select() */
        close(pair[0]);
    } else {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        accepting_fd = fd;
        g_mutex_lock(&vnc.lock);
        rfbClientPtr cl = rfbNewClient(vnc.screen, pair[0]);
        if (cl && cl->sock >= 0 && (read(pair[1], version, sizeof version) != sizeof version ||
                                    send(fd, version, sizeof version, MSG_NOSIGNAL) != sizeof version ||
                                    dup3(fd, cl->sock, O_CLOEXEC) < 0))
            rfbCloseClient(cl);
        g_mutex_unlock(&vnc.lock);
    }
    close(pair[1]);
    close(fd);
}

static gpointer server_thread(gpointer opaque)
{
    struct pollfd p[1 + VNC_MAX_LISTEN + VNC_MAX_CLIENTS];

    while (!g_atomic_int_get(&vnc.stop)) {
        int n = 0;
        p[n++] = (struct pollfd){vnc.wake_fd, POLLIN, 0};
        for (int i = 0; i < vnc.listen_count; i++)
            p[n++] = (struct pollfd){vnc.listen_fd[i], POLLIN, 0};
        g_mutex_lock(&vnc.lock);
        rfbClientIteratorPtr it = rfbGetClientIterator(vnc.screen);
        for (rfbClientPtr cl; (cl = rfbClientIteratorNext(it)) && n < (int)ARRAY_SIZE(p);)
            p[n++] = (struct pollfd){cl->sock, POLLIN, 0};
        rfbReleaseClientIterator(it);
        g_mutex_unlock(&vnc.lock);
        poll(p, (nfds_t)n, 1000);
        uint64_t v;
        if ((p[0].revents & POLLIN) && read(vnc.wake_fd, &v, sizeof v) < 0) {
            /* EAGAIN: nothing left to read */
        }
        for (int i = 0; i < vnc.listen_count; i++)
            if (p[1 + i].revents & POLLIN)
                accept_client(vnc.listen_fd[i]);
        g_mutex_lock(&vnc.lock);
        rfbProcessEvents(vnc.screen, 0);
        g_mutex_unlock(&vnc.lock);
    }
    return NULL;
}

/* ---- addresses ---- */

static bool add_listener(int fd)
{
    if (vnc.listen_count == VNC_MAX_LISTEN || fd >= FD_SETSIZE)
        return false;
    vnc.listen_fd[vnc.listen_count++] = fd;
    return true;
}

static bool listen_unix(const char *path, GError **errp)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct stat st;
    if (!path[0] || strlen(path) >= sizeof un.sun_path)
        return error_set(errp, "UNIX socket path '%s' must have 1 to %zu bytes", path, sizeof un.sun_path - 1);
    strcpy(un.sun_path, path);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path); /* left behind by an earlier run; never anybody's file */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof un) < 0 || listen(fd, 8) < 0 || !add_listener(fd)) {
        error_set_errno(errp, errno, "Failed to bind socket to %s", path);
        if (fd >= 0)
            close(fd);
        return false;
    }
    vnc.unix_path = g_strdup(path);
    return true;
}

static void close_listeners(void)
{
    while (vnc.listen_count > 0)
        close(vnc.listen_fd[--vnc.listen_count]);
}

/* All addresses of the host on one port; 0, or the error that made it impossible. */
static int listen_port(const struct addrinfo *list)
{
    int err = EADDRNOTAVAIL;
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        int on = 1, fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) {
            err = errno;
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (a->ai_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 8) == 0 && add_listener(fd))
            continue;
        err = errno;
        close(fd);
        if (err == EADDRINUSE) { /* half a server would hide the other one */
            close_listeners();
            return err;
        }
    }
    return vnc.listen_count ? 0 : err;
}

static bool listen_tcp(const char *addr, uint64_t to, int family, GError **errp)
{
    const char *colon = strrchr(addr, ':');
    uint64_t display = 0;
    int err = 0;

    if (!colon || !colon[1])
        return error_set(errp, "no display number in '%s' (write :N, HOST:N, unix:PATH or none)", addr);
    if (!parse_uint("display", colon + 1, 0, 65535 - BASE_PORT, &display, errp))
        return false;
    g_autofree char *host = g_strndup(addr, (gsize)(colon - addr));
    if (host[0] == '[' && g_str_has_suffix(host, "]")) {
        memmove(host, host + 1, strlen(host));
        host[strlen(host) - 1] = 0;
    }
    to = MAX(to, display);
    for (uint64_t d = display; d <= to; d++) {
        struct addrinfo hint = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
        char port[8];
        snprintf(port, sizeof port, "%u", (unsigned)(BASE_PORT + d));
        int rc = getaddrinfo(host[0] ? host : NULL, port, &hint, &list);
        if (rc)
            return error_set(errp, "address resolution failed for %s:%s: %s", host, port, gai_strerror(rc));
        err = listen_port(list);
        freeaddrinfo(list);
        if (err != EADDRINUSE)
            break;
    }
    if (err)
        return error_set_errno(errp, err, "Failed to listen on %s:%u", host, (unsigned)(BASE_PORT + display));
    return true;
}

/* ---- life ---- */

static void quiet_log(const char *format, ...) {}

static bool make_screen(const char *title, const char *share, GError **errp)
{
    rfbScreenInfoPtr s;

    rfbLog = rfbErr = quiet_log; /* what remote peers do wrong is not the user's concern */
    rfbMaxClientWait = IO_TIMEOUT_MS;
    s = rfbGetScreen(NULL, NULL, WIDTH, HEIGHT, 8, 3, 4);
    if (!s)
        return error_set(errp, "libvncserver cannot make a screen");
    vnc.pixels = g_try_malloc0((gsize)VNC_MAX_SIDE * VNC_MAX_SIDE * 4);
    if (!vnc.pixels) {
        rfbScreenCleanup(s);
        return error_set(errp, "no memory for the screen");
    }
    vnc.screen = s;
    s->frameBuffer = (char *)vnc.pixels;
    s->serverFormat.redShift = 16; /* Surface: 0x00RRGGBB */
    s->serverFormat.greenShift = 8;
    s->serverFormat.blueShift = 0;
    s->desktopName = g_strdup(title);
    s->port = s->ipv6port = 0; /* the sockets are ours */
    s->autoPort = FALSE;
    s->cursor = NULL;
    s->deferUpdateTime = s->deferPtrUpdateTime = 0;
    s->permitFileTransfer = FALSE;
    s->alwaysShared = g_str_equal(share, "ignore");
    s->dontDisconnect = g_str_equal(share, "force-shared");
    s->newClientHook = client_new;
    if (vnc.password_on) {
        s->authPasswdData = &vnc;
        s->passwordCheck = check_password;
    }
    vnc_input_init();
    rfbInitServer(s);
    return true;
}

static bool parse_options(GPtrArray *kv, const char **share, uint64_t *to, int *family, GError **errp)
{
    static const char *const ignored[] = {"lossy", "non-adaptive"};
    uint64_t delay = DEFAULT_KEY_DELAY_MS;
    bool v4 = false, v6 = false, flag, power = false;
    const char *s = keyval_get(kv, "share");

    if (!keyval_check(kv, "vnc", "vnc id password to share key-delay-ms lossy non-adaptive audiodev ipv4 ipv6 power-control", errp) ||
        !keyval_bool(kv, "password", &vnc.password_on, errp) || !keyval_uint(kv, "to", 0, 65535 - BASE_PORT, to, errp) ||
        !keyval_uint(kv, "key-delay-ms", 0, 1000, &delay, errp) || !keyval_bool(kv, "ipv4", &v4, errp) ||
        !keyval_bool(kv, "ipv6", &v6, errp) || !keyval_bool(kv, "power-control", &power, errp))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
        if (!keyval_bool(kv, ignored[i], &flag, errp))
            return false;
    if (power)
        return error_set(errp, "power-control=on is not supported (choices: off)");
    *share = s ? s : "allow-exclusive";
    if (!g_str_equal(*share, "allow-exclusive") && !g_str_equal(*share, "force-shared") && !g_str_equal(*share, "ignore"))
        return error_set(errp, "share=%s (choices: allow-exclusive force-shared ignore)", s);
    *family = v4 == v6 ? AF_UNSPEC : v4 ? AF_INET : AF_INET6;
    vnc.key_delay_ms = (int)delay;
    return true;
}

static void free_all(void)
{
    close_listeners();
    if (vnc.unix_path)
        unlink(vnc.unix_path);
    if (vnc.screen) {
        char *name = (char *)vnc.screen->desktopName;
        rfbShutdownServer(vnc.screen, TRUE);
        vnc.screen->desktopName = NULL;
        vnc.screen->frameBuffer = NULL;
        rfbScreenCleanup(vnc.screen);
        g_free(name);
        vnc_input_cleanup();
    }
    g_clear_pointer(&clients, g_ptr_array_unref);
    if (vnc.wake_fd > 0)
        close(vnc.wake_fd);
    g_free(vnc.pixels);
    g_free(vnc.unix_path);
    memset(&vnc, 0, sizeof vnc);
}

bool vnc_display_start(const char *opts, const char *title, GError **errp)
{
    GPtrArray *kv = keyval_parse(opts, "vnc");
    const char *addr = keyval_get(kv, "vnc"), *share = NULL;
    uint64_t to = 0;
    int family = AF_UNSPEC;
    bool ok = parse_options(kv, &share, &to, &family, errp);

    if (ok && addr && g_str_equal(addr, "none"))
        goto out;
    vnc.expires = INT64_MAX;
    if (ok && addr && g_str_has_prefix(addr, "unix:"))
        ok = listen_unix(addr + 5, errp);
    else if (ok)
        ok = listen_tcp(addr ? addr : "", to, family, errp);
    if (ok) {
        clients = g_ptr_array_new();
        vnc.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        ok = make_screen(title, share, errp);
    }
    if (ok) {
        vnc_update_init();
        started = true;
        vnc.thread = g_thread_new("vnc", server_thread, NULL);
    } else {
        free_all();
    }
out:
    keyval_free(kv);
    return ok;
}

void vnc_display_stop(void)
{
    if (!started)
        return;
    started = false;
    g_atomic_int_set(&vnc.stop, 1);
    g_mutex_lock(&vnc.state_lock);
    for (guint i = 0; i < clients->len; i++)
        shutdown(((Client *)clients->pdata[i])->fd, SHUT_RDWR);
    g_mutex_unlock(&vnc.state_lock);
    vnc_wake();
    g_thread_join(vnc.thread);
    vnc_update_cleanup();
    free_all();
}

/* ---- passwords ---- */

bool vnc_set_password(const char *password, GError **errp)
{
    if (!started)
        return error_set(errp, "there is no VNC server (-vnc)");
    if (!vnc.password_on)
        return error_set(errp, "the VNC server asks for no password (-vnc ...,password=on)");
    g_mutex_lock(&vnc.state_lock);
    g_strlcpy(vnc.password, password, sizeof vnc.password); /* RFC 6143 7.2.2: eight bytes count */
    vnc.password_set = true;
    g_mutex_unlock(&vnc.state_lock);
    return true;
}

bool vnc_expire_password(const char *when, GError **errp)
{
    int64_t now = g_get_real_time() / 1000000, at;
    uint64_t n = 0;

    if (!started)
        return error_set(errp, "there is no VNC server (-vnc)");
    if (g_str_equal(when, "now"))
        at = 0;
    else if (g_str_equal(when, "never"))
        at = INT64_MAX;
    else if (!parse_uint("time", when[0] == '+' ? when + 1 : when, 0, INT32_MAX * 16ULL, &n, errp))
        return false;
    else
        at = when[0] == '+' ? now + (int64_t)n : (int64_t)n;
    g_mutex_lock(&vnc.state_lock);
    vnc.expires = at;
    g_mutex_unlock(&vnc.state_lock);
    return true;
}
