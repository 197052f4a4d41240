/* console.c - one screen: the display device paints a surface, listeners (windows) hear what changed.
 * Not modelled: several heads, hardware cursors, text consoles. */
#include "host/base/osdep.h"
#include "host/display/console.h"

enum { MAX_SIDE = 16384 };

typedef struct Listener {
    const ConsoleListener *l;
    void *opaque;
} Listener;

/* The program has one screen: under the BQL. */
static const ConsoleOps *dev_ops;
static void *dev;
static Surface surface;
static GList *listeners;

void console_attach(const ConsoleOps *ops, void *opaque)
{
    dev_ops = ops;
    dev = opaque;
}

void console_detach(void *opaque)
{
    if (dev != opaque)
        return;
    dev_ops = NULL;
    dev = NULL;
    g_free(surface.pixels);
    surface = (Surface){0};
}

Surface *console_resize(int width, int height)
{
    width = CLAMP(width, 1, MAX_SIDE);
    height = CLAMP(height, 1, MAX_SIDE);
    if (surface.pixels && surface.width == width && surface.height == height)
        return &surface;
    g_free(surface.pixels);
    surface = (Surface){width, height, width * 4, g_new0(uint32_t, (gsize)width * height)};
    for (GList *l = listeners; l; l = l->next) {
        Listener *n = l->data;
        if (n->l->resized)
            n->l->resized(n->opaque, &surface);
    }
    return &surface;
}

void console_dirty(int x, int y, int w, int h)
{
    for (GList *l = listeners; l; l = l->next) {
        Listener *n = l->data;
        if (n->l->dirty)
            n->l->dirty(n->opaque, x, y, w, h);
    }
}

void console_add_listener(const ConsoleListener *l, void *opaque)
{
    Listener *n = g_new(Listener, 1);
    *n = (Listener){l, opaque};
    listeners = g_list_append(listeners, n);
    if (surface.pixels && l->resized)
        l->resized(opaque, &surface);
    if (dev_ops && dev_ops->invalidate)
        dev_ops->invalidate(dev);
}

void console_remove_listener(void *opaque)
{
    for (GList *l = listeners; l; l = l->next) {
        if (((Listener *)l->data)->opaque == opaque) {
            g_free(l->data);
            listeners = g_list_delete_link(listeners, l);
            return;
        }
    }
}

void console_update(void)
{
    if (dev_ops && dev_ops->update)
        dev_ops->update(dev);
}

bool console_text(ConsoleText *out)
{
    *out = (ConsoleText){.cursor_col = -1, .cursor_row = -1};
    if (!dev_ops || !dev_ops->text)
        return false;
    dev_ops->text(dev, out);
    return true;
}

Surface *console_surface(void) { return dev_ops && surface.pixels ? &surface : NULL; }
