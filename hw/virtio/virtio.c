/* virtio.c - the part of a virtio device that knows neither its bus nor its purpose: features, status, configuration space
 * Spec: VIRTIO 1.1, chapter 2. A device whose rings are damaged sets DEVICE_NEEDS_RESET and does nothing until it is reset. */
#include "host/base/osdep.h"
#include "hw/virtio/virtio.h"

#include "host/base/bitops.h"
#include "host/base/log.h"

static const VMField queue_fields[] = {
    VM_UINT(VirtQueue, size), VM_UINT(VirtQueue, vector), VM_UINT(VirtQueue, last_avail), VM_UINT(VirtQueue, used_idx),
    VM_UINT(VirtQueue, signalled_used), VM_UINT(VirtQueue, enabled), VM_UINT(VirtQueue, signalled_valid),
    VM_UINT(VirtQueue, notify_off), VM_UINT(VirtQueue, desc), VM_UINT(VirtQueue, avail), VM_UINT(VirtQueue, used),
    VM_UINT(VirtQueue, pfn), VM_END};

const VMField virtio_fields[] = {
    VM_UINT(Virtio, status), VM_UINT(Virtio, isr), VM_UINT(Virtio, generation), VM_UINT(Virtio, broken),
    VM_UINT(Virtio, features), VM_UINT(Virtio, feature_sel), VM_UINT(Virtio, driver_feature_sel),
    VM_UINT_ARRAY(Virtio, driver_features, 2), VM_UINT(Virtio, queue_sel), VM_UINT(Virtio, config_vector),
    VM_BUFFER(Virtio, config), VM_STRUCT_ARRAY(Virtio, vq, VIRTIO_QUEUES, queue_fields),
    VM_STRUCT(Virtio, msix, msix_fields), VM_END};

void virtio_error(Virtio *v, const char *fmt, ...)
{
    va_list ap;
    g_autofree char *text = NULL;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    log_guest_error("%s: %s; it stops until the next reset\n", v->pci->dev.cls->name, text);
    if (v->broken)
        return;
    v->broken = true;
    if (virtio_has(v, VIRTIO_F_VERSION_1)) {
        v->status |= VIRTIO_NEEDS_RESET;
        virtio_config_changed(v);
    }
}

void virtio_config_changed(Virtio *v)
{
    if (!(v->status & VIRTIO_DRIVER_OK))
        return;
    v->generation++;
    virtio_raise(v, v->config_vector, 3);
}

void virtio_notify(VirtQueue *vq)
{
    if (virtqueue_wants_signal(vq))
        virtio_raise(vq->v, vq->vector, 1);
}

void virtio_kick(Virtio *v, unsigned queue)
{
    if (queue >= VIRTIO_QUEUES || !v->vq[queue].handler) {
        log_guest_error("%s: kick of queue %u, which does not exist\n", v->pci->dev.cls->name, queue);
        return;
    }
    if (virtqueue_ready(&v->vq[queue]))
        v->vq[queue].handler(v, &v->vq[queue]);
}

/* --- features and status --- */

uint64_t virtio_offered(Virtio *v)
{
    uint64_t f = v->ops->features(v) | BIT(VIRTIO_F_ANY_LAYOUT) | BIT(VIRTIO_F_NOTIFY_ON_EMPTY);

    if (v->prop_event_idx)
        f |= BIT(VIRTIO_F_EVENT_IDX);
    if (v->prop_indirect)
        f |= BIT(VIRTIO_F_INDIRECT_DESC);
    if (v->modern)
        f |= BIT(VIRTIO_F_VERSION_1);
    return f;
}

void virtio_set_features(Virtio *v, uint64_t features)
{
    uint64_t offered = virtio_offered(v);

    if (features & ~offered)
        log_guest_error("%s: driver takes features %" PRIx64 " that are not offered\n", v->pci->dev.cls->name,
                        features & ~offered);
    v->features = features & offered;
    if (v->ops->features_set)
        v->ops->features_set(v);
}

static void forget_driver(Virtio *v)
{
    v->status = 0;
    if (v->ops->reset)
        v->ops->reset(v);
    virtio_lower(v);
    v->isr = 0;
    v->broken = false;
    v->features = 0;
    v->feature_sel = v->driver_feature_sel = 0;
    v->driver_features[0] = v->driver_features[1] = 0;
    v->queue_sel = 0;
    v->config_vector = VIRTIO_NO_VECTOR;
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
        virtqueue_reset(&v->vq[i]);
    if (v->ops->features_set)
        v->ops->features_set(v);
}

