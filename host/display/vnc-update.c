/* vnc-update.c - pixels for VNC: from the console's surface into the server's frame buffer
 * What the console calls dirty is compared tile by tile, so that only what really changed is sent.
 * Works only while somebody is connected. */
#include "host/base/osdep.h"
#include "host/display/vnc-internal.h"

enum { TILE_W = 64, TILE_H = 16, TILE_ROWS = VNC_MAX_SIDE / TILE_H, REFRESH_MS = 33 };
_Static_assert(VNC_MAX_SIDE / TILE_W == 64, "a row of tiles is one word");

static void on_dirty(void *opaque, int x, int y, int w, int h)
{
    int x1 = MIN(x + w, VNC_MAX_SIDE) - 1, y1 = MIN(y + h, VNC_MAX_SIDE) - 1;
    x = MAX(x, 0);
    y = MAX(y, 0);
    if (x1 < x || y1 < y)
        return;
    uint64_t bits = (~0ULL << (x / TILE_W)) & (~0ULL >> (63 - x1 / TILE_W));
    for (int r = y / TILE_H; r <= y1 / TILE_H; r++)
        vnc.dirty[r] |= bits;
}

static void on_resized(void *opaque, Surface *s)
{
    vnc.resize_wanted = true;
    on_dirty(NULL, 0, 0, VNC_MAX_SIDE, VNC_MAX_SIDE);
}

static const ConsoleListener listener = {on_resized, on_dirty};

/* libvncserver assumes another order of the colours; tell it and everybody's translation. */
static void new_size(int width, int height)
{
    rfbScreenInfoPtr s = vnc.screen;
    rfbNewFramebuffer(s, (char *)vnc.pixels, width, height, 8, 3, 4);
    s->serverFormat.redShift = 16;
    s->serverFormat.greenShift = 8;
    s->serverFormat.blueShift = 0;
    rfbClientIteratorPtr it = rfbGetClientIterator(s);
    for (rfbClientPtr cl; (cl = rfbClientIteratorNext(it));)
        s->setTranslateFunction(cl);
    rfbReleaseClientIterator(it);
}

/* True when the tile was different. */
static bool copy_tile(const Surface *s, int x, int y, int w, int h)
{
    bool changed = false;
    int stride = vnc.screen->width;
    for (int i = y; i < y + h; i++) {
        const uint32_t *from = (const uint32_t *)((const uint8_t *)s->pixels + (size_t)i * s->stride) + x;
        uint32_t *to = vnc.pixels + (size_t)i * stride + x;
        if (memcmp(to, from, (size_t)w * 4)) {
            memcpy(to, from, (size_t)w * 4);
            changed = true;
        }
    }
    return changed;
}

static bool copy_row(const Surface *s, int row, int width, int height)
{
    uint64_t bits = vnc.dirty[row];
    int y = row * TILE_H, h = MIN(TILE_H, height - y), first = -1;
    bool any = false;

    vnc.dirty[row] = 0;
    if (h <= 0 || !bits)
        return false;
    for (int c = 0; c <= 64; c++) { /* neighbours become one rectangle */
        int x = c * TILE_W;
        bool changed = c < 64 && x < width && (bits >> c & 1) && copy_tile(s, x, y, MIN(TILE_W, width - x), h);
        if (changed && first < 0)
            first = x;
        if (!changed && first >= 0) {
            rfbMarkRectAsModified(vnc.screen, first, y, MIN(x, width), y + h);
            first = -1;
            any = true;
        }
    }
    return any;
}

static gboolean refresh(gpointer opaque)
{
    console_update();
    Surface *s = console_surface();
    if (!s || !g_mutex_trylock(&vnc.lock))
        return G_SOURCE_CONTINUE; /* a client is being served: what is dirty stays so */
    int width = MIN(s->width, VNC_MAX_SIDE), height = MIN(s->height, VNC_MAX_SIDE);
    bool any = false;
    if (vnc.resize_wanted) {
        vnc.resize_wanted = false;
        if (vnc.screen->width != width || vnc.screen->height != height) {
            new_size(width, height);
            memset(vnc.pixels, 0, (size_t)width * height * 4);
            any = true;
        }
    }
    for (int r = 0; r < TILE_ROWS; r++)
        any |= copy_row(s, r, width, height);
    g_mutex_unlock(&vnc.lock);
    if (any)
        vnc_wake();
    return G_SOURCE_CONTINUE;
}

void vnc_update_set_running(bool on)
{
    if (on && !vnc.refresh_timer) {
        console_add_listener(&listener, &vnc);
        vnc.refresh_timer = g_timeout_add(REFRESH_MS, refresh, NULL);
        refresh(NULL);
    } else if (!on && vnc.refresh_timer) {
        g_source_remove(vnc.refresh_timer);
        vnc.refresh_timer = 0;
        console_remove_listener(&vnc);
    }
}

void vnc_update_init(void) { vnc.dirty = g_new0(uint64_t, TILE_ROWS); }

void vnc_update_cleanup(void)
{
    vnc_update_set_running(false);
    g_clear_pointer(&vnc.dirty, g_free);
}
