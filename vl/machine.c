/* machine.c - builds the machine from the options, and carries out what guest and user request:
 * reset, power off, stop, continue. All under the BQL in the main thread. */
#include "host/base/osdep.h"
#include "host/audio/audio.h"
#include "host/base/mem.h"
#include "host/block/block.h"
#include "host/char/chardev.h"
#include "host/net/net.h"
#include "softmmu/bql.h"
#include "softmmu/memory.h"
#include "softmmu/timer.h"
#include "accel/cpu.h"
#include "vl/machine.h"
#include "vl/monitor.h"
#include "vl/net-setup.h"
#include "vl/object.h"

static VlConfig *cfg;
static PcMachine *pc;
static PcConfig pc_cfg;
static CPUX86State *cpu;
static bool started;       /* the vCPU thread exists */
static bool quit_requested;
static int exit_code;
static char *lib_dirs, *demo_image;

PcMachine *machine_pc(void) { return pc; }
CPUX86State *machine_cpu(void) { return cpu; }
const VlConfig *machine_config(void) { return cfg; }
int machine_exit_code(void) { return exit_code; }

/* ---- building ---- */

/* The demo's disk lies beside the program (build folder), or was installed. */
static char *find_demo(GError **errp)
{
    g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = exe ? g_path_get_dirname(exe) : g_strdup(".");
    char *tries[] = {g_build_filename(dir, "demo.img", NULL), g_build_filename(dir, "roms", "demo.img", NULL),
                     g_build_filename(dir, "..", "share", "vireo", "demo.img", NULL),
                     g_build_filename(CONFIG_PREFIX, "share", "vireo", "demo.img", NULL)};
    char *found = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
        if (!found && g_file_test(tries[i], G_FILE_TEST_EXISTS))
            found = tries[i];
        else
            g_free(tries[i]);
    }
    if (!found)
        error_set(errp, "-demo: demo.img not found beside '%s' or in %s/share/vireo (make, or make install, puts it there)",
                  exe ? exe : "vireo", CONFIG_PREFIX);
    return found;
}

static bool create_drives(GError **errp)
{
    for (guint i = 0; i < cfg->blockdevs->len; i++) {
        GError *err = NULL;
        const char *text = g_ptr_array_index(cfg->blockdevs, i);
        if (!blockdev_add(text, &err)) {
            error_set(errp, "-blockdev %s: %s", text, err->message);
            g_error_free(err);
            return false;
        }
    }
    drive_set_snapshot_default(cfg->snapshot);
    for (guint i = 0; i < cfg->drives->len; i++) {
        GError *err = NULL;
        if (!drive_new(g_ptr_array_index(cfg->drives, i), &err)) {
            const char *opt = g_ptr_array_index(cfg->drive_opts, i);
            error_set(errp, "%s: %s", opt, err->message);
            g_error_free(err);
            return false;
        }
    }
    if (cfg->demo) {
        demo_image = find_demo(errp);
        if (!demo_image)
            return false;
        g_autofree char *opt = g_strdup_printf("file=%s,format=raw,snapshot=on", demo_image);
        if (!drive_new(opt, errp))
            return false;
    }
    if (!cfg->no_cdrom && !drive_get(DRIVE_IDE, 1, 0))
        drive_new_empty(DRIVE_IDE, 1, 0, true);
    if (!cfg->no_floppy && !drive_get(DRIVE_FLOPPY, 0, 0))
        drive_new_empty(DRIVE_FLOPPY, 0, 0, false);
    return true;
}

/* A chardev from -serial and the like; "mon:" also puts a monitor on it. */
static bool open_stream(const char *label, const char *opt, const char *spec, Chardev **out, GError **errp)
{
    GError *err = NULL;
    if (!chardev_new_legacy(label, spec, out, &err) ||
        (*out && g_str_has_prefix(spec, "mon:") && !monitor_new(*out, &err))) {
        error_set(errp, "%s %s: %s", opt, spec, err->message);
        g_error_free(err);
        return false;
    }
    return true;
}

