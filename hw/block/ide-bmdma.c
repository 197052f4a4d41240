/* ide-bmdma.c - PIIX3 IDE function: PCI configuration, bus master DMA, the drives on it
 * Spec: Intel 82371SB (PIIX3) data sheet, IDE function; SFF-8038i (bus master programming).
 * Guest view: 8086:7010 class 0101 prog-if 80, BAR4 with 8 ports per channel; channels at the legacy
 * ports. DMA goes straight between image and guest RAM.
 * Not modelled: timing registers 40h-44h have no effect, disabling a channel in them neither. */
#include "host/base/osdep.h"
#include "hw/block/ide-internal.h"
#include "host/base/bitops.h"
#include "host/base/log.h"

enum { BM_CMD = 0, BM_STATUS = 2, BM_TABLE = 4 };
enum { PRD_EOT = 0x80000000u, PRD_BYTES_MASK = 0xfffe, PRD_64K = 0x10000 };
enum { PIIX_IDETIM0 = 0x40, PIIX_SIDETIM = 0x44 };

/* ---- PRD cursor ---- */

bool bmdma_ready(IdeChannel *ch)
{
    for (int i = 0; i < 2; i++) /* one transfer per channel: both drives under command is the guest's error */
        if (ch->drive[i].req && ch->drive[i].phase == PHASE_DMA)
            return false;
    return (ch->bm.cmd & BM_CMD_START) && pci_can_master(&ch->ctrl->pci);
}

void bmdma_rewind(IdeBmdma *bm)
{
    bm->next_prd = bm->table;
    bm->cur_left = 0;
    bm->last_prd = false;
}

/* Make cur_left nonzero; false at the end of the table. Every entry has at least two bytes, so that
 * walking is bounded by the transfer's length. */
static bool prd_next(IdeBmdma *bm)
{
    uint8_t prd[8];

    if (bm->cur_left)
        return true;
    if (bm->last_prd)
        return false;
    dma_read(bm->next_prd, prd, sizeof prd);
    bm->next_prd += sizeof prd;
    bm->cur_addr = ldl32(prd) & ~1u;
    bm->cur_left = ldl32(prd + 4) & PRD_BYTES_MASK;
    if (!bm->cur_left)
        bm->cur_left = PRD_64K;
    bm->last_prd = ldl32(prd + 4) & PRD_EOT;
    return true;
}

uint32_t bmdma_copy(IdeChannel *ch, void *buf, uint32_t len, bool to_guest)
{
    IdeBmdma *bm = &ch->bm;
    uint32_t done = 0;

    while (done < len && prd_next(bm)) {
        uint32_t n = MIN(len - done, bm->cur_left);
        if (to_guest)
            dma_write(bm->cur_addr, (uint8_t *)buf + done, n);
        else
            dma_read(bm->cur_addr, (uint8_t *)buf + done, n);
        bm->cur_addr += n;
        bm->cur_left -= n;
        done += n;
    }
    return done;
}

/* Move the cursor; returns how far it came. */
static uint32_t prd_skip(IdeBmdma *bm, uint32_t len)
{
    uint32_t done = 0;
    while (done < len && prd_next(bm)) {
        uint32_t n = MIN(len - done, bm->cur_left);
        bm->cur_addr += n;
        bm->cur_left -= n;
        done += n;
    }
    return done;
}

uint32_t bmdma_map(IdeChannel *ch, uint32_t max, uint32_t unit, bool to_guest)
{
    IdeBmdma *bm = &ch->bm, start = *bm;
    uint32_t total = 0, keep;

    ch->iov_count = 0;
    ch->iov_to_guest = to_guest;
    ch->iov_bounced = false;
    while (total < max && ch->iov_count < IDE_MAX_IOV && prd_next(bm)) {
        uint64_t n = MIN(max - total, bm->cur_left);
        void *host = physmem_map(&address_space_memory, bm->cur_addr, &n, to_guest);
        if (!host || !n)
            break;
        ch->iov[ch->iov_count++] = (struct iovec){host, n};
        bm->cur_addr += n;
        bm->cur_left -= n;
        total += n;
    }
    keep = total - total % unit;
    if (keep == total && keep)
        return keep;
    *bm = start;
    if (keep) { /* give back the part of a unit at the end */
        uint32_t left = keep;
        int i = 0;
        for (; left; i++) {
            ch->iov[i].iov_len = MIN(ch->iov[i].iov_len, left);
            left -= ch->iov[i].iov_len;
        }
        ch->iov_count = i;
        prd_skip(bm, keep);
        return keep;
    }
    /* The next unit is not all RAM, or in crumbs: one unit through a buffer. */
    ch->iov_bounced = true;
    ch->iov[0] = (struct iovec){ch->bounce, unit};
    ch->iov_count = 1;
    if (!to_guest)
        return bmdma_copy(ch, ch->bounce, unit, false) == unit ? unit : 0;
    uint32_t room = prd_skip(bm, unit);
    *bm = start; /* the copy at the end moves the cursor */
    return room == unit ? unit : 0;
}

