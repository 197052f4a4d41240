/* vmdk.c - VMware disk images, read only: extents, grain tables, compressed grains
 * Spec: VMware, Virtual Disk Format 5.0 (hosted sparse extents, flat extents, stream-optimized).
 * A disk is a list of extents; a grain directory names grain tables, which name grains. The text
 * descriptor that lists the extents is read by vmdk-desc.c.
 * Not modelled: ESX sparse formats (COWD, SESPARSE), the redundant grain directory, device extents. */
#include "host/base/osdep.h"
#include "host/block/vmdk.h"
#include <zlib.h>

enum { VMDK_HEADER = 512, FLAG_ZERO_GRAIN = 4, FLAG_COMPRESSED = 1 << 16, FLAG_MARKERS = 1 << 17 };
enum { GTE_UNALLOCATED = 0, GTE_ZERO = 1, MAX_GRAIN_SECTORS = 1 << 17, MAX_GT_ENTRIES = 512, MAX_GD_BYTES = 512 << 20 };
#define GD_AT_END UINT64_MAX

/* ---- sparse extents ---- */

static bool valid_header(const uint8_t *h) { return !memcmp(h, "KDMV", 4); }

bool vmdk_open_sparse(VmdkExtent *e, BlockFile *f, uint64_t max_sectors, uint64_t *desc_off, uint64_t *desc_len, GError **errp)
{
    uint8_t h[VMDK_HEADER];
    if (!reader_load(f, "VMDK header", 0, h, sizeof h, errp))
        return false;
    if (!valid_header(h))
        return error_set(errp, "'%s': Image not in VMDK format", f->name);
    *desc_off = ldl64(h + 28) <= UINT64_MAX / SECTOR ? ldl64(h + 28) * SECTOR : UINT64_MAX;
    *desc_len = ldl64(h + 36) <= MiB ? ldl64(h + 36) * SECTOR : UINT64_MAX;
    if (ldl64(h + 56) == GD_AT_END) { /* stream-optimized: a footer before the end marker has the real header */
        if (file_len(f) < 3 * SECTOR || !reader_load(f, "VMDK footer", file_len(f) - 2 * SECTOR, h, sizeof h, errp))
            return errp && *errp ? false : error_set(errp, "'%s': too short for a VMDK footer", f->name);
        if (!valid_header(h))
            return error_set(errp, "'%s': the VMDK footer is damaged", f->name);
    }
    uint32_t version = ldl32(h + 4), flags = ldl32(h + 8), gtes = ldl32(h + 44);
    uint64_t capacity = ldl64(h + 12), grain = ldl64(h + 20), gd = ldl64(h + 56);
    if (version < 1 || version > 3)
        return error_set(errp, "'%s': Unsupported VMDK version %u (supported: 1 to 3)", f->name, version);
    if (memcmp(h + 73, "\n \r\n", 4))
        return error_set(errp, "'%s': the VMDK header's check bytes are damaged (a transfer in text mode?)", f->name);
    if ((flags & FLAG_COMPRESSED) && ldl16(h + 77) != 1)
        return error_set(errp, "'%s': VMDK compression method %u is not supported (1 deflate)", f->name, ldl16(h + 77));
    if (!grain || grain > MAX_GRAIN_SECTORS || (grain & (grain - 1)))
        return error_set(errp, "'%s': Invalid granularity of %" PRIu64 " sectors, image may be corrupt", f->name, grain);
    if (!gtes || gtes > MAX_GT_ENTRIES)
        return error_set(errp, "'%s': L2 table size too big: %u entries", f->name, gtes);
    if (capacity > INT64_MAX / SECTOR)
        return error_set(errp, "'%s': VMDK capacity of %" PRIu64 " sectors is too large", f->name, capacity);
    e->kind = VMDK_SPARSE;
    e->file = f;
    e->sectors = max_sectors ? MIN(max_sectors, capacity) : capacity;
    e->grain = grain;
    e->gtes = gtes;
    e->compressed = flags & FLAG_COMPRESSED;
    e->markers = flags & FLAG_MARKERS;
    e->zero_grain = flags & FLAG_ZERO_GRAIN;
    uint64_t per_gt = grain * gtes, n = (capacity + per_gt - 1) / per_gt;
    if (n > MAX_GD_BYTES / 4 || gd > INT64_MAX / SECTOR)
        return error_set(errp, "'%s': VMDK grain directory with %" PRIu64 " entries at sector %" PRIu64 " is too big", f->name, n, gd);
    e->gd = reader_load32(f, "VMDK grain directory", gd * SECTOR, n, false, errp);
    e->gd_entries = n;
    return e->gd != NULL;
}

