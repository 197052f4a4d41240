/* test-device.c - properties, reset order, saved state and its errors. */
#include "host/base/osdep.h"
#include "softmmu/device.h"
#include "softmmu/runstate.h"
#include "softmmu/timer.h"

typedef struct Toy {
    Device dev;
    uint32_t size;
    bool on;
    char *label;
    uint16_t regs[4];
    uint8_t *buf;
    uint32_t buf_len;
    Timer *timer;
    int resets;
} Toy;

static void nothing(void *opaque) {}
static bool toy_init(Device *dev, GError **errp)
{
    Toy *t = (Toy *)dev;

    if (t->size > 100)
        return error_set(errp, "toy: size %u is more than 100", t->size);
    t->timer = timer_new(CLOCK_VM, nothing, NULL);
    return true;
}
static void toy_reset(Device *dev)
{
    Toy *t = (Toy *)dev;

    memset(t->regs, 0, sizeof t->regs);
    t->resets++;
}
static void toy_finalize(Device *dev)
{
    timer_free(((Toy *)dev)->timer);
    g_free(((Toy *)dev)->buf);
}
static const DeviceProp toy_props[] = {
    {"size", PROP_UINT32, offsetof(Toy, size), 7, NULL, NULL},
    {"on", PROP_BOOL, offsetof(Toy, on), 1, NULL, NULL},
    {"label", PROP_STRING, offsetof(Toy, label), 0, "none", NULL},
    PROP_END,
};
static const VMField toy_fields[] = {VM_UINT_ARRAY(Toy, regs, 4), VM_VBUFFER(Toy, buf, 16, buf_len),
                                     VM_TIMER(Toy, timer), VM_END};
static const DeviceClass toy_class = {.name = "toy", .instance_size = sizeof(Toy), .init = toy_init,
                                      .reset = toy_reset, .finalize = toy_finalize, .props = toy_props,
                                      .fields = toy_fields};

static void test_props(void)
{
    Toy *t = (Toy *)device_new(&toy_class, "t0");
    GError *err = NULL;

    g_assert_cmpuint(t->size, ==, 7);
    g_assert_true(t->on);
    g_assert_cmpstr(t->label, ==, "none");
    g_assert_true(device_set_prop(&t->dev, "size", "0x10", &err));
    g_assert_cmpuint(t->size, ==, 16);
    g_assert_true(device_set_prop(&t->dev, "on", "off", &err));
    g_assert_false(t->on);
    g_assert_true(device_set_prop(&t->dev, "label", "x", &err));
    g_assert_false(device_set_prop(&t->dev, "size", "-1", &err));
    g_assert_nonnull(strstr(err->message, "size"));
    g_clear_error(&err);
    g_assert_false(device_set_prop(&t->dev, "size", "5000000000", &err));
    g_clear_error(&err);
    g_assert_false(device_set_prop(&t->dev, "colour", "red", &err));
    g_clear_error(&err);
    g_assert_true(device_set_prop(&t->dev, "size", "101", &err));
    g_assert_false(device_realize(&t->dev, &err));
    g_assert_cmpstr(err->message, ==, "toy: size 101 is more than 100");
    g_clear_error(&err);
    g_assert_null(device_list());
}

static Toy *make(void)
{
    Toy *t = (Toy *)device_new(&toy_class, NULL);

    g_assert_true(device_realize(&t->dev, NULL));
    return t;
}

static void test_state(void)
{
    Toy *a, *b;
    g_autoptr(GByteArray) s = g_byte_array_new();
    GError *err = NULL;

    a = make();
    b = make();
    a->regs[2] = 0x1234;
    b->regs[2] = 0x5678;
    b->buf = g_memdup2("abc", 3);
    b->buf_len = 3;
    timer_mod(b->timer, 99);
    device_save_all(s);
    device_reset_all();
    g_assert_cmpint(a->resets, ==, 2);
    b->buf_len = 0;
    timer_del(b->timer);
    g_assert_true(device_load_all(s->data, s->len, &err));
    g_assert_cmphex(a->regs[2], ==, 0x1234);
    g_assert_cmphex(b->regs[2], ==, 0x5678);
    g_assert_cmpmem(b->buf, b->buf_len, "abc", 3);
    g_assert_cmpint(timer_expire_ns(b->timer), ==, 99);
    for (size_t cut = 1; cut < s->len; cut++) { /* short anywhere: an error, or whole sections only */
        if (!device_load_all(s->data, cut, &err)) {
            g_assert_nonnull(err);
            g_clear_error(&err);
        }
    }
    device_free(&b->dev);
    g_assert_false(device_load_all(s->data, s->len, &err)); /* a section that the machine lacks */
    g_assert_nonnull(strstr(err->message, "toy"));
    g_clear_error(&err);
    device_free_all();
}

static int notified;
static void on_request(void) { notified++; }
static void test_runstate(void)
{
    RunState why;
    int code = -1;

    system_set_request_notify(on_request);
    g_assert_cmpint(system_take_reset_request(), ==, CAUSE_NONE);
    system_reset_request(CAUSE_GUEST_RESET);
    system_shutdown_request_with_code(CAUSE_GUEST_SHUTDOWN, 33);
    system_shutdown_request(CAUSE_HOST_QUIT); /* the first one counts */
    system_stop_request(RUN_STATE_IO_ERROR);
    g_assert_cmpint(notified, ==, 4);
    g_assert_cmpint(system_take_reset_request(), ==, CAUSE_GUEST_RESET);
    g_assert_cmpint(system_take_shutdown_request(&code), ==, CAUSE_GUEST_SHUTDOWN);
    g_assert_cmpint(code, ==, 33);
    g_assert_true(system_take_stop_request(&why));
    g_assert_cmpstr(runstate_name(why), ==, "io-error");
    g_assert_false(system_take_stop_request(&why));
    system_set_request_notify(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/softmmu/device/properties", test_props);
    g_test_add_func("/softmmu/device/state", test_state);
    g_test_add_func("/softmmu/runstate/requests", test_runstate);
    return g_test_run();
}
