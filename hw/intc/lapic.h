/* lapic.h - the local APIC of one CPU. Under the BQL. It drives the CPU through LapicCpuOps, which the
 * board fills in, and tells the I/O APIC about EOIs of level-triggered vectors. */
#ifndef HW_INTC_LAPIC_H
#define HW_INTC_LAPIC_H

#include "softmmu/device.h"
#include "softmmu/irq.h"

typedef struct LapicState LapicState;
extern const DeviceClass lapic_class;

typedef struct LapicCpuOps {
    void (*intr)(void *opaque, int level); /* INTR: a vector can be fetched with lapic_get_vector */
    void (*nmi)(void *opaque);
    void (*smi)(void *opaque);
    void (*init)(void *opaque);
    void (*sipi)(void *opaque, unsigned vector);
    /* VM clock time at which the guest's TSC reaches `tsc`; may lie in the past. */
    int64_t (*tsc_to_ns)(void *opaque, uint64_t tsc);
} LapicCpuOps;

typedef struct LapicWiring {
    const LapicCpuOps *cpu;
    void *cpu_opaque;
    void (*eoi)(void *opaque, unsigned vector);       /* EOI broadcast to I/O APICs */
    int (*pic_acknowledge)(void *opaque);             /* INTA cycle of the 8259 */
    void *chipset_opaque;
} LapicWiring;
void lapic_configure(LapicState *s, unsigned id, const LapicWiring *w); /* before realize */

enum LapicDelivery { DELIVER_FIXED, DELIVER_LOWEST, DELIVER_SMI, DELIVER_NMI = 4, DELIVER_INIT, DELIVER_SIPI, DELIVER_EXTINT };
/* A message from the I/O APIC or MSI. */
void lapic_deliver(LapicState *s, uint32_t dest, bool logical, unsigned mode, unsigned vector, bool level);
/* IrqHandler: the pins LINT0 (n 0, the 8259's INTR) and LINT1 (n 1, NMI). opaque is the LapicState. */
void lapic_set_lint(void *opaque, int n, int level);

/* The CPU's side. */
int lapic_get_vector(LapicState *s); /* interrupt acknowledge; -1: nothing to deliver */
uint8_t lapic_get_tpr(LapicState *s);
void lapic_set_tpr(LapicState *s, uint8_t tpr);
uint64_t lapic_get_base(LapicState *s);
bool lapic_set_base(LapicState *s, uint64_t val);            /* false: #GP */
bool lapic_msr_read(LapicState *s, uint32_t msr, uint64_t *val); /* 800h-8ffh and 6e0h; false: #GP */
bool lapic_msr_write(LapicState *s, uint32_t msr, uint64_t val);
void lapic_init_reset(LapicState *s); /* INIT: all but ID and base */

void lapic_print(LapicState *s, GString *out); /* `info lapic` */

#endif
