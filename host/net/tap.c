/* tap.c - a host TAP interface as a network: frames go to and come from the host's kernel
 * Spec: Linux Documentation/networking/tuntap.rst. Not modelled: multi-queue, vhost, offloads, bridge helper. */
#include "host/base/osdep.h"
#include "host/net/net.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <linux/if_tun.h>
#include "host/base/keyval.h"

enum { BURST = 64 }; /* frames per turn of the main loop, so that other sources get theirs */

typedef struct TapNet {
    NetClient nc;
    int fd;
    guint watch;
    char *ifname, *downscript;
} TapNet;

static gboolean tap_readable(gint fd, GIOCondition cond, gpointer opaque)
{
    TapNet *t = opaque;
    uint8_t buf[NET_MAX_FRAME];

    for (int i = 0; i < BURST; i++) {
        ssize_t n;
        if (!net_peer_has_room(&t->nc)) {
            t->watch = 0; /* until drained */
            return G_SOURCE_REMOVE;
        }
        n = read(fd, buf, sizeof buf);
        if (n <= 0)
            break;
        net_send(&t->nc, buf, (size_t)n);
    }
    return G_SOURCE_CONTINUE;
}

static void tap_drained(NetClient *nc)
{
    TapNet *t = (TapNet *)nc;

    if (!t->watch)
        t->watch = g_unix_fd_add(t->fd, G_IO_IN, tap_readable, t);
}

static bool tap_receive(NetClient *nc, const uint8_t *buf, size_t len)
{
    TapNet *t = (TapNet *)nc;
    ssize_t n;

    do
        n = write(t->fd, buf, len);
    while (n < 0 && errno == EINTR);
    return true; /* a full host queue loses frames, as a switch does */
}

static bool run_script(const char *script, const char *ifname, GError **errp)
{
    const char *argv[] = {script, ifname, NULL};
    GError *err = NULL;
    int status = 0;

    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, &err) ||
        !g_spawn_check_wait_status(status, &err)) {
        error_set(errp, "network script %s %s failed: %s", script, ifname, err->message);
        g_error_free(err);
        return false;
    }
    return true;
}

static void tap_close(NetClient *nc)
{
    TapNet *t = (TapNet *)nc;

    if (t->watch)
        g_source_remove(t->watch);
    if (t->downscript) {
        GError *err = NULL;
        if (!run_script(t->downscript, t->ifname, &err)) {
            warn_report("%s", err->message);
            g_error_free(err);
        }
    }
    if (t->fd >= 0)
        close(t->fd);
    g_free(t->ifname);
    g_free(t->downscript);
}

static const NetClientOps tap_ops = {.type = "tap", .size = sizeof(TapNet), .receive = tap_receive,
                                     .drained = tap_drained, .close = tap_close};

static int open_tap(const char *want, char name[IFNAMSIZ], GError **errp)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        error_set_errno(errp, errno, "tap: cannot open /dev/net/tun");
        return -1;
    }
    g_strlcpy(ifr.ifr_name, want ? want : "tap%d", IFNAMSIZ);
    if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
        error_set_errno(errp, errno, "tap: cannot use the interface ifname=%s", want ? want : "tap%d");
        close(fd);
        return -1;
    }
    g_strlcpy(name, ifr.ifr_name, IFNAMSIZ);
    return fd;
}

bool net_tap_new(const GPtrArray *kv, const char *id, GError **errp)
{
    const char *fd_text = keyval_get(kv, "fd"), *script = keyval_get(kv, "script");
    const char *down = keyval_get(kv, "downscript"), *ifname = keyval_get(kv, "ifname");
    char name[IFNAMSIZ] = "";
    uint64_t n;
    TapNet *t;
    int fd;

    if (!keyval_check(kv, "tap", "type id ifname script downscript fd vhost sndbuf", errp))
        return false;
    if (ifname && strlen(ifname) >= IFNAMSIZ)
        return error_set(errp, "tap: ifname=%s is longer than %d characters", ifname, IFNAMSIZ - 1);
    if (fd_text) {
        if (!parse_uint("fd", fd_text, 3, INT_MAX, &n, errp))
            return false;
        fd = (int)n;
        if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
            return error_set_errno(errp, errno, "tap: fd=%d", fd);
    } else {
        fd = open_tap(ifname, name, errp);
        if (fd < 0)
            return false;
    }
    t = (TapNet *)net_client_new(&tap_ops, id, NULL);
    t->fd = fd;
    t->ifname = g_strdup(name);
    if (fd_text)
        net_client_set_info(&t->nc, "type=tap,fd=%d", fd);
    else
        net_client_set_info(&t->nc, "type=tap,ifname=%s,script=%s,downscript=%s", name, script ? script : "no",
                            down ? down : "no");
    if (!fd_text && script && strcmp(script, "no") && *script && !run_script(script, name, errp)) {
        net_client_free(&t->nc);
        return false;
    }
    if (!fd_text && down && strcmp(down, "no") && *down)
        t->downscript = g_strdup(down);
    tap_drained(&t->nc);
    return true;
}
