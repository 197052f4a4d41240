/* e1000.c - Intel 82540EM Gigabit Ethernet controller: PCI function, registers, interrupts, statistics
 * Spec: Intel 317453, PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual.
 * Guest view: BAR0 128 KiB of registers, BAR1 64 bytes of ports (address, data). Receiver, transmitter, EEPROM and
 * PHY are in e1000-rx.c, e1000-tx.c, e1000-phy.c.
 * Not modelled: wake-up, flexible filters, packet buffer memory, descriptor timers, flow control, TBI/SerDes. */
#include "host/base/osdep.h"
#include "hw/net/e1000.h"

#include "hw/net/e1000-internal.h"

enum { MMIO_SIZE = 0x20000, IO_SIZE = 0x40, IO_ADDR = 0, IO_DATA = 4 };
enum { DEFAULT_PBA = 0x00100030, DEFAULT_VET = 0x8100, DEFAULT_TIPG = 0x00602008, DEFAULT_LEDCTL = 0x07068302,
       DEFAULT_RCTL = 0, DEFAULT_CTRL = 0x241, LEN_MASK = 0xfff80, ITR_NS = 256 };

/* --- interrupts (13.4.17-13.4.21) --- */

/* The line follows ICR & IMS, but rises at most once per ITR interval. */
static void update_irq(E1000State *s)
{
    uint32_t itr = *e1000_reg(s, R_ITR);

    if (!(*e1000_reg(s, R_ICR) & *e1000_reg(s, R_IMS))) {
        s->irq_held = false;
        pci_set_irq(&s->nic.pci, 0);
        return;
    }
    if (s->nic.pci.irq_level)
        return;
    if (timer_pending(s->itr_timer)) {
        s->irq_held = true;
        return;
    }
    pci_set_irq(&s->nic.pci, 1);
    if (itr)
        timer_mod(s->itr_timer, clock_ns(CLOCK_VM) + (int64_t)itr * ITR_NS);
}

static void itr_over(void *opaque)
{
    E1000State *s = opaque;

    if (!s->irq_held)
        return;
    s->irq_held = false;
    update_irq(s);
}

void e1000_raise(E1000State *s, uint32_t causes)
{
    *e1000_reg(s, R_ICR) |= causes;
    update_irq(s);
}

static void transmit_on(void *opaque)
{
    e1000_transmit(opaque);
}

/* --- statistics: 32 bits stay at their maximum, 64 bits wrap --- */

void e1000_stat_add(E1000State *s, unsigned off, uint32_t n)
{
    uint32_t *r = e1000_reg(s, off);

    *r = *r + n < *r ? UINT32_MAX : *r + n;
}

void e1000_stat_add64(E1000State *s, unsigned off, uint32_t n)
{
    uint64_t v = ((uint64_t)*e1000_reg(s, off + 4) << 32 | *e1000_reg(s, off)) + n;

    *e1000_reg(s, off) = (uint32_t)v;
    *e1000_reg(s, off + 4) = (uint32_t)(v >> 32);
}

void e1000_stat_size(E1000State *s, unsigned first, size_t len)
{
    static const uint16_t upto[] = {64, 127, 255, 511, 1023};
    unsigned i = 0;

    while (i < ARRAY_SIZE(upto) && len > upto[i])
        i++;
    e1000_stat_add(s, first + 4 * i, 1);
}

hwaddr e1000_ring_entry(E1000State *s, unsigned base_reg, uint32_t i)
{
    return ((hwaddr)*e1000_reg(s, base_reg + 4) << 32 | *e1000_reg(s, base_reg)) + (hwaddr)i * E1000_DESC;
}

/* --- reset --- */

/* What CTRL.RST does: everything but PCI and PHY; the address comes from the EEPROM again. */
static void mac_reset(E1000State *s)
{
    timer_del(s->itr_timer);
    timer_del(s->tx_timer);
    s->irq_held = false;
    memset(s->reg, 0, sizeof s->reg);
    *e1000_reg(s, R_CTRL) = DEFAULT_CTRL;
    *e1000_reg(s, R_PBA) = DEFAULT_PBA;
    *e1000_reg(s, R_VET) = DEFAULT_VET;
    *e1000_reg(s, R_TIPG) = DEFAULT_TIPG;
    *e1000_reg(s, R_LEDCTL) = DEFAULT_LEDCTL;
    *e1000_reg(s, R_RA) = s->eeprom[0] | (uint32_t)s->eeprom[1] << 16;
    *e1000_reg(s, R_RA + 4) = s->eeprom[2] | 1u << 31;
    s->ee_reading = false;
    s->ee_in = s->ee_out = 0;
    s->ee_bits_in = s->ee_bits_out = 0;
    memset(&s->ctx, 0, sizeof s->ctx);
    memset(&s->tso_ctx, 0, sizeof s->tso_ctx);
    e1000_tx_reset(s);
    e1000_link_changed(s);
    *e1000_reg(s, R_ICR) = 0;
    update_irq(s);
    if (s->nic.nc)
        net_flush(s->nic.nc); /* frames that wait are lost: the receiver is off */
}

