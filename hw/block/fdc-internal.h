/* fdc-internal.h - state of the floppy controller, shared by fdc.c (registers, control commands) and
 * fdc-data.c (commands that transfer data). Under the BQL. */
#ifndef HW_BLOCK_FDC_INTERNAL_H
#define HW_BLOCK_FDC_INTERNAL_H

#include "hw/block/fdc.h"
#include "hw/dma/i8237.h"
#include "softmmu/memory.h"

enum { REG_SRA = 0, REG_SRB = 1, REG_DOR = 2, REG_TDR = 3, REG_MSR = 4, REG_FIFO = 5, REG_DIR = 7 };
enum { DOR_SELECT = 0x03, DOR_NOT_RESET = 0x04, DOR_DMA = 0x08, DOR_MOTOR0 = 0x10 };
enum { MSR_BUSY = 0x10, MSR_NONDMA = 0x20, MSR_DIO = 0x40, MSR_RQM = 0x80 };
enum { DSR_RESET = 0x80, DIR_CHANGED = 0x80, SRA_INT = 0x80 };
enum { ST0_HEAD = 0x04, ST0_SEEK_END = 0x20, ST0_ABNORMAL = 0x40, ST0_INVALID = 0x80, ST0_POLLED = 0xc0 };
enum { ST1_NO_ADDRESS = 0x01, ST1_NOT_WRITABLE = 0x02, ST1_NO_DATA = 0x04, ST1_DATA_ERROR = 0x20, ST1_END_OF_TRACK = 0x80 };
enum { ST2_NOT_SATISFIED = 0x04, ST2_EQUAL = 0x08, ST2_WRONG_CYLINDER = 0x10, ST2_DATA_ERROR = 0x20, ST2_CONTROL_MARK = 0x40 };
enum { ST3_TWO_SIDES = 0x08, ST3_TRACK0 = 0x10, ST3_READY = 0x20, ST3_PROTECTED = 0x40 };
enum { CMD_READ_TRACK = 0x02, CMD_SPECIFY = 0x03, CMD_SENSE_DRIVE = 0x04, CMD_WRITE = 0x05, CMD_READ = 0x06, CMD_RECALIBRATE = 0x07,
       CMD_SENSE_INT = 0x08, CMD_WRITE_DELETED = 0x09, CMD_READ_ID = 0x0a, CMD_READ_DELETED = 0x0c, CMD_FORMAT = 0x0d,
       CMD_DUMPREG = 0x0e, CMD_SEEK = 0x0f, CMD_VERSION = 0x10, CMD_PERPENDICULAR = 0x12, CMD_CONFIGURE = 0x13, CMD_LOCK = 0x14,
       CMD_SCAN_EQUAL = 0x11, CMD_VERIFY = 0x16, CMD_SCAN_LOW = 0x19, CMD_SCAN_HIGH = 0x1d };
enum { BIT_MT = 0x80, BIT_RELATIVE = 0x80, BIT_RELATIVE_IN = 0x40, BIT_LOCK = 0x80, BIT_SKIP = 0x20, BIT_COUNT = 0x80, BIT_OVERWRITE = 0x80 };
enum { CONFIG_IMPLIED_SEEK = 0x40, CONFIG_NO_FIFO = 0x20 };
enum { FDC_DMA_CHANNEL = 2, FDC_SECTOR = 512, FDC_BUF = 2 * 64 * FDC_SECTOR, FDC_DRIVES = 2, FDC_MAX_TRACK = 85, FIFO_MAX = 16 };
enum { VERSION_ENHANCED = 0x90 };

typedef enum FdcPhase { FDC_IDLE, FDC_PARAMS, FDC_BUSY, FDC_READ_DATA, FDC_WRITE_DATA, FDC_RESULT } FdcPhase;

typedef struct FdcDrive {
    Drive *drive; /* wiring */
    FdcState *fdc;
    char path[48];
    uint8_t track;       /* head position */
    bool disk_changed;
    uint8_t id_sector;   /* which sector READ ID sees next */
    /* derived from the image */
    uint8_t spt, heads, tracks;
    uint8_t rate;        /* 0: 500, 2: 250 (300 also), 3: 1000 kbit/s */
    uint8_t cmos_type;
} FdcDrive;

struct FdcState {
    Device dev;
    /* wiring */
    IrqLine irq;
    I8237State *dma;
    /* guest-visible */
    uint8_t dor, tdr, dsr, ccr;
    uint8_t phase;
    uint8_t cmd[FIFO_MAX], cmd_len, cmd_need;
    uint8_t result[FIFO_MAX], result_pos, result_len;
    uint8_t st0, reset_sense; /* what SENSE INTERRUPT reports; drives left to report after a reset */
    bool irq_pending, seek_pending;
    uint8_t specify[2], config, pretrack, perpendicular, lock;
    uint8_t unit;             /* drive of the command */
    uint8_t c, h, r, eot;     /* address of the transfer */
    uint32_t buf_len, buf_pos;
    bool multi_track, terminal_count, formatting, writing;
    bool bad_sector; /* the one behind the data in buf cannot be read */
    uint8_t scan_hit; /* ST2 of a scan, once it is satisfied */
    uint8_t *buf;
    FdcDrive drv[FDC_DRIVES];
    /* derived */
    BlockReq *req;
    struct iovec iov;
    MemoryRegion io, io_dir;
};

static inline FdcDrive *fdc_unit_drive(FdcState *s)
{
    return s->unit < FDC_DRIVES && s->drv[s->unit].drive ? &s->drv[s->unit] : NULL;
}
static inline BlockImage *fdc_medium(const FdcDrive *d) { return d && d->drive ? d->drive->image : NULL; }
static inline bool fdc_non_dma(const FdcState *s) { return (s->specify[1] & 1) || !s->dma; }

/* fdc.c */
void fdc_raise_irq(FdcState *s);
void fdc_put_result(FdcState *s, const uint8_t *bytes, unsigned n);
#define FDC_RESULT_BYTES(s, ...) fdc_put_result(s, (const uint8_t[]){__VA_ARGS__}, sizeof(uint8_t[]){__VA_ARGS__})

/* fdc-data.c */
void fdc_transfer(FdcState *s);  /* READ, WRITE, READ TRACK, VERIFY and their deleted-data forms */
void fdc_format(FdcState *s);
void fdc_read_id(FdcState *s);
bool fdc_scan_byte_in(FdcState *s);  /* a byte of the host's came: true if that ended a scan */
void fdc_data_complete(FdcState *s); /* the last byte of the data phase went by */
I8237Handler fdc_dma_handler;

#endif
