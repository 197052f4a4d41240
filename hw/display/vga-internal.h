/* vga-internal.h - state of the VGA, shared by its four files. Under the BQL, but video memory itself
 * is RAM that vCPUs write at any time. */
#ifndef HW_DISPLAY_VGA_INTERNAL_H
#define HW_DISPLAY_VGA_INTERNAL_H

#include "host/display/console.h"
#include "hw/display/vga.h"
#include "softmmu/memory.h"

/* Video memory: byte `p` of 32-bit cell `a` is address a of plane p. Chain-4 and the linear modes
 * see the same bytes in order, text has the character in plane 0, attribute in 1, fonts in 2. */
enum { VGA_WINDOW_BASE = 0xa0000, VGA_WINDOW_SIZE = 0x20000, VGA_MAX_WIDTH = 4096, VGA_MAX_HEIGHT = 4096 };

enum { MISC_COLOR = 0x01, MISC_CLOCK_28 = 0x04 };
enum { SEQ_RESET, SEQ_CLOCKING, SEQ_PLANE_MASK, SEQ_FONT, SEQ_MODE, SEQ_COUNT = 8 };
enum { SEQ_CLOCKING_8DOT = 1, SEQ_CLOCKING_HALF = 8, SEQ_CLOCKING_OFF = 0x20, SEQ_MODE_CHAIN4 = 8 };
enum { GR_SET_RESET, GR_ENABLE_SET_RESET, GR_COMPARE, GR_ROTATE, GR_READ_PLANE, GR_MODE, GR_MISC, GR_DONT_CARE, GR_BIT_MASK,
       GR_COUNT = 16 };
enum { GR_MODE_READ1 = 8, GR_MODE_ODD_EVEN = 0x10, GR_MISC_GRAPHICS = 1 };
enum { CR_HTOTAL, CR_HDISP, CR_HBLANK, CR_VTOTAL = 6, CR_OVERFLOW, CR_PRESET_ROW, CR_MAX_SCAN, CR_CURSOR_START, CR_CURSOR_END,
       CR_START_HI, CR_START_LO, CR_CURSOR_HI, CR_CURSOR_LO, CR_VSYNC_START, CR_VSYNC_END, CR_VDISP, CR_OFFSET, CR_UNDERLINE,
       CR_VBLANK_START, CR_VBLANK_END, CR_MODE, CR_LINE_COMPARE, CR_COUNT };
enum { AR_MODE = 0x10, AR_OVERSCAN, AR_PLANE_ENABLE, AR_HPAN, AR_COLOR_SELECT, AR_COUNT };
enum { AR_MODE_GRAPHICS = 1, AR_MODE_MONO = 2, AR_MODE_LINE_GRAPHICS = 4, AR_MODE_BLINK = 8, AR_MODE_PAN_SPLIT = 0x20,
       AR_MODE_P54S = 0x80, AR_INDEX_DISPLAY = 0x20 };

enum { VBE_ID, VBE_XRES, VBE_YRES, VBE_BPP, VBE_ENABLE, VBE_BANK, VBE_VIRT_WIDTH, VBE_VIRT_HEIGHT, VBE_X_OFFSET, VBE_Y_OFFSET,
       VBE_MEMORY_64K, VBE_COUNT };
enum { VBE_ENABLED = 1, VBE_GETCAPS = 2, VBE_8BIT_DAC = 0x20, VBE_LFB = 0x40, VBE_NOCLEAR = 0x80 };

typedef struct VgaState {
    PciDevice pci;
    uint32_t vgamem_mb, xres, yres; /* properties */
    bool edid_on;
    /* guest-visible */
    uint8_t enable;     /* port 3c3 */
    uint8_t misc, feature;
    uint8_t seq_index, seq[SEQ_COUNT];
    uint8_t gr_index, gr[GR_COUNT];
    uint8_t cr_index, cr[CR_COUNT];
    uint8_t ar_index, ar[AR_COUNT];
    uint8_t ar_data;    /* bool, as it comes from saved states; flip-flop of port 3c0 */
    uint8_t dac_mask, dac_read, dac_write, dac_state, dac_sub, dac_cache[3];
    uint8_t palette[768];
    uint32_t latch;
    uint16_t vbe_index, vbe[VBE_COUNT];
    uint8_t big_endian; /* bool; BAR2 604h: byte order of the linear modes */
    /* derived */
    MemoryRegion vram, window, linear_alias, ports, port_alias[5], vbe_io, mmio;
    uint8_t *mem;
    uint32_t mem_size;
    uint32_t bank_offset;  /* bytes, from VBE_BANK */
    uint32_t window_start, window_size; /* inside the 128 KiB, from GR_MISC */
    bool linear_mapped;
    unsigned font_gen;     /* grows when plane 2 is written */
    unsigned palette_gen;
    bool full_redraw;
    struct VgaSignature *last;
    uint64_t *row_hash;    /* text: one per row segment, VGA_MAX_HEIGHT */
    uint8_t *page_dirty;   /* snapshot of dirty bits, one per page */
    uint16_t *text_cells;  /* for terminals */
    uint32_t *line;        /* one line of pixels, with room for panning */
    uint8_t edid[128];
} VgaState;

/* vga.c */
uint8_t vga_port_read(VgaState *s, unsigned port);
void vga_port_write(VgaState *s, unsigned port, uint8_t val);
void vga_update_window(VgaState *s); /* after a change of what the a0000 window shows */
bool vga_common_init(VgaState *s, GError **errp);
void vga_common_finalize(VgaState *s);
void vga_common_reset(VgaState *s);
void vga_common_post_load(VgaState *s);

/* vbe.c */
void vbe_init(VgaState *s);
void vbe_reset(VgaState *s);
void vbe_post_load(VgaState *s);
uint16_t vbe_read(VgaState *s, unsigned index);
void vbe_write(VgaState *s, unsigned index, uint16_t val);
static inline bool vbe_enabled(const VgaState *s) { return s->vbe[VBE_ENABLE] & VBE_ENABLED; }
uint32_t vbe_line_bytes(const VgaState *s);

/* vga-draw.c */
extern const ConsoleOps vga_console_ops;
void vga_draw_init(VgaState *s);
void vga_draw_finalize(VgaState *s);

#endif
