/* barrier.h - memory barriers of which one side costs nothing. */
#ifndef HOST_BASE_BARRIER_H
#define HOST_BASE_BARRIER_H

#include <stdbool.h>

/* Two threads that each store, then load what the other one stored, must not both see the old values: each needs a full
 * barrier in between. Where one side runs all the time and the other hardly ever, the rare one can do it for both:
 *
 *     often:  store A; barrier_light(); load B          rare:  store B; barrier_heavy(); load A (or: store A)
 *
 * barrier_heavy() returns after every thread of the process has executed a full barrier somewhere between its begin and its
 * end. So if the load of B was before that, the store to A was too, and is seen by (or overwritten by) what follows
 * barrier_heavy(); if it was after, it sees the store to B. */

/* Whether this host can; settled by the first call. Where it cannot, both sides are full barriers. */
bool barrier_is_asymmetric(void);
void barrier_heavy(void); /* about 2 us if other threads run */

extern bool barrier_asymmetric; /* barrier_is_asymmetric()'s answer, false before it is known */
static inline void barrier_light(void)
{
    if (__builtin_expect(barrier_asymmetric, true))
        __atomic_signal_fence(__ATOMIC_SEQ_CST); /* the compiler's order, which on x86 leaves only the store buffer */
    else
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
