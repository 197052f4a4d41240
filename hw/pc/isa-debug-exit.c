/* isa-debug-exit.c - a port whose write ends the emulator with exit status (value << 1) | 1
 * Spec: the device of that name in QEMU's user documentation; used by OS projects' test suites. */
#include "host/base/osdep.h"
#include "hw/pc/isa-debug-exit.h"

#include "softmmu/runstate.h"

static uint64_t debug_exit_read(void *opaque, hwaddr off, unsigned size)
{
    return 0;
}

static void debug_exit_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    system_shutdown_request_with_code(CAUSE_GUEST_SHUTDOWN, (int)((uint32_t)val << 1 | 1));
}

static const MemoryOps debug_exit_ops = {debug_exit_read, debug_exit_write, 1, 4, false};

static bool debug_exit_init(Device *dev, GError **errp)
{
    DebugExitState *s = container_of(dev, DebugExitState, dev);

    if (s->iosize < 1 || s->iobase > 0xffff || s->iosize > 0x10000 - s->iobase)
        return error_set(errp, "isa-debug-exit: iobase %#x and iosize %#x must lie within 0x0-0xffff", s->iobase,
                         s->iosize);
    memory_region_init_io(&s->io, &debug_exit_ops, s, "isa-debug-exit", s->iosize);
    memory_region_add(address_space_io.root, s->iobase, &s->io, 0);
    return true;
}

static void debug_exit_finalize(Device *dev)
{
    DebugExitState *s = container_of(dev, DebugExitState, dev);

    memory_region_del(address_space_io.root, &s->io);
    memory_region_destroy(&s->io);
}

static const DeviceProp debug_exit_props[] = {
    {"iobase", PROP_UINT32, offsetof(DebugExitState, iobase), 0x501, NULL, "first port"},
    {"iosize", PROP_UINT32, offsetof(DebugExitState, iosize), 2, NULL, "number of ports"},
    PROP_END,
};

const DeviceClass isa_debug_exit_class = {
    .name = "isa-debug-exit",
    .instance_size = sizeof(DebugExitState),
    .init = debug_exit_init,
    .finalize = debug_exit_finalize,
    .props = debug_exit_props,
    .desc = "port that ends the emulator",
    .bus = "ISA",
    .user_creatable = true,
};
