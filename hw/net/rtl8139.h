/* rtl8139.h - Realtek RTL8139C+ Fast Ethernet controller. */
#ifndef HW_NET_RTL8139_H
#define HW_NET_RTL8139_H

#include "softmmu/device.h"

extern const DeviceClass rtl8139_class;

#endif
