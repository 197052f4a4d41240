/* aml.c - building ACPI machine language
 * Spec: ACPI 6.0 chapter 20 (AML grammar) and 6.4 (resource data types). Blocks use the four-byte
 * PkgLength form, so that nothing has to be moved when a block is closed. */
#include "host/base/osdep.h"
#include "hw/pc/aml.h"

#include "host/base/bitops.h"

enum { OP_ZERO = 0x00, OP_ONE = 0x01, OP_NAME = 0x08, OP_BYTE = 0x0a, OP_WORD = 0x0b, OP_DWORD = 0x0c,
       OP_STRING = 0x0d, OP_QWORD = 0x0e, OP_SCOPE = 0x10, OP_BUFFER = 0x11, OP_PACKAGE = 0x12,
       OP_METHOD = 0x14, OP_DUAL = 0x2e, OP_MULTI = 0x2f, OP_EXT = 0x5b, OP_IF = 0xa0 };
enum { EXT_REGION = 0x80, EXT_FIELD = 0x81, EXT_DEVICE = 0x82, SPACE_PCI_CONFIG = 2 };
enum { MAX_SEGMENTS = 8 };

void aml_byte(Aml *a, uint8_t b)
{
    g_byte_array_append(a, &b, 1);
}

void aml_bytes(Aml *a, const void *p, size_t n)
{
    g_byte_array_append(a, p, (guint)n);
}

void aml_word(Aml *a, uint16_t v)
{
    aml_bytes(a, &v, 2);
}

void aml_dword(Aml *a, uint32_t v)
{
    aml_bytes(a, &v, 4);
}

void aml_qword(Aml *a, uint64_t v)
{
    aml_bytes(a, &v, 8);
}

void aml_name_string(Aml *a, const char *path)
{
    g_auto(GStrv) segs = NULL;
    unsigned n;

    while (*path == '\\' || *path == '^')
        aml_byte(a, (uint8_t)*path++);
    segs = g_strsplit(path, ".", MAX_SEGMENTS);
    n = g_strv_length(segs);
    if (n == 0 || !segs[0][0]) {
        aml_byte(a, 0); /* the root by itself */
        return;
    }
    if (n == 2)
        aml_byte(a, OP_DUAL);
    else if (n > 2) {
        aml_byte(a, OP_MULTI);
        aml_byte(a, (uint8_t)n);
    }
    for (unsigned i = 0; i < n; i++) {
        char seg[5];
        snprintf(seg, sizeof seg, "%s", segs[i]);
        for (size_t k = strlen(seg); k < 4; k++)
            seg[k] = '_';
        aml_bytes(a, seg, 4);
    }
}

void aml_integer(Aml *a, uint64_t v)
{
    if (v == 0) {
        aml_byte(a, OP_ZERO);
    } else if (v == 1) {
        aml_byte(a, OP_ONE);
    } else if (v <= 0xff) {
        aml_byte(a, OP_BYTE);
        aml_byte(a, (uint8_t)v);
    } else if (v <= 0xffff) {
        aml_byte(a, OP_WORD);
        aml_word(a, (uint16_t)v);
    } else if (v <= 0xffffffff) {
        aml_byte(a, OP_DWORD);
        aml_dword(a, (uint32_t)v);
    } else {
        aml_byte(a, OP_QWORD);
        aml_qword(a, v);
    }
}

void aml_string(Aml *a, const char *s)
{
    aml_byte(a, OP_STRING);
    aml_bytes(a, s, strlen(s) + 1);
}

/* Three letters of five bits, four hex digits, stored big-endian (ACPI 19.3.4). */
void aml_eisa_id(Aml *a, const char *id)
{
    uint32_t v = (uint32_t)(id[0] - 0x40) << 26 | (uint32_t)(id[1] - 0x40) << 21 | (uint32_t)(id[2] - 0x40) << 16;

    v |= (uint32_t)strtoul(id + 3, NULL, 16);
    aml_byte(a, OP_DWORD);
    aml_dword(a, __builtin_bswap32(v));
}

static AmlBlock open_block(Aml *a)
{
    AmlBlock b = {a->len};

    aml_dword(a, 0);
    return b;
}

void aml_close(Aml *a, AmlBlock b)
{
    uint32_t len = a->len - b.at;
    uint8_t *p = a->data + b.at;

    g_assert(len < 1u << 28);
    p[0] = (uint8_t)(0xc0 | (len & 0xf)); /* three more bytes follow */
    p[1] = (uint8_t)(len >> 4);
    p[2] = (uint8_t)(len >> 12);
    p[3] = (uint8_t)(len >> 20);
}

AmlBlock aml_open_scope(Aml *a, const char *path)
{
    AmlBlock b;

    aml_byte(a, OP_SCOPE);
    b = open_block(a);
    aml_name_string(a, path);
    return b;
}

AmlBlock aml_open_device(Aml *a, const char *name)
{
    AmlBlock b;

    aml_byte(a, OP_EXT);
    aml_byte(a, EXT_DEVICE);
    b = open_block(a);
    aml_name_string(a, name);
    return b;
}

AmlBlock aml_open_method(Aml *a, const char *name, unsigned args, bool serialized)
{
    AmlBlock b;

    aml_byte(a, OP_METHOD);
    b = open_block(a);
    aml_name_string(a, name);
    aml_byte(a, (uint8_t)(args | (serialized ? 8 : 0)));
    return b;
}

