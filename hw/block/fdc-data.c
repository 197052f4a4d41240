/* fdc-data.c - the floppy controller's data commands: sectors between image and DMA or FIFO
 * Spec: Intel 82077AA data sheet (290166), section 5. A transfer reads or writes all its sectors in one
 * request to the image; a scan compares sector by sector as the data come. Not modelled: see fdc.c. */
#include "host/base/osdep.h"
#include "hw/block/fdc-internal.h"
#include "hw/block/bad-sector.h"
#include "host/base/log.h"

static void end_transfer(FdcState *s, uint8_t st0, uint8_t st1, uint8_t st2)
{
    if (s->dma)
        i8237_release_dreq(s->dma, FDC_DMA_CHANNEL);
    s->st0 = st0 | s->unit | (s->h ? ST0_HEAD : 0);
    FDC_RESULT_BYTES(s, s->st0, st1, st2, s->c, s->h, s->r, 2);
    s->buf_len = s->buf_pos = 0;
    fdc_raise_irq(s);
}

/* Move the result's address on by n sectors (data sheet table 5-7). */
static void advance(FdcState *s, unsigned n)
{
    while (n--) {
        if (s->r != s->eot) {
            s->r++;
        } else if (s->multi_track && !s->h) {
            s->r = 1;
            s->h = 1;
        } else {
            s->r = 1;
            s->c++;
            if (s->multi_track)
                s->h = 0;
        }
    }
}

static unsigned opcode(const FdcState *s) { return s->cmd[0] & 0x1f; }
static bool is_scan(const FdcState *s)
{
    return opcode(s) == CMD_SCAN_EQUAL || opcode(s) == CMD_SCAN_LOW || opcode(s) == CMD_SCAN_HIGH;
}

static void finish_data(FdcState *s)
{
    FdcDrive *d = fdc_unit_drive(s);
    /* Running out of sectors before terminal count is abnormal: without DMA always. */
    bool normal = s->terminal_count || is_scan(s);
    uint8_t st1 = ST1_END_OF_TRACK, st2 = 0;

    if (opcode(s) == CMD_READ_DELETED) { /* no sector has the mark: the first one ends it */
        normal = true;
        st2 = ST2_CONTROL_MARK;
    } else if (is_scan(s)) {
        st2 = s->scan_hit ? s->scan_hit & ~1 : ST2_NOT_SATISFIED;
    } else if (!s->formatting) {
        advance(s, (s->buf_pos + FDC_SECTOR - 1) / FDC_SECTOR);
    }
    if (!normal && s->bad_sector) {
        st1 = ST1_DATA_ERROR;
        st2 = ST2_DATA_ERROR;
    } else if (!normal && d && s->r > d->spt) { /* told to go on beyond the track's last sector */
        st1 = ST1_NO_DATA;
    }
    end_transfer(s, normal ? 0 : ST0_ABNORMAL, normal ? 0 : st1, st2);
}

/* ---- data phase ---- */

static void write_done(void *opaque, int ret)
{
    FdcState *s = opaque;
    s->req = NULL;
    if (ret == -ECANCELED)
        return;
    if (ret < 0)
        end_transfer(s, ST0_ABNORMAL, ST1_DATA_ERROR, ST2_DATA_ERROR);
    else
        finish_data(s);
}

static uint64_t image_offset(const FdcDrive *d, uint8_t c, uint8_t h, uint8_t r)
{
    return (((uint64_t)c * d->heads + h) * d->spt + r - 1) * FDC_SECTOR;
}

/* A scan has the data for one more sector: is the condition met? The host's bytes are compared in their order; FFh on
 * either side suits any byte. False: go on. */
static bool scan_sector(FdcState *s)
{
    FdcDrive *d = fdc_unit_drive(s);
    uint8_t sector[FDC_SECTOR];
    const uint8_t *host = s->buf + s->buf_pos - FDC_SECTOR;
    int diff = 0;

    if (!fdc_medium(d) || block_pread(d->drive->image, image_offset(d, s->c, s->h, s->r), sector, sizeof sector) < 0) {
        end_transfer(s, ST0_ABNORMAL, ST1_DATA_ERROR, ST2_DATA_ERROR);
        return true;
    }
    for (unsigned i = 0; i < FDC_SECTOR && !diff; i++)
        if (sector[i] != 0xff && host[i] != 0xff)
            diff = sector[i] - host[i];
    if (!diff)
        s->scan_hit = ST2_EQUAL | 1;
    else if (opcode(s) == CMD_SCAN_LOW ? diff < 0 : opcode(s) == CMD_SCAN_HIGH && diff > 0)
        s->scan_hit = 1;
    if (s->scan_hit || s->buf_pos >= s->buf_len || s->terminal_count) {
        fdc_data_complete(s);
        return true;
    }
    unsigned step = (s->cmd[8] & 3) == 2 ? 2 : 1; /* every sector, or every other */
    s->r += step;
    return false;
}

