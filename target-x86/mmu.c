/* mmu.c - guest page tables: the walk that fills the soft TLB, page faults, and the walk without side effects.
 * Spec: Intel SDM vol. 3, chapter 4 (32-bit, PAE, 4-level and 5-level paging; access rights; error codes). */
#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "host/base/log.h"
#include "target-x86/sys.h"

enum {
    PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 1 << 5, PTE_D = 1 << 6, PTE_PS = 1 << 7, PTE_G = 1 << 8,
};
#define PTE_NX (1ULL << 63)
#define PTE_ADDR 0x000ffffffffff000ULL
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_ID = 16, PF_PK = 32 };

typedef struct Walk {
    hwaddr paddr;       /* of the address itself */
    uint64_t page_size;
    int prot;
    bool global;
} Walk;

/* Bits of a long-format entry that must be zero. */
static uint64_t reserved_mask(const CPUX86State *env)
{
    uint64_t r = PTE_ADDR & ~MASK64(env->phys_bits);
    if (!(env->efer & EFER_NXE))
        r |= PTE_NX;
    if (!cpu_lma(env))
        r |= 0x7ff0000000000000ULL;
    return r;
}

void mmu_flush_all(CPUX86State *env)
{
    tlb_flush(env->cpu);
    tlb_set_space(env->cpu, mmu_pcid(env), true);
}

bool mmu_load_pdptes(CPUX86State *env, uint64_t cr3, uint64_t out[4])
{
    for (int i = 0; i < 4; i++) {
        out[i] = cpu_phys_ld(env->cpu, ((cr3 & 0xffffffe0u) + i * 8) & env->a20_mask, 8);
        if ((out[i] & PTE_P) && (out[i] & (0x1e6 | ~MASK64(env->phys_bits))))
            return false;
    }
    return true;
}

/* What is walked: one level's entry, where it lies, and the rights collected so far. */
typedef struct WalkState {
    CPUX86State *env;
    bool debug;          /* no A/D updates */
    AccessType type;
    unsigned mmu_idx;
    uint64_t user, write, nx; /* PTE_U and PTE_W of all levels ANDed; PTE_NX ORed */
    bool retry;
} WalkState;

static uint64_t read_entry(WalkState *w, hwaddr addr, unsigned size)
{
    return cpu_phys_ld(w->env->cpu, addr & w->env->a20_mask, size);
}

/* Set bits in an entry; a concurrent change restarts the walk. */
static uint64_t mark_entry(WalkState *w, hwaddr addr, unsigned size, uint64_t entry, uint64_t bits)
{
    if (w->debug || (entry & bits) == bits)
        return entry;
    if (!cpu_phys_cas(w->env->cpu, addr & w->env->a20_mask, size, entry, entry | bits))
        w->retry = true;
    return entry | bits;
}

static void collect_rights(WalkState *w, uint64_t entry)
{
    w->user &= entry;
    w->write &= entry;
    w->nx |= entry & PTE_NX;
}

static int access_error(const WalkState *w, int bits)
{
    const CPUX86State *env = w->env;
    if (w->type == ACCESS_STORE)
        bits |= PF_W;
    if (w->mmu_idx == MMU_USER)
        bits |= PF_U;
    if (w->type == ACCESS_CODE && (((env->efer & EFER_NXE) && (env->cr[4] & CR4_PAE)) || (env->cr[4] & CR4_SMEP)))
        bits |= PF_ID;
    return bits;
}

/* The rights of a page for this mode. */
static int page_prot(const WalkState *w)
{
    const CPUX86State *env = w->env;
    int prot = PROT_R | PROT_X;
    if (w->mmu_idx == MMU_USER) {
        if (!w->user)
            return 0;
        if (w->write)
            prot |= PROT_W;
    } else {
        if (w->write || !(env->cr[0] & CR0_WP))
            prot |= PROT_W;
        if (w->user) {
            if ((env->cr[4] & CR4_SMAP) && w->mmu_idx != MMU_KNOSMAP)
                prot &= ~(PROT_R | PROT_W);
            if (env->cr[4] & CR4_SMEP)
                prot &= ~PROT_X;
        }
    }
    if (w->nx && (env->efer & EFER_NXE))
        prot &= ~PROT_X;
    return prot;
}

