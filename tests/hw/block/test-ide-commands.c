/* test-ide-commands.c - tests hw/block/ide-*.c: features, SMART, host protected area, TRIM, bad sectors, the MMC commands.
 * Spec: ATA/ATAPI-7, ATA8-ACS-2 (DATA SET MANAGEMENT), MMC-5, ECMA-130. */
#include "tests/hw/block/ide-harness.h"

static uint16_t id[256];

static void read_identify(void)
{
    uint8_t sum = 0;
    command(0, 0xec, 0, 0);
    for (int i = 0; i < 256; i++) {
        id[i] = inw(CMD);
        sum += id[i] + (id[i] >> 8);
    }
    g_assert_cmpuint(sum, ==, 0);
}

static void feature(uint8_t f, uint8_t count, bool good)
{
    outb(CMD + 1, f);
    command(0, 0xef, 0, count);
    g_assert_cmphex(inb(CMD + 7), ==, good ? 0x50 : 0x51);
    g_assert_cmphex(inb(CMD + 1), ==, good ? 0 : 0x04);
}

static void test_features(void)
{
    setup();
    read_identify();
    g_assert_cmphex(id[88], ==, 0x203f); /* UDMA5 from the start */
    g_assert_cmphex(id[169], ==, 0);
    g_assert_cmphex(id[93], ==, 0x600b);
    feature(0x03, 0x42, true); /* UDMA2 */
    feature(0x03, 0x46, false);
    read_identify();
    g_assert_cmphex(id[88], ==, 0x043f);
    feature(0x03, 0x0c, true); /* PIO4 */
    feature(0x03, 0x0d, false);
    feature(0x03, 0x21, true);
    read_identify();
    g_assert_cmphex(id[63], ==, 0x0207);
    g_assert_cmphex(id[88], ==, 0x003f);
    feature(0x82, 0, true);
    feature(0x55, 0, true);
    feature(0x05, 0x80, true);
    feature(0x05, 0xff, false);
    feature(0x42, 0x10, false);
    feature(0x42, 0x80, true);
    feature(0x7e, 0, false);
    read_identify();
    g_assert_cmphex(id[85] & 0x61, ==, 0x01);
    g_assert_cmphex(id[86] & 0x208, ==, 0x208);
    g_assert_cmphex(id[91], ==, 0x80);
    g_assert_cmphex(id[94], ==, 0xfe80);
    feature(0x85, 0, true);
    feature(0x02, 0, true);
    read_identify();
    g_assert_cmphex(id[85] & 0x20, ==, 0x20);
    g_assert_cmphex(id[86] & 0x008, ==, 0);
    /* buffers, power, and what is aborted: security, microcode, configuration overlay, NOP */
    command(0, 0xe8, 0, 0);
    for (int i = 0; i < 256; i++)
        outw(CMD, i * 5);
    command(0, 0xe4, 0, 0);
    for (int i = 0; i < 256; i++)
        g_assert_cmphex(inw(CMD), ==, i * 5);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    command(0, 0xe0, 0, 0);
    command(0, 0xe5, 0, 0);
    g_assert_cmphex(inb(CMD + 2), ==, 0);
    command(0, 0xe1, 0, 0);
    command(0, 0x98, 0, 0);
    g_assert_cmphex(inb(CMD + 2), ==, 0xff);
    static const uint8_t refused[] = {0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0x92, 0xb1, 0x00, 0x03, 0x38, 0xc0, 0xcd, 0xa0, 0xa1, 0x08};
    for (unsigned i = 0; i < sizeof refused; i++) {
        command(0, refused[i], 0, 1);
        g_assert_cmphex(inb(CMD + 7), ==, 0x51);
        g_assert_cmphex(inb(CMD + 1), ==, 0x04);
    }
    command(0, 0x70, DISK_SECTORS - 1, 0);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    command(0, 0x70, DISK_SECTORS, 0);
    g_assert_cmphex(inb(CMD + 1), ==, 0x10);
    periph_check_state();
    teardown();
}

static void smart(uint8_t what, uint8_t count, uint8_t low)
{
    outb(CMD + 1, what);
    command(0, 0xb0, 0xc24f00 | low, count);
}

