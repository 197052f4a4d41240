/* rcu.c - registration of threads with liburcu on first use. See rcu.h. */
#include "softmmu/rcu.h"

static void thread_ends(void *unused)
{
    if (URCU_TLS(rcu_reader).registered)
        rcu_unregister_thread();
}

static GPrivate registered = G_PRIVATE_INIT(thread_ends);

void rcu_thread_register_slow(void)
{
    rcu_register_thread();
    g_private_set(&registered, GINT_TO_POINTER(1)); /* non-NULL: thread_ends will be called */
}
