/* rtl8139.c - Realtek RTL8139C+ Fast Ethernet controller: PCI function, registers, EEPROM, timer, PHY
 * Spec: Realtek RTL8139C(L)+ data sheet, chapter 6; 93C46 data sheet for the EEPROM.
 * Guest view: BAR0 256 ports, BAR1 the same in memory. The rings are in rtl8139-ring.c.
 * Not modelled: power management, wake-up, multiple interrupt, flash, writing the EEPROM, early receive. */
#include "host/base/osdep.h"
#include "hw/net/rtl8139.h"

#include "hw/net/rtl8139-internal.h"

enum { HW_VERSION = 0x74800000, EE_MODE = 0xc0, EE_UNLOCKED = 0xc0, EE_PROGRAM = 0x80, EECS = 8, EESK = 4, EEDI = 2, EEDO = 1 };
enum { EE_SIGNATURE = 0x8129, EE_MAC_WORD = 7, EE_READ = 2, DTCCR_DUMP = 8, DTCCR_ADDR = ~0x3f, MSR_NO_LINK = 4, BMSR_LINK = 4, BMSR_DONE = 0x20, TIMER_HZ = 33000000 };
enum { BMCR_RESET = 0x8000, BMCR_RESTART = 0x0200, POLL_HIGH = 0x80, POLL_NORMAL = 0x40 };

/* Bits that a write changes; ISR clears, the rest of the bytes is read-only. */
static uint8_t write_mask(const Rtl8139State *s, unsigned off)
{
    bool unlocked = (s->reg[R_9346CR] & EE_MODE) == EE_UNLOCKED;

    if (off < 6 || off == R_CONFIG0 || off == R_CONFIG1 || off == R_CONFIG3 || off == R_CONFIG4 || off == R_CONFIG5 ||
        off == R_BMCR || off == R_BMCR + 1)
        return unlocked ? (off == R_CONFIG0 ? 0 : 0xff) : 0;
    if ((off >= R_MAR && off < R_RBSTART + 4) || (off >= R_TCR && off < R_TCTR) || (off >= R_TIMER_INT && off < R_MSR))
        return 0xff;
    if (off == R_CR)
        return CR_TE | CR_RE;
    if (off >= R_CAPR && off < R_CBR)
        return 0xff;
    if (off == R_IMR || off == R_IMR + 1)
        return off == R_IMR ? 0xff : 0xe1;
    if (off == R_9346CR)
        return 0xce;
    if ((off >= R_MULINT && off < R_REVISION) || (off >= R_ANAR && off < R_ANLPAR) || (off >= R_NWAY && off < 0x84))
        return 0xff;
    return off >= R_CPCR && off <= R_MTPS ? 0xff : 0;
}

static void update_irq(Rtl8139State *s)
{
    pci_set_irq(&s->nic.pci, (ldl16(s->reg + R_ISR) & ldl16(s->reg + R_IMR)) != 0);
}

void rtl_raise(Rtl8139State *s, unsigned causes)
{
    stl16(s->reg + R_ISR, (uint16_t)(ldl16(s->reg + R_ISR) | causes));
    update_irq(s);
}

/* --- EEPROM: 64 words behind a serial line --- */

static void eeprom_write(Rtl8139State *s, uint8_t old, uint8_t now)
{
    if ((now & EE_MODE) != EE_PROGRAM || !(now & EECS)) {
        s->ee_in = s->ee_bits = 0;
        s->ee_reading = s->ee_do = false;
        return;
    }
    if ((old & EESK) || !(now & EESK))
        return;
    if (s->ee_reading) {
        s->ee_do = s->ee_out >> 15;
        s->ee_out = (uint16_t)(s->ee_out << 1);
        return;
    }
    if (!s->ee_bits && !(now & EEDI))
        return; /* waits for the start bit */
    s->ee_in = s->ee_in << 1 | (now & EEDI ? 1 : 0);
    if (++s->ee_bits < 9)
        return;
    if ((s->ee_in >> 6 & 3) == EE_READ) {
        s->ee_out = s->eeprom[s->ee_in & 63];
        s->ee_reading = true;
        s->ee_do = false; /* a zero comes before the data */
    }
}

static void eeprom_fill(Rtl8139State *s)
{
    s->eeprom[0] = EE_SIGNATURE;
    s->eeprom[1] = 0x10ec;
    s->eeprom[2] = 0x8139;
    for (int i = 0; i < 3; i++)
        s->eeprom[EE_MAC_WORD + i] = ldl16(s->nic.mac + 2 * i);
}

/* --- timer --- */

static uint32_t timer_ticks(const Rtl8139State *s)
{
    return (uint32_t)((__int128)(clock_ns(CLOCK_VM) - s->timer_zero_ns) * TIMER_HZ / NANOSECONDS_PER_SECOND);
}

