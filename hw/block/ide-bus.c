/* ide-bus.c - an IDE channel: task file, device control, selection, resets, data port
 * Spec: ATA/ATAPI-7 volumes 1 and 2 (T13 1532D); legacy port addresses of the AT.
 * Guest view: 1f0h-1f7h, 3f6h, IRQ 14 and 170h-177h, 376h, IRQ 15.
 * Not modelled: bus timing (a command either waits for the host's disk or completes at once),
 * overlapped and queued commands. */
#include "host/base/osdep.h"
#include "hw/block/ide-internal.h"
#include "host/base/bitops.h"
#include "host/base/log.h"

enum { REG_DATA = 0, REG_ERROR = 1, REG_NSECTOR = 2, REG_LBA_LOW = 3, REG_LBA_MID = 4, REG_LBA_HIGH = 5, REG_SELECT = 6,
       REG_STATUS = 7 };
enum { CMD_DIAGNOSTIC = 0x90 };

static IdeDrive *current(IdeChannel *ch) { return &ch->drive[ch->cur]; }

/* ---- interrupt ---- */

void ide_update_irq(IdeChannel *ch) { irq_set(&ch->irq, ch->intrq && !(ch->control & CTL_NIEN)); }

void ide_raise_irq(IdeChannel *ch)
{
    ch->intrq = true;
    ch->bm.status |= BM_ST_INT;
    ide_update_irq(ch);
}

void ide_lower_irq(IdeChannel *ch)
{
    if (ch->intrq) {
        ch->intrq = false;
        ide_update_irq(ch);
    }
}

/* An interrupt of a device that is not selected waits until it is; nobody overlaps commands, so it is dropped. */
static void drive_irq(IdeDrive *d)
{
    if (current(d->ch) == d)
        ide_raise_irq(d->ch);
}

/* ---- command life ---- */

void ide_command_ok(IdeDrive *d)
{
    d->phase = PHASE_IDLE;
    d->error = 0;
    d->status = ST_DRDY | ST_DSC;
    drive_irq(d);
}

void ide_command_error(IdeDrive *d, uint8_t error)
{
    d->phase = PHASE_IDLE;
    d->error = error;
    d->status = ST_DRDY | ST_DSC | ST_ERR;
    drive_irq(d);
}

void ide_pio_block(IdeDrive *d, bool out, bool interrupt)
{
    d->phase = out ? PHASE_PIO_OUT : PHASE_PIO_IN;
    d->buf_end = MIN(d->buf_len, d->buf_pos + d->block_bytes);
    d->status = ST_DRDY | ST_DSC | ST_DRQ;
    if (interrupt)
        drive_irq(d);
}

void ide_cancel(IdeDrive *d)
{
    if (d->req) {
        BlockReq *req = d->req;
        block_aio_cancel(req); /* runs the callback with -ECANCELED, which cleans up */
        d->req = NULL;
    }
    d->phase = PHASE_IDLE;
    d->buf_pos = d->buf_end = d->buf_len = 0;
    d->sectors_left = 0;
    d->bad_at = IDE_NO_BAD_SECTOR;
}

void ide_set_signature(IdeDrive *d)
{
    d->select &= SEL_ONES | SEL_DEV;
    d->nsector = d->lba_low = 1;
    d->lba_mid = d->kind == IDE_CD ? 0x14 : 0;
    d->lba_high = d->kind == IDE_CD ? 0xeb : 0;
    d->nsector_hob = d->lba_low_hob = d->lba_mid_hob = d->lba_high_hob = 0;
}

static void drive_soft_reset(IdeDrive *d)
{
    ide_cancel(d);
    ide_set_signature(d);
    d->error = 1; /* diagnostic code: passed */
    d->status = d->kind == IDE_HD ? ST_DRDY | ST_DSC : 0; /* a packet device is not ready before its first command */
}

void ide_execute_diagnostic(IdeChannel *ch)
{
    ch->cur = 0;
    for (int i = 0; i < 2; i++) {
        drive_soft_reset(&ch->drive[i]);
        ch->drive[i].select &= ~SEL_DEV;
    }
    ide_raise_irq(ch);
}

/* ---- data port ---- */

static void block_done(IdeDrive *d)
{
    d->status &= ~ST_DRQ;
    if (d->kind == IDE_CD)
        atapi_pio_block_done(d);
    else
        ata_pio_block_done(d);
}

static uint64_t data_read(IdeDrive *d, unsigned size)
{
    uint64_t val = 0;
    if (unlikely(d->phase != PHASE_PIO_IN || d->buf_pos >= d->buf_end))
        return 0; /* no data: the bus floats */
    unsigned n = MIN(size, d->buf_end - d->buf_pos);
    memcpy(&val, d->buf + d->buf_pos, n);
    d->buf_pos += n;
    if (unlikely(d->buf_pos == d->buf_end))
        block_done(d);
    return val;
}

