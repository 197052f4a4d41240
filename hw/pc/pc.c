/* pc.c - the board "pc": memory map, chips, wiring
 * Spec: IBM AT address map; Intel 440FX/PIIX3/PIIX4 data sheets for what sits where.
 * RAM lies below 3.5 GiB (3 GiB when there is more) and above 4 GiB. Not modelled: more than one CPU. */
#include "host/base/osdep.h"
#include "hw/pc/pc.h"

#include "host/base/bitops.h"
#include "host/base/keyval.h"
#include "host/base/log.h"
#include "hw/audio/pcspk.h"
#include "hw/block/fdc.h"
#include "hw/block/ide.h"
#include "hw/bus/i440fx.h"
#include "hw/bus/piix3.h"
#include "hw/bus/piix4-pm.h"
#include "hw/char/debugcon.h"
#include "hw/char/parallel.h"
#include "hw/char/uart16550.h"
#include "hw/display/vga.h"
#include "hw/dma/i8237.h"
#include "hw/input/i8042.h"
#include "hw/pc/acpi-tables.h"
#include "hw/pc/pc-internal.h"
#include "hw/pc/port92.h"
#include "hw/pc/smbios.h"
#include "hw/pc/vmport.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254.h"
#include "softmmu/runstate.h"
#include "softmmu/timer.h"
#include "target-x86/cpu.h"

enum { ISA_PIT = 0, ISA_KBD = 1, ISA_COM2 = 3, ISA_COM1 = 4, ISA_FDC = 6, ISA_LPT = 7, ISA_RTC = 8, ISA_SCI = 9,
       ISA_MOUSE = 12, ISA_FPU = 13, ISA_IDE0 = 14, ISA_IDE1 = 15 };
enum { SLOT_PIIX = 1, FN_ISA = 0, FN_IDE = 1, FN_PM = 3, SLOT_VGA = 2 };
/* What stays as it was while the machine slept, because the firmware does not set it again when it resumes (a board of
 * that time kept it in the chips, or its BIOS did): what lies where below 1 MiB, whether the IDE channels are decoded and
 * how fast. Words of PCI configuration. */
static const struct {
    uint8_t devfn, at;
} slept_over[] = {{PCI_DEVFN(0, 0), 0x58}, {PCI_DEVFN(0, 0), 0x5c}, /* PAM */
                  {PCI_DEVFN(SLOT_PIIX, FN_IDE), 0x40}, {PCI_DEVFN(SLOT_PIIX, FN_IDE), 0x44}, {PCI_DEVFN(SLOT_PIIX, FN_IDE), 0x48},
                  {PCI_DEVFN(SLOT_PIIX, FN_PM), 0x90}, {PCI_DEVFN(SLOT_PIIX, FN_PM), 0xd0}}; /* SMBus */
enum { CMOS_SHUTDOWN_STATUS = 0x0f, SHUTDOWN_RESUME = 0xfe }; /* what SeaBIOS takes for "resume from S3" */
enum { DEFAULT_PM_BASE = 0x600 }; /* where SeaBIOS puts it; before it did, the tables assume that */
static const uint64_t LOW_RAM_MAX = 0xe0000000, LOW_RAM_SPLIT = 0xc0000000, HOLE64_SIZE = 2 * GiB;
/* The firmware uses SMM for nothing that the board does not do by itself, and skips it when told so. */
static const bool PC_HAS_SMM = true;

/* --- interrupts --- */

/* An ISA line, all its drivers together, goes to both controllers; IRQ 0 sits on pin 2 of the I/O APIC (MADT
 * override). */
static void isa_irq(void *opaque, int n, int level)
{
    PcPriv *p = pc_priv(opaque);

    i8259_set_irq(p->pic, n, level);
    ioapic_set_irq(p->ioapic, n == 0 ? 2 : n, level);
}

static void hpet_gsi(void *opaque, int n, int level)
{
    ioapic_set_irq(pc_priv(opaque)->ioapic, n, level);
}

static void ioapic_message(void *opaque, uint32_t dest, bool logical, unsigned mode, unsigned vector, bool level)
{
    lapic_deliver(pc_priv(opaque)->lapic, dest, logical, mode, vector, level);
}

