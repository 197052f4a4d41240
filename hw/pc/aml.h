/* aml.h - small functions that append ACPI machine language to a byte array. A package or block is
 * opened with aml_open (which leaves room for the length) and ended with aml_close. */
#ifndef HW_PC_AML_H
#define HW_PC_AML_H

#include "host/base/osdep.h"

typedef GByteArray Aml;

void aml_byte(Aml *a, uint8_t b);
void aml_bytes(Aml *a, const void *p, size_t n);
void aml_word(Aml *a, uint16_t v);
void aml_dword(Aml *a, uint32_t v);
void aml_qword(Aml *a, uint64_t v);

/* path: "\\_SB.PCI0" and the like; segments are padded to four characters. */
void aml_name_string(Aml *a, const char *path);
void aml_integer(Aml *a, uint64_t v); /* shortest encoding */
void aml_string(Aml *a, const char *s);
void aml_eisa_id(Aml *a, const char *id); /* "PNP0A03" as an integer */

typedef struct AmlBlock { guint at; } AmlBlock; /* where the length goes */
AmlBlock aml_open_scope(Aml *a, const char *path);
AmlBlock aml_open_device(Aml *a, const char *name);
AmlBlock aml_open_method(Aml *a, const char *name, unsigned args, bool serialized);
AmlBlock aml_open_package(Aml *a, unsigned count);
AmlBlock aml_open_if(Aml *a); /* the predicate follows, then the body */
AmlBlock aml_open_field(Aml *a, const char *region, unsigned flags);
AmlBlock aml_open_buffer(Aml *a); /* resource template: descriptors follow */
void aml_close(Aml *a, AmlBlock b);
void aml_close_template(Aml *a, AmlBlock b); /* end tag and sizes */

void aml_name(Aml *a, const char *name);                    /* Name (X, ...): the value follows */
void aml_name_integer(Aml *a, const char *name, uint64_t v);
void aml_name_eisa(Aml *a, const char *name, const char *id);
void aml_pci_config_region(Aml *a, const char *name, unsigned off, unsigned len);
void aml_field_unit(Aml *a, const char *name, unsigned bits);

/* Resource descriptors. */
void aml_res_io(Aml *a, uint16_t base, uint8_t align, uint8_t len);
void aml_res_irq(Aml *a, unsigned irq);                     /* edge, active high */
void aml_res_dma(Aml *a, unsigned channel);
void aml_res_fixed_mem32(Aml *a, uint32_t base, uint32_t len, bool writable);
void aml_res_interrupt(Aml *a, const uint32_t *irqs, unsigned n); /* level, active high, shared */
void aml_res_word_bus(Aml *a, uint16_t min, uint16_t max);
void aml_res_word_io(Aml *a, uint16_t min, uint16_t max);
void aml_res_dword_mem(Aml *a, uint32_t min, uint32_t max, bool cacheable);
void aml_res_qword_mem(Aml *a, uint64_t min, uint64_t max);

#endif
