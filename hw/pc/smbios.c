/* smbios.c - SMBIOS structures for the firmware to publish
 * Spec: DMTF DSP0134, System Management BIOS Reference Specification 2.8.
 * The firmware fills in the table's address and the checksums. */
#include "host/base/osdep.h"
#include "hw/pc/smbios.h"

#include "host/base/bitops.h"
#include "host/base/keyval.h"

enum { HANDLE_BIOS = 0x000, HANDLE_SYSTEM = 0x100, HANDLE_BOARD = 0x200, HANDLE_CHASSIS = 0x300,
       HANDLE_CPU = 0x400, HANDLE_OEM = 0xb00,
       HANDLE_ARRAY = 0x1000, HANDLE_DIMM = 0x1100, HANDLE_MAP = 0x1300, HANDLE_BOOT = 0x2000, HANDLE_END = 0x7f00 };

typedef struct Tables {
    GByteArray *bytes;
    unsigned count, largest;
    const SmbiosOpts *opts; /* what the user set; NULL: nothing */
} Tables;

/* A structure under construction: body is what follows the 4-byte header. */
typedef struct Structure {
    uint8_t type, body[64];
    GPtrArray *strings;
} Structure;

static Structure begin(uint8_t type)
{
    return (Structure){.type = type, .strings = g_ptr_array_new()};
}

/* The number that stands for the text in the structure; none for an empty one. */
static uint8_t string(Structure *s, const char *text)
{
    if (!text || !*text)
        return 0;
    g_ptr_array_add(s->strings, (gpointer)text);
    return (uint8_t)s->strings->len;
}

/* The same for a field that the user may set. */
static uint8_t field(const Tables *t, Structure *s, const char *key, const char *def)
{
    return string(s, smbios_opts_get(t->opts, s->type, key, def));
}

static unsigned number(const Tables *t, const Structure *s, const char *key, unsigned def)
{
    const char *v = smbios_opts_get(t->opts, s->type, key, NULL);
    uint64_t n = def;

    if (v)
        parse_uint(key, v, 0, UINT16_MAX, &n, NULL); /* checked when it was given */
    return (unsigned)n;
}

/* Appends it with a body of len bytes and drops what it held; not when a file has that type. */
static void finish(Tables *t, Structure *s, uint16_t handle, size_t len)
{
    guint start = t->bytes->len;
    uint8_t h[4] = {s->type, (uint8_t)(len + 4)}, zero[2] = {0};

    if (!t->opts || !t->opts->from_file[s->type]) {
        stl16(h + 2, handle);
        g_byte_array_append(t->bytes, h, sizeof h);
        g_byte_array_append(t->bytes, s->body, (guint)len);
        for (guint i = 0; i < s->strings->len; i++)
            g_byte_array_append(t->bytes, s->strings->pdata[i], (guint)strlen(s->strings->pdata[i]) + 1);
        g_byte_array_append(t->bytes, zero, s->strings->len ? 1 : 2);
        t->count++;
        t->largest = MAX(t->largest, t->bytes->len - start);
    }
    g_ptr_array_free(s->strings, true);
}

static void add_bios(Tables *t)
{
    Structure s = begin(0);
    uint8_t *b = s.body;
    const char *release = smbios_opts_get(t->opts, 0, "release", NULL);
    unsigned major = 0, minor = 0;
    bool uefi = false;

    parse_bool("uefi", smbios_opts_get(t->opts, 0, "uefi", "off"), &uefi, NULL);
    if (release)
        sscanf(release, "%u.%u", &major, &minor);
    b[0] = field(t, &s, "vendor", "Vireo");
    b[1] = field(t, &s, "version", VIREO_VERSION);
    stl16(b + 2, 0xe800); /* segment */
    b[4] = field(t, &s, "date", "01/01/2025");
    b[5] = 0;             /* ROM size code: 64 KiB */
    stl64(b + 6, 1 << 3); /* characteristics not supported */
    b[14] = 0x00;
    b[15] = (uint8_t)(0x14 | uefi << 3); /* virtual machine, targeted content distribution */
    b[16] = (uint8_t)major;
    b[17] = (uint8_t)minor;
    b[18] = b[19] = 0xff; /* no embedded controller */
    finish(t, &s, HANDLE_BIOS, 20);
}

/* The first three fields are little-endian in the table, big-endian in text. */
static void put_uuid(uint8_t *b, const uint8_t *u)
{
    stl32(b, ldb32(u));
    stl16(b + 4, ldb16(u + 4));
    stl16(b + 6, ldb16(u + 6));
    memcpy(b + 8, u + 8, 8);
}

