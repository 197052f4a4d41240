/* test-timer.c - virtual clock and timers on the test clock. */
#include "host/base/osdep.h"
#include "softmmu/timer.h"

static int64_t fired[8];
static int count;
static Timer *periodic;

static void on_fire(void *opaque)
{
    fired[count++ & 7] = clock_ns(CLOCK_VM);
}
static void on_periodic(void *opaque)
{
    count++;
    timer_mod(periodic, clock_ns(CLOCK_VM) + 10);
}

static void test_order(void)
{
    Timer *a = timer_new(CLOCK_VM, on_fire, NULL), *b = timer_new(CLOCK_VM, on_fire, NULL);

    clock_use_test_clock();
    clock_vm_start();
    clock_vm_set(1000);
    count = 0;
    timer_mod(a, 1500);
    timer_mod(b, 1200);
    g_assert_true(timer_pending(a));
    g_assert_cmpint(timer_expire_ns(b), ==, 1200);
    clock_test_step(1000);
    g_assert_cmpint(count, ==, 2);
    g_assert_cmpint(fired[0], ==, 1200); /* each at its own time */
    g_assert_cmpint(fired[1], ==, 1500);
    g_assert_cmpint(clock_ns(CLOCK_VM), ==, 2000);
    g_assert_false(timer_pending(a));
    timer_mod(a, 2500);
    timer_del(a);
    timer_del(a);
    clock_test_step(1000);
    g_assert_cmpint(count, ==, 2);
    timer_mod(a, 10); /* in the past: at once */
    clock_test_step(0);
    g_assert_cmpint(count, ==, 3);
    g_assert_cmpint(fired[2], ==, 3000);
    timer_free(a);
    timer_free(b);
    timer_free(NULL);
    clock_vm_stop();
}

static void test_rearm(void)
{
    clock_use_test_clock();
    clock_vm_start();
    periodic = timer_new(CLOCK_VM, on_periodic, NULL);
    count = 0;
    timer_mod(periodic, clock_ns(CLOCK_VM) + 10);
    clock_test_step(1000);
    g_assert_cmpint(count, ==, 100);
    timer_free(periodic);
    clock_vm_stop();
}

static void test_host_clock_runs_when_stopped(void)
{
    Timer *t = timer_new(CLOCK_HOST_REAL, on_fire, NULL);

    count = 0;
    timer_mod(t, clock_ns(CLOCK_HOST_REAL) - 1);
    g_assert_cmpint(timers_next_deadline_ns(), ==, 0);
    timers_run();
    g_assert_cmpint(count, ==, 1);
    g_assert_cmpint(timers_next_deadline_ns(), ==, -1);
    timer_free(t);
}

/* An armed timer's deadline passes while it is looked at: that is 0, never "none", with which the main loop sleeps on. */
static void test_deadline_passes(void)
{
    Timer *t = timer_new(CLOCK_HOST_REAL, on_fire, NULL);

    for (int i = 0; i < 5000; i++) {
        int64_t left;
        timer_mod(t, clock_ns(CLOCK_HOST_REAL) + 1000);
        do {
            left = timers_next_deadline_ns();
            g_assert_cmpint(left, >=, 0);
        } while (left > 0);
    }
    timer_free(t);
}

/* The guest's RDTSC beside the clock that timers run by: not behind it, hardly before it, never backwards; also when the clock is
 * stopped, goes on, or is set back. Long enough (by the clock) that the TSC's rate is known. */
static void test_near_clock(void)
{
    enum { AHEAD_NS = 3000 };
    int64_t last = INT64_MIN;

    clock_vm_start();
    for (int64_t end = clock_ns(CLOCK_VM) + 60000000; last < end;) {
        int64_t before = clock_ns(CLOCK_VM), near = clock_vm_ns_near(), after = clock_ns(CLOCK_VM);
        g_assert_cmpint(near, >=, before - 100); /* the host's clock may be made to go another rate */
        g_assert_cmpint(near, <=, after + AHEAD_NS);
        g_assert_cmpint(near, >=, last);
        last = near;
    }
    clock_vm_stop();
    int64_t stopped = clock_vm_ns_near();
    g_assert_cmpint(stopped, ==, clock_ns(CLOCK_VM));
    g_usleep(1000);
    g_assert_cmpint(clock_vm_ns_near(), ==, stopped);
    clock_vm_start();
    g_assert_cmpint(clock_vm_ns_near(), <=, clock_ns(CLOCK_VM) + AHEAD_NS);
    clock_vm_set(1000);
    int64_t set = clock_vm_ns_near();
    g_assert_cmpint(set, >=, 1000);
    g_assert_cmpint(set, <=, clock_ns(CLOCK_VM) + AHEAD_NS);
    clock_vm_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/softmmu/timer/near-clock", test_near_clock); /* first: the others use a test clock */
    g_test_add_func("/softmmu/timer/order", test_order);
    g_test_add_func("/softmmu/timer/rearm", test_rearm);
    g_test_add_func("/softmmu/timer/host-clock", test_host_clock_runs_when_stopped);
    g_test_add_func("/softmmu/timer/deadline-passes", test_deadline_passes);
    return g_test_run();
}
