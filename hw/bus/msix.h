/* msix.h - MSI-X for a PCI function: a table of messages in a BAR of its own. Under the BQL. */
#ifndef HW_BUS_MSIX_H
#define HW_BUS_MSIX_H

#include "hw/bus/pci.h"

enum { MSIX_MAX = 128 }; /* vectors of one function: what fits into the first half of a 4 KiB BAR */

typedef struct Msix {
    PciDevice *pd;   /* NULL: the function has no MSI-X */
    unsigned cap;    /* offset of the capability */
    unsigned count;
    MemoryRegion mr;
    uint32_t table[MSIX_MAX][4]; /* address low, high, data, control */
    uint32_t pending[MSIX_MAX / 32];
} Msix;
extern const VMField msix_fields[];

/* In a function's init, after pci_device_init: adds the capability and BAR `bar`; 1 <= count <= MSIX_MAX. */
void msix_init(Msix *m, PciDevice *pd, int bar, unsigned count);
void msix_reset(Msix *m);
void msix_finalize(Msix *m);
/* From the function's config_write. */
void msix_config_write(Msix *m, unsigned addr, unsigned size);
bool msix_enabled(const Msix *m);
/* Sends vector's message, or marks it pending while masked. A vector that is not there is ignored. */
void msix_notify(Msix *m, unsigned vector);

#endif
