/* drive.c - drives: a place for a medium, made by -drive, -hda, -cdrom, -fda, used by one device.
 * Spec: the option names, default ids ("ide0-hd0", "ide1-cd0", "floppy0") and error texts of qemu 7.2.
 * Not modelled: throttling groups, image formats with options of their own, host CD drives. */
#include "host/base/osdep.h"
#include "host/base/keyval.h"
#include "host/block/block.h"

enum { MAX_IDE_BUS = 2, IDE_UNITS = 2, FLOPPY_UNITS = 2, PFLASH_UNITS = 2, MAX_NONE = 1 << 16 };

static GList *drives; /* of Drive*, sorted; under the BQL */
static bool snapshot_default;

static const struct {
    const char *name;
    DriveInterface iface;
    int units_per_bus, buses;
} interfaces[] = {
    {"ide", DRIVE_IDE, IDE_UNITS, MAX_IDE_BUS},
    {"floppy", DRIVE_FLOPPY, FLOPPY_UNITS, 1},
    {"pflash", DRIVE_PFLASH, PFLASH_UNITS, 1},
    {"none", DRIVE_NONE, MAX_NONE, 1},
};

#define KEYS "file format driver if media index bus unit id snapshot readonly read-only cache cache.direct " \
             "cache.writeback cache.no-flush aio discard detect-zeroes werror rerror serial bootindex " \
             "copy-on-read auto-read-only file.locking locking"

void drive_set_snapshot_default(bool on) { snapshot_default = on; }

static gint by_place(gconstpointer a, gconstpointer b)
{
    const Drive *x = a, *y = b;
    return x->iface != y->iface ? (int)x->iface - (int)y->iface : x->bus != y->bus ? x->bus - y->bus : x->unit - y->unit;
}

static void drive_free(Drive *d)
{
    block_close(d->image);
    g_free(d->id);
    g_free((char *)d->opts.filename);
    g_free((char *)d->opts.format);
    g_free(d->serial);
    g_free(d->werror);
    g_free(d->rerror);
    g_free(d->attached_to);
    g_free(d);
}

static char *default_id(const Drive *d)
{
    switch (d->iface) {
    case DRIVE_IDE:
        return g_strdup_printf("ide%d-%s%d", d->bus, d->cdrom ? "cd" : "hd", d->unit);
    case DRIVE_FLOPPY:
        return g_strdup_printf("floppy%d", d->unit);
    case DRIVE_NONE:
        return g_strdup_printf("none%d", d->unit);
    case DRIVE_VIRTIO:
        return g_strdup_printf("virtio%d", d->unit);
    case DRIVE_PFLASH:
        return g_strdup_printf("pflash%d", d->unit);
    }
    return NULL;
}

Drive *drive_find(const char *id)
{
    for (GList *l = drives; l; l = l->next)
        if (g_str_equal(((Drive *)l->data)->id, id))
            return l->data;
    return NULL;
}

Drive *drive_get(DriveInterface iface, int bus, int unit)
{
    for (GList *l = drives; l; l = l->next) {
        Drive *d = l->data;
        if (d->iface == iface && d->bus == bus && d->unit == unit)
            return d;
    }
    return NULL;
}

GList *drive_list(void) { return drives; }

/* Where the drive goes: explicit index or bus and unit, or the first free place. */
static bool choose_place(Drive *d, const GPtrArray *kv, const char *ifname, int per_bus, int buses, GError **errp)
{
    uint64_t index = 0, bus = 0, unit = 0;
    bool has_index = keyval_get(kv, "index"), has_bus = keyval_get(kv, "bus"), has_unit = keyval_get(kv, "unit");

    if (has_index && (has_bus || has_unit))
        return error_set(errp, "index cannot be used with bus and unit");
    if (!keyval_uint(kv, "index", 0, (uint64_t)per_bus * buses - 1, &index, errp) ||
        !keyval_uint(kv, "bus", 0, buses - 1, &bus, errp) || !keyval_uint(kv, "unit", 0, per_bus - 1, &unit, errp))
        return false;
    if (has_index) {
        d->bus = (int)index / per_bus;
        d->unit = (int)index % per_bus;
    } else {
        d->bus = (int)bus;
        d->unit = (int)unit;
        while (!has_unit && drive_get(d->iface, d->bus, d->unit)) {
            if (++d->unit < per_bus)
                continue;
            d->unit = 0;
            if (has_bus || ++d->bus >= buses)
                return error_set(errp, "no free place for another drive with if=%s (at most %d)", ifname,
                                 per_bus * buses);
        }
    }
    if (drive_get(d->iface, d->bus, d->unit))
        return error_set(errp, "drive with bus=%d, unit=%d (index=%d) exists", d->bus, d->unit,
                         d->bus * per_bus + d->unit);
    return true;
}

