/* virtio.h - what every virtio device is made of: features, status, configuration space, split virtqueues, and the PCI
 * transport below them. A device's state holds a PciDevice first and a Virtio after it. Under the BQL.
 * Spec: Virtual I/O Device (VIRTIO) Version 1.1, and the "legacy interface" sections for transitional devices. */
#ifndef HW_VIRTIO_VIRTIO_H
#define HW_VIRTIO_VIRTIO_H

#include "hw/bus/msix.h"
#include "hw/bus/pci.h"
#include <sys/uio.h>

enum { VIRTIO_QUEUES = 64, VIRTQUEUE_MAX_SIZE = 1024, VIRTIO_CONFIG_MAX = 128, VIRTIO_NO_VECTOR = 0xffff };
/* device types (5) */
enum { VIRTIO_ID_NET = 1, VIRTIO_ID_BLOCK = 2, VIRTIO_ID_CONSOLE = 3, VIRTIO_ID_RNG = 4, VIRTIO_ID_BALLOON = 5 };
/* device status (2.1) */
enum { VIRTIO_ACKNOWLEDGE = 1, VIRTIO_DRIVER = 2, VIRTIO_DRIVER_OK = 4, VIRTIO_FEATURES_OK = 8, VIRTIO_NEEDS_RESET = 64,
       VIRTIO_FAILED = 128 };
/* feature bits of all devices (6) */
enum { VIRTIO_F_NOTIFY_ON_EMPTY = 24, VIRTIO_F_ANY_LAYOUT = 27, VIRTIO_F_INDIRECT_DESC = 28, VIRTIO_F_EVENT_IDX = 29,
       VIRTIO_F_VERSION_1 = 32 };

typedef struct Virtio Virtio;
typedef struct VirtQueue VirtQueue;

/* A chain of descriptors that the driver has handed over, as host memory. Owned by who popped it, until it is pushed,
 * put back or freed. */
typedef struct VirtElem {
    VirtQueue *vq;
    unsigned head;               /* index of its first descriptor */
    unsigned out_num, in_num;    /* pieces that the device reads; that it writes */
    size_t out_bytes, in_bytes;
    struct iovec *out, *in;
    struct iovec iov[];
} VirtElem;

typedef void VirtQueueHandler(Virtio *v, VirtQueue *vq);

struct VirtQueue {
    Virtio *v;                   /* wiring */
    unsigned index;
    VirtQueueHandler *handler;   /* NULL: this queue does not exist */
    uint16_t max_size;
    /* guest-visible */
    uint16_t size, vector, last_avail, used_idx, signalled_used;
    bool enabled, signalled_valid, notify_off;
    uint64_t desc, avail, used;  /* guest-physical; 0 in desc: not set up */
    uint32_t pfn;                /* legacy: desc >> 12 */
    /* derived: the rings in host memory, as of v->map_generation */
    uint64_t generation;
    uint8_t *host_desc, *host_avail, *host_used;
};

typedef struct VirtioOps {
    unsigned id;                     /* VIRTIO_ID_* */
    uint16_t pci_class;
    uint16_t legacy_device_id;       /* of the transitional function */
    uint64_t (*features)(Virtio *v); /* device-specific feature bits that are offered */
    /* Optional: */
    void (*features_set)(Virtio *v); /* the driver has chosen v->features */
    void (*config_get)(Virtio *v);   /* before a read: bring v->config up to date */
    void (*config_set)(Virtio *v, unsigned off, unsigned size); /* v->config[off..] was written by the driver */
    void (*status_set)(Virtio *v);   /* v->status has changed, but not to 0 */
    void (*reset)(Virtio *v);        /* forget all that the driver did; nothing of v is usable meanwhile */
} VirtioOps;

struct Virtio {
    PciDevice *pci;              /* wiring */
    const VirtioOps *ops;
    MemoryRegion legacy_mr, modern_mr;
    unsigned pci_cfg_cap;        /* offset of the configuration access capability */
    bool legacy, modern;         /* interfaces that the function offers */
    /* properties */
    char *disable_legacy;
    bool disable_modern, prop_event_idx, prop_indirect;
    uint32_t vectors;
    /* guest-visible */
    uint8_t status, isr, generation;
    bool broken;                 /* the rings made no sense: nothing works until the next reset */
    uint64_t features;           /* accepted by the driver */
    uint32_t feature_sel, driver_feature_sel, driver_features[2];
    uint16_t queue_sel, config_vector;
    uint8_t config[VIRTIO_CONFIG_MAX];
    uint32_t config_len;
    VirtQueue vq[VIRTIO_QUEUES];
    Msix msix;
    /* derived */
    uint64_t map_generation;     /* counts changes of the memory map */
    bool listening;
};
extern const VMField virtio_fields[]; /* everything but the PciDevice */

