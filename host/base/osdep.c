/* osdep.c - error objects and messages to the user.
 * One line per message, prefixed with the program's name as the user called it. Not modelled: error
 * locations inside configuration files. */
#include "host/base/osdep.h"

static char *progname;
static bool with_time;      /* -msg timestamp=on */
static char *guest_name;    /* -msg guest-name=on */

GQuark vireo_error_quark(void)
{
    return g_quark_from_static_string("vireo-error");
}

bool error_set(GError **errp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (errp) {
        /* The first error is the cause; a later one from unwinding must not hide or leak it. */
        if (*errp == NULL) {
            *errp = g_error_new_valist(VIREO_ERROR, 0, fmt, ap);
            /* Names in a message may come from a damaged image: one line, and nothing a terminal obeys. */
            for (char *c = (*errp)->message; *c; c++)
                if ((unsigned char)*c < ' ' || *c == 0x7f)
                    *c = '?';
        }
    }
    va_end(ap);
    return false;
}

bool error_set_errno(GError **errp, int err, const char *fmt, ...)
{
    va_list ap;
    g_autofree char *text = NULL;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return error_set(errp, "%s: %s", text, g_strerror(err < 0 ? -err : err));
}

static void report(const char *kind, const char *fmt, va_list ap)
{
    g_autofree char *text = g_strdup_vprintf(fmt, ap);

    g_autofree char *when = NULL;

    fflush(stdout);
    if (with_time) {
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autofree char *second = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");
        when = g_strdup_printf("%s.%06dZ ", second, g_date_time_get_microsecond(now));
    }
    fprintf(stderr, "%s%s%s%s: %s%s\n", when ? when : "", guest_name ? guest_name : "", guest_name ? " " : "",
            error_progname(), kind, text);
}

void error_set_prefix(bool timestamp, const char *guest)
{
    with_time = timestamp;
    g_free(guest_name);
    guest_name = g_strdup(guest);
}

void error_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report("", fmt, ap);
    va_end(ap);
}

void warn_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report("warning: ", fmt, ap);
    va_end(ap);
}

void warn_report_once(const char *fmt, ...)
{
    static GMutex lock;
    static GHashTable *seen;
    va_list ap;
    bool first;

    g_mutex_lock(&lock);
    if (!seen)
        seen = g_hash_table_new(g_str_hash, g_str_equal);
    first = g_hash_table_add(seen, (gpointer)g_intern_string(fmt));
    g_mutex_unlock(&lock);
    if (!first)
        return;
    va_start(ap, fmt);
    report("warning: ", fmt, ap);
    va_end(ap);
}

void error_set_progname(const char *argv0)
{
    g_free(progname);
    progname = g_strdup(argv0);
}

const char *error_progname(void)
{
    return progname ? progname : "vireo";
}
