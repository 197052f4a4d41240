/* vnc-input.c - keys and pointers of VNC clients on their way to the guest
 * Spec: RFC 6143 7.5.4 (keysyms), 7.5.5 (pointer); the community's registry of RFB extensions: QEMU
 * extended key event (-258, message 255/0: XT scan codes) and pointer motion change (-257).
 * The server thread only queues; what a key means is decided in the main thread. */
#include "host/base/osdep.h"
#include "host/display/vnc-internal.h"
#include "host/display/keymap.h"

enum { ENC_EXT_KEY = -258, ENC_POINTER_TYPE = -257, MSG_QEMU = 255, MAX_QUEUED = 2048, MAX_KEYS = 256,
       RELATIVE_ORIGIN = 0x7fff };

typedef enum EventKind { EV_KEYSYM, EV_SCANCODE, EV_POINTER, EV_GONE } EventKind;
typedef struct Event {
    EventKind kind;
    const void *client; /* only compared */
    bool down, deltas;  /* deltas: x and y are movements around RELATIVE_ORIGIN */
    uint32_t code;
    int x, y;
    unsigned mask;
} Event;

/* ---- main thread ---- */

static struct {
    uint32_t sym[MAX_KEYS];        /* that pressed this key; 0: up */
    const void *client[MAX_KEYS];  /* that holds it, NULL: up */
    const void *last_client;       /* of the pointer */
    int last_x, last_y;
    unsigned last_mask;
} in;

static void send_key(KeyCode key, bool down) { input_queue_key(key, down, vnc.key_delay_ms); }

static unsigned held_mods(void)
{
    static KeyCode shift_l = -1, shift_r, altgr;
    if (shift_l < 0) {
        shift_l = key_find("shift");
        shift_r = key_find("shift_r");
        altgr = key_find("alt_r");
    }
    return (in.client[shift_l] || in.client[shift_r] ? KEYMAP_SHIFT : 0) | (in.client[altgr] ? KEYMAP_ALTGR : 0);
}

static void press(const Event *e, KeyCode key, uint32_t sym)
{
    if (key < 0 || key >= MAX_KEYS)
        return;
    in.client[key] = e->client; /* a repeated press repeats the key */
    in.sym[key] = sym;
    send_key(key, true);
}

static void release(KeyCode key)
{
    if (key < 0 || key >= MAX_KEYS || !in.client[key])
        return;
    in.client[key] = NULL;
    in.sym[key] = 0;
    send_key(key, false);
}

static void on_keysym(const Event *e)
{
    KeyMatch m;

    if (!e->down) { /* the sign may have changed with Shift meanwhile: the key that it pressed comes first */
        for (int k = 0; k < MAX_KEYS; k++) {
            if (in.client[k] && in.sym[k] == e->code) {
                release(k);
                return;
            }
        }
        if (keymap_find(e->code, held_mods(), &m))
            release(m.key);
        return;
    }
    if (!keymap_find(e->code, held_mods(), &m))
        return;
    if (m.num_lock && (m.num_lock > 0) != !!(input_leds() & 2)) {
        KeyCode num = key_find("num_lock");
        send_key(num, true);
        send_key(num, false);
    }
    /* A client that names a sign without holding its modifier (scripts do) means the sign. */
    bool caps = m.letter && (input_leds() & 4);
    bool add_shift = m.mods != KEYMAP_ANY && (m.mods & KEYMAP_SHIFT) && !(held_mods() & KEYMAP_SHIFT) && !caps;
    if (add_shift)
        send_key(key_find("shift"), true);
    press(e, m.key, e->code);
    if (add_shift)
        send_key(key_find("shift"), false);
}

static void on_scancode(const Event *e)
{
    uint16_t set1 = (uint16_t)(e->code & 0x80 ? 0xe000 | (e->code & 0x7f) : e->code & 0x7f);
    KeyCode key = key_from_set1(set1);
    if (e->down)
        press(e, key, 0);
    else
        release(key);
}

static void on_pointer(const Event *e)
{
    Surface *s = console_surface();
    unsigned pressed = e->mask & ~in.last_mask, buttons = 0;
    int dz = (pressed & 0x10 ? 1 : 0) - (pressed & 0x08 ? 1 : 0);

    buttons |= e->mask & 1 ? BUTTON_LEFT : 0;
    buttons |= e->mask & 2 ? BUTTON_MIDDLE : 0;
    buttons |= e->mask & 4 ? BUTTON_RIGHT : 0;
    buttons |= e->mask & 0x80 ? BUTTON_SIDE : 0;
    if (input_is_absolute()) {
        int w = s ? MAX(s->width - 1, 1) : 1, h = s ? MAX(s->height - 1, 1) : 1;
        input_absolute((int)((int64_t)e->x * INPUT_ABS_MAX / w), (int)((int64_t)e->y * INPUT_ABS_MAX / h), dz, buttons);
    } else if (e->deltas) {
        input_mouse(e->x - RELATIVE_ORIGIN, e->y - RELATIVE_ORIGIN, dz, buttons);
    } else {
        bool known = in.last_client == e->client;
        input_mouse(known ? e->x - in.last_x : 0, known ? e->y - in.last_y : 0, dz, buttons);
    }
    in.last_client = e->client;
    in.last_x = e->x;
    in.last_y = e->y;
    in.last_mask = e->mask;
}

static void on_gone(const Event *e)
{
    for (int k = 0; k < MAX_KEYS; k++)
        if (in.client[k] == e->client)
            release(k);
    if (in.last_client == e->client) {
        if (in.last_mask)
            input_mouse(0, 0, 0, 0);
        in.last_client = NULL;
        in.last_mask = 0;
    }
}

