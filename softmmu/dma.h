/* dma.h - memory access by devices (bus masters). The address space is the device's view of memory. */
#ifndef SOFTMMU_DMA_H
#define SOFTMMU_DMA_H

#include "softmmu/physmem.h"

static inline void dma_read(hwaddr addr, void *buf, uint64_t len)
{
    physmem_read(&address_space_memory, addr, buf, len);
}
static inline void dma_write(hwaddr addr, const void *buf, uint64_t len)
{
    physmem_write(&address_space_memory, addr, buf, len);
}
static inline uint64_t dma_ld(hwaddr addr, unsigned size) { return physmem_ld(&address_space_memory, addr, size); }
static inline void dma_st(hwaddr addr, unsigned size, uint64_t v) { physmem_st(&address_space_memory, addr, size, v); }

#endif