static bool parse_choice(const GPtrArray *kv, const char *key, const char *choices, const char **out, GError **errp)
{
    const char *v = keyval_get(kv, key);
    g_auto(GStrv) list = g_strsplit(choices, " ", -1);
    if (v && !g_strv_contains((const gchar *const *)list, v))
        return error_set(errp, "drive: %s=%s is not supported (choices: %s)", key, v, choices);
    if (v)
        *out = v;
    return true;
}

static bool parse_cache(Drive *d, const GPtrArray *kv, GError **errp)
{
    const char *cache = "writeback";
    bool writeback = true, direct = false, no_flush = false;

    if (!parse_choice(kv, "cache", "writeback none unsafe writethrough directsync on off", &cache, errp))
        return false;
    writeback = !(g_str_equal(cache, "writethrough") || g_str_equal(cache, "directsync"));
    no_flush = g_str_equal(cache, "unsafe");
    /* cache.direct only bypasses the host's page cache: accepted, the data's safety is the same. */
    if (!keyval_bool(kv, "cache.writeback", &writeback, errp) || !keyval_bool(kv, "cache.direct", &direct, errp) ||
        !keyval_bool(kv, "cache.no-flush", &no_flush, errp))
        return false;
    d->opts.writethrough = !writeback;
    d->opts.no_flush = no_flush;
    return true;
}

static bool parse_opts(Drive *d, const GPtrArray *kv, GError **errp)
{
    const char *aio = NULL, *discard = "ignore", *zeroes = NULL, *media = "disk", *locking = "auto";
    const char *file = keyval_get(kv, "file"), *v;
    bool ro = false, ro2, copy = false, auto_ro = true, snapshot = snapshot_default;
    uint64_t bootindex = 0;

    if (!parse_choice(kv, "media", "disk cdrom", &media, errp) ||
        !parse_choice(kv, "aio", "threads native io_uring", &aio, errp) ||
        !parse_choice(kv, "discard", "ignore unmap on off", &discard, errp) ||
        !parse_choice(kv, "detect-zeroes", "on off unmap", &zeroes, errp) ||
        !parse_choice(kv, "file.locking", "on off auto", &locking, errp) ||
        !parse_choice(kv, "locking", "on off auto", &locking, errp) || !keyval_bool(kv, "readonly", &ro, errp))
        return false;
    ro2 = ro;
    if (!keyval_bool(kv, "read-only", &ro2, errp) || !keyval_bool(kv, "snapshot", &snapshot, errp) ||
        !keyval_bool(kv, "copy-on-read", &copy, errp) || !keyval_bool(kv, "auto-read-only", &auto_ro, errp) ||
        !keyval_uint(kv, "bootindex", 0, INT32_MAX, &bootindex, errp) || !parse_cache(d, kv, errp))
        return false;
    for (int i = 0; i < 2; i++) {
        static const char *const keys[] = {"werror", "rerror"};
        const char *how = NULL;
        if (!parse_choice(kv, keys[i], i ? "ignore stop report auto" : "ignore stop report enospc auto", &how, errp))
            return false;
        *(i ? &d->rerror : &d->werror) = g_strdup(how);
    }
    d->cdrom = g_str_equal(media, "cdrom");
    d->removable = d->cdrom || d->iface == DRIVE_FLOPPY;
    d->bootindex = keyval_get(kv, "bootindex") ? (int)bootindex : -1;
    d->serial = g_strdup(keyval_get(kv, "serial"));
    d->opts.read_only = ro || ro2 || d->cdrom;
    d->opts.auto_read_only = d->removable;
    d->opts.snapshot = snapshot && !d->cdrom;
    d->opts.discard_unmap = g_str_equal(discard, "unmap") || g_str_equal(discard, "on");
    d->opts.lock = !g_str_equal(locking, "off");
    v = keyval_get(kv, "format");
    if (!v)
        v = keyval_get(kv, "driver");
    d->opts.format = g_strdup(v);
    if (file && file[0])
        d->opts.filename = g_strdup(file);
    if (!d->opts.filename && !d->removable && d->iface != DRIVE_NONE)
        return error_set(errp, "drive: a disk needs file=");
    if (d->iface == DRIVE_IDE && !d->cdrom && d->opts.read_only && !snapshot)
        return error_set(errp, "'%s': an IDE disk cannot be read-only (use snapshot=on, or media=cdrom)", file);
    return true;
}

