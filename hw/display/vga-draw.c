/* vga-draw.c - painting: from video memory and registers to the console's surface
 * Spec: IBM PS/2 Hardware Interface Technical Reference, video subsystem; Bochs VBE API for the
 * linear modes. Text is repainted by rows whose contents changed, graphics by lines whose memory is
 * dirty (DIRTY_VGA), everything when a register that matters changed.
 * Not modelled: overscan borders, skew, changes of registers within a frame. */
#include "host/base/osdep.h"
#include "hw/display/vga-internal.h"
#include "host/base/bitops.h"
#include "softmmu/dirty.h"
#include "softmmu/physmem.h"
#include "softmmu/timer.h"

enum { PAGE_BITS = DIRTY_PAGE_BITS, MAX_TEXT_COLS = 256, MAX_TEXT_ROWS = 256, LINE_ROOM = VGA_MAX_WIDTH + 64, CELLS = 0x10000,
       DEFAULT_WIDTH = 720, DEFAULT_HEIGHT = 400, LEGACY_SIZE = 0x40000, CR_MODE_VERTICAL_HALF = 4 };
enum { CURSOR_HALF_PERIOD_NS = 16 * 14285714, BLINK_HALF_PERIOD_NS = 32 * 14285714 };

typedef enum Painter { PAINT_BLANK, PAINT_TEXT, PAINT_PLANAR, PAINT_CGA, PAINT_8, PAINT_15, PAINT_16, PAINT_24, PAINT_32 } Painter;

/* All that the whole picture depends on; compared with the last one. Zeroed before filling, so that
 * memcmp may compare padding. */
typedef struct VgaSignature {
    Painter painter;
    int width, height;
    uint32_t start, line_bytes; /* video memory bytes */
    int scans, scale_x;         /* display lines per source line, pixels per dot */
    int line_compare, pan, preset_row;
    uint32_t split_start;       /* below the line compare; bytes */
    uint32_t mask;              /* video memory that the mode can reach, bytes - 1 */
    int char_width, char_height, cols;
    uint8_t cr_mode, ar_mode, seq_font, underline;
    uint8_t ar[AR_COUNT];
    unsigned palette_gen, font_gen;
    bool big_endian, pan_split;
} VgaSignature;

/* ---- colours ---- */

static uint32_t dac_color(const VgaState *s, uint8_t index)
{
    const uint8_t *p = s->palette + 3 * (index & s->dac_mask);
    if (s->vbe[VBE_ENABLE] & VBE_8BIT_DAC)
        return p[0] << 16 | p[1] << 8 | p[2];
    return (uint32_t)(p[0] << 2 | p[0] >> 4) << 16 | (p[1] << 2 | p[1] >> 4) << 8 | (p[2] << 2 | p[2] >> 4);
}

/* The attribute controller's 16 registers select DAC entries. */
static void palette16(const VgaState *s, uint32_t out[16])
{
    for (int i = 0; i < 16; i++) {
        unsigned v = s->ar[i] & 0x3f, sel = s->ar[AR_COLOR_SELECT];
        v = s->ar[AR_MODE] & AR_MODE_P54S ? (v & 0x0f) | (sel & 0x0f) << 4 : v | (sel & 0x0c) << 4;
        out[i] = dac_color(s, v);
    }
}

/* ---- what is on the screen ---- */

static void text_signature(const VgaState *s, VgaSignature *g)
{
    bool dots8 = s->seq[SEQ_CLOCKING] & SEQ_CLOCKING_8DOT;
    g->painter = PAINT_TEXT;
    g->scale_x = s->seq[SEQ_CLOCKING] & SEQ_CLOCKING_HALF ? 2 : 1;
    g->char_width = dots8 ? 8 : 9;
    g->cols = MIN(s->cr[CR_HDISP] + 1, MAX_TEXT_COLS);
    g->width = g->cols * g->char_width * g->scale_x;
    g->scans = s->cr[CR_MAX_SCAN] & 0x80 ? 2 : 1;
    g->char_height = ((s->cr[CR_MAX_SCAN] & 0x1f) + 1) * g->scans;
    g->pan = dots8 ? s->ar[AR_HPAN] & 7 : s->ar[AR_HPAN] >= 8 ? 0 : s->ar[AR_HPAN] + 1;
    g->seq_font = s->seq[SEQ_FONT];
    g->underline = s->cr[CR_UNDERLINE] & 0x1f;
    g->font_gen = s->font_gen;
}

