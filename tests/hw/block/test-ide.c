/* test-ide.c - tests hw/block/ide-*.c: PIO, DMA, ATAPI, resets, through ports. Spec: ATA/ATAPI-7. */
#include "softmmu/runstate.h"
#include "hw/block/ide-internal.h"
#include "tests/hw/block/ide-harness.h"

static void test_identify(void)
{
    uint16_t w[256];
    uint8_t sum = 0;
    setup();
    command(0, 0xec, 0, 0);
    g_assert_cmphex(inb(CTL), ==, 0x58);
    g_assert_cmpint(periph_irq[14], ==, 1);
    g_assert_cmphex(inb(CMD + 7), ==, 0x58);
    g_assert_cmpint(periph_irq[14], ==, 0); /* status read takes it back */
    for (int i = 0; i < 256; i++)
        w[i] = inw(CMD);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    g_assert_cmpuint(w[60] | w[61] << 16, ==, DISK_SECTORS);
    g_assert_cmpuint(ldl64(&w[100]), ==, DISK_SECTORS);
    g_assert_cmphex(w[83] & 0x400, ==, 0x400);
    g_assert_cmpuint(w[3], ==, 16);
    g_assert_cmpuint(w[6], ==, 63);
    for (int i = 0; i < 256; i++)
        sum += w[i] + (w[i] >> 8);
    g_assert_cmpuint(sum, ==, 0);
    /* absent slave: status 0; an identify there does nothing */
    outb(CMD + 6, 0xf0);
    g_assert_cmphex(inb(CMD + 7), ==, 0);
    outb(CMD + 7, 0xec);
    g_assert_cmphex(inb(CMD + 7), ==, 0);
    teardown();
}

static void test_pio(void)
{
    setup();
    command(0, 0x20, 5, 3);
    for (int s = 0; s < 3; s++) {
        g_assert_cmphex(inb(CMD + 7), ==, 0x58);
        for (int i = 0; i < 512; i += 4)
            g_assert_cmphex(inl(CMD) & 0xff, ==, (uint8_t)(5 + s + i));
    }
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    g_assert_cmpint(periph_edges[14], ==, 3);
    /* write two sectors by WRITE MULTIPLE, read them back by READ EXT */
    command(0, 0xc6, 0, 8);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    command(0, 0xc5, 100, 2);
    g_assert_cmphex(inb(CMD + 7), ==, 0x58);
    for (int i = 0; i < 512; i++)
        outw(CMD, i * 3);
    block_drain(NULL);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    for (int hob = 1; hob >= 0; hob--) {
        outb(CMD + 2, hob ? 0 : 2);
        outb(CMD + 3, hob ? 0 : 100);
        outb(CMD + 4, 0);
        outb(CMD + 5, 0);
    }
    outb(CMD + 7, 0x24);
    block_drain(NULL);
    for (int i = 0; i < 512; i++)
        g_assert_cmphex(inw(CMD), ==, (uint16_t)(i * 3));
    /* more than the buffer: 256 sectors, CHS address 0/0/1 */
    outb(CMD + 6, 0xa0);
    outb(CMD + 2, 0);
    outb(CMD + 3, 1);
    outb(CMD + 4, 0);
    outb(CMD + 5, 0);
    outb(CMD + 7, 0x20);
    for (int s = 0; s < 256; s++) {
        block_drain(NULL);
        g_assert_cmphex(inb(CMD + 7), ==, 0x58);
        uint8_t first = inw(CMD);
        if (s != 100 && s != 101)
            g_assert_cmphex(first, ==, (uint8_t)s);
        for (int i = 2; i < 512; i += 2)
            inw(CMD);
    }
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    /* beyond the end */
    command(0, 0x20, DISK_SECTORS - 1, 2);
    g_assert_cmphex(inb(CMD + 7), ==, 0x51);
    g_assert_cmphex(inb(CMD + 1), ==, 0x10);
    /* unknown command */
    command(0, 0x87, 0, 0); /* CFA */
    g_assert_cmphex(inb(CMD + 7), ==, 0x51);
    g_assert_cmphex(inb(CMD + 1), ==, 0x04);
    periph_check_state();
    teardown();
}

