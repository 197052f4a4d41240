/* options-values.c - the values of options that have a syntax of their own, and their `help` texts. */
#include "host/base/osdep.h"
#include "host/audio/audio.h"
#include "host/base/keyval.h"
#include "host/base/log.h"
#include "host/char/chardev.h"
#include "host/display/keymap.h"
#include "vl/object.h"
#include "vl/options.h"
#include "vl/net-setup.h"
#include "hw/pc/pc.h"
#include "target-x86/cpu.h"

#define MACHINE_NAMES "pc pc-i440fx-7.2"

static const char *const machine_props[][2] = {
    {"accel", "string> - Accelerator list (tcg)"},     {"acpi", "OnOffAuto> - Enable ACPI"},
    {"hpet", "bool> - Enable the HPET"},               {"usb", "bool> - USB controller (off)"},
    {"graphics", "bool> - Tell the firmware of a screen"}, {"dump-guest-core", "bool> - accepted"},
    {"mem-merge", "bool> - accepted"},                 {"kernel-irqchip", "str> - accepted (off)"},
    {"vmport", "OnOffAuto> - Enable the VMware back door and its mouse"}, {"pcspk-audiodev", "str> - ID of the audiodev of the PC speaker"},               {"smm", "OnOffAuto> - accepted"},
    {"memory-backend", "str> - ID of the object that is the RAM"}, {"firmware", "str> - same as -bios"}, {"max-ram-below-4g", "size> - RAM beyond it lies above 4 GiB"},
    {"suppress-vmdesc", "bool> - accepted"},              {"pit", "OnOffAuto> - Enable the i8254"},
    {"pic", "OnOffAuto> - i8259 pair (on)"},           {"i8042", "bool> - Keyboard controller (on)"},
    {"sata", "bool> - of other boards"},               {"smbus", "bool> - accepted"},
    {"nvdimm", "bool> - accepted (off)"},              {"hmat", "bool> - accepted (off)"},
    {"default-bus-bypass-iommu", "bool> - of boards with an IOMMU"},
};

static bool set_accel_list(VlConfig *c, const char *list, GError **errp)
{
    g_auto(GStrv) names = g_strsplit(list, ":", -1);
    bool tcg = false, kvm = false;
    for (int i = 0; names[i]; i++) {
        if (g_str_equal(names[i], "tcg"))
            tcg = true;
        else if (g_str_equal(names[i], "kvm"))
            kvm = true;
        else
            return error_set(errp, "invalid accelerator %s (choices: tcg)", names[i]);
    }
    if (kvm || tcg) /* kvm:tcg, or one -accel for each, ask for just what happens */
        c->kvm_wanted = !tcg;
    return true;
}

/* "pc" and its versions; a guest that was set up for an old one finds the same chips. */
static bool is_pc(const char *name)
{
    return g_str_equal(name, "pc") || g_regex_match_simple("^pc-i440fx-[0-9]+\\.[0-9]+$", name, 0, 0);
}

