/* mux.c - several front ends share one chardev: input goes to the one with the focus, a key
 * sequence (Ctrl-A and a letter) switches, quits, sends a break, or turns time stamps on.
 * Spec: the keys of qemu's -nographic. Bytes that the focused front end cannot take yet wait in its
 * own small buffer, so that one slow front end does not swallow the others' input. */
#include "host/base/osdep.h"
#include "host/char/chardev-int.h"

enum { MAX_FE = 4, BUF_SIZE = 256 }; /* BUF_SIZE: a power of two */

typedef struct MuxSeat {
    ChardevFe *fe;
    uint8_t buf[BUF_SIZE];
    unsigned prod, cons;
} MuxSeat;

typedef struct Mux {
    Chardev *chr;
    ChardevFe base_fe;   /* our own seat on the real chardev */
    MuxSeat seat[MAX_FE];
    int focus;           /* -1 none */
    bool got_escape;
    bool timestamps, at_line_start;
    gint64 stamp_start;  /* monotonic us; 0: not yet */
} Mux;

static int escape_char = 0x01; /* Ctrl-A; -echr */
static const ChardevMuxHooks *hooks;

void chardev_set_escape(int echr) { escape_char = echr; }
void chardev_set_mux_hooks(const ChardevMuxHooks *h) { hooks = h; }

static void base_puts(Mux *m, const char *s) { chr_write(m->chr->base, (const uint8_t *)s, (int)strlen(s)); }

static void seat_event(Mux *m, int i, ChardevEvent ev)
{
    ChardevFe *fe = i >= 0 ? m->seat[i].fe : NULL;
    if (fe && fe->handlers && fe->handlers->event)
        fe->handlers->event(fe->opaque, ev);
}

static void set_focus(Mux *m, int i)
{
    if (m->focus == i)
        return;
    int old = m->focus;
    m->focus = i;
    seat_event(m, old, CHR_EVENT_MUX_OUT);
    seat_event(m, i, CHR_EVENT_MUX_IN);
}

static int seat_room(const MuxSeat *s)
{
    const ChardevFe *fe = s->fe;
    return fe && fe->handlers && fe->handlers->can_read ? fe->handlers->can_read(fe->opaque) : 0;
}

/* Hand over what waits, as far as the front end takes it. */
static void seat_feed(MuxSeat *s)
{
    while (s->cons != s->prod && s->fe && s->fe->handlers && s->fe->handlers->read && seat_room(s) > 0) {
        uint8_t c = s->buf[s->cons++ % BUF_SIZE];
        s->fe->handlers->read(s->fe->opaque, &c, 1);
    }
}

static void print_help(Mux *m)
{
    char key[16];
    if (escape_char > 0 && escape_char < 27)
        snprintf(key, sizeof key, "C-%c", 'a' + escape_char - 1);
    else
        snprintf(key, sizeof key, "0x%02x", escape_char);
    g_autofree char *text = g_strdup_printf(
        "\n\r%1$s h    print this help\n\r%1$s x    exit emulator\n\r"
        "%1$s s    save disk data back to file (if -snapshot)\n\r%1$s t    toggle console timestamps\n\r"
        "%1$s b    send break (magic sysrq)\n\r%1$s c    switch between console and monitor\n\r"
        "%1$s %1$s  sends %1$s\n\r", key);
    base_puts(m, text);
}

/* One input byte; true when it belongs to the focused front end. */
static bool take_byte(Mux *m, uint8_t c)
{
    if (!m->got_escape) {
        m->got_escape = c == escape_char;
        return !m->got_escape;
    }
    m->got_escape = false;
    if (c == escape_char)
        return true;
    switch (c) {
    case '?':
    case 'h':
        print_help(m);
        break;
    case 'x':
        base_puts(m, "Vireo: Terminated\n\r");
        if (hooks && hooks->quit)
            hooks->quit();
        break;
    case 's':
        if (hooks && hooks->commit)
            hooks->commit();
        break;
    case 'b':
        seat_event(m, m->focus, CHR_EVENT_BREAK);
        break;
    case 'c':
        for (int i = 1; i <= MAX_FE; i++) {
            int next = (m->focus + i) % MAX_FE;
            if (m->seat[next].fe && m->seat[next].fe->handlers) {
                set_focus(m, next);
                break;
            }
        }
        break;
    case 't':
        m->timestamps = !m->timestamps;
        m->stamp_start = 0;
        m->at_line_start = false;
        break;
    default:
        break; /* as in qemu: swallowed */
    }
    return false;
}

