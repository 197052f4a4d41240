/* decode-plain.h - between decode.c and decode-plain.c, whose decode_insn() is the short way; private to the decoder. */
#ifndef TARGET_X86_DECODE_PLAIN_H
#define TARGET_X86_DECODE_PLAIN_H

#include "target-x86/decode.h"

DecodeResult decode_any(struct DisasContext *dc); /* decode_insn() for all that there is */

#endif
