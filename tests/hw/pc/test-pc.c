/* test-pc.c - the board without a CPU: memory map, wiring, fw_cfg, firmware, monitor texts. */
#include "host/base/osdep.h"
#include "host/base/bitops.h"
#include "hw/bus/pci.h"
#include "hw/pc/pc.h"
#include "hw/pc/fw-cfg.h"
#include "hw/pc/pc-internal.h"
#include "softmmu/runstate.h"
#include "tests/lib/bus-harness.h"
#include <glib/gstdio.h>

static char *bios_dir;

static PcMachine *start(PcConfig *c)
{
    GError *err = NULL;
    PcMachine *pc;

    harness_start();
    if (!c->ram_size)
        c->ram_size = 64 * MiB;
    c->reboot_timeout_ms = c->boot_menu_timeout_ms = -1;
    c->acpi = c->hpet = c->pit = true;
    c->lib_dirs = bios_dir;
    pc = pc_create(c, &err);
    g_assert_no_error(err);
    return pc;
}

static void stop(PcMachine *pc)
{
    pc_free(pc);
    harness_stop();
}

static uint64_t fw_read(uint16_t key, uint8_t *buf, unsigned n)
{
    outw(0x510, key);
    for (unsigned i = 0; i < n; i++)
        buf[i] = inb(0x511);
    return 0;
}

/* key and size of a file, through the directory */
static bool fw_find(const char *name, uint16_t *key, uint32_t *size)
{
    uint8_t n[4], e[64];

    fw_read(0x19, n, 4);
    for (uint32_t i = 0; i < ldb32(n); i++) {
        for (unsigned k = 0; k < 64; k++)
            e[k] = inb(0x511);
        if (!strcmp((char *)e + 8, name)) {
            *size = ldb32(e);
            *key = ldb16(e + 4);
            return true;
        }
    }
    return false;
}

static void test_firmware(void)
{
    PcConfig c = {0};
    PcMachine *pc = start(&c);
    uint64_t rom = physmem_ld(&address_space_memory, 0xf0000, 1);

    g_assert_cmphex(rom, !=, 0x55);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xfffffff0, 1), ==, 0xea); /* far jump */
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xffff0, 1), ==, 0xea);
    physmem_st(&address_space_memory, 0xf0000, 1, 0x55); /* ROM */
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xf0000, 1), ==, rom);
    outl(0xcf8, 0x80000058); /* PAM0: f0000 is RAM */
    outb(0xcfd, 0x30);
    physmem_st(&address_space_memory, 0xf0000, 1, 0x55);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xf0000, 1), ==, 0x55);
    outb(0xcfd, 0x10); /* read-only RAM */
    physmem_st(&address_space_memory, 0xf0000, 1, 0x66);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xf0000, 1), ==, 0x55);
    outb(0xcfd, 0x20); /* reads ROM, writes RAM */
    physmem_st(&address_space_memory, 0xf0000, 4, 0x77665544);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xf0000, 1), ==, rom);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xffff0, 1), ==, 0xea);
    outb(0xcfd, 0x30);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xf0000, 4), ==, 0x77665544);
    device_reset_all();
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xffff0, 1), ==, 0xea);
    stop(pc);
}

static void test_fw_cfg(void)
{
    PcConfig c = {0};
    PcMachine *pc = start(&c);
    uint8_t b[16], *ram;
    uint16_t key = 0;
    uint32_t size = 0;
    uint64_t len = 4096;

    fw_read(0, b, 4);
    g_assert_cmpmem(b, 4, "QEMU", 4);
    fw_read(1, b, 4);
    g_assert_cmphex(ldl32(b), ==, 3);
    g_assert_true(fw_find("etc/e820", &key, &size));
    g_assert_cmpuint(size, ==, 20);
    g_assert_true(fw_find("etc/acpi/tables", &key, &size));
    /* DMA: select and read 16 bytes of it to 2000h */
    g_assert_cmphex(inl(0x514), ==, 0x554d4551); /* "QEMU" in memory order */
    ram = physmem_map(&address_space_memory, 0x1000, &len, true);
    stb32(ram, (uint32_t)key << 16 | 8 | 2);
    stb32(ram + 4, 16);
    stb64(ram + 8, 0x2000);
    outl(0x514, 0);
    outl(0x518, __builtin_bswap32(0x1000));
    g_assert_cmphex(ldb32(ram), ==, 0);
    g_assert_cmpmem(ram + 0x1000, 4, "FACS", 4);
    g_assert_false(fw_find("bootorder", &key, &size));
    stop(pc);
}

