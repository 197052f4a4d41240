/* device.c - instances of device classes: properties, life, reset order, whole-machine state.
 * Stream of device_save_all(): per device a section { u32 name length, name, u32 instance, u32
 * version, u32 length, bytes }, little-endian. Under the BQL. */
#include "softmmu/device.h"

#include "host/base/bitops.h"

enum { SECTION_VERSION = 1, NAME_MAX_LEN = 64 };

static GQueue devices = G_QUEUE_INIT;

typedef struct ResetHandler {
    void (*fn)(void *opaque);
    void *opaque;
} ResetHandler;
static GArray *reset_handlers;

static void prop_store(Device *dev, const DeviceProp *p, uint64_t v)
{
    uint8_t *at = (uint8_t *)dev + p->offset;

    switch (p->kind) {
    case PROP_BOOL:
        *(bool *)at = v != 0;
        break;
    case PROP_UINT8:
        *at = (uint8_t)v;
        break;
    case PROP_UINT16:
        stl16(at, (uint16_t)v);
        break;
    case PROP_UINT32:
        stl32(at, (uint32_t)v);
        break;
    case PROP_UINT64:
        stl64(at, v);
        break;
    case PROP_STRING:
        break;
    }
}

static void prop_store_string(Device *dev, const DeviceProp *p, const char *s)
{
    char **at = (char **)(void *)((uint8_t *)dev + p->offset);

    g_free(*at);
    *at = g_strdup(s);
}

typedef struct Global {
    char *driver, *prop, *value, *error;
    bool used;
} Global;

static GPtrArray *globals;

static void global_free(gpointer p)
{
    Global *g = p;

    g_free(g->driver);
    g_free(g->prop);
    g_free(g->value);
    g_free(g->error);
    g_free(g);
}

void device_add_global(const char *driver, const char *prop, const char *value)
{
    Global *g = g_new0(Global, 1);

    g->driver = g_strdup(driver);
    g->prop = g_strdup(prop);
    g->value = g_strdup(value);
    if (!globals)
        globals = g_ptr_array_new_with_free_func(global_free);
    g_ptr_array_add(globals, g);
}

static void set_globals(Device *dev)
{
    for (guint i = 0; globals && i < globals->len; i++) {
        Global *g = globals->pdata[i];
        GError *err = NULL;
        if (strcmp(g->driver, dev->cls->name))
            continue;
        g->used = true;
        if (!device_set_prop(dev, g->prop, g->value, &err)) {
            g_free(g->error);
            g->error = g_strdup(err->message);
            g_error_free(err);
        }
    }
}

bool device_check_globals(GError **errp)
{
    bool ok = true;

    for (guint i = 0; globals && ok && i < globals->len; i++) {
        Global *g = globals->pdata[i];
        if (g->error)
            ok = error_set(errp, "-global %s.%s=%s: %s", g->driver, g->prop, g->value, g->error);
        else if (!g->used)
            warn_report("-global %s.%s=%s: no device took it", g->driver, g->prop, g->value);
    }
    g_clear_pointer(&globals, g_ptr_array_unref);
    return ok;
}

Device *device_new(const DeviceClass *cls, const char *id)
{
    Device *dev = g_malloc0(cls->instance_size);

    dev->cls = cls;
    dev->id = g_strdup(id);
    for (const DeviceProp *p = cls->props; p && p->name; p++) {
        if (p->kind == PROP_STRING)
            prop_store_string(dev, p, p->def_str);
        else
            prop_store(dev, p, p->def);
    }
    set_globals(dev);
    return dev;
}

static uint64_t prop_max(PropKind kind)
{
    switch (kind) {
    case PROP_BOOL:
        return 1;
    case PROP_UINT8:
        return UINT8_MAX;
    case PROP_UINT16:
        return UINT16_MAX;
    case PROP_UINT32:
        return UINT32_MAX;
    case PROP_UINT64:
    case PROP_STRING:
        break;
    }
    return UINT64_MAX;
}

static bool parse_bool(const char *s, uint64_t *v)
{
    static const char *const yes[] = {"on", "yes", "true", "1"}, *const no[] = {"off", "no", "false", "0"};

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        if (!strcmp(s, yes[i]) || !strcmp(s, no[i])) {
            *v = !strcmp(s, yes[i]);
            return true;
        }
    }
    return false;
}

bool device_set_prop(Device *dev, const char *name, const char *value, GError **errp)
{
    const DeviceProp *p;
    uint64_t v = 0;
    char *end;

    for (p = dev->cls->props; p && p->name; p++)
        if (!strcmp(p->name, name))
            break;
    if (!p || !p->name)
        return error_set(errp, "Property '%s.%s' not found", dev->cls->name, name);
    if (p->kind == PROP_STRING) {
        prop_store_string(dev, p, value);
        return true;
    }
    if (p->kind == PROP_BOOL) {
        if (!parse_bool(value, &v))
            return error_set(errp, "Property '%s.%s' takes on or off, not '%s'", dev->cls->name, name, value);
    } else {
        errno = 0;
        v = strtoull(value, &end, 0);
        if (errno || end == value || *end || *value == '-' || v > prop_max(p->kind))
            return error_set(errp, "Property '%s.%s' takes a number from 0 to %" PRIu64 ", not '%s'",
                             dev->cls->name, name, prop_max(p->kind), value);
    }
    prop_store(dev, p, v);
    return true;
}

