/* piix4-pm.c - 82371AB function 3: ACPI registers, APM control port, SMBus host (smbus.c)
 * Spec: Intel 82371AB (PIIX4) data sheet; ACPI specification, "ACPI Hardware Specification".
 * Guest view: function 1.3 (8086:7113); PM1 event, control and timer at PMBASE; b2h/b3h; GPE0 at afe0h;
 * SMBus where its base register says (b100h after reset; SeaBIOS chooses 700h). Sleep: suspend to RAM (S3), soft off. Not modelled: the other sleep states, device monitors and
 * traps. */
#include "host/base/osdep.h"
#include "hw/bus/piix4-pm.h"
#include "hw/bus/smbus.h"

#include "host/base/bitops.h"
#include "host/base/log.h"
#include "softmmu/timer.h"

enum { REG_PMBASE = 0x40, REG_DEVACTB = 0x58, REG_PMREGMISC = 0x80, REG_SMBBASE = 0x90, REG_SMBCFG = 0xd2 };
enum { DEVACTB_APMC_EN = 1 << 25 };
enum { PM_HZ = 3579545, PM_MASK = 0xffffff, PM_MSB = 0x800000 };
enum { EVT_TMR = 0x0001, EVT_GBL = 0x0020, EVT_PWRBTN = 0x0100, EVT_RTC = 0x0400, EVT_WAK = 0x8000 };
enum { EVT_ENABLES = EVT_TMR | EVT_GBL | EVT_PWRBTN | EVT_RTC, EVT_STATUS = EVT_ENABLES | 0x0010 | EVT_WAK };
enum { CNT_SCI_EN = 0x0001, CNT_SLP_EN = 0x2000, CNT_SLP_TYP_SHIFT = 10, CNT_WRITABLE = 0x1c07 };
enum { SMBCFG_ENABLE = 1 };

struct Piix4PmState {
    PciDevice pd;
    IrqLine sci, smi;
    MemoryRegion pm_mr, evt_mr, cnt_mr, tmr_mr, apm_mr, gpe_mr, smb_mr;
    Timer *overflow_timer;
    uint16_t status, enable, control;
    int64_t overflow_ns; /* when the timer's top bit changes next */
    uint8_t apm_command, apm_status;
    uint8_t gpe[4]; /* two status bytes, two enable bytes */
    SmbusHost smb;
};

/* --- PM timer: a pure function of the clock, read by firmware in long loops, without the BQL --- */

static uint64_t pm_ticks(int64_t ns)
{
    return (uint64_t)((unsigned __int128)(uint64_t)ns * PM_HZ / NANOSECONDS_PER_SECOND);
}

static uint64_t tmr_read(void *opaque, hwaddr off, unsigned size)
{
    return pm_ticks(clock_ns(CLOCK_VM)) & PM_MASK;
}

static void tmr_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
}

/* The first moment after now at which bit 23 changes. */
static int64_t next_overflow_ns(void)
{
    uint64_t ticks = (pm_ticks(clock_ns(CLOCK_VM)) / PM_MSB + 1) * PM_MSB;

    return (int64_t)(((unsigned __int128)ticks * NANOSECONDS_PER_SECOND + PM_HZ - 1) / PM_HZ);
}

/* --- events --- */

static void catch_up(Piix4PmState *s)
{
    if (clock_ns(CLOCK_VM) >= s->overflow_ns) {
        s->status |= EVT_TMR;
        s->overflow_ns = next_overflow_ns();
    }
}

/* The only place that drives SCI. */
static void pm_update_sci(Piix4PmState *s)
{
    bool event = (s->status & s->enable & EVT_ENABLES) || (s->gpe[0] & s->gpe[2]) || (s->gpe[1] & s->gpe[3]);

    irq_set(&s->sci, event && (s->control & CNT_SCI_EN));
    if ((s->enable & EVT_TMR) && !(s->status & EVT_TMR))
        timer_mod(s->overflow_timer, s->overflow_ns);
    else
        timer_del(s->overflow_timer);
}

