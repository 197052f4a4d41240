/* cputlb.h - the soft TLB: filling, flushing, and guest memory access from C (helpers, slow paths).
 * All in the vCPU's own thread unless said otherwise. */
#ifndef ACCEL_CPUTLB_H
#define ACCEL_CPUTLB_H

#include "accel/cpu.h"

/* Called by CPUOps.tlb_fill: map the page of vaddr to paddr's page for mmu_idx. prot: PROT_*; page_size:
 * of the guest's page-table entry (4K, 2M, 4M, 1G), for invlpg; global: survives tlb_flush_nonglobal. */
void tlb_set_page(CPUState *cpu, vaddr addr, hwaddr paddr, int prot, unsigned mmu_idx, uint64_t page_size, bool global);

void tlb_flush(CPUState *cpu);                  /* everything, and the jump cache */
void tlb_flush_nonglobal(CPUState *cpu);        /* of the current address space: CR3 write */
void tlb_flush_page(CPUState *cpu, vaddr addr); /* INVLPG, all modes; of other address spaces the global page only */
/* Address spaces with numbers (x86: PCID). What is not global belongs to the space that was current when it was
 * filled; a few spaces are remembered, so that going back to one costs no fills. A CPU starts in space 0. */
void tlb_set_space(CPUState *cpu, uint32_t space, bool keep); /* !keep: drop what is remembered of it */
void tlb_drop_space(CPUState *cpu, uint32_t space);           /* all but global pages */
void tlb_drop_all_spaces(CPUState *cpu);                      /* of every space, all but global pages */
void tlb_flush_from_other_thread(CPUState *cpu); /* memory map changed: done before the CPU's next TB */
void tlb_set_watch(CPUState *cpu, vaddr addr, uint64_t len, bool on); /* pages with data breakpoints */

/* Guest access as the guest's instruction makes it; faults raise. ra as in cpu_restore_state(). */
uint64_t cpu_ld(CPUState *cpu, vaddr addr, unsigned size, unsigned mmu_idx, uintptr_t ra); /* zero-extended */
void cpu_st(CPUState *cpu, vaddr addr, unsigned size, uint64_t val, unsigned mmu_idx, uintptr_t ra);
/* Host address of [addr, addr + size) where translated code would access it without its slow path: within one page that the
 * TLB has, without flags. Else NULL, and nothing has happened. Valid until the TLB is asked for something else. */
static inline void *tlb_host(const TcgEnvHead *head, vaddr addr, unsigned size, AccessType type, unsigned mmu_idx)
{
    const TlbFast *f = &head->tlb[mmu_idx];
    const TlbEntry *e = (const TlbEntry *)(const void *)((const uint8_t *)f->table + (addr >> (TCG_PAGE_BITS - TLB_ENTRY_BITS) & f->mask));
    uint64_t tag = type == ACCESS_STORE ? e->addr_write : e->addr_read;
    return ((addr + size - 1) & TCG_PAGE_MASK) == tag ? (void *)(uintptr_t)(addr + e->addend) : NULL;
}
/* Translator: code bytes; mmu_idx of the current mode. The bytes' pages are noted for the TB. */
uint8_t cpu_ldcode(CPUState *cpu, vaddr addr);
/* For the front end, about the instruction that it has just read: where the immediate at addr (linear; 1 to 8 bytes)
 * is in host memory if the guest patches it often, else NULL. Not NULL: the code must read it there whenever the
 * instruction runs, for tb will not be invalidated when it changes. */
const void *tb_patched_immediate(CPUState *cpu, TB *tb, vaddr addr, unsigned len);

/* Host pointer for [addr, addr+len) within one page, checked for `type`; faults raise. NULL: not plain
 * RAM (MMIO, watch) - use cpu_ld/cpu_st. For stores the page is made ready (TBs invalidated, dirty set). */
void *probe_access(CPUState *cpu, vaddr addr, unsigned len, AccessType type, unsigned mmu_idx, uintptr_t ra);
/* As above but a fault returns NULL with *fault set and nothing raised. */
void *probe_access_nofault(CPUState *cpu, vaddr addr, unsigned len, AccessType type, unsigned mmu_idx, bool *fault);

/* Page walks: physical access from the CPU (little-endian), A20 already applied by the caller. */
uint64_t cpu_phys_ld(CPUState *cpu, hwaddr addr, unsigned size);
void cpu_phys_st(CPUState *cpu, hwaddr addr, unsigned size, uint64_t val);
/* Atomic compare-and-swap on a page-table entry of 4 or 8 bytes. false: it changed meanwhile. Not RAM: plain write, true. */
bool cpu_phys_cas(CPUState *cpu, hwaddr addr, unsigned size, uint64_t old, uint64_t val);

#endif
