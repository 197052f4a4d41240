/* test-fuzz-devices.c - network cards and virtio devices fed with random registers, descriptors, rings and frames: none
 * may crash, hang or touch memory outside of the guest (build it with sanitizers to see that).
 * Usage: test-fuzz-devices [--seed N] [--count N] [--device NAME]; without options a short fixed run. */
#include "tests/lib/bus-harness.h"
#include "host/base/bitops.h"
#include "hw/net/nic.h"
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-blk.h"
#include "hw/virtio/virtio-rng.h"
#include "hw/virtio/virtio-serial.h"

enum { RAM_SIZE = 2 * MiB, DEVFN = 24, SLICE = 0x20000 /* of RAM for one queue */ };

static uint64_t seed = 1, count = 20000;
static const char *only;
static GRand *rnd;
static MemoryRegion ram, pci_mem;
static PciBus *bus;
static NetClient *peer;
static Device *dev;

static uint32_t r32(void) { return g_rand_int(rnd); }
static uint32_t below(uint32_t n) { return n ? r32() % n : 0; }
static bool one_in(uint32_t n) { return below(n) == 0; }
static void st(hwaddr a, unsigned size, uint64_t v) { physmem_st(&address_space_memory, a, size, v); }

/* Mostly RAM, sometimes its end, registers or nothing. */
static uint64_t any_address(void)
{
    switch (below(16)) {
    case 0:
        return RAM_SIZE - below(64);
    case 1:
        return 0xe0000000 + below(0x6000000);
    case 2:
        return (uint64_t)r32() << 32 | r32();
    default:
        return below(RAM_SIZE);
    }
}

static uint32_t any_length(void)
{
    switch (below(8)) {
    case 0:
        return r32();
    case 1:
        return 0;
    case 2:
        return below(70000);
    default:
        return 1 + below(2000);
    }
}

static bool peer_receive(NetClient *nc, const uint8_t *buf, size_t len)
{
    volatile uint8_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + buf[i]); /* a sanitizer sees whether all of it is there */
    return !one_in(64);
}
static const NetClientOps peer_ops = {.type = "test", .size = sizeof(NetClient), .receive = peer_receive, .sums_right = true};
static const NetClientOps large_ops = {.type = "test", .size = sizeof(NetClient), .receive = peer_receive, .takes_large = true};

static hwaddr bar_at(unsigned n)
{
    PciDevice *pd = (PciDevice *)dev;

    return pd->bar[n].kind == PCI_BAR_IO ? 0xc000 + 0x400 * n : 0xe0000000 + ((hwaddr)n << 24);
}

static void map_bars(void)
{
    PciDevice *pd = (PciDevice *)dev;

    for (unsigned n = 0; n < 6; n++)
        pci_config_write(bus, DEVFN, PCI_BAR0 + 4 * n, pd->bar[n].kind ? (uint32_t)bar_at(n) : 0, 4);
    pci_config_write(bus, DEVFN, PCI_COMMAND, 7, 2);
}

static void start(const DeviceClass *cls, bool large)
{
    GError *err = NULL;

    harness_start();
    g_assert_true(memory_region_init_ram(&ram, "ram", RAM_SIZE, NULL));
    memory_region_init(&pci_mem, "pci", UINT64_MAX);
    memory_region_add(address_space_memory.root, 0, &ram, 0);
    memory_region_add(address_space_memory.root, 0, &pci_mem, -1);
    bus = pci_bus_new("pci.0", &pci_mem, address_space_io.root, NULL, NULL);
    peer = net_client_new(large ? &large_ops : &peer_ops, "peer", NULL);
    if (g_str_has_prefix(cls->name, "virtio-blk"))
        drive_new("if=none,id=vd,driver=null-co,size=1048576,read-zeroes=on", &err);
    g_assert_no_error(err);
    dev = device_new(cls, NULL);
    ((PciDevice *)dev)->bus = bus;
    ((PciDevice *)dev)->devfn = DEVFN;
    if (nic_find_model(cls->name))
        device_set_prop(dev, "netdev", "peer", NULL);
    if (g_str_has_prefix(cls->name, "virtio-blk"))
        device_set_prop(dev, "drive", "vd", NULL);
    device_realize(dev, &err);
    g_assert_no_error(err);
    if (g_str_has_prefix(cls->name, "virtio-serial")) {
        Device *port = device_new(&virtconsole_class, NULL);
        g_assert_true(device_realize(port, NULL));
        port = device_new(&virtserialport_class, NULL);
        g_assert_true(device_realize(port, NULL));
    }
    map_bars();
}