void bmdma_unmap(IdeChannel *ch, uint32_t moved)
{
    if (ch->iov_to_guest && ch->iov_bounced) {
        if (moved)
            bmdma_copy(ch, ch->bounce, moved, true);
    } else if (ch->iov_to_guest) {
        /* Also after a failure or cancel: part of the data may have arrived. */
        for (int i = 0; i < ch->iov_count; i++)
            physmem_unmap(&address_space_memory, ch->iov[i].iov_base, ch->iov[i].iov_len);
    }
    ch->iov_count = 0;
}

/* SFF-8038i 1.2: interrupt and active both set mean that the table was longer than the transfer. */
void bmdma_finish(IdeChannel *ch)
{
    if (ch->bm.last_prd && !ch->bm.cur_left)
        ch->bm.status &= ~BM_ST_ACTIVE;
}

/* ---- registers ---- */

static void bm_start(IdeChannel *ch)
{
    IdeDrive *d = &ch->drive[ch->cur];

    bmdma_rewind(&ch->bm);
    ch->bm.status |= BM_ST_ACTIVE;
    if (d->phase != PHASE_DMA || d->req)
        return;
    if (d->kind == IDE_CD)
        atapi_dma_run(d);
    else
        ata_dma_run(d);
}

/* Clearing the start bit in mid-transfer: what has moved has moved, the drive keeps waiting for the rest. */
static void bm_stop(IdeChannel *ch)
{
    for (int i = 0; i < 2; i++) {
        IdeDrive *d = &ch->drive[i];
        if (d->phase == PHASE_DMA && d->req) {
            BlockReq *req = d->req;
            block_aio_cancel(req);
            d->req = NULL;
            d->status = ST_DRDY | ST_DSC | ST_DRQ;
        }
    }
    ch->bm.status &= ~BM_ST_ACTIVE;
}

static uint64_t bm_read(void *opaque, hwaddr off, unsigned size)
{
    IdeController *c = opaque;
    IdeBmdma *bm = &c->ch[off >> 3 & 1].bm;

    switch (off & 7) {
    case BM_CMD:
        return bm->cmd;
    case BM_STATUS:
        return bm->status;
    case BM_TABLE ... BM_TABLE + 3:
        return bm->table >> 8 * (off & 3) & 0xff;
    default:
        return 0xff;
    }
}

static void bm_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    IdeController *c = opaque;
    IdeChannel *ch = &c->ch[off >> 3 & 1];
    IdeBmdma *bm = &ch->bm;
    uint8_t old = bm->cmd;

    switch (off & 7) {
    case BM_CMD:
        bm->cmd = val & (BM_CMD_START | BM_CMD_TO_MEMORY);
        if (!(old & BM_CMD_START) && (val & BM_CMD_START))
            bm_start(ch);
        else if ((old & BM_CMD_START) && !(val & BM_CMD_START))
            bm_stop(ch);
        break;
    case BM_STATUS: /* error and interrupt are cleared by writing ones, the drive bits are storage */
        bm->status = (bm->status & (BM_ST_ACTIVE | ((BM_ST_ERROR | BM_ST_INT) & ~val))) | (val & (BM_ST_DRV0 | BM_ST_DRV1));
        break;
    case BM_TABLE ... BM_TABLE + 3:
        bm->table = deposit64(bm->table, 8 * (off & 3), 8, val & 0xff) & ~3u;
        break;
    default:
        break;
    }
}

static const MemoryOps bm_ops = {bm_read, bm_write, 1, 1, false};

const VMField ide_bmdma_fields[] = {
    VM_UINT(IdeBmdma, cmd), VM_UINT(IdeBmdma, status), VM_UINT(IdeBmdma, table), VM_UINT(IdeBmdma, next_prd),
    VM_UINT(IdeBmdma, cur_addr), VM_UINT(IdeBmdma, cur_left), VM_UINT(IdeBmdma, last_prd), VM_END};

/* ---- the function ---- */

