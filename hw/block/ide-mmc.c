/* ide-mmc.c - the packet commands of the CD/DVD-ROM drive
 * Spec: MMC-5 (T10/1675D) and, for what it dropped, MMC-2; SPC-3 for sense data and mode pages.
 * Guest view: a drive that reads CD and DVD with one data track of mode 1 and one session; no audio on any disc.
 * Not modelled: writing, changers, copy protection (REPORT KEY), real error counters. */
#include "host/base/osdep.h"
#include "hw/block/ide-internal.h"
#include "host/base/bitops.h"
#include "host/base/log.h"

enum { SENSE_NONE = 0, SENSE_NOT_READY = 2, SENSE_ILLEGAL = 5, SENSE_ATTENTION = 6 };
enum { ASC_BAD_OPCODE = 0x20, ASC_LBA_RANGE = 0x21, ASC_BAD_FIELD = 0x24, ASC_BAD_PARAMETER = 0x26, ASC_MEDIUM_CHANGED = 0x28,
       ASC_SEQUENCE = 0x2c, ASC_INCOMPATIBLE = 0x30, ASC_SAVING = 0x39, ASC_NO_MEDIUM = 0x3a, ASC_REMOVAL_PREVENTED = 0x53,
       ASC_WRONG_TRACK = 0x64 };
enum { CD_MAX_SECTORS = 450000, LEADOUT = 0xaa, MSF_OFFSET = 150 };
enum { PAGE_ERROR = 0x01, PAGE_CD = 0x0d, PAGE_AUDIO = 0x0e, PAGE_CAPABILITIES = 0x2a, PAGE_ALL = 0x3f };

static void bad_field(IdeDrive *d) { atapi_error(d, SENSE_ILLEGAL, ASC_BAD_FIELD, 0); }
static bool is_dvd(const IdeDrive *d) { return atapi_total_sectors(d) > CD_MAX_SECTORS; }

/* ---- the drive itself ---- */

static void op_request_sense(IdeDrive *d, const uint8_t *p)
{
    uint8_t *b = d->buf;
    uint8_t key = d->sense_key, asc = d->asc, ascq = d->ascq;
    bool info = d->sense_info_valid;

    if (!key && d->ua_pending) {
        key = SENSE_ATTENTION;
        asc = ASC_MEDIUM_CHANGED;
        d->ua_pending = false;
    }
    memset(b, 0, 18);
    b[0] = 0x70 | info << 7;
    stb32(b + 3, info ? d->sense_info : 0);
    b[2] = key;
    b[7] = 10;
    b[12] = asc;
    b[13] = ascq;
    d->sense_key = d->asc = d->ascq = 0;
    atapi_reply(d, 18, p[4]);
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
        atapi_reply(d, 5, ldb16(p + 3));
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
    atapi_reply(d, 36, ldb16(p + 3));
}

static void op_start_stop(IdeDrive *d, const uint8_t *p)
{
    bool start = p[4] & 1, loej = p[4] & 2;

    if (p[4] & 0xf0 || !loej) { /* power conditions and spinning: nothing to show */
        atapi_ok(d);
        return;
    }
    if (!start && d->locked && !d->tray_open) {
        atapi_error(d, d->drive->image ? SENSE_ILLEGAL : SENSE_NOT_READY, ASC_REMOVAL_PREVENTED, 2);
        return;
    }
    /* No unit attention: who closes the tray knows of it, and Linux, which does so when a file system is to be mounted, would
     * refuse to read then. */
    if (start && d->tray_open && d->drive->image)
        d->event_new_media = true;
    d->tray_open = !start;
    atapi_ok(d);
}

static void op_prevent_allow(IdeDrive *d, const uint8_t *p)
{
    d->locked = p[4] & 1;
    atapi_ok(d);
}

/* ---- the disc ---- */

static void op_read_capacity(IdeDrive *d, const uint8_t *p)
{
    stb32(d->buf, atapi_total_sectors(d) - 1);
    stb32(d->buf + 4, CD_SECTOR);
    atapi_reply(d, 8, 8);
}

