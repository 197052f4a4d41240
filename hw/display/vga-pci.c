/* vga-pci.c - the standard VGA as a PCI function
 * Spec: PCI class 0300h; QEMU's standard-vga interface (1234:1111), which firmware and guests know.
 * Guest view: BAR0 video memory, BAR2 4 KiB of registers: EDID at 0, VGA ports 3c0-3df at 400h, Bochs
 * dispi registers at 500h, byte order at 604h; expansion ROM from the board.
 * Not modelled: switching the legacy ranges by the PCI command register (the board has one VGA). */
#include "host/base/osdep.h"
#include "hw/display/edid.h"
#include "hw/display/vga-internal.h"
#include "host/base/bitops.h"

enum { MMIO_SIZE = 0x1000, MMIO_VGA = 0x400, MMIO_VGA_END = 0x420, MMIO_VBE = 0x500, MMIO_VBE_END = 0x516, MMIO_EXT_SIZE = 0x600,
       MMIO_BYTE_ORDER = 0x604 };
enum { ORDER_LITTLE = 0x1e1e1e1e, ORDER_BIG = (int)0xbebebebe };

static uint64_t mmio_read(void *opaque, hwaddr off, unsigned size)
{
    VgaState *s = opaque;
    uint64_t val = 0;

    if (off >= MMIO_VBE && off < MMIO_VBE_END)
        return vbe_read(s, (off - MMIO_VBE) >> 1);
    if (off == MMIO_EXT_SIZE)
        return 8;
    if (off == MMIO_BYTE_ORDER)
        return s->big_endian ? (uint32_t)ORDER_BIG : ORDER_LITTLE;
    for (unsigned i = 0; i < size; i++, off++) {
        uint8_t byte = 0xff;
        if (off < sizeof s->edid)
            byte = s->edid[off];
        else if (off < MMIO_VGA)
            byte = 0;
        else if (off >= MMIO_VGA && off < MMIO_VGA_END)
            byte = vga_port_read(s, 0x3c0 + off - MMIO_VGA);
        val |= (uint64_t)byte << 8 * i;
    }
    return val;
}

static void mmio_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    VgaState *s = opaque;

    if (off >= MMIO_VBE && off < MMIO_VBE_END) {
        vbe_write(s, (off - MMIO_VBE) >> 1, val);
    } else if (off == MMIO_BYTE_ORDER) {
        if ((uint32_t)val == ORDER_LITTLE || (uint32_t)val == (uint32_t)ORDER_BIG) {
            s->big_endian = (uint32_t)val != ORDER_LITTLE;
            s->full_redraw = true;
        }
    } else {
        for (unsigned i = 0; i < size; i++, off++)
            if (off >= MMIO_VGA && off < MMIO_VGA_END)
                vga_port_write(s, 0x3c0 + off - MMIO_VGA, val >> 8 * i);
    }
}

static const MemoryOps mmio_ops = {mmio_read, mmio_write, 1, 4, false};

static const VMField vga_fields[] = {
    VM_STRUCT(VgaState, pci, pci_device_fields), VM_UINT(VgaState, enable), VM_UINT(VgaState, misc),
    VM_UINT(VgaState, feature), VM_UINT(VgaState, seq_index), VM_BUFFER(VgaState, seq), VM_UINT(VgaState, gr_index),
    VM_BUFFER(VgaState, gr), VM_UINT(VgaState, cr_index), VM_BUFFER(VgaState, cr), VM_UINT(VgaState, ar_index),
    VM_BUFFER(VgaState, ar), VM_UINT(VgaState, ar_data), VM_UINT(VgaState, dac_mask), VM_UINT(VgaState, dac_read),
    VM_UINT(VgaState, dac_write), VM_UINT(VgaState, dac_state), VM_UINT(VgaState, dac_sub), VM_BUFFER(VgaState, dac_cache),
    VM_BUFFER(VgaState, palette), VM_UINT(VgaState, latch), VM_UINT(VgaState, vbe_index),
    VM_UINT_ARRAY(VgaState, vbe, VBE_COUNT), VM_UINT(VgaState, big_endian), VM_END};

static void vga_pci_reset(Device *dev)
{
    VgaState *s = (VgaState *)dev;
    pci_device_reset(&s->pci);
    vga_common_reset(s);
}

static void vga_pci_post_load(Device *dev)
{
    VgaState *s = (VgaState *)dev;
    pci_device_post_load(&s->pci);
    vga_common_post_load(s);
}

static bool vga_pci_init(Device *dev, GError **errp)
{
    VgaState *s = (VgaState *)dev;
    MemoryRegion *rom = s->pci.rom;

    if (s->xres < EDID_MIN_SIDE || s->xres > EDID_MAX_SIDE || s->yres < EDID_MIN_SIDE || s->yres > EDID_MAX_SIDE)
        return error_set(errp, "VGA: properties xres=%u, yres=%u: allowed are %d to %d", s->xres, s->yres, EDID_MIN_SIDE,
                         EDID_MAX_SIDE);
    if (!pci_device_init(&s->pci, 0x1234, 0x1111, 0x0300, 0, 2, errp) || !vga_common_init(s, errp))
        return false;
    memory_region_init_io(&s->mmio, &mmio_ops, s, "vga.mmio", MMIO_SIZE);
    if (s->edid_on)
        edid_make(s->edid, s->xres, s->yres);
    pci_register_bar(&s->pci, 0, PCI_BAR_MEM_PREFETCH, &s->vram);
    pci_register_bar(&s->pci, 2, PCI_BAR_MEM, &s->mmio);
    if (rom)
        pci_register_rom(&s->pci, rom);
    return true;
}

static void vga_pci_finalize(Device *dev)
{
    VgaState *s = (VgaState *)dev;
    pci_device_finalize(&s->pci);
    if (!s->mem)
        return;
    vga_common_finalize(s);
    memory_region_destroy(&s->mmio);
    memory_region_destroy(&s->vram);
}

void vga_pci_wire(Device *dev, PciBus *bus, int devfn)
{
    VgaState *s = (VgaState *)dev;
    s->pci.bus = bus;
    s->pci.devfn = devfn;
}

static const DeviceProp vga_props[] = {
    {"vgamem_mb", PROP_UINT32, offsetof(VgaState, vgamem_mb), 16, NULL, "video memory in MiB"},
    {"edid", PROP_BOOL, offsetof(VgaState, edid_on), true, NULL, "the monitor tells the guest what it is"},
    {"xres", PROP_UINT32, offsetof(VgaState, xres), 1280, NULL, "width that the monitor prefers"},
    {"yres", PROP_UINT32, offsetof(VgaState, yres), 800, NULL, "height that the monitor prefers"}, PROP_END};

const DeviceClass vga_pci_class = {
    .name = "VGA", .instance_size = sizeof(VgaState), .init = vga_pci_init, .reset = vga_pci_reset, .fields = vga_fields,
    .post_load = vga_pci_post_load, .finalize = vga_pci_finalize, .props = vga_props,
    .desc = "standard VGA with Bochs VBE", .bus = "PCI", .user_creatable = true};
