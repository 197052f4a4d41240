/* osdep.h - what every file includes first: the C library, GLib, and the few words all code shares. */
#ifndef VIREO_OSDEP_H
#define VIREO_OSDEP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <glib.h>

#include "config.h" /* written by configure: VIREO_VERSION, CONFIG_SDL, CONFIG_SLIRP, FIRMWARE_PATH */

typedef uint64_t vaddr;      /* guest virtual (linear) address */
typedef uint64_t hwaddr;     /* guest physical address */
typedef uint64_t ram_addr_t; /* offset into the concatenation of all RAM blocks */

#define VADDR_FMT "%016" PRIx64
#define HWADDR_FMT "%016" PRIx64

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ROUND_UP(n, d) (((n) + (d)-1) / (d) * (d))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define KiB 1024ULL
#define MiB (1024ULL * KiB)
#define GiB (1024ULL * MiB)

/* The error domain of everything that the user's input or set-up can make fail. The code carries
 * no meaning beyond "failed"; the message is one line without a newline and names the fix. */
#define VIREO_ERROR vireo_error_quark()
GQuark vireo_error_quark(void);
/* Sets *errp (if errp is not NULL) to a formatted message; returns false, to be used as `return error_set(...)`. */
bool error_set(GError **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Same, followed by ": " and strerror(err). */
bool error_set_errno(GError **errp, int err, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/* One line on stderr, prefixed with the program's name as the user called it. */
void error_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void warn_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/* As warn_report, but only the first time for this call site's text. */
void warn_report_once(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void error_set_progname(const char *argv0);
/* Messages begin with the time (UTC) and the guest's name (copied; NULL: without). */
void error_set_prefix(bool timestamp, const char *guest);
const char *error_progname(void);

#endif