static void data_write(IdeDrive *d, uint64_t val, unsigned size)
{
    if (unlikely(d->phase != PHASE_PIO_OUT || d->buf_pos >= d->buf_end))
        return;
    unsigned n = MIN(size, d->buf_end - d->buf_pos);
    memcpy(d->buf + d->buf_pos, &val, n);
    d->buf_pos += n;
    if (unlikely(d->buf_pos == d->buf_end))
        block_done(d);
}

/* ---- task file ---- */

static uint8_t register_read(IdeChannel *ch, unsigned reg)
{
    IdeDrive *d = current(ch);
    bool hob = ch->control & CTL_HOB;

    if (d->kind == IDE_NONE) /* device 0 answers for an absent device 1 with zeros; an empty channel is pulled low */
        return reg == REG_SELECT ? d->select : 0;
    switch (reg) {
    case REG_ERROR:
        return hob ? d->feature_hob : d->error;
    case REG_NSECTOR:
        return hob ? d->nsector_hob : d->nsector;
    case REG_LBA_LOW:
        return hob ? d->lba_low_hob : d->lba_low;
    case REG_LBA_MID:
        return hob ? d->lba_mid_hob : d->lba_mid;
    case REG_LBA_HIGH:
        return hob ? d->lba_high_hob : d->lba_high;
    case REG_SELECT:
        return d->select;
    default: /* status; reading it takes the interrupt back */
        ide_lower_irq(ch);
        return d->status;
    }
}

static void command_write(IdeChannel *ch, uint8_t cmd)
{
    IdeDrive *d = current(ch);

    ide_lower_irq(ch);
    if (ch->control & CTL_SRST)
        return;
    if (cmd == CMD_DIAGNOSTIC) { /* for both devices, whichever is selected */
        ide_execute_diagnostic(ch);
        return;
    }
    if (d->kind == IDE_NONE)
        return;
    if (d->status & ST_BSY && !(d->kind == IDE_CD && cmd == 0x08)) {
        log_guest_error("ide: command %02x while busy with %02x\n", cmd, d->command);
        return;
    }
    ide_cancel(d);
    d->command = cmd;
    d->error = 0;
    if (d->kind == IDE_CD)
        atapi_command(d, cmd);
    else
        ata_command(d, cmd);
}

#define TO_BOTH(reg, val)                                                                          \
    do {                                                                                           \
        for (int i_ = 0; i_ < 2; i_++) {                                                           \
            ch->drive[i_].reg##_hob = ch->drive[i_].reg;                                           \
            ch->drive[i_].reg = (val);                                                             \
        }                                                                                          \
    } while (0)

static void register_write(IdeChannel *ch, unsigned reg, uint8_t val)
{
    if (reg != REG_STATUS) {
        ch->control &= ~CTL_HOB; /* any command block write does that */
        if (current(ch)->status & ST_BSY && reg != REG_SELECT && current(ch)->kind != IDE_NONE) {
            log_guest_error("ide: register %u written while busy\n", reg);
            return;
        }
    }
    switch (reg) {
    case REG_ERROR:
        TO_BOTH(feature, val);
        break;
    case REG_NSECTOR:
        TO_BOTH(nsector, val);
        break;
    case REG_LBA_LOW:
        TO_BOTH(lba_low, val);
        break;
    case REG_LBA_MID:
        TO_BOTH(lba_mid, val);
        break;
    case REG_LBA_HIGH:
        TO_BOTH(lba_high, val);
        break;
    case REG_SELECT:
        ch->drive[0].select = ch->drive[1].select = val | SEL_ONES;
        ch->cur = !!(val & SEL_DEV);
        break;
    default:
        command_write(ch, val);
        break;
    }
}

static uint64_t ide_read(void *opaque, hwaddr off, unsigned size)
{
    IdeChannel *ch = opaque;
    uint64_t val = 0;

    if (likely(off == REG_DATA))
        return data_read(current(ch), size);
    for (unsigned i = 0; i < size; i++)
        val |= (uint64_t)(off + i < 8 ? register_read(ch, off + i) : 0xff) << 8 * i;
    return val;
}

static void ide_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    IdeChannel *ch = opaque;

    if (likely(off == REG_DATA)) {
        data_write(current(ch), val, size);
        return;
    }
    for (unsigned i = 0; i < size && off + i < 8; i++)
        register_write(ch, off + i, val >> 8 * i);
}

static const MemoryOps ide_ops = {ide_read, ide_write, 1, 4, false};

