/* e1000-phy.c - the 82540EM's serial EEPROM (Microwire and EERD) and its copper PHY behind MDIC
 * Spec: 317453 chapter 5 (EEPROM map, word checksum BABAh), 13.4.3-13.4.4 (EECD, EERD), 13.4.8 (MDIC); IEEE 802.3
 * clause 22; 93C46: start bit, two bits of opcode, six of address. The PHY is the internal 88E1011's.
 * Not modelled: writing the EEPROM (it is write-protected), time of auto-negotiation: it is over at once. */
#include "host/base/osdep.h"
#include "hw/net/e1000-internal.h"

enum { EE_COMMAND_BITS = 9, EE_OP_READ = 6 /* start bit and opcode 10 */, PHY_ADDR = 1 };
enum { PHYS_BASE = 0x7949, PHYS_LINK = 0x0004, PHYS_AN_DONE = 0x0020 };
enum { MSTATUS_1000_FD = 0xa800, MSTATUS_LINK = 0x0400 };

void e1000_eeprom_init(E1000State *s)
{
    uint16_t sum = 0;

    memset(s->eeprom, 0xff, sizeof s->eeprom);
    for (unsigned i = 0; i < 3; i++)
        s->eeprom[i] = (uint16_t)(s->nic.mac[2 * i] | s->nic.mac[2 * i + 1] << 8);
    s->eeprom[0x03] = 0x0000;  /* compatibility: nothing special, LOM off */
    s->eeprom[0x0a] = 0x4408;  /* initialization control 1, signature 01 in the top bits */
    s->eeprom[0x0b] = ldl16(s->nic.pci.config + PCI_SUBSYS_ID);
    s->eeprom[0x0c] = ldl16(s->nic.pci.config + PCI_SUBSYS_VENDOR);
    s->eeprom[0x0d] = ldl16(s->nic.pci.config + PCI_DEVICE_ID);
    s->eeprom[0x0e] = ldl16(s->nic.pci.config + PCI_VENDOR_ID);
    s->eeprom[0x0f] = 0x3040;  /* initialization control 2: PHY pause, ASDE */
    s->eeprom[0x24] = 0x0000;  /* no wake-up */
    for (unsigned i = 0; i < 0x3f; i++)
        sum = (uint16_t)(sum + s->eeprom[i]);
    s->eeprom[0x3f] = (uint16_t)(0xbaba - sum);
}

uint32_t e1000_eecd_read(E1000State *s)
{
    uint32_t v = (*e1000_reg(s, R_EECD) & (EECD_SK | EECD_CS | EECD_DI | EECD_FWE | EECD_REQ)) | EECD_PRES;

    if (v & EECD_REQ)
        v |= EECD_GNT;
    /* DO floats high until the chip drives it. */
    if (!s->ee_reading || (s->ee_out & 0x8000))
        v |= EECD_DO;
    return v;
}

/* One rising clock edge with the chip selected. */
static void eeprom_clock(E1000State *s, bool di)
{
    if (s->ee_reading) {
        if (s->ee_bits_out == 0) /* the dummy zero went before; now the first bit of the word */
            s->ee_out = s->eeprom[s->ee_in & (E1000_EEPROM_WORDS - 1)];
        else
            s->ee_out = (uint16_t)(s->ee_out << 1);
        if (++s->ee_bits_out == 16) { /* clocking on reads the next word */
            s->ee_bits_out = 0;
            s->ee_in = (s->ee_in + 1) & (E1000_EEPROM_WORDS - 1);
        }
        return;
    }
    if (s->ee_bits_in == 0 && !di)
        return; /* zeros before the start bit */
    s->ee_in = (uint16_t)(s->ee_in << 1 | di);
    if (++s->ee_bits_in < EE_COMMAND_BITS)
        return;
    s->ee_reading = (s->ee_in >> 6) == EE_OP_READ;
    s->ee_bits_in = 0;
    s->ee_bits_out = 0;
    s->ee_out = 0;
    if (!s->ee_reading)
        s->ee_in = 0;
    else
        s->ee_in &= E1000_EEPROM_WORDS - 1;
}

void e1000_eecd_write(E1000State *s, uint32_t val)
{
    uint32_t old = *e1000_reg(s, R_EECD);

    *e1000_reg(s, R_EECD) = val & (EECD_SK | EECD_CS | EECD_DI | EECD_FWE | EECD_REQ);
    if (!(val & EECD_CS)) {
        s->ee_reading = false;
        s->ee_in = s->ee_out = 0;
        s->ee_bits_in = s->ee_bits_out = 0;
    } else if ((val & EECD_SK) && !(old & EECD_SK)) {
        eeprom_clock(s, (val & EECD_DI) != 0);
    }
}

