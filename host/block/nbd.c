/* nbd.c - the client of a network block device
 * Spec: NBD protocol, doc/proto.md of the NetworkBlockDevice project (fixed newstyle and old style negotiation, simple replies);
 * the names and options of qemu's driver.
 * Not modelled: TLS, structured replies and block status, several requests at once, reconnecting. */
#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "host/block/nbd.h"
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MAGIC_HELLO 0x4e42444d41474943ULL /* "NBDMAGIC" */
#define MAGIC_OPTION 0x49484156454f5054ULL /* "IHAVEOPT" */
#define MAGIC_OLD 0x00420281861253ULL
#define MAGIC_REPLY_OPTION 0x0003e889045565a9ULL
enum { MAGIC_REQUEST = 0x25609513, MAGIC_REPLY = 0x67446698 };
enum { FLAG_FIXED = 1, FLAG_NO_ZEROES = 2 };
enum { OPT_EXPORT_NAME = 1, OPT_GO = 7, REP_ACK = 1, REP_INFO = 3, INFO_EXPORT = 0 };
#define REP_ERROR 0x80000000u
enum { ERR_UNSUP = 1, ERR_POLICY, ERR_INVALID, ERR_PLATFORM, ERR_TLS, ERR_UNKNOWN };
enum { EXPORT_READ_ONLY = 2, EXPORT_FLUSH = 4, EXPORT_TRIM = 0x20, EXPORT_ZEROES = 0x40 };
enum { CMD_READ, CMD_WRITE, CMD_DISCONNECT, CMD_FLUSH, CMD_TRIM, CMD_ZEROES = 6 };
enum { MAX_REQUEST = 16 << 20, MAX_REPLY = 64 << 10, MAX_REPLIES = 64, MAX_EXPORT = 4096 };
#define DEFAULT_PORT "10809"

struct Nbd {
    char *name, *where;  /* where: HOST:PORT or a path, for messages */
    uint64_t length;
    unsigned flags;
    GMutex lock;         /* of what follows */
    int fd;
    uint64_t handle;     /* of the last request */
    bool broken;
};

/* ---- bytes ---- */

/* All of the vector, which is used up. */
static bool transfer(int fd, struct iovec *iov, int cnt, bool out)
{
    while (cnt) {
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)MIN(cnt, 1024)};
        ssize_t r = out ? sendmsg(fd, &m, MSG_NOSIGNAL) : recvmsg(fd, &m, MSG_WAITALL);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            errno = r ? errno : ECONNRESET;
            return false;
        }
        while (cnt && (size_t)r >= iov->iov_len) {
            r -= (ssize_t)iov->iov_len;
            iov++;
            cnt--;
        }
        if (cnt) {
            iov->iov_base = (char *)iov->iov_base + r;
            iov->iov_len -= (size_t)r;
        }
    }
    return true;
}

static bool put(int fd, const void *p, size_t n)
{
    struct iovec v = {(void *)p, n};
    return !n || transfer(fd, &v, 1, true);
}

static bool get(int fd, void *p, size_t n)
{
    struct iovec v = {p, n};
    return !n || transfer(fd, &v, 1, false);
}

/* ---- connection ---- */

static int connect_unix(const char *path, GError **errp)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path) {
        error_set(errp, "nbd: the socket's name '%s' is too long", path);
        return -1;
    }
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    error_set_errno(errp, errno, "Failed to connect to '%s'", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

static int connect_tcp(const char *host, const char *port, GError **errp)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    int fd = -1, one = 1, e = getaddrinfo(host, port, &hints, &list), last = 0;
    if (e) {
        error_set(errp, "address resolution failed for %s:%s: %s", host, port, gai_strerror(e));
        return -1;
    }
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
            last = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0)
        error_set_errno(errp, last ? last : errno, "Failed to connect to '%s:%s'", host, port);
    else
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static bool send_option(int fd, uint32_t option, const void *data, uint32_t len)
{
    uint8_t h[16];
    stb64(h, MAGIC_OPTION);
    stb32(h + 8, option);
    stb32(h + 12, len);
    return put(fd, h, sizeof h) && put(fd, data, len);
}

static bool lost(const Nbd *n, GError **errp)
{
    return error_set_errno(errp, errno, "nbd: the server '%s' ended the connection in the negotiation", n->where);
}

