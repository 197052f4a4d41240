/* mainloop.h - the main thread's loop: GLib's sources, the machine's timers, requests of the run state. */
#ifndef VL_MAINLOOP_H
#define VL_MAINLOOP_H

#include "host/base/osdep.h"

void mainloop_init(void);   /* before anything that makes sources or timers; main thread */
void mainloop_notify(void); /* any thread: look again at timers and requests */
/* Under the BQL: runs until handle_requests() returns true. */
void mainloop_run(bool (*handle_requests)(void));

#endif
