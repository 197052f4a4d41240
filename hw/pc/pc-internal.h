/* pc-internal.h - the board's chips, shared by pc.c, pc-devices.c and pc-info.c. */
#ifndef HW_PC_PC_INTERNAL_H
#define HW_PC_PC_INTERNAL_H

#include "hw/bus/pci.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/lapic.h"
#include "hw/pc/boot.h"
#include "hw/pc/fw-cfg.h"
#include "hw/pc/isa-irq.h"
#include "hw/pc/pc.h"
#include "hw/pc/smbios.h"
#include "hw/timer/mc146818.h"

typedef struct PcPriv {
    MemoryRegion ram, ram_low, ram_high, pci_mem, ioport80, fpu_port;
    uint64_t low_size, high_size;
    BootRoms roms;
    MemoryRegion vga_rom;
    Device *vga;
    /* chips */
    IsaIrqState *isa_lines;
    PicState *pic;
    IoapicState *ioapic;
    LapicState *lapic;
    RtcState *rtc;
    FwCfgState *fw_cfg;
    Device *i440fx, *piix3, *pm, *ide, *fdc, *i8042, *vmmouse, *pit, *dma;
    bool have_ram, have_pci_mem, have_ports;
    const char *kernel_rom; /* name for the boot order, or NULL */
    GPtrArray *rom_entries; /* of BootEntry: option ROMs with a place in the boot order */
    SmbiosOpts *smbios;
    GPtrArray *acpi_user; /* of GByteArray * */
    uint16_t pvpanic_port; /* 0: no such device */
    char *boot_order;
    bool boot_once_armed;
} PcPriv;

static inline PcPriv *pc_priv(PcMachine *pc) { return pc->priv; }

bool pc_add_vga(PcMachine *pc, const GPtrArray *kv /* -device's options, or NULL */, GError **errp);
bool pc_set_device_props(Device *dev, const GPtrArray *kv, GError **errp); /* all but driver and id */
/* Makes the tables anew after a change of what they describe: the firmware reads their sizes before it reads
 * them, so what is built when it does must not be longer. */
void pc_build_acpi(PcMachine *pc);

/* pc-cmos.c */
void pc_fill_cmos(PcMachine *pc);
void pc_fill_cmos_drives(PcMachine *pc); /* disks and floppies; again after a drive came by -device */
void pc_boot_once_reset(void *opaque);   /* reset handler; opaque: PcMachine */

/* pc-nic.c: model is one of nic_models; kv is -device's options */
bool pc_add_nic(PcMachine *pc, const char *model, const GPtrArray *kv, GError **errp);
char *pc_nic_boot_path(Device *dev, int *index); /* NULL: dev is no card with a bootindex */
bool pc_parse_pci_addr(const char *text, int *devfn, GError **errp); /* "3", "03.0", "0x3" */
/* pc-flash.c: firmware in flash instead of ROM, when there is a drive for it */
bool pc_flash_wanted(void);
bool pc_map_flash(PcMachine *pc, GError **errp);
/* fw-items.c: -fw_cfg, -option-rom, -smbios */
bool pc_add_fw_items(PcMachine *pc, GError **errp);
bool pc_add_smbios_options(PcMachine *pc, GError **errp);
bool pc_add_acpi_tables(PcMachine *pc, GError **errp);
/* pc-devices.c */
typedef struct BootEntry {
    int index;
    char *path; /* owned */
} BootEntry;
BootEntry *pc_boot_entry_new(int index, char *path);
void pc_boot_entry_free(void *entry);
void pc_write_boot_order_file(PcMachine *pc);

#endif
