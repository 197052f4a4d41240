/* fuzz-ide.c - the IDE controller with disk and CD-ROM: random registers, commands, PRD tables, packets, damaged saved
 * states, media changes, images whose I/O fails
 *   fuzz-ide [--seed N] [--count N | --seconds N]
 * Wrong is: a crash, a sanitizer report, an assertion, a case that takes more than 20 s, a channel that a reset does not
 * bring back. A failing case is repeated by its seed (--seed N --count 1). */
#include "tests/hw/block/ide-harness.h"
#include "tests/fuzz/fuzz.h"

enum { OPS = 400, BM_CH = 8 };

static uint16_t base(int ch) { return ch ? 0x170 : 0x1f0; }

static void random_prds(void)
{
    for (int i = 0; i < 6; i++)
        prd(i, below(4) ? below(PERIPH_RAM) : value(), below(3) ? 1 + below(4096) : value(), !below(3));
}

static void dma_start(int ch)
{
    outl(BM + BM_CH * ch + 4, below(16) ? 0x1000 : value());
    outb(BM + BM_CH * ch, below(4) ? 1 | below(2) << 3 : value());
}

static void random_address(int ch)
{
    for (int hob = below(2); hob >= 0; hob--) {
        outb(base(ch) + 1, below(2) ? below(8) : value());
        outb(base(ch) + 2, below(2) ? below(20) : value());
        outb(base(ch) + 3, value());
        outb(base(ch) + 4, below(2) ? below(16) : value());
        outb(base(ch) + 5, below(3) ? 0 : value());
    }
    outb(base(ch) + 6, below(4) ? 0xe0 | below(2) << 4 : value());
}

static void ata(int ch)
{
    static const uint8_t cmds[] = {0x06, 0x08, 0x20, 0x24, 0x25, 0x27, 0x29, 0x30, 0x34, 0x35, 0x37, 0x39, 0x3d, 0x40, 0x42, 0x70,
                                   0x90, 0x91, 0xa0, 0xa1, 0xb0, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xce, 0xe0, 0xe4, 0xe5, 0xe7, 0xe8,
                                   0xea, 0xec, 0xef, 0xf8, 0xf9};
    random_address(ch);
    if (!below(6)) { /* SMART's key */
        outb(base(ch) + 1, 0xd0 + below(16));
        outb(base(ch) + 4, 0x4f);
        outb(base(ch) + 5, 0xc2);
    }
    outb(base(ch) + 7, below(20) ? cmds[below(ARRAY_SIZE(cmds))] : value());
    if (below(2))
        dma_start(ch);
}

static void atapi(void)
{
    static const uint8_t ops[] = {0x00, 0x03, 0x12, 0x15, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x2b, 0x2f, 0x35, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x4a,
                                  0x4b, 0x4e, 0x51, 0x52, 0x55, 0x5a, 0xa5, 0xa8, 0xac, 0xad, 0xb9, 0xbb, 0xbd, 0xbe, 0x28, 0xa8, 0xbe, 0xbe};
    uint8_t p[12];
    for (int i = 0; i < 12; i++)
        p[i] = below(2) ? 0 : below(2) ? below(8) : value();
    p[0] = below(20) ? ops[below(ARRAY_SIZE(ops))] : value();
    if (p[0] == 0xbe || p[0] == 0x28 || p[0] == 0xa8) { /* mostly on the disc */
        p[2] = p[3] = p[4] = p[6] = 0;
        p[5] = below(110);
        p[7] = p[0] == 0xbe ? 0 : p[7];
        p[8] = below(120);
        p[9] = p[0] == 0xbe ? value() : below(120);
        p[10] = below(8) ? 0 : p[10];
    }
    outb(0x176, 0xa0);
    outb(0x171, below(8) ? below(2) : value());
    outb(0x174, value());
    outb(0x175, below(2) ? 8 : value());
    outb(0x177, 0xa0);
    for (int i = 0; i < 12; i += 2)
        outw(0x170, p[i] | p[i + 1] << 8);
    if (below(2))
        dma_start(1);
}