static void graphics_signature(const VgaState *s, VgaSignature *g)
{
    unsigned shift = s->gr[GR_MODE] >> 5 & 3;
    bool half = s->seq[SEQ_CLOCKING] & SEQ_CLOCKING_HALF;

    g->scale_x = half ? 2 : 1;
    g->width = (s->cr[CR_HDISP] + 1) * 8 * g->scale_x;
    if (shift >= 2) { /* 256 colours: two dots make a pixel */
        g->painter = PAINT_8;
        g->scale_x *= 2;
        g->pan = (s->ar[AR_HPAN] & 7) / 2;
    } else {
        g->painter = shift ? PAINT_CGA : PAINT_PLANAR;
        g->pan = s->ar[AR_HPAN] & 7;
    }
    g->scans = ((s->cr[CR_MAX_SCAN] & 0x1f) + 1) * (s->cr[CR_MAX_SCAN] & 0x80 ? 2 : 1);
    g->cr_mode = s->cr[CR_MODE];
}

static void vbe_signature(const VgaState *s, VgaSignature *g)
{
    unsigned bpp = s->vbe[VBE_BPP];
    g->painter = bpp == 4 ? PAINT_PLANAR : bpp == 8 ? PAINT_8 : bpp == 15 ? PAINT_15 : bpp == 16 ? PAINT_16
               : bpp == 24 ? PAINT_24 : PAINT_32;
    g->width = s->vbe[VBE_XRES];
    g->height = s->vbe[VBE_YRES];
    g->line_bytes = vbe_line_bytes(s);
    g->start = s->vbe[VBE_Y_OFFSET] * g->line_bytes + s->vbe[VBE_X_OFFSET] * (bpp == 15 ? 16 : bpp) / 8;
    g->pan = bpp == 4 ? s->vbe[VBE_X_OFFSET] & 7 : 0;
    if (bpp == 4)
        g->start &= ~3u;
    g->mask = s->mem_size - 1;
    g->scans = g->scale_x = 1;
    g->line_compare = INT_MAX;
    g->cr_mode = 3;
}

static void get_signature(const VgaState *s, VgaSignature *g)
{
    memset(g, 0, sizeof *g);
    memcpy(g->ar, s->ar, sizeof g->ar);
    g->ar_mode = s->ar[AR_MODE];
    g->palette_gen = s->palette_gen;
    g->big_endian = s->big_endian;
    if (vbe_enabled(s)) {
        vbe_signature(s, g);
    } else {
        unsigned ov = s->cr[CR_OVERFLOW];
        g->height = (s->cr[CR_VDISP] | (ov & 2) << 7 | (ov & 0x40) << 3) + 1;
        g->start = (s->cr[CR_START_HI] << 8 | s->cr[CR_START_LO]) * 4;
        g->line_bytes = s->cr[CR_OFFSET] << 3;
        g->line_compare = s->cr[CR_LINE_COMPARE] | (ov & 0x10) << 4 | (s->cr[CR_MAX_SCAN] & 0x40) << 3;
        if (s->cr[CR_MODE] & CR_MODE_VERTICAL_HALF) { /* the vertical counters step at every second line */
            g->height *= 2;
            g->line_compare = g->line_compare * 2 + 1;
        }
        g->pan_split = s->ar[AR_MODE] & AR_MODE_PAN_SPLIT;
        g->preset_row = s->cr[CR_PRESET_ROW] & 0x1f;
        g->mask = LEGACY_SIZE - 1;
        if (s->gr[GR_MISC] & GR_MISC_GRAPHICS)
            graphics_signature(s, g);
        else
            text_signature(s, g);
        g->split_start = (s->cr[CR_PRESET_ROW] >> 5 & 3) * 4;
        g->start += g->split_start;
        if (g->pan_split)
            g->split_start = 0;
        if (!s->cr[CR_HDISP] || g->height < 2) { /* nobody has programmed a mode yet */
            g->painter = PAINT_BLANK;
            g->width = DEFAULT_WIDTH;
            g->height = DEFAULT_HEIGHT;
        }
    }
    if (!(s->ar_index & AR_INDEX_DISPLAY) || (s->seq[SEQ_CLOCKING] & SEQ_CLOCKING_OFF && !vbe_enabled(s)))
        g->painter = PAINT_BLANK;
    g->width = CLAMP(g->width, 8, VGA_MAX_WIDTH);
    g->height = CLAMP(g->height, 1, VGA_MAX_HEIGHT);
}

