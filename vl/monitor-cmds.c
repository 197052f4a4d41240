/* monitor-cmds.c - the commands that act on the machine, its drives, log, screen and keyboard. */
#include "host/base/osdep.h"
#include "host/base/log.h"
#include "host/block/block.h"
#include "host/block/throttle.h"
#include "host/char/chardev.h"
#include "host/display/console.h"
#include "host/display/input.h"
#include "softmmu/runstate.h"
#include "vl/machine.h"
#include "vl/monitor.h"

enum { MAX_COMBO = 16 };

void mon_help(Monitor *m, const MonArgs *a)
{
    const char *name = a->str[0];
    if (name && g_str_equal(name, "info")) {
        monitor_print_help(m, monitor_info_cmds, "info ", NULL);
    } else if (name && g_str_equal(name, "log")) {
        monitor_printf(m, "Log items (comma separated):\n%-15s %s\n", "none", "remove all logs");
        for (const LogItem *i = log_items; i->name; i++)
            monitor_printf(m, "%-15s %s\n", i->name, i->help);
    } else {
        monitor_print_help(m, monitor_cmds, "", name);
    }
}

void mon_info(Monitor *m, const MonArgs *a) { monitor_print_help(m, monitor_info_cmds, "info ", NULL); }
void mon_stop(Monitor *m, const MonArgs *a) { machine_stop(RUN_STATE_PAUSED); }
void mon_quit(Monitor *m, const MonArgs *a) { machine_quit(); }
void mon_system_reset(Monitor *m, const MonArgs *a) { system_reset_request(CAUSE_HOST_RESET); }
void mon_system_powerdown(Monitor *m, const MonArgs *a) { system_powerdown_request(); }
void mon_system_wakeup(Monitor *m, const MonArgs *a) { system_wakeup_request(WAKEUP_OTHER); }
void mon_nmi(Monitor *m, const MonArgs *a) { pc_nmi(machine_pc()); }

void mon_cont(Monitor *m, const MonArgs *a)
{
    GError *err = NULL;
    if (!machine_continue(&err))
        monitor_error(m, err);
}

void mon_cpu(Monitor *m, const MonArgs *a)
{
    if (a->num[0] != 0)
        monitor_printf(m, "Error: Parameter 'index' expects a CPU number\n");
}

void mon_boot_set(Monitor *m, const MonArgs *a)
{
    GError *err = NULL;
    pc_boot_set(machine_pc(), a->str[0], &err);
    if (err)
        monitor_error(m, err);
    else
        monitor_printf(m, "boot device list now set to %s\n", a->str[0]);
}

void mon_one_insn(Monitor *m, const MonArgs *a)
{
    if (!a->has[0] || g_str_equal(a->str[0], "on"))
        machine_set_one_insn_per_tb(true);
    else if (g_str_equal(a->str[0], "off"))
        machine_set_one_insn_per_tb(false);
    else
        monitor_printf(m, "unexpected option %s\n", a->str[0]);
}

/* ---- log ---- */

void mon_log(Monitor *m, const MonArgs *a)
{
    GError *err = NULL;
    int mask = 0;
    if (!g_str_equal(a->str[0], "none") && !log_parse_mask(a->str[0], &mask, NULL)) {
        static const MonArgs about_log = {.has = {true}, .str = {(char *)"log"}};
        mon_help(m, &about_log);
    } else if (!log_set_mask(mask, &err)) {
        monitor_error(m, err);
    }
}

void mon_logfile(Monitor *m, const MonArgs *a)
{
    GError *err = NULL;
    if (!log_set_file(a->str[0], &err))
        monitor_error(m, err);
}

/* ---- drives ---- */

static Drive *need_drive(Monitor *m, const char *id)
{
    Drive *d = drive_find(id);
    if (!d)
        monitor_printf(m, "Error: Device '%s' not found\n", id);
    return d;
}

void mon_eject(Monitor *m, const MonArgs *a)
{
    GError *err = NULL;
    Drive *d = need_drive(m, a->str[1]);
    if (d && !drive_eject(d, a->has[0], &err))
        monitor_error(m, err);
}

