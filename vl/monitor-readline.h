/* monitor-readline.h - line editing on a byte stream with a plain ANSI terminal at the other end. */
#ifndef VL_MONITOR_READLINE_H
#define VL_MONITOR_READLINE_H

#include "host/base/osdep.h"

typedef struct Readline Readline;
typedef struct ReadlineOps {
    void (*write)(void *opaque, const char *text, size_t len);
    void (*line)(void *opaque, const char *line);  /* Enter; the prompt is the owner's business */
    /* The words that could stand for the last one of `line` (up to the cursor), into out (char *). */
    void (*complete)(void *opaque, const char *line, GPtrArray *out);
} ReadlineOps;

Readline *readline_new(const char *prompt, const ReadlineOps *ops, void *opaque);
void readline_free(Readline *r);
void readline_byte(Readline *r, uint8_t c);
void readline_show_prompt(Readline *r); /* and what has been typed so far */
void readline_clear(Readline *r);       /* forget the unfinished line */
/* The next line goes to fn instead, unseen and without history (a password); prompt is not copied. */
void readline_ask(Readline *r, const char *prompt, void (*fn)(void *opaque, const char *line));
unsigned readline_history_len(const Readline *r);
const char *readline_history(const Readline *r, unsigned i); /* 0: oldest */

#endif
