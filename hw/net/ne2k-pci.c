/* ne2k-pci.c - Realtek RTL8029AS: a DP8390 network controller with the NE2000's 32 KiB of memory and its data port
 * Spec: National Semiconductor DP8390D data sheet; RTL8029AS data sheet (pages 2, 3 and the identification bytes).
 * Guest view: BAR0 32 of 256 ports: 00h-0fh controller, 10h-17h data, 18h-1fh reset.
 * A wire of 10 Mbit/s gives drivers the time to take a frame before the next one is there, and they count on it: Linux
 * takes nine, acknowledges PRX and would leave a tenth in the ring until another comes. Here the next frame comes in when
 * PRX is acknowledged (a driver that polls, with PRX masked: when the ring is empty), however busy the host is.
 * Not modelled: collisions, loopback inside the chip, remote "send packet", storing bad frames, ISR.RST on overflow. */
#include "host/base/osdep.h"
#include "hw/net/ne2k-pci.h"

#include "host/base/bitops.h"
#include "host/base/log.h"
#include "hw/net/nic.h"

enum { IO_SIZE = 256, DATA_PORT = 0x10, RESET_PORT = 0x18, PORTS = 0x20 };
enum { PROM_SIZE = 32, MEM_START = 0x4000, MEM_END = 0xc000 };
enum { CMD = 0, CMD_STOP = 1, CMD_START = 2, CMD_TRANSMIT = 4, CMD_READ = 8, CMD_WRITE = 0x10, CMD_ABORT = 0x20 };
/* page 0, writing; reading differs */
enum { W_PSTART = 1, W_PSTOP, W_BNRY, W_TPSR, W_TBCR0, W_TBCR1, W_ISR, W_RSAR0, W_RSAR1, W_RBCR0, W_RBCR1, W_RCR, W_TCR, W_DCR, W_IMR };
enum { R_TSR = 4, R_ID0 = 0xa, R_ID1 = 0xb, R_RSR = 0xc, R_MISSED = 0xf /* CNTR2 */ };
enum { ISR_PRX = 1, ISR_PTX = 2, ISR_OVW = 0x10, ISR_CNT = 0x20, ISR_RDC = 0x40, ISR_RST = 0x80, ISR_IRQ = 0x7f };
enum { RCR_BROADCAST = 4, RCR_MULTICAST = 8, RCR_PROMISC = 0x10, RCR_MONITOR = 0x20, DCR_WORDS = 1, TCR_LOOPBACK = 6 };
enum { RSR_OK = 1, RSR_MISSED = 0x10, RSR_MULTICAST = 0x20, TSR_OK = 1, RX_HEADER = 4, MIN_FRAME = 60, MAX_FRAME = 1518 };

typedef struct Ne2kState {
    NicState nic;
    MemoryRegion io;
    uint8_t cmd, tpsr, tsr, bnry, isr, rcr, tcr, dcr, imr, rsr, curr, missed;
    uint16_t start, stop, tx_len;      /* receive ring in bytes: [start, stop) */
    uint16_t dma_addr, dma_len;        /* remote DMA */
    uint8_t phys[6], mult[8];
    uint8_t prom[PROM_SIZE], mem[MEM_END - MEM_START];
} Ne2kState;

static void update_irq(Ne2kState *s)
{
    pci_set_irq(&s->nic.pci, (s->isr & s->imr & ISR_IRQ) != 0);
}

/* The card's own memory; there is nothing outside of it. */
static uint8_t mem_get(const Ne2kState *s, unsigned addr)
{
    if (addr < PROM_SIZE)
        return s->prom[addr];
    return addr >= MEM_START && addr < MEM_END ? s->mem[addr - MEM_START] : 0xff;
}

static void mem_put(Ne2kState *s, unsigned addr, uint8_t v)
{
    if (addr >= MEM_START && addr < MEM_END)
        s->mem[addr - MEM_START] = v;
}

/* --- receiver --- */