static gboolean deliver(gpointer opaque)
{
    static void (*const handlers[])(const Event *) = {on_keysym, on_scancode, on_pointer, on_gone};
    Event *e = opaque;
    g_mutex_lock(&vnc.state_lock);
    if (vnc.queued)
        vnc.queued--;
    g_mutex_unlock(&vnc.state_lock);
    handlers[e->kind](e);
    return G_SOURCE_REMOVE;
}

static void pointer_changed(void *opaque)
{
    g_mutex_lock(&vnc.state_lock);
    vnc.absolute = input_is_absolute();
    g_mutex_unlock(&vnc.state_lock);
}

/* ---- server thread ---- */

static void queue_event(const Event *e)
{
    g_mutex_lock(&vnc.state_lock);
    bool room = vnc.queued < MAX_QUEUED || e->kind == EV_GONE; /* a flood is cut off, not kept */
    vnc.queued += room;
    g_mutex_unlock(&vnc.state_lock);
    if (room)
        g_idle_add_full(G_PRIORITY_DEFAULT, deliver, g_memdup2(e, sizeof *e), g_free);
}

static void key_event(rfbBool down, rfbKeySym sym, rfbClientPtr cl)
{
    queue_event(&(Event){.kind = EV_KEYSYM, .client = cl->clientData, .down = down, .code = sym});
}

static rfbProtocolExtension extension;

static void pointer_event(int mask, int x, int y, rfbClientPtr cl)
{
    /* The extension's data tells which pseudo encodings the client has. */
    uintptr_t has = (uintptr_t)rfbGetExtensionClientData(cl, &extension);
    g_mutex_lock(&vnc.state_lock);
    bool deltas = (has & 1) && !vnc.absolute;
    g_mutex_unlock(&vnc.state_lock);
    queue_event(&(Event){.kind = EV_POINTER, .client = cl->clientData, .deltas = deltas, .x = x, .y = y, .mask = (unsigned)mask});
}

void vnc_input_client_gone(rfbClientPtr cl) { queue_event(&(Event){.kind = EV_GONE, .client = cl->clientData}); }

/* A frame buffer update with one rectangle that is no picture. */
static bool send_pseudo_rect(rfbClientPtr cl, int x, int32_t encoding)
{
    rfbFramebufferUpdateMsg head = {.type = rfbFramebufferUpdate, .nRects = Swap16IfLE(1)};
    rfbFramebufferUpdateRectHeader rect = {.r = {Swap16IfLE((uint16_t)x), 0, Swap16IfLE((uint16_t)vnc.screen->width),
                                                 Swap16IfLE((uint16_t)vnc.screen->height)},
                                           .encoding = Swap32IfLE((uint32_t)encoding)};
    char buf[sz_rfbFramebufferUpdateMsg + sz_rfbFramebufferUpdateRectHeader];
    memcpy(buf, &head, sz_rfbFramebufferUpdateMsg);
    memcpy(buf + sz_rfbFramebufferUpdateMsg, &rect, sz_rfbFramebufferUpdateRectHeader);
    return rfbWriteExact(cl, buf, sizeof buf) >= 0;
}

static int pseudo_encodings[] = {ENC_EXT_KEY, ENC_POINTER_TYPE, 0};

static rfbBool enable_encoding(rfbClientPtr cl, void **data, int encoding)
{
    uintptr_t has = (uintptr_t)rfbGetExtensionClientData(cl, &extension);
    if (encoding == ENC_EXT_KEY) {
        *data = (void *)has;
        return send_pseudo_rect(cl, 0, encoding);
    }
    if (encoding != ENC_POINTER_TYPE)
        return FALSE;
    g_mutex_lock(&vnc.state_lock);
    bool absolute = vnc.absolute;
    g_mutex_unlock(&vnc.state_lock);
    *data = (void *)(has | 1);
    for (rfbExtensionData *e = cl->extensions; e; e = e->next) /* enabled already: only the data changes */
        if (e->extension == &extension)
            e->data = *data;
    return send_pseudo_rect(cl, absolute, encoding);
}

static rfbBool handle_message(rfbClientPtr cl, void *data, const rfbClientToServerMsg *msg)
{
    uint8_t b[sz_rfbQemuExtendedKeyEventMsg - 1]; /* the type has been read */
    if (msg->type != MSG_QEMU)
        return FALSE;
    if (rfbReadExact(cl, (char *)b, 1) <= 0 || b[0] != 0 || rfbReadExact(cl, (char *)b + 1, sizeof b - 1) <= 0) {
        rfbCloseClient(cl); /* other messages of this family (sound) are not offered */
        return TRUE;
    }
    bool down = b[1] || b[2];
    uint32_t sym = (uint32_t)b[3] << 24 | b[4] << 16 | b[5] << 8 | b[6];
    uint32_t code = (uint32_t)b[7] << 24 | b[8] << 16 | b[9] << 8 | b[10];
    queue_event(&(Event){.kind = code ? EV_SCANCODE : EV_KEYSYM, .client = cl->clientData, .down = down,
                         .code = code ? code : sym});
    return TRUE;
}

/* ---- life; main thread ---- */

void vnc_input_init(void)
{
    memset(&in, 0, sizeof in);
    extension = (rfbProtocolExtension){.pseudoEncodings = pseudo_encodings, .enablePseudoEncoding = enable_encoding,
                                       .handleMessage = handle_message};
    rfbRegisterProtocolExtension(&extension);
    vnc.screen->kbdAddEvent = key_event;
    vnc.screen->ptrAddEvent = pointer_event;
    input_set_pointer_notify(pointer_changed, &vnc);
    pointer_changed(NULL);
}

void vnc_input_cleanup(void)
{
    input_remove_pointer_notify(&vnc);
    rfbUnregisterProtocolExtension(&extension);
}
