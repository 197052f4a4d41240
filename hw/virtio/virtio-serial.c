/* virtio-serial.c - virtio console device: queues of up to 31 ports and the control queue that announces them
 * Spec: VIRTIO 1.1, 5.3. Without the multiport feature only port 0 exists for the driver.
 * Not modelled: window size, emergency write by a driver that has not started. */
#include "host/base/osdep.h"
#include "hw/virtio/virtio-serial.h"

#include "host/base/bitops.h"
#include "host/base/log.h"

enum { Q_CONTROL_IN = 2, Q_CONTROL_OUT = 3, PORT_QUEUE = 128, CONTROL_QUEUE = 32, CONTROL_MAX = 16384 /* bytes that may wait */ };
enum { F_MULTIPORT = 1, C_MAX_PORTS = 4, CONFIG_LEN = 12, CONTROL_LEN = 8 };
enum { DEVICE_READY, PORT_ADD, PORT_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME };

static VirtioSerial *serial_of(Virtio *v) { return container_of(v, VirtioSerial, vio); }
/* 5.3.2: port 0 has queues 0 and 1, port n the pair 2n + 2. */
static unsigned rx_index(unsigned port) { return port ? 2 * port + 2 : 0; }

VirtQueue *virtio_serial_rx(SerialPort *p) { return &p->s->vio.vq[rx_index(p->nr)]; }

/* A console without the multiport feature has nobody who could open it. */
bool virtio_serial_guest_listens(SerialPort *p)
{
    return p->s->guest_open[p->nr] || p->console || !virtio_has(&p->s->vio, F_MULTIPORT);
}

/* --- control messages --- */

static void flush_control(VirtioSerial *s)
{
    VirtQueue *vq = &s->vio.vq[Q_CONTROL_IN];
    uint32_t pos = 0;
    VirtElem *e;

    while (s->control_len - pos >= 2 && (e = virtqueue_pop(vq))) {
        uint32_t len = MIN(ldl16(s->control + pos), s->control_len - pos - 2);
        virtqueue_push(e, (uint32_t)viov_write(e->in, e->in_num, 0, s->control + pos + 2, len));
        pos += 2 + len;
    }
    if (!pos)
        return;
    memmove(s->control, s->control + pos, s->control_len - pos);
    s->control_len -= pos;
    virtio_notify(vq);
}

/* A driver that takes no messages loses those for which there is no place. */
static void send_control(VirtioSerial *s, unsigned port, unsigned event, unsigned value, const char *text)
{
    size_t extra = text ? strlen(text) : 0;
    uint8_t *m = s->control + s->control_len;

    if (!s->driver_ready || s->control_len + 2 + CONTROL_LEN + extra > CONTROL_MAX)
        return;
    stl16(m, (uint16_t)(CONTROL_LEN + extra));
    stl32(m + 2, port);
    stl16(m + 6, (uint16_t)event);
    stl16(m + 8, (uint16_t)value);
    if (extra)
        memcpy(m + 2 + CONTROL_LEN, text, extra);
    s->control_len += (uint32_t)(2 + CONTROL_LEN + extra);
    flush_control(s);
}

void virtio_serial_send_open(SerialPort *p)
{
    send_control(p->s, p->nr, PORT_OPEN, p->host_open, NULL);
}

static void introduce(VirtioSerial *s, SerialPort *p)
{
    if (p->console)
        send_control(s, p->nr, CONSOLE_PORT, 1, NULL);
    if (p->name)
        send_control(s, p->nr, PORT_NAME, 1, p->name);
    if (p->host_open)
        virtio_serial_send_open(p);
}

static void control_event(VirtioSerial *s, unsigned port, unsigned event, unsigned value)
{
    SerialPort *p = port < SERIAL_MAX_PORTS ? s->port[port] : NULL;

    if (event == DEVICE_READY) {
        s->driver_ready = value == 1;
        for (unsigned i = 0; i < SERIAL_MAX_PORTS && s->driver_ready; i++)
            if (s->port[i])
                send_control(s, i, PORT_ADD, 1, NULL);
        return;
    }
    if (!p) {
        log_guest_error("virtio-serial: event %u for port %u, which does not exist\n", event, port);
        return;
    }
    if (event == PORT_READY && value) {
        introduce(s, p);
    } else if (event == PORT_OPEN) {
        s->guest_open[port] = value != 0;
        if (value)
            serial_port_input_possible(p);
    }
}

