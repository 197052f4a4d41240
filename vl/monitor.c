/* monitor.c - the human monitor's core: sessions, command tables, arguments, help, completion.
 * Spec: the prompt, command syntax and error texts of qemu 7.2's monitor; lines end with CR LF.
 * Not modelled: QMP, commands that suspend the session. */
#include "host/base/osdep.h"
#include "host/base/keyval.h"
#include "host/base/log.h"
#include "host/block/block.h"
#include "host/display/input.h"
#include "vl/expr.h"
#include "vl/machine.h"
#include "vl/monitor-readline.h"
#include "vl/monitor.h"

struct Monitor {
    ChardevFe fe;
    Readline *rl;       /* NULL: only collects */
    GString *out;       /* with CR LF; not yet taken by the chardev */
    guint retry;        /* timer while the chardev takes no more */
    bool greeted, focused;
    void (*password)(Monitor *m, const char *password); /* who asked for one */
};
static GPtrArray *monitors; /* of Monitor */

enum { RETRY_MS = 10, READ_MAX = 1024 };

const MonCmd monitor_cmds[] = {
#define CMD(names, args, params, help, fn) {names, args, params, help, fn},
#include "vl/monitor-cmds.def"
#undef CMD
    {NULL, NULL, NULL, NULL, NULL}};
const MonCmd monitor_info_cmds[] = {
#define INFO(names, args, params, help, fn) {names, args, params, help, fn},
#include "vl/monitor-info.def"
#undef INFO
    {NULL, NULL, NULL, NULL, NULL}};

/* ---- output ---- */

static gboolean retry_flush(gpointer opaque);

static void flush(Monitor *m)
{
    if (!m->rl || !m->out->len)
        return;
    int n = chardev_fe_write(&m->fe, (const uint8_t *)m->out->str, (int)MIN(m->out->len, INT32_MAX));
    if (n > 0)
        g_string_erase(m->out, 0, n);
    if (m->out->len && !m->retry)
        m->retry = g_timeout_add(RETRY_MS, retry_flush, m);
}

static gboolean retry_flush(gpointer opaque)
{
    Monitor *m = opaque;
    m->retry = 0;
    flush(m);
    return G_SOURCE_REMOVE;
}

void monitor_puts(Monitor *m, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\n' && m->rl)
            g_string_append_c(m->out, '\r');
        g_string_append_c(m->out, s[i]);
    }
}

void monitor_printf(Monitor *m, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *s = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    monitor_puts(m, s, strlen(s));
}

void monitor_error(Monitor *m, GError *err)
{
    monitor_printf(m, "Error: %s\n", err->message);
    g_error_free(err);
}

/* ---- command tables ---- */

static bool name_is(const char *names, const char *name)
{
    g_auto(GStrv) list = g_strsplit(names, "|", -1);
    return g_strv_contains((const gchar *const *)list, name);
}

const MonCmd *monitor_find(const MonCmd *table, const char *name)
{
    for (const MonCmd *c = table; c->names; c++)
        if (name_is(c->names, name))
            return c;
    return NULL;
}

void monitor_print_help(Monitor *m, const MonCmd *table, const char *prefix, const char *name)
{
    for (const MonCmd *c = table; c->names; c++)
        if (!name || name_is(c->names, name))
            monitor_printf(m, "%s%s %s -- %s\n", prefix, c->names, c->params, c->help);
}

void monitor_print_history(Monitor *m)
{
    for (unsigned i = 0; m->rl && i < readline_history_len(m->rl); i++)
        monitor_printf(m, "%u: '%s'\n", i, readline_history(m->rl, i));
}

/* ---- arguments ---- */

static void skip_spaces(const char **p)
{
    while (g_ascii_isspace(**p))
        (*p)++;
}

/* A word, or text in double quotes with \n \r \\ \' \" inside. NULL: nothing there; "" with *bad: broken. */
static char *take_string(const char **p, const char **bad)
{
    GString *s = g_string_new(NULL);
    skip_spaces(p);
    if (**p != '"') {
        while (**p && !g_ascii_isspace(**p))
            g_string_append_c(s, *(*p)++);
        return g_string_free(s, s->len == 0);
    }
    for ((*p)++; **p && **p != '"'; (*p)++) {
        char c = **p;
        if (c == '\\') {
            c = *++*p;
            if (c == 'n')
                c = '\n';
            else if (c == 'r')
                c = '\r';
            else if (!c || !strchr("\\'\"", c)) {
                *bad = "unsupported escape code";
                break;
            }
        }
        g_string_append_c(s, c);
    }
    if (!*bad && **p != '"')
        *bad = "unterminated string";
    if (**p == '"')
        (*p)++;
    return g_string_free(s, FALSE);
}

