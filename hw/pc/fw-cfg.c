/* fw-cfg.c - firmware configuration device: selector, data port, DMA
 * Spec: the interface that SeaBIOS, OVMF and Linux use (Linux Documentation/ABI/testing/sysfs-firmware-
 * qemu_fw_cfg names the items; OVMF's QemuFwCfgLib the DMA layout).
 * Guest view: 510h selector (16 bits), 511h data, 514h/518h big-endian DMA address; reading the DMA
 * register gives the signature. Not modelled: items that the guest may write. */
#include "host/base/osdep.h"
#include "hw/pc/fw-cfg.h"

#include <sys/stat.h>

#include "host/base/bitops.h"
#include "host/base/log.h"
#include "softmmu/dma.h"
#include "softmmu/memory.h"

enum { ID_TRADITIONAL = 1, ID_DMA = 2 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };
enum { NAME_SIZE = 56, MAX_FILES = 64, KEY_NONE = 0xffff };
static const uint64_t DMA_SIGNATURE = 0x51454d5520434647; /* "QEMU CFG" */

typedef struct Item {
    GBytes *bytes; /* NULL: in the file */
    const uint8_t *data;
    size_t len;
    /* A large one stays in its file until the guest asks for it */
    int fd;
    size_t from, file_len;  /* where it begins there; what the file had when it was offered */
    char *path;             /* for the warning */
    struct timespec mtime;
    uint8_t *window;        /* for the data port: WINDOW bytes from window_at on */
    size_t window_at;
} Item;
enum { WINDOW = 64 * 1024 };

typedef struct File {
    char *name;
    Item item;
    void (*select)(void *opaque);
    void *select_opaque;
} File;

struct FwCfgState {
    Device dev;
    MemoryRegion io, dma_io;
    GHashTable *items; /* key -> Item */
    GPtrArray *files;  /* of File, sorted by name; key FW_CFG_FILE_FIRST + index */
    uint8_t dma_reg[8];
    uint16_t key;
    uint32_t offset;
};

static void item_free(void *p)
{
    Item *i = p;

    if (i->bytes)
        g_bytes_unref(i->bytes);
    else
        close(i->fd);
    g_free(i->path);
    g_free(i->window);
    g_free(i);
}

static void item_set(Item *i, GBytes *bytes)
{
    if (i->bytes)
        g_bytes_unref(i->bytes);
    i->bytes = bytes;
    i->data = g_bytes_get_data(bytes, &i->len);
}

/* Part of an item in a file; what the file does not have any more reads as zeros. */
static void read_file(const Item *i, size_t at, uint8_t *buf, size_t len)
{
    while (len) {
        ssize_t n = pread(i->fd, buf, len, (off_t)(i->from + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            memset(buf, 0, len);
            return;
        }
        buf += n;
        at += (size_t)n;
        len -= (size_t)n;
    }
}

static uint8_t item_byte(Item *i, size_t at)
{
    if (i->bytes)
        return i->data[at];
    if (!i->window || at - i->window_at >= WINDOW) {
        if (!i->window)
            i->window = g_malloc(WINDOW);
        i->window_at = at - at % WINDOW;
        read_file(i, i->window_at, i->window, MIN((size_t)WINDOW, i->len - i->window_at));
    }
    return i->window[at - i->window_at];
}

static void file_free(void *p)
{
    File *f = p;

    g_bytes_unref(f->item.bytes);
    g_free(f->name);
    g_free(f);
}

/* The maps are made on first use, so that the board can fill them before realize as well. */
static void ensure(FwCfgState *s)
{
    if (!s->items) {
        s->items = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, item_free);
        s->files = g_ptr_array_new_with_free_func(file_free);
    }
}

void fw_cfg_take_bytes(FwCfgState *s, unsigned key, GBytes *bytes)
{
    Item *i = g_new0(Item, 1);

    ensure(s);
    item_set(i, bytes);
    g_hash_table_replace(s->items, GUINT_TO_POINTER(key), i);
}

void fw_cfg_set_bytes(FwCfgState *s, unsigned key, const void *data, size_t len)
{
    fw_cfg_take_bytes(s, key, g_bytes_new(data, len));
}

void fw_cfg_take_fd(FwCfgState *s, unsigned key, int fd, size_t from, size_t len, const char *path)
{
    Item *i = g_new0(Item, 1);
    struct stat st;

    ensure(s);
    i->fd = fd;
    i->from = from;
    i->len = len;
    i->path = g_strdup(path);
    if (fstat(fd, &st) == 0) {
        i->mtime = st.st_mtim;
        i->file_len = (size_t)st.st_size;
    }
    g_hash_table_replace(s->items, GUINT_TO_POINTER(key), i);
}

