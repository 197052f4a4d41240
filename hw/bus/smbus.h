/* smbus.h - the SMBus host controller of a south bridge, for the device that maps it. Under the BQL. */
#ifndef HW_BUS_SMBUS_H
#define HW_BUS_SMBUS_H

#include "softmmu/vmstate.h"

enum { SMBUS_REGS = 16, SMBUS_BLOCK = 32, SMBUS_EEPROMS = 8, SMBUS_EEPROM_BASE = 0x50 };

typedef struct SmbusHost { /* guest-visible, saved */
    uint8_t regs[SMBUS_REGS], block[SMBUS_BLOCK], block_pos;
    uint8_t pos[SMBUS_EEPROMS], rom[SMBUS_EEPROMS][256]; /* where each goes on, and what it holds: survives a reset */
} SmbusHost;

void smbus_reset(SmbusHost *s);
/* reg: any number; what is no register reads 0. */
uint8_t smbus_read(SmbusHost *s, unsigned reg);
void smbus_write(SmbusHost *s, unsigned reg, uint8_t val);
extern const VMField smbus_fields[];

#endif
