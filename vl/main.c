/* main.c - the program: parse, build the machine, run it, leave everything as it was found.
 * Everything a user gets wrong ends here as one line on stderr and status 1. */
#include "host/base/osdep.h"
#include "host/base/log.h"
#include "host/char/chardev.h"
#include "host/display/curses.h"
#include "host/display/sdl.h"
#include "host/display/vnc.h"
#include "softmmu/bql.h"
#include "softmmu/timer.h"
#include "target-x86/cpu.h"
#include "vl/machine.h"
#include "vl/mainloop.h"
#include "vl/monitor.h"
#include "vl/options.h"
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- signals ---- */

static gboolean on_end_signal(gpointer opaque)
{
    int sig = GPOINTER_TO_INT(opaque);
    if (sig != SIGINT)
        error_report("terminating on signal %d", sig);
    system_shutdown_request(CAUSE_HOST_SIGNAL);
    return G_SOURCE_CONTINUE;
}

/* A crash must not leave the user's terminal raw. */
static void on_fatal_signal(int sig)
{
    chardev_restore_terminal();
#if CONFIG_CURSES
    curses_display_restore();
#endif
    signal(sig, SIG_DFL);
    raise(sig);
}

static void on_sigfpe(int sig, siginfo_t *info, void *ucontext)
{
    if (!cpu_x86_host_fpe(ucontext))
        on_fatal_signal(sig);
}

static void catch_signals(void)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGABRT, SIGQUIT, SIGXCPU, SIGSYS};
    struct sigaction sa = {.sa_handler = on_fatal_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
        sigaction(fatal[i], &sa, NULL);
    struct sigaction fpe = {.sa_sigaction = on_sigfpe, .sa_flags = SA_SIGINFO};
    sigemptyset(&fpe.sa_mask);
    sigaction(SIGFPE, &fpe, NULL);
    signal(SIGPIPE, SIG_IGN);
    g_unix_signal_add(SIGTERM, on_end_signal, GINT_TO_POINTER(SIGTERM));
    g_unix_signal_add(SIGINT, on_end_signal, GINT_TO_POINTER(SIGINT));
    g_unix_signal_add(SIGHUP, on_end_signal, GINT_TO_POINTER(SIGHUP));
}

/* ---- background ---- */

static int daemon_pipe = -1;

/* The parent waits until the child is set up, and ends with its result. */
static void daemonize(void)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        g_error("pipe: %s", g_strerror(errno));
    pid_t pid = fork();
    if (pid < 0) {
        error_report("-daemonize: cannot fork: %s", g_strerror(errno));
        exit(1);
    }
    if (pid > 0) {
        char status = 1;
        close(fds[1]);
        ssize_t n;
        do
            n = read(fds[0], &status, 1);
        while (n < 0 && errno == EINTR);
        _exit(n == 1 && status == 0 ? 0 : 1);
    }
    close(fds[0]);
    daemon_pipe = fds[1];
    setsid();
    pid = fork(); /* no session leader: it can never get a terminal */
    if (pid != 0)
        _exit(pid < 0);
    umask(027);
    signal(SIGTSTP, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
}

static void daemon_ready(void)
{
    char ok = 0;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    fflush(NULL);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
    if (chdir("/") < 0 || write(daemon_pipe, &ok, 1) < 0)
        exit(1);
    close(daemon_pipe);
}

static void refuse_stdio(Chardev *chr, void *opaque)
{
    const char *name = chardev_filename(chr);
    if (name && g_str_equal(name, "stdio"))
        *(bool *)opaque = true;
}

/* ---- pid file ---- */

static char *pid_path;

static bool write_pidfile(const char *path, GError **errp)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fd < 0)
        return error_set_errno(errp, errno, "-pidfile %s: cannot create it", path);
    if (fcntl(fd, F_SETLK, &fl) < 0) {
        close(fd);
        return error_set(errp, "-pidfile %s: another process has it", path);
    }
    g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || write(fd, text, strlen(text)) < 0) {
        close(fd);
        return error_set_errno(errp, errno, "-pidfile %s: cannot write it", path);
    }
    pid_path = g_canonicalize_filename(path, NULL); /* fd stays open: it carries the lock */
    return true;
}

/* ---- set-up ---- */