static void put_address(uint8_t *b, uint32_t lba, bool msf)
{
    if (msf) {
        lba += MSF_OFFSET;
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
        put_address(b + n + 4, atapi_total_sectors(d), msf);
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
                put_address(b + n + 7, atapi_total_sectors(d), true);
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
    atapi_reply(d, n, ldb16(p + 7));
}

static void op_get_configuration(IdeDrive *d, const uint8_t *p)
{
    uint8_t *b = d->buf;
    unsigned rt = p[1] & 3, first = ldb16(p + 2), n = 8;
    bool dvd = is_dvd(d), cd = atapi_has_medium(d) && !dvd;

    const struct { uint16_t code; uint8_t flags, len; bool current; uint8_t data[8]; } features[] = {
        {0x000, 0, 8, true, {0, 0x10, dvd, 0, 0, 0x08, cd, 0}}, /* profiles */
        {0x001, 2, 8, true, {0, 0, 0, 2, 1}},                   /* core: ATAPI */
        {0x003, 0, 4, true, {0x29}},                            /* removable: tray, eject, lock */
        {0x010, 0, 8, cd || dvd, {0, 0, CD_SECTOR >> 8, 0, 0, dvd ? 16 : 1, 0, 0}}, /* random readable */
        {0x01d, 0, 0, cd, {0}},                                 /* multi-read */
        {0x01e, 2, 4, cd, {0}},                                 /* CD read */
        {0x01f, 1, 4, dvd, {1}},                                /* DVD read */
        {0x100, 0, 0, true, {0}},                               /* power management */
        {0x105, 1, 4, true, {0}}};                              /* time-out */

    if (rt == 3) {
        bad_field(d);
        return;
    }
    memset(b, 0, 128);
    stb16(b + 6, dvd ? 0x10 : cd ? 0x08 : 0); /* current profile */
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        if (features[i].code < first || (rt == 2 && features[i].code != first) || (rt == 1 && !features[i].current))
            continue;
        stb16(b + n, features[i].code);
        /* the basic ones are "persistent" too */
        b[n + 2] = features[i].flags << 2 | (features[i].code < 0x10 || features[i].code >= 0x100) << 1 | features[i].current;
        b[n + 3] = features[i].len;
        memcpy(b + n + 4, features[i].data, features[i].len);
        n += 4 + features[i].len;
    }
    stb32(b, n - 4);
    atapi_reply(d, n, ldb16(p + 7));
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
        b[5] = d->tray_open | atapi_has_medium(d) << 1;
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
    atapi_reply(d, n, alloc);
}

/* ---- mode pages ---- */

static const struct { uint8_t page, len; } mode_pages[] = {{PAGE_ERROR, 8}, {PAGE_CD, 8}, {PAGE_AUDIO, 16}, {PAGE_CAPABILITIES, 20}};

static void put_page(IdeDrive *d, uint8_t page, uint8_t *b)
{
    switch (page) {
    case PAGE_ERROR:
        b[3] = 5; /* retries */
        break;
    case PAGE_CD:
        b[3] = 0x0b; /* inactive for 16 minutes */
        b[5] = 60;
        b[7] = 75;
        break;
    case PAGE_AUDIO:
        b[2] = 4;
        b[8] = 1;
        b[9] = 0xff;
        b[10] = 2;
        b[11] = 0xff;
        break;
    default:
        b[2] = 0x3b; /* reads CD-R, CD-RW, method 2, DVD-ROM, DVD-R */
        b[4] = 0x70; /* mode 2 forms 1 and 2, multi-session */
        b[5] = 0x03; /* CD-DA by READ CD, accurate */
        b[6] = 0x29 | d->locked << 1; /* tray, eject, lock */
        stb16(b + 8, 706);
        stb16(b + 10, 2);
        stb16(b + 12, 512);
        stb16(b + 14, 706);
        break;
    }
}

/* The 6-byte form has a header of four bytes, the 10-byte form one of eight. */
static void op_mode_sense(IdeDrive *d, const uint8_t *p)
{
    uint8_t *b = d->buf, medium = atapi_has_medium(d) ? 0x01 : 0x70;
    bool ten = p[0] == 0x5a, changeable = p[2] >> 6 == 1;
    unsigned page = p[2] & 0x3f, header = ten ? 8 : 4, n = header;

    if (p[2] >> 6 == 3) {
        atapi_error(d, SENSE_ILLEGAL, ASC_SAVING, 0);
        return;
    }
    memset(b, 0, 128);
    for (unsigned i = 0; i < ARRAY_SIZE(mode_pages); i++) {
        if (page != PAGE_ALL && page != mode_pages[i].page)
            continue;
        b[n] = mode_pages[i].page;
        b[n + 1] = mode_pages[i].len - 2;
        if (!changeable)
            put_page(d, mode_pages[i].page, b + n);
        n += mode_pages[i].len;
    }
    if (n == header) {
        bad_field(d);
        return;
    }
    if (ten) {
        stb16(b, n - 2);
        b[2] = medium;
    } else {
        b[0] = n - 1;
        b[1] = medium;
    }
    atapi_reply(d, n, ten ? ldb16(p + 7) : p[4]);
}

