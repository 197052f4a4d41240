/* host-serial.c - a terminal line of the host, raw, 115200 bits a second, 8N1, modem lines ignored.
 * Spec: termios(3); "-serial /dev/X" and -chardev serial,path=, as in QEMU's manual.
 * Not modelled: the guest's choice of speed and format, its modem lines and breaks. */
#include "host/base/osdep.h"
#include "host/char/chardev-int.h"
#include <fcntl.h>
#include <termios.h>

typedef struct HostSerial {
    int fd;
    bool tty;
    struct termios before;
} HostSerial;

static void hangup(Chardev *chr) { chr_event(chr, CHR_EVENT_CLOSED); }

static void host_serial_close(Chardev *chr)
{
    HostSerial *s = chr->priv;

    if (!s)
        return;
    if (s->tty)
        tcsetattr(s->fd, TCSANOW, &s->before);
    close(s->fd);
    g_free(s);
}

static const ChardevOps host_serial_ops = {.name = "serial", .hangup = hangup, .close = host_serial_close};

bool chr_open_host_serial(Chardev *chr, const GPtrArray *kv, GError **errp)
{
    const char *path = keyval_get(kv, "path");
    struct termios t;
    HostSerial *s;
    int fd;

    if (!path || !path[0])
        return error_set(errp, "chardev: serial: no device path given for '%s' (path=)", chr->label);
    fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(errp, errno, "chardev '%s': could not open '%s'", chr->label, path);
    s = g_new0(HostSerial, 1);
    s->fd = fd;
    s->tty = tcgetattr(fd, &s->before) == 0;
    if (s->tty) {
        t = s->before;
        cfmakeraw(&t);
        t.c_cflag |= CLOCAL | CREAD;
        cfsetspeed(&t, B115200);
        tcsetattr(fd, TCSANOW, &t);
    }
    chr->priv = s;
    chr->ops = &host_serial_ops;
    chr->open = true;
    chr_set_filename(chr, g_strdup_printf("serial:%s", path));
    chr_stream_start(chr, s->tty ? fd : -1, fd); /* a file that is no line, /dev/null: output only */
    return true;
}
