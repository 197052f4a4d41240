/* vpc.c - Virtual PC / Hyper-V disk images (VHD), read only: fixed and dynamic
 * Spec: Microsoft, Virtual Hard Disk Image Format Specification 1.0 (footer, dynamic header, BAT; big-endian).
 * The size is that of the geometry for images of programs that present it so, as qemu decides it.
 * Not modelled: differencing disks (refused); the sector bitmaps (what they leave out is zero in the file). */
#include "host/base/osdep.h"
#include "host/block/reader.h"

enum { VHD_FOOTER = 512, VHD_DYN_HEADER = 1024, VHD_MAX_CHS = 65535 * 16 * 255 };
enum { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 };
enum { VHD_NO_BLOCK = 0xffffffff };

typedef struct Vhd {
    Reader r;
    BlockFile *file;
    bool fixed;
    uint32_t *bat, blocks;
    uint64_t block_size, bitmap_size;
} Vhd;

static int vhd_map(Reader *r, uint64_t offset, uint64_t len, ReaderRun *run)
{
    Vhd *s = (Vhd *)r;
    run->file = s->file;
    if (s->fixed) {
        run->kind = RUN_DATA;
        run->host = offset;
        return 0;
    }
    uint64_t b = offset / s->block_size, in = offset % s->block_size;
    run->len = MIN(len, s->block_size - in);
    if (b >= s->blocks || s->bat[b] == VHD_NO_BLOCK) {
        run->kind = RUN_ZERO;
        return 0;
    }
    run->kind = RUN_DATA;
    run->host = (uint64_t)s->bat[b] * SECTOR + s->bitmap_size + in;
    return 0;
}

static void vhd_close(void *opaque)
{
    Vhd *s = opaque;
    reader_free(&s->r);
    file_close(s->file);
    g_free(s->bat);
    g_free(s);
}

const BlockFormat vpc_format = READER_FORMAT("vpc", vhd_close);

static uint32_t checksum(const uint8_t *p, size_t n, size_t at)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += i >= at && i < at + 4 ? 0 : p[i];
    return ~sum;
}

static bool load_footer(BlockNode *n, BlockFile *f, uint8_t *h, GError **errp)
{
    bool at_start = false;
    if (file_len(f) < VHD_FOOTER)
        return error_set(errp, "'%s': too short for a VHD image", n->filename);
    if (!reader_load(f, "VHD footer", 0, h, VHD_FOOTER, errp))
        return false;
    at_start = !memcmp(h, "conectix", 8);
    if (!at_start && !reader_load(f, "VHD footer", file_len(f) - VHD_FOOTER, h, VHD_FOOTER, errp))
        return false;
    if (memcmp(h, "conectix", 8))
        return error_set(errp, "'%s': Image not in VHD format: no footer", n->filename);
    if (checksum(h, VHD_FOOTER, 64) != ldb32(h + 64))
        warn_report("vpc: the checksum of the footer of '%s' is wrong", n->filename);
    if (!at_start && ldb32(h + 60) != VHD_FIXED)
        return error_set(errp, "'%s': VHD type %u has its footer at the end only", n->filename, ldb32(h + 60));
    return true;
}

static uint64_t disk_size(const uint8_t *h)
{
    static const char by_size[][5] = {"win ", "qem2", "d2v ", "tap\0", "CXS"};
    uint64_t chs = (uint64_t)ldb16(h + 56) * h[58] * h[59], size = ldb64(h + 48) & ~(uint64_t)(SECTOR - 1);
    for (size_t i = 0; i < ARRAY_SIZE(by_size); i++)
        if (!memcmp(h + 28, by_size[i], i == 4 ? 3 : 4))
            return size;
    return chs >= VHD_MAX_CHS || !chs ? size : chs * SECTOR;
}

static bool open_dynamic(Vhd *s, const uint8_t *h, uint64_t size, const char *name, GError **errp)
{
    uint8_t d[VHD_DYN_HEADER];
    if (!reader_load(s->file, "VHD dynamic header", ldb64(h + 16), d, sizeof d, errp))
        return false;
    uint64_t table = ldb64(d + 16);
    uint32_t max = ldb32(d + 28), block = ldb32(d + 32);
    if (memcmp(d, "cxsparse", 8))
        return error_set(errp, "'%s': the VHD dynamic header has no signature", name);
    if (block < SECTOR || (block & (block - 1)) || block > 256 << 20)
        return error_set(errp, "'%s': Invalid VHD block size %u", name, block);
    if (size > (uint64_t)max * block)
        return error_set(errp, "'%s': VHD page table too small: %u blocks of %u bytes for %" PRIu64 " bytes", name, max, block, size);
    s->block_size = block;
    s->bitmap_size = ROUND_UP((uint64_t)block / SECTOR / 8, SECTOR);
    s->blocks = max;
    s->bat = reader_load32(s->file, "VHD block table", table, max, true, errp);
    return s->bat != NULL;
}

bool vpc_open(BlockNode *n, BlockFile *f, const BlockOpenOpts *opts, GError **errp)
{
    uint8_t h[VHD_FOOTER];
    if (!load_footer(n, f, h, errp))
        return false;
    uint32_t type = ldb32(h + 60);
    uint64_t size = disk_size(h);
    if (type == VHD_DIFFERENCING)
        return error_set(errp, "'%s': differencing VHD images are not supported (merge it with its own program)", n->filename);
    if (type != VHD_FIXED && type != VHD_DYNAMIC)
        return error_set(errp, "'%s': VHD type %u is not supported (2 fixed, 3 dynamic)", n->filename, type);
    if (size > INT64_MAX || (type == VHD_FIXED && size > file_len(f) - VHD_FOOTER))
        return error_set(errp, "'%s': VHD of %" PRIu64 " bytes does not fit its file", n->filename, size);
    Vhd *s = g_new0(Vhd, 1);
    *s = (Vhd){.file = f, .fixed = type == VHD_FIXED};
    s->r.map = vhd_map;
    if (!s->fixed && !open_dynamic(s, h, size, n->filename, errp)) {
        g_free(s->bat);
        g_free(s);
        return false;
    }
    reader_init(&s->r, n);
    n->fmt = &vpc_format;
    n->state = s;
    n->cluster_size = s->fixed ? 0 : s->block_size;
    n->length = size;
    return true;
}
