/* virtqueue.c - split virtqueues: chains in, used elements out, and who wants to be told
 * Spec: VIRTIO 1.1, 2.6 (split virtqueues), 2.6.5.3 (indirect descriptors), 2.6.7-2.6.8 (suppression of notifications).
 * Everything in the rings is the guest's and may change at any time: each descriptor is copied before it is judged, each
 * index is checked, a chain is at most as long as its table. Buffers must lie in RAM. */
#include "host/base/osdep.h"
#include "hw/virtio/virtio.h"

#include "host/base/bitops.h"
#include "softmmu/physmem.h"

enum { DESC_SIZE = 16, DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1, RING_HEADER = 4, USED_ELEM = 8, LEGACY_ALIGN = 4096 };

typedef struct Desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} Desc;

static uint8_t *map(hwaddr addr, uint64_t len, bool is_write)
{
    uint64_t n = len;
    uint8_t *p = physmem_map(&address_space_memory, addr, &n, is_write);

    return p && n >= len ? p : NULL;
}

/* The rings in host memory; they are looked up again after a change of the memory map. */
static bool rings(VirtQueue *vq)
{
    Virtio *v = vq->v;

    if (likely(vq->host_desc && vq->generation == v->map_generation))
        return true;
    vq->host_desc = map(vq->desc, (uint64_t)vq->size * DESC_SIZE, false);
    vq->host_avail = map(vq->avail, RING_HEADER + 2u * vq->size + 2, false);
    vq->host_used = map(vq->used, RING_HEADER + (uint64_t)USED_ELEM * vq->size + 2, true);
    vq->generation = v->map_generation;
    if (vq->host_desc && vq->host_avail && vq->host_used)
        return true;
    vq->host_desc = NULL;
    virtio_error(v, "queue %u: its rings are not in RAM", vq->index);
    return false;
}

bool virtqueue_ready(VirtQueue *vq)
{
    Virtio *v = vq->v;

    return virtio_running(v) && vq->enabled && vq->desc && vq->size && pci_can_master(v->pci) && rings(vq);
}

static uint16_t avail_idx(const VirtQueue *vq)
{
    return __atomic_load_n((uint16_t *)(void *)(vq->host_avail + 2), __ATOMIC_ACQUIRE);
}

/* The driver's wish for interrupts behind the available ring, the device's for kicks behind the used ring. */
static uint16_t used_event(const VirtQueue *vq) { return ldl16(vq->host_avail + RING_HEADER + 2u * vq->size); }

static void set_avail_event(VirtQueue *vq, uint16_t idx)
{
    uint8_t *p = vq->host_used + RING_HEADER + (size_t)USED_ELEM * vq->size;

    stl16(p, idx);
    physmem_unmap(&address_space_memory, p, 2);
}

