/* virtio-blk.c - virtio block device: requests go to the block layer and come back when they are done, in any order
 * Spec: VIRTIO 1.1, 5.2. Requests: in, out, flush, get id, discard, write zeroes; one range per discard or write zeroes.
 * werror= and rerror= are the block layer's: what it keeps is a request that takes long.
 * Not modelled: SCSI commands, barriers, secure erase. */
#include "host/base/osdep.h"
#include "hw/virtio/virtio-blk.h"

#include "host/base/bitops.h"
#include "host/base/log.h"
#include "softmmu/physmem.h"

enum { SECTOR = 512, ID_LEN = 20, HEADER = 16, SEGMENT = 16, MAX_QUEUES = 32 };
enum { F_SEG_MAX = 2, F_GEOMETRY = 4, F_RO = 5, F_BLK_SIZE = 6, F_FLUSH = 9, F_TOPOLOGY = 10, F_CONFIG_WCE = 11, F_MQ = 12,
       F_DISCARD = 13, F_WRITE_ZEROES = 14 };
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2, ZERO_UNMAP = 1 };
/* configuration (5.2.4) */
enum { C_CAPACITY = 0, C_SEG_MAX = 12, C_CYLINDERS = 16, C_HEADS = 18, C_SECTORS = 19, C_BLK_SIZE = 20, C_PHYS_EXP = 24,
       C_MIN_IO = 26, C_OPT_IO = 28, C_WRITEBACK = 32, C_NUM_QUEUES = 34, C_MAX_DISCARD = 36, C_DISCARD_SEGS = 40,
       C_DISCARD_ALIGN = 44, C_MAX_ZEROES = 48, C_ZEROES_SEGS = 52, C_ZEROES_UNMAP = 56, CONFIG_LEN = 60 };
enum { MAX_RANGE_SECTORS = (1u << 31) / SECTOR - 1 };
#define NO_BOOTINDEX UINT32_MAX

typedef struct VirtioBlk {
    PciDevice pci;
    Virtio vio;
    /* properties */
    char *drive_id, *serial;
    uint32_t bootindex, num_queues, queue_size, blk_size, phys_size, min_io, opt_io;
    bool config_wce, offer_discard, offer_zeroes, share_rw;
    Drive *drive;
    /* guest-visible */
    bool writeback;
    unsigned in_flight;
} VirtioBlk;

typedef struct BlkReq {
    VirtioBlk *s;
    VirtElem *e;
    uint32_t type;
    uint64_t offset, len;        /* bytes */
    struct iovec *iov;           /* data */
    unsigned iovcnt;
    uint8_t *status;
    bool unmap, flushing;
} BlkReq;

static VirtioBlk *blk_of(Virtio *v) { return container_of(v, VirtioBlk, vio); }

/* --- completion --- */

static void finish(BlkReq *r, uint8_t status)
{
    VirtElem *e = r->e;
    VirtQueue *vq = e->vq;

    *r->status = status;
    physmem_unmap(&address_space_memory, r->status, 1);
    virtqueue_push(e, (uint32_t)MIN(e->in_bytes, (size_t)UINT32_MAX));
    virtio_notify(vq);
    g_free(r);
}

static void done(void *opaque, int ret)
{
    BlkReq *r = opaque;

    r->s->in_flight--;
    if (ret < 0) {
        finish(r, S_IOERR);
        return;
    }
    /* Without a write cache a write is done when it is on the disk. */
    if ((r->type == T_OUT || r->type == T_WRITE_ZEROES) && !r->s->writeback && !r->flushing) {
        r->flushing = true;
        r->s->in_flight++;
        block_aio_flush(r->s->drive->image, done, r);
        return;
    }
    finish(r, S_OK);
}

/* --- requests --- */

static void start(BlkReq *r)
{
    BlockImage *img = r->s->drive->image;

    r->s->in_flight++;
    switch (r->type) {
    case T_IN:
        block_aio_readv(img, r->offset, r->iov, (int)r->iovcnt, done, r);
        break;
    case T_OUT:
        block_aio_writev(img, r->offset, r->iov, (int)r->iovcnt, done, r);
        break;
    case T_DISCARD:
        block_aio_discard(img, r->offset, r->len, done, r);
        break;
    case T_WRITE_ZEROES:
        block_aio_write_zeroes(img, r->offset, r->len, r->unmap, done, r);
        break;
    default:
        block_aio_flush(img, done, r);
        break;
    }
}

static bool range_ok(const VirtioBlk *s, uint64_t sector, uint64_t bytes)
{
    uint64_t all = block_length(s->drive->image) / SECTOR * SECTOR;

    return bytes % s->blk_size == 0 && sector <= all / SECTOR && bytes <= all - sector * SECTOR &&
           sector * SECTOR % s->blk_size == 0;
}

