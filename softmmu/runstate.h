/* runstate.h - whether the VM runs, and requests to reset, power off, stop. Devices and vCPUs ask
 * here (any thread); the main loop (vl) sees the request and acts. */
#ifndef SOFTMMU_RUNSTATE_H
#define SOFTMMU_RUNSTATE_H

#include "host/base/osdep.h"

typedef enum RunState {
    RUN_STATE_PRELAUNCH, RUN_STATE_RUNNING, RUN_STATE_PAUSED, RUN_STATE_SHUTDOWN, RUN_STATE_DEBUG,
    RUN_STATE_IO_ERROR, RUN_STATE_INTERNAL_ERROR, RUN_STATE_GUEST_PANICKED, RUN_STATE_SUSPENDED,
} RunState;
RunState runstate_get(void);
void runstate_set(RunState s); /* vl only; does not start or stop vCPUs */
bool runstate_is_running(void);
const char *runstate_name(RunState s); /* "running", "paused", "prelaunch", ... as QMP names them */

typedef enum ShutdownCause {
    CAUSE_NONE, CAUSE_GUEST_RESET, CAUSE_GUEST_SHUTDOWN, CAUSE_GUEST_PANIC, CAUSE_HOST_RESET,
    CAUSE_HOST_QUIT, CAUSE_HOST_SIGNAL, CAUSE_HOST_UI,
} ShutdownCause;
/* All may be called from any thread, with or without the BQL; they only record and wake the main loop. */
void system_reset_request(ShutdownCause cause);
void system_shutdown_request(ShutdownCause cause);
void system_shutdown_request_with_code(ShutdownCause cause, int exit_code); /* isa-debug-exit */
void system_powerdown_request(void);
/* The guest's kernel says so (pvpanic); what follows is set by system_set_panic_action. */
void system_guest_panicked(void);
typedef enum PanicAction { PANIC_SHUTDOWN, PANIC_PAUSE, PANIC_EXIT_FAILURE, PANIC_NONE } PanicAction;
void system_set_panic_action(PanicAction a); /* at start-up */
void system_stop_request(RunState why);
/* Suspend to RAM. The first is called by the chip that the guest told to sleep, in the thread of the vCPU that did;
 * that vCPU runs no further (the hook, set by vl). A wakeup is ignored unless the machine sleeps when it is taken. */
void system_suspend_request(void);
typedef enum WakeupReason { WAKEUP_NONE, WAKEUP_RTC, WAKEUP_OTHER } WakeupReason;
void system_wakeup_request(WakeupReason why);
void system_set_suspend_hook(void (*stop_this_vcpu)(void));

/* The main loop takes them; each returns CAUSE_NONE/false when there is none, and clears it. */
ShutdownCause system_take_reset_request(void);
ShutdownCause system_take_shutdown_request(int *exit_code);
bool system_take_powerdown_request(void);
bool system_take_stop_request(RunState *why);
bool system_take_suspend_request(void);
WakeupReason system_take_wakeup_request(void);
void system_set_request_notify(void (*notify)(void)); /* called from any thread on a new request */

/* Who wants the power button (PIIX4 PM). Called under the BQL in the main thread. */
void powerdown_handler_set(void (*fn)(void *opaque), void *opaque);
void powerdown_handlers_run(void);
#endif