static void test_dma(void)
{
    setup();
    /* odd pieces, not multiples of a sector */
    prd(0, 0x20000, 100, false);
    prd(1, 0x30002, 512 * 4 - 100, true);
    dma(0xc8, 9, 4, true);
    g_assert_cmphex(inb(BM + 2) & 7, ==, 4); /* interrupt, not active */
    g_assert_cmpint(periph_irq[14], ==, 1);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    outb(BM, 0);
    for (int i = 0; i < 2048; i++) {
        hwaddr a = i < 100 ? 0x20000 + i : 0x30002 + i - 100;
        g_assert_cmphex(physmem_ld(&address_space_memory, a, 1), ==, (uint8_t)(9 + i / 512 + i));
    }
    /* write from two pieces, check on the image */
    for (int i = 0; i < 1024; i++)
        physmem_st(&address_space_memory, 0x40000 + i, 1, i * 7);
    prd(0, 0x40000, 6, false);
    prd(1, 0x40006, 1018, true);
    dma(0xca, 200, 2, false);
    outb(BM, 0);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    uint8_t buf[1024];
    g_assert_cmpint(block_pread(drive_get(DRIVE_IDE, 0, 0)->image, 200 * 512, buf, 1024), ==, 0);
    for (int i = 0; i < 1024; i++)
        g_assert_cmphex(buf[i], ==, (uint8_t)(i * 7));
    /* table longer than the transfer: interrupt and active */
    prd(0, 0x20000, 4096, true);
    dma(0xc8, 0, 1, true);
    g_assert_cmphex(inb(BM + 2) & 7, ==, 5);
    outb(BM, 0);
    g_assert_cmphex(inb(BM + 2) & 7, ==, 4);
    /* table too short: no interrupt, drive waits; a soft reset frees it */
    prd(0, 0x20000, 512, true);
    inb(CMD + 7);
    dma(0xc8, 0, 2, true);
    g_assert_cmphex(inb(BM + 2) & 5, ==, 0);
    outb(BM, 0);
    outb(CTL, 4);
    outb(CTL, 0);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    g_assert_cmphex(inb(CMD + 1), ==, 1);
    /* PRDs that point to nothing: the data is lost, the command ends */
    prd(0, 0xf0000000, 1024, true);
    dma(0xc8, 0, 2, true);
    g_assert_cmphex(inb(CMD + 7), ==, 0x50);
    outb(BM, 0);
    /* the master may be started before the command */
    prd(0, 0x20000, 512, true);
    outb(BM + 2, 6);
    outb(BM, 9);
    command(0, 0xc8, 3, 1);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0x20000, 1), ==, 3);
    g_assert_cmphex(inb(BM + 2) & 5, ==, 4);
    teardown();
}

static void test_nien_srst(void)
{
    setup();
    outb(CTL, 2);
    command(0, 0xec, 0, 0);
    g_assert_cmpint(periph_irq[14], ==, 0);
    outb(CTL, 0); /* pending: shows as soon as enabled */
    g_assert_cmpint(periph_irq[14], ==, 1);
    outb(CTL, 4);
    g_assert_cmphex(inb(CTL) & 0x80, ==, 0x80);
    outb(CTL, 0);
    g_assert_cmpint(periph_irq[14], ==, 0);
    g_assert_cmphex(inb(CMD + 2), ==, 1);
    g_assert_cmphex(inb(CMD + 3), ==, 1);
    g_assert_cmphex(inb(CMD + 4), ==, 0);
    outb(0x376, 4);
    outb(0x376, 0);
    g_assert_cmphex(inb(0x174), ==, 0x14);
    g_assert_cmphex(inb(0x175), ==, 0xeb);
    teardown();
}

