/* pc-devices.c - -device for this board, and the boot order that drives and ROMs ask for
 * Spec: QEMU's -device syntax; the boot order file holds one Open Firmware path per line, as SeaBIOS's
 * boot.c compares them. Not modelled: hot plug. */
#include "host/base/osdep.h"
#include "hw/pc/pc.h"

#include "host/base/keyval.h"
#include "host/block/block.h"
#include "hw/block/fdc.h"
#include "hw/block/ide.h"
#include "hw/bus/pci-testdev.h"
#include "hw/char/debugcon.h"
#include "hw/char/parallel.h"
#include "hw/char/uart16550.h"
#include "hw/display/vga.h"
#include "hw/net/nic.h"
#include "hw/pc/isa-debug-exit.h"
#include "hw/pc/pc-internal.h"
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-blk.h"
#include "hw/virtio/virtio-rng.h"
#include "hw/virtio/virtio-serial.h"
#include "hw/pc/pc-testdev.h"
#include "hw/pc/pvpanic.h"

static const DeviceClass *const isa_classes[] = {&uart16550_class, &debugcon_class, &isa_debug_exit_class,
                                                 &parallel_class, &pc_testdev_class, &pvpanic_class};
/* PCI functions that need a slot and nothing else of the board. */
static const DeviceClass *const pci_classes[] = {&pci_testdev_class, &pvpanic_pci_class,
                                                 &virtio_blk_class, &virtio_blk_transitional_class,
                                                 &virtio_blk_non_transitional_class,
                                                 &virtio_rng_class, &virtio_rng_transitional_class,
                                                 &virtio_rng_non_transitional_class,
                                                 &virtio_serial_class, &virtio_serial_transitional_class,
                                                 &virtio_serial_non_transitional_class,
                                                 &virtio_balloon_class, &virtio_balloon_transitional_class,
                                                 &virtio_balloon_non_transitional_class};

static const DeviceClass *const port_classes[] = {&virtconsole_class, &virtserialport_class};

/* Shorter names that QEMU takes as well. */
static const char *const aliases[][2] = {
    {"virtio-blk", "virtio-blk-pci"}, {"virtio-net", "virtio-net-pci"}, {"virtio-rng", "virtio-rng-pci"},
    {"virtio-serial", "virtio-serial-pci"}, {"virtio-balloon", "virtio-balloon-pci"},
};

static const char *full_name(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(aliases); i++)
        if (!strcmp(aliases[i][0], name))
            return aliases[i][1];
    return name;
}

/* Devices that are no class of their own on this board. */
static const struct {
    const char *name, *bus, *desc;
} special[] = {
    {"ide-hd", "IDE", "virtual IDE disk"},
    {"ide-cd", "IDE", "virtual IDE CD-ROM"},
    {"floppy", "floppy-bus", "virtual floppy drive"},
    {"VGA", "PCI", "standard VGA"},
};

static const DeviceClass *find_pci_class(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(pci_classes); i++)
        if (!strcmp(pci_classes[i]->name, name))
            return pci_classes[i];
    return NULL;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const DeviceProp *const *)a)->name, (*(const DeviceProp *const *)b)->name);
}

/* "  iobase=<uint32>         - first port (default: 1281)", sorted by name */
static void print_props(const DeviceProp *p, GString *out)
{
    static const char *const kinds[] = {"bool", "uint8", "uint16", "uint32", "uint64", "str"};
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();

    for (; p && p->name; p++)
        g_ptr_array_add(sorted, (gpointer)p);
    g_ptr_array_sort(sorted, by_name);
    for (guint i = 0; i < sorted->len; i++) {
        g_autofree char *head = NULL;
        p = sorted->pdata[i];
        head = g_strdup_printf("  %s=<%s>", p->name, kinds[p->kind]);
        g_string_append_printf(out, "%-24s - %s", head, p->help ? p->help : "");
        if (p->kind == PROP_BOOL)
            g_string_append_printf(out, " (default: %s)", p->def ? "true" : "false");
        else if (p->kind != PROP_STRING)
            g_string_append_printf(out, " (default: %" PRIu64 ")", p->def);
        else if (p->def_str)
            g_string_append_printf(out, " (default: \"%s\")", p->def_str);
        g_string_append_c(out, '\n');
    }
}