static void fw_dma(uint8_t *desc, uint32_t control, uint32_t len, uint64_t to)
{
    stb32(desc, control);
    stb32(desc + 4, len);
    stb64(desc + 8, to);
    outl(0x514, 0);
    outl(0x518, __builtin_bswap32(0x1000));
    g_assert_cmphex(ldb32(desc), ==, 0);
}

/* An item that stays in its file: by bytes, by DMA to RAM and to nowhere, beyond its end, and after the file has become shorter. */
static void test_fw_cfg_file(void)
{
    enum { KEY = FW_CFG_INITRD_DATA, LEN = 200000 };
    PcConfig c = {0};
    PcMachine *pc = start(&c);
    g_autofree char *path = NULL;
    g_autofree uint8_t *data = g_malloc(LEN + 100), *got = g_malloc(LEN);
    uint64_t len = 1 * MiB;
    uint8_t *ram = physmem_map(&address_space_memory, 0x1000, &len, true);
    int fd = g_file_open_tmp("vireo-test-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpuint(len, >=, LEN + 0x2000);
    for (unsigned i = 0; i < LEN + 100; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 24) | 1;
    g_assert_cmpint(write(fd, data, LEN + 100), ==, LEN + 100);
    int second = dup(fd);
    fw_cfg_take_fd(pc_priv(pc)->fw_cfg, KEY, fd, 0, LEN, path);
    fw_cfg_take_fd(pc_priv(pc)->fw_cfg, FW_CFG_KERNEL_DATA, second, 66000, 1000, path); /* a part of it */
    fw_read(FW_CFG_KERNEL_DATA, got, 1000);
    g_assert_cmpmem(got, 1000, data + 66000, 1000);
    g_assert_cmphex(inb(0x511), ==, 0);
    fw_read(KEY, got, LEN);
    g_assert_cmpmem(got, LEN, data, LEN);
    g_assert_cmphex(inb(0x511), ==, 0); /* behind the end */

    memset(ram + 0x1000, 0xee, LEN + 16);
    fw_dma(ram, KEY << 16 | 8 | 4, 5, 0);               /* skip 5 */
    fw_dma(ram, 2, LEN, 0x2000);
    g_assert_cmpmem(ram + 0x1000, LEN - 5, data + 5, LEN - 5);
    g_assert_cmphex(ldl64(ram + 0x1000 + LEN - 5), ==, 0xeeeeee0000000000); /* 5 zeros in the place of what is not there */
    fw_dma(ram, KEY << 16 | 8 | 2, LEN, 0xe0000000);    /* nothing is there */
    fw_dma(ram, 2, 8, 0x2000);
    g_assert_cmphex(ldl64(ram + 0x1000), ==, 0);        /* it is read, all the same */
    fw_dma(ram, KEY << 16 | 8 | 2, LEN, ~0ULL - 5000);

    g_assert_cmpint(ftruncate(fd, 70000), ==, 0);
    fw_read(KEY, got, LEN);
    memset(data + 70000, 0, LEN - 70000);
    g_assert_cmpmem(got, LEN, data, LEN);
    fw_dma(ram, KEY << 16 | 8 | 2, LEN, 0x2000);
    g_assert_cmpmem(ram + 0x1000, LEN, data, LEN);
    stop(pc);
    g_unlink(path);
}

static GPtrArray *texts(const char *a, const char *b)
{
    GPtrArray *t = g_ptr_array_new();

    g_ptr_array_add(t, (gpointer)a);
    if (b)
        g_ptr_array_add(t, (gpointer)b);
    return t;
}

static char *fw_text(const char *name)
{
    uint16_t key;
    uint32_t size;
    char *t;

    if (!fw_find(name, &key, &size))
        return NULL;
    t = g_malloc0(size + 1);
    fw_read(key, (uint8_t *)t, size);
    return t;
}

/* The user's items and option ROMs, and the latter's place in the boot order. */
static void test_fw_items(void)
{
    PcConfig c = {.boot_strict = true};
    g_autofree char *dir = g_dir_make_tmp("vireo-test-XXXXXX", NULL), *rom = g_build_filename(dir, "x,y.rom", NULL);
    g_autofree char *opt = g_strdup_printf("%s/x,,y.rom,bootindex=3", dir);
    g_autofree char *item = NULL, *order = NULL;
    uint16_t key;
    uint32_t size;
    PcMachine *pc;

    g_assert_true(g_file_set_contents(rom, "\x55\xaa\x01rest", 7, NULL));
    c.fw_cfg_items = texts("opt/vireo/a,string=hello,, world", "name=opt/vireo/empty,string=");
    c.option_roms = texts(opt, NULL);
    pc = start(&c);
    item = fw_text("opt/vireo/a");
    g_assert_cmpstr(item, ==, "hello, world");
    g_assert_true(fw_find("opt/vireo/empty", &key, &size));
    g_assert_cmpuint(size, ==, 0);
    g_assert_true(fw_find("genroms/x,y.rom", &key, &size));
    g_assert_cmpuint(size, ==, 7);
    order = fw_text("bootorder");
    g_assert_cmpstr(order, ==, "/rom@genroms/x,y.rom\nHALT");
    stop(pc);
    g_ptr_array_free((GPtrArray *)c.fw_cfg_items, true);
    g_ptr_array_free((GPtrArray *)c.option_roms, true);
    unlink(rom);
    rmdir(dir);
}

static void refused(const GPtrArray **list, PcConfig *c, const char *text, const char *want)
{
    GError *err = NULL;
    GPtrArray *t = texts(text, NULL);

    *list = t;
    harness_start();
    c->ram_size = 64 * MiB;
    c->lib_dirs = bios_dir;
    g_assert_null(pc_create(c, &err));
    g_assert_nonnull(err);
    if (!strstr(err->message, want))
        g_error("'%s' gave '%s', not '%s'", text, err->message, want);
    g_error_free(err);
    harness_stop();
    g_ptr_array_free(t, true);
    *list = NULL;
}

static void test_bad_items(void)
{
    PcConfig c = {0};

    refused(&c.fw_cfg_items, &c, "opt/a", "-fw_cfg opt/a: either file=PATH or string=TEXT is needed");
    refused(&c.fw_cfg_items, &c, "opt/a,file=/nonexistent", "No such file");
    refused(&c.fw_cfg_items, &c, "opt/a,file=/tmp,x=1", "x");
    refused(&c.fw_cfg_items, &c, "etc/e820,string=x", "exists already");
    refused(&c.option_roms, &c, "/proc/self/exe", "could not load it");
    c.boot_splash = "/proc/self/cmdline";
    refused(&c.smbios, &c, "type=0,vendor=x", "neither a BMP nor a JPEG file");
    c.boot_splash = NULL;
    refused(&c.smbios, &c, "type=5,a=b", "type=5: fields can be set for types");
    refused(&c.smbios, &c, "type=1,colour=red", "colour");
    refused(&c.smbios, &c, "type=1,uuid=1-2", "uuid=1-2: not of the form");
    refused(&c.smbios, &c, "type=0,release=1", "release=1: two numbers");
    refused(&c.smbios, &c, "file=/nonexistent", "No such file");
    refused(&c.smbios, &c, "serial=1", "type=N or file=PATH is needed");
}

/* The n-th structure of that type, from 0; its strings follow the formatted part. */
static const uint8_t *find_structure(const uint8_t *t, uint32_t size, uint8_t type, unsigned n)
{
    for (uint32_t at = 0; at + 4 < size;) {
        uint32_t end = at + t[at + 1];
        if (t[at] == type && n-- == 0)
            return t + at;
        while (end + 2 < size && (t[end] || t[end + 1]))
            end++;
        at = end + 2;
    }
    return NULL;
}

static const char *structure_string(const uint8_t *s, unsigned field)
{
    const char *p = (const char *)s + s[1];

    for (unsigned i = s[field]; i > 1; i--)
        p += strlen(p) + 1;
    return s[field] ? p : "";
}

static void test_smbios(void)
{
    static const char blob[] = "\x2d\x05\x34\x12\x01" "from a file\0";
    PcConfig c = {0};
    g_autofree char *path = NULL, *opt = NULL;
    uint16_t key;
    uint32_t size;
    uint8_t *t;
    const uint8_t *s;
    PcMachine *pc;
    GPtrArray *list;
    int fd = g_file_open_tmp("vireo-test-XXXXXX", &path, NULL);

    g_assert_cmpint(write(fd, blob, sizeof blob), ==, sizeof blob);
    close(fd);
    opt = g_strdup_printf("file=%s", path);
    list = texts("type=1,manufacturer=Ann,,Bob,serial=S1,uuid=12345678-9abc-def0-1234-56789abcdef0", "type=2,asset=tag");
    g_ptr_array_add(list, (gpointer)"type=11,value=one,value=two");
    g_ptr_array_add(list, (gpointer)"type=17,speed=2400,bank=B");
    g_ptr_array_add(list, opt);
    c.smbios = list;
    pc = start(&c);
    g_assert_true(fw_find("etc/smbios/smbios-tables", &key, &size));
    t = g_malloc(size);
    fw_read(key, t, size);
    s = find_structure(t, size, 1, 0);
    g_assert_cmpstr(structure_string(s, 4), ==, "Ann,Bob");
    g_assert_cmpstr(structure_string(s, 5), ==, "Standard PC (i440FX + PIIX, 1996)");
    g_assert_cmpstr(structure_string(s, 7), ==, "S1");
    g_assert_cmpmem(s + 8, 16, "\x78\x56\x34\x12\xbc\x9a\xf0\xde\x12\x34\x56\x78\x9a\xbc\xde\xf0", 16);
    s = find_structure(t, size, 2, 0);
    g_assert_cmpstr(structure_string(s, 8), ==, "tag");
    s = find_structure(t, size, 11, 0);
    g_assert_cmpuint(s[4], ==, 2);
    g_assert_cmpstr(structure_string(s, 4), ==, "two");
    s = find_structure(t, size, 17, 0);
    g_assert_cmpuint(ldl16(s + 0x15), ==, 2400);
    g_assert_cmpstr(structure_string(s, 0x11), ==, "B");
    s = find_structure(t, size, 0x2d, 0);
    g_assert_cmpstr(structure_string(s, 4), ==, "from a file");
    g_assert_nonnull(find_structure(t, size, 127, 0));
    g_assert_null(find_structure(t, size, 127, 1));
    g_free(t);
    stop(pc);
    g_ptr_array_free(list, true);
    unlink(path);
}

/* Do with the loader script what firmware does, then check every table's sum. */
static void test_acpi(void)
{
    g_autofree char *body = g_build_filename(bios_dir, "slic", NULL);
    g_autofree char *option = g_strdup_printf("sig=SLIC,oem_id=ABCDEF,oem_table_id=SOMEONES,oem_rev=7,data=%s", body);
    GPtrArray *tables = texts(option, NULL);
    PcConfig c = {.ram_size = 5 * GiB, .acpi_tables = tables};
    g_assert_true(g_file_set_contents(body, "abc", 3, NULL));
    PcMachine *pc = start(&c);
    uint16_t key, lkey;
    uint32_t size, lsize, rsdt;
    g_autofree uint8_t *t = NULL, *l = NULL, *rsdp = NULL;

    g_assert_true(fw_find("etc/acpi/tables", &key, &size));
    t = g_malloc0(size);
    fw_read(key, t, size);
    g_assert_true(fw_find("etc/acpi/rsdp", &key, &lsize));
    g_assert_cmpuint(lsize, ==, 20);
    rsdp = g_malloc0(lsize);
    fw_read(key, rsdp, lsize);
    g_assert_true(fw_find("etc/table-loader", &lkey, &lsize));
    g_assert_cmpuint(lsize % 128, ==, 0);
    l = g_malloc0(lsize);
    fw_read(lkey, l, lsize);
    for (uint32_t at = 0; at < lsize; at += 128) {
        uint8_t *e = l + at, *file = !strcmp((char *)e + 4, "etc/acpi/rsdp") ? rsdp : t, sum = 0;
        switch (ldl32(e)) {
        case 2: /* the tables are "loaded" at address 0: pointers stay */
            g_assert_cmpuint(ldl32(e + 116), <, file == rsdp ? 20 : size);
            g_assert_cmpuint(ldl32(file + ldl32(e + 116)), <, size);
            break;
        case 3:
            g_assert_cmpuint(ldl32(e + 64) + ldl32(e + 68), <=, file == rsdp ? 20 : size);
            for (uint32_t i = 0; i < ldl32(e + 68); i++)
                sum += file[ldl32(e + 64) + i];
            file[ldl32(e + 60)] -= sum;
            break;
        default:
            g_assert_cmpuint(ldl32(e), ==, 1);
        }
    }
    rsdt = ldl32(rsdp + 16);
    g_assert_cmpmem(t + rsdt, 4, "RSDT", 4);
    g_assert_cmpuint(ldl32(t + rsdt + 4), ==, 36 + 5 * 4);
    for (unsigned i = 0; i < 5; i++) {
        uint32_t at = ldl32(t + rsdt + 36 + 4 * i);
        uint8_t sum = 0;
        for (uint32_t k = 0; k < ldl32(t + at + 4); k++)
            sum += t[at + k];
        g_assert_cmpuint(sum, ==, 0);
    }
    g_assert_cmpmem(t + ldl32(t + rsdt + 36 + 4 * 3), 4, "WAET", 4);
    const uint8_t *slic = t + ldl32(t + rsdt + 36 + 4 * 4);
    g_assert_cmpmem(slic, 4, "SLIC", 4);
    g_assert_cmpmem(slic + 10, 14, "ABCDEFSOMEONES", 14);
    g_assert_cmpuint(ldl32(slic + 24), ==, 7);
    g_assert_cmpmem(slic + 36, 3, "abc", 3);
    g_assert_cmpmem(t + rsdt + 10, 14, "ABCDEFSOMEONES", 14);
    g_assert_cmpmem(t + ldl32(t + rsdt + 36) + 10, 14, "ABCDEFSOMEONES", 14); /* the FADT's */
    if (g_getenv("ACPI_DUMP"))
        g_file_set_contents(g_getenv("ACPI_DUMP"), (char *)t + 64, (gssize)ldl32(t + 68), NULL);
    stop(pc);
    g_remove(body);
    g_ptr_array_unref(tables);
}

static void test_memory_map(void)
{
    PcConfig c = {.ram_size = 5 * GiB};
    PcMachine *pc = start(&c);
    g_autoptr(GString) s = g_string_new(NULL);

    physmem_st(&address_space_memory, 0xbffffff8, 8, 0x1122334455667788);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xbffffff8, 8), ==, 0x1122334455667788);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xc0000000, 4), ==, 0xffffffff);
    g_assert_cmphex(physmem_ld(&address_space_memory, 4 * GiB, 4), ==, 0);
    memory_print_tree(s, false);
    g_assert_nonnull(strstr(s->str, "    0000000000000000-00000000bfffffff (prio 0, ram): alias ram-below-4g @pc.ram "
                                    "0000000000000000-00000000bfffffff\n"));
    g_assert_nonnull(strstr(s->str, "    00000000fee00000-00000000feefffff (prio 4096, i/o): apic-msi\n"));
    outb(0x70, 0x34);
    g_assert_cmphex(inb(0x71), ==, 0x00);
    outb(0x70, 0x35);
    g_assert_cmphex(inb(0x71), ==, 0xbf); /* 3 GiB - 16 MiB in 64 KiB steps */
    outb(0x70, 0x5c);
    g_assert_cmphex(inb(0x71), ==, 0x80); /* 2 GiB above 4 GiB */
    outb(0x70, 0x3d);
    g_assert_cmphex(inb(0x71), ==, 0x12); /* "cad": disk, floppy */
    stop(pc);
}