static void test_smart(void)
{
    uint8_t b[512], sum = 0;
    setup();
    smart(0xda, 0, 0);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    g_assert_cmphex(inb(CMD + 5) << 8 | inb(CMD + 4), ==, 0xc24f);
    smart(0xd9, 0, 0);
    smart(0xd0, 0, 0);
    g_assert_cmphex(inb(CMD + 7), ==, 0x51);
    smart(0xd8, 0, 0);
    smart(0xd4, 0, 1); /* self-tests, the last of which is remembered last */
    for (int i = 0; i < 30; i++)
        smart(0xd4, 0, 2);
    smart(0xd4, 0, 0x81);
    smart(0xd4, 0, 0x55);
    g_assert_cmphex(inb(CMD + 7), ==, 0x51);
    smart(0xd5, 1, 6);
    for (int i = 0; i < 512; i += 2)
        stl16(b + i, inw(CMD));
    for (int i = 0; i < 512; i++)
        sum += b[i];
    g_assert_cmpuint(sum, ==, 0);
    g_assert_cmpuint(b[508], ==, 21);
    g_assert_cmphex(b[2 + 24 * 20], ==, 0x81);
    g_assert_cmphex(b[2], ==, 0x02);
    smart(0xd2, 0, 0); /* autosave off */
    smart(0xd0, 0, 0);
    for (int i = 0; i < 512; i += 2)
        stl16(b + i, inw(CMD));
    g_assert_cmphex(b[362], ==, 0x02);
    outb(CMD + 1, 0xda); /* without the key */
    command(0, 0xb0, 0, 0);
    g_assert_cmphex(inb(CMD + 7), ==, 0x51);
    periph_check_state();
    teardown();
}

static void test_protected_area(void)
{
    setup();
    command(0, 0xf9, 999, 0); /* not behind READ NATIVE MAX */
    g_assert_cmphex(inb(CMD + 7), ==, 0x51);
    command(0, 0xf8, 0, 0);
    g_assert_cmphex(inb(CMD + 3) | inb(CMD + 4) << 8, ==, DISK_SECTORS - 1);
    command(0, 0xf9, 999, 0);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    read_identify();
    g_assert_cmpuint(id[60], ==, 1000);
    g_assert_cmpuint(id[100], ==, 1000);
    command(0, 0x40, 999, 1);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    command(0, 0x40, 999, 2);
    g_assert_cmphex(inb(CMD + 1), ==, 0x10);
    command(0, 0xf8, 0, 0);
    command(0, 0xf9, DISK_SECTORS, 0);
    g_assert_cmphex(inb(CMD + 7), ==, 0x51);
    outb(CMD + 1, 4); /* freeze */
    command(0, 0xf9, 0, 0);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    command(0, 0xf8, 0, 0);
    outb(CMD + 1, 0);
    command(0, 0xf9, DISK_SECTORS - 1, 0);
    g_assert_cmphex(inb(CMD + 7), ==, 0x51);
    periph_check_state();
    device_reset_all();
    read_identify();
    g_assert_cmpuint(id[60], ==, DISK_SECTORS);
    teardown();
}

static void test_trim(void)
{
    uint8_t buf[512];
    setup();
    command(0, 0x06, 0, 1); /* without discard=unmap */
    g_assert_cmphex(inb(CMD + 7), ==, 0x51);
    teardown();
    setup_with(",discard=unmap");
    read_identify();
    g_assert_cmphex(id[169], ==, 1);
    for (int i = 0; i < 512; i += 8)
        physmem_st(&address_space_memory, 0x40000 + i, 8, 0);
    physmem_st(&address_space_memory, 0x40008, 8, 8ull << 48 | 16); /* not only the first entry */
    physmem_st(&address_space_memory, 0x40010, 8, 8ull << 48 | 64);
    prd(0, 0x40000, 512, true);
    outb(CMD + 1, 1);
    dma(0x06, 0, 1, false);
    block_drain(NULL);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    for (int s = 15; s < 74; s++) {
        g_assert_cmpint(block_pread(drive_get(DRIVE_IDE, 0, 0)->image, s * 512, buf, 512), ==, 0);
        bool trimmed = (s >= 16 && s < 24) || (s >= 64 && s < 72);
        g_assert_cmphex(buf[1], ==, trimmed ? 0 : (uint8_t)(s + 1));
    }
    physmem_st(&address_space_memory, 0x40018, 8, 2ull << 48 | (DISK_SECTORS - 1)); /* beyond the end */
    outb(BM, 0);
    outb(CMD + 2, 0); /* the count's upper byte */
    dma(0x06, 0, 1, false);
    g_assert_cmphex(inb(CMD + 1), ==, 0x10);
    outb(BM, 0);
    teardown();
}