void virtio_set_status(Virtio *v, uint8_t status)
{
    if (!status) {
        forget_driver(v);
        return;
    }
    /* 3.1.1: a driver of 1.0 must take VERSION_1, and features are fixed from here on. */
    if ((status & ~v->status & VIRTIO_FEATURES_OK) && !v->legacy && !virtio_has(v, VIRTIO_F_VERSION_1)) {
        log_guest_error("%s: driver of 1.0 does not take VERSION_1\n", v->pci->dev.cls->name);
        status &= (uint8_t)~VIRTIO_FEATURES_OK;
    }
    v->status = (uint8_t)((status & ~VIRTIO_NEEDS_RESET) | (v->status & VIRTIO_NEEDS_RESET));
    if (v->ops->status_set)
        v->ops->status_set(v);
    if (!(v->status & VIRTIO_DRIVER_OK))
        return;
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++) /* what was put there before the device was live */
        if (v->vq[i].handler && virtqueue_ready(&v->vq[i]) && !virtqueue_empty(&v->vq[i]))
            v->vq[i].handler(v, &v->vq[i]);
}

/* --- configuration space --- */

uint32_t virtio_config_read(Virtio *v, unsigned off, unsigned size)
{
    if (off + size > v->config_len)
        return (uint32_t)MASK64(size * 8);
    if (v->ops->config_get)
        v->ops->config_get(v);
    return (uint32_t)ldl_n(v->config + off, size);
}

void virtio_config_write(Virtio *v, unsigned off, unsigned size, uint32_t val)
{
    if (off + size > v->config_len || !v->ops->config_set)
        return;
    stl_n(v->config + off, size, val);
    v->ops->config_set(v, off, size);
}

/* --- life --- */

static void memory_changed(void *opaque, AddressSpace *as)
{
    Virtio *v = opaque;

    v->map_generation++;
}

static bool choose_interfaces(Virtio *v, GError **errp)
{
    const char *name = v->pci->dev.cls->name, *legacy = v->disable_legacy;
    bool only_modern = g_str_has_suffix(name, "-non-transitional");
    bool both = !only_modern && g_str_has_suffix(name, "-transitional");

    if (legacy && strcmp(legacy, "auto") && strcmp(legacy, "on") && strcmp(legacy, "off") && strcmp(legacy, "true") &&
        strcmp(legacy, "false"))
        return error_set(errp, "Property '%s.disable-legacy' takes auto, on or off, not '%s'", name, legacy);
    v->legacy = !legacy || (strcmp(legacy, "on") && strcmp(legacy, "true"));
    v->modern = !v->disable_modern;
    if (only_modern || both) {
        if (!v->modern || (legacy && strcmp(legacy, "auto")))
            return error_set(errp, "%s has no disable-modern and disable-legacy: its name says it", name);
        v->legacy = both;
    }
    if (!v->legacy && !v->modern)
        return error_set(errp, "%s: disable-modern with disable-legacy leaves no interface", name);
    return true;
}

bool virtio_init(Virtio *v, PciDevice *pd, const VirtioOps *ops, unsigned config_len, unsigned vectors, GError **errp)
{
    g_assert(config_len <= VIRTIO_CONFIG_MAX);
    v->pci = pd;
    v->ops = ops;
    v->config_len = config_len;
    if (v->vectors == VIRTIO_VECTORS_DEFAULT)
        v->vectors = vectors;
    if (v->vectors > MSIX_MAX)
        return error_set(errp, "Property '%s.vectors' takes a number from 0 to %d", pd->dev.cls->name, MSIX_MAX);
    if (!choose_interfaces(v, errp))
        return false;
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
        v->vq[i].v = v;
        v->vq[i].index = i;
    }
    if (!virtio_pci_init(v, errp))
        return false;
    memory_listener_add(memory_changed, v);
    v->listening = true;
    return true;
}

void virtio_add_queue(Virtio *v, unsigned index, unsigned size, VirtQueueHandler *handler)
{
    g_assert(index < VIRTIO_QUEUES && size && size <= VIRTQUEUE_MAX_SIZE && !(size & (size - 1)));
    v->vq[index].max_size = (uint16_t)size;
    v->vq[index].handler = handler;
    virtqueue_reset(&v->vq[index]);
}

void virtio_device_reset(Virtio *v)
{
    forget_driver(v);
    v->generation = 0;
    pci_device_reset(v->pci);
    msix_reset(&v->msix);
}

/* A saved state is input: what the code relies on is true again afterwards. */
void virtio_post_load(Virtio *v)
{
    v->broken = v->broken != 0;
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
        VirtQueue *vq = &v->vq[i];
        if (vq->size > vq->max_size)
            vq->size = vq->max_size;
        vq->host_desc = NULL;
    }
    pci_device_post_load(v->pci);
    if (v->ops->features_set)
        v->ops->features_set(v);
}

void virtio_finalize(Virtio *v)
{
    if (v->listening)
        memory_listener_remove(memory_changed, v);
    v->listening = false;
    virtio_pci_finalize(v);
}