/* Discard and write zeroes name their range in the data (5.2.6). S_OK: it can start. */
static uint8_t parse_range(BlkReq *r)
{
    uint8_t seg[SEGMENT];
    uint32_t sectors, flags;
    uint64_t sector;

    if (block_read_only(r->s->drive->image))
        return S_IOERR;
    if (viov_read(r->iov, r->iovcnt, 0, seg, sizeof seg) != sizeof seg || r->e->out_bytes != HEADER + SEGMENT)
        return S_UNSUPP;
    sector = ldl64(seg);
    sectors = ldl32(seg + 8);
    flags = ldl32(seg + 12);
    if (flags & ~(r->type == T_WRITE_ZEROES ? (uint32_t)ZERO_UNMAP : 0))
        return S_UNSUPP;
    if (sectors > MAX_RANGE_SECTORS || !range_ok(r->s, sector, (uint64_t)sectors * SECTOR))
        return S_IOERR;
    r->offset = sector * SECTOR;
    r->len = (uint64_t)sectors * SECTOR;
    r->unmap = flags & ZERO_UNMAP;
    return S_OK;
}

static uint8_t put_id(BlkReq *r)
{
    const char *text = r->s->serial ? r->s->serial : r->s->drive->serial;
    char id[ID_LEN] = {0};

    memcpy(id, text ? text : "", MIN(strlen(text ? text : ""), sizeof id));
    viov_write(r->iov, r->iovcnt, 0, id, sizeof id);
    return S_OK;
}

/* Starts it, or ends it at once. */
static void dispatch(BlkReq *r, uint64_t sector)
{
    VirtioBlk *s = r->s;
    VirtElem *e = r->e;
    uint8_t status = S_OK;

    switch (r->type) {
    case T_IN:
        r->offset = sector * SECTOR;
        if (!range_ok(s, sector, e->in_bytes - 1))
            status = S_IOERR;
        break;
    case T_OUT:
        r->offset = sector * SECTOR;
        if (!range_ok(s, sector, e->out_bytes - HEADER) || block_read_only(s->drive->image))
            status = S_IOERR;
        break;
    case T_FLUSH:
        break;
    case T_GET_ID:
        finish(r, put_id(r));
        return;
    case T_DISCARD:
    case T_WRITE_ZEROES:
        status = virtio_has(&s->vio, r->type == T_DISCARD ? F_DISCARD : F_WRITE_ZEROES) ? parse_range(r) : S_UNSUPP;
        break;
    default:
        log_unimp("virtio-blk: request type %u\n", r->type);
        status = S_UNSUPP;
        break;
    }
    if (status != S_OK)
        finish(r, status);
    else
        start(r);
}

static void handle(VirtioBlk *s, VirtElem *e)
{
    uint8_t header[HEADER];
    BlkReq *r;

    if (viov_read(e->out, e->out_num, 0, header, HEADER) != HEADER || !e->in_bytes) {
        virtio_error(&s->vio, "a request without header or status");
        g_free(e);
        return;
    }
    r = g_new0(BlkReq, 1);
    *r = (BlkReq){.s = s, .e = e, .type = ldl32(header)};
    r->status = (uint8_t *)e->in[e->in_num - 1].iov_base + e->in[e->in_num - 1].iov_len - 1;
    /* The pieces are cut in place; which bytes the device has written is told with the status byte's own. */
    if (r->type == T_IN || r->type == T_GET_ID) {
        r->iov = e->in;
        r->iovcnt = e->in_num;
        viov_cut_back(r->iov, &r->iovcnt, 1);
    } else {
        r->iov = e->out;
        r->iovcnt = e->out_num;
        viov_cut_front(&r->iov, &r->iovcnt, HEADER);
    }
    dispatch(r, ldl64(header + 8));
}

static void kicked(Virtio *v, VirtQueue *vq)
{
    VirtElem *e;

    while ((e = virtqueue_pop(vq)))
        handle(blk_of(v), e);
}

/* --- virtio's questions --- */

static uint64_t features(Virtio *v)
{
    VirtioBlk *s = blk_of(v);
    uint64_t f = BIT(F_SEG_MAX) | BIT(F_GEOMETRY) | BIT(F_BLK_SIZE) | BIT(F_FLUSH) | BIT(F_TOPOLOGY);

    if (s->config_wce)
        f |= BIT(F_CONFIG_WCE);
    if (s->num_queues > 1)
        f |= BIT(F_MQ);
    if (block_read_only(s->drive->image))
        return f | BIT(F_RO);
    return f | (s->offer_discard ? BIT(F_DISCARD) : 0) | (s->offer_zeroes ? BIT(F_WRITE_ZEROES) : 0);
}

