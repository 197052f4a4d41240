/* ide-ata.c - ATA disk: IDENTIFY, sector commands by PIO and DMA, features, power, SMART
 * Spec: ATA/ATAPI-7 volume 1 (T13 1532D). Guest view: a fixed disk with LBA48, UDMA5, READ/WRITE
 * MULTIPLE; CHS with 16 heads and 63 sectors. Data goes to the image through block_aio_*.
 * Not modelled: security, CFA, queued commands, streaming, host protected area. */
#include "host/base/osdep.h"
#include "hw/block/ide-internal.h"
#include "host/base/bitops.h"
#include "host/base/log.h"

enum {
    CMD_NOP = 0x00, CMD_READ = 0x20, CMD_READ_NORETRY = 0x21, CMD_READ_EXT = 0x24, CMD_READ_DMA_EXT = 0x25,
    CMD_READ_MAX_EXT = 0x27, CMD_READ_MULTIPLE_EXT = 0x29, CMD_WRITE = 0x30, CMD_WRITE_NORETRY = 0x31, CMD_WRITE_EXT = 0x34,
    CMD_WRITE_DMA_EXT = 0x35, CMD_WRITE_MULTIPLE_EXT = 0x39, CMD_WRITE_DMA_FUA_EXT = 0x3d, CMD_VERIFY = 0x40,
    CMD_VERIFY_NORETRY = 0x41, CMD_VERIFY_EXT = 0x42, CMD_INIT_PARAMS = 0x91, CMD_STANDBY_NOW_OLD = 0x94,
    CMD_CHECK_POWER_OLD = 0x98, CMD_SLEEP_OLD = 0x99, CMD_SMART = 0xb0, CMD_READ_MULTIPLE = 0xc4, CMD_WRITE_MULTIPLE = 0xc5,
    CMD_SET_MULTIPLE = 0xc6, CMD_READ_DMA = 0xc8, CMD_READ_DMA_NORETRY = 0xc9, CMD_WRITE_DMA = 0xca,
    CMD_WRITE_DMA_NORETRY = 0xcb, CMD_WRITE_MULTIPLE_FUA_EXT = 0xce, CMD_STANDBY_NOW = 0xe0, CMD_IDLE_NOW = 0xe1,
    CMD_STANDBY = 0xe2, CMD_IDLE = 0xe3, CMD_CHECK_POWER = 0xe5, CMD_SLEEP = 0xe6, CMD_FLUSH = 0xe7, CMD_FLUSH_EXT = 0xea,
    CMD_IDENTIFY = 0xec, CMD_SET_FEATURES = 0xef, CMD_READ_MAX = 0xf8,
};
enum { MAX_CYLS = 16383, LBA28_LIMIT = 1 << 28 };

/* ---- addresses ---- */

static uint64_t get_lba(const IdeDrive *d)
{
    if (d->lba48)
        return (uint64_t)d->lba_high_hob << 40 | (uint64_t)d->lba_mid_hob << 32 | (uint64_t)d->lba_low_hob << 24 |
               d->lba_high << 16 | d->lba_mid << 8 | d->lba_low;
    if (d->select & SEL_LBA)
        return (d->select & SEL_HEAD) << 24 | d->lba_high << 16 | d->lba_mid << 8 | d->lba_low;
    if (!d->lba_low || !d->cur_secs) /* sectors count from 1 */
        return UINT64_MAX;
    return ((uint64_t)(d->lba_high << 8 | d->lba_mid) * d->cur_heads + (d->select & SEL_HEAD)) * d->cur_secs + d->lba_low - 1;
}

static void set_lba(IdeDrive *d, uint64_t lba)
{
    if (!d->lba48 && !(d->select & SEL_LBA)) {
        unsigned per_cyl = d->cur_heads * d->cur_secs;
        if (!per_cyl)
            return;
        uint64_t cyl = lba / per_cyl;
        d->lba_mid = cyl;
        d->lba_high = cyl >> 8;
        d->select = (d->select & ~SEL_HEAD) | ((lba / d->cur_secs % d->cur_heads) & SEL_HEAD);
        d->lba_low = lba % d->cur_secs + 1;
        return;
    }
    d->lba_low = lba;
    d->lba_mid = lba >> 8;
    d->lba_high = lba >> 16;
    if (d->lba48) {
        d->lba_low_hob = lba >> 24;
        d->lba_mid_hob = lba >> 32;
        d->lba_high_hob = lba >> 40;
    } else {
        d->select = (d->select & ~SEL_HEAD) | (lba >> 24 & SEL_HEAD);
    }
}

