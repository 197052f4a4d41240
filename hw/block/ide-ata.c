/* ide-ata.c - ATA disk: commands, sectors by PIO and DMA, TRIM, power
 * Spec: ATA/ATAPI-7 volume 1 (T13 1532D); DATA SET MANAGEMENT as in ATA8-ACS-2. Guest view: a fixed disk with
 * LBA48, UDMA5, READ/WRITE MULTIPLE; CHS with 16 heads and 63 sectors. Data goes to the image through block_aio_*.
 * A medium error ends a command at the first bad sector; what is before it has been transferred.
 * Not modelled: security, CFA, queued commands, streaming, microcode (all aborted); SLEEP needs no reset to wake. */
#include "host/base/osdep.h"
#include "hw/block/ide-internal.h"
#include "hw/block/bad-sector.h"
#include "host/base/bitops.h"
#include "host/base/log.h"

enum {
    CMD_NOP = 0x00, CMD_TRIM = 0x06, CMD_READ = 0x20, CMD_READ_NORETRY = 0x21, CMD_READ_EXT = 0x24,
    CMD_READ_DMA_EXT = 0x25, CMD_READ_MAX_EXT = 0x27, CMD_READ_MULTIPLE_EXT = 0x29, CMD_WRITE = 0x30,
    CMD_WRITE_NORETRY = 0x31, CMD_WRITE_EXT = 0x34, CMD_WRITE_DMA_EXT = 0x35, CMD_SET_MAX_EXT = 0x37,
    CMD_WRITE_MULTIPLE_EXT = 0x39, CMD_WRITE_DMA_FUA_EXT = 0x3d, CMD_WRITE_VERIFY = 0x3c, CMD_VERIFY = 0x40,
    CMD_VERIFY_NORETRY = 0x41, CMD_VERIFY_EXT = 0x42, CMD_INIT_PARAMS = 0x91, CMD_STANDBY_NOW_OLD = 0x94,
    CMD_CHECK_POWER_OLD = 0x98, CMD_SLEEP_OLD = 0x99, CMD_SMART = 0xb0, CMD_READ_MULTIPLE = 0xc4,
    CMD_WRITE_MULTIPLE = 0xc5, CMD_SET_MULTIPLE = 0xc6, CMD_READ_DMA = 0xc8, CMD_READ_DMA_NORETRY = 0xc9,
    CMD_WRITE_DMA = 0xca, CMD_WRITE_DMA_NORETRY = 0xcb, CMD_WRITE_MULTIPLE_FUA_EXT = 0xce, CMD_STANDBY_NOW = 0xe0,
    CMD_IDLE_NOW = 0xe1, CMD_STANDBY = 0xe2, CMD_IDLE = 0xe3, CMD_READ_BUFFER = 0xe4, CMD_WRITE_BUFFER = 0xe8,
    CMD_CHECK_POWER = 0xe5, CMD_SLEEP = 0xe6, CMD_FLUSH = 0xe7, CMD_FLUSH_EXT = 0xea, CMD_IDENTIFY = 0xec,
    CMD_SET_FEATURES = 0xef, CMD_READ_MAX = 0xf8, CMD_SET_MAX = 0xf9,
};
enum { MAX_CYLS = 16383 };

static uint32_t get_count(const IdeDrive *d)
{
    uint32_t n = d->lba48 ? d->nsector_hob << 8 | d->nsector : d->nsector;
    return n ? n : d->lba48 ? 65536 : 256;
}

/* ---- transfers ---- */

static int image_error(const IdeDrive *d) { return d->to_disk ? ERR_ABRT : ERR_UNC; }

static void transfer_failed(IdeDrive *d)
{
    ata_set_lba(d, d->lba);
    ide_command_error(d, image_error(d));
}

static void flush_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    d->req = NULL;
    if (ret == -ECANCELED)
        return;
    if (ret < 0)
        ide_command_error(d, ERR_ABRT);
    else
        ide_command_ok(d);
}

void ata_start_flush(IdeDrive *d)
{
    d->phase = PHASE_BUSY;
    d->status = ST_BSY;
    if (d->drive->image)
        d->req = block_aio_flush(d->drive->image, flush_done, d);
    else
        ide_command_ok(d);
}

static void transfer_complete(IdeDrive *d)
{
    ata_set_lba(d, d->lba ? d->lba - 1 : 0);
    d->nsector = 0;
    if (d->to_disk && (d->fua || !d->write_cache))
        ata_start_flush(d);
    else
        ide_command_ok(d);
}