/* --- registers --- */

static uint32_t reg_read(E1000State *s, hwaddr off)
{
    uint32_t v;

    if (off >= R_END) {
        log_unimp("e1000: read of register %05x\n", (unsigned)off);
        return 0;
    }
    off &= ~3ULL;
    v = *e1000_reg(s, (unsigned)off);
    switch (off) {
    case R_EECD:
        return e1000_eecd_read(s);
    case R_ICR:
        *e1000_reg(s, R_ICR) = 0;
        update_irq(s);
        return v;
    case R_ICS:
    case R_IMC:
        return 0;
    default:
        if (off >= R_STATS && off < R_STATS_END) {
            /* The halves of a 64-bit counter are read low, high: the high one clears both. */
            if (off == S_GORCL || off == S_GOTCL || off == S_TORL || off == S_TOTL)
                return v;
            if (off == S_GORCL + 4 || off == S_GOTCL + 4 || off == S_TORL + 4 || off == S_TOTL + 4)
                *e1000_reg(s, (unsigned)off - 4) = 0;
            *e1000_reg(s, (unsigned)off) = 0;
        }
        return v;
    }
}

static void ctrl_write(E1000State *s, uint32_t v)
{
    if (v & CTRL_PHY_RST)
        e1000_phy_reset(s);
    if (v & CTRL_RST) {
        mac_reset(s);
        return;
    }
    *e1000_reg(s, R_CTRL) = v & ~(CTRL_RST | CTRL_PHY_RST);
    e1000_link_changed(s);
}

static void receiver_changed(E1000State *s)
{
    if (s->nic.nc)
        net_flush(s->nic.nc);
}

/* Bits that are there, of registers that only keep what is written; drivers' self-tests look at them. */
static uint32_t kept_bits(hwaddr off)
{
    static const struct {
        uint16_t reg;
        uint32_t bits;
    } partial[] = {{R_FCAH, 0xffff}, {R_FCT, 0xffff}, {R_FCTTV, 0xffff}, {R_FCRTL, 0x8000fff8}, {R_FCRTH, 0x8000fff8},
                   {R_TXCW, 0xc000ffff}, {R_TIPG, 0x3fffffff}, {R_TIDV, 0xffff}, {R_RDTR, 0xffff}};

    if (off >= R_RA && off < R_RA + 16 * 8)
        return off & 4 ? 0x8003ffff : UINT32_MAX;
    for (size_t i = 0; i < ARRAY_SIZE(partial); i++)
        if (partial[i].reg == off)
            return partial[i].bits;
    return UINT32_MAX;
}

