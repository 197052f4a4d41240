/* fuzz-throttle.c - limits per second with any settings and requests
 *   fuzz-throttle [--seed N] [--count N | --seconds N]
 * Time is a test clock that goes from timer to timer. Wrong is: a crash; a request that waits while no timer is armed, waits longer than
 * its limits say, is overtaken by one of its own direction, or ends twice; more let through than the limits allow; limits that are
 * refused without one clear line. Several groups, users, changes of the limits, drains and cancelled requests. */
#include "host/base/osdep.h"
#include "host/block/blkopts.h"
#include "host/block/throttle.h"
#include "softmmu/bql.h"
#include "softmmu/timer.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_REQS = 200, GROUPS = 2 };

typedef struct Req {
    ThrottleGroup *g;
    bool write, waits;
    uint64_t bytes, number;
} Req;

typedef struct Group {
    ThrottleGroup *g;
    ThrottleConfig c;
    double went[THROTTLE_KINDS], biggest[THROTTLE_KINDS]; /* since the limits were set */
    int64_t since;
    uint64_t last[2]; /* number of the request that went last, by direction */
    bool drained;     /* went past the limits */
} Group;

static Group groups[GROUPS];
static Req reqs[MAX_REQS];
static unsigned waiting;
static uint64_t number;

static uint64_t rate(void)
{
    static const uint64_t v[] = {1, 2, 3, 10, 100, 512, 4096, 65536, 1 << 20, 1ULL << 32, 1000000000000000ULL, 1000000000000001ULL, UINT64_MAX};
    return v[below(below(10) ? 9 : ARRAY_SIZE(v))];
}

static void any_limits(ThrottleConfig *c)
{
    *c = (ThrottleConfig){0};
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        c->max_seconds[i] = 1;
        if (below(3))
            continue;
        c->avg[i] = rate();
        if (!below(3)) {
            c->max[i] = below(8) ? c->avg[i] * (1 + below(5)) : rate();
            if (!below(2))
                c->max_seconds[i] = below(10) ? 1 + below(60) : rate();
        }
    }
    if (!below(4))
        c->op_size = below(8) ? 1ULL << below(20) : rate();
}

/* The same as text. */
static void any_options(BlockOptions *o)
{
    static const char *const keys[] = {"bps", "bps_rd", "iops", "iops_wr", "bps_max", "iops_max", "iops_size", "group", "throttling.bps-total", "throttling.iops-read",
        "throttling.iops-read-max", "throttling.iops-read-max-length", "throttling.iops-size", "throttling.group", "throttling.bps-total-max-length"};
    static const char *const vals[] = {"0", "1", "100", "1k", "-1", "", "x", "18446744073709551616", "1000000000000000", "0x10", "1.5", "4096"};
    for (unsigned n = 1 + below(5); n; n--)
        blkopts_set(o, keys[below(ARRAY_SIZE(keys))], vals[below(ARRAY_SIZE(vals))]);
}

static void went(Group *g, const Req *r)
{
    const ThrottleConfig *c = &g->c;
    double ops = c->op_size && r->bytes > c->op_size ? (double)r->bytes / (double)c->op_size : 1;
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        if (i % 3 && (i % 3 == 2) != r->write)
            continue;
        double n = i < THROTTLE_OPS ? (double)r->bytes : ops;
        g->went[i] += n;
        g->biggest[i] = MAX(g->biggest[i], n);
    }
    g_assert_cmpuint(r->number, >=, g->last[r->write]);
    g->last[r->write] = r->number;
}

static void go(void *opaque)
{
    Req *r = opaque;
    g_assert_true(r->waits);
    r->waits = false;
    waiting--;
    for (int i = 0; i < GROUPS; i++)
        if (groups[i].g == r->g)
            went(&groups[i], r);
}

static void set_limits(Group *g)
{
    ThrottleConfig c;
    GError *err = NULL;
    any_limits(&c);
    if (!throttle_check(&c, &err)) {
        g_assert_null(strchr(err->message, '\n'));
        g_clear_error(&err);
        return;
    }
    g->c = c;
    memset(g->went, 0, sizeof g->went);
    memset(g->biggest, 0, sizeof g->biggest);
    g->since = clock_ns(CLOCK_VM);
    g->drained = false;
    throttle_group_set(g->g, &c);
    g_free(throttle_text(g->g));
}

