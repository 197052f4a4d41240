/* bql.h - the machine lock ("big lock"): devices, memory map, timers and the monitor run under it.
 * vCPU threads run translated code without it and take it around device access. Not recursive. */
#ifndef SOFTMMU_BQL_H
#define SOFTMMU_BQL_H

#include "host/base/osdep.h"

void bql_lock(void);
void bql_unlock(void);
bool bql_locked(void); /* by this thread */
/* fn runs under the lock before it is next given up by bql_unlock(), in whichever thread that is: for what
 * a device access has made ready and must not happen inside it. One hook; ask under the lock. */
void bql_set_unlock_hook(void (*fn)(void));
void bql_run_hook_at_unlock(void);
/* Waits on cond with the BQL given up meanwhile, as g_cond_wait. */
void bql_cond_wait(GCond *cond);

#endif
