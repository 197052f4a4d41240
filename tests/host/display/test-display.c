/* test-display.c - screendump formats, key names, the timing of sendkey. */
#include "host/base/osdep.h"
#include "host/display/console.h"
#include "host/display/input.h"
#include "softmmu/timer.h"
#include <glib/gstdio.h>
#include <png.h>

static int updates;
static void update(void *opaque) { updates++; }
static const ConsoleOps ops = {update, NULL};

static void paint(void)
{
    Surface *s = console_resize(33, 7);
    for (int i = 0; i < 33 * 7; i++)
        s->pixels[i] = 0xff000000u | (uint32_t)(i * 0x010305);
}

static void test_ppm(void)
{
    GError *err = NULL;
    g_autofree char *dir = g_dir_make_tmp("vireo-dsp-XXXXXX", NULL), *path = g_build_filename(dir, "s", NULL), *text = NULL;
    gsize len;
    g_assert_false(console_screendump(path, "ppm", &err));
    g_assert_nonnull(strstr(err->message, "no console"));
    g_clear_error(&err);
    console_attach(&ops, &updates);
    paint();
    g_assert_true(console_screendump(path, "ppm", NULL));
    g_assert_cmpint(updates, >=, 1);
    g_assert_true(g_file_get_contents(path, &text, &len, NULL));
    g_assert_true(g_str_has_prefix(text, "P6\n33 7\n255\n"));
    g_assert_cmpuint(len, ==, 12 + 33 * 7 * 3);
    const uint8_t *px = (const uint8_t *)text + 12;
    for (int i = 0; i < 33 * 7; i++)
        g_assert_cmphex((guint)(px[i * 3] << 16 | px[i * 3 + 1] << 8 | px[i * 3 + 2]), ==, (guint)i * 0x010305);
    g_assert_false(console_screendump("/nonexistent/a.ppm", "ppm", &err));
    g_assert_cmpstr(err->message, ==, "failed to open file '/nonexistent/a.ppm': No such file or directory");
    g_clear_error(&err);
    g_assert_false(console_screendump(path, "gif", &err));
    g_clear_error(&err);
    g_unlink(path);
    g_rmdir(dir);
    console_detach(&updates);
}

static void test_png(void)
{
    g_autofree char *dir = g_dir_make_tmp("vireo-dsp-XXXXXX", NULL), *path = g_build_filename(dir, "s", NULL);
    console_attach(&ops, &updates);
    paint();
    g_assert_true(console_screendump(path, "png", NULL));
    png_image img = {.version = PNG_IMAGE_VERSION};
    g_assert_true(png_image_begin_read_from_file(&img, path));
    g_assert_cmpuint(img.width, ==, 33);
    g_assert_cmpuint(img.height, ==, 7);
    img.format = PNG_FORMAT_RGB;
    uint8_t px[33 * 7 * 3];
    g_assert_true(png_image_finish_read(&img, NULL, px, 0, NULL));
    for (int i = 0; i < 33 * 7; i++)
        g_assert_cmphex((guint)(px[i * 3] << 16 | px[i * 3 + 1] << 8 | px[i * 3 + 2]), ==, (guint)i * 0x010305);
    g_unlink(path);
    g_rmdir(dir);
    console_detach(&updates);
}

static void test_key_names(void)
{
    g_assert_cmpint(key_find("nosuch"), ==, -1);
    g_assert_cmpint(key_find(""), ==, -1);
    g_assert_cmpint(key_find("0x0"), ==, -1);
    g_assert_cmpint(key_find("0x1e"), ==, key_find("a"));
    g_assert_cmpint(key_find("0x9c"), ==, key_find("kp_enter")); /* bit 7: the extended key */
    g_assert_cmphex(key_table[key_find("ret")].set1, ==, 0x1c);
    g_assert_cmphex(key_table[key_find("delete")].set1, ==, 0xe053);
    for (int i = 0; key_table[i].name; i++)
        g_assert_cmpint(key_find(key_table[i].name), ==, i);
}

static GString *seen;
static void on_key(void *opaque, KeyCode k, bool down) { g_string_append_printf(seen, "%s%s ", down ? "+" : "-", key_table[k].name); }
static const InputSink sink = {.key = on_key};

static void test_combo(void)
{
    KeyCode combo[3] = {key_find("ctrl"), key_find("alt"), key_find("f1")}, one = key_find("a");
    seen = g_string_new(NULL);
    clock_use_test_clock();
    input_set_keyboard(&sink, NULL);
    input_send_combo(combo, 3, 50);
    input_send_combo(&one, 1, 10);
    g_assert_cmpstr(seen->str, ==, "+ctrl +alt +f1 ");
    clock_test_step(49 * 1000000);
    g_assert_cmpstr(seen->str, ==, "+ctrl +alt +f1 ");
    clock_test_step(1 * 1000000);
    g_assert_cmpstr(seen->str, ==, "+ctrl +alt +f1 -f1 -alt -ctrl ");
    clock_test_step(1000 * 1000000);
    g_assert_cmpstr(seen->str, ==, "+ctrl +alt +f1 -f1 -alt -ctrl +a -a ");
    g_string_free(seen, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host/display/screendump/ppm", test_ppm);
    g_test_add_func("/host/display/screendump/png", test_png);
    g_test_add_func("/host/display/key-names", test_key_names);
    g_test_add_func("/host/display/sendkey", test_combo);
    return g_test_run();
}
