/* test-vga-modes.c - every BIOS mode, mode X and the Bochs modes: a program's view (CPU address of a pixel, as the
 * mode's documentation gives it) against the picture; then what moves the picture: start, panning, split, fonts,
 * blink, masks. The registers are those of IBM's parameter table. Expected values are computed here. */
#include "tests/hw/display/vga-harness.h"
#include "hw/display/edid.h"

typedef enum Layout { TEXT, CGA4, CGA2, PLANES, MONO_PLANES, LINEAR } Layout;
typedef struct Mode {
    const char *name;
    Layout layout;
    int width, height, scale_x, scale_y; /* of the program's pixels */
    uint8_t misc, seq[5], crtc[25], gr[9], attr_mode, planes, pan;
} Mode;

#define SEQ(...) {3, __VA_ARGS__}
#define GR(mode, misc, dc) {0, 0, 0, 0, 0, mode, misc, dc, 0xff}
static const Mode modes[] = {
    {"00h", TEXT, 40, 25, 18, 16, 0x67, SEQ(8, 3, 0, 2),
     {0x2d, 0x27, 0x28, 0x90, 0x2b, 0xa0, 0xbf, 0x1f, 0, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x14, 0x1f, 0x96, 0xb9, 0xa3, 0xff},
     GR(0x10, 0x0e, 0), 0x0c, 15, 8},
    {"03h", TEXT, 80, 25, 9, 16, 0x67, SEQ(0, 3, 0, 2),
     {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff},
     GR(0x10, 0x0e, 0), 0x0c, 15, 8},
    {"03h, 50 lines", TEXT, 80, 50, 9, 8, 0x67, SEQ(0, 3, 0, 2),
     {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0, 0x47, 6, 7, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff},
     GR(0x10, 0x0e, 0), 0x0c, 15, 8},
    {"07h", TEXT, 80, 25, 9, 16, 0x66, SEQ(0, 3, 0, 2),
     {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x0f, 0x96, 0xb9, 0xa3, 0xff},
     GR(0x10, 0x0a, 0), 0x0e, 15, 8},
    {"04h", CGA4, 320, 200, 2, 2, 0x63, SEQ(9, 3, 0, 2),
     {0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0, 0xc1, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x14, 0, 0x96, 0xb9, 0xa2, 0xff},
     GR(0x30, 0x0f, 0), 1, 3, 0},
    {"06h", CGA2, 640, 200, 1, 2, 0x63, SEQ(1, 1, 0, 6),
     {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0xc1, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0, 0x96, 0xb9, 0xc2, 0xff},
     GR(0, 0x0d, 0), 1, 1, 0},
    {"0Dh", PLANES, 320, 200, 2, 2, 0x63, SEQ(9, 15, 0, 6),
     {0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x14, 0, 0x96, 0xb9, 0xe3, 0xff},
     GR(0, 5, 15), 1, 15, 0},
    {"0Eh", PLANES, 640, 200, 1, 2, 0x63, SEQ(1, 15, 0, 6),
     {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0, 0x96, 0xb9, 0xe3, 0xff},
     GR(0, 5, 15), 1, 15, 0},
    {"0Fh", MONO_PLANES, 640, 350, 1, 1, 0xa2, SEQ(1, 15, 0, 6),
     {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x40, 0, 0, 0, 0, 0, 0, 0x83, 0x85, 0x5d, 0x28, 0x0f, 0x63, 0xba, 0xe3, 0xff},
     GR(0, 5, 5), 0x0b, 5, 0},
    {"10h", PLANES, 640, 350, 1, 1, 0xa3, SEQ(1, 15, 0, 6),
     {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x40, 0, 0, 0, 0, 0, 0, 0x83, 0x85, 0x5d, 0x28, 0x0f, 0x63, 0xba, 0xe3, 0xff},
     GR(0, 5, 15), 1, 15, 0},
    {"12h", PLANES, 640, 480, 1, 1, 0xe3, SEQ(1, 15, 0, 6),
     {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xea, 0x8c, 0xdf, 0x28, 0, 0xe7, 4, 0xe3, 0xff},
     GR(0, 5, 15), 1, 15, 0},
    {"13h", LINEAR, 320, 200, 2, 2, 0x63, SEQ(1, 15, 0, 14),
     {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x41, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff},
     GR(0x40, 5, 15), 0x41, 15, 0},
    {"X (320x240)", LINEAR, 320, 240, 2, 2, 0xe3, SEQ(1, 15, 0, 6),
     {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0d, 0x3e, 0, 0x41, 0, 0, 0, 0, 0, 0, 0xea, 0xac, 0xdf, 0x28, 0, 0xe7, 6, 0xe3, 0xff},
     GR(0x40, 5, 15), 0x41, 15, 0},
    {"X (360x480)", LINEAR, 360, 480, 2, 1, 0xe7, SEQ(1, 15, 0, 6),
     {0x6b, 0x59, 0x5a, 0x8e, 0x5e, 0x8a, 0x0d, 0x3e, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xea, 0xac, 0xdf, 0x2d, 0, 0xe7, 6, 0xe3, 0xff},
     GR(0x40, 5, 15), 0x41, 15, 0},
};