/* The old way to name an export: no answer but the connection's end tells that there is none. */
static bool export_name(Nbd *n, const char *export, bool no_zeroes, GError **errp)
{
    uint8_t b[10 + 124];
    if (!send_option(n->fd, OPT_EXPORT_NAME, export, (uint32_t)strlen(export)) || !get(n->fd, b, no_zeroes ? 10 : sizeof b))
        return lost(n, errp);
    n->length = ldb64(b);
    n->flags = ldb16(b + 8);
    return true;
}

static bool choose_export(Nbd *n, const char *export, bool no_zeroes, GError **errp)
{
    uint32_t len = (uint32_t)strlen(export);
    g_autofree uint8_t *data = g_malloc0(len + 6), *reply = g_malloc(MAX_REPLY);
    bool have = false;
    stb32(data, len);
    memcpy(data + 4, export, len);
    if (!send_option(n->fd, OPT_GO, data, len + 6))
        return lost(n, errp);
    for (int i = 0; i < MAX_REPLIES; i++) {
        uint8_t h[20];
        if (!get(n->fd, h, sizeof h))
            return lost(n, errp);
        uint32_t type = ldb32(h + 12), size = ldb32(h + 16);
        if (ldb64(h) != MAGIC_REPLY_OPTION || ldb32(h + 8) != OPT_GO || size > MAX_REPLY)
            return error_set(errp, "nbd: the server '%s' answers what is no NBD", n->where);
        if (!get(n->fd, reply, size))
            return lost(n, errp);
        if (type == REP_ACK && have)
            return true;
        if (type == REP_INFO && size >= 12 && ldb16(reply) == INFO_EXPORT) {
            n->length = ldb64(reply + 2);
            n->flags = ldb16(reply + 10);
            have = true;
        }
        if (type == (REP_ERROR | ERR_UNSUP))
            return export_name(n, export, no_zeroes, errp);
        if (type & REP_ERROR)
            return error_set(errp, type == (REP_ERROR | ERR_UNKNOWN) ? "nbd: the server '%s' has no export '%s'"
                                   : type == (REP_ERROR | ERR_TLS)   ? "nbd: the server '%s' wants TLS for export '%s', which is not supported"
                                                                     : "nbd: the server '%s' refuses export '%s'", n->where, export);
    }
    return error_set(errp, "nbd: the server '%s' does not come to an end of its answers", n->where);
}

static bool negotiate(Nbd *n, const char *export, GError **errp)
{
    uint8_t b[8 + 8], old[8 + 4 + 124], flags[2], mine[4];
    if (!get(n->fd, b, sizeof b))
        return lost(n, errp);
    if (ldb64(b) != MAGIC_HELLO || (ldb64(b + 8) != MAGIC_OPTION && ldb64(b + 8) != MAGIC_OLD))
        return error_set(errp, "nbd: '%s' is no NBD server", n->where);
    if (ldb64(b + 8) == MAGIC_OLD) {
        if (!get(n->fd, old, sizeof old))
            return lost(n, errp);
        n->length = ldb64(old);
        n->flags = ldb32(old + 8) & 0xffff;
        return !export[0] || error_set(errp, "nbd: the server '%s' is of the old style, which has no export names", n->where);
    }
    if (!get(n->fd, flags, 2))
        return lost(n, errp);
    unsigned f = ldb16(flags) & (FLAG_FIXED | FLAG_NO_ZEROES);
    stb32(mine, f);
    if (!put(n->fd, mine, 4))
        return lost(n, errp);
    return f & FLAG_FIXED ? choose_export(n, export, f & FLAG_NO_ZEROES, errp) : export_name(n, export, f & FLAG_NO_ZEROES, errp);
}