static void test_atapi(void)
{
    static const uint8_t inquiry[12] = {0x12, 0, 0, 0, 36}, tur[12] = {0}, sense[12] = {3, 0, 0, 0, 18},
                         read3[12] = {0x28, 0, 0, 0, 0, 3, 0, 0, 3}, capacity[12] = {0x25}, toc[12] = {0x43, 2, 0, 0, 0, 0, 0, 0, 20},
                         beyond[12] = {0x28, 0, 0, 0, 0, 99, 0, 0, 2}, bad[12] = {0xff};
    setup();
    command(1, 0xec, 0, 0);
    g_assert_cmphex(inb(0x177), ==, 0x51);
    g_assert_cmphex(inb(0x175), ==, 0xeb);
    command(1, 0xa1, 0, 0);
    g_assert_cmphex(inw(0x170), ==, 0x85c0);
    for (int i = 1; i < 256; i++)
        inw(0x170);
    packet(tur, 0, false);
    g_assert_cmphex(inb(0x177), ==, 0x50);
    g_assert_cmphex(inb(0x172), ==, 3);
    packet(inquiry, 36, false);
    g_assert_cmphex(inb(0x172), ==, 2);
    g_assert_cmphex(inb(0x174), ==, 36);
    g_assert_cmphex(inw(0x170), ==, 0x8005);
    for (int i = 2; i < 36; i += 2)
        inw(0x170);
    g_assert_cmphex(inb(0x172), ==, 3);
    packet(capacity, 8, false);
    g_assert_cmphex(inw(0x170), ==, 0);
    g_assert_cmphex(inw(0x170), ==, 99 << 8);
    inl(0x170);
    packet(read3, 2048, false);
    for (int s = 3; s < 6; s++) {
        g_assert_cmphex(inb(0x177), ==, 0x58);
        g_assert_cmphex(inb(0x175) << 8 | inb(0x174), ==, 2048);
        for (int i = 0; i < 2048; i += 2)
            g_assert_cmphex(inw(0x170) & 0xff, ==, (uint8_t)(7 + s * 4 + i / 512 + i));
    }
    g_assert_cmphex(inb(0x177), ==, 0x50);
    /* by DMA */
    prd(0, 0x50000, 6144, true);
    outl(BM + 12, 0x1000);
    outb(BM + 10, 6);
    packet(read3, 0, true);
    outb(BM + 8, 9);
    block_drain(NULL);
    g_assert_cmphex(inb(BM + 10) & 7, ==, 4);
    outb(BM + 8, 0);
    for (int i = 0; i < 6144; i++)
        g_assert_cmphex(physmem_ld(&address_space_memory, 0x50000 + i, 1), ==, (uint8_t)(7 + 12 + i / 512 + i));
    packet(toc, 20, false);
    g_assert_cmphex(inw(0x170), ==, 18 << 8);
    for (int i = 2; i < 20; i += 2)
        inw(0x170);
    packet(beyond, 2048, false);
    g_assert_cmphex(inb(0x177), ==, 0x41);
    g_assert_cmphex(inb(0x171) >> 4, ==, 5);
    packet(sense, 18, false);
    uint8_t b[18];
    for (int i = 0; i < 18; i += 2)
        stl16(b + i, inw(0x170));
    g_assert_cmphex(b[2], ==, 5);
    g_assert_cmphex(b[12], ==, 0x21);
    packet(bad, 0, false);
    g_assert_cmphex(inb(0x177), ==, 0x41);
    periph_check_state();
    teardown();
}

static void test_media_change(void)
{
    static const uint8_t tur[12] = {0}, lock[12] = {0x1e, 0, 0, 0, 1}, eject[12] = {0x1b, 0, 0, 0, 2};
    setup();
    Drive *d = drive_get(DRIVE_IDE, 1, 0);
    d->ops->media_changed(d->opaque, true);
    packet(tur, 0, false);
    g_assert_cmphex(inb(0x171) >> 4, ==, 6); /* unit attention, once */
    packet(tur, 0, false);
    g_assert_cmphex(inb(0x177), ==, 0x50);
    packet(lock, 0, false);
    g_assert_true(d->ops->is_locked(d->opaque));
    packet(eject, 0, false);
    g_assert_cmphex(inb(0x171) >> 4, ==, 5);
    g_assert_false(d->ops->is_tray_open(d->opaque));
    d->ops->media_changed(d->opaque, false);
    packet(tur, 0, false);
    g_assert_cmphex(inb(0x171) >> 4, ==, 2);
    teardown();
}

/* werror=stop: the drive stays busy until the request was sent again, then the command ends as if nothing had been;
 * with report it ends with an error. */
