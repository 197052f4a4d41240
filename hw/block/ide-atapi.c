/* ide-atapi.c - ATAPI CD/DVD-ROM drive: the PACKET protocol by PIO and DMA, sectors, the tray
 * Spec: ATA/ATAPI-7 volume 2 (PACKET protocol); SPC-3 for sense data. The packet commands are in ide-mmc.c.
 * Guest view: a removable drive with one data track; media change as a unit attention. A medium error ends a command
 * at the first bad sector, whose address is in the sense data; what is before it has been transferred.
 * Not modelled: overlapped commands. */
#include "host/base/osdep.h"
#include "hw/block/ide-internal.h"
#include "hw/block/bad-sector.h"
#include "host/base/bitops.h"
#include "host/base/log.h"

enum { CMD_NOP = 0x00, CMD_DEVICE_RESET = 0x08, CMD_PACKET = 0xa0, CMD_IDENTIFY_PACKET = 0xa1, CMD_STANDBY_NOW = 0xe0,
       CMD_IDLE_NOW = 0xe1, CMD_CHECK_POWER = 0xe5, CMD_SLEEP = 0xe6, CMD_FLUSH = 0xe7, CMD_IDENTIFY = 0xec,
       CMD_SET_FEATURES = 0xef };
enum { ERR_SENSE_SHIFT = 4, PACKET_BYTES = 12, MAX_DATA_OUT = 4096 };
enum { SENSE_NOT_READY = 2, SENSE_MEDIUM = 3, SENSE_ILLEGAL = 5, ASC_READ_ERROR = 0x11, ASC_LBA_RANGE = 0x21, ASC_BAD_FIELD = 0x24,
       ASC_NO_MEDIUM = 0x3a };

bool atapi_has_medium(const IdeDrive *d) { return d->drive->image && !d->tray_open; }

uint32_t atapi_total_sectors(const IdeDrive *d)
{
    uint64_t n = atapi_has_medium(d) ? (block_length(d->drive->image) + CD_SECTOR - 1) / CD_SECTOR : 0;
    return MIN(n, UINT32_MAX);
}

/* ---- ends of a command ---- */

void atapi_ok(IdeDrive *d)
{
    d->sense_key = d->asc = d->ascq = 0;
    d->sense_info_valid = false;
    d->nsector = REASON_IO | REASON_CD;
    ide_command_ok(d);
}

void atapi_error(IdeDrive *d, uint8_t key, uint8_t asc, uint8_t ascq)
{
    d->sense_key = key;
    d->asc = asc;
    d->ascq = ascq;
    d->sense_info_valid = false;
    d->nsector = REASON_IO | REASON_CD;
    ide_command_error(d, key << ERR_SENSE_SHIFT | (key == SENSE_ILLEGAL ? ERR_ABRT : 0));
    d->status = ST_DRDY | ST_ERR;
}

/* d->lba is the first bad sector. */
static void medium_error(IdeDrive *d)
{
    atapi_error(d, SENSE_MEDIUM, ASC_READ_ERROR, 0);
    d->sense_info = d->lba;
    d->sense_info_valid = true;
}

/* ---- data ---- */

/* One DRQ block, either way, of at most byte_limit bytes, its length in the cylinder registers. */
static void next_data_block(IdeDrive *d)
{
    uint32_t n = MIN(d->buf_len - d->buf_pos, d->byte_limit);
    d->block_bytes = n;
    d->nsector = d->atapi_out ? 0 : REASON_IO;
    d->lba_mid = n;
    d->lba_high = n >> 8;
    ide_pio_block(d, d->atapi_out, true);
}

/* Send buf_len bytes of d->buf, and then the sectors that are left. */
static void send_data(IdeDrive *d)
{
    d->buf_pos = 0;
    if (d->atapi_dma)
        atapi_dma_run(d);
    else
        next_data_block(d);
}

void atapi_reply(IdeDrive *d, uint32_t len, uint32_t alloc)
{
    d->buf_len = MIN(MIN(len, alloc), IDE_BUF_SIZE);
    d->sectors_left = 0;
    if (d->buf_len)
        send_data(d);
    else
        atapi_ok(d);
}

/* Ask the host for a parameter list. */
void atapi_request_data(IdeDrive *d, uint32_t len)
{
    if (!len) {
        atapi_ok(d);
        return;
    }
    if (len > MAX_DATA_OUT) {
        atapi_error(d, SENSE_ILLEGAL, ASC_BAD_FIELD, 0);
        return;
    }
    d->atapi_out = true;
    d->buf_len = len;
    d->sectors_left = 0;
    send_data(d);
}