/* The entry of a grain's table, through a cache of one table. Under the reader's lock. */
static int grain_entry(Vmdk *s, VmdkExtent *e, uint64_t grain, uint32_t *out)
{
    uint64_t i = grain / e->gtes;
    *out = GTE_UNALLOCATED;
    if (i >= e->gd_entries || !e->gd[i])
        return 0;
    if (!e->gt || e->gt_index != i) {
        if (!e->gt)
            e->gt = g_new(uint32_t, e->gtes);
        e->gt_index = UINT64_MAX;
        if (!reader_fits(e->file, (uint64_t)e->gd[i] * SECTOR, e->gtes * 4))
            return -EIO;
        int ret = file_pread(e->file, (uint64_t)e->gd[i] * SECTOR, e->gt, e->gtes * 4);
        if (ret)
            return ret;
        e->gt_index = i;
    }
    *out = ldl32(e->gt + grain % e->gtes);
    return 0;
}

static int vmdk_map(Reader *r, uint64_t offset, uint64_t len, ReaderRun *run)
{
    Vmdk *s = (Vmdk *)r;
    uint64_t start = 0;
    VmdkExtent *e = NULL;
    for (guint i = 0; i < s->extents->len; i++, e = NULL) {
        e = g_ptr_array_index(s->extents, i);
        if (offset < start + e->sectors * SECTOR)
            break;
        start += e->sectors * SECTOR;
    }
    if (!e) {
        run->kind = RUN_ZERO;
        return 0;
    }
    offset -= start;
    len = MIN(len, e->sectors * SECTOR - offset);
    run->len = len;
    run->file = e->file;
    if (e->kind != VMDK_SPARSE) {
        run->kind = e->kind == VMDK_FLAT ? RUN_DATA : RUN_ZERO;
        run->host = e->flat_offset + offset;
        return 0;
    }
    uint64_t bytes = e->grain * SECTOR, in = offset % bytes;
    uint32_t gte;
    g_mutex_lock(&r->lock);
    int ret = grain_entry(s, e, offset / bytes, &gte);
    g_mutex_unlock(&r->lock);
    if (ret)
        return ret;
    run->len = MIN(len, bytes - in);
    if (gte == GTE_UNALLOCATED) {
        run->kind = RUN_BACKING; /* zeros, when there is none */
        return 0;
    }
    if (gte == GTE_ZERO && e->zero_grain) {
        run->kind = RUN_ZERO;
        return 0;
    }
    run->host = (uint64_t)gte * SECTOR + (e->compressed ? 0 : in);
    run->kind = e->compressed ? RUN_COMPRESSED : RUN_DATA;
    run->skip = in;
    return run->host >= file_len(e->file) ? -EIO : 0;
}

