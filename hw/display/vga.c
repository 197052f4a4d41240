/* vga.c - VGA registers, DAC, and the a0000-bffff window into the four planes
 * Spec: IBM PS/2 Hardware Interface Technical Reference, video subsystem.
 * Guest view: ports 3b4-3b5, 3ba, 3c0-3cf, 3d4-3d5, 3da; memory a0000-bffff.
 * Not modelled: the vertical interrupt, sync polarities, the light pen; register writes are not
 * protected by CR11 bit 7 beyond CR0-CR7. */
#include "host/base/osdep.h"
#include "hw/display/vga-internal.h"
#include "host/base/bitops.h"
#include "host/base/log.h"
#include "host/base/mem.h"
#include "softmmu/dirty.h"
#include "softmmu/physmem.h"
#include "softmmu/timer.h"

enum { PORT_BASE = 0x3b0, PORT_COUNT = 0x30 };
enum { ST01_BLANK = 0x01, ST01_RETRACE = 0x08 };
enum { DAC_STATE_WRITE = 0, DAC_STATE_READ = 3 };

/* One bit per plane -> one byte per plane. */
static const uint32_t plane_bytes[16] = {
    0x00000000, 0x000000ff, 0x0000ff00, 0x0000ffff, 0x00ff0000, 0x00ff00ff, 0x00ffff00, 0x00ffffff,
    0xff000000, 0xff0000ff, 0xff00ff00, 0xff00ffff, 0xffff0000, 0xffff00ff, 0xffffff00, 0xffffffff};

/* ---- the window ---- */

static ram_addr_t vram_addr(const VgaState *s, uint32_t off) { return s->vram.ram->offset + off; }

/* Chain-4; the linear modes of VBE show the window that way whatever the sequencer says. */
static bool linear_window(const VgaState *s)
{
    return (s->seq[SEQ_MODE] & SEQ_MODE_CHAIN4) || (vbe_enabled(s) && s->vbe[VBE_BPP] != 4);
}

/* Planes that the CPU's writes reach. */
static uint8_t write_planes(const VgaState *s)
{
    return vbe_enabled(s) && s->vbe[VBE_BPP] != 4 ? 15 : s->seq[SEQ_PLANE_MASK] & 15;
}

static uint64_t window_read(void *opaque, hwaddr off, unsigned size)
{
    VgaState *s = opaque;
    uint32_t a, cell;

    if (off - s->window_start >= s->window_size)
        return 0xff;
    a = off - s->window_start;
    if (linear_window(s)) {
        a += s->bank_offset;
        return a < s->mem_size ? s->mem[a] : 0xff;
    }
    bool odd_even = s->gr[GR_MODE] & GR_MODE_ODD_EVEN;
    cell = odd_even ? a >> 1 : a + s->bank_offset;
    if (cell >= s->mem_size / 4)
        return 0xff;
    s->latch = ldl32(s->mem + 4 * cell);
    if (!(s->gr[GR_MODE] & GR_MODE_READ1))
        return s->latch >> 8 * (odd_even ? (s->gr[GR_READ_PLANE] & 2) | (a & 1) : s->gr[GR_READ_PLANE] & 3) & 0xff;
    /* read mode 1: a bit is set where all planes that count have the compared colour */
    uint32_t diff = (s->latch ^ plane_bytes[s->gr[GR_COMPARE] & 15]) & plane_bytes[s->gr[GR_DONT_CARE] & 15];
    diff |= diff >> 16;
    diff |= diff >> 8;
    return ~diff & 0xff;
}

