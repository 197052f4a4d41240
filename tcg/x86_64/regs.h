/* regs.h - register facts of the x86-64 host: numbers, the pinning table, the host stack frame.
 * Spec: AMD64 ABI (callee-saved rbx rbp r12-r15), Intel SDM vol. 2 ch. 2 (register numbers). */
#ifndef TCG_X86_64_REGS_H
#define TCG_X86_64_REGS_H

#include "host/base/osdep.h"

typedef enum Reg {
    RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15,
    XMM0, XMM15 = XMM0 + 15,
    NB_REGS,
    NOREG = -1,
} Reg;

/* Guest register n lives in host register host_pin[n] whenever translated code crosses a TB boundary.
 * The six that the host's own instructions want fixed (mul, div, shifts) keep their names. */
enum { NB_PINNED = 10 };
static const int8_t host_pin[16] = { RAX, RCX, RDX, RBX, R12, R13, RSI, RDI, R14, R15, -1, -1, -1, -1, -1, -1 };

#define REG_BIT(r) (1u << (r))
#define REGS_SCRATCH (REG_BIT(R8) | REG_BIT(R9) | REG_BIT(R10) | REG_BIT(R11)) /* temps live here */
#define REGS_VEC 0xffff0000u
#define REGS_PIN_CLOBBERED (REG_BIT(RAX) | REG_BIT(RCX) | REG_BIT(RDX) | REG_BIT(RSI) | REG_BIT(RDI)) /* by C */

/* The frame that the prologue makes, from rsp upwards. What every slow path uses comes first, so that
 * its displacement takes one byte. */
enum {
    FRAME_ARG0 = 0, FRAME_ARG1 = 8, FRAME_ARG2 = 16, /* slow path arguments */
    FRAME_OI = 24, FRAME_RMW = 28,                   /* dwords */
    FRAME_RES = 32,                                  /* slow path result */
    FRAME_SAVE_AX = 40, FRAME_SAVE_DX = 48, FRAME_SAVE_CX = 56, /* pinned registers an instruction needs itself */
    FRAME_REGS = 64,                                 /* r8-r11 during a slow path */
    FRAME_VBUF = 96,                                 /* 32 bytes: a vector to or from a slow path */
    FRAME_SPILL = 128,
    FRAME_SPILL_SIZE = 8192,
    FRAME_VSAVE = FRAME_SPILL + FRAME_SPILL_SIZE,    /* 16 x 32 bytes: vector registers during a slow path */
    FRAME_SIZE = FRAME_VSAVE + 512 + 8,              /* + 8: six pushes and a return address are 56 bytes */
};
_Static_assert(FRAME_SIZE % 16 == 8, "rsp must be 16-aligned inside translated code");

#endif
