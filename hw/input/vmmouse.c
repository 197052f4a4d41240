/* vmmouse.c - a mouse that reports positions, read through the VMware back door
 * Spec: the protocol that open drivers use (Linux drivers/input/mouse/vmmouse.c, X.Org's vmmouse): commands
 * 39 to 41; packets of four words (buttons, x, y, wheel) in a queue; the PS/2 mouse's interrupt says that
 * there is something. Not modelled: restricting who may call (CPL), several queues. */
#include "host/base/osdep.h"
#include "hw/input/vmmouse.h"
#include "host/base/log.h"
#include "host/display/input.h"

enum { QUEUE_WORDS = 256, PACKET_WORDS = 4, MAX_READ = 6 };
enum { CMD_DISABLE = 0xf5, CMD_ENABLE = 0x45414552, CMD_RELATIVE = 0x4c455252, CMD_ABSOLUTE = 0x53424152 };
enum { VERSION_ID = 0x3442554a, STATUS_ERROR = 0xffff };
enum { VM_LEFT = 0x20, VM_RIGHT = 0x10, VM_MIDDLE = 0x08, VM_RELATIVE = 0x10000 };

struct VmMouse {
    Device dev;
    I8042State *i8042; /* wiring */
    /* guest-visible */
    uint32_t queue[QUEUE_WORDS];
    uint16_t head, count; /* words */
    uint16_t status;      /* STATUS_ERROR: off, or the guest made a mistake */
    uint8_t absolute;     /* bool, as it comes from saved states */
};

static void push(VmMouse *s, uint32_t word) { s->queue[(s->head + s->count++) % QUEUE_WORDS] = word; }

static uint32_t pop(VmMouse *s)
{
    uint32_t word = s->queue[s->head];
    s->head = (s->head + 1) % QUEUE_WORDS;
    s->count--;
    return word;
}

static void packet(VmMouse *s, uint32_t flags, int x, int y, int dz, unsigned buttons)
{
    if (s->status == STATUS_ERROR || s->count + PACKET_WORDS > QUEUE_WORDS)
        return;
    flags |= buttons & BUTTON_LEFT ? VM_LEFT : 0;
    flags |= buttons & BUTTON_RIGHT ? VM_RIGHT : 0;
    flags |= buttons & BUTTON_MIDDLE ? VM_MIDDLE : 0;
    push(s, flags);
    push(s, (uint32_t)x);
    push(s, (uint32_t)y);
    push(s, (uint32_t)dz);
    if (s->i8042)
        ps2_mouse_poke(&s->i8042->mouse);
}

static void sink_absolute(void *opaque, int x, int y, int dz, unsigned buttons)
{
    packet(opaque, 0, x * 2, y * 2, dz, buttons); /* 16 bits over the screen */
}

static void sink_relative(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    packet(opaque, VM_RELATIVE, dx, dy, dz, buttons);
}

static const InputSink absolute_sink = {.absolute = sink_absolute}, relative_sink = {.mouse = sink_relative};

static void listen(VmMouse *s, bool on)
{
    input_remove_pointer(s);
    if (on)
        input_add_pointer("vmmouse", s->absolute ? &absolute_sink : &relative_sink, s);
}

static void command(VmMouse *s, uint32_t cmd)
{
    switch (cmd) {
    case CMD_DISABLE:
        s->status = STATUS_ERROR;
        s->count = 0;
        listen(s, false);
        break;
    case CMD_ENABLE: /* the driver reads who it talks to */
        s->status = 0;
        s->count = 0;
        push(s, VERSION_ID);
        break;
    case CMD_RELATIVE:
    case CMD_ABSOLUTE:
        s->absolute = cmd == CMD_ABSOLUTE;
        listen(s, true);
        break;
    default:
        log_guest_error("vmmouse: unknown command %08x\n", cmd);
        break;
    }
}

static void data(VmMouse *s, uint32_t regs[6])
{
    unsigned n = regs[1];
    if (n == 0 || n > MAX_READ || n > s->count) {
        log_guest_error("vmmouse: %u words wanted, %u there\n", n, s->count);
        s->status = STATUS_ERROR;
        listen(s, false);
        return;
    }
    for (unsigned i = 0; i < n; i++)
        regs[i] = pop(s);
}

void vmmouse_call(VmMouse *s, unsigned cmd, uint32_t regs[6])
{
    switch (cmd) {
    case VMMOUSE_STATUS:
        regs[0] = (uint32_t)s->status << 16 | s->count;
        break;
    case VMMOUSE_DATA:
        data(s, regs);
        break;
    default:
        command(s, regs[1]);
        break;
    }
}

static const VMField vmmouse_fields[] = {
    VM_UINT_ARRAY(VmMouse, queue, QUEUE_WORDS), VM_UINT(VmMouse, head), VM_UINT(VmMouse, count), VM_UINT(VmMouse, status),
    VM_UINT(VmMouse, absolute), VM_END};

static void vmmouse_reset(Device *dev)
{
    VmMouse *s = (VmMouse *)dev;
    memset(s->queue, 0, sizeof s->queue);
    s->head = s->count = 0;
    s->status = STATUS_ERROR;
    s->absolute = false;
    listen(s, false);
}

static void vmmouse_post_load(Device *dev)
{
    VmMouse *s = (VmMouse *)dev;
    s->head %= QUEUE_WORDS;
    s->count = MIN(s->count, QUEUE_WORDS);
    listen(s, s->status != STATUS_ERROR);
}

static void vmmouse_finalize(Device *dev) { input_remove_pointer(dev); }

void vmmouse_wire(Device *dev, I8042State *i8042) { ((VmMouse *)dev)->i8042 = i8042; }

const DeviceClass vmmouse_class = {
    .name = "vmmouse", .instance_size = sizeof(VmMouse), .reset = vmmouse_reset, .fields = vmmouse_fields,
    .post_load = vmmouse_post_load, .finalize = vmmouse_finalize, .desc = "absolute pointer behind vmport", .bus = "ISA"};
