/* sdl.c - a window that shows the console and sends keys and mouse, with SDL2.
 * Mouse: relative while grabbed (click grabs, Ctrl-Alt-G frees). Full screen: Ctrl-Alt-F.
 * Not modelled: absolute pointers, several windows, OpenGL. */
#include "host/base/osdep.h"
#include "host/display/console.h"
#include "host/display/input.h"
#include "host/display/sdl.h"
#include <SDL2/SDL.h>

enum { REFRESH_MS = 30 };

static struct {
    SDL_Window *win;
    SDL_Renderer *ren;
    SDL_Texture *tex;
    bool redraw, grabbed;
    unsigned buttons;
    guint timer;
    char *title;
    void (*on_close)(void);
    uint8_t down[SDL_NUM_SCANCODES];
} ui;

/* SDL's scan codes are the USB usages; the letters and digits follow each other there. */
static const struct { SDL_Scancode code; const char *name; } special[] = {
    {SDL_SCANCODE_RETURN, "ret"}, {SDL_SCANCODE_ESCAPE, "esc"}, {SDL_SCANCODE_BACKSPACE, "backspace"},
    {SDL_SCANCODE_TAB, "tab"}, {SDL_SCANCODE_SPACE, "spc"}, {SDL_SCANCODE_MINUS, "minus"},
    {SDL_SCANCODE_EQUALS, "equal"}, {SDL_SCANCODE_LEFTBRACKET, "bracket_left"},
    {SDL_SCANCODE_RIGHTBRACKET, "bracket_right"}, {SDL_SCANCODE_BACKSLASH, "backslash"},
    {SDL_SCANCODE_SEMICOLON, "semicolon"}, {SDL_SCANCODE_APOSTROPHE, "apostrophe"},
    {SDL_SCANCODE_GRAVE, "grave_accent"}, {SDL_SCANCODE_COMMA, "comma"}, {SDL_SCANCODE_PERIOD, "dot"},
    {SDL_SCANCODE_SLASH, "slash"}, {SDL_SCANCODE_CAPSLOCK, "caps_lock"}, {SDL_SCANCODE_PRINTSCREEN, "print"},
    {SDL_SCANCODE_SCROLLLOCK, "scroll_lock"}, {SDL_SCANCODE_PAUSE, "pause"}, {SDL_SCANCODE_INSERT, "insert"},
    {SDL_SCANCODE_HOME, "home"}, {SDL_SCANCODE_PAGEUP, "pgup"}, {SDL_SCANCODE_DELETE, "delete"},
    {SDL_SCANCODE_END, "end"}, {SDL_SCANCODE_PAGEDOWN, "pgdn"}, {SDL_SCANCODE_RIGHT, "right"},
    {SDL_SCANCODE_LEFT, "left"}, {SDL_SCANCODE_DOWN, "down"}, {SDL_SCANCODE_UP, "up"},
    {SDL_SCANCODE_NUMLOCKCLEAR, "num_lock"}, {SDL_SCANCODE_KP_DIVIDE, "kp_divide"},
    {SDL_SCANCODE_KP_MULTIPLY, "kp_multiply"}, {SDL_SCANCODE_KP_MINUS, "kp_subtract"},
    {SDL_SCANCODE_KP_PLUS, "kp_add"}, {SDL_SCANCODE_KP_ENTER, "kp_enter"}, {SDL_SCANCODE_KP_PERIOD, "kp_decimal"},
    {SDL_SCANCODE_NONUSBACKSLASH, "less"}, {SDL_SCANCODE_APPLICATION, "menu"}, {SDL_SCANCODE_LCTRL, "ctrl"},
    {SDL_SCANCODE_LSHIFT, "shift"}, {SDL_SCANCODE_LALT, "alt"}, {SDL_SCANCODE_LGUI, "meta_l"},
    {SDL_SCANCODE_RCTRL, "ctrl_r"}, {SDL_SCANCODE_RSHIFT, "shift_r"}, {SDL_SCANCODE_RALT, "alt_r"},
    {SDL_SCANCODE_RGUI, "meta_r"},
};

