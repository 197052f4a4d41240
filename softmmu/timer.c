/* timer.c - the virtual and the host clock, and one-shot timers on them.
 * The VM clock is (host monotonic + offset) while it runs and a constant while it does not; readers
 * on any thread take the pair through a sequence counter. Timer lists are sorted and short (a PC has
 * some twenty timers), and belong to the BQL. */
#include "softmmu/timer.h"

#include <time.h>

struct Timer {
    ClockType clock;
    int64_t expire_ns; /* -1: not armed */
    Timer *next;       /* in the clock's list, by expiry; equal ones in the order they were armed */
    TimerCallback *cb;
    void *opaque;
};

/* More callbacks than this in one pass means that a guest armed timers faster than they can run:
 * the main loop gets its turn in between. */
enum { TIMERS_PER_PASS = 1000 };

static struct {
    unsigned seq; /* odd while a writer is at work */
    bool running;
    int64_t offset; /* running: VM ns minus host ns */
    int64_t fixed;  /* stopped or test clock: VM ns */
    bool test;
} vm_clock;

static Timer *active[CLOCK_COUNT];
static int64_t announced[CLOCK_COUNT] = {INT64_MAX, INT64_MAX}; /* deadline that the main loop knows */
static void (*timer_notify)(void);

static int64_t host_monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NANOSECONDS_PER_SECOND + ts.tv_nsec;
}

int64_t clock_wall_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * NANOSECONDS_PER_SECOND + ts.tv_nsec;
}