static bool create_streams(GError **errp)
{
    char label[32];
    Chardev *chr;

    for (guint i = 0; i < cfg->chardevs->len; i++) {
        GError *err = NULL;
        const char *text = g_ptr_array_index(cfg->chardevs, i);
        if (!chardev_new_opts(text, &err)) {
            error_set(errp, "-chardev %s: %s", text, err->message);
            g_error_free(err);
            return false;
        }
    }
    for (guint i = 0; i < cfg->serials->len; i++) {
        snprintf(label, sizeof label, "serial%u", i);
        if (!open_stream(label, "-serial", g_ptr_array_index(cfg->serials, i), &pc_cfg.serial[i], errp))
            return false;
    }
    for (guint i = 0; i < cfg->parallels->len; i++) {
        snprintf(label, sizeof label, "parallel%u", i);
        if (!open_stream(label, "-parallel", g_ptr_array_index(cfg->parallels, i), &pc_cfg.parallel[i], errp))
            return false;
    }
    for (guint i = 0; i < cfg->debugcons->len; i++)
        if (!open_stream("debugcon", "-debugcon", g_ptr_array_index(cfg->debugcons, i), &pc_cfg.debugcon, errp))
            return false;
    for (guint i = 0; i < cfg->monitors->len; i++) {
        const char *spec = g_ptr_array_index(cfg->monitors, i);
        GError *err = NULL;
        snprintf(label, sizeof label, "compat_monitor%u", i);
        if (!open_stream(label, "-monitor", spec, &chr, errp))
            return false;
        if (chr && !g_str_has_prefix(spec, "mon:") && !monitor_new(chr, &err)) {
            error_set(errp, "-monitor %s: %s", spec, err->message);
            g_error_free(err);
            return false;
        }
    }
    for (guint i = 0; i < cfg->mons->len; i++) {
        const char *text = g_ptr_array_index(cfg->mons, i);
        GError *err = NULL;
        if (!monitor_new_opts(text, &err)) {
            error_set(errp, "-mon %s: %s", text, err->message);
            g_error_free(err);
            return false;
        }
    }
    return true;
}

static bool create_objects(ObjectPhase phase, GError **errp)
{
    for (guint i = 0; i < cfg->objects->len; i++) {
        GError *err = NULL;
        if (!object_create(g_ptr_array_index(cfg->objects, i), phase, &err)) {
            error_set(errp, "-object %s: %s", (char *)g_ptr_array_index(cfg->objects, i), err->message);
            g_error_free(err);
            return false;
        }
    }
    return true;
}

static bool create_audio(GError **errp)
{
    for (guint i = 0; i < cfg->audiodevs->len; i++) {
        const char *text = g_ptr_array_index(cfg->audiodevs, i);
        GError *err = NULL;
        if (!audio_new(text, &err)) {
            error_set(errp, "-audiodev %s: %s", text, err->message);
            g_error_free(err);
            return false;
        }
    }
    if (!cfg->pcspk_audiodev)
        return true;
    pc_cfg.pcspk = audio_find(cfg->pcspk_audiodev);
    return pc_cfg.pcspk || error_set(errp, "-machine pcspk-audiodev=%s: there is no -audiodev with that id", cfg->pcspk_audiodev);
}

static bool choose_memory(GError **errp)
{
    static MemSource src;
    uint64_t size = 0;

    src = (MemSource){cfg->mem_path, false, cfg->mem_prealloc};
    if (cfg->memory_backend) {
        if (cfg->mem_path)
            return error_set(errp, "-mem-path %s: not with -machine memory-backend=", cfg->mem_path);
        if (!object_memory_find(cfg->memory_backend, &src, &size))
            return error_set(errp, "-machine memory-backend=%s: there is no memory object with that id", cfg->memory_backend);
        if (cfg->ram_size_set && size != cfg->ram_size)
            return error_set(errp, "-machine memory-backend=%s: its size is %" PRIu64 " MiB, -m says %" PRIu64, cfg->memory_backend,
                             (uint64_t)(size / MiB), (uint64_t)(cfg->ram_size / MiB));
        if (size < MiB || size % (8 * KiB) || size > 1024 * GiB)
            return error_set(errp, "-machine memory-backend=%s: a PC has 1M to 1024G of RAM", cfg->memory_backend);
        cfg->ram_size = size;
        src.prealloc |= cfg->mem_prealloc;
    }
    pc_cfg.ram_size = cfg->ram_size;
    pc_cfg.ram_source = &src;
    pc_cfg.max_low_ram = cfg->max_low_ram;
    return true;
}

