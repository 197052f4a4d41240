/* fuzz-vvfat.c - folders of any shape as FAT disks (fat:DIR), read and written at random while the folder changes
 *   fuzz-vvfat [--seed N] [--count N | --seconds N]
 * Spec: Microsoft, FAT32 File System Specification 1.03. A reader of this program's own walks the disk that was made: every entry of
 * the folder is there once, short names are unique, chains are as long as the sizes say, end, and share no cluster.
 * Wrong is: a crash, a hang, bytes outside of the buffer of a read, a disk that breaks these rules. A folder that is refused is fine. */
#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "host/block/block-int.h"
#include "host/block/blkopts.h"
#include "softmmu/bql.h"
#include "tests/fuzz/fuzz.h"
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

enum { GUARD = 64, SECT = 512 };
static char *top;
static unsigned made;   /* files and folders that the disk must show */
static bool changed;    /* the folder is no longer what was opened */

/* ---- folders ---- */

static char *odd_name(void)
{
    static const char *const parts[] = {"a", "A", "b.c", ".", "..x", " ", "~1", "~", "LONGNAME", "x.tar.gz", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xff",
        "\xc3", "\n", "\x7f", "*?", "CON", "AUX.TXT", "NAMEisfarlongerthaneight", "_", "%", "\\", ":", "\"", ".hidden", "ends.", "12345678.123", "abcdefgh", "\xe5"};
    g_autoptr(GString) s = g_string_new(NULL);
    unsigned long_one = !below(30);
    for (unsigned n = 1 + below(4) + long_one * 200; n && s->len < 240; n--)
        if (below(4))
            g_string_append(s, parts[below(ARRAY_SIZE(parts))]);
        else
            g_string_append_printf(s, "%u", below(200));
    if (!s->len || g_str_equal(s->str, ".") || g_str_equal(s->str, ".."))
        g_string_append_c(s, 'n');
    return g_strndup(s->str, 255);
}

static void make_file(const char *path)
{
    static const uint64_t sizes[] = {0, 1, 511, 512, 513, 8191, 8192, 8193, 65536, 1 << 20, 20 << 20, 400u << 20, UINT32_MAX, 1ULL << 32};
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, below(20) ? 0600 : 0);
    if (fd < 0)
        return;
    uint8_t b[700];
    for (unsigned i = 0; i < sizeof b; i++)
        b[i] = (uint8_t)(i + strlen(path));
    if (write(fd, b, below(sizeof b)) < 0 || (!below(4) && ftruncate(fd, (off_t)sizes[below(below(12) ? 10 : ARRAY_SIZE(sizes))]) < 0))
        g_assert_not_reached();
    close(fd);
    made++;
}

static void fill(const char *dir, unsigned depth, unsigned *budget)
{
    unsigned n = below(8) ? below(12) : below(300);
    for (unsigned i = 0; i < n && *budget; i++) {
        (*budget)--;
        g_autofree char *name = odd_name(), *path = g_build_filename(dir, name, NULL);
        switch (below(12)) {
        case 0:
        case 1:
            if (mkdir(path, 0700) == 0) {
                made++;
                fill(path, depth + 1, budget);
            }
            break;
        case 2:
            if (symlink(below(2) ? "." : below(2) ? "/etc/passwd" : "nowhere", path) == 0) { /* one of three is a file */
                struct stat st;
                made += stat(path, &st) == 0 && S_ISREG(st.st_mode);
            }
            break;
        case 3:
            (void)!mkfifo(path, 0600);
            break;
        default:
            make_file(path);
            break;
        }
    }
}

/* Folders in folders, up to beyond what is allowed. */
static void fill_deep(void)
{
    g_autoptr(GString) path = g_string_new(top);
    for (unsigned n = below(70); n; n--) {
        g_string_append(path, "/d");
        if (mkdir(path->str, 0700) < 0)
            return;
        made++;
    }
}

static void remove_tree(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        GDir *d = g_dir_open(path, 0, NULL);
        for (const char *name; d && (name = g_dir_read_name(d));) {
            g_autofree char *sub = g_build_filename(path, name, NULL);
            remove_tree(sub);
        }
        if (d)
            g_dir_close(d);
    }
    g_remove(path);
}

/* What a user does meanwhile. */
static void change_folder(void)
{
    GDir *d = g_dir_open(top, 0, NULL);
    const char *name = NULL;
    for (unsigned n = 1 + below(5); d && n; n--)
        name = g_dir_read_name(d);
    g_autofree char *path = name ? g_build_filename(top, name, NULL) : NULL;
    if (d)
        g_dir_close(d);
    changed = true;
    if (!path)
        return;
    switch (below(4)) {
    case 0: remove_tree(path); break;
    case 1: remove_tree(path); (void)!mkdir(path, 0700); break;
    case 2: remove_tree(path); (void)!mkfifo(path, 0600); break;
    default: (void)!truncate(path, below(100000)); break;
    }
}

