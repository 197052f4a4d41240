/* barrier.c - memory barriers of which one side costs nothing.
 * Spec: membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED.
 *
 * Not modelled: a process that is told at run time that it may not any more (a seccomp filter set later): that is an error
 * of whoever sets the filter, and ends the program. */
#include "host/base/osdep.h"
#include "host/base/barrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

bool barrier_asymmetric;

static long membarrier(int cmd) { return syscall(SYS_membarrier, cmd, 0, 0); }

bool barrier_is_asymmetric(void)
{
    static gsize once;
    if (g_once_init_enter(&once)) {
        long can = membarrier(MEMBARRIER_CMD_QUERY);
        barrier_asymmetric = can > 0 && (can & MEMBARRIER_CMD_PRIVATE_EXPEDITED) &&
                             membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
                             membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
        g_once_init_leave(&once, 1);
    }
    return barrier_asymmetric;
}

void barrier_heavy(void)
{
    if (barrier_is_asymmetric() && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 &&
        (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0 || membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0))
        g_error("membarrier() fails: %s", g_strerror(errno)); /* the other side relies on it */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