/* ---- text ---- */

static uint32_t font_offset(unsigned select)
{
    static const uint16_t offsets[8] = {0x0000, 0x4000, 0x8000, 0xc000, 0x2000, 0x6000, 0xa000, 0xe000};
    return offsets[select & 7];
}

typedef struct TextRow { /* some scan lines of one row of characters */
    int y, lines, first_scan, pan;
    uint32_t cell;
    int cursor_col; /* -1: none here or not lit */
    bool blink_off;
} TextRow;

static uint64_t hash_row(const VgaState *s, const VgaSignature *g, const TextRow *r)
{
    uint64_t h = 0xcbf29ce484222325ULL;
#define MIX(v) (h = (h ^ (uint64_t)(v)) * 0x100000001b3ULL)
    MIX(r->y);
    MIX(r->lines);
    MIX(r->first_scan);
    MIX(r->cursor_col);
    MIX(s->cr[CR_CURSOR_START] << 8 | s->cr[CR_CURSOR_END]);
    for (int c = 0; c <= g->cols; c++) {
        unsigned cell = ldl16(s->mem + 4 * ((r->cell + c) % CELLS));
        MIX(cell | (r->blink_off && (cell & 0x8000) ? 0x10000 : 0));
    }
#undef MIX
    return h;
}

static void paint_text_line(const VgaState *s, const VgaSignature *g, const TextRow *r, int scan, const uint32_t pal[16],
                            uint32_t *out)
{
    uint32_t font_a = font_offset((g->seq_font >> 2 & 3) | (g->seq_font >> 3 & 4));
    uint32_t font_b = font_offset((g->seq_font & 3) | (g->seq_font >> 2 & 4));
    unsigned row = scan / g->scans;
    bool blink = g->ar_mode & AR_MODE_BLINK, mono = g->ar_mode & AR_MODE_MONO;
    unsigned cur_start = s->cr[CR_CURSOR_START] & 0x1f, cur_end = s->cr[CR_CURSOR_END] & 0x1f;

    for (int c = 0; c <= g->cols; c++) {
        const uint8_t *cell = s->mem + 4 * ((r->cell + c) % CELLS);
        uint8_t ch = cell[0], attr = cell[1];
        uint32_t font = attr & 8 ? font_a : font_b;
        unsigned bits = row < 32 ? s->mem[4 * (font + ch * 32 + row) + 2] : 0;
        uint32_t fg = pal[attr & 15], bg = pal[attr >> 4 & (blink ? 7 : 15)];

        if (blink && (attr & 0x80) && r->blink_off)
            bits = 0;
        if (mono && (attr & 7) == 1 && row == g->underline)
            bits = 0xff;
        bits <<= 1;
        if (g->char_width == 9 && (g->ar_mode & AR_MODE_LINE_GRAPHICS) && ch >= 0xc0 && ch <= 0xdf)
            bits |= bits >> 1 & 1; /* the ninth dot joins line-drawing characters */
        if (mono && (attr & 7) == 1 && row == g->underline)
            bits = 0x1ff;
        if (c == r->cursor_col && row >= cur_start && row <= cur_end)
            bits = 0x1ff;
        for (int i = 0; i < g->char_width; i++)
            *out++ = bits & 0x100 >> i ? fg : bg;
    }
}

static void put_line(Surface *d, int y, const uint32_t *px, int scale, int width)
{
    uint32_t *out = (uint32_t *)((uint8_t *)d->pixels + (size_t)y * d->stride);
    if (scale == 1) {
        memcpy(out, px, (size_t)width * 4);
        return;
    }
    for (int x = 0; x < width; x++)
        out[x] = px[x / scale];
}