/* ---- bad sectors ---- */

static void setup_bad(int bus_no, unsigned sector) /* in units of 512 bytes */
{
    GError *err = NULL;
    Drive *d;
    setup();
    d = drive_get(DRIVE_IDE, bus_no, 0);
    g_autofree char *file = g_strconcat(disk, ".rules", NULL), *name = g_strdup_printf("blkdebug:%s:%s", file, bus_no ? cdrom : disk),
                    *rules = g_strdup_printf("[inject-error]\nevent = \"none\"\niotype = \"read\"\nerrno = \"5\"\nsector = \"%u\"\n", sector);
    g_assert_true(g_file_set_contents(file, rules, -1, NULL));
    block_close(d->image);
    BlockOpenOpts o = {.filename = name, .format = "raw"};
    d->image = block_open(&o, &err);
    g_assert_no_error(err);
    unlink(file);
}

static unsigned task_file_lba(void) { return inb(CMD + 3) | inb(CMD + 4) << 8 | inb(CMD + 5) << 16 | (inb(CMD + 6) & 15) << 24; }

static void test_bad_sector(void)
{
    setup_bad(0, 77);
    prd(0, 0x20000, 6, false); /* odd pieces again */
    prd(1, 0x30000, 64 * 512 - 6, true);
    dma(0xc8, 60, 64, true);
    g_assert_cmphex(inb(CMD + 7) & 0x81, ==, 0x01);
    g_assert_cmphex(inb(CMD + 1), ==, 0x40);
    g_assert_cmpuint(task_file_lba(), ==, 77);
    for (int i = 6; i < 17 * 512; i++) /* what is before it came */
        g_assert_cmphex(physmem_ld(&address_space_memory, 0x30000 + i - 6, 1), ==, (uint8_t)(60 + i / 512 + i));
    outb(BM, 0);
    command(0, 0x40, 70, 20); /* VERIFY */
    g_assert_cmphex(inb(CMD + 1), ==, 0x40);
    g_assert_cmpuint(task_file_lba(), ==, 77);
    command(0, 0x20, 77, 1);
    g_assert_cmphex(inb(CMD + 7), ==, 0x51);
    g_assert_cmpuint(task_file_lba(), ==, 77);
    /* PIO: two good sectors, then the error */
    command(0, 0x20, 75, 10);
    for (int s = 0; s < 2; s++) {
        g_assert_cmphex(inb(CMD + 7), ==, 0x58);
        for (int i = 0; i < 512; i += 2)
            g_assert_cmphex(inw(CMD) & 0xff, ==, (uint8_t)(75 + s + i));
    }
    g_assert_cmphex(inb(CMD + 7), ==, 0x51);
    g_assert_cmphex(inb(CMD + 1), ==, 0x40);
    g_assert_cmpuint(task_file_lba(), ==, 77);
    /* READ MULTIPLE: the block with the bad sector carries error and data */
    command(0, 0xc6, 0, 4);
    command(0, 0xc4, 72, 16);
    g_assert_cmphex(inb(CMD + 7), ==, 0x58);
    periph_check_state();
    for (int i = 0; i < 4 * 512; i += 2)
        inw(CMD);
    g_assert_cmphex(inb(CMD + 7), ==, 0x59);
    g_assert_cmphex(inb(CMD + 1), ==, 0x40);
    g_assert_cmpuint(task_file_lba(), ==, 77);
    for (int i = 0; i < 4 * 512; i += 2)
        g_assert_cmphex(inw(CMD) & 0xff, ==, i < 512 ? (uint8_t)(76 + i) : 0);
    g_assert_cmphex(inb(CMD + 7), ==, 0x51);
    teardown();
}

static uint8_t reply[0x10000];

