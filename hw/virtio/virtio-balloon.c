/* virtio-balloon.c - virtio memory balloon: pages that the guest does not need go back to the host
 * Spec: VIRTIO 1.1, 5.5. Queues: inflate, deflate, statistics: the driver keeps one buffer of them here, which goes back to
 * it when new ones are wanted (5.5.6.3). Not modelled: free page hints and reports. */
#include "host/base/osdep.h"
#include "hw/virtio/virtio-balloon.h"

#include "host/base/bitops.h"
#include "host/base/log.h"
#include "softmmu/physmem.h"
#include "softmmu/timer.h"
#include <sys/mman.h>

enum { Q_INFLATE, Q_DEFLATE, Q_STATS, QUEUE_SIZE = 128, PAGE_BITS = 12, PAGE = 1 << PAGE_BITS };
enum { STAT_SIZE = 10, STATS_READ_MAX = 64 /* in one buffer */ };
#define NO_BUFFER UINT32_MAX
enum { F_MUST_TELL_HOST = 0, F_STATS_VQ = 1, F_DEFLATE_ON_OOM = 2, C_NUM_PAGES = 0, C_ACTUAL = 4, CONFIG_LEN = 8 };

typedef struct VirtioBalloon {
    PciDevice pci;
    Virtio vio;
    bool deflate_on_oom;     /* properties */
    uint32_t poll_s;         /* seconds between statistics; 0: none */
    Timer *poll_timer;
    uint32_t stats_head;     /* the buffer that the driver has left here, or NO_BUFFER */
    uint64_t stat[VIRTIO_BALLOON_STATS]; /* by tag; all ones: not told */
    int64_t stats_ns;        /* when they came, on the VM clock; 0: never */
    uint32_t num_pages;      /* that the guest is to give up */
    uint32_t actual;         /* that it has given up */
} VirtioBalloon;

static VirtioBalloon *balloon_of(Virtio *v) { return container_of(v, VirtioBalloon, vio); }

/* The host gets the page back; it reads as zeros until it is written again. */
static void give_back(hwaddr addr)
{
    uint64_t len = PAGE;
    uint8_t *host = physmem_map(&address_space_memory, addr, &len, true);

    if (!host || len < PAGE || ((uintptr_t)host & (PAGE - 1))) {
        log_guest_error("virtio-balloon: page %" PRIx64 " is not in RAM\n", addr);
        return;
    }
    physmem_unmap(&address_space_memory, host, PAGE); /* code translated from it is gone */
    madvise(host, PAGE, MADV_DONTNEED);
}

static void kicked(Virtio *v, VirtQueue *vq)
{
    bool any = false;
    VirtElem *e;

    while ((e = virtqueue_pop(vq))) {
        uint8_t le[4];
        for (size_t off = 0; vq->index == Q_INFLATE && viov_read(e->out, e->out_num, off, le, 4) == 4; off += 4)
            give_back((hwaddr)ldl32(le) << PAGE_BITS);
        virtqueue_push(e, 0);
        any = true;
    }
    if (any)
        virtio_notify(vq);
}

/* --- statistics --- */

static void poll_arm(VirtioBalloon *s)
{
    if (s->poll_s)
        timer_mod(s->poll_timer, clock_ns(CLOCK_VM) + (int64_t)s->poll_s * NANOSECONDS_PER_SECOND);
}

static void stats_kicked(Virtio *v, VirtQueue *vq)
{
    VirtioBalloon *s = balloon_of(v);
    uint8_t le[STAT_SIZE];
    VirtElem *e = virtqueue_pop(vq);

    if (!e)
        return;
    if (s->stats_head != NO_BUFFER) {
        virtio_error(v, "a second buffer of statistics");
        g_free(e);
        return;
    }
    memset(s->stat, 0xff, sizeof s->stat);
    for (size_t i = 0; i < STATS_READ_MAX && viov_read(e->out, e->out_num, i * STAT_SIZE, le, STAT_SIZE) == STAT_SIZE; i++)
        if (ldl16(le) < VIRTIO_BALLOON_STATS)
            s->stat[ldl16(le)] = ldl64(le + 2);
    s->stats_ns = clock_ns(CLOCK_VM);
    s->stats_head = e->head;
    g_free(e);
    poll_arm(s);
}

/* The buffer goes back: the driver fills it again. */
static void want_stats(void *opaque)
{
    VirtioBalloon *s = opaque;
    VirtQueue *vq = &s->vio.vq[Q_STATS];
    VirtElem *e;

    if (s->stats_head == NO_BUFFER) {
        poll_arm(s);
        return;
    }
    e = virtqueue_get(vq, s->stats_head);
    s->stats_head = NO_BUFFER;
    if (!e)
        return;
    virtqueue_push(e, 0);
    virtio_notify(vq);
}

bool virtio_balloon_stat(Device *dev, unsigned tag, uint64_t *value)
{
    VirtioBalloon *s = (VirtioBalloon *)dev;

    if (tag >= VIRTIO_BALLOON_STATS || !s->stats_ns)
        return false;
    *value = s->stat[tag];
    return *value != UINT64_MAX;
}

/* --- virtio's questions --- */

