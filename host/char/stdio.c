/* stdio.c - the program's own terminal or pipes as a chardev.
 * The terminal is in raw mode while a chardev uses it, and is put back at exit, on a fatal signal
 * (chardev_restore_terminal), and while the program is stopped by SIGTSTP. The descriptors stay in
 * blocking mode, because other programs share them. */
#include "host/base/osdep.h"
#include "host/char/chardev-int.h"
#include <signal.h>
#include <termios.h>

/* One terminal per process: file-static by nature. Written before `saved` is set, read by signal handlers. */
static struct termios tty_before, tty_raw;
static volatile sig_atomic_t saved;
static Chardev *user;

void chardev_restore_terminal(void)
{
    if (saved)
        tcsetattr(STDIN_FILENO, TCSANOW, &tty_before);
}

/* A background job that touched the terminal would be stopped. */
static bool in_foreground(void)
{
    pid_t fg = tcgetpgrp(STDIN_FILENO);
    return fg < 0 || fg == getpgrp();
}

static void raw_again(void)
{
    if (saved && in_foreground())
        tcsetattr(STDIN_FILENO, TCSANOW, &tty_raw);
}

static void on_tstp(int sig);

static void catch_tstp(void)
{
    struct sigaction sa = {.sa_handler = on_tstp, .sa_flags = SA_RESTART};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGTSTP, &sa, NULL);
}

static void on_tstp(int sig)
{
    int err = errno;
    sigset_t set;
    chardev_restore_terminal();
    signal(SIGTSTP, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    raise(SIGTSTP);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* stops here, unless nobody could continue it (orphaned group) */
    catch_tstp();
    raw_again();
    errno = err;
}

static void on_cont(int sig)
{
    int err = errno;
    raw_again();
    errno = err;
}

static void set_raw(bool signals)
{
    if (saved || !isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &tty_before) < 0)
        return;
    tty_raw = tty_before;
    tty_raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    tty_raw.c_oflag |= OPOST; /* a plain newline from the monitor still returns the carriage */
    tty_raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
    if (!signals)
        tty_raw.c_lflag &= ~(tcflag_t)ISIG;
    tty_raw.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    tty_raw.c_cflag |= CS8;
    tty_raw.c_cc[VMIN] = 1;
    tty_raw.c_cc[VTIME] = 0;
    saved = 1;
    struct sigaction sa = {.sa_handler = on_cont, .sa_flags = SA_RESTART}, old;
    sigemptyset(&sa.sa_mask);
    sigaction(SIGCONT, &sa, NULL);
    sigaction(SIGTSTP, NULL, &old);
    if (old.sa_handler != SIG_IGN)
        catch_tstp();
    if (in_foreground())
        tcsetattr(STDIN_FILENO, TCSANOW, &tty_raw);
}

static void stdio_close(Chardev *chr)
{
    chardev_restore_terminal();
    if (saved) {
        saved = 0;
        signal(SIGTSTP, SIG_DFL);
        signal(SIGCONT, SIG_DFL);
    }
    user = NULL;
}

static const ChardevOps stdio_ops = {.name = "stdio", .close = stdio_close, .blocking_fd = true};

bool chr_open_stdio(Chardev *chr, const GPtrArray *kv, GError **errp)
{
    bool signals = true;
    if (!keyval_bool(kv, "signal", &signals, errp))
        return false;
    if (user)
        return error_set(errp, "cannot use stdio by multiple character devices ('%s' and '%s')", user->label,
                         chr->label);
    user = chr;
    chr->ops = &stdio_ops;
    chr_set_filename(chr, g_strdup("stdio"));
    chr->open = true;
    set_raw(signals);
    chr_stream_start(chr, STDIN_FILENO, STDOUT_FILENO);
    return true;
}
