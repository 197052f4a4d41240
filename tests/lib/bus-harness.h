/* bus-harness.h - what device tests need: an empty machine with the test clock, ports, MMIO, lines that
 * record, and the contract that every device class keeps. Header only: tests of the lower layers link
 * tests/lib as well and must not pull softmmu in. */
#ifndef TESTS_LIB_BUS_HARNESS_H
#define TESTS_LIB_BUS_HARNESS_H

#include "host/base/osdep.h"
#include "softmmu/device.h"
#include "softmmu/irq.h"
#include "softmmu/memory.h"
#include "softmmu/physmem.h"
#include "softmmu/timer.h"

/* A machine without chips; its VM clock stands at 1 s (so that "before" exists) and moves by step(). */
static inline void harness_start(void)
{
    memory_init();
    clock_use_test_clock();
    clock_vm_start();
    clock_vm_set(NANOSECONDS_PER_SECOND);
}

static inline void harness_stop(void)
{
    device_free_all();
    clock_vm_stop();
    memory_shutdown();
}

static inline void step(int64_t ns) { clock_test_step(ns); }
static inline uint8_t inb(uint16_t port) { return (uint8_t)ioport_read(port, 1); }
static inline uint16_t inw(uint16_t port) { return (uint16_t)ioport_read(port, 2); }
static inline uint32_t inl(uint16_t port) { return (uint32_t)ioport_read(port, 4); }
static inline void outb(uint16_t port, uint8_t v) { ioport_write(port, v, 1); }
static inline void outw(uint16_t port, uint16_t v) { ioport_write(port, v, 2); }
static inline void outl(uint16_t port, uint32_t v) { ioport_write(port, v, 4); }
static inline uint32_t readl(hwaddr a) { return (uint32_t)physmem_ld(&address_space_memory, a, 4); }
static inline void writel(hwaddr a, uint32_t v) { physmem_st(&address_space_memory, a, 4, v); }

/* A line's receiver that remembers. */
typedef struct TestLine {
    int level, rises;
} TestLine;
static inline void test_line_set(void *opaque, int n, int level)
{
    TestLine *l = (TestLine *)opaque + n;

    l->rises += level && !l->level;
    l->level = level;
}
static inline IrqLine test_line(TestLine *l) { return irq_line(test_line_set, l, 0); }

/* --- the contract --- */

static inline GByteArray *contract_save(Device *dev)
{
    GByteArray *b = g_byte_array_new();

    if (dev->cls->fields)
        vmstate_save(dev->cls->fields, dev, b);
    return b;
}

static inline void contract_same(const char *what, Device *dev, GByteArray *a, GByteArray *b)
{
    if (a->len != b->len || (a->len && memcmp(a->data, b->data, a->len)))
        g_error("%s: %s: states differ", dev->cls->name, what);
}

/* Random accesses to all ports and MMIO that the machine has now. */
static inline void contract_random_io(AddressSpace *as, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const FlatView *v = as->view;
        const FlatRange *r;
        hwaddr addr;
        unsigned size = 1u << g_test_rand_int_range(0, 3);
        if (!v || !v->count)
            return;
        r = &v->ranges[g_test_rand_int_range(0, (gint32)v->count)];
        if (r->mr->kind != MR_MMIO)
            continue;
        addr = r->start + (r->size > 4096 && g_test_rand_bit() ? (hwaddr)g_test_rand_int() % r->size
                                                               : (hwaddr)g_test_rand_int() % MIN(r->size, 4096));
        if (g_test_rand_bit())
            physmem_ld(as, addr, size);
        else
            physmem_st(as, addr, size, ((uint64_t)g_test_rand_int() << 32) | (uint32_t)g_test_rand_int());
        if (g_test_rand_int_range(0, 8) == 0)
            step(g_test_rand_int_range(0, 3000000));
    }
}

/* dev is realized in a harness machine. Random I/O never crashes; what it did can be saved and loaded
 * back; reset once = reset twice, whatever came before. */
static inline void contract_check(Device *dev)
{
    GByteArray *first, *second;
    size_t pos = 0;

    for (int round = 0; round < 4; round++) {
        contract_random_io(&address_space_io, 2000);
        contract_random_io(&address_space_memory, 2000);
        if (dev->cls->fields) {
            first = contract_save(dev);
            pos = 0;
            g_assert_true(vmstate_load(dev->cls->fields, dev, first->data, first->len, &pos, NULL));
            g_assert_cmpuint(pos, ==, first->len);
            if (dev->cls->post_load)
                dev->cls->post_load(dev);
            second = contract_save(dev);
            contract_same("save-load-save", dev, first, second);
            /* A state that is cut short is refused. */
            pos = 0;
            if (first->len)
                g_assert_false(vmstate_load(dev->cls->fields, dev, first->data, first->len - 1, &pos, NULL));
            g_byte_array_free(first, true);
            g_byte_array_free(second, true);
        }
        if (dev->cls->reset) {
            dev->cls->reset(dev);
            first = contract_save(dev);
            dev->cls->reset(dev);
            second = contract_save(dev);
            contract_same("reset twice", dev, first, second);
            g_byte_array_free(first, true);
            g_byte_array_free(second, true);
        }
    }
}

#endif
