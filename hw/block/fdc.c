/* fdc.c - 82077AA floppy disk controller with two drives: registers, control commands, media
 * Spec: Intel 82077AA data sheet (290166); ports of the AT and PS/2 (model 30 status registers).
 * Guest view: ports 3f0h-3f5h and 3f7h, IRQ 6, DMA channel 2. A transfer reads or writes all its
 * sectors in one request to the image; the data rate must suit the medium, as formats are probed by it.
 * After a reset implied seeks are on (the chip has them off): firmware relies on it; CONFIGURE turns them off.
 * Not modelled: mechanical timing, sector sizes other than 512, deleted data marks on the medium; tracks cannot be
 * formatted differently from the image's geometry. A multi-track transfer changes sides after a full track only. */
#include "host/base/osdep.h"
#include "hw/block/fdc-internal.h"
#include "host/base/log.h"

static const struct { uint32_t kib; uint8_t spt, tracks, heads, rate, cmos; } formats[] = {
    {160, 8, 40, 1, 2, 1},   {180, 9, 40, 1, 2, 1},   {200, 10, 40, 1, 2, 1},  {320, 8, 40, 2, 2, 1},
    {360, 9, 40, 2, 2, 1},   {400, 10, 40, 2, 2, 1},  {410, 10, 41, 2, 2, 1},  {420, 10, 42, 2, 2, 1},
    {640, 8, 80, 2, 2, 4},   {720, 9, 80, 2, 2, 4},   {800, 10, 80, 2, 2, 4},  {820, 10, 82, 2, 2, 4},
    {830, 10, 83, 2, 2, 4},  {880, 11, 80, 2, 2, 4},  {1040, 13, 80, 2, 2, 4}, {1120, 14, 80, 2, 2, 4},
    {1200, 15, 80, 2, 0, 2}, {1440, 18, 80, 2, 0, 4}, {1476, 18, 82, 2, 0, 4}, {1494, 18, 83, 2, 0, 4},
    {1600, 20, 80, 2, 0, 4}, {1640, 20, 82, 2, 0, 4}, {1660, 20, 83, 2, 0, 4}, {1680, 21, 80, 2, 0, 4},
    {1722, 21, 82, 2, 0, 4}, {1743, 21, 83, 2, 0, 4}, {1760, 22, 80, 2, 0, 4}, {1840, 23, 80, 2, 0, 4},
    {1920, 24, 80, 2, 0, 4}, {3120, 39, 80, 2, 3, 5}, {3200, 40, 80, 2, 3, 5}, {3520, 44, 80, 2, 3, 5},
    {3840, 48, 80, 2, 3, 5}, {2880, 36, 80, 2, 3, 5}}; /* the last: whatever is larger and of no known size */

static void fdc_update_irq(FdcState *s) { irq_set(&s->irq, s->irq_pending && (s->dor & DOR_DMA)); }

void fdc_raise_irq(FdcState *s)
{
    s->irq_pending = true;
    fdc_update_irq(s);
}

static void lower_irq(FdcState *s)
{
    s->irq_pending = false;
    fdc_update_irq(s);
}

static void go_idle(FdcState *s)
{
    s->phase = FDC_IDLE;
    s->cmd_len = s->cmd_need = s->result_pos = s->result_len = 0;
    s->buf_len = s->buf_pos = 0;
}

void fdc_put_result(FdcState *s, const uint8_t *bytes, unsigned n)
{
    memcpy(s->result, bytes, n);
    s->result_pos = 0;
    s->result_len = n;
    s->phase = FDC_RESULT;
}

/* ---- control commands ---- */

static void seek_to(FdcState *s, int track)
{
    FdcDrive *d = fdc_unit_drive(s);
    s->st0 = ST0_SEEK_END | (s->cmd[1] & 7);
    if (d) {
        d->track = CLAMP(track, 0, FDC_MAX_TRACK);
        if (fdc_medium(d))
            d->disk_changed = false; /* a step pulse with a disk in resets the line */
    } else if ((s->cmd[0] & 0x1f) == CMD_RECALIBRATE) {
        s->st0 |= ST0_ABNORMAL | 0x10; /* track 0 signal never came */
    }
    s->seek_pending = true;
    go_idle(s);
    fdc_raise_irq(s);
}