/* Never more than a full bucket, what leaked since, and the request that filled it over the brim. */
static void check_rates(const Group *g)
{
    double s = (double)(clock_ns(CLOCK_VM) - g->since) / NANOSECONDS_PER_SECOND + 1e-8;
    for (int i = 0; i < THROTTLE_KINDS && !g->drained; i++) {
        double avg = (double)g->c.avg[i], max = (double)g->c.max[i], size = max ? max * (double)g->c.max_seconds[i] : avg / 10;
        if (!avg)
            continue;
        double most = size + avg * s + g->biggest[i];
        g_assert_cmpfloat(g->went[i], <=, most * 1.000001 + 1);
        if (max && g->c.max_seconds[i] > 1)
            g_assert_cmpfloat(g->went[i], <=, (max / 10 + max * s + g->biggest[i]) * 1.000001 + 1);
    }
}

static void submit(void)
{
    Group *g = &groups[below(GROUPS)];
    unsigned k = below(MAX_REQS);
    Req *r = &reqs[k];
    if (r->waits)
        return;
    *r = (Req){.g = g->g, .write = below(2), .bytes = below(3) ? 512 * (1 + below(16)) : below(40) ? below(4 << 20) : 1ULL << (20 + below(20)), .number = ++number};
    r->waits = true;
    waiting++;
    if (throttle_admit(g->g, r->write, r->bytes, go, r))
        go(r);
}

/* Long enough for all that went to leak away: then the next one may go. False: nobody waits for that. */
static bool let_one_go(void)
{
    double longest = 1;
    unsigned before = waiting;
    for (int k = 0; k < GROUPS; k++)
        for (int i = 0; i < THROTTLE_KINDS; i++)
            if (groups[k].c.avg[i])
                longest = MAX(longest, groups[k].went[i] / (double)groups[k].c.avg[i] + 1);
    if (longest > 3e7)
        return false;
    clock_test_step((int64_t)(longest * NANOSECONDS_PER_SECOND));
    g_assert_cmpuint(waiting, <, before);
    return true;
}

static void one_case(void)
{
    clock_vm_set(0); /* it would overflow some day */
    waiting = 0;
    memset(reqs, 0, sizeof reqs);
    for (int i = 0; i < GROUPS; i++) {
        groups[i] = (Group){.g = throttle_group_join(i ? "b" : "a", NULL), .since = clock_ns(CLOCK_VM)};
        set_limits(&groups[i]);
    }
    for (unsigned n = 0; n < 300; n++) {
        Group *g = &groups[below(GROUPS)];
        switch (below(24)) {
        case 0: set_limits(g); break;
        case 1: case 2: clock_test_step(below(below(5) ? 1000000 : 2000000000)); break;
        case 3: /* cancelled */
            for (unsigned k = below(MAX_REQS), m = 0; m < MAX_REQS; m++, k = (k + 1) % MAX_REQS)
                if (reqs[k].waits) {
                    g_assert_true(throttle_forget(reqs[k].g, &reqs[k]));
                    g_assert_false(throttle_forget(reqs[k].g, &reqs[k]));
                    reqs[k].waits = false;
                    waiting--;
                    break;
                }
            break;
        case 4:
            if (!below(4)) {
                g->drained = true;
                throttle_release(g->g);
                for (unsigned k = 0; k < MAX_REQS; k++)
                    g_assert_false(reqs[k].waits && reqs[k].g == g->g);
            }
            break;
        case 5: { /* another user comes and goes */
            ThrottleGroup *same = throttle_group_join(g == groups ? "a" : "b", NULL);
            g_assert_true(same == g->g);
            throttle_group_leave(same);
            break;
        }
        case 6: {
            BlockOptions *o = blkopts_new();
            ThrottleConfig c;
            g_autofree char *group = NULL;
            bool any;
            GError *err = NULL;
            any_options(o);
            if (!throttle_take(o, &c, &group, &any, &err))
                g_assert_null(strchr(err->message, '\n'));
            g_clear_error(&err);
            blkopts_free(o);
            break;
        }
        default: submit(); break;
        }
        check_rates(&groups[0]);
        check_rates(&groups[1]);
    }
    while (waiting && let_one_go())
        check_rates(&groups[0]);
    check_rates(&groups[1]);
    for (int i = 0; i < GROUPS; i++) {
        throttle_group_leave(groups[i].g);
        groups[i].g = NULL;
    }
}

int main(int argc, char **argv)
{
    clock_use_test_clock();
    bql_lock();
    int r = fuzz_main("fuzz-throttle", argc, argv, one_case);
    bql_unlock();
    return r;
}