static void pio_read_chunk(IdeDrive *d);
static void pio_write_block(IdeDrive *d, bool interrupt);

/* Offer the next block of what was read. The one with the bad sector in it comes with the error set already. */
static void pio_read_block(IdeDrive *d)
{
    ide_pio_block(d, false, true);
    if (d->buf_end > d->bad_at) {
        ata_set_lba(d, d->lba);
        d->error = ERR_UNC;
        d->status |= ST_ERR;
    }
}

/* A read failed: pass on the blocks before the bad sector, and its own when there is something good in it. */
static void pio_read_failed(IdeDrive *d)
{
    uint32_t good = bad_sector_find(d->drive->image, d->lba * ATA_SECTOR, &d->one_iov, 1, false, ATA_SECTOR) * ATA_SECTOR;

    d->lba += good / ATA_SECTOR;
    d->sectors_left = 0;
    if (!good) {
        transfer_failed(d);
        return;
    }
    memset(d->buf + good, 0, d->req_bytes - good);
    d->bad_at = good;
    d->buf_pos = 0;
    d->buf_len = MIN(ROUND_UP(good, d->block_bytes), d->req_bytes);
    pio_read_block(d);
}

static void pio_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    uint32_t n = d->req_bytes / ATA_SECTOR;

    d->req = NULL;
    if (ret == -ECANCELED)
        return;
    if (ret < 0 && !d->to_disk) {
        pio_read_failed(d);
        return;
    }
    if (ret < 0) {
        d->lba += bad_sector_find(d->drive->image, d->lba * ATA_SECTOR, &d->one_iov, 1, true, ATA_SECTOR);
        transfer_failed(d);
        return;
    }
    d->lba += n;
    d->sectors_left -= MIN(n, d->sectors_left);
    if (!d->to_disk) {
        d->buf_pos = 0;
        d->buf_len = d->req_bytes;
        pio_read_block(d);
    } else if (d->sectors_left) {
        pio_write_block(d, true);
    } else {
        transfer_complete(d);
    }
}

static void pio_request(IdeDrive *d, uint32_t bytes)
{
    BlockImage *img = d->drive->image;
    d->phase = PHASE_BUSY;
    d->status = ST_BSY | ST_DSC;
    d->req_bytes = bytes;
    d->one_iov = (struct iovec){d->buf, bytes};
    if (!img || (d->to_disk && block_read_only(img)))
        transfer_failed(d);
    else if (d->to_disk)
        d->req = block_aio_writev(img, d->lba * ATA_SECTOR, &d->one_iov, 1, pio_done, d);
    else
        d->req = block_aio_readv(img, d->lba * ATA_SECTOR, &d->one_iov, 1, pio_done, d);
}

/* Reads run ahead of the DRQ blocks by up to the whole buffer. */
static void pio_read_chunk(IdeDrive *d) { pio_request(d, MIN(d->sectors_left, IDE_BUF_SIZE / ATA_SECTOR) * ATA_SECTOR); }

/* Ask for the first or next block of a write; the buffer collects as much as it holds. */
static void pio_write_block(IdeDrive *d, bool interrupt)
{
    d->buf_pos = 0;
    d->buf_len = MIN(d->sectors_left, IDE_BUF_SIZE / ATA_SECTOR) * ATA_SECTOR;
    ide_pio_block(d, true, interrupt);
}

void ata_pio_block_done(IdeDrive *d)
{
    if (d->phase == PHASE_PIO_OUT) {
        if (d->command == CMD_WRITE_BUFFER)
            ide_command_ok(d);
        else if (d->buf_pos < d->buf_len)
            ide_pio_block(d, true, true);
        else
            pio_request(d, d->buf_len);
        return;
    }
    if (d->buf_pos < d->buf_len) {
        pio_read_block(d);
    } else if (d->status & ST_ERR) { /* that was the block with the bad sector */
        d->phase = PHASE_IDLE;
    } else if (d->bad_at != IDE_NO_BAD_SECTOR) {
        transfer_failed(d);
    } else if (d->sectors_left) {
        pio_read_chunk(d);
    } else { /* PIO in ends without an interrupt: the last block had one */
        if (d->command != CMD_IDENTIFY && d->command != CMD_SMART && d->command != CMD_READ_BUFFER) {
            ata_set_lba(d, d->lba ? d->lba - 1 : 0);
            d->nsector = 0;
        }
        d->phase = PHASE_IDLE;
        d->status = ST_DRDY | ST_DSC;
    }
}