static void cmd_sense_int(FdcState *s)
{
    if (s->reset_sense) {
        uint8_t unit = 4 - s->reset_sense--;
        lower_irq(s);
        FDC_RESULT_BYTES(s, ST0_POLLED | unit, unit < FDC_DRIVES ? s->drv[unit].track : 0);
    } else if (s->seek_pending) {
        uint8_t unit = s->st0 & 3;
        s->seek_pending = false;
        lower_irq(s);
        FDC_RESULT_BYTES(s, s->st0, unit < FDC_DRIVES ? s->drv[unit].track : 0);
    } else {
        FDC_RESULT_BYTES(s, ST0_INVALID);
    }
}

static void cmd_sense_drive(FdcState *s)
{
    FdcDrive *d = fdc_unit_drive(s);
    uint8_t st3 = (s->cmd[1] & 7) | ST3_READY | ST3_TWO_SIDES;
    if (d && !d->track)
        st3 |= ST3_TRACK0;
    if (fdc_medium(d) && block_read_only(fdc_medium(d)))
        st3 |= ST3_PROTECTED;
    FDC_RESULT_BYTES(s, st3);
}

static void execute(FdcState *s)
{
    uint8_t op = s->cmd[0];

    s->unit = s->cmd_len > 1 ? s->cmd[1] & 3 : s->dor & DOR_SELECT;
    switch (op & 0x1f) {
    case CMD_READ_TRACK:
    case CMD_READ:
    case CMD_READ_DELETED:
    case CMD_WRITE:
    case CMD_WRITE_DELETED:
    case CMD_VERIFY:
    case CMD_SCAN_EQUAL:
    case CMD_SCAN_LOW:
    case CMD_SCAN_HIGH:
        fdc_transfer(s);
        break;
    case CMD_FORMAT:
        fdc_format(s);
        break;
    case CMD_READ_ID:
        fdc_read_id(s);
        break;
    case CMD_SPECIFY:
        s->specify[0] = s->cmd[1];
        s->specify[1] = s->cmd[2];
        go_idle(s);
        break;
    case CMD_SENSE_DRIVE:
        cmd_sense_drive(s);
        break;
    case CMD_RECALIBRATE:
        seek_to(s, 0);
        break;
    case CMD_SENSE_INT:
        cmd_sense_int(s);
        break;
    case CMD_SEEK:
        if (op & BIT_RELATIVE) {
            int now = fdc_unit_drive(s) ? fdc_unit_drive(s)->track : 0;
            seek_to(s, op & BIT_RELATIVE_IN ? now + s->cmd[2] : now - s->cmd[2]);
        } else {
            seek_to(s, s->cmd[2]);
        }
        break;
    case CMD_VERSION:
        FDC_RESULT_BYTES(s, VERSION_ENHANCED);
        break;
    case CMD_DUMPREG:
        FDC_RESULT_BYTES(s, s->drv[0].track, s->drv[1].track, 0, 0, s->specify[0], s->specify[1], s->eot,
               s->lock << 7 | (s->perpendicular & 0x7f), s->config, s->pretrack);
        break;
    case CMD_PERPENDICULAR:
        /* which drives are perpendicular changes only with the overwrite bit */
        s->perpendicular = s->cmd[1] & BIT_OVERWRITE ? s->cmd[1] & 0x3f : (s->perpendicular & 0x3c) | (s->cmd[1] & 3);
        go_idle(s);
        break;
    case CMD_CONFIGURE:
        s->config = s->cmd[2] & 0x7f;
        s->pretrack = s->cmd[3];
        go_idle(s);
        break;
    case CMD_LOCK:
        s->lock = !!(op & BIT_LOCK);
        FDC_RESULT_BYTES(s, s->lock << 4);
        break;
    default:
        FDC_RESULT_BYTES(s, ST0_INVALID);
        break;
    }
}