/* SDM volume 3, 10.11: a write to the interrupt window. */
static void pci_message(void *opaque, uint64_t addr, uint32_t data)
{
    if (addr >> 20 == 0xfee)
        lapic_deliver(pc_priv(opaque)->lapic, addr >> 12 & 0xff, addr >> 2 & 1, data >> 8 & 7, data & 0xff, data >> 15 & 1);
    else
        log_guest_error("pci: message to %" PRIx64 ", where no interrupt controller is\n", addr);
}

static void lapic_eoi_broadcast(void *opaque, unsigned vector)
{
    ioapic_eoi(pc_priv(opaque)->ioapic, vector);
}

static int pic_inta(void *opaque)
{
    return i8259_acknowledge(pc_priv(opaque)->pic);
}

/* --- what the local APIC does to the CPU --- */

static void cpu_intr(void *opaque, int level)
{
    PcMachine *pc = opaque;

    if (level)
        cpu_interrupt(pc->cfg.cpu->cpu, CPU_INTERRUPT_HARD);
    else
        cpu_reset_interrupt(pc->cfg.cpu->cpu, CPU_INTERRUPT_HARD);
}

static void cpu_nmi(void *opaque)
{
    cpu_x86_nmi(((PcMachine *)opaque)->cfg.cpu);
}

static void cpu_smi(void *opaque)
{
    cpu_x86_smi(((PcMachine *)opaque)->cfg.cpu);
}

static void cpu_init(void *opaque)
{
    cpu_interrupt(((PcMachine *)opaque)->cfg.cpu->cpu, CPU_INTERRUPT_INIT);
}

/* The guest's TSC counts virtual nanoseconds (cpu_x86_tsc), from an origin that the guest may move. */
static int64_t tsc_to_ns(void *opaque, uint64_t tsc)
{
    PcMachine *pc = opaque;
    CPUX86State *cpu = pc->cfg.cpu;
    int64_t delta = (int64_t)(tsc - (uint64_t)cpu_x86_tsc(cpu));

    if ((int64_t)(tsc - cpu_x86_read_tsc(cpu)) <= 0) /* over for the guest: at once */
        delta = 0;
    return clock_ns(CLOCK_VM) + CLAMP(delta, 0, INT64_MAX / 4);
}

static const LapicCpuOps lapic_cpu_ops = {cpu_intr, cpu_nmi, cpu_smi, cpu_init, NULL, tsc_to_ns};

/* --- what the CPU asks of the board --- */

static int irq_get_vector(void *opaque)
{
    return lapic_get_vector(pc_priv(opaque)->lapic);
}
static uint8_t irq_get_tpr(void *opaque)
{
    return lapic_get_tpr(pc_priv(opaque)->lapic);
}
static void irq_set_tpr(void *opaque, uint8_t tpr)
{
    lapic_set_tpr(pc_priv(opaque)->lapic, tpr);
}
static uint64_t irq_get_base(void *opaque)
{
    return lapic_get_base(pc_priv(opaque)->lapic);
}
static bool irq_set_base(void *opaque, uint64_t val)
{
    return lapic_set_base(pc_priv(opaque)->lapic, val);
}
static bool irq_msr_read(void *opaque, uint32_t msr, uint64_t *val)
{
    return lapic_msr_read(pc_priv(opaque)->lapic, msr, val);
}
static bool irq_msr_write(void *opaque, uint32_t msr, uint64_t val)
{
    return lapic_msr_write(pc_priv(opaque)->lapic, msr, val);
}
static void irq_ferr(void *opaque)
{
    irq_raise(&((PcMachine *)opaque)->isa_irq[ISA_FPU]);
}
static void a20_line(void *opaque, int n, int level)
{
    PcMachine *pc = opaque;

    if (pc->cfg.cpu)
        cpu_x86_set_a20(pc->cfg.cpu, level != 0);
}
static void irq_set_a20(void *opaque, int level)
{
    a20_line(opaque, 0, level);
}
static void irq_smm_changed(void *opaque, bool on)
{
    i440fx_set_smm(pc_priv(opaque)->i440fx, 0, on);
}
static const CPUX86IrqOps irq_ops = {irq_get_vector, irq_get_tpr,   irq_set_tpr, irq_get_base, irq_set_base,
                                     irq_msr_read,   irq_msr_write, irq_ferr,    irq_set_a20,  irq_smm_changed};