static void op_mode_select(IdeDrive *d, const uint8_t *p)
{
    if (p[1] & 1) { /* saving is not offered */
        bad_field(d);
        return;
    }
    atapi_request_data(d, p[0] == 0x55 ? ldb16(p + 7) : p[4]);
}

/* A parameter list came: pages with the right shape are accepted and change nothing that shows. */
static void mode_select_data(IdeDrive *d)
{
    const uint8_t *b = d->buf;
    bool ten = d->packet[0] == 0x55;
    unsigned len = d->buf_len, at = ten ? 8 : 4;

    at += len < at ? 0 : ten ? ldb16(b + 6) : b[3]; /* block descriptors */
    while (at + 2 <= len) {
        unsigned i = 0;
        while (i < ARRAY_SIZE(mode_pages) && mode_pages[i].page != (b[at] & 0x3f))
            i++;
        if (i == ARRAY_SIZE(mode_pages) || b[at + 1] + 2u != mode_pages[i].len || at + mode_pages[i].len > len) {
            atapi_error(d, SENSE_ILLEGAL, ASC_BAD_PARAMETER, 0);
            return;
        }
        at += mode_pages[i].len;
    }
    atapi_ok(d);
}

void mmc_data_out(IdeDrive *d)
{
    d->atapi_out = false;
    mode_select_data(d); /* the only command with data from the host */
}

/* ---- reading ---- */

static void op_read10(IdeDrive *d, const uint8_t *p) { atapi_start_read(d, ldb32(p + 2), ldb16(p + 7), CD_USER_DATA); }
static void op_read12(IdeDrive *d, const uint8_t *p) { atapi_start_read(d, ldb32(p + 2), ldb32(p + 6), CD_USER_DATA); }

/* Byte 1: the type of sector that is expected; byte 9: what of it; byte 10: sub-channels, of which there are none. */
static void read_cd(IdeDrive *d, const uint8_t *p, uint32_t lba, uint32_t count)
{
    unsigned type = p[1] >> 2 & 7;
    uint8_t layout = p[9] & 0xfe;

    if (type > 5 || p[10] & 7 || (layout & CD_C2) == CD_C2) {
        bad_field(d);
    } else if (type != 0 && type != 2) { /* audio, mode 2 */
        atapi_error(d, SENSE_ILLEGAL, ASC_WRONG_TRACK, 0);
    } else if (!cd_sector_bytes(layout) || !count) { /* nothing asked for */
        if (lba >= atapi_total_sectors(d))
            atapi_error(d, SENSE_ILLEGAL, ASC_LBA_RANGE, 0);
        else
            atapi_ok(d);
    } else {
        atapi_start_read(d, lba, count, layout);
    }
}

static void op_read_cd(IdeDrive *d, const uint8_t *p) { read_cd(d, p, ldb32(p + 2), p[6] << 16 | p[7] << 8 | p[8]); }

static void op_read_cd_msf(IdeDrive *d, const uint8_t *p)
{
    uint32_t from = (p[3] * 60 + p[4]) * 75 + p[5], to = (p[6] * 60 + p[7]) * 75 + p[8];

    if (p[4] > 59 || p[7] > 59 || p[5] > 74 || p[8] > 74 || to < from)
        bad_field(d);
    else if (from < MSF_OFFSET)
        atapi_error(d, SENSE_ILLEGAL, ASC_LBA_RANGE, 0);
    else
        read_cd(d, p, from - MSF_OFFSET, to - from);
}

/* SEEK and VERIFY: is it there? */
static void op_seek(IdeDrive *d, const uint8_t *p)
{
    if (ldb32(p + 2) >= atapi_total_sectors(d))
        atapi_error(d, SENSE_ILLEGAL, ASC_LBA_RANGE, 0);
    else
        atapi_ok(d);
}

