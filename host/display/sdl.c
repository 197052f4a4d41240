/* sdl.c - a window that shows the console and sends keys and mouse, with SDL2.
 * The picture is scaled to the window with its aspect. Keys go by scan code: the guest has its own layout.
 * Mouse: relative while grabbed (click grabs, Ctrl-Alt-G frees), positions when the guest's pointer is absolute.
 * Not modelled: several windows, OpenGL, the clipboard. */
#include "host/base/osdep.h"
#include "host/display/console.h"
#include "host/display/input.h"
#include "host/display/sdl.h"
#include "softmmu/runstate.h"
#include <SDL2/SDL.h>

enum { REFRESH_MS = 30, ZOOM_STEP_PERCENT = 25, MIN_SIDE = 100 };

static struct {
    SDL_Window *win;
    SDL_Renderer *ren;
    SDL_Texture *tex;
    bool redraw, grabbed, running, show_cursor, hidden;
    unsigned buttons, grab_mod;
    guint timer;
    char *title;
    const char *grab_name;
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
    {SDL_SCANCODE_RGUI, "meta_r"}, {SDL_SCANCODE_NONUSHASH, "backslash"}, {SDL_SCANCODE_SYSREQ, "sysrq"},
    {SDL_SCANCODE_KP_EQUALS, "kp_equals"}, {SDL_SCANCODE_KP_COMMA, "kp_comma"}, {SDL_SCANCODE_INTERNATIONAL1, "ro"},
    {SDL_SCANCODE_INTERNATIONAL2, "katakanahiragana"}, {SDL_SCANCODE_INTERNATIONAL3, "yen"},
    {SDL_SCANCODE_INTERNATIONAL4, "henkan"}, {SDL_SCANCODE_INTERNATIONAL5, "muhenkan"}, {SDL_SCANCODE_LANG1, "lang1"},
    {SDL_SCANCODE_LANG2, "lang2"}, {SDL_SCANCODE_MUTE, "audiomute"}, {SDL_SCANCODE_AUDIOMUTE, "audiomute"},
    {SDL_SCANCODE_VOLUMEUP, "volumeup"}, {SDL_SCANCODE_VOLUMEDOWN, "volumedown"}, {SDL_SCANCODE_AUDIONEXT, "audionext"},
    {SDL_SCANCODE_AUDIOPREV, "audioprev"}, {SDL_SCANCODE_AUDIOSTOP, "audiostop"}, {SDL_SCANCODE_AUDIOPLAY, "audioplay"},
    {SDL_SCANCODE_MAIL, "mail"}, {SDL_SCANCODE_CALCULATOR, "calculator"}, {SDL_SCANCODE_COMPUTER, "computer"},
    {SDL_SCANCODE_AC_HOME, "ac_home"}, {SDL_SCANCODE_AC_BACK, "ac_back"}, {SDL_SCANCODE_AC_FORWARD, "ac_forward"},
    {SDL_SCANCODE_AC_REFRESH, "ac_refresh"}, {SDL_SCANCODE_AC_BOOKMARKS, "ac_bookmarks"},
    {SDL_SCANCODE_POWER, "power"}, {SDL_SCANCODE_SLEEP, "sleep"},
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

/* ---- the window ---- */

static void set_title(void)
{
    ui.running = runstate_is_running();
    g_autofree char *hint = ui.grabbed ? g_strdup_printf(" - Press %s to release", ui.grab_name) : g_strdup("");
    g_autofree char *t = g_strdup_printf("%s%s%s", ui.title, ui.running ? "" : " [Stopped]", hint);
    SDL_SetWindowTitle(ui.win, t);
}

static void set_grab(bool on)
{
    bool absolute = input_is_absolute();
    ui.grabbed = on;
    SDL_SetWindowGrab(ui.win, on ? SDL_TRUE : SDL_FALSE);
    SDL_SetRelativeMouseMode(on && !absolute ? SDL_TRUE : SDL_FALSE);
    SDL_ShowCursor(absolute && !ui.show_cursor ? SDL_DISABLE : SDL_ENABLE);
    set_title();
}

static void pointer_changed(void *opaque) { set_grab(ui.grabbed && !input_is_absolute()); }

static bool full_screen(void) { return SDL_GetWindowFlags(ui.win) & SDL_WINDOW_FULLSCREEN_DESKTOP; }

static void toggle_full_screen(void)
{
    bool on = !full_screen();
    SDL_SetWindowFullscreen(ui.win, on ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    set_grab(on);
    ui.redraw = true;
}

/* percent of the present size; 0: as large as the guest's screen */
static void zoom(int percent)
{
    Surface *s = console_surface();
    int w, h;
    if (!s || full_screen())
        return;
    SDL_GetWindowSize(ui.win, &w, &h);
    if (!percent)
        SDL_SetWindowSize(ui.win, s->width, s->height);
    else
        SDL_SetWindowSize(ui.win, MAX(MIN_SIDE, w * percent / 100), MAX(MIN_SIDE, (int)((int64_t)w * percent / 100 * s->height / s->width)));
    ui.redraw = true;
}

/* ---- keys ---- */

static void release_keys(void)
{
    for (int i = 0; i < SDL_NUM_SCANCODES; i++) {
        if (ui.down[i]) {
            ui.down[i] = 0;
            input_key(key_of((SDL_Scancode)i), false);
        }
    }
}

static bool own_key(SDL_Scancode c)
{
    switch (c) {
    case SDL_SCANCODE_G:
        release_keys();
        set_grab(!ui.grabbed);
        return true;
    case SDL_SCANCODE_F:
        release_keys();
        toggle_full_screen();
        return true;
    case SDL_SCANCODE_EQUALS:
    case SDL_SCANCODE_KP_PLUS:
        zoom(100 + ZOOM_STEP_PERCENT);
        return true;
    case SDL_SCANCODE_MINUS:
    case SDL_SCANCODE_KP_MINUS:
        zoom(100 * 100 / (100 + ZOOM_STEP_PERCENT));
        return true;
    case SDL_SCANCODE_U:
        zoom(0);
        return true;
    default:
        return false;
    }
}

static void on_key(const SDL_KeyboardEvent *e)
{
    SDL_Scancode c = e->keysym.scancode;
    bool down = e->type == SDL_KEYDOWN;
    if (c < 0 || c >= SDL_NUM_SCANCODES)
        return;
    if (down && (e->keysym.mod & ui.grab_mod) == ui.grab_mod && own_key(c))
        return;
    KeyCode k = key_of(c);
    if (k < 0 || (!down && !ui.down[c]))
        return;
    ui.down[c] = down;
    input_key(k, down);
}

/* ---- mouse ---- */

static void send_pointer(int x, int y, int dx, int dy, int dz)
{
    Surface *s = console_surface();
    if (!input_is_absolute()) {
        if (ui.grabbed)
            input_mouse(dx, dy, dz, ui.buttons);
        return;
    }
    if (s) /* SDL has scaled the position back to the guest's screen */
        input_absolute(x * INPUT_ABS_MAX / MAX(s->width - 1, 1), y * INPUT_ABS_MAX / MAX(s->height - 1, 1), dz, ui.buttons);
}

static void on_button(const SDL_MouseButtonEvent *e)
{
    static const uint8_t bits[] = {[SDL_BUTTON_LEFT] = BUTTON_LEFT, [SDL_BUTTON_MIDDLE] = BUTTON_MIDDLE,
                                   [SDL_BUTTON_RIGHT] = BUTTON_RIGHT, [SDL_BUTTON_X1] = BUTTON_SIDE,
                                   [SDL_BUTTON_X2] = BUTTON_EXTRA};
    unsigned bit = e->button < ARRAY_SIZE(bits) ? bits[e->button] : 0;
    bool down = e->type == SDL_MOUSEBUTTONDOWN;
    if (!ui.grabbed && !input_is_absolute()) {
        if (down && bit == BUTTON_LEFT)
            set_grab(true);
        return;
    }
    ui.buttons = down ? ui.buttons | bit : ui.buttons & ~bit;
    send_pointer(e->x, e->y, 0, 0, 0);
}

static void on_wheel(const SDL_MouseWheelEvent *e)
{
    int x, y;
    SDL_GetMouseState(&x, &y);
    if (input_is_absolute())
        input_mouse(0, 0, -e->y, ui.buttons); /* where it is */
    else
        send_pointer(x, y, 0, 0, -e->y);
}

static void on_window(const SDL_WindowEvent *e)
{
    switch (e->event) {
    case SDL_WINDOWEVENT_FOCUS_LOST:
        release_keys();
        if (ui.grabbed && !full_screen())
            set_grab(false);
        break;
    case SDL_WINDOWEVENT_HIDDEN:
    case SDL_WINDOWEVENT_MINIMIZED:
        ui.hidden = true;
        break;
    case SDL_WINDOWEVENT_SHOWN:
    case SDL_WINDOWEVENT_RESTORED:
    case SDL_WINDOWEVENT_EXPOSED:
        ui.hidden = false;
        break;
    default:
        break;
    }
    ui.redraw = true;
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
        send_pointer(e->motion.x, e->motion.y, e->motion.xrel, e->motion.yrel, 0);
        break;
    case SDL_MOUSEWHEEL:
        on_wheel(&e->wheel);
        break;
    case SDL_WINDOWEVENT:
        on_window(&e->window);
        break;
    case SDL_QUIT:
        if (ui.on_close)
            ui.on_close();
        break;
    default:
        break;
    }
}

/* ---- the picture ---- */

static void on_resized(void *opaque, Surface *s)
{
    if (ui.tex)
        SDL_DestroyTexture(ui.tex);
    ui.tex = SDL_CreateTexture(ui.ren, SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING, s->width, s->height);
    if (!(SDL_GetWindowFlags(ui.win) & (SDL_WINDOW_FULLSCREEN_DESKTOP | SDL_WINDOW_MAXIMIZED)))
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
    if (ui.running != runstate_is_running())
        set_title();
    if (ui.hidden)
        return G_SOURCE_CONTINUE; /* nobody sees it: the guest keeps the time */
    console_update();
    if (ui.redraw && ui.tex) {
        ui.redraw = false;
        SDL_RenderClear(ui.ren);
        SDL_RenderCopy(ui.ren, ui.tex, NULL, NULL);
        SDL_RenderPresent(ui.ren);
    }
    return G_SOURCE_CONTINUE;
}

bool sdl_display_start(const SdlOptions *opts, GError **errp)
{
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_GRAB_KEYBOARD, "1");
    SDL_SetHint(SDL_HINT_RENDER_SCALE_QUALITY, "linear");
    SDL_SetHint(SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0");
    SDL_SetHint(SDL_HINT_WINDOWS_NO_CLOSE_ON_ALT_F4, "1"); /* Alt-F4 is the guest's */
    if (SDL_Init(SDL_INIT_VIDEO) < 0)
        return error_set(errp, "-display sdl: %s (use -display none or -nographic without a screen)", SDL_GetError());
    /* SDL falls back to drivers that show nothing: a user who asked for a window must hear of that. */
    const char *driver = SDL_GetCurrentVideoDriver();
    if (!g_getenv("SDL_VIDEODRIVER") && driver && (g_str_equal(driver, "offscreen") || g_str_equal(driver, "dummy") ||
                                                   g_str_equal(driver, "evdev"))) {
        SDL_Quit();
        return error_set(errp, "-display sdl: no X11 or Wayland display (use -display none or -nographic)");
    }
    ui.win = SDL_CreateWindow(opts->title, SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, 720, 400,
                              SDL_WINDOW_RESIZABLE | (opts->full_screen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0));
    ui.ren = ui.win ? SDL_CreateRenderer(ui.win, -1, 0) : NULL;
    if (!ui.ren) {
        error_set(errp, "-display sdl: cannot make a window: %s", SDL_GetError());
        if (ui.win)
            SDL_DestroyWindow(ui.win);
        ui.win = NULL;
        SDL_Quit();
        return false;
    }
    ui.title = g_strdup(opts->title);
    ui.on_close = opts->on_close;
    ui.show_cursor = opts->show_cursor;
    ui.grab_mod = KMOD_LCTRL | KMOD_LALT;
    ui.grab_name = "Ctrl-Alt-G";
    if (opts->grab_mod && g_str_equal(opts->grab_mod, "rctrl")) {
        ui.grab_mod = KMOD_RCTRL;
        ui.grab_name = "Right-Ctrl-G";
    } else if (opts->grab_mod && g_str_equal(opts->grab_mod, "lshift-lctrl-lalt")) {
        ui.grab_mod |= KMOD_LSHIFT;
        ui.grab_name = "Shift-Ctrl-Alt-G";
    }
    input_set_pointer_notify(pointer_changed, &ui);
    set_grab(opts->full_screen);
    console_add_listener(&listener, &ui);
    ui.timer = g_timeout_add(REFRESH_MS, refresh, NULL);
    return true;
}

void sdl_display_stop(void)
{
    if (!ui.win)
        return;
    g_source_remove(ui.timer);
    input_remove_pointer_notify(&ui);
    console_remove_listener(&ui);
    if (ui.tex)
        SDL_DestroyTexture(ui.tex);
    SDL_DestroyRenderer(ui.ren);
    SDL_DestroyWindow(ui.win);
    SDL_Quit();
    g_free(ui.title);
    memset(&ui, 0, sizeof ui);
}
