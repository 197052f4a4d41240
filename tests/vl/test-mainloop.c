/* test-mainloop.c - the main thread's loop never sleeps past what it should do: timers that another thread arms earlier than what it
 * sleeps for, requests, and GLib's own sources and timeouts, each many times at moments that vary.
 *
 * Not tested: how long anything takes. What is lost makes the loop sleep for ever, which the test's alarm ends. */
#include "host/base/osdep.h"
#include "softmmu/bql.h"
#include "softmmu/runstate.h"
#include "softmmu/timer.h"
#include "vl/mainloop.h"

enum { ROUNDS = 3000, GIVE_UP_S = 120 };

static Timer *far_off, *near;
static int fired;  /* atomic: rounds that were done */
static bool done;  /* under the BQL */

static bool ask_done(void) { return done; }

static void on_near(void *opaque) { __atomic_fetch_add(&fired, 1, __ATOMIC_SEQ_CST); }
static void on_far_off(void *opaque) { g_assert_not_reached(); }

static gboolean on_idle(gpointer opaque)
{
    on_near(NULL);
    return G_SOURCE_REMOVE;
}

static void wait_for(int round)
{
    while (__atomic_load_n(&fired, __ATOMIC_SEQ_CST) < round)
        g_thread_yield();
}

/* What a vCPU does: each time that its timer has fired it arms the next one. */
static gpointer arm_timers(gpointer opaque)
{
    unsigned seed = 1;

    for (int r = 1; r <= ROUNDS; r++) {
        seed = seed * 1103515245 + 12345;
        for (unsigned n = seed >> 16 & 1023; n; n--)
            __asm__ volatile("");
        bql_lock();
        int64_t at = clock_ns(CLOCK_VM) + (seed >> 8 & 3) * 20000;
        timer_mod(near, at);
        if (r % 5 == 0)
            timer_mod(near, at + 50000); /* later than what was told: the loop looks for nothing once */
        if (r % 7 == 0)
            timer_mod(near, MAX(at - 1000000, 0)); /* due long ago */
        bql_unlock();
        wait_for(r);
    }
    bql_lock();
    done = true;
    bql_unlock();
    mainloop_notify();
    return NULL;
}

static gpointer add_sources(gpointer opaque)
{
    for (int r = 1; r <= ROUNDS; r++) {
        if (r % 3)
            g_idle_add(on_idle, NULL);
        else
            g_timeout_add(r % 9 == 0, on_idle, NULL);
        wait_for(r);
    }
    bql_lock();
    done = true;
    bql_unlock();
    mainloop_notify();
    return NULL;
}

static void run_against(GThreadFunc fn)
{
    fired = 0;
    done = false;
    GThread *t = g_thread_new("other", fn, NULL);
    mainloop_run(ask_done);
    bql_unlock();
    g_thread_join(t);
    bql_lock();
    g_assert_cmpint(fired, ==, ROUNDS);
}

static void test_timers(void) { run_against(arm_timers); }
static void test_sources(void) { run_against(add_sources); }

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    alarm(GIVE_UP_S);
    mainloop_init();
    bql_lock();
    clock_vm_start();
    far_off = timer_new(CLOCK_VM, on_far_off, NULL);
    near = timer_new(CLOCK_VM, on_near, NULL);
    timer_mod(far_off, clock_ns(CLOCK_VM) + 1000 * NANOSECONDS_PER_SECOND);
    g_test_add_func("/vl/mainloop/timers", test_timers);
    g_test_add_func("/vl/mainloop/sources", test_sources);
    return g_test_run();
}
