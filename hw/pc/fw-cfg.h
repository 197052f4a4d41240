/* fw-cfg.h - the firmware configuration interface: numbered items and named files that the board
 * offers to the firmware. Under the BQL. Items are complete before the guest runs; a file may have a
 * callback that brings it up to date when the guest selects it. */
#ifndef HW_PC_FW_CFG_H
#define HW_PC_FW_CFG_H

#include "softmmu/device.h"

typedef struct FwCfgState FwCfgState;
extern const DeviceClass fw_cfg_class;

enum { /* selector keys */
    FW_CFG_SIGNATURE = 0x00, FW_CFG_ID = 0x01, FW_CFG_UUID = 0x02, FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NOGRAPHIC = 0x04, FW_CFG_NB_CPUS = 0x05, FW_CFG_MACHINE_ID = 0x06, FW_CFG_KERNEL_ADDR = 0x07,
    FW_CFG_KERNEL_SIZE = 0x08, FW_CFG_INITRD_ADDR = 0x0a, FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_BOOT_DEVICE = 0x0c, FW_CFG_NUMA = 0x0d, FW_CFG_BOOT_MENU = 0x0e, FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_ENTRY = 0x10, FW_CFG_KERNEL_DATA = 0x11, FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_ADDR = 0x13, FW_CFG_CMDLINE_SIZE = 0x14, FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_SETUP_ADDR = 0x16, FW_CFG_SETUP_SIZE = 0x17, FW_CFG_SETUP_DATA = 0x18, FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    FW_CFG_ARCH_LOCAL = 0x8000, FW_CFG_IRQ0_OVERRIDE = 0x8002, FW_CFG_HPET = 0x8004,
};

/* All but "take" copy the data. A second call for the same key or name replaces it. */
void fw_cfg_set_bytes(FwCfgState *s, unsigned key, const void *data, size_t len);
void fw_cfg_set_u16(FwCfgState *s, unsigned key, uint16_t v);
void fw_cfg_set_u32(FwCfgState *s, unsigned key, uint32_t v);
void fw_cfg_set_u64(FwCfgState *s, unsigned key, uint64_t v);
void fw_cfg_take_bytes(FwCfgState *s, unsigned key, GBytes *bytes);
/* len bytes of an open regular file, `from` bytes behind its start, read when the guest asks for them, and closed with the item. path: as it is
 * called in a warning, if it changes meanwhile. */
void fw_cfg_take_fd(FwCfgState *s, unsigned key, int fd, size_t from, size_t len, const char *path);
/* name at most 55 characters; at most 64 files. false: no room. */
bool fw_cfg_set_file(FwCfgState *s, const char *name, const void *data, size_t len);
/* Called before the guest reads the file from its start; it may call fw_cfg_set_file for any file. */
void fw_cfg_set_select_callback(FwCfgState *s, const char *name, void (*fn)(void *opaque), void *opaque);
/* For tests and `info roms`: NULL when there is no such file. */
const uint8_t *fw_cfg_find_file(FwCfgState *s, const char *name, size_t *len);
void fw_cfg_foreach_file(FwCfgState *s, void (*fn)(const char *name, size_t len, void *opaque), void *opaque);

#endif
