/* ide-atapi.c - ATAPI CD/DVD-ROM drive: the PACKET protocol and the MMC commands of a reader
 * Spec: ATA/ATAPI-7 volume 2 (PACKET protocol); MMC-5 (T10/1675D), SPC-3 for sense data.
 * Guest view: a removable drive with one data track; media change as a unit attention.
 * Not modelled: audio play, sub-channel data, writing, DVD structures, overlapped commands. */
#include "host/base/osdep.h"
#include "hw/block/ide-internal.h"
#include "host/base/bitops.h"
#include "host/base/log.h"

enum { CMD_NOP = 0x00, CMD_DEVICE_RESET = 0x08, CMD_PACKET = 0xa0, CMD_IDENTIFY_PACKET = 0xa1, CMD_STANDBY_NOW = 0xe0,
       CMD_IDLE_NOW = 0xe1, CMD_CHECK_POWER = 0xe5, CMD_SLEEP = 0xe6, CMD_FLUSH = 0xe7, CMD_IDENTIFY = 0xec,
       CMD_SET_FEATURES = 0xef };
enum { OP_TEST_UNIT_READY = 0x00, OP_REQUEST_SENSE = 0x03, OP_INQUIRY = 0x12, OP_START_STOP = 0x1b, OP_PREVENT_ALLOW = 0x1e,
       OP_READ_CAPACITY = 0x25, OP_READ10 = 0x28, OP_SEEK = 0x2b, OP_SYNC_CACHE = 0x35, OP_READ_TOC = 0x43,
       OP_GET_CONFIGURATION = 0x46, OP_GET_EVENT = 0x4a, OP_READ_DISC_INFO = 0x51, OP_MODE_SELECT10 = 0x55,
       OP_MODE_SENSE10 = 0x5a, OP_READ12 = 0xa8, OP_SET_SPEED = 0xbb, OP_MECHANISM_STATUS = 0xbd, OP_READ_CD = 0xbe };
enum { SENSE_NONE = 0, SENSE_NOT_READY = 2, SENSE_MEDIUM = 3, SENSE_ILLEGAL = 5, SENSE_ATTENTION = 6 };
enum { ASC_NONE = 0, ASC_READ_ERROR = 0x11, ASC_BAD_OPCODE = 0x20, ASC_LBA_RANGE = 0x21, ASC_BAD_FIELD = 0x24,
       ASC_MEDIUM_CHANGED = 0x28, ASC_NO_MEDIUM = 0x3a, ASC_SAVING = 0x39, ASC_REMOVAL_PREVENTED = 0x53 };
enum { ERR_SENSE_SHIFT = 4, PACKET_BYTES = 12, CD_MAX_SECTORS = 450000, LEADOUT = 0xaa };

static bool has_medium(const IdeDrive *d) { return d->drive->image && !d->tray_open; }

static uint32_t total_sectors(const IdeDrive *d)
{
    uint64_t n = has_medium(d) ? (block_length(d->drive->image) + CD_SECTOR - 1) / CD_SECTOR : 0;
    return MIN(n, UINT32_MAX);
}

/* ---- ends of a command ---- */

static void packet_ok(IdeDrive *d)
{
    d->sense_key = d->asc = d->ascq = 0;
    d->nsector = REASON_IO | REASON_CD;
    ide_command_ok(d);
}

static void packet_error(IdeDrive *d, uint8_t key, uint8_t asc, uint8_t ascq)
{
    d->sense_key = key;
    d->asc = asc;
    d->ascq = ascq;
    d->nsector = REASON_IO | REASON_CD;
    ide_command_error(d, key << ERR_SENSE_SHIFT | (key == SENSE_ILLEGAL ? ERR_ABRT : 0));
    d->status = ST_DRDY | ST_ERR;
}

static void bad_field(IdeDrive *d) { packet_error(d, SENSE_ILLEGAL, ASC_BAD_FIELD, 0); }

/* ---- data to the host ---- */

