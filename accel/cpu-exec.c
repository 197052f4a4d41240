/* cpu-exec.c - the loop of a vCPU: deliver what is pending, find the TB for the state, run it, link it to
 * the one before; and the ways out of translated code by a fault (longjmp to here). */
#include "accel/internal.h"
#include "host/base/log.h"
#include "softmmu/bql.h"
#include "softmmu/physmem.h"

#include <xmmintrin.h>

__thread CPUState *current_cpu;

/* Translated code may leave guest state in the host's x87. */
static inline void leave_x87(CPUState *cpu)
{
    const TcgEnvHead *h = cpu_head(cpu);
    if (h->x87_live | h->x87_modes)
        cpu->ops->leave_code(cpu);
}

/* Translated code runs with the guest's MXCSR; a longjmp out of it skips the epilogue that saves it. */
static void leave_code(CPUState *cpu)
{
    leave_x87(cpu);
    if (cpu->in_code) {
        cpu_head(cpu)->mxcsr_run = _mm_getcsr();
        _mm_setcsr(cpu_head(cpu)->mxcsr_host);
        cpu->in_code = false;
    }
}

void cpu_loop_exit(CPUState *cpu)
{
    leave_code(cpu);
    siglongjmp(cpu->jmp_env, 1);
}

bool cpu_restore_state(CPUState *cpu, uintptr_t ra)
{
    uint64_t data[2];
    if (!ra || !codebuf_contains(jit_buf, ra))
        return false;
    TB *tb = tb_find_host(ra - 1); /* in its call: what is behind may be another TB's */
    if (!tb || !tb_restore_data(tb, ra, data))
        return false;
    if (tb->floating)
        data[0] += cpu_head(cpu)->pc_page;
    cpu->ops->restore_state(cpu->env, data);
    return true;
}

void cpu_loop_exit_restore(CPUState *cpu, uintptr_t ra)
{
    cpu_restore_state(cpu, ra);
    cpu_loop_exit(cpu);
}

static void log_exec(CPUState *cpu, const TB *tb)
{
    vaddr pc = tb_pc_now(cpu, tb);
    if (!log_addr_in_filter(pc))
        return;
    log_print(LOG_EXEC, "Trace %d: %p [%08" PRIx64 "/" VADDR_FMT "/%08x/%08x] \n", cpu->index, (void *)tb_code(tb),
              (uint64_t)tb->cs_base, pc, tb->flags, tb->cflags);
    if (log_enabled(LOG_CPU)) {
        GString *s = g_string_new(NULL);
        cpu->ops->dump_state(cpu, s, log_enabled(LOG_FPU));
        log_write("%s", s->str);
        g_string_free(s, TRUE);
    }
}

/* st->floating says afterwards whether TBs here float, for one that is about to be translated. */
static TB *find_in_hash(CPUState *cpu, TbState *st, uint32_t cflags, ram_addr_t phys_pc, bool one_page)
{
    bool may_float = st->floating && phys_pc != NO_PAGE;
    TB *tb = NULL;

    if (phys_pc != NO_PAGE && !(cflags & CF_NOCACHE)) {
        if (may_float)
            tb_lookup_prefetch(st, phys_pc);
        st->floating = false; /* where there is such a one, TBs of this linear page do not float */
        tb = tb_lookup_phys(cpu, st, cflags, phys_pc, one_page);
        if (!tb && may_float) {
            st->floating = tb_page_floats(phys_pc, st->pc);
            tb = st->floating ? tb_lookup_phys(cpu, st, cflags, phys_pc, one_page) : NULL;
        }
        cpu->stats.hash_hits += tb != NULL;
        return tb;
    }
    st->floating = may_float && tb_page_floats(phys_pc, st->pc);
    return NULL;
}

