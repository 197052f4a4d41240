/* test-memory.c - region tree, flat view, physical access, ports, dirty bits. */
#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "softmmu/dirty.h"
#include "softmmu/memory.h"
#include "softmmu/physmem.h"

static uint64_t last_val, reads, writes;
static hwaddr last_off;
static unsigned last_size;

static uint64_t io_read(void *opaque, hwaddr off, unsigned size)
{
    reads++;
    last_off = off;
    last_size = size;
    return 0x8877665544332211ULL >> (off * 8);
}
static void io_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    writes++;
    last_off = off;
    last_val = val;
    last_size = size;
}
static const MemoryOps any_ops = {io_read, io_write, 0, 0, false};
static const MemoryOps byte_ops = {io_read, io_write, 1, 1, true};
static const MemoryOps dword_ops = {io_read, io_write, 4, 4, false};

static void test_ram(void)
{
    MemoryRegion ram, low, rom;
    uint8_t buf[16];
    uint64_t len = 1 << 20;

    memory_init();
    g_assert_true(memory_region_init_ram(&ram, "ram", 1 << 20, NULL));
    memory_region_init_alias(&low, "low", &ram, 0, 1 << 20);
    g_assert_true(memory_region_init_rom(&rom, "rom", 0x1000, NULL));
    memory_region_add(address_space_memory.root, 0, &low, 0);
    memory_region_add(address_space_memory.root, 0x4000, &rom, 1);
    g_assert_cmpuint(address_space_memory.view->count, ==, 3);
    physmem_st(&address_space_memory, 0x3ffe, 4, 0x11223344);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0x3ffe, 2), ==, 0x3344);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0x4000, 2), ==, 0); /* the ROM took nothing */
    physmem_write_rom(&address_space_memory, 0x4000, "ab", 2);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0x4000, 2), ==, 0x6261);
    memset(buf, 0, sizeof buf);
    physmem_read(&address_space_memory, (1 << 20) - 2, buf, 4);
    g_assert_cmphex(ldl32(buf), ==, 0xffff0000);
    g_assert_nonnull(physmem_map(&address_space_memory, 0x5000, &len, true));
    g_assert_cmphex(len, ==, 0xfb000);
    g_assert_null(physmem_map(&address_space_memory, 0x4000, &len, true));
    g_assert_nonnull(physmem_map(&address_space_memory, 0x4000, &len, false));
    memory_region_set_enabled(&rom, false);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0x4000, 2), ==, 0);
    memory_region_set_readonly(&low, true);
    physmem_st(&address_space_memory, 0x4000, 2, 0x5555);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0x4000, 2), ==, 0);
    memory_shutdown();
    memory_region_destroy(&low);
    memory_region_destroy(&ram);
    memory_region_destroy(&rom);
}

static void test_mmio_sizes(void)
{
    MemoryRegion a, b, c;

    memory_init();
    memory_region_init_io(&a, &any_ops, NULL, "any", 8);
    memory_region_init_io(&b, &byte_ops, NULL, "byte", 8);
    memory_region_init_io(&c, &dword_ops, NULL, "dword", 8);
    memory_region_add(address_space_io.root, 0x100, &a, 0);
    memory_region_add(address_space_io.root, 0x200, &b, 0);
    memory_region_add(address_space_io.root, 0x300, &c, 0);
    g_assert_cmphex(ioport_read(0x102, 2), ==, 0x4433);
    g_assert_cmpuint(last_size, ==, 2);
    reads = 0;
    g_assert_cmphex(ioport_read(0x200, 4), ==, 0x44332211);
    g_assert_cmpuint(reads, ==, 4);
    reads = 0;
    g_assert_cmphex(ioport_read(0x305, 1), ==, 0x66);
    g_assert_cmpuint(reads, ==, 1);
    g_assert_cmpuint(last_size, ==, 4);
    g_assert_cmphex(ioport_read(0x400, 4), ==, 0xffffffff);
    g_assert_cmphex(ioport_read(0xfffe, 4), ==, 0xffffffff);
    g_assert_cmphex(ioport_read(0x106, 4), ==, 0xffff8877); /* half of it hits nothing */
    writes = 0;
    ioport_write(0x206, 0xaabbccdd, 4);
    g_assert_cmpuint(writes, ==, 2);
    g_assert_cmphex(last_val, ==, 0xcc);
    g_assert_true(ioport_read_is_lockless(0x200));
    g_assert_false(ioport_read_is_lockless(0x100));
    memory_shutdown();
    memory_region_destroy(&a);
    memory_region_destroy(&b);
    memory_region_destroy(&c);
}

