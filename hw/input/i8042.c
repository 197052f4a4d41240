/* i8042.c - keyboard controller of the AT and PS/2, with keyboard and mouse behind it
 * Spec: IBM PS/2 Hardware Interface Technical Reference (keyboard and auxiliary device controller).
 * Guest view: ports 60h and 64h; IRQ 1 and 12; A20 gate and CPU reset on the output port.
 * Not modelled: serial line timing, parity and time-out errors, the password. */
#include "host/base/osdep.h"
#include "hw/input/i8042.h"
#include "host/base/log.h"
#include "softmmu/runstate.h"

enum { STAT_OBF = 0x01, STAT_SYS = 0x04, STAT_CMD = 0x08, STAT_UNLOCKED = 0x10, STAT_AUX = 0x20 };
enum { MODE_KBD_INT = 0x01, MODE_AUX_INT = 0x02, MODE_SYS = 0x04, MODE_NO_KBD = 0x10, MODE_NO_AUX = 0x20, MODE_XLATE = 0x40 };
enum { OUT_NOT_RESET = 0x01, OUT_A20 = 0x02, OUT_KBD_OBF = 0x10, OUT_AUX_OBF = 0x20 };
enum { CMD_READ_RAM = 0x20, CMD_READ_RAM_LAST = 0x3f, CMD_WRITE_RAM = 0x60, CMD_WRITE_RAM_LAST = 0x7f, CMD_TEST_PASSWORD = 0xa4,
       CMD_AUX_DISABLE = 0xa7, CMD_AUX_ENABLE = 0xa8, CMD_AUX_TEST = 0xa9, CMD_SELF_TEST = 0xaa, CMD_KBD_TEST = 0xab,
       CMD_KBD_DISABLE = 0xad, CMD_KBD_ENABLE = 0xae, CMD_READ_INPORT = 0xc0, CMD_READ_OUTPORT = 0xd0,
       CMD_WRITE_OUTPORT = 0xd1, CMD_WRITE_KBD_OBUF = 0xd2, CMD_WRITE_AUX_OBUF = 0xd3, CMD_WRITE_AUX = 0xd4,
       CMD_A20_OFF = 0xdd, CMD_A20_ON = 0xdf, CMD_READ_TEST = 0xe0, CMD_PULSE_FIRST = 0xf0 };
enum { OB_NONE, OB_KBD, OB_MOUSE, OB_CTRL, OB_CTRL_AUX };

/* Scan code set 2 -> set 1, as the controller's firmware does it; above 84h: unchanged. */
static const uint8_t translation[0x85] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
    0x80, 0x81, 0x82, 0x41, 0x54};

static void i8042_update_irq(I8042State *s)
{
    bool full = s->status & STAT_OBF, aux = s->status & STAT_AUX;
    s->outport &= ~(OUT_KBD_OBF | OUT_AUX_OBF);
    if (full)
        s->outport |= aux ? OUT_AUX_OBF : OUT_KBD_OBF;
    irq_set(&s->irq_kbd, full && !aux && (s->mode & MODE_KBD_INT));
    irq_set(&s->irq_mouse, full && aux && (s->mode & MODE_AUX_INT));
}

static void i8042_put(I8042State *s, uint8_t val, uint8_t source)
{
    s->obdata = val;
    s->ob_source = source;
    s->status |= STAT_OBF;
    if (source == OB_MOUSE || source == OB_CTRL_AUX)
        s->status |= STAT_AUX;
    else
        s->status &= ~STAT_AUX;
    i8042_update_irq(s);
}

/* The keyboard's next byte after translation; false when only a break prefix was there. */
static bool keyboard_byte(I8042State *s, uint8_t *val)
{
    uint8_t release = 0;
    while (ps2_pending(&s->kbd.port)) {
        *val = ps2_take(&s->kbd.port);
        if (!(s->mode & MODE_XLATE))
            return true;
        if (*val == 0xf0) { /* swallowed; the code after it gets bit 7 (both were queued together) */
            release = 0x80;
            continue;
        }
        *val = (*val < sizeof translation ? translation[*val] : *val) | release;
        return true;
    }
    return false;
}

/* Fill the output buffer if it is free and a device has something. */
static void i8042_poll(I8042State *s)
{
    uint8_t val;
    if (s->status & STAT_OBF)
        return;
    if (!(s->mode & MODE_NO_KBD) && keyboard_byte(s, &val)) {
        i8042_put(s, val, OB_KBD);
    } else if (!(s->mode & MODE_NO_AUX)) {
        ps2_mouse_refill(&s->mouse);
        if (!(s->status & STAT_OBF) && ps2_pending(&s->mouse.port))
            i8042_put(s, ps2_take(&s->mouse.port), OB_MOUSE);
    }
}