static void control_kicked(Virtio *v, VirtQueue *vq)
{
    VirtioSerial *s = serial_of(v);
    bool any = false;
    VirtElem *e;

    while ((e = virtqueue_pop(vq))) {
        uint8_t m[CONTROL_LEN];
        bool whole = viov_read(e->out, e->out_num, 0, m, CONTROL_LEN) == CONTROL_LEN;
        virtqueue_push(e, 0);
        any = true;
        if (whole)
            control_event(s, ldl32(m), ldl16(m + 4), ldl16(m + 6));
    }
    if (any)
        virtio_notify(vq);
}

static void control_room(Virtio *v, VirtQueue *vq)
{
    flush_control(serial_of(v));
}

/* --- data --- */

static SerialPort *port_of_queue(VirtioSerial *s, unsigned q)
{
    unsigned port = q < 2 ? 0 : q / 2 - 1;

    return port < SERIAL_MAX_PORTS ? s->port[port] : NULL;
}

static void output_kicked(Virtio *v, VirtQueue *vq)
{
    SerialPort *p = port_of_queue(serial_of(v), vq->index);
    bool any = false;
    VirtElem *e;

    if (p) {
        serial_port_output(p, vq);
        return;
    }
    while ((e = virtqueue_pop(vq))) { /* nobody is there to hear it */
        virtqueue_push(e, 0);
        any = true;
    }
    if (any)
        virtio_notify(vq);
}

static void input_room(Virtio *v, VirtQueue *vq)
{
    SerialPort *p = port_of_queue(serial_of(v), vq->index);

    if (p)
        serial_port_input_possible(p);
}

/* --- ports --- */

static bool serial_init(Device *dev, GError **errp);

static VirtioSerial *find_bus(const SerialPort *p, GError **errp)
{
    const char *want = p->bus;

    for (GList *l = device_list(); l; l = l->next) {
        Device *d = l->data;
        g_autofree char *name = NULL;
        if (d->cls->init != serial_init)
            continue;
        name = g_strdup_printf("%s.0", d->id ? d->id : "virtio-serial");
        if (!want || !strcmp(want, name))
            return (VirtioSerial *)d;
    }
    if (want)
        error_set(errp, "Bus '%s' not found (ID.0 of a virtio-serial-pci device)", want);
    else
        error_set(errp, "No 'virtio-serial-bus' bus found for device '%s' (add -device virtio-serial-pci before it)",
                  p->dev.cls->name);
    return NULL;
}

/* Port 0 is for a console (5.3.2 has nothing else without multiport). */
static bool choose_number(VirtioSerial *s, SerialPort *p, GError **errp)
{
    if (p->nr == UINT32_MAX) {
        p->nr = p->console && !s->port[0] ? 0 : 1;
        while (p->nr < s->max_ports && s->port[p->nr])
            p->nr++;
        if (p->nr >= s->max_ports)
            return error_set(errp, "virtio-serial-bus: Maximum port limit for this device reached (%u)", s->max_ports);
    }
    if (p->nr >= s->max_ports)
        return error_set(errp, "virtio-serial-bus: Out-of-range port id specified, max. allowed: %u", s->max_ports - 1);
    if (s->port[p->nr])
        return error_set(errp, "virtio-serial-bus: A port already exists at id %u", p->nr);
    if (!p->nr && !p->console)
        return error_set(errp, "Port number 0 on virtio-serial devices is reserved for virtconsole devices");
    for (unsigned i = 0; i < SERIAL_MAX_PORTS; i++)
        if (s->port[i] && p->name && !g_strcmp0(s->port[i]->name, p->name))
            return error_set(errp, "virtio-serial-bus: A port already exists by name %s", p->name);
    return true;
}

bool virtio_serial_plug(SerialPort *p, GError **errp)
{
    VirtioSerial *s = find_bus(p, errp);

    if (!s || !choose_number(s, p, errp))
        return false;
    p->s = s;
    s->port[p->nr] = p;
    send_control(s, p->nr, PORT_ADD, 1, NULL);
    return true;
}

