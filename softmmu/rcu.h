/* rcu.h - liburcu with threads that register themselves: a thread's first read section registers it,
 * its end unregisters it. Whoever registered by hand before is left alone. */
#ifndef SOFTMMU_RCU_H
#define SOFTMMU_RCU_H

#ifndef _LGPL_SOURCE
#define _LGPL_SOURCE /* read-side primitives in line */
#endif
#include "host/base/osdep.h"
#include <urcu.h>

void rcu_thread_register_slow(void);

static inline void rcu_section_enter(void)
{
    if (unlikely(!URCU_TLS(rcu_reader).registered))
        rcu_thread_register_slow();
    rcu_read_lock();
}
static inline void rcu_section_leave(void) { rcu_read_unlock(); }

#endif