static void i8042_notify(void *opaque) { i8042_poll(opaque); }

static void i8042_reset_cpu(I8042State *s)
{
    if (s->reset_line.handler)
        irq_pulse(&s->reset_line);
    else
        system_reset_request(CAUSE_GUEST_RESET);
}

static void i8042_set_outport(I8042State *s, uint8_t val)
{
    uint8_t old = s->outport;
    s->outport = (val & ~(OUT_KBD_OBF | OUT_AUX_OBF)) | (old & (OUT_KBD_OBF | OUT_AUX_OBF));
    irq_set(&s->a20, !!(val & OUT_A20)); /* also when unchanged: port 92h may have moved the gate meanwhile */
    if (!(val & OUT_NOT_RESET)) {
        s->outport |= OUT_NOT_RESET;
        i8042_reset_cpu(s);
    }
}

bool i8042_a20(const I8042State *s) { return s->outport & OUT_A20; }

static void i8042_set_mode(I8042State *s, uint8_t val)
{
    s->mode = val;
    s->status = (s->status & ~STAT_SYS) | (val & MODE_SYS);
    i8042_update_irq(s);
    i8042_poll(s);
}

static uint64_t i8042_read_data(void *opaque, hwaddr off, unsigned size)
{
    I8042State *s = opaque;
    uint8_t val = s->obdata;

    if (s->status & STAT_OBF) { /* the read frees the buffer and lowers the line; the next byte raises it anew */
        s->status &= ~(STAT_OBF | STAT_AUX);
        s->ob_source = OB_NONE;
        i8042_update_irq(s);
        i8042_poll(s);
    }
    return val;
}

static uint64_t i8042_read_status(void *opaque, hwaddr off, unsigned size) { return ((I8042State *)opaque)->status; }

static void i8042_write_data(void *opaque, hwaddr off, uint64_t val64, unsigned size)
{
    I8042State *s = opaque;
    uint8_t val = val64, cmd = s->write_cmd;

    s->write_cmd = 0;
    s->status &= ~STAT_CMD;
    switch (cmd) {
    case 0:
        s->mode &= ~MODE_NO_KBD; /* talking to the keyboard opens its line */
        ps2_keyboard_write(&s->kbd, val);
        i8042_poll(s);
        break;
    case CMD_WRITE_RAM:
        i8042_set_mode(s, val);
        break;
    case CMD_WRITE_RAM + 1 ... CMD_WRITE_RAM_LAST:
        s->ram[cmd & 0x1f] = val;
        break;
    case CMD_WRITE_OUTPORT:
        i8042_set_outport(s, val);
        break;
    case CMD_WRITE_KBD_OBUF:
        i8042_put(s, val, OB_CTRL);
        break;
    case CMD_WRITE_AUX_OBUF:
        i8042_put(s, val, OB_CTRL_AUX);
        break;
    case CMD_WRITE_AUX:
        s->mode &= ~MODE_NO_AUX;
        ps2_mouse_write(&s->mouse, val);
        i8042_poll(s);
        break;
    default:
        break;
    }
}

static void i8042_write_cmd(void *opaque, hwaddr off, uint64_t val64, unsigned size)
{
    I8042State *s = opaque;
    uint8_t val = val64;

    s->write_cmd = 0;
    s->status |= STAT_CMD;
    switch (val) {
    case CMD_READ_RAM:
        i8042_put(s, s->mode, OB_CTRL);
        break;
    case CMD_READ_RAM + 1 ... CMD_READ_RAM_LAST:
        i8042_put(s, s->ram[val & 0x1f], OB_CTRL);
        break;
    case CMD_WRITE_RAM ... CMD_WRITE_RAM_LAST:
    case CMD_WRITE_OUTPORT ... CMD_WRITE_AUX:
        s->write_cmd = val;
        break;
    case CMD_TEST_PASSWORD:
        i8042_put(s, 0xf1, OB_CTRL); /* none set */
        break;
    case CMD_AUX_DISABLE:
        s->mode |= MODE_NO_AUX;
        break;
    case CMD_AUX_ENABLE:
        s->mode &= ~MODE_NO_AUX;
        i8042_poll(s);
        break;
    case CMD_AUX_TEST:
    case CMD_KBD_TEST:
        i8042_put(s, 0x00, OB_CTRL);
        break;
    case CMD_SELF_TEST:
        s->status |= STAT_SYS;
        s->mode |= MODE_SYS;
        i8042_put(s, 0x55, OB_CTRL);
        break;
    case CMD_KBD_DISABLE:
        s->mode |= MODE_NO_KBD;
        break;
    case CMD_KBD_ENABLE:
        s->mode &= ~MODE_NO_KBD;
        i8042_poll(s);
        break;
    case CMD_READ_INPORT:
        i8042_put(s, 0x80, OB_CTRL); /* keyboard not inhibited */
        break;
    case CMD_READ_OUTPORT:
        i8042_put(s, s->outport, OB_CTRL);
        break;
    case CMD_A20_OFF:
        i8042_set_outport(s, s->outport & ~OUT_A20);
        break;
    case CMD_A20_ON:
        i8042_set_outport(s, s->outport | OUT_A20);
        break;
    case CMD_READ_TEST:
        i8042_put(s, 0x00, OB_CTRL);
        break;
    case CMD_PULSE_FIRST ... 0xff: /* bits that are 0 are pulsed low; only bit 0 is wired to anything */
        if (!(val & 1))
            i8042_reset_cpu(s);
        break;
    default:
        log_guest_error("i8042: unknown command %02x\n", val);
        break;
    }
}