static void op_read_header(IdeDrive *d, const uint8_t *p)
{
    uint32_t lba = ldb32(p + 2);

    if (lba >= atapi_total_sectors(d)) {
        atapi_error(d, SENSE_ILLEGAL, ASC_LBA_RANGE, 0);
        return;
    }
    memset(d->buf, 0, 8);
    d->buf[0] = 1; /* mode 1 */
    put_address(d->buf + 4, lba, p[1] & 2);
    atapi_reply(d, 8, ldb16(p + 7));
}

/* ---- audio: there is none ---- */

static void op_read_subchannel(IdeDrive *d, const uint8_t *p)
{
    uint8_t *b = d->buf;
    unsigned n = 4;

    memset(b, 0, 24);
    b[1] = 0x15; /* no audio status to report */
    if (p[2] & 0x40)
        switch (p[3]) {
        case 1: /* position */
            b[4] = 1;
            b[5] = 0x14;
            b[6] = b[7] = 1; /* track, index */
            put_address(b + 8, 0, p[1] & 2);
            if (!(p[1] & 2))
                stb32(b + 12, 0);
            n = 16;
            break;
        case 2: /* catalogue number, recording code: none */
        case 3:
            b[4] = p[3];
            b[5] = p[3] == 3 ? 0x14 : 0;
            b[6] = p[3] == 3;
            n = 24;
            break;
        default:
            bad_field(d);
            return;
        }
    stb16(b + 2, n - 4);
    atapi_reply(d, n, ldb16(p + 7));
}

static void op_play(IdeDrive *d, const uint8_t *p) { atapi_error(d, SENSE_ILLEGAL, ASC_WRONG_TRACK, 0); }
static void op_pause(IdeDrive *d, const uint8_t *p) { atapi_error(d, SENSE_ILLEGAL, ASC_SEQUENCE, 0); }

/* ---- disc, track, performance ---- */

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
    atapi_reply(d, 34, ldb16(p + 7));
}

static void op_track_info(IdeDrive *d, const uint8_t *p)
{
    uint8_t *b = d->buf;
    uint32_t n = ldb32(p + 2);
    unsigned type = p[1] & 3;

    /* by address, track or session: the one that there is */
    if (type == 3 || (type == 0 && n >= atapi_total_sectors(d)) || (type != 0 && n != 1)) {
        if (type == 0)
            atapi_error(d, SENSE_ILLEGAL, ASC_LBA_RANGE, 0);
        else
            bad_field(d);
        return;
    }
    memset(b, 0, 36);
    stb16(b, 34);
    b[2] = b[3] = 1;
    b[5] = 4; /* data track */
    b[6] = 1; /* data mode 1 */
    stb32(b + 24, atapi_total_sectors(d));
    atapi_reply(d, 36, ldb16(p + 7));
}

static void op_dvd_structure(IdeDrive *d, const uint8_t *p)
{
    uint8_t *b = d->buf;
    uint32_t last = atapi_total_sectors(d) - 1;
    unsigned n;

    memset(b, 0, 4 + CD_SECTOR);
    if (p[1] & 0x0f || p[6] > 1) { /* another medium type, another layer */
        bad_field(d);
        return;
    }
    if (p[7] != 0xff && !is_dvd(d)) {
        atapi_error(d, SENSE_ILLEGAL, ASC_INCOMPATIBLE, 0);
        return;
    }
    switch (p[7]) {
    case 0x00: /* physical format: DVD-ROM, 120 mm, one layer */
        if (p[6]) {
            bad_field(d);
            return;
        }
        b[4] = 0x01;
        b[5] = 0x0f;
        b[6] = 0x01;
        stb32(b + 8, 0x30000);
        stb32(b + 12, 0x30000 + last);
        n = 4 + CD_SECTOR;
        break;
    case 0x01: /* copyright: none */
        n = 8;
        break;
    case 0x04: /* manufacturing information */
        n = 4 + CD_SECTOR;
        break;
    case 0xff: { /* what can be read */
        static const uint8_t formats[][4] = {{0x00, 0x40, 0x08, 0x04}, {0x01, 0x40, 0x00, 0x08}, {0x04, 0x40, 0x08, 0x04}};
        memcpy(b + 4, formats, sizeof formats);
        n = 4 + sizeof formats;
        break;
    }
    default:
        bad_field(d);
        return;
    }
    stb16(b, n - 2);
    atapi_reply(d, n, ldb16(p + 8));
}