static void smi_line(void *opaque, int n, int level)
{
    if (level && ((PcMachine *)opaque)->cfg.cpu)
        cpu_smi(opaque);
}

/* --- ports that are no chip of their own --- */

static uint64_t port_ones(void *opaque, hwaddr off, unsigned size)
{
    return 0xff;
}
static void post_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    /* POST codes; also what Linux writes for a delay */
}
static void fpu_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    irq_lower(&((PcMachine *)opaque)->isa_irq[ISA_FPU]); /* any write clears IRQ 13 */
}
static const MemoryOps post_ops = {port_ones, post_write, 1, 1, false};
static const MemoryOps fpu_ops = {port_ones, fpu_write, 1, 1, false};

/* --- memory --- */

static bool create_memory(PcMachine *pc, GError **errp)
{
    PcPriv *p = pc_priv(pc);
    uint64_t size = pc->cfg.ram_size;
    GError *err = NULL;

    p->low_size = size >= LOW_RAM_MAX ? LOW_RAM_SPLIT : size;
    if (pc->cfg.max_low_ram)
        p->low_size = MIN(p->low_size, pc->cfg.max_low_ram);
    p->high_size = size - p->low_size;
    if (!memory_region_init_ram_from(&p->ram, "pc.ram", size, pc->cfg.ram_source, &err)) {
        error_set(errp, "-m %" PRIu64 "M: %s", (uint64_t)(size / MiB), err->message);
        g_error_free(err);
        return false;
    }
    memory_region_init_alias(&p->ram_low, "ram-below-4g", &p->ram, 0, p->low_size);
    memory_region_add(pc->system_memory, 0, &p->ram_low, 0);
    if (p->high_size) {
        memory_region_init_alias(&p->ram_high, "ram-above-4g", &p->ram, p->low_size, p->high_size);
        memory_region_add(pc->system_memory, 4 * GiB, &p->ram_high, 0);
    }
    p->have_ram = true;
    memory_region_init(&p->pci_mem, "pci", UINT64_MAX);
    memory_region_add(pc->system_memory, 0, &p->pci_mem, -1);
    p->have_pci_mem = true;
    memory_region_init_io(&p->ioport80, &post_ops, pc, "ioport80", 1);
    memory_region_init_io(&p->fpu_port, &fpu_ops, pc, "ioportF0", 1);
    memory_region_add(pc->system_io, 0x80, &p->ioport80, 0);
    memory_region_add(pc->system_io, 0xf0, &p->fpu_port, 0);
    p->have_ports = true;
    return true;
}

/* --- chips: one function per chip sets its wiring, one table gives the order --- */

static void wire_isa_irq(PcMachine *pc, Device *dev)
{
    PcPriv *p = pc_priv(pc);
    IrqLine out[ISA_LINES];

    for (int i = 0; i < ISA_LINES; i++)
        out[i] = irq_line(isa_irq, pc, i);
    p->isa_lines = (IsaIrqState *)dev;
    isa_irq_configure(p->isa_lines, out);
    memcpy(pc->isa_irq, isa_irq_new_source(p->isa_lines), sizeof pc->isa_irq);
}

/* One more chip's end of an ISA line. */
static IrqLine isa_line(PcMachine *pc, int n)
{
    return isa_irq_new_source(pc_priv(pc)->isa_lines)[n];
}

static void wire_fw_cfg(PcMachine *pc, Device *dev)
{
    pc_priv(pc)->fw_cfg = (FwCfgState *)dev;
}

static void wire_pic(PcMachine *pc, Device *dev)
{
    pc_priv(pc)->pic = (PicState *)dev;
    i8259_set_output((PicState *)dev, irq_line(lapic_set_lint, pc_priv(pc)->lapic, 0));
}

