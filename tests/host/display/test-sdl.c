/* test-sdl.c - the SDL window on SDL's dummy driver: keys, own keys, mouse, full screen, closing. */
#include "host/base/osdep.h"
#include "host/display/console.h"
#include "host/display/input.h"
#if CONFIG_SDL
#include "host/display/sdl.h"
#include <SDL2/SDL.h>

static GString *heard;
static bool closed;
static void on_key(void *opaque, KeyCode k, bool down) { g_string_append_printf(heard, "%c%s ", down ? '+' : '-', key_table[k].name); }
static void on_mouse(void *opaque, int dx, int dy, int dz, unsigned b) { g_string_append_printf(heard, "m%d,%d,%d,%u ", dx, dy, dz, b); }
static void on_abs(void *opaque, int x, int y, int dz, unsigned b) { g_string_append_printf(heard, "a%d,%d,%d,%u ", x, y, dz, b); }
static const InputSink kbd = {.key = on_key}, mouse = {.mouse = on_mouse}, tablet = {.absolute = on_abs};
static void on_close(void) { closed = true; }

static void update(void *opaque) {}
static const ConsoleOps ops = {update, NULL};
static int dev, dev2;

static void settle(void)
{
    for (gint64 end = g_get_monotonic_time() + 200000; g_get_monotonic_time() < end;)
        if (!g_main_context_iteration(NULL, FALSE))
            g_usleep(2000);
}

static void key(SDL_Scancode c, bool down, SDL_Keymod mod)
{
    SDL_Event e = {.key = {.type = down ? SDL_KEYDOWN : SDL_KEYUP, .keysym = {.scancode = c, .mod = mod}}};
    SDL_PushEvent(&e);
}

static void expect(const char *want)
{
    settle();
    g_assert_cmpstr(heard->str, ==, want);
    g_string_truncate(heard, 0);
}

static void test_window(void)
{
    GError *err = NULL;
    const SdlOptions o = {"Test", NULL, false, false, on_close};
    heard = g_string_new(NULL);
    g_setenv("SDL_VIDEODRIVER", "dummy", TRUE);
    input_set_keyboard(&kbd, &dev);
    input_add_pointer("m", &mouse, &dev);
    console_attach(&ops, &dev);
    Surface *s = console_resize(320, 200);
    for (int i = 0; i < 320 * 200; i++)
        s->pixels[i] = (uint32_t)i;
    if (!sdl_display_start(&o, &err)) {
        g_test_skip(err->message);
        g_clear_error(&err);
        return;
    }
    expect("");
    SDL_Window *win = SDL_GetWindowFromID(1);
    g_assert_nonnull(win);
    int w, h;
    SDL_GetWindowSize(win, &w, &h);
    g_assert_cmpint(w, ==, 320);
    g_assert_cmpstr(SDL_GetWindowTitle(win), ==, "Test [Stopped]");
    key(SDL_SCANCODE_A, true, 0);
    key(SDL_SCANCODE_A, false, 0);
    key(SDL_SCANCODE_F12, true, 0);
    key(SDL_SCANCODE_F12, false, 0);
    key(SDL_SCANCODE_RCTRL, true, 0);
    key(SDL_SCANCODE_RCTRL, false, 0);
    key(SDL_SCANCODE_0, true, 0);
    key(SDL_SCANCODE_0, false, 0);
    expect("+a -a +f12 -f12 +ctrl_r -ctrl_r +0 -0 ");
    /* a key that was not pressed here is not released */
    key(SDL_SCANCODE_B, false, 0);
    expect("");
    /* Ctrl-Alt-G: what is held is let go, the mouse is taken */
    key(SDL_SCANCODE_LCTRL, true, KMOD_LCTRL);
    key(SDL_SCANCODE_LALT, true, KMOD_LCTRL | KMOD_LALT);
    key(SDL_SCANCODE_G, true, KMOD_LCTRL | KMOD_LALT);
    settle();
    g_assert_nonnull(strstr(SDL_GetWindowTitle(win), "Press Ctrl-Alt-G to release"));
    expect("+ctrl +alt -ctrl -alt ");
    SDL_Event e = {.motion = {.type = SDL_MOUSEMOTION, .windowID = 1, .xrel = 5, .yrel = -3}};
    SDL_PushEvent(&e);
    e = (SDL_Event){.button = {.type = SDL_MOUSEBUTTONDOWN, .windowID = 1, .button = SDL_BUTTON_RIGHT, .state = SDL_PRESSED}};
    SDL_PushEvent(&e);
    e = (SDL_Event){.button = {.type = SDL_MOUSEBUTTONUP, .windowID = 1, .button = SDL_BUTTON_RIGHT}};
    SDL_PushEvent(&e);
    e = (SDL_Event){.wheel = {.type = SDL_MOUSEWHEEL, .windowID = 1, .y = 1}};
    SDL_PushEvent(&e);
    expect("m5,-3,0,0 m0,0,0,2 m0,0,0,0 m0,0,-1,0 ");
    key(SDL_SCANCODE_G, true, KMOD_LCTRL | KMOD_LALT);
    settle();
    g_assert_null(strstr(SDL_GetWindowTitle(win), "Press"));
    e = (SDL_Event){.motion = {.type = SDL_MOUSEMOTION, .windowID = 1, .xrel = 5, .yrel = -3}};
    SDL_PushEvent(&e);
    expect(""); /* not ours */
    /* an absolute pointer needs no grab */
    input_add_pointer("t", &tablet, &dev2);
    e = (SDL_Event){.motion = {.type = SDL_MOUSEMOTION, .windowID = 1, .x = 319, .y = 0}};
    SDL_PushEvent(&e);
    expect("a32767,0,0,0 ");
    input_remove_pointer(&dev2);
    /* zoom, and the guest's size again */
    key(SDL_SCANCODE_EQUALS, true, KMOD_LCTRL | KMOD_LALT);
    settle();
    SDL_GetWindowSize(win, &w, &h);
    g_assert_cmpint(w, ==, 400);
    g_assert_cmpint(h, ==, 250);
    key(SDL_SCANCODE_U, true, KMOD_LCTRL | KMOD_LALT);
    settle();
    SDL_GetWindowSize(win, &w, &h);
    g_assert_cmpint(w, ==, 320);
    /* the guest's mode changes */
    console_resize(640, 480);
    settle();
    SDL_GetWindowSize(win, &w, &h);
    g_assert_cmpint(w, ==, 640);
    e = (SDL_Event){.quit = {.type = SDL_QUIT}};
    SDL_PushEvent(&e);
    settle();
    g_assert_true(closed);
    sdl_display_stop();
    console_detach(&dev);
    input_remove_pointer(&dev);
    input_set_keyboard(NULL, NULL);
    g_string_free(heard, TRUE);
}
#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#if CONFIG_SDL
    g_test_add_func("/host/display/sdl", test_window);
#endif
    return g_test_run();
}
