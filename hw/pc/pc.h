/* pc.h - the board "pc" (i440FX + PIIX3): what vl asks for and what it gets. */
#ifndef HW_PC_PC_H
#define HW_PC_PC_H

#include "softmmu/runstate.h"
#include "softmmu/device.h"
#include "softmmu/memory.h"
#include "softmmu/irq.h"
#include "host/char/chardev.h"

struct PciBus;
struct CPUX86State;

typedef struct PcConfig {
    uint64_t ram_size, max_low_ram; /* max_low_ram: how much of it lies below 4 GiB at most; 0: 3.5 GiB */
    const struct MemSource *ram_source; /* NULL: anonymous memory */
    const char *bios;              /* -bios, NULL: bios-256k.bin */
    const char *lib_dirs;          /* -L: colon-separated folders searched before CONFIG_FIRMWARE_PATH; or NULL */
    const char *kernel, *initrd, *append; /* NULL: none */
    const char *boot_order;        /* "cad"; NULL: default */
    const char *boot_once;         /* or NULL */
    bool boot_menu;
    const char *boot_splash;       /* BMP or JPEG file, or NULL */
    int boot_menu_timeout_ms;      /* splash-time, -1: not set */
    bool boot_strict, no_fd_bootchk;
    int reboot_timeout_ms;         /* -1 not set */
    bool vga;                      /* -vga std */
    bool acpi, hpet, pit, smbus;   /* -machine acpi=off hpet=off pit=off */
    bool no_s3, no_s4;             /* the tables do not offer those sleep states */
    struct AudioDev *pcspk;        /* of the PC speaker, or NULL */
    bool vmport;                   /* -machine vmport=: back door and vmmouse */
    bool graphics;                 /* false with -nographic: firmware is told so */
    unsigned smp_cpus;             /* 1 */
    Chardev *serial[4];            /* NULL: that port is absent */
    Chardev *parallel[1];
    Chardev *debugcon;             /* -debugcon, port 0xe9; NULL: none */
    const GPtrArray *smbios, *acpi_tables, *fw_cfg_items, *option_roms; /* of char *: those options' texts; NULL: none */
    const char *name;              /* guest name or NULL */
    uint8_t uuid[16]; bool uuid_set;
    bool rtc_localtime; int64_t rtc_offset_s; /* added to the host's wall clock */
    struct CPUX86State *cpu;       /* the boot CPU, created by vl before the board */
} PcConfig;

typedef struct PcMachine {
    PcConfig cfg;                  /* strings owned by the caller for the machine's life */
    struct PciBus *pci;
    IrqLine isa_irq[16];           /* the board's own ends of the ISA lines; a chip gets its own */
    MemoryRegion *system_memory, *system_io;
    void *priv;
} PcMachine;

/* Makes every chip of the board, loads the firmware, hands ACPI, SMBIOS, e820 over through fw_cfg. */
PcMachine *pc_create(const PcConfig *cfg, GError **errp);
/* -device NAME,...: user-creatable ISA/PCI devices. `help` forms are answered by device_list_classes. */
bool pc_add_device(PcMachine *pc, const char *optstr, GError **errp);
/* After the last pc_add_device: controllers for the -drive if=virtio that have none yet. */
bool pc_add_virtio_drives(PcMachine *pc, GError **errp);
void pc_device_help(const char *name /* NULL: the list */, GString *out);
void pc_boot_set(PcMachine *pc, const char *order, GError **errp); /* monitor's boot_set */
void pc_free(PcMachine *pc);

/* -L: one more folder to look for firmware in, before the configured ones. Copied. */
void pc_firmware_add_path(const char *dir);
/* Path of a firmware file, or NULL; free it. */
char *pc_firmware_find(const char *name);

/* Monitor texts, in QEMU's formats. */
void pc_info_pic(PcMachine *pc, GString *out);   /* ioapic, then pic0, pic1 */
void pc_info_lapic(PcMachine *pc, GString *out);
void pc_info_irq(PcMachine *pc, GString *out);
void pc_info_qtree(PcMachine *pc, GString *out);
void pc_info_roms(PcMachine *pc, GString *out);
/* Suspend to RAM: the firmware is told to resume; the reset that ends it, RAM keeps its contents. vCPU stopped. */
void pc_suspend(PcMachine *pc);
void pc_wakeup(PcMachine *pc, WakeupReason why);
void pc_nmi(PcMachine *pc);

#endif