static KeyCode key_of(SDL_Scancode c)
{
    char name[8];
    if (c >= SDL_SCANCODE_A && c <= SDL_SCANCODE_Z)
        snprintf(name, sizeof name, "%c", 'a' + (c - SDL_SCANCODE_A));
    else if (c >= SDL_SCANCODE_1 && c <= SDL_SCANCODE_0)
        snprintf(name, sizeof name, "%d", (c - SDL_SCANCODE_1 + 1) % 10);
    else if (c >= SDL_SCANCODE_F1 && c <= SDL_SCANCODE_F12)
        snprintf(name, sizeof name, "f%d", c - SDL_SCANCODE_F1 + 1);
    else if (c >= SDL_SCANCODE_KP_1 && c <= SDL_SCANCODE_KP_0)
        snprintf(name, sizeof name, "kp_%d", (c - SDL_SCANCODE_KP_1 + 1) % 10);
    else {
        for (size_t i = 0; i < ARRAY_SIZE(special); i++)
            if (special[i].code == c)
                return key_find(special[i].name);
        return -1;
    }
    return key_find(name);
}

static void set_grab(bool on)
{
    ui.grabbed = on;
    SDL_SetRelativeMouseMode(on ? SDL_TRUE : SDL_FALSE);
    g_autofree char *t = g_strdup_printf("%s%s", ui.title, on ? " - press Ctrl-Alt-G to release the mouse" : "");
    SDL_SetWindowTitle(ui.win, t);
}

static void release_keys(void)
{
    for (int i = 0; i < SDL_NUM_SCANCODES; i++) {
        if (ui.down[i]) {
            ui.down[i] = 0;
            input_key(key_of((SDL_Scancode)i), false);
        }
    }
}

static void on_key(const SDL_KeyboardEvent *e)
{
    SDL_Scancode c = e->keysym.scancode;
    bool down = e->type == SDL_KEYDOWN;
    SDL_Keymod mod = SDL_GetModState();
    if (down && (mod & KMOD_CTRL) && (mod & KMOD_ALT) && (c == SDL_SCANCODE_G || c == SDL_SCANCODE_F)) {
        release_keys();
        if (c == SDL_SCANCODE_G)
            set_grab(!ui.grabbed);
        else
            SDL_SetWindowFullscreen(ui.win, SDL_GetWindowFlags(ui.win) & SDL_WINDOW_FULLSCREEN_DESKTOP
                                                ? 0 : SDL_WINDOW_FULLSCREEN_DESKTOP);
        return;
    }
    KeyCode k = key_of(c);
    if (k < 0 || (!down && !ui.down[c]))
        return;
    ui.down[c] = down;
    input_key(k, down);
}

static void on_button(const SDL_MouseButtonEvent *e)
{
    unsigned bit = e->button == SDL_BUTTON_LEFT ? 1 : e->button == SDL_BUTTON_RIGHT ? 2
                 : e->button == SDL_BUTTON_MIDDLE ? 4 : 0;
    bool down = e->type == SDL_MOUSEBUTTONDOWN;
    if (!ui.grabbed) {
        if (down && bit == 1)
            set_grab(true);
        return;
    }
    ui.buttons = down ? ui.buttons | bit : ui.buttons & ~bit;
    input_mouse(0, 0, 0, ui.buttons);
}

static void on_event(const SDL_Event *e)
{
    switch (e->type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        on_key(&e->key);
        break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
        on_button(&e->button);
        break;
    case SDL_MOUSEMOTION:
        if (ui.grabbed)
            input_mouse(e->motion.xrel, e->motion.yrel, 0, ui.buttons);
        break;
    case SDL_MOUSEWHEEL:
        if (ui.grabbed)
            input_mouse(0, 0, -e->wheel.y, ui.buttons);
        break;
    case SDL_WINDOWEVENT:
        if (e->window.event == SDL_WINDOWEVENT_FOCUS_LOST) {
            release_keys();
            set_grab(false);
        }
        ui.redraw = true;
        break;
    case SDL_QUIT:
        if (ui.on_close)
            ui.on_close();
        break;
    default:
        break;
    }
}

