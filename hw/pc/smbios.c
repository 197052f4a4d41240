/* smbios.c - SMBIOS structures for the firmware to publish
 * Spec: DMTF DSP0134, System Management BIOS Reference Specification 2.8.
 * The firmware fills in the table's address and the checksums. Not modelled: structures of the user's own. */
#include "host/base/osdep.h"
#include "hw/pc/smbios.h"

#include "host/base/bitops.h"

enum { HANDLE_BIOS = 0x000, HANDLE_SYSTEM = 0x100, HANDLE_CHASSIS = 0x300, HANDLE_CPU = 0x400,
       HANDLE_ARRAY = 0x1000, HANDLE_DIMM = 0x1100, HANDLE_MAP = 0x1300, HANDLE_BOOT = 0x2000, HANDLE_END = 0x7f00 };

typedef struct Tables {
    GByteArray *bytes;
    unsigned count, largest;
} Tables;

/* One structure: body is what follows the 4-byte header; strings, NULL-terminated list, are numbered from 1. */
static void add(Tables *t, uint8_t type, uint16_t handle, const void *body, size_t len, const char *const *strings)
{
    guint start = t->bytes->len;
    uint8_t h[4] = {type, (uint8_t)(len + 4)}, zero = 0;

    stl16(h + 2, handle);
    g_byte_array_append(t->bytes, h, sizeof h);
    g_byte_array_append(t->bytes, body, (guint)len);
    for (const char *const *s = strings; s && *s; s++)
        g_byte_array_append(t->bytes, (const uint8_t *)*s, (guint)strlen(*s) + 1);
    if (!strings || !*strings)
        g_byte_array_append(t->bytes, &zero, 1);
    g_byte_array_append(t->bytes, &zero, 1);
    t->count++;
    t->largest = MAX(t->largest, t->bytes->len - start);
}

static void add_bios(Tables *t)
{
    static const char *const s[] = {"Vireo", VIREO_VERSION, "01/01/2025", NULL};
    uint8_t b[20] = {1, 2};

    stl16(b + 2, 0xe800); /* segment */
    b[4] = 3;
    b[5] = 0;             /* ROM size code: 64 KiB */
    stl64(b + 6, 1 << 3); /* characteristics not supported */
    b[14] = 0x00;
    b[15] = 0x14;         /* virtual machine, targeted content distribution */
    b[16] = b[17] = 0;
    b[18] = b[19] = 0xff; /* no embedded controller */
    add(t, 0, HANDLE_BIOS, b, sizeof b, s);
}

static void add_system(Tables *t, const SmbiosConfig *cfg)
{
    static const char *const s[] = {"Vireo", "Standard PC (i440FX + PIIX, 1996)", "pc-i440fx", NULL};
    uint8_t b[23] = {1, 2, 3, 0};

    if (cfg->uuid) { /* the first three fields are little-endian in the table, big-endian in text */
        const uint8_t *u = cfg->uuid;
        stl32(b + 4, ldb32(u));
        stl16(b + 8, ldb16(u + 4));
        stl16(b + 10, ldb16(u + 6));
        memcpy(b + 12, u + 8, 8);
    }
    b[20] = 6; /* wake-up: power switch */
    add(t, 1, HANDLE_SYSTEM, b, sizeof b, s);
}

static void add_chassis(Tables *t)
{
    static const char *const s[] = {"Vireo", "pc-i440fx", NULL};
    uint8_t b[18] = {1, 1, 2, 0, 0, 3, 3, 3, 2};

    add(t, 3, HANDLE_CHASSIS, b, sizeof b, s);
}

static void add_cpu(Tables *t, const SmbiosConfig *cfg, unsigned n)
{
    char socket[16];
    const char *const s[] = {socket, "Vireo", "pc-i440fx", NULL};
    uint8_t b[38] = {0};

    snprintf(socket, sizeof socket, "CPU %u", n);
    b[0] = 1;
    b[1] = 3;    /* central processor */
    b[2] = 1;    /* family: other */
    b[3] = 2;
    stl32(b + 4, cfg->cpu_signature);
    stl32(b + 8, cfg->cpu_features);
    b[12] = 3;
    stl16(b + 16, 2000); /* maximum and current MHz */
    stl16(b + 18, 2000);
    b[20] = 0x41; /* populated, enabled */
    b[21] = 1;
    stl16(b + 22, 0xffff); /* caches: not given */
    stl16(b + 24, 0xffff);
    stl16(b + 26, 0xffff);
    b[31] = b[32] = b[33] = 1; /* cores, enabled, threads */
    stl16(b + 34, 2);
    stl16(b + 36, 1);
    add(t, 4, (uint16_t)(HANDLE_CPU + n), b, sizeof b, s);
}

static void add_memory(Tables *t, const SmbiosConfig *cfg)
{
    static const char *const s[] = {"DIMM 0", "Vireo", NULL};
    uint64_t kib = cfg->ram_size / KiB, mib = cfg->ram_size / MiB;
    uint8_t a[19] = {1, 3, 6}, d[36] = {0}; /* on the board, system memory, multi-bit ECC */

    stl32(a + 3, kib < 0x80000000 ? (uint32_t)kib : 0x80000000);
    stl16(a + 7, 0xfffe); /* no error information */
    stl16(a + 9, 1);
    stl64(a + 11, kib < 0x80000000 ? 0 : cfg->ram_size);
    add(t, 16, HANDLE_ARRAY, a, sizeof a, NULL);

    stl16(d, HANDLE_ARRAY);
    stl16(d + 2, 0xfffe);
    stl16(d + 4, 0xffff);
    stl16(d + 6, 0xffff);
    stl16(d + 8, mib < 0x7fff ? (uint16_t)mib : 0x7fff);
    d[10] = 9; /* DIMM */
    d[12] = 1;
    d[14] = 7; /* RAM */
    stl16(d + 15, 2);
    d[19] = 2;
    stl32(d + 24, mib < 0x7fff ? 0 : (uint32_t)mib);
    add(t, 17, HANDLE_DIMM, d, sizeof d, s);
}

static void add_mapping(Tables *t, uint16_t handle, uint64_t start, uint64_t end)
{
    uint8_t b[27] = {0};

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
    add(t, 19, handle, b, sizeof b, NULL);
}

static void add_end(Tables *t)
{
    uint8_t boot[7] = {0};

    add(t, 32, HANDLE_BOOT, boot, sizeof boot, NULL);
    add(t, 127, HANDLE_END, NULL, 0, NULL);
}

void smbios_build(const SmbiosConfig *cfg, FwCfgState *fw)
{
    Tables t = {g_byte_array_new()};
    uint8_t anchor[31] = {0};

    add_bios(&t);
    add_system(&t, cfg);
    add_chassis(&t);
    for (unsigned i = 0; i < cfg->smp_cpus; i++)
        add_cpu(&t, cfg, i);
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
