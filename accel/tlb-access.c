/* tlb-access.c - guest memory access from C: what translated code's slow paths and helpers call. Devices,
 * stores to pages with code or tracking, accesses across pages, atomics, vectors, code fetches, and the
 * physical accesses of page walks. */
#include "accel/tlb-internal.h"
#include "host/base/bitops.h"
#include "softmmu/bql.h"
#include "softmmu/dirty.h"
#include "softmmu/physmem.h"
#include "softmmu/rcu.h"

/* --- MMIO --- */

static uint64_t io_access(CPUState *cpu, const TlbFull *full, vaddr addr, unsigned size, uint64_t val, bool is_write)
{
    hwaddr paddr = full->paddr | (addr & ~TCG_PAGE_MASK);
    MemoryRegion *mr = full->mr;
    uint64_t off = full->mr_offset + (addr & ~TCG_PAGE_MASK);
    cpu->stats.mmio++;
    if (mr && mr->kind == MR_MMIO && (is_write ? mr->ops->lockless_write : mr->ops->lockless_read)) {
        if (!is_write)
            return memory_region_read(mr, off, size);
        memory_region_write(mr, off, val, size);
        return 0;
    }
    bool locked = bql_locked();
    if (!locked)
        bql_lock();
    /* A read-only page written, a page of several regions, or nothing: physmem knows what each does. */
    if (mr && mr->kind == MR_MMIO) {
        if (is_write)
            memory_region_write(mr, off, val, size);
        else
            val = memory_region_read(mr, off, size);
    } else if (mr && mr->ram && is_write && mr->ops) {
        mr->ops->write(mr->opaque, off, val, size);
    } else if (is_write) {
        physmem_st(&address_space_memory, paddr, size, val);
    } else {
        val = physmem_ld(&address_space_memory, paddr, size);
    }
    if (!locked)
        bql_unlock();
    return val;
}

/* --- stores to pages with code or tracking --- */

static void notdirty_write(CPUState *cpu, const TlbFull *full, vaddr addr, unsigned size, unsigned mmu_idx, uintptr_t ra)
{
    ram_addr_t ram = full->ram_addr + (addr & ~TCG_PAGE_MASK);
    cpu->stats.notdirty++;
    if (!dirty_get(DIRTY_CODE, ram)) {
        bool page_free = false;
        if (tb_invalidate_range(cpu, ram, size, ra, &page_free)) {
            /* The running TB changes itself: go back to the store, run it alone, translate afresh. */
            cpu->cflags_next = 1 | CF_NOCACHE | CF_NOCHAIN;
            cpu_loop_exit_restore(cpu, ra);
        }
        if (page_free)
            dirty_set(DIRTY_CODE, ram, size);
    }
    dirty_set_all_but_code(ram, size);
    tlb_allow_writes(cpu, addr, mmu_idx);
}

/* A host pointer for a store within the page, made ready for it; NULL: MMIO. */
static void *store_ptr(CPUState *cpu, vaddr addr, unsigned size, unsigned mmu_idx, uintptr_t ra, TlbFull **full)
{
    TlbEntry *e = tlb_entry_for(cpu, addr, size, ACCESS_STORE, mmu_idx, false, ra, full);
    uint64_t flags = e->addr_write & ~TCG_PAGE_MASK;
    void *host = (void *)(uintptr_t)(addr + e->addend);
    if (unlikely(flags & TLB_WATCH))
        cpu->ops->watch_access(cpu, addr, size, ACCESS_STORE, ra);
    if (flags & TLB_MMIO)
        return NULL;
    if (flags & TLB_NOTDIRTY)
        notdirty_write(cpu, *full, addr, size, mmu_idx, ra);
    return host;
}

/* --- accesses --- */

static inline bool crosses_page(vaddr addr, unsigned size) { return (addr & ~TCG_PAGE_MASK) + size > TCG_PAGE_SIZE; }

