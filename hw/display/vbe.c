/* vbe.c - Bochs "dispi" extension: linear and banked high-resolution modes
 * Spec: the Bochs VBE Display API (versions b0c0 to b0c5). Guest view: index port 1ceh, data port 1cfh
 * (and 1d0h, for those who want it aligned); the same registers at BAR2 + 500h.
 * Not modelled: hardware acceleration; modes beyond 4096 x 4096 or the video memory are refused. */
#include "host/base/osdep.h"
#include "hw/display/vga-internal.h"
#include "host/base/log.h"
#include "softmmu/dirty.h"
#include "softmmu/physmem.h"

enum { VBE_ID0 = 0xb0c0, VBE_ID5 = 0xb0c5, VBE_PORT = 0x1ce };

static unsigned bits_per_pixel(const VgaState *s) { return s->vbe[VBE_BPP] == 15 ? 16 : s->vbe[VBE_BPP]; }

/* In video memory; a 4 bpp line takes one bit in each plane. */
uint32_t vbe_line_bytes(const VgaState *s) { return (uint32_t)s->vbe[VBE_VIRT_WIDTH] * bits_per_pixel(s) / 8; }

/* Bring the virtual size and the offsets to what memory allows. */
static void fix_geometry(VgaState *s)
{
    uint32_t line;
    s->vbe[VBE_VIRT_WIDTH] = MAX(s->vbe[VBE_VIRT_WIDTH], s->vbe[VBE_XRES]);
    line = vbe_line_bytes(s);
    if (!line || (uint64_t)line * s->vbe[VBE_YRES] > s->mem_size) {
        s->vbe[VBE_VIRT_WIDTH] = s->vbe[VBE_XRES];
        line = vbe_line_bytes(s);
    }
    s->vbe[VBE_VIRT_HEIGHT] = line ? MIN(s->mem_size / line, 0xffff) : 0;
    if (s->vbe[VBE_X_OFFSET] > s->vbe[VBE_VIRT_WIDTH] - s->vbe[VBE_XRES])
        s->vbe[VBE_X_OFFSET] = s->vbe[VBE_VIRT_WIDTH] - s->vbe[VBE_XRES];
    if (s->vbe[VBE_YRES] > s->vbe[VBE_VIRT_HEIGHT])
        s->vbe[VBE_Y_OFFSET] = 0;
    else if (s->vbe[VBE_Y_OFFSET] > s->vbe[VBE_VIRT_HEIGHT] - s->vbe[VBE_YRES])
        s->vbe[VBE_Y_OFFSET] = s->vbe[VBE_VIRT_HEIGHT] - s->vbe[VBE_YRES];
}

static bool mode_possible(const VgaState *s)
{
    uint32_t w = s->vbe[VBE_XRES], h = s->vbe[VBE_YRES], bpp = bits_per_pixel(s);
    bool known = bpp == 4 || bpp == 8 || bpp == 16 || bpp == 24 || bpp == 32;
    return known && w && h && w <= VGA_MAX_WIDTH && h <= VGA_MAX_HEIGHT && (uint64_t)w * bpp / 8 * h <= s->mem_size;
}

