/* monitor-balloon.c - the monitor's `balloon` and `info balloon`, in QEMU's words. */
#include "host/base/osdep.h"
#include "vl/monitor.h"

#include "hw/virtio/virtio-balloon.h"
#include "vl/machine.h"

static Device *find(Monitor *m)
{
    Device *dev = virtio_balloon_find();

    if (!dev)
        monitor_printf(m, "Error: No balloon device has been activated\n");
    return dev;
}

void mon_balloon(Monitor *m, const MonArgs *a)
{
    Device *dev = find(m);

    if (!dev)
        return;
    if (a->num[0] <= 0 || a->num[0] > (INT64_MAX >> 20))
        monitor_printf(m, "Error: Parameter 'target' expects a size\n");
    else
        virtio_balloon_set_target(dev, machine_pc()->cfg.ram_size, (uint64_t)a->num[0] * MiB);
}

/* The statistics follow when the guest was asked for them (guest-stats-polling-interval=). */
void info_balloon(Monitor *m, const MonArgs *a)
{
    static const char *const stat[VIRTIO_BALLOON_STATS] = {
        "swap-in", "swap-out", "major-faults", "minor-faults", "free-memory", "total-memory", "available-memory",
        "disk-caches", "htlb-pgalloc", "htlb-pgfail"};
    Device *dev = find(m);
    uint64_t v;

    if (!dev)
        return;
    monitor_printf(m, "balloon: actual=%" PRIu64 "\n", virtio_balloon_actual(dev, machine_pc()->cfg.ram_size) >> 20);
    for (unsigned i = 0; i < VIRTIO_BALLOON_STATS; i++)
        if (virtio_balloon_stat(dev, i, &v))
            monitor_printf(m, "stat-%s: %" PRIu64 "\n", stat[i], v);
}
