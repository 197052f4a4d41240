/* boot-multiboot.c - direct boot of a multiboot (version 1) kernel
 * Spec: GNU Multiboot Specification 0.6.96; ELF for the i386 and x86-64 psABI (32-bit entry). The image is
 * laid out here as it will lie in memory; our option ROM copies it, adds the memory map, and jumps.
 * Not modelled: video mode requests, boot-loader modules with ELF symbols, multiboot 2. */
#include "host/base/osdep.h"
#include "hw/pc/boot.h"

#include <elf.h>

#include "host/base/bitops.h"

enum { MB_SEARCH = 8192, MB_MAGIC = 0x1badb002, MB_HEADER_SIZE = 12 };
enum { MBH_HAS_ADDR = 1 << 16, MBH_UNKNOWN = 0xfff8 };
enum { INFO_FLAGS = 0, INFO_CMDLINE = 16, INFO_MODS_COUNT = 20, INFO_MODS_ADDR = 24, INFO_LOADER_NAME = 64,
       INFO_SIZE = 96, MODULE_SIZE = 16 };
enum { INFO_HAS_MEMORY = 1 << 0, INFO_HAS_BOOT_DEVICE = 1 << 1, INFO_HAS_CMDLINE = 1 << 2, INFO_HAS_MODS = 1 << 3,
       INFO_HAS_MMAP = 1 << 6, INFO_HAS_LOADER = 1 << 9 };
static const uint64_t IMAGE_MAX = 1 * GiB;

typedef struct Layout {
    uint32_t load, entry;
    uint8_t *bytes; /* the image from `load` on, bss included */
    size_t size;
} Layout;

static const uint8_t *find_header(const uint8_t *image, size_t len)
{
    size_t end = MIN(len, (size_t)MB_SEARCH);

    for (size_t i = 0; i + MB_HEADER_SIZE <= end; i += 4)
        if (ldl32(image + i) == MB_MAGIC && ldl32(image + i) + ldl32(image + i + 4) + ldl32(image + i + 8) == 0)
            return image + i;
    return NULL;
}

bool boot_is_multiboot(const uint8_t *image, size_t len) { return find_header(image, len) != NULL; }

/* Address fields in the header: a plain binary. */
static bool layout_binary(const KernelConfig *cfg, const uint8_t *image, size_t len, const uint8_t *h, Layout *l,
                          GError **errp)
{
    size_t at = (size_t)(h - image);
    uint32_t header, load, load_end, bss_end, skip;
    size_t n;

    if (at + 32 > len)
        return error_set(errp, "-kernel %s: the multiboot image is truncated", cfg->kernel);
    header = ldl32(h + 12);
    load = ldl32(h + 16);
    load_end = ldl32(h + 20);
    bss_end = ldl32(h + 24);
    if (header < load || header - load > at)
        return error_set(errp, "-kernel %s: the multiboot image has wrong addresses in its header", cfg->kernel);
    skip = (uint32_t)at - (header - load);
    n = load_end ? load_end - load : len - skip;
    if ((load_end && load_end < load) || n > len - skip)
        return error_set(errp, "-kernel %s: the multiboot image is shorter than its header says", cfg->kernel);
    l->load = load;
    l->entry = ldl32(h + 28);
    l->size = bss_end > load + n ? bss_end - load : n;
    if (l->size > IMAGE_MAX)
        return error_set(errp, "-kernel %s: the multiboot image is too large", cfg->kernel);
    l->bytes = g_malloc0(l->size);
    memcpy(l->bytes, image + skip, n);
    return true;
}

typedef struct Segment {
    uint64_t off, addr, file_size, mem_size;
} Segment;

static bool get_segment(const uint8_t *image, size_t len, unsigned i, Segment *s)
{
    bool is64 = image[EI_CLASS] == ELFCLASS64;

    if (is64) {
        Elf64_Ehdr e;
        Elf64_Phdr p;
        memcpy(&e, image, sizeof e);
        if (e.e_phoff > len || (len - e.e_phoff) / sizeof p <= i)
            return false;
        memcpy(&p, image + e.e_phoff + i * sizeof p, sizeof p);
        if (p.p_type != PT_LOAD)
            return false;
        *s = (Segment){p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz};
    } else {
        Elf32_Ehdr e;
        Elf32_Phdr p;
        memcpy(&e, image, sizeof e);
        if (e.e_phoff > len || (len - e.e_phoff) / sizeof p <= i)
            return false;
        memcpy(&p, image + e.e_phoff + i * sizeof p, sizeof p);
        if (p.p_type != PT_LOAD)
            return false;
        *s = (Segment){p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz};
    }
    return s->mem_size > 0;
}

static bool layout_elf(const KernelConfig *cfg, const uint8_t *image, size_t len, Layout *l, GError **errp)
{
    bool is64 = image[EI_CLASS] == ELFCLASS64;
    uint64_t low = UINT64_MAX, high = 0, entry;
    unsigned count;
    Segment s;

    if (len < sizeof(Elf64_Ehdr))
        return error_set(errp, "-kernel %s: the multiboot image is truncated", cfg->kernel);
    if (is64) {
        Elf64_Ehdr e;
        memcpy(&e, image, sizeof e);
        count = e.e_phnum;
        entry = e.e_entry;
    } else {
        Elf32_Ehdr e;
        memcpy(&e, image, sizeof e);
        count = e.e_phnum;
        entry = e.e_entry;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!get_segment(image, len, i, &s))
            continue;
        if (s.off > len || s.file_size > len - s.off || s.file_size > s.mem_size || s.addr > UINT32_MAX ||
            s.mem_size > IMAGE_MAX)
            return error_set(errp, "-kernel %s: the multiboot image has a bad ELF segment", cfg->kernel);
        low = MIN(low, s.addr);
        high = MAX(high, s.addr + s.mem_size);
    }
    if (low >= high || high - low > IMAGE_MAX || entry > UINT32_MAX)
        return error_set(errp, "-kernel %s: the multiboot image has no ELF segments that can be loaded below 4 GiB",
                         cfg->kernel);
    l->load = (uint32_t)low;
    l->entry = (uint32_t)entry;
    l->size = (size_t)(high - low);
    l->bytes = g_malloc0(l->size);
    for (unsigned i = 0; i < count; i++)
        if (get_segment(image, len, i, &s))
            memcpy(l->bytes + (s.addr - low), image + s.off, s.file_size);
    return true;
}

