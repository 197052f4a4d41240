/* uart16550.h - 16550A serial port; class "isa-serial". */
#ifndef HW_CHAR_UART16550_H
#define HW_CHAR_UART16550_H

#include "host/char/chardev.h"
#include "softmmu/device.h"
#include "softmmu/irq.h"
#include "softmmu/memory.h"
#include "softmmu/timer.h"

enum { UART_FIFO_SIZE = 16, UART_TX_PENDING = 4096 };

typedef struct UartFifo {
    uint8_t data[UART_FIFO_SIZE];
    uint8_t head, count;
} UartFifo;

typedef struct UartState {
    Device dev;
    /* wiring: the board sets `irq`, or gives `isa_irq` (16 lines) and lets the properties choose */
    IrqLine irq;
    const IrqLine *isa_irq;
    Chardev *chr;         /* NULL: found by the `chardev` property, or nothing connected */
    uint32_t iobase;      /* property; 0: by index (3f8 2f8 3e8 2e8) */
    uint32_t irq_num;     /* property; 0: by index (4 3 4 3) */
    uint32_t index;       /* property; 0-3 */
    char *chardev;        /* property: id of a chardev */
    /* guest-visible */
    uint8_t rbr, ier, lcr, mcr, lsr, msr, scr, fcr;
    uint16_t divisor;
    UartFifo rx;
    bool thr_pending;     /* THRE interrupt is latched */
    bool timeout_pending; /* character timeout is latched */
    uint8_t tx[UART_TX_PENDING]; /* what the chardev did not take yet: the holding register's FIFO */
    uint32_t tx_count;
    /* derived */
    ChardevFe fe;
    MemoryRegion io;
    Timer *timeout_timer, *tx_timer;
    int64_t char_ns;
    int irq_level;
} UartState;

extern const DeviceClass uart16550_class; /* "isa-serial" */

#endif