static void timer_arm(Rtl8139State *s)
{
    uint32_t at = ldl32(s->reg + R_TIMER_INT), now = timer_ticks(s);

    if (!at) {
        timer_del(s->timer);
        return;
    }
    timer_mod(s->timer, clock_ns(CLOCK_VM) + ((int64_t)(uint32_t)(at - now) * NANOSECONDS_PER_SECOND + TIMER_HZ - 1) / TIMER_HZ + 1);
}

static void timer_fired(void *opaque)
{
    Rtl8139State *s = opaque;

    rtl_raise(s, ISR_TIMEOUT);
    timer_arm(s);
}

/* --- registers --- */

static void reset_registers(Rtl8139State *s)
{
    uint8_t mac[6], config[2] = {s->reg[R_9346CR], s->reg[R_CONFIG1]};

    memcpy(mac, s->reg + R_IDR, 6);
    memset(s->reg, 0, sizeof s->reg);
    memcpy(s->reg + R_IDR, mac, 6);
    s->reg[R_9346CR] = config[0];
    s->reg[R_CONFIG1] = config[1];
    for (unsigned n = 0; n < 4; n++)
        stl32(s->reg + R_TSD + 4 * n, TSD_OWN);
    stl32(s->reg + R_TCR, HW_VERSION);
    stl16(s->reg + R_CAPR, 0xfff0);
    s->reg[R_CONFIG3] = 1;
    s->reg[R_MSR] = 0x50;
    stl16(s->reg + R_BMCR, 0x3100);
    stl16(s->reg + R_BMSR, 0x7849);
    stl16(s->reg + R_ANAR, 0x05e1);
    stl16(s->reg + R_ANLPAR, 0x05e1);
    stl16(s->reg + R_ANER, 1);
    stl32(s->reg + R_CSCR, 0x000003c8);
    s->rx_at = s->rx_desc = s->tx_desc = s->tx_high_desc = s->tx_len = 0;
    s->tally = (Rtl8139Tally){0};
    s->timer_zero_ns = clock_ns(CLOCK_VM);
    timer_del(s->timer);
    update_irq(s);
}

/* What a read finds that no write has put there. */
static void refresh(Rtl8139State *s, unsigned off)
{
    bool link = nic_link_up(&s->nic);

    switch (off & ~3u) {
    case R_CR & ~3:
        s->reg[R_CR] = (uint8_t)((s->reg[R_CR] & ~CR_BUFE) | (rtl_ring_empty(s) ? CR_BUFE : 0));
        break;
    case R_TCTR:
        stl32(s->reg + R_TCTR, timer_ticks(s));
        break;
    case R_9346CR:
        s->reg[R_9346CR] = (uint8_t)((s->reg[R_9346CR] & ~EEDO) | (s->ee_do ? EEDO : 0));
        break;
    case R_MSR:
        s->reg[R_MSR] = (uint8_t)((s->reg[R_MSR] & ~MSR_NO_LINK) | (link ? 0 : MSR_NO_LINK));
        break;
    case R_BMSR:
        s->reg[R_BMSR] = (uint8_t)((s->reg[R_BMSR] & ~(BMSR_LINK | BMSR_DONE)) | (link ? BMSR_LINK | BMSR_DONE : 0));
        break;
    case R_TSAD_ALL: {
        unsigned all = 0;
        for (unsigned n = 0; n < 4; n++) {
            uint32_t tsd = ldl32(s->reg + R_TSD + 4 * n);
            all |= (tsd & TSD_OWN ? 1u : 0) << n | (tsd & TSD_TUN ? 0x100u : 0) << n | (tsd & TSD_TOK ? 0x1000u : 0) << n;
        }
        stl16(s->reg + R_TSAD_ALL, (uint16_t)all);
        break;
    }
    default:
        break;
    }
}

static uint64_t reg_read(void *opaque, hwaddr off, unsigned size)
{
    Rtl8139State *s = opaque;

    if (off + size > sizeof s->reg)
        return MASK64(size * 8);
    refresh(s, (unsigned)off);
    /* C+ descriptors are handed over in memory, without a doorbell. Whoever looks for frames here may have made room. */
    if ((s->reg[R_CPCR] & CPCR_RX) && s->nic.nc && off <= R_ISR + 1 && off + size > R_ISR)
        net_flush(s->nic.nc);
    return ldl_n(s->reg + off, size);
}

static bool touches(unsigned off, unsigned size, unsigned reg, unsigned len)
{
    return off < reg + len && off + size > reg;
}

static void command(Rtl8139State *s, uint8_t val)
{
    if (val & CR_RST) {
        reset_registers(s);
        return;
    }
    if (s->nic.nc)
        net_flush(s->nic.nc);
}