/* The information block: structure, module list, strings, then the modules on page boundaries. */
static bool build_info(const KernelConfig *cfg, const Layout *l, FwCfgState *fw, GError **errp)
{
    g_auto(GStrv) mods = cfg->initrd ? g_strsplit(cfg->initrd, ",", -1) : NULL;
    unsigned n = mods ? g_strv_length(mods) : 0;
    g_autoptr(GByteArray) b = g_byte_array_new();
    uint32_t at = (uint32_t)ROUND_UP((uint64_t)l->load + l->size, 4096ULL);
    g_autofree char *cmdline = g_strdup_printf("%s %s", cfg->kernel, cfg->append ? cfg->append : "");
    static const char loader[] = "vireo";

    g_byte_array_set_size(b, INFO_SIZE + n * MODULE_SIZE);
    memset(b->data, 0, b->len);
    stl32(b->data + INFO_CMDLINE, at + b->len);
    g_byte_array_append(b, (const uint8_t *)cmdline, (guint)strlen(cmdline) + 1);
    stl32(b->data + INFO_LOADER_NAME, at + b->len);
    g_byte_array_append(b, (const uint8_t *)loader, sizeof loader);
    for (unsigned i = 0; i < n; i++) { /* "file arguments": the whole text is the module's string */
        g_autofree char *file = g_strndup(mods[i], strcspn(mods[i], " "));
        g_autofree uint8_t *data = NULL;
        size_t len;
        guint m = INFO_SIZE + i * MODULE_SIZE, start;

        data = boot_read_file("-initrd module", file, IMAGE_MAX, &len, errp);
        if (!data)
            return false;
        stl32(b->data + m + 8, at + b->len);
        g_byte_array_append(b, (const uint8_t *)mods[i], (guint)strlen(mods[i]) + 1);
        start = (guint)ROUND_UP(b->len, 4096u);
        if ((uint64_t)at + start + len > cfg->ram_below_4g)
            return error_set(errp, "-initrd module %s: it does not fit into memory: raise -m", file);
        g_byte_array_set_size(b, start);
        g_byte_array_append(b, data, (guint)len);
        stl32(b->data + m, at + start);
        stl32(b->data + m + 4, at + start + (uint32_t)len);
    }
    stl32(b->data + INFO_MODS_COUNT, n);
    stl32(b->data + INFO_MODS_ADDR, at + INFO_SIZE);
    stl32(b->data + INFO_FLAGS, INFO_HAS_MEMORY | INFO_HAS_BOOT_DEVICE | INFO_HAS_CMDLINE | INFO_HAS_MODS |
                                    INFO_HAS_MMAP | INFO_HAS_LOADER);
    stl32(b->data + 12, 0x8000ffff); /* boot device: first hard disk, no partition */
    fw_cfg_set_u32(fw, FW_CFG_INITRD_ADDR, at);
    fw_cfg_set_u32(fw, FW_CFG_INITRD_SIZE, b->len);
    fw_cfg_set_bytes(fw, FW_CFG_INITRD_DATA, b->data, b->len);
    return true;
}

bool boot_load_multiboot(const KernelConfig *cfg, const uint8_t *image, size_t len, FwCfgState *fw, bool *ok,
                         GError **errp)
{
    const uint8_t *h = find_header(image, len);
    Layout l = {0};

    if (!h)
        return false;
    *ok = false;
    if (ldl32(h + 4) & MBH_UNKNOWN) {
        error_set(errp, "-kernel %s: the multiboot image requires features that are not known (flags %#x)", cfg->kernel,
                  ldl32(h + 4));
        return true;
    }
    if (len > SELFMAG && !memcmp(image, ELFMAG, SELFMAG) && !(ldl32(h + 4) & MBH_HAS_ADDR)) {
        if (!layout_elf(cfg, image, len, &l, errp))
            return true;
    } else if (!(ldl32(h + 4) & MBH_HAS_ADDR)) {
        error_set(errp, "-kernel %s: the multiboot image is neither ELF nor has load addresses", cfg->kernel);
        return true;
    } else if (!layout_binary(cfg, image, len, h, &l, errp)) {
        return true;
    }
    if ((uint64_t)l.load + l.size > cfg->ram_below_4g) {
        error_set(errp, "-kernel %s: the multiboot image needs memory up to %#" PRIx64 ": raise -m", cfg->kernel,
                  (uint64_t)l.load + l.size);
    } else if (build_info(cfg, &l, fw, errp)) {
        fw_cfg_set_u32(fw, FW_CFG_KERNEL_ENTRY, l.entry);
        fw_cfg_set_u32(fw, FW_CFG_KERNEL_ADDR, l.load);
        fw_cfg_set_u32(fw, FW_CFG_KERNEL_SIZE, (uint32_t)l.size);
        fw_cfg_set_bytes(fw, FW_CFG_KERNEL_DATA, l.bytes, l.size);
        *ok = true;
    }
    g_free(l.bytes);
    return true;
}