void mon_block_limits(Monitor *m, const MonArgs *a)
{
    GError *err = NULL;
    ThrottleConfig c = {0};
    Drive *d = need_drive(m, a->str[0]);
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        c.avg[i] = (uint64_t)a->num[i + 1];
        c.max_seconds[i] = 1;
    }
    if (d && !drive_set_limits(d, &c, &err))
        monitor_error(m, err);
}

void mon_change(Monitor *m, const MonArgs *a)
{
    GError *err = NULL;
    if (g_str_equal(a->str[0], "vnc")) {
        monitor_change_vnc(m, a->str[2], a->str[3]);
        return;
    }
    Drive *d = need_drive(m, a->str[0]);
    const char *mode = a->str[4];
    bool ro;
    if (!d)
        return;
    ro = d->opts.read_only;
    if (mode && g_str_equal(mode, "read-only")) {
        ro = true;
    } else if (mode && g_str_equal(mode, "read-write")) {
        ro = false;
    } else if (mode && !g_str_equal(mode, "retain")) {
        monitor_printf(m, "Error: invalid parameter '%s' (choices: retain read-only read-write)\n", mode);
        return;
    }
    if (!drive_change(d, a->str[2], a->str[3], ro, &err))
        monitor_error(m, err);
}

void mon_commit(Monitor *m, const MonArgs *a)
{
    if (g_str_equal(a->str[0], "all"))
        return; /* no drive has a backing file to commit to */
    if (need_drive(m, a->str[0]))
        monitor_printf(m, "Error: Device '%s' has no backing file to commit to\n", a->str[0]);
}

/* ---- screen, keyboard, mouse ---- */

void mon_screendump(Monitor *m, const MonArgs *a)
{
    GError *err = NULL;
    if (!console_screendump(a->str[0], a->str[1] ? a->str[1] : "ppm", &err))
        monitor_error(m, err);
}

void mon_sendkey(Monitor *m, const MonArgs *a)
{
    KeyCode keys[MAX_COMBO];
    int n = 0;
    g_auto(GStrv) names = g_strsplit(a->str[0], "-", -1);
    for (int i = 0; names[i]; i++) {
        if (n == MAX_COMBO) {
            monitor_printf(m, "too many keys\n");
            return;
        }
        keys[n] = key_find(g_str_equal(names[i], "<") ? "less" : names[i]);
        if (keys[n++] < 0) {
            monitor_printf(m, "invalid parameter: %s\n", names[i]);
            return;
        }
    }
    input_send_combo(keys, n, a->has[1] ? (int)CLAMP(a->num[1], 1, 60000) : 100);
}

static unsigned mouse_buttons; /* what mouse_button set last; there is one mouse */

void mon_mouse_move(Monitor *m, const MonArgs *a)
{
    input_mouse((int)a->num[0], (int)a->num[1], a->has[2] ? (int)a->num[2] : 0, mouse_buttons);
}

void mon_mouse_button(Monitor *m, const MonArgs *a)
{
    /* Here 2 is the middle button and 4 the right one; inside it is the other way round. */
    unsigned b = (unsigned)a->num[0];
    mouse_buttons = (b & 1) | (b & 4 ? 2 : 0) | (b & 2 ? 4 : 0);
    input_mouse(0, 0, 0, mouse_buttons);
}

void mon_ringbuf_read(Monitor *m, const MonArgs *a)
{
    Chardev *chr = chardev_find(a->str[0]);
    int size = (int)CLAMP(a->num[1], 0, 65536);
    g_autofree uint8_t *buf = g_malloc((gsize)size + 1);
    int n = chr ? chardev_ringbuf_read(chr, buf, size) : -1;
    if (n < 0) {
        monitor_printf(m, "Error: %s is not a ringbuf device\n", a->str[0]);
        return;
    }
    for (int i = 0; i < n; i++) {
        if (buf[i] == '\\')
            monitor_printf(m, "\\\\");
        else if ((buf[i] < 32 && buf[i] != '\n' && buf[i] != '\t') || buf[i] == 127)
            monitor_printf(m, "\\u%04X", buf[i]);
        else
            monitor_puts(m, (const char *)buf + i, 1);
    }
    monitor_printf(m, "\n");
}
