/* cd-sector.c - a CD-ROM sector as the disc has it, made around the 2048 bytes that an image keeps
 * Spec: ECMA-130 (CD-ROM), clauses 14-16 and annex A; MMC-5 READ CD for the choice of parts.
 * A sector of mode 1: sync (12), header (4), user data (2048), EDC (4), zeros (8), ECC (276).
 * Not modelled: mode 2, audio, sub-channels. */
#include "host/base/osdep.h"
#include "hw/block/ide-internal.h"
#include "host/base/bitops.h"

enum { AT_HEADER = 12, AT_DATA = 16, AT_EDC = 2064, AT_ECC_P = 2076, AT_ECC_Q = 2248, C2_BITS = 294, C2_BITS_AND_BLOCK = 296 };

/* The parts in their order on the disc. */
static const struct { uint8_t mask, value; uint16_t at, len; } parts[] = {
    {CD_SYNC, CD_SYNC, 0, 12}, {CD_HEADER, CD_HEADER, AT_HEADER, 4}, {CD_USER_DATA, CD_USER_DATA, AT_DATA, CD_SECTOR},
    {CD_EDC_ECC, CD_EDC_ECC, AT_EDC, 288}};

static unsigned c2_bytes(uint8_t layout)
{
    switch (layout & CD_C2) {
    case 0x02:
        return C2_BITS;
    case 0x04:
        return C2_BITS_AND_BLOCK;
    default:
        return 0;
    }
}

unsigned cd_sector_bytes(uint8_t layout)
{
    unsigned n = c2_bytes(layout);
    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
        if ((layout & parts[i].mask) == parts[i].value)
            n += parts[i].len;
    return n;
}

/* CRC of bytes 0 to 2063, least significant bit first: (x^16+x^15+x^2+1)(x^16+x^2+x+1). */
static uint32_t edc(const uint8_t *p, unsigned n)
{
    uint32_t crc = 0;
    while (n--) {
        crc ^= *p++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xd8018001u : crc >> 1;
    }
    return crc;
}

/* Multiply by x, and divide by x+1, in GF(2^8) with x^8+x^4+x^3+x^2+1. */
static uint8_t times_x(uint8_t a) { return a << 1 ^ (a & 0x80 ? 0x1d : 0); }
static uint8_t over_x1(uint8_t a)
{
    /* 1/(x+1) is f4h in this field; a few additions, as this is done 172 times per sector */
    uint8_t r = 0, b = 0xf4;
    for (; b; b >>= 1, a = times_x(a))
        if (b & 1)
            r ^= a;
    return r;
}

/* One Reed-Solomon word: the two parity bytes p0, p1 that follow n data bytes, so that the sum of all and the sum of all
 * weighted by descending powers of x are zero. at(i) is (start + i * step) within `size` bytes behind the sync. */
static void parity(const uint8_t *body, unsigned start, unsigned step, unsigned n, unsigned size, uint8_t *p0, uint8_t *p1)
{
    uint8_t weighted = 0, sum = 0;
    for (unsigned i = 0, at = start; i < n; i++, at += step) {
        if (at >= size)
            at -= size;
        weighted = times_x(weighted ^ body[at]);
        sum ^= body[at];
    }
    /* p0 + p1 = sum; p0 * x + p1 = weighted * x, where weighted has all powers one too low by now */
    *p0 = over_x1(times_x(weighted) ^ sum);
    *p1 = *p0 ^ sum;
}

static void make_ecc(uint8_t *sector)
{
    uint8_t *body = sector + AT_HEADER;
    for (unsigned col = 0; col < 86; col++) /* P: 24 bytes of each of 86 columns */
        parity(body, col, 86, 24, UINT32_MAX, sector + AT_ECC_P + col, sector + AT_ECC_P + 86 + col);
    for (unsigned i = 0; i < 52; i++) /* Q: 43 bytes along each diagonal, over data and P; bytes come in pairs */
        parity(body, (i >> 1) * 86 + (i & 1), 88, 43, 26 * 86, sector + AT_ECC_Q + i, sector + AT_ECC_Q + 52 + i);
}

void cd_sector_build(uint8_t *out, const uint8_t *data, uint32_t lba, uint8_t layout)
{
    uint8_t raw[CD_RAW_SECTOR] = {0};
    uint32_t msf = lba + 150;
    uint8_t t[3] = {msf / 4500, msf / 75 % 60, msf % 75};

    memset(raw + 1, 0xff, 10);
    for (int i = 0; i < 3; i++)
        raw[AT_HEADER + i] = t[i] / 10 << 4 | t[i] % 10;
    raw[AT_HEADER + 3] = 1; /* mode 1 */
    memcpy(raw + AT_DATA, data, CD_SECTOR);
    if (layout & CD_EDC_ECC) {
        stl32(raw + AT_EDC, edc(raw, AT_EDC));
        make_ecc(raw);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
        if ((layout & parts[i].mask) == parts[i].value) {
            memcpy(out, raw + parts[i].at, parts[i].len);
            out += parts[i].len;
        }
    memset(out, 0, c2_bytes(layout)); /* no byte in doubt */
}