static bool take_format(const char **p, MonArgs *a, const char *cmd, GError **errp)
{
    /* What a format leaves out is as it was last time. */
    static struct { char format; int size; } last = {'x', 4};
    int count = 1, size = -1;
    char format = 0;
    skip_spaces(p);
    if (**p == '/') {
        (*p)++;
        if (g_ascii_isdigit(**p)) {
            guint64 n = g_ascii_strtoull(*p, (char **)p, 10);
            if (n > 1 << 20)
                return error_set(errp, "%s: a count is at most 1048576", cmd);
            count = (int)n;
        }
        for (; **p && !g_ascii_isspace(**p); (*p)++) {
            switch (**p) {
            case 'o': case 'd': case 'u': case 'x': case 'i': case 'c':
                format = **p;
                break;
            case 'b':
                size = 1;
                break;
            case 'h':
                size = 2;
                break;
            case 'w':
                size = 4;
                break;
            case 'g':
            case 'L':
                size = 8;
                break;
            default:
                return error_set(errp, "invalid char in format: '%c'", **p);
            }
        }
    }
    a->fmt.count = count;
    a->fmt.format = format ? format : last.format;
    a->fmt.size = size > 0 ? size : last.size;
    last.format = a->fmt.format;
    if (a->fmt.format != 'i')
        last.size = a->fmt.size;
    return true;
}

static bool reg_value(void *opaque, const char *name, uint64_t *val)
{
    return machine_cpu() && cpu_x86_get_reg(machine_cpu(), name, val);
}

/* Flags stand anywhere before the next plain argument. Returns true when this flag was there. */
static bool take_flag(const char **p, char letter)
{
    skip_spaces(p);
    if ((*p)[0] != '-' || (*p)[1] != letter || ((*p)[2] && !g_ascii_isspace((*p)[2])))
        return false;
    *p += 2;
    return true;
}

static bool take_arg(Monitor *m, const char *cmd, const char *spec, const char **p, MonArgs *a, int i, GError **errp)
{
    const char *type = strchr(spec, ':') + 1, *bad = NULL;
    bool optional = spec[strlen(spec) - 1] == '?';
    g_autofree char *name = g_strndup(spec, (gsize)(type - spec - 1));

    switch (type[0]) {
    case '-':
        a->has[i] = take_flag(p, type[1]);
        if (a->has[i] && type[2] == 's') {
            a->str[i] = take_string(p, &bad);
            if (!a->str[i])
                return error_set(errp, "%s: -%c needs a value", cmd, type[1]);
        }
        return true;
    case '/':
        return take_format(p, a, cmd, errp);
    case 'i':
    case 'l':
        skip_spaces(p);
        if (!**p && optional)
            return true;
        if (!expr_eval(p, reg_value, NULL, &a->num[i], errp))
            return false;
        if (type[0] == 'i' && (a->num[i] < INT32_MIN || a->num[i] > (int64_t)UINT32_MAX))
            return error_set(errp, "%s: integer is for 32-bit values", cmd);
        a->has[i] = true;
        return true;
    case 'S':
        skip_spaces(p);
        a->str[i] = **p ? g_strdup(*p) : NULL;
        *p += strlen(*p);
        break;
    default:
        a->str[i] = take_string(p, &bad);
        break;
    }
    if (bad)
        return error_set(errp, "%s: %s", cmd, bad);
    a->has[i] = a->str[i] != NULL;
    if (a->has[i] || optional)
        return true;
    return error_set(errp, "%s: %s expected", cmd, type[0] == 'F' ? "filename" : type[0] == 'B' ? "block device name" : "string");
}

static bool parse_args(Monitor *m, const MonCmd *c, const char *cmd, const char *p, MonArgs *a, GError **errp)
{
    g_auto(GStrv) specs = g_strsplit(c->args, " ", -1);
    for (int i = 0; specs[i] && specs[i][0]; i++) {
        g_assert(i < MON_MAX_ARGS);
        if (!take_arg(m, cmd, specs[i], &p, a, i, errp))
            return false;
    }
    skip_spaces(&p);
    return !*p || error_set(errp, "%s: extraneous characters at the end of line", cmd);
}