/* Parameter bytes after the command byte; -1: invalid, which is executed at once. The upper bits are
 * options (MT, MFM, SK); a command with options it does not have is invalid. PART ID (18h) is one that
 * this chip does not have yet. */
static int params_of(uint8_t op)
{
    switch (op & 0x1f) {
    case CMD_READ:
    case CMD_READ_DELETED:
    case CMD_READ_TRACK:
    case CMD_WRITE:
    case CMD_WRITE_DELETED:
    case CMD_VERIFY:
    case CMD_SCAN_EQUAL:
    case CMD_SCAN_LOW:
    case CMD_SCAN_HIGH:
        return 8;
    case CMD_FORMAT:
        return op & 0xa0 ? -1 : 5;
    case CMD_READ_ID:
        return op & 0xa0 ? -1 : 1;
    case CMD_SEEK:
        return op & 0x20 ? -1 : 2;
    case CMD_SPECIFY:
        return op & 0xe0 ? -1 : 2;
    case CMD_CONFIGURE:
        return op & 0xe0 ? -1 : 3;
    case CMD_SENSE_DRIVE:
    case CMD_RECALIBRATE:
    case CMD_PERPENDICULAR:
        return op & 0xe0 ? -1 : 1;
    case CMD_LOCK:
        return op & 0x60 ? -1 : 0;
    case CMD_SENSE_INT:
    case CMD_DUMPREG:
    case CMD_VERSION:
        return op & 0xe0 ? -1 : 0;
    default:
        return -1;
    }
}

/* ---- registers ---- */

static void fdc_soft_reset(FdcState *s, bool interrupt)
{
    if (s->req) {
        BlockReq *req = s->req;
        block_aio_cancel(req);
        s->req = NULL;
    }
    if (s->dma)
        i8237_release_dreq(s->dma, FDC_DMA_CHANNEL);
    go_idle(s);
    lower_irq(s);
    s->seek_pending = false;
    s->reset_sense = 0;
    if (!s->lock) {
        s->config = CONFIG_IMPLIED_SEEK | CONFIG_NO_FIFO;
        s->pretrack = 0;
    }
    s->perpendicular &= 0x3c; /* the drive bits survive a software reset */
    if (interrupt) {
        s->reset_sense = 4;
        fdc_raise_irq(s);
    }
}

static uint8_t read_msr(const FdcState *s)
{
    if (!(s->dor & DOR_NOT_RESET))
        return 0;
    switch (s->phase) {
    case FDC_IDLE:
        return MSR_RQM;
    case FDC_PARAMS:
        return MSR_RQM | MSR_BUSY;
    case FDC_READ_DATA:
        return MSR_BUSY | (fdc_non_dma(s) ? MSR_RQM | MSR_DIO | MSR_NONDMA : 0);
    case FDC_WRITE_DATA:
        return MSR_BUSY | (fdc_non_dma(s) ? MSR_RQM | MSR_NONDMA : 0);
    case FDC_RESULT:
        return MSR_RQM | MSR_DIO | MSR_BUSY;
    default:
        return MSR_BUSY;
    }
}

static uint8_t read_fifo(FdcState *s)
{
    uint8_t val = 0;

    if (s->phase == FDC_READ_DATA && fdc_non_dma(s) && s->buf_pos < s->buf_len) {
        val = s->buf[s->buf_pos++];
        if (s->buf_pos == s->buf_len)
            fdc_data_complete(s);
    } else if (s->phase == FDC_RESULT) {
        if (s->result_pos == 0 && !s->seek_pending && !s->reset_sense)
            lower_irq(s);
        val = s->result[s->result_pos++];
        if (s->result_pos >= s->result_len)
            go_idle(s);
    } else {
        log_guest_error("fdc: FIFO read in phase %u\n", s->phase);
    }
    return val;
}

