/* test-vnc.c - the VNC password and its end, with a client that knows it; refused options; layouts. */
#include "host/base/osdep.h"
#include "host/display/console.h"
#include "host/display/keymap.h"
#include "host/display/vnc.h"

static void expect_key(const char *layout, uint32_t sym, unsigned held, const char *key, unsigned mods)
{
    KeyMatch m;
    GError *err = NULL;
    if (!keymap_load(layout, &err)) {
        g_test_skip(err->message); /* xkb-data is not there */
        g_clear_error(&err);
        return;
    }
    g_assert_true(keymap_find(sym, held, &m));
    g_assert_cmpstr(key_table[m.key].name, ==, key);
    g_assert_cmpuint(m.mods, ==, mods);
    g_assert_true(keymap_load(NULL, NULL));
}

static void test_keymap(void)
{
    KeyMatch m;
    GError *err = NULL;
    expect_key(NULL, 'a', 0, "a", 0);
    expect_key(NULL, 'A', 0, "a", KEYMAP_SHIFT);
    expect_key(NULL, '|', 0, "backslash", KEYMAP_SHIFT);
    expect_key(NULL, '~', 0, "grave_accent", KEYMAP_SHIFT);
    expect_key(NULL, ' ', KEYMAP_SHIFT, "spc", KEYMAP_ANY);
    expect_key(NULL, 0xff0d, 0, "ret", KEYMAP_ANY);
    expect_key(NULL, 0x01000041, 0, "a", KEYMAP_SHIFT);
    g_assert_true(keymap_find(0xffb7, 0, &m));
    g_assert_cmpint(m.num_lock, ==, 1);
    g_assert_false(keymap_find(0x12345678, 0, &m));
    g_assert_false(keymap_load("nosuch", &err));
    g_assert_nonnull(strstr(err->message, "nosuch"));
    g_clear_error(&err);
#if CONFIG_XKB
    expect_key("de", 'z', 0, "y", 0);
    expect_key("de", '{', 0, "7", KEYMAP_ALTGR);
    expect_key("de", 0xdf, 0, "minus", 0);        /* sharp s */
    expect_key("de", '/', 0, "7", KEYMAP_SHIFT);
    expect_key("fr", 'a', 0, "q", 0);
    expect_key("fr", '1', 0, "1", KEYMAP_SHIFT);
    expect_key("uk", '"', 0, "2", KEYMAP_SHIFT);
    expect_key("es", 0xf1, 0, "semicolon", 0);    /* n with tilde */
    expect_key("it", 0xe8, 0, "bracket_left", 0); /* e grave */
    expect_key("sv", 0xe5, 0, "bracket_left", 0); /* a ring */
    expect_key("ru", 0x06c6, 0, "a", 0);          /* ef */
#endif
}

#if CONFIG_VNC
#include <rfb/rfb.h>
#include <sys/socket.h>
#include <sys/un.h>

static void test_options(void)
{
    static const char *const wrong[] = {"", "x", ":", ":x", ":70000", "unix:", "[::1", ":99,share=x", ":99,nosuch=on",
                                        ":99,password=maybe", ":99,to=x", ":99,power-control=on", "1.2.3.4:99"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        GError *err = NULL;
        g_assert_false(vnc_display_start(wrong[i], "t", &err));
        g_assert_nonnull(err);
        g_clear_error(&err);
        vnc_display_stop();
    }
    g_assert_true(vnc_display_start("none", "t", NULL));
    g_autoptr(GString) s = g_string_new(NULL);
    vnc_print_info(s);
    g_assert_cmpstr(s->str, ==, "None\n");
    g_assert_false(vnc_set_password("x", NULL));
}

static void read_all(int fd, void *buf, size_t n)
{
    for (size_t have = 0; have < n;) {
        ssize_t r = read(fd, (char *)buf + have, n - have);
        g_assert_cmpint(r, >, 0);
        have += (size_t)r;
    }
}

/* The authentication's result: 0 let in. */
static uint32_t log_in(const char *path, const char *password)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    unsigned char buf[64];
    uint32_t res;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(un.sun_path, path, sizeof un.sun_path);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, sizeof un), ==, 0);
    read_all(fd, buf, 12);
    g_assert_cmpint(write(fd, "RFB 003.008\n", 12), ==, 12);
    read_all(fd, buf, 2);
    g_assert_cmpint(buf[0], ==, 1);
    g_assert_cmpint(buf[1], ==, 2);
    g_assert_cmpint(write(fd, buf + 1, 1), ==, 1);
    read_all(fd, buf, 16);
    rfbEncryptBytes(buf, (char *)password);
    g_assert_cmpint(write(fd, buf, 16), ==, 16);
    read_all(fd, &res, 4);
    close(fd);
    return res;
}

static void test_password(void)
{
    GError *err = NULL;
    g_autofree char *dir = g_dir_make_tmp("vireo-vnc-XXXXXX", NULL), *path = g_build_filename(dir, "v", NULL);
    g_autofree char *opt = g_strdup_printf("unix:%s,password", path);

    g_assert_true(vnc_display_start(opt, "t", &err));
    g_assert_no_error(err);
    g_assert_cmpuint(log_in(path, ""), !=, 0); /* none set: nobody */
    g_assert_true(vnc_set_password("geheim", NULL));
    g_assert_cmpuint(log_in(path, "geheim"), ==, 0);
    g_assert_cmpuint(log_in(path, "geheim2"), !=, 0);
    g_assert_true(vnc_expire_password("now", NULL));
    g_assert_cmpuint(log_in(path, "geheim"), !=, 0);
    g_assert_true(vnc_expire_password("+100", NULL));
    g_assert_cmpuint(log_in(path, "geheim"), ==, 0);
    g_assert_true(vnc_expire_password("1000", NULL)); /* 1970 */
    g_assert_cmpuint(log_in(path, "geheim"), !=, 0);
    g_assert_true(vnc_expire_password("never", NULL));
    g_assert_false(vnc_expire_password("later", NULL));
    g_assert_true(vnc_set_password("12345678abc", NULL)); /* eight count */
    g_assert_cmpuint(log_in(path, "12345678"), ==, 0);
    vnc_display_stop();
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    rmdir(dir);
}
#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host/display/keymap", test_keymap);
#if CONFIG_VNC
    g_test_add_func("/host/display/vnc/options", test_options);
    g_test_add_func("/host/display/vnc/password", test_password);
#endif
    return g_test_run();
}
