/* acpi-tables.c - RSDP, RSDT, FADT, FACS, MADT, HPET and DSDT of the board, and the table loader's script
 * Spec: ACPI 6.0 chapter 5; IA-PC HPET 1.0a 3.2.4; the loader's 128-byte commands as SeaBIOS and OVMF
 * execute them (allocate a file, add pointers between files, add checksums).
 * Not modelled: hotplug, the sleep states S1 and S2, thermal zones. */
#include "host/base/osdep.h"
#include "hw/pc/acpi-tables.h"

#include "host/base/bitops.h"
#include "hw/bus/piix4-pm.h"
#include "hw/pc/aml.h"
#include "hw/timer/hpet.h"

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE "etc/acpi/rsdp"
#define LOADER_FILE "etc/table-loader"

enum { HEADER_SIZE = ACPI_HEADER_SIZE, LENGTH_AT = 4, CHECKSUM_AT = 9, OEM_AT = 10 };
enum { LOADER_COMMAND_SIZE = 128, LOADER_NAME_SIZE = 56 };
enum { LOADER_ALLOCATE = 1, LOADER_ADD_POINTER = 2, LOADER_ADD_CHECKSUM = 3 };
enum { ZONE_HIGH = 1, ZONE_FSEG = 2 };
enum { SCI_IRQ = 9 };
enum { AML_STORE = 0x70, AML_RETURN = 0xa4, AML_LOCAL0 = 0x60, AML_ARG0 = 0x68, AML_AND = 0x7b, AML_OR = 0x7d,
       AML_CREATE_DWORD_FIELD = 0x8a };
enum { FIELD_BYTE_PRESERVE = 0x01 };
/* What a link may be routed to, and what the MADT therefore calls level-triggered. */
static const uint32_t pci_irqs[] = {5, 10, 11};

typedef struct Build {
    const AcpiConfig *cfg;
    GByteArray *tables, *loader;
} Build;

/* --- loader script --- */

static void loader_command(Build *b, uint32_t cmd, const char *file, const char *src, const void *rest, size_t n)
{
    uint8_t c[LOADER_COMMAND_SIZE] = {0};
    size_t at = 4;

    stl32(c, cmd);
    g_strlcpy((char *)c + at, file, LOADER_NAME_SIZE);
    at += LOADER_NAME_SIZE;
    if (src) {
        g_strlcpy((char *)c + at, src, LOADER_NAME_SIZE);
        at += LOADER_NAME_SIZE;
    }
    memcpy(c + at, rest, n);
    g_byte_array_append(b->loader, c, sizeof c);
}

static void loader_allocate(Build *b, const char *file, uint32_t align, uint8_t zone)
{
    uint8_t r[5];

    stl32(r, align);
    r[4] = zone;
    loader_command(b, LOADER_ALLOCATE, file, NULL, r, sizeof r);
}

static void loader_pointer(Build *b, const char *file, const char *src, uint32_t offset, uint8_t size)
{
    uint8_t r[5];

    stl32(r, offset);
    r[4] = size;
    loader_command(b, LOADER_ADD_POINTER, file, src, r, sizeof r);
}

static void loader_checksum(Build *b, const char *file, uint32_t at, uint32_t start, uint32_t len)
{
    uint8_t r[12];

    stl32(r, at);
    stl32(r + 4, start);
    stl32(r + 8, len);
    loader_command(b, LOADER_ADD_CHECKSUM, file, NULL, r, sizeof r);
}

/* --- tables --- */

static guint begin_table(Build *b, const char *sig, uint8_t rev)
{
    guint at = b->tables->len;
    uint8_t h[HEADER_SIZE] = {0};

    memcpy(h, sig, 4);
    h[8] = rev;
    memcpy(h + 10, "VIREO ", 6);
    memcpy(h + 16, "VIREOPC ", 8);
    stl32(h + 24, 1);
    memcpy(h + 28, "VIRE", 4);
    stl32(h + 32, 1);
    g_byte_array_append(b->tables, h, sizeof h);
    return at;
}

