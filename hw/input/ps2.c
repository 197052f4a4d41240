/* ps2.c - PS/2 keyboard and mouse: the devices at the far end of the controller's two serial lines
 * Spec: IBM PS/2 Hardware Interface Technical Reference (keyboard, mouse); Microsoft IntelliMouse
 * protocol for the wheel. Guest view: command bytes and their answers, scan codes, packets.
 * Not modelled: typematic repeat (the host repeats), the per-key types of scan code set 3, and the
 * extra shift codes that surround navigation keys while Num Lock is on. */
#include "host/base/osdep.h"
#include "hw/input/ps2.h"
#include "host/base/log.h"

enum { PS2_ACK = 0xfa, PS2_RESEND = 0xfe, PS2_BAT_OK = 0xaa, PS2_ECHO = 0xee };
enum { KBD_SET_LEDS = 0xed, KBD_ECHO = 0xee, KBD_SCANCODE_SET = 0xf0, KBD_GET_ID = 0xf2, KBD_SET_RATE = 0xf3, KBD_ENABLE = 0xf4,
       KBD_DISABLE = 0xf5, KBD_DEFAULTS = 0xf6, KBD_ALL_FIRST = 0xf7, KBD_ALL_LAST = 0xfa, KBD_KEY_FIRST = 0xfb,
       KBD_KEY_LAST = 0xfd, KBD_RESEND = 0xfe, KBD_RESET = 0xff };
enum { MOUSE_SCALE11 = 0xe6, MOUSE_SCALE21 = 0xe7, MOUSE_SET_RES = 0xe8, MOUSE_GET_STATUS = 0xe9, MOUSE_STREAM = 0xea,
       MOUSE_POLL = 0xeb, MOUSE_RESET_WRAP = 0xec, MOUSE_SET_WRAP = 0xee, MOUSE_REMOTE = 0xf0, MOUSE_GET_ID = 0xf2,
       MOUSE_SET_RATE = 0xf3, MOUSE_ENABLE = 0xf4, MOUSE_DISABLE = 0xf5, MOUSE_DEFAULTS = 0xf6, MOUSE_RESEND = 0xfe,
       MOUSE_RESET = 0xff };
enum { MOUSE_STATUS_REMOTE = 0x40, MOUSE_STATUS_ENABLED = 0x20, MOUSE_STATUS_SCALE21 = 0x10 };
enum { MOUSE_TYPE_PLAIN = 0, MOUSE_TYPE_WHEEL = 3, MOUSE_TYPE_FIVE = 4 };

/* Scan code set 1 (without prefix) -> set 2. Index 0x00-0x7f; 0: no such key. */
static const uint8_t set1_to_set2[128] = {
    0x00, 0x76, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d,
    0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x14, 0x1c, 0x1b,
    0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5d, 0x1a, 0x22, 0x21, 0x2a,
    0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7c, 0x11, 0x29, 0x58, 0x05, 0x06, 0x04, 0x0c, 0x03,
    0x0b, 0x83, 0x0a, 0x01, 0x09, 0x77, 0x7e, 0x6c, 0x75, 0x7d, 0x7b, 0x6b, 0x73, 0x74, 0x79, 0x69,
    0x72, 0x7a, 0x70, 0x71, 0x84, 0x60, 0x61, 0x78, 0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f,
    0x47, 0x4f, 0x56, 0x5e, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x40, 0x48, 0x50, 0x57, 0x6f,
    0x13, 0x19, 0x39, 0x51, 0x53, 0x5c, 0x5f, 0x62, 0x63, 0x64, 0x65, 0x67, 0x68, 0x6a, 0x6d, 0x6e};

/* Where set 3 differs from set 2: pairs of set 1 code (0x80 added for the e0 prefix) and set 3 code. */
static const uint8_t set3_exceptions[][2] = {
    {0x01, 0x08}, {0x3b, 0x07}, {0x3c, 0x0f}, {0x3d, 0x17}, {0x3e, 0x1f}, {0x3f, 0x27}, {0x40, 0x2f}, {0x41, 0x37},
    {0x42, 0x3f}, {0x43, 0x47}, {0x44, 0x4f}, {0x57, 0x56}, {0x58, 0x5e}, {0x3a, 0x14}, {0x1d, 0x11}, {0x38, 0x19},
    {0xb8, 0x39}, {0x9d, 0x58}, {0x2b, 0x5c}, {0x56, 0x13}, {0x45, 0x76}, {0x46, 0x5f}, {0x37, 0x7e}, {0x4a, 0x84},
    {0x4e, 0x7c}, {0x9c, 0x79}, {0xb5, 0x77}, {0xd2, 0x67}, {0xc7, 0x6e}, {0xc9, 0x6f}, {0xd3, 0x64}, {0xcf, 0x65},
    {0xd1, 0x6d}, {0xc8, 0x63}, {0xcb, 0x61}, {0xd0, 0x60}, {0xcd, 0x6a}, {0xdb, 0x8b}, {0xdc, 0x8c}, {0xdd, 0x8d}};

