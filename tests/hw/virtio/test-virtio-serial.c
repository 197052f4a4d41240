/* test-virtio-serial.c - virtio console: control messages, ports, data both ways, save and load of messages that wait; the
 * balloon's statistics. Spec: VIRTIO 1.1, 5.3 and 5.5. */
#include "tests/hw/virtio/virtio-driver.h"
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-serial.h"
#include <sys/socket.h>
#include <sys/un.h>

/* queues: port 0 has 0 and 1, control 2 and 3, port 1 has 4 and 5 */
enum { RX0, TX0, CTRL_IN, CTRL_OUT, RX1, TX1, QUEUES };
enum { READY, ADD, REMOVE, PORT_READY, CONSOLE, RESIZE, OPEN, NAME, MULTIPORT = 1 };
enum { BUF = 0x100000, BUF_STEP = 0x1000, OUT = 0x180000 };

static Device *dev;
static char *folder;
static int client = -1;
static unsigned in_seen;


static void settle(void)
{
    for (int i = 0; i < 50; i++)
        while (g_main_context_iteration(NULL, FALSE))
            ;
}

static void start(const DeviceClass *cls, const char *prop, const char *val)
{
    pci_harness_start();
    in_seen = 0;
    dev = pci_harness_add(cls, prop, val);
    pci_harness_bar(4, VD_COMMON);
    pci_harness_enable();
}

/* Port 0: a console into a ring buffer; port 1: "org.test" on a unix socket. */
static void start_serial(void)
{
    g_autofree char *opt = NULL;
    GError *err = NULL;
    Device *port;

    folder = g_dir_make_tmp("vireo-serial-XXXXXX", NULL);
    start(&virtio_serial_class, NULL, NULL);
    opt = g_strdup_printf("socket,id=port,path=%s/s,server=on,wait=off", folder);
    g_assert_nonnull(chardev_new_opts("ringbuf,id=con,size=4096", &err));
    g_assert_nonnull(chardev_new_opts(opt, &err));
    port = device_new(&virtconsole_class, NULL);
    device_set_prop(port, "chardev", "con", NULL);
    g_assert_true(device_realize(port, &err));
    port = device_new(&virtserialport_class, NULL);
    device_set_prop(port, "chardev", "port", NULL);
    device_set_prop(port, "name", "org.test", NULL);
    g_assert_true(device_realize(port, &err));
    vd_start(BIT(MULTIPORT), QUEUES);
}

static void stop_serial(void)
{
    g_autofree char *path = g_strdup_printf("%s/s", folder);

    if (client >= 0)
        close(client);
    client = -1;
    pci_harness_stop();
    chardev_free(chardev_find("con"));
    chardev_free(chardev_find("port"));
    unlink(path);
    rmdir(folder);
    g_free(folder);
}

static void connect_client(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    g_snprintf(a.sun_path, sizeof a.sun_path, "%s/s", folder);
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(connect(client, (struct sockaddr *)&a, sizeof a), ==, 0);
    settle();
}

static void buffers(unsigned q, unsigned first, unsigned n, uint32_t size)
{
    for (unsigned i = first; i < first + n; i++) {
        vd_desc(q, i, BUF + BUF_STEP * (16 * q + i), size, VD_WRITE, 0);
        vd_offer(q, i);
    }
    vd_kick(q);
}

static void tell(unsigned port, unsigned event, unsigned value)
{
    vd_st(OUT, 4, port);
    vd_st(OUT + 4, 2, event);
    vd_st(OUT + 6, 2, value);
    vd_desc(CTRL_OUT, 0, OUT, 8, 0, 0);
    vd_offer(CTRL_OUT, 0);
    vd_kick(CTRL_OUT);
}

/* The next message from the device is this one. */
static void told(unsigned port, unsigned event, unsigned value, const char *text)
{
    hwaddr at;

    g_assert_cmpuint(vd_used(CTRL_IN), >, in_seen);
    at = BUF + BUF_STEP * (16 * CTRL_IN + vd_used_head(CTRL_IN, in_seen));
    g_assert_cmpuint(vd_ld(at, 4), ==, port);
    g_assert_cmpuint(vd_ld(at + 4, 2), ==, event);
    g_assert_cmpuint(vd_ld(at + 6, 2), ==, value);
    g_assert_cmpuint(vd_used_len(CTRL_IN, in_seen), ==, 8 + (text ? strlen(text) : 0));
    for (unsigned i = 0; text && text[i]; i++)
        g_assert_cmpint((int)vd_ld(at + 8 + i, 1), ==, text[i]);
    in_seen++;
}

static void test_control(void)
{
    start_serial();
    g_assert_cmpuint(vd_ld(VD_CONFIG + 4, 4), ==, SERIAL_MAX_PORTS);
    buffers(CTRL_IN, 0, 16, 64);
    tell(0, READY, 1);
    told(0, ADD, 1, NULL);
    told(1, ADD, 1, NULL);
    g_assert_cmpint(ph_line.level, ==, 1);
    tell(0, PORT_READY, 1);
    told(0, CONSOLE, 1, NULL);
    told(0, OPEN, 1, NULL);
    tell(1, PORT_READY, 1);
    told(1, NAME, 1, "org.test");
    connect_client();
    told(1, OPEN, 1, NULL);
    tell(1, OPEN, 1);
    buffers(RX1, 0, 1, 64); /* the end of a connection shows when it is read from */
    settle();
    close(client);
    client = -1;
    settle();
    told(1, OPEN, 0, NULL);
    tell(17, PORT_READY, 1); /* there is no such port */
    tell(0xffffffff, OPEN, 1);
    g_assert_cmpuint(vd_used(CTRL_IN), ==, in_seen);
    g_assert_false(vd_broken());
    stop_serial();
}