static bool ring_usable(const Ne2kState *s)
{
    unsigned curr = s->curr << 8;

    return s->start >= MEM_START && s->stop <= MEM_END && s->start < s->stop && curr >= s->start && curr < s->stop;
}

static unsigned ring_free(const Ne2kState *s)
{
    unsigned curr = s->curr << 8, bnry = s->bnry << 8, all = s->stop - s->start;

    if (!ring_usable(s) || bnry >= s->stop)
        return 0;
    if (bnry < s->start) /* drivers write "the page before the next frame", also when that is the first */
        bnry = s->stop - 256u;
    return curr < bnry ? bnry - curr : all - (curr - bnry);
}

/* BNRY is the page before the next frame, or that frame's. */
static bool ring_empty(const Ne2kState *s)
{
    unsigned before = s->curr << 8 == s->start ? (s->stop >> 8) - 1u : s->curr - 1u;

    return s->bnry == s->curr || s->bnry == before;
}

/* Not now: the driver has not yet seen what came last (see above). A stopped chip loses what comes. */
static bool client_can_receive(NetClient *nc)
{
    const Ne2kState *s = (Ne2kState *)nic_of(nc);

    return (s->cmd & CMD_STOP) || !(s->isr & ISR_PRX) || !ring_usable(s) || (!(s->imr & ISR_PRX) && ring_empty(s));
}

static void flush(Ne2kState *s)
{
    if (s->nic.nc)
        net_flush(s->nic.nc);
}

/* DP8390D 10.0 (CNTR2): counts to 192, interrupts from 128 on. */
static void count_missed(Ne2kState *s)
{
    if (s->missed < 192)
        s->missed++;
    if (s->missed & 0x80)
        s->isr |= ISR_CNT;
}

/* DP8390D 10.0: the upper 6 bits of the address's CRC choose the bit in MAR. */
static bool multicast_listed(const Ne2kState *s, const uint8_t *a)
{
    unsigned h = nic_multicast_hash(a);

    return s->mult[h / 8] >> (h & 7) & 1;
}

static bool accepted(const Ne2kState *s, const uint8_t *f)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    if (s->rcr & RCR_PROMISC)
        return true;
    if (!memcmp(f, broadcast, 6))
        return s->rcr & RCR_BROADCAST;
    if (f[0] & 1)
        return (s->rcr & RCR_MULTICAST) && multicast_listed(s, f);
    return !memcmp(f, s->phys, 6);
}

static bool client_receive(NetClient *nc, const uint8_t *f, size_t size)
{
    Ne2kState *s = (Ne2kState *)nic_of(nc);
    unsigned len = (unsigned)MAX(size, (size_t)MIN_FRAME), at, next;

    if ((s->cmd & CMD_STOP) || (s->tcr & TCR_LOOPBACK) || !nic_link_up(&s->nic) || size < 14 || size > MAX_FRAME ||
        !accepted(s, f))
        return true;
    if (s->rcr & RCR_MONITOR) {
        count_missed(s);
        update_irq(s);
        return true;
    }
    if (ring_free(s) < len + RX_HEADER + 4 + 256) { /* 7.0: the ring is full up to BNRY, the frame is lost */
        s->rsr = RSR_MISSED;
        s->isr |= ISR_OVW;
        count_missed(s);
        update_irq(s);
        return true;
    }
    at = s->curr << 8;
    next = at + ((len + RX_HEADER + 4 + 255) & ~255u);
    if (next >= s->stop)
        next -= s->stop - s->start;
    s->rsr = (uint8_t)(RSR_OK | (f[0] & 1 ? RSR_MULTICAST : 0));
    mem_put(s, at, s->rsr);
    mem_put(s, at + 1, (uint8_t)(next >> 8));
    mem_put(s, at + 2, (uint8_t)(len + 4)); /* with the check sequence */
    mem_put(s, at + 3, (uint8_t)((len + 4) >> 8));
    at += RX_HEADER;
    for (unsigned i = 0; i < len; i++) {
        mem_put(s, at, i < size ? f[i] : 0);
        if (++at == s->stop)
            at = s->start;
    }
    s->curr = (uint8_t)(next >> 8);
    s->isr |= ISR_PRX;
    update_irq(s);
    return true;
}

