/* test-options.c - the command line: spellings, values, errors that name option, value and choices. */
#include "host/base/osdep.h"
#include "vl/options.h"

static OptResult parse(const char *line, VlConfig *c, GError **errp)
{
    g_auto(GStrv) argv = NULL;
    int argc;
    g_autofree char *full = g_strconcat("vireo ", line, NULL);
    g_assert_true(g_shell_parse_argv(full, &argc, &argv, NULL));
    return options_parse(argc, argv, c, errp);
}

static void good(const char *line, VlConfig *c)
{
    GError *err = NULL;
    OptResult r = parse(line, c, &err);
    g_assert_no_error(err);
    g_assert_cmpint(r, ==, OPTS_RUN);
}

static void test_values(void)
{
    VlConfig c;
    good("-m 512 --no-reboot disk.img -name 'a b' -cpu qemu64,+avx", &c);
    g_assert_cmpuint(c.ram_size, ==, 512 * MiB);
    g_assert_true(c.no_reboot);
    g_assert_cmpstr(c.name, ==, "a b");
    g_assert_cmpstr(c.cpu, ==, "qemu64,+avx");
    g_assert_cmpstr(g_ptr_array_index(c.drives, 0), ==, "file=disk.img,if=ide,index=0,media=disk");
    options_free(&c);
    good("-m size=2G,slots=2,maxmem=4G -machine type=pc,accel=kvm:tcg,usb=off -boot once=d,menu=on", &c);
    g_assert_cmpuint(c.ram_size, ==, 2 * GiB);
    g_assert_false(c.kvm_wanted);
    g_assert_cmpstr(c.boot_once, ==, "d");
    g_assert_true(c.boot_menu);
    options_free(&c);
    good("-enable-kvm -cpu host,migratable=off -smp cpus=1,sockets=1,cores=1,threads=1 -M pc-i440fx-7.2,acpi=off", &c);
    g_assert_true(c.kvm_wanted && c.cpu_host_wanted);
    g_assert_false(c.acpi);
    g_assert_cmpstr(c.cpu, ==, "max,migratable=off");
    options_free(&c);
    good("-cdrom a,b.iso -fda f.img -snapshot -echr 0x14 -action reboot=shutdown,shutdown=pause -accel tcg,thread=multi,tb-size=512", &c);
    g_assert_cmpstr(g_ptr_array_index(c.drives, 0), ==, "file=a,,b.iso,if=ide,index=2,media=cdrom");
    g_assert_true(c.snapshot && c.no_reboot && c.no_shutdown);
    g_assert_cmpint(c.echr, ==, 0x14);
    g_assert_cmpuint(c.tb_size_mb, ==, 512);
    options_free(&c);
    good("-rtc base=2000-01-01T00:00:00,clock=vm -uuid 12345678-1234-1234-1234-123456789ABC -nic none -net none", &c);
    g_assert_cmpint(c.rtc_offset_s + time(NULL), >=, 946684800);
    g_assert_cmpint(c.rtc_offset_s + time(NULL), <=, 946684802);
    g_assert_cmpstr(c.uuid, ==, "12345678-1234-1234-1234-123456789abc");
    options_free(&c);
}

static void test_errors(void)
{
    static const char *const t[][2] = {
        {"-nosuch", "-nosuch: invalid option"}, {"--nosuch", "--nosuch: invalid option"}, {"-hda", "-hda"},
        {"-m bogus", "bogus"}, {"-m -5", "-5"}, {"-m 12x", "12x"}, {"-m 99999999G", "99999999G"},
        {"-machine nosuch", "nosuch"}, {"-machine pc,nosuch=1", "nosuch"}, {"-accel nosuch", "nosuch"},
        {"-smp 9999", "9999"}, {"-smp 0", "0"}, {"-smp 1,nosuch=2", "nosuch"}, {"-smp 2", "choices: 1"},
        {"-initrd a.img", "-initrd"}, {"-append x", "-append"}, {"-boot z", "z"}, {"-boot order=c,nosuch=1", "nosuch"},
        {"-vga nosuch", "nosuch"}, {"-display nosuch", "nosuch"}, {"-netdev user", "id"},
        {"-nic user,model=nosuch", "choices: e1000"}, {"-net nic,model=nosuch", "nosuch"}, {"-rtc base=nosuch", "nosuch"}, {"-uuid nosuch", "nosuch"},
        {"-action nosuch=x", "nosuch"}, {"-echr nosuch", "nosuch"}, {"-boot cc", "twice"}, {"-qmp stdio", "-qmp stdio"},
        {"-accel tcg,thread=nosuch", "nosuch"}, {"-device '{\"driver\":'", "JSON"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        VlConfig c;
        GError *err = NULL;
        g_assert_cmpint(parse(t[i][0], &c, &err), ==, OPTS_ERROR);
        g_test_message("%s: %s", t[i][0], err->message);
        g_assert_nonnull(strstr(err->message, t[i][1]));
        g_assert_null(strchr(err->message, '\n'));
        g_clear_error(&err);
        options_free(&c);
    }
}

static void test_defaults(void)
{
    static const struct { const char *line, *serial, *monitor; } t[] = {
        {"-nographic", "mon:stdio", NULL}, {"-nographic -monitor none", "stdio", "none"},
        {"-nographic -serial null", "null", "stdio"}, {"-display none", "vc", "vc"},
        {"-display none -serial mon:stdio", "mon:stdio", NULL}, {"-display none -monitor stdio", "vc", "stdio"},
        {"-nodefaults -display none", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        VlConfig c;
        good(t[i].line, &c);
        options_set_defaults(&c, false, false);
        g_assert_cmpstr(c.serials->len ? g_ptr_array_index(c.serials, 0) : NULL, ==, t[i].serial);
        g_assert_cmpstr(c.monitors->len ? g_ptr_array_index(c.monitors, 0) : NULL, ==, t[i].monitor);
        options_free(&c);
    }
}

/* What a device takes the place of, and what -nodefaults leaves out. */
static void test_default_devices(void)
{
    static const struct { const char *line; bool serial, vga, cdrom, floppy; } t[] = {
        {"", true, true, true, true}, {"-nodefaults", false, false, false, false}, {"-nodefaults -vga std", false, true, false, false},
        {"-device VGA,vgamem_mb=32", true, false, true, true}, {"-vga std -device VGA", true, true, true, true},
        {"-device isa-serial,chardev=c", false, true, true, true}, {"-device ide-cd,bus=ide.0", true, true, false, true},
        {"-device driver=ide-hd,drive=d", true, true, false, true}, {"-device floppy", true, true, true, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        VlConfig c;
        g_autofree char *line = g_strconcat("-display none ", t[i].line, NULL);
        good(line, &c);
        options_set_defaults(&c, false, false);
        g_assert_cmpint(c.serials->len == 1, ==, t[i].serial);
        g_assert_cmpint(c.vga_std, ==, t[i].vga);
        g_assert_cmpint(!c.no_cdrom, ==, t[i].cdrom);
        g_assert_cmpint(!c.no_floppy, ==, t[i].floppy);
        options_free(&c);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vl/options/values", test_values);
    g_test_add_func("/vl/options/errors", test_errors);
    g_test_add_func("/vl/options/defaults", test_defaults);
    g_test_add_func("/vl/options/default-devices", test_default_devices);
    return g_test_run();
}
