/* vmport.h - the VMware back door: calls through IN from port 5658h, arguments in registers. */
#ifndef HW_PC_VMPORT_H
#define HW_PC_VMPORT_H

#include "hw/input/vmmouse.h"
#include "softmmu/device.h"

struct CPUX86State;
extern const DeviceClass vmport_class; /* "vmport" */

/* Before realize. cpu NULL: every call is refused. */
void vmport_wire(Device *dev, struct CPUX86State *cpu, VmMouse *mouse, uint64_t ram_size);

#endif