static void dma_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    IdeChannel *ch = d->ch;

    d->req = NULL;
    if (ret < 0) {
        uint32_t good = ret == -ECANCELED ? 0 : bad_sector_find(d->drive->image, d->lba * ATA_SECTOR, ch->iov, ch->iov_count, d->to_disk, ATA_SECTOR);
        bmdma_unmap(ch, good * ATA_SECTOR);
        d->lba += good;
        if (ret != -ECANCELED)
            transfer_failed(d);
        return;
    }
    bmdma_unmap(ch, d->req_bytes);
    d->lba += d->req_bytes / ATA_SECTOR;
    d->sectors_left -= MIN(d->req_bytes / ATA_SECTOR, d->sectors_left);
    if (d->sectors_left) {
        ata_dma_run(d);
        return;
    }
    bmdma_finish(ch);
    transfer_complete(d);
}

/* ---- DATA SET MANAGEMENT, TRIM ---- */

/* Give the next range back to the host. An entry has 48 bits of address and 16 of count; a count of 0 means none. */
static void trim_next(void *opaque, int ret)
{
    IdeDrive *d = opaque;

    d->req = NULL;
    if (ret == -ECANCELED)
        return;
    for (; ret >= 0 && d->trim_pos + 8 <= d->buf_len; d->trim_pos += 8) {
        uint64_t entry = ldl64(d->buf + d->trim_pos), lba = entry & ((1ull << 48) - 1);
        uint32_t n = entry >> 48;
        if (!n)
            continue;
        if (!d->drive->image || block_read_only(d->drive->image)) {
            ide_command_error(d, ERR_ABRT);
            return;
        }
        if (lba >= d->max_sectors || n > d->max_sectors - lba) {
            ata_set_lba(d, lba);
            ide_command_error(d, ERR_IDNF);
            return;
        }
        uint64_t end = MIN((lba + n) * ATA_SECTOR, block_length(d->drive->image)); /* the last sector may be a part */
        d->trim_pos += 8;
        d->req = block_aio_discard(d->drive->image, lba * ATA_SECTOR, end - lba * ATA_SECTOR, trim_next, d);
        return;
    }
    if (ret < 0)
        ide_command_error(d, ERR_ABRT);
    else
        ide_command_ok(d);
}

/* The ranges are in buf. */
static void trim_run(IdeDrive *d)
{
    IdeChannel *ch = d->ch;
    uint32_t len = MIN(d->sectors_left, TRIM_MAX_BLOCKS) * ATA_SECTOR;

    if (bmdma_copy(ch, d->buf, len, false) < len) {
        log_guest_error("ide: PRD table is too short for %u bytes of ranges\n", len);
        ch->bm.status &= ~BM_ST_ACTIVE;
        return;
    }
    bmdma_finish(ch);
    d->sectors_left = 0;
    d->phase = PHASE_BUSY;
    d->status = ST_BSY;
    d->buf_len = len;
    d->trim_pos = 0;
    trim_next(d, 0);
}

static void trim_command(IdeDrive *d)
{
    unsigned blocks = d->nsector_hob << 8 | d->nsector;

    if (!d->drive->opts.discard_unmap || d->feature != 1 || !blocks || blocks > TRIM_MAX_BLOCKS) {
        ide_command_error(d, ERR_ABRT);
        return;
    }
    d->lba48 = d->to_disk = true;
    d->sectors_left = blocks;
    ata_dma_run(d);
}

/* ---- DMA ---- */

/* The drive has a DMA command; go on as soon as the bus master is started. */
void ata_dma_run(IdeDrive *d)
{
    IdeChannel *ch = d->ch;
    BlockImage *img = d->drive->image;

    d->phase = PHASE_DMA;
    d->status = ST_DRDY | ST_DSC | ST_DRQ;
    if (!bmdma_ready(ch))
        return;
    if (d->command == CMD_TRIM) {
        trim_run(d);
        return;
    }
    if (!img || (d->to_disk && block_read_only(img))) {
        transfer_failed(d);
        return;
    }
    d->req_bytes = bmdma_map(ch, (uint32_t)MIN((uint64_t)d->sectors_left * ATA_SECTOR, IDE_DMA_CHUNK), ATA_SECTOR, !d->to_disk);
    if (!d->req_bytes) { /* the table is shorter than the command: the master stops, the drive waits for ever */
        log_guest_error("ide: PRD table is too short by %u sectors\n", d->sectors_left);
        ch->bm.status &= ~BM_ST_ACTIVE;
        return;
    }
    d->status = ST_BSY | ST_DSC;
    if (d->to_disk)
        d->req = block_aio_writev(img, d->lba * ATA_SECTOR, ch->iov, ch->iov_count, dma_done, d);
    else
        d->req = block_aio_readv(img, d->lba * ATA_SECTOR, ch->iov, ch->iov_count, dma_done, d);
}

