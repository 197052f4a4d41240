/* throttle.h - limits on a drive's bytes and requests per second: iops=, bps=, throttling.*, block_set_io_throttle.
 * All under the BQL. */
#ifndef HOST_BLOCK_THROTTLE_H
#define HOST_BLOCK_THROTTLE_H

#include "host/block/blkopts.h"

typedef enum ThrottleKind { THROTTLE_BPS, THROTTLE_BPS_READ, THROTTLE_BPS_WRITE, THROTTLE_OPS, THROTTLE_OPS_READ, THROTTLE_OPS_WRITE, THROTTLE_KINDS } ThrottleKind;

/* Units a second; 0: no limit. While `max` is set, that rate is allowed for `max_seconds` after a quiet time. */
typedef struct ThrottleConfig {
    uint64_t avg[THROTTLE_KINDS], max[THROTTLE_KINDS], max_seconds[THROTTLE_KINDS];
    uint64_t op_size; /* a larger request counts as several of this size; 0: as one */
} ThrottleConfig;

typedef struct ThrottleGroup ThrottleGroup;

/* Takes the options in both spellings (iops_rd, throttling.iops-read) out of o. *any: one of them was there.
 * *group: throttling.group or NULL, the caller frees. */
bool throttle_take(BlockOptions *o, ThrottleConfig *c, char **group, bool *any, GError **errp);
/* The same from the properties of -object throttle-group: x-iops-total or limits.iops-total, ... */
bool throttle_take_properties(BlockOptions *o, ThrottleConfig *c, GError **errp);
/* The names of the old spelling, space-separated: what a drive may be asked for. */
extern const char throttle_keys[];
bool throttle_check(const ThrottleConfig *c, GError **errp);

/* One more user of the group of that name. c: its limits from now on, or NULL: as they are. */
ThrottleGroup *throttle_group_join(const char *name, const ThrottleConfig *c);
ThrottleGroup *throttle_group_find(const char *name); /* NULL: there is none */
const char *throttle_group_name(const ThrottleGroup *g);
void throttle_group_leave(ThrottleGroup *g); /* what waits is let go */
void throttle_group_set(ThrottleGroup *g, const ThrottleConfig *c);
bool throttle_is_on(const ThrottleGroup *g);
char *throttle_text(const ThrottleGroup *g); /* what `info block` says; free it */

/* May the request go now? Else `go(req)` is called when it may; first come, first served, reads and writes apart. */
typedef void ThrottleGo(void *req);
bool throttle_admit(ThrottleGroup *g, bool write, uint64_t bytes, ThrottleGo *go, void *req);
bool throttle_forget(ThrottleGroup *g, void *req); /* true: it waited, and does no more */
void throttle_release(ThrottleGroup *g);           /* everything that waits goes now (a drain) */
void throttle_release_all(void);

#endif