static void wire_lapic(PcMachine *pc, Device *dev)
{
    LapicWiring w = {pc->cfg.cpu ? &lapic_cpu_ops : NULL, pc, lapic_eoi_broadcast, pic_inta, pc};

    pc_priv(pc)->lapic = (LapicState *)dev;
    lapic_configure((LapicState *)dev, 0, &w);
}

static void wire_ioapic(PcMachine *pc, Device *dev)
{
    pc_priv(pc)->ioapic = (IoapicState *)dev;
    ioapic_configure((IoapicState *)dev, ioapic_message, pc);
}

static void wire_i440fx(PcMachine *pc, Device *dev)
{
    PcPriv *p = pc_priv(pc);

    p->i440fx = dev;
    i440fx_configure((I440fxState *)dev, pc->pci, &p->ram, &p->pci_mem);
}

/* The bus needs the bridge as the receiver of its interrupt lines, the bridge needs the bus: the PIIX3 is
 * made first, the bus with it. */
static void wire_piix3(PcMachine *pc, Device *dev)
{
    pc_priv(pc)->piix3 = dev;
    piix3_configure((Piix3State *)dev, pc->pci, PCI_DEVFN(SLOT_PIIX, FN_ISA),
                    isa_irq_new_source(pc_priv(pc)->isa_lines));
}

static void wire_pm(PcMachine *pc, Device *dev)
{
    IrqLine smi = PC_HAS_SMM ? irq_line(smi_line, pc, 0) : (IrqLine){0};

    pc_priv(pc)->pm = dev;
    mc146818_set_alarm_line(pc_priv(pc)->rtc, irq_line(piix4_pm_rtc_alarm, dev, 0));
    piix4_pm_configure((Piix4PmState *)dev, pc->pci, PCI_DEVFN(SLOT_PIIX, FN_PM), isa_line(pc, ISA_SCI), smi);
}

static void wire_ide(PcMachine *pc, Device *dev)
{
    pc_priv(pc)->ide = dev;
    ide_controller_wire(dev, pc->pci, PCI_DEVFN(SLOT_PIIX, FN_IDE), isa_line(pc, ISA_IDE0), isa_line(pc, ISA_IDE1));
}

static void wire_pit(PcMachine *pc, Device *dev)
{
    pc_priv(pc)->pit = dev;
    i8254_set_output((PitState *)dev, isa_line(pc, ISA_PIT));
}

static void wire_rtc(PcMachine *pc, Device *dev)
{
    pc_priv(pc)->rtc = (RtcState *)dev;
    mc146818_configure((RtcState *)dev, isa_line(pc, ISA_RTC), pc->cfg.rtc_localtime, pc->cfg.rtc_offset_s);
}

static void wire_hpet(PcMachine *pc, Device *dev)
{
    hpet_configure((HpetState *)dev, hpet_gsi, pc, isa_line(pc, ISA_PIT), isa_line(pc, ISA_RTC),
                   pc_priv(pc)->pit ? irq_line(i8254_disable_irq, pc_priv(pc)->pit, 0) : (IrqLine){0});
}

static void wire_dma(PcMachine *pc, Device *dev)
{
    pc_priv(pc)->dma = dev;
}

static void wire_fdc(PcMachine *pc, Device *dev)
{
    pc_priv(pc)->fdc = dev;
    fdc_wire(dev, isa_line(pc, ISA_FDC), (I8237State *)pc_priv(pc)->dma);
}

static void wire_i8042(PcMachine *pc, Device *dev)
{
    I8042State *s = (I8042State *)dev;

    pc_priv(pc)->i8042 = dev;
    s->irq_kbd = isa_line(pc, ISA_KBD);
    s->irq_mouse = isa_line(pc, ISA_MOUSE);
    s->a20 = irq_line(a20_line, pc, 0);
}

static void wire_port92(PcMachine *pc, Device *dev)
{
    ((Port92State *)dev)->a20 = irq_line(a20_line, pc, 0);
}

static void wire_pcspk(PcMachine *pc, Device *dev)
{
    pcspk_wire(dev, (PitState *)pc_priv(pc)->pit, pc->cfg.pcspk);
}