/* ---- queue ---- */

static bool queue_put(Ps2Port *p, const uint8_t *bytes, unsigned n)
{
    Ps2Queue *q = &p->q;
    if (q->count + n > PS2_QUEUE_SIZE)
        return false; /* all or nothing: half a code would confuse the guest */
    for (unsigned i = 0; i < n; i++)
        q->data[(q->head + q->count++) % PS2_QUEUE_SIZE] = bytes[i];
    if (p->notify)
        p->notify(p->opaque);
    return true;
}

static void queue_clear(Ps2Port *p) { p->q.head = p->q.count = 0; }

static void reply_n(Ps2Port *p, const uint8_t *bytes, unsigned n)
{
    Ps2Queue *q = &p->q;
    for (unsigned i = 0; i < n && q->reply_count < PS2_REPLY_SIZE; i++)
        q->reply[(q->reply_head + q->reply_count++) % PS2_REPLY_SIZE] = bytes[i];
    if (p->notify)
        p->notify(p->opaque);
}

#define REPLY(p, ...) reply_n(p, (const uint8_t[]){__VA_ARGS__}, sizeof(uint8_t[]){__VA_ARGS__})

bool ps2_pending(const Ps2Port *p) { return p->q.count || p->q.reply_count; }

uint8_t ps2_take(Ps2Port *p)
{
    Ps2Queue *q = &p->q;
    uint8_t val = p->last_sent;
    if (q->reply_count) {
        val = q->reply[q->reply_head % PS2_REPLY_SIZE];
        q->reply_head = (q->reply_head + 1) % PS2_REPLY_SIZE;
        q->reply_count--;
    } else if (q->count) {
        val = q->data[q->head % PS2_QUEUE_SIZE];
        q->head = (q->head + 1) % PS2_QUEUE_SIZE;
        q->count--;
    }
    p->last_sent = val;
    return val;
}

static void port_reset(Ps2Port *p)
{
    memset(&p->q, 0, sizeof p->q);
    p->pending_cmd = 0;
    p->last_sent = 0;
}

/* ---- keyboard ---- */

static void keyboard_defaults(Ps2Keyboard *k)
{
    k->scancode_set = 2;
    k->typematic = 0x2b; /* 10.9 per second after 500 ms */
    queue_clear(&k->port);
}

void ps2_keyboard_reset(Ps2Keyboard *k)
{
    port_reset(&k->port);
    keyboard_defaults(k);
    k->scanning = true;
    k->leds = 0;
    input_set_leds(0);
    k->ctrl_down = k->alt_down = false;
}

static void keyboard_param(Ps2Keyboard *k, uint8_t cmd, uint8_t val)
{
    switch (cmd) {
    case KBD_SET_LEDS:
        k->leds = val & 7;
        input_set_leds(k->leds);
        REPLY(&k->port, PS2_ACK);
        break;
    case KBD_SET_RATE:
        k->typematic = val & 0x7f;
        REPLY(&k->port, PS2_ACK);
        break;
    case KBD_SCANCODE_SET:
        if (val == 0) {
            REPLY(&k->port, PS2_ACK, k->scancode_set);
        } else if (val <= 3) {
            k->scancode_set = val;
            queue_clear(&k->port);
            REPLY(&k->port, PS2_ACK);
        } else {
            REPLY(&k->port, PS2_RESEND);
        }
        break;
    default: /* key types of set 3: accepted, all keys stay make/break */
        REPLY(&k->port, PS2_ACK);
        break;
    }
}

