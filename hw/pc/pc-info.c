/* pc-info.c - the monitor's views of the board: pic, lapic, irq, qtree, roms
 * Format: that of qemu-system-x86_64's monitor, which scripts parse. */
#include "host/base/osdep.h"
#include "hw/pc/pc.h"

#include "host/base/bitops.h"
#include "hw/pc/pc-internal.h"

void pc_info_pic(PcMachine *pc, GString *out)
{
    ioapic_print(pc_priv(pc)->ioapic, out);
    i8259_print(pc_priv(pc)->pic, out);
}

void pc_info_lapic(PcMachine *pc, GString *out)
{
    lapic_print(pc_priv(pc)->lapic, out);
}

void pc_info_irq(PcMachine *pc, GString *out)
{
    ioapic_print_stats(pc_priv(pc)->ioapic, out);
    i8259_print_stats(pc_priv(pc)->pic, out);
}

void pc_info_roms(PcMachine *pc, GString *out)
{
    boot_roms_print(&pc_priv(pc)->roms, pc_priv(pc)->fw_cfg, out);
}

/* --- qtree --- */

static void print_prop(const Device *dev, const DeviceProp *p, GString *out, int indent)
{
    const uint8_t *at = (const uint8_t *)dev + p->offset;
    uint64_t v;

    g_string_append_printf(out, "%*s%s = ", indent, "", p->name);
    switch (p->kind) {
    case PROP_BOOL:
        g_string_append(out, *(const bool *)at ? "true\n" : "false\n");
        return;
    case PROP_STRING: {
        const char *s = *(char *const *)(const void *)at;
        g_string_append_printf(out, "\"%s\"\n", s ? s : "");
        return;
    }
    case PROP_UINT8:
        v = *at;
        break;
    case PROP_UINT16:
        v = ldl16(at);
        break;
    case PROP_UINT32:
        v = ldl32(at);
        break;
    default:
        v = ldl64(at);
        break;
    }
    g_string_append_printf(out, "%" PRIu64 " (0x%" PRIx64 ")\n", v, v);
}

static void print_pci(const PciDevice *pd, GString *out, int indent)
{
    g_string_append_printf(out, "%*saddr = %02x.%x\n", indent, "", pd->devfn >> 3, pd->devfn & 7);
    g_string_append_printf(out, "%*sclass %04x, addr 00:%02x.%x, pci id %04x:%04x (sub %04x:%04x)\n", indent, "",
                           ldl16(pd->config + PCI_CLASS_DEVICE), pd->devfn >> 3, pd->devfn & 7, ldl16(pd->config),
                           ldl16(pd->config + 2), ldl16(pd->config + PCI_SUBSYS_VENDOR),
                           ldl16(pd->config + PCI_SUBSYS_ID));
    for (int n = 0; n < 6; n++) {
        const PciBar *b = &pd->bar[n];
        if (b->kind != PCI_BAR_NONE)
            g_string_append_printf(out, "%*sbar %d: %s at 0x%" PRIx64 " [0x%" PRIx64 "]\n", indent, "", n,
                                   b->kind == PCI_BAR_IO ? "i/o" : "mem", b->mapped_at,
                                   b->mapped_at + b->region->size - 1);
    }
}

static void print_device(Device *dev, GString *out, int indent, bool pci)
{
    g_string_append_printf(out, "%*sdev: %s, id \"%s\"\n", indent, "", dev->cls->name, dev->id ? dev->id : "");
    for (const DeviceProp *p = dev->cls->props; p && p->name; p++)
        print_prop(dev, p, out, indent + 2);
    if (pci)
        print_pci((PciDevice *)dev, out, indent + 2);
    if (dev->cls->print)
        dev->cls->print(dev, out, indent + 2);
}

static void print_bus(GString *out, int indent, const char *name, const char *type)
{
    g_string_append_printf(out, "%*sbus: %s\n%*stype %s\n", indent, "", name, indent + 2, "", type);
}

static bool on_bus(const Device *dev, const char *bus)
{
    return !g_strcmp0(dev->cls->bus, bus);
}

void pc_info_qtree(PcMachine *pc, GString *out)
{
    print_bus(out, 0, "main-system-bus", "System");
    for (GList *l = device_list(); l; l = l->next)
        if (!on_bus(l->data, "PCI") && !on_bus(l->data, "ISA"))
            print_device(l->data, out, 2, false);
    g_string_append(out, "  dev: i440FX-pcihost, id \"\"\n");
    print_bus(out, 4, "pci.0", "PCI");
    for (GList *l = device_list(); l; l = l->next) {
        Device *dev = l->data;
        if (!on_bus(dev, "PCI"))
            continue;
        print_device(dev, out, 6, true);
        if (dev != pc_priv(pc)->piix3)
            continue;
        print_bus(out, 8, "isa.0", "ISA");
        for (GList *k = device_list(); k; k = k->next)
            if (on_bus(k->data, "ISA"))
                print_device(k->data, out, 10, false);
    }
}
