/* edid.c - EDID 1.4 for an imaginary monitor
 * Spec: VESA E-EDID standard release A2 (EDID 1.4); timings by VESA CVT 1.1, reduced blanking.
 * Not modelled: extension blocks, colour data beyond sRGB. */
#include "host/base/osdep.h"
#include "hw/display/edid.h"

enum { DTD_OFFSET = 54, DESCRIPTOR_SIZE = 18, CHECKSUM_OFFSET = 127, STANDARD_OFFSET = 38, STANDARD_COUNT = 8 };
/* CVT reduced blanking: fixed horizontal parts in pixels, vertical ones in lines */
enum { H_BLANK = 160, H_FRONT = 48, H_SYNC = 32, V_FRONT = 3, V_BACK_MIN = 6, REFRESH_HZ = 60, MIN_VBLANK_NS = 460000,
       CLOCK_STEP_KHZ = 250 };
enum { DOTS_PER_INCH = 100 };

/* The sync's width tells the aspect ratio. */
static unsigned sync_lines(unsigned w, unsigned h)
{
    static const struct { uint8_t x, y, lines; } ratios[] = {{4, 3, 4}, {16, 9, 5}, {16, 10, 6}, {5, 4, 7}, {15, 9, 7}};
    for (size_t i = 0; i < ARRAY_SIZE(ratios); i++)
        if (w * ratios[i].y == h * ratios[i].x)
            return ratios[i].lines;
    return 10;
}

static void detailed_timing(uint8_t *d, unsigned w, unsigned h)
{
    unsigned v_sync = sync_lines(w, h);
    uint64_t line_ps = (1000000000000ULL / REFRESH_HZ - MIN_VBLANK_NS * 1000ULL) / h;
    unsigned v_blank = MAX((unsigned)(MIN_VBLANK_NS * 1000ULL / line_ps) + 1, V_FRONT + v_sync + V_BACK_MIN);
    uint64_t khz = (uint64_t)REFRESH_HZ * (w + H_BLANK) * (h + v_blank) / 1000 / CLOCK_STEP_KHZ * CLOCK_STEP_KHZ;
    unsigned clock = (unsigned)MIN(khz / 10, 0xffff);
    unsigned mm_w = w * 254 / (DOTS_PER_INCH * 10), mm_h = h * 254 / (DOTS_PER_INCH * 10);

    d[0] = clock & 0xff;
    d[1] = clock >> 8;
    d[2] = w & 0xff;
    d[3] = H_BLANK;
    d[4] = (w >> 8) << 4;
    d[5] = h & 0xff;
    d[6] = v_blank & 0xff;
    d[7] = (h >> 8) << 4 | v_blank >> 8;
    d[8] = H_FRONT;
    d[9] = H_SYNC;
    d[10] = V_FRONT << 4 | (v_sync & 15);
    d[12] = mm_w & 0xff;
    d[13] = mm_h & 0xff;
    d[14] = (mm_w >> 8) << 4 | mm_h >> 8;
    d[17] = 0x1a; /* digital separate sync, hsync positive */
}

void edid_make(uint8_t e[EDID_SIZE], unsigned w, unsigned h)
{
    static const uint8_t head[] = {
        0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,                  /* header */
        0x59, 0x32, 0x01, 0x00, 0, 0, 0, 0, 1, 34, 1, 4,           /* "VIR", product 1, 2024, EDID 1.4 */
        0xa5, 0, 0, 120, 0x06,                                     /* digital 8 bit, size, gamma 2.2, sRGB, preferred timing */
        0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54, /* chromaticity: sRGB */
        0x21, 0x08, 0x00};                                         /* 640x480, 800x600, 1024x768 at 60 Hz */
    static const uint16_t standard[] = {1920, 1680, 1600, 1440, 1280, 1024}; /* widths, and their aspects: */
    static const uint8_t aspects[] = {0xc0, 0x00, 0xc0, 0x00, 0xc0, 0x40};   /* 16:9 16:10 16:9 16:10 16:9 4:3 */
    static const uint8_t range[DESCRIPTOR_SIZE] = {0, 0, 0, 0xfd, 0, 50, 125, 30, 160, 30, 0, '\n', ' ', ' ', ' ', ' ', ' ', ' '};
    static const uint8_t name[DESCRIPTOR_SIZE] = {0, 0, 0, 0xfc, 0, 'V', 'i', 'r', 'e', 'o', ' ', 'M', 'o', 'n', 'i', 't', 'o', 'r'};
    static const uint8_t dummy[DESCRIPTOR_SIZE] = {0, 0, 0, 0x10};
    uint8_t sum = 0;

    w = CLAMP(w, EDID_MIN_SIDE, EDID_MAX_SIDE);
    h = CLAMP(h, EDID_MIN_SIDE, EDID_MAX_SIDE);
    memset(e, 0, EDID_SIZE);
    memcpy(e, head, sizeof head);
    e[21] = (uint8_t)(w * 254 / (DOTS_PER_INCH * 100)); /* cm */
    e[22] = (uint8_t)(h * 254 / (DOTS_PER_INCH * 100));
    memset(e + STANDARD_OFFSET, 0x01, STANDARD_COUNT * 2); /* unused */
    for (size_t i = 0; i < ARRAY_SIZE(standard); i++) {
        e[STANDARD_OFFSET + 2 * i] = (uint8_t)(standard[i] / 8 - 31);
        e[STANDARD_OFFSET + 2 * i + 1] = aspects[i]; /* and 60 Hz */
    }
    detailed_timing(e + DTD_OFFSET, w, h);
    memcpy(e + DTD_OFFSET + DESCRIPTOR_SIZE, range, DESCRIPTOR_SIZE);
    memcpy(e + DTD_OFFSET + 2 * DESCRIPTOR_SIZE, name, DESCRIPTOR_SIZE);
    memcpy(e + DTD_OFFSET + 3 * DESCRIPTOR_SIZE, dummy, DESCRIPTOR_SIZE);
    for (int i = 0; i < CHECKSUM_OFFSET; i++)
        sum += e[i];
    e[CHECKSUM_OFFSET] = -sum;
}