/* --- transmitter --- */

static void transmit(Ne2kState *s)
{
    uint8_t buf[MAX_FRAME];
    unsigned len = MIN(s->tx_len, (unsigned)sizeof buf);

    for (unsigned i = 0; i < len; i++)
        buf[i] = mem_get(s, (s->tpsr << 8) + i);
    if (len >= 14 && s->nic.nc && !(s->tcr & TCR_LOOPBACK))
        net_send(s->nic.nc, buf, len);
    s->tsr = TSR_OK;
    s->isr |= ISR_PTX;
    s->cmd &= (uint8_t)~CMD_TRANSMIT;
    update_irq(s);
}

/* --- registers --- */

static void dma_done(Ne2kState *s)
{
    s->isr |= ISR_RDC;
    update_irq(s);
}

static void command(Ne2kState *s, uint8_t val)
{
    s->cmd = val;
    if (val & CMD_STOP) {
        s->isr |= ISR_RST;
        return;
    }
    s->isr &= (uint8_t)~ISR_RST;
    if ((val & (CMD_READ | CMD_WRITE)) && !s->dma_len)
        dma_done(s);
    if (val & CMD_TRANSMIT)
        transmit(s);
    flush(s);
}

static void page0_write(Ne2kState *s, unsigned reg, uint8_t v)
{
    switch (reg) {
    case W_PSTART:
        s->start = (uint16_t)(v << 8);
        break;
    case W_PSTOP:
        s->stop = (uint16_t)(v << 8);
        break;
    case W_BNRY:
        s->bnry = v;
        flush(s);
        break;
    case W_TPSR:
        s->tpsr = v;
        break;
    case W_TBCR0:
        s->tx_len = (uint16_t)((s->tx_len & 0xff00) | v);
        break;
    case W_TBCR1:
        s->tx_len = (uint16_t)((s->tx_len & 0xff) | v << 8);
        break;
    case W_ISR:
        s->isr &= (uint8_t)~(v & ISR_IRQ);
        flush(s); /* the driver has seen what came last */
        update_irq(s);
        break;
    case W_RSAR0:
        s->dma_addr = (uint16_t)((s->dma_addr & 0xff00) | v);
        break;
    case W_RSAR1:
        s->dma_addr = (uint16_t)((s->dma_addr & 0xff) | v << 8);
        break;
    case W_RBCR0:
        s->dma_len = (uint16_t)((s->dma_len & 0xff00) | v);
        break;
    case W_RBCR1:
        s->dma_len = (uint16_t)((s->dma_len & 0xff) | v << 8);
        break;
    case W_RCR:
        s->rcr = v;
        break;
    case W_TCR:
        s->tcr = v;
        break;
    case W_DCR:
        s->dcr = v;
        break;
    default:
        s->imr = v;
        update_irq(s);
        flush(s);
        break;
    }
}

static uint8_t page0_read(Ne2kState *s, unsigned reg)
{
    uint8_t missed;

    switch (reg) {
    case 1: /* CLDA */
        return 0;
    case 2:
        return s->curr;
    case W_BNRY:
        return s->bnry;
    case R_TSR:
        return s->tsr;
    case W_ISR:
        return s->isr;
    case W_RSAR0:
        return (uint8_t)s->dma_addr;
    case W_RSAR1:
        return (uint8_t)(s->dma_addr >> 8);
    case R_ID0:
        return 0x50; /* "P", "C" */
    case R_ID1:
        return 0x43;
    case R_RSR:
        return s->rsr;
    case R_MISSED: /* reading clears it */
        missed = s->missed;
        s->missed = 0;
        return missed;
    default:
        return 0; /* collisions, FIFO, counters of bad frames */
    }
}

