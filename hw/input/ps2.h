/* ps2.h - PS/2 keyboard and mouse as the 8042 sees them: a byte in, bytes out through a queue. */
#ifndef HW_INPUT_PS2_H
#define HW_INPUT_PS2_H

#include "host/display/input.h"
#include "softmmu/vmstate.h"

enum { PS2_QUEUE_SIZE = 16, PS2_REPLY_SIZE = 8 };

typedef struct Ps2Queue { /* replies go before what the user types */
    uint8_t data[PS2_QUEUE_SIZE];
    uint8_t head, count;
    uint8_t reply[PS2_REPLY_SIZE];
    uint8_t reply_head, reply_count;
} Ps2Queue;

typedef struct Ps2Port { /* what both kinds have */
    void (*notify)(void *opaque); /* wiring: the queue has something */
    void *opaque;
    Ps2Queue q;
    uint8_t pending_cmd; /* command that waits for its parameter, 0: none */
    uint8_t last_sent;   /* for RESEND */
} Ps2Port;

typedef struct Ps2Keyboard {
    Ps2Port port;
    bool scanning;
    uint8_t scancode_set; /* 1-3 */
    uint8_t leds, typematic;
    bool ctrl_down, alt_down; /* of the host's events: print/pause codes depend on them */
} Ps2Keyboard;

typedef struct Ps2Mouse {
    Ps2Port port;
    uint8_t type;        /* device ID: 0 standard, 3 wheel, 4 five buttons */
    uint8_t status;      /* 0x40 remote, 0x20 reporting, 0x10 scaling 2:1 */
    uint8_t sample_rate, resolution;
    bool wrap;
    uint8_t detect;      /* progress of the 200-100-80 sequence */
    int32_t dx, dy, dz;  /* movement not reported yet */
    uint8_t buttons, reported_buttons;
} Ps2Mouse;

extern const VMField ps2_keyboard_fields[], ps2_mouse_fields[];

void ps2_keyboard_reset(Ps2Keyboard *k);
void ps2_keyboard_write(Ps2Keyboard *k, uint8_t val); /* a byte from the controller */
void ps2_keyboard_key(Ps2Keyboard *k, KeyCode key, bool down);
void ps2_mouse_reset(Ps2Mouse *m);
void ps2_mouse_write(Ps2Mouse *m, uint8_t val);
void ps2_mouse_event(Ps2Mouse *m, int dx, int dy, int dz, unsigned buttons);
/* A packet without movement, so that the mouse's interrupt comes (vmmouse has news). */
void ps2_mouse_poke(Ps2Mouse *m);
bool ps2_pending(const Ps2Port *p);
uint8_t ps2_take(Ps2Port *p); /* next byte; only when ps2_pending */
/* The queue ran low: the mouse may report what it gathered meanwhile. */
void ps2_mouse_refill(Ps2Mouse *m);

#endif
