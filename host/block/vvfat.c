/* vvfat.c - a folder of the host as a FAT disk (-drive file=fat:DIR), see vvfat.h
 * Spec: Microsoft, FAT32 File System Specification 1.03 (boot sector, FATs, directories, long names); the sizes of disks and
 * floppies as qemu's driver of this name has them. The clusters of a folder or file follow each other, so that the FAT
 * needs no thought: chains are runs.
 * The names are those at the time of opening; contents are read when the guest reads them. Symbolic links to files are
 * followed, to folders are not (they could lead round in a circle); sockets, pipes and devices are left out.
 * Not modelled: writing into the folder. fat:rw: puts a temporary overlay over the disk (block.c). */
#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "host/block/vvfat.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

enum { SECT = 512, ENTRY = 32, LFN_CHARS = 13, MAX_LFN = 255, MAX_DEPTH = 64 };
enum { ATTR_VOLUME = 0x08, ATTR_DIR = 0x10, ATTR_ARCHIVE = 0x20, ATTR_LFN = 0x0f };

typedef struct Node Node;
struct Node {
    char *path;            /* on the host */
    gunichar2 *lname;      /* NULL: the short name says it all */
    unsigned lname_len;
    uint8_t sname[11];
    bool is_dir;
    uint64_t size;
    time_t mtime;
    Node *parent;
    GPtrArray *kids;       /* of Node; a folder's */
    GHashTable *snames;    /* char * of 11: those that are taken; while scanning */
    uint32_t first, count; /* clusters */
    uint8_t *data;         /* a folder's clusters */
};

struct Vvfat {
    unsigned bits, spc;               /* of a FAT entry; sectors per cluster */
    uint64_t sectors, start;          /* of the disk; where the volume begins */
    uint32_t reserved, fat_sectors, root_sectors, clusters, used;
    unsigned heads, spt, cyls;
    bool floppy;
    Node *root;
    GPtrArray *runs;                  /* of Node, by cluster */
    uint8_t *head;                    /* from sector 0 to the first cluster */
    uint64_t head_bytes;
    GMutex lock;                      /* of what follows */
    const Node *open;                 /* whose descriptor fd is */
    int fd;
};

/* ---- names ---- */

static bool short_char(char c) { return g_ascii_isalnum(c) || (c && strchr("!#$%&'()-@^_`{}~", c)); }

/* NAME.EXT in eleven characters; false: something was lost or changed other than upper case. */
static bool make_sname(const char *name, uint8_t out[11], bool *upper)
{
    const char *dot = strrchr(name, '.');
    bool exact = true;
    unsigned n = 0, e = 0;
    if (dot == name)
        dot = NULL;
    memset(out, ' ', 11);
    *upper = false;
    for (const char *p = name; *p; p++) {
        bool ext = dot && p > dot;
        if (p == dot)
            continue;
        if (*p == ' ' || *p == '.') {
            exact = false;
            continue;
        }
        if ((ext ? e : n) == (ext ? 3 : 8)) {
            exact = false;
            continue;
        }
        exact &= short_char(*p);
        *upper |= g_ascii_islower(*p);
        out[ext ? 8 + e++ : n++] = short_char(*p) ? (uint8_t)g_ascii_toupper(*p) : '_';
    }
    if (!n)
        out[0] = '_';
    return exact && n && (!dot || e);
}

static bool take_sname(Node *dir, const uint8_t s[11])
{
    char *key = g_strndup((const char *)s, 11);
    return g_hash_table_add(dir->snames, key);
}

static void name_node(Node *dir, Node *n, const char *name)
{
    bool upper, exact = make_sname(name, n->sname, &upper), taken = exact && take_sname(dir, n->sname);
    if (taken && !upper)
        return;
    g_autofree char *valid = g_utf8_make_valid(name, -1);
    glong len = 0;
    n->lname = g_utf8_to_utf16(valid, -1, NULL, &len, NULL);
    n->lname_len = (unsigned)MIN(len, MAX_LFN);
    if (taken)
        return;
    /* Another one of that name, or a changed one: BASE~N. */
    for (unsigned i = 1;; i++) {
        char tail[12];
        int t = g_snprintf(tail, sizeof tail, "~%u", i), base = 0;
        uint8_t s[11];
        memcpy(s, n->sname, 11);
        while (base < 8 - t && s[base] != ' ')
            base++;
        memcpy(s + base, tail, (size_t)t);
        if (take_sname(dir, s)) {
            memcpy(n->sname, s, 11);
            return;
        }
    }
}