static void device_release(Device *dev)
{
    for (const DeviceProp *p = dev->cls->props; p && p->name; p++)
        if (p->kind == PROP_STRING)
            prop_store_string(dev, p, NULL);
    g_free(dev->id);
    g_free(dev);
}

bool device_realize(Device *dev, GError **errp)
{
    g_assert(!dev->realized);
    if (dev->cls->init && !dev->cls->init(dev, errp)) {
        device_release(dev);
        return false;
    }
    dev->realized = true;
    g_queue_push_tail(&devices, dev);
    dev->link = devices.tail;
    if (dev->cls->reset)
        dev->cls->reset(dev);
    return true;
}

void device_free(Device *dev)
{
    if (!dev)
        return;
    if (dev->realized) {
        g_queue_delete_link(&devices, dev->link);
        if (dev->cls->finalize)
            dev->cls->finalize(dev);
    }
    device_release(dev);
}

void device_reset_all(void)
{
    for (GList *l = devices.head; l; l = l->next) {
        Device *dev = l->data;
        if (dev->cls->reset)
            dev->cls->reset(dev);
    }
    for (guint i = 0; reset_handlers && i < reset_handlers->len; i++) {
        ResetHandler h = g_array_index(reset_handlers, ResetHandler, i);
        h.fn(h.opaque);
    }
}

GList *device_list(void)
{
    return devices.head;
}

void device_free_all(void)
{
    while (devices.tail)
        device_free(devices.tail->data);
    if (reset_handlers)
        g_array_set_size(reset_handlers, 0);
}

void reset_handler_add(void (*fn)(void *opaque), void *opaque)
{
    ResetHandler h = {fn, opaque};

    if (!reset_handlers)
        reset_handlers = g_array_new(false, false, sizeof(ResetHandler));
    g_array_append_val(reset_handlers, h);
}

/* Which of the instances of its class this is, counted in creation order. */
static uint32_t device_instance(const Device *dev)
{
    uint32_t n = 0;

    for (GList *l = devices.head; l && l->data != dev; l = l->next)
        n += !strcmp(((Device *)l->data)->cls->name, dev->cls->name);
    return n;
}

static void put32(GByteArray *out, uint32_t v)
{
    g_byte_array_append(out, (uint8_t *)&v, sizeof v);
}

void device_save_all(GByteArray *out)
{
    for (GList *l = devices.head; l; l = l->next) {
        Device *dev = l->data;
        guint len_at;

        if (!dev->cls->fields)
            continue;
        put32(out, (uint32_t)strlen(dev->cls->name));
        g_byte_array_append(out, (const uint8_t *)dev->cls->name, (guint)strlen(dev->cls->name));
        put32(out, device_instance(dev));
        put32(out, SECTION_VERSION);
        len_at = out->len;
        put32(out, 0);
        vmstate_save(dev->cls->fields, dev, out);
        stl32(out->data + len_at, out->len - len_at - 4);
    }
}

static Device *device_find_instance(const char *name, uint32_t instance)
{
    for (GList *l = devices.head; l; l = l->next) {
        Device *dev = l->data;
        if (!strcmp(dev->cls->name, name) && instance-- == 0)
            return dev;
    }
    return NULL;
}

static bool get32(const uint8_t *data, size_t len, size_t *pos, uint32_t *v, GError **errp)
{
    if (len - *pos < 4)
        return error_set(errp, "saved state ends inside a section header");
    *v = ldl32(data + *pos);
    *pos += 4;
    return true;
}

static bool load_section(const uint8_t *data, size_t len, size_t *pos, GError **errp)
{
    uint32_t name_len = 0, instance = 0, version = 0, body_len = 0;
    char name[NAME_MAX_LEN + 1];
    size_t end;
    Device *dev;

    if (!get32(data, len, pos, &name_len, errp))
        return false;
    if (name_len > NAME_MAX_LEN || len - *pos < name_len)
        return error_set(errp, "saved state has a bad section name");
    memcpy(name, data + *pos, name_len);
    name[name_len] = 0;
    *pos += name_len;
    if (!get32(data, len, pos, &instance, errp) || !get32(data, len, pos, &version, errp) ||
        !get32(data, len, pos, &body_len, errp))
        return false;
    if (len - *pos < body_len)
        return error_set(errp, "saved state ends inside section '%s'", name);
    end = *pos + body_len;
    dev = device_find_instance(name, instance);
    if (!dev || !dev->cls->fields)
        return error_set(errp, "saved state has section '%s' number %u, which this machine lacks", name, instance);
    if (version != SECTION_VERSION)
        return error_set(errp, "section '%s' has version %u, expected %u", name, version, SECTION_VERSION);
    if (!vmstate_load(dev->cls->fields, dev, data, end, pos, errp)) {
        g_prefix_error(errp, "section '%s': ", name);
        return false;
    }
    if (*pos != end)
        return error_set(errp, "section '%s' has %zu bytes too many", name, end - *pos);
    return true;
}

bool device_load_all(const uint8_t *data, size_t len, GError **errp)
{
    size_t pos = 0;

    while (pos < len)
        if (!load_section(data, len, &pos, errp)) {
            device_reset_all(); /* half a state has not been through post_load: nobody may run on it */
            return false;
        }
    for (GList *l = devices.head; l; l = l->next) {
        Device *dev = l->data;
        if (dev->cls->post_load)
            dev->cls->post_load(dev);
    }
    return true;
}
