/* e1000.h - Intel 82540EM Gigabit Ethernet controller. */
#ifndef HW_NET_E1000_H
#define HW_NET_E1000_H

#include "softmmu/device.h"

extern const DeviceClass e1000_class;

#endif