static uint64_t ctl_read(void *opaque, hwaddr off, unsigned size) /* alternate status: no side effect */
{
    IdeDrive *d = current(opaque);
    return d->kind == IDE_NONE ? 0 : d->status;
}

static void ctl_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    IdeChannel *ch = opaque;
    uint8_t old = ch->control;

    ch->control = val;
    if (!(old & CTL_SRST) && (val & CTL_SRST)) {
        for (int i = 0; i < 2; i++) {
            ide_cancel(&ch->drive[i]);
            ch->drive[i].status = ST_BSY | ST_DSC;
        }
        ch->bm.status &= ~BM_ST_ACTIVE;
        ch->intrq = false;
    } else if ((old & CTL_SRST) && !(val & CTL_SRST)) {
        ch->cur = 0;
        for (int i = 0; i < 2; i++) {
            drive_soft_reset(&ch->drive[i]);
            ch->drive[i].select &= ~SEL_DEV;
        }
    }
    ide_update_irq(ch);
}

static const MemoryOps ctl_ops = {ctl_read, ctl_write, 1, 1, false};

/* ---- life ---- */

static const VMField drive_fields[] = {
    VM_UINT(IdeDrive, status), VM_UINT(IdeDrive, error), VM_UINT(IdeDrive, select), VM_UINT(IdeDrive, feature),
    VM_UINT(IdeDrive, nsector), VM_UINT(IdeDrive, lba_low), VM_UINT(IdeDrive, lba_mid), VM_UINT(IdeDrive, lba_high),
    VM_UINT(IdeDrive, feature_hob), VM_UINT(IdeDrive, nsector_hob), VM_UINT(IdeDrive, lba_low_hob),
    VM_UINT(IdeDrive, lba_mid_hob), VM_UINT(IdeDrive, lba_high_hob), VM_UINT(IdeDrive, command), VM_UINT(IdeDrive, mult),
    VM_UINT(IdeDrive, cur_heads), VM_UINT(IdeDrive, cur_secs), VM_UINT(IdeDrive, mwdma), VM_UINT(IdeDrive, udma),
    VM_UINT(IdeDrive, write_cache), VM_UINT(IdeDrive, look_ahead), VM_UINT(IdeDrive, smart), VM_UINT(IdeDrive, smart_autosave),
    VM_UINT(IdeDrive, standby), VM_UINT(IdeDrive, apm), VM_UINT(IdeDrive, aam), VM_UINT(IdeDrive, max_sectors),
    VM_UINT(IdeDrive, max_frozen), VM_UINT(IdeDrive, native_max_read), VM_BUFFER(IdeDrive, selftest), VM_UINT(IdeDrive, selftests),
    VM_UINT(IdeDrive, bad_at), VM_UINT(IdeDrive, trim_pos), VM_UINT(IdeDrive, sense_info_valid), VM_UINT(IdeDrive, sense_info),
    VM_UINT(IdeDrive, atapi_out),
    VM_UINT(IdeDrive, phase), VM_UINT(IdeDrive, to_disk), VM_UINT(IdeDrive, lba48), VM_UINT(IdeDrive, fua),
    VM_UINT(IdeDrive, lba), VM_UINT(IdeDrive, sectors_left), VM_UINT(IdeDrive, buf_pos), VM_UINT(IdeDrive, buf_end),
    VM_UINT(IdeDrive, buf_len), VM_UINT(IdeDrive, block_bytes), VM_VBUFFER(IdeDrive, buf, IDE_BUF_SIZE, buf_len),
    VM_BUFFER(IdeDrive, packet), VM_UINT(IdeDrive, atapi_dma), VM_UINT(IdeDrive, tray_open), VM_UINT(IdeDrive, locked),
    VM_UINT(IdeDrive, ua_pending), VM_UINT(IdeDrive, event_new_media), VM_UINT(IdeDrive, event_removal),
    VM_UINT(IdeDrive, event_eject), VM_UINT(IdeDrive, sense_key), VM_UINT(IdeDrive, asc), VM_UINT(IdeDrive, ascq),
    VM_UINT(IdeDrive, byte_limit), VM_UINT(IdeDrive, cd_layout), VM_END};

const VMField ide_channel_fields[] = {
    VM_STRUCT_ARRAY(IdeChannel, drive, 2, drive_fields), VM_UINT(IdeChannel, cur), VM_UINT(IdeChannel, control),
    VM_UINT(IdeChannel, intrq), VM_STRUCT(IdeChannel, bm, ide_bmdma_fields), VM_END};

