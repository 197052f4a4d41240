/* memory-print.c - `info mtree` and `info mtree -f`: the text form of the region tree and flat views.
 * Format: that of qemu-system-x86_64's monitor, which scripts parse. */
#include "softmmu/memory.h"

static const char *kind_name(const MemoryRegion *mr)
{
    switch (mr->kind) {
    case MR_RAM:
        return "ram";
    case MR_ROM:
        return "rom";
    case MR_ALIAS:
        return mr->alias ? kind_name(mr->alias) : "i/o";
    case MR_CONTAINER:
    case MR_MMIO:
        break;
    }
    return "i/o";
}

static hwaddr last_byte(hwaddr start, uint64_t size)
{
    return size == UINT64_MAX ? UINT64_MAX : start + (size ? size - 1 : 0);
}

static gint by_address(gconstpointer a, gconstpointer b)
{
    const MemoryRegion *x = a, *y = b;

    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void remember(GPtrArray *seen, MemoryRegion *mr)
{
    for (guint i = 0; i < seen->len; i++)
        if (seen->pdata[i] == mr)
            return;
    g_ptr_array_add(seen, mr);
}

static void print_region(GString *out, MemoryRegion *mr, hwaddr base, int level, GPtrArray *aliased)
{
    hwaddr at = base + mr->addr;
    GList *sorted;

    if (mr->enabled || mr->kind != MR_ALIAS) {
        g_string_append_printf(out, "%*s" HWADDR_FMT "-" HWADDR_FMT " (prio %d, %s): ", level * 2, "", at,
                               last_byte(at, mr->size), mr->priority, kind_name(mr));
        if (mr->kind == MR_ALIAS && mr->alias) {
            g_string_append_printf(out, "alias %s @%s " HWADDR_FMT "-" HWADDR_FMT, mr->name, mr->alias->name,
                                   mr->alias_offset, last_byte(mr->alias_offset, mr->size));
            remember(aliased, mr->alias);
        } else {
            g_string_append(out, mr->name);
        }
        g_string_append(out, mr->enabled ? "\n" : " [disabled]\n");
    }
    sorted = g_list_sort(g_list_copy(mr->children), by_address);
    for (GList *l = sorted; l; l = l->next)
        print_region(out, l->data, at, level + 1, aliased);
    g_list_free(sorted);
}

static void print_space(GString *out, AddressSpace *as, GPtrArray *aliased)
{
    g_string_append_printf(out, "address-space: %s\n", as->name);
    if (as->root)
        print_region(out, as->root, 0, 1, aliased);
    g_string_append_c(out, '\n');
}

static void print_flat(GString *out, int n, AddressSpace *as)
{
    const FlatView *v = as->view;

    g_string_append_printf(out, "FlatView #%d\n AS \"%s\", root: %s\n Root memory region: %s\n", n, as->name,
                           as->root->name, as->root->name);
    for (unsigned i = 0; v && i < v->count; i++) {
        const FlatRange *r = &v->ranges[i];
        g_string_append_printf(out, "  " HWADDR_FMT "-" HWADDR_FMT " (prio %d, %s): %s", r->start,
                               r->start + r->size - 1, r->mr->priority,
                               r->mr->kind == MR_RAM && r->readonly ? "rom" : kind_name(r->mr), r->mr->name);
        if (r->mr_offset)
            g_string_append_printf(out, " @" HWADDR_FMT, r->mr_offset);
        g_string_append_c(out, '\n');
    }
    g_string_append_c(out, '\n');
}

void memory_print_tree(GString *out, bool flat)
{
    g_autoptr(GPtrArray) aliased = g_ptr_array_new();

    if (flat) {
        print_flat(out, 0, &address_space_memory);
        print_flat(out, 1, &address_space_io);
        return;
    }
    print_space(out, &address_space_memory, aliased);
    print_space(out, &address_space_io, aliased);
    /* Targets of aliases stand below their own heading; printing one may find more. */
    for (guint i = 0; i < aliased->len; i++) {
        MemoryRegion *mr = aliased->pdata[i];
        g_string_append_printf(out, "memory-region: %s\n", mr->name);
        print_region(out, mr, mr->parent ? mr->parent->addr : 0, 1, aliased);
        g_string_append_c(out, '\n');
    }
}