static void test_write_error(void)
{
    static const char rules[] = "[inject-error]\nevent = \"write_aio\"\nerrno = \"28\"\nonce = \"on\"\n";
    RunState why;
    for (int report = 0; report < 2; report++) {
        GError *err = NULL;
        setup();
        g_autofree char *file = g_strconcat(disk, ".rules", NULL), *name = g_strdup_printf("blkdebug:%s:%s", file, disk);
        g_assert_true(g_file_set_contents(file, rules, -1, NULL));
        Drive *d = drive_get(DRIVE_IDE, 0, 0);
        block_close(d->image);
        BlockOpenOpts o = {.filename = name, .format = "raw"};
        d->image = block_open(&o, &err);
        g_assert_no_error(err);
        g_assert_true(drive_set_actions(d, report ? "report" : "stop", NULL, &err));
        while (system_take_stop_request(&why))
            ;
        for (int i = 0; i < 512; i++)
            physmem_st(&address_space_memory, 0x40000 + i, 1, 0xc3);
        prd(0, 0x40000, 512, true);
        dma(0xca, 5, 1, false);
        if (report) {
            g_assert_cmphex(inb(CMD + 7) & 0x81, ==, 0x01);
            g_assert_cmphex(inb(CMD + 1), ==, 0x04); /* ABRT */
        } else {
            g_assert_true(system_take_stop_request(&why));
            g_assert_cmphex(inb(CMD + 0x206) & 0x80, ==, 0x80);
            g_assert_cmpint(periph_irq[14], ==, 0);
            g_assert_true(block_retry_all());
            block_drain(NULL);
            g_assert_cmpint(periph_irq[14], ==, 1);
            g_assert_cmphex(inb(CMD + 7), ==, 0x50);
            uint8_t buf[512];
            g_assert_cmpint(block_pread(d->image, 5 * 512, buf, 512), ==, 0);
            g_assert_cmphex(buf[511], ==, 0xc3);
        }
        unlink(file);
        teardown();
    }
}

/* What a drive is told to say of itself. */
static void test_identity(void)
{
    GError *err = NULL;
    setup();
    drive_new("if=none,id=ssd,driver=null-co,size=1M,read-zeroes=on", &err);
    g_assert_no_error(err);
    const IdeIdentity id = {"S2", "M2", "9.9", 0x5000c500a0000001, 1, 3};
    g_assert_true(ide_attach(ide, 1, 1, drive_find("ssd"), false, &id, &err));
    g_assert_no_error(err);
    outb(0x176, 0xb0);
    outb(0x177, 0xec);
    uint16_t w[256];
    for (int i = 0; i < 256; i++)
        w[i] = inw(0x170);
    g_assert_cmphex(w[10], ==, 'S' << 8 | '2');
    g_assert_cmphex(w[23], ==, '9' << 8 | '.');
    g_assert_cmphex(w[87] & 1 << 8, ==, 1 << 8); /* there is a world wide name */
    g_assert_cmphex(w[106], ==, 0x6003);         /* 8 logical sectors */
    g_assert_cmphex(w[108], ==, 0x5000);
    g_assert_cmphex(w[111], ==, 0x0001);
    g_assert_cmphex(w[217], ==, 1);
    teardown();
}

static void test_attach(void)
{
    GError *err = NULL;
    Drive *a, *b;
    setup();
    a = drive_new_empty(DRIVE_NONE, 0, 0, true);
    g_assert_false(ide_attach(ide, 0, 0, a, true, &(IdeIdentity){0}, &err)); /* taken */
    g_clear_error(&err);
    g_assert_true(ide_attach(ide, 1, -1, a, true, &(IdeIdentity){.serial = "S1"}, &err));
    g_assert_no_error(err);
    outb(0x176, 0xb0);
    g_assert_cmphex(inb(0x174), ==, 0x14);
    g_assert_false(ide_attach(ide, -1, -1, a, true, &(IdeIdentity){0}, &err)); /* in use */
    g_assert_nonnull(strstr(err->message, "in use"));
    g_clear_error(&err);
    b = drive_new_empty(DRIVE_NONE, 0, 1, true);
    g_assert_false(ide_attach(ide, -1, -1, b, false, &(IdeIdentity){0}, &err)); /* a disk without a medium */
    g_clear_error(&err);
    g_assert_false(ide_attach(ide, 2, 0, b, true, &(IdeIdentity){0}, &err));
    g_clear_error(&err);
    teardown();
}