static void paint_text(VgaState *s, const VgaSignature *g, Surface *d, bool full)
{
    int64_t now = clock_ns(CLOCK_VM);
    bool cursor_lit = !(s->cr[CR_CURSOR_START] & 0x20) && now / CURSOR_HALF_PERIOD_NS % 2 == 0;
    uint32_t pal[16], cell = g->start / 4, per_row = g->line_bytes / 4;
    uint32_t cursor = s->cr[CR_CURSOR_HI] << 8 | s->cr[CR_CURSOR_LO];
    int scan = g->preset_row * g->scans % g->char_height, pan = g->pan, seg = 0;

    palette16(s, pal);
    for (int y = 0; y < g->height; seg++) {
        TextRow r = {.y = y, .lines = MIN(g->char_height - scan, g->height - y), .first_scan = scan, .pan = pan,
                     .cell = cell, .cursor_col = -1, .blink_off = now / BLINK_HALF_PERIOD_NS % 2};
        if (y <= g->line_compare && y + r.lines > g->line_compare + 1)
            r.lines = g->line_compare + 1 - y;
        uint32_t col = (cursor - cell) % CELLS;
        if (cursor_lit && col <= (uint32_t)g->cols)
            r.cursor_col = col;
        uint64_t h = hash_row(s, g, &r);
        if (full || s->row_hash[seg] != h) {
            s->row_hash[seg] = h;
            for (int i = 0; i < r.lines; i++) {
                paint_text_line(s, g, &r, scan + i, pal, s->line);
                put_line(d, y + i, s->line + pan, g->scale_x, g->width);
            }
            console_dirty(0, y, g->width, r.lines);
        }
        y += r.lines;
        scan += r.lines;
        if (y == g->line_compare + 1) {
            cell = g->split_start / 4;
            scan = 0;
            if (g->pan_split)
                pan = 0;
        } else if (scan >= g->char_height) {
            cell = (cell + per_row) % CELLS;
            scan = 0;
        }
    }
}

/* ---- graphics: one source line into pixels ---- */

static void line_planar(const VgaState *s, const VgaSignature *g, uint32_t addr, int n, const uint32_t *pal, uint32_t *out)
{
    uint8_t enable = s->ar[AR_PLANE_ENABLE] & 15;
    for (int x = 0; x < n; x += 8, addr += 4) {
        const uint8_t *p = s->mem + (addr & g->mask);
        for (int b = 7; b >= 0; b--)
            *out++ = pal[((p[0] >> b & 1) | (p[1] >> b & 1) << 1 | (p[2] >> b & 1) << 2 | (p[3] >> b & 1) << 3) & enable];
    }
}

static void line_cga(const VgaState *s, const VgaSignature *g, uint32_t addr, int n, const uint32_t *pal, uint32_t *out)
{
    uint8_t enable = s->ar[AR_PLANE_ENABLE] & 15;
    for (int x = 0; x < n; x += 8, addr += 4) { /* four pixels in plane 0, four in plane 1; planes 2 and 3 add high bits */
        const uint8_t *p = s->mem + (addr & g->mask);
        for (int plane = 0; plane < 2; plane++)
            for (int b = 6; b >= 0; b -= 2)
                *out++ = pal[((p[plane] >> b & 3) | (p[plane + 2] >> b & 3) << 2) & enable];
    }
}

static void line_direct(const VgaState *s, const VgaSignature *g, uint32_t addr, int n, const uint32_t *pal, uint32_t *out)
{
    uint32_t mask = g->mask;
    for (int x = 0; x < n; x++) {
        uint32_t v;
        const uint8_t *m = s->mem;
        switch (g->painter) {
        case PAINT_8:
            *out++ = pal[m[addr++ & mask]];
            break;
        case PAINT_15:
        case PAINT_16:
            v = m[addr & mask] | m[(addr + 1) & mask] << 8;
            if (g->big_endian)
                v = __builtin_bswap16(v);
            addr += 2;
            if (g->painter == PAINT_15)
                *out++ = (v << 9 & 0xf80000) | (v << 4 & 0x070000) | (v << 6 & 0xf800) | (v << 1 & 0x0700) | (v << 3 & 0xf8) |
                         (v >> 2 & 7);
            else
                *out++ = (v << 8 & 0xf80000) | (v << 3 & 0x070000) | (v << 5 & 0xfc00) | (v >> 1 & 0x0300) | (v << 3 & 0xf8) |
                         (v >> 2 & 7);
            break;
        case PAINT_24:
            *out++ = g->big_endian ? m[addr & mask] << 16 | m[(addr + 1) & mask] << 8 | m[(addr + 2) & mask]
                                   : m[(addr + 2) & mask] << 16 | m[(addr + 1) & mask] << 8 | m[addr & mask];
            addr += 3;
            break;
        default:
            v = ldl32(m + (addr & mask & ~3u));
            *out++ = (g->big_endian ? __builtin_bswap32(v) : v) & 0xffffff;
            addr += 4;
            break;
        }
    }
}

