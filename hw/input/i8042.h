/* i8042.h - keyboard controller with a PS/2 keyboard and mouse on it. */
#ifndef HW_INPUT_I8042_H
#define HW_INPUT_I8042_H

#include "hw/input/ps2.h"
#include "softmmu/device.h"
#include "softmmu/irq.h"
#include "softmmu/memory.h"

typedef struct I8042State {
    Device dev;
    IrqLine irq_kbd, irq_mouse; /* wiring: ISA IRQ 1 and 12 */
    IrqLine a20;                /* level of the A20 gate output (P2.1); called also at reset with 1 */
    IrqLine reset_line;         /* pulsed for a CPU reset; unconnected: system_reset_request() */
    /* guest-visible */
    uint8_t status, mode, outport, obdata;
    uint8_t ob_source;          /* who filled the output buffer: 0 none, 1 keyboard, 2 mouse, 3 controller, 4 controller as mouse */
    uint8_t write_cmd;          /* controller command that waits for its data byte, 0: none */
    uint8_t ram[32];
    Ps2Keyboard kbd;
    Ps2Mouse mouse;
    /* derived */
    MemoryRegion io_data, io_cmd;
} I8042State;

extern const DeviceClass i8042_class; /* "i8042" */

/* The A20 level as P2.1 has it now (port 92h is a second driver: the board combines them). */
bool i8042_a20(const I8042State *s);

#endif
