/* test-pflash.c - tests hw/block/pflash.c: the command set, what reaches the image, what a read-only one
 * refuses, random command streams. */
#include "tests/hw/periph.h"
#include "hw/block/pflash.h"

enum { SIZE = 64 * KiB };
static const hwaddr BASE = 0xfff00000;
static char *img;
static PflashState *flash;

static void setup(const char *opts)
{
    GError *err = NULL;
    Drive *d;

    periph_setup();
    img = periph_image(SIZE, 1);
    d = periph_drive(opts, img);
    flash = (PflashState *)device_new(&pflash_class, NULL);
    pflash_wire(flash, d, address_space_memory.root, BASE, "system.flash0");
    g_assert_true(device_realize(&flash->dev, &err));
    g_assert_no_error(err);
}

static void teardown(void)
{
    periph_teardown();
    unlink(img);
    g_free(img);
}

static uint8_t rd(uint32_t off) { return (uint8_t)physmem_ld(&address_space_memory, BASE + off, 1); }
static void wr(uint32_t off, uint8_t v) { physmem_st(&address_space_memory, BASE + off, 1, v); }

static uint8_t in_file(uint32_t off)
{
    g_autofree char *data = NULL;
    gsize len;
    g_assert_true(g_file_get_contents(img, &data, &len, NULL));
    g_assert_cmpuint(len, ==, SIZE);
    return (uint8_t)data[off];
}

static uint8_t initial(uint32_t off) { return (uint8_t)(1 + off / 512 + off % 512); }

static void test_array(void)
{
    setup("if=pflash,unit=0");
    for (uint32_t i = 0; i < SIZE; i += 777)
        g_assert_cmphex(rd(i), ==, initial(i));
    wr(5, 0xff); /* Read Array in array mode changes nothing */
    g_assert_cmphex(rd(5), ==, initial(5));
    periph_check_state();
    teardown();
}

/* How firmware finds out that this is flash, not RAM and not ROM. */
static void test_probe(void)
{
    setup("if=pflash,unit=0");
    wr(16, 0x50);
    g_assert_cmphex(rd(16), ==, initial(16));
    wr(16, 0x70);
    g_assert_cmphex(rd(16), ==, 0);
    g_assert_cmphex(rd(0x3000), ==, 0); /* every address gives the status now */
    wr(16, 0xff);
    g_assert_cmphex(rd(16), ==, initial(16));
    wr(0, 0x90);
    g_assert_cmphex(rd(0), ==, 0x89);
    g_assert_cmphex(rd(1), ==, 0x18);
    wr(0, 0x98);
    g_assert_cmphex(rd(0x10), ==, 'Q');
    g_assert_cmphex(rd(0x27), ==, 16);   /* 2^16 bytes */
    g_assert_cmphex(rd(0x2d), ==, SIZE / 4096 - 1);
    g_assert_cmphex(rd(0xffff), ==, 0);
    wr(0, 0xf0);
    g_assert_cmphex(rd(0), ==, initial(0));
    teardown();
}

static void test_program(void)
{
    setup("if=pflash,unit=0");
    wr(0x1234, 0x40);
    wr(0x1234, 0x5a);
    g_assert_cmphex(rd(0x1234), ==, 0x80); /* status: ready */
    g_assert_cmphex(in_file(0x1234), ==, 0x5a);
    g_assert_cmphex(in_file(0x1235), ==, initial(0x1235));
    wr(0x1235, 0x10); /* the next without Read Array between */
    wr(0x1235, 0xa5);
    wr(0x1235, 0xff);
    g_assert_cmphex(rd(0x1234), ==, 0x5a);
    g_assert_cmphex(rd(0x1235), ==, 0xa5);
    teardown();
}

static void test_erase(void)
{
    setup("if=pflash,unit=0");
    wr(0x2abc, 0x20);
    wr(0x2abc, 0xd0);
    g_assert_cmphex(rd(0), ==, 0x80);
    wr(0, 0xff);
    g_assert_cmphex(rd(0x1fff), ==, initial(0x1fff));
    g_assert_cmphex(rd(0x2000), ==, 0xff);
    g_assert_cmphex(rd(0x2fff), ==, 0xff);
    g_assert_cmphex(rd(0x3000), ==, initial(0x3000));
    g_assert_cmphex(in_file(0x2fff), ==, 0xff);
    wr(0, 0x20); /* anything but a confirmation is a sequence error */
    wr(0, 0x12);
    g_assert_cmphex(rd(0), ==, 0xb0);
    wr(0, 0x50);
    g_assert_cmphex(rd(0), ==, initial(0));
    teardown();
}