void fw_cfg_set_u16(FwCfgState *s, unsigned key, uint16_t v)
{
    fw_cfg_set_bytes(s, key, &v, sizeof v);
}

void fw_cfg_set_u32(FwCfgState *s, unsigned key, uint32_t v)
{
    fw_cfg_set_bytes(s, key, &v, sizeof v);
}

void fw_cfg_set_u64(FwCfgState *s, unsigned key, uint64_t v)
{
    fw_cfg_set_bytes(s, key, &v, sizeof v);
}

static File *find(FwCfgState *s, const char *name)
{
    for (guint i = 0; s->files && i < s->files->len; i++) {
        File *f = s->files->pdata[i];
        if (!strcmp(f->name, name))
            return f;
    }
    return NULL;
}

/* The directory, big-endian: count, then { size, key, 0, name[56] } each. */
static void update_directory(FwCfgState *s)
{
    g_autoptr(GByteArray) dir = g_byte_array_new();
    uint8_t e[64];

    stb32(e, s->files->len);
    g_byte_array_append(dir, e, 4);
    for (guint i = 0; i < s->files->len; i++) {
        File *f = s->files->pdata[i];
        memset(e, 0, sizeof e);
        stb32(e, (uint32_t)f->item.len);
        stb16(e + 4, (uint16_t)(FW_CFG_FILE_FIRST + i));
        memcpy(e + 8, f->name, strlen(f->name));
        g_byte_array_append(dir, e, sizeof e);
    }
    fw_cfg_set_bytes(s, FW_CFG_FILE_DIR, dir->data, dir->len);
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    const File *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

bool fw_cfg_set_file(FwCfgState *s, const char *name, const void *data, size_t len)
{
    File *f;

    ensure(s);
    f = find(s, name);
    if (!f) {
        if (s->files->len >= MAX_FILES || strlen(name) >= NAME_SIZE)
            return false;
        f = g_new0(File, 1);
        f->name = g_strdup(name);
        g_ptr_array_add(s->files, f);
        g_ptr_array_sort(s->files, by_name);
    }
    item_set(&f->item, g_bytes_new(data, len));
    update_directory(s);
    return true;
}

void fw_cfg_set_select_callback(FwCfgState *s, const char *name, void (*fn)(void *opaque), void *opaque)
{
    File *f = find(s, name);

    if (f) {
        f->select = fn;
        f->select_opaque = opaque;
    }
}

const uint8_t *fw_cfg_find_file(FwCfgState *s, const char *name, size_t *len)
{
    File *f = find(s, name);

    if (!f)
        return NULL;
    *len = f->item.len;
    return f->item.data;
}

void fw_cfg_foreach_file(FwCfgState *s, void (*fn)(const char *name, size_t len, void *opaque), void *opaque)
{
    for (guint i = 0; s->files && i < s->files->len; i++) {
        File *f = s->files->pdata[i];
        fn(f->name, f->item.len, opaque);
    }
}

static Item *current(FwCfgState *s)
{
    unsigned file = s->key - FW_CFG_FILE_FIRST;

    if (s->key >= FW_CFG_FILE_FIRST && s->key < FW_CFG_ARCH_LOCAL)
        return file < s->files->len ? &((File *)s->files->pdata[file])->item : NULL;
    return g_hash_table_lookup(s->items, GUINT_TO_POINTER((unsigned)s->key));
}

/* The guest starts again, and somebody has written the file meanwhile, where it was. */
static void warn_if_changed(Item *i)
{
    struct stat st;

    if (fstat(i->fd, &st) < 0 || ((size_t)st.st_size == i->file_len && !memcmp(&st.st_mtim, &i->mtime, sizeof i->mtime)))
        return;
    warn_report_once("%s: it has changed since the start: the guest gets %zu bytes of what is there now", i->path, i->len);
    g_clear_pointer(&i->window, g_free);
}

static void select_key(FwCfgState *s, uint16_t key)
{
    unsigned file = key - FW_CFG_FILE_FIRST;

    s->key = key;
    s->offset = 0;
    Item *i = current(s);
    if (i && !i->bytes)
        warn_if_changed(i);
    if (key >= FW_CFG_FILE_FIRST && file < s->files->len) {
        File *f = s->files->pdata[file];
        if (f->select)
            f->select(f->select_opaque);
    }
}

static uint64_t fw_cfg_read(void *opaque, hwaddr off, unsigned size)
{
    FwCfgState *s = opaque;
    Item *i = current(s);

    if (off != 1 || size != 1 || !i || s->offset >= i->len)
        return 0;
    return item_byte(i, s->offset++);
}

static void fw_cfg_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    if (off == 0 && size == 2)
        select_key(opaque, (uint16_t)val);
    else
        log_guest_error("fw_cfg: write of %u bytes at %x\n", size, (unsigned)off);
}

