/* test-virtio.c - virtio over PCI as a driver sees it: both interfaces, rings, MSI-X, what malformed rings do; the block,
 * entropy and balloon devices. Spec: VIRTIO 1.1, 2.6, 4.1, 5.2. */
#include "tests/lib/pci-harness.h"
#include "host/base/bitops.h"
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-blk.h"
#include "hw/virtio/virtio-rng.h"

enum { BAR = 0x40000000, COMMON = BAR, ISR = BAR + 0x1000, CONFIG = BAR + 0x2000, KICK = BAR + 0x3000, MSIX = 0x41000000, PORT = 0xc000 };
enum { DESC = 0x10000, AVAIL = 0x20000, USED = 0x30000, TABLE = 0x40000, DATA = 0x50000, STATUS_AT = 0x60000, SIZE = 256 };
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

static uint64_t msi_addr;
static uint32_t msi_data;
static int msi_count;
static Device *dev;
static uint16_t avail_count;

static void message(void *opaque, uint64_t addr, uint32_t data)
{
    msi_addr = addr;
    msi_data = data;
    msi_count++;
}
static void st(hwaddr a, unsigned size, uint64_t v) { physmem_st(&address_space_memory, a, size, v); }
static uint64_t ld(hwaddr a, unsigned size) { return physmem_ld(&address_space_memory, a, size); }

static void start(const DeviceClass *cls, const char *prop, const char *val)
{
    pci_harness_start();
    msi_count = 0;
    avail_count = 0;
    pci_bus_set_msi(ph_bus, message, NULL);
    dev = pci_harness_add(cls, prop, val);
    pci_harness_bar(0, PORT);
    pci_harness_bar(1, MSIX);
    pci_harness_bar(4, BAR);
    pci_harness_enable();
}

static char *image;

static void start_blk(const DeviceClass *cls)
{
    g_autofree char *opt = NULL;
    GError *err = NULL;
    int fd = g_file_open_tmp("vireo-virtio-XXXXXX", &image, NULL);

    g_assert_cmpint(ftruncate(fd, MiB), ==, 0);
    close(fd);
    opt = g_strdup_printf("file=%s,format=raw,if=none,id=vd,serial=VIREO-1", image);
    drive_new(opt, &err);
    g_assert_no_error(err);
    start(cls, "drive", "vd");
}

static void stop_blk(void)
{
    pci_harness_stop();
    drive_close_all();
    unlink(image);
    g_free(image);
}

/* A driver of 1.0 as far as DRIVER_OK; queue 0 at the addresses above. */
static void modern_driver(uint64_t features)
{
    st(COMMON + 20, 1, 0);
    st(AVAIL + 2, 2, 0);
    st(USED + 2, 2, 0);
    avail_count = 0;
    st(COMMON + 20, 1, 3);
    for (unsigned i = 0; i < 2; i++) {
        st(COMMON + 8, 4, i);
        st(COMMON + 12, 4, (uint32_t)(features >> 32 * i));
    }
    st(COMMON + 20, 1, 11);
    g_assert_cmphex(ld(COMMON + 20, 1), ==, 11);
    st(COMMON + 22, 2, 0);
    st(COMMON + 32, 4, DESC);
    st(COMMON + 40, 4, AVAIL);
    st(COMMON + 48, 4, USED);
    st(COMMON + 28, 2, 1);
    st(COMMON + 20, 1, 15);
}

static void put_desc(hwaddr table, unsigned i, uint64_t addr, uint32_t len, unsigned flags, unsigned next)
{
    st(table + 16 * i, 8, addr);
    st(table + 16 * i + 8, 4, len);
    st(table + 16 * i + 12, 2, flags);
    st(table + 16 * i + 14, 2, next);
}

static void offer(unsigned head)
{
    st(AVAIL + 4 + 2 * (avail_count % SIZE), 2, head);
    st(AVAIL + 2, 2, ++avail_count);
    st(KICK, 2, 0);
    block_drain(NULL);
}

/* A block request of one data buffer in descriptors 0 to 2 of table. */
static void put_request(hwaddr table, uint32_t type, uint64_t sector, uint32_t len, bool device_writes)
{
    st(DATA - 16, 4, type);
    st(DATA - 12, 4, 0);
    st(DATA - 8, 8, sector);
    st(STATUS_AT, 1, 0xff);
    put_desc(table, 0, DATA - 16, 16, NEXT, 1);
    put_desc(table, 1, DATA, len, NEXT | (device_writes ? WRITE : 0), 2);
    put_desc(table, 2, STATUS_AT, 1, WRITE, 0);
}

static uint8_t request(uint32_t type, uint64_t sector, uint32_t len, bool device_writes)
{
    put_request(DESC, type, sector, len, device_writes);
    offer(0);
    g_assert_cmpuint(ld(USED + 2, 2), ==, avail_count);
    return (uint8_t)ld(STATUS_AT, 1);
}