static void end_table(Build *b, guint at)
{
    uint32_t len = b->tables->len - at;

    stl32(b->tables->data + at + LENGTH_AT, len);
    loader_checksum(b, TABLES_FILE, at + CHECKSUM_AT, at, len);
}

static guint build_facs(Build *b)
{
    guint at = b->tables->len;
    uint8_t f[64] = {0};

    memcpy(f, "FACS", 4);
    stl32(f + 4, sizeof f);
    g_byte_array_append(b->tables, f, sizeof f);
    return at;
}

static guint build_fadt(Build *b, guint facs, guint dsdt)
{
    guint at = begin_table(b, "FACP", 1);
    uint8_t f[116 - HEADER_SIZE] = {0}, *t = f - HEADER_SIZE; /* t: indexed with the table's offsets */

    stl32(t + 36, facs);
    stl32(t + 40, dsdt);
    t[44] = 1; /* APIC interrupt model */
    stl16(t + 46, SCI_IRQ);
    stl32(t + 48, PIIX4_APM_PORT);
    t[52] = PIIX4_ACPI_ENABLE;
    t[53] = PIIX4_ACPI_DISABLE;
    stl32(t + 56, b->cfg->pm_base);
    stl32(t + 64, b->cfg->pm_base + 4);
    stl32(t + 76, b->cfg->pm_base + 8);
    stl32(t + 80, PIIX4_GPE0_BASE);
    t[88] = 4;
    t[89] = 2;
    t[91] = 4;
    t[92] = 4;
    stl16(t + 96, 0xfff); /* no C2 */
    stl16(t + 98, 0xfff); /* no C3 */
    t[108] = 0x32;        /* century byte in CMOS */
    stl32(t + 112, 1 << 0 | 1 << 2 | 1 << 5 | 1 << 7); /* WBINVD, C1, no sleep button, RTC wakes from S4 */
    g_byte_array_append(b->tables, f, sizeof f);
    loader_pointer(b, TABLES_FILE, TABLES_FILE, at + 36, 4);
    loader_pointer(b, TABLES_FILE, TABLES_FILE, at + 40, 4);
    end_table(b, at);
    return at;
}

static void madt_override(Build *b, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    Aml *a = b->tables;

    aml_byte(a, 2);
    aml_byte(a, 10);
    aml_byte(a, 0);
    aml_byte(a, irq);
    aml_dword(a, gsi);
    aml_word(a, flags);
}

static guint build_madt(Build *b)
{
    guint at = begin_table(b, "APIC", 1);
    Aml *a = b->tables;

    aml_dword(a, 0xfee00000);
    aml_dword(a, 1); /* there are 8259s as well */
    for (unsigned i = 0; i < b->cfg->smp_cpus; i++) {
        aml_byte(a, 0);
        aml_byte(a, 8);
        aml_byte(a, (uint8_t)i);
        aml_byte(a, (uint8_t)i);
        aml_dword(a, 1);
    }
    aml_byte(a, 1); /* I/O APIC */
    aml_byte(a, 12);
    aml_word(a, 0);
    aml_dword(a, 0xfec00000);
    aml_dword(a, 0);
    madt_override(b, 0, 2, 0);
    madt_override(b, SCI_IRQ, SCI_IRQ, 0xd); /* active high, level */
    for (size_t i = 0; i < ARRAY_SIZE(pci_irqs); i++)
        madt_override(b, (uint8_t)pci_irqs[i], pci_irqs[i], 0xd);
    aml_byte(a, 4); /* LINT1 is NMI on all CPUs */
    aml_byte(a, 6);
    aml_byte(a, 0xff);
    aml_word(a, 0);
    aml_byte(a, 1);
    end_table(b, at);
    return at;
}

static guint build_hpet(Build *b)
{
    guint at = begin_table(b, "HPET", 1);
    Aml *a = b->tables;

    aml_dword(a, HPET_ID_LOW);
    aml_dword(a, 0); /* address: memory space */
    aml_qword(a, HPET_BASE);
    aml_byte(a, 0);
    aml_word(a, 0);
    aml_byte(a, 0);
    end_table(b, at);
    return at;
}