int64_t clock_ns(ClockType type)
{
    unsigned seq;
    int64_t ns;

    if (type == CLOCK_HOST_REAL)
        return host_monotonic_ns();
    do {
        while ((seq = __atomic_load_n(&vm_clock.seq, __ATOMIC_ACQUIRE)) & 1)
            __builtin_ia32_pause();
        if (__atomic_load_n(&vm_clock.running, __ATOMIC_RELAXED) &&
            !__atomic_load_n(&vm_clock.test, __ATOMIC_RELAXED))
            ns = host_monotonic_ns() + __atomic_load_n(&vm_clock.offset, __ATOMIC_RELAXED);
        else
            ns = __atomic_load_n(&vm_clock.fixed, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (__atomic_load_n(&vm_clock.seq, __ATOMIC_RELAXED) != seq);
    return ns;
}

/* --- the VM clock by the host's TSC ---
 *
 * A guest's RDTSC is a look at the VM clock, and the host's clock costs three times the host's RDTSC. In between two looks at the clock,
 * WINDOW apart at most, the time that passes is measured by the TSC, with a rate that is measured by the clock as well. The TSC is read
 * before the clock, so that the sum is never behind the clock (but for a change of the clock's rate within a window), and a timer
 * that has fired has fired when the guest looks. A host that was moved or has slept is noticed at the next look. */
#ifdef __x86_64__
#include <x86intrin.h>

enum { WINDOW_NS = 100000, RATE_MIN_NS = 20000000, RATE_MAX_NS = 1000000000, SLOW_LOOK_TICKS = 2000, TRUST_NS = 2000 };

static __thread struct {
    unsigned seq;          /* vm_clock's, at the anchor */
    uint32_t window;       /* ticks after the anchor; 0: there is none */
    uint64_t rate;         /* ns for 2^32 ticks; 0: not known yet */
    uint64_t tsc;          /* the anchor */
    int64_t ns;
    int64_t last;          /* what was returned last */
    uint64_t rate_tsc;     /* since when the rate is measured; 0: not yet */
    int64_t rate_ns;
} near;

/* The host's own clock is the TSC, so it is the same on all processors and its rate does not change. */
static bool tsc_is_clock(void)
{
    static gsize once;
    static bool yes;

    if (g_once_init_enter(&once)) {
        g_autofree char *text = NULL;
        yes = g_file_get_contents("/sys/devices/system/clocksource/clocksource0/current_clocksource", &text, NULL, NULL) && !strcmp(text, "tsc\n");
        g_once_init_leave(&once, 1);
    }
    return yes;
}

static void measure_rate(uint64_t tsc, int64_t ns)
{
    int64_t passed = ns - near.rate_ns;
    uint64_t ticks = tsc - near.rate_tsc;

    if (near.rate && near.rate_tsc && passed > TRUST_NS && passed < RATE_MAX_NS * 10LL) {
        int64_t off = passed - (int64_t)((unsigned __int128)ticks * near.rate >> 32);
        if (ABS(off) > TRUST_NS + passed / 1000)
            near.rate = near.rate_tsc = 0; /* another host, or a sleep */
    }
    if (near.rate_tsc && passed >= RATE_MIN_NS && passed < 10LL * RATE_MAX_NS && ticks > 0 && (!near.rate || passed >= RATE_MAX_NS)) {
        near.rate = (uint64_t)(((unsigned __int128)passed << 32) / ticks);
        near.rate_tsc = 0;
    }
    if (!near.rate_tsc || passed >= 10LL * RATE_MAX_NS) {
        near.rate_tsc = tsc;
        near.rate_ns = ns;
    }
}

static int64_t look_anew(unsigned seq)
{
    uint64_t tsc = __rdtsc();
    int64_t ns = clock_ns(CLOCK_VM);
    bool quick = __rdtsc() - tsc < SLOW_LOOK_TICKS; /* nothing came between */

    if (seq != near.seq) { /* the clock was stopped or set */
        near.last = INT64_MIN;
        near.rate_tsc = 0;
    }
    near.window = 0;
    near.seq = seq;
    if (quick && tsc_is_clock() && __atomic_load_n(&vm_clock.running, __ATOMIC_RELAXED) && !__atomic_load_n(&vm_clock.test, __ATOMIC_RELAXED)) {
        measure_rate(tsc, ns);
        near.tsc = tsc;
        near.ns = ns;
        if (near.rate >> 24 && near.rate < 1ULL << 40) /* from 4 MHz to 256 GHz */
            near.window = (uint32_t)(((uint64_t)WINDOW_NS << 32) / near.rate);
    }
    return near.last = MAX(near.last, ns);
}

int64_t clock_vm_ns_near(void)
{
    unsigned seq = __atomic_load_n(&vm_clock.seq, __ATOMIC_ACQUIRE);
    uint64_t ticks = __rdtsc() - near.tsc;

    if (unlikely(seq != near.seq || ticks >= near.window))
        return look_anew(seq);
    int64_t ns = near.ns + (int64_t)(ticks * near.rate >> 32);
    return near.last = MAX(near.last, ns);
}
#else
int64_t clock_vm_ns_near(void) { return clock_ns(CLOCK_VM); }
#endif

static void vm_clock_write(bool running, int64_t now, bool test)
{
    __atomic_fetch_add(&vm_clock.seq, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&vm_clock.running, running, __ATOMIC_RELAXED);
    __atomic_store_n(&vm_clock.test, test, __ATOMIC_RELAXED);
    __atomic_store_n(&vm_clock.fixed, now, __ATOMIC_RELAXED);
    __atomic_store_n(&vm_clock.offset, now - host_monotonic_ns(), __ATOMIC_RELAXED);
    __atomic_fetch_add(&vm_clock.seq, 1, __ATOMIC_SEQ_CST);
}

static void tell_main_loop(void)
{
    if (timer_notify)
        timer_notify();
}

void clock_vm_stop(void)
{
    vm_clock_write(false, clock_ns(CLOCK_VM), vm_clock.test);
}

void clock_vm_start(void)
{
    vm_clock_write(true, clock_ns(CLOCK_VM), vm_clock.test);
    tell_main_loop();
}

void clock_vm_set(int64_t ns)
{
    vm_clock_write(vm_clock.running, ns, vm_clock.test);
    tell_main_loop();
}

void clock_use_test_clock(void)
{
    vm_clock_write(vm_clock.running, clock_ns(CLOCK_VM), true);
}

Timer *timer_new(ClockType type, TimerCallback *cb, void *opaque)
{
    Timer *t = g_new0(Timer, 1);

    t->clock = type;
    t->expire_ns = -1;
    t->cb = cb;
    t->opaque = opaque;
    return t;
}

void timer_free(Timer *t)
{
    if (t) {
        timer_del(t);
        g_free(t);
    }
}

void timer_del(Timer *t)
{
    if (t->expire_ns < 0)
        return;
    for (Timer **p = &active[t->clock]; *p; p = &(*p)->next)
        if (*p == t) {
            *p = t->next;
            break;
        }
    t->expire_ns = -1;
    t->next = NULL;
}

void timer_mod(Timer *t, int64_t expire_ns)
{
    Timer **p;

    timer_del(t);
    t->expire_ns = MAX(expire_ns, 0);
    for (p = &active[t->clock]; *p && (*p)->expire_ns <= t->expire_ns; p = &(*p)->next)
        ;
    t->next = *p;
    *p = t;
    if (t->expire_ns < announced[t->clock]) {
        announced[t->clock] = t->expire_ns; /* one wake-up is enough until the loop looks again */
        tell_main_loop();
    }
}

bool timer_pending(const Timer *t)
{
    return t->expire_ns >= 0;
}

int64_t timer_expire_ns(const Timer *t)
{
    return t->expire_ns;
}

static void run_head(ClockType c)
{
    Timer *t = active[c];

    active[c] = t->next;
    t->next = NULL;
    t->expire_ns = -1;
    t->cb(t->opaque);
}

void timers_run(void)
{
    for (int c = 0; c < CLOCK_COUNT; c++) {
        int64_t now;
        if (c == CLOCK_VM && (!vm_clock.running || vm_clock.test))
            continue;
        now = clock_ns((ClockType)c);
        for (int n = 0; n < TIMERS_PER_PASS && active[c] && active[c]->expire_ns <= now; n++)
            run_head((ClockType)c);
    }
}

int64_t timers_next_deadline_ns(void)
{
    int64_t best = -1;

    for (int c = 0; c < CLOCK_COUNT; c++) {
        int64_t delta;
        announced[c] = INT64_MAX;
        if (!active[c] || (c == CLOCK_VM && (!vm_clock.running || vm_clock.test)))
            continue;
        announced[c] = active[c]->expire_ns;
        /* In two statements: MAX() would read the clock twice, and time goes on between. */
        delta = active[c]->expire_ns - clock_ns((ClockType)c);
        delta = MAX(delta, 0);
        if (best < 0 || delta < best)
            best = delta;
    }
    return best;
}

void timers_set_notify(void (*notify)(void))
{
    timer_notify = notify;
}

void clock_test_step(int64_t delta_ns)
{
    int64_t end = clock_ns(CLOCK_VM) + delta_ns;

    g_assert(vm_clock.test);
    while (active[CLOCK_VM] && active[CLOCK_VM]->expire_ns <= end) {
        int64_t at = MAX(active[CLOCK_VM]->expire_ns, clock_ns(CLOCK_VM));
        vm_clock_write(vm_clock.running, at, true);
        run_head(CLOCK_VM);
    }
    vm_clock_write(vm_clock.running, end, true);
}
