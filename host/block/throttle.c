/* throttle.c - limits on a drive's bytes and requests per second, see throttle.h
 * Spec: the options and rules of qemu's throttling (docs/throttle.txt of its documentation). Leaky buckets: a request that went
 * fills its buckets, they leak at the limit's rate; a request waits until each of its buckets is down to its size. The size is a
 * tenth of a second's worth, or, with a burst, the burst rate for its length. Who came first goes first, so that nobody starves.
 * Time is the VM's clock: while the VM is stopped nothing is let through but by a drain.
 * Nodes with driver=throttle: filter.c. Not modelled: fairness between the drives of a group beyond first come, first served. */
#include "host/base/osdep.h"
#include "host/base/keyval.h"
#include "host/block/throttle.h"
#include "softmmu/timer.h"

typedef struct Bucket {
    double level, burst;
} Bucket;

typedef struct Waiting {
    ThrottleGo *go;
    void *req;
    uint64_t bytes, number; /* of its arrival */
} Waiting;

struct ThrottleGroup {
    char *name;
    unsigned refs;
    ThrottleConfig c;
    bool limits;              /* any at all */
    Bucket bucket[THROTTLE_KINDS];
    int64_t leaked_at;        /* CLOCK_VM */
    GQueue queue[2];          /* of Waiting: reads, writes */
    uint64_t number;          /* of the next arrival */
    Timer *timer;
};

#define MAX_RATE 1000000000000000ULL
#define LONGEST_WAIT 3600.0 /* seconds */

static const struct {
    const char *old, *name;
} names[THROTTLE_KINDS] = {{"bps", "bps-total"}, {"bps_rd", "bps-read"}, {"bps_wr", "bps-write"},
                           {"iops", "iops-total"}, {"iops_rd", "iops-read"}, {"iops_wr", "iops-write"}};
const char throttle_keys[] = "bps bps_rd bps_wr iops iops_rd iops_wr bps_max bps_rd_max bps_wr_max iops_max iops_rd_max iops_wr_max iops_size group";

static GList *groups; /* of ThrottleGroup */

/* ---- options ---- */

static bool take_rate(BlockOptions *o, const char *old, const char *name, const char *suffix, uint64_t *out, bool *any, GError **errp)
{
    g_autofree char *k1 = g_strconcat(old, suffix[0] == '-' ? "_" : "", suffix[0] ? suffix + 1 : "", NULL), *k2 = g_strconcat("throttling.", name, suffix, NULL);
    g_autofree char *v1 = blkopts_take(o, k1), *v2 = blkopts_take(o, k2);
    if (v1 && v2)
        return error_set(errp, "'%s' and its alias '%s' can't be used at the same time", k2, k1);
    if (v1 || v2)
        *any = true;
    return !(v1 || v2) || parse_uint(v1 ? k1 : k2, v1 ? v1 : v2, 0, MAX_RATE, out, errp);
}

bool throttle_take(BlockOptions *o, ThrottleConfig *c, char **group, bool *any, GError **errp)
{
    *c = (ThrottleConfig){0};
    *any = false;
    *group = NULL;
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        g_autofree char *key = g_strconcat("throttling.", names[i].name, "-max-length", NULL), *len = NULL;
        c->max_seconds[i] = 1;
        if (!take_rate(o, names[i].old, names[i].name, "", &c->avg[i], any, errp) ||
            !take_rate(o, names[i].old, names[i].name, "-max", &c->max[i], any, errp))
            return false;
        len = blkopts_take(o, key);
        if (len && !parse_uint(key, len, 1, UINT32_MAX, &c->max_seconds[i], errp))
            return false;
    }
    if (!take_rate(o, "iops_size", "iops-size", "", &c->op_size, any, errp))
        return false;
    g_autofree char *g1 = blkopts_take(o, "group");
    *group = blkopts_take(o, "throttling.group");
    if (!*group)
        *group = g_steal_pointer(&g1);
    return throttle_check(c, errp);
}

static bool take_property(BlockOptions *o, const char *name, const char *suffix, uint64_t min, uint64_t *out, GError **errp)
{
    g_autofree char *k1 = g_strconcat("x-", name, suffix, NULL), *k2 = g_strconcat("limits.", name, suffix, NULL);
    g_autofree char *v1 = blkopts_take(o, k1), *v2 = blkopts_take(o, k2);
    if (v1 && v2)
        return error_set(errp, "'%s' and '%s' cannot be used at the same time", k1, k2);
    return !(v1 || v2) || parse_uint(v1 ? k1 : k2, v1 ? v1 : v2, min, MAX_RATE, out, errp);
}

bool throttle_take_properties(BlockOptions *o, ThrottleConfig *c, GError **errp)
{
    *c = (ThrottleConfig){0};
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        c->max_seconds[i] = 1;
        if (!take_property(o, names[i].name, "", 0, &c->avg[i], errp) || !take_property(o, names[i].name, "-max", 0, &c->max[i], errp) ||
            !take_property(o, names[i].name, "-max-length", 1, &c->max_seconds[i], errp))
            return false;
    }
    return take_property(o, "iops-size", "", 0, &c->op_size, errp) && throttle_check(c, errp);
}