static void stop(void)
{
    harness_stop();
    net_client_free(peer);
    drive_close_all();
    pci_bus_free(bus);
    memory_region_destroy(&ram);
    memory_region_destroy(&pci_mem);
}

/* --- things to do --- */

static void random_register(void)
{
    PciDevice *pd = (PciDevice *)dev;
    unsigned n = below(6), size = 1u << below(3);
    AddressSpace *as;
    hwaddr at;

    if (!pd->bar[n].kind)
        return;
    as = pd->bar[n].kind == PCI_BAR_IO ? &address_space_io : &address_space_memory;
    at = bar_at(n) + (one_in(3) ? below((uint32_t)pd->bar[n].region->size) : below(256));
    if (one_in(3))
        physmem_ld(as, at, size);
    else
        physmem_st(as, at, size, one_in(2) ? r32() : one_in(2) ? below(256) : (uint32_t)any_address());
}

static void random_memory(void)
{
    hwaddr at = below(RAM_SIZE - 4096) & ~15u;

    for (unsigned i = 0; i < 8 + below(32); i++) /* looks like descriptors of any of the cards */
        switch (below(3)) {
        case 0:
            st(at + 16 * i, 8, any_address());
            st(at + 16 * i + 8, 4, any_length());
            st(at + 16 * i + 12, 4, r32());
            break;
        case 1:
            st(at + 16 * i, 4, r32());
            st(at + 16 * i + 4, 4, r32());
            st(at + 16 * i + 8, 8, any_address());
            break;
        default:
            st(at + 16 * i, 8, (uint64_t)r32() << 32 | below(4096));
            break;
        }
}

static void random_frame(void)
{
    uint8_t f[4096];
    size_t len = one_in(8) ? below(sizeof f) : 14 + below(1600);

    for (size_t i = 0; i < len; i++)
        f[i] = (uint8_t)(i < 64 ? r32() : i);
    if (one_in(2))
        memset(f, 0xff, 6);
    if (one_in(3)) {
        f[12] = one_in(2) ? 8 : 0x81;
        f[13] = 0;
        f[14] = 0x45;
    }
    net_send(peer, f, len);
}

/* A virtio driver up to DRIVER_OK, with rings where random_ring() writes. */
static void virtio_setup(void)
{
    hwaddr c = bar_at(4);

    st(c + 20, 1, 0);
    st(c + 20, 1, 3);
    for (unsigned i = 0; i < 2; i++) {
        st(c, 4, i);
        uint32_t offered = (uint32_t)physmem_ld(&address_space_memory, c + 4, 4);
        st(c + 8, 4, i);
        st(c + 12, 4, one_in(2) ? offered : offered & (r32() | i));
    }
    st(c + 20, 1, 11);
    for (unsigned q = 0; q < 6; q++) {
        hwaddr at = 0x10000 + q * SLICE;
        st(c + 22, 2, q);
        if (one_in(4))
            st(c + 24, 2, 1u << below(11));
        st(c + 26, 2, below(4));
        st(c + 32, 4, one_in(32) ? any_address() : at);
        st(c + 40, 4, at + 0x8000);
        st(c + 48, 4, at + 0xa000);
        st(at + 0x8002, 2, 0);
        st(c + 28, 2, 1);
    }
    st(c + 20, 1, 15);
}

