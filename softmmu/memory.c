/* memory.c - the region tree, its flat view, and single accesses to a region.
 * The flat view is built by walking the tree from the highest priority down and letting each leaf
 * take what is still free of its range. It is published with one pointer store; vCPU threads read
 * it inside an RCU read section, and the old one is freed when all of them have left theirs. */
#include "softmmu/memory.h"

#include "host/base/bitops.h"
#include "softmmu/physmem.h"
#include "softmmu/rcu.h"

AddressSpace address_space_memory, address_space_io;

typedef __int128 i128; /* offsets of aliases make intermediate bases negative or above 2^64 */

typedef struct ViewBox { /* a FlatView and what its readers and its end need */
    FlatView view;
    unsigned hint; /* range that the last look-up hit; racy on purpose, any value is valid */
    struct rcu_head rcu;
} ViewBox;

typedef struct Listener {
    MemoryListener *fn;
    void *opaque;
} Listener;

static int change_depth;
static bool change_pending;
static GArray *listeners;
static MemoryRegion system_root, io_root;

/* --- building the view --- */

typedef struct Render {
    GArray *ranges; /* of FlatRange, sorted */
} Render;

static void render_leaf(Render *r, MemoryRegion *mr, i128 base, i128 start, i128 end, bool readonly)
{
    guint i = 0;

    while (start < end) {
        i128 stop = end;
        FlatRange fr;

        for (; i < r->ranges->len; i++) { /* skip what lies before, step over what is taken */
            const FlatRange *t = &g_array_index(r->ranges, FlatRange, i);
            i128 t_end = (i128)t->start + t->size;
            if (t_end <= start)
                continue;
            if ((i128)t->start > start) {
                stop = MIN(stop, (i128)t->start);
                break;
            }
            start = t_end;
        }
        if (start >= end)
            break;
        stop = MIN(stop, end);
        fr = (FlatRange){(hwaddr)start, (uint64_t)(stop - start), mr, (uint64_t)(start - base), readonly};
        g_array_insert_val(r->ranges, i, fr);
        start = stop;
    }
}

static void render(Render *r, MemoryRegion *mr, i128 base, i128 start, i128 end, bool readonly)
{
    i128 mr_end;

    if (!mr->enabled)
        return;
    base += mr->addr;
    mr_end = base + mr->size + (mr->size == UINT64_MAX); /* the roots span all 2^64 bytes */
    start = MAX(start, base);
    end = MIN(end, mr_end);
    if (start >= end)
        return;
    if (mr->kind == MR_ALIAS) {
        if (mr->alias)
            render(r, mr->alias, base - mr->alias->addr - mr->alias_offset, start, end,
                   readonly || mr->alias_readonly);
        return;
    }
    for (GList *l = mr->children; l; l = l->next)
        render(r, l->data, base, start, end, readonly);
    if (mr->kind != MR_CONTAINER)
        render_leaf(r, mr, base, start, end, readonly || mr->kind == MR_ROM);
}

static void merge_neighbours(GArray *a)
{
    guint out = 0;

    for (guint i = 1; i < a->len; i++) {
        FlatRange *p = &g_array_index(a, FlatRange, out), *q = &g_array_index(a, FlatRange, i);
        if (p->mr == q->mr && p->readonly == q->readonly && p->start + p->size == q->start &&
            p->mr_offset + p->size == q->mr_offset)
            p->size += q->size;
        else
            g_array_index(a, FlatRange, ++out) = *q;
    }
    if (a->len)
        g_array_set_size(a, out + 1);
}

static void view_box_free(struct rcu_head *head)
{
    ViewBox *box = container_of(head, ViewBox, rcu);

    g_free(box->view.ranges);
    g_free(box);
}

static bool view_equal(const FlatView *a, const GArray *b)
{
    if (!a || a->count != b->len)
        return false;
    for (guint i = 0; i < b->len; i++) {
        const FlatRange *x = &a->ranges[i], *y = &g_array_index(b, FlatRange, i);
        if (x->start != y->start || x->size != y->size || x->mr != y->mr || x->mr_offset != y->mr_offset ||
            x->readonly != y->readonly)
            return false;
    }
    return true;
}

static void address_space_rebuild(AddressSpace *as)
{
    Render r = {g_array_new(false, false, sizeof(FlatRange))};
    FlatView *old = as->view;
    ViewBox *box;

    if (as->root)
        render(&r, as->root, 0, 0, (i128)1 << 64, false);
    merge_neighbours(r.ranges);
    if (view_equal(old, r.ranges)) {
        g_array_free(r.ranges, true);
        return;
    }
    box = g_new0(ViewBox, 1);
    box->view.count = r.ranges->len;
    box->view.ranges = (FlatRange *)(void *)g_array_free(r.ranges, false);
    __atomic_store_n(&as->view, &box->view, __ATOMIC_RELEASE);
    if (old)
        call_rcu(&container_of(old, ViewBox, view)->rcu, view_box_free);
    for (guint i = 0; listeners && i < listeners->len; i++) {
        Listener l = g_array_index(listeners, Listener, i);
        l.fn(l.opaque, as);
    }
}

