/* options.c - the option table: parsing, -help, the manual page.
 * Spec: QEMU's command line ("-opt" and "--opt", an argument without a dash is a disk image). */
#include "host/base/osdep.h"
#include "host/base/keyval.h"
#include "host/block/blkopts.h"
#include "host/display/keymap.h"
#include "vl/options.h"
#include "vl/net-setup.h"
#include "vl/object.h"

enum OptId {
    OPT_HELP, OPT_VERSION, OPT_MACHINE, OPT_ACCEL, OPT_ENABLE_KVM, OPT_CPU, OPT_SMP, OPT_MEM, OPT_NAME, OPT_UUID,
    OPT_RTC, OPT_GLOBAL, OPT_OVERCOMMIT, OPT_LOCALTIME, OPT_NO_ACPI, OPT_NO_HPET, OPT_DEVICE, OPT_NODEFAULTS, OPT_NO_USER_CONFIG, OPT_HDA, OPT_HDB,
    OPT_HDC, OPT_HDD, OPT_CDROM, OPT_FDA, OPT_FDB, OPT_DRIVE, OPT_BLOCKDEV, OPT_SNAPSHOT, OPT_BOOT, OPT_KERNEL, OPT_INITRD,
    OPT_APPEND, OPT_BIOS, OPT_PFLASH, OPT_OPTION_ROM, OPT_FW_CFG, OPT_SMBIOS, OPT_LIBDIR, OPT_DEMO, OPT_NOGRAPHIC, OPT_DISPLAY, OPT_FULL_SCREEN, OPT_VGA, OPT_VNC,
    OPT_CURSES, OPT_KEYMAP, OPT_AUDIODEV,
    OPT_SERIAL, OPT_PARALLEL, OPT_MONITOR, OPT_CHARDEV, OPT_MON, OPT_QMP, OPT_DEBUGCON, OPT_ECHR, OPT_MSG, OPT_NIC,
    OPT_NET, OPT_NETDEV, OPT_OBJECT, OPT_S_, OPT_NO_REBOOT, OPT_NO_SHUTDOWN, OPT_ACTION, OPT_DAEMONIZE, OPT_PIDFILE, OPT_LOG,
    OPT_LOGFILE, OPT_DFILTER, OPT_ONE_INSN, OPT_PERFMAP, OPT_ACPITABLE, OPT_COMPAT, OPT_SANDBOX, OPT_RUNAS, OPT_CHROOT, OPT_NO_FD_BOOTCHK, OPT_MEM_PATH, OPT_MEM_PREALLOC, OPT_ONLY_MIGRATABLE, OPT_ASYNC_TEARDOWN, OPT_MAN_PAGE, OPT_SECTION,
};

typedef struct OptRow {
    enum OptId id;
    const char *name, *arg, *help;
} OptRow;

static const OptRow rows[] = {
#define SECTION(title) {OPT_SECTION, title, NULL, NULL},
#define OPT(id, name, arg, help) {OPT_##id, name, arg, help},
#include "vl/options.def"
#undef SECTION
#undef OPT
};

void options_print_help(FILE *f)
{
    fprintf(f, "Vireo emulator version %s\nusage: %s [options] [disk_image]\n\n'disk_image' is a raw hard disk image "
               "for IDE hard disk 0\n", VIREO_VERSION, error_progname());
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const OptRow *r = &rows[i];
        if (r->id == OPT_SECTION) {
            fprintf(f, "\n%s options:\n", r->name);
            continue;
        }
        g_autofree char *left = g_strdup_printf("-%s%s%s", r->name, r->arg ? " " : "", r->arg ? r->arg : "");
        if (strlen(left) < 22)
            fprintf(f, "%-22s %s\n", left, r->help);
        else
            fprintf(f, "%s\n%22s %s\n", left, "", r->help);
    }
}

/* troff: a backslash or a dash in the text is escaped, a line must not begin with a dot; before another optional argument
 * a long one may be broken. */
static void man_text(FILE *f, const char *s)
{
    for (; *s; s++) {
        if (g_str_has_prefix(s, "[,"))
            fputs("\\:", f);
        if (*s == '\\' || *s == '-')
            fputc('\\', f);
        if (*s == '\\')
            fputs("e", f);
        else
            fputc(*s, f);
    }
}