void virtio_serial_unplug(SerialPort *p)
{
    if (p->s && p->s->port[p->nr] == p)
        p->s->port[p->nr] = NULL;
    p->s = NULL;
}

/* --- virtio's questions --- */

static uint64_t features(Virtio *v)
{
    return serial_of(v)->max_ports > 1 ? BIT(F_MULTIPORT) : 0;
}

static void config_get(Virtio *v)
{
    stl32(v->config + C_MAX_PORTS, serial_of(v)->max_ports);
}

static void forget(Virtio *v)
{
    VirtioSerial *s = serial_of(v);

    s->driver_ready = 0;
    memset(s->guest_open, 0, sizeof s->guest_open);
    s->control_len = 0;
}

static const VirtioOps ops = {
    .id = VIRTIO_ID_CONSOLE, .pci_class = 0x0780, .legacy_device_id = 0x1003, .features = features,
    .config_get = config_get, .reset = forget};

/* --- the device --- */

static void config_write(PciDevice *pd, unsigned addr, uint32_t val, unsigned size)
{
    virtio_pci_config_write(pd, &((VirtioSerial *)pd)->vio, addr, size);
}

static void config_read(PciDevice *pd, unsigned addr)
{
    virtio_pci_config_read(pd, &((VirtioSerial *)pd)->vio, addr);
}

static void serial_reset(Device *dev)
{
    virtio_device_reset(&((VirtioSerial *)dev)->vio);
}

static void serial_finalize(Device *dev)
{
    VirtioSerial *s = (VirtioSerial *)dev;

    for (unsigned i = 0; i < SERIAL_MAX_PORTS; i++)
        if (s->port[i])
            s->port[i]->s = NULL;
    g_free(s->control);
    virtio_finalize(&s->vio);
}

static bool serial_init(Device *dev, GError **errp)
{
    VirtioSerial *s = (VirtioSerial *)dev;

    if (s->max_ports < 1 || s->max_ports > SERIAL_MAX_PORTS)
        return error_set(errp, "%s: max_ports takes a number from 1 to %d", dev->cls->name, SERIAL_MAX_PORTS);
    s->pci.config_write = config_write;
    s->pci.config_read = config_read;
    if (!virtio_init(&s->vio, &s->pci, &ops, CONFIG_LEN, s->max_ports + 1, errp))
        return false;
    s->control = g_malloc(CONTROL_MAX);
    for (unsigned i = 0; i < s->max_ports; i++) {
        virtio_add_queue(&s->vio, rx_index(i), PORT_QUEUE, input_room);
        virtio_add_queue(&s->vio, rx_index(i) + 1, PORT_QUEUE, output_kicked);
    }
    virtio_add_queue(&s->vio, Q_CONTROL_IN, CONTROL_QUEUE, control_room);
    virtio_add_queue(&s->vio, Q_CONTROL_OUT, CONTROL_QUEUE, control_kicked);
    return true;
}

static void serial_post_load(Device *dev)
{
    VirtioSerial *s = (VirtioSerial *)dev;

    s->control = g_realloc(s->control, CONTROL_MAX); /* loading left one of control_len bytes */
    virtio_post_load(&s->vio);
}

static const VMField serial_fields[] = {
    VM_STRUCT(VirtioSerial, pci, pci_device_fields), VM_STRUCT(VirtioSerial, vio, virtio_fields),
    VM_UINT(VirtioSerial, driver_ready), VM_BUFFER(VirtioSerial, guest_open),
    VM_VBUFFER(VirtioSerial, control, CONTROL_MAX, control_len), VM_END};

static const DeviceProp serial_props[] = {
    VIRTIO_PROPS(VirtioSerial, vio),
    {"max_ports", PROP_UINT32, offsetof(VirtioSerial, max_ports), SERIAL_MAX_PORTS, NULL, "ports that can be plugged in"},
    PROP_END};

VIRTIO_PCI_CLASSES(virtio_serial, "virtio-serial", .instance_size = sizeof(VirtioSerial), .init = serial_init,
                   .reset = serial_reset, .fields = serial_fields, .post_load = serial_post_load,
                   .finalize = serial_finalize, .props = serial_props, .desc = "virtio console and serial ports",
                   .bus = "PCI", .user_creatable = true);