static unsigned entries_of(const Node *n) { return 1 + (n->lname ? (n->lname_len + LFN_CHARS - 1) / LFN_CHARS : 0); }

/* ---- the folder ---- */

static void node_free(Node *n)
{
    if (!n)
        return;
    if (n->kids)
        g_ptr_array_unref(n->kids);
    if (n->snames)
        g_hash_table_unref(n->snames);
    g_free(n->path);
    g_free(n->lname);
    g_free(n->data);
    g_free(n);
}

static Node *node_new(Node *parent, const char *path, const struct stat *st)
{
    Node *n = g_new0(Node, 1);
    *n = (Node){.path = g_strdup(path), .is_dir = S_ISDIR(st->st_mode), .size = S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size, .mtime = st->st_mtime,
                .parent = parent};
    if (n->is_dir) {
        n->kids = g_ptr_array_new_with_free_func((GDestroyNotify)node_free);
        n->snames = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    }
    return n;
}

static bool too_much(const Vvfat *v, GError **errp)
{
    return error_set(errp, "fat: the folder '%s' does not fit in FAT%u (capacity %.2f MB)", v->root->path, v->bits,
                     (double)v->clusters * v->spc * SECT / 1e6);
}

static bool give_clusters(Vvfat *v, Node *n, uint64_t bytes, GError **errp)
{
    uint64_t size = (uint64_t)v->spc * SECT, count = (bytes + size - 1) / size;
    if (count > v->clusters - v->used)
        return too_much(v, errp);
    n->count = (uint32_t)count;
    v->used += (uint32_t)count;
    return true;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool scan(Vvfat *v, Node *dir, unsigned depth, GError **errp)
{
    GError *err = NULL;
    GDir *d = g_dir_open(dir->path, 0, &err);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    uint64_t entries = depth ? 2 : 1;
    bool ok = true;
    if (!d || depth > MAX_DEPTH) {
        error_set(errp, "fat: could not read the folder '%s': %s", dir->path, d ? "nested too deeply" : err->message);
        g_clear_error(&err);
        if (d)
            g_dir_close(d);
        return false;
    }
    for (const char *name; (name = g_dir_read_name(d));)
        g_ptr_array_add(names, g_strdup(name));
    g_dir_close(d);
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i < names->len && ok; i++) {
        g_autofree char *path = g_build_filename(dir->path, names->pdata[i], NULL);
        struct stat st, link;
        if (lstat(path, &link) < 0 || stat(path, &st) < 0 || (S_ISLNK(link.st_mode) && S_ISDIR(st.st_mode)) ||
            (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)))
            continue;
        if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > UINT32_MAX) {
            ok = error_set(errp, "fat: '%s' is larger than 4 GiB - 1, the limit of FAT", path);
            break;
        }
        Node *n = node_new(dir, path, &st);
        name_node(dir, n, names->pdata[i]);
        g_ptr_array_add(dir->kids, n);
        entries += entries_of(n);
        ok = n->is_dir ? scan(v, n, depth + 1, errp) : give_clusters(v, n, n->size, errp);
    }
    if (!ok)
        return false;
    if (depth || v->bits == 32)
        return entries <= 65536 ? give_clusters(v, dir, entries * ENTRY, errp)
                                : error_set(errp, "fat: too many entries in the folder '%s'", dir->path);
    return entries * ENTRY <= (uint64_t)v->root_sectors * SECT ||
           error_set(errp, "fat: '%s' has too many entries for the root directory of FAT%u (%u)", dir->path, v->bits, v->root_sectors * SECT / ENTRY);
}

/* ---- tables ---- */

static void place(Vvfat *v, Node *n, uint32_t *next)
{
    if (n->count) {
        n->first = *next;
        *next += n->count;
        g_ptr_array_add(v->runs, n);
    }
    for (guint i = 0; n->kids && i < n->kids->len; i++)
        place(v, n->kids->pdata[i], next);
}

static void put_entry(const Vvfat *v, uint8_t *e, const uint8_t name[11], uint8_t attr, const Node *n, uint32_t cluster)
{
    struct tm tm = {.tm_year = 80, .tm_mday = 1};
    localtime_r(&n->mtime, &tm);
    if (tm.tm_year < 80 || tm.tm_year > 207)
        tm = (struct tm){.tm_year = 80, .tm_mday = 1};
    uint16_t t = (uint16_t)(tm.tm_hour << 11 | tm.tm_min << 5 | tm.tm_sec / 2), d = (uint16_t)((tm.tm_year - 80) << 9 | (tm.tm_mon + 1) << 5 | tm.tm_mday);
    memcpy(e, name, 11);
    e[11] = attr;
    stl16(e + 14, t);
    stl16(e + 16, d);
    stl16(e + 18, d);
    stl16(e + 20, v->bits == 32 ? (uint16_t)(cluster >> 16) : 0);
    stl16(e + 22, t);
    stl16(e + 24, d);
    stl16(e + 26, (uint16_t)cluster);
    stl32(e + 28, (uint32_t)n->size);
}