static void config_get(Virtio *v)
{
    VirtioBlk *s = blk_of(v);
    uint64_t sectors = block_length(s->drive->image) / SECTOR;
    uint8_t *c = v->config;

    memset(c, 0, CONFIG_LEN);
    stl64(c + C_CAPACITY, sectors);
    stl32(c + C_SEG_MAX, s->queue_size - 2);
    stl16(c + C_CYLINDERS, (uint16_t)MIN(sectors / (16 * 63), 16383u));
    c[C_HEADS] = 16;
    c[C_SECTORS] = 63;
    stl32(c + C_BLK_SIZE, s->blk_size);
    c[C_PHYS_EXP] = s->phys_size > s->blk_size ? (uint8_t)__builtin_ctz(s->phys_size / s->blk_size) : 0;
    stl16(c + C_MIN_IO, (uint16_t)(s->min_io / s->blk_size));
    stl32(c + C_OPT_IO, s->opt_io / s->blk_size);
    c[C_WRITEBACK] = s->writeback;
    stl16(c + C_NUM_QUEUES, (uint16_t)s->num_queues);
    stl32(c + C_MAX_DISCARD, MAX_RANGE_SECTORS);
    stl32(c + C_DISCARD_SEGS, 1);
    stl32(c + C_DISCARD_ALIGN, s->blk_size / SECTOR);
    stl32(c + C_MAX_ZEROES, MAX_RANGE_SECTORS);
    stl32(c + C_ZEROES_SEGS, 1);
    c[C_ZEROES_UNMAP] = 1;
}

static void config_set(Virtio *v, unsigned off, unsigned size)
{
    VirtioBlk *s = blk_of(v);

    if (off <= C_WRITEBACK && off + size > C_WRITEBACK && virtio_has(v, F_CONFIG_WCE))
        s->writeback = v->config[C_WRITEBACK] & 1;
}

/* A driver that cannot flush must not lose what it has written (5.2.6.2). */
static void status_set(Virtio *v)
{
    if ((v->status & VIRTIO_DRIVER_OK) && !virtio_has(v, F_FLUSH) && !virtio_has(v, F_CONFIG_WCE))
        blk_of(v)->writeback = false;
}

static void forget(Virtio *v)
{
    VirtioBlk *s = blk_of(v);

    if (s->in_flight)
        block_drain(s->drive->image);
    s->writeback = true;
}

static const VirtioOps ops = {
    .id = VIRTIO_ID_BLOCK, .pci_class = 0x0100, .legacy_device_id = 0x1001, .features = features,
    .config_get = config_get, .config_set = config_set, .status_set = status_set, .reset = forget};

/* --- the device --- */

static void config_write(PciDevice *pd, unsigned addr, uint32_t val, unsigned size)
{
    virtio_pci_config_write(pd, &((VirtioBlk *)pd)->vio, addr, size);
}

static void config_read(PciDevice *pd, unsigned addr)
{
    virtio_pci_config_read(pd, &((VirtioBlk *)pd)->vio, addr);
}

static void blk_reset(Device *dev)
{
    virtio_device_reset(&((VirtioBlk *)dev)->vio);
}

static void blk_finalize(Device *dev)
{
    VirtioBlk *s = (VirtioBlk *)dev;

    if (s->vio.ops)
        forget(&s->vio);
    virtio_finalize(&s->vio);
    if (s->drive && s->drive->opaque == s)
        drive_attach(s->drive, NULL, NULL, NULL);
}

static bool power_of_two(uint32_t n, uint32_t min, uint32_t max)
{
    return n >= min && n <= max && !(n & (n - 1));
}

static bool find_drive(VirtioBlk *s, GError **errp)
{
    const char *name = s->pci.dev.cls->name;

    if (!s->drive_id)
        return error_set(errp, "%s: the drive property is needed", name);
    s->drive = drive_find(s->drive_id);
    if (!s->drive)
        return error_set(errp, "Property '%s.drive' can't find value '%s'", name, s->drive_id);
    if (s->drive->attached_to)
        return error_set(errp, "Drive '%s' is already in use by another block device", s->drive_id);
    if (!s->drive->image)
        return error_set(errp, "%s: drive '%s' has no medium", name, s->drive_id);
    return true;
}

