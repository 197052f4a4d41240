/* ide-internal.h - what the IDE files share: state of drive, channel, controller.
 * Everything runs under the BQL; block completions come in the main thread. */
#ifndef HW_BLOCK_IDE_INTERNAL_H
#define HW_BLOCK_IDE_INTERNAL_H

#include "hw/block/ide.h"
#include "softmmu/dma.h"

enum { ATA_SECTOR = 512, CD_SECTOR = 2048, CD_RAW_SECTOR = 2352, CD_SECTOR_MAX = CD_RAW_SECTOR + 296 };
enum { IDE_BUF_SIZE = 256 * ATA_SECTOR, IDE_MAX_IOV = 1024, IDE_MAX_MULT = 16, IDE_DMA_CHUNK = 4 << 20 };
enum { IDE_NO_BAD_SECTOR = UINT32_MAX, SMART_SELFTESTS = 21, TRIM_MAX_BLOCKS = 8 };

enum { ST_ERR = 0x01, ST_DRQ = 0x08, ST_DSC = 0x10, ST_DF = 0x20, ST_DRDY = 0x40, ST_BSY = 0x80 };
enum { ERR_ABRT = 0x04, ERR_MCR = 0x08, ERR_IDNF = 0x10, ERR_UNC = 0x40, ERR_ICRC = 0x80 };
enum { SEL_HEAD = 0x0f, SEL_DEV = 0x10, SEL_LBA = 0x40, SEL_ONES = 0xa0 };
enum { CTL_NIEN = 0x02, CTL_SRST = 0x04, CTL_HOB = 0x80 };
enum { REASON_CD = 1, REASON_IO = 2 }; /* ATAPI interrupt reason, in the sector count register */
enum { BM_CMD_START = 0x01, BM_CMD_TO_MEMORY = 0x08 };
enum { BM_ST_ACTIVE = 0x01, BM_ST_ERROR = 0x02, BM_ST_INT = 0x04, BM_ST_DRV0 = 0x20, BM_ST_DRV1 = 0x40 };

typedef enum IdeKind { IDE_NONE, IDE_HD, IDE_CD } IdeKind;
/* What the drive waits for. */
typedef enum IdePhase {
    PHASE_IDLE,
    PHASE_PIO_IN,   /* the host reads buf[buf_pos, buf_end) */
    PHASE_PIO_OUT,  /* the host writes it */
    PHASE_DMA,      /* the bus master, or a block request on its behalf */
    PHASE_BUSY,     /* a block request */
} IdePhase;

typedef struct IdeChannel IdeChannel;

typedef struct IdeDrive {
    /* wiring */
    IdeChannel *ch;
    Drive *drive;
    uint8_t unit, kind;
    char serial[21], model[41], version[9], path[64];
    uint64_t wwn;
    uint16_t rotation_rate;
    uint8_t physical_exp;
    /* guest-visible: task file; *_hob are the previous values (LBA48) */
    uint8_t status, error, select;
    uint8_t feature, nsector, lba_low, lba_mid, lba_high;
    uint8_t feature_hob, nsector_hob, lba_low_hob, lba_mid_hob, lba_high_hob;
    uint8_t command;
    /* settings */
    uint8_t mult, cur_heads, cur_secs;
    uint8_t mwdma, udma; /* selected mode as a bit, 0: none */
    bool write_cache, look_ahead, smart, smart_autosave, standby;
    uint8_t apm, aam;                 /* levels, 0: off */
    uint64_t max_sectors;             /* SET MAX: what the guest may reach of `sectors` */
    bool max_frozen, native_max_read; /* SET MAX is locked; READ NATIVE MAX was the command before */
    uint8_t selftest[SMART_SELFTESTS], selftests; /* codes of those done; how many in all, for the place of the next */
    /* transfer under way */
    uint8_t phase;
    bool to_disk, lba48, fua;
    uint64_t lba;
    uint32_t sectors_left;            /* of the command */
    uint32_t buf_pos, buf_end, buf_len; /* position, end of this DRQ block, valid bytes */
    uint32_t block_bytes;             /* DRQ block */
    uint32_t bad_at;                  /* place in buf of the first bad sector, which ends the command */
    uint32_t trim_pos;                /* next range of a DATA SET MANAGEMENT command in buf */
    uint8_t *buf;                     /* IDE_BUF_SIZE bytes */
    /* CD-ROM */
    uint8_t packet[12];
    bool atapi_dma, atapi_out, tray_open, locked, ua_pending, event_new_media, event_removal, event_eject;
    uint8_t sense_key, asc, ascq;
    bool sense_info_valid;
    uint32_t sense_info;              /* block address of the bad sector */
    uint16_t byte_limit;
    uint8_t cd_layout;                /* READ CD: which parts of a sector, as in its byte 9; CD_USER_DATA alone otherwise */
    /* derived */
    uint64_t sectors;                 /* of a disk */
    uint16_t cyls;
    uint8_t heads, secs;
    BlockReq *req;
    struct iovec one_iov;
    uint32_t req_bytes;
} IdeDrive;

typedef struct IdeBmdma {
    uint8_t cmd, status;
    uint32_t table;              /* PRD table address */
    /* cursor in the table */
    uint32_t next_prd, cur_addr, cur_left;
    bool last_prd;
} IdeBmdma;

