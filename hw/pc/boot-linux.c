/* boot-linux.c - direct boot of a Linux bzImage or zImage
 * Spec: Linux Documentation/arch/x86/boot.rst, protocol 2.00 to 2.15 and the older ones. The kernel's
 * pieces go into fw_cfg; our option ROM (roms/) copies them to guest memory and jumps.
 * Not modelled: the 64-bit entry, EFI handover. */
#include "host/base/osdep.h"
#include "hw/pc/boot.h"

#include "host/base/bitops.h"
#include "hw/pc/pc.h"

enum { HDR_SETUP_SECTS = 0x1f1, HDR_VID_MODE = 0x1fa, HDR_MAGIC = 0x202, HDR_VERSION = 0x206, HDR_LOADER = 0x210,
       HDR_LOADFLAGS = 0x211, HDR_RAMDISK = 0x218, HDR_RAMDISK_SIZE = 0x21c, HDR_HEAP_END = 0x224,
       HDR_CMDLINE = 0x228, HDR_INITRD_MAX = 0x22c, HDR_CMDLINE_SIZE = 0x238, HDR_END = 0x240,
       OLD_CMDLINE_MAGIC = 0x20, OLD_CMDLINE_OFFSET = 0x22 };
enum { HDRS = 0x53726448, LOADED_HIGH = 0x01, CAN_USE_HEAP = 0x80, LOADER_QEMU = 0xb0 };
enum { KERNEL_MAX = 1 * GiB };
static const uint32_t ACPI_RESERVE = 0x20000; /* firmware keeps its tables at the top of low RAM */

typedef struct LinuxImage {
    uint8_t *setup; /* a copy, to be changed */
    size_t setup_size, kernel_size;
    unsigned protocol;
    uint32_t real_addr, cmdline_addr, prot_addr, initrd_max;
} LinuxImage;

static uint64_t parse_vga_mode(const char *append)
{
    const char *p = append ? strstr(append, "vga=") : NULL;

    if (!p || (p != append && p[-1] != ' '))
        return UINT64_MAX;
    p += 4;
    if (g_str_has_prefix(p, "normal"))
        return 0xffff;
    if (g_str_has_prefix(p, "ext"))
        return 0xfffe;
    if (g_str_has_prefix(p, "ask"))
        return 0xfffd;
    return strtoull(p, NULL, 0) & 0xffff;
}

/* Where the pieces go (boot.rst, "The Memory Layout"): old kernels live in the first megabyte. */
static void choose_addresses(LinuxImage *k, size_t cmdline_size, bool high)
{
    if (k->protocol < 0x200 || !high) {
        k->real_addr = 0x90000;
        k->cmdline_addr = 0x9a000 - (uint32_t)cmdline_size;
        k->prot_addr = 0x10000;
    } else if (k->protocol < 0x202) {
        k->real_addr = 0x90000;
        k->cmdline_addr = 0x9a000 - (uint32_t)cmdline_size;
        k->prot_addr = 0x100000;
    } else {
        k->real_addr = 0x10000;
        k->cmdline_addr = 0x20000;
        k->prot_addr = 0x100000;
    }
}

static bool load_initrd(const KernelConfig *cfg, LinuxImage *k, FwCfgState *fw, GError **errp)
{
    size_t len;
    uint32_t addr, lowest = k->prot_addr >= 0x100000 ? k->prot_addr + (uint32_t)k->kernel_size : 0x100000;

    if (!cfg->initrd)
        return true;
    if (k->protocol < 0x200)
        return error_set(errp, "-initrd %s: the kernel '%s' is too old to take one", cfg->initrd, cfg->kernel);
    if (!boot_offer_file(fw, FW_CFG_INITRD_DATA, "-initrd", cfg->initrd, cfg->ram_below_4g, &len, errp))
        return false;
    if (len >= k->initrd_max || (uint32_t)(k->initrd_max - len) < lowest)
        return error_set(errp, "-initrd %s: its %zu bytes do not fit into memory: raise -m", cfg->initrd, len);
    addr = (k->initrd_max - (uint32_t)len) & ~4095u;
    stl32(k->setup + HDR_RAMDISK, addr);
    stl32(k->setup + HDR_RAMDISK_SIZE, (uint32_t)len);
    fw_cfg_set_u32(fw, FW_CFG_INITRD_ADDR, addr);
    fw_cfg_set_u32(fw, FW_CFG_INITRD_SIZE, (uint32_t)len);
    return true;
}