AmlBlock aml_open_package(Aml *a, unsigned count)
{
    AmlBlock b;

    aml_byte(a, OP_PACKAGE);
    b = open_block(a);
    aml_byte(a, (uint8_t)count);
    return b;
}

AmlBlock aml_open_if(Aml *a)
{
    aml_byte(a, OP_IF);
    return open_block(a);
}

AmlBlock aml_open_field(Aml *a, const char *region, unsigned flags)
{
    AmlBlock b;

    aml_byte(a, OP_EXT);
    aml_byte(a, EXT_FIELD);
    b = open_block(a);
    aml_name_string(a, region);
    aml_byte(a, (uint8_t)flags);
    return b;
}

AmlBlock aml_open_buffer(Aml *a)
{
    AmlBlock b;

    aml_byte(a, OP_BUFFER);
    b = open_block(a);
    aml_byte(a, OP_WORD); /* size, filled in at the end */
    aml_word(a, 0);
    return b;
}

void aml_close_template(Aml *a, AmlBlock b)
{
    aml_byte(a, 0x79); /* end tag */
    aml_byte(a, 0);    /* checksum 0: not checked */
    stl16(a->data + b.at + 5, (uint16_t)(a->len - b.at - 7));
    aml_close(a, b);
}

void aml_name(Aml *a, const char *name)
{
    aml_byte(a, OP_NAME);
    aml_name_string(a, name);
}

void aml_name_integer(Aml *a, const char *name, uint64_t v)
{
    aml_name(a, name);
    aml_integer(a, v);
}

void aml_name_eisa(Aml *a, const char *name, const char *id)
{
    aml_name(a, name);
    aml_eisa_id(a, id);
}

void aml_pci_config_region(Aml *a, const char *name, unsigned off, unsigned len)
{
    aml_byte(a, OP_EXT);
    aml_byte(a, EXT_REGION);
    aml_name_string(a, name);
    aml_byte(a, SPACE_PCI_CONFIG);
    aml_integer(a, off);
    aml_integer(a, len);
}

void aml_field_unit(Aml *a, const char *name, unsigned bits)
{
    g_assert(bits < 64);
    aml_name_string(a, name);
    aml_byte(a, (uint8_t)bits);
}

/* --- resources --- */

void aml_res_io(Aml *a, uint16_t base, uint8_t align, uint8_t len)
{
    aml_byte(a, 0x47);
    aml_byte(a, 1); /* 16-bit decode */
    aml_word(a, base);
    aml_word(a, base);
    aml_byte(a, align);
    aml_byte(a, len);
}

void aml_res_irq(Aml *a, unsigned irq)
{
    aml_byte(a, 0x22);
    aml_word(a, (uint16_t)(1 << irq));
}

void aml_res_dma(Aml *a, unsigned channel)
{
    aml_byte(a, 0x2a);
    aml_byte(a, (uint8_t)(1 << channel));
    aml_byte(a, 0x00); /* compatibility, 8 bit, no bus master */
}

void aml_res_fixed_mem32(Aml *a, uint32_t base, uint32_t len, bool writable)
{
    aml_byte(a, 0x86);
    aml_word(a, 9);
    aml_byte(a, writable);
    aml_dword(a, base);
    aml_dword(a, len);
}

void aml_res_interrupt(Aml *a, const uint32_t *irqs, unsigned n)
{
    aml_byte(a, 0x89);
    aml_word(a, (uint16_t)(2 + 4 * n));
    aml_byte(a, 0x09); /* consumer, level, active high, shared */
    aml_byte(a, (uint8_t)n);
    for (unsigned i = 0; i < n; i++)
        aml_dword(a, irqs[i]);
}

/* Address space descriptors (ACPI 6.4.3.5): type 0 memory, 1 I/O, 2 bus; fixed minimum and maximum, producer. */
void aml_res_word_bus(Aml *a, uint16_t min, uint16_t max)
{
    uint16_t w[5] = {0, min, max, 0, (uint16_t)(max - min + 1)};

    aml_byte(a, 0x88);
    aml_word(a, 13);
    aml_byte(a, 2);
    aml_byte(a, 0x0c);
    aml_byte(a, 0);
    aml_bytes(a, w, sizeof w);
}

void aml_res_word_io(Aml *a, uint16_t min, uint16_t max)
{
    uint16_t w[5] = {0, min, max, 0, (uint16_t)(max - min + 1)};

    aml_byte(a, 0x88);
    aml_word(a, 13);
    aml_byte(a, 1);
    aml_byte(a, 0x0c);
    aml_byte(a, 3); /* entire range */
    aml_bytes(a, w, sizeof w);
}

void aml_res_dword_mem(Aml *a, uint32_t min, uint32_t max, bool cacheable)
{
    uint32_t w[5] = {0, min, max, 0, max - min + 1};

    aml_byte(a, 0x87);
    aml_word(a, 23);
    aml_byte(a, 0);
    aml_byte(a, 0x0c);
    aml_byte(a, cacheable ? 3 : 1); /* read-write, cacheable or not */
    aml_bytes(a, w, sizeof w);
}

void aml_res_qword_mem(Aml *a, uint64_t min, uint64_t max)
{
    uint64_t w[5] = {0, min, max, 0, max - min + 1};

    aml_byte(a, 0x8a);
    aml_word(a, 43);
    aml_byte(a, 0);
    aml_byte(a, 0x0c);
    aml_byte(a, 3);
    aml_bytes(a, w, sizeof w);
}
