/* qcow2-compress.c - compressed clusters: raw deflate (window 12 bits) or zstd.
 * Compressed clusters lie one behind the other; each counts as a use of every file cluster it touches.
 * The last cluster that was decompressed is kept, for readers that go in small steps. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"
#include <zlib.h>
#include <zstd.h>

static bool inflate_zlib(uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len)
{
    z_stream z = {.next_in = (Bytef *)src, .avail_in = (uInt)src_len, .next_out = dst, .avail_out = (uInt)dst_len};
    if (inflateInit2(&z, -12) != Z_OK)
        return false;
    int ret = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    /* the sectors may hold more than the stream, so that only the output's length counts */
    return (ret == Z_STREAM_END || ret == Z_BUF_ERROR) && z.avail_out == 0;
}

static bool inflate_zstd(uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len)
{
    ZSTD_DCtx *d = ZSTD_createDCtx();
    ZSTD_inBuffer in = {src, src_len, 0};
    ZSTD_outBuffer out = {dst, dst_len, 0};
    bool ok = d != NULL;
    while (ok && out.pos < out.size) {
        size_t in0 = in.pos, out0 = out.pos, r = ZSTD_decompressStream(d, &out, &in);
        ok = !ZSTD_isError(r) && (in.pos > in0 || out.pos > out0);
    }
    ZSTD_freeDCtx(d);
    return ok;
}

int qcow2_read_compressed(Qcow2 *s, uint64_t entry, uint64_t in_cluster, const struct iovec *iov, int cnt, uint64_t skip, uint64_t len)
{
    uint64_t bytes, host = qcow2_compressed_host(s, entry, &bytes);
    g_autofree struct iovec *part = g_new(struct iovec, cnt);
    int n = iov_slice(iov, cnt, skip, len, part), ret = 0;

    g_mutex_lock(&s->comp_lock);
    if (s->comp_cached != entry) {
        g_autofree uint8_t *src = g_malloc(bytes);
        if (!s->comp_buf)
            s->comp_buf = g_malloc(s->cluster_size);
        s->comp_cached = 0;
        ret = host >= file_len(s->file) ? -EIO : file_pread(s->file, host, src, bytes);
        if (!ret && !(s->zstd ? inflate_zstd : inflate_zlib)(s->comp_buf, s->cluster_size, src, bytes))
            ret = -EIO;
        if (!ret)
            s->comp_cached = entry;
    }
    if (!ret)
        iov_from_buf(part, n, s->comp_buf + in_cluster);
    g_mutex_unlock(&s->comp_lock);
    return ret;
}

/* Bytes of compressed data, 0 when it would not be smaller than a cluster. */
static size_t deflate_cluster(const Qcow2 *s, const uint8_t *buf, uint8_t *dst)
{
    if (s->zstd) {
        size_t r = ZSTD_compress(dst, s->cluster_size - 1, buf, s->cluster_size, ZSTD_CLEVEL_DEFAULT);
        return ZSTD_isError(r) ? 0 : r;
    }
    z_stream z = {.next_in = (Bytef *)buf, .avail_in = (uInt)s->cluster_size, .next_out = dst,
                  .avail_out = (uInt)s->cluster_size - 1};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    int ret = deflate(&z, Z_FINISH);
    size_t n = z.total_out;
    deflateEnd(&z);
    return ret == Z_STREAM_END ? n : 0;
}

/* Room for n bytes: behind the last compressed data when that cluster has some left. */
static int alloc_bytes(Qcow2 *s, size_t n, uint64_t *offset)
{
    uint64_t max = MASK64(1u << s->refcount_order), count = 0, one = 1, at;
    uint64_t left = s->comp_next ? s->cluster_size - (s->comp_next & (s->cluster_size - 1)) : 0;
    int ret;
    if (left == s->cluster_size)
        left = 0;
    if (left) {
        ret = qcow2_get_refcount(s, s->comp_next >> s->cluster_bits, &count);
        if (ret)
            return ret;
        if (count >= max)
            left = 0;
    }
    if (left >= n) {
        ret = qcow2_add_refcount(s, s->comp_next, n, 1);
        *offset = s->comp_next;
    } else {
        ret = qcow2_alloc(s, 1, &one, &at);
        if (ret)
            return ret;
        if (left && at == s->comp_next + left) {
            ret = qcow2_add_refcount(s, s->comp_next, left, 1);
            *offset = s->comp_next;
        } else {
            *offset = at;
        }
    }
    if (!ret)
        s->comp_next = (*offset + n) & (s->cluster_size - 1) ? *offset + n : 0;
    return ret;
}

int qcow2_write_compressed(BlockNode *node, uint64_t off, const uint8_t *buf)
{
    g_autofree uint8_t *dst = g_malloc(((Qcow2 *)node->state)->cluster_size);
    return qcow2_write_packed(node, off, buf, dst, qcow2_compress(node, buf, dst));
}

size_t qcow2_compress(BlockNode *node, const uint8_t *buf, uint8_t *dst) { return deflate_cluster(node->state, buf, dst); }

int qcow2_write_packed(BlockNode *node, uint64_t off, const uint8_t *buf, const uint8_t *dst, size_t n)
{
    Qcow2 *s = node->state;
    unsigned x = 62 - (s->cluster_bits - 8);
    Qcow2Map m;
    MetaTable *t;
    uint64_t host;

    if (!n) {
        struct iovec iov = {(void *)buf, MIN(s->cluster_size, s->size - off)};
        return qcow2_format.pwritev(s, off, &iov, 1, iov.iov_len);
    }
    g_mutex_lock(&s->lock);
    qcow2_note_change(s, off, MIN(s->cluster_size, s->size - off));
    int ret = qcow2_trim(s);
    if (!ret)
        ret = qcow2_l2_for_write(s, off, &t);
    if (!ret)
        ret = qcow2_map(s, off, 1, &m);
    if (!ret)
        ret = alloc_bytes(s, n, &host);
    if (!ret)
        ret = qcow2_check_data(s, host, n, true);
    if (!ret)
        ret = file_pwrite(s->file, host, dst, n);
    if (!ret) {
        uint64_t i = qcow2_l2_index(s, off), old = qcow2_entry(s, t, i);
        uint64_t sectors = (host + n - 1) / SECTOR - host / SECTOR;
        qcow2_free_entry(s, old);
        qcow2_set_entry(s, t, i, QCOW_COMPRESSED | sectors << x | host, 0);
    }
    g_mutex_unlock(&s->lock);
    return ret;
}
