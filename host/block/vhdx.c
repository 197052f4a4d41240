/* vhdx.c - Hyper-V disk images (VHDX), read only: fixed and dynamic
 * Spec: Microsoft, [MS-VHDX] Virtual Hard Disk v2 File Format (headers, region table, metadata, BAT).
 * Two copies of header and region table: the valid one with the higher number counts.
 * A log that was not written back is replayed in memory (vhdx-log.c).
 * Not modelled: differencing images. */
#include "host/base/osdep.h"
#include "host/block/vhdx.h"

#define BAT_OFFSET_MASK 0xfffffffffff00000ULL
enum { HEADER1 = 64 << 10, HEADER2 = 128 << 10, HEADER_BYTES = 4096, REGION1 = 192 << 10, REGION2 = 256 << 10, REGION_BYTES = 64 << 10 };
enum { MAX_REGIONS = 2047, MAX_METADATA = 2047 };
enum { BLOCK_NOT_PRESENT, BLOCK_UNDEFINED, BLOCK_ZERO, BLOCK_UNMAPPED, BLOCK_UNMAPPED_OLD = 5, BLOCK_PRESENT, BLOCK_PARTIAL };

/* The GUIDs as they stand in the file. */
static const uint8_t guid_bat[16] = {0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08};
static const uint8_t guid_metadata[16] = {0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e};
static const uint8_t guid_params[16] = {0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b};
static const uint8_t guid_size[16] = {0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8};
static const uint8_t guid_sector[16] = {0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f};
static const uint8_t guid_physical[16] = {0xc7, 0x48, 0xa3, 0xcd, 0x5d, 0x44, 0x71, 0x44, 0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56};
static const uint8_t guid_page83[16] = {0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45, 0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46};
static const uint8_t guid_parent[16] = {0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45, 0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c};

typedef struct Vhdx {
    Reader r;
    BlockFile *file;
    VhdxLog *log; /* or NULL */
    uint64_t *bat, entries, block_size, ratio; /* ratio: data entries between two bitmap entries */
} Vhdx;

static int vhdx_map(Reader *r, uint64_t offset, uint64_t len, ReaderRun *run)
{
    Vhdx *s = (Vhdx *)r;
    uint64_t b = offset / s->block_size, in = offset % s->block_size, i = b + b / s->ratio;
    uint64_t e = i < s->entries ? s->bat[i] : 0;
    run->len = MIN(len, s->block_size - in);
    switch (e & 7) {
    case BLOCK_PRESENT:
        run->kind = RUN_DATA;
        run->file = s->file;
        run->host = (e & BAT_OFFSET_MASK) + in;
        /* beyond the end of the file there is no data: a damaged entry */
        if (run->host >= file_len(s->file))
            return -EIO;
        vhdx_log_map(s->log, run);
        return 0;
    case BLOCK_PARTIAL: /* only in differencing images */
        return -EIO;
    default: /* not present, undefined, zero, unmapped */
        run->kind = RUN_ZERO;
        return 0;
    }
}

static void vhdx_close(void *opaque)
{
    Vhdx *s = opaque;
    reader_free(&s->r);
    file_close(s->file);
    vhdx_log_free(s->log);
    g_free(s->bat);
    g_free(s);
}

const BlockFormat vhdx_format = READER_FORMAT("vhdx", vhdx_close);

static bool load_copy(BlockFile *f, const VhdxLog *log, uint64_t at, const char *sig, uint8_t *buf, size_t n)
{
    if (!reader_fits(f, at, n) || file_pread(f, at, buf, n))
        return false;
    vhdx_log_patch(log, at, buf, n);
    return !memcmp(buf, sig, 4) && vhdx_crc(buf, n) == ldl32(buf + 4);
}

static bool find_regions(BlockFile *f, const VhdxLog *log, const char *name, uint64_t *bat, uint32_t *bat_len, uint64_t *meta, uint32_t *meta_len, GError **errp)
{
    g_autofree uint8_t *t = g_malloc(REGION_BYTES);
    if (!load_copy(f, log, REGION1, "regi", t, REGION_BYTES) && !load_copy(f, log, REGION2, "regi", t, REGION_BYTES))
        return error_set(errp, "'%s': both VHDX region tables are damaged", name);
    uint32_t count = ldl32(t + 8);
    if (count > MAX_REGIONS)
        return error_set(errp, "'%s': VHDX region table with %u entries (at most %d)", name, count, MAX_REGIONS);
    for (uint32_t i = 0; i < count && i < (REGION_BYTES - 16) / 32; i++) {
        const uint8_t *e = t + 16 + i * 32;
        if (!memcmp(e, guid_bat, 16)) {
            *bat = ldl64(e + 16);
            *bat_len = ldl32(e + 24);
        } else if (!memcmp(e, guid_metadata, 16)) {
            *meta = ldl64(e + 16);
            *meta_len = ldl32(e + 24);
        } else if (ldl32(e + 28) & 1) {
            return error_set(errp, "'%s': a required VHDX region is unknown", name);
        }
    }
    return (*bat && *meta) || error_set(errp, "'%s': VHDX image without a block table or metadata", name);
}

typedef struct Params {
    uint32_t block, flags, sector;
    uint64_t size;
    bool has_params, has_size, has_sector;
} Params;

