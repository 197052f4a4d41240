/* log.h - the -d log: one file, a mask of items, an address filter.
 * Items have the names of qemu's -d; log_items[] is the one list (-d help, `help log`, parser). */
#ifndef HOST_BASE_LOG_H
#define HOST_BASE_LOG_H

#include "host/base/osdep.h"

enum {
    LOG_TB_OUT_ASM = 1 << 0,
    LOG_TB_IN_ASM = 1 << 1,
    LOG_TB_OP = 1 << 2,
    LOG_TB_OP_OPT = 1 << 3,
    LOG_INT = 1 << 4,
    LOG_EXEC = 1 << 5,
    LOG_PCALL = 1 << 6,
    LOG_CPU = 1 << 7,
    LOG_RESET = 1 << 8,
    LOG_UNIMP = 1 << 9,
    LOG_GUEST_ERROR = 1 << 10,
    LOG_MMU = 1 << 11,
    LOG_TB_NOCHAIN = 1 << 12,
    LOG_PAGE = 1 << 13,
    LOG_FPU = 1 << 14,
};

typedef struct LogItem {
    int mask;
    const char *name;
    const char *help;
} LogItem;
extern const LogItem log_items[]; /* ends with a NULL name */

extern int log_mask; /* read without a lock; written under the BQL */

static inline bool log_enabled(int mask) { return unlikely((log_mask & mask) != 0); }

/* Parses "in_asm,op"; returns false for an unknown item (named in errp). "none" is 0. */
bool log_parse_mask(const char *list, int *mask, GError **errp);
/* Opens the log file when first needed; NULL path: stderr. "%d" in path is the pid. */
bool log_set_mask(int mask, GError **errp);
bool log_set_file(const char *path, GError **errp);
/* -dfilter "0x8000..0x8fff,0xffffffff80000000+0x1000,base-size" */
bool log_set_filter(const char *spec, GError **errp);
bool log_addr_in_filter(vaddr addr); /* true when no filter is set */

/* Several lines that must stay together: lock, fprintf to the FILE, unlock. NULL: nothing open. */
FILE *log_lock(void);
void log_unlock(FILE *f);

/* One message, if mask is on. */
#define log_print(mask, ...)                                                                       \
    do {                                                                                           \
        if (log_enabled(mask))                                                                     \
            log_write(__VA_ARGS__);                                                                \
    } while (0)
void log_write(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

#define log_guest_error(...) log_print(LOG_GUEST_ERROR, __VA_ARGS__)
#define log_unimp(...) log_print(LOG_UNIMP, __VA_ARGS__)

#endif