/* Properties for the class table; T's member `m` is the Virtio. VIRTIO_VECTORS_DEFAULT: as many as the device wants. */
#define VIRTIO_VECTORS_DEFAULT UINT32_MAX
#define VIRTIO_PROPS(T, m)                                                                                            \
    {"disable-legacy", PROP_STRING, offsetof(T, m.disable_legacy), 0, "auto", "on: without the interface of before 1.0"}, \
    {"disable-modern", PROP_BOOL, offsetof(T, m.disable_modern), 0, NULL, "without the interface of 1.0"},            \
    {"event_idx", PROP_BOOL, offsetof(T, m.prop_event_idx), 1, NULL, "offer event indexes"},                          \
    {"indirect_desc", PROP_BOOL, offsetof(T, m.prop_indirect), 1, NULL, "offer indirect descriptors"},                \
    {"vectors", PROP_UINT32, offsetof(T, m.vectors), VIRTIO_VECTORS_DEFAULT, NULL, "MSI-X vectors; 0: no MSI-X"}

/* --- life, from the device's own functions --- */

/* Makes the PCI function: `vectors` is the device's wish. Then the device adds its queues. A class whose name ends in
 * -transitional or -non-transitional has its interfaces fixed. */
bool virtio_init(Virtio *v, PciDevice *pd, const VirtioOps *ops, unsigned config_len, unsigned vectors, GError **errp);
void virtio_add_queue(Virtio *v, unsigned index, unsigned size, VirtQueueHandler *handler);
void virtio_device_reset(Virtio *v); /* power-on state, and of the PCI function */
void virtio_post_load(Virtio *v);
void virtio_finalize(Virtio *v);

static inline bool virtio_has(const Virtio *v, unsigned bit) { return v->features >> bit & 1; }
static inline bool virtio_running(const Virtio *v) { return (v->status & VIRTIO_DRIVER_OK) && !v->broken; }
/* The driver did what cannot be right: says so in the log, and the device stands still until it is reset. */
void virtio_error(Virtio *v, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* The configuration space has changed: interrupt, new generation. */
void virtio_config_changed(Virtio *v);
void virtio_notify(VirtQueue *vq); /* interrupt for used buffers, if the driver wants one */

/* --- virtqueue.c --- */

VirtElem *virtqueue_pop(VirtQueue *vq);                /* NULL: nothing there, or the queue is not usable */
VirtElem *virtqueue_get(VirtQueue *vq, unsigned head); /* a chain that was popped before its state was saved */
/* The device is done and has written the first `len` bytes of in. Frees e. */
void virtqueue_push(VirtElem *e, uint32_t len);
/* The same in two steps, for several that become visible at once: offset counts them. */
void virtqueue_fill(VirtElem *e, uint32_t len, unsigned offset);
void virtqueue_flush(VirtQueue *vq, unsigned count);
void virtqueue_unpop(VirtElem *e);                     /* the last one popped, not used: it stays there. Frees e */
bool virtqueue_empty(VirtQueue *vq);
bool virtqueue_ready(VirtQueue *vq);
/* False: the driver need not kick, the device looks by itself. */
void virtqueue_set_notification(VirtQueue *vq, bool on);
bool virtqueue_wants_signal(VirtQueue *vq);
void virtqueue_reset(VirtQueue *vq);
void virtqueue_legacy_layout(VirtQueue *vq);           /* ring addresses from pfn */

/* --- virtio-pci.c --- */

bool virtio_pci_init(Virtio *v, GError **errp);
void virtio_pci_finalize(Virtio *v);
void virtio_pci_config_write(PciDevice *pd, Virtio *v, unsigned addr, unsigned size); /* from config_write */
void virtio_pci_config_read(PciDevice *pd, Virtio *v, unsigned addr);                 /* from config_read */
void virtio_raise(Virtio *v, uint16_t vector, uint8_t isr);
void virtio_lower(Virtio *v);
/* virtio.c, for the transport */
uint64_t virtio_offered(Virtio *v);
void virtio_set_features(Virtio *v, uint64_t features);
void virtio_set_status(Virtio *v, uint8_t status);
uint32_t virtio_config_read(Virtio *v, unsigned off, unsigned size);
void virtio_config_write(Virtio *v, unsigned off, unsigned size, uint32_t val);
void virtio_kick(Virtio *v, unsigned queue);

/* --- pieces of memory --- */

/* Copy between buf and the vector from its byte `skip` on; bytes copied. */
size_t viov_read(const struct iovec *iov, unsigned n, size_t skip, void *buf, size_t len);
size_t viov_write(const struct iovec *iov, unsigned n, size_t skip, const void *buf, size_t len);
/* Cuts `len` bytes off the front or the end of the pieces; false when there are fewer. */
bool viov_cut_front(struct iovec **iov, unsigned *n, size_t len);
bool viov_cut_back(struct iovec *iov, unsigned *n, size_t len);

/* The three names of a virtio PCI device share everything else. */
#define VIRTIO_PCI_CLASSES(prefix, text, ...)                                                                         \
    const DeviceClass prefix##_class = {.name = text "-pci", __VA_ARGS__};                                            \
    const DeviceClass prefix##_transitional_class = {.name = text "-pci-transitional", __VA_ARGS__};                  \
    const DeviceClass prefix##_non_transitional_class = {.name = text "-pci-non-transitional", __VA_ARGS__}
#define VIRTIO_PCI_EXTERN(prefix)                                                                                     \
    extern const DeviceClass prefix##_class, prefix##_transitional_class, prefix##_non_transitional_class

#endif