void monitor_run(Monitor *m, const char *line)
{
    const MonCmd *table = monitor_cmds, *c;
    const char *p = line, *prefix = "", *bad = NULL;
    MonArgs a = {0};
    GError *err = NULL;

    skip_spaces(&p);
    if (!*p)
        return;
    size_t n = strcspn(p, " \t/");
    g_autofree char *name = g_strndup(p, n ? n : 1);
    p += n ? n : 1;
    if (g_str_equal(name, "info")) {
        const char *q = p;
        g_autofree char *sub = take_string(&q, &bad);
        if (sub) {
            table = monitor_info_cmds;
            prefix = "info ";
            g_free(name);
            name = g_steal_pointer(&sub);
            p = q;
        }
    }
    c = monitor_find(table, name);
    if (!c) {
        monitor_printf(m, "unknown command: '%s%s'\n", prefix, name);
        return;
    }
    if (parse_args(m, c, name, p, &a, &err)) {
        c->fn(m, &a);
    } else {
        monitor_printf(m, "%s\nTry \"help %s%s\" for more information\n", err->message, prefix, name);
        g_error_free(err);
    }
    for (int i = 0; i < MON_MAX_ARGS; i++)
        g_free(a.str[i]);
}

GString *monitor_capture(const char *line)
{
    Monitor m = {.out = g_string_new(NULL)};
    monitor_run(&m, line);
    return m.out;
}

/* ---- completion ---- */

static void offer(GPtrArray *out, const char *word, const char *have)
{
    if (g_str_has_prefix(word, have))
        g_ptr_array_add(out, g_strdup(word));
}

static void offer_names(GPtrArray *out, const MonCmd *table, const char *have)
{
    for (const MonCmd *c = table; c->names; c++) {
        g_auto(GStrv) list = g_strsplit(c->names, "|", -1);
        for (int i = 0; list[i]; i++)
            offer(out, list[i], have);
    }
}

static void offer_files(GPtrArray *out, const char *have)
{
    const char *slash = strrchr(have, '/');
    g_autofree char *dir = slash ? g_strndup(have, (gsize)(slash - have + 1)) : g_strdup("");
    GDir *d = g_dir_open(dir[0] ? dir : ".", 0, NULL);
    const char *name;
    while (d && (name = g_dir_read_name(d))) {
        g_autofree char *path = g_strconcat(dir, name, NULL);
        g_autofree char *full = g_file_test(path, G_FILE_TEST_IS_DIR) ? g_strconcat(path, "/", NULL) : g_strdup(path);
        if (name[0] != '.' || (slash && slash[1] == '.'))
            offer(out, full, have);
    }
    if (d)
        g_dir_close(d);
}

/* After the last '-' of a key combination, or after the last ',' of a list. */
static void offer_tail(GPtrArray *out, const char *word, const char *have, char sep)
{
    const char *tail = strrchr(have, sep);
    g_autofree char *full = tail ? g_strdup_printf("%.*s%s", (int)(tail - have + 1), have, word) : g_strdup(word);
    offer(out, full, have);
}

static void complete(void *opaque, const char *line, GPtrArray *out)
{
    g_auto(GStrv) words = g_strsplit_set(line, " \t", -1);
    g_autoptr(GPtrArray) w = g_ptr_array_new();
    const MonCmd *table = monitor_cmds;
    for (int i = 0; words[i]; i++)
        if (words[i][0] || !words[i + 1])
            g_ptr_array_add(w, words[i]);
    guint at = 0; /* index of the command name */
    if (w->len > 1 && g_str_equal(g_ptr_array_index(w, 0), "info")) {
        table = monitor_info_cmds;
        at = 1;
    }
    const char *have = w->len ? g_ptr_array_index(w, w->len - 1) : "";
    if (w->len <= at + 1) {
        offer_names(out, table, have);
        return;
    }
    const MonCmd *c = monitor_find(table, g_ptr_array_index(w, at));
    if (!c || !c->args[0] || have[0] == '-')
        return;
    /* The plain arguments in order; flags in the line and in the list do not count. */
    guint pos = 0;
    for (guint i = at + 1; i + 1 < w->len; i++)
        pos += ((char *)g_ptr_array_index(w, i))[0] != '-';
    g_auto(GStrv) specs = g_strsplit(c->args, " ", -1);
    for (int i = 0; specs[i]; i++) {
        char type = strchr(specs[i], ':')[1];
        if (type == '-' || pos-- > 0)
            continue;
        if (type == 'F')
            offer_files(out, have);
        else if (type == 'C')
            offer_names(out, monitor_cmds, have);
        else if (type == 'B')
            for (GList *l = drive_list(); l; l = l->next)
                offer(out, ((Drive *)l->data)->id, have);
        else if (type == 'K')
            for (int k = 0; key_table[k].name; k++)
                offer_tail(out, key_table[k].name, have, '-');
        else if (type == 'L')
            for (const LogItem *it = log_items; it->name; it++)
                offer_tail(out, it->name, have, ',');
        return;
    }
}

