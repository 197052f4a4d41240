/* virtio-serial-port.c - a port of a virtio console device: virtconsole (/dev/hvcN) and virtserialport
 * (/dev/virtio-ports/NAME), each with a chardev behind it. Spec: VIRTIO 1.1, 5.3.6; the properties of QEMU's manual. */
#include "host/base/osdep.h"
#include "hw/virtio/virtio-serial.h"

enum { PIECE = 4096 };

/* --- guest to host --- */

void serial_port_output(SerialPort *p, VirtQueue *vq)
{
    bool any = false;
    VirtElem *e;

    if (p->entered)
        return;
    p->entered = true;
    while ((e = virtqueue_pop(vq))) {
        for (unsigned i = 0; i < e->out_num; i++)
            for (size_t pos = 0; pos < e->out[i].iov_len; pos += PIECE)
                chardev_fe_write(&p->fe, (uint8_t *)e->out[i].iov_base + pos, (int)MIN((size_t)PIECE, e->out[i].iov_len - pos));
        virtqueue_push(e, 0);
        any = true;
    }
    p->entered = false;
    if (any)
        virtio_notify(vq);
}

/* --- host to guest --- */

static int can_read(void *opaque)
{
    SerialPort *p = opaque;
    VirtElem *e;
    size_t room;

    if (!p->s || !virtio_serial_guest_listens(p) || !(e = virtqueue_pop(virtio_serial_rx(p))))
        return 0;
    room = MIN(e->in_bytes, (size_t)PIECE);
    virtqueue_unpop(e);
    return (int)room;
}

static void read_bytes(void *opaque, const uint8_t *buf, int size)
{
    SerialPort *p = opaque;
    VirtQueue *vq = p->s ? virtio_serial_rx(p) : NULL;
    size_t pos = 0, len = (size_t)size;
    VirtElem *e;

    while (vq && pos < len && (e = virtqueue_pop(vq))) {
        size_t n = viov_write(e->in, e->in_num, 0, buf + pos, len - pos);
        virtqueue_push(e, (uint32_t)n);
        if (!n)
            break;
        pos += n;
    }
    if (pos)
        virtio_notify(vq);
}

static void event(void *opaque, ChardevEvent ev)
{
    SerialPort *p = opaque;
    bool open = p->host_open;

    if (ev == CHR_EVENT_OPENED)
        p->host_open = true;
    else if (ev == CHR_EVENT_CLOSED)
        p->host_open = p->console;
    if (p->s && p->host_open != open)
        virtio_serial_send_open(p);
}

static const ChardevHandlers handlers = {can_read, read_bytes, event};

void serial_port_input_possible(SerialPort *p)
{
    chardev_fe_accept_input(&p->fe);
}

/* --- the device --- */

static void port_finalize(Device *dev)
{
    SerialPort *p = (SerialPort *)dev;

    virtio_serial_unplug(p);
    chardev_fe_deinit(&p->fe);
}

static bool plug(SerialPort *p, GError **errp)
{
    const char *name = p->dev.cls->name;
    Chardev *chr = p->chardev ? chardev_find(p->chardev) : NULL;

    if (p->chardev && !chr)
        return error_set(errp, "Property '%s.chardev' can't find value '%s'", name, p->chardev);
    if (chr && !chardev_fe_init(&p->fe, chr, errp))
        return false;
    p->host_open = p->console;
    if (!virtio_serial_plug(p, errp)) {
        chardev_fe_deinit(&p->fe);
        return false;
    }
    chardev_fe_set_handlers(&p->fe, &handlers, p);
    return true;
}

static bool port_init(Device *dev, GError **errp)
{
    return plug((SerialPort *)dev, errp);
}

static bool console_init(Device *dev, GError **errp)
{
    ((SerialPort *)dev)->console = true;
    return plug((SerialPort *)dev, errp);
}

static const DeviceProp port_props[] = {
    {"chardev", PROP_STRING, offsetof(SerialPort, chardev), 0, NULL, "id of the chardev behind it"},
    {"name", PROP_STRING, offsetof(SerialPort, name), 0, NULL, "name that the guest sees"},
    {"nr", PROP_UINT32, offsetof(SerialPort, nr), UINT32_MAX, NULL, "number; the first free one by default"},
    {"bus", PROP_STRING, offsetof(SerialPort, bus), 0, NULL, "ID.0 of the virtio-serial-pci device"},
    PROP_END};

const DeviceClass virtconsole_class = {
    .name = "virtconsole", .instance_size = sizeof(SerialPort), .init = console_init, .finalize = port_finalize,
    .props = port_props, .desc = "console port", .bus = "virtio-serial-bus", .user_creatable = true};
const DeviceClass virtserialport_class = {
    .name = "virtserialport", .instance_size = sizeof(SerialPort), .init = port_init, .finalize = port_finalize,
    .props = port_props, .desc = "serial port", .bus = "virtio-serial-bus", .user_creatable = true};