static void overflow_expired(void *opaque)
{
    catch_up(opaque);
    pm_update_sci(opaque);
}

static void power_button(void *opaque)
{
    Piix4PmState *s = opaque;

    s->status |= EVT_PWRBTN;
    pm_update_sci(s);
    system_wakeup_request(WAKEUP_OTHER);
}

void piix4_pm_rtc_alarm(void *opaque, int n, int level)
{
    Piix4PmState *s = opaque;

    if (!level)
        return;
    s->status |= EVT_RTC;
    pm_update_sci(s);
    if (s->enable & EVT_RTC)
        system_wakeup_request(WAKEUP_RTC);
}

/* Every other reason is told as the power button, which a guest has to expect. */
void piix4_pm_woken(Piix4PmState *s, WakeupReason why)
{
    s->status |= (uint16_t)(EVT_WAK | (why == WAKEUP_RTC ? EVT_RTC : EVT_PWRBTN));
    pm_update_sci(s);
}

static uint64_t evt_read(void *opaque, hwaddr off, unsigned size)
{
    Piix4PmState *s = opaque;
    uint16_t v;

    catch_up(s);
    v = off < 2 ? s->status : s->enable;
    return v >> ((off & 1) * 8);
}

static void evt_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    Piix4PmState *s = opaque;
    unsigned shift = (unsigned)(off & 1) * 8;
    uint16_t mask = (uint16_t)(MASK64(size * 8) << shift), v = (uint16_t)(val << shift);

    if (off < 2) {
        catch_up(s);
        s->status &= (uint16_t)~(v & mask & EVT_STATUS);
    } else {
        s->enable = ((s->enable & ~mask) | (v & mask)) & EVT_ENABLES;
    }
    pm_update_sci(s);
}

/* --- control --- */

static uint64_t cnt_read(void *opaque, hwaddr off, unsigned size)
{
    return ((Piix4PmState *)opaque)->control >> (off * 8);
}

static void cnt_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    Piix4PmState *s = opaque;
    unsigned shift = (unsigned)off * 8, type;
    uint16_t mask = (uint16_t)(MASK64(size * 8) << shift), v = (uint16_t)(val << shift);

    /* SCI_EN belongs to the APM port's handler, but firmware may set it here as well. */
    s->control = (uint16_t)((s->control & ~(mask & CNT_WRITABLE)) | (v & mask & CNT_WRITABLE));
    if (v & mask & CNT_SLP_EN) {
        type = s->control >> CNT_SLP_TYP_SHIFT & 7;
        if (type == PIIX4_SLP_TYP_S5 || type == PIIX4_SLP_TYP_S4)
            system_shutdown_request(CAUSE_GUEST_SHUTDOWN);
        else if (type == PIIX4_SLP_TYP_S3)
            system_suspend_request();
        else
            log_unimp("piix4-pm: sleep type %u\n", type);
    }
    pm_update_sci(s);
}

static const MemoryOps evt_ops = {evt_read, evt_write, 1, 2, false};
static const MemoryOps cnt_ops = {cnt_read, cnt_write, 1, 2, false};
static const MemoryOps tmr_ops = {tmr_read, tmr_write, 4, 4, true};

/* --- APM control (SMI command) and status --- */

static uint64_t apm_read(void *opaque, hwaddr off, unsigned size)
{
    Piix4PmState *s = opaque;

    return off == 0 ? s->apm_command : s->apm_status;
}

static void apm_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    Piix4PmState *s = opaque;

    if (off == 1) {
        s->apm_status = (uint8_t)val;
        return;
    }
    s->apm_command = (uint8_t)val;
    /* On hardware the firmware's SMI handler switches ACPI mode; done here it works without SMM. */
    if (val == PIIX4_ACPI_ENABLE)
        s->control |= CNT_SCI_EN;
    else if (val == PIIX4_ACPI_DISABLE)
        s->control &= (uint16_t)~CNT_SCI_EN;
    pm_update_sci(s);
    if (ldl32(s->pd.config + REG_DEVACTB) & DEVACTB_APMC_EN)
        irq_pulse(&s->smi);
}

