/* ide-smart.c - ATA disk: the SMART feature set of a disk that never fails
 * Spec: ATA/ATAPI-7 volume 1 (T13 1532D), SMART; attribute numbers as vendors use them.
 * Not modelled: an error log with entries, selective self-tests, host vendor logs. */
#include "host/base/osdep.h"
#include "hw/block/ide-internal.h"

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

/* Tests pass, at once. */
static void self_test(IdeDrive *d)
{
    switch (d->lba_low) {
    case 0x01: /* short, extended, conveyance; each also captive */
    case 0x02:
    case 0x03:
    case 0x81:
    case 0x82:
    case 0x83:
        d->selftest[d->selftests % SMART_SELFTESTS] = d->lba_low;
        d->selftests = d->selftests + 1 < 2 * SMART_SELFTESTS ? d->selftests + 1 : SMART_SELFTESTS;
        ide_command_ok(d);
        break;
    case 0x00: /* off-line collection; abort */
    case 0x7f:
        ide_command_ok(d);
        break;
    default:
        ide_command_error(d, ERR_ABRT);
        break;
    }
}

static void read_log(IdeDrive *d)
{
    uint8_t *b = d->buf;
    unsigned done = MIN(d->selftests, SMART_SELFTESTS);

    b[0] = 1;
    switch (d->lba_low) {
    case 0: /* directory: error log and self-test log of one sector each */
        b[2] = b[12] = 1;
        break;
    case 1: /* no errors */
        checksum(b);
        break;
    case 6:
        for (unsigned i = 0; i < done; i++) {
            unsigned place = done < SMART_SELFTESTS ? i : (d->selftests + i) % SMART_SELFTESTS;
            b[2 + 24 * i] = d->selftest[place];
            b[4 + 24 * i] = 1; /* hours, as attribute 9 has it */
        }
        b[508] = done; /* the newest */
        checksum(b);
        break;
    default:
        ide_command_error(d, ERR_ABRT);
        return;
    }
    ata_send_buffer(d);
}

void ata_smart_command(IdeDrive *d)
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
        b[362] = 0x02 | d->smart_autosave << 7; /* off-line collection completed */
        b[367] = 0x13; /* off-line test at once, automatic, self-tests */
        b[368] = 3;
        b[370] = 1; /* error log */
        b[372] = 2; /* minutes that the tests are said to take */
        b[373] = 54;
        checksum(b);
        ata_send_buffer(d);
        break;
    case 0xd1: /* READ THRESHOLDS */
        b[0] = 1;
        for (unsigned i = 0; i < ARRAY_SIZE(smart_attributes); i++) {
            b[2 + 12 * i] = smart_attributes[i][0];
            b[3 + 12 * i] = smart_attributes[i][11];
        }
        checksum(b);
        ata_send_buffer(d);
        break;
    case 0xd5:
        read_log(d);
        break;
    case 0xd8:
        d->smart = true;
        ide_command_ok(d);
        break;
    case 0xd9:
        d->smart = false;
        ide_command_ok(d);
        break;
    case 0xd2: /* attribute autosave */
        if (d->nsector != 0 && d->nsector != 0xf1) {
            ide_command_error(d, ERR_ABRT);
            return;
        }
        d->smart_autosave = d->nsector == 0xf1;
        ide_command_ok(d);
        break;
    case 0xd3: /* save attributes: they do not change */
        ide_command_ok(d);
        break;
    case 0xd4:
        self_test(d);
        break;
    case 0xda: /* RETURN STATUS: the registers still say "no threshold exceeded" */
        ide_command_ok(d);
        break;
    default:
        ide_command_error(d, ERR_ABRT);
        break;
    }
}