static bool any_of(const uint64_t *v) { return v[1] || v[2]; }

bool throttle_check(const ThrottleConfig *c, GError **errp)
{
    if ((c->avg[THROTTLE_BPS] && any_of(c->avg + THROTTLE_BPS)) || (c->avg[THROTTLE_OPS] && any_of(c->avg + THROTTLE_OPS)) ||
        (c->max[THROTTLE_BPS] && any_of(c->max + THROTTLE_BPS)) || (c->max[THROTTLE_OPS] && any_of(c->max + THROTTLE_OPS)))
        return error_set(errp, "bps/iops/max total values and read/write values cannot be used at the same time");
    if (c->op_size && !c->avg[THROTTLE_OPS] && !any_of(c->avg + THROTTLE_OPS))
        return error_set(errp, "iops size requires an iops value to be set");
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        if (c->avg[i] > MAX_RATE || c->max[i] > MAX_RATE)
            return error_set(errp, "bps/iops/max values must be within [0, %llu]", MAX_RATE);
        if (c->max_seconds[i] > 1 && !c->max[i])
            return error_set(errp, "burst length set without burst rate");
        if (c->max[i] && !c->avg[i])
            return error_set(errp, "bps_max/iops_max require corresponding bps/iops values");
        if (c->max[i] && c->max[i] < c->avg[i])
            return error_set(errp, "bps_max/iops_max cannot be lower than the corresponding bps/iops values");
        if (c->max[i] && c->max_seconds[i] > MAX_RATE / c->max[i])
            return error_set(errp, "burst length too high for this burst rate");
    }
    return true;
}

/* ---- buckets ---- */

static void leak(ThrottleGroup *g, int64_t now)
{
    double s = (double)(now - g->leaked_at) / NANOSECONDS_PER_SECOND;
    g->leaked_at = now;
    for (int i = 0; i < THROTTLE_KINDS && s > 0; i++) {
        Bucket *b = &g->bucket[i];
        b->level = MAX(b->level - (double)g->c.avg[i] * s, 0);
        b->burst = MAX(b->burst - (double)g->c.max[i] * s, 0);
    }
}

/* Which limits a request of this direction meets. */
static bool applies(int kind, bool write) { return kind % 3 == 0 || (kind % 3 == 2) == write; }

/* Seconds until a bucket is down to its size. */
static double bucket_wait(const ThrottleGroup *g, int i)
{
    const Bucket *b = &g->bucket[i];
    double avg = (double)g->c.avg[i], max = (double)g->c.max[i], wait;
    if (!avg)
        return 0;
    if (!max)
        return MAX(b->level - avg / 10, 0) / avg;
    wait = MAX(b->level - max * (double)g->c.max_seconds[i], 0) / avg;
    if (g->c.max_seconds[i] > 1)
        wait = MAX(wait, MAX(b->burst - max / 10, 0) / max);
    return wait;
}

/* Nanoseconds until a request of this direction may go; *shared: until the limits of both directions together let it. At most
 * LONGEST_WAIT: then the buckets are looked at again. */
static int64_t wait_ns(ThrottleGroup *g, bool write, int64_t *shared)
{
    double s = 0, both = 0;
    leak(g, clock_ns(CLOCK_VM));
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        double wait = applies(i, write) ? bucket_wait(g, i) : 0;
        s = MAX(s, wait);
        both = i % 3 == 0 ? MAX(both, wait) : both;
    }
    if (shared)
        *shared = (int64_t)(MIN(both, LONGEST_WAIT) * NANOSECONDS_PER_SECOND);
    return (int64_t)(MIN(s, LONGEST_WAIT) * NANOSECONDS_PER_SECOND);
}

static void account(ThrottleGroup *g, bool write, uint64_t bytes)
{
    double ops = g->c.op_size && bytes > g->c.op_size ? (double)bytes / (double)g->c.op_size : 1;
    for (int i = 0; i < THROTTLE_KINDS; i++)
        if (applies(i, write)) {
            double units = i < THROTTLE_OPS ? (double)bytes : ops;
            g->bucket[i].level += units;
            g->bucket[i].burst += units;
        }
}

/* ---- requests ---- */

/* The next request that may go, or NULL and when to look again (-1: nothing waits). Of the two that are first in their directions
 * the older one comes first; the younger may only go by when what holds up the older is a limit of its own direction. */
static Waiting *next_to_go(ThrottleGroup *g, bool *write, int64_t *look)
{
    Waiting *head[2] = {g_queue_peek_head(&g->queue[0]), g_queue_peek_head(&g->queue[1])};
    bool first = head[1] && (!head[0] || head[1]->number < head[0]->number);
    *look = -1;
    for (int i = 0; i < 2; i++) {
        int64_t shared;
        *write = first ^ i;
        if (!head[*write])
            continue;
        int64_t ns = wait_ns(g, *write, &shared);
        if (ns <= 0)
            return g_queue_pop_head(&g->queue[*write]);
        *look = *look < 0 ? ns : MIN(*look, ns);
        if (shared > 0)
            break;
    }
    return NULL;
}

