/* pc-testdev.c - what bare-metal CPU test suites expect of the machine that runs them
 * Spec: the device of that name in QEMU; its users are the public suites of x86 system tests.
 * Guest view: ports e0h-e3h a register that is accessed in any size, e8h-ebh the same register in bytes only, e4h takes
 * a physical address (a hypervisor would take that page away and give it back: nothing to do here), 2000h-2017h levels
 * of the interrupt lines 0 to 23, memory ff000000h-ff00ffffh that is MMIO to the CPU. */
#include "host/base/osdep.h"
#include "hw/pc/pc-testdev.h"

#include "host/base/bitops.h"
#include "host/base/log.h"

enum { PORT_DATA = 0xe0, PORT_FLUSH = 0xe4, PORT_DATA_BYTE = 0xe8, PORT_IRQ = 0x2000 };
static const hwaddr IOMEM_BASE = 0xff000000;

static uint64_t ioport_read(void *opaque, hwaddr off, unsigned size)
{
    PcTestdevState *s = opaque;

    return s->ioport_data >> 8 * (off & 3) & MASK64(8 * size);
}

static void ioport_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    PcTestdevState *s = opaque;
    uint32_t mask = (uint32_t)(MASK64(8 * size) << 8 * (off & 3));

    s->ioport_data = (s->ioport_data & ~mask) | ((uint32_t)(val << 8 * (off & 3)) & mask);
}

static uint64_t no_read(void *opaque, hwaddr off, unsigned size)
{
    return MASK64(8 * size);
}

static void flush_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
}

static void irq_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    PcTestdevState *s = opaque;

    irq_set(&s->line[off], val != 0);
}

static uint64_t mem_read(void *opaque, hwaddr off, unsigned size)
{
    PcTestdevState *s = opaque;
    uint64_t val = 0;

    memcpy(&val, s->iomem + off, size);
    return val;
}

static void mem_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    PcTestdevState *s = opaque;

    memcpy(s->iomem + off, &val, size);
}

static const MemoryOps ioport_ops = {ioport_read, ioport_write, 1, 4, false, false};
static const MemoryOps ioport_byte_ops = {ioport_read, ioport_write, 1, 1, false, false};
static const MemoryOps flush_ops = {no_read, flush_write, 4, 4, false, false};
static const MemoryOps irq_ops = {no_read, irq_write, 1, 1, false, false};
static const MemoryOps mem_ops = {mem_read, mem_write, 1, 8, false, false};

static const VMField testdev_fields[] = {VM_UINT(PcTestdevState, ioport_data), VM_BUFFER(PcTestdevState, iomem), VM_END};

static void testdev_reset(Device *dev)
{
    PcTestdevState *s = container_of(dev, PcTestdevState, dev);

    s->ioport_data = 0;
    memset(s->iomem, 0, sizeof s->iomem);
}

static bool testdev_init(Device *dev, GError **errp)
{
    PcTestdevState *s = container_of(dev, PcTestdevState, dev);
    MemoryRegion *io = address_space_io.root;

    memory_region_init_io(&s->ioport, &ioport_ops, s, "pc-testdev-ioport", 4);
    memory_region_init_io(&s->flush, &flush_ops, s, "pc-testdev-flush-page", 4);
    memory_region_init_io(&s->ioport_byte, &ioport_byte_ops, s, "pc-testdev-ioport-byte", 4);
    memory_region_init_io(&s->irq, &irq_ops, s, "pc-testdev-irq-line", TESTDEV_LINES);
    memory_region_init_io(&s->mem, &mem_ops, s, "pc-testdev-iomem", TESTDEV_IOMEM_SIZE);
    memory_begin();
    memory_region_add(io, PORT_DATA, &s->ioport, 0);
    memory_region_add(io, PORT_FLUSH, &s->flush, 0);
    memory_region_add(io, PORT_DATA_BYTE, &s->ioport_byte, 0);
    memory_region_add(io, PORT_IRQ, &s->irq, 0);
    memory_region_add(address_space_memory.root, IOMEM_BASE, &s->mem, 0);
    memory_commit();
    return true;
}

static void testdev_finalize(Device *dev)
{
    PcTestdevState *s = container_of(dev, PcTestdevState, dev);
    MemoryRegion *ports[] = {&s->ioport, &s->flush, &s->ioport_byte, &s->irq};

    for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
        memory_region_del(address_space_io.root, ports[i]);
        memory_region_destroy(ports[i]);
    }
    memory_region_del(address_space_memory.root, &s->mem);
    memory_region_destroy(&s->mem);
}

const DeviceClass pc_testdev_class = {
    .name = "pc-testdev",
    .instance_size = sizeof(PcTestdevState),
    .init = testdev_init,
    .reset = testdev_reset,
    .fields = testdev_fields,
    .finalize = testdev_finalize,
    .desc = "ports, interrupt lines and memory for bare-metal test suites",
    .bus = "ISA",
    .user_creatable = true,
};
