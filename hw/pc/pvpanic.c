/* pvpanic.c - panic notification, as an ISA port ("pvpanic") or a PCI function ("pvpanic-pci")
 * Spec: Linux drivers/misc/pvpanic and include/uapi/misc/pvpanic.h (bits); the port's ACPI device is
 * QEMU0001, the PCI function 1b36:0011 with one memory BAR.
 * Guest view: a read gives the events that are offered, a write of bit 0 tells of a panic, of bit 1 that a
 * crash kernel has taken over. */
#include "host/base/osdep.h"
#include "hw/pc/pvpanic.h"

#include "host/base/log.h"
#include "softmmu/runstate.h"

enum { EVENT_PANICKED = 1, EVENT_CRASH_LOADED = 2, EVENTS = EVENT_PANICKED | EVENT_CRASH_LOADED };

static void guest_event(uint8_t events, uint64_t val)
{
    if (val & ~(uint64_t)events)
        log_guest_error("pvpanic: event %#" PRIx64 " is none of those offered (%#x)", val, events);
    if (val & events & EVENT_PANICKED)
        system_guest_panicked();
    else if (val & events & EVENT_CRASH_LOADED)
        warn_report("the guest's crash kernel has taken over");
}

/* --- ISA --- */

static uint64_t isa_read(void *opaque, hwaddr off, unsigned size)
{
    return ((PvpanicIsaState *)opaque)->events;
}
static void isa_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    guest_event(((PvpanicIsaState *)opaque)->events, val);
}
static const MemoryOps isa_ops = {isa_read, isa_write, 1, 1, false};

static bool isa_init(Device *dev, GError **errp)
{
    PvpanicIsaState *s = (PvpanicIsaState *)dev;

    if (s->events & ~EVENTS)
        return error_set(errp, "pvpanic: events=%u: 1 (panicked), 2 (crash loaded) or their sum", s->events);
    memory_region_init_io(&s->io, &isa_ops, s, "pvpanic", 1);
    memory_region_add(address_space_io.root, s->ioport, &s->io, 0);
    return true;
}

static void isa_finalize(Device *dev)
{
    PvpanicIsaState *s = (PvpanicIsaState *)dev;

    if (!s->io.ops)
        return;
    memory_region_del(address_space_io.root, &s->io);
    memory_region_destroy(&s->io);
}

static const DeviceProp isa_props[] = {
    {"ioport", PROP_UINT16, offsetof(PvpanicIsaState, ioport), 0x505, NULL, "the port"},
    {"events", PROP_UINT8, offsetof(PvpanicIsaState, events), EVENTS, NULL, "events offered"},
    PROP_END,
};

const DeviceClass pvpanic_class = {
    .name = "pvpanic",
    .instance_size = sizeof(PvpanicIsaState),
    .init = isa_init,
    .finalize = isa_finalize,
    .props = isa_props,
    .desc = "panic notification by a port",
    .bus = "ISA",
    .user_creatable = true,
};

/* --- PCI --- */

static uint64_t mem_read(void *opaque, hwaddr off, unsigned size)
{
    return off ? 0 : ((PvpanicPciState *)opaque)->events;
}
static void mem_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    if (!off)
        guest_event(((PvpanicPciState *)opaque)->events, val);
}
static const MemoryOps mem_ops = {mem_read, mem_write, 1, 1, false};

static bool pci_init(Device *dev, GError **errp)
{
    PvpanicPciState *s = (PvpanicPciState *)dev;

    if (s->events & ~EVENTS)
        return error_set(errp, "pvpanic-pci: events=%u: 1 (panicked), 2 (crash loaded) or their sum", s->events);
    if (!pci_device_init(&s->pci, 0x1b36, 0x0011, 0x0880, 0, 1, errp))
        return false;
    memory_region_init_io(&s->mem, &mem_ops, s, "pvpanic-pci", 16);
    pci_register_bar(&s->pci, 0, PCI_BAR_MEM, &s->mem);
    return true;
}

static void pci_reset(Device *dev)
{
    pci_device_reset((PciDevice *)dev);
}

static void pci_post_load(Device *dev)
{
    pci_device_post_load((PciDevice *)dev);
}

static void pci_finalize(Device *dev)
{
    PvpanicPciState *s = (PvpanicPciState *)dev;

    pci_device_finalize(&s->pci);
    if (s->mem.ops)
        memory_region_destroy(&s->mem);
}

static const VMField pci_fields[] = {VM_STRUCT(PvpanicPciState, pci, pci_device_fields), VM_END};

static const DeviceProp pci_props[] = {
    {"events", PROP_UINT8, offsetof(PvpanicPciState, events), EVENTS, NULL, "events offered"},
    PROP_END,
};

const DeviceClass pvpanic_pci_class = {
    .name = "pvpanic-pci",
    .instance_size = sizeof(PvpanicPciState),
    .init = pci_init,
    .reset = pci_reset,
    .fields = pci_fields,
    .post_load = pci_post_load,
    .finalize = pci_finalize,
    .props = pci_props,
    .desc = "panic notification by a PCI function",
    .bus = "PCI",
    .user_creatable = true,
};