static void test_identity(void)
{
    const DeviceClass *cls[] = {&virtio_blk_class, &virtio_blk_transitional_class, &virtio_blk_non_transitional_class};

    for (unsigned i = 0; i < 3; i++) {
        start_blk(cls[i]);
        g_assert_cmphex(pci_config_read(ph_bus, PH_DEVFN, 0, 4), ==, i < 2 ? 0x10011af4 : 0x10421af4);
        g_assert_cmphex(pci_config_read(ph_bus, PH_DEVFN, PCI_SUBSYS_ID, 2), ==, i < 2 ? 2 : 0x1100);
        g_assert_cmphex(pci_config_read(ph_bus, PH_DEVFN, PCI_BAR0, 4) & 1, ==, i < 2);
        stop_blk();
    }
}

static void test_blk_modern(void)
{
    uint8_t id[20];

    start_blk(&virtio_blk_class);
    modern_driver(BIT(VIRTIO_F_VERSION_1) | BIT(9));
    g_assert_cmpuint(ld(CONFIG, 4), ==, MiB / 512);
    for (unsigned i = 0; i < 4096; i += 4)
        st(DATA + i, 4, i * 77);
    g_assert_cmpuint(request(1, 8, 4096, false), ==, 0);
    for (unsigned i = 0; i < 4096; i += 4)
        st(DATA + i, 4, 0);
    g_assert_cmpuint(request(0, 8, 4096, true), ==, 0);
    for (unsigned i = 0; i < 4096; i += 4)
        g_assert_cmpuint(ld(DATA + i, 4), ==, i * 77);
    g_assert_cmpuint(ld(USED + 8 + 8, 4), ==, 4097);
    g_assert_cmpuint(request(4, 0, 512, false), ==, 0);
    g_assert_cmpuint(request(8, 0, 20, true), ==, 0);
    physmem_read(&address_space_memory, DATA, id, 20);
    g_assert_cmpstr((char *)id, ==, "VIREO-1");
    g_assert_cmpuint(request(0, MiB / 512, 512, true), ==, 1);      /* past the end */
    g_assert_cmpuint(request(0, MiB / 512 - 1, 1024, true), ==, 1);
    g_assert_cmpuint(request(0, UINT64_MAX, 512, true), ==, 1);
    g_assert_cmpuint(request(0, 0, 100, true), ==, 1);
    g_assert_cmpuint(request(99, 0, 512, true), ==, 2);
    g_assert_cmpuint(request(11, 0, 16, false), ==, 2);             /* discard was not negotiated */
    g_assert_cmpint(ph_line.level, ==, 1);
    g_assert_cmphex(ld(ISR, 1), ==, 1);
    g_assert_cmpint(ph_line.level, ==, 0);
    g_assert_cmphex(ld(ISR, 1), ==, 0);
    stop_blk();
}

static void test_blk_zeroes(void)
{
    start_blk(&virtio_blk_class);
    modern_driver(BIT(VIRTIO_F_VERSION_1) | BIT(9) | BIT(13) | BIT(14));
    for (unsigned i = 0; i < 1024; i += 4)
        st(DATA + i, 4, 0xabcdef01);
    g_assert_cmpuint(request(1, 0, 1024, false), ==, 0);
    st(DATA, 8, 1);
    st(DATA + 8, 8, 1); /* one sector, no flags */
    g_assert_cmpuint(request(13, 0, 16, false), ==, 0);
    g_assert_cmpuint(request(0, 0, 1024, true), ==, 0);
    g_assert_cmphex(ld(DATA + 508, 4), ==, 0xabcdef01);
    g_assert_cmphex(ld(DATA + 512, 4), ==, 0);
    st(DATA, 8, MiB / 512);
    st(DATA + 8, 8, 1);
    g_assert_cmpuint(request(11, 0, 16, false), ==, 1);
    st(DATA + 8, 8, 1 | 1ULL << 33);
    g_assert_cmpuint(request(11, 0, 16, false), ==, 2); /* an unknown flag */
    stop_blk();
}

static void test_legacy(void)
{
    start_blk(&virtio_blk_class);
    outb(PORT + 18, 0);
    outb(PORT + 18, 3);
    g_assert_cmphex(inl(PORT) & BIT(VIRTIO_F_INDIRECT_DESC), !=, 0);
    outl(PORT + 4, 0);
    outw(PORT + 14, 0);
    g_assert_cmpuint(inw(PORT + 12), ==, SIZE);
    outl(PORT + 8, DESC >> 12);
    g_assert_cmphex(inl(PORT + 8), ==, DESC >> 12);
    outb(PORT + 18, 7);
    g_assert_cmpuint(inl(PORT + 20), ==, MiB / 512);
    put_request(DESC, 8, 0, 20, true);
    st(DESC + 16 * SIZE + 4, 2, 0);
    st(DESC + 16 * SIZE + 2, 2, 1);
    outw(PORT + 16, 0);
    block_drain(NULL);
    g_assert_cmpuint(ld(STATUS_AT, 1), ==, 0);
    g_assert_cmpuint(ld(DESC + 0x2000 + 2, 2), ==, 1); /* the used ring is on the next page */
    g_assert_cmphex(inb(PORT + 19), ==, 1);
    outb(PORT + 18, 0);
    g_assert_cmphex(inl(PORT + 8), ==, 0);
    stop_blk();
}

