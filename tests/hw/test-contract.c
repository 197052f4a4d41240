/* test-contract.c - what every device class promises: reset twice = reset once, save-load-save is
 * byte-identical, random port and MMIO accesses never crash. */
#include "host/base/osdep.h"
#include "hw/audio/pcspk.h"
#include "hw/block/fdc.h"
#include "hw/block/ide.h"
#include "hw/bus/i440fx.h"
#include "hw/bus/pci-testdev.h"
#include "hw/bus/piix3.h"
#include "hw/bus/piix4-pm.h"
#include "hw/char/debugcon.h"
#include "hw/char/parallel.h"
#include "hw/char/uart16550.h"
#include "hw/display/vga.h"
#include "hw/dma/i8237.h"
#include "hw/input/i8042.h"
#include "hw/net/e1000.h"
#include "hw/net/ne2k-pci.h"
#include "hw/net/nic.h"
#include "hw/net/rtl8139.h"
#include "hw/net/virtio-net.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/lapic.h"
#include "hw/pc/fw-cfg.h"
#include "hw/pc/isa-debug-exit.h"
#include "hw/pc/pc-testdev.h"
#include "hw/input/vmmouse.h"
#include "hw/pc/port92.h"
#include "hw/pc/vmport.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254.h"
#include "hw/timer/mc146818.h"
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-blk.h"
#include "hw/virtio/virtio-rng.h"
#include "hw/virtio/virtio-serial.h"
#include "softmmu/runstate.h"
#include "tests/lib/bus-harness.h"

static PciBus *bus;
static MemoryRegion ram, pci_mem;
static IrqLine no_lines[16];

static void wire_i440fx(Device *d) { i440fx_configure((I440fxState *)d, bus, &ram, &pci_mem); }
static void wire_piix3(Device *d) { piix3_configure((Piix3State *)d, bus, 8, no_lines); }
static void wire_pm(Device *d) { piix4_pm_configure((Piix4PmState *)d, bus, 11, (IrqLine){0}, (IrqLine){0}); }
static void wire_ide(Device *d) { ide_controller_wire(d, bus, 9, (IrqLine){0}, (IrqLine){0}); }
static void wire_vga(Device *d) { vga_pci_wire(d, bus, 16); }
static void wire_nic(Device *d)
{
    ((NicState *)d)->pci.bus = bus;
    ((NicState *)d)->pci.devfn = 24;
}
static void wire_pci(Device *d)
{
    ((PciDevice *)d)->bus = bus;
    ((PciDevice *)d)->devfn = 24;
}
static void wire_virtio_blk(Device *d)
{
    static Drive *drive;

    if (!drive)
        drive = drive_new("if=none,id=vd0,driver=null-co,size=1048576", NULL);
    g_assert_nonnull(drive);
    g_assert_true(device_set_prop(d, "drive", "vd0", NULL));
    wire_pci(d);
}
static void wire_uart(Device *d) { ((UartState *)d)->isa_irq = no_lines; }
static void wire_lpt(Device *d) { ((ParallelState *)d)->isa_irq = no_lines; }
static void wire_debugcon(Device *d)
{
    static Chardev *null_chr;

    if (!null_chr)
        g_assert_true(chardev_new_legacy("contract", "null", &null_chr, NULL));
    ((DebugconState *)d)->chr = null_chr;
}
static void wire_fdc(Device *d) { fdc_wire(d, (IrqLine){0}, NULL); }

static const struct {
    const DeviceClass *cls;
    void (*wire)(Device *d);
} all[] = {
    {&i8259_class, NULL},      {&ioapic_class, NULL},     {&lapic_class, NULL},
    {&vmmouse_class, NULL},    {&vmport_class, NULL},    {&pcspk_class, NULL},
    {&i8254_class, NULL},      {&mc146818_class, NULL},   {&hpet_class, NULL},
    {&i8237_class, NULL},      {&i440fx_class, wire_i440fx}, {&piix3_class, wire_piix3},
    {&piix4_pm_class, wire_pm}, {&fw_cfg_class, NULL},    {&port92_class, NULL},
    {&isa_debug_exit_class, NULL}, {&i8042_class, NULL},  {&uart16550_class, wire_uart},
    {&parallel_class, wire_lpt}, {&debugcon_class, wire_debugcon}, {&fdc_class, wire_fdc},
    {&ide_controller_class, wire_ide}, {&vga_pci_class, wire_vga},
    {&e1000_class, wire_nic}, {&rtl8139_class, wire_nic}, {&ne2k_pci_class, wire_nic}, {&virtio_net_class, wire_nic}, {&virtio_net_transitional_class, wire_nic},
    {&virtio_net_non_transitional_class, wire_nic}, {&pc_testdev_class, NULL}, {&pci_testdev_class, wire_pci},
    {&virtio_blk_class, wire_virtio_blk}, {&virtio_blk_transitional_class, wire_virtio_blk},
    {&virtio_blk_non_transitional_class, wire_virtio_blk}, {&virtio_rng_class, wire_pci}, {&virtio_balloon_class, wire_pci},
    {&virtio_serial_class, wire_pci},
};

static void test_class(gconstpointer data)
{
    size_t i = GPOINTER_TO_SIZE(data);
    GError *err = NULL;
    Device *dev, *bridge = NULL;

    harness_start();
    g_assert_true(memory_region_init_ram(&ram, "ram", 2 * MiB, NULL));
    memory_region_init(&pci_mem, "pci", UINT64_MAX);
    memory_region_add(address_space_memory.root, 0, &ram, 0);
    memory_region_add(address_space_memory.root, 0, &pci_mem, -1);
    bus = pci_bus_new("pci.0", &pci_mem, address_space_io.root, NULL, NULL);
    if (all[i].wire && all[i].cls->bus && !strcmp(all[i].cls->bus, "PCI") && all[i].cls != &i440fx_class) {
        bridge = device_new(&i440fx_class, NULL); /* so that its configuration space is reached */
        wire_i440fx(bridge);
        g_assert_true(device_realize(bridge, &err));
    }
    dev = device_new(all[i].cls, NULL);
    if (all[i].wire)
        all[i].wire(dev);
    device_realize(dev, &err);
    g_assert_no_error(err);
    contract_check(dev);
    if (bridge) { /* BARs mapped, everything enabled */
        PciDevice *pd = (PciDevice *)dev;
        for (unsigned n = 0; n < 6; n++) {
            uint32_t at = pd->bar[n].kind == PCI_BAR_IO ? 0xc000 + 0x400 * n : pd->bar[n].kind ? 0xe0000000 + (n << 24) : 0;
            pci_config_write(bus, (uint32_t)pd->devfn, PCI_BAR0 + 4 * n, at, 4);
        }
        pci_config_write(bus, (uint32_t)pd->devfn, PCI_COMMAND, 7, 2);
        contract_check(dev);
    }
    device_free_all();
    pci_bus_free(bus);
    harness_stop();
    memory_region_destroy(&ram);
    memory_region_destroy(&pci_mem);
    system_take_reset_request();
    system_take_shutdown_request(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        g_autofree char *path = g_strdup_printf("/hw/contract/%s", all[i].cls->name);
        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_class);
    }
    return g_test_run();
}
