/* pc-flash.c - firmware in flash: the chips of -drive if=pflash, stacked downwards from 4 GiB
 * Spec: as the pc board of qemu 7.2: unit 0 holds the code and ends at 4 GiB, unit 1 (variables) lies
 * right below it; the last 128 KiB of unit 0 are also seen below 1 MiB. */
#include "host/base/osdep.h"
#include "hw/block/pflash.h"
#include "hw/pc/pc-internal.h"

enum { UNITS = 2 };

bool pc_flash_wanted(void)
{
    for (int i = 0; i < UNITS; i++)
        if (drive_get(DRIVE_PFLASH, 0, i))
            return true;
    return false;
}

bool pc_map_flash(PcMachine *pc, GError **errp)
{
    PcPriv *p = pc_priv(pc);
    hwaddr base = 4 * GiB;
    uint64_t total = 0;

    if (pc->cfg.bios)
        return error_set(errp, "-bios %s: the firmware is in flash already (-drive if=pflash); leave one of them out",
                         pc->cfg.bios);
    if (!drive_get(DRIVE_PFLASH, 0, 0))
        return error_set(errp, "-drive if=pflash,unit=1: unit 0, the firmware's code, is missing");
    for (int i = 0; i < UNITS; i++) {
        Drive *d = drive_get(DRIVE_PFLASH, 0, i);
        g_autofree char *name = g_strdup_printf("system.flash%d", i);
        uint64_t len = d && d->image ? block_length(d->image) : 0;
        PflashState *s;

        if (!d)
            break;
        if (len > PFLASH_MAX - total) /* checked before it moves the base; 0 and odd sizes fail in realize */
            return error_set(errp, "pflash drives: %" PRIu64 " bytes of firmware; together they may have 8 MiB",
                             total + len);
        total += len;
        base -= len;
        s = (PflashState *)device_new(&pflash_class, NULL);
        pflash_wire(s, d, &p->pci_mem, base, name);
        if (!device_realize(&s->dev, errp))
            return false;
        if (i == 0 && !boot_map_low(&p->roms, pflash_memory(s), len, &p->pci_mem, errp))
            return false;
    }
    return true;
}
