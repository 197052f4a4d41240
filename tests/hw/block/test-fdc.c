/* test-fdc.c - tests hw/block/fdc.c with hw/dma/i8237.c: resets, seeks, DMA and non-DMA transfers, format. */
#include "tests/hw/block/fdc-harness.h"

static void cmd(const char *hex)
{
    while (*hex) {
        g_assert_cmphex(inb(0x3f4) & 0xc0, ==, 0x80);
        outb(0x3f5, strtoul(hex, (char **)&hex, 16));
        while (*hex == ' ')
            hex++;
    }
    block_drain(NULL);
    clock_test_step(1000);
    block_drain(NULL);
}

static void expect(const char *hex)
{
    while (*hex) {
        unsigned v = strtoul(hex, (char **)&hex, 16);
        g_assert_cmphex(inb(0x3f4) & 0xc0, ==, 0xc0);
        g_assert_cmphex(inb(0x3f5), ==, v);
        while (*hex == ' ')
            hex++;
    }
    g_assert_cmphex(inb(0x3f4), ==, 0x80);
}

static void reset_and_motor(void)
{
    outb(0x3f2, 0);
    outb(0x3f2, 0x1c);
    g_assert_cmpint(periph_irq[6], ==, 1);
    for (int i = 0; i < 4; i++) {
        cmd("8");
        char *s = g_strdup_printf("%x 0", 0xc0 + i);
        expect(s);
        g_free(s);
    }
    g_assert_cmpint(periph_irq[6], ==, 0);
    cmd("8");
    expect("80");
    cmd("3 df 2");
    outb(0x3f7, 0);
}

static void test_seek(void)
{
    setup();
    g_assert_cmpint(fdc_drive_type(fdc, 0), ==, 4);
    g_assert_cmpint(fdc_drive_type(fdc, 1), ==, 0);
    reset_and_motor();
    g_assert_cmphex(inb(0x3f7) & 0x80, ==, 0x80); /* changed, until a step */
    cmd("7 0");
    g_assert_cmpint(periph_irq[6], ==, 1);
    cmd("8");
    expect("20 0");
    g_assert_cmphex(inb(0x3f7) & 0x80, ==, 0);
    cmd("f 4 21");
    cmd("8");
    expect("24 21");
    cmd("4 0");
    expect("28");
    cmd("10");
    expect("90");
    cmd("18"); /* PART ID: not on this chip */
    expect("80");
    cmd("94");
    expect("10");
    cmd("4a 0");
    expect("0 0 0 21 0 1 2");
    cmd("e");
    g_assert_cmphex(inb(0x3f5), ==, 0x21);
    for (int i = 0; i < 9; i++)
        inb(0x3f5);
    g_assert_cmphex(inb(0x3f4), ==, 0x80);
    teardown();
}

static void test_dma(void)
{
    setup();
    reset_and_motor();
    /* read sectors 17 and 18 of head 0 and 1 of head 1 of cylinder 2, across the track's end by MT */
    program_dma(0x44, 0x30000, 3 * 512);
    cmd("e6 0 2 0 11 2 12 1b ff");
    g_assert_cmpint(periph_irq[6], ==, 1);
    expect("4 0 0 2 1 2 2");
    g_assert_cmpint(periph_irq[6], ==, 0);
    unsigned first = 2 * 36 + 16;
    for (int i = 0; i < 1536; i++)
        g_assert_cmphex(physmem_ld(&address_space_memory, 0x30000 + i, 1), ==, (uint8_t)(first + i / 512 + i));
    /* write one sector */
    for (int i = 0; i < 512; i++)
        physmem_st(&address_space_memory, 0x40000 + i, 1, i ^ 0x5a);
    program_dma(0x48, 0x40000, 512);
    cmd("c5 0 3 0 5 2 12 1b ff");
    expect("0 0 0 3 0 6 2");
    uint8_t buf[512];
    g_assert_cmpint(block_pread(drive_get(DRIVE_FLOPPY, 0, 0)->image, (3 * 36 + 4) * 512, buf, 512), ==, 0);
    for (int i = 0; i < 512; i++)
        g_assert_cmphex(buf[i], ==, (uint8_t)(i ^ 0x5a));
    /* sector that does not exist; data rate of another format; no motor */
    program_dma(0x44, 0x30000, 512);
    cmd("46 0 0 0 13 2 13 1b ff");
    expect("40 4 0 0 0 13 2");
    outb(0x3f7, 2);
    cmd("4a 0");
    g_assert_cmphex(inb(0x3f5), ==, 0x40);
    for (int i = 0; i < 6; i++)
        inb(0x3f5);
    periph_check_state();
    teardown();
}