void ps2_keyboard_write(Ps2Keyboard *k, uint8_t val)
{
    Ps2Port *p = &k->port;
    uint8_t cmd = p->pending_cmd;

    p->pending_cmd = 0;
    if (cmd && val < KBD_SET_LEDS) { /* a command byte instead of a parameter starts over */
        keyboard_param(k, cmd, val);
        return;
    }
    switch (val) {
    case KBD_SET_LEDS:
    case KBD_SCANCODE_SET:
    case KBD_SET_RATE:
    case KBD_KEY_FIRST ... KBD_KEY_LAST:
        p->pending_cmd = val;
        REPLY(p, PS2_ACK);
        break;
    case KBD_ECHO:
        REPLY(p, PS2_ECHO);
        break;
    case KBD_GET_ID:
        REPLY(p, PS2_ACK, 0xab, 0x83);
        break;
    case KBD_ENABLE:
        queue_clear(p);
        k->scanning = true;
        REPLY(p, PS2_ACK);
        break;
    case KBD_DISABLE:
        keyboard_defaults(k);
        k->scanning = false;
        REPLY(p, PS2_ACK);
        break;
    case KBD_DEFAULTS:
        keyboard_defaults(k);
        k->scanning = true;
        REPLY(p, PS2_ACK);
        break;
    case KBD_ALL_FIRST ... KBD_ALL_LAST:
        REPLY(p, PS2_ACK);
        break;
    case KBD_RESEND:
        REPLY(p, p->last_sent);
        break;
    case KBD_RESET:
        ps2_keyboard_reset(k);
        REPLY(p, PS2_ACK, PS2_BAT_OK);
        break;
    default:
        log_guest_error("ps2: unknown keyboard command %02x\n", val);
        REPLY(p, PS2_RESEND);
        break;
    }
}

static uint8_t code_in_set3(uint8_t code, bool ext)
{
    uint8_t key = code | (ext ? 0x80 : 0);
    for (size_t i = 0; i < ARRAY_SIZE(set3_exceptions); i++)
        if (set3_exceptions[i][0] == key)
            return set3_exceptions[i][1];
    return ext ? 0 : set1_to_set2[code];
}

/* Print Screen and Pause have sequences of their own. True: done. */
static bool keyboard_special(Ps2Keyboard *k, const char *name, bool down)
{
    Ps2Port *p = &k->port;
    bool set1 = k->scancode_set == 1;
#define SEND(...) queue_put(p, (const uint8_t[]){__VA_ARGS__}, sizeof(uint8_t[]){__VA_ARGS__})
    if (!strcmp(name, "print")) {
        if (k->scancode_set == 3)
            down ? SEND(0x57) : SEND(0xf0, 0x57);
        else if (k->alt_down)
            set1 ? (down ? SEND(0x54) : SEND(0xd4)) : (down ? SEND(0x84) : SEND(0xf0, 0x84));
        else if (k->ctrl_down)
            set1 ? (down ? SEND(0xe0, 0x37) : SEND(0xe0, 0xb7)) : (down ? SEND(0xe0, 0x7c) : SEND(0xe0, 0xf0, 0x7c));
        else if (set1)
            down ? SEND(0xe0, 0x2a, 0xe0, 0x37) : SEND(0xe0, 0xb7, 0xe0, 0xaa);
        else
            down ? SEND(0xe0, 0x12, 0xe0, 0x7c) : SEND(0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12);
        return true;
    }
    if (!strcmp(name, "pause")) { /* make only, except in set 3 */
        if (k->scancode_set == 3)
            down ? SEND(0x62) : SEND(0xf0, 0x62);
        else if (down && k->ctrl_down)
            set1 ? SEND(0xe0, 0x46, 0xe0, 0xc6) : SEND(0xe0, 0x7e, 0xe0, 0xf0, 0x7e);
        else if (down)
            set1 ? SEND(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5) : SEND(0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77);
        return true;
    }
#undef SEND
    return false;
}

void ps2_keyboard_key(Ps2Keyboard *k, KeyCode key, bool down)
{
    const KeyInfo *info = &key_table[key];
    uint8_t code = info->set1 & 0x7f, out[4], n = 0;
    bool ext = info->set1 >> 8 == 0xe0;

    if (code == 0x1d)
        k->ctrl_down = down;
    if (code == 0x38)
        k->alt_down = down;
    if (!k->scanning || keyboard_special(k, info->name, down) || !code)
        return;
    switch (k->scancode_set) {
    case 1:
        if (ext)
            out[n++] = 0xe0;
        out[n++] = code | (down ? 0 : 0x80);
        break;
    case 2:
        if (ext)
            out[n++] = 0xe0;
        if (!down)
            out[n++] = 0xf0;
        out[n++] = set1_to_set2[code];
        break;
    default:
        if (!code_in_set3(code, ext))
            return;
        if (!down)
            out[n++] = 0xf0;
        out[n++] = code_in_set3(code, ext);
        break;
    }
    queue_put(&k->port, out, n);
}

