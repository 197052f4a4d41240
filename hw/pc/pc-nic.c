/* pc-nic.c - network cards on this board: slot, boot ROM, place in the boot order
 * Spec: PCI firmware's expansion ROM (PCI 3.0 chapter 6.3); the ROM files are iPXE's, of the Debian package ipxe-qemu. */
#include "host/base/osdep.h"
#include "hw/net/nic.h"

#include "host/base/bitops.h"
#include "host/base/keyval.h"
#include "hw/pc/pc-internal.h"

enum { ROM_MAX = 1 << 20 };
static const char IPXE_DIR[] = "/usr/lib/ipxe/qemu"; /* where the package puts them, outside of the firmware path */

static char *find_rom(const char *name)
{
    char *path = pc_firmware_find(name);

    if (path)
        return path;
    path = g_build_filename(IPXE_DIR, name, NULL);
    if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
        return path;
    g_free(path);
    return NULL;
}

/* romfile= must exist; without the packaged ROM the card just cannot boot. */
static bool load_rom(NicState *n, const char *standard, GError **errp)
{
    const char *want = n->romfile ? n->romfile : standard;
    g_autofree char *path = NULL, *region = NULL;
    g_autofree uint8_t *data = NULL;
    size_t len, size = 2048;

    if (!n->rombar || !*want)
        return true;
    path = find_rom(want);
    if (!path && !n->romfile)
        return true;
    if (!path)
        return error_set(errp, "romfile=%s: could not find it (here, in the -L folders, or in %s)", want, IPXE_DIR);
    data = boot_read_file("romfile", path, ROM_MAX, &len, errp);
    if (!data)
        return false;
    while (size < len)
        size *= 2;
    region = g_strdup_printf("%s.rom", n->pci.dev.cls->name);
    if (!memory_region_init_rom(&n->rom, region, size, errp))
        return false;
    memset(memory_region_ram_ptr(&n->rom), 0xff, size);
    memcpy(memory_region_ram_ptr(&n->rom), data, len);
    n->have_rom = true;
    return true;
}

/* One packaged ROM serves several cards; a BIOS runs it only for the card that its PCI data structure names (PCI Firmware
 * 3.0, 5.1.2). The card's identification goes in there, and a spare byte of the header keeps the sum of all bytes at 0. */
static void adapt_rom(NicState *n)
{
    enum { DATA_AT = 0x18, SPARE = 6, ID_AT = 4, ID_LEN = 4 };
    uint8_t *rom = memory_region_ram_ptr(&n->rom);
    size_t size = n->rom.size, at = size > DATA_AT + 2 ? (size_t)ldl16(rom + DATA_AT) : size;

    if (at + ID_AT + ID_LEN > size || ldl16(rom) != 0xaa55 || memcmp(rom + at, "PCIR", 4))
        return;
    for (unsigned i = 0; i < ID_LEN; i++) {
        uint8_t *id = rom + at + ID_AT + i;
        rom[SPARE] = (uint8_t)(rom[SPARE] + *id - n->pci.config[i]);
        *id = n->pci.config[i];
    }
}

/* "3", "03.0", "0x3" */
bool pc_parse_pci_addr(const char *text, int *devfn, GError **errp)
{
    char *end;
    unsigned long slot = strtoul(text, &end, 16), fn = 0;

    if (*end == '.' && g_ascii_isdigit(end[1]))
        fn = strtoul(end + 1, &end, 16);
    if (!g_ascii_isxdigit(*text) || *end || slot > 31 || fn > 7)
        return error_set(errp, "addr=%s is no PCI address (SLOT[.FUNCTION], 0 to 1f and 0 to 7)", text);
    *devfn = PCI_DEVFN((int)slot, (int)fn);
    return true;
}

bool pc_add_nic(PcMachine *pc, const char *model, const GPtrArray *kv, GError **errp)
{
    const NicModel *m = nic_find_model(model);
    const char *bus = keyval_get(kv, "bus");
    Device *dev = device_new(m->cls, keyval_get(kv, "id"));
    NicState *n = (NicState *)dev;
    bool ok = true;

    n->pci.bus = pc->pci;
    n->pci.devfn = -1;
    if (bus && strcmp(bus, "pci.0"))
        ok = error_set(errp, "Bus '%s' not found (pci.0 exists)", bus);
    for (guint i = 0; ok && i < kv->len; i++) {
        const KeyVal *k = kv->pdata[i];
        if (strcmp(k->key, "driver") && strcmp(k->key, "id") && strcmp(k->key, "bus"))
            ok = device_set_prop(dev, k->key, k->val, errp);
    }
    if (!ok || (n->addr && !pc_parse_pci_addr(n->addr, &n->pci.devfn, errp)) || !load_rom(n, m->rom, errp)) {
        if (n->have_rom)
            memory_region_destroy(&n->rom);
        device_free(dev);
        return false;
    }
    if (!device_realize(dev, errp))
        return false;
    if (n->have_rom && !n->romfile)
        adapt_rom(n);
    if (n->have_rom)
        pci_register_rom(&n->pci, &n->rom);
    if (n->bootindex != NIC_NO_BOOTINDEX)
        pc_write_boot_order_file(pc);
    return true;
}

char *pc_nic_boot_path(Device *dev, int *index)
{
    NicState *n = nic_from_device(dev);

    if (!n || n->bootindex == NIC_NO_BOOTINDEX)
        return NULL;
    *index = (int)MIN(n->bootindex, (uint32_t)INT32_MAX);
    if (n->pci.devfn & 7)
        return g_strdup_printf("/pci@i0cf8/ethernet@%x,%x/ethernet-phy@0", n->pci.devfn >> 3, n->pci.devfn & 7);
    return g_strdup_printf("/pci@i0cf8/ethernet@%x/ethernet-phy@0", n->pci.devfn >> 3);
}
