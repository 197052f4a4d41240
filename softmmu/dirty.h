/* dirty.h - per-page dirty bits of RAM, by client. A page whose CODE bit is clean holds translated
 * code: whoever writes it (CPU slow path, DMA, monitor) must tell the translator first. */
#ifndef SOFTMMU_DIRTY_H
#define SOFTMMU_DIRTY_H

#include "host/base/osdep.h"

enum { DIRTY_PAGE_BITS = 12 };
typedef enum DirtyClient { DIRTY_VGA, DIRTY_CODE, DIRTY_MIGRATION, DIRTY_CLIENTS } DirtyClient;

/* All are safe from any thread; bits are atomics. */
bool dirty_get(DirtyClient c, ram_addr_t addr);               /* page of addr */
bool dirty_any(DirtyClient c, ram_addr_t addr, uint64_t len);
void dirty_set(DirtyClient c, ram_addr_t addr, uint64_t len);
/* All clients that a plain write dirties (VGA, MIGRATION); CODE is handled by dirty_write(). */
void dirty_set_all_but_code(ram_addr_t addr, uint64_t len);
bool dirty_all_set(ram_addr_t addr); /* every client's bit: a CPU store needs no slow path */

/* Clear the bits so that later writes are seen; the CPUs' TLBs are told (dirty_set_hooks). */
void dirty_clear(DirtyClient c, ram_addr_t addr, uint64_t len);

/* A write of len bytes at addr is about to happen, from outside translated code: invalidates
 * TBs that overlap and sets the dirty bits. */
void dirty_write(ram_addr_t addr, uint64_t len);

/* Hooks that accel registers once. */
typedef struct DirtyHooks {
    void (*invalidate_code)(ram_addr_t addr, uint64_t len); /* a write to a page whose CODE bit is clean */
    void (*protect)(ram_addr_t addr, uint64_t len); /* bits were cleared: stores must take the slow path */
} DirtyHooks;
void dirty_set_hooks(const DirtyHooks *hooks);

/* RAM grew to ram_addr_end(): new pages start with all bits set. */
void dirty_resize(ram_addr_t end);

#endif