/* *last: the TB that ran before; forgotten when its memory is used again. */
static TB *find_tb(CPUState *cpu, uint32_t cflags, TB **last)
{
    TbState st;
    cpu->ops->get_tb_state(cpu->env, &st);
    cpu_head(cpu)->pc_page = st.pc & TCG_PAGE_MASK; /* whether it will be needed or not */
    TB *tb = jump_cache_find(cpu, &st);
    if (likely(cflags == 0 && tb))
        return tb;

    cpu->stats.jc_misses++;
    bool global = false;
    ram_addr_t phys_pc = tlb_code_addr(cpu, st.pc, NULL, &global);
    tb = find_in_hash(cpu, &st, cflags, phys_pc, false);
    if (!tb) {
        if (!accel_parallel && tb_reclaim())
            *last = NULL;
        tb = tb_generate(cpu, &st, cflags, phys_pc);
        if (*last) { /* a jump that is about to be linked: hardly one of those that need the cache */
            jump_cache_enter_page(cpu, tb, global);
            return tb;
        }
    }
    if (!(tb->cflags & (CF_NOCACHE | CF_NOCHAIN)) && cflags == 0) {
        /* The second page was looked up a moment ago: this does not fault. */
        if (global && tb->two_pages)
            tlb_code_addr(cpu, (st.pc & TCG_PAGE_MASK) + TCG_PAGE_SIZE, NULL, &global);
        jump_cache_enter(cpu, &st, tb, global);
        /* invalidated by another thread between look-up and entry */
        if (__atomic_load_n(&tb->invalid, __ATOMIC_ACQUIRE))
            jump_cache_forget(cpu, tb);
    }
    return tb;
}

/* A TB that is not in the jump cache, without raising anything. NULL: the loop is to look. */
static TB *find_known(CPUState *cpu, TbState *st)
{
    bool global;
    ram_addr_t phys_pc = tlb_code_probe(cpu, st->pc, &global);

    if (phys_pc == NO_PAGE)
        return NULL;
    TB *tb = find_in_hash(cpu, st, 0, phys_pc, true);
    if (!tb)
        return NULL;
    cpu->stats.jc_misses++;
    jump_cache_enter(cpu, st, tb, global);
    if (__atomic_load_n(&tb->invalid, __ATOMIC_ACQUIRE))
        jump_cache_forget(cpu, tb);
    return tb;
}

const void *cpu_lookup_code(CPUState *cpu)
{
    TbState st;

    if (__atomic_load_n(&cpu_head(cpu)->exit_request, __ATOMIC_RELAXED) ||
        __atomic_load_n(&cpu->interrupt_request, __ATOMIC_SEQ_CST) || __atomic_load_n(&cpu->exit_loop, __ATOMIC_RELAXED) ||
        cpu->nocache_tb || cpu->cflags_next || jit_one_insn || cpu->exception_index != EXCP_NONE ||
        log_mask & (LOG_EXEC | LOG_CPU | LOG_TB_NOCHAIN))
        return NULL;
    cpu->ops->get_tb_state(cpu->env, &st);
    const void *code = jump_cache_find_code(cpu, &st);
    if (!code) {
        const TB *tb = find_known(cpu, &st);
        if (!tb)
            return NULL;
        code = tb_code(tb);
    }
    cpu_head(cpu)->pc_page = st.pc & TCG_PAGE_MASK;
    return code;
}