static void virtio_ring(void)
{
    unsigned q = below(6), size, last = 0, heads = 1 + below(4);
    hwaddr at = 0x10000 + q * SLICE, c = bar_at(4);
    uint16_t idx = (uint16_t)physmem_ld(&address_space_memory, at + 0x8002, 2);

    st(c + 22, 2, q);
    size = (unsigned)physmem_ld(&address_space_memory, c + 24, 2);
    if (!size)
        return;
    for (unsigned h = 0; h < heads; h++) {
        unsigned head = below(size), n = 1 + below(5), i = head;
        bool write = false;
        for (unsigned k = 0; k < n; k++) {
            unsigned next = one_in(64) ? r32() & 0xffff : (i + 1) % size;
            uint64_t buf = one_in(32) ? any_address() : 0x100000 + below(0x80000);
            uint32_t len = one_in(32) ? any_length() : k == 0 ? (one_in(2) ? 16 : 12) : 1 + below(one_in(4) ? 70000 : 2048);
            write |= one_in(2);
            if (!write && one_in(2)) { /* something like a header */
                st(buf, 4, below(16));
                st(buf + 4, 4, one_in(4) ? r32() : below(6) << 16);
                st(buf + 8, 8, one_in(8) ? r32() : below(2048));
            }
            st(at + 16 * i, 8, buf);
            st(at + 16 * i + 8, 4, len);
            st(at + 16 * i + 12, 2, (k + 1 < n) | (write ? 2 : 0) | (one_in(40) ? 4 : 0));
            st(at + 16 * i + 14, 2, next);
            i = next % size;
        }
        last = head;
        st(at + 0x8004 + 2 * ((uint16_t)(idx + h) % size), 2, one_in(64) ? r32() : last);
    }
    st(at + 0x8002, 2, one_in(64) ? r32() : (uint16_t)(idx + heads));
    st(bar_at(4) + 0x3000 + 4 * q, 2, q);
}

static void random_state(void)
{
    GByteArray *b = contract_save(dev);
    size_t pos = 0;

    if (one_in(2) && b->len) /* a damaged state is refused or repaired */
        b->data[below(b->len)] ^= (uint8_t)(1u << below(8));
    if (vmstate_load(dev->cls->fields, dev, b->data, b->len, &pos, NULL) && dev->cls->post_load)
        dev->cls->post_load(dev);
    g_byte_array_free(b, true);
}

static void run(const DeviceClass *cls)
{
    bool virtio = g_str_has_prefix(cls->name, "virtio");

    rnd = g_rand_new_with_seed((guint32)seed);
    start(cls, seed & 1);
    for (uint64_t i = 0; i < count; i++) {
        unsigned what = below(64);
        if (what < 2) {
            if (virtio)
                virtio_setup();
            map_bars();
        } else if (what < 24) {
            random_register();
        } else if (what < 48 && virtio) {
            virtio_ring();
        } else if (what < 48) {
            random_memory();
        } else if (what < 58) {
            random_frame();
        } else if (what < 61) {
            step(below(3000000));
        } else if (what == 61) {
            block_drain(NULL);
        } else if (what == 62) {
            while (g_main_context_iteration(NULL, FALSE))
                ;
        } else if (one_in(8)) {
            dev->cls->reset(dev);
            map_bars();
        } else if (one_in(4)) {
            random_state();
        } else {
            pci_config_write(bus, DEVFN, below(256), one_in(2) ? r32() : 7, 1u << below(3));
        }
    }
    stop();
    g_rand_free(rnd);
}

static void test_device(gconstpointer cls) { run(cls); }

static bool parse(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (!strcmp(argv[i], "--seed"))
            seed = g_ascii_strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--count"))
            count = g_ascii_strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--device"))
            only = argv[++i];
        else
            continue;
        argv[i - 1] = argv[i] = (char *)"-q"; /* GLib refuses what it does not know */
    }
    return true;
}

int main(int argc, char **argv)
{
    static const DeviceClass *const others[] = {&virtio_blk_class, &virtio_rng_class, &virtio_serial_class, &virtio_balloon_class};

    parse(argc, argv);
    g_test_init(&argc, &argv, NULL);
    g_main_context_acquire(g_main_context_default());
    for (const NicModel *m = nic_models; m->cls; m++) {
        g_autofree char *path = g_strdup_printf("/fuzz/%s", m->cls->name);
        if (!only || !strcmp(only, m->cls->name))
            g_test_add_data_func(path, m->cls, test_device);
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        g_autofree char *path = g_strdup_printf("/fuzz/%s", others[i]->name);
        if (!only || !strcmp(only, others[i]->name))
            g_test_add_data_func(path, others[i], test_device);
    }
    return g_test_run();
}