void e1000_eerd_write(E1000State *s, uint32_t val)
{
    uint32_t addr = extract32(val, 8, 8);

    if (!(val & EERD_START)) {
        *e1000_reg(s, R_EERD) = val & 0xff00;
        return;
    }
    *e1000_reg(s, R_EERD) = (val & 0xff00) | EERD_DONE |
                            (uint32_t)(addr < E1000_EEPROM_WORDS ? s->eeprom[addr] : 0xffff) << 16;
}

/* --- PHY --- */

bool e1000_link_up(E1000State *s)
{
    return nic_link_up(&s->nic) && !(s->phy[PHY_CTRL] & PHYC_POWER_DOWN);
}

void e1000_link_changed(E1000State *s)
{
    bool up = e1000_link_up(s), was = *e1000_reg(s, R_STATUS) & STATUS_LU;

    s->phy[PHY_STATUS] = (uint16_t)(PHYS_BASE | (up ? PHYS_LINK | PHYS_AN_DONE : 0));
    s->phy[PHY_LPA] = up ? 0x45e1 : 0;         /* the partner: 10/100 both ways, pause, acknowledged */
    s->phy[PHY_EXP] = up ? 0x0003 : 0;         /* the partner negotiates; page received */
    s->phy[PHY_1000_STATUS] = up ? 0x3c00 : 0; /* 1000BASE-T both ways, both receivers fine */
    s->phy[PHY_M_STATUS] = up ? MSTATUS_1000_FD | MSTATUS_LINK : 0;
    *e1000_reg(s, R_STATUS) = STATUS_FD | STATUS_1000 | STATUS_ASDV_1000 | (up ? STATUS_LU : 0);
    if (up != was) {
        e1000_raise(s, ICR_LSC);
        if (up && s->nic.nc)
            net_flush(s->nic.nc);
    }
}

void e1000_phy_reset(E1000State *s)
{
    memset(s->phy, 0, sizeof s->phy);
    s->phy[PHY_CTRL] = 0x1140;       /* auto-negotiation, full duplex, 1000 */
    s->phy[PHY_ID1] = 0x0141;        /* Marvell 88E1011 */
    s->phy[PHY_ID2] = 0x0c20;
    s->phy[PHY_ADV] = 0x0de1;
    s->phy[PHY_1000_CTRL] = 0x0e00;
    s->phy[PHY_EXT_STATUS] = 0x3000; /* 1000BASE-T, half and full */
    s->phy[PHY_M_CTRL] = 0x0068;
    s->phy[PHY_M_EXT_CTRL] = 0x0d60;
    e1000_link_changed(s);
}

static void phy_write(E1000State *s, unsigned r, uint16_t v)
{
    switch (r) {
    case PHY_CTRL:
        if (v & PHYC_RESET) {
            e1000_phy_reset(s);
            return;
        }
        s->phy[PHY_CTRL] = (uint16_t)(v & ~(PHYC_RESTART_AN | 0x3f));
        e1000_link_changed(s);
        if ((v & PHYC_RESTART_AN) && e1000_link_up(s))
            e1000_raise(s, ICR_LSC); /* down and up again, too fast to see */
        return;
    case PHY_STATUS:
    case PHY_ID1:
    case PHY_ID2:
    case PHY_LPA:
    case PHY_EXP:
    case PHY_1000_STATUS:
    case PHY_EXT_STATUS:
    case PHY_M_STATUS:
        return;
    default:
        s->phy[r] = v;
    }
}

void e1000_mdic_write(E1000State *s, uint32_t val)
{
    unsigned r = extract32(val, 16, 5), phy = extract32(val, 21, 5), op = extract32(val, 26, 2);
    uint32_t res = val & 0x2fff0000; /* operation, addresses, interrupt enable */

    res &= ~(uint32_t)MDIC_READY;
    if (phy != PHY_ADDR || (op != MDIC_OP_READ && op != MDIC_OP_WRITE)) {
        res |= MDIC_ERROR | (val & 0xffff);
    } else if (op == MDIC_OP_WRITE) {
        phy_write(s, r, (uint16_t)val);
        res |= val & 0xffff;
    } else {
        res |= s->phy[r];
        if (r == PHY_M_INT_STATUS)
            s->phy[r] = 0;
    }
    *e1000_reg(s, R_MDIC) = res | MDIC_READY;
    if (val & MDIC_INT_EN)
        e1000_raise(s, ICR_MDAC);
}