static uint8_t lfn_sum(const uint8_t s[11])
{
    uint8_t sum = 0;
    for (int i = 0; i < 11; i++)
        sum = (uint8_t)((sum >> 1 | sum << 7) + s[i]);
    return sum;
}

/* The long name's entries, last part first. */
static uint8_t *put_lname(uint8_t *e, const Node *n)
{
    static const uint8_t at[LFN_CHARS] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    unsigned parts = entries_of(n) - 1;
    for (unsigned p = parts; p; p--, e += ENTRY) {
        e[0] = (uint8_t)(p | (p == parts ? 0x40 : 0));
        e[11] = ATTR_LFN;
        e[13] = lfn_sum(n->sname);
        for (unsigned i = 0; i < LFN_CHARS; i++) {
            unsigned k = (p - 1) * LFN_CHARS + i;
            stl16(e + at[i], k < n->lname_len ? n->lname[k] : k == n->lname_len ? 0 : 0xffff);
        }
    }
    return e;
}

static void fill_dir(Vvfat *v, Node *dir, uint8_t *out, const uint8_t label[11])
{
    uint8_t *e = out;
    if (!dir->parent) {
        put_entry(v, e, label, ATTR_VOLUME, dir, 0);
        e += ENTRY;
    } else {
        put_entry(v, e, (const uint8_t *)".          ", ATTR_DIR, dir, dir->first);
        put_entry(v, e + ENTRY, (const uint8_t *)"..         ", ATTR_DIR, dir, dir->parent->parent ? dir->parent->first : 0);
        e += 2 * ENTRY;
    }
    for (guint i = 0; i < dir->kids->len; i++, e += ENTRY) {
        Node *n = dir->kids->pdata[i];
        e = put_lname(e, n);
        put_entry(v, e, n->sname, n->is_dir ? ATTR_DIR : ATTR_ARCHIVE, n, n->first);
        if (n->is_dir) {
            n->data = g_malloc0((size_t)n->count * v->spc * SECT);
            fill_dir(v, n, n->data, label);
        }
    }
}

static void fat_set(uint8_t *fat, unsigned bits, uint32_t cluster, uint32_t val)
{
    if (bits == 32) {
        stl32(fat + cluster * 4, val & 0x0fffffff);
    } else if (bits == 16) {
        stl16(fat + cluster * 2, (uint16_t)val);
    } else {
        uint8_t *p = fat + cluster * 3 / 2;
        uint16_t old = ldl16(p);
        stl16(p, cluster & 1 ? (uint16_t)((old & 0x000f) | (val & 0xfff) << 4) : (uint16_t)((old & 0xf000) | (val & 0xfff)));
    }
}

static void fill_boot(const Vvfat *v, uint8_t *b, const uint8_t label[11])
{
    uint64_t total = v->sectors - v->start;
    uint8_t *x = b + (v->bits == 32 ? 64 : 36);
    static const uint8_t halt[] = {0xfa, 0xf4, 0xeb, 0xfd}; /* nothing to boot here: cli; hlt; jmp back */
    b[0] = 0xeb;
    b[1] = v->bits == 32 ? 0x58 : 0x3c;
    b[2] = 0x90;
    memcpy(b + 3, "MSWIN4.1", 8);
    stl16(b + 11, SECT);
    b[13] = (uint8_t)v->spc;
    stl16(b + 14, (uint16_t)v->reserved);
    b[16] = 2;
    stl16(b + 17, (uint16_t)(v->root_sectors * SECT / ENTRY));
    stl16(b + 19, total < 65536 && v->bits != 32 ? (uint16_t)total : 0);
    b[21] = v->floppy ? 0xf0 : 0xf8;
    stl16(b + 22, v->bits == 32 ? 0 : (uint16_t)v->fat_sectors);
    stl16(b + 24, (uint16_t)v->spt);
    stl16(b + 26, (uint16_t)v->heads);
    stl32(b + 28, (uint32_t)v->start);
    stl32(b + 32, total < 65536 && v->bits != 32 ? 0 : (uint32_t)total);
    if (v->bits == 32) {
        stl32(b + 36, v->fat_sectors);
        stl32(b + 44, v->root->first);
        stl16(b + 48, 1);
        stl16(b + 50, 6);
    }
    x[0] = v->floppy ? 0 : 0x80;
    x[2] = 0x29;
    stl32(x + 3, 0xfabe1afd);
    memcpy(x + 7, label, 11);
    memcpy(x + 18, v->bits == 12 ? "FAT12   " : v->bits == 16 ? "FAT16   " : "FAT32   ", 8);
    memcpy(b + 2 + b[1], halt, sizeof halt);
    stl16(b + 510, 0xaa55);
}

