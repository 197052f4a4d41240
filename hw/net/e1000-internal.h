/* e1000-internal.h - the 82540EM's registers, descriptors and state, shared by e1000*.c
 * Spec: Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453), chapters
 * 3 (descriptors), 5 (EEPROM), 13 (registers). Under the BQL. */
#ifndef HW_NET_E1000_INTERNAL_H
#define HW_NET_E1000_INTERNAL_H

#include "host/base/bitops.h"
#include "host/base/log.h"
#include "hw/net/nic.h"
#include "softmmu/dma.h"
#include "softmmu/timer.h"

/* Register offsets (13.4). */
enum {
    R_CTRL = 0x0000, R_STATUS = 0x0008, R_EECD = 0x0010, R_EERD = 0x0014, R_CTRL_EXT = 0x0018, R_MDIC = 0x0020,
    R_FCAL = 0x0028, R_FCAH = 0x002c, R_FCT = 0x0030, R_VET = 0x0038, R_ICR = 0x00c0, R_ITR = 0x00c4, R_ICS = 0x00c8,
    R_IMS = 0x00d0, R_IMC = 0x00d8, R_RCTL = 0x0100, R_FCTTV = 0x0170, R_TXCW = 0x0178, R_RXCW = 0x0180,
    R_TCTL = 0x0400, R_TIPG = 0x0410, R_AIFS = 0x0458, R_LEDCTL = 0x0e00, R_PBA = 0x1000, R_FCRTL = 0x2160,
    R_FCRTH = 0x2168, R_RDBAL = 0x2800, R_RDBAH = 0x2804, R_RDLEN = 0x2808, R_RDH = 0x2810, R_RDT = 0x2818,
    R_RDTR = 0x2820, R_RXDCTL = 0x2828, R_RADV = 0x282c, R_RSRPD = 0x2c00, R_TDBAL = 0x3800, R_TDBAH = 0x3804,
    R_TDLEN = 0x3808, R_TDH = 0x3810, R_TDT = 0x3818, R_TIDV = 0x3820, R_TXDCTL = 0x3828, R_TADV = 0x382c,
    R_TSPMT = 0x3830, R_STATS = 0x4000, R_STATS_END = 0x4100, R_RXCSUM = 0x5000, R_MTA = 0x5200, R_RA = 0x5400,
    R_VFTA = 0x5600, R_WUC = 0x5800, R_WUFC = 0x5808, R_WUS = 0x5810, R_MANC = 0x5820, R_END = 0x6000,
};
/* Statistics (13.7), from 0x4000 on; all are cleared by reading. */
enum {
    S_RXERRC = 0x400c, S_MPC = 0x4010, S_PRC64 = 0x405c, S_GPRC = 0x4074, S_BPRC = 0x4078, S_MPRC = 0x407c,
    S_GPTC = 0x4080, S_GORCL = 0x4088, S_GOTCL = 0x4090, S_RNBC = 0x40a0, S_RUC = 0x40a4, S_ROC = 0x40ac,
    S_TORL = 0x40c0, S_TOTL = 0x40c8, S_TPR = 0x40d0, S_TPT = 0x40d4, S_PTC64 = 0x40d8, S_MPTC = 0x40f0,
    S_BPTC = 0x40f4, S_TSCTC = 0x40f8, S_TSCTFC = 0x40fc,
};
enum { CTRL_FD = 1, CTRL_SLU = 0x40, CTRL_RST = 1 << 26, CTRL_VME = 1 << 30, CTRL_PHY_RST = 1u << 31 };
enum { STATUS_FD = 1, STATUS_LU = 2, STATUS_1000 = 0x80, STATUS_ASDV_1000 = 0x200 };
enum { EECD_SK = 1, EECD_CS = 2, EECD_DI = 4, EECD_DO = 8, EECD_FWE = 0x30, EECD_REQ = 0x40, EECD_GNT = 0x80,
       EECD_PRES = 0x100 };
enum { EERD_START = 1, EERD_DONE = 0x10 };
enum { MDIC_OP_WRITE = 1, MDIC_OP_READ = 2, MDIC_READY = 1 << 28, MDIC_INT_EN = 1 << 29, MDIC_ERROR = 1 << 30 };
enum { ICR_TXDW = 1, ICR_TXQE = 2, ICR_LSC = 4, ICR_RXDMT0 = 0x10, ICR_RXO = 0x40, ICR_RXT0 = 0x80, ICR_MDAC = 0x200,
       ICR_ALL = 0x1ffff };