static bool set_up_log(const VlConfig *c, GError **errp)
{
    GError *err = NULL;
    int mask = 0;
    if (c->log_file && !log_set_file(c->log_file, &err)) {
        error_set(errp, "-D %s: %s", c->log_file, err->message);
    } else if (c->log_filter && !log_set_filter(c->log_filter, &err)) {
        error_set(errp, "-dfilter %s: %s", c->log_filter, err->message);
    } else if (c->log_items && (!log_parse_mask(c->log_items, &mask, &err) || !log_set_mask(mask, &err))) {
        error_set(errp, "-d %s: %s", c->log_items, err->message);
    } else {
        return true;
    }
    g_clear_error(&err);
    return false;
}

static void mux_quit(void) { machine_quit(); }

static void mux_commit(void)
{
    /* The overlays of -snapshot are temporary files of their own: there is nothing to commit to. */
}

static const ChardevMuxHooks mux_hooks = {mux_quit, mux_commit};

#if CONFIG_SDL || CONFIG_CURSES
static void window_closed(void) { system_shutdown_request(CAUSE_HOST_UI); }
#endif

static bool start_display(const VlConfig *c, GError **errp)
{
    g_autofree char *title = c->name ? g_strdup_printf("Vireo (%s)", c->name) : g_strdup("Vireo");
#if CONFIG_VNC
    GError *err = NULL;
    if (c->vnc && !vnc_display_start(c->vnc, title, &err)) {
        error_set(errp, "%s: %s", c->vnc_opt, err->message);
        g_error_free(err);
        return false;
    }
#endif
#if CONFIG_SDL
    if (c->display_sdl) {
        const SdlOptions o = {title, c->grab_mod, c->full_screen, c->show_cursor, c->window_close ? window_closed : NULL};
        return sdl_display_start(&o, errp);
    }
#endif
#if CONFIG_CURSES
    if (c->display_curses) {
        bool uses_stdio = false;
        chardev_foreach(refuse_stdio, &uses_stdio);
        if (uses_stdio || c->daemonize)
            return error_set(errp, "-display curses: needs the terminal %s", uses_stdio ? "that a chardev (stdio) has" : "and cannot be daemonized");
        return curses_display_start(window_closed, errp);
    }
#endif
    return true;
}

static void stop_display(const VlConfig *c)
{
#if CONFIG_CURSES
    curses_display_stop();
#endif
#if CONFIG_VNC
    vnc_display_stop();
#endif
#if CONFIG_SDL
    if (c->display_sdl)
        sdl_display_stop();
#endif
}

static bool set_up(VlConfig *c, GError **errp)
{
    if (c->echr >= 0)
        chardev_set_escape(c->echr);
    chardev_set_mux_hooks(&mux_hooks);
    if (c->kvm_wanted)
        warn_report_once("KVM is not available here: running on TCG");
    if (c->cpu_host_wanted)
        warn_report_once("CPU model 'host' needs KVM: using 'max'");
    if (!set_up_log(c, errp) || !machine_create(c, errp) || !start_display(c, errp))
        return false;
    bool uses_stdio = false;
    if (c->daemonize)
        chardev_foreach(refuse_stdio, &uses_stdio);
    if (uses_stdio)
        return error_set(errp, "-daemonize: stdio cannot be used by a chardev then");
    return (!c->pidfile || write_pidfile(c->pidfile, errp)) && process_lock_memory(c, errp) && process_drop_rights(c, errp);
}

static void tear_down(VlConfig *c)
{
    machine_destroy();
    stop_display(c);
    chardev_cleanup_all();
    if (pid_path)
        unlink(pid_path);
    g_clear_pointer(&pid_path, g_free);
}

int main(int argc, char **argv)
{
    VlConfig c;
    GError *err = NULL;

    error_set_progname(argv[0]);
    switch (options_parse(argc, argv, &c, &err)) {
    case OPTS_EXIT_OK:
        options_free(&c);
        return fflush(stdout) ? 1 : 0;
    case OPTS_ERROR:
        error_report("%s", err->message);
        g_error_free(err);
        options_free(&c);
        return 1;
    case OPTS_RUN:
        break;
    }
    bool have_window = CONFIG_SDL && (g_getenv("DISPLAY") || g_getenv("WAYLAND_DISPLAY"));
    options_set_defaults(&c, have_window, isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
    if (c.daemonize)
        daemonize();
    mainloop_init();
    catch_signals();
    atexit(chardev_restore_terminal);
    bql_lock();
    if (!set_up(&c, &err)) {
        tear_down(&c);
        error_report("%s", err->message);
        g_error_free(err);
        options_free(&c);
        return 1;
    }
    if (c.daemonize)
        daemon_ready();
    machine_start(c.start_stopped);
    mainloop_run(machine_handle_requests);
    tear_down(&c);
    bql_unlock();
    options_free(&c);
    return machine_exit_code();
}