static const Mode *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
        if (!strcmp(modes[i].name, name))
            return &modes[i];
    g_assert_not_reached();
}

/* The DAC gets colours that are all different. */
static uint32_t color(unsigned i)
{
    unsigned r = i & 0x3f, g = (i * 7 + 5) & 0x3f, b = i >> 2;
    return (r << 2 | r >> 4) << 16 | (g << 2 | g >> 4) << 8 | (b << 2 | b >> 4);
}

static unsigned crtc_port(const Mode *m) { return m->misc & 1 ? 0x3d4 : 0x3b4; }
static void crt(const Mode *m, uint8_t i, uint8_t v) { outw(crtc_port(m), i | v << 8); }
static void att(const Mode *m, uint8_t i, uint8_t v)
{
    inb(crtc_port(m) + 6);
    outb(0x3c0, i);
    outb(0x3c0, v);
    outb(0x3c0, 0x20);
}

static void set_mode(const Mode *m)
{
    outb(0x3c2, m->misc);
    for (int i = 0; i < 5; i++)
        seq(i, m->seq[i]);
    crt(m, 0x11, 0);
    for (int i = 0; i < 25; i++)
        crt(m, i, m->crtc[i]);
    for (int i = 0; i < 9; i++)
        gr(i, m->gr[i]);
    for (int i = 0; i < 16; i++)
        att(m, i, i);
    att(m, 0x10, m->attr_mode);
    att(m, 0x12, m->planes);
    att(m, 0x13, m->pan);
    att(m, 0x14, 0);
    for (int i = 0; i < 256; i++)
        dac(i, i & 0x3f, (i * 7 + 5) & 0x3f, i >> 2);
}

/* A program paints a pixel. */
static void put(const Mode *m, int x, int y, unsigned c)
{
    hwaddr a;
    switch (m->layout) {
    case CGA4:
        a = 0xb8000 + (y & 1) * 0x2000 + (y >> 1) * 80 + x / 4;
        st8(a, (ld8(a) & ~(0xc0 >> x % 4 * 2)) | (c & 3) << (3 - x % 4) * 2);
        break;
    case CGA2:
        a = 0xb8000 + (y & 1) * 0x2000 + (y >> 1) * 80 + x / 8;
        st8(a, (ld8(a) & ~(0x80 >> x % 8)) | (c & 1) << (7 - x % 8));
        break;
    case PLANES: /* write mode 2 with the bit mask, as BIOSes do */
    case MONO_PLANES:
        a = 0xa0000 + y * (m->width / 8) + x / 8;
        gr(5, 2);
        gr(8, 0x80 >> x % 8);
        ld8(a);
        st8(a, c);
        gr(8, 0xff);
        gr(5, m->gr[5]);
        break;
    case LINEAR:
        if (m->seq[4] & 8) {
            st8(0xa0000 + y * m->width + x, c);
        } else {
            seq(2, 1 << (x & 3));
            st8(0xa0000 + y * (m->width / 4) + x / 4, c);
        }
        break;
    case TEXT:
        g_assert_not_reached();
    }
}

static unsigned shown(const Mode *m, unsigned c)
{
    return c & (m->layout == CGA4 ? 3 : m->layout == CGA2 ? 1 : m->layout == LINEAR ? 255 : m->layout == MONO_PLANES ? 5 : 15);
}

