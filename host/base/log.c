/* log.c - the -d log: items, file, address filter.
 * Spec: the items of `-d help` of qemu-system-x86_64. Threads write whole messages under one lock.
 * Not modelled: one file per thread, trace events. */
#include "host/base/log.h"

const LogItem log_items[] = {
    {LOG_TB_OUT_ASM, "out_asm", "show generated host assembly code for each compiled TB"},
    {LOG_TB_IN_ASM, "in_asm", "show target assembly code for each compiled TB"},
    {LOG_TB_OP, "op", "show micro ops for each compiled TB"},
    {LOG_TB_OP_OPT, "op_opt", "show micro ops after optimization"},
    {LOG_INT, "int", "show interrupts/exceptions in short format"},
    {LOG_EXEC, "exec", "show trace before each executed TB (many lines)"},
    {LOG_CPU, "cpu", "show CPU registers before entering a TB (many lines)"},
    {LOG_FPU, "fpu", "include FPU registers in the 'cpu' logging"},
    {LOG_MMU, "mmu", "log MMU-related activities"},
    {LOG_PCALL, "pcall", "show protected mode far calls/returns/exceptions"},
    {LOG_RESET, "cpu_reset", "show CPU state before CPU resets"},
    {LOG_UNIMP, "unimp", "log use of device features that are not modelled"},
    {LOG_GUEST_ERROR, "guest_errors", "log when the guest does something invalid (such as using a register that is not there)"},
    {LOG_PAGE, "page", "log pages with translated code (protected, written, free again) and memory map changes"},
    {LOG_TB_NOCHAIN, "nochain", "do not chain compiled TBs, so that \"exec\" and \"cpu\" show all of them"},
    {0, NULL, NULL},
};

int log_mask;

typedef struct AddrRange {
    vaddr first, last;
} AddrRange;

static GMutex log_mutex;
static char *log_path; /* NULL: stderr */
static FILE *log_file;
static GArray *log_filter; /* of AddrRange, or NULL: everything */

bool log_parse_mask(const char *list, int *mask, GError **errp)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);
    int m = 0;

    for (char **w = words; *w; w++) {
        bool found = false;
        if (!strcmp(*w, "none") && !words[1]) {
            *mask = 0;
            return true;
        }
        for (const LogItem *i = log_items; i->name; i++)
            if (!strcmp(*w, i->name) || !strcmp(*w, "all")) {
                m |= strcmp(*w, "all") || i->mask != LOG_TB_NOCHAIN ? i->mask : 0;
                found = true;
            }
        if (!found)
            return error_set(errp, "unknown log item '%s' (-d help lists them)", *w);
    }
    *mask = m;
    return true;
}

static bool log_open(GError **errp)
{
    if (log_file)
        return true;
    if (!log_path) {
        log_file = stderr;
        return true;
    }
    log_file = fopen(log_path, "we");
    if (!log_file)
        return error_set_errno(errp, errno, "cannot open log file '%s'", log_path);
    setvbuf(log_file, NULL, _IOLBF, 0);
    return true;
}

static void log_close(void)
{
    if (log_file && log_file != stderr)
        fclose(log_file);
    log_file = NULL;
}

bool log_set_mask(int mask, GError **errp)
{
    bool ok = true;

    g_mutex_lock(&log_mutex);
    if (mask)
        ok = log_open(errp);
    else
        log_close();
    if (ok)
        log_mask = mask;
    g_mutex_unlock(&log_mutex);
    return ok;
}

bool log_set_file(const char *path, GError **errp)
{
    const char *percent = path ? strchr(path, '%') : NULL;
    char *name = NULL;
    bool ok = true;

    if (percent) {
        if (percent[1] != 'd' || strchr(percent + 1, '%'))
            return error_set(errp, "log file name '%s': only one %%d (the process id) is allowed", path);
        name = g_strdup_printf("%.*s%d%s", (int)(percent - path), path, (int)getpid(), percent + 2);
    } else if (path && *path) {
        name = g_strdup(path);
    }
    g_mutex_lock(&log_mutex);
    log_close();
    g_free(log_path);
    log_path = name;
    if (log_mask || name)
        ok = log_open(errp);
    if (!ok) {
        g_free(log_path);
        log_path = NULL;
        log_file = stderr;
    }
    g_mutex_unlock(&log_mutex);
    return ok;
}

static bool parse_number(const char **p, uint64_t *v)
{
    char *end;

    errno = 0;
    if (!g_ascii_isdigit(**p))
        return false;
    *v = strtoull(*p, &end, 0);
    if (errno || end == *p)
        return false;
    *p = end;
    return true;
}

static bool parse_range(const char *s, AddrRange *r)
{
    uint64_t a, b = 0;
    char op;

    if (!parse_number(&s, &a))
        return false;
    if (!*s) {
        *r = (AddrRange){a, a};
        return true;
    }
    op = *s++;
    if (op == '.' && *s++ != '.')
        return false;
    if (!parse_number(&s, &b) || *s)
        return false;
    switch (op) {
    case '.':
        *r = (AddrRange){a, b};
        break;
    case '+':
        *r = (AddrRange){a, b ? a + b - 1 : a};
        break;
    case '-':
        *r = (AddrRange){b ? a - b + 1 : a, a};
        break;
    default:
        return false;
    }
    return r->first <= r->last;
}

bool log_set_filter(const char *spec, GError **errp)
{
    g_auto(GStrv) words = g_strsplit(spec, ",", -1);
    GArray *ranges = g_array_new(false, false, sizeof(AddrRange)), *old;

    for (char **w = words; *w; w++) {
        AddrRange r;
        if (!parse_range(*w, &r)) {
            g_array_free(ranges, true);
            return error_set(errp, "bad address range '%s' in -dfilter (use START..END, START+SIZE or END-SIZE)", *w);
        }
        g_array_append_val(ranges, r);
    }
    if (ranges->len == 0) {
        g_array_free(ranges, true);
        ranges = NULL;
    }
    old = log_filter;
    __atomic_store_n(&log_filter, ranges, __ATOMIC_RELEASE);
    if (old) /* set only at start-up, when no vCPU runs yet, and by tests */
        g_array_free(old, true);
    return true;
}

bool log_addr_in_filter(vaddr addr)
{
    const GArray *f = __atomic_load_n(&log_filter, __ATOMIC_ACQUIRE);

    if (!f)
        return true;
    for (guint i = 0; i < f->len; i++) {
        const AddrRange *r = &g_array_index(f, AddrRange, i);
        if (addr >= r->first && addr <= r->last)
            return true;
    }
    return false;
}

FILE *log_lock(void)
{
    g_mutex_lock(&log_mutex);
    if (!log_file) {
        g_mutex_unlock(&log_mutex);
        return NULL;
    }
    return log_file;
}

void log_unlock(FILE *f)
{
    if (f) {
        fflush(f);
        g_mutex_unlock(&log_mutex);
    }
}

void log_write(const char *fmt, ...)
{
    FILE *f = log_lock();
    va_list ap;

    if (!f)
        return;
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    log_unlock(f);
}
