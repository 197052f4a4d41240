/* blockdev.c - named block nodes: made by -blockdev (or node-name= of a drive), used by other nodes,
 * by drives and by devices. Under the BQL.
 * Spec: qemu's -blockdev; a node is closed when nobody uses it and its name is given up. */
#include "host/base/osdep.h"
#include "host/block/block-int.h"

typedef struct Named {
    char *name;
    BlockNode *node; /* one of both */
    BlockFile *file;
} Named;

static GList *named; /* of Named, newest first: a node uses only older ones */

static Named *find(const char *name)
{
    for (GList *l = named; l; l = l->next)
        if (g_str_equal(((Named *)l->data)->name, name))
            return l->data;
    return NULL;
}

BlockNode *blockdev_find(const char *name, BlockFile **file)
{
    Named *n = find(name);
    if (file)
        *file = n ? n->file : NULL;
    return n ? n->node : NULL;
}

bool blockdev_register(const char *name, BlockNode *n, BlockFile *f, GError **errp)
{
    if (!g_ascii_isalpha(name[0]) || strlen(name) > 31 || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")])
        return error_set(errp, "Invalid node-name: '%s' (a letter, then letters, digits, '-', '.', '_'; at most 31)", name);
    if (find(name) || drive_find_existing(name))
        return error_set(errp, "Duplicate nodes with node-name='%s'", name);
    Named *e = g_new0(Named, 1);
    *e = (Named){.name = g_strdup(name), .node = n, .file = f ? file_ref(f) : NULL};
    if (n) {
        n->refs++;
        g_free(n->node_name);
        n->node_name = g_strdup(name);
    }
    named = g_list_prepend(named, e);
    return true;
}

static void drop(GList *l)
{
    Named *e = l->data;
    named = g_list_delete_link(named, l);
    node_close(e->node);
    file_close(e->file);
    g_free(e->name);
    g_free(e);
}

bool blockdev_add(const char *text, GError **errp)
{
    BlockOptions *o = blkopts_parse(text, errp);
    bool ok = o != NULL;
    if (ok && !blkopts_get(o, "node-name"))
        ok = error_set(errp, "'node-name' must be specified for the root node");
    if (ok && !blkopts_get(o, "driver"))
        ok = error_set(errp, "Parameter 'driver' is missing");
    if (ok && proto_is_driver(blkopts_get(o, "driver"))) {
        g_autofree char *what = g_strdup_printf("Block driver '%s'", blkopts_get(o, "driver"));
        g_autofree char *name = g_strdup(blkopts_get(o, "node-name"));
        const char *zeroes = blkopts_get(o, "detect-zeroes"), *discard = blkopts_get(o, "discard");
        bool bad = zeroes && g_str_equal(zeroes, "unmap") && !(discard && (g_str_equal(discard, "unmap") || g_str_equal(discard, "on")));
        if (bad)
            error_set(errp, "setting detect-zeroes to unmap is not allowed without setting discard operation to unmap");
        BlockFile *f = bad ? NULL : proto_open(o, 0, errp);
        ok = f && blkopts_check_empty(o, what, errp);
        file_close(f);
        if (f && !ok)
            blockdev_del(name, NULL);
    } else if (ok) {
        BlockOpenOpts opts = {.options = o, .lock = true, .strict = true};
        BlockNode *n = node_open(&opts, NULL, errp);
        ok = n != NULL;
        node_close(n); /* the name keeps it */
    }
    blkopts_free(o);
    return ok;
}

bool blockdev_del(const char *name, GError **errp)
{
    for (GList *l = named; l; l = l->next) {
        Named *e = l->data;
        if (!g_str_equal(e->name, name))
            continue;
        if ((e->node && (e->node->in_use || e->node->refs > 1)) || (e->file && e->file->refs > 1))
            return error_set(errp, "Node '%s' is busy: node is used by another one or by a device", name);
        drop(l);
        return true;
    }
    return error_set(errp, "Failed to find node with node-name='%s'", name);
}

void blockdev_close_all(void)
{
    while (named)
        drop(named);
}