bool option_machine(VlConfig *c, const char *val, GError **errp)
{
    GPtrArray *kv = keyval_parse(val, "type");
    bool ok = false, ignored, usb = false;
    for (guint i = 0; i < kv->len; i++) {
        const KeyVal *k = g_ptr_array_index(kv, i);
        if (g_str_equal(k->key, "type")) {
            if (!is_pc(k->val)) {
                error_set(errp, "unsupported machine type '%s' (choices: %s; -machine help lists them)", k->val,
                          MACHINE_NAMES);
                goto out;
            }
        } else if (g_str_equal(k->key, "accel")) {
            if (!set_accel_list(c, k->val, errp))
                goto out;
        } else if (g_str_equal(k->key, "acpi") || g_str_equal(k->key, "hpet") || g_str_equal(k->key, "vmport") ||
                   g_str_equal(k->key, "pit")) {
            bool *b = k->key[0] == 'a' ? &c->acpi : k->key[0] == 'h' ? &c->hpet : k->key[0] == 'p' ? &c->pit : &c->vmport;
            if (!g_str_equal(k->val, "auto") && !parse_bool(k->key, k->val, b, errp))
                goto out;
        } else if (g_str_equal(k->key, "pcspk-audiodev")) {
            g_free(c->pcspk_audiodev);
            c->pcspk_audiodev = g_strdup(k->val);
        } else if (g_str_equal(k->key, "memory-backend")) {
            g_free(c->memory_backend);
            c->memory_backend = g_strdup(k->val);
        } else if (g_str_equal(k->key, "max-ram-below-4g")) {
            if (!parse_size("max-ram-below-4g", k->val, 1, &c->max_low_ram, errp))
                goto out;
            if (c->max_low_ram < 16 * MiB || c->max_low_ram > 0xe0000000 || c->max_low_ram % MiB) {
                error_set(errp, "max-ram-below-4g=%s: 16M to 3584M are possible, in whole M", k->val);
                goto out;
            }
        } else if (g_str_equal(k->key, "firmware")) {
            g_free(c->bios);
            c->bios = g_strdup(k->val);
        } else if (g_str_equal(k->key, "usb")) {
            if (!parse_bool(k->key, k->val, &usb, errp))
                goto out;
            if (usb) {
                error_set(errp, "usb=on: there is no USB controller (choices: off)");
                goto out;
            }
        } else if (g_str_equal(k->key, "kernel_irqchip") || g_str_equal(k->key, "kernel-irqchip")) {
            /* means something to KVM only */
        } else {
            size_t n;
            for (n = 0; n < ARRAY_SIZE(machine_props) && !g_str_equal(machine_props[n][0], k->key); n++)
                ;
            if (n == ARRAY_SIZE(machine_props)) {
                error_set(errp, "property '%s' not found (-machine pc,help lists them)", k->key);
                goto out;
            }
            bool fixed_on = g_str_equal(k->key, "pic") || g_str_equal(k->key, "i8042");
            bool fixed_off = g_str_equal(k->key, "nvdimm") || g_str_equal(k->key, "hmat");
            if (g_str_equal(k->val, "auto"))
                continue;
            if (!parse_bool(k->key, k->val, &ignored, errp))
                goto out;
            if (fixed_on || fixed_off) {
                if (ignored != fixed_on) {
                    error_set(errp, "%s=%s: not supported (choices: %s)", k->key, k->val, fixed_on ? "on" : "off");
                    goto out;
                }
            }
        }
    }
    ok = true;
out:
    keyval_free(kv);
    return ok;
}

bool option_accel(VlConfig *c, const char *val, GError **errp)
{
    GPtrArray *kv = keyval_parse(val, "accel");
    const char *name = keyval_get(kv, "accel"), *thread = keyval_get(kv, "thread");
    bool ok = false, split = true;
    if (!set_accel_list(c, name ? name : "", errp))
        goto out;
    if (g_str_equal(name, "kvm")) { /* its properties mean nothing here */
        ok = true;
        goto out;
    }
    if (!keyval_check(kv, "accel tcg", "accel thread tb-size one-insn-per-tb split-wx tb-stats", errp) ||
        !keyval_uint(kv, "tb-size", 0, 2048, &c->tb_size_mb, errp) ||
        !keyval_bool(kv, "one-insn-per-tb", &c->one_insn_per_tb, errp) || !keyval_bool(kv, "split-wx", &split, errp) ||
        !keyval_bool(kv, "tb-stats", &c->tb_stats, errp))
        goto out;
    if (thread && !g_str_equal(thread, "single") && !g_str_equal(thread, "multi")) {
        error_set(errp, "thread=%s (choices: single multi)", thread);
        goto out;
    }
    ok = true;
out:
    keyval_free(kv);
    return ok;
}

bool option_cpu(VlConfig *c, const char *val, GError **errp)
{
    g_free(c->cpu);
    if (g_str_equal(val, "host") || g_str_has_prefix(val, "host,")) {
        c->cpu_host_wanted = true;
        c->cpu = g_strconcat("max", val + 4, NULL);
    } else {
        c->cpu = g_strdup(val);
    }
    return true;
}

bool option_smp(VlConfig *c, const char *val, GError **errp)
{
    static const char *const parts[] = {"sockets", "dies", "clusters", "cores", "threads"};
    GPtrArray *kv = keyval_parse(val, "cpus");
    uint64_t cpus = 0, max = 0, product = 1;
    bool ok = keyval_check(kv, "smp", "cpus sockets dies clusters cores threads maxcpus", errp) &&
              keyval_uint(kv, "cpus", 1, 1 << 16, &cpus, errp) && keyval_uint(kv, "maxcpus", 1, 1 << 16, &max, errp);
    for (size_t i = 0; ok && i < ARRAY_SIZE(parts); i++) {
        uint64_t n = 1;
        ok = keyval_uint(kv, parts[i], 1, 1 << 10, &n, errp);
        product *= n;
    }
    keyval_free(kv);
    if (!ok)
        return false;
    if (!cpus)
        cpus = product;
    if (cpus > 1 || max > 1 || product > 1)
        return error_set(errp, "%" PRIu64 " CPUs are not supported (choices: 1)", MAX(MAX(cpus, max), product));
    return true;
}