/* What the protection key of a user page leaves; 62:59 of the leaf. Spec: SDM vol. 3, 4.6.2. */
static int key_prot(const WalkState *w, uint64_t entry)
{
    CPUX86State *env = w->env;
    if (!(env->cr[4] & CR4_PKE) || !cpu_lma(env) || !w->user)
        return PROT_R | PROT_W | PROT_X;
    unsigned key = entry >> 59 & 15;
    if (!w->debug)
        env->pk_seen |= (entry & PTE_G ? 0x10001u : 1u) << key;
    bool no_access = env->pkru >> (2 * key) & 1, no_write = env->pkru >> (2 * key + 1) & 1;
    if (no_access)
        return PROT_X;
    return no_write && (w->mmu_idx == MMU_USER || (env->cr[0] & CR0_WP)) ? PROT_R | PROT_X : PROT_R | PROT_W | PROT_X;
}

void cpu_set_pkru(CPUX86State *env, uint32_t val)
{
    uint32_t diff = env->pkru ^ val, keys = 0;
    for (unsigned key = 0; diff && key < 16; key++)
        keys |= (diff >> (2 * key) & 3 ? 1u : 0) << key;
    env->pkru = val;
    if (env->pk_seen >> 16 & keys) {
        tlb_flush(env->cpu);
        env->pk_seen = 0;
    } else if (env->pk_seen & keys) {
        tlb_drop_all_spaces(env->cpu);
        env->pk_seen = (env->pk_seen & 0xffff0000u) | env->pk_seen >> 16;
    }
}

static int needed_prot(AccessType t) { return t == ACCESS_LOAD ? PROT_R : t == ACCESS_STORE ? PROT_W : PROT_X; }

/* The last level: rights, A and D, result. Returns -1, or a page-fault code. */
static int finish_leaf(WalkState *w, hwaddr entry_addr, unsigned size, uint64_t entry, uint64_t page, uint64_t page_size,
                       vaddr addr, Walk *out)
{
    int need = needed_prot(w->type), key = key_prot(w, entry), prot = page_prot(w) & key;
    if (!w->debug && !(prot & need))
        return access_error(w, key & need ? PF_P : PF_P | PF_PK);
    entry = mark_entry(w, entry_addr, size, entry, PTE_A | (w->type == ACCESS_STORE ? PTE_D : 0));
    if (!(entry & PTE_D))
        prot &= ~PROT_W; /* the first store comes back here and sets D */
    out->paddr = (page + (addr & (page_size - 1))) & w->env->a20_mask;
    out->page_size = page_size;
    out->prot = prot;
    out->global = (entry & PTE_G) && (w->env->cr[4] & CR4_PGE);
    return -1;
}

static int walk_32(WalkState *w, vaddr addr, Walk *out)
{
    CPUX86State *env = w->env;
    hwaddr pde_addr = (env->cr[3] & 0xfffff000u) + (addr >> 20 & 0xffc);
    uint64_t pde = read_entry(w, pde_addr, 4);
    if (!(pde & PTE_P))
        return access_error(w, 0);
    collect_rights(w, pde);
    if ((pde & PTE_PS) && (env->cr[4] & CR4_PSE)) {
        /* PSE-36: bits 13-20 are address bits 32-39 */
        uint64_t page = (pde & 0xffc00000u) | (pde >> 13 & 0xff) << 32;
        if ((pde & 1 << 21) || (cpu_has(env, X86F_PSE36) ? page >> env->phys_bits : pde & 0x1fe000))
            return access_error(w, PF_P | PF_RSVD);
        return finish_leaf(w, pde_addr, 4, pde, page, 4 * MiB, addr, out);
    }
    mark_entry(w, pde_addr, 4, pde, PTE_A);
    hwaddr pte_addr = (pde & 0xfffff000u) + (addr >> 10 & 0xffc);
    uint64_t pte = read_entry(w, pte_addr, 4);
    if (!(pte & PTE_P))
        return access_error(w, 0);
    collect_rights(w, pte);
    return finish_leaf(w, pte_addr, 4, pte, pte & 0xfffff000u, 4 * KiB, addr, out);
}