/* One DRQ block of at most byte_limit bytes, its length in the cylinder registers. */
static void next_data_block(IdeDrive *d)
{
    uint32_t n = MIN(d->buf_len - d->buf_pos, d->byte_limit);
    d->block_bytes = n;
    d->nsector = REASON_IO;
    d->lba_mid = n;
    d->lba_high = n >> 8;
    ide_pio_block(d, false, true);
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

static void reply(IdeDrive *d, uint32_t len, uint32_t alloc)
{
    d->buf_len = MIN(MIN(len, alloc), IDE_BUF_SIZE);
    d->sectors_left = 0;
    if (d->buf_len)
        send_data(d);
    else
        packet_ok(d);
}

/* A raw sector: sync, header with the address in MSF, data, and no error correction codes. */
static void make_raw_sector(uint8_t *out, const uint8_t *data, uint32_t lba)
{
    uint32_t msf = lba + 150;
    memset(out, 0, CD_RAW_SECTOR);
    memset(out + 1, 0xff, 10);
    uint8_t t[3] = {msf / 4500, msf / 75 % 60, msf % 75};
    for (int i = 0; i < 3; i++)
        out[12 + i] = t[i] / 10 << 4 | t[i] % 10;
    out[15] = 1; /* mode 1 */
    memcpy(out + 16, data, CD_SECTOR);
}

static void read_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    uint32_t n = d->req_bytes / CD_SECTOR;

    d->req = NULL;
    if (ret == -ECANCELED)
        return;
    if (ret < 0) {
        packet_error(d, SENSE_MEDIUM, ASC_READ_ERROR, 0);
        return;
    }
    if (d->cd_sector_bytes == CD_RAW_SECTOR)
        for (uint32_t i = n; i-- > 0;) { /* from the last on: the raw form is longer and overwrites what follows */
            uint8_t data[CD_SECTOR];
            memcpy(data, d->buf + i * CD_SECTOR, CD_SECTOR);
            make_raw_sector(d->buf + i * CD_RAW_SECTOR, data, d->lba + i);
        }
    d->buf_len = n * d->cd_sector_bytes;
    d->lba += n;
    d->sectors_left -= MIN(n, d->sectors_left);
    send_data(d);
}

/* Fill the buffer with the next sectors. */
static void read_chunk(IdeDrive *d)
{
    uint32_t n = MIN(d->sectors_left, IDE_BUF_SIZE / d->cd_sector_bytes);
    if (!has_medium(d)) {
        packet_error(d, SENSE_NOT_READY, ASC_NO_MEDIUM, 0);
        return;
    }
    d->phase = PHASE_BUSY;
    d->status = ST_BSY;
    d->req_bytes = n * CD_SECTOR;
    d->one_iov = (struct iovec){d->buf, d->req_bytes};
    d->req = block_aio_readv(d->drive->image, d->lba * CD_SECTOR, &d->one_iov, 1, read_done, d);
}

static void packet_execute(IdeDrive *d);

void atapi_pio_block_done(IdeDrive *d)
{
    if (d->command == CMD_IDENTIFY_PACKET) {
        d->phase = PHASE_IDLE;
        d->status = ST_DRDY | ST_DSC;
    } else if (d->phase == PHASE_PIO_OUT && d->packet[0] == OP_MODE_SELECT10 && d->block_bytes != PACKET_BYTES) {
        packet_ok(d); /* a parameter list: accepted, changes nothing that shows */
    } else if (d->phase == PHASE_PIO_OUT) {
        memcpy(d->packet, d->buf, PACKET_BYTES);
        packet_execute(d);
    } else if (d->buf_pos < d->buf_len) {
        next_data_block(d);
    } else if (d->sectors_left) {
        read_chunk(d);
    } else {
        packet_ok(d);
    }
}

static void dma_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;

    d->req = NULL;
    bmdma_unmap(d->ch, ret < 0 ? 0 : d->req_bytes);
    if (ret == -ECANCELED)
        return;
    if (ret < 0) {
        packet_error(d, SENSE_MEDIUM, ASC_READ_ERROR, 0);
        return;
    }
    d->lba += d->req_bytes / CD_SECTOR;
    d->sectors_left -= MIN(d->req_bytes / CD_SECTOR, d->sectors_left);
    atapi_dma_run(d);
}

