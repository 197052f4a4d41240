/* test-readers.c - the read-only formats: images made here are read byte by byte, wrong ones are refused. */
#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "host/block/block.h"
#include "tests/lib/image-make.h"
#include <glib/gstdio.h>

static char *dir;
enum { DISK = (3 << 20) + 512 * 7 };

/* Data with empty stretches of all sizes. */
static uint8_t *make_disk(void)
{
    GRand *r = g_rand_new_with_seed(7);
    uint8_t *d = g_malloc0(DISK);
    for (int i = 0; i < 12; i++) {
        size_t at = (size_t)g_rand_int_range(r, 0, DISK - 90000), n = (size_t)g_rand_int_range(r, 1, 90000);
        for (size_t k = 0; k < n; k++)
            d[at + k] = (uint8_t)(g_rand_int(r) >> (i % 3 ? 0 : 31)); /* some of it compresses well */
    }
    d[DISK - 1] = 0x55;
    g_rand_free(r);
    return d;
}

static char *store(const char *name, const void *p, size_t n)
{
    char *path = g_build_filename(dir, name, NULL);
    g_assert_true(g_file_set_contents(path, p, (gssize)n, NULL));
    return path;
}

static BlockImage *open_ro(const char *path, const char *format, GError **errp)
{
    BlockOpenOpts o = {.filename = path, .format = format, .read_only = true, .lock = true};
    return block_open(&o, errp);
}

static void check_content(const char *path, const char *probed, const uint8_t *disk)
{
    GError *err = NULL;
    BlockImage *img = open_ro(path, NULL, &err);
    g_assert_no_error(err);
    g_assert_cmpstr(block_format(img), ==, probed);
    if (g_str_equal(probed, "raw")) { /* a fixed VHD looks like a raw image from its start */
        block_close(img);
        img = open_ro(path, "vpc", &err);
        g_assert_no_error(err);
    }
    g_assert_cmpuint(block_length(img), ==, DISK);
    g_autofree uint8_t *buf = g_malloc(DISK);
    g_assert_cmpint(block_pread(img, 0, buf, DISK), ==, 0);
    g_assert_cmpmem(buf, DISK, disk, DISK);
    GRand *r = g_rand_new_with_seed(8);
    for (int i = 0; i < 300; i++) {
        size_t at = (size_t)g_rand_int_range(r, 0, DISK - 1), n = (size_t)g_rand_int_range(r, 1, 200000);
        n = MIN(n, DISK - at);
        g_assert_cmpint(block_pread(img, at, buf, n), ==, 0);
        g_assert_cmpmem(buf, n, disk + at, n);
    }
    g_rand_free(r);
    for (uint64_t at = 0; at < DISK;) { /* what is said to be zero is zero, and the steps cover the disk */
        BlockStatus st;
        g_assert_cmpint(block_status(img, at, DISK - at, &st), ==, 0);
        g_assert_cmpuint(st.len, >, 0);
        for (uint64_t k = 0; st.zero && k < st.len; k++)
            g_assert_cmpuint(disk[at + k], ==, 0);
        at += st.len;
    }
    g_assert_cmpint(block_pwrite(img, 0, buf, 512), ==, -EROFS);
    block_close(img);
}

static void test_content(void)
{
    g_autofree uint8_t *disk = make_disk();
    struct { const char *name, *format; GByteArray *a; } t[] = {
        {"a.vdi", "vdi", make_vdi(disk, DISK, 1 << 20, false)}, {"b.vdi", "vdi", make_vdi(disk, DISK, 64 << 10, true)},
        {"a.vhd", "vpc", make_vpc(disk, DISK, true)}, {"b.vhd", "raw", make_vpc(disk, DISK, false)},
        {"a.vhdx", "vhdx", make_vhdx(disk, DISK, 512, false)}, {"b.vhdx", "vhdx", make_vhdx(disk, DISK, 512, true)},
        {"a.vmdk", "vmdk", make_vmdk(disk, DISK, false)}, {"b.vmdk", "vmdk", make_vmdk(disk, DISK, true)}};
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        g_test_message("%s", t[i].name);
        g_autofree char *path = store(t[i].name, t[i].a->data, t[i].a->len);
        check_content(path, t[i].format, disk);
        g_byte_array_unref(t[i].a);
    }
}

