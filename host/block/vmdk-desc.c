/* vmdk-desc.c - the text descriptor of VMware disk images: type, parent, list of extent files
 * Spec: VMware, Virtual Disk Format 5.0, "The Descriptor". Lines `key="value"` and
 * `ACCESS SECTORS TYPE "FILE" [OFFSET]`. */
#include "host/base/osdep.h"
#include "host/block/vmdk.h"

enum { MAX_DESC = 1 << 20, MAX_EXTENTS = 1024 };

/* The value of a `key=value` line, without its quotes; NULL: no such line. */
static char *desc_value(char **lines, const char *key)
{
    size_t n = strlen(key);
    for (; *lines; lines++) {
        const char *l = *lines;
        while (g_ascii_isspace(*l))
            l++;
        if (g_ascii_strncasecmp(l, key, n))
            continue;
        for (l += n; g_ascii_isspace(*l); l++)
            ;
        if (*l++ != '=')
            continue;
        while (g_ascii_isspace(*l) || *l == '"')
            l++;
        return g_strndup(l, strcspn(l, "\"\r\n"));
    }
    return NULL;
}

/* One extent line: false with errp when it is wrong; *e NULL when the line is none. */
static bool extent_line(Vmdk *s, BlockNode *n, const char *line, VmdkExtent **out, GError **errp)
{
    char access[16], type[16], file[512] = "";
    uint64_t sectors, offset = 0, desc_off, desc_len;
    *out = NULL;
    int got = sscanf(line, "%15s %" SCNu64 " %15s \"%511[^\n\r\"]\" %" SCNu64, access, &sectors, type, file, &offset);
    if (got < 3 || (strcmp(access, "RW") && strcmp(access, "RDONLY") && strcmp(access, "NOACCESS")))
        return true;
    if (!sectors || sectors > INT64_MAX / SECTOR || offset > INT64_MAX / SECTOR)
        return error_set(errp, "'%s': VMDK extent of %" PRIu64 " sectors at %" PRIu64 " in line '%s'", n->filename, sectors, offset, line);
    bool flat = !strcmp(type, "FLAT") || !strcmp(type, "VMFS"), zero = !strcmp(type, "ZERO");
    if (!flat && !zero && strcmp(type, "SPARSE"))
        return error_set(errp, "'%s': Unsupported extent type '%s' (supported: FLAT SPARSE ZERO VMFS)", n->filename, type);
    VmdkExtent *e = *out = g_new0(VmdkExtent, 1);
    *e = (VmdkExtent){.kind = zero ? VMDK_ZERO : VMDK_FLAT, .sectors = sectors, .flat_offset = offset * SECTOR};
    g_strlcpy(e->type, type, sizeof e->type);
    if (zero)
        return true;
    if (!file[0] || (flat && got < 5 && strcmp(type, "VMFS")))
        return error_set(errp, "'%s': Invalid extent line: %s", n->filename, line);
    GError *err = NULL;
    g_autofree char *path = node_backing_path(n->filename, file, errp);
    if (!path)
        return false;
    e->file = file_open(path, FILE_READ_ONLY, &err);
    e->own_file = e->file != NULL;
    if (!e->file || !file_lock(e->file, FILE_LOCK | FILE_READ_ONLY, &err)) {
        error_set(errp, "'%s': %s", n->filename, err->message);
        g_error_free(err);
        return false;
    }
    if (flat && !reader_fits(e->file, e->flat_offset, sectors * SECTOR))
        return error_set(errp, "'%s': the extent '%s' has %" PRIu64 " bytes, %" PRIu64 " are needed", n->filename, path, file_len(e->file),
                         e->flat_offset + sectors * SECTOR);
    return flat || vmdk_open_sparse(e, e->file, sectors, &desc_off, &desc_len, errp);
}

static bool read_extents(Vmdk *s, BlockNode *n, char **lines, GError **errp)
{
    static const char *const types[] = {"monolithicFlat", "vmfs", "vmfsSparse", "seSparse", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
                                        "monolithicSparse", "streamOptimized", "custom", NULL};
    if (!s->create_type)
        return error_set(errp, "'%s': invalid VMDK image descriptor (no createType)", n->filename);
    if (!g_strv_contains(types, s->create_type))
        return error_set(errp, "'%s': Unsupported image type '%s'", n->filename, s->create_type);
    for (char **l = lines; *l; l++) {
        VmdkExtent *e;
        bool ok = extent_line(s, n, *l, &e, errp);
        if (e)
            g_ptr_array_add(s->extents, e);
        if (!ok)
            return false;
        if (s->extents->len > MAX_EXTENTS)
            return error_set(errp, "'%s': more than %d VMDK extents", n->filename, MAX_EXTENTS);
    }
    return s->extents->len || error_set(errp, "'%s': the VMDK descriptor lists no extents", n->filename);
}

bool vmdk_read_desc(Vmdk *s, BlockNode *n, BlockFile *f, uint64_t off, uint64_t len, bool extents, GError **errp)
{
    len = MIN(len, file_len(f) - MIN(off, file_len(f)));
    if (!len || len > MAX_DESC)
        return error_set(errp, "'%s': a VMDK descriptor of %" PRIu64 " bytes (1 to %d)", n->filename, len, MAX_DESC);
    g_autofree char *text = g_malloc0(len + 1);
    if (!reader_load(f, "VMDK descriptor", off, text, len, errp))
        return false;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    s->create_type = desc_value(lines, "createType");
    g_autofree char *parent_cid = desc_value(lines, "parentCID"), *hint = desc_value(lines, "parentFileNameHint"), *cid = desc_value(lines, "CID");
    s->cid = cid ? (uint32_t)g_ascii_strtoull(cid, NULL, 16) : 0;
    s->parent_cid = parent_cid ? (uint32_t)g_ascii_strtoull(parent_cid, NULL, 16) : 0;
    if (parent_cid && g_ascii_strcasecmp(parent_cid, "ffffffff")) {
        if (!hint || !hint[0])
            return error_set(errp, "'%s': the VMDK descriptor has a parent but does not name it", n->filename);
        n->backing_name = g_strdup(hint);
    }
    return !extents || read_extents(s, n, lines, errp);
}