static bool load_metadata(BlockFile *f, const VhdxLog *log, const char *name, uint64_t at, uint32_t len, Params *p, GError **errp)
{
    g_autofree uint8_t *t = g_malloc0(REGION_BYTES);
    if (len < REGION_BYTES)
        return error_set(errp, "'%s': VHDX metadata region of %u bytes (at least 64 KiB)", name, len);
    if (!reader_load(f, "VHDX metadata", at, t, REGION_BYTES, errp))
        return false;
    vhdx_log_patch(log, at, t, REGION_BYTES);
    if (memcmp(t, "metadata", 8) || ldl16(t + 10) > MAX_METADATA)
        return error_set(errp, "'%s': the VHDX metadata table is damaged", name);
    for (unsigned i = 0; i < ldl16(t + 10); i++) {
        const uint8_t *e = t + 32 + i * 32;
        uint32_t off = ldl32(e + 16), n = ldl32(e + 20);
        uint8_t v[8] = {0};
        bool params = !memcmp(e, guid_params, 16), size = !memcmp(e, guid_size, 16), sector = !memcmp(e, guid_sector, 16);
        if (!params && !size && !sector) {
            if ((ldl32(e + 24) & 4) && memcmp(e, guid_physical, 16) && memcmp(e, guid_page83, 16) && memcmp(e, guid_parent, 16))
                return error_set(errp, "'%s': a required VHDX metadata item is unknown", name);
            continue;
        }
        if (n < (sector ? 4 : 8) || off > len - MIN(len, 8))
            return error_set(errp, "'%s': a VHDX metadata item of %u bytes at 0x%x is damaged", name, n, off);
        if (!reader_load(f, "VHDX metadata", at + off, v, sector ? 4 : 8, errp))
            return false;
        vhdx_log_patch(log, at + off, v, sector ? 4 : 8);
        if (params) {
            p->block = ldl32(v);
            p->flags = ldl32(v + 4);
            p->has_params = true;
        } else if (size) {
            p->size = ldl64(v);
            p->has_size = true;
        } else {
            p->sector = ldl32(v);
            p->has_sector = true;
        }
    }
    if (!p->has_params || !p->has_size || !p->has_sector)
        return error_set(errp, "'%s': VHDX metadata without block size, disk size or sector size", name);
    if (p->block < MiB || p->block > 256 * MiB || (p->block & (p->block - 1)))
        return error_set(errp, "'%s': VHDX block size %u (allowed: 1 to 256 MiB, a power of two)", name, p->block);
    if (p->sector != 512 && p->sector != 4096)
        return error_set(errp, "'%s': VHDX sector size %u (allowed: 512 and 4096)", name, p->sector);
    if (p->size > 64ULL << 40 || p->size % p->sector)
        return error_set(errp, "'%s': VHDX disk size of %" PRIu64 " bytes (at most 64 TiB, a multiple of the sector)", name, p->size);
    if (p->flags & 2)
        return error_set(errp, "'%s': differencing VHDX images are not supported (merge it with its own program)", name);
    return true;
}

bool vhdx_open(BlockNode *n, BlockFile *f, const BlockOpenOpts *opts, GError **errp)
{
    g_autofree uint8_t *h1 = g_malloc(HEADER_BYTES), *h2 = g_malloc(HEADER_BYTES);
    uint8_t id[8] = {0};
    uint64_t bat_at = 0, meta_at = 0;
    uint32_t bat_len = 0, meta_len = 0;
    Params p = {0};
    if (!reader_load(f, "VHDX signature", 0, id, sizeof id, errp))
        return false;
    if (memcmp(id, "vhdxfile", 8))
        return error_set(errp, "'%s': Image not in VHDX format", n->filename);
    bool ok1 = load_copy(f, NULL, HEADER1, "head", h1, HEADER_BYTES), ok2 = load_copy(f, NULL, HEADER2, "head", h2, HEADER_BYTES);
    if (!ok1 && !ok2)
        return error_set(errp, "'%s': No valid VHDX header found", n->filename);
    const uint8_t *h = ok1 && (!ok2 || ldl64(h1 + 8) >= ldl64(h2 + 8)) ? h1 : h2;
    if (ldl16(h + 66) != 1)
        return error_set(errp, "'%s': VHDX version %u is not supported (only 1)", n->filename, ldl16(h + 66));
    VhdxLog *log = NULL;
    uint32_t *words = NULL;
    uint64_t ratio = 0, entries = 0;
    if (!vhdx_log_open(f, h, n->filename, &log, errp))
        return false;
    if (!find_regions(f, log, n->filename, &bat_at, &bat_len, &meta_at, &meta_len, errp) ||
        !load_metadata(f, log, n->filename, meta_at, meta_len, &p, errp))
        goto fail;
    ratio = ((1ULL << 23) * p.sector) / p.block;
    uint64_t blocks = (p.size + p.block - 1) / p.block;
    entries = blocks ? blocks + (blocks - 1) / ratio : 0;
    if (entries > bat_len / 8) {
        error_set(errp, "'%s': VHDX block table of %u bytes is too small: %" PRIu64 " entries needed", n->filename, bat_len, entries);
        goto fail;
    }
    words = reader_load32(f, "VHDX block table", bat_at, entries * 2, false, errp);
    if (!words)
        goto fail;
    vhdx_log_patch(log, bat_at, words, entries * 8);
    Vhdx *s = g_new0(Vhdx, 1);
    *s = (Vhdx){.file = f, .log = log, .bat = (uint64_t *)words, .entries = entries, .block_size = p.block, .ratio = ratio};
    s->r.map = vhdx_map;
    reader_init(&s->r, n);
    n->fmt = &vhdx_format;
    n->state = s;
    n->cluster_size = p.block;
    n->length = p.size;
    return true;
fail:
    vhdx_log_free(log);
    return false;
}
