/* boot.h - firmware images and direct kernel boot. */
#ifndef HW_PC_BOOT_H
#define HW_PC_BOOT_H

#include "hw/pc/fw-cfg.h"
#include "softmmu/memory.h"

/* The whole file, or NULL with a line that names it; at most `max` bytes. */
uint8_t *boot_read_file(const char *what, const char *path, size_t max, size_t *len, GError **errp);

/* Opened, if it is a regular file of 1 to max bytes; else -1, and boot_read_file() knows what to do or say. */
int boot_open_regular(const char *path, size_t max, size_t *len);
/* boot_read_file() for a kernel, in memory of which each page is made once. */
GBytes *boot_read_large(const char *what, const char *path, size_t max, GError **errp);
/* The file as an item of fw_cfg; a regular one is not read before the guest asks for it. */
bool boot_offer_file(FwCfgState *fw, unsigned key, const char *what, const char *path, size_t max, size_t *len, GError **errp);

typedef struct BootRom { /* for `info roms` */
    char *name;
    hwaddr addr;
    size_t size;
    bool in_fw_cfg;
} BootRom;

typedef struct BootRoms {
    MemoryRegion bios, isa_bios, option_area;
    bool mapped, low_mapped;
    GPtrArray *list; /* of BootRom */
} BootRoms;

/* Maps the BIOS below 4 GiB and, with boot_map_low, its last 128 KiB below 1 MiB, in the PCI side of memory. */
bool boot_map_bios(BootRoms *r, const char *bios, MemoryRegion *pci_mem, GError **errp);
/* The firmware's last 128 KiB (of len bytes) below 1 MiB, and the area of card ROMs under it. */
bool boot_map_low(BootRoms *r, MemoryRegion *bios, size_t len, MemoryRegion *pci_mem, GError **errp);
/* An expansion ROM image as a ROM region of a power-of-two size. */
bool boot_load_expansion_rom(BootRoms *r, MemoryRegion *mr, const char *region_name, const char *file, GError **errp);
void boot_roms_free(BootRoms *r, MemoryRegion *pci_mem);
void boot_roms_print(BootRoms *r, FwCfgState *fw, GString *out);

typedef struct KernelConfig {
    const char *kernel, *initrd, *append;
    uint64_t ram_below_4g;
} KernelConfig;
/* Puts the kernel and what it needs into fw_cfg and offers the option ROM that starts it; *rom is its
 * name for the boot order ("genroms/linuxboot.bin"). docs/boot.md is the contract with that ROM. */
bool boot_load_kernel(const KernelConfig *cfg, FwCfgState *fw, const char **rom, GError **errp);
/* boot-multiboot.c */
bool boot_is_multiboot(const uint8_t *image, size_t len); /* has it a header? */
/* True when the image is for multiboot (then *ok tells success). */
bool boot_load_multiboot(const KernelConfig *cfg, const uint8_t *image, size_t len, FwCfgState *fw, bool *ok,
                         GError **errp);

#endif