/* One nominal speed over the whole disc. */
static void op_get_performance(IdeDrive *d, const uint8_t *p)
{
    uint8_t *b = d->buf;

    if (p[10] || p[1] & 0x04 || !ldb16(p + 8)) { /* other types; writing */
        bad_field(d);
        return;
    }
    memset(b, 0, 24);
    stb32(b, 20);
    stb32(b + 12, 706 * 10);
    stb32(b + 16, atapi_has_medium(d) ? atapi_total_sectors(d) - 1 : 0);
    stb32(b + 20, 706 * 10);
    stb32(b + 8, 0);
    atapi_reply(d, 24, 8 + 16 * ldb16(p + 8));
}

static void op_mechanism_status(IdeDrive *d, const uint8_t *p)
{
    memset(d->buf, 0, 8);
    d->buf[1] = d->tray_open << 4;
    d->buf[5] = 1;
    atapi_reply(d, 8, ldb16(p + 8));
}

static void op_nothing(IdeDrive *d, const uint8_t *p) { atapi_ok(d); }

/* ---- dispatch ---- */

/* Which commands need a medium, and which go through while a unit attention is pending (SPC-3 5.6.1). */
enum { MEDIUM = 1, DESPITE_ATTENTION = 2 };
static const struct { uint8_t op, rules; void (*run)(IdeDrive *, const uint8_t *); } commands[] = {
    {0x00, MEDIUM, op_nothing}, /* TEST UNIT READY */
    {0x03, DESPITE_ATTENTION, op_request_sense},
    {0x12, DESPITE_ATTENTION, op_inquiry},
    {0x15, 0, op_mode_select},
    {0x1a, 0, op_mode_sense},
    {0x1b, 0, op_start_stop},
    {0x1e, 0, op_prevent_allow},
    {0x25, MEDIUM, op_read_capacity},
    {0x28, MEDIUM, op_read10},
    {0x2b, MEDIUM, op_seek},
    {0x2f, MEDIUM, op_seek},   /* VERIFY */
    {0x35, 0, op_nothing},     /* SYNCHRONIZE CACHE */
    {0x42, MEDIUM, op_read_subchannel},
    {0x43, MEDIUM, op_read_toc},
    {0x44, MEDIUM, op_read_header},
    {0x45, MEDIUM, op_play},   /* PLAY AUDIO (10) */
    {0x46, DESPITE_ATTENTION, op_get_configuration},
    {0x47, MEDIUM, op_play},   /* PLAY AUDIO MSF */
    {0x48, MEDIUM, op_play},   /* PLAY AUDIO TRACK INDEX */
    {0x4a, DESPITE_ATTENTION, op_get_event},
    {0x4b, MEDIUM, op_pause},  /* PAUSE/RESUME */
    {0x4e, MEDIUM, op_nothing}, /* STOP PLAY/SCAN */
    {0x51, MEDIUM, op_disc_info},
    {0x52, MEDIUM, op_track_info},
    {0x55, 0, op_mode_select},
    {0x5a, 0, op_mode_sense},
    {0xa5, MEDIUM, op_play},   /* PLAY AUDIO (12) */
    {0xa7, 0, op_nothing},     /* SET READ AHEAD */
    {0xa8, MEDIUM, op_read12},
    {0xac, 0, op_get_performance},
    {0xad, MEDIUM, op_dvd_structure},
    {0xb9, MEDIUM, op_read_cd_msf},
    {0xba, MEDIUM, op_play},   /* SCAN */
    {0xbb, 0, op_nothing},     /* SET CD SPEED */
    {0xbd, 0, op_mechanism_status},
    {0xbe, MEDIUM, op_read_cd}};

void mmc_execute(IdeDrive *d)
{
    const uint8_t *p = d->packet;
    size_t i = 0;

    while (i < ARRAY_SIZE(commands) && commands[i].op != p[0])
        i++;
    d->status = ST_BSY;
    if (i == ARRAY_SIZE(commands)) {
        log_unimp("ide: packet command %02x refused\n", p[0]);
        atapi_error(d, SENSE_ILLEGAL, ASC_BAD_OPCODE, 0);
    } else if (d->ua_pending && !(commands[i].rules & DESPITE_ATTENTION)) {
        d->ua_pending = false;
        atapi_error(d, SENSE_ATTENTION, ASC_MEDIUM_CHANGED, 0);
    } else if ((commands[i].rules & MEDIUM) && !atapi_has_medium(d)) {
        atapi_error(d, SENSE_NOT_READY, ASC_NO_MEDIUM, d->tray_open ? 2 : 1);
    } else {
        commands[i].run(d, p);
    }
}