/* ---- a reader of FAT ---- */

typedef struct Fat {
    BlockImage *img;
    uint64_t start, data, clusters;
    unsigned bits, spc, entries;
    uint8_t *fat, *seen;
    uint64_t fat_bytes;
} Fat;

static uint32_t fat_next(const Fat *f, uint32_t c)
{
    g_assert_cmpuint((uint64_t)c * f->bits / 8 + 4, <=, f->fat_bytes + 4);
    if (f->bits == 32)
        return ldl32(f->fat + c * 4) & 0x0fffffff;
    if (f->bits == 16)
        return ldl16(f->fat + c * 2);
    uint16_t v = ldl16(f->fat + c * 3 / 2);
    return c & 1 ? v >> 4 : v & 0xfff;
}

static bool fat_is_end(const Fat *f, uint32_t v) { return v >= (0x0ffffff8u & (uint32_t)MASK64(f->bits)); }

/* The clusters from c on, of which none was seen before; keep: their bytes. */
static uint64_t chain(Fat *f, uint32_t c, GByteArray *keep)
{
    uint64_t n = 0, size = f->spc * SECT;
    for (;; c = fat_next(f, c), n++) {
        if (fat_is_end(f, c))
            return n;
        g_assert_cmpuint(c, >=, 2);
        g_assert_cmpuint(c - 2, <, f->clusters);
        g_assert_cmpuint(f->seen[c], ==, 0);
        f->seen[c] = 1;
        if (keep) {
            g_byte_array_set_size(keep, (guint)(keep->len + size));
            g_assert_cmpint(block_pread(f->img, f->data + (c - 2) * size, keep->data + keep->len - size, size), ==, 0);
        }
    }
}

static void walk(Fat *f, const uint8_t *dir, size_t len, bool root)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    unsigned parts = 0;
    for (const uint8_t *e = dir; e < dir + len && e[0]; e += 32) {
        if (e[11] == 0x0f) { /* a part of a long name: they count down to one */
            unsigned n = e[0] & 0x3f;
            g_assert_true(e[0] & 0x40 ? n && n <= 20 && !parts : n + 1 == parts);
            parts = n;
            continue;
        }
        g_assert_cmpuint(parts, <=, 1);
        parts = 0;
        uint32_t c = ldl16(e + 26) | (uint32_t)ldl16(e + 20) << 16, size = ldl32(e + 28);
        if (e[11] & 8) {
            g_assert_true(root && e == dir);
            continue;
        }
        g_assert_true(g_hash_table_add(names, g_strndup((const char *)e, 11)));
        g_assert_cmpuint(e[0], !=, 0xe5); /* else the entry is a deleted one */
        if (e[0] == '.') {
            g_assert_false(root);
            continue;
        }
        f->entries++;
        if (e[11] & 0x10) {
            g_autoptr(GByteArray) sub = g_byte_array_new();
            chain(f, c, sub);
            g_assert_cmpuint(sub->len, >=, 64);
            walk(f, sub->data, sub->len, false);
        } else if (size) {
            g_assert_cmpuint(chain(f, c, NULL), ==, ((uint64_t)size + f->spc * SECT - 1) / (f->spc * SECT));
        } else {
            g_assert_cmpuint(c, ==, 0);
        }
    }
    g_assert_cmpuint(parts, ==, 0);
}

static void verify(BlockImage *img)
{
    uint8_t b[SECT];
    Fat f = {.img = img};
    g_assert_cmpint(block_pread(img, 0, b, SECT), ==, 0);
    g_assert_cmpuint(ldl16(b + 510), ==, 0xaa55);
    if (b[0] != 0xeb) {
        f.start = ldl32(b + 446 + 8) * (uint64_t)SECT;
        g_assert_cmpint(block_pread(img, f.start, b, SECT), ==, 0);
    }
    uint64_t fat_sectors = ldl16(b + 22) ? ldl16(b + 22) : ldl32(b + 36), reserved = ldl16(b + 14), roots = ldl16(b + 17) * 32;
    uint64_t total = ldl16(b + 19) ? ldl16(b + 19) : ldl32(b + 32), root_at = f.start + (reserved + 2 * fat_sectors) * SECT;
    f.spc = b[13];
    f.data = root_at + roots;
    f.clusters = (total - (f.data - f.start) / SECT) / f.spc;
    f.bits = f.clusters < 4085 ? 12 : f.clusters < 65525 ? 16 : 32;
    g_assert_cmpuint(f.start / SECT + total, ==, block_length(img) / SECT);
    f.fat_bytes = fat_sectors * SECT;
    g_assert_cmpuint((f.clusters + 2) * f.bits, <=, f.fat_bytes * 8);
    f.fat = g_malloc(f.fat_bytes + 4);
    f.seen = g_malloc0(f.clusters + 2);
    g_assert_cmpint(block_pread(img, f.start + reserved * SECT, f.fat, f.fat_bytes), ==, 0);
    g_autoptr(GByteArray) root = g_byte_array_new();
    if (roots) {
        g_byte_array_set_size(root, (guint)roots);
        g_assert_cmpint(block_pread(img, root_at, root->data, roots), ==, 0);
    } else {
        chain(&f, ldl32(b + 44), root);
    }
    walk(&f, root->data, root->len, true);
    g_assert_cmpuint(f.entries, ==, made);
    g_free(f.fat);
    g_free(f.seen);
}