static void test_interrupt_route(void)
{
    PcConfig c = {0};
    PcMachine *pc = start(&c);
    g_autoptr(GString) s = g_string_new(NULL);

    outb(0x20, 0x11);
    outb(0x21, 0x08);
    outb(0x21, 0x04);
    outb(0x21, 0x01);
    outb(0x21, 0xfe);
    outb(0x43, 0x34); /* PIT mode 2 */
    outb(0x40, 0x00);
    outb(0x40, 0x10);
    step(10000000);
    outb(0x20, 0x0a);
    g_assert_cmphex(inb(0x20) & 1, ==, 1);
    pc_info_irq(pc, s);
    g_assert_true(g_regex_match_simple("^IRQ statistics for isa-i8259:\n 0: [0-9]+$", s->str, G_REGEX_MULTILINE, 0));
    g_string_truncate(s, 0);
    pc_info_pic(pc, s);
    g_assert_true(g_str_has_prefix(s->str, "ioapic0: ver=0x20 id=0x00 sel=0x00\n"
                                           "  pin 0  0x0000000000010000 dest=0 vec=0   active-hi edge  masked fixed  physical\n"));
    g_string_truncate(s, 0);
    pc_info_lapic(pc, s);
    g_assert_nonnull(strstr(s->str, "\nSPIV\t 0x000000ff APIC disabled, focus=off, spurious vec 255\n"));
    g_string_truncate(s, 0);
    pc_info_qtree(pc, s);
    g_assert_true(g_str_has_prefix(s->str, "bus: main-system-bus\n  type System\n"));
    g_string_truncate(s, 0);
    pc_info_roms(pc, s);
    g_assert_nonnull(strstr(s->str, "bios-256k.bin"));
    g_string_truncate(s, 0);
    pci_print_info(pc->pci, s);
    g_assert_true(g_str_has_prefix(s->str, "  Bus  0, device   0, function 0:\n    Host bridge: PCI device 8086:1237\n"
                                           "      PCI subsystem 1af4:1100\n      id \"\"\n"));
    g_assert_nonnull(strstr(s->str, "PCI device 8086:7113\n      PCI subsystem 1af4:1100\n      IRQ 0, pin A\n"));
    stop(pc);
}