static void put_chs(const Vvfat *v, uint8_t *p, uint64_t lba)
{
    uint64_t c = lba / (v->heads * v->spt), h = lba / v->spt % v->heads, s = lba % v->spt + 1;
    if (c > 1023) {
        c = 1023;
        h = v->heads - 1;
        s = v->spt;
    }
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(s | (c >> 2 & 0xc0));
    p[2] = (uint8_t)c;
}

static void fill_mbr(const Vvfat *v, uint8_t *m)
{
    uint8_t *p = m + 446;
    stl32(m + 440, 0xbe1afdfa);
    p[0] = 0x80;
    put_chs(v, p + 1, v->start);
    p[4] = v->bits == 12 ? 0x01 : v->bits == 16 ? 0x06 : 0x0c;
    put_chs(v, p + 5, v->sectors - 1);
    stl32(p + 8, (uint32_t)v->start);
    stl32(p + 12, (uint32_t)(v->sectors - v->start));
    stl16(m + 510, 0xaa55);
}

static void fill_head(Vvfat *v, const uint8_t label[11])
{
    uint8_t *b = v->head + v->start * SECT, *fat = b + (size_t)v->reserved * SECT;
    if (v->start)
        fill_mbr(v, v->head);
    fill_boot(v, b, label);
    if (v->bits == 32) {
        uint8_t *i = b + SECT;
        stl32(i, 0x41615252);
        stl32(i + 484, 0x61417272);
        stl32(i + 488, v->clusters - v->used);
        stl32(i + 492, 2 + v->used);
        stl16(i + 510, 0xaa55);
        memcpy(b + 6 * SECT, b, 2 * SECT);
    }
    fat_set(fat, v->bits, 0, 0x0fffff00 | b[21]);
    fat_set(fat, v->bits, 1, 0x0fffffff);
    for (guint r = 0; r < v->runs->len; r++) {
        const Node *n = v->runs->pdata[r];
        for (uint32_t i = 0; i < n->count; i++)
            fat_set(fat, v->bits, n->first + i, i + 1 < n->count ? n->first + i + 1 : 0x0fffffff);
    }
    memcpy(fat + (size_t)v->fat_sectors * SECT, fat, (size_t)v->fat_sectors * SECT);
    uint8_t *root = fat + 2 * (size_t)v->fat_sectors * SECT;
    if (v->bits == 32)
        root = v->root->data = g_malloc0((size_t)v->root->count * v->spc * SECT);
    fill_dir(v, v->root, root, label);
}

/* The sizes: of the disk, of the tables. */
static bool lay_out(Vvfat *v, const VvfatOpts *o, GError **errp)
{
    unsigned bits = o->fat_bits ? o->fat_bits : o->floppy ? 12 : 16;
    if (bits != 12 && bits != 16 && bits != 32)
        return error_set(errp, "fat: valid FAT types are only 12, 16 and 32");
    if (o->floppy && bits == 32)
        return error_set(errp, "fat: a floppy has FAT12 or FAT16");
    v->bits = bits;
    v->floppy = o->floppy;
    v->heads = o->floppy ? 2 : 16;
    v->spt = !o->floppy ? 63 : o->fat_bits == 12 ? 18 : 36;
    v->cyls = o->floppy ? 80 : bits == 12 ? 64 : bits == 16 ? 1024 : 16383; /* 1.44 or 2.88, 32, 504, 8064 MB */
    v->spc = o->floppy ? (o->fat_bits ? 1 : 2) : bits == 32 ? 8 : 16;
    v->start = o->floppy ? 0 : 63;
    v->sectors = (uint64_t)v->cyls * v->heads * v->spt;
    v->reserved = bits == 32 ? 32 : 1;
    v->root_sectors = bits == 32 ? 0 : o->floppy ? 14 : 32;
    uint64_t room = v->sectors - v->start - v->reserved - v->root_sectors;
    for (v->fat_sectors = 1;; v->fat_sectors++) {
        v->clusters = (uint32_t)((room - 2 * v->fat_sectors) / v->spc);
        if (((uint64_t)v->clusters + 2) * bits <= (uint64_t)v->fat_sectors * SECT * 8)
            break;
    }
    v->head_bytes = (v->start + v->reserved + 2 * v->fat_sectors + v->root_sectors) * SECT;
    return true;
}

