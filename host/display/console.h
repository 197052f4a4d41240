/* console.h - the screen as the display device paints it and front ends (screendump, windows) show it.
 * Under the BQL. Pixels are 32-bit 0x00RRGGBB in host order. */
#ifndef HOST_DISPLAY_CONSOLE_H
#define HOST_DISPLAY_CONSOLE_H

#include "host/base/osdep.h"

typedef struct Surface {
    int width, height;
    int stride;       /* bytes */
    uint32_t *pixels;
} Surface;

/* The screen as text, for terminals. */
typedef struct ConsoleText {
    int width, height;        /* pixels; in text modes too */
    int cols, rows;           /* 0 rows: graphics or blank */
    const uint16_t *cells;    /* rows * cols: code (low byte, code page 437) and VGA attribute; the device's, until the next call */
    int cursor_col, cursor_row; /* -1: none */
    bool blink;               /* attribute bit 7 blinks; else it is a bright background */
} ConsoleText;

/* The device side: called to bring the surface up to date. */
typedef struct ConsoleOps {
    void (*update)(void *opaque);
    void (*invalidate)(void *opaque); /* redraw everything at the next update */
    void (*text)(void *opaque, ConsoleText *out); /* NULL: never text */
} ConsoleOps;
void console_attach(const ConsoleOps *ops, void *opaque);
void console_detach(void *opaque);
/* Called by the device: a surface of this size, to be painted in place. */
Surface *console_resize(int width, int height);
void console_dirty(int x, int y, int w, int h); /* this part changed */

/* The front-end side. */
typedef struct ConsoleListener {
    void (*resized)(void *opaque, Surface *s);
    void (*dirty)(void *opaque, int x, int y, int w, int h);
} ConsoleListener;
void console_add_listener(const ConsoleListener *l, void *opaque);
void console_remove_listener(void *opaque);
void console_update(void);       /* ask the device to paint */
bool console_text(ConsoleText *out); /* false without a display device */
Surface *console_surface(void);  /* NULL without a display device */
/* format "ppm" or "png" (libpng). Writes the current screen. */
bool console_screendump(const char *path, const char *format, GError **errp);

#endif
