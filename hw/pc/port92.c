/* port92.c - system control port A
 * Spec: IBM PS/2 Technical Reference, "System Control Port A". Bit 0: rising edge resets the CPU; bit 1: A20.
 * Not modelled: hard disk light, security lock. */
#include "host/base/osdep.h"
#include "hw/pc/port92.h"

#include "softmmu/runstate.h"

enum { P92_RESET = 0x01, P92_A20 = 0x02, P92_WRITABLE = 0xdb };

static uint64_t port92_read(void *opaque, hwaddr off, unsigned size)
{
    return ((Port92State *)opaque)->val;
}

static void port92_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    Port92State *s = opaque;
    uint8_t old = s->val;

    s->val = val & P92_WRITABLE;
    irq_set(&s->a20, (val & P92_A20) != 0);
    if ((val & P92_RESET) && !(old & P92_RESET))
        system_reset_request(CAUSE_GUEST_RESET);
}

static const MemoryOps port92_ops = {port92_read, port92_write, 1, 1, false};
static const VMField port92_fields[] = {VM_UINT(Port92State, val), VM_END};

static void port92_reset(Device *dev)
{
    /* The line is left alone: at reset the keyboard controller's output decides. */
    container_of(dev, Port92State, dev)->val = P92_A20;
}

static bool port92_init(Device *dev, GError **errp)
{
    Port92State *s = container_of(dev, Port92State, dev);

    memory_region_init_io(&s->io, &port92_ops, s, "port92", 1);
    memory_region_add(address_space_io.root, 0x92, &s->io, 0);
    return true;
}

static void port92_finalize(Device *dev)
{
    Port92State *s = container_of(dev, Port92State, dev);

    memory_region_del(address_space_io.root, &s->io);
    memory_region_destroy(&s->io);
}

const DeviceClass port92_class = {
    .name = "port92",
    .instance_size = sizeof(Port92State),
    .init = port92_init,
    .reset = port92_reset,
    .fields = port92_fields,
    .finalize = port92_finalize,
    .desc = "system control port A",
    .bus = "ISA",
};
