/* pflash.c - parallel NOR flash with the Intel command set, 8 bits wide, in 4 KiB blocks
 * Spec: JEDEC JESD68.01 (Common Flash Interface); Intel 28FxxxJ3 data sheet (order 290667) for commands
 * and status bits. One difference, which firmware uses to tell flash from RAM: after Clear Status the
 * register reads 0, with the ready bit set again by the next program or erase.
 * Guest view: array mode reads as memory; a write starts a command, and reads then give status, query or
 * identifier bytes until Read Array. What is programmed reaches the image before the write returns.
 * Not modelled: block locks, suspend, busy times (an operation is over when it was started). */
#include "host/base/osdep.h"
#include "hw/block/pflash.h"

#include "host/base/bitops.h"
#include "host/base/log.h"
#include "softmmu/dirty.h"
#include "softmmu/physmem.h"

enum {
    CMD_READ_ARRAY = 0x00, /* our name for "none"; on the bus it is any of the three below */
    CMD_PROGRAM_ALT = 0x10,
    CMD_ERASE = 0x20,
    CMD_PROGRAM = 0x40,
    CMD_CLEAR_STATUS = 0x50,
    CMD_LOCK = 0x60,
    CMD_READ_STATUS = 0x70,
    CMD_READ_ID = 0x90,
    CMD_QUERY = 0x98,
    CMD_CONFIRM = 0xd0,
    CMD_BUFFER = 0xe8,
    CMD_RESET_AMD = 0xf0,
    CMD_RESET = 0xff,
};
enum { ST_LOCKED = 0x02, ST_PROGRAM_ERROR = 0x10, ST_ERASE_ERROR = 0x20, ST_READY = 0x80 };
enum { ID_INTEL = 0x89, ID_DEVICE = 0x18 };

/* --- the CFI query table --- */

static uint8_t query_byte(const PflashState *s, uint32_t off)
{
    uint32_t blocks = s->size / PFLASH_SECTOR - 1;
    const uint8_t table[] = {
        [0x10] = 'Q', 'R', 'Y',
        [0x13] = 0x01, 0x00, 0x31, 0x00,       /* Intel extended command set; its table's address */
        [0x1b] = 0x45, 0x55, 0x00, 0x00,       /* 4.5 to 5.5 V, no Vpp */
        [0x1f] = 0x07, 0x07, 0x0a, 0x00,       /* typical times: word, buffer, block, no chip erase */
        [0x23] = 0x04, 0x04, 0x04, 0x00,       /* the longest, as multiples */
        [0x27] = (uint8_t)__builtin_ctz(s->size), 0x00, 0x00,
        [0x2a] = (uint8_t)__builtin_ctz(PFLASH_BUFFER), 0x00,
        [0x2c] = 1,                            /* one region of equal blocks */
        [0x2d] = (uint8_t)blocks, (uint8_t)(blocks >> 8),
        [0x2f] = (uint8_t)(PFLASH_SECTOR >> 8), (uint8_t)(PFLASH_SECTOR >> 16),
        [0x31] = 'P', 'R', 'I', '1', '0',
        [0x3f] = 0x01,
    };
    bool power_of_2 = !(s->size & (s->size - 1));

    if (off == 0x27 && !power_of_2) /* the field is an exponent: say the next larger one */
        return (uint8_t)(32 - __builtin_clz(s->size));
    return off < ARRAY_SIZE(table) ? table[off] : 0;
}

/* --- contents --- */

static uint8_t *bytes(const PflashState *s)
{
    return memory_region_ram_ptr(&s->rom);
}

/* Told before the bytes change: translated code in the flash must go. */
static void about_to_change(const PflashState *s, uint32_t off, uint32_t len)
{
    dirty_write(s->rom.ram->offset + off, len);
}

/* Writes what changed to the image, in whole sectors of 512 bytes. */
static bool store(const PflashState *s, uint32_t off, uint32_t len)
{
    uint32_t start = off & ~511u, end = MIN((off + len + 511) & ~511u, s->size);
    int ret = block_pwrite(s->drive->image, start, bytes(s) + start, end - start);

    if (ret < 0)
        warn_report("%s: the image '%s' could not be written: %s", s->name, block_filename(s->drive->image),
                 g_strerror(-ret));
    return ret >= 0;
}

static bool writable(const PflashState *s)
{
    return s->drive->image && !block_read_only(s->drive->image);
}

/* Programming can only clear bits in a real chip; firmware erases first, so the byte is simply set. */
static void program(PflashState *s, uint32_t off, const uint8_t *data, uint32_t len)
{
    s->status |= ST_READY;
    if (!writable(s) || off >= s->size || len > s->size - off) {
        s->status |= ST_PROGRAM_ERROR | ST_LOCKED;
        return;
    }
    about_to_change(s, off, len);
    memcpy(bytes(s) + off, data, len);
    if (!store(s, off, len))
        s->status |= ST_PROGRAM_ERROR;
}

