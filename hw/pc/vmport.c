/* vmport.c - the VMware back door
 * Spec: the interface as open drivers use it (open-vm-tools, lib/include/backdoor_def.h): EAX has the magic
 * number, CX the command; results come in EAX and other registers.
 * Guest view: IN EAX, DX at port 5658h. Commands: version (10), RAM size (20), the mouse (39 to 41); all
 * others answer with all ones. Not modelled: the message channel (GuestRPC), the high-bandwidth port. */
#include "host/base/osdep.h"
#include "hw/pc/vmport.h"
#include "softmmu/memory.h"
#include "target-x86/cpu.h"

enum { VMPORT = 0x5658, MAGIC = 0x564d5868, CMD_GET_VERSION = 10, CMD_GET_RAM_SIZE = 20 };
enum { VERSION = 6, PRODUCT_GSX = 2, RAM_SIZE_EBX = 0x1177 };

typedef struct VmPortState {
    Device dev;
    CPUX86State *cpu; /* wiring */
    VmMouse *mouse;
    uint64_t ram_size;
    MemoryRegion io;
} VmPortState;

static void call(VmPortState *s, uint32_t r[6])
{
    unsigned cmd = r[2] & 0xffff;
    switch (cmd) {
    case CMD_GET_VERSION:
        r[0] = VERSION;
        r[1] = MAGIC;
        r[2] = PRODUCT_GSX;
        break;
    case CMD_GET_RAM_SIZE:
        r[0] = (uint32_t)MIN(s->ram_size, UINT32_MAX);
        r[1] = RAM_SIZE_EBX;
        break;
    case VMMOUSE_DATA:
    case VMMOUSE_STATUS:
    case VMMOUSE_COMMAND:
        if (s->mouse) {
            vmmouse_call(s->mouse, cmd, r);
            break;
        }
        r[0] = UINT32_MAX;
        break;
    default:
        r[0] = UINT32_MAX;
        break;
    }
}

static uint64_t vmport_read(void *opaque, hwaddr off, unsigned size)
{
    static const uint8_t regs[6] = {R_EAX, R_EBX, R_ECX, R_EDX, R_ESI, R_EDI};
    VmPortState *s = opaque;
    uint32_t r[6], old[6];

    /* Only the CPU's own IN has registers; the monitor may read the port too. */
    if (off || size != 4 || !s->cpu || !s->cpu->port_in)
        return UINT32_MAX;
    for (int i = 0; i < 6; i++)
        old[i] = r[i] = (uint32_t)s->cpu->head.gpr[regs[i]];
    if (r[0] != MAGIC)
        return UINT32_MAX;
    call(s, r);
    for (int i = 1; i < 6; i++) /* EAX is what IN itself writes */
        if (r[i] != old[i])
            s->cpu->head.gpr[regs[i]] = r[i];
    return r[0];
}

static void vmport_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    /* OUT is used by some callers for its side effects only: there are none */
}

static const MemoryOps vmport_ops = {vmport_read, vmport_write, 1, 4, false};

static bool vmport_init(Device *dev, GError **errp)
{
    VmPortState *s = (VmPortState *)dev;
    memory_region_init_io(&s->io, &vmport_ops, s, "vmport", 4);
    memory_region_add(address_space_io.root, VMPORT, &s->io, 0);
    return true;
}

static void vmport_finalize(Device *dev)
{
    VmPortState *s = (VmPortState *)dev;
    memory_region_del(address_space_io.root, &s->io);
    memory_region_destroy(&s->io);
}

void vmport_wire(Device *dev, CPUX86State *cpu, VmMouse *mouse, uint64_t ram_size)
{
    VmPortState *s = (VmPortState *)dev;
    s->cpu = cpu;
    s->mouse = mouse;
    s->ram_size = ram_size;
}

const DeviceClass vmport_class = {
    .name = "vmport", .instance_size = sizeof(VmPortState), .init = vmport_init, .finalize = vmport_finalize,
    .desc = "VMware back door", .bus = "ISA"};
