/* pci.h - PCI bus, functions, BARs, INTx. Spec: PCI Local Bus 2.1/3.0. Under the BQL. */
#ifndef HW_BUS_PCI_H
#define HW_BUS_PCI_H

#include "softmmu/device.h"
#include "softmmu/irq.h"
#include "softmmu/memory.h"

typedef struct PciBus PciBus;
typedef struct PciDevice PciDevice;

typedef enum PciBarKind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM, PCI_BAR_MEM_PREFETCH, PCI_BAR_MEM64 } PciBarKind;
typedef struct PciBar {
    PciBarKind kind;
    MemoryRegion *region; /* size is a power of two */
    hwaddr mapped_at;     /* ~0: not mapped */
} PciBar;

struct PciDevice { /* first member of a PCI function's state */
    Device dev;
    PciBus *bus;     /* wiring: set with devfn before realize (devfn -1: first free slot) */
    int devfn;
    uint8_t config[256];
    uint8_t wmask[256];   /* which config bits the guest can write */
    uint8_t w1cmask[256]; /* write 1 to clear */
    PciBar bar[6];
    uint8_t cap_size[64]; /* of the capability at offset 4 * i */
    MemoryRegion *rom;    /* expansion ROM or NULL */
    hwaddr rom_mapped_at;
    int irq_level;        /* INTx pin level as this function drives it */
    /* Optional: sees config writes after the common part. */
    void (*config_write)(PciDevice *pd, unsigned addr, uint32_t val, unsigned size);
    void (*config_read)(PciDevice *pd, unsigned addr); /* before a read: bring registers up to date */
};
extern const VMField pci_device_fields[]; /* config space and irq_level; for a device's VM_STRUCT */

/* Register offsets used by everyone. */
enum { PCI_VENDOR_ID = 0, PCI_DEVICE_ID = 2, PCI_COMMAND = 4, PCI_STATUS = 6, PCI_REVISION = 8,
       PCI_CLASS_PROG = 9, PCI_CLASS_DEVICE = 10, PCI_HEADER_TYPE = 14, PCI_BAR0 = 16,
       PCI_SUBSYS_VENDOR = 44, PCI_SUBSYS_ID = 46, PCI_ROM_BAR = 48, PCI_CAP_POINTER = 52, PCI_INT_LINE = 60, PCI_INT_PIN = 61 };
enum { PCI_CMD_IO = 1, PCI_CMD_MEM = 2, PCI_CMD_MASTER = 4, PCI_CMD_INTX_DISABLE = 0x400 };
#define PCI_DEVFN(slot, fn) ((slot) << 3 | (fn))

/* A bus with config mechanism #1; set_irq gets (opaque, pin 0-3 after swizzling, level) for the wired-or lines. */
PciBus *pci_bus_new(const char *name, MemoryRegion *mem, MemoryRegion *io, IrqHandler *set_irq, void *opaque);
void pci_bus_free(PciBus *bus);
/* The bus's memory space, for ranges that no BAR describes (the VGA window). */
MemoryRegion *pci_bus_mem(PciBus *bus);
/* pin (0 = INTA) of slot -> line 0-3; default (slot + pin) & 3; PIIX uses (slot - 1 + pin) & 3 */
void pci_bus_set_map_irq(PciBus *bus, int (*map)(PciDevice *pd, int pin));

/* Message signalled interrupts: what the chipset does with a function's write to the interrupt window (fee00000h). */
typedef void PciMsiHandler(void *opaque, uint64_t addr, uint32_t data);
void pci_bus_set_msi(PciBus *bus, PciMsiHandler *fn, void *opaque);
void pci_msi_send(PciDevice *pd, uint64_t addr, uint32_t data); /* only with bus mastering on */

/* In a device's init: identity and common fields (subsystem 1af4:1100), attach to the bus. */
bool pci_device_init(PciDevice *pd, uint16_t vendor, uint16_t device, uint16_t cls, uint8_t prog_if,
                     uint8_t rev, GError **errp);
void pci_device_reset(PciDevice *pd);     /* command, BARs, INTx; call from the device's reset */
void pci_device_post_load(PciDevice *pd); /* map BARs as config says */
void pci_device_finalize(PciDevice *pd);
void pci_register_bar(PciDevice *pd, int n, PciBarKind kind, MemoryRegion *region);
void pci_register_rom(PciDevice *pd, MemoryRegion *rom);
/* In a device's init: a capability of size bytes (id and link included) in front of those there are; its offset. */
unsigned pci_add_capability(PciDevice *pd, uint8_t id, unsigned size);
void pci_set_irq(PciDevice *pd, int level); /* INTx as PCI_INT_PIN says */

uint32_t pci_config_read(PciBus *bus, uint32_t devfn, unsigned addr, unsigned size);
void pci_config_write(PciBus *bus, uint32_t devfn, unsigned addr, uint32_t val, unsigned size);
PciDevice *pci_find_device(PciBus *bus, int devfn);
/* `info pci` in QEMU's format. */
void pci_print_info(PciBus *bus, GString *out);
/* DMA by a function: nothing happens unless bus mastering is on. */
bool pci_can_master(const PciDevice *pd);

#endif