Vvfat *vvfat_open(const VvfatOpts *o, GError **errp)
{
    Vvfat *v = g_new0(Vvfat, 1);
    uint8_t label[11];
    struct stat st;
    size_t n = o->label ? strlen(o->label) : 0;
    uint32_t next = 2;
    g_mutex_init(&v->lock);
    v->fd = -1;
    if (n > 11) {
        error_set(errp, "fat: label '%s' is longer than 11 characters", o->label);
        goto fail;
    }
    memcpy(label, "QEMU VVFAT ", 11);
    if (n) {
        memset(label, ' ', 11);
        memcpy(label, o->label, n);
    }
    if (stat(o->dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
        error_set_errno(errp, stat(o->dir, &st) < 0 ? errno : ENOTDIR, "fat: could not read the folder '%s'", o->dir);
        goto fail;
    }
    if (!lay_out(v, o, errp))
        goto fail;
    v->root = node_new(NULL, o->dir, &st);
    v->runs = g_ptr_array_new();
    if (!scan(v, v->root, 0, errp))
        goto fail;
    place(v, v->root, &next);
    v->head = g_malloc0(v->head_bytes);
    fill_head(v, label);
    return v;
fail:
    vvfat_free(v);
    return NULL;
}

void vvfat_free(Vvfat *v)
{
    if (!v)
        return;
    if (v->fd >= 0)
        close(v->fd);
    if (v->runs)
        g_ptr_array_unref(v->runs);
    node_free(v->root);
    g_free(v->head);
    g_mutex_clear(&v->lock);
    g_free(v);
}

uint64_t vvfat_length(const Vvfat *v) { return v->sectors * SECT; }

/* ---- reading ---- */

static int read_file(Vvfat *v, const Node *n, uint64_t at, uint8_t *buf, size_t len)
{
    int ret = 0;
    g_mutex_lock(&v->lock);
    if (v->open != n) {
        if (v->fd >= 0)
            close(v->fd);
        v->fd = open(n->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        v->open = v->fd >= 0 ? n : NULL;
        ret = v->fd < 0 ? -errno : 0;
    }
    while (len && !ret) {
        ssize_t r = pread(v->fd, buf, len, (off_t)at);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            ret = -errno;
        if (r <= 0)
            break;
        buf += r;
        at += (uint64_t)r;
        len -= (size_t)r;
    }
    g_mutex_unlock(&v->lock);
    memset(buf, 0, len);
    return ret;
}

/* The run that holds the byte (counted from the first cluster); runs follow each other without a gap, after the last one
 * (NULL) there is nothing. */
static const Node *run_at(const Vvfat *v, uint64_t at)
{
    uint64_t size = (uint64_t)v->spc * SECT, c = 2 + at / size;
    guint lo = 0, hi = v->runs->len;
    while (lo < hi) {
        guint mid = (lo + hi) / 2;
        const Node *n = v->runs->pdata[mid];
        if (n->first + n->count > c)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo < v->runs->len ? v->runs->pdata[lo] : NULL;
}

int vvfat_read(Vvfat *v, uint64_t offset, void *buf, size_t len)
{
    uint8_t *p = buf;
    int ret = 0;
    for (size_t n; len && !ret; p += n, offset += n, len -= n) {
        if (offset < v->head_bytes) {
            n = (size_t)MIN(len, v->head_bytes - offset);
            memcpy(p, v->head + offset, n);
            continue;
        }
        uint64_t at = offset - v->head_bytes;
        const Node *r = run_at(v, at);
        n = len;
        if (!r) {
            memset(p, 0, n);
            continue;
        }
        uint64_t size = (uint64_t)v->spc * SECT, in = at - (r->first - 2) * size;
        n = (size_t)MIN(len, r->count * size - in);
        if (r->is_dir) {
            memcpy(p, r->data + in, n);
        } else {
            size_t have = in < r->size ? (size_t)MIN(n, r->size - in) : 0;
            if (have)
                ret = read_file(v, r, in, p, have);
            memset(p + have, 0, n - have);
        }
    }
    return ret;
}

uint64_t vvfat_run(const Vvfat *v, uint64_t offset, uint64_t len, bool *zero)
{
    uint64_t end = v->head_bytes + (uint64_t)v->used * v->spc * SECT;
    *zero = offset >= end;
    return *zero ? len : MIN(len, end - offset);
}