/* Neither SeaBIOS nor Linux sets these again when it resumes: Linux left IDE channels alone that are not decoded. */
static void test_wakeup(void)
{
    static const uint8_t kept[][3] = {{0, 0x59, 0x30}, {0, 0x5f, 0x33}, {9, 0x41, 0x80}, {9, 0x43, 0xa3}}; /* PAM; IDE timing: decode enable */
    PcConfig c = {0};
    PcMachine *pc = start(&c);

    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        pci_config_write(pc->pci, kept[i][0], kept[i][1], kept[i][2], 1);
    pci_config_write(pc->pci, 9, PCI_COMMAND, 5, 2);
    pc_suspend(pc);
    pc_wakeup(pc, WAKEUP_RTC);
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        g_assert_cmphex(pci_config_read(pc->pci, kept[i][0], kept[i][1], 1), ==, kept[i][2]);
    g_assert_cmphex(pci_config_read(pc->pci, 9, PCI_COMMAND, 2), ==, 0); /* the chip itself was reset */
    stop(pc);
}

static void test_missing_bios(void)
{
    PcConfig c = {.ram_size = 64 * MiB, .bios = "no-such-bios.bin"};
    GError *err = NULL;

    harness_start();
    g_assert_null(pc_create(&c, &err));
    g_assert_nonnull(strstr(err->message, "no-such-bios.bin"));
    g_error_free(err);
    harness_stop();
}

