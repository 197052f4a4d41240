/* input.c - key names and codes, and the way of key and mouse events to the device that wants them.
 * Spec: key names as in qemu's sendkey; codes are scan code set 1 (IBM PS/2 keyboard; Microsoft
 * "Keyboard Scan Code Specification" for the multimedia and power keys). */
#include "host/base/osdep.h"
#include "host/display/input.h"
#include "softmmu/timer.h"

const KeyInfo key_table[] = {
    {"shift", 0x2a}, {"shift_r", 0x36}, {"alt", 0x38}, {"alt_r", 0xe038}, {"ctrl", 0x1d}, {"ctrl_r", 0xe01d},
    {"menu", 0xe05d}, {"esc", 0x01}, {"1", 0x02}, {"2", 0x03}, {"3", 0x04}, {"4", 0x05}, {"5", 0x06}, {"6", 0x07},
    {"7", 0x08}, {"8", 0x09}, {"9", 0x0a}, {"0", 0x0b}, {"minus", 0x0c}, {"equal", 0x0d}, {"backspace", 0x0e},
    {"tab", 0x0f}, {"q", 0x10}, {"w", 0x11}, {"e", 0x12}, {"r", 0x13}, {"t", 0x14}, {"y", 0x15}, {"u", 0x16},
    {"i", 0x17}, {"o", 0x18}, {"p", 0x19}, {"bracket_left", 0x1a}, {"bracket_right", 0x1b}, {"ret", 0x1c},
    {"a", 0x1e}, {"s", 0x1f}, {"d", 0x20}, {"f", 0x21}, {"g", 0x22}, {"h", 0x23}, {"j", 0x24}, {"k", 0x25},
    {"l", 0x26}, {"semicolon", 0x27}, {"apostrophe", 0x28}, {"grave_accent", 0x29}, {"backslash", 0x2b},
    {"z", 0x2c}, {"x", 0x2d}, {"c", 0x2e}, {"v", 0x2f}, {"b", 0x30}, {"n", 0x31}, {"m", 0x32}, {"comma", 0x33},
    {"dot", 0x34}, {"slash", 0x35}, {"asterisk", 0x37}, {"spc", 0x39}, {"caps_lock", 0x3a},
    {"f1", 0x3b}, {"f2", 0x3c}, {"f3", 0x3d}, {"f4", 0x3e}, {"f5", 0x3f}, {"f6", 0x40}, {"f7", 0x41}, {"f8", 0x42},
    {"f9", 0x43}, {"f10", 0x44}, {"num_lock", 0x45}, {"scroll_lock", 0x46}, {"kp_divide", 0xe035},
    {"kp_multiply", 0x37}, {"kp_subtract", 0x4a}, {"kp_add", 0x4e}, {"kp_enter", 0xe01c}, {"kp_decimal", 0x53},
    {"sysrq", 0x54}, {"kp_0", 0x52}, {"kp_1", 0x4f}, {"kp_2", 0x50}, {"kp_3", 0x51}, {"kp_4", 0x4b},
    {"kp_5", 0x4c}, {"kp_6", 0x4d}, {"kp_7", 0x47}, {"kp_8", 0x48}, {"kp_9", 0x49}, {"less", 0x56},
    {"f11", 0x57}, {"f12", 0x58}, {"print", 0xe037}, {"home", 0xe047}, {"pgup", 0xe049}, {"pgdn", 0xe051},
    {"end", 0xe04f}, {"left", 0xe04b}, {"up", 0xe048}, {"down", 0xe050}, {"right", 0xe04d}, {"insert", 0xe052},
    {"delete", 0xe053}, {"stop", 0xe068}, {"again", 0xe005}, {"props", 0xe006}, {"undo", 0xe007},
    {"front", 0xe00c}, {"copy", 0xe078}, {"open", 0x64}, {"paste", 0x65}, {"find", 0xe041}, {"cut", 0xe03c},
    {"lf", 0x5b}, {"help", 0xe075}, {"meta_l", 0xe05b}, {"meta_r", 0xe05c}, {"compose", 0xe05d},
    {"pause", 0xe046}, {"ro", 0x73}, {"hiragana", 0x77}, {"henkan", 0x79}, {"yen", 0x7d}, {"muhenkan", 0x7b},
    {"katakanahiragana", 0x70}, {"kp_comma", 0x7e}, {"kp_equals", 0x59}, {"power", 0xe05e}, {"sleep", 0xe05f},
    {"wake", 0xe063}, {"audionext", 0xe019}, {"audioprev", 0xe010}, {"audiostop", 0xe024}, {"audioplay", 0xe022},
    {"audiomute", 0xe020}, {"volumeup", 0xe030}, {"volumedown", 0xe02e}, {"mediaselect", 0xe06d},
    {"mail", 0xe06c}, {"calculator", 0xe021}, {"computer", 0xe06b}, {"ac_home", 0xe032}, {"ac_back", 0xe06a},
    {"ac_forward", 0xe069}, {"ac_refresh", 0xe067}, {"ac_bookmarks", 0xe066}, {"lang1", 0x72}, {"lang2", 0x71},
    {NULL, 0},
};
/* Spellings that qemu takes besides. */
static const struct { const char *alias, *name; } aliases[] = {
    {"enter", "ret"}, {"kp_begin", "kp_5"}, {"left_shift", "shift"}, {"backtick", "grave_accent"}};

