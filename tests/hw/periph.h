/* periph.h - a bare machine for tests of single chips: RAM, ports, a test clock, recorded IRQ lines. */
#ifndef TESTS_HW_PERIPH_H
#define TESTS_HW_PERIPH_H

#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "host/block/block.h"
#include "softmmu/bql.h"
#include "softmmu/device.h"
#include "softmmu/irq.h"
#include "softmmu/memory.h"
#include "softmmu/physmem.h"
#include "softmmu/timer.h"

enum { PERIPH_RAM = 16 << 20 };
static MemoryRegion periph_ram;
static int periph_irq[16], periph_edges[16];

static inline void periph_irq_handler(void *opaque, int n, int level)
{
    if (level && !periph_irq[n])
        periph_edges[n]++;
    periph_irq[n] = level;
}
static inline IrqLine periph_line(int n) { return irq_line(periph_irq_handler, NULL, n); }

static inline void periph_setup(void)
{
    bql_lock();
    memory_init();
    clock_use_test_clock();
    memset(periph_irq, 0, sizeof periph_irq);
    memset(periph_edges, 0, sizeof periph_edges);
    g_assert_true(memory_region_init_ram(&periph_ram, "ram", PERIPH_RAM, NULL));
    memory_region_add(address_space_memory.root, 0, &periph_ram, 0);
}

static inline void periph_teardown(void)
{
    device_free_all();
    drive_close_all();
    memory_region_del(address_space_memory.root, &periph_ram);
    memory_region_destroy(&periph_ram);
    memory_shutdown();
    bql_unlock();
}

static inline uint8_t inb(uint16_t p) { return ioport_read(p, 1); }
static inline uint16_t inw(uint16_t p) { return ioport_read(p, 2); }
static inline uint32_t inl(uint16_t p) { return ioport_read(p, 4); }
static inline void outb(uint16_t p, uint8_t v) { ioport_write(p, v, 1); }
static inline void outw(uint16_t p, uint16_t v) { ioport_write(p, v, 2); }
static inline void outl(uint16_t p, uint32_t v) { ioport_write(p, v, 4); }

/* Contract of every DeviceClass: what is saved, loaded and saved again is the same. */
static inline void periph_check_state(void)
{
    GByteArray *a = g_byte_array_new(), *b = g_byte_array_new();
    GError *err = NULL;
    device_save_all(a);
    g_assert_true(device_load_all(a->data, a->len, &err));
    g_assert_no_error(err);
    device_save_all(b);
    g_assert_cmpmem(a->data, a->len, b->data, b->len);
    g_byte_array_free(a, TRUE);
    g_byte_array_free(b, TRUE);
}

/* Random accesses to the ports must not crash, hang or run away. */
static inline void periph_fuzz(const uint16_t *ports, unsigned n, unsigned rounds)
{
    GRand *r = g_rand_new_with_seed(20261121);
    for (unsigned i = 0; i < rounds; i++) {
        uint16_t port = ports[g_rand_int_range(r, 0, n)];
        unsigned size = 1 << g_rand_int_range(r, 0, 3);
        if (g_rand_int_range(r, 0, 3))
            ioport_write(port, g_rand_int(r), size);
        else
            ioport_read(port, size);
    }
    g_rand_free(r);
}

static inline char *periph_image(uint64_t size, uint8_t seed) /* byte i of sector s is seed + s + i */
{
    char *path = NULL;
    int fd = g_file_open_tmp("vireo-test-XXXXXX", &path, NULL);
    uint8_t sector[512];
    g_assert_cmpint(fd, >=, 0);
    for (uint64_t s = 0; s < size / 512; s++) {
        for (int i = 0; i < 512; i++)
            sector[i] = seed + s + i;
        g_assert_cmpint(write(fd, sector, 512), ==, 512);
    }
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    close(fd);
    return path;
}

static inline Drive *periph_drive(const char *opts, const char *path)
{
    char *s = g_strdup_printf("%s,format=raw,file=%s", opts, path);
    GError *err = NULL;
    Drive *d = drive_new(s, &err);
    g_assert_no_error(err);
    g_free(s);
    return d;
}

#endif