static void write_fifo(FdcState *s, uint8_t val)
{
    int n;

    if (!(s->dor & DOR_NOT_RESET))
        return;
    switch (s->phase) {
    case FDC_IDLE:
        n = params_of(val);
        memset(s->cmd, 0, sizeof s->cmd);
        s->cmd[0] = val;
        s->cmd_len = 1;
        s->cmd_need = n < 0 ? 1 : 1 + n;
        s->phase = FDC_PARAMS;
        if (n < 0)
            FDC_RESULT_BYTES(s, ST0_INVALID);
        else if (n == 0)
            execute(s);
        break;
    case FDC_PARAMS:
        s->cmd[s->cmd_len++ % FIFO_MAX] = val;
        if (s->cmd_len >= s->cmd_need)
            execute(s);
        break;
    case FDC_WRITE_DATA:
        if (fdc_non_dma(s) && s->buf_pos < s->buf_len) {
            s->buf[s->buf_pos++] = val;
            if (fdc_scan_byte_in(s))
                break;
            if (s->buf_pos == s->buf_len)
                fdc_data_complete(s);
        }
        break;
    default:
        log_guest_error("fdc: FIFO write in phase %u\n", s->phase);
        break;
    }
}

static void write_dor(FdcState *s, uint8_t val)
{
    uint8_t old = s->dor;
    s->dor = val;
    if ((old & DOR_NOT_RESET) && !(val & DOR_NOT_RESET))
        fdc_soft_reset(s, false);
    else if (!(old & DOR_NOT_RESET) && (val & DOR_NOT_RESET))
        fdc_soft_reset(s, true);
    fdc_update_irq(s);
}

/* The line of the selected drive, which shows only while its motor runs. */
static uint8_t read_dir(const FdcState *s)
{
    unsigned unit = s->dor & DOR_SELECT;
    if (unit >= FDC_DRIVES || !s->drv[unit].drive || !(s->dor & DOR_MOTOR0 << unit))
        return 0;
    return s->drv[unit].disk_changed || !fdc_medium(&s->drv[unit]) ? DIR_CHANGED : 0;
}

static uint64_t fdc_read(void *opaque, hwaddr off, unsigned size)
{
    FdcState *s = opaque;
    switch (off) {
    case REG_SRA:
        return (s->irq_pending ? SRA_INT : 0) | 0x40;
    case REG_SRB:
        return 0xc0 | (s->dor & 1) << 5 | (s->dor >> 4 & 3);
    case REG_DOR:
        return s->dor;
    case REG_TDR:
        return s->tdr;
    case REG_MSR:
        return read_msr(s);
    case REG_FIFO:
        return read_fifo(s);
    case REG_DIR:
        return read_dir(s);
    default:
        return 0xff;
    }
}

static void fdc_write(void *opaque, hwaddr off, uint64_t val64, unsigned size)
{
    FdcState *s = opaque;
    uint8_t val = val64;
    switch (off) {
    case REG_DOR:
        write_dor(s, val);
        break;
    case REG_TDR:
        s->tdr = val & 3;
        break;
    case REG_MSR: /* data rate select */
        s->dsr = val & ~DSR_RESET;
        s->ccr = val & 3;
        if (val & DSR_RESET)
            fdc_soft_reset(s, true); /* the bit clears itself */
        break;
    case REG_FIFO:
        write_fifo(s, val);
        break;
    case REG_DIR:
        s->ccr = val & 3;
        break;
    default:
        log_guest_error("fdc: write %02x to register %d\n", val, (int)off);
        break;
    }
}

static uint64_t dir_read(void *opaque, hwaddr off, unsigned size) { return fdc_read(opaque, REG_DIR, size); }
static void dir_write(void *opaque, hwaddr off, uint64_t val, unsigned size) { fdc_write(opaque, REG_DIR, val, size); }

static const MemoryOps fdc_ops = {fdc_read, fdc_write, 1, 1, false};
static const MemoryOps dir_ops = {dir_read, dir_write, 1, 1, false};

/* ---- media ---- */

