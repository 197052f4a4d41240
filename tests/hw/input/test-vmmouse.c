/* test-vmmouse.c - the absolute mouse behind the back door: the calls a driver makes, full and wrong queues. */
#include "tests/hw/periph.h"
#include "host/display/input.h"
#include "hw/input/vmmouse.h"

static Device *mouse;

static void setup(void)
{
    periph_setup();
    mouse = device_new(&vmmouse_class, NULL);
    g_assert_true(device_realize(mouse, NULL));
}

static void teardown(void)
{
    device_free_all();
    periph_teardown();
}

static uint32_t call(unsigned cmd, uint32_t ebx, uint32_t out[6])
{
    uint32_t r[6] = {0x564d5868, ebx, cmd, 0x5658, 0, 0};
    vmmouse_call((VmMouse *)mouse, cmd, r);
    if (out)
        memcpy(out, r, sizeof r);
    return r[0];
}

static void enable(void)
{
    call(VMMOUSE_COMMAND, 0x45414552, NULL);
    g_assert_cmphex(call(VMMOUSE_STATUS, 0, NULL), ==, 1);
    g_assert_cmphex(call(VMMOUSE_DATA, 1, NULL), ==, 0x3442554a);
}

static void test_packets(void)
{
    uint32_t r[6];
    setup();
    g_assert_cmphex(call(VMMOUSE_STATUS, 0, NULL), ==, 0xffff0000); /* off */
    g_assert_false(input_is_absolute());
    enable();
    call(VMMOUSE_COMMAND, 0x53424152, NULL);
    g_assert_true(input_is_absolute());
    input_absolute(INPUT_ABS_MAX, 0x1000, -1, BUTTON_LEFT | BUTTON_MIDDLE);
    g_assert_cmphex(call(VMMOUSE_STATUS, 0, NULL), ==, 4);
    call(VMMOUSE_DATA, 4, r);
    g_assert_cmphex(r[0], ==, 0x28);
    g_assert_cmphex(r[1], ==, 0xfffe);
    g_assert_cmphex(r[2], ==, 0x2000);
    g_assert_cmphex(r[3], ==, 0xffffffff);
    call(VMMOUSE_COMMAND, 0x4c455252, NULL);
    g_assert_false(input_is_absolute());
    input_mouse(3, -4, 0, BUTTON_RIGHT);
    call(VMMOUSE_DATA, 4, r);
    g_assert_cmphex(r[0], ==, 0x10010);
    g_assert_cmphex(r[1], ==, 3);
    g_assert_cmphex(r[2], ==, (uint32_t)-4);
    periph_check_state();
    call(VMMOUSE_COMMAND, 0xf5, NULL);
    g_assert_cmphex(call(VMMOUSE_STATUS, 0, NULL), ==, 0xffff0000);
    teardown();
}

static void test_limits(void)
{
    setup();
    enable();
    call(VMMOUSE_COMMAND, 0x53424152, NULL);
    for (int i = 0; i < 1000; i++) /* nobody reads: it stays bounded, packets stay whole */
        input_absolute(i, i, 0, 0);
    uint32_t n = call(VMMOUSE_STATUS, 0, NULL);
    g_assert_cmpuint(n, <=, 256);
    g_assert_cmpuint(n % 4, ==, 0);
    for (uint32_t i = 0; i < n; i += 4)
        g_assert_cmphex(call(VMMOUSE_DATA, 4, NULL), ==, 0);
    call(VMMOUSE_DATA, 4, NULL); /* nothing there: an error until enabled anew */
    g_assert_cmphex(call(VMMOUSE_STATUS, 0, NULL) >> 16, ==, 0xffff);
    g_assert_false(input_is_absolute());
    enable();
    static const uint32_t sizes[] = {0, 7, 0xffffffff};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        call(VMMOUSE_DATA, sizes[i], NULL);
        g_assert_cmphex(call(VMMOUSE_STATUS, 0, NULL) >> 16, ==, 0xffff);
        enable();
    }
    call(VMMOUSE_COMMAND, 0x12345678, NULL);
    device_reset_all();
    g_assert_cmphex(call(VMMOUSE_STATUS, 0, NULL), ==, 0xffff0000);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/vmmouse/packets", test_packets);
    g_test_add_func("/hw/vmmouse/limits", test_limits);
    return g_test_run();
}