void memory_begin(void)
{
    change_depth++;
}

void memory_commit(void)
{
    g_assert(change_depth > 0);
    if (--change_depth || !change_pending)
        return;
    change_pending = false;
    address_space_rebuild(&address_space_memory);
    address_space_rebuild(&address_space_io);
}

static void changed(void)
{
    change_pending = true;
    memory_begin();
    memory_commit();
}

/* --- regions --- */

static void region_setup(MemoryRegion *mr, const char *name, MemoryKind kind, uint64_t size)
{
    memset(mr, 0, sizeof *mr);
    mr->name = g_strdup(name);
    mr->kind = kind;
    mr->size = size;
    mr->enabled = true;
}

void memory_region_init(MemoryRegion *mr, const char *name, uint64_t size)
{
    region_setup(mr, name, MR_CONTAINER, size);
}

static bool init_block(MemoryRegion *mr, const char *name, MemoryKind kind, uint64_t size, const struct MemSource *src,
                       GError **errp)
{
    region_setup(mr, name, kind, size);
    mr->ram = ram_block_alloc(name, size, src, mr, errp);
    if (mr->ram)
        return true;
    g_free(mr->name);
    mr->name = NULL;
    return false;
}

bool memory_region_init_ram(MemoryRegion *mr, const char *name, uint64_t size, GError **errp)
{
    return init_block(mr, name, MR_RAM, size, NULL, errp);
}

bool memory_region_init_ram_from(MemoryRegion *mr, const char *name, uint64_t size, const struct MemSource *src, GError **errp)
{
    return init_block(mr, name, MR_RAM, size, src, errp);
}

bool memory_region_init_rom(MemoryRegion *mr, const char *name, uint64_t size, GError **errp)
{
    return init_block(mr, name, MR_ROM, size, NULL, errp);
}

void memory_region_init_io(MemoryRegion *mr, const MemoryOps *ops, void *opaque, const char *name,
                           uint64_t size)
{
    region_setup(mr, name, MR_MMIO, size);
    mr->ops = ops;
    mr->opaque = opaque;
}

void memory_region_init_alias(MemoryRegion *mr, const char *name, MemoryRegion *target, hwaddr offset,
                              uint64_t size)
{
    region_setup(mr, name, MR_ALIAS, size);
    mr->alias = target;
    mr->alias_offset = offset;
}

void memory_region_destroy(MemoryRegion *mr)
{
    if (!mr->name)
        return; /* never initialised, or destroyed before */
    g_assert(!mr->parent);
    memory_begin();
    while (mr->children)
        memory_region_del(mr, mr->children->data);
    memory_commit();
    if (mr->ram)
        ram_block_free(mr->ram);
    g_free(mr->name);
    memset(mr, 0, sizeof *mr);
}

void memory_region_add(MemoryRegion *parent, hwaddr addr, MemoryRegion *child, int priority)
{
    GList *l;

    g_assert(!child->parent);
    child->parent = parent;
    child->addr = addr;
    child->priority = priority;
    for (l = parent->children; l && ((MemoryRegion *)l->data)->priority > priority; l = l->next)
        ;
    parent->children = g_list_insert_before(parent->children, l, child);
    changed();
}

void memory_region_del(MemoryRegion *parent, MemoryRegion *child)
{
    g_assert(child->parent == parent);
    parent->children = g_list_remove(parent->children, child);
    child->parent = NULL;
    child->addr = 0;
    changed();
}

void memory_region_set_enabled(MemoryRegion *mr, bool enabled)
{
    if (mr->enabled != enabled) {
        mr->enabled = enabled;
        changed();
    }
}

void memory_region_set_address(MemoryRegion *mr, hwaddr addr)
{
    if (mr->addr != addr) {
        mr->addr = addr;
        changed();
    }
}

void memory_region_set_alias_offset(MemoryRegion *mr, hwaddr offset)
{
    if (mr->alias_offset != offset) {
        mr->alias_offset = offset;
        changed();
    }
}

void memory_region_set_readonly(MemoryRegion *mr, bool readonly)
{
    if (mr->alias_readonly != readonly) {
        mr->alias_readonly = readonly;
        changed();
    }
}

MemoryRegion *memory_region_find(MemoryRegion *mr, hwaddr off, hwaddr *leaf_off)
{
    if (!mr->enabled || off >= mr->size)
        return NULL;
    if (mr->kind == MR_ALIAS)
        return memory_region_find(mr->alias, mr->alias_offset + off, leaf_off);
    if (mr->kind != MR_CONTAINER) {
        *leaf_off = off;
        return mr;
    }
    for (GList *l = mr->children; l; l = l->next) {
        MemoryRegion *child = l->data, *leaf;
        if (off >= child->addr && (leaf = memory_region_find(child, off - child->addr, leaf_off)))
            return leaf;
    }
    return NULL;
}

uint8_t *memory_region_ram_ptr(const MemoryRegion *mr)
{
    return mr->ram ? mr->ram->host + mr->ram_offset : NULL;
}

