/* keymap.c - keyboard layouts: X keysym -> key
 * Spec: X11 keysym numbers (X Window System Protocol, appendix A); the US layout is a table here, all
 * others come from the system's XKB data through libxkbcommon.
 * Not modelled: more than four levels of a key, compose sequences, layouts that were not installed. */
#include "host/base/osdep.h"
#include "host/display/keymap.h"
#if CONFIG_XKB
#include <xkbcommon/xkbcommon.h>
#endif

enum { EVDEV_OFFSET = 8, LAST_EVDEV = 127, MAX_LEVELS = 4 };

typedef struct Entry {
    uint32_t sym;
    KeyMatch match;
} Entry;
static GArray *entries; /* of Entry: the layout's signs; NULL: not loaded */

/* Keys that are the same in every layout. */
static const struct { uint32_t sym; const char *key; int8_t num_lock; } fixed[] = {
    {0xff08, "backspace", 0}, {0xff09, "tab", 0}, {0xfe20, "tab", 0}, {0xff0a, "ret", 0}, {0xff0d, "ret", 0},
    {0xff13, "pause", 0}, {0xff6b, "pause", 0}, {0xff14, "scroll_lock", 0}, {0xff15, "sysrq", 0}, {0xff1b, "esc", 0},
    {0xff20, "compose", 0}, {0xff22, "muhenkan", 0}, {0xff23, "henkan", 0}, {0xff27, "katakanahiragana", 0},
    {0xff31, "lang1", 0}, {0xff34, "lang2", 0}, {0xff50, "home", 0}, {0xff51, "left", 0}, {0xff52, "up", 0},
    {0xff53, "right", 0}, {0xff54, "down", 0}, {0xff55, "pgup", 0}, {0xff56, "pgdn", 0}, {0xff57, "end", 0},
    {0xff61, "print", 0}, {0xff63, "insert", 0}, {0xff67, "menu", 0}, {0xff6a, "help", 0}, {0xff7e, "alt_r", 0},
    {0xff7f, "num_lock", 0}, {0xff8d, "kp_enter", 0}, {0xff95, "kp_7", -1}, {0xff96, "kp_4", -1}, {0xff97, "kp_8", -1},
    {0xff98, "kp_6", -1}, {0xff99, "kp_2", -1}, {0xff9a, "kp_9", -1}, {0xff9b, "kp_3", -1}, {0xff9c, "kp_1", -1},
    {0xff9d, "kp_5", -1}, {0xff9e, "kp_0", -1}, {0xff9f, "kp_decimal", -1}, {0xffaa, "kp_multiply", 0},
    {0xffab, "kp_add", 0}, {0xffac, "kp_decimal", 1}, {0xffad, "kp_subtract", 0}, {0xffae, "kp_decimal", 1},
    {0xffaf, "kp_divide", 0}, {0xffb0, "kp_0", 1}, {0xffb1, "kp_1", 1}, {0xffb2, "kp_2", 1}, {0xffb3, "kp_3", 1},
    {0xffb4, "kp_4", 1}, {0xffb5, "kp_5", 1}, {0xffb6, "kp_6", 1}, {0xffb7, "kp_7", 1}, {0xffb8, "kp_8", 1},
    {0xffb9, "kp_9", 1}, {0xffbd, "kp_equals", 0}, {0xffbe, "f1", 0}, {0xffbf, "f2", 0}, {0xffc0, "f3", 0},
    {0xffc1, "f4", 0}, {0xffc2, "f5", 0}, {0xffc3, "f6", 0}, {0xffc4, "f7", 0}, {0xffc5, "f8", 0}, {0xffc6, "f9", 0},
    {0xffc7, "f10", 0}, {0xffc8, "f11", 0}, {0xffc9, "f12", 0}, {0xffe1, "shift", 0}, {0xffe2, "shift_r", 0},
    {0xffe3, "ctrl", 0}, {0xffe4, "ctrl_r", 0}, {0xffe5, "caps_lock", 0}, {0xffe7, "meta_l", 0}, {0xffe8, "meta_r", 0},
    {0xffe9, "alt", 0}, {0xffea, "alt_r", 0}, {0xffeb, "meta_l", 0}, {0xffec, "meta_r", 0}, {0xfe03, "alt_r", 0},
    {0xffff, "delete", 0}, {0x1008ff11, "volumedown", 0}, {0x1008ff12, "audiomute", 0}, {0x1008ff13, "volumeup", 0},
    {0x1008ff14, "audioplay", 0}, {0x1008ff15, "audiostop", 0}, {0x1008ff16, "audioprev", 0},
    {0x1008ff17, "audionext", 0}, {0x1008ff18, "ac_home", 0}, {0x1008ff19, "mail", 0}, {0x1008ff1d, "calculator", 0},
    {0x1008ff26, "ac_back", 0}, {0x1008ff27, "ac_forward", 0}, {0x1008ff28, "stop", 0}, {0x1008ff29, "ac_refresh", 0},
    {0x1008ff2a, "power", 0}, {0x1008ff2b, "wake", 0}, {0x1008ff2f, "sleep", 0}, {0x1008ff30, "ac_bookmarks", 0},
    {0x1008ff33, "computer", 0},
};