static void read_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    uint32_t n = d->req_bytes / CD_SECTOR;

    d->req = NULL;
    if (ret == -ECANCELED)
        return;
    d->bad_at = IDE_NO_BAD_SECTOR;
    if (ret < 0) {
        n = bad_sector_find(d->drive->image, d->lba * CD_SECTOR, &d->one_iov, 1, false, CD_SECTOR);
        if (!n) {
            medium_error(d);
            return;
        }
        d->bad_at = d->sectors_left = n; /* the good ones, and then the error */
    }
    if (d->cd_layout != CD_USER_DATA) {
        unsigned bytes = cd_sector_bytes(d->cd_layout);
        uint8_t *data = d->buf + IDE_BUF_SIZE - n * CD_SECTOR; /* from the back: what is made may be longer */
        memmove(data, d->buf, n * CD_SECTOR);
        for (uint32_t i = 0; i < n; i++) {
            uint8_t copy[CD_SECTOR];
            memcpy(copy, data + i * CD_SECTOR, CD_SECTOR);
            cd_sector_build(d->buf + i * bytes, copy, d->lba + i, d->cd_layout);
        }
    }
    d->buf_len = n * cd_sector_bytes(d->cd_layout);
    d->lba += n;
    d->sectors_left -= MIN(n, d->sectors_left);
    send_data(d);
}

/* Fill the buffer with the next sectors. */
static void read_chunk(IdeDrive *d)
{
    uint32_t n = MIN(d->sectors_left, IDE_BUF_SIZE / MAX(cd_sector_bytes(d->cd_layout), CD_SECTOR));
    if (!atapi_has_medium(d)) {
        atapi_error(d, SENSE_NOT_READY, ASC_NO_MEDIUM, 0);
        return;
    }
    d->phase = PHASE_BUSY;
    d->status = ST_BSY;
    d->req_bytes = n * CD_SECTOR;
    d->one_iov = (struct iovec){d->buf, d->req_bytes};
    d->req = block_aio_readv(d->drive->image, d->lba * CD_SECTOR, &d->one_iov, 1, read_done, d);
}

static void no_more_data(IdeDrive *d)
{
    if (d->bad_at != IDE_NO_BAD_SECTOR)
        medium_error(d);
    else
        atapi_ok(d);
}

void atapi_pio_block_done(IdeDrive *d)
{
    if (d->command == CMD_IDENTIFY_PACKET) {
        d->phase = PHASE_IDLE;
        d->status = ST_DRDY | ST_DSC;
    } else if (d->phase == PHASE_PIO_OUT && d->atapi_out) {
        if (d->buf_pos < d->buf_len)
            next_data_block(d);
        else
            mmc_data_out(d);
    } else if (d->phase == PHASE_PIO_OUT) {
        memcpy(d->packet, d->buf, PACKET_BYTES);
        mmc_execute(d);
    } else if (d->buf_pos < d->buf_len) {
        next_data_block(d);
    } else if (d->sectors_left) {
        read_chunk(d);
    } else {
        no_more_data(d);
    }
}

static void dma_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;

    d->req = NULL;
    if (ret < 0) {
        uint32_t good = 0;
        if (ret != -ECANCELED)
            good = bad_sector_find(d->drive->image, d->lba * CD_SECTOR, d->ch->iov, d->ch->iov_count, false, CD_SECTOR);
        bmdma_unmap(d->ch, good * CD_SECTOR);
        d->lba += good;
        if (ret != -ECANCELED)
            medium_error(d);
        return;
    }
    bmdma_unmap(d->ch, d->req_bytes);
    d->lba += d->req_bytes / CD_SECTOR;
    d->sectors_left -= MIN(d->req_bytes / CD_SECTOR, d->sectors_left);
    atapi_dma_run(d);
}

void atapi_dma_run(IdeDrive *d)
{
    IdeChannel *ch = d->ch;

    d->phase = PHASE_DMA;
    d->nsector = d->atapi_out ? 0 : REASON_IO;
    d->status = ST_DRDY | ST_DRQ;
    if (!bmdma_ready(ch))
        return;
    if (d->buf_pos < d->buf_len) { /* what is in the buffer first */
        uint32_t n = bmdma_copy(ch, d->buf + d->buf_pos, d->buf_len - d->buf_pos, !d->atapi_out);
        d->buf_pos += n;
        if (d->buf_pos < d->buf_len) {
            ch->bm.status &= ~BM_ST_ACTIVE;
            return;
        }
    }
    if (!d->sectors_left) {
        bmdma_finish(ch);
        if (d->atapi_out)
            mmc_data_out(d);
        else
            no_more_data(d);
        return;
    }
    if (d->cd_layout != CD_USER_DATA) {
        read_chunk(d);
        return;
    }
    if (!atapi_has_medium(d)) {
        atapi_error(d, SENSE_NOT_READY, ASC_NO_MEDIUM, 0);
        return;
    }
    d->req_bytes = bmdma_map(ch, (uint32_t)MIN((uint64_t)d->sectors_left * CD_SECTOR, IDE_DMA_CHUNK), CD_SECTOR, true);
    if (!d->req_bytes) {
        log_guest_error("ide: PRD table is too short by %u CD sectors\n", d->sectors_left);
        ch->bm.status &= ~BM_ST_ACTIVE;
        return;
    }
    d->status = ST_BSY;
    d->req = block_aio_readv(d->drive->image, d->lba * CD_SECTOR, ch->iov, ch->iov_count, dma_done, d);
}