void atapi_dma_run(IdeDrive *d)
{
    IdeChannel *ch = d->ch;

    d->phase = PHASE_DMA;
    d->nsector = REASON_IO;
    d->status = ST_DRDY | ST_DRQ;
    if (!bmdma_ready(ch))
        return;
    if (d->buf_pos < d->buf_len) { /* what is in the buffer first */
        uint32_t n = bmdma_copy(ch, d->buf + d->buf_pos, d->buf_len - d->buf_pos, true);
        d->buf_pos += n;
        if (d->buf_pos < d->buf_len) {
            ch->bm.status &= ~BM_ST_ACTIVE;
            return;
        }
    }
    if (!d->sectors_left) {
        bmdma_finish(ch);
        packet_ok(d);
        return;
    }
    if (d->cd_sector_bytes != CD_SECTOR) {
        read_chunk(d);
        return;
    }
    if (!has_medium(d)) {
        packet_error(d, SENSE_NOT_READY, ASC_NO_MEDIUM, 0);
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

static void start_read(IdeDrive *d, uint32_t lba, uint32_t count, uint32_t sector_bytes)
{
    uint32_t total = total_sectors(d);

    if (!count) {
        packet_ok(d);
        return;
    }
    if (lba >= total || count > total - lba) {
        packet_error(d, SENSE_ILLEGAL, ASC_LBA_RANGE, 0);
        return;
    }
    d->lba = lba;
    d->sectors_left = count;
    d->cd_sector_bytes = sector_bytes;
    d->buf_pos = d->buf_len = 0;
    if (d->atapi_dma)
        atapi_dma_run(d);
    else
        read_chunk(d);
}

/* ---- packet commands ---- */

static void op_request_sense(IdeDrive *d, const uint8_t *p)
{
    uint8_t *b = d->buf;
    uint8_t key = d->sense_key, asc = d->asc, ascq = d->ascq;

    if (!key && d->ua_pending) {
        key = SENSE_ATTENTION;
        asc = ASC_MEDIUM_CHANGED;
        d->ua_pending = false;
    }
    memset(b, 0, 18);
    b[0] = 0xf0;
    b[2] = key;
    b[7] = 10;
    b[12] = asc;
    b[13] = ascq;
    d->sense_key = d->asc = d->ascq = 0;
    reply(d, 18, p[4]);
}

static void pad_string(uint8_t *b, const char *s, unsigned n)
{
    size_t len = strlen(s);
    memset(b, ' ', n);
    memcpy(b, s, MIN(len, n));
}

static void op_inquiry(IdeDrive *d, const uint8_t *p)
{
    uint8_t *b = d->buf;
    if (p[1] & 1) { /* vital product data: the list of pages, which has the list only */
        if (p[2]) {
            bad_field(d);
            return;
        }
        memset(b, 0, 5);
        b[0] = 5;
        b[3] = 1;
        reply(d, 5, ldb16(p + 3));
        return;
    }
    memset(b, 0, 36);
    b[0] = 5;    /* CD-ROM */
    b[1] = 0x80; /* removable */
    b[3] = 0x21; /* ATAPI, response format 1 */
    b[4] = 31;
    pad_string(b + 8, "QEMU", 8);
    pad_string(b + 16, d->model, 16);
    pad_string(b + 32, "2.5+", 4);
    reply(d, 36, ldb16(p + 3));
}

static void op_start_stop(IdeDrive *d, const uint8_t *p)
{
    bool start = p[4] & 1, loej = p[4] & 2;

    if (p[4] & 0xf0 || !loej) { /* power conditions and spinning: nothing to show */
        packet_ok(d);
        return;
    }
    if (!start && d->locked && !d->tray_open) {
        packet_error(d, d->drive->image ? SENSE_ILLEGAL : SENSE_NOT_READY, ASC_REMOVAL_PREVENTED, 2);
        return;
    }
    if (start && d->tray_open && d->drive->image)
        d->ua_pending = d->event_new_media = true;
    d->tray_open = !start;
    packet_ok(d);
}

static void op_read_capacity(IdeDrive *d)
{
    stb32(d->buf, total_sectors(d) - 1);
    stb32(d->buf + 4, CD_SECTOR);
    reply(d, 8, 8);
}

static void put_address(uint8_t *b, uint32_t lba, bool msf)
{
    if (msf) {
        lba += 150;
        b[0] = 0;
        b[1] = MIN(lba / 4500, 255);
        b[2] = lba / 75 % 60;
        b[3] = lba % 75;
    } else {
        stb32(b, lba);
    }
}

static void op_read_toc(IdeDrive *d, const uint8_t *p)
{
    bool msf = p[1] & 2;
    unsigned format = p[2] & 0x0f ? p[2] & 0x0f : p[9] >> 6, start = p[6], n = 4;
    uint8_t *b = d->buf;

    memset(b, 0, 64);
    b[2] = b[3] = 1; /* first and last track or session */
    switch (format) {
    case 0: /* tracks from `start` on: one data track and the lead-out */
        if (start > 1 && start != LEADOUT) {
            bad_field(d);
            return;
        }
        if (start <= 1) {
            b[n + 1] = 0x14;
            b[n + 2] = 1;
            put_address(b + n + 4, 0, msf);
            n += 8;
        }
        b[n + 1] = 0x16;
        b[n + 2] = LEADOUT;
        put_address(b + n + 4, total_sectors(d), msf);
        n += 8;
        break;
    case 1: /* first track of the last session */
        b[n + 1] = 0x14;
        b[n + 2] = 1;
        put_address(b + n + 4, 0, msf);
        n += 8;
        break;
    case 2: { /* raw: points a0, a1, a2 and track 1, times in MSF */
        static const uint8_t points[4] = {0xa0, 0xa1, 0xa2, 1};
        for (int i = 0; i < 4; i++, n += 11) {
            b[n] = 1;
            b[n + 1] = 0x14;
            b[n + 3] = points[i];
            if (points[i] == 0xa2)
                put_address(b + n + 7, total_sectors(d), true);
            else if (points[i] == 1)
                put_address(b + n + 7, 0, true);
            else
                b[n + 8] = 1;
        }
        break;
    }
    default:
        bad_field(d);
        return;
    }
    stb16(b, n - 2);
    reply(d, n, ldb16(p + 7));
}

static void op_get_configuration(IdeDrive *d, const uint8_t *p)
{
    uint8_t *b = d->buf;
    unsigned rt = p[1] & 3, first = ldb16(p + 2), n = 8;
    bool dvd = total_sectors(d) > CD_MAX_SECTORS;

    memset(b, 0, 64);
    if (has_medium(d))
        stb16(b + 6, dvd ? 0x10 : 0x08); /* current profile */
    if (first == 0) { /* profile list */
        b[n + 2] = 0x03;
        b[n + 3] = 8;
        stb16(b + n + 4, 0x10);
        b[n + 6] = has_medium(d) && dvd;
        stb16(b + n + 8, 0x08);
        b[n + 10] = has_medium(d) && !dvd;
        n += 12;
    }
    if (rt == 2 ? first == 1 : first <= 1) { /* core: ATAPI */
        stb16(b + n, 1);
        b[n + 2] = 0x0b;
        b[n + 3] = 8;
        stb32(b + n + 4, 2);
        b[n + 8] = 1;
        n += 12;
    }
    if (rt == 2 ? first == 3 : first <= 3) { /* removable: tray, eject, lock */
        stb16(b + n, 3);
        b[n + 2] = 0x03;
        b[n + 3] = 4;
        b[n + 4] = 0x29;
        n += 8;
    }
    stb32(b, n - 4);
    reply(d, n, ldb16(p + 7));
}

static void op_get_event(IdeDrive *d, const uint8_t *p)
{
    uint8_t *b = d->buf;
    unsigned alloc = ldb16(p + 7), n = 4;

    if (!(p[1] & 1)) { /* asynchronous: not offered */
        bad_field(d);
        return;
    }
    memset(b, 0, 8);
    b[3] = 0x10; /* supported: media class */
    if (p[4] & 0x10) {
        b[2] = 4;
        b[4] = d->event_eject ? 1 : d->event_new_media ? 2 : d->event_removal ? 3 : 0;
        b[5] = d->tray_open | has_medium(d) << 1;
        if (alloc > 4) {
            if (d->event_eject)
                d->event_eject = false;
            else if (d->event_new_media)
                d->event_new_media = false;
            else
                d->event_removal = false;
        }
        n = 8;
    } else {
        b[2] = 0x80; /* no event available */
    }
    stb16(b, n - 2);
    reply(d, n, alloc);
}

static void op_mode_sense(IdeDrive *d, const uint8_t *p)
{
    uint8_t *b = d->buf;
    unsigned page = p[2] & 0x3f, n = 8;
    bool changeable = p[2] >> 6 == 1;

    if (p[2] >> 6 == 3) {
        packet_error(d, SENSE_ILLEGAL, ASC_SAVING, 0);
        return;
    }
    memset(b, 0, 128);
    if (page == 0x01 || page == 0x3f) { /* read error recovery */
        b[n] = 0x01;
        b[n + 1] = 6;
        b[n + 3] = changeable ? 0 : 5;
        n += 8;
    }
    if (page == 0x0e || page == 0x3f) { /* audio control */
        b[n] = 0x0e;
        b[n + 1] = 14;
        if (!changeable) {
            b[n + 2] = 4;
            b[n + 8] = 1;
            b[n + 9] = 0xff;
            b[n + 10] = 2;
            b[n + 11] = 0xff;
        }
        n += 16;
    }
    if (page == 0x2a || page == 0x3f) { /* capabilities and mechanical status */
        b[n] = 0x2a;
        b[n + 1] = 18;
        if (!changeable) {
            b[n + 2] = 0x3b; /* reads CD-R, CD-RW, method 2, DVD-ROM, DVD-R */
            b[n + 4] = 0x70; /* mode 2 forms 1 and 2, multi-session */
            b[n + 5] = 0x03; /* CD-DA by READ CD, accurate */
            b[n + 6] = 0x29 | d->locked << 1; /* tray, eject, lock */
            stb16(b + n + 8, 706);
            stb16(b + n + 10, 2);
            stb16(b + n + 12, 512);
            stb16(b + n + 14, 706);
        }
        n += 20;
    }
    if (n == 8) {
        bad_field(d);
        return;
    }
    stb16(b, n - 2);
    b[2] = has_medium(d) ? 0x01 : 0x70;
    reply(d, n, ldb16(p + 7));
}

static void op_mode_select(IdeDrive *d, const uint8_t *p)
{
    uint32_t len = ldb16(p + 7);

    if (!len) {
        packet_ok(d);
        return;
    }
    if (len == PACKET_BYTES || len > 1024 || d->atapi_dma) { /* no page has these lengths */
        bad_field(d);
        return;
    }
    d->buf_pos = 0;
    d->buf_len = d->block_bytes = len;
    d->nsector = 0;
    d->lba_mid = len;
    d->lba_high = len >> 8;
    ide_pio_block(d, true, true);
}

static void op_read_cd(IdeDrive *d, const uint8_t *p)
{
    uint32_t count = p[6] << 16 | p[7] << 8 | p[8];

    switch (p[9] & 0xf8) {
    case 0x00: /* nothing asked for */
        packet_ok(d);
        break;
    case 0x10:
        start_read(d, ldb32(p + 2), count, CD_SECTOR);
        break;
    case 0xf8:
        start_read(d, ldb32(p + 2), count, CD_RAW_SECTOR);
        break;
    default:
        bad_field(d);
        break;
    }
}

static void op_disc_info(IdeDrive *d, const uint8_t *p)
{
    uint8_t *b = d->buf;
    if (p[1] & 7) {
        bad_field(d);
        return;
    }
    memset(b, 0, 34);
    b[1] = 32;
    b[2] = 0x0e; /* complete, last session complete */
    b[3] = b[4] = b[5] = b[6] = 1;
    b[7] = 0x20; /* unrestricted use */
    memset(b + 16, 0xff, 8);
    reply(d, 34, ldb16(p + 7));
}

static void op_mechanism_status(IdeDrive *d, const uint8_t *p)
{
    memset(d->buf, 0, 8);
    d->buf[1] = d->tray_open << 4;
    d->buf[5] = 1;
    reply(d, 8, ldb16(p + 8));
}

/* Which commands need a medium, and which go through while a unit attention is pending (SPC-3 5.6.1). */
static const struct { uint8_t op; bool medium, despite_attention; } op_rules[] = {
    {OP_TEST_UNIT_READY, true, false}, {OP_REQUEST_SENSE, false, true}, {OP_INQUIRY, false, true},
    {OP_START_STOP, false, false}, {OP_PREVENT_ALLOW, false, false}, {OP_READ_CAPACITY, true, false},
    {OP_READ10, true, false}, {OP_SEEK, true, false}, {OP_SYNC_CACHE, false, false}, {OP_READ_TOC, true, false},
    {OP_GET_CONFIGURATION, false, true}, {OP_GET_EVENT, false, true}, {OP_READ_DISC_INFO, true, false},
    {OP_MODE_SELECT10, false, false}, {OP_MODE_SENSE10, false, false}, {OP_READ12, true, false},
    {OP_SET_SPEED, false, false}, {OP_MECHANISM_STATUS, false, false}, {OP_READ_CD, true, false}};

static void packet_execute(IdeDrive *d)
{
    const uint8_t *p = d->packet;
    size_t rule = 0;

    while (rule < ARRAY_SIZE(op_rules) && op_rules[rule].op != p[0])
        rule++;
    d->status = ST_BSY;
    if (rule == ARRAY_SIZE(op_rules)) {
        log_unimp("ide: packet command %02x refused\n", p[0]);
        packet_error(d, SENSE_ILLEGAL, ASC_BAD_OPCODE, 0);
        return;
    }
    if (d->ua_pending && !op_rules[rule].despite_attention) {
        d->ua_pending = false;
        packet_error(d, SENSE_ATTENTION, ASC_MEDIUM_CHANGED, 0);
        return;
    }
    if (op_rules[rule].medium && !has_medium(d)) {
        packet_error(d, SENSE_NOT_READY, ASC_NO_MEDIUM, d->tray_open ? 2 : 1);
        return;
    }
    switch (p[0]) {
    case OP_REQUEST_SENSE:
        op_request_sense(d, p);
        break;
    case OP_INQUIRY:
        op_inquiry(d, p);
        break;
    case OP_START_STOP:
        op_start_stop(d, p);
        break;
    case OP_PREVENT_ALLOW:
        d->locked = p[4] & 1;
        packet_ok(d);
        break;
    case OP_READ_CAPACITY:
        op_read_capacity(d);
        break;
    case OP_READ10:
        start_read(d, ldb32(p + 2), ldb16(p + 7), CD_SECTOR);
        break;
    case OP_READ12:
        start_read(d, ldb32(p + 2), ldb32(p + 6), CD_SECTOR);
        break;
    case OP_READ_CD:
        op_read_cd(d, p);
        break;
    case OP_SEEK:
        if (ldb32(p + 2) >= total_sectors(d))
            packet_error(d, SENSE_ILLEGAL, ASC_LBA_RANGE, 0);
        else
            packet_ok(d);
        break;
    case OP_READ_TOC:
        op_read_toc(d, p);
        break;
    case OP_GET_CONFIGURATION:
        op_get_configuration(d, p);
        break;
    case OP_GET_EVENT:
        op_get_event(d, p);
        break;
    case OP_READ_DISC_INFO:
        op_disc_info(d, p);
        break;
    case OP_MODE_SENSE10:
        op_mode_sense(d, p);
        break;
    case OP_MODE_SELECT10:
        op_mode_select(d, p);
        break;
    case OP_MECHANISM_STATUS:
        op_mechanism_status(d, p);
        break;
    default: /* TEST UNIT READY, SYNCHRONIZE CACHE, SET CD SPEED */
        packet_ok(d);
        break;
    }
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
    w[82] = w[85] = 1 << 14 | 1 << 9 | 1 << 4; /* NOP, DEVICE RESET, PACKET */
    w[83] = w[84] = w[87] = 1 << 14;
    w[88] = 0x3f | d->udma << 8;
    w[93] = 1 << 14 | 1 << 13 | 1;
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
        if (d->feature == 0x03 && d->nsector >> 3 == 4 && (d->nsector & 7) <= 2) {
            d->mwdma = 1 << (d->nsector & 7);
            d->udma = 0;
        } else if (d->feature == 0x03 && d->nsector >> 3 == 8 && (d->nsector & 7) <= 5) {
            d->udma = 1 << (d->nsector & 7);
            d->mwdma = 0;
        }
        ide_command_ok(d);
        break;
    case CMD_CHECK_POWER:
        d->nsector = 0xff;
        ide_command_ok(d);
        break;
    case CMD_STANDBY_NOW:
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
