/* machine.c - what the demo guest finds out about its PC: processor, memory, PCI functions, disks, time,
 * and how it resets and powers off.
 * Spec: Intel SDM (CPUID), PCI 3.0 3.2.2.3 (configuration mechanism #1), ATA-6 IDENTIFY, 82C54, MC146818,
 * ACPI 6.0 (RSDP, FADT, _S5). */
#include "io.h"
#include "machine.h"

/* --- processor --- */

static void cpuid(uint32_t leaf, uint32_t r[4])
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

void show_cpu(void)
{
    uint32_t r[4], brand[13] = {0}, vendor[4] = {0};
    cpuid(0, r);
    vendor[0] = r[1];
    vendor[1] = r[3];
    vendor[2] = r[2];
    uint32_t max = r[0];
    cpuid(0x80000000, r);
    if (r[0] >= 0x80000004)
        for (uint32_t i = 0; i < 3; i++)
            cpuid(0x80000002 + i, brand + 4 * i);
    print("CPU:    %s %s\n", (char *)vendor, (char *)brand);
    cpuid(1, r);
    static const struct { uint8_t reg, bit; const char *name; } features[] = {
        {3, 0, "fpu"}, {3, 4, "tsc"}, {3, 6, "pae"}, {3, 9, "apic"}, {3, 15, "cmov"}, {3, 23, "mmx"},
        {3, 25, "sse"}, {3, 26, "sse2"}, {2, 0, "sse3"}, {2, 9, "ssse3"}, {2, 19, "sse4.1"}, {2, 20, "sse4.2"},
        {2, 23, "popcnt"}, {2, 25, "aes"}, {2, 28, "avx"}, {2, 31, "hypervisor"},
    };
    print("        family %u model %u stepping %u, %u leaves:", r[0] >> 8 & 15, (r[0] >> 4 & 15) | (r[0] >> 12 & 0xf0),
          r[0] & 15, max + 1);
    for (unsigned i = 0; i < sizeof features / sizeof features[0]; i++)
        if (r[features[i].reg] >> features[i].bit & 1)
            print(" %s", features[i].name);
    put_char('\n');
}

/* --- memory --- */

typedef struct E820 {
    uint64_t base, length;
    uint32_t type, pad;
} E820;
extern uint32_t e820_count;
extern E820 e820_map[];

void show_memory(void)
{
    uint64_t usable = 0;
    for (uint32_t i = 0; i < e820_count; i++)
        if (e820_map[i].type == 1)
            usable += e820_map[i].length;
    print("Memory: %u MiB usable\n", (uint32_t)(usable >> 20));
    for (uint32_t i = 0; i < e820_count; i++) {
        uint64_t end = e820_map[i].base + e820_map[i].length - 1;
        uint32_t type = e820_map[i].type;
        print("        %08x%08x-%08x%08x %s\n", (uint32_t)(e820_map[i].base >> 32), (uint32_t)e820_map[i].base,
              (uint32_t)(end >> 32), (uint32_t)end,
              type == 1 ? "usable" : type == 2 ? "reserved" : type == 3 ? "ACPI data" : type == 4 ? "ACPI NVS" : "other");
    }
}

/* --- PCI --- */

static uint32_t pci_read(unsigned slot, unsigned fn, unsigned reg)
{
    outl(0xcf8, 0x80000000u | slot << 11 | fn << 8 | reg);
    return inl(0xcfc);
}

static const char *pci_class(uint32_t cls)
{
    switch (cls) {
    case 0x0101: return "IDE controller";
    case 0x0200: return "Ethernet controller";
    case 0x0300: return "VGA controller";
    case 0x0600: return "host bridge";
    case 0x0601: return "ISA bridge";
    case 0x0680: return "bridge (power management)";
    case 0x0c03: return "USB controller";
    default: return "device";
    }
}

void show_pci(void)
{
    print("PCI:    bus 0\n");
    for (unsigned slot = 0; slot < 32; slot++)
        for (unsigned fn = 0; fn < 8; fn++) {
            uint32_t id = pci_read(slot, fn, 0);
            if (id == 0xffffffffu) {
                if (fn == 0)
                    break;
                continue;
            }
            uint32_t cls = pci_read(slot, fn, 8) >> 16;
            print("        00:%02x.%u %04x:%04x %s\n", slot, fn, id & 0xffff, id >> 16, pci_class(cls));
            if (fn == 0 && !(pci_read(slot, 0, 12) >> 16 & 0x80))
                break;
        }
}

/* --- disks --- */

static bool ata_wait(uint16_t base)
{
    for (int i = 0; i < 1000000; i++) {
        uint8_t s = inb(base + 7);
        if (s == 0xff)
            return false;
        if (!(s & 0x80))
            return true;
    }
    return false;
}

