/* boot.c - finding firmware images and putting them where the guest expects them
 * Spec: the PC's reset vector lies in the last 16 bytes below 4 GiB; the AT's ROM BIOS below 1 MiB shows
 * the same bytes. Flash that the guest can write is in pc-flash.c. */
#include "host/base/osdep.h"
#include "hw/pc/boot.h"

#include "host/base/mem.h"
#include "hw/pc/pc.h"
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

static GPtrArray *search_path; /* -L, in order */

enum { BIOS_MAX = 16 * MiB, LOW_BIOS_MAX = 128 * KiB, ROM_MAX = 16 * MiB };

void pc_firmware_add_path(const char *dir)
{
    if (!search_path)
        search_path = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(search_path, g_strdup(dir));
}

static char *try_dir(const char *dir, const char *name)
{
    char *path = g_build_filename(dir, name, NULL);

    if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
        return path;
    g_free(path);
    return NULL;
}

/* What the build made lies beside the program, before it is installed. */
static char *try_program_dir(const char *name)
{
    g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = exe ? g_path_get_dirname(exe) : NULL;
    static const char *const below[] = {"", "roms", "../share/vireo"};
    char *path;

    for (size_t i = 0; dir && i < ARRAY_SIZE(below); i++) {
        g_autofree char *d = g_build_filename(dir, below[i], NULL);
        if ((path = try_dir(d, name)))
            return path;
    }
    return NULL;
}

char *pc_firmware_find(const char *name)
{
    g_auto(GStrv) dirs = g_strsplit(CONFIG_FIRMWARE_PATH, ":", -1);
    char *path;

    if (strchr(name, '/') && g_file_test(name, G_FILE_TEST_EXISTS))
        return g_strdup(name);
    for (guint i = 0; search_path && i < search_path->len; i++)
        if ((path = try_dir(search_path->pdata[i], name)))
            return path;
    if ((path = try_program_dir(name)))
        return path;
    for (char **d = dirs; *d; d++)
        if (**d && (path = try_dir(*d, name)))
            return path;
    return g_file_test(name, G_FILE_TEST_IS_REGULAR) ? g_strdup(name) : NULL;
}

uint8_t *boot_read_file(const char *what, const char *path, size_t max, size_t *len, GError **errp)
{
    g_autoptr(GError) err = NULL;
    GStatBuf st;
    char *data;
    gsize n;

    if (g_stat(path, &st) == 0 && (S_ISDIR(st.st_mode) || S_ISCHR(st.st_mode))) { /* a device may have no end */
        error_set(errp, "%s %s: could not load it: it is a %s", what, path, S_ISDIR(st.st_mode) ? "directory" : "device");
        return NULL;
    }
    if (!g_file_get_contents(path, &data, &n, &err)) {
        int e = errno;
        if (g_error_matches(err, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            e = ENOENT;
        else if (g_error_matches(err, G_FILE_ERROR, G_FILE_ERROR_ACCES))
            e = EACCES;
        error_set(errp, "%s %s: could not load it: %s", what, path, e ? g_strerror(e) : err->message);
        return NULL;
    }
    if (n > max) {
        g_free(data);
        error_set(errp, "%s %s: could not load it: %zu bytes is more than the %zu allowed", what, path, (size_t)n, max);
        return NULL;
    }
    *len = n;
    return (uint8_t *)data;
}

int boot_open_regular(const char *path, size_t max, size_t *len)
{
    struct stat st;
    int fd = -1;

    if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) /* opening a pipe twice might lose its writer */
        fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || (uint64_t)st.st_size > max)) {
        close(fd);
        return -1;
    }
    *len = fd >= 0 ? (size_t)st.st_size : 0;
    return fd;
}

typedef struct HugeBytes { void *p; size_t size; } HugeBytes;

static void huge_free(void *p)
{
    HugeBytes *h = p;

    mem_free(h->p, h->size);
    g_free(h);
}