/* Descriptors: one flat file in two pieces, an extent of zeros. */
static void test_vmdk_extents(void)
{
    g_autofree uint8_t *disk = make_disk();
    memset(disk + (1 << 20), 0, 1 << 20);
    g_autofree char *flat = store("x-flat.vmdk", disk, DISK);
    g_autofree char *text = g_strdup_printf("# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\ncreateType=\"custom\"\n"
        "RW 2048 FLAT \"x-flat.vmdk\" 0\r\nRW 2048 ZERO\nRDONLY %d FLAT \"x-flat.vmdk\" 4096\n", DISK / 512 - 4096);
    g_autofree char *path = store("x.vmdk", text, strlen(text));
    check_content(path, "vmdk", disk);
}

static void expect(const char *name, const void *p, size_t n, const char *format, const char *text)
{
    GError *err = NULL;
    g_autofree char *path = store(name, p, n);
    g_assert_null(open_ro(path, format, &err));
    if (!strstr(err->message, text))
        g_error("%s: '%s' does not have '%s'", name, err->message, text);
    g_assert_nonnull(strstr(err->message, name));
    g_assert_null(strchr(err->message, '\n'));
    g_clear_error(&err);
}

static void test_refused(void)
{
    g_autofree uint8_t *disk = make_disk();
    GByteArray *a = make_vdi(disk, DISK, 1 << 20, false);
    stl32(a->data + 68, 0x10000);
    expect("r.vdi", a->data, a->len, NULL, "version 1.0");
    stl32(a->data + 68, 0x10001);
    a->data[440] = 1;
    expect("r.vdi", a->data, a->len, NULL, "parent");
    a->data[440] = 0;
    stl32(a->data + 384, 0x7fffffff);
    expect("r.vdi", a->data, a->len, NULL, "block map");
    expect("r.vdi", a->data, 300, "vdi", "not within the file");
    g_byte_array_unref(a);

    a = make_vpc(disk, DISK, true);
    stb32(a->data + 60, 4);
    expect("r.vhd", a->data, a->len, NULL, "differencing");
    stb32(a->data + 60, 3);
    stb32(a->data + 512 + 28, 1);
    expect("r.vhd", a->data, a->len, NULL, "table too small");
    stb64(a->data + 16, INT64_MAX);
    expect("r.vhd", a->data, a->len, NULL, "not within the file");
    expect("r.vhd", disk, 4096, "vpc", "no footer");
    g_byte_array_unref(a);

    a = make_vhdx(disk, DISK, 512, false);
    memset(a->data + (128 << 10) + 48, 0xab, 16); /* a log in use ... */
    memcpy(a->data + (1 << 20), "loge", 4);
    memset(a->data + (1 << 20) + 32, 0xab, 16);
    fix_vhdx(a->data, a->len);
    expect("r.vhdx", a->data, a->len, NULL, "no complete sequence");
    memset(a->data + (1 << 20) + 32, 0xac, 16); /* ... and one that is left over */
    g_autofree char *path = store("l.vhdx", a->data, a->len);
    check_content(path, "vhdx", disk);
    stl32(a->data + (2 << 20) + 65540, 2);
    expect("r.vhdx", a->data, a->len, NULL, "differencing");
    a->data[65536 + 100] ^= 1;
    a->data[131072 + 100] ^= 1;
    expect("r.vhdx", a->data, a->len, NULL, "No valid VHDX header");
    g_byte_array_unref(a);

    a = make_vmdk(disk, DISK, false);
    a->data[73] = '\r';
    expect("r.vmdk", a->data, a->len, NULL, "check bytes");
    a->data[73] = '\n';
    stl64(a->data + 20, 3);
    expect("r.vmdk", a->data, a->len, NULL, "granularity");
    memcpy(a->data, "COWD", 4);
    expect("r.vmdk", a->data, a->len, NULL, "COWD");
    g_byte_array_unref(a);
    static const char missing[] = "# Disk DescriptorFile\ncreateType=\"monolithicFlat\"\nRW 8 FLAT \"nowhere-flat.vmdk\" 0\n";
    expect("m.vmdk", missing, strlen(missing), NULL, "nowhere-flat.vmdk");
    static const char none[] = "# Disk DescriptorFile\ncreateType=\"fullDevice\"\n";
    expect("n.vmdk", none, strlen(none), NULL, "Unsupported image type 'fullDevice'");
}