static uint64_t load_page(CPUState *cpu, vaddr addr, unsigned size, unsigned mmu_idx, AccessType type, uintptr_t ra)
{
    TlbFull *full;
    TlbEntry *e = tlb_entry_for(cpu, addr, size, type, mmu_idx, false, ra, &full);
    uint64_t flags = entry_tag(e, type) & ~TCG_PAGE_MASK;
    if (unlikely(flags & TLB_WATCH))
        cpu->ops->watch_access(cpu, addr, size, type, ra);
    if (flags & TLB_MMIO)
        return io_access(cpu, full, addr, size, 0, false);
    return ldl_n((void *)(uintptr_t)(addr + e->addend), size);
}

static void check_aligned(CPUState *cpu, vaddr addr, MemOp op, AccessType type, uintptr_t ra)
{
    if (unlikely(addr & memop_align_mask(op)))
        cpu->ops->unaligned_access(cpu, addr, type, op, ra);
}

/* Bytes of one page or two, all of which must be readable before anything is read. False: nothing was read, as not all is RAM. */
static bool load_ram(CPUState *cpu, vaddr addr, void *buf, unsigned size, unsigned mmu_idx, uintptr_t ra)
{
    unsigned first = MIN(size, TCG_PAGE_SIZE - (addr & ~TCG_PAGE_MASK));
    TlbFull *full;
    TlbEntry *e = tlb_entry_for(cpu, addr, size, ACCESS_LOAD, mmu_idx, false, ra, &full);
    uint64_t flags = e->addr_read & ~TCG_PAGE_MASK;
    const void *host = (void *)(uintptr_t)(addr + e->addend), *rest = NULL;
    if (first < size) {
        e = tlb_entry_for(cpu, addr + first, size - first, ACCESS_LOAD, mmu_idx, false, ra, &full);
        flags |= e->addr_read & ~TCG_PAGE_MASK;
        rest = (void *)(uintptr_t)(addr + first + e->addend);
    }
    if (flags & (TLB_MMIO | TLB_WATCH))
        return false;
    memcpy(buf, host, first);
    if (rest)
        memcpy((uint8_t *)buf + first, rest, size - first);
    return true;
}

/* The same for a store. Pages with code or tracking know of it before it happens. */
static bool store_ram(CPUState *cpu, vaddr addr, const void *buf, unsigned size, unsigned mmu_idx, uintptr_t ra)
{
    unsigned first = MIN(size, TCG_PAGE_SIZE - (addr & ~TCG_PAGE_MASK));
    TlbFull *full;
    uint64_t flags = tlb_entry_for(cpu, addr, size, ACCESS_STORE, mmu_idx, false, ra, &full)->addr_write;
    if (first < size)
        flags |= tlb_entry_for(cpu, addr + first, size - first, ACCESS_STORE, mmu_idx, false, ra, &full)->addr_write;
    if (flags & (TLB_MMIO | TLB_WATCH))
        return false;
    void *host = store_ptr(cpu, addr, first, mmu_idx, ra, &full);
    void *rest = first < size ? store_ptr(cpu, addr + first, size - first, mmu_idx, ra, &full) : NULL;
    memcpy(host, buf, first);
    if (rest)
        memcpy(rest, (const uint8_t *)buf + first, size - first);
    return true;
}

/* Where the two parts of an access across pages are, if the TLB has both pages without flags. */
static bool two_hosts(CPUState *cpu, vaddr addr, unsigned size, AccessType type, unsigned mmu_idx, uint8_t *host[2], unsigned *first)
{
    *first = TCG_PAGE_SIZE - (addr & ~TCG_PAGE_MASK);
    if (*first >= size)
        return false;
    host[0] = tlb_host(cpu_head(cpu), addr, *first, type, mmu_idx);
    host[1] = tlb_host(cpu_head(cpu), addr + *first, size - *first, type, mmu_idx);
    return host[0] && host[1];
}

