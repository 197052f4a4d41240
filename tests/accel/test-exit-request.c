/* test-exit-request.c - a request to leave translated code meets the change of the jump cache at every possible moment and is
 * never lost: the vCPU's part is played here, with what generated code looks at (TcgEnvHead.jump_cache) and nothing else.
 *
 * Not tested: what the request is for, which cpu_exec() finds by itself once it has been reached. */
#include "../target-x86/sys-harness.h"
#include "accel/internal.h"
#include "tests/accel/blank-tbs.h"
#include "host/base/barrier.h"

enum { ROUNDS = 40000, KINDS = 3, PC = 0x400100, GIVE_UP_S = 60 };

static CPUState *cpu;
static int round_begun, round_asked; /* atomics */
static bool failed;

/* One request per round, as close as can be to the change of kind with which the round begins. */
static void *ask(void *opaque)
{
    unsigned seed = 1;

    for (int r = 1; r <= ROUNDS; r++) {
        for (unsigned n = 0; __atomic_load_n(&round_begun, __ATOMIC_ACQUIRE) < r; n++)
            if (n % 256 == 255)
                g_thread_yield();
        seed = seed * 1103515245 + 12345;
        for (unsigned n = seed >> 16 & 127; n; n--)
            __asm__ volatile("");
        cpu_request_exit(cpu);
        __atomic_store_n(&round_asked, r, __ATOMIC_RELEASE);
    }
    return NULL;
}

static bool jump_misses(const TcgEnvHead *head)
{
    return __atomic_load_n(&head->jump_cache, __ATOMIC_RELAXED)[jump_cache_index(PC)].pc != PC;
}

static void test_never_lost(void)
{
    TB *tb;
    TcgEnvHead *head;
    TbState st = {.pc = PC};

    harness_start("max");
    tb = blank_tbs(KINDS);
    cpu = env->cpu;
    head = cpu_head(cpu);
    current_cpu = cpu; /* this thread */
    for (unsigned k = 0; k < KINDS; k++) {
        tb[k] = (TB){.pc = PC, .flags = st.flags = k, .page = 1};
        jump_cache_enter(cpu, &st, &tb[k], true);
    }
    GThread *asker = g_thread_new("asker", ask, NULL);
    for (int r = 1; r <= ROUNDS && !failed; r++) {
        __atomic_store_n(&round_begun, r, __ATOMIC_RELEASE);
        for (unsigned n = 0; n <= (unsigned)r % 8; n++) {
            st.flags = (st.flags + 1 + (r & 1)) % KINDS;
            g_assert_true(jump_cache_find(cpu, &st) == &tb[st.flags]);
        }
        /* From here on nothing but indirect jumps. */
        gint64 give_up = g_get_monotonic_time() + GIVE_UP_S * G_USEC_PER_SEC;
        for (unsigned n = 0; !jump_misses(head) && !failed; n++) {
            if (n % 4096 == 4095) {
                g_thread_yield();
                failed = g_get_monotonic_time() > give_up && __atomic_load_n(&round_asked, __ATOMIC_ACQUIRE) == r;
            }
        }
        if (failed) { /* lost: the asker has done all it does, but nobody sees it */
            __atomic_store_n(&round_begun, ROUNDS, __ATOMIC_RELEASE);
            break;
        }
        while (__atomic_load_n(&round_asked, __ATOMIC_ACQUIRE) < r) /* the request may be seen before its last store */
            g_thread_yield();
        __atomic_store_n(&head->exit_request, 0, __ATOMIC_SEQ_CST); /* handle_pending() */
    }
    g_thread_join(asker);
    g_assert_false(failed);
    /* Afterwards jumps find their targets again. */
    g_assert_true(jump_cache_find(cpu, &st) == &tb[st.flags]);
    g_assert_false(jump_misses(head));
    jump_cache_clear(cpu, false);
    current_cpu = NULL;
    harness_stop();
}

static void test_own_thread(void)
{
    TB *tb;
    TbState st = {.pc = PC};

    harness_start("max");
    tb = blank_tbs(1);
    cpu = env->cpu;
    current_cpu = cpu;
    *tb = (TB){.pc = PC, .page = 1};
    jump_cache_enter(cpu, &st, tb, true);
    g_assert_false(jump_misses(cpu_head(cpu)));
    cpu_request_exit(cpu);
    g_assert_true(jump_misses(cpu_head(cpu)));
    jump_cache_find(cpu, &st);
    g_assert_true(jump_misses(cpu_head(cpu))); /* until the request is dealt with */
    cpu_head(cpu)->exit_request = 0;
    jump_cache_find(cpu, &st);
    g_assert_false(jump_misses(cpu_head(cpu)));
    jump_cache_clear(cpu, false);
    current_cpu = NULL;
    harness_stop();
}

/* Both sides by themselves: barrier_heavy() comes back, and the answer does not change. */
static void test_barrier(void)
{
    bool can = barrier_is_asymmetric();

    for (unsigned i = 0; i < 100; i++)
        barrier_heavy();
    barrier_light();
    g_assert_cmpint(barrier_is_asymmetric(), ==, can);
    g_assert_cmpint(barrier_asymmetric, ==, can);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/accel/exit-request/barrier", test_barrier);
    g_test_add_func("/accel/exit-request/own-thread", test_own_thread);
    g_test_add_func("/accel/exit-request/never-lost", test_never_lost);
    return g_test_run();
}