void options_print_man(FILE *f)
{
    fprintf(f, ".TH VIREO 1 \"\" \"Vireo %s\"\n.ad l\n.SH NAME\nvireo \\- boot a PC in software\n.SH SYNOPSIS\n.B vireo\n"
               "[options] [disk_image]\n.SH DESCRIPTION\nVireo is a system emulator of an x86 PC. It takes the command "
               "line and the monitor commands of qemu\\-system\\-x86_64.\n.SH OPTIONS\n", VIREO_VERSION);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const OptRow *r = &rows[i];
        if (r->id == OPT_SECTION) {
            fprintf(f, ".SS \"%s\"\n", r->name);
            continue;
        }
        fputs(".TP\n\\fB\\-", f);
        man_text(f, r->name);
        fputs("\\fR", f);
        if (r->arg) {
            fputs(" \\fI", f);
            man_text(f, r->arg);
            fputs("\\fR", f);
        }
        fputc('\n', f);
        man_text(f, r->help);
        fputc('\n', f);
    }
    fputs(".SH EXIT STATUS\n0 after an orderly end, 1 after a wrong command line or a failed start; a guest with the "
          "isa\\-debug\\-exit device chooses its own.\n", f);
}

/* Options of QEMU that are not there yet: the message says so, instead of "invalid option". A star: it
 * has a value. */
static const char *const not_supported[] = {
    "add-fd*", "audio*", "audio-help", "dtb*",
    "dump-vmstate*", "fsdev*", "g*", "gdb*", "icount*", "incoming*", "iscsi*", "loadvm*",
    "mtdblock*", "numa*", "portrait",
    "plugin*", "preconfig", "qmp-pretty*", "readconfig*", "rotate*", "run-with*",
    "s", "sd*", "seed*", "semihosting", "set*", "soundhw*", "spice*", "tb-size*", "tpmdev*",
    "trace*", "usb", "usbdevice*", "virtfs*", "watchdog*", "watchdog-action*", "writeconfig*", "xen-attach", "xen-domid*", "xen-domid-restrict",
    "balloon*", "enable-sync-profile", "win2k-hack",
};

/* NULL, or the entry of that option. */
static const char *find_not_supported(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < ARRAY_SIZE(not_supported); i++) {
        const char *s = not_supported[i];
        if (!strncmp(s, name, n) && (!s[n] || (s[n] == '*' && !s[n + 1])))
            return s;
    }
    return NULL;
}

static const OptRow *find_row(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].id != OPT_SECTION && g_str_equal(rows[i].name, name))
            return &rows[i];
    return NULL;
}

static void set(char **p, const char *val)
{
    g_free(*p);
    *p = g_strdup(val);
}

static void add(GPtrArray *a, const char *val) { g_ptr_array_add(a, g_strdup(val)); }

/* -hda and friends: a comma in the file name is doubled on its way to -drive. */
static void add_image(VlConfig *c, const char *opt, const char *file, const char *rest)
{
    g_auto(GStrv) parts = g_strsplit(file, ",", -1);
    g_autofree char *esc = g_strjoinv(",,", parts);
    g_ptr_array_add(c->drives, g_strdup_printf("file=%s,%s", esc, rest));
    g_ptr_array_add(c->drive_opts, g_strdup_printf("%s%s%s", opt, opt[0] ? " " : "", file));
}

static void add_drive(VlConfig *c, const char *val)
{
    add(c->drives, val);
    g_ptr_array_add(c->drive_opts, g_strdup_printf("-drive %s", val));
}