/* ---- READ VERIFY ---- */

static void verify_next(IdeDrive *d);

static void verify_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    uint32_t n = d->req_bytes / ATA_SECTOR;

    d->req = NULL;
    if (ret == -ECANCELED)
        return;
    if (ret < 0) {
        d->lba += bad_sector_find(d->drive->image, d->lba * ATA_SECTOR, &d->one_iov, 1, false, ATA_SECTOR);
        transfer_failed(d);
        return;
    }
    d->lba += n;
    d->sectors_left -= MIN(n, d->sectors_left);
    if (d->sectors_left)
        verify_next(d);
    else
        transfer_complete(d);
}

static void verify_next(IdeDrive *d)
{
    if (!d->drive->image) {
        transfer_failed(d);
        return;
    }
    d->phase = PHASE_BUSY;
    d->status = ST_BSY | ST_DSC;
    d->req_bytes = MIN(d->sectors_left, IDE_BUF_SIZE / ATA_SECTOR) * ATA_SECTOR;
    d->one_iov = (struct iovec){d->buf, d->req_bytes};
    d->req = block_aio_readv(d->drive->image, d->lba * ATA_SECTOR, &d->one_iov, 1, verify_done, d);
}

typedef enum XferMode { XFER_PIO, XFER_MULTIPLE, XFER_DMA, XFER_VERIFY } XferMode;

static void start_transfer(IdeDrive *d, XferMode mode, bool to_disk, bool lba48, bool fua)
{
    d->lba48 = lba48;
    d->to_disk = to_disk;
    d->fua = fua;
    d->lba = ata_get_lba(d);
    d->sectors_left = get_count(d);
    if (mode == XFER_MULTIPLE && !d->mult) {
        ide_command_error(d, ERR_ABRT);
        return;
    }
    if (d->lba >= d->max_sectors || d->sectors_left > d->max_sectors - d->lba) {
        ide_command_error(d, ERR_IDNF);
        return;
    }
    d->block_bytes = mode == XFER_MULTIPLE ? d->mult * ATA_SECTOR : ATA_SECTOR;
    d->standby = false;
    switch (mode) {
    case XFER_DMA:
        ata_dma_run(d);
        break;
    case XFER_VERIFY:
        verify_next(d);
        break;
    default:
        if (to_disk)
            pio_write_block(d, false);
        else
            pio_read_chunk(d);
        break;
    }
}

void ata_send_buffer(IdeDrive *d) /* 512 bytes in d->buf */
{
    d->buf_pos = 0;
    d->buf_len = d->block_bytes = ATA_SECTOR;
    d->sectors_left = 0;
    ide_pio_block(d, false, true);
}

/* ---- the rest ---- */

