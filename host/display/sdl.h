/* sdl.h - the SDL2 window (-display sdl). */
#ifndef HOST_DISPLAY_SDL_H
#define HOST_DISPLAY_SDL_H

#include "host/base/osdep.h"

/* Opens the window and keeps it up to date; main thread. `title` is copied. on_close: the user closed it. */
bool sdl_display_start(const char *title, bool full_screen, void (*on_close)(void), GError **errp);
void sdl_display_stop(void);

#endif
