/* physmem.c - RAM blocks, and access to physical memory and ports for all but translated code.
 * Access to RAM takes no lock; access to devices is made by callers that hold the BQL. Accesses are
 * cut at region ends and, for devices, into naturally aligned pieces of at most 8 bytes. */
#include "softmmu/physmem.h"

#include "host/base/bitops.h"
#include "host/base/log.h"
#include "host/base/mem.h"
#include "softmmu/dirty.h"
#include "softmmu/rcu.h"

static RamBlock *block_list;
static ram_addr_t ram_end;

/* --- blocks --- */

RamBlock *ram_block_alloc(const char *name, uint64_t size, const MemSource *src, MemoryRegion *mr, GError **errp)
{
    RamBlock *b;
    uint64_t len = ROUND_UP(size, 4096ULL);
    uint8_t *host;

    if (len < size || len == 0 || len > (1ULL << 40)) {
        error_set(errp, "memory '%s' of %" PRIu64 " bytes is too large (at most 1 TiB)", name, size);
        return NULL;
    }
    host = mem_alloc_ram_from(len, src, errp);
    if (!host)
        return NULL;
    b = g_new0(RamBlock, 1);
    b->name = g_strdup(name);
    b->host = host;
    b->size = len;
    b->mr = mr;
    /* Blocks start at 2 MiB steps of the ram_addr_t space: offsets and huge pages then agree. */
    b->offset = ROUND_UP(ram_end, 2 * MiB);
    ram_end = b->offset + len;
    dirty_resize(ram_end);
    b->next = block_list;
    __atomic_store_n(&block_list, b, __ATOMIC_RELEASE);
    return b;
}

void ram_block_free(RamBlock *b)
{
    for (RamBlock **p = &block_list; *p; p = &(*p)->next)
        if (*p == b) {
            *p = b->next;
            break;
        }
    if (!block_list) { /* tests build many machines in one process */
        ram_end = 0;
        dirty_resize(0);
    }
    synchronize_rcu();
    mem_free(b->host, b->size);
    g_free(b->name);
    g_free(b);
}

RamBlock *ram_blocks(void)
{
    return __atomic_load_n(&block_list, __ATOMIC_ACQUIRE);
}

ram_addr_t ram_addr_end(void)
{
    return ram_end;
}

uint8_t *ram_addr_to_host(ram_addr_t addr)
{
    for (RamBlock *b = ram_blocks(); b; b = b->next)
        if (addr - b->offset < b->size)
            return b->host + (addr - b->offset);
    return NULL;
}

/* --- access --- */

static inline uint8_t *range_host(const FlatRange *r, hwaddr addr)
{
    return r->mr->ram->host + r->mr->ram_offset + r->mr_offset + (addr - r->start);
}

static inline ram_addr_t range_ram_addr(const FlatRange *r, hwaddr addr)
{
    return r->mr->ram->offset + r->mr->ram_offset + r->mr_offset + (addr - r->start);
}

static inline hwaddr range_offset(const FlatRange *r, hwaddr addr)
{
    return r->mr_offset + (addr - r->start);
}

static inline bool range_is_ram(const FlatRange *r)
{
    return r->mr->ram != NULL;
}

/* Bytes from addr to where the next region begins, when nothing is at addr. */
static uint64_t gap_after(const AddressSpace *as, hwaddr addr, uint64_t len)
{
    const FlatView *v = __atomic_load_n(&as->view, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; v && i < v->count; i++)
        if (v->ranges[i].start > addr)
            return MIN(len, v->ranges[i].start - addr);
    return len;
}

/* Largest naturally aligned power of two up to 8 that fits into the device's region. A register decodes
 * the whole access by its address, even when another region covers some of the bytes (cf8h with the
 * reset port at cf9h inside it). */
static unsigned piece_size(const MemoryRegion *mr, hwaddr off, uint64_t len)
{
    unsigned s = 8;

    len = MIN(len, mr->size - off);
    while (s > 1 && ((off & (s - 1)) || s > len))
        s /= 2;
    return s;
}

void physmem_read(AddressSpace *as, hwaddr addr, void *buf, uint64_t len)
{
    uint8_t *p = buf;

    rcu_section_enter();
    while (len) {
        const FlatRange *r = address_space_lookup(as, addr);
        uint64_t n;
        if (!r) {
            n = gap_after(as, addr, len);
            memset(p, 0xff, n);
        } else if (range_is_ram(r)) {
            n = MIN(len, r->size - (addr - r->start));
            memcpy(p, range_host(r, addr), n);
        } else {
            hwaddr off = r->mr_offset + (addr - r->start);
            n = piece_size(r->mr, off, len);
            uint64_t v = memory_region_read(r->mr, off, (unsigned)n);
            memcpy(p, &v, n);
        }
        p += n;
        addr += n;
        len -= n;
    }
    rcu_section_leave();
}