static void wire_vmmouse(PcMachine *pc, Device *dev)
{
    pc_priv(pc)->vmmouse = dev;
    vmmouse_wire(dev, (I8042State *)pc_priv(pc)->i8042);
}

static void wire_vmport(PcMachine *pc, Device *dev)
{
    vmport_wire(dev, pc->cfg.cpu, (VmMouse *)pc_priv(pc)->vmmouse, pc->cfg.ram_size);
}

static bool want_vmport(const PcConfig *c)
{
    return c->vmport;
}

static bool want_pit(const PcConfig *cfg)
{
    return cfg->pit;
}

static bool want_hpet(const PcConfig *c)
{
    return c->hpet;
}

typedef struct Chip {
    const DeviceClass *cls;
    void (*wire)(PcMachine *pc, Device *dev);
    bool (*wanted)(const PcConfig *cfg); /* NULL: always */
} Chip;

static const Chip chips[] = {
    {&isa_irq_class, wire_isa_irq, NULL}, /* first: the others take their lines from it */
    {&fw_cfg_class, wire_fw_cfg, NULL},
    {&lapic_class, wire_lapic, NULL},
    {&ioapic_class, wire_ioapic, NULL},
    {&i8259_class, wire_pic, NULL},
    {&i440fx_class, wire_i440fx, NULL},
    {&piix3_class, wire_piix3, NULL},
    {&i8237_class, wire_dma, NULL},
    {&i8254_class, wire_pit, want_pit},
    {&pcspk_class, wire_pcspk, want_pit},
    {&mc146818_class, wire_rtc, NULL},
    {&hpet_class, wire_hpet, want_hpet},
    {&i8042_class, wire_i8042, NULL},
    {&vmmouse_class, wire_vmmouse, want_vmport},
    {&vmport_class, wire_vmport, want_vmport},
    {&port92_class, wire_port92, NULL},
    {&fdc_class, wire_fdc, NULL},
    {&ide_controller_class, wire_ide, NULL},
    {&piix4_pm_class, wire_pm, NULL},
};

static bool create_chips(PcMachine *pc, GError **errp)
{
    PcPriv *p = pc_priv(pc);
    Device *dev[ARRAY_SIZE(chips)] = {NULL};
    bool ok = true;

    /* All exist before the first is initialised, so that wiring may name any of them. */
    for (size_t i = 0; i < ARRAY_SIZE(chips); i++)
        if (!chips[i].wanted || chips[i].wanted(&pc->cfg))
            dev[i] = device_new(chips[i].cls, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(chips); i++)
        if (chips[i].cls == &piix3_class)
            pc->pci = pci_bus_new("pci.0", &p->pci_mem, pc->system_io, piix3_set_pirq, dev[i]);
    pci_bus_set_map_irq(pc->pci, piix3_map_irq);
    pci_bus_set_msi(pc->pci, pci_message, pc);
    for (size_t i = 0; i < ARRAY_SIZE(chips); i++)
        if (dev[i])
            chips[i].wire(pc, dev[i]);
    for (size_t i = 0; i < ARRAY_SIZE(chips); i++) {
        if (!dev[i])
            continue;
        if (ok)
            ok = device_realize(dev[i], errp);
        else
            device_free(dev[i]);
    }
    return ok;
}

static bool create_ports(PcMachine *pc, GError **errp)
{
    for (unsigned i = 0; i < 4; i++) {
        UartState *u;
        if (!pc->cfg.serial[i])
            continue;
        u = (UartState *)device_new(&uart16550_class, NULL);
        u->isa_irq = isa_irq_new_source(pc_priv(pc)->isa_lines);
        u->index = i;
        u->chr = pc->cfg.serial[i];
        if (!device_realize(&u->dev, errp))
            return false;
    }
    if (pc->cfg.parallel[0]) {
        ParallelState *l = (ParallelState *)device_new(&parallel_class, NULL);
        l->isa_irq = isa_irq_new_source(pc_priv(pc)->isa_lines);
        l->chr = pc->cfg.parallel[0];
        if (!device_realize(&l->dev, errp))
            return false;
    }
    if (pc->cfg.debugcon) {
        DebugconState *d = (DebugconState *)device_new(&debugcon_class, NULL);
        d->chr = pc->cfg.debugcon;
        if (!device_realize(&d->dev, errp))
            return false;
    }
    return true;
}