uint64_t memory_region_ram_size(const MemoryRegion *mr)
{
    return mr->ram ? mr->size : 0;
}

/* --- address spaces --- */

void memory_init(void)
{
    memory_region_init(&system_root, "system", UINT64_MAX);
    memory_region_init(&io_root, "io", 0x10000);
    address_space_memory = (AddressSpace){"memory", &system_root, NULL};
    address_space_io = (AddressSpace){"I/O", &io_root, NULL};
    changed();
}

static void address_space_drop(AddressSpace *as)
{
    FlatView *old = as->view;

    as->root = NULL;
    __atomic_store_n(&as->view, NULL, __ATOMIC_RELEASE);
    if (old)
        call_rcu(&container_of(old, ViewBox, view)->rcu, view_box_free);
}

void memory_shutdown(void)
{
    memory_begin();
    while (system_root.children)
        memory_region_del(&system_root, system_root.children->data);
    while (io_root.children)
        memory_region_del(&io_root, io_root.children->data);
    address_space_drop(&address_space_memory);
    address_space_drop(&address_space_io);
    change_pending = false;
    memory_commit();
    memory_region_destroy(&system_root);
    memory_region_destroy(&io_root);
    if (listeners)
        g_array_set_size(listeners, 0);
    rcu_barrier();
}

const FlatRange *address_space_lookup(const AddressSpace *as, hwaddr addr)
{
    const FlatView *v = __atomic_load_n(&as->view, __ATOMIC_ACQUIRE);
    ViewBox *box;
    unsigned lo, hi;

    if (!v || !v->count)
        return NULL;
    box = container_of(v, ViewBox, view);
    lo = __atomic_load_n(&box->hint, __ATOMIC_RELAXED);
    if (addr - v->ranges[lo].start < v->ranges[lo].size)
        return &v->ranges[lo];
    for (lo = 0, hi = v->count; lo < hi;) {
        unsigned mid = (lo + hi) / 2;
        const FlatRange *r = &v->ranges[mid];
        if (addr < r->start) {
            hi = mid;
        } else if (addr - r->start < r->size) {
            __atomic_store_n(&box->hint, mid, __ATOMIC_RELAXED);
            return r;
        } else {
            lo = mid + 1;
        }
    }
    return NULL;
}

void memory_listener_add(MemoryListener *fn, void *opaque)
{
    Listener l = {fn, opaque};

    if (!listeners)
        listeners = g_array_new(false, false, sizeof(Listener));
    g_array_append_val(listeners, l);
}

void memory_listener_remove(MemoryListener *fn, void *opaque)
{
    for (guint i = 0; listeners && i < listeners->len; i++) {
        Listener *l = &g_array_index(listeners, Listener, i);
        if (l->fn == fn && l->opaque == opaque) {
            g_array_remove_index(listeners, i);
            return;
        }
    }
}

/* --- one access --- */

static unsigned ops_min(const MemoryOps *ops)
{
    return ops->min_size ? ops->min_size : 1;
}

static unsigned ops_max(const MemoryOps *ops)
{
    return ops->max_size ? ops->max_size : 8;
}

uint64_t memory_region_read(MemoryRegion *mr, hwaddr off, unsigned size)
{
    const MemoryOps *ops = mr->ops;
    unsigned min, max;
    uint64_t v = 0;

    if (mr->ram) {
        memcpy(&v, memory_region_ram_ptr(mr) + off, size);
        return v;
    }
    if (!ops || !ops->read)
        return MASK64(size * 8);
    min = ops_min(ops);
    max = ops_max(ops);
    if (size < min) { /* the callback gives the whole register; the guest wants a part of it */
        unsigned shift = (unsigned)(off & (min - 1)) * 8;
        return ops->read(mr->opaque, off & ~(hwaddr)(min - 1), min) >> shift & MASK64(size * 8);
    }
    if (size <= max)
        return ops->read(mr->opaque, off, size) & MASK64(size * 8);
    for (unsigned i = 0; i < size; i += max)
        v |= (ops->read(mr->opaque, off + i, max) & MASK64(max * 8)) << (i * 8);
    return v;
}

void memory_region_write(MemoryRegion *mr, hwaddr off, uint64_t val, unsigned size)
{
    const MemoryOps *ops = mr->ops;
    unsigned min, max;

    if (mr->kind == MR_RAM) {
        memcpy(memory_region_ram_ptr(mr) + off, &val, size);
        return;
    }
    if (!ops || !ops->write)
        return;
    min = ops_min(ops);
    max = ops_max(ops);
    val &= MASK64(size * 8);
    if (size < min) { /* byte lanes outside the access are zero, as on a bus that ignores byte enables */
        ops->write(mr->opaque, off & ~(hwaddr)(min - 1), val << ((off & (min - 1)) * 8), min);
        return;
    }
    if (size <= max) {
        ops->write(mr->opaque, off, val, size);
        return;
    }
    for (unsigned i = 0; i < size; i += max)
        ops->write(mr->opaque, off + i, val >> (i * 8) & MASK64(max * 8), max);
}