static void list_bus(const char *title, const char *bus, GString *out)
{
    g_string_append_printf(out, "%s%s devices:\n", out->len ? "\n" : "", title);
    for (size_t i = 0; i < ARRAY_SIZE(special); i++)
        if (!strcmp(special[i].bus, bus))
            g_string_append_printf(out, "name \"%s\", bus %s, desc \"%s\"\n", special[i].name, bus, special[i].desc);
    for (size_t i = 0; i < ARRAY_SIZE(isa_classes); i++)
        if (!strcmp(isa_classes[i]->bus, bus))
            g_string_append_printf(out, "name \"%s\", bus %s, desc \"%s\"\n", isa_classes[i]->name, bus,
                                   isa_classes[i]->desc);
}

/* The class behind a name of -device; NULL for what is no class of its own here. */
static const DeviceClass *find_class(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(isa_classes); i++)
        if (!strcmp(isa_classes[i]->name, name))
            return isa_classes[i];
    for (size_t i = 0; i < ARRAY_SIZE(port_classes); i++)
        if (!strcmp(port_classes[i]->name, name))
            return port_classes[i];
    if (find_pci_class(name))
        return find_pci_class(name);
    if (nic_find_model(name))
        return nic_find_model(name)->cls;
    return strcmp(name, vga_pci_class.name) ? NULL : &vga_pci_class;
}

void pc_device_help(const char *name, GString *out)
{
    if (!name) {
        list_bus("Storage", "IDE", out);
        list_bus("Floppy", "floppy-bus", out);
        list_bus("Input", "ISA", out);
        list_bus("Display", "PCI", out);
        g_string_append(out, "\nNetwork devices:\n");
        for (const NicModel *m = nic_models; m->cls; m++)
            g_string_append_printf(out, "name \"%s\", bus PCI, desc \"%s\"\n", m->cls->name, m->cls->desc);
        g_string_append(out, "\nVirtio serial ports:\n");
        for (size_t i = 0; i < ARRAY_SIZE(port_classes); i++)
            g_string_append_printf(out, "name \"%s\", bus %s, desc \"%s\"\n", port_classes[i]->name, port_classes[i]->bus,
                                   port_classes[i]->desc);
        g_string_append(out, "\nMisc devices:\n");
        for (size_t i = 0; i < ARRAY_SIZE(pci_classes); i++)
            g_string_append_printf(out, "name \"%s\", bus PCI, desc \"%s\"\n", pci_classes[i]->name, pci_classes[i]->desc);
        return;
    }
    name = full_name(name);
    if (find_class(name)) {
        g_string_append_printf(out, "%s options:\n", name);
        print_props(find_class(name)->props, out);
    } else if (!strcmp(name, "ide-hd") || !strcmp(name, "ide-cd")) {
        static const DeviceProp ide_props[] = {
            {"drive", PROP_STRING, 0, 0, NULL, "id of a drive made with -drive if=none"},
            {"bus", PROP_STRING, 0, 0, NULL, "ide.0 or ide.1"},
            {"unit", PROP_UINT32, 0, UINT32_MAX, NULL, "0 or 1, the first free one by default"},
            {"bootindex", PROP_UINT32, 0, UINT32_MAX, NULL, "place in the boot order"},
            {"serial", PROP_STRING, 0, 0, NULL, "serial number"},
            {"model", PROP_STRING, 0, 0, NULL, "model name"},
            {"ver", PROP_STRING, 0, 0, NULL, "firmware version, 8 characters"},
            {"wwn", PROP_UINT64, 0, 0, NULL, "world wide name"},
            {"rotation_rate", PROP_UINT16, 0, 0, NULL, "turns per minute; 1: no moving parts"},
            {"physical_block_size", PROP_UINT32, 0, 512, NULL, "bytes that the disk writes at once"},
            {"werror", PROP_STRING, 0, 0, NULL, "ignore, report, stop, enospc, auto: what a failed write does"},
            {"rerror", PROP_STRING, 0, 0, NULL, "ignore, report, stop, auto: what a failed read does"},
            PROP_END};
        g_string_append_printf(out, "%s options:\n", name);
        print_props(ide_props, out);
    }
}