bool pc_add_vga(PcMachine *pc, const GPtrArray *kv, GError **errp)
{
    PcPriv *p = pc_priv(pc);
    const char *bus = kv ? keyval_get(kv, "bus") : NULL, *addr = kv ? keyval_get(kv, "addr") : NULL;
    int devfn = PCI_DEVFN(SLOT_VGA, 0);
    Device *dev;

    if (p->vga)
        return error_set(errp, "there is a VGA adapter already (-vga none removes it)");
    dev = device_new(&vga_pci_class, kv ? keyval_get(kv, "id") : NULL);
    if (kv && ((bus && strcmp(bus, "pci.0") && !error_set(errp, "Bus '%s' not found (pci.0 exists)", bus)) ||
               (addr && !pc_parse_pci_addr(addr, &devfn, errp)))) {
        device_free(dev);
        return false;
    }
    vga_pci_wire(dev, pc->pci, devfn);
    if ((kv && !pc_set_device_props(dev, kv, errp)) ||
        !boot_load_expansion_rom(&p->roms, &p->vga_rom, "vga.rom", "vgabios-stdvga.bin", errp)) {
        device_free(dev);
        return false;
    }
    if (!device_realize(dev, errp))
        return false;
    pci_register_rom((PciDevice *)dev, &p->vga_rom);
    p->vga = dev;
    return true;
}

/* --- fw_cfg --- */

static void add_e820(PcMachine *pc)
{
    PcPriv *p = pc_priv(pc);
    uint8_t e[2][20];
    unsigned n = 0;

    stl64(e[n], 0);
    stl64(e[n] + 8, p->low_size);
    stl32(e[n++] + 16, 1);
    if (p->high_size) {
        stl64(e[n], 4 * GiB);
        stl64(e[n] + 8, p->high_size);
        stl32(e[n++] + 16, 1);
    }
    fw_cfg_set_file(p->fw_cfg, "etc/e820", e, n * sizeof e[0]);
}

/* Runs when the firmware asks for a table: by then it has programmed PMBASE. */
static void build_acpi(void *opaque)
{
    PcMachine *pc = opaque;
    PcPriv *p = pc_priv(pc);
    uint32_t pm_base = pci_config_read(pc->pci, PCI_DEVFN(SLOT_PIIX, FN_PM), 0x40, 4) & 0xffc0;
    uint64_t top = 4 * GiB + p->high_size;
    AcpiConfig c = {
        .smp_cpus = pc->cfg.smp_cpus,
        .no_s3 = pc->cfg.no_s3,
        .no_s4 = pc->cfg.no_s4,
        .hpet = pc->cfg.hpet,
        .pit = pc->cfg.pit,
        .com1 = pc->cfg.serial[0],
        .com2 = pc->cfg.serial[1],
        .lpt = pc->cfg.parallel[0],
        .fdc = true,
        .pvpanic_port = p->pvpanic_port,
        .pm_base = pm_base ? pm_base : DEFAULT_PM_BASE,
        .pci_hole_start = (uint32_t)MAX(p->low_size, (uint64_t)1 << 31),
        .pci64_start = top,
        .pci64_end = top,
        .user = p->acpi_user,
    };

    if (p->high_size) { /* a 64-bit window only where a guest knows of addresses above 4 GiB anyway */
        c.pci64_start = ROUND_UP(top, GiB);
        c.pci64_end = c.pci64_start + HOLE64_SIZE;
    }
    if (c.pci_hole_start < p->low_size)
        c.pci_hole_start = (uint32_t)p->low_size;
    acpi_build(&c, p->fw_cfg);
}

void pc_build_acpi(PcMachine *pc)
{
    if (pc->cfg.acpi)
        build_acpi(pc);
}

