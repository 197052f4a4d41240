/* monitor.h - the human monitor: sessions on chardevs, commands from two tables. Main thread, BQL. */
#ifndef VL_MONITOR_H
#define VL_MONITOR_H

#include "host/char/chardev.h"

typedef struct Monitor Monitor;

enum { MON_MAX_ARGS = 8 };
typedef struct MonArgs { /* by position in the command's argument list */
    bool has[MON_MAX_ARGS];
    char *str[MON_MAX_ARGS];
    int64_t num[MON_MAX_ARGS];
    struct { int count; char format; int size; } fmt; /* x /4xw */
} MonArgs;

typedef void MonHandler(Monitor *m, const MonArgs *a);
/* args: space-separated NAME:TYPE; TYPE s string, S rest of the line, F file name, B drive, C command,
 * K keys, L log items, i number, l address, / format, b on|off, -x flag, -xs flag with a string; a
 * trailing ? makes it optional. */
typedef struct MonCmd {
    const char *names;  /* "cont|c" */
    const char *args;
    const char *params; /* for help */
    const char *help;
    MonHandler *fn;
} MonCmd;
extern const MonCmd monitor_cmds[], monitor_info_cmds[]; /* end with NULL names */

/* A session; lives as long as the program. False/NULL: the chardev is in use. */
bool monitor_new(Chardev *chr, GError **errp);
bool monitor_new_opts(const char *optstr, GError **errp); /* -mon */
void monitor_start_all(void); /* the machine is complete: greet those that hold a mux's focus */

void monitor_printf(Monitor *m, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
void monitor_puts(Monitor *m, const char *text, size_t len);
void monitor_error(Monitor *m, GError *err); /* "Error: TEXT"; frees err */
/* The next line typed is a password for fn; false: this monitor has no keyboard. */
bool monitor_ask_password(Monitor *m, void (*fn)(Monitor *m, const char *password));
void monitor_print_history(Monitor *m);
void monitor_print_help(Monitor *m, const MonCmd *table, const char *prefix, const char *name);
const MonCmd *monitor_find(const MonCmd *table, const char *name);
/* One command line, as if typed. */
void monitor_run(Monitor *m, const char *line);
/* A monitor without a chardev that collects its text; tests. Free the string with g_string_free. */
GString *monitor_capture(const char *line);


/* monitor-display.c: `change vnc WHAT [ARG]` */
void monitor_change_vnc(Monitor *m, const char *what, const char *arg);

/* The handlers: monitor-cmds.c, monitor-display.c, monitor-mem.c, monitor-info.c. */
#define INFO(names, args, params, help, fn) MonHandler fn;
#define CMD(names, args, params, help, fn) MonHandler fn;
#include "vl/monitor-cmds.def"
#include "vl/monitor-info.def"
#undef INFO
#undef CMD

#endif
