/* decode-plain.h - decode.c's short way; private to the decoder. */
#ifndef TARGET_X86_DECODE_PLAIN_H
#define TARGET_X86_DECODE_PLAIN_H

#include "host/base/osdep.h"

struct DisasContext;

void decode_plain_index(void); /* once, before the first decode_plain() */
/* The instruction at dc->pc, whose first 15 bytes, or all there may be, are at `bytes`; 32- or 64-bit code only. As decode_insn() does it,
 * the answer being DECODE_OK. False: that has to; dc->insn has not changed. */
bool decode_plain(struct DisasContext *dc, const uint8_t *bytes);

#endif