static uint32_t get_count(const IdeDrive *d)
{
    uint32_t n = d->lba48 ? d->nsector_hob << 8 | d->nsector : d->nsector;
    return n ? n : d->lba48 ? 65536 : 256;
}

/* ---- transfers ---- */

static int image_error(const IdeDrive *d) { return d->to_disk ? ERR_ABRT : ERR_UNC; }

static void transfer_failed(IdeDrive *d)
{
    set_lba(d, d->lba);
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

static void start_flush(IdeDrive *d)
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
    set_lba(d, d->lba ? d->lba - 1 : 0);
    d->nsector = 0;
    if (d->to_disk && (d->fua || !d->write_cache))
        start_flush(d);
    else
        ide_command_ok(d);
}

static void pio_read_chunk(IdeDrive *d);
static void pio_write_block(IdeDrive *d, bool interrupt);

static void pio_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    uint32_t n = d->req_bytes / ATA_SECTOR;

    d->req = NULL;
    if (ret == -ECANCELED)
        return;
    if (ret < 0) {
        transfer_failed(d);
        return;
    }
    d->lba += n;
    d->sectors_left -= MIN(n, d->sectors_left);
    if (!d->to_disk) {
        d->buf_pos = 0;
        d->buf_len = d->req_bytes;
        ide_pio_block(d, false, true);
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
        if (d->buf_pos < d->buf_len)
            ide_pio_block(d, true, true);
        else
            pio_request(d, d->buf_len);
        return;
    }
    if (d->buf_pos < d->buf_len) {
        ide_pio_block(d, false, true);
    } else if (d->sectors_left) {
        pio_read_chunk(d);
    } else { /* PIO in ends without an interrupt: the last block had one */
        if (d->command != CMD_IDENTIFY && d->command != CMD_SMART) {
            set_lba(d, d->lba ? d->lba - 1 : 0);
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
    bmdma_unmap(ch, ret < 0 ? 0 : d->req_bytes);
    if (ret == -ECANCELED)
        return;
    if (ret < 0) {
        transfer_failed(d);
        return;
    }
    d->lba += d->req_bytes / ATA_SECTOR;
    d->sectors_left -= MIN(d->req_bytes / ATA_SECTOR, d->sectors_left);
    if (d->sectors_left) {
        ata_dma_run(d);
        return;
    }
    bmdma_finish(ch);
    transfer_complete(d);
}

/* The drive has a DMA command; go on as soon as the bus master is started. */
void ata_dma_run(IdeDrive *d)
{
    IdeChannel *ch = d->ch;
    BlockImage *img = d->drive->image;

    d->phase = PHASE_DMA;
    d->status = ST_DRDY | ST_DSC | ST_DRQ;
    if (!bmdma_ready(ch))
        return;
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

typedef enum XferMode { XFER_PIO, XFER_MULTIPLE, XFER_DMA, XFER_VERIFY } XferMode;

static void start_transfer(IdeDrive *d, XferMode mode, bool to_disk, bool lba48, bool fua)
{
    d->lba48 = lba48;
    d->to_disk = to_disk;
    d->fua = fua;
    d->lba = get_lba(d);
    d->sectors_left = get_count(d);
    if (mode == XFER_MULTIPLE && !d->mult) {
        ide_command_error(d, ERR_ABRT);
        return;
    }
    if (d->lba >= d->sectors || d->sectors_left > d->sectors - d->lba) {
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
        set_lba(d, d->lba + d->sectors_left - 1);
        d->nsector = 0;
        ide_command_ok(d);
        break;
    default:
        if (to_disk)
            pio_write_block(d, false);
        else
            pio_read_chunk(d);
        break;
    }
}

/* ---- IDENTIFY ---- */

/* ATA strings: two characters per word, the first in the high byte, padded with blanks. */
static void put_string(uint16_t *w, const char *s, unsigned words)
{
    size_t len = strlen(s);
    for (unsigned i = 0; i < words; i++) {
        uint8_t hi = 2 * i < len ? s[2 * i] : ' ', lo = 2 * i + 1 < len ? s[2 * i + 1] : ' ';
        w[i] = hi << 8 | lo;
    }
}

void ide_identify_strings(IdeDrive *d, uint16_t *w)
{
    put_string(w + 10, d->serial, 10);
    put_string(w + 23, "2.5+", 4);
    put_string(w + 27, d->model, 20);
}

static void identify(IdeDrive *d, uint16_t *w)
{
    uint32_t chs = (uint32_t)d->cyls * d->heads * d->secs, lba28 = MIN(d->sectors, LBA28_LIMIT - 1);
    unsigned per_cyl = d->cur_heads * d->cur_secs;
    uint32_t cur_cyls = per_cyl ? MIN(d->sectors / per_cyl, 65535) : 0, cur = cur_cyls * per_cyl;

    w[0] = 0x0040; /* fixed device */
    w[1] = d->cyls;
    w[3] = d->heads;
    w[4] = ATA_SECTOR * d->secs;
    w[5] = ATA_SECTOR;
    w[6] = d->secs;
    ide_identify_strings(d, w);
    w[20] = 3;
    w[21] = 512; /* buffer, in sectors */
    w[22] = 4;
    w[47] = 0x8000 | IDE_MAX_MULT;
    w[48] = 1;                      /* 32-bit data port */
    w[49] = 1 << 11 | 1 << 9 | 1 << 8; /* IORDY, LBA, DMA */
    w[50] = 1 << 14;
    w[51] = w[52] = 0x200;
    w[53] = 7; /* words 54-58, 64-70, 88 are valid */
    w[54] = cur_cyls;
    w[55] = d->cur_heads;
    w[56] = d->cur_secs;
    w[57] = cur ? cur : chs;
    w[58] = (cur ? cur : chs) >> 16;
    w[59] = d->mult ? 0x100 | d->mult : 0;
    w[60] = lba28;
    w[61] = lba28 >> 16;
    w[63] = 0x07 | d->mwdma << 8;
    w[64] = 3; /* PIO 3 and 4 */
    w[65] = w[66] = w[67] = w[68] = 120;
    w[80] = 0xf0; /* ATA-4 to ATA-7 */
    w[81] = 0x16;
    w[82] = 1 << 14 | 1 << 6 | 1 << 5 | 1;        /* NOP, look-ahead, write cache, SMART */
    w[83] = 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10; /* FLUSH EXT, FLUSH, LBA48 */
    w[84] = 1 << 14 | 1 << 6;                      /* FUA */
    w[85] = 1 << 14 | d->look_ahead << 6 | d->write_cache << 5 | d->smart;
    w[86] = 1 << 13 | 1 << 12 | 1 << 10;
    w[87] = 1 << 14 | 1 << 6;
    w[88] = 0x3f | d->udma << 8;
    w[93] = 1 << 14 | 1 << 13 | 1; /* 80-wire cable; device 0 */
    stl64(&w[100], d->sectors);
    w[106] = 1 << 14; /* one logical sector per physical sector */
    /* integrity word: signature, and a checksum that makes all bytes add up to 0 */
    uint8_t sum = 0xa5;
    for (unsigned i = 0; i < 255; i++)
        sum += w[i] + (w[i] >> 8);
    w[255] = (uint8_t)-sum << 8 | 0xa5;
}

static void send_buffer(IdeDrive *d) /* 512 bytes in d->buf */
{
    d->buf_pos = 0;
    d->buf_len = d->block_bytes = ATA_SECTOR;
    d->sectors_left = 0;
    ide_pio_block(d, false, true);
}

/* ---- SMART ---- */

static const uint8_t smart_attributes[][12] = {
    /* id, flags (2), value, worst, raw (6), threshold */
    {0x01, 0x03, 0x00, 100, 100, 0, 0, 0, 0, 0, 0, 6},  {0x03, 0x03, 0x00, 100, 100, 16, 0, 0, 0, 0, 0, 0},
    {0x04, 0x02, 0x00, 100, 100, 100, 0, 0, 0, 0, 0, 20}, {0x05, 0x03, 0x00, 100, 100, 0, 0, 0, 0, 0, 0, 36},
    {0x09, 0x03, 0x00, 100, 100, 1, 0, 0, 0, 0, 0, 0},  {0x0c, 0x03, 0x00, 100, 100, 0, 0, 0, 0, 0, 0, 0},
    {0xbe, 0x03, 0x00, 69, 69, 31, 0, 0, 0, 0, 0, 50},
};

static void checksum(uint8_t *b)
{
    uint8_t sum = 0;
    for (unsigned i = 0; i < 511; i++)
        sum += b[i];
    b[511] = -sum;
}

static void smart_command(IdeDrive *d)
{
    uint8_t *b = d->buf;

    if (d->lba_mid != 0x4f || d->lba_high != 0xc2 || (!d->smart && d->feature != 0xd8)) {
        ide_command_error(d, ERR_ABRT);
        return;
    }
    memset(b, 0, ATA_SECTOR);
    switch (d->feature) {
    case 0xd0: /* READ DATA */
        b[0] = 1;
        for (unsigned i = 0; i < ARRAY_SIZE(smart_attributes); i++)
            memcpy(b + 2 + 12 * i, smart_attributes[i], 11);
        b[362] = 0x02; /* off-line collection completed */
        b[367] = 0x18 | 0x03;
        b[368] = 3;
        b[372] = 2;
        b[373] = 54;
        checksum(b);
        send_buffer(d);
        break;
    case 0xd1: /* READ THRESHOLDS */
        b[0] = 1;
        for (unsigned i = 0; i < ARRAY_SIZE(smart_attributes); i++) {
            b[2 + 12 * i] = smart_attributes[i][0];
            b[3 + 12 * i] = smart_attributes[i][11];
        }
        checksum(b);
        send_buffer(d);
        break;
    case 0xd5: /* READ LOG: directory, error log, self-test log */
        if (d->lba_low > 1 && d->lba_low != 6) {
            ide_command_error(d, ERR_ABRT);
            return;
        }
        b[0] = 1;
        if (d->lba_low == 0)
            b[2] = b[12] = 1;
        else
            checksum(b);
        send_buffer(d);
        break;
    case 0xd8:
        d->smart = true;
        ide_command_ok(d);
        break;
    case 0xd9:
        d->smart = false;
        ide_command_ok(d);
        break;
    case 0xd2: /* attribute autosave, save attributes, off-line test: nothing to do */
    case 0xd3:
    case 0xd4:
    case 0xda: /* RETURN STATUS: the registers still say "passed" */
        ide_command_ok(d);
        break;
    default:
        ide_command_error(d, ERR_ABRT);
        break;
    }
}

/* ---- the rest ---- */

static bool set_transfer_mode(IdeDrive *d, uint8_t mode)
{
    unsigned n = mode & 7;
    switch (mode >> 3) {
    case 0: /* PIO default */
    case 1: /* PIO with flow control */
        if (n > (mode >> 3 ? 4 : 1))
            return false;
        d->mwdma = d->udma = 0;
        return true;
    case 4:
        if (n > 2)
            return false;
        d->mwdma = 1 << n;
        d->udma = 0;
        return true;
    case 8:
        if (n > 5)
            return false;
        d->udma = 1 << n;
        d->mwdma = 0;
        return true;
    default:
        return false;
    }
}

static void set_features(IdeDrive *d)
{
    bool ok = true;
    switch (d->feature) {
    case 0x02:
        d->write_cache = true;
        break;
    case 0x82: /* what is in the cache goes out first */
        d->write_cache = false;
        start_flush(d);
        return;
    case 0x03:
        ok = set_transfer_mode(d, d->nsector);
        break;
    case 0x55:
        d->look_ahead = false;
        break;
    case 0xaa:
        d->look_ahead = true;
        break;
    case 0x05: /* power management and acoustic levels, ECC, retries, defaults at reset: accepted */
    case 0x85:
    case 0x42:
    case 0xc2:
    case 0x66:
    case 0xcc:
    case 0x69:
    case 0x96:
    case 0x67:
        break;
    default:
        ok = false;
        break;
    }
    if (ok)
        ide_command_ok(d);
    else
        ide_command_error(d, ERR_ABRT);
}

static void read_native_max(IdeDrive *d, bool lba48)
{
    d->lba48 = lba48;
    set_lba(d, lba48 ? d->sectors - 1 : MIN(d->sectors, LBA28_LIMIT) - 1);
    ide_command_ok(d);
}

void ata_command(IdeDrive *d, uint8_t cmd)
{
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
        start_flush(d);
        break;
    case CMD_IDENTIFY: {
        uint16_t w[256] = {0};
        identify(d, w);
        memcpy(d->buf, w, sizeof w);
        send_buffer(d);
        break;
    }
    case CMD_SET_FEATURES:
        set_features(d);
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
        read_native_max(d, cmd == CMD_READ_MAX_EXT);
        break;
    case CMD_SMART:
        smart_command(d);
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
    case 0x70 ... 0x7f: /* SEEK */
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
    drive_attach(d->drive, &ata_drive_ops, d, d->path);
}
