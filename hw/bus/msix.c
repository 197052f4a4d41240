/* msix.c - MSI-X: the capability, the table of messages with its mask bits, the pending bits
 * Spec: PCI Local Bus Specification 3.0, 6.8.2. Guest view: a 4 KiB memory BAR, table at 0, pending bits at 800h.
 * Not modelled: steering tags. */
#include "host/base/osdep.h"
#include "hw/bus/msix.h"

#include "host/base/bitops.h"
#include "host/base/log.h"

enum { CAP_MSIX = 0x11, CAP_LENGTH = 12, CAP_CONTROL = 2, CAP_TABLE = 4, CAP_PBA = 8, BAR_SIZE = 4096, PBA_AT = 0x800 };
enum { CONTROL_ENABLE = 0x8000, CONTROL_MASK_ALL = 0x4000 };
enum { ENTRY_ADDR, ENTRY_ADDR_HI, ENTRY_DATA, ENTRY_CONTROL, ENTRY_MASKED = 1 };

const VMField msix_fields[] = {
    {"table", VMF_UINT, offsetof(Msix, table), sizeof(uint32_t), MSIX_MAX * 4, 0, NULL},
    VM_UINT_ARRAY(Msix, pending, MSIX_MAX / 32),
    VM_END,
};

static uint16_t control(const Msix *m)
{
    return ldl16(m->pd->config + m->cap + CAP_CONTROL);
}

bool msix_enabled(const Msix *m)
{
    return m->pd && (control(m) & CONTROL_ENABLE);
}

static bool masked(const Msix *m, unsigned v)
{
    return (control(m) & CONTROL_MASK_ALL) || (m->table[v][ENTRY_CONTROL] & ENTRY_MASKED);
}

static void send(Msix *m, unsigned v)
{
    const uint32_t *e = m->table[v];

    m->pending[v / 32] &= ~(1u << (v % 32));
    pci_msi_send(m->pd, (uint64_t)e[ENTRY_ADDR_HI] << 32 | e[ENTRY_ADDR], e[ENTRY_DATA]);
}

void msix_notify(Msix *m, unsigned v)
{
    if (!msix_enabled(m) || v >= m->count)
        return;
    if (masked(m, v))
        m->pending[v / 32] |= 1u << (v % 32);
    else
        send(m, v);
}

static void send_pending(Msix *m)
{
    for (unsigned v = 0; v < m->count && msix_enabled(m); v++)
        if ((m->pending[v / 32] >> (v % 32) & 1) && !masked(m, v))
            send(m, v);
}

void msix_config_write(Msix *m, unsigned addr, unsigned size)
{
    if (m->pd && addr < m->cap + 4 && addr + size > m->cap + CAP_CONTROL)
        send_pending(m);
}

static uint64_t table_read(void *opaque, hwaddr off, unsigned size)
{
    Msix *m = opaque;

    if (off < m->count * 16)
        return m->table[off / 16][off / 4 % 4];
    if (off >= PBA_AT && off < PBA_AT + ROUND_UP(m->count, 64u) / 8)
        return m->pending[(off - PBA_AT) / 4];
    return 0;
}

static void table_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    Msix *m = opaque;

    if (off >= m->count * 16) {
        log_guest_error("msix: write to %03x, outside of the table\n", (unsigned)off);
        return;
    }
    m->table[off / 16][off / 4 % 4] = (uint32_t)val;
    send_pending(m);
}

static const MemoryOps table_ops = {table_read, table_write, 4, 4};

void msix_init(Msix *m, PciDevice *pd, int bar, unsigned count)
{
    uint8_t *cap;

    g_assert(count >= 1 && count <= MSIX_MAX);
    m->pd = pd;
    m->count = count;
    m->cap = pci_add_capability(pd, CAP_MSIX, CAP_LENGTH);
    cap = pd->config + m->cap;
    stl16(cap + CAP_CONTROL, (uint16_t)(count - 1));
    stl32(cap + CAP_TABLE, (uint32_t)bar);
    stl32(cap + CAP_PBA, PBA_AT | (uint32_t)bar);
    stl16(pd->wmask + m->cap + CAP_CONTROL, CONTROL_ENABLE | CONTROL_MASK_ALL);
    memory_region_init_io(&m->mr, &table_ops, m, "msix", BAR_SIZE);
    pci_register_bar(pd, bar, PCI_BAR_MEM, &m->mr);
}

void msix_reset(Msix *m)
{
    if (!m->pd)
        return;
    stl16(m->pd->config + m->cap + CAP_CONTROL, (uint16_t)(m->count - 1));
    memset(m->table, 0, sizeof m->table);
    memset(m->pending, 0, sizeof m->pending);
    for (unsigned v = 0; v < m->count; v++)
        m->table[v][ENTRY_CONTROL] = ENTRY_MASKED;
}

void msix_finalize(Msix *m)
{
    if (m->pd)
        memory_region_destroy(&m->mr);
    m->pd = NULL;
}
