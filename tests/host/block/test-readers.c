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
    expect("r.vhdx", a->data, a->len, NULL, "log that needs to be replayed");
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
    g_test_add_func("/host/block/readers/writing", test_writing);
    g_test_add_func("/host/block/readers/json", test_json);
    int ret = g_test_run();
    g_autofree char *cmd = g_strdup_printf("rm -rf '%s'", dir);
    if (system(cmd))
        return 1;
    return ret;
}