bool option_mem(VlConfig *c, const char *val, GError **errp)
{
    GPtrArray *kv = keyval_parse(val, "size");
    const char *size = keyval_get(kv, "size");
    uint64_t slots = 0, n = 0;
    bool ok = keyval_check(kv, "m", "size slots maxmem", errp) && keyval_uint(kv, "slots", 0, 256, &slots, errp) &&
              parse_size("RAM size", size ? size : "128", MiB, &n, errp);
    if (ok && keyval_get(kv, "slots") && !keyval_get(kv, "maxmem"))
        ok = error_set(errp, "slots=%s: only with maxmem=", keyval_get(kv, "slots"));
    keyval_free(kv);
    if (!ok)
        return false;
    n = ROUND_UP(MIN(n, 1ULL << 60), 8 * KiB);
    if (n && n < MiB)
        return error_set(errp, "a PC needs at least 1M of RAM");
    if (n > 1024 * GiB)
        return error_set(errp, "more than the host can map (at most 1024G)");
    c->ram_size = n ? n : 128 * MiB;
    c->ram_size_set = n != 0;
    return true;
}

bool parse_uuid(const char *text, uint8_t out[16])
{
    int n = 0;
    for (const char *p = text; *p;) {
        if (p - text == 8 || p - text == 13 || p - text == 18 || p - text == 23) {
            if (*p++ != '-')
                return false;
            continue;
        }
        if (n >= 16 || !g_ascii_isxdigit(p[0]) || !g_ascii_isxdigit(p[1]))
            return false;
        out[n++] = (uint8_t)(g_ascii_xdigit_value(p[0]) << 4 | g_ascii_xdigit_value(p[1]));
        p += 2;
    }
    return n == 16;
}

bool option_uuid(VlConfig *c, const char *val, GError **errp)
{
    uint8_t u[16];
    if (!parse_uuid(val, u))
        return error_set(errp, "not a UUID (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx)");
    g_free(c->uuid);
    c->uuid = g_ascii_strdown(val, -1);
    return true;
}

bool option_rtc(VlConfig *c, const char *val, GError **errp)
{
    GPtrArray *kv = keyval_parse(val, "base");
    const char *base = keyval_get(kv, "base"), *clock = keyval_get(kv, "clock"), *fix = keyval_get(kv, "driftfix");
    bool ok = keyval_check(kv, "rtc", "base clock driftfix", errp);
    if (ok && base && g_str_equal(base, "localtime")) {
        c->rtc_localtime = true;
    } else if (ok && base && !g_str_equal(base, "utc")) {
        g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
        g_autofree char *full = strchr(base, 'T') ? g_strdup(base) : g_strconcat(base, "T00:00:00", NULL);
        g_autoptr(GDateTime) t = g_date_time_new_from_iso8601(full, utc);
        if (t)
            c->rtc_offset_s = g_date_time_to_unix(t) - (int64_t)time(NULL);
        else
            ok = error_set(errp, "base=%s (choices: utc localtime 2026-01-31T12:30:00 2026-01-31)", base);
    }
    if (ok && clock && !g_str_equal(clock, "host") && !g_str_equal(clock, "vm") && !g_str_equal(clock, "rt"))
        ok = error_set(errp, "clock=%s (choices: host rt vm)", clock);
    if (ok && fix && !g_str_equal(fix, "none") && !g_str_equal(fix, "slew"))
        ok = error_set(errp, "driftfix=%s (choices: none slew)", fix);
    keyval_free(kv);
    return ok;
}

/* Lost ticks are not made up for, whatever is asked; pit and clock of QEMU are accepted under these names. */
static bool is_tick_policy(const char *driver, const char *prop)
{
    return g_str_equal(prop, "lost_tick_policy") && (g_str_equal(driver, "kvm-pit") || g_str_equal(driver, "mc146818rtc"));
}