static void revalidate(FdcDrive *d)
{
    uint64_t kib = d->drive && d->drive->image ? block_length(d->drive->image) / 1024 : 2880; /* empty: a drive that reads all */
    size_t i = 0;
    while (i < ARRAY_SIZE(formats) && formats[i].kib != kib)
        i++;
    if (i == ARRAY_SIZE(formats)) /* of no known size: boot sectors on their own, padded images */
        for (i = ARRAY_SIZE(formats) - 1; kib <= 1440 && formats[i].kib != 1440;)
            i--;
    d->spt = formats[i].spt;
    d->tracks = formats[i].tracks;
    d->heads = formats[i].heads;
    d->rate = formats[i].rate;
    d->cmos_type = formats[i].cmos;
}

static void media_changed(void *opaque, bool loaded)
{
    FdcDrive *d = opaque;
    d->disk_changed = true;
    revalidate(d);
}

static bool never(void *opaque) { return false; }
static const DriveOps fdc_drive_ops = {media_changed, NULL, never, never};

uint8_t fdc_drive_type(Device *dev, int unit)
{
    FdcState *s = (FdcState *)dev;
    return unit >= 0 && unit < FDC_DRIVES && s->drv[unit].drive ? s->drv[unit].cmos_type : 0;
}

void fdc_wire(Device *dev, IrqLine irq, struct I8237State *dma)
{
    FdcState *s = (FdcState *)dev;
    s->irq = irq;
    s->dma = dma;
}

/* ---- life ---- */

static const VMField fdc_drive_fields[] = {
    VM_UINT(FdcDrive, track), VM_UINT(FdcDrive, disk_changed), VM_UINT(FdcDrive, id_sector), VM_END};

static const VMField fdc_fields[] = {
    VM_UINT(FdcState, dor), VM_UINT(FdcState, tdr), VM_UINT(FdcState, dsr), VM_UINT(FdcState, ccr), VM_UINT(FdcState, phase),
    VM_BUFFER(FdcState, cmd), VM_UINT(FdcState, cmd_len), VM_UINT(FdcState, cmd_need), VM_BUFFER(FdcState, result),
    VM_UINT(FdcState, result_pos), VM_UINT(FdcState, result_len), VM_UINT(FdcState, st0), VM_UINT(FdcState, reset_sense),
    VM_UINT(FdcState, irq_pending), VM_UINT(FdcState, seek_pending), VM_BUFFER(FdcState, specify), VM_UINT(FdcState, config),
    VM_UINT(FdcState, pretrack), VM_UINT(FdcState, perpendicular), VM_UINT(FdcState, lock), VM_UINT(FdcState, unit),
    VM_UINT(FdcState, c), VM_UINT(FdcState, h), VM_UINT(FdcState, r), VM_UINT(FdcState, eot), VM_UINT(FdcState, buf_len),
    VM_UINT(FdcState, buf_pos), VM_UINT(FdcState, multi_track), VM_UINT(FdcState, terminal_count),
    VM_UINT(FdcState, formatting), VM_UINT(FdcState, writing), VM_UINT(FdcState, bad_sector), VM_UINT(FdcState, scan_hit), VM_VBUFFER(FdcState, buf, FDC_BUF, buf_len),
    VM_STRUCT_ARRAY(FdcState, drv, FDC_DRIVES, fdc_drive_fields), VM_END};

static void fdc_reset(Device *dev)
{
    FdcState *s = (FdcState *)dev;
    s->lock = 0;
    s->dor = DOR_NOT_RESET | DOR_DMA; /* firmware that never resets the chip still finds it working */
    s->tdr = s->ccr = 0;
    s->dsr = 0x02;
    s->st0 = s->unit = s->c = s->h = s->r = s->eot = 0;
    s->specify[0] = s->specify[1] = 0;
    s->perpendicular = 0;
    s->multi_track = s->terminal_count = s->formatting = s->writing = s->bad_sector = false;
    s->scan_hit = 0;
    memset(s->cmd, 0, sizeof s->cmd);
    memset(s->result, 0, sizeof s->result);
    fdc_soft_reset(s, false);
    for (int i = 0; i < FDC_DRIVES; i++) {
        s->drv[i].track = 0;
        s->drv[i].id_sector = 0;
        s->drv[i].disk_changed = true;
        revalidate(&s->drv[i]);
    }
}

