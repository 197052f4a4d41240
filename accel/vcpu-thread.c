/* vcpu-thread.c - a vCPU's thread: run, pause, sleep in HLT; and how other threads reach it.
 * A halted vCPU sleeps on its condition until an interrupt request or a kick: no host CPU is used. */
#include "accel/internal.h"
#include "softmmu/bql.h"

#include <xmmintrin.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

typedef struct WorkItem {
    void (*fn)(CPUState *, void *);
    void *opaque;
    bool done;
} WorkItem;

static GCond state_cond; /* with the BQL: a vCPU stopped, started or did its work */

static void do_work(CPUState *cpu)
{
    WorkItem *w;
    while ((w = g_queue_pop_head(&cpu->work))) {
        w->fn(cpu, w->opaque);
        w->done = true;
        g_cond_broadcast(&state_cond);
    }
}

static bool should_sleep(CPUState *cpu)
{
    if (cpu->unplugged || !g_queue_is_empty(&cpu->work))
        return false;
    return cpu->stop || (cpu->halted && !cpu->ops->has_work(cpu));
}

static gpointer vcpu_main(gpointer opaque)
{
    CPUState *cpu = opaque;
    sigset_t all;

    /* Signals are the main thread's; faults of our own stay deliverable. */
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGABRT);
    sigdelset(&all, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    /* A thread inherits its creator's sticky exception flags; here they would become the guest's. */
    _mm_setcsr(0x1f80);

    bql_lock();
    current_cpu = cpu;
    cpu->thread_id = syscall(SYS_gettid);
    g_cond_broadcast(&state_cond);
    tlb_guess_start(cpu);
    while (!cpu->unplugged) {
        while (should_sleep(cpu)) {
            if (cpu->stop && !cpu->stopped) {
                cpu->stopped = true;
                g_cond_broadcast(&state_cond);
            }
            cpu->asleep = true;
            bql_cond_wait(&cpu->halt_cond);
            cpu->asleep = false;
        }
        do_work(cpu);
        __atomic_store_n(&cpu->exit_loop, 0, __ATOMIC_SEQ_CST);
        if (cpu->stop || cpu->unplugged)
            continue;
        cpu->stopped = false;
        bql_unlock();
        cpu_exec(cpu);
        bql_lock();
    }
    bql_unlock();
    return NULL;
}

void vcpu_start(CPUState *cpu)
{
    cpu->stop = true;
    cpu->thread = g_thread_new("vcpu", vcpu_main, cpu);
    while (!cpu->stopped)
        bql_cond_wait(&state_cond);
}

/* What it should look at has been stored. Telling a thread that does not wait costs a system call. */
static void wake(CPUState *cpu)
{
    if (!bql_locked() || cpu->asleep)
        g_cond_broadcast(&cpu->halt_cond);
}

void vcpu_kick(CPUState *cpu)
{
    __atomic_store_n(&cpu->exit_loop, 1, __ATOMIC_SEQ_CST);
    cpu_request_exit(cpu);
    wake(cpu);
}

void vcpu_resume_all(void)
{
    CPUState *cpu = first_cpu;
    if (cpu) {
        cpu->stop = false;
        vcpu_kick(cpu);
    }
}

void vcpu_pause_all(void)
{
    CPUState *cpu = first_cpu;
    if (!cpu || !cpu->thread || cpu == current_cpu)
        return;
    cpu->stop = true;
    vcpu_kick(cpu);
    while (!cpu->stopped)
        bql_cond_wait(&state_cond);
}

void vcpu_stop_current(void)
{
    if (current_cpu) {
        current_cpu->stop = true;
        vcpu_kick(current_cpu);
    }
}

void vcpu_shutdown_all(void)
{
    CPUState *cpu = first_cpu;
    if (!cpu || !cpu->thread)
        return;
    vcpu_pause_all();
    cpu->unplugged = true;
    g_cond_broadcast(&cpu->halt_cond);
    bql_unlock();
    g_thread_join(cpu->thread);
    bql_lock();
    cpu->thread = NULL;
}

void cpu_interrupt(CPUState *cpu, uint32_t mask)
{
    __atomic_fetch_or(&cpu->interrupt_request, mask, __ATOMIC_SEQ_CST);
    cpu_request_exit(cpu);
    if (cpu != current_cpu)
        wake(cpu);
}

void cpu_reset_interrupt(CPUState *cpu, uint32_t mask)
{
    __atomic_fetch_and(&cpu->interrupt_request, ~mask, __ATOMIC_SEQ_CST);
}

void run_on_cpu(CPUState *cpu, void (*fn)(CPUState *, void *), void *opaque)
{
    if (cpu == current_cpu || !cpu->thread || cpu->stopped) {
        fn(cpu, opaque);
        return;
    }
    WorkItem w = {fn, opaque, false};
    g_queue_push_tail(&cpu->work, &w);
    vcpu_kick(cpu);
    while (!w.done)
        bql_cond_wait(&state_cond);
}