static bool apply(VlConfig *c, const OptRow *r, const char *opt, const char *v, GError **errp)
{
    switch (r->id) {
    case OPT_MACHINE:
        return option_machine(c, v, errp);
    case OPT_ACCEL:
        return option_accel(c, v, errp);
    case OPT_ENABLE_KVM:
        c->kvm_wanted = true;
        return true;
    case OPT_CPU:
        return option_cpu(c, v, errp);
    case OPT_SMP:
        return option_smp(c, v, errp);
    case OPT_MEM:
        return option_mem(c, v, errp);
    case OPT_NAME:
        return option_name(c, v, errp);
    case OPT_UUID:
        return option_uuid(c, v, errp);
    case OPT_RTC:
        return option_rtc(c, v, errp);
    case OPT_GLOBAL:
        return option_global(c, v, errp);
    case OPT_OVERCOMMIT:
        return option_overcommit(c, v, errp);
    case OPT_LOCALTIME:
        c->rtc_localtime = true;
        return true;
    case OPT_NO_ACPI:
        c->acpi = false;
        return true;
    case OPT_NO_HPET:
        c->hpet = false;
        return true;
    case OPT_DEVICE:
        return option_device(c, v, errp);
    case OPT_NODEFAULTS:
        c->nodefaults = true;
        return true;
    case OPT_HDA:
    case OPT_HDB:
    case OPT_HDC:
    case OPT_HDD: {
        char rest[40];
        snprintf(rest, sizeof rest, "if=ide,index=%d,media=disk", (int)(r->id - OPT_HDA));
        add_image(c, opt, v, rest);
        return true;
    }
    case OPT_CDROM:
        add_image(c, opt, v, "if=ide,index=2,media=cdrom");
        return true;
    case OPT_FDA:
    case OPT_FDB:
        add_image(c, opt, v, r->id == OPT_FDA ? "if=floppy,index=0" : "if=floppy,index=1");
        return true;
    case OPT_DRIVE:
        add_drive(c, v);
        return true;
    case OPT_BLOCKDEV:
        add(c->blockdevs, v);
        return true;
    case OPT_SNAPSHOT:
        c->snapshot = true;
        return true;
    case OPT_BOOT:
        return option_boot(c, v, errp);
    case OPT_KERNEL:
        set(&c->kernel, v);
        return true;
    case OPT_INITRD:
        set(&c->initrd, v);
        return true;
    case OPT_APPEND:
        set(&c->append, v);
        return true;
    case OPT_BIOS:
        set(&c->bios, v);
        return true;
    case OPT_PFLASH:
        add_image(c, opt, v, "if=pflash,format=raw");
        return true;
    case OPT_OPTION_ROM:
        add(c->option_roms, v);
        return true;
    case OPT_FW_CFG:
        add(c->fw_cfg_items, v);
        return true;
    case OPT_ACPITABLE:
        add(c->acpi_tables, v);
        return true;
    case OPT_SMBIOS:
        add(c->smbios, v);
        return true;
    case OPT_LIBDIR:
        add(c->lib_dirs, v);
        return true;
    case OPT_DEMO:
        c->demo = true;
        return true;
    case OPT_NOGRAPHIC:
        c->nographic = true;
        return true;
    case OPT_DISPLAY:
        return option_display(c, v, errp);
    case OPT_FULL_SCREEN:
        c->full_screen = true;
        return true;
    case OPT_VGA:
        if (!g_str_equal(v, "std") && !g_str_equal(v, "none"))
            return error_set(errp, "'%s' is not supported (choices: std none)", v);
        c->vga_std = g_str_equal(v, "std");
        c->vga_set = true;
        return true;
    case OPT_VNC:
        return option_vnc(c, "-vnc ", v, errp);
    case OPT_CURSES:
        return option_display(c, "curses", errp);
    case OPT_AUDIODEV:
        add(c->audiodevs, v);
        return true;
    case OPT_KEYMAP:
        set(&c->keymap, v);
        return keymap_load(v, errp);
    case OPT_QMP:
        return g_str_equal(v, "none") || error_set(errp, "there is no QMP server (choices: none; -monitor has the human monitor)");
    case OPT_SERIAL:
        if (c->serials->len >= 4)
            return error_set(errp, "at most 4 serial ports");
        add(c->serials, v);
        return true;
    case OPT_PARALLEL:
        if (c->parallels->len >= 1)
            return error_set(errp, "at most 1 parallel port");
        add(c->parallels, v);
        return true;
    case OPT_MONITOR:
        add(c->monitors, v);
        return true;
    case OPT_CHARDEV:
        add(c->chardevs, v);
        return true;
    case OPT_MON:
        add(c->mons, v);
        return true;
    case OPT_DEBUGCON:
        if (c->debugcons->len)
            return error_set(errp, "only one -debugcon is possible");
        add(c->debugcons, v);
        return true;
    case OPT_ECHR:
        return option_echr(c, v, errp);
    case OPT_NIC:
    case OPT_NET:
    case OPT_NETDEV:
        return option_net(c, opt, v, errp);
    case OPT_OBJECT:
        if (!object_check(v, errp))
            return false;
        add(c->objects, v);
        return true;
    case OPT_S_:
        c->start_stopped = true;
        return true;
    case OPT_NO_REBOOT:
        c->no_reboot = true;
        return true;
    case OPT_NO_SHUTDOWN:
        c->no_shutdown = true;
        return true;
    case OPT_ACTION:
        return option_action(c, v, errp);
    case OPT_DAEMONIZE:
        c->daemonize = true;
        return true;
    case OPT_PIDFILE:
        set(&c->pidfile, v);
        return true;
    case OPT_LOG:
        set(&c->log_items, v);
        return true;
    case OPT_LOGFILE:
        set(&c->log_file, v);
        return true;
    case OPT_DFILTER:
        set(&c->log_filter, v);
        return true;
    case OPT_PERFMAP:
        c->perfmap = true;
        return true;
    case OPT_ONE_INSN:
        c->one_insn_per_tb = true;
        return true;
    case OPT_MSG:
        return option_msg(c, v, errp);
    case OPT_COMPAT:
        return option_compat(v, errp);
    case OPT_SANDBOX:
        return option_sandbox(v, errp);
    case OPT_RUNAS:
        return option_runas(c, v, errp);
    case OPT_CHROOT:
        set(&c->chroot_dir, v);
        return true;
    case OPT_MEM_PATH:
        set(&c->mem_path, v);
        return true;
    case OPT_MEM_PREALLOC:
        c->mem_prealloc = true;
        return true;
    case OPT_NO_FD_BOOTCHK:
        c->no_fd_bootchk = true;
        return true;
    case OPT_NO_USER_CONFIG:
    case OPT_ONLY_MIGRATABLE:
    case OPT_ASYNC_TEARDOWN:
        return true; /* nothing depends on them */
    case OPT_HELP:
    case OPT_VERSION:
    case OPT_MAN_PAGE:
    case OPT_SECTION:
        break; /* handled before */
    }
    g_assert_not_reached();
}