static void fill_header(const KernelConfig *cfg, LinuxImage *k)
{
    uint64_t vga = parse_vga_mode(cfg->append);

    if (vga != UINT64_MAX)
        stl16(k->setup + HDR_VID_MODE, (uint16_t)vga);
    if (k->protocol >= 0x200)
        k->setup[HDR_LOADER] = LOADER_QEMU;
    if (k->protocol >= 0x201) {
        k->setup[HDR_LOADFLAGS] |= CAN_USE_HEAP;
        stl16(k->setup + HDR_HEAP_END, (uint16_t)(k->cmdline_addr - k->real_addr - 0x200));
    }
    if (k->protocol >= 0x202) {
        stl32(k->setup + HDR_CMDLINE, k->cmdline_addr);
    } else {
        stl16(k->setup + OLD_CMDLINE_MAGIC, 0xa33f);
        stl16(k->setup + OLD_CMDLINE_OFFSET, (uint16_t)(k->cmdline_addr - k->real_addr));
    }
}

/* The bytes behind the set-up code: of the file, if it is open (and closed here), else of memory. */
typedef struct KernelSource { int fd; GBytes *bytes; } KernelSource;

/* image: the set-up code and what may follow; len: all of the kernel. */
static bool load_linux(const KernelConfig *cfg, const uint8_t *image, size_t len, KernelSource *rest, FwCfgState *fw, GError **errp)
{
    LinuxImage k = {0};
    g_autofree uint8_t *setup = NULL;
    const char *append = cfg->append ? cfg->append : "";
    size_t cmdline_size = (strlen(append) + 16) & ~(size_t)15, sects;
    uint32_t limit = (uint32_t)MIN(cfg->ram_below_4g, (uint64_t)UINT32_MAX);
    bool high;

    if (len < 1024 || ldl16(image + 0x1fe) != 0xaa55)
        return error_set(errp, "-kernel %s: it is no Linux kernel (bzImage) and no multiboot image", cfg->kernel);
    if (ldl32(image + HDR_MAGIC) == HDRS)
        k.protocol = ldl16(image + HDR_VERSION);
    sects = image[HDR_SETUP_SECTS] ? image[HDR_SETUP_SECTS] : 4;
    k.setup_size = (sects + 1) * 512;
    if (k.setup_size >= len)
        return error_set(errp, "-kernel %s: it is truncated: %zu bytes, its set-up code alone has %zu", cfg->kernel,
                         len, k.setup_size);
    if (k.protocol >= 0x206 && strlen(append) > ldl32(image + HDR_CMDLINE_SIZE))
        return error_set(errp, "-kernel %s: it takes a command line of at most %u bytes, -append has %zu",
                         cfg->kernel, ldl32(image + HDR_CMDLINE_SIZE), strlen(append));
    if (cmdline_size > 0x8000)
        return error_set(errp, "-append of %zu bytes is too long", strlen(append));
    k.setup = setup = g_memdup2(image, k.setup_size);
    k.kernel_size = len - k.setup_size;
    high = k.protocol >= 0x200 && (image[HDR_LOADFLAGS] & LOADED_HIGH);
    choose_addresses(&k, cmdline_size, high);
    if (k.prot_addr + k.kernel_size >= limit)
        return error_set(errp, "-kernel %s: its %zu bytes do not fit into %u MiB of memory: raise -m",
                         cfg->kernel, len, limit >> 20);
    k.initrd_max = k.protocol >= 0x203 ? ldl32(image + HDR_INITRD_MAX) : 0x37ffffff;
    k.initrd_max = MIN(k.initrd_max, limit - ACPI_RESERVE - 1);
    fill_header(cfg, &k);
    if (!load_initrd(cfg, &k, fw, errp))
        return false;

    fw_cfg_set_u32(fw, FW_CFG_CMDLINE_ADDR, k.cmdline_addr);
    fw_cfg_set_u32(fw, FW_CFG_CMDLINE_SIZE, (uint32_t)strlen(append) + 1);
    fw_cfg_set_bytes(fw, FW_CFG_CMDLINE_DATA, append, strlen(append) + 1);
    fw_cfg_set_u32(fw, FW_CFG_KERNEL_ADDR, k.prot_addr);
    fw_cfg_set_u32(fw, FW_CFG_KERNEL_SIZE, (uint32_t)k.kernel_size);
    if (rest->fd >= 0)
        fw_cfg_take_fd(fw, FW_CFG_KERNEL_DATA, rest->fd, k.setup_size, k.kernel_size, cfg->kernel);
    else
        fw_cfg_take_bytes(fw, FW_CFG_KERNEL_DATA, g_bytes_new_from_bytes(rest->bytes, k.setup_size, k.kernel_size));
    rest->fd = -1;
    fw_cfg_set_u32(fw, FW_CFG_SETUP_ADDR, k.real_addr);
    fw_cfg_set_u32(fw, FW_CFG_SETUP_SIZE, (uint32_t)k.setup_size);
    fw_cfg_set_bytes(fw, FW_CFG_SETUP_DATA, k.setup, k.setup_size);
    return true;
}