/* PAE and IA-32e: `level` 5, 4 or 2 down to 1, nine address bits each. */
static int walk_long(WalkState *w, vaddr addr, Walk *out)
{
    CPUX86State *env = w->env;
    uint64_t reserved = reserved_mask(env), table;
    int level;
    if (cpu_lma(env)) {
        table = env->cr[3] & PTE_ADDR;
        level = env->cr[4] & CR4_LA57 ? 5 : 4;
    } else {
        uint64_t pdpte = env->pdptes[addr >> 30 & 3];
        if (!(pdpte & PTE_P))
            return access_error(w, 0);
        table = pdpte & PTE_ADDR;
        level = 2;
    }
    for (;; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        hwaddr entry_addr = table + (addr >> shift & 0x1ff) * 8;
        uint64_t entry = read_entry(w, entry_addr, 8);
        if (!(entry & PTE_P))
            return access_error(w, 0);
        if (entry & reserved)
            return access_error(w, PF_P | PF_RSVD);
        collect_rights(w, entry);
        if (level > 1 && (entry & PTE_PS)) {
            if (level >= 4 || (level == 3 && !cpu_has(env, X86F_PDPE1GB)))
                return access_error(w, PF_P | PF_RSVD);
            uint64_t size = 1ULL << shift, low = (size - 1) & PTE_ADDR & ~0x1000ULL; /* bit 12 is PAT */
            if (entry & low)
                return access_error(w, PF_P | PF_RSVD);
            return finish_leaf(w, entry_addr, 8, entry, entry & PTE_ADDR & ~(size - 1), size, addr, out);
        }
        if (level == 1)
            return finish_leaf(w, entry_addr, 8, entry, entry & PTE_ADDR, 4 * KiB, addr, out);
        mark_entry(w, entry_addr, 8, entry, PTE_A);
        table = entry & PTE_ADDR;
    }
}

/* -1 and *out, or the error code of the page fault. */
static int walk(CPUX86State *env, vaddr addr, AccessType type, unsigned mmu_idx, bool debug, Walk *out)
{
    for (;;) {
        WalkState w = {.env = env, .debug = debug, .type = type, .mmu_idx = mmu_idx, .user = PTE_U, .write = PTE_W};
        int err = env->cr[4] & CR4_PAE ? walk_long(&w, addr, out) : walk_32(&w, addr, out);
        if (!w.retry)
            return err;
    }
}

static void log_fill(const char *what, vaddr linear, AccessType type, unsigned mmu_idx, const Walk *r)
{
    static const char *const access_name[] = {[ACCESS_LOAD] = "load", [ACCESS_STORE] = "store", [ACCESS_CODE] = "code"};
    log_write("mmu: fill %s %016" PRIx64 " mmu_idx=%u -> %016" PRIx64 " %c%c%c size=%" PRIx64 "%s%s\n", access_name[type], linear,
              mmu_idx, r->paddr, r->prot & PROT_R ? 'r' : '-', r->prot & PROT_W ? 'w' : '-', r->prot & PROT_X ? 'x' : '-',
              r->page_size, r->global ? " global" : "", what);
}

static bool is_near(const CPUX86State *env, vaddr addr, int reg) { return (uint32_t)(addr - env->head.gpr[reg]) < 8; }

/* MOVS and CMPS: is it the operand in ES? The other one is at rSI of a flat segment then, or in one whose limit has been
 * checked. */
static bool is_second_operand(const CPUX86State *env, vaddr addr, AccessType type)
{
    return type == ACCESS_STORE || !(env->insn_stack & INSN_OPERAND) || !is_near(env, addr, R_ESI);
}

/* An operand across the end of what is flat. */
static bool segment_is_flat(const CPUX86State *env, vaddr addr, AccessType type)
{
    if ((env->insn_stack & INSN_TWO) && is_second_operand(env, addr, type))
        return (env->insn_stack & INSN_STACK) && is_near(env, addr, R_EDI);
    return env->insn_stack & (INSN_STACK | INSN_OPERAND);
}

/* Does the access go through SS? The instruction tells; where it uses the stack and an operand in memory, the address
 * does, since whichever of them faults is the one that is out of range.
 * Spec: Intel SDM vol. 1, table 3-5; vol. 2, table 2-7. */
static bool access_is_stack(const CPUX86State *env, vaddr addr, AccessType type)
{
    if (env->insn_stack & INSN_TWO)
        return (env->insn_stack & INSN_OPERAND_SS) && !is_second_operand(env, addr, type);
    if (env->insn_stack & INSN_STACK) {
        uint64_t from_top = addr - env->head.gpr[R_ESP] + 16;
        if (!(env->insn_stack & INSN_OPERAND) || (cpu_is_64(env) ? from_top : (uint32_t)from_top) < 32)
            return true;
    }
    return env->insn_stack & INSN_OPERAND_SS;
}