static void write_pieces(AddressSpace *as, hwaddr addr, const uint8_t *p, uint64_t len, bool into_rom)
{
    rcu_section_enter();
    while (len) {
        const FlatRange *r = address_space_lookup(as, addr);
        uint64_t n;
        if (!r) {
            n = gap_after(as, addr, len);
        } else if (range_is_ram(r) && (!r->readonly || into_rom)) {
            n = MIN(len, r->size - (addr - r->start));
            memcpy(range_host(r, addr), p, n);
            dirty_write(range_ram_addr(r, addr), n);
        } else if (r->readonly && !r->mr->ops) {
            n = MIN(len, r->size - (addr - r->start));
        } else {
            hwaddr off = r->mr_offset + (addr - r->start);
            n = piece_size(r->mr, off, len);
            uint64_t v = 0;
            memcpy(&v, p, n);
            memory_region_write(r->mr, off, v, (unsigned)n);
        }
        p += n;
        addr += n;
        len -= n;
    }
    rcu_section_leave();
}

void physmem_write(AddressSpace *as, hwaddr addr, const void *buf, uint64_t len)
{
    write_pieces(as, addr, buf, len, false);
}

void physmem_write_rom(AddressSpace *as, hwaddr addr, const void *buf, uint64_t len)
{
    write_pieces(as, addr, buf, len, true);
}

uint64_t physmem_ld(AddressSpace *as, hwaddr addr, unsigned size)
{
    const FlatRange *r;
    uint64_t v = 0;

    rcu_section_enter();
    r = address_space_lookup(as, addr);
    if (likely(r && range_is_ram(r) && r->size - (addr - r->start) >= size)) {
        const uint8_t *p = range_host(r, addr);
        switch (size) { /* one host load each: the guest's page tables are read while others write them */
        case 1:
            v = *p;
            break;
        case 2:
            v = ldl16(p);
            break;
        case 4:
            v = ldl32(p);
            break;
        default:
            v = ldl64(p);
            break;
        }
        rcu_section_leave();
        return v;
    }
    rcu_section_leave();
    physmem_read(as, addr, &v, size);
    return v;
}

void physmem_st(AddressSpace *as, hwaddr addr, unsigned size, uint64_t val)
{
    const FlatRange *r;

    rcu_section_enter();
    r = address_space_lookup(as, addr);
    if (likely(r && range_is_ram(r) && !r->readonly && r->size - (addr - r->start) >= size)) {
        uint8_t *p = range_host(r, addr);
        switch (size) {
        case 1:
            *p = (uint8_t)val;
            break;
        case 2:
            stl16(p, (uint16_t)val);
            break;
        case 4:
            stl32(p, (uint32_t)val);
            break;
        default:
            stl64(p, val);
            break;
        }
        dirty_write(range_ram_addr(r, addr), size);
        rcu_section_leave();
        return;
    }
    rcu_section_leave();
    physmem_write(as, addr, &val, size);
}

void *physmem_map(AddressSpace *as, hwaddr addr, uint64_t *len, bool is_write)
{
    const FlatRange *r = address_space_lookup(as, addr);

    if (!r || !range_is_ram(r) || (is_write && r->readonly))
        return NULL;
    *len = MIN(*len, r->size - (addr - r->start));
    return range_host(r, addr);
}

void physmem_unmap(AddressSpace *as, void *host, uint64_t len_written)
{
    const uint8_t *h = host;

    if (!len_written)
        return;
    for (RamBlock *b = ram_blocks(); b; b = b->next)
        if (h >= b->host && h < b->host + b->size) {
            dirty_write(b->offset + (ram_addr_t)(h - b->host), len_written);
            return;
        }
}

/* --- ports --- */

/* The device at the port takes the access as one. */
static inline bool one_access(const FlatRange *r, uint16_t port, unsigned size)
{
    hwaddr off = range_offset(r, port);

    return r->mr->size - off >= size && (!(off & (size - 1)) || (r->mr->ops && r->mr->ops->unaligned));
}

uint64_t ioport_read(uint16_t port, unsigned size)
{
    const FlatRange *r = address_space_lookup(&address_space_io, port);
    uint64_t v = 0;

    /* The common case: the whole access falls into one device. */
    if (likely(r && one_access(r, port, size)))
        return memory_region_read(r->mr, range_offset(r, port), size);
    if (!r)
        log_unimp("port read from unassigned %04x size %u\n", port, size);
    if ((uint32_t)port + size > 0x10000) { /* the bus wraps to port 0 */
        for (unsigned i = 0; i < size; i++)
            v |= ioport_read((uint16_t)(port + i), 1) << (8 * i);
        return v;
    }
    physmem_read(&address_space_io, port, &v, size);
    return v;
}

void ioport_write(uint16_t port, uint64_t val, unsigned size)
{
    const FlatRange *r = address_space_lookup(&address_space_io, port);

    if (likely(r && one_access(r, port, size))) {
        memory_region_write(r->mr, range_offset(r, port), val, size);
        return;
    }
    if (!r)
        log_unimp("port write to unassigned %04x value %" PRIx64 " size %u\n", port, val, size);
    if ((uint32_t)port + size > 0x10000) {
        for (unsigned i = 0; i < size; i++)
            ioport_write((uint16_t)(port + i), val >> (8 * i) & 0xff, 1);
        return;
    }
    physmem_write(&address_space_io, port, &val, size);
}

bool ioport_read_is_lockless(uint16_t port)
{
    const FlatRange *r;
    bool yes;

    rcu_section_enter();
    r = address_space_lookup(&address_space_io, port);
    yes = r && r->mr->ops && r->mr->ops->lockless_read;
    rcu_section_leave();
    return yes;
}