/* DRIVER.PROPERTY=VALUE, or driver=,property=,value= */
bool option_global(VlConfig *c, const char *val, GError **errp)
{
    GPtrArray *kv = keyval_parse(val, NULL);
    g_autofree char *driver = g_strdup(keyval_get(kv, "driver")), *prop = g_strdup(keyval_get(kv, "property"));
    g_autofree char *value = g_strdup(keyval_get(kv, "value"));
    const char *eq = strchr(val, '='), *dot = strchr(val, '.');
    bool ok = true;

    keyval_free(kv);
    if (!driver && !prop && eq && dot && dot < eq) {
        driver = g_strndup(val, (gsize)(dot - val));
        prop = g_strndup(dot + 1, (gsize)(eq - dot - 1));
        value = g_strdup(eq + 1);
    }
    if (!driver || !prop || !value)
        return error_set(errp, "DRIVER.PROPERTY=VALUE is needed");
    if (g_str_equal(driver, "PIIX4_PM")) {
        bool *field = g_str_equal(prop, "disable_s3") ? &c->no_s3 : g_str_equal(prop, "disable_s4") ? &c->no_s4 : NULL;
        if (!field)
            ok = error_set(errp, "property '%s' not found (choices: disable_s3 disable_s4)", prop);
        else if (!g_str_equal(value, "0") && !g_str_equal(value, "1"))
            ok = error_set(errp, "%s.%s=%s (choices: 0 1)", driver, prop, value);
        else
            *field = value[0] == '1';
    } else if (!is_tick_policy(driver, prop)) {
        g_ptr_array_add(c->globals, g_strdup_printf("%s.%s=%s", driver, prop, value));
    }
    return ok;
}

static bool check_order(const char *order, GError **errp)
{
    unsigned seen = 0;
    for (const char *p = order; p && *p; p++) {
        if (*p < 'a' || *p > 'p')
            return error_set(errp, "Invalid boot device '%c' (letters a to p: a floppy, c disk, d CD-ROM, n network)", *p);
        if (seen & 1u << (*p - 'a'))
            return error_set(errp, "Boot device '%c' was given twice", *p);
        seen |= 1u << (*p - 'a');
    }
    return true;
}

bool option_boot(VlConfig *c, const char *val, GError **errp)
{
    GPtrArray *kv = keyval_parse(val, "order");
    const char *order = keyval_get(kv, "order"), *once = keyval_get(kv, "once");
    uint64_t splash = 0, reboot = 0;
    bool ok = keyval_check(kv, "boot", "order once menu splash splash-time reboot-timeout strict", errp) &&
              check_order(order, errp) && check_order(once, errp) && keyval_bool(kv, "menu", &c->boot_menu, errp) &&
              keyval_bool(kv, "strict", &c->boot_strict, errp) &&
              keyval_uint(kv, "splash-time", 0, 65535, &splash, errp);
    const char *rt = ok ? keyval_get(kv, "reboot-timeout") : NULL;
    if (rt && !g_str_equal(rt, "-1"))
        ok = keyval_uint(kv, "reboot-timeout", 0, 65535, &reboot, errp);
    if (ok) {
        if (order) {
            g_free(c->boot_order);
            c->boot_order = g_strdup(order);
        }
        if (once) {
            g_free(c->boot_once);
            c->boot_once = g_strdup(once);
        }
        if (keyval_get(kv, "splash")) {
            g_free(c->boot_splash);
            c->boot_splash = g_strdup(keyval_get(kv, "splash"));
        }
        if (keyval_get(kv, "splash-time"))
            c->boot_splash_ms = (int)splash;
        if (rt)
            c->reboot_timeout_ms = g_str_equal(rt, "-1") ? -1 : (int)reboot;
    }
    keyval_free(kv);
    return ok;
}

bool option_vnc(VlConfig *c, const char *opt, const char *val, GError **errp)
{
    bool none = g_str_equal(val, "none");
    if (!CONFIG_VNC && !none)
        return error_set(errp, "this program was built without VNC (choices: none)");
    if (c->vnc && !none)
        return error_set(errp, "only one VNC server is possible");
    g_free(c->vnc);
    g_free(c->vnc_opt);
    c->vnc = none ? NULL : g_strdup(val);
    c->vnc_opt = none ? NULL : g_strconcat(opt, val, NULL);
    return true;
}

