/* test-vga.c - tests hw/display: registers, planes, text and graphics painting, Bochs VBE, BARs. */
#include "tests/hw/display/vga-harness.h"

/* Registers of BIOS mode 3: 80x25, 9x16. */
static void mode3(void)
{
    static const uint8_t c[] = {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0,
                                0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff};
    outb(0x3c2, 0x67);
    seq(1, 0);
    seq(2, 3);
    seq(3, 0);
    seq(4, 2);
    crtc(0x11, 0);
    for (unsigned i = 0; i < sizeof c; i++)
        crtc(i, c[i]);
    gr(5, 0x10);
    gr(6, 0x0e);
    gr(8, 0xff);
    for (int i = 0; i < 16; i++)
        attr(i, i);
    attr(0x10, 0x0c);
    attr(0x12, 0x0f);
    attr(0x13, 8);
    for (int i = 0; i < 16; i++)
        dac(i, i & 4 ? 0x2a : 0, i & 2 ? 0x2a : 0, i & 1 ? 0x2a : 0);
    dac(15, 0x3f, 0x3f, 0x3f);
}

static void load_glyph(uint8_t ch, uint8_t bits)
{
    seq(2, 4);
    seq(4, 6);
    gr(5, 0);
    gr(6, 4);
    for (int i = 0; i < 16; i++)
        st8(0xa0000 + ch * 32 + i, bits);
    seq(2, 3);
    seq(4, 2);
    gr(5, 0x10);
    gr(6, 0x0e);
}

static void test_text(void)
{
    setup();
    console_update();
    g_assert_cmpint(console_surface()->width, ==, 720); /* before any mode: blank, of the usual size */
    g_assert_cmphex(pixel(0, 0), ==, 0);
    mode3();
    load_glyph('A', 0x81);
    load_glyph(0xcd, 0x01);
    load_glyph(' ', 0);
    for (int i = 0; i < 80 * 25; i++) {
        st8(0xb8000 + 2 * i, ' ');
        st8(0xb8000 + 2 * i + 1, 0x1f);
    }
    crtc(0x0a, 0x20); /* no cursor */
    physmem_st(&address_space_memory, 0xb8000 + 2 * 81, 2, 0x1f41);
    physmem_st(&address_space_memory, 0xb8000 + 2 * 82, 2, 0x1fcd);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xb8000 + 2 * 81, 2), ==, 0x1f41);
    console_update();
    g_assert_cmpint(console_surface()->width, ==, 720);
    g_assert_cmpint(console_surface()->height, ==, 400);
    g_assert_cmphex(pixel(0, 0), ==, 0x0000aa);     /* white on blue, from the DAC */
    g_assert_cmphex(pixel(9, 16), ==, 0xffffff);
    g_assert_cmphex(pixel(10, 16), ==, 0x0000aa);
    g_assert_cmphex(pixel(16, 31), ==, 0xffffff);
    g_assert_cmphex(pixel(17, 16), ==, 0x0000aa);   /* ninth dot: background for letters ... */
    g_assert_cmphex(pixel(18 + 8, 16), ==, 0xffffff); /* ... repeated for line drawing */
    /* start address: scroll by one row */
    crtc(0x0d, 80);
    console_update();
    g_assert_cmphex(pixel(9, 0), ==, 0xffffff);
    /* cursor in row 0 column 3 */
    crtc(0x0a, 0x0d);
    crtc(0x0f, 83);
    console_update();
    g_assert_cmphex(pixel(27, 13), ==, 0xffffff);
    g_assert_cmphex(pixel(27, 12), ==, 0x0000aa);
    periph_check_state();
    teardown();
}