static uint64_t features(Virtio *v)
{
    return BIT(F_STATS_VQ) | (balloon_of(v)->deflate_on_oom ? BIT(F_DEFLATE_ON_OOM) : 0);
}

static void config_get(Virtio *v)
{
    VirtioBalloon *s = balloon_of(v);

    stl32(v->config + C_NUM_PAGES, s->num_pages);
    stl32(v->config + C_ACTUAL, s->actual);
}

static void config_set(Virtio *v, unsigned off, unsigned size)
{
    balloon_of(v)->actual = ldl32(v->config + C_ACTUAL);
}

static void forget(Virtio *v)
{
    VirtioBalloon *s = balloon_of(v);

    s->actual = 0; /* a guest that starts again has all its memory */
    s->stats_head = NO_BUFFER;
    s->stats_ns = 0;
    memset(s->stat, 0xff, sizeof s->stat);
    timer_del(s->poll_timer);
}

static const VirtioOps ops = {
    .id = VIRTIO_ID_BALLOON, .pci_class = 0x00ff, .legacy_device_id = 0x1002, .features = features,
    .config_get = config_get, .config_set = config_set, .reset = forget};

static void config_write(PciDevice *pd, unsigned addr, uint32_t val, unsigned size)
{
    virtio_pci_config_write(pd, &((VirtioBalloon *)pd)->vio, addr, size);
}

static void config_read(PciDevice *pd, unsigned addr)
{
    virtio_pci_config_read(pd, &((VirtioBalloon *)pd)->vio, addr);
}

static void balloon_reset(Device *dev)
{
    virtio_device_reset(&((VirtioBalloon *)dev)->vio);
}

static void balloon_finalize(Device *dev)
{
    VirtioBalloon *s = (VirtioBalloon *)dev;

    virtio_finalize(&s->vio);
    timer_free(s->poll_timer);
}

static bool balloon_init(Device *dev, GError **errp)
{
    VirtioBalloon *s = (VirtioBalloon *)dev;

    if (virtio_balloon_find())
        return error_set(errp, "Only one balloon device is supported");
    s->pci.config_write = config_write;
    s->pci.config_read = config_read;
    s->poll_timer = timer_new(CLOCK_VM, want_stats, s);
    s->stats_head = NO_BUFFER;
    if (!virtio_init(&s->vio, &s->pci, &ops, CONFIG_LEN, 3, errp)) {
        timer_free(s->poll_timer);
        s->poll_timer = NULL;
        return false;
    }
    virtio_add_queue(&s->vio, Q_INFLATE, QUEUE_SIZE, kicked);
    virtio_add_queue(&s->vio, Q_DEFLATE, QUEUE_SIZE, kicked);
    virtio_add_queue(&s->vio, Q_STATS, QUEUE_SIZE, stats_kicked);
    return true;
}

static void balloon_post_load(Device *dev)
{
    virtio_post_load(&((VirtioBalloon *)dev)->vio);
}

Device *virtio_balloon_find(void)
{
    for (GList *l = device_list(); l; l = l->next)
        if (((Device *)l->data)->cls->init == balloon_init)
            return l->data;
    return NULL;
}

void virtio_balloon_set_target(Device *dev, uint64_t ram_size, uint64_t target)
{
    VirtioBalloon *s = (VirtioBalloon *)dev;

    s->num_pages = (uint32_t)((ram_size - MIN(target, ram_size)) >> PAGE_BITS);
    virtio_config_changed(&s->vio);
}

uint64_t virtio_balloon_actual(Device *dev, uint64_t ram_size)
{
    uint64_t gone = (uint64_t)((VirtioBalloon *)dev)->actual << PAGE_BITS;

    return ram_size - MIN(gone, ram_size);
}

static const VMField balloon_fields[] = {
    VM_STRUCT(VirtioBalloon, pci, pci_device_fields), VM_STRUCT(VirtioBalloon, vio, virtio_fields),
    VM_UINT(VirtioBalloon, num_pages), VM_UINT(VirtioBalloon, actual), VM_UINT(VirtioBalloon, stats_head),
    VM_UINT_ARRAY(VirtioBalloon, stat, VIRTIO_BALLOON_STATS), VM_UINT(VirtioBalloon, stats_ns),
    VM_TIMER(VirtioBalloon, poll_timer), VM_END};

static const DeviceProp balloon_props[] = {
    VIRTIO_PROPS(VirtioBalloon, vio),
    {"deflate-on-oom", PROP_BOOL, offsetof(VirtioBalloon, deflate_on_oom), 0, NULL, "the guest may take pages back when it runs out"},
    {"guest-stats-polling-interval", PROP_UINT32, offsetof(VirtioBalloon, poll_s), 0, NULL, "seconds between memory statistics; 0: none"},
    PROP_END};

VIRTIO_PCI_CLASSES(virtio_balloon, "virtio-balloon", .instance_size = sizeof(VirtioBalloon), .init = balloon_init,
                   .reset = balloon_reset, .fields = balloon_fields, .post_load = balloon_post_load,
                   .finalize = balloon_finalize, .props = balloon_props, .desc = "virtio memory balloon", .bus = "PCI",
                   .user_creatable = true);