static void test_devices(void)
{
    PcConfig c = {0};
    PcMachine *pc = start(&c);
    GError *err = NULL;
    int code = 0;

    g_assert_true(pc_add_device(pc, "isa-debug-exit,iobase=0xf4,iosize=0x04", &err));
    outb(0xf4, 0x10);
    g_assert_cmpint(system_take_shutdown_request(&code), ==, CAUSE_GUEST_SHUTDOWN);
    g_assert_cmpint(code, ==, 0x21);
    g_assert_false(pc_add_device(pc, "no-such-thing", &err));
    g_assert_nonnull(strstr(err->message, "no-such-thing"));
    g_clear_error(&err);
    g_assert_false(pc_add_device(pc, "isa-debug-exit,iobase=x", &err));
    g_clear_error(&err);
    pc_boot_set(pc, "dc", &err);
    g_assert_no_error(err);
    outb(0x70, 0x3d);
    g_assert_cmphex(inb(0x71), ==, 0x23);
    pc_boot_set(pc, "x", &err);
    g_assert_nonnull(err);
    g_clear_error(&err);
    stop(pc);
}

static bool acpi_has(const char *text)
{
    uint16_t key;
    uint32_t size;
    g_autofree uint8_t *t = NULL;

    g_assert_true(fw_find("etc/acpi/tables", &key, &size));
    t = g_malloc(size);
    fw_read(key, t, size);
    return memmem(t, size, text, strlen(text)) != NULL;
}