static bool ide_identity(const GPtrArray *kv, IdeIdentity *id, GError **errp)
{
    uint64_t rate = 0, physical = 512, logical = 512;

    if (!keyval_uint(kv, "wwn", 0, UINT64_MAX, &id->wwn, errp) || !keyval_uint(kv, "rotation_rate", 0, UINT16_MAX, &rate, errp) ||
        !keyval_uint(kv, "physical_block_size", 512, 64 * KiB, &physical, errp) ||
        !keyval_uint(kv, "logical_block_size", 512, 512, &logical, errp))
        return false;
    if (physical & (physical - 1))
        return error_set(errp, "physical_block_size=%" PRIu64 ": a power of two is needed", physical);
    id->rotation_rate = (uint16_t)rate;
    for (; physical > 512; physical /= 2)
        id->physical_exp++;
    return true;
}

/* What management programs and scripts write though it is so here anyway, or means nothing here. values: "" any. */
static const struct {
    const char *driver, *key, *values; /* driver: how its name begins */
} as_is[] = {
    {"", "acpi-index", ""}, {"", "rombar", "1 on"}, {"", "share-rw", ""}, {"", "write-cache", "on auto"}, {"", "account-invalid", ""},
    {"", "account-failed", ""}, {"ide-", "bios-chs-trans", "auto"}, {"virtio", "ioeventfd", ""}, {"virtio", "iommu_platform", "off"},
    {"virtio", "packed", "off"}, {"virtio", "ats", "off"}, {"virtio", "aer", "off"}, {"virtio", "page-per-vq", "off"},
    {"virtio", "any_layout", "on"}, {"virtio", "notify_on_empty", "on"}, {"virtio", "queue_reset", ""}, {"virtio-blk", "scsi", "off"},
    {"virtio-blk", "iothread", ""}, {"virtio-blk", "request-merging", ""}, {"virtio-net", "failover", "off"}, {"virtio-net", "tx", ""},
    {"virtio-net", "speed", ""}, {"virtio-net", "duplex", ""}, {"virtio-net", "gso", "on"}, {"virtio-net", "rss", "off"},
    {"virtio-net", "hash", "off"}, {"virtio-balloon", "free-page-reporting", "off"}, {"virtio-balloon", "guest-stats", "on"},
    {"e1000", "autonegotiation", "on"}, {"e1000", "mitigation", "on"}, {"e1000", "extra_mac_registers", ""},
};

/* Takes those out of kv. */
static bool drop_as_is(const char *driver, GPtrArray *kv, GError **errp)
{
    for (size_t i = 0; i < ARRAY_SIZE(as_is); i++) {
        for (guint n = kv->len; n-- > 0 && g_str_has_prefix(driver, as_is[i].driver);) {
            const KeyVal *k = kv->pdata[n];
            g_auto(GStrv) values = g_strsplit(as_is[i].values, " ", -1);
            const char *val = !strcmp(k->val, "false") ? "off" : !strcmp(k->val, "true") ? "on" : k->val;
            if (strcmp(k->key, as_is[i].key))
                continue;
            if (values[0] && !g_strv_contains((const gchar *const *)values, val))
                return error_set(errp, "%s=%s is not supported (choices: %s)", k->key, k->val, as_is[i].values);
            g_ptr_array_remove_index(kv, n);
        }
    }
    return true;
}

static bool add_ide(PcMachine *pc, const char *name, const GPtrArray *kv, GError **errp)
{
    const char *drive = keyval_get(kv, "drive"), *bus = keyval_get(kv, "bus");
    uint64_t unit = UINT64_MAX, index = UINT64_MAX;
    IdeIdentity ident = {keyval_get(kv, "serial"), keyval_get(kv, "model"), keyval_get(kv, "ver"), 0, 0, 0};
    int n = -1;
    Drive *d;

    if (!keyval_check(kv, name, "driver id drive bus unit bootindex serial model ver wwn rotation_rate physical_block_size "
                          "logical_block_size werror rerror", errp) || !ide_identity(kv, &ident, errp) ||
        !keyval_uint(kv, "unit", 0, 1, &unit, errp) || !keyval_uint(kv, "bootindex", 0, INT32_MAX, &index, errp))
        return false;
    if (bus) {
        if (strcmp(bus, "ide.0") && strcmp(bus, "ide.1"))
            return error_set(errp, "Bus '%s' not found (ide.0 and ide.1 exist)", bus);
        n = bus[4] - '0';
    }
    if (!drive) {
        if (!strcmp(name, "ide-hd"))
            return error_set(errp, "ide-hd: the drive property is needed");
        d = drive_new_empty(DRIVE_NONE, 0, 0, true);
    } else {
        d = drive_find(drive);
        if (!d)
            return error_set(errp, "Property '%s.drive' can't find value '%s'", name, drive);
    }
    if (index != UINT64_MAX)
        d->bootindex = (int)index;
    if (!drive_set_actions(d, keyval_get(kv, "werror"), keyval_get(kv, "rerror"), errp) ||
        !ide_attach(pc_priv(pc)->ide, n, unit == UINT64_MAX ? -1 : (int)unit, d, !strcmp(name, "ide-cd"), &ident, errp))
        return false;
    drive_set_device_id(d, keyval_get(kv, "id"));
    pc_fill_cmos_drives(pc);
    return true;
}

