/* pc-cmos.c - what the firmware reads in CMOS: memory sizes, drives and their geometry, boot order
 * Spec: the AT's CMOS map; SeaBIOS's use of 30h to 3Fh and 5Bh to 5Fh. */
#include "host/base/osdep.h"
#include "hw/pc/pc-internal.h"

#include "hw/block/fdc.h"
#include "hw/block/ide.h"
#include "softmmu/runstate.h"

static unsigned boot_code(char c)
{
    switch (c) {
    case 'a':
    case 'b':
        return 1;
    case 'c':
        return 2;
    case 'd':
        return 3;
    case 'n':
        return 4;
    default:
        return 0;
    }
}

static void set_boot_order(PcMachine *pc, const char *order)
{
    unsigned code[3] = {0};
    size_t n = strlen(order);

    for (size_t i = 0; i < 3 && i < n; i++)
        code[i] = boot_code(order[i]);
    mc146818_set_cmos(pc_priv(pc)->rtc, 0x3d, (uint8_t)(code[1] << 4 | code[0]));
    mc146818_set_cmos(pc_priv(pc)->rtc, 0x38, (uint8_t)(code[2] << 4 | pc->cfg.no_fd_bootchk)); /* bit 0: do not check the boot signature */
}

static void set_cmos16(RtcState *rtc, unsigned at, uint64_t v)
{
    v = MIN(v, (uint64_t)0xffff);
    mc146818_set_cmos(rtc, at, (uint8_t)v);
    mc146818_set_cmos(rtc, at + 1, (uint8_t)(v >> 8));
}

static void set_cmos_disk(PcPriv *p, int drive)
{
    unsigned cyls, heads, secs, at = drive ? 0x24 : 0x1b;
    uint8_t type = mc146818_get_cmos(p->rtc, 0x12);

    if (!ide_get_geometry(p->ide, 0, drive, &cyls, &heads, &secs))
        return;
    mc146818_set_cmos(p->rtc, 0x12, drive ? type | 0x0f : type | 0xf0);
    mc146818_set_cmos(p->rtc, 0x19 + (unsigned)drive, 47); /* user-defined type */
    set_cmos16(p->rtc, at, cyls);
    mc146818_set_cmos(p->rtc, at + 2, (uint8_t)heads);
    set_cmos16(p->rtc, at + 3, 0xffff); /* write precompensation: none */
    mc146818_set_cmos(p->rtc, at + 5, (uint8_t)(0xc0 | (heads > 8) << 3));
    set_cmos16(p->rtc, at + 6, cyls);
    mc146818_set_cmos(p->rtc, at + 8, (uint8_t)secs);
}

void pc_fill_cmos_drives(PcMachine *pc)
{
    PcPriv *p = pc_priv(pc);
    RtcState *rtc = p->rtc;
    uint8_t fd0 = fdc_drive_type(p->fdc, 0), fd1 = fdc_drive_type(p->fdc, 1), floppies = (fd0 != 0) + (fd1 != 0);
    uint8_t translation = 0;

    mc146818_set_cmos(rtc, 0x10, (uint8_t)(fd0 << 4 | fd1));
    mc146818_set_cmos(rtc, 0x14, (uint8_t)(0x06 | (floppies ? 1 | (floppies - 1) << 6 : 0)));
    mc146818_set_cmos(rtc, 0x12, 0);
    set_cmos_disk(p, 0);
    set_cmos_disk(p, 1);
    for (int i = 0; i < 4; i++) {
        unsigned cyls, heads, secs;
        if (ide_get_geometry(p->ide, i / 2, i % 2, &cyls, &heads, &secs) &&
            !(cyls <= 1024 && heads <= 16 && secs <= 63))
            translation |= (uint8_t)(1 << (i * 2)); /* LBA */
    }
    mc146818_set_cmos(rtc, 0x39, translation);
}

void pc_fill_cmos(PcMachine *pc)
{
    PcPriv *p = pc_priv(pc);
    RtcState *rtc = p->rtc;
    uint64_t ext_kib = p->low_size > 1 * MiB ? p->low_size / KiB - 1024 : 0;

    set_cmos16(rtc, 0x15, 640);
    set_cmos16(rtc, 0x17, ext_kib);
    set_cmos16(rtc, 0x30, ext_kib);
    set_cmos16(rtc, 0x34, p->low_size > 16 * MiB ? (p->low_size - 16 * MiB) / (64 * KiB) : 0);
    set_cmos16(rtc, 0x5b, p->high_size / (64 * KiB));
    mc146818_set_cmos(rtc, 0x5d, (uint8_t)(p->high_size / (64 * KiB) >> 16));
    if (p->high_size / (64 * KiB) > 0xffff) /* three bytes: the saturating store above is for two */
        for (unsigned i = 0; i < 3; i++)
            mc146818_set_cmos(rtc, 0x5b + i, (uint8_t)(p->high_size / (64 * KiB) >> (8 * i)));
    mc146818_set_cmos(rtc, 0x5f, (uint8_t)(pc->cfg.smp_cpus - 1));
    pc_fill_cmos_drives(pc);
    set_boot_order(pc, pc->cfg.boot_once ? pc->cfg.boot_once : p->boot_order);
}

/* "once": only the first start uses the other order. */
void pc_boot_once_reset(void *opaque)
{
    PcMachine *pc = opaque;
    PcPriv *p = pc_priv(pc);

    if (p->boot_once_armed && runstate_get() != RUN_STATE_PRELAUNCH) {
        p->boot_once_armed = false;
        set_boot_order(pc, p->boot_order);
    }
}

void pc_boot_set(PcMachine *pc, const char *order, GError **errp)
{
    for (const char *c = order; *c; c++)
        if (!boot_code(*c) || strchr(c + 1, *c)) {
            error_set(errp, "Invalid boot device for PC: '%c'", *c);
            return;
        }
    if (!*order || strlen(order) > 3) {
        error_set(errp, "Too many boot devices for PC");
        return;
    }
    g_free(pc_priv(pc)->boot_order);
    pc_priv(pc)->boot_order = g_strdup(order);
    pc_priv(pc)->boot_once_armed = false;
    set_boot_order(pc, order);
}