static void pump(ThrottleGroup *g)
{
    int64_t look;
    bool write;
    g->refs++; /* a request's end may make the last user leave */
    for (Waiting *w; (w = next_to_go(g, &write, &look)); g_free(w)) {
        account(g, write, w->bytes);
        w->go(w->req);
    }
    if (look >= 0)
        timer_mod(g->timer, clock_ns(CLOCK_VM) + look);
    throttle_group_leave(g);
}

static void on_timer(void *g) { pump(g); }

bool throttle_admit(ThrottleGroup *g, bool write, uint64_t bytes, ThrottleGo *go, void *req)
{
    if (!g->limits)
        return true;
    /* What waits in the other direction and could go by now is not overtaken. */
    bool turn = g_queue_is_empty(&g->queue[write]) && (g_queue_is_empty(&g->queue[!write]) || wait_ns(g, !write, NULL) > 0);
    int64_t ns = wait_ns(g, write, NULL);
    if (turn && ns <= 0) {
        account(g, write, bytes);
        return true;
    }
    Waiting *w = g_new(Waiting, 1);
    *w = (Waiting){go, req, bytes, g->number++};
    g_queue_push_tail(&g->queue[write], w);
    int64_t at = clock_ns(CLOCK_VM) + MAX(ns, 1);
    if (!timer_pending(g->timer) || timer_expire_ns(g->timer) > at)
        timer_mod(g->timer, at);
    return false;
}

bool throttle_forget(ThrottleGroup *g, void *req)
{
    for (int i = 0; i < 2; i++)
        for (GList *l = g->queue[i].head; l; l = l->next)
            if (((Waiting *)l->data)->req == req) {
                g_free(l->data);
                g_queue_delete_link(&g->queue[i], l);
                return true;
            }
    return false;
}

void throttle_release(ThrottleGroup *g)
{
    for (int i = 0; i < 2; i++)
        for (Waiting *w; (w = g_queue_pop_head(&g->queue[i]));) {
            account(g, i, w->bytes);
            w->go(w->req);
            g_free(w);
        }
}

void throttle_release_all(void)
{
    for (bool any = true; any;) { /* what one lets go may come to wait for another */
        any = false;
        for (GList *l = groups; l; l = l->next) {
            ThrottleGroup *g = l->data;
            any |= !g_queue_is_empty(&g->queue[0]) || !g_queue_is_empty(&g->queue[1]);
            throttle_release(g);
        }
    }
}

/* ---- groups ---- */

ThrottleGroup *throttle_group_find(const char *name)
{
    for (GList *l = groups; l; l = l->next)
        if (g_str_equal(((ThrottleGroup *)l->data)->name, name))
            return l->data;
    return NULL;
}

const char *throttle_group_name(const ThrottleGroup *g) { return g->name; }

ThrottleGroup *throttle_group_join(const char *name, const ThrottleConfig *c)
{
    ThrottleGroup *g = throttle_group_find(name);
    if (!g) {
        g = g_new0(ThrottleGroup, 1);
        g->name = g_strdup(name);
        g->timer = timer_new(CLOCK_VM, on_timer, g);
        groups = g_list_prepend(groups, g);
    }
    g->refs++;
    if (c)
        throttle_group_set(g, c);
    return g;
}

void throttle_group_leave(ThrottleGroup *g)
{
    if (!g || --g->refs)
        return;
    g->refs = 1;
    throttle_release(g);
    groups = g_list_remove(groups, g);
    timer_free(g->timer);
    g_free(g->name);
    g_free(g);
}

void throttle_group_set(ThrottleGroup *g, const ThrottleConfig *c)
{
    g->c = *c;
    g->limits = false;
    g->leaked_at = clock_ns(CLOCK_VM);
    memset(g->bucket, 0, sizeof g->bucket);
    for (int i = 0; i < THROTTLE_KINDS; i++)
        g->limits |= c->avg[i] != 0;
    if (!g->limits)
        throttle_release(g);
    pump(g);
}

bool throttle_is_on(const ThrottleGroup *g) { return g->limits; }

char *throttle_text(const ThrottleGroup *g)
{
    g_autoptr(GString) out = g_string_new(NULL);
    for (int k = 0; k < THROTTLE_KINDS; k += 3) {
        for (int i = k; i < k + 3; i++)
            g_string_append_printf(out, "%s=%" PRIu64 " ", names[i].old, g->c.avg[i]);
        for (int i = k; i < k + 3; i++)
            g_string_append_printf(out, "%s_max=%" PRIu64 " ", names[i].old, g->c.max[i]);
    }
    g_string_append_printf(out, "iops_size=%" PRIu64 " group=%s", g->c.op_size, g->name);
    return g_strdup(out->str);
}