static void test_non_dma(void)
{
    setup_size(737280);
    reset_and_motor();
    outb(0x3f7, 2);
    cmd("3 df 3");
    cmd("46 0 1 0 9 2 9 1b ff");
    g_assert_cmpint(periph_irq[6], ==, 1);
    for (int i = 0; i < 512; i++) {
        g_assert_cmphex(inb(0x3f4), ==, 0xf0);
        g_assert_cmphex(inb(0x3f5), ==, (uint8_t)(18 + 8 + i));
    }
    expect("40 80 0 2 0 1 2"); /* no terminal count: ends at the end of the track */
    cmd("45 0 0 0 1 2 1 1b ff");
    for (int i = 0; i < 512; i++) {
        g_assert_cmphex(inb(0x3f4), ==, 0xb0);
        outb(0x3f5, 0x77);
    }
    block_drain(NULL);
    expect("40 80 0 1 0 1 2");
    uint8_t b;
    g_assert_cmpint(block_pread(drive_get(DRIVE_FLOPPY, 0, 0)->image, 511, &b, 1), ==, 0);
    g_assert_cmphex(b, ==, 0x77);
    teardown();
}

static void test_format(void)
{
    setup();
    reset_and_motor();
    cmd("f 0 5");
    cmd("8");
    expect("20 5");
    for (int i = 0; i < 18; i++)
        physmem_st(&address_space_memory, 0x30000 + 4 * i, 4, 0x02000005 | (i + 1) << 16);
    program_dma(0x48, 0x30000, 72);
    cmd("4d 4 2 12 54 f6");
    g_assert_cmphex(inb(0x3f5), ==, 4);
    g_assert_cmphex(inb(0x3f5), ==, 0);
    for (int i = 0; i < 5; i++)
        inb(0x3f5);
    uint8_t buf[3];
    g_assert_cmpint(block_pread(drive_get(DRIVE_FLOPPY, 0, 0)->image, (5 * 36 + 18) * 512, buf, 1), ==, 0);
    g_assert_cmpint(block_pread(drive_get(DRIVE_FLOPPY, 0, 0)->image, (5 * 36 + 36) * 512 - 1, buf + 1, 2), ==, 0);
    g_assert_cmphex(buf[0], ==, 0xf6);
    g_assert_cmphex(buf[1], ==, 0xf6);
    g_assert_cmphex(buf[2], ==, (uint8_t)(6 * 36));
    teardown();
}

static void test_scan(void)
{
    setup();
    reset_and_motor();
    /* sectors 3 to 5 of cylinder 0: the host has those of 4 and 5, with one wild byte */
    for (int i = 0; i < 1536; i++)
        physmem_st(&address_space_memory, 0x40000 + i, 1, i == 600 ? 0xff : (uint8_t)(3 + (i / 512 ? 0 : 50) + i));
    program_dma(0x48, 0x40000, 1536);
    cmd("51 0 0 0 3 2 12 1b 1"); /* equal: sector 4 */
    expect("0 0 8 0 0 4 2");
    program_dma(0x48, 0x40000, 512);
    cmd("51 0 0 0 3 2 12 1b 1"); /* terminal count before any */
    expect("0 0 4 0 0 3 2");
    program_dma(0x48, 0x40000, 1536);
    cmd("59 0 0 0 3 2 12 1b 1"); /* the disk's is lower at once */
    expect("0 0 0 0 0 3 2");
    program_dma(0x48, 0x40000, 1536);
    cmd("5d 0 0 0 3 2 5 1b 2"); /* every other: 3 is lower, 5 is higher */
    expect("0 0 0 0 0 5 2");
    cmd("3 df 3"); /* the same without DMA */
    cmd("51 0 0 0 4 2 12 1b 1");
    for (int i = 0; i < 512; i++)
        outb(0x3f5, 3 + i);
    expect("0 0 8 0 0 4 2");
    periph_check_state();
    teardown();
}