/* A panic stops the machine and asks for its end, unless -action says otherwise. */
static void test_pvpanic(void)
{
    PcConfig c = {0};
    PcMachine *pc = start(&c);
    GError *err = NULL;
    RunState why;
    int code;

    g_assert_false(acpi_has("QEMU0001"));
    g_assert_true(pc_add_device(pc, "pvpanic", &err));
    g_assert_true(acpi_has("QEMU0001"));
    g_assert_cmphex(inb(0x505), ==, 3);
    outb(0x505, 4); /* not offered */
    g_assert_false(system_take_stop_request(&why));
    outb(0x505, 1);
    g_assert_true(system_take_stop_request(&why));
    g_assert_cmpint(why, ==, RUN_STATE_GUEST_PANICKED);
    g_assert_cmpint(system_take_shutdown_request(&code), ==, CAUSE_GUEST_PANIC);
    g_assert_cmpint(code, ==, 0);
    system_set_panic_action(PANIC_EXIT_FAILURE);
    g_assert_true(pc_add_device(pc, "pvpanic-pci,addr=6,events=1", &err));
    outl(0xcf8, 0x80003000);
    g_assert_cmphex(inl(0xcfc), ==, 0x00111b36);
    outl(0xcf8, 0x80003010);
    outl(0xcfc, 0xfe000000);
    outl(0xcf8, 0x80003004);
    outw(0xcfc, 2);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xfe000000, 1), ==, 1);
    physmem_st(&address_space_memory, 0xfe000000, 1, 1);
    g_assert_cmpint(system_take_shutdown_request(&code), ==, CAUSE_GUEST_PANIC);
    g_assert_cmpint(code, ==, EXIT_FAILURE);
    g_assert_false(system_take_stop_request(&why));
    system_set_panic_action(PANIC_SHUTDOWN);
    g_assert_false(pc_add_device(pc, "pvpanic,events=8", &err));
    g_assert_nonnull(strstr(err->message, "events=8"));
    g_error_free(err);
    stop(pc);
}