/* A saved state in which a drive that is not there transfers data: nothing comes of it. */
static void test_state_of_absent_drive(void)
{
    static const unsigned phases[] = {PHASE_PIO_IN, PHASE_PIO_OUT, PHASE_DMA, PHASE_BUSY};
    setup();
    for (unsigned i = 0; i < ARRAY_SIZE(phases); i++) {
        g_autoptr(GByteArray) state = g_byte_array_new();
        GError *err = NULL;
        IdeDrive *absent = &((IdeController *)ide)->ch[0].drive[1];
        absent->phase = phases[i];
        absent->buf_len = absent->buf_end = 2;
        device_save_all(state);
        g_assert_true(device_load_all(state->data, state->len, &err));
        g_assert_no_error(err);
        outb(CMD + 6, 0xf0);
        prd(0, 0x2000, 512, true);
        outl(BM + 4, 0x1000);
        outb(BM, 9);
        g_assert_cmphex(inw(CMD), ==, 0);
        outw(CMD, 0x1234);
        outb(BM, 0);
        block_drain(NULL);
        g_assert_cmphex(inb(CTL), ==, 0);
    }
    teardown();
}

static void test_fuzz(void)
{
    static const uint16_t ports[] = {0x1f0, 0x1f1, 0x1f2, 0x1f3, 0x1f4, 0x1f5, 0x1f6, 0x1f7, 0x1f7, 0x3f6, 0x170, 0x171, 0x172, 0x173,
                                     0x174, 0x175, 0x176, 0x177, 0x177, 0x376, BM, BM + 2, BM + 4, BM + 8, BM + 10, BM + 12};
    setup();
    GRand *r = g_rand_new_with_seed(3);
    for (int i = 0; i < 400; i++) {
        outl(BM + 4, 0x1000);
        outl(BM + 12, 0x1000);
        for (int p = 0; p < 4; p++)
            prd(p, g_rand_int(r) & 0x1ffffff, g_rand_int(r), p == 3);
        static const uint8_t cmds[] = {0xc8, 0xca, 0x20, 0x30, 0xc4, 0xc5, 0x25, 0x35, 0x29, 0x39, 0xa0, 0xec, 0xef, 0xb0, 0xe7};
        int ch = g_rand_int_range(r, 0, 2);
        outb(ch ? 0x177 : 0x1f7, cmds[g_rand_int_range(r, 0, ARRAY_SIZE(cmds))]);
        outb(BM + 8 * ch, g_rand_int(r));
        if (g_rand_int_range(r, 0, 2))
            block_drain(NULL);
        for (int k = 0; k < 300; k++) {
            uint16_t port = ports[g_rand_int_range(r, 0, ARRAY_SIZE(ports))];
            if (g_rand_int_range(r, 0, 2))
                port = ch ? 0x170 : 0x1f0;
            if (g_rand_int_range(r, 0, 2))
                ioport_write(port, g_rand_int(r), 1 << g_rand_int_range(r, 0, 3));
            else
                ioport_read(port, 1 << g_rand_int_range(r, 0, 3));
        }
        outb(0x3f6, 0);
        outb(0x376, 0);
    }
    block_drain(NULL);
    periph_check_state();
    device_reset_all();
    g_assert_cmphex(inb(CTL), ==, 0x50);
    g_rand_free(r);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/ide/identify", test_identify);
    g_test_add_func("/hw/ide/identity", test_identity);
    g_test_add_func("/hw/ide/pio", test_pio);
    g_test_add_func("/hw/ide/dma", test_dma);
    g_test_add_func("/hw/ide/nien-and-soft-reset", test_nien_srst);
    g_test_add_func("/hw/ide/atapi", test_atapi);
    g_test_add_func("/hw/ide/media-change", test_media_change);
    g_test_add_func("/hw/ide/write-error", test_write_error);
    g_test_add_func("/hw/ide/attach", test_attach);
    g_test_add_func("/hw/ide/state-of-absent-drive", test_state_of_absent_drive);
    g_test_add_func("/hw/ide/fuzz", test_fuzz);
    return g_test_run();
}
