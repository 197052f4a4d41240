/* image-make.c - see image-make.h */
#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "tests/lib/image-make.h"
#include <zlib.h>

static bool is_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

/* A file of n zero bytes. */
static GByteArray *blank(size_t n)
{
    GByteArray *a = g_byte_array_new();
    g_byte_array_set_size(a, (guint)n);
    if (n)
        memset(a->data, 0, n);
    return a;
}

/* Append bytes and pad to a multiple of `unit`; returns where they begin. */
static size_t append(GByteArray *a, const void *p, size_t n, size_t unit)
{
    size_t at = a->len, end = ROUND_UP(at + n, unit);
    g_byte_array_set_size(a, (guint)end);
    memset(a->data + at, 0, end - at);
    memcpy(a->data + at, p, n);
    return at;
}

GByteArray *make_vdi(const uint8_t *disk, size_t len, uint32_t block, bool full)
{
    uint32_t blocks = (uint32_t)((len + block - 1) / block), used = 0;
    size_t data = ROUND_UP(512 + (size_t)blocks * 4, 512);
    GByteArray *a = blank(data);
    for (uint32_t i = 0; i < blocks; i++) {
        size_t n = MIN(block, len - (size_t)i * block);
        if (!full && is_zero(disk + (size_t)i * block, n)) {
            stl32(a->data + 512 + i * 4, 0xffffffff);
            continue;
        }
        stl32(a->data + 512 + i * 4, used++);
        append(a, disk + (size_t)i * block, n, block);
        if (a->len % block != data % block) /* the last block is whole, too */
            g_byte_array_set_size(a, (guint)(data + (size_t)used * block));
    }
    uint8_t *h = a->data;
    strcpy((char *)h, "<<< Test Virtual Disk Image >>>\n");
    stl32(h + 64, 0xbeda107f);
    stl32(h + 68, 0x00010001);
    stl32(h + 72, 400);
    stl32(h + 76, full ? 2 : 1);
    stl32(h + 340, 512);
    stl32(h + 344, (uint32_t)data);
    stl32(h + 360, 512);
    stl64(h + 368, len);
    stl32(h + 376, block);
    stl32(h + 384, blocks);
    stl32(h + 388, used);
    return a;
}

static void vpc_sum(uint8_t *p, size_t n, size_t at)
{
    uint32_t sum = 0;
    stb32(p + at, 0);
    for (size_t i = 0; i < n; i++)
        sum += p[i];
    stb32(p + at, ~sum);
}

GByteArray *make_vpc(const uint8_t *disk, size_t len, bool dynamic)
{
    uint32_t block = 64 << 10, blocks = (uint32_t)((len + block - 1) / block);
    uint8_t f[512] = "conectix", d[1024] = "cxsparse";
    stb32(f + 8, 2);
    stb32(f + 12, 0x00010000);
    stb64(f + 16, dynamic ? 512 : UINT64_MAX);
    memcpy(f + 28, "win ", 4);
    stb64(f + 40, len);
    stb64(f + 48, len);
    stb32(f + 60, dynamic ? 3 : 2);
    vpc_sum(f, sizeof f, 64);
    if (!dynamic) {
        GByteArray *a = blank(0);
        append(a, disk, len, 512);
        append(a, f, sizeof f, 512);
        return a;
    }
    stb64(d + 8, UINT64_MAX);
    stb64(d + 16, 1536);
    stb32(d + 24, 0x00010000);
    stb32(d + 28, blocks);
    stb32(d + 32, block);
    vpc_sum(d, sizeof d, 36);
    GByteArray *a = blank(ROUND_UP(1536 + (size_t)blocks * 4, 512));
    memcpy(a->data, f, sizeof f);
    memcpy(a->data + 512, d, sizeof d);
    for (uint32_t i = 0; i < blocks; i++) {
        size_t n = MIN(block, len - (size_t)i * block);
        uint8_t bitmap[512];
        memset(bitmap, 0xff, sizeof bitmap);
        stb32(a->data + 1536 + i * 4, 0xffffffff);
        if (is_zero(disk + (size_t)i * block, n))
            continue;
        size_t at = append(a, bitmap, sizeof bitmap, 512);
        append(a, disk + (size_t)i * block, n, 512);
        g_byte_array_set_size(a, (guint)(at + 512 + block));
        stb32(a->data + 1536 + i * 4, (uint32_t)(at / 512));
    }
    append(a, f, sizeof f, 512);
    return a;
}

static uint32_t crc32c(const uint8_t *p, size_t n)
{
    static uint32_t table[256];
    uint32_t crc = ~0u;
    for (uint32_t i = table[255] ? 256 : 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c >> 1 ^ (c & 1 ? 0x82f63b78 : 0);
        table[i] = c;
    }
    for (size_t i = 0; i < n; i++)
        crc = crc >> 8 ^ table[(crc ^ p[i]) & 0xff];
    return ~crc;
}