static void test_indirect(void)
{
    start_blk(&virtio_blk_class);
    modern_driver(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC));
    put_request(TABLE, 8, 0, 20, true);
    put_desc(DESC, 5, TABLE, 48, INDIRECT, 0);
    offer(5);
    g_assert_cmpuint(ld(STATUS_AT, 1), ==, 0);
    g_assert_cmpuint(ld(USED + 4, 4), ==, 5);
    stop_blk();
}

static void test_event_index(void)
{
    start_blk(&virtio_blk_class);
    modern_driver(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_EVENT_IDX));
    st(AVAIL + 4 + 2 * SIZE, 2, 1); /* an interrupt after the second only */
    request(8, 0, 20, true);
    g_assert_cmphex(ld(ISR, 1), ==, 1); /* the first is told in any case: nothing was signalled before */
    st(AVAIL + 4 + 2 * SIZE, 2, 2);
    request(8, 0, 20, true);
    g_assert_cmphex(ld(ISR, 1), ==, 0);
    request(8, 0, 20, true);
    g_assert_cmphex(ld(ISR, 1), ==, 1);
    g_assert_cmpuint(ld(USED + 4 + 8 * SIZE, 2), ==, avail_count); /* kick for the next one, please */
    stop_blk();
}

static void test_no_interrupt(void)
{
    start_blk(&virtio_blk_class);
    modern_driver(BIT(VIRTIO_F_VERSION_1));
    st(AVAIL, 2, 1);
    request(8, 0, 20, true);
    g_assert_cmphex(ld(ISR, 1), ==, 0);
    st(AVAIL, 2, 0);
    request(8, 0, 20, true);
    g_assert_cmphex(ld(ISR, 1), ==, 1);
    stop_blk();
}

static void test_msix(void)
{
    unsigned cap;

    start_blk(&virtio_blk_class);
    for (cap = pci_config_read(ph_bus, PH_DEVFN, PCI_CAP_POINTER, 1); pci_config_read(ph_bus, PH_DEVFN, cap, 1) != 0x11;)
        cap = pci_config_read(ph_bus, PH_DEVFN, cap + 1, 1);
    g_assert_cmphex(pci_config_read(ph_bus, PH_DEVFN, cap + 2, 2), ==, 1); /* two vectors */
    pci_config_write(ph_bus, PH_DEVFN, cap + 2, 0x8000, 2);
    modern_driver(BIT(VIRTIO_F_VERSION_1));
    st(COMMON + 26, 2, 1);
    g_assert_cmpuint(ld(COMMON + 26, 2), ==, 1);
    st(COMMON + 26, 2, 7); /* there is no vector 7 */
    g_assert_cmphex(ld(COMMON + 26, 2), ==, 0xffff);
    st(COMMON + 26, 2, 1);
    st(MSIX + 16, 4, 0xfee01000);
    st(MSIX + 24, 4, 0x4041);
    request(8, 0, 20, true);
    g_assert_cmpint(msi_count, ==, 0); /* masked since reset */
    g_assert_cmphex(ld(MSIX + 0x800, 4), ==, 2);
    st(MSIX + 28, 4, 0);
    g_assert_cmpint(msi_count, ==, 1);
    g_assert_cmphex(msi_addr, ==, 0xfee01000);
    g_assert_cmphex(msi_data, ==, 0x4041);
    g_assert_cmphex(ld(MSIX + 0x800, 4), ==, 0);
    request(8, 0, 20, true);
    g_assert_cmpint(msi_count, ==, 2);
    pci_config_write(ph_bus, PH_DEVFN, cap + 2, 0xc000, 2);
    request(8, 0, 20, true);
    g_assert_cmpint(msi_count, ==, 2);
    pci_config_write(ph_bus, PH_DEVFN, cap + 2, 0x8000, 2);
    g_assert_cmpint(msi_count, ==, 3);
    g_assert_cmpint(ph_line.rises, ==, 0);
    stop_blk();
}

static void broken(void)
{
    g_assert_cmphex(ld(COMMON + 20, 1) & VIRTIO_NEEDS_RESET, !=, 0);
    g_assert_cmpuint(ld(USED + 2, 2), ==, 0);
    modern_driver(BIT(VIRTIO_F_VERSION_1)); /* a reset heals it */
    g_assert_cmpuint(request(8, 0, 20, true), ==, 0);
    modern_driver(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC));
}