static void test_testdevs(void)
{
    PcConfig c = {0};
    PcMachine *pc = start(&c);
    GError *err = NULL;
    uint32_t bar = 0;

    g_assert_true(pc_add_device(pc, "pc-testdev", &err));
    outl(0xe0, 0x12345678);
    g_assert_cmphex(inb(0xe0), ==, 0x78);
    g_assert_cmphex(inw(0xe2), ==, 0x1234);
    g_assert_cmphex(inl(0xe8), ==, 0x12345678); /* bytes */
    outw(0xea, 0xabcd);
    g_assert_cmphex(inl(0xe0), ==, 0xabcd5678);
    outl(0xe4, 0x1000); /* nothing to see */
    outb(0x20, 0x11);
    outb(0x21, 0x08);
    outb(0x21, 0x04);
    outb(0x21, 0x01);
    outb(0x20, 0x0a);
    outb(0x2005, 1);
    g_assert_cmphex(inb(0x20), ==, 0x20);
    outb(0x2005, 0);
    outb(0x2017, 1); /* a pin that only the I/O APIC has */
    outb(0x2017, 0);
    g_assert_true(pc_add_device(pc, "pci-testdev,addr=7.0,membar=0x100000", &err));
    g_assert_cmphex(pci_config_read(pc->pci, 56, 0, 4), ==, 0x00051b36);
    g_assert_cmphex(pci_config_read(pc->pci, 56, 8, 4), ==, 0x00ff0000);
    pci_config_write(pc->pci, 56, 0x18, 0xffffffff, 4);
    g_assert_cmphex(pci_config_read(pc->pci, 56, 0x18, 4), ==, 0xfff0000c);
    bar = 0xc000;
    pci_config_write(pc->pci, 56, 0x14, bar, 4);
    pci_config_write(pc->pci, 56, PCI_COMMAND, 1, 2);
    g_assert_cmphex(inb(bar + 1), ==, 0);
    outb(bar, 0);
    g_assert_cmphex(inb(bar), ==, 3);
    g_assert_cmphex(inl(bar + 4), ==, 131);
    g_assert_cmphex(inb(bar + 8), ==, 0xfa);
    g_assert_cmphex(inl(bar + 12), ==, 0);
    outb(bar + 131, 0xfa);
    outb(bar + 131, 0xfa);
    outb(bar + 131, 0xfb);
    g_assert_cmphex(inl(bar + 12), ==, 2);
    g_assert_cmphex(inl(bar + 16), ==, 0x74726f70); /* "port" */
    outb(bar, 3);
    g_assert_cmphex(inl(bar + 12), ==, 0);
    g_assert_false(pc_add_device(pc, "pci-testdev,membar=3", &err));
    g_assert_nonnull(strstr(err->message, "membar=3"));
    g_clear_error(&err);
    g_assert_false(pc_add_device(pc, "pci-testdev,addr=99", &err));
    g_clear_error(&err);
    stop(pc);
}