static bool display_sdl(VlConfig *c, const GPtrArray *kv, GError **errp)
{
    static const char *const mods[] = {"lctrl-lalt", "lshift-lctrl-lalt", "rctrl"};
    const char *gl = keyval_get(kv, "gl"), *mod = keyval_get(kv, "grab-mod");
    bool ok = false;

    if (!keyval_check(kv, "display sdl", "type full-screen gl window-close show-cursor grab-mod", errp) ||
        !keyval_bool(kv, "full-screen", &c->full_screen, errp) ||
        !keyval_bool(kv, "window-close", &c->window_close, errp) ||
        !keyval_bool(kv, "show-cursor", &c->show_cursor, errp))
        return false;
    if (gl && !g_str_equal(gl, "off"))
        return error_set(errp, "gl=%s: OpenGL is not supported (choices: off)", gl);
    for (size_t i = 0; mod && i < ARRAY_SIZE(mods); i++)
        ok |= g_str_equal(mods[i], mod);
    if (mod && !ok)
        return error_set(errp, "grab-mod=%s (choices: lctrl-lalt lshift-lctrl-lalt rctrl)", mod);
    g_free(c->grab_mod);
    c->grab_mod = g_strdup(mod);
    return true;
}

bool option_display(VlConfig *c, const char *val, GError **errp)
{
    if (g_str_has_prefix(val, "vnc=")) {
        c->display_set = true;
        c->display_sdl = c->display_curses = false;
        return option_vnc(c, "-display vnc=", val + 4, errp);
    }
    if (g_str_equal(val, "default"))
        return true; /* as if it were not there */
    GPtrArray *kv = keyval_parse(val, "type");
    const char *type = keyval_get(kv, "type"), *gl = keyval_get(kv, "gl");
    bool sdl = type && g_str_equal(type, "sdl"), curses = type && g_str_equal(type, "curses"), ok;
    if (!type || !(g_str_equal(type, "none") || (sdl && CONFIG_SDL) || (curses && CONFIG_CURSES)))
        ok = error_set(errp, "'%s' is not supported (choices: none%s%s%s)", type ? type : "", CONFIG_SDL ? " sdl" : "",
                       CONFIG_CURSES ? " curses" : "", CONFIG_VNC ? " vnc=ADDRESS" : "");
    else if (sdl)
        ok = display_sdl(c, kv, errp);
    else
        ok = keyval_check(kv, "display", curses ? "type charset full-screen gl" : "type full-screen gl window-close show-cursor", errp) &&
             (!gl || g_str_equal(gl, "off") || error_set(errp, "gl=%s is not supported (choices: off)", gl)) && keyval_bool(kv, "full-screen", &c->full_screen, errp);
    c->display_sdl = sdl;
    c->display_curses = curses;
    c->display_set = true;
    keyval_free(kv);
    return ok;
}