static void test_write_modes(void)
{
    setup();
    outb(0x3c2, 0x67);
    seq(2, 15);
    seq(4, 6);
    gr(5, 0);
    gr(6, 5);
    gr(8, 0xff);
    st8(0xa0010, 0x5a);
    for (int p = 0; p < 4; p++) {
        gr(4, p);
        g_assert_cmphex(ld8(0xa0010), ==, 0x5a);
    }
    /* set/reset on planes 0 and 1, bit mask keeps the rest from the latch */
    gr(0, 0x01);
    gr(1, 0x03);
    gr(8, 0x0f);
    ld8(0xa0010);
    st8(0xa0010, 0xff);
    gr(4, 0);
    g_assert_cmphex(ld8(0xa0010), ==, 0x5f);
    gr(4, 1);
    g_assert_cmphex(ld8(0xa0010), ==, 0x50);
    gr(4, 2);
    g_assert_cmphex(ld8(0xa0010), ==, 0x5f);
    /* mode 1: latch copy; mode 2: colour in the low bits */
    gr(5, 1);
    ld8(0xa0010);
    st8(0xa0020, 0);
    gr(4, 1);
    g_assert_cmphex(ld8(0xa0020), ==, 0x50);
    gr(5, 2);
    gr(8, 0xff);
    st8(0xa0030, 0x06);
    gr(4, 1);
    g_assert_cmphex(ld8(0xa0030), ==, 0xff);
    gr(4, 3);
    g_assert_cmphex(ld8(0xa0030), ==, 0x00);
    /* read mode 1: colour compare */
    gr(5, 8);
    gr(2, 6);
    gr(7, 15);
    g_assert_cmphex(ld8(0xa0030), ==, 0xff);
    gr(2, 7);
    g_assert_cmphex(ld8(0xa0030), ==, 0x00);
    gr(7, 14);
    g_assert_cmphex(ld8(0xa0030), ==, 0xff);
    /* xor with rotate, write mode 0 */
    gr(1, 0);
    gr(5, 0);
    gr(3, 0x18 | 4);
    ld8(0xa0030);
    st8(0xa0030, 0x0f);
    gr(4, 1);
    g_assert_cmphex(ld8(0xa0030), ==, 0x0f);
    teardown();
}

static void test_mode13(void)
{
    setup();
    mode3();
    seq(1, 1);
    seq(2, 15);
    seq(4, 14);
    crtc(9, 0x41);
    crtc(0x14, 0x40);
    crtc(0x17, 0xa3);
    gr(5, 0x40);
    gr(6, 5);
    attr(0x10, 0x41);
    attr(0x13, 0);
    dac(200, 0x3f, 0, 0);
    console_update();
    st8(0xa0000 + 320 * 10 + 5, 200);
    console_update();
    g_assert_cmpint(console_surface()->width, ==, 640);
    g_assert_cmpint(console_surface()->height, ==, 400);
    g_assert_cmphex(pixel(10, 20), ==, 0xff0000);
    g_assert_cmphex(pixel(11, 21), ==, 0xff0000);
    g_assert_cmphex(pixel(12, 20), ==, 0);
    g_assert_cmphex(pixel(10, 22), ==, 0);
    /* chain-4 is the same memory as the linear aperture */
    g_assert_cmphex(ld8(BAR0 + 320 * 10 + 5), ==, 200);
    /* one plane only: the byte-wise path */
    seq(2, 2);
    st8(0xa0000, 7);
    st8(0xa0001, 7);
    g_assert_cmphex(ld8(BAR0), ==, 0);
    g_assert_cmphex(ld8(BAR0 + 1), ==, 7);
    teardown();
}

static void test_vbe(void)
{
    setup();
    outw(0x1ce, 0);
    g_assert_cmphex(inw(0x1cf), ==, 0xb0c5);
    g_assert_cmphex(inw(0x1d0), ==, 0xb0c5);
    outw(0x1ce, 10);
    g_assert_cmpuint(inw(0x1cf), ==, 256);
    attr(0, 0);
    vbe(1, 1024);
    vbe(2, 768);
    vbe(3, 32);
    vbe(4, 0x41);
    console_update();
    g_assert_cmpint(console_surface()->width, ==, 1024);
    physmem_st(&address_space_memory, BAR0 + (100 * 1024 + 50) * 4, 4, 0x00123456);
    console_update();
    g_assert_cmphex(pixel(50, 100), ==, 0x123456);
    vbe(9, 100);
    console_update();
    g_assert_cmphex(pixel(50, 0), ==, 0x123456);
    /* 16 bpp by the registers in BAR2 */
    physmem_st(&address_space_memory, BAR2 + 0x508, 2, 0);
    physmem_st(&address_space_memory, BAR2 + 0x502, 2, 640);
    physmem_st(&address_space_memory, BAR2 + 0x504, 2, 480);
    physmem_st(&address_space_memory, BAR2 + 0x506, 2, 16);
    physmem_st(&address_space_memory, BAR2 + 0x508, 2, 0x41);
    physmem_st(&address_space_memory, BAR0 + 2 * 641, 2, 0xf81f);
    console_update();
    g_assert_cmpint(console_surface()->width, ==, 640);
    g_assert_cmphex(pixel(1, 1), ==, 0xff00ff);
    /* a mode that does not fit is refused */
    vbe(4, 0);
    vbe(1, 4096);
    vbe(2, 4096);
    vbe(3, 32);
    vbe(4, 0x41);
    outw(0x1ce, 4);
    g_assert_cmphex(inw(0x1cf) & 1, ==, 0);
    /* EDID: header, checksum */
    uint8_t sum = 0;
    for (int i = 0; i < 128; i++)
        sum += ld8(BAR2 + i);
    g_assert_cmpuint(sum, ==, 0);
    g_assert_cmphex(ld8(BAR2 + 1), ==, 0xff);
    g_assert_cmphex(physmem_ld(&address_space_memory, BAR2 + 0x604, 4), ==, 0x1e1e1e1e);
    periph_check_state();
    teardown();
}