static void fix_vhdx_log(uint8_t *p, size_t n);

void fix_vhdx(uint8_t *p, size_t n)
{
    fix_vhdx_log(p, n);
    static const struct { size_t at, len; } parts[] = {{64 << 10, 4096}, {128 << 10, 4096}, {192 << 10, 64 << 10}, {256 << 10, 64 << 10}};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (parts[i].at + parts[i].len > n)
            return;
        stl32(p + parts[i].at + 4, 0);
        stl32(p + parts[i].at + 4, crc32c(p + parts[i].at, parts[i].len));
    }
}

enum { VHDX_LOG = 1 << 20, VHDX_LOG_LEN = 1 << 20 };

/* The checksums of log entries wherever one begins, also in what wraps. */
static void fix_vhdx_log(uint8_t *p, size_t n)
{
    if (n < VHDX_LOG + VHDX_LOG_LEN)
        return;
    uint8_t *log = p + VHDX_LOG;
    for (uint32_t at = 0; at < VHDX_LOG_LEN; at += 4096) {
        uint32_t len = ldl32(log + at + 8);
        if (memcmp(log + at, "loge", 4) || !len || len > VHDX_LOG_LEN)
            continue;
        g_autofree uint8_t *e = g_malloc(len);
        uint32_t first = MIN(len, VHDX_LOG_LEN - at);
        memcpy(e, log + at, first);
        memcpy(e + first, log, len - first);
        stl32(e + 4, 0);
        stl32(log + at + 4, crc32c(e, len));
    }
}

void vhdx_log_entry(GByteArray *a, uint32_t *pos, uint64_t seq, uint32_t tail, const uint64_t *sectors, unsigned n, const uint8_t *with,
                    uint64_t zero_at, uint64_t zero_len)
{
    unsigned count = n + (zero_len != 0);
    uint32_t head = ROUND_UP(64 + count * 32, 4096), len = head + n * 4096;
    g_autofree uint8_t *e = g_malloc0(len);
    memcpy(e, "loge", 4);
    stl32(e + 8, len);
    stl32(e + 12, tail);
    stl64(e + 16, seq);
    stl32(e + 24, count);
    memset(e + 32, 0xab, 16);
    stl64(e + 48, a->len);
    stl64(e + 56, a->len);
    for (unsigned i = 0; i < count; i++) {
        uint8_t *d = e + 64 + i * 32, *data = e + head + i * 4096;
        memcpy(d, i < n ? "desc" : "zero", 4);
        stl64(d + 8, zero_len);
        stl64(d + 16, i < n ? sectors[i] : zero_at);
        stl64(d + 24, seq);
        if (i == n)
            continue;
        memcpy(data, with + sectors[i], 4096);
        memcpy(d + 8, data, 8);
        memcpy(d + 4, data + 4092, 4);
        memcpy(data, "data", 4);
        stl32(data + 4, seq >> 32);
        stl32(data + 4092, (uint32_t)seq);
    }
    for (uint32_t i = 0; i < len; i++)
        a->data[VHDX_LOG + (*pos + i) % VHDX_LOG_LEN] = e[i];
    *pos = (*pos + len) % VHDX_LOG_LEN;
    for (int i = 0; i < 2; i++)
        memset(a->data + ((64 << 10) << i) + 48, 0xab, 16);
    fix_vhdx(a->data, a->len);
}

static void put_guid(uint8_t *p, uint32_t a, uint16_t b, uint16_t c, uint64_t rest)
{
    stl32(p, a);
    stl16(p + 4, b);
    stl16(p + 6, c);
    stb64(p + 8, rest);
}

