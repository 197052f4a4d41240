/* mainloop.c - one loop in the main thread. Everything is dispatched under the BQL; it is dropped only
 * while the loop sleeps in poll(). Timer deadlines and GLib's own timeouts bound the sleep. */
#include "host/base/osdep.h"
#include "softmmu/bql.h"
#include "softmmu/runstate.h"
#include "softmmu/timer.h"
#include "vl/mainloop.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <glib-unix.h>

static int wake_fd = -1;

void mainloop_notify(void)
{
    uint64_t one = 1;
    if (wake_fd >= 0 && write(wake_fd, &one, sizeof one) < 0) {
        /* EAGAIN: it is awake already */
    }
}

static gboolean on_wake(gint fd, GIOCondition cond, gpointer opaque)
{
    uint64_t v;
    if (read(fd, &v, sizeof v) < 0) {
        /* EAGAIN: nothing left to read */
    }
    return G_SOURCE_CONTINUE;
}

void mainloop_init(void)
{
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    g_assert(wake_fd >= 0);
    g_unix_fd_add(wake_fd, G_IO_IN, on_wake, NULL);
    timers_set_notify(mainloop_notify);
    system_set_request_notify(mainloop_notify);
}

/* The nearer of GLib's timeout (ms, -1 none) and the timers' (ns, -1 none). */
static int64_t shorter_ns(int glib_ms, int64_t timer_ns)
{
    int64_t g = glib_ms < 0 ? -1 : (int64_t)glib_ms * 1000000;
    if (g < 0)
        return timer_ns;
    return timer_ns < 0 || g < timer_ns ? g : timer_ns;
}

void mainloop_run(bool (*handle_requests)(void))
{
    GMainContext *ctx = g_main_context_default();
    g_autofree GPollFD *fds = g_new(GPollFD, 16);
    int cap = 16;

    _Static_assert(sizeof(GPollFD) == sizeof(struct pollfd), "GPollFD is a pollfd");
    g_main_context_acquire(ctx);
    while (!handle_requests()) {
        int prio, ms, n;
        g_main_context_prepare(ctx, &prio);
        while ((n = g_main_context_query(ctx, prio, &ms, fds, cap)) > cap) {
            cap = n;
            fds = g_renew(GPollFD, fds, cap);
        }
        int64_t ns = shorter_ns(ms, timers_next_deadline_ns());
        struct timespec ts = {ns / NANOSECONDS_PER_SECOND, ns % NANOSECONDS_PER_SECOND};
        bql_unlock();
        if (ppoll((struct pollfd *)fds, (nfds_t)n, ns < 0 ? NULL : &ts, NULL) < 0)
            for (int i = 0; i < n; i++)
                fds[i].revents = 0;
        bql_lock();
        if (g_main_context_check(ctx, prio, fds, n))
            g_main_context_dispatch(ctx);
        timers_run();
    }
    g_main_context_release(ctx);
}