static void config_init(VlConfig *c)
{
    *c = (VlConfig){.ram_size = 128 * MiB, .acpi = true, .hpet = true, .pit = true, .vga_std = true, .window_close = true, .vmport = true, .echr = -1,
                    .boot_splash_ms = -1, .reboot_timeout_ms = -1};
    GPtrArray **lists[] = {&c->objects, &c->netdevs, &c->nets, &c->globals, &c->devices, &c->blockdevs, &c->drives, &c->drive_opts, &c->lib_dirs, &c->smbios, &c->acpi_tables, &c->fw_cfg_items,
                           &c->option_roms, &c->serials, &c->parallels,
                           &c->monitors, &c->chardevs, &c->mons, &c->debugcons, &c->audiodevs};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        *lists[i] = g_ptr_array_new_with_free_func(g_free);
}

/* Options that make sense only together. */
static bool check_together(VlConfig *c, GError **errp)
{
    if (c->initrd && !c->kernel)
        return error_set(errp, "-initrd %s: only with -kernel", c->initrd);
    if (c->append && !c->kernel)
        return error_set(errp, "-append %s: only with -kernel", c->append);
    if (c->demo && (c->kernel || c->drives->len))
        return error_set(errp, "-demo: boots its own disk; leave out -kernel and disk images");
    return true;
}

/* The first pass: every option exists and has its value, and nothing asks for help. */
static OptResult look_over(int argc, char **argv, GError **errp)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *name = a[0] == '-' && a[1] == '-' ? a + 2 : a + 1;
        if (a[0] != '-' || !a[1])
            continue;
        const OptRow *r = find_row(name);
        const char *missing = r ? NULL : find_not_supported(name);
        if (missing) {
            const char *val = strchr(missing, '*') && i + 1 < argc ? argv[i + 1] : NULL;
            error_set(errp, "%s%s%s: this option of QEMU is not supported by Vireo", a, val ? " " : "", val ? val : "");
            return OPTS_ERROR;
        }
        if (!r) {
            error_set(errp, "%s: invalid option", a);
            return OPTS_ERROR;
        }
        if (r->id == OPT_HELP || r->id == OPT_VERSION || r->id == OPT_MAN_PAGE) {
            if (r->id == OPT_HELP)
                options_print_help(stdout);
            else if (r->id == OPT_MAN_PAGE)
                options_print_man(stdout);
            else
                printf("Vireo emulator version %s\n", VIREO_VERSION);
            return OPTS_EXIT_OK;
        }
        if (!r->arg)
            continue;
        if (++i == argc) {
            error_set(errp, "%s: requires an argument", a);
            return OPTS_ERROR;
        }
        if (option_value_help(r->name, argv[i]))
            return OPTS_EXIT_OK;
    }
    return OPTS_RUN;
}