static void effects(Rtl8139State *s, unsigned off, unsigned size, uint32_t val, uint8_t old_ee)
{
    if (touches(off, size, R_TSD, 16) && !rtl_cplus_tx(s) && !(off & 3) && size == 4) {
        /* the driver's word clears OWN; status bits above it are the chip's */
        stl32(s->reg + off, val & 0x3f3fff);
        rtl_transmit(s, (off - R_TSD) / 4);
    }
    if (touches(off, size, R_DTCCR, 4) && rtl_cplus_tx(s) && (ldl32(s->reg + R_DTCCR) & DTCCR_DUMP)) {
        rtl_dump_tally(s, ldl64(s->reg + R_DTCCR) & (hwaddr)(int64_t)DTCCR_ADDR);
        s->reg[R_DTCCR] &= (uint8_t)~DTCCR_DUMP; /* done: the driver polls it */
    }
    if (touches(off, size, R_TNPDS, 8))
        s->tx_desc = 0;
    if (touches(off, size, R_THPDS, 8))
        s->tx_high_desc = 0;
    if (touches(off, size, R_RDSAR, 8))
        s->rx_desc = 0;
    if (touches(off, size, R_RBSTART, 4)) {
        s->rx_at = 0;
        stl16(s->reg + R_CBR, 0);
        stl16(s->reg + R_CAPR, 0xfff0);
    }
    if (touches(off, size, R_CR, 1))
        command(s, (uint8_t)(val >> 8 * (R_CR - off)));
    if (touches(off, size, R_TCR, 4))
        stl32(s->reg + R_TCR, (ldl32(s->reg + R_TCR) & ~0x7cc00000u) | HW_VERSION);
    if (touches(off, size, R_TCTR, 4))
        s->timer_zero_ns = clock_ns(CLOCK_VM);
    if (touches(off, size, R_TCTR, 4) || touches(off, size, R_TIMER_INT, 4))
        timer_arm(s);
    if (touches(off, size, R_MPC, 4))
        stl32(s->reg + R_MPC, 0);
    if (touches(off, size, R_9346CR, 1)) {
        eeprom_write(s, old_ee, s->reg[R_9346CR]);
        if ((s->reg[R_9346CR] & EE_MODE) == 0x40) { /* autoload */
            memcpy(s->reg + R_IDR, s->nic.mac, 6);
            s->reg[R_9346CR] = 0;
        }
    }
    if (touches(off, size, R_BMCR, 2))
        stl16(s->reg + R_BMCR, (uint16_t)(ldl16(s->reg + R_BMCR) & ~(BMCR_RESET | BMCR_RESTART)));
    if (touches(off, size, R_TPPOLL, 1)) {
        uint8_t poll = (uint8_t)(val >> 8 * (R_TPPOLL - off));
        if (poll & POLL_HIGH)
            rtl_transmit_cplus(s, true);
        if (poll & POLL_NORMAL)
            rtl_transmit_cplus(s, false);
    }
    if ((touches(off, size, R_RBSTART, 4) || touches(off, size, R_CAPR, 2) || touches(off, size, R_IMR, 4) ||
         touches(off, size, R_RCR, 4) || touches(off, size, R_CPCR, 12)) && s->nic.nc)
        net_flush(s->nic.nc); /* the driver has made room, or has said with IMR or ISR that it is done for now */
    update_irq(s);
}

static void reg_write(void *opaque, hwaddr at, uint64_t val, unsigned size)
{
    Rtl8139State *s = opaque;
    unsigned off = (unsigned)at;
    uint8_t old_ee = s->reg[R_9346CR];

    if (at + size > sizeof s->reg)
        return;
    for (unsigned i = 0; i < size; i++) {
        uint8_t v = (uint8_t)(val >> 8 * i), mask = write_mask(s, off + i);
        if (off + i == R_ISR || off + i == R_ISR + 1)
            s->reg[off + i] &= (uint8_t)~v;
        else
            s->reg[off + i] = (uint8_t)((s->reg[off + i] & ~mask) | (v & mask));
    }
    effects(s, off, size, (uint32_t)val, old_ee);
}

static const MemoryOps ops = {reg_read, reg_write, 1, 4};

/* --- the network's side --- */

static bool client_can_receive(NetClient *nc) { return rtl_can_receive((Rtl8139State *)nic_of(nc)); }

static bool client_receive(NetClient *nc, const uint8_t *buf, size_t len)
{
    return rtl_receive((Rtl8139State *)nic_of(nc), buf, len);
}

static void client_link_changed(NetClient *nc)
{
    rtl_raise((Rtl8139State *)nic_of(nc), ISR_PUN); /* the same bit says that the link has changed */
}

static const NetClientOps client_ops = {.type = "nic", .size = sizeof(NicClient), .main_thread = true,
                                        .can_receive = client_can_receive, .receive = client_receive,
                                        .link_changed = client_link_changed};

/* --- the device --- */

