/* i8254.h - the PC's interval timer and port 61h. Under the BQL. */
#ifndef HW_TIMER_I8254_H
#define HW_TIMER_I8254_H

#include "softmmu/device.h"
#include "softmmu/irq.h"

typedef struct PitState PitState;
extern const DeviceClass i8254_class;

void i8254_set_output(PitState *s, IrqLine irq); /* counter 0's OUT; before realize */
/* HPET legacy replacement takes IRQ 0 away from counter 0 (n unused). */
void i8254_disable_irq(void *opaque, int n, int disable);

/* Port 61h's loudspeaker. The listener hears before and after every write that may change it. */
typedef struct SpeakerOps {
    void (*before)(void *opaque);
    void (*after)(void *opaque);
} SpeakerOps;
void i8254_set_speaker(PitState *s, const SpeakerOps *ops, void *opaque); /* NULL: nobody */
bool i8254_speaker_on(const PitState *s);                 /* the output is let through */
bool i8254_speaker_level(const PitState *s, int64_t ns); /* at this VM time, with the registers as they are */

#endif