static uint8_t reg_read(Ne2kState *s, unsigned reg)
{
    if (reg == CMD)
        return s->cmd;
    switch (s->cmd >> 6) {
    case 0:
        return page0_read(s, reg);
    case 1:
        return reg <= 6 ? s->phys[reg - 1] : reg == 7 ? s->curr : s->mult[reg - 8];
    case 2:
        switch (reg) {
        case W_PSTART:
            return (uint8_t)(s->start >> 8);
        case W_PSTOP:
            return (uint8_t)(s->stop >> 8);
        case W_TPSR:
            return s->tpsr;
        case W_RCR:
            return s->rcr;
        case W_TCR:
            return s->tcr;
        case W_DCR:
            return s->dcr;
        case W_IMR:
            return s->imr;
        default:
            return 0;
        }
    default:
        return reg == 5 || reg == 6 ? 0x40 : 0; /* CONFIG2, CONFIG3: full duplex */
    }
}

static void reg_write(Ne2kState *s, unsigned reg, uint8_t v)
{
    if (reg == CMD)
        command(s, v);
    else if (s->cmd >> 6 == 0)
        page0_write(s, reg, v);
    else if (s->cmd >> 6 == 1 && reg <= 6)
        s->phys[reg - 1] = v;
    else if (s->cmd >> 6 == 1 && reg == 7) {
        s->curr = v;
        flush(s);
    } else if (s->cmd >> 6 == 1)
        s->mult[reg - 8] = v;
}

/* --- the data port: remote DMA, a byte, a word or a double word at a time --- */

static void dma_step(Ne2kState *s, unsigned n)
{
    s->dma_addr = (uint16_t)(s->dma_addr + n);
    if (s->dma_addr == s->stop && s->stop)
        s->dma_addr = s->start; /* the ring goes round for the driver, too */
    if (s->dma_len <= n) {
        s->dma_len = 0;
        dma_done(s);
    } else {
        s->dma_len = (uint16_t)(s->dma_len - n);
    }
}

static unsigned dma_width(const Ne2kState *s, unsigned size)
{
    return size == 1 && (s->dcr & DCR_WORDS) ? 2 : size;
}

static uint64_t data_read(Ne2kState *s, unsigned size)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)mem_get(s, (uint16_t)(s->dma_addr + i)) << 8 * i;
    if (s->dma_len)
        dma_step(s, dma_width(s, size));
    return v;
}

static void data_write(Ne2kState *s, uint64_t v, unsigned size)
{
    if (!s->dma_len)
        return;
    for (unsigned i = 0; i < size; i++)
        mem_put(s, (uint16_t)(s->dma_addr + i), (uint8_t)(v >> 8 * i));
    dma_step(s, dma_width(s, size));
}

static void chip_reset(Ne2kState *s)
{
    s->isr = ISR_RST;
    s->cmd = CMD_STOP | CMD_ABORT;
    update_irq(s);
}

static uint64_t io_read(void *opaque, hwaddr off, unsigned size)
{
    Ne2kState *s = opaque;

    if (off >= DATA_PORT && off < RESET_PORT)
        return data_read(s, size);
    if (off >= RESET_PORT && off < PORTS) {
        chip_reset(s);
        return 0;
    }
    return off < DATA_PORT && size == 1 ? reg_read(s, (unsigned)off) : MASK64(8 * size);
}

static void io_write(void *opaque, hwaddr off, uint64_t v, unsigned size)
{
    Ne2kState *s = opaque;

    if (off >= DATA_PORT && off < RESET_PORT)
        data_write(s, v, size);
    else if (off < DATA_PORT && size == 1)
        reg_write(s, (unsigned)off, (uint8_t)v);
}

static const MemoryOps io_ops = {io_read, io_write, 1, 4};

/* --- the device --- */