/* A line that two chips drive is high until both let go: COM1 and COM3. */
static void test_shared_line(void)
{
    PcConfig c = {0};
    PcMachine *pc;
    GError *err = NULL;

    pc = start(&c);
    g_assert_true(pc_add_device(pc, "isa-serial,index=0", &err));
    g_assert_true(pc_add_device(pc, "isa-serial,index=2", &err));
    outb(0x20, 0x11);
    outb(0x21, 0x08);
    outb(0x21, 0x04);
    outb(0x21, 0x01);
    outb(0x21, 0xff);
    outb(0x4d0, 0x10); /* IRQ 4 by level */
    outb(0x20, 0x0a);
    g_assert_cmphex(inb(0x20) & 0x10, ==, 0);
    outb(0x3f9, 0x02); /* THR empty: both interrupt */
    outb(0x3e9, 0x02);
    g_assert_cmphex(inb(0x20) & 0x10, ==, 0x10);
    outb(0x3f9, 0x00);
    g_assert_cmphex(inb(0x20) & 0x10, ==, 0x10);
    outb(0x3e9, 0x00);
    g_assert_cmphex(inb(0x20) & 0x10, ==, 0);
    stop(pc);
}

/* Names the section in which two saved states differ. */
static void check_same_state(const GByteArray *a, const GByteArray *b)
{
    g_assert_cmpuint(a->len, ==, b->len);
    for (guint at = 0; at < a->len;) {
        guint name = ldl32(a->data + at), body = at + 4 + name + 12, len = ldl32(a->data + body - 4);
        for (guint i = 0; i < len; i++)
            if (a->data[body + i] != b->data[body + i])
                g_error("section %.*s differs at byte %u: %02x, %02x", (int)name, a->data + at + 4, i, a->data[body + i],
                        b->data[body + i]);
        at = body + len;
    }
}

/* The whole machine's state goes out and comes back the same. */
static void test_save_load(void)
{
    PcConfig c = {0};
    PcMachine *pc = start(&c);
    g_autoptr(GByteArray) a = g_byte_array_new(), b = g_byte_array_new();
    GError *err = NULL;

    contract_random_io(&address_space_io, 20000);
    device_save_all(a);
    g_assert_true(device_load_all(a->data, a->len, &err));
    device_save_all(b);
    check_same_state(a, b);
    g_assert_false(device_load_all(a->data, a->len - 1, &err));
    g_assert_nonnull(err);
    g_clear_error(&err);
    system_take_reset_request();
    system_take_shutdown_request(NULL);
    stop(pc);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bios_dir = g_strdup("/usr/share/seabios");
    g_test_add_func("/hw/pc/firmware-and-pam", test_firmware);
    g_test_add_func("/hw/pc/fw-cfg", test_fw_cfg);
    g_test_add_func("/hw/pc/fw-cfg-file", test_fw_cfg_file);
    g_test_add_func("/hw/pc/fw-items", test_fw_items);
    g_test_add_func("/hw/pc/bad-items", test_bad_items);
    g_test_add_func("/hw/pc/smbios", test_smbios);
    g_test_add_func("/hw/pc/acpi-tables", test_acpi);
    g_test_add_func("/hw/pc/memory-map-and-cmos", test_memory_map);
    g_test_add_func("/hw/pc/irq0-through-the-8259", test_interrupt_route);
    g_test_add_func("/hw/pc/missing-bios", test_missing_bios);
    g_test_add_func("/hw/pc/wakeup", test_wakeup);
    g_test_add_func("/hw/pc/device-option", test_devices);
    g_test_add_func("/hw/pc/test-devices", test_testdevs);
    g_test_add_func("/hw/pc/pvpanic", test_pvpanic);
    g_test_add_func("/hw/pc/shared-isa-line", test_shared_line);
    g_test_add_func("/hw/pc/save-load", test_save_load);
    return g_test_run();
}