static void reg_write(E1000State *s, hwaddr off, uint32_t v)
{
    if (off >= R_END) {
        log_unimp("e1000: write of %08x to register %05x\n", v, (unsigned)off);
        return;
    }
    off &= ~3ULL;
    switch (off) {
    case R_CTRL:
    case R_CTRL + 4: /* the same register again */
        ctrl_write(s, v);
        return;
    case R_STATUS:
        return;
    case R_EECD:
        e1000_eecd_write(s, v);
        return;
    case R_EERD:
        e1000_eerd_write(s, v);
        return;
    case R_MDIC:
        e1000_mdic_write(s, v);
        return;
    case R_CTRL_EXT:
        if (v & 0x2000) { /* EE_RST: what the EEPROM holds is loaded again */
            *e1000_reg(s, R_RA) = s->eeprom[0] | (uint32_t)s->eeprom[1] << 16;
            *e1000_reg(s, R_RA + 4) = s->eeprom[2] | 1u << 31;
        }
        *e1000_reg(s, R_CTRL_EXT) = v & ~0x2000u;
        return;
    case R_ICR:
        *e1000_reg(s, R_ICR) &= ~v;
        update_irq(s);
        return;
    case R_ICS:
        e1000_raise(s, v & ICR_ALL);
        return;
    case R_IMS:
        *e1000_reg(s, R_IMS) |= v & ICR_ALL;
        update_irq(s);
        return;
    case R_IMC:
        *e1000_reg(s, R_IMS) &= ~v;
        update_irq(s);
        return;
    case R_ITR:
        *e1000_reg(s, R_ITR) = v & 0xffff;
        return;
    case R_RCTL:
        *e1000_reg(s, R_RCTL) = v;
        receiver_changed(s);
        return;
    case R_RDBAL:
    case R_TDBAL:
        *e1000_reg(s, (unsigned)off) = v & ~15u;
        return;
    case R_RDLEN:
    case R_TDLEN:
        *e1000_reg(s, (unsigned)off) = v & LEN_MASK;
        return;
    case R_RDH:
    case R_TDH:
        *e1000_reg(s, (unsigned)off) = v & 0xffff;
        return;
    case R_RDT:
        *e1000_reg(s, R_RDT) = v & 0xffff;
        receiver_changed(s);
        return;
    case R_TCTL:
        *e1000_reg(s, R_TCTL) = v;
        e1000_transmit(s);
        return;
    case R_TDT:
        *e1000_reg(s, R_TDT) = v & 0xffff;
        e1000_transmit(s);
        return;
    case R_VET:
        *e1000_reg(s, R_VET) = v & 0xffff;
        return;
    default:
        if (off < R_STATS || off >= R_STATS_END)
            *e1000_reg(s, (unsigned)off) = v & kept_bits(off);
    }
}

static uint64_t mmio_read(void *opaque, hwaddr off, unsigned size)
{
    return reg_read(opaque, off);
}

static void mmio_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    reg_write(opaque, off, (uint32_t)val);
}

static const MemoryOps mmio_ops = {.read = mmio_read, .write = mmio_write, .min_size = 4, .max_size = 4};

static uint64_t io_read(void *opaque, hwaddr off, unsigned size)
{
    E1000State *s = opaque;

    if (off == IO_ADDR)
        return s->io_addr;
    return off == IO_DATA ? reg_read(s, s->io_addr) : 0;
}

static void io_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    E1000State *s = opaque;

    if (off == IO_ADDR)
        s->io_addr = (uint32_t)val & (MMIO_SIZE - 1);
    else if (off == IO_DATA)
        reg_write(s, s->io_addr, (uint32_t)val);
}

static const MemoryOps io_ops = {.read = io_read, .write = io_write, .min_size = 4, .max_size = 4};

/* --- the network's side --- */

static bool client_can_receive(NetClient *nc)
{
    return e1000_can_receive((E1000State *)nic_of(nc));
}

static bool client_receive(NetClient *nc, const uint8_t *buf, size_t len)
{
    return e1000_receive((E1000State *)nic_of(nc), buf, len);
}

static void client_link_changed(NetClient *nc)
{
    e1000_link_changed((E1000State *)nic_of(nc));
}

static const NetClientOps client_ops = {.type = "nic", .size = sizeof(NicClient), .main_thread = true,
                                        .can_receive = client_can_receive, .receive = client_receive,
                                        .link_changed = client_link_changed};

/* --- the device --- */

static void config_write(PciDevice *pd, unsigned addr, uint32_t val, unsigned size)
{
    if (addr <= PCI_COMMAND && addr + size > PCI_COMMAND)
        receiver_changed((E1000State *)pd); /* bus mastering may be on now */
}

static void e1000_reset(Device *dev)
{
    E1000State *s = (E1000State *)dev;

    pci_device_reset(&s->nic.pci);
    s->io_addr = 0;
    *e1000_reg(s, R_IMS) = 0; /* no interrupt from what follows */
    e1000_phy_reset(s);
    mac_reset(s);
}

static void e1000_finalize(Device *dev)
{
    E1000State *s = (E1000State *)dev;

    pci_device_finalize(&s->nic.pci);
    nic_finalize(&s->nic);
    timer_free(s->itr_timer);
    timer_free(s->tx_timer);
    g_free(s->tx_buf);
    if (s->mmio.size)
        memory_region_destroy(&s->mmio);
    if (s->io.size)
        memory_region_destroy(&s->io);
}

