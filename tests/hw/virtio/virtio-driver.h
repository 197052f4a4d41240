/* virtio-driver.h - a driver of virtio 1.0 in a few lines, for the device tests: several queues in fixed places of guest
 * memory, buffers offered and used ones looked at. After nic-harness.h or with a bus of its own. Header only. */
#ifndef TESTS_HW_VIRTIO_VIRTIO_DRIVER_H
#define TESTS_HW_VIRTIO_VIRTIO_DRIVER_H

#include "host/base/bitops.h"
#include "hw/virtio/virtio.h"
#include "tests/lib/pci-harness.h"

enum { VD_COMMON = 0x40000000, VD_ISR = VD_COMMON + 0x1000, VD_CONFIG = VD_COMMON + 0x2000, VD_KICK = VD_COMMON + 0x3000 };
enum { VD_QUEUE = 0x10000, VD_DESC = 0, VD_AVAIL = 0x4000, VD_USED = 0x8000, VD_STRIDE = 0x10000 }; /* rings of queue q */
enum { VD_NEXT = 1, VD_WRITE = 2, VD_QUEUES = 8 };

static uint16_t vd_avail[VD_QUEUES];
static unsigned vd_size[VD_QUEUES];

static inline void vd_st(hwaddr a, unsigned size, uint64_t v) { physmem_st(&address_space_memory, a, size, v); }
static inline uint64_t vd_ld(hwaddr a, unsigned size) { return physmem_ld(&address_space_memory, a, size); }
static inline hwaddr vd_at(unsigned q, unsigned what) { return VD_QUEUE + VD_STRIDE * q + what; }

/* As far as DRIVER_OK with `queues` queues; features without VERSION_1, which is added. */
static inline void vd_start(uint64_t features, unsigned queues)
{
    features |= BIT(VIRTIO_F_VERSION_1);
    vd_st(VD_COMMON + 20, 1, 0);
    vd_st(VD_COMMON + 20, 1, 3);
    for (unsigned i = 0; i < 2; i++) {
        vd_st(VD_COMMON + 8, 4, i);
        vd_st(VD_COMMON + 12, 4, (uint32_t)(features >> 32 * i));
    }
    vd_st(VD_COMMON + 20, 1, 11);
    g_assert_cmphex(vd_ld(VD_COMMON + 20, 1), ==, 11);
    for (unsigned q = 0; q < queues; q++) {
        vd_st(VD_COMMON + 22, 2, q);
        vd_size[q] = (unsigned)vd_ld(VD_COMMON + 24, 2);
        g_assert_cmpuint(vd_size[q], >, 0);
        vd_avail[q] = 0;
        vd_st(vd_at(q, VD_AVAIL), 4, 0);
        vd_st(vd_at(q, VD_USED), 4, 0);
        vd_st(VD_COMMON + 32, 4, vd_at(q, VD_DESC));
        vd_st(VD_COMMON + 40, 4, vd_at(q, VD_AVAIL));
        vd_st(VD_COMMON + 48, 4, vd_at(q, VD_USED));
        vd_st(VD_COMMON + 28, 2, 1);
    }
    vd_st(VD_COMMON + 20, 1, 15);
}

static inline void vd_desc(unsigned q, unsigned i, uint64_t addr, uint32_t len, unsigned flags, unsigned next)
{
    hwaddr d = vd_at(q, VD_DESC) + 16 * i;

    vd_st(d, 8, addr);
    vd_st(d + 8, 4, len);
    vd_st(d + 12, 2, flags);
    vd_st(d + 14, 2, next);
}

static inline void vd_offer(unsigned q, unsigned head)
{
    vd_st(vd_at(q, VD_AVAIL) + 4 + 2 * (vd_avail[q] % vd_size[q]), 2, head);
    vd_st(vd_at(q, VD_AVAIL) + 2, 2, ++vd_avail[q]);
}

static inline void vd_kick(unsigned q) { vd_st(VD_KICK + 4 * q, 2, q); }

static inline unsigned vd_used(unsigned q) { return (unsigned)vd_ld(vd_at(q, VD_USED) + 2, 2); }
static inline unsigned vd_used_head(unsigned q, unsigned i) { return (unsigned)vd_ld(vd_at(q, VD_USED) + 4 + 8 * (i % vd_size[q]), 4); }
static inline unsigned vd_used_len(unsigned q, unsigned i) { return (unsigned)vd_ld(vd_at(q, VD_USED) + 8 + 8 * (i % vd_size[q]), 4); }
static inline bool vd_broken(void) { return vd_ld(VD_COMMON + 20, 1) & VIRTIO_NEEDS_RESET; }

#endif