static void erase(PflashState *s, uint32_t off)
{
    off &= ~(uint32_t)(PFLASH_SECTOR - 1);
    s->status |= ST_READY;
    if (!writable(s) || off >= s->size) {
        s->status |= ST_ERASE_ERROR | ST_LOCKED;
        return;
    }
    about_to_change(s, off, PFLASH_SECTOR);
    memset(bytes(s) + off, 0xff, PFLASH_SECTOR);
    if (!store(s, off, PFLASH_SECTOR))
        s->status |= ST_ERASE_ERROR;
}

/* --- the command machine --- */

static void set_mode(PflashState *s, uint8_t cmd)
{
    s->cmd = cmd;
    if (s->mapped)
        memory_region_set_enabled(&s->io, cmd != CMD_READ_ARRAY);
}

static void first_cycle(PflashState *s, uint32_t off, uint8_t val)
{
    switch (val) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALT:
    case CMD_ERASE:
    case CMD_LOCK:
    case CMD_READ_ID:
    case CMD_QUERY:
    case CMD_READ_STATUS:
        set_mode(s, val);
        return;
    case CMD_BUFFER:
        s->status |= ST_READY; /* a buffer is always free */
        s->counting = true;
        set_mode(s, val);
        return;
    case CMD_CLEAR_STATUS:
        s->status = 0;
        set_mode(s, CMD_READ_ARRAY);
        return;
    case CMD_READ_ARRAY: /* what writes to ROM look like; no command */
    case CMD_RESET_AMD:
    case CMD_RESET:
        set_mode(s, CMD_READ_ARRAY);
        return;
    default:
        log_guest_error("%s: unknown command %#x at offset %#x", s->name, val, off);
        set_mode(s, CMD_READ_ARRAY);
    }
}

static void buffer_cycle(PflashState *s, uint32_t off, uint8_t val)
{
    if (s->counting) { /* the number of bytes, less one */
        s->left = (uint16_t)(val + 1);
        s->buffer_at = off & ~(uint32_t)(PFLASH_BUFFER - 1);
        s->buffer_low = PFLASH_BUFFER;
        s->buffer_high = 0;
        s->counting = false;
    } else if (s->left) {
        uint32_t at = off - s->buffer_at;
        if (off < s->buffer_at || at >= PFLASH_BUFFER) {
            log_guest_error("%s: buffered write at %#x outside the block at %#x", s->name, off, s->buffer_at);
            s->status |= ST_PROGRAM_ERROR | ST_READY;
            set_mode(s, CMD_READ_STATUS);
            return;
        }
        if (s->buffer_low > s->buffer_high) /* the first: bytes between the given ones keep their contents */
            memcpy(s->buffer, bytes(s) + s->buffer_at, MIN((uint32_t)PFLASH_BUFFER, s->size - s->buffer_at));
        s->buffer[at] = val;
        s->buffer_low = MIN(s->buffer_low, at);
        s->buffer_high = MAX(s->buffer_high, at);
        s->left--;
    } else {
        if (val == CMD_CONFIRM && s->buffer_low <= s->buffer_high)
            program(s, s->buffer_at + s->buffer_low, s->buffer + s->buffer_low, s->buffer_high - s->buffer_low + 1);
        else
            s->status |= ST_PROGRAM_ERROR | ST_ERASE_ERROR | ST_READY; /* command sequence error */
        set_mode(s, CMD_READ_STATUS);
    }
}

static void write_byte(PflashState *s, uint32_t off, uint8_t val)
{
    switch (s->cmd) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALT:
        program(s, off, &val, 1);
        set_mode(s, CMD_READ_STATUS);
        break;
    case CMD_ERASE:
    case CMD_LOCK:
        if (val == CMD_RESET || val == CMD_RESET_AMD) {
            set_mode(s, CMD_READ_ARRAY);
            break;
        }
        if (s->cmd == CMD_LOCK)
            s->status |= ST_READY; /* lock, unlock and configuration cycles change nothing here */
        else if (val == CMD_CONFIRM)
            erase(s, off);
        else
            s->status |= ST_PROGRAM_ERROR | ST_ERASE_ERROR | ST_READY;
        set_mode(s, CMD_READ_STATUS);
        break;
    case CMD_BUFFER:
        buffer_cycle(s, off, val);
        break;
    default: /* a mode of reading ends with the next command */
        first_cycle(s, off, val);
    }
}

static uint8_t read_byte(PflashState *s, uint32_t off)
{
    switch (s->cmd) {
    case CMD_READ_ARRAY:
        return bytes(s)[off];
    case CMD_READ_ID:
        switch (off & 0xff) {
        case 0:
            return ID_INTEL;
        case 1:
            return ID_DEVICE;
        default:
            return 0; /* block lock status: open */
        }
    case CMD_QUERY:
        return query_byte(s, off);
    default:
        return s->status;
    }
}

