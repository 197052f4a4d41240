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

void info_balloon(Monitor *m, const MonArgs *a)
{
    Device *dev = find(m);

    if (dev)
        monitor_printf(m, "balloon: actual=%" PRIu64 "\n", virtio_balloon_actual(dev, machine_pc()->cfg.ram_size) >> 20);
}