static int base_can_read(void *opaque)
{
    Mux *m = opaque;
    if (m->focus < 0)
        return 1; /* the keys work, the rest is dropped */
    const MuxSeat *s = &m->seat[m->focus];
    int room = BUF_SIZE - (int)(s->prod - s->cons);
    return room > 0 ? room : 0;
}

static void base_read(void *opaque, const uint8_t *buf, int size)
{
    Mux *m = opaque;
    for (int i = 0; i < size; i++) {
        if (!take_byte(m, buf[i]) || m->focus < 0)
            continue;
        MuxSeat *s = &m->seat[m->focus];
        if (s->prod - s->cons < BUF_SIZE)
            s->buf[s->prod++ % BUF_SIZE] = buf[i];
        seat_feed(s);
    }
}

static void base_event(void *opaque, ChardevEvent ev)
{
    Mux *m = opaque;
    if (ev == CHR_EVENT_OPENED)
        m->chr->open = true;
    else if (ev == CHR_EVENT_CLOSED)
        m->chr->open = false;
    for (int i = 0; i < MAX_FE; i++)
        seat_event(m, i, ev);
}

static const ChardevHandlers base_handlers = {base_can_read, base_read, base_event};

static int mux_write(Chardev *chr, const uint8_t *buf, int len)
{
    Mux *m = chr->priv;
    if (!m->timestamps)
        return chr_write(chr->base, buf, len);
    for (int i = 0; i < len; i++) {
        if (m->at_line_start) {
            char stamp[48];
            gint64 now = g_get_monotonic_time();
            if (!m->stamp_start)
                m->stamp_start = now;
            int64_t ms = (now - m->stamp_start) / 1000;
            snprintf(stamp, sizeof stamp, "[%02d:%02d:%02d.%03d] ", (int)(ms / 3600000 % 100), (int)(ms / 60000 % 60),
                     (int)(ms / 1000 % 60), (int)(ms % 1000));
            base_puts(m, stamp);
            m->at_line_start = false;
        }
        if (chr_write(chr->base, buf + i, 1) != 1)
            return i;
        if (buf[i] == '\n')
            m->at_line_start = true;
    }
    return len;
}

int mux_fe_write(ChardevFe *fe, const uint8_t *buf, int len) { return mux_write(fe->chr, buf, len); }

bool mux_fe_attach(ChardevFe *fe, GError **errp)
{
    Mux *m = fe->chr->priv;
    for (int i = 0; i < MAX_FE; i++) {
        if (!m->seat[i].fe) {
            m->seat[i].fe = fe;
            m->seat[i].prod = m->seat[i].cons = 0;
            fe->tag = i;
            return true;
        }
    }
    return error_set(errp, "mux chardev '%s' has no room for another user (at most %d)", fe->chr->label, MAX_FE);
}

void mux_fe_detach(ChardevFe *fe)
{
    Mux *m = fe->chr->priv;
    m->seat[fe->tag].fe = NULL;
    if (m->focus == fe->tag)
        m->focus = -1;
}

void mux_fe_handlers(ChardevFe *fe)
{
    Mux *m = fe->chr->priv;
    if (fe->chr->open && fe->handlers->event)
        fe->handlers->event(fe->opaque, CHR_EVENT_OPENED);
    set_focus(m, fe->tag); /* the last one that comes has it, as in qemu */
    chr_resume_input(fe->chr->base);
}

void mux_accept_input(ChardevFe *fe)
{
    Mux *m = fe->chr->priv;
    seat_feed(&m->seat[fe->tag]);
    if (m->focus == fe->tag)
        chr_resume_input(fe->chr->base);
}

void mux_take_focus(ChardevFe *fe) { set_focus(fe->chr->priv, fe->tag); }

static void mux_close(Chardev *chr)
{
    Mux *m = chr->priv;
    for (int i = 0; i < MAX_FE; i++)
        if (m->seat[i].fe)
            m->seat[i].fe->chr = NULL;
    chardev_fe_deinit(&m->base_fe);
    g_free(m);
}

static const ChardevOps mux_ops = {.name = "mux", .write = mux_write, .close = mux_close};

Chardev *chr_mux_new(const char *label, Chardev *base, GError **errp)
{
    Chardev *chr = chr_new(label, errp);
    if (!chr)
        return NULL;
    Mux *m = g_new0(Mux, 1);
    m->chr = chr;
    m->focus = -1;
    chr->priv = m;
    chr->ops = &mux_ops;
    chr->base = base;
    chr->open = base->open;
    chr_set_filename(chr, g_strdup("mux"));
    if (!chardev_fe_init(&m->base_fe, base, errp)) {
        chr_destroy(chr);
        return NULL;
    }
    chardev_fe_set_handlers(&m->base_fe, &base_handlers, m);
    return chr;
}