OptResult options_parse(int argc, char **argv, VlConfig *c, GError **errp)
{
    config_init(c);
    OptResult res = look_over(argc, argv, errp);
    if (res != OPTS_RUN)
        return res;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *val = NULL;
        GError *err = NULL;
        if (a[0] != '-' || !a[1]) {
            add_image(c, "", a, "if=ide,index=0,media=disk");
            continue;
        }
        const OptRow *r = find_row(a[1] == '-' ? a + 2 : a + 1);
        if (r->arg)
            val = argv[++i];
        /* Management programs write these as JSON. */
        g_autofree char *plain = val && val[0] == '{' && (r->id == OPT_DEVICE || r->id == OPT_OBJECT || r->id == OPT_NETDEV)
                                     ? blkopts_json_to_text(val, &err) : NULL;
        if (err || !apply(c, r, a, plain ? plain : val, &err)) {
            error_set(errp, "%s%s%s: %s", a, val ? " " : "", val ? val : "", err->message);
            g_error_free(err);
            return OPTS_ERROR;
        }
    }
    options_set_message_prefix(c); /* -name may come after -msg */
    return check_together(c, errp) ? OPTS_RUN : OPTS_ERROR;
}

static bool has_device(const VlConfig *c, const char *driver)
{
    bool found = false;

    for (guint i = 0; i < c->devices->len && !found; i++) {
        GPtrArray *kv = keyval_parse(g_ptr_array_index(c->devices, i), "driver");
        found = g_strcmp0(keyval_get(kv, "driver"), driver) == 0;
        keyval_free(kv);
    }
    return found;
}

void options_set_defaults(VlConfig *c, bool have_window, bool on_terminal)
{
    bool serial = c->serials->len == 0 && !has_device(c, "isa-serial"), parallel = c->parallels->len == 0 && !has_device(c, "isa-parallel");
    bool monitor = c->monitors->len == 0 && c->mons->len == 0;
    /* A device of the kind takes the place of the one that is there by default. */
    c->no_cdrom = c->nodefaults || has_device(c, "ide-cd") || has_device(c, "ide-hd");
    c->no_floppy = c->nodefaults || has_device(c, "floppy");
    if (!c->vga_set && (has_device(c, "VGA") || (c->nodefaults && !c->demo)))
        c->vga_std = false;
    for (guint i = 0; i < c->serials->len; i++)
        if (g_str_has_prefix(g_ptr_array_index(c->serials, i), "mon:"))
            monitor = false;
    /* Nothing says where the guest is to be seen: a window if there can be one, else the terminal. */
    if (!c->display_set && !c->nographic) {
        c->display_sdl = have_window && !c->demo && !c->daemonize && !c->vnc;
        if (!c->display_sdl && !c->vnc && serial && monitor && !c->nodefaults && (on_terminal || c->demo) && !c->daemonize)
            c->nographic = true;
    }
    if (c->nographic)
        c->display_sdl = c->display_curses = false;
    if (c->nodefaults)
        return;
    if (c->nographic) {
        if (serial && monitor)
            add(c->serials, "mon:stdio");
        else if (serial)
            add(c->serials, "stdio");
        else if (monitor)
            add(c->monitors, "stdio");
        if (parallel)
            add(c->parallels, "null");
        return;
    }
    if (serial)
        add(c->serials, "vc");
    if (parallel)
        add(c->parallels, "vc");
    if (monitor)
        add(c->monitors, "vc");
}

void options_free(VlConfig *c)
{
    char **texts[] = {&c->cpu, &c->name, &c->uuid, &c->boot_order, &c->boot_once, &c->boot_splash, &c->kernel, &c->initrd, &c->append,
                      &c->bios, &c->pidfile, &c->chroot_dir, &c->memory_backend, &c->mem_path, &c->run_user, &c->log_items, &c->log_file, &c->log_filter,
                      &c->grab_mod, &c->vnc, &c->vnc_opt, &c->keymap, &c->pcspk_audiodev};
    GPtrArray *lists[] = {c->objects, c->netdevs, c->nets, c->globals, c->devices, c->blockdevs, c->drives, c->drive_opts, c->lib_dirs, c->smbios, c->acpi_tables, c->fw_cfg_items,
                          c->option_roms, c->serials, c->parallels,
                          c->monitors, c->chardevs, c->mons, c->debugcons, c->audiodevs};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        g_free(*texts[i]);
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        g_ptr_array_unref(lists[i]);
}
