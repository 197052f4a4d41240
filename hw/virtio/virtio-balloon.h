/* virtio-balloon.h - virtio memory balloon over PCI. */
#ifndef HW_VIRTIO_VIRTIO_BALLOON_H
#define HW_VIRTIO_VIRTIO_BALLOON_H

#include "hw/virtio/virtio.h"

VIRTIO_PCI_EXTERN(virtio_balloon);

/* The machine's balloon, or NULL. */
Device *virtio_balloon_find(void);
/* Asks the guest to keep only `target` of its ram_size bytes. */
void virtio_balloon_set_target(Device *dev, uint64_t ram_size, uint64_t target);
/* Memory statistics (5.5.6.3), when the guest was asked for them. False: it has not told this one. */
enum { VIRTIO_BALLOON_STATS = 10 }; /* tags 0 to 9: swap-in, swap-out, major and minor faults, free, total, available memory,
                                     * disk caches, huge page allocations, failures of those; bytes or counts */
bool virtio_balloon_stat(Device *dev, unsigned tag, uint64_t *value);
uint64_t virtio_balloon_actual(Device *dev, uint64_t ram_size); /* bytes that the guest has now */

#endif