uint64_t cpu_ld(CPUState *cpu, vaddr addr, unsigned size, unsigned mmu_idx, uintptr_t ra)
{
    const void *host = tlb_host(cpu_head(cpu), addr, size, ACCESS_LOAD, mmu_idx);
    if (likely(host))
        return ldl_n(host, size);
    if (likely(!crosses_page(addr, size)))
        return load_page(cpu, addr, size, mmu_idx, ACCESS_LOAD, ra);
    uint64_t val = 0;
    uint8_t *part[2];
    unsigned first;
    if (likely(two_hosts(cpu, addr, size, ACCESS_LOAD, mmu_idx, part, &first)))
        return ldl_n(part[0], first) | ldl_n(part[1], size - first) << (8 * first);
    if (load_ram(cpu, addr, &val, size, mmu_idx, ra))
        return val;
    for (unsigned i = 0; i < size; i++)
        val |= load_page(cpu, addr + i, 1, mmu_idx, ACCESS_LOAD, ra) << (8 * i);
    return val;
}

void cpu_st(CPUState *cpu, vaddr addr, unsigned size, uint64_t val, unsigned mmu_idx, uintptr_t ra)
{
    TlbFull *full;
    void *host = tlb_host(cpu_head(cpu), addr, size, ACCESS_STORE, mmu_idx);
    if (likely(host)) {
        stl_n(host, size, val);
        return;
    }
    if (likely(!crosses_page(addr, size))) {
        host = store_ptr(cpu, addr, size, mmu_idx, ra, &full);
        if (host)
            stl_n(host, size, val);
        else
            io_access(cpu, full, addr, size, val, true);
        return;
    }
    uint8_t *part[2];
    unsigned first;
    if (likely(two_hosts(cpu, addr, size, ACCESS_STORE, mmu_idx, part, &first))) {
        stl_n(part[0], first, val);
        stl_n(part[1], size - first, val >> (8 * first));
        return;
    }
    if (store_ram(cpu, addr, &val, size, mmu_idx, ra))
        return;
    for (unsigned i = 0; i < size; i++) {
        void *host = store_ptr(cpu, addr + i, 1, mmu_idx, ra, &full);
        if (host)
            *(uint8_t *)host = val >> (8 * i);
        else
            io_access(cpu, full, addr + i, 1, (uint8_t)(val >> (8 * i)), true);
    }
}

static uint64_t extend(uint64_t val, MemOp op)
{
    if (!(op & MO_SIGN))
        return val;
    uint64_t s = sextract64(val, 0, 8 * memop_size(op));
    return op & MO_SIGN32 ? (uint32_t)s : s;
}

/* Faults as a store would; nothing is marked as written. */
static void check_writable(CPUState *cpu, vaddr addr, unsigned size, unsigned mmu_idx, uintptr_t ra)
{
    TlbFull *full;
    unsigned first = crosses_page(addr, size) ? TCG_PAGE_SIZE - (addr & ~TCG_PAGE_MASK) : size;

    tlb_entry_for(cpu, addr, size, ACCESS_STORE, mmu_idx, false, ra, &full);
    if (first < size)
        tlb_entry_for(cpu, addr + first, size - first, ACCESS_STORE, mmu_idx, false, ra, &full);
}

static uint64_t slow_ld(void *env, vaddr addr, MemOpIdx oi, uintptr_t ra)
{
    CPUState *cpu = env_cpu(env);
    MemOp op = memopidx_op(oi);
    cpu->stats.tlb_slow++;
    check_aligned(cpu, addr, op, ACCESS_LOAD, ra);
    if (op & MO_WILL_STORE)
        check_writable(cpu, addr, memop_size(op), memopidx_mmu(oi), ra);
    return extend(cpu_ld(cpu, addr, memop_size(op), memopidx_mmu(oi), ra), op);
}

static void slow_st(void *env, vaddr addr, uint64_t val, MemOpIdx oi, uintptr_t ra)
{
    CPUState *cpu = env_cpu(env);
    MemOp op = memopidx_op(oi);
    cpu->stats.tlb_slow++;
    check_aligned(cpu, addr, op, ACCESS_STORE, ra);
    cpu_st(cpu, addr, memop_size(op), val, memopidx_mmu(oi), ra);
}

