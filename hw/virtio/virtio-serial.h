/* virtio-serial.h - virtio console device over PCI, and the ports on it. */
#ifndef HW_VIRTIO_VIRTIO_SERIAL_H
#define HW_VIRTIO_VIRTIO_SERIAL_H

#include "host/char/chardev.h"
#include "hw/virtio/virtio.h"

VIRTIO_PCI_EXTERN(virtio_serial);
extern const DeviceClass virtconsole_class, virtserialport_class;

enum { SERIAL_MAX_PORTS = 31 };

typedef struct SerialPort SerialPort;
typedef struct VirtioSerial {
    PciDevice pci;
    Virtio vio;
    uint32_t max_ports;             /* property */
    SerialPort *port[SERIAL_MAX_PORTS];
    uint8_t *control;               /* messages that wait for buffers of the driver, each after its length in 16 bits */
    uint32_t control_len;           /* bytes */
    uint8_t driver_ready;           /* it has said DEVICE_READY */
    uint8_t guest_open[SERIAL_MAX_PORTS]; /* a program in the guest has the port open; saved here for all ports */
} VirtioSerial;

struct SerialPort {
    Device dev;
    /* properties */
    char *chardev, *name, *bus;
    uint32_t nr;
    bool console;
    VirtioSerial *s;
    ChardevFe fe;
    bool host_open;                 /* the chardev has a peer */
    bool entered;                   /* guards against input that comes while output goes on */
};

/* virtio-serial-port.c */
void serial_port_output(SerialPort *p, VirtQueue *vq);
void serial_port_input_possible(SerialPort *p);
/* virtio-serial.c: where a port is plugged in */
bool virtio_serial_plug(SerialPort *p, GError **errp);
void virtio_serial_unplug(SerialPort *p);
void virtio_serial_send_open(SerialPort *p);
VirtQueue *virtio_serial_rx(SerialPort *p);
bool virtio_serial_guest_listens(SerialPort *p);

#endif
