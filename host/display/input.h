/* input.h - keyboard and mouse events from whoever makes them (windows, VNC, sendkey) to the device
 * that takes them. Keys are named by KeyCode (QEMU's qcode names). Under the BQL. */
#ifndef HOST_DISPLAY_INPUT_H
#define HOST_DISPLAY_INPUT_H

#include "host/base/osdep.h"

/* name as in sendkey, PS/2 set 1 code (0xe0xx: extended; pause and print are special) */
typedef struct KeyInfo {
    const char *name;
    uint16_t set1;
} KeyInfo;
extern const KeyInfo key_table[]; /* index = KeyCode; ends with a NULL name */
typedef int KeyCode;              /* index into key_table */
KeyCode key_find(const char *name); /* also "0x1e" raw codes; -1 unknown */

typedef struct InputSink {
    void (*key)(void *opaque, KeyCode key, bool down);
    void (*mouse)(void *opaque, int dx, int dy, int dz, unsigned buttons); /* buttons: 1 left 2 right 4 middle */
} InputSink;
void input_set_keyboard(const InputSink *sink, void *opaque);
void input_set_mouse(const InputSink *sink, void *opaque);
void input_key(KeyCode key, bool down);
void input_mouse(int dx, int dy, int dz, unsigned buttons);
/* sendkey: press all in order, hold (VM clock), release in reverse order. Queues behind earlier ones. */
void input_send_combo(const KeyCode *keys, int n, int hold_ms);

#endif