/* What Windows asks of an emulated machine: the PM timer may be read once, it does not count wrongly in between. */
static guint build_waet(Build *b)
{
    guint at = begin_table(b, "WAET", 1);

    aml_dword(b->tables, 2);
    end_table(b, at);
    return at;
}

static guint add_user(Build *b, const GByteArray *t)
{
    guint at = b->tables->len;

    g_byte_array_append(b->tables, t->data, t->len);
    end_table(b, at);
    return at;
}

/* A SLIC is believed only where RSDT and FADT have the same OEM's names: 14 bytes of the header. */
static void take_oem_of_slic(Build *b, guint rsdt, guint fadt)
{
    for (guint i = 0; b->cfg->user && i < b->cfg->user->len; i++) {
        const GByteArray *t = b->cfg->user->pdata[i];
        if (memcmp(t->data, "SLIC", 4))
            continue;
        memcpy(b->tables->data + rsdt + OEM_AT, t->data + OEM_AT, 14);
        memcpy(b->tables->data + fadt + OEM_AT, t->data + OEM_AT, 14);
    }
}

/* --- DSDT --- */

static void build_prt(Aml *a)
{
    AmlBlock p, e;

    aml_name(a, "_PRT");
    p = aml_open_package(a, 31 * 4 + 0);
    for (unsigned slot = 1; slot < 32; slot++)
        for (unsigned pin = 0; pin < 4; pin++) {
            e = aml_open_package(a, 4);
            aml_integer(a, slot << 16 | 0xffff);
            aml_integer(a, pin);
            if (slot == 1 && pin == 0) { /* the PM function's interrupt is SCI, whatever the links say */
                aml_integer(a, 0);
                aml_integer(a, SCI_IRQ);
            } else {
                char link[5] = "LNKA";
                link[3] = (char)('A' + ((slot - 1 + pin) & 3));
                aml_name_string(a, link);
                aml_integer(a, 0);
            }
            aml_close(a, e);
        }
    aml_close(a, p);
}

/* An interrupt link device; reg is the field of the PIIX3's PIRQ register. */
static void build_link(Aml *a, const char *name, const char *reg, unsigned uid)
{
    AmlBlock dev = aml_open_device(a, name), m, i, t;
    uint32_t none = 0;

    aml_name_eisa(a, "_HID", "PNP0C0F");
    aml_name_integer(a, "_UID", uid);
    aml_name(a, "_PRS");
    t = aml_open_buffer(a);
    aml_res_interrupt(a, pci_irqs, ARRAY_SIZE(pci_irqs));
    aml_close_template(a, t);

    m = aml_open_method(a, "_STA", 0, false); /* If (REG & 0x80) Return (9); Return (0xb) */
    i = aml_open_if(a);
    aml_byte(a, AML_AND);
    aml_name_string(a, reg);
    aml_integer(a, 0x80);
    aml_byte(a, 0);
    aml_byte(a, AML_RETURN);
    aml_integer(a, 0x09);
    aml_close(a, i);
    aml_byte(a, AML_RETURN);
    aml_integer(a, 0x0b);
    aml_close(a, m);

    m = aml_open_method(a, "_DIS", 0, false); /* REG |= 0x80 */
    aml_byte(a, AML_OR);
    aml_name_string(a, reg);
    aml_integer(a, 0x80);
    aml_name_string(a, reg);
    aml_close(a, m);

    /* Name (BUF, template); Local0 view of its interrupt number; store REG's route unless disabled */
    m = aml_open_method(a, "_CRS", 0, true);
    aml_name(a, "BUF");
    t = aml_open_buffer(a);
    aml_res_interrupt(a, &none, 1);
    aml_close_template(a, t);
    aml_byte(a, AML_CREATE_DWORD_FIELD);
    aml_name_string(a, "BUF");
    aml_integer(a, 5);
    aml_name_string(a, "INUM");
    aml_byte(a, AML_AND);
    aml_name_string(a, reg);
    aml_integer(a, 0x8f);
    aml_byte(a, AML_LOCAL0);
    i = aml_open_if(a);
    aml_byte(a, 0x95); /* LLess */
    aml_byte(a, AML_LOCAL0);
    aml_integer(a, 0x80);
    aml_byte(a, AML_STORE);
    aml_byte(a, AML_LOCAL0);
    aml_name_string(a, "INUM");
    aml_close(a, i);
    aml_byte(a, AML_RETURN);
    aml_name_string(a, "BUF");
    aml_close(a, m);

    m = aml_open_method(a, "_SRS", 1, true);
    aml_byte(a, AML_CREATE_DWORD_FIELD);
    aml_byte(a, AML_ARG0);
    aml_integer(a, 5);
    aml_name_string(a, "INUM");
    aml_byte(a, AML_STORE);
    aml_name_string(a, "INUM");
    aml_name_string(a, reg);
    aml_close(a, m);
    aml_close(a, dev);
}