/* Bring a byte through the graphics controller's write path into all four planes. */
static uint32_t write_path(VgaState *s, uint8_t val)
{
    uint32_t data, mask = s->gr[GR_BIT_MASK] * 0x01010101u, enable;
    unsigned rot = s->gr[GR_ROTATE] & 7;
    uint8_t rotated = val >> rot | val << (8 - rot);

    switch (s->gr[GR_MODE] & 3) {
    case 0:
        data = rotated * 0x01010101u;
        enable = plane_bytes[s->gr[GR_ENABLE_SET_RESET] & 15];
        data = (data & ~enable) | (plane_bytes[s->gr[GR_SET_RESET] & 15] & enable);
        break;
    case 1:
        return s->latch;
    case 2:
        data = plane_bytes[val & 15];
        break;
    default:
        data = plane_bytes[s->gr[GR_SET_RESET] & 15];
        mask &= rotated * 0x01010101u;
        break;
    }
    switch (s->gr[GR_ROTATE] >> 3 & 3) {
    case 1:
        data &= s->latch;
        break;
    case 2:
        data |= s->latch;
        break;
    case 3:
        data ^= s->latch;
        break;
    default:
        break;
    }
    return (data & mask) | (s->latch & ~mask);
}

static void window_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    VgaState *s = opaque;
    uint8_t planes = write_planes(s);
    uint32_t a, cell;

    if (off - s->window_start >= s->window_size)
        return;
    a = off - s->window_start;
    if (linear_window(s)) {
        a += s->bank_offset;
        if (a < s->mem_size && (planes & 1 << (a & 3))) {
            s->mem[a] = val;
            dirty_set(DIRTY_VGA, vram_addr(s, a), 1);
        }
        return;
    }
    cell = a + s->bank_offset;
    if (s->gr[GR_MODE] & GR_MODE_ODD_EVEN) { /* even addresses reach planes 0 and 2, odd ones 1 and 3 */
        cell = a >> 1;
        planes &= a & 1 ? 0x0a : 0x05;
    }
    if (cell >= s->mem_size / 4 || !planes)
        return;
    uint32_t m = plane_bytes[planes];
    stl32(s->mem + 4 * cell, (ldl32(s->mem + 4 * cell) & ~m) | (write_path(s, val) & m));
    if (planes & 4)
        s->font_gen++;
    if (s->gr[GR_MISC] & GR_MISC_GRAPHICS) /* painting of text compares, it needs no dirty bits */
        dirty_set(DIRTY_VGA, vram_addr(s, 4 * cell), 4);
}

/* Text and planar graphics are written byte by byte, and two locked instructions around each were half of it. Registers change
 * by the CPU's own accesses, or while it stands still. */
static const MemoryOps window_ops = {window_read, window_write, 1, 1, .lockless_read = true, .lockless_write = true};

/* Chain-4 with all planes on is plain memory: let CPUs at it directly instead of byte by byte. */
void vga_update_window(VgaState *s)
{
    static const struct { uint32_t start, size; } windows[4] = {
        {0x00000, 0x20000}, {0x00000, 0x10000}, {0x10000, 0x08000}, {0x18000, 0x08000}};
    bool vbe_linear = vbe_enabled(s) && s->vbe[VBE_BPP] != 4, linear;
    unsigned sel = vbe_linear ? 1 : s->gr[GR_MISC] >> 2 & 3;

    s->window_start = windows[sel].start;
    /* The adapter that this one is (1234:1111) does not look at the miscellaneous register's RAM bit,
     * and GRUB's own firmware port never sets it. */
    s->window_size = s->enable ? windows[sel].size : 0;
    s->bank_offset = sel <= 1 ? (uint32_t)s->vbe[VBE_BANK] << 16 : 0;
    if (!vbe_enabled(s))
        s->bank_offset = 0;
    linear = s->window_size && sel == 1 && linear_window(s) && write_planes(s) == 15 &&
             s->bank_offset + windows[1].size <= s->mem_size;
    if (!linear && !s->linear_mapped)
        return;
    memory_begin();
    if (linear && s->linear_alias.alias_offset != s->bank_offset)
        memory_region_set_alias_offset(&s->linear_alias, s->bank_offset);
    if (linear != s->linear_mapped)
        memory_region_set_enabled(&s->linear_alias, linear);
    s->linear_mapped = linear;
    memory_commit();
}

/* ---- input status 1 ---- */

/* Where the beam is follows from the VM clock and the programmed totals; a mode with nonsense totals
 * still retraces at 70 Hz, so that polling guests go on. */