void show_disks(void)
{
    static const uint16_t bases[] = {0x1f0, 0x170};
    print("Disks:\n");
    for (unsigned ch = 0; ch < 2; ch++)
        for (unsigned unit = 0; unit < 2; unit++) {
            uint16_t base = bases[ch], id[256];
            outb(base + 0x206, 2);
            outb(base + 6, 0xa0 | unit << 4);
            for (int i = 0; i < 16; i++)
                inb(base + 7);
            if (!ata_wait(base) || inb(base + 7) == 0)
                continue;
            bool atapi = inb(base + 4) == 0x14 && inb(base + 5) == 0xeb;
            outb(base + 7, atapi ? 0xa1 : 0xec);
            if (!ata_wait(base) || !(inb(base + 7) & 8))
                continue;
            for (int i = 0; i < 256; i++)
                id[i] = inw(base);
            char model[41];
            for (int i = 0; i < 20; i++) {
                model[2 * i] = id[27 + i] >> 8;
                model[2 * i + 1] = id[27 + i];
            }
            int n = 40;
            while (n && (model[n - 1] == ' ' || !model[n - 1]))
                n--;
            model[n] = 0;
            uint32_t sectors = id[60] | (uint32_t)id[61] << 16;
            print("        ide%u.%u %s", ch, unit, model);
            if (atapi)
                print(", CD-ROM\n");
            else
                print(", %u KiB\n", sectors / 2);
        }
}

/* --- time --- */

volatile uint32_t timer_ticks;
extern void timer_entry(void);

typedef struct Gate {
    uint16_t low, selector, type, high;
} __attribute__((packed)) Gate;
static Gate idt[256];

enum { TIMER_HZ = 100 };

void timer_init(void)
{
    uint32_t at = (uint32_t)timer_entry;
    idt[0x20] = (Gate){at, 8, 0x8e00, at >> 16};
    struct { uint16_t limit; uint32_t base; } __attribute__((packed)) p = {sizeof idt - 1, (uint32_t)idt};
    __asm__ volatile("lidt %0" : : "m"(p));
    outb(0x20, 0x11);
    outb(0xa0, 0x11);
    outb(0x21, 0x20);
    outb(0xa1, 0x28);
    outb(0x21, 4);
    outb(0xa1, 2);
    outb(0x21, 1);
    outb(0xa1, 1);
    outb(0x21, 0xfe);
    outb(0xa1, 0xff);
    uint16_t divisor = 1193182 / TIMER_HZ;
    outb(0x43, 0x34);
    outb(0x40, divisor);
    outb(0x40, divisor >> 8);
    __asm__ volatile("sti");
}

static uint8_t rtc(uint8_t reg)
{
    outb(0x70, reg);
    uint8_t v = inb(0x71);
    return (v >> 4) * 10 + (v & 15);
}

void show_time(void)
{
    uint32_t from = timer_ticks;
    for (uint32_t n = 0; timer_ticks - from < 5 && n < 100; n++)
        __asm__ volatile("hlt");
    print("Time:   20%02u-%02u-%02u %02u:%02u:%02u, timer %s (%u ticks of 1/%u s since start)\n", rtc(9), rtc(8), rtc(7),
          rtc(4), rtc(2), rtc(0), timer_ticks != from ? "running" : "STANDS STILL", timer_ticks, TIMER_HZ);
}

/* --- reset and power --- */

void reboot(void)
{
    outb(0xcf9, 2);
    outb(0xcf9, 6);
    outb(0x64, 0xfe);
    for (;;)
        __asm__ volatile("cli; hlt");
}

static bool same(const void *a, const char *b, int n)
{
    const char *p = a;
    while (n--)
        if (*p++ != *b++)
            return false;
    return true;
}

static const uint8_t *find_rsdp(void)
{
    uint32_t ebda = *(volatile uint16_t *)0x40e << 4;
    for (uint32_t at = ebda; ebda && at < ebda + 1024; at += 16)
        if (same((void *)at, "RSD PTR ", 8))
            return (void *)at;
    for (uint32_t at = 0xe0000; at < 0x100000; at += 16)
        if (same((void *)at, "RSD PTR ", 8))
            return (void *)at;
    return NULL;
}

void power_off(void)
{
    const uint8_t *rsdp = find_rsdp(), *fadt = NULL;
    if (rsdp) {
        const uint8_t *rsdt = *(const uint8_t **)(rsdp + 16);
        uint32_t n = (*(uint32_t *)(rsdt + 4) - 36) / 4;
        for (uint32_t i = 0; i < n && i < 64; i++) {
            const uint8_t *t = ((const uint8_t **)(rsdt + 36))[i];
            if (same(t, "FACP", 4))
                fadt = t;
        }
    }
    if (!fadt) {
        print("no ACPI tables: cannot power off\n");
        return;
    }
    uint16_t pm1a = *(uint32_t *)(fadt + 64);
    const uint8_t *dsdt = *(const uint8_t **)(fadt + 40);
    uint32_t length = *(uint32_t *)(dsdt + 4);
    /* Name(_S5_, Package() { SLP_TYPa, ... }): the first element is a byte or a zero/one op */
    for (uint32_t i = 36; i + 12 < length; i++)
        if (same(dsdt + i, "_S5_", 4) && dsdt[i + 4] == 0x12) {
            const uint8_t *p = dsdt + i + 7;
            uint8_t type = *p == 0x0a ? p[1] : *p <= 1 ? *p : 0;
            outw(pm1a, type << 10 | 1 << 13);
            for (uint32_t from = timer_ticks; timer_ticks - from < TIMER_HZ;) /* it may take a moment */
                __asm__ volatile("hlt");
            print("still here: the machine did not power off\n");
            return;
        }
    print("no _S5 in the DSDT: cannot power off\n");
}