typedef struct IsaRange {
    uint16_t base;
    uint8_t len;
} IsaRange;

static void build_isa_device(Aml *a, const char *name, const char *hid, int uid, const IsaRange *io, unsigned n,
                             int irq, int dma)
{
    AmlBlock dev = aml_open_device(a, name), t;

    aml_name_eisa(a, "_HID", hid);
    if (uid >= 0)
        aml_name_integer(a, "_UID", (uint64_t)uid);
    aml_name_integer(a, "_STA", 0x0f);
    aml_name(a, "_CRS");
    t = aml_open_buffer(a);
    for (unsigned i = 0; i < n; i++)
        aml_res_io(a, io[i].base, 1, io[i].len);
    if (irq >= 0)
        aml_res_irq(a, (unsigned)irq);
    if (dma >= 0)
        aml_res_dma(a, (unsigned)dma);
    aml_close_template(a, t);
    aml_close(a, dev);
}

/* No EISA id: its name is longer. */
static void build_pvpanic(const Build *b, Aml *a)
{
    AmlBlock dev = aml_open_device(a, "PEVT"), t;

    aml_name(a, "_HID");
    aml_string(a, "QEMU0001");
    aml_name_integer(a, "_STA", 0x0f);
    aml_name(a, "_CRS");
    t = aml_open_buffer(a);
    aml_res_io(a, b->cfg->pvpanic_port, 1, 1);
    aml_close_template(a, t);
    aml_close(a, dev);
}

static void build_isa(const Build *b, Aml *a)
{
    static const IsaRange rtc[] = {{0x70, 2}}, kbd[] = {{0x60, 1}, {0x64, 1}}, com1[] = {{0x3f8, 8}},
                          com2[] = {{0x2f8, 8}}, lpt[] = {{0x378, 8}}, fdc[] = {{0x3f2, 4}, {0x3f7, 1}},
                          dma[] = {{0x00, 0x10}, {0x81, 0x0f}, {0xc0, 0x20}}, pit[] = {{0x40, 4}},
                          fpu[] = {{0xf0, 1}}, spk[] = {{0x61, 1}}, pic[] = {{0x20, 2}, {0xa0, 2}, {0x4d0, 2}};
    AmlBlock isa = aml_open_device(a, "ISA"), f;

    aml_name_integer(a, "_ADR", 0x00010000);
    aml_pci_config_region(a, "P40C", 0x60, 4);
    f = aml_open_field(a, "P40C", FIELD_BYTE_PRESERVE);
    aml_field_unit(a, "PRQ0", 8);
    aml_field_unit(a, "PRQ1", 8);
    aml_field_unit(a, "PRQ2", 8);
    aml_field_unit(a, "PRQ3", 8);
    aml_close(a, f);
    build_isa_device(a, "PIC", "PNP0000", -1, pic, 3, 2, -1);
    if (b->cfg->pit)
        build_isa_device(a, "TIMR", "PNP0100", -1, pit, 1, b->cfg->hpet ? -1 : 0, -1);
    build_isa_device(a, "DMAC", "PNP0200", -1, dma, 3, -1, 4);
    build_isa_device(a, "RTC", "PNP0B00", -1, rtc, 1, 8, -1);
    build_isa_device(a, "SPKR", "PNP0800", -1, spk, 1, -1, -1);
    build_isa_device(a, "FPU", "PNP0C04", -1, fpu, 1, 13, -1);
    build_isa_device(a, "KBD", "PNP0303", -1, kbd, 2, 1, -1);
    build_isa_device(a, "MOU", "PNP0F13", -1, NULL, 0, 12, -1);
    if (b->cfg->fdc)
        build_isa_device(a, "FDC0", "PNP0700", -1, fdc, 2, 6, 2);
    if (b->cfg->com1)
        build_isa_device(a, "COM1", "PNP0501", 1, com1, 1, 4, -1);
    if (b->cfg->com2)
        build_isa_device(a, "COM2", "PNP0501", 2, com2, 1, 3, -1);
    if (b->cfg->lpt)
        build_isa_device(a, "LPT1", "PNP0400", 1, lpt, 1, 7, -1);
    if (b->cfg->pvpanic_port)
        build_pvpanic(b, a);
    aml_close(a, isa);
}

