/* drive.c - drives: a place for a medium, made by -drive, -hda, -cdrom, -fda, used by one device.
 * Spec: the option names, default ids ("ide0-hd0", "ide1-cd0", "floppy0") and error texts of qemu 7.2.
 * Keys that are not the drive's own belong to its block node ("file.locking", "l2-cache-size", "node-name").
 * Not modelled: host CD drives. */
#include "host/base/osdep.h"
#include "host/base/keyval.h"
#include "host/block/block-int.h"
#include "host/block/throttle.h"

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
    {"virtio", DRIVE_VIRTIO, MAX_NONE, 1},
};

/* What a drive's text may name of its block node; keys with a dot belong to the nodes below. */
#define NODE_KEYS "node-name host port path export dir fat-type floppy label rw offset size filename backing config image latency-ns read-zeroes drop-cache force-share cache-size l2-cache-size " \
                  "l2-cache-entry-size refcount-cache-size cache-clean-interval lazy-refcounts pass-discard-request pass-discard-snapshot " \
                  "pass-discard-other discard-no-unref overlap-check"
#define DRIVE_KEYS "file format driver if media index bus unit id snapshot readonly read-only cache cache.direct cache.writeback " \
                   "cache.no-flush aio discard detect-zeroes werror rerror serial bootindex copy-on-read auto-read-only file.locking locking " \
                   "stats-account-invalid stats-account-failed"

/* A misspelt key is reported before any file is opened. */
static bool check_keys(const GPtrArray *kv, GError **errp)
{
    g_autofree char *all = g_strconcat(DRIVE_KEYS " " NODE_KEYS " ", throttle_keys, NULL);
    g_auto(GStrv) names = g_strsplit(all, " ", -1);
    for (guint i = 0; i < kv->len; i++) /* another driver may have any; opening names what is left over */
        if (g_str_equal(((KeyVal *)kv->pdata[i])->key, "driver"))
            return true;
    for (guint i = 0; i < kv->len; i++) {
        const char *key = ((KeyVal *)kv->pdata[i])->key;
        if (!strchr(key, '.') && !g_strv_contains((const gchar *const *)names, key))
            return error_set(errp, "drive: unknown parameter '%s' (allowed: " DRIVE_KEYS ", limits (iops, bps, throttling.*), and options of the block node)", key);
    }
    return true;
}

void drive_set_snapshot_default(bool on) { snapshot_default = on; }

static gint by_place(gconstpointer a, gconstpointer b)
{
    const Drive *x = a, *y = b;
    return x->iface != y->iface ? (int)x->iface - (int)y->iface : x->bus != y->bus ? x->bus - y->bus : x->unit - y->unit;
}

static void drive_free(Drive *d)
{
    block_close(d->image);
    throttle_group_leave(d->limits);
    g_free(d->id);
    g_free((char *)d->opts.filename);
    g_free((char *)d->opts.format);
    blkopts_free(d->opts.options);
    g_free(d->serial);
    g_free(d->werror);
    g_free(d->rerror);
    g_free(d->attached_to);
    g_free(d);
}

static Drive *drive_from_node(const char *name, GError **errp);

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

Drive *drive_find_existing(const char *id)
{
    for (GList *l = drives; l; l = l->next)
        if (g_str_equal(((Drive *)l->data)->id, id))
            return l->data;
    return NULL;
}

