/* curses.h - the screen in a text terminal (-display curses). Main thread, under the BQL. */
#ifndef HOST_DISPLAY_CURSES_H
#define HOST_DISPLAY_CURSES_H

#include "host/base/osdep.h"

/* Takes over the terminal on stdin and stdout. on_quit: the user asked to end (Alt-0, y). */
bool curses_display_start(void (*on_quit)(void), GError **errp);
void curses_display_stop(void);
/* Async-signal-safe: the terminal as it was found, for fatal signals. */
void curses_display_restore(void);

#endif
