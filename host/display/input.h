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

KeyCode key_from_set1(uint16_t set1); /* the first key with that code; -1 none */

/* Buttons of a pointer; the wheel is dz, down (towards the user) positive. */
enum { BUTTON_LEFT = 1, BUTTON_RIGHT = 2, BUTTON_MIDDLE = 4, BUTTON_SIDE = 8, BUTTON_EXTRA = 16 };
enum { INPUT_ABS_MAX = 0x7fff }; /* absolute positions: 0 to this over the whole screen, both ways */

typedef struct InputSink {
    void (*key)(void *opaque, KeyCode key, bool down);
    void (*mouse)(void *opaque, int dx, int dy, int dz, unsigned buttons);
    void (*absolute)(void *opaque, int x, int y, int dz, unsigned buttons);
} InputSink;
void input_set_keyboard(const InputSink *sink, void *opaque); /* NULL: gone */

/* Pointing devices: the one added or selected last gets the events. A sink with `absolute` takes
 * positions, one with `mouse` movements. name (not copied) is what `info mice` shows. */
void input_add_pointer(const char *name, const InputSink *sink, void *opaque); /* again: moves to the front */
void input_remove_pointer(void *opaque);
void input_print_pointers(GString *out);   /* `info mice` */
bool input_select_pointer(int64_t number); /* `mouse_set`; false: no such */
bool input_is_absolute(void);
/* Front ends hear when the kind of the active pointer may have changed. */
void input_set_pointer_notify(void (*fn)(void *opaque), void *opaque);
void input_remove_pointer_notify(void *opaque);

void input_key(KeyCode key, bool down);
void input_mouse(int dx, int dy, int dz, unsigned buttons); /* ignored by an absolute pointer but for dz, buttons */
void input_absolute(int x, int y, int dz, unsigned buttons); /* only when input_is_absolute() */
/* The keyboard's lights as the guest set them: 1 scroll, 2 num, 4 caps. */
void input_set_leds(unsigned leds);
unsigned input_leds(void);
/* One key event behind those queued before, then a pause (VM clock): guests lose keys that come too fast. */
void input_queue_key(KeyCode key, bool down, int pause_ms);
/* sendkey: press all in order, hold (VM clock), release in reverse order. Queues behind earlier ones. */
void input_send_combo(const KeyCode *keys, int n, int hold_ms);

#endif
