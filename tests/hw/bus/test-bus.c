/* test-bus.c - PCI configuration and INTx, PIIX3 routing and reset, PIIX4 power management. */
#include "host/base/osdep.h"
#include "hw/bus/i440fx.h"
#include "hw/bus/piix3.h"
#include "hw/bus/piix4-pm.h"
#include "softmmu/runstate.h"
#include "tests/lib/bus-harness.h"

static MemoryRegion ram, pci_mem, bar;
static PciBus *bus;
static TestLine isa[16], sci;

static uint64_t bar_read(void *opaque, hwaddr off, unsigned size) { return 0x5a; }
static void bar_write(void *opaque, hwaddr off, uint64_t val, unsigned size) {}
static const MemoryOps bar_ops = {bar_read, bar_write, 1, 4, false};

static bool card_init(Device *dev, GError **errp)
{
    PciDevice *pd = (PciDevice *)dev;

    if (!pci_device_init(pd, 0x1234, 0x5678, 0x0200, 0, 1, errp))
        return false;
    pd->config[PCI_INT_PIN] = 1;
    memory_region_init_io(&bar, &bar_ops, pd, "bar", 0x1000);
    pci_register_bar(pd, 0, PCI_BAR_MEM, &bar);
    return true;
}
static void card_reset(Device *dev) { pci_device_reset((PciDevice *)dev); }
static void card_finalize(Device *dev)
{
    pci_device_finalize((PciDevice *)dev);
    memory_region_destroy(&bar);
}
static const DeviceClass card_class = {.name = "card", .instance_size = sizeof(PciDevice), .init = card_init,
                                       .reset = card_reset, .finalize = card_finalize, .fields = pci_device_fields};
static PciDevice *card;

static void begin(void)
{
    Device *host, *isa_bridge, *pm;
    IrqLine lines[16];

    harness_start();
    memset(isa, 0, sizeof isa);
    sci = (TestLine){0};
    g_assert_true(memory_region_init_ram(&ram, "ram", 2 * MiB, NULL));
    memory_region_init(&pci_mem, "pci", UINT64_MAX);
    memory_region_add(address_space_memory.root, 0, &ram, 0);
    memory_region_add(address_space_memory.root, 0, &pci_mem, -1);
    for (int i = 0; i < 16; i++)
        lines[i] = irq_line(test_line_set, isa, i);
    host = device_new(&i440fx_class, NULL);
    isa_bridge = device_new(&piix3_class, NULL);
    pm = device_new(&piix4_pm_class, NULL);
    bus = pci_bus_new("pci.0", &pci_mem, address_space_io.root, piix3_set_pirq, isa_bridge);
    pci_bus_set_map_irq(bus, piix3_map_irq);
    i440fx_configure((I440fxState *)host, bus, &ram, &pci_mem);
    piix3_configure((Piix3State *)isa_bridge, bus, PCI_DEVFN(1, 0), lines);
    piix4_pm_configure((Piix4PmState *)pm, bus, PCI_DEVFN(1, 3), test_line(&sci), (IrqLine){0});
    card = (PciDevice *)device_new(&card_class, NULL);
    card->bus = bus;
    card->devfn = -1;
    g_assert_true(device_realize(host, NULL) && device_realize(isa_bridge, NULL) && device_realize(pm, NULL) &&
                  device_realize(&card->dev, NULL));
}

static void end(void)
{
    device_free_all();
    pci_bus_free(bus);
    harness_stop();
    memory_region_destroy(&ram);
    memory_region_destroy(&pci_mem);
}

static void cfg_addr(unsigned devfn, unsigned reg) { outl(0xcf8, 0x80000000 | devfn << 8 | (reg & 0xfc)); }
static uint32_t cfg(unsigned devfn, unsigned reg)
{
    cfg_addr(devfn, reg);
    return inl(0xcfc);
}
static void cfg_set(unsigned devfn, unsigned reg, uint32_t v)
{
    cfg_addr(devfn, reg);
    outl(0xcfc, v);
}

