/* object.c - the types of -object. Spec: QEMU's manual, "Generic object creation". */
#include "host/base/osdep.h"
#include "vl/object.h"

#include "host/base/keyval.h"
#include "host/block/throttle.h"
#include "host/base/mem.h"
#include "host/net/net.h"
#include "host/rng/rng.h"

static bool new_rng_builtin(const GPtrArray *kv, const char *id, GError **errp)
{
    return keyval_check(kv, "rng-builtin", "qom-type id", errp) && rng_source_new(id, NULL, errp);
}

static bool new_rng_random(const GPtrArray *kv, const char *id, GError **errp)
{
    const char *file = keyval_get(kv, "filename");

    return keyval_check(kv, "rng-random", "qom-type id filename", errp) &&
           rng_source_new(id, file ? file : "/dev/urandom", errp);
}

/* ---- memory ---- */

typedef struct Memory {
    char *id, *path;
    MemSource src;
    uint64_t size;
} Memory;

static GPtrArray *memories;

static void memory_free(gpointer p)
{
    Memory *m = p;

    g_free(m->id);
    g_free(m->path);
    g_free(m);
}

/* Placement, merging and dumps by the host are left to it. */
static bool new_memory(const GPtrArray *kv, const char *id, GError **errp)
{
    const char *type = keyval_get(kv, "qom-type"), *size = keyval_get(kv, "size"), *path = keyval_get(kv, "mem-path");
    bool file = g_str_has_suffix(type, "file"), ok, ignored = false;
    Memory *m = g_new0(Memory, 1);

    m->id = g_strdup(id);
    m->path = g_strdup(path);
    m->src = (MemSource){m->path, g_str_has_suffix(type, "memfd"), false};
    ok = keyval_check(kv, type,
                      file ? "qom-type id size share prealloc prealloc-threads merge dump reserve policy host-nodes mem-path align discard-data"
                           : "qom-type id size share prealloc prealloc-threads merge dump reserve policy host-nodes seal", errp) &&
         keyval_bool(kv, "share", &m->src.share, errp) && keyval_bool(kv, "prealloc", &m->src.prealloc, errp) &&
         keyval_bool(kv, "merge", &ignored, errp) && keyval_bool(kv, "dump", &ignored, errp) &&
         keyval_bool(kv, "reserve", &ignored, errp) && keyval_bool(kv, "discard-data", &ignored, errp) &&
         keyval_bool(kv, "seal", &ignored, errp);
    if (ok && !size)
        ok = error_set(errp, "size= is needed");
    if (ok && file && !path)
        ok = error_set(errp, "mem-path= is needed");
    if (!ok || !parse_size("size", size, 1, &m->size, errp)) {
        memory_free(m);
        return false;
    }
    if (!memories)
        memories = g_ptr_array_new_with_free_func(memory_free);
    g_ptr_array_add(memories, m);
    return true;
}

bool object_memory_find(const char *id, MemSource *src, uint64_t *size)
{
    for (guint i = 0; memories && i < memories->len; i++) {
        Memory *m = memories->pdata[i];
        if (g_str_equal(m->id, id)) {
            *src = m->src;
            *size = m->size;
            return true;
        }
    }
    return false;
}

/* ---- names that others may use ---- */

/* Each disk has host threads of its own; which one serves it cannot be chosen. */
static bool new_iothread(const GPtrArray *kv, const char *id, GError **errp)
{
    return keyval_check(kv, "iothread", "qom-type id poll-max-ns poll-grow poll-shrink aio-max-batch thread-pool-min thread-pool-max", errp);
}

/* ---- limits that drives and throttle nodes share ---- */

static GPtrArray *throttle_groups; /* of ThrottleGroup: those with an object */

static bool new_throttle_group(const GPtrArray *kv, const char *id, GError **errp)
{
    BlockOptions *o = blkopts_new();
    ThrottleConfig c;
    for (guint i = 0; i < kv->len; i++)
        blkopts_set(o, ((KeyVal *)kv->pdata[i])->key, ((KeyVal *)kv->pdata[i])->val);
    g_free(blkopts_take(o, "qom-type"));
    g_free(blkopts_take(o, "id"));
    bool ok = throttle_take_properties(o, &c, errp) && blkopts_check_empty(o, "throttle-group", errp);
    blkopts_free(o);
    if (!ok)
        return false;
    if (!throttle_groups)
        throttle_groups = g_ptr_array_new_with_free_func((GDestroyNotify)throttle_group_leave);
    g_ptr_array_add(throttle_groups, throttle_group_join(id, &c));
    return true;
}

static const struct {
    const char *name;
    ObjectPhase phase;
    bool (*create)(const GPtrArray *kv, const char *id, GError **errp);
} types[] = {
    {"filter-dump", OBJECTS_LATE, net_filter_dump_new},
    {"iothread", OBJECTS_EARLY, new_iothread},
    {"memory-backend-file", OBJECTS_EARLY, new_memory},
    {"memory-backend-memfd", OBJECTS_EARLY, new_memory},
    {"memory-backend-ram", OBJECTS_EARLY, new_memory},
    {"rng-builtin", OBJECTS_EARLY, new_rng_builtin},
    {"rng-random", OBJECTS_EARLY, new_rng_random},
    {"throttle-group", OBJECTS_FIRST, new_throttle_group},
};

static GPtrArray *ids; /* of char *: taken */

void object_help(GString *out)
{
    g_string_append(out, "List of user creatable objects:\n");
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        g_string_append_printf(out, "  %s\n", types[i].name);
}

static int find_type(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(types); i++)
        if (!strcmp(types[i].name, name))
            return (int)i;
    return -1;
}

bool object_check(const char *text, GError **errp)
{
    GPtrArray *kv;
    const char *type;
    bool ok = true;

    kv = keyval_parse(text, "qom-type");
    type = keyval_get(kv, "qom-type");
    if (find_type(type) < 0) {
        g_autoptr(GString) names = g_string_new(NULL);
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
            g_string_append_printf(names, "%s%s", i ? " " : "", types[i].name);
        ok = error_set(errp, "'%s' is no type of object (choices: %s)", type ? type : "", names->str);
    } else if (!keyval_get(kv, "id")) {
        ok = error_set(errp, "Parameter 'id' is missing");
    }
    keyval_free(kv);
    return ok;
}

bool object_create(const char *text, ObjectPhase phase, GError **errp)
{
    GPtrArray *kv = keyval_parse(text, "qom-type");
    int i = find_type(keyval_get(kv, "qom-type"));
    const char *id = keyval_get(kv, "id");
    bool ok = true;

    g_assert(i >= 0); /* object_check() has seen it */
    if (types[i].phase == phase) {
        if (!ids)
            ids = g_ptr_array_new_with_free_func(g_free);
        if (g_ptr_array_find_with_equal_func(ids, id, g_str_equal, NULL))
            ok = error_set(errp, "id=%s is taken by another object", id);
        else
            ok = types[i].create(kv, id, errp);
        if (ok)
            g_ptr_array_add(ids, g_strdup(id));
    }
    keyval_free(kv);
    return ok;
}

void object_cleanup_all(void)
{
    net_filter_free_all();
    rng_source_free_all();
    g_clear_pointer(&throttle_groups, g_ptr_array_unref);
    g_clear_pointer(&memories, g_ptr_array_unref);
    g_clear_pointer(&ids, g_ptr_array_unref);
}
