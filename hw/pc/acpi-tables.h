/* acpi-tables.h - ACPI tables and the script that tells the firmware how to place them. */
#ifndef HW_PC_ACPI_TABLES_H
#define HW_PC_ACPI_TABLES_H

#include "hw/pc/fw-cfg.h"

typedef struct AcpiConfig {
    unsigned smp_cpus;
    bool no_s3, no_s4, hpet, pit, com1, com2, lpt, fdc;
    uint16_t pvpanic_port; /* 0: none */
    uint32_t pm_base;      /* PM1 event block as the firmware programmed it */
    uint32_t pci_hole_start; /* first address above low RAM */
    uint64_t pci64_start, pci64_end; /* 64-bit window; start = end: none */
    const GPtrArray *user;  /* of GByteArray *: acpi_user_table(); or NULL */
} AcpiConfig;

enum { ACPI_HEADER_SIZE = 36, ACPI_USER_MAX = 16 };
/* What -acpitable says, with its header; NULL and errp. Free with g_byte_array_unref. */
GByteArray *acpi_user_table(const char *text, GError **errp);
/* Puts etc/acpi/rsdp, etc/acpi/tables and etc/table-loader into fw_cfg, replacing earlier ones. */
void acpi_build(const AcpiConfig *cfg, FwCfgState *fw);

#endif