void virtqueue_set_notification(VirtQueue *vq, bool on)
{
    vq->notify_off = !on;
    if (!virtqueue_ready(vq))
        return;
    if (virtio_has(vq->v, VIRTIO_F_EVENT_IDX)) {
        if (on)
            set_avail_event(vq, avail_idx(vq));
    } else {
        stl16(vq->host_used, on ? 0 : USED_NO_NOTIFY);
        physmem_unmap(&address_space_memory, vq->host_used, 2);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* before the caller looks once more */
}

bool virtqueue_empty(VirtQueue *vq)
{
    return !virtqueue_ready(vq) || avail_idx(vq) == vq->last_avail;
}

static Desc read_desc(const uint8_t *table, unsigned i)
{
    Desc d;

    memcpy(&d, table + (size_t)i * DESC_SIZE, sizeof d);
    return d;
}

/* One buffer becomes as many pieces as it has pieces of RAM. */
static bool add_buffer(VirtQueue *vq, struct iovec *iov, unsigned *n, const Desc *d)
{
    uint64_t at = d->addr, left = d->len;

    if (!left) {
        virtio_error(vq->v, "queue %u: a buffer without bytes", vq->index);
        return false;
    }
    if (at + left < at) {
        virtio_error(vq->v, "queue %u: a buffer past the end of memory", vq->index);
        return false;
    }
    while (left) {
        uint64_t len = left;
        void *host = physmem_map(&address_space_memory, at, &len, d->flags & DESC_WRITE);
        if (!host || !len) {
            virtio_error(vq->v, "queue %u: buffer at %" PRIx64 " is not in RAM", vq->index, at);
            return false;
        }
        if (*n == VIRTQUEUE_MAX_SIZE) {
            virtio_error(vq->v, "queue %u: a chain of too many pieces", vq->index);
            return false;
        }
        iov[(*n)++] = (struct iovec){host, len};
        at += len;
        left -= len;
    }
    return true;
}

static VirtElem *make_elem(VirtQueue *vq, unsigned head, const struct iovec *iov, unsigned out, unsigned in)
{
    VirtElem *e = g_malloc(sizeof *e + (out + in) * sizeof(struct iovec));

    *e = (VirtElem){.vq = vq, .head = head, .out_num = out, .in_num = in, .out = e->iov, .in = e->iov + out};
    memcpy(e->iov, iov, (out + in) * sizeof *iov);
    for (unsigned i = 0; i < out; i++)
        e->out_bytes += iov[i].iov_len;
    for (unsigned i = out; i < out + in; i++)
        e->in_bytes += iov[i].iov_len;
    return e;
}

VirtElem *virtqueue_get(VirtQueue *vq, unsigned head)
{
    struct iovec iov[VIRTQUEUE_MAX_SIZE];
    unsigned n = 0, out = 0, table_size = vq->size, seen = 0;
    const uint8_t *table;
    Desc d;

    if (!virtqueue_ready(vq))
        return NULL;
    if (head >= vq->size) {
        virtio_error(vq->v, "queue %u: descriptor %u of %u", vq->index, head, vq->size);
        return NULL;
    }
    table = vq->host_desc;
    d = read_desc(table, head);
    if (d.flags & DESC_INDIRECT) {
        table_size = d.len / DESC_SIZE;
        table = !d.len || d.len % DESC_SIZE || table_size > UINT16_MAX ? NULL : map(d.addr, d.len, false);
        if (!table) {
            virtio_error(vq->v, "queue %u: bad indirect table (%u bytes at %" PRIx64 ")", vq->index, d.len, d.addr);
            return NULL;
        }
        d = read_desc(table, 0);
    }
    for (;;) {
        if (d.flags & DESC_INDIRECT) {
            virtio_error(vq->v, "queue %u: an indirect table inside a chain", vq->index);
            return NULL;
        }
        if (!(d.flags & DESC_WRITE) && n > out) {
            virtio_error(vq->v, "queue %u: a readable buffer after a writable one", vq->index);
            return NULL;
        }
        if (!add_buffer(vq, iov, &n, &d))
            return NULL;
        if (!(d.flags & DESC_WRITE))
            out = n;
        if (!(d.flags & DESC_NEXT))
            return make_elem(vq, head, iov, out, n - out);
        if (++seen >= table_size || d.next >= table_size) {
            virtio_error(vq->v, "queue %u: a chain that does not end (next %u of %u)", vq->index, d.next, table_size);
            return NULL;
        }
        d = read_desc(table, d.next);
    }
}

VirtElem *virtqueue_pop(VirtQueue *vq)
{
    uint16_t idx, waiting;
    unsigned head;

    if (!virtqueue_ready(vq))
        return NULL;
    idx = avail_idx(vq);
    if (idx == vq->last_avail) {
        /* The event index must be visible before the ring counts as empty (2.6.7.2). */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        idx = avail_idx(vq);
        if (idx == vq->last_avail)
            return NULL;
    }
    waiting = (uint16_t)(idx - vq->last_avail);
    if (waiting > vq->size) {
        virtio_error(vq->v, "queue %u: available index went from %u to %u", vq->index, vq->last_avail, idx);
        return NULL;
    }
    head = ldl16(vq->host_avail + RING_HEADER + 2u * (vq->last_avail % vq->size));
    vq->last_avail++;
    if (virtio_has(vq->v, VIRTIO_F_EVENT_IDX) && !vq->notify_off)
        set_avail_event(vq, vq->last_avail);
    return virtqueue_get(vq, head);
}

void virtqueue_unpop(VirtElem *e)
{
    e->vq->last_avail--;
    g_free(e);
}

void virtqueue_fill(VirtElem *e, uint32_t len, unsigned offset)
{
    VirtQueue *vq = e->vq;
    size_t left = len;

    for (unsigned i = 0; i < e->in_num && left; i++) {
        size_t n = MIN(left, e->in[i].iov_len);
        physmem_unmap(&address_space_memory, e->in[i].iov_base, n);
        left -= n;
    }
    if (virtqueue_ready(vq)) {
        uint8_t *p = vq->host_used + RING_HEADER + (size_t)USED_ELEM * ((uint16_t)(vq->used_idx + offset) % vq->size);
        stl32(p, e->head);
        stl32(p + 4, len);
        physmem_unmap(&address_space_memory, p, USED_ELEM);
    }
    g_free(e);
}

void virtqueue_flush(VirtQueue *vq, unsigned count)
{
    uint16_t old = vq->used_idx;

    if (!count || !virtqueue_ready(vq))
        return;
    vq->used_idx = (uint16_t)(old + count);
    __atomic_store_n((uint16_t *)(void *)(vq->host_used + 2), vq->used_idx, __ATOMIC_RELEASE);
    physmem_unmap(&address_space_memory, vq->host_used, RING_HEADER);
    if ((uint16_t)(vq->used_idx - vq->signalled_used) < (uint16_t)count)
        vq->signalled_valid = false; /* so many at once that the index went round */
}

void virtqueue_push(VirtElem *e, uint32_t len)
{
    VirtQueue *vq = e->vq;

    virtqueue_fill(e, len, 0);
    virtqueue_flush(vq, 1);
}

bool virtqueue_wants_signal(VirtQueue *vq)
{
    uint16_t old = vq->signalled_used, now = vq->used_idx;
    bool valid = vq->signalled_valid;

    if (!virtqueue_ready(vq))
        return false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the used index before the driver's wish (2.6.7.2) */
    if (virtio_has(vq->v, VIRTIO_F_NOTIFY_ON_EMPTY) && avail_idx(vq) == vq->last_avail && now == vq->last_avail)
        return true;
    if (!virtio_has(vq->v, VIRTIO_F_EVENT_IDX))
        return !(ldl16(vq->host_avail) & AVAIL_NO_INTERRUPT);
    vq->signalled_used = now;
    vq->signalled_valid = true;
    return !valid || (uint16_t)(now - used_event(vq) - 1) < (uint16_t)(now - old);
}

void virtqueue_reset(VirtQueue *vq)
{
    vq->size = vq->max_size;
    vq->vector = VIRTIO_NO_VECTOR;
    vq->last_avail = vq->used_idx = vq->signalled_used = 0;
    vq->enabled = vq->signalled_valid = vq->notify_off = false;
    vq->desc = vq->avail = vq->used = 0;
    vq->pfn = 0;
    vq->host_desc = NULL;
}

/* 2.6.2: table, available ring, and on the next page the used ring. */
void virtqueue_legacy_layout(VirtQueue *vq)
{
    vq->desc = (uint64_t)vq->pfn * LEGACY_ALIGN;
    vq->avail = vq->desc + (uint64_t)vq->size * DESC_SIZE;
    vq->used = ROUND_UP(vq->avail + RING_HEADER + 2u * vq->size + 2, (uint64_t)LEGACY_ALIGN);
    vq->enabled = vq->pfn != 0;
    vq->host_desc = NULL;
}

/* --- pieces --- */

static size_t copy(const struct iovec *iov, unsigned n, size_t skip, uint8_t *buf, size_t len, bool to_iov)
{
    size_t done = 0;

    for (unsigned i = 0; i < n && done < len; i++) {
        size_t part;
        if (skip >= iov[i].iov_len) {
            skip -= iov[i].iov_len;
            continue;
        }
        part = MIN(iov[i].iov_len - skip, len - done);
        if (to_iov)
            memcpy((uint8_t *)iov[i].iov_base + skip, buf + done, part);
        else
            memcpy(buf + done, (uint8_t *)iov[i].iov_base + skip, part);
        done += part;
        skip = 0;
    }
    return done;
}

size_t viov_read(const struct iovec *iov, unsigned n, size_t skip, void *buf, size_t len)
{
    return copy(iov, n, skip, buf, len, false);
}

size_t viov_write(const struct iovec *iov, unsigned n, size_t skip, const void *buf, size_t len)
{
    return copy(iov, n, skip, (uint8_t *)buf, len, true);
}

bool viov_cut_front(struct iovec **iov, unsigned *n, size_t len)
{
    while (len && *n) {
        size_t part = MIN(len, (*iov)->iov_len);
        (*iov)->iov_base = (uint8_t *)(*iov)->iov_base + part;
        (*iov)->iov_len -= part;
        len -= part;
        if (!(*iov)->iov_len) {
            (*iov)++;
            (*n)--;
        }
    }
    return !len;
}

bool viov_cut_back(struct iovec *iov, unsigned *n, size_t len)
{
    while (len && *n) {
        size_t part = MIN(len, iov[*n - 1].iov_len);
        iov[*n - 1].iov_len -= part;
        len -= part;
        if (!iov[*n - 1].iov_len)
            (*n)--;
    }
    return !len;
}