static void fill_fw_cfg(PcMachine *pc)
{
    const uint8_t system_states[6] = {128, 0, 0, (pc->cfg.no_s3 ? 0 : 128) | PIIX4_SLP_TYP_S3,
                                      (pc->cfg.no_s4 ? 0 : 128) | PIIX4_SLP_TYP_S4, 128};
    PcPriv *p = pc_priv(pc);
    FwCfgState *fw = p->fw_cfg;
    uint64_t numa = 0;
    uint32_t wait = (uint32_t)pc->cfg.reboot_timeout_ms;
    SmbiosConfig smbios = {.ram_size = pc->cfg.ram_size, .ram_below_4g = p->low_size, .smp_cpus = pc->cfg.smp_cpus,
                           .uuid = pc->cfg.uuid_set ? pc->cfg.uuid : NULL, .opts = p->smbios};

    if (pc->cfg.cpu) {
        uint32_t r[4];
        cpu_x86_cpuid(pc->cfg.cpu, 1, 0, r);
        smbios.cpu_signature = r[0];
        smbios.cpu_features = r[3];
    }
    fw_cfg_set_bytes(fw, FW_CFG_UUID, pc->cfg.uuid, 16);
    fw_cfg_set_u64(fw, FW_CFG_RAM_SIZE, pc->cfg.ram_size);
    fw_cfg_set_u16(fw, FW_CFG_NOGRAPHIC, !pc->cfg.graphics);
    fw_cfg_set_u16(fw, FW_CFG_NB_CPUS, (uint16_t)pc->cfg.smp_cpus);
    fw_cfg_set_u16(fw, FW_CFG_MAX_CPUS, (uint16_t)pc->cfg.smp_cpus);
    fw_cfg_set_u16(fw, FW_CFG_BOOT_DEVICE, (uint8_t)p->boot_order[0]);
    fw_cfg_set_u16(fw, FW_CFG_BOOT_MENU, pc->cfg.boot_menu);
    fw_cfg_set_bytes(fw, FW_CFG_NUMA, &numa, sizeof numa);
    fw_cfg_set_u32(fw, FW_CFG_IRQ0_OVERRIDE, 1);
    fw_cfg_set_file(fw, "etc/boot-fail-wait", &wait, sizeof wait);
    fw_cfg_set_file(fw, "etc/system-states", system_states, sizeof system_states);
    if (pc->cfg.boot_menu_timeout_ms >= 0) {
        uint16_t ms = (uint16_t)MIN(pc->cfg.boot_menu_timeout_ms, 0xffff);
        fw_cfg_set_file(fw, "etc/boot-menu-wait", &ms, sizeof ms);
    }
    add_e820(pc);
    smbios_build(&smbios, fw);
    if (pc->cfg.acpi) {
        static const char *const files[] = {"etc/acpi/rsdp", "etc/acpi/tables", "etc/table-loader"};
        build_acpi(pc);
        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
            fw_cfg_set_select_callback(fw, files[i], build_acpi, pc);
    }
}

/* --- life --- */

static void connect_cpu(PcMachine *pc)
{
    if (!pc->cfg.cpu)
        return;
    pc->cfg.cpu->irq_ops = &irq_ops;
    pc->cfg.cpu->irq_opaque = pc;
}

static bool map_firmware(PcMachine *pc, GError **errp)
{
    PcPriv *p = pc_priv(pc);

    return pc_flash_wanted() ? pc_map_flash(pc, errp) : boot_map_bios(&p->roms, pc->cfg.bios, &p->pci_mem, errp);
}

static bool build(PcMachine *pc, GError **errp)
{
    PcPriv *p = pc_priv(pc);
    KernelConfig k = {pc->cfg.kernel, pc->cfg.initrd, pc->cfg.append, 0};

    if (!create_memory(pc, errp) || !map_firmware(pc, errp) ||
        !create_chips(pc, errp) || (pc->cfg.vga && !pc_add_vga(pc, NULL, errp)) || !create_ports(pc, errp))
        return false;
    k.ram_below_4g = p->low_size;
    if (k.kernel && !boot_load_kernel(&k, p->fw_cfg, &p->kernel_rom, errp))
        return false;
    pc_fill_cmos(pc);
    if (!pc_add_smbios_options(pc, errp) || !pc_add_acpi_tables(pc, errp))
        return false;
    fill_fw_cfg(pc);
    if (!pc_add_fw_items(pc, errp))
        return false;
    pc_write_boot_order_file(pc); /* with the option ROMs */
    connect_cpu(pc);
    return true;
}