/* CRTC addressing tricks of the CGA modes: a scan line bit replaces an address bit (CR17 bits 0, 1). */
static uint32_t mux_address(const VgaSignature *g, uint32_t addr, unsigned scan)
{
    unsigned bit = g->cr_mode & 0x40 ? 15 : 14;
    if (!(g->cr_mode & 1))
        addr = (addr & ~(1u << bit)) | (scan & 1) << bit;
    if (!(g->cr_mode & 2))
        addr = (addr & ~(2u << bit)) | (scan >> 1 & 1) << (bit + 1);
    return addr;
}

static uint32_t source_bytes(const VgaSignature *g, int pixels)
{
    switch (g->painter) {
    case PAINT_PLANAR:
    case PAINT_CGA:
        return (pixels + 7) / 8 * 4;
    case PAINT_15:
    case PAINT_16:
        return pixels * 2;
    case PAINT_24:
        return pixels * 3;
    case PAINT_32:
        return pixels * 4;
    default:
        return pixels;
    }
}

/* Take over the dirty bits of [addr, addr + len) before the pixels are read: what is written from now
 * on makes a page dirty again. */
static bool take_dirty(VgaState *s, uint32_t first_page, uint32_t last_page)
{
    ram_addr_t base = s->vram.ram->offset;
    bool any = false;
    for (uint32_t p = first_page; p <= last_page; p++) {
        ram_addr_t a = base + ((ram_addr_t)p << PAGE_BITS);
        s->page_dirty[p] = dirty_get(DIRTY_VGA, a);
        if (s->page_dirty[p]) {
            uint32_t run = p;
            while (run < last_page && dirty_get(DIRTY_VGA, base + ((ram_addr_t)(run + 1) << PAGE_BITS)))
                s->page_dirty[++run] = true;
            dirty_clear(DIRTY_VGA, a, (uint64_t)(run - p + 1) << PAGE_BITS);
            any = true;
            p = run;
        }
    }
    return any;
}

static bool line_is_dirty(const VgaState *s, const VgaSignature *g, uint32_t addr, uint32_t len)
{
    uint32_t pages = (g->mask + 1) >> PAGE_BITS, first = addr >> PAGE_BITS, last = (addr + len - 1) >> PAGE_BITS;
    for (uint32_t p = first; p <= last; p++)
        if (s->page_dirty[p % pages])
            return true;
    return false;
}

static void paint_graphics(VgaState *s, const VgaSignature *g, Surface *d, bool full)
{
    uint32_t pal[256], addr = g->start;
    int dots = (g->width + g->scale_x - 1) / g->scale_x, pan = g->pan, first_dirty = -1, scan;
    uint32_t bytes = source_bytes(g, dots + 8);
    bool vbe = vbe_enabled(s), line_ready = false;

    scan = vbe ? 0 : g->preset_row * (s->cr[CR_MAX_SCAN] & 0x80 ? 2 : 1) % g->scans;

    /* The legacy modes see 256 KiB at most (line compare and the muxed bits jump inside it). */
    uint32_t lines = g->height / g->scans + 1;
    uint64_t end = vbe ? (uint64_t)g->start + (uint64_t)lines * g->line_bytes + bytes : 0x40000 + bytes;
    uint32_t last_page = MIN(end, s->mem_size) - 1;
    if (!take_dirty(s, vbe ? g->start >> PAGE_BITS : 0, last_page >> PAGE_BITS) && !full)
        return;
    if (g->painter == PAINT_8)
        for (int i = 0; i < 256; i++)
            pal[i] = dac_color(s, i);
    else
        palette16(s, pal);
    for (int y = 0; y < g->height; y++) {
        uint32_t a = mux_address(g, addr, scan / (s->cr[CR_MAX_SCAN] & 0x80 && !vbe ? 2 : 1));
        bool dirty = full || line_is_dirty(s, g, a & g->mask, bytes);
        if (dirty) {
            bool muxed = (g->cr_mode & 3) != 3;
            if (!line_ready || scan == 0 || muxed) {
                if (g->painter == PAINT_PLANAR)
                    line_planar(s, g, a & ~3u, dots + 8, pal, s->line);
                else if (g->painter == PAINT_CGA)
                    line_cga(s, g, a & ~3u, dots + 8, pal, s->line);
                else
                    line_direct(s, g, a, dots + pan, pal, s->line);
            }
            line_ready = true;
            put_line(d, y, s->line + pan, g->scale_x, g->width);
            if (first_dirty < 0)
                first_dirty = y;
        } else {
            line_ready = false;
        }
        if (first_dirty >= 0 && (!dirty || y == g->height - 1)) {
            console_dirty(0, first_dirty, g->width, (dirty ? y + 1 : y) - first_dirty);
            first_dirty = -1;
        }
        if (y == g->line_compare) {
            addr = g->split_start;
            scan = 0;
            line_ready = false;
            if (g->pan_split)
                pan = 0;
        } else if (++scan >= g->scans) {
            scan = 0;
            addr = (addr + g->line_bytes) & g->mask;
        }
    }
}

