/* edid.h - the identification that a monitor gives its guest. */
#ifndef HW_DISPLAY_EDID_H
#define HW_DISPLAY_EDID_H

#include "host/base/osdep.h"

enum { EDID_SIZE = 128, EDID_MIN_SIDE = 64, EDID_MAX_SIDE = 4095 };

/* One digital monitor that prefers width x height (EDID_MIN_SIDE to EDID_MAX_SIDE) at 60 Hz. */
void edid_make(uint8_t edid[EDID_SIZE], unsigned width, unsigned height);

#endif