bool fdc_scan_byte_in(FdcState *s) { return is_scan(s) && s->buf_pos % FDC_SECTOR == 0 && scan_sector(s); }

/* All data of a write or format are here: put them into the image. */
static void start_write(FdcState *s)
{
    FdcDrive *d = fdc_unit_drive(s);
    BlockImage *img = fdc_medium(d);
    uint32_t len = ROUND_UP(s->buf_pos, FDC_SECTOR);

    s->phase = FDC_BUSY;
    if (!img || block_read_only(img)) {
        end_transfer(s, ST0_ABNORMAL, ST1_NOT_WRITABLE, 0);
        return;
    }
    if (s->formatting) { /* the ID fields came; every sector of the track gets the filler */
        len = d->spt * FDC_SECTOR;
        memset(s->buf, s->cmd[5], len);
        s->r = 1;
    } else {
        memset(s->buf + s->buf_pos, 0, len - s->buf_pos); /* terminal count in mid-sector: the rest is zeros */
    }
    s->iov = (struct iovec){s->buf, len};
    s->req = block_aio_writev(img, image_offset(d, s->c, s->h, s->r), &s->iov, 1, write_done, s);
}

void fdc_data_complete(FdcState *s)
{
    if (s->dma)
        i8237_release_dreq(s->dma, FDC_DMA_CHANNEL);
    if (s->writing && !is_scan(s))
        start_write(s);
    else
        finish_data(s);
}

int fdc_dma_handler(void *opaque, int nchan, int pos, int len)
{
    FdcState *s = opaque;
    int n = MIN((int)(s->buf_len - s->buf_pos), len - pos);

    if ((s->phase != FDC_READ_DATA && s->phase != FDC_WRITE_DATA) || fdc_non_dma(s) || n < 0)
        return pos;
    if (is_scan(s)) {
        while (n > 0) {
            int part = MIN(n, (int)(FDC_SECTOR - s->buf_pos % FDC_SECTOR));
            i8237_read_memory(s->dma, nchan, s->buf + s->buf_pos, pos, part);
            s->buf_pos += part;
            pos += part;
            n -= part;
            s->terminal_count = pos >= len;
            if (fdc_scan_byte_in(s))
                return pos;
        }
        if (s->terminal_count) /* in mid-sector */
            fdc_data_complete(s);
        return pos;
    }
    if (s->phase == FDC_READ_DATA)
        i8237_write_memory(s->dma, nchan, s->buf + s->buf_pos, pos, n);
    else
        i8237_read_memory(s->dma, nchan, s->buf + s->buf_pos, pos, n);
    s->buf_pos += n;
    pos += n;
    s->terminal_count = pos >= len;
    if (s->terminal_count || s->buf_pos >= s->buf_len)
        fdc_data_complete(s);
    return pos;
}

static void start_data(FdcState *s)
{
    s->phase = s->writing ? FDC_WRITE_DATA : FDC_READ_DATA;
    s->buf_pos = 0;
    if (fdc_non_dma(s))
        fdc_raise_irq(s);
    else
        i8237_hold_dreq(s->dma, FDC_DMA_CHANNEL);
}

static void read_done(void *opaque, int ret)
{
    FdcState *s = opaque;
    s->req = NULL;
    if (ret == -ECANCELED)
        return;
    if (ret < 0) { /* what is before the bad sector is passed on */
        FdcDrive *d = fdc_unit_drive(s);
        uint32_t good = bad_sector_find(fdc_medium(d), image_offset(d, s->c, s->h, s->r), &s->iov, 1, false, FDC_SECTOR);
        s->bad_sector = true;
        s->buf_len = good * FDC_SECTOR;
        if (good && opcode(s) != CMD_VERIFY) {
            start_data(s);
        } else {
            s->buf_pos = s->buf_len;
            finish_data(s);
        }
    } else if (opcode(s) == CMD_VERIFY) {
        s->terminal_count = true;
        s->buf_pos = s->buf_len;
        finish_data(s);
    } else {
        start_data(s);
    }
}

/* Is there a track under the head that this data rate reads? Reports the failure. */
static bool check_track(FdcState *s)
{
    FdcDrive *d = fdc_unit_drive(s);
    uint8_t rate = s->ccr & 3;

    if (!fdc_medium(d) || !(s->dor & DOR_MOTOR0 << s->unit)) {
        end_transfer(s, ST0_ABNORMAL, ST1_NO_ADDRESS, 0);
        return false;
    }
    if (rate != d->rate && !(d->rate == 2 && rate == 1)) {
        end_transfer(s, ST0_ABNORMAL, ST1_NO_ADDRESS, 0);
        return false;
    }
    return true;
}