/* ---- mouse ---- */

static void mouse_defaults(Ps2Mouse *m)
{
    m->sample_rate = 100;
    m->resolution = 2;
    m->status = 0;
    m->dx = m->dy = m->dz = 0;
    queue_clear(&m->port);
}

void ps2_mouse_reset(Ps2Mouse *m)
{
    port_reset(&m->port);
    mouse_defaults(m);
    m->type = MOUSE_TYPE_PLAIN;
    m->wrap = false;
    m->detect = 0;
    m->buttons = m->reported_buttons = 0;
}

/* One packet from what has gathered; returns its length. */
static unsigned mouse_packet(Ps2Mouse *m, uint8_t out[4])
{
    int dx = CLAMP(m->dx, -255, 255), dy = CLAMP(m->dy, -255, 255), dz = 0;

    m->dx -= dx;
    m->dy -= dy;
    out[0] = 0x08 | (m->buttons & 7) | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0);
    out[1] = dx;
    out[2] = dy;
    m->reported_buttons = m->buttons;
    if (m->type == MOUSE_TYPE_PLAIN) {
        m->dz = 0;
        return 3;
    }
    dz = m->type == MOUSE_TYPE_FIVE ? CLAMP(m->dz, -8, 7) : CLAMP(m->dz, -127, 127);
    m->dz -= dz;
    out[3] = m->type == MOUSE_TYPE_FIVE ? (dz & 0x0f) | (m->buttons & 0x18) << 1 : dz;
    return 4;
}

static bool mouse_has_news(const Ps2Mouse *m) { return m->dx || m->dy || m->dz || m->buttons != m->reported_buttons; }

void ps2_mouse_refill(Ps2Mouse *m)
{
    uint8_t packet[4];
    if (!(m->status & MOUSE_STATUS_ENABLED) || (m->status & MOUSE_STATUS_REMOTE) || m->wrap || ps2_pending(&m->port) ||
        !mouse_has_news(m))
        return;
    unsigned n = mouse_packet(m, packet);
    queue_put(&m->port, packet, n);
}

void ps2_mouse_event(Ps2Mouse *m, int dx, int dy, int dz, unsigned buttons)
{
    if (!(m->status & MOUSE_STATUS_ENABLED))
        return;
    m->dx = CLAMP((int64_t)m->dx + dx, -32768, 32767); /* bounded: the guest may never read */
    m->dy = CLAMP((int64_t)m->dy - dy, -32768, 32767); /* the mouse's y grows upwards */
    m->dz = CLAMP((int64_t)m->dz + dz, -1024, 1023);
    m->buttons = buttons & 0x1f;
    ps2_mouse_refill(m);
}

void ps2_mouse_poke(Ps2Mouse *m)
{
    uint8_t bytes[4];
    if (!(m->status & MOUSE_STATUS_ENABLED) || (m->status & MOUSE_STATUS_REMOTE) || m->wrap || ps2_pending(&m->port))
        return; /* what is under way interrupts as well */
    unsigned n = mouse_packet(m, bytes);
    queue_put(&m->port, bytes, n);
}

/* IntelliMouse: sample rates 200, 100, 80 unlock the wheel; 200, 200, 80 the five buttons. */
static void mouse_detect(Ps2Mouse *m, uint8_t rate)
{
    switch (m->detect) {
    case 0:
        m->detect = rate == 200;
        break;
    case 1:
        m->detect = rate == 100 ? 2 : rate == 200 ? 3 : 0;
        break;
    case 2:
        if (rate == 80)
            m->type = MOUSE_TYPE_WHEEL;
        m->detect = 0;
        break;
    default:
        if (rate == 80)
            m->type = MOUSE_TYPE_FIVE;
        m->detect = rate == 200 ? 3 : 0;
        break;
    }
}

