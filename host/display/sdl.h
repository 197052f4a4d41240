/* sdl.h - the SDL2 window (-display sdl). Main thread, under the BQL. */
#ifndef HOST_DISPLAY_SDL_H
#define HOST_DISPLAY_SDL_H

#include "host/base/osdep.h"

typedef struct SdlOptions {
    const char *title;     /* copied */
    const char *grab_mod;  /* "lctrl-lalt" (also NULL), "lshift-lctrl-lalt", "rctrl" */
    bool full_screen;
    bool show_cursor;      /* of the host, also above an absolute pointer */
    void (*on_close)(void); /* the user closes the window; NULL: nothing happens then */
} SdlOptions;

/* Opens the window and keeps it up to date. Keys with the grab modifiers held: G grabs and releases, F full
 * screen, + and - zoom, U the guest's size again. */
bool sdl_display_start(const SdlOptions *opts, GError **errp);
void sdl_display_stop(void);

#endif
