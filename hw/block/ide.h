/* ide.h - PIIX3 IDE function: two channels with up to two drives each, bus master DMA.
 * Split: ide-bus.c (task file), ide-ata.c (disks), ide-atapi.c (CD-ROM), ide-bmdma.c (PCI, DMA). */
#ifndef HW_BLOCK_IDE_H
#define HW_BLOCK_IDE_H

#include "host/block/block.h"
#include "hw/bus/pci.h"

typedef struct IdeController IdeController;

/* What a drive says of itself. Texts may be NULL and are copied. */
typedef struct IdeIdentity {
    const char *serial, *model, *version; /* 20, 40, 8 characters */
    uint64_t wwn;                         /* 0: none */
    uint16_t rotation_rate;               /* per minute; 0: not said, 1: no moving parts */
    uint8_t physical_exp;                 /* 2^n logical sectors of 512 bytes are a physical one */
} IdeIdentity;

/* PCI function "piix3-ide" (8086:7010). Wiring before realize: ide_controller_wire().
 * At init it takes drive_get(DRIVE_IDE, 0..1, 0..1). */
extern const DeviceClass ide_controller_class;

/* bus, devfn (slot 1 function 1 on the pc board), and the lines of IRQ 14 and 15. */
void ide_controller_wire(Device *dev, PciBus *bus, int devfn, IrqLine irq14, IrqLine irq15);
/* Put one more drive on the controller after init (-device ide-hd/ide-cd,drive=). bus 0-1, unit 0-1,
 * -1: first free. cdrom: as a CD-ROM. false: place taken or wrong. */
bool ide_attach(Device *dev, int bus, int unit, Drive *drive, bool cdrom, const IdeIdentity *id, GError **errp);
/* Geometry as the BIOS sees it in CMOS; false: no disk there. */
bool ide_get_geometry(Device *dev, int bus, int unit, unsigned *cyls, unsigned *heads, unsigned *secs);

#endif
