/* test-i8237.c - DMA controllers: programming, transfers, terminal count, page registers. */
#include "host/base/osdep.h"
#include "hw/dma/i8237.h"
#include "tests/lib/bus-harness.h"

static I8237State *dma;
static MemoryRegion ram;
static uint8_t disk[16], got[16];
static int calls;

static int to_memory(void *opaque, int chan, int pos, int len)
{
    int n = MIN(6, len - pos); /* in pieces, as a FIFO would */

    calls++;
    i8237_write_memory(dma, chan, disk + pos, pos, n);
    return pos + n;
}

static int from_memory(void *opaque, int chan, int pos, int len)
{
    i8237_read_memory(dma, chan, got, 0, len);
    return len;
}

static void begin(void)
{
    harness_start();
    g_assert_true(memory_region_init_ram(&ram, "ram", 2 * MiB, NULL));
    memory_region_add(address_space_memory.root, 0, &ram, 0);
    dma = (I8237State *)device_new(&i8237_class, NULL);
    g_assert_true(device_realize((Device *)dma, NULL));
    for (int i = 0; i < 16; i++)
        disk[i] = (uint8_t)(0x40 + i);
    memset(got, 0, sizeof got);
    calls = 0;
}

static void end(void)
{
    harness_stop();
    memory_region_destroy(&ram);
}

static void test_floppy_read(void)
{
    uint8_t buf[17];

    begin();
    g_assert_true(i8237_register(dma, 2, to_memory, NULL));
    g_assert_false(i8237_register(dma, 4, to_memory, NULL)); /* the cascade */
    outb(0x0c, 0);
    outb(0x0b, 0x46); /* single, write to memory, channel 2 */
    outb(0x04, 0x34);
    outb(0x04, 0x12);
    outb(0x81, 0x03);
    outb(0x05, 15);
    outb(0x05, 0);
    i8237_hold_dreq(dma, 2);
    step(1000000);
    g_assert_cmpint(calls, ==, 0); /* masked after reset */
    outb(0x0a, 0x02);
    step(1000000);
    g_assert_cmpint(calls, ==, 3);
    physmem_read(&address_space_memory, 0x31234, buf, 17);
    g_assert_cmpmem(buf, 16, disk, 16);
    g_assert_cmphex(buf[16], ==, 0);
    g_assert_cmphex(inb(0x08), ==, 0x44); /* TC and DREQ of channel 2 */
    g_assert_cmphex(inb(0x08), ==, 0x40); /* TC cleared by reading */
    outb(0x0c, 0);
    g_assert_cmphex(inb(0x05), ==, 0xff); /* the count wrapped to ffff */
    g_assert_cmphex(inb(0x05), ==, 0xff);
    i8237_release_dreq(dma, 2);
    end();
}

static void test_word_channel(void)
{
    begin();
    physmem_write(&address_space_memory, 0x42468, "0123456789", 10);
    g_assert_true(i8237_register(dma, 5, from_memory, NULL));
    outb(0xd8, 0);
    outb(0xd6, 0x49); /* channel 5, read from memory */
    outb(0xc4, 0x34); /* word address 1234h */
    outb(0xc4, 0x12);
    outb(0x8b, 0x04);
    outb(0xc6, 4);
    outb(0xc6, 0);
    outb(0xd4, 0x01);
    i8237_hold_dreq(dma, 5);
    step(1000000);
    g_assert_cmpmem(got, 10, "0123456789", 10);
    g_assert_cmphex(inb(0x8b), ==, 0x04);
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/i8237/floppy-read", test_floppy_read);
    g_test_add_func("/hw/i8237/word-channel", test_word_channel);
    return g_test_run();
}