static uint64_t pflash_read(void *opaque, hwaddr off, unsigned size)
{
    PflashState *s = opaque;
    uint64_t v = 0;

    for (unsigned i = 0; i < size && off + i < s->size; i++)
        v |= (uint64_t)read_byte(s, (uint32_t)off + i) << (i * 8);
    return v;
}

static void pflash_write(void *opaque, hwaddr off, uint64_t val, unsigned size)
{
    PflashState *s = opaque;

    for (unsigned i = 0; i < size && off + i < s->size; i++)
        write_byte(s, (uint32_t)off + i, (uint8_t)(val >> (i * 8)));
}

static const MemoryOps pflash_ops = {pflash_read, pflash_write, 1, 4, false};

/* --- life --- */

void pflash_wire(PflashState *s, Drive *drive, MemoryRegion *parent, hwaddr base, const char *name)
{
    s->drive = drive;
    s->parent = parent;
    s->base = base;
    g_strlcpy(s->name, name, sizeof s->name);
}

MemoryRegion *pflash_memory(PflashState *s)
{
    return &s->rom;
}

static bool pflash_init(Device *dev, GError **errp)
{
    PflashState *s = container_of(dev, PflashState, dev);
    uint64_t len = s->drive->image ? block_length(s->drive->image) : 0;
    g_autofree char *io_name = g_strdup_printf("%s.commands", s->name);
    int ret;

    if (len == 0 || len % PFLASH_SECTOR || len > PFLASH_MAX)
        return error_set(errp, "pflash drive %s: the image has %" PRIu64 " bytes; a multiple of 4 KiB up to 8 MiB is needed",
                         s->drive->id, len);
    s->size = (uint32_t)len;
    if (!memory_region_init_rom(&s->rom, s->name, s->size, errp))
        return false;
    ret = block_pread(s->drive->image, 0, bytes(s), s->size);
    if (ret < 0) {
        memory_region_destroy(&s->rom);
        return error_set(errp, "pflash drive %s: could not read '%s': %s", s->drive->id,
                         block_filename(s->drive->image), g_strerror(-ret));
    }
    s->rom.ops = &pflash_ops;
    s->rom.opaque = s;
    memory_region_init_io(&s->io, &pflash_ops, s, io_name, s->size);
    s->mapped = true;
    memory_begin();
    memory_region_set_enabled(&s->io, false);
    memory_region_add(s->parent, s->base, &s->rom, 1);
    memory_region_add(s->parent, s->base, &s->io, 2);
    memory_commit();
    drive_attach(s->drive, NULL, NULL, s->name);
    return true;
}

static void pflash_finalize(Device *dev)
{
    PflashState *s = container_of(dev, PflashState, dev);

    if (s->mapped) {
        memory_begin();
        memory_region_del(s->parent, &s->io);
        memory_region_del(s->parent, &s->rom);
        memory_commit();
        memory_region_destroy(&s->io);
        memory_region_destroy(&s->rom);
    }
}

static void pflash_reset(Device *dev)
{
    PflashState *s = container_of(dev, PflashState, dev);

    s->status = 0;
    s->left = 0;
    set_mode(s, CMD_READ_ARRAY);
}

/* The contents were loaded with the RAM; the image must agree with them. */
static void pflash_post_load(Device *dev)
{
    PflashState *s = container_of(dev, PflashState, dev);

    if (s->buffer_at >= s->size || s->buffer_at % PFLASH_BUFFER || s->buffer_low > PFLASH_BUFFER ||
        s->buffer_high >= PFLASH_BUFFER) { /* the saved state may come from anywhere */
        s->buffer_at = 0;
        s->buffer_low = PFLASH_BUFFER;
        s->buffer_high = 0;
        s->left = 0;
    }
    memory_region_set_enabled(&s->io, s->cmd != CMD_READ_ARRAY);
    if (writable(s))
        store(s, 0, s->size);
}

static const VMField pflash_fields[] = {
    VM_UINT(PflashState, cmd),         VM_UINT(PflashState, counting),    VM_UINT(PflashState, status),
    VM_UINT(PflashState, left),        VM_UINT(PflashState, buffer_at),  VM_BUFFER(PflashState, buffer),
    VM_UINT(PflashState, buffer_low),  VM_UINT(PflashState, buffer_high), VM_END,
};

const DeviceClass pflash_class = {
    .name = "cfi.pflash01",
    .instance_size = sizeof(PflashState),
    .init = pflash_init,
    .reset = pflash_reset,
    .fields = pflash_fields,
    .post_load = pflash_post_load,
    .finalize = pflash_finalize,
    .desc = "parallel flash",
    .bus = "System",
};