typedef struct Pointer {
    const char *name;
    const InputSink *sink;
    void *opaque;
    int number;
} Pointer;

typedef struct Notify {
    void (*fn)(void *opaque);
    void *opaque;
} Notify;

static const InputSink *kbd_sink;
static void *kbd_opaque;
static GList *pointers; /* of Pointer *, the active one first */
static GList *notifies; /* of Notify * */
static int last_number, abs_x, abs_y;
static unsigned leds_now;

KeyCode key_from_set1(uint16_t set1)
{
    for (int i = 0; key_table[i].name; i++)
        if (key_table[i].set1 == set1)
            return i;
    return -1;
}

KeyCode key_find(const char *name)
{
    if (g_str_has_prefix(name, "0x")) {
        char *end;
        guint64 code = g_ascii_strtoull(name, &end, 16);
        if (*end || !code || code > 0xff)
            return -1;
        uint16_t set1 = (uint16_t)(code & 0x80 ? 0xe000 | (code & 0x7f) : code);
        return key_from_set1(set1);
    }
    for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
        if (g_str_equal(aliases[i].alias, name))
            name = aliases[i].name;
    for (int i = 0; key_table[i].name; i++)
        if (g_str_equal(key_table[i].name, name))
            return i;
    return -1;
}

void input_set_keyboard(const InputSink *sink, void *opaque)
{
    kbd_sink = sink;
    kbd_opaque = opaque;
}

static void tell_pointer_change(void)
{
    for (GList *l = notifies, *next; l; l = next) {
        Notify *n = l->data;
        next = l->next;
        n->fn(n->opaque);
    }
}

void input_set_pointer_notify(void (*fn)(void *opaque), void *opaque)
{
    Notify *n = g_new(Notify, 1);
    *n = (Notify){fn, opaque};
    notifies = g_list_append(notifies, n);
}

void input_remove_pointer_notify(void *opaque)
{
    for (GList *l = notifies; l; l = l->next) {
        if (((Notify *)l->data)->opaque == opaque) {
            g_free(l->data);
            notifies = g_list_delete_link(notifies, l);
            return;
        }
    }
}

static GList *find_pointer(void *opaque)
{
    GList *l = pointers;
    while (l && ((Pointer *)l->data)->opaque != opaque)
        l = l->next;
    return l;
}

static void to_front(GList *l)
{
    pointers = g_list_remove_link(pointers, l);
    pointers = g_list_concat(l, pointers);
    tell_pointer_change();
}

void input_add_pointer(const char *name, const InputSink *sink, void *opaque)
{
    GList *l = find_pointer(opaque);
    if (!l) {
        Pointer *p = g_new(Pointer, 1);
        *p = (Pointer){name, sink, opaque, ++last_number};
        l = g_list_append(NULL, p);
        pointers = g_list_concat(pointers, l);
    }
    to_front(l);
}

