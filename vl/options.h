/* options.h - the command line, parsed. */
#ifndef VL_OPTIONS_H
#define VL_OPTIONS_H

#include "host/base/osdep.h"
#include "softmmu/runstate.h"

typedef struct VlConfig {
    /* machine */
    char *cpu;
    uint64_t ram_size, max_low_ram; /* max_low_ram: -machine max-ram-below-4g=, 0: not given */
    bool ram_size_set;
    char *memory_backend, *mem_path; /* -machine memory-backend=, -mem-path */
    bool mem_prealloc;
    char *name, *uuid;
    bool acpi, hpet, pit, vmport;
    bool no_s3, no_s4; /* -global PIIX4_PM.disable_s3=1 */
    char *pcspk_audiodev; /* -machine pcspk-audiodev= */
    GPtrArray *audiodevs; /* of char *: -audiodev texts */
    bool kvm_wanted, cpu_host_wanted;
    uint64_t tb_size_mb;
    bool one_insn_per_tb, perfmap, tb_stats;
    bool rtc_localtime;
    int64_t rtc_offset_s;
    bool nodefaults;
    GPtrArray *objects, *netdevs, *nets; /* of char *: -netdev texts; "-nic TEXT" and "-net TEXT" */
    GPtrArray *devices;   /* of char *: option texts, in order */
    GPtrArray *globals;   /* of char *: DRIVER.PROPERTY=VALUE */
    /* disks */
    GPtrArray *blockdevs; /* of char *: -blockdev texts */
    GPtrArray *drives;    /* of char *: -drive texts */
    GPtrArray *drive_opts; /* of char *: how the user wrote each, for messages */
    bool snapshot, no_cdrom, no_floppy; /* no_: an empty drive is not made by default */
    /* boot */
    char *boot_order, *boot_once, *boot_splash;
    bool boot_menu, boot_strict, no_fd_bootchk;
    int boot_splash_ms, reboot_timeout_ms;
    char *kernel, *initrd, *append, *bios;
    GPtrArray *lib_dirs;
    GPtrArray *smbios, *acpi_tables, *fw_cfg_items, *option_roms; /* of char *: the options' texts */
    bool demo;
    /* streams */
    bool nographic, display_set, display_sdl, display_curses, full_screen, vga_std, vga_set;
    bool window_close, show_cursor;
    char *grab_mod;       /* NULL: lctrl-lalt */
    char *vnc, *vnc_opt;  /* the server's address and options, how the user wrote it; NULL: none */
    char *keymap;         /* -k */
    GPtrArray *serials, *parallels, *monitors, *chardevs, *mons, *debugcons;
    int echr;             /* -1 default */
    /* running */
    bool start_stopped, no_reboot, no_shutdown, daemonize;
    PanicAction panic_action;
    char *pidfile;
    char *chroot_dir, *run_user; /* run_user: what -runas said */
    uid_t run_uid;
    gid_t run_gid;
    bool run_login; /* run_user is a name, with groups of its own */
    bool lock_memory, msg_time, msg_guest;
    /* log */
    char *log_items, *log_file, *log_filter;
} VlConfig;

typedef enum OptResult { OPTS_RUN, OPTS_EXIT_OK, OPTS_ERROR } OptResult;

/* Fills cfg. OPTS_EXIT_OK: something was printed (-help and the like). OPTS_ERROR: errp is set. */
OptResult options_parse(int argc, char **argv, VlConfig *cfg, GError **errp);
/* What follows from the absence of options (QEMU's default devices). After options_parse. */
void options_set_defaults(VlConfig *cfg, bool have_window, bool on_terminal);
void options_free(VlConfig *cfg);
void options_print_help(FILE *f);
void options_print_man(FILE *f);

/* options-values.c: the values of single options. */
bool option_machine(VlConfig *c, const char *val, GError **errp);
bool option_accel(VlConfig *c, const char *val, GError **errp);
bool option_cpu(VlConfig *c, const char *val, GError **errp);
bool option_smp(VlConfig *c, const char *val, GError **errp);
bool option_mem(VlConfig *c, const char *val, GError **errp);
bool option_uuid(VlConfig *c, const char *val, GError **errp);
bool option_rtc(VlConfig *c, const char *val, GError **errp);
bool option_global(VlConfig *c, const char *val, GError **errp);
bool option_boot(VlConfig *c, const char *val, GError **errp);
/* opt: "-vnc " or "-display vnc=", for messages. */
bool option_vnc(VlConfig *c, const char *opt, const char *val, GError **errp);
bool option_display(VlConfig *c, const char *val, GError **errp);
bool option_action(VlConfig *c, const char *val, GError **errp);
bool option_echr(VlConfig *c, const char *val, GError **errp);
bool option_device(VlConfig *c, const char *val, GError **errp);
/* options-host.c: this process on its host. */
bool option_name(VlConfig *c, const char *val, GError **errp);
bool option_overcommit(VlConfig *c, const char *val, GError **errp);
bool option_msg(VlConfig *c, const char *val, GError **errp);
bool option_compat(const char *val, GError **errp);
bool option_sandbox(const char *val, GError **errp);
bool option_runas(VlConfig *c, const char *val, GError **errp);
void options_set_message_prefix(const VlConfig *c);
/* -overcommit mem-lock=on; then -chroot and -runas. When memory is there and everything is open. */
bool process_lock_memory(const VlConfig *c, GError **errp);
bool process_drop_rights(const VlConfig *c, GError **errp);
/* True when val asks for help ("help", "?", "X,help") and the text was printed. */
bool option_value_help(const char *opt, const char *val);
bool parse_uuid(const char *text, uint8_t out[16]);

#endif