static const MemoryOps data_ops = {i8042_read_data, i8042_write_data, 1, 1, false};
static const MemoryOps cmd_ops = {i8042_read_status, i8042_write_cmd, 1, 1, false};

static void sink_key(void *opaque, KeyCode key, bool down) { ps2_keyboard_key(&((I8042State *)opaque)->kbd, key, down); }

static void sink_mouse(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    ps2_mouse_event(&((I8042State *)opaque)->mouse, dx, dy, dz, buttons);
}

static const InputSink key_sink = {.key = sink_key}, mouse_sink = {.mouse = sink_mouse};

static const VMField i8042_fields[] = {
    VM_UINT(I8042State, status), VM_UINT(I8042State, mode), VM_UINT(I8042State, outport), VM_UINT(I8042State, obdata),
    VM_UINT(I8042State, ob_source), VM_UINT(I8042State, write_cmd), VM_BUFFER(I8042State, ram),
    VM_STRUCT(I8042State, kbd, ps2_keyboard_fields), VM_STRUCT(I8042State, mouse, ps2_mouse_fields), VM_END};

static void i8042_reset(Device *dev)
{
    I8042State *s = (I8042State *)dev;
    s->status = STAT_UNLOCKED | STAT_CMD;
    s->mode = MODE_KBD_INT | MODE_AUX_INT;
    s->outport = OUT_NOT_RESET | OUT_A20 | 0xcc;
    s->obdata = 0;
    s->ob_source = OB_NONE;
    s->write_cmd = 0;
    memset(s->ram, 0, sizeof s->ram);
    ps2_keyboard_reset(&s->kbd);
    ps2_mouse_reset(&s->mouse);
    irq_set(&s->a20, 1);
    i8042_update_irq(s);
}

static void i8042_post_load(Device *dev)
{
    I8042State *s = (I8042State *)dev;
    Ps2Port *ports[2] = {&s->kbd.port, &s->mouse.port};
    for (int i = 0; i < 2; i++) {
        ports[i]->q.head %= PS2_QUEUE_SIZE;
        ports[i]->q.count = MIN(ports[i]->q.count, PS2_QUEUE_SIZE);
        ports[i]->q.reply_head %= PS2_REPLY_SIZE;
        ports[i]->q.reply_count = MIN(ports[i]->q.reply_count, PS2_REPLY_SIZE);
    }
    irq_set(&s->a20, i8042_a20(s));
    i8042_update_irq(s);
}

static bool i8042_init(Device *dev, GError **errp)
{
    I8042State *s = (I8042State *)dev;
    s->kbd.port.notify = s->mouse.port.notify = i8042_notify;
    s->kbd.port.opaque = s->mouse.port.opaque = s;
    memory_region_init_io(&s->io_data, &data_ops, s, "i8042-data", 1);
    memory_region_init_io(&s->io_cmd, &cmd_ops, s, "i8042-cmd", 1);
    memory_region_add(address_space_io.root, 0x60, &s->io_data, 0);
    memory_region_add(address_space_io.root, 0x64, &s->io_cmd, 0);
    input_set_keyboard(&key_sink, s);
    input_add_pointer("PS/2 Mouse", &mouse_sink, s);
    return true;
}

static void i8042_finalize(Device *dev)
{
    I8042State *s = (I8042State *)dev;
    input_set_keyboard(NULL, NULL);
    input_remove_pointer(s);
    memory_region_del(address_space_io.root, &s->io_data);
    memory_region_del(address_space_io.root, &s->io_cmd);
    memory_region_destroy(&s->io_data);
    memory_region_destroy(&s->io_cmd);
}

const DeviceClass i8042_class = {
    .name = "i8042", .instance_size = sizeof(I8042State), .init = i8042_init, .reset = i8042_reset,
    .fields = i8042_fields, .post_load = i8042_post_load, .finalize = i8042_finalize,
    .desc = "keyboard controller with PS/2 keyboard and mouse", .bus = "ISA"};
