/* fuzz-vga.c - random register and memory accesses to the VGA, with painting, text, saved states that were damaged
 *   fuzz-vga [--seed N] [--count N | --seconds N]
 * Wrong is: a crash, a sanitizer report, an assertion, a case that takes more than 20 s. A failing case is repeated
 * by its seed (--seed N --count 1). */
#include "tests/fuzz/fuzz.h"
#include "tests/hw/display/vga-harness.h"

enum { OPS = 600 };

static uint32_t vga_value(void)
{
    static const uint32_t v[] = {0, 1, 2, 3, 4, 7, 8, 0x0f, 0x1f, 0x20, 0x3f, 0x40, 0x41, 0x61, 0x80, 0xff, 0x100, 0x3ff, 0x7ff, 0xfff,
                                 0x1000, 0x7fff, 0x8000, 0xffff, 640, 800, 1024, 2560, 4096, 0xffffffff};
    return ANY_OR_ONE_OF(v);
}

static void ports(void)
{
    switch (below(6)) {
    case 0:
        seq(below(9), vga_value());
        break;
    case 1:
        gr(below(17), vga_value());
        break;
    case 2: /* not all at once: most geometry is more of a test than none */
        crtc(below(0x1a), vga_value());
        break;
    case 3:
        attr(below(0x16), vga_value());
        break;
    case 4:
        outb(0x3b0 + below(0x30), vga_value());
        inb(0x3b0 + below(0x30));
        break;
    default:
        vbe(below(12), below(4) == 0 ? (uint16_t)(0x41 | vga_value()) : vga_value());
        outw(0x1ce + below(3), vga_value());
        inw(0x1ce + below(3));
        break;
    }
}

static void vbe_mode(void)
{
    static const uint8_t bpps[] = {4, 8, 15, 16, 24, 32};
    vbe(4, 0);
    vbe(1, below(2) ? 8 + below(2600) : vga_value());
    vbe(2, below(2) ? 1 + below(1700) : vga_value());
    vbe(3, bpps[below(ARRAY_SIZE(bpps))]);
    vbe(4, 0x41 | (below(2) ? 0x20 : 0) | (below(2) ? 0x80 : 0));
    vbe(6, vga_value());
    vbe(8, vga_value());
    vbe(9, vga_value());
}

static void memory(void)
{
    unsigned size = 1u << below(4);
    static const hwaddr bases[] = {0xa0000, 0xb8000, BAR0, BAR2, BAR2 + 0x400, BAR2 + 0x500, BAR2 + 0x600};
    static const uint32_t sizes[] = {0x20000, 0x8000, 16 << 20, 0x1000, 0x20, 0x16, 8};
    unsigned i = below(ARRAY_SIZE(bases));
    for (unsigned n = 1 + below(20); n; n--) {
        hwaddr a = bases[i] + below(sizes[i]);
        if (below(2))
            physmem_st(&address_space_memory, a, size, g_rand_int(rnd) | (uint64_t)g_rand_int(rnd) << 32);
        else
            physmem_ld(&address_space_memory, a, size);
    }
}

/* A state whose fields may hold anything: refused, or survived. Video memory is not part of it. */
static void damaged_state(void)
{
    GByteArray *b = g_byte_array_new();
    device_save_all(b);
    for (unsigned n = b->len ? 1 + below(30) : 0; n; n--)
        b->data[below(b->len)] = vga_value();
    GError *err = NULL;
    device_load_all(b->data, below(10) ? b->len : below(b->len), &err);
    g_clear_error(&err);
    g_byte_array_free(b, TRUE);
}

static void one_case(void)
{
    ConsoleText t;
    setup();
    if (below(2))
        vbe_mode();
    outb(0x3c2, 0x63 | below(256));
    attr(0, 0);
    for (int i = 0; i < OPS; i++) {
        switch (below(20)) {
        case 0:
        case 1:
            console_update();
            break;
        case 2:
            if (console_text(&t) && t.rows)
                g_assert_cmpint(t.rows * t.cols, <=, 1 << 16);
            break;
        case 3:
            clock_test_step(below(1000000000));
            break;
        case 4:
            if (!below(4))
                vbe_mode();
            break;
        case 5:
            if (!below(10))
                damaged_state();
            break;
        case 6:
            if (!below(100))
                device_reset_all();
            break;
        case 7:
        case 8:
        case 9:
        case 10:
        case 11:
            memory();
            break;
        default:
            ports();
            break;
        }
    }
    console_update();
    teardown();
}

int main(int argc, char **argv) { return fuzz_main("fuzz-vga", argc, argv, one_case); }