static void build_host_bridge_crs(const Build *b, Aml *a)
{
    AmlBlock t;

    aml_name(a, "_CRS");
    t = aml_open_buffer(a);
    aml_res_word_bus(a, 0, 0xff);
    aml_res_io(a, 0xcf8, 1, 8);
    aml_res_word_io(a, 0x0000, 0x0cf7);
    aml_res_word_io(a, 0x0d00, 0xffff);
    aml_res_dword_mem(a, 0x000a0000, 0x000bffff, true);
    aml_res_dword_mem(a, b->cfg->pci_hole_start, 0xfebfffff, false);
    if (b->cfg->pci64_end > b->cfg->pci64_start)
        aml_res_qword_mem(a, b->cfg->pci64_start, b->cfg->pci64_end - 1);
    aml_close_template(a, t);
}

/* Ports that belong to nobody's PCI window: PM, GPE, SMBus. */
static void build_motherboard(const Build *b, Aml *a)
{
    AmlBlock dev = aml_open_device(a, "MBRD"), t;

    aml_name_eisa(a, "_HID", "PNP0C02");
    aml_name_integer(a, "_UID", 1);
    aml_name(a, "_CRS");
    t = aml_open_buffer(a);
    aml_res_io(a, (uint16_t)b->cfg->pm_base, 1, 0x40);
    aml_res_io(a, PIIX4_GPE0_BASE, 1, 4);
    aml_res_io(a, PIIX4_SMBUS_BASE, 1, 0x40);
    aml_res_io(a, PIIX4_APM_PORT, 1, 2);
    aml_res_io(a, 0x92, 1, 1);
    aml_close_template(a, t);
    aml_close(a, dev);
}

static void build_sleep_state(Aml *a, const char *name, unsigned type)
{
    AmlBlock p;

    aml_name(a, name);
    p = aml_open_package(a, 4);
    aml_integer(a, type);
    aml_integer(a, type);
    aml_integer(a, 0);
    aml_integer(a, 0);
    aml_close(a, p);
}

static void build_hpet_device(Aml *a)
{
    AmlBlock dev = aml_open_device(a, "HPET"), t;

    aml_name_eisa(a, "_HID", "PNP0103");
    aml_name_integer(a, "_UID", 0);
    aml_name(a, "_CRS");
    t = aml_open_buffer(a);
    aml_res_fixed_mem32(a, (uint32_t)HPET_BASE, 0x400, false);
    aml_close_template(a, t);
    aml_close(a, dev);
}

