/* uart16550.c - 16550A asynchronous receiver/transmitter (a PC's serial port)
 * Spec: National PC16550D data sheet; IBM AT Technical Reference (modem inputs, IRQ).
 * Guest view: eight ports at iobase; IRQ 4 or 3. The divisor only times the character timeout:
 * bytes leave at once, so that a guest's console costs no virtual time.
 * Not modelled: per-character error bits inside the receive FIFO (a break marks the whole FIFO),
 * and the gate that OUT2 puts between chip and bus (guests exist that never set it). */
#include "host/base/osdep.h"
#include "hw/char/uart16550.h"
#include "host/base/log.h"

enum { UART_DATA = 0, UART_IER = 1, UART_IIR = 2, UART_LCR = 3, UART_MCR = 4, UART_LSR = 5, UART_MSR = 6, UART_SCR = 7 };
enum { IER_RDI = 1, IER_THRI = 2, IER_RLSI = 4, IER_MSI = 8 };
enum { IIR_NONE = 1, IIR_MSI = 0, IIR_THRI = 2, IIR_RDI = 4, IIR_RLSI = 6, IIR_TIMEOUT = 12, IIR_FIFO = 0xc0 };
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4, FCR_DMA = 8, FCR_TRIGGER = 0xc0 };
enum { LCR_PARITY = 8, LCR_STOP2 = 4, LCR_BREAK = 0x40, LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 0x10 };
enum { LSR_DR = 1, LSR_OE = 2, LSR_PE = 4, LSR_FE = 8, LSR_BI = 0x10, LSR_THRE = 0x20, LSR_TEMT = 0x40, LSR_FIFO_ERR = 0x80,
       LSR_ERRORS = LSR_OE | LSR_PE | LSR_FE | LSR_BI };
enum { MSR_DCTS = 1, MSR_DDSR = 2, MSR_TERI = 4, MSR_DDCD = 8, MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80,
       MSR_DELTAS = 0x0f };

enum { UART_CLOCK_BAUD = 115200, UART_DEFAULT_DIVISOR = 12, TX_RETRY_NS = 1000000 };

static const uint8_t trigger_level[4] = {1, 4, 8, 14};

static bool fifo_enabled(const UartState *s) { return s->fcr & FCR_ENABLE; }

/* The interrupt with the highest priority, as IIR shows it (data sheet table III). */
static unsigned uart_pending(const UartState *s)
{
    if ((s->ier & IER_RLSI) && (s->lsr & LSR_ERRORS))
        return IIR_RLSI;
    if ((s->ier & IER_RDI) && (s->lsr & LSR_DR) &&
        (!fifo_enabled(s) || s->rx.count >= trigger_level[s->fcr >> 6]))
        return IIR_RDI;
    if ((s->ier & IER_RDI) && s->timeout_pending)
        return IIR_TIMEOUT;
    if ((s->ier & IER_THRI) && s->thr_pending)
        return IIR_THRI;
    if ((s->ier & IER_MSI) && (s->msr & MSR_DELTAS))
        return IIR_MSI;
    return IIR_NONE;
}

static void uart_update_irq(UartState *s)
{
    int level = uart_pending(s) != IIR_NONE;
    if (level != s->irq_level) {
        s->irq_level = level;
        irq_set(&s->irq, level);
    }
}

static void uart_update_timing(UartState *s)
{
    unsigned bits = 1 + 5 + (s->lcr & 3) + !!(s->lcr & LCR_PARITY) + (s->lcr & LCR_STOP2 ? 2 : 1);
    unsigned div = s->divisor ? s->divisor : 1;
    s->char_ns = NANOSECONDS_PER_SECOND * bits * div / UART_CLOCK_BAUD;
}

/* Four character times without receive or read: the FIFO's rest is announced. */
static void uart_arm_timeout(UartState *s)
{
    if (fifo_enabled(s) && s->rx.count)
        timer_mod(s->timeout_timer, clock_ns(CLOCK_VM) + 4 * s->char_ns);
    else
        timer_del(s->timeout_timer);
}

static void uart_timeout(void *opaque)
{
    UartState *s = opaque;
    if (s->rx.count) {
        s->timeout_pending = true;
        uart_update_irq(s);
    }
}

static void rx_clear(UartState *s)
{
    s->rx.head = s->rx.count = 0;
    s->lsr &= ~(LSR_DR | LSR_FIFO_ERR);
    s->timeout_pending = false;
    timer_del(s->timeout_timer);
}