bool ide_attach(Device *dev, int bus, int unit, Drive *drive, bool cdrom, const IdeIdentity *id, GError **errp)
{
    IdeController *c = (IdeController *)dev;
    const char *serial = id->serial;
    IdeDrive *d = NULL;

    if (bus < -1 || bus > 1 || unit < -1 || unit > 1)
        return error_set(errp, "IDE place bus=%d,unit=%d does not exist: allowed are bus 0-1, unit 0-1", bus, unit);
    for (int i = 0; i < 4 && !d; i++)
        if ((bus < 0 || bus == i >> 1) && (unit < 0 || unit == (i & 1)) && c->ch[i >> 1].drive[i & 1].kind == IDE_NONE)
            d = &c->ch[i >> 1].drive[i & 1];
    if (!d)
        return error_set(errp, "no free place on the IDE bus for drive '%s'", drive->id);
    if (drive->attached_to)
        return error_set(errp, "drive '%s' is in use by %s already", drive->id, drive->attached_to);
    if (!cdrom && !drive->image)
        return error_set(errp, "drive '%s' has no medium: a disk needs one", drive->id);
    if (!cdrom && block_length(drive->image) < ATA_SECTOR)
        return error_set(errp, "drive '%s': image '%s' is smaller than one sector of 512 bytes", drive->id,
                         block_filename(drive->image));
    d->drive = drive;
    d->kind = cdrom ? IDE_CD : IDE_HD;
    serial = serial ? serial : drive->serial;
    if (serial)
        g_snprintf(d->serial, sizeof d->serial, "%s", serial);
    else /* the numbering that guests' by-id names know */
        g_snprintf(d->serial, sizeof d->serial, "QM%05d", d->ch->index * 2 + d->unit + 1);
    g_snprintf(d->model, sizeof d->model, "%s", id->model ? id->model : cdrom ? "QEMU DVD-ROM" : "QEMU HARDDISK");
    g_snprintf(d->version, sizeof d->version, "%s", id->version ? id->version : "2.5+");
    d->wwn = id->wwn;
    d->rotation_rate = id->rotation_rate;
    d->physical_exp = id->physical_exp;
    g_snprintf(d->path, sizeof d->path, "/machine/unattached/ide[%d]/unit[%d]", d->ch->index, d->unit);
    if (cdrom)
        atapi_init_drive(d);
    else
        ata_init_drive(d);
    ide_channel_reset(d->ch);
    return true;
}

bool ide_get_geometry(Device *dev, int bus, int unit, unsigned *cyls, unsigned *heads, unsigned *secs)
{
    IdeController *c = (IdeController *)dev;
    IdeDrive *d = &c->ch[bus & 1].drive[unit & 1];
    if (d->kind != IDE_HD)
        return false;
    *cyls = d->cyls;
    *heads = d->heads;
    *secs = d->secs;
    return true;
}

void ide_controller_wire(Device *dev, PciBus *bus, int devfn, IrqLine irq14, IrqLine irq15)
{
    IdeController *c = (IdeController *)dev;
    c->pci.bus = bus;
    c->pci.devfn = devfn;
    c->ch[0].irq = irq14;
    c->ch[1].irq = irq15;
}

static const VMField ide_controller_fields[] = {
    VM_STRUCT(IdeController, pci, pci_device_fields), VM_STRUCT_ARRAY(IdeController, ch, 2, ide_channel_fields), VM_END};

static void ide_controller_reset(Device *dev)
{
    IdeController *c = (IdeController *)dev;
    pci_device_reset(&c->pci);
    memset(c->pci.config + PIIX_IDETIM0, 0, 5);
    for (int i = 0; i < 2; i++)
        ide_channel_reset(&c->ch[i]);
}

static void ide_controller_post_load(Device *dev)
{
    IdeController *c = (IdeController *)dev;
    pci_device_post_load(&c->pci);
    for (int i = 0; i < 2; i++)
        ide_channel_post_load(&c->ch[i]);
}

static bool ide_controller_init(Device *dev, GError **errp)
{
    IdeController *c = (IdeController *)dev;

    if (!pci_device_init(&c->pci, 0x8086, 0x7010, 0x0101, 0x80, 0, errp))
        return false;
    memset(c->pci.wmask + PIIX_IDETIM0, 0xff, 5);
    stl16(c->pci.config + PCI_STATUS, 0x0280);
    memory_region_init_io(&c->bm_region, &bm_ops, c, "piix-bmdma", 16);
    pci_register_bar(&c->pci, 4, PCI_BAR_IO, &c->bm_region);
    for (int i = 0; i < 2; i++)
        ide_channel_init(c, i);
    for (int i = 0; i < 4; i++) {
        Drive *drive = drive_get(DRIVE_IDE, i >> 1, i & 1);
        if (drive && !ide_attach(dev, i >> 1, i & 1, drive, drive->cdrom, &(IdeIdentity){0}, errp))
            return false;
    }
    return true;
}

static void ide_controller_finalize(Device *dev)
{
    IdeController *c = (IdeController *)dev;
    if (!c->ch[0].bounce) /* init failed before the channels */
        return;
    for (int i = 0; i < 2; i++)
        ide_channel_finalize(&c->ch[i]);
    pci_device_finalize(&c->pci);
    memory_region_destroy(&c->bm_region);
}

const DeviceClass ide_controller_class = {
    .name = "piix3-ide", .instance_size = sizeof(IdeController), .init = ide_controller_init, .reset = ide_controller_reset,
    .fields = ide_controller_fields, .post_load = ide_controller_post_load, .finalize = ide_controller_finalize,
    .desc = "PIIX3 IDE controller", .bus = "PCI"};
