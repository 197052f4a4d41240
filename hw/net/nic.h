/* nic.h - what all network cards share: properties, MAC addresses, the client towards the network, address text
 * of `info network`. A NIC's state begins with a NicState. */
#ifndef HW_NET_NIC_H
#define HW_NET_NIC_H

#include "host/net/net.h"
#include "hw/bus/pci.h"

typedef struct NicState {
    PciDevice pci;
    /* properties */
    char *mac_text, *netdev, *addr, *romfile;
    uint32_t bootindex;      /* NIC_NO_BOOTINDEX: none */
    bool rombar;
    uint8_t mac[6];
    NetClient *nc;
    MemoryRegion rom;        /* filled by the board */
    bool have_rom;
} NicState;

#define NIC_NO_BOOTINDEX UINT32_MAX
#define NIC_PROPS(type)                                                                                              \
    {"mac", PROP_STRING, offsetof(type, nic.mac_text), 0, NULL, "Ethernet address, 52:54:00:12:34:56 and up by default"}, \
    {"netdev", PROP_STRING, offsetof(type, nic.netdev), 0, NULL, "id of the network behind it (-netdev)"},           \
    {"addr", PROP_STRING, offsetof(type, nic.addr), 0, NULL, "PCI slot in hex, or SLOT.FUNCTION; the first free one by default"}, \
    {"romfile", PROP_STRING, offsetof(type, nic.romfile), 0, NULL, "boot ROM; empty: none"},                         \
    {"rombar", PROP_BOOL, offsetof(type, nic.rombar), 1, NULL, "give the card a boot ROM"},                          \
    {"bootindex", PROP_UINT32, offsetof(type, nic.bootindex), NIC_NO_BOOTINDEX, NULL, "place in the boot order"}

/* The NIC's client in the network: what a chip gives. opaque is the NicState. */
typedef struct NicClient {
    NetClient nc;
    NicState *nic;
} NicClient;

/* In a NIC's init: takes the MAC, makes the client, connects it to netdev=. */
bool nic_init(NicState *n, const NetClientOps *ops, GError **errp);
void nic_finalize(NicState *n);
/* The 6 bits of a destination address that choose one of 64 multicast filter bits in the DP8390D and its heirs: the upper
 * ones of its CRC. */
unsigned nic_multicast_hash(const uint8_t addr[6]);
static inline NicState *nic_of(NetClient *nc) { return ((NicClient *)nc)->nic; }
static inline bool nic_link_up(const NicState *n) { return n->nc && !n->nc->link_down; }

/* Cards by name; each may be made with -device and -nic model=. */
typedef struct NicModel {
    const DeviceClass *cls;
    const char *rom;         /* file of the boot ROM */
    const char *alias;       /* another name in model=, or NULL */
} NicModel;
extern const NicModel nic_models[]; /* end with a NULL class */
const NicModel *nic_find_model(const char *name);
/* NULL when dev is no NIC. */
NicState *nic_from_device(Device *dev);
char *nic_model_choices(void); /* "e1000 ..."; free it */

#endif
