/* chardev-int.h - what the chardev core and the backends know of each other.
 * A backend either moves bytes itself (ops->write) or hands the core descriptors (chr_stream_start);
 * the core then does the polling, the output buffer and the flow control. Under the BQL. */
#ifndef HOST_CHAR_CHARDEV_INT_H
#define HOST_CHAR_CHARDEV_INT_H

#include "host/base/keyval.h"
#include "host/char/chardev.h"

typedef struct ChardevOps {
    const char *name;
    /* Optional: takes all bytes at once (null, file, ring buffer, mux). */
    int (*write)(Chardev *chr, const uint8_t *buf, int len);
    /* Optional: bytes of the peer before the front end sees them (telnet); returns the new length. */
    int (*filter)(Chardev *chr, uint8_t *buf, int len);
    /* Optional: the stream ended. The core has stopped polling. */
    void (*hangup)(Chardev *chr);
    /* Optional: called before output when nobody is connected; true when somebody is there now. */
    bool (*poll_peer)(Chardev *chr);
    void (*accept_input)(Chardev *chr);
    void (*close)(Chardev *chr);
    bool datagrams;   /* one read() is one message: it is taken whole */
    bool blocking_fd; /* the descriptors have no O_NONBLOCK (shared with other programs) */
} ChardevOps;

struct Chardev {
    const ChardevOps *ops;
    char *label;
    char *filename;
    void *priv;
    ChardevFe *fe;      /* the front end; for a mux see mux.c */
    Chardev *base;      /* of a mux */
    bool open;          /* a peer is there */
    int log_fd;
    /* stream */
    int in_fd, out_fd;  /* -1: none */
    GSource *in_src, *out_src;
    GSource *gone_src;  /* while paused: has the peer gone? */
    bool in_paused;     /* the front end took no more */
    GByteArray *left;   /* what a peer that has gone had sent and the front end did not take yet */
    GByteArray *out;
    uint8_t held[128];  /* single bytes that go out together, before those of out */
    int held_len;
    int64_t last_byte_ns;
    struct Timer *hold_timer; /* NULL: no byte was held yet */
};

typedef struct ChardevBackend {
    const char *name;
    const char *keys; /* besides the common ones */
    bool (*open)(Chardev *chr, const GPtrArray *kv, GError **errp);
} ChardevBackend;

bool chr_open_stdio(Chardev *chr, const GPtrArray *kv, GError **errp);
bool chr_open_file(Chardev *chr, const GPtrArray *kv, GError **errp);
bool chr_open_pipe(Chardev *chr, const GPtrArray *kv, GError **errp);
bool chr_open_null(Chardev *chr, const GPtrArray *kv, GError **errp);
bool chr_open_ringbuf(Chardev *chr, const GPtrArray *kv, GError **errp);
bool chr_open_pty(Chardev *chr, const GPtrArray *kv, GError **errp);
bool chr_open_udp(Chardev *chr, const GPtrArray *kv, GError **errp);
bool chr_open_host_serial(Chardev *chr, const GPtrArray *kv, GError **errp);
bool chr_open_socket(Chardev *chr, const GPtrArray *kv, GError **errp);

/* core */
Chardev *chr_new(const char *label, GError **errp);  /* in the list; no backend yet */
void chr_destroy(Chardev *chr);
void chr_stream_start(Chardev *chr, int in_fd, int out_fd);
void chr_stream_stop(Chardev *chr); /* drops what is not written; does not close the descriptors */
int chr_write(Chardev *chr, const uint8_t *buf, int len);
void chr_set_filename(Chardev *chr, char *name); /* takes it */
void chr_event(Chardev *chr, ChardevEvent ev);   /* also keeps chr->open */
int chr_can_read(Chardev *chr);
void chr_deliver(Chardev *chr, const uint8_t *buf, int len);
void chr_resume_input(Chardev *chr);

/* mux.c */
Chardev *chr_mux_new(const char *label, Chardev *base, GError **errp);
int mux_fe_write(ChardevFe *fe, const uint8_t *buf, int len);
bool mux_fe_attach(ChardevFe *fe, GError **errp);
void mux_fe_detach(ChardevFe *fe);
void mux_fe_handlers(ChardevFe *fe);
void mux_accept_input(ChardevFe *fe);
void mux_take_focus(ChardevFe *fe);

#endif