static void test_config(void)
{
    begin();
    g_assert_cmphex(cfg(0, 0), ==, 0x12378086);
    g_assert_cmphex(cfg(PCI_DEVFN(1, 0), 0), ==, 0x70008086);
    g_assert_cmphex(cfg(PCI_DEVFN(1, 3), 0), ==, 0x71138086);
    g_assert_cmphex(cfg(PCI_DEVFN(2, 0), 0), ==, 0x56781234); /* the first free slot */
    g_assert_cmphex(cfg(PCI_DEVFN(3, 0), 0), ==, 0xffffffff);
    g_assert_cmphex(cfg(PCI_DEVFN(0x20, 0), 0), ==, 0xffffffff); /* bus 1 */
    cfg_addr(8, 0);
    g_assert_cmphex(inw(0xcfe), ==, 0x7000);
    g_assert_cmphex(inb(0xcfd), ==, 0x80);
    outl(0xcf8, 0x00000000); /* not enabled */
    g_assert_cmphex(inl(0xcfc), ==, 0xffffffff);
    cfg_set(0, 0, 0); /* identity is read-only */
    g_assert_cmphex(cfg(0, 0), ==, 0x12378086);
    end();
}

static void test_bar(void)
{
    begin();
    cfg_set(16, PCI_BAR0, 0xffffffff);
    g_assert_cmphex(cfg(16, PCI_BAR0), ==, 0xfffff000); /* sizing */
    cfg_set(16, PCI_BAR0, 0xe0000000);
    g_assert_cmphex(readl(0xe0000000), ==, 0xffffffff);
    cfg_set(16, PCI_COMMAND, PCI_CMD_MEM);
    g_assert_cmphex(readl(0xe0000000) & 0xff, ==, 0x5a);
    cfg_set(16, PCI_BAR0, 0xe1000000);
    g_assert_cmphex(readl(0xe0000000), ==, 0xffffffff);
    g_assert_cmphex(readl(0xe1000000) & 0xff, ==, 0x5a);
    device_reset_all();
    g_assert_cmphex(readl(0xe1000000), ==, 0xffffffff);
    end();
}

static void test_pirq(void)
{
    begin();
    pci_set_irq(card, 1); /* slot 2 INTA is PIRQB; disabled after reset */
    for (int i = 0; i < 16; i++)
        g_assert_cmpint(isa[i].level, ==, 0);
    cfg_set(8, 0x60, 0x80800a80); /* PIRQB -> IRQ 10 */
    g_assert_cmpint(isa[10].level, ==, 1);
    cfg_set(8, 0x60, 0x80800b80);
    g_assert_cmpint(isa[10].level, ==, 0);
    g_assert_cmpint(isa[11].level, ==, 1);
    cfg_set(16, PCI_COMMAND, PCI_CMD_INTX_DISABLE);
    g_assert_cmpint(isa[11].level, ==, 0);
    cfg_set(16, PCI_COMMAND, 0);
    g_assert_cmpint(isa[11].level, ==, 1);
    pci_set_irq(card, 0);
    g_assert_cmpint(isa[11].level, ==, 0);
    end();
}

static void test_reset_control(void)
{
    begin();
    outb(0xcf9, 0x02);
    g_assert_cmpint(system_take_reset_request(), ==, CAUSE_NONE);
    g_assert_cmphex(inb(0xcf9), ==, 0x02);
    outb(0xcf9, 0x06);
    g_assert_cmpint(system_take_reset_request(), ==, CAUSE_GUEST_RESET);
    end();
}