static void graphics_mode(const Mode *m)
{
    GRand *r = g_rand_new_with_seed(5);
    g_autofree uint8_t *want = g_malloc0((gsize)m->width * m->height);

    setup();
    set_mode(m);
    console_update();
    for (int i = 0; i < 4000; i++) { /* corners, then anywhere */
        int x = i & 1 ? g_rand_int_range(r, 0, m->width) : i & 2 ? m->width - 1 - i % 16 : i % 16;
        int y = i & 1 ? g_rand_int_range(r, 0, m->height) : i & 4 ? m->height - 1 : 0;
        want[y * m->width + x] = g_rand_int(r);
        put(m, x, y, want[y * m->width + x]);
        if (i % 1000 == 7)
            console_update(); /* the rest comes by dirty lines */
    }
    console_update();
    g_assert_cmpint(console_surface()->width, ==, m->width * m->scale_x);
    g_assert_cmpint(console_surface()->height, ==, m->height * m->scale_y);
    for (int y = 0; y < m->height * m->scale_y; y++)
        for (int x = 0; x < m->width * m->scale_x; x++)
            g_assert_cmphex(pixel(x, y), ==, color(shown(m, want[y / m->scale_y * m->width + x / m->scale_x])));
    g_rand_free(r);
    teardown();
}

/* ---- text ---- */

static uint8_t glyph(unsigned bank, unsigned ch, unsigned row) { return (uint8_t)(ch * 37 + row * 101 + bank * 59 + 1); }

static void load_fonts(const Mode *m)
{
    static const uint16_t at[8] = {0x0000, 0x4000, 0x8000, 0xc000, 0x2000, 0x6000, 0xa000, 0xe000};
    seq(2, 4);
    seq(4, 6);
    gr(5, 0);
    gr(6, 4);
    for (unsigned bank = 0; bank < 8; bank++)
        for (unsigned ch = 0; ch < 256; ch++)
            for (unsigned row = 0; row < 32; row++)
                st8(0xa0000 + at[bank] + ch * 32 + row, glyph(bank, ch, row));
    seq(2, m->seq[2]);
    seq(4, m->seq[4]);
    gr(5, m->gr[5]);
    gr(6, m->gr[6]);
}

typedef struct Text {
    const Mode *m;
    uint8_t cells[0x8000];
    unsigned bank_a, bank_b, start;
    bool blink_off, dots8;
    int pan, split; /* split: first line of the second screen */
} Text;

/* One dot of the picture by the documentation. */
static uint32_t text_dot(const Text *t, int x, int y)
{
    const Mode *m = t->m;
    int half = m->seq[1] & 8 ? 2 : 1, w = t->dots8 ? 8 : 9;
    unsigned start = t->start;
    int dx = x / half + t->pan, ch_w = w;
    if (y >= t->split) {
        y -= t->split;
        start = 0;
    }
    unsigned cell = start + (unsigned)(y / m->scale_y * m->width + dx / ch_w);
    unsigned ch = t->cells[cell * 2 & 0x7fff], at = t->cells[(cell * 2 + 1) & 0x7fff];
    unsigned row = (unsigned)(y % m->scale_y), dot = (unsigned)(dx % ch_w);
    unsigned bits = glyph(at & 8 ? t->bank_a : t->bank_b, ch, row);
    bool on;
    if (dot == 8)
        on = (m->attr_mode & 4) && ch >= 0xc0 && ch <= 0xdf && (bits & 1);
    else
        on = bits & 0x80 >> dot;
    if (m->attr_mode & 8) {
        if ((at & 0x80) && t->blink_off)
            on = false;
        if ((m->attr_mode & 2) && (at & 7) == 1 && row == (m->crtc[0x14] & 0x1f))
            on = true;
        return color(on ? at & 15 : at >> 4 & 7);
    }
    if ((m->attr_mode & 2) && (at & 7) == 1 && row == (m->crtc[0x14] & 0x1f))
        on = true;
    return color(on ? at & 15 : at >> 4);
}

static void check_text(const Text *t)
{
    int w = t->m->width * (t->dots8 ? 8 : 9) * (t->m->seq[1] & 8 ? 2 : 1), h = t->m->height * t->m->scale_y;
    console_update();
    g_assert_cmpint(console_surface()->width, ==, w);
    g_assert_cmpint(console_surface()->height, ==, h);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            if (pixel(x, y) != text_dot(t, x, y)) {
                g_test_message("mode %s, dot %d,%d: %06x, not %06x", t->m->name, x, y, pixel(x, y), text_dot(t, x, y));
                g_test_fail();
                return;
            }
}