static void enable_write(VgaState *s, uint16_t val)
{
    if ((val & VBE_ENABLED) && !vbe_enabled(s)) {
        s->vbe[VBE_XRES] &= ~7;
        if (!mode_possible(s)) {
            log_guest_error("vbe: mode %ux%ux%u is not possible\n", s->vbe[VBE_XRES], s->vbe[VBE_YRES], s->vbe[VBE_BPP]);
            s->vbe[VBE_ENABLE] = val & ~VBE_ENABLED;
            return;
        }
        s->vbe[VBE_VIRT_WIDTH] = s->vbe[VBE_XRES];
        s->vbe[VBE_X_OFFSET] = s->vbe[VBE_Y_OFFSET] = 0;
        s->vbe[VBE_BANK] = 0;
        fix_geometry(s);
        if (!(val & VBE_NOCLEAR)) {
            uint64_t bytes = MIN((uint64_t)vbe_line_bytes(s) * s->vbe[VBE_YRES], s->mem_size);
            memset(s->mem, 0, bytes);
            dirty_set(DIRTY_VGA, s->vram.ram->offset, bytes);
        }
    } else if (!(val & VBE_ENABLED)) {
        s->vbe[VBE_BANK] = 0;
    }
    if ((val ^ s->vbe[VBE_ENABLE]) & VBE_8BIT_DAC) /* values keep their brightness over the change of width */
        for (size_t i = 0; i < sizeof s->palette; i++)
            s->palette[i] = val & VBE_8BIT_DAC ? s->palette[i] << 2 : s->palette[i] >> 2;
    s->vbe[VBE_ENABLE] = val;
    s->full_redraw = true;
    s->palette_gen++;
    vga_update_window(s);
}

uint16_t vbe_read(VgaState *s, unsigned index)
{
    if (index >= VBE_COUNT)
        return 0;
    if (s->vbe[VBE_ENABLE] & VBE_GETCAPS) {
        if (index == VBE_XRES)
            return VGA_MAX_WIDTH;
        if (index == VBE_YRES)
            return VGA_MAX_HEIGHT;
        if (index == VBE_BPP)
            return 32;
    }
    return index == VBE_MEMORY_64K ? s->mem_size >> 16 : s->vbe[index];
}

void vbe_write(VgaState *s, unsigned index, uint16_t val)
{
    switch (index) {
    case VBE_ID:
        if (val >= VBE_ID0 && val <= VBE_ID5)
            s->vbe[VBE_ID] = val;
        break;
    case VBE_XRES:
    case VBE_YRES:
    case VBE_BPP: /* fixed while the mode is on */
        if (!vbe_enabled(s))
            s->vbe[index] = index == VBE_BPP && !val ? 8 : val;
        break;
    case VBE_ENABLE:
        enable_write(s, val);
        break;
    case VBE_BANK:
        s->vbe[VBE_BANK] = MIN(val, (s->mem_size >> 16) - 1);
        vga_update_window(s);
        break;
    case VBE_VIRT_WIDTH:
    case VBE_X_OFFSET:
    case VBE_Y_OFFSET:
        s->vbe[index] = val;
        if (vbe_enabled(s))
            fix_geometry(s);
        break;
    default: /* virtual height and memory size are read-only */
        break;
    }
}

/* The two ports overlap as 16-bit registers: 1ce and 1cf. */
static uint64_t vbe_io_read(void *opaque, hwaddr off, unsigned size)
{
    VgaState *s = opaque;
    return off == 0 ? s->vbe_index : off < 3 ? vbe_read(s, s->vbe_index) : 0xffff;
}

static void vbe_io_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    VgaState *s = opaque;
    if (off == 0)
        s->vbe_index = val;
    else if (off < 3)
        vbe_write(s, s->vbe_index, val);
}

static const MemoryOps vbe_ops = {vbe_io_read, vbe_io_write, 1, 2, false, .unaligned = true};

void vbe_reset(VgaState *s)
{
    memset(s->vbe, 0, sizeof s->vbe);
    s->vbe_index = 0;
    s->vbe[VBE_ID] = VBE_ID5;
}

/* A loaded state must satisfy what the painter relies on. */
void vbe_post_load(VgaState *s)
{
    s->vbe[VBE_BANK] = MIN(s->vbe[VBE_BANK], (s->mem_size >> 16) - 1);
    if (!vbe_enabled(s))
        return;
    if (mode_possible(s))
        fix_geometry(s);
    else
        s->vbe[VBE_ENABLE] &= ~VBE_ENABLED;
}

void vbe_init(VgaState *s)
{
    memory_region_init_io(&s->vbe_io, &vbe_ops, s, "vbe", 4);
    memory_region_add(address_space_io.root, VBE_PORT, &s->vbe_io, 0);
}
