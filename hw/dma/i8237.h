/* i8237.h - the PC's two DMA controllers as their peripherals see them. Under the BQL.
 * A peripheral registers a handler for its channel, raises DREQ, and is called back with the channel's
 * progress; inside the callback it moves bytes with the read/write functions and returns the new
 * position. */
#ifndef HW_DMA_I8237_H
#define HW_DMA_I8237_H

#include "softmmu/device.h"

typedef struct I8237State I8237State;
extern const DeviceClass i8237_class;

/* dma_pos: bytes moved so far of the dma_len that the guest programmed. Returns the new dma_pos; a
 * return of dma_pos unchanged means "no more now": the channel waits for the next hold_dreq. */
typedef int I8237Handler(void *opaque, int nchan, int dma_pos, int dma_len);

bool i8237_register(I8237State *s, int chan, I8237Handler *fn, void *opaque);
void i8237_hold_dreq(I8237State *s, int chan);    /* raise DREQ; the handler runs when the channel is unmasked */
void i8237_release_dreq(I8237State *s, int chan);
/* Memory to device / device to memory, at byte `pos` of the programmed transfer. They return len; bytes
 * beyond the programmed count read as zero and are not written. */
int i8237_read_memory(I8237State *s, int chan, void *buf, int pos, int len);
int i8237_write_memory(I8237State *s, int chan, const void *buf, int pos, int len);
/* The guest programmed autoinit (the transfer wraps around). */
bool i8237_has_autoinit(I8237State *s, int chan);

#endif
