/* virtio-rng.c - virtio entropy device: fills the driver's buffers from a source on the host, at a limited rate
 * Spec: VIRTIO 1.1, 5.4; the properties max-bytes and period as in QEMU's manual. */
#include "host/base/osdep.h"
#include "hw/virtio/virtio-rng.h"

#include "host/rng/rng.h"
#include "softmmu/timer.h"

enum { QUEUE_SIZE = 8, PIECE = 65536, DEFAULT_PERIOD_MS = 65536 };

typedef struct VirtioRng {
    PciDevice pci;
    Virtio vio;
    /* properties */
    char *rng_id;
    uint64_t max_bytes;      /* per period */
    uint32_t period_ms;
    RngSource *source;
    bool own_source;         /* made by this device */
    /* saved */
    uint64_t left;           /* bytes of this period that may still be given */
    Timer *period_timer;     /* runs from the first request on */
} VirtioRng;

static VirtioRng *rng_of(Virtio *v) { return container_of(v, VirtioRng, vio); }

static void serve(void *opaque)
{
    VirtioRng *s = opaque;
    VirtQueue *vq = &s->vio.vq[0];
    g_autofree uint8_t *buf = NULL;
    bool any = false;
    VirtElem *e;

    while (s->left && (e = virtqueue_pop(vq))) {
        size_t want = MIN(MIN(e->in_bytes, (size_t)PIECE), s->left), n;
        if (!buf)
            buf = g_malloc(PIECE);
        n = want ? rng_source_read(s->source, buf, want) : 0;
        if (want && !n) {
            virtqueue_unpop(e);
            rng_source_wait(s->source, serve, s);
            break;
        }
        viov_write(e->in, e->in_num, 0, buf, n);
        virtqueue_push(e, (uint32_t)n);
        s->left -= n;
        any = true;
    }
    if (any)
        virtio_notify(vq);
}

static void new_period(void *opaque)
{
    VirtioRng *s = opaque;

    s->left = s->max_bytes;
    if (!virtqueue_empty(&s->vio.vq[0]))
        timer_mod(s->period_timer, clock_ns(CLOCK_VM) + (int64_t)s->period_ms * 1000000);
    serve(s);
}

static void kicked(Virtio *v, VirtQueue *vq)
{
    VirtioRng *s = rng_of(v);

    if (s->max_bytes != INT64_MAX && !timer_pending(s->period_timer)) {
        s->left = s->max_bytes;
        timer_mod(s->period_timer, clock_ns(CLOCK_VM) + (int64_t)s->period_ms * 1000000);
    }
    serve(s);
}

static uint64_t features(Virtio *v) { return 0; }

static void forget(Virtio *v)
{
    VirtioRng *s = rng_of(v);

    rng_source_wait(s->source, NULL, NULL);
    timer_del(s->period_timer);
    s->left = s->max_bytes;
}

static const VirtioOps ops = {.id = VIRTIO_ID_RNG, .pci_class = 0x00ff, .legacy_device_id = 0x1005, .features = features,
                              .reset = forget};

static void config_write(PciDevice *pd, unsigned addr, uint32_t val, unsigned size)
{
    virtio_pci_config_write(pd, &((VirtioRng *)pd)->vio, addr, size);
}

static void config_read(PciDevice *pd, unsigned addr)
{
    virtio_pci_config_read(pd, &((VirtioRng *)pd)->vio, addr);
}

static void rng_reset(Device *dev)
{
    virtio_device_reset(&((VirtioRng *)dev)->vio);
}

static void rng_finalize(Device *dev)
{
    VirtioRng *s = (VirtioRng *)dev;

    virtio_finalize(&s->vio);
    timer_free(s->period_timer);
    if (s->own_source)
        rng_source_free(s->source);
    else if (s->source)
        rng_source_release(s->source);
}

static bool find_source(VirtioRng *s, GError **errp)
{
    const char *name = s->pci.dev.cls->name;
    RngSource *source;

    if (!s->rng_id) {
        s->source = rng_source_new(NULL, NULL, errp);
        s->own_source = s->source != NULL;
        return s->own_source;
    }
    source = rng_source_find(s->rng_id);
    if (!source)
        return error_set(errp, "Property '%s.rng' can't find value '%s' (define it with -object rng-random,id=%s)", name,
                         s->rng_id, s->rng_id);
    if (!rng_source_take(source))
        return error_set(errp, "%s: rng=%s is in use by another device", name, s->rng_id);
    s->source = source;
    return true;
}

static bool rng_init(Device *dev, GError **errp)
{
    VirtioRng *s = (VirtioRng *)dev;

    if (!s->period_ms || !s->max_bytes || s->max_bytes > INT64_MAX)
        return error_set(errp, "%s: period= and max-bytes= must be larger than 0", dev->cls->name);
    if (!find_source(s, errp))
        return false;
    s->pci.config_write = config_write;
    s->pci.config_read = config_read;
    s->period_timer = timer_new(CLOCK_VM, new_period, s);
    if (!virtio_init(&s->vio, &s->pci, &ops, 0, 2, errp)) {
        rng_finalize(dev);
        return false;
    }
    virtio_add_queue(&s->vio, 0, QUEUE_SIZE, kicked);
    return true;
}

static void rng_post_load(Device *dev)
{
    VirtioRng *s = (VirtioRng *)dev;

    virtio_post_load(&s->vio);
    s->left = MIN(s->left, s->max_bytes);
    if (virtio_running(&s->vio) && !virtqueue_empty(&s->vio.vq[0]))
        rng_source_wait(s->source, serve, s); /* what waited for bytes does so again */
}

static const VMField rng_fields[] = {VM_STRUCT(VirtioRng, pci, pci_device_fields), VM_STRUCT(VirtioRng, vio, virtio_fields),
                                     VM_UINT(VirtioRng, left), VM_TIMER(VirtioRng, period_timer), VM_END};

static const DeviceProp rng_props[] = {
    VIRTIO_PROPS(VirtioRng, vio),
    {"rng", PROP_STRING, offsetof(VirtioRng, rng_id), 0, NULL, "id of an -object rng-random or rng-builtin (the latter by default)"},
    {"max-bytes", PROP_UINT64, offsetof(VirtioRng, max_bytes), INT64_MAX, NULL, "bytes per period"},
    {"period", PROP_UINT32, offsetof(VirtioRng, period_ms), DEFAULT_PERIOD_MS, NULL, "milliseconds"},
    PROP_END};

VIRTIO_PCI_CLASSES(virtio_rng, "virtio-rng", .instance_size = sizeof(VirtioRng), .init = rng_init, .reset = rng_reset,
                   .fields = rng_fields, .post_load = rng_post_load, .finalize = rng_finalize, .props = rng_props,
                   .desc = "virtio entropy device", .bus = "PCI", .user_creatable = true);