static void fill_text(Text *t)
{
    hwaddr base = t->m->gr[6] & 4 ? 0xb8000 : 0xb0000;
    GRand *r = g_rand_new_with_seed(9);
    for (int i = 0; i < 0x8000; i++) {
        t->cells[i] = g_rand_int(r);
        st8(base + i, t->cells[i]);
        if (i % 997 == 0)
            g_assert_cmphex(ld8(base + i), ==, t->cells[i]);
    }
    g_rand_free(r);
}

static void text_mode(const Mode *m)
{
    Text *t = g_new0(Text, 1);
    t->m = m;
    t->split = INT_MAX;
    setup();
    set_mode(m);
    if (m->gr[6] == 0x0a)
        t->m = m; /* b0000 */
    load_fonts(m);
    crt(m, 0x0a, 0x20); /* no cursor */
    gr(6, (m->gr[6] & ~0x0c) | (m->misc & 1 ? 0x0c : 0x08));
    fill_text(t);
    check_text(t);
    /* two fonts, chosen by the attribute's bit 3 */
    seq(3, 0x06); /* A: map 1, B: map 2 */
    t->bank_a = 1;
    t->bank_b = 2;
    check_text(t);
    seq(3, 0x39); /* A: 2 + 4, B: 1 + 4 */
    t->bank_a = 6;
    t->bank_b = 5;
    check_text(t);
    seq(3, 0);
    t->bank_a = t->bank_b = 0;
    /* start address and panning */
    t->start = 0x123;
    crt(m, 0x0c, 1);
    crt(m, 0x0d, 0x23);
    t->pan = 3;
    att(m, 0x13, 2);
    check_text(t);
    /* split screen: below it from address 0, panned as well */
    t->split = 112;
    crt(m, 0x07, m->crtc[7] & ~0x10);
    crt(m, 0x09, m->crtc[9] & ~0x40);
    crt(m, 0x18, 111);
    check_text(t);
    crt(m, 0x18, 0xff);
    crt(m, 0x07, m->crtc[7]);
    crt(m, 0x09, m->crtc[9]);
    t->split = INT_MAX;
    t->pan = 0;
    att(m, 0x13, 8);
    /* eight dots */
    seq(1, m->seq[1] | 1);
    att(m, 0x13, 0);
    t->dots8 = true;
    check_text(t);
    /* the other half of the blink period */
    clock_test_step(32 * 14285714LL);
    t->blink_off = true;
    check_text(t);
    clock_test_step(32 * 14285714LL); /* the clock goes on from test to test */
    g_free(t);
    teardown();
}

static void test_all(gconstpointer data)
{
    const Mode *m = data;
    if (m->layout == TEXT)
        text_mode(m);
    else
        graphics_mode(m);
}

/* ---- what moves a graphics picture ---- */

static void test_scroll(void)
{
    const Mode *m = find("0Dh");
    uint8_t want[400][640];
    GRand *r = g_rand_new_with_seed(3);

    setup();
    set_mode(m);
    crt(m, 0x13, 0x28); /* a virtual screen 640 wide */
    memset(want, 0, sizeof want);
    for (int y = 0; y < 400; y++) {
        for (int x = 0; x < 640; x += 8) {
            uint8_t b[4];
            for (int p = 0; p < 4; p++) {
                b[p] = g_rand_int(r);
                seq(2, 1 << p);
                st8(0xa0000 + y * 80 + x / 8, b[p]);
            }
            for (int i = 0; i < 8; i++)
                for (int p = 0; p < 4; p++)
                    want[y][x + i] |= (b[p] >> (7 - i) & 1) << p;
        }
    }
    /* smooth scrolling: start, pixels; line compare at scan line 299 splits; the lower part begins at 0 */
    crt(m, 0x0c, (100 * 80 + 10) >> 8);
    crt(m, 0x0d, (100 * 80 + 10) & 0xff);
    att(m, 0x13, 5);
    crt(m, 0x07, 0x1f & ~0x10);
    crt(m, 0x07, 0x1f); /* bit 8 of 299 is set */
    crt(m, 0x09, 0x80);
    crt(m, 0x18, 299 & 0xff);
    for (int pan_split = 0; pan_split < 2; pan_split++) {
        att(m, 0x10, pan_split ? 0x21 : 0x01);
        crt(m, 0x08, pan_split ? 0x20 : 0); /* byte panning: eight more */
        console_update();
        for (int y = 0; y < 400; y++) {
            for (int x = 0; x < 640; x++) {
                int sx = x / 2 + 80 + 5 + (pan_split ? 8 : 0), sy = 100 + y / 2;
                if (y > 299) {
                    sx = x / 2 + (pan_split ? 0 : 5);
                    sy = (y - 300) / 2;
                }
                g_assert_cmphex(pixel(x, y), ==, color(want[sy][sx]));
            }
        }
    }
    g_rand_free(r);
    teardown();
}