static uint64_t rmw_result(uint64_t old, uint64_t val, RmwOp op)
{
    switch (op) {
    case RMW_ADD: return old + val;
    case RMW_SUB: return old - val;
    case RMW_AND: return old & val;
    case RMW_OR: return old | val;
    case RMW_XOR: return old ^ val;
    case RMW_XCHG: return val;
    case RMW_NEG: return -old;
    case RMW_NOT: return ~old;
    case RMW_ANDC: return old & ~val;
    default: g_assert_not_reached();
    }
}

/* new = f(old), atomic where the host memory allows it. */
static uint64_t rmw(CPUState *cpu, vaddr addr, uint64_t cmp, uint64_t val, bool is_cmpxchg, RmwOp rop, MemOpIdx oi, uintptr_t ra)
{
    unsigned size = memop_size(memopidx_op(oi)), m = memopidx_mmu(oi);
    uint64_t mask = MASK64(8 * size);
    cpu->stats.tlb_slow++;
    check_aligned(cpu, addr, memopidx_op(oi), ACCESS_STORE, ra);
    TlbFull *full;
    /* Write permission first: a locked instruction faults as a write. */
    void *host = NULL;
    if (!crosses_page(addr, size))
        host = store_ptr(cpu, addr, size, m, ra, &full);
    if (!host) {
        if (crosses_page(addr, size)) {
            unsigned first = TCG_PAGE_SIZE - (addr & ~TCG_PAGE_MASK);
            tlb_entry_for(cpu, addr, size, ACCESS_STORE, m, false, ra, &full);
            tlb_entry_for(cpu, addr + first, size - first, ACCESS_STORE, m, false, ra, &full);
        }
        uint64_t old = cpu_ld(cpu, addr, size, m, ra);
        uint64_t new = is_cmpxchg ? (old == (cmp & mask) ? val : old) : rmw_result(old, val, rop);
        cpu_st(cpu, addr, size, new & mask, m, ra);
        return old;
    }
#define LOOP(type)                                                                                 \
    {                                                                                              \
        type old, new;                                                                             \
        memcpy(&old, host, sizeof old); /* may be misaligned, may tear: the exchange finds out */  \
        do {                                                                                       \
            new = is_cmpxchg ? (old == (type)cmp ? (type)val : old) : (type)rmw_result(old, val, rop); \
        } while (!__atomic_compare_exchange_n((type *)host, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)); \
        return old;                                                                                \
    }
    switch (size) {
    case 1: LOOP(uint8_t)
    case 2: LOOP(uint16_t)
    case 4: LOOP(uint32_t)
    default: LOOP(uint64_t)
    }
#undef LOOP
}

static uint64_t slow_rmw(void *env, vaddr addr, uint64_t val, MemOpIdx oi, uint32_t rop, uintptr_t ra)
{
    return rmw(env_cpu(env), addr, 0, val, false, rop & RMW_OP, oi, ra);
}

static uint64_t slow_cmpxchg(void *env, vaddr addr, uint64_t cmp, uint64_t val, MemOpIdx oi, uintptr_t ra)
{
    return rmw(env_cpu(env), addr, cmp, val, true, 0, oi, ra);
}

static void slow_ldv(void *env, vaddr addr, void *dst, MemOpIdx oi, uintptr_t ra)
{
    CPUState *cpu = env_cpu(env);
    MemOp op = memopidx_op(oi);
    unsigned size = memop_size(op), m = memopidx_mmu(oi);
    cpu->stats.tlb_slow++;
    check_aligned(cpu, addr, op, ACCESS_LOAD, ra);
    uint64_t v[4] = {0};
    if (load_ram(cpu, addr, v, size, m, ra))
        ;
    else if (size < 8)
        v[0] = cpu_ld(cpu, addr, size, m, ra);
    else
        for (unsigned i = 0; i < size / 8; i++)
            v[i] = cpu_ld(cpu, addr + 8 * i, 8, m, ra);
    memcpy(dst, v, size <= 16 ? 16 : 32);
}

