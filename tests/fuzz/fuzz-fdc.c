/* fuzz-fdc.c - the floppy controller with its DMA channel: random registers, commands with and without sense, media
 * changes, damaged saved states
 *   fuzz-fdc [--seed N] [--count N | --seconds N]
 * Wrong is: a crash, a sanitizer report, an assertion, a case that takes more than 20 s, a controller that a reset does not
 * bring back. A failing case is repeated by its seed (--seed N --count 1). */
#include "tests/hw/block/fdc-harness.h"
#include "tests/fuzz/fuzz.h"

enum { OPS = 300 };

static void command(void)
{
    static const uint8_t cmds[] = {0xe6, 0x46, 0xc5, 0x45, 0x4d, 0x4a, 0x0f, 0x8f, 0xcf, 0x07, 0x42, 0x4c, 0x6c, 0x49, 0x96, 0x16,
                                   0x51, 0x59, 0x5d, 0x03, 0x04, 0x08, 0x0e, 0x10, 0x12, 0x13, 0x94, 0x14, 0x18};
    uint8_t p[8] = {below(8), below(80), below(2), 1 + below(18), 2, 1 + below(18), 0x1b, below(3)};
    bool dma_read = below(2);

    for (int i = 0; i < 10 && (inb(0x3f4) & 0x40); i++) /* a result that nobody took */
        inb(0x3f5);
    program_dma(dma_read ? 0x44 : 0x48, below(PERIPH_RAM), below(3) ? 512 * (1 + below(20)) : value());
    outb(0x3f5, below(10) ? cmds[below(ARRAY_SIZE(cmds))] : value());
    for (int i = 0; i < 8 && (inb(0x3f4) & 0xd0) == 0x90; i++)
        outb(0x3f5, below(12) ? p[i] : value());
    if (below(2))
        block_drain(NULL);
    clock_test_step(1000);
}

static void host_side(void)
{
    Drive *d = drive_get(DRIVE_FLOPPY, 0, 0);
    GError *err = NULL;
    if (below(2))
        drive_eject(d, below(2), &err);
    else
        drive_change(d, img, "raw", below(2), &err);
    g_clear_error(&err);
}

static void one_case(void)
{
    static const unsigned kib[] = {160, 360, 720, 1200, 1440, 2880, 1};
    static const uint8_t rates[] = {2, 2, 2, 0, 0, 3, 0};
    unsigned format = below(ARRAY_SIZE(kib));
    setup_size(kib[format] * 1024);
    outb(0x3f2, 0);
    outb(0x3f2, 0x1c);
    outb(0x3f7, rates[format]);
    for (int i = 0; i < OPS; i++) {
        switch (below(16)) {
        case 0:
            block_drain(NULL);
            break;
        case 1:
            if (!below(8)) {
                block_drain(NULL);
                host_side();
            }
            break;
        case 2:
            if (!below(8)) {
                block_drain(NULL);
                fuzz_damaged_state();
            }
            break;
        case 3:
            for (unsigned n = below(1200); n; n--)
                if (n & 1)
                    inb(0x3f5);
                else
                    outb(0x3f5, value());
            break;
        case 4:
            outb(0x3f2, below(2) ? 0 : value());
            outb(0x3f2, 0x1c | below(2));
            outb(0x3f7, below(4) ? rates[format] : value());
            break;
        case 5:
            ioport_write(0x3f0 + below(8), value(), 1u << below(3));
            ioport_read(0x3f0 + below(8), 1u << below(3));
            break;
        case 6:
            outb(below(16), value()); /* the DMA controller's */
            break;
        default:
            command();
            break;
        }
    }
    block_drain(NULL);
    device_reset_all();
    g_assert_cmphex(inb(0x3f4), ==, 0x80);
    teardown();
}

int main(int argc, char **argv) { return fuzz_main("fuzz-fdc", argc, argv, one_case); }