void ide_channel_reset(IdeChannel *ch)
{
    for (int i = 0; i < 2; i++) {
        IdeDrive *d = &ch->drive[i];
        ide_cancel(d);
        d->feature = d->feature_hob = d->command = 0;
        d->select = SEL_ONES;
        d->mult = IDE_MAX_MULT;
        d->cur_heads = d->heads;
        d->cur_secs = d->secs;
        d->mwdma = 0;
        d->udma = BIT(5);
        d->write_cache = d->look_ahead = d->smart = d->smart_autosave = true;
        d->apm = 0;
        d->aam = 0xfe;
        d->max_sectors = d->sectors;
        d->max_frozen = d->native_max_read = d->atapi_out = d->sense_info_valid = false;
        d->trim_pos = d->sense_info = d->selftests = 0;
        memset(d->selftest, 0, sizeof d->selftest);
        d->standby = d->to_disk = d->lba48 = d->fua = d->atapi_dma = d->locked = d->ua_pending = false;
        d->event_new_media = d->event_removal = d->event_eject = false;
        d->sense_key = d->asc = d->ascq = 0;
        d->byte_limit = 0;
        d->block_bytes = ATA_SECTOR;
        d->cd_layout = CD_USER_DATA;
        d->lba = 0;
        memset(d->packet, 0, sizeof d->packet);
        drive_soft_reset(d);
    }
    ch->cur = 0;
    ch->control = 0;
    ch->intrq = false;
    ch->bm = (IdeBmdma){0};
    ide_update_irq(ch);
}

/* A saved state is input too: bring what indexes memory into its bounds. */
void ide_channel_post_load(IdeChannel *ch)
{
    ch->cur &= 1;
    for (int i = 0; i < 2; i++) {
        IdeDrive *d = &ch->drive[i];
        d->buf_len = MIN(d->buf_len, IDE_BUF_SIZE);
        d->buf_end = MIN(d->buf_end, d->buf_len);
        d->buf_pos = MIN(d->buf_pos, d->buf_end);
        if (!d->block_bytes || d->block_bytes > IDE_BUF_SIZE)
            d->block_bytes = ATA_SECTOR;
        if (!cd_sector_bytes(d->cd_layout))
            d->cd_layout = CD_USER_DATA;
        d->max_sectors = MIN(d->max_sectors, d->sectors);
        d->selftests = MIN(d->selftests, 2 * SMART_SELFTESTS - 1);
        d->trim_pos = MIN(d->trim_pos, IDE_BUF_SIZE);
        if (d->mult > IDE_MAX_MULT)
            d->mult = IDE_MAX_MULT;
        if (d->kind == IDE_NONE) /* nothing can be under way */
            ide_cancel(d);
        if (d->kind == IDE_HD && (d->lba > d->sectors || d->sectors_left > d->sectors - d->lba))
            d->lba = d->sectors_left = 0, d->phase = PHASE_BUSY;
        if (d->phase == PHASE_BUSY || d->phase > PHASE_BUSY) /* saved in the middle of a request: never by us */
            ide_command_error(d, ERR_ABRT);
    }
    ide_update_irq(ch);
}

void ide_channel_init(IdeController *c, int index)
{
    static const uint16_t bases[2] = {0x1f0, 0x170};
    IdeChannel *ch = &c->ch[index];
    char *name = g_strdup_printf("ide%d", index), *ctl = g_strdup_printf("ide%d-ctl", index);

    ch->ctrl = c;
    ch->index = index;
    ch->bounce = g_malloc0(CD_SECTOR);
    for (int i = 0; i < 2; i++) {
        ch->drive[i].ch = ch;
        ch->drive[i].unit = i;
        ch->drive[i].buf = g_malloc0(IDE_BUF_SIZE);
    }
    memory_region_init_io(&ch->io_cmd, &ide_ops, ch, name, 8);
    memory_region_init_io(&ch->io_ctl, &ctl_ops, ch, ctl, 1);
    memory_region_add(address_space_io.root, bases[index], &ch->io_cmd, 0);
    memory_region_add(address_space_io.root, bases[index] + 0x206, &ch->io_ctl, 0);
    g_free(name);
    g_free(ctl);
}

void ide_channel_finalize(IdeChannel *ch)
{
    for (int i = 0; i < 2; i++) {
        ide_cancel(&ch->drive[i]);
        if (ch->drive[i].drive)
            drive_attach(ch->drive[i].drive, NULL, NULL, NULL);
        g_free(ch->drive[i].buf);
        ch->drive[i].buf = NULL;
    }
    g_free(ch->bounce);
    memory_region_del(address_space_io.root, &ch->io_cmd);
    memory_region_del(address_space_io.root, &ch->io_ctl);
    memory_region_destroy(&ch->io_cmd);
    memory_region_destroy(&ch->io_ctl);
}