static void slow_stv(void *env, vaddr addr, const void *src, MemOpIdx oi, uintptr_t ra)
{
    CPUState *cpu = env_cpu(env);
    MemOp op = memopidx_op(oi);
    unsigned size = memop_size(op), m = memopidx_mmu(oi);
    cpu->stats.tlb_slow++;
    check_aligned(cpu, addr, op, ACCESS_STORE, ra);
    uint64_t v[4] = {0};
    memcpy(v, src, size);
    if (store_ram(cpu, addr, src, size, m, ra))
        return;
    if (size < 8)
        cpu_st(cpu, addr, size, v[0], m, ra);
    else
        for (unsigned i = 0; i < size / 8; i++)
            cpu_st(cpu, addr + 8 * i, 8, v[i], m, ra);
}

/* Bytes of an x87 operand, 2 to 10: one piece of at most 8, and the rest. */
static void slow_x87(void *env, vaddr addr, void *buf, uint32_t ctl, uintptr_t ra)
{
    CPUState *cpu = env_cpu(env);
    MemOpIdx oi = ctl & SLOW_X87_OI;
    unsigned size = ctl >> SLOW_X87_BYTES_SHIFT & 15, m = memopidx_mmu(oi), first = MIN(size, 8u);
    uint64_t v[2] = {0};
    cpu->stats.tlb_slow++;
    check_aligned(cpu, addr, memopidx_op(oi), ctl & (SLOW_X87_PROBE | SLOW_X87_STORE) ? ACCESS_STORE : ACCESS_LOAD, ra);
    if (ctl & SLOW_X87_PROBE) {
        check_writable(cpu, addr, first, m, ra);
        if (size > first)
            check_writable(cpu, addr + first, size - first, m, ra);
        return;
    }
    if (ctl & SLOW_X87_STORE) {
        memcpy(v, buf, size);
        cpu_st(cpu, addr, first, v[0], m, ra);
        if (size > first)
            cpu_st(cpu, addr + first, size - first, v[1], m, ra);
        return;
    }
    v[0] = cpu_ld(cpu, addr, first, m, ra);
    if (size > first)
        v[1] = cpu_ld(cpu, addr + first, size - first, m, ra);
    memcpy(buf, v, sizeof v);
}

static const void *lookup_code(void *env) { return cpu_lookup_code(env_cpu(env)); }

void tlb_fill_slow_paths(TcgGuest *g)
{
    g->slow_ld = slow_ld;
    g->slow_st = slow_st;
    g->slow_rmw = slow_rmw;
    g->slow_cmpxchg = slow_cmpxchg;
    g->slow_ldv = slow_ldv;
    g->slow_stv = slow_stv;
    g->slow_x87 = slow_x87;
    g->lookup_code = lookup_code;
}

static void *probe(CPUState *cpu, vaddr addr, unsigned len, AccessType type, unsigned mmu_idx, bool nofault, bool *fault,
                   uintptr_t ra)
{
    TlbFull *full;
    TlbEntry *e = tlb_entry_for(cpu, addr, len, type, mmu_idx, nofault, ra, &full);
    if (!e) {
        *fault = true;
        return NULL;
    }
    uint64_t flags = entry_tag(e, type) & ~TCG_PAGE_MASK;
    if (flags & (TLB_MMIO | TLB_WATCH))
        return NULL;
    void *host = (void *)(uintptr_t)(addr + e->addend);
    if (type == ACCESS_STORE && (flags & TLB_NOTDIRTY))
        notdirty_write(cpu, full, addr, len, mmu_idx, ra);
    return host;
}