static void test_buffer(void)
{
    setup("if=pflash,unit=0");
    wr(0x1000, 0xe8);
    g_assert_cmphex(rd(0x1000) & 0x80, ==, 0x80);
    wr(0x1000, 3); /* four bytes */
    for (unsigned i = 0; i < 4; i++)
        wr(0x1100 + i, (uint8_t)(0xe0 + i));
    g_assert_cmphex(in_file(0x1100), ==, initial(0x1100));
    wr(0x1100, 0xd0);
    wr(0x1100, 0xff);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmphex(rd(0x1100 + i), ==, 0xe0 + i);
        g_assert_cmphex(in_file(0x1100 + i), ==, 0xe0 + i);
    }
    g_assert_cmphex(rd(0x10ff), ==, initial(0x10ff));
    g_assert_cmphex(rd(0x1104), ==, initial(0x1104));
    wr(0x1000, 0xe8);
    wr(0x1000, 1);
    wr(0x4000, 0x11); /* outside the block */
    g_assert_cmphex(rd(0), ==, 0x90);
    wr(0, 0xff);
    g_assert_cmphex(rd(0x4000), ==, initial(0x4000));
    teardown();
}

static void test_read_only(void)
{
    setup("if=pflash,unit=0,readonly=on");
    wr(0x1000, 0x40);
    wr(0x1000, 0x00);
    g_assert_cmphex(rd(0), ==, 0x92);
    wr(0, 0x50);
    wr(0, 0x20);
    wr(0, 0xd0);
    g_assert_cmphex(rd(0), ==, 0xa2);
    wr(0, 0xff);
    g_assert_cmphex(rd(0x1000), ==, initial(0x1000));
    g_assert_cmphex(in_file(0x1000), ==, initial(0x1000));
    teardown();
}

static void test_bad_size(void)
{
    GError *err = NULL;
    PflashState *s;

    periph_setup();
    img = periph_image(SIZE + 512, 1);
    s = (PflashState *)device_new(&pflash_class, NULL);
    pflash_wire(s, periph_drive("if=pflash,unit=1", img), address_space_memory.root, BASE, "system.flash1");
    g_assert_false(device_realize(&s->dev, &err));
    g_assert_nonnull(strstr(err->message, "66048 bytes; a multiple of 4 KiB up to 8 MiB"));
    g_error_free(err);
    teardown();
}

static void test_random(void)
{
    static const uint8_t cmds[] = {0xff, 0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x90, 0x98, 0xd0, 0xe8, 0xf0, 3, 0x80};

    setup("if=pflash,unit=0");
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t off = (uint32_t)g_test_rand_int_range(0, SIZE - 8);
        unsigned size = 1u << g_test_rand_int_range(0, 3);
        if (g_test_rand_int_range(0, 4))
            physmem_st(&address_space_memory, BASE + off, size,
                       cmds[g_test_rand_int_range(0, ARRAY_SIZE(cmds))] * (g_test_rand_bit() ? 1u : 0x01010101u));
        else
            physmem_ld(&address_space_memory, BASE + off, size);
        if (i % 4000 == 0)
            periph_check_state();
    }
    device_reset_all(); /* whatever command was under way */
    for (uint32_t i = 0; i < SIZE; i += 97)
        g_assert_cmphex(rd(i), ==, in_file(i));
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pflash/array", test_array);
    g_test_add_func("/pflash/probe", test_probe);
    g_test_add_func("/pflash/program", test_program);
    g_test_add_func("/pflash/erase", test_erase);
    g_test_add_func("/pflash/buffer", test_buffer);
    g_test_add_func("/pflash/read-only", test_read_only);
    g_test_add_func("/pflash/bad-size", test_bad_size);
    g_test_add_func("/pflash/random", test_random);
    return g_test_run();
}
