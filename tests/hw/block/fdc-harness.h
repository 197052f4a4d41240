/* fdc-harness.h - a floppy controller with one disk and its DMA controller on a bare machine. */
#ifndef TESTS_HW_BLOCK_FDC_HARNESS_H
#define TESTS_HW_BLOCK_FDC_HARNESS_H

#include "tests/hw/periph.h"
#include "hw/block/fdc.h"
#include "hw/dma/i8237.h"

static char *img;
static Device *fdc, *dma;

static inline void setup_size(uint64_t size)
{
    GError *err = NULL;
    periph_setup();
    img = periph_image(size, 0);
    periph_drive("if=floppy,index=0", img);
    dma = device_new(&i8237_class, NULL);
    g_assert_true(device_realize(dma, &err));
    fdc = device_new(&fdc_class, NULL);
    fdc_wire(fdc, periph_line(6), (I8237State *)dma);
    g_assert_true(device_realize(fdc, &err));
    g_assert_no_error(err);
}
static inline void setup(void) { setup_size(1474560); }

static inline void teardown(void)
{
    device_free_all();
    periph_teardown();
    unlink(img);
    g_free(img);
}

static inline void program_dma(uint8_t mode, uint32_t addr, uint16_t len)
{
    outb(0x0a, 6); /* mask channel 2 */
    outb(0x0c, 0);
    outb(0x0b, mode | 2);
    outb(0x04, addr);
    outb(0x04, addr >> 8);
    outb(0x81, addr >> 16);
    outb(0x05, len - 1);
    outb(0x05, (len - 1) >> 8);
    outb(0x0a, 2);
}

#endif