void *probe_access(CPUState *cpu, vaddr addr, unsigned len, AccessType type, unsigned mmu_idx, uintptr_t ra)
{
    return probe(cpu, addr, len, type, mmu_idx, false, NULL, ra);
}

void *probe_access_nofault(CPUState *cpu, vaddr addr, unsigned len, AccessType type, unsigned mmu_idx, bool *fault)
{
    *fault = false;
    return probe(cpu, addr, len, type, mmu_idx, true, fault, 0);
}

/* --- code --- */

ram_addr_t tlb_code_probe(CPUState *cpu, vaddr addr, bool *global)
{
    TlbFull *full;
    const TlbEntry *e = tlb_entry_for(cpu, addr, 1, ACCESS_CODE, cpu->ops->mmu_index(cpu->env), true, 0, &full);

    if (!e || full->ram_addr == NO_PAGE || (e->addr_code & TLB_MMIO))
        return NO_PAGE;
    *global = full->global;
    return full->ram_addr + (addr & ~TCG_PAGE_MASK);
}

ram_addr_t tlb_code_addr(CPUState *cpu, vaddr addr, const uint8_t **host, bool *global)
{
    TlbFull *full;
    TlbEntry *e = tlb_entry_for(cpu, addr, 1, ACCESS_CODE, cpu->ops->mmu_index(cpu->env), false, 0, &full);
    if (global)
        *global = full->global;
    if (full->ram_addr == NO_PAGE || (e->addr_code & TLB_MMIO))
        return NO_PAGE;
    if (host)
        *host = (const uint8_t *)(uintptr_t)(addr + e->addend);
    return full->ram_addr + (addr & ~TCG_PAGE_MASK);
}

uint8_t cpu_ldcode(CPUState *cpu, vaddr addr)
{
    vaddr page = addr & TCG_PAGE_MASK;
    if (likely(cpu->code_page.page == page))
        return cpu->code_page.host[addr - page];
    const uint8_t *host;
    if (tlb_code_addr(cpu, addr, &host, NULL) == NO_PAGE)
        return load_page(cpu, addr, 1, cpu->ops->mmu_index(cpu->env), ACCESS_CODE, 0);
    cpu->code_page.page = page;
    cpu->code_page.host = host - (addr - page);
    return *host;
}

/* --- physical access of page walks --- */

static void *phys_ptr(hwaddr addr, unsigned size, bool is_write)
{
    uint64_t len = size;
    void *p = physmem_map(&address_space_memory, addr, &len, is_write);
    return p && len >= size ? p : NULL;
}

uint64_t cpu_phys_ld(CPUState *cpu, hwaddr addr, unsigned size)
{
    rcu_section_enter();
    void *p = phys_ptr(addr, size, false);
    uint64_t v = p ? ldl_n(p, size) : 0;
    rcu_section_leave();
    if (p)
        return v;
    bool locked = bql_locked();
    if (!locked)
        bql_lock();
    v = physmem_ld(&address_space_memory, addr, size);
    if (!locked)
        bql_unlock();
    return v;
}

void cpu_phys_st(CPUState *cpu, hwaddr addr, unsigned size, uint64_t val)
{
    bool locked = bql_locked();
    if (!locked)
        bql_lock();
    physmem_st(&address_space_memory, addr, size, val);
    if (!locked)
        bql_unlock();
}

bool cpu_phys_cas(CPUState *cpu, hwaddr addr, unsigned size, uint64_t old, uint64_t val)
{
    rcu_section_enter();
    void *p = phys_ptr(addr, size, true);
    bool ok = true;
    if (p && size == 8) {
        ok = __atomic_compare_exchange_n((uint64_t *)p, &old, val, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    } else if (p) {
        uint32_t old32 = old;
        ok = __atomic_compare_exchange_n((uint32_t *)p, &old32, (uint32_t)val, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    if (p)
        physmem_unmap(&address_space_memory, p, ok ? size : 0);
    rcu_section_leave();
    if (!p)
        cpu_phys_st(cpu, addr, size, val);
    return ok;
}