static void mouse_command(Ps2Mouse *m, uint8_t val)
{
    Ps2Port *p = &m->port;
    uint8_t packet[5] = {PS2_ACK};
    unsigned n;

    switch (val) {
    case MOUSE_SCALE11:
        m->status &= ~MOUSE_STATUS_SCALE21;
        break;
    case MOUSE_SCALE21:
        m->status |= MOUSE_STATUS_SCALE21;
        break;
    case MOUSE_SET_RES:
    case MOUSE_SET_RATE:
        p->pending_cmd = val;
        break;
    case MOUSE_GET_STATUS:
        REPLY(p, PS2_ACK, m->status | (m->buttons & 1) << 2 | (m->buttons & 4) >> 1 | (m->buttons & 2) >> 1,
              m->resolution, m->sample_rate);
        return;
    case MOUSE_STREAM:
        m->status &= ~MOUSE_STATUS_REMOTE;
        break;
    case MOUSE_POLL:
        n = mouse_packet(m, packet + 1);
        reply_n(p, packet, n + 1);
        return;
    case MOUSE_SET_WRAP:
        m->wrap = true;
        break;
    case MOUSE_RESET_WRAP:
        break;
    case MOUSE_REMOTE:
        m->status |= MOUSE_STATUS_REMOTE;
        break;
    case MOUSE_GET_ID:
        REPLY(p, PS2_ACK, m->type);
        return;
    case MOUSE_ENABLE:
        m->status |= MOUSE_STATUS_ENABLED;
        break;
    case MOUSE_DISABLE:
        m->status &= ~MOUSE_STATUS_ENABLED;
        break;
    case MOUSE_DEFAULTS:
        mouse_defaults(m);
        break;
    case MOUSE_RESEND:
        REPLY(p, p->last_sent);
        return;
    case MOUSE_RESET:
        ps2_mouse_reset(m);
        REPLY(p, PS2_ACK, PS2_BAT_OK, m->type);
        return;
    default:
        log_guest_error("ps2: unknown mouse command %02x\n", val);
        REPLY(p, PS2_RESEND);
        return;
    }
    REPLY(p, PS2_ACK);
}

void ps2_mouse_write(Ps2Mouse *m, uint8_t val)
{
    Ps2Port *p = &m->port;
    uint8_t cmd = p->pending_cmd;

    queue_clear(p); /* a command cuts off the packet under way */
    if (m->wrap && val != MOUSE_RESET && val != MOUSE_RESET_WRAP) {
        REPLY(p, val);
        return;
    }
    m->wrap = false;
    p->pending_cmd = 0;
    if (cmd == MOUSE_SET_RATE) {
        m->sample_rate = val;
        mouse_detect(m, val);
        REPLY(p, PS2_ACK);
    } else if (cmd == MOUSE_SET_RES) {
        m->resolution = val & 3;
        REPLY(p, PS2_ACK);
    } else {
        mouse_command(m, val);
    }
}

/* ---- state ---- */

static const VMField queue_fields[] = {
    VM_BUFFER(Ps2Queue, data), VM_UINT(Ps2Queue, head), VM_UINT(Ps2Queue, count), VM_BUFFER(Ps2Queue, reply),
    VM_UINT(Ps2Queue, reply_head), VM_UINT(Ps2Queue, reply_count), VM_END};
static const VMField port_fields[] = {
    VM_STRUCT(Ps2Port, q, queue_fields), VM_UINT(Ps2Port, pending_cmd), VM_UINT(Ps2Port, last_sent), VM_END};
const VMField ps2_keyboard_fields[] = {
    VM_STRUCT(Ps2Keyboard, port, port_fields), VM_UINT(Ps2Keyboard, scanning), VM_UINT(Ps2Keyboard, scancode_set),
    VM_UINT(Ps2Keyboard, leds), VM_UINT(Ps2Keyboard, typematic), VM_UINT(Ps2Keyboard, ctrl_down),
    VM_UINT(Ps2Keyboard, alt_down), VM_END};
const VMField ps2_mouse_fields[] = {
    VM_STRUCT(Ps2Mouse, port, port_fields), VM_UINT(Ps2Mouse, type), VM_UINT(Ps2Mouse, status),
    VM_UINT(Ps2Mouse, sample_rate), VM_UINT(Ps2Mouse, resolution), VM_UINT(Ps2Mouse, wrap), VM_UINT(Ps2Mouse, detect),
    VM_UINT(Ps2Mouse, dx), VM_UINT(Ps2Mouse, dy), VM_UINT(Ps2Mouse, dz), VM_UINT(Ps2Mouse, buttons),
    VM_UINT(Ps2Mouse, reported_buttons), VM_END};