/* Run a packet command and take its data; returns how many bytes. */
static unsigned ask(const uint8_t *p, uint16_t limit)
{
    unsigned n = 0;
    packet(p, limit, false);
    while (inb(0x376) & 8) {
        unsigned len = inb(0x174) | inb(0x175) << 8;
        g_assert_cmpuint(len, <=, limit);
        g_assert_cmpuint(n + len, <=, sizeof reply);
        for (unsigned i = 0; i < len; i += 2, n += MIN(2, len - n))
            stl16(reply + n, inw(0x170));
        block_drain(NULL);
    }
    g_assert_cmphex(inb(0x172), ==, 3);
    return n;
}

static unsigned sense(void) /* key, asc, ascq */
{
    static const uint8_t p[12] = {3, 0, 0, 0, 18};
    g_assert_cmpuint(ask(p, 18), ==, 18);
    return reply[2] << 16 | reply[12] << 8 | reply[13];
}

static void test_cd_bad_sector(void)
{
    static const uint8_t read[12] = {0x28, 0, 0, 0, 0, 30, 0, 0, 20};
    setup_bad(1, 41 * 4 + 2);
    g_assert_cmpuint(ask(read, 0x8000), ==, 11 * 2048);
    g_assert_cmphex(inb(0x177), ==, 0x41);
    for (int i = 0; i < 11 * 2048; i++)
        g_assert_cmphex(reply[i], ==, (uint8_t)(7 + 120 + i / 512 + i));
    g_assert_cmphex(sense(), ==, 0x031100);
    g_assert_cmphex(reply[0], ==, 0xf0);
    g_assert_cmpuint(ldb32(reply + 3), ==, 41);
    prd(0, 0x20000, 0x8000, false);
    prd(1, 0x28000, 0x8000, true);
    outl(BM + 12, 0x1000);
    packet(read, 0, true);
    outb(BM + 8, 9);
    block_drain(NULL);
    g_assert_cmphex(inb(0x177), ==, 0x41);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0x20000 + 11 * 2048 - 1, 1), ==, (uint8_t)(7 + 120 + 43 + 511));
    g_assert_cmphex(sense(), ==, 0x031100);
    g_assert_cmpuint(ldb32(reply + 3), ==, 41);
    teardown();
}

/* ---- packet commands ---- */

static uint8_t mul(uint8_t a, uint8_t b)
{
    uint8_t r = 0;
    for (; b; b >>= 1, a = a << 1 ^ (a & 0x80 ? 0x1d : 0))
        if (b & 1)
            r ^= a;
    return r;
}

static void test_read_cd(void)
{
    uint8_t p[12] = {0xbe, 0, 0, 0, 0, 5, 0, 0, 3, 0xf8};
    setup();
    g_assert_cmpuint(ask(p, 0xfffe), ==, 3 * 2352);
    for (int s = 0; s < 3; s++) {
        uint8_t *b = reply + s * 2352, sum = 0, weighted = 0;
        uint32_t crc = 0;
        static const uint8_t sync[12] = {0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0};
        g_assert_cmpmem(b, 12, sync, 12);
        g_assert_cmphex(ldb32(b + 12), ==, 0x00020501 + (s << 8)); /* 00:02:05, mode 1 */
        for (int i = 0; i < 2048; i++)
            g_assert_cmphex(b[16 + i], ==, (uint8_t)(7 + (5 + s) * 4 + i / 512 + i));
        for (int i = 0; i < 2068; i++) { /* a CRC over data and itself is zero */
            crc ^= b[i];
            for (int k = 0; k < 8; k++)
                crc = crc >> 1 ^ (crc & 1 ? 0xd8018001u : 0);
        }
        g_assert_cmphex(crc, ==, 0);
        for (int i = 0; i < 26; i++) { /* one column of P, one diagonal of Q: both syndromes are zero */
            sum ^= b[12 + 17 + 86 * i];
            weighted = mul(weighted, 2) ^ b[12 + 17 + 86 * i];
        }
        g_assert_cmphex(sum | weighted, ==, 0);
        for (int i = 0; i < 45; i++) {
            unsigned at = i < 43 ? 12 + (10 * 86 + 88 * i) % 2236 : 2248 + 20 + 52 * (i - 43);
            sum ^= b[at];
            weighted = mul(weighted, 2) ^ b[at];
        }
        g_assert_cmphex(sum | weighted, ==, 0);
    }
    p[9] = 0x30; /* header and data; then with C2 bits */
    g_assert_cmpuint(ask(p, 0x1000), ==, 3 * 2052);
    p[9] = 0x32;
    g_assert_cmpuint(ask(p, 0x1000), ==, 3 * (2052 + 294));
    p[1] = 2 << 2; /* mode 1 wanted */
    p[9] = 0x10;
    g_assert_cmpuint(ask(p, 0x1000), ==, 3 * 2048);
    p[1] = 1 << 2; /* audio wanted */
    g_assert_cmpuint(ask(p, 0x1000), ==, 0);
    g_assert_cmphex(sense(), ==, 0x056400);
    const uint8_t msf[12] = {0xb9, 0, 0, 0, 2, 5, 0, 2, 7, 0x10};
    g_assert_cmpuint(ask(msf, 0x1000), ==, 2 * 2048);
    g_assert_cmphex(reply[0], ==, 7 + 5 * 4);
    /* by DMA, raw */
    const uint8_t raw[12] = {0xbe, 0, 0, 0, 0, 5, 0, 0, 70, 0xf8};
    prd(0, 0x20000, 0, false);
    prd(1, 0x30000, 0, false);
    prd(2, 0x40000, 70 * 2352 - 0x20000, true);
    outl(BM + 12, 0x1000);
    packet(raw, 0, true);
    outb(BM + 8, 9);
    block_drain(NULL);
    g_assert_cmphex(inb(0x177), ==, 0x50);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0x20000 + 69 * 2352 + 16, 1), ==, (uint8_t)(7 + 74 * 4));
    teardown();
}