static uint8_t input_status1(VgaState *s)
{
    unsigned dots = s->seq[SEQ_CLOCKING] & SEQ_CLOCKING_8DOT ? 8 : 9;
    unsigned htotal = (s->cr[CR_HTOTAL] + 5) * dots, hdisp = (s->cr[CR_HDISP] + 1) * dots;
    unsigned vtotal = (s->cr[CR_VTOTAL] | (s->cr[CR_OVERFLOW] & 1) << 8 | (s->cr[CR_OVERFLOW] & 0x20) << 4) + 2;
    unsigned vdisp = (s->cr[CR_VDISP] | (s->cr[CR_OVERFLOW] & 2) << 7 | (s->cr[CR_OVERFLOW] & 0x40) << 3) + 1;
    unsigned vsync = s->cr[CR_VSYNC_START] | (s->cr[CR_OVERFLOW] & 4) << 6 | (s->cr[CR_OVERFLOW] & 0x80) << 2;
    int64_t khz = s->misc & MISC_CLOCK_28 ? 28322 : 25175, now = clock_ns(CLOCK_VM);

    if (s->seq[SEQ_CLOCKING] & SEQ_CLOCKING_HALF)
        khz /= 2;
    if (htotal < 100 || hdisp >= htotal || vtotal < 100 || vdisp >= vtotal || vbe_enabled(s)) {
        htotal = 900;
        hdisp = 720;
        vtotal = 449;
        vdisp = 400;
        vsync = 412;
        khz = 28322;
    }
    int64_t line_ns = htotal * 1000000LL / khz;
    int64_t line = now / line_ns % vtotal, dot = now % line_ns * htotal / line_ns;
    uint8_t st = 0;
    if (line >= vdisp || dot >= hdisp)
        st |= ST01_BLANK;
    if (line >= MIN(vsync, vtotal - 2) && line < MIN(vsync, vtotal - 2) + 2)
        st |= ST01_RETRACE;
    return st;
}

/* ---- registers ---- */

static uint8_t dac_data_read(VgaState *s)
{
    uint8_t val = s->palette[s->dac_read * 3 + s->dac_sub];
    if (++s->dac_sub == 3) {
        s->dac_sub = 0;
        s->dac_read++;
    }
    return val;
}

static void dac_data_write(VgaState *s, uint8_t val)
{
    s->dac_cache[s->dac_sub] = s->vbe[VBE_ENABLE] & VBE_8BIT_DAC ? val : val & 0x3f;
    if (++s->dac_sub == 3) { /* an entry changes as a whole */
        memcpy(s->palette + s->dac_write * 3, s->dac_cache, 3);
        s->dac_sub = 0;
        s->dac_write++;
        s->palette_gen++;
    }
}

/* CRTC and status 1 are at 3bx or 3dx as the miscellaneous register says. */
static bool wrong_bank(const VgaState *s, unsigned port)
{
    if (port >= 0x3b0 && port <= 0x3bf)
        return s->misc & MISC_COLOR;
    if (port >= 0x3d0)
        return !(s->misc & MISC_COLOR);
    return false;
}

uint8_t vga_port_read(VgaState *s, unsigned port)
{
    if (wrong_bank(s, port) || (!s->enable && port != 0x3c3))
        return 0xff;
    switch (port) {
    case 0x3ba:
    case 0x3da: /* the read also sets port 3c0 back to "index" */
        s->ar_data = false;
        return input_status1(s);
    case 0x3c0:
        return s->ar_data ? 0 : s->ar_index;
    case 0x3c1:
        return (s->ar_index & 0x1f) < AR_COUNT ? s->ar[s->ar_index & 0x1f] : 0;
    case 0x3c2: /* input status 0: a monitor is connected */
        return 0x10;
    case 0x3c3:
        return s->enable;
    case 0x3c4:
        return s->seq_index;
    case 0x3c5:
        return s->seq_index < SEQ_COUNT ? s->seq[s->seq_index] : 0;
    case 0x3c6:
        return s->dac_mask;
    case 0x3c7:
        return s->dac_state;
    case 0x3c8:
        return s->dac_write;
    case 0x3c9:
        return dac_data_read(s);
    case 0x3ca:
        return s->feature;
    case 0x3cc:
        return s->misc;
    case 0x3ce:
        return s->gr_index;
    case 0x3cf:
        return s->gr_index < GR_COUNT ? s->gr[s->gr_index] : 0;
    case 0x3b4:
    case 0x3d4:
        return s->cr_index;
    case 0x3b5:
    case 0x3d5:
        return s->cr_index < CR_COUNT ? s->cr[s->cr_index] : 0;
    default:
        return 0xff;
    }
}

