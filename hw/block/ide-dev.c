/* ide-dev.c - -device ide-hd and ide-cd: put a drive on the board's IDE controller
 * Spec: none of its own; the drive is modelled in ide-ata.c and ide-atapi.c.
 * Guest view: a disk or CD-ROM at bus ide.0 or ide.1, unit 0 or 1.   Not modelled: hot plug. */
#include "host/base/osdep.h"
#include "hw/block/ide.h"

enum { UNIT_ANY = 0xff };

typedef struct IdePlug {
    Device dev;
    char *drive, *bus, *serial, *model, *ver; /* properties */
    uint8_t unit;
    uint32_t bootindex;
} IdePlug;

static Device *find_controller(void)
{
    for (GList *l = device_list(); l; l = l->next)
        if (((Device *)l->data)->cls == &ide_controller_class)
            return l->data;
    return NULL;
}

static bool parse_bus(const IdePlug *p, int *bus, GError **errp)
{
    *bus = -1;
    if (!p->bus)
        return true;
    if (strcmp(p->bus, "ide.0") && strcmp(p->bus, "ide.1"))
        return error_set(errp, "%s: property bus=%s: allowed are ide.0 and ide.1", p->dev.cls->name, p->bus);
    *bus = p->bus[4] - '0';
    return true;
}

static bool plug_init(Device *dev, GError **errp)
{
    IdePlug *p = (IdePlug *)dev;
    Device *ctrl = find_controller();
    bool cdrom = dev->cls == &ide_cd_class;
    Drive *drive;
    int bus;

    if (!ctrl)
        return error_set(errp, "%s: this machine has no IDE controller", dev->cls->name);
    if (!parse_bus(p, &bus, errp))
        return false;
    if (p->unit != UNIT_ANY && p->unit > 1)
        return error_set(errp, "%s: property unit=%u: allowed are 0 and 1", dev->cls->name, p->unit);
    if (p->drive) {
        drive = drive_find(p->drive);
        if (!drive)
            return error_set(errp, "%s: property drive=%s: no drive has this id", dev->cls->name, p->drive);
        if (drive->attached_to)
            return error_set(errp, "%s: property drive=%s: the drive is in use by %s", dev->cls->name, p->drive,
                             drive->attached_to);
    } else if (cdrom) {
        drive = drive_new_empty(DRIVE_NONE, 0, 0, true);
    } else {
        return error_set(errp, "ide-hd: property drive is missing: give the id of a -drive with if=none");
    }
    if (p->bootindex != UINT32_MAX)
        drive->bootindex = p->bootindex;
    return ide_attach(ctrl, bus, p->unit == UNIT_ANY ? -1 : p->unit, drive, cdrom, p->serial, p->model, errp);
}

static void plug_reset(Device *dev) {} /* the controller resets its drives */

static const DeviceProp plug_props[] = {
    {"drive", PROP_STRING, offsetof(IdePlug, drive), 0, NULL, "id of the drive"},
    {"bus", PROP_STRING, offsetof(IdePlug, bus), 0, NULL, "ide.0 or ide.1"},
    {"unit", PROP_UINT8, offsetof(IdePlug, unit), UNIT_ANY, NULL, "0 or 1"},
    {"serial", PROP_STRING, offsetof(IdePlug, serial), 0, NULL, "serial number"},
    {"model", PROP_STRING, offsetof(IdePlug, model), 0, NULL, "model name"},
    {"ver", PROP_STRING, offsetof(IdePlug, ver), 0, NULL, "firmware version (accepted, not shown)"},
    {"bootindex", PROP_UINT32, offsetof(IdePlug, bootindex), UINT32_MAX, NULL, "place in the boot order"},
    PROP_END};

const DeviceClass ide_hd_class = {
    .name = "ide-hd", .instance_size = sizeof(IdePlug), .init = plug_init, .reset = plug_reset, .props = plug_props,
    .desc = "virtual IDE disk", .bus = "IDE", .user_creatable = true};

const DeviceClass ide_cd_class = {
    .name = "ide-cd", .instance_size = sizeof(IdePlug), .init = plug_init, .reset = plug_reset, .props = plug_props,
    .desc = "virtual IDE CD-ROM", .bus = "IDE", .user_creatable = true};