enum { RCTL_EN = 2, RCTL_SBP = 4, RCTL_UPE = 8, RCTL_MPE = 0x10, RCTL_LPE = 0x20, RCTL_LBM = 0xc0, RCTL_BAM = 0x8000,
       RCTL_VFE = 1 << 18, RCTL_BSEX = 1 << 25, RCTL_SECRC = 1 << 26 };
enum { TCTL_EN = 2, TCTL_PSP = 8 };
enum { RXCSUM_IPOFL = 0x100, RXCSUM_TUOFL = 0x200 };
enum { PHY_CTRL = 0, PHY_STATUS = 1, PHY_ID1 = 2, PHY_ID2 = 3, PHY_ADV = 4, PHY_LPA = 5, PHY_EXP = 6, PHY_1000_CTRL = 9,
       PHY_1000_STATUS = 10, PHY_EXT_STATUS = 15, PHY_M_CTRL = 16, PHY_M_STATUS = 17, PHY_M_INT_ENABLE = 18,
       PHY_M_INT_STATUS = 19, PHY_M_EXT_CTRL = 20 };
enum { PHYC_RESET = 0x8000, PHYC_LOOPBACK = 0x4000, PHYC_POWER_DOWN = 0x0800, PHYC_RESTART_AN = 0x0200 };

enum { E1000_DESC = 16, E1000_MAX_FRAME = 16384, E1000_TX_BUF = 65536 + 512, E1000_EEPROM_WORDS = 64,
       E1000_MIN_MSS = 16 /* smaller ones would only keep the host busy */ };

typedef struct E1000Context { /* a transmit context descriptor, decoded */
    uint8_t ipcss, ipcso, tucss, tucso, hdr_len;
    uint16_t ipcse, tucse, mss;
    uint32_t pay_len;
    bool ip, tcp;
} E1000Context;

typedef struct E1000State {
    NicState nic;
    MemoryRegion mmio, io;
    uint32_t reg[R_END / 4];
    uint32_t io_addr;
    /* EEPROM: Microwire shifter */
    uint16_t eeprom[E1000_EEPROM_WORDS];
    uint16_t ee_in, ee_out;
    uint8_t ee_bits_in, ee_bits_out;
    bool ee_reading;
    uint16_t phy[32];
    /* transmit: contexts for plain frames and for segmentation, and the frame that is being collected */
    E1000Context ctx, tso_ctx;
    uint8_t *tx_buf;
    uint32_t tx_len;
    uint32_t tx_segments;    /* of this segmented frame, sent already */
    uint32_t tx_unit;        /* payload of each: mss, or several where the network takes large frames */
    uint8_t tx_popts;
    bool tx_tso, tx_vlan, tx_drop, tx_started;
    uint16_t tx_vlan_tag;
    Timer *tx_timer;         /* goes on after a long turn, in the main loop */
    /* interrupts */
    Timer *itr_timer;
    bool irq_held;           /* a cause waits for the end of the throttling interval */
    /* not saved: guards against DMA that comes back into the registers */
    bool tx_busy, rx_busy;
} E1000State;

static inline uint32_t *e1000_reg(E1000State *s, unsigned off) { return &s->reg[off / 4]; }

/* e1000.c */
void e1000_raise(E1000State *s, uint32_t causes);
void e1000_stat_add(E1000State *s, unsigned off, uint32_t n);
void e1000_stat_add64(E1000State *s, unsigned off, uint32_t n);
/* The good frames by size: first is PRC64 or PTC64. */
void e1000_stat_size(E1000State *s, unsigned first, size_t len);
/* Ring at RDBAL or TDBAL: bus address of entry i. */
hwaddr e1000_ring_entry(E1000State *s, unsigned base_reg, uint32_t i);

/* e1000-phy.c: EEPROM and PHY */
void e1000_eeprom_init(E1000State *s);
uint32_t e1000_eecd_read(E1000State *s);
void e1000_eecd_write(E1000State *s, uint32_t val);
void e1000_eerd_write(E1000State *s, uint32_t val);
void e1000_mdic_write(E1000State *s, uint32_t val);
void e1000_phy_reset(E1000State *s);
bool e1000_link_up(E1000State *s);
void e1000_link_changed(E1000State *s);

/* e1000-tx.c, e1000-rx.c */
void e1000_transmit(E1000State *s);
void e1000_tx_reset(E1000State *s);
bool e1000_can_receive(E1000State *s);
bool e1000_receive(E1000State *s, const uint8_t *buf, size_t len);

#endif