/* A grain's deflate stream behind its marker (LBA and length) into s->buf. Under the reader's lock. */
static int vmdk_inflate(Reader *r, const ReaderRun *run, const uint8_t **data)
{
    Vmdk *s = (Vmdk *)r;
    VmdkExtent *e = NULL;
    for (guint i = 0; i < s->extents->len; i++)
        if (((VmdkExtent *)g_ptr_array_index(s->extents, i))->file == run->file)
            e = g_ptr_array_index(s->extents, i);
    *data = s->buf;
    if (!e)
        return -EIO;
    uint64_t bytes = e->grain * SECTOR, at = run->host, n = bytes * 2;
    if (s->buf_file == run->file && s->buf_at == run->host)
        return 0;
    s->buf_file = NULL;
    if (s->buf_size < bytes) {
        g_free(s->buf);
        s->buf = g_malloc(bytes);
        s->buf_size = bytes;
        *data = s->buf;
    }
    if (e->markers) {
        uint8_t m[12];
        if (!reader_fits(run->file, at, sizeof m) || file_pread(run->file, at, m, sizeof m))
            return -EIO;
        n = ldl32(m + 8);
        at += sizeof m;
        if (!n || n > bytes * 2 || !reader_fits(run->file, at, n))
            return -EIO;
    }
    n = MIN(n, file_len(run->file) - MIN(at, file_len(run->file)));
    g_autofree uint8_t *src = g_malloc(n + 1);
    int ret = file_pread(run->file, at, src, n);
    uLongf got = bytes;
    if (ret)
        return ret;
    int z = uncompress(s->buf, &got, src, n);
    if (z != Z_OK || got < bytes) { /* the last grain may be cut at the disk's end */
        if (z != Z_OK)
            return -EIO;
        memset(s->buf + got, 0, bytes - got);
    }
    s->buf_file = run->file;
    s->buf_at = run->host;
    return 0;
}

void vmdk_extent_free(gpointer p)
{
    VmdkExtent *e = p;
    if (e->own_file)
        file_close(e->file);
    g_free(e->gd);
    g_free(e->gt);
    g_free(e);
}

static void vmdk_free(Vmdk *s)
{
    g_ptr_array_unref(s->extents);
    reader_free(&s->r);
    g_free(s->buf);
    g_free(s->create_type);
    g_free(s);
}

static void vmdk_close(void *opaque)
{
    Vmdk *s = opaque;
    BlockFile *f = s->file;
    vmdk_free(s);
    file_close(f);
}

const BlockFormat vmdk_format = READER_FORMAT("vmdk", vmdk_close);

bool vmdk_open(BlockNode *n, BlockFile *f, const BlockOpenOpts *opts, GError **errp)
{
    Vmdk *s = g_new0(Vmdk, 1);
    uint8_t magic[4] = {0};
    *s = (Vmdk){.file = f, .extents = g_ptr_array_new_with_free_func(vmdk_extent_free)};
    reader_init(&s->r, n);
    s->r.map = vmdk_map;
    s->r.inflate = vmdk_inflate;
    bool ok = reader_load(f, "VMDK header", 0, magic, sizeof magic, errp);
    if (ok && !memcmp(magic, "KDMV", 4)) {
        VmdkExtent *e = g_new0(VmdkExtent, 1);
        uint64_t desc_off, desc_len;
        g_ptr_array_add(s->extents, e);
        ok = vmdk_open_sparse(e, f, 0, &desc_off, &desc_len, errp) && (!desc_off || vmdk_read_desc(s, n, f, desc_off, desc_len, false, errp));
    } else if (ok && !memcmp(magic, "COWD", 4)) {
        ok = error_set(errp, "'%s': VMDK images of type vmfsSparse (COWD) are not supported", n->filename);
    } else if (ok) {
        ok = vmdk_read_desc(s, n, f, 0, file_len(f), true, errp);
    }
    for (guint i = 0; ok && i < s->extents->len; i++) {
        VmdkExtent *e = g_ptr_array_index(s->extents, i);
        if (e->sectors > INT64_MAX / SECTOR - n->length / SECTOR)
            ok = error_set(errp, "'%s': the VMDK extents together are too large", n->filename);
        else
            n->length += e->sectors * SECTOR;
        if (e->kind == VMDK_SPARSE)
            n->cluster_size = e->grain * SECTOR;
    }
    if (!ok) {
        vmdk_free(s);
        return false;
    }
    n->fmt = &vmdk_format;
    n->state = s;
    return true;
}