void raise_not_canonical(CPUX86State *env, vaddr addr, AccessType type, uintptr_t ra)
{
    bool ss = type != ACCESS_CODE && cpu_restore_state(env->cpu, ra) && access_is_stack(env, addr, type);
    raise_exception_err(env, ss ? EXCP_SS : EXCP_GP, 0, 0);
}

void raise_misaligned(CPUX86State *env, vaddr addr, AccessType type, uintptr_t ra)
{
    if (cpu_is_64(env) && !is_canonical(env, addr))
        raise_not_canonical(env, addr, type, ra);
    raise_exception_err(env, EXCP_GP, 0, ra);
}

/* Limits come before paging. These are looked at only when a page fault is near: code that runs on beyond the end of CS,
 * a program's operand across the end of a flat segment, and in 64-bit mode one that is canonical in its first bytes only. */
bool mmu_beyond_limit(CPUX86State *env, vaddr addr, unsigned size, AccessType type, unsigned mmu_idx, uintptr_t ra)
{
    if (cpu_is_64(env))
        return type != ACCESS_CODE && !(addr >> 63) && is_canonical(env, addr) && !is_canonical(env, addr + size - 1);
    if (type == ACCESS_CODE)
        return (uint32_t)(addr - env->segs[R_CS].base) > env->segs[R_CS].limit;
    bool crosses = addr >> 12 == 0xfffff ? addr + size > 1ULL << 32 : addr == 1ULL << 32;
    return crosses && mmu_idx == MMU_USER && cpu_restore_state(env->cpu, ra) && segment_is_flat(env, addr, type);
}

bool x86_tlb_fill(CPUState *cpu, vaddr addr, unsigned size, AccessType type, unsigned mmu_idx, bool probe, uintptr_t ra)
{
    CPUX86State *env = X86_ENV(cpu);
    vaddr linear = cpu_linear(env, addr);
    Walk r;

    if (!(env->cr[0] & CR0_PG)) {
        r = (Walk){.paddr = linear & env->a20_mask, .page_size = TCG_PAGE_SIZE, .prot = PROT_R | PROT_W | PROT_X};
        if (log_enabled(LOG_MMU))
            log_fill(" (no paging)", linear, type, mmu_idx, &r);
        tlb_set_page(cpu, addr & TCG_PAGE_MASK, linear & env->a20_mask & TCG_PAGE_MASK, PROT_R | PROT_W | PROT_X, mmu_idx,
                     TCG_PAGE_SIZE, false);
        return true;
    }
    if (cpu_lma(env) && !is_canonical(env, linear)) {
        if (probe)
            return false;
        raise_not_canonical(env, linear, type, ra);
    }
    int err = walk(env, linear, type, mmu_idx, false, &r);
    if (err >= 0 && !probe && mmu_beyond_limit(env, addr, size, type, mmu_idx, ra))
        raise_not_canonical(env, linear, type, ra);
    if (err < 0) {
        if (log_enabled(LOG_MMU))
            log_fill("", linear, type, mmu_idx, &r);
        tlb_set_page(cpu, addr & TCG_PAGE_MASK, r.paddr & TCG_PAGE_MASK, r.prot, mmu_idx, r.page_size, r.global);
        return true;
    }
    if (probe)
        return false;
    log_print(LOG_MMU, "mmu: page fault at %016" PRIx64 " mmu_idx=%u error=%02x cr3=%016" PRIx64 "\n", linear, mmu_idx, err,
              env->cr[3]);
    env->cr[2] = linear;
    raise_exception_err(env, EXCP_PF, err, ra);
}

hwaddr x86_phys_page_debug(CPUState *cpu, vaddr addr)
{
    CPUX86State *env = X86_ENV(cpu);
    Walk r;
    addr = cpu_linear(env, addr);
    if (!(env->cr[0] & CR0_PG))
        return addr & env->a20_mask & TCG_PAGE_MASK;
    if (cpu_lma(env) && !is_canonical(env, addr))
        return ~0ULL;
    if (walk(env, addr, ACCESS_LOAD, MMU_KERNEL, true, &r) >= 0)
        return ~0ULL;
    return r.paddr & TCG_PAGE_MASK;
}