static void test_marks_and_seeks(void)
{
    setup();
    reset_and_motor();
    program_dma(0x44, 0x30000, 1024);
    cmd("4c 0 2 0 3 2 12 1b ff"); /* READ DELETED: one sector, which has no such mark */
    expect("0 0 40 2 0 3 2");
    g_assert_cmphex(physmem_ld(&address_space_memory, 0x30000, 1), ==, 2 * 36 + 2);
    cmd("6c 0 2 0 3 2 12 1b ff"); /* skipping */
    expect("0 0 40 2 0 3 2");
    cmd("d6 80 2 0 3 2 12 1b 4"); /* VERIFY of four sectors */
    expect("0 0 0 2 0 7 2");
    program_dma(0x44, 0x30000, 1024);
    cmd("46 0 2 0 12 2 13 1b ff"); /* runs over the end of the track */
    expect("40 4 0 2 0 13 2");
    cmd("46 0 2 0 1 3 9 1b ff"); /* 1024 bytes per sector */
    expect("40 4 0 2 0 1 2");
    /* without implied seeks the head must be there */
    cmd("13 0 10 0");
    program_dma(0x44, 0x30000, 512);
    cmd("46 0 7 0 1 2 12 1b ff");
    expect("40 4 10 7 0 1 2");
    cmd("f 0 7");
    cmd("8");
    expect("20 7");
    program_dma(0x44, 0x30000, 512);
    cmd("46 0 7 0 1 2 12 1b ff");
    expect("0 0 0 7 0 2 2");
    cmd("cf 0 3"); /* relative, inwards and back */
    cmd("8");
    expect("20 a");
    cmd("8f 0 4");
    cmd("8");
    expect("20 6");
    /* LOCK keeps the configuration over a reset; PERPENDICULAR keeps its drives */
    cmd("12 88");
    cmd("12 1");
    cmd("94");
    expect("10");
    outb(0x3f4, 0x80);
    for (int i = 0; i < 4; i++) {
        cmd("8");
        inb(0x3f5);
        inb(0x3f5);
    }
    cmd("e");
    expect("6 0 0 0 df 2 12 88 10 0");
    cmd("14");
    expect("0");
    periph_check_state();
    teardown();
}

static void test_formats(void)
{
    static const struct { unsigned kib; uint8_t type, rate; unsigned last_c, last_h, last_r; } f[] = {
        {160, 1, 2, 39, 0, 8}, {180, 1, 2, 39, 0, 9}, {320, 1, 2, 39, 1, 8}, {360, 1, 2, 39, 1, 9}, {720, 4, 2, 79, 1, 9},
        {1200, 2, 0, 79, 1, 15}, {1440, 4, 0, 79, 1, 18}, {1680, 4, 0, 79, 1, 21}, {1722, 4, 0, 81, 1, 21}, {2880, 5, 3, 79, 1, 36}};
    for (unsigned i = 0; i < ARRAY_SIZE(f); i++) {
        setup_size(f[i].kib * 1024);
        g_assert_cmpint(fdc_drive_type(fdc, 0), ==, f[i].type);
        reset_and_motor();
        outb(0x3f7, f[i].rate);
        program_dma(0x44, 0x30000, 512);
        g_autofree char *last = g_strdup_printf("46 0 %x %x %x 2 %x 1b ff", f[i].last_c, f[i].last_h, f[i].last_r, f[i].last_r),
                        *good = g_strdup_printf("%x 0 0 %x %x 1 2", f[i].last_h << 2, f[i].last_c + 1, f[i].last_h),
                        *beyond = g_strdup_printf("46 0 %x %x 1 2 %x 1b ff", f[i].last_c + 1, f[i].last_h, f[i].last_r);
        cmd(last);
        expect(good);
        g_assert_cmphex(physmem_ld(&address_space_memory, 0x30000, 1), ==, (uint8_t)(f[i].kib * 2 - 1));
        program_dma(0x44, 0x30000, 512);
        cmd(beyond);
        g_assert_cmphex(inb(0x3f5) & 0xc0, ==, 0x40);
        teardown();
    }
}