static void test_colors(void)
{
    const Mode *m = find("13h"), *p = find("12h");
    setup();
    set_mode(m);
    put(m, 10, 10, 0xa5);
    console_update();
    g_assert_cmphex(pixel(20, 20), ==, color(0xa5));
    outb(0x3c6, 0x0f); /* the DAC's mask */
    console_update();
    g_assert_cmphex(pixel(20, 20), ==, color(0x05));
    outb(0x3c6, 0xff);
    outb(0x3c7, 0xa5); /* reading the DAC */
    g_assert_cmphex(inb(0x3c9), ==, 0xa5 & 0x3f);
    g_assert_cmphex(inb(0x3c9), ==, (0xa5 * 7 + 5) & 0x3f);
    g_assert_cmphex(inb(0x3c9), ==, 0xa5 >> 2);
    g_assert_cmphex(inb(0x3c7), ==, 3);
    /* 16 colours: palette, colour select, P5-P4 */
    set_mode(p);
    put(p, 5, 5, 9);
    att(p, 9, 0x2b);
    console_update();
    g_assert_cmphex(pixel(5, 5), ==, color(0x2b));
    att(p, 0x14, 0x0c);
    console_update();
    g_assert_cmphex(pixel(5, 5), ==, color(0xeb));
    att(p, 0x10, 0x81);
    att(p, 0x14, 0x05);
    console_update();
    g_assert_cmphex(pixel(5, 5), ==, color(0x5b));
    att(p, 0x10, 1);
    att(p, 0x14, 0);
    att(p, 0x12, 1); /* plane enable */
    console_update();
    g_assert_cmphex(pixel(5, 5), ==, color(1));
    /* the screen off: by the sequencer, by the attribute index */
    seq(1, 0x21);
    console_update();
    g_assert_cmphex(pixel(5, 5), ==, 0);
    seq(1, 1);
    console_update();
    g_assert_cmphex(pixel(5, 5), ==, color(1));
    inb(0x3da);
    outb(0x3c0, 0);
    console_update();
    g_assert_cmphex(pixel(5, 5), ==, 0);
    teardown();
}

static void test_cursor(void)
{
    const Mode *m = find("03h");
    setup();
    set_mode(m);
    for (int i = 0; i < 4000; i++) {
        st8(0xb8000 + 2 * i, 0);
        st8(0xb8000 + 2 * i + 1, 0x1e);
    }
    crt(m, 0x0e, 0);
    crt(m, 0x0f, 85); /* row 1, column 5 */
    for (int start = 0; start < 16; start += 3) {
        for (int end = 0; end < 16; end += 5) {
            crt(m, 0x0a, start);
            crt(m, 0x0b, end);
            console_update();
            for (int y = 0; y < 16; y++)
                for (int x = 0; x < 9; x++)
                    g_assert_cmphex(pixel(45 + x, 16 + y), ==, color(y >= start && y <= end ? 14 : 1));
        }
    }
    crt(m, 0x0a, 0x20); /* off */
    console_update();
    g_assert_cmphex(pixel(45, 16), ==, color(1));
    crt(m, 0x0a, 0);
    crt(m, 0x0b, 15);
    console_update();
    g_assert_cmphex(pixel(45, 16), ==, color(14));
    clock_test_step(16 * 14285714LL); /* 16 frames of 70 Hz later it is dark */
    console_update();
    g_assert_cmphex(pixel(45, 16), ==, color(1));
    clock_test_step(48 * 14285714LL); /* whole periods for the next test */
    teardown();
}

/* ---- write and read modes against a model that works bit by bit ---- */