GBytes *boot_read_large(const char *what, const char *path, size_t max, GError **errp)
{
    size_t len, done = 0;
    int fd = boot_open_regular(path, max, &len);
    uint8_t *p = fd >= 0 ? mem_alloc_ram(len, NULL) : NULL;

    while (p && done < len) {
        ssize_t n = read(fd, p + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    if (p && done == len) {
        HugeBytes h = {p, len};
        return g_bytes_new_with_free_func(p, len, huge_free, g_memdup2(&h, sizeof h));
    }
    mem_free(p, len);
    p = boot_read_file(what, path, max, &len, errp);
    return p ? g_bytes_new_take(p, len) : NULL;
}

bool boot_offer_file(FwCfgState *fw, unsigned key, const char *what, const char *path, size_t max, size_t *len, GError **errp)
{
    int fd = boot_open_regular(path, max, len);
    uint8_t *data;

    if (fd >= 0) {
        fw_cfg_take_fd(fw, key, fd, 0, *len, path);
        return true;
    }
    if (!(data = boot_read_file(what, path, max, len, errp)))
        return false;
    fw_cfg_take_bytes(fw, key, g_bytes_new_take(data, *len));
    return true;
}

static void rom_free(void *p)
{
    BootRom *r = p;

    g_free(r->name);
    g_free(r);
}

static void note_rom(BootRoms *r, const char *path, hwaddr addr, size_t size)
{
    BootRom *n = g_new0(BootRom, 1);

    if (!r->list)
        r->list = g_ptr_array_new_with_free_func(rom_free);
    n->name = g_path_get_basename(path);
    n->addr = addr;
    n->size = size;
    g_ptr_array_add(r->list, n);
}

bool boot_map_low(BootRoms *r, MemoryRegion *bios, size_t len, MemoryRegion *pci_mem, GError **errp)
{
    size_t low = MIN(len, (size_t)LOW_BIOS_MAX);

    /* The card ROM area; SeaBIOS copies option ROMs into RAM here after opening it through PAM. */
    if (!memory_region_init_rom(&r->option_area, "pc.rom", 0x20000, errp))
        return false;
    memset(memory_region_ram_ptr(&r->option_area), 0xff, 0x20000); /* no card there */
    memory_region_init_alias(&r->isa_bios, "isa-bios", bios, len - low, low);
    memory_begin();
    memory_region_add(pci_mem, 1 * MiB - low, &r->isa_bios, 1);
    memory_region_add(pci_mem, 0xc0000, &r->option_area, 1);
    memory_commit();
    r->low_mapped = true;
    return true;
}

bool boot_map_bios(BootRoms *r, const char *bios, MemoryRegion *pci_mem, GError **errp)
{
    const char *name = bios ? bios : "bios-256k.bin";
    g_autofree char *path = pc_firmware_find(name);
    g_autofree uint8_t *data = NULL;
    size_t len;

    if (!path)
        return error_set(errp, "%s%s: could not find the firmware; install the Debian package seabios (it has "
                               "bios-256k.bin), or give its folder with -L", bios ? "-bios " : "", name);
    data = boot_read_file(bios ? "-bios" : "firmware", path, BIOS_MAX, &len, errp);
    if (!data)
        return false;
    if (len == 0 || len % (64 * KiB))
        return error_set(errp, "%s %s: its size of %zu bytes is no multiple of 64 KiB", bios ? "-bios" : "firmware",
                         path, len);
    if (!memory_region_init_rom(&r->bios, "pc.bios", len, errp))
        return false;
    memcpy(memory_region_ram_ptr(&r->bios), data, len);
    memory_region_add(pci_mem, 4 * GiB - len, &r->bios, 0);
    r->mapped = true;
    note_rom(r, path, 4 * GiB - len, len);
    return boot_map_low(r, &r->bios, len, pci_mem, errp);
}

bool boot_load_expansion_rom(BootRoms *r, MemoryRegion *mr, const char *region_name, const char *file, GError **errp)
{
    g_autofree char *path = pc_firmware_find(file);
    g_autofree uint8_t *data = NULL;
    size_t len, size = 2048;

    if (!path)
        return error_set(errp, "could not find the VGA BIOS '%s': install the Debian package seabios, or give its "
                               "folder with -L", file);
    data = boot_read_file("expansion ROM", path, ROM_MAX, &len, errp);
    if (!data)
        return false;
    while (size < len)
        size *= 2;
    if (!memory_region_init_rom(mr, region_name, size, errp))
        return false;
    memset(memory_region_ram_ptr(mr), 0xff, size);
    memcpy(memory_region_ram_ptr(mr), data, len);
    return true;
}

void boot_roms_free(BootRoms *r, MemoryRegion *pci_mem)
{
    if (r->low_mapped) {
        memory_region_del(pci_mem, &r->option_area);
        memory_region_del(pci_mem, &r->isa_bios);
        memory_region_destroy(&r->option_area);
        memory_region_destroy(&r->isa_bios);
    }
    if (r->mapped) {
        memory_region_del(pci_mem, &r->bios);
        memory_region_destroy(&r->bios);
    }
    if (r->list)
        g_ptr_array_free(r->list, true);
    memset(r, 0, sizeof *r);
}

static void print_file(const char *name, size_t len, void *opaque)
{
    if (g_str_has_prefix(name, "genroms/"))
        g_string_append_printf(opaque, "fw=%s size=0x%06zx name=\"%s\"\n", name, len, name + 8);
    else if (g_str_has_prefix(name, "etc/acpi/") || !strcmp(name, "etc/table-loader"))
        g_string_append_printf(opaque, "/rom@%s size=0x%06zx name=\"%s\"\n", name, len, name);
}

void boot_roms_print(BootRoms *r, FwCfgState *fw, GString *out)
{
    for (guint i = 0; r->list && i < r->list->len; i++) {
        const BootRom *n = r->list->pdata[i];
        g_string_append_printf(out, "addr=" HWADDR_FMT " size=0x%06zx mem=rom name=\"%s\"\n", n->addr, n->size, n->name);
    }
    fw_cfg_foreach_file(fw, print_file, out);
}