/* Exceptions and requests, before the next TB. True: leave cpu_exec with *ret. */
static bool handle_pending(CPUState *cpu, TB **last, int *ret)
{
    if (unlikely(cpu->nocache_tb != NULL)) {
        tb_lock();
        tb_drop_last(cpu->nocache_tb);
        tb_unlock();
        cpu->nocache_tb = NULL;
        *last = NULL;
    }
    tlb_guess_work(cpu);
    if (cpu->exception_index != EXCP_NONE) {
        *last = NULL;
        if (cpu->exception_index >= EXCP_INTERRUPT) {
            *ret = cpu->exception_index;
            cpu->exception_index = EXCP_NONE;
            return true;
        }
        cpu->ops->do_interrupt(cpu); /* may raise again: longjmp */
        cpu->exception_index = EXCP_NONE;
    }
    TcgEnvHead *head = cpu_head(cpu);
    if (unlikely(__atomic_load_n(&head->exit_request, __ATOMIC_RELAXED))) {
        /* Clear first, then look: a request made meanwhile sets it again. */
        __atomic_store_n(&head->exit_request, 0, __ATOMIC_SEQ_CST);
        tlb_flush_if_pending(cpu);
        *last = NULL;
    }
    uint32_t req = __atomic_load_n(&cpu->interrupt_request, __ATOMIC_SEQ_CST);
    if (unlikely(req) && !cpu->cflags_next) {
        bql_lock();
        req = cpu->interrupt_request;
        if (req & CPU_INTERRUPT_EXITTB)
            __atomic_fetch_and(&cpu->interrupt_request, ~CPU_INTERRUPT_EXITTB, __ATOMIC_SEQ_CST);
        if (cpu->ops->exec_interrupt(cpu, req))
            *last = NULL;
        if (bql_locked())
            bql_unlock();
        if (cpu->exception_index != EXCP_NONE)
            return handle_pending(cpu, last, ret);
    }
    if (unlikely(__atomic_load_n(&cpu->exit_loop, __ATOMIC_SEQ_CST))) {
        *ret = EXCP_INTERRUPT;
        return true;
    }
    return false;
}

int cpu_exec(CPUState *cpu)
{
    int ret = EXCP_INTERRUPT;

    current_cpu = cpu;
    if (cpu->halted) {
        bql_lock();
        bool work = cpu->ops->has_work(cpu);
        bql_unlock();
        if (!work)
            return EXCP_HALTED;
        cpu->halted = false;
    }
    cpu->running = true;
    /* Faults come back here; every variable that is used below is set anew. */
    sigsetjmp(cpu->jmp_env, 0);
    if (bql_locked())
        bql_unlock();
    TB *last = NULL;
    unsigned slot = 0;
    while (!handle_pending(cpu, &last, &ret)) {
        uint32_t cflags = cpu->cflags_next ? cpu->cflags_next : jit_one_insn ? 1 : 0;
        if (log_enabled(LOG_TB_NOCHAIN))
            cflags |= CF_NOCHAIN; /* part of what is looked up: such TBs are kept and found like others */
        TB *tb = find_tb(cpu, cflags, &last);
        cpu->cflags_next = 0;
        if (unlikely(log_mask & (LOG_EXEC | LOG_CPU)))
            log_exec(cpu, tb);
        if (last && !tb->invalid && !(tb->cflags & CF_NOCACHE)) {
            if (last->far_slots >> slot & 1)
                jump_cache_renew_page(cpu, tb);
            tb_chain(last, slot, tb);
            cpu->stats.chained++;
        }
        if (tb->cflags & CF_NOCACHE)
            cpu->nocache_tb = tb;
        cpu->in_code = true;
        uintptr_t r = jit_buf->enter(cpu->env, tb_code(tb));
        cpu->in_code = false;
        leave_x87(cpu);
        cpu->stats.exits++;
        slot = r & TB_EXIT_MASK;
        last = tb_of_cookie(r);
        if (slot > TB_EXIT_SLOT1) {
            cpu->ops->check_branch(cpu, last); /* looks at env first: *last is mostly not in the caches any more */
            last = NULL;
        }
    }
    cpu->running = false;
    return ret;
}

bool cpu_memory_rw_debug(CPUState *cpu, vaddr addr, void *buf, size_t len, bool is_write)
{
    uint8_t *p = buf;
    while (len) {
        hwaddr pa = cpu->ops->phys_page_debug(cpu, addr);
        if (pa == ~0ULL)
            return false;
        size_t n = MIN(len, TCG_PAGE_SIZE - (addr & ~TCG_PAGE_MASK));
        pa = (pa & TCG_PAGE_MASK) | (addr & ~TCG_PAGE_MASK);
        if (is_write)
            physmem_write_rom(&address_space_memory, pa, p, n);
        else
            physmem_read(&address_space_memory, pa, p, n);
        p += n;
        addr += n;
        len -= n;
    }
    return true;
}