static bool create_board(GError **errp)
{
    const AccelOptions accel = {.tb_size = cfg->tb_size_mb * MiB, .one_insn_per_tb = cfg->one_insn_per_tb, .perfmap = cfg->perfmap,
                                .tb_stats = cfg->tb_stats};
    GError *err = NULL;

    if (!accel_init(&accel, &x86_tcg_guest, errp))
        return false;
    cpu = cpu_x86_create(cfg->cpu, &err);
    if (!cpu) {
        error_set(errp, "-cpu %s: %s", cfg->cpu ? cfg->cpu : "(default)", err->message);
        g_error_free(err);
        return false;
    }
    if (cfg->lib_dirs->len) {
        g_ptr_array_add(cfg->lib_dirs, NULL);
        lib_dirs = g_strjoinv(":", (char **)cfg->lib_dirs->pdata);
        g_ptr_array_set_size(cfg->lib_dirs, (gint)cfg->lib_dirs->len - 1);
    }
    pc_cfg.bios = cfg->bios;
    pc_cfg.lib_dirs = lib_dirs;
    pc_cfg.kernel = cfg->kernel;
    pc_cfg.initrd = cfg->initrd;
    pc_cfg.append = cfg->append;
    pc_cfg.smbios = cfg->smbios;
    pc_cfg.acpi_tables = cfg->acpi_tables;
    pc_cfg.fw_cfg_items = cfg->fw_cfg_items;
    pc_cfg.option_roms = cfg->option_roms;
    pc_cfg.boot_order = cfg->boot_order;
    pc_cfg.boot_once = cfg->boot_once;
    pc_cfg.boot_menu = cfg->boot_menu;
    pc_cfg.boot_splash = cfg->boot_splash;
    pc_cfg.boot_menu_timeout_ms = cfg->boot_splash_ms;
    pc_cfg.boot_strict = cfg->boot_strict;
    pc_cfg.no_fd_bootchk = cfg->no_fd_bootchk;
    pc_cfg.reboot_timeout_ms = cfg->reboot_timeout_ms;
    pc_cfg.vga = cfg->vga_std;
    pc_cfg.acpi = cfg->acpi;
    pc_cfg.hpet = cfg->hpet;
    pc_cfg.pit = cfg->pit;
    pc_cfg.no_s3 = cfg->no_s3;
    pc_cfg.no_s4 = cfg->no_s4;
    pc_cfg.vmport = cfg->vmport;
    pc_cfg.smbus = true;
    pc_cfg.graphics = !cfg->nographic;
    pc_cfg.smp_cpus = 1;
    pc_cfg.name = cfg->name;
    pc_cfg.uuid_set = cfg->uuid && parse_uuid(cfg->uuid, pc_cfg.uuid);
    pc_cfg.rtc_localtime = cfg->rtc_localtime;
    pc_cfg.rtc_offset_s = cfg->rtc_offset_s;
    pc_cfg.cpu = cpu;
    for (guint i = 0; i < cfg->globals->len; i++) {
        g_autofree char *text = g_strdup(g_ptr_array_index(cfg->globals, i));
        char *dot = strchr(text, '.'), *eq = strchr(dot, '=');
        *dot = *eq = 0;
        device_add_global(text, dot + 1, eq + 1);
    }
    if (!create_objects(OBJECTS_EARLY, errp) || !choose_memory(errp) || !net_setup_backends(cfg, errp))
        return false;
    pc = pc_create(&pc_cfg, errp);
    if (!pc || !net_setup_nics(cfg, pc, errp) || !create_objects(OBJECTS_LATE, errp))
        return false;
    for (guint i = 0; i < cfg->devices->len; i++) {
        const char *text = g_ptr_array_index(cfg->devices, i);
        if (!pc_add_device(pc, text, &err)) {
            error_set(errp, "-device %s: %s", text, err->message);
            g_error_free(err);
            return false;
        }
    }
    if (!pc_add_virtio_drives(pc, errp) || !device_check_globals(errp))
        return false;
    net_setup_check(cfg);
    return true;
}

bool machine_create(VlConfig *config, GError **errp)
{
    cfg = config;
    memory_init();
    net_set_running(false);
    system_set_panic_action(cfg->panic_action);
    return create_objects(OBJECTS_FIRST, errp) && create_drives(errp) && create_streams(errp) && create_audio(errp) && create_board(errp);
}

/* ---- running ---- */

static void run(void)
{
    runstate_set(RUN_STATE_RUNNING);
    clock_vm_start();
    net_set_running(true);
    vcpu_resume_all();
}