static guint build_dsdt(Build *b)
{
    static const char *const links[4][2] = {{"LNKA", "\\_SB.PCI0.ISA.PRQ0"}, {"LNKB", "\\_SB.PCI0.ISA.PRQ1"},
                                            {"LNKC", "\\_SB.PCI0.ISA.PRQ2"}, {"LNKD", "\\_SB.PCI0.ISA.PRQ3"}};
    guint at = begin_table(b, "DSDT", 1);
    Aml *a = b->tables;
    AmlBlock sb = aml_open_scope(a, "\\_SB"), dev;

    dev = aml_open_device(a, "PCI0");
    aml_name_eisa(a, "_HID", "PNP0A03");
    aml_name_integer(a, "_UID", 0);
    build_host_bridge_crs(b, a);
    build_isa(b, a);
    build_motherboard(b, a);
    aml_close(a, dev);
    for (unsigned i = 0; i < 4; i++)
        build_link(a, links[i][0], links[i][1], i);
    /* After the links that it names. */
    dev = aml_open_scope(a, "PCI0");
    build_prt(a);
    aml_close(a, dev);
    if (b->cfg->hpet)
        build_hpet_device(a);
    for (unsigned i = 0; i < b->cfg->smp_cpus; i++) {
        char name[5];
        snprintf(name, sizeof name, "CP%02X", i & 0xff);
        dev = aml_open_device(a, name);
        aml_name(a, "_HID");
        aml_string(a, "ACPI0007");
        aml_name_integer(a, "_UID", i);
        aml_close(a, dev);
    }
    aml_close(a, sb);
    if (!b->cfg->no_s3)
        build_sleep_state(a, "\\_S3", PIIX4_SLP_TYP_S3);
    if (!b->cfg->no_s4)
        build_sleep_state(a, "\\_S4", PIIX4_SLP_TYP_S4);
    build_sleep_state(a, "\\_S5", PIIX4_SLP_TYP_S5);
    end_table(b, at);
    return at;
}

static void build_rsdp(Build *b, FwCfgState *fw, guint rsdt)
{
    uint8_t r[20] = {0};

    memcpy(r, "RSD PTR ", 8);
    memcpy(r + 9, "VIREO ", 6);
    stl32(r + 16, rsdt);
    loader_pointer(b, RSDP_FILE, TABLES_FILE, 16, 4);
    loader_checksum(b, RSDP_FILE, 8, 0, sizeof r);
    fw_cfg_set_file(fw, RSDP_FILE, r, sizeof r);
}

void acpi_build(const AcpiConfig *cfg, FwCfgState *fw)
{
    Build b = {cfg, g_byte_array_new(), g_byte_array_new()};
    guint facs, dsdt, rsdt, table[4 + ACPI_USER_MAX], n = 0;

    loader_allocate(&b, RSDP_FILE, 16, ZONE_FSEG);
    loader_allocate(&b, TABLES_FILE, 64, ZONE_HIGH); /* FACS wants 64-byte alignment and comes first */
    facs = build_facs(&b);
    dsdt = build_dsdt(&b);
    table[n++] = build_fadt(&b, facs, dsdt);
    table[n++] = build_madt(&b);
    if (cfg->hpet)
        table[n++] = build_hpet(&b);
    table[n++] = build_waet(&b);
    for (guint i = 0; cfg->user && i < MIN(cfg->user->len, (guint)ACPI_USER_MAX); i++)
        table[n++] = add_user(&b, cfg->user->pdata[i]);
    rsdt = begin_table(&b, "RSDT", 1);
    for (guint i = 0; i < n; i++) {
        guint at = b.tables->len;
        aml_dword(b.tables, table[i]);
        loader_pointer(&b, TABLES_FILE, TABLES_FILE, at, 4);
    }
    end_table(&b, rsdt);
    take_oem_of_slic(&b, rsdt, table[0]);
    build_rsdp(&b, fw, rsdt);
    fw_cfg_set_file(fw, TABLES_FILE, b.tables->data, b.tables->len);
    fw_cfg_set_file(fw, LOADER_FILE, b.loader->data, b.loader->len);
    g_byte_array_free(b.tables, true);
    g_byte_array_free(b.loader, true);
}
