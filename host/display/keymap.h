/* keymap.h - from X keysyms (what VNC clients and text terminals send) to keys of a PC keyboard. */
#ifndef HOST_DISPLAY_KEYMAP_H
#define HOST_DISPLAY_KEYMAP_H

#include "host/display/input.h"

enum { KEYMAP_SHIFT = 1, KEYMAP_ALTGR = 2, KEYMAP_ANY = 0xff };

typedef struct KeyMatch {
    KeyCode key;
    uint8_t mods;    /* modifiers that must be held for this sign, or KEYMAP_ANY */
    int8_t num_lock; /* 1: the sign needs Num Lock on, -1: off, 0: either */
    bool letter;     /* Caps Lock counts as Shift */
} KeyMatch;

/* -k: a name of keymap_print_layouts(). Until the first call, and after NULL, "en-us". */
bool keymap_load(const char *layout, GError **errp);
void keymap_print_layouts(GString *out); /* the names, space-separated */
/* The key for a keysym; where several make the same sign, the one that fits the held modifiers.
 * False: no key of this layout makes it. */
bool keymap_find(uint32_t keysym, unsigned held_mods, KeyMatch *out);

#endif