#define PACKET(...) ((const uint8_t[12]){__VA_ARGS__})

static void test_mmc(void)
{
    setup();
    /* MODE SENSE 6 and 10, all pages; MODE SELECT of what came */
    unsigned n = ask(PACKET(0x1a, 0, 0x3f, 0, 255), 0x1000);
    g_assert_cmpuint(n, ==, reply[0] + 1u);
    g_assert_cmpuint(n, ==, 4 + 8 + 8 + 16 + 20);
    n = ask(PACKET(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128), 0x1000);
    g_assert_cmpuint(n, ==, 28);
    g_assert_cmphex(reply[8] << 8 | reply[9], ==, 0x2a12);
    ask(PACKET(0x5a, 0, 0x05, 0, 0, 0, 0, 0, 128), 0x1000);
    g_assert_cmphex(sense(), ==, 0x052400);
    static const uint8_t list[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 6, 0, 5, 0, 0, 0, 0};
    for (int wrong = 0; wrong < 2; wrong++) {
        packet(PACKET(0x55, 0x10, 0, 0, 0, 0, 0, 0, 16), 10, false); /* in two blocks */
        g_assert_cmphex(inb(0x172), ==, 0);
        g_assert_cmpuint(inb(0x174), ==, 10);
        for (int i = 0; i < 16; i += 2) {
            g_assert_cmphex(inb(0x177), ==, 0x58);
            outw(0x170, wrong && i == 8 ? 0x0605 : ldl16(list + i));
        }
        g_assert_cmphex(inb(0x177), ==, wrong ? 0x41 : 0x50);
    }
    g_assert_cmphex(sense(), ==, 0x052600);
    for (int i = 0; i < 16; i++)
        physmem_st(&address_space_memory, 0x40000 + i, 1, list[i]);
    prd(0, 0x40000, 16, true);
    outl(BM + 12, 0x1000);
    packet(PACKET(0x55, 0x10, 0, 0, 0, 0, 0, 0, 16), 0, true);
    outb(BM + 8, 1);
    g_assert_cmphex(inb(0x177), ==, 0x50);
    outb(BM + 8, 0);
    /* audio */
    g_assert_cmpuint(ask(PACKET(0x42, 2, 0x40, 1, 0, 0, 0, 0, 16), 0x1000), ==, 16);
    g_assert_cmphex(reply[1], ==, 0x15);
    g_assert_cmpuint(ask(PACKET(0x42, 2, 0x40, 2, 0, 0, 0, 0, 48), 0x1000), ==, 24);
    ask(PACKET(0x47, 0, 0, 0, 2, 0, 0, 3, 0), 0x1000);
    g_assert_cmphex(sense(), ==, 0x056400);
    ask(PACKET(0x4b), 0x1000);
    g_assert_cmphex(sense(), ==, 0x052c00);
    /* disc and track */
    g_assert_cmpuint(ask(PACKET(0x51, 0, 0, 0, 0, 0, 0, 0, 34), 0x1000), ==, 34);
    g_assert_cmpuint(ask(PACKET(0x52, 1, 0, 0, 0, 1, 0, 0, 36), 0x1000), ==, 36);
    g_assert_cmpuint(ldb32(reply + 24), ==, 100);
    ask(PACKET(0x52, 1, 0, 0, 0, 2, 0, 0, 36), 0x1000);
    g_assert_cmphex(sense(), ==, 0x052400);
    g_assert_cmpuint(ask(PACKET(0x44, 0, 0, 0, 0, 9, 0, 0, 8), 0x1000), ==, 8);
    g_assert_cmpuint(ldb32(reply + 4), ==, 9);
    ask(PACKET(0xad, 0, 0, 0, 0, 0, 0, 0, 8, 4), 0x1000);
    g_assert_cmphex(sense(), ==, 0x053000); /* a CD */
    for (unsigned format = 0; format < 3; format++)
        for (unsigned msf = 0; msf < 2; msf++) {
            static const unsigned lengths[3] = {20, 12, 48};
            g_assert_cmpuint(ask(PACKET(0x43, msf << 1, format, 0, 0, 0, 0, 0, 255), 0x1000), ==, lengths[format]);
        }
    g_assert_cmpuint(ask(PACKET(0x46, 0, 0, 0, 0, 0, 0, 0, 255), 0x1000), ==, 84);
    g_assert_cmphex(ldb16(reply + 6), ==, 8);
    g_assert_cmpuint(ask(PACKET(0x46, 2, 0, 0x1e, 0, 0, 0, 0, 255), 0x1000), ==, 16);
    g_assert_cmphex(reply[10] & 1, ==, 1);
    g_assert_cmpuint(ask(PACKET(0xac, 0, 0, 0, 0, 0, 0, 0, 0, 1), 0x1000), ==, 24);
    ask(PACKET(0xa4), 0x1000);
    g_assert_cmphex(sense(), ==, 0x052000);
    periph_check_state();
    teardown();
}