static void test_data(void)
{
    uint8_t got[64];

    start_serial();
    buffers(CTRL_IN, 0, 16, 64);
    tell(0, READY, 1);
    connect_client();
    g_assert_cmpint(write(client, "0123456789", 10), ==, 10);
    settle();
    buffers(RX1, 0, 1, 4);
    settle();
    g_assert_cmpuint(vd_used(RX1), ==, 0); /* nobody in the guest has it open */
    tell(1, OPEN, 1);
    settle();
    g_assert_cmpuint(vd_used(RX1), ==, 1);
    g_assert_cmphex(vd_ld(BUF + BUF_STEP * 16 * RX1, 4), ==, 0x33323130);
    buffers(RX1, 1, 2, 4);
    settle();
    g_assert_cmpuint(vd_used(RX1), ==, 3);
    g_assert_cmpuint(vd_used_len(RX1, 2), ==, 2);
    /* out, through two pieces */
    physmem_write(&address_space_memory, OUT + 64, "hello, host", 11);
    vd_desc(TX1, 0, OUT + 64, 7, VD_NEXT, 1);
    vd_desc(TX1, 1, OUT + 71, 4, 0, 0);
    vd_offer(TX1, 0);
    vd_kick(TX1);
    settle();
    g_assert_cmpuint(vd_used(TX1), ==, 1);
    g_assert_cmpint(read(client, got, sizeof got), ==, 11);
    g_assert_cmpint(memcmp(got, "hello, host", 11), ==, 0);
    vd_desc(TX0, 0, OUT + 64, 5, 0, 0);
    vd_offer(TX0, 0);
    vd_kick(TX0);
    g_assert_cmpint(chardev_ringbuf_read(chardev_find("con"), got, sizeof got), ==, 5);
    stop_serial();
}

/* Messages for which the driver has no buffers yet are part of the state. */
static void test_save(void)
{
    GByteArray *saved;
    size_t pos = 0;

    start_serial();
    tell(0, READY, 1);
    tell(0, PORT_READY, 1);
    tell(1, PORT_READY, 1);
    saved = contract_save(dev);
    dev->cls->reset(dev);
    g_assert_true(vmstate_load(dev->cls->fields, dev, saved->data, saved->len, &pos, NULL));
    dev->cls->post_load(dev);
    g_byte_array_free(saved, true);
    buffers(CTRL_IN, 0, 2, 64);
    told(0, ADD, 1, NULL);
    told(1, ADD, 1, NULL);
    buffers(CTRL_IN, 2, 4, 64);
    told(0, CONSOLE, 1, NULL);
    told(0, OPEN, 1, NULL);
    told(1, NAME, 1, "org.test");
    g_assert_cmpuint(vd_used(CTRL_IN), ==, in_seen);
    /* A driver that never takes any does no harm. */
    for (unsigned i = 0; i < 3000; i++)
        tell(1, PORT_READY, 1);
    buffers(CTRL_IN, 6, 2, 64);
    for (unsigned i = 0; i < 3; i++)
        told(1, NAME, 1, "org.test");
    contract_check(dev);
    stop_serial();
}

static void test_balloon_stats(void)
{
    enum { STATS = 2, AT = 0x180000 };
    uint64_t v;

    start(&virtio_balloon_class, "guest-stats-polling-interval", "2");
    vd_start(BIT(1), 3);
    g_assert_false(virtio_balloon_stat(dev, 4, &v));
    vd_st(AT, 2, 4); /* free memory */
    vd_st(AT + 2, 8, 123456);
    vd_st(AT + 10, 2, 5); /* total memory */
    vd_st(AT + 12, 8, 777);
    vd_st(AT + 20, 2, 0xffff); /* something later versions know */
    vd_st(AT + 22, 8, 1);
    vd_desc(STATS, 0, AT, 30, 0, 0);
    vd_offer(STATS, 0);
    vd_kick(STATS);
    g_assert_true(virtio_balloon_stat(dev, 4, &v));
    g_assert_cmpuint(v, ==, 123456);
    g_assert_true(virtio_balloon_stat(dev, 5, &v));
    g_assert_cmpuint(v, ==, 777);
    g_assert_false(virtio_balloon_stat(dev, 0, &v));
    g_assert_false(virtio_balloon_stat(dev, 99, &v));
    g_assert_cmpuint(vd_used(STATS), ==, 0); /* it is kept */
    step(1900000000);
    g_assert_cmpuint(vd_used(STATS), ==, 0);
    step(200000000);
    g_assert_cmpuint(vd_used(STATS), ==, 1); /* new ones, please */
    g_assert_cmpint(ph_line.level, ==, 1);
    vd_st(AT + 2, 8, 99);
    vd_offer(STATS, 0);
    vd_kick(STATS);
    g_assert_true(virtio_balloon_stat(dev, 4, &v));
    g_assert_cmpuint(v, ==, 99);
    vd_offer(STATS, 0); /* a second one is against the rules */
    vd_kick(STATS);
    g_assert_true(vd_broken());
    pci_harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/virtio/serial/control", test_control);
    g_test_add_func("/hw/virtio/serial/data", test_data);
    g_test_add_func("/hw/virtio/serial/waiting-messages-are-saved", test_save);
    g_test_add_func("/hw/virtio/balloon/statistics", test_balloon_stats);
    return g_test_run();
}
