/* smbus.c - the SMBus host of the PIIX4 and what hangs on it: eight 256-byte EEPROMs at 50h to 57h, empty, writable
 * Spec: Intel 82371AB data sheet, "SMBus Host Interface Registers"; SMBus specification 1.1; data sheet of the 24C02.
 * Guest view: status, control, command, address, two data bytes, block data. A transfer is over when it was started.
 * Not modelled: interrupts, the slave interface, contents (memory modules say nothing of themselves). */
#include "host/base/osdep.h"
#include "hw/bus/smbus.h"

#include "host/base/log.h"

enum { HST_STS = 0, HST_CNT = 2, HST_CMD = 3, HST_ADD = 4, HST_DAT0 = 5, HST_DAT1 = 6, BLK_DAT = 7 };
enum { STS_DONE = 0x02, STS_DEV_ERR = 0x04, CNT_START = 0x40, CNT_PROT_SHIFT = 2, ADD_READ = 1 };
enum { PROT_QUICK = 0, PROT_BYTE = 1, PROT_BYTE_DATA = 2, PROT_WORD_DATA = 3, PROT_BLOCK = 5 };

void smbus_reset(SmbusHost *s)
{
    memset(s->regs, 0, sizeof s->regs);
    memset(s->pos, 0, sizeof s->pos);
    s->block_pos = 0;
}

static uint8_t take(SmbusHost *s, unsigned n)
{
    return s->rom[n][s->pos[n]++];
}

static void put(SmbusHost *s, unsigned n, uint8_t v)
{
    s->rom[n][s->pos[n]++] = v;
}

/* False: nobody there answers, or not to that. */
static bool transfer(SmbusHost *s)
{
    unsigned n = (s->regs[HST_ADD] >> 1) - SMBUS_EEPROM_BASE, prot = s->regs[HST_CNT] >> CNT_PROT_SHIFT & 7;
    bool read = s->regs[HST_ADD] & ADD_READ;

    if (n >= SMBUS_EEPROMS)
        return false;
    if (prot != PROT_QUICK && (prot != PROT_BYTE || !read)) /* the command byte is where it goes on */
        s->pos[n] = s->regs[HST_CMD];
    switch (prot) {
    case PROT_QUICK:
        return true;
    case PROT_BYTE:
        if (read)
            s->regs[HST_DAT0] = take(s, n);
        return true;
    case PROT_BYTE_DATA:
    case PROT_WORD_DATA:
        for (unsigned i = 0; i < prot - PROT_BYTE_DATA + 1; i++) {
            if (read)
                s->regs[HST_DAT0 + i] = take(s, n);
            else
                put(s, n, s->regs[HST_DAT0 + i]);
        }
        return true;
    case PROT_BLOCK: /* its first byte is how many follow: 1 to 32 */
        if (read)
            s->regs[HST_DAT0] = take(s, n);
        else
            put(s, n, s->regs[HST_DAT0]);
        if (!s->regs[HST_DAT0] || s->regs[HST_DAT0] > SMBUS_BLOCK)
            return false;
        for (unsigned i = 0; i < s->regs[HST_DAT0]; i++) {
            if (read)
                s->block[i] = take(s, n);
            else
                put(s, n, s->block[i]);
        }
        return true;
    default:
        log_guest_error("smbus: unknown protocol %u\n", prot);
        return false;
    }
}

uint8_t smbus_read(SmbusHost *s, unsigned reg)
{
    if (reg == HST_CNT)
        s->block_pos = 0; /* the block begins anew */
    if (reg == BLK_DAT)
        return s->block[s->block_pos++ % SMBUS_BLOCK];
    return reg < SMBUS_REGS ? s->regs[reg] : 0;
}

void smbus_write(SmbusHost *s, unsigned reg, uint8_t val)
{
    if (reg == HST_STS) {
        s->regs[HST_STS] &= (uint8_t)~val;
    } else if (reg == BLK_DAT) {
        s->block[s->block_pos++ % SMBUS_BLOCK] = val;
    } else if (reg == HST_CNT) {
        s->regs[HST_CNT] = val & (uint8_t)~CNT_START;
        if (val & CNT_START) {
            s->regs[HST_STS] |= transfer(s) ? STS_DONE : STS_DEV_ERR;
            s->block_pos = 0;
        }
    } else if (reg < SMBUS_REGS) {
        s->regs[reg] = val;
    }
}

const VMField smbus_fields[] = {
    VM_BUFFER(SmbusHost, regs), VM_BUFFER(SmbusHost, block), VM_UINT(SmbusHost, block_pos), VM_BUFFER(SmbusHost, pos),
    VM_BUFFER(SmbusHost, rom), VM_END,
};