static void data(int ch)
{
    unsigned size = 1u << below(3);
    bool in = below(2);
    for (unsigned n = below(below(8) ? 300 : 70000); n; n--)
        if (in)
            ioport_read(base(ch), size);
        else
            ioport_write(base(ch), g_rand_int(rnd), size);
}

static void registers(void)
{
    uint16_t at = base(below(2)) + (below(8) ? below(8) : 0x206);
    if (!below(3))
        at = BM + below(16);
    if (below(2))
        ioport_write(at, value(), 1u << below(3));
    else
        ioport_read(at, 1u << below(3));
}

static void host_side(void)
{
    Drive *cd = drive_get(DRIVE_IDE, 1, 0);
    GError *err = NULL;
    switch (below(3)) {
    case 0:
        drive_eject(cd, below(2), &err);
        break;
    case 1:
        drive_change(cd, cdrom, "raw", true, &err);
        break;
    default:
        cd->ops->eject_request(cd->opaque, below(2));
        break;
    }
    g_clear_error(&err);
}

/* Reads and writes of the disk fail from now on, or at one sector, or once. */
static void failing_image(void)
{
    static const char *const events[] = {"read_aio", "write_aio", "flush_to_disk", "none"};
    Drive *d = drive_get(DRIVE_IDE, below(2), 0);
    GError *err = NULL;
    g_autofree char *rules = g_strdup_printf("[inject-error]\nevent = \"%s\"\nonce = \"%s\"\n%s%u%s\n", events[below(4)],
        below(2) ? "on" : "off", below(2) ? "sector = \"" : "# ", below(400), "\"");
    g_autofree char *file = g_strconcat(disk, ".rules", NULL), *name = g_strdup_printf("blkdebug:%s:%s", file, d->cdrom ? cdrom : disk);
    if (!d->image || !g_file_set_contents(file, rules, -1, NULL))
        return;
    block_close(d->image);
    BlockOpenOpts o = {.filename = name, .format = "raw", .discard_unmap = true};
    d->image = block_open(&o, &err);
    unlink(file);
    if (!d->image)
        g_error("%s", err->message);
    if (below(2))
        d->ops->media_changed ? d->ops->media_changed(d->opaque, true) : (void)0;
}

static void one_case(void)
{
    setup_with(",discard=unmap");
    for (int i = 0; i < OPS; i++) {
        int ch = below(2);
        switch (below(24)) {
        case 0:
        case 1:
        case 2:
        case 3:
            random_prds();
            ata(ch);
            break;
        case 4:
        case 5:
        case 6:
        case 7:
            random_prds();
            atapi();
            break;
        case 8:
        case 9:
        case 10:
            data(ch);
            break;
        case 11:
        case 12:
        case 13:
            block_drain(NULL);
            break;
        case 14:
            if (!below(4))
                host_side();
            break;
        case 15:
            if (!below(10)) {
                block_drain(NULL);
                failing_image();
            }
            break;
        case 16:
            if (!below(6)) {
                block_drain(NULL);
                fuzz_damaged_state();
            }
            break;
        case 17:
            outb(base(ch) + 0x206, below(2) ? 4 : value());
            outb(base(ch) + 0x206, below(2) ? 0 : value() & ~4u);
            break;
        case 18:
            dma_start(ch);
            break;
        case 19:
            if (!below(20))
                pci_config_write(bus, PCI_DEVFN(1, 1), PCI_COMMAND, below(2) ? 5 : value(), 2);
            break;
        default:
            registers();
            break;
        }
    }
    block_drain(NULL);
    device_reset_all();
    g_assert_cmphex(inb(CTL), ==, 0x50);
    g_assert_cmphex(inb(0x1f4), ==, 0);
    teardown();
}

int main(int argc, char **argv) { return fuzz_main("fuzz-ide", argc, argv, one_case); }
