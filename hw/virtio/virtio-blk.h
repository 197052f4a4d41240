/* virtio-blk.h - virtio block device over PCI. */
#ifndef HW_VIRTIO_VIRTIO_BLK_H
#define HW_VIRTIO_VIRTIO_BLK_H

#include "host/block/block.h"
#include "hw/virtio/virtio.h"

VIRTIO_PCI_EXTERN(virtio_blk);

#define VIRTIO_BACKEND "/virtio-backend" /* how Drive.attached_to ends */

/* The drive behind a device of these classes; NULL for others. */
Drive *virtio_blk_drive(Device *dev);

#endif