Nbd *nbd_open(BlockOptions *o, GError **errp)
{
    const char *type = NULL;
    if (!blkopts_take_choice(o, "server.type", "inet unix", &type, errp))
        return NULL;
    g_autofree char *host = blkopts_take(o, "server.host"), *port = blkopts_take(o, "server.port"), *path = blkopts_take(o, "server.path");
    g_autofree char *host2 = blkopts_take(o, "host"), *port2 = blkopts_take(o, "port"), *path2 = blkopts_take(o, "path"), *export = blkopts_take(o, "export");
    const char *h = host ? host : host2, *p = port ? port : port2 ? port2 : DEFAULT_PORT, *u = path ? path : path2;
    if (!h == !u || (type && g_str_equal(type, "unix") != (u != NULL))) {
        error_set(errp, h && u ? "path and host may not be used at the same time" : "one of path and host must be specified");
        return NULL;
    }
    if (export && strlen(export) > MAX_EXPORT) {
        error_set(errp, "nbd: the export's name is longer than %d characters", MAX_EXPORT);
        return NULL;
    }
    int fd = u ? connect_unix(u, errp) : connect_tcp(h, p, errp);
    if (fd < 0)
        return NULL;
    Nbd *n = g_new0(Nbd, 1);
    *n = (Nbd){.fd = fd, .where = u ? g_strdup(u) : g_strdup_printf("%s:%s", h, p)};
    g_mutex_init(&n->lock);
    const char *name = export ? export : "";
    n->name = u ? g_strdup_printf("nbd+unix:///%s?socket=%s", name, u) : g_strdup_printf("nbd://%s%s%s", n->where, name[0] ? "/" : "", name);
    bool ok = negotiate(n, name, errp);
    if (ok && n->length > INT64_MAX)
        ok = error_set(errp, "nbd: the size of '%s' is too large", n->name);
    if (ok)
        return n;
    n->broken = true;
    nbd_close(n);
    return NULL;
}

uint64_t nbd_length(const Nbd *n) { return n->length; }
bool nbd_read_only(const Nbd *n) { return n->flags & EXPORT_READ_ONLY; }
const char *nbd_name(const Nbd *n) { return n->name; }

/* ---- requests ---- */

static bool send_request(Nbd *n, uint16_t cmd, uint64_t offset, uint32_t len)
{
    uint8_t r[28];
    stb32(r, MAGIC_REQUEST);
    stb16(r + 4, 0);
    stb16(r + 6, cmd);
    stb64(r + 8, ++n->handle);
    stb64(r + 16, offset);
    stb32(r + 24, len);
    return put(n->fd, r, sizeof r);
}

/* An error of the protocol: its numbers are those of Linux. */
static int error_of(uint32_t e)
{
    return e == 1 || e == 5 || e == 12 || e == 22 || e == 28 || e == 75 || e == 95 || e == 108 ? -(int)e : -EIO;
}

/* One request; data (of len bytes, may be NULL) is used up. */
static int request(Nbd *n, uint16_t cmd, uint64_t offset, uint32_t len, struct iovec *data, int cnt)
{
    uint8_t h[16];
    int ret = -EIO;
    g_mutex_lock(&n->lock);
    if (n->broken) {
        g_mutex_unlock(&n->lock);
        return -EIO;
    }
    bool ok = send_request(n, cmd, offset, len) && (cmd != CMD_WRITE || transfer(n->fd, data, cnt, true)) && get(n->fd, h, sizeof h);
    if (ok && (ldb32(h) != MAGIC_REPLY || ldb64(h + 8) != n->handle)) {
        errno = EPROTO;
        ok = false;
    }
    if (ok) {
        uint32_t e = ldb32(h + 4);
        ret = e ? error_of(e) : 0;
        ok = e || cmd != CMD_READ || transfer(n->fd, data, cnt, false);
    }
    if (!ok) {
        warn_report("nbd: the connection to '%s' is broken: %s", n->where, g_strerror(errno));
        n->broken = true;
        ret = -EIO;
    }
    g_mutex_unlock(&n->lock);
    return ret;
}

static int part_of(const struct iovec *src, int cnt, uint64_t skip, uint64_t len, struct iovec *dst)
{
    int k = 0;
    for (int i = 0; i < cnt && len; i++) {
        if (skip >= src[i].iov_len) {
            skip -= src[i].iov_len;
            continue;
        }
        size_t m = (size_t)MIN(src[i].iov_len - skip, len);
        dst[k++] = (struct iovec){(char *)src[i].iov_base + skip, m};
        len -= m;
        skip = 0;
    }
    return k;
}

