/* bql.c - the machine lock. See bql.h; the flag per thread tells a nested attempt from contention. */
#include "softmmu/bql.h"

static GMutex bql;
static __thread bool bql_mine;

void bql_lock(void)
{
    g_assert(!bql_mine);
    g_mutex_lock(&bql);
    bql_mine = true;
}

void bql_unlock(void)
{
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