static bool add_floppy(PcMachine *pc, const GPtrArray *kv, GError **errp)
{
    const char *drive = keyval_get(kv, "drive"), *bus = keyval_get(kv, "bus");
    uint64_t unit = UINT64_MAX, index = UINT64_MAX;

    if (!keyval_check(kv, "floppy", "driver id drive bus unit bootindex drive-type werror rerror", errp) ||
        !keyval_uint(kv, "unit", 0, 1, &unit, errp) || !keyval_uint(kv, "bootindex", 0, INT32_MAX, &index, errp))
        return false;
    if (bus && strcmp(bus, "floppy-bus.0") && strcmp(bus, "floppy.0"))
        return error_set(errp, "Bus '%s' not found (floppy-bus.0 exists)", bus);
    Drive *d = drive ? drive_find(drive) : drive_new_empty(DRIVE_NONE, 0, 0, false);
    if (!d)
        return error_set(errp, "Property 'floppy.drive' can't find value '%s'", drive);
    if (index != UINT64_MAX)
        d->bootindex = (int)index;
    if (!drive_set_actions(d, keyval_get(kv, "werror"), keyval_get(kv, "rerror"), errp) ||
        !fdc_attach(pc_priv(pc)->fdc, unit == UINT64_MAX ? -1 : (int)unit, d, errp))
        return false;
    drive_set_device_id(d, keyval_get(kv, "id"));
    pc_fill_cmos_drives(pc);
    return true;
}

static void ioapic_pin(void *opaque, int n, int level)
{
    ioapic_set_irq(pc_priv(opaque)->ioapic, n, level);
}

static void wire_testdev(PcMachine *pc, PcTestdevState *t)
{
    const IrqLine *isa = isa_irq_new_source(pc_priv(pc)->isa_lines);

    for (int i = 0; i < TESTDEV_LINES; i++)
        t->line[i] = i < ISA_LINES ? isa[i] : irq_line(ioapic_pin, pc, i);
}

static void wire_isa(PcMachine *pc, Device *dev)
{
    if (dev->cls == &uart16550_class)
        ((UartState *)dev)->isa_irq = isa_irq_new_source(pc_priv(pc)->isa_lines);
    else if (dev->cls == &parallel_class)
        ((ParallelState *)dev)->isa_irq = isa_irq_new_source(pc_priv(pc)->isa_lines);
    else if (dev->cls == &pc_testdev_class)
        wire_testdev(pc, (PcTestdevState *)dev);
}

/* -device isa-serial without an index takes the first COM port that is free. */
static uint32_t free_serial_index(void)
{
    bool used[4] = {false};
    uint32_t i = 0;

    for (GList *l = device_list(); l; l = l->next) {
        Device *d = l->data;
        if (d->cls == &uart16550_class)
            used[((UartState *)d)->index & 3] = true;
    }
    while (i < 3 && used[i])
        i++;
    return i;
}

bool pc_set_device_props(Device *dev, const GPtrArray *kv, GError **errp)
{
    for (guint i = 0; i < kv->len; i++) {
        const KeyVal *k = kv->pdata[i];
        if (strcmp(k->key, "driver") && strcmp(k->key, "id") && strcmp(k->key, "bus") && strcmp(k->key, "addr") &&
            !device_set_prop(dev, k->key, k->val, errp))
            return false;
    }
    return true;
}

