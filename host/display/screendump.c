/* screendump.c - the screen in a file: PPM (P6) and PNG (8-bit RGB, by libpng). */
#include "host/base/osdep.h"
#include "host/display/console.h"
#include <png.h>

static void row_rgb(const Surface *s, int y, uint8_t *out)
{
    const uint32_t *p = (const uint32_t *)((const uint8_t *)s->pixels + (size_t)y * s->stride);
    for (int x = 0; x < s->width; x++) {
        *out++ = (uint8_t)(p[x] >> 16);
        *out++ = (uint8_t)(p[x] >> 8);
        *out++ = (uint8_t)p[x];
    }
}

static bool write_ppm(FILE *f, const Surface *s, uint8_t *row)
{
    fprintf(f, "P6\n%d %d\n%d\n", s->width, s->height, 255);
    for (int y = 0; y < s->height; y++) {
        row_rgb(s, y, row);
        if (fwrite(row, 3, (size_t)s->width, f) != (size_t)s->width)
            return false;
    }
    return true;
}

static bool write_png(FILE *f, const Surface *s, uint8_t *row)
{
    png_infop info = NULL;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    if (!png)
        return false;
    if (setjmp(png_jmpbuf(png))) { /* libpng reports errors by longjmp */
        png_destroy_write_struct(&png, &info);
        return false;
    }
    info = png_create_info_struct(png);
    png_init_io(png, f);
    png_set_IHDR(png, info, (png_uint_32)s->width, (png_uint_32)s->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < s->height; y++) {
        row_rgb(s, y, row);
        png_write_row(png, row);
    }
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    return true;
}

bool console_screendump(const char *path, const char *format, GError **errp)
{
    bool png = g_str_equal(format, "png");
    if (!png && !g_str_equal(format, "ppm"))
        return error_set(errp, "Invalid parameter '%s' (choices: ppm png)", format);
    console_update();
    Surface *s = console_surface();
    if (!s)
        return error_set(errp, "There is no console to take a screendump from");
    FILE *f = fopen(path, "wbe");
    if (!f)
        return error_set_errno(errp, errno, "failed to open file '%s'", path);
    g_autofree uint8_t *row = g_malloc((gsize)s->width * 3);
    bool ok = png ? write_png(f, s, row) : write_ppm(f, s, row);
    if (fclose(f) != 0)
        ok = false;
    if (!ok) {
        error_set(errp, "failed to write the screen to '%s'", path);
        unlink(path);
    }
    return ok;
}
