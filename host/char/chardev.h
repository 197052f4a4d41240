/* chardev.h - byte streams to the host: stdio, file, pty, sockets, null, mux. One front end (a UART,
 * the monitor) sits on each chardev, several on a mux. All calls in the main thread or under the BQL. */
#ifndef HOST_CHAR_CHARDEV_H
#define HOST_CHAR_CHARDEV_H

#include "host/base/osdep.h"

typedef struct Chardev Chardev;

typedef enum ChardevEvent {
    CHR_EVENT_OPENED,  /* a peer is there (always, for file/null/stdio) */
    CHR_EVENT_CLOSED,
    CHR_EVENT_BREAK,   /* serial break from the mux keys or telnet */
    CHR_EVENT_MUX_IN,  /* this front end got / lost the mux's focus */
    CHR_EVENT_MUX_OUT,
} ChardevEvent;

/* What the front end provides. can_read tells how many bytes it takes now (0: stop reading until
 * chardev_accept_input). */
typedef struct ChardevHandlers {
    int (*can_read)(void *opaque);
    void (*read)(void *opaque, const uint8_t *buf, int size);
    void (*event)(void *opaque, ChardevEvent ev);
} ChardevHandlers;

typedef struct ChardevFe { /* a front end's seat, inside its state */
    Chardev *chr;
    const ChardevHandlers *handlers;
    void *opaque;
    int tag; /* seat number on a mux */
} ChardevFe;

/* `spec` is QEMU's legacy text (-serial X, -monitor X): "stdio", "null", "none", "pty", "file:P",
 * "pipe:P", "tcp:H:P[,server][,nowait]", "telnet:...", "unix:P[,...]", "mon:SPEC", "chardev:ID", "vc".
 * label is the chardev's id. *out is NULL for "none". */
bool chardev_new_legacy(const char *label, const char *spec, Chardev **out, GError **errp);
/* -chardev BACKEND,id=ID,key=value... */
Chardev *chardev_new_opts(const char *optstr, GError **errp);
Chardev *chardev_find(const char *id);
void chardev_foreach(void (*fn)(Chardev *chr, void *opaque), void *opaque);
const char *chardev_label(const Chardev *chr);
const char *chardev_filename(const Chardev *chr); /* as in `info chardev`: "stdio", "unix:P,server=on", "pty:/dev/pts/3", "mux" */
bool chardev_is_mux(const Chardev *chr);
/* A chardev that another may share (mux around it); used by mon: and mux=on. */
void chardev_free(Chardev *chr);
void chardev_cleanup_all(void); /* restore the terminal, remove unix sockets; safe at exit */
/* Async-signal-safe part of it, for fatal signals. */
void chardev_restore_terminal(void);
void chardev_list_backends(GString *out); /* -chardev help */
void chardev_set_escape(int echr);        /* -echr */
/* Takes what a ring buffer has kept; -1: chr is no ring buffer. */
int chardev_ringbuf_read(Chardev *chr, uint8_t *buf, int len);
/* What Ctrl-A x and the like do is decided above: */
typedef struct ChardevMuxHooks {
    void (*quit)(void);
    void (*commit)(void);
} ChardevMuxHooks;
void chardev_set_mux_hooks(const ChardevMuxHooks *hooks);

bool chardev_fe_init(ChardevFe *fe, Chardev *chr, GError **errp); /* error: already in use */
void chardev_fe_set_handlers(ChardevFe *fe, const ChardevHandlers *h, void *opaque);
void chardev_fe_deinit(ChardevFe *fe);
/* Never blocks for long; what the peer does not take at once is kept (bounded) or dropped when no peer.
 * Returns bytes taken. A front end without chardev drops all. */
int chardev_fe_write(ChardevFe *fe, const uint8_t *buf, int len);
/* The front end can take input again. */
void chardev_fe_accept_input(ChardevFe *fe);
void chardev_fe_set_break(ChardevFe *fe, bool on);
void chardev_fe_take_focus(ChardevFe *fe); /* mux */

#endif
