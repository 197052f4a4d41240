/* monitor-display.c - commands about the VNC server and the pointing devices.
 * Spec: the commands and texts of qemu 7.2. */
#include "host/base/osdep.h"
#include "host/display/input.h"
#include "host/display/vnc.h"
#include "vl/monitor.h"

static void set_password(Monitor *m, const char *password)
{
    GError *err = NULL;
#if CONFIG_VNC
    vnc_set_password(password, &err);
#else
    error_set(&err, "this program was built without VNC");
#endif
    if (err)
        monitor_error(m, err);
}

void monitor_change_vnc(Monitor *m, const char *what, const char *arg)
{
    if (!g_str_equal(what, "password") && !g_str_equal(what, "passwd"))
        monitor_printf(m, "Error: '%s': only 'change vnc password' is possible\n", what);
    else if (arg)
        set_password(m, arg);
    else if (!monitor_ask_password(m, set_password))
        monitor_printf(m, "Error: terminal does not support password prompting\n");
}

static bool is_vnc(Monitor *m, const MonArgs *a)
{
    if (!g_str_equal(a->str[0], "vnc")) {
        monitor_printf(m, "Error: Parameter 'protocol' expects 'vnc'\n");
        return false;
    }
    if (a->str[2] && !g_str_equal(a->str[2], "default")) {
        monitor_printf(m, "Error: no VNC display '%s' (default is the only one)\n", a->str[2]);
        return false;
    }
    return true;
}

void mon_set_password(Monitor *m, const MonArgs *a)
{
    if (!is_vnc(m, a))
        return;
    if (a->str[3] && !g_str_equal(a->str[3], "keep"))
        monitor_printf(m, "Error: action '%s' is not possible (choices: keep)\n", a->str[3]);
    else
        set_password(m, a->str[1]);
}

void mon_expire_password(Monitor *m, const MonArgs *a)
{
    GError *err = NULL;
    if (!is_vnc(m, a))
        return;
#if CONFIG_VNC
    vnc_expire_password(a->str[1], &err);
#else
    error_set(&err, "this program was built without VNC");
#endif
    if (err)
        monitor_error(m, err);
}

void info_vnc(Monitor *m, const MonArgs *a)
{
    g_autoptr(GString) out = g_string_new(NULL);
#if CONFIG_VNC
    vnc_print_info(out);
#else
    g_string_append(out, "None\n");
#endif
    monitor_puts(m, out->str, out->len);
}

void info_mice(Monitor *m, const MonArgs *a)
{
    g_autoptr(GString) out = g_string_new(NULL);
    input_print_pointers(out);
    monitor_puts(m, out->str, out->len);
}

void mon_mouse_set(Monitor *m, const MonArgs *a)
{
    if (!input_select_pointer(a->num[0]))
        monitor_printf(m, "Error: Mouse at index '%" PRId64 "' not found\n", a->num[0]);
}