void fdc_transfer(FdcState *s)
{
    FdcDrive *d = fdc_unit_drive(s);
    unsigned op = opcode(s), count, first;
    bool scan = is_scan(s);

    s->c = s->cmd[2];
    s->h = s->cmd[3];
    s->r = s->cmd[4];
    s->eot = s->cmd[6];
    s->multi_track = (s->cmd[0] & BIT_MT) && op != CMD_READ_TRACK;
    s->writing = op == CMD_WRITE || op == CMD_WRITE_DELETED || scan; /* a scan takes data too */
    s->formatting = s->terminal_count = s->bad_sector = false;
    s->scan_hit = 0;
    if (op == CMD_READ_TRACK)
        s->r = 1;
    if (!check_track(s))
        return;
    if (s->cmd[5] != 2 || s->c >= d->tracks || s->h >= d->heads || !s->r || s->r > d->spt || s->eot < s->r) {
        end_transfer(s, ST0_ABNORMAL, ST1_NO_DATA, 0);
        return;
    }
    if (s->config & CONFIG_IMPLIED_SEEK) {
        d->track = s->c;
    } else if (d->track != s->c && (d->tracks > 42 || d->track != 2 * s->c)) { /* 40 tracks may be double steps apart */
        end_transfer(s, ST0_ABNORMAL, ST1_NO_DATA, ST2_WRONG_CYLINDER);
        return;
    }
    if (op == CMD_READ_DELETED && (s->cmd[0] & BIT_SKIP)) { /* all sectors are skipped */
        end_transfer(s, 0, 0, ST2_CONTROL_MARK);
        return;
    }
    first = s->r;
    count = MIN(s->eot, d->spt) - first + 1;
    /* With MT the second side follows; its sectors lie right behind in the image only after a full track. */
    if (s->multi_track && !s->h && d->heads == 2 && s->eot >= d->spt)
        count += d->spt;
    if (op == CMD_READ_DELETED)
        count = 1;
    if (op == CMD_VERIFY && (s->cmd[1] & BIT_COUNT) && s->cmd[8])
        count = MIN(count, s->cmd[8]);
    if (scan) /* on this side; with a step of 2 half of them */
        count = (s->cmd[8] & 3) == 2 ? (MIN(s->eot, d->spt) - first) / 2 + 1 : MIN(s->eot, d->spt) - first + 1u;
    s->buf_len = MIN(count * FDC_SECTOR, (unsigned)FDC_BUF);
    s->buf_pos = 0;
    if (s->writing) {
        if (!scan && block_read_only(fdc_medium(d)))
            end_transfer(s, ST0_ABNORMAL, ST1_NOT_WRITABLE, 0);
        else
            start_data(s);
        return;
    }
    s->phase = FDC_BUSY;
    s->iov = (struct iovec){s->buf, s->buf_len};
    s->req = block_aio_readv(fdc_medium(d), image_offset(d, s->c, s->h, s->r), &s->iov, 1, read_done, s);
}

void fdc_format(FdcState *s)
{
    FdcDrive *d = fdc_unit_drive(s);

    s->h = !!(s->cmd[1] & 4);
    s->r = 1;
    s->c = d ? d->track : 0;
    s->eot = s->cmd[3];
    s->formatting = s->writing = true;
    s->multi_track = s->terminal_count = s->bad_sector = false;
    if (!check_track(s))
        return;
    if (block_read_only(fdc_medium(d))) {
        end_transfer(s, ST0_ABNORMAL, ST1_NOT_WRITABLE, 0);
        return;
    }
    if (s->cmd[2] != 2 || s->cmd[3] != d->spt || s->h >= d->heads || s->c >= d->tracks) {
        log_unimp("fdc: format of %u sectors of size code %u refused\n", s->cmd[3], s->cmd[2]);
        end_transfer(s, ST0_ABNORMAL, ST1_NO_DATA, 0);
        return;
    }
    s->buf_len = s->cmd[3] * 4;
    start_data(s);
}

void fdc_read_id(FdcState *s)
{
    FdcDrive *d = fdc_unit_drive(s);

    s->h = !!(s->cmd[1] & 4);
    s->c = d ? d->track : 0;
    s->r = 1;
    if (!check_track(s))
        return;
    if (s->h >= d->heads || s->c >= d->tracks) {
        end_transfer(s, ST0_ABNORMAL, ST1_NO_ADDRESS, 0);
        return;
    }
    d->id_sector = d->id_sector % d->spt + 1;
    s->r = d->id_sector;
    end_transfer(s, 0, 0, 0);
}
