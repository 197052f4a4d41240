/* memory.h - the tree of regions that makes an address space, and its flat, binary-searched form.
 * Regions are RAM, ROM, MMIO (callbacks), containers and aliases; where they overlap the higher
 * priority wins, and among equals the one added last. Changes are made under the BQL; each outermost
 * change (or memory_commit) rebuilds the flat view and calls the listeners. Ports use the same
 * mechanism in address_space_io. */
#ifndef SOFTMMU_MEMORY_H
#define SOFTMMU_MEMORY_H

#include "host/base/osdep.h"

typedef struct MemoryRegion MemoryRegion;
typedef struct AddressSpace AddressSpace;
typedef struct RamBlock RamBlock;

/* off: bytes from the start of the region; size 1, 2, 4 or 8. Called under the BQL. */
typedef struct MemoryOps {
    uint64_t (*read)(void *opaque, hwaddr off, unsigned size);
    void (*write)(void *opaque, hwaddr off, uint64_t val, unsigned size);
    /* Sizes that the callbacks take; other guest sizes are split or widened (little-endian).
     * 0 means 1 and 8 (min, max). */
    unsigned min_size, max_size;
    /* May be called without the BQL: pure functions of the clock (ACPI PM timer), or of what only the CPU changes while it
     * runs, touching nothing but memory that others look at as they would at guest RAM (VGA's planes). */
    bool lockless_read;
    /* Port accesses that are not naturally aligned are passed whole (Bochs VBE's 16-bit register at 1cfh). */
    bool unaligned;
    bool lockless_write;
} MemoryOps;

typedef enum MemoryKind { MR_CONTAINER, MR_RAM, MR_ROM, MR_MMIO, MR_ALIAS } MemoryKind;

struct MemoryRegion {
    char *name;
    MemoryKind kind;
    uint64_t size;
    bool enabled;
    const MemoryOps *ops; /* MR_MMIO, and writes to MR_ROM when not NULL (flash) */
    void *opaque;
    RamBlock *ram; /* MR_RAM, MR_ROM */
    uint64_t ram_offset; /* of this region inside its block (0) */
    MemoryRegion *alias;
    uint64_t alias_offset;
    bool alias_readonly; /* an alias to RAM that reads it and drops writes (PAM) */
    MemoryRegion *parent;
    hwaddr addr; /* within parent */
    int priority;
    GList *children; /* highest priority first */
};

/* All init functions: the caller owns the struct (usually inside a device's state), it lives until
 * memory_region_destroy. name is copied. */
void memory_region_init(MemoryRegion *mr, const char *name, uint64_t size); /* container */
bool memory_region_init_ram(MemoryRegion *mr, const char *name, uint64_t size, GError **errp);
struct MemSource; /* host/base/mem.h */
bool memory_region_init_ram_from(MemoryRegion *mr, const char *name, uint64_t size, const struct MemSource *src, GError **errp);
bool memory_region_init_rom(MemoryRegion *mr, const char *name, uint64_t size, GError **errp);
void memory_region_init_io(MemoryRegion *mr, const MemoryOps *ops, void *opaque, const char *name,
                           uint64_t size);
void memory_region_init_alias(MemoryRegion *mr, const char *name, MemoryRegion *target,
                              hwaddr offset, uint64_t size);
void memory_region_destroy(MemoryRegion *mr); /* must have no parent */

void memory_region_add(MemoryRegion *parent, hwaddr addr, MemoryRegion *child, int priority);
void memory_region_del(MemoryRegion *parent, MemoryRegion *child);
void memory_region_set_enabled(MemoryRegion *mr, bool enabled);
void memory_region_set_address(MemoryRegion *mr, hwaddr addr);
void memory_region_set_alias_offset(MemoryRegion *mr, hwaddr offset);
void memory_region_set_readonly(MemoryRegion *mr, bool readonly); /* alias to RAM */
/* Group several changes into one rebuild. Nests. */
void memory_begin(void);
void memory_commit(void);

/* The leaf (RAM, ROM or MMIO) that answers at off inside mr, and the offset inside that leaf; NULL: nothing.
 * It looks at the tree, not at a flat view, so mr may be covered or be no part of an address space. */
MemoryRegion *memory_region_find(MemoryRegion *mr, hwaddr off, hwaddr *leaf_off);

/* Host pointer to a RAM/ROM region's bytes. */
uint8_t *memory_region_ram_ptr(const MemoryRegion *mr);
uint64_t memory_region_ram_size(const MemoryRegion *mr);

/* One piece of the flat view; the pieces are sorted and do not overlap. */
typedef struct FlatRange {
    hwaddr start;
    uint64_t size;
    MemoryRegion *mr;       /* leaf: RAM, ROM or MMIO */
    uint64_t mr_offset;     /* of `start` inside mr */
    bool readonly;          /* ROM, or RAM seen through a read-only alias */
} FlatRange;

typedef struct FlatView {
    FlatRange *ranges;
    unsigned count;
} FlatView;

struct AddressSpace {
    const char *name;
    MemoryRegion *root;
    FlatView *view; /* replaced as a whole; the old one is freed after all vCPUs passed a safe point (liburcu) */
};

/* The two spaces of the machine; created by memory_init(). Root containers: "system", "io". */
extern AddressSpace address_space_memory, address_space_io;
void memory_init(void);   /* once per machine (tests: once per test) */
void memory_shutdown(void); /* frees everything memory_init made */

/* The piece that holds addr, or NULL when nothing is there. Any thread inside an RCU read section or the BQL. */
const FlatRange *address_space_lookup(const AddressSpace *as, hwaddr addr);

/* Called under the BQL after a rebuild that changed something; softmmu's users above (TLBs) flush. */
typedef void MemoryListener(void *opaque, AddressSpace *as);
void memory_listener_add(MemoryListener *fn, void *opaque);
void memory_listener_remove(MemoryListener *fn, void *opaque);

/* Run one region access as a device sees it: size split/widened as the ops ask. Under the BQL. */
uint64_t memory_region_read(MemoryRegion *mr, hwaddr off, unsigned size);
void memory_region_write(MemoryRegion *mr, hwaddr off, uint64_t val, unsigned size);

/* `info mtree [-f]` */
void memory_print_tree(GString *out, bool flat);

#endif
