/* virtio-rng.h - virtio entropy device over PCI. */
#ifndef HW_VIRTIO_VIRTIO_RNG_H
#define HW_VIRTIO_VIRTIO_RNG_H

#include "hw/virtio/virtio.h"

VIRTIO_PCI_EXTERN(virtio_rng);

#endif
