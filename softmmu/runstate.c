/* runstate.c - the VM's run state and the pending requests to change it.
 * Requests come from any thread; a mutex guards them. The main loop is woken through one hook. */
#include "softmmu/runstate.h"

static GMutex lock;
static RunState state = RUN_STATE_PRELAUNCH;
static int reset_request, shutdown_request, powerdown_request, stop_request, suspend_request, wakeup_request; /* 0: none */
static int shutdown_code;
static RunState stop_reason;
static PanicAction panic_action;
static void (*request_notify)(void), (*suspend_hook)(void);

static void (*powerdown_fn)(void *opaque);
static void *powerdown_opaque;

RunState runstate_get(void)
{
    return __atomic_load_n(&state, __ATOMIC_ACQUIRE);
}

void runstate_set(RunState s)
{
    __atomic_store_n(&state, s, __ATOMIC_RELEASE);
}

bool runstate_is_running(void)
{
    return runstate_get() == RUN_STATE_RUNNING;
}

const char *runstate_name(RunState s)
{
    static const char *const names[] = {
        [RUN_STATE_PRELAUNCH] = "prelaunch", [RUN_STATE_RUNNING] = "running",
        [RUN_STATE_PAUSED] = "paused",       [RUN_STATE_SHUTDOWN] = "shutdown",
        [RUN_STATE_DEBUG] = "debug",         [RUN_STATE_IO_ERROR] = "io-error",
        [RUN_STATE_INTERNAL_ERROR] = "internal-error", [RUN_STATE_GUEST_PANICKED] = "guest-panicked",
        [RUN_STATE_SUSPENDED] = "suspended",
    };
    return (unsigned)s < ARRAY_SIZE(names) ? names[s] : "unknown";
}

static void notify(void)
{
    void (*fn)(void) = __atomic_load_n(&request_notify, __ATOMIC_ACQUIRE);
    if (fn)
        fn();
}

static void ask(int *request, int what)
{
    g_mutex_lock(&lock);
    *request = what;
    g_mutex_unlock(&lock);
    notify();
}

static int take(int *request)
{
    g_mutex_lock(&lock);
    int what = *request;
    *request = 0;
    g_mutex_unlock(&lock);
    return what;
}

void system_reset_request(ShutdownCause cause) { ask(&reset_request, cause); }
void system_shutdown_request(ShutdownCause cause) { system_shutdown_request_with_code(cause, 0); }
void system_powerdown_request(void) { ask(&powerdown_request, 1); }
void system_wakeup_request(WakeupReason why) { ask(&wakeup_request, why); }

void system_shutdown_request_with_code(ShutdownCause cause, int exit_code)
{
    g_mutex_lock(&lock);
    if (shutdown_request == CAUSE_NONE) { /* the first cause decides the exit status */
        shutdown_request = cause;
        shutdown_code = exit_code;
    }
    g_mutex_unlock(&lock);
    notify();
}

void system_stop_request(RunState why)
{
    g_mutex_lock(&lock);
    stop_request = 1;
    stop_reason = why;
    g_mutex_unlock(&lock);
    notify();
}

void system_suspend_request(void)
{
    g_mutex_lock(&lock);
    suspend_request = 1;
    wakeup_request = WAKEUP_NONE; /* what came before the sleep does not end it */
    g_mutex_unlock(&lock);
    if (suspend_hook)
        suspend_hook();
    notify();
}

_Static_assert(CAUSE_NONE == 0 && WAKEUP_NONE == 0, "take() leaves 0");

void system_set_suspend_hook(void (*stop_this_vcpu)(void))
{
    suspend_hook = stop_this_vcpu;
}

void system_set_panic_action(PanicAction a)
{
    panic_action = a;
}

void system_guest_panicked(void)
{
    warn_report("the guest's kernel has panicked");
    switch (panic_action) {
    case PANIC_SHUTDOWN:
        system_stop_request(RUN_STATE_GUEST_PANICKED);
        system_shutdown_request(CAUSE_GUEST_PANIC);
        break;
    case PANIC_PAUSE:
        system_stop_request(RUN_STATE_GUEST_PANICKED);
        break;
    case PANIC_EXIT_FAILURE:
        system_shutdown_request_with_code(CAUSE_GUEST_PANIC, EXIT_FAILURE);
        break;
    case PANIC_NONE:
        break;
    }
}

ShutdownCause system_take_reset_request(void) { return take(&reset_request); }
bool system_take_powerdown_request(void) { return take(&powerdown_request); }
bool system_take_suspend_request(void) { return take(&suspend_request); }
WakeupReason system_take_wakeup_request(void) { return take(&wakeup_request); }

ShutdownCause system_take_shutdown_request(int *exit_code)
{
    g_mutex_lock(&lock);
    ShutdownCause c = shutdown_request;
    if (c != CAUSE_NONE && exit_code)
        *exit_code = shutdown_code;
    shutdown_request = shutdown_code = 0;
    g_mutex_unlock(&lock);
    return c;
}

bool system_take_stop_request(RunState *why)
{
    g_mutex_lock(&lock);
    bool r = stop_request;
    if (r && why)
        *why = stop_reason;
    stop_request = 0;
    g_mutex_unlock(&lock);
    return r;
}

void system_set_request_notify(void (*fn)(void))
{
    __atomic_store_n(&request_notify, fn, __ATOMIC_RELEASE);
}

void powerdown_handler_set(void (*fn)(void *opaque), void *opaque)
{
    powerdown_fn = fn;
    powerdown_opaque = opaque;
}

void powerdown_handlers_run(void)
{
    if (powerdown_fn)
        powerdown_fn(powerdown_opaque);
}