/* ---- the guest ---- */

static void use(BlockImage *img)
{
    enum { MAX_IO = 300000 };
    g_autofree uint8_t *buf = g_malloc0(MAX_IO + GUARD), *again = g_malloc(MAX_IO);
    uint64_t len = block_length(img);
    for (unsigned i = 0; i < 30; i++) {
        uint64_t at = below(3) ? below(4 << 20) % len : (((uint64_t)g_rand_int(rnd) << 32 | g_rand_int(rnd)) >> below(64)) % (len + 1);
        size_t n = 1 + below(below(3) ? 4000 : MAX_IO - 1);
        if (!below(12))
            change_folder();
        if (!below(4) && !block_read_only(img)) {
            n = MIN(n, len - at);
            for (size_t k = 0; k < n; k++)
                buf[k] = (uint8_t)(k + i);
            int ret = 0;
            switch (below(4)) {
            case 0: ret = block_write_zeroes(img, at, n, below(2)); memset(buf, 0, n); break;
            case 1: g_assert_cmpint(block_discard(img, at, n), ==, 0); continue;
            default: ret = block_pwrite(img, at, buf, n); break;
            }
            ret = ret ? ret : block_pread(img, at, again, n);
            g_assert_true(ret == 0 || changed || ret == -EACCES); /* the rest of the block may lie in a file that is gone */
            g_assert_true(ret || !memcmp(buf, again, n));
            continue;
        }
        memset(buf + n, 0xa5, GUARD);
        int ret = block_pread(img, at, buf, n); /* a file may be gone or unreadable */
        g_assert_true(ret == 0 || ret == -ENOENT || ret == -EACCES || ret == -EISDIR || ret == -ELOOP || ret == -ESPIPE || ret == -ENOTDIR || ret == -ENXIO);
        for (unsigned k = 0; k < GUARD; k++)
            g_assert_cmpuint(buf[n + k], ==, 0xa5);
        BlockStatus st;
        if (at < len) {
            g_assert_cmpint(block_status(img, at, len - at, &st), ==, 0);
            g_assert_true(st.len > 0 && st.len <= len - at);
        }
    }
}

static void one_case(void)
{
    static const char *const types[] = {"12", "16", "32", "0", "8"}, *const labels[] = {"A", "ELEVEN CHAR", "twelve chars", "", "\xe5\xc3"};
    unsigned budget = below(4) ? 60 : 700;
    BlockOptions *o = blkopts_new();
    GError *err = NULL;
    made = 0;
    changed = false;
    remove_tree(top);
    g_assert_cmpint(mkdir(top, 0700), ==, 0);
    if (below(8))
        fill(top, 0, &budget);
    else
        fill_deep();
    blkopts_set(o, "file.driver", "vvfat");
    blkopts_set(o, "file.dir", top);
    if (below(2))
        blkopts_set(o, "file.fat-type", types[below(below(6) ? 3 : 5)]);
    if (!below(3))
        blkopts_set(o, "file.floppy", "on");
    if (!below(4))
        blkopts_set(o, "file.label", labels[below(ARRAY_SIZE(labels))]);
    bool rw = below(2);
    if (rw)
        blkopts_set(o, "file.rw", "on");
    BlockOpenOpts opts = {.options = o, .format = below(4) ? "raw" : NULL, .auto_read_only = true, .lock = true, .read_only = !rw, .discard_unmap = below(2)};
    BlockImage *img = block_open(&opts, &err);
    if (img) {
        verify(img);
        use(img);
        if (!changed && block_read_only(img))
            verify(img);
        block_close(img);
    } else {
        g_assert_nonnull(err);
        g_error_free(err);
    }
    blkopts_free(o);
}

int main(int argc, char **argv)
{
    if (!g_getenv("FUZZ_STDERR")) { /* a warning for each disk that may be written */
        int fd = open("/dev/null", O_WRONLY);
        dup2(fd, 2);
        close(fd);
    }
    top = g_strdup_printf("%s/vireo-fuzz-fat-%d", g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : "/tmp", (int)getpid());
    bql_lock();
    int r = fuzz_main("fuzz-vvfat", argc, argv, one_case);
    bql_unlock();
    remove_tree(top);
    g_free(top);
    return r;
}