PcMachine *pc_create(const PcConfig *cfg, GError **errp)
{
    PcMachine *pc = g_new0(PcMachine, 1);
    PcPriv *p = g_new0(PcPriv, 1);
    bool ok;

    pc->cfg = *cfg;
    pc->priv = p;
    if (!pc->cfg.smp_cpus)
        pc->cfg.smp_cpus = 1;
    pc->system_memory = address_space_memory.root;
    pc->system_io = address_space_io.root;
    p->boot_order = g_strdup(cfg->boot_order && *cfg->boot_order ? cfg->boot_order : "cad");
    p->boot_once_armed = cfg->boot_once != NULL;
    p->rom_entries = g_ptr_array_new_with_free_func(pc_boot_entry_free);
    if (cfg->lib_dirs) {
        g_auto(GStrv) dirs = g_strsplit(cfg->lib_dirs, ":", -1);
        for (char **d = dirs; *d; d++)
            if (**d)
                pc_firmware_add_path(*d);
    }
    memory_begin();
    ok = build(pc, errp);
    memory_commit();
    if (!ok) {
        pc_free(pc);
        return NULL;
    }
    reset_handler_add(pc_boot_once_reset, pc);
    return pc;
}

void pc_free(PcMachine *pc)
{
    PcPriv *p;

    if (!pc)
        return;
    p = pc_priv(pc);
    if (pc->cfg.cpu)
        pc->cfg.cpu->irq_ops = NULL;
    memory_begin();
    device_free_all();
    pci_bus_free(pc->pci);
    memory_region_destroy(&p->vga_rom);
    if (p->have_ports) {
        memory_region_del(pc->system_io, &p->ioport80);
        memory_region_del(pc->system_io, &p->fpu_port);
        memory_region_destroy(&p->ioport80);
        memory_region_destroy(&p->fpu_port);
    }
    boot_roms_free(&p->roms, &p->pci_mem);
    if (p->have_pci_mem) {
        memory_region_del(pc->system_memory, &p->pci_mem);
        memory_region_destroy(&p->pci_mem);
    }
    if (p->have_ram) {
        memory_region_del(pc->system_memory, &p->ram_low);
        memory_region_destroy(&p->ram_low);
        if (p->high_size) {
            memory_region_del(pc->system_memory, &p->ram_high);
            memory_region_destroy(&p->ram_high);
        }
    }
    memory_commit();
    if (p->have_ram)
        memory_region_destroy(&p->ram);
    g_ptr_array_free(p->rom_entries, true);
    smbios_opts_free(p->smbios);
    g_clear_pointer(&p->acpi_user, g_ptr_array_unref);
    g_free(p->boot_order);
    g_free(p);
    g_free(pc);
}

void pc_suspend(PcMachine *pc)
{
    mc146818_set_cmos(pc_priv(pc)->rtc, CMOS_SHUTDOWN_STATUS, SHUTDOWN_RESUME);
}

void pc_wakeup(PcMachine *pc, WakeupReason why)
{
    uint32_t kept[ARRAY_SIZE(slept_over)];

    for (size_t i = 0; i < ARRAY_SIZE(slept_over); i++)
        kept[i] = pci_config_read(pc->pci, slept_over[i].devfn, slept_over[i].at, 4);
    device_reset_all();
    for (size_t i = 0; i < ARRAY_SIZE(slept_over); i++)
        pci_config_write(pc->pci, slept_over[i].devfn, slept_over[i].at, kept[i], 4);
    piix4_pm_woken((Piix4PmState *)pc_priv(pc)->pm, why);
}

void pc_nmi(PcMachine *pc)
{
    lapic_set_lint(pc_priv(pc)->lapic, 1, 1);
    lapic_set_lint(pc_priv(pc)->lapic, 1, 0);
}
