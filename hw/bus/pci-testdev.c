/* pci-testdev.c - a PCI function for test suites: the guest chooses a test, writes to the address that the test names,
 * and reads how many of its writes arrived
 * Spec: QEMU's pci-testdev (1b36:0005): BAR 0 memory, 4 KiB, BAR 1 ports, 256 of them, BAR 2 (property membar) memory
 * without a function. In BAR 0 and 1: byte 0 test number (0-2), 1 width, 4 offset of the register to write, 8 data to
 * write, 12 count of writes, 16 name of the test.
 * Not modelled: the host's event descriptors behind tests 1 and 2; writes that would signal one are not counted, as in
 * an emulator without a kernel behind it. */
#include "host/base/osdep.h"
#include "hw/bus/pci-testdev.h"

#include "host/base/bitops.h"

enum { REG_TEST = 0, REG_WIDTH = 1, REG_OFFSET = 4, REG_DATA = 8, REG_COUNT = 12, REG_NAME = 16, REGS_MAX = 64 };
enum { DATA_MATCH = 0xfa, DATA_ANY = 0xce };
enum { MEM_SIZE = 2048, IO_SIZE = 128 }; /* of the registers; the written address lies in the half behind them */
enum { TEST_NO_EVENTFD, TEST_WILDCARD, TEST_DATAMATCH };

static const char *const test_names[] = {"mmio-no-eventfd", "mmio-wildcard-eventfd", "mmio-datamatch-eventfd",
                                         "portio-no-eventfd", "portio-wildcard-eventfd", "portio-datamatch-eventfd"};

static bool is_port_test(int t) { return t >= PCI_TESTDEV_TESTS; }
static uint32_t test_offset(int t) { return (is_port_test(t) ? IO_SIZE : MEM_SIZE) + (uint32_t)t; }
static uint8_t test_data(int t) { return t % PCI_TESTDEV_TESTS == TEST_WILDCARD ? DATA_ANY : DATA_MATCH; }

/* Bytes only: the registers are an image that is read through a byte-wide window. */
static uint64_t testdev_read(void *opaque, hwaddr off, unsigned size)
{
    PciTestdevState *s = opaque;
    uint8_t regs[REGS_MAX] = {0};
    size_t used;

    if (s->current < 0)
        return 0;
    used = REG_NAME + strlen(test_names[s->current]) + 1;
    if (off + size >= used)
        return 0;
    regs[REG_TEST] = (uint8_t)s->current;
    regs[REG_WIDTH] = 1;
    stl32(regs + REG_OFFSET, test_offset(s->current));
    regs[REG_DATA] = test_data(s->current);
    stl32(regs + REG_COUNT, s->count[s->current]);
    strcpy((char *)regs + REG_NAME, test_names[s->current]);
    return regs[off];
}

static void testdev_write(PciTestdevState *s, hwaddr off, uint8_t val, bool port)
{
    if (off == REG_TEST) {
        s->current = -1;
        if (val >= PCI_TESTDEV_TESTS)
            return;
        s->current = port * PCI_TESTDEV_TESTS + val;
        s->count[s->current] = 0;
    } else if (s->current >= 0 && off == test_offset(s->current) && s->current % PCI_TESTDEV_TESTS == TEST_NO_EVENTFD &&
               val == test_data(s->current)) {
        s->count[s->current]++;
    }
}

static void mmio_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    testdev_write(opaque, off, (uint8_t)val, false);
}

static void portio_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    testdev_write(opaque, off, (uint8_t)val, true);
}

static uint64_t big_read(void *opaque, hwaddr off, unsigned size)
{
    return 0;
}

static void big_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
}

static const MemoryOps mmio_ops = {testdev_read, mmio_write, 1, 1, false, false};
static const MemoryOps portio_ops = {testdev_read, portio_write, 1, 1, false, false};
static const MemoryOps big_ops = {big_read, big_write, 1, 8, false, false};

static const VMField testdev_fields[] = {VM_STRUCT(PciTestdevState, pci, pci_device_fields), VM_UINT(PciTestdevState, current),
                                         VM_UINT_ARRAY(PciTestdevState, count, 2 * PCI_TESTDEV_TESTS), VM_END};

static void testdev_reset(Device *dev)
{
    PciTestdevState *s = (PciTestdevState *)dev;

    pci_device_reset(&s->pci);
    s->current = -1;
    memset(s->count, 0, sizeof s->count);
}

static void testdev_post_load(Device *dev)
{
    PciTestdevState *s = (PciTestdevState *)dev;

    pci_device_post_load(&s->pci);
    if (s->current < -1 || s->current >= 2 * PCI_TESTDEV_TESTS)
        s->current = -1;
}

static bool testdev_init(Device *dev, GError **errp)
{
    PciTestdevState *s = (PciTestdevState *)dev;

    if (s->membar && ((s->membar & (s->membar - 1)) || s->membar < 16 || s->membar > 1ull << 40))
        return error_set(errp, "pci-testdev: membar=%" PRIu64 " must be a power of two from 16 to 1 TiB", s->membar);
    if (!pci_device_init(&s->pci, 0x1b36, 0x0005, 0x00ff, 0, 0, errp))
        return false;
    memory_region_init_io(&s->mmio, &mmio_ops, s, "pci-testdev-mmio", 2 * MEM_SIZE);
    memory_region_init_io(&s->portio, &portio_ops, s, "pci-testdev-portio", 2 * IO_SIZE);
    pci_register_bar(&s->pci, 0, PCI_BAR_MEM, &s->mmio);
    pci_register_bar(&s->pci, 1, PCI_BAR_IO, &s->portio);
    if (s->membar) {
        memory_region_init_io(&s->big, &big_ops, s, "pci-testdev-membar", s->membar);
        pci_register_bar(&s->pci, 2, PCI_BAR_MEM64, &s->big);
    }
    return true;
}

static void testdev_finalize(Device *dev)
{
    PciTestdevState *s = (PciTestdevState *)dev;

    pci_device_finalize(&s->pci);
    if (!s->mmio.ops)
        return;
    memory_region_destroy(&s->mmio);
    memory_region_destroy(&s->portio);
    if (s->membar)
        memory_region_destroy(&s->big);
}

static const DeviceProp testdev_props[] = {
    {"membar", PROP_UINT64, offsetof(PciTestdevState, membar), 0, NULL, "bytes of a 64-bit memory BAR (0: none)"}, PROP_END};

const DeviceClass pci_testdev_class = {
    .name = "pci-testdev",
    .instance_size = sizeof(PciTestdevState),
    .init = testdev_init,
    .reset = testdev_reset,
    .fields = testdev_fields,
    .post_load = testdev_post_load,
    .finalize = testdev_finalize,
    .props = testdev_props,
    .desc = "PCI Test Device",
    .bus = "PCI",
    .user_creatable = true,
};