static const NetClientOps client_ops = {.type = "nic", .size = sizeof(NicClient), .main_thread = true,
                                        .can_receive = client_can_receive, .receive = client_receive};

static void ne2k_reset(Device *dev)
{
    Ne2kState *s = (Ne2kState *)dev;

    pci_device_reset(&s->nic.pci);
    s->tpsr = s->tsr = s->bnry = s->rcr = s->tcr = s->dcr = s->imr = s->rsr = s->curr = s->missed = 0;
    s->start = s->stop = s->tx_len = s->dma_addr = s->dma_len = 0;
    memset(s->phys, 0, sizeof s->phys);
    memset(s->mult, 0, sizeof s->mult);
    memset(s->mem, 0, sizeof s->mem);
    for (int i = 0; i < 6; i++)
        s->prom[2 * i] = s->prom[2 * i + 1] = s->nic.mac[i]; /* each byte twice, for 8-bit and 16-bit readers */
    memset(s->prom + 12, 0, 16);
    memset(s->prom + 28, 0x57, 4); /* "W": a word-wide card */
    chip_reset(s);
}

static void ne2k_finalize(Device *dev)
{
    Ne2kState *s = (Ne2kState *)dev;

    pci_device_finalize(&s->nic.pci);
    nic_finalize(&s->nic);
    if (s->io.size)
        memory_region_destroy(&s->io);
}

static bool ne2k_init(Device *dev, GError **errp)
{
    Ne2kState *s = (Ne2kState *)dev;
    PciDevice *pd = &s->nic.pci;

    if (!pci_device_init(pd, 0x10ec, 0x8029, 0x0200, 0, 0, errp))
        return false;
    memory_region_init_io(&s->io, &io_ops, s, "ne2000", IO_SIZE);
    pci_register_bar(pd, 0, PCI_BAR_IO, &s->io);
    pd->config[PCI_INT_PIN] = 1;
    if (!nic_init(&s->nic, &client_ops, errp)) {
        ne2k_finalize(dev);
        return false;
    }
    return true;
}

static void ne2k_post_load(Device *dev)
{
    Ne2kState *s = (Ne2kState *)dev;

    pci_device_post_load(&s->nic.pci);
    if (s->nic.nc)
        net_flush(s->nic.nc);
}

static const VMField ne2k_fields[] = {
    VM_STRUCT(Ne2kState, nic.pci, pci_device_fields), VM_UINT(Ne2kState, cmd), VM_UINT(Ne2kState, tpsr),
    VM_UINT(Ne2kState, tsr), VM_UINT(Ne2kState, bnry), VM_UINT(Ne2kState, isr), VM_UINT(Ne2kState, rcr),
    VM_UINT(Ne2kState, tcr), VM_UINT(Ne2kState, dcr), VM_UINT(Ne2kState, imr), VM_UINT(Ne2kState, rsr),
    VM_UINT(Ne2kState, curr), VM_UINT(Ne2kState, missed), VM_UINT(Ne2kState, start), VM_UINT(Ne2kState, stop),
    VM_UINT(Ne2kState, tx_len),
    VM_UINT(Ne2kState, dma_addr), VM_UINT(Ne2kState, dma_len), VM_BUFFER(Ne2kState, phys), VM_BUFFER(Ne2kState, mult),
    VM_BUFFER(Ne2kState, prom), VM_BUFFER(Ne2kState, mem), VM_END};

static const DeviceProp ne2k_props[] = {NIC_PROPS(Ne2kState), PROP_END};

const DeviceClass ne2k_pci_class = {
    .name = "ne2k_pci", .instance_size = sizeof(Ne2kState), .init = ne2k_init, .reset = ne2k_reset, .fields = ne2k_fields,
    .post_load = ne2k_post_load, .finalize = ne2k_finalize, .props = ne2k_props, .desc = "NE2000 on PCI (RTL8029AS)",
    .bus = "PCI", .user_creatable = true};