static void test_priority_and_alias(void)
{
    MemoryRegion ram, pci, low, window, dev;

    memory_init();
    g_assert_true(memory_region_init_ram(&ram, "ram", 1 << 20, NULL));
    memory_region_init(&pci, "pci", UINT64_MAX);
    memory_region_init_alias(&low, "low", &ram, 0, 1 << 20);
    memory_region_init_io(&dev, &any_ops, NULL, "dev", 0x1000);
    memory_region_init_alias(&window, "window", &pci, 0xa0000, 0x20000);
    memory_region_add(address_space_memory.root, 0, &low, 0);
    memory_region_add(address_space_memory.root, 0, &pci, -1);
    memory_region_add(&pci, 0xa1000, &dev, 1);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xa1000, 1), ==, 0); /* RAM on top */
    memory_region_add(address_space_memory.root, 0xa0000, &window, 1);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xa1000, 1), ==, 0x11);
    /* An alias of a container routes only what is in it: holes show what lies below. */
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xa0000, 1), ==, 0);
    memory_begin();
    memory_region_set_address(&dev, 0xa2000);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xa1000, 1), ==, 0x11); /* not before the commit */
    memory_commit();
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xa2000, 1), ==, 0x11);
    g_autoptr(GString) s = g_string_new(NULL);
    memory_print_tree(s, false);
    g_assert_nonnull(strstr(s->str, "    00000000000a0000-00000000000bffff (prio 1, i/o): alias window @pci "
                                    "00000000000a0000-00000000000bffff\n"));
    g_assert_nonnull(strstr(s->str, "    0000000000000000-00000000000fffff (prio 0, ram): alias low @ram "));
    memory_print_tree(s, true);
    g_assert_nonnull(strstr(s->str, "FlatView #0\n"));
    memory_region_del(&pci, &dev);
    memory_shutdown();
    memory_region_destroy(&window);
    memory_region_destroy(&low);
    memory_region_destroy(&pci);
    memory_region_destroy(&dev);
    memory_region_destroy(&ram);
}

static ram_addr_t invalidated;
static uint64_t invalidated_len;
static void on_invalidate(ram_addr_t addr, uint64_t len)
{
    invalidated = addr;
    invalidated_len = len;
    dirty_set(DIRTY_CODE, addr, len);
}
static const DirtyHooks hooks = {on_invalidate, NULL};

static void test_dirty(void)
{
    MemoryRegion ram;
    ram_addr_t at;

    memory_init();
    g_assert_true(memory_region_init_ram(&ram, "ram", 1 << 20, NULL));
    memory_region_add(address_space_memory.root, 0, &ram, 0);
    at = ram.ram->offset;
    dirty_set_hooks(&hooks);
    g_assert_true(dirty_all_set(at + 0x3000));
    dirty_clear(DIRTY_CODE, at + 0x3000, 0x1000);
    dirty_clear(DIRTY_VGA, at, 1 << 20);
    g_assert_false(dirty_any(DIRTY_VGA, at, 1 << 20));
    physmem_write(&address_space_memory, 0x2ffe, "abcdef", 6);
    g_assert_cmphex(invalidated, ==, at + 0x3000);
    g_assert_cmpuint(invalidated_len, ==, 4);
    g_assert_true(dirty_get(DIRTY_VGA, at + 0x2000));
    g_assert_true(dirty_get(DIRTY_VGA, at + 0x3000));
    g_assert_false(dirty_get(DIRTY_VGA, at + 0x4000));
    g_assert_true(dirty_get(DIRTY_CODE, at + 0x3000));
    dirty_set_hooks(NULL);
    memory_shutdown();
    memory_region_destroy(&ram);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/softmmu/memory/ram-rom-alias", test_ram);
    g_test_add_func("/softmmu/memory/access-sizes", test_mmio_sizes);
    g_test_add_func("/softmmu/memory/priority-and-alias", test_priority_and_alias);
    g_test_add_func("/softmmu/memory/dirty", test_dirty);
    return g_test_run();
}