static bool offer_rom(FwCfgState *fw, const char *file, const char **name, GError **errp)
{
    g_autofree char *path = pc_firmware_find(file), *key = g_strdup_printf("genroms/%s", file);
    g_autofree uint8_t *data = NULL;
    size_t len;

    if (!path)
        return error_set(errp, "could not find the option ROM '%s' that starts -kernel: give its folder with -L", file);
    data = boot_read_file("option ROM", path, 256 * KiB, &len, errp);
    if (!data)
        return false;
    fw_cfg_set_file(fw, key, data, len);
    *name = g_intern_string(key);
    return true;
}

/* A bzImage stays in its file until the guest reads it: else it would be in memory twice as long as the machine lives.
 * False: it is something else, or not in a file. */
static bool load_from_file(const KernelConfig *cfg, FwCfgState *fw, bool *ok, GError **errp)
{
    enum { HEAD = 256 * 512 /* set-up code is no longer */ };
    g_autofree uint8_t *head = g_malloc(HEAD);
    size_t len;
    KernelSource file = {.fd = boot_open_regular(cfg->kernel, KERNEL_MAX, &len)};
    bool linux_kernel = file.fd >= 0 && pread(file.fd, head, HEAD, 0) == HEAD && ldl16(head + 0x1fe) == 0xaa55 &&
                        !boot_is_multiboot(head, HEAD);

    if (linux_kernel)
        *ok = load_linux(cfg, head, len, &file, fw, errp);
    if (file.fd >= 0)
        close(file.fd);
    return linux_kernel;
}

bool boot_load_kernel(const KernelConfig *cfg, FwCfgState *fw, const char **rom, GError **errp)
{
    bool ok = true;

    if (load_from_file(cfg, fw, &ok, errp))
        return ok && offer_rom(fw, "linuxboot.bin", rom, errp);
    g_autoptr(GBytes) file = boot_read_large("-kernel", cfg->kernel, KERNEL_MAX, errp);
    if (!file)
        return false;
    KernelSource bytes = {.fd = -1, .bytes = file};
    if (boot_load_multiboot(cfg, g_bytes_get_data(file, NULL), g_bytes_get_size(file), fw, &ok, errp))
        return ok && offer_rom(fw, "multiboot.bin", rom, errp);
    return load_linux(cfg, g_bytes_get_data(file, NULL), g_bytes_get_size(file), &bytes, fw, errp) && offer_rom(fw, "linuxboot.bin", rom, errp);
}