static void attribute_write(VgaState *s, uint8_t val)
{
    static const uint8_t masks[5] = {0xef, 0xff, 0x3f, 0x0f, 0x0f}; /* AR_MODE to AR_COLOR_SELECT */
    unsigned index = s->ar_index & 0x1f;

    s->ar_data = !s->ar_data;
    if (s->ar_data)
        s->ar_index = val & 0x3f;
    else if (index < 16)
        s->ar[index] = val & 0x3f;
    else if (index < AR_COUNT)
        s->ar[index] = val & masks[index - 16];
}

static void sequencer_write(VgaState *s, uint8_t val)
{
    static const uint8_t masks[SEQ_COUNT] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0x00, 0x00, 0xff};
    if (s->seq_index >= SEQ_COUNT)
        return;
    s->seq[s->seq_index] = val & masks[s->seq_index];
    if (s->seq_index == SEQ_PLANE_MASK || s->seq_index == SEQ_MODE)
        vga_update_window(s);
}

static void graphics_write(VgaState *s, uint8_t val)
{
    static const uint8_t masks[9] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
    if (s->gr_index >= ARRAY_SIZE(masks))
        return;
    s->gr[s->gr_index] = val & masks[s->gr_index];
    if (s->gr_index == GR_MISC)
        vga_update_window(s);
}

static void crtc_write(VgaState *s, uint8_t val)
{
    if (s->cr_index >= CR_COUNT)
        return;
    if (s->cr_index <= CR_OVERFLOW && (s->cr[CR_VSYNC_END] & 0x80)) {
        if (s->cr_index == CR_OVERFLOW) /* line compare's bit is not protected */
            s->cr[CR_OVERFLOW] = (s->cr[CR_OVERFLOW] & ~0x10) | (val & 0x10);
        return;
    }
    s->cr[s->cr_index] = val;
}

void vga_port_write(VgaState *s, unsigned port, uint8_t val)
{
    if (wrong_bank(s, port) || (!s->enable && port != 0x3c3))
        return;
    switch (port) {
    case 0x3ba:
    case 0x3da:
        s->feature = val & 0x10;
        break;
    case 0x3c0:
        attribute_write(s, val);
        break;
    case 0x3c2:
        s->misc = val & ~0x10;
        break;
    case 0x3c3:
        s->enable = val & 1;
        vga_update_window(s);
        break;
    case 0x3c4:
        s->seq_index = val & 7;
        break;
    case 0x3c5:
        sequencer_write(s, val);
        break;
    case 0x3c6:
        s->dac_mask = val;
        s->palette_gen++;
        break;
    case 0x3c7:
        s->dac_read = val;
        s->dac_sub = 0;
        s->dac_state = DAC_STATE_READ;
        break;
    case 0x3c8:
        s->dac_write = val;
        s->dac_sub = 0;
        s->dac_state = DAC_STATE_WRITE;
        break;
    case 0x3c9:
        dac_data_write(s, val);
        break;
    case 0x3ce:
        s->gr_index = val & 15;
        break;
    case 0x3cf:
        graphics_write(s, val);
        break;
    case 0x3b4:
    case 0x3d4:
        s->cr_index = val;
        break;
    case 0x3b5:
    case 0x3d5:
        crtc_write(s, val);
        break;
    default:
        break;
    }
}

static uint64_t ports_read(void *opaque, hwaddr off, unsigned size) { return vga_port_read(opaque, PORT_BASE + off); }

static void ports_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    vga_port_write(opaque, PORT_BASE + off, val);
}