static bool check_props(const VirtioBlk *s, GError **errp)
{
    const char *name = s->pci.dev.cls->name;

    if (!power_of_two(s->blk_size, SECTOR, 32768) || !power_of_two(s->phys_size, SECTOR, 1 << 21) ||
        s->phys_size < s->blk_size)
        return error_set(errp, "%s: logical_block_size and physical_block_size take powers of 2, 512 and up, the logical "
                         "one at most 32768 and the physical one", name);
    if (!power_of_two(s->queue_size, 4, VIRTQUEUE_MAX_SIZE))
        return error_set(errp, "%s: queue-size takes a power of 2 from 4 to %d", name, VIRTQUEUE_MAX_SIZE);
    if (s->num_queues < 1 || s->num_queues > MAX_QUEUES)
        return error_set(errp, "%s: num-queues takes a number from 1 to %d", name, MAX_QUEUES);
    return true;
}

static bool blk_init(Device *dev, GError **errp)
{
    VirtioBlk *s = (VirtioBlk *)dev;
    g_autofree char *path = NULL;

    if (!find_drive(s, errp) || !check_props(s, errp))
        return false;
    s->pci.config_write = config_write;
    s->pci.config_read = config_read;
    if (!virtio_init(&s->vio, &s->pci, &ops, CONFIG_LEN, s->num_queues + 1, errp)) {
        blk_finalize(dev);
        return false;
    }
    for (unsigned i = 0; i < s->num_queues; i++)
        virtio_add_queue(&s->vio, i, s->queue_size, kicked);
    path = dev->id ? g_strdup_printf("/machine/peripheral/%s" VIRTIO_BACKEND, dev->id)
                   : g_strdup_printf("/machine/peripheral-anon/pci[%02x.%x]" VIRTIO_BACKEND, s->pci.devfn >> 3,
                                     s->pci.devfn & 7);
    drive_attach(s->drive, NULL, s, path);
    if (s->bootindex != NO_BOOTINDEX)
        s->drive->bootindex = (int)MIN(s->bootindex, (uint32_t)INT32_MAX);
    return true;
}

static void blk_post_load(Device *dev)
{
    virtio_post_load(&((VirtioBlk *)dev)->vio);
}

Drive *virtio_blk_drive(Device *dev)
{
    return dev->cls->init == blk_init ? ((VirtioBlk *)dev)->drive : NULL;
}

static const VMField blk_fields[] = {
    VM_STRUCT(VirtioBlk, pci, pci_device_fields), VM_STRUCT(VirtioBlk, vio, virtio_fields), VM_UINT(VirtioBlk, writeback),
    VM_END};

static const DeviceProp blk_props[] = {
    VIRTIO_PROPS(VirtioBlk, vio),
    {"drive", PROP_STRING, offsetof(VirtioBlk, drive_id), 0, NULL, "id of a drive made with -drive if=none"},
    {"serial", PROP_STRING, offsetof(VirtioBlk, serial), 0, NULL, "serial number, 20 characters"},
    {"bootindex", PROP_UINT32, offsetof(VirtioBlk, bootindex), NO_BOOTINDEX, NULL, "place in the boot order"},
    {"num-queues", PROP_UINT32, offsetof(VirtioBlk, num_queues), 1, NULL, "request queues"},
    {"queue-size", PROP_UINT32, offsetof(VirtioBlk, queue_size), 256, NULL, "descriptors of a queue"},
    {"logical_block_size", PROP_UINT32, offsetof(VirtioBlk, blk_size), 512, NULL, "bytes of a block"},
    {"physical_block_size", PROP_UINT32, offsetof(VirtioBlk, phys_size), 512, NULL, "bytes that the disk writes at once"},
    {"min_io_size", PROP_UINT32, offsetof(VirtioBlk, min_io), 0, NULL, "smallest good request, bytes"},
    {"opt_io_size", PROP_UINT32, offsetof(VirtioBlk, opt_io), 0, NULL, "best request, bytes"},
    {"config-wce", PROP_BOOL, offsetof(VirtioBlk, config_wce), 1, NULL, "the driver may switch the write cache"},
    {"discard", PROP_BOOL, offsetof(VirtioBlk, offer_discard), 1, NULL, "offer discard"},
    {"write-zeroes", PROP_BOOL, offsetof(VirtioBlk, offer_zeroes), 1, NULL, "offer write zeroes"},
    {"share-rw", PROP_BOOL, offsetof(VirtioBlk, share_rw), 0, NULL, "accepted: drives are locked by -drive locking="},
    PROP_END};

VIRTIO_PCI_CLASSES(virtio_blk, "virtio-blk", .instance_size = sizeof(VirtioBlk), .init = blk_init, .reset = blk_reset,
                   .fields = blk_fields, .post_load = blk_post_load, .finalize = blk_finalize,
                   .props = blk_props, .desc = "virtio block device", .bus = "PCI", .user_creatable = true);
