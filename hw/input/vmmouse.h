/* vmmouse.h - the absolute pointer behind the VMware back door (vmport). */
#ifndef HW_INPUT_VMMOUSE_H
#define HW_INPUT_VMMOUSE_H

#include "hw/input/i8042.h"
#include "softmmu/device.h"

typedef struct VmMouse VmMouse;
extern const DeviceClass vmmouse_class; /* "vmmouse" */

void vmmouse_wire(Device *dev, I8042State *i8042); /* before realize; its mouse interrupt tells of news. NULL: none */

enum { VMMOUSE_DATA = 39, VMMOUSE_STATUS = 40, VMMOUSE_COMMAND = 41 };
/* One of these commands; regs: EAX, EBX, ECX, EDX, ESI, EDI, changed in place. */
void vmmouse_call(VmMouse *s, unsigned command, uint32_t regs[6]);

#endif