void input_remove_pointer(void *opaque)
{
    GList *l = find_pointer(opaque);
    if (!l)
        return;
    g_free(l->data);
    pointers = g_list_delete_link(pointers, l);
    if (!pointers)
        last_number = 0;
    tell_pointer_change();
}

bool input_select_pointer(int64_t number)
{
    for (GList *l = pointers; l; l = l->next) {
        if (((Pointer *)l->data)->number == number) {
            to_front(l);
            return true;
        }
    }
    return false;
}

void input_print_pointers(GString *out)
{
    if (!pointers)
        g_string_append(out, "No mouse devices connected\n");
    for (GList *l = pointers; l; l = l->next) {
        const Pointer *p = l->data;
        g_string_append_printf(out, "%c Mouse #%d: %s%s\n", l == pointers ? '*' : ' ', p->number, p->name,
                               p->sink->absolute ? " (absolute)" : "");
    }
}

static const Pointer *active_pointer(void) { return pointers ? pointers->data : NULL; }

bool input_is_absolute(void)
{
    const Pointer *p = active_pointer();
    return p && p->sink->absolute;
}

void input_key(KeyCode key, bool down)
{
    if (kbd_sink && kbd_sink->key)
        kbd_sink->key(kbd_opaque, key, down);
}

void input_mouse(int dx, int dy, int dz, unsigned buttons)
{
    const Pointer *p = active_pointer();
    if (p && p->sink->absolute)
        p->sink->absolute(p->opaque, abs_x, abs_y, dz, buttons);
    else if (p && p->sink->mouse)
        p->sink->mouse(p->opaque, dx, dy, dz, buttons);
}

void input_absolute(int x, int y, int dz, unsigned buttons)
{
    const Pointer *p = active_pointer();
    abs_x = CLAMP(x, 0, INPUT_ABS_MAX);
    abs_y = CLAMP(y, 0, INPUT_ABS_MAX);
    if (p && p->sink->absolute)
        p->sink->absolute(p->opaque, abs_x, abs_y, dz, buttons);
}

void input_set_leds(unsigned leds) { leds_now = leds; }
unsigned input_leds(void) { return leds_now; }

/* ---- the queue: sendkey and remote keyboards ---- */

enum { MAX_QUEUED = 1024, GAP_MS = 20 };
typedef struct Step {
    KeyCode key; /* -1: wait */
    bool down;
    int wait_ms;
} Step;
static GQueue steps = G_QUEUE_INIT;
static Timer *step_timer;

static void run_steps(void *opaque)
{
    Step *s;
    while ((s = g_queue_pop_head(&steps))) {
        int wait = s->key < 0 ? s->wait_ms : 0;
        if (s->key >= 0)
            input_key(s->key, s->down);
        g_free(s);
        if (wait > 0) {
            timer_mod(step_timer, clock_ns(CLOCK_VM) + (int64_t)wait * 1000000);
            return;
        }
    }
}

static void push_step(KeyCode key, bool down, int wait_ms)
{
    Step *s = g_new(Step, 1);
    *s = (Step){key, down, wait_ms};
    g_queue_push_tail(&steps, s);
}

static void kick(void)
{
    if (!step_timer)
        step_timer = timer_new(CLOCK_VM, run_steps, NULL);
    if (!timer_pending(step_timer))
        run_steps(NULL);
}

void input_queue_key(KeyCode key, bool down, int pause_ms)
{
    if (key < 0 || (down && g_queue_get_length(&steps) > MAX_QUEUED))
        return; /* a stopped guest would pile them up without end; releases belong to presses */
    push_step(key, down, 0);
    if (pause_ms > 0)
        push_step(-1, false, pause_ms);
    kick();
}

void input_send_combo(const KeyCode *keys, int n, int hold_ms)
{
    if (g_queue_get_length(&steps) > MAX_QUEUED)
        return;
    for (int i = 0; i < n; i++)
        push_step(keys[i], true, 0);
    push_step(-1, false, hold_ms > 0 ? hold_ms : 1);
    for (int i = n; i-- > 0;)
        push_step(keys[i], false, 0);
    push_step(-1, false, GAP_MS);
    kick();
}
