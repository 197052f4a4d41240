/* vdi.c - VirtualBox disk images, read only
 * Spec: the header as VirtualBox 1.1 images have it (text, signature 0xbeda107f at byte 64, version 1.1,
 * block map of 32-bit little-endian numbers). Dynamic and static images.
 * Not modelled: differencing images (parent UUID), version 1.0 headers, block extra data. */
#include "host/base/osdep.h"
#include "host/block/reader.h"

enum { VDI_HEADER = 512, VDI_MAX_BLOCK = 256 << 20 };
enum { VDI_DYNAMIC = 1, VDI_STATIC = 2 };
enum { VDI_UNALLOCATED = 0xffffffff, VDI_DISCARDED = 0xfffffffe };

typedef struct Vdi {
    Reader r;
    BlockFile *file;
    uint32_t *map, blocks;
    uint64_t block_size, data_off;
} Vdi;

static int vdi_map(Reader *r, uint64_t offset, uint64_t len, ReaderRun *run)
{
    Vdi *s = (Vdi *)r;
    uint64_t b = offset / s->block_size, in = offset % s->block_size;
    run->len = MIN(len, s->block_size - in);
    uint32_t e = b < s->blocks ? s->map[b] : VDI_UNALLOCATED;
    if (e >= VDI_DISCARDED) {
        run->kind = RUN_ZERO;
        return 0;
    }
    run->kind = RUN_DATA;
    run->file = s->file;
    run->host = s->data_off + e * s->block_size + in;
    while (run->len < len && b + 1 < s->blocks && s->map[b + 1] == e + 1) {
        b++, e++;
        run->len = MIN(len, run->len + s->block_size);
    }
    return 0;
}

static void vdi_close(void *opaque)
{
    Vdi *s = opaque;
    reader_free(&s->r);
    file_close(s->file);
    g_free(s->map);
    g_free(s);
}

const BlockFormat vdi_format = READER_FORMAT("vdi", vdi_close);

static bool uuid_is_null(const uint8_t *u) { return buffer_is_zero(u, 16); }

bool vdi_open(BlockNode *n, BlockFile *f, const BlockOpenOpts *opts, GError **errp)
{
    uint8_t h[VDI_HEADER];
    if (!reader_load(f, "VDI header", 0, h, sizeof h, errp))
        return false;
    uint32_t version = ldl32(h + 68), type = ldl32(h + 76), map_off = ldl32(h + 340), data_off = ldl32(h + 344);
    uint32_t sector = ldl32(h + 360), block = ldl32(h + 376), blocks = ldl32(h + 384), allocated = ldl32(h + 388);
    uint64_t size = ldl64(h + 368);
    if (ldl32(h + 64) != 0xbeda107f)
        return error_set(errp, "'%s': Image not in VDI format (bad signature %08" PRIx32 ")", n->filename, ldl32(h + 64));
    if (version != 0x00010001)
        return error_set(errp, "'%s': unsupported VDI image (version %u.%u; supported: 1.1)", n->filename, version >> 16, version & 0xffff);
    if (type != VDI_DYNAMIC && type != VDI_STATIC)
        return error_set(errp, "'%s': unsupported VDI image type %u (supported: 1 dynamic, 2 static)", n->filename, type);
    if (sector != SECTOR)
        return error_set(errp, "'%s': unsupported VDI image (sector size %u is not 512)", n->filename, sector);
    if (block < SECTOR || block > VDI_MAX_BLOCK || (block & (block - 1)))
        return error_set(errp, "'%s': unsupported VDI image (block size %u)", n->filename, block);
    if (map_off % SECTOR || data_off % SECTOR)
        return error_set(errp, "'%s': unsupported VDI image (block map at 0x%x or data at 0x%x is not at a sector)", n->filename, map_off, data_off);
    if (!uuid_is_null(h + 424) || !uuid_is_null(h + 440))
        return error_set(errp, "'%s': VDI images with a parent are not supported (merge it with its own program)", n->filename);
    if (size > INT64_MAX - SECTOR || size > (uint64_t)blocks * block || allocated > blocks)
        return error_set(errp, "'%s': unsupported VDI image (disk size %" PRIu64 ", %u blocks of %u bytes, %u of them allocated)", n->filename,
                         size, blocks, block, allocated);
    uint32_t *map = reader_load32(f, "VDI block map", map_off, blocks, false, errp);
    if (!map)
        return false;
    Vdi *s = g_new0(Vdi, 1);
    *s = (Vdi){.file = f, .map = map, .blocks = blocks, .block_size = block, .data_off = data_off};
    s->r.map = vdi_map;
    reader_init(&s->r, n);
    n->fmt = &vdi_format;
    n->state = s;
    n->cluster_size = block;
    n->length = ROUND_UP(size, SECTOR);
    return true;
}