static void add_system(Tables *t, const SmbiosConfig *cfg)
{
    Structure s = begin(1);
    uint8_t *b = s.body, own[16];
    const char *uuid = smbios_opts_get(t->opts, 1, "uuid", NULL);

    b[0] = field(t, &s, "manufacturer", "Vireo");
    b[1] = field(t, &s, "product", "Standard PC (i440FX + PIIX, 1996)");
    b[2] = field(t, &s, "version", "pc-i440fx");
    b[3] = field(t, &s, "serial", NULL);
    if (uuid) {
        for (unsigned i = 0, digits = 0; uuid[i] && digits < 32; i++)
            if (uuid[i] != '-') {
                own[digits / 2] = (uint8_t)((digits & 1 ? own[digits / 2] << 4 : 0) | g_ascii_xdigit_value(uuid[i]));
                digits++;
            }
        put_uuid(b + 4, own);
    } else if (cfg->uuid) {
        put_uuid(b + 4, cfg->uuid);
    }
    b[20] = 6; /* wake-up: power switch */
    b[21] = field(t, &s, "sku", NULL);
    b[22] = field(t, &s, "family", NULL);
    finish(t, &s, HANDLE_SYSTEM, 23);
}

/* Only when asked for. */
static void add_board(Tables *t)
{
    Structure s = begin(2);
    uint8_t *b = s.body;

    b[0] = field(t, &s, "manufacturer", "Vireo");
    b[1] = field(t, &s, "product", "Standard PC (i440FX + PIIX, 1996)");
    b[2] = field(t, &s, "version", "pc-i440fx");
    b[3] = field(t, &s, "serial", NULL);
    b[4] = field(t, &s, "asset", NULL);
    b[5] = 1; /* hosting board */
    b[6] = field(t, &s, "location", NULL);
    stl16(b + 7, HANDLE_CHASSIS);
    b[9] = 10; /* motherboard */
    finish(t, &s, HANDLE_BOARD, 11);
}

static void add_chassis(Tables *t)
{
    Structure s = begin(3);
    uint8_t *b = s.body;

    b[0] = field(t, &s, "manufacturer", "Vireo");
    b[1] = 1; /* other */
    b[2] = field(t, &s, "version", "pc-i440fx");
    b[3] = field(t, &s, "serial", NULL);
    b[4] = field(t, &s, "asset", NULL);
    b[5] = b[6] = b[7] = 3; /* states: safe */
    b[8] = 2;               /* security: unknown */
    b[17] = field(t, &s, "sku", NULL);
    finish(t, &s, HANDLE_CHASSIS, 18);
}

static void add_cpu(Tables *t, const SmbiosConfig *cfg, unsigned n)
{
    Structure s = begin(4);
    uint8_t *b = s.body;
    const char *id = smbios_opts_get(t->opts, 4, "processor-id", NULL);
    g_autofree char *socket = g_strdup_printf("%s %u", smbios_opts_get(t->opts, 4, "sock_pfx", "CPU"), n);
    uint64_t id64 = (uint64_t)cfg->cpu_features << 32 | cfg->cpu_signature;

    if (id)
        parse_uint("processor-id", id, 0, UINT64_MAX, &id64, NULL);
    b[0] = string(&s, socket);
    b[1] = 3; /* central processor */
    b[2] = 1; /* family: other */
    b[3] = field(t, &s, "manufacturer", "Vireo");
    stl64(b + 4, id64);
    b[12] = field(t, &s, "version", "pc-i440fx");
    stl16(b + 16, (uint16_t)number(t, &s, "max-speed", 2000)); /* MHz */
    stl16(b + 18, (uint16_t)number(t, &s, "current-speed", 2000));
    b[20] = 0x41; /* populated, enabled */
    b[21] = 1;
    stl16(b + 22, 0xffff); /* caches: not given */
    stl16(b + 24, 0xffff);
    stl16(b + 26, 0xffff);
    b[28] = field(t, &s, "serial", NULL);
    b[29] = field(t, &s, "asset", NULL);
    b[30] = field(t, &s, "part", NULL);
    b[31] = b[32] = b[33] = 1; /* cores, enabled, threads */
    stl16(b + 34, 2);
    stl16(b + 36, 1);
    finish(t, &s, (uint16_t)(HANDLE_CPU + n), 38);
}

static void add_oem(Tables *t)
{
    Structure s = begin(11);

    for (guint i = 0; i < t->opts->oem->len; i++)
        s.body[0] = string(&s, t->opts->oem->pdata[i]); /* how many there are */
    finish(t, &s, HANDLE_OEM, 1);
}