static void test_bank(void)
{
    setup();
    outb(0x3c2, 0x67);
    vbe(1, 800);
    vbe(2, 600);
    vbe(3, 8);
    vbe(4, 1);
    seq(2, 15);
    seq(4, 14);
    gr(6, 5);
    vbe(5, 3);
    st8(0xa0010, 0x77);
    g_assert_cmphex(ld8(BAR0 + 0x30010), ==, 0x77);
    vbe(5, 0xffff); /* clamped */
    st8(0xa0000, 1);
    vbe(4, 0);
    teardown();
}

/* GRUB as firmware leaves the miscellaneous register's RAM bit clear and writes text all the same. */
static void test_ram_bit(void)
{
    setup();
    mode3();
    outb(0x3c2, 0x01);
    st8(0xb8000, 'G');
    g_assert_cmphex(ld8(0xb8000), ==, 'G');
    teardown();
}

static void test_retrace(void)
{
    int edges = 0, last = 0;
    setup();
    mode3();
    for (int i = 0; i < 100000; i++) {
        clock_test_step(1000);
        int now = inb(0x3da) & 8;
        edges += now && !last;
        last = now;
    }
    g_assert_cmpint(edges, >=, 6); /* 100 ms at 70 Hz */
    g_assert_cmpint(edges, <=, 8);
    teardown();
}

static void test_fuzz(void)
{
    static uint16_t ports[0x30 + 4];
    setup();
    for (int i = 0; i < 0x30; i++)
        ports[i] = 0x3b0 + i;
    for (int i = 0; i < 4; i++)
        ports[0x30 + i] = 0x1ce + i;
    GRand *r = g_rand_new_with_seed(11);
    for (int round = 0; round < 150; round++) {
        periph_fuzz(ports, ARRAY_SIZE(ports), 300);
        for (int i = 0; i < 11; i++)
            vbe(g_rand_int_range(r, 1, 10), g_rand_int(r) & (i & 1 ? 0x3ff : 0xffff));
        outw(0x1ce, 3);
        static const uint8_t bpps[] = {4, 8, 15, 16, 24, 32};
        vbe(4, 0);
        vbe(1, g_rand_int(r) & 0x7ff);
        vbe(2, g_rand_int(r) & 0x7ff);
        vbe(3, bpps[g_rand_int_range(r, 0, 6)]);
        vbe(4, round & 1 ? g_rand_int(r) | 1 : 0);
        for (int i = 0; i < 0x19; i++)
            if (!(round & 2))
                crtc(i, g_rand_int(r));
        for (int i = 0; i < 3; i++)
            vbe(g_rand_int_range(r, 5, 10), g_rand_int(r) & (i ? 0xfff : 0xffff));
        for (int i = 0; i < 20; i++)
            attr(i, g_rand_int(r));
        for (int i = 0; i < 200; i++) {
            hwaddr a = 0xa0000 + (g_rand_int(r) & 0x1ffff);
            st8(a, g_rand_int(r));
            ld8(a);
        }
        console_update();
    }
    g_rand_free(r);
    periph_check_state();
    device_reset_all();
    console_update();
    g_assert_cmpint(console_surface()->width, ==, 720);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/vga/text", test_text);
    g_test_add_func("/hw/vga/write-modes", test_write_modes);
    g_test_add_func("/hw/vga/mode-13h", test_mode13);
    g_test_add_func("/hw/vga/vbe", test_vbe);
    g_test_add_func("/hw/vga/bank", test_bank);
    g_test_add_func("/hw/vga/ram-bit", test_ram_bit);
    g_test_add_func("/hw/vga/retrace", test_retrace);
    g_test_add_func("/hw/vga/fuzz", test_fuzz);
    return g_test_run();
}