static bool add_isa(PcMachine *pc, const DeviceClass *cls, const GPtrArray *kv, GError **errp)
{
    Device *dev = device_new(cls, keyval_get(kv, "id"));

    wire_isa(pc, dev);
    if (cls == &uart16550_class && !keyval_get(kv, "index"))
        ((UartState *)dev)->index = free_serial_index();
    if (!pc_set_device_props(dev, kv, errp)) {
        device_free(dev);
        return false;
    }
    if (!device_realize(dev, errp))
        return false;
    if (cls == &pvpanic_class) {
        pc_priv(pc)->pvpanic_port = ((PvpanicIsaState *)dev)->ioport;
        pc_build_acpi(pc);
    }
    return true;
}

static bool add_pci(PcMachine *pc, const DeviceClass *cls, GPtrArray *kv, GError **errp)
{
    const char *bus = keyval_get(kv, "bus"), *addr = keyval_get(kv, "addr");
    PciDevice *pd = (PciDevice *)device_new(cls, keyval_get(kv, "id"));
    bool ok = true;

    pd->bus = pc->pci;
    pd->devfn = -1;
    if (bus && strcmp(bus, "pci.0"))
        ok = error_set(errp, "Bus '%s' not found (pci.0 exists)", bus);
    for (guint i = 0; ok && i < kv->len; i++) {
        const KeyVal *k = kv->pdata[i];
        if (strcmp(k->key, "driver") && strcmp(k->key, "id") && strcmp(k->key, "bus") && strcmp(k->key, "addr"))
            ok = device_set_prop(&pd->dev, k->key, k->val, errp);
    }
    if (ok && addr)
        ok = pc_parse_pci_addr(addr, &pd->devfn, errp);
    if (!ok) {
        device_free(&pd->dev);
        return false;
    }
    return device_realize(&pd->dev, errp);
}

static bool take_multifunction(GPtrArray *kv, bool *on, GError **errp)
{
    bool ok = keyval_bool(kv, "multifunction", on, errp);

    for (guint n = kv->len; n-- > 0;)
        if (!strcmp(((const KeyVal *)kv->pdata[n])->key, "multifunction"))
            g_ptr_array_remove_index(kv, n);
    return ok;
}

/* Guests look for functions 1 to 7 only where function 0 says that there are some. */
static void set_multifunction(Device *dev)
{
    if (g_str_equal(dev->cls->bus, "PCI"))
        ((PciDevice *)dev)->config[PCI_HEADER_TYPE] |= 0x80;
}

/* werror= and rerror= of a virtio disk are its drive's. */
static bool take_actions(const char *name, GPtrArray *kv, GError **errp)
{
    const char *drive = keyval_get(kv, "drive"), *w = keyval_get(kv, "werror"), *r = keyval_get(kv, "rerror");
    Drive *d = drive ? drive_find(drive) : NULL;

    if (!g_str_has_prefix(name, "virtio-blk") || !d || (!w && !r))
        return true;
    if (!drive_set_actions(d, w, r, errp))
        return false;
    for (guint n = kv->len; n-- > 0;)
        if (g_str_has_suffix(((const KeyVal *)kv->pdata[n])->key, "error"))
            g_ptr_array_remove_index(kv, n);
    return true;
}

bool pc_add_device(PcMachine *pc, const char *optstr, GError **errp)
{
    GPtrArray *kv = keyval_parse(optstr, "driver");
    const char *name = full_name(keyval_get(kv, "driver"));
    bool ok, multifunction = false;

    if (!name) {
        ok = error_set(errp, "Parameter 'driver' is missing");
    } else if (!drop_as_is(name, kv, errp) || !take_multifunction(kv, &multifunction, errp) || !take_actions(name, kv, errp)) {
        ok = false;
    } else if (!strcmp(name, "ide-hd") || !strcmp(name, "ide-cd")) {
        ok = add_ide(pc, name, kv, errp);
        if (ok)
            pc_write_boot_order_file(pc);
    } else if (!strcmp(name, "floppy")) {
        ok = add_floppy(pc, kv, errp);
        if (ok)
            pc_write_boot_order_file(pc);
    } else if (!strcmp(name, "VGA")) {
        ok = pc_add_vga(pc, kv, errp);
    } else if (nic_find_model(name)) {
        ok = pc_add_nic(pc, name, kv, errp);
    } else if (find_pci_class(name)) {
        ok = add_pci(pc, find_pci_class(name), kv, errp);
        if (ok && keyval_get(kv, "bootindex"))
            pc_write_boot_order_file(pc);
    } else {
        const DeviceClass *cls = find_class(name);
        ok = cls ? add_isa(pc, cls, kv, errp)
                 : error_set(errp, "'%s' is not a valid device model name (-device help lists them)", name);
    }
    if (ok && multifunction && device_list())
        set_multifunction(g_list_last(device_list())->data);
    keyval_free(kv);
    return ok;
}