static void fdc_post_load(Device *dev)
{
    FdcState *s = (FdcState *)dev;
    s->buf_len = MIN(s->buf_len, FDC_BUF);
    s->buf_pos = MIN(s->buf_pos, s->buf_len);
    s->cmd_len = MIN(s->cmd_len, FIFO_MAX);
    s->result_len = MIN(s->result_len, FIFO_MAX);
    if (s->phase > FDC_RESULT || (s->phase == FDC_RESULT && s->result_pos >= s->result_len) || s->phase == FDC_BUSY)
        go_idle(s);
    s->unit &= 3;
    for (int i = 0; i < FDC_DRIVES; i++) {
        s->drv[i].track = MIN(s->drv[i].track, FDC_MAX_TRACK);
        revalidate(&s->drv[i]);
    }
    fdc_update_irq(s);
}

bool fdc_attach(Device *dev, int unit, Drive *drive, GError **errp)
{
    FdcState *s = (FdcState *)dev;
    for (int i = 0; unit < 0 && i < FDC_DRIVES; i++)
        if (!s->drv[i].drive)
            unit = i;
    if (unit < 0 || unit >= FDC_DRIVES)
        return error_set(errp, "floppy: no unit %d (0 and 1, each for one drive)", unit);
    FdcDrive *d = &s->drv[unit];
    if (drive->attached_to)
        return error_set(errp, "drive '%s' is in use by %s already", drive->id, drive->attached_to);
    if (d->drive && d->drive->image)
        return error_set(errp, "Floppy unit %d is in use", unit);
    if (d->drive) /* the default empty one makes room */
        drive_attach(d->drive, NULL, NULL, NULL);
    d->drive = drive;
    g_snprintf(d->path, sizeof d->path, "/machine/unattached/fdc/unit[%d]", unit);
    drive->removable = true;
    drive_attach(drive, &fdc_drive_ops, d, d->path);
    revalidate(d);
    return true;
}

static bool fdc_init(Device *dev, GError **errp)
{
    FdcState *s = (FdcState *)dev;

    s->buf = g_malloc0(FDC_BUF);
    for (int i = 0; i < FDC_DRIVES; i++) {
        FdcDrive *d = &s->drv[i];
        d->fdc = s;
        d->drive = drive_get(DRIVE_FLOPPY, 0, i);
        revalidate(d);
        if (d->drive) {
            g_snprintf(d->path, sizeof d->path, "/machine/unattached/fdc/unit[%d]", i);
            drive_attach(d->drive, &fdc_drive_ops, d, d->path);
        }
    }
    if (s->dma && !i8237_register(s->dma, FDC_DMA_CHANNEL, fdc_dma_handler, s))
        return error_set(errp, "isa-fdc: DMA channel %d is not available", FDC_DMA_CHANNEL);
    memory_region_init_io(&s->io, &fdc_ops, s, "fdc", 6);
    memory_region_init_io(&s->io_dir, &dir_ops, s, "fdc-dir", 1);
    memory_region_add(address_space_io.root, 0x3f0, &s->io, 0);
    memory_region_add(address_space_io.root, 0x3f7, &s->io_dir, 0);
    return true;
}

static void fdc_finalize(Device *dev)
{
    FdcState *s = (FdcState *)dev;
    if (s->req)
        block_aio_cancel(s->req);
    for (int i = 0; i < FDC_DRIVES; i++)
        if (s->drv[i].drive)
            drive_attach(s->drv[i].drive, NULL, NULL, NULL);
    if (s->io.parent) {
        memory_region_del(address_space_io.root, &s->io);
        memory_region_del(address_space_io.root, &s->io_dir);
        memory_region_destroy(&s->io);
        memory_region_destroy(&s->io_dir);
    }
    g_free(s->buf);
}

const DeviceClass fdc_class = {
    .name = "isa-fdc", .instance_size = sizeof(FdcState), .init = fdc_init, .reset = fdc_reset, .fields = fdc_fields,
    .post_load = fdc_post_load, .finalize = fdc_finalize, .desc = "floppy disk controller (82077AA)", .bus = "ISA"};
