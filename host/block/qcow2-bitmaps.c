/* qcow2-bitmaps.c - persistent bitmaps of other programs: shown, counted by a check, kept by it
 * Spec: qcow2 "Bitmaps extension". They hold only while autoclear bit 0 is set; opening an image for writing clears it,
 * because what the guest writes is not noted here. Their clusters are leaked then, which a check gives back.
 * Making and changing them: qcow2-bitmap-edit.c. Not modelled: keeping them up while a guest writes. */
#include "host/base/osdep.h"
#include "host/block/qcow2.h"

enum { MAX_DIRECTORY = 16 << 20, MAX_BITMAPS = 65535, MAX_TABLE = 1 << 20, ENTRY_HEAD = 24, MAX_NAME = 1023, TABLE_CHUNK = 4096 };

static void bitmap_clear(void *p) { g_free(((Qcow2Bitmap *)p)->name); }

void qcow2_load_bitmaps(Qcow2 *s, const Qcow2Header *h)
{
    s->bitmaps = g_array_new(FALSE, TRUE, sizeof(Qcow2Bitmap));
    g_array_set_clear_func(s->bitmaps, bitmap_clear);
    if (!(s->autoclear & AUTOCLEAR_BITMAPS) || !h->bitmaps)
        return;
    s->bitmaps_off = h->bitmaps_off;
    s->bitmaps_bytes = h->bitmaps_bytes;
    s->bitmaps_bad = true;
    if (h->bitmaps > MAX_BITMAPS || h->bitmaps_bytes > MAX_DIRECTORY || (h->bitmaps_off & (s->cluster_size - 1)) || h->bitmaps_off > file_len(s->file))
        return;
    g_autofree uint8_t *b = g_malloc(h->bitmaps_bytes + 1);
    uint64_t at = 0, left = h->bitmaps_bytes;
    if (file_pread(s->file, h->bitmaps_off, b, left))
        return;
    for (uint32_t i = 0; i < h->bitmaps; i++) {
        if (left < ENTRY_HEAD)
            return;
        const uint8_t *e = b + at;
        uint32_t name = ldb16(e + 18), extra = ldb32(e + 20);
        uint64_t size = ROUND_UP((uint64_t)ENTRY_HEAD + extra + name, 8);
        if (size > left || name > MAX_NAME || !name || e[17] > 31 || ldb32(e + 8) > MAX_TABLE)
            return;
        Qcow2Bitmap m = {.table_off = ldb64(e), .table_size = ldb32(e + 8), .flags = ldb32(e + 12), .granularity = BIT(e[17]),
                         .name = g_strndup((const char *)e + ENTRY_HEAD + extra, name)};
        g_array_append_val(s->bitmaps, m);
        at += size;
        left -= size;
    }
    s->bitmaps_bad = left != 0;
}

int qcow2_use_bitmaps(Qcow2 *s, bool (*use)(void *opaque, uint64_t offset, uint64_t len), void *opaque)
{
    uint8_t b[TABLE_CHUNK];
    if (!use(opaque, s->bitmaps_off, s->bitmaps_bytes))
        return 0;
    for (guint i = 0; i < s->bitmaps->len; i++) {
        const Qcow2Bitmap *m = &g_array_index(s->bitmaps, Qcow2Bitmap, i);
        uint64_t bytes = (uint64_t)m->table_size * 8;
        if (!use(opaque, m->table_off, bytes))
            continue;
        for (uint64_t at = 0; at < bytes; at += sizeof b) {
            size_t n = MIN(sizeof b, bytes - at);
            int ret = file_pread(s->file, m->table_off + at, b, n);
            if (ret)
                return ret;
            for (size_t k = 0; k < n; k += 8)
                if (ldb64(b + k) & L1_OFFSET_MASK)
                    use(opaque, ldb64(b + k) & L1_OFFSET_MASK, s->cluster_size);
        }
    }
    return 0;
}
