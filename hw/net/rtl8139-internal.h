/* rtl8139-internal.h - the RTL8139C+'s registers and state, shared by rtl8139*.c
 * Spec: Realtek RTL8139C(L)+ data sheet, chapters 6 (registers) and 9 (C+ descriptors); RTL8139 programming guide. */
#ifndef HW_NET_RTL8139_INTERNAL_H
#define HW_NET_RTL8139_INTERNAL_H

#include "host/base/bitops.h"
#include "host/base/log.h"
#include "hw/net/nic.h"
#include "softmmu/dma.h"
#include "softmmu/timer.h"

enum { R_IDR = 0x00, R_MAR = 0x08, R_TSD = 0x10, R_DTCCR = 0x10 /* C+ */, R_TSAD = 0x20, R_RBSTART = 0x30, R_CR = 0x37, R_CAPR = 0x38, R_CBR = 0x3a,
       R_IMR = 0x3c, R_ISR = 0x3e, R_TCR = 0x40, R_RCR = 0x44, R_TCTR = 0x48, R_MPC = 0x4c, R_9346CR = 0x50, R_CONFIG0 = 0x51,
       R_CONFIG1 = 0x52, R_TIMER_INT = 0x54, R_MSR = 0x58, R_CONFIG3 = 0x59, R_CONFIG4 = 0x5a, R_HLTCLK = 0x5b, R_MULINT = 0x5c,
       R_REVISION = 0x5e, R_TSAD_ALL = 0x60, R_BMCR = 0x62, R_BMSR = 0x64, R_ANAR = 0x66, R_ANLPAR = 0x68, R_ANER = 0x6a,
       R_NWAY = 0x70, R_CSCR = 0x74, R_PHY1 = 0x78, R_TW = 0x7c, R_PHY2 = 0x80, R_CONFIG5 = 0xd8, R_TPPOLL = 0xd9,
       R_CPCR = 0xe0, R_RDSAR = 0xe4, R_MTPS = 0xec, R_TNPDS = 0x20, R_THPDS = 0x28 };
enum { CR_BUFE = 1, CR_TE = 4, CR_RE = 8, CR_RST = 0x10 };
enum { ISR_ROK = 1, ISR_RER = 2, ISR_TOK = 4, ISR_TER = 8, ISR_RXOVW = 0x10, ISR_PUN = 0x20, ISR_TDU = 0x80, ISR_TIMEOUT = 0x4000 };
enum { TSD_SIZE = 0x1fff, TSD_OWN = 0x2000, TSD_TUN = 0x4000, TSD_TOK = 0x8000 };
enum { RCR_AAP = 1, RCR_APM = 2, RCR_AM = 4, RCR_AB = 8, RCR_WRAP = 0x80 };
enum { TCR_LOOPBACK = 3 << 17 };
enum { CPCR_TX = 1, CPCR_RX = 2, CPCR_RX_SUM = 0x20, CPCR_RX_VLAN = 0x40 };
enum { RTL_MAX_FRAME = 65536 + 64, RTL_DESC = 16 };

/* The tally counters (6.2 DTCCR); those of errors on the wire stay 0 and are not kept. */
typedef struct Rtl8139Tally {
    uint64_t tx_ok, rx_ok, rx_ok_unicast, rx_ok_broadcast;
    uint32_t rx_ok_multicast;
    uint16_t missed;
} Rtl8139Tally;

typedef struct Rtl8139State {
    NicState nic;
    MemoryRegion io, mmio;
    uint8_t reg[256];
    uint32_t rx_at;          /* offset in the receive ring where the next frame goes (CBR) */
    uint32_t rx_desc, tx_desc, tx_high_desc; /* C+: index of the next descriptor */
    int64_t timer_zero_ns;   /* when TCTR was 0 */
    Timer *timer;
    /* EEPROM: Microwire shifter */
    uint16_t eeprom[64], ee_out;
    uint32_t ee_in, ee_bits;
    bool ee_reading, ee_do;
    /* C+: the frame that is being collected */
    uint8_t *tx_buf;
    uint32_t tx_len;
    Rtl8139Tally tally;
    bool busy;               /* not saved: guards against DMA that comes back into the registers */
} Rtl8139State;

static inline bool rtl_cplus_tx(const Rtl8139State *s) { return s->reg[R_CPCR] & CPCR_TX; }

/* rtl8139.c */
void rtl_raise(Rtl8139State *s, unsigned causes);
/* rtl8139-ring.c */
bool rtl_can_receive(Rtl8139State *s);
bool rtl_receive(Rtl8139State *s, const uint8_t *f, size_t len);
void rtl_transmit(Rtl8139State *s, unsigned n); /* descriptor register n, just written */
void rtl_transmit_cplus(Rtl8139State *s, bool high);
bool rtl_ring_empty(const Rtl8139State *s);
/* Writes the tally counters to memory; with clear they begin at 0 again. */
void rtl_dump_tally(Rtl8139State *s, hwaddr to);

#endif
