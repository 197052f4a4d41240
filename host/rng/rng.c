/* rng.c - sources of random bytes: a file or device read without blocking, or the host kernel's generator
 * Spec: the objects rng-random and rng-builtin of QEMU's manual. Not modelled: rng-egd. */
#include "host/base/osdep.h"
#include "host/rng/rng.h"
#include <fcntl.h>
#include <glib-unix.h>
#include <sys/random.h>

struct RngSource {
    char *id;
    int fd; /* -1: getrandom() */
    bool taken;
    guint watch;
    void (*fn)(void *opaque);
    void *opaque;
};

static GList *sources;

RngSource *rng_source_new(const char *id, const char *filename, GError **errp)
{
    int fd = filename ? open(filename, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    RngSource *s;

    if (filename && fd < 0) {
        error_set_errno(errp, errno, "could not open '%s'", filename);
        return NULL;
    }
    s = g_new0(RngSource, 1);
    s->id = g_strdup(id);
    s->fd = fd;
    sources = g_list_append(sources, s);
    return s;
}

RngSource *rng_source_find(const char *id)
{
    for (GList *l = sources; l; l = l->next)
        if (!g_strcmp0(((RngSource *)l->data)->id, id))
            return l->data;
    return NULL;
}

void rng_source_free(RngSource *s)
{
    if (!s)
        return;
    rng_source_wait(s, NULL, NULL);
    sources = g_list_remove(sources, s);
    if (s->fd >= 0)
        close(s->fd);
    g_free(s->id);
    g_free(s);
}

void rng_source_free_all(void)
{
    while (sources)
        rng_source_free(sources->data);
}

size_t rng_source_read(RngSource *s, uint8_t *buf, size_t len)
{
    ssize_t n = s->fd < 0 ? getrandom(buf, len, GRND_NONBLOCK) : read(s->fd, buf, len);

    return n > 0 ? (size_t)n : 0;
}

static gboolean fd_ready(gint fd, GIOCondition cond, gpointer opaque)
{
    RngSource *s = opaque;
    void (*fn)(void *) = s->fn;

    s->watch = 0;
    if (fn)
        fn(s->opaque);
    return G_SOURCE_REMOVE;
}

static gboolean try_again(gpointer opaque)
{
    return fd_ready(-1, 0, opaque);
}

void rng_source_wait(RngSource *s, void (*fn)(void *opaque), void *opaque)
{
    if (s->watch)
        g_source_remove(s->watch);
    s->watch = 0;
    s->fn = fn;
    s->opaque = opaque;
    if (fn && s->fd >= 0)
        s->watch = g_unix_fd_add(s->fd, G_IO_IN | G_IO_HUP, fd_ready, s);
    else if (fn)
        s->watch = g_timeout_add(100, try_again, s); /* the host has just booted */
}

bool rng_source_take(RngSource *s)
{
    if (s->taken)
        return false;
    return s->taken = true;
}

void rng_source_release(RngSource *s)
{
    rng_source_wait(s, NULL, NULL);
    s->taken = false;
}
