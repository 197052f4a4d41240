/* parallel.c - standard parallel port (LPT1) with a printer that is always ready
 * Spec: IBM AT Technical Reference, parallel printer adapter; IEEE 1284 compatibility mode.
 * Guest view: data, status, control at iobase; IRQ 7 on acknowledge when enabled.
 * Not modelled: EPP, ECP, bidirectional data from a peripheral. */
#include "host/base/osdep.h"
#include "hw/char/parallel.h"

enum { LPT_DATA = 0, LPT_STATUS = 1, LPT_CONTROL = 2 };
enum { STATUS_NOT_BUSY = 0x80, STATUS_NOT_ACK = 0x40, STATUS_SELECTED = 0x10, STATUS_NOT_ERROR = 0x08, STATUS_UNUSED = 0x07 };
enum { CONTROL_STROBE = 1, CONTROL_AUTOFEED = 2, CONTROL_NOT_INIT = 4, CONTROL_SELECT = 8, CONTROL_IRQ = 0x10, CONTROL_DIR = 0x20 };

static void parallel_update_irq(ParallelState *s) { irq_set(&s->irq, s->irq_pending && (s->control & CONTROL_IRQ)); }

static uint64_t parallel_read(void *opaque, hwaddr off, unsigned size)
{
    ParallelState *s = opaque;
    uint8_t val = 0xff;

    switch (off) {
    case LPT_DATA: /* turned around, the lines are pulled up: nobody drives them */
        return s->control & CONTROL_DIR ? 0xff : s->data;
    case LPT_STATUS: /* the acknowledge pulse is over after one look; the interrupt with it */
        val = s->status;
        s->irq_pending = false;
        s->status |= STATUS_NOT_ACK;
        parallel_update_irq(s);
        return val;
    case LPT_CONTROL:
        return s->control | 0xc0;
    default:
        return val;
    }
}

static void parallel_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    ParallelState *s = opaque;

    if (off == LPT_DATA) {
        s->data = val;
    } else if (off == LPT_CONTROL) {
        /* The printer takes the byte at the falling edge of the strobe. */
        if ((s->control & CONTROL_STROBE) && !(val & CONTROL_STROBE) && (val & CONTROL_NOT_INIT)) {
            chardev_fe_write(&s->fe, &s->data, 1);
            s->status &= ~STATUS_NOT_ACK;
            s->irq_pending = true;
        }
        s->control = val & 0x3f;
        parallel_update_irq(s);
    }
}

static const MemoryOps parallel_ops = {parallel_read, parallel_write, 1, 1, false};

static const VMField parallel_fields[] = {
    VM_UINT(ParallelState, data), VM_UINT(ParallelState, control), VM_UINT(ParallelState, status),
    VM_UINT(ParallelState, irq_pending), VM_END};

static void parallel_reset(Device *dev)
{
    ParallelState *s = (ParallelState *)dev;
    s->data = 0xff;
    s->control = CONTROL_NOT_INIT | CONTROL_SELECT;
    s->status = STATUS_NOT_BUSY | STATUS_NOT_ACK | STATUS_SELECTED | STATUS_NOT_ERROR | STATUS_UNUSED;
    s->irq_pending = false;
    parallel_update_irq(s);
}

static void parallel_post_load(Device *dev) { parallel_update_irq((ParallelState *)dev); }

static bool parallel_init(Device *dev, GError **errp)
{
    ParallelState *s = (ParallelState *)dev;
    if (s->iobase > 0xfff8)
        return error_set(errp, "isa-parallel: property iobase=0x%x: allowed are 0 to 0xfff8", s->iobase);
    if (s->irq_num > 15)
        return error_set(errp, "isa-parallel: property irq=%u: allowed are 0 to 15", s->irq_num);
    if (!s->irq.handler && s->isa_irq)
        s->irq = s->isa_irq[s->irq_num];
    if (!s->chr && s->chardev && !(s->chr = chardev_find(s->chardev)))
        return error_set(errp, "isa-parallel: property chardev=%s: no chardev has this id", s->chardev);
    if (s->chr && !chardev_fe_init(&s->fe, s->chr, errp))
        return false;
    memory_region_init_io(&s->io, &parallel_ops, s, "parallel", 8);
    memory_region_add(address_space_io.root, s->iobase, &s->io, 0);
    return true;
}

static void parallel_finalize(Device *dev)
{
    ParallelState *s = (ParallelState *)dev;
    if (!s->io.parent)
        return;
    if (s->chr)
        chardev_fe_deinit(&s->fe);
    memory_region_del(s->io.parent, &s->io);
    memory_region_destroy(&s->io);
}

static const DeviceProp parallel_props[] = {
    {"iobase", PROP_UINT32, offsetof(ParallelState, iobase), 0x378, NULL, "first port"},
    {"irq", PROP_UINT32, offsetof(ParallelState, irq_num), 7, NULL, "ISA IRQ"},
    {"chardev", PROP_STRING, offsetof(ParallelState, chardev), 0, NULL, "id of the character device"},
    PROP_END};

const DeviceClass parallel_class = {
    .name = "isa-parallel", .instance_size = sizeof(ParallelState), .init = parallel_init, .reset = parallel_reset,
    .fields = parallel_fields, .post_load = parallel_post_load, .finalize = parallel_finalize, .props = parallel_props,
    .desc = "parallel port", .bus = "ISA", .user_creatable = true};