Drive *drive_new(const char *optstr, GError **errp)
{
    GPtrArray *kv = keyval_parse(optstr, NULL);
    Drive *d = g_new0(Drive, 1);
    const char *ifname = keyval_get(kv, "if"), *id = keyval_get(kv, "id");
    size_t i;

    if (!keyval_check(kv, "drive", KEYS, errp))
        goto fail;
    if (!ifname)
        ifname = "ide";
    for (i = 0; i < ARRAY_SIZE(interfaces) && !g_str_equal(interfaces[i].name, ifname); i++)
        ;
    if (i == ARRAY_SIZE(interfaces)) {
        error_set(errp, "drive: if=%s is not supported (choices: ide floppy pflash none)", ifname);
        goto fail;
    }
    d->iface = interfaces[i].iface;
    if (!parse_opts(d, kv, errp) ||
        !choose_place(d, kv, ifname, interfaces[i].units_per_bus, interfaces[i].buses, errp))
        goto fail;
    d->id = id ? g_strdup(id) : default_id(d);
    if (drive_find(d->id)) {
        error_set(errp, "Duplicate ID '%s' for drive", d->id);
        goto fail;
    }
    if (d->opts.filename && !(d->image = block_open(&d->opts, errp)))
        goto fail;
    drives = g_list_insert_sorted(drives, d, by_place);
    keyval_free(kv);
    return d;
fail:
    keyval_free(kv);
    drive_free(d);
    return NULL;
}

Drive *drive_new_empty(DriveInterface iface, int bus, int unit, bool cdrom)
{
    Drive *d = g_new0(Drive, 1);
    *d = (Drive){.iface = iface, .bus = bus, .unit = unit, .cdrom = cdrom, .removable = true, .bootindex = -1};
    d->opts = (BlockOpenOpts){.read_only = cdrom, .auto_read_only = true, .lock = true};
    d->id = default_id(d);
    drives = g_list_insert_sorted(drives, d, by_place);
    return d;
}

void drive_attach(Drive *d, const DriveOps *ops, void *opaque, const char *path)
{
    d->ops = ops;
    d->opaque = opaque;
    g_free(d->attached_to);
    d->attached_to = g_strdup(path);
}

static bool tray_open(const Drive *d) { return d->ops && d->ops->is_tray_open && d->ops->is_tray_open(d->opaque); }
static bool locked(const Drive *d) { return d->ops && d->ops->is_locked && d->ops->is_locked(d->opaque); }

/* May the medium go? A locked tray makes the guest hear of the wish. */
static bool open_tray(Drive *d, bool force, GError **errp)
{
    if (!d->removable)
        return error_set(errp, "Device '%s' is not removable", d->id);
    if (tray_open(d) || !locked(d) || !d->image)
        return true;
    if (d->ops && d->ops->eject_request)
        d->ops->eject_request(d->opaque, force);
    if (force || tray_open(d))
        return true;
    return error_set(errp, "Device '%s' is locked and force was not specified, wait for tray to open and try again",
                     d->id);
}

static void take_out(Drive *d)
{
    BlockImage *old = d->image;
    if (!old)
        return;
    block_drain(old);
    d->image = NULL;
    if (d->ops && d->ops->media_changed)
        d->ops->media_changed(d->opaque, false);
    block_close(old);
}

bool drive_eject(Drive *d, bool force, GError **errp)
{
    if (!open_tray(d, force, errp))
        return false;
    take_out(d);
    return true;
}

bool drive_change(Drive *d, const char *filename, const char *format, bool read_only, GError **errp)
{
    BlockOpenOpts opts = d->opts;

    if (!d->removable)
        return error_set(errp, "Device '%s' is not removable", d->id);
    opts.filename = filename;
    opts.format = format;
    opts.read_only = read_only || d->cdrom;
    /* The same image again must not fail on our own lock. */
    bool same = d->image && g_str_equal(block_filename(d->image), filename);
    if (same)
        opts.lock = false;
    BlockImage *img = block_open(&opts, errp);
    if (!img)
        return false;
    if (!open_tray(d, false, errp)) {
        block_close(img);
        return false;
    }
    take_out(d);
    if (same) {
        block_close(img);
        opts.lock = d->opts.lock;
        img = block_open(&opts, errp);
        if (!img)
            return false;
    }
    g_free((char *)d->opts.filename);
    g_free((char *)d->opts.format);
    d->opts.filename = g_strdup(filename);
    d->opts.format = g_strdup(format);
    d->image = img;
    if (d->ops && d->ops->media_changed)
        d->ops->media_changed(d->opaque, true);
    return true;
}

void drive_close_all(void)
{
    block_drain(NULL);
    while (drives) {
        Drive *d = drives->data;
        drives = g_list_delete_link(drives, drives);
        drive_free(d);
    }
}