/* A polling guest and a host that changes the disc. */
static void test_events(void)
{
    const uint8_t *poll = PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8);
    setup();
    Drive *d = drive_get(DRIVE_IDE, 1, 0);
    ask(poll, 8);
    g_assert_cmphex(ldb32(reply + 4), ==, 0x00020000);
    d->ops->eject_request(d->opaque, false);
    ask(poll, 8);
    g_assert_cmphex(reply[4], ==, 1);
    ask(poll, 8);
    g_assert_cmphex(reply[4], ==, 0);
    ask(PACKET(0x1b, 0, 0, 0, 2), 8); /* the guest ejects */
    g_assert_true(d->ops->is_tray_open(d->opaque));
    ask(PACKET(0), 8);
    g_assert_cmphex(sense(), ==, 0x023a02);
    ask(poll, 8);
    g_assert_cmphex(reply[5], ==, 1);
    ask(PACKET(0x1b, 0, 0, 0, 3), 8); /* and loads */
    ask(poll, 8);
    g_assert_cmphex(reply[4] << 8 | reply[5], ==, 0x0202);
    g_assert_cmpuint(ask(PACKET(0x25), 8), ==, 8); /* no unit attention for what it did itself */
    ask(PACKET(0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8), 8); /* asynchronous */
    g_assert_cmphex(sense(), ==, 0x052400);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/ide/features", test_features);
    g_test_add_func("/hw/ide/smart", test_smart);
    g_test_add_func("/hw/ide/protected-area", test_protected_area);
    g_test_add_func("/hw/ide/trim", test_trim);
    g_test_add_func("/hw/ide/bad-sector", test_bad_sector);
    g_test_add_func("/hw/ide/cd/bad-sector", test_cd_bad_sector);
    g_test_add_func("/hw/ide/cd/read-cd", test_read_cd);
    g_test_add_func("/hw/ide/cd/mmc", test_mmc);
    g_test_add_func("/hw/ide/cd/events", test_events);
    return g_test_run();
}