void machine_start(bool stopped)
{
    device_reset_all(); /* devices made after the board see each other's power-on state */
    vcpu_start(cpu->cpu);
    system_set_suspend_hook(vcpu_stop_current);
    block_set_inline(true);
    started = true;
    monitor_start_all();
    if (stopped)
        runstate_set(RUN_STATE_PRELAUNCH);
    else
        run();
}

void machine_stop(RunState why)
{
    if (!runstate_is_running() && !(runstate_get() == RUN_STATE_SUSPENDED && why == RUN_STATE_SHUTDOWN))
        return; /* who sleeps stands still already, but its clock runs */
    vcpu_pause_all();
    net_set_running(false);
    clock_vm_stop();
    block_drain(NULL);
    for (GList *l = drive_list(); l; l = l->next) {
        Drive *d = l->data;
        if (d->image && !block_read_only(d->image))
            block_flush(d->image); /* a stopped machine's disks are complete on the host */
    }
    runstate_set(why);
}

bool machine_continue(GError **errp)
{
    if (runstate_is_running() || runstate_get() == RUN_STATE_SUSPENDED)
        return true;
    if (runstate_get() == RUN_STATE_SHUTDOWN || runstate_get() == RUN_STATE_INTERNAL_ERROR)
        return error_set(errp, "Resetting the Virtual Machine is required");
    block_retry_all(); /* what failed with werror=stop is tried again */
    run();
    return true;
}

static void reset(void)
{
    bool suspended = runstate_get() == RUN_STATE_SUSPENDED, running = runstate_is_running() || suspended;
    if (running)
        vcpu_pause_all();
    block_drain(NULL);
    cpu->cpu->ops->reset(cpu->cpu);
    device_reset_all();
    if (suspended)
        runstate_set(RUN_STATE_RUNNING);
    if (running)
        vcpu_resume_all();
    else if (runstate_get() == RUN_STATE_SHUTDOWN || runstate_get() == RUN_STATE_INTERNAL_ERROR)
        runstate_set(RUN_STATE_PRELAUNCH);
}

/* Suspend to RAM. The vCPU stopped itself; clock and devices run, so that something can end it. */
static void suspend(void)
{
    if (!runstate_is_running())
        return;
    vcpu_pause_all();
    block_drain(NULL);
    pc_suspend(pc);
    runstate_set(RUN_STATE_SUSPENDED);
}

static void wake(WakeupReason why)
{
    if (runstate_get() != RUN_STATE_SUSPENDED)
        return;
    cpu->cpu->ops->reset(cpu->cpu);
    pc_wakeup(pc, why);
    runstate_set(RUN_STATE_RUNNING);
    vcpu_resume_all();
}

void machine_quit(void)
{
    quit_requested = true;
    system_shutdown_request(CAUSE_HOST_QUIT);
}

bool machine_handle_requests(void)
{
    RunState why;
    int code = 0;

    if (system_take_powerdown_request())
        powerdown_handlers_run();
    if (system_take_stop_request(&why))
        machine_stop(why);
    if (system_take_suspend_request())
        suspend();
    WakeupReason wakeup = system_take_wakeup_request();
    if (wakeup != WAKEUP_NONE)
        wake(wakeup);
    ShutdownCause cause = system_take_reset_request();
    if (cause != CAUSE_NONE) {
        if (cfg->no_reboot)
            system_shutdown_request(cause);
        else
            reset();
    }
    cause = system_take_shutdown_request(&code);
    if (cause == CAUSE_NONE)
        return false;
    if (cfg->no_shutdown && !quit_requested && code == 0 && cause != CAUSE_HOST_QUIT && cause != CAUSE_HOST_SIGNAL) {
        machine_stop(RUN_STATE_SHUTDOWN);
        return false;
    }
    exit_code = code;
    return true;
}

void machine_destroy(void)
{
    if (started) {
        machine_stop(RUN_STATE_SHUTDOWN);
        vcpu_shutdown_all();
        started = false;
    }
    drive_close_all(); /* data first: what follows can only lose memory */
    net_cleanup_all();
    audio_cleanup_all();
    object_cleanup_all();
    g_clear_pointer(&lib_dirs, g_free);
    g_clear_pointer(&demo_image, g_free);
}

void machine_set_one_insn_per_tb(bool on)
{
    cfg->one_insn_per_tb = on;
    accel_set_one_insn_per_tb(on);
}

bool machine_one_insn_per_tb(void) { return cfg->one_insn_per_tb; }