static void test_malformed(void)
{
    start_blk(&virtio_blk_class);
    modern_driver(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC));
    offer(SIZE);                                       /* a head outside of the table */
    broken();
    st(AVAIL + 2, 2, SIZE + 1);                        /* more than the ring holds */
    st(KICK, 2, 0);
    broken();
    put_desc(DESC, 0, DATA, 16, NEXT, 0);              /* a loop */
    offer(0);
    broken();
    put_desc(DESC, 0, DATA, 16, NEXT, SIZE);           /* out of the table */
    offer(0);
    broken();
    put_desc(DESC, 0, DATA, 16, NEXT | WRITE, 1);      /* readable after writable */
    put_desc(DESC, 1, DATA, 16, 0, 0);
    offer(0);
    broken();
    put_desc(DESC, 0, DATA, 0, 0, 0);                  /* empty */
    offer(0);
    broken();
    put_desc(DESC, 0, 0x3fffff0, 0xffffffff, WRITE, 0); /* not RAM */
    offer(0);
    broken();
    put_desc(DESC, 0, UINT64_MAX - 4, 16, 0, 0);       /* round the end */
    offer(0);
    broken();
    put_desc(DESC, 0, TABLE, 40, INDIRECT, 0);         /* no whole descriptors */
    offer(0);
    broken();
    put_desc(DESC, 0, TABLE, 32, INDIRECT, 0);         /* a table in a table */
    put_desc(TABLE, 0, TABLE, 32, INDIRECT, 0);
    offer(0);
    broken();
    put_desc(DESC, 0, DATA, 8, NEXT, 1);               /* a header that is too short */
    put_desc(DESC, 1, STATUS_AT, 1, WRITE, 0);
    offer(0);
    broken();
    stop_blk();
}

static void test_rng(void)
{
    unsigned zeros = 0;

    start(&virtio_rng_class, "max-bytes", "100");
    device_set_prop(dev, "period", "10", NULL);
    modern_driver(BIT(VIRTIO_F_VERSION_1));
    put_desc(DESC, 0, DATA, 64, WRITE, 0);
    offer(0);
    g_assert_cmpuint(ld(USED + 2, 2), ==, 1);
    g_assert_cmpuint(ld(USED + 8, 4), ==, 64);
    for (unsigned i = 0; i < 64; i++)
        zeros += !ld(DATA + i, 1);
    g_assert_cmpuint(zeros, <, 16);
    offer(0);
    g_assert_cmpuint(ld(USED + 16, 4), ==, 36); /* what is left of the period's 100 */
    offer(0);
    g_assert_cmpuint(ld(USED + 2, 2), ==, 2);
    step(11 * 1000000);
    g_assert_cmpuint(ld(USED + 2, 2), ==, 3);
    pci_harness_stop();
}

static void test_balloon(void)
{
    start(&virtio_balloon_class, NULL, NULL);
    modern_driver(BIT(VIRTIO_F_VERSION_1));
    virtio_balloon_set_target(dev, 4 * MiB, 3 * MiB);
    g_assert_cmphex(ld(ISR, 1), ==, 3);
    g_assert_cmpuint(ld(CONFIG, 4), ==, 256);
    st(0x300000, 4, 0x12345678);
    st(DATA, 4, 0x300);
    st(DATA + 4, 4, 0xffffffff); /* not RAM: has no effect */
    put_desc(DESC, 0, DATA, 8, 0, 0);
    offer(0);
    g_assert_cmpuint(ld(USED + 2, 2), ==, 1);
    g_assert_cmphex(ld(0x300000, 4), ==, 0);
    st(CONFIG + 4, 4, 1);
    g_assert_cmpuint(virtio_balloon_actual(dev, 4 * MiB), ==, 4 * MiB - 4096);
    pci_harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/virtio/identity", test_identity);
    g_test_add_func("/hw/virtio/legacy-interface", test_legacy);
    g_test_add_func("/hw/virtio/indirect", test_indirect);
    g_test_add_func("/hw/virtio/event-index", test_event_index);
    g_test_add_func("/hw/virtio/no-interrupt-flag", test_no_interrupt);
    g_test_add_func("/hw/virtio/msix", test_msix);
    g_test_add_func("/hw/virtio/malformed-rings-need-reset", test_malformed);
    g_test_add_func("/hw/virtio/blk/requests", test_blk_modern);
    g_test_add_func("/hw/virtio/blk/discard-and-zeroes", test_blk_zeroes);
    g_test_add_func("/hw/virtio/rng/rate", test_rng);
    g_test_add_func("/hw/virtio/balloon/inflate", test_balloon);
    return g_test_run();
}