static void test_pm(void)
{
    uint32_t a, b;

    begin();
    g_assert_cmphex(inl(0x608), ==, 0xffffffff);
    cfg_set(11, 0x40, 0x601);
    cfg_set(11, 0x80, 1);
    a = inl(0x608);
    step(NANOSECONDS_PER_SECOND);
    b = inl(0x608);
    g_assert_cmpuint((b - a) & 0xffffff, ==, 3579545);
    g_assert_true(ioport_read_is_lockless(0x608));
    outb(0xb2, 0xf1); /* ACPI on */
    g_assert_cmphex(inw(0x604) & 1, ==, 1);
    outw(0x602, 0x0101); /* timer and power button */
    outw(0x600, 0xffff);
    g_assert_cmpint(sci.level, ==, 0);
    powerdown_handlers_run();
    g_assert_cmpint(sci.level, ==, 1);
    g_assert_cmphex(inw(0x600) & 0x100, ==, 0x100);
    outw(0x600, 0x0100);
    g_assert_cmpint(sci.level, ==, 0);
    step(3 * NANOSECONDS_PER_SECOND); /* bit 23 changes every 2.34 s */
    g_assert_cmpint(sci.level, ==, 1);
    outw(0x600, 0x0001);
    g_assert_cmpint(sci.level, ==, 0);
    outw(0x604, 0x2001); /* SLP_TYP 0, SLP_EN: soft off */
    g_assert_cmpint(system_take_shutdown_request(NULL), ==, CAUSE_GUEST_SHUTDOWN);
    outb(0xb102, 0x48); /* SMBus: nobody answers at address 0 */
    g_assert_cmphex(inb(0xb100), ==, 0x04);
    outb(0xb100, 0xff);
    g_assert_cmphex(inb(0xb100), ==, 0);
    cfg_addr(PCI_DEVFN(1, 3), 0x90);
    outl(0xcfc, 0x701); /* the base register moves it */
    g_assert_cmphex(inb(0xb100), ==, 0xff);
    outb(0x704, 0xa0); /* EEPROM 50h: byte 10h becomes 5Ah */
    outb(0x703, 0x10);
    outb(0x705, 0x5a);
    outb(0x702, 0x48);
    g_assert_cmphex(inb(0x700), ==, 0x02);
    outb(0x700, 0x02);
    outb(0x705, 0);
    outb(0x704, 0xa1);
    outb(0x703, 0x0f);
    outb(0x702, 0x4c); /* a word from 0Fh */
    g_assert_cmphex(inb(0x705), ==, 0x00);
    g_assert_cmphex(inb(0x706), ==, 0x5a);
    outb(0x702, 0x44); /* the next byte */
    g_assert_cmphex(inb(0x705), ==, 0x00);
    outb(0x703, 0x20);
    outb(0x702, 0x54); /* a block of length 0: refused */
    g_assert_cmphex(inb(0x700), ==, 0x06);
    cfg_addr(PCI_DEVFN(1, 3), 0xd2);
    outb(0xcfe, 0x08); /* switched off */
    g_assert_cmphex(inb(0x700), ==, 0xff);
    end();
}

static void test_smram(void)
{
    begin();
    physmem_st(&address_space_memory, 0xa0000, 1, 0x77);
    cfg_addr(0, 0x70);
    outb(0xcfe, 0x4a); /* D_OPEN, G_SMRAME */
    physmem_st(&address_space_memory, 0xa0000, 1, 0x66);
    g_assert_cmphex(physmem_ld(&address_space_memory, 0xa0000, 1), ==, 0x66);
    outb(0xcfe, 0x5a); /* lock closes it */
    g_assert_cmphex(inb(0xcfe) & 0x50, ==, 0x10);
    outb(0xcfe, 0x4a);
    g_assert_cmphex(inb(0xcfe) & 0x40, ==, 0);
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hw/pci/config", test_config);
    g_test_add_func("/hw/pci/bar", test_bar);
    g_test_add_func("/hw/piix3/pirq", test_pirq);
    g_test_add_func("/hw/piix3/reset-control", test_reset_control);
    g_test_add_func("/hw/piix4-pm/acpi", test_pm);
    g_test_add_func("/hw/i440fx/smram", test_smram);
    return g_test_run();
}
