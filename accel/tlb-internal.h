/* tlb-internal.h - what cputlb.c (tables, flushes, filling) and tlb-access.c (accesses from C) share. */
#ifndef ACCEL_TLB_INTERNAL_H
#define ACCEL_TLB_INTERNAL_H

#include "accel/internal.h"

typedef struct TlbFull { /* beside each TlbEntry */
    MemoryRegion *mr;      /* what is there; NULL: unassigned */
    uint64_t mr_offset;    /* of the page's first byte in mr */
    hwaddr paddr;          /* page */
    ram_addr_t ram_addr;   /* page; NO_PAGE: no RAM or ROM */
    uint8_t page_bits;     /* of the guest's mapping: 12, 21, 22, 30 */
    bool global;
    uint8_t listed;        /* bit k: the slot is in ModeTlb.filled[k] */
} TlbFull;

static inline uint64_t entry_tag(const TlbEntry *e, AccessType type)
{
    return type == ACCESS_LOAD ? e->addr_read : type == ACCESS_STORE ? e->addr_write : e->addr_code;
}

/* The tag is for this page, whatever its flags but INVALID. */
static inline bool tag_hits(uint64_t tag, vaddr addr)
{
    return (addr & TCG_PAGE_MASK) == (tag & (TCG_PAGE_MASK | TLB_INVALID));
}

/* The entry for addr, filled if needed, and the facts beside it. NULL only for a probe that faults. */
TlbEntry *tlb_entry_for(CPUState *cpu, vaddr addr, unsigned size, AccessType type, unsigned mmu_idx, bool probe,
                        uintptr_t ra, TlbFull **full);

#endif
