/* options-host.c - options that say how this process behaves on its host: user and root folder, locked memory, the form of
 * messages; and those of QEMU's that ask only for what is so here anyway.
 * Spec: QEMU's manual, "Debug/Expert options". Not here: -daemonize and -pidfile (main.c). */
#include "host/base/osdep.h"
#include "host/base/keyval.h"
#include "vl/options.h"
#include <grp.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/prctl.h>

bool option_name(VlConfig *c, const char *val, GError **errp)
{
    GPtrArray *kv = keyval_parse(val, "guest");
    bool debug = false, ok = keyval_check(kv, "name", "guest process debug-threads", errp) &&
                             keyval_bool(kv, "debug-threads", &debug, errp);
    if (ok) {
        g_free(c->name);
        c->name = g_strdup(keyval_get(kv, "guest"));
        if (keyval_get(kv, "process"))
            prctl(PR_SET_NAME, keyval_get(kv, "process")); /* what ps and top show: the first 15 bytes */
    }
    keyval_free(kv);
    return ok;
}

bool option_overcommit(VlConfig *c, const char *val, GError **errp)
{
    GPtrArray *kv = keyval_parse(val, NULL);
    bool ignored, ok = keyval_check(kv, "overcommit", "mem-lock cpu-pm", errp) &&
                       keyval_bool(kv, "mem-lock", &c->lock_memory, errp) && keyval_bool(kv, "cpu-pm", &ignored, errp);

    keyval_free(kv);
    return ok;
}

bool option_msg(VlConfig *c, const char *val, GError **errp)
{
    GPtrArray *kv = keyval_parse(val, NULL);
    bool ok = keyval_check(kv, "msg", "timestamp guest-name", errp) && keyval_bool(kv, "timestamp", &c->msg_time, errp) &&
              keyval_bool(kv, "guest-name", &c->msg_guest, errp);

    keyval_free(kv);
    options_set_message_prefix(c);
    return ok;
}

void options_set_message_prefix(const VlConfig *c)
{
    error_set_prefix(c->msg_time, c->msg_guest ? c->name : NULL);
}

/* How QEMU treats options that it will drop one day: there are none here. */
bool option_compat(const char *val, GError **errp)
{
    static const char *const keys[] = {"deprecated-input", "deprecated-output", "unstable-input", "unstable-output"};
    GPtrArray *kv = keyval_parse(val, NULL);
    bool ok = keyval_check(kv, "compat", "deprecated-input deprecated-output unstable-input unstable-output", errp);

    for (size_t i = 0; ok && i < ARRAY_SIZE(keys); i++) {
        const char *v = keyval_get(kv, keys[i]), *out = g_str_has_suffix(keys[i], "output") ? "hide" : "reject";
        if (v && strcmp(v, "accept") && strcmp(v, out) && (*out == 'h' || strcmp(v, "crash")))
            ok = error_set(errp, "%s=%s (choices: accept %s)", keys[i], v, *out == 'h' ? "hide" : "reject crash");
    }
    keyval_free(kv);
    return ok;
}

bool option_sandbox(const char *val, GError **errp)
{
    return g_str_equal(val, "off") ||
           error_set(errp, "there is no filter of system calls (choices: off; -runas and -chroot take rights away)");
}

bool option_runas(VlConfig *c, const char *val, GError **errp)
{
    const struct passwd *pw = getpwnam(val);
    unsigned uid, gid;
    char end;

    if (pw) {
        c->run_uid = pw->pw_uid;
        c->run_gid = pw->pw_gid;
        c->run_login = true;
    } else if (g_ascii_isdigit(*val) && sscanf(val, "%9u:%9u%c", &uid, &gid, &end) == 2) {
        c->run_uid = uid;
        c->run_gid = gid;
        c->run_login = false;
    } else {
        return error_set(errp, "there is no such user (choices: a user's name, or UID:GID as numbers)");
    }
    g_free(c->run_user);
    c->run_user = g_strdup(val);
    return true;
}

bool process_lock_memory(const VlConfig *c, GError **errp)
{
    /* On fault: what the program maps for its tables is mostly reserve. The user of -runas may not be allowed to lock what is
     * mapped later, which then could not be mapped at all. */
    if (c->lock_memory && mlockall(MCL_CURRENT | MCL_ONFAULT | (c->run_user ? 0 : MCL_FUTURE)) < 0)
        return error_set_errno(errp, errno, "-overcommit mem-lock=on: cannot lock memory (see ulimit -l)");
    return true;
}

bool process_drop_rights(const VlConfig *c, GError **errp)
{
    if (c->chroot_dir && (chroot(c->chroot_dir) < 0 || chdir("/") < 0))
        return error_set_errno(errp, errno, "-chroot %s: cannot go there", c->chroot_dir);
    if (!c->run_user)
        return true;
    if ((c->run_login ? initgroups(c->run_user, c->run_gid) : setgroups(0, NULL)) < 0 || setgid(c->run_gid) < 0 || setuid(c->run_uid) < 0)
        return error_set_errno(errp, errno, "-runas %s: cannot become uid %u, gid %u", c->run_user, (unsigned)c->run_uid,
                               (unsigned)c->run_gid);
    if (c->run_uid != 0 && setuid(0) == 0)
        return error_set(errp, "-runas %s: the way back to root stayed open", c->run_user);
    return true;
}