static void add_memory(Tables *t, const SmbiosConfig *cfg)
{
    uint64_t kib = cfg->ram_size / KiB, mib = cfg->ram_size / MiB;
    Structure array = begin(16), dimm = begin(17);
    uint8_t *a = array.body, *d = dimm.body;
    g_autofree char *locator = g_strdup_printf("%s 0", smbios_opts_get(t->opts, 17, "loc_pfx", "DIMM"));

    a[0] = 1; /* on the board */
    a[1] = 3; /* system memory */
    a[2] = 6; /* multi-bit ECC */
    stl32(a + 3, kib < 0x80000000 ? (uint32_t)kib : 0x80000000);
    stl16(a + 7, 0xfffe); /* no error information */
    stl16(a + 9, 1);
    stl64(a + 11, kib < 0x80000000 ? 0 : cfg->ram_size);
    finish(t, &array, HANDLE_ARRAY, 19);

    stl16(d, HANDLE_ARRAY);
    stl16(d + 2, 0xfffe);
    stl16(d + 4, 0xffff);
    stl16(d + 6, 0xffff);
    stl16(d + 8, mib < 0x7fff ? (uint16_t)mib : 0x7fff);
    d[10] = 9; /* DIMM */
    d[12] = string(&dimm, locator);
    d[13] = field(t, &dimm, "bank", NULL);
    d[14] = 7; /* RAM */
    stl16(d + 15, 2);
    stl16(d + 17, (uint16_t)number(t, &dimm, "speed", 0)); /* 0: unknown */
    d[19] = field(t, &dimm, "manufacturer", "Vireo");
    d[20] = field(t, &dimm, "serial", NULL);
    d[21] = field(t, &dimm, "asset", NULL);
    d[22] = field(t, &dimm, "part", NULL);
    stl32(d + 24, mib < 0x7fff ? 0 : (uint32_t)mib);
    stl16(d + 28, (uint16_t)number(t, &dimm, "speed", 0));
    finish(t, &dimm, HANDLE_DIMM, 36);
}

static void add_mapping(Tables *t, uint16_t handle, uint64_t start, uint64_t end)
{
    Structure s = begin(19);
    uint8_t *b = s.body;

    if (end / KiB - 1 < 0xffffffff) {
        stl32(b, (uint32_t)(start / KiB));
        stl32(b + 4, (uint32_t)(end / KiB - 1));
    } else {
        stl32(b, 0xffffffff);
        stl32(b + 4, 0xffffffff);
        stl64(b + 11, start);
        stl64(b + 19, end - 1);
    }
    stl16(b + 8, HANDLE_ARRAY);
    b[10] = 1;
    finish(t, &s, handle, 27);
}

static void add_end(Tables *t)
{
    Structure boot = begin(32), last = begin(127);

    finish(t, &boot, HANDLE_BOOT, 7);
    finish(t, &last, HANDLE_END, 0);
}

void smbios_build(const SmbiosConfig *cfg, FwCfgState *fw)
{
    Tables t = {.bytes = g_byte_array_new(), .opts = cfg->opts};
    uint8_t anchor[31] = {0};

    if (t.opts) {
        g_byte_array_append(t.bytes, t.opts->file->data, t.opts->file->len);
        t.count = t.opts->file_count;
        t.largest = t.opts->file_largest;
    }
    add_bios(&t);
    add_system(&t, cfg);
    if (t.opts && t.opts->from_fields[2])
        add_board(&t);
    add_chassis(&t);
    for (unsigned i = 0; i < cfg->smp_cpus; i++)
        add_cpu(&t, cfg, i);
    if (t.opts && t.opts->oem->len)
        add_oem(&t);
    add_memory(&t, cfg);
    add_mapping(&t, HANDLE_MAP, 0, cfg->ram_below_4g);
    if (cfg->ram_size > cfg->ram_below_4g)
        add_mapping(&t, HANDLE_MAP + 1, 4 * GiB, 4 * GiB + cfg->ram_size - cfg->ram_below_4g);
    add_end(&t);

    memcpy(anchor, "_SM_", 4);
    anchor[5] = sizeof anchor;
    anchor[6] = 2;
    anchor[7] = 8;
    stl16(anchor + 8, (uint16_t)t.largest);
    memcpy(anchor + 16, "_DMI_", 5);
    stl16(anchor + 22, (uint16_t)t.bytes->len);
    stl16(anchor + 28, (uint16_t)t.count);
    anchor[30] = 0x28;
    for (unsigned i = 16; i < sizeof anchor; i++) /* checksums of both parts, with the address still 0 */
        anchor[21] = (uint8_t)(anchor[21] - (i == 21 ? 0 : anchor[i]));
    for (unsigned i = 0; i < sizeof anchor; i++)
        anchor[4] = (uint8_t)(anchor[4] - (i == 4 ? 0 : anchor[i]));
    fw_cfg_set_file(fw, "etc/smbios/smbios-anchor", anchor, sizeof anchor);
    fw_cfg_set_file(fw, "etc/smbios/smbios-tables", t.bytes->data, t.bytes->len);
    g_byte_array_free(t.bytes, true);
}
