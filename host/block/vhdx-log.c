/* vhdx-log.c - the log of a VHDX image, replayed in memory; the file is not changed
 * Spec: Microsoft, [MS-VHDX] 2.3 (log entries, descriptors, data sectors; 2.3.3 which entries count).
 * The log is a ring of entries, each with a checksum and a number; the ones that count are the run of neighbours with the
 * highest number whose last entry (the head) names an entry of the same run as the tail. All from the tail to the head is
 * applied in this order. An entry that was cut off by a crash fails its checksum and ends its run.
 * As qemu: a log GUID without any entry that bears it is no error. Not modelled: writing the replay back (`qemu-img check -r all`). */
#include "host/base/osdep.h"
#include "host/block/vhdx.h"

enum { LOG_SECTOR = 4096, ENTRY_HEADER = 64, DESC_BYTES = 32, DATA_AT = 8, DATA_BYTES = 4084 };
enum { H_LOG_GUID = 48, H_LOG_VERSION = 64, H_LOG_LENGTH = 68, H_LOG_OFFSET = 72 };
/* Bounds for damaged images: programs make logs of 1 MiB; so much checksum work and so many pieces is far beyond need. */
enum { MAX_LOG = 64 << 20, CRC_ROUNDS = 8, MAX_PIECES = 16384 };
#define MAX_FILE (128ULL << 40)

/* What the file has in [start, end) after the replay: len - start bytes at data, or zeros. */
typedef struct Piece {
    uint64_t start, end;
    uint8_t *data; /* owned: one sector; NULL: zeros */
} Piece;

struct VhdxLog {
    GArray *pieces; /* of Piece, by start, without overlap */
};

typedef struct Entry {
    uint32_t len, tail, count;
    uint64_t seq, flushed, last;
} Entry;

typedef struct Scan {
    const uint8_t *ring; /* the log twice in a row, so that an entry that wraps is in one piece */
    const uint8_t *guid;
    uint32_t len;
    uint64_t crc_left;   /* bytes that may still be summed up */
    bool any;            /* an entry bears the GUID, valid or not */
} Scan;

uint32_t vhdx_crc(const uint8_t *p, size_t n)
{
    static uint32_t table[256];
    static gsize made;
    uint32_t crc = ~0u;
    if (g_once_init_enter(&made)) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int k = 0; k < 8; k++)
                c = c >> 1 ^ (c & 1 ? 0x82f63b78 : 0);
            table[i] = c;
        }
        g_once_init_leave(&made, 1);
    }
    for (size_t i = 0; i < n; i++)
        crc = crc >> 8 ^ table[(crc ^ (i >= 4 && i < 8 ? 0 : p[i])) & 0xff];
    return ~crc;
}

static uint64_t desc_area(uint32_t count) { return ROUND_UP(ENTRY_HEADER + (uint64_t)count * DESC_BYTES, LOG_SECTOR); }

static bool entry_at(Scan *s, uint32_t at, Entry *e)
{
    const uint8_t *p = s->ring + at;
    if (memcmp(p, "loge", 4) || memcmp(p + 32, s->guid, 16))
        return false;
    s->any = true;
    *e = (Entry){.len = ldl32(p + 8), .tail = ldl32(p + 12), .seq = ldl64(p + 16), .count = ldl32(p + 24), .flushed = ldl64(p + 48),
                 .last = ldl64(p + 56)};
    if (!e->len || e->len % LOG_SECTOR || e->len > s->len || e->tail % LOG_SECTOR || e->tail >= s->len || !e->seq || desc_area(e->count) > e->len ||
        e->len > s->crc_left)
        return false;
    s->crc_left -= e->len;
    if (vhdx_crc(p, e->len) != ldl32(p + 4))
        return false;
    /* Each descriptor is this entry's, each data sector complete. */
    uint64_t data = desc_area(e->count);
    for (uint32_t i = 0; i < e->count; i++) {
        const uint8_t *d = p + ENTRY_HEADER + i * DESC_BYTES;
        if (ldl64(d + 24) != e->seq || ldl64(d + 16) % LOG_SECTOR)
            return false;
        if (!memcmp(d, "zero", 4)) {
            if (ldl64(d + 8) % LOG_SECTOR)
                return false;
            continue;
        }
        const uint8_t *sector = p + data;
        if (memcmp(d, "desc", 4) || data + LOG_SECTOR > e->len || memcmp(sector, "data", 4) || ldl32(sector + 4) != e->seq >> 32 ||
            ldl32(sector + LOG_SECTOR - 4) != (uint32_t)e->seq)
            return false;
        data += LOG_SECTOR;
    }
    return true;
}