static void test_bad_sector(void)
{
    GError *err = NULL;
    setup();
    Drive *d = drive_get(DRIVE_FLOPPY, 0, 0);
    g_autofree char *file = g_strconcat(img, ".rules", NULL), *name = g_strdup_printf("blkdebug:%s:%s", file, img);
    g_assert_true(g_file_set_contents(file, "[inject-error]\nevent = \"none\"\niotype = \"read\"\nsector = \"5\"\n", -1, NULL));
    block_close(d->image);
    BlockOpenOpts o = {.filename = name, .format = "raw"};
    d->image = block_open(&o, &err);
    g_assert_no_error(err);
    unlink(file);
    reset_and_motor();
    program_dma(0x44, 0x30000, 18 * 512);
    cmd("46 0 0 0 1 2 12 1b ff");
    expect("40 20 20 0 0 6 2"); /* sector 6 is the bad one; five came */
    for (int i = 0; i < 5 * 512; i++)
        g_assert_cmphex(physmem_ld(&address_space_memory, 0x30000 + i, 1), ==, (uint8_t)(i / 512 + i));
    program_dma(0x44, 0x30000, 5 * 512); /* no more wanted than is good */
    cmd("46 0 0 0 1 2 12 1b ff");
    expect("0 0 0 0 0 6 2");
    cmd("56 0 0 0 1 2 12 1b ff");
    expect("40 20 20 0 0 6 2");
    teardown();
}

static void test_media(void)
{
    setup();
    Drive *d = drive_get(DRIVE_FLOPPY, 0, 0);
    GError *err = NULL;
    reset_and_motor();
    cmd("7 0");
    cmd("8");
    expect("20 0");
    g_assert_cmphex(inb(0x3f7) & 0x80, ==, 0);
    g_assert_true(drive_change(d, img, "raw", true, &err)); /* write-protected */
    g_assert_no_error(err);
    g_assert_cmphex(inb(0x3f7) & 0x80, ==, 0x80);
    cmd("f 0 1");
    cmd("8");
    expect("20 1");
    g_assert_cmphex(inb(0x3f7) & 0x80, ==, 0);
    cmd("4 0");
    expect("68");
    program_dma(0x48, 0x40000, 512);
    cmd("45 0 1 0 1 2 12 1b ff");
    expect("40 2 0 1 0 1 2");
    cmd("4d 0 2 12 54 f6");
    g_assert_cmphex(inb(0x3f5), ==, 0x40);
    g_assert_cmphex(inb(0x3f5), ==, 0x02);
    for (int i = 0; i < 5; i++)
        inb(0x3f5);
    g_assert_true(drive_eject(d, true, &err));
    cmd("46 0 1 0 1 2 12 1b ff");
    expect("40 1 0 1 0 1 2");
    cmd("f 0 2"); /* a step without a disk: still changed */
    cmd("8");
    expect("20 2");
    g_assert_cmphex(inb(0x3f7) & 0x80, ==, 0x80);
    teardown();
}

static void test_fuzz(void)
{
    static const uint16_t ports[] = {0x3f0, 0x3f1, 0x3f2, 0x3f3, 0x3f4, 0x3f5, 0x3f5, 0x3f5, 0x3f5, 0x3f7};
    static const uint8_t cmds[] = {0xe6, 0xc5, 0x4d, 0x4a, 0x0f, 0x07, 0x62, 0x96, 0x03, 0x0e};
    setup();
    GRand *r = g_rand_new_with_seed(9);
    for (int i = 0; i < 1500; i++) {
        outb(0x3f2, 0);
        outb(0x3f2, 0x1c);
        outb(0x3f7, i & 3);
        program_dma(i & 4 ? 0x44 : 0x48, 0x30000, g_rand_int(r));
        outb(0x3f5, cmds[g_rand_int_range(r, 0, ARRAY_SIZE(cmds))]);
        for (int k = 0; k < 8; k++)
            outb(0x3f5, k == 4 ? 2 : g_rand_int_range(r, 0, k == 1 || k == 5 ? 85 : 3));
        clock_test_step(1000);
        if (i & 8)
            block_drain(NULL);
        if (!(i % 16))
            periph_fuzz(ports, ARRAY_SIZE(ports), 100);
    }
    block_drain(NULL);
    g_rand_free(r);
    device_reset_all();
    periph_check_state();
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/fdc/seek-and-control", test_seek);
    g_test_add_func("/hw/fdc/dma", test_dma);
    g_test_add_func("/hw/fdc/non-dma", test_non_dma);
    g_test_add_func("/hw/fdc/format", test_format);
    g_test_add_func("/hw/fdc/scan", test_scan);
    g_test_add_func("/hw/fdc/marks-and-seeks", test_marks_and_seeks);
    g_test_add_func("/hw/fdc/formats", test_formats);
    g_test_add_func("/hw/fdc/bad-sector", test_bad_sector);
    g_test_add_func("/hw/fdc/media", test_media);
    g_test_add_func("/hw/fdc/fuzz", test_fuzz);
    return g_test_run();
}