/* -k's names and the XKB layout and variant behind them. */
static const struct { const char *name, *xkb, *variant; } layouts[] = {
    {"en-us", NULL, NULL}, {"ar", "ara", ""}, {"bepo", "fr", "bepo"}, {"cz", "cz", ""}, {"da", "dk", ""},
    {"de", "de", ""}, {"de-ch", "ch", "de"}, {"en-gb", "gb", ""}, {"es", "es", ""}, {"et", "ee", ""}, {"fi", "fi", ""},
    {"fo", "fo", ""}, {"fr", "fr", ""}, {"fr-be", "be", ""}, {"fr-ca", "ca", ""}, {"fr-ch", "ch", "fr"},
    {"hr", "hr", ""}, {"hu", "hu", ""}, {"is", "is", ""}, {"it", "it", ""}, {"ja", "jp", ""}, {"lt", "lt", ""},
    {"lv", "lv", ""}, {"mk", "mk", ""}, {"nl", "nl", ""}, {"no", "no", ""}, {"pl", "pl", ""}, {"pt", "pt", ""},
    {"pt-br", "br", ""}, {"ru", "ru", ""}, {"sl", "si", ""}, {"sv", "se", ""}, {"th", "th", ""}, {"tr", "tr", ""},
    {"uk", "gb", ""},
};

static bool is_letter(uint32_t sym) { return (sym >= 'a' && sym <= 'z') || (sym >= 'A' && sym <= 'Z') || (sym >= 0xc0 && sym <= 0xff); }

static void add_entry(uint32_t sym, KeyCode key, uint8_t mods)
{
    Entry e = {sym, {key, mods, 0, is_letter(sym)}};
    if (key >= 0)
        g_array_append_val(entries, e);
}

static void load_us(void)
{
    static const struct { uint8_t first; const char *plain, *shifted; } rows[] = {
        {0x02, "1234567890-=", "!@#$%^&*()_+"}, {0x10, "qwertyuiop[]", "QWERTYUIOP{}"},
        {0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~"}, {0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?"}};
    for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
        for (int i = 0; rows[r].plain[i]; i++) {
            KeyCode key = key_from_set1((uint16_t)(rows[r].first + i));
            add_entry((uint8_t)rows[r].plain[i], key, 0);
            add_entry((uint8_t)rows[r].shifted[i], key, KEYMAP_SHIFT);
        }
    }
    add_entry(' ', key_find("spc"), KEYMAP_ANY);
}

#if CONFIG_XKB
/* Linux's key numbers are the set 1 codes in the main block; a few that follow are not. */
static uint16_t evdev_to_set1(unsigned code)
{
    static const struct { uint8_t evdev, set1; } others[] = {{86, 0x56}, {89, 0x73}, {92, 0x79}, {93, 0x70}, {94, 0x7b},
                                                             {121, 0x7e}, {124, 0x7d}};
    if (code >= 1 && code <= 58)
        return (uint16_t)code;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (others[i].evdev == code)
            return others[i].set1;
    return 0;
}