/* qemu-img, where there is one, replays the log of a copy to the same content. */
static void check_qemu_replay(const char *path, const uint8_t *disk)
{
    g_autofree char *tool = g_find_program_in_path("qemu-img"), *out = NULL;
    if (!tool)
        return;
    g_autofree char *cmd = g_strdup_printf("sh -c 'cp %s %s.q && qemu-img check -q -r all %s.q; qemu-img convert -O raw %s.q %s.raw'", path, path, path,
                                           path, path);
    g_autofree char *raw = g_strconcat(path, ".raw", NULL);
    gsize n = 0;
    int status;
    g_assert_true(g_spawn_command_line_sync(cmd, NULL, NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);
    g_assert_true(g_file_get_contents(raw, &out, &n, NULL));
    g_assert_cmpuint(n, >=, DISK);
    g_assert_cmpmem(out, DISK, disk, DISK);
}

/* What an image lacks is in its log: tables and data, in entries that wrap around the ring; older ones are before and after. */
enum { RING = 1 << 20 };
static void vhdx_log_at(uint32_t pos, bool qemu)
{
    enum { META = 2 << 20, BAT = 3 << 20, DATA = 4 << 20 };
    g_autofree uint8_t *disk = make_disk();
    memset(disk + 65536, 0, 16384);
    GByteArray *a = make_vhdx(disk, DISK, 512, true);
    g_autofree uint8_t *right = g_memdup2(a->data, a->len), *wrong = g_memdup2(a->data, a->len);
    const uint64_t first[] = {META, BAT, DATA + 4096, DATA + 8192, DATA + 65536}, second[] = {DATA + 8192, DATA + (2 << 20)};
    uint32_t tail = pos;
    for (size_t i = 0; i < ARRAY_SIZE(first); i++)
        memset(a->data + first[i], 0x77, 4096);
    memset(a->data + DATA + 65536, 0x78, 16384);
    memset(a->data + DATA + (2 << 20), 0x79, 4096);
    memset(wrong + DATA + 8192, 0x55, 4096);
    memcpy(wrong + DATA + 65536, right + DATA, 4096);
    vhdx_log_entry(a, &pos, 77, tail, first, ARRAY_SIZE(first), wrong, 0, 0);
    uint32_t head = pos;
    vhdx_log_entry(a, &pos, 78, tail, second, ARRAY_SIZE(second), right, DATA + 65536, 16384);
    uint32_t end = pos;
    uint32_t old = 512 << 10; /* left over, with a lower number */
    vhdx_log_entry(a, &old, 5, 512 << 10, first, 1, wrong + 4096, 0, 0);
    g_autofree char *path = store("log.vhdx", a->data, a->len);
    check_content(path, "vhdx", disk);
    /* The file itself stays as it is. */
    g_autofree char *now = NULL;
    gsize n;
    g_assert_true(g_file_get_contents(path, &now, &n, NULL));
    g_assert_cmpmem(now, n, a->data, a->len);
    if (qemu)
        check_qemu_replay(path, disk);
    /* An entry that was begun and not finished changes nothing. */
    g_autofree uint8_t *before = g_memdup2(a->data, a->len);
    vhdx_log_entry(a, &pos, 79, tail, second, 1, wrong, 0, 0);
    a->data[(1 << 20) + end + 5000] ^= 1;
    g_autofree char *torn = store("torn.vhdx", a->data, a->len);
    check_content(torn, "vhdx", disk);
    /* The head's tail is no entry of the run; the file is shorter than when the log was written. */
    memcpy(a->data, before, a->len);
    stl32(a->data + (1 << 20) + head + 12, 4096 * 7);
    memset(a->data + (1 << 20) + (512 << 10), 0, 64);
    fix_vhdx(a->data, a->len);
    stl32(a->data + (1 << 20) + tail + 12, 4096 * 7);
    fix_vhdx(a->data, a->len);
    expect("tail.vhdx", a->data, a->len, NULL, "no complete sequence");
    expect("cut.vhdx", before, a->len - 4096, NULL, "it was cut off");
    g_byte_array_unref(a);
}

static void test_vhdx_log(void)
{
    vhdx_log_at(65536, true);
    vhdx_log_at(RING - 65536, true);
    vhdx_log_at(RING - 24576, false);
    vhdx_log_at(RING - 16384, false); /* an entry in two pieces: qemu 7.2 refuses it, the specification does not */
}

/* A reader's format cannot be opened for writing; with auto_read_only it falls back. */
static void test_writing(void)
{
    g_autofree uint8_t *disk = make_disk();
    GByteArray *a = make_vdi(disk, DISK, 1 << 20, false);
    g_autofree char *path = store("w.vdi", a->data, a->len);
    GError *err = NULL;
    BlockOpenOpts o = {.filename = path, .lock = true};
    g_assert_null(block_open(&o, &err));
    g_assert_nonnull(strstr(err->message, "only reads images of format 'vdi'"));
    g_clear_error(&err);
    o.auto_read_only = true;
    BlockImage *img = block_open(&o, &err);
    g_assert_no_error(err);
    g_assert_true(block_read_only(img));
    block_close(img);
    o = (BlockOpenOpts){.filename = path, .snapshot = true};
    img = block_open(&o, &err);
    g_assert_no_error(err);
    uint8_t buf[512];
    g_assert_cmpint(block_pwrite(img, 512, "hello", 5), ==, 0);
    g_assert_cmpint(block_pread(img, 512, buf, 512), ==, 0);
    g_assert_cmpmem(buf, 5, "hello", 5);
    g_assert_cmpmem(buf + 5, 507, disk + 517, 507);
    block_close(img);
    g_byte_array_unref(a);
}

/* The same by a json: name. */
static void test_json(void)
{
    g_autofree uint8_t *disk = make_disk();
    GByteArray *a = make_vmdk(disk, DISK, true);
    g_autofree char *path = store("base.vmdk", a->data, a->len);
    g_byte_array_unref(a);
    g_autofree char *json = g_strdup_printf("json:{\"driver\": \"vmdk\", \"file\": {\"driver\": \"file\", \"filename\": \"%s\"}}", path);
    GError *err = NULL;
    BlockImage *img = open_ro(json, NULL, &err);
    g_assert_no_error(err);
    g_assert_cmpstr(block_format(img), ==, "vmdk");
    g_assert_cmpstr(block_filename(img), ==, path);
    block_close(img);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("vireo-readers-XXXXXX", NULL);
    g_test_add_func("/host/block/readers/content", test_content);
    g_test_add_func("/host/block/readers/vmdk-extents", test_vmdk_extents);
    g_test_add_func("/host/block/readers/refused", test_refused);
    g_test_add_func("/host/block/readers/vhdx-log", test_vhdx_log);
    g_test_add_func("/host/block/readers/writing", test_writing);
    g_test_add_func("/host/block/readers/json", test_json);
    int ret = g_test_run();
    g_autofree char *cmd = g_strdup_printf("rm -rf '%s'", dir);
    if (system(cmd))
        return 1;
    return ret;
}
