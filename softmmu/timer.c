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
