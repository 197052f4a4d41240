/* virtio-net.h - virtio network device over PCI. */
#ifndef HW_NET_VIRTIO_NET_H
#define HW_NET_VIRTIO_NET_H

#include "hw/virtio/virtio.h"

VIRTIO_PCI_EXTERN(virtio_net);

#endif
