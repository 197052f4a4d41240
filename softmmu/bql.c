/* bql.c - the machine lock. See bql.h; the flag per thread tells a nested attempt from contention. */
#include "softmmu/bql.h"
#ifdef __x86_64__
#include <xmmintrin.h>
#endif

static GMutex bql;
static __thread bool bql_mine;
static void (*unlock_hook)(void);
static bool hook_wanted; /* under the lock */

/* Device code is entered from translated code with the guest's sticky floating-point flags in the host's register,
 * and libraries compute with doubles now and then (GLib's hash tables): the guest must not see those flags. */
#ifdef __x86_64__
enum { STICKY = 0x3f };
static __thread uint32_t sticky;
static void fp_enter(void) { sticky = _mm_getcsr() & STICKY; }
static void fp_leave(void)
{
    uint32_t now = _mm_getcsr();

    if ((now & STICKY) != sticky)
        _mm_setcsr((now & ~(uint32_t)STICKY) | sticky);
}
#else
static void fp_enter(void) {}
static void fp_leave(void) {}
#endif

void bql_lock(void)
{
    g_assert(!bql_mine);
    g_mutex_lock(&bql);
    bql_mine = true;
    fp_enter();
}

void bql_set_unlock_hook(void (*fn)(void)) { unlock_hook = fn; }
void bql_run_hook_at_unlock(void) { hook_wanted = true; }

void bql_unlock(void)
{
    /* What the hook does may want it again; the bound keeps one access from becoming a long stay. */
    for (int i = 0; unlikely(hook_wanted) && i < 64; i++) {
        hook_wanted = false;
        unlock_hook();
    }
    fp_leave();
    g_assert(bql_mine);
    bql_mine = false;
    g_mutex_unlock(&bql);
}

bool bql_locked(void)
{
    return bql_mine;
}

void bql_cond_wait(GCond *cond)
{
    g_assert(bql_mine);
    bql_mine = false;
    g_cond_wait(cond, &bql);
    bql_mine = true;
}
