/* timer.h - clocks and one-shot timers. Devices get time from here and nowhere else.
 * Timer callbacks run in the main thread under the BQL. All calls are made under the BQL except
 * clock_ns(), which any thread may call at any time. */
#ifndef SOFTMMU_TIMER_H
#define SOFTMMU_TIMER_H

#include "host/base/osdep.h"

typedef enum ClockType {
    CLOCK_VM,       /* virtual ns since power-on; stands still while the VM is stopped */
    CLOCK_HOST_REAL /* monotonic host ns; runs always (display refresh, monitor) */
} ClockType;
enum { CLOCK_COUNT = 2 };

#define NANOSECONDS_PER_SECOND 1000000000LL

int64_t clock_ns(ClockType type);
/* The VM clock for a guest's RDTSC: never goes back in one thread, and is never behind clock_ns(), at most some 100 ns before it. */
int64_t clock_vm_ns_near(void);
/* Wall-clock now in ns since 1970 (for the RTC's start value), through the input funnel. */
int64_t clock_wall_ns(void);

/* The VM clock stops and goes on; nested calls are not allowed. Starts stopped at 0. */
void clock_vm_stop(void);
void clock_vm_start(void);
/* Load of saved state, and tests: set the VM clock; with a test clock it moves only by this. */
void clock_vm_set(int64_t ns);
void clock_use_test_clock(void); /* freeze the VM clock for tests: only clock_vm_set/step moves it */
/* Test clock only: advance to `ns`, running due timers in order at their exact expiry times. */
void clock_test_step(int64_t delta_ns);

typedef void TimerCallback(void *opaque);
typedef struct Timer Timer;

Timer *timer_new(ClockType type, TimerCallback *cb, void *opaque);
void timer_free(Timer *t);                        /* NULL is allowed */
void timer_mod(Timer *t, int64_t expire_ns);      /* arm or re-arm at an absolute time of its clock */
void timer_del(Timer *t);                         /* disarm; harmless when not armed */
bool timer_pending(const Timer *t);
int64_t timer_expire_ns(const Timer *t);          /* -1 when not armed */

/* Main loop: run what is due; ns until the next deadline of any clock that runs (-1: none). */
void timers_run(void);
int64_t timers_next_deadline_ns(void);
/* Called (any thread, under BQL) when a timer became due earlier than the last computed deadline; it may compute that again. */
void timers_set_notify(void (*notify)(void));

#endif
