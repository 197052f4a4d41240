/* physmem.h - RAM blocks, and access to guest-physical memory by everyone but translated code. */
#ifndef SOFTMMU_PHYSMEM_H
#define SOFTMMU_PHYSMEM_H

#include "host/base/osdep.h"
#include "softmmu/memory.h"

struct RamBlock {
    char *name;
    uint8_t *host;
    uint64_t size;      /* bytes, multiple of 4 KiB */
    ram_addr_t offset;  /* start in the ram_addr_t space */
    MemoryRegion *mr;
    RamBlock *next;
};

struct MemSource;
/* src: where the memory comes from (host/base/mem.h); NULL: anonymous. */
RamBlock *ram_block_alloc(const char *name, uint64_t size, const struct MemSource *src, MemoryRegion *mr, GError **errp);
void ram_block_free(RamBlock *b);
RamBlock *ram_blocks(void); /* list head */
ram_addr_t ram_addr_end(void); /* one past the last ram_addr_t in use */
/* Host pointer for a ram_addr_t; NULL when out of range. */
uint8_t *ram_addr_to_host(ram_addr_t addr);

/* Copy; MMIO is accessed in naturally aligned pieces of up to 8 bytes; unassigned reads as all-ones,
 * writes to nothing and to ROM are dropped. Takes no lock for RAM; MMIO needs the BQL held by the caller.
 * Writes to RAM mark pages dirty and invalidate translated code (dirty.h). */
void physmem_read(AddressSpace *as, hwaddr addr, void *buf, uint64_t len);
void physmem_write(AddressSpace *as, hwaddr addr, const void *buf, uint64_t len);
/* As physmem_write, but also into ROM: loaders and the monitor. */
void physmem_write_rom(AddressSpace *as, hwaddr addr, const void *buf, uint64_t len);
uint64_t physmem_ld(AddressSpace *as, hwaddr addr, unsigned size); /* little-endian, size 1 2 4 8 */
void physmem_st(AddressSpace *as, hwaddr addr, unsigned size, uint64_t val);

/* Direct window: host pointer to [addr, addr + *len), *len shortened to what is contiguous RAM.
 * NULL: not RAM (or not writable). A writer calls physmem_unmap afterwards with the bytes written.
 * Any thread inside an RCU read section or the BQL. */
void *physmem_map(AddressSpace *as, hwaddr addr, uint64_t *len, bool is_write);
void physmem_unmap(AddressSpace *as, void *host, uint64_t len_written);

/* Port access as the CPU does it (under the BQL). size 1, 2, 4. Unassigned: all ones. */
uint64_t ioport_read(uint16_t port, unsigned size);
void ioport_write(uint16_t port, uint64_t val, unsigned size);
/* The port's device promises that its read needs no lock (MemoryOps.lockless_read). */
bool ioport_read_is_lockless(uint16_t port);

#endif