static bool e1000_init(Device *dev, GError **errp)
{
    E1000State *s = (E1000State *)dev;
    PciDevice *pd = &s->nic.pci;

    if (!pci_device_init(pd, 0x8086, 0x100e, 0x0200, 0, 3, errp))
        return false;
    memory_region_init_io(&s->mmio, &mmio_ops, s, "e1000-mmio", MMIO_SIZE);
    memory_region_init_io(&s->io, &io_ops, s, "e1000-io", IO_SIZE);
    pci_register_bar(pd, 0, PCI_BAR_MEM, &s->mmio);
    pci_register_bar(pd, 1, PCI_BAR_IO, &s->io);
    pd->config[PCI_INT_PIN] = 1;
    pd->config[0x3e] = 0xff; /* MIN_GNT */
    pd->config_write = config_write;
    s->itr_timer = timer_new(CLOCK_VM, itr_over, s);
    s->tx_timer = timer_new(CLOCK_VM, transmit_on, s);
    s->tx_buf = g_malloc0(E1000_TX_BUF);
    if (!nic_init(&s->nic, &client_ops, errp)) {
        e1000_finalize(dev);
        return false;
    }
    e1000_eeprom_init(s);
    return true;
}

/* A saved state is input: the collected frame must fit into its context. */
static void e1000_post_load(Device *dev)
{
    E1000State *s = (E1000State *)dev;
    const E1000Context *c = &s->tso_ctx;
    uint32_t limit = s->tx_tso ? (uint32_t)c->hdr_len + s->tx_unit : E1000_MAX_FRAME + 1;

    s->tx_buf = g_realloc(s->tx_buf, E1000_TX_BUF); /* loading left one of tx_len bytes */
    if (s->tx_len >= limit || limit > E1000_TX_BUF || (s->tx_tso && (c->mss < E1000_MIN_MSS || s->tx_unit < c->mss)))
        e1000_tx_reset(s);
    s->io_addr &= MMIO_SIZE - 1;
    pci_device_post_load(&s->nic.pci);
    receiver_changed(s);
}

static const VMField context_fields[] = {
    VM_UINT(E1000Context, ipcss), VM_UINT(E1000Context, ipcso), VM_UINT(E1000Context, tucss), VM_UINT(E1000Context, tucso),
    VM_UINT(E1000Context, hdr_len), VM_UINT(E1000Context, ipcse), VM_UINT(E1000Context, tucse), VM_UINT(E1000Context, mss),
    VM_UINT(E1000Context, pay_len), VM_UINT(E1000Context, ip), VM_UINT(E1000Context, tcp), VM_END};

static const VMField e1000_fields[] = {
    VM_STRUCT(E1000State, nic.pci, pci_device_fields), VM_UINT_ARRAY(E1000State, reg, R_END / 4),
    VM_UINT(E1000State, io_addr), VM_UINT(E1000State, ee_in), VM_UINT(E1000State, ee_out),
    VM_UINT(E1000State, ee_bits_in), VM_UINT(E1000State, ee_bits_out), VM_UINT(E1000State, ee_reading),
    VM_UINT_ARRAY(E1000State, phy, 32), VM_STRUCT(E1000State, ctx, context_fields),
    VM_STRUCT(E1000State, tso_ctx, context_fields), VM_UINT(E1000State, tx_len),
    VM_VBUFFER(E1000State, tx_buf, E1000_TX_BUF, tx_len), VM_UINT(E1000State, tx_segments), VM_UINT(E1000State, tx_unit),
    VM_UINT(E1000State, tx_popts), VM_UINT(E1000State, tx_tso), VM_UINT(E1000State, tx_vlan),
    VM_UINT(E1000State, tx_drop), VM_UINT(E1000State, tx_started), VM_UINT(E1000State, tx_vlan_tag),
    VM_UINT(E1000State, irq_held), VM_TIMER(E1000State, itr_timer),
    VM_TIMER(E1000State, tx_timer), VM_END};

static const DeviceProp e1000_props[] = {NIC_PROPS(E1000State), PROP_END};

const DeviceClass e1000_class = {
    .name = "e1000", .instance_size = sizeof(E1000State), .init = e1000_init, .reset = e1000_reset,
    .fields = e1000_fields, .post_load = e1000_post_load, .finalize = e1000_finalize, .props = e1000_props,
    .desc = "Intel Gigabit Ethernet", .bus = "PCI", .user_creatable = true};
