/* udp.c - datagrams to and from one peer. Each write is a datagram; what a datagram brings waits until the front end takes it.
 * Spec: "udp:[HOST]:PORT[@[SRC]:SRCPORT]" and -chardev udp,host=,port=,localaddr=,localport=, as in QEMU's manual.
 * Not modelled: answers to whoever wrote last; the peer is fixed. */
#include "host/base/osdep.h"
#include "host/char/chardev-int.h"
#include <netdb.h>
#include <sys/socket.h>

static int udp_write(Chardev *chr, const uint8_t *buf, int len)
{
    ssize_t n;

    do /* nobody listens, or no room: a datagram may get lost */
        n = send(chr->out_fd, buf, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return len;
}

static void udp_close(Chardev *chr) { close(GPOINTER_TO_INT(chr->priv) - 1); }

static const ChardevOps udp_ops = {.name = "udp", .write = udp_write, .close = udp_close, .datagrams = true};

static struct addrinfo *resolve(const char *host, const char *port, int family, bool passive, GError **errp)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM, .ai_flags = passive ? AI_PASSIVE : 0}, *res = NULL;
    int err = getaddrinfo(host && host[0] ? host : passive ? NULL : "localhost", port, &hints, &res);

    if (err)
        error_set(errp, "udp: address '%s:%s' not found: %s", host ? host : "", port, gai_strerror(err));
    return err ? NULL : res;
}

bool chr_open_udp(Chardev *chr, const GPtrArray *kv, GError **errp)
{
    const char *host = keyval_get(kv, "host"), *port = keyval_get(kv, "port");
    const char *local = keyval_get(kv, "localaddr"), *local_port = keyval_get(kv, "localport");
    bool ipv4 = true, ipv6 = true;
    uint64_t number = 0;
    struct addrinfo *to, *from = NULL;
    GError *err = NULL;
    int fd = -1;

    if (!port)
        return error_set(errp, "chardev: udp: remote port not specified for '%s' (port=)", chr->label);
    if (!keyval_uint(kv, "port", 1, 65535, &number, errp) || !keyval_uint(kv, "localport", 0, 65535, &number, errp) ||
        !keyval_bool(kv, "ipv4", &ipv4, errp) || !keyval_bool(kv, "ipv6", &ipv6, errp))
        return false;
    to = resolve(host, port, ipv4 && ipv6 ? AF_UNSPEC : ipv4 ? AF_INET : AF_INET6, false, &err);
    if (to)
        fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && (local || local_port)) {
        int one = 1;
        from = resolve(local, local_port && local_port[0] ? local_port : "0", to->ai_family, true, &err);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (from && bind(fd, from->ai_addr, from->ai_addrlen) < 0)
            error_set_errno(&err, errno, "udp: cannot bind '%s:%s'", local ? local : "", local_port ? local_port : "0");
    }
    if (!err && (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen) < 0))
        error_set_errno(&err, errno, "udp: cannot connect to '%s:%s'", host ? host : "", port);
    if (to)
        freeaddrinfo(to);
    if (from)
        freeaddrinfo(from);
    if (err) {
        if (fd >= 0)
            close(fd);
        g_propagate_error(errp, err);
        return false;
    }
    chr_set_filename(chr, g_strdup("udp"));
    chr->priv = GINT_TO_POINTER(fd + 1);
    chr->ops = &udp_ops;
    chr->open = true;
    chr_stream_start(chr, fd, fd);
    return true;
}