/* ---- console ---- */

static void draw_update(void *opaque)
{
    VgaState *s = opaque;
    VgaSignature g;
    Surface *d = console_surface();
    bool full;

    get_signature(s, &g);
    full = s->full_redraw || memcmp(&g, s->last, sizeof g) != 0;
    if (!d || d->width != g.width || d->height != g.height) {
        d = console_resize(g.width, g.height);
        full = true;
    }
    if (!d || !d->pixels)
        return;
    *s->last = g;
    s->full_redraw = false;
    if (g.painter == PAINT_TEXT) {
        paint_text(s, &g, d, full);
    } else if (g.painter != PAINT_BLANK) {
        paint_graphics(s, &g, d, full);
    } else if (full) {
        for (int y = 0; y < g.height; y++)
            memset((uint8_t *)d->pixels + (size_t)y * d->stride, 0, (size_t)g.width * 4);
        console_dirty(0, 0, g.width, g.height);
    }
}

static void draw_invalidate(void *opaque) { ((VgaState *)opaque)->full_redraw = true; }

static void draw_text(void *opaque, ConsoleText *out)
{
    VgaState *s = opaque;
    VgaSignature g;

    get_signature(s, &g);
    out->width = g.width;
    out->height = g.height;
    if (g.painter != PAINT_TEXT)
        return;
    out->cols = g.cols;
    out->rows = MIN(g.height / g.char_height, MAX_TEXT_ROWS);
    out->blink = g.ar_mode & AR_MODE_BLINK;
    uint32_t per_row = g.line_bytes / 4, first = g.start / 4;
    for (int r = 0; r < out->rows; r++)
        for (int c = 0; c < out->cols; c++)
            s->text_cells[r * out->cols + c] = ldl16(s->mem + 4 * ((first + r * per_row + c) % CELLS));
    out->cells = s->text_cells;
    uint32_t cursor = ((uint32_t)(s->cr[CR_CURSOR_HI] << 8 | s->cr[CR_CURSOR_LO]) - first) % CELLS;
    bool shown = !(s->cr[CR_CURSOR_START] & 0x20) && (s->cr[CR_CURSOR_START] & 0x1f) <= (s->cr[CR_CURSOR_END] & 0x1f);
    if (shown && per_row && cursor / per_row < (uint32_t)out->rows && cursor % per_row < (uint32_t)out->cols) {
        out->cursor_row = cursor / per_row;
        out->cursor_col = cursor % per_row;
    }
}

const ConsoleOps vga_console_ops = {draw_update, draw_invalidate, draw_text};

void vga_draw_init(VgaState *s)
{
    s->last = g_new0(VgaSignature, 1);
    s->row_hash = g_new0(uint64_t, VGA_MAX_HEIGHT + 1);
    s->page_dirty = g_malloc0(s->mem_size >> PAGE_BITS);
    s->line = g_new0(uint32_t, LINE_ROOM);
    s->text_cells = g_new0(uint16_t, MAX_TEXT_COLS * MAX_TEXT_ROWS);
    s->full_redraw = true;
    console_attach(&vga_console_ops, s);
}

void vga_draw_finalize(VgaState *s)
{
    console_detach(s);
    g_free(s->last);
    g_free(s->row_hash);
    g_free(s->page_dirty);
    g_free(s->line);
    g_free(s->text_cells);
}