static void uart_receive_byte(UartState *s, uint8_t byte)
{
    if (fifo_enabled(s)) {
        if (s->rx.count < UART_FIFO_SIZE) {
            s->rx.data[(s->rx.head + s->rx.count) % UART_FIFO_SIZE] = byte;
            s->rx.count++;
        } else {
            s->lsr |= LSR_OE; /* the shift register's byte is lost, the FIFO stays */
        }
        uart_arm_timeout(s);
    } else {
        if (s->lsr & LSR_DR)
            s->lsr |= LSR_OE;
        s->rbr = byte;
    }
    s->lsr |= LSR_DR;
}

/* Modem inputs: those of a null-modem peer that is always there, or our own outputs in loopback. */
static void uart_update_modem(UartState *s)
{
    uint8_t in = MSR_CTS | MSR_DSR | MSR_DCD, old = s->msr, delta;
    if (s->mcr & MCR_LOOP)
        in = (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
             (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
    delta = (old ^ in) >> 4 & (MSR_DCTS | MSR_DDSR | MSR_DDCD);
    if ((old & MSR_RI) && !(in & MSR_RI))
        delta |= MSR_TERI; /* trailing edge only */
    s->msr = in | (old & MSR_DELTAS) | delta;
}

/* ---- transmitter ---- */

static void uart_tx_status(UartState *s)
{
    if (s->tx_count) {
        s->lsr &= ~LSR_TEMT;
        if (s->tx_count + UART_FIFO_SIZE > UART_TX_PENDING)
            s->lsr &= ~LSR_THRE;
        timer_mod(s->tx_timer, clock_ns(CLOCK_HOST_REAL) + TX_RETRY_NS);
    } else {
        s->lsr |= LSR_TEMT | LSR_THRE;
    }
}

static void uart_tx_retry(void *opaque)
{
    UartState *s = opaque;
    bool was_full = !(s->lsr & LSR_THRE);
    int n = s->tx_count ? chardev_fe_write(&s->fe, s->tx, s->tx_count) : 0;

    if (n > 0) {
        s->tx_count -= MIN((uint32_t)n, s->tx_count);
        memmove(s->tx, s->tx + n, s->tx_count);
    }
    if (s->tx_count + UART_FIFO_SIZE <= UART_TX_PENDING)
        s->lsr |= LSR_THRE;
    uart_tx_status(s);
    if (was_full && (s->lsr & LSR_THRE)) {
        s->thr_pending = true;
        uart_update_irq(s);
    }
}

static void uart_transmit(UartState *s, uint8_t byte)
{
    s->thr_pending = false;
    if (s->mcr & MCR_LOOP) {
        uart_receive_byte(s, byte);
        s->thr_pending = true;
        return;
    }
    if (!s->chr || (likely(!s->tx_count) && chardev_fe_write(&s->fe, &byte, 1) == 1)) {
        s->thr_pending = true;
        return;
    }
    if (s->tx_count < UART_TX_PENDING) /* else: written in spite of THRE = 0, lost as on the chip */
        s->tx[s->tx_count++] = byte;
    uart_tx_status(s);
    s->thr_pending = s->lsr & LSR_THRE;
}

/* ---- chardev ---- */

static int uart_can_read(void *opaque)
{
    UartState *s = opaque;
    if (s->mcr & MCR_LOOP)
        return 0;
    return fifo_enabled(s) ? UART_FIFO_SIZE - s->rx.count : !(s->lsr & LSR_DR);
}

static void uart_chr_read(void *opaque, const uint8_t *buf, int size)
{
    UartState *s = opaque;
    for (int i = 0; i < size; i++)
        uart_receive_byte(s, buf[i]);
    uart_update_irq(s);
}

static void uart_chr_event(void *opaque, ChardevEvent ev)
{
    UartState *s = opaque;
    if (ev != CHR_EVENT_BREAK)
        return;
    uart_receive_byte(s, 0);
    s->lsr |= LSR_BI | (fifo_enabled(s) ? LSR_FIFO_ERR : 0);
    uart_update_irq(s);
}

static const ChardevHandlers uart_handlers = {uart_can_read, uart_chr_read, uart_chr_event};

/* ---- registers ---- */

static uint8_t uart_read_rbr(UartState *s)
{
    uint8_t val = s->rbr;
    if (fifo_enabled(s)) {
        val = s->rx.data[s->rx.head];
        if (s->rx.count) {
            s->rx.head = (s->rx.head + 1) % UART_FIFO_SIZE;
            if (!--s->rx.count)
                s->lsr &= ~(LSR_DR | LSR_FIFO_ERR);
        }
        uart_arm_timeout(s);
    } else {
        s->lsr &= ~LSR_DR;
    }
    s->timeout_pending = false;
    uart_update_irq(s);
    if (!(s->mcr & MCR_LOOP))
        chardev_fe_accept_input(&s->fe);
    return val;
}

static uint64_t uart_read(void *opaque, hwaddr off, unsigned size)
{
    UartState *s = opaque;
    uint8_t val;

    switch (off) {
    case UART_LSR: /* first: what drivers poll; a read clears the error bits */
        val = s->lsr;
        if (unlikely(val & LSR_ERRORS)) {
            s->lsr &= ~(LSR_ERRORS | LSR_FIFO_ERR);
            uart_update_irq(s);
        }
        return val;
    case UART_DATA:
        return s->lcr & LCR_DLAB ? s->divisor & 0xff : uart_read_rbr(s);
    case UART_IER:
        return s->lcr & LCR_DLAB ? s->divisor >> 8 : s->ier;
    case UART_IIR: /* reading a THRE interrupt acknowledges it */
        val = uart_pending(s);
        if (val == IIR_THRI) {
            s->thr_pending = false;
            uart_update_irq(s);
        }
        return val | (fifo_enabled(s) ? IIR_FIFO : 0);
    case UART_LCR:
        return s->lcr;
    case UART_MCR:
        return s->mcr;
    case UART_MSR: /* a read clears the deltas */
        val = s->msr;
        if (val & MSR_DELTAS) {
            s->msr &= ~MSR_DELTAS;
            uart_update_irq(s);
        }
        return val;
    default:
        return s->scr;
    }
}

static void uart_write_fcr(UartState *s, uint8_t val)
{
    if ((val ^ s->fcr) & FCR_ENABLE)
        val |= FCR_CLEAR_RX | FCR_CLEAR_TX;
    if (!(val & FCR_ENABLE)) { /* the other bits take effect only together with the enable */
        rx_clear(s);
        s->fcr = 0;
    } else {
        if (val & FCR_CLEAR_RX)
            rx_clear(s);
        s->fcr = val & (FCR_ENABLE | FCR_DMA | FCR_TRIGGER);
    }
    if (val & FCR_CLEAR_TX) {
        s->thr_pending = true;
        s->lsr |= LSR_THRE; /* bytes the host has yet to take are gone from the chip's view */
    }
    uart_update_irq(s);
    chardev_fe_accept_input(&s->fe);
}

static void uart_write(void *opaque, hwaddr off, uint64_t val64, unsigned size)
{
    UartState *s = opaque;
    uint8_t val = val64, old;

    switch (off) {
    case UART_DATA:
        if (s->lcr & LCR_DLAB) {
            s->divisor = (s->divisor & 0xff00) | val;
            uart_update_timing(s);
            return;
        }
        uart_transmit(s, val);
        break;
    case UART_IER:
        if (s->lcr & LCR_DLAB) {
            s->divisor = (s->divisor & 0xff) | val << 8;
            uart_update_timing(s);
            return;
        }
        /* Enabling the interrupt while the register is empty requests it at once. */
        if ((val & IER_THRI) && !(s->ier & IER_THRI) && (s->lsr & LSR_THRE))
            s->thr_pending = true;
        s->ier = val & 0x0f;
        break;
    case UART_IIR:
        uart_write_fcr(s, val);
        return;
    case UART_LCR:
        if ((val ^ s->lcr) & LCR_BREAK)
            chardev_fe_set_break(&s->fe, val & LCR_BREAK);
        s->lcr = val;
        uart_update_timing(s);
        return;
    case UART_MCR:
        old = s->mcr;
        s->mcr = val & 0x1f;
        uart_update_modem(s);
        uart_update_irq(s);
        if ((old & MCR_LOOP) && !(val & MCR_LOOP))
            chardev_fe_accept_input(&s->fe);
        return;
    case UART_LSR:
    case UART_MSR:
        log_guest_error("uart: write %02x to read-only register %d\n", val, (int)off);
        return;
    default:
        s->scr = val;
        return;
    }
    uart_update_irq(s);
}

static const MemoryOps uart_ops = {uart_read, uart_write, 1, 1, false};

static const VMField uart_fifo_fields[] = {
    VM_BUFFER(UartFifo, data), VM_UINT(UartFifo, head), VM_UINT(UartFifo, count), VM_END};

static const VMField uart_fields[] = {
    VM_UINT(UartState, rbr), VM_UINT(UartState, ier), VM_UINT(UartState, lcr), VM_UINT(UartState, mcr),
    VM_UINT(UartState, lsr), VM_UINT(UartState, msr), VM_UINT(UartState, scr), VM_UINT(UartState, fcr),
    VM_UINT(UartState, divisor), VM_STRUCT(UartState, rx, uart_fifo_fields),
    VM_UINT(UartState, thr_pending), VM_UINT(UartState, timeout_pending),
    VM_BUFFER(UartState, tx), VM_UINT(UartState, tx_count), VM_TIMER(UartState, timeout_timer), VM_END};

static void uart_reset(Device *dev)
{
    UartState *s = (UartState *)dev;
    s->rbr = s->ier = s->lcr = s->mcr = s->scr = s->fcr = 0;
    s->divisor = UART_DEFAULT_DIVISOR;
    s->msr = MSR_CTS | MSR_DSR | MSR_DCD;
    s->thr_pending = false;
    rx_clear(s);
    memset(&s->rx, 0, sizeof s->rx);
    s->lsr = LSR_THRE | LSR_TEMT;
    uart_tx_status(s); /* what was sent before the reset still goes out */
    uart_update_timing(s);
    uart_update_irq(s);
}

static void uart_post_load(Device *dev)
{
    UartState *s = (UartState *)dev;
    s->rx.head %= UART_FIFO_SIZE;
    s->rx.count = MIN(s->rx.count, UART_FIFO_SIZE);
    s->tx_count = MIN(s->tx_count, UART_TX_PENDING);
    uart_update_timing(s);
    s->irq_level = -1; /* the receiver's state was loaded too: drive the line anew */
    uart_update_irq(s);
    uart_tx_status(s);
}

static bool uart_init(Device *dev, GError **errp)
{
    static const uint16_t ports[4] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
    static const uint8_t irqs[4] = {4, 3, 4, 3};
    UartState *s = (UartState *)dev;

    if (s->index > 3)
        return error_set(errp, "isa-serial: property index=%u: allowed are 0 to 3", s->index);
    if (!s->iobase)
        s->iobase = ports[s->index];
    if (!s->irq_num)
        s->irq_num = irqs[s->index];
    if (s->iobase > 0xfff8)
        return error_set(errp, "isa-serial: property iobase=0x%x: allowed are 1 to 0xfff8", s->iobase);
    if (s->irq_num > 15)
        return error_set(errp, "isa-serial: property irq=%u: allowed are 1 to 15", s->irq_num);
    if (!s->irq.handler && s->isa_irq)
        s->irq = s->isa_irq[s->irq_num];
    if (!s->chr && s->chardev && !(s->chr = chardev_find(s->chardev)))
        return error_set(errp, "isa-serial: property chardev=%s: no chardev has this id", s->chardev);
    if (s->chr && !chardev_fe_init(&s->fe, s->chr, errp))
        return false;
    s->timeout_timer = timer_new(CLOCK_VM, uart_timeout, s);
    s->tx_timer = timer_new(CLOCK_HOST_REAL, uart_tx_retry, s);
    memory_region_init_io(&s->io, &uart_ops, s, "serial", 8);
    memory_region_add(address_space_io.root, s->iobase, &s->io, 0);
    uart_update_timing(s);
    if (s->chr)
        chardev_fe_set_handlers(&s->fe, &uart_handlers, s);
    return true;
}

static void uart_finalize(Device *dev)
{
    UartState *s = (UartState *)dev;
    if (s->tx_count)
        chardev_fe_write(&s->fe, s->tx, s->tx_count);
    if (s->chr)
        chardev_fe_deinit(&s->fe);
    timer_free(s->timeout_timer);
    timer_free(s->tx_timer);
    if (s->io.parent) {
        memory_region_del(s->io.parent, &s->io);
        memory_region_destroy(&s->io);
    }
}

static const DeviceProp uart_props[] = {
    {"index", PROP_UINT32, offsetof(UartState, index), 0, NULL, "COM port 0-3: default base and IRQ"},
    {"iobase", PROP_UINT32, offsetof(UartState, iobase), 0, NULL, "first port"},
    {"irq", PROP_UINT32, offsetof(UartState, irq_num), 0, NULL, "ISA IRQ"},
    {"chardev", PROP_STRING, offsetof(UartState, chardev), 0, NULL, "id of the character device"},
    PROP_END};

const DeviceClass uart16550_class = {
    .name = "isa-serial", .instance_size = sizeof(UartState), .init = uart_init, .reset = uart_reset,
    .fields = uart_fields, .post_load = uart_post_load, .finalize = uart_finalize, .props = uart_props,
    .desc = "serial port (16550A)", .bus = "ISA", .user_creatable = true};