static const MemoryOps ports_ops = {ports_read, ports_write, 1, 1, false};

/* ---- life ---- */

void vga_common_reset(VgaState *s)
{
    s->enable = 1;
    s->misc = MISC_COLOR; /* nobody without a VGA BIOS would find the colour ports otherwise */
    s->feature = 0;
    s->seq_index = s->gr_index = s->cr_index = s->ar_index = 0;
    memset(s->seq, 0, sizeof s->seq);
    memset(s->gr, 0, sizeof s->gr);
    memset(s->cr, 0, sizeof s->cr);
    memset(s->ar, 0, sizeof s->ar);
    memset(s->palette, 0, sizeof s->palette);
    memset(s->dac_cache, 0, sizeof s->dac_cache);
    s->ar_data = false;
    s->dac_mask = 0xff;
    s->dac_read = s->dac_write = s->dac_state = s->dac_sub = 0;
    s->latch = 0;
    s->big_endian = false;
    mem_clear_ram(s->mem, s->mem_size);
    s->font_gen++;
    s->palette_gen++;
    s->full_redraw = true;
    vbe_reset(s);
    vga_update_window(s);
}

void vga_common_post_load(VgaState *s)
{
    s->seq_index &= 7;
    s->gr_index &= 15;
    s->dac_sub %= 3;
    s->ar_index &= 0x3f;
    s->font_gen++;
    s->palette_gen++;
    s->full_redraw = true;
    vbe_post_load(s);
    vga_update_window(s);
}

bool vga_common_init(VgaState *s, GError **errp)
{
    static const struct { uint16_t port, count; } ranges[5] = {{0x3b4, 2}, {0x3ba, 1}, {0x3c0, 16}, {0x3d4, 2}, {0x3da, 1}};

    if (s->vgamem_mb < 1 || s->vgamem_mb > 256 || (s->vgamem_mb & (s->vgamem_mb - 1)))
        return error_set(errp, "VGA: property vgamem_mb=%u: allowed are 1, 2, 4, ... 256", s->vgamem_mb);
    s->mem_size = s->vgamem_mb << 20;
    if (!memory_region_init_ram(&s->vram, "vga.vram", s->mem_size, errp))
        return false;
    s->mem = memory_region_ram_ptr(&s->vram);
    memory_region_init_io(&s->window, &window_ops, s, "vga-window", VGA_WINDOW_SIZE);
    /* On the bus, so that the host bridge decides who sees it (SMRAM). */
    memory_region_add(pci_bus_mem(s->pci.bus), VGA_WINDOW_BASE, &s->window, 1);
    memory_region_init_alias(&s->linear_alias, "vga-chain4", &s->vram, 0, 0x10000);
    memory_region_set_enabled(&s->linear_alias, false);
    memory_region_add(pci_bus_mem(s->pci.bus), VGA_WINDOW_BASE, &s->linear_alias, 2);
    memory_region_init_io(&s->ports, &ports_ops, s, "vga", PORT_COUNT);
    for (int i = 0; i < 5; i++) {
        memory_region_init_alias(&s->port_alias[i], "vga-ports", &s->ports, ranges[i].port - PORT_BASE, ranges[i].count);
        memory_region_add(address_space_io.root, ranges[i].port, &s->port_alias[i], 0);
    }
    vbe_init(s);
    vga_draw_init(s);
    return true;
}

void vga_common_finalize(VgaState *s)
{
    if (!s->mem)
        return;
    vga_draw_finalize(s);
    memory_region_del(s->window.parent, &s->window);
    memory_region_del(s->linear_alias.parent, &s->linear_alias);
    for (int i = 0; i < 5; i++) {
        memory_region_del(address_space_io.root, &s->port_alias[i]);
        memory_region_destroy(&s->port_alias[i]);
    }
    memory_region_del(address_space_io.root, &s->vbe_io);
    memory_region_destroy(&s->vbe_io);
    memory_region_destroy(&s->ports);
    memory_region_destroy(&s->linear_alias);
    memory_region_destroy(&s->window);
}
