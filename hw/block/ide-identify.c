/* ide-identify.c - ATA disk: addresses in the task file, IDENTIFY DEVICE, SET FEATURES, the host protected area
 * Spec: ATA/ATAPI-7 volume 1 (T13 1532D); DATA SET MANAGEMENT as in ATA8-ACS-2. Guest view: see ide-ata.c.
 * Not modelled: SET MAX passwords; settings outlive a soft reset, as after SET FEATURES 66h. */
#include "host/base/osdep.h"
#include "hw/block/ide-internal.h"
#include "host/base/bitops.h"

enum { LBA28_LIMIT = 1 << 28 };

/* ---- addresses ---- */

uint64_t ata_get_lba(const IdeDrive *d)
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

void ata_set_lba(IdeDrive *d, uint64_t lba)
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
    put_string(w + 23, d->version, 4);
    put_string(w + 27, d->model, 20);
}

uint16_t ide_identify_cable(const IdeDrive *d) /* 80 wires, passed its test, number by jumper */
{
    return 1 << 14 | 1 << 13 | (d->unit ? 1 << 11 | 1 << 9 | 1 << 8 : 1 << 3 | 1 << 1 | 1);
}

void ata_identify(IdeDrive *d)
{
    uint16_t w[256] = {0};
    bool trim = d->drive->opts.discard_unmap;
    uint32_t chs = (uint32_t)d->cyls * d->heads * d->secs, lba28 = MIN(d->max_sectors, LBA28_LIMIT - 1);
    unsigned per_cyl = d->cur_heads * d->cur_secs;
    uint32_t cur_cyls = per_cyl ? MIN(d->max_sectors / per_cyl, 65535) : 0, cur = cur_cyls * per_cyl;

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
    w[49] = 1 << 13 | 1 << 11 | 1 << 9 | 1 << 8; /* standby timer values, IORDY, LBA, DMA */
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
    /* NOP, READ and WRITE BUFFER, host protected area, look-ahead, write cache, power management, SMART */
    w[82] = 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10 | 1 << 6 | 1 << 5 | 1 << 3 | 1;
    /* FLUSH EXT, FLUSH, acoustic management, LBA48, advanced power management */
    w[83] = 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10 | 1 << 9 | 1 << 3;
    w[84] = 1 << 14 | 1 << 6 | 1 << 1 | 1; /* FUA, SMART self-test and error log */
    w[85] = (w[82] & ~(1 << 6 | 1 << 5 | 1)) | d->look_ahead << 6 | d->write_cache << 5 | d->smart;
    w[86] = 1 << 13 | 1 << 12 | 1 << 10 | !!d->aam << 9 | !!d->apm << 3;
    w[87] = w[84];
    w[88] = 0x3f | d->udma << 8;
    w[91] = d->apm;
    w[93] = ide_identify_cable(d);
    w[94] = 0xfe << 8 | d->aam; /* recommended: fastest */
    stl64(&w[100], d->max_sectors);
    w[106] = 1 << 14 | (d->physical_exp ? 1 << 13 : 0) | d->physical_exp; /* logical sectors of a physical one */
    if (d->wwn) {
        w[84] |= 1 << 8;
        w[87] |= 1 << 8;
        for (unsigned i = 0; i < 4; i++)
            w[108 + i] = d->wwn >> (48 - 16 * i);
    }
    w[217] = d->rotation_rate;
    if (trim) {
        w[69] = 1 << 14; /* what a trimmed sector reads as does not change */
        w[105] = TRIM_MAX_BLOCKS;
        w[169] = 1;
    }
    /* integrity word: signature, and a checksum that makes all bytes add up to 0 */
    uint8_t sum = 0xa5;
    for (unsigned i = 0; i < 255; i++)
        sum += w[i] + (w[i] >> 8);
    w[255] = (uint8_t)-sum << 8 | 0xa5;
    memcpy(d->buf, w, sizeof w);
    ata_send_buffer(d);
}

/* ---- SET FEATURES ---- */

bool ide_set_transfer_mode(IdeDrive *d, uint8_t mode)
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

void ata_set_features(IdeDrive *d)
{
    bool ok = true;
    switch (d->feature) {
    case 0x02:
        d->write_cache = true;
        break;
    case 0x82: /* what is in the cache goes out first */
        d->write_cache = false;
        ata_start_flush(d);
        return;
    case 0x03:
        ok = ide_set_transfer_mode(d, d->nsector);
        break;
    case 0x55:
        d->look_ahead = false;
        break;
    case 0xaa:
        d->look_ahead = true;
        break;
    case 0x05: /* power management: 1 to 254 */
        ok = d->nsector && d->nsector != 0xff;
        if (ok)
            d->apm = d->nsector;
        break;
    case 0x85:
        d->apm = 0;
        break;
    case 0x42: /* acoustic management: 128 (quiet) to 254 (fast) */
        ok = d->nsector >= 0x80 && d->nsector != 0xff;
        if (ok)
            d->aam = d->nsector;
        break;
    case 0xc2:
        d->aam = 0;
        break;
    case 0x33: /* retries off and on, ECC length, cache segments, defaults at reset: accepted */
    case 0x99:
    case 0x44:
    case 0xbb:
    case 0x54:
    case 0x77:
    case 0x88:
    case 0xab:
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

/* ---- the host protected area ---- */

void ata_read_native_max(IdeDrive *d, bool ext)
{
    d->lba48 = ext;
    ata_set_lba(d, ext ? d->sectors - 1 : MIN(d->sectors, LBA28_LIMIT) - 1);
    d->native_max_read = true;
    ide_command_ok(d);
}

/* SET MAX ADDRESS, only right behind READ NATIVE MAX; it lasts until the machine is reset. Passwords are not offered. */
void ata_set_max(IdeDrive *d, bool ext)
{
    bool allowed = d->native_max_read && !d->max_frozen;

    d->lba48 = ext;
    if (!ext && !allowed && d->feature == 0x04) { /* FREEZE LOCK */
        d->max_frozen = true;
        ide_command_ok(d);
        return;
    }
    uint64_t lba = ata_get_lba(d);
    if (!allowed) {
        ide_command_error(d, ERR_ABRT);
    } else if (lba >= d->sectors) {
        ide_command_error(d, ERR_IDNF);
    } else {
        d->max_sectors = lba + 1;
        ide_command_ok(d);
    }
}
