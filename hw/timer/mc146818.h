/* mc146818.h - the PC's real-time clock and CMOS memory. Under the BQL. */
#ifndef HW_TIMER_MC146818_H
#define HW_TIMER_MC146818_H

#include "softmmu/device.h"
#include "softmmu/irq.h"

typedef struct RtcState RtcState;
extern const DeviceClass mc146818_class;

/* Before realize. offset_s is added to the host's wall clock; localtime: the guest sees local time. */
void mc146818_configure(RtcState *s, IrqLine irq, bool localtime, int64_t offset_s);
void mc146818_set_alarm_line(RtcState *s, IrqLine alarm); /* pulsed by each alarm whose interrupt is enabled */
/* Battery-backed bytes that the board fills in (0eh and up); they survive reset. */
void mc146818_set_cmos(RtcState *s, unsigned index, uint8_t val);
uint8_t mc146818_get_cmos(const RtcState *s, unsigned index);

#endif