int nbd_rwv(Nbd *n, uint64_t offset, const struct iovec *iov, int iovcnt, uint64_t len, bool write)
{
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt + 1);
    if (offset > n->length || len > n->length - offset)
        return -EIO;
    int ret = 0;
    for (uint64_t done = 0; done < len && !ret;) {
        uint32_t m = (uint32_t)MIN(len - done, MAX_REQUEST);
        int cnt = part_of(iov, iovcnt, done, m, part);
        ret = request(n, write ? CMD_WRITE : CMD_READ, offset + done, m, part, cnt);
        done += m;
    }
    return ret;
}

int nbd_flush(Nbd *n) { return n->flags & EXPORT_FLUSH ? request(n, CMD_FLUSH, 0, 0, NULL, 0) : 0; }

static int range(Nbd *n, uint16_t cmd, unsigned flag, uint64_t offset, uint64_t len)
{
    int ret = n->flags & flag ? 0 : -ENOTSUP;
    for (uint32_t m; len && !ret; offset += m, len -= m) {
        m = (uint32_t)MIN(len, 1u << 30);
        ret = request(n, cmd, offset, m, NULL, 0);
    }
    return ret;
}

int nbd_trim(Nbd *n, uint64_t offset, uint64_t len) { return range(n, CMD_TRIM, EXPORT_TRIM, offset, len); }
int nbd_write_zeroes(Nbd *n, uint64_t offset, uint64_t len) { return range(n, CMD_ZEROES, EXPORT_ZEROES, offset, len); }

void nbd_close(Nbd *n)
{
    if (!n)
        return;
    if (!n->broken)
        send_request(n, CMD_DISCONNECT, 0, 0);
    close(n->fd);
    g_mutex_clear(&n->lock);
    g_free(n->name);
    g_free(n->where);
    g_free(n);
}

/* ---- names ---- */

static bool parse_uri(BlockOptions *o, const char *name, GError **errp)
{
    g_autoptr(GUri) u = g_uri_parse(name, G_URI_FLAGS_NONE, NULL);
    const char *scheme = u ? g_uri_get_scheme(u) : "", *path = u ? g_uri_get_path(u) : "", *host = u ? g_uri_get_host(u) : NULL;
    bool is_unix = g_str_equal(scheme, "nbd+unix");
    if (!u || (!is_unix && !g_str_equal(scheme, "nbd") && !g_str_equal(scheme, "nbd+tcp")))
        return error_set(errp, "'%s' is no NBD name (nbd://HOST[:PORT][/NAME], nbd+unix:///NAME?socket=PATH, nbd:HOST:PORT, nbd:unix:PATH)", name);
    const char *query = g_uri_get_query(u);
    if (is_unix && (!query || !g_str_has_prefix(query, "socket=")))
        return error_set(errp, "'%s': nbd+unix needs ?socket=PATH", name);
    if (!is_unix && (!host || !host[0]))
        return error_set(errp, "'%s': no host", name);
    if (is_unix) {
        blkopts_set(o, "file.server.path", query + strlen("socket="));
    } else {
        g_autofree char *port = g_strdup_printf("%d", g_uri_get_port(u));
        blkopts_set(o, "file.server.host", host);
        blkopts_set(o, "file.server.port", g_uri_get_port(u) > 0 ? port : DEFAULT_PORT);
    }
    if (path[0] == '/' && path[1])
        blkopts_set(o, "file.export", path + 1);
    return true;
}

bool nbd_parse_name(BlockOptions *o, const char *name, GError **errp)
{
    blkopts_set(o, "file.driver", "nbd");
    if (strstr(name, "://"))
        return parse_uri(o, name, errp);
    g_autofree char *rest = g_strdup(name + strlen("nbd:"));
    char *export = strstr(rest, ":exportname=");
    if (export) {
        blkopts_set(o, "file.export", export + strlen(":exportname="));
        *export = 0;
    }
    if (g_str_has_prefix(rest, "unix:")) {
        blkopts_set(o, "file.server.path", rest + strlen("unix:"));
        return true;
    }
    char *colon = strrchr(rest, ':');
    if (!colon || colon == rest || !colon[1])
        return error_set(errp, "'%s' is no NBD name (nbd:HOST:PORT, nbd:unix:PATH, nbd://HOST[:PORT][/NAME])", name);
    *colon = 0;
    blkopts_set(o, "file.server.host", rest);
    blkopts_set(o, "file.server.port", colon + 1);
    return true;
}
