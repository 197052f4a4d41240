/* virtio-balloon.h - virtio memory balloon over PCI. */
#ifndef HW_VIRTIO_VIRTIO_BALLOON_H
#define HW_VIRTIO_VIRTIO_BALLOON_H

#include "hw/virtio/virtio.h"

VIRTIO_PCI_EXTERN(virtio_balloon);

/* The machine's balloon, or NULL. */
Device *virtio_balloon_find(void);
/* Asks the guest to keep only `target` of its ram_size bytes. */
void virtio_balloon_set_target(Device *dev, uint64_t ram_size, uint64_t target);
uint64_t virtio_balloon_actual(Device *dev, uint64_t ram_size); /* bytes that the guest has now */

#endif