GByteArray *make_vhdx(const uint8_t *disk, size_t len, uint32_t sector, bool full)
{
    enum { META = 2 << 20, BAT = 3 << 20, DATA = 4 << 20, BLOCK = 1 << 20 };
    uint64_t ratio = ((1ULL << 23) * sector) / BLOCK, blocks = (len + BLOCK - 1) / BLOCK;
    GByteArray *a = blank(DATA);
    uint8_t *p = a->data;
    memcpy(p, "vhdxfile", 8);
    for (int i = 0; i < 2; i++) {
        uint8_t *h = p + ((64 << 10) << i), *r = p + (192 << 10) + ((64 << 10) * i);
        memcpy(h, "head", 4);
        stl64(h + 8, 1 + i);
        stl16(h + 66, 1);
        stl32(h + 68, 1 << 20);
        stl64(h + 72, 1 << 20);
        memcpy(r, "regi", 4);
        stl32(r + 8, 2);
        put_guid(r + 16, 0x2dc27766, 0xf623, 0x4200, 0x9d64115e9bfd4a08);
        stl64(r + 32, BAT);
        stl32(r + 40, 1 << 20);
        stl32(r + 44, 1);
        put_guid(r + 48, 0x8b7ca206, 0x4790, 0x4b9a, 0xb8fe575f050f886e);
        stl64(r + 64, META);
        stl32(r + 72, 1 << 20);
        stl32(r + 76, 1);
    }
    uint8_t *m = p + META;
    memcpy(m, "metadata", 8);
    stl16(m + 10, 5);
    put_guid(m + 32, 0xcaa16737, 0xfa36, 0x4d43, 0xb3b633f0aa44e76b);
    stl32(m + 48, 65536);
    stl32(m + 52, 8);
    stl32(m + 56, 4);
    put_guid(m + 64, 0x2fa54224, 0xcd1b, 0x4876, 0xb2115dbed83bf4b8);
    stl32(m + 80, 65544);
    stl32(m + 84, 8);
    stl32(m + 88, 6);
    put_guid(m + 96, 0x8141bf1d, 0xa96f, 0x4709, 0xba47f233a8faab5f);
    stl32(m + 112, 65552);
    stl32(m + 116, 4);
    stl32(m + 120, 6);
    put_guid(m + 128, 0xcda348c7, 0x445d, 0x4471, 0x9cc9e9885251c556);
    stl32(m + 144, 65556);
    stl32(m + 148, 4);
    stl32(m + 152, 6);
    put_guid(m + 160, 0xbeca12ab, 0xb2e6, 0x4523, 0x93efc309e000c746);
    stl32(m + 176, 65560);
    stl32(m + 180, 16);
    stl32(m + 184, 6);
    stl32(m + 65556, 4096);
    memset(m + 65560, 0x83, 16);
    stl32(m + 65536, BLOCK);
    stl64(m + 65544, len);
    stl32(m + 65552, sector);
    for (uint64_t b = 0; b < blocks; b++) {
        size_t n = MIN(BLOCK, len - b * BLOCK);
        bool skip = !full && is_zero(disk + b * BLOCK, n);
        size_t at = skip ? 0 : append(a, disk + b * BLOCK, n, BLOCK);
        stl64(a->data + BAT + (b + b / ratio) * 8, skip ? 2 : at | 6);
    }
    fix_vhdx(a->data, a->len);
    return a;
}

GByteArray *make_vmdk(const uint8_t *disk, size_t len, bool stream)
{
    enum { GRAIN = 64 << 10, GTES = 512 };
    uint64_t grains = (len + GRAIN - 1) / GRAIN, gts = (grains + GTES - 1) / GTES;
    g_autofree char *desc = g_strdup_printf("# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"%s\"\n\n"
        "# Extent description\nRW %zu SPARSE \"test.vmdk\"\n\n# The Disk Data Base\n#DDB\nddb.adapterType = \"ide\"\n",
        stream ? "streamOptimized" : "monolithicSparse", len / 512);
    GByteArray *a = blank(512);
    uint64_t desc_at = append(a, desc, strlen(desc), 1024) / 512, desc_len = a->len / 512 - desc_at;
    g_autofree uint32_t *gd = g_new0(uint32_t, gts), *gt = g_new0(uint32_t, gts * GTES);
    for (uint64_t g = 0; g < grains; g++) {
        size_t n = MIN(GRAIN, len - g * GRAIN);
        g_autofree uint8_t *whole = g_malloc0(GRAIN);
        if (is_zero(disk + g * GRAIN, n))
            continue;
        memcpy(whole, disk + g * GRAIN, n);
        if (stream) {
            uLongf z = compressBound(GRAIN);
            g_autofree uint8_t *out = g_malloc0(12 + z);
            compress(out + 12, &z, whole, GRAIN);
            stl64(out, g * GRAIN / 512);
            stl32(out + 8, (uint32_t)z);
            gt[g] = (uint32_t)(append(a, out, 12 + z, 512) / 512);
        } else {
            gt[g] = (uint32_t)(append(a, whole, GRAIN, 512) / 512);
        }
    }
    for (uint64_t i = 0; i < gts; i++)
        gd[i] = (uint32_t)(append(a, gt + i * GTES, GTES * 4, 512) / 512);
    uint64_t gd_at = append(a, gd, gts * 4, 512) / 512;
    uint8_t h[512] = "KDMV";
    stl32(h + 4, stream ? 3 : 1);
    stl32(h + 8, stream ? 1 | 1 << 16 | 1 << 17 : 1);
    stl64(h + 12, len / 512);
    stl64(h + 20, GRAIN / 512);
    stl64(h + 28, desc_at);
    stl64(h + 36, desc_len);
    stl32(h + 44, GTES);
    stl64(h + 56, gd_at);
    memcpy(h + 73, "\n \r\n", 4);
    stl16(h + 77, stream);
    if (stream) { /* footer marker, footer, end of stream */
        uint8_t mark[512] = {0};
        mark[12] = 3;
        append(a, mark, 512, 512);
        append(a, h, 512, 512);
        append(a, (uint8_t[512]){0}, 512, 512);
        stl64(h + 56, UINT64_MAX);
    }
    memcpy(a->data, h, 512);
    return a;
}