bool pc_add_virtio_drives(PcMachine *pc, GError **errp)
{
    for (GList *l = drive_list(); l; l = l->next) {
        Drive *d = l->data;
        g_autofree char *text = NULL;
        if (d->iface != DRIVE_VIRTIO || d->attached_to)
            continue;
        text = g_strdup_printf("virtio-blk-pci,drive=%s", d->id);
        if (!pc_add_device(pc, text, errp))
            return false;
        if (d->bootindex >= 0)
            pc_write_boot_order_file(pc);
    }
    return true;
}

/* --- boot order --- */

BootEntry *pc_boot_entry_new(int index, char *path)
{
    BootEntry *e = g_new0(BootEntry, 1);

    e->index = index;
    e->path = path;
    return e;
}

void pc_boot_entry_free(void *entry)
{
    BootEntry *e = entry;

    g_free(e->path);
    g_free(e);
}

static gint by_index(gconstpointer a, gconstpointer b)
{
    return (*(const BootEntry *const *)a)->index - (*(const BootEntry *const *)b)->index;
}

static void add_entry(GPtrArray *entries, int index, char *path)
{
    g_ptr_array_add(entries, pc_boot_entry_new(index, path));
}

static char *disk_path(const PciDevice *pd)
{
    if (pd->devfn & 7)
        return g_strdup_printf("/pci@i0cf8/scsi@%x,%x/disk@0,0", pd->devfn >> 3, pd->devfn & 7);
    return g_strdup_printf("/pci@i0cf8/scsi@%x/disk@0,0", pd->devfn >> 3);
}

void pc_write_boot_order_file(PcMachine *pc)
{
    PcPriv *p = pc_priv(pc);
    GPtrArray *entries = g_ptr_array_new_with_free_func(pc_boot_entry_free);
    g_autoptr(GString) text = g_string_new(NULL);

    if (p->kernel_rom) /* an index of its own, before all others */
        add_entry(entries, -1, g_strdup_printf("/rom@%s", p->kernel_rom));
    for (GList *l = drive_list(); l; l = l->next) {
        Drive *d = l->data;
        if (d->bootindex < 0)
            continue;
        if (d->attached_to && g_str_has_suffix(d->attached_to, VIRTIO_BACKEND))
            continue; /* its controller is in the list of devices */
        if (d->iface == DRIVE_FLOPPY)
            add_entry(entries, d->bootindex, g_strdup_printf("/pci@i0cf8/isa@1/fdc@03f0/floppy@%x", d->unit));
        else
            add_entry(entries, d->bootindex,
                      g_strdup_printf("/pci@i0cf8/ide@1,1/drive@%x/disk@%x", d->bus, d->unit));
    }
    for (GList *l = device_list(); l; l = l->next) {
        int index;
        char *path = pc_nic_boot_path(l->data, &index);
        if (path)
            add_entry(entries, index, path);
        if (virtio_blk_drive(l->data) && virtio_blk_drive(l->data)->bootindex >= 0)
            add_entry(entries, virtio_blk_drive(l->data)->bootindex, disk_path(l->data));
    }
    for (guint i = 0; i < p->rom_entries->len; i++) {
        const BootEntry *e = p->rom_entries->pdata[i];
        add_entry(entries, e->index, g_strdup(e->path));
    }
    g_ptr_array_sort(entries, by_index);
    for (guint i = 0; i < entries->len; i++)
        g_string_append_printf(text, "%s%s", text->len ? "\n" : "", ((BootEntry *)entries->pdata[i])->path);
    if (pc->cfg.boot_strict)
        g_string_append_printf(text, "%sHALT", text->len ? "\n" : "");
    if (text->len)
        fw_cfg_set_file(p->fw_cfg, "bootorder", text->str, text->len + 1);
    g_ptr_array_free(entries, true);
}
