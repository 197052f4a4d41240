/* smbios.h - the tables that tell the guest's software what machine it runs on. */
#ifndef HW_PC_SMBIOS_H
#define HW_PC_SMBIOS_H

#include "hw/pc/fw-cfg.h"
#include "hw/pc/smbios-opts.h"

typedef struct SmbiosConfig {
    uint64_t ram_size, ram_below_4g;
    unsigned smp_cpus;
    const uint8_t *uuid; /* 16 bytes, or NULL: not set */
    uint32_t cpu_signature, cpu_features; /* CPUID 1 EAX and EDX */
    const SmbiosOpts *opts; /* or NULL */
} SmbiosConfig;

/* Puts etc/smbios/smbios-anchor and etc/smbios/smbios-tables into fw_cfg. */
void smbios_build(const SmbiosConfig *cfg, FwCfgState *fw);

#endif