/* --- GPE0 --- */

static uint64_t gpe_read(void *opaque, hwaddr off, unsigned size)
{
    return ((Piix4PmState *)opaque)->gpe[off & 3];
}

static void gpe_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    Piix4PmState *s = opaque;

    if (off < 2)
        s->gpe[off] &= (uint8_t)~val;
    else
        s->gpe[off & 3] = (uint8_t)val;
    pm_update_sci(s);
}

/* --- SMBus --- */

static uint64_t smb_read(void *opaque, hwaddr off, unsigned size)
{
    return smbus_read(&((Piix4PmState *)opaque)->smb, (unsigned)off);
}

static void smb_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    smbus_write(&((Piix4PmState *)opaque)->smb, (unsigned)off, (uint8_t)val);
}

static const MemoryOps apm_ops = {apm_read, apm_write, 1, 1, false};
static const MemoryOps gpe_ops = {gpe_read, gpe_write, 1, 1, false};
static const MemoryOps smb_ops = {smb_read, smb_write, 1, 1, false};

/* --- PCI function --- */

static void update_windows(Piix4PmState *s)
{
    memory_begin();
    memory_region_set_address(&s->pm_mr, ldl32(s->pd.config + REG_PMBASE) & 0xffc0);
    memory_region_set_enabled(&s->pm_mr, s->pd.config[REG_PMREGMISC] & 1);
    memory_region_set_address(&s->smb_mr, ldl32(s->pd.config + REG_SMBBASE) & 0xfff0);
    memory_region_set_enabled(&s->smb_mr, s->pd.config[REG_SMBCFG] & SMBCFG_ENABLE);
    memory_commit();
}

static void pm_config_write(PciDevice *pd, unsigned addr, uint32_t val, unsigned size)
{
    Piix4PmState *s = container_of(pd, Piix4PmState, pd);

    if ((addr < REG_PMBASE + 4 && addr + size > REG_PMBASE) || (addr <= REG_PMREGMISC && addr + size > REG_PMREGMISC) ||
        (addr < REG_SMBBASE + 4 && addr + size > REG_SMBBASE) || (addr <= REG_SMBCFG && addr + size > REG_SMBCFG))
        update_windows(s);
}

void piix4_pm_configure(Piix4PmState *s, PciBus *bus, int devfn, IrqLine sci, IrqLine smi)
{
    s->pd.bus = bus;
    s->pd.devfn = devfn;
    s->sci = sci;
    s->smi = smi;
}

static const VMField pm_fields[] = {
    VM_STRUCT(Piix4PmState, pd, pci_device_fields),
    VM_UINT(Piix4PmState, status),
    VM_UINT(Piix4PmState, enable),
    VM_UINT(Piix4PmState, control),
    VM_UINT(Piix4PmState, overflow_ns),
    VM_UINT(Piix4PmState, apm_command),
    VM_UINT(Piix4PmState, apm_status),
    VM_BUFFER(Piix4PmState, gpe),
    VM_STRUCT(Piix4PmState, smb, smbus_fields),
    VM_TIMER(Piix4PmState, overflow_timer),
    VM_END,
};

static void pm_post_load(Device *dev)
{
    Piix4PmState *s = container_of(dev, Piix4PmState, pd.dev);

    pci_device_post_load(&s->pd);
    update_windows(s);
    pm_update_sci(s);
}