struct IdeChannel {
    IdeController *ctrl;
    IrqLine irq;
    int index;
    IdeDrive drive[2];
    uint8_t cur;      /* selected device */
    uint8_t control;  /* device control register */
    bool intrq;
    IdeBmdma bm;
    struct iovec iov[IDE_MAX_IOV];
    int iov_count;
    bool iov_to_guest, iov_bounced;
    uint8_t *bounce;  /* one sector, for PRDs that point to no RAM */
    MemoryRegion io_cmd, io_ctl;
};

struct IdeController {
    PciDevice pci;
    IdeChannel ch[2];
    MemoryRegion bm_region;
};

/* ide-bus.c */
void ide_channel_init(IdeController *c, int index);
void ide_channel_finalize(IdeChannel *ch);
void ide_channel_reset(IdeChannel *ch); /* power-on */
void ide_channel_post_load(IdeChannel *ch);
extern const VMField ide_channel_fields[];
void ide_raise_irq(IdeChannel *ch);
void ide_lower_irq(IdeChannel *ch);
void ide_update_irq(IdeChannel *ch);
void ide_cancel(IdeDrive *d);           /* drop whatever is under way */
void ide_set_signature(IdeDrive *d);
/* End a command: ST_DRDY|ST_DSC and an interrupt; or with an error. */
void ide_command_ok(IdeDrive *d);
void ide_command_error(IdeDrive *d, uint8_t error);
void ide_execute_diagnostic(IdeChannel *ch);
/* Offer (in) or ask for (out) the next DRQ block of at most block_bytes from buf_pos on. */
void ide_pio_block(IdeDrive *d, bool out, bool interrupt);

/* ide-ata.c */
void ata_init_drive(IdeDrive *d);
void ata_command(IdeDrive *d, uint8_t cmd);
void ata_pio_block_done(IdeDrive *d);
void ata_dma_run(IdeDrive *d);
void ata_media_geometry(IdeDrive *d);
void ata_start_flush(IdeDrive *d);       /* ends the command when done */
void ata_send_buffer(IdeDrive *d);       /* 512 bytes of buf by PIO, which ends the command */

/* ide-identify.c */
void ide_identify_strings(IdeDrive *d, uint16_t *w);
uint16_t ide_identify_cable(const IdeDrive *d); /* word 93 */
void ata_identify(IdeDrive *d);
void ata_set_features(IdeDrive *d);
bool ide_set_transfer_mode(IdeDrive *d, uint8_t mode);
void ata_set_max(IdeDrive *d, bool ext);
void ata_read_native_max(IdeDrive *d, bool ext);
uint64_t ata_get_lba(const IdeDrive *d); /* UINT64_MAX: a CHS address that does not exist */
void ata_set_lba(IdeDrive *d, uint64_t lba);

/* ide-smart.c */
void ata_smart_command(IdeDrive *d);

/* ide-atapi.c */
void atapi_init_drive(IdeDrive *d);
void atapi_command(IdeDrive *d, uint8_t cmd);
void atapi_pio_block_done(IdeDrive *d);
void atapi_dma_run(IdeDrive *d);
extern const DriveOps atapi_drive_ops;
/* For the packet commands of ide-mmc.c. */
bool atapi_has_medium(const IdeDrive *d);
uint32_t atapi_total_sectors(const IdeDrive *d);
void atapi_ok(IdeDrive *d);
void atapi_error(IdeDrive *d, uint8_t key, uint8_t asc, uint8_t ascq);
void atapi_reply(IdeDrive *d, uint32_t len, uint32_t alloc); /* of buf */
void atapi_request_data(IdeDrive *d, uint32_t len);          /* then mmc_data_out() */
void atapi_start_read(IdeDrive *d, uint32_t lba, uint32_t count, uint8_t layout);

/* ide-mmc.c */
void mmc_execute(IdeDrive *d);
void mmc_data_out(IdeDrive *d);

/* cd-sector.c */
enum { CD_SYNC = 0x80, CD_SUBHEADER = 0x40, CD_HEADER = 0x20, CD_USER_DATA = 0x10, CD_EDC_ECC = 0x08, CD_C2 = 0x06 };
unsigned cd_sector_bytes(uint8_t layout); /* of a mode 1 sector; at most CD_SECTOR_MAX */
void cd_sector_build(uint8_t *out, const uint8_t *data, uint32_t lba, uint8_t layout);

/* ide-bmdma.c */
/* Is the bus master started and the function allowed to master? */
bool bmdma_ready(IdeChannel *ch);
void bmdma_rewind(IdeBmdma *bm); /* to the start of the table */
/* Take up to max bytes from the PRDs into ch->iov, a multiple of unit; 0: the table is at its end.
 * bmdma_unmap must follow when the transfer is over, with the bytes moved. */
uint32_t bmdma_map(IdeChannel *ch, uint32_t max, uint32_t unit, bool to_guest);
void bmdma_unmap(IdeChannel *ch, uint32_t moved);
/* Copy between buf and the PRDs; returns the bytes moved before the table ended. */
uint32_t bmdma_copy(IdeChannel *ch, void *buf, uint32_t len, bool to_guest);
void bmdma_finish(IdeChannel *ch); /* the drive's transfer is complete: status bits */
extern const VMField ide_bmdma_fields[];

#endif
