/* debugcon.c - debug console: every byte written to one port goes to a chardev
 * Spec: the Bochs port E9h convention; SeaBIOS and OVMF log to such a port at 402h.
 * Guest view: one port; reads give the readback value, by which guests detect it.
 * Not modelled: input. */
#include "host/base/osdep.h"
#include "hw/char/debugcon.h"

enum { DEBUGCON_DEFAULT_PORT = 0xe9, DEBUGCON_DEFAULT_READBACK = 0xe9 };

static uint64_t debugcon_read(void *opaque, hwaddr off, unsigned size)
{
    DebugconState *s = opaque;
    return s->readback & 0xff;
}

static void debugcon_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    DebugconState *s = opaque;
    uint8_t byte = val;
    chardev_fe_write(&s->fe, &byte, 1);
}

static const MemoryOps debugcon_ops = {debugcon_read, debugcon_write, 1, 1, false};

static void debugcon_reset(Device *dev) {}

static bool debugcon_init(Device *dev, GError **errp)
{
    DebugconState *s = (DebugconState *)dev;
    if (s->iobase > 0xffff)
        return error_set(errp, "isa-debugcon: property iobase=0x%x: allowed are 0 to 0xffff", s->iobase);
    if (!s->chr && s->chardev && !(s->chr = chardev_find(s->chardev)))
        return error_set(errp, "isa-debugcon: property chardev=%s: no chardev has this id", s->chardev);
    if (!s->chr)
        return error_set(errp, "isa-debugcon: property chardev is missing: give the id of a -chardev");
    if (!chardev_fe_init(&s->fe, s->chr, errp))
        return false;
    memory_region_init_io(&s->io, &debugcon_ops, s, "isa-debugcon", 1);
    memory_region_add(address_space_io.root, s->iobase, &s->io, 0);
    return true;
}

static void debugcon_finalize(Device *dev)
{
    DebugconState *s = (DebugconState *)dev;
    if (!s->io.parent)
        return;
    chardev_fe_deinit(&s->fe);
    memory_region_del(s->io.parent, &s->io);
    memory_region_destroy(&s->io);
}

static void debugcon_print(Device *dev, GString *out, int indent)
{
    DebugconState *s = (DebugconState *)dev;
    g_string_append_printf(out, "%*siobase = %u (0x%x)\n%*sreadback = %u (0x%x)\n", indent, "", s->iobase, s->iobase,
                           indent, "", s->readback, s->readback);
}

static const DeviceProp debugcon_props[] = {
    {"iobase", PROP_UINT32, offsetof(DebugconState, iobase), DEBUGCON_DEFAULT_PORT, NULL, "the port"},
    {"chardev", PROP_STRING, offsetof(DebugconState, chardev), 0, NULL, "id of the character device"},
    {"readback", PROP_UINT32, offsetof(DebugconState, readback), DEBUGCON_DEFAULT_READBACK, NULL, "what a read returns"},
    PROP_END};

const DeviceClass debugcon_class = {
    .name = "isa-debugcon", .instance_size = sizeof(DebugconState), .init = debugcon_init, .reset = debugcon_reset,
    .finalize = debugcon_finalize, .props = debugcon_props, .desc = "debug console port", .bus = "ISA",
    .user_creatable = true, .print = debugcon_print};