Drive *drive_find(const char *id)
{
    Drive *d = drive_find_existing(id);
    return d ? d : drive_from_node(id, NULL);
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

static bool take_uint(BlockOptions *o, const char *key, uint64_t max, uint64_t *out, GError **errp)
{
    g_autofree char *v = blkopts_take(o, key);
    return !v || parse_uint(key, v, 0, max, out, errp);
}

/* Where the drive goes: explicit index or bus and unit, or the first free place. */
static bool choose_place(Drive *d, BlockOptions *kv, const char *ifname, int per_bus, int buses, GError **errp)
{
    uint64_t index = 0, bus = 0, unit = 0;
    bool has_index = blkopts_get(kv, "index"), has_bus = blkopts_get(kv, "bus"), has_unit = blkopts_get(kv, "unit");

    if (has_index && (has_bus || has_unit))
        return error_set(errp, "index cannot be used with bus and unit");
    if (!take_uint(kv, "index", (uint64_t)per_bus * buses - 1, &index, errp) ||
        !take_uint(kv, "bus", (uint64_t)buses - 1, &bus, errp) || !take_uint(kv, "unit", (uint64_t)per_bus - 1, &unit, errp))
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

static bool parse_cache(Drive *d, BlockOptions *o, GError **errp)
{
    bool ignored; /* of the statistics: every request counts */
    if (!blkopts_take_bool(o, "stats-account-invalid", &ignored, errp) || !blkopts_take_bool(o, "stats-account-failed", &ignored, errp))
        return false;
    const char *cache = "writeback";
    bool writeback, direct, no_flush;

    if (!blkopts_take_choice(o, "cache", "writeback none unsafe writethrough directsync on off", &cache, errp))
        return false;
    writeback = !(g_str_equal(cache, "writethrough") || g_str_equal(cache, "directsync"));
    no_flush = g_str_equal(cache, "unsafe");
    direct = g_str_equal(cache, "none") || g_str_equal(cache, "directsync") || g_str_equal(cache, "off");
    if (!blkopts_take_bool(o, "cache.writeback", &writeback, errp) || !blkopts_take_bool(o, "cache.direct", &direct, errp) ||
        !blkopts_take_bool(o, "cache.no-flush", &no_flush, errp))
        return false;
    d->opts.writethrough = !writeback;
    d->opts.no_flush = no_flush;
    d->opts.direct = d->cache_direct = direct;
    return true;
}

/* What a request that failed does: BLOCK_ERROR_*. */
static bool parse_action(BlockOptions *o, const char *key, const char *choices, BlockErrorAction *act, char **text, GError **errp)
{
    const char *v = NULL;
    if (!blkopts_take_choice(o, key, choices, &v, errp))
        return false;
    *text = g_strdup(v);
    if (v && !g_str_equal(v, "auto"))
        *act = g_str_equal(v, "ignore") ? BLOCK_ERROR_IGNORE : g_str_equal(v, "stop") ? BLOCK_ERROR_STOP
             : g_str_equal(v, "report") ? BLOCK_ERROR_REPORT : BLOCK_ERROR_ENOSPC;
    return true;
}

static bool parse_opts(Drive *d, BlockOptions *o, GError **errp)
{
    const char *discard = "ignore", *zeroes = NULL, *media = "disk", *locking = "auto";
    g_autofree char *file = blkopts_take(o, "file"), *format = blkopts_take(o, "format"), *driver = blkopts_take(o, "driver");
    bool ro = false, ro2, copy = false, auto_ro = true, snapshot = snapshot_default;
    uint64_t bootindex = INT32_MAX + 1ULL;

    if (!blkopts_take_choice(o, "media", "disk cdrom", &media, errp) || !blkopts_take_choice(o, "aio", "threads native io_uring", NULL, errp) ||
        !blkopts_take_choice(o, "discard", "ignore unmap on off", &discard, errp) ||
        !blkopts_take_choice(o, "detect-zeroes", "on off unmap", &zeroes, errp) ||
        !blkopts_take_choice(o, "file.locking", "on off auto", &locking, errp) ||
        !blkopts_take_choice(o, "locking", "on off auto", &locking, errp) || !blkopts_take_bool(o, "readonly", &ro, errp))
        return false;
    ro2 = ro;
    if (!blkopts_take_bool(o, "read-only", &ro2, errp) || !blkopts_take_bool(o, "snapshot", &snapshot, errp) ||
        !blkopts_take_bool(o, "copy-on-read", &copy, errp) || !blkopts_take_bool(o, "auto-read-only", &auto_ro, errp) ||
        !take_uint(o, "bootindex", INT32_MAX, &bootindex, errp) || !parse_cache(d, o, errp) ||
        !parse_action(o, "werror", "ignore stop report enospc auto", &d->on_write, &d->werror, errp) ||
        !parse_action(o, "rerror", "ignore stop report auto", &d->on_read, &d->rerror, errp))
        return false;
    d->copy_on_read = copy;
    d->cdrom = g_str_equal(media, "cdrom");
    d->removable = d->cdrom || d->iface == DRIVE_FLOPPY;
    d->bootindex = bootindex <= INT32_MAX ? (int)bootindex : -1;
    d->serial = blkopts_take(o, "serial");
    d->opts.read_only = ro || ro2 || d->cdrom;
    d->opts.auto_read_only = d->removable;
    d->opts.snapshot = snapshot && !d->cdrom;
    d->opts.discard_unmap = g_str_equal(discard, "unmap") || g_str_equal(discard, "on");
    d->opts.lock = !g_str_equal(locking, "off");
    d->opts.format = g_strdup(format ? format : driver);
    if (zeroes && !g_str_equal(zeroes, "off"))
        blkopts_set(o, "detect-zeroes", zeroes);
    if (file && file[0])
        d->opts.filename = g_strdup(file);
    bool medium = d->opts.filename || blkopts_get(o, "file.filename") || blkopts_get(o, "file.driver") ||
                  (d->opts.format && proto_is_driver(d->opts.format));
    if (!medium && (!blkopts_check_empty(o, "drive", errp) ||
                    (!d->removable && d->iface != DRIVE_NONE && !error_set(errp, "drive: a disk needs file="))))
        return false;
    if (medium && d->opts.format && proto_is_driver(d->opts.format)) { /* driver=null-co: raw on that */
        blkopts_set(o, "driver", d->opts.format);
        g_clear_pointer((char **)&d->opts.format, g_free);
    }
    if (g_hash_table_size(o))
        d->opts.options = blkopts_copy(o);
    d->has_medium = medium;
    if (d->iface == DRIVE_IDE && !d->cdrom && d->opts.read_only && !snapshot)
        return error_set(errp, "'%s': an IDE disk cannot be read-only (use snapshot=on, or media=cdrom)", file);
    return true;
}

static void set_image(Drive *d, BlockImage *img)
{
    d->image = img;
    if (!img)
        return;
    block_set_error_actions(img, d->on_read, d->on_write);
    block_set_limits(img, d->limits);
    /* With a temporary overlay a copy would help nobody. */
    if (d->copy_on_read && block_read_only(img))
        warn_report("disabling copy-on-read on read-only drive");
    else if (d->copy_on_read && !block_is_snapshot(img))
        node_set_copy_on_read(block_node(img));
}

bool drive_set_limits(Drive *d, const ThrottleConfig *c, GError **errp)
{
    if (!throttle_check(c, errp))
        return false;
    if (!d->image)
        return error_set(errp, "Device '%s' has no medium", d->id);
    if (d->limits)
        throttle_group_set(d->limits, c);
    else
        d->limits = throttle_group_join(d->id, c);
    block_set_limits(d->image, d->limits);
    return true;
}

/* A drive without an interface on a named node. */
static Drive *drive_from_node(const char *name, GError **errp)
{
    BlockImage *img = block_open_node(name, false, errp);
    if (!img)
        return NULL;
    int unit = 0;
    while (drive_get(DRIVE_NONE, 0, unit))
        unit++;
    Drive *d = g_new0(Drive, 1);
    *d = (Drive){.iface = DRIVE_NONE, .unit = unit, .id = g_strdup(name), .bootindex = -1, .from_node = true,
                 .on_read = BLOCK_ERROR_REPORT, .on_write = BLOCK_ERROR_ENOSPC};
    BlockNode *n = block_node(img);
    d->opts = (BlockOpenOpts){.filename = g_strdup(block_filename(img)), .format = g_strdup(block_format(img)), .lock = true,
                              .read_only = block_read_only(img), .direct = n->direct, .no_flush = n->no_flush, .discard_unmap = n->discard_unmap};
    d->cache_direct = n->direct;
    set_image(d, img);
    drives = g_list_insert_sorted(drives, d, by_place);
    return d;
}

Drive *drive_new(const char *optstr, GError **errp)
{
    GPtrArray *kv = keyval_parse(optstr, NULL);
    BlockOptions *o = blkopts_new();
    Drive *d = g_new0(Drive, 1);
    size_t i;

    bool keys_ok = check_keys(kv, errp);
    for (guint k = 0; k < kv->len; k++)
        blkopts_set(o, ((KeyVal *)kv->pdata[k])->key, ((KeyVal *)kv->pdata[k])->val);
    keyval_free(kv);
    d->on_read = BLOCK_ERROR_REPORT;
    d->on_write = BLOCK_ERROR_ENOSPC;
    g_autofree char *ifname = blkopts_take(o, "if"), *id = blkopts_take(o, "id"), *group = NULL;
    ThrottleConfig limits;
    bool limited = false;
    if (!keys_ok)
        goto fail;
    if (!ifname)
        ifname = g_strdup("ide");
    for (i = 0; i < ARRAY_SIZE(interfaces) && !g_str_equal(interfaces[i].name, ifname); i++)
        ;
    if (i == ARRAY_SIZE(interfaces)) {
        error_set(errp, "drive: if=%s is not supported (choices: ide floppy pflash virtio none)", ifname);
        goto fail;
    }
    d->iface = interfaces[i].iface;
    if (!throttle_take(o, &limits, &group, &limited, errp))
        goto fail;
    if (!choose_place(d, o, ifname, interfaces[i].units_per_bus, interfaces[i].buses, errp) || !parse_opts(d, o, errp))
        goto fail;
    d->id = id ? g_steal_pointer(&id) : default_id(d);
    if (limited || group)
        d->limits = throttle_group_join(group ? group : d->id, limited ? &limits : NULL);
    if (drive_find_existing(d->id) || blockdev_find(d->id, NULL)) {
        error_set(errp, "Duplicate ID '%s' for drive", d->id);
        goto fail;
    }
    if (d->has_medium) {
        BlockImage *img = block_open(&d->opts, errp);
        if (!img)
            goto fail;
        set_image(d, img);
        if (!d->opts.filename)
            d->opts.filename = g_strdup(block_filename(img));
    }
    drives = g_list_insert_sorted(drives, d, by_place);
    blkopts_free(o);
    return d;
fail:
    blkopts_free(o);
    drive_free(d);
    return NULL;
}

Drive *drive_new_empty(DriveInterface iface, int bus, int unit, bool cdrom)
{
    Drive *d = g_new0(Drive, 1);
    *d = (Drive){.iface = iface, .bus = bus, .unit = unit, .cdrom = cdrom, .removable = true, .bootindex = -1,
                 .on_read = BLOCK_ERROR_REPORT, .on_write = BLOCK_ERROR_ENOSPC};
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

void drive_set_device_id(Drive *d, const char *id)
{
    if (!id)
        return;
    g_free(d->attached_to);
    d->attached_to = g_strdup(id);
}

bool drive_set_actions(Drive *d, const char *werror, const char *rerror, GError **errp)
{
    BlockOptions *o = blkopts_new();
    char *w = NULL, *r = NULL;
    if (werror)
        blkopts_set(o, "werror", werror);
    if (rerror)
        blkopts_set(o, "rerror", rerror);
    bool ok = parse_action(o, "werror", "ignore stop report enospc auto", &d->on_write, &w, errp) &&
              parse_action(o, "rerror", "ignore stop report auto", &d->on_read, &r, errp);
    blkopts_free(o);
    g_free(w);
    g_free(r);
    if (ok)
        set_image(d, d->image);
    return ok;
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
    opts.options = NULL; /* those were of the old medium's node */
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
    set_image(d, img);
    g_clear_pointer(&d->opts.options, blkopts_free);
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
    blockdev_close_all();
}
