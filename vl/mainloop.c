/* mainloop.c - one loop in the main thread. Everything is dispatched under the BQL; it is dropped only
 * while the loop sleeps in poll(). Timer deadlines and GLib's own timeouts bound the sleep.
 *
 * A guest arms a timer some hundred times a second, each time that its tick has come. The deadline is a descriptor of its own
 * (timerfd), so that the vCPU moves it without waking this thread; and neither that nor the one that wakes is a source of GLib's, which
 * would wake itself up twice for each dispatch and go round once more. */
#include "host/base/osdep.h"
#include "softmmu/bql.h"
#include "softmmu/runstate.h"
#include "softmmu/timer.h"
#include "vl/mainloop.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

static int wake_fd = -1, timer_fd = -1;
static bool sleeping; /* under the BQL: the deadline has been computed, and the loop is in poll() or on its way back */

void mainloop_notify(void)
{
    uint64_t one = 1;
    if (wake_fd >= 0 && write(wake_fd, &one, sizeof one) < 0) {
        /* EAGAIN: it is awake already */
    }
}

/* ns from now, -1: none. Whatever had expired is forgotten. */
static void set_deadline(int64_t ns)
{
    struct itimerspec t = {{0, 0}, {0, 0}};

    if (ns >= 0) {
        ns = MAX(ns, 1); /* 0 would mean none */
        t.it_value.tv_sec = ns / NANOSECONDS_PER_SECOND;
        t.it_value.tv_nsec = ns % NANOSECONDS_PER_SECOND;
    }
    if (timerfd_settime(timer_fd, 0, &t, NULL) < 0)
        g_error("timerfd_settime(): %s", g_strerror(errno)); /* nothing would ever wake us */
}

/* Under the BQL, any thread: a timer is due before what the loop sleeps for. Awake it will see that by itself. */
static void on_earlier_timer(void)
{
    if (sleeping)
        set_deadline(timers_next_deadline_ns());
}

void mainloop_init(void)
{
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    g_assert(wake_fd >= 0 && timer_fd >= 0);
    timers_set_notify(on_earlier_timer);
    system_set_request_notify(mainloop_notify);
}

void mainloop_run(bool (*handle_requests)(void))
{
    enum { OURS = 2 };
    GMainContext *ctx = g_main_context_default();
    g_autofree GPollFD *fds = g_new(GPollFD, 16);
    int cap = 16;

    _Static_assert(sizeof(GPollFD) == sizeof(struct pollfd), "GPollFD is a pollfd");
    g_main_context_acquire(ctx);
    while (!handle_requests()) {
        int prio, ms, n;
        g_main_context_prepare(ctx, &prio);
        while ((n = g_main_context_query(ctx, prio, &ms, fds, cap - OURS)) > cap - OURS) {
            cap = n + OURS;
            fds = g_renew(GPollFD, fds, cap);
        }
        fds[n] = (GPollFD){.fd = wake_fd, .events = POLLIN};
        fds[n + 1] = (GPollFD){.fd = timer_fd, .events = POLLIN};
        set_deadline(timers_next_deadline_ns());
        sleeping = true;
        bql_unlock();
        if (poll((struct pollfd *)fds, (nfds_t)(n + OURS), ms) < 0)
            for (int i = 0; i < n + OURS; i++)
                fds[i].revents = 0;
        bql_lock();
        sleeping = false;
        uint64_t v;
        if (fds[n].revents && read(wake_fd, &v, sizeof v) < 0) {
            /* EAGAIN: nothing left to read */
        }
        if (g_main_context_check(ctx, prio, fds, n))
            g_main_context_dispatch(ctx);
        timers_run();
    }
    g_main_context_release(ctx);
}