void atapi_start_read(IdeDrive *d, uint32_t lba, uint32_t count, uint8_t layout)
{
    uint32_t total = atapi_total_sectors(d);

    if (!count) {
        atapi_ok(d);
        return;
    }
    if (lba >= total || count > total - lba) {
        atapi_error(d, SENSE_ILLEGAL, ASC_LBA_RANGE, 0);
        return;
    }
    d->lba = lba;
    d->sectors_left = count;
    d->cd_layout = layout;
    d->buf_pos = d->buf_len = 0;
    if (d->atapi_dma)
        atapi_dma_run(d);
    else
        read_chunk(d);
}

/* ---- ATA commands of a packet device ---- */

static void identify_packet(IdeDrive *d)
{
    uint16_t w[256] = {0};
    w[0] = 2 << 14 | 5 << 8 | 1 << 7 | 2 << 5; /* ATAPI, CD-ROM, removable, DRQ within 50 us, 12-byte packets */
    ide_identify_strings(d, w);
    w[48] = 1;
    w[49] = 1 << 11 | 1 << 9 | 1 << 8;
    w[53] = 7;
    w[62] = 7;
    w[63] = 7 | d->mwdma << 8;
    w[64] = 3;
    w[65] = w[66] = w[67] = w[68] = 120;
    w[71] = w[72] = 30;
    w[80] = 0x1e;
    w[82] = w[85] = 1 << 14 | 1 << 9 | 1 << 4 | 1 << 3; /* NOP, DEVICE RESET, PACKET, power management */
    w[83] = w[84] = w[87] = 1 << 14;
    w[88] = 0x3f | d->udma << 8;
    w[93] = ide_identify_cable(d);
    memcpy(d->buf, w, sizeof w);
    d->buf_pos = 0;
    d->buf_len = d->block_bytes = ATA_SECTOR;
    ide_pio_block(d, false, true);
}

void atapi_command(IdeDrive *d, uint8_t cmd)
{
    switch (cmd) {
    case CMD_PACKET:
        if (d->feature & 2) { /* overlapped */
            ide_command_error(d, ERR_ABRT);
            return;
        }
        d->atapi_dma = d->feature & 1;
        d->byte_limit = (d->lba_high << 8 | d->lba_mid) & 0xfffe;
        if (!d->byte_limit)
            d->byte_limit = 0xfffe;
        d->nsector = REASON_CD;
        d->atapi_out = false;
        d->buf_pos = 0;
        d->buf_len = d->block_bytes = PACKET_BYTES;
        ide_pio_block(d, true, false);
        break;
    case CMD_IDENTIFY_PACKET:
        identify_packet(d);
        break;
    case CMD_DEVICE_RESET: /* no interrupt */
        ide_set_signature(d);
        d->error = 1;
        d->status = 0;
        d->phase = PHASE_IDLE;
        break;
    case CMD_SET_FEATURES:
        if (d->feature == 0x03 && !ide_set_transfer_mode(d, d->nsector)) {
            ide_command_error(d, ERR_ABRT);
            return;
        }
        ide_command_ok(d);
        break;
    case CMD_CHECK_POWER:
        d->nsector = 0xff;
        ide_command_ok(d);
        break;
    case CMD_STANDBY_NOW:
    case CMD_STANDBY_NOW + 2:
    case CMD_STANDBY_NOW + 3:
    case CMD_IDLE_NOW:
    case CMD_SLEEP:
    case CMD_FLUSH:
        ide_command_ok(d);
        break;
    case CMD_IDENTIFY: /* aborted, with the signature by which drivers know what they found */
    case 0x20:
        ide_set_signature(d);
        ide_command_error(d, ERR_ABRT);
        break;
    default:
        ide_command_error(d, ERR_ABRT);
        break;
    }
}

/* ---- the host's side of the tray ---- */

static void media_changed(void *opaque, bool loaded)
{
    IdeDrive *d = opaque;
    d->tray_open = !loaded;
    if (loaded) {
        d->ua_pending = d->event_new_media = true;
        d->event_removal = d->event_eject = false;
    } else {
        d->event_removal = true;
        d->ua_pending = d->event_new_media = false;
    }
}

static void eject_request(void *opaque, bool force)
{
    IdeDrive *d = opaque;
    d->event_eject = true;
    if (force)
        d->locked = false;
}

static bool is_tray_open(void *opaque) { return ((IdeDrive *)opaque)->tray_open; }
static bool is_locked(void *opaque) { return ((IdeDrive *)opaque)->locked; }

const DriveOps atapi_drive_ops = {media_changed, eject_request, is_tray_open, is_locked};

void atapi_init_drive(IdeDrive *d) { drive_attach(d->drive, &atapi_drive_ops, d, d->path); }
