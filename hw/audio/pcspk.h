/* pcspk.h - the PC's loudspeaker on counter 2 of the interval timer and port 61h. */
#ifndef HW_AUDIO_PCSPK_H
#define HW_AUDIO_PCSPK_H

#include "host/audio/audio.h"
#include "hw/timer/i8254.h"
#include "softmmu/device.h"

extern const DeviceClass pcspk_class; /* "isa-pcspk" */
void pcspk_wire(Device *dev, PitState *pit, AudioDev *audio); /* before realize; audio NULL: silent */

#endif
