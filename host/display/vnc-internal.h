/* vnc-internal.h - the VNC server's state, shared by vnc.c (life, addresses, passwords), vnc-update.c
 * (pixels), vnc-input.c (keys and pointers).
 *
 * Two threads. The server thread owns libvncserver: it accepts, reads and sends, and a client that does
 * not read keeps only this thread waiting. Input goes to the main loop as GLib idle calls. The main
 * thread holds the BQL and takes `lock` only by trylock: the machine never waits for a client. */
#ifndef HOST_DISPLAY_VNC_INTERNAL_H
#define HOST_DISPLAY_VNC_INTERNAL_H

#include "host/display/console.h"
#include "host/display/vnc.h"
#include <rfb/rfb.h>

enum { VNC_MAX_CLIENTS = 32, VNC_MAX_LISTEN = 8, VNC_MAX_SIDE = 4096 };

typedef struct VncServer {
    /* set before the thread starts */
    rfbScreenInfoPtr screen;
    GThread *thread;
    int wake_fd;                   /* eventfd: look again */
    int listen_fd[VNC_MAX_LISTEN];
    int listen_count;
    char *unix_path;
    bool password_on;
    int key_delay_ms;
    /* under lock: everything of libvncserver */
    GMutex lock;
    uint32_t *pixels;              /* VNC_MAX_SIDE squared, mapped as needed */
    /* under state_lock, which is held for moments only */
    GMutex state_lock;
    GPtrArray *client_names;       /* of char *: "HOST:PORT (ipv4)" */
    char password[9];
    bool password_set;
    int64_t expires;               /* seconds since 1970, INT64_MAX never */
    unsigned queued;               /* input events on their way to the main loop */
    bool absolute;                 /* what clients were told of the pointer */
    /* atomic */
    gint stop, clients;
    /* main thread */
    uint64_t *dirty;               /* one bit per 64-pixel column of each row of tiles */
    bool resize_wanted;
    guint refresh_timer;
} VncServer;

extern VncServer vnc;

void vnc_wake(void); /* any thread */

/* vnc-update.c; main thread */
void vnc_update_init(void);
void vnc_update_cleanup(void);
void vnc_update_set_running(bool on); /* somebody looks */

/* vnc-input.c */
void vnc_input_init(void);
void vnc_input_cleanup(void);
void vnc_input_client_gone(rfbClientPtr cl); /* server thread */

#endif