/* ---- sessions ---- */

static void rl_write(void *opaque, const char *text, size_t len) { monitor_puts(opaque, text, len); }

static void rl_line(void *opaque, const char *line)
{
    Monitor *m = opaque;
    monitor_run(m, line);
    readline_show_prompt(m->rl);
}

static void rl_password(void *opaque, const char *line)
{
    Monitor *m = opaque;
    m->password(m, line);
}

bool monitor_ask_password(Monitor *m, void (*fn)(Monitor *m, const char *password))
{
    if (!m->rl)
        return false;
    m->password = fn;
    readline_ask(m->rl, "Password: ", rl_password);
    return true;
}

static const ReadlineOps rl_ops = {rl_write, rl_line, complete};

static int mon_can_read(void *opaque)
{
    /* A client that does not read its answers gets no further commands carried out. */
    return ((Monitor *)opaque)->out->len > 1 << 20 ? 0 : READ_MAX;
}

static void mon_read(void *opaque, const uint8_t *buf, int size)
{
    Monitor *m = opaque;
    for (int i = 0; i < size; i++)
        readline_byte(m->rl, buf[i]);
    flush(m);
}

static void greet(Monitor *m)
{
    monitor_printf(m, "Vireo %s monitor - type 'help' for more information\n", VIREO_VERSION);
    readline_show_prompt(m->rl);
    m->greeted = true;
    flush(m);
}

static void mon_event(void *opaque, ChardevEvent ev)
{
    Monitor *m = opaque;
    switch (ev) {
    case CHR_EVENT_OPENED:
        if (!chardev_is_mux(m->fe.chr))
            greet(m);
        break;
    case CHR_EVENT_CLOSED:
        g_string_truncate(m->out, 0);
        readline_clear(m->rl);
        m->greeted = false;
        break;
    case CHR_EVENT_MUX_IN:
        /* Its own line: the other front end left the cursor anywhere. The first MUX_IN comes while the
         * machine is being built, before the real owner of the terminal takes the focus: say nothing yet. */
        m->focused = true;
        if (!machine_pc())
            break;
        monitor_puts(m, "\n", 1);
        if (m->greeted)
            readline_show_prompt(m->rl);
        else
            greet(m);
        flush(m);
        break;
    case CHR_EVENT_MUX_OUT:
        m->focused = false;
        break;
    case CHR_EVENT_BREAK:
        break;
    }
}

static const ChardevHandlers mon_handlers = {mon_can_read, mon_read, mon_event};

bool monitor_new(Chardev *chr, GError **errp)
{
    Monitor *m = g_new0(Monitor, 1);
    if (!chardev_fe_init(&m->fe, chr, errp)) {
        g_free(m);
        return false;
    }
    m->out = g_string_new(NULL);
    m->rl = readline_new("(qemu) ", &rl_ops, m);
    if (!monitors)
        monitors = g_ptr_array_new();
    g_ptr_array_add(monitors, m);
    chardev_fe_set_handlers(&m->fe, &mon_handlers, m);
    return true;
}

void monitor_start_all(void)
{
    for (guint i = 0; monitors && i < monitors->len; i++) {
        Monitor *m = g_ptr_array_index(monitors, i);
        if (m->focused && !m->greeted)
            greet(m);
    }
}

bool monitor_new_opts(const char *optstr, GError **errp)
{
    GPtrArray *kv = keyval_parse(optstr, "chardev");
    const char *id = keyval_get(kv, "chardev"), *mode = keyval_get(kv, "mode");
    bool ok = keyval_check(kv, "mon", "chardev mode pretty id default", errp);
    Chardev *chr = ok && id ? chardev_find(id) : NULL;
    if (ok && mode && !g_str_equal(mode, "readline"))
        ok = error_set(errp, "mode=%s is not supported (choices: readline)", mode);
    else if (ok && !chr)
        ok = error_set(errp, "chardev \"%s\" not found", id ? id : "");
    ok = ok && monitor_new(chr, errp);
    keyval_free(kv);
    return ok;
}