static void on_resized(void *opaque, Surface *s)
{
    if (ui.tex)
        SDL_DestroyTexture(ui.tex);
    ui.tex = SDL_CreateTexture(ui.ren, SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING, s->width, s->height);
    if (!(SDL_GetWindowFlags(ui.win) & SDL_WINDOW_FULLSCREEN_DESKTOP))
        SDL_SetWindowSize(ui.win, s->width, s->height);
    SDL_RenderSetLogicalSize(ui.ren, s->width, s->height);
    ui.redraw = true;
}

static void on_dirty(void *opaque, int x, int y, int w, int h)
{
    Surface *s = console_surface();
    if (!s || !ui.tex)
        return;
    SDL_Rect r = {CLAMP(x, 0, s->width), CLAMP(y, 0, s->height), 0, 0};
    r.w = CLAMP(w, 0, s->width - r.x);
    r.h = CLAMP(h, 0, s->height - r.y);
    if (r.w && r.h)
        SDL_UpdateTexture(ui.tex, &r, (uint8_t *)s->pixels + (size_t)r.y * s->stride + (size_t)r.x * 4, s->stride);
    ui.redraw = true;
}

static const ConsoleListener listener = {on_resized, on_dirty};

static gboolean refresh(gpointer opaque)
{
    SDL_Event e;
    while (SDL_PollEvent(&e))
        on_event(&e);
    console_update();
    if (ui.redraw && ui.tex) {
        ui.redraw = false;
        SDL_RenderClear(ui.ren);
        SDL_RenderCopy(ui.ren, ui.tex, NULL, NULL);
        SDL_RenderPresent(ui.ren);
    }
    return G_SOURCE_CONTINUE;
}

bool sdl_display_start(const char *title, bool full_screen, void (*on_close)(void), GError **errp)
{
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    if (SDL_Init(SDL_INIT_VIDEO) < 0)
        return error_set(errp, "-display sdl: %s (use -display none or -nographic without a screen)", SDL_GetError());
    /* SDL falls back to drivers that show nothing: a user who asked for a window must hear of that. */
    const char *driver = SDL_GetCurrentVideoDriver();
    if (!g_getenv("SDL_VIDEODRIVER") && driver && (g_str_equal(driver, "offscreen") || g_str_equal(driver, "dummy") ||
                                                   g_str_equal(driver, "evdev"))) {
        SDL_Quit();
        return error_set(errp, "-display sdl: no X11 or Wayland display (use -display none or -nographic)");
    }
    ui.win = SDL_CreateWindow(title, SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, 720, 400,
                              SDL_WINDOW_RESIZABLE | (full_screen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0));
    ui.ren = ui.win ? SDL_CreateRenderer(ui.win, -1, 0) : NULL;
    if (!ui.ren) {
        error_set(errp, "-display sdl: cannot make a window: %s", SDL_GetError());
        if (ui.win)
            SDL_DestroyWindow(ui.win);
        ui.win = NULL;
        SDL_Quit();
        return false;
    }
    ui.title = g_strdup(title);
    ui.on_close = on_close;
    console_add_listener(&listener, &ui);
    ui.timer = g_timeout_add(REFRESH_MS, refresh, NULL);
    return true;
}

void sdl_display_stop(void)
{
    if (!ui.win)
        return;
    g_source_remove(ui.timer);
    console_remove_listener(&ui);
    SDL_DestroyTexture(ui.tex);
    SDL_DestroyRenderer(ui.ren);
    SDL_DestroyWindow(ui.win);
    SDL_Quit();
    g_free(ui.title);
    memset(&ui, 0, sizeof ui);
}
