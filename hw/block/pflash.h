/* pflash.h - parallel NOR flash that holds firmware and its variables (-drive if=pflash). */
#ifndef HW_BLOCK_PFLASH_H
#define HW_BLOCK_PFLASH_H

#include "host/block/block.h"
#include "softmmu/device.h"
#include "softmmu/memory.h"

enum { PFLASH_SECTOR = 4 * KiB, PFLASH_BUFFER = 2 * KiB, PFLASH_MAX = 8 * MiB };

typedef struct PflashState {
    Device dev;
    Drive *drive;        /* wiring: contents come from here, programming goes there */
    MemoryRegion *parent; /* wiring: where it is mapped */
    hwaddr base;         /* wiring: address of its first byte there */
    char name[24];       /* region name, "system.flash0" */
    MemoryRegion rom;    /* array mode: read as memory, written through the callbacks */
    MemoryRegion io;     /* every other mode, over `rom` */
    bool mapped;
    uint32_t size;       /* bytes */
    uint8_t cmd;         /* command in progress; 0: none, the array is read */
    uint8_t status;
    bool counting;       /* buffered program: its length comes next */
    uint16_t left;       /* ... bytes still to come */
    uint32_t buffer_at;  /* ... and where its first one goes */
    uint8_t buffer[PFLASH_BUFFER];
    uint32_t buffer_low, buffer_high; /* offsets in the block at buffer_at that were given; low > high: none */
} PflashState;

extern const DeviceClass pflash_class;

/* Before realize. The drive's image must be a multiple of PFLASH_SECTOR, at most PFLASH_MAX bytes. */
void pflash_wire(PflashState *s, Drive *drive, MemoryRegion *parent, hwaddr base, const char *name);
/* The flash's bytes as memory, to be mapped elsewhere too (the BIOS area below 1 MiB). */
MemoryRegion *pflash_memory(PflashState *s);

#endif