static uint8_t model[4][256], latch[4];

static unsigned plane_bit(uint8_t v, int p) { return v >> p & 1; }

static void model_write(const uint8_t g[9], uint8_t map, unsigned a, uint8_t val)
{
    unsigned rot = g[3] & 7;
    for (int p = 0; p < 4; p++) {
        uint8_t out = 0;
        for (int b = 0; b < 8; b++) {
            unsigned l = latch[p] >> b & 1, d, rotated = val >> ((b + rot) & 7) & 1, mask = g[8] >> b & 1;
            switch (g[5] & 3) {
            case 0:
                d = plane_bit(g[1], p) ? plane_bit(g[0], p) : rotated;
                break;
            case 1:
                d = l;
                break;
            case 2:
                d = plane_bit(val, p);
                break;
            default:
                d = plane_bit(g[0], p);
                mask &= rotated;
                break;
            }
            if ((g[5] & 3) != 1) {
                unsigned f = g[3] >> 3 & 3;
                d = f == 1 ? d & l : f == 2 ? d | l : f == 3 ? d ^ l : d;
                d = mask ? d : l;
            }
            out |= d << b;
        }
        if (map >> p & 1)
            model[p][a] = out;
    }
}

static uint8_t model_read(const uint8_t g[9], unsigned a)
{
    uint8_t out = 0;
    for (int p = 0; p < 4; p++)
        latch[p] = model[p][a];
    if (!(g[5] & 8))
        return latch[g[4] & 3];
    for (int b = 0; b < 8; b++) {
        bool same = true;
        for (int p = 0; p < 4; p++)
            if (plane_bit(g[7], p) && (latch[p] >> b & 1) != plane_bit(g[2], p))
                same = false;
        out |= same << b;
    }
    return out;
}

static void test_write_modes(void)
{
    static const uint8_t masks[9] = {15, 15, 15, 31, 3, 11, 0, 15, 255};
    GRand *r = g_rand_new_with_seed(7);
    uint8_t g[9] = {0}, map = 15;

    setup();
    set_mode(find("12h"));
    memset(model, 0, sizeof model);
    for (int i = 0; i < 256; i++)
        st8(0xa0000 + i, 0);
    ld8(0xa0000);
    memset(latch, 0, sizeof latch);
    for (int i = 0; i < 9; i++)
        if (i != 6)
            gr(i, g[i]);
    for (int i = 0; i < 60000; i++) {
        unsigned a = g_rand_int(r) & 0xff, what = g_rand_int(r) % 8;
        uint8_t v = g_rand_int(r);
        if (what == 0) {
            map = v & 15;
            seq(2, map);
        } else if (what <= 2) {
            unsigned n = g_rand_int(r) % 9;
            if (n == 6)
                continue;
            g[n] = v & masks[n];
            gr(n, g[n]);
        } else if (what <= 5) {
            model_write(g, map, a, v);
            st8(0xa0000 + a, v);
        } else {
            g_assert_cmphex(ld8(0xa0000 + a), ==, model_read(g, a));
        }
    }
    g_rand_free(r);
    teardown();
}

/* ---- Bochs ---- */