void ata_command(IdeDrive *d, uint8_t cmd)
{
    if (cmd != CMD_SET_MAX && cmd != CMD_SET_MAX_EXT)
        d->native_max_read = false;
    switch (cmd) {
    case CMD_READ_DMA:
    case CMD_READ_DMA_NORETRY:
        start_transfer(d, XFER_DMA, false, false, false);
        break;
    case CMD_READ_DMA_EXT:
        start_transfer(d, XFER_DMA, false, true, false);
        break;
    case CMD_WRITE_DMA:
    case CMD_WRITE_DMA_NORETRY:
        start_transfer(d, XFER_DMA, true, false, false);
        break;
    case CMD_WRITE_DMA_EXT:
    case CMD_WRITE_DMA_FUA_EXT:
        start_transfer(d, XFER_DMA, true, true, cmd == CMD_WRITE_DMA_FUA_EXT);
        break;
    case CMD_READ:
    case CMD_READ_NORETRY:
    case CMD_READ_EXT:
        start_transfer(d, XFER_PIO, false, cmd == CMD_READ_EXT, false);
        break;
    case CMD_WRITE:
    case CMD_WRITE_NORETRY:
    case CMD_WRITE_VERIFY:
    case CMD_WRITE_EXT:
        start_transfer(d, XFER_PIO, true, cmd == CMD_WRITE_EXT, false);
        break;
    case CMD_READ_MULTIPLE:
    case CMD_READ_MULTIPLE_EXT:
        start_transfer(d, XFER_MULTIPLE, false, cmd == CMD_READ_MULTIPLE_EXT, false);
        break;
    case CMD_WRITE_MULTIPLE:
        start_transfer(d, XFER_MULTIPLE, true, false, false);
        break;
    case CMD_WRITE_MULTIPLE_EXT:
    case CMD_WRITE_MULTIPLE_FUA_EXT:
        start_transfer(d, XFER_MULTIPLE, true, true, cmd == CMD_WRITE_MULTIPLE_FUA_EXT);
        break;
    case CMD_VERIFY:
    case CMD_VERIFY_NORETRY:
    case CMD_VERIFY_EXT:
        start_transfer(d, XFER_VERIFY, false, cmd == CMD_VERIFY_EXT, false);
        break;
    case CMD_FLUSH:
    case CMD_FLUSH_EXT:
        ata_start_flush(d);
        break;
    case CMD_IDENTIFY:
        ata_identify(d);
        break;
    case CMD_SET_FEATURES:
        ata_set_features(d);
        break;
    case CMD_SET_MULTIPLE:
        if (d->nsector > IDE_MAX_MULT || (d->nsector & (d->nsector - 1))) {
            ide_command_error(d, ERR_ABRT);
        } else {
            d->mult = d->nsector;
            ide_command_ok(d);
        }
        break;
    case CMD_INIT_PARAMS:
        if (!d->nsector) {
            ide_command_error(d, ERR_ABRT);
        } else {
            d->cur_heads = (d->select & SEL_HEAD) + 1;
            d->cur_secs = d->nsector;
            ide_command_ok(d);
        }
        break;
    case CMD_READ_MAX:
    case CMD_READ_MAX_EXT:
        ata_read_native_max(d, cmd == CMD_READ_MAX_EXT);
        break;
    case CMD_SET_MAX:
    case CMD_SET_MAX_EXT:
        ata_set_max(d, cmd == CMD_SET_MAX_EXT);
        d->native_max_read = false;
        break;
    case CMD_TRIM:
        trim_command(d);
        break;
    case CMD_READ_BUFFER:
        ata_send_buffer(d);
        break;
    case CMD_WRITE_BUFFER:
        d->buf_pos = 0;
        d->buf_len = d->block_bytes = ATA_SECTOR;
        ide_pio_block(d, true, false);
        break;
    case CMD_SMART:
        ata_smart_command(d);
        break;
    case CMD_STANDBY_NOW:
    case CMD_STANDBY:
    case CMD_SLEEP:
    case CMD_STANDBY_NOW_OLD:
    case CMD_STANDBY_NOW_OLD + 2:
    case CMD_SLEEP_OLD:
        d->standby = true;
        ide_command_ok(d);
        break;
    case CMD_IDLE_NOW:
    case CMD_IDLE:
    case CMD_STANDBY_NOW_OLD + 1:
    case CMD_STANDBY_NOW_OLD + 3:
        d->standby = false;
        ide_command_ok(d);
        break;
    case CMD_CHECK_POWER:
    case CMD_CHECK_POWER_OLD:
        d->nsector = d->standby ? 0x00 : 0xff;
        ide_command_ok(d);
        break;
    case 0x10 ... 0x1f: /* RECALIBRATE */
        ide_command_ok(d);
        break;
    case 0x70 ... 0x7f: /* SEEK */
        d->lba48 = false;
        if (ata_get_lba(d) >= d->max_sectors)
            ide_command_error(d, ERR_IDNF);
        else
            ide_command_ok(d);
        break;
    case CMD_NOP:
        ide_command_error(d, ERR_ABRT);
        break;
    default: /* packet, security, CFA and the like: what a plain disk answers */
        log_unimp("ide: command %02x aborted\n", cmd);
        ide_command_error(d, ERR_ABRT);
        break;
    }
}

void ata_media_geometry(IdeDrive *d)
{
    d->sectors = d->drive->image ? (block_length(d->drive->image) + ATA_SECTOR - 1) / ATA_SECTOR : 0; /* a last part counts */
    d->heads = 16;
    d->secs = 63;
    d->cyls = CLAMP(d->sectors / (16 * 63), 1, MAX_CYLS);
}

static bool never(void *opaque) { return false; }
static const DriveOps ata_drive_ops = {NULL, NULL, never, never};

void ata_init_drive(IdeDrive *d)
{
    ata_media_geometry(d);
    d->max_sectors = d->sectors;
    drive_attach(d->drive, &ata_drive_ops, d, d->path);
}