static int parse_panic_action(const char *name)
{
    static const char *const names[] = {
        [PANIC_SHUTDOWN] = "shutdown", [PANIC_PAUSE] = "pause", [PANIC_EXIT_FAILURE] = "exit-failure", [PANIC_NONE] = "none"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (g_str_equal(name, names[i]))
            return (int)i;
    return -1;
}

bool option_action(VlConfig *c, const char *val, GError **errp)
{
    GPtrArray *kv = keyval_parse(val, NULL);
    const char *panic = keyval_get(kv, "panic"), *watchdog = keyval_get(kv, "watchdog");
    int panic_action = -1;
    const char *reboot = keyval_get(kv, "reboot"), *shutdown = keyval_get(kv, "shutdown");
    bool ok = keyval_check(kv, "action", "reboot shutdown panic watchdog", errp);
    if (ok && reboot && !g_str_equal(reboot, "reset") && !g_str_equal(reboot, "shutdown"))
        ok = error_set(errp, "reboot=%s (choices: reset shutdown)", reboot);
    if (ok && shutdown && !g_str_equal(shutdown, "poweroff") && !g_str_equal(shutdown, "pause"))
        ok = error_set(errp, "shutdown=%s (choices: poweroff pause)", shutdown);
    if (ok && watchdog && !g_str_equal(watchdog, "none"))
        ok = error_set(errp, "watchdog=%s: there is no watchdog device (choices: none)", watchdog);
    if (ok && panic && (panic_action = parse_panic_action(panic)) < 0)
        ok = error_set(errp, "panic=%s (choices: shutdown pause exit-failure none)", panic);
    if (ok && panic)
        c->panic_action = (PanicAction)panic_action;
    if (ok && reboot)
        c->no_reboot = g_str_equal(reboot, "shutdown");
    if (ok && shutdown)
        c->no_shutdown = g_str_equal(shutdown, "pause");
    keyval_free(kv);
    return ok;
}

bool option_echr(VlConfig *c, const char *val, GError **errp)
{
    uint64_t n;
    if (g_ascii_isdigit(val[0])) {
        if (!parse_uint("escape character", val, 0, 255, &n, errp))
            return false;
        c->echr = (int)n;
        return true;
    }
    if (strlen(val) != 1)
        return error_set(errp, "not a character or its number");
    c->echr = (uint8_t)val[0];
    return true;
}

bool option_device(VlConfig *c, const char *val, GError **errp)
{
    g_ptr_array_add(c->devices, g_strdup(val));
    return true;
}

/* ---- help ---- */

static void machine_help(void)
{
    printf("Supported machines are:\n"
           "pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)\n"
           "pc-i440fx-7.2        Standard PC (i440FX + PIIX, 1996) (default)\n");
}

static void log_help(void)
{
    printf("Log items (comma separated):\n");
    for (const LogItem *i = log_items; i->name; i++)
        printf("%-15s %s\n", i->name, i->help);
}

bool option_value_help(const char *opt, const char *val)
{
    bool plain = g_str_equal(val, "help") || g_str_equal(val, "?");
    g_autoptr(GString) out = g_string_new(NULL);

    if (g_str_equal(opt, "machine") || g_str_equal(opt, "M")) {
        if (plain)
            machine_help();
        else if (g_str_has_suffix(val, ",help")) {
            printf("pc-i440fx-7.2-machine options:\n");
            for (size_t i = 0; i < ARRAY_SIZE(machine_props); i++)
                printf("  %s=<%s\n", machine_props[i][0], machine_props[i][1]);
        } else
            return false;
        return true;
    }
    if (g_str_equal(opt, "object")) {
        if (!plain)
            return false;
        object_help(out);
        fputs(out->str, stdout);
        return true;
    }
    if (g_str_equal(opt, "device")) {
        char *comma = strchr(val, ',');
        if (plain) {
            pc_device_help(NULL, out);
        } else if (comma && (g_str_equal(comma, ",help") || g_str_equal(comma, ",?"))) {
            g_autofree char *name = g_strndup(val, comma - val);
            pc_device_help(name, out);
        } else {
            return false;
        }
        fputs(out->str, stdout);
        return true;
    }
    if (g_str_equal(opt, "drive") && strstr(val, "format=help")) {
        printf("Supported formats: raw\n");
        return true;
    }
    if (net_value_help(opt, val))
        return true;
    if (!plain)
        return false;
    if (g_str_equal(opt, "cpu")) {
        cpu_x86_list_models(out);
        fputs(out->str, stdout);
    } else if (g_str_equal(opt, "accel")) {
        printf("Accelerators supported in Vireo binary:\ntcg\n");
    } else if (g_str_equal(opt, "display")) {
        printf("Available display backend types:\nnone\n%s%s%s", CONFIG_SDL ? "sdl\n" : "", CONFIG_CURSES ? "curses\n" : "",
               CONFIG_VNC ? "vnc\n" : "");
    } else if (g_str_equal(opt, "audiodev")) {
        audio_print_drivers(out);
        printf("Available audio drivers:\n%s", out->str);
    } else if (g_str_equal(opt, "k")) {
        keymap_print_layouts(out);
        g_strdelimit(out->str, " ", '\n');
        printf("Available keyboard layouts:\n%s\n", out->str);
    } else if (g_str_equal(opt, "chardev")) {
        chardev_list_backends(out);
        fputs(out->str, stdout);
    } else if (g_str_equal(opt, "vga")) {
        printf("none                 no graphic card\nstd                  standard VGA (default)\n");
    } else if (g_str_equal(opt, "d")) {
        log_help();
    } else if (g_str_equal(opt, "smp")) {
        printf("smp-opts options:\n  cores=<num>\n  cpus=<num>\n  dies=<num>\n  maxcpus=<num>\n  sockets=<num>\n"
               "  threads=<num>\n");
    } else if (g_str_equal(opt, "rtc")) {
        printf("rtc options:\n  base=<str>\n  clock=<str>\n  driftfix=<str>\n");
    } else if (g_str_equal(opt, "boot")) {
        printf("boot-opts options:\n  menu=<bool>\n  once=<str>\n  order=<str>\n  reboot-timeout=<num>\n"
               "  splash=<str>\n  splash-time=<num>\n  strict=<bool>\n");
    } else {
        return false;
    }
    return true;
}
