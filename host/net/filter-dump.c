/* filter-dump.c - -object filter-dump: every frame of a network into a capture file
 * Spec: the pcap file format (magic a1b2c3d4, microseconds, link type Ethernet); the object of QEMU's manual. */
#include "host/base/osdep.h"
#include "host/net/net.h"

#include "host/base/bitops.h"
#include "host/base/keyval.h"
#include "softmmu/timer.h"
#include <fcntl.h>
#include <sys/uio.h>

enum { FILE_HEADER = 24, FRAME_HEADER = 16, LINK_ETHERNET = 1, DEFAULT_MAX = 65536 };

typedef struct Dump {
    char *id;
    NetClient *nc;
    int fd;
    uint32_t max;
    bool in, out; /* towards the guest; from it */
    int64_t start_us;
} Dump;

static GList *dumps;

static void frame(void *opaque, bool to_guest, const uint8_t *buf, size_t len)
{
    Dump *d = opaque;
    uint32_t n = (uint32_t)MIN(len, (size_t)d->max);
    int64_t us = d->start_us + clock_ns(CLOCK_VM) / 1000;
    uint8_t h[FRAME_HEADER];
    struct iovec iov[2] = {{h, sizeof h}, {(void *)buf, n}};

    if (d->fd < 0 || !(to_guest ? d->in : d->out))
        return;
    stl32(h, (uint32_t)(us / 1000000));
    stl32(h + 4, (uint32_t)(us % 1000000));
    stl32(h + 8, n);
    stl32(h + 12, (uint32_t)len);
    if (writev(d->fd, iov, 2) != (ssize_t)(sizeof h + n)) {
        warn_report("filter-dump %s: cannot write: %s; the capture ends here", d->id, g_strerror(errno));
        close(d->fd);
        d->fd = -1;
    }
}

bool net_filter_dump_new(const GPtrArray *kv, const char *id, GError **errp)
{
    const char *netdev = keyval_get(kv, "netdev"), *file = keyval_get(kv, "file"), *queue = keyval_get(kv, "queue");
    const char *status = keyval_get(kv, "status");
    uint64_t max = DEFAULT_MAX;
    uint8_t h[FILE_HEADER] = {0};
    NetClient *nc;
    Dump *d;
    int fd;

    if (!keyval_check(kv, "filter-dump", "qom-type id netdev file maxlen queue status", errp) ||
        !keyval_uint(kv, "maxlen", 1, NET_MAX_FRAME, &max, errp))
        return false;
    if (!netdev || !file)
        return error_set(errp, "filter-dump: %s= is missing", netdev ? "file" : "netdev");
    if (queue && strcmp(queue, "all") && strcmp(queue, "rx") && strcmp(queue, "tx"))
        return error_set(errp, "filter-dump: queue=%s (choices: all rx tx)", queue);
    if (status && strcmp(status, "on") && strcmp(status, "off"))
        return error_set(errp, "filter-dump: status=%s (choices: on off)", status);
    nc = net_client_find(netdev);
    if (!nc || nc->model)
        return error_set(errp, "filter-dump: netdev=%s: there is no such network", netdev);
    if (nc->capture)
        return error_set(errp, "filter-dump: netdev=%s has one already", netdev);
    fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_set_errno(errp, errno, "filter-dump: could not open '%s'", file);
    stl32(h, 0xa1b2c3d4);
    stl16(h + 4, 2);
    stl16(h + 6, 4);
    stl32(h + 16, (uint32_t)max);
    stl32(h + 20, LINK_ETHERNET);
    if (write(fd, h, sizeof h) != (ssize_t)sizeof h) {
        error_set_errno(errp, errno, "filter-dump: cannot write '%s'", file);
        close(fd);
        return false;
    }
    d = g_new0(Dump, 1);
    *d = (Dump){g_strdup(id), nc, fd, (uint32_t)max, true, true, 0};
    d->start_us = g_get_real_time() - clock_ns(CLOCK_VM) / 1000;
    if (queue && strcmp(queue, "all")) { /* seen from the network: rx is what it is sent */
        d->out = !strcmp(queue, "rx");
        d->in = !d->out;
    }
    if (status && !strcmp(status, "off"))
        d->in = d->out = false;
    nc->capture = frame;
    nc->capture_opaque = d;
    dumps = g_list_append(dumps, d);
    return true;
}

void net_filter_free_all(void)
{
    for (GList *l = dumps; l; l = l->next) {
        Dump *d = l->data;
        if (d->fd >= 0)
            close(d->fd);
        g_free(d->id);
        g_free(d);
    }
    g_list_free(dumps);
    dumps = NULL;
}