static bool load_xkb(const char *name, const char *layout, const char *variant, GError **errp)
{
    struct xkb_context *ctx = xkb_context_new(XKB_CONTEXT_NO_FLAGS);
    struct xkb_rule_names names = {"evdev", "pc105", layout, variant, ""};
    struct xkb_keymap *map;

    if (ctx)
        xkb_context_set_log_level(ctx, XKB_LOG_LEVEL_CRITICAL);
    map = ctx ? xkb_keymap_new_from_names(ctx, &names, XKB_KEYMAP_COMPILE_NO_FLAGS) : NULL;
    for (unsigned code = 1; map && code <= LAST_EVDEV; code++) {
        uint16_t set1 = evdev_to_set1(code);
        KeyCode key = set1 ? key_from_set1(set1) : -1;
        unsigned levels = key < 0 ? 0 : xkb_keymap_num_levels_for_key(map, code + EVDEV_OFFSET, 0);
        for (unsigned level = 0; level < levels && level < MAX_LEVELS; level++) {
            const xkb_keysym_t *syms;
            int n = xkb_keymap_key_get_syms_by_level(map, code + EVDEV_OFFSET, 0, level, &syms);
            for (int i = 0; i < n; i++)
                add_entry(syms[i], key, code == 57 ? KEYMAP_ANY : (uint8_t)level);
        }
    }
    bool ok = map != NULL;
    xkb_keymap_unref(map);
    xkb_context_unref(ctx);
    return ok || error_set(errp, "the XKB data of keyboard layout '%s' is not installed (Debian package xkb-data)", name);
}
#endif

void keymap_print_layouts(GString *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
        if (CONFIG_XKB || !layouts[i].xkb)
            g_string_append_printf(out, "%s%s", out->len ? " " : "", layouts[i].name);
}

bool keymap_load(const char *layout, GError **errp)
{
    size_t i = 0;
    if (layout)
        while (i < ARRAY_SIZE(layouts) && !g_str_equal(layouts[i].name, layout))
            i++;
    if (i == ARRAY_SIZE(layouts) || (layouts[i].xkb && !CONFIG_XKB)) {
        g_autoptr(GString) names = g_string_new(NULL);
        keymap_print_layouts(names);
        return error_set(errp, "unknown keyboard layout '%s' (choices: %s)", layout, names->str);
    }
    if (entries)
        g_array_unref(entries);
    entries = g_array_new(FALSE, FALSE, sizeof(Entry));
#if CONFIG_XKB
    if (layouts[i].xkb)
        return load_xkb(layout, layouts[i].xkb, layouts[i].variant, errp);
#endif
    load_us();
    return true;
}

static bool find_sign(uint32_t sym, unsigned held, KeyMatch *out)
{
    const KeyMatch *first = NULL;
    for (guint i = 0; i < entries->len; i++) {
        const Entry *e = &g_array_index(entries, Entry, i);
        if (e->sym != sym)
            continue;
        if (!first)
            first = &e->match;
        if (e->match.mods == held) {
            first = &e->match;
            break;
        }
    }
    if (first)
        *out = *first;
    return first != NULL;
}

bool keymap_find(uint32_t sym, unsigned held_mods, KeyMatch *out)
{
    if (!entries)
        keymap_load(NULL, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
        if (fixed[i].sym == sym) {
            *out = (KeyMatch){key_find(fixed[i].key), KEYMAP_ANY, fixed[i].num_lock, false};
            return out->key >= 0;
        }
    }
    if (sym >= 0x01000000 && sym <= 0x010000ff) /* Latin-1 as Unicode keysyms */
        sym &= 0xff;
    if (find_sign(sym, held_mods, out))
        return true;
#if CONFIG_XKB
    if (sym >= 0x01000100 && sym <= 0x0110ffff)
        return find_sign(xkb_utf32_to_keysym(sym & 0xffffff), held_mods, out);
#endif
    return false;
}