static void test_vbe_modes(void)
{
    static const struct { uint16_t w, h; } sizes[] = {{640, 480}, {800, 600}, {1024, 768}, {1280, 1024}, {1920, 1200}, {2560, 1600}};
    static const uint8_t bpps[] = {8, 15, 16, 24, 32};
    GRand *r = g_rand_new_with_seed(4);

    setup();
    attr(0, 0);
    for (size_t z = 0; z < ARRAY_SIZE(sizes); z++) {
        for (size_t i = 0; i < ARRAY_SIZE(bpps); i++) {
            unsigned w = sizes[z].w, h = sizes[z].h, bpp = bpps[i], bytes = (bpp + 7) / 8, vw = w + 64, dx = 24, dy = 3;
            if ((uint64_t)vw * (h + 10) * bytes > 16 * MiB) {
                vw = w;
                dx = 0;
                dy = 0;
            }
            vbe(4, 0);
            vbe(1, w);
            vbe(2, h);
            vbe(3, bpp);
            vbe(4, 0x61); /* linear, 8 bit DAC */
            vbe(6, vw);
            vbe(8, dx);
            vbe(9, dy);
            outw(0x1ce, 6);
            g_assert_cmpuint(inw(0x1cf), ==, vw);
            outw(0x1ce, 4);
            g_assert_cmpuint(inw(0x1cf) & 1, ==, 1);
            for (int c = 0; c < 256 && bpp == 8; c++)
                dac(c, c, 255 - c, c ^ 0x55);
            console_update();
            for (int n = 0; n < 60; n++) {
                unsigned x = n == 0 ? 0 : n == 1 ? w - 1 : (unsigned)g_rand_int_range(r, 0, (gint)w);
                unsigned y = n == 0 ? 0 : n == 1 ? h - 1 : (unsigned)g_rand_int_range(r, 0, (gint)h);
                uint32_t v = g_rand_int(r) & (bytes == 4 ? 0xffffffff : (1u << 8 * bytes) - 1), want;
                uint64_t at = (uint64_t)(y + dy) * vw * bytes + (x + dx) * bytes;
                for (unsigned b = 0; b < bytes; b++)
                    st8(BAR0 + at + b, v >> 8 * b);
                if (n == 2) { /* the same through the banked window */
                    vbe(5, (uint16_t)(at >> 16));
                    g_assert_cmphex(ld8(0xa0000 + (at & 0xffff)), ==, v & 0xff);
                    vbe(5, 0);
                }
                console_update();
                if (bpp == 8)
                    want = v << 16 | (255 - v) << 8 | (v ^ 0x55);
                else if (bpp == 15)
                    want = ((v >> 10 & 31) * 255 / 31) << 16 | ((v >> 5 & 31) * 255 / 31) << 8 | ((v & 31) * 255 / 31);
                else if (bpp == 16)
                    want = ((v >> 11 & 31) * 255 / 31) << 16 | ((v >> 5 & 63) * 255 / 63) << 8 | ((v & 31) * 255 / 31);
                else
                    want = v & 0xffffff;
                uint32_t got = pixel((int)x, (int)y);
                for (int b = 0; b < 24; b += 8) /* rounding of 5 and 6 bits may be one off */
                    g_assert_cmpint(ABS((int)(got >> b & 0xff) - (int)(want >> b & 0xff)), <=, bpp == 15 || bpp == 16 ? 1 : 0);
            }
            g_assert_cmpint(console_surface()->width, ==, w);
            g_assert_cmpint(console_surface()->height, ==, h);
        }
    }
    g_rand_free(r);
    teardown();
}

static void test_edid(void)
{
    static const struct { unsigned w, h, clock, htotal, vtotal; } known[] = { /* CVT reduced blanking, from VESA's generator */
        {1280, 800, 7100, 1440, 823}, {1920, 1200, 15400, 2080, 1235}, {2560, 1600, 26850, 2720, 1646},
        {1280, 768, 6825, 1440, 790}, {1440, 900, 8875, 1600, 926}};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        uint8_t e[EDID_SIZE], sum = 0;
        edid_make(e, known[i].w, known[i].h);
        for (int b = 0; b < EDID_SIZE; b++)
            sum += e[b];
        g_assert_cmpuint(sum, ==, 0);
        const uint8_t *d = e + 54;
        g_assert_cmpuint(d[0] | d[1] << 8, ==, known[i].clock);
        g_assert_cmpuint(d[2] | (d[4] >> 4) << 8, ==, known[i].w);
        g_assert_cmpuint(d[5] | (d[7] >> 4) << 8, ==, known[i].h);
        g_assert_cmpuint((d[2] | (d[4] >> 4) << 8) + (d[3] | (d[4] & 15) << 8), ==, known[i].htotal);
        g_assert_cmpuint((d[5] | (d[7] >> 4) << 8) + (d[6] | (d[7] & 15) << 8), ==, known[i].vtotal);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        g_autofree char *path = g_strdup_printf("/hw/vga/modes/%s", modes[i].name);
        g_test_add_data_func(path, &modes[i], test_all);
    }
    g_test_add_func("/hw/vga/scroll", test_scroll);
    g_test_add_func("/hw/vga/colors", test_colors);
    g_test_add_func("/hw/vga/cursor", test_cursor);
    g_test_add_func("/hw/vga/write-modes-random", test_write_modes);
    g_test_add_func("/hw/vga/vbe-modes", test_vbe_modes);
    g_test_add_func("/hw/vga/edid", test_edid);
    return g_test_run();
}