static void config_write(PciDevice *pd, unsigned addr, uint32_t val, unsigned size)
{
    Rtl8139State *s = (Rtl8139State *)pd;

    if (addr <= PCI_COMMAND && addr + size > PCI_COMMAND && s->nic.nc)
        net_flush(s->nic.nc);
}

static void rtl_reset(Device *dev)
{
    Rtl8139State *s = (Rtl8139State *)dev;

    pci_device_reset(&s->nic.pci);
    memcpy(s->reg + R_IDR, s->nic.mac, 6);
    s->reg[R_9346CR] = 0;
    s->reg[R_CONFIG1] = 0x0c;
    s->ee_in = s->ee_bits = s->ee_out = 0;
    s->ee_reading = s->ee_do = false;
    reset_registers(s);
    eeprom_fill(s);
}

static void rtl_finalize(Device *dev)
{
    Rtl8139State *s = (Rtl8139State *)dev;

    pci_device_finalize(&s->nic.pci);
    nic_finalize(&s->nic);
    timer_free(s->timer);
    g_free(s->tx_buf);
    if (s->mmio.size)
        memory_region_destroy(&s->mmio);
    if (s->io.size)
        memory_region_destroy(&s->io);
}

static bool rtl_init(Device *dev, GError **errp)
{
    Rtl8139State *s = (Rtl8139State *)dev;
    PciDevice *pd = &s->nic.pci;

    if (!pci_device_init(pd, 0x10ec, 0x8139, 0x0200, 0, 0x20, errp))
        return false;
    memory_region_init_io(&s->io, &ops, s, "rtl8139", sizeof s->reg);
    memory_region_init_io(&s->mmio, &ops, s, "rtl8139", sizeof s->reg);
    pci_register_bar(pd, 0, PCI_BAR_IO, &s->io);
    pci_register_bar(pd, 1, PCI_BAR_MEM, &s->mmio);
    pd->config[PCI_INT_PIN] = 1;
    pd->config_write = config_write;
    s->timer = timer_new(CLOCK_VM, timer_fired, s);
    s->tx_buf = g_malloc0(RTL_MAX_FRAME);
    if (!nic_init(&s->nic, &client_ops, errp)) {
        rtl_finalize(dev);
        return false;
    }
    return true;
}

/* A saved state is input. */
static void rtl_post_load(Device *dev)
{
    Rtl8139State *s = (Rtl8139State *)dev;

    s->tx_buf = g_realloc(s->tx_buf, RTL_MAX_FRAME); /* loading left one of tx_len bytes */
    if (s->tx_len > RTL_MAX_FRAME - 4)
        s->tx_len = 0;
    s->rx_at %= 65536;
    s->rx_desc %= 64;
    s->tx_desc %= 64;
    s->tx_high_desc %= 64;
    pci_device_post_load(&s->nic.pci);
    if (s->nic.nc)
        net_flush(s->nic.nc);
}

static const VMField rtl_fields[] = {
    VM_STRUCT(Rtl8139State, nic.pci, pci_device_fields), VM_BUFFER(Rtl8139State, reg), VM_UINT(Rtl8139State, rx_at),
    VM_UINT(Rtl8139State, rx_desc), VM_UINT(Rtl8139State, tx_desc), VM_UINT(Rtl8139State, tx_high_desc),
    VM_UINT(Rtl8139State, timer_zero_ns), VM_UINT_ARRAY(Rtl8139State, eeprom, 64), VM_UINT(Rtl8139State, ee_out),
    VM_UINT(Rtl8139State, ee_in), VM_UINT(Rtl8139State, ee_bits), VM_UINT(Rtl8139State, ee_reading),
    VM_UINT(Rtl8139State, ee_do), VM_UINT(Rtl8139State, tx_len), VM_VBUFFER(Rtl8139State, tx_buf, RTL_MAX_FRAME, tx_len),
    VM_UINT(Rtl8139State, tally.tx_ok), VM_UINT(Rtl8139State, tally.rx_ok), VM_UINT(Rtl8139State, tally.rx_ok_unicast),
    VM_UINT(Rtl8139State, tally.rx_ok_broadcast), VM_UINT(Rtl8139State, tally.rx_ok_multicast),
    VM_UINT(Rtl8139State, tally.missed), VM_TIMER(Rtl8139State, timer), VM_END};

static const DeviceProp rtl_props[] = {NIC_PROPS(Rtl8139State), PROP_END};

const DeviceClass rtl8139_class = {
    .name = "rtl8139", .instance_size = sizeof(Rtl8139State), .init = rtl_init, .reset = rtl_reset, .fields = rtl_fields,
    .post_load = rtl_post_load, .finalize = rtl_finalize, .props = rtl_props, .desc = "Realtek RTL8139C+ Fast Ethernet",
    .bus = "PCI", .user_creatable = true};