/* The run of entries from `at` on: how many bytes it has (0: none), its head, and whether that names a tail in it. */
static uint32_t run_at(Scan *s, uint32_t at, Entry *head, bool *complete)
{
    g_autoptr(GHashTable) starts = g_hash_table_new(NULL, NULL);
    uint32_t total = 0;
    Entry e;
    for (uint64_t pos = at; total < s->len && entry_at(s, (uint32_t)(pos % s->len), &e) && e.len <= s->len - total; pos += e.len, total += e.len) {
        if (total && e.seq != head->seq + 1)
            break;
        *head = e;
        g_hash_table_add(starts, GUINT_TO_POINTER((guint)(pos % s->len)));
    }
    *complete = total && g_hash_table_contains(starts, GUINT_TO_POINTER(head->tail));
    return total;
}

/* ---- pieces ---- */

/* The first piece that ends after `offset`. */
static guint piece_after(const GArray *a, uint64_t offset)
{
    guint lo = 0, hi = a->len;
    while (lo < hi) {
        guint mid = (lo + hi) / 2;
        if (g_array_index(a, Piece, mid).end > offset)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* Newer over older. Data pieces are single aligned sectors, so that one is covered whole or not at all. */
static bool add_piece(GArray *a, Piece p)
{
    guint i = piece_after(a, p.start), n = 0;
    Piece before = {0}, after = {0};
    for (; i + n < a->len && g_array_index(a, Piece, i + n).start < p.end; n++) {
        Piece *old = &g_array_index(a, Piece, i + n);
        if (old->start < p.start)
            before = (Piece){old->start, p.start, NULL};
        if (old->end > p.end)
            after = (Piece){p.end, old->end, NULL};
        g_free(old->data);
    }
    if (n)
        g_array_remove_range(a, i, n);
    if (before.end)
        g_array_insert_val(a, i++, before);
    g_array_insert_val(a, i++, p);
    if (after.end)
        g_array_insert_val(a, i, after);
    return a->len <= MAX_PIECES;
}

static bool apply(VhdxLog *l, const uint8_t *p, const Entry *e)
{
    const uint8_t *sector = p + desc_area(e->count);
    for (uint32_t i = 0; i < e->count; i++) {
        const uint8_t *d = p + ENTRY_HEADER + i * DESC_BYTES;
        uint64_t at = ldl64(d + 16), len = d[0] == 'z' ? ldl64(d + 8) : LOG_SECTOR;
        Piece new = {at, at + len, NULL};
        if (at > MAX_FILE || len > MAX_FILE)
            return false;
        if (!len)
            continue;
        if (d[0] != 'z') {
            new.data = g_malloc(LOG_SECTOR);
            memcpy(new.data, d + 8, DATA_AT); /* what stood where the signature and the number are now */
            memcpy(new.data + DATA_AT, sector + DATA_AT, DATA_BYTES);
            memcpy(new.data + DATA_AT + DATA_BYTES, d + 4, 4);
            sector += LOG_SECTOR;
        }
        if (!add_piece(l->pieces, new))
            return false;
    }
    return true;
}

bool vhdx_log_open(BlockFile *f, const uint8_t *h, const char *name, VhdxLog **log, GError **errp)
{
    uint32_t len = ldl32(h + H_LOG_LENGTH);
    uint64_t at = ldl64(h + H_LOG_OFFSET);
    *log = NULL;
    if (buffer_is_zero(h + H_LOG_GUID, 16) || !len)
        return true;
    if (ldl16(h + H_LOG_VERSION))
        return error_set(errp, "'%s': VHDX log version %u is not supported (only 0)", name, ldl16(h + H_LOG_VERSION));
    if (len > MAX_LOG || len % LOG_SECTOR || !reader_fits(f, at, len))
        return error_set(errp, "'%s': the VHDX log of %u bytes at offset 0x%" PRIx64 " is not within the file, no multiple of 4096 or larger than 64 MiB",
                         name, len, at);
    g_autofree uint8_t *ring = g_malloc(2 * (size_t)len);
    if (!reader_load(f, "VHDX log", at, ring, len, errp))
        return false;
    memcpy(ring + len, ring, len);
    Scan s = {.ring = ring, .guid = h + H_LOG_GUID, .len = len, .crc_left = (uint64_t)len * CRC_ROUNDS};
    Entry best = {0};
    for (uint32_t pos = 0, n; pos < len; pos += n ? n : LOG_SECTOR) {
        Entry head;
        bool complete;
        n = run_at(&s, pos, &head, &complete);
        if (complete && head.seq > best.seq)
            best = head;
    }
    if (!best.seq && !s.any)
        return true;
    if (!best.seq)
        return error_set(errp, "'%s': the VHDX log is damaged: it has no complete sequence of entries to replay", name);
    if (best.flushed > file_len(f) || best.last > MAX_FILE)
        return error_set(errp, "'%s': the VHDX log is for a file of %" PRIu64 " bytes, this one has %" PRIu64 ": it was cut off", name, best.flushed,
                         file_len(f));
    VhdxLog *l = g_new0(VhdxLog, 1);
    l->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    s.crc_left = (uint64_t)len * 2;
    Entry e = {0};
    for (uint32_t pos = best.tail; e.seq != best.seq; pos = (pos + e.len) % len) {
        if (!entry_at(&s, pos, &e) || !apply(l, ring + pos, &e)) {
            vhdx_log_free(l);
            return error_set(errp, "'%s': the VHDX log is damaged: an entry reaches beyond the file's limits, or there are too many", name);
        }
    }
    if (best.last > file_len(f))
        f->len = best.last;
    *log = l;
    return true;
}

void vhdx_log_free(VhdxLog *l)
{
    if (!l)
        return;
    for (guint i = 0; i < l->pieces->len; i++)
        g_free(g_array_index(l->pieces, Piece, i).data);
    g_array_unref(l->pieces);
    g_free(l);
}

void vhdx_log_patch(const VhdxLog *l, uint64_t offset, void *buf, size_t len)
{
    if (!l)
        return;
    for (guint i = piece_after(l->pieces, offset); i < l->pieces->len; i++) {
        const Piece *p = &g_array_index(l->pieces, Piece, i);
        if (p->start >= offset + len)
            return;
        uint64_t from = MAX(p->start, offset), to = MIN(p->end, offset + len);
        if (p->data)
            memcpy((uint8_t *)buf + (from - offset), p->data + (from - p->start), to - from);
        else
            memset((uint8_t *)buf + (from - offset), 0, to - from);
    }
}

void vhdx_log_map(const VhdxLog *l, ReaderRun *run)
{
    guint i = l ? piece_after(l->pieces, run->host) : 0;
    if (!l || i >= l->pieces->len)
        return;
    const Piece *p = &g_array_index(l->pieces, Piece, i);
    if (p->start > run->host) {
        run->len = MIN(run->len, p->start - run->host);
        return;
    }
    run->len = MIN(run->len, p->end - run->host);
    run->kind = p->data ? RUN_MEMORY : RUN_ZERO;
    run->memory = p->data ? p->data + (run->host - p->start) : NULL;
}
