/* osdep.c - error objects and messages to the user.
 * One line per message, prefixed with the program's name as the user called it. Not modelled: error
 * locations inside configuration files. */
#include "host/base/osdep.h"

static char *progname;

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

    fflush(stdout);
    fprintf(stderr, "%s: %s%s\n", error_progname(), kind, text);
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