static void pm_reset(Device *dev)
{
    Piix4PmState *s = container_of(dev, Piix4PmState, pd.dev);
    uint8_t *c = s->pd.config;

    pci_device_reset(&s->pd);
    stl16(c + PCI_STATUS, 0x0280);
    stl32(c + REG_PMBASE, 1); /* I/O space */
    memset(c + 0x44, 0, 0x3c);
    c[REG_PMREGMISC] = 0;
    stl32(c + REG_SMBBASE, PIIX4_SMBUS_BASE | 1);
    c[REG_SMBCFG] = 0x09;
    c[0x63] = 0x60; /* the parallel port and the serial ports are decoded */
    c[0x67] = 0x98;
    /* "APMC_EN is set already" makes SeaBIOS skip its SMM set-up, which would wait for an SMI. */
    if (!s->smi.handler)
        c[REG_DEVACTB + 3] = DEVACTB_APMC_EN >> 24;
    s->status = s->enable = s->control = 0;
    s->apm_command = s->apm_status = 0;
    memset(s->gpe, 0, sizeof s->gpe);
    smbus_reset(&s->smb);
    s->overflow_ns = next_overflow_ns();
    update_windows(s);
    pm_update_sci(s);
}

static bool pm_init(Device *dev, GError **errp)
{
    Piix4PmState *s = container_of(dev, Piix4PmState, pd.dev);
    MemoryRegion *io = address_space_io.root;

    if (!pci_device_init(&s->pd, 0x8086, 0x7113, 0x0680, 0, 3, errp))
        return false;
    s->pd.config_write = pm_config_write;
    s->pd.config[PCI_INT_PIN] = 1;
    stl32(s->pd.wmask + REG_PMBASE, 0xffc0);
    memset(s->pd.wmask + 0x44, 0xff, 0x3c);
    s->pd.wmask[REG_PMREGMISC] = 0x01;
    stl32(s->pd.wmask + REG_SMBBASE, 0xfff0);
    s->pd.wmask[REG_SMBCFG] = 0x0f;
    s->overflow_timer = timer_new(CLOCK_VM, overflow_expired, s);
    memory_begin();
    memory_region_init(&s->pm_mr, "piix4-pm", 64);
    memory_region_init_io(&s->evt_mr, &evt_ops, s, "acpi-evt", 4);
    memory_region_init_io(&s->cnt_mr, &cnt_ops, s, "acpi-cnt", 2);
    memory_region_init_io(&s->tmr_mr, &tmr_ops, s, "acpi-tmr", 4);
    memory_region_add(&s->pm_mr, 0, &s->evt_mr, 0);
    memory_region_add(&s->pm_mr, 4, &s->cnt_mr, 0);
    memory_region_add(&s->pm_mr, 8, &s->tmr_mr, 0);
    memory_region_set_enabled(&s->pm_mr, false);
    memory_region_add(io, 0, &s->pm_mr, 0);
    memory_region_init_io(&s->apm_mr, &apm_ops, s, "apm-io", 2);
    memory_region_add(io, PIIX4_APM_PORT, &s->apm_mr, 0);
    memory_region_init_io(&s->gpe_mr, &gpe_ops, s, "acpi-gpe0", 4);
    memory_region_add(io, PIIX4_GPE0_BASE, &s->gpe_mr, 0);
    memory_region_init_io(&s->smb_mr, &smb_ops, s, "pm-smbus", SMBUS_REGS);
    memory_region_add(io, PIIX4_SMBUS_BASE, &s->smb_mr, 0);
    memory_commit();
    powerdown_handler_set(power_button, s);
    return true;
}

static void pm_finalize(Device *dev)
{
    Piix4PmState *s = container_of(dev, Piix4PmState, pd.dev);
    MemoryRegion *top[] = {&s->pm_mr, &s->apm_mr, &s->gpe_mr, &s->smb_mr};

    powerdown_handler_set(NULL, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(top); i++) {
        memory_region_del(address_space_io.root, top[i]);
        memory_region_destroy(top[i]);
    }
    memory_region_destroy(&s->evt_mr);
    memory_region_destroy(&s->cnt_mr);
    memory_region_destroy(&s->tmr_mr);
    timer_free(s->overflow_timer);
    pci_device_finalize(&s->pd);
}

const DeviceClass piix4_pm_class = {
    .name = "PIIX4_PM",
    .instance_size = sizeof(Piix4PmState),
    .init = pm_init,
    .reset = pm_reset,
    .fields = pm_fields,
    .post_load = pm_post_load,
    .finalize = pm_finalize,
    .desc = "power management",
    .bus = "PCI",
};