/* --- DMA: the guest's descriptor is { be32 control, be32 length, be64 address } --- */

/* From the file to guest memory, without a copy in between where that is RAM. */
static void dma_file(const Item *i, size_t at, uint64_t addr, size_t len)
{
    while (len) {
        uint64_t n = len;
        uint8_t piece[4096], *ram = physmem_map(&address_space_memory, addr, &n, true);
        if (ram) {
            read_file(i, at, ram, n);
            physmem_unmap(&address_space_memory, ram, n);
        } else {
            n = MIN(sizeof piece, len);
            read_file(i, at, piece, n);
            dma_write(addr, piece, n);
        }
        at += n;
        addr += n;
        len -= n;
    }
}

static void dma_copy(FwCfgState *s, uint64_t addr, uint32_t len)
{
    static const uint8_t zeros[4096];
    const Item *i = current(s);
    uint32_t have = i && s->offset < i->len ? (uint32_t)MIN((size_t)len, i->len - s->offset) : 0;

    if (have && i->bytes)
        dma_write(addr, i->data + s->offset, have);
    else if (have)
        dma_file(i, s->offset, addr, have);
    s->offset += have;
    for (uint32_t done = have; done < len;) { /* beyond the end: zeros */
        uint32_t n = MIN(len - done, (uint32_t)sizeof zeros);
        dma_write(addr + done, zeros, n);
        done += n;
    }
}

static void dma_run(FwCfgState *s, uint64_t at)
{
    uint8_t d[16], result[4];
    uint32_t control, len;

    dma_read(at, d, sizeof d);
    control = ldb32(d);
    len = ldb32(d + 4);
    if (control & DMA_SELECT)
        select_key(s, (uint16_t)(control >> 16));
    if (control & DMA_READ)
        dma_copy(s, ldb64(d + 8), len);
    else if (control & DMA_SKIP)
        s->offset = len > UINT32_MAX - s->offset ? UINT32_MAX : s->offset + len;
    stb32(result, control & DMA_WRITE && !(control & DMA_READ) ? DMA_ERROR : 0);
    dma_write(at, result, sizeof result);
}

static uint64_t dma_reg_read(void *opaque, hwaddr off, unsigned size)
{
    uint8_t sig[8];

    stb64(sig, DMA_SIGNATURE);
    return ldl_n(sig + off, size);
}

static void dma_reg_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    FwCfgState *s = opaque;

    stl_n(s->dma_reg + off, size, val);
    if (off + size == 8) { /* the low half starts it */
        uint64_t at = ldb64(s->dma_reg);
        memset(s->dma_reg, 0, sizeof s->dma_reg);
        dma_run(s, at);
    }
}

static const MemoryOps fw_cfg_ops = {fw_cfg_read, fw_cfg_write, 1, 2, false};
static const MemoryOps dma_ops = {dma_reg_read, dma_reg_write, 4, 8, false};

static const VMField fw_cfg_fields[] = {
    VM_UINT(FwCfgState, key), VM_UINT(FwCfgState, offset), VM_BUFFER(FwCfgState, dma_reg), VM_END,
};

static void fw_cfg_reset(Device *dev)
{
    FwCfgState *s = container_of(dev, FwCfgState, dev);

    s->key = KEY_NONE;
    s->offset = 0;
    memset(s->dma_reg, 0, sizeof s->dma_reg);
}

static bool fw_cfg_init(Device *dev, GError **errp)
{
    FwCfgState *s = container_of(dev, FwCfgState, dev);

    ensure(s);
    fw_cfg_set_bytes(s, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_set_u32(s, FW_CFG_ID, ID_TRADITIONAL | ID_DMA);
    update_directory(s);
    memory_region_init_io(&s->io, &fw_cfg_ops, s, "fwcfg", 2);
    memory_region_init_io(&s->dma_io, &dma_ops, s, "fwcfg.dma", 8);
    memory_region_add(address_space_io.root, 0x510, &s->io, 0);
    memory_region_add(address_space_io.root, 0x514, &s->dma_io, 0);
    return true;
}

static void fw_cfg_finalize(Device *dev)
{
    FwCfgState *s = container_of(dev, FwCfgState, dev);

    memory_region_del(address_space_io.root, &s->io);
    memory_region_del(address_space_io.root, &s->dma_io);
    memory_region_destroy(&s->io);
    memory_region_destroy(&s->dma_io);
    g_hash_table_destroy(s->items);
    g_ptr_array_free(s->files, true);
}

const DeviceClass fw_cfg_class = {
    .name = "fw_cfg_io",
    .instance_size = sizeof(FwCfgState),
    .init = fw_cfg_init,
    .reset = fw_cfg_reset,
    .fields = fw_cfg_fields,
    .finalize = fw_cfg_finalize,
    .desc = "firmware configuration",
    .bus = "System",
};
